//! What can go wrong between us and L1. Every loop here asks [`L1Error::is_temporary`]: what may pass
//! is tried again, anything else ends the task.

use std::time::Duration;

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, TxHash};
use alloy_transport::{RpcError, TransportError};
use messages::MessageError;

use crate::InclusionError;

/// A request to L1 that failed.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    #[error("L1 at {url} did not answer {request} within {} s", limit.as_secs())]
    Timeout { url: String, request: &'static str, limit: Duration },
    #[error("L1 at {url} did not answer {request}: {source}")]
    Transport {
        url: String,
        request: &'static str,
        #[source]
        source: TransportError,
    },
    #[error("L1 at {url} has chain id {found}, but the rollup settles on chain {expected}")]
    WrongChain { url: String, expected: u64, found: u64 },
    #[error("none of {count} L1 nodes answers")]
    NoneAnswers { count: usize },
    #[error("the L1 nodes disagree about block {number}: {answers}")]
    Disagreement { number: u64, answers: String },
    #[error("L1 at {url} does not have block {number} yet; it is waited for")]
    Behind { url: String, number: u64 },
    #[error("L1 has no block {0}")]
    MissingBlock(&'static str),
    #[error("L1 gave block {number} the hash {claimed}, but its header hashes to {computed}")]
    HeaderHash { number: u64, claimed: B256, computed: B256 },
    #[error("L1 gave only transaction hashes for block {0}")]
    HashesOnly(u64),
    #[error("L1 block {0} has no base fee")]
    NoBaseFee(u64),
    #[error("L1 gave block {given} when asked for block {asked}")]
    OtherBlock { asked: u64, given: u64 },
    #[error(
        "L1 gave {what} of block {number} with the root {computed}, but its header says {expected}"
    )]
    Root { number: u64, what: &'static str, expected: B256, computed: B256 },
    #[error("nobody has signed transaction {transaction} of L1 block {number}")]
    Unsigned { number: u64, transaction: TxHash },
    #[error("the beacon node at {url}: {reason}")]
    Beacon { url: String, reason: String },
    #[error("the beacon node lacks {missing} blobs of L1 block {block}, {first} among them")]
    MissingBlobs { block: u64, missing: usize, first: B256 },
    #[error("a deposit in L1 block {block}, log {log_index}: {source}")]
    Deposit {
        block: u64,
        log_index: u64,
        #[source]
        source: MessageError,
    },
}

impl L1Error {
    /// Whether the same request may succeed later. What a header contradicts is a lie or a mistake of the
    /// node, and another time, or another node behind the same URL, may tell the truth.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::Transport { .. }
                | Self::NoneAnswers { .. }
                | Self::Disagreement { .. }
                | Self::Behind { .. }
                | Self::MissingBlock(_)
                | Self::Beacon { .. }
                | Self::MissingBlobs { .. }
                | Self::HeaderHash { .. }
                | Self::HashesOnly(_)
                | Self::OtherBlock { .. }
                | Self::Root { .. }
        )
    }

    /// The node's own words, if it answered with an error.
    pub(crate) fn answer(&self) -> Option<&str> {
        match self {
            Self::Transport { source: RpcError::ErrorResp(payload), .. } => Some(&payload.message),
            _ => None,
        }
    }
}

/// Why the watcher stopped.
#[derive(Debug, thiserror::Error)]
pub enum WatcherError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error("L1 was reorganised below block {oldest:?}, the oldest that the watcher remembers")]
    ReorgTooDeep { oldest: BlockNumHash },
    #[error("nobody receives L1 events any more")]
    ReceiverClosed,
}

/// A failure of the L2 store or the journal, as the batcher sees it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SourceError(Box<dyn std::error::Error + Send + Sync>);

impl SourceError {
    /// Wraps what the store said.
    pub fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Key(alloy_signer::Error),
    #[error("the signer at {url} cannot be used: {what}")]
    Config { url: String, what: String },
    #[error("the signer at {url} does not have the key of {account}")]
    NoSuchAccount { url: String, account: Address },
    #[error("the signer at {url} does not answer: {}", causes(source))]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the signer at {url} answered with HTTP status {status}")]
    Status { url: String, status: u16 },
    #[error("the signer at {url} does not sign for {account}: {reason}")]
    Refused { url: String, account: Address, reason: String },
    #[error("the signer at {url} gave an answer that cannot be used: {reason}")]
    Malformed { url: String, reason: &'static str },
    #[error(
        "the signer at {url} signed another transaction than it was asked for: {field} {signed} instead of \
         {asked}; its signature is not used"
    )]
    Changed { url: String, field: &'static str, asked: String, signed: String },
    #[error(
        "the signer at {url} signed with the key of {}, not of {account}; its signature is not used",
        found.map_or_else(|| "nobody".to_owned(), |found| found.to_string())
    )]
    OtherAccount { url: String, account: Address, found: Option<Address> },
}

impl SignError {
    /// Whether the same request may succeed later: a signer can be away, locked or busy. One that signs
    /// something else is broken or in foreign hands, and somebody must look.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Status { .. }
                | Self::Refused { .. }
                | Self::Malformed { .. }
        )
    }
}

/// An error with what caused it: the outer one of HTTP says little.
fn causes(error: &reqwest::Error) -> String {
    let mut shown = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        shown = format!("{shown}: {cause}");
        source = cause.source();
    }
    shown
}

/// Why the batcher stopped.
#[derive(Debug, thiserror::Error)]
pub enum BatcherError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error("the batcher cannot read L2: {0}")]
    Blocks(#[source] SourceError),
    #[error("the batcher cannot use its journal: {0}")]
    Journal(#[source] SourceError),
    #[error("the journal entry at {key} does not decode: {source}")]
    JournalEntry {
        key: String,
        #[source]
        source: alloy_rlp::Error,
    },
    #[error(
        "the journal holds blocks {first} to {last} after block {previous}: entries are missing"
    )]
    JournalGap { previous: u64, first: u64, last: u64 },
    #[error("a blob could not be made")]
    Blob,
    #[error(transparent)]
    Encode(#[from] derive::EncodeError),
    #[error("signing an L1 transaction of {account}: {source}")]
    Signer {
        account: Address,
        #[source]
        source: SignError,
    },
    #[error("the encoder panicked")]
    EncoderPanicked,
    #[error("{0} is not a usable configuration of the batcher")]
    Config(&'static str),
}

impl BatcherError {
    /// Whether the batcher tries again.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::L1(error) => error.is_temporary(),
            Self::Signer { source, .. } => source.is_temporary(),
            _ => false,
        }
    }
}

/// Why OPEN did not enter L2.
#[derive(Debug, thiserror::Error)]
pub enum DepositError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error("L1 does not answer: {0}")]
    Contract(#[from] alloy_contract::Error),
    #[error("on L1, {0}")]
    Inclusion(#[from] InclusionError),
    #[error("{account} holds {held} wei of OPEN on L1, less than the {needed} to deposit")]
    Balance { account: Address, held: alloy_primitives::U256, needed: alloy_primitives::U256 },
    #[error("L1 transaction {0} emitted no deposit")]
    NoDeposit(TxHash),
    #[error("the deposit of L1 transaction {hash}: {source}")]
    Decode {
        hash: TxHash,
        #[source]
        source: MessageError,
    },
}

/// Why OPEN did not leave L2.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawalError {
    #[error("a node does not answer: {0}")]
    Transport(#[from] TransportError),
    #[error("L1 refuses: {0}")]
    Contract(#[from] alloy_contract::Error),
    #[error(transparent)]
    Inclusion(#[from] InclusionError),
    #[error("{account} holds {held} wei of OPEN on L2, not more than the {needed} to withdraw")]
    Balance { account: Address, held: alloy_primitives::U256, needed: alloy_primitives::U256 },
    #[error("L2 transaction {0} withdraws nothing")]
    NoWithdrawal(TxHash),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the L2 node has no block {0}")]
    NoBlock(u64),
    #[error("the proposal of L2 block {l2_block} claims {claimed}, the L2 node has {found}")]
    FalseProposal { l2_block: u64, claimed: B256, found: B256 },
    #[error("the withdrawal is not in the state after L2 block {l2_block}")]
    NotInProposal { l2_block: u64 },
}
