//! EIP-1559 with the OP Stack's parameters in the header (Holocene, Jovian).

use alloy_consensus::Header;
use alloy_primitives::{B64, Bytes, U256};

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

/// Base fee of the block after `parent`, wei per gas (EIP-1559 with the parent's parameters). Since
/// Jovian the DA footprint (`blob_gas_used`) counts where it exceeds the gas used, and the result is
/// at least the minimum base fee.
pub fn next_base_fee(parent: &Header) -> u64 {
    let parameters = Eip1559Parameters::from_extra_data(&parent.extra_data);
    let used = parent.gas_used.max(parent.blob_gas_used.unwrap_or_default());
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    let target = parent.gas_limit.checked_div(parameters.elasticity.into()).unwrap_or_default();
    // 64 by 64 and 64 by 32 bits: neither product overflows.
    let divisor = u128::from(target).saturating_mul(parameters.denominator.into());
    let change = u128::from(base_fee)
        .saturating_mul(used.abs_diff(target).into())
        .checked_div(divisor)
        .map(|change| u64::try_from(change).unwrap_or(u64::MAX));
    let next = match change {
        // An elasticity above the gas limit leaves no target to steer by.
        None => base_fee,
        Some(change) if used > target => base_fee.saturating_add(change.max(1)),
        Some(change) => base_fee.saturating_sub(change),
    };
    next.max(parameters.min_base_fee)
}

/// The L1 data fee in wei (Fjord) of a transaction whose estimated compressed size, scaled by 10^6, is `size_scaled`.
pub fn l1_data_fee(
    size_scaled: u64,
    base_fee: U256,
    base_fee_scalar: U256,
    blob_base_fee: U256,
    blob_base_fee_scalar: U256,
) -> U256 {
    let per_byte = base_fee
        .saturating_mul(U256::from(16))
        .saturating_mul(base_fee_scalar)
        .saturating_add(blob_base_fee.saturating_mul(blob_base_fee_scalar));
    U256::from(size_scaled).saturating_mul(per_byte).wrapping_div(U256::from(1_000_000_000_000_u64))
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
    fn base_fee_is_the_one_of_eip_1559_and_never_overflows() {
        use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};
        for gas_used in [0, 1, 9_999_999, 10_000_000, 10_000_001, 31_415_926, 60_000_000] {
            for base_fee in [0, 1, 7, 1_000_000, 123_456_789_012, u64::MAX >> 8] {
                assert_eq!(
                    next_base_fee(&parent(gas_used, 0, base_fee, 0)),
                    calc_next_block_base_fee(
                        gas_used,
                        60_000_000,
                        base_fee,
                        BaseFeeParams::new(250, 6)
                    ),
                );
            }
        }
        assert_eq!(next_base_fee(&parent(60_000_000, 0, u64::MAX, 0)), u64::MAX);
        let extra_data =
            Eip1559Parameters { denominator: 1, elasticity: u32::MAX, min_base_fee: 0 }
                .to_extra_data();
        let no_target = Header { extra_data, ..parent(60_000_000, 0, 55, 0) };
        assert_eq!(next_base_fee(&no_target), 55);
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
