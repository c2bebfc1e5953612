//! Blob transactions on their way in (EIP-4844): they come with their blobs, which blocks do not hold. The
//! pool keeps the blobs beside the transaction and checks them against its hashes, once.

use alloy_consensus::{EthereumTxEnvelope, Signed, TxEip4844, TxEip4844WithSidecar};
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4844::{BYTES_PER_BLOB, VERSIONED_HASH_VERSION_KZG, env_settings::EnvKzgSettings},
    eip7594::BlobTransactionSidecarVariant,
};
use primitives::TxEnvelope;
use stf::ChainSpec;

use crate::error::PoolError;

/// The type byte of EIP-4844.
pub(super) const KIND: u8 = 3;
/// Bytes of commitments and proofs beside a blob, at most: 128 cell proofs and a commitment of 48 bytes
/// each, with room for their lengths (EIP-7594).
const PROOF_BYTES_MAX: usize = 130 * 50;

/// What the chain's newest block allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRules {
    /// Blobs of one transaction.
    pub per_transaction_max: usize,
    /// Whether proofs are those of cells (EIP-7594, since Osaka) or of whole blobs.
    pub cell_proofs: bool,
}

impl BlobRules {
    /// Of a block at a time, seconds since the Unix epoch; `None` where there are no blobs.
    pub fn at(spec: &ChainSpec, timestamp: u64) -> Option<Self> {
        let rules = spec.as_ethereum()?;
        let params = rules.blob_params(timestamp)?;
        Some(Self {
            per_transaction_max: usize::try_from(params.max_blobs_per_tx).ok()?,
            cell_proofs: rules.config().osaka_time.is_some_and(|osaka| timestamp >= osaka),
        })
    }

    /// Bytes of a transaction's blobs with their proofs.
    pub(super) const fn bytes_max(&self) -> usize {
        self.per_transaction_max.saturating_mul(BYTES_PER_BLOB + PROOF_BYTES_MAX)
    }
}

type WithSidecar = TxEip4844WithSidecar<BlobTransactionSidecarVariant>;

/// Decodes a transaction with its blobs, and checks these: about 3 ms each.
pub(super) fn decode(
    bytes: &[u8],
    rules: &BlobRules,
) -> Result<(TxEnvelope, BlobTransactionSidecarVariant), PoolError> {
    let envelope = EthereumTxEnvelope::<WithSidecar>::decode_2718_exact(bytes).map_err(
        |error| match error {
            alloy_eips::eip2718::Eip2718Error::RlpError(error) => PoolError::Decode(error),
            _ => PoolError::TypeNotSupported,
        },
    )?;
    let EthereumTxEnvelope::Eip4844(signed) = envelope else {
        return Err(PoolError::TypeNotSupported);
    };
    let (with_sidecar, signature, hash) = signed.into_parts();
    let (transaction, sidecar) = with_sidecar.into_parts();
    let hashes = &transaction.blob_versioned_hashes;
    if hashes.is_empty() {
        return Err(PoolError::Blobs("blobless blob transaction"));
    }
    if hashes.len() > rules.per_transaction_max {
        return Err(PoolError::Blobs("too many blobs in transaction"));
    }
    if hashes.iter().any(|hash| hash[0] != VERSIONED_HASH_VERSION_KZG) {
        return Err(PoolError::Blobs("blob hash of an unknown version"));
    }
    if transaction.max_fee_per_blob_gas == 0 {
        return Err(PoolError::Blobs("blob fee cap below the minimum of 1 wei"));
    }
    if sidecar.is_eip7594() != rules.cell_proofs {
        return Err(PoolError::Blobs(if rules.cell_proofs {
            "cell proofs are needed since Osaka (EIP-7594)"
        } else {
            "cell proofs are not known before Osaka (EIP-7594)"
        }));
    }
    transaction
        .validate_blob(&sidecar, EnvKzgSettings::Default.get())
        .map_err(|_| PoolError::Blobs("blobs, commitments and proofs do not fit together"))?;
    let signed = Signed::new_unchecked(transaction, signature, hash);
    Ok((TxEnvelope::Eip4844(signed), sidecar))
}

/// The bytes that [`decode`] takes.
pub(super) fn encode(
    signed: &Signed<TxEip4844>,
    sidecar: BlobTransactionSidecarVariant,
) -> Vec<u8> {
    let transaction = signed.tx().clone().with_sidecar(sidecar);
    let signed = Signed::new_unchecked(transaction, *signed.signature(), *signed.hash());
    EthereumTxEnvelope::<WithSidecar>::Eip4844(signed).encoded_2718()
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{
        SidecarBuilder, SignableTransaction, SimpleCoder, transaction::SignerRecoverable,
    };
    use alloy_primitives::Signature;

    use super::*;
    use crate::{config::PoolConfig, pool::transaction::Unsigned};

    const CHAIN: u64 = 9;

    fn signed(sidecar: &BlobTransactionSidecarVariant) -> Signed<TxEip4844> {
        TxEip4844 {
            chain_id: CHAIN,
            gas_limit: 21_000,
            max_fee_per_gas: 10,
            max_priority_fee_per_gas: 1,
            max_fee_per_blob_gas: 2,
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            ..Default::default()
        }
        .into_signed(Signature::test_signature())
    }

    fn sidecars() -> [BlobTransactionSidecarVariant; 2] {
        let builder = || SidecarBuilder::<SimpleCoder>::from_slice(b"some data");
        [
            BlobTransactionSidecarVariant::Eip4844(builder().build_4844().unwrap()),
            BlobTransactionSidecarVariant::Eip7594(builder().build_7594().unwrap()),
        ]
    }

    #[test]
    fn blobs_are_checked_and_kept_beside() {
        for (sidecar, cell_proofs) in sidecars().into_iter().zip([false, true]) {
            let rules = BlobRules { per_transaction_max: 1, cell_proofs };
            let refused = |bytes: &[u8], rules: &BlobRules| match decode(bytes, rules) {
                Err(PoolError::Blobs(reason)) => reason,
                other => panic!("{other:?}"),
            };
            let signed = signed(&sidecar);
            let bytes = encode(&signed, sidecar.clone());
            let limits = PoolConfig::default();
            let taken = Unsigned::decode_blobs(&bytes, CHAIN, &limits, &rules).unwrap();
            let sender = taken.envelope().recover_signer().ok();
            let taken = taken.signed_by(sender, CHAIN).unwrap();
            assert_eq!(taken.sidecar(), Some(&sidecar));
            assert_eq!(taken.encoded(), bytes);
            assert_eq!(taken.hash(), *signed.hash());
            // Gas at the fee cap, and blob gas at its own.
            let cost = 21_000 * 10 + (1 << 17) * 2;
            assert_eq!(taken.total_cost(&Default::default()).to::<u64>(), cost);

            let other = BlobRules { cell_proofs: !cell_proofs, ..rules };
            assert!(refused(&bytes, &other).starts_with("cell proofs"));
            let none = BlobRules { per_transaction_max: 0, ..rules };
            assert_eq!(refused(&bytes, &none), "too many blobs in transaction");
            // As a block holds it, without its blobs.
            let bare = TxEnvelope::Eip4844(signed.clone()).encoded_2718();
            assert!(matches!(decode(&bare, &rules), Err(PoolError::Decode(_))));

            let mut changed = sidecar.clone();
            match &mut changed {
                BlobTransactionSidecarVariant::Eip4844(sidecar) => sidecar.blobs[0][5] ^= 1,
                BlobTransactionSidecarVariant::Eip7594(sidecar) => sidecar.blobs[0][5] ^= 1,
            }
            let wrong = "blobs, commitments and proofs do not fit together";
            assert_eq!(refused(&encode(&signed, changed), &rules), wrong);
            let mut transaction = signed.tx().clone();
            transaction.blob_versioned_hashes[0][9] ^= 1;
            let stray = transaction.clone().into_signed(Signature::test_signature());
            assert_eq!(refused(&encode(&stray, sidecar.clone()), &rules), wrong);
            transaction.blob_versioned_hashes.clear();
            let without = transaction.into_signed(Signature::test_signature());
            assert_eq!(refused(&encode(&without, sidecar), &rules), "blobless blob transaction");
        }
    }
}
