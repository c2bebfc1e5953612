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

#[cfg(test)]
mod tests {
    use alloy_consensus::{SignableTransaction, TxLegacy};
    use alloy_eips::BlockNumHash;
    use alloy_primitives::{Signature, U256};
    use primitives::{BlockBody, TxEnvelope};

    use super::*;

    /// A chain whose blocks have one transaction with as many bytes of data as their number times 100.
    struct Chain(u64);

    impl L2Blocks for Chain {
        fn latest(&self) -> Result<u64, SourceError> {
            Ok(self.0)
        }

        fn safe(&self) -> Result<BlockNumHash, SourceError> {
            Ok(BlockNumHash::default())
        }

        fn block(&self, number: u64) -> Result<Option<Block>, SourceError> {
            let input = vec![1; number as usize * 100].into();
            let signature = Signature::new(U256::from(1), U256::from(1), false);
            let transaction = TxLegacy { input, ..Default::default() }.into_signed(signature);
            let body = BlockBody::rollup(vec![TxEnvelope::from(transaction)]);
            let block = Block { hash: Default::default(), header: Default::default(), body };
            Ok((number <= self.0).then_some(block))
        }
    }

    #[test]
    fn what_waits_is_measured_once_and_forgotten_when_done() {
        let size = |number: u64| estimate(&Chain(9).block(number).unwrap().unwrap());
        let sum = |numbers: std::ops::RangeInclusive<u64>| numbers.map(size).sum::<u64>();
        assert!(
            (300..400).contains(&size(4)),
            "three quarters of 400 and the rest of a transaction"
        );
        let mut backlog = Backlog::default();
        let mut check = |done, latest, expected| {
            backlog.follow(&Chain(latest), done, latest).unwrap();
            assert_eq!(backlog.bytes(), expected, "{done} {latest}");
            assert_eq!(backlog.bytes_from(5), sum(5.max(done + 1)..=latest), "{done} {latest}");
        };
        check(0, 4, sum(1..=4));
        check(0, 6, sum(1..=6));
        check(2, 9, sum(3..=9));
        check(9, 9, 0);
        // L1 was reorganised: what was done waits again.
        check(3, 9, sum(4..=9));
        // L2 was: there is less.
        check(3, 5, sum(4..=5));
        check(7, 7, 0);
    }

    #[test]
    fn a_long_backlog_is_measured_over_several_looks() {
        struct Long;
        impl L2Blocks for Long {
            fn latest(&self) -> Result<u64, SourceError> {
                Ok(5_000)
            }

            fn safe(&self) -> Result<BlockNumHash, SourceError> {
                Ok(BlockNumHash::default())
            }

            fn block(&self, _: u64) -> Result<Option<Block>, SourceError> {
                Chain(1).block(1)
            }
        }
        let mut backlog = Backlog::default();
        let mut last = 0;
        while backlog.sizes.len() < 5_000 {
            backlog.follow(&Long, 0, 5_000).unwrap();
            assert!(backlog.sizes.len() > last, "it stands still");
            last = backlog.sizes.len();
        }
        backlog.follow(&Long, 0, 5_000).unwrap();
        assert_eq!(backlog.sizes.len(), 5_000);
    }
}
