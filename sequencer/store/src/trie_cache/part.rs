//! A part of the next block's changes, taken into the tries while the rest of the block is still being
//! executed. The head then is the state after that part, and what it was before can be put back.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256, map::B256Map};
use stf::{
    Account, TrieUpdates,
    trie::{NodeReader, TrieError},
};

use super::{
    HashedChange, Head, State, Storage,
    apply::{Change, Draft},
    no_head,
    node::Child,
};

/// INVARIANT: the head is the state after the newest block with `values` in place of its own.
pub(super) struct Part {
    /// By hashed address.
    values: B256Map<Values>,
    /// Nodes that the part made or loaded below those, and nodes that it replaced; one that it made
    /// and replaced later is in both.
    pub(super) draft: Draft,
    updates: TrieUpdates,
    before: Before,
}

struct Values {
    account: Account,
    /// By hashed slot; zero is absence.
    slots: B256Map<U256>,
}

/// What the head had.
struct Before {
    accounts: Child,
    storages: BTreeMap<B256, Option<Storage>>,
    withdrawals_root: Option<B256>,
}

impl Part {
    /// Nothing yet.
    fn on(head: &Head) -> Self {
        Self {
            values: B256Map::default(),
            draft: Draft::default(),
            updates: TrieUpdates::default(),
            before: Before {
                accounts: head.accounts,
                storages: BTreeMap::new(),
                withdrawals_root: head.withdrawals_root,
            },
        }
    }

    /// Takes nodes that were read below those of the part, which know their address.
    pub(super) fn own(part: &mut Option<Self>, draft: &mut Draft) {
        debug_assert!(
            part.is_some() || draft.loaded.is_empty(),
            "only a part has nodes of its own"
        );
        if let Some(part) = part {
            part.draft.made.append(&mut draft.loaded);
        }
    }

    /// What is left of a whole block's changes, if the part is of that block: everything it took in
    /// is changed by the block, too, whatever to.
    pub(super) fn rest(&self, changes: &[HashedChange]) -> Option<Vec<HashedChange>> {
        let mut met = 0;
        let mut rest = Vec::new();
        for change in changes {
            let Some(values) = self.values.get(&change.address) else {
                rest.push(change.clone());
                continue;
            };
            met += 1;
            let account = change.account.filter(|_| !change.wiped)?;
            let mut slots_met = 0;
            let mut slots = Vec::new();
            for (slot, to) in &change.slots {
                let taken = values.slots.get(slot);
                slots_met += usize::from(taken.is_some());
                if taken != Some(&slot_value(to)) {
                    slots.push((*slot, *to));
                }
            }
            if slots_met != values.slots.len() {
                return None;
            }
            if account != values.account || !slots.is_empty() {
                rest.push(HashedChange { slots, ..change.clone() });
            }
        }
        (met == self.values.len()).then_some(rest)
    }

    /// The nodes of the part and of what came after it.
    pub(super) fn updates_with(&self, later: &TrieUpdates) -> TrieUpdates {
        let mut updates = self.updates.clone();
        updates.merge(later);
        updates
    }
}

fn slot_value(change: &Change) -> U256 {
    match change {
        Change::Slot(value) => *value,
        Change::Remove | Change::Account { .. } => U256::ZERO,
    }
}

impl State {
    /// Makes these changes a part of the next block. Accounts that end are left for its end.
    pub(super) fn prepare<R: NodeReader>(
        &mut self,
        reader: &R,
        mut changes: Vec<HashedChange>,
    ) -> Result<(), TrieError> {
        changes.retain(|change| change.account.is_some() && !change.wiped);
        if changes.is_empty() {
            // What the head had before would be noted without a root that is loaded later.
            return Ok(());
        }
        let mut draft = Draft::default();
        let computed = self.compute_draft(reader, &changes, &mut draft);
        Part::own(&mut self.part, &mut draft);
        let (outcome, accounts, storages) = match computed {
            Ok(computed) => computed,
            Err(error) => {
                draft.undo(&mut self.arena);
                return Err(error);
            }
        };
        let Some(head) = &mut self.head else { return Err(no_head()) };
        let part = self.part.get_or_insert_with(|| Part::on(head));
        head.accounts = accounts;
        head.withdrawals_root = Some(outcome.withdrawals_root);
        for (hashed, storage) in storages {
            let before = head.storages.insert(hashed, storage);
            part.before.storages.entry(hashed).or_insert(before);
        }
        part.draft.made.extend(draft.made);
        part.draft.replaced.extend(draft.replaced);
        part.draft.edits.extend(draft.edits);
        part.draft.leaves.extend(draft.leaves);
        part.draft.leaf_bytes.extend(draft.leaf_bytes);
        part.updates.merge(&outcome.updates);
        for HashedChange { address, account, slots, .. } in changes {
            let Some(account) = account else { continue };
            let values = part.values.entry(address);
            let values = values.or_insert_with(|| Values { account, slots: B256Map::default() });
            values.account = account;
            values.slots.extend(slots.iter().map(|(slot, to)| (*slot, slot_value(to))));
        }
        Ok(())
    }

    /// Puts the newest block's state back. There must be no candidate.
    pub(super) fn undo_part(&mut self) {
        let Some(part) = self.part.take() else { return };
        if let Some(head) = &mut self.head {
            head.accounts = part.before.accounts;
            head.withdrawals_root = part.before.withdrawals_root;
            for (hashed, storage) in part.before.storages {
                match storage {
                    Some(storage) => _ = head.storages.insert(hashed, storage),
                    None => _ = head.storages.remove(&hashed),
                }
            }
        }
        part.draft.undo(&mut self.arena);
    }
}
