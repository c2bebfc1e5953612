//! Whether a batch is the next block, checked in the order of the OP Stack specification (batch
//! queue, with Holocene's rules: a batch from the future is dropped, not kept).

use primitives::{L2BlockRef, RollupConfig, TxType};

use crate::{L1Block, SingleBatch, SpanBatch};

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
    #[error("its blocks do not lie on those that it overlaps")]
    Misaligned,
    #[error("a transaction is empty")]
    EmptyTransaction,
    #[error("a transaction is a deposit")]
    Deposit,
    #[error("a transaction has an unsupported type")]
    TransactionType,
}

/// What a span is checked against before its blocks are.
#[derive(Clone, Copy, Debug)]
pub struct SpanContext<'a> {
    pub config: &'a RollupConfig,
    pub safe: &'a L2BlockRef,
    /// The block before the span's first: the safe head, or an earlier one that the span overlaps.
    pub parent: &'a L2BlockRef,
    /// The L1 origin of the span's last block, if it was read.
    pub last_origin: Option<&'a L1Block>,
    /// Number of the L1 block in which the batch's channel was completed.
    pub inclusion_block: u64,
}

/// Number of the block on which a span builds, by its time alone; `None` if it holds nothing new.
pub(crate) fn span_parent(
    span: &SpanBatch,
    config: &RollupConfig,
    safe: &L2BlockRef,
) -> Result<Option<u64>, DropReason> {
    let ensure = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
    let first = config.genesis.l2_time.saturating_add(span.relative_timestamp);
    let count = u64::try_from(span.blocks.len()).unwrap_or(u64::MAX);
    let last = first.saturating_add(config.block_time.saturating_mul(count.saturating_sub(1)));
    let next = safe.timestamp.saturating_add(config.block_time);
    ensure(first <= next, DropReason::Future)?;
    if last < next {
        return Ok(None);
    }
    if first == next {
        return Ok(Some(safe.number));
    }
    let overlap = safe.timestamp.checked_sub(first).ok_or(DropReason::Misaligned)?;
    ensure(overlap.checked_rem(config.block_time) == Some(0), DropReason::Misaligned)?;
    let blocks = overlap.checked_div(config.block_time).unwrap_or_default().saturating_add(1);
    safe.number.checked_sub(blocks).map(Some).ok_or(DropReason::ParentHash)
}

/// Checks a span that begins after `context.parent` and holds blocks above the safe head (Holocene:
/// its blocks are then checked one by one, when their turn comes).
pub fn check_span(span: &SpanBatch, context: &SpanContext<'_>) -> BatchValidity {
    let SpanContext { config, parent, last_origin, inclusion_block, .. } = *context;
    let (first, drop) = (span.first_epoch(), BatchValidity::Drop);
    if !parent.hash.starts_with(&span.parent_check) {
        return drop(DropReason::ParentHash);
    }
    if first.saturating_add(config.seq_window_size) < inclusion_block {
        return drop(DropReason::WindowClosed);
    }
    if first > parent.l1_origin.number.saturating_add(1) {
        return drop(DropReason::EpochTooFar);
    }
    match last_origin {
        None => return BatchValidity::Undecided,
        Some(origin) if !origin.hash.starts_with(&span.origin_check) => {
            return drop(DropReason::EpochHash);
        }
        Some(_) => {}
    }
    if first < parent.l1_origin.number {
        return drop(DropReason::EpochTooOld);
    }
    BatchValidity::Accept
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
    // Where the window has closed on the parent's epoch, `epoch` is the one after it: that one cannot be skipped.
    let furthest = parent.l1_origin.number.saturating_add(1);
    ensure(batch.epoch.number <= furthest, DropReason::EpochTooFar)?;
    let origin = if batch.epoch.number == epoch.number {
        epoch
    } else {
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
            Some(kind) if *kind == u8::from(TxType::Deposit) => return Err(DropReason::Deposit),
            // A legacy transaction begins with its list; 1, 2 and 4 are the typed ones of L2.
            Some(0x01 | 0x02 | 0x04 | 0xc0..) => {}
            Some(_) => return Err(DropReason::TransactionType),
        }
    }
    Ok(BatchValidity::Accept)
}

#[cfg(test)]
mod tests {
    use alloy_eips::BlockNumHash;
    use alloy_primitives::{Address, B256, Bytes};
    use primitives::{RollupGenesis, SystemConfig};

    use super::*;

    fn config() -> RollupConfig {
        RollupConfig {
            genesis: RollupGenesis {
                l1: BlockNumHash::default(),
                l2: BlockNumHash::default(),
                l2_time: 0,
                system_config: SystemConfig::default(),
            },
            block_time: 2,
            max_sequencer_drift: 20,
            seq_window_size: 10,
            channel_timeout: 5,
            l1_chain_id: 1,
            l2_chain_id: 2,
            batch_inbox_address: Address::ZERO,
            deposit_contract_address: Address::ZERO,
            l1_system_config_address: Address::ZERO,
        }
    }

    fn l1(number: u64, timestamp: u64) -> L1Block {
        L1Block {
            hash: B256::with_last_byte(number as u8),
            number,
            parent_hash: B256::with_last_byte(number as u8 - 1),
            timestamp,
            base_fee: 1,
            blob_base_fee: 1,
            mix_hash: B256::ZERO,
            parent_beacon_block_root: B256::ZERO,
            deposits: Vec::new(),
            inbox: Vec::new(),
            config_updates: Vec::new(),
        }
    }

    /// A batch that is the next block: parent at 1,000 in epoch 5, which began at 998.
    fn good() -> SingleBatch {
        SingleBatch {
            parent_hash: B256::repeat_byte(7),
            epoch: BlockNumHash { number: 5, hash: B256::with_last_byte(5) },
            timestamp: 1_002,
            transactions: vec![Bytes::from_static(&[2, 0xc0])],
        }
    }

    struct World {
        epoch: L1Block,
        next_epoch: Option<L1Block>,
        inclusion_block: u64,
    }

    fn world() -> World {
        World { epoch: l1(5, 998), next_epoch: Some(l1(6, 1_010)), inclusion_block: 8 }
    }

    #[track_caller]
    fn check(world: &World, change: impl FnOnce(&mut SingleBatch), expected: BatchValidity) {
        let mut batch = good();
        change(&mut batch);
        let parent = L2BlockRef {
            hash: B256::repeat_byte(7),
            number: 9,
            timestamp: 1_000,
            l1_origin: BlockNumHash { number: 5, hash: B256::with_last_byte(5) },
            ..Default::default()
        };
        let context = BatchContext {
            config: &config(),
            parent: &parent,
            epoch: &world.epoch,
            next_epoch: world.next_epoch.as_ref(),
            inclusion_block: world.inclusion_block,
        };
        assert_eq!(check_batch(&batch, &context), expected);
    }

    #[track_caller]
    fn drops(world: &World, change: impl FnOnce(&mut SingleBatch), reason: DropReason) {
        check(world, change, BatchValidity::Drop(reason));
    }

    #[test]
    fn each_rule_has_its_reason() {
        let world = world();
        check(&world, |_| {}, BatchValidity::Accept);
        drops(&world, |batch| batch.timestamp = 1_004, DropReason::Future);
        check(&world, |batch| batch.timestamp = 1_000, BatchValidity::Past);
        drops(&world, |batch| batch.parent_hash = B256::ZERO, DropReason::ParentHash);
        drops(&world, |batch| batch.epoch.number = 4, DropReason::EpochTooOld);
        drops(&world, |batch| batch.epoch.number = 7, DropReason::EpochTooFar);
        drops(&world, |batch| batch.epoch.hash = B256::ZERO, DropReason::EpochHash);
        drops(
            &world,
            |batch| batch.epoch = BlockNumHash { number: 6, hash: B256::with_last_byte(6) },
            DropReason::BeforeEpoch,
        );
        drops(&world, |batch| batch.transactions.push(Bytes::new()), DropReason::EmptyTransaction);
        for (kind, reason) in [(0x7e, DropReason::Deposit), (3, DropReason::TransactionType)] {
            drops(&world, |batch| batch.transactions.push(vec![kind].into()), reason);
        }
        for kind in [1, 2, 4, 0xc0, 0xf8] {
            check(&world, |b| b.transactions.push(vec![kind].into()), BatchValidity::Accept);
        }
    }

    #[test]
    fn the_window_counts_from_the_epoch() {
        check(&World { inclusion_block: 15, ..world() }, |_| {}, BatchValidity::Accept);
        drops(&World { inclusion_block: 16, ..world() }, |_| {}, DropReason::WindowClosed);
    }

    #[test]
    fn an_epoch_that_must_begin_is_not_skipped() {
        // The window has closed on the parent's epoch 5, and the next block's time is that of epoch 6.
        let due =
            World { epoch: l1(6, 1_000), next_epoch: Some(l1(7, 1_001)), inclusion_block: 15 };
        let of = |number| BlockNumHash { number, hash: B256::with_last_byte(number as u8) };
        check(&due, |batch| batch.epoch = of(6), BatchValidity::Accept);
        drops(&due, |batch| batch.epoch = of(5), DropReason::EpochTooOld);
        drops(&due, |batch| batch.epoch = of(7), DropReason::EpochTooFar);
    }

    #[test]
    fn an_unknown_epoch_leaves_it_open() {
        let alone = World { next_epoch: None, ..world() };
        check(&alone, |_| {}, BatchValidity::Accept);
        check(&alone, |batch| batch.epoch.number = 6, BatchValidity::Undecided);
    }

    #[test]
    fn beyond_the_drift_only_empty_blocks_pass() {
        let empty = |batch: &mut SingleBatch| batch.transactions.clear();
        let drifted = |next| World { epoch: l1(5, 981), next_epoch: next, ..world() };
        // 21 s ahead of the epoch, 20 are allowed.
        let waiting = drifted(Some(l1(6, 1_010)));
        drops(&waiting, |_| {}, DropReason::Drift);
        check(&waiting, empty, BatchValidity::Accept);
        drops(&drifted(Some(l1(6, 1_002))), empty, DropReason::DriftEmpty);
        check(&drifted(None), empty, BatchValidity::Undecided);
        let at_the_limit = World { epoch: l1(5, 982), ..world() };
        check(&at_the_limit, |_| {}, BatchValidity::Accept);
    }
}
