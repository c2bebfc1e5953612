//! The index: segments in a directory, appended to and merged, searched as one.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use scores::{
    ContributionId, Sequence,
    credit::{DocumentTokens, Gram},
    surprise::UnigramCounts,
};
use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use crate::{
    SENTINEL,
    error::{IndexError, Result},
    search,
    segment::{SEGMENT_TOKENS_MAX, Segment, SegmentBuilder, order},
};

/// `append` itself merges segments up to this many tokens; larger merges wait for [`Index::maintain`].
const APPEND_MERGE_TOKENS_MAX: usize = 1 << 20;
const MANIFEST: &str = "MANIFEST";
const LOCK: &str = "LOCK";
const MANIFEST_VERSION: u32 = 1;

/// A document to index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub contribution: ContributionId,
    /// Position of its commitment; earlier documents are listed first.
    pub sequence: Sequence,
    pub tokens: Vec<u16>,
}

/// Where a match stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    pub sequence: Sequence,
    pub contribution: ContributionId,
    /// First token of the (first) match in the document.
    pub offset: u32,
}

/// A run of answer tokens that stands in the corpus and cannot be extended either way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// First answer token.
    pub start: u32,
    pub length: u32,
    /// How often it stands in the corpus.
    pub count: u64,
    /// The earliest-committed documents that hold it.
    pub occurrences: Vec<Occurrence>,
}

/// What [`Index::spans`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanParams {
    /// Shortest span, tokens.
    pub tokens_min: u32,
    /// Most documents listed per span.
    pub documents_max: usize,
}

impl Default for SpanParams {
    fn default() -> Self {
        Self { tokens_min: 6, documents_max: 10 }
    }
}

/// A corpus that can be searched and appended to.
#[derive(Debug)]
pub struct Index {
    directory: Option<Directory>,
    segments: Vec<Named>,
    /// Contribution → (segment, document in it).
    places: HashMap<u64, (usize, usize)>,
}

/// The directory of an index, held exclusively.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    next_file: u64,
    /// Released when dropped.
    _lock: File,
}

#[derive(Debug)]
struct Named {
    /// File name; empty in memory.
    file: String,
    segment: Segment,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    version: u32,
    next_file: u64,
    segments: Vec<String>,
}

impl Index {
    /// An empty index that lives in memory.
    pub fn in_memory() -> Self {
        Self { directory: None, segments: Vec::new(), places: HashMap::new() }
    }

    /// Opens the index in `directory`, creating both if they are absent, and checks every segment. Files
    /// left by an append or merge that did not finish are removed.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let path: PathBuf = directory.into();
        fs::create_dir_all(&path).map_err(IndexError::io(&path))?;
        let lock = lock(&path)?;
        let manifest = read_manifest(&path)?;
        let segments = manifest
            .segments
            .iter()
            .map(|file| Ok(Named { file: file.clone(), segment: Segment::open(&path.join(file))? }))
            .collect::<Result<Vec<_>>>()?;
        remove_leftovers(&path, &manifest)?;
        let directory = Directory { path, next_file: manifest.next_file, _lock: lock };
        let mut index = Self { directory: Some(directory), segments, places: HashMap::new() };
        index.places = places(&index.segments)?;
        Ok(index)
    }

    /// Adds documents, which are searchable (and durable, if the index has a directory) on return.
    pub fn append(&mut self, documents: &[Document]) -> Result<()> {
        self.check_new(documents)?;
        let mut rest: Vec<&Document> = documents.iter().collect();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = rest
                .iter()
                .take_while(|document| {
                    tokens += document.tokens.len() + 1;
                    tokens <= SEGMENT_TOKENS_MAX
                })
                .count();
            let mut batch: Vec<&Document> = rest.drain(..fits).collect();
            let segment = self.build(&mut batch)?;
            self.segments.push(segment);
        }
        self.commit(&[])?;
        self.merge_tail(APPEND_MERGE_TOKENS_MAX)
    }

    /// Merges segments of similar size, however large. Searching stays as it is; call it when there is
    /// time.
    pub fn maintain(&mut self) -> Result<()> {
        self.merge_tail(SEGMENT_TOKENS_MAX)
    }

    /// Length of the longest match that starts at each answer position.
    pub fn longest(&self, answer: &[u16]) -> Result<Vec<u32>> {
        check_answer(answer)?;
        let mut longest = vec![0; answer.len()];
        for Named { segment, .. } in &self.segments {
            search::longest(segment, answer, &mut longest);
        }
        Ok(longest)
    }

    /// The maximal matches of an answer, by position.
    pub fn spans(&self, answer: &[u16], params: SpanParams) -> Result<Vec<Span>> {
        let longest = self.longest(answer)?;
        let maximal = maximal(&longest, params.tokens_min.max(1));
        let patterns: Vec<Range<usize>> = maximal
            .iter()
            .map(|gram| gram.start as usize..(gram.start + gram.length) as usize)
            .collect();
        let mut spans: Vec<Span> = maximal
            .iter()
            .map(|gram| Span {
                start: gram.start,
                length: gram.length,
                count: 0,
                occurrences: Vec::new(),
            })
            .collect();
        for Named { segment, .. } in &self.segments {
            let intervals = search::intervals(segment, answer, &patterns);
            for (span, interval) in spans.iter_mut().zip(intervals) {
                span.count += u64::from(interval.end - interval.start);
                let found = first_documents(segment, interval, params.documents_max);
                span.occurrences.extend(found);
            }
        }
        for span in &mut spans {
            span.occurrences.sort_unstable();
            span.occurrences.truncate(params.documents_max);
        }
        Ok(spans)
    }

    /// For each gram of the answer, its place in the earliest-committed document that holds it.
    pub fn earliest(&self, answer: &[u16], grams: &[Gram]) -> Result<Vec<Option<Occurrence>>> {
        check_answer(answer)?;
        let patterns = grams
            .iter()
            .map(|gram| pattern(answer, *gram))
            .collect::<Result<Vec<Range<usize>>>>()?;
        let mut earliest: Vec<Option<Occurrence>> = vec![None; grams.len()];
        for Named { segment, .. } in &self.segments {
            let intervals = search::intervals(segment, answer, &patterns);
            for (earliest, interval) in earliest.iter_mut().zip(intervals) {
                let found = first_documents(segment, interval, 1).pop();
                *earliest = match (*earliest, found) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        Ok(earliest)
    }

    /// Token counts over the documents that `counted` chooses.
    pub fn unigrams(&self, counted: impl Fn(ContributionId) -> bool) -> UnigramCounts {
        let mut counts = UnigramCounts::default();
        for Named { segment, .. } in &self.segments {
            if segment.documents().iter().all(|entry| counted(ContributionId(entry.contribution))) {
                for (token, count) in segment.unigrams() {
                    if *token != SENTINEL {
                        counts.add_many(*token, u64::from(*count));
                    }
                }
                continue;
            }
            for (document, entry) in segment.documents().iter().enumerate() {
                if counted(ContributionId(entry.contribution)) {
                    counts.add(segment.document_tokens(document));
                }
            }
        }
        counts
    }

    /// Whether the index holds a contribution.
    pub fn contains(&self, contribution: ContributionId) -> bool {
        self.places.contains_key(&contribution.0)
    }

    /// Contributions with their sequences, in commitment order.
    pub fn documents(&self) -> Vec<(Sequence, ContributionId)> {
        let mut documents: Vec<_> = self
            .segments
            .iter()
            .flat_map(|named| named.segment.documents())
            .map(|entry| (Sequence(entry.sequence), ContributionId(entry.contribution)))
            .collect();
        documents.sort_unstable();
        documents
    }

    /// Tokens of all documents.
    pub fn token_count(&self) -> usize {
        self.segments
            .iter()
            .map(|named| named.segment.token_count() - named.segment.documents().len())
            .sum()
    }

    /// Bytes of all segments.
    pub fn byte_length(&self) -> u64 {
        self.segments.iter().map(|named| named.segment.byte_length()).sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    fn check_new(&self, documents: &[Document]) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        for document in documents {
            let contribution = document.contribution.0;
            if self.places.contains_key(&contribution) || !seen.insert(contribution) {
                return Err(IndexError::DuplicateContribution(contribution));
            }
            if document.tokens.is_empty() {
                return Err(IndexError::EmptyDocument(contribution));
            }
            if document.tokens.len() >= SEGMENT_TOKENS_MAX {
                return Err(IndexError::DocumentTooLarge {
                    contribution,
                    tokens: document.tokens.len(),
                    max: SEGMENT_TOKENS_MAX - 1,
                });
            }
            check_answer(&document.tokens)?;
        }
        Ok(())
    }

    /// Builds a segment, on disk under its final name if the index has a directory; the manifest does not
    /// name it yet.
    fn build(&mut self, documents: &mut [&Document]) -> Result<Named> {
        let builder = SegmentBuilder::new(documents)?;
        let Some(directory) = &mut self.directory else {
            return Ok(Named { file: String::new(), segment: builder.in_memory()? });
        };
        let file = format!("{:08}.seg", directory.next_file);
        directory.next_file += 1;
        let (temporary, path) =
            (directory.path.join(format!("{file}.tmp")), directory.path.join(&file));
        builder.write_file(&temporary)?;
        drop(builder);
        fs::rename(&temporary, &path).map_err(IndexError::io(&path))?;
        let segment = Segment::open(&path)?;
        debug!(file, tokens = segment.token_count(), "segment written");
        Ok(Named { file, segment })
    }

    /// Makes the current list of segments the one that survives, then removes `replaced` files.
    fn commit(&mut self, replaced: &[String]) -> Result<()> {
        self.places = places(&self.segments)?;
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            next_file: directory.next_file,
            segments: self.segments.iter().map(|named| named.file.clone()).collect(),
        };
        write_manifest(&directory.path, &manifest)?;
        for file in replaced {
            let path = directory.path.join(file);
            fs::remove_file(&path).map_err(IndexError::io(&path))?;
        }
        Ok(())
    }

    /// Merges the last two segments while the last is at least half as large as the one before it and
    /// both together stay within `tokens_max`: sizes then fall geometrically, so there are few segments
    /// and each token is merged a logarithmic number of times.
    fn merge_tail(&mut self, tokens_max: usize) -> Result<()> {
        while let [.., before, last] = self.segments.as_slice() {
            let (before, last) = (before.segment.token_count(), last.segment.token_count());
            if last * 2 < before || before + last > tokens_max {
                break;
            }
            let tail = self.segments.split_off(self.segments.len() - 2);
            let documents: Vec<Document> = tail.iter().flat_map(documents_of).collect();
            let built = self.build(&mut documents.iter().collect::<Vec<_>>());
            match built {
                Ok(merged) => self.segments.push(merged),
                Err(error) => {
                    self.segments.extend(tail);
                    return Err(error);
                }
            }
            let replaced: Vec<String> = tail.iter().map(|named| named.file.clone()).collect();
            info!(tokens = before + last, "index segments merged");
            drop(tail);
            self.commit(&replaced)?;
        }
        Ok(())
    }
}

impl DocumentTokens for Index {
    fn tokens(&self, contribution: ContributionId) -> Option<&[u16]> {
        let (segment, document) = self.places.get(&contribution.0)?;
        Some(self.segments.get(*segment)?.segment.document_tokens(*document))
    }
}

/// Matches that no match starting one position earlier contains.
fn maximal(longest: &[u32], tokens_min: u32) -> Vec<Gram> {
    let mut end_before = 0;
    let mut grams = Vec::new();
    for (start, length) in (0_u32..).zip(longest) {
        let end = start + length;
        if end > end_before && *length >= tokens_min {
            grams.push(Gram { start, length: *length });
        }
        end_before = end_before.max(end);
    }
    grams
}

/// The first `documents_max` documents (in commitment order) among an interval of suffixes, each with its
/// first match. A segment's documents stand in commitment order, so the least position is the
/// earliest document; each pass over the interval finds the least position beyond the last document.
fn first_documents(
    segment: &Segment,
    interval: Range<u32>,
    documents_max: usize,
) -> Vec<Occurrence> {
    let positions = &segment.suffixes()[interval.start as usize..interval.end as usize];
    let mut found = Vec::new();
    let mut from = 0_u32;
    while found.len() < documents_max {
        let least = positions.iter().copied().filter(|position| *position >= from).min();
        let Some(position) = least else { break };
        let entry = segment.documents()[segment.document_at(position)];
        found.push(Occurrence {
            sequence: Sequence(entry.sequence),
            contribution: ContributionId(entry.contribution),
            offset: position - entry.start,
        });
        from = entry.start + entry.length;
    }
    found
}

fn documents_of(named: &Named) -> Vec<Document> {
    let segment = &named.segment;
    segment
        .documents()
        .iter()
        .enumerate()
        .map(|(document, entry)| Document {
            contribution: ContributionId(entry.contribution),
            sequence: Sequence(entry.sequence),
            tokens: segment.document_tokens(document).to_vec(),
        })
        .collect()
}

fn places(segments: &[Named]) -> Result<HashMap<u64, (usize, usize)>> {
    let mut places = HashMap::new();
    for (position, named) in segments.iter().enumerate() {
        debug_assert!(named.segment.documents().windows(2).all(|p| order(&p[0]) < order(&p[1])));
        for (document, entry) in named.segment.documents().iter().enumerate() {
            if places.insert(entry.contribution, (position, document)).is_some() {
                return Err(IndexError::DuplicateContribution(entry.contribution));
            }
        }
    }
    Ok(places)
}

fn check_answer(tokens: &[u16]) -> Result<()> {
    if u32::try_from(tokens.len()).is_err() {
        return Err(IndexError::AnswerTooLong(tokens.len()));
    }
    match tokens.iter().position(|token| *token == SENTINEL) {
        Some(position) => Err(IndexError::ReservedToken { position }),
        None => Ok(()),
    }
}

fn pattern(answer: &[u16], gram: Gram) -> Result<Range<usize>> {
    let end = u64::from(gram.start) + u64::from(gram.length);
    if gram.length == 0 || end > answer.len() as u64 {
        return Err(IndexError::GramOutOfRange { start: gram.start, end, length: answer.len() });
    }
    Ok(gram.start as usize..end as usize)
}

fn lock(directory: &Path) -> Result<File> {
    let path = directory.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(IndexError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(IndexError::Io { path, source }),
    }
}

fn read_manifest(directory: &Path) -> Result<Manifest> {
    let path = directory.join(MANIFEST);
    let json = match fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Manifest { version: MANIFEST_VERSION, next_file: 1, segments: Vec::new() });
        }
        Err(source) => return Err(IndexError::Io { path, source }),
    };
    let refused = |reason: String| IndexError::Manifest { path: path.clone(), reason };
    let manifest: Manifest =
        serde_json::from_slice(&json).map_err(|error| refused(error.to_string()))?;
    if manifest.version != MANIFEST_VERSION {
        return Err(refused(format!(
            "version {} (this program reads {MANIFEST_VERSION})",
            manifest.version
        )));
    }
    if manifest.segments.iter().any(|file| file.contains(['/', '\\'])) {
        return Err(refused("a segment lies outside the directory".into()));
    }
    Ok(manifest)
}

/// Replaces the manifest atomically and durably.
fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<()> {
    let (temporary, path) = (directory.join("MANIFEST.tmp"), directory.join(MANIFEST));
    let json = serde_json::to_vec_pretty(manifest)
        .map_err(|error| IndexError::Manifest { path: path.clone(), reason: error.to_string() })?;
    let mut file = File::create(&temporary).map_err(IndexError::io(&temporary))?;
    file.write_all(&json).map_err(IndexError::io(&temporary))?;
    file.sync_all().map_err(IndexError::io(&temporary))?;
    fs::rename(&temporary, &path).map_err(IndexError::io(&path))?;
    File::open(directory).and_then(|dir| dir.sync_all()).map_err(IndexError::io(directory))
}

fn remove_leftovers(directory: &Path, manifest: &Manifest) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(IndexError::io(directory))? {
        let entry = entry.map_err(IndexError::io(directory))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = name.ends_with(".seg") || name.ends_with(".tmp");
        if ours && !manifest.segments.contains(&name) {
            debug!(file = name, "removing an unfinished segment");
            fs::remove_file(entry.path()).map_err(IndexError::io(entry.path()))?;
        }
    }
    Ok(())
}
