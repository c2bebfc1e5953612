//! The block in the making, as readers see it: what was executed is told at once, long before the
//! block is sealed. The sequencer publishes batches; a publication costs what is new in it, however
//! large the block has grown. Readers hold a block and the number of its publications they know, so
//! that what they see stays the same while the block grows.
//!
//! What is told here is a promise: the sealed block holds exactly these transactions, in this order,
//! with these receipts. [`PendingBlock::broken_promise`] checks it before a block is committed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{
    Address, B256, Bloom, Bytes, U256,
    map::{AddressMap, B256Map},
};
use parking_lot::{Mutex, RwLock};
use primitives::{Block, BlockBody, Header, ReceiptEnvelope, TxEnvelope};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};
use stf::{ExecutedBlock, StateDelta};
use store::{StoreError, StoredBlock};
use tokio::sync::oneshot;

use crate::{chain::SealedBlock, fees::L1Fees, pool::KnownStorage};

/// A transaction with what it did, before its block is sealed.
#[derive(Clone, Debug)]
pub struct PendingTransaction {
    pub transaction: TxEnvelope,
    pub sender: Address,
    pub receipt: ReceiptEnvelope,
    /// Gas of the transactions before it.
    pub gas_before: u64,
    /// Logs of the transactions before it.
    pub logs_before: u64,
}

/// One publication.
type Chunk = Vec<PendingTransaction>;

/// Values of one key with the publication that brought each, oldest first.
type Versions<T> = Vec<(u32, T)>;

/// A block that still grows.
#[derive(Debug)]
pub struct PendingBlock {
    /// As opened.
    header: Header,
    fees: L1Fees,
    /// The parent's state.
    base: store::StateView,
    progress: RwLock<Progress>,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: usize,
    in_chunk: usize,
    in_block: usize,
}

#[derive(Debug, Default)]
struct Progress {
    chunks: Vec<Arc<Chunk>>,
    by_hash: B256Map<Place>,
    transactions: usize,
    logs: u64,
    gas_used: u64,
    da_footprint: u64,
    bloom: Bloom,
    accounts: AddressMap<Versions<Option<AccountInfo>>>,
    storage: HashMap<(Address, U256), Versions<U256>>,
    codes: B256Map<Bytecode>,
}

impl PendingBlock {
    pub(crate) fn new(header: Header, fees: L1Fees, base: store::StateView) -> Self {
        Self { header, fees, base, progress: RwLock::default() }
    }

    /// The header as opened: roots, bloom and gas used are those of an empty block.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// The fee parameters the block runs with.
    pub const fn fees(&self) -> &L1Fees {
        &self.fees
    }

    /// Number of transactions told so far, deposits included.
    pub fn len(&self) -> usize {
        self.progress.read().transactions
    }

    /// Before the first publication.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells of more transactions and of the state after them. `da_footprint` is the block's so far.
    pub(crate) fn publish<'a>(
        &self,
        transactions: impl IntoIterator<Item = (&'a TxEnvelope, Address, &'a ReceiptEnvelope)>,
        delta: StateDelta,
        da_footprint: u64,
    ) {
        let (mut gas, mut logs) = {
            let progress = self.progress.read();
            (progress.gas_used, progress.logs)
        };
        // Only the sequencer publishes: what is prepared here without the lock stays true.
        let mut bloom = Bloom::ZERO;
        let mut chunk = Chunk::new();
        for (transaction, sender, receipt) in transactions {
            let entry = PendingTransaction {
                transaction: transaction.clone(),
                sender,
                receipt: receipt.clone(),
                gas_before: gas,
                logs_before: logs,
            };
            gas = receipt.cumulative_gas_used();
            logs += receipt.logs().len() as u64;
            bloom |= *receipt.logs_bloom();
            chunk.push(entry);
        }
        let mut progress = self.progress.write();
        let version = progress.chunks.len() as u32;
        let (chunk_index, first) = (progress.chunks.len(), progress.transactions);
        for (in_chunk, entry) in chunk.iter().enumerate() {
            let place = Place { chunk: chunk_index, in_chunk, in_block: first + in_chunk };
            progress.by_hash.insert(entry.transaction.tx_hash(), place);
        }
        progress.transactions += chunk.len();
        progress.chunks.push(Arc::new(chunk));
        progress.gas_used = gas;
        progress.logs = logs;
        progress.bloom |= bloom;
        progress.da_footprint = da_footprint;
        for (address, account) in delta.accounts {
            let account = account.map(|mut info| {
                if let Some(code) = info.code.take()
                    && !code.is_empty()
                {
                    progress.codes.entry(info.code_hash).or_insert(code);
                }
                info
            });
            progress.accounts.entry(address).or_default().push((version, account));
        }
        for (address, slot, value) in delta.storage {
            progress.storage.entry((address, slot)).or_default().push((version, value));
        }
    }

    /// Whether the block has this transaction.
    pub fn holds(&self, hash: &B256) -> bool {
        self.progress.read().by_hash.contains_key(hash)
    }

    /// Index of a transaction in the block with what is known of it.
    pub fn transaction(&self, hash: &B256) -> Option<(usize, PendingTransaction)> {
        let (chunk, place) = {
            let progress = self.progress.read();
            let place = *progress.by_hash.get(hash)?;
            (Arc::clone(progress.chunks.get(place.chunk)?), place)
        };
        Some((place.in_block, chunk.get(place.in_chunk)?.clone()))
    }

    /// EIP-2718 bytes of what was told after the first `first` transactions.
    pub(crate) fn encoded_from(&self, first: usize) -> Vec<Bytes> {
        let chunks = self.progress.read().chunks.clone();
        let all = chunks.iter().flat_map(|chunk| chunk.iter()).skip(first);
        all.map(|told| told.transaction.encoded_2718().into()).collect()
    }

    /// The block as it is now. Its hash and its roots are not known yet and are zero.
    pub fn snapshot(&self) -> SealedBlock {
        let (chunks, header) = {
            let progress = self.progress.read();
            let header = Header {
                gas_used: progress.gas_used,
                blob_gas_used: Some(progress.da_footprint),
                logs_bloom: progress.bloom,
                state_root: B256::ZERO,
                transactions_root: B256::ZERO,
                receipts_root: B256::ZERO,
                ..self.header.clone()
            };
            (progress.chunks.clone(), header)
        };
        let count = chunks.iter().map(|chunk| chunk.len()).sum();
        let mut transactions = Vec::with_capacity(count);
        let mut receipts = Vec::with_capacity(count);
        let mut senders = Vec::with_capacity(count);
        for entry in chunks.iter().flat_map(|chunk| chunk.iter()) {
            transactions.push(entry.transaction.clone());
            receipts.push(entry.receipt.clone());
            senders.push(entry.sender);
        }
        let block = Block { hash: B256::ZERO, header, body: BlockBody::rollup(transactions) };
        SealedBlock::of_rollup(Arc::new(StoredBlock { block, receipts, senders }), self.fees)
    }

    /// The state after what was told so far.
    pub fn state(self: &Arc<Self>) -> PendingState {
        let version = self.progress.read().chunks.len() as u32;
        PendingState { block: Arc::clone(self), version }
    }

    /// What of a finished block is not as it was told, if anything.
    pub(crate) fn broken_promise(&self, executed: &ExecutedBlock) -> Option<&'static str> {
        let header = &executed.block.header;
        let opened = &self.header;
        if header.number != opened.number
            || header.parent_hash != opened.parent_hash
            || header.timestamp != opened.timestamp
            || header.base_fee_per_gas != opened.base_fee_per_gas
            || header.gas_limit != opened.gas_limit
            || header.mix_hash != opened.mix_hash
        {
            return Some("its attributes");
        }
        let progress = self.progress.read();
        if progress.transactions != executed.block.body.transactions.len() {
            return Some("the number of its transactions");
        }
        let told = progress.chunks.iter().flat_map(|chunk| chunk.iter());
        let sealed = executed.block.body.transactions.iter().zip(&executed.receipts);
        for (told, (transaction, receipt)) in told.zip(sealed) {
            if told.transaction.tx_hash() != transaction.tx_hash() {
                return Some("the order of its transactions");
            }
            if told.receipt != *receipt {
                return Some("a receipt");
            }
        }
        None
    }
}

/// The state after a part of the pending block; it stays the same while the block grows.
#[derive(Clone, Debug)]
pub struct PendingState {
    block: Arc<PendingBlock>,
    /// Publications that count.
    version: u32,
}

impl PendingState {
    /// The block whose state this is.
    pub const fn block(&self) -> &Arc<PendingBlock> {
        &self.block
    }

    fn latest<T: Clone>(&self, versions: Option<&Versions<T>>) -> Option<T> {
        let versions = versions?;
        versions
            .iter()
            .rev()
            .find(|(version, _)| *version < self.version)
            .map(|(_, value)| value.clone())
    }
}

impl KnownStorage for PendingState {
    type Error = StoreError;

    fn slot(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.storage_ref(address, slot)
    }

    fn root(&self, address: Address) -> Result<B256, StoreError> {
        self.block.base.storage_root(address)
    }
}

impl DatabaseRef for PendingState {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        let changed = self.latest(self.block.progress.read().accounts.get(&address));
        changed.map_or_else(|| self.block.base.basic_ref(address), Ok)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StoreError> {
        let new = self.block.progress.read().codes.get(&hash).cloned();
        new.map_or_else(|| self.block.base.code_by_hash_ref(hash), Ok)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        let changed = self.latest(self.block.progress.read().storage.get(&(address, slot)));
        changed.map_or_else(|| self.block.base.storage_ref(address, slot), Ok)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        self.block.base.block_hash_ref(number)
    }
}

/// Where the pending block is found, and who waits for a transaction to be in it.
#[derive(Debug, Default)]
pub struct Pending {
    blocks: RwLock<Blocks>,
    waiters: Mutex<B256Map<Vec<Waiter>>>,
    /// Number of waiters, so that nobody locks when there is none.
    waiting: AtomicUsize,
    next_waiter: AtomicUsize,
}

#[derive(Debug, Default)]
struct Blocks {
    open: Option<Arc<PendingBlock>>,
    /// The one before, which may not be on disk yet.
    sealed: Option<Arc<PendingBlock>>,
}

#[derive(Debug)]
struct Waiter {
    id: usize,
    answer: oneshot::Sender<Arc<PendingBlock>>,
}

/// Resolves to the block that took the transaction in. Gives up when dropped.
#[derive(Debug)]
pub struct Preconfirmation<'a> {
    pending: &'a Pending,
    hash: B256,
    id: usize,
    pub answer: oneshot::Receiver<Arc<PendingBlock>>,
}

impl Pending {
    /// The newest block that was opened, if any.
    pub fn block(&self) -> Option<Arc<PendingBlock>> {
        let blocks = self.blocks.read();
        blocks.open.as_ref().or(blocks.sealed.as_ref()).map(Arc::clone)
    }

    /// That and the one before, newest first.
    pub fn blocks(&self) -> Vec<Arc<PendingBlock>> {
        let blocks = self.blocks.read();
        [&blocks.open, &blocks.sealed].into_iter().flatten().map(Arc::clone).collect()
    }

    /// A block was opened, or none is open any more.
    pub(crate) fn set_open(&self, block: Option<Arc<PendingBlock>>) {
        self.blocks.write().open = block;
    }

    /// The open block is sealed.
    pub(crate) fn seal(&self) {
        let mut blocks = self.blocks.write();
        blocks.sealed = blocks.open.take();
    }

    /// The sealed block is on disk.
    pub(crate) fn settle(&self, number: u64) {
        let mut blocks = self.blocks.write();
        blocks.sealed.take_if(|block| block.number() <= number);
    }

    /// Waits for a transaction. Call it before the pool has the transaction.
    pub fn wait_for(&self, hash: B256) -> Preconfirmation<'_> {
        let (sender, answer) = oneshot::channel();
        let id = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Release);
        self.waiters.lock().entry(hash).or_default().push(Waiter { id, answer: sender });
        Preconfirmation { pending: self, hash, id, answer }
    }

    /// How often anybody began to wait so far.
    pub(crate) fn waits(&self) -> usize {
        self.next_waiter.load(Ordering::Relaxed)
    }

    /// Answers those who wait for these transactions, which `block` holds.
    pub(crate) fn answer<'a>(
        &self,
        block: &Arc<PendingBlock>,
        transactions: impl IntoIterator<Item = &'a TxEnvelope>,
    ) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        for transaction in transactions {
            for waiter in waiters.remove(&transaction.tx_hash()).into_iter().flatten() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                // Whoever waited may be gone.
                let _ = waiter.answer.send(Arc::clone(block));
            }
        }
    }
}

impl Drop for Preconfirmation<'_> {
    fn drop(&mut self) {
        let mut waiters = self.pending.waiters.lock();
        let Some(same) = waiters.get_mut(&self.hash) else { return };
        let before = same.len();
        same.retain(|waiter| waiter.id != self.id);
        self.pending.waiting.fetch_sub(before - same.len(), Ordering::Relaxed);
        if same.is_empty() {
            waiters.remove(&self.hash);
        }
    }
}
