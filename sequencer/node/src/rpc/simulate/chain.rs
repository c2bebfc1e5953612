//! The blocks of a simulation before they run: what was left out is filled in, gaps are filled with
//! empty blocks, numbers and times must rise.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use primitives::Header;
use revm::primitives::hardfork::SpecId;
use serde::Deserialize;
use stf::{ChainSpec, Rules};

use super::super::error::{
    BLOCK_NUMBER_INVALID, BLOCK_TIME_INVALID, CLIENT_LIMIT_EXCEEDED, RpcError,
};

/// Blocks beyond the one a simulation starts from, at most (execution-apis).
pub(super) const BLOCKS_MAX: u64 = 256;
/// Seconds between blocks whose time is not given (geth).
const BLOCK_TIME: u64 = 12;

/// `eth_simulateV1`'s first parameter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Payload {
    pub(super) block_state_calls: Vec<BlockCalls>,
    #[serde(default)]
    pub(super) trace_transfers: bool,
    #[serde(default)]
    pub(super) validation: bool,
    #[serde(default)]
    pub(super) return_full_transactions: bool,
}

/// One block asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BlockCalls {
    block_overrides: Option<Overrides>,
    state_overrides: Option<StateOverride>,
    calls: Vec<TransactionRequest>,
}

/// As other calls take them, and what only a whole block has.
#[derive(Debug, Default, Deserialize)]
struct Overrides {
    #[serde(flatten)]
    common: BlockOverrides,
    withdrawals: Option<Withdrawals>,
}

/// One block to run.
#[derive(Debug)]
pub(super) struct Draft {
    /// Of what is known before its parent is: all but hashes, roots, gas used and, unless it is
    /// overridden, the base fee.
    pub(super) header: Header,
    /// Wei per blob gas, if overridden.
    pub(super) blob_fee: Option<U256>,
    pub(super) withdrawals: Withdrawals,
    pub(super) state: Option<StateOverride>,
    pub(super) calls: Vec<TransactionRequest>,
}

/// Every block from the one after `base` on, gaps filled.
pub(super) fn drafts(
    spec: &ChainSpec,
    base: &Header,
    blocks: Vec<BlockCalls>,
) -> Result<Vec<Draft>, RpcError> {
    let mut drafts: Vec<Draft> = Vec::with_capacity(blocks.len());
    let mut previous = base.clone();
    for block in blocks {
        let Overrides { common, withdrawals } = block.block_overrides.unwrap_or_default();
        let number = match common.number {
            Some(number) => number,
            None => U256::from(previous.number) + U256::ONE,
        };
        if number <= U256::from(previous.number) {
            return Err(RpcError::new(
                BLOCK_NUMBER_INVALID,
                format!("block numbers must be in order: {number} <= {}", previous.number),
            ));
        }
        if number - U256::from(base.number) > U256::from(BLOCKS_MAX) {
            return Err(RpcError::new(CLIENT_LIMIT_EXCEEDED, "too many blocks"));
        }
        let number: u64 = number.saturating_to();
        while previous.number + 1 < number {
            let time = previous.timestamp.saturating_add(BLOCK_TIME);
            let next = previous.number + 1;
            let header = header(spec, &previous, next, time, &BlockOverrides::default())?;
            previous = header.clone();
            drafts.push(Draft {
                header,
                blob_fee: None,
                withdrawals: Withdrawals::default(),
                state: None,
                calls: Vec::new(),
            });
        }
        let time = common.time.unwrap_or(previous.timestamp.saturating_add(BLOCK_TIME));
        if time <= previous.timestamp {
            return Err(RpcError::new(
                BLOCK_TIME_INVALID,
                format!("block timestamps must be in order: {time} <= {}", previous.timestamp),
            ));
        }
        let header = header(spec, &previous, number, time, &common)?;
        previous = header.clone();
        drafts.push(Draft {
            header,
            blob_fee: common.blob_base_fee,
            withdrawals: withdrawals.unwrap_or_default(),
            state: block.state_overrides,
            calls: block.calls,
        });
    }
    Ok(drafts)
}

fn header(
    spec: &ChainSpec,
    previous: &Header,
    number: u64,
    timestamp: u64,
    overrides: &BlockOverrides,
) -> Result<Header, RpcError> {
    let fork = spec.spec_id(number, timestamp);
    let at = |since: SpecId| fork.is_enabled_in(since);
    let base_fee = match overrides.base_fee {
        Some(fee) => Some(
            u64::try_from(fee)
                .map_err(|_| RpcError::invalid_params("baseFeePerGas does not fit 64 bits"))?,
        ),
        None => None,
    };
    let (merged, extra_data) = match &spec.rules {
        // The fee parameters of the next block are in it.
        Rules::Rollup => (true, previous.extra_data.clone()),
        Rules::Ethereum(rules) => (rules.is_merged(number), Default::default()),
    };
    let difficulty = if merged { U256::ZERO } else { previous.difficulty };
    Ok(Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: overrides.coinbase.unwrap_or(previous.beneficiary),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: overrides.difficulty.unwrap_or(difficulty),
        number,
        gas_limit: overrides.gas_limit.unwrap_or(previous.gas_limit),
        timestamp,
        extra_data,
        mix_hash: overrides.random.unwrap_or_default(),
        base_fee_per_gas: base_fee.filter(|_| at(SpecId::LONDON)),
        withdrawals_root: at(SpecId::SHANGHAI).then_some(EMPTY_ROOT_HASH),
        parent_beacon_block_root: at(SpecId::CANCUN)
            .then(|| overrides.beacon_root.unwrap_or(B256::ZERO)),
        ..Default::default()
    })
}
