//! `ConfigUpdate` logs of the L1 contract `SystemConfig`: changes of the parameters that derivation
//! and the fee rules depend on.

use alloy_primitives::{Address, B256, LogData, U256};
use alloy_sol_types::{SolEvent, sol};

use crate::{MessageError, deposit::decode_event, reader::Reader};

mod events {
    use super::sol;

    sol! {
        /// Emitted by `SystemConfig` for each changed parameter.
        #[derive(Debug)]
        event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data);
    }
}

/// First topic of [`decode_config_update`]'s logs.
pub const CONFIG_UPDATE_TOPIC: B256 = events::ConfigUpdate::SIGNATURE_HASH;

/// One changed parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// Type 0.
    Batcher(Address),
    /// Type 1: scalars of the L1 data fee.
    FeeScalars { base_fee: u32, blob_base_fee: u32 },
    /// Type 2.
    GasLimit(u64),
    /// Type 3: signer of blocks not derived yet; derivation does not use it.
    UnsafeBlockSigner(Address),
    /// Type 4.
    Eip1559 { denominator: u32, elasticity: u32 },
    /// Type 5.
    OperatorFee { scalar: u32, constant: u64 },
    /// Type 6, wei.
    MinBaseFee(u64),
    /// Type 7; 0 stands for 400.
    DaFootprintGasScalar(u16),
}

/// Reads a `ConfigUpdate` log.
pub fn decode_config_update(log: &LogData) -> Result<ConfigUpdate, MessageError> {
    let event = decode_event::<events::ConfigUpdate>("ConfigUpdate", log)?;
    if event.version != U256::ZERO {
        return Err(MessageError::Version { event: "ConfigUpdate", version: event.version });
    }
    let kind = event.updateType;
    let expected = if kind == 1 { 64 } else { 32 };
    if event.data.len() != expected {
        return Err(MessageError::Length {
            what: "the data of a ConfigUpdate",
            found: event.data.len(),
            expected,
        });
    }
    let mut reader = Reader::new("the data of a ConfigUpdate", &event.data);
    if kind == 1 {
        reader.u256()?;
    }
    let word = reader.b256()?;
    let value = U256::from_be_bytes(word.0);
    let out_of_range = || MessageError::ConfigUpdateValue { update: kind, value };
    let u64_value = || u64::try_from(value).map_err(|_| out_of_range());
    // Parameters of two parts are packed at the end of the word.
    let mut tail = Reader::new("the data of a ConfigUpdate", word.as_slice());
    match kind {
        0 => Ok(ConfigUpdate::Batcher(Address::from_word(word))),
        1 => {
            let [version] = tail.array()?;
            tail.array::<23>()?;
            let (blob_base_fee, base_fee) = (tail.u32()?, tail.u32()?);
            match version {
                0 => Ok(ConfigUpdate::FeeScalars { base_fee, blob_base_fee: 0 }),
                1 => Ok(ConfigUpdate::FeeScalars { base_fee, blob_base_fee }),
                version => Err(MessageError::ScalarVersion(version)),
            }
        }
        2 => Ok(ConfigUpdate::GasLimit(u64_value()?)),
        3 => Ok(ConfigUpdate::UnsafeBlockSigner(Address::from_word(word))),
        4 => {
            u64_value()?;
            tail.array::<24>()?;
            Ok(ConfigUpdate::Eip1559 { denominator: tail.u32()?, elasticity: tail.u32()? })
        }
        5 => {
            if value.bit_len() > 96 {
                return Err(out_of_range());
            }
            tail.array::<20>()?;
            Ok(ConfigUpdate::OperatorFee { scalar: tail.u32()?, constant: tail.u64()? })
        }
        6 => Ok(ConfigUpdate::MinBaseFee(u64_value()?)),
        7 => Ok(ConfigUpdate::DaFootprintGasScalar(
            u16::try_from(value).map_err(|_| out_of_range())?,
        )),
        unknown => Err(MessageError::ConfigUpdateType(unknown)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(update_type: u8, data: Vec<u8>) -> LogData {
        events::ConfigUpdate { version: U256::ZERO, updateType: update_type, data: data.into() }
            .encode_log_data()
    }

    fn word(value: U256) -> Vec<u8> {
        value.to_be_bytes::<32>().to_vec()
    }

    #[track_caller]
    fn check(update_type: u8, value: U256, expected: ConfigUpdate) {
        assert_eq!(decode_config_update(&log(update_type, word(value))), Ok(expected));
    }

    #[test]
    fn every_type_decodes() {
        assert!(CONFIG_UPDATE_TOPIC.to_string().starts_with("0x1d2b0bda"));
        let address = Address::repeat_byte(5);
        let padded = U256::from_be_bytes(address.into_word().0);
        check(0, padded, ConfigUpdate::Batcher(address));
        check(2, U256::from(30_000_000), ConfigUpdate::GasLimit(30_000_000));
        check(3, padded, ConfigUpdate::UnsafeBlockSigner(address));
        check(
            4,
            U256::from(250_u64 << 32 | 6),
            ConfigUpdate::Eip1559 { denominator: 250, elasticity: 6 },
        );
        check(
            5,
            U256::from(7_u128 << 64 | 9),
            ConfigUpdate::OperatorFee { scalar: 7, constant: 9 },
        );
        check(6, U256::from(1_000), ConfigUpdate::MinBaseFee(1_000));
        check(7, U256::from(500), ConfigUpdate::DaFootprintGasScalar(500));

        let scalar = U256::ONE << 248 | U256::from(810_949_u64 << 32 | 1_368);
        let data = [word(U256::ZERO), word(scalar)].concat();
        assert_eq!(
            decode_config_update(&log(1, data)),
            Ok(ConfigUpdate::FeeScalars { base_fee: 1_368, blob_base_fee: 810_949 })
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for kind in [2, 4, 5, 6, 7] {
            assert!(matches!(
                decode_config_update(&log(kind, word(U256::MAX))),
                Err(MessageError::ConfigUpdateValue { .. })
            ));
        }
        assert_eq!(
            decode_config_update(&log(8, word(U256::ZERO))),
            Err(MessageError::ConfigUpdateType(8))
        );
        assert!(matches!(
            decode_config_update(&log(2, vec![0; 31])),
            Err(MessageError::Length { found: 31, .. })
        ));
    }

    proptest! {
        #[test]
        fn any_log_decodes_or_fails(
            kind: u8,
            data in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = decode_config_update(&log(kind, data.clone()));
            let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
            let _ = decode_config_update(&LogData::new_unchecked(topics, data.into()));
        }
    }
}
