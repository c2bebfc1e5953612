//! What the EVM is told of the chain and of a block. Building, re-execution and simulated calls take
//! it from here, so they cannot run by different rules.

use alloy_consensus::Header;
use alloy_primitives::U256;
use op_revm::OpSpecId;
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
};

use crate::ChainSpec;

/// The rules in force, with every check on.
pub fn cfg_env(spec: &ChainSpec) -> CfgEnv<OpSpecId> {
    let mut cfg = CfgEnv::new_with_spec(OpSpecId::JOVIAN);
    cfg.chain_id = spec.chain_id;
    cfg
}

/// What a transaction in the block with this header sees. There are no blobs on L2, so the blob base
/// fee is the least possible, 1 wei (EIP-4844), whatever Jovian keeps in `blob_gas_used`.
pub fn block_env(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: 1,
        }),
        ..Default::default()
    }
}
