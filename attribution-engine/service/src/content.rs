//! The content store: Datanet documents on disk, by the hash of their normalised bytes. A document
//! enters only if it is what a contribution committed to on chain, and leaves only if it still hashes to
//! its name, so neither a wrong upload nor a damaged disk can change what is attributed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{B256, keccak256};
use scores::{
    ContributionId, ScoresError,
    document::{Document, DocumentCommitment},
};

use crate::{
    batches::{is_at, items},
    chain::{Contribution, Place},
};

/// Why a document is refused or missing.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("no document with content hash {0} is stored")]
    NotFound(B256),
    #[error("the stored document {expected} is damaged: its bytes hash to {found}")]
    Damaged { expected: B256, found: B256 },
    #[error("wrong document for contribution {contribution}: {mismatch}")]
    WrongDocument { contribution: ContributionId, mismatch: Mismatch },
    #[error("the documents of batch {contribution} are not those that it committed to")]
    WrongBatch { contribution: ContributionId },
    #[error("document {index} of batch {contribution} does not lie there by its path")]
    WrongPlace { contribution: ContributionId, index: u32 },
    #[error("document {index} of the batch {batch} is not stored")]
    Incomplete { batch: B256, index: u32 },
    #[error("the stored list {path} is damaged: {source}")]
    List { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Invalid(#[from] ScoresError),
}

/// The first way in which a document is not what was committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("its content hash is {found}, on chain is {expected}")]
    ContentHash { expected: B256, found: B256 },
    #[error("its length is {found} bytes, on chain are {expected}")]
    ByteLength { expected: u32, found: u32 },
    #[error("it has {found} chunks, on chain are {expected}")]
    ChunkCount { expected: u32, found: u32 },
    #[error("its chunk root is {found}, on chain is {expected}")]
    ChunkRoot { expected: B256, found: B256 },
    #[error("its sketch hash is {found}, on chain is {expected}")]
    SketchHash { expected: B256, found: B256 },
}

/// Result of the content store.
pub type Result<T, E = ContentError> = std::result::Result<T, E>;

/// Checks a document against what its contribution committed to.
pub fn verify(contribution: &Contribution, document: &Document) -> Result<()> {
    let expected = &contribution.commitment;
    let found = DocumentCommitment::of(document)?;
    let mismatch = if found.content_hash != expected.content_hash {
        Mismatch::ContentHash { expected: expected.content_hash, found: found.content_hash }
    } else if found.byte_length != expected.byte_length {
        Mismatch::ByteLength { expected: expected.byte_length, found: found.byte_length }
    } else if found.chunk_count != expected.chunk_count {
        Mismatch::ChunkCount { expected: expected.chunk_count, found: found.chunk_count }
    } else if found.chunk_root != expected.chunk_root {
        Mismatch::ChunkRoot { expected: expected.chunk_root, found: found.chunk_root }
    } else if found.sketch_hash != expected.sketch_hash {
        Mismatch::SketchHash { expected: expected.sketch_hash, found: found.sketch_hash }
    } else {
        return Ok(());
    };
    Err(ContentError::WrongDocument { contribution: contribution.id, mismatch })
}

/// Documents in a directory: `ab/abcd….txt` by the hex of the content hash.
#[derive(Debug)]
pub struct ContentStore {
    directory: PathBuf,
    /// Makes names of temporary files unique within the process.
    writes: AtomicU64,
}

impl ContentStore {
    /// Opens the store, creating its directory if it is absent.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(io(&directory))?;
        Ok(Self { directory, writes: AtomicU64::new(0) })
    }

    /// Stores an upload for `contribution` if it is the document that was committed to. Storing it again
    /// changes nothing.
    pub fn accept(&self, contribution: &Contribution, upload: &[u8]) -> Result<Document> {
        let document = Document::normalise(upload)?;
        verify(contribution, &document)?;
        self.write(contribution.commitment.content_hash, document.text())?;
        Ok(document)
    }

    /// Stores one document of a batch, which its path must lead to the batch's root. Storing it again changes nothing.
    pub fn accept_of_batch(
        &self,
        batch: &Contribution,
        place: &Place,
        upload: &[u8],
    ) -> Result<DocumentCommitment> {
        let document = Document::normalise(upload)?;
        let commitment = DocumentCommitment::of(&document)?;
        if !is_at(batch, place, &commitment) {
            let Place { index, .. } = *place;
            return Err(ContentError::WrongPlace { contribution: batch.id, index });
        }
        self.write(commitment.content_hash, document.text())?;
        let path = self.places(batch.commitment.content_hash).join(format!("{}.json", place.index));
        self.write_list(&path, std::slice::from_ref(&commitment))?;
        Ok(commitment)
    }

    /// Stores all documents of a batch, in order.
    pub fn accept_batch(
        &self,
        batch: &Contribution,
        uploads: &[impl AsRef<[u8]>],
    ) -> Result<Vec<DocumentCommitment>> {
        let documents = uploads
            .iter()
            .map(|upload| Document::normalise(upload.as_ref()))
            .collect::<Result<Vec<_>, ScoresError>>()?;
        let list = documents
            .iter()
            .map(DocumentCommitment::of)
            .collect::<Result<Vec<_>, ScoresError>>()?;
        items(batch, &list)?;
        for (document, commitment) in documents.iter().zip(&list) {
            self.write(commitment.content_hash, document.text())?;
        }
        self.write_list(&self.list(batch.commitment.content_hash), &list)?;
        Ok(list)
    }

    /// What the documents of a batch are, in order, once all are here.
    pub fn list_of(&self, batch: B256) -> Result<Vec<DocumentCommitment>> {
        let whole = self.list(batch);
        if let Some(list) = self.read_list(&whole)? {
            return Ok(list);
        }
        let directory = self.places(batch);
        if !directory.is_dir() {
            return Err(ContentError::NotFound(batch));
        }
        let mut list = Vec::new();
        while let Some(one) = self.read_list(&directory.join(format!("{}.json", list.len())))? {
            list.extend(one);
        }
        if list.is_empty() || DocumentCommitment::of_batch(&list)?.content_hash != batch {
            let index = u32::try_from(list.len()).unwrap_or(u32::MAX);
            return Err(ContentError::Incomplete { batch, index });
        }
        self.write_list(&whole, &list)?;
        Ok(list)
    }

    fn list(&self, batch: B256) -> PathBuf {
        self.directory.join("batches").join(format!("{batch:x}.json"))
    }

    fn places(&self, batch: B256) -> PathBuf {
        self.directory.join("batches").join(format!("{batch:x}"))
    }

    fn read_list(&self, path: &Path) -> Result<Option<Vec<DocumentCommitment>>> {
        match fs::read(path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|source| ContentError::List { path: path.to_owned(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ContentError::Io { path: path.to_owned(), source }),
        }
    }

    fn write_list(&self, path: &Path, list: &[DocumentCommitment]) -> Result<()> {
        let list = serde_json::to_vec(list)
            .map_err(|source| ContentError::List { path: path.to_owned(), source })?;
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        write_atomically(path, &list, &format!("{}-{write}", std::process::id())).map_err(io(path))
    }

    /// A document by its content hash.
    pub fn get(&self, content_hash: B256) -> Result<Document> {
        let path = self.path(content_hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContentError::NotFound(content_hash));
            }
            Err(source) => return Err(ContentError::Io { path, source }),
        };
        let found = keccak256(&bytes);
        if found != content_hash {
            return Err(ContentError::Damaged { expected: content_hash, found });
        }
        Ok(Document::normalise(&bytes)?)
    }

    /// The document of a contribution, checked entirely.
    pub fn document_of(&self, contribution: &Contribution) -> Result<Document> {
        let document = self.get(contribution.commitment.content_hash)?;
        verify(contribution, &document)?;
        Ok(document)
    }

    pub fn contains(&self, content_hash: B256) -> bool {
        self.path(content_hash).is_file()
    }

    fn path(&self, content_hash: B256) -> PathBuf {
        let name = format!("{content_hash:x}");
        let shard = name.get(..2).unwrap_or_default();
        self.directory.join(shard).join(format!("{name}.txt"))
    }

    fn write(&self, content_hash: B256, text: &str) -> Result<()> {
        let path = self.path(content_hash);
        if self.get(content_hash).is_ok() {
            return Ok(());
        }
        let write = self.writes.fetch_add(1, Ordering::Relaxed);
        write_atomically(&path, text.as_bytes(), &format!("{}-{write}", std::process::id()))
            .map_err(io(&path))
    }
}

/// Writes a file so that a crash leaves the old one or the new one, and the new one lasts. `unique` keeps
/// concurrent writers of one file apart.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8], unique: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension(format!("{unique}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> ContentError {
    let path = path.to_owned();
    move |source| ContentError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use scores::{DatanetId, Sequence};

    use super::*;

    fn contribution(text: &str) -> Contribution {
        let document = Document::normalise(text.as_bytes()).unwrap();
        Contribution {
            id: ContributionId(1),
            datanet: DatanetId(1),
            contributor: Address::ZERO,
            sequence: Sequence(1),
            commitment: DocumentCommitment::of(&document).unwrap(),
            place: None,
        }
    }

    #[test]
    fn an_upload_is_stored_under_its_normal_form() {
        let directory = tempfile::tempdir().unwrap();
        let store = ContentStore::open(directory.path()).unwrap();
        let contribution = contribution("one line\nanother\n");
        let hash = contribution.commitment.content_hash;
        assert!(matches!(store.get(hash), Err(ContentError::NotFound(_))));
        store.accept(&contribution, b"one line  \r\nanother").unwrap();
        store.accept(&contribution, b"one line\nanother\n").unwrap();
        let again = ContentStore::open(directory.path()).unwrap();
        assert_eq!(again.document_of(&contribution).unwrap().text(), "one line\nanother\n");
    }

    #[test]
    fn a_wrong_document_is_refused_with_the_field_that_differs() {
        #[track_caller]
        fn check(change: fn(&mut DocumentCommitment), expected: fn(&Mismatch) -> bool) {
            let directory = tempfile::tempdir().unwrap();
            let store = ContentStore::open(directory.path()).unwrap();
            let mut contribution = contribution("some words of text");
            change(&mut contribution.commitment);
            let error = store.accept(&contribution, b"some words of text").unwrap_err();
            let ContentError::WrongDocument { mismatch, .. } = &error else { panic!("{error}") };
            assert!(expected(mismatch), "{error}");
            assert!(!store.contains(contribution.commitment.content_hash));
        }
        check(|c| c.content_hash = B256::ZERO, |m| matches!(m, Mismatch::ContentHash { .. }));
        check(|c| c.byte_length += 1, |m| matches!(m, Mismatch::ByteLength { .. }));
        check(|c| c.chunk_count += 1, |m| matches!(m, Mismatch::ChunkCount { .. }));
        check(|c| c.chunk_root = B256::ZERO, |m| matches!(m, Mismatch::ChunkRoot { .. }));
        check(|c| c.sketch_hash = B256::ZERO, |m| matches!(m, Mismatch::SketchHash { .. }));
    }

    #[test]
    fn a_damaged_file_is_noticed_and_mended_by_a_new_upload() {
        let directory = tempfile::tempdir().unwrap();
        let store = ContentStore::open(directory.path()).unwrap();
        let contribution = contribution("some words of text");
        store.accept(&contribution, b"some words of text").unwrap();
        let path = store.path(contribution.commitment.content_hash);
        fs::write(&path, "other words").unwrap();
        let error = store.document_of(&contribution).unwrap_err();
        assert!(matches!(error, ContentError::Damaged { .. }), "{error}");
        store.accept(&contribution, b"some words of text").unwrap();
        assert!(store.document_of(&contribution).is_ok());
    }
}
