//! What the batcher survives, against a real L1 node (anvil from `npm ci`; skipped without it): crashes
//! at the worst moment, and reorganisations of L1 and of L2 after everything was posted. What counts
//! in each test is that derivation, which reads L1 alone, gives the sequencer's blocks.

mod endpoints;
mod failures;
mod harness;
mod proxy;
mod signers;

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use bridge_l1::{BatcherError, L1Addresses, Watcher};
use derive::L1Event;
use harness::{L1, MemoryJournal, batcher, fast, in_blobs, wait_for};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_sending_loses_nothing() {
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(20).await, MemoryJournal::default());
    journal.die_after_next_write();
    let task = l1.batcher(&l2, &journal, fast()).await;
    let error = task.task.await.unwrap().unwrap_err();
    assert!(matches!(error, BatcherError::Journal(_)), "{error}");
    assert!(l1.inbox().await.is_empty());
    assert!(!journal.is_empty());

    let deriver = l1.deriver(&l2);
    let task = l1.batcher(&l2, &journal, fast()).await;
    deriver.reach(&l2, 20).await;
    task.stop().await;
    let inbox = l1.inbox().await;
    assert_eq!(inbox.iter().collect::<HashSet<_>>().len(), inbox.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_sending_posts_nothing_twice() {
    let Some(l1) = L1::start().await else { return };
    l1.stop_mining().await;
    let (l2, journal) = (l1.l2(20).await, MemoryJournal::default());
    let task = l1.batcher(&l2, &journal, fast()).await;
    wait_for("a journal entry", || !journal.is_empty()).await;
    // Dropped in the middle of whatever it is doing.
    task.task.abort();
    let _ = task.task.await;
    let task = l1.batcher(&l2, &journal, fast()).await;
    l1.resume_mining().await;
    let deriver = l1.deriver(&l2);
    deriver.reach(&l2, 20).await;
    task.stop().await;
    let inbox = l1.inbox().await;
    assert_eq!(inbox.iter().collect::<HashSet<_>>().len(), inbox.len());
}

/// Cause: safe blocks leave the journal, so after a deep reorganisation neither L1 nor the journal has
/// their transactions, and later nonces waited for them forever.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorganised_l1_gets_everything_again() {
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(15).await, MemoryJournal::default());
    let deriver = l1.deriver(&l2);
    let task = l1.batcher(&l2, &journal, fast()).await;
    deriver.reach(&l2, 15).await;
    // All batcher transactions are gone, from L1 and from its pool.
    let head = l1.client.head().await.unwrap().block.number;
    let depth = head - l1.rollup.genesis.l1.number;
    l1.call("anvil_reorg", json!([depth, []])).await;
    wait_for("the reorganisation", || deriver.reorgs.load(Ordering::SeqCst) > 0).await;
    deriver.reach(&l2, 15).await;
    task.stop().await;
}

/// Cause: an unsafe L2 block is only the sequencer's word. If it builds another one after the batcher
/// posted the first, the posted one must not become the chain.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_l2_is_posted_anew() {
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(6).await, MemoryJournal::default());
    let deriver = l1.deriver(&l2);
    let task = l1.batcher(&l2, &journal, fast()).await;
    deriver.reach(&l2, 6).await;
    // Posted, but L1 has none of it when L2 changes.
    l1.stop_mining().await;
    l2.grow(6, 1);
    wait_for("blocks in the pool", || !journal.is_empty()).await;
    task.stop().await;
    l1.call("anvil_dropAllTransactions", json!([])).await;
    l2.replace_above(6, 2);
    let lost = l1.client.nonce(batcher().address()).await.unwrap();
    l1.resume_mining().await;
    let task = l1.batcher(&l2, &journal, fast()).await;
    deriver.reach(&l2, 12).await;
    task.stop().await;
    // The nonces of what was posted first are used, too: nothing waits behind a gap.
    assert!(l1.client.nonce(batcher().address()).await.unwrap() > lost + 1);
}

/// Cause: a watcher remembers only what it reported, so a deeper reorganisation ended it. Whoever
/// follows L1 knows more, and asks for what it needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_below_what_was_read_is_told_and_read_again() {
    let Some(l1) = L1::start().await else { return };
    l1.stop_mining().await;
    l1.call("anvil_mine", json!(["0x8"])).await;
    let head = l1.client.head().await.unwrap().block;
    let start = head.number - 2;
    let poll = Duration::from_millis(20);
    let mut watcher = Watcher::new(l1.client.clone(), L1Addresses::from(&l1.rollup), start, poll);
    let rewinds = watcher.rewinds();
    let (sender, mut events) = mpsc::channel(2);
    let stop = CancellationToken::new();
    let task = tokio::spawn(watcher.run(sender, stop.clone()));
    let mut next = async || loop {
        match tokio::time::timeout(harness::PATIENCE, events.recv()).await.unwrap().unwrap() {
            L1Event::Finalized(_) => {}
            event => return event,
        }
    };
    for number in start..=head.number {
        let L1Event::Block(block) = next().await else { panic!("block {number} is there") };
        assert_eq!(block.number, number);
    }
    // Five blocks go, three were read.
    l1.call("anvil_reorg", json!([5, []])).await;
    let L1Event::Reorg { common } = next().await else { panic!("L1 was reorganised") };
    assert_eq!(common, l1.client.block_ref(start - 1).await.unwrap().unwrap());
    rewinds.send(start - 4).await.unwrap();
    // Some of what stands above may still come before the answer.
    while !matches!(next().await, L1Event::Restart { from } if from == start - 4) {}
    for number in start - 4..=head.number {
        let L1Event::Block(block) = next().await else { panic!("block {number} is there") };
        assert_eq!(block.block_ref(), l1.client.block_ref(number).await.unwrap().unwrap());
    }
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_carry_the_chain_through_a_crash_and_a_rise_of_fees() {
    let Some(l1) = L1::start().await else { return };
    l1.stop_mining().await;
    let (l2, journal) = (l1.l2(6).await, MemoryJournal::default());
    journal.die_after_next_write();
    let task = l1.batcher(&l2, &journal, in_blobs()).await;
    let error = task.task.await.unwrap().unwrap_err();
    assert!(matches!(error, BatcherError::Journal(_)), "{error}");
    let written = journal.entries.lock().unwrap().clone();

    // Sent again from the journal, and replaced by what pays twice as much while nothing is mined.
    let task = l1.batcher(&l2, &journal, in_blobs()).await;
    wait_for("a better paying transaction", || {
        let entries = journal.entries.lock().unwrap();
        written.keys().all(|key| entries.get(key).is_some_and(|entry| entry != &written[key]))
    })
    .await;
    l1.resume_mining().await;
    let deriver = l1.deriver(&l2);
    deriver.reach(&l2, 6).await;
    task.stop().await;
    let counts = l1.blob_counts().await;
    assert!(counts.contains(&2), "{counts:?}");
    assert!(l1.inbox().await.is_empty(), "nothing is in call data");
}

/// Cause: L1 nodes keep only one kind of an account's transactions at a time.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_changes_when_prices_do() {
    let Some(l1) = L1::start().await else { return };
    let (l2, journal) = (l1.l2(2).await, MemoryJournal::default());
    let deriver = l1.deriver(&l2);
    // One block in call data.
    let task = l1.batcher(&l2, &journal, fast()).await;
    deriver.reach(&l2, 2).await;
    task.stop().await;
    let in_calldata = l1.inbox().await.len();
    assert!(in_calldata > 0 && l1.blob_counts().await.is_empty());
    // Blob gas costs a wei here, gas a thousand million.
    l2.grow(20, 0);
    let config = bridge_l1::BatcherConfig {
        availability: bridge_l1::DataAvailability::Cheapest,
        blob_frame_size_max: 10_000,
        ..in_blobs()
    };
    let task = l1.batcher(&l2, &journal, config).await;
    deriver.reach(&l2, 22).await;
    task.stop().await;
    assert_eq!(l1.inbox().await.len(), in_calldata);
    assert!(!l1.blob_counts().await.is_empty());
}
