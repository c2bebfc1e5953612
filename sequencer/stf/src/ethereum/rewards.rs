//! What a block pays beside its transactions: rewards before the merge, withdrawals since Shanghai.

use alloc::vec::Vec;

use alloy_consensus::{Header, constants::ETH_TO_WEI};
use alloy_eips::eip4895::{GWEI_TO_WEI, Withdrawals};
use alloy_primitives::Address;

use crate::{EthereumRules, error::BlockError};

/// Rewards in wei (yellow paper, 11.3; EIP-649, EIP-1234); none after the merge.
pub(crate) fn balances(
    rules: &EthereumRules,
    header: &Header,
    ommers: &[Header],
) -> Result<Vec<(Address, u128)>, BlockError> {
    let number = header.number;
    if rules.is_merged(number) {
        return Ok(Vec::new());
    }
    let at = |block: Option<u64>| block.is_some_and(|block| number >= block);
    let config = rules.config();
    let ethers: u128 = if at(config.constantinople_block) || at(config.petersburg_block) {
        2
    } else if at(config.byzantium_block) {
        3
    } else {
        5
    };
    let base = ETH_TO_WEI.saturating_mul(ethers);
    let mut own = base;
    let mut all = Vec::with_capacity(ommers.len().saturating_add(1));
    for (index, ommer) in ommers.iter().enumerate() {
        let bad = BlockError::BadOmmer { index, number: ommer.number };
        let age = number.checked_sub(ommer.number).ok_or_else(|| bad.clone())?;
        let eighths = 8_u64.checked_sub(age).ok_or(bad)?;
        let reward = base.saturating_mul(u128::from(eighths)) >> 3_u32;
        all.push((ommer.beneficiary, reward));
        own = own.saturating_add(base >> 5_u32);
    }
    all.push((header.beneficiary, own));
    Ok(all)
}

/// Withdrawals in wei (EIP-4895).
pub(crate) fn withdrawn(
    withdrawals: Option<&Withdrawals>,
) -> impl Iterator<Item = (Address, u128)> + '_ {
    let amount = |gwei: u64| u128::from(gwei).saturating_mul(u128::from(GWEI_TO_WEI));
    withdrawals.into_iter().flat_map(|all| all.iter()).map(move |w| (w.address, amount(w.amount)))
}
