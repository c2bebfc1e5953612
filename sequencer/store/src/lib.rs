//! Where the chain lives: blocks, receipts, state with its whole history, tries and heads in one MDBX
//! environment, and before it the block log. A block is durable when its record in the log is synced:
//! one append and one sync. A checkpoint brings several blocks into the database at once, in one
//! transaction, behind the log; until then they are read from memory ([`overlay`]). A start takes the
//! last checkpoint and the log, so a crash leaves either all of a block or nothing. State is keyed by
//! hashed address and hashed slot, as the trie is; the state after any block is read through the history
//! of what later blocks changed.
//!
//! * [`Store::open`], then [`Store::init_genesis`]; both refuse what is not this chain.
//! * [`Store::latest_state`] and [`Store::head_roots`] are what block building needs of the head,
//!   [`Store::commit`] puts the block there ([`Store::append`] and [`Store::sync`] in one),
//!   [`Store::unwind_to`] takes blocks away again.
//! * The head's tries stay in memory between blocks, up to [`StoreOptions::trie_cache_bytes`].
//! * [`Store::state_at`] and [`Store::proof`] serve readers of any block, [`Store::find_logs`] finds
//!   receipts by what their logs hold, [`Store::record`] makes a block's witness.
//! * `journal_*` keeps small durable records of other parts, such as what was sent to L1.
//!
//! Bytes on disk: `docs/formats/store.md`.

mod account_history;
mod checkpoint;
mod db;
pub mod doctor;
mod error;
pub mod failpoint;
mod genesis;
mod input;
pub mod keccak;
mod lineage;
mod log;
mod log_index;
mod nodes;
mod overlay;
mod proof;
mod read_cache;
mod receipts;
mod record;
mod snapshot;
mod tables;
mod trie_cache;
mod tries;
mod view;
mod write;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use alloy_eips::BlockNumHash;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use libmdbx::{RO, RW};
use parking_lot::Mutex;
use primitives::{Block, BlockBody, GenesisL2, Header, Heads, L2BlockRef};
use primitives::{ReceiptEnvelope, TxEnvelope};
use stf::{
    ExecutedBlock, StateChanges, StateRootOutcome, StateRootProvider, TrieReader,
    trie::{NodeReader, TrieError, TrieId},
};

pub use db::Entry;
pub use error::StoreError;
pub use genesis::{ethereum_genesis_header, genesis_header};
pub use log_index::{BlockLogs, FoundReceipt, LogQuery};
pub use overlay::StoredBlock;
pub use proof::{AccountProof, PROOF_BLOCKS_BACK_MAX, StorageProof};
pub use snapshot::{SnapshotError, SnapshotSummary};
pub use trie_cache::TrieStats;
pub use tries::TriesAt;
pub use view::StateView;

use checkpoint::Checkpoints;
use db::{Db, Txn, open_error};
use lineage::First;
use log::{BlockLog, Kind, Opened, SyncPoint};
use nodes::{Scan, trie_key};
use overlay::{Overlay, Recent, TipRoots};
use read_cache::ReadCache;
use receipts::Receipts;
use tables::{ChangedKeys, StoredAccount, Table, Value, account_key, block_key, key};
use trie_cache::{Loaded, TrieCache};
use write::{write_blocks, write_slot, write_trie};

/// Decoders of bytes on disk, for the fuzzer.
#[doc(hidden)]
pub mod fuzzing {
    use primitives::{Block, BlockBody, Header};

    use crate::record::{decode_block, encode_block};

    /// Decodes a block's record; what decodes is what it encodes to.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn block_record(bytes: &[u8]) {
        if let Some(record) = decode_block(bytes) {
            let again =
                encode_block(&record.block, &record.receipts, &record.senders, &record.changes);
            assert!(decode_block(&again).as_ref() == Some(&record), "a record changed");
        }
    }

    /// Decodes a snapshot, and a chunk of one.
    ///
    /// # Panics
    ///
    /// If what decodes is not what it encodes to.
    pub fn snapshot(bytes: &[u8]) {
        crate::snapshot::fuzz::run(bytes);
    }

    /// A chunk with one account, one with three ancestors, and the head of a file.
    pub fn snapshot_seeds() -> Vec<Vec<u8>> {
        crate::snapshot::fuzz::seeds()
    }

    /// A valid record.
    pub fn block_record_seed() -> Vec<u8> {
        let header = Header::default();
        let block = Block { hash: header.hash_slow(), header, body: BlockBody::default() };
        encode_block(&block, &[], &[], &Default::default())
    }
}

/// Grows with each change of the layout.
pub const SCHEMA: u32 = 6;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Whether a commit is on disk when it returns. Off only where the chain can be rebuilt from
    /// elsewhere, as in tests.
    pub durable: bool,
    /// Bytes of trie nodes to keep in memory; what is not on disk yet is kept in any case.
    pub trie_cache_bytes: usize,
    /// Blocks that the log holds and the database does not, from which a checkpoint is made.
    pub checkpoint_blocks: usize,
    /// Bytes of their records, from which a checkpoint is made.
    pub checkpoint_bytes: usize,
    /// Blocks that may wait for a checkpoint; with more a commit waits.
    pub lag_blocks_max: usize,
    /// Bytes of their records that may wait for a checkpoint.
    pub lag_bytes_max: usize,
    /// Bytes of a file of the log, after which a new one is begun.
    pub log_segment_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            durable: true,
            trie_cache_bytes: 1 << 30,
            checkpoint_blocks: 16,
            checkpoint_bytes: 16 << 20,
            lag_blocks_max: 256,
            lag_bytes_max: 128 << 20,
            log_segment_bytes: 16 << 20,
        }
    }
}

/// How often loading the tries gives way to a block, and for how long each time.
const LOAD_TRIES_MAX: u32 = 10_000;
const LOAD_PAUSE: Duration = Duration::from_millis(1);

/// A block in the log whose record is not synced yet.
#[derive(Debug)]
pub struct Appended {
    /// The block as it is kept, for whoever serves it.
    pub block: Arc<StoredBlock>,
    point: SyncPoint,
}

/// The chain on disk. Readers never wait for the writer.
pub struct Store {
    /// Ends its thread before the database is closed.
    checkpoints: Checkpoints,
    db: Arc<Db>,
    /// The tries of the tip.
    trie: Arc<TrieCache>,
    overlay: Arc<Overlay>,
    log: Arc<Mutex<BlockLog>>,
    /// Bytes of a torn record that opening cut off the log's end.
    log_cut: u64,
    reads: Arc<ReadCache>,
    path: PathBuf,
    /// Below it there is no state: the store began with a snapshot.
    first_block: AtomicU64,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store in a directory; only one process may have it open. What the log holds
    /// beyond the last checkpoint is read back.
    pub fn open(path: &Path, options: StoreOptions) -> Result<Arc<Self>, StoreError> {
        let db = Arc::new(Db::open(path, options)?);
        // A file that was cut short opens well and fails at the first read.
        let schema = schema(&db).map_err(|error| match error {
            StoreError::Database(source) => open_error(path, source),
            error => error,
        })?;
        if let Some(found) = schema.filter(|found| *found != u64::from(SCHEMA)) {
            return Err(StoreError::Schema { path: path.to_path_buf(), found, expected: SCHEMA });
        }
        let overlay = Arc::new(Overlay::default());
        let (mut checkpointed, mut first) = (0, 0);
        if schema.is_some() {
            let txn = db.read()?;
            first = txn.get(Table::Meta, &key(Table::Meta, &[b"first"]))?.unwrap_or_default();
            let heads = heads(&txn)?;
            checkpointed = log_position(&txn)?;
            overlay.start(heads, header_entry(&txn, heads.unsafe_head.number)?.1.state_root);
        }
        let Opened { log, records, cut } =
            BlockLog::open(path, options.durable, options.log_segment_bytes, checkpointed)?;
        if cut > 0 {
            tracing::warn!(bytes = cut, "the block log ended in a torn record: cut off");
        }
        let log = Arc::new(Mutex::new(log));
        let trie = Arc::new(TrieCache::new(options.trie_cache_bytes));
        let reads = Arc::new(ReadCache::new());
        let store = Self {
            checkpoints: Checkpoints::start(
                Arc::clone(&db),
                Arc::clone(&overlay),
                Arc::clone(&log),
                (Arc::clone(&trie), Arc::clone(&reads)),
                options,
            )?,
            db,
            trie,
            reads,
            overlay,
            log,
            log_cut: cut,
            path: path.to_path_buf(),
            first_block: AtomicU64::new(first),
        };
        for record in records.into_iter().filter(|record| record.sequence > checkpointed) {
            store.replay(&record)?;
        }
        store.checkpoints.notify();
        Ok(Arc::new(store))
    }

    /// The directory it lies in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of a torn record that opening cut off the log's end: something that was never
    /// acknowledged.
    pub const fn log_cut(&self) -> u64 {
        self.log_cut
    }

    /// The newest block in the database; later ones are in the log.
    pub fn checkpoint(&self) -> u64 {
        self.overlay.checkpoint()
    }

    /// Waits until the database holds every durable block.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.checkpoints.reach(self.heads()?.unsafe_head.number)
    }

    /// Does again what a record says.
    fn replay(&self, record: &log::Record) -> Result<(), StoreError> {
        let sequence = record.sequence;
        let foreign =
            |reason: &str| StoreError::LogForeign { record: sequence, reason: reason.to_owned() };
        match record.kind {
            Kind::Block => {
                let parent = self.overlay.tip().map_err(|_| foreign("there is no genesis"))?;
                let read = record::decode_block(&record.payload)
                    .ok_or_else(|| foreign("the block is malformed"))?;
                if read.block.header.parent_hash != parent.0.hash {
                    return Err(foreign("the block does not follow the one before"));
                }
                let blocks = self.overlay.snapshot();
                let txn = self.db.read()?;
                let reader = TipRoots { blocks, below: HeadRoots { txn: &txn } };
                let roots = self.trie.state_root(&reader, parent, &read.changes)?;
                if roots.state_root != read.block.header.state_root {
                    return Err(foreign("the state root is another"));
                }
                let block = (read.block.id(), roots.state_root);
                self.trie.advance(&reader, parent, block, &read.changes)?;
                drop(reader);
                let record::BlockRecord { block, receipts, senders, changes } = read;
                let id = block.id();
                let executed = ExecutedBlock { block, receipts, senders, changes, roots };
                self.overlay.push(Recent::new(executed, sequence, record.payload.len()));
                self.overlay.set_heads(|heads| heads.unsafe_head = id)
            }
            Kind::Unwind => {
                let number = Value::decode(&record.payload)
                    .ok_or_else(|| foreign("the number of a block is malformed"))?;
                self.unwind_logged(number, sequence)
            }
            Kind::Heads => {
                let (safe, finalized) = record::decode_heads(&record.payload)
                    .ok_or_else(|| foreign("the heads are malformed"))?;
                self.overlay.set_heads(|heads| {
                    heads.safe = safe;
                    heads.finalized = finalized;
                })
            }
        }
    }

    /// Writes the genesis block and state into an empty store; in a store that holds this chain
    /// already, checks that it does. Gives the genesis header.
    pub fn init_genesis(&self, genesis: &GenesisL2) -> Result<Header, StoreError> {
        let changes = genesis::changes(genesis);
        let roots = genesis::roots(&changes)?;
        let header = genesis::header(genesis, &roots);
        self.init(genesis.chain_id, header, changes, roots)
    }

    /// As [`Store::init_genesis`], from geth's genesis file of an Ethereum chain.
    pub fn init_ethereum_genesis(&self, genesis: &Genesis) -> Result<Header, StoreError> {
        let changes = genesis::ethereum_changes(genesis);
        let roots = genesis::roots(&changes)?;
        let header = genesis::ethereum_header(genesis, &roots);
        self.init(genesis.config.chain_id, header, changes, roots)
    }

    fn init(
        &self,
        chain_id: u64,
        header: Header,
        changes: StateChanges,
        roots: StateRootOutcome,
    ) -> Result<Header, StoreError> {
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
            if stored != chain_id {
                return Err(StoreError::OtherChain { stored, configured: chain_id });
            }
            return Ok(header);
        }
        txn.put(&key(Table::Meta, &[b"schema"]), &u64::from(SCHEMA).encode())?;
        txn.put(&key(Table::Meta, &[b"chain"]), &chain_id.encode())?;
        let executed = ExecutedBlock {
            block: Block { hash, header: header.clone(), body: genesis::empty_body(&header) },
            receipts: Vec::new(),
            senders: Vec::new(),
            changes,
            roots,
        };
        let id = executed.block.id();
        let heads = Heads { unsafe_head: id, safe: id, finalized: id };
        let position = self.log.lock().last();
        write_blocks(&txn, &[Arc::new(Recent::new(executed, position, 0))])?;
        write_heads(&txn, &heads)?;
        write_log_position(&txn, position)?;
        txn.commit()?;
        self.overlay.start(heads, header.state_root);
        Ok(header)
    }

    /// Commits a block on top of the head, all of it or nothing, durable when this returns.
    pub fn commit(&self, executed: &ExecutedBlock) -> Result<(), StoreError> {
        let appended = self.append(executed.clone())?;
        self.sync(&appended)
    }

    /// Puts a block on top of the newest one: the next can be built on it at once, and it is the head
    /// once [`Store::sync`] was called. Waits while too many blocks wait for a checkpoint.
    pub fn append(&self, executed: ExecutedBlock) -> Result<Appended, StoreError> {
        let failed = |source| StoreError::Log { path: self.path.clone(), source };
        failpoint::pass("block-executed").map_err(failed)?;
        self.checkpoints.admit()?;
        let ExecutedBlock { block, receipts, senders, changes, .. } = &executed;
        let payload = record::encode_block(block, receipts, senders, changes);
        let mut log = self.log.lock();
        let parent = self.overlay.tip()?;
        if block.header.parent_hash != parent.0.hash {
            return Err(StoreError::NotOnHead {
                block: block.header.number,
                head: parent.0.number,
            });
        }
        let blocks = self.overlay.snapshot();
        let txn = self.db.read()?;
        let reader = TipRoots { blocks, below: HeadRoots { txn: &txn } };
        self.trie.advance(&reader, parent, (block.id(), block.header.state_root), changes)?;
        drop(reader);
        let point = log.append(Kind::Block, &payload)?;
        let recent = self.overlay.push(Recent::new(executed, point.sequence, payload.len()));
        Ok(Appended { block: Arc::clone(&recent.shared), point })
    }

    /// Waits until a block is on disk, with all before it, and moves the unsafe head to it. One sync
    /// serves every block that was appended before; the last is enough to name.
    pub fn sync(&self, appended: &Appended) -> Result<(), StoreError> {
        if let Err(error) = appended.point.sync() {
            self.log.lock().fail();
            return Err(error);
        }
        self.log.lock().synced(appended.point.sequence);
        let id = appended.block.block.id();
        self.overlay.set_heads(|heads| {
            if heads.unsafe_head.number < id.number {
                heads.unsafe_head = id;
            }
        })?;
        self.checkpoints.notify();
        failpoint::pass("block-durable")
            .map_err(|source| StoreError::Log { path: self.path.clone(), source })
    }

    /// Removes every block above `number` and restores the state after it. Heads above move down.
    pub fn unwind_to(&self, number: u64) -> Result<(), StoreError> {
        let sequence = {
            let mut log = self.log.lock();
            if number > self.overlay.tip()?.0.number {
                return Err(StoreError::MissingBlock(number));
            }
            self.has_state(number)?;
            let point = log.append(Kind::Unwind, &number.encode())?;
            if let Err(error) = point.sync() {
                log.fail();
                return Err(error);
            }
            log.synced(point.sequence);
            point.sequence
        };
        failpoint::pass("unwind-logged")
            .map_err(|source| StoreError::Log { path: self.path.clone(), source })?;
        self.unwind_logged(number, sequence)
    }

    /// Does what the record `sequence` says: the blocks above `number` go.
    fn unwind_logged(&self, number: u64, sequence: u64) -> Result<(), StoreError> {
        let paused = self.checkpoints.pause();
        if number < self.overlay.checkpoint() {
            self.unwind_database(number, sequence)?;
            failpoint::pass("unwind-committed").map_err(|_| StoreError::Full)?;
        }
        let header = self.header(number)?.ok_or(StoreError::MissingBlock(number))?;
        let hash = self.block_hash(number)?.ok_or(StoreError::MissingBlock(number))?;
        self.overlay.truncate(number, BlockNumHash { number, hash }, header.state_root);
        drop(paused);
        self.checkpoints.lower(number);
        self.trie.reset();
        Ok(())
    }

    /// Takes blocks out of the database; everything above its newest block is gone, too.
    fn unwind_database(&self, number: u64, sequence: u64) -> Result<(), StoreError> {
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
        write_trie(&txn, &roots.updates)?;
        for (hashed, change) in &changes {
            let at = account_key(hashed);
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
        log_index::unwind(&txn, number)?;
        let target = BlockNumHash { number, hash: target.0 };
        // Heads moved since the last checkpoint are in the log before this position, which is not
        // read again.
        write_heads(&txn, &overlay::lowered(self.overlay.heads()?, target))?;
        write_log_position(&txn, sequence)?;
        // Dropped, so that nothing read before is kept.
        let reads = self.reads.commit([]);
        txn.commit()?;
        drop(reads);
        Ok(())
    }

    /// The three heads; the unsafe one is the newest durable block.
    pub fn heads(&self) -> Result<Heads, StoreError> {
        self.overlay.heads()
    }

    /// Moves the safe head to a block of this chain. On disk with the next block at the latest: what is
    /// safe can be derived again.
    pub fn set_safe(&self, safe: BlockNumHash) -> Result<(), StoreError> {
        self.move_head(safe, |heads| heads.safe = safe)
    }

    /// Moves the finalized head to a block of this chain, as [`Store::set_safe`] does.
    pub fn set_finalized(&self, finalized: BlockNumHash) -> Result<(), StoreError> {
        self.move_head(finalized, |heads| heads.finalized = finalized)
    }

    fn move_head(
        &self,
        to: BlockNumHash,
        change: impl FnOnce(&mut Heads),
    ) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        let stored = self.block_hash(to.number)?.ok_or(StoreError::MissingBlock(to.number))?;
        if stored != to.hash {
            return Err(StoreError::OtherBlock { number: to.number, stored, given: to.hash });
        }
        let mut heads = self.overlay.heads()?;
        change(&mut heads);
        log.append(Kind::Heads, &record::encode_heads(heads.safe, heads.finalized))?;
        self.overlay.set_heads(|now| {
            now.safe = heads.safe;
            now.finalized = heads.finalized;
        })
    }

    pub fn header(&self, number: u64) -> Result<Option<Header>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(recent.shared.block.header.clone()));
        }
        let at = block_key(Table::Headers, number);
        Ok(self.db.read()?.get::<(B256, Header)>(Table::Headers, &at)?.map(|(_, header)| header))
    }

    /// Hash of the block with this number.
    pub fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(recent.shared.block.hash));
        }
        let at = block_key(Table::Headers, number);
        Ok(self.db.read()?.get::<(B256, Header)>(Table::Headers, &at)?.map(|(hash, _)| hash))
    }

    /// Number of the block with this hash.
    pub fn block_number(&self, hash: B256) -> Result<Option<u64>, StoreError> {
        match self.overlay.number_of(&hash) {
            Some(number) => Ok(Some(number)),
            None => self.db.read()?.get(Table::Numbers, &key(Table::Numbers, &[hash.as_slice()])),
        }
    }

    pub fn block(&self, number: u64) -> Result<Option<Block>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(recent.shared.block.clone()));
        }
        let txn = self.db.read()?;
        let entry =
            txn.get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, number))?;
        let Some((hash, header)) = entry else { return Ok(None) };
        let body = txn.get::<BlockBody>(Table::Bodies, &block_key(Table::Bodies, number))?;
        Ok(Some(Block { hash, header, body: body.unwrap_or_default() }))
    }

    /// A block with its receipts and senders.
    pub fn stored_block(&self, number: u64) -> Result<Option<Arc<StoredBlock>>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(Arc::clone(&recent.shared)));
        }
        let Some(block) = self.block(number)? else { return Ok(None) };
        let receipts = self.receipts(number)?.unwrap_or_default();
        let senders = self.senders(number)?.unwrap_or_default();
        Ok(Some(Arc::new(StoredBlock { block, receipts, senders })))
    }

    /// Receipts of a block, one per transaction.
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<ReceiptEnvelope>>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(recent.shared.receipts.clone()));
        }
        let at = block_key(Table::Receipts, number);
        let list = self.db.read()?.get::<Receipts>(Table::Receipts, &at)?;
        Ok(list.map(|list| list.0))
    }

    /// Senders of a block's transactions.
    pub fn senders(&self, number: u64) -> Result<Option<Vec<Address>>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return Ok(Some(recent.shared.senders.clone()));
        }
        self.db.read()?.get(Table::Senders, &block_key(Table::Senders, number))
    }

    /// Block number and index of a transaction.
    pub fn transaction_location(&self, hash: B256) -> Result<Option<(u64, usize)>, StoreError> {
        if let Some(found) = self.overlay.transaction(&hash) {
            return Ok(Some(found));
        }
        let at = key(Table::Transactions, &[hash.as_slice()]);
        let location = self.db.read()?.get::<(u64, u32)>(Table::Transactions, &at)?;
        Ok(location.and_then(|(number, index)| Some((number, usize::try_from(index).ok()?))))
    }

    /// A block with its L1 origin, read from its L1 attributes; the genesis block has none and gives
    /// the zero origin.
    pub fn l2_block_ref(&self, number: u64) -> Result<Option<L2BlockRef>, StoreError> {
        if let Some(recent) = self.overlay.block(number) {
            return l2_block_ref(&recent.shared.block).map(Some);
        }
        if number > 0 && number < self.first_block() {
            return self.ancestor_ref(number);
        }
        self.block(number)?.map(|block| l2_block_ref(&block)).transpose()
    }

    /// A block of the lineage that came with a snapshot.
    fn ancestor_ref(&self, number: u64) -> Result<Option<L2BlockRef>, StoreError> {
        let txn = self.db.read()?;
        let at = block_key(Table::Lineage, number);
        let Some(first) = txn.get::<First>(Table::Lineage, &at)? else { return Ok(None) };
        let (hash, header) = header_entry(&txn, number)?;
        let malformed =
            StoreError::Malformed { table: Table::Lineage.name(), key: format!("{number}") };
        let (l1_origin, sequence_number) = first.origin(&header).ok_or(malformed)?;
        Ok(Some(L2BlockRef {
            hash,
            number,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            l1_origin,
            sequence_number,
        }))
    }

    /// The oldest block that derivation may ask for: genesis, or the end of the lineage that came with the
    /// snapshot this store began with. No valid span begins below it.
    pub fn oldest_reference(&self) -> Result<u64, StoreError> {
        if self.first_block() == 0 {
            return Ok(0);
        }
        let from = key(Table::Lineage, &[]);
        let oldest = self.db.read()?.first_from::<First>(Table::Lineage, &from, &from)?;
        let number =
            oldest.and_then(|(at, _)| at.get(1..)?.try_into().ok().map(u64::from_be_bytes));
        Ok(number.unwrap_or_default())
    }

    /// Chain id of the chain in the store.
    pub fn chain_id(&self) -> Result<u64, StoreError> {
        let chain = key(Table::Meta, &[b"chain"]);
        self.db.read()?.get(Table::Meta, &chain)?.ok_or(StoreError::Uninitialised)
    }

    fn has_state(&self, number: u64) -> Result<(), StoreError> {
        match self.first_block() {
            first if number < first => Err(StoreError::BeforeFirst { number, first }),
            _ => Ok(()),
        }
    }

    /// The state after the newest block.
    pub fn latest_state(self: &Arc<Self>) -> Result<StateView, StoreError> {
        self.state_at(self.overlay.tip()?.0.number)
    }

    /// The state after any block up to the newest. The view stays the same while the chain grows.
    pub fn state_at(self: &Arc<Self>, number: u64) -> Result<StateView, StoreError> {
        if number > self.overlay.tip()?.0.number {
            return Err(StoreError::MissingBlock(number));
        }
        self.has_state(number)?;
        Ok(StateView::new(Arc::clone(self), number))
    }

    /// Computes roots on the state after the newest block.
    pub fn head_roots(self: &Arc<Self>) -> Result<StoreRoots, StoreError> {
        let (parent, parent_root) = self.overlay.tip()?;
        Ok(StoreRoots { store: Arc::clone(self), parent, parent_root })
    }

    /// Computes roots on the state after any block, up to [`PROOF_BLOCKS_BACK_MAX`] back; each block back
    /// costs its changes. They stay computable while the chain grows.
    pub fn roots_at(self: &Arc<Self>, number: u64) -> Result<HistoricRoots, StoreError> {
        let tip = self.overlay.tip()?.0.number;
        if number > tip {
            return Err(StoreError::MissingBlock(number));
        }
        self.has_state(number)?;
        let distance = tip.saturating_sub(number);
        if distance > PROOF_BLOCKS_BACK_MAX {
            return Err(StoreError::TooFarBack { number, distance, max: PROOF_BLOCKS_BACK_MAX });
        }
        Ok(HistoricRoots { store: Arc::clone(self), number })
    }

    /// Changes how many bytes of trie nodes are kept in memory.
    pub fn set_trie_cache_bytes(&self, bytes: usize) {
        self.trie.set_limit(bytes);
    }

    /// Loads the head's tries into memory, as far as there is room; meant for a thread of its own after
    /// opening. Blocks can be built and committed meanwhile.
    pub fn load_tries(&self) -> Result<(), StoreError> {
        let mut first_byte = 0;
        let mut tries_left = LOAD_TRIES_MAX;
        while tries_left > 0 {
            let blocks = self.overlay.snapshot();
            let tip = self.overlay.tip()?;
            let txn = self.db.read()?;
            // The newest block here is the tip unless one was committed just now.
            if blocks.last().is_some_and(|block| block.shared.block.hash != tip.0.hash) {
                continue;
            }
            let reader = TipRoots { blocks, below: Scan::new(&txn)? };
            match self.trie.load(&reader, tip, first_byte)? {
                Loaded::All if first_byte < u8::MAX => first_byte += 1,
                Loaded::All | Loaded::Full => break,
                // A block is being committed; its tries need another reader.
                Loaded::Nothing => {
                    tries_left -= 1;
                    std::thread::sleep(LOAD_PAUSE);
                }
            }
        }
        Ok(())
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
        let newest = self.heads()?.unsafe_head.number;
        if number > newest {
            return Err(StoreError::MissingBlock(number));
        }
        self.has_state(number)?;
        self.checkpoints.reach(number)?;
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
    /// Takes in values that the block on this state will probably end with (what was before is not
    /// looked at), so that less is left of [`StateRootProvider::state_root`]; worth it beside
    /// execution, on another thread. Roots do not depend on it, whatever the block ends with.
    pub fn prepare(&self, changes: &StateChanges) -> Result<(), TrieError> {
        let (blocks, txn) = self.reader()?;
        let parent = (self.parent, self.parent_root);
        let reader = TipRoots { blocks, below: HeadRoots { txn: &txn } };
        self.store.trie.prepare(&reader, parent, changes)
    }

    fn reader(&self) -> Result<(Vec<Arc<Recent>>, Txn<'_, RO>), TrieError> {
        let blocks = self.store.overlay.snapshot();
        let txn = self.store.db.read()?;
        let (tip, _) = self.store.overlay.tip()?;
        if tip != self.parent {
            return Err(StoreError::NotOnHead {
                block: self.parent.number.saturating_add(1),
                head: tip.number,
            }
            .into());
        }
        Ok((blocks, txn))
    }
}

impl StateRootProvider for StoreRoots {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
        let (blocks, txn) = self.reader()?;
        let reader = TipRoots { blocks, below: HeadRoots { txn: &txn } };
        self.store.trie.state_root(&reader, (self.parent, self.parent_root), changes)
    }
}

/// Roots on the state after one block, whatever comes after it.
#[derive(Debug)]
pub struct HistoricRoots {
    store: Arc<Store>,
    number: u64,
}

impl StateRootProvider for HistoricRoots {
    fn state_root(&self, changes: &StateChanges) -> Result<StateRootOutcome, TrieError> {
        // The blocks before the transaction: what is checkpointed between is then in both.
        let mut blocks = self.store.overlay.snapshot();
        let txn = self.store.db.read()?;
        let below = HeadRoots { txn: &txn };
        let checkpoint = heads(&txn)?.unsafe_head.number;
        if checkpoint > self.number {
            let mut all = reverse_changes(&txn, self.number, checkpoint)?;
            for (hashed, change) in stf::hash_changes(changes) {
                let entry = all.entry(hashed).or_default();
                entry.account = change.account;
                if change.wiped {
                    entry.wiped = true;
                    entry.storage = change.storage;
                } else {
                    entry.storage.extend(change.storage);
                }
            }
            return stf::compute_hashed_roots(&below, &all);
        }
        blocks.retain(|block| (checkpoint + 1..=self.number).contains(&block.number()));
        stf::compute_roots(&TipRoots { blocks, below }, changes)
    }
}

/// The tries after the newest block of the database, within one transaction.
pub(crate) struct HeadRoots<'t, 'db, K: libmdbx::TransactionKind> {
    pub(crate) txn: &'t Txn<'db, K>,
}

impl<K: libmdbx::TransactionKind> HeadRoots<'_, '_, K> {
    fn reversed(
        &self,
        changes: &BTreeMap<B256, stf::HashedChange>,
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
        let (table, at) = trie_key(&trie, position);
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
    let at = account_key(&hashed);
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

fn schema(db: &Db) -> Result<Option<u64>, StoreError> {
    db.read()?.get(Table::Meta, &key(Table::Meta, &[b"schema"]))
}

/// The last record of the log that the database holds.
fn log_position<K: libmdbx::TransactionKind>(txn: &Txn<'_, K>) -> Result<u64, StoreError> {
    Ok(txn.get(Table::Meta, &key(Table::Meta, &[b"log"]))?.unwrap_or_default())
}

fn write_log_position(txn: &Txn<'_, RW>, sequence: u64) -> Result<(), StoreError> {
    txn.put(&key(Table::Meta, &[b"log"]), &sequence.encode())
}

fn remove_block(txn: &Txn<'_, RW>, number: u64) -> Result<(), StoreError> {
    let (hash, _) = header_entry(txn, number)?;
    let bodies = block_key(Table::Bodies, number);
    if let Some(body) = txn.get::<BlockBody>(Table::Bodies, &bodies)? {
        for transaction in body.transactions {
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
) -> Result<BTreeMap<B256, stf::HashedChange>, StoreError> {
    let mut reversed = BTreeMap::<B256, stf::HashedChange>::new();
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

fn l2_block_ref(block: &Block) -> Result<L2BlockRef, StoreError> {
    let number = block.header.number;
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
    Ok(reference)
}

/// L1 origin and sequence number in L1 attributes calldata (Ecotone layout and later).
fn l1_origin(attributes: &TxEnvelope) -> Option<(BlockNumHash, u64)> {
    use alloy_consensus::Transaction as _;
    let input = attributes.input();
    let word = |range: std::ops::Range<usize>| -> Option<u64> {
        Some(u64::from_be_bytes(input.get(range)?.try_into().ok()?))
    };
    let hash = B256::from(<[u8; 32]>::try_from(input.get(100..132)?).ok()?);
    Some((BlockNumHash { number: word(28..36)?, hash }, word(12..20)?))
}
