//! What an operator reads and changes while the node runs, over the authenticated port.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::batching::BatcherSwitch;

/// Limits on what a block costs in data availability, set while the node runs, as a batcher with a backlog
/// does (op-geth's `miner_setMaxDASize`). Bytes of estimated compressed size; 0 is no limit.
#[derive(Debug, Default)]
pub struct DaLimits {
    transaction: AtomicU64,
    block: AtomicU64,
}

impl DaLimits {
    /// From the next opened block on. A transaction beyond its limit waits in the pool.
    pub fn set(&self, transaction: u64, block: u64) {
        self.transaction.store(transaction, Ordering::Relaxed);
        self.block.store(block, Ordering::Relaxed);
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

/// Handles of what an operator may change.
#[derive(Debug, Default)]
pub struct Admin {
    pub da_limits: Arc<DaLimits>,
    pub batcher: BatcherSwitch,
}
