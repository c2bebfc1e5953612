//! Headers: what follows from the parent, and the bounds of what a proposer chooses.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, proofs::calculate_ommers_root};
use alloy_primitives::{B64, U256};
use revm::primitives::hardfork::SpecId;

use crate::{EthereumRules, block::mismatch, error::BlockError};

/// Bytes of extra data, at most (yellow paper, 4.3.4).
const EXTRA_DATA_MAX: usize = 32;
/// Least gas limit of a block (yellow paper, 4.3.4).
const GAS_LIMIT_MIN: u64 = 5_000;
/// Most, so that sums of gas fit 64 bits (EIP-1985).
const GAS_LIMIT_MAX: u64 = i64::MAX.unsigned_abs();
/// A gas limit differs from the parent's by less than this part of it.
const GAS_LIMIT_DIVISOR: u64 = 1_024;
/// EIP-1559: by how much the first block's limit grows beside the parent's.
const ELASTICITY: u64 = 2;
/// Ommers of one block, at most.
const OMMERS_MAX: usize = 2;
/// Blocks that an ommer may be older.
const OMMER_AGE_MAX: u64 = 6;

/// A header with everything known before execution: of `chosen` only what a proposer chooses, and before
/// the merge what proof of work makes of it.
pub(super) fn draft(
    rules: &EthereumRules,
    parent: &Header,
    chosen: &Header,
) -> Result<Header, BlockError> {
    let number = parent.number.saturating_add(1);
    let timestamp = chosen.timestamp;
    if timestamp <= parent.timestamp {
        return Err(BlockError::TimestampNotAboveParent { timestamp, parent: parent.timestamp });
    }
    if chosen.extra_data.len() > EXTRA_DATA_MAX {
        return Err(BlockError::ExtraDataTooLong(chosen.extra_data.len()));
    }
    check_gas_limit(rules, parent, number, chosen.gas_limit)?;
    let fork = rules.spec_id(number, timestamp);
    let merged = rules.is_merged(number);
    let cancun = fork.is_enabled_in(SpecId::CANCUN);
    Ok(Header {
        parent_hash: parent.hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: chosen.beneficiary,
        difficulty: if merged { U256::ZERO } else { chosen.difficulty },
        number,
        gas_limit: chosen.gas_limit,
        timestamp,
        extra_data: chosen.extra_data.clone(),
        mix_hash: chosen.mix_hash,
        nonce: if merged { B64::ZERO } else { chosen.nonce },
        base_fee_per_gas: rules.next_base_fee(parent),
        excess_blob_gas: rules.next_excess_blob_gas(parent, timestamp),
        parent_beacon_block_root: if cancun {
            Some(chosen.parent_beacon_block_root.unwrap_or_default())
        } else {
            None
        },
        ..Default::default()
    })
}

fn check_gas_limit(
    rules: &EthereumRules,
    parent: &Header,
    number: u64,
    gas_limit: u64,
) -> Result<(), BlockError> {
    let first = rules.is_london(number) && !rules.is_london(parent.number);
    let factor = if first { ELASTICITY } else { 1 };
    let before = parent.gas_limit.saturating_mul(factor);
    let bound = before.checked_div(GAS_LIMIT_DIVISOR).unwrap_or_default();
    let is_near = gas_limit.abs_diff(before) < bound;
    if is_near && (GAS_LIMIT_MIN..=GAS_LIMIT_MAX).contains(&gas_limit) {
        return Ok(());
    }
    Err(BlockError::GasLimitOutOfBounds { gas_limit, parent: before })
}

/// Number, age and root of ommers.
pub(super) fn check_ommers(
    fork: SpecId,
    header: &Header,
    ommers: &[Header],
) -> Result<(), BlockError> {
    let root = calculate_ommers_root(ommers);
    if root != header.ommers_hash {
        return Err(mismatch("ommers_hash", &header.ommers_hash, &root));
    }
    let max = if fork.is_enabled_in(SpecId::MERGE) { 0 } else { OMMERS_MAX };
    if ommers.len() > max {
        return Err(BlockError::TooManyOmmers { count: ommers.len(), max });
    }
    for (index, ommer) in ommers.iter().enumerate() {
        let is_young = ommer.number < header.number
            && ommer.number.saturating_add(OMMER_AGE_MAX) >= header.number;
        let is_new = ommers.iter().take(index).all(|other| other != ommer);
        if !is_young || !is_new {
            return Err(BlockError::BadOmmer { index, number: ommer.number });
        }
    }
    Ok(())
}
