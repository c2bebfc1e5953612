//! Append-only files of numbered entries, durable before anyone is told of them.
//!
//! An entry is `length (u32, little-endian) || checksum (first 8 bytes of keccak256 of the payload) || payload (JSON)`.
//! Entry *n* is the *n*-th in the file, from 0. A file that ends within an entry was cut by a crash: the rest of that
//! entry is dropped at opening, which loses nothing that was acknowledged. Damage anywhere else is an error.

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use alloy_primitives::keccak256;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes before each payload.
const HEADER: usize = 12;

/// An entry is at most this long; a longer length in a file is damage.
const ENTRY_BYTES_MAX: usize = 64 << 20;

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged: entry {entry} at byte {offset} does not match its checksum")]
    Damaged { path: PathBuf, entry: u64, offset: u64 },
    #[error("{path}: entry {entry} is of another version: {source}")]
    Format { path: PathBuf, entry: u64, source: serde_json::Error },
    #[error("{path}: an entry of {bytes} bytes is too long")]
    TooLong { path: PathBuf, bytes: usize },
    #[error("{path} is in use by another process")]
    InUse { path: PathBuf },
}

/// A journal of `T`.
pub struct Journal<T> {
    path: PathBuf,
    file: File,
    /// Where each entry's payload begins, and its length.
    entries: Vec<(u64, usize)>,
    end: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens or creates the file, which this process then holds exclusively. `each` sees every entry in order.
    pub fn open(path: &Path, mut each: impl FnMut(u64, T)) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(JournalError::InUse { path: path.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        let length = file.metadata().map_err(io)?.len();
        let mut reader = BufReader::new(&file);
        let mut journal = Self {
            path: path.to_owned(),
            file: file.try_clone().map_err(io)?,
            entries: vec![],
            end: 0,
            kind: PhantomData,
        };
        while let Some(left) = length.checked_sub(journal.end + HEADER as u64) {
            let mut header = [0; HEADER];
            reader.read_exact(&mut header).map_err(io)?;
            let (size, checksum) = header.split_at(4);
            let size = size.iter().rev().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
            if size as u64 > left {
                break;
            }
            let damaged = |journal: &Self| JournalError::Damaged {
                path: path.to_owned(),
                entry: journal.entries.len() as u64,
                offset: journal.end,
            };
            if size > ENTRY_BYTES_MAX {
                return Err(damaged(&journal));
            }
            let mut payload = vec![0; size];
            reader.read_exact(&mut payload).map_err(io)?;
            if keccak256(&payload)[..8] != *checksum {
                // The last entry's length can reach the disk before its payload.
                if size as u64 == left {
                    break;
                }
                return Err(damaged(&journal));
            }
            let number = journal.entries.len() as u64;
            each(number, journal.parse(number, &payload)?);
            journal.entries.push((journal.end + HEADER as u64, size));
            journal.end += (HEADER + size) as u64;
        }
        if journal.end < length {
            tracing::warn!(path = %path.display(), bytes = length - journal.end, "dropping an entry that a crash cut short");
            journal.file.set_len(journal.end).map_err(io)?;
            journal.file.sync_all().map_err(io)?;
        }
        // A new file's name must survive a crash too.
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
        {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
        }
        Ok(journal)
    }

    /// Appends an entry and returns its number once it is on disk. After an error the file is as before.
    pub fn append(&mut self, value: &T) -> Result<u64, JournalError> {
        let number = self.entries.len() as u64;
        let payload = serde_json::to_vec(value);
        let payload = payload.map_err(|source| JournalError::Format {
            path: self.path.clone(),
            entry: number,
            source,
        })?;
        let size =
            u32::try_from(payload.len()).ok().filter(|size| *size as usize <= ENTRY_BYTES_MAX);
        let size = size.ok_or_else(|| JournalError::TooLong {
            path: self.path.clone(),
            bytes: payload.len(),
        })?;
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&keccak256(&payload)[..8]);
        bytes.extend_from_slice(&payload);
        if let Err(source) = self.write(&bytes) {
            // Best effort: an entry that is cut short is dropped at the next opening as well.
            let _ = self.file.set_len(self.end);
            return Err(JournalError::Io { path: self.path.clone(), source });
        }
        self.entries.push((self.end + HEADER as u64, payload.len()));
        self.end += bytes.len() as u64;
        Ok(number)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    /// Reads entry `number`, `None` if there is none yet.
    pub fn get(&self, number: u64) -> Result<Option<T>, JournalError> {
        let entry = usize::try_from(number).ok().and_then(|number| self.entries.get(number));
        let Some((offset, size)) = entry else { return Ok(None) };
        let mut payload = vec![0; *size];
        let read = self.file.read_exact_at(&mut payload, *offset);
        read.map_err(|source| JournalError::Io { path: self.path.clone(), source })?;
        self.parse(number, &payload).map(Some)
    }

    /// Number of entries, which is the number of the next one.
    pub fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn parse(&self, entry: u64, payload: &[u8]) -> Result<T, JournalError> {
        serde_json::from_slice(payload).map_err(|source| JournalError::Format {
            path: self.path.clone(),
            entry,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<Vec<String>, JournalError> {
        let mut all = Vec::new();
        Journal::<String>::open(path, |_, entry| all.push(entry)).map(|_| all)
    }

    #[test]
    fn entries_survive_reopening_and_numbers_continue() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::open(&path, |_, _: String| {}).unwrap();
        assert_eq!(journal.append(&"a".into()).unwrap(), 0);
        assert_eq!(journal.append(&"b".into()).unwrap(), 1);
        assert_eq!(journal.get(1).unwrap().as_deref(), Some("b"));
        assert_eq!(journal.get(2).unwrap(), None);
        drop(journal);
        assert_eq!(read(&path).unwrap(), ["a", "b"]);
        let mut journal = Journal::open(&path, |_, _: String| {}).unwrap();
        assert_eq!(journal.append(&"c".into()).unwrap(), 2);
    }

    #[test]
    fn a_torn_tail_is_dropped_wherever_it_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::open(&path, |_, _: String| {}).unwrap();
        journal.append(&"first".into()).unwrap();
        let kept = journal.end as usize;
        journal.append(&"second".into()).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in kept..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path).unwrap(), ["first"], "cut at {cut}");
        }
        let mut zeroed = whole.clone();
        zeroed[kept + HEADER..].fill(0);
        std::fs::write(&path, zeroed).unwrap();
        assert_eq!(read(&path).unwrap(), ["first"]);
    }

    #[test]
    fn damage_before_the_end_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::open(&path, |_, _: String| {}).unwrap();
        journal.append(&"first".into()).unwrap();
        journal.append(&"second".into()).unwrap();
        drop(journal);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER + 2] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(read(&path), Err(JournalError::Damaged { entry: 0, .. })));
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let _held = Journal::open(&path, |_, _: String| {}).unwrap();
        assert!(matches!(read(&path), Err(JournalError::InUse { .. })));
    }
}
