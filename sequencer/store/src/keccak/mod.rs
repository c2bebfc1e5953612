//! Keccak-256 of many messages at once: eight in the lanes of AVX-512 registers, four in those of
//! AVX2, or one after another, as the processor can. Every way gives the same bytes.
//!
//! The permutation is written once, over a trait of a few operations on rows of words; each way
//! compiles it with its own instructions.

#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "no lanes there yet"))]

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use alloy_primitives::{B256, keccak256};

/// Bytes that one permutation absorbs.
const RATE: usize = 136;

/// Round constants of ι (FIPS 202, section 3.2.5).
const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// One word of each of several states, side by side.
trait Row: Copy {
    fn splat(word: u64) -> Self;
    fn xor(self, other: Self) -> Self;
    /// Xor of five.
    fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self;
    /// `self ^ (!b & c)`, χ's step.
    fn chi(self, b: Self, c: Self) -> Self;
    fn rotate<const BITS: i32, const REST: i32>(self) -> Self;
}

/// Keccak-f[1600] on the states in the lanes.
#[inline(always)]
fn permute<R: Row>(a: &mut [R; 25]) {
    for constant in ROUND_CONSTANTS {
        // θ
        let c0 = a[0].xor5(a[5], a[10], a[15], a[20]);
        let c1 = a[1].xor5(a[6], a[11], a[16], a[21]);
        let c2 = a[2].xor5(a[7], a[12], a[17], a[22]);
        let c3 = a[3].xor5(a[8], a[13], a[18], a[23]);
        let c4 = a[4].xor5(a[9], a[14], a[19], a[24]);
        let d0 = c4.xor(c1.rotate::<1, 63>());
        let d1 = c0.xor(c2.rotate::<1, 63>());
        let d2 = c1.xor(c3.rotate::<1, 63>());
        let d3 = c2.xor(c4.rotate::<1, 63>());
        let d4 = c3.xor(c0.rotate::<1, 63>());
        // ρ and π, then χ row by row.
        let b0 = a[0].xor(d0);
        let b1 = a[6].xor(d1).rotate::<44, 20>();
        let b2 = a[12].xor(d2).rotate::<43, 21>();
        let b3 = a[18].xor(d3).rotate::<21, 43>();
        let b4 = a[24].xor(d4).rotate::<14, 50>();
        let b5 = a[3].xor(d3).rotate::<28, 36>();
        let b6 = a[9].xor(d4).rotate::<20, 44>();
        let b7 = a[10].xor(d0).rotate::<3, 61>();
        let b8 = a[16].xor(d1).rotate::<45, 19>();
        let b9 = a[22].xor(d2).rotate::<61, 3>();
        let b10 = a[1].xor(d1).rotate::<1, 63>();
        let b11 = a[7].xor(d2).rotate::<6, 58>();
        let b12 = a[13].xor(d3).rotate::<25, 39>();
        let b13 = a[19].xor(d4).rotate::<8, 56>();
        let b14 = a[20].xor(d0).rotate::<18, 46>();
        let b15 = a[4].xor(d4).rotate::<27, 37>();
        let b16 = a[5].xor(d0).rotate::<36, 28>();
        let b17 = a[11].xor(d1).rotate::<10, 54>();
        let b18 = a[17].xor(d2).rotate::<15, 49>();
        let b19 = a[23].xor(d3).rotate::<56, 8>();
        let b20 = a[2].xor(d2).rotate::<62, 2>();
        let b21 = a[8].xor(d3).rotate::<55, 9>();
        let b22 = a[14].xor(d4).rotate::<39, 25>();
        let b23 = a[15].xor(d0).rotate::<41, 23>();
        let b24 = a[21].xor(d1).rotate::<2, 62>();
        *a = [
            b0.chi(b1, b2).xor(R::splat(constant)),
            b1.chi(b2, b3),
            b2.chi(b3, b4),
            b3.chi(b4, b0),
            b4.chi(b0, b1),
            b5.chi(b6, b7),
            b6.chi(b7, b8),
            b7.chi(b8, b9),
            b8.chi(b9, b5),
            b9.chi(b5, b6),
            b10.chi(b11, b12),
            b11.chi(b12, b13),
            b12.chi(b13, b14),
            b13.chi(b14, b10),
            b14.chi(b10, b11),
            b15.chi(b16, b17),
            b16.chi(b17, b18),
            b17.chi(b18, b19),
            b18.chi(b19, b15),
            b19.chi(b15, b16),
            b20.chi(b21, b22),
            b21.chi(b22, b23),
            b22.chi(b23, b24),
            b23.chi(b24, b20),
            b24.chi(b20, b21),
        ];
    }
}

/// The states of several messages: word by word, one lane for each message.
#[derive(Clone)]
#[repr(C, align(64))]
struct States<const LANES: usize>([[u64; LANES]; 25]);

/// What is left of each lane's message; `None` once a lane's hash is there.
type Rests<'a, const LANES: usize> = [Option<&'a [u8]>; LANES];

/// Takes the next block of every lane's rest into states that lie in memory, padded where a message
/// ends, and permutes them. Lanes without a rest change to whatever.
type Step<const LANES: usize> = fn(&mut States<LANES>, &Rests<'_, LANES>);

/// A way to hash.
#[derive(Clone, Copy)]
enum Way {
    One,
    #[cfg(target_arch = "x86_64")]
    Four(Step<4>),
    #[cfg(target_arch = "x86_64")]
    Eight(Step<8>),
}

impl Way {
    /// The best this processor has. One that gave wrong bytes would fork the chain, so each is tried
    /// before it is used.
    fn detect() -> Self {
        let messages: Vec<Vec<u8>> =
            (0..40).map(|i| (0..i * 17).map(|byte| (byte * 31 + i) as u8).collect()).collect();
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let expected: Vec<B256> = messages.iter().map(keccak256).collect();
        let is_right = |way: &Self| {
            let mut out = vec![B256::ZERO; messages.len()];
            way.hash_many(&messages, &mut out);
            out == expected
        };
        Self::all().into_iter().rev().find(is_right).unwrap_or(Self::One)
    }

    /// All this processor has, the best last.
    fn all() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "only one way"))]
        let mut ways = vec![Self::One];
        #[cfg(target_arch = "x86_64")]
        {
            ways.extend(x86::avx2().map(Self::Four));
            ways.extend(x86::avx512().map(Self::Eight));
        }
        ways
    }

    fn hash_many(self, messages: &[&[u8]], out: &mut [B256]) {
        match self {
            Self::One => {
                for (message, out) in messages.iter().zip(out) {
                    *out = keccak256(message);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Four(step) => hash_in_lanes(step, messages, out),
            #[cfg(target_arch = "x86_64")]
            Self::Eight(step) => hash_in_lanes(step, messages, out),
        }
    }
}

/// Hashes each message into the place of the same index of `out`, which is as long.
pub fn hash_many(messages: &[&[u8]], out: &mut [B256]) {
    static WAY: OnceLock<Way> = OnceLock::new();
    WAY.get_or_init(Way::detect).hash_many(messages, out);
}

/// The hashes of these messages, in order.
pub fn hash_all<T: AsRef<[u8]>>(messages: &[T]) -> Vec<B256> {
    let messages: Vec<&[u8]> = messages.iter().map(AsRef::as_ref).collect();
    let mut hashes = vec![B256::ZERO; messages.len()];
    hash_many(&messages, &mut hashes);
    hashes
}

/// Hashes groups of messages that take the same number of permutations.
#[cfg(target_arch = "x86_64")]
fn hash_in_lanes<const LANES: usize>(step: Step<LANES>, messages: &[&[u8]], out: &mut [B256]) {
    // By length in blocks; nodes of a trie take one to four.
    let mut groups: [[usize; LANES]; 8] = [[0; LANES]; 8];
    let mut counts = [0_usize; 8];
    for (index, message) in messages.iter().enumerate() {
        let blocks = message.len() / RATE;
        let Some(group) = groups.get_mut(blocks) else {
            out[index] = keccak256(message);
            continue;
        };
        let count = &mut counts[blocks];
        group[*count] = index;
        *count += 1;
        if *count == LANES {
            hash_group(step, group, messages, out);
            *count = 0;
        }
    }
    // What is left over: lanes of shorter messages stand still while longer ones go on.
    let mut rest = Vec::new();
    for (group, count) in groups.iter().zip(counts) {
        rest.extend_from_slice(&group[..count]);
    }
    for group in rest.chunks(LANES) {
        // Even a message alone is done sooner in a lane than by the portable permutation.
        hash_group(step, group, messages, out);
    }
}

/// Hashes up to as many messages as there are lanes.
#[cfg(target_arch = "x86_64")]
fn hash_group<const LANES: usize>(
    step: Step<LANES>,
    group: &[usize],
    messages: &[&[u8]],
    out: &mut [B256],
) {
    let mut states = States([[0; LANES]; 25]);
    let mut rests: Rests<'_, LANES> = [None; LANES];
    for (rest, index) in rests.iter_mut().zip(group) {
        *rest = Some(messages[*index]);
    }
    while rests.iter().any(Option::is_some) {
        step(&mut states, &rests);
        for (lane, (rest, index)) in rests.iter_mut().zip(group).enumerate() {
            let Some(bytes) = rest else { continue };
            if bytes.len() < RATE {
                for (word, bytes) in out[*index].0.chunks_exact_mut(8).enumerate() {
                    bytes.copy_from_slice(&states.0[word][lane].to_le_bytes());
                }
            }
            *rest = bytes.get(RATE..);
        }
    }
}

/// Takes the next blocks of the rests into the states, word by word.
#[cfg(target_arch = "x86_64")]
#[inline]
fn absorb<const LANES: usize>(states: &mut States<LANES>, rests: &Rests<'_, LANES>) {
    for (lane, rest) in rests.iter().enumerate() {
        let Some(rest) = rest else { continue };
        let mut padded = [0_u8; RATE];
        let block = rest.first_chunk::<RATE>().unwrap_or_else(|| {
            padded[..rest.len()].copy_from_slice(rest);
            padded[rest.len()] = 1;
            padded[RATE - 1] |= 0x80;
            &padded
        });
        let (words, _) = block.as_chunks::<8>();
        for (state, word) in states.0.iter_mut().zip(words) {
            state[lane] ^= u64::from_le_bytes(*word);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The permutation over plain words, so that it is tested on every processor.
    impl Row for u64 {
        fn splat(word: u64) -> Self {
            word
        }

        fn xor(self, other: Self) -> Self {
            self ^ other
        }

        fn xor5(self, b: Self, c: Self, d: Self, e: Self) -> Self {
            self ^ b ^ c ^ d ^ e
        }

        fn chi(self, b: Self, c: Self) -> Self {
            self ^ (!b & c)
        }

        fn rotate<const BITS: i32, const REST: i32>(self) -> Self {
            assert_eq!(BITS + REST, 64);
            self.rotate_left(BITS as u32)
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn portable<const LANES: usize>(states: &mut States<LANES>, rests: &Rests<'_, LANES>) {
        absorb(states, rests);
        for lane in 0..LANES {
            let mut state = states.0.map(|row| row[lane]);
            permute(&mut state);
            states.0.iter_mut().zip(state).for_each(|(row, word)| row[lane] = word);
        }
    }

    fn ways() -> Vec<Way> {
        let mut ways = Way::all();
        #[cfg(target_arch = "x86_64")]
        ways.extend([Way::Four(portable::<4>), Way::Eight(portable::<8>)]);
        ways
    }

    fn check(messages: &[Vec<u8>]) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let expected: Vec<B256> = messages.iter().map(keccak256).collect();
        for way in ways() {
            let mut out = vec![B256::ZERO; messages.len()];
            way.hash_many(&messages, &mut out);
            assert_eq!(out, expected);
        }
        assert_eq!(hash_all(&messages), expected);
    }

    proptest! {
        #[test]
        fn every_way_gives_the_same_hashes(
            messages in proptest::collection::vec(
                proptest::collection::vec(any::<u8>(), 0..1_001), 0..40,
            )
        ) {
            check(&messages);
        }
    }

    #[test]
    fn every_length_around_the_blocks_is_padded_right() {
        let messages: Vec<Vec<u8>> =
            (0..=1_100_usize).map(|len| (0..len).map(|i| (i * 7 + len) as u8).collect()).collect();
        check(&messages);
        for message in messages.chunks(1) {
            check(message);
        }
    }
}
