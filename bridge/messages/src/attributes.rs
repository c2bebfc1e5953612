//! The L1 attributes transaction, first in every L2 block: it tells the `L1Block` predeploy, and
//! through it the fee rules, which L1 block this block comes from. Jovian form, packed and not
//! ABI-encoded (OP Stack specification, Jovian L1 attributes).

use alloc::vec::Vec;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use op_alloy_consensus::TxDeposit;

use crate::{MessageError, reader::Reader};

/// Selector of `setL1BlockValuesJovian()`.
pub const L1_ATTRIBUTES_SELECTOR: [u8; 4] = [0x3d, 0xb6, 0xbe, 0x2b];
/// Bytes of the call data, selector included.
pub const L1_ATTRIBUTES_LENGTH: usize = 178;
/// Sender of the L1 attributes transaction; nobody holds its key.
pub const L1_ATTRIBUTES_DEPOSITOR: Address = address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001");
/// Gas limit of the L1 attributes transaction.
pub const L1_ATTRIBUTES_GAS: u64 = 1_000_000;
/// What a DA footprint scalar of zero in `SystemConfig` stands for.
pub const DA_FOOTPRINT_GAS_SCALAR_DEFAULT: u16 = 400;

/// Domain of source hashes of L1 attributes transactions.
const SOURCE_DOMAIN: B256 = B256::with_last_byte(1);
/// The predeploy that is called.
const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");
const WHAT: &str = "the L1 attributes";

/// What an L2 block says about its L1 origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Attributes {
    pub base_fee_scalar: u32,
    pub blob_base_fee_scalar: u32,
    /// Distance to the first L2 block of this epoch.
    pub sequence_number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub number: u64,
    /// Wei.
    pub base_fee: U256,
    /// Wei.
    pub blob_base_fee: U256,
    pub hash: B256,
    /// The batcher's address, left-padded.
    pub batcher_hash: B256,
    pub operator_fee_scalar: u32,
    /// Wei.
    pub operator_fee_constant: u64,
    /// Gas per byte of estimated compressed size.
    pub da_footprint_gas_scalar: u16,
}

impl L1Attributes {
    /// The call data.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(L1_ATTRIBUTES_LENGTH);
        out.extend_from_slice(&L1_ATTRIBUTES_SELECTOR);
        out.extend_from_slice(&self.base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.blob_base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.base_fee.to_be_bytes::<32>());
        out.extend_from_slice(&self.blob_base_fee.to_be_bytes::<32>());
        out.extend_from_slice(self.hash.as_slice());
        out.extend_from_slice(self.batcher_hash.as_slice());
        out.extend_from_slice(&self.operator_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.operator_fee_constant.to_be_bytes());
        out.extend_from_slice(&self.da_footprint_gas_scalar.to_be_bytes());
        out.into()
    }

    /// Reads call data of exactly [`L1_ATTRIBUTES_LENGTH`] bytes.
    pub fn decode(data: &[u8]) -> Result<Self, MessageError> {
        if data.len() != L1_ATTRIBUTES_LENGTH {
            return Err(MessageError::Length {
                what: WHAT,
                found: data.len(),
                expected: L1_ATTRIBUTES_LENGTH,
            });
        }
        let mut reader = Reader::new(WHAT, data);
        let selector = reader.array::<4>()?;
        if selector != L1_ATTRIBUTES_SELECTOR {
            return Err(MessageError::Selector(selector));
        }
        Ok(Self {
            base_fee_scalar: reader.u32()?,
            blob_base_fee_scalar: reader.u32()?,
            sequence_number: reader.u64()?,
            timestamp: reader.u64()?,
            number: reader.u64()?,
            base_fee: reader.u256()?,
            blob_base_fee: reader.u256()?,
            hash: reader.b256()?,
            batcher_hash: reader.b256()?,
            operator_fee_scalar: reader.u32()?,
            operator_fee_constant: reader.u64()?,
            da_footprint_gas_scalar: reader.u16()?,
        })
    }

    /// The deposit that carries them.
    pub fn transaction(&self) -> TxDeposit {
        TxDeposit {
            source_hash: l1_attributes_source_hash(self.hash, self.sequence_number),
            from: L1_ATTRIBUTES_DEPOSITOR,
            to: TxKind::Call(L1_BLOCK),
            mint: 0,
            value: U256::ZERO,
            gas_limit: L1_ATTRIBUTES_GAS,
            is_system_transaction: false,
            input: self.encode(),
        }
    }
}

/// `keccak256(bytes32(1) || keccak256(l1BlockHash || bytes32(sequenceNumber)))`.
pub fn l1_attributes_source_hash(l1_block_hash: B256, sequence_number: u64) -> B256 {
    source_hash(SOURCE_DOMAIN, l1_block_hash, sequence_number)
}

/// The common form of source hashes: a domain over an L1 block and a number in it.
pub(crate) fn source_hash(domain: B256, l1_block_hash: B256, number: u64) -> B256 {
    let number = B256::from(U256::from(number));
    let inner = keccak256([l1_block_hash.0, number.0].concat());
    keccak256([domain.0, inner.0].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attributes() -> impl Strategy<Value = L1Attributes> {
        (
            any::<(u32, u32, u64, u64, u64, u32, u64, u16)>(),
            any::<([u8; 32], [u8; 32], [u8; 32], [u8; 32])>(),
        )
            .prop_map(|(n, b)| L1Attributes {
                base_fee_scalar: n.0,
                blob_base_fee_scalar: n.1,
                sequence_number: n.2,
                timestamp: n.3,
                number: n.4,
                base_fee: U256::from_be_bytes(b.0),
                blob_base_fee: U256::from_be_bytes(b.1),
                hash: b.2.into(),
                batcher_hash: b.3.into(),
                operator_fee_scalar: n.5,
                operator_fee_constant: n.6,
                da_footprint_gas_scalar: n.7,
            })
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(attributes in attributes()) {
            let data = attributes.encode();
            prop_assert_eq!(data.len(), L1_ATTRIBUTES_LENGTH);
            prop_assert_eq!(L1Attributes::decode(&data), Ok(attributes));
        }

        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(attributes) = L1Attributes::decode(&data) {
                prop_assert_eq!(attributes.encode().to_vec(), data);
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let mut data = L1Attributes::default().encode().to_vec();
        data[3] ^= 1;
        assert_eq!(
            L1Attributes::decode(&data),
            Err(MessageError::Selector([0x3d, 0xb6, 0xbe, 0x2a]))
        );
        data.pop();
        assert!(matches!(
            L1Attributes::decode(&data),
            Err(MessageError::Length { found: 177, .. })
        ));
    }
}
