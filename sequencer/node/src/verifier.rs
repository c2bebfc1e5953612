//! Follows L1: derives payload attributes, executes them, commits the blocks to its own store and
//! reports the safe head. Nothing that is safe is taken from the sequencer, so that equal hashes prove
//! that L1 holds everything. Unsafe blocks come from its feed, if one is listened to
//! ([`crate::unsafe_chain`]).
//!
//! A block that is there before L1 gives it (of a fork that L1 left, or that somebody else built) is
//! kept if derivation gives the same and replaced otherwise. When L1 is reorganised, the pipeline
//! begins again at what was safe on the part that stands ([`crate::safe_heads`]), and blocks whose
//! origin is gone are taken away.
//!
//! INVARIANT: after any reorganisation the safe chain is what a derivation from nothing gives.
//!
//! Beside a sequencer the reports go through [`DerivedHeads`], which compares them with what it built.

use std::{sync::Arc, time::Instant};

use derive::{L1Block, L1Event, Pipeline, PipelineError, Step};
use primitives::{BlockNumHash, L1BlockRef, L2BlockRef, PayloadAttributes, RollupConfig};
use stf::BlockBuilder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Chain, SealedBlock},
    error::VerifierError,
    fence::{self, FollowedKey},
    l1::{L1Feed, L1Status},
    pool::Pool,
    reorg,
    safe_heads::{SafeHead, SafeHeads},
    senders,
    sequencer::system_config_at,
    unsafe_chain::{UnsafeChain, next_message},
};

/// What derivation has established.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SafeHeadUpdate {
    /// Newest block derived from canonical L1.
    pub safe: BlockNumHash,
    /// Newest block derived from finalized L1.
    pub finalized: BlockNumHash,
    /// The L1 block whose data made `safe` safe: whoever knows another block of its number hears of
    /// another fork.
    pub derived_from: BlockNumHash,
    /// How often L1 was reorganised under what had been derived: only then may the heads go back.
    pub resets: u64,
}

/// A verifier as a sequencer beside it knows it.
#[derive(Clone, Debug)]
pub struct DerivedHeads {
    pub(crate) updates: watch::Receiver<SafeHeadUpdate>,
    /// The derived chain with its record of safe heads.
    pub(crate) derived: Option<(Arc<Chain>, Arc<SafeHeads>)>,
}

impl DerivedHeads {
    pub(crate) const fn new(
        updates: watch::Receiver<SafeHeadUpdate>,
        chain: Arc<Chain>,
        history: Arc<SafeHeads>,
    ) -> Self {
        Self { updates, derived: Some((chain, history)) }
    }
}

impl From<watch::Receiver<SafeHeadUpdate>> for DerivedHeads {
    /// Heads alone: blocks that differ from the derived ones cannot be replaced.
    fn from(updates: watch::Receiver<SafeHeadUpdate>) -> Self {
        Self { updates, derived: None }
    }
}

/// The task that derives.
pub struct Verifier {
    rollup: RollupConfig,
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    pipeline: Pipeline,
    l1: L1Feed,
    safe_heads: watch::Sender<SafeHeadUpdate>,
    status: Arc<watch::Sender<L1Status>>,
    history: Arc<SafeHeads>,
    /// Newest L1 block given to the pipeline since it began.
    read: Option<L1BlockRef>,
    finalized_l1: u64,
    resets: u64,
    /// Records given up beside those known to be wrong when L1 turns out to be another once more:
    /// doubles, so that the fork is found soon however deep it lies.
    extra: u64,
    /// What the sequencer says before L1 has it.
    unsafe_chain: Option<UnsafeChain>,
    /// Whose feed is listened to, as L1 names it.
    key: Option<FollowedKey>,
}

/// Number of the L1 block from which a verifier with this safe head needs events: frames of a
/// channel that is still open may lie up to the channel timeout before the head's origin.
pub fn l1_start(rollup: &RollupConfig, safe: &L2BlockRef) -> u64 {
    safe.l1_origin.number.saturating_sub(rollup.channel_timeout).max(rollup.genesis.l1.number)
}

impl Verifier {
    /// Continues from what `history` says was derived before; without records, from the chain's safe
    /// head.
    pub fn new(
        rollup: &RollupConfig,
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        l1: L1Feed,
        safe_heads: watch::Sender<SafeHeadUpdate>,
        status: Arc<watch::Sender<L1Status>>,
        history: Arc<SafeHeads>,
    ) -> Result<Self, VerifierError> {
        // Records of blocks that the store does not have, as after a power failure.
        while let Some(record) = history.last()?
            && chain.l2_block_ref(record.safe.number)?.map(|block| block.id()) != Some(record.safe)
        {
            history.forget_last(1)?;
        }
        let genesis = &rollup.genesis;
        if history.last()?.is_none() && chain.heads().safe == genesis.l2 {
            history.record(SafeHead { l1: genesis.l1, safe: genesis.l2 })?;
        }
        let (safe, settled) = begin_after(&history, &chain)?;
        let (reference, system_config) = begin_at(rollup, &chain, safe.number)?;
        let known = Arc::clone(&chain);
        let oldest = chain.store().oldest_reference()?;
        let mut pipeline = Pipeline::new(rollup.clone(), reference, system_config)
            .with_blocks(Arc::new(move |number| known.l2_block_ref(number).ok().flatten()));
        pipeline.forget_below(oldest);
        pipeline.settle(settled);
        Ok(Self {
            rollup: rollup.clone(),
            chain,
            pool,
            pipeline,
            l1,
            safe_heads,
            status,
            history,
            read: None,
            finalized_l1: 0,
            resets: 0,
            extra: 0,
            unsafe_chain: None,
            key: None,
        })
    }

    /// Follows unsafe blocks, too, and keeps watch over the key that signs them.
    #[must_use]
    pub(crate) fn with_unsafe_chain(
        mut self,
        unsafe_chain: Option<UnsafeChain>,
        key: Option<FollowedKey>,
    ) -> Self {
        self.unsafe_chain = unsafe_chain;
        self.key = key;
        self
    }

    /// Derives until `shutdown`. An error ends the node.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), VerifierError> {
        loop {
            while !shutdown.is_cancelled() {
                match self.pipeline.step() {
                    Ok(Step::NeedL1) => break,
                    Ok(Step::Attributes(attributes)) => self.apply(*attributes).await?,
                    Err(PipelineError::OriginReplaced { expected, .. }) => {
                        self.reset(expected.number, false).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let event = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                event = self.l1.next() => event,
                () = fence::asked(self.key.as_mut().map(|key| &mut key.view)) => {
                    self.follow_key();
                    continue;
                }
                message = next_message(&mut self.unsafe_chain) => {
                    if let Some(unsafe_chain) = &mut self.unsafe_chain {
                        unsafe_chain.hear(message).await?;
                    }
                    continue;
                }
            };
            match event {
                Some(event) => self.hear_l1(event).await?,
                None if shutdown.is_cancelled() => return Ok(()),
                None => return Err(VerifierError::L1Closed),
            }
        }
    }

    /// Believes the feed of the key that L1 names now.
    fn follow_key(&mut self) {
        if let Some(key) = &self.key {
            key.follow(key.view.latest());
        }
    }

    async fn hear_l1(&mut self, event: L1Event) -> Result<(), VerifierError> {
        if let Some(key) = &mut self.key {
            key.view.hear(&event);
        }
        self.follow_key();
        match event {
            L1Event::Block(block) => self.hear_block(block).await?,
            L1Event::Reorg { common } => {
                self.status.send_modify(|status| {
                    status.head = common;
                    status.current = common;
                });
                self.reset(common.number.saturating_add(1), true).await?;
            }
            // The feed takes the answers to what was asked.
            L1Event::Restart { .. } => {}
            L1Event::Finalized(block) => {
                self.finalized_l1 = block.number;
                self.status.send_modify(|status| status.finalized = block);
                self.advance_finalized()?;
            }
        }
        Ok(())
    }

    async fn hear_block(&mut self, block: Arc<L1Block>) -> Result<(), VerifierError> {
        let reference = block.block_ref();
        if self.read.is_none() && reference.number > self.pipeline.l1_start() {
            return Ok(self.l1.restart(self.pipeline.l1_start())?);
        }
        // While nobody looked, L1 may have been reorganised above the safe head's origin, but below
        // the batches that made it safe.
        if let Some(record) = self.history.at(reference.number)?
            && record.l1.number == reference.number
        {
            if record.l1.hash != reference.hash {
                return self.reset(reference.number, self.read.is_some()).await;
            }
            self.extra = 0;
        }
        self.pipeline.push_l1(block)?;
        self.read = Some(reference);
        self.status.send_modify(|status| {
            status.head = reference;
            status.current = reference;
        });
        Ok(())
    }

    /// What L1 blocks from number `gone` on gave does not count any more. `exact` says that those
    /// before are known to stand.
    async fn reset(&mut self, gone: u64, exact: bool) -> Result<(), VerifierError> {
        let genesis = self.rollup.genesis.clone();
        if gone <= genesis.l1.number {
            return Err(VerifierError::GenesisReplaced(genesis.l1));
        }
        self.history.forget_from(gone)?;
        if exact {
            self.extra = 0;
        } else {
            self.history.forget_last(self.extra)?;
            self.extra = self.extra.saturating_mul(2).max(1);
        }
        let before = self.chain.heads();
        let target = match self.history.last()? {
            Some(record) => record.safe,
            // No record, as of a chain derived before there were any.
            None if self.stands(before.finalized, gone)? => before.finalized,
            None => {
                self.history.record(SafeHead { l1: genesis.l1, safe: genesis.l2 })?;
                genesis.l2
            }
        };
        let head = before.unsafe_head.number;
        let keep = match exact {
            true => reorg::last_with_origin(&self.chain, head, gone.saturating_sub(1))?
                .map_or(target.number, |block| block.number.max(target.number)),
            false => target.number,
        };
        tracing::warn!(
            l1 = gone,
            safe = target.number,
            kept = keep,
            head,
            "L1 was reorganised: derivation begins again"
        );
        if target.number < before.finalized.number {
            tracing::error!(
                finalized = before.finalized.number,
                safe = target.number,
                "L1 took back what it had called final"
            );
            metrics::counter!("l1_finality_broken_total").increment(1);
        }
        if keep < head {
            self.unwind(keep).await?;
        }
        let finalized = self.chain.heads().finalized;
        let finalized = if finalized.number > target.number { target } else { finalized };
        self.chain.set_safe(target, finalized)?;
        let settled = self.history.last()?.map_or(0, |record| record.l1.number);
        self.begin_again(target, settled)?;
        self.resets += 1;
        metrics::counter!("verifier_resets_total").increment(1);
        self.report()
    }

    /// Whether the block's origin lies below L1 block `gone`.
    fn stands(&self, block: BlockNumHash, gone: u64) -> Result<bool, VerifierError> {
        let reference = self.chain.l2_block_ref(block.number)?;
        Ok(reference.is_some_and(|block| block.l1_origin.number < gone))
    }

    /// Sets the pipeline to what was safe when L1 had been read up to block `settled`, and asks for L1 from
    /// where that needs it.
    fn begin_again(&mut self, safe: BlockNumHash, settled: u64) -> Result<(), VerifierError> {
        let (reference, system_config) = begin_at(&self.rollup, &self.chain, safe.number)?;
        self.pipeline.reset(reference, system_config);
        self.pipeline.settle(settled);
        self.read = None;
        self.finalized_l1 = 0;
        Ok(self.l1.restart(self.pipeline.l1_start())?)
    }

    async fn unwind(&mut self, number: u64) -> Result<(), VerifierError> {
        let (chain, pool) = (Arc::clone(&self.chain), Arc::clone(&self.pool));
        tokio::task::spawn_blocking(move || reorg::unwind(&chain, &pool, number))
            .await
            .map_err(|_| VerifierError::ExecutorPanicked)??;
        if let Some(unsafe_chain) = &mut self.unsafe_chain {
            unsafe_chain.moved();
        }
        Ok(())
    }

    /// Takes what was derived: as the block that is there, if that is the same, or by executing it. A
    /// payload that cannot be executed is replaced by its deposits, as derivation rules say; deposits
    /// alone cannot fail.
    async fn apply(&mut self, attributes: PayloadAttributes) -> Result<(), VerifierError> {
        let number = self.pipeline.safe_head().number.saturating_add(1);
        if let Some(there) = self.chain.block(number)? {
            match derive::check_block(&attributes, there.block()) {
                Ok(()) => return self.accept(number),
                Err(difference) => {
                    tracing::error!(
                        number, hash = %there.hash(), %difference,
                        "an unsafe block is not what L1 gives: it is replaced"
                    );
                    metrics::counter!("verifier_blocks_replaced_total").increment(1);
                    self.unwind(number - 1).await?;
                }
            }
        }
        let chain = Arc::clone(&self.chain);
        let pool = Arc::clone(&self.pool);
        let executed = tokio::task::spawn_blocking(move || execute(&chain, &pool, &attributes))
            .await
            .map_err(|_| VerifierError::ExecutorPanicked)??;
        match executed {
            Ok(sealed) => {
                self.accept(sealed.number())?;
                self.chain.announce(sealed);
                if let Some(unsafe_chain) = &mut self.unsafe_chain {
                    unsafe_chain.grown();
                }
            }
            Err(invalid) => {
                tracing::warn!(reason = %invalid, "a derived payload is invalid: deposits only");
                metrics::counter!("verifier_invalid_payloads_total").increment(1);
                self.pipeline.invalid_payload()?;
            }
        }
        Ok(())
    }

    /// A block of the chain is what L1 gives.
    fn accept(&mut self, number: u64) -> Result<(), VerifierError> {
        let reference =
            self.chain.l2_block_ref(number)?.ok_or(VerifierError::MissingReference(number))?;
        self.pipeline.accepted(reference);
        self.extra = 0;
        if let Some(read) = self.pipeline.l1_origin() {
            let l1 = BlockNumHash { number: read.number, hash: read.hash };
            self.history.record(SafeHead { l1, safe: reference.id() })?;
        }
        let heads = self.chain.heads();
        // After a restart blocks are derived again that are safe already.
        if number > heads.safe.number {
            self.chain.set_safe(reference.id(), heads.finalized)?;
        }
        self.report()?;
        self.advance_finalized()
    }

    /// A block is final when the L1 block that made it safe is.
    fn advance_finalized(&mut self) -> Result<(), VerifierError> {
        let Some(record) = self.history.at(self.finalized_l1)? else { return Ok(()) };
        let heads = self.chain.heads();
        if record.safe.number > heads.finalized.number && record.safe.number <= heads.safe.number {
            self.chain.set_safe(heads.safe, record.safe)?;
            self.report()?;
        }
        Ok(())
    }

    fn report(&self) -> Result<(), VerifierError> {
        let heads = self.chain.heads();
        let derived_from = self.history.last()?.map_or(self.rollup.genesis.l1, |record| record.l1);
        metrics::gauge!("verifier_safe_number").set(heads.safe.number as f64);
        self.safe_heads.send_replace(SafeHeadUpdate {
            safe: heads.safe,
            finalized: heads.finalized,
            derived_from,
            resets: self.resets,
        });
        Ok(())
    }
}

/// What a node that starts goes on from: a safe head, and the L1 block up to which L1 was read to its end when
/// that was the safe head. The newest L1 block in the history may have been left in the middle, so that is
/// the one before it.
fn begin_after(history: &SafeHeads, chain: &Chain) -> Result<(BlockNumHash, u64), VerifierError> {
    let Some(last) = history.last()? else {
        return Ok((chain.heads().safe, 0));
    };
    let before = history.at(last.l1.number.saturating_sub(1))?;
    let before = before.filter(|before| before.l1.number < last.l1.number);
    if let Some(before) = before
        && chain.l2_block_ref(before.safe.number)?.map(|block| block.id()) == Some(before.safe)
    {
        return Ok((before.safe, before.l1.number));
    }
    Ok((last.safe, last.l1.number.saturating_sub(1)))
}

/// What a pipeline that begins at this block needs to know.
fn begin_at(
    rollup: &RollupConfig,
    chain: &Chain,
    number: u64,
) -> Result<(L2BlockRef, primitives::SystemConfig), VerifierError> {
    let reference = chain.l2_block_ref(number)?.ok_or(VerifierError::MissingReference(number))?;
    let block = chain.block(number)?.ok_or(VerifierError::MissingReference(number))?;
    Ok((reference, system_config_at(rollup, &block)?))
}

/// Executes and commits; the inner error is a payload that breaks the rules.
pub(crate) fn execute(
    chain: &Chain,
    pool: &Pool,
    attributes: &PayloadAttributes,
) -> Result<Result<Arc<SealedBlock>, stf::BlockError>, VerifierError> {
    let started = Instant::now();
    let parent = chain.head()?;
    let view = chain.state(parent.number())?;
    let roots = chain.store().head_roots()?;
    let executed = match senders::decode_all(&attributes.transactions)
        .and_then(|transactions| {
            BlockBuilder::open(
                chain.spec(),
                parent.header(),
                attributes,
                transactions,
                view,
                Some(store::keccak::hash_many),
            )
        })
        .and_then(|builder| builder.finish(&roots))
    {
        Ok(executed) => executed,
        Err(error) if error.is_invalid_payload() => return Ok(Err(error)),
        Err(error) => return Err(error.into()),
    };
    let (sealed, changed) = chain.commit(executed)?;
    pool.on_block(chain.pool_head()?, changed);
    tracing::info!(
        number = sealed.number(),
        txs = sealed.transactions().len(),
        gas = sealed.header().gas_used,
        ms = started.elapsed().as_millis() as u64,
        hash = %sealed.hash(),
        "derived"
    );
    Ok(Ok(sealed))
}
