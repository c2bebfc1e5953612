//! End-to-end tests: the real binary, real clients, real model. Each test starts its own chain.

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
