//! Prints what recovering a signer costs, in lanes and one after another.
//!
//! `cargo build -p sequencer-signatures --example recover -p deps && target/debug/examples/recover [signatures]`

use std::time::Instant;

use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{B256, Signature, keccak256};
use k256::ecdsa::SigningKey;
use sequencer_signatures::Signed;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(800_usize);
    let all: Vec<(Signature, B256)> = (0..count)
        .map(|index| {
            let key =
                SigningKey::from_slice(keccak256([1, index as u8]).as_slice()).expect("a key");
            let hash = keccak256(index.to_be_bytes());
            let (signature, parity) = key.sign_prehash_recoverable(hash.as_slice()).expect("signs");
            (Signature::from((signature, parity)), hash)
        })
        .collect();
    let signed: Vec<Signed> = all
        .iter()
        .map(|(signature, hash)| Signed {
            hash: *hash,
            r: signature.r(),
            s: signature.s(),
            y_odd: signature.v(),
        })
        .collect();
    let mut found = Vec::new();
    let (mut lanes, mut single) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let started = Instant::now();
        found = sequencer_signatures::recover(&signed);
        lanes = lanes.min(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let known: Vec<_> =
            all.iter().map(|(signature, hash)| recover_signer(signature, *hash).ok()).collect();
        single = single.min(started.elapsed().as_secs_f64());
        assert!(!sequencer_signatures::available() || found == known, "another signer");
    }
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    println!(
        "{count} signatures, {} found in lanes: {:.2} µs each; one after another {:.2} µs",
        found.iter().flatten().count(),
        each(lanes),
        each(single)
    );
}
