//! The chain as the rest of the node sees it: the store behind a cache of the newest blocks, the
//! heads, and the announcement of each new block. Whoever extends the chain does it through
//! [`Chain::commit`].

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use alloy_consensus::Transaction as _;
use alloy_eips::eip7702::constants::EIP7702_DELEGATION_DESIGNATOR;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use alloy_rlp::Encodable;
use parking_lot::{Mutex, RwLock};
use primitives::{Block, Header, Heads, L2BlockRef, ReceiptEnvelope, RollupConfig, TxEnvelope};
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};
use stf::{ChainSpec, ExecutedBlock, StateChanges};
use store::{BlockLogs, LogQuery, Store, StoreError, StoredBlock};
use tokio::sync::broadcast;

use crate::{
    config::Mode,
    error::PoolError,
    fees::L1Fees,
    pending::{Pending, PendingBlock, PendingState},
    pool::{AccountCode, AccountReader, AccountState, Head},
};

/// Transactions of the newest blocks kept decoded, at most (beside those of the head): some 60 MB.
const RECENT_TRANSACTIONS_MAX: usize = 65_536;
/// Blocks that wait for slow subscribers; beyond it they are told that they missed some.
const ANNOUNCEMENTS_KEPT: usize = 256;

/// The state after a sealed block, or within the pending one.
#[derive(Clone, Debug)]
pub enum StateView {
    Sealed(store::StateView),
    Pending(PendingState),
}

impl DatabaseRef for StateView {
    type Error = StoreError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, StoreError> {
        match self {
            Self::Sealed(view) => view.basic_ref(address),
            Self::Pending(view) => view.basic_ref(address),
        }
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, StoreError> {
        match self {
            Self::Sealed(view) => view.code_by_hash_ref(hash),
            Self::Pending(view) => view.code_by_hash_ref(hash),
        }
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        match self {
            Self::Sealed(view) => view.storage_ref(address, slot),
            Self::Pending(view) => view.storage_ref(address, slot),
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, StoreError> {
        match self {
            Self::Sealed(view) => view.block_hash_ref(number),
            Self::Pending(view) => view.block_hash_ref(number),
        }
    }
}

/// Accounts after a block that changed them.
pub type ChangedAccounts = Vec<(Address, AccountState)>;

/// A committed block with everything its readers need. Shared by reference.
#[derive(Debug)]
pub struct SealedBlock {
    stored: Arc<StoredBlock>,
    /// Of a rollup's block.
    fees: Option<L1Fees>,
    /// Of an Ethereum block: wei per blob gas.
    blob_fee: Option<u128>,
    rlp_length: OnceLock<usize>,
    /// Made for the first search.
    logs: OnceLock<Option<BlockLogs>>,
}

impl SealedBlock {
    /// A block of the chain with these rules.
    pub fn new(stored: Arc<StoredBlock>, spec: &ChainSpec) -> Self {
        if spec.as_ethereum().is_some() {
            let blob_fee = spec.blob_fee(&stored.block.header);
            return Self {
                stored,
                fees: None,
                blob_fee,
                rlp_length: OnceLock::new(),
                logs: OnceLock::new(),
            };
        }
        let first = stored.block.body.transactions.first();
        let fees = first.and_then(|attributes| L1Fees::from_attributes(attributes.input()));
        Self::of_rollup(stored, fees.unwrap_or_default())
    }

    /// A rollup's block with the fee parameters it ran with.
    pub(crate) const fn of_rollup(stored: Arc<StoredBlock>, fees: L1Fees) -> Self {
        Self {
            stored,
            fees: Some(fees),
            blob_fee: None,
            rlp_length: OnceLock::new(),
            logs: OnceLock::new(),
        }
    }

    pub fn block(&self) -> &Block {
        &self.stored.block
    }

    pub fn header(&self) -> &Header {
        &self.block().header
    }

    pub fn hash(&self) -> B256 {
        self.block().hash
    }

    pub fn number(&self) -> u64 {
        self.header().number
    }

    pub fn transactions(&self) -> &[TxEnvelope] {
        &self.block().body.transactions
    }

    /// One per transaction.
    pub fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.stored.receipts
    }

    /// One per transaction.
    pub fn senders(&self) -> &[Address] {
        &self.stored.senders
    }

    /// The L1 fee parameters that a rollup's block ran with; `None` for an Ethereum block.
    pub const fn fees(&self) -> Option<&L1Fees> {
        self.fees.as_ref()
    }

    /// Wei per blob gas that an Ethereum block's blobs paid; `None` before Cancun and on a rollup.
    pub const fn blob_fee(&self) -> Option<u128> {
        self.blob_fee
    }

    /// Receipts that may hold a log of the query, as [`BlockLogs::find`] gives them; `None` when all
    /// must be looked at.
    pub fn find_logs(&self, query: &LogQuery) -> Option<Vec<(usize, u64)>> {
        if query.is_empty() {
            return None;
        }
        let logs = self.logs.get_or_init(|| BlockLogs::new(self.number(), self.receipts()).ok());
        logs.as_ref().map(|logs| logs.find(query))
    }

    /// Bytes of the whole block in RLP.
    pub fn rlp_length(&self) -> usize {
        *self.rlp_length.get_or_init(|| self.block().to_rlp().length())
    }
}

/// A block that is not known to be on disk yet.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) sealed: Arc<SealedBlock>,
    appended: store::Appended,
}

/// What happens to the chain.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    Added(Arc<SealedBlock>),
    /// Taken away again; of several the newest first.
    Removed(Arc<SealedBlock>),
}

/// Blocks that were taken away.
#[derive(Debug, Default)]
struct Removed {
    /// All there ever were.
    count: u64,
    /// The last of them.
    latest: VecDeque<Arc<SealedBlock>>,
}

/// The heads of a rollup's chain at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadRefs {
    pub unsafe_head: L2BlockRef,
    pub safe: L2BlockRef,
    pub finalized: L2BlockRef,
}

/// The store, its heads and its newest blocks.
#[derive(Debug)]
pub struct Chain {
    store: Arc<Store>,
    /// `None` for an Ethereum chain.
    rollup: Option<Arc<RollupConfig>>,
    spec: ChainSpec,
    heads: RwLock<Heads>,
    /// INVARIANT: contiguous, ends at the unsafe head.
    recent: RwLock<VecDeque<Arc<SealedBlock>>>,
    recent_max: usize,
    announcements: broadcast::Sender<Arc<SealedBlock>>,
    events: broadcast::Sender<ChainEvent>,
    removed: RwLock<Removed>,
    pending: Pending,
    /// Only one writer extends the chain at a time.
    writer: Mutex<()>,
}

impl Chain {
    /// Opens the chain on an initialised store.
    pub fn new(store: Arc<Store>, mode: &Mode, recent_max: usize) -> Result<Self, StoreError> {
        let (rollup, spec) = match mode {
            Mode::Rollup { rollup, .. } => {
                (Some(Arc::new(rollup.clone())), ChainSpec::new(rollup.l2_chain_id))
            }
            Mode::Ethereum { spec, .. } => (None, spec.clone()),
        };
        let heads = store.heads()?;
        let (announcements, _) = broadcast::channel(ANNOUNCEMENTS_KEPT);
        let (events, _) = broadcast::channel(ANNOUNCEMENTS_KEPT);
        let chain = Self {
            store,
            rollup,
            spec,
            heads: RwLock::new(heads),
            recent: RwLock::default(),
            recent_max: recent_max.max(1),
            announcements,
            events,
            removed: RwLock::default(),
            pending: Pending::default(),
            writer: Mutex::new(()),
        };
        let head = chain
            .load(heads.unsafe_head.number)?
            .ok_or(StoreError::MissingBlock(heads.unsafe_head.number))?;
        chain.recent.write().push_back(head);
        Ok(chain)
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The rollup's configuration; `None` for an Ethereum chain.
    pub const fn rollup(&self) -> Option<&Arc<RollupConfig>> {
        self.rollup.as_ref()
    }

    /// Number of the first block.
    pub fn genesis_number(&self) -> u64 {
        self.rollup.as_ref().map_or(0, |rollup| rollup.genesis.l2.number)
    }

    /// Number of the first block above which nothing is missing: genesis, or the block of the snapshot with
    /// which the store began.
    pub fn first_number(&self) -> u64 {
        self.genesis_number().max(self.store.first_block())
    }

    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    pub fn heads(&self) -> Heads {
        *self.heads.read()
    }

    /// Each block from now on, when it is durable.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<SealedBlock>> {
        self.announcements.subscribe()
    }

    /// Each block that comes or goes from now on.
    pub fn subscribe_events(&self) -> broadcast::Receiver<ChainEvent> {
        self.events.subscribe()
    }

    /// Blocks taken away after the first `seen` ones ever, as far as they are remembered, and how many
    /// there are by now.
    pub fn removed_since(&self, seen: u64) -> (Vec<Arc<SealedBlock>>, u64) {
        let removed = self.removed.read();
        let new = usize::try_from(removed.count.saturating_sub(seen)).unwrap_or(usize::MAX);
        let known = removed.latest.len().saturating_sub(new);
        (removed.latest.iter().skip(known).map(Arc::clone).collect(), removed.count)
    }

    /// The newest block.
    pub fn head(&self) -> Result<Arc<SealedBlock>, StoreError> {
        let number = self.heads().unsafe_head.number;
        self.block(number)?.ok_or(StoreError::MissingBlock(number))
    }

    /// A block of the newest ones, if it still is one.
    pub fn recent(&self, number: u64) -> Option<Arc<SealedBlock>> {
        let recent = self.recent.read();
        let first = recent.front()?.number();
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        recent.get(index).map(Arc::clone)
    }

    /// A block with receipts and senders; `None` beyond the head.
    pub fn block(&self, number: u64) -> Result<Option<Arc<SealedBlock>>, StoreError> {
        match self.recent(number) {
            Some(block) => Ok(Some(block)),
            None => self.load(number),
        }
    }

    fn load(&self, number: u64) -> Result<Option<Arc<SealedBlock>>, StoreError> {
        let stored = self.store.stored_block(number)?;
        Ok(stored.map(|stored| Arc::new(SealedBlock::new(stored, &self.spec))))
    }

    pub fn header(&self, number: u64) -> Result<Option<Header>, StoreError> {
        match self.recent(number) {
            Some(block) => Ok(Some(block.header().clone())),
            None => self.store.header(number),
        }
    }

    /// Number of the block with this hash.
    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let recent = self
            .recent
            .read()
            .iter()
            .rev()
            .find(|block| block.hash() == *hash)
            .map(|block| block.number());
        match recent {
            Some(number) => Ok(Some(number)),
            None => {
                // The store knows of a block before it is on disk.
                let head = self.heads().unsafe_head.number;
                Ok(self.store.block_number(*hash)?.filter(|number| *number <= head))
            }
        }
    }

    /// Block number and index of an included transaction.
    pub fn transaction_location(&self, hash: &B256) -> Result<Option<(u64, usize)>, StoreError> {
        let head = self.heads().unsafe_head.number;
        Ok(self.store.transaction_location(*hash)?.filter(|(number, _)| *number <= head))
    }

    /// A rollup's block with its L1 origin. The genesis block has no L1 attributes: its origin is where the
    /// configuration says that L2 starts.
    pub fn l2_block_ref(&self, number: u64) -> Result<Option<L2BlockRef>, StoreError> {
        let Some(rollup) = &self.rollup else { return Ok(None) };
        let genesis = &rollup.genesis;
        // Also of a block that is not on disk yet: the next one is built on it.
        let reference = self.store.l2_block_ref(number)?;
        Ok(reference.map(|reference| {
            if number == genesis.l2.number {
                L2BlockRef { l1_origin: genesis.l1, ..reference }
            } else {
                reference
            }
        }))
    }

    /// The heads with their L1 origins, all of one chain, also while blocks are taken away.
    pub fn head_refs(&self) -> Result<HeadRefs, StoreError> {
        let heads = self.heads.read();
        let of = |id: primitives::BlockNumHash| {
            let found = self.l2_block_ref(id.number)?.filter(|block| block.hash == id.hash);
            found.ok_or(StoreError::MissingBlock(id.number))
        };
        Ok(HeadRefs {
            unsafe_head: of(heads.unsafe_head)?,
            safe: of(heads.safe)?,
            finalized: of(heads.finalized)?,
        })
    }

    /// The state after block `number`.
    pub fn state(&self, number: u64) -> Result<StateView, StoreError> {
        self.store.state_at(number).map(StateView::Sealed)
    }

    /// Computes roots on the state after block `number`.
    pub fn roots_at(&self, number: u64) -> Result<store::HistoricRoots, StoreError> {
        self.store.roots_at(number)
    }

    /// Where the sequencer publishes its open block.
    pub const fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The block in the making, if there is one.
    pub fn pending_block(&self) -> Option<Arc<PendingBlock>> {
        let head = self.heads().unsafe_head.number;
        self.pending.block().filter(|block| block.number() > head)
    }

    /// The block above the head that holds this transaction: the open one, or one that is sealed but not
    /// on disk yet.
    pub fn pending_block_with(&self, hash: &B256) -> Option<Arc<PendingBlock>> {
        let head = self.heads().unsafe_head.number;
        self.pending.blocks().into_iter().find(|block| block.number() > head && block.holds(hash))
    }

    /// The newest state there is: within the pending block, else after the head.
    pub fn newest_state(&self) -> Result<StateView, StoreError> {
        match self.pending_block() {
            Some(block) => Ok(StateView::Pending(block.state())),
            None => self.state(self.heads().unsafe_head.number),
        }
    }

    pub fn proof(
        &self,
        address: Address,
        slots: &[B256],
        number: u64,
    ) -> Result<store::AccountProof, StoreError> {
        self.store.proof(address, slots, number)
    }

    /// Base fee of the block after `number`, wei per gas.
    pub fn base_fee_after(&self, number: u64) -> Result<u64, StoreError> {
        let header = self.header(number)?.ok_or(StoreError::MissingBlock(number))?;
        Ok(self.spec.next_base_fee(&header))
    }

    /// What the pool must know of the head.
    pub fn pool_head(&self) -> Result<Head, StoreError> {
        Ok(self.pool_head_of(&*self.head()?))
    }

    /// What the pool must know of a block it follows.
    pub(crate) fn pool_head_of(&self, block: &SealedBlock) -> Head {
        Head {
            number: block.number(),
            base_fee: self.spec.next_base_fee(block.header()),
            gas_limit: block.header().gas_limit,
            fees: block.fees().copied().unwrap_or_default(),
        }
    }

    /// Makes a block durable, moves the unsafe head to it. The changed accounts are returned for the
    /// pool.
    pub fn commit(
        &self,
        executed: ExecutedBlock,
    ) -> Result<(Arc<SealedBlock>, ChangedAccounts), StoreError> {
        let (unsettled, changed) = self.append(executed)?;
        Ok((self.settle(unsettled)?, changed))
    }

    /// Puts a block on top of the newest: the next one can be built on it, but nobody else knows of
    /// it before [`Chain::settle`].
    pub(crate) fn append(
        &self,
        executed: ExecutedBlock,
    ) -> Result<(Unsettled, ChangedAccounts), StoreError> {
        let _writer = self.writer.lock();
        let changed = changed_accounts(&executed.changes);
        let appended = self.store.append(executed)?;
        let sealed = Arc::new(SealedBlock::new(Arc::clone(&appended.block), &self.spec));
        Ok((Unsettled { sealed, appended }, changed))
    }

    /// Waits until a block is on disk and moves the unsafe head to it. Blocks come here in order.
    pub(crate) fn settle(&self, unsettled: Unsettled) -> Result<Arc<SealedBlock>, StoreError> {
        let sealed = self.sync(unsettled)?;
        self.reveal(&sealed);
        Ok(sealed)
    }

    /// Waits until a block is on disk; nobody else knows of it before [`Chain::reveal`].
    pub(crate) fn sync(&self, unsettled: Unsettled) -> Result<Arc<SealedBlock>, StoreError> {
        let Unsettled { sealed, appended } = unsettled;
        self.store.sync(&appended)?;
        Ok(sealed)
    }

    /// Moves the unsafe head to a block that is on disk, the one after it.
    pub(crate) fn reveal(&self, sealed: &Arc<SealedBlock>) {
        {
            let mut recent = self.recent.write();
            recent.push_back(Arc::clone(sealed));
            let mut transactions: usize =
                recent.iter().map(|block| block.transactions().len()).sum();
            while recent.len() > self.recent_max
                || (recent.len() > 1 && transactions > RECENT_TRANSACTIONS_MAX)
            {
                let Some(oldest) = recent.pop_front() else { break };
                transactions -= oldest.transactions().len();
            }
        }
        self.heads.write().unsafe_head = sealed.block().id();
    }

    /// Takes the head back to its parent for everybody but the store, until [`Chain::reveal`]; not a safe one.
    pub(crate) fn hide_head(&self) -> Result<Option<Arc<SealedBlock>>, StoreError> {
        let head = self.head()?;
        let before = head.number().saturating_sub(1);
        if head.number() <= self.heads().safe.number.max(self.first_number()) {
            return Ok(None);
        }
        let parent = self.block(before)?.ok_or(StoreError::MissingBlock(before))?;
        let mut heads = self.heads.write();
        *self.recent.write() = VecDeque::from([Arc::clone(&parent)]);
        heads.unsafe_head = parent.block().id();
        Ok(Some(head))
    }

    /// Takes the block above the head away, durably, of which nobody was told: on disk, but not revealed.
    pub(crate) fn drop_hidden(&self) -> Result<(), StoreError> {
        let _writer = self.writer.lock();
        self.pending.set_open(None);
        self.pending.settle(u64::MAX);
        let mut heads = self.heads.write();
        self.store.unwind_to(heads.unsafe_head.number)?;
        *heads = self.store.heads()?;
        Ok(())
    }

    /// Tells subscribers of a committed block; after the pool knows of it, so that whoever hears
    /// of a block finds the pool without its transactions.
    pub fn announce(&self, block: Arc<SealedBlock>) {
        // An error only says that nobody listens.
        let _ = self.events.send(ChainEvent::Added(Arc::clone(&block)));
        let _ = self.announcements.send(block);
    }

    /// Takes every block above `number` away, durably, and gives them, newest first. For whoever
    /// extends the chain, when nothing is appended that is not settled.
    pub fn unwind(&self, number: u64) -> Result<Vec<Arc<SealedBlock>>, StoreError> {
        let _writer = self.writer.lock();
        let head = self.heads().unsafe_head.number;
        let block = |number| self.block(number)?.ok_or(StoreError::MissingBlock(number));
        let target = block(number)?;
        let dropped: Vec<_> =
            (number.saturating_add(1)..=head).rev().map(block).collect::<Result<_, _>>()?;
        self.pending.set_open(None);
        self.pending.settle(u64::MAX);
        // Nobody may see heads whose blocks are gone.
        let mut heads = self.heads.write();
        self.store.unwind_to(number)?;
        {
            let mut recent = self.recent.write();
            recent.retain(|block| block.number() <= number);
            if recent.is_empty() {
                recent.push_back(target);
            }
        }
        *heads = self.store.heads()?;
        Ok(dropped)
    }

    /// Tells subscribers of blocks that are gone, newest first, after the pool knows of it.
    pub fn announce_removed(&self, dropped: &[Arc<SealedBlock>]) {
        {
            let mut removed = self.removed.write();
            removed.count += dropped.len() as u64;
            removed.latest.extend(dropped.iter().map(Arc::clone));
            let forgotten = removed.latest.len().saturating_sub(ANNOUNCEMENTS_KEPT);
            removed.latest.drain(..forgotten);
        }
        for block in dropped {
            // An error only says that nobody listens.
            let _ = self.events.send(ChainEvent::Removed(Arc::clone(block)));
        }
    }

    /// Moves the safe and the finalized head; both must be blocks of this chain.
    pub fn set_safe(
        &self,
        safe: primitives::BlockNumHash,
        finalized: primitives::BlockNumHash,
    ) -> Result<(), StoreError> {
        let _writer = self.writer.lock();
        let current = self.heads();
        if current.safe != safe {
            self.store.set_safe(safe)?;
        }
        if current.finalized != finalized {
            self.store.set_finalized(finalized)?;
        }
        let mut heads = self.heads.write();
        heads.safe = safe;
        heads.finalized = finalized;
        Ok(())
    }
}

impl AccountReader for Chain {
    fn account(&self, address: Address) -> Result<AccountState, PoolError> {
        let failed = |error: &dyn std::error::Error| PoolError::State(error.to_string());
        // A sender without transactions in the pool may have been funded in the open block.
        let view = self.newest_state().map_err(|error| failed(&error))?;
        let Some(info) = view.basic_ref(address).map_err(|error| failed(&error))? else {
            return Ok(AccountState::default());
        };
        let code = if info.is_empty_code_hash() {
            AccountCode::None
        } else {
            let code = match &info.code {
                Some(code) => code.clone(),
                None => view.code_by_hash_ref(info.code_hash).map_err(|error| failed(&error))?,
            };
            code_kind(code.original_byte_slice())
        };
        Ok(AccountState { nonce: info.nonce, balance: info.balance, code })
    }
}

/// The accounts the block changed, as the pool needs to know them.
fn changed_accounts(changes: &StateChanges) -> ChangedAccounts {
    changes
        .accounts
        .iter()
        .map(|(address, change)| {
            let state = change.after.map_or_else(AccountState::default, |account| AccountState {
                nonce: account.nonce,
                balance: account.balance,
                code: match changes.codes.get(&account.code_hash) {
                    _ if account.code_hash == KECCAK256_EMPTY => AccountCode::None,
                    Some(code) => code_kind(code),
                    // Code that was there before is not among the changes: an account in the pool
                    // that has code is a delegation, since contracts never enter the pool.
                    None => AccountCode::Delegation,
                },
            });
            (*address, state)
        })
        .collect()
}

/// What of an account's code the pool needs to know (EIP-7702: `0xef0100 || address`).
fn code_kind(code: &[u8]) -> AccountCode {
    if code.is_empty() {
        AccountCode::None
    } else if code.starts_with(&EIP7702_DELEGATION_DESIGNATOR) {
        AccountCode::Delegation
    } else {
        AccountCode::Contract
    }
}
