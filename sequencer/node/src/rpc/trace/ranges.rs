//! `debug_storageRangeAt`, `debug_accountRange`, `debug_getModifiedAccounts*`: state by ranges, in
//! geth's shapes. Keys are hashes, in whose order the tries are; slots are named as well where the
//! block touched them, addresses are not known by their hashes.

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::TrieAccount;
use revm::inspector::NoOpInspector;
use serde::Serialize;
use stf::{
    AccountChange, StateSource, leaves, lookup,
    trie::{TrieError, TrieId},
};
use store::{StoreError, TriesAt};

use super::Bounded;
use crate::rpc::{Api, error::RpcError};

/// Slots of one `debug_storageRangeAt`, at most.
const SLOTS_MAX: usize = 1_024;
/// Accounts of one `debug_accountRange`, at most (geth).
const ACCOUNTS_MAX: usize = 256;
/// Blocks that one `debug_getModifiedAccounts*` may run again.
const MODIFIED_BLOCKS_MAX: u64 = 100;

/// `debug_storageRangeAt`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct StorageRange {
    storage: BTreeMap<B256, Slot>,
    next_key: Option<B256>,
}

/// A slot under its hash.
#[derive(Clone, Copy, Serialize)]
struct Slot {
    /// The slot itself, where it is known.
    key: Option<B256>,
    value: B256,
}

/// `debug_accountRange`.
#[derive(Serialize)]
pub(in crate::rpc) struct AccountRange {
    /// Without 0x, as geth has it.
    root: String,
    accounts: BTreeMap<String, AccountEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<B256>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountEntry {
    /// Wei, decimal.
    balance: String,
    nonce: u64,
    root: B256,
    code_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    /// keccak256 of the address.
    key: B256,
}

impl Api {
    /// Slots of an account before a transaction of a block, from the hashed key `start` on.
    pub(in crate::rpc) fn storage_range_at(
        &self,
        id: BlockId,
        index: usize,
        address: Address,
        start: &Bytes,
        count: u64,
    ) -> Result<StorageRange, RpcError> {
        let start = range_start(start)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(SLOTS_MAX);
        let block = self.traced_block(id)?;
        if index > block.transactions().len() {
            return Err(RpcError::server(format!(
                "transaction index {index} out of range for block {}",
                block.hash()
            )));
        }
        let number = block.number();
        let unwatched = Bounded::new(NoOpInspector, self.deadline(), u64::MAX);
        let mut replay = self.replay(block, unwatched)?;
        replay.skip_to(index)?;
        let touched = replay.evm.into_db().cache.accounts.remove(&address).unwrap_or_default();

        let mut slots: BTreeMap<B256, Slot> = BTreeMap::new();
        let mut end = None;
        if !touched.account_state.is_storage_cleared() {
            let tries = self.tries_before(number)?;
            let hashed = keccak256(address);
            let account: Option<TrieAccount> =
                lookup(&tries, TrieId::Accounts, root_of(&tries)?, hashed)
                    .map_err(internal)?
                    .map(|leaf| decode(&leaf))
                    .transpose()?;
            if let Some(account) = account {
                // As many more as the block may have taken away, and one that tells whether there is more.
                let limit = count + touched.storage.len() + 1;
                let trie = TrieId::Storage(hashed);
                let found = leaves(&tries, trie, account.storage_root, start, limit);
                let found = found.map_err(internal)?;
                end = found.last().filter(|_| found.len() == limit).map(|(key, _)| *key);
                for (key, leaf) in found {
                    let value = B256::from(decode::<U256>(&leaf)?);
                    slots.insert(key, Slot { key: None, value });
                }
            }
        }
        for (slot, value) in touched.storage {
            let key = keccak256(slot.to_be_bytes::<32>());
            if value.is_zero() {
                slots.remove(&key);
            } else if key >= start && end.is_none_or(|end| key <= end) {
                slots.insert(key, Slot { key: Some(slot.into()), value: value.into() });
            }
        }
        let next_key = slots.keys().nth(count).copied();
        Ok(StorageRange { storage: slots.into_iter().take(count).collect(), next_key })
    }

    /// Accounts after a block from the hashed address `start` on, without their storage.
    pub(in crate::rpc) fn account_range(
        &self,
        id: BlockId,
        start: &Bytes,
        count: u64,
        without_code: bool,
    ) -> Result<AccountRange, RpcError> {
        let start = range_start(start)?;
        let count = match usize::try_from(count).unwrap_or(usize::MAX) {
            0 => ACCOUNTS_MAX,
            count => count.min(ACCOUNTS_MAX),
        };
        let number = self.resolve(id)?.ok_or_else(RpcError::header_not_found)?;
        let tries = self.chain.store().tries_at(number).map_err(store_error)?;
        let root = root_of(&tries)?;
        let mut found =
            leaves(&tries, TrieId::Accounts, root, start, count + 1).map_err(internal)?;
        let next = found.get(count).map(|(key, _)| *key);
        found.truncate(count);
        let mut accounts = BTreeMap::new();
        for (key, leaf) in found {
            let account: TrieAccount = decode(&leaf)?;
            let has_code = account.code_hash != alloy_primitives::KECCAK256_EMPTY;
            let code = match has_code && !without_code {
                true => {
                    tries.code(account.code_hash).map_err(|error| RpcError::internal(&error))?
                }
                false => None,
            };
            let entry = AccountEntry {
                balance: account.balance.to_string(),
                nonce: account.nonce,
                root: account.storage_root,
                code_hash: account.code_hash,
                code,
                key,
            };
            accounts.insert(format!("pre({key})"), entry);
        }
        Ok(AccountRange { root: alloy_primitives::hex::encode(root), accounts, next })
    }

    /// Accounts that are others after `end` than after `start`, or, without an end, than before
    /// `start`; in the order of addresses.
    pub(in crate::rpc) fn modified_accounts(
        &self,
        start: BlockId,
        end: Option<BlockId>,
    ) -> Result<Vec<Address>, RpcError> {
        let number = |id| self.resolve(id)?.ok_or_else(|| RpcError::server("block not found"));
        let (from, to) = match end {
            Some(end) => (number(start)?, number(end)?),
            None => {
                let number = number(start)?;
                let before = number.checked_sub(1);
                (before.ok_or_else(|| RpcError::server("genesis has no block before"))?, number)
            }
        };
        if from >= to {
            return Err(RpcError::server(format!(
                "start block height ({from}) must be less than end block height ({to})"
            )));
        }
        if to - from > MODIFIED_BLOCKS_MAX {
            return Err(RpcError::invalid_params(format!(
                "block range too wide: at most {MODIFIED_BLOCKS_MAX} blocks"
            )));
        }
        let deadline = self.deadline();
        let mut tries = self.chain.store().tries_at(from).map_err(store_error)?;
        let mut total: BTreeMap<Address, AccountChange> = BTreeMap::new();
        while tries.number() < to {
            if std::time::Instant::now() > deadline {
                return Err(RpcError::server("execution timeout"));
            }
            let (executed, _) = tries.record_next(self.chain.spec()).map_err(store_error)?;
            for (address, change) in executed.changes.accounts {
                merge(total.entry(address).or_insert_with(|| first(&change)), change);
            }
        }
        let is_other = |change: &AccountChange| {
            change.before != change.after
                || change.wiped
                || change.storage.values().any(|(before, after)| before != after)
        };
        let modified: BTreeSet<Address> =
            total.into_iter().filter(|(_, change)| is_other(change)).map(|(a, _)| a).collect();
        Ok(modified.into_iter().collect())
    }

    pub(super) fn tries_before(&self, number: u64) -> Result<TriesAt<'_>, RpcError> {
        self.chain.store().tries_at(number.saturating_sub(1)).map_err(store_error)
    }
}

/// As nothing has changed yet.
fn first(change: &AccountChange) -> AccountChange {
    AccountChange { before: change.before, after: change.before, ..Default::default() }
}

fn merge(total: &mut AccountChange, later: AccountChange) {
    total.after = later.after;
    total.wiped |= later.clears_storage() && total.before.is_some();
    for (slot, (before, after)) in later.storage {
        total.storage.entry(slot).or_insert((before, after)).1 = after;
    }
}

pub(super) fn root_of(tries: &TriesAt<'_>) -> Result<B256, RpcError> {
    let header = tries.header(tries.number()).map_err(|error| RpcError::internal(&error))?;
    Ok(header.ok_or_else(RpcError::header_not_found)?.state_root)
}

/// Up to 32 bytes, the rest zero.
fn range_start(bytes: &Bytes) -> Result<B256, RpcError> {
    if bytes.len() > 32 {
        return Err(RpcError::invalid_params("a key has at most 32 bytes"));
    }
    Ok(B256::right_padding_from(bytes))
}

fn decode<T: Decodable>(mut leaf: &[u8]) -> Result<T, RpcError> {
    T::decode(&mut leaf).map_err(|error| RpcError::internal(&error))
}

fn internal(error: TrieError) -> RpcError {
    RpcError::internal(&error)
}

fn store_error(error: StoreError) -> RpcError {
    match error {
        StoreError::TooFarBack { .. } => RpcError::server(error.to_string()),
        error => RpcError::internal(&error),
    }
}
