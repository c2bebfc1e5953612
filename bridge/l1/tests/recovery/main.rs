//! What the batcher survives, against a real L1 node (anvil from `npm ci`; skipped without it): crashes
//! at the worst moment, and reorganisations of L1 and of L2 after everything was posted. What counts
//! in each test is that derivation, which reads L1 alone, gives the sequencer's blocks.

mod harness;

use std::{collections::HashSet, sync::atomic::Ordering};

use bridge_l1::BatcherError;
use harness::{L1, MemoryJournal, batcher, fast, wait_for};
use serde_json::json;

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
