//! How much of L2 waits for L1: what each block above the last one in an L1 block adds, in estimated
//! compressed bytes.

use std::collections::VecDeque;

use alloy_eips::eip2718::Encodable2718;
use primitives::Block;

use crate::{L2Blocks, SourceError};

/// Blocks looked at in one go.
const BLOCKS_PER_LOOK: u64 = 1_024;

/// Sizes of the blocks that wait, in order and without gaps.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Number of the first one.
    first: u64,
    sizes: VecDeque<u64>,
}

impl Backlog {
    /// Sees which blocks up to `latest` wait now that those up to `done` do not. Blocks that L2 has
    /// replaced keep their size: an estimate anyway.
    pub(crate) fn follow(
        &mut self,
        blocks: &impl L2Blocks,
        done: u64,
        latest: u64,
    ) -> Result<(), SourceError> {
        let first = done.saturating_add(1);
        if first < self.first {
            // What was done is undone: L1 was reorganised.
            self.sizes.clear();
        }
        let gone = usize::try_from(first.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.sizes.drain(..gone.min(self.sizes.len()));
        self.first = first;
        let count = latest.saturating_add(1).saturating_sub(first);
        self.sizes.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let next = first.saturating_add(self.sizes.len() as u64);
        for number in next..=latest.min(next.saturating_add(BLOCKS_PER_LOOK)) {
            match blocks.block(number)? {
                Some(block) => self.sizes.push_back(estimate(&block)),
                None => break,
            }
        }
        Ok(())
    }

    /// Estimated compressed bytes of the blocks from `number` on.
    pub(crate) fn bytes_from(&self, number: u64) -> u64 {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.sizes.iter().skip(skipped).fold(0, |sum, size| sum.saturating_add(*size))
    }

    /// Of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes_from(self.first)
    }
}

/// Three quarters of the transactions: a little more than signatures leave.
fn estimate(block: &Block) -> u64 {
    let of_users = block.body.transactions.iter().filter(|transaction| !transaction.is_deposit());
    let bytes = of_users
        .map(|transaction| transaction.encode_2718_len() as u64)
        .fold(0, u64::saturating_add);
    bytes.saturating_sub(bytes / 4)
}
