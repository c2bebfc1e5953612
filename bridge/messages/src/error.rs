//! What can be wrong with a message.

use alloy_primitives::{B256, U256};

/// Bytes that are not the message they should be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MessageError {
    #[error("the log's first topic is {found:?}, not {expected}")]
    WrongTopic { found: Option<B256>, expected: B256 },
    #[error("the log of {event} does not decode: {source}")]
    Log {
        event: &'static str,
        #[source]
        source: alloy_sol_types::Error,
    },
    #[error("{what} has {found} bytes instead of {expected}")]
    Length { what: &'static str, found: usize, expected: usize },
    #[error("{what} ends after {found} bytes")]
    Truncated { what: &'static str, found: usize },
    #[error("{event} has version {version}, only 0 is known")]
    Version { event: &'static str, version: U256 },
    #[error("a deposit mints {0}, which exceeds 128 bits")]
    MintTooLarge(U256),
    #[error("the creation flag of a deposit is {0}, not 0 or 1")]
    CreationFlag(u8),
    #[error("the L1 attributes begin with {0:02x?}, not with the Jovian selector")]
    Selector([u8; 4]),
    #[error("ConfigUpdate has unknown type {0}")]
    ConfigUpdateType(u8),
    #[error("ConfigUpdate of type {update} holds {value}, which does not fit")]
    ConfigUpdateValue { update: u8, value: U256 },
    #[error("the fee scalars have version {0}, only 0 and 1 are known")]
    ScalarVersion(u8),
}
