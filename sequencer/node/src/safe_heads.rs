//! Which block was safe when L1 had been read up to which of its blocks: what a reorganisation of L1
//! goes back to, what is final when an L1 block is, and what `optimism_safeHeadAtL1Block` answers.
//!
//! A file beside the store. What it lacks after a power failure is derived again.
//!
//! Bytes: `OLSAFE` and the version, then records in the order of their L1 blocks: number (8,
//! big-endian) and hash (32) of the L1 block, the same of the L2 block, and the first 8 bytes of their
//! keccak-256. Only L1 blocks that made something safe have a record.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use alloy_primitives::{B256, keccak256};
use parking_lot::Mutex;
use primitives::BlockNumHash;

const FILE: &str = "safe-heads";
const HEAD: &[u8; 8] = b"OLSAFE\x00\x01";
const IDS_BYTES: usize = 80;
const RECORD_BYTES: usize = IDS_BYTES + 8;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeHead {
    /// The L1 block whose data made the L2 block safe.
    pub l1: BlockNumHash,
    /// The newest L2 block that it made safe.
    pub safe: BlockNumHash,
}

/// The records of one node.
#[derive(Debug)]
pub struct SafeHeads(Mutex<Records>);

#[derive(Debug)]
struct Records {
    file: File,
    count: u64,
}

impl SafeHeads {
    /// Opens the file in a directory, which must exist, or begins it. What is unreadable at its end is
    /// cut off.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut head = [0; HEAD.len()];
        if length < HEAD.len() as u64 {
            file.set_len(0)?;
            file.write_all_at(HEAD, 0)?;
        } else {
            file.read_exact_at(&mut head, 0)?;
            if head != *HEAD {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the file of safe heads has another format",
                ));
            }
        }
        let count = length.saturating_sub(HEAD.len() as u64) / RECORD_BYTES as u64;
        let mut records = Records { file, count };
        while records.count > 0 && records.read(records.count - 1)?.is_none() {
            records.truncate(records.count - 1)?;
        }
        Ok(Self(Mutex::new(records)))
    }

    /// The newest record.
    pub fn last(&self) -> io::Result<Option<SafeHead>> {
        let records = self.0.lock();
        match records.count.checked_sub(1) {
            Some(last) => records.read(last),
            None => Ok(None),
        }
    }

    /// What was safe when L1 had been read up to block `l1`: the newest record at or below it.
    pub fn at(&self, l1: u64) -> io::Result<Option<SafeHead>> {
        let records = self.0.lock();
        match records.first_from(l1.saturating_add(1))?.checked_sub(1) {
            Some(index) => records.read(index),
            None => Ok(None),
        }
    }

    /// Writes what an L1 block made safe, in place of what it had made safe before. L1 blocks come in
    /// order.
    pub(crate) fn record(&self, head: SafeHead) -> io::Result<()> {
        let mut records = self.0.lock();
        let first = records.first_from(head.l1.number)?;
        if first + 1 < records.count {
            records.truncate(first + 1)?;
        }
        records.write(first, head)
    }

    /// Forgets what L1 blocks from number `l1` on made safe.
    pub(crate) fn forget_from(&self, l1: u64) -> io::Result<()> {
        let mut records = self.0.lock();
        let first = records.first_from(l1)?;
        records.truncate(first)
    }

    /// Forgets the newest records.
    pub(crate) fn forget_last(&self, count: u64) -> io::Result<()> {
        let mut records = self.0.lock();
        let left = records.count.saturating_sub(count);
        records.truncate(left)
    }
}

impl Records {
    /// `None` if the record is damaged.
    fn read(&self, index: u64) -> io::Result<Option<SafeHead>> {
        let mut bytes = [0; RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, Self::offset(index))?;
        let (ids, check) = bytes.split_at(IDS_BYTES);
        if keccak256(ids)[..8] != *check {
            return Ok(None);
        }
        let id = |bytes: &[u8]| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[..8]);
            BlockNumHash { number: u64::from_be_bytes(number), hash: B256::from_slice(&bytes[8..]) }
        };
        Ok(Some(SafeHead { l1: id(&ids[..40]), safe: id(&ids[40..]) }))
    }

    fn write(&mut self, index: u64, head: SafeHead) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        for id in [head.l1, head.safe] {
            bytes.extend_from_slice(&id.number.to_be_bytes());
            bytes.extend_from_slice(id.hash.as_slice());
        }
        let check = keccak256(&bytes);
        bytes.extend_from_slice(&check[..8]);
        self.file.write_all_at(&bytes, Self::offset(index))?;
        self.count = self.count.max(index + 1);
        Ok(())
    }

    fn truncate(&mut self, count: u64) -> io::Result<()> {
        if count < self.count {
            self.file.set_len(Self::offset(count))?;
            self.count = count;
        }
        Ok(())
    }

    /// Index of the first record of an L1 block from `l1` on; the count if there is none.
    fn first_from(&self, l1: u64) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self.read(middle)?.is_some_and(|record| record.l1.number < l1);
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    const fn offset(index: u64) -> u64 {
        HEAD.len() as u64 + index * RECORD_BYTES as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u64, byte: u8) -> BlockNumHash {
        BlockNumHash { number, hash: B256::repeat_byte(byte) }
    }

    fn head(l1: u64, safe: u64) -> SafeHead {
        SafeHead { l1: id(l1, 1), safe: id(safe, 2) }
    }

    #[test]
    fn damage_at_the_end_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let heads = SafeHeads::open(directory.path()).unwrap();
        for number in 0..5 {
            heads.record(head(10 * number, number)).unwrap();
        }
        let path = directory.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
        bytes.extend([7; 30]);
        std::fs::write(&path, &bytes).unwrap();
        let heads = SafeHeads::open(directory.path()).unwrap();
        assert_eq!(heads.last().unwrap(), Some(head(30, 3)));
        std::fs::write(&path, b"something else").unwrap();
        assert!(SafeHeads::open(directory.path()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn records_are_as_in_a_map(
            steps in proptest::collection::vec((0_u8..6, 0_u64..40, any::<u64>()), 1..60),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut heads = SafeHeads::open(directory.path()).unwrap();
            let mut model: BTreeMap<u64, SafeHead> = BTreeMap::new();
            for (step, number, safe) in steps {
                match step {
                    0 => {
                        heads.forget_from(number).unwrap();
                        model.split_off(&number);
                    }
                    1 => {
                        heads.forget_last(number / 8).unwrap();
                        for _ in 0..number / 8 {
                            model.pop_last();
                        }
                    }
                    2 => heads = SafeHeads::open(directory.path()).unwrap(),
                    _ => {
                        // What lies above an L1 block that is read was read on another fork.
                        model.split_off(&number);
                        model.insert(number, head(number, safe));
                        heads.record(head(number, safe)).unwrap();
                    }
                }
                prop_assert_eq!(heads.last().unwrap(), model.values().next_back().copied());
                for l1 in 0..41 {
                    let expected = model.range(..=l1).next_back().map(|(_, head)| *head);
                    prop_assert_eq!(heads.at(l1).unwrap(), expected);
                }
            }
        }
    }
}
