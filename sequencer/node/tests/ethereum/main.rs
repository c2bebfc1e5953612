//! The node in Ethereum mode: chains from files and from a consensus client.

mod engine;
mod harness;
mod import;
mod miner;
#[path = "../released/mod.rs"]
mod released;
