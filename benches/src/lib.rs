//! The chain that benches and `bench-node` work on.

pub mod world;
