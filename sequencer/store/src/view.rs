//! The state after one block, for execution and for readers.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use crate::{
    Store, StoreError,
    tables::{StoredAccount, Table, Value, account_key, key, slot_key},
};

/// The state after one block. Each read is consistent by itself and all reads see the same state, also
/// while later blocks are committed: a value is what a block that is not in the database yet made it,
/// or what the first later change in the database says it was before, or else what it is there now.
#[derive(Clone, Debug)]
pub struct StateView {
    store: Arc<Store>,
    number: u64,
}

impl StateView {
    pub(crate) const fn new(store: Arc<Store>, number: u64) -> Self {
        Self { store, number }
    }

    /// The block after which this state is.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Balance, nonce and code hash of an account.
    pub fn account(&self, address: Address) -> Result<Option<stf::Account>, StoreError> {
        if let Some(account) = self.store.overlay.account(&address, self.number) {
            return Ok(account);
        }
        let miss = match self.store.reads.account(address, self.number) {
            Ok(account) => return Ok(account),
            Err(miss) => miss,
        };
        let hashed = keccak256(address);
        let (stored, is_current) = self.read::<Option<StoredAccount>>(
            (Table::AccountHistory, &[hashed.as_slice()]),
            (Table::Accounts, account_key(&hashed)),
        )?;
        let account = stored.flatten().map(|stored| stored.account);
        if is_current {
            self.store.reads.put_account(miss, address, account, self.number);
        }
        Ok(account)
    }

    /// Value of a storage slot; zero if unset.
    pub fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        if let Some(value) = self.store.overlay.storage(&address, slot, self.number) {
            return Ok(value);
        }
        let miss = match self.store.reads.slot(address, slot, self.number) {
            Ok(value) => return Ok(value),
            Err(miss) => miss,
        };
        let (hashed, hashed_slot) = (keccak256(address), keccak256(slot.to_be_bytes::<32>()));
        let (value, is_current) = self.read::<U256>(
            (Table::StorageHistory, &[hashed.as_slice(), hashed_slot.as_slice()]),
            (Table::Storage, slot_key(&hashed, &hashed_slot)),
        )?;
        let value = value.unwrap_or_default();
        if is_current {
            self.store.reads.put_slot(miss, address, slot, value, self.number);
        }
        Ok(value)
    }

    /// Root of the account's storage trie, within the reach of [`Store::proof`].
    pub fn storage_root(&self, address: Address) -> Result<B256, StoreError> {
        Ok(self.store.proof(address, &[], self.number)?.storage_root)
    }

    /// Code by its hash.
    pub fn code(&self, hash: B256) -> Result<Bytes, StoreError> {
        Ok(self.bytecode(hash)?.original_bytes())
    }

    /// Code by its hash, analysed for execution; that is done once.
    pub fn bytecode(&self, hash: B256) -> Result<Bytecode, StoreError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.store.reads.code(hash) {
            return Ok(code);
        }
        let code = match self.store.overlay.code(&hash) {
            Some(code) => code,
            None => {
                let at = key(Table::Codes, &[hash.as_slice()]);
                let code: Option<Vec<u8>> = self.store.db.read()?.get(Table::Codes, &at)?;
                code.ok_or(StoreError::MissingCode(hash))?.into()
            }
        };
        let code = Bytecode::new_raw(code);
        self.store.reads.put_code(hash, code.clone());
        Ok(code)
    }

    /// A value, and whether it still is what the database holds of the newest block.
    fn read<V: Value>(
        &self,
        (history, parts): (Table, &[&[u8]]),
        (current, at): (Table, Vec<u8>),
    ) -> Result<(Option<V>, bool), StoreError> {
        let txn = self.store.db.read()?;
        // The newest blocks were looked at before: the database may have moved on since, never back.
        if self.store.overlay.is_newest(self.number) {
            return Ok((txn.get(current, &at)?, true));
        }
        let prefix = key(history, parts);
        let mut from = prefix.clone();
        from.extend_from_slice(&self.number.saturating_add(1).to_be_bytes());
        match txn.first_from::<V>(history, &from, &prefix)? {
            Some((_, before)) => Ok((Some(before), false)),
            None => Ok((txn.get(current, &at)?, true)),
        }
    }
}

impl DatabaseRef for StateView {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        Ok(self.account(address)?.map(|account| AccountInfo {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
            // Loaded by its hash when it runs; the default would be «no code».
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StoreError> {
        self.bytecode(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.storage(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        Ok(self.store.block_hash(number)?.unwrap_or_default())
    }
}
