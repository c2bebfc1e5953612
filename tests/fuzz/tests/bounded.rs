//! Every target for a bounded time: seeds, then mutations of them. `FUZZ_SECONDS` sets the time per
//! target (default 2), `FUZZ_SEED` the stream of mutations; a failure prints the input.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use alloy_primitives::hex;
use fuzz_targets::{TARGETS, Target};
use rand::{Rng, SeedableRng, rngs::StdRng};

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// One to eight edits: bits, bytes, cuts, copies, spliced seeds, telling numbers.
fn mutate(rng: &mut StdRng, input: &mut Vec<u8>, other: &[u8]) {
    const TELLING: [&[u8]; 8] =
        [&[0], &[0xff; 4], &[0x7f], &[0x80], &[0xc0], &[0xf8, 0xff], &[0xbf; 9], &[0xff; 32]];
    for _ in 0..rng.random_range(1..=8) {
        let at = rng.random_range(0..=input.len());
        let to = rng.random_range(at..=input.len());
        match rng.random_range(0..8) {
            0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
            1 if at < input.len() => input[at] = rng.random(),
            2 => input.truncate(at),
            3 => drop(input.drain(at..to)),
            4 => {
                let copy = input[at..to.min(at + 64)].to_vec();
                input.splice(at..at, copy);
            }
            5 if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                input.splice(at..to, other[from..].iter().copied());
            }
            6 => {
                input.splice(at..at, TELLING[rng.random_range(0..TELLING.len())].iter().copied());
            }
            _ => input.push(rng.random()),
        }
        input.truncate(1 << 16);
    }
}

fn check(target: &Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{}: the input 0x{} breaks a promise", target.name, hex::encode(input));
    }
}

#[test]
fn no_input_breaks_a_promise() {
    let time = Duration::from_secs(from_env("FUZZ_SECONDS", 2));
    let mut rng = StdRng::seed_from_u64(from_env("FUZZ_SEED", 1));
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in &seeds {
            check(target, seed);
        }
        let started = Instant::now();
        let mut runs = 0_u64;
        while started.elapsed() < time {
            for _ in 0..16 {
                let mut input = seeds[rng.random_range(0..seeds.len())].clone();
                let other = &seeds[rng.random_range(0..seeds.len())];
                mutate(&mut rng, &mut input, other);
                check(target, &input);
                runs += 1;
            }
        }
        println!("{:14} {runs} inputs", target.name);
    }
}

/// A target that refuses its own seeds would test nothing but refusals.
#[test]
fn seeds_are_accepted() {
    use alloy_primitives::Bytes;
    let seeds = |name: &str| {
        let target = TARGETS.iter().find(|target| target.name == name).unwrap();
        (target.seeds)()
    };
    let frames = seeds("frames").into_iter().map(Bytes::from);
    assert!(frames.filter(|data| derive::decode_batcher_transaction(data).is_ok()).count() >= 2);
    let channel = seeds("channel").remove(0);
    let batches = derive::BatchReader::new(derive::decompress(&channel).unwrap().bytes, 1);
    assert_eq!(batches.filter(Result::is_ok).count(), 3);
    let witnesses = seeds("witness").into_iter().map(Bytes::from);
    let nodes = witnesses.map(|data| primitives::Witness::decode(&data).unwrap().nodes.len());
    assert!(nodes.max().unwrap() > 3);
}
