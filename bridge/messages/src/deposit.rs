//! Deposits: what `OptimismPortal` emits on L1 and the transaction of type `0x7E` that it becomes on
//! L2 (OP Stack specification, deposits).

use alloy_primitives::{Address, B256, Bytes, LogData, TxKind, U160, U256};
use alloy_sol_types::{SolEvent, sol};
use op_alloy_consensus::TxDeposit;

use crate::{MessageError, attributes::source_hash, reader::Reader};

sol! {
    /// Emitted by `OptimismPortal` for each deposit.
    #[derive(Debug)]
    event TransactionDeposited(
        address indexed from,
        address indexed to,
        uint256 indexed version,
        bytes opaqueData
    );
}

/// First topic of [`decode_deposit`]'s logs.
pub const TRANSACTION_DEPOSITED_TOPIC: B256 = TransactionDeposited::SIGNATURE_HASH;

/// Domain of source hashes of user deposits.
const SOURCE_DOMAIN: B256 = B256::ZERO;
/// Added to the address of an L1 contract, so that it cannot pose as an L2 contract of the same
/// address.
const ALIAS_OFFSET: U160 =
    U160::from_limbs([0x0000_0000_0000_1111, 0x0000_0000_0000_0000, 0x1111_0000]);

/// A deposit log with its place on L1.
#[derive(Clone, Copy, Debug)]
pub struct DepositLog<'a> {
    pub data: &'a LogData,
    pub l1_block_hash: B256,
    /// Index within the L1 **block**, not within the receipt.
    pub log_index: u64,
}

/// The L2 transaction of a deposit log.
pub fn decode_deposit(log: DepositLog<'_>) -> Result<TxDeposit, MessageError> {
    let event = decode_event::<TransactionDeposited>("TransactionDeposited", log.data)?;
    if event.version != U256::ZERO {
        return Err(MessageError::Version {
            event: "TransactionDeposited",
            version: event.version,
        });
    }
    let mut reader = Reader::new("the opaque data of a deposit", &event.opaqueData);
    let mint = reader.u256()?;
    let value = reader.u256()?;
    let gas_limit = reader.u64()?;
    let to = match reader.array()? {
        [0] => TxKind::Call(event.to),
        [1] => TxKind::Create,
        [flag] => return Err(MessageError::CreationFlag(flag)),
    };
    Ok(TxDeposit {
        source_hash: user_deposit_source_hash(log.l1_block_hash, log.log_index),
        from: event.from,
        to,
        mint: u128::try_from(mint).map_err(|_| MessageError::MintTooLarge(mint))?,
        value,
        gas_limit,
        is_system_transaction: false,
        input: Bytes::copy_from_slice(reader.rest()),
    })
}

/// `keccak256(bytes32(0) || keccak256(l1BlockHash || bytes32(logIndex)))`, with the index of the log
/// within its L1 block.
pub fn user_deposit_source_hash(l1_block_hash: B256, log_index: u64) -> B256 {
    source_hash(SOURCE_DOMAIN, l1_block_hash, log_index)
}

/// The L2 address of an L1 contract.
pub fn apply_alias(l1: Address) -> Address {
    U160::from_be_bytes(l1.into_array()).wrapping_add(ALIAS_OFFSET).to_be_bytes::<20>().into()
}

/// The L1 contract behind an aliased L2 address.
pub fn undo_alias(l2: Address) -> Address {
    U160::from_be_bytes(l2.into_array()).wrapping_sub(ALIAS_OFFSET).to_be_bytes::<20>().into()
}

/// Decodes a log after checking its first topic.
pub(crate) fn decode_event<E: SolEvent>(
    event: &'static str,
    log: &LogData,
) -> Result<E, MessageError> {
    let found = log.topics().first().copied();
    if found != Some(E::SIGNATURE_HASH) {
        return Err(MessageError::WrongTopic { found, expected: E::SIGNATURE_HASH });
    }
    E::decode_log_data_validate(log).map_err(|source| MessageError::Log { event, source })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};
    use proptest::prelude::*;

    use super::*;

    fn log(to: Address, version: U256, opaque: Vec<u8>) -> LogData {
        let from = Address::repeat_byte(7);
        TransactionDeposited { from, to, version, opaqueData: opaque.into() }.encode_log_data()
    }

    fn decode(data: &LogData) -> Result<TxDeposit, MessageError> {
        decode_deposit(DepositLog { data, l1_block_hash: B256::repeat_byte(9), log_index: 3 })
    }

    fn opaque(mint: U256, value: U256, gas: u64, creation: u8, data: &[u8]) -> Vec<u8> {
        let mut out = mint.to_be_bytes::<32>().to_vec();
        out.extend(value.to_be_bytes::<32>());
        out.extend(gas.to_be_bytes());
        out.push(creation);
        out.extend(data);
        out
    }

    #[test]
    fn topic_is_the_published_one() {
        assert_eq!(
            TRANSACTION_DEPOSITED_TOPIC,
            b256!("b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32")
        );
    }

    #[test]
    fn malformed_logs_are_named() {
        let (to, zero) = (Address::ZERO, U256::ZERO);
        let version = log(to, U256::ONE, opaque(zero, zero, 0, 0, &[]));
        assert!(matches!(decode(&version), Err(MessageError::Version { .. })));
        let short = log(to, zero, vec![0; 72]);
        assert!(matches!(decode(&short), Err(MessageError::Truncated { found: 72, .. })));
        let flag = log(to, zero, opaque(zero, zero, 0, 2, &[]));
        assert_eq!(decode(&flag), Err(MessageError::CreationFlag(2)));
        let mint = log(to, zero, opaque(U256::MAX, zero, 0, 0, &[]));
        assert_eq!(decode(&mint), Err(MessageError::MintTooLarge(U256::MAX)));
        let topic = LogData::new_unchecked(vec![B256::ZERO], Bytes::new());
        assert!(matches!(decode(&topic), Err(MessageError::WrongTopic { .. })));
    }

    #[test]
    fn alias_wraps() {
        let last = address!("ffffffffffffffffffffffffffffffffffffffff");
        assert_eq!(apply_alias(last), address!("1111000000000000000000000000000000001110"));
    }

    proptest! {
        #[test]
        fn fields_survive(
            (to, mint, value, gas) in any::<([u8; 20], u128, [u8; 32], u64)>(),
            creation in any::<bool>(),
            data in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let value = U256::from_be_bytes(value);
            let bytes = opaque(U256::from(mint), value, gas, u8::from(creation), &data);
            let deposit = decode(&log(to.into(), U256::ZERO, bytes)).unwrap();
            let kind = if creation { TxKind::Create } else { TxKind::Call(to.into()) };
            prop_assert_eq!(
                (deposit.to, deposit.mint, deposit.value, deposit.gas_limit, deposit.input.to_vec()),
                (kind, mint, value, gas, data)
            );
        }

        #[test]
        fn alias_is_undone(address: [u8; 20]) {
            let address = Address::from(address);
            prop_assert_eq!(undo_alias(apply_alias(address)), address);
        }

        #[test]
        fn any_log_decodes_or_fails(
            topics in proptest::collection::vec(any::<[u8; 32]>(), 0..4),
            data in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut all = vec![TRANSACTION_DEPOSITED_TOPIC];
            all.extend(topics.into_iter().map(B256::from));
            let _ = decode(&LogData::new_unchecked(all, data.into()));
        }
    }
}
