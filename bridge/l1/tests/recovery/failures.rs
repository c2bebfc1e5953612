//! L1 fails, lies, grows dear, loses blobs, and changes the batcher's key: the rows of `docs/rollup.md` that
//! need an L1 and no L2 state. Nothing is lost, nothing is posted twice, and what is derived is the
//! sequencer's chain.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_network::EthereumWallet;
use alloy_primitives::{Address, U256};
use alloy_provider::ProviderBuilder;
use bridge_l1::{
    BatcherConfig, DataLimits, Deposit, L1Addresses, L1Client, Throttle, Watcher,
    contracts::SystemConfigContract, deposit,
};
use derive::{L1Block, L1Event};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{
        CHAIN_ID, L1, L2, MemoryJournal, PATIENCE, batcher, deployer, fast, in_blobs, stranger,
        wait_for,
    },
    proxy::{Fault, Proxy},
};

/// Long enough for several looks at L1.
const A_WHILE: Duration = Duration::from_millis(400);

/// L1 through a proxy.
async fn behind(l1: &L1) -> (Proxy, L1Client) {
    let proxy = Proxy::start(l1.url.clone()).await;
    let client = L1Client::connect(proxy.url.clone(), CHAIN_ID).await.unwrap();
    (proxy, client)
}

/// Every lie and failure in turn, each while a watcher reads blocks with deposits, updates and batches.
#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_fails_and_lies_delays_derivation_and_never_changes_it() {
    let Some(l1) = L1::start().await else { return };
    let owner = ProviderBuilder::new()
        .wallet(EthereumWallet::from(deployer()))
        .connect_http(l1.url.clone());
    let config = SystemConfigContract::new(l1.deployment.system_config, &owner);
    config.setGasLimit(70_000_000).send().await.unwrap().get_receipt().await.unwrap();
    let what = Deposit::transfer(
        l1.deployment.open,
        l1.deployment.optimism_portal,
        Address::repeat_byte(0x42),
        U256::from(7),
    );
    deposit(l1.url.clone(), deployer(), &what).await.unwrap();
    let l2 = l1.l2(4).await;
    let task = l1.batcher(&l2, &MemoryJournal::default(), fast()).await;
    let honest = l1.deriver(&l2);
    honest.reach(&l2, 4).await;
    task.stop().await;
    l1.stop_mining().await;

    let addresses = L1Addresses::from(&l1.rollup);
    let mut truth = Vec::new();
    let start = l1.rollup.genesis.l1.number;
    for number in start..=l1.client.head().await.unwrap().block.number {
        truth.push(l1.client.fetch_block(number, &addresses).await.unwrap().unwrap());
    }
    assert!(truth.iter().any(|block| !block.deposits.is_empty()));
    assert!(truth.iter().any(|block| !block.config_updates.is_empty()));
    assert!(truth.iter().any(|block| !block.inbox.is_empty()));

    let faults = [
        Fault::Away,
        Fault::Unavailable,
        Fault::Error,
        Fault::Null,
        Fault::WrongHash,
        Fault::WrongHeader,
        Fault::OtherBlock,
        Fault::StaleHead(start + 1),
        Fault::NoTransactions,
        Fault::WrongInput,
        Fault::NoReceipts,
        Fault::NoLogs,
        Fault::WrongLogs,
    ];
    for fault in faults {
        let (proxy, client) = behind(&l1).await;
        proxy.set(fault);
        let (sender, mut events) = mpsc::channel(truth.len() + 8);
        let stop = CancellationToken::new();
        let watcher = Watcher::new(client, addresses, start, Duration::from_millis(20));
        let watching = tokio::spawn(watcher.run(sender, stop.clone()));
        tokio::time::sleep(A_WHILE).await;
        assert!(!watching.is_finished(), "{fault:?} ended the watcher");
        // Something is held back, whatever was told already.
        assert!(events.len() < truth.len(), "{fault:?} was not noticed");
        proxy.set(Fault::Nothing);
        assert_eq!(blocks(&mut events, truth.len()).await, truth, "{fault:?}");
        stop.cancel();
        watching.await.unwrap().unwrap();
    }
    // Who sent a transaction is not the node's to say: this lie has no effect at all.
    let (proxy, client) = behind(&l1).await;
    proxy.set(Fault::WrongSender);
    for block in &truth {
        let told = client.fetch_block(block.number, &addresses).await.unwrap().unwrap();
        assert_eq!(&told, block);
    }
}

/// The next `count` blocks; there must be no reorganisation.
async fn blocks(events: &mut mpsc::Receiver<L1Event>, count: usize) -> Vec<L1Block> {
    let mut found = Vec::new();
    while found.len() < count {
        match tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            L1Event::Block(block) => found.push(block.as_ref().clone()),
            L1Event::Finalized(_) => {}
            event => panic!("{event:?}"),
        }
    }
    found
}

/// What the batcher told the sequencer last, and all it told.
#[derive(Default)]
struct Told {
    block: AtomicU64,
    all: Mutex<Vec<(u64, u64)>>,
}

impl DataLimits for Told {
    fn set(&self, transaction: u64, block: u64) {
        self.block.store(block, Ordering::SeqCst);
        self.all.lock().unwrap().push((transaction, block));
    }
}

/// Cause: without a throttle L2 makes more data than a failing L1 takes; with one that does not end it stays
/// slow for ever (optimism#18150).
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_throttles_l2_and_its_end_frees_it() {
    let Some(l1) = L1::start().await else { return };
    let (proxy, client) = behind(&l1).await;
    let l2 = l1.l2(2).await;
    let told = Arc::new(Told::default());
    let throttle = Throttle {
        backlog_low: 10_000,
        backlog_high: 60_000,
        block_max: 10_000,
        block_min: 1_000,
        transaction_max: 5_000,
        transaction_min: 200,
    };
    let config = BatcherConfig { throttle, ..fast() };
    let journal = MemoryJournal::default();
    let task = l1
        .run_batcher(client, batcher(), &l2, &journal, config, Some(Arc::clone(&told) as _))
        .await;
    let deriver = l1.deriver(&l2);
    deriver.reach(&l2, 2).await;
    assert_eq!(told.all.lock().unwrap().as_slice(), [(0, 0)]);

    // The sequencer goes on without L1.
    proxy.set(Fault::Away);
    l2.grow(20, 0);
    wait_for("a limit", || told.block.load(Ordering::SeqCst) > 0).await;
    l2.grow(60, 0);
    wait_for("the least limit", || told.block.load(Ordering::SeqCst) == 1_000).await;
    assert_eq!(told.all.lock().unwrap().last(), Some(&(200, 1_000)));

    proxy.set(Fault::Nothing);
    deriver.reach(&l2, 82).await;
    wait_for("no limit", || told.block.load(Ordering::SeqCst) == 0).await;
    let limits: Vec<u64> = told.all.lock().unwrap().iter().map(|(_, block)| *block).collect();
    assert_eq!(limits.last(), Some(&0));
    // Down while it grows, up while it shrinks, and off once.
    let least = limits.iter().position(|limit| *limit == 1_000).unwrap();
    assert!(limits[1..=least].is_sorted_by(|a, b| a >= b), "{limits:?}");
    task.stop().await;
    let inbox = l1.inbox().await;
    assert_eq!(inbox.iter().collect::<HashSet<_>>().len(), inbox.len(), "posted twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousandfold_fee_is_waited_for_within_the_cap_and_nothing_is_lost() {
    const CAP: u128 = 100_000_000_000;
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(3).await, MemoryJournal::default());
    let deriver = l1.deriver(&l2);
    let mut config = BatcherConfig { fee_max: CAP, ..fast() };
    config.bump_after = Duration::from_millis(500);
    let task = l1.batcher(&l2, &journal, config).await;
    deriver.reach(&l2, 3).await;

    l1.stop_mining().await;
    let usual = u128::from(l1.client.head().await.unwrap().base_fee);
    // More in the pool than one channel, at yesterday's price.
    l2.grow(12, 0);
    wait_for("transactions in the pool", || journal.entries.lock().unwrap().len() > 1).await;
    for _ in 0..4 {
        l1.mine_at(usual.max(1_000_000_000) * 1_000).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        for fee in l1.pool_fees().await {
            assert!(fee <= CAP, "{fee} is beyond the cap");
        }
    }
    assert_eq!(l2.safe.load(Ordering::SeqCst), 3, "nothing can be included at this price");
    assert!(!task.task.is_finished(), "the batcher waits");
    // Still thirty times the usual price, but within the cap: what waits pays more and comes in.
    for _ in 0..40 {
        l1.mine_at(CAP / 4).await;
        if l2.safe.load(Ordering::SeqCst) == 15 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    deriver.reach(&l2, 15).await;
    task.stop().await;
    let inbox = l1.inbox().await;
    assert_eq!(inbox.iter().collect::<HashSet<_>>().len(), inbox.len(), "posted twice");
}

/// Whoever has stolen the old key posts on; from the block of the update on it counts for nothing, garbage in
/// the name of either key included.
#[tokio::test(flavor = "multi_thread")]
async fn batches_of_a_replaced_key_are_ignored_from_its_l1_block_on() {
    let Some(l1) = L1::start().await else { return };
    let l2 = l1.l2(5).await;
    let deriver = l1.deriver(&l2);
    let old = l1.batcher(&l2, &MemoryJournal::default(), fast()).await;
    deriver.reach(&l2, 5).await;

    let owner = ProviderBuilder::new()
        .wallet(EthereumWallet::from(deployer()))
        .connect_http(l1.url.clone());
    let config = SystemConfigContract::new(l1.deployment.system_config, &owner);
    let rotation = config.setBatcherHash(stranger().address().into_word());
    rotation.send().await.unwrap().get_receipt().await.unwrap();
    l2.grow(5, 0);
    let before = l1.client.nonce(batcher().address()).await.unwrap();
    while l1.client.nonce(batcher().address()).await.unwrap() < before + 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    old.stop().await;
    let tip = l1.client.head().await.unwrap().block.number;
    deriver.read_to(tip).await;
    assert_eq!(l2.safe.load(Ordering::SeqCst), 5, "the old key still counts");

    l1.send_to_inbox(&stranger(), b"\x00garbage of a valid key").await;
    l1.send_to_inbox(&batcher(), b"garbage of the old one").await;
    let new = l1
        .run_batcher(l1.client.clone(), stranger(), &l2, &MemoryJournal::default(), fast(), None)
        .await;
    deriver.reach(&l2, 10).await;
    new.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_blob_of_the_batcher_is_waited_for() {
    let Some(l1) = L1::start().await else { return };
    let l2 = l1.l2(3).await;
    let (proxy, client) = behind(&l1).await;
    proxy.set(Fault::NoBlobs);
    let deriver = l1.deriver_from(client, &l2);
    let task = l1.batcher(&l2, &MemoryJournal::default(), in_blobs()).await;
    l1.blobs_arrive().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(l2.safe.load(Ordering::SeqCst), 0, "a batch was skipped or invented");
    proxy.set(Fault::Nothing);
    deriver.reach(&l2, 3).await;
    task.stop().await;
}

/// Cause: anyone can send blobs to the inbox, and no beacon node need keep them; a follower that asks for
/// them for ever would never get past them.
#[tokio::test(flavor = "multi_thread")]
async fn missing_blobs_of_strangers_stop_nobody() {
    let Some(l1) = L1::start().await else { return };
    let l2 = l1.l2(3).await;
    let foreign: L2 = l1.l2(2).await;
    let journal = MemoryJournal::default();
    let client = l1.client.clone();
    let stranger = l1.run_batcher(client, stranger(), &foreign, &journal, in_blobs(), None).await;
    l1.blobs_arrive().await;
    stranger.stop().await;
    // The rightful batcher's are in call data: no blob that exists matters.
    let (proxy, client) = behind(&l1).await;
    proxy.set(Fault::NoBlobs);
    let deriver = l1.deriver_from(client, &l2);
    let task = l1.batcher(&l2, &MemoryJournal::default(), fast()).await;
    deriver.reach(&l2, 3).await;
    task.stop().await;
    let tip = l1.client.head().await.unwrap().block.number;
    l1.call("anvil_mine", json!(["0x1"])).await;
    deriver.read_to(tip).await;
}

/// Cause: a cap that holds while the sequencing window closes saves a fee and loses the chain.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_cap_is_paid_before_the_sequencing_window_closes() {
    const CAP: u128 = 50_000_000_000;
    let Some(mut l1) = L1::start().await else { return };
    l1.stop_mining().await;
    let begun = l1.client.head().await.unwrap().block.number - l1.rollup.genesis.l1.number;
    l1.rollup.seq_window_size = 2 * begun + 80;
    let l2 = l1.l2(4).await;
    let deriver = l1.deriver(&l2);
    let mut config = BatcherConfig { fee_max: CAP, ..fast() };
    config.bump_after = Duration::from_millis(100);
    let task = l1.batcher(&l2, &MemoryJournal::default(), config).await;
    // Three times the cap, and five times the cap is the most that is ever paid.
    let mut mined = begun;
    while l2.safe.load(Ordering::SeqCst) < 4 {
        l1.mine_at(3 * CAP).await;
        mined += 1;
        assert!(mined < l1.rollup.seq_window_size, "the window has closed");
        for fee in l1.pool_fees().await {
            let early = mined <= l1.rollup.seq_window_size / 2;
            assert!(fee <= if early { CAP } else { 5 * CAP }, "{fee} after {mined} blocks");
        }
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
    assert!(mined > l1.rollup.seq_window_size / 2, "paid before it was urgent");
    deriver.reach(&l2, 4).await;
    task.stop().await;
}
