//! What a checkpoint writes. Its blocks are written together, each table in the order of its keys: the next
//! entry is then often found in the page of the last one, without a search from the root of the B-tree, and
//! an account or a slot that many blocks changed is written once.

use std::{collections::BTreeMap, iter::Peekable, sync::Arc};

use alloy_primitives::{Address, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use libmdbx::RW;
use stf::{AccountChange, TrieUpdates, trie::NodeUpdates};

use crate::{
    StoreError, checkpoint,
    db::{Txn, Writer},
    keccak, log_index,
    overlay::{Recent, StoredBlock},
    receipts::encode_receipts,
    tables::{
        ChangedKeys, StoredAccount, Table, Value, account_key, block_key, decode, key, node_key,
        row, slot_key,
    },
};

/// Writes blocks that follow each other; of the tries only what the last leaves.
pub(crate) fn write_blocks(txn: &Txn<'_, RW>, blocks: &[Arc<Recent>]) -> Result<(), StoreError> {
    let mut transactions = Vec::new();
    for recent in blocks {
        let StoredBlock { block, receipts, senders } = &*recent.shared;
        let number = block.header.number;
        let header = (block.hash, block.header.clone());
        txn.put(&block_key(Table::Headers, number), &header.encode())?;
        txn.put(&key(Table::Numbers, &[block.hash.as_slice()]), &number.encode())?;
        txn.put(&block_key(Table::Bodies, number), &block.body.encode())?;
        txn.put(&block_key(Table::Receipts, number), &encode_receipts(receipts))?;
        txn.put(&block_key(Table::Senders, number), &senders.encode())?;
        for (index, transaction) in (0_u32..).zip(&block.body.transactions) {
            transactions.push((*transaction.hash(), number, index));
        }
        log_index::write(txn, number, receipts)?;
    }
    transactions.sort_unstable();
    let mut writer = txn.writer()?;
    for (hash, number, index) in transactions {
        let at = key(Table::Transactions, &[hash.as_slice()]);
        writer.put(&at, &(number, index).encode())?;
    }
    match blocks {
        [only] => write_state(txn, blocks, &only.roots.updates),
        blocks => write_state(txn, blocks, &checkpoint::merged_nodes(blocks)),
    }
}

/// What one block changes of an account.
struct Changed<'b> {
    hashed: B256,
    address: &'b Address,
    /// Which of the blocks, and its number.
    block: usize,
    number: u64,
    change: &'b AccountChange,
    /// If it is another than before.
    storage_root: Option<B256>,
}

/// Writes accounts and slots together with the tries' nodes that lie among them.
fn write_state(
    txn: &Txn<'_, RW>,
    blocks: &[Arc<Recent>],
    tries: &TrieUpdates,
) -> Result<(), StoreError> {
    let mut all = Vec::new();
    for (block, recent) in blocks.iter().enumerate() {
        let addresses: Vec<&Address> = recent.changes.accounts.keys().collect();
        let hashes = keccak::hash_all(&addresses);
        let roots = &recent.roots.updates.storage_roots;
        all.extend(recent.changes.accounts.iter().zip(hashes).map(
            |((address, change), hashed)| Changed {
                hashed,
                address,
                block,
                number: recent.number(),
                change,
                storage_root: roots.get(&hashed).copied(),
            },
        ));
    }
    all.sort_unstable_by_key(|changed| (changed.hashed, changed.block));
    let mut keys = vec![ChangedKeys::default(); blocks.len()];
    let (account_nodes, storage_nodes) = sorted_nodes(tries);
    let mut accounts = Sorted::new(txn, Table::AccountHistory, account_nodes)?;
    let mut storage = Sorted::new(txn, Table::StorageHistory, storage_nodes)?;
    // One table after the other: where a page already ends with a later table's entry, each further one of a
    // large genesis splits it, and leaves it half empty.
    for changes in all.chunk_by(|a, b| a.hashed == b.hashed) {
        write_account(&mut accounts, changes)?;
    }
    for changes in all.chunk_by(|a, b| a.hashed == b.hashed) {
        write_storage(txn, &mut storage, changes, &mut keys)?;
        changes.iter().for_each(|changed| keys[changed.block].accounts.push(changed.hashed));
    }
    for (hash, code) in blocks.iter().flat_map(|recent| &recent.changes.codes) {
        txn.put(&key(Table::Codes, &[hash.as_slice()]), code)?;
    }
    accounts.finish()?;
    storage.finish()?;
    for (recent, keys) in blocks.iter().zip(keys) {
        // Nothing is ever taken back to before genesis.
        let keys = if recent.number() == 0 { ChangedKeys::default() } else { keys };
        txn.put(&block_key(Table::Changes, recent.number()), &keys.encode())?;
    }
    Ok(())
}

/// Writes an account after the last of its changes, and what it was before each.
fn write_account(accounts: &mut Sorted<'_, '_>, changes: &[Changed<'_>]) -> Result<(), StoreError> {
    let Some(Changed { hashed, .. }) = changes.first() else { return Ok(()) };
    let at = account_key(hashed);
    let mut stored = accounts.get::<StoredAccount>(Table::Accounts, &at)?;
    for Changed { address, number, change, storage_root, .. } in changes {
        if stored.map(|stored| stored.account) != change.before {
            return Err(StoreError::StaleChange { address: **address });
        }
        accounts.put_before(hashed.as_slice(), *number, &stored.encode())?;
        let kept = stored.filter(|_| !change.wiped);
        let kept = kept.map_or(EMPTY_ROOT_HASH, |stored| stored.storage_root);
        stored = change
            .after
            .map(|account| StoredAccount { account, storage_root: storage_root.unwrap_or(kept) });
    }
    accounts.put(&at, stored.map(|stored| stored.encode()).as_deref())
}

/// Writes the slots of an account after the last of its changes, and what they were before each.
fn write_storage(
    txn: &Txn<'_, RW>,
    storage: &mut Sorted<'_, '_>,
    changes: &[Changed<'_>],
    keys: &mut [ChangedKeys],
) -> Result<(), StoreError> {
    let Some(Changed { hashed, .. }) = changes.first() else { return Ok(()) };
    // What ends clears slots that no change names.
    let mut known = match changes.iter().any(|changed| changed.change.clears_storage()) {
        true => Some(all_slots(txn, *hashed)?),
        false => None,
    };
    let mut slots = Vec::new();
    for Changed { block, number, change, .. } in changes {
        let words: Vec<[u8; 32]> =
            change.storage.keys().map(|slot| slot.to_be_bytes::<32>()).collect();
        let mut gone = match &mut known {
            Some(known) if change.clears_storage() => std::mem::take(known),
            _ => BTreeMap::new(),
        };
        let mut take = |slot, before, after: U256| {
            slots.push(Slot { slot, number: *number, before, after });
            keys[*block].slots.push((*hashed, slot));
            match &mut known {
                Some(known) if after.is_zero() => _ = known.remove(&slot),
                Some(known) => _ = known.insert(slot, after),
                None => {}
            }
        };
        for ((before, after), slot) in change.storage.values().zip(keccak::hash_all(&words)) {
            take(slot, gone.remove(&slot).unwrap_or(*before), *after);
        }
        gone.into_iter().for_each(|(slot, before)| take(slot, before, U256::ZERO));
    }
    slots.sort_unstable_by_key(|change| (change.slot, change.number));
    for changes in slots.chunk_by(|a, b| a.slot == b.slot) {
        for Slot { slot, number, before, after: _ } in changes {
            let at = [hashed.as_slice(), slot.as_slice()].concat();
            storage.put_before(&at, *number, &before.encode())?;
        }
        let Some(Slot { slot, after, .. }) = changes.last() else { continue };
        let after = (!after.is_zero()).then(|| after.encode());
        storage.put(&slot_key(hashed, slot), after.as_deref())?;
    }
    Ok(())
}

/// What one block changes of a slot.
struct Slot {
    slot: B256,
    number: u64,
    before: U256,
    after: U256,
}

/// A trie node that is written or, without bytes, removed.
type Node<'n> = (Vec<u8>, Option<&'n [u8]>);

/// Nodes of the accounts' trie and of all storage tries, in the order of keys.
fn sorted_nodes(tries: &TrieUpdates) -> (Vec<Node<'_>>, Vec<Node<'_>>) {
    fn add<'n>(all: &mut Vec<Node<'n>>, owner: Option<&B256>, nodes: &'n NodeUpdates) {
        all.extend(nodes.iter().map(|(position, node)| (node_key(owner, position).1, node)));
    }
    let (mut accounts, mut storage) = (Vec::with_capacity(tries.accounts.len()), Vec::new());
    add(&mut accounts, None, &tries.accounts);
    tries.storages.iter().for_each(|(owner, nodes)| add(&mut storage, Some(owner), nodes));
    for nodes in [&mut accounts, &mut storage] {
        nodes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    }
    (accounts, storage)
}

/// A table with the nodes that lie in it, and its history, both written in the order of keys.
struct Sorted<'t, 'n> {
    nodes: Peekable<std::vec::IntoIter<Node<'n>>>,
    history: Table,
    now: Writer<'t>,
    before: Writer<'t>,
}

impl<'t, 'n> Sorted<'t, 'n> {
    fn new(txn: &'t Txn<'_, RW>, history: Table, nodes: Vec<Node<'n>>) -> Result<Self, StoreError> {
        let nodes = nodes.into_iter().peekable();
        Ok(Self { nodes, history, now: txn.writer()?, before: txn.writer()? })
    }

    fn get<V: Value>(&mut self, table: Table, at: &[u8]) -> Result<Option<V>, StoreError> {
        self.put_nodes(|node| node < at)?;
        self.now.get(table, at)
    }

    /// Puts a value, or removes what is there.
    fn put(&mut self, at: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        self.put_nodes(|node| node < at)?;
        self.now.set(at, value)
    }

    /// Puts what a value was before a block; nobody asks what was before genesis.
    fn put_before(&mut self, at: &[u8], number: u64, value: &[u8]) -> Result<(), StoreError> {
        match number {
            0 => Ok(()),
            number => self.before.put(&key(self.history, &[at, &number.to_be_bytes()]), value),
        }
    }

    /// Puts the next nodes, as long as their keys are such.
    fn put_nodes(&mut self, such: impl Fn(&[u8]) -> bool) -> Result<(), StoreError> {
        while let Some((at, node)) = self.nodes.next_if(|(at, _)| such(at)) {
            self.now.set(&at, node)?;
        }
        Ok(())
    }

    /// Puts the nodes that are left.
    fn finish(mut self) -> Result<(), StoreError> {
        self.put_nodes(|_| true)
    }
}

/// Everything in an account's storage.
fn all_slots(txn: &Txn<'_, RW>, hashed: B256) -> Result<BTreeMap<B256, U256>, StoreError> {
    let prefix = key(Table::Storage, &[hashed.as_slice()]);
    let rows = txn.all(&prefix)?.into_iter();
    let slots = rows.filter_map(|(at, bytes)| Some((row(&at, &prefix)?, at, bytes)));
    slots.map(|(slot, at, bytes)| Ok((slot, decode(Table::Storage, &at, &bytes)?))).collect()
}

pub(crate) fn write_slot(
    txn: &Txn<'_, RW>,
    hashed: B256,
    slot: B256,
    value: U256,
) -> Result<(), StoreError> {
    let at = slot_key(&hashed, &slot);
    if value.is_zero() { txn.delete(&at) } else { txn.put(&at, &value.encode()) }
}

pub(crate) fn write_trie(txn: &Txn<'_, RW>, updates: &TrieUpdates) -> Result<(), StoreError> {
    let mut writer = txn.writer()?;
    let (accounts, storage) = sorted_nodes(updates);
    accounts.iter().chain(&storage).try_for_each(|(at, node)| writer.set(at, *node))
}

#[cfg(test)]
mod tests {
    use alloy_trie::Nibbles;
    use primitives::{Block, BlockBody, Header};
    use proptest::prelude::*;
    use stf::{Account, ExecutedBlock, StateChanges, StateRootOutcome};

    use super::*;
    use crate::{StoreOptions, db::Db};

    /// What becomes of one account in one block: nothing if there is no nonce; it ends, if that is zero.
    type Deed = (u8, bool, BTreeMap<u8, u64>);
    /// By address: the account, its slots.
    type State = BTreeMap<Address, (StoredAccount, BTreeMap<U256, U256>)>;

    fn deed() -> impl Strategy<Value = Deed> {
        (0_u8..4, any::<bool>(), proptest::collection::btree_map(0_u8..5, 0_u64..3, 0..4))
    }

    /// By position: a node, or that it is gone.
    type Nodes = BTreeMap<Nibbles, Option<[u8; 32]>>;
    /// What is to be found afterwards: key and value of each entry.
    type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

    /// A block's changes to `state`, and what they leave in the histories.
    fn change(state: &mut State, number: u64, deeds: &[Deed], left: &mut Entries) -> Arc<Recent> {
        let mut changes = StateChanges::default();
        let mut updates = TrieUpdates::default();
        let mut account_nodes = Nodes::new();
        let mut storage_nodes = BTreeMap::<B256, Nodes>::new();
        for (index, (nonce, wiped, slots)) in (0_u8..).zip(deeds) {
            let address = Address::repeat_byte(index);
            let hashed = keccak::hash_all(&[address])[0];
            let before = state.get(&address).cloned();
            if before.is_none() && *nonce == 0 {
                continue;
            }
            let after = (*nonce > 0).then_some(Account { nonce: number, ..Default::default() });
            let wiped = *wiped && before.is_some() && after.is_some();
            let kept = match &before {
                Some((_, slots)) if !wiped && after.is_some() => slots.clone(),
                _ => BTreeMap::new(),
            };
            let (mut now, mut storage) = (kept.clone(), BTreeMap::new());
            for (slot, value) in slots.iter().filter(|_| after.is_some()) {
                let (slot, value) = (U256::from(*slot), U256::from(*value));
                storage.insert(slot, (kept.get(&slot).copied().unwrap_or_default(), value));
                now.insert(slot, value);
            }
            now.retain(|_, value| !value.is_zero());
            let stored = before.as_ref().map(|(stored, _)| *stored);
            let at =
                |table, rest: &[u8]| key(table, &[hashed.as_slice(), rest, &number.to_be_bytes()]);
            left.insert(at(Table::AccountHistory, &[]), stored.encode());
            let had = before.map(|(_, slots)| slots).unwrap_or_default();
            let gone = had.keys().filter(|_| kept.is_empty());
            for slot in storage.keys().chain(gone) {
                let hashed = keccak::hash_all(&[slot.to_be_bytes::<32>()])[0];
                let value = had.get(slot).copied().unwrap_or_default();
                left.insert(at(Table::StorageHistory, hashed.as_slice()), value.encode());
            }
            // Any root will do, if it tells one content from another; and any node.
            let root = keccak::hash_all(&[format!("{now:?}")])[0];
            let there = after.is_some();
            let mut path = |owner: Option<B256>, key: B256, there: bool| {
                let nodes = match owner {
                    None => &mut account_nodes,
                    Some(owner) => storage_nodes.entry(owner).or_default(),
                };
                for length in (0..10).chain([63, 64]) {
                    let position = Nibbles::unpack(key).slice(..length);
                    let (_, at) = node_key(owner.as_ref(), &position);
                    // What a removed leaf had above it stays for others.
                    if there || length == 64 {
                        nodes.insert(position, there.then_some(root.0));
                    }
                    match there {
                        true => _ = left.insert(at, root.to_vec()),
                        false if length == 64 => _ = left.remove(&at),
                        false => {}
                    }
                }
            };
            path(None, hashed, there);
            for slot in storage.keys() {
                let slot_hash = keccak::hash_all(&[slot.to_be_bytes::<32>()])[0];
                path(Some(hashed), slot_hash, now.contains_key(slot));
            }
            if let Some(account) = after {
                updates.storage_roots.insert(hashed, root);
                state.insert(address, (StoredAccount { account, storage_root: root }, now));
            } else {
                state.remove(&address);
            }
            let before = stored.map(|stored| stored.account);
            let change = AccountChange { before, after, storage, wiped };
            changes.accounts.insert(address, change);
        }
        let collect = |nodes: Nodes| -> NodeUpdates {
            nodes.into_iter().map(|(at, node)| (at, node.map(Vec::from))).collect()
        };
        updates.accounts = collect(account_nodes);
        updates.storages =
            storage_nodes.into_iter().map(|(owner, nodes)| (owner, collect(nodes))).collect();
        let header = Header { number, ..Default::default() };
        let block = Block { hash: header.hash_slow(), header, body: BlockBody::default() };
        let roots =
            StateRootOutcome { state_root: B256::ZERO, withdrawals_root: B256::ZERO, updates };
        let (receipts, senders) = (Vec::new(), Vec::new());
        Arc::new(Recent::new(ExecutedBlock { block, receipts, senders, changes, roots }, 0, 0))
    }

    proptest! {
        #[test]
        fn blocks_written_together_leave_the_state_and_what_it_was(
            blocks in proptest::collection::vec(
                proptest::collection::vec(deed(), 4..5), 1..7,
            ),
            together in 1_usize..7,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let options = StoreOptions { durable: false, ..Default::default() };
            let db = Db::open(directory.path(), options).unwrap();
            let (mut state, mut expected) = (State::new(), Entries::new());
            let blocks: Vec<_> = (1_u64..)
                .zip(&blocks)
                .map(|(number, deeds)| change(&mut state, number, deeds, &mut expected))
                .collect();
            for (address, (stored, slots)) in &state {
                let hashed = keccak::hash_all(&[address])[0];
                expected.insert(account_key(&hashed), stored.encode());
                for (slot, value) in slots {
                    let slot = keccak::hash_all(&[slot.to_be_bytes::<32>()])[0];
                    expected.insert(slot_key(&hashed, &slot), value.encode());
                }
            }
            for blocks in blocks.chunks(together) {
                let txn = db.write().unwrap();
                write_blocks(&txn, blocks).unwrap();
                txn.commit().unwrap();
            }
            let txn = db.read().unwrap();
            let mut found = Entries::new();
            for table in [
                Table::Accounts,
                Table::AccountHistory,
                Table::AccountTrie,
                Table::Storage,
                Table::StorageHistory,
                Table::StorageTrie,
            ] {
                found.extend(txn.all(&[table as u8]).unwrap());
            }
            prop_assert_eq!(found, expected.clone());
            // A block names all that it changed.
            for recent in &blocks {
                let number = recent.number();
                let at = block_key(Table::Changes, number);
                let keys = txn.get::<ChangedKeys>(Table::Changes, &at).unwrap().unwrap();
                let accounts = keys.accounts.iter().map(|hashed| {
                    key(Table::AccountHistory, &[hashed.as_slice(), &number.to_be_bytes()])
                });
                let slots = keys.slots.iter().map(|(hashed, slot)| {
                    let parts = [hashed.as_slice(), slot.as_slice(), &number.to_be_bytes()];
                    key(Table::StorageHistory, &parts)
                });
                let mut named: Vec<_> = accounts.chain(slots).collect();
                named.sort_unstable();
                let of_block = expected.keys().filter(|at| at.ends_with(&number.to_be_bytes()));
                let of_block = of_block.filter(|at| {
                    [Table::AccountHistory as u8, Table::StorageHistory as u8].contains(&at[0])
                });
                prop_assert_eq!(named, of_block.cloned().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn changes_to_another_state_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions { durable: false, ..Default::default() };
        let db = Db::open(directory.path(), options).unwrap();
        let (mut state, mut left) = (State::new(), Entries::new());
        let deeds = [(1, false, BTreeMap::new())];
        let first = change(&mut state, 1, &deeds, &mut left);
        let second = change(&mut state, 2, &deeds, &mut left);
        let third = change(&mut state, 3, &deeds, &mut left);
        let txn = db.write().unwrap();
        for blocks in [vec![Arc::clone(&second)], vec![Arc::clone(&first), third]] {
            let error = write_blocks(&txn, &blocks).unwrap_err();
            assert!(matches!(error, StoreError::StaleChange { .. }), "{error}");
        }
        // What the refused blocks had written would be gone with their transaction.
        drop(txn);
        let txn = db.write().unwrap();
        write_blocks(&txn, &[first, second]).unwrap();
    }
}
