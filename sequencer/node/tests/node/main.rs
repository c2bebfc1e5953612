//! The node end to end in one process: everything real but L1.

mod admin;
mod bad_input;
mod blocks;
mod crash;
mod derivation;
mod execution;
mod harness;
mod hostile;
mod otterscan;
mod pool;
mod preconfirmations;
mod reorg;
mod simulate;
mod subscriptions;
mod tracing;
mod verification;
mod witness;
