//! Withdrawals: messages that L2 records for L1, and the output root by which L1 learns of them
//! (OP Stack specification, withdrawals and proposals).

use alloy_primitives::{Address, B256, Bytes, LogData, U256, keccak256};
use alloy_sol_types::{SolEvent, SolValue, sol};

use crate::{MessageError, deposit::decode_event};

sol! {
    /// Emitted by `L2ToL1MessagePasser` for each message.
    #[derive(Debug)]
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );
}

/// First topic of [`decode_withdrawal`]'s logs.
pub const MESSAGE_PASSED_TOPIC: B256 = MessagePassed::SIGNATURE_HASH;

/// Message version, in the two highest bytes of a nonce.
const NONCE_VERSION: U256 = U256::from_limbs([0, 0, 0, 1 << 48]);

/// A message from L2 to L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Version and counter, see [`withdrawal_nonce`].
    pub nonce: U256,
    pub sender: Address,
    pub target: Address,
    /// Wei of OPEN.
    pub value: U256,
    /// Gas for the call on L1.
    pub gas_limit: U256,
    pub data: Bytes,
}

impl Withdrawal {
    /// `keccak256(abi.encode(nonce, sender, target, value, gasLimit, data))`.
    pub fn hash(&self) -> B256 {
        let fields =
            (self.nonce, self.sender, self.target, self.value, self.gas_limit, self.data.clone());
        keccak256(fields.abi_encode_params())
    }
}

/// The withdrawal of a `MessagePassed` log with the hash that the log states.
pub fn decode_withdrawal(log: &LogData) -> Result<(Withdrawal, B256), MessageError> {
    let event = decode_event::<MessagePassed>("MessagePassed", log)?;
    let withdrawal = Withdrawal {
        nonce: event.nonce,
        sender: event.sender,
        target: event.target,
        value: event.value,
        gas_limit: event.gasLimit,
        data: event.data,
    };
    Ok((withdrawal, event.withdrawalHash))
}

/// Version 1 above the counter of messages, which is less than 2^240.
pub fn withdrawal_nonce(counter: U256) -> U256 {
    NONCE_VERSION | counter
}

/// Where `L2ToL1MessagePasser` records a withdrawal: `sentMessages`, a mapping in slot 0.
pub fn withdrawal_storage_key(withdrawal_hash: B256) -> B256 {
    keccak256([withdrawal_hash.0, [0; 32]].concat())
}

/// Version 0: `keccak256(bytes32(0) || stateRoot || messagePasserStorageRoot || blockHash)`.
pub fn output_root(state_root: B256, message_passer_storage_root: B256, block_hash: B256) -> B256 {
    keccak256([[0; 32], state_root.0, message_passer_storage_root.0, block_hash.0].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn logs_give_back_what_was_sent(
            (counter, sender, target, value, gas) in any::<(u64, [u8; 20], [u8; 20], u128, u64)>(),
            data in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let withdrawal = Withdrawal {
                nonce: withdrawal_nonce(U256::from(counter)),
                sender: sender.into(),
                target: target.into(),
                value: U256::from(value),
                gas_limit: U256::from(gas),
                data: data.into(),
            };
            let log = MessagePassed {
                nonce: withdrawal.nonce,
                sender: withdrawal.sender,
                target: withdrawal.target,
                value: withdrawal.value,
                gasLimit: withdrawal.gas_limit,
                data: withdrawal.data.clone(),
                withdrawalHash: withdrawal.hash(),
            };
            let (decoded, hash) = decode_withdrawal(&log.encode_log_data()).unwrap();
            prop_assert_eq!(hash, decoded.hash());
            prop_assert_eq!(decoded, withdrawal);
        }
    }
}
