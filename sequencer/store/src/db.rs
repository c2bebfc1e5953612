//! MDBX behind typed reads and writes.

use std::{borrow::Cow, fs, path::Path};

use libmdbx::{
    Cursor, Database, DatabaseOptions, Mode, PageSize, RO, RW, ReadWriteOptions, SyncMode,
    Transaction, TransactionKind, WriteFlags, WriteMap,
};

use crate::{
    StoreError, StoreOptions,
    tables::{Table, Value, decode},
};

/// Address space reserved for the file; it grows in steps, so disk use follows the data.
const SIZE_MAX: isize = 1 << 40;
const GROWTH_STEP: isize = 64 << 20;
const READERS_MAX: u32 = 1_024;
const DATA_FILE: &str = "mdbx.dat";
/// Three meta pages.
const FILE_LEN_MIN: u64 = 3 * 4_096;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// An open environment.
pub(crate) struct Db(Database<WriteMap>);

impl Db {
    pub(crate) fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        fs::create_dir_all(path)
            .map_err(|source| StoreError::Create { path: path.to_path_buf(), source })?;
        // MDBX takes a file that is too short to be a database for a new one and overwrites it.
        match fs::metadata(path.join(DATA_FILE)) {
            Ok(file) if file.len() > 0 && file.len() < FILE_LEN_MIN => {
                return Err(StoreError::Corrupt {
                    path: path.to_path_buf(),
                    source: libmdbx::Error::Corrupted,
                });
            }
            _ => {}
        }
        let sync_mode = if options.durable { SyncMode::Durable } else { SyncMode::UtterlyNoSync };
        let opened = Database::open_with_options(
            path,
            DatabaseOptions {
                max_readers: Some(READERS_MAX),
                page_size: Some(PageSize::Set(4_096)),
                exclusive: true,
                no_rdahead: true,
                no_meminit: true,
                liforeclaim: true,
                mode: Mode::ReadWrite(ReadWriteOptions {
                    sync_mode,
                    max_size: Some(SIZE_MAX),
                    growth_step: Some(GROWTH_STEP),
                    ..Default::default()
                }),
                ..Default::default()
            },
        );
        match opened {
            Ok(database) => Ok(Self(database)),
            Err(source) => Err(open_error(path, source)),
        }
    }

    pub(crate) fn read(&self) -> Result<Txn<'_, RO>, StoreError> {
        Ok(Txn(self.0.begin_ro_txn()?))
    }

    pub(crate) fn write(&self) -> Result<Txn<'_, RW>, StoreError> {
        Ok(Txn(self.0.begin_rw_txn()?))
    }
}

/// Says what is wrong with the directory: only damage may advise to delete it.
pub(crate) fn open_error(path: &Path, source: libmdbx::Error) -> StoreError {
    use libmdbx::Error as E;
    let path = path.to_path_buf();
    match source {
        // EAGAIN: the lock file is held.
        E::Busy | E::Other(11) => StoreError::InUse(path),
        E::Corrupted
        | E::Invalid
        | E::VersionMismatch
        | E::PageNotFound
        | E::WannaRecovery
        | E::Incompatible
        | E::NoData => StoreError::Corrupt { path, source },
        E::MapFull | E::UnableExtendMapsize | E::Other(28) => StoreError::Full,
        source => StoreError::Open { path, source },
    }
}

/// A transaction over the one B-tree that holds every table.
pub(crate) struct Txn<'db, K: TransactionKind>(Transaction<'db, K, WriteMap>);

impl<K: TransactionKind> Txn<'_, K> {
    pub(crate) fn get<V: Value>(&self, table: Table, key: &[u8]) -> Result<Option<V>, StoreError> {
        let tree = self.0.open_table(None)?;
        match self.0.get::<Cow<'_, [u8]>>(&tree, key)? {
            Some(bytes) => decode(table, key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// A cursor over all entries.
    pub(crate) fn cursor(&self) -> Result<Cursor<'_, K>, StoreError> {
        Ok(self.0.cursor(&self.0.open_table(None)?)?)
    }

    /// The first entry at or after `from` whose key begins with `prefix`.
    pub(crate) fn first_from<V: Value>(
        &self,
        table: Table,
        from: &[u8],
        prefix: &[u8],
    ) -> Result<Option<(Vec<u8>, V)>, StoreError> {
        let tree = self.0.open_table(None)?;
        let mut cursor: Cursor<'_, K> = self.0.cursor(&tree)?;
        match cursor.set_range::<Vec<u8>, Vec<u8>>(from)? {
            Some((key, bytes)) if key.starts_with(prefix) => {
                let value = decode(table, &key, &bytes)?;
                Ok(Some((key, value)))
            }
            _ => Ok(None),
        }
    }

    /// Every entry whose key begins with `prefix`, in order.
    pub(crate) fn all(&self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let tree = self.0.open_table(None)?;
        let mut cursor: Cursor<'_, K> = self.0.cursor(&tree)?;
        let mut entries = Vec::new();
        let mut next = cursor.set_range::<Vec<u8>, Vec<u8>>(prefix)?;
        while let Some((key, value)) = next {
            if !key.starts_with(prefix) {
                break;
            }
            entries.push((key, value));
            next = cursor.next::<Vec<u8>, Vec<u8>>()?;
        }
        Ok(entries)
    }
}

impl<'db, K: TransactionKind> Txn<'db, K> {
    /// A value as it lies in the file.
    pub(crate) fn bytes(&self, key: &[u8]) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        let tree = self.0.open_table(None)?;
        Ok(self.0.get::<Cow<'_, [u8]>>(&tree, key)?)
    }

    /// Every entry at or after `from` whose key begins with `prefix`, in order, values as they lie
    /// in the file.
    pub(crate) fn values_from(
        &self,
        from: &[u8],
        prefix: &[u8],
    ) -> Result<Vec<(Vec<u8>, Cow<'_, [u8]>)>, StoreError> {
        let tree = self.0.open_table(None)?;
        let mut cursor: Cursor<'_, K> = self.0.cursor(&tree)?;
        let mut entries = Vec::new();
        let mut next = cursor.set_range::<Vec<u8>, Cow<'_, [u8]>>(from)?;
        while let Some((key, value)) = next {
            if !key.starts_with(prefix) {
                break;
            }
            entries.push((key, value));
            next = cursor.next()?;
        }
        Ok(entries)
    }

    /// Visits the last entry before `from`, if its key begins with `prefix`, and every one at or
    /// after `from` that does, in order, until `visit` returns false.
    pub(crate) fn scan_from_before(
        &self,
        from: &[u8],
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        type Found<'t> = Option<(Cow<'t, [u8]>, Cow<'t, [u8]>)>;
        let tree = self.0.open_table(None)?;
        let mut cursor: Cursor<'_, K> = self.0.cursor(&tree)?;
        let at: Found<'_> = cursor.set_range(from)?;
        let before: Found<'_> = if at.is_some() { cursor.prev()? } else { cursor.last()? };
        let mut next = match before {
            Some(entry) if entry.0.starts_with(prefix) => Some(entry),
            _ => cursor.set_range(from)?,
        };
        while let Some((key, value)) = next {
            if !key.starts_with(prefix) || !visit(&key, &value)? {
                break;
            }
            next = cursor.next()?;
        }
        Ok(())
    }
}

impl Txn<'_, RW> {
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let tree = self.0.open_table(None)?;
        Ok(self.0.put(&tree, key, value, WriteFlags::UPSERT)?)
    }

    /// Writes entries whose keys come in order, faster than one by one.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        Ok(Writer(self.cursor()?))
    }

    pub(crate) fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        let tree = self.0.open_table(None)?;
        self.0.del(&tree, key, None)?;
        Ok(())
    }

    /// Durable once this returns.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        self.0.commit()?;
        Ok(())
    }
}

/// Stays where it wrote last: an entry that belongs into the same page is put there without a search.
pub(crate) struct Writer<'t>(Cursor<'t, RW>);

impl Writer<'_> {
    pub(crate) fn get<V: Value>(
        &mut self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<V>, StoreError> {
        match self.0.set::<Cow<'_, [u8]>>(key)? {
            Some(bytes) => decode(table, key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        Ok(self.0.put(key, value, WriteFlags::UPSERT)?)
    }

    /// Puts a value, or removes what is there.
    pub(crate) fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        match value {
            Some(value) => self.put(key, value),
            None => self.delete(key),
        }
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        if self.0.set::<()>(key)?.is_some() {
            self.0.del(WriteFlags::CURRENT)?;
        }
        Ok(())
    }
}
