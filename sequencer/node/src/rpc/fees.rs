//! Gas prices: what the next block costs, what recent ones paid.

use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U256;
use alloy_rpc_types_eth::FeeHistory;
use parking_lot::Mutex;

use super::{Api, convert, error::RpcError};
use crate::chain::SealedBlock;

/// Blocks whose tips a suggestion looks at (op-geth's oracle).
const SUGGESTION_BLOCKS: u64 = 20;
/// Which of their tips it takes.
const SUGGESTION_PERCENTILE: usize = 60;
/// Blocks one `eth_feeHistory` may span (geth).
const FEE_HISTORY_BLOCKS_MAX: u64 = 1_024;
/// Percentiles one `eth_feeHistory` may ask for (geth).
const FEE_HISTORY_PERCENTILES_MAX: usize = 100;

/// The suggestion made for a head, kept until the next.
#[derive(Default)]
pub(super) struct TipCache(Mutex<Option<(u64, u128)>>);

impl Api {
    /// `eth_gasPrice`: a base fee plus the suggested tip. Of the newest block's base fee, on which
    /// `eth_call` and `eth_estimateGas` insist, and the next block's the higher one.
    pub(super) fn gas_price(&self) -> Result<U256, RpcError> {
        let head = self.chain.head().map_err(|error| RpcError::internal(&error))?;
        let base_fee =
            head.header().base_fee_per_gas.unwrap_or_default().max(self.pool.head().base_fee);
        Ok(self.suggested_tip()?.saturating_add(U256::from(base_fee)))
    }

    /// `eth_maxPriorityFeePerGas`. As op-geth does, blocks with room left suggest the least tip;
    /// full ones what most of their transactions paid, and some more.
    pub(super) fn suggested_tip(&self) -> Result<U256, RpcError> {
        let head = self.chain.heads().unsafe_head.number;
        if let Some((number, tip)) = *self.tips.0.lock()
            && number == head
        {
            return Ok(U256::from(tip));
        }
        let mut tips = Vec::new();
        let mut crowded = false;
        for number in head.saturating_sub(SUGGESTION_BLOCKS - 1)..=head {
            // Older blocks are not worth a read from disk: a suggestion is a guess.
            let Some(block) = self.chain.recent(number) else { continue };
            crowded |= block.header().gas_used.saturating_mul(10)
                > block.header().gas_limit.saturating_mul(9);
            tips.extend(block_tips(&block).into_iter().map(|(tip, _)| tip));
        }
        let least = self.config.suggested_tip_min;
        let tip = if crowded && !tips.is_empty() {
            tips.sort_unstable();
            let percentile = tips[(tips.len() - 1) * SUGGESTION_PERCENTILE / 100];
            percentile.saturating_add(percentile / 10).max(least)
        } else {
            least
        };
        *self.tips.0.lock() = Some((head, tip));
        Ok(U256::from(tip))
    }

    /// `eth_blobBaseFee`: wei per blob gas in the next block.
    pub(super) fn blob_base_fee(&self) -> Result<U256, RpcError> {
        Ok(U256::from(self.blob_fee_after(self.chain.heads().unsafe_head.number)?))
    }

    /// Of the block after `number`; zero where there are no blobs yet. A rollup says the least price.
    fn blob_fee_after(&self, number: u64) -> Result<u128, RpcError> {
        let Some(rules) = self.chain.spec().as_ethereum() else { return Ok(1) };
        let header = self.chain.header(number).map_err(|error| RpcError::internal(&error))?;
        let parent = header.ok_or_else(RpcError::header_not_found)?;
        // No blob parameters change between a block and its child that this would miss for longer
        // than one block.
        let timestamp = parent.timestamp;
        let excess = rules.next_excess_blob_gas(&parent, timestamp);
        Ok(rules
            .blob_params(timestamp)
            .zip(excess)
            .map_or(0, |(params, excess)| params.calc_blob_fee(excess)))
    }

    pub(super) fn fee_history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> Result<FeeHistory, RpcError> {
        let percentiles = percentiles.unwrap_or_default();
        check_percentiles(&percentiles)?;
        let head = self.chain.heads().unsafe_head.number;
        let newest = self
            .resolve_tag(newest)
            .ok_or_else(|| RpcError::server(format!("request beyond head block: head {head}")))?;
        let count = count.min(FEE_HISTORY_BLOCKS_MAX).min(newest + 1);
        if count == 0 {
            return Ok(FeeHistory::default());
        }
        let oldest = newest + 1 - count;

        let spec = self.chain.spec();
        let mut history = FeeHistory { oldest_block: oldest, ..Default::default() };
        let mut rewards = Vec::new();
        for number in oldest..=newest {
            let block = self.block_at(number)?.ok_or_else(RpcError::header_not_found)?;
            let header = block.header();
            history.base_fee_per_gas.push(u128::from(header.base_fee_per_gas.unwrap_or_default()));
            history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit as f64);
            history.base_fee_per_blob_gas.push(spec.blob_fee(header).unwrap_or_default());
            // A rollup counts the footprint of its data there, against the gas limit (Jovian).
            let blob_gas_max = match spec.as_ethereum() {
                Some(rules) => {
                    let params = rules.blob_params(header.timestamp);
                    params.map_or(1, |params| params.max_blob_gas_per_block())
                }
                None => header.gas_limit,
            };
            history
                .blob_gas_used_ratio
                .push(header.blob_gas_used.unwrap_or_default() as f64 / blob_gas_max as f64);
            if !percentiles.is_empty() {
                rewards.push(block_rewards(&block, &percentiles));
            }
        }
        let next = self.chain.base_fee_after(newest).map_err(|error| RpcError::internal(&error))?;
        history.base_fee_per_gas.push(u128::from(next));
        history.base_fee_per_blob_gas.push(self.blob_fee_after(newest)?);
        history.reward = (!percentiles.is_empty()).then_some(rewards);
        Ok(history)
    }
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > FEE_HISTORY_PERCENTILES_MAX {
        return Err(RpcError::invalid_params(format!(
            "over the query limit {FEE_HISTORY_PERCENTILES_MAX}"
        )));
    }
    for (index, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return Err(RpcError::invalid_params(format!(
                "invalid reward percentile: {percentile}"
            )));
        }
        if index > 0 && *percentile < percentiles[index - 1] {
            return Err(RpcError::invalid_params(format!(
                "invalid reward percentile: #{}:{} > #{index}:{percentile}",
                index - 1,
                percentiles[index - 1]
            )));
        }
    }
    Ok(())
}

/// Tip and gas of each user transaction.
fn block_tips(block: &SealedBlock) -> Vec<(u128, u64)> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    let mut gas_before = 0;
    let mut tips = Vec::new();
    for (envelope, receipt) in block.transactions().iter().zip(block.receipts()) {
        let gas = receipt.cumulative_gas_used().saturating_sub(gas_before);
        gas_before = receipt.cumulative_gas_used();
        if convert::is_user_transaction(envelope) {
            tips.push((envelope.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
        }
    }
    tips
}

/// For each percentile of the block's gas, the tip paid there.
fn block_rewards(block: &SealedBlock, percentiles: &[f64]) -> Vec<u128> {
    let mut tips = block_tips(block);
    tips.sort_unstable();
    let total: u64 = tips.iter().map(|(_, gas)| gas).sum();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (total as f64 * percentile / 100.0) as u64;
            let mut gas = 0;
            tips.iter()
                .find(|(_, used)| {
                    gas += used;
                    gas >= threshold
                })
                .or(tips.last())
                .map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
