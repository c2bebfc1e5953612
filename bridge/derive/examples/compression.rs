//! Bytes on L1 and compression time per native transfer, for each brotli level: the measurement
//! behind the default level. `cargo run -p bridge-derive --example compression`.

use std::time::Instant;

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Signature, TxKind, U256, keccak256};
use bridge_derive::{ChannelEncoder, ChannelId, Compression, EncoderConfig, batcher_transactions};
use messages::L1Attributes;
use primitives::{Block, BlockBody, TxEnvelope};
use rand::{Rng, SeedableRng, rngs::StdRng};

const ACCOUNTS: u64 = 10_000;
const TRANSFERS_PER_BLOCK: usize = 500;
const BLOCKS: u64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blocks = blocks();
    let transfers = TRANSFERS_PER_BLOCK as f64 * BLOCKS as f64;
    println!("level  raw B/tx  L1 B/tx  us/tx");
    for level in [0, 1, 2, 3, 4, 5, 6, 7, 9, 10] {
        let config = EncoderConfig {
            compression: Compression::Brotli { level },
            channel_size_target: usize::MAX,
            ..Default::default()
        };
        let started = Instant::now();
        let mut encoder = ChannelEncoder::new(ChannelId::repeat_byte(1), config)?;
        for block in &blocks {
            encoder.add_block(block)?;
        }
        let Some(channel) = encoder.close()? else {
            continue;
        };
        let elapsed = started.elapsed();
        let posted: usize = batcher_transactions(&channel).iter().map(|data| data.len()).sum();
        println!(
            "{level:>5}  {:>8.1}  {:>7.1}  {:>5.1}",
            channel.raw_bytes as f64 / transfers,
            posted as f64 / transfers,
            elapsed.as_secs_f64() * 1e6 / transfers
        );
    }
    Ok(())
}

/// Transfers between accounts of which a few are used often.
fn blocks() -> Vec<Block> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut nonces = vec![0_u64; ACCOUNTS as usize];
    (1..=BLOCKS)
        .map(|number| {
            let l1 =
                L1Attributes { number: number / 2, hash: keccak256([1]), ..Default::default() };
            let mut transactions = vec![TxEnvelope::from(l1.transaction())];
            for _ in 0..TRANSFERS_PER_BLOCK {
                transactions.push(transfer(&mut rng, &mut nonces));
            }
            let header = Header {
                number,
                parent_hash: keccak256(number.to_be_bytes()),
                timestamp: 1_700_000_000 + number,
                ..Default::default()
            };
            Block { hash: B256::ZERO, header, body: BlockBody::rollup(transactions) }
        })
        .collect()
}

fn transfer(rng: &mut StdRng, nonces: &mut [u64]) -> TxEnvelope {
    let mut skewed = || {
        let uniform: f64 = rng.random();
        ((ACCOUNTS as f64).powf(uniform) as usize).min(nonces.len() - 1)
    };
    let (from, to) = (skewed(), skewed());
    let nonce = nonces[from];
    nonces[from] += 1;
    let transaction = TxEip1559 {
        chain_id: 16_120,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(Address::from_word(keccak256((to as u64).to_be_bytes()))),
        value: U256::from(rng.random_range(1..1_000_u64)) * U256::from(1_000_000_000_000_000_u64),
        ..Default::default()
    };
    let word = |rng: &mut StdRng| U256::from_be_bytes(rng.random::<[u8; 32]>());
    let signature = Signature::new(word(rng), word(rng), rng.random());
    TxEnvelope::from(transaction.into_signed(signature))
}
