//! What attribution means in integers: documents and their commitments, near-duplicate clusters, the
//! credit rule, the canonical records, and the money that follows from them. Everything here reaches
//! the chain or is checked against it, so it is a pure function of its arguments: no floats, clocks,
//! I/O, hash-map order or platform-sized integers in results, and every operation is checked.
//!
//! Reading order, which is also the order of the data:
//!
//! 1. [`document`]: bytes → normalised bytes → chunks → `contentHash`, `chunkRoot`; [`sketch`]:
//!    words → shingles → MinHash → `sketchHash`. [`document::DocumentCommitment::of`] gives all of
//!    what a contributor reveals.
//! 2. [`cluster`]: which later documents are near-duplicates of earlier ones, and therefore earn for
//!    the earlier one's contributor. [`cluster::ClusterMap::build`].
//! 3. [`exchange`]: canonical bytes of a request and a response (`requestHash`, `responseHash`) and
//!    of what was retrieved (`retrievalRoot`); [`eip712`]: vouchers, receipts, epoch posts and their
//!    digests.
//! 4. [`surprise`]: how unlikely each answer token is under the corpus's unigram law; [`credit`]:
//!    matches → who is credited for which token → [`record::AttributionRecord`] with weights that
//!    sum to at most [`record::WEIGHT_ONE`].
//! 5. [`epoch`]: receipts and records → payments → model and pool totals → cumulative
//!    [`claims`] → the epoch post; [`royalty`]: what of a model's share goes to the models it derives from.
//!
//! [`spec::EngineSpec`] holds every parameter of the above; its hash is in every receipt. Finding
//! matches in a corpus is `attribution-index`'s work, tokenising is `attribution-models`'.
//! Byte formats: `docs/formats/attribution.md`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::as_conversions,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::float_arithmetic
    )
)]

pub mod claims;
pub mod cluster;
pub mod credit;
pub mod document;
pub mod eip712;
pub mod epoch;
mod error;
pub mod exchange;
pub mod faults;
pub mod ids;
pub mod merkle;
pub mod payments;
pub mod record;
pub mod royalty;
pub mod sketch;
pub mod spec;
pub mod surprise;

pub use error::{Result, ScoresError};
pub use ids::{ContributionId, DatanetId, ModelId, Sequence};
