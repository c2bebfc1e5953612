//! Plain Ethereum: chains read from files, the Engine API, chains that make their own blocks, and what a
//! block's header alone does not let the state transition check.

pub(crate) mod beacon;
pub mod engine;
pub mod import;
pub mod miner;
mod ommers;
pub(crate) mod payload;
