//! Span batches: a second encoder, written from the specification alone, and chains posted with it and with
//! ours. What is derived must be what single batches give.

mod chains;

use std::sync::{Arc, Mutex};

use alloy_consensus::{
    SignableTransaction, Transaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    Typed2718,
};
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex};
use alloy_rlp::Encodable;
use bridge_derive::{
    Batch, BatchError, BatchForm, BatchReader, ChannelEncoder, ChannelId, EncodeError,
    EncoderConfig, Frame, InboxTransaction, L1Block, Pipeline, PipelineError, Severity,
    SingleBatch, SpanEncoder, Step, batcher_transactions, encode_batcher_transaction, l2_block_ref,
};
use chains::{BATCHER, CHAIN, config, execute, genesis_ref, hashes, l1_block, l1_chain, sequence};
use messages::L1Attributes;
use primitives::{Block, BlockBody, Header, L2BlockRef, RollupConfig, TxEnvelope};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

fn uvarint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bit `i` of a big-endian number in whole bytes.
fn bits(values: &[bool], out: &mut Vec<u8>) {
    let mut number = vec![0_u8; values.len().div_ceil(8)];
    let last = number.len().wrapping_sub(1);
    for (index, value) in values.iter().enumerate() {
        number[last - index / 8] |= u8::from(*value) << (index % 8);
    }
    out.extend(number);
}

fn list(fields: &[&dyn Encodable], out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    fields.iter().for_each(|field| field.encode(&mut payload));
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(out);
    out.extend(payload);
}

/// The payload of a channel with one span of these blocks.
fn encode_span(
    config: &RollupConfig,
    parent: B256,
    origin: B256,
    batches: &[SingleBatch],
    parent_epoch: u64,
) -> Vec<u8> {
    let mut out = vec![1];
    uvarint(batches[0].timestamp - config.genesis.l2_time, &mut out);
    uvarint(batches.last().unwrap().epoch.number, &mut out);
    out.extend(&parent[..20]);
    out.extend(&origin[..20]);
    uvarint(batches.len() as u64, &mut out);
    let mut before = parent_epoch;
    let changes: Vec<bool> = batches
        .iter()
        .map(|batch| std::mem::replace(&mut before, batch.epoch.number) != batch.epoch.number)
        .collect();
    bits(&changes, &mut out);
    batches.iter().for_each(|batch| uvarint(batch.transactions.len() as u64, &mut out));
    let all: Vec<TxEnvelope> = batches
        .iter()
        .flat_map(|batch| &batch.transactions)
        .map(|raw| TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap())
        .collect();
    columns(&all, &mut out);
    let mut string = Vec::new();
    out.as_slice().encode(&mut string);
    string
}

fn columns(all: &[TxEnvelope], out: &mut Vec<u8>) {
    let signature = |tx: &TxEnvelope| match tx {
        TxEnvelope::Legacy(tx) => *tx.signature(),
        TxEnvelope::Eip2930(tx) => *tx.signature(),
        TxEnvelope::Eip1559(tx) => *tx.signature(),
        TxEnvelope::Eip7702(tx) => *tx.signature(),
        _ => panic!("not in batches"),
    };
    bits(&all.iter().map(|tx| tx.to().is_none()).collect::<Vec<_>>(), out);
    bits(&all.iter().map(|tx| signature(tx).v()).collect::<Vec<_>>(), out);
    for tx in all {
        out.extend(signature(tx).r().to_be_bytes::<32>());
        out.extend(signature(tx).s().to_be_bytes::<32>());
    }
    all.iter().filter_map(|tx| tx.to()).for_each(|to| out.extend(to));
    for tx in all {
        let (value, input) = (tx.value(), tx.input().clone());
        let empty = AccessList::default();
        let access = tx.access_list().unwrap_or(&empty);
        let fee = tx.max_fee_per_gas();
        match tx.ty() {
            0 => list(&[&value, &fee, &input], out),
            1 => {
                out.push(1);
                list(&[&value, &fee, &input, access], out);
            }
            kind => {
                out.push(kind);
                let tip = tx.max_priority_fee_per_gas().unwrap();
                match tx.authorization_list() {
                    None => list(&[&value, &tip, &fee, &input, access], out),
                    Some(authorizations) => {
                        let authorizations = authorizations.to_vec();
                        list(&[&value, &tip, &fee, &input, access, &authorizations], out);
                    }
                }
            }
        }
    }
    all.iter().for_each(|tx| uvarint(tx.nonce(), out));
    all.iter().for_each(|tx| uvarint(tx.gas_limit(), out));
    let legacy = all.iter().filter(|tx| tx.ty() == 0);
    bits(&legacy.map(|tx| tx.chain_id().is_some()).collect::<Vec<_>>(), out);
}

fn transaction(rng: &mut StdRng) -> Bytes {
    let input: Bytes = (0..rng.random_range(0..40)).map(|_| rng.random::<u8>()).collect();
    let target = TxKind::Call(rng.random::<[u8; 20]>().into());
    let to = if rng.random_ratio(1, 4) { TxKind::Create } else { target };
    let value = U256::from(rng.random::<u64>() >> rng.random_range(0..64));
    let (nonce, gas_limit) =
        (rng.random::<u64>() >> rng.random_range(0..64), rng.random_range(0..u64::MAX));
    let (fee, tip) = (rng.random::<u128>() >> 70, rng.random::<u128>() >> 90);
    let access_list = AccessList(vec![AccessListItem {
        address: Address::repeat_byte(3),
        storage_keys: vec![B256::repeat_byte(rng.random())],
    }]);
    let signature = Signature::new(
        U256::from_be_bytes(rng.random::<[u8; 32]>()),
        U256::from_be_bytes(rng.random::<[u8; 32]>()),
        rng.random(),
    );
    let envelope = match rng.random_range(0..5) {
        kind @ (0 | 1) => {
            let chain_id = (kind == 0).then_some(CHAIN);
            TxEnvelope::from(
                TxLegacy { chain_id, nonce, gas_price: fee, gas_limit, to, value, input }
                    .into_signed(signature),
            )
        }
        2 => TxEnvelope::from(
            TxEip2930 {
                chain_id: CHAIN,
                nonce,
                gas_price: fee,
                gas_limit,
                to,
                value,
                access_list,
                input,
            }
            .into_signed(signature),
        ),
        3 => TxEnvelope::from(
            TxEip1559 {
                chain_id: CHAIN,
                nonce,
                gas_limit,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: tip,
                to,
                value,
                access_list,
                input,
            }
            .into_signed(signature),
        ),
        _ => {
            let authorization = Authorization {
                chain_id: U256::from(CHAIN),
                address: Address::repeat_byte(4),
                nonce: 5,
            };
            TxEnvelope::from(
                TxEip7702 {
                    chain_id: CHAIN,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fee,
                    max_priority_fee_per_gas: tip,
                    to: Address::repeat_byte(5),
                    value,
                    access_list,
                    authorization_list: vec![SignedAuthorization::new_unchecked(
                        authorization,
                        1,
                        U256::from(7),
                        U256::from(8),
                    )],
                    input,
                }
                .into_signed(signature),
            )
        }
    };
    envelope.encoded_2718().into()
}

/// The specification's layout, byte by byte and by hand: two blocks, the second of a new origin, with one
/// protected legacy transaction in the first.
#[test]
fn layout() {
    let span = hex!(
        "01" "02" "0d" "1111111111111111111111111111111111111111"
        "2222222222222222222222222222222222222222" "02" "02" "01" "00"
        "00" "01"
        "3333333333333333333333333333333333333333333333333333333333333333"
        "4444444444444444444444444444444444444444444444444444444444444444"
        "5555555555555555555555555555555555555555"
        "c3" "09" "07" "80"
        "8101" "88a401" "01"
    );
    let mut channel = Vec::new();
    span.as_slice().encode(&mut channel);
    let read: Vec<_> = BatchReader::new(channel, CHAIN).collect();
    let [Ok(Batch::Span(span))] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(span.relative_timestamp, 2);
    assert_eq!((span.parent_check, span.origin_check), ([0x11; 20], [0x22; 20]));
    // Origin 13 is the last; the second block begins it.
    assert_eq!(span.blocks.iter().map(|block| block.epoch).collect::<Vec<_>>(), [12, 13]);
    let expected = TxLegacy {
        chain_id: Some(CHAIN),
        nonce: 129,
        gas_price: 7,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x55)),
        value: U256::from(9),
        input: Bytes::new(),
    };
    let signature =
        Signature::new(U256::from_be_bytes([0x33; 32]), U256::from_be_bytes([0x44; 32]), true);
    let expected = TxEnvelope::from(expected.into_signed(signature)).encoded_2718();
    assert_eq!(span.blocks[0].transactions, [Bytes::from(expected)]);
    assert!(span.blocks[1].transactions.is_empty());
}

/// Cause: whoever begins in the middle of a posted span needs a block from before its beginning, and could
/// not go on after it was told so.
#[test]
fn a_span_that_began_earlier_waits_for_the_block_before_it() {
    let world = World::new(3, 6);
    let reference = |index: usize| l2_block_ref(&world.config, &world.blocks[index]).unwrap();
    let l1 = world.posted(&[world.span(1..world.blocks.len())]);
    let known: Arc<Mutex<Vec<L2BlockRef>>> = Arc::default();
    let shown = Arc::clone(&known);
    let system_config = world.config.genesis.system_config;
    let mut pipeline = Pipeline::new(world.config.clone(), reference(3), system_config)
        .with_blocks(Arc::new(move |number| {
            shown.lock().unwrap().iter().find(|block| block.number == number).copied()
        }));
    for block in &l1 {
        pipeline.push_l1(Arc::new(block.clone())).unwrap();
    }
    for _ in 0..2 {
        let missing = pipeline.step().unwrap_err();
        assert_eq!(missing, PipelineError::MissingBlock(1));
        assert_eq!(missing.severity(), Severity::Temporary);
    }
    known.lock().unwrap().push(reference(0));
    let mut derived = Vec::new();
    while let Step::Attributes(attributes) = pipeline.step().unwrap() {
        let block = execute(pipeline.safe_head(), &attributes);
        pipeline.accepted(l2_block_ref(&world.config, &block).unwrap());
        derived.push(block);
    }
    assert_eq!(hashes(&derived), hashes(&world.blocks)[4..]);
}

/// What lies more than a sequencing window below where derivation began need not be known: the span is
/// dropped as it would be by who knows everything.
#[test]
fn a_span_on_a_block_beyond_the_window_is_dropped_unseen() {
    let mut world = World::new(3, 30);
    let last = world.blocks.len() - 1;
    let reference =
        |world: &World, index: usize| l2_block_ref(&world.config, &world.blocks[index]).unwrap();
    let begin = last - 3;
    let safe = reference(&world, begin);
    world.config.seq_window_size = 5;
    let beyond = (0..begin)
        .rev()
        .find(|index| reference(&world, *index).l1_origin.number + 5 < safe.l1_origin.number);
    let oldest = beyond.unwrap();
    for first in [1, oldest, oldest + 1, oldest + 2, begin] {
        // The span that may be dropped, then the one that goes on.
        let l1 = world.posted(&[world.span(first..last - 1), world.span(begin + 1..last + 1)]);
        let derived = |from: usize| {
            let references: Vec<_> = (0..=begin).map(|index| reference(&world, index)).collect();
            let config = world.config.clone();
            let system_config = config.genesis.system_config;
            let known = Arc::new(Mutex::new(references));
            let shown = Arc::clone(&known);
            let mut pipeline =
                Pipeline::new(config, safe, system_config).with_blocks(Arc::new(move |number| {
                    let index = usize::try_from(number).unwrap().checked_sub(1)?;
                    let shown = shown.lock().unwrap();
                    shown.get(index).copied().filter(|_| index >= from)
                }));
            pipeline.forget_below(from as u64 + 1);
            for block in &l1 {
                pipeline.push_l1(Arc::new(block.clone())).unwrap();
            }
            let mut derived = Vec::new();
            while let Step::Attributes(attributes) = pipeline.step().unwrap() {
                let block = execute(pipeline.safe_head(), &attributes);
                let reference = l2_block_ref(&world.config, &block).unwrap();
                known.lock().unwrap().push(reference);
                pipeline.accepted(reference);
                derived.push(block);
            }
            hashes(&derived)
        };
        let everything = derived(0);
        assert!(!everything.is_empty());
        assert_eq!(derived(oldest), everything, "a span from block {}", first + 1);
    }
}

#[test]
fn a_span_takes_no_foreign_block() {
    let world = World::new(9, 4);
    let mut encoder = SpanEncoder::new(world.config.genesis.l2_time);
    let mut empty = Vec::new();
    encoder.clone().finish(&mut empty);
    assert!(empty.is_empty(), "no blocks, no span");
    encoder.add_block(&world.blocks[0]).unwrap();
    let before = encoder.bytes();
    let changed = |change: fn(&mut Block)| {
        let mut block = world.blocks[1].clone();
        change(&mut block);
        encoder.clone().add_block(&block).unwrap_err()
    };
    let foreign = changed(|block| block.body.transactions.push(blob_transaction()));
    assert_eq!(foreign, EncodeError::TransactionType { block: 2, kind: 3 });
    let early = changed(|block| block.header.timestamp = 1);
    assert!(matches!(early, EncodeError::BeforeGenesis { block: 2, timestamp: 1, .. }));
    let bare = changed(|block| block.body.transactions.clear());
    assert!(matches!(bare, EncodeError::Attributes(_)));
    assert_eq!(encoder.bytes(), before);
}

fn blob_transaction() -> TxEnvelope {
    let signature = Signature::new(U256::from(1), U256::from(2), false);
    TxEnvelope::from(TxEip4844::default().into_signed(signature))
}

#[test]
fn what_is_no_span_is_named() {
    let read = |payload: &[u8]| {
        let mut channel = Vec::new();
        payload.encode(&mut channel);
        BatchReader::new(channel, CHAIN).next().unwrap().unwrap_err()
    };
    let head = [&[1, 0, 5][..], &[0; 40]].concat();
    let with = |rest: &[u8]| read(&[&head, rest].concat());
    assert_eq!(read(&head[..20]), BatchError::Truncated);
    assert_eq!(with(&[0]), BatchError::NoBlocks);
    // Ten million and one blocks; many transactions; neither reserves memory.
    assert_eq!(with(&[0x81, 0xad, 0xe2, 0x04]), BatchError::TooManyElements);
    assert_eq!(with(&[1, 0, 0x80, 0xad, 0xe2, 0x04]), BatchError::Truncated);
    assert_eq!(with(&[1, 2, 0]), BatchError::Overflow);
    assert_eq!(with(&[1, 0, 0, 9]), BatchError::Trailing(1));
    // Seven blocks, each with an origin of its own, but the last is origin 5.
    assert_eq!(with(&[7, 0x7f, 0, 0, 0, 0, 0, 0, 0]), BatchError::Epoch);
    let data = |data: &[u8]| with(&[&[1, 0, 1, 0, 0][..], &[0; 64], &[0; 20], data].concat());
    assert_eq!(data(&[3, 0xc0]), BatchError::TransactionType(3));
    assert_eq!(data(&[0, 0xc0]), BatchError::TransactionType(0));
    assert!(matches!(data(&[2, 0x80]), BatchError::Rlp(_)));
    assert_eq!(data(&[0xc4, 1, 1, 0x80, 0x80]), BatchError::Trailing(1));
}

/// A span that op-node's own tests read, made of random transactions by its Go code (`tests/vectors`):
/// what we read of it gives, written again, the same bytes.
#[test]
fn op_nodes_span_is_read_and_written() {
    const OP_NODES_CHAIN: u64 = 981;
    let bytes = include_bytes!("../../../tests/vectors/op_node_span_batch.bin");
    let mut channel = Vec::new();
    [&[1], bytes.as_slice()].concat().as_slice().encode(&mut channel);
    let read: Vec<_> = BatchReader::new(channel.clone(), OP_NODES_CHAIN).collect();
    let [Ok(Batch::Span(span))] = read.as_slice() else { panic!("no span: {:?}", read[0]) };
    let transactions = span.blocks.iter().map(|block| block.transactions.len());
    assert_eq!((span.blocks.len(), transactions.sum::<usize>()), (4, 39));
    assert_eq!(span.relative_timestamp, 1_639_845_645);

    let hash = |check: &[u8; 20]| B256::right_padding_from(check);
    let mut encoder = SpanEncoder::new(0);
    let mut epoch = span.blocks[0].epoch - u64::from(span.begins_epoch);
    for (number, block) in (1..).zip(&span.blocks) {
        let new = std::mem::replace(&mut epoch, block.epoch) != block.epoch;
        let origin = L1Attributes {
            number: block.epoch,
            hash: hash(&span.origin_check),
            sequence_number: u64::from(!new),
            ..Default::default()
        };
        let mut transactions = vec![TxEnvelope::from(origin.transaction())];
        let users = block.transactions.iter();
        transactions.extend(users.map(|raw| TxEnvelope::decode_strict(raw).unwrap()));
        let header = Header {
            number,
            parent_hash: hash(&span.parent_check),
            timestamp: span.relative_timestamp,
            ..Default::default()
        };
        let block = Block { hash: B256::ZERO, header, body: BlockBody::rollup(transactions) };
        encoder.add_block(&block).unwrap();
    }
    let mut written = Vec::new();
    encoder.finish(&mut written);
    assert!(written == channel, "the bytes differ");
}

/// Derives with the blocks derived so far at hand.
fn derive(config: &RollupConfig, l1: &[L1Block]) -> Vec<Block> {
    let known: Arc<Mutex<Vec<L2BlockRef>>> = Arc::new(Mutex::new(vec![genesis_ref(config)]));
    let blocks_of = Arc::clone(&known);
    let mut pipeline =
        Pipeline::new(config.clone(), genesis_ref(config), config.genesis.system_config)
            .with_blocks(Arc::new(move |number| {
                blocks_of.lock().unwrap().get(number as usize).copied()
            }));
    let (mut l1, mut blocks) = (l1.iter(), Vec::new());
    loop {
        match pipeline.step().unwrap() {
            Step::NeedL1 => match l1.next() {
                Some(block) => pipeline.push_l1(Arc::new(block.clone())).unwrap(),
                None => return blocks,
            },
            Step::Attributes(attributes) => {
                let block = execute(pipeline.safe_head(), &attributes);
                let reference = l2_block_ref(config, &block).unwrap();
                known.lock().unwrap().push(reference);
                pipeline.accepted(reference);
                blocks.push(block);
            }
        }
    }
}

struct World {
    config: RollupConfig,
    l1: Vec<L1Block>,
    blocks: Vec<Block>,
}

impl World {
    fn new(seed: u64, length: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(1_000, 500);
        let l1 = l1_chain(length, &mut rng);
        let blocks = sequence(&config, &l1, &mut rng, transaction);
        Self { config, l1, blocks }
    }

    /// A span of the blocks with these indices.
    fn span(&self, range: std::ops::Range<usize>) -> Vec<u8> {
        let batch = |block| SingleBatch::from_block(block).unwrap();
        let batches: Vec<_> = self.blocks[range.clone()].iter().map(batch).collect();
        let before = range.start.checked_sub(1).map(|index| &self.blocks[index]);
        let parent = before
            .map_or(genesis_ref(&self.config), |block| l2_block_ref(&self.config, block).unwrap());
        let origin = batches.last().unwrap().epoch.hash;
        encode_span(&self.config, parent.hash, origin, &batches, parent.l1_origin.number)
    }

    /// Derives from these channels.
    fn derived(&self, channels: &[Vec<u8>]) -> Vec<Block> {
        derive(&self.config, &self.posted(channels))
    }

    /// L1 with each list of batches as a channel of its own in the block after the last.
    fn posted(&self, channels: &[Vec<u8>]) -> Vec<L1Block> {
        let mut l1 = self.l1.clone();
        let mut block = l1_block(10 + l1.len() as u64, 0, Vec::new());
        for (index, batches) in channels.iter().enumerate() {
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut zlib, batches).unwrap();
            let id = ChannelId::from(index as u128 + 1);
            let data = zlib.finish().unwrap().into();
            let frame = Frame { id, number: 0, data, is_last: true };
            let data = encode_batcher_transaction([&frame]);
            block.inbox.push(InboxTransaction { from: BATCHER, data });
        }
        l1.push(block);
        l1
    }
}

#[test]
fn spans_that_do_not_fit_are_dropped_with_their_channel() {
    let world = World::new(5, 6);
    let all = hashes(&world.blocks);
    let good = world.span(0..4);
    let check = |changed: Vec<u8>, left: usize| {
        let derived = world.derived(&[world.span(0..2), [changed, world.span(2..4)].concat()]);
        assert_eq!(hashes(&derived), all[..left]);
    };
    // Without change: the span overlaps two blocks, and the next one in the channel is of the past.
    check(good.clone(), 4);
    let payload = |span: &[u8]| {
        span.len() - alloy_rlp::Header::decode_bytes(&mut &span[..], false).unwrap().len()
    };
    let at = payload(&good);
    let flip = |index: usize| {
        let mut changed = good.clone();
        changed[at + index] ^= 1;
        changed
    };
    // The parent's hash, the last origin's hash: dropped, and the rest of the channel with it.
    check(flip(3), 2);
    check(flip(25), 2);
    // Blocks that skip some.
    check(world.span(3..4), 2);
    // A span of the past is skipped alone.
    check(world.span(0..2), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn spans_give_the_chain_that_single_batches_give(
        seed: u64,
        length in 2_u64..10,
        cuts in proptest::collection::vec((0.0_f64..1.0, 0_usize..6), 0..5),
    ) {
        let world = World::new(seed, length);
        let count = world.blocks.len();
        // Spans that follow each other or overlap what is there.
        let mut ends: Vec<(usize, usize)> =
            cuts.iter().map(|(at, overlap)| ((at * count as f64) as usize, *overlap)).collect();
        ends.push((count, 0));
        ends.sort_unstable();
        let mut channels = Vec::new();
        let mut from = 0_usize;
        for (end, overlap) in ends {
            if end > from {
                channels.push(world.span(from.saturating_sub(overlap)..end));
                from = end;
            }
        }
        prop_assert_eq!(hashes(&world.derived(&channels)), hashes(&world.blocks));
    }

    #[test]
    fn both_encoders_write_the_same_bytes(seed: u64, length in 2_u64..10, from in 0.0_f64..1.0) {
        let world = World::new(seed, length);
        let from = (from * world.blocks.len() as f64) as usize;
        let mut encoder = SpanEncoder::new(world.config.genesis.l2_time);
        for block in &world.blocks[from..] {
            let users = block.body.transactions.iter().filter(|tx| !tx.is_deposit()).count();
            prop_assert_eq!(encoder.add_block(block), Ok(users as u64));
        }
        let bytes = encoder.bytes();
        let mut ours = Vec::new();
        encoder.finish(&mut ours);
        let theirs = world.span(from..world.blocks.len());
        prop_assert!(bytes < theirs.len());
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn channels_of_spans_give_the_chain(
        seed: u64,
        length in 2_u64..10,
        cuts in proptest::collection::vec(0.0_f64..1.0, 0..4),
        frame_size in 100_usize..3_000,
    ) {
        let world = World::new(seed, length);
        let count = world.blocks.len();
        let mut cuts: Vec<usize> = cuts.iter().map(|at| (at * count as f64) as usize).collect();
        cuts.push(count);
        cuts.sort_unstable();
        let mut block = l1_block(10 + length, 0, Vec::new());
        let mut from = 0;
        for (index, to) in cuts.into_iter().enumerate() {
            let genesis_time = world.config.genesis.l2_time;
            let config = EncoderConfig {
                batches: BatchForm::Span { genesis_time },
                frame_size_max: frame_size,
                ..Default::default()
            };
            let mut encoder =
                ChannelEncoder::new(ChannelId::from(index as u128 + 1), config).unwrap();
            for block in &world.blocks[from..to] {
                encoder.add_block(block).unwrap();
            }
            from = from.max(to);
            let Some(channel) = encoder.close().unwrap() else { continue };
            for data in batcher_transactions(&channel) {
                block.inbox.push(InboxTransaction { from: BATCHER, data });
            }
        }
        let mut l1 = world.l1.clone();
        l1.push(block);
        prop_assert_eq!(hashes(&derive(&world.config, &l1)), hashes(&world.blocks));
    }

    #[test]
    fn decoding_undoes_encoding(seed: u64, length in 2_u64..8) {
        let world = World::new(seed, length);
        let span = world.span(0..world.blocks.len());
        let read: Vec<_> = BatchReader::new(span.clone(), CHAIN).collect();
        let [Ok(Batch::Span(decoded))] = read.as_slice() else { panic!("{read:?}") };
        let first = l2_block_ref(&world.config, &world.blocks[0]).unwrap();
        prop_assert_eq!(decoded.begins_epoch, first.sequence_number == 0);
        for (found, block) in decoded.blocks.iter().zip(&world.blocks) {
            let expected = SingleBatch::from_block(block).unwrap();
            prop_assert_eq!(found.epoch, expected.epoch.number);
            prop_assert_eq!(&found.transactions, &expected.transactions);
        }
        prop_assert_eq!(decoded.blocks.len(), world.blocks.len());
    }

    #[test]
    fn damaged_spans_never_give_another_chain(
        seed: u64,
        at in 0.0_f64..1.0,
        byte: u8,
        cut in proptest::bool::ANY,
    ) {
        let world = World::new(seed, 4);
        let mut span = world.span(0..world.blocks.len());
        let index = (at * span.len() as f64) as usize;
        if cut { span.truncate(index) } else { span[index] = byte }
        // What is derived is a chain on genesis; nothing panics, whatever the bytes are.
        let derived = world.derived(&[span]);
        let mut parent = genesis_ref(&world.config).hash;
        for block in derived {
            prop_assert_eq!(block.header.parent_hash, parent);
            parent = block.hash;
        }
    }
}
