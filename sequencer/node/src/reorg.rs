//! Taking blocks away: what they held goes back to the pool, and whoever was told of them is told that
//! they are gone.

use crate::{
    chain::Chain,
    error::SequencerError,
    pool::{Pool, Reinjected},
};
use primitives::Recovered;

/// Removes every block above `number`. For whoever extends the chain, between two blocks.
pub fn unwind(chain: &Chain, pool: &Pool, number: u64) -> Result<Reinjected, SequencerError> {
    let dropped = chain.unwind(number)?;
    let transactions = dropped.iter().rev().flat_map(|block| {
        let transactions = block.transactions().iter().zip(block.senders());
        transactions
            .map(|(transaction, sender)| Recovered::new_unchecked(transaction.clone(), *sender))
    });
    let reinjected = pool
        .reinject(chain.pool_head()?, transactions, chain)
        .map_err(|error| SequencerError::State(error.to_string()))?;
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
