//! The attribution engine's service: answers customers as an OpenAI-compatible gateway, says for every answer whose
//! documents are in it, and turns receipts into epochs that pay contributors on chain.
//!
//! In the order of a call:
//!
//! * [`gateway`] (HTTP) with [`openai`] (what requests and answers look like) and [`api_keys`] (who calls);
//! * [`calls`] admits, retrieves ([`prompt`]), reserves the fee ([`charging`]), generates, and signs the receipt;
//! * [`payments`] takes, captures and refunds what customers without an account pay for a request ([`x402`]);
//! * [`ledger`] keeps calls and records in [`journal`]s, durable before anyone is told;
//! * [`attributor`] writes the record of each answer after it was delivered, against its model's [`clusters::Corpus`];
//! * [`epochs`] posts receipts and records as epochs with their [`evidence`], and [`audit`] recomputes them;
//! * [`challenge`] proves on chain what is wrong with one, by commitments and payments that [`records`] makes; what is
//!   wrong with a single record is found by [`record_faults`] and `corpus_faults`.
//!
//! [`agents`] and [`sponsors`] are what agents' purses and newcomers need of the chain, with
//! [`typed_data`] for signers that keep keys elsewhere. [`chain`] reads and writes the economy contracts, [`view`] follows models and documents ([`content`], [`batches`]) as they appear,
//! [`ports`] is what the gateway needs of that, and [`service`] runs it all.

pub mod agents;
pub mod api_keys;
pub mod attributor;
pub mod audit;
pub mod batches;
pub mod calls;
pub mod chain;
pub mod challenge;
pub mod charging;
pub mod clusters;
pub mod content;
mod corpus_faults;
pub mod disclosed;
pub mod disclosure;
pub mod drills;
pub mod epochs;
pub mod evidence;
pub mod explain;
pub mod gateway;
pub mod journal;
pub mod ledger;
pub mod openai;
pub mod payments;
pub mod pinned;
pub mod ports;
pub mod prompt;
pub mod record_faults;
pub mod records;
pub mod service;
pub mod sponsors;
pub mod typed_data;
pub mod view;
pub mod x402;

pub use api_keys::{mint_api_key, verify_api_key};
pub use service::{Service, ServiceConfig, ServiceError, ServiceHandle, engine_spec};
