//! The L2 node as a library: transaction pool, JSON-RPC, the sequencer that builds blocks and the
//! verifier that derives them from L1.

pub mod config;
pub mod error;
mod fees;
pub mod pool;

pub use error::{ConfigError, PoolError};
pub use fees::L1Fees;
