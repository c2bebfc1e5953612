//! What a simulation or a block run again changed so far, for its state roots.

use revm::{
    DatabaseRef,
    database::{AccountState, CacheDB},
    primitives::hardfork::SpecId,
    state::EvmState,
};
use stf::{Account, AccountChange, StateChanges};

use super::super::error::RpcError;

/// Everything that differs from the state below the cache.
pub(in crate::rpc) fn since_base<S>(db: &CacheDB<S>, fork: SpecId) -> Result<StateChanges, RpcError>
where
    S: DatabaseRef<Error: std::error::Error>,
{
    let internal = |error: S::Error| RpcError::internal(&error);
    let mut changes = StateChanges::default();
    for (address, cached) in &db.cache.accounts {
        let before = db.db.basic_ref(*address).map_err(internal)?;
        let gone = match cached.account_state {
            AccountState::NotExisting => true,
            // EIP-161.
            _ => fork.is_enabled_in(SpecId::SPURIOUS_DRAGON) && cached.info.is_empty(),
        };
        let wiped = before.is_some() && cached.account_state == AccountState::StorageCleared;
        let mut change = AccountChange {
            before: before.as_ref().map(Account::from),
            after: (!gone).then(|| Account::from(&cached.info)),
            wiped: wiped && !gone,
            ..Default::default()
        };
        if !gone {
            for (slot, value) in &cached.storage {
                let old = if wiped || before.is_none() {
                    Default::default()
                } else {
                    db.db.storage_ref(*address, *slot).map_err(internal)?
                };
                if old != *value {
                    change.storage.insert(*slot, (old, *value));
                }
            }
        }
        if change.before != change.after || !change.storage.is_empty() || change.wiped {
            changes.accounts.insert(*address, change);
        }
    }
    Ok(changes)
}

/// Adds what one transaction changed. What was before it is left empty: roots do not depend on it.
pub(in crate::rpc) fn add(changes: &mut StateChanges, state: &EvmState, fork: SpecId) {
    for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
        let change = changes.accounts.entry(*address).or_default();
        // EIP-161.
        let empty = fork.is_enabled_in(SpecId::SPURIOUS_DRAGON) && account.is_empty();
        if account.is_selfdestructed() || empty {
            *change = AccountChange::default();
            continue;
        }
        if account.is_created() {
            change.storage.clear();
            change.wiped = true;
        }
        change.after = Some(Account::from(&account.info));
        for (slot, value) in account.changed_storage_slots() {
            change.storage.insert(*slot, (value.original_value(), value.present_value()));
        }
    }
}
