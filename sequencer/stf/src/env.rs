//! What the EVM is told of the chain and of a block. Building, re-execution and simulated calls take
//! it from here, so they cannot run by different rules.

use alloy_consensus::Header;
use alloy_primitives::U256;
use op_revm::OpSpecId;
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
};

use crate::{ChainSpec, Rules};

/// The rules in force in a block, with every check on.
pub fn cfg_env(spec: &ChainSpec, number: u64, timestamp: u64) -> CfgEnv<SpecId> {
    let mut cfg = CfgEnv::new_with_spec(spec.spec_id(number, timestamp));
    cfg.chain_id = spec.chain_id;
    if let Rules::Ethereum(rules) = &spec.rules {
        // Before EIP-155 nothing was bound to a chain.
        cfg.tx_chain_id_check = rules.config().eip155_block.is_some_and(|block| number >= block);
        if let Some(blobs) = rules.blob_params(timestamp) {
            cfg.blob_base_fee_update_fraction = blobs.update_fraction.try_into().ok();
            cfg.max_blobs_per_tx = Some(blobs.max_blobs_per_tx);
        }
    }
    cfg
}

/// A rollup's rules under the name `op-revm` knows them by.
pub(crate) fn rollup_cfg(cfg: CfgEnv<SpecId>) -> CfgEnv<OpSpecId> {
    cfg.with_spec_and_mainnet_gas_params(OpSpecId::JOVIAN)
}

/// What a transaction in the block with this header sees. There are no blobs on L2, so the blob base
/// fee is the least possible there, 1 wei (EIP-4844), whatever Jovian keeps in `blob_gas_used`.
pub fn block_env(spec: &ChainSpec, header: &Header) -> BlockEnv {
    let (merged, blobs) = match &spec.rules {
        Rules::Rollup => {
            (true, Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }))
        }
        Rules::Ethereum(rules) => (
            rules.is_merged(header.number),
            header.excess_blob_gas.zip(rules.blob_params(header.timestamp)).map(
                |(excess_blob_gas, params)| BlobExcessGasAndPrice {
                    excess_blob_gas,
                    blob_gasprice: params.calc_blob_fee(excess_blob_gas),
                },
            ),
        ),
    };
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: if merged { U256::ZERO } else { header.difficulty },
        prevrandao: merged.then_some(header.mix_hash),
        blob_excess_gas_and_price: blobs,
        ..Default::default()
    }
}
