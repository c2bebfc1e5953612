//! The derivation state machine. The driver gives it L1 blocks in order and executes the payloads it
//! asks for:
//!
//! ```text
//! loop {
//!     match pipeline.step()? {
//!         Step::NeedL1 => pipeline.push_l1(next L1 block)?,
//!         Step::Attributes(a) => match execute(a) {
//!             Ok(block) => pipeline.accepted(block),
//!             Err(_) => pipeline.invalid_payload()?,   // the next step gives its deposits alone
//!         },
//!     }
//! }
//! ```
//!
//! INVARIANT: what is derived depends only on the safe head it began with and the L1 blocks, not on
//! when they were given.

use std::{collections::VecDeque, sync::Arc};

use alloy_eips::BlockNumHash;
use primitives::{L1BlockRef, L2BlockRef, PayloadAttributes, RollupConfig, SystemConfig};

use crate::{
    Batch, BatchContext, BatchReader, BatchValidity, ChannelAssembler, L1Block, PipelineError,
    SingleBatch, SpanBatch, SpanContext, apply_config_updates, attributes, check_batch, check_span,
    decode_batcher_transaction, decompress, validity::span_parent,
};

/// The safe chain by number, for spans that overlap it. What it does not know ends a step with
/// [`PipelineError::MissingBlock`]; once it does, the next step goes on.
pub type SafeBlocks = Arc<dyn Fn(u64) -> Option<L2BlockRef> + Send + Sync>;

/// What the driver must do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Give the next L1 block.
    NeedL1,
    /// Execute these attributes on the safe head and answer with [`Pipeline::accepted`] or
    /// [`Pipeline::invalid_payload`]. Repeated until answered.
    Attributes(Box<PayloadAttributes>),
}

/// Derives the chain above a safe head.
pub struct Pipeline {
    config: RollupConfig,
    safe: L2BlockRef,
    /// In force at `safe`.
    system_config: SystemConfig,
    /// L1 blocks up to this one hold nothing new: the safe head is what they give.
    settled: u64,
    /// In force at `current`; says whose transactions are batches.
    l1_config: SystemConfig,
    /// `l1_config` holds the updates up to this L1 block.
    l1_config_at: u64,
    /// Given, not read.
    incoming: VecDeque<Arc<L1Block>>,
    last_given: Option<L1BlockRef>,
    /// The L1 block being read and the index of its next inbox transaction.
    current: Option<(Arc<L1Block>, usize)>,
    /// L1 blocks from the safe head's origin to `current`.
    origins: VecDeque<Arc<L1Block>>,
    /// The epoch of the safe head has all its blocks: the next block begins the next epoch.
    epoch_done: bool,
    assembler: ChannelAssembler,
    batches: Option<BatchReader>,
    /// Blocks of a span that was found valid, the next one first.
    span: VecDeque<SingleBatch>,
    /// A span that cannot be judged until a block of the safe chain is known.
    waiting: Option<SpanBatch>,
    blocks: Option<SafeBlocks>,
    /// No valid span builds on a block below it.
    oldest: u64,
    pending: Option<Pending>,
}

struct Pending {
    attributes: PayloadAttributes,
    system_config: SystemConfig,
    /// Transactions that L1 forces into the block.
    forced: usize,
}

impl Pipeline {
    /// Continues above `safe`, at which `system_config` is in force. The first L1 block given must be
    /// [`Self::l1_start`] or an earlier one.
    pub fn new(config: RollupConfig, safe: L2BlockRef, system_config: SystemConfig) -> Self {
        Self {
            config,
            safe,
            system_config,
            settled: safe.l1_origin.number,
            l1_config: system_config,
            l1_config_at: safe.l1_origin.number,
            incoming: VecDeque::new(),
            last_given: None,
            current: None,
            origins: VecDeque::new(),
            epoch_done: false,
            assembler: ChannelAssembler::default(),
            batches: None,
            span: VecDeque::new(),
            waiting: None,
            blocks: None,
            oldest: 0,
            pending: None,
        }
    }

    /// With the safe chain, which spans may overlap. Without it such a span is an error.
    #[must_use]
    pub fn with_blocks(mut self, blocks: SafeBlocks) -> Self {
        self.blocks = Some(blocks);
        self
    }

    /// Says that the blocks below `number` will never be known, because `number` is genesis or has an origin
    /// more than a sequencing window before that of any safe head to come: a span that begins below it was
    /// posted after its window, or its epochs leave out L1 blocks.
    pub const fn forget_below(&mut self, number: u64) {
        self.oldest = number;
    }

    /// Says that the safe head is what L1 gives up to the block `l1_number`, all of which was read. To be
    /// called before the first step.
    ///
    /// Without it batches in blocks from the safe head's origin to there are judged by a later safe
    /// head than they were first: one that came too early, and was dropped, would now be in time.
    pub fn settle(&mut self, l1_number: u64) {
        self.settled = self.settled.max(l1_number);
    }

    /// The L1 block to begin with: a channel that was open at the safe head's origin can have been
    /// begun this early.
    pub fn l1_start(&self) -> u64 {
        let earliest = self.safe.l1_origin.number.saturating_sub(self.config.channel_timeout);
        earliest.max(self.config.genesis.l1.number)
    }

    /// The newest block derived.
    pub const fn safe_head(&self) -> &L2BlockRef {
        &self.safe
    }

    /// The L1 block being read.
    pub fn l1_origin(&self) -> Option<L1BlockRef> {
        self.current.as_ref().map(|(block, _)| block.block_ref())
    }

    /// Begins again at `safe`, as after an L1 reorg. L1 blocks must be given again from
    /// [`Self::l1_start`].
    pub fn reset(&mut self, safe: L2BlockRef, system_config: SystemConfig) {
        let (blocks, oldest) = (self.blocks.take(), self.oldest);
        *self = Self { blocks, oldest, ..Self::new(self.config.clone(), safe, system_config) };
    }

    /// Gives the next L1 block.
    pub fn push_l1(&mut self, block: Arc<L1Block>) -> Result<(), PipelineError> {
        match self.last_given {
            Some(last) => {
                let follows = block.parent_hash == last.hash
                    && Some(block.number) == last.number.checked_add(1);
                if !follows {
                    return Err(PipelineError::L1Gap {
                        expected: BlockNumHash { number: last.number, hash: last.hash },
                        found: id(&block),
                        parent_hash: block.parent_hash,
                    });
                }
            }
            None if block.number > self.safe.l1_origin.number => {
                return Err(PipelineError::L1StartsLate {
                    first: block.number,
                    origin: self.safe.l1_origin.number,
                });
            }
            None => {}
        }
        self.last_given = Some(block.block_ref());
        self.incoming.push_back(block);
        Ok(())
    }

    /// Advances as far as possible.
    pub fn step(&mut self) -> Result<Step, PipelineError> {
        if let Some(pending) = &self.pending {
            return Ok(Step::Attributes(Box::new(pending.attributes.clone())));
        }
        let Some(batch) = self.next_batch()? else {
            return Ok(Step::NeedL1);
        };
        let pending = self.prepare(batch)?;
        let attributes = pending.attributes.clone();
        self.pending = Some(pending);
        Ok(Step::Attributes(Box::new(attributes)))
    }

    /// The pending attributes gave `block`, which is now the safe head.
    pub fn accepted(&mut self, block: L2BlockRef) {
        if let Some(pending) = self.pending.take() {
            self.system_config = pending.system_config;
        }
        if block.l1_origin != self.safe.l1_origin {
            self.epoch_done = false;
        }
        self.safe = block;
        while self.origins.front().is_some_and(|l1| l1.number < block.l1_origin.number) {
            self.origins.pop_front();
        }
    }

    /// The pending attributes cannot be executed: the batch's transactions and the rest of its
    /// channel are discarded, the block takes its deposits alone (Holocene).
    pub fn invalid_payload(&mut self) -> Result<(), PipelineError> {
        let pending = self.pending.as_mut().ok_or(PipelineError::NothingPending)?;
        if pending.attributes.transactions.len() <= pending.forced {
            return Err(PipelineError::DepositsInvalid { timestamp: pending.attributes.timestamp });
        }
        pending.attributes.transactions.truncate(pending.forced);
        self.discard_channel();
        Ok(())
    }

    /// The next valid batch, or `None` when L1 has no more.
    fn next_batch(&mut self) -> Result<Option<SingleBatch>, PipelineError> {
        loop {
            let Some(inclusion_block) = self.current.as_ref().map(|(block, _)| block.number) else {
                if self.advance_l1()? {
                    continue;
                }
                return Ok(None);
            };
            // Up to the safe head's origin L1 can only hold blocks that exist.
            let catching_up = inclusion_block <= self.safe.l1_origin.number.max(self.settled);
            if let Some(mut batch) = self.span.pop_front() {
                batch.parent_hash = self.safe.hash;
                if self.accepts(&batch, inclusion_block) {
                    return Ok(Some(batch));
                }
                continue;
            }
            let waiting = self.waiting.take().map(Batch::Span);
            match waiting.or_else(|| self.next_candidate()) {
                Some(_) if catching_up => continue,
                Some(Batch::Single(batch)) => {
                    if self.accepts(&batch, inclusion_block) {
                        return Ok(Some(batch));
                    }
                    continue;
                }
                Some(Batch::Span(span)) => {
                    self.open_span(span, inclusion_block)?;
                    continue;
                }
                None => {}
            }
            if !catching_up && let Some(batch) = self.empty_batch(inclusion_block) {
                return Ok(Some(batch));
            }
            if !self.advance_l1()? {
                return Ok(None);
            }
        }
    }

    fn accepts(&mut self, batch: &SingleBatch, inclusion_block: u64) -> bool {
        let Some((epoch, next_epoch)) = self.epochs() else {
            return false;
        };
        let context = BatchContext {
            config: &self.config,
            parent: &self.safe,
            epoch,
            next_epoch,
            inclusion_block,
        };
        match check_batch(batch, &context) {
            BatchValidity::Accept => true,
            // Undecided cannot happen: the block in which a batch is found comes after the safe
            // head's origin, so the next epoch is known.
            BatchValidity::Past | BatchValidity::Undecided => false,
            BatchValidity::Drop(_) => {
                self.discard_channel();
                false
            }
        }
    }

    /// Takes the blocks of a valid span above the safe head.
    fn open_span(&mut self, span: SpanBatch, inclusion_block: u64) -> Result<(), PipelineError> {
        let number = match span_parent(&span, &self.config, &self.safe) {
            // Too late, or on a block so old that it cannot follow it: which one need not be known.
            Ok(Some(number)) if number < self.oldest || self.too_late(&span, inclusion_block) => {
                self.discard_channel();
                return Ok(());
            }
            Ok(Some(number)) => number,
            // Nothing new in it: the channel goes on.
            Ok(None) => return Ok(()),
            Err(_) => {
                self.discard_channel();
                return Ok(());
            }
        };
        let parent = if number == self.safe.number {
            self.safe
        } else {
            match self.blocks.as_ref().and_then(|blocks| blocks(number)) {
                Some(known) => known,
                None => {
                    self.waiting = Some(span);
                    return Err(PipelineError::MissingBlock(number));
                }
            }
        };
        let last_epoch = span.last_epoch();
        let context = SpanContext {
            config: &self.config,
            safe: &self.safe,
            parent: &parent,
            last_origin: self.origins.iter().find(|l1| l1.number == last_epoch).map(Arc::as_ref),
            inclusion_block,
        };
        let blocks = match check_span(&span, &context) {
            BatchValidity::Accept => self.blocks_of(span),
            // Its last origin is before the safe head's, or one that nobody could know when it was
            // posted: skipped as op-node does.
            BatchValidity::Past | BatchValidity::Undecided => return Ok(()),
            BatchValidity::Drop(_) => None,
        };
        match blocks {
            Some(blocks) => self.span = blocks,
            None => self.discard_channel(),
        }
        Ok(())
    }

    /// Whether the span's sequencing window has closed, as [`check_span`] would find.
    fn too_late(&self, span: &SpanBatch, inclusion_block: u64) -> bool {
        span.first_epoch().saturating_add(self.config.seq_window_size) < inclusion_block
    }

    /// The blocks of a span above the safe head; `None` if one has an origin before the safe head's.
    fn blocks_of(&self, span: SpanBatch) -> Option<VecDeque<SingleBatch>> {
        let first = self.config.genesis.l2_time.saturating_add(span.relative_timestamp);
        let times = (0_u64..)
            .map(|index| first.saturating_add(self.config.block_time.saturating_mul(index)));
        let new = span.blocks.into_iter().zip(times).filter(|(_, at)| *at > self.safe.timestamp);
        new.map(|(block, timestamp)| {
            let origin = self.origins.iter().find(|l1| l1.number == block.epoch)?;
            Some(SingleBatch {
                parent_hash: self.safe.hash,
                epoch: id(origin),
                timestamp,
                transactions: block.transactions,
            })
        })
        .collect()
    }

    /// The next batch of the channels completed in the current L1 block, valid or not.
    fn next_candidate(&mut self) -> Option<Batch> {
        loop {
            if let Some(batches) = &mut self.batches {
                match batches.next() {
                    Some(Ok(batch)) => return Some(batch),
                    // What does not decode ends its channel.
                    Some(Err(_)) | None => self.batches = None,
                }
            }
            let (block, next_transaction) = self.current.as_mut()?;
            let timeout = self.config.channel_timeout;
            if let Some(channel) = self.assembler.next_channel(block.number, timeout) {
                let chain_id = self.config.l2_chain_id;
                self.batches =
                    decompress(&channel).ok().map(|data| BatchReader::new(data.bytes, chain_id));
                continue;
            }
            let transaction = block.inbox.get(*next_transaction)?;
            *next_transaction = next_transaction.saturating_add(1);
            if transaction.from == self.l1_config.batcher_address
                && let Ok(frames) = decode_batcher_transaction(&transaction.data)
            {
                self.assembler.push_frames(frames);
            }
        }
    }

    /// What the chain is when no batch came within the sequencing window: blocks without
    /// transactions, until L2 time reaches the next epoch, and at least one per epoch.
    fn empty_batch(&mut self, read_to: u64) -> Option<SingleBatch> {
        loop {
            let (epoch, next_epoch) = self.epochs()?;
            let next_epoch = next_epoch?;
            // Everything up to `read_to` has been read.
            if epoch.number.saturating_add(self.config.seq_window_size) > read_to {
                return None;
            }
            let timestamp = self.safe.timestamp.saturating_add(self.config.block_time);
            if timestamp < next_epoch.timestamp || epoch.number != self.safe.l1_origin.number {
                return Some(SingleBatch {
                    parent_hash: self.safe.hash,
                    epoch: id(epoch),
                    timestamp,
                    transactions: Vec::new(),
                });
            }
            self.epoch_done = true;
        }
    }

    /// The epoch that the next block may be in, and the one after it if it was read.
    fn epochs(&self) -> Option<(&L1Block, Option<&L1Block>)> {
        let first = usize::from(self.epoch_done);
        let epoch = self.origins.get(first)?;
        let next = self.origins.get(first.saturating_add(1));
        Some((epoch, next.map(Arc::as_ref)))
    }

    fn prepare(&self, batch: SingleBatch) -> Result<Pending, PipelineError> {
        let parent = &self.safe;
        let found = self.origins.iter().find(|origin| origin.hash == batch.epoch.hash);
        let origin = found.ok_or(PipelineError::OriginReplaced {
            expected: batch.epoch,
            found: parent.l1_origin,
        })?;
        let same_epoch = batch.epoch == parent.l1_origin;
        let sequence_number = if same_epoch { parent.sequence_number.saturating_add(1) } else { 0 };
        let system_config = match same_epoch {
            true => self.system_config,
            false => apply_config_updates(self.system_config, origin)?,
        };
        let mut attributes = attributes(
            &self.config,
            &self.system_config,
            parent,
            origin,
            sequence_number,
            batch.timestamp,
        )?;
        let forced = attributes.transactions.len();
        attributes.transactions.extend(batch.transactions);
        attributes.no_tx_pool = true;
        Ok(Pending { attributes, system_config, forced })
    }

    /// Turns to the next L1 block; false if it was not given yet.
    fn advance_l1(&mut self) -> Result<bool, PipelineError> {
        let Some(block) = self.incoming.pop_front() else {
            return Ok(false);
        };
        let origin = self.safe.l1_origin;
        if block.number == origin.number && block.hash != origin.hash {
            return Err(PipelineError::OriginReplaced { expected: origin, found: id(&block) });
        }
        if block.number > self.l1_config_at {
            self.l1_config = apply_config_updates(self.l1_config, &block)?;
            self.l1_config_at = block.number;
        }
        if block.number >= origin.number {
            self.origins.push_back(Arc::clone(&block));
        }
        self.current = Some((block, 0));
        Ok(true)
    }

    fn discard_channel(&mut self) {
        self.batches = None;
        self.span.clear();
        self.waiting = None;
        self.assembler.discard_channel();
    }
}

fn id(block: &L1Block) -> BlockNumHash {
    BlockNumHash { number: block.number, hash: block.hash }
}
