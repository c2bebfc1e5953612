//! Binary searches in one segment's suffix array, many at a time. A single search waits for memory at
//! every step; here every search takes one step in turn, and each step is cut at its two memory reads
//! (the suffix, then its tokens), which are prefetched for all searches before the first is used.

use std::{cmp::Ordering, ops::Range};

use crate::segment::Segment;

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The longest match of the rest of the query.
    Longest,
    /// The first suffix that starts with the pattern, or where it would be.
    Lower,
    /// The first suffix after those that start with the pattern.
    Upper,
}

/// One binary search. Suffixes before `low` are less than the pattern, those from `high` on greater
/// (for `Upper`, suffixes that start with the pattern count as less).
#[derive(Clone, Debug)]
struct Search {
    goal: Goal,
    /// The pattern is `query[start..end]`.
    start: usize,
    end: usize,
    low: u32,
    high: u32,
    /// Tokens that the pattern shares with everything between the bounds, from either side.
    low_shared: usize,
    high_shared: usize,
    /// Longest match seen.
    best: usize,
    /// The suffix being compared in this step.
    suffix: u32,
}

impl Search {
    fn new(segment: &Segment, goal: Goal, query: &[u16], start: usize, end: usize) -> Self {
        let bucket = segment.bucket(query[start]);
        Self {
            goal,
            start,
            end,
            low: bucket.start,
            high: bucket.end,
            low_shared: 1,
            high_shared: 1,
            best: 0,
            suffix: 0,
        }
    }

    const fn middle(&self) -> usize {
        (self.low + (self.high - self.low) / 2) as usize
    }

    const fn is_done(&self) -> bool {
        self.low >= self.high
    }

    /// Compares with the suffix in the middle and halves the range.
    fn step(&mut self, query: &[u16], tokens: &[u16]) {
        let skip = self.low_shared.min(self.high_shared);
        let pattern = &query[self.start..self.end];
        let suffix = &tokens[self.suffix as usize..];
        let shared =
            skip + pattern[skip..].iter().zip(&suffix[skip..]).take_while(|(a, b)| a == b).count();
        self.best = self.best.max(shared);
        let order = match (pattern.get(shared), self.goal) {
            (Some(next), _) => suffix.get(shared).map_or(Ordering::Less, |token| token.cmp(next)),
            // The suffix starts with the whole pattern.
            (None, Goal::Longest) => {
                self.high = self.low;
                return;
            }
            (None, Goal::Lower) => Ordering::Greater,
            (None, Goal::Upper) => Ordering::Less,
        };
        let middle = self.middle() as u32;
        if order == Ordering::Less {
            self.low = middle + 1;
            self.low_shared = shared;
        } else {
            self.high = middle;
            self.high_shared = shared;
        }
    }
}

/// Runs all searches to their end, in lock-step.
fn run(segment: &Segment, query: &[u16], searches: &mut [Search]) {
    let (tokens, suffixes) = (segment.tokens(), segment.suffixes());
    let mut active: Vec<usize> =
        (0..searches.len()).filter(|search| !searches[*search].is_done()).collect();
    while !active.is_empty() {
        for search in &active {
            prefetch(&suffixes[searches[*search].middle()]);
        }
        for search in &active {
            let search = &mut searches[*search];
            search.suffix = suffixes[search.middle()];
            let shared = search.low_shared.min(search.high_shared);
            if let Some(token) = tokens.get(search.suffix as usize + shared) {
                prefetch(token);
            }
        }
        active.retain(|search| {
            let search = &mut searches[*search];
            search.step(query, tokens);
            !search.is_done()
        });
    }
}

/// Raises `longest[i]` to the length of the longest match of `query[i..]` in the segment.
pub(crate) fn longest(segment: &Segment, query: &[u16], longest: &mut [u32]) {
    let mut searches: Vec<Search> = (0..query.len())
        .map(|start| Search::new(segment, Goal::Longest, query, start, query.len()))
        .collect();
    run(segment, query, &mut searches);
    for (longest, search) in longest.iter_mut().zip(&searches) {
        *longest = (*longest).max(search.best as u32);
    }
}

/// For each `query[range]`, the suffixes that start with it. Ranges are not empty.
pub(crate) fn intervals(
    segment: &Segment,
    query: &[u16],
    patterns: &[Range<usize>],
) -> Vec<Range<u32>> {
    let mut searches: Vec<Search> = patterns
        .iter()
        .flat_map(|pattern| {
            [Goal::Lower, Goal::Upper]
                .map(|goal| Search::new(segment, goal, query, pattern.start, pattern.end))
        })
        .collect();
    run(segment, query, &mut searches);
    searches.chunks(2).map(|bounds| bounds[0].low..bounds[1].low).collect()
}

/// Asks for a cache line; a hint without effect on results.
#[inline]
fn prefetch<T>(item: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: prefetching reads no memory architecturally, and SSE is part of x86-64.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                std::ptr::from_ref(item).cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = item;
}
