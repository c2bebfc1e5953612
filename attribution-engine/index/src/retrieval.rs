//! Which chunks of the corpus to put into a prompt: BM25 in integers, so that the choice is the same on
//! every machine and can be checked from a receipt. Words are those of the sketch
//! ([`scores::sketch::words`]).
//!
//! Score of a chunk: Σ over distinct query words of `idf · tf·(k1 + 1) / (tf + k1·(1 − b + b·length/mean))`
//! with `idf = log₂((2N + 2)/(2n + 1))` in Q16; each quotient is rounded down. Ties go to the earlier
//! commitment, then to the earlier chunk.

use std::collections::{BTreeMap, HashMap};

use scores::{ContributionId, Sequence, sketch::words, spec::RetrievalParams, surprise::log2_q16};
use serde::{Deserialize, Serialize};

/// A chunk to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    pub contribution: ContributionId,
    pub sequence: Sequence,
    /// Its position in the document.
    pub chunk: u32,
    pub text: &'a str,
}

/// A chunk that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoredChunk {
    pub contribution: ContributionId,
    pub chunk: u32,
    /// Q16, comparable within one query only.
    pub score: u64,
}

#[derive(Debug)]
struct Entry {
    sequence: Sequence,
    contribution: ContributionId,
    chunk: u32,
    words: u64,
}

/// An inverted index over chunks.
#[derive(Debug)]
pub struct ChunkIndex {
    params: RetrievalParams,
    /// In order of (sequence, contribution, chunk).
    entries: Vec<Entry>,
    /// Word → (entry, times in it), entries ascending.
    postings: HashMap<String, Vec<(u32, u32)>>,
    words_total: u64,
}

impl ChunkIndex {
    /// Indexes chunks, whose order here does not matter.
    pub fn new<'a>(chunks: impl IntoIterator<Item = Chunk<'a>>, params: RetrievalParams) -> Self {
        let mut chunks: Vec<Chunk<'a>> = chunks.into_iter().collect();
        chunks.sort_by_key(|chunk| (chunk.sequence, chunk.contribution, chunk.chunk));
        let mut entries = Vec::with_capacity(chunks.len());
        let mut postings: HashMap<String, Vec<(u32, u32)>> = HashMap::new();
        let mut words_total = 0;
        for (position, chunk) in (0_u32..).zip(&chunks) {
            let mut frequencies: BTreeMap<String, u32> = BTreeMap::new();
            let mut length = 0_u64;
            for word in words(chunk.text) {
                *frequencies.entry(word).or_default() += 1;
                length += 1;
            }
            for (word, frequency) in frequencies {
                postings.entry(word).or_default().push((position, frequency));
            }
            words_total += length;
            entries.push(Entry {
                sequence: chunk.sequence,
                contribution: chunk.contribution,
                chunk: chunk.chunk,
                words: length,
            });
        }
        Self { params, entries, postings, words_total }
    }

    /// The best `limit` chunks for `query`, best first; fewer if fewer share a word with it.
    pub fn retrieve(&self, query: &str, limit: usize) -> Vec<ScoredChunk> {
        let mut query_words = words(query);
        query_words.sort_unstable();
        query_words.dedup();
        let mut scores: BTreeMap<u32, u64> = BTreeMap::new();
        for postings in query_words.iter().filter_map(|word| self.postings.get(word)) {
            let idf = self.idf_q16(postings.len() as u64);
            for (entry, frequency) in postings {
                *scores.entry(*entry).or_default() +=
                    self.term(idf, u64::from(*frequency), self.entries[*entry as usize].words);
            }
        }
        let mut ranked: Vec<(u64, u32)> =
            scores.into_iter().map(|(entry, score)| (score, entry)).collect();
        ranked.sort_by(|(a_score, a), (b_score, b)| b_score.cmp(a_score).then(a.cmp(b)));
        ranked.truncate(limit);
        ranked
            .into_iter()
            .map(|(score, entry)| {
                let entry = &self.entries[entry as usize];
                ScoredChunk { contribution: entry.contribution, chunk: entry.chunk, score }
            })
            .collect()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Chunks with their commitment order, for display and tests.
    pub fn chunks(&self) -> impl Iterator<Item = (Sequence, ContributionId, u32)> {
        self.entries.iter().map(|entry| (entry.sequence, entry.contribution, entry.chunk))
    }

    fn idf_q16(&self, holding: u64) -> u64 {
        let all = self.entries.len() as u64;
        log2_q16(2 * all + 2).saturating_sub(log2_q16(2 * holding + 1))
    }

    /// One word's part of a chunk's score; the fraction is expanded by 10⁶ so that all is integer.
    fn term(&self, idf_q16: u64, frequency: u64, length: u64) -> u64 {
        let (k1, b) =
            (u128::from(self.params.k1_thousandths), u128::from(self.params.b_thousandths));
        let (frequency, count) = (u128::from(frequency), self.entries.len() as u128);
        let relative_length = b * u128::from(length) * count / u128::from(self.words_total.max(1));
        let saturation = k1 * (1_000_u128.saturating_sub(b) + relative_length);
        let score = u128::from(idf_q16) * frequency * (k1 + 1_000) * 1_000
            / (frequency * 1_000_000 + saturation).max(1);
        u64::try_from(score).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[&str]) -> ChunkIndex {
        let chunks = texts.iter().zip(0_u64..).map(|(text, i)| Chunk {
            contribution: ContributionId(i),
            sequence: Sequence(i),
            chunk: 0,
            text,
        });
        ChunkIndex::new(chunks, RetrievalParams::default())
    }

    #[track_caller]
    fn check(texts: &[&str], query: &str, expected: &[u64]) {
        let found: Vec<u64> =
            index(texts).retrieve(query, 10).iter().map(|chunk| chunk.contribution.0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn rare_words_count_more_than_common_ones() {
        check(
            &["the log is the log", "the checkpoint of the day", "the day of the log"],
            "the checkpoint",
            &[1, 0, 2],
        );
    }

    #[test]
    fn shorter_chunks_and_more_mentions_rank_higher() {
        let long = "wal ".to_owned() + &"filler ".repeat(50);
        check(&[&long, "wal mode", "wal wal mode"], "WAL", &[2, 1, 0]);
    }

    #[test]
    fn ties_go_to_the_earlier_commitment_and_misses_are_left_out() {
        check(&["b", "a x", "a x"], "a", &[1, 2]);
        check(&["b"], "a", &[]);
        check(&[], "a", &[]);
    }

    #[test]
    fn scores_agree_with_floating_point_bm25() {
        let texts = ["a b c", "a a d e f g", "h i", "a"];
        let found = index(&texts).retrieve("a", 10);
        let mean = 12.0 / 4.0;
        let idf = (10.0_f64 / 7.0).log2();
        for chunk in found {
            let (tf, length) =
                [(1.0, 3.0), (2.0, 6.0), (0.0, 2.0), (1.0, 1.0)][chunk.contribution.0 as usize];
            let real = idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / mean));
            let ours = chunk.score as f64 / 65_536.0;
            assert!((real - ours).abs() < 0.001, "{real} {ours}");
        }
    }

    #[test]
    fn the_order_of_input_does_not_matter() {
        let chunks = [("a b", 5), ("a b", 3), ("b c", 9)].map(|(text, sequence)| Chunk {
            contribution: ContributionId(sequence + 100),
            sequence: Sequence(sequence),
            chunk: 1,
            text,
        });
        let forward = ChunkIndex::new(chunks, RetrievalParams::default()).retrieve("a b", 3);
        let mut reversed = chunks;
        reversed.reverse();
        let backward = ChunkIndex::new(reversed, RetrievalParams::default()).retrieve("a b", 3);
        assert_eq!(forward, backward);
        assert_eq!(forward[0].contribution, ContributionId(103));
    }
}
