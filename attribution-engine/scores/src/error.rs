//! What can be wrong with the inputs of a score.

use alloy_primitives::{B256, U256};

/// Result of this crate.
pub type Result<T, E = ScoresError> = std::result::Result<T, E>;

/// A fact about the inputs that makes a score, a root or a total impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoresError {
    #[error("{kind} {value} does not fit 64 bits")]
    IdentifierTooLarge { kind: &'static str, value: U256 },
    #[error("the document is not UTF-8: byte {valid_up_to} starts no character")]
    NotUtf8 { valid_up_to: u64 },
    #[error("the document is empty after normalisation")]
    EmptyDocument,
    #[error("the document has {bytes} bytes after normalisation; at most {max} are allowed")]
    DocumentTooLarge { bytes: u64, max: u64 },
    #[error("a tree needs at least one leaf")]
    EmptyTree,
    #[error("leaf {index} was asked for, the tree has {count}")]
    NoSuchLeaf { index: u64, count: u64 },
    #[error("claims must be in ascending order of (datanet, account) without repetition")]
    ClaimsOutOfOrder,
    #[error("amounts overflow 128 bits")]
    AmountOverflow,
    #[error("{what} overflow their integer type")]
    Overflow { what: &'static str },
    #[error("two documents share sequence {0}")]
    SequenceTwice(u64),
    #[error("a match names contribution {0}, which the corpus does not hold")]
    UnknownContribution(u64),
    #[error("the match of answer tokens {start}..{end} is not in contribution {contribution}")]
    FalseMatch { start: u32, end: u32, contribution: u64 },
    #[error("{tokens} answer tokens, but {surprises} surprises")]
    SurpriseLength { tokens: u64, surprises: u64 },
    #[error("a gram covers answer tokens {start}..{end}, the answer has {tokens}")]
    GramOutOfRange { start: u32, end: u32, tokens: u32 },
    #[error("receipt {found} follows receipt {previous}: numbers must be consecutive")]
    ReceiptGap { previous: u64, found: u64 },
    #[error("an epoch needs at least one receipt")]
    EmptyEpoch,
    #[error("the record of receipt {receipt} is for another receipt ({found})")]
    RecordOfAnotherReceipt { receipt: u64, found: B256 },
    #[error("the record of receipt {receipt} says engine spec {found}, the epoch's is {expected}")]
    WrongEngineSpec { receipt: u64, found: B256, expected: B256 },
    #[error("the terms of model {0} are not known")]
    UnknownModel(u64),
    #[error("receipt {receipt} charges {charged} wei, the model's prices make it {computed}")]
    WrongFee { receipt: u64, charged: u128, computed: u128 },
    #[error("weights of a record sum to {0}, which is more than one")]
    WeightsAboveOne(u64),
    #[error("shares of {0} basis points are more than 10,000")]
    SharesAboveOne(u32),
    #[error("weights of sources sum to {0} basis points, not 10,000")]
    SourceWeights(u32),
    #[error("a royalty of {0} basis points is above the most that a model may ask")]
    RoyaltyTooHigh(u16),
    #[error("a model owes royalties to more ancestors than an epoch pays")]
    TooManyRoyalties,
    #[error("the engine spec is not canonical: {0}")]
    Spec(String),
}
