//! JSON-RPC errors as clients see them. Codes follow JSON-RPC 2.0, EIP-1474 and geth.

use std::borrow::Cow;

use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::PoolError;

/// Malformed JSON.
pub const PARSE: i64 = -32_700;
/// JSON, but no JSON-RPC request.
pub const INVALID_REQUEST: i64 = -32_600;
pub const METHOD_NOT_FOUND: i64 = -32_601;
pub const INVALID_PARAMS: i64 = -32_602;
pub const INTERNAL: i64 = -32_603;
/// The request was understood and refused.
pub const SERVER: i64 = -32_000;
pub const RESOURCE_UNAVAILABLE: i64 = -32_002;
/// The conditions of a conditional transaction do not hold (op-geth).
pub const TRANSACTION_REJECTED: i64 = -32_003;
/// A bound of this node, not of the protocol, was reached (EIP-1474).
pub const LIMIT_EXCEEDED: i64 = -32_005;
/// geth's code for a request for more than one answer may hold.
pub const CLIENT_LIMIT_EXCEEDED: i64 = -38_026;
/// `eth_simulateV1`'s codes (execution-apis).
pub const NONCE_TOO_LOW: i64 = -38_010;
pub const NONCE_TOO_HIGH: i64 = -38_011;
pub const INTRINSIC_GAS: i64 = -38_013;
pub const INSUFFICIENT_FUNDS: i64 = -38_014;
pub const BLOCK_GAS_LIMIT_REACHED: i64 = -38_015;
pub const BLOCK_NUMBER_INVALID: i64 = -38_020;
pub const BLOCK_TIME_INVALID: i64 = -38_021;
pub const MAX_INIT_CODE_SIZE: i64 = -38_025;
/// A simulated call that ended exceptionally.
pub const VM_ERROR: i64 = -32_015;
/// geth's code for an answer over the size limit.
pub const RESPONSE_TOO_LARGE: i64 = -32_003;
/// A call reverted; `data` holds what it returned.
pub const REVERT: i64 = 3;
/// EIP-7966: the wait for inclusion ended.
pub const SYNC_TIMEOUT: i64 = 4;
/// EIP-7966: the transaction waits for a lower nonce.
pub const SYNC_NONCE_GAP: i64 = 6;

/// A JSON-RPC error object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RpcError {
    pub code: i64,
    pub message: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// A result as JSON, or an error.
pub type RpcResult = Result<String, RpcError>;

impl RpcError {
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub fn server(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SERVER, message)
    }

    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// An error of ours. Details go to the log, not to the client.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request failed inside the node");
        Self::new(INTERNAL, "internal error")
    }

    /// geth's word for state or headers of a block it does not have.
    pub fn header_not_found() -> Self {
        Self::server("header not found")
    }

    pub fn method_not_found(method: &str) -> Self {
        Self::new(
            METHOD_NOT_FOUND,
            format!("the method {} does not exist/is not available", printable(method)),
        )
    }

    /// A revert with what the contract returned; `Error(string)` and `Panic(uint256)` are spelt
    /// out in the message.
    pub fn revert(output: &Bytes) -> Self {
        let message = match revert_reason(output) {
            Some(reason) => Cow::Owned(format!("execution reverted: {reason}")),
            None => Cow::Borrowed("execution reverted"),
        };
        Self { code: REVERT, message, data: Some(serde_json::Value::String(output.to_string())) }
    }

    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        self.data = serde_json::to_value(data).ok();
        self
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        match &error {
            PoolError::State(_) => Self::internal(&error),
            _ => Self::server(error.to_string()),
        }
    }
}

/// At most 64 characters of what a client sent, for an error message.
fn printable(text: &str) -> String {
    text.chars().take(64).filter(|c| !c.is_control()).collect()
}

/// Text of Solidity's `Error(string)` or `Panic(uint256)`.
fn revert_reason(output: &[u8]) -> Option<String> {
    let (selector, arguments) = output.split_at_checked(4)?;
    match selector {
        [0x08, 0xc3, 0x79, 0xa0] => {
            let offset = word_as_usize(arguments.get(..32)?)?;
            let rest = arguments.get(offset..)?;
            let length = word_as_usize(rest.get(..32)?)?;
            let text = rest.get(32..)?.get(..length)?;
            Some(String::from_utf8_lossy(text).into_owned())
        }
        [0x4e, 0x48, 0x7b, 0x71] => {
            let code = word_as_usize(arguments.get(..32)?)?;
            Some(
                panic_reason(code)
                    .map_or_else(|| format!("unknown panic code: {code:#x}"), str::to_owned),
            )
        }
        _ => None,
    }
}

/// geth's words for Solidity's panic codes.
const fn panic_reason(code: usize) -> Option<&'static str> {
    Some(match code {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return None,
    })
}

fn word_as_usize(word: &[u8]) -> Option<usize> {
    let (high, low) = word.split_at_checked(24)?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    usize::try_from(u64::from_be_bytes(low.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::bytes;

    use super::*;

    #[test]
    fn reverts_are_spelt_out() {
        let reason = bytes!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000004"
            "6e6f706500000000000000000000000000000000000000000000000000000000"
        );
        let error = RpcError::revert(&reason);
        assert_eq!((error.code, error.message.as_ref()), (3, "execution reverted: nope"));
        assert_eq!(error.data.unwrap(), serde_json::json!(reason.to_string()));

        let panic = bytes!(
            "4e487b71"
            "0000000000000000000000000000000000000000000000000000000000000011"
        );
        assert_eq!(
            RpcError::revert(&panic).message,
            "execution reverted: arithmetic underflow or overflow"
        );
        for odd in [Bytes::new(), bytes!("01"), bytes!("08c379a0"), bytes!("deadbeef00")] {
            assert_eq!(RpcError::revert(&odd).message, "execution reverted");
        }
        // A length that reaches beyond the data must not be believed.
        let long = bytes!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "000000000000000000000000000000000000000000000000ffffffffffffffff"
        );
        assert_eq!(RpcError::revert(&long).message, "execution reverted");
    }
}
