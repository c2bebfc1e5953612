//! Why somebody was paid, against the real contracts; and drills, which pay watchers while nobody cheats.
//!
//! Needs `anvil` from `npm ci` (`node_modules/@foundry-rs`).

#[expect(dead_code, reason = "each test program uses a part of the world")]
mod support;

use alloy_primitives::U256;
use async_trait::async_trait;
use attribution_service::{
    chain::EpochStatus,
    drills::{Drills, Step, falsified},
    epochs::Progress,
    evidence::{EvidenceBundle, EvidenceError, EvidenceSource, EvidenceStore},
    explain::{ExplainError, Explanation, Question, explain},
    records::Records,
};
use scores::{ContributionId, document::Document};
use support::World;

/// OPEN, wei.
const ONE: u128 = 1_000_000_000_000_000_000;
/// Seconds of half a drill.
const HALF_A_DAY: u64 = 43_200;

fn receipt(number: u64) -> Question {
    Question::Receipt { number, gateway: None }
}

fn failed(explained: &Explanation) -> Vec<&str> {
    explained.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect()
}

/// From the receipt of an answer to what its authors can claim, of one document and of one within a batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_explained_from_the_receipt_to_the_claim() {
    let mut world = World::start().await;
    world.deploy_lens().await;
    let sample = support::sample("carol/tempfiles.txt");
    let copy = world.document("alice").text().to_owned();
    let batch = world.add_batch(&[("copy", &copy), ("new", &sample)]).await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.answer("And temporary files?", &[("new", 300, 700), ("bob", 200, 400)]);
    world.answer("Tell me about something else.", &[]);
    let early = explain(&world.chain, receipt(0), &*world.evidence, &world.codec).await;
    assert!(matches!(early, Err(ExplainError::NotSettled { number: 0 })));
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    let ask = async |question| {
        let explained = explain(&world.chain, question, &*world.evidence, &world.codec).await;
        explained.unwrap()
    };
    // Pending: everything is known but what can be claimed.
    let [pending] = ask(receipt(0)).await.try_into().unwrap();
    assert_eq!((failed(&pending), pending.status), (vec![], EpochStatus::Posted));
    assert_eq!(pending.claims[0].claimable, 0);
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(1));

    let [alices] = ask(receipt(0)).await.try_into().unwrap();
    assert_eq!(failed(&alices), Vec::<&str>::new());
    let [claim] = alices.claims.clone().try_into().unwrap();
    assert_eq!(claim.account, world.address("alice"));
    assert_eq!(claim.receipt, alices.weights[0].paid);
    assert_eq!((claim.epoch, claim.cumulative), (claim.claimable, claim.claimable));
    assert!(alices.spans.iter().all(|span| span.contribution == ContributionId(1)));
    assert!(alices.answer.contains(alices.spans[0].text.trim()));
    let fee = &alices.fee;
    let parts = fee.platform + fee.stakers + fee.model + fee.contributors;
    assert_eq!((parts, fee.contributors), (fee.fee, claim.receipt + fee.unattributed));

    // Two authors, one of whose words stand in the second document of a batch.
    let [both] = ask(receipt(1)).await.try_into().unwrap();
    assert_eq!(failed(&both), Vec::<&str>::new());
    for account in [world.address("bob"), batch.contributor] {
        let claim = both.claims.iter().find(|claim| claim.account == account).unwrap();
        assert!(claim.receipt > 0 && claim.claimable == claim.cumulative, "{claim:?}");
    }
    let of_batch = both.spans.iter().find(|span| span.document.is_some()).unwrap();
    assert_eq!((of_batch.contribution, of_batch.document), (batch.id, Some(1)));
    assert_eq!(of_batch.contributor, Some(batch.contributor));
    assert!(both.checks.iter().any(|check| check.name == "path in batch" && check.ok));
    let [nobodys] = ask(receipt(2)).await.try_into().unwrap();
    assert_eq!((failed(&nobodys), nobodys.claims.len()), (vec![], 0));
    assert_eq!(nobodys.fee.unattributed, nobodys.fee.contributors);

    // The same by account, and what cannot be asked.
    let account = world.address("bob");
    let bobs = ask(Question::Account { epoch: 1, account }).await;
    assert_eq!(bobs.iter().map(|one| one.receipt).collect::<Vec<_>>(), [1]);
    let mallory = Question::Account { epoch: 1, account: world.address("mallory") };
    let unpaid = explain(&world.chain, mallory, &*world.evidence, &world.codec).await;
    assert!(matches!(unpaid, Err(ExplainError::NotPaid { epoch: 1, .. })));

    // A story that somebody tells instead is not the chain's.
    let told = Retold(&world.evidence);
    let [retold] =
        explain(&world.chain, receipt(0), &told, &world.codec).await.unwrap().try_into().unwrap();
    assert!(!retold.ok);
    for wrong in ["record recomputed", "receipt in the epoch, as the chain has it"] {
        assert!(failed(&retold).contains(&wrong), "{wrong} is not among {:?}", failed(&retold));
    }
}

/// Evidence in which alice's words are mallory's.
struct Retold<'a>(&'a EvidenceStore);

#[async_trait]
impl EvidenceSource for Retold<'_> {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle, EvidenceError> {
        let mut bundle = self.0.get(epoch)?;
        let record = &mut bundle.receipts[0].record;
        record.spans[0].contribution = ContributionId(3);
        Ok(bundle)
    }

    async fn document(
        &self,
        content_hash: alloy_primitives::B256,
    ) -> Result<Document, EvidenceError> {
        self.0.document(content_hash).await
    }

    async fn list(
        &self,
        batch: alloy_primitives::B256,
    ) -> Result<Vec<scores::document::DocumentCommitment>, EvidenceError> {
        self.0.list(batch).await
    }
}

/// An operator hides a fault, a watcher who looks finds it and is paid; where there is nothing to find, nobody is.
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_pays_the_watcher_who_finds_it() {
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let honest = world.evidence.get(1).unwrap().receipts[0].record.clone();
    // Bob's account sets them, and a stranger watches.
    let (operator, watcher) = (world.connect(2).await, world.stranger().await);
    let mut own = Drills::on(&operator).await.unwrap().unwrap();
    let mut drills = Drills::on(&watcher).await.unwrap().unwrap();
    let bounty = U256::from(ONE);
    assert_eq!(own.set(&falsified(&honest), bounty, U256::ZERO).await.unwrap(), 1);
    assert_eq!(own.set(&honest, bounty, U256::ZERO).await.unwrap(), 2);
    // There are no forfeited stakes to add.
    assert!(own.set(&honest, bounty, U256::from(1)).await.is_err());
    let list = drills.list(0).await.unwrap();
    let [seeded, decoy] = list.try_into().unwrap();
    assert_eq!((seeded.bounty, decoy.record.as_ref()), (bounty, Some(&honest)));

    assert!(matches!(drills.tend(&seeded).await.unwrap(), Some(Step::Committed(_))));
    assert_eq!(drills.tend(&seeded).await.unwrap(), None);
    world.advance(HALF_A_DAY + 1).await;
    // A watcher that was started anew shows what it had committed to.
    let mut drills = Drills::on(&watcher).await.unwrap().unwrap();
    assert!(matches!(drills.tend(&seeded).await.unwrap(), Some(Step::Solved(_))));
    assert_eq!(drills.tend(&seeded).await.unwrap(), None);
    assert_eq!(drills.tend(&decoy).await.unwrap(), None);
    world.advance(HALF_A_DAY).await;
    assert!(matches!(drills.tend(&seeded).await.unwrap(), Some(Step::Closed(_))));
    assert_eq!(drills.tend(&seeded).await.unwrap(), None);
    assert!(matches!(own.tend(&decoy).await.unwrap(), Some(Step::Closed(_))));
    let records = Records::on(&watcher).await.unwrap().unwrap();
    for account in [&watcher, &operator].map(|chain| chain.sender().unwrap()) {
        assert_eq!(records.credit(account).await.unwrap(), bounty);
    }
    let before = world.balance(watcher.sender().unwrap()).await;
    records.withdraw(watcher.sender().unwrap()).await.unwrap();
    assert!(world.balance(watcher.sender().unwrap()).await > before);
}
