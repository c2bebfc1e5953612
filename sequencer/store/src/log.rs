//! The block log: what makes a block durable. Records are appended to segment files and synced; the
//! database follows in checkpoints, after which the segments they cover are removed.
//!
//! Each record says up to which record the log was on disk when it was written. That tells a torn end
//! from damage: a record that cannot be read was never acknowledged unless a later one says that it was
//! on disk. The first is cut off, the second is an error. Bytes: `docs/formats/store.md`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::Crc;

use crate::{StoreError, failpoint};

/// The directory beside the database.
pub(crate) const DIRECTORY: &str = "log";
const SEGMENT_MAGIC: [u8; 8] = *b"OLGRLOG\x01";
const RECORD_MAGIC: [u8; 4] = *b"OLRC";
const RECORD_HEADER: usize = 36;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A block on top of the one before.
    Block = 0,
    /// Every block above this number is gone.
    Unwind = 1,
    /// The safe and the finalized head.
    Heads = 2,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Block),
            1 => Some(Self::Unwind),
            2 => Some(Self::Heads),
            _ => None,
        }
    }
}

/// A record read back.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) kind: Kind,
    pub(crate) payload: Vec<u8>,
}

/// What opening the log found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) log: BlockLog,
    /// Every readable record, oldest first.
    pub(crate) records: Vec<Record>,
    /// Bytes of a torn end that were cut off.
    pub(crate) cut: u64,
}

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct BlockLog {
    directory: PathBuf,
    durable: bool,
    segment_bytes: u64,
    /// First sequence number and path, oldest first; the last is the one appended to.
    segments: Vec<(u64, PathBuf)>,
    /// `None` before the first append: a log that was read is never appended to in the same file.
    file: Option<Arc<File>>,
    /// Bytes of the last segment.
    length: u64,
    next: u64,
    synced: u64,
    /// After a failed write nothing more is accepted: what is on disk is not known.
    failed: bool,
}

impl BlockLog {
    /// Opens the log below a store's directory. `checkpointed` is the last record that the database
    /// holds.
    pub(crate) fn open(
        store: &Path,
        durable: bool,
        segment_bytes: u64,
        checkpointed: u64,
    ) -> Result<Opened, StoreError> {
        let directory = store.join(DIRECTORY);
        let failed = |source| StoreError::Log { path: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(failed)?;
        let mut segments = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let first = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".log"))
                .and_then(|name| u64::from_str_radix(name, 16).ok());
            segments.extend(first.map(|first| (first, path)));
        }
        segments.sort_unstable();
        let mut log = Self {
            directory,
            durable,
            segment_bytes,
            segments,
            file: None,
            length: 0,
            next: checkpointed.saturating_add(1),
            synced: checkpointed,
            failed: false,
        };
        let (records, cut) = log.read(checkpointed)?;
        if let Some(last) = records.last() {
            log.next = log.next.max(last.sequence.saturating_add(1));
        }
        // What was read may have been written by a process that ended before it synced.
        if durable {
            for (_, path) in &log.segments {
                File::open(path)
                    .and_then(|file| file.sync_all())
                    .map_err(|source| StoreError::Log { path: path.clone(), source })?;
            }
        }
        log.synced = log.next - 1;
        Ok(Opened { log, records, cut })
    }

    /// Reads every segment; cuts a torn end off.
    fn read(&mut self, checkpointed: u64) -> Result<(Vec<Record>, u64), StoreError> {
        let mut records: Vec<Record> = Vec::new();
        let mut contents = Vec::with_capacity(self.segments.len());
        for (_, path) in &self.segments {
            let bytes =
                fs::read(path).map_err(|source| StoreError::Log { path: path.clone(), source })?;
            contents.push(bytes);
        }
        for (index, bytes) in contents.iter().enumerate() {
            let (first, path) = &self.segments[index];
            let expected = records.last().map_or(*first, |last| last.sequence.saturating_add(1));
            let (offset, expected) = if *first != expected {
                (0, expected)
            } else if !bytes.starts_with(&SEGMENT_MAGIC) {
                (0, expected)
            } else {
                let mut offset = SEGMENT_MAGIC.len();
                let mut expected = expected;
                while let Some((record, length)) = parse(&bytes[offset..], expected) {
                    records.push(record);
                    offset += length;
                    expected += 1;
                }
                (offset, expected)
            };
            if offset == bytes.len() {
                continue;
            }
            // Something here is not what was written. Was it acknowledged?
            let here = proves_durable(&bytes[offset..], expected);
            let later = contents[index + 1..].iter().any(|bytes| proves_durable(bytes, expected));
            if here || later || expected <= checkpointed {
                return Err(StoreError::LogDamaged {
                    path: path.clone(),
                    offset: offset as u64,
                    record: expected,
                });
            }
            let cut = self.cut(index, offset as u64)?;
            return Ok((self.complete(records, checkpointed)?, cut));
        }
        Ok((self.complete(records, checkpointed)?, 0))
    }

    /// Refuses a log whose beginning is missing.
    fn complete(&self, records: Vec<Record>, checkpointed: u64) -> Result<Vec<Record>, StoreError> {
        match records.first() {
            Some(first) if first.sequence > checkpointed.saturating_add(1) => {
                Err(StoreError::LogMissing {
                    path: self.directory.clone(),
                    from: checkpointed.saturating_add(1),
                    to: first.sequence - 1,
                })
            }
            _ => Ok(records),
        }
    }

    /// Ends the log within a segment; later segments go.
    fn cut(&mut self, index: usize, offset: u64) -> Result<u64, StoreError> {
        let mut cut = 0;
        for (_, path) in self.segments.drain(index + 1..) {
            let failed = |source| StoreError::Log { path: path.clone(), source };
            cut += fs::metadata(&path).map_err(failed)?.len();
            fs::remove_file(&path).map_err(failed)?;
        }
        let (_, path) = &self.segments[index];
        let failed = |source| StoreError::Log { path: path.clone(), source };
        let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        cut += file.metadata().map_err(failed)?.len() - offset;
        file.set_len(offset).and_then(|()| file.sync_all()).map_err(failed)?;
        if offset < SEGMENT_MAGIC.len() as u64 {
            fs::remove_file(path).map_err(failed)?;
            self.segments.truncate(index);
        }
        self.sync_directory()?;
        Ok(cut)
    }

    /// Appends a record; it is durable after [`SyncPoint::sync`] on what this gives. Nothing is left of
    /// a record that could not be written whole.
    pub(crate) fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<SyncPoint, StoreError> {
        if self.failed {
            return Err(StoreError::LogFailed);
        }
        let result = self.try_append(kind, payload);
        if result.is_err() {
            self.failed = true;
        }
        result
    }

    fn try_append(&mut self, kind: Kind, payload: &[u8]) -> Result<SyncPoint, StoreError> {
        let file = self.segment()?;
        let path = || self.segments.last().map_or_else(PathBuf::new, |(_, path)| path.clone());
        let failed = |source| StoreError::Log { path: path(), source };
        let length = u32::try_from(payload.len())
            .map_err(|_| failed(io::Error::from(io::ErrorKind::FileTooLarge)))?;
        let sequence = self.next;
        let mut bytes = Vec::with_capacity(RECORD_HEADER + payload.len());
        bytes.extend_from_slice(&RECORD_MAGIC);
        bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&crc(payload).to_be_bytes());
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&self.synced.to_be_bytes());
        bytes.extend_from_slice(&crc(&bytes).to_be_bytes());
        bytes.extend_from_slice(payload);
        let half = bytes.len() / 2;
        let written = failpoint::pass("log-before-append")
            .and_then(|()| (&*file).write_all(&bytes[..half]))
            .and_then(|()| failpoint::pass("log-half-appended"))
            .and_then(|()| (&*file).write_all(&bytes[half..]));
        if let Err(source) = written {
            // The end was never acknowledged: a start cuts it off if this cannot.
            let _ = file.set_len(self.length);
            return Err(failed(source));
        }
        self.length += bytes.len() as u64;
        self.next += 1;
        failpoint::pass("log-appended").map_err(failed)?;
        Ok(SyncPoint { file, sequence, durable: self.durable, path: path() })
    }

    /// The file to append to, a new one when the last is long enough.
    fn segment(&mut self) -> Result<Arc<File>, StoreError> {
        if let Some(file) = &self.file {
            if self.length < self.segment_bytes {
                return Ok(Arc::clone(file));
            }
            // Whoever syncs later syncs the new file only.
            if self.durable {
                file.sync_data()
                    .map_err(|source| StoreError::Log { path: self.directory.clone(), source })?;
            }
            self.synced = self.next - 1;
        }
        let path = self.directory.join(format!("{:016x}.log", self.next));
        let failed = |source| StoreError::Log { path: path.clone(), source };
        let mut options = OpenOptions::new();
        // A file of this name holds nothing that was acknowledged, or it would have been read.
        let mut file =
            options.write(true).create(true).truncate(true).open(&path).map_err(failed)?;
        file.write_all(&SEGMENT_MAGIC).map_err(failed)?;
        failpoint::pass("log-segment-created").map_err(failed)?;
        if self.durable {
            self.sync_directory()?;
        }
        let file = Arc::new(file);
        self.segments.retain(|(first, _)| *first < self.next);
        self.segments.push((self.next, path));
        self.length = SEGMENT_MAGIC.len() as u64;
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Takes note that records up to `sequence` are on disk.
    pub(crate) fn synced(&mut self, sequence: u64) {
        self.synced = self.synced.max(sequence);
    }

    /// A sync failed: what is on disk is not known.
    pub(crate) const fn fail(&mut self) {
        self.failed = true;
    }

    /// Sequence number of the last record.
    pub(crate) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// Forgets the segments that hold nothing after `checkpointed`; they are to be removed, oldest
    /// first.
    pub(crate) fn take_covered(&mut self, checkpointed: u64) -> Vec<PathBuf> {
        let covered = self
            .segments
            .windows(2)
            .take_while(|pair| pair[1].0 <= checkpointed.saturating_add(1))
            .count();
        self.segments.drain(..covered).map(|(_, path)| path).collect()
    }

    fn sync_directory(&self) -> Result<(), StoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| StoreError::Log { path: self.directory.clone(), source })
    }
}

/// What must be synced for a record to be durable; appending may go on meanwhile.
#[derive(Debug)]
pub(crate) struct SyncPoint {
    file: Arc<File>,
    pub(crate) sequence: u64,
    durable: bool,
    path: PathBuf,
}

impl SyncPoint {
    /// Waits until the record and everything before it is on disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Log { path: self.path.clone(), source };
        if self.durable {
            self.file.sync_data().map_err(failed)?;
        }
        failpoint::pass("log-synced").map_err(failed)
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The parts of a record's header, if it is one.
struct Header {
    kind: Kind,
    length: usize,
    payload_crc: u32,
    sequence: u64,
    synced: u64,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let bytes = bytes.get(..RECORD_HEADER)?;
    let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    if !bytes.starts_with(&RECORD_MAGIC) || crc(&bytes[..RECORD_HEADER - 4]) != word(32)? {
        return None;
    }
    Some(Header {
        kind: Kind::from_byte(bytes[4])?,
        length: usize::try_from(word(8)?).ok()?,
        payload_crc: word(12)?,
        sequence: long(16)?,
        synced: long(24)?,
    })
}

/// The record at the beginning, with its length, if it is whole and has this sequence number.
fn parse(bytes: &[u8], expected: u64) -> Option<(Record, usize)> {
    let header = header(bytes)?;
    let end = RECORD_HEADER.checked_add(header.length)?;
    let payload = bytes.get(RECORD_HEADER..end)?;
    if header.sequence != expected || crc(payload) != header.payload_crc {
        return None;
    }
    let record = Record { sequence: expected, kind: header.kind, payload: payload.to_vec() };
    Some((record, end))
}

/// Whether some record in these bytes says that the record `sequence` was on disk before it.
fn proves_durable(bytes: &[u8], sequence: u64) -> bool {
    (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(&RECORD_MAGIC))
        .any(|at| header(&bytes[at..]).is_some_and(|header| header.synced >= sequence))
}
