//! Prints what the index costs: build speed, size, and CPU time per answer token.
//!
//! `cargo run -p attribution-index --example figures -- [million tokens]`; reads token ids (u16, little
//! endian) from the file named by `TOKENS` if set, else makes text-like tokens (Zipf, with repeated
//! phrases).

use std::time::Instant;

use attribution_index::{Document, Index, SpanParams};
use rand::{Rng, SeedableRng, rngs::StdRng};
use scores::{
    ContributionId, Sequence,
    credit::grams,
    surprise::{ONE_BIT_Q16, SurpriseTable},
};

const DOCUMENT_TOKENS: usize = 2_000;
/// Bytes of English per SmolLM2 token.
const BYTES_PER_TOKEN: f64 = 3.52;

fn main() {
    let million: f64 = std::env::args().nth(1).map_or(5.0, |arg| arg.parse().expect("a number"));
    let count = (million * 1e6) as usize;
    let mut rng = StdRng::seed_from_u64(1);
    let tokens = match std::env::var_os("TOKENS") {
        Some(path) => read(path.as_ref()),
        None => synthetic(count, &mut rng),
    };
    let documents: Vec<Document> = tokens
        .chunks(DOCUMENT_TOKENS)
        .zip(1_u64..)
        .map(|(tokens, id)| Document {
            contribution: ContributionId(id),
            sequence: Sequence(id),
            tokens: tokens.to_vec(),
        })
        .collect();

    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut index = Index::open(directory.path()).expect("an empty index");
    let start = Instant::now();
    index.append(&documents).expect("documents are valid");
    let built = start.elapsed();
    println!("{} tokens in {} documents", index.token_count(), documents.len());
    println!(
        "build, write, check and map: {:.2} s ({:.1} M tokens/s)",
        built.as_secs_f64(),
        index.token_count() as f64 / built.as_secs_f64() / 1e6
    );
    println!(
        "size: {:.2} bytes per token, {:.2} per corpus byte",
        index.byte_length() as f64 / index.token_count() as f64,
        index.byte_length() as f64 / index.token_count() as f64 / BYTES_PER_TOKEN
    );

    let added: Vec<Document> = documents
        .iter()
        .take(500)
        .map(|document| Document {
            contribution: ContributionId(document.contribution.0 + 1_000_000),
            sequence: Sequence(document.sequence.0 + 1_000_000),
            tokens: document.tokens.iter().rev().copied().collect(),
        })
        .collect();
    let start = Instant::now();
    index.append(&added).expect("documents are valid");
    println!(
        "append of 1 M tokens, searchable and durable after {:.0} ms",
        start.elapsed().as_secs_f64() * 1e3
    );

    let table = SurpriseTable::new(&index.unigrams(|_| true));
    for length in [64, 256, 458] {
        let answers: Vec<Vec<u16>> = (0..200).map(|_| answer(&tokens, length, &mut rng)).collect();
        let per_token = |elapsed: std::time::Duration| {
            elapsed.as_secs_f64() * 1e6 / (answers.len() * length) as f64
        };
        let start = Instant::now();
        for answer in &answers {
            std::hint::black_box(index.longest(answer).expect("tokens are valid"));
        }
        let longest = per_token(start.elapsed());
        let start = Instant::now();
        for answer in &answers {
            std::hint::black_box(
                index.spans(answer, SpanParams::default()).expect("tokens are valid"),
            );
        }
        let spans = per_token(start.elapsed());
        let start = Instant::now();
        for answer in &answers {
            let longest = index.longest(answer).expect("tokens are valid");
            let surprises = table.of_all(answer);
            let grams = grams(&surprises, &longest, table.floor(24 * ONE_BIT_Q16), 6);
            std::hint::black_box(index.earliest(answer, &grams).expect("grams are in the answer"));
        }
        let credit = per_token(start.elapsed());
        println!(
            "answers of {length} tokens: matching {longest:.2} µs/token, spans with documents {spans:.2}, \
             grams with holders {credit:.2}"
        );
    }
}

/// Text-like tokens: Zipf-distributed, with a fifth of the text repeated from earlier.
fn synthetic(count: usize, rng: &mut StdRng) -> Vec<u16> {
    let mut tokens: Vec<u16> = Vec::with_capacity(count);
    while tokens.len() < count {
        if tokens.len() > 10_000 && rng.random_bool(0.02) {
            let from = rng.random_range(0..tokens.len() - 64);
            let phrase = tokens[from..from + rng.random_range(4..40)].to_vec();
            tokens.extend(phrase);
        } else {
            for _ in 0..8 {
                let uniform: f64 = rng.random_range(0.0..1.0);
                tokens.push((49_152_f64.powf(uniform) - 1.0) as u16);
            }
        }
    }
    tokens.truncate(count);
    tokens
}

/// New text with three planted passages of 32 tokens.
fn answer(tokens: &[u16], length: usize, rng: &mut StdRng) -> Vec<u16> {
    let mut answer = synthetic(length, rng);
    for plant in 0..3 {
        let at = plant * length / 3;
        let from = rng.random_range(0..tokens.len() - 32);
        let width = 32.min(length - at);
        answer[at..at + width].copy_from_slice(&tokens[from..from + width]);
    }
    answer
}

fn read(path: &std::path::Path) -> Vec<u16> {
    let bytes = std::fs::read(path).expect("the file named by TOKENS");
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}
