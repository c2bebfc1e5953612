//! The tries in memory, from block to block. Nodes are read from the store when they are first needed
//! and stay. A block changes branches and leaves where they lie and notes what they were, and writes
//! other nodes beside those it replaces, so that the state before it can be put back until the block is
//! committed, and a block that is dropped leaves nothing behind.
//!
//! INVARIANT: a node in memory that the last checkpoint does not hold is never evicted, and what lies
//! below a node that is not in memory is in the checkpoint as it is in the head: blocks change only
//! what they loaded. So nodes may be read from a store that lags behind, by any number of blocks.

mod apply;
mod arena;
mod evict;
mod node;
mod part;
mod seal;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use parking_lot::Mutex;
use primitives::L2_TO_L1_MESSAGE_PASSER;
use stf::{
    Account, StateChanges, StateRootOutcome, TrieUpdates,
    trie::{NodeReader, TrieError, TrieId},
};

use self::{
    apply::{Change, Draft, Entry, Item, Scratch, Walk},
    arena::Arena,
    node::{Age, Child, Reference},
    part::Part,
};
use crate::keccak;

/// An account's change by hashed keys.
#[derive(Clone)]
struct HashedChange {
    address: B256,
    /// Afterwards; `None` if it is gone.
    account: Option<Account>,
    /// Sorted.
    slots: Vec<Item>,
    /// Whether the storage trie starts empty.
    wiped: bool,
}

/// What the tries in memory hold and have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrieStats {
    /// Bytes of the nodes in memory.
    pub used_bytes: usize,
    /// Bytes taken from the system for them.
    pub reserved_bytes: usize,
    /// Time spent changing tries.
    pub walk: Duration,
    /// Time spent encoding and hashing nodes.
    pub hash: Duration,
    /// Tries started over, because a block was committed that they did not follow.
    pub resets: u64,
}

/// How much was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    All,
    /// As much as there was room for.
    Full,
    Nothing,
}

/// The tries of the head, as far as they were touched.
pub(crate) struct TrieCache {
    state: Mutex<State>,
}

impl fmt::Debug for TrieCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrieCache").finish_non_exhaustive()
    }
}

struct State {
    arena: Arena,
    /// Bytes to keep below, if the nodes that the checkpoint lacks allow it.
    limit: usize,
    /// With what `part` changes.
    head: Option<Head>,
    part: Option<Part>,
    candidate: Option<Candidate>,
    /// Blocks up to this one are in the store.
    checkpoint: u64,
    evictor: evict::Evictor,
    scratch: Scratch,
    stats: TrieStats,
}

/// The state after the head, or after a part of the block on it. While there is a candidate, nodes that
/// both share are as they are in the candidate: it is dropped before the head's nodes are read.
struct Head {
    block: B256,
    number: u64,
    accounts: Child,
    /// Storage tries by hashed address, those that were used.
    storages: BTreeMap<B256, Storage>,
    /// Storage root of the message passer, once known.
    withdrawals_root: Option<B256>,
}

/// The storage trie of an account.
#[derive(Clone, Copy)]
struct Storage {
    root: Child,
    age: Age,
}

/// What a computation gives: the outcome, the root of the account trie, the storage tries that changed.
type Computed = (StateRootOutcome, Child, Vec<(B256, Storage)>);

/// A block computed on the head, or on a part of that block, that may become the next.
struct Candidate {
    accounts: Child,
    storages: Vec<(B256, Storage)>,
    draft: Draft,
    state_root: B256,
    withdrawals_root: B256,
}

impl TrieCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                arena: Arena::new(),
                limit,
                head: None,
                part: None,
                candidate: None,
                checkpoint: 0,
                evictor: evict::Evictor::default(),
                scratch: Scratch::default(),
                stats: TrieStats::default(),
            }),
        }
    }

    /// Roots after `changes` to the state after `parent`, whose state root is given. The reader's
    /// state must be `parent`'s.
    pub(crate) fn state_root<R: NodeReader>(
        &self,
        reader: &R,
        (parent, parent_root): (BlockNumHash, B256),
        changes: &StateChanges,
    ) -> Result<StateRootOutcome, TrieError> {
        let hashed = hash_keys(changes);
        let mut state = self.state.lock();
        state.follow(parent, parent_root);
        state.compute(reader, &hashed)
    }

    /// The head is now this block, whose roots were computed on the head before it; computes them
    /// again if another block was computed since. Call it before the block reaches the store.
    pub(crate) fn advance<R: NodeReader>(
        &self,
        reader: &R,
        (parent, parent_root): (BlockNumHash, B256),
        (block, state_root): (BlockNumHash, B256),
        changes: &StateChanges,
    ) -> Result<(), TrieError> {
        let mut state = self.state.lock();
        state.follow(parent, parent_root);
        if state.candidate.as_ref().is_none_or(|candidate| candidate.state_root != state_root) {
            state.compute(reader, &hash_keys(changes))?;
        }
        if state.adopt(block, state_root) {
            return Ok(());
        }
        let got = state.candidate.as_ref().map_or(B256::ZERO, |candidate| candidate.state_root);
        state.drop_candidate();
        Err(TrieError::Reader(format!(
            "the changes of block {} give the state root {got}, its header says {state_root}",
            block.number
        )))
    }

    /// Every block up to this one is in the store.
    pub(crate) fn checkpointed(&self, number: u64) {
        let mut state = self.state.lock();
        state.checkpoint = number;
        state.keep_limit();
    }

    /// Forgets everything; the next block is computed from the store.
    pub(crate) fn reset(&self) {
        self.state.lock().reset();
    }

    /// Bytes of nodes to keep in memory.
    pub(crate) fn set_limit(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.limit = bytes;
        state.keep_limit();
    }

    /// Takes values into the tries that the block after `parent` will probably end with, so that
    /// less is left to do when it ends. Whatever it ends with, its roots come out the same; nothing
    /// is done if the block is there already. The reader's state must be `parent`'s.
    pub(crate) fn prepare<R: NodeReader>(
        &self,
        reader: &R,
        (parent, parent_root): (BlockNumHash, B256),
        changes: &StateChanges,
    ) -> Result<(), TrieError> {
        let hashed = hash_keys(changes);
        let mut state = self.state.lock();
        match &state.head {
            None => state.follow(parent, parent_root),
            Some(head) if head.block == parent.hash && state.candidate.is_none() => {}
            Some(_) => return Ok(()),
        }
        state.prepare(reader, hashed)
    }

    /// Loads all nodes of the accounts whose hashed address begins with a byte, and of their storage.
    /// The reader's state must be `head`'s; if the tries follow another block, nothing is loaded.
    pub(crate) fn load<R: NodeReader>(
        &self,
        reader: &R,
        (head, root): (BlockNumHash, B256),
        first_byte: u8,
    ) -> Result<Loaded, TrieError> {
        let mut state = self.state.lock();
        match &state.head {
            None => state.follow(head, root),
            Some(found) if found.block == head.hash => {}
            Some(_) => return Ok(Loaded::Nothing),
        }
        // It would not know what is loaded now.
        state.drop_candidate();
        Ok(if state.load(reader, first_byte)? { Loaded::All } else { Loaded::Full })
    }

    pub(crate) fn stats(&self) -> TrieStats {
        let state = self.state.lock();
        TrieStats {
            used_bytes: state.arena.used(),
            reserved_bytes: state.arena.reserved(),
            ..state.stats
        }
    }
}

/// The changes by hashed keys, sorted.
fn hash_keys(changes: &StateChanges) -> Vec<HashedChange> {
    let addresses: Vec<&Address> = changes.accounts.keys().collect();
    let slots: Vec<[u8; 32]> = changes
        .accounts
        .values()
        .flat_map(|change| change.storage.keys().map(|slot| slot.to_be_bytes::<32>()))
        .collect();
    let addresses = keccak::hash_all(&addresses);
    let mut hashed_slots = keccak::hash_all(&slots).into_iter();
    let changed = changes.accounts.values().zip(addresses).map(|(change, address)| {
        // The shorter one first: `zip` takes from the first before it asks the second.
        let slots = change.storage.values().zip(hashed_slots.by_ref());
        let slots = slots.map(|((_, after), slot)| slot_item(slot, *after)).collect();
        hashed_change(address, change.after, slots, change.wiped)
    });
    let mut changed: Vec<_> = changed.collect();
    changed.sort_unstable_by_key(|change| change.address);
    changed
}

fn slot_item(slot: B256, value: U256) -> Item {
    (slot, if value.is_zero() { Change::Remove } else { Change::Slot(value) })
}

fn hashed_change(
    address: B256,
    account: Option<Account>,
    mut slots: Vec<Item>,
    wiped: bool,
) -> HashedChange {
    slots.sort_unstable_by_key(|(slot, _)| *slot);
    HashedChange { address, account, slots, wiped }
}

impl State {
    /// Makes `parent` the head: it is, or the tries start over from the store.
    fn follow(&mut self, parent: BlockNumHash, root: B256) {
        match &self.head {
            Some(head) if head.block == parent.hash => {}
            head => {
                self.stats.resets += u64::from(head.is_some());
                self.reset();
                self.head = Some(Head {
                    block: parent.hash,
                    number: parent.number,
                    accounts: Child::stub(root),
                    storages: BTreeMap::new(),
                    withdrawals_root: None,
                });
            }
        }
    }

    fn reset(&mut self) {
        self.arena = Arena::new();
        self.head = None;
        self.part = None;
        self.candidate = None;
        self.evictor = evict::Evictor::default();
    }

    fn drop_candidate(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            candidate.draft.undo(&mut self.arena);
        }
    }

    /// The candidate becomes the head if it has this root.
    fn adopt(&mut self, block: BlockNumHash, state_root: B256) -> bool {
        let Some(head) = &mut self.head else { return false };
        let Some(candidate) = self.candidate.take_if(|found| found.state_root == state_root) else {
            return false;
        };
        head.block = block.hash;
        head.number = block.number;
        head.accounts = candidate.accounts;
        head.storages.extend(candidate.storages);
        head.withdrawals_root = Some(candidate.withdrawals_root);
        let replaced = self.part.take().map(|part| part.draft.replaced).unwrap_or_default();
        replaced.into_iter().chain(candidate.draft.replaced).for_each(|id| self.arena.free(id));
        self.keep_limit();
        true
    }

    /// Evicts if the limit is passed. A candidate or a part of one shares nodes with the head, so
    /// both are waited for.
    fn keep_limit(&mut self) {
        if self.arena.used() > self.limit
            && self.candidate.is_none()
            && self.part.is_none()
            && let Some(head) = &mut self.head
        {
            self.evictor.run(&mut self.arena, head, self.limit, self.checkpoint);
        }
    }

    /// Computes a candidate on the head: what its part leaves to do, if there is one.
    fn compute<R: NodeReader>(
        &mut self,
        reader: &R,
        changes: &[HashedChange],
    ) -> Result<StateRootOutcome, TrieError> {
        self.drop_candidate();
        let rest = self.part.as_ref().and_then(|part| part.rest(changes));
        if rest.is_none() {
            self.undo_part();
        }
        let mut draft = Draft::default();
        let computed = self.compute_draft(reader, rest.as_deref().unwrap_or(changes), &mut draft);
        Part::own(&mut self.part, &mut draft);
        match computed {
            Ok((mut outcome, accounts, storages)) => {
                if let Some(part) = &self.part {
                    outcome.updates = part.updates_with(&outcome.updates);
                }
                self.candidate = Some(Candidate {
                    accounts,
                    storages,
                    draft: Draft { unhashed: Vec::new(), ..draft },
                    state_root: outcome.state_root,
                    withdrawals_root: outcome.withdrawals_root,
                });
                Ok(outcome)
            }
            Err(error) => {
                draft.undo(&mut self.arena);
                Err(error)
            }
        }
    }

    fn compute_draft<R: NodeReader>(
        &mut self,
        reader: &R,
        changes: &[HashedChange],
        draft: &mut Draft,
    ) -> Result<Computed, TrieError> {
        let mut started = Instant::now();
        let mut updates = TrieUpdates::default();
        let mut storages = Vec::new();
        let mut tries: Vec<Vec<Entry>> = Vec::new();
        let age = self.age();
        for change in changes {
            let hashed = &change.address;
            let is_removed = change.account.is_none();
            if change.slots.is_empty() && !is_removed && !change.wiped {
                continue;
            }
            let mut storage = self.storage(reader, hashed)?;
            if (is_removed || change.slots.is_empty()) && storage.root.is_empty() {
                continue;
            }
            let mut walk = Walk::new(
                &mut self.arena,
                reader,
                (TrieId::Storage(*hashed), tries.len()),
                age,
                draft,
                std::mem::take(&mut self.scratch),
            );
            let changed = if is_removed {
                walk.wipe(&mut storage.root, hashed, 0).map(|()| Some(Child::EMPTY))
            } else if change.wiped {
                walk.wipe(&mut storage.root, hashed, 0).and_then(|()| {
                    let grown = walk.apply(&mut { Child::EMPTY }, &change.slots)?;
                    Ok(Some(grown.unwrap_or(Child::EMPTY)))
                })
            } else {
                walk.apply(&mut storage.root, &change.slots)
            };
            let entries;
            (entries, self.scratch) = walk.finish();
            // What was loaded belongs to the head, also if this failed.
            self.put_storage(hashed, storage);
            let root = changed?.unwrap_or(storage.root);
            tries.push(entries);
            storages.push((*hashed, Storage { root, age }));
        }
        self.stats.walk += started.elapsed();

        started = Instant::now();
        let sealed = seal::seal(&mut self.arena, draft, &mut tries);
        for ((hashed, storage), nodes) in storages.iter_mut().zip(sealed) {
            storage.root = draft.resolved(storage.root);
            updates.storages.insert(*hashed, nodes);
            updates.storage_roots.insert(*hashed, storage.root.hash());
        }
        draft.unhashed.clear();
        self.stats.hash += started.elapsed();

        started = Instant::now();
        let withdrawals_root = self.withdrawals_root(reader, &updates)?;
        let items: Vec<Item> = changes
            .iter()
            .map(|HashedChange { address, account, .. }| {
                let storage_root = updates.storage_roots.get(address).copied();
                let change = account
                    .map_or(Change::Remove, |account| Change::Account { account, storage_root });
                (*address, change)
            })
            .collect();
        let Some(head) = &mut self.head else { return Err(no_head()) };
        let mut walk = Walk::new(
            &mut self.arena,
            reader,
            (TrieId::Accounts, 0),
            age,
            draft,
            std::mem::take(&mut self.scratch),
        );
        let changed = walk.apply(&mut head.accounts, &items);
        let entries;
        (entries, self.scratch) = walk.finish();
        let root = changed?.unwrap_or(head.accounts);
        self.stats.walk += started.elapsed();

        started = Instant::now();
        let mut sealed = seal::seal(&mut self.arena, draft, &mut [entries]);
        updates.accounts = sealed.pop().unwrap_or_default();
        let accounts = draft.resolved(root);
        self.stats.hash += started.elapsed();
        let outcome = StateRootOutcome { state_root: accounts.hash(), withdrawals_root, updates };
        Ok((outcome, accounts, storages))
    }

    fn load<R: NodeReader>(&mut self, reader: &R, first_byte: u8) -> Result<bool, TrieError> {
        let room = self.limit - self.limit / 16;
        let age = Age { born: 0, ..self.age() };
        let Some(head) = &mut self.head else { return Err(no_head()) };
        let part = &mut self.part;
        let mut found = Vec::new();
        let mut load = |arena: &mut Arena, trie, root: &mut Child, path: &[u8], found: &mut _| {
            let mut draft = Draft::default();
            let mut walk = Walk::new(arena, reader, (trie, 0), age, &mut draft, Scratch::default());
            let loaded = walk.load_all(root, path, room, found);
            Part::own(part, &mut draft);
            loaded
        };
        let path = [first_byte >> 4, first_byte & 15];
        load(&mut self.arena, TrieId::Accounts, &mut head.accounts, &path, &mut found)?;
        for (hashed, account) in found {
            let root = node::account_storage_root(&account).unwrap_or(EMPTY_ROOT_HASH);
            if root != EMPTY_ROOT_HASH && !head.storages.contains_key(&hashed) {
                let mut root = Child::stub(root);
                let trie = TrieId::Storage(hashed);
                let loaded = load(&mut self.arena, trie, &mut root, &[], &mut Vec::new());
                head.storages.insert(hashed, Storage { root, age });
                loaded?;
            }
        }
        Ok(self.arena.used() < room)
    }

    /// The age of what the block after the head makes. Block numbers are taken as 32 bits: at one
    /// block a second they last 136 years.
    fn age(&self) -> Age {
        let next = self.head.as_ref().map_or(0, |head| head.number) as u32 + 1;
        Age { born: next, touched: next }
    }

    fn withdrawals_root<R: NodeReader>(
        &mut self,
        reader: &R,
        updates: &TrieUpdates,
    ) -> Result<B256, TrieError> {
        let passer = keccak256(L2_TO_L1_MESSAGE_PASSER);
        if let Some(root) = updates.storage_roots.get(&passer) {
            return Ok(*root);
        }
        if let Some(root) = self.head.as_ref().and_then(|head| head.withdrawals_root) {
            return Ok(root);
        }
        let root = self.find_account(reader, &passer)?;
        if let Some(head) = &mut self.head {
            head.withdrawals_root = Some(root);
        }
        Ok(root)
    }

    /// The storage trie of an account in the head.
    fn storage<R: NodeReader>(&mut self, reader: &R, hashed: &B256) -> Result<Storage, TrieError> {
        let age = Age { born: 0, touched: self.age().touched };
        let known = self.head.as_ref().and_then(|head| head.storages.get(hashed));
        if let Some(storage) = known {
            return Ok(Storage { age: Age { born: storage.age.born, ..age }, ..*storage });
        }
        Ok(Storage { root: Child::stub(self.find_account(reader, hashed)?), age })
    }

    fn put_storage(&mut self, hashed: &B256, storage: Storage) {
        if let Some(head) = &mut self.head {
            head.storages.insert(*hashed, storage);
        }
    }

    /// The storage root of an account in the head; the empty trie's if there is none.
    fn find_account<R: NodeReader>(
        &mut self,
        reader: &R,
        hashed: &B256,
    ) -> Result<B256, TrieError> {
        let age = self.age();
        let Some(head) = &mut self.head else { return Err(no_head()) };
        let mut draft = Draft::default();
        let mut walk = Walk::new(
            &mut self.arena,
            reader,
            (TrieId::Accounts, 0),
            age,
            &mut draft,
            std::mem::take(&mut self.scratch),
        );
        let found = walk.find(&mut head.accounts, hashed);
        (_, self.scratch) = walk.finish();
        Part::own(&mut self.part, &mut draft);
        let root = found?.and_then(|value| node::account_storage_root(&value));
        Ok(root.unwrap_or(EMPTY_ROOT_HASH))
    }
}

impl Draft {
    /// A child by its hash, once it has one.
    fn resolved(&self, child: Child) -> Child {
        match child.reference {
            Reference::Unhashed(index) => {
                Child { reference: self.unhashed[index as usize].reference, ..child }
            }
            _ => child,
        }
    }
}

fn no_head() -> TrieError {
    TrieError::Reader("the tries in memory follow no head".to_owned())
}
