//! Reads of account state at a block.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use primitives::Header;
use revm::DatabaseRef;
use serde::Serialize;

use super::{
    Api,
    error::{CLIENT_LIMIT_EXCEEDED, RpcError},
    params::StorageKey,
};
use crate::{
    chain::{SealedBlock, StateView},
    pending::PendingBlock,
};

/// `eth_getAccount`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    code_hash: B256,
    storage_root: B256,
    balance: U256,
    nonce: U64,
}

/// The header of a block, where it lies.
#[derive(Debug)]
pub(super) enum BlockHeader {
    Pending(Arc<PendingBlock>),
    Recent(Arc<SealedBlock>),
    Stored(Box<Header>),
}

impl Deref for BlockHeader {
    type Target = Header;

    fn deref(&self) -> &Header {
        match self {
            Self::Pending(block) => block.header(),
            Self::Recent(block) => block.header(),
            Self::Stored(header) => header,
        }
    }
}

/// Storage keys one `eth_getProof` may ask for (geth).
const PROOF_KEYS_MAX: usize = 1_024;

/// Slots one `eth_getStorageValues` may ask for (geth).
const STORAGE_VALUES_MAX: usize = 1_024;

impl Api {
    pub(super) fn balance(&self, address: Address, block: BlockId) -> Result<U256, RpcError> {
        let info = self.view(block)?.basic_ref(address).map_err(internal)?;
        Ok(info.map_or(U256::ZERO, |info| info.balance))
    }

    /// `pending` counts what is in the open block and the sender's executable transactions in the
    /// pool.
    pub(super) fn transaction_count(
        &self,
        address: Address,
        block: BlockId,
    ) -> Result<U64, RpcError> {
        let info = self.view(block)?.basic_ref(address).map_err(internal)?;
        let nonce = info.map_or(0, |info| info.nonce);
        let pooled = if block.is_pending() { self.pool.next_nonce(&address) } else { None };
        Ok(U64::from(pooled.map_or(nonce, |pooled| pooled.max(nonce))))
    }

    pub(super) fn code(&self, address: Address, block: BlockId) -> Result<Bytes, RpcError> {
        let view = self.view(block)?;
        let Some(info) = view.basic_ref(address).map_err(internal)? else {
            return Ok(Bytes::new());
        };
        if info.is_empty_code_hash() {
            return Ok(Bytes::new());
        }
        let code = match info.code {
            Some(code) => code,
            None => view.code_by_hash_ref(info.code_hash).map_err(internal)?,
        };
        Ok(code.original_bytes())
    }

    pub(super) fn storage(
        &self,
        address: Address,
        key: B256,
        block: BlockId,
    ) -> Result<B256, RpcError> {
        let slot = U256::from_be_bytes(key.0);
        let value = self.view(block)?.storage_ref(address, slot).map_err(internal)?;
        Ok(B256::from(value))
    }

    /// `eth_getStorageValues`: many slots of many accounts, all at one block.
    pub(super) fn storage_values(
        &self,
        requests: BTreeMap<Address, Vec<StorageKey>>,
        block: BlockId,
    ) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
        match requests.values().map(Vec::len).sum::<usize>() {
            0 => return Err(RpcError::invalid_params("empty request")),
            slots if slots > STORAGE_VALUES_MAX => {
                return Err(RpcError::new(
                    CLIENT_LIMIT_EXCEEDED,
                    format!("too many slots (max {STORAGE_VALUES_MAX})"),
                ));
            }
            _ => {}
        }
        let view = self.view(block)?;
        let read = |address, key: StorageKey| {
            let slot = U256::from_be_bytes(key.key.0);
            view.storage_ref(address, slot).map(B256::from).map_err(internal)
        };
        requests
            .into_iter()
            .map(|(address, keys)| {
                let values: Result<_, _> = keys.into_iter().map(|key| read(address, key)).collect();
                Ok((address, values?))
            })
            .collect()
    }

    /// EIP-1186.
    pub(super) fn proof(
        &self,
        address: Address,
        keys: Vec<StorageKey>,
        block: BlockId,
    ) -> Result<EIP1186AccountProofResponse, RpcError> {
        if keys.len() > PROOF_KEYS_MAX {
            return Err(RpcError::invalid_params(format!(
                "too many keys: {}, limit {PROOF_KEYS_MAX}",
                keys.len()
            )));
        }
        let number = self.resolve(block)?.ok_or_else(RpcError::header_not_found)?;
        let slots: Vec<B256> = keys.iter().map(|key| key.key).collect();
        let proof = self
            .chain
            .proof(address, &slots, number)
            .map_err(|error| RpcError::server(error.to_string()))?;
        let storage_proof = keys
            .into_iter()
            .zip(proof.storage)
            .map(|(key, slot)| EIP1186StorageProof {
                key: key.into_json(),
                value: slot.value,
                proof: slot.nodes,
            })
            .collect();
        Ok(EIP1186AccountProofResponse {
            address,
            balance: proof.balance,
            code_hash: proof.code_hash,
            nonce: proof.nonce,
            storage_hash: proof.storage_root,
            account_proof: proof.nodes,
            storage_proof,
        })
    }

    pub(super) fn account(
        &self,
        address: Address,
        block: BlockId,
    ) -> Result<Option<Account>, RpcError> {
        let proof = self.proof(address, Vec::new(), block)?;
        let exists = proof.nonce != 0
            || !proof.balance.is_zero()
            || (proof.code_hash != keccak256([]) && !proof.code_hash.is_zero());
        Ok(exists.then_some(Account {
            code_hash: proof.code_hash,
            storage_root: proof.storage_hash,
            balance: proof.balance,
            nonce: U64::from(proof.nonce),
        }))
    }

    pub(super) fn view(&self, block: BlockId) -> Result<StateView, RpcError> {
        if block.is_pending() {
            return self.chain.newest_state().map_err(|error| RpcError::internal(&error));
        }
        let number = self.resolve(block)?.ok_or_else(RpcError::header_not_found)?;
        self.chain.state(number).map_err(|error| RpcError::internal(&error))
    }

    /// The header and the state that a call at this block runs with.
    pub(super) fn header_and_state(
        &self,
        block: BlockId,
    ) -> Result<(BlockHeader, StateView), RpcError> {
        if block.is_pending()
            && let Some(pending) = self.chain.pending_block()
        {
            let view = StateView::Pending(pending.state());
            return Ok((BlockHeader::Pending(pending), view));
        }
        let number = self.resolve(block)?.ok_or_else(RpcError::header_not_found)?;
        let header = match self.chain.recent(number) {
            Some(block) => BlockHeader::Recent(block),
            None => {
                let header = self.chain.header(number).map_err(internal)?;
                BlockHeader::Stored(Box::new(header.ok_or_else(RpcError::header_not_found)?))
            }
        };
        Ok((header, self.chain.state(number).map_err(internal)?))
    }
}

fn internal(error: impl std::error::Error) -> RpcError {
    RpcError::internal(&error)
}
