//! The node end to end in one process: everything real but L1.

mod admin;
mod bad_input;
mod blocks;
mod crash;
mod derivation;
mod execution;
mod failures;
mod fake_l1;
mod feed;
mod handover;
mod harness;
mod hostile;
mod http;
mod l1_reorgs;
mod otterscan;
mod pool;
mod preconfirmations;
#[path = "../released/mod.rs"]
mod released;
mod reorg;
mod restarts;
mod simulate;
mod slow_disk;
mod subscriptions;
mod tracing;
mod vanished;
mod verification;
mod witness;
