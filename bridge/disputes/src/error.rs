//! What can go wrong. Every loop here asks `is_temporary`: what may pass is tried again, anything else
//! ends the task.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256, Bytes, TxHash};
use alloy_transport::TransportError;
use l1::{L1Error, SignError};

use crate::Beginning;

/// Verification that did not go on.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("the L2 node did not answer {method}: {source}")]
    L2 {
        method: &'static str,
        #[source]
        source: TransportError,
    },
    #[error("the L2 node did not answer {method} within {} s", limit.as_secs())]
    L2Timeout { method: &'static str, limit: Duration },
    #[error("the L2 node's {what} for block {number} is no RLP: {source}")]
    Decode {
        number: u64,
        what: &'static str,
        #[source]
        source: alloy_rlp::Error,
    },
    #[error("the L2 node has no block {number} yet")]
    Behind { number: u64 },
    #[error(
        "the L2 node does not have block {number}, though the anchor lies above it: a role without records needs \
         a node that has every block since genesis"
    )]
    NoPast { number: u64 },
    #[error("the L2 node's block {number} is {found}, but {expected} is its place in the chain")]
    Disagrees { number: u64, expected: B256, found: B256 },
    #[error("L1 holds another {field} for block {number} than the L2 node's block has")]
    NotDerived { number: u64, field: &'static str },
    #[error(
        "the anchor on L1 claims {claimed} for block {number}, the L2 node's block gives {found}"
    )]
    WrongAnchor { number: u64, claimed: B256, found: B256 },
    #[error("L1 gives block {number} the hash {found}, the anchor on L1 claims that of {expected}")]
    AnchorNotDerived { number: u64, expected: B256, found: B256 },
    #[error("L1 was read up to block {l1} and does not give block {number}, which is final there")]
    AnchorNotReached { number: u64, l1: u64 },
    #[error(
        "the L2 node says that block {safe} was the safe head at L1 block {l1}; asked was what had been safe at L1 \
         block {origin}, the origin of block {block}: that cannot be"
    )]
    Impossible { safe: u64, l1: u64, block: u64, origin: u64 },
    #[error(
        "the L2 node said that block {} was safe when L1 had been read up to its block {}, and derivation from there \
         does not arrive at the anchor ({source}): the node lies or is damaged; begin without \
         --trust-node-for-beginning, or with another node",
        .told.safe.number, .told.l1.number
    )]
    FalseBeginning {
        told: Beginning,
        #[source]
        source: Box<Self>,
    },
    #[error("L1 block {number} is no longer {hash}, up to which L1 had been read")]
    BeginningReplaced { number: u64, hash: B256 },
    #[error("the L2 node's block {number} has other transactions than its header says")]
    OtherBody { number: u64 },
    #[error("cannot {what} {}: {source}", path.display())]
    Record {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("block {number} does not follow: {source}")]
    Block {
        number: u64,
        #[source]
        source: stf::BlockError,
    },
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error("the L1 watcher ended")]
    WatcherEnded,
    #[error(transparent)]
    Contract(#[from] alloy_contract::Error),
    #[error(transparent)]
    Pipeline(#[from] derive::PipelineError),
    #[error(transparent)]
    Attributes(#[from] derive::AttributesError),
    #[error("the verification panicked")]
    Panicked,
}

impl CheckError {
    /// Whether the same may succeed later. A node that is behind, or on blocks that L1 does not
    /// confirm, heals by derivation; a wrong witness may have been given in a reorganisation.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::L2 { .. }
            | Self::L2Timeout { .. }
            | Self::Decode { .. }
            | Self::Behind { .. }
            | Self::NoPast { .. }
            | Self::Disagrees { .. }
            | Self::NotDerived { .. }
            | Self::WrongAnchor { .. }
            | Self::AnchorNotDerived { .. }
            | Self::AnchorNotReached { .. }
            | Self::BeginningReplaced { .. }
            | Self::OtherBody { .. }
            | Self::Block { .. }
            | Self::Contract(_)
            | Self::WatcherEnded
            | Self::Pipeline(_) => true,
            Self::L1(error) => error.is_temporary(),
            Self::Attributes(_)
            | Self::Panicked
            | Self::Record { .. }
            | Self::Impossible { .. }
            | Self::FalseBeginning { .. } => false,
        }
    }

    /// Whether only beginning again can help: L1, or a block below the anchor, is another than what was read.
    pub(crate) const fn begins_again(&self) -> bool {
        matches!(
            self,
            Self::WatcherEnded
                | Self::Pipeline(_)
                | Self::AnchorNotDerived { .. }
                | Self::BeginningReplaced { .. }
        )
    }
}

/// An L1 transaction that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("L1 did not answer {request}: {source}")]
    L1 {
        request: &'static str,
        #[source]
        source: TransportError,
    },
    #[error("L1 would refuse to {what}: {reason}")]
    Refused { what: String, reason: String, data: Option<Bytes> },
    #[error("the L1 transaction that should {what} failed: {hash}")]
    Failed { what: String, hash: TxHash },
    #[error(
        "nonce {nonce} of {account} went to a transaction that is not ours; one key serves one role"
    )]
    NonceTaken { account: Address, nonce: u64 },
    #[error("signing for {account}: {source}")]
    Signer {
        account: Address,
        #[source]
        source: SignError,
    },
    #[error("cannot {what} {}: {source}", path.display())]
    Record {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the record {} is damaged: {source}", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl SendError {
    /// Whether the role may go on and decide again by what is on L1.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::L1 { .. }
            | Self::Refused { .. }
            | Self::Failed { .. }
            | Self::NonceTaken { .. } => true,
            Self::Signer { source, .. } => source.is_temporary(),
            Self::Record { .. } | Self::Damaged { .. } => false,
        }
    }
}

/// Why a role stopped.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("cannot read L1: {0}")]
    Contract(#[from] alloy_contract::Error),
    #[error("cannot read L1: {0}")]
    Transport(#[from] TransportError),
    #[error("{account} holds {held} wei of OPEN on L1, a bond takes {needed}")]
    Bond { account: Address, held: alloy_primitives::U256, needed: alloy_primitives::U256 },
    #[error("the attestors gave {found} of {needed} signatures for game {game}")]
    TooFewSignatures { game: Address, found: usize, needed: usize },
    #[error("cannot serve attestations: {0}")]
    Serve(#[source] std::io::Error),
    #[error("{account} is not one of the attestors of {verifier}")]
    NotAnAttestor { account: Address, verifier: Address },
    #[error("games of {0} cannot be proven: its verifier takes other proofs than attestations")]
    OtherVerifier(Address),
}

impl RoleError {
    /// Whether the role may go on.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Check(error) => error.is_temporary(),
            Self::Send(error) => error.is_temporary(),
            Self::Contract(_)
            | Self::Transport(_)
            | Self::Bond { .. }
            | Self::TooFewSignatures { .. } => true,
            Self::Serve(_) | Self::NotAnAttestor { .. } | Self::OtherVerifier(_) => false,
        }
    }
}
