//! L1 changes its mind. What counts in each test: the chain is what a node that starts from nothing
//! derives from the L1 that stands.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, TxKind, U256};
use primitives::{Block, TxDeposit, TxEnvelope};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sequencer_node::{DerivedHeads, L1Feed, Mode, NodeError, Role, SafeHeads, VerifierError};
use serde_json::json;

use crate::{
    fake_l1::{FakeL1, L1_BLOCK_TIME, batches},
    harness::{ETHER, Running, World, now},
};

const DEPOSITOR: Address = Address::repeat_byte(0x77);

fn deposit() -> TxDeposit {
    TxDeposit {
        source_hash: B256::ZERO,
        from: DEPOSITOR,
        to: TxKind::Call(DEPOSITOR),
        mint: ETHER.to(),
        value: U256::ZERO,
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Default::default(),
    }
}

async fn verifier(world: &World, directory: &Path, feed: L1Feed) -> Running {
    let rollup = world.rollup.clone();
    Running::with_feeds(world, world.open(directory), feed, None, |config| {
        config.mode = Mode::Rollup { rollup, role: Role::Verifier };
    })
    .await
    .unwrap()
}

async fn sequencer(
    world: &World,
    directory: &Path,
    feed: L1Feed,
    derived: Option<DerivedHeads>,
) -> Running {
    Running::with_feeds(world, world.open(directory), feed, derived, |_| {}).await.unwrap()
}

/// Waits until the node's safe head is this block.
async fn safe_is(node: &Running, number: u64, hash: Option<B256>) {
    for _ in 0..1_000 {
        let safe = node.handle.chain().heads().safe;
        if safe.number == number && hash.is_none_or(|hash| hash == safe.hash) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("safe head {number} was not reached: {:?}", node.handle.chain().heads());
}

fn blocks(node: &Running, from: u64, to: u64) -> Vec<Block> {
    let chain = node.handle.chain();
    (from..=to).map(|number| chain.block(number).unwrap().unwrap().block().clone()).collect()
}

/// Blocks without transactions are derived when the sequencing window of 4 closes, two per L1 block.
fn derived_to(tip: u64) -> u64 {
    (2 * tip).saturating_sub(7)
}

fn random_blocks(rng: &mut StdRng, count: usize) -> Vec<Vec<TxDeposit>> {
    (0..count).map(|_| (0..rng.random_range(0..3)).map(|_| deposit()).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_reorganisations_the_chain_is_that_of_a_fresh_derivation() {
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(1_000);
        world.rollup.seq_window_size = 4;
        world.rollup.channel_timeout = rng.random_range(1..4);
        let l1 = FakeL1::new(&world);
        let directory = tempfile::tempdir().unwrap();
        let mut node = verifier(&world, directory.path(), l1.feed(0, 3)).await;
        for fork in 1..14 {
            let tip = l1.tip() as usize;
            match rng.random_range(0..5) {
                // Any depth, to the block after genesis; the new fork may be shorter.
                0 | 1 if tip > 0 => {
                    let depth = rng.random_range(1..=tip);
                    let count = rng.random_range(1..=depth + 4);
                    l1.reorg(depth, fork, random_blocks(&mut rng, count));
                }
                2 => {
                    node.stop().await;
                    if rng.random() && tip > 0 {
                        let depth = rng.random_range(1..=tip);
                        l1.reorg(depth, fork, random_blocks(&mut rng, depth + 2));
                    }
                    let start = rng.random_range(0..=l1.tip());
                    node = verifier(&world, directory.path(), l1.feed(start, 3)).await;
                }
                _ => {
                    for deposits in random_blocks(&mut rng, 5) {
                        l1.extend(fork, deposits, |_| {});
                    }
                }
            }
            // Sometimes what was derived before counts, sometimes it has not got far.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        }
        for deposits in random_blocks(&mut rng, 6) {
            l1.extend(99, deposits, |_| {});
        }

        let fresh_directory = tempfile::tempdir().unwrap();
        let fresh = verifier(&world, fresh_directory.path(), l1.feed(0, 1_000)).await;
        let number = derived_to(l1.tip());
        safe_is(&fresh, number, None).await;
        let hash = fresh.handle.chain().head().unwrap().hash();
        safe_is(&node, number, Some(hash)).await;
        assert_eq!(node.handle.chain().heads().unsafe_head.hash, hash, "seed {seed}");
        node.stop().await;
        fresh.stop().await;
        let history = SafeHeads::open(directory.path()).unwrap();
        let expected = SafeHeads::open(fresh_directory.path()).unwrap();
        for l1_number in 0..=l1.tip() {
            let (found, expected) = (history.at(l1_number), expected.at(l1_number));
            assert_eq!(found.unwrap(), expected.unwrap(), "seed {seed}, L1 block {l1_number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_transactions_and_deposits_enter_again_or_vanish() {
    let world = World::new(16);
    let l1 = FakeL1::new(&world);
    for number in 1..=8 {
        let deposits = if [3, 6, 7].contains(&number) { vec![deposit()] } else { Vec::new() };
        l1.extend(0, deposits, |_| {});
    }
    let (a, b, c) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let derived = verifier(&world, a.path(), l1.feed(0, 100)).await;
    let heads = derived.handle.derived_heads();
    let node = sequencer(&world, b.path(), l1.feed(0, 2), Some(heads)).await;
    let balance = |text: &serde_json::Value| text.as_str().unwrap().parse::<U256>().unwrap();
    node.reach(15).await;
    assert_eq!(
        balance(&node.call("eth_getBalance", json!([DEPOSITOR, "latest"])).await),
        ETHER * U256::from(3)
    );
    let mut hashes = Vec::new();
    for nonce in 0..5 {
        let raw = world.transfer(0, nonce, Address::repeat_byte(1), ETHER);
        hashes.push(node.call("eth_sendRawTransaction", json!([raw])).await);
    }
    for hash in &hashes {
        node.receipt(hash).await;
    }
    let head = node.head().await;
    // What was posted is safe on both.
    l1.extend(0, Vec::new(), |block| block.inbox = batches(1, &blocks(&node, 1, head)));
    safe_is(&derived, head, None).await;
    safe_is(&node, head, None).await;

    // Everything from L1 block 5 on goes, the batches, too; one deposit comes in another block.
    let depth = l1.tip() as usize - 4;
    let now_is = (now() - world.genesis.timestamp) / L1_BLOCK_TIME;
    let fork =
        (5..=now_is).map(|number| if number == 6 { vec![deposit()] } else { Vec::new() }).collect();
    l1.reorg(depth, 1, fork);
    node.reach(head + 1).await;
    for hash in &hashes {
        let receipt = node.receipt(hash).await;
        assert_eq!(receipt["status"], "0x1");
    }
    assert_eq!(
        balance(&node.call("eth_getBalance", json!([DEPOSITOR, "latest"])).await),
        ETHER * U256::from(2)
    );
    assert_eq!(
        balance(&node.call("eth_getBalance", json!([Address::repeat_byte(1), "latest"])).await),
        ETHER * U256::from(5)
    );
    // Block 9 is the last with origin 4: it stayed.
    let head = node.head().await;
    l1.extend(1, Vec::new(), |block| block.inbox = batches(2, &blocks(&node, 1, head)));
    let hash = blocks(&node, head, head)[0].hash;
    safe_is(&derived, head, Some(hash)).await;
    safe_is(&node, head, Some(hash)).await;
    let fresh = verifier(&world, c.path(), l1.feed(0, 100)).await;
    safe_is(&fresh, head, Some(hash)).await;
    let answer = node.call("optimism_safeHeadAtL1Block", json!([format!("{:#x}", l1.tip())])).await;
    assert_eq!(answer["safeHead"]["hash"], json!(hash));
    assert_eq!(answer["l1Block"]["hash"], json!(l1.block(l1.tip()).hash));
    let answer = node.call("optimism_safeHeadAtL1Block", json!(["0x4"])).await;
    assert_eq!(answer["safeHead"]["number"], 0);
    for node in [fresh, node, derived] {
        node.stop().await;
    }
}

/// Cause: an L1 reorganisation while the node is down shows only in the hashes of what it reads again.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_finds_after_a_restart_that_l1_has_changed() {
    let world = World::new(40);
    let l1 = FakeL1::new(&world);
    for _ in 1..=18 {
        l1.extend(0, Vec::new(), |_| {});
    }
    let directory = tempfile::tempdir().unwrap();
    let node = sequencer(&world, directory.path(), l1.feed(0, 100), None).await;
    node.reach(38).await;
    let raw = world.transfer(0, 0, Address::repeat_byte(1), ETHER);
    let receipt = node.sealed(raw).await;
    let old = blocks(&node, 0, node.head().await);
    let origin = node.handle.chain().l2_block_ref(old.len() as u64 - 1).unwrap().unwrap().l1_origin;
    node.stop().await;

    l1.reorg(l1.tip() as usize - 5, 1, vec![Vec::new(); 16]);
    let node = sequencer(&world, directory.path(), l1.feed(origin.number, 100), None).await;
    let mut again = node.receipt(&receipt["transactionHash"]).await;
    for _ in 0..200 {
        if again["blockHash"] != receipt["blockHash"] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = node.receipt(&receipt["transactionHash"]).await;
    }
    assert_ne!(again["blockHash"], receipt["blockHash"]);
    node.reach(old.len() as u64).await;
    let chain = node.handle.chain();
    for block in &old {
        let number = block.header.number;
        let now = chain.l2_block_ref(number).unwrap().unwrap();
        // Exactly the blocks whose origin stands are the same.
        assert_eq!(now.hash == block.hash, now.l1_origin.number <= 5, "block {number}");
        assert_eq!(now.l1_origin.hash, l1.block(now.l1_origin.number).hash);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_unsafe_block_is_replaced_by_what_l1_gives() {
    let world = World::new(16);
    let l1 = FakeL1::new(&world);
    for _ in 1..=8 {
        l1.extend(0, Vec::new(), |_| {});
    }
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Two sequencers with one key: their blocks differ from the first transaction on.
    let mut built = Vec::new();
    for (directory, value) in [(a.path(), 1), (b.path(), 2)] {
        let node = sequencer(&world, directory, l1.feed(0, 100), None).await;
        node.reach(14).await;
        let raw = world.transfer(0, 0, Address::repeat_byte(1), U256::from(value));
        let receipt = node.sealed(raw).await;
        let number = crate::harness::quantity(&receipt["blockNumber"]);
        node.reach(number + 1).await;
        built.push((number, blocks(&node, 1, number + 1)));
        node.stop().await;
    }
    let (number, posted) = &built[0];
    l1.extend(0, Vec::new(), |block| block.inbox = batches(1, posted));
    // The other one's chain, as a verifier has it that believed a wrong block.
    let node = verifier(&world, b.path(), l1.feed(0, 100)).await;
    let last = posted.last().unwrap();
    safe_is(&node, number + 1, Some(last.hash)).await;
    assert_eq!(node.handle.chain().heads().unsafe_head.hash, last.hash);
    // Up to the first difference nothing was built again.
    let replaced = built[1].1.iter().zip(posted).position(|(b, a)| a.hash != b.hash).unwrap();
    assert!(replaced > 10);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_takes_over_the_chain_that_l1_gives() {
    let world = World::new(16);
    let l1 = FakeL1::new(&world);
    for _ in 1..=8 {
        l1.extend(0, Vec::new(), |_| {});
    }
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let derived = verifier(&world, a.path(), l1.feed(0, 100)).await;
    let node =
        sequencer(&world, b.path(), l1.feed(0, 100), Some(derived.handle.derived_heads())).await;
    node.reach(14).await;
    let raw = world.transfer(0, 0, Address::repeat_byte(1), ETHER);
    let receipt = node.sealed(raw).await;
    let number = crate::harness::quantity(&receipt["blockNumber"]);
    // Someone with the batcher's key posts a transaction that cannot be executed.
    let mut posted = blocks(&node, 1, number);
    let bad = world.transfer(3, 99, Address::ZERO, U256::ONE);
    let bad = <TxEnvelope as alloy_eips::Decodable2718>::decode_2718_exact(&bad).unwrap();
    posted.last_mut().unwrap().body.transactions.push(bad);
    l1.extend(0, Vec::new(), |block| block.inbox = batches(1, &posted));
    safe_is(&derived, number, None).await;
    let hash = derived.handle.chain().head().unwrap().hash();
    safe_is(&node, number, Some(hash)).await;
    // The user's transaction went with its block, and comes in a later one.
    let again = node.receipt(&receipt["transactionHash"]).await;
    assert!(crate::harness::quantity(&again["blockNumber"]) > number);
    node.stop().await;
    derived.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_without_the_rollups_first_block_ends_the_node() {
    let mut world = World::new(100);
    let l1 = FakeL1::new(&world);
    l1.extend(0, Vec::new(), |_| {});
    world.rollup.genesis.l1.hash = B256::repeat_byte(1);
    let directory = tempfile::tempdir().unwrap();
    let node = verifier(&world, directory.path(), l1.feed(0, 100)).await;
    let error = node.handle.join().await.unwrap_err();
    assert!(matches!(error, NodeError::Verifier(VerifierError::GenesisReplaced(_))), "{error:?}");
}

/// Cause: the heads were read first and their blocks after them, so that `optimism_syncStatus` answered "header not
/// found" while a reorganisation took blocks away.
#[tokio::test(flavor = "multi_thread")]
async fn the_sync_status_is_that_of_one_chain_while_blocks_are_taken_away() {
    let mut world = World::new(1_000);
    world.rollup.seq_window_size = 4;
    let l1 = FakeL1::new(&world);
    let directory = tempfile::tempdir().unwrap();
    let node = verifier(&world, directory.path(), l1.feed(0, 40)).await;
    let chain = node.handle.chain().clone();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = std::sync::Arc::clone(&done);
    // Beside requests over HTTP, which are slower than what they look for.
    let looking = std::thread::spawn(move || {
        let mut looks = 0_u64;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let heads = chain.head_refs().unwrap();
            assert!(heads.finalized.number <= heads.safe.number);
            assert!(heads.safe.number <= heads.unsafe_head.number);
            looks += 1;
        }
        looks
    });
    for fork in 1..=12 {
        let depth = l1.tip().min(20) as usize;
        if depth > 0 {
            l1.reorg(depth, fork, vec![Vec::new(); depth + 2]);
        }
        (0..10).for_each(|_| l1.extend(fork, Vec::new(), |_| {}));
        let number = derived_to(l1.tip());
        loop {
            let status = node.call("optimism_syncStatus", json!([])).await;
            let at = |head: &str| status[head]["number"].as_u64().unwrap();
            assert!(at("finalized_l2") <= at("safe_l2") && at("safe_l2") <= at("unsafe_l2"));
            if at("safe_l2") == number {
                let hash = l1.block(l1.tip()).hash;
                if status["current_l1"]["hash"] == json!(hash) {
                    break;
                }
            }
        }
        let output = node.call("optimism_outputAtBlock", json!([format!("0x{number:x}")])).await;
        let head = node.handle.chain().head().unwrap();
        assert_eq!(output["blockRef"]["hash"], json!(head.hash()));
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(looking.join().unwrap() > 0);
    node.stop().await;
}
