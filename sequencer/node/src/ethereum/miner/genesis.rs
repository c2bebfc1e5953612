//! The beginning of a development L1: every fork through Osaka is active from its first block.

use std::collections::BTreeMap;

use alloy_eips::{
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE},
    eip7840::BlobParams,
};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, Bytes, U256};

/// Ether of each account of a development L1.
pub const ACCOUNT_BALANCE_ETHER: u64 = 1_000_000;

/// Gas of a block, as on the mainnet of late 2025.
const GAS_LIMIT: u64 = 60_000_000;
/// Wei per gas of the first block.
const BASE_FEE: u128 = 1_000_000_000;

/// A genesis with funded accounts and contracts beside those that the forks demand. `timestamp` is in
/// seconds since the Unix epoch.
pub fn genesis(
    chain_id: u64,
    timestamp: u64,
    accounts: impl IntoIterator<Item = Address>,
    contracts: impl IntoIterator<Item = (Address, Bytes)>,
) -> Genesis {
    let config = ChainConfig {
        chain_id,
        homestead_block: Some(0),
        eip150_block: Some(0),
        eip155_block: Some(0),
        eip158_block: Some(0),
        byzantium_block: Some(0),
        constantinople_block: Some(0),
        petersburg_block: Some(0),
        istanbul_block: Some(0),
        berlin_block: Some(0),
        london_block: Some(0),
        terminal_total_difficulty: Some(U256::ZERO),
        terminal_total_difficulty_passed: true,
        shanghai_time: Some(0),
        cancun_time: Some(0),
        prague_time: Some(0),
        osaka_time: Some(0),
        blob_schedule: BTreeMap::from([
            ("cancun".to_owned(), BlobParams::cancun()),
            ("prague".to_owned(), BlobParams::prague()),
            ("osaka".to_owned(), BlobParams::osaka()),
        ]),
        ..Default::default()
    };
    let mut genesis = Genesis {
        config,
        gas_limit: GAS_LIMIT,
        timestamp,
        base_fee_per_gas: Some(BASE_FEE),
        ..Default::default()
    };
    let contract = |code: Bytes| {
        // EIP-161: an account with code has a nonce.
        GenesisAccount::default().with_code(Some(code)).with_nonce(Some(1))
    };
    let system = [
        (BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE.clone()),
        (HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone()),
        (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE.clone()),
        (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE.clone()),
    ];
    let all = system.into_iter().chain(contracts);
    genesis.alloc.extend(all.map(|(address, code)| (address, contract(code))));
    let wei = U256::from(ACCOUNT_BALANCE_ETHER).saturating_mul(U256::from(10).pow(U256::from(18)));
    let funded = GenesisAccount::default().with_balance(wei);
    genesis.alloc.extend(accounts.into_iter().map(|account| (account, funded.clone())));
    genesis
}
