//! What a block changes, in one fixed order.

use alloc::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::{database::BundleState, state::AccountInfo};

use crate::StateDelta;

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl From<&AccountInfo> for Account {
    fn from(info: &AccountInfo) -> Self {
        Self { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
    }
}

/// An account before and after, with its changed slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    pub before: Option<Account>,
    pub after: Option<Account>,
    /// Slot to (before, after); zero is absence.
    pub storage: BTreeMap<U256, (U256, U256)>,
    /// Whether everything that was in storage before is gone, also slots that are not named here:
    /// the account ended and was made anew in the same block (before EIP-6780). Then `storage` holds
    /// what the new account has, with zero before.
    pub wiped: bool,
}

impl AccountChange {
    /// Whether nothing of the storage before is left: the account ended, with or without a successor.
    pub const fn clears_storage(&self) -> bool {
        self.wiped || self.after.is_none()
    }
}

/// Everything a block changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    pub accounts: BTreeMap<Address, AccountChange>,
    /// New code by its hash.
    pub codes: BTreeMap<B256, Bytes>,
}

impl StateChanges {
    /// Takes in a block's values so far. What was before them is not known here and left empty.
    pub fn take_in(&mut self, delta: &StateDelta) {
        for (address, info) in &delta.accounts {
            let change = self.accounts.entry(*address).or_default();
            change.after = info.as_ref().map(Account::from);
        }
        for (address, slot, value) in &delta.storage {
            let change = self.accounts.entry(*address).or_default();
            change.storage.insert(*slot, (U256::ZERO, *value));
        }
    }
}

impl From<BundleState> for StateChanges {
    fn from(bundle: BundleState) -> Self {
        let mut accounts = BTreeMap::new();
        for (address, account) in bundle.state {
            // Since EIP-6780 only an account made in the same transaction can lose its storage, and
            // that storage never reached a block. Before, revm says what it does not know slot by slot.
            let was_destroyed = account.was_destroyed();
            let storage: BTreeMap<_, _> = account
                .storage
                .iter()
                .map(|(slot, value)| {
                    let before = if was_destroyed { U256::ZERO } else { value.original_value() };
                    (*slot, (before, value.present_value()))
                })
                .filter(|(_, (before, after))| before != after)
                .collect();
            let change = AccountChange {
                before: account.original_info.as_ref().map(Account::from),
                after: account.info.as_ref().map(Account::from),
                storage,
                wiped: was_destroyed && account.original_info.is_some() && account.info.is_some(),
            };
            if change.before != change.after || !change.storage.is_empty() || change.wiped {
                accounts.insert(address, change);
            }
        }
        let codes = bundle
            .contracts
            .into_iter()
            .map(|(hash, code)| (hash, code.original_bytes()))
            .filter(|(_, code)| !code.is_empty())
            .collect();
        Self { accounts, codes }
    }
}
