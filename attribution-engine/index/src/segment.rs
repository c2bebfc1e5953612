//! A segment: documents, their tokens and the suffix array over them, immutable, in a file that is
//! mapped or in memory. The bytes are specified in `docs/formats/index.md`; everything a search relies
//! on is checked when a segment is opened, so that searching needs no error paths.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::Range,
    path::Path,
};

use libsais::SuffixArrayConstruction;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::{
    SENTINEL,
    error::{IndexError, Result},
    index::Document,
};

#[cfg(target_endian = "big")]
compile_error!("segments are mapped as little-endian integers; this target is big-endian");

/// First bytes of a segment file.
pub(crate) const MAGIC: [u8; 8] = *b"OLSPANS\0";
/// Version of the format.
pub(crate) const VERSION: u32 = 1;
/// Most tokens (with separators) of one segment.
pub(crate) const SEGMENT_TOKENS_MAX: usize = 1 << 30;

const HEADER_BYTES: usize = 64;
/// The part of the header that the checksum covers.
const HEADER_CHECKED_BYTES: usize = 32;
const SECTION_ALIGNMENT: usize = 64;
const DOCUMENT_BYTES: usize = 24;
const UNIGRAM_BYTES: usize = 8;

/// A document's place in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DocumentEntry {
    pub(crate) contribution: u64,
    pub(crate) sequence: u64,
    /// Position of its first token in the segment.
    pub(crate) start: u32,
    /// Tokens, without the separator.
    pub(crate) length: u32,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    bytes: Bytes,
    layout: Layout,
    documents: Vec<DocumentEntry>,
    unigrams: Vec<(u16, u32)>,
    /// Suffixes that start with token t are `buckets[t]..buckets[t + 1]` of the suffix array.
    buckets: Vec<u32>,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    /// As 64-bit words, which aligns it for every section.
    Owned(Vec<u64>, usize),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(words, length) => {
                // SAFETY: any initialised u64 is eight initialised bytes, u8 has no alignment, and
                // `length` is at most the words' size in bytes (set in `SegmentBuilder::in_memory`).
                unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), *length) }
            }
        }
    }
}

/// Where the sections are, in bytes from the start of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    document_count: usize,
    token_count: usize,
    unigram_count: usize,
    documents: usize,
    unigrams: usize,
    tokens: usize,
    suffixes: usize,
    end: usize,
}

impl Layout {
    /// `None` if the sizes do not fit the address space.
    fn new(document_count: usize, token_count: usize, unigram_count: usize) -> Option<Self> {
        let after = |start: usize, count: usize, width: usize| {
            count
                .checked_mul(width)
                .and_then(|bytes| bytes.checked_add(start))
                .and_then(|end| end.checked_next_multiple_of(SECTION_ALIGNMENT))
        };
        let documents = HEADER_BYTES;
        let unigrams = after(documents, document_count, DOCUMENT_BYTES)?;
        let tokens = after(unigrams, unigram_count, UNIGRAM_BYTES)?;
        let suffixes = after(tokens, token_count, size_of::<u16>())?;
        let end = after(suffixes, token_count, size_of::<u32>())?;
        Some(Self {
            document_count,
            token_count,
            unigram_count,
            documents,
            unigrams,
            tokens,
            suffixes,
            end,
        })
    }
}

impl Segment {
    /// Maps a segment file and checks it entirely.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(IndexError::io(path))?;
        // SAFETY: segment files are never written after they get their name (they are built under a
        // temporary name and renamed), and the index directory is locked against other processes of
        // ours; somebody who truncates a mapped file from outside stops the process, which is the
        // documented risk of mapping.
        let map = unsafe { Mmap::map(&file) }.map_err(IndexError::io(path))?;
        Self::check(Bytes::Mapped(map), path)
    }

    fn check(bytes: Bytes, path: &Path) -> Result<Self> {
        let data = bytes.as_slice();
        let inconsistent = |what| IndexError::Inconsistent { path: path.to_owned(), what };
        if data.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(IndexError::NotASegment { path: path.to_owned() });
        }
        let length = |expected: u64| IndexError::Length {
            path: path.to_owned(),
            found: data.len() as u64,
            expected,
        };
        if data.len() < HEADER_BYTES {
            return Err(length(HEADER_BYTES as u64));
        }
        let version = read_u32(data, 8);
        if version != VERSION {
            return Err(IndexError::Version {
                path: path.to_owned(),
                found: version,
                supported: VERSION,
            });
        }
        let token_count = read_u64(data, 16);
        if token_count > SEGMENT_TOKENS_MAX as u64 {
            return Err(inconsistent("more tokens than a segment may hold"));
        }
        let layout = Layout::new(
            read_u32(data, 12) as usize,
            token_count as usize,
            read_u32(data, 24) as usize,
        )
        .ok_or_else(|| inconsistent("sizes overflow"))?;
        if data.len() != layout.end {
            return Err(length(layout.end as u64));
        }
        let mut hasher = Sha256::new();
        hasher.update(&data[..HEADER_CHECKED_BYTES]);
        hasher.update(&data[HEADER_BYTES..]);
        let checksum: [u8; 32] = hasher.finalize().into();
        if checksum != data[HEADER_CHECKED_BYTES..HEADER_BYTES] {
            return Err(IndexError::Checksum { path: path.to_owned() });
        }
        let documents = read_documents(data, &layout);
        let unigrams = read_unigrams(data, &layout).ok_or_else(|| inconsistent("token counts"))?;
        let buckets = buckets(&unigrams).ok_or_else(|| inconsistent("token counts overflow"))?;
        let segment = Self { layout, documents, unigrams, buckets, bytes };
        segment.check_consistency().map_err(inconsistent)?;
        Ok(segment)
    }

    /// INVARIANT: after this, every suffix is a position in the tokens, documents tile the tokens with
    /// one separator after each and ascend by (sequence, contribution), and buckets add up.
    fn check_consistency(&self) -> Result<(), &'static str> {
        let (tokens, token_count) = (self.tokens(), self.layout.token_count);
        let mut next = 0_u64;
        for document in &self.documents {
            let end = u64::from(document.start) + u64::from(document.length);
            if u64::from(document.start) != next || document.length == 0 {
                return Err("documents do not tile the tokens");
            }
            if tokens.get(end as usize) != Some(&SENTINEL) {
                return Err("a document is not followed by the separator");
            }
            next = end + 1;
        }
        if next != token_count as u64 {
            return Err("documents do not tile the tokens");
        }
        if !self.documents.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])) {
            return Err("documents are not in commitment order");
        }
        if self.buckets.last().copied().map(u64::from) != Some(token_count as u64) {
            return Err("token counts do not sum to the number of tokens");
        }
        if self.suffixes().iter().any(|suffix| *suffix as usize >= token_count) {
            return Err("a suffix lies outside the tokens");
        }
        Ok(())
    }

    pub(crate) fn documents(&self) -> &[DocumentEntry] {
        &self.documents
    }

    /// Distinct tokens with their counts, separators included.
    pub(crate) fn unigrams(&self) -> &[(u16, u32)] {
        &self.unigrams
    }

    /// Tokens with separators.
    pub(crate) const fn token_count(&self) -> usize {
        self.layout.token_count
    }

    pub(crate) fn byte_length(&self) -> u64 {
        self.bytes.as_slice().len() as u64
    }

    pub(crate) fn tokens(&self) -> &[u16] {
        let section = &self.bytes.as_slice()[self.layout.tokens..];
        // SAFETY: the section starts 64-byte aligned in a buffer aligned to at least 8 and is
        // `token_count` u16 long (`Layout` is checked against the length); every bit pattern is a u16.
        unsafe { std::slice::from_raw_parts(section.as_ptr().cast(), self.layout.token_count) }
    }

    pub(crate) fn suffixes(&self) -> &[u32] {
        let section = &self.bytes.as_slice()[self.layout.suffixes..];
        // SAFETY: as in `tokens`, with u32.
        unsafe { std::slice::from_raw_parts(section.as_ptr().cast(), self.layout.token_count) }
    }

    pub(crate) fn document_tokens(&self, document: usize) -> &[u16] {
        let entry = self.documents[document];
        &self.tokens()[entry.start as usize..][..entry.length as usize]
    }

    /// The suffixes that start with `token`.
    pub(crate) fn bucket(&self, token: u16) -> Range<u32> {
        self.buckets[usize::from(token)]..self.buckets[usize::from(token) + 1]
    }

    /// The document that holds a position of the tokens.
    pub(crate) fn document_at(&self, position: u32) -> usize {
        self.documents.partition_point(|document| document.start <= position) - 1
    }
}

pub(crate) const fn order(document: &DocumentEntry) -> (u64, u64) {
    (document.sequence, document.contribution)
}

/// A segment being made.
pub(crate) struct SegmentBuilder {
    documents: Vec<DocumentEntry>,
    unigrams: Vec<(u16, u32)>,
    tokens: Vec<u16>,
    suffixes: Vec<i32>,
    layout: Layout,
}

impl SegmentBuilder {
    /// Sorts the suffixes of `documents`, which are put in commitment order first.
    pub(crate) fn new(documents: &mut [&Document]) -> Result<Self> {
        documents.sort_by_key(|document| (document.sequence, document.contribution));
        let token_count: usize = documents.iter().map(|document| document.tokens.len() + 1).sum();
        let mut tokens = Vec::with_capacity(token_count);
        let mut entries = Vec::with_capacity(documents.len());
        for document in documents.iter() {
            entries.push(DocumentEntry {
                contribution: document.contribution.0,
                sequence: document.sequence.0,
                start: tokens.len() as u32,
                length: document.tokens.len() as u32,
            });
            tokens.extend_from_slice(&document.tokens);
            tokens.push(SENTINEL);
        }
        let suffixes = SuffixArrayConstruction::for_text(&tokens)
            .in_owned_buffer32()
            .single_threaded()
            .run()
            .map_err(|error| IndexError::SuffixArray(format!("{error:?}")))?
            .into_vec();
        let mut counts = vec![0_u32; usize::from(u16::MAX) + 1];
        for token in &tokens {
            counts[usize::from(*token)] += 1;
        }
        let unigrams: Vec<(u16, u32)> =
            (0..=u16::MAX).zip(counts).filter(|(_, count)| *count > 0).collect();
        let layout = Layout::new(entries.len(), token_count, unigrams.len())
            .ok_or_else(|| IndexError::SuffixArray("sizes overflow".into()))?;
        Ok(Self { documents: entries, unigrams, tokens, suffixes, layout })
    }

    /// The segment without a file.
    pub(crate) fn in_memory(&self) -> Result<Segment> {
        let length = self.layout.end;
        let mut words = vec![0_u64; length.div_ceil(size_of::<u64>())];
        {
            // SAFETY: as in `Bytes::as_slice`; `words` is borrowed mutably for the slice's life and any
            // byte pattern is a valid u64.
            let mut bytes =
                unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), length) };
            self.write(&mut bytes).map_err(IndexError::io("memory"))?;
        }
        Segment::check(Bytes::Owned(words, length), Path::new("memory"))
    }

    /// Writes the segment to a new file and makes it durable.
    pub(crate) fn write_file(&self, path: &Path) -> Result<()> {
        let file = File::create(path).map_err(IndexError::io(path))?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        self.write(&mut writer).map_err(IndexError::io(path))?;
        let file = writer.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all()).map_err(IndexError::io(path))
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut header = [0_u8; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..16].copy_from_slice(&(self.documents.len() as u32).to_le_bytes());
        header[16..24].copy_from_slice(&(self.tokens.len() as u64).to_le_bytes());
        header[24..28].copy_from_slice(&(self.unigrams.len() as u32).to_le_bytes());
        let mut hasher = HashWriter(Sha256::new());
        hasher.write_all(&header[..HEADER_CHECKED_BYTES])?;
        self.write_body(&mut hasher)?;
        let checksum: [u8; 32] = hasher.0.finalize().into();
        header[HEADER_CHECKED_BYTES..].copy_from_slice(&checksum);
        out.write_all(&header)?;
        self.write_body(out)
    }

    fn write_body(&self, out: &mut impl Write) -> io::Result<()> {
        let layout = &self.layout;
        for document in &self.documents {
            out.write_all(&document.contribution.to_le_bytes())?;
            out.write_all(&document.sequence.to_le_bytes())?;
            out.write_all(&document.start.to_le_bytes())?;
            out.write_all(&document.length.to_le_bytes())?;
        }
        pad(out, layout.documents + self.documents.len() * DOCUMENT_BYTES, layout.unigrams)?;
        for (token, count) in &self.unigrams {
            out.write_all(&u32::from(*token).to_le_bytes())?;
            out.write_all(&count.to_le_bytes())?;
        }
        pad(out, layout.unigrams + self.unigrams.len() * UNIGRAM_BYTES, layout.tokens)?;
        let mut buffer = Vec::with_capacity(1 << 16);
        for tokens in self.tokens.chunks(1 << 15) {
            buffer.clear();
            buffer.extend(tokens.iter().flat_map(|token| token.to_le_bytes()));
            out.write_all(&buffer)?;
        }
        pad(out, layout.tokens + self.tokens.len() * size_of::<u16>(), layout.suffixes)?;
        for suffixes in self.suffixes.chunks(1 << 14) {
            buffer.clear();
            buffer.extend(suffixes.iter().flat_map(|suffix| suffix.to_le_bytes()));
            out.write_all(&buffer)?;
        }
        pad(out, layout.suffixes + self.suffixes.len() * size_of::<u32>(), layout.end)
    }
}

struct HashWriter(Sha256);

impl Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pad(out: &mut impl Write, from: usize, to: usize) -> io::Result<()> {
    out.write_all(&[0; SECTION_ALIGNMENT][..to - from])
}

fn read_documents(data: &[u8], layout: &Layout) -> Vec<DocumentEntry> {
    (0..layout.document_count)
        .map(|i| layout.documents + i * DOCUMENT_BYTES)
        .map(|at| DocumentEntry {
            contribution: read_u64(data, at),
            sequence: read_u64(data, at + 8),
            start: read_u32(data, at + 16),
            length: read_u32(data, at + 20),
        })
        .collect()
}

/// `None` unless tokens ascend and fit 16 bits.
fn read_unigrams(data: &[u8], layout: &Layout) -> Option<Vec<(u16, u32)>> {
    let unigrams = (0..layout.unigram_count)
        .map(|i| layout.unigrams + i * UNIGRAM_BYTES)
        .map(|at| Some((u16::try_from(read_u32(data, at)).ok()?, read_u32(data, at + 4))))
        .collect::<Option<Vec<_>>>()?;
    unigrams.windows(2).all(|pair| pair[0].0 < pair[1].0).then_some(unigrams)
}

fn buckets(unigrams: &[(u16, u32)]) -> Option<Vec<u32>> {
    let mut buckets = vec![0_u32; usize::from(u16::MAX) + 2];
    for (token, count) in unigrams {
        buckets[usize::from(*token) + 1] = *count;
    }
    let mut sum = 0_u32;
    for bucket in &mut buckets {
        sum = sum.checked_add(*bucket)?;
        *bucket = sum;
    }
    Some(buckets)
}

fn read_u32(data: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&data[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn read_u64(data: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&data[at..at + 8]);
    u64::from_le_bytes(bytes)
}
