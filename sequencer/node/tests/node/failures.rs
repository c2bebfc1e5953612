//! The rows of `docs/rollup.md`'s failure table that need a whole node: L1 is away, deposits come in masses, clocks
//! go wrong, batches come out of order. After each, no OPEN has come into being or gone.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use primitives::{
    BASE_FEE_VAULT, Block, L1_FEE_VAULT, OPERATOR_FEE_VAULT, SEQUENCER_FEE_VAULT, TxDeposit,
    TxEnvelope,
};
use sequencer_node::{Mode, Role};
use serde_json::json;

use crate::{
    fake_l1::{FakeL1, L1_BLOCK_TIME, batches},
    harness::{ETHER, Running, World, now},
};

const DEPOSITOR: Address = Address::repeat_byte(0x77);
const PAYEE: Address = Address::repeat_byte(0x01);
/// Burns all the gas that it is given: a loop as the code that creates a contract.
const LOOP: [u8; 4] = hex!("5b600056");
/// What the portal lets into one L1 block (`SystemConfig.resourceConfig`).
const DEPOSIT_GAS_PER_L1_BLOCK: u64 = 20_000_000;

fn deposit(to: TxKind, gas_limit: u64, input: &'static [u8]) -> TxDeposit {
    TxDeposit {
        source_hash: B256::ZERO,
        from: DEPOSITOR,
        to,
        mint: ETHER.to(),
        value: U256::ZERO,
        gas_limit,
        is_system_transaction: false,
        input: Bytes::from_static(input),
    }
}

async fn sequencer(world: &World, directory: &Path, l1: &FakeL1) -> Running {
    let feed = l1.feed(0, 1_000);
    Running::with_feeds(world, world.open(directory), feed, None, |_| {}).await.unwrap()
}

async fn verifier(world: &World, directory: &Path, l1: &FakeL1) -> Running {
    let rollup = world.rollup.clone();
    Running::with_feeds(world, world.open(directory), l1.feed(0, 1_000), None, |config| {
        config.mode = Mode::Rollup { rollup, role: Role::Verifier };
    })
    .await
    .unwrap()
}

async fn safe_is(node: &Running, number: u64) -> B256 {
    for _ in 0..1_000 {
        let safe = node.handle.chain().heads().safe;
        if safe.number == number {
            return safe.hash;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("safe head {number} was not reached: {:?}", node.handle.chain().heads());
}

fn block(node: &Running, number: u64) -> Block {
    node.handle.chain().block(number).unwrap().unwrap().block().clone()
}

/// After every block all accounts together hold what genesis gave and deposits have minted.
async fn open_is_conserved(node: &Running, world: &World) {
    let mut holders: Vec<Address> = (0..world.accounts.len()).map(|n| world.address(n)).collect();
    holders.extend([DEPOSITOR, PAYEE]);
    holders.extend([BASE_FEE_VAULT, L1_FEE_VAULT, OPERATOR_FEE_VAULT, SEQUENCER_FEE_VAULT]);
    let mut supply = ETHER * U256::from(1_000) * U256::from(world.accounts.len());
    for number in 0..=node.head().await {
        let minted = block(node, number).body.transactions.iter().fold(0, |sum, transaction| {
            sum + transaction.as_deposit().map_or(0, |deposit| deposit.mint)
        });
        supply += U256::from(minted);
        let mut held = U256::ZERO;
        for holder in &holders {
            let asked = json!([holder, format!("{number:#x}")]);
            let balance = node.call("eth_getBalance", asked).await;
            held += balance.as_str().unwrap().parse::<U256>().unwrap();
        }
        assert_eq!(held, supply, "after block {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_deposits_of_every_l1_block_enter_and_others_still_get_in() {
    // The least gas limit that SystemConfig allows: the deposits and a system transaction.
    let world = World::with_accounts(14, 3, DEPOSIT_GAS_PER_L1_BLOCK + 1_000_000);
    let l1 = FakeL1::new(&world);
    let mut given = 0;
    for number in 1..=7 {
        // All gas of a block, in many small ones or in one that burns it.
        let creates = |count: u64| {
            vec![deposit(TxKind::Create, DEPOSIT_GAS_PER_L1_BLOCK / count, &LOOP); count as usize]
        };
        let deposits = match number % 3 {
            0 => creates(1),
            1 => creates(200),
            _ => vec![deposit(TxKind::Call(DEPOSITOR), 100_000, &[]); 200],
        };
        given += deposits.len();
        l1.extend(0, deposits, |_| {});
    }
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = sequencer(&world, a.path(), &l1).await;
    let mut hashes = Vec::new();
    for nonce in 0..3 {
        let raw = world.transfer(0, nonce, PAYEE, ETHER);
        hashes.push(node.call("eth_sendRawTransaction", json!([raw])).await);
    }
    for hash in &hashes {
        assert_eq!(node.receipt(hash).await["status"], "0x1");
    }
    // Never behind the clock for long: blocks come every second whatever stands in them.
    node.reach(14).await;
    let head = node.head().await;
    let blocks: Vec<Block> = (1..=head).map(|number| block(&node, number)).collect();
    let entered = blocks.iter().flat_map(|block| block.body.transactions.iter().skip(1));
    assert_eq!(entered.filter(|transaction| transaction.is_deposit()).count(), given);
    assert!(blocks.iter().any(|block| block.header.gas_used > DEPOSIT_GAS_PER_L1_BLOCK));
    open_is_conserved(&node, &world).await;

    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(1, &blocks));
    let derived = verifier(&world, b.path(), &l1).await;
    assert_eq!(safe_is(&derived, head).await, blocks.last().unwrap().hash);
    derived.stop().await;
    node.stop().await;
}

/// L2 time may run ahead of the last known L1 block by the drift limit and not more, or derivation would refuse
/// what was built.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_l1_stops_blocks_at_the_drift_limit_and_its_end_starts_them() {
    const DRIFT: u64 = 6;
    let mut world = World::new(12);
    world.rollup.max_sequencer_drift = DRIFT;
    let l1 = FakeL1::new(&world);
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = sequencer(&world, a.path(), &l1).await;
    node.reach(DRIFT).await;
    let raw = world.transfer(0, 0, PAYEE, ETHER);
    let hash = node.call("eth_sendRawTransaction", json!([raw])).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(node.head().await, DRIFT, "a block too far ahead of L1");
    open_is_conserved(&node, &world).await;

    // L1 is back, with the blocks that it made meanwhile.
    let missed = (now() - world.genesis.timestamp) / L1_BLOCK_TIME;
    for number in 1..=missed {
        let deposits = if number == 2 {
            vec![deposit(TxKind::Call(DEPOSITOR), 100_000, &[])]
        } else {
            Vec::new()
        };
        l1.extend(0, deposits, |_| {});
    }
    assert_eq!(node.receipt(&hash).await["status"], "0x1");
    node.reach(DRIFT + 4).await;
    open_is_conserved(&node, &world).await;
    let head = node.head().await;
    let blocks: Vec<Block> = (1..=head).map(|number| block(&node, number)).collect();
    assert!(
        blocks.iter().any(|block| block
            .body
            .transactions
            .iter()
            .skip(1)
            .any(TxEnvelope::is_deposit))
    );
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(1, &blocks));
    let derived = verifier(&world, b.path(), &l1).await;
    assert_eq!(safe_is(&derived, head).await, blocks.last().unwrap().hash);
    derived.stop().await;
    node.stop().await;
}

/// Derivation knows no clock: a node whose own is an hour off, or whose L1's is, derives the same chain.
#[tokio::test(flavor = "multi_thread")]
async fn a_skewed_clock_changes_nothing_that_is_derived() {
    for start in [now() - 3_600, now() + 3_600] {
        let mut world = World::starting(start, 2, 30_000_000);
        world.rollup.seq_window_size = 4;
        let l1 = FakeL1::new(&world);
        for _ in 0..8 {
            l1.extend(0, vec![deposit(TxKind::Call(DEPOSITOR), 100_000, &[])], |_| {});
        }
        let directory = tempfile::tempdir().unwrap();
        let node = verifier(&world, directory.path(), &l1).await;
        // Windows have closed up to L1 block 4, whose own blocks reach the time of the next one.
        safe_is(&node, 9).await;
        let blocks: Vec<Block> = (1..=9).map(|number| block(&node, number)).collect();
        for block in &blocks {
            assert_eq!(block.header.timestamp, start + block.header.number);
        }
        open_is_conserved(&node, &world).await;
        node.stop().await;
    }
}

/// Cause: a batch that came too early is dropped. A node that was restarted after the blocks before it had become
/// safe read it again, found it in time, and had another chain than everybody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_drops_the_batches_that_it_had_dropped() {
    let world = World::new(16);
    let l1 = FakeL1::new(&world);
    for _ in 1..=8 {
        l1.extend(0, Vec::new(), |_| {});
    }
    let (a, b, c) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = sequencer(&world, a.path(), &l1).await;
    node.reach(8).await;
    let blocks: Vec<Block> = (1..=8).map(|number| block(&node, number)).collect();
    node.stop().await;
    // Block 6 too early, then what comes before it.
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(1, &blocks[5..6]));
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(2, &blocks[..3]));
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(3, &blocks[3..5]));
    l1.extend(0, Vec::new(), |_| {});

    let derived = verifier(&world, b.path(), &l1).await;
    safe_is(&derived, 5).await;
    derived.stop().await;
    let derived = verifier(&world, b.path(), &l1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(derived.handle.chain().heads().safe.number, 5, "a dropped batch counts");
    // Both it and a node without a past go on with what is posted next.
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(4, &blocks[5..]));
    let fresh = verifier(&world, c.path(), &l1).await;
    for node in [derived, fresh] {
        assert_eq!(safe_is(&node, 8).await, blocks[7].hash);
        open_is_conserved(&node, &world).await;
        node.stop().await;
    }
}
