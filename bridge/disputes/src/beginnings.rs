//! Where verification can begin: which block was safe when which L1 block had been read to its end. A file of
//! the role, so that a restart reads neither more of L1 than it must nor less than it has to.
//!
//! Bytes: `OLBEGIN` and the version (8 in all), then records in the order of their L1 blocks, as
//! `docs/formats/role-records.md` says. What the end of the file lacks after a power failure is derived again.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, keccak256};

use crate::{Beginning, CheckError};

const FILE: &str = "beginnings";
const HEAD: &[u8; 8] = b"OLBEGIN\x01";
const IDS_BYTES: usize = 80;
const RECORD_BYTES: usize = IDS_BYTES + 8;

/// The records of one verification.
#[derive(Debug)]
pub struct Beginnings {
    path: PathBuf,
    file: File,
    /// INVARIANT: numbers of L1 blocks ascend; those of safe blocks never descend.
    records: Vec<Beginning>,
}

impl Beginnings {
    /// Opens the file in a directory, which is created if needed, or begins it. From the first record that is
    /// damaged on, all are left out.
    pub fn open(directory: &Path) -> Result<Self, CheckError> {
        let path = directory.join(FILE);
        let opened = fs::create_dir_all(directory).and_then(|()| Self::read(&path));
        let (file, records) = opened.map_err(|source| CheckError::Record {
            what: "open",
            path: path.clone(),
            source,
        })?;
        Ok(Self { path, file, records })
    }

    fn read(path: &Path) -> io::Result<(File, Vec<Beginning>)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = fs::read(path)?;
        let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
            file.set_len(0)?;
            file.write_all_at(HEAD, 0)?;
            return Ok((file, Vec::new()));
        };
        if head != HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another format"));
        }
        let whole = rest.chunks_exact(RECORD_BYTES).map_while(decode);
        let mut records: Vec<Beginning> = Vec::new();
        for record in whole {
            if records.last().is_some_and(|last| !follows(last, &record)) {
                break;
            }
            records.push(record);
        }
        file.set_len(offset(records.len()))?;
        Ok((file, records))
    }

    /// The newest one from which block `number` lies ahead, or is the safe head.
    pub fn newest_below(&self, number: u64) -> Option<Beginning> {
        let after = self.records.partition_point(|record| record.safe.number <= number);
        self.records.get(after.checked_sub(1)?).copied()
    }

    /// Adds one, in place of those of its L1 block and later ones.
    pub fn record(&mut self, beginning: Beginning) -> Result<(), CheckError> {
        self.forget_from(beginning.l1.number)?;
        let written = self.file.write_all_at(&encode(&beginning), offset(self.records.len()));
        self.done("write", written)?;
        self.records.push(beginning);
        Ok(())
    }

    /// Forgets those of L1 block `number` and later ones.
    pub fn forget_from(&mut self, number: u64) -> Result<(), CheckError> {
        let kept = self.records.partition_point(|record| record.l1.number < number);
        if kept < self.records.len() {
            let cut = self.file.set_len(offset(kept));
            self.done("cut", cut)?;
            self.records.truncate(kept);
        }
        Ok(())
    }

    /// Forgets those of L1 blocks below `number`.
    pub fn forget_below(&mut self, number: u64) -> Result<(), CheckError> {
        let gone = self.records.partition_point(|record| record.l1.number < number);
        if gone == 0 {
            return Ok(());
        }
        let rest = self.records.split_off(gone);
        let mut bytes = HEAD.to_vec();
        rest.iter().for_each(|record| bytes.extend(encode(record)));
        let part = self.path.with_extension("part");
        let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, &self.path));
        self.done("write", written)?;
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        self.file = self.done("open", opened)?;
        self.records = rest;
        Ok(())
    }

    fn done<T>(&self, what: &'static str, outcome: io::Result<T>) -> Result<T, CheckError> {
        outcome.map_err(|source| CheckError::Record { what, path: self.path.clone(), source })
    }
}

fn follows(last: &Beginning, next: &Beginning) -> bool {
    last.l1.number < next.l1.number && last.safe.number <= next.safe.number
}

const fn offset(index: usize) -> u64 {
    (HEAD.len() + index * RECORD_BYTES) as u64
}

fn encode(beginning: &Beginning) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    for id in [beginning.l1, beginning.safe] {
        bytes.extend_from_slice(&id.number.to_be_bytes());
        bytes.extend_from_slice(id.hash.as_slice());
    }
    let check = keccak256(&bytes);
    bytes.extend_from_slice(&check[..8]);
    bytes
}

/// `None` if it is damaged.
fn decode(bytes: &[u8]) -> Option<Beginning> {
    let (ids, check) = bytes.split_at_checked(IDS_BYTES)?;
    if keccak256(ids)[..8] != *check {
        return None;
    }
    let id = |bytes: &[u8]| {
        let (number, hash) = bytes.split_first_chunk::<8>()?;
        let hash = B256::try_from(hash).ok()?;
        Some(BlockNumHash { number: u64::from_be_bytes(*number), hash })
    };
    let (l1, safe) = ids.split_at_checked(IDS_BYTES / 2)?;
    Some(Beginning { l1: id(l1)?, safe: id(safe)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(l1: u64, safe: u64) -> Beginning {
        let id = |number: u64| BlockNumHash { number, hash: keccak256(number.to_be_bytes()) };
        Beginning { l1: id(l1), safe: id(safe) }
    }

    #[test]
    fn the_newest_that_is_not_above_a_block_is_found_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = Beginnings::open(directory.path()).unwrap();
        assert_eq!(kept.newest_below(100), None);
        for (l1, safe) in [(10, 0), (13, 4), (15, 9), (20, 30)] {
            kept.record(beginning(l1, safe)).unwrap();
        }
        let again = Beginnings::open(directory.path()).unwrap();
        assert_eq!(again.records, kept.records);
        let newest = |number: u64| again.newest_below(number).map(|found| found.safe.number);
        let found = [3, 4, 8, 9, 29, 30, 31].map(newest);
        assert_eq!(found, [0, 4, 4, 9, 9, 30, 30].map(Some));
    }

    #[test]
    fn another_fork_takes_the_place_of_what_it_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = Beginnings::open(directory.path()).unwrap();
        for (l1, safe) in [(10, 0), (13, 4), (15, 9), (20, 30)] {
            kept.record(beginning(l1, safe)).unwrap();
        }
        kept.record(beginning(15, 7)).unwrap();
        kept.forget_below(13).unwrap();
        kept.record(beginning(16, 8)).unwrap();
        kept.forget_from(17).unwrap();
        let expected = [beginning(13, 4), beginning(15, 7), beginning(16, 8)];
        assert_eq!(kept.records, expected);
        assert_eq!(Beginnings::open(directory.path()).unwrap().records, expected);
    }

    #[test]
    fn nothing_from_the_damage_on_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = Beginnings::open(directory.path()).unwrap();
        (1..6).for_each(|number| kept.record(beginning(10 * number, number)).unwrap());
        let path = directory.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes[offset(3) as usize + 50] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let mut kept = Beginnings::open(directory.path()).unwrap();
        assert_eq!(kept.newest_below(9), Some(beginning(30, 3)));
        kept.record(beginning(35, 4)).unwrap();
        let again = Beginnings::open(directory.path()).unwrap();
        assert_eq!(again.newest_below(9), Some(beginning(35, 4)));
        fs::write(&path, b"something else").unwrap();
        let error = Beginnings::open(directory.path()).unwrap_err();
        assert!(!error.is_temporary(), "{error}");
    }
}
