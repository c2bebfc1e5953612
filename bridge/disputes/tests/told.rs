//! A role that begins where its node says: a true word leads to what a derivation from genesis gives, and a
//! false one either does not arrive at the anchor or does no harm, as long as L1 has each block's batch once
//! and in order.

// As the made-up chains of the derivation's own tests name it.
extern crate derive as bridge_derive;

#[path = "../../derive/tests/chains/mod.rs"]
mod chains;

use std::sync::Arc;

use alloy_eips::BlockNumHash;
use bridge_disputes::{Beginning, Derivation, Fit, fit};
use chains::{
    BATCHER,
    world::{Derived, Node, World},
};
use derive::{
    BatchForm, ChannelEncoder, ChannelId, EncoderConfig, InboxTransaction, L1Block, PipelineError,
    Step, encode_batcher_transaction,
};
use primitives::{Block, RollupConfig};
use proptest::prelude::*;
use rand::Rng;

/// Posts blocks once and in order, a frame or more in each L1 block.
fn post(world: &mut World, blocks: &[Block], channel: u128) {
    let span = BatchForm::Span { genesis_time: world.config.genesis.l2_time };
    let config = EncoderConfig {
        batches: if world.rng.random() { span } else { BatchForm::Single },
        frame_size_max: world.rng.random_range(200..900),
        ..Default::default()
    };
    let mut encoder = ChannelEncoder::new(ChannelId::from(channel), config).unwrap();
    for block in blocks {
        encoder.add_block(block).unwrap();
    }
    let mut inbox = Vec::new();
    for frame in encoder.close().unwrap().map_or(Vec::new(), |channel| channel.frames) {
        let data = encode_batcher_transaction([&frame]);
        inbox.push(InboxTransaction { from: BATCHER, data });
        if world.rng.random_ratio(1, 4) {
            world.next_l1(std::mem::take(&mut inbox));
        }
    }
    world.next_l1(inbox);
}

/// What comes of beginning somewhere: the number reached, or that the anchor was not.
fn derive_on(
    config: &RollupConfig,
    beginning: Beginning,
    anchor: u64,
    l1: &[L1Block],
    chain: &[Derived],
) -> Option<u64> {
    let safe = &chain[beginning.safe.number as usize];
    let mut derivation = Derivation::new(config, &safe.block, beginning.l1).unwrap();
    let start = derivation.l1_start();
    for block in l1.iter().filter(|block| block.number >= start) {
        derivation.push_l1(Arc::new(block.clone())).unwrap();
        loop {
            let attributes = match derivation.advance() {
                Ok(Step::Attributes(attributes)) => attributes,
                Ok(Step::NeedL1) => break,
                Err(PipelineError::MissingBlock(number)) => {
                    derivation.know(chain[number as usize].reference);
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let at = derivation.safe_head().number;
            // The chain of who derived from genesis is what a verified claim may say, and no other.
            let there = chain.get(at as usize + 1);
            let fits = there.map(|there| fit(&there.block, &attributes));
            match (fits, there) {
                (Some(Ok(Fit::AsDerived)), Some(there)) => derivation.accept(&there.block).unwrap(),
                (Some(Ok(Fit::DepositsAlone)), _) => derivation.refuse().unwrap(),
                _ if at < anchor => return None,
                (fits, _) => panic!("block {} above anchor {anchor}: {fits:?}", at + 1),
            }
        }
    }
    Some(derivation.safe_head().number).filter(|reached| *reached >= anchor)
}

fn id(block: &L1Block) -> BlockNumHash {
    BlockNumHash { number: block.number, hash: block.hash }
}

/// How many false words did not arrive.
fn live(seed: u64, rounds: u128) -> usize {
    let mut world = World::new(seed);
    let mut node = Node::new(&world.config);
    let mut truths = Vec::new();
    for round in 0..=rounds {
        if round > 0 {
            let (head, count) = (node.head(), world.rng.random_range(1..9));
            let blocks = world.build(head, count);
            post(&mut world, &blocks, round);
        }
        if round == rounds {
            for _ in 0..world.config.seq_window_size + 2 {
                world.next_l1(Vec::new());
            }
        }
        for index in node.given..world.l1.len() {
            node.give(&world.l1[index]);
            truths.push(Beginning { l1: id(&world.l1[index]), safe: node.head().reference.id() });
        }
    }
    let chain = node.chain.lock().unwrap().clone();
    let end = node.head().reference.number;
    let mut refuted = 0;
    for _ in 0..8 {
        let anchor = world.rng.random_range(0..=end);
        let used = |derived: &&Derived| {
            derived.block.body.transactions.iter().any(|transaction| !transaction.is_deposit())
        };
        let Some(shown) = chain[..=anchor as usize].iter().rev().find(used) else { continue };
        let shown = shown.reference;
        let origin = shown.l1_origin.number;

        let truth = truths.iter().rev().find(|truth| truth.l1.number <= origin).unwrap();
        assert!(truth.safe.number < shown.number);
        let reached = derive_on(&world.config, *truth, anchor, &world.l1, &chain);
        assert_eq!(reached, Some(end), "the truth does not arrive");

        let l1 = &world.l1[world.rng.random_range(0..=(origin - world.l1[0].number) as usize)];
        let safe = chain[world.rng.random_range(0..shown.number as usize)].reference.id();
        let lie = Beginning { l1: id(l1), safe };
        match derive_on(&world.config, lie, anchor, &world.l1, &chain) {
            None => refuted += 1,
            Some(reached) => assert_eq!(reached, end, "{lie:?} leads elsewhere"),
        }
    }
    refuted
}

#[test]
fn false_words_are_found_out() {
    // Or else the property below would be one of words that happen to be good enough.
    let refuted: usize = (0..40).map(|seed| live(seed, 10)).sum();
    assert!(refuted > 40, "{refuted}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_false_word_does_not_arrive_or_does_no_harm(seed: u64, rounds in 1_u128..14) {
        live(seed, rounds);
    }
}
