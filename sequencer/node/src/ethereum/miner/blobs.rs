//! The blobs of a chain's blocks, for as long as the network would keep them. One file for each block that
//! has some, named by time and hash; `docs/formats/blobs.md` describes it.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy_eips::eip7594::{BlobTransactionSidecarVariant, Decodable7594, Encodable7594};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use parking_lot::Mutex;
use primitives::Block;

use crate::error::MinerError;

/// The end of the files' names.
const SUFFIX: &str = ".blobs";
/// The same of one that is being written.
const UNFINISHED: &str = ".part";

/// A directory of blobs.
#[derive(Debug)]
pub(crate) struct BlobStore {
    directory: PathBuf,
    /// Time and hash of each block that has a file.
    known: Mutex<BTreeSet<(u64, B256)>>,
}

impl BlobStore {
    /// Opens the directory, or makes it.
    pub(super) fn open(directory: &Path) -> Result<Self, MinerError> {
        let store = Self { directory: directory.to_path_buf(), known: Mutex::default() };
        fs::create_dir_all(directory).map_err(|source| store.failed("stored", source))?;
        let entries = fs::read_dir(directory).map_err(|source| store.failed("listed", source))?;
        for entry in entries {
            let entry = entry.map_err(|source| store.failed("listed", source))?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            if let Some(key) = key_of(name) {
                store.known.lock().insert(key);
            } else if name.ends_with(UNFINISHED) {
                // A crash left it.
                fs::remove_file(entry.path()).map_err(|source| store.failed("dropped", source))?;
            }
        }
        Ok(store)
    }

    /// Keeps a block's blobs, one sidecar for each blob transaction in their order. They are on disk when
    /// this returns.
    pub(super) fn put(
        &self,
        block: &Block,
        sidecars: &[BlobTransactionSidecarVariant],
    ) -> Result<(), MinerError> {
        if sidecars.is_empty() {
            return Ok(());
        }
        let encoded: Vec<Bytes> = sidecars
            .iter()
            .map(|sidecar| {
                let mut bytes = Vec::with_capacity(sidecar.encode_7594_len());
                sidecar.encode_7594(&mut bytes);
                bytes.into()
            })
            .collect();
        let key = key(block);
        let (path, part) = (self.path(&key), self.path(&key).with_extension("part"));
        let write = || -> io::Result<()> {
            let mut file = File::create(&part)?;
            file.write_all(&alloy_rlp::encode(&encoded))?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| self.failed("stored", source))?;
        self.known.lock().insert(key);
        Ok(())
    }

    /// The sidecars of a block's transactions; `None` if it has none or they were dropped.
    pub(crate) fn get(
        &self,
        block: &Block,
    ) -> Result<Option<Vec<BlobTransactionSidecarVariant>>, MinerError> {
        let key = key(block);
        if !self.known.lock().contains(&key) {
            return Ok(None);
        }
        let bytes = match fs::read(self.path(&key)) {
            Ok(bytes) => bytes,
            // Pruned meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed("read", source)),
        };
        let sidecars = Vec::<Bytes>::decode(&mut bytes.as_slice()).and_then(|all| {
            all.iter()
                .map(|one| BlobTransactionSidecarVariant::decode_7594(&mut one.as_ref()))
                .collect::<Result<Vec<_>, _>>()
        });
        let sidecars = sidecars.map_err(|error| {
            self.failed("read", io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        Ok(Some(sidecars))
    }

    /// Drops the blobs of blocks before a time, seconds since the Unix epoch.
    pub(super) fn prune(&self, before: u64) -> Result<(), MinerError> {
        let mut known = self.known.lock();
        while let Some(first) = known.first().copied().filter(|(time, _)| *time < before) {
            match fs::remove_file(self.path(&first)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("dropped", error));
                }
                _ => known.pop_first(),
            };
        }
        Ok(())
    }

    fn path(&self, (time, hash): &(u64, B256)) -> PathBuf {
        self.directory.join(format!("{time:012}-{hash:x}{SUFFIX}"))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> MinerError {
        MinerError::Blobs { path: self.directory.clone(), action, source }
    }
}

fn key(block: &Block) -> (u64, B256) {
    (block.header.timestamp, block.hash)
}

fn key_of(name: &str) -> Option<(u64, B256)> {
    let (time, hash) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    Some((time.parse().ok()?, hash.parse().ok()?))
}
