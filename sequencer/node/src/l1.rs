//! What the node knows of L1: the window of blocks from which origins are chosen, and the status
//! that `optimism_syncStatus` shows.

use std::{collections::VecDeque, sync::Arc};

use alloy_primitives::B256;
use derive::L1Block;
use primitives::L1BlockRef;

/// L1 as last seen by the tasks that follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Status {
    /// The newest block the watcher reported.
    pub head: L1BlockRef,
    pub finalized: L1BlockRef,
    /// The block up to which derivation or origin selection has read.
    pub current: L1BlockRef,
}

/// Contiguous L1 blocks, the current origin first.
#[derive(Debug, Default)]
pub(crate) struct L1Window {
    blocks: VecDeque<Arc<L1Block>>,
}

/// A block that does not extend the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "L1 block {number} ({hash}) does not follow {expected_parent}: its parent is {parent_hash}"
)]
pub struct L1Gap {
    pub number: u64,
    pub hash: B256,
    pub parent_hash: B256,
    pub expected_parent: B256,
}

impl L1Window {
    pub(crate) fn push(&mut self, block: Arc<L1Block>) -> Result<(), L1Gap> {
        if let Some(last) = self.blocks.back()
            && (block.parent_hash != last.hash || block.number != last.number + 1)
        {
            return Err(L1Gap {
                number: block.number,
                hash: block.hash,
                parent_hash: block.parent_hash,
                expected_parent: last.hash,
            });
        }
        self.blocks.push_back(block);
        Ok(())
    }

    /// Forgets everything above `number`.
    pub(crate) fn truncate_above(&mut self, number: u64) {
        while self.blocks.back().is_some_and(|block| block.number > number) {
            self.blocks.pop_back();
        }
    }

    /// Forgets everything below `number`.
    pub(crate) fn prune_below(&mut self, number: u64) {
        while self.blocks.front().is_some_and(|block| block.number < number) {
            self.blocks.pop_front();
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Arc<L1Block>> {
        let first = self.blocks.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(index)
    }

    pub(crate) fn head(&self) -> Option<&Arc<L1Block>> {
        self.blocks.back()
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }
}

/// The origin of the next L2 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Stay in the epoch. `empty`: only deposits may enter, the drift limit is passed.
    Same { origin: Arc<L1Block>, empty: bool },
    /// The first block of the next epoch.
    Next(Arc<L1Block>),
    /// The drift limit is passed and the next L1 block is not known: a block now could turn out to
    /// be invalid.
    Wait,
}

/// Chooses the origin as op-node's `FindL1Origin` does: the next L1 block as soon as its time is
/// not after the L2 block's, if `confirmations` blocks lie on top of it.
///
/// `timestamp` is that of the L2 block to be built, `current` the parent's origin, `drift` the
/// seconds an L2 block may be ahead of its origin.
pub(crate) fn choose_origin(
    window: &L1Window,
    current: u64,
    timestamp: u64,
    drift: u64,
    confirmations: u64,
) -> Option<Origin> {
    let origin = window.get(current)?;
    let head = window.head()?.number;
    let next = window.get(current + 1);
    let past_drift = timestamp > origin.timestamp.saturating_add(drift);
    Some(match next {
        // Past the drift limit even an unconfirmed origin must be adopted: derivation allows
        // nothing else.
        Some(next)
            if next.timestamp <= timestamp
                && (past_drift || next.number.saturating_add(confirmations) <= head) =>
        {
            Origin::Next(Arc::clone(next))
        }
        None if past_drift => Origin::Wait,
        _ => Origin::Same { origin: Arc::clone(origin), empty: past_drift },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, timestamp: u64) -> Arc<L1Block> {
        Arc::new(L1Block {
            hash: B256::with_last_byte(number as u8),
            number,
            parent_hash: B256::with_last_byte((number - 1) as u8),
            timestamp,
            base_fee: 1,
            blob_base_fee: 1,
            mix_hash: B256::ZERO,
            parent_beacon_block_root: B256::ZERO,
            deposits: Vec::new(),
            inbox: Vec::new(),
            config_updates: Vec::new(),
        })
    }

    fn window(times: &[u64]) -> L1Window {
        let mut window = L1Window::default();
        for (index, time) in times.iter().enumerate() {
            window.push(block(10 + index as u64, *time)).unwrap();
        }
        window
    }

    #[test]
    fn the_window_is_contiguous_and_forgets_both_ends() {
        let mut window = window(&[100, 102, 104]);
        assert!(window.push(block(14, 108)).is_err());
        assert_eq!(window.get(11).unwrap().timestamp, 102);
        assert!(window.get(9).is_none() && window.get(13).is_none());
        window.truncate_above(11);
        window.push(block(12, 105)).unwrap();
        window.prune_below(11);
        assert!(window.get(10).is_none());
        assert_eq!((window.len(), window.head().unwrap().number), (2, 12));
    }

    #[test]
    fn origins_follow_op_node() {
        let blocks = window(&[100, 102]);
        let choose = |timestamp, drift, confirmations| {
            choose_origin(&blocks, 10, timestamp, drift, confirmations).unwrap()
        };
        let (first, second) = (block(10, 100), block(11, 102));
        let same = |empty| Origin::Same { origin: Arc::clone(&first), empty };
        // Not before its time.
        assert_eq!(choose(101, 1_800, 0), same(false));
        assert_eq!(choose(102, 1_800, 0), Origin::Next(Arc::clone(&second)));
        // Not before its confirmations, unless drift forces it.
        assert_eq!(choose(102, 1_800, 1), same(false));
        assert_eq!(choose(102, 1, 1), Origin::Next(second));
        // Past the drift with the next origin still in the future: empty blocks only.
        let late = window(&[100, 200]);
        assert_eq!(choose_origin(&late, 10, 150, 20, 0), Some(same(true)));
        // Past the drift without a next origin: wait.
        let alone = window(&[100]);
        assert_eq!(choose_origin(&alone, 10, 150, 20, 0), Some(Origin::Wait));
        assert_eq!(choose_origin(&alone, 10, 110, 20, 0), Some(same(false)));
        assert_eq!(choose_origin(&alone, 9, 110, 20, 0), None);
    }
}
