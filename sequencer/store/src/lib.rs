//! Where the chain lives: blocks, receipts, state with its whole history, tries and heads in one MDBX
//! environment. A block is committed in one MDBX transaction, so a crash leaves either all of it or
//! nothing. State is keyed by hashed address and hashed slot, as the trie is; the state after any
//! block is read through the history of what later blocks changed.
//!
//! * [`Store::open`], then [`Store::init_genesis`]; both refuse what is not this chain.
//! * [`Store::latest_state`] and [`Store::head_roots`] are what block building needs of the head,
//!   [`Store::commit`] puts the block there, [`Store::unwind_to`] takes blocks away again.
//! * The head's tries stay in memory between blocks, up to [`StoreOptions::trie_cache_bytes`].
//! * [`Store::state_at`] and [`Store::proof`] serve readers of any block.
//! * `journal_*` keeps small durable records of other parts, such as what was sent to L1.
//!
//! Bytes on disk: `docs/formats/store.md`.

mod db;
mod error;
mod genesis;
mod keccak;
mod proof;
mod read_cache;
mod tables;
mod trie_cache;
mod view;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use libmdbx::{RO, RW};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use primitives::{Block, BlockBody, GenesisL2, Header, Heads, L2BlockRef};
use stf::{
    ExecutedBlock, StateChanges, StateRootOutcome, StateRootProvider, TrieReader,
    trie::{NodeReader, TrieError, TrieId},
};

pub use db::Entry;
pub use error::StoreError;
pub use genesis::genesis_header;
pub use proof::{AccountProof, PROOF_BLOCKS_BACK_MAX, StorageProof};
pub use trie_cache::TrieStats;
pub use view::StateView;

use db::{Db, Txn, open_error};
use read_cache::ReadCache;
use tables::{
    ChangedKeys, List, StoredAccount, Table, Value, block_key, encode_list, key, node_key,
};
use trie_cache::TrieCache;

/// Grows with each change of the layout.
pub const SCHEMA: u32 = 1;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Whether a commit is on disk when it returns. Off only where the chain can be rebuilt from
    /// elsewhere, as in tests.
    pub durable: bool,
    /// Bytes of trie nodes to keep in memory; what is not on disk yet is kept in any case.
    pub trie_cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { durable: true, trie_cache_bytes: 1 << 30 }
    }
}

/// The chain on disk. Readers never wait for the writer.
pub struct Store {
    db: Db,
    /// The tries of the unsafe head.
    trie: TrieCache,
    reads: ReadCache,
    path: PathBuf,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store in a directory; only one process may have it open.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let store = Self {
            db: Db::open(path, options)?,
            trie: TrieCache::new(options.trie_cache_bytes),
            reads: ReadCache::new(),
            path: path.to_path_buf(),
        };
        // A file that was cut short opens well and fails at the first read.
        let schema = store.schema().map_err(|error| match error {
            StoreError::Database(source) => open_error(path, source),
            error => error,
        })?;
        match schema {
            Some(found) if found != u64::from(SCHEMA) => {
                Err(StoreError::Schema { path: store.path, found, expected: SCHEMA })
            }
            _ => Ok(Arc::new(store)),
        }
    }

    fn schema(&self) -> Result<Option<u64>, StoreError> {
        self.db.read()?.get(Table::Meta, &key(Table::Meta, &[b"schema"]))
    }

    /// Writes the genesis block and state into an empty store; in a store that holds this chain
    /// already, checks that it does. Gives the genesis header.
    pub fn init_genesis(&self, genesis: &GenesisL2) -> Result<Header, StoreError> {
        let changes = genesis::changes(genesis);
        let roots = stf::EmptyState.state_root(&changes)?;
        let header = genesis::header(genesis, &roots);
        let hash = header.hash_slow();
        let txn = self.db.write()?;
        if let Some((stored, _)) =
            txn.get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, 0))?
        {
            if stored != hash {
                return Err(StoreError::OtherGenesis { stored, configured: hash });
            }
            let chain = key(Table::Meta, &[b"chain"]);
            let stored = txn.get::<u64>(Table::Meta, &chain)?.ok_or(StoreError::Uninitialised)?;
            if stored != genesis.chain_id {
                let configured = genesis.chain_id;
                return Err(StoreError::OtherChain { stored, configured });
            }
            return Ok(header);
        }
        txn.put(&key(Table::Meta, &[b"schema"]), &u64::from(SCHEMA).encode())?;
        txn.put(&key(Table::Meta, &[b"chain"]), &genesis.chain_id.encode())?;
        let executed = ExecutedBlock {
            block: Block { hash, header: header.clone(), body: BlockBody::default() },
            receipts: Vec::new(),
            senders: Vec::new(),
            changes,
            roots,
        };
        write_block(&txn, &executed)?;
        let id = executed.block.id();
        write_heads(&txn, &Heads { unsafe_head: id, safe: id, finalized: id })?;
        txn.commit()?;
        Ok(header)
    }

    /// Commits a block on top of the head: block, receipts, state, history, tries and the new unsafe
    /// head, all or nothing, durable when this returns.
    pub fn commit(&self, executed: &ExecutedBlock) -> Result<(), StoreError> {
        let txn = self.db.write()?;
        let heads = heads(&txn)?;
        let header = &executed.block.header;
        if header.parent_hash != heads.unsafe_head.hash {
            return Err(StoreError::NotOnHead {
                block: header.number,
                head: heads.unsafe_head.number,
            });
        }
        let parent =
            (heads.unsafe_head, header_entry(&txn, heads.unsafe_head.number)?.1.state_root);
        let block = (executed.block.id(), header.state_root);
        self.trie.advance(&HeadRoots { txn: &txn }, parent, block, &executed.changes)?;
        write_block(&txn, executed)?;
        write_heads(&txn, &Heads { unsafe_head: executed.block.id(), ..heads })?;
        let reads = self.reads.commit([(header.number, &executed.changes)]);
        txn.commit()?;
        reads.finish();
        self.trie.checkpointed(header.number);
        Ok(())
    }

    /// Removes every block above `number` and restores the state after it. Heads above move down.
    pub fn unwind_to(&self, number: u64) -> Result<(), StoreError> {
        let txn = self.db.write()?;
        let heads = heads(&txn)?;
        let target = header_entry(&txn, number)?;
        let changes = reverse_changes(&txn, number, heads.unsafe_head.number)?;
        let roots = HeadRoots { txn: &txn }.reversed(&changes)?;
        if roots.state_root != target.1.state_root {
            return Err(StoreError::Malformed {
                table: Table::Changes.name(),
                key: format!("{number}"),
            });
        }
        write_trie(&txn, &roots)?;
        for (hashed, change) in &changes {
            let at = key(Table::Accounts, &[hashed.as_slice()]);
            match change.account.unwrap_or_default() {
                Some(account) => {
                    let storage_root = roots
                        .updates
                        .storage_roots
                        .get(hashed)
                        .copied()
                        .map_or_else(|| storage_root(&txn, *hashed), Ok)?;
                    txn.put(&at, &StoredAccount { account, storage_root }.encode())?;
                }
                None => txn.delete(&at)?,
            }
            for (slot, value) in &change.storage {
                write_slot(&txn, *hashed, *slot, *value)?;
            }
        }
        for block in number.saturating_add(1)..=heads.unsafe_head.number {
            remove_block(&txn, block)?;
        }
        let id = BlockNumHash { number, hash: target.0 };
        let down = |head: BlockNumHash| if head.number > number { id } else { head };
        write_heads(
            &txn,
            &Heads { unsafe_head: id, safe: down(heads.safe), finalized: down(heads.finalized) },
        )?;
        // Dropped, so that nothing read before is kept.
        let reads = self.reads.commit([]);
        txn.commit()?;
        drop(reads);
        self.trie.reset();
        Ok(())
    }

    /// The three heads.
    pub fn heads(&self) -> Result<Heads, StoreError> {
        heads(&self.db.read()?)
    }

    /// Moves the safe head to a block of this chain.
    pub fn set_safe(&self, safe: BlockNumHash) -> Result<(), StoreError> {
        self.move_head(safe, |heads| heads.safe = safe)
    }

    /// Moves the finalized head to a block of this chain.
    pub fn set_finalized(&self, finalized: BlockNumHash) -> Result<(), StoreError> {
        self.move_head(finalized, |heads| heads.finalized = finalized)
    }

    fn move_head(
        &self,
        to: BlockNumHash,
        change: impl FnOnce(&mut Heads),
    ) -> Result<(), StoreError> {
        let txn = self.db.write()?;
        let (stored, _) = header_entry(&txn, to.number)?;
        if stored != to.hash {
            return Err(StoreError::OtherBlock { number: to.number, stored, given: to.hash });
        }
        let mut heads = heads(&txn)?;
        change(&mut heads);
        write_heads(&txn, &heads)?;
        txn.commit()
    }

    pub fn header(&self, number: u64) -> Result<Option<Header>, StoreError> {
        let at = block_key(Table::Headers, number);
        Ok(self.db.read()?.get::<(B256, Header)>(Table::Headers, &at)?.map(|(_, header)| header))
    }

    /// Hash of the block with this number.
    pub fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        let at = block_key(Table::Headers, number);
        Ok(self.db.read()?.get::<(B256, Header)>(Table::Headers, &at)?.map(|(hash, _)| hash))
    }

    /// Number of the block with this hash.
    pub fn block_number(&self, hash: B256) -> Result<Option<u64>, StoreError> {
        self.db.read()?.get(Table::Numbers, &key(Table::Numbers, &[hash.as_slice()]))
    }

    pub fn block(&self, number: u64) -> Result<Option<Block>, StoreError> {
        let txn = self.db.read()?;
        let entry =
            txn.get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, number))?;
        let Some((hash, header)) = entry else { return Ok(None) };
        let transactions = txn
            .get::<List<OpTxEnvelope>>(Table::Bodies, &block_key(Table::Bodies, number))?
            .map(|list| list.0)
            .unwrap_or_default();
        Ok(Some(Block { hash, header, body: BlockBody { transactions } }))
    }

    /// Receipts of a block, one per transaction.
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<OpReceiptEnvelope>>, StoreError> {
        let at = block_key(Table::Receipts, number);
        let list = self.db.read()?.get::<List<OpReceiptEnvelope>>(Table::Receipts, &at)?;
        Ok(list.map(|list| list.0))
    }

    /// Senders of a block's transactions.
    pub fn senders(&self, number: u64) -> Result<Option<Vec<Address>>, StoreError> {
        self.db.read()?.get(Table::Senders, &block_key(Table::Senders, number))
    }

    /// Block number and index of a transaction.
    pub fn transaction_location(&self, hash: B256) -> Result<Option<(u64, usize)>, StoreError> {
        let at = key(Table::Transactions, &[hash.as_slice()]);
        let location = self.db.read()?.get::<(u64, u32)>(Table::Transactions, &at)?;
        Ok(location.and_then(|(number, index)| Some((number, usize::try_from(index).ok()?))))
    }

    /// A block with its L1 origin, read from its L1 attributes; the genesis block has none and gives
    /// the zero origin.
    pub fn l2_block_ref(&self, number: u64) -> Result<Option<L2BlockRef>, StoreError> {
        let Some(block) = self.block(number)? else { return Ok(None) };
        let mut reference = L2BlockRef {
            hash: block.hash,
            number,
            parent_hash: block.header.parent_hash,
            timestamp: block.header.timestamp,
            ..Default::default()
        };
        if let Some(first) = block.body.transactions.first() {
            let (l1_origin, sequence_number) = l1_origin(first).ok_or_else(|| {
                StoreError::Malformed { table: Table::Bodies.name(), key: format!("{number}") }
            })?;
            reference.l1_origin = l1_origin;
            reference.sequence_number = sequence_number;
        }
        Ok(Some(reference))
    }

    /// The state after the head.
    pub fn latest_state(self: &Arc<Self>) -> Result<StateView, StoreError> {
        self.state_at(self.heads()?.unsafe_head.number)
    }

    /// The state after any block up to the head. The view stays the same while the chain grows.
    pub fn state_at(self: &Arc<Self>, number: u64) -> Result<StateView, StoreError> {
        let head = self.heads()?.unsafe_head.number;
        if number > head {
            return Err(StoreError::MissingBlock(number));
        }
        Ok(StateView::new(Arc::clone(self), number))
    }

    /// Computes roots on the state after the head.
    pub fn head_roots(self: &Arc<Self>) -> Result<StoreRoots, StoreError> {
        let txn = self.db.read()?;
        let parent = heads(&txn)?.unsafe_head;
        let parent_root = header_entry(&txn, parent.number)?.1.state_root;
        Ok(StoreRoots { store: Arc::clone(self), parent, parent_root })
    }

    /// Changes how many bytes of trie nodes are kept in memory.
    pub fn set_trie_cache_bytes(&self, bytes: usize) {
        self.trie.set_limit(bytes);
    }

    /// What the tries in memory hold and have done since the store was opened.
    pub fn trie_stats(&self) -> TrieStats {
        self.trie.stats()
    }

    /// Merkle proofs of an account and some of its slots (EIP-1186) in the state after `number`, which
    /// may lie up to [`PROOF_BLOCKS_BACK_MAX`] blocks back.
    pub fn proof(
        &self,
        address: Address,
        slots: &[B256],
        number: u64,
    ) -> Result<AccountProof, StoreError> {
        proof::prove(&self.db.read()?, address, slots, number)
    }

    /// Writes an entry of a journal; durable when this returns.
    pub fn journal_put(&self, namespace: &str, at: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let txn = self.db.write()?;
        txn.put(&journal_key(namespace, at), value)?;
        txn.commit()
    }

    pub fn journal_get(&self, namespace: &str, at: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.read()?.get(Table::Journal, &journal_key(namespace, at))
    }

    pub fn journal_delete(&self, namespace: &str, at: &[u8]) -> Result<(), StoreError> {
        let txn = self.db.write()?;
        txn.delete(&journal_key(namespace, at))?;
        txn.commit()
    }

    /// Every entry of a journal in key order.
    pub fn journal_all(&self, namespace: &str) -> Result<Vec<Entry>, StoreError> {
        let prefix = journal_key(namespace, &[]);
        let entries = self.db.read()?.all(&prefix)?;
        Ok(entries.into_iter().map(|(mut at, value)| (at.split_off(prefix.len()), value)).collect())
    }
}

/// Roots on the state after one block, which must still be the head when they are computed.
#[derive(Debug)]
pub struct StoreRoots {
    store: Arc<Store>,
    parent: BlockNumHash,
    parent_root: B256,
}

impl StoreRoots {
    /// Loads what changing these accounts will need; worth it beside execution, on another thread.
    pub fn prefetch(&self, addresses: &[Address]) -> Result<(), TrieError> {
        let txn = self.reader()?;
        let parent = (self.parent, self.parent_root);
        self.store.trie.prefetch(&HeadRoots { txn: &txn }, parent, addresses)
    }

    fn reader(&self) -> Result<Txn<'_, RO>, TrieError> {
        let txn = self.store.db.read()?;
        let head = heads(&txn)?.unsafe_head;
        if head != self.parent {
            return Err(StoreError::NotOnHead {
                block: self.parent.number.saturating_add(1),
                head: head.number,
            }
            .into());
        }
        Ok(txn)
    }
}

impl StateRootProvider for StoreRoots {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
        let txn = self.reader()?;
        let parent = (self.parent, self.parent_root);
        self.store.trie.state_root(&HeadRoots { txn: &txn }, parent, changes)
    }
}

/// The tries after the head, within one transaction.
pub(crate) struct HeadRoots<'t, 'db, K: libmdbx::TransactionKind> {
    pub(crate) txn: &'t Txn<'db, K>,
}

impl<K: libmdbx::TransactionKind> HeadRoots<'_, '_, K> {
    fn reversed(
        &self,
        changes: &std::collections::BTreeMap<B256, stf::HashedChange>,
    ) -> Result<StateRootOutcome, TrieError> {
        stf::compute_hashed_roots(self, changes)
    }
}

impl<K: libmdbx::TransactionKind> NodeReader for HeadRoots<'_, '_, K> {
    fn node(
        &self,
        trie: TrieId,
        position: &Nibbles,
        _: B256,
    ) -> Result<Option<Vec<u8>>, TrieError> {
        let (table, at) = match &trie {
            TrieId::Accounts => (Table::AccountTrie, node_key(None, position)),
            TrieId::Storage(owner) => (Table::StorageTrie, node_key(Some(owner), position)),
        };
        Ok(self.txn.get::<Vec<u8>>(table, &at)?)
    }
}

impl<K: libmdbx::TransactionKind> TrieReader for HeadRoots<'_, '_, K> {
    fn account_root(&self) -> Result<B256, TrieError> {
        let number = heads(self.txn)?.unsafe_head.number;
        Ok(header_entry(self.txn, number)?.1.state_root)
    }

    fn storage_root(&self, hashed_address: B256) -> Result<B256, TrieError> {
        Ok(storage_root(self.txn, hashed_address)?)
    }
}

fn storage_root<K: libmdbx::TransactionKind>(
    txn: &Txn<'_, K>,
    hashed: B256,
) -> Result<B256, StoreError> {
    let at = key(Table::Accounts, &[hashed.as_slice()]);
    Ok(txn
        .get::<StoredAccount>(Table::Accounts, &at)?
        .map_or(EMPTY_ROOT_HASH, |stored| stored.storage_root))
}

fn journal_key(namespace: &str, at: &[u8]) -> Vec<u8> {
    key(Table::Journal, &[namespace.as_bytes(), &[0], at])
}

fn heads<K: libmdbx::TransactionKind>(txn: &Txn<'_, K>) -> Result<Heads, StoreError> {
    let head = |name: u8| -> Result<BlockNumHash, StoreError> {
        txn.get(Table::Heads, &key(Table::Heads, &[&[name]]))?.ok_or(StoreError::Uninitialised)
    };
    Ok(Heads { unsafe_head: head(0)?, safe: head(1)?, finalized: head(2)? })
}

fn write_heads(txn: &Txn<'_, RW>, heads: &Heads) -> Result<(), StoreError> {
    for (name, head) in [(0, heads.unsafe_head), (1, heads.safe), (2, heads.finalized)] {
        txn.put(&key(Table::Heads, &[&[name]]), &head.encode())?;
    }
    Ok(())
}

fn header_entry<K: libmdbx::TransactionKind>(
    txn: &Txn<'_, K>,
    number: u64,
) -> Result<(B256, Header), StoreError> {
    txn.get(Table::Headers, &block_key(Table::Headers, number))?
        .ok_or(StoreError::MissingBlock(number))
}

fn write_block(txn: &Txn<'_, RW>, executed: &ExecutedBlock) -> Result<(), StoreError> {
    let ExecutedBlock { block, receipts, senders, changes, roots } = executed;
    let number = block.header.number;
    let header = (block.hash, block.header.clone());
    txn.put(&block_key(Table::Headers, number), &header.encode())?;
    txn.put(&key(Table::Numbers, &[block.hash.as_slice()]), &number.encode())?;
    txn.put(&block_key(Table::Bodies, number), &encode_list(&block.body.transactions))?;
    txn.put(&block_key(Table::Receipts, number), &encode_list(receipts))?;
    txn.put(&block_key(Table::Senders, number), &senders.encode())?;
    for (index, transaction) in (0_u32..).zip(&block.body.transactions) {
        let at = key(Table::Transactions, &[transaction.hash().as_slice()]);
        txn.put(&at, &(number, index).encode())?;
    }
    write_state(txn, number, changes, roots)?;
    write_trie(txn, roots)
}

fn write_state(
    txn: &Txn<'_, RW>,
    number: u64,
    changes: &StateChanges,
    roots: &StateRootOutcome,
) -> Result<(), StoreError> {
    for (hash, code) in &changes.codes {
        txn.put(&key(Table::Codes, &[hash.as_slice()]), code)?;
    }
    let mut changed = ChangedKeys::default();
    for (address, change) in &changes.accounts {
        let hashed = keccak256(address);
        let at = key(Table::Accounts, &[hashed.as_slice()]);
        let before = txn.get::<StoredAccount>(Table::Accounts, &at)?;
        if before.map(|stored| stored.account) != change.before {
            return Err(StoreError::StaleChange { address: *address });
        }
        changed.accounts.push(hashed);
        let history = key(Table::AccountHistory, &[hashed.as_slice(), &number.to_be_bytes()]);
        txn.put(&history, &before.encode())?;
        match change.after {
            Some(account) => {
                let storage_root = roots
                    .updates
                    .storage_roots
                    .get(&hashed)
                    .copied()
                    .unwrap_or(before.map_or(EMPTY_ROOT_HASH, |stored| stored.storage_root));
                txn.put(&at, &StoredAccount { account, storage_root }.encode())?;
            }
            None => txn.delete(&at)?,
        }
        for (slot, (value_before, value)) in &change.storage {
            let slot = keccak256(slot.to_be_bytes::<32>());
            changed.slots.push((hashed, slot));
            let history = key(
                Table::StorageHistory,
                &[hashed.as_slice(), slot.as_slice(), &number.to_be_bytes()],
            );
            txn.put(&history, &value_before.encode())?;
            write_slot(txn, hashed, slot, *value)?;
        }
    }
    txn.put(&block_key(Table::Changes, number), &changed.encode())
}

fn write_slot(txn: &Txn<'_, RW>, hashed: B256, slot: B256, value: U256) -> Result<(), StoreError> {
    let at = key(Table::Storage, &[hashed.as_slice(), slot.as_slice()]);
    if value.is_zero() { txn.delete(&at) } else { txn.put(&at, &value.encode()) }
}

fn write_trie(txn: &Txn<'_, RW>, roots: &StateRootOutcome) -> Result<(), StoreError> {
    let write = |owner: Option<&B256>, nodes: &stf::trie::NodeUpdates| {
        nodes.iter().try_for_each(|(position, node)| {
            let at = node_key(owner, position);
            match node {
                Some(node) => txn.put(&at, node),
                None => txn.delete(&at),
            }
        })
    };
    write(None, &roots.updates.accounts)?;
    roots.updates.storages.iter().try_for_each(|(owner, nodes)| write(Some(owner), nodes))
}

fn remove_block(txn: &Txn<'_, RW>, number: u64) -> Result<(), StoreError> {
    let (hash, _) = header_entry(txn, number)?;
    let bodies = block_key(Table::Bodies, number);
    if let Some(List(transactions)) = txn.get::<List<OpTxEnvelope>>(Table::Bodies, &bodies)? {
        for transaction in transactions {
            txn.delete(&key(Table::Transactions, &[transaction.hash().as_slice()]))?;
        }
    }
    let changes = block_key(Table::Changes, number);
    let changed = txn.get::<ChangedKeys>(Table::Changes, &changes)?.unwrap_or_default();
    for hashed in changed.accounts {
        txn.delete(&key(Table::AccountHistory, &[hashed.as_slice(), &number.to_be_bytes()]))?;
    }
    for (hashed, slot) in changed.slots {
        let at = [hashed.as_slice(), slot.as_slice(), &number.to_be_bytes()];
        txn.delete(&key(Table::StorageHistory, &at))?;
    }
    txn.delete(&key(Table::Numbers, &[hash.as_slice()]))?;
    for table in [Table::Headers, Table::Bodies, Table::Receipts, Table::Senders, Table::Changes] {
        txn.delete(&block_key(table, number))?;
    }
    Ok(())
}

/// What brings the state after `head` back to the state after `number`.
pub(crate) fn reverse_changes<K: libmdbx::TransactionKind>(
    txn: &Txn<'_, K>,
    number: u64,
    head: u64,
) -> Result<std::collections::BTreeMap<B256, stf::HashedChange>, StoreError> {
    let mut reversed = std::collections::BTreeMap::<B256, stf::HashedChange>::new();
    for block in number.saturating_add(1)..=head {
        let at = block_key(Table::Changes, block);
        let changed = txn.get::<ChangedKeys>(Table::Changes, &at)?.unwrap_or_default();
        for hashed in changed.accounts {
            // The earliest block after `number` has the value that counts.
            let change = reversed.entry(hashed).or_default();
            if change.account.is_none() {
                let at = key(Table::AccountHistory, &[hashed.as_slice(), &block.to_be_bytes()]);
                let before =
                    txn.get::<Option<StoredAccount>>(Table::AccountHistory, &at)?.flatten();
                change.account = Some(before.map(|stored| stored.account));
            }
        }
        for (hashed, slot) in changed.slots {
            let change = reversed.entry(hashed).or_default();
            if let std::collections::btree_map::Entry::Vacant(entry) = change.storage.entry(slot) {
                let at = [hashed.as_slice(), slot.as_slice(), &block.to_be_bytes()];
                let at = key(Table::StorageHistory, &at);
                entry.insert(txn.get::<U256>(Table::StorageHistory, &at)?.unwrap_or_default());
            }
        }
    }
    Ok(reversed)
}

/// L1 origin and sequence number in L1 attributes calldata (Ecotone layout and later).
fn l1_origin(attributes: &OpTxEnvelope) -> Option<(BlockNumHash, u64)> {
    use alloy_consensus::Transaction as _;
    let input = attributes.input();
    let word = |range: std::ops::Range<usize>| -> Option<u64> {
        Some(u64::from_be_bytes(input.get(range)?.try_into().ok()?))
    };
    let hash = B256::from(<[u8; 32]>::try_from(input.get(100..132)?).ok()?);
    Some((BlockNumHash { number: word(28..36)?, hash }, word(12..20)?))
}
