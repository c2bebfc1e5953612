//! Whole chains: a made-up sequencer builds L2 blocks over a made-up L1, the encoder posts them, and
//! derivation must give the same block hashes whatever else stands in the inbox.

mod chains;

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, Signature, TxKind, U256, keccak256};
use bridge_derive::{
    AddOutcome, AttributesError, BatchForm, ChannelEncoder, ChannelId, Compression, EncoderConfig,
    Frame, InboxTransaction, L1Block, Pipeline, PipelineError, Severity, SingleBatch, Step,
    attributes, encode_batcher_transaction, l2_block_ref, system_config_of,
};
use chains::{
    BATCHER, L1_BLOCK_TIME, START, config, execute, genesis_ref, hashes, l1_block, l1_chain,
};
use primitives::{Block, L2BlockRef, PayloadAttributes, RollupConfig, SystemConfig, TxEnvelope};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

fn transfer(rng: &mut StdRng) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: 16_120,
        nonce: rng.random_range(0..50),
        gas_limit: 21_000,
        max_fee_per_gas: 2_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: TxKind::Call(Address::from_word(keccak256([rng.random::<u8>()]))),
        value: U256::from(rng.random::<u64>()),
        ..Default::default()
    };
    let signature = Signature::new(
        U256::from_be_bytes(rng.random::<[u8; 32]>()),
        U256::from_be_bytes(rng.random::<[u8; 32]>()),
        rng.random(),
    );
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn sequence(config: &RollupConfig, l1: &[L1Block], rng: &mut StdRng) -> Vec<Block> {
    chains::sequence(config, l1, rng, transfer)
}

/// All frames of `blocks`, `per_channel` blocks in each channel.
fn frames(blocks: &[Block], per_channel: usize, frame_size_max: usize) -> Vec<Vec<Frame>> {
    let channels = blocks.chunks(per_channel).enumerate();
    channels
        .map(|(index, chunk)| {
            let config = EncoderConfig {
                batches: BatchForm::Single,
                compression: Compression::Brotli { level: 4 },
                frame_size_max,
                channel_size_target: 1_000_000,
            };
            let id = ChannelId::from(index as u128 + 1);
            let mut encoder = ChannelEncoder::new(id, config).unwrap();
            for block in chunk {
                assert_eq!(encoder.add_block(block).unwrap(), AddOutcome::Added);
            }
            encoder.close().unwrap().unwrap().frames
        })
        .collect()
}

/// Derives everything from `l1`; payloads for which `valid` says no are reported invalid.
fn derive_from(
    config: &RollupConfig,
    safe: L2BlockRef,
    system_config: SystemConfig,
    l1: &[L1Block],
    valid: impl Fn(&PayloadAttributes) -> bool,
) -> Vec<Block> {
    let mut pipeline = Pipeline::new(config.clone(), safe, system_config);
    let start = pipeline.l1_start();
    let mut l1 = l1.iter().filter(|block| block.number >= start);
    let mut blocks = Vec::new();
    loop {
        match pipeline.step().unwrap() {
            Step::NeedL1 => match l1.next() {
                Some(block) => pipeline.push_l1(Arc::new(block.clone())).unwrap(),
                None => return blocks,
            },
            Step::Attributes(attributes) if valid(&attributes) => {
                assert!(attributes.no_tx_pool);
                let block = execute(pipeline.safe_head(), &attributes);
                pipeline.accepted(l2_block_ref(config, &block).unwrap());
                blocks.push(block);
            }
            Step::Attributes(_) => pipeline.invalid_payload().unwrap(),
        }
    }
}

fn derive(config: &RollupConfig, l1: &[L1Block]) -> Vec<Block> {
    derive_from(config, genesis_ref(config), config.genesis.system_config, l1, |_| true)
}

fn post(block: &mut L1Block, from: Address, data: impl Into<Bytes>) {
    block.inbox.push(InboxTransaction { from, data: data.into() });
}

/// What the inbox may hold beside the batcher's frames in order. None of it may change anything.
fn garbage(rng: &mut StdRng, genuine: &Bytes, block: &mut L1Block) {
    let noise: Vec<u8> = (0..rng.random_range(0..60)).map(|_| rng.random()).collect();
    match rng.random_range(0..6) {
        0 => post(block, BATCHER, noise),
        1 => post(block, BATCHER, [&[0], noise.as_slice()].concat()),
        // The genuine transaction from somebody else.
        2 => post(block, Address::repeat_byte(1), genuine.clone()),
        // A later frame of no open channel.
        3 => {
            let id = ChannelId::from(rng.random::<u128>() | 1 << 127);
            let number = rng.random_range(1..9);
            let frame = Frame { id, number, data: noise.into(), is_last: rng.random() };
            post(block, BATCHER, encode_batcher_transaction([&frame]));
        }
        // Cut short.
        4 => post(block, BATCHER, genuine.slice(..genuine.len() - 1)),
        // Another version.
        _ => post(block, BATCHER, [&[1], genuine.as_ref()].concat()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_with_garbage_between_gives_the_same_chain(
        seed: u64,
        length in 2_u64..12,
        per_channel in 1_usize..30,
        frame_size in 30_usize..3_000,
        resume_at in 0.0_f64..1.0,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(1_000, 500);
        let mut l1 = l1_chain(length, &mut rng);
        let blocks = sequence(&config, &l1, &mut rng);
        let frames = frames(&blocks, per_channel, frame_size).concat();
        // All frames in order over later L1 blocks, any number in a transaction.
        let mut number = 10 + length;
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            let mut block = l1_block(number, 0, Vec::new());
            for _ in 0..rng.random_range(0..4) {
                let (now, later) = rest.split_at(rng.random_range(0..=rest.len().min(5)));
                rest = later;
                if !now.is_empty() {
                    let data = encode_batcher_transaction(now);
                    garbage(&mut rng, &data, &mut block);
                    post(&mut block, BATCHER, data.clone());
                    garbage(&mut rng, &data, &mut block);
                }
            }
            l1.push(block);
            number += 1;
        }
        let derived = derive(&config, &l1);
        prop_assert_eq!(hashes(&derived), hashes(&blocks));

        // A pipeline that continues in the middle derives the rest.
        if !blocks.is_empty() {
            let at = (resume_at * blocks.len() as f64) as usize;
            let safe = l2_block_ref(&config, &blocks[at]).unwrap();
            let in_force = system_config_of(&blocks[at]).unwrap();
            let rest = derive_from(&config, safe, in_force, &l1, |_| true);
            prop_assert_eq!(hashes(&rest), hashes(&blocks[at + 1..]));
        }
    }

    #[test]
    fn frames_in_any_order_never_give_another_chain(seed: u64, length in 2_u64..8) {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(1_000, 500);
        let mut l1 = l1_chain(length, &mut rng);
        let blocks = sequence(&config, &l1, &mut rng);
        let mut frames = frames(&blocks, 3, 200).concat();
        frames.shuffle(&mut rng);
        let mut block = l1_block(10 + length, 0, Vec::new());
        for frame in &frames {
            post(&mut block, BATCHER, encode_batcher_transaction([frame]));
        }
        l1.push(block);
        // Whatever is derived is a beginning of the chain.
        let derived = hashes(&derive(&config, &l1));
        prop_assert!(hashes(&blocks).starts_with(&derived));
    }

    #[test]
    fn random_channels_are_survived(seed: u64, data in proptest::collection::vec(any::<u8>(), 1..400)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let config = config(1_000, 500);
        let mut l1 = l1_chain(3, &mut rng);
        let mut block = l1_block(13, 0, Vec::new());
        for first in [0x01, 0x78, data[0]] {
            let id = ChannelId::from(rng.random::<u128>());
            let data = [&[first], data.as_slice()].concat().into();
            let frame = Frame { id, number: 0, data, is_last: true };
            post(&mut block, BATCHER, encode_batcher_transaction([&frame]));
        }
        l1.push(block);
        prop_assert_eq!(derive(&config, &l1).len(), 0);
    }
}

/// Posts every channel in one transaction of the L1 block after the last origin.
fn posted(seed: u64, length: u64) -> (RollupConfig, Vec<L1Block>, Vec<Block>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let config = config(1_000, 500);
    let mut l1 = l1_chain(length, &mut rng);
    let blocks = sequence(&config, &l1, &mut rng);
    let mut block = l1_block(10 + length, 0, Vec::new());
    for channel in frames(&blocks, 5, 5_000) {
        post(&mut block, BATCHER, encode_batcher_transaction(&channel));
    }
    l1.push(block);
    (config, l1, blocks)
}

#[test]
fn an_invalid_payload_gives_its_deposits_and_ends_its_channel() {
    let (config, l1, blocks) = posted(7, 8);
    let has_user_transactions = |attributes: &PayloadAttributes| {
        attributes.transactions.iter().any(|transaction| transaction[0] != 0x7e)
    };
    let genesis = genesis_ref(&config);
    // The first block with transactions is invalid; what follows in the inbox builds on it and must
    // be dropped.
    let derived = derive_from(&config, genesis, config.genesis.system_config, &l1, |a| {
        !has_user_transactions(a)
    });
    let first = blocks
        .iter()
        .position(|block| block.body.transactions.iter().any(|tx| !tx.is_deposit()))
        .unwrap();
    assert_eq!(derived.len(), first + 1);
    assert_eq!(hashes(&derived[..first]), hashes(&blocks[..first]));
    let replaced = derived.last().unwrap();
    assert!(replaced.body.transactions.iter().all(|transaction| transaction.is_deposit()));
    assert_eq!(replaced.header.timestamp, blocks[first].header.timestamp);
}

#[test]
fn deposits_alone_must_not_fail() {
    let (config, l1, _) = posted(7, 8);
    let mut pipeline =
        Pipeline::new(config.clone(), genesis_ref(&config), config.genesis.system_config);
    assert_eq!(pipeline.invalid_payload(), Err(PipelineError::NothingPending));
    for block in &l1 {
        pipeline.push_l1(Arc::new(block.clone())).unwrap();
    }
    let Step::Attributes(attributes) = pipeline.step().unwrap() else {
        panic!("a batch was posted");
    };
    if attributes.transactions.iter().any(|transaction| transaction[0] != 0x7e) {
        pipeline.invalid_payload().unwrap();
    }
    let error = pipeline.invalid_payload().unwrap_err();
    assert_eq!(error.severity(), Severity::Critical);
}

/// Cause: without a sequencer nothing is posted, yet deposits must enter within the window.
#[test]
fn a_closed_window_gives_empty_blocks_with_deposits() {
    let mut rng = StdRng::seed_from_u64(1);
    let config = config(4, 2);
    let l1 = l1_chain(20, &mut rng);
    let derived = derive(&config, &l1);
    // The newest origin whose window has closed is 29 - 4 = 25. Its predecessors have all their
    // blocks, it has those before the next origin's time.
    let last = l2_block_ref(&config, derived.last().unwrap()).unwrap();
    assert_eq!(last.l1_origin.number, 25);
    assert_eq!(last.timestamp, START + 15 * L1_BLOCK_TIME + 1);
    assert_eq!(derived.len() as u64, 15 * L1_BLOCK_TIME + 1);
    let deposits: usize = derived.iter().map(|block| block.body.transactions.len() - 1).sum();
    let expected: usize = l1[1..=15].iter().map(|block| block.deposits.len()).sum();
    assert!(expected > 0 && deposits == expected);
    // Given one by one or all at once.
    assert_eq!(hashes(&derive(&config, &l1[..19])), hashes(&derived)[..29]);
}

#[test]
fn a_batch_after_its_window_is_dropped() {
    let mut rng = StdRng::seed_from_u64(2);
    let config = config(4, 2);
    let mut l1 = l1_chain(4, &mut rng);
    let blocks = sequence(&config, &l1, &mut rng);
    let channels = frames(&blocks, 100, 50_000);
    for number in 14..22 {
        l1.push(l1_block(number, 0, Vec::new()));
    }
    let data = encode_batcher_transaction(&channels[0]);
    let (mut in_time, mut late) = (l1.clone(), l1);
    post(&mut in_time[4], BATCHER, data.clone());
    post(&mut late[7], BATCHER, data);
    assert!(hashes(&derive(&config, &in_time)).starts_with(&hashes(&blocks)));
    let derived = derive(&config, &late);
    assert!(!hashes(&derived).starts_with(&hashes(&blocks)));
    assert!(derived.iter().flat_map(|block| &block.body.transactions).all(|tx| tx.is_deposit()));
}

/// Cause: the window closed on the safe head's epoch, so that the next one is due, and a batch is in the one after that.
#[test]
fn a_batch_that_skips_the_epoch_that_is_due_is_dropped() {
    let mut rng = StdRng::seed_from_u64(4);
    let config = config(4, 2);
    let mut l1 = l1_chain(7, &mut rng);
    let system_config = config.genesis.system_config;
    let mut made = |parent: &L2BlockRef, origin: &L1Block, number: u64| {
        let timestamp = parent.timestamp + 1;
        let attributes =
            attributes(&config, &system_config, parent, origin, number, timestamp).unwrap();
        let mut attributes = attributes;
        attributes.transactions.push(transfer(&mut rng));
        execute(parent, &attributes)
    };
    let mut blocks = Vec::new();
    let mut head = genesis_ref(&config);
    for number in 1..=4 {
        blocks.push(made(&head, &l1[0], number));
        head = l2_block_ref(&config, blocks.last().unwrap()).unwrap();
    }
    // As if there had been a block of epoch 11 between them.
    let skipping = L2BlockRef { l1_origin: BlockNumHash { number: 11, hash: l1[1].hash }, ..head };
    let skipping = made(&skipping, &l1[2], 0);
    assert_eq!(skipping.header.parent_hash, head.hash);
    let data = |block| encode_batcher_transaction(&frames(block, 100, 50_000)[0]);
    post(&mut l1[1], BATCHER, data(&blocks));
    post(&mut l1[5], BATCHER, data(&[skipping.clone()]));
    let derived = derive(&config, &l1);
    assert!(hashes(&derived).starts_with(&hashes(&blocks)));
    let next = l2_block_ref(&config, &derived[4]).unwrap();
    assert_eq!((next.l1_origin.number, next.timestamp), (11, START + 5));
    assert!(!hashes(&derived).contains(&skipping.hash));
}

#[test]
fn a_new_batcher_counts_from_its_l1_block_on() {
    let mut rng = StdRng::seed_from_u64(3);
    let config = config(1_000, 500);
    let mut l1 = l1_chain(6, &mut rng);
    let successor = Address::repeat_byte(0xbb);
    let data = [U256::from(32), U256::from(32), U256::from_be_bytes(successor.into_word().0)];
    let data = data.iter().flat_map(|word| word.to_be_bytes::<32>()).collect::<Vec<u8>>();
    let topics = vec![messages::CONFIG_UPDATE_TOPIC, B256::ZERO, B256::ZERO];
    l1[4].config_updates.push(Log {
        address: config.l1_system_config_address,
        data: LogData::new_unchecked(topics, data.into()),
    });
    let blocks = sequence(&config, &l1, &mut rng);
    let last = system_config_of(blocks.last().unwrap()).unwrap();
    assert_eq!(last.batcher_address, successor);
    let channels = frames(&blocks, 100, 50_000);
    let data = encode_batcher_transaction(&channels[0]);
    for (from, counts) in [(BATCHER, false), (successor, true)] {
        let mut l1 = l1.clone();
        let mut block = l1_block(16, 0, Vec::new());
        post(&mut block, from, data.clone());
        l1.push(block);
        let derived = derive(&config, &l1);
        assert_eq!(derived.len(), if counts { blocks.len() } else { 0 });
    }
}

#[test]
fn l1_must_be_contiguous_and_hold_the_origin() {
    let config = config(10, 5);
    let new = || Pipeline::new(config.clone(), genesis_ref(&config), config.genesis.system_config);
    let give = |pipeline: &mut Pipeline, number, fork| {
        pipeline.push_l1(Arc::new(l1_block(number, fork, Vec::new())))
    };
    let mut pipeline = new();
    assert!(matches!(give(&mut pipeline, 11, 0), Err(PipelineError::L1StartsLate { .. })));
    give(&mut pipeline, 10, 0).unwrap();
    assert!(matches!(give(&mut pipeline, 12, 0), Err(PipelineError::L1Gap { .. })));
    let gap = give(&mut pipeline, 11, 1).unwrap_err();
    assert_eq!(gap.severity(), Severity::Reset);
    give(&mut pipeline, 11, 0).unwrap();
    assert_eq!(pipeline.step(), Ok(Step::NeedL1));

    let mut pipeline = new();
    give(&mut pipeline, 10, 1).unwrap();
    assert!(matches!(pipeline.step(), Err(PipelineError::OriginReplaced { .. })));
}

#[test]
fn attributes_must_follow_their_parent() {
    let config = config(10, 5);
    let parent = genesis_ref(&config);
    let make = |origin: &L1Block, sequence_number, timestamp| {
        attributes(
            &config,
            &config.genesis.system_config,
            &parent,
            origin,
            sequence_number,
            timestamp,
        )
    };
    let (same, next) = (l1_block(10, 0, Vec::new()), l1_block(11, 0, Vec::new()));
    assert!(make(&same, 1, START + 1).is_ok());
    assert!(matches!(make(&same, 0, START + 1), Err(AttributesError::Origin { .. })));
    assert!(matches!(make(&same, 2, START + 1), Err(AttributesError::Origin { .. })));
    assert!(matches!(make(&next, 0, START + 1), Err(AttributesError::BeforeOrigin { .. })));
    let other_fork = l1_block(11, 1, Vec::new());
    assert!(matches!(make(&other_fork, 0, START + 1), Err(AttributesError::Origin { .. })));
    assert!(matches!(make(&same, 1, START + 2), Err(AttributesError::Timestamp { .. })));
}

#[test]
fn the_encoder_says_when_it_is_full() {
    let (_, _, blocks) = posted(11, 8);
    let config = EncoderConfig { channel_size_target: 300, ..Default::default() };
    let mut encoder = ChannelEncoder::new(ChannelId::repeat_byte(1), config).unwrap();
    let mut added = 0;
    while encoder.add_block(&blocks[added]).unwrap() == AddOutcome::Added {
        added += 1;
    }
    assert!(encoder.is_full());
    assert_eq!(encoder.add_block(&blocks[added + 1]).unwrap(), AddOutcome::Rejected);
    assert!(encoder.add_block(&blocks[added + 2]).is_err());
    let channel = encoder.close().unwrap().unwrap();
    assert_eq!((channel.first_block, channel.last_block), (1, added as u64 + 1));
    assert!(channel.compressed_bytes < 1_000);

    let empty = ChannelEncoder::new(ChannelId::ZERO, config).unwrap();
    assert_eq!(empty.close(), Ok(None));
    let tiny = EncoderConfig { frame_size_max: 23, ..config };
    assert!(ChannelEncoder::new(ChannelId::ZERO, tiny).is_err());
}

#[test]
fn batches_hold_what_blocks_hold() {
    let (_, _, blocks) = posted(5, 4);
    let batch = SingleBatch::from_block(&blocks[0]).unwrap();
    assert_eq!(batch.timestamp, blocks[0].header.timestamp);
    assert_eq!(batch.parent_hash, blocks[0].header.parent_hash);
    assert!(batch.transactions.iter().all(|transaction| transaction[0] == 2));
}
