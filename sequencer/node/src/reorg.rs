//! Taking blocks away: what they held goes back to the pool, and whoever was told of them is told that
//! they are gone.

use std::sync::Arc;

use primitives::{L2BlockRef, Recovered};
use store::StoreError;

use crate::{
    chain::{Chain, SealedBlock},
    error::UnwindError,
    pool::{Pool, Reinjected},
};

/// Removes every block above `number`. For whoever extends the chain, between two blocks.
pub fn unwind(chain: &Chain, pool: &Pool, number: u64) -> Result<Reinjected, UnwindError> {
    let dropped = chain.unwind(number)?;
    let reinjected = take_back(chain, pool, &dropped)?;
    chain.announce_removed(&dropped);
    metrics::counter!("chain_blocks_removed_total").increment(dropped.len() as u64);
    tracing::warn!(
        to = number,
        blocks = dropped.len(),
        taken = reinjected.taken,
        refused = reinjected.refused,
        "blocks were taken away"
    );
    Ok(reinjected)
}

/// Removes the block above the head, of which nobody was told.
pub(crate) fn drop_hidden(
    chain: &Chain,
    pool: &Pool,
    hidden: Arc<SealedBlock>,
) -> Result<(), UnwindError> {
    chain.drop_hidden()?;
    let reinjected = take_back(chain, pool, &[Arc::clone(&hidden)])?;
    tracing::warn!(
        number = hidden.number(),
        hash = %hidden.hash(),
        taken = reinjected.taken,
        refused = reinjected.refused,
        "a block that nobody was told of was taken away"
    );
    Ok(())
}

/// What these blocks held, newest first, waits in the pool again.
fn take_back(
    chain: &Chain,
    pool: &Pool,
    dropped: &[Arc<SealedBlock>],
) -> Result<Reinjected, UnwindError> {
    let transactions = dropped.iter().rev().flat_map(|block| {
        let transactions = block.transactions().iter().zip(block.senders());
        transactions
            .map(|(transaction, sender)| Recovered::new_unchecked(transaction.clone(), *sender))
    });
    pool.reinject(chain.pool_head()?, transactions, chain)
        .map_err(|error| UnwindError::State(error.to_string()))
}

/// The last block whose L1 origin is block `l1` or an earlier one: the origins of a chain never
/// decrease. `None` if already genesis has a later one.
pub(crate) fn last_with_origin(
    chain: &Chain,
    head: u64,
    l1: u64,
) -> Result<Option<L2BlockRef>, StoreError> {
    let reference = |number| chain.l2_block_ref(number)?.ok_or(StoreError::MissingBlock(number));
    let (mut low, mut high) = (chain.first_number(), head);
    let mut found = reference(low)?;
    if found.l1_origin.number > l1 {
        return Ok(None);
    }
    while low < high {
        let middle = high - (high - low) / 2;
        let candidate = reference(middle)?;
        if candidate.l1_origin.number <= l1 {
            low = middle;
            found = candidate;
        } else {
            high = middle - 1;
        }
    }
    Ok(Some(found))
}
