//! What can be wrong with a transaction and with a block.

use alloc::string::String;

use alloy_primitives::{Address, B256};
use op_revm::OpTransactionError;
use revm::database_interface::DBErrorMarker;

use crate::trie::TrieError;

/// Why a transaction cannot be in this block. The block stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxRejection {
    #[error("transaction needs {gas_limit} gas, the block has {available} left")]
    GasExceedsBlock { gas_limit: u64, available: u64 },
    #[error("transaction has a DA footprint of {footprint}, the block has {available} left")]
    DaFootprintExceedsBlock { footprint: u64, available: u64 },
    #[error("deposits come from L1 only")]
    Deposit,
    #[error("transaction type {0} is not supported")]
    UnsupportedType(u8),
    #[error("transaction is not replay-protected (EIP-155)")]
    NotReplayProtected,
    #[error("transaction names a chain before the rules let it (EIP-155)")]
    ReplayProtectedTooEarly,
    #[error("transaction needs {blob_gas} blob gas, the block has {available} left")]
    BlobGasExceedsBlock { blob_gas: u64, available: u64 },
    #[error("{0}")]
    Invalid(OpTransactionError),
    #[error("state cannot be read: {0}")]
    State(String),
}

impl TxRejection {
    /// Whether only earlier transactions of the sender are missing.
    pub const fn is_nonce_gap(&self) -> bool {
        use revm::context_interface::result::InvalidTransaction as Reason;
        matches!(self, Self::Invalid(OpTransactionError::Base(Reason::NonceTooHigh { .. })))
    }

    /// Whether the transaction may fit a later block.
    pub const fn is_temporary(&self) -> bool {
        use revm::context_interface::result::InvalidTransaction as Reason;
        match self {
            Self::GasExceedsBlock { .. }
            | Self::DaFootprintExceedsBlock { .. }
            | Self::BlobGasExceedsBlock { .. }
            | Self::State(_) => true,
            Self::Invalid(OpTransactionError::Base(reason)) => matches!(
                reason,
                Reason::NonceTooHigh { .. }
                    | Reason::GasPriceLessThanBasefee
                    | Reason::CallerGasLimitMoreThanBlock
            ),
            _ => false,
        }
    }
}

/// Why a block cannot be built or is not what it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("transaction {index} of the attributes cannot be decoded")]
    Undecodable { index: usize },
    #[error("transaction {index} of the attributes has no valid signature")]
    BadSignature { index: usize },
    #[error("the first transaction is not the L1 attributes deposit")]
    NoL1Attributes,
    #[error("deposit {index} comes after other transactions")]
    DepositOutOfOrder { index: usize },
    #[error("transaction {index} ({hash}) is not valid here: {reason}")]
    InvalidTransaction { index: usize, hash: B256, reason: TxRejection },
    #[error("timestamp {timestamp} is not above the parent's {parent}")]
    TimestampNotAboveParent { timestamp: u64, parent: u64 },
    #[error("deposit {index} needs {gas_limit} gas, the block has {available} left")]
    DepositGasExceedsBlock { index: usize, gas_limit: u64, available: u64 },
    #[error("parent is block {parent}, the block says {block}")]
    WrongParent { parent: B256, block: B256 },
    #[error("{field} is {got}, re-execution gives {expected}")]
    Mismatch { field: &'static str, got: String, expected: String },
    #[error("the system call to {contract} cannot run: {reason}")]
    SystemCall { contract: Address, reason: String },
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    #[error("block {0} would be before the merge: only blocks after it can be built")]
    BeforeMerge(u64),
    #[error("extra data of {0} bytes, at most 32 are allowed")]
    ExtraDataTooLong(usize),
    #[error("gas limit {gas_limit} is too far from the parent's {parent}, or out of bounds")]
    GasLimitOutOfBounds { gas_limit: u64, parent: u64 },
    #[error("{count} ommers, at most {max} are allowed")]
    TooManyOmmers { count: usize, max: usize },
    #[error("ommer {index} (block {number}) is too old, too new or there twice")]
    BadOmmer { index: usize, number: u64 },
    #[error("withdrawals are {}", if *.present { "not allowed yet" } else { "missing" })]
    Withdrawals { present: bool },
    #[error("the block has {length} bytes, at most {max} are allowed (EIP-7934)")]
    TooLong { length: usize, max: usize },
    #[error("a deposit's log is malformed: {0}")]
    DepositRequest(String),
    #[error("state cannot be read: {0}")]
    State(String),
    #[error(transparent)]
    Trie(#[from] TrieError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// What is wrong with a witness, or with whatever else gives the parts of a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    #[error("the witness has no header, not even of the parent {0}")]
    NoParent(B256),
    #[error("the witness holds the state after block {0}, which is not the parent")]
    NotTheParent(u64),
    #[error("header {number} of the witness is {hash}, the block after it follows {expected}")]
    ForeignHeader { number: u64, hash: B256, expected: B256 },
    #[error("the header of block {0} is missing")]
    MissingHeader(u64),
    #[error("code {0} is missing")]
    MissingCode(B256),
    #[error("code {0} is malformed (EIP-7702)")]
    MalformedCode(B256),
    #[error(transparent)]
    Trie(#[from] TrieError),
}

impl DBErrorMarker for WitnessError {}

impl BlockError {
    /// Whether the attributes are at fault, so that derivation replaces them by a deposit-only block
    /// (Holocene), and not this node's state.
    pub const fn is_invalid_payload(&self) -> bool {
        matches!(
            self,
            Self::Undecodable { .. }
                | Self::BadSignature { .. }
                | Self::DepositOutOfOrder { .. }
                | Self::InvalidTransaction { .. }
        )
    }
}
