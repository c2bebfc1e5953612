//! EIP-1559 with the OP Stack's parameters in the header (Holocene, Jovian).

use alloy_consensus::Header;
use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
use alloy_primitives::{B64, Bytes};

/// Parameters that a header's `extra_data` carries for the block after it. Jovian form, 17 bytes:
/// version 1, denominator u32, elasticity u32, minimum base fee u64, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eip1559Parameters {
    pub denominator: u32,
    pub elasticity: u32,
    /// Wei per gas.
    pub min_base_fee: u64,
}

impl Eip1559Parameters {
    /// Used where a configuration leaves both parameters zero.
    const DENOMINATOR_DEFAULT: u32 = 250;
    const ELASTICITY_DEFAULT: u32 = 6;

    /// From payload attributes.
    pub fn from_attributes(eip1559_params: B64, min_base_fee: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = eip1559_params.0;
        Self::new(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]), min_base_fee)
    }

    /// From a header; the defaults if it carries none.
    pub fn from_extra_data(extra_data: &[u8]) -> Self {
        match extra_data {
            [1, a, b, c, d, e, f, g, h, fee @ ..] if fee.len() == 8 => {
                let mut min_base_fee = [0; 8];
                min_base_fee.copy_from_slice(fee);
                Self::new(
                    u32::from_be_bytes([*a, *b, *c, *d]),
                    u32::from_be_bytes([*e, *f, *g, *h]),
                    u64::from_be_bytes(min_base_fee),
                )
            }
            _ => Self::new(0, 0, 0),
        }
    }

    const fn new(denominator: u32, elasticity: u32, min_base_fee: u64) -> Self {
        if denominator == 0 || elasticity == 0 {
            return Self {
                denominator: Self::DENOMINATOR_DEFAULT,
                elasticity: Self::ELASTICITY_DEFAULT,
                min_base_fee,
            };
        }
        Self { denominator, elasticity, min_base_fee }
    }

    /// The header field.
    pub fn to_extra_data(self) -> Bytes {
        let mut bytes = alloc::vec::Vec::with_capacity(17);
        bytes.push(1);
        bytes.extend_from_slice(&self.denominator.to_be_bytes());
        bytes.extend_from_slice(&self.elasticity.to_be_bytes());
        bytes.extend_from_slice(&self.min_base_fee.to_be_bytes());
        bytes.into()
    }
}

/// Base fee of the block after `parent`, wei per gas. Since Jovian the DA footprint
/// (`blob_gas_used`) counts where it exceeds the gas used.
pub fn next_base_fee(parent: &Header) -> u64 {
    let parameters = Eip1559Parameters::from_extra_data(&parent.extra_data);
    let used = parent.gas_used.max(parent.blob_gas_used.unwrap_or_default());
    let base_fee = calc_next_block_base_fee(
        used,
        parent.gas_limit,
        parent.base_fee_per_gas.unwrap_or_default(),
        BaseFeeParams::new(parameters.denominator.into(), parameters.elasticity.into()),
    );
    base_fee.max(parameters.min_base_fee)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(gas_used: u64, blob_gas_used: u64, base_fee: u64, min_base_fee: u64) -> Header {
        Header {
            gas_limit: 60_000_000,
            gas_used,
            blob_gas_used: Some(blob_gas_used),
            base_fee_per_gas: Some(base_fee),
            extra_data: Eip1559Parameters { denominator: 250, elasticity: 6, min_base_fee }
                .to_extra_data(),
            ..Default::default()
        }
    }

    #[test]
    fn base_fee_follows_gas_and_da_footprint() {
        // At target (10 M) it stands still.
        assert_eq!(next_base_fee(&parent(10_000_000, 0, 1_000_000_000, 0)), 1_000_000_000);
        // A full block: + (60-10)/10/250 = 2 %.
        assert_eq!(next_base_fee(&parent(60_000_000, 0, 1_000_000_000, 0)), 1_020_000_000);
        // A full footprint counts the same.
        assert_eq!(next_base_fee(&parent(21_000, 60_000_000, 1_000_000_000, 0)), 1_020_000_000);
        // An empty block: - 1/250 = 0.4 %.
        assert_eq!(next_base_fee(&parent(0, 0, 1_000_000_000, 0)), 996_000_000);
        // Never below the floor.
        assert_eq!(next_base_fee(&parent(0, 0, 1_000_000, 1_000_000)), 1_000_000);
    }

    #[test]
    fn parameters_round_trip_and_default() {
        let parameters = Eip1559Parameters { denominator: 8, elasticity: 2, min_base_fee: 7 };
        assert_eq!(Eip1559Parameters::from_extra_data(&parameters.to_extra_data()), parameters);
        assert_eq!(Eip1559Parameters::from_extra_data(&[]).denominator, 250);
        assert_eq!(
            Eip1559Parameters::from_attributes(B64::ZERO, 5),
            Eip1559Parameters { denominator: 250, elasticity: 6, min_base_fee: 5 }
        );
    }
}
