//! What can go wrong, and what whoever drives derivation must do about it.

use alloy_eips::BlockNumHash;
use alloy_primitives::B256;
use messages::MessageError;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Try again.
    Temporary,
    /// Rebuild the pipeline at the safe head of the canonical L1.
    Reset,
    /// Stop: no input of L1 may cause this.
    Critical,
}

/// A block that did not take from L1 what L1 forces on it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InputsError {
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    #[error("transaction {index} of L2 block {number} is not what L1 block {origin} forces there")]
    Forced { number: u64, index: usize, origin: u64 },
    #[error(
        "transaction {index} of L2 block {number} is a deposit that L1 block {origin} does not hold"
    )]
    NoSuchDeposit { number: u64, index: usize, origin: u64 },
    #[error("{field} of L2 block {number} is not what L1 block {origin} makes it")]
    Field { number: u64, field: &'static str, origin: u64 },
    #[error(
        "L2 block {number} runs ahead of its origin {origin} by more than the drift limit and is not empty"
    )]
    Drift { number: u64, origin: u64 },
}

/// A block or L1 block from which no attributes can be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AttributesError {
    #[error("L2 block {0} does not begin with an L1 attributes transaction")]
    NoL1Attributes(u64),
    #[error("the L1 attributes of L2 block {number}: {source}")]
    L1Attributes {
        number: u64,
        #[source]
        source: MessageError,
    },
    #[error("the extra data of L2 block {number} has {length} bytes, not the 17 of Jovian's form")]
    ExtraData { number: u64, length: usize },
    #[error("a ConfigUpdate in L1 block {l1_block}: {source}")]
    ConfigUpdate {
        l1_block: u64,
        #[source]
        source: MessageError,
    },
    #[error("L1 block {found:?} is no origin for an L2 block after origin {parent:?}")]
    Origin { parent: BlockNumHash, found: BlockNumHash },
    #[error("L2 timestamp {found} is not one block time after the parent's, {expected}")]
    Timestamp { expected: u64, found: u64 },
    #[error("L2 timestamp {timestamp} is before that of its origin, {origin}")]
    BeforeOrigin { timestamp: u64, origin: u64 },
    #[error("L2 block {found:?} is not the genesis block {expected:?}")]
    NotGenesis { expected: BlockNumHash, found: BlockNumHash },
}

/// Why derivation cannot go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PipelineError {
    #[error("L1 block {found:?} does not follow {expected:?}")]
    L1Gap { expected: BlockNumHash, found: BlockNumHash, parent_hash: B256 },
    #[error("L1 begins at block {first}, after the safe head's origin {origin}")]
    L1StartsLate { first: u64, origin: u64 },
    #[error("the safe head's origin {expected:?} is not on this L1, which has {found:?}")]
    OriginReplaced { expected: BlockNumHash, found: BlockNumHash },
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    #[error("a payload of deposits only was reported invalid at timestamp {timestamp}")]
    DepositsInvalid { timestamp: u64 },
    #[error("a payload was reported invalid, but none is pending")]
    NothingPending,
    #[error("a span overlaps the safe chain above block {0}, which cannot be read")]
    MissingBlock(u64),
}

impl PipelineError {
    /// What to do about it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::L1Gap { .. } | Self::L1StartsLate { .. } | Self::OriginReplaced { .. } => {
                Severity::Reset
            }
            // Whoever has the block shows it and steps again.
            Self::MissingBlock(_) => Severity::Temporary,
            Self::Attributes(_) | Self::DepositsInvalid { .. } | Self::NothingPending => {
                Severity::Critical
            }
        }
    }
}

/// Data in the inbox that holds no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the transaction holds no frame")]
    Empty,
    #[error("the data has version {0}, only 0 is known")]
    Version(u8),
    #[error("a frame ends too early")]
    Truncated,
    #[error("a frame of {0} bytes is longer than allowed")]
    TooLong(u32),
    #[error("the last-frame flag is {0}, not 0 or 1")]
    LastFlag(u8),
}

/// A blob that carries no data in the OP Stack's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    #[error("{0} bytes are no blob")]
    Size(usize),
    #[error("the blob has version {0}, only 0 is known")]
    Version(u8),
    #[error("the blob declares {0} bytes, more than one can hold")]
    Length(u32),
    #[error("a field element uses one of its two highest bits")]
    FieldElement,
    #[error("the blob holds something behind its data")]
    Extraneous,
}

/// Bytes of a channel that are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("the batch is empty")]
    Empty,
    #[error("the batch has unknown type {0}")]
    Type(u8),
    #[error("the RLP of a batch: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("a batch is followed by {0} more bytes")]
    Trailing(usize),
    #[error("a span batch ends too early")]
    Truncated,
    #[error("an integer or a list of bits is larger than its type")]
    Overflow,
    #[error("a span batch has no blocks")]
    NoBlocks,
    #[error("a span batch has more elements than allowed")]
    TooManyElements,
    #[error("a span batch has more origins than L1 has blocks")]
    Epoch,
    #[error("a span batch has a transaction of type {0}")]
    TransactionType(u8),
}

/// A block that cannot enter a channel.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EncodeError {
    #[error(transparent)]
    Attributes(#[from] AttributesError),
    #[error("block {found} does not follow block {last} of the channel")]
    NotConsecutive { last: u64, found: u64 },
    #[error("block {number} takes {bytes} bytes, more than a channel can hold")]
    BlockTooLarge { number: u64, bytes: usize },
    #[error("L2 block {block} holds a transaction of type {kind}, which batches do not carry")]
    TransactionType { block: u64, kind: u8 },
    #[error("L2 block {block} is of {timestamp}, before the chain's beginning at {genesis_time}")]
    BeforeGenesis { block: u64, timestamp: u64, genesis_time: u64 },
    #[error("the channel would need more than 65,536 frames of {frame_size} bytes")]
    TooManyFrames { frame_size: usize },
    #[error("frames of {0} bytes cannot hold data")]
    FrameSize(usize),
    #[error("the compressor failed: {0:?}")]
    Compressor(std::io::ErrorKind),
}
