//! What L1 says: batcher transactions, channels, batches, deposits.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, LogData, U256, keccak256};
use derive::{
    Batch, BatchReader, ChannelEncoder, EncoderConfig, Frame, InboxTransaction, L1Block, Pipeline,
    SingleBatch, Step, batcher_transactions as frames_of, decode_batcher_transaction,
    encode_batcher_transaction,
};
use messages::{DepositLog, L1Attributes};
use primitives::{
    Block, BlockBody, BlockNumHash, Header, L2BlockRef, RollupConfig, RollupGenesis, SystemConfig,
    TxEnvelope,
};

use crate::chain::envelopes;

const BATCHER: Address = Address::repeat_byte(0xba);
/// Of the transactions in spans.
const L2_CHAIN: u64 = 16_120;

/// Calldata of a batcher transaction.
pub(crate) fn frames(data: &[u8]) {
    let data = Bytes::copy_from_slice(data);
    if let Ok(frames) = decode_batcher_transaction(&data) {
        let encoded = encode_batcher_transaction(frames.iter());
        assert_eq!(decode_batcher_transaction(&encoded).as_ref(), Ok(&frames));
        assert_eq!(encoded, data, "two encodings of the same frames");
    }
}

/// The beginning of a blob whose rest is zero.
pub(crate) fn blob(data: &[u8]) {
    let mut blob = data.to_vec();
    blob.resize(derive::BLOB_SIZE, 0);
    let Ok(decoded) = derive::decode_blob(&blob) else { return };
    // Of the first field element the two highest bits are not looked at.
    blob[0] &= 0x3f;
    assert_eq!(derive::encode_blob(&decoded), Some(blob), "two encodings of one blob's data");
}

/// Blobs without the zeros at their end.
pub(crate) fn blobs() -> Vec<Vec<u8>> {
    let data = batcher_transactions().into_iter().chain([Vec::new(), vec![0xff; 400]]);
    let blobs = data.filter_map(|data| derive::encode_blob(&data));
    blobs
        .map(|blob| {
            let end = blob.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            blob[..end].to_vec()
        })
        .collect()
}

/// A compressed channel.
pub(crate) fn channel(data: &[u8]) {
    let Ok(channel) = derive::decompress(data) else { return };
    assert!(channel.bytes.len() <= derive::RLP_BYTES_PER_CHANNEL_MAX);
    batches(&channel.bytes);
}

/// A decompressed channel.
pub(crate) fn batches(data: &[u8]) {
    // A batch takes at least a byte, so this ends.
    for batch in BatchReader::new(data.to_vec(), L2_CHAIN).map_while(Result::ok) {
        match batch {
            Batch::Single(single) => {
                let mut encoded = Vec::new();
                single.encode(&mut encoded);
                let again: Vec<_> = BatchReader::new(encoded, L2_CHAIN).collect();
                assert_eq!(again, vec![Ok(Batch::Single(single))]);
            }
            Batch::Span(span) => {
                assert!(!span.blocks.is_empty(), "a span without blocks");
                let transactions = span.blocks.iter().flat_map(|block| &block.transactions);
                for transaction in transactions {
                    // What a span gives is the one encoding of a transaction of this chain.
                    crate::chain::transaction(transaction);
                }
            }
        }
    }
}

/// A span batch without its type byte.
pub(crate) fn span(data: &[u8]) {
    let payload = [&[1], data].concat();
    batches(&alloy_rlp::encode(payload.as_slice()));
}

/// Two blocks, the second of a new origin, a legacy transaction in the first.
pub(crate) fn spans() -> Vec<Vec<u8>> {
    let head = [&[2, 13][..], &[0x11; 20], &[0x22; 20], &[2, 2, 1, 0, 0, 1]].concat();
    let signature = [[0x33; 32], [0x44; 32]].concat();
    let rest = [0xc3, 9, 7, 0x80, 0x81, 1, 0x88, 0xa4, 1, 1];
    vec![[head, signature, vec![0x55; 20], rest.to_vec()].concat()]
}

/// Any calldata in the inbox: derivation goes on, and a window that closes without batches is
/// filled with empty blocks.
pub(crate) fn inbox(data: &[u8]) {
    let config = config();
    let safe = L2BlockRef {
        hash: config.genesis.l2.hash,
        timestamp: config.genesis.l2_time,
        l1_origin: config.genesis.l1,
        ..Default::default()
    };
    let system_config = config.genesis.system_config;
    let mut pipeline = Pipeline::new(config, safe, system_config);
    let mut made = 0_u64;
    for number in 0..8 {
        let data = if number == 2 { data.to_vec() } else { Vec::new() };
        let Ok(()) = pipeline.push_l1(Arc::new(l1_block(number, data))) else {
            panic!("L1 block {number} was refused")
        };
        // A step consumes L1 data or makes a block, and a window holds few blocks.
        for _ in 0..1_000 {
            match pipeline.step() {
                Ok(Step::NeedL1) => break,
                Ok(Step::Attributes(attributes)) => {
                    made += 1;
                    pipeline.accepted(L2BlockRef {
                        hash: keccak256(made.to_be_bytes()),
                        number: made,
                        parent_hash: keccak256((made - 1).to_be_bytes()),
                        timestamp: attributes.timestamp,
                        l1_origin: attributes.l1_origin,
                        sequence_number: attributes.sequence_number,
                    });
                }
                Err(error) => panic!("derivation stopped: {error}"),
            }
        }
    }
    assert!(made > 0, "the sequencing window closed and no block was derived");
}

/// A `TransactionDeposited` log: number of topics, topics, data.
pub(crate) fn deposit_log(data: &[u8]) {
    let log = log_data(data);
    let place = DepositLog { data: &log, l1_block_hash: B256::repeat_byte(1), log_index: 3 };
    if let Ok(deposit) = messages::decode_deposit(place) {
        assert!(!deposit.is_system_transaction);
        assert_eq!(
            deposit.source_hash,
            messages::user_deposit_source_hash(B256::repeat_byte(1), 3)
        );
    }
}

/// A `ConfigUpdate` log, in the same form.
pub(crate) fn config_update(data: &[u8]) {
    let _ = messages::decode_config_update(&log_data(data));
    let _ = messages::decode_withdrawal(&log_data(data));
}

/// Calldata of an L1 attributes transaction.
pub(crate) fn l1_attributes(data: &[u8]) {
    if let Ok(decoded) = L1Attributes::decode(data) {
        assert_eq!(decoded.encode().as_ref(), data);
    }
}

fn log_data(data: &[u8]) -> LogData {
    let (count, rest) = data.split_first().map_or((0, data), |(count, rest)| (count % 5, rest));
    let (words, _) = rest.as_chunks::<32>();
    let topics: Vec<B256> = words.iter().take(usize::from(count)).map(B256::from).collect();
    let data = rest.get(topics.len() * 32..).unwrap_or_default();
    LogData::new_unchecked(topics, Bytes::copy_from_slice(data))
}

fn config() -> RollupConfig {
    let first = l1_block(0, Vec::new());
    RollupConfig {
        genesis: RollupGenesis {
            l1: BlockNumHash { number: first.number, hash: first.hash },
            l2: BlockNumHash { number: 0, hash: keccak256(0_u64.to_be_bytes()) },
            l2_time: first.timestamp,
            system_config: SystemConfig { batcher_address: BATCHER, ..Default::default() },
        },
        block_time: 1,
        max_sequencer_drift: 1_800,
        seq_window_size: 3,
        channel_timeout: 2,
        l1_chain_id: 16_121,
        l2_chain_id: 16_120,
        batch_inbox_address: Address::repeat_byte(0xff),
        deposit_contract_address: Address::repeat_byte(0xdd),
        l1_system_config_address: Address::repeat_byte(0xcc),
    }
}

/// The block `index` places after the first.
fn l1_block(index: u64, data: Vec<u8>) -> L1Block {
    let number = 10 + index;
    let inbox = if data.is_empty() {
        Vec::new()
    } else {
        vec![InboxTransaction { from: BATCHER, data: data.into() }]
    };
    L1Block {
        hash: keccak256(number.to_be_bytes()),
        number,
        parent_hash: keccak256((number - 1).to_be_bytes()),
        timestamp: 1_700_000_000 + index * 2,
        base_fee: 1_000_000_000,
        blob_base_fee: 1,
        mix_hash: B256::repeat_byte(5),
        parent_beacon_block_root: B256::ZERO,
        deposits: Vec::new(),
        inbox,
        config_updates: Vec::new(),
    }
}

fn l2_blocks() -> Vec<Block> {
    let mut parent = keccak256(0_u64.to_be_bytes());
    (1..4_u64)
        .map(|number| {
            let origin = L1Attributes {
                number: 10,
                hash: l1_block(0, Vec::new()).hash,
                sequence_number: number,
                ..Default::default()
            };
            let mut transactions = vec![TxEnvelope::from(origin.transaction())];
            let user = envelopes().into_iter();
            transactions.extend(user.filter(|tx| !tx.is_deposit() && tx.tx_type() as u8 != 3));
            let header = Header {
                number,
                parent_hash: parent,
                timestamp: 1_700_000_000 + number,
                ..Default::default()
            };
            let hash = keccak256(number.to_be_bytes());
            parent = hash;
            Block { hash, header, body: BlockBody::rollup(transactions) }
        })
        .collect()
}

fn closed_channel() -> Option<derive::ClosedChannel> {
    let mut encoder = ChannelEncoder::new(Default::default(), EncoderConfig::default()).ok()?;
    for block in l2_blocks() {
        encoder.add_block(&block).ok()?;
    }
    encoder.close().ok()?
}

pub(crate) fn batcher_transactions() -> Vec<Vec<u8>> {
    let own = closed_channel().map(|channel| frames_of(&channel)).unwrap_or_default();
    let odd = Frame { id: Default::default(), number: 3, data: Bytes::new(), is_last: true };
    own.iter()
        .map(|data| data.to_vec())
        .chain([encode_batcher_transaction([&odd, &odd]).to_vec(), vec![0], Vec::new()])
        .collect()
}

pub(crate) fn batch_lists() -> Vec<Vec<u8>> {
    let batches = l2_blocks().into_iter().filter_map(|block| SingleBatch::from_block(&block).ok());
    let mut all = Vec::new();
    for batch in batches {
        batch.encode(&mut all);
    }
    vec![all, vec![0x81, 0x80], vec![0xc0]]
}

pub(crate) fn channels() -> Vec<Vec<u8>> {
    let frames = batcher_transactions();
    let data: Vec<Vec<u8>> = frames
        .iter()
        .filter_map(|data| decode_batcher_transaction(&Bytes::from(data.clone())).ok())
        .map(|frames| frames.iter().flat_map(|frame| frame.data.to_vec()).collect())
        .collect();
    data.into_iter().chain([vec![1], vec![0x78, 0x9c], Vec::new()]).collect()
}

pub(crate) fn deposit_logs() -> Vec<Vec<u8>> {
    // Topics: signature, from, to, version. Data: offset, length, then mint, value, gas, flag, input.
    let topics = [
        keccak256("TransactionDeposited(address,address,uint256,bytes)"),
        Address::repeat_byte(1).into_word(),
        Address::repeat_byte(2).into_word(),
        B256::ZERO,
    ];
    let mut opaque = Vec::new();
    opaque.extend(U256::from(5).to_be_bytes::<32>());
    opaque.extend(U256::from(5).to_be_bytes::<32>());
    opaque.extend(100_000_u64.to_be_bytes());
    opaque.push(0);
    opaque.extend([1, 2, 3]);
    vec![log_seed(&topics, &abi_bytes(&opaque))]
}

pub(crate) fn config_updates() -> Vec<Vec<u8>> {
    (0..7_u8)
        .map(|kind| {
            let topics = [
                keccak256("ConfigUpdate(uint256,uint8,bytes)"),
                B256::ZERO,
                B256::with_last_byte(kind),
            ];
            log_seed(&topics, &abi_bytes(&vec![1; if kind == 1 { 64 } else { 32 }]))
        })
        .collect()
}

fn abi_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = U256::from(32).to_be_bytes::<32>().to_vec();
    out.extend(U256::from(bytes.len()).to_be_bytes::<32>());
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(32), 0);
    out
}

fn log_seed(topics: &[B256], data: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::try_from(topics.len()).unwrap_or(4)];
    out.extend(topics.iter().flat_map(|topic| topic.0));
    out.extend(data);
    out
}

pub(crate) fn attributes() -> Vec<Vec<u8>> {
    vec![L1Attributes::default().encode().to_vec()]
}
