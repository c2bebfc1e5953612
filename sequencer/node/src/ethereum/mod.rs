//! Plain Ethereum: chains read from files, and what a block's header alone does not let the state
//! transition check.

pub mod import;
mod ommers;
