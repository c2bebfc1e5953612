//! Builds the unsafe chain: one block per slot from L1's deposits and the pool.
//!
//! Timestamps are strictly `block_time` apart; after a pause the missing blocks are built at once.
//! Each block takes the L1 origin that op-node's rules give it. Execution and commit run on a
//! blocking thread; nothing is announced before it is durable. A restart continues from the
//! store's head and needs L1 from the head's origin on (see [`l1_start`]).

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use derive::{L1Block, L1Event};
use primitives::{BlockNumHash, L2BlockRef, RollupConfig, SystemConfig};
use stf::BlockBuilder;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{Chain, SealedBlock},
    config::SequencerConfig,
    error::SequencerError,
    l1::{L1Status, L1Window, Origin, choose_origin},
    pool::Pool,
    verifier::SafeHeadUpdate,
};

/// L1 blocks held in memory; the watcher waits beyond it.
const L1_WINDOW_MAX: usize = 4_096;
/// Slots behind the clock from which blocks are built with a small budget, to catch up.
const BEHIND_SLOTS: u64 = 3;
/// Slots behind the clock from which an L1 watcher that is still reading is waited for.
const FAR_BEHIND_SLOTS: u64 = 10;
/// How long to wait for L1 when far behind, before building on the known origin.
const L1_WAIT: Duration = Duration::from_secs(3);
/// Gas below which no transaction fits.
const GAS_MIN: u64 = 21_000;

/// The task that builds blocks.
pub struct Sequencer {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    config: SequencerConfig,
    l1_events: mpsc::Receiver<L1Event>,
    safe_heads: watch::Receiver<SafeHeadUpdate>,
    status: Arc<watch::Sender<L1Status>>,
    window: L1Window,
    /// Number of the head's origin at the start: earlier L1 blocks are of no use.
    origin_floor: u64,
    /// When L1 was last heard of.
    heard_l1: Instant,
}

/// Number of the L1 block from which a sequencer with this head needs events.
pub fn l1_start(head: &L2BlockRef) -> u64 {
    head.l1_origin.number
}

/// What the next block is built on.
struct Slot {
    parent: L2BlockRef,
    origin: Arc<L1Block>,
    sequence_number: u64,
    empty: bool,
    timestamp: u64,
}

impl Sequencer {
    pub fn new(
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        config: SequencerConfig,
        l1_events: mpsc::Receiver<L1Event>,
        safe_heads: watch::Receiver<SafeHeadUpdate>,
        status: Arc<watch::Sender<L1Status>>,
    ) -> Result<Self, SequencerError> {
        let head = chain.heads().unsafe_head.number;
        let reference = chain.l2_block_ref(head)?.ok_or(SequencerError::MissingReference(head))?;
        Ok(Self {
            origin_floor: l1_start(&reference),
            chain,
            pool,
            config,
            l1_events,
            safe_heads,
            status,
            window: L1Window::default(),
            heard_l1: Instant::now(),
        })
    }

    /// Builds until `shutdown`. An error ends the node.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), SequencerError> {
        let mut watch_safe = true;
        loop {
            let slot = self.next_slot()?;
            let wait = slot.as_ref().map(|slot| until(slot.timestamp));
            let ready = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => tokio::time::sleep(L1_WAIT).await,
                }
            };
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                changed = self.safe_heads.changed(), if watch_safe => match changed {
                    Ok(()) => self.follow_safe_head()?,
                    Err(_) => watch_safe = false,
                },
                event = self.l1_events.recv(), if self.window.len() < L1_WINDOW_MAX => {
                    match event {
                        Some(event) => self.hear_l1(event)?,
                        // The watcher ended; when it failed, its own error ends the node.
                        None if shutdown.is_cancelled() => return Ok(()),
                        None => return Err(SequencerError::L1Closed),
                    }
                }
                () = ready => {
                    if let Some(slot) = slot {
                        self.build(slot).await?;
                    }
                }
            }
        }
    }

    /// What to build next; `None` while L1 must be heard first.
    fn next_slot(&self) -> Result<Option<Slot>, SequencerError> {
        let rollup = self.chain.rollup();
        let head = self.chain.heads().unsafe_head;
        let parent = self
            .chain
            .l2_block_ref(head.number)?
            .ok_or(SequencerError::MissingReference(head.number))?;
        let timestamp = parent.timestamp.saturating_add(rollup.block_time);
        let current = parent.l1_origin;
        let Some(known) = self.window.get(current.number) else { return Ok(None) };
        if known.hash != current.hash {
            return Err(SequencerError::OriginReplaced { expected: current, found: known.hash });
        }
        let choice = choose_origin(
            &self.window,
            current.number,
            timestamp,
            rollup.max_sequencer_drift,
            self.config.l1_confirmations,
        );
        let slots_behind = unix_seconds().saturating_sub(timestamp) / rollup.block_time;
        match choice {
            None | Some(Origin::Wait) => Ok(None),
            Some(Origin::Same { .. })
                if slots_behind > FAR_BEHIND_SLOTS
                    && self.window.get(current.number + 1).is_none()
                    && self.heard_l1.elapsed() < L1_WAIT =>
            {
                // After a pause, L1 blocks that this block should adopt may be on their way.
                Ok(None)
            }
            Some(Origin::Same { origin, empty }) => Ok(Some(Slot {
                sequence_number: parent.sequence_number + 1,
                parent,
                origin,
                empty,
                timestamp,
            })),
            Some(Origin::Next(origin)) => {
                Ok(Some(Slot { sequence_number: 0, parent, origin, empty: false, timestamp }))
            }
        }
    }

    fn hear_l1(&mut self, event: L1Event) -> Result<(), SequencerError> {
        self.heard_l1 = Instant::now();
        match event {
            L1Event::Block(block) => {
                let reference = block.block_ref();
                // A watcher that serves a verifier, too, begins earlier than this needs.
                if reference.number >= self.origin_floor {
                    self.window.push(block)?;
                }
                self.status.send_modify(|status| status.head = reference);
            }
            L1Event::Reorg { common } => {
                let head = self.chain.heads().unsafe_head.number;
                let origin = self
                    .chain
                    .l2_block_ref(head)?
                    .ok_or(SequencerError::MissingReference(head))?
                    .l1_origin;
                if origin.number > common.number {
                    return Err(SequencerError::L1Reorganised { origin, common: common.number });
                }
                self.window.truncate_above(common.number);
                self.status.send_modify(|status| status.head = common);
            }
            L1Event::Finalized(block) => {
                self.status.send_modify(|status| status.finalized = block);
            }
        }
        Ok(())
    }

    /// Compares what was derived from L1 with what was built.
    fn follow_safe_head(&mut self) -> Result<(), SequencerError> {
        let update = *self.safe_heads.borrow_and_update();
        let heads = self.chain.heads();
        if update.safe.number <= heads.safe.number
            && update.finalized.number <= heads.finalized.number
        {
            // A verifier that starts anew derives again what is known to be safe.
            return Ok(());
        }
        for derived in [update.safe, update.finalized] {
            if derived.number > heads.unsafe_head.number {
                return Err(SequencerError::SafeAhead { derived, head: heads.unsafe_head });
            }
            let built = self
                .chain
                .l2_block_ref(derived.number)?
                .ok_or(SequencerError::MissingReference(derived.number))?;
            if built.hash != derived.hash {
                return Err(SequencerError::SafeMismatch { built: built.id(), derived });
            }
        }
        let later = |a: BlockNumHash, b: BlockNumHash| if a.number >= b.number { a } else { b };
        let safe = later(update.safe, heads.safe);
        self.chain.set_safe(safe, later(update.finalized, heads.finalized))?;
        metrics::gauge!("chain_safe_number").set(safe.number as f64);
        Ok(())
    }

    async fn build(&mut self, slot: Slot) -> Result<(), SequencerError> {
        let origin = slot.origin.block_ref();
        let chain = Arc::clone(&self.chain);
        let pool = Arc::clone(&self.pool);
        let config = self.config.clone();
        let built = tokio::task::spawn_blocking(move || build_block(&chain, &pool, &config, &slot))
            .await
            .map_err(|_| SequencerError::BuilderPanicked)??;
        self.chain.announce(built);
        self.window.prune_below(origin.number);
        self.status.send_modify(|status| status.current = origin);
        Ok(())
    }
}

/// Builds, commits and tells the pool.
fn build_block(
    chain: &Chain,
    pool: &Pool,
    config: &SequencerConfig,
    slot: &Slot,
) -> Result<Arc<SealedBlock>, SequencerError> {
    let started = Instant::now();
    let rollup = chain.rollup();
    let parent = chain.head()?;
    let system_config = system_config_at(rollup, &parent)?;
    let mut attributes = derive::attributes(
        rollup,
        &system_config,
        &slot.parent,
        &slot.origin,
        slot.sequence_number,
        slot.timestamp,
    )?;
    attributes.no_tx_pool = slot.empty;

    let view = chain.state(parent.number())?;
    let mut builder = BlockBuilder::new(chain.spec(), parent.header(), &attributes, view)?;
    let mut filled = Filled::default();
    if !slot.empty {
        let deadline = started + fill_budget(config, rollup, slot.timestamp);
        filled = fill(&mut builder, pool, config, deadline);
    }
    let executed_at = started.elapsed();
    let executed = builder.finish(&chain.store().head_roots()?)?;
    let (sealed, changed) = chain.commit(executed)?;
    pool.on_block(chain.pool_head()?, changed);
    if sealed.number() % 64 == 0 {
        pool.expire(Instant::now());
    }

    let header = sealed.header();
    metrics::counter!("sequencer_blocks_total").increment(1);
    metrics::counter!("sequencer_transactions_total").increment(filled.included);
    metrics::histogram!("sequencer_block_seconds").record(started.elapsed().as_secs_f64());
    metrics::gauge!("chain_unsafe_number").set(header.number as f64);
    tracing::info!(
        number = header.number,
        txs = sealed.transactions().len(),
        gas = header.gas_used,
        execute_ms = executed_at.as_millis() as u64,
        ms = started.elapsed().as_millis() as u64,
        origin = slot.origin.number,
        hash = %sealed.hash(),
        "block"
    );
    Ok(sealed)
}

/// What filling did.
#[derive(Default)]
struct Filled {
    included: u64,
}

/// Executes the pool's best transactions until time, gas or DA space is used up.
fn fill<S>(
    builder: &mut BlockBuilder<S>,
    pool: &Pool,
    config: &SequencerConfig,
    deadline: Instant,
) -> Filled
where
    S: revm::DatabaseRef<Error: std::error::Error + Send + Sync + 'static>,
{
    let mut filled = Filled::default();
    let mut da_scaled: u64 = 0;
    let da_scaled_max = config.block_da_bytes_max.saturating_mul(1_000_000);
    let mut best = pool.best();
    while let Some(transaction) = best.next() {
        if Instant::now() >= deadline || builder.gas_left() < GAS_MIN {
            break;
        }
        let da_after = da_scaled.saturating_add(transaction.size_scaled());
        if transaction.gas_limit() > builder.gas_left() || da_after > da_scaled_max {
            best.skip_sender();
            continue;
        }
        match builder.execute(transaction.recovered()) {
            Ok(_) => {
                da_scaled = da_after;
                filled.included += 1;
            }
            Err(rejection) => {
                best.skip_sender();
                if !rejection.is_temporary() {
                    tracing::debug!(
                        hash = %transaction.hash(),
                        reason = %rejection,
                        "a pooled transaction turned out to be invalid"
                    );
                    metrics::counter!("sequencer_invalid_total").increment(1);
                    pool.remove(transaction.hash());
                }
            }
        }
    }
    filled
}

/// How long pool transactions may be executed for this block.
fn fill_budget(config: &SequencerConfig, rollup: &RollupConfig, timestamp: u64) -> Duration {
    let slot = Duration::from_secs(rollup.block_time);
    let budget = slot * config.fill_budget_permille / 1_000;
    let slots_behind = unix_seconds().saturating_sub(timestamp) / rollup.block_time;
    if slots_behind > BEHIND_SLOTS { budget / 4 } else { budget }
}

/// The configuration in force at `parent`'s end, from its L1 attributes; updates of the next
/// origin are applied by `derive::attributes`.
pub(crate) fn system_config_at(
    rollup: &RollupConfig,
    parent: &SealedBlock,
) -> Result<SystemConfig, derive::AttributesError> {
    if parent.number() == rollup.genesis.l2.number {
        return Ok(rollup.genesis.system_config);
    }
    derive::system_config_of(parent.block())
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Time until the second `timestamp` begins.
fn until(timestamp: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(timestamp).saturating_sub(now)
}
