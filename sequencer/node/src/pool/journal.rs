//! The pool across restarts: a file with its transactions, replaced as a whole. A clean stop writes
//! it last of all, so nothing accepted is lost; after a crash what arrived since the last regular
//! writing is. Everything is checked again when it is read. The pool's bounds bound the file.
//!
//! Bytes: `OLPOOL` and the version, then for each transaction in the order of arrival its length
//! (u32, big-endian) and its EIP-2718 encoding.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use rayon::prelude::*;

use super::{AccountReader, Pool};
use crate::senders::TOGETHER;

/// How often the pool is written while it changes.
pub const INTERVAL: Duration = Duration::from_secs(10);

const HEAD: &[u8; 8] = b"OLPOOL\x00\x01";
const FILE: &str = "pool.journal";
const NEW_FILE: &str = "pool.journal.new";

/// The file of one pool.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    /// Arrivals at the last writing.
    written: AtomicU64,
    /// One writer at a time.
    writing: Mutex<()>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub taken: usize,
    /// Included or made invalid meanwhile, or unreadable.
    pub refused: usize,
}

impl Journal {
    /// The journal in a directory, which must exist.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            written: AtomicU64::new(u64::MAX),
            writing: Mutex::new(()),
        }
    }

    /// Gives the pool what the file holds. A missing file is an empty one; of a damaged one the
    /// readable beginning is taken.
    pub fn load(&self, pool: &Pool, accounts: &impl AccountReader) -> io::Result<Loaded> {
        let file = match File::open(self.directory.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::default()),
            Err(error) => return Err(error),
        };
        let config = pool.config();
        let longest = config.bytes_max.saturating_add(config.transactions_max.saturating_mul(4));
        let mut bytes = Vec::new();
        file.take(longest as u64 + HEAD.len() as u64).read_to_end(&mut bytes)?;
        let Some(mut rest) = bytes.strip_prefix(HEAD) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a pool journal"));
        };
        let mut encoded = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>()
            && let Some((transaction, after)) =
                after.split_at_checked(u32::from_be_bytes(*length) as usize)
        {
            encoded.push(transaction);
            rest = after;
        }
        let decoded: Vec<_> =
            encoded.par_chunks(TOGETHER).flat_map_iter(|part| pool.decode_all(part)).collect();
        let mut loaded = Loaded { refused: usize::from(!rest.is_empty()), ..Loaded::default() };
        for transaction in decoded {
            match transaction.and_then(|transaction| pool.add(transaction, accounts)) {
                Ok(_) => loaded.taken += 1,
                Err(_) => loaded.refused += 1,
            }
        }
        Ok(loaded)
    }

    /// Writes the pool if anything arrived since the last writing.
    pub fn save_if_changed(&self, pool: &Pool) -> io::Result<()> {
        if self.written.load(Ordering::Relaxed) == pool.arrivals() {
            return Ok(());
        }
        self.save(pool)
    }

    /// Writes the pool; on disk when this returns. A crash leaves the old file or the new one.
    pub fn save(&self, pool: &Pool) -> io::Result<()> {
        let _writing = self.writing.lock();
        let arrivals = pool.arrivals();
        let new = self.directory.join(NEW_FILE);
        let mut out = BufWriter::new(File::create(&new)?);
        out.write_all(HEAD)?;
        for transaction in pool.by_arrival() {
            // Its conditions were checked for a moment that is over by then.
            if transaction.conditions().is_some() {
                continue;
            }
            let bytes = transaction.encoded();
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_be_bytes())?;
            out.write_all(&bytes)?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&new, self.directory.join(FILE))?;
        File::open(&self.directory)?.sync_all()?;
        self.written.store(arrivals, Ordering::Relaxed);
        Ok(())
    }
}
