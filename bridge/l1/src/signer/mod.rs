//! Who signs for an account: a key in this process's memory, or a signer elsewhere that keeps the key.
//!
//! Whoever asks for a signature hands over the whole transaction and gets only a signature back, which is
//! checked here against that very transaction. So a remote signer can refuse, and cannot change anything.

mod check;
mod remote;

use std::sync::Arc;

use alloy_consensus::SignableTransaction;
use alloy_network::TxSigner;
use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use serde_json::Value;

pub use remote::{RemoteSigner, RemoteTls};

use crate::SignError;

/// The signer of one account. Clones share it.
#[derive(Clone, Debug)]
pub enum RoleSigner {
    /// A key in memory.
    Key(PrivateKeySigner),
    /// A key that somebody else keeps.
    Remote(Arc<RemoteSigner>),
}

impl From<PrivateKeySigner> for RoleSigner {
    fn from(key: PrivateKeySigner) -> Self {
        Self::Key(key)
    }
}

impl From<RemoteSigner> for RoleSigner {
    fn from(signer: RemoteSigner) -> Self {
        Self::Remote(Arc::new(signer))
    }
}

impl RoleSigner {
    /// The account.
    pub fn address(&self) -> Address {
        match self {
            Self::Key(key) => key.address(),
            Self::Remote(signer) => signer.address(),
        }
    }

    /// Signs a transaction as it is.
    pub async fn sign<T>(&self, transaction: &T) -> Result<Signature, SignError>
    where
        T: SignableTransaction<Signature> + ?Sized,
    {
        match self {
            Self::Key(key) => sign_here(key, &transaction.signature_hash()),
            Self::Remote(signer) => signer.sign(transaction).await,
        }
    }

    /// Signs typed data (EIP-712), given as JSON and by its digest. What the JSON says is the signer's to
    /// look at; that the signature is over `digest` is checked.
    pub async fn sign_typed_data(
        &self,
        digest: &B256,
        typed_data: &Value,
    ) -> Result<Signature, SignError> {
        match self {
            Self::Key(key) => sign_here(key, digest),
            Self::Remote(signer) => signer.sign_typed_data(digest, typed_data).await,
        }
    }
}

fn sign_here(key: &PrivateKeySigner, hash: &B256) -> Result<Signature, SignError> {
    key.sign_hash_sync(hash).map_err(SignError::Key)
}

/// For wallets of providers.
#[async_trait::async_trait]
impl TxSigner<Signature> for RoleSigner {
    fn address(&self) -> Address {
        Self::address(self)
    }

    async fn sign_transaction(
        &self,
        transaction: &mut dyn SignableTransaction<Signature>,
    ) -> alloy_signer::Result<Signature> {
        let transaction: &dyn SignableTransaction<Signature> = transaction;
        // Looked at before waiting: transactions need not be shareable between threads.
        match self {
            Self::Key(key) => key.sign_hash_sync(&transaction.signature_hash()),
            Self::Remote(signer) => {
                let asked = check::Asked::new(transaction);
                signer.sign_asked(&asked).await.map_err(alloy_signer::Error::other)
            }
        }
    }
}
