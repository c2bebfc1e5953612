//! The tries in memory against a rebuild of every trie by another implementation, over a store of
//! nodes that lags behind, with limits too small to hold anything, dropped blocks, unwinding and
//! restarts.

use std::collections::BTreeMap;

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use proptest::prelude::*;
use stf::{
    Account, HashedChange, StateRootOutcome, TrieUpdates,
    trie::{NodeReader, SparseTrie, TrieError, TrieId},
};

use super::{Loaded, TrieCache};

/// A block's changes by hashed keys.
type HashedChanges = BTreeMap<B256, HashedChange>;

/// The same as the tries take them.
fn sorted(changes: &HashedChanges) -> Vec<super::HashedChange> {
    let change = |(address, change): (&B256, &HashedChange)| {
        let slots = change.storage.iter().map(|(slot, value)| super::slot_item(*slot, *value));
        super::hashed_change(*address, change.account.flatten(), slots.collect(), change.wiped)
    };
    changes.iter().map(change).collect()
}

fn compute(
    cache: &TrieCache,
    reader: &Stored,
    head: (BlockNumHash, B256),
    changes: &HashedChanges,
) -> StateRootOutcome {
    let mut state = cache.state.lock();
    state.follow(head.0, head.1);
    state.compute(reader, &sorted(changes)).unwrap()
}

/// Nodes by position, as a store keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored(BTreeMap<(TrieId, Nibbles), Vec<u8>>);

impl NodeReader for Stored {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        Ok(self.0.get(&(trie, *position)).cloned())
    }
}

impl Stored {
    fn write(&mut self, updates: &TrieUpdates) {
        let storages =
            updates.storages.iter().map(|(owner, nodes)| (TrieId::Storage(*owner), nodes));
        for (trie, nodes) in storages.chain([(TrieId::Accounts, &updates.accounts)]) {
            for (position, node) in nodes.iter() {
                match node {
                    Some(node) => self.0.insert((trie, *position), node.to_vec()),
                    None => self.0.remove(&(trie, *position)),
                };
            }
        }
    }
}

/// What the state holds.
type Content = BTreeMap<B256, (Account, BTreeMap<B256, U256>)>;

fn storage_root(slots: &BTreeMap<B256, U256>) -> B256 {
    root(slots.iter().map(|(slot, value)| (*slot, alloy_rlp::encode(value))))
}

fn root(leaves: impl Iterator<Item = (B256, Vec<u8>)>) -> B256 {
    let mut builder = HashBuilder::default();
    leaves.for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), &value));
    builder.root()
}

fn leaf(account: &Account, slots: &BTreeMap<B256, U256>) -> Vec<u8> {
    alloy_rlp::encode(TrieAccount {
        nonce: account.nonce,
        balance: account.balance,
        storage_root: storage_root(slots),
        code_hash: account.code_hash,
    })
}

fn state_root(content: &Content) -> B256 {
    root(content.iter().map(|(key, (account, slots))| (*key, leaf(account, slots))))
}

/// What must be stored after a block: every trie built from nothing.
fn rebuilt(content: &Content) -> Stored {
    let nothing = Stored::default();
    let mut updates = TrieUpdates::default();
    let mut accounts = SparseTrie::new(&nothing, TrieId::Accounts, EMPTY_ROOT_HASH);
    for (key, (account, slots)) in content {
        accounts.insert(*key, leaf(account, slots)).unwrap();
        let mut storage = SparseTrie::new(&nothing, TrieId::Storage(*key), EMPTY_ROOT_HASH);
        slots.iter().for_each(|(s, value)| storage.insert(*s, alloy_rlp::encode(value)).unwrap());
        updates.storages.insert(*key, storage.seal().1);
    }
    updates.accounts = accounts.seal().1;
    let mut stored = Stored::default();
    stored.write(&updates);
    stored
}

fn apply(content: &mut Content, changes: &HashedChanges) {
    for (key, change) in changes {
        match change.account.flatten() {
            None => _ = content.remove(key),
            Some(account) => {
                let (old, slots) = content.entry(*key).or_default();
                *old = account;
                if change.wiped {
                    slots.clear();
                }
                for (slot, value) in &change.storage {
                    if value.is_zero() {
                        slots.remove(slot)
                    } else {
                        slots.insert(*slot, *value)
                    };
                }
            }
        }
    }
}

/// Keys that share prefixes of every length, so that nodes split and merge everywhere.
fn key() -> impl Strategy<Value = B256> {
    prop_oneof![
        (0_usize..=32, 0_u8..4, 0_u8..40).prop_map(|(at, high, low)| {
            let mut key = B256::ZERO;
            if at < 32 {
                key.0[at] = low.wrapping_mul(37);
            }
            key.0[31] ^= low;
            key.0[0] ^= high << 6;
            key
        }),
        (0_u8..60).prop_map(|i| keccak256([i])),
    ]
}

fn change() -> impl Strategy<Value = HashedChange> {
    let account = (0_u64..3, any::<u64>(), any::<bool>()).prop_map(|(nonce, balance, has_code)| {
        let code_hash = if has_code { B256::repeat_byte(7) } else { KECCAK256_EMPTY };
        Account { nonce, balance: U256::from(balance), code_hash }
    });
    let value = prop_oneof![
        Just(U256::ZERO),
        (1_u64..200).prop_map(U256::from),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes)
    ];
    let slots = prop_oneof![
        2 => Just(BTreeMap::new()),
        1 => proptest::collection::btree_map(key(), value, 0..12)
    ];
    let wiped = proptest::bool::weighted(0.1);
    (proptest::option::weighted(0.8, account), slots, wiped).prop_map(
        |(account, storage, wiped)| HashedChange { account: Some(account), storage, wiped },
    )
}

#[derive(Clone, Debug)]
enum Step {
    /// Computed and dropped.
    Drop(HashedChanges),
    /// Computed and committed.
    Block(HashedChanges),
    /// Another block is computed between computing one and committing it.
    Overtaken(HashedChanges, HashedChanges),
    /// Parts of a block are taken in while it is made, then all of it.
    Parts(Vec<HashedChanges>, HashedChanges),
    /// Taken in, whatever comes then.
    Part(HashedChanges),
    /// The store catches up but for some blocks.
    Checkpoint(usize),
    /// The store catches up, then a new process begins.
    Restart,
    /// Back by some blocks.
    Unwind(usize),
    Limit(usize),
    Prefetch(B256),
    Load(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || proptest::collection::btree_map(key(), change(), 0..14);
    prop_oneof![
        6 => changes().prop_map(Step::Block),
        1 => changes().prop_map(Step::Drop),
        1 => (changes(), changes()).prop_map(|(a, b)| Step::Overtaken(a, b)),
        3 => (proptest::collection::vec(changes(), 1..4), changes())
            .prop_map(|(parts, last)| Step::Parts(parts, last)),
        2 => changes().prop_map(Step::Part),
        2 => (0_usize..4).prop_map(Step::Checkpoint),
        1 => Just(Step::Restart),
        1 => (0_usize..4).prop_map(Step::Unwind),
        1 => prop_oneof![Just(0), Just(3_000), Just(1 << 20)].prop_map(Step::Limit),
        1 => key().prop_map(Step::Prefetch),
        1 => key().prop_map(|key| Step::Load(key[0])),
    ]
}

fn is_plain(change: &HashedChange) -> bool {
    !change.wiped && change.account.flatten().is_some()
}

/// Adds a later change of an account to those of the same block.
fn extend(whole: &mut HashedChanges, (address, change): (&B256, &HashedChange)) {
    let entry = whole.entry(*address).or_default();
    if !is_plain(change) {
        *entry = change.clone();
        return;
    }
    entry.account = change.account;
    entry.storage.extend(&change.storage);
}

struct Chain {
    cache: TrieCache,
    /// Content after each block, with its updates.
    blocks: Vec<(Content, TrieUpdates)>,
    stored: Stored,
    checkpoint: usize,
}

fn id(number: usize, state_root: B256) -> BlockNumHash {
    BlockNumHash { number: number as u64, hash: keccak256(number.to_be_bytes()) ^ state_root }
}

impl Chain {
    fn head(&self) -> (BlockNumHash, B256) {
        let root = state_root(&self.blocks.last().unwrap().0);
        (id(self.blocks.len() - 1, root), root)
    }

    fn prepare(&self, part: &HashedChanges) {
        let head = self.head();
        let mut state = self.cache.state.lock();
        state.follow(head.0, head.1);
        if state.candidate.is_none() {
            state.prepare(&self.stored, sorted(part)).unwrap();
        }
    }

    fn compute(&self, changes: &HashedChanges) -> (Content, B256, TrieUpdates) {
        let outcome = compute(&self.cache, &self.stored, self.head(), changes);
        let mut content = self.blocks.last().unwrap().0.clone();
        apply(&mut content, changes);
        assert_eq!(outcome.state_root, state_root(&content));
        for (owner, root) in &outcome.updates.storage_roots {
            let slots = content.get(owner).map(|(_, slots)| slots.clone()).unwrap_or_default();
            assert_eq!(*root, storage_root(&slots));
        }
        (content, outcome.state_root, outcome.updates)
    }

    fn commit(&mut self, (content, root, updates): (Content, B256, TrieUpdates)) -> bool {
        let (head, number) = (self.head(), self.blocks.len());
        let mut state = self.cache.state.lock();
        state.follow(head.0, head.1);
        let adopted = state.adopt(id(number, root), root);
        drop(state);
        if adopted {
            self.blocks.push((content, updates));
        }
        adopted
    }

    fn write_up_to(&mut self, number: usize) {
        if number <= self.checkpoint {
            return;
        }
        let mut merged = TrieUpdates::default();
        for (_, updates) in &self.blocks[self.checkpoint + 1..=number] {
            merged.merge(updates);
        }
        self.stored.write(&merged);
        assert_eq!(
            self.stored,
            rebuilt(&self.blocks[number].0),
            "nothing is missing or left behind"
        );
        self.checkpoint = number;
        self.cache.checkpointed(number as u64);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Drop(changes) => _ = self.compute(changes),
            Step::Block(changes) => {
                let computed = self.compute(changes);
                assert!(self.commit(computed));
            }
            Step::Part(part) => self.prepare(part),
            Step::Parts(parts, last) => {
                let mut whole = HashedChanges::new();
                for part in parts {
                    self.prepare(part);
                    part.iter().filter(|(_, change)| is_plain(change)).for_each(|change| {
                        extend(&mut whole, change);
                    });
                }
                last.iter().for_each(|change| extend(&mut whole, change));
                // Another candidate on the same part leaves nothing behind.
                let mut other = whole.clone();
                last.keys().for_each(|address| _ = other.remove(address));
                self.compute(&other);
                let computed = self.compute(&whole);
                assert!(self.commit(computed));
            }
            Step::Overtaken(first, second) => {
                let kept = self.compute(first);
                let other = self.compute(second);
                let same = kept.1 == other.1;
                assert_eq!(self.commit(kept), same);
                if !same {
                    let kept = self.compute(first);
                    assert!(self.commit(kept));
                }
            }
            Step::Checkpoint(behind) => {
                self.write_up_to((self.blocks.len() - 1).saturating_sub(*behind));
            }
            Step::Restart => {
                self.write_up_to(self.blocks.len() - 1);
                self.cache = TrieCache::new(1 << 20);
                self.cache.checkpointed(self.checkpoint as u64);
            }
            Step::Unwind(by) => {
                let to = (self.blocks.len() - 1).saturating_sub(*by);
                self.blocks.truncate(to + 1);
                self.stored = rebuilt(&self.blocks[to].0);
                self.checkpoint = to;
                self.cache.reset();
                self.cache.checkpointed(to as u64);
            }
            Step::Limit(bytes) => self.cache.set_limit(*bytes),
            Step::Load(byte) => {
                let loaded = self.cache.load(&self.stored, self.head(), *byte).unwrap();
                let state = self.cache.state.lock();
                let is_room = state.arena.used() < state.limit - state.limit / 16;
                assert_eq!(loaded, if is_room { Loaded::All } else { Loaded::Full });
            }
            Step::Prefetch(key) => {
                let head = self.head();
                let mut state = self.cache.state.lock();
                state.follow(head.0, head.1);
                state.drop_candidate();
                let root = state.find_account(&self.stored, key).unwrap();
                let content = &self.blocks.last().unwrap().0;
                let expected = content.get(key).map_or(EMPTY_ROOT_HASH, |(_, s)| storage_root(s));
                // A part's values stand in place of the head's.
                assert!(root == expected || state.part.is_some());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn any_history_gives_the_roots_and_nodes_of_a_rebuild(
        limit in prop_oneof![Just(0_usize), Just(2_000), Just(1 << 20)],
        steps in proptest::collection::vec(step(), 1..25),
    ) {
        let mut chain = Chain {
            cache: TrieCache::new(limit),
            blocks: vec![Default::default()],
            stored: Stored::default(),
            checkpoint: 0,
        };
        for step in &steps {
            chain.step(step);
            let state = chain.cache.state.lock();
            prop_assert_eq!(state.arena.used(), reachable_bytes(&state), "no node is lost");
        }
        chain.write_up_to(chain.blocks.len() - 1);
        // With everything in the store and no limit left, nothing stays but a lone leaf.
        chain.cache.state.lock().drop_candidate();
        chain.cache.state.lock().undo_part();
        chain.cache.set_limit(0);
        let state = chain.cache.state.lock();
        prop_assert!(state.arena.used() <= 128);
    }
}

proptest! {
    #[test]
    fn plain_changes_give_what_the_pure_computation_gives(
        accounts in proptest::collection::btree_map(
            any::<[u8; 20]>(),
            proptest::collection::btree_map(any::<[u8; 32]>(), 0_u64..3, 0..4),
            1..30,
        )
    ) {
        let mut changes = stf::StateChanges::default();
        for (number, (address, slots)) in (0..).zip(&accounts) {
            let slots = slots.iter().map(|(slot, value)| {
                (U256::from_be_bytes(*slot), (U256::ZERO, U256::from(*value)))
            });
            let after = Some(Account { nonce: number, ..Default::default() });
            let change = stf::AccountChange {
                before: None,
                after,
                storage: slots.collect(),
                wiped: false,
            };
            changes.accounts.insert(address.into(), change);
        }
        let expected = stf::compute_roots(&stf::EmptyState, &changes).unwrap();
        let nothing = (BlockNumHash::default(), EMPTY_ROOT_HASH);
        let cache = TrieCache::new(0);
        let got = cache.state_root(&stf::EmptyState, nothing, &changes).unwrap();
        prop_assert_eq!(got.state_root, expected.state_root);
        prop_assert_eq!(got.withdrawals_root, expected.withdrawals_root);
        prop_assert_eq!(got.updates.storage_roots, expected.updates.storage_roots);
        prop_assert_eq!(got.updates.accounts, expected.updates.accounts);
    }
}

#[test]
fn a_part_without_changes_loses_no_node() {
    let changes = |keys: &[u8], account: Option<Account>| -> HashedChanges {
        let change = HashedChange { account: Some(account), ..Default::default() };
        keys.iter().map(|key| (B256::repeat_byte(*key), change.clone())).collect()
    };
    // Without room, so that the root is loaded again after the part.
    let mut chain = Chain {
        cache: TrieCache::new(0),
        blocks: vec![Default::default()],
        stored: Stored::default(),
        checkpoint: 0,
    };
    let steps = [
        Step::Block(changes(&[0, 0x25], Some(Account::default()))),
        Step::Checkpoint(0),
        Step::Part(HashedChanges::new()),
        Step::Parts(vec![changes(&[0xb2], Some(Account::default()))], changes(&[0xb2], None)),
    ];
    for step in &steps {
        chain.step(step);
    }
    let state = chain.cache.state.lock();
    assert_eq!(state.arena.used(), reachable_bytes(&state));
}

#[test]
fn everything_is_loaded_once() {
    let account = |nonce| Account { nonce, ..Default::default() };
    let slots: BTreeMap<_, _> =
        (0_u64..50).map(|i| (keccak256(i.to_be_bytes()), U256::from(i + 1))).collect();
    let changes: HashedChanges = (0_u64..500)
        .map(|i| {
            let storage = if i % 100 == 0 { slots.clone() } else { BTreeMap::new() };
            (
                keccak256([7, i as u8, (i >> 8) as u8]),
                HashedChange { account: Some(Some(account(i))), storage, wiped: false },
            )
        })
        .collect();
    let mut chain = Chain {
        cache: TrieCache::new(1 << 20),
        blocks: vec![Default::default()],
        stored: Stored::default(),
        checkpoint: 0,
    };
    chain.step(&Step::Block(changes.clone()));
    let whole = chain.cache.stats().used_bytes;
    chain.step(&Step::Restart);
    (0..=255).for_each(|byte| chain.step(&Step::Load(byte)));
    assert_eq!(chain.cache.stats().used_bytes, whole);
    // No node is read any more.
    let nothing = Stored::default();
    let outcome = compute(&chain.cache, &nothing, chain.head(), &changes);
    assert_eq!(outcome.state_root, chain.head().1);
}

/// Bytes of the newest nodes, the candidate's if there is one, and of those that only the head has, or the
/// newest block before a part of the next.
fn reachable_bytes(state: &super::State) -> usize {
    fn below(state: &super::State, id: super::arena::Id) -> usize {
        let children = super::node::loaded_children(&state.arena, id);
        state.arena.get(id).len() + children.map(|(_, child)| below(state, child)).sum::<usize>()
    }
    let Some(head) = &state.head else { return 0 };
    let mut storages: BTreeMap<_, _> =
        head.storages.iter().map(|(hashed, storage)| (*hashed, storage.root.id)).collect();
    let mut accounts = head.accounts.id;
    if let Some(candidate) = &state.candidate {
        accounts = candidate.accounts.id;
        storages.extend(candidate.storages.iter().map(|(hashed, trie)| (*hashed, trie.root.id)));
    }
    let roots = storages.into_values().chain([accounts]);
    let replaced = state.candidate.iter().flat_map(|candidate| &candidate.draft.replaced);
    let replaced = replaced.chain(state.part.iter().flat_map(|part| &part.draft.replaced));
    roots.filter(|id| *id != 0).map(|id| below(state, id)).sum::<usize>()
        + replaced.map(|id| state.arena.get(*id).len()).sum::<usize>()
}
