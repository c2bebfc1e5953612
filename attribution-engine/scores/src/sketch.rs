//! Words, shingles and the MinHash sketch: how alike two documents are, whatever the tokenizer.
//!
//! A word is a maximal run of word characters, ASCII letters lowered: ASCII letters and digits and
//! every character from U+0080 up, except that each character from U+2E80 up (scripts written
//! without spaces) is a word by itself and that U+2000..U+206F and U+3000..U+303F (punctuation) end
//! words. The ranges are fixed here and follow no Unicode table. A shingle is [`SHINGLE_WORDS`] words
//! in a row joined by one space; a shorter text has one shingle of all its words. A shingle's hash is
//! the first 8 bytes of its keccak256, so that a contract can recompute it.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};

/// Words per shingle.
pub const SHINGLE_WORDS: usize = 3;
/// Numbers in a sketch.
pub const SKETCH_LENGTH: usize = 128;

/// The Mersenne prime 2⁶¹ − 1, modulus of the sketch's hash functions.
const PRIME: u64 = (1 << 61) - 1;
/// Seed of the hash functions' constants.
const SEED: u64 = 0x4f50_454e_6c65_6467;

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        let class = class_of(character);
        if class != Class::Word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match class {
            Class::Word => word.push(character.to_ascii_lowercase()),
            Class::WholeWord => words.push(character.to_string()),
            Class::Separator => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[derive(PartialEq, Eq)]
enum Class {
    Word,
    WholeWord,
    Separator,
}

fn class_of(character: char) -> Class {
    match character {
        '0'..='9' | 'a'..='z' | 'A'..='Z' => Class::Word,
        '\0'..='\u{7f}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}' => Class::Separator,
        '\u{80}'..='\u{2e7f}' => Class::Word,
        _ => Class::WholeWord,
    }
}

/// The set of a text's shingle hashes, ascending.
pub fn shingles(text: &str) -> BTreeSet<u64> {
    let words = words(text);
    let hash = |shingle: &[String]| {
        let digest = keccak256(shingle.join(" "));
        digest.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
    };
    if words.len() < SHINGLE_WORDS {
        return if words.is_empty() { BTreeSet::new() } else { BTreeSet::from([hash(&words)]) };
    }
    words.windows(SHINGLE_WORDS).map(hash).collect()
}

/// 128 minima over the shingles, one per frozen hash function; equal positions estimate Jaccard
/// similarity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch([u32; SKETCH_LENGTH]);

impl Sketch {
    /// The sketch of a normalised text. A text without words has all positions at `u32::MAX`.
    pub fn of(text: &str) -> Self {
        Self::of_shingles(&shingles(text))
    }

    /// Position i is the least `((aᵢ·x + bᵢ) mod (2⁶¹ − 1)) mod 2³²` over the shingle hashes x.
    pub fn of_shingles(shingles: &BTreeSet<u64>) -> Self {
        let mut constants = SplitMix(SEED);
        let mut minima = [u32::MAX; SKETCH_LENGTH];
        for minimum in &mut minima {
            let a = constants.next().checked_rem(PRIME).unwrap_or_default().max(1);
            let b = constants.next().checked_rem(PRIME).unwrap_or_default();
            for shingle in shingles {
                *minimum = (*minimum).min(low_half(multiply_add(a, *shingle, b)));
            }
        }
        Self(minima)
    }

    pub const fn values(&self) -> &[u32; SKETCH_LENGTH] {
        &self.0
    }

    /// The committed bytes: the numbers in order, big endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    /// `sketchHash`: keccak256 of [`Self::to_bytes`].
    pub fn hash(&self) -> B256 {
        keccak256(self.to_bytes())
    }

    /// Positions at which two sketches agree; of [`SKETCH_LENGTH`].
    pub fn matches(&self, other: &Self) -> u32 {
        self.0
            .iter()
            .zip(other.0.iter())
            .filter(|(a, b)| a == b && **a != u32::MAX)
            .fold(0_u32, |sum, _| sum.saturating_add(1))
    }
}

/// `(a·x + b) mod (2⁶¹ − 1)`; the 128-bit intermediate cannot overflow since a, b < 2⁶¹.
fn multiply_add(a: u64, x: u64, b: u64) -> u64 {
    let product = u128::from(a).saturating_mul(u128::from(x)).saturating_add(u128::from(b));
    let remainder = product.checked_rem(u128::from(PRIME)).unwrap_or_default();
    u64::try_from(remainder).unwrap_or_default()
}

fn low_half(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default()
}

/// Vigna's SplitMix64, the generator of the frozen constants.
struct SplitMix(u64);

impl SplitMix {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_follow_the_fixed_ranges() {
        assert_eq!(
            words("The WAL-index (see §2), naïve\u{2014}数据库 x1."),
            ["the", "wal", "index", "see", "§2", "naïve", "数", "据", "库", "x1"]
        );
        assert!(words(" ,.\n").is_empty());
    }

    #[test]
    fn short_texts_have_one_shingle() {
        assert_eq!(shingles("one two").len(), 1);
        assert_eq!(shingles("one two three").len(), 1);
        assert_eq!(shingles("one two three four").len(), 2);
        assert!(shingles("...").is_empty());
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // First outputs of SplitMix64 from state 1234567 (Vigna's reference).
        let mut generator = SplitMix(1_234_567);
        assert_eq!(generator.next(), 6_457_827_717_110_365_317);
        assert_eq!(generator.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn texts_without_words_are_like_nothing() {
        let nothing = Sketch::of("...");
        assert_eq!(nothing.matches(&nothing), 0);
    }

    proptest! {
        #[test]
        fn the_estimate_follows_jaccard(shared in 0_u64..400, own in 0_u64..400) {
            prop_assume!(shared + own > 50);
            let spread = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let a: BTreeSet<u64> = (0..shared + own).map(spread).collect();
            let b: BTreeSet<u64> = (0..shared).chain(10_000..10_000 + own).map(spread).collect();
            let truth = shared * 128 / (shared + 2 * own);
            let estimate = u64::from(Sketch::of_shingles(&a).matches(&Sketch::of_shingles(&b)));
            // Five standard deviations of 128 Bernoulli draws are at most 29.
            prop_assert!(estimate.abs_diff(truth) <= 29, "{estimate} for {truth}");
        }

        #[test]
        fn case_and_punctuation_do_not_matter(text in "[a-z]{1,6}( [a-z]{1,6}){0,30}") {
            let shouted = text.to_uppercase().replace(' ', " -- ");
            prop_assert_eq!(Sketch::of(&text), Sketch::of(&shouted));
        }
    }
}
