//! Going back, for tests of what follows the chain: [`Miner::reorg`] as a fork choice does it, and
//! snapshots as anvil has them.

use std::sync::Arc;

use alloy_eips::BlockNumHash;
use primitives::{Recovered, TxEnvelope};
use store::StoreError;

use super::{Given, Miner};
use crate::{
    chain::SealedBlock,
    error::MinerError,
    ethereum::payload::Candidates,
    pool::{BlobRules, PoolTransaction},
};

/// Another end of the chain.
#[derive(Debug, Default)]
pub struct Reorg {
    /// Blocks to replace by as many others.
    pub depth: u64,
    /// What the new blocks hold, each with the index of its block, 0 for the first. One that is not valid
    /// there is left out.
    pub transactions: Vec<(PoolTransaction, u64)>,
    /// Whether what the old blocks held goes back into the pool, as on a real L1; blocks after the new
    /// ones take it. Otherwise it is gone, as on anvil.
    pub keep_transactions: bool,
}

impl Miner {
    /// Replaces the newest blocks by as many others with the same times. Blocks that were final are no
    /// exception: then `safe` and `finalized` go back, too.
    pub fn reorg(&self, reorg: Reorg) -> Result<Arc<SealedBlock>, MinerError> {
        let Reorg { depth, transactions, keep_transactions } = reorg;
        let _inner = self.inner.lock();
        let head = self.chain.head()?;
        let blocks = head.number();
        let common = blocks.checked_sub(depth).ok_or(MinerError::TooDeep { depth, blocks })?;
        let mut given: Vec<Given> = Vec::new();
        given.resize_with(usize::try_from(depth).unwrap_or_default(), Given::new);
        for (index, (transaction, block)) in transactions.into_iter().enumerate() {
            let of_block = usize::try_from(block).ok().and_then(|block| given.get_mut(block));
            let of_block = of_block.ok_or(MinerError::NoSuchBlock { index, block, depth })?;
            of_block.push(Arc::new(transaction));
        }
        let dropped = self.unwind(common, keep_transactions)?;
        let mut head = self.chain.head()?;
        for (old, given) in dropped.iter().rev().zip(given) {
            let candidates = Candidates::Given(given.into_iter());
            head = self.extend(&head, old.header().timestamp, candidates)?;
        }
        Ok(head)
    }

    /// Takes the newest blocks away and leaves the chain shorter. What they held is gone.
    pub fn rollback(&self, depth: u64) -> Result<Arc<SealedBlock>, MinerError> {
        let _inner = self.inner.lock();
        let blocks = self.chain.head()?.number();
        let number = blocks.checked_sub(depth).ok_or(MinerError::TooDeep { depth, blocks })?;
        self.unwind(number, false)?;
        Ok(self.chain.head()?)
    }

    /// Remembers the head; gives the number by which [`Miner::revert`] knows it.
    pub fn snapshot(&self) -> u64 {
        let mut inner = self.inner.lock();
        inner.snapshots.push(self.chain.heads().unsafe_head);
        inner.snapshots.len() as u64
    }

    /// Goes back to a snapshot, which is used up with all after it. `false` if there is none, or its block
    /// is no part of the chain any more.
    pub fn revert(&self, snapshot: u64) -> Result<bool, MinerError> {
        let mut inner = self.inner.lock();
        let index = snapshot.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let Some((index, BlockNumHash { number, hash })) =
            index.and_then(|index| Some((index, *inner.snapshots.get(index)?)))
        else {
            return Ok(false);
        };
        inner.snapshots.truncate(index);
        if self.chain.block(number)?.is_none_or(|block| block.hash() != hash) {
            return Ok(false);
        }
        self.unwind(number, false)?;
        self.drop_transactions();
        Ok(true)
    }

    /// Takes every block above `number` away; gives them, newest first.
    fn unwind(&self, number: u64, keep: bool) -> Result<Vec<Arc<SealedBlock>>, MinerError> {
        // Read before they go.
        let mut kept = Vec::new();
        if keep {
            let head = self.chain.heads().unsafe_head.number;
            for number in number.saturating_add(1)..=head {
                let block = self.chain.block(number)?.ok_or(StoreError::MissingBlock(number))?;
                self.read_blob_transactions(&block, &mut kept)?;
            }
        }
        let dropped = self.chain.unwind(number)?;
        let head = self.chain.head()?;
        self.pool.set_blob_rules(BlobRules::at(self.chain.spec(), head.header().timestamp));
        let plain = dropped.iter().filter(|_| keep).rev().flat_map(|block| {
            let transactions = block.transactions().iter().zip(block.senders());
            transactions
                .map(|(transaction, sender)| Recovered::new_unchecked(transaction.clone(), *sender))
        });
        self.pool.reinject(self.chain.pool_head()?, plain, &*self.chain)?;
        for transaction in kept {
            // It may have become invalid with what it followed.
            let _ = self.pool.add(transaction, &*self.chain);
        }
        self.chain.announce_removed(&dropped);
        tracing::warn!(to = number, blocks = dropped.len(), "blocks of the L1 were taken away");
        Ok(dropped)
    }

    /// Blob transactions of a block, put together with their blobs as they came.
    fn read_blob_transactions(
        &self,
        block: &SealedBlock,
        found: &mut Vec<PoolTransaction>,
    ) -> Result<(), MinerError> {
        let with_blobs: Vec<_> = block
            .transactions()
            .iter()
            .filter(|transaction| matches!(transaction, TxEnvelope::Eip4844(_)))
            .collect();
        if with_blobs.is_empty() {
            return Ok(());
        }
        // Pruned: they cannot come back.
        let Some(sidecars) = self.blobs.get(block.block())? else { return Ok(()) };
        for (transaction, sidecar) in with_blobs.into_iter().zip(sidecars) {
            if let Some(bytes) = PoolTransaction::encode_with_blobs(transaction, sidecar)
                && let Ok(transaction) = self.pool.decode(&bytes)
            {
                found.push(transaction);
            }
        }
        Ok(())
    }
}
