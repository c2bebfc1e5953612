//! Who sequences. Every hand-over begins a new term; the term is on disk before the first block of it is
//! built, and everything that is published carries it, so that whoever has heard of a later sequencer
//! refuses an earlier one.
//!
//! What this prevents, and what it cannot, is in `docs/rollup.md`.
//!
//! Bytes of the file, replaced as a whole: `OLTERM` and the version, the term (u64, big-endian), the
//! newest term heard of (u64), 1 if the node sequences and 0 if not, number (u64) and hash (32) of the
//! block with which it resigned (zeros: it did not), the key (20) that signs the newest term (zeros: not
//! known, or the own one), and the first 8 bytes of the keccak-256 of all that. The first version had no key.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256, keccak256};
use parking_lot::Mutex;
use primitives::BlockNumHash;
use tokio::sync::watch;

const FILE: &str = "sequencer-term";
const NEW_FILE: &str = "sequencer-term.new";
const HEAD: &[u8; 8] = b"OLTERM\x00\x02";
const FIRST_HEAD: &[u8; 8] = b"OLTERM\x00\x01";
const BYTES: usize = 8 + 8 + 8 + 1 + 8 + 32 + 20 + 8;

/// What a node knows of who sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// The node's own term, if it ever sequenced; 0 if not.
    pub term: u64,
    /// The newest term heard of, the own one included.
    pub seen: u64,
    /// Whether the node sequences.
    pub active: bool,
    /// The last block of the own term, when it has ended by resigning.
    pub resigned: Option<BlockNumHash>,
    /// Whose messages the newest term's are, if somebody else was heard in it.
    pub signer: Option<Address>,
}

/// The record of one node, on disk.
#[derive(Debug)]
pub struct Leadership {
    directory: PathBuf,
    lead: watch::Sender<Lead>,
    writing: Mutex<()>,
}

impl Leadership {
    /// Reads the record in a directory, which must exist. Without one nothing was heard yet.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let lead = match fs::read(directory.join(FILE)) {
            Ok(bytes) => decode(&bytes).ok_or_else(|| {
                let text = "the record of who sequences is damaged";
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Lead::default(),
            Err(error) => return Err(error),
        };
        let (lead, _) = watch::channel(lead);
        Ok(Self { directory: directory.to_path_buf(), lead, writing: Mutex::new(()) })
    }

    pub fn get(&self) -> Lead {
        *self.lead.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Lead> {
        self.lead.subscribe()
    }

    /// Somebody sequences in this term and signs with this key.
    pub(crate) fn see(&self, term: u64, signer: Address) -> io::Result<()> {
        let lead = self.get();
        let is_known = term == lead.term || lead.signer == Some(signer);
        if term < lead.seen || term == lead.seen && is_known {
            return Ok(());
        }
        self.change(|lead| {
            lead.seen = term;
            lead.signer = Some(signer);
        })
    }

    /// The node sequences, in a term above all it has heard of and not below `least`.
    pub(crate) fn begin(&self, least: u64) -> io::Result<()> {
        self.change(|lead| {
            lead.seen = lead.seen.max(lead.term).saturating_add(1).max(least);
            lead.term = lead.seen;
            lead.active = true;
            lead.resigned = None;
            lead.signer = None;
        })
    }

    /// The node sequences no more. `last` is the last block of its term, unless somebody else ended it.
    pub(crate) fn end(&self, last: Option<BlockNumHash>) -> io::Result<()> {
        self.change(|lead| {
            lead.active = false;
            lead.resigned = last;
        })
    }

    /// On disk first, then told.
    fn change(&self, change: impl FnOnce(&mut Lead)) -> io::Result<()> {
        let _writing = self.writing.lock();
        let mut lead = self.get();
        change(&mut lead);
        let new = self.directory.join(NEW_FILE);
        let mut file = File::create(&new)?;
        file.write_all(&encode(&lead))?;
        file.sync_all()?;
        fs::rename(new, self.directory.join(FILE))?;
        File::open(&self.directory)?.sync_all()?;
        self.lead.send_replace(lead);
        Ok(())
    }
}

fn encode(lead: &Lead) -> Vec<u8> {
    let last = lead.resigned.unwrap_or_default();
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(HEAD);
    bytes.extend_from_slice(&lead.term.to_be_bytes());
    bytes.extend_from_slice(&lead.seen.to_be_bytes());
    bytes.push(u8::from(lead.active));
    bytes.extend_from_slice(&last.number.to_be_bytes());
    bytes.extend_from_slice(last.hash.as_slice());
    bytes.extend_from_slice(lead.signer.unwrap_or_default().as_slice());
    let check = keccak256(&bytes);
    bytes.extend(check.iter().take(8));
    bytes
}

/// `None` if it is no record.
fn decode(bytes: &[u8]) -> Option<Lead> {
    let (covered, check) = bytes.split_at_checked(bytes.len().checked_sub(8)?)?;
    if check != keccak256(covered).get(..8)? {
        return None;
    }
    let (rest, signer) = match covered.strip_prefix(FIRST_HEAD) {
        Some(rest) => (rest, Address::ZERO),
        None => {
            let (rest, signer) = covered.strip_prefix(HEAD)?.split_last_chunk::<20>()?;
            (rest, Address::from(signer))
        }
    };
    let (term, rest) = rest.split_first_chunk::<8>()?;
    let (seen, rest) = rest.split_first_chunk::<8>()?;
    let (active, rest) = rest.split_first_chunk::<1>()?;
    let (number, hash) = rest.split_first_chunk::<8>()?;
    let last =
        BlockNumHash { number: u64::from_be_bytes(*number), hash: B256::try_from(hash).ok()? };
    Some(Lead {
        term: u64::from_be_bytes(*term),
        seen: u64::from_be_bytes(*seen),
        active: *active == [1],
        resigned: (last != BlockNumHash::default()).then_some(last),
        signer: (!signer.is_zero()).then_some(signer),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_survive_and_only_rise() {
        let directory = tempfile::tempdir().unwrap();
        let leads = Leadership::open(directory.path()).unwrap();
        let [one, two] = [Address::repeat_byte(1), Address::repeat_byte(2)];
        assert_eq!(leads.get(), Lead::default());
        leads.begin(0).unwrap();
        // Its own words come back.
        leads.see(1, one).unwrap();
        assert_eq!(leads.get().signer, None);
        leads.see(7, one).unwrap();
        leads.see(5, two).unwrap();
        let last = BlockNumHash { number: 3, hash: B256::repeat_byte(3) };
        leads.end(Some(last)).unwrap();
        let signer = Some(one);
        let expected = Lead { term: 1, seen: 7, active: false, resigned: Some(last), signer };
        assert_eq!(Leadership::open(directory.path()).unwrap().get(), expected);
        leads.see(7, two).unwrap();
        assert_eq!(leads.get().signer, Some(two));
        leads.begin(0).unwrap();
        let expected = Lead { term: 8, seen: 8, active: true, resigned: None, signer: None };
        assert_eq!(Leadership::open(directory.path()).unwrap().get(), expected);
        leads.begin(100).unwrap();
        leads.begin(100).unwrap();
        assert_eq!((leads.get().term, leads.get().seen), (101, 101));
    }

    #[test]
    fn records_of_the_first_version_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let lead = Lead { term: 1, seen: 7, active: true, resigned: None, signer: None };
        let mut bytes = encode(&lead);
        bytes.truncate(BYTES - 20 - 8);
        bytes[..8].copy_from_slice(FIRST_HEAD);
        let check = keccak256(&bytes);
        bytes.extend_from_slice(&check[..8]);
        assert_eq!(bytes.len(), 8 + 8 + 8 + 1 + 8 + 32 + 8);
        fs::write(directory.path().join(FILE), bytes).unwrap();
        assert_eq!(Leadership::open(directory.path()).unwrap().get(), lead);
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Leadership::open(directory.path()).unwrap().begin(0).unwrap();
        let path = directory.path().join(FILE);
        let good = fs::read(&path).unwrap();
        assert_eq!(good.len(), BYTES);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(Leadership::open(directory.path()).is_err(), "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(Leadership::open(directory.path()).is_err(), "cut at {at}");
        }
    }
}
