//! Builds the unsafe chain: one block per slot from L1's deposits and the pool.
//!
//! The next block is opened as soon as its parent is sealed, so that its attributes, its base fee and
//! its timestamp are fixed; transactions are executed into it as they arrive and told of at once
//! ([`crate::pending`]); at its time it is sealed. Timestamps are strictly `block_time` apart; after a
//! pause the missing blocks are built at once. Each block takes the L1 origin that op-node's rules
//! give it when it is opened, or later while no user's transaction is in it. Nothing is announced as
//! sealed before it is durable: on the own disk and, where one is named, on that of the stand-in
//! ([`crate::feed::stand_in`]); until then no other block is sealed. A restart continues from the
//! store's head and needs L1 from the head's origin on (see [`l1_start`]).
//!
//! When L1 leaves the origin of built blocks, those are taken away, their users' transactions wait in
//! the pool again, and building goes on from the last block whose origin stands. When what is derived
//! from L1 is another chain, that one is taken over.
//!
//! All of it runs on one thread of its own: execution is never moved between threads and never keeps
//! the threads that serve clients.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::B256;
use derive::{L1Block, L1Event};
use primitives::{BlockNumHash, L1BlockRef, L2BlockRef, RollupConfig, SystemConfig};
use store::StoreError;
use tokio::{
    sync::{
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        mpsc, oneshot, watch,
    },
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Control, DaLimits},
    chain::{Chain, SealedBlock},
    config::SequencerConfig,
    error::{ControlError, SequencerError, VerifierError},
    feed::{message::Message, stand_in::StandIn},
    fence::{self, Claim, Fence, FollowedKey},
    l1::{Heard, L1Feed, L1Status, L1Window, Origin, Standing, choose_origin},
    lead::{Lead, Leadership},
    open_block::{DaMax, OpenBlock},
    pool::{Pool, PoolTransaction},
    reorg,
    unsafe_chain::{UnsafeChain, next_message},
    verifier::{self, DerivedHeads, SafeHeadUpdate},
};

/// L1 blocks held in memory; the watcher waits beyond it.
const L1_WINDOW_MAX: usize = 4_096;
/// Slots behind the clock from which blocks are built with a small budget, to catch up.
const BEHIND_SLOTS: u64 = 3;
/// Slots behind the clock from which an L1 watcher that is still reading is waited for.
const FAR_BEHIND_SLOTS: u64 = 10;
/// How long to wait for L1 when far behind, before building on the known origin.
const L1_WAIT: Duration = Duration::from_secs(3);
/// Arrivals taken from the pool before some of them are executed.
const ARRIVALS_AT_ONCE: usize = 1_024;
/// Under load arrivals are collected for so long before they are executed together: being woken and
/// telling of one transaction costs more than executing a transfer.
const PACE: Duration = Duration::from_micros(400);
/// The same while nobody waits for a receipt.
const PACE_UNAWAITED: Duration = Duration::from_millis(2);
/// How long nobody must have begun to wait for that.
const UNAWAITED: Duration = Duration::from_secs(1);
/// Times in a row that a transaction must come within a pace of the one before for that.
const STREAK: usize = 4;
/// How long arrivals are collected before anything else is heard.
const COLLECTING_MAX: Duration = Duration::from_millis(13);
/// How long a sequencer that starts again listens for another one before it goes on.
const OTHERS_WAIT: Duration = Duration::from_secs(3);
/// How far the clock may be behind where the chain expects it, beside the slot itself.
const CLOCK_BEHIND_MAX: Duration = Duration::from_secs(15);

/// How long a sequencer that is to stop waits for its stand-in.
const STAND_IN_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked at how long the stand-in has been waited for.
const STAND_IN_LOOK: Duration = Duration::from_secs(1);
/// Looks after which that is told, and after which again.
const STAND_IN_LOOKS_QUIET: u64 = 3;
const STAND_IN_LOOKS_AGAIN: u64 = 60;

/// The task that builds blocks.
pub struct Sequencer {
    rollup: Arc<RollupConfig>,
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    config: SequencerConfig,
    da_limits: Arc<DaLimits>,
    l1: L1Feed,
    safe_heads: DerivedHeads,
    /// The reset count of the last report followed.
    resets: u64,
    /// A report speaks of L1 blocks that were not heard yet.
    report_waits: bool,
    status: Arc<watch::Sender<L1Status>>,
    /// The newest sealed block; it may not be on disk yet.
    parent: Arc<SealedBlock>,
    /// Waits until it is.
    settling: Option<Settling>,
    /// It is to be acknowledged then.
    is_awaited: bool,
    /// It is on disk, and nobody hears of it before the stand-in has it. INVARIANT: there is a stand-in then, and no
    /// block is sealed on top of it.
    unacknowledged: Option<Unacknowledged>,
    stand_in: Option<Arc<StandIn>>,
    window: L1Window,
    /// The newest L1 blocks, also those before the window.
    heard: Heard,
    /// How far below the head's origin L1 is read again to find where it still is the same; doubles.
    depth: u64,
    /// When L1 was last heard of.
    heard_l1: Instant,
    /// When arrivals were last executed.
    woken: Instant,
    /// How often anybody began to wait for a receipt, and when the last one was noticed.
    waits: (usize, Instant),
    /// How often in a row that was within a pace of the time before.
    streak: usize,
    lead: Arc<Leadership>,
    control: mpsc::Receiver<Control>,
    /// What another sequencer does, while this one does nothing.
    unsafe_chain: Option<UnsafeChain>,
    /// When a sequencer that goes on after a restart begins, unless another one is heard of before.
    resumes: Instant,
    /// Whom L1 names for the feed.
    key: Option<FollowedKey>,
    /// What follows from it, for a node with a feed of its own.
    fence: Option<Fence>,
    /// A new node that begins by itself, as soon as L1 lets it.
    begins: bool,
    /// What kept it from that at last.
    begins_after: Option<std::mem::Discriminant<ControlError>>,
    /// It is in its term and has no lease.
    lapsed: bool,
    /// What the metrics say is left of the lease, seconds.
    lease_told: u64,
}

/// A sealed block on its way to the disk; what is given is to be acknowledged by the stand-in yet.
type Settling = JoinHandle<Result<Option<Unacknowledged>, StoreError>>;

/// A block that the stand-in is to have before anybody else hears of it.
struct Unacknowledged {
    block: Arc<SealedBlock>,
    origin: L1BlockRef,
    since: Instant,
    /// How often it was looked whether it still is.
    looks: u64,
}

impl Unacknowledged {
    fn new(block: Arc<SealedBlock>, origin: L1BlockRef) -> Self {
        Self { block, origin, since: Instant::now(), looks: 0 }
    }

    fn id(&self) -> BlockNumHash {
        self.block.block().id()
    }
}

/// What a sequencer is steered by.
pub(crate) struct Steering {
    pub(crate) lead: Arc<Leadership>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) unsafe_chain: Option<UnsafeChain>,
    pub(crate) key: Option<FollowedKey>,
    pub(crate) fence: Option<Fence>,
    pub(crate) begins: bool,
    pub(crate) stand_in: Option<Arc<StandIn>>,
    /// The head, of which nobody may hear before the stand-in has it.
    pub(crate) hidden: Option<Arc<SealedBlock>>,
}

/// Number of the L1 block from which a sequencer with this head needs events.
pub fn l1_start(head: &L2BlockRef) -> u64 {
    head.l1_origin.number
}

/// What the next block is built on.
#[derive(Clone)]
struct Slot {
    parent: L2BlockRef,
    origin: Arc<L1Block>,
    sequence_number: u64,
    empty: bool,
    timestamp: u64,
}

/// A block that takes transactions until it is sealed.
struct Open {
    slot: Slot,
    block: OpenBlock,
    /// When execution stops, so that the block can be sealed.
    deadline: Instant,
}

impl Sequencer {
    #[expect(clippy::too_many_arguments, reason = "everything that a sequencer touches")]
    pub(crate) fn new(
        rollup: Arc<RollupConfig>,
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        config: SequencerConfig,
        l1: L1Feed,
        safe_heads: DerivedHeads,
        status: Arc<watch::Sender<L1Status>>,
        steering: Steering,
    ) -> Result<Self, SequencerError> {
        let resets = safe_heads.updates.borrow().resets;
        let Steering { lead, control, unsafe_chain, key, fence, begins, stand_in, hidden } =
            steering;
        let wait = if unsafe_chain.is_some() { OTHERS_WAIT } else { Duration::ZERO };
        let mut parent = chain.head()?;
        let mut unacknowledged = None;
        if let (Some(hidden), Some(stand_in)) = (hidden, &stand_in) {
            let origin = status.borrow().current;
            stand_in.offer(Arc::clone(&hidden));
            parent = Arc::clone(&hidden);
            unacknowledged = Some(Unacknowledged::new(hidden, origin));
        }
        Ok(Self {
            lead,
            control,
            unsafe_chain,
            key,
            fence,
            begins,
            begins_after: None,
            lapsed: true,
            lease_told: 0,
            resumes: Instant::now() + wait,
            parent,
            settling: None,
            is_awaited: false,
            unacknowledged,
            stand_in,
            rollup,
            chain,
            pool,
            config,
            da_limits: Arc::default(),
            l1,
            resets,
            safe_heads,
            report_waits: false,
            status,
            window: L1Window::default(),
            heard: Heard::default(),
            depth: 0,
            heard_l1: Instant::now(),
            woken: Instant::now(),
            waits: (0, Instant::now()),
            streak: 0,
        })
    }

    /// Keeps blocks within limits that may change, beside the configured ones.
    #[must_use]
    pub fn with_da_limits(mut self, limits: Arc<DaLimits>) -> Self {
        self.da_limits = limits;
        self
    }

    /// Bytes of estimated compressed size of the next block, and of one transaction in it.
    fn da_max(&self) -> DaMax {
        let configured = self.config.block_da_bytes_max;
        let block = self.da_limits.block().map_or(configured, |limit| limit.min(configured));
        DaMax { block, transaction: self.da_limits.transaction().unwrap_or(block) }
    }

    /// Builds until `shutdown`. An error ends the node.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), SequencerError> {
        let (done, ended) = oneshot::channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("sequencer".to_owned())
            .spawn(move || {
                // Whoever waited may be gone.
                let _ = done.send(runtime.block_on(self.build_blocks(shutdown)));
            })
            .map_err(SequencerError::Thread)?;
        ended.await.map_err(|_| SequencerError::BuilderPanicked)?
    }

    async fn build_blocks(mut self, shutdown: CancellationToken) -> Result<(), SequencerError> {
        let mut arrivals = self.pool.subscribe();
        let mut watch_safe = true;
        let mut open = None;
        // Set once per block: setting a timer wakes the thread that drives it.
        let mut due = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut looks = tokio::time::interval(STAND_IN_LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.heed_l1(&mut open).await?;
            if open.is_none() {
                let idle = self.resumes.saturating_duration_since(Instant::now());
                if self.lead.get().active && idle.is_zero() && self.may_publish() {
                    open = self.open()?;
                }
                let idle = if idle.is_zero() { L1_WAIT } else { idle };
                let wait = open.as_ref().map_or(idle, |open| until(open.slot.timestamp));
                due.as_mut().reset(tokio::time::Instant::now() + wait);
            }
            let has_work = open.as_ref().is_some_and(|open| open.block.has_work());
            let takes_more = open.as_ref().is_some_and(|open| open.block.takes_more());
            let hears_l1 = self.window.len() < L1_WINDOW_MAX || self.needs_all_of_l1();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    // What was promised is kept, if before its time.
                    let promised = open.filter(|open| open.block.included() > 0);
                    if let Some(open) = promised.filter(|_| self.may_publish() && self.may_seal()) {
                        self.seal(open).await?;
                    }
                    // What the stand-in does not have is offered to it again after a restart.
                    return self.settled().await;
                }
                settled = settled(&mut self.settling), if self.settling.is_some() => {
                    self.settling = None;
                    self.offer(settled?);
                }
                () = released(self.stand_in.as_deref(), self.unacknowledged.as_ref()) => {
                    self.reveal();
                }
                _ = looks.tick(), if self.unacknowledged.is_some() => self.look_at_stand_in(),
                Some(control) = self.control.recv() => self.steer(control, &mut open).await?,
                changed = self.safe_heads.updates.changed(), if watch_safe => match changed {
                    Ok(()) => self.follow_safe_head(&mut open).await?,
                    Err(_) => watch_safe = false,
                },
                () = fence::asked(self.key.as_mut().map(|key| &mut key.view)) => self.look_at_l1(),
                event = self.l1.next(), if hears_l1 => {
                    match event {
                        Some(event) => {
                            self.hear_l1(event, &mut open).await?;
                            if self.report_waits {
                                self.follow_safe_head(&mut open).await?;
                            }
                            open = self.reconsider(open)?;
                        }
                        // The watcher ended; when it failed, its own error ends the node.
                        None if shutdown.is_cancelled() => return Ok(()),
                        None => return Err(SequencerError::L1Closed),
                    }
                }
                message = next_message(&mut self.unsafe_chain) => {
                    self.hear_other(message, &mut open).await?;
                }
                () = &mut due, if open.is_none() || self.may_seal() => {
                    if !self.may_publish() {
                        self.discard(&mut open);
                    }
                    if let Some(open) = open.take() {
                        self.seal(open).await?;
                    }
                }
                // What the pool says while the block is full is in the pool when the next one opens.
                arrival = arrivals.recv(), if takes_more && !has_work => {
                    if let Some(open) = &mut open {
                        self.receive(open, arrival, &mut arrivals)?;
                    }
                }
                () = std::future::ready(()), if has_work => {
                    if let Some(open) = &mut open {
                        self.receive_more(open, &mut arrivals);
                        self.execute_part(open)?;
                    }
                }
            }
        }
    }

    /// Does as an operator asks.
    async fn steer(
        &mut self,
        control: Control,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        // Whoever asked may be gone.
        match control {
            Control::Stop(answer) => {
                let _ = answer.send(self.stop(open, false).await?);
            }
            Control::Start { head, overridden, answer } => {
                let _ = answer.send(self.start(head, overridden).await?);
            }
        }
        Ok(())
    }

    /// Whether L1 gives this node the right to publish now.
    fn may_publish(&self) -> bool {
        self.fence.as_ref().is_none_or(|fence| fence.lease().holds())
    }

    /// A node that may not build must know whom L1 names at its newest block, however far behind its own
    /// chain is.
    fn needs_all_of_l1(&self) -> bool {
        self.fence.is_some() && !(self.lead.get().active && self.may_publish())
    }

    /// Draws what follows from whom L1 names now.
    fn look_at_l1(&mut self) {
        let Some(key) = &self.key else { return };
        let listens_to = match &mut self.fence {
            Some(fence) => {
                fence.look(&key.view);
                fence.listens_to(&key.view, &self.lead.get(), fence::clock())
            }
            None => key.view.latest(),
        };
        key.follow(listens_to);
    }

    /// Ends the term when L1 names another key, stands still in it without a lease, and begins the first one.
    async fn heed_l1(&mut self, open: &mut Option<Open>) -> Result<(), SequencerError> {
        let Some(fence) = &self.fence else { return Ok(()) };
        let left = fence.left(fence::clock());
        if self.lease_told != left.as_secs() {
            self.lease_told = left.as_secs();
            metrics::gauge!("sequencer_lease_seconds").set(left.as_secs() as f64);
        }
        let lead = self.lead.get();
        if !lead.active {
            if self.begins && self.resumes <= Instant::now() {
                self.begin_first(lead).await?;
            }
            return Ok(());
        }
        if let Some(named) = fence.replaced() {
            tracing::error!(
                own = %fence.own(), %named, term = lead.term,
                "L1 names another key for the feed: this sequencer resigns"
            );
            metrics::counter!("sequencer_replaced_on_l1_total").increment(1);
            match self.stop(open, true).await? {
                Ok(_) => self.look_at_l1(),
                Err(error) => return Err(SequencerError::Resign(error)),
            }
            return Ok(());
        }
        let holds = !left.is_zero();
        if self.lapsed == holds {
            self.lapsed = !holds;
            if holds {
                tracing::warn!(own = %fence.own(), "L1 names this sequencer: it builds");
            } else {
                tracing::error!(
                    own = %fence.own(),
                    "no L1 block that names this sequencer is young enough (max_sequencer_drift): it builds nothing \
                     until it hears of one"
                );
                metrics::counter!("sequencer_lease_lapses_total").increment(1);
            }
        }
        if !holds {
            self.discard(open);
        }
        Ok(())
    }

    /// Begins the first term of a new node, if nobody can be sequencing.
    async fn begin_first(&mut self, lead: Lead) -> Result<(), SequencerError> {
        if lead != Lead::default() {
            // Somebody else was heard of meanwhile.
            self.begins = false;
            return Ok(());
        }
        let named = match self.may_begin(Claim::None) {
            Ok(named) => named,
            Err(reason) => {
                let kind = Some(std::mem::discriminant(&reason));
                if self.begins_after != kind {
                    self.begins_after = kind;
                    tracing::warn!(%reason, "the sequencer does not begin yet");
                }
                return Ok(());
            }
        };
        self.begins = false;
        self.settled().await?;
        self.parent = self.chain.head()?;
        self.begin(named).map_err(SequencerError::Begin)
    }

    /// Whether L1 lets a term begin; gives the number of the L1 block that lets it.
    fn may_begin(&self, claim: Claim) -> Result<u64, ControlError> {
        match (&self.fence, &self.key) {
            (Some(fence), Some(key)) => {
                let lead = self.lead.get();
                let resigned = fence::resigned_at(&self.rollup, &lead);
                fence.may_begin(&key.view, &lead, claim, resigned, fence::clock())
            }
            _ => Ok(0),
        }
    }

    /// Begins a term, on disk first.
    fn begin(&mut self, named: u64) -> std::io::Result<()> {
        // Above the terms of whoever was named before, whether it was heard of or not.
        let least = if self.fence.is_some() { named.saturating_add(1) } else { 0 };
        self.lead.begin(least)?;
        let term = self.lead.get().term;
        if let Some(fence) = &mut self.fence {
            fence.begun(named);
        }
        if let Some(unsafe_chain) = &mut self.unsafe_chain {
            unsafe_chain.hold(term);
        }
        (self.resumes, self.lapsed) = (Instant::now(), false);
        self.look_at_l1();
        let head = self.parent.block().id();
        tracing::warn!(term, number = head.number, hash = %head.hash, "the sequencer was started");
        Ok(())
    }

    /// Seals what was promised and ends the term; the last block is durable and announced before anybody
    /// hears of the end. A block that the stand-in does not acknowledge keeps it from ending, or is taken away if
    /// `gives_up`.
    async fn stop(
        &mut self,
        open: &mut Option<Open>,
        gives_up: bool,
    ) -> Result<Result<B256, ControlError>, SequencerError> {
        if !self.lead.get().active {
            return Ok(Err(ControlError::NotRunning));
        }
        if let Err(refused) = self.end_unacknowledged(open, gives_up).await? {
            return Ok(Err(refused));
        }
        match open.take() {
            Some(open) if open.block.included() > 0 && self.may_publish() => {
                self.seal(open).await?;
            }
            other => {
                *open = other;
                self.discard(open);
            }
        }
        if let Err(refused) = self.end_unacknowledged(open, gives_up).await? {
            return Ok(Err(refused));
        }
        let last = self.parent.block().id();
        if let Err(error) = self.lead.end(Some(last)) {
            return Ok(Err(ControlError::Record(error.to_string())));
        }
        tracing::warn!(number = last.number, hash = %last.hash, "the sequencer was stopped");
        Ok(Ok(last.hash))
    }

    /// Begins a term if nobody else can be sequencing.
    async fn start(
        &mut self,
        asked: B256,
        overridden: bool,
    ) -> Result<Result<(), ControlError>, SequencerError> {
        let lead = self.lead.get();
        if lead.active {
            return Ok(Err(ControlError::Running));
        }
        self.settled().await?;
        let head = self.chain.heads().unsafe_head;
        if head.hash != asked {
            return Ok(Err(ControlError::OtherHead { head: head.hash, asked }));
        }
        let heard = self.unsafe_chain.as_ref().and_then(UnsafeChain::leader);
        let listens = self.unsafe_chain.is_some();
        let has = |block: BlockNumHash| {
            let own = self.chain.l2_block_ref(block.number).ok().flatten();
            own.is_some_and(|own| own.hash == block.hash)
        };
        let claim = match fence::claim(&self.rollup, &lead, heard, listens, head, has) {
            Ok(claim) => claim,
            Err(_) if overridden => fence::own_claim(&lead),
            Err(reason) => return Ok(Err(reason)),
        };
        let named = match self.may_begin(claim) {
            Ok(named) => named,
            Err(reason) => return Ok(Err(reason)),
        };
        self.parent = self.chain.head()?;
        if let Some(reason) = self.unready()? {
            return Ok(Err(reason));
        }
        if let Err(error) = self.begin(named) {
            return Ok(Err(ControlError::Record(error.to_string())));
        }
        Ok(Ok(()))
    }

    /// What keeps the node from building on its head: it has not heard L1 up to the head's origin. What
    /// does not come by itself is asked for.
    fn unready(&mut self) -> Result<Option<ControlError>, SequencerError> {
        let origin = self.parent_reference()?.l1_origin.number;
        if self.window.get(origin).is_some() {
            return Ok(None);
        }
        let is_below = self.window.head().is_none_or(|last| last.number < origin);
        let is_coming = self.l1.awaits() || is_below && self.window.len() < L1_WINDOW_MAX;
        if !is_coming {
            self.need_origin()?;
        }
        Ok(Some(ControlError::NoOrigin { origin }))
    }

    /// Follows another sequencer, or makes way for it.
    async fn hear_other(
        &mut self,
        message: Message,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        let Some(unsafe_chain) = &mut self.unsafe_chain else { return Ok(()) };
        let follow = |error| SequencerError::Follow(Box::new(error));
        let lead = self.lead.get();
        if lead.active && message.term <= lead.term {
            return Ok(());
        }
        if lead.active {
            tracing::error!(
                own = lead.term,
                other = message.term,
                "another sequencer was started: this one makes way"
            );
            metrics::counter!("sequencer_fenced_total").increment(1);
            unsafe_chain.notice(&message).map_err(follow)?;
            self.lead.end(None).map_err(|error| follow(VerifierError::Lead(error)))?;
            self.settled().await?;
            self.take_back(open)?;
        }
        let Some(unsafe_chain) = &mut self.unsafe_chain else { return Ok(()) };
        if unsafe_chain.hear(message).await.map_err(follow)?.is_some() {
            self.parent = self.chain.head()?;
            let origin = self.parent_reference()?.l1_origin;
            self.window.prune_below(origin.number);
        }
        Ok(())
    }

    /// Opens the next block and, if it is late, fills it at once; `None` while L1 must be heard
    /// first.
    fn open(&mut self) -> Result<Option<Open>, SequencerError> {
        let Some(slot) = self.next_slot()? else { return Ok(None) };
        let started = Instant::now();
        let rollup = &*self.rollup;
        // A stopped node seals its open block early: the next one may be two slots away.
        let allowed = Duration::from_secs(rollup.block_time.saturating_mul(2)) + CLOCK_BEHIND_MAX;
        if until(slot.timestamp) > allowed {
            return Err(SequencerError::ClockBehind {
                clock: unix_seconds(),
                head: slot.parent.timestamp,
            });
        }
        let parent = &self.parent;
        let system_config = system_config_at(rollup, parent)?;
        let mut attributes = derive::attributes(
            rollup,
            &system_config,
            &slot.parent,
            &slot.origin,
            slot.sequence_number,
            slot.timestamp,
        )?;
        attributes.no_tx_pool = slot.empty;
        let mut block = OpenBlock::open(&self.chain, parent, &attributes, self.da_max())?;
        if !slot.empty {
            self.pool.best().for_each(|transaction| block.push(transaction));
        }
        let wait = until(slot.timestamp);
        let deadline = started + wait.max(fill_budget(&self.config, rollup, slot.timestamp));
        let mut open = Open { slot, block, deadline };
        if wait.is_zero() {
            while open.block.has_work() && Instant::now() < deadline {
                self.execute_part(&mut open)?;
            }
        }
        Ok(Some(open))
    }

    /// Takes the newest L1 origin while nothing was promised on the one chosen at first.
    fn reconsider(&self, open: Option<Open>) -> Result<Option<Open>, SequencerError> {
        let Some(open) = open else { return Ok(None) };
        if open.block.included() > 0 {
            return Ok(Some(open));
        }
        let same = self.next_slot()?.is_some_and(|slot| {
            slot.origin.hash == open.slot.origin.hash && slot.empty == open.slot.empty
        });
        if !same {
            self.chain.pending().set_open(None);
        }
        Ok(same.then_some(open))
    }

    /// Executes what arrived, one transaction or a burst.
    fn receive(
        &mut self,
        open: &mut Open,
        arrival: Result<Arc<PoolTransaction>, RecvError>,
        arrivals: &mut broadcast::Receiver<Arc<PoolTransaction>>,
    ) -> Result<(), SequencerError> {
        match arrival {
            Ok(transaction) => open.block.push(transaction),
            Err(RecvError::Lagged(_)) => self.refill(open),
            // The pool lives as long as this task.
            Err(RecvError::Closed) => {}
        }
        self.receive_more(open, arrivals);
        self.execute_part(open)?;
        let now = Instant::now();
        let close = now.duration_since(self.woken) < PACE;
        self.woken = now;
        self.streak = if close { self.streak + 1 } else { 0 };
        if self.streak < STREAK {
            return Ok(());
        }
        let end = open.deadline.min(now + COLLECTING_MAX);
        loop {
            let pace = self.pace();
            if Instant::now() + pace >= end {
                break;
            }
            std::thread::sleep(pace);
            let arrived = arrivals.len();
            self.receive_more(open, arrivals);
            self.execute_part(open)?;
            if arrived < 2 {
                // Nothing is gained any more.
                self.streak = 0;
                break;
            }
        }
        self.woken = Instant::now();
        Ok(())
    }

    /// How long arrivals are collected now.
    fn pace(&mut self) -> Duration {
        let waits = self.chain.pending().waits();
        if waits != self.waits.0 {
            self.waits = (waits, Instant::now());
        }
        if self.waits.1.elapsed() < UNAWAITED { PACE } else { PACE_UNAWAITED }
    }

    fn receive_more(
        &self,
        open: &mut Open,
        arrivals: &mut broadcast::Receiver<Arc<PoolTransaction>>,
    ) {
        for _ in 0..ARRIVALS_AT_ONCE {
            match arrivals.try_recv() {
                Ok(transaction) => open.block.push(transaction),
                Err(TryRecvError::Lagged(_)) => self.refill(open),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Arrivals were missed: the pool has them.
    fn refill(&self, open: &mut Open) {
        self.pool.best().for_each(|transaction| open.block.push(transaction));
    }

    fn execute_part(&self, open: &mut Open) -> Result<(), SequencerError> {
        open.block.execute_part(&self.pool, self.chain.pending(), open.deadline)
    }

    /// What to build next; `None` while L1 must be heard first.
    fn next_slot(&self) -> Result<Option<Slot>, SequencerError> {
        let rollup = &*self.rollup;
        let parent = self.parent_reference()?;
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

    fn parent_reference(&self) -> Result<L2BlockRef, SequencerError> {
        let number = self.parent.number();
        self.chain.l2_block_ref(number)?.ok_or(SequencerError::MissingReference(number))
    }

    async fn hear_l1(
        &mut self,
        event: L1Event,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        self.heard_l1 = Instant::now();
        if let Some(key) = &mut self.key {
            key.view.hear(&event);
        }
        self.look_at_l1();
        match event {
            L1Event::Block(block) => self.hear_block(block, open).await?,
            L1Event::Reorg { common } => {
                self.status.send_modify(|status| status.head = common);
                self.heard.truncate_above(common.number);
                self.window.truncate_above(common.number);
                if open.as_ref().is_some_and(|open| open.slot.origin.number > common.number) {
                    self.discard(open);
                }
                self.leave_origins(BlockNumHash { number: common.number, hash: common.hash }, open)
                    .await?;
            }
            // The feed takes the answers to what was asked.
            L1Event::Restart { .. } => {}
            L1Event::Finalized(block) => {
                self.status.send_modify(|status| status.finalized = block);
            }
        }
        Ok(())
    }

    /// Up to the head's origin L1 must have the blocks on which L2 was built.
    async fn hear_block(
        &mut self,
        block: Arc<L1Block>,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        let reference = block.block_ref();
        let id = BlockNumHash { number: reference.number, hash: reference.hash };
        let head = self.parent_reference()?;
        if id.number <= head.l1_origin.number && id.number >= self.rollup.genesis.l1.number {
            let built = reorg::last_with_origin(&self.chain, head.number, id.number)?
                .ok_or(SequencerError::GenesisReplaced(self.rollup.genesis.l1))?;
            if built.l1_origin != id {
                if id == self.rollup.genesis.l1 || id.number == self.rollup.genesis.l1.number {
                    return Err(SequencerError::GenesisReplaced(self.rollup.genesis.l1));
                }
                let before = id.number - 1;
                if self.window.head().is_none_or(|last| last.number != before) {
                    return self.search_below(id.number);
                }
                // The block before was heard, and is the one built on.
                self.unwind_to_origin(before, open).await?;
            }
            self.depth = 0;
        }
        self.heard.push(id);
        let mut block = block;
        if !block.inbox.is_empty() {
            // Batches are derivation's; this window can become long.
            Arc::make_mut(&mut block).inbox = Vec::new();
        }
        self.window.push(block)?;
        // A watcher that serves a verifier, too, begins earlier than this needs.
        let origin = self.parent_reference()?.l1_origin.number;
        self.window.prune_below(origin.min(id.number));
        self.status.send_modify(|status| status.head = reference);
        Ok(())
    }

    /// L1 has nothing above `common` any more: blocks with later origins go.
    async fn leave_origins(
        &mut self,
        common: BlockNumHash,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        let origin = self.parent_reference()?.l1_origin;
        if origin.number < common.number || origin == common {
            return Ok(());
        }
        let head = self.parent.number();
        let built = reorg::last_with_origin(&self.chain, head, common.number)?
            .ok_or(SequencerError::GenesisReplaced(self.rollup.genesis.l1))?;
        if built.l1_origin == common {
            return self.unwind_to_origin(common.number, open).await;
        }
        // The watcher remembers less than this chain is built on.
        self.search_below(common.number)
    }

    /// Reads L1 again from further below `number`, which is not the block built on, to find where the
    /// chains part.
    fn search_below(&mut self, number: u64) -> Result<(), SequencerError> {
        self.depth = self.depth.saturating_mul(2).max(1);
        let from = number.saturating_sub(self.depth).max(self.rollup.genesis.l1.number);
        self.window.clear();
        Ok(self.l1.restart(from)?)
    }

    /// Takes away every block with an origin above L1 block `number`.
    async fn unwind_to_origin(
        &mut self,
        number: u64,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        let head = self.parent.number();
        let target = reorg::last_with_origin(&self.chain, head, number)?
            .ok_or(SequencerError::GenesisReplaced(self.rollup.genesis.l1))?;
        self.unwind_to(target.number, open).await?;
        self.need_origin()
    }

    async fn unwind_to(
        &mut self,
        number: u64,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        self.settled().await?;
        self.take_back(open)?;
        if self.chain.heads().unsafe_head.number > number {
            reorg::unwind(&self.chain, &self.pool, number)?;
        }
        self.parent = self.chain.head()?;
        if let Some(unsafe_chain) = &mut self.unsafe_chain {
            unsafe_chain.moved();
        }
        Ok(())
    }

    /// Makes sure that the head's origin is or comes into the window.
    fn need_origin(&mut self) -> Result<(), SequencerError> {
        let origin = self.parent_reference()?.l1_origin;
        if self.window.get(origin.number).is_none() {
            self.window.clear();
            self.l1.restart(origin.number)?;
        }
        Ok(())
    }

    /// Gives up the block in the making; its transactions are still in the pool.
    fn discard(&self, open: &mut Option<Open>) {
        if open.take().is_some() {
            self.chain.pending().set_open(None);
        }
    }

    /// Compares what was derived from L1 with what was built.
    async fn follow_safe_head(&mut self, open: &mut Option<Open>) -> Result<(), SequencerError> {
        let update = *self.safe_heads.updates.borrow_and_update();
        self.report_waits = false;
        let standing = self.heard.standing(update.derived_from);
        if standing == Standing::Foreign {
            // One of the two has not heard of a reorganisation yet; the verifier will report again.
            return Ok(());
        }
        // On disk, so that the heads can point at it.
        self.settled().await?;
        match self.unacknowledged.as_ref().map(Unacknowledged::id) {
            // Everybody has it from L1.
            Some(hidden) if hidden == update.safe => self.reveal(),
            Some(hidden) if hidden.number <= update.safe.number => self.take_back(open)?,
            Some(_) | None => {}
        }
        let heads = self.chain.heads();
        let may_go_back = update.resets != self.resets;
        if !may_go_back
            && update.safe.number <= heads.safe.number
            && update.finalized.number <= heads.finalized.number
        {
            // A verifier that starts anew derives again what is known to be safe.
            return Ok(());
        }
        for derived in [update.safe, update.finalized] {
            let built = self.chain.l2_block_ref(derived.number)?.map(|block| block.id());
            if built != Some(derived) {
                return match standing {
                    Standing::Canonical => self.adopt(update, derived, open).await,
                    Standing::Ahead => {
                        self.report_waits = true;
                        Ok(())
                    }
                    Standing::Foreign | Standing::Unknown => Ok(()),
                };
            }
        }
        self.resets = update.resets;
        let later = |a: BlockNumHash, b: BlockNumHash| if a.number >= b.number { a } else { b };
        let safe = if may_go_back { update.safe } else { later(update.safe, heads.safe) };
        let finalized = later(update.finalized, heads.finalized);
        let finalized = if finalized.number > safe.number { safe } else { finalized };
        self.chain.set_safe(safe, finalized)?;
        metrics::gauge!("chain_safe_number").set(safe.number as f64);
        Ok(())
    }

    /// The chain that L1 gives is another: takes it over from the verifier, from where the two part.
    async fn adopt(
        &mut self,
        update: SafeHeadUpdate,
        derived: BlockNumHash,
        open: &mut Option<Open>,
    ) -> Result<(), SequencerError> {
        let head = self.chain.heads().unsafe_head;
        let Some((source, _)) = self.safe_heads.derived.clone() else {
            return Err(match self.chain.l2_block_ref(derived.number)? {
                Some(built) => SequencerError::SafeMismatch { built: built.id(), derived },
                None => SequencerError::SafeAhead { derived, head },
            });
        };
        let (mut low, mut high) =
            (self.chain.genesis_number(), head.number.min(update.safe.number));
        while low < high {
            let middle = high - (high - low) / 2;
            let same = source.l2_block_ref(middle)?.map(|block| block.hash)
                == self.chain.l2_block_ref(middle)?.map(|block| block.hash);
            if same { low = middle } else { high = middle - 1 }
        }
        if low < head.number {
            tracing::error!(
                common = low,
                derived = update.safe.number,
                head = head.number,
                "L1 gives another chain than was built: it is taken over"
            );
            metrics::counter!("sequencer_adoptions_total").increment(1);
            self.unwind_to(low, open).await?;
        } else {
            // Nothing was built beyond; a sequencer that stands by has not heard that far.
            self.settled().await?;
            self.take_back(open)?;
        }
        for number in low + 1..=update.safe.number {
            // Gone again: the verifier reports what it has then.
            let Some(block) = source.block(number)? else { break };
            let Some(reference) = source.l2_block_ref(number)? else { break };
            let attributes = derive::attributes_of(block.block(), &reference);
            let executed = verifier::execute(&self.chain, &self.pool, &attributes)
                .map_err(|error| SequencerError::Adopt(Box::new(error)))?;
            let sealed = executed?;
            self.chain.announce(Arc::clone(&sealed));
            self.parent = sealed;
        }
        if let Some(unsafe_chain) = &mut self.unsafe_chain {
            unsafe_chain.moved();
        }
        self.resets = update.resets;
        let safe = self.parent_reference()?.id();
        let finalized = self.chain.heads().finalized;
        self.chain.set_safe(safe, finalized)?;
        self.need_origin()
    }

    /// Seals a block. While another thread waits until it is on disk and announces it then, the next
    /// one is opened.
    async fn seal(&mut self, open: Open) -> Result<(), SequencerError> {
        let started = Instant::now();
        let Open { slot, block, .. } = open;
        let included = block.included();
        let executed = block.seal(&self.chain)?;
        let rooted = started.elapsed();
        // One block at a time is on its way to the disk.
        self.settled().await?;
        let (unsettled, changed) = self.chain.append(executed)?;
        self.chain.pending().seal();
        let sealed = Arc::clone(&unsettled.sealed);
        self.pool.on_block(self.chain.pool_head_of(&sealed), changed);
        if sealed.number() % 64 == 0 {
            self.pool.expire(Instant::now());
        }
        let origin = slot.origin.block_ref();
        tracing::info!(
            number = sealed.number(),
            txs = sealed.transactions().len(),
            gas = sealed.header().gas_used,
            roots_ms = rooted.as_millis() as u64,
            seal_ms = started.elapsed().as_millis() as u64,
            origin = origin.number,
            hash = %sealed.hash(),
            "block"
        );
        metrics::counter!("sequencer_blocks_total").increment(1);
        metrics::counter!("sequencer_transactions_total").increment(included as u64);
        metrics::histogram!("sequencer_seal_seconds").record(started.elapsed().as_secs_f64());
        self.parent = sealed;
        self.window.prune_below(origin.number);
        let (chain, status) = (Arc::clone(&self.chain), Arc::clone(&self.status));
        let is_awaited = self.stand_in.as_ref().is_some_and(|stand_in| stand_in.is_named());
        self.is_awaited = is_awaited;
        self.settling = Some(tokio::task::spawn_blocking(move || {
            let sealed = chain.sync(unsettled)?;
            metrics::histogram!("sequencer_durable_seconds")
                .record(started.elapsed().as_secs_f64());
            if is_awaited {
                return Ok(Some(Unacknowledged::new(sealed, origin)));
            }
            reveal(&chain, &status, sealed, origin);
            Ok(None)
        }));
        Ok(())
    }

    /// Waits until the newest sealed block is on disk, and announced unless the stand-in is to have it first.
    async fn settled(&mut self) -> Result<(), SequencerError> {
        let result = settled(&mut self.settling).await;
        self.settling = None;
        self.offer(result?);
        Ok(())
    }

    /// Whether another block may be sealed: there is at most one that the stand-in does not have.
    fn may_seal(&self) -> bool {
        self.unacknowledged.is_none() && (self.settling.is_none() || !self.is_awaited)
    }

    fn offer(&mut self, unacknowledged: Option<Unacknowledged>) {
        let (Some(unacknowledged), Some(stand_in)) = (unacknowledged, &self.stand_in) else {
            return;
        };
        stand_in.offer(Arc::clone(&unacknowledged.block));
        self.unacknowledged = Some(unacknowledged);
    }

    /// The stand-in has the block, or nobody waits for that any more.
    fn reveal(&mut self) {
        let Some(Unacknowledged { block, origin, since, looks }) = self.withdraw() else { return };
        metrics::histogram!("sequencer_acknowledged_seconds").record(since.elapsed().as_secs_f64());
        if looks > STAND_IN_LOOKS_QUIET {
            tracing::warn!(number = block.number(), "the stand-in has the block: building goes on");
        }
        reveal(&self.chain, &self.status, block, origin);
    }

    fn withdraw(&mut self) -> Option<Unacknowledged> {
        metrics::gauge!("sequencer_stand_in_awaited_seconds").set(0.0);
        if let Some(stand_in) = &self.stand_in {
            stand_in.withdraw();
        }
        self.unacknowledged.take()
    }

    /// Gives up the block in the making, and the one below it if nobody but the stand-in can have heard of it.
    fn take_back(&mut self, open: &mut Option<Open>) -> Result<(), SequencerError> {
        self.discard(open);
        if let Some(Unacknowledged { block, .. }) = self.withdraw() {
            reorg::drop_hidden(&self.chain, &self.pool, block)?;
            self.parent = self.chain.head()?;
        }
        Ok(())
    }

    /// Sees to it that no block is left that the stand-in does not have; refused where one would have to be taken away.
    async fn end_unacknowledged(
        &mut self,
        open: &mut Option<Open>,
        gives_up: bool,
    ) -> Result<Result<(), ControlError>, SequencerError> {
        match self.still_unacknowledged().await? {
            Some(number) if !gives_up => return Ok(Err(ControlError::Unacknowledged(number))),
            Some(_) => self.take_back(open)?,
            None => {}
        }
        Ok(Ok(()))
    }

    /// The number of the block that the stand-in did not acknowledge though it was waited for.
    async fn still_unacknowledged(&mut self) -> Result<Option<u64>, SequencerError> {
        self.settled().await?;
        let (Some(stand_in), Some(awaited)) = (&self.stand_in, &self.unacknowledged) else {
            return Ok(None);
        };
        let id = awaited.id();
        if tokio::time::timeout(STAND_IN_WAIT, stand_in.released(id)).await.is_err() {
            return Ok(Some(id.number));
        }
        self.reveal();
        Ok(None)
    }

    fn look_at_stand_in(&mut self) {
        let Some(awaited) = &mut self.unacknowledged else { return };
        awaited.looks += 1;
        let waited = awaited.since.elapsed();
        metrics::gauge!("sequencer_stand_in_awaited_seconds").set(waited.as_secs_f64());
        if awaited.looks % STAND_IN_LOOKS_AGAIN == STAND_IN_LOOKS_QUIET {
            tracing::error!(
                number = awaited.id().number,
                seconds = waited.as_secs(),
                "the stand-in does not acknowledge the block: nothing more is built before it does, or another one or \
                 none is named (admin_setStandIn)"
            );
        }
    }
}

/// Tells everybody of a block that is durable.
fn reveal(
    chain: &Chain,
    status: &watch::Sender<L1Status>,
    sealed: Arc<SealedBlock>,
    origin: L1BlockRef,
) {
    let number = sealed.number();
    chain.reveal(&sealed);
    metrics::gauge!("chain_unsafe_number").set(number as f64);
    status.send_modify(|status| status.current = origin);
    chain.pending().settle(number);
    chain.announce(sealed);
}

/// The end of a wait for the disk; at once if there is none.
async fn settled(
    settling: &mut Option<Settling>,
) -> Result<Option<Unacknowledged>, SequencerError> {
    match settling {
        Some(settling) => Ok(settling.await.map_err(|_| SequencerError::BuilderPanicked)??),
        None => Ok(None),
    }
}

/// Returns when the stand-in has the block; never if there is none.
async fn released(stand_in: Option<&StandIn>, unacknowledged: Option<&Unacknowledged>) {
    match (stand_in, unacknowledged) {
        (Some(stand_in), Some(unacknowledged)) => stand_in.released(unacknowledged.id()).await,
        _ => std::future::pending().await,
    }
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
