//! End-to-end tests: the real binary, real clients, real model. Each test starts its own chain.

// The economy's attacks: one program with the other tests, as each one that links them takes minutes to build.
#[path = "../economy/adversary.rs"]
mod adversary;
mod clients;
mod conservation;
mod coverage;
mod disputes;
mod escape;
mod handover;
mod harness;
mod lifecycle;
mod rejections;
mod roles;
mod vanished;
mod verification;
mod withdrawals;
