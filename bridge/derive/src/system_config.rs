//! Applies the `ConfigUpdate` logs of an L1 block to the configuration in force before it.

use messages::{ConfigUpdate, decode_config_update};
use primitives::SystemConfig;

use crate::{AttributesError, L1Block};

/// The configuration from `block` on, given that before it.
pub fn apply_config_updates(
    before: SystemConfig,
    block: &L1Block,
) -> Result<SystemConfig, AttributesError> {
    let mut config = before;
    for log in &block.config_updates {
        let update = decode_config_update(&log.data)
            .map_err(|source| AttributesError::ConfigUpdate { l1_block: block.number, source })?;
        apply(&mut config, update);
    }
    Ok(config)
}

fn apply(config: &mut SystemConfig, update: ConfigUpdate) {
    match update {
        ConfigUpdate::Batcher(address) => config.batcher_address = address,
        ConfigUpdate::FeeScalars { base_fee, blob_base_fee } => {
            config.base_fee_scalar = base_fee;
            config.blob_base_fee_scalar = blob_base_fee;
        }
        ConfigUpdate::GasLimit(limit) => config.gas_limit = limit,
        ConfigUpdate::UnsafeBlockSigner(_) => {}
        ConfigUpdate::Eip1559 { denominator, elasticity } => {
            config.eip1559_denominator = denominator;
            config.eip1559_elasticity = elasticity;
        }
        ConfigUpdate::OperatorFee { scalar, constant } => {
            config.operator_fee_scalar = scalar;
            config.operator_fee_constant = constant;
        }
        ConfigUpdate::MinBaseFee(fee) => config.min_base_fee = fee,
        ConfigUpdate::DaFootprintGasScalar(scalar) => config.da_footprint_gas_scalar = scalar,
    }
}
