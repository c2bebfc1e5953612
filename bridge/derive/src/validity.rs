//! Whether a batch is the next block, checked in the order of the OP Stack specification (batch
//! queue, with Holocene's rules: a batch from the future is dropped, not kept).

use primitives::{L2BlockRef, OpTxType, RollupConfig};

use crate::{L1Block, SingleBatch};

/// What a batch is checked against.
#[derive(Clone, Copy, Debug)]
pub struct BatchContext<'a> {
    pub config: &'a RollupConfig,
    /// The safe head, on which the batch would build.
    pub parent: &'a L2BlockRef,
    /// The parent's epoch, or the one after it if that must begin.
    pub epoch: &'a L1Block,
    /// The L1 block after `epoch`, if it was read.
    pub next_epoch: Option<&'a L1Block>,
    /// Number of the L1 block in which the batch's channel was completed.
    pub inclusion_block: u64,
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchValidity {
    /// It is the next block.
    Accept,
    /// It is a block that exists: skip it, go on with its channel.
    Past,
    /// More of L1 is needed to tell.
    Undecided,
    /// Discard it and the rest of its channel.
    Drop(DropReason),
}

/// Why a batch is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    #[error("it leaves out blocks")]
    Future,
    #[error("it does not build on the safe head")]
    ParentHash,
    #[error("it was posted after the sequencing window")]
    WindowClosed,
    #[error("its epoch is before the safe head's")]
    EpochTooOld,
    #[error("its epoch skips L1 blocks")]
    EpochTooFar,
    #[error("its epoch is not on the canonical L1")]
    EpochHash,
    #[error("its time is before its epoch's")]
    BeforeEpoch,
    #[error("it runs ahead of L1 by more than the drift limit and is not empty")]
    Drift,
    #[error("it is empty beyond the drift limit, but could have begun the next epoch")]
    DriftEmpty,
    #[error("a transaction is empty")]
    EmptyTransaction,
    #[error("a transaction is a deposit")]
    Deposit,
    #[error("a transaction has an unsupported type")]
    TransactionType,
}

/// Checks `batch`.
pub fn check_batch(batch: &SingleBatch, context: &BatchContext<'_>) -> BatchValidity {
    match check(batch, context) {
        Ok(validity) => validity,
        Err(reason) => BatchValidity::Drop(reason),
    }
}

fn check(batch: &SingleBatch, context: &BatchContext<'_>) -> Result<BatchValidity, DropReason> {
    let BatchContext { config, parent, epoch, next_epoch, inclusion_block } = *context;
    let ensure = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };

    let next_timestamp = parent.timestamp.saturating_add(config.block_time);
    ensure(batch.timestamp <= next_timestamp, DropReason::Future)?;
    if batch.timestamp < next_timestamp {
        return Ok(BatchValidity::Past);
    }
    ensure(batch.parent_hash == parent.hash, DropReason::ParentHash)?;
    let window_end = batch.epoch.number.saturating_add(config.seq_window_size);
    ensure(window_end >= inclusion_block, DropReason::WindowClosed)?;

    ensure(batch.epoch.number >= epoch.number, DropReason::EpochTooOld)?;
    let origin = if batch.epoch.number == epoch.number {
        epoch
    } else {
        ensure(Some(batch.epoch.number) == epoch.number.checked_add(1), DropReason::EpochTooFar)?;
        match next_epoch {
            Some(next) => next,
            None => return Ok(BatchValidity::Undecided),
        }
    };
    ensure(batch.epoch.hash == origin.hash, DropReason::EpochHash)?;
    ensure(batch.timestamp >= origin.timestamp, DropReason::BeforeEpoch)?;

    if batch.timestamp > origin.timestamp.saturating_add(config.max_sequencer_drift) {
        ensure(batch.transactions.is_empty(), DropReason::Drift)?;
        // An empty block keeps L2 time from falling behind while L1 gives no new origin.
        if origin.number == epoch.number {
            let Some(next) = next_epoch else {
                return Ok(BatchValidity::Undecided);
            };
            ensure(batch.timestamp < next.timestamp, DropReason::DriftEmpty)?;
        }
    }

    for transaction in &batch.transactions {
        match transaction.first() {
            None => return Err(DropReason::EmptyTransaction),
            Some(kind) if *kind == u8::from(OpTxType::Deposit) => return Err(DropReason::Deposit),
            // A legacy transaction begins with its list; 1, 2 and 4 are the typed ones of L2.
            Some(0x01 | 0x02 | 0x04 | 0xc0..) => {}
            Some(_) => return Err(DropReason::TransactionType),
        }
    }
    Ok(BatchValidity::Accept)
}
