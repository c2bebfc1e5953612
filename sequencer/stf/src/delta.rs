//! What changed in a block while it is being built, for those who read its state before it is sealed.

use alloc::vec::Vec;

use alloy_primitives::{
    Address, U256,
    map::{AddressSet, HashSet},
};
use revm::{
    database::CacheState,
    state::{AccountInfo, EvmState},
};

/// Values at one moment of a block in the making, of all that changed since an earlier moment.
#[derive(Clone, Debug, Default)]
pub struct StateDelta {
    /// In no order. `None` is an account that does not exist. New code is inside the account.
    pub accounts: Vec<(Address, Option<AccountInfo>)>,
    /// In no order; zero is absence.
    pub storage: Vec<(Address, U256, U256)>,
}

/// Collects which keys changed. Values are read when they are asked for, so that an account that
/// every transaction changes, such as a fee vault, is told once. Nothing of a block depends on the
/// order of these sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedKeys {
    accounts: AddressSet,
    slots: HashSet<(Address, U256)>,
}

impl ChangedKeys {
    /// Takes note of what a transaction did.
    pub(crate) fn note(&mut self, state: &EvmState) {
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            self.accounts.insert(*address);
            let changed = account.storage.iter().filter(|(_, slot)| slot.is_changed());
            self.slots.extend(changed.map(|(slot, _)| (*address, *slot)));
        }
    }

    /// The values now of everything noted, which is forgotten.
    pub(crate) fn take(&mut self, state: &CacheState) -> StateDelta {
        let account = |address: &Address| {
            state.accounts.get(address).and_then(|cached| cached.account.as_ref())
        };
        let accounts = core::mem::take(&mut self.accounts)
            .into_iter()
            .map(|address| (address, account(&address).map(|plain| plain.info.clone())))
            .collect();
        let storage = core::mem::take(&mut self.slots)
            .into_iter()
            .map(|(address, slot)| {
                let value = account(&address).and_then(|plain| plain.storage.get(&slot).copied());
                (address, slot, value.unwrap_or_default())
            })
            .collect();
        StateDelta { accounts, storage }
    }
}
