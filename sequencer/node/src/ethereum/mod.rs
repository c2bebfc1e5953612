//! Plain Ethereum: chains read from files, the Engine API, and what a block's header alone does not let the state
//! transition check.

pub mod engine;
pub mod import;
mod ommers;
