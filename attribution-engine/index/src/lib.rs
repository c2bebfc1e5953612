//! Finds where an answer's words stand in a corpus.
//!
//! The corpus is a set of documents of 16-bit tokens. It is kept in immutable, memory-mapped
//! [segments](segment), each with a suffix array; new documents become a new small segment that is
//! searchable at once, and segments are merged in the manner of an LSM tree. Answers are searched
//! with all positions advanced in lock-step, so that memory latency of one hides behind the others
//! ([`Index::longest`], [`Index::spans`], [`Index::earliest`]).
//!
//! **No result depends on how documents are spread over segments**, nor on the order of appends: matches
//! never cross documents, counts add up, and documents are listed by commitment order (`sequence`).
//! What a match is worth is decided by `attribution-scores`; this crate only says what is where.
//!
//! [`retrieval`] ranks chunks of text for a query with integer BM25, for prompts.
//! The file format is specified in `docs/formats/index.md`.

mod error;
mod index;
pub mod retrieval;
mod search;
mod segment;

pub use error::{IndexError, Result};
pub use index::{Document, Index, Occurrence, Span, SpanParams};
pub use retrieval::{Chunk, ChunkIndex, ScoredChunk};

/// Stands after each document; no token of a document or an answer may have this value.
pub const SENTINEL: u16 = u16::MAX;
