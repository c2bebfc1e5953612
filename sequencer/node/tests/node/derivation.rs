//! A verifier that sees only L1 reaches the sequencer's blocks, and says so.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, TxKind, U256};
use derive::{
    BatchForm, ChannelEncoder, ChannelId, EncoderConfig, InboxTransaction, L1Block, L1Event,
    batcher_transactions,
};
use primitives::{Block, TxDeposit, TxEnvelope};
use sequencer_node::{NodeError, SequencerError};
use serde_json::json;
use store::Store;

use crate::harness::{BATCHER, ETHER, Running, World, l1_block};

/// Puts the blocks into one channel, one batcher transaction per frame.
fn post(into: &mut L1Block, channel: u8, blocks: &[Block]) {
    post_as(into, channel, EncoderConfig::default(), blocks);
}

fn post_as(into: &mut L1Block, channel: u8, config: EncoderConfig, blocks: &[Block]) {
    let mut encoder = ChannelEncoder::new(ChannelId::from([channel; 16]), config).unwrap();
    for block in blocks {
        encoder.add_block(block).unwrap();
    }
    let closed = encoder.close().unwrap().unwrap();
    into.inbox = batcher_transactions(&closed)
        .into_iter()
        .map(|data| InboxTransaction { from: BATCHER, data })
        .collect();
}

fn deposit(number: u8) -> TxDeposit {
    TxDeposit {
        source_hash: alloy_primitives::B256::repeat_byte(number),
        from: Address::repeat_byte(0x77),
        to: TxKind::Call(Address::repeat_byte(0x77)),
        mint: ETHER.to(),
        value: U256::ZERO,
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Default::default(),
    }
}

async fn safe_reaches(node: &Running, number: u64) {
    let mut heads = node.handle.safe_heads();
    let reached = heads.wait_for(|heads| heads.safe.number >= number);
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap().unwrap();
}

/// A sequencer that has built `height` blocks with transfers and deposits, and L1 up to there.
async fn built(
    world: &World,
    directory: &std::path::Path,
    height: u64,
) -> (Running, Vec<L1Block>, Vec<Block>) {
    let node = Running::start(world, world.open(directory)).await;
    let start = world.genesis.timestamp;
    let mut l1 = Vec::new();
    for number in 0..height / 2 {
        let deposits = if number % 3 == 1 { vec![deposit(number as u8)] } else { Vec::new() };
        let block = l1_block(number, start + 2 * number, deposits);
        l1.push(block.clone());
        node.l1_block(block).await;
        let raw = world.transfer(0, number, Address::repeat_byte(1), U256::ONE);
        node.call("eth_sendRawTransaction", json!([raw])).await;
    }
    node.reach(height).await;
    let chain = node.handle.chain();
    let blocks = (1..=height).map(|n| chain.block(n).unwrap().unwrap().block().clone()).collect();
    (node, l1, blocks)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_derived_chain_is_the_built_one() {
    let world = World::new(20);
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sequencer, mut l1, blocks) = built(&world, a.path(), 16).await;
    assert!(blocks.iter().any(|block| block.body.transactions.len() > 2));
    // Two channels in later L1 blocks.
    let start = world.genesis.timestamp;
    let mut first = l1_block(8, start + 16, Vec::new());
    post(&mut first, 1, &blocks[..10]);
    let mut second = l1_block(9, start + 18, Vec::new());
    post(&mut second, 2, &blocks[10..]);
    l1.extend([first, second]);

    let verifier = Running::verifier(&world, world.open(b.path())).await;
    for block in &l1 {
        verifier.l1_block(block.clone()).await;
    }
    safe_reaches(&verifier, 16).await;
    for block in &blocks {
        let number = block.header.number;
        let derived = verifier.handle.chain().block(number).unwrap().unwrap();
        assert_eq!(derived.hash(), block.hash, "block {number}");
    }
    // Final once the L1 blocks that held the batches are.
    verifier.l1.send(L1Event::Finalized(l1[8].block_ref())).await.unwrap();
    let mut heads = verifier.handle.safe_heads();
    let finalized = heads.wait_for(|heads| heads.finalized.number == 10);
    let update = *tokio::time::timeout(Duration::from_secs(10), finalized).await.unwrap().unwrap();

    // The sequencer takes the verifier's word for its tags.
    sequencer.safe.send(update).unwrap();
    for (tag, number) in [("safe", "0x10"), ("finalized", "0xa")] {
        for _ in 0..100 {
            let block = sequencer.call("eth_getBlockByNumber", json!([tag, false])).await;
            if block["number"] == number {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let block = sequencer.call("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["number"], number, "{tag}");
    }

    // A verifier that starts again goes on where it was, from the L1 block it asks for.
    let reference = verifier.handle.chain().l2_block_ref(16).unwrap().unwrap();
    verifier.stop().await;
    let from = sequencer_node::verifier::l1_start(&world.rollup, &reference);
    let verifier = Running::verifier(&world, world.open(b.path())).await;
    assert_eq!(verifier.head().await, 16);
    for block in &l1[from as usize..] {
        verifier.l1_block(block.clone()).await;
    }
    sequencer.reach(18).await;
    let chain = sequencer.handle.chain();
    let more: Vec<Block> =
        (17..=18).map(|n| chain.block(n).unwrap().unwrap().block().clone()).collect();
    let mut third = l1_block(10, start + 20, Vec::new());
    post(&mut third, 3, &more);
    verifier.l1_block(third).await;
    safe_reaches(&verifier, 18).await;
    assert_eq!(verifier.handle.chain().head().unwrap().hash(), more[1].hash);
    verifier.stop().await;
    sequencer.stop().await;
}

/// Cause: the snapshot did not hold the block on which the span builds, and the verifier ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_begins_with_a_snapshot_in_the_middle_of_a_span() {
    let world = World::new(20);
    let directories: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let (sequencer, mut l1, blocks) = built(&world, directories[0].path(), 16).await;
    sequencer.stop().await;
    let start = world.genesis.timestamp;
    let spans = EncoderConfig {
        batches: BatchForm::Span { genesis_time: start },
        ..EncoderConfig::default()
    };
    let mut first = l1_block(8, start + 16, Vec::new());
    post_as(&mut first, 1, spans, &blocks[..3]);
    let mut second = l1_block(9, start + 18, Vec::new());
    post_as(&mut second, 2, spans, &blocks[3..]);
    l1.extend([first, second]);

    let verifier = Running::verifier(&world, world.open(directories[1].path())).await;
    for block in &l1 {
        verifier.l1_block(block.clone()).await;
    }
    safe_reaches(&verifier, 16).await;
    let window = world.rollup.seq_window_size;
    let mut file = Vec::new();
    // While the node runs.
    let summary = verifier.handle.chain().store().export_snapshot(9, window, &mut file).unwrap();
    verifier.stop().await;

    let path = directories[2].path().join("store");
    let taken = (&world.genesis, window);
    Store::import_snapshot(&path, taken, summary.output_root, file.as_slice()).unwrap();
    let follower = Running::verifier(&world, world.open(&path)).await;
    assert_eq!(follower.head().await, 9);
    let reference = follower.handle.chain().l2_block_ref(9).unwrap().unwrap();
    let from = sequencer_node::verifier::l1_start(&world.rollup, &reference);
    for block in &l1[from as usize..] {
        follower.l1_block(block.clone()).await;
    }
    safe_reaches(&follower, 16).await;
    assert_eq!(follower.handle.chain().head().unwrap().hash(), blocks[15].hash);
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_payload_becomes_its_deposits_and_the_sequencer_hears_of_it() {
    let world = World::new(12);
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sequencer, mut l1, mut blocks) = built(&world, a.path(), 8).await;
    // Someone with the batcher's key posts a transaction that cannot be executed.
    let raw = world.transfer(3, 99, Address::ZERO, U256::ONE);
    let envelope = <TxEnvelope as alloy_eips::Decodable2718>::decode_2718_exact(&raw).unwrap();
    let mut transactions = blocks.iter().map(|block| &block.body.transactions);
    let bad = transactions.position(|all| !all.iter().all(TxEnvelope::is_deposit)).unwrap();
    let number = blocks[bad].header.number;
    blocks[bad].body.transactions.push(envelope);
    let mut last = l1_block(4, world.genesis.timestamp + 8, Vec::new());
    post(&mut last, 1, &blocks[..=bad]);
    // Only who has the L1 block that it comes from can tell that what is derived is right.
    sequencer.l1_block(last.clone()).await;
    l1.push(last);

    let verifier = Running::verifier(&world, world.open(b.path())).await;
    for block in &l1 {
        verifier.l1_block(block.clone()).await;
    }
    safe_reaches(&verifier, number).await;
    let derived = verifier.handle.chain().block(number).unwrap().unwrap();
    assert!(derived.transactions().iter().all(TxEnvelope::is_deposit));
    let built = sequencer.handle.chain().block(number).unwrap().unwrap();
    let update = *verifier.handle.safe_heads().borrow();
    verifier.stop().await;
    sequencer.safe.send(update).unwrap();
    let error = sequencer.handle.join().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::Sequencer(SequencerError::SafeMismatch { built: b, derived: d })
            if b.hash == built.hash() && d.hash == derived.hash()),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_gap_ends_the_verifier() {
    let world = World::new(4);
    let directory = tempfile::tempdir().unwrap();
    let verifier = Running::verifier(&world, world.open(directory.path())).await;
    let start = world.genesis.timestamp;
    verifier.l1_block(l1_block(0, start, Vec::new())).await;
    verifier.l1.send(L1Event::Block(Arc::new(l1_block(2, start + 4, Vec::new())))).await.unwrap();
    let error = verifier.handle.join().await.unwrap_err();
    assert!(matches!(error, NodeError::Verifier(_)), "{error:?}");
}
