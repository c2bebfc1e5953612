//! Bytes on L1 and CPU per transaction, for both forms of batches and several compressors: the
//! measurement behind the batcher's form and level. `cargo run -p bridge-derive --example compression`.
//!
//! CPU is that of the process and covers what the batcher does with a block: taking it apart, columns or
//! RLP, compression. A channel holds all blocks, so frames and hashes weigh little, as they do under load.

use std::io::Write;

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use bridge_derive::{
    BatchForm, ChannelEncoder, ChannelId, Compression, EncoderConfig, SingleBatch, SpanEncoder,
    batcher_transactions,
};
use messages::L1Attributes;
use primitives::{Block, BlockBody, TxEnvelope};
use rand::{Rng, SeedableRng, rngs::StdRng};

const ACCOUNTS: u64 = 10_000;
const BLOCKS: u64 = 20;
const GENESIS_TIME: u64 = 1_700_000_000;
const SPAN: BatchForm = BatchForm::Span { genesis_time: GENESIS_TIME };
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

sol! {
    function transfer(address to, uint256 amount) external returns (bool);

    struct ModelTotal { uint256 modelId; uint128 fees; uint128 attributed; }
    struct PoolTotal { uint256 datanetId; uint128 amount; }
    struct EpochPost {
        uint64 epochId;
        address gateway;
        bytes32 engineSpecHash;
        bytes32 receiptsRoot;
        uint64 firstReceipt;
        uint32 receiptCount;
        bytes32 claimsRoot;
        uint128 claimsTotal;
        ModelTotal[] models;
        PoolTotal[] pools;
    }
    /// As in `contracts/src/interfaces/IAttributionSettlement.sol`.
    function postEpoch(EpochPost calldata post, bytes[] calldata signatures) external payable;
}

#[derive(Clone, Copy)]
enum Kind {
    Native,
    Erc20,
    /// Two models, four pools, two engines' signatures.
    Epoch,
}

fn main() -> Result<()> {
    for (kind, per_block, name) in [
        (Kind::Native, 500, "native transfer"),
        (Kind::Erc20, 500, "ERC-20 transfer"),
        (Kind::Epoch, 1, "attribution epoch"),
    ] {
        let blocks = blocks(kind, per_block);
        let count = per_block as f64 * BLOCKS as f64;
        println!("{name}");
        println!("  compression   single B  single us    span B  span us");
        row("none", count, &blocks, |data| Ok(data.to_vec()))?;
        for level in [1, 6, 9] {
            row(&format!("zlib {level}"), count, &blocks, |data| {
                let out = Vec::new();
                let mut writer =
                    flate2::write::ZlibEncoder::new(out, flate2::Compression::new(level));
                writer.write_all(data)?;
                Ok(writer.finish()?)
            })?;
        }
        for level in [1, 3, 9, 19] {
            row(&format!("zstd {level}"), count, &blocks, |data| {
                Ok(zstd::bulk::compress(data, level)?)
            })?;
        }
        for level in [0, 1, 2, 3, 4, 5, 6, 7, 9, 10] {
            let (single, single_time) = channel(&blocks, level, BatchForm::Single)?;
            let (span, span_time) = channel(&blocks, level, SPAN)?;
            print(&format!("brotli {level}"), count, (single, single_time), (span, span_time));
        }
    }
    Ok(())
}

/// Another compressor over the same bytes.
fn row(
    name: &str,
    count: f64,
    blocks: &[Block],
    compress: impl Fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<()> {
    let single = measure(|| {
        let mut raw = Vec::new();
        for block in blocks {
            SingleBatch::from_block(block)?.encode(&mut raw);
        }
        Ok(compress(&raw)?.len())
    })?;
    let span = measure(|| {
        let mut encoder = SpanEncoder::new(GENESIS_TIME);
        for block in blocks {
            encoder.add_block(block)?;
        }
        let mut raw = Vec::new();
        encoder.finish(&mut raw);
        Ok(compress(&raw)?.len())
    })?;
    print(name, count, single, span);
    Ok(())
}

/// What the batcher posts, frames included.
fn channel(blocks: &[Block], level: u32, batches: BatchForm) -> Result<(usize, f64)> {
    let config = EncoderConfig {
        batches,
        compression: Compression::Brotli { level },
        channel_size_target: usize::MAX,
        ..Default::default()
    };
    measure(|| {
        let mut encoder = ChannelEncoder::new(ChannelId::repeat_byte(1), config)?;
        for block in blocks {
            encoder.add_block(block)?;
        }
        let channel = encoder.close()?.ok_or("no blocks")?;
        Ok(batcher_transactions(&channel).iter().map(|data| data.len()).sum())
    })
}

/// What `work` gives and the seconds of CPU it takes, over as many runs as the clock's ticks ask for.
fn measure(work: impl Fn() -> Result<usize>) -> Result<(usize, f64)> {
    let (started, mut runs) = (cpu_time()?, 0);
    loop {
        let bytes = work()?;
        runs += 1;
        let used = cpu_time()? - started;
        if used > 0.2 {
            return Ok((bytes, used / f64::from(runs)));
        }
    }
}

fn print(name: &str, count: f64, single: (usize, f64), span: (usize, f64)) {
    let each = |(bytes, seconds): (usize, f64)| (bytes as f64 / count, seconds * 1e6 / count);
    let ((single, single_us), (span, span_us)) = (each(single), each(span));
    println!("  {name:<12}  {single:>8.1}  {single_us:>9.1}  {span:>8.1}  {span_us:>7.1}");
}

/// Seconds of CPU that this process has used: a busy machine does not change it.
fn cpu_time() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = stat.split_whitespace().next().ok_or("no CPU time")?.parse()?;
    Ok(nanoseconds / 1e9)
}

fn blocks(kind: Kind, per_block: usize) -> Vec<Block> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut nonces = vec![0_u64; ACCOUNTS as usize];
    (1..=BLOCKS)
        .map(|number| {
            let l1 =
                L1Attributes { number: number / 2, hash: keccak256([1]), ..Default::default() };
            let mut transactions = vec![TxEnvelope::from(l1.transaction())];
            for index in 0..per_block {
                transactions.push(match kind {
                    Kind::Epoch => epoch(&mut rng, number * per_block as u64 + index as u64),
                    kind => transfer(&mut rng, &mut nonces, kind),
                });
            }
            let header = Header {
                number,
                parent_hash: keccak256(number.to_be_bytes()),
                timestamp: GENESIS_TIME + number,
                ..Default::default()
            };
            Block { hash: B256::ZERO, header, body: BlockBody::rollup(transactions) }
        })
        .collect()
}

/// Between accounts of which a few are used often.
fn transfer(rng: &mut StdRng, nonces: &mut [u64], kind: Kind) -> TxEnvelope {
    let mut skewed = || {
        let uniform: f64 = rng.random();
        ((ACCOUNTS as f64).powf(uniform) as usize).min(nonces.len() - 1)
    };
    let (from, to) = (skewed(), skewed());
    let nonce = nonces[from];
    nonces[from] += 1;
    let target = Address::from_word(keccak256((to as u64).to_be_bytes()));
    let amount = U256::from(rng.random_range(1..1_000_u64)) * U256::from(1_000_000_000_000_000_u64);
    let (to, value, input, gas_limit) = match kind {
        Kind::Erc20 => {
            let input = transferCall { to: target, amount }.abi_encode();
            // One of a few tokens.
            let token = Address::repeat_byte(0x70 + rng.random_range(0..8_u8));
            (token, U256::ZERO, input, 60_000)
        }
        Kind::Native | Kind::Epoch => (target, amount, Vec::new(), 21_000),
    };
    sign(rng, nonce, gas_limit, to, value, input.into())
}

fn epoch(rng: &mut StdRng, number: u64) -> TxEnvelope {
    let word = |rng: &mut StdRng| B256::from(rng.random::<[u8; 32]>());
    let amount = |rng: &mut StdRng| u128::from(rng.random::<u64>());
    let post = EpochPost {
        epochId: number,
        gateway: Address::repeat_byte(0x61),
        engineSpecHash: B256::repeat_byte(0xe5),
        receiptsRoot: word(rng),
        firstReceipt: number * 100,
        receiptCount: 100,
        claimsRoot: word(rng),
        claimsTotal: amount(rng),
        models: (1..=2)
            .map(|id| ModelTotal {
                modelId: U256::from(id),
                fees: amount(rng),
                attributed: amount(rng),
            })
            .collect(),
        pools: (1..=4)
            .map(|id| PoolTotal { datanetId: U256::from(id), amount: amount(rng) })
            .collect(),
    };
    let signatures = (0..2)
        .map(|_| {
            [word(rng).as_slice(), word(rng).as_slice(), &[27 + rng.random_range(0..2_u8)]]
                .concat()
                .into()
        })
        .collect();
    let input = postEpochCall { post, signatures }.abi_encode();
    let bond = U256::from(1_000_000_000_000_000_000_u64);
    sign(rng, number, 900_000, Address::repeat_byte(0x5e), bond, input.into())
}

fn sign(
    rng: &mut StdRng,
    nonce: u64,
    gas_limit: u64,
    to: Address,
    value: U256,
    input: Bytes,
) -> TxEnvelope {
    let transaction = TxEip1559 {
        chain_id: 16_120,
        nonce,
        gas_limit,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(to),
        value,
        input,
        ..Default::default()
    };
    let word = |rng: &mut StdRng| U256::from_be_bytes(rng.random::<[u8; 32]>());
    let signature = Signature::new(word(rng), word(rng), rng.random());
    TxEnvelope::from(transaction.into_signed(signature))
}
