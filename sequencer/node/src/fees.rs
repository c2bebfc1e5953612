//! What a transaction pays beside gas on L2: the L1 data fee (Fjord) and the operator fee
//! (Jovian), computed as op-revm does, from the parameters that each block's L1 attributes
//! transaction sets.

use alloy_primitives::U256;
use messages::{DA_FOOTPRINT_GAS_SCALAR_DEFAULT, L1Attributes};

/// Size estimates are scaled by this (Fjord).
const SIZE_SCALE: u64 = 1_000_000;

/// The fee parameters one L2 block runs with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Fees {
    /// Wei per gas on L1.
    pub base_fee: U256,
    /// Wei per blob gas on L1.
    pub blob_base_fee: U256,
    pub base_fee_scalar: u32,
    pub blob_base_fee_scalar: u32,
    pub operator_fee_scalar: u32,
    /// Wei per transaction.
    pub operator_fee_constant: u64,
    /// 0 stands for the protocol default.
    pub da_footprint_gas_scalar: u16,
}

impl L1Fees {
    /// The parameters in the calldata of a block's L1 attributes transaction; `None` for anything
    /// else.
    pub fn from_attributes(calldata: &[u8]) -> Option<Self> {
        let l1 = L1Attributes::decode(calldata).ok()?;
        Some(Self {
            base_fee: l1.base_fee,
            blob_base_fee: l1.blob_base_fee,
            base_fee_scalar: l1.base_fee_scalar,
            blob_base_fee_scalar: l1.blob_base_fee_scalar,
            operator_fee_scalar: l1.operator_fee_scalar,
            operator_fee_constant: l1.operator_fee_constant,
            da_footprint_gas_scalar: l1.da_footprint_gas_scalar,
        })
    }

    /// The L1 data fee in wei of a transaction whose estimated compressed size, scaled by 10^6, is
    /// `size_scaled` (`op_revm::estimate_tx_compressed_size`).
    pub fn data_fee(&self, size_scaled: u64) -> U256 {
        stf::l1_data_fee(
            size_scaled,
            self.base_fee,
            U256::from(self.base_fee_scalar),
            self.blob_base_fee,
            U256::from(self.blob_base_fee_scalar),
        )
    }

    /// L1 gas the data stands for: 16 gas a byte of the estimate (receipt field `l1GasUsed`).
    pub fn data_gas(size_scaled: u64) -> u64 {
        size_scaled.saturating_mul(16) / SIZE_SCALE
    }

    /// The operator fee in wei for `gas` (Jovian form).
    pub fn operator_fee(&self, gas: u64) -> U256 {
        U256::from(gas)
            .saturating_mul(U256::from(self.operator_fee_scalar))
            .saturating_mul(U256::from(100))
            .saturating_add(U256::from(self.operator_fee_constant))
    }

    /// The scalar in force, never 0.
    pub const fn da_footprint_scalar(&self) -> u16 {
        if self.da_footprint_gas_scalar == 0 {
            DA_FOOTPRINT_GAS_SCALAR_DEFAULT
        } else {
            self.da_footprint_gas_scalar
        }
    }

    /// What the transaction adds to the block's DA footprint, gas.
    pub fn da_footprint(&self, size_scaled: u64) -> u64 {
        (size_scaled / SIZE_SCALE).saturating_mul(u64::from(self.da_footprint_scalar()))
    }
}

#[cfg(test)]
mod tests {
    use op_revm::{L1BlockInfo, OpSpecId, estimate_tx_compressed_size};

    use super::*;

    #[test]
    fn agrees_with_op_revm() {
        let fees = L1Fees {
            base_fee: U256::from(1_234_567_890_u64),
            blob_base_fee: U256::from(77_777_u64),
            base_fee_scalar: 1_368,
            blob_base_fee_scalar: 810_949,
            operator_fee_scalar: 17,
            operator_fee_constant: 999,
            da_footprint_gas_scalar: 0,
        };
        let mut info = L1BlockInfo {
            l1_base_fee: fees.base_fee,
            l1_base_fee_scalar: U256::from(fees.base_fee_scalar),
            l1_blob_base_fee: Some(fees.blob_base_fee),
            l1_blob_base_fee_scalar: Some(U256::from(fees.blob_base_fee_scalar)),
            operator_fee_scalar: Some(U256::from(fees.operator_fee_scalar)),
            operator_fee_constant: Some(U256::from(fees.operator_fee_constant)),
            ..Default::default()
        };
        for length in [1_usize, 90, 100, 1_000, 30_000] {
            let input: Vec<u8> = (0..length).map(|i| (i * 31 % 251) as u8 | 1).collect();
            let size = estimate_tx_compressed_size(&input);
            info.clear_tx_l1_cost();
            assert_eq!(
                fees.data_fee(size),
                info.calculate_tx_l1_cost(&input, OpSpecId::JOVIAN),
                "length {length}"
            );
            assert_eq!(
                fees.operator_fee(50_000),
                info.operator_fee_charge(&input, U256::from(50_000), OpSpecId::JOVIAN)
            );
            assert_eq!(U256::from(L1Fees::data_gas(size)), info.data_gas(&input, OpSpecId::JOVIAN));
        }
    }
}
