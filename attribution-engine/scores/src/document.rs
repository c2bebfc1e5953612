//! Documents as the registry commits to them: normalised bytes, chunks, and the hashes over both.
//!
//! Normalisation, version 1 (the version is part of the engine spec): byte-order marks are dropped;
//! CR LF and lone CR become LF; spaces and tabs before a line's end are dropped; empty lines
//! at both ends are dropped; the text ends with exactly one LF. Unicode composition is left alone on
//! purpose: its tables change with Unicode's version, and a copy that only recomposes its characters
//! is the sketch's and the tokens' business.
//!
//! A chunk is at most [`CHUNK_BYTES_MAX`] bytes; concatenated, chunks are the document. They are
//! packed greedily from whole lines; a line that is too long is cut after a sentence, else after a
//! space, else between two characters.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, ScoresError},
    merkle,
    sketch::Sketch,
};

/// Version of the normalisation and chunking rules.
pub const NORMALISATION_VERSION: u16 = 1;
/// Longest chunk, bytes.
pub const CHUNK_BYTES_MAX: usize = 1_024;
/// Longest document after normalisation, bytes.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// A document's normalised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: String,
}

impl Document {
    /// Normalises `bytes`, which must be UTF-8 and hold something besides white space.
    pub fn normalise(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| ScoresError::NotUtf8 {
            valid_up_to: u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX),
        })?;
        let unix = text.replace('\u{feff}', "").replace("\r\n", "\n").replace('\r', "\n");
        let mut normal = String::with_capacity(unix.len());
        let mut empty_lines: usize = 0;
        for line in unix.split('\n') {
            let line = line.trim_end_matches([' ', '\t']);
            if line.is_empty() {
                empty_lines = empty_lines.saturating_add(1);
                continue;
            }
            if !normal.is_empty() {
                normal.extend(std::iter::repeat_n('\n', empty_lines));
            }
            empty_lines = 0;
            normal.push_str(line);
            normal.push('\n');
        }
        if normal.is_empty() {
            return Err(ScoresError::EmptyDocument);
        }
        if normal.len() > DOCUMENT_BYTES_MAX {
            return Err(ScoresError::DocumentTooLarge {
                bytes: u64::try_from(normal.len()).unwrap_or(u64::MAX),
                max: u64::try_from(DOCUMENT_BYTES_MAX).unwrap_or(u64::MAX),
            });
        }
        Ok(Self { text: normal })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// The chunks in order.
    pub fn chunks(&self) -> Vec<&str> {
        chunks(&self.text)
    }
}

/// What a contributor commits to and reveals about a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentCommitment {
    /// keccak256 of the normalised bytes.
    pub content_hash: B256,
    /// Merkle root over the chunks.
    pub chunk_root: B256,
    pub chunk_count: u32,
    /// Length of the normalised bytes.
    pub byte_length: u32,
    /// keccak256 of the MinHash sketch.
    pub sketch_hash: B256,
}

/// First word of what a batch's content hash hashes: `keccak256` of this.
const BATCH_TAG: &str = "OpenLedger batch of documents, version 1";

impl DocumentCommitment {
    /// The document's item in the tree of its batch.
    pub fn item(&self) -> B256 {
        keccak256(
            (
                self.content_hash,
                self.chunk_root,
                U256::from(self.chunk_count),
                U256::from(self.byte_length),
                self.sketch_hash,
            )
                .abi_encode(),
        )
    }

    /// What a contributor of many documents reveals about all of them. A batch has no sketch: its content hash stands for
    /// one, so that nobody can show that the batch is near anything.
    pub fn of_batch(documents: &[Self]) -> Result<Self> {
        let overflow = || ScoresError::Overflow { what: "lengths of a batch" };
        let chunk_root = merkle::root_of(documents.iter().map(Self::item))?;
        let chunk_count = u32::try_from(documents.len()).map_err(|_| overflow())?;
        let length = documents.iter().try_fold(0_u32, |sum, one| sum.checked_add(one.byte_length));
        let content_hash = batch_hash(chunk_root, chunk_count);
        Ok(Self {
            content_hash,
            chunk_root,
            chunk_count,
            byte_length: length.ok_or_else(overflow)?,
            sketch_hash: content_hash,
        })
    }

    /// Whether this is a batch's: its content hash says so.
    pub fn is_batch(&self) -> bool {
        self.content_hash == batch_hash(self.chunk_root, self.chunk_count)
    }

    pub fn of(document: &Document) -> Result<Self> {
        let chunks = document.chunks();
        let too_large = |_| ScoresError::Overflow { what: "document lengths" };
        Ok(Self {
            content_hash: keccak256(document.text()),
            chunk_root: merkle::root_of(&chunks)?,
            chunk_count: u32::try_from(chunks.len()).map_err(too_large)?,
            byte_length: u32::try_from(document.text().len()).map_err(too_large)?,
            sketch_hash: Sketch::of(document.text()).hash(),
        })
    }
}

fn batch_hash(documents_root: B256, documents: u32) -> B256 {
    keccak256((keccak256(BATCH_TAG), documents_root, U256::from(documents)).abi_encode())
}

/// Cuts normalised text into chunks; see the module's rules.
pub fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(chunk_length(rest));
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

/// Length of the first chunk of `text`: everything that fits if that is all, else up to the last line
/// end, sentence end, space or character that fits.
fn chunk_length(text: &str) -> usize {
    if text.len() <= CHUNK_BYTES_MAX {
        return text.len();
    }
    let fits = text.floor_char_boundary(CHUNK_BYTES_MAX);
    let window = text.get(..fits).unwrap_or(text);
    let after = |at: usize, width: usize| at.saturating_add(width);
    let cut = window
        .rfind('\n')
        .map(|at| after(at, 1))
        .or_else(|| {
            [". ", "! ", "? "]
                .iter()
                .filter_map(|end| window.rfind(end))
                .max()
                .map(|at| after(at, 2))
        })
        .or_else(|| window.rfind(' ').map(|at| after(at, 1)));
    cut.unwrap_or(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_normal(input: &str, expected: &str) {
        assert_eq!(Document::normalise(input.as_bytes()).unwrap().text(), expected);
    }

    #[test]
    fn what_only_differs_in_line_ends_and_margins_is_the_same_document() {
        check_normal("a\r\nb\rc", "a\nb\nc\n");
        check_normal("\u{feff}a  \n\tb\t \n", "a\n\tb\n");
        check_normal("\n \n\na\n\n\nb\n\n\n", "a\n\n\nb\n");
        check_normal("a", "a\n");
    }

    #[test]
    fn what_is_no_document_says_why() {
        let error = |bytes: &[u8]| Document::normalise(bytes).unwrap_err();
        assert_eq!(error(b" \r\n\t"), ScoresError::EmptyDocument);
        assert_eq!(error(b"ab\xff"), ScoresError::NotUtf8 { valid_up_to: 2 });
        assert!(matches!(
            error(&vec![b'a'; DOCUMENT_BYTES_MAX]),
            ScoresError::DocumentTooLarge { .. }
        ));
    }

    #[test]
    fn chunks_end_at_lines_then_sentences_then_words_then_characters() {
        let lines = "x".repeat(600) + "\n" + &"y".repeat(600) + "\n";
        assert_eq!(chunks(&lines)[0].len(), 601);
        let sentences = "word ".repeat(100) + "end. " + &"word ".repeat(200);
        assert!(chunks(&sentences)[0].ends_with("end. "));
        let words = "word ".repeat(300);
        assert_eq!(chunks(&words)[0].len(), 1_020);
        let characters = "é".repeat(1_000);
        assert_eq!(chunks(&characters)[0].len(), 1_024);
        let odd = format!("a{characters}");
        assert_eq!(chunks(&odd)[0].len(), 1_023);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(input in "[ab \t\r\n\u{feff}é.]{0,200}") {
            if let Ok(document) = Document::normalise(input.as_bytes()) {
                prop_assert_eq!(Document::normalise(document.text().as_bytes()).unwrap(), document);
            }
        }

        #[test]
        fn chunks_are_the_document_and_fit(input in "([a-zé語]{1,40}[ .\n!]{0,2}){1,200}") {
            let Ok(document) = Document::normalise(input.as_bytes()) else { return Ok(()) };
            let chunks = document.chunks();
            prop_assert_eq!(chunks.concat(), document.text());
            prop_assert!(chunks.iter().all(|c| !c.is_empty() && c.len() <= CHUNK_BYTES_MAX));
            let commitment = DocumentCommitment::of(&document).unwrap();
            prop_assert_eq!(commitment.chunk_count as usize, chunks.len());
        }
    }
}
