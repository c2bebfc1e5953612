//! Records of a role on disk: small files, each whole or absent after a crash, durable when written.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::SendError;

/// A directory of records.
#[derive(Clone, Debug)]
pub struct RecordDir(PathBuf);

impl RecordDir {
    /// Creates the directory if needed.
    pub fn open(path: &Path) -> Result<Self, SendError> {
        fs::create_dir_all(path).map_err(|source| SendError::Record {
            what: "create",
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self(path.to_path_buf()))
    }

    /// A record, if there is one.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SendError> {
        let path = self.0.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SendError::Record { what: "read", path, source }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(source) => Err(SendError::Damaged { path, source }),
        }
    }

    /// Writes a record; durable when this returns.
    pub fn write<T: Serialize>(&self, name: &str, record: &T) -> Result<(), SendError> {
        let path = self.0.join(name);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|source| SendError::Damaged { path: path.clone(), source })?;
        let part = self.0.join(format!("{name}.part"));
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| File::open(&self.0)?.sync_all());
        written.map_err(|source| SendError::Record { what: "write", path, source })
    }

    /// Removes a record.
    pub fn remove(&self, name: &str) -> Result<(), SendError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(SendError::Record { what: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }
}
