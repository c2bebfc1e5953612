//! The settlement loop against the real contracts on a local chain: documents, clusters, receipts,
//! epochs, claims, and an audit that notices every falsehood. Answers come from no model here; they are
//! quotations, so that what they must pay is known.
//!
//! Needs `anvil` from `npm ci` (`node_modules/@foundry-rs`).

#[expect(dead_code, reason = "each test program uses a part of the world")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;
use attribution_service::{
    audit::audit,
    batches::{is_at, published},
    chain::{CorpusRoots, DatanetRef, DatanetVersion, EpochStatus},
    challenge::{
        self, ChallengeError, Fault, collect, demand, find_fault, find_record_fault, prove,
    },
    clusters::{CorpusDocument, CorpusError, check_cluster_map},
    content::ContentError,
    disclosed::{Compelled, compel},
    disclosure::{Disclosures, Tree},
    epochs::{EpochError, EpochPoster, Progress, ReceiptSource},
    evidence::{EvidenceBundle, EvidenceError, EvidenceSource, EvidenceStore, StoredReceipt},
    ports::ChainView,
    records::Records,
    view::{LiveView, ModelWatcher},
};
use scores::{
    ContributionId, DatanetId, ModelId,
    claims::{Claim, ClaimProof, Claims},
    document::Document,
    epoch::SettledReceipt,
    payments::{Payments, ReceiptPayment},
    record::{AttributionRecord, ClusterWeight, CreditedSpan, WEIGHT_ONE},
};
use support::World;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// What a commitment or a demand puts up, wei.
const STAKE: u128 = 50_000_000_000_000_000;

/// Posts, waits out the window and activates.
async fn settle(world: &World, poster: &mut EpochPoster, epoch: u64) {
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(epoch));
    assert!(matches!(poster.step().await.unwrap(), Progress::InWindow { .. }));
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(epoch));
}

async fn claim(world: &World, proof: &ClaimProof) -> u128 {
    let nodes = proof.proof.iter().map(|node| {
        attribution_service::chain::bindings::settlement::IAttributionSettlement::ProofNode {
            hash: node.hash,
            sum: node.sum,
        }
    });
    let settlement = world.chain.settlement();
    let (datanet, account) = (proof.claim.datanet.to_u256(), proof.claim.account);
    let call = settlement.claim(
        datanet,
        account,
        proof.claim.cumulative,
        U256::from(proof.index),
        nodes.collect(),
    );
    let before = world.balance(account).await;
    assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
    (world.balance(account).await - before).to::<u128>()
}

#[tokio::test(flavor = "multi_thread")]
async fn quotations_pay_their_authors_and_anyone_can_recompute_it() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400), ("alice", 2_000, 300)]);
    world.answer("Tell me about something else.", &[]);
    let mut poster = world.poster();
    assert_eq!(poster.chain.next_receipt_of(world.gateway).await.unwrap(), 0);
    settle(&world, &mut poster, 1).await;

    let report = audit(&world.chain, 1, &*world.evidence, &world.codec).await.unwrap();
    assert!(report.ok, "{:#?}", report.failures().collect::<Vec<_>>());
    assert_eq!(report.status, EpochStatus::Activated);
    assert_eq!(report.recomputed.as_ref(), Some(&report.posted));

    // The copier's document is longer-lived in no answer: its value goes to the original's author.
    let [alice, bob, mallory] = ["alice", "bob", "mallory"].map(|name| world.address(name));
    let proofs = |account: Address| world.evidence.claim_proofs(1, account).unwrap();
    assert_eq!(proofs(mallory), []);
    let mut paid = 0;
    for account in [alice, bob] {
        let [proof] = proofs(account).try_into().unwrap();
        assert_eq!(proof.claim.datanet, DatanetId(1));
        let received = claim(&world, &proof).await;
        assert_eq!(received, proof.claim.cumulative);
        assert!(received > 0);
        paid += received;
    }
    assert_eq!(paid, report.posted.claims_total);

    // A second epoch carries the claims on.
    world.answer("And WAL?", &[("mallory", 500, 800)]);
    settle(&world, &mut poster, 2).await;
    let report = audit(&world.chain, 2, &*world.evidence, &world.codec).await.unwrap();
    assert!(report.ok, "{:#?}", report.failures().collect::<Vec<_>>());
    assert!(report.posted.claims_total > paid);
    assert_eq!(world.evidence.claim_proofs(2, mallory).unwrap(), []);
    let [proof] = world.evidence.claim_proofs(2, alice).unwrap().try_into().unwrap();
    assert_eq!(claim(&world, &proof).await, report.posted.claims_total - paid);
    assert_eq!(poster.step().await.unwrap(), Progress::Idle);
}

/// A batch is one contribution of many documents. Each is found by itself, a copy among them is the original's, and what
/// they earn is the batch's.
#[tokio::test(flavor = "multi_thread")]
async fn documents_of_a_batch_pay_their_contributor_and_are_named_with_their_path() {
    let mut world = World::start().await;
    world.deploy_records().await;
    let [first, second] = ["carol/tempfiles.txt", "carol/queryplanner.txt"].map(support::sample);
    let copy = world.document("alice").text().to_owned();
    let batch = world.add_batch(&[("first", &first), ("copy", &copy), ("second", &second)]).await;
    let corpus = world.corpus();
    let copied = corpus.clusters().member(batch.id.document(1).unwrap()).unwrap();
    assert_eq!(copied.cluster, ContributionId(1));

    let quotations = [("first", 300, 700), ("second", 400, 700), ("copy", 300, 900)];
    world.answer("How do readers and writers get along?", &quotations);
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    let report = audit(&world.chain, 1, &*world.evidence, &world.codec).await.unwrap();
    assert!(report.ok, "{:#?}", report.failures().collect::<Vec<_>>());
    let watcher = world.stranger().await;
    let fault = find_record_fault(&watcher, 1, &*world.evidence, &world.codec).await.unwrap();
    assert_eq!((fault, find_fault(&watcher, 1, &*world.evidence).await.unwrap()), (None, None));

    // A token is a byte: every span is found again in the document that it is said to stand in.
    let bundle = world.evidence.get(1).unwrap();
    let stored = &bundle.receipts[0];
    let mut held = BTreeSet::new();
    for span in stored.record.credited() {
        let document = corpus.document(span.contribution).unwrap();
        let length = (span.end - span.start) as usize;
        let text = &document.document.text().as_bytes()[span.offset as usize..][..length];
        let answer = &stored.response.tokens[span.start as usize..span.end as usize];
        assert!(text.iter().map(|byte| u16::from(*byte)).eq(answer.iter().copied()));
        let place = document.contribution.place.as_ref();
        assert_eq!(span.contribution.parts(), (document.contribution.id, place.map(|p| p.index)));
        assert!(place.is_none_or(|place| is_at(&batch, place, &document.contribution.commitment)));
        held.insert((document.contribution.id.0, place.map(|place| place.index)));
    }
    // What others have said before belongs to them, wherever it is quoted from.
    for quoted in [(1, None), (4, Some(0)), (4, Some(2))] {
        assert!(held.contains(&quoted), "{quoted:?} is not in {held:?}");
    }
    assert!(!held.contains(&(4, Some(1))), "the copy holds nothing");
    let paid: Vec<_> = stored.record.weights.iter().map(|w| (w.cluster.0, w.payee)).collect();
    let stranger = watcher.sender().unwrap();
    assert!(paid.contains(&(1, world.address("alice"))) && paid.contains(&(4, stranger)));
    let members = &bundle.corpora[0].members;
    assert!(members.iter().any(|m| m.contribution == batch.id.document(2).unwrap()));

    world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(1));
    let [proof] = world.evidence.claim_proofs(1, stranger).unwrap().try_into().unwrap();
    assert!(claim(&world, &proof).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poster_that_dies_continues_where_the_chain_is() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    // Another process with the same directories, and one that has lost its receipts.
    assert_eq!(world.poster().step().await.unwrap(), Progress::Activated(1));
    assert_eq!(world.poster().step().await.unwrap(), Progress::Idle);
}

/// What somebody else did first makes the poster's own transaction fail; the next one must not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_never_sent_holds_no_later_one_up() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    let post = world.chain.posted_epoch(1).await.unwrap().post;
    for _ in 0..2 {
        let early = world.chain.activate(&post).await.unwrap_err();
        assert!(early.to_string().contains("activating an epoch"), "{early}");
    }
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    let activated = tokio::time::timeout(Duration::from_secs(30), poster.step());
    assert_eq!(activated.await.expect("it waits for ever").unwrap(), Progress::Activated(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_without_redeemable_vouchers_wait() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let voucher = world.journal.take_voucher();
    assert_eq!(world.poster().step().await.unwrap(), Progress::Unfunded);
    world.journal.set_voucher(voucher);
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
}

/// A bond covers what earlier epochs promised and nobody has claimed. A poster takes what it needs out of what earlier bonds left as
/// credit, and says what it lacks then.
#[tokio::test(flavor = "multi_thread")]
async fn a_bond_covers_what_is_unclaimed() {
    const OPEN: u128 = 1_000_000_000_000_000_000;
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let mut poster = world.poster();
    settle(&world, &mut poster, 1).await;
    let settlement = world.chain.settlement();
    let promised = U256::from(settlement.promised().call().await.unwrap());
    assert!(!promised.is_zero());
    assert_eq!(settlement.unclaimed().call().await.unwrap(), promised);

    // What is forced on the contract counts as unclaimed until it is skimmed.
    let held = world.balance(*settlement.address()).await;
    world.set_balance(*settlement.address(), held + U256::from(OPEN)).await;
    world.answer("And WAL?", &[("bob", 500, 800)]);
    world.set_balance(world.gateway, U256::from(OPEN / 2)).await;
    assert!(!world.chain.credit(world.gateway).await.unwrap().is_zero());
    let error = poster.step().await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    let EpochError::BondMissing { epoch: 2, fees, required, balance } = error else {
        panic!("{error}")
    };
    assert_eq!(U256::from(required), U256::from(fees) + promised + U256::from(OPEN));
    let missing = format!("{} wei are missing", required + OPEN / 20 - balance);
    assert!(error.to_string().contains(&missing), "{error}");
    assert_eq!(world.chain.credit(world.gateway).await.unwrap(), U256::ZERO);
    assert_eq!(world.chain.next_epoch_id().await.unwrap(), 2);

    let skim = settlement.skim(vec![U256::ONE]).send().await.unwrap();
    assert!(skim.get_receipt().await.unwrap().status());
    let required = world.chain.bond_for(fees).await.unwrap();
    assert_eq!(required, OPEN / 1_000);
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(2));
    let bond = settlement.epoch(2).call().await.unwrap().bond;
    assert_eq!(bond, required + required / 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn vouchers_are_redeemed_before_their_authorisation_expires() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let mut poster = world.poster_every(Duration::from_secs(u64::from(u32::MAX)));
    assert_eq!(poster.step().await.unwrap(), Progress::Idle);
    assert_eq!(world.chain.funds_available(world.gateway).await.unwrap(), U256::ZERO);
    world.advance(support::AUTHORIZATION - 60).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Idle);
    let fee = U256::from(world.journal.receipts(0, 1)[0].receipt.fee);
    assert_eq!(world.chain.funds_available(world.gateway).await.unwrap(), fee);
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_do_not_sign_what_they_cannot_recompute() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.journal.change(0, |stored| stored.record.weights[0].weight = WEIGHT_ONE / 2);
    let error = world.poster().step().await.unwrap_err();
    let EpochError::NotReproducible { epoch: 1, failures } = &error else { panic!("{error}") };
    assert!(failures.contains("records: receipt 0"), "{failures}");
    assert_eq!(world.chain.next_epoch_id().await.unwrap(), 1);
}

/// Whose corpus a model does not have is neither served nor signed for.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_not_served_with_roots_that_its_documents_do_not_make() {
    let mut world = World::start().await;
    let (roots, over) =
        (world.corpus().roots().unwrap(), [DatanetRef { datanet: DatanetId(1), version: 1 }]);
    let other = B256::repeat_byte(1);
    let others = [
        ("other-surprises", CorpusRoots { surprises: other, ..roots }, "surpriseRoot"),
        ("other-clusters", CorpusRoots { clusters: other, ..roots }, "clusterMapRoot"),
    ];
    for (name, roots, _) in others {
        world.register(name, &over, roots).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let watcher = ModelWatcher {
        chain: world.chain.clone(),
        gateway: world.gateway,
        spec: world.spec().clone(),
        spec_hash: world.spec().hash().unwrap(),
        base_model_hash: world.spec().model_hash,
        codec: Arc::new(support::byte_tokenizer()),
        content: world.evidence.content().clone(),
        index_directory: directory.path().to_owned(),
        arrived: Arc::default(),
        poll: Duration::from_millis(10),
    };
    let view = Arc::new(LiveView::new(world.chain.clone(), world.gateway));
    let mut changes = view.watch();
    let stop = CancellationToken::new();
    let running = tokio::spawn(watcher.run(view.clone(), stop.clone()));
    changes.changed().await.unwrap();
    stop.cancel();
    running.await.unwrap();
    let models = view.models();
    assert!(models["sqlite-guide"].corpus.is_ok());
    for (name, _, what) in others {
        let error = models[name].corpus.as_ref().unwrap_err();
        assert!(error.contains(&format!("registered with {what} {other}")), "{error}");
    }

    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let error = world.poster().step().await.unwrap_err();
    let EpochError::NotReproducible { epoch: 1, failures } = &error else { panic!("{error}") };
    assert!(failures.contains("corpus roots: the model was registered with"), "{failures}");
}

/// Evidence as somebody would forge it.
struct Forged<B, D> {
    store: Arc<EvidenceStore>,
    bundle: B,
    document: D,
}

#[async_trait]
impl<B, D> EvidenceSource for Forged<B, D>
where
    B: Fn(&mut EvidenceBundle) + Send + Sync,
    D: Fn(Document) -> Document + Send + Sync,
{
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle, EvidenceError> {
        let mut bundle = self.store.get(epoch)?;
        (self.bundle)(&mut bundle);
        Ok(bundle)
    }

    async fn document(&self, content_hash: B256) -> Result<Document, EvidenceError> {
        self.store.document(content_hash).await.map(&self.document)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_what_was_forged() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400)]);
    let mut poster = world.poster();
    settle(&world, &mut poster, 1).await;

    type Forge = fn(&mut EvidenceBundle);
    let forgeries: [(&str, Forge); 14] = [
        ("chain", |b| b.chain_id += 1),
        ("bundle", |b| b.post.claimsTotal += 1),
        ("engine spec", |b| {
            b.engine_spec = b.engine_spec.replace("\"matchTokensMin\":6", "\"matchTokensMin\":7")
        }),
        ("receipt signatures", |b| b.receipts[0].signature = Bytes::from(vec![27; 65])),
        ("receipt signatures", |b| b.receipts[1].receipt.fee += 1),
        ("receipt contents", |b| b.receipts[0].request.seed += 1),
        ("receipt contents", |b| b.receipts[0].response.text.push('!')),
        ("receipt contents", |b| b.receipts[0].retrieved.clear()),
        ("records", |b| b.receipts[1].record.spans[0].offset += 1),
        ("records", |b| b.receipts[1].response.tokens.reverse()),
        ("receipts root", |b| {
            b.receipts.pop();
        }),
        ("previous claims", |b| b.previous_claims = b.claims.clone()),
        ("claims list", |b| b.claims = b.previous_claims.clone()),
        ("corpora", |b| b.corpora[0].members[0].contributor = Address::ZERO),
    ];
    for (check, forge) in forgeries {
        let source =
            Forged { store: world.evidence.clone(), bundle: forge, document: |document| document };
        let report = audit(&world.chain, 1, &source, &world.codec).await.unwrap();
        assert!(!report.ok, "{check}");
        let failed: Vec<&str> = report.failures().map(|check| check.name).collect();
        assert!(failed.contains(&check), "{check} should have failed, these did: {failed:?}");
    }
    let other_words = |document: Document| {
        Document::normalise(document.text().replace("WAL", "wal").as_bytes()).unwrap()
    };
    let source =
        Forged { store: world.evidence.clone(), bundle: |_: &mut _| {}, document: other_words };
    let report = audit(&world.chain, 1, &source, &world.codec).await.unwrap();
    let failed: Vec<_> = report.failures().collect();
    assert_eq!(failed[0].name, "documents");
    assert!(failed[0].detail.contains("wrong document for contribution"), "{}", failed[0].detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_document_counts_in_old_versions_only() {
    let world = World::start().await;
    world.withdraw_alice().await;
    let ids = |version: &DatanetVersion| version.active.iter().map(|c| c.id.0).collect::<Vec<_>>();
    let (first, documents) = world.version(1).await;
    assert_eq!(ids(&first), [1, 2, 3]);
    check_cluster_map(&first, &documents, world.spec().cluster).unwrap();
    let (second, documents) = world.version(2).await;
    assert_eq!(ids(&second), [2, 3]);
    check_cluster_map(&second, &documents, world.spec().cluster).unwrap();
    assert_eq!(first.contributions_root, second.contributions_root);
    assert_ne!(first.cluster_map_root, second.cluster_map_root);
    // A map over other documents is noticed.
    let error = check_cluster_map(&first, &documents, world.spec().cluster).unwrap_err();
    assert!(matches!(error, CorpusError::ClusterMap { version: 1, .. }), "{error}");
    let missing = DatanetRef { datanet: DatanetId(1), version: 3 };
    let error = world.chain.datanet_version(missing).await.unwrap_err();
    assert_eq!(error.to_string(), "version 3 of Datanet 1 is not on chain");
    let error = world.chain.contribution(ContributionId(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "contribution 9 is not on chain");
    let error = world.chain.model(ModelId(9)).await.unwrap_err();
    assert_eq!(error.to_string(), "model 9 is not on chain");
}

/// A document of its own as well as one of a batch: withdrawn, unavailable, falsely sketched or plagiarised, the verdict is one event.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_ruled_out_counts_in_old_versions_only() {
    let world = World::start().await;
    world.deploy_records().await;
    world.rule_out_alice().await;
    let ids = |documents: &[CorpusDocument]| {
        documents.iter().map(|document| document.contribution.id.0).collect::<Vec<_>>()
    };
    let (first, documents) = world.version(1).await;
    assert_eq!((first.unsound.len(), ids(&documents)), (0, vec![1, 2, 3]));
    check_cluster_map(&first, &documents, world.spec().cluster).unwrap();
    let (second, documents) = world.version(2).await;
    assert_eq!((second.active.len(), second.unsound.len(), ids(&documents)), (3, 1, vec![2, 3]));
    check_cluster_map(&second, &documents, world.spec().cluster).unwrap();
    // The auditor takes the same from what is published.
    for (version, counted) in [(&first, vec![1, 2, 3]), (&second, vec![2, 3])] {
        let mut audited = Vec::new();
        for contribution in &version.active {
            let found = published(contribution, &*world.evidence, &version.unsound).await.unwrap();
            audited.append(&mut found.unwrap());
        }
        assert_eq!(ids(&audited), counted);
    }
}

/// Posts an epoch after one that is settled, with claims as a colluding majority of engines makes them.
async fn post_false(
    world: &World,
    lie: impl FnOnce(&[Claim], &World) -> Vec<Claim>,
) -> (Arc<EvidenceStore>, tempfile::TempDir) {
    world.answer("And WAL?", &[("alice", 500, 800)]);
    // What an honest poster would post, which is then taken back.
    let before = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(2));
    let mut bundle = world.evidence.get(2).unwrap();
    world.revert(before).await;
    let claims: Vec<Claim> = lie(bundle.claims.as_slice(), world);
    bundle.claims = serde_json::from_value(serde_json::to_value(claims).unwrap()).unwrap();
    let root = bundle.claims.root().unwrap();
    (bundle.post.claimsRoot, bundle.post.claimsTotal) = (root.hash, root.sum);
    world.post(&bundle).await;
    let directory = tempfile::tempdir().unwrap();
    let store = EvidenceStore::open(directory.path(), world.evidence.content().clone()).unwrap();
    store.put(&bundle).unwrap();
    (Arc::new(store), directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_break_a_rule_are_disproved_by_whoever_recomputes_them() {
    type Lie = fn(&[Claim], &World) -> Vec<Claim>;
    let lies: [(&str, Lie); 4] = [
        // Everything to the thief.
        ("omission", |claims, world| {
            let thief = world.address("mallory");
            let cumulative = claims.iter().map(|claim| claim.cumulative).sum();
            vec![Claim { account: thief, cumulative, ..claims[0] }]
        }),
        ("decrease", |claims, world| {
            let thief = world.address("mallory");
            let mut claims = claims.to_vec();
            let taken = claims[0].cumulative - 1;
            claims[0].cumulative = 1;
            claims.push(Claim { account: thief, cumulative: taken, ..claims[0] });
            claims.sort_by_key(|claim| (claim.datanet, claim.account));
            claims
        }),
        ("order", |claims, _| claims.iter().rev().copied().collect()),
        // The Datanet's pool does not have what is moved to it from another that does not exist.
        ("overpromise", |claims, world| {
            let (thief, alice) = (world.address("mallory"), world.address("alice"));
            let mut claims = claims.to_vec();
            // Alice's alone has grown, so nobody has less than before.
            let grown = claims.iter_mut().find(|claim| claim.account == alice).unwrap();
            grown.cumulative -= 1;
            claims.push(Claim { datanet: DatanetId(9), account: thief, cumulative: 1 });
            claims
        }),
    ];
    for (rule, lie) in lies {
        let world = World::start().await;
        world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
        world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400)]);
        settle(&world, &mut world.poster(), 1).await;
        let (published, _directory) = post_false(&world, lie).await;

        let report = audit(&world.chain, 2, &*published, &world.codec).await.unwrap();
        let failed: Vec<&str> = report.failures().map(|check| check.name).collect();
        assert!(failed.contains(&"claims root"), "{rule}: {failed:?}");
        let watcher = world.stranger().await;
        let fault = find_fault(&watcher, 2, &*published).await.unwrap().expect(rule);
        assert_eq!(fault.rule(), rule);
        let won = prove(&watcher, 2, &fault).await.unwrap();
        assert_eq!(watcher.epoch(2).await.unwrap().status, EpochStatus::Rejected);
        assert_eq!(
            watcher.credit(watcher.sender().unwrap()).await.unwrap(),
            U256::from(won.reward)
        );
        assert!(won.gas < 1_500_000, "{rule}: {} gas", won.gas);
        let error = find_fault(&watcher, 2, &*published).await.unwrap_err();
        assert!(matches!(error, ChallengeError::NotPending { epoch: 2, .. }), "{error}");
        // The honest epoch follows.
        settle(&world, &mut world.poster(), 3).await;
    }
}

/// The thief adds to its claim what it takes from the growth of another's.
fn boost(claims: &[Claim], world: &World) -> Vec<Claim> {
    let (thief, alice) = (world.address("mallory"), world.address("alice"));
    let mut claims = claims.to_vec();
    let grown = claims.iter_mut().find(|claim| claim.account == alice).unwrap();
    grown.cumulative -= 1;
    let stolen = Claim { account: thief, cumulative: 1, ..*grown };
    claims.push(stolen);
    claims.sort_by_key(|claim| (claim.datanet, claim.account));
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_committed_to_shown_and_paid() {
    type Lie = fn(&[Claim], &World) -> Vec<Claim>;
    let steal: Lie = |claims, world| {
        let cumulative = claims.iter().map(|claim| claim.cumulative).sum();
        vec![Claim { account: world.address("mallory"), cumulative, ..claims[0] }]
    };
    for (rule, lie) in [("omission", steal), ("claim", boost as Lie)] {
        let world = World::start().await;
        world.deploy_records().await;
        world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
        world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400)]);
        settle(&world, &mut world.poster(), 1).await;
        let (published, _directory) = post_false(&world, lie).await;
        world.make_blocks().await;
        // The poster states what its records pay, which its claims do not say.
        let records = Records::on(&world.chain).await.unwrap().unwrap();
        let (payments, _) = payments(&world, &published, 2).await;
        records.commit_payments(2, &payments, &published.get(2).unwrap().claims).await.unwrap();

        let watcher = world.stranger().await;
        let fault = find_fault(&watcher, 2, &*published).await.unwrap().expect(rule);
        assert_eq!(fault.rule(), rule);
        let won = prove(&watcher, 2, &fault).await.unwrap();
        assert!(won.committed.is_some());
        assert!(won.gas < 1_500_000, "{rule}: {} gas", won.gas);
        assert_eq!(watcher.epoch(2).await.unwrap().status, EpochStatus::Rejected);
        let paid = collect(&watcher, 2).await.unwrap();
        assert_eq!(paid, U256::from(won.reward) + U256::from(STAKE));
        assert_eq!(won.reward, won.burned);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_no_demand_loses_the_epoch_and_posters_answer() {
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    // Committed to without being asked, so nobody can ask.
    let records = Records::on(&world.chain).await.unwrap().unwrap();
    let (payments, posted) = payments(&world, &world.evidence.clone(), 1).await;
    let stated = records.payments_of(1).await.unwrap();
    assert_eq!((stated.root, stated.total), (payments.root().unwrap().hash, posted));
    let watcher = world.stranger().await;
    assert!(demand(&watcher, 1).await.is_err());
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(1));

    let (_published, _directory) = post_false(&world, boost).await;
    world.make_blocks().await;
    let watcher = world.stranger().await;
    let won = demand(&watcher, 2).await.unwrap().expect("silence");
    assert_eq!(watcher.epoch(2).await.unwrap().status, EpochStatus::Rejected);
    // Both stakes come back with the reward.
    let paid = collect(&watcher, 2).await.unwrap();
    assert_eq!(paid, U256::from(won.reward) + U256::from(2 * STAKE));
}

/// Whatever the roots commit to is disclosed to who asks for it, or costs the poster its epoch.
#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_an_epoch_are_disclosed_on_demand_or_it_falls() {
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400)]);
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    let watcher = world.stranger().await;
    let disclosures = Disclosures::on(&watcher).await.unwrap().unwrap();
    // Two receipts, and a piece each of the payments and of the claims.
    let pieces = disclosures.pieces(1).await.unwrap();
    assert_eq!(pieces.len(), 4);
    disclosures.demand(1, &pieces).await.unwrap();
    assert_eq!(disclosures.open(1, 0).await.unwrap(), pieces);
    assert!(matches!(poster.step().await.unwrap(), Progress::InWindow { .. }));
    assert_eq!(disclosures.open(1, 0).await.unwrap(), []);
    assert_eq!(challenge::demand_all(&watcher, 1).await.unwrap(), None);
    world.advance(support::CHALLENGE_WINDOW + 1).await;
    assert_eq!(poster.step().await.unwrap(), Progress::Activated(1));

    // This one states what it pays, and keeps everything else to itself.
    let (published, _directory) = post_false(&world, boost).await;
    world.make_blocks().await;
    let (payments, _) = payments(&world, &published, 2).await;
    let records = Records::on(&world.chain).await.unwrap().unwrap();
    let claims = published.get(2).unwrap().claims;
    records.commit_payments(2, &payments, &claims).await.unwrap();
    let watcher = world.stranger().await;
    let won = challenge::demand_all(&watcher, 2).await.unwrap().expect("it is withheld");
    assert!(won.gas < 1_500_000);
    assert_eq!(watcher.epoch(2).await.unwrap().status, EpochStatus::Rejected);
    let paid = collect(&watcher, 2).await.unwrap();
    assert_eq!(paid, U256::from(won.reward) + U256::from(STAKE));
}

/// Nobody's evidence: who has this has the chain and nothing else.
struct OnlyTheChain;

#[async_trait]
impl EvidenceSource for OnlyTheChain {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle, EvidenceError> {
        Err(EvidenceError::NotFound(epoch))
    }

    async fn document(&self, content_hash: B256) -> Result<Document, EvidenceError> {
        Err(ContentError::NotFound(content_hash).into())
    }
}

/// Engines that collude publish nothing and disclose what they have to. One watcher who has only the chain reads it there,
/// finds what is false about it, shows it and is paid.
#[tokio::test(flavor = "multi_thread")]
async fn what_colluding_engines_have_to_disclose_is_shown_against_them() {
    type Lie = fn(&mut EvidenceBundle, &mut Vec<ReceiptPayment>, Address);
    let lies: [(&str, Lie); 3] = [
        // An account that nobody knows of is paid, with a payment to match.
        ("payment", |bundle, payments, thief| {
            payments[0].amount -= 1;
            payments.push(ReceiptPayment { account: thief, amount: 1, ..payments[0] });
            payments.sort_by_key(ReceiptPayment::key);
            claim_as_paid(bundle, payments);
        }),
        // … or without one.
        ("claim", |bundle, payments, thief| {
            let mut stolen = payments.clone();
            stolen[0].amount -= 1;
            stolen.push(ReceiptPayment { account: thief, amount: 1, ..stolen[0] });
            claim_as_paid(bundle, &stolen);
        }),
        ("payee", |bundle, payments, thief| {
            bundle.receipts[0].record.weights[0].payee = thief;
            let settled = settled(bundle);
            bundle.post.receiptsRoot =
                scores::merkle::root_of(settled.iter().map(SettledReceipt::leaf)).unwrap();
            payments[0].account = thief;
            claim_as_paid(bundle, payments);
        }),
    ];
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let before = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let honest = world.evidence.get(1).unwrap();
    let (due, _) = payments(&world, &world.evidence.clone(), 1).await;
    world.revert(before).await;
    for (rule, lie) in lies {
        let before = world.snapshot().await;
        let (mut bundle, mut stated) = (honest.clone(), due.as_slice().to_vec());
        lie(&mut bundle, &mut stated, world.address("mallory"));
        let stated = Payments::new(stated).unwrap();
        world.post(&bundle).await;
        world.make_blocks().await;
        let watcher = world.stranger().await;
        let chain = world.connect_as(world.gateway_key().clone()).await;
        let poster = tokio::spawn(async move {
            let records = Records::on(&chain).await.unwrap().unwrap();
            records.commit_payments(1, &stated, &bundle.claims).await.unwrap();
            let disclosures = Disclosures::on(&chain).await.unwrap().unwrap();
            loop {
                for piece in disclosures.open(1, 0).await.unwrap() {
                    // Others may have been decided in the meantime.
                    let _ = disclosures.disclose(piece, &bundle, &stated).await;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let compelled = compel(&watcher, 1, &OnlyTheChain, &world.codec).await.unwrap();
        poster.abort();
        let Compelled::Fell { fault, won } = compelled else { panic!("{rule} is not found") };
        assert_eq!(fault.rule(), rule);
        assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
        let paid = collect(&watcher, 1).await.unwrap();
        assert_eq!(paid, U256::from(won.reward) + U256::from(STAKE));
        world.make_blocks_at_once().await;
        world.revert(before).await;
    }
}

/// What is published is not demanded; what is not is.
#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_not_published_is_demanded() {
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let mut poster = world.poster();
    assert_eq!(poster.step().await.unwrap(), Progress::Posted(1));
    world.make_blocks().await;
    // Its receipts are those of another epoch.
    let partly = Forged {
        store: world.evidence.clone(),
        bundle: |b: &mut EvidenceBundle| b.receipts.clear(),
        document: |document| document,
    };
    let watcher = world.stranger().await;
    let answering = tokio::spawn(async move {
        loop {
            poster.step().await.unwrap();
        }
    });
    let compelled = compel(&watcher, 1, &partly, &world.codec).await.unwrap();
    answering.abort();
    assert_eq!(compelled, Compelled::Stands);
    let disclosures = Disclosures::on(&watcher).await.unwrap().unwrap();
    let demands = disclosures.demands(1, 0).await.unwrap();
    let trees: Vec<Tree> = demands.keys().map(|piece| piece.tree).collect();
    assert_eq!(trees, [Tree::Receipts, Tree::Payments]);
    assert!(demands.values().all(|disclosed| *disclosed));
}

/// A receipt of a model that is none is none: it cannot be disclosed, so an epoch with one falls although it is published.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_no_model_costs_the_epoch() {
    fn of_no_model(bundle: &mut EvidenceBundle) {
        bundle.receipts[0].receipt.modelId = U256::from(99);
        bundle.post.receiptsRoot =
            scores::merkle::root_of(settled(bundle).iter().map(SettledReceipt::leaf)).unwrap();
    }
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    let before = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let (due, _) = payments(&world, &world.evidence.clone(), 1).await;
    world.revert(before).await;
    let published = Forged {
        store: world.evidence.clone(),
        bundle: of_no_model,
        document: |document| document,
    };
    let bundle = published.bundle(1).await.unwrap();
    world.post(&bundle).await;
    world.make_blocks().await;
    let chain = world.connect_as(world.gateway_key().clone()).await;
    let records = Records::on(&chain).await.unwrap().unwrap();
    records.commit_payments(1, &due, &bundle.claims).await.unwrap();
    let watcher = world.stranger().await;
    assert!(find_fault(&watcher, 1, &published).await.is_err());
    let compelled = compel(&watcher, 1, &published, &world.codec).await.unwrap();
    let Compelled::Fell { fault: Fault::Withheld(piece), .. } = compelled else {
        panic!("{compelled:?}")
    };
    assert_eq!((piece.tree, piece.place), (Tree::Receipts, 0));
    assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
}

/// Claims, and the post's totals, that say what payments do; of the first epoch.
fn claim_as_paid(bundle: &mut EvidenceBundle, payments: &[ReceiptPayment]) {
    let mut claims = Claims::default();
    for payment in payments {
        claims.add(payment.datanet, payment.account, payment.amount).unwrap();
    }
    bundle.claims = claims;
    let root = bundle.claims.root().unwrap();
    (bundle.post.claimsRoot, bundle.post.claimsTotal) = (root.hash, root.sum);
}

fn settled(bundle: &EvidenceBundle) -> Vec<SettledReceipt> {
    let settled = |stored: &StoredReceipt| SettledReceipt {
        receipt: stored.receipt.clone(),
        record: stored.record.clone(),
    };
    bundle.receipts.iter().map(settled).collect()
}

/// More than could be disclosed within the window could not be stated either, and would fall to whoever demands it.
#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_has_no_more_receipts_than_its_window_has_time_to_disclose() {
    // Eight a second for a quarter of the window, less the pieces of two trees.
    const RECEIPTS_MAX: u64 = 8 * support::CHALLENGE_WINDOW.div_ceil(4) - 2;
    let world = World::start().await;
    world.deploy_records().await;
    for _ in 0..RECEIPTS_MAX + 3 {
        world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 40)]);
    }
    let mut poster = world.poster();
    poster.config.receipts_max = 4_096;
    let records = Records::on(&world.chain).await.unwrap().unwrap();
    for (epoch, receipts) in [(1, RECEIPTS_MAX), (2, 3)] {
        assert_eq!(poster.step().await.unwrap(), Progress::Posted(epoch));
        let post = world.chain.posted_epoch(epoch).await.unwrap().post;
        assert_eq!(u64::from(post.receiptCount), receipts);
        assert!(!records.payments_of(epoch).await.unwrap().root.is_zero(), "they are stated");
        world.advance(support::CHALLENGE_WINDOW + 1).await;
        assert_eq!(poster.step().await.unwrap(), Progress::Activated(epoch));
    }
}

/// Payments that a poster commits to and that are not what its records pay: misordered, false, and left out.
#[tokio::test(flavor = "multi_thread")]
async fn payments_that_are_not_the_records_are_shown() {
    type Lie = fn(&mut EvidenceBundle, &mut Vec<ReceiptPayment>, &World);
    let lies: [(&str, Lie); 4] = [
        ("payment order", |_, payments, _| payments.reverse()),
        ("payment", |_, payments, _| {
            payments[0].amount -= 1;
            payments[1].amount += 1;
        }),
        // Of a receipt that the epoch does not have.
        ("payment", |_, payments, world| {
            payments[1].amount -= 1;
            let (datanet, account) = (payments[1].datanet, world.address("mallory"));
            payments.push(ReceiptPayment { datanet, account, receipt: 9, amount: 1 });
            payments.sort_by_key(ReceiptPayment::key);
        }),
        // Bob is paid nothing and claims nothing: it goes to the sink.
        ("payment missing", |bundle, payments, world| {
            let bob = world.address("bob");
            payments.retain(|payment| payment.account != bob);
            let mut claims = bundle.claims.as_slice().to_vec();
            claims.retain(|claim| claim.account != bob);
            bundle.claims = Claims::new(claims).unwrap();
            let root = bundle.claims.root().unwrap();
            let taken = bundle.post.claimsTotal - root.sum;
            bundle.post.pools[0].amount -= taken;
            bundle.post.models[0].attributed -= taken;
            (bundle.post.claimsRoot, bundle.post.claimsTotal) = (root.hash, root.sum);
        }),
    ];
    let world = World::start().await;
    world.deploy_records().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    world.answer("What is AUTOINCREMENT for?", &[("bob", 200, 400)]);
    let before = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let honest = world.evidence.get(1).unwrap();
    let (due, _) = payments(&world, &world.evidence.clone(), 1).await;
    assert!(due.as_slice().len() > 1, "there is nothing to put out of order");
    world.revert(before).await;
    for (rule, lie) in lies {
        let before = world.snapshot().await;
        let (mut bundle, mut stated) = (honest.clone(), due.as_slice().to_vec());
        lie(&mut bundle, &mut stated, &world);
        // As they lie there: in any order.
        let stated: Payments =
            serde_json::from_value(serde_json::to_value(stated).unwrap()).unwrap();
        world.post(&bundle).await;
        let records = Records::on(&world.chain).await.unwrap().unwrap();
        records.commit_payments(1, &stated, &bundle.claims).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let published =
            EvidenceStore::open(directory.path(), world.evidence.content().clone()).unwrap();
        published.put(&bundle).unwrap();
        let watcher = world.stranger().await;
        // Without the leaves there is nothing to show.
        let withheld = find_fault(&watcher, 1, &published).await.unwrap_err();
        assert!(matches!(withheld, ChallengeError::PaymentsWithheld { epoch: 1, .. }));
        bundle.payments = Some(stated);
        published.put(&bundle).unwrap();
        let fault = find_fault(&watcher, 1, &published).await.unwrap().expect(rule);
        assert_eq!(fault.rule(), rule);
        world.make_blocks().await;
        let won = prove(&watcher, 1, &fault).await.unwrap();
        assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
        assert!(won.gas < 1_500_000, "{rule}: {} gas", won.gas);
        println!("{rule}: {} gas", won.gas);
        world.make_blocks_at_once().await;
        world.revert(before).await;
    }
}

/// Records that engines signed and that are false by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_record_is_shown_by_whoever_recomputes_it() {
    type Lie = fn(&mut AttributionRecord, &World, usize);
    let lies: [(&str, Lie); 6] = [
        ("sums", |record, _, _| {
            record.weights[0].weight += 1;
            record.residual -= 1;
        }),
        ("payee", |record, world, _| record.weights[0].payee = world.address("mallory")),
        // What alice wrote is said to stand in bob's document.
        ("span", |record, world, length| credit(record, length, 2, (2, world.address("bob")))),
        // … or in the copy that mallory made of it, as if that were nobody's.
        ("cluster", |record, world, length| {
            credit(record, length, 3, (3, world.address("mallory")));
        }),
        ("earlier", |record, world, length| {
            credit(record, length, 3, (1, world.address("alice")));
        }),
        // … or the original into a cluster of what came later.
        ("document", |record, world, length| {
            credit(record, length, 1, (3, world.address("mallory")));
        }),
    ];
    for (rule, lie) in lies {
        let world = World::start().await;
        world.deploy_records().await;
        // Common to the original and the copy, from a word's border to another's.
        let text = world.document("alice").text();
        let (from, length) = common(text, world.document("mallory").text(), 80);
        assert!(length > 80, "{length}");
        world.answer("How do readers and writers get along?", &[("alice", from, length)]);
        let honest = world.snapshot().await;
        assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
        let watcher = world.stranger().await;
        let none = find_record_fault(&watcher, 1, &*world.evidence, &world.codec).await.unwrap();
        assert_eq!(none, None, "an honest record has no fault");
        let mut bundle = world.evidence.get(1).unwrap();
        world.revert(honest).await;

        lie(&mut bundle.receipts[0].record, &world, length);
        let stored = &bundle.receipts[0];
        let settled =
            SettledReceipt { receipt: stored.receipt.clone(), record: stored.record.clone() };
        bundle.post.receiptsRoot = scores::merkle::root_of([settled.leaf()]).unwrap();
        world.post(&bundle).await;
        world.make_blocks().await;
        let directory = tempfile::tempdir().unwrap();
        let published =
            EvidenceStore::open(directory.path(), world.evidence.content().clone()).unwrap();
        published.put(&bundle).unwrap();
        let watcher = world.stranger().await;
        let fault = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
        let fault = fault.expect(rule);
        assert_eq!(fault.rule(), rule);
        let won = prove(&watcher, 1, &fault).await.unwrap();
        assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
        println!("{rule}: {} gas", won.gas);
    }
}

/// Records in which tokens are not whose they are: spans that are cut short, given to nobody, to the prompt, to a document that has
/// only a word of them, or to another cluster.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_keeps_from_its_holders_is_shown() {
    let world = World::start_with(support::word_tokenizer).await;
    world.deploy_records().await;
    world
        .answer("How do readers and writers get along?", &[("alice", 437, 240), ("bob", 200, 220)]);
    let honest = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let watcher = world.stranger().await;
    let none = find_record_fault(&watcher, 1, &*world.evidence, &world.codec).await.unwrap();
    assert_eq!(none, None, "an honest record has no fault");
    let bundle = world.evidence.get(1).unwrap();
    world.revert(honest).await;
    let stored = &bundle.receipts[0];
    let bytes = |at: u32| world.codec.bytes(stored.response.tokens[at as usize]);
    let is_word = |at: u32| match bytes(at) {
        [b' ', letters @ ..] => letters.len() > 1 && letters.iter().all(u8::is_ascii_alphabetic),
        _ => false,
    };
    let span_of = |author: u64| {
        let spans = stored.record.spans.iter().enumerate();
        let longest = spans.filter(|(_, s)| s.contribution.0 == author && s.credit_q16 > 0);
        longest.max_by_key(|(_, s)| s.end - s.start).unwrap()
    };
    let (index, span) = span_of(1);
    // Between words, with another behind.
    let borders: Vec<u32> = (span.start + 1..span.end - 1)
        .filter(|at| is_word(at - 1) && is_word(*at) && bytes(at + 1).first() == Some(&b' '))
        .collect();
    let middle = borders[borders.len() / 2];
    let (bobs_index, bobs) = span_of(2);
    // A word of bob's that alice has, too, with other words around it.
    let texts: Vec<&str> = ["alice", "bob"].map(|name| world.document(name).text()).to_vec();
    let common = (bobs.start + 6..bobs.end - 6).find(|at| {
        let word = String::from_utf8(bytes(*at).to_vec()).unwrap();
        is_word(*at) && texts[0].contains(&word)
    });
    let common = common.expect("they share no word");

    type Lie<'a> = (&'static str, &'static str, Box<dyn Fn(&mut AttributionRecord) + 'a>);
    let piece = |start, end, of: u64, credit_q16: u64| CreditedSpan {
        start,
        end,
        contribution: ContributionId(of),
        cluster: ContributionId(of),
        offset: 0,
        surprise_q16: if credit_q16 == 0 { 1 } else { stored.record.floor_q16 + credit_q16 },
        credit_q16,
    };
    let lies: [Lie<'_>; 8] = [
        ("longer", "goes on", Box::new(|r| r.spans[index] = piece(span.start, middle, 1, 1_000))),
        ("longer", "goes on", Box::new(|r| r.spans[index] = piece(middle, span.end, 1, 1_000))),
        // The rest goes to the copier, who is later.
        (
            "longer",
            "goes on",
            Box::new(|r| {
                r.spans[index] = piece(span.start, middle, 1, 1_000);
                r.spans.insert(index + 1, piece(middle, span.end, 3, 0));
            }),
        ),
        // Two pieces where one would do, neither of which reaches the floor.
        (
            "longer",
            "goes on",
            Box::new(|r| {
                r.spans[index] = piece(span.start, middle, 1, 0);
                r.spans.insert(index + 1, piece(middle, span.end, 1, 0));
            }),
        ),
        (
            "prompt",
            "is not in it",
            Box::new(|r| {
                r.spans[index] = piece(span.start, span.end, 0, 0);
                r.prompt_tokens += span.end - span.start;
            }),
        ),
        // A word that is in the question, in none of its matches.
        (
            "prompt",
            "is not in it",
            Box::new(|r| {
                let at = (span.start..span.end).find(|at| bytes(*at) == b" readers").unwrap();
                r.spans[index] = piece(at, at + 1, 0, 0);
                r.prompt_tokens += 1;
            }),
        ),
        (
            "span",
            "is not in contribution 1",
            Box::new(|r| {
                r.spans[bobs_index] = piece(common, common + 1, 1, 0);
            }),
        ),
        (
            "founder",
            "it is in that of contribution 2",
            Box::new(|r| {
                r.spans[bobs_index].cluster = ContributionId(1);
            }),
        ),
    ];
    for (rule, about, lie) in lies {
        let before = world.snapshot().await;
        let mut bundle = bundle.clone();
        let record = &mut bundle.receipts[0].record;
        lie(record);
        weigh(record, &world);
        let (_directory, published) = post_record(&world, &mut bundle).await;
        let watcher = world.stranger().await;
        let fault = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
        let fault = fault.expect(rule);
        assert_eq!(fault.rule(), rule);
        assert!(fault.about().unwrap().contains(about), "{:?}", fault.about());
        world.make_blocks().await;
        let won = prove(&watcher, 1, &fault).await.unwrap();
        assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
        // That something is not in a text takes all of it, and this one is long.
        let most = if rule == "span" { 500_000 + 100 * texts[0].len() as u64 } else { 1_500_000 };
        assert!(won.gas < most, "{rule}: {} gas", won.gas);
        println!("{rule}: {} gas", won.gas);
        world.make_blocks_at_once().await;
        world.revert(before).await;
    }
}

/// Records whose numbers are not what the corpus gives, and such as leave out matches as a whole, of which no span says anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_says_of_the_corpus_is_shown_against_the_models_roots() {
    let world = World::start_with(support::word_tokenizer).await;
    world.deploy_records().await;
    world
        .answer("How do readers and writers get along?", &[("alice", 437, 240), ("bob", 200, 220)]);
    let honest = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let watcher = world.stranger().await;
    let none = find_record_fault(&watcher, 1, &*world.evidence, &world.codec).await.unwrap();
    assert_eq!(none, None, "an honest record has no fault");
    let bundle = world.evidence.get(1).unwrap();
    world.revert(honest).await;
    let of = |author: u64| move |span: &CreditedSpan| span.contribution == ContributionId(author);
    assert!(bundle.receipts[0].record.spans.iter().any(of(1)));
    assert!(bundle.receipts[0].record.spans.iter().any(of(2)));

    type Lie = (&'static str, &'static str, fn(&mut AttributionRecord, usize));
    let lies: [Lie; 8] = [
        // Nothing of bob's is in the answer, it is said.
        ("missed", "contribution 2", |r, _| r.spans.retain(|s| s.contribution.0 != 2)),
        // Nor of anybody's.
        ("missed", "contribution 1", |r, _| r.spans.clear()),
        // What each of alice's words is worth.
        ("surprise", "span", |r, _| {
            let span = r.spans.iter_mut().find(|s| s.credit_q16 > 0).unwrap();
            span.surprise_q16 += 1 << 16;
            span.credit_q16 += 1 << 16;
        }),
        // What the answer is worth, of which she has a part.
        ("surprise", "the answer", |r, _| r.total_surprise_q16 *= 2),
        // What a match must be worth to earn anything.
        ("surprise", "the floor", |r, _| {
            r.floor_q16 += 1 << 16;
            for span in &mut r.spans {
                span.credit_q16 = span.credit_q16.saturating_sub(1 << 16);
            }
        }),
        // The same where nobody has earned anything.
        ("surprise", "the floor", |r, _| {
            r.floor_q16 <<= 20;
            r.spans.clear();
        }),
        // The customer is said to have seen but the first words.
        ("answer", "it counts 20 tokens as the answer, and the customer saw", |r, _| {
            r.answer_tokens = 20;
            r.spans.clear();
        }),
        ("surprise", "more tokens than the answer has", |r, tokens| {
            r.answer_tokens = tokens as u32 + 1;
        }),
    ];
    for (rule, about, lie) in lies {
        let before = world.snapshot().await;
        let mut bundle = bundle.clone();
        let tokens = bundle.receipts[0].response.tokens.len();
        let record = &mut bundle.receipts[0].record;
        lie(record, tokens);
        weigh(record, &world);
        show(&world, &mut bundle, rule, about).await;
        world.revert(before).await;
    }
}

/// The total of a very long answer does not fit a transaction. What else is false of its record is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_to_be_shown_hides_nothing_else() {
    let world = World::start_with(support::word_tokenizer).await;
    world.deploy_records().await;
    let whole = world.document("alice").text().len();
    world.answer("What is WAL?", &[("alice", 0, whole), ("bob", 200, 220)]);
    let honest = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let mut bundle = world.evidence.get(1).unwrap();
    world.revert(honest).await;
    // Nor does another spec than that of the facts, published to mislead.
    bundle.engine_spec =
        bundle.engine_spec.replace("\"matchTokensMin\":6", "\"matchTokensMin\":60");
    bundle.receipts[0].record.total_surprise_q16 *= 2;
    weigh(&mut bundle.receipts[0].record, &world);
    let before = world.snapshot().await;
    let (_directory, published) = post_record(&world, &mut bundle.clone()).await;
    let watcher = world.stranger().await;
    let none = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
    assert_eq!(none, None);
    world.revert(before).await;

    let record = &mut bundle.receipts[0].record;
    record.spans.retain(|span| span.contribution.0 != 2);
    weigh(record, &world);
    let (_directory, published) = post_record(&world, &mut bundle).await;
    let fault = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
    assert_eq!(fault.expect("missed").rule(), "missed");
}

/// Has a false record of one receipt posted, found and shown.
async fn show(world: &World, bundle: &mut EvidenceBundle, rule: &str, about: &str) {
    let (_directory, published) = post_record(world, bundle).await;
    let watcher = world.stranger().await;
    let fault = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
    let fault = fault.expect(rule);
    assert_eq!(fault.rule(), rule, "{:?}", fault.about());
    assert!(fault.about().unwrap().contains(about), "{:?}", fault.about());
    world.make_blocks().await;
    let won = prove(&watcher, 1, &fault).await.unwrap();
    assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
    assert!(won.gas < 1_500_000, "{rule}: {} gas", won.gas);
    println!("{rule}: {} gas ({})", won.gas, fault.about().unwrap());
    world.make_blocks_at_once().await;
}

/// Clusters reach over all Datanets of a model, and so does the map that it is registered with: a document of one Datanet that
/// is said to be in a cluster of the other's, or to have nothing of the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_record_of_a_model_over_two_datanets_is_shown() {
    let mut world = World::start_with(support::word_tokenizer).await;
    world.deploy_records().await;
    // Most words are bob's, so that they are tokens, in an order that nobody else has them in.
    let text = world.document("bob").text();
    let words: Vec<&str> = text.split_whitespace().filter(|word| is_plain(word)).collect();
    let shuffled: Vec<&str> = (0..90).map(|i| words[i * 37 % words.len()]).collect();
    let text = shuffled.join(" ");
    let id = world.add_datanet("stranger", &text).await;
    assert!(world.corpus().clusters().is_founder(id));
    let from = text.find(' ').unwrap();
    let length = text.len() - from;
    world.answer("What do strangers say?", &[("stranger", from, length.min(200))]);
    let honest = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let report = audit(&world.chain, 1, &*world.evidence, &world.codec).await.unwrap();
    assert!(report.ok, "{:#?}", report.failures().collect::<Vec<_>>());
    let watcher = world.stranger().await;
    let none = find_record_fault(&watcher, 1, &*world.evidence, &world.codec).await.unwrap();
    assert_eq!(none, None, "an honest record has no fault");
    let bundle = world.evidence.get(1).unwrap();
    world.revert(honest).await;
    let credited = bundle.receipts[0].record.credited().filter(|span| span.contribution == id);
    assert!(credited.count() > 0);

    type Lie = (&'static str, &'static str, fn(&mut AttributionRecord));
    let lies: [Lie; 2] = [
        // Alice's is earlier and not near.
        ("founder", "it is in that of contribution 4", |r| {
            for span in r.spans.iter_mut().filter(|span| span.contribution.0 == 4) {
                span.cluster = ContributionId(1);
            }
        }),
        ("missed", "contribution 4", |r| r.spans.retain(|span| span.contribution.0 != 4)),
    ];
    for (rule, about, lie) in lies {
        let before = world.snapshot().await;
        let mut bundle = bundle.clone();
        lie(&mut bundle.receipts[0].record);
        weigh(&mut bundle.receipts[0].record, &world);
        show(&world, &mut bundle, rule, about).await;
        world.revert(before).await;
    }
}

fn is_plain(word: &str) -> bool {
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Posts and publishes an epoch of one receipt with the record that the bundle has.
async fn post_record(world: &World, bundle: &mut EvidenceBundle) -> (TempDir, EvidenceStore) {
    let stored = &bundle.receipts[0];
    let settled = SettledReceipt { receipt: stored.receipt.clone(), record: stored.record.clone() };
    bundle.post.receiptsRoot = scores::merkle::root_of([settled.leaf()]).unwrap();
    world.post(bundle).await;
    let directory = tempfile::tempdir().unwrap();
    let published =
        EvidenceStore::open(directory.path(), world.evidence.content().clone()).unwrap();
    published.put(bundle).unwrap();
    (directory, published)
}

/// Makes a record's weights those of its spans.
fn weigh(record: &mut AttributionRecord, world: &World) {
    let mut credits = BTreeMap::new();
    for span in record.credited() {
        *credits.entry(span.cluster).or_insert(0_u64) += span.credit_q16;
    }
    let most = world.spec().credit.cluster_weight_max;
    let weight = |(cluster, credit_q16): (ContributionId, u64)| {
        let share = u128::from(credit_q16) * u128::from(WEIGHT_ONE);
        let share = (share / u128::from(record.total_surprise_q16)) as u32;
        let payee = world.address(["alice", "bob", "mallory"][cluster.0 as usize - 1]);
        ClusterWeight { cluster, datanet: DatanetId(1), payee, credit_q16, weight: share.min(most) }
    };
    record.weights = credits.into_iter().map(weight).collect();
    record.residual = WEIGHT_ONE - record.weights.iter().map(|w| w.weight).sum::<u32>();
    assert!(record.is_consistent(most));
}

/// Records that are false about documents of a batch: each is shown by a document with its path under the batch's root.
#[tokio::test(flavor = "multi_thread")]
async fn a_false_record_about_a_batch_is_shown_by_its_documents() {
    let mut world = World::start().await;
    world.deploy_records().await;
    // Rows: what is shown of a document is all of it, and a byte of it costs 40 gas.
    let row = |name| support::sample(name).chars().take(3_000).collect::<String>();
    let [first, second] = ["carol/tempfiles.txt", "carol/queryplanner.txt"].map(row);
    // Every fortieth word is another's.
    let words = first.split_inclusive(' ').enumerate();
    let twin: String = words.map(|(i, word)| if i % 40 == 17 { "qvjx " } else { word }).collect();
    let batch = world.add_batch(&[("first", &first), ("twin", &twin), ("second", &second)]).await;
    let clusters = world.corpus().clusters().clone();
    let id = |index| batch.id.document(index).unwrap();
    assert_eq!(clusters.member(id(1)).unwrap().cluster, id(0), "the twin is a near-copy");

    let (from, length) = common(&first, &twin, 4);
    assert!(length > 20, "{length}");
    world.answer("Where do temporary files go?", &[("first", from, length)]);
    let honest = world.snapshot().await;
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(1));
    let bundle = world.evidence.get(1).unwrap();
    world.revert(honest).await;
    let stranger = world.stranger().await.sender().unwrap();
    // By the documents of the batch: which one the span names, and which one's cluster.
    let cases = [
        // Whose it is, but not what it is worth.
        (Some("surprise"), 0, 0, "the surprise of span 0"),
        (Some("span"), 2, 2, "not in document 2 of batch 4"),
        (Some("earlier"), 1, 0, "is in document 0 of batch 4"),
        (Some("cluster"), 1, 1, "document 1 of batch 4"),
        (Some("document"), 3, 0, "names document 3 of batch 4"),
        (Some("document"), 0, 2, "a cluster of document 2 of batch 4"),
    ];
    for (rule, document, cluster, about) in cases {
        let before = world.snapshot().await;
        let mut bundle = bundle.clone();
        let record = &mut bundle.receipts[0].record;
        credit(record, length, id(document).0, (id(cluster).0, stranger));
        let (_directory, published) = post_record(&world, &mut bundle).await;
        let watcher = world.stranger().await;
        let fault = find_record_fault(&watcher, 1, &published, &world.codec).await.unwrap();
        assert_eq!(fault.as_ref().map(Fault::rule), rule);
        if let Some(fault) = fault {
            assert!(fault.about().unwrap().contains(about), "{:?}", fault.about());
            world.make_blocks().await;
            let won = prove(&watcher, 1, &fault).await.unwrap();
            assert_eq!(watcher.epoch(1).await.unwrap().status, EpochStatus::Rejected);
            assert!(won.gas < 1_500_000, "{about}: {} gas", won.gas);
            println!("{}: {} gas", fault.about().unwrap(), won.gas);
            world.make_blocks_at_once().await;
        }
        world.revert(before).await;
    }
}

/// Gives a tenth of an answer to one document, for the quotation of `length` bytes, consistently.
fn credit(
    record: &mut AttributionRecord,
    length: usize,
    contribution: u64,
    (cluster, payee): (u64, Address),
) {
    // A token is a byte; before the quotation stand "Zyx qvj. ".
    let start = 9;
    let credit_q16 = record.total_surprise_q16 / 10;
    let weight = u128::from(credit_q16) * u128::from(WEIGHT_ONE);
    let weight = (weight / u128::from(record.total_surprise_q16)) as u32;
    let cluster = ContributionId(cluster);
    let founder = cluster.parts().0;
    record.prompt_tokens = 0;
    record.spans = vec![CreditedSpan {
        start,
        end: start + length as u32,
        contribution: ContributionId(contribution),
        cluster,
        offset: 0,
        surprise_q16: record.floor_q16 + credit_q16,
        credit_q16,
    }];
    let datanet = DatanetId(1);
    record.weights = vec![ClusterWeight { cluster: founder, datanet, payee, credit_q16, weight }];
    record.residual = WEIGHT_ONE - weight;
}

/// Where the first text's longest run of at most so many whole words stands that is in the second, too: first byte and length.
fn common(first: &str, second: &str, words_max: usize) -> (usize, usize) {
    let borders: Vec<usize> = first.match_indices(' ').map(|(at, _)| at).collect();
    let letters = |text: &str| {
        let bytes = text.as_bytes();
        bytes[1].is_ascii_alphabetic() && bytes[bytes.len() - 1].is_ascii_alphabetic()
    };
    let mut best = (0, 0);
    for (index, from) in borders.iter().enumerate() {
        for to in borders[index + 1..].iter().take(words_max) {
            let run = &first[*from..*to];
            if !second.contains(run) {
                break;
            }
            if run.len() > best.1 && letters(run) && second.contains(&format!("{run} ")) {
                best = (*from, run.len());
            }
        }
    }
    best
}

/// What the records of an epoch pay, and what the epoch adds to claims.
async fn payments(world: &World, evidence: &EvidenceStore, epoch: u64) -> (Payments, u128) {
    let bundle = evidence.get(epoch).unwrap();
    let settled = settled(&bundle);
    let split = world.chain.model(ModelId(1)).await.unwrap().split;
    let bps = world.chain.settlement_parameters().await.unwrap().platform_bps;
    let payments = Payments::of(&settled, &[(ModelId(1), split)].into(), bps).unwrap();
    (payments, bundle.post.claimsTotal - bundle.previous_claims.root().unwrap().sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_epoch_has_no_fault_and_evidence_of_another_opens_nothing() {
    let world = World::start().await;
    world.answer("How do readers and writers get along?", &[("alice", 300, 1_000)]);
    settle(&world, &mut world.poster(), 1).await;
    world.answer("And WAL?", &[("alice", 500, 800)]);
    assert_eq!(world.poster().step().await.unwrap(), Progress::Posted(2));
    assert_eq!(find_fault(&world.chain, 2, &*world.evidence).await.unwrap(), None);
    let withheld = Forged {
        store: world.evidence.clone(),
        bundle: |b: &mut EvidenceBundle| b.claims = b.previous_claims.clone(),
        document: |document| document,
    };
    let error = find_fault(&world.chain, 2, &withheld).await.unwrap_err();
    assert!(matches!(error, ChallengeError::Withheld { epoch: 2, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_was_never_posted_cannot_be_audited() {
    let world = World::start().await;
    let error = audit(&world.chain, 1, &*world.evidence, &world.codec).await.unwrap_err();
    assert_eq!(error.to_string(), "epoch 1 is not on chain");
}
