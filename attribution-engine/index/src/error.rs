//! What can go wrong with an index on disk or with what it is given.

use std::{io, path::PathBuf};

/// Result of this crate.
pub type Result<T, E = IndexError> = std::result::Result<T, E>;

/// Errors of the index. Those about files name the file.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is in use by another process")]
    Locked { path: PathBuf },
    #[error("{path} is not an index segment (wrong magic)")]
    NotASegment { path: PathBuf },
    #[error("{path} has format version {found}, this program reads {supported}")]
    Version { path: PathBuf, found: u32, supported: u32 },
    #[error(
        "{path} is {found} bytes long, its header says {expected}: it was cut short or appended to"
    )]
    Length { path: PathBuf, found: u64, expected: u64 },
    #[error("{path} does not match its checksum")]
    Checksum { path: PathBuf },
    #[error("{path} is inconsistent: {what}")]
    Inconsistent { path: PathBuf, what: &'static str },
    #[error("{path} is not a manifest this program can read: {reason}")]
    Manifest { path: PathBuf, reason: String },
    #[error("contribution {0} is in the index already")]
    DuplicateContribution(u64),
    #[error("contribution {0} has no tokens")]
    EmptyDocument(u64),
    #[error("contribution {contribution} has {tokens} tokens, a segment holds at most {max}")]
    DocumentTooLarge { contribution: u64, tokens: usize, max: usize },
    #[error("token {position} is the reserved value 0xFFFF")]
    ReservedToken { position: usize },
    #[error("the answer has {0} tokens, at most {max} can be searched at once", max = u32::MAX)]
    AnswerTooLong(usize),
    #[error("tokens {start}..{end} are not in the answer, which has {length}")]
    GramOutOfRange { start: u32, end: u64, length: usize },
    #[error("suffix array construction failed: {0}")]
    SuffixArray(String),
    #[error("the index is in memory only and has no directory")]
    InMemory,
}

impl IndexError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
