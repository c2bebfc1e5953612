//! What derivation reads from one L1 block, already reduced to plain values. The watcher in
//! `bridge/l1` makes these; tests make them by hand.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, Log};
use primitives::{L1BlockRef, TxDeposit};

/// One L1 block as derivation sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Block {
    pub hash: B256,
    pub number: u64,
    pub parent_hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Wei.
    pub base_fee: u64,
    /// Wei.
    pub blob_base_fee: u128,
    /// `mix_hash` of the header; becomes the L2 `prev_randao`.
    pub mix_hash: B256,
    /// Zero on an L1 without a beacon chain.
    pub parent_beacon_block_root: B256,
    /// User deposits in log order, with source hashes already computed from this block's hash and
    /// each log's index within the block.
    pub deposits: Vec<TxDeposit>,
    /// Every transaction to the batch inbox in transaction order; derivation filters by sender.
    pub inbox: Vec<InboxTransaction>,
    /// `ConfigUpdate` logs of the `SystemConfig` contract in log order.
    pub config_updates: Vec<Log>,
}

/// A transaction to the batch inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxTransaction {
    pub from: Address,
    pub data: Bytes,
}

impl L1Block {
    /// The reference other parts use.
    pub const fn block_ref(&self) -> L1BlockRef {
        L1BlockRef {
            hash: self.hash,
            number: self.number,
            parent_hash: self.parent_hash,
            timestamp: self.timestamp,
        }
    }
}

/// What an L1 watcher reports, in order.
#[derive(Clone, Debug)]
pub enum L1Event {
    /// The next canonical block; its parent is the block of the previous event.
    Block(Arc<L1Block>),
    /// Everything above `common` is no longer canonical. Whether what lies below it is what the
    /// receiver knows, the receiver sees by its hash.
    Reorg { common: L1BlockRef },
    /// As was asked for: the next block reported is `from`, whatever was reported before.
    Restart { from: u64 },
    /// L1's own finalized block moved.
    Finalized(L1BlockRef),
}
