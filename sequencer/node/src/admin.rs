//! What an operator reads and changes while the node runs, over the authenticated port.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alloy_primitives::{Address, B256};
use primitives::BlockNumHash;
use tokio::sync::{mpsc, oneshot};

use crate::{
    batching::BatcherSwitch,
    error::ControlError,
    feed::stand_in::StandIn,
    lead::{Lead, Leadership},
};

/// Limits on what a block costs in data availability, set while the node runs, as a batcher with a backlog
/// does (op-geth's `miner_setMaxDASize`). Bytes of estimated compressed size; 0 is no limit.
#[derive(Debug, Default)]
pub struct DaLimits {
    transaction: AtomicU64,
    block: AtomicU64,
    /// Whether somebody has set them.
    told: AtomicBool,
}

impl DaLimits {
    /// From the next opened block on. A transaction beyond its limit waits in the pool. Whether this is
    /// news: the first that is heard of them, or others than before.
    pub fn set(&self, transaction: u64, block: u64) -> bool {
        let of_transaction = self.transaction.swap(transaction, Ordering::Relaxed);
        let of_block = self.block.swap(block, Ordering::Relaxed);
        let first = !self.told.swap(true, Ordering::Relaxed);
        first || (of_transaction, of_block) != (transaction, block)
    }

    /// Of one transaction.
    pub fn transaction(&self) -> Option<u64> {
        Some(self.transaction.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Of a block.
    pub fn block(&self) -> Option<u64> {
        Some(self.block.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }
}

/// What a sequencer is asked for.
#[derive(Debug)]
pub(crate) enum Control {
    /// The hash of the last block is the answer.
    Stop(oneshot::Sender<Result<B256, ControlError>>),
    /// On this head.
    Start { head: B256, overridden: bool, answer: oneshot::Sender<Result<(), ControlError>> },
}

/// Who has to acknowledge each block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandInStatus {
    pub address: Option<Address>,
    pub connected: bool,
    /// Its head, as it said last.
    pub acknowledged: Option<BlockNumHash>,
    /// The block that nobody hears of before it has acknowledged it.
    pub awaited: Option<BlockNumHash>,
    pub awaited_seconds: u64,
}

/// Starts and stops the sequencer of this node (hand-over).
#[derive(Debug, Default)]
pub struct SequencerControl {
    /// Of a sequencer's node only.
    running: Option<(mpsc::Sender<Control>, Arc<Leadership>)>,
    /// Of one with a feed.
    stand_in: Option<(Arc<StandIn>, Address)>,
    /// Whether L1 says who may publish.
    fenced: bool,
    /// The next start need not wait for another sequencer's word.
    overridden: AtomicBool,
}

impl SequencerControl {
    pub(crate) fn new(asked: mpsc::Sender<Control>, lead: Arc<Leadership>, fenced: bool) -> Self {
        let overridden = AtomicBool::new(false);
        Self { running: Some((asked, lead)), stand_in: None, fenced, overridden }
    }

    /// With the stand-in of the feed that `own` signs.
    pub(crate) fn with_stand_in(mut self, stand_in: Arc<StandIn>, own: Address) -> Self {
        self.stand_in = Some((stand_in, own));
        self
    }

    fn running(&self) -> Result<&(mpsc::Sender<Control>, Arc<Leadership>), ControlError> {
        self.running.as_ref().ok_or(ControlError::NoSequencer)
    }

    /// Whether this node builds blocks.
    pub fn active(&self) -> Result<bool, ControlError> {
        Ok(self.running()?.1.get().active)
    }

    /// Whether this node has heard of no sequencer, itself included.
    pub fn knows_none(&self) -> Result<bool, ControlError> {
        Ok(self.running()?.1.get() == Lead::default())
    }

    /// Ends the term. The hash of its last block, which is durable and published, comes back.
    pub async fn stop(&self) -> Result<B256, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Control::Stop(answer)).await?;
        answered.await.map_err(|_| ControlError::Stopping)?
    }

    /// Begins a term on this head, which must be the node's.
    pub async fn start(&self, head: B256) -> Result<(), ControlError> {
        let (answer, answered) = oneshot::channel();
        let overridden = self.overridden.swap(false, Ordering::AcqRel);
        self.ask(Control::Start { head, overridden, answer }).await?;
        answered.await.map_err(|_| ControlError::Stopping)?
    }

    /// The next start, and only that, does without the resignation of another sequencer: L1 must name this
    /// node's key, and must have done so for long enough that the other one has stopped.
    pub fn override_leader(&self) -> Result<(), ControlError> {
        self.running()?;
        if !self.fenced {
            return Err(ControlError::Unfenced);
        }
        tracing::warn!("the next start does without the resignation of another sequencer");
        self.overridden.store(true, Ordering::Release);
        Ok(())
    }

    /// Names the stand-in that must acknowledge each block from now on, or none. Until the node is started again.
    pub fn set_stand_in(&self, named: Option<Address>) -> Result<(), ControlError> {
        let (stand_in, own) = self.stand_in()?;
        if named == Some(*own) {
            return Err(ControlError::OwnStandIn(*own));
        }
        stand_in.name(named);
        Ok(())
    }

    /// Who has to acknowledge each block, and how far that has come.
    pub fn stand_in_status(&self) -> Result<StandInStatus, ControlError> {
        let state = self.stand_in()?.0.state();
        let awaited = state.offered.as_ref();
        Ok(StandInStatus {
            address: state.named,
            connected: state.is_connected(),
            acknowledged: state.acknowledged,
            awaited: awaited.map(|(block, _)| block.block().id()),
            awaited_seconds: awaited.map_or(0, |(_, since)| since.elapsed().as_secs()),
        })
    }

    fn stand_in(&self) -> Result<&(Arc<StandIn>, Address), ControlError> {
        self.running()?;
        self.stand_in.as_ref().ok_or(ControlError::NoFeed)
    }

    async fn ask(&self, control: Control) -> Result<(), ControlError> {
        self.running()?.0.send(control).await.map_err(|_| ControlError::Stopping)
    }
}

/// Handles of what an operator may change.
#[derive(Debug, Default)]
pub struct Admin {
    pub da_limits: Arc<DaLimits>,
    pub batcher: BatcherSwitch,
    pub sequencer: SequencerControl,
}
