//! The L2 node as a library: transaction pool, JSON-RPC, the sequencer that builds blocks and the
//! verifier that derives them from L1.
//!
//! [`Node::start`] is the way in. The store (state and history), the state transition and
//! derivation are other crates; this one decides what goes into a block and when, and answers
//! clients. Talking to L1 is left to `bridge/l1`, whose events come in by a channel.

mod admin;
mod ahead;
mod batching;
mod chain;
pub mod config;
pub mod error;
pub mod ethereum;
pub mod feed;
mod fees;
mod fence;
pub mod jwt;
mod l1;
mod lead;
mod node;
mod open_block;
mod parts;
pub mod pending;
pub mod pool;
mod queue;
pub mod reorg;
pub mod rpc;
mod safe_heads;
mod senders;
pub mod sequencer;
mod unsafe_chain;
pub mod verification;
pub mod verifier;

pub use admin::{Admin, DaLimits, SequencerControl, StandInStatus};
pub use batching::{BatcherSwitch, Batching, BatchingError};
pub use chain::{Chain, ChainEvent, HeadRefs, SealedBlock};
pub use config::{
    AuthConfig, FeedConfig, FollowConfig, MinerConfig, Mode, NodeConfig, PoolConfig, Role,
    RpcConfig, SequencerConfig, VerificationConfig,
};
pub use error::{
    ConfigError, ControlError, FeedError, ImportError, MinerError, NodeError, PoolError,
    SequencerError, UnwindError, VerificationError, VerifierError,
};
pub use fees::L1Fees;
pub use fence::NamedKey;
pub use l1::{L1Feed, L1Gap, L1Status, NoRewind};
pub use lead::{Lead, Leadership};
pub use node::{Node, NodeHandle, NodeInputs};
pub use pool::Pool;
pub use rpc::OperatorsPort;
pub use safe_heads::{SafeHead, SafeHeads};
pub use sequencer::Sequencer;
pub use verifier::{DerivedHeads, SafeHeadUpdate, Verifier};
