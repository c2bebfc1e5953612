//! What a block changes, in one fixed order.

use alloc::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::{database::BundleState, state::AccountInfo};

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
}

/// Everything a block changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChanges {
    pub accounts: BTreeMap<Address, AccountChange>,
    /// New code by its hash.
    pub codes: BTreeMap<B256, Bytes>,
}

impl From<BundleState> for StateChanges {
    fn from(bundle: BundleState) -> Self {
        let mut accounts = BTreeMap::new();
        for (address, account) in bundle.state {
            // Since EIP-6780 only an account made in the same transaction can lose its storage, and
            // that storage never reached a block; so slots are all there is to say.
            let storage: BTreeMap<_, _> = account
                .storage
                .iter()
                .map(|(slot, value)| (*slot, (value.original_value(), value.present_value())))
                .filter(|(_, (before, after))| before != after)
                .collect();
            let change = AccountChange {
                before: account.original_info.as_ref().map(Account::from),
                after: account.info.as_ref().map(Account::from),
                storage,
            };
            if change.before != change.after || !change.storage.is_empty() {
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
