//! What can go wrong with a store, and what to do about it.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use revm::database_interface::DBErrorMarker;
use stf::trie::TrieError;

/// A store that cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot create {path}: {source}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("the chain data in {0} is in use by another process; stop it first")]
    InUse(PathBuf),
    #[error(
        "the chain data in {path} is corrupt or not a chain store ({source}); restore a copy, or \
         delete the directory to sync again"
    )]
    Corrupt { path: PathBuf, source: libmdbx::Error },
    #[error("cannot open the chain data in {path}: {source}")]
    Open { path: PathBuf, source: libmdbx::Error },
    #[error(
        "the chain data in {path} has layout {found}, this version reads {expected}; use the version \
         that wrote it, or delete the directory to sync again"
    )]
    Schema { path: PathBuf, found: u64, expected: u32 },
    #[error(
        "the store holds the chain with genesis {stored}, the configuration is for {configured}; \
         use another data directory"
    )]
    OtherGenesis { stored: B256, configured: B256 },
    #[error(
        "the store holds the chain with id {stored}, the configuration is for {configured}; use \
         another data directory"
    )]
    OtherChain { stored: u64, configured: u64 },
    #[error("there is no chain data in {0}")]
    NoStore(PathBuf),
    #[error("the store holds no chain yet")]
    Uninitialised,
    #[error("the disk is full or the database reached its size limit; free space and start again")]
    Full,
    #[error("the block log in {path} cannot be written or read: {source}")]
    Log { path: PathBuf, source: std::io::Error },
    #[error(
        "the block log is damaged: record {record} at byte {offset} of {path} was on disk and is not \
         what was written; restore a copy, or delete the directory to sync again"
    )]
    LogDamaged { path: PathBuf, offset: u64, record: u64 },
    #[error(
        "records {from} to {to} of the block log in {path} are missing; restore a copy, or delete the \
         directory to sync again"
    )]
    LogMissing { path: PathBuf, from: u64, to: u64 },
    #[error(
        "record {record} of the block log does not continue the chain in the database ({reason}); \
         restore a copy, or delete the directory to sync again"
    )]
    LogForeign { record: u64, reason: String },
    #[error("an earlier write to the block log failed; start again to see what is on disk")]
    LogFailed,
    #[error("the database cannot follow the block log: {0}")]
    Checkpoint(String),
    #[error("the database failed: {0}")]
    Database(libmdbx::Error),
    #[error("entry {key} of table {table} is malformed; the database is damaged")]
    Malformed { table: &'static str, key: String },
    #[error("block {0} has more transactions or logs than the log index can number")]
    TooManyLogs(u64),
    #[error("block {0} is not in the store")]
    MissingBlock(u64),
    #[error(
        "there is no state of block {number}: the store began with a snapshot of block {first}"
    )]
    BeforeFirst { number: u64, first: u64 },
    #[error("the code {0} is not in the store")]
    MissingCode(B256),
    #[error("block {block} does not extend the head {head}")]
    NotOnHead { block: u64, head: u64 },
    #[error("block {number} is {stored}, not {given}")]
    OtherBlock { number: u64, stored: B256, given: B256 },
    #[error("the change of {address} starts from another state than the store's")]
    StaleChange { address: Address },
    #[error("state at block {number} is {distance} blocks back; proofs reach {max} back")]
    TooFarBack { number: u64, distance: u64, max: u64 },
    #[error("block {number} cannot be executed again: {source}")]
    Reexecution { number: u64, source: Box<stf::BlockError> },
    #[error(transparent)]
    Trie(#[from] TrieError),
}

impl From<libmdbx::Error> for StoreError {
    fn from(error: libmdbx::Error) -> Self {
        match error {
            libmdbx::Error::MapFull | libmdbx::Error::UnableExtendMapsize => Self::Full,
            libmdbx::Error::IoError(io) if io.raw_os_error() == Some(28) => Self::Full,
            other => Self::Database(other),
        }
    }
}

impl From<StoreError> for TrieError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Trie(error) => error,
            other => Self::Reader(other.to_string()),
        }
    }
}

impl DBErrorMarker for StoreError {}
