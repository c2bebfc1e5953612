//! The steps of the demo in order. Everybody acts through the public ways in: transactions on L1 and L2,
//! the gateway's HTTP API, and a second process for the audit.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
};

use alloy_primitives::{Address, B256, I256, U256, address, keccak256, utils::parse_ether};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolEvent;
use anyhow::{Context, Result, bail, ensure};
use scores::{
    ContributionId, DatanetId,
    document::{Document, DocumentCommitment},
    spec::EngineSpec,
};
use serde_json::{Value, json};
use service::{
    chain::{
        Chain, Contracts, CorpusRoots, EpochStatus,
        bindings::{
            datanets::IDatanetRegistry::{self, DatanetParams, Reveal},
            models::IModelRegistry::{self, DatanetRef, ModelParams, Split},
            settlement::IAttributionSettlement::{self, ProofNode},
        },
    },
    clusters::{CorpusDocument, cluster_map},
    evidence::{EvidenceSource, HttpEvidence},
};
use url::Url;

use super::{
    falsehood::{self, Watch},
    report::{LedgerRow, Report, difference, open},
    settlement, wait_for,
};
use crate::{acting, bridge, customer, dev::Ready, included::succeeded, keys};

/// Documents shipped with the repository; see `tests/data/sqlite/README.md`.
macro_rules! document {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../../tests/data/sqlite/", $path)))
    };
}

const ALICE: &[(&str, &str)] = &[
    document!("alice/wal.txt"),
    document!("alice/atomiccommit.txt"),
    document!("alice/isolation.txt"),
];
const BOB: &[(&str, &str)] = &[
    document!("bob/datatype3.txt"),
    document!("bob/foreignkeys.txt"),
    document!("bob/autoinc.txt"),
    document!("bob/stricttables.txt"),
];
const CAROL: &[(&str, &str)] = &[
    document!("carol/queryplanner.txt"),
    document!("carol/whentouse.txt"),
    document!("carol/appfileformat.txt"),
    document!("carol/tempfiles.txt"),
];
const MALLORY: &[(&str, &str)] = &[document!("mallory/wal-explained.txt")];
const LICENCE: &str = include_str!("../../../../tests/data/sqlite/LICENCE.txt");

const QUESTIONS: [&str; 3] = [
    "What are the advantages of write-ahead logging (WAL) over a rollback journal in SQLite?",
    "What is a STRICT table in SQLite and what does it enforce?",
    "How does SQLite use an index to sort rows?",
];

/// Where slashed bonds go.
const BURNED: Address = address!("000000000000000000000000000000000000dEaD");
/// Wei per 1,000 tokens.
const PRICE_IN: u128 = 20_000_000_000_000_000;
const PRICE_OUT: u128 = 100_000_000_000_000_000;

/// A person with a key and a connection to L2.
struct Actor {
    name: &'static str,
    key: PrivateKeySigner,
    l2: Chain,
}

impl Actor {
    async fn new(ready: &Ready, name: &'static str, index: u32) -> Result<Self> {
        let key = keys::dev_key(index)?;
        let url: Url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
        let l2 = Chain::connect_with_signer(url, Contracts::default(), key.clone()).await?;
        Ok(Self { name, key, l2 })
    }

    const fn address(&self) -> Address {
        self.key.address()
    }
}

/// A contribution in the making.
struct Submission<'a> {
    actor: &'a Actor,
    file: &'static str,
    document: Document,
    reveal: Reveal,
    id: u64,
}

pub async fn run(ready: &Ready, report: &mut Report) -> Result<()> {
    let cast = Cast::new(ready).await?;
    let start = Snapshot::take(&cast).await?;

    let bridged = step_bridge(ready, &cast, report).await?;
    let datanet = step_datanet(&cast, report).await?;
    let contributions = step_contribute(ready, &cast, datanet, report).await?;
    let spec = engine_spec(ready).await?;
    let version = step_version(&cast, datanet, &contributions, &spec, report).await?;
    let model = step_model(ready, &cast, datanet, version, &spec, report).await?;
    report.set("model", json!(model.name));
    let access = step_fund(ready, &cast, report).await?;
    report.set("apiKey", json!(access.api_key));
    let asked = step_ask(ready, &model, &access.api_key, report).await?;
    step_explain(ready, &asked, &contributions, report).await?;
    let watch = Watch::start(ready)?;
    let epochs = step_settle(&cast, &asked, report).await?;
    let settled = epochs.last().copied().unwrap_or_default();
    report.set("epoch", json!(settled));
    falsehood::run(ready, watch, settled, datanet, report).await?;
    let earned = step_claim(ready, &cast, datanet, &epochs, report).await?;
    step_audit(ready, &epochs, report).await?;
    step_ledger(ready, &cast, &start, bridged, &epochs, &earned, report).await?;
    settlement::run(ready, report).await
}

/// Everybody in the demo.
struct Cast {
    alice: Actor,
    bob: Actor,
    carol: Actor,
    mallory: Actor,
    customer: Actor,
    curator: Actor,
    builder: Actor,
    gateway: Address,
    engines: Vec<Address>,
    watcher: Address,
    platform: Address,
    stakers: Address,
    sink: Address,
}

impl Cast {
    async fn new(ready: &Ready) -> Result<Self> {
        let alice = Actor::new(ready, "alice", 1).await?;
        let parameters = alice.l2.settlement_parameters().await?;
        Ok(Self {
            bob: Actor::new(ready, "bob", 2).await?,
            carol: Actor::new(ready, "carol", 3).await?,
            mallory: Actor::new(ready, "mallory", 4).await?,
            customer: Actor::new(ready, "customer", 5).await?,
            curator: Actor::new(ready, "curator", 6).await?,
            builder: Actor::new(ready, "builder", 7).await?,
            gateway: customer::gateway_address(ready).await?,
            engines: keys::addresses(&keys::engine_keys()?),
            watcher: keys::dev_key(falsehood::WATCHER)?.address(),
            platform: parameters.platform,
            stakers: parameters.stakers,
            sink: parameters.sink,
            alice,
        })
    }

    fn contributors(&self) -> [&Actor; 4] {
        [&self.alice, &self.bob, &self.carol, &self.mallory]
    }

    /// Everybody whose OPEN on L2 the demo can move, with what to call them.
    fn parties(&self) -> BTreeMap<Address, String> {
        let contracts = Contracts::default();
        let mut parties = BTreeMap::from([
            (self.gateway, "gateway".to_owned()),
            (self.platform, "platform".to_owned()),
            (self.stakers, "stakers".to_owned()),
            (self.sink, "sink (residual)".to_owned()),
            (contracts.datanets, "DatanetRegistry (bonds)".to_owned()),
            (contracts.escrow, "InferenceEscrow (prepaid)".to_owned()),
            (contracts.settlement, "AttributionSettlement (owed)".to_owned()),
            (primitives::SEQUENCER_FEE_VAULT, "SequencerFeeVault (tips)".to_owned()),
            (primitives::BASE_FEE_VAULT, "BaseFeeVault".to_owned()),
            (primitives::L1_FEE_VAULT, "L1FeeVault".to_owned()),
            (primitives::OPERATOR_FEE_VAULT, "OperatorFeeVault".to_owned()),
            (BURNED, "burned".to_owned()),
        ]);
        for actor in [
            &self.alice,
            &self.bob,
            &self.carol,
            &self.mallory,
            &self.customer,
            &self.curator,
            &self.builder,
        ] {
            parties.insert(actor.address(), actor.name.to_owned());
        }
        parties.insert(self.watcher, "watcher".to_owned());
        for (i, engine) in self.engines.iter().enumerate() {
            parties.entry(*engine).or_insert_with(|| format!("engine {i}"));
        }
        parties
    }
}

/// Balances at one L2 block.
struct Snapshot {
    block: u64,
    balances: BTreeMap<Address, U256>,
}

impl Snapshot {
    async fn take(cast: &Cast) -> Result<Self> {
        let block = cast.alice.l2.provider().get_block_number().await?;
        let parties: Vec<Address> = cast.parties().into_keys().collect();
        Self::at(cast, block, parties).await
    }

    async fn at(cast: &Cast, block: u64, parties: Vec<Address>) -> Result<Self> {
        let mut balances = BTreeMap::new();
        for party in parties {
            let balance = cast.alice.l2.provider().get_balance(party).number(block).await?;
            balances.insert(party, balance);
        }
        Ok(Self { block, balances })
    }
}

async fn step_bridge(ready: &Ready, cast: &Cast, report: &mut Report) -> Result<U256> {
    report.step("Bridge OPEN from L1 to five accounts");
    let amount = parse_ether("50")?;
    let receivers = [&cast.alice, &cast.bob, &cast.carol, &cast.mallory, &cast.customer];
    let sent = futures::future::try_join_all(
        receivers.map(|actor| bridge::deposit(ready, actor.key.clone(), actor.address(), amount)),
    )
    .await?;
    for (actor, deposit) in receivers.iter().zip(&sent) {
        bridge::wait_on_l2(ready, deposit.l2_transaction).await?;
        report.say(format!("{} locked {} on L1 and has it on L2", actor.name, open(amount)));
        report.proof("L1 transaction", deposit.l1_transaction);
        report.proof("L2 deposit", deposit.l2_transaction);
    }
    Ok(amount * U256::from(sent.len()))
}

async fn step_datanet(cast: &Cast, report: &mut Report) -> Result<u64> {
    report.step("Create a Datanet");
    let params = DatanetParams {
        name: "How SQLite works".into(),
        licence: "blessing".into(),
        licenceTextHash: keccak256(LICENCE),
        schemaHash: keccak256("text/plain; charset=utf-8"),
        bond: parse_ether("0.1")?.to(),
        revealWindow: 3_600,
        curators: Vec::new(),
    };
    let receipt =
        sent(cast.curator.l2.datanets().createDatanet(params), "create the Datanet").await?;
    let event = event::<IDatanetRegistry::DatanetCreated>(&receipt)?;
    let datanet: u64 = event.datanetId.try_into().context("Datanet ids fit 64 bits")?;
    report.say(format!("the curator created Datanet {datanet} under the licence \"blessing\""));
    report.proof("transaction", receipt.transaction_hash);
    Ok(datanet)
}

async fn step_contribute<'a>(
    ready: &Ready,
    cast: &'a Cast,
    datanet: u64,
    report: &mut Report,
) -> Result<Vec<Submission<'a>>> {
    report
        .step("Three contributors commit and reveal real documents; a fourth submits a near-copy");
    let mut submissions = Vec::new();
    for (actor, files) in [(&cast.alice, ALICE), (&cast.bob, BOB), (&cast.carol, CAROL)] {
        for (file, text) in files {
            submissions.push(prepare(actor, file, text)?);
        }
    }
    commit(datanet, &mut submissions).await?;
    reveal(&submissions).await?;
    // Mallory has seen what Alice revealed.
    let mut copies = MALLORY
        .iter()
        .map(|(file, text)| prepare(&cast.mallory, file, text))
        .collect::<Result<Vec<_>>>()?;
    commit(datanet, &mut copies).await?;
    reveal(&copies).await?;
    submissions.extend(copies);

    let client = reqwest::Client::new();
    for submission in &submissions {
        let url = format!(
            "{}/v1/datanets/{datanet}/contributions/{}/content",
            ready.gateway, submission.id
        );
        let answer = client.put(&url).body(submission.document.text().to_owned()).send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "the content store refused {}: {status} {}",
            submission.file,
            answer.text().await.unwrap_or_default()
        );
        report.say(format!(
            "{} contributed {} ({} bytes) as contribution {}",
            submission.actor.name,
            submission.file,
            submission.document.text().len(),
            submission.id
        ));
        report.proof("chunk root", submission.reveal.chunkRoot);
    }
    let ids = submissions.iter().map(|submission| U256::from(submission.id)).collect();
    let receipt = sent(cast.curator.l2.datanets().accept(ids), "accept the contributions").await?;
    report.say("the curator accepted all of them, the near-copy too: clusters decide who is paid");
    report.proof("transaction", receipt.transaction_hash);
    Ok(submissions)
}

fn prepare<'a>(actor: &'a Actor, file: &'static str, text: &str) -> Result<Submission<'a>> {
    let document = Document::normalise(text.as_bytes())?;
    let commitment = DocumentCommitment::of(&document)?;
    let reveal = Reveal {
        contentHash: commitment.content_hash,
        chunkRoot: commitment.chunk_root,
        chunkCount: commitment.chunk_count,
        byteLength: commitment.byte_length,
        sketchHash: commitment.sketch_hash,
        licenceHash: keccak256("blessing"),
        provenance: Vec::new(),
        archive: String::new(),
        salt: B256::from(rand::random::<[u8; 32]>()),
    };
    Ok(Submission { actor, file, document, reveal, id: 0 })
}

/// Everybody commits side by side, each in the order of his documents.
async fn commit(datanet: u64, submissions: &mut [Submission<'_>]) -> Result<()> {
    let id = U256::from(datanet);
    let by_actor = submissions.chunk_by_mut(same_actor).map(|own| async move {
        for submission in own {
            let registry = submission.actor.l2.datanets();
            let commitment = registry
                .commitmentOf(id, submission.actor.address(), submission.reveal.clone())
                .call()
                .await?;
            let call = registry.commit(id, commitment).value(parse_ether("0.1")?);
            let receipt = sent(call, "commit a contribution").await?;
            let event = event::<IDatanetRegistry::ContributionCommitted>(&receipt)?;
            submission.id =
                event.contributionId.try_into().context("contribution ids fit 64 bits")?;
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(by_actor).await?;
    // A reveal is valid from the block after the commitment's.
    if let Some(submission) = submissions.first() {
        let provider = submission.actor.l2.provider();
        let committed = provider.get_block_number().await?;
        wait_for("another block", 30, || async {
            Ok((provider.get_block_number().await? > committed).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn reveal(submissions: &[Submission<'_>]) -> Result<()> {
    let by_actor = submissions.chunk_by(same_actor).map(|own| async move {
        for submission in own {
            let registry = submission.actor.l2.datanets();
            let call = registry.reveal(U256::from(submission.id), submission.reveal.clone());
            sent(call, "reveal a contribution").await?;
        }
        anyhow::Ok(())
    });
    futures::future::try_join_all(by_actor).await?;
    Ok(())
}

fn same_actor(a: &Submission<'_>, b: &Submission<'_>) -> bool {
    a.actor.address() == b.actor.address()
}

/// The devnet's engine spec with the hashes of the model that the gateway runs.
async fn engine_spec(ready: &Ready) -> Result<EngineSpec> {
    let status = customer::status(ready).await?;
    let hash = |name: &str| -> Result<B256> {
        let text = status[name].as_str().with_context(|| format!("the gateway names no {name}"))?;
        text.parse().with_context(|| format!("the gateway's {name} is malformed"))
    };
    Ok(EngineSpec {
        tokenizer_hash: hash("tokenizer_hash")?,
        model_hash: hash("base_model_hash")?,
        ..EngineSpec::default()
    })
}

async fn step_version(
    cast: &Cast,
    datanet: u64,
    submissions: &[Submission<'_>],
    spec: &EngineSpec,
    report: &mut Report,
) -> Result<u32> {
    report.step("Publish a Datanet version with its cluster map");
    let on_chain = cast.curator.l2.accepted(DatanetId(datanet)).await?;
    let mut documents = Vec::with_capacity(on_chain.len());
    for contribution in on_chain {
        let submission = submissions
            .iter()
            .find(|submission| ContributionId(submission.id) == contribution.id)
            .with_context(|| format!("contribution {} is not ours", contribution.id))?;
        documents.push(CorpusDocument { contribution, document: submission.document.clone() });
    }
    let clusters = cluster_map(&documents, spec.cluster)?;
    let receipt = sent(
        cast.curator.l2.datanets().publishVersion(U256::from(datanet), clusters.root()),
        "publish the version",
    )
    .await?;
    let event = event::<IDatanetRegistry::VersionPublished>(&receipt)?;
    for submission in submissions {
        let id = ContributionId(submission.id);
        if !clusters.is_founder(id) {
            let founder = clusters.founder_of(id).context("every member has a founder")?;
            report.say(format!(
                "{} of {} is a near-duplicate of contribution {}, which was committed first",
                submission.file, submission.actor.name, founder.contribution
            ));
        }
    }
    report
        .say(format!("version {} holds {} contributions", event.version, event.contributionCount));
    report.proof("contributions root", event.contributionsRoot);
    report.proof("cluster map root", event.clusterMapRoot);
    report.proof("transaction", receipt.transaction_hash);
    let copy = submissions
        .iter()
        .find(|submission| submission.actor.name == cast.mallory.name)
        .context("the near-copy is missing")?;
    ensure!(!clusters.is_founder(ContributionId(copy.id)), "the near-copy was not recognised");
    Ok(event.version)
}

/// A registered model.
struct Model {
    name: String,
}

async fn step_model(
    ready: &Ready,
    cast: &Cast,
    datanet: u64,
    version: u32,
    spec: &EngineSpec,
    report: &mut Report,
) -> Result<Model> {
    report.step("Register a model over that version");
    let name = format!("sqlite-helper-{datanet}");
    let roots = roots_over(ready, datanet, version).await?;
    let params = ModelParams {
        name: name.clone(),
        sources: Vec::new(),
        baseModelHash: spec.model_hash,
        adapters: Vec::new(),
        datanets: vec![DatanetRef { datanetId: U256::from(datanet), version }],
        trainingManifestRoot: B256::ZERO,
        sketchRoot: B256::ZERO,
        surpriseRoot: roots.surprises,
        clusterMapRoot: roots.clusters,
        engineSpecHash: spec.hash()?,
        retrievalChunks: 2,
        pricePer1kIn: PRICE_IN.try_into().context("the price fits 96 bits")?,
        pricePer1kOut: PRICE_OUT.try_into().context("the price fits 96 bits")?,
        split: Split { modelBps: 4_000, contributorsBps: 5_000, stakersBps: 1_000 },
        payee: cast.builder.address(),
        royaltyBps: 1_000,
        licence: String::new(),
    };
    let receipt =
        sent(cast.builder.l2.models().registerModel(params), "register the model").await?;
    let event = event::<IModelRegistry::ModelRegistered>(&receipt)?;
    report.say(format!(
        "the builder registered {name} (model {}): SmolLM2-135M-Instruct answering from Datanet {datanet} \
         version {version}",
        event.modelId
    ));
    report.proof("engine spec", spec.hash()?);
    report.proof("root of the corpus's surprises", roots.surprises);
    report.proof("transaction", receipt.transaction_hash);
    Ok(Model { name })
}

/// What the builder commits to of the corpus, as `openledger attribution roots` computes it from public inputs.
async fn roots_over(ready: &Ready, datanet: u64, version: u32) -> Result<CorpusRoots> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = tokio::process::Command::new(&program)
        .args(["attribution", "roots", &format!("{datanet}:{version}"), "--json"])
        .args(["--l2-rpc", &ready.l2_rpc, "--gateway", &ready.gateway])
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot start computing roots")?;
    let failed = || format!("no roots: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), failed());
    serde_json::from_slice(&output.stdout).context("the roots")
}

async fn step_fund(ready: &Ready, cast: &Cast, report: &mut Report) -> Result<customer::Access> {
    report.step("A customer funds an escrow and authorises the gateway");
    let budget = parse_ether("5")?;
    let expiry = customer::now() + 24 * 3_600;
    let Actor { l2, key, .. } = &cast.customer;
    let actor = acting::Actor { chain: l2.clone(), signer: key.clone().into() };
    let gateway = customer::gateway_address(ready).await?;
    let access = customer::prepare(&actor, gateway, budget, expiry).await?;
    report.say(format!("{} in escrow, of which the gateway may draw at most that", open(budget)));
    for transaction in &access.transactions {
        report.proof("transaction", transaction);
    }
    Ok(access)
}

/// A question that was answered.
struct Asked {
    /// Of its receipt.
    number: u64,
}

async fn step_ask(
    ready: &Ready,
    model: &Model,
    api_key: &str,
    report: &mut Report,
) -> Result<Vec<Asked>> {
    report.step("The customer asks three questions through the OpenAI API");
    let client = reqwest::Client::new();
    // The gateway serves a model once it has indexed its Datanets.
    wait_for("the gateway to serve the model", 60, || async {
        let url = format!("{}/v1/models/{}", ready.gateway, model.name);
        Ok(client.get(&url).bearer_auth(api_key).send().await?.status().is_success().then_some(()))
    })
    .await?;
    let mut asked = Vec::new();
    for question in QUESTIONS {
        let body = json!({
            "model": model.name,
            "messages": [{"role": "user", "content": question}],
            "max_tokens": 64,
            "temperature": 0,
        });
        let url = format!("{}/v1/chat/completions", ready.gateway);
        let answer = wait_for("the model to be ready", 60, || async {
            let answer = client.post(&url).bearer_auth(api_key).json(&body).send().await?;
            let status = answer.status();
            let value: Value = answer.json().await?;
            match status.as_u16() {
                200 => Ok(Some(value)),
                503 | 429 => Ok(None),
                _ => bail!("the gateway refused the question: {status} {value}"),
            }
        })
        .await?;
        let text = answer["choices"][0]["message"]["content"]
            .as_str()
            .with_context(|| format!("no answer in {answer}"))?;
        let receipt = &answer["openledger"];
        let number = receipt["receipt"].as_u64().context("the answer carries no receipt")?;
        let fee: U256 = receipt["fee"].as_str().context("the receipt has no fee")?.parse()?;
        report.say(format!("asked: {question}"));
        report.say(format!("answer: {}", text.trim().replace('\n', " ")));
        report.proof("receipt", number);
        report.proof("receipt hash", receipt["receipt_hash"].as_str().unwrap_or_default());
        report.proof("fee", open(fee));
        asked.push(Asked { number });
    }
    Ok(asked)
}

async fn step_explain(
    ready: &Ready,
    asked: &[Asked],
    submissions: &[Submission<'_>],
    report: &mut Report,
) -> Result<()> {
    report.step("Attribution: whose words are in the answers");
    let client = reqwest::Client::new();
    let mut credited = 0_u64;
    for Asked { number } in asked {
        let url = format!("{}/v1/attribution/receipts/{number}?wait=30000", ready.gateway);
        let receipt: Value = client.get(&url).send().await?.error_for_status()?.json().await?;
        let record = &receipt["attribution"];
        ensure!(!record.is_null(), "receipt {number} was not attributed within 30 s");
        let mut said = false;
        for weight in record["weights"].as_array().context("a record lists its weights")? {
            let contribution = ["founder", "contribution", "cluster"]
                .iter()
                .find_map(|field| weight[*field].as_u64())
                .with_context(|| format!("a weight names no contribution: {weight}"))?;
            let share = weight["weight"].as_u64().context("a weight has no weight")?;
            credited = credited.saturating_add(share);
            let name =
                submissions.iter().find(|submission| submission.id == contribution).map_or_else(
                    || format!("contribution {contribution}"),
                    |submission| format!("{} ({})", submission.file, submission.actor.name),
                );
            report.say(format!("receipt {number}: {name} weighs {share} of 1,000,000,000"));
            said = true;
        }
        if !said {
            report.say(format!(
                "receipt {number}: nothing above the noise floor; all of it is residual"
            ));
        }
        report.proof("attribution hash", record["attributionHash"].as_str().unwrap_or_default());
    }
    ensure!(credited > 0, "no answer was attributed to any document");
    Ok(())
}

async fn step_settle(cast: &Cast, asked: &[Asked], report: &mut Report) -> Result<Vec<u64>> {
    report.step("The epoch is posted, waits out its window and is split");
    let last = asked.iter().map(|asked| asked.number).max().context("nothing was asked")?;
    let first = asked.iter().map(|asked| asked.number).min().context("nothing was asked")?;
    let chain = &cast.customer.l2;
    wait_for("the receipts to be settled", 180, || async {
        let active = chain.last_activated().await?;
        if active == 0 {
            return Ok(None);
        }
        Ok((chain.posted_epoch(active).await?.post.gateway == cast.gateway
            && chain.next_receipt_of(cast.gateway).await? > last
            && chain.next_epoch_id().await? == active.saturating_add(1))
        .then_some(()))
    })
    .await?;
    let mut epochs = Vec::new();
    for id in 1..=chain.last_activated().await? {
        if chain.epoch(id).await?.status != EpochStatus::Activated {
            continue;
        }
        let posted = chain.posted_epoch(id).await?;
        let from = posted.post.firstReceipt;
        let to = from.saturating_add(posted.post.receiptCount.into());
        if posted.post.gateway != cast.gateway || to <= first || from > last {
            continue;
        }
        let state = chain.epoch(id).await?;
        report.say(format!(
            "epoch {id}: receipts {from} to {}, fees {}, unattributed residual {}",
            to.saturating_sub(1),
            open(U256::from(state.fees)),
            open(U256::from(state.residual))
        ));
        report.proof("posted in", posted.transaction);
        report.proof("receipts root", posted.post.receiptsRoot);
        report.proof("claims root", posted.post.claimsRoot);
        epochs.push(id);
    }
    ensure!(!epochs.is_empty(), "no activated epoch covers receipts {first} to {last}");
    Ok(epochs)
}

async fn step_claim(
    ready: &Ready,
    cast: &Cast,
    datanet: u64,
    epochs: &[u64],
    report: &mut Report,
) -> Result<BTreeMap<Address, U256>> {
    report.step("Contributors claim with Merkle proofs");
    let last = *epochs.last().context("no epoch")?;
    let bundle = evidence(ready)?.bundle(last).await?;
    let mut earned = BTreeMap::new();
    for actor in cast.contributors() {
        let proof = bundle.claims.proof(DatanetId(datanet), actor.address())?;
        let Some(proof) = proof.filter(|proof| proof.claim.cumulative > 0) else {
            report.say(format!("{} earned nothing", actor.name));
            earned.insert(actor.address(), U256::ZERO);
            report.earned(actor.name, U256::ZERO);
            continue;
        };
        let nodes: Vec<ProofNode> =
            proof.proof.iter().map(|node| ProofNode { hash: node.hash, sum: node.sum }).collect();
        let settlement = actor.l2.settlement();
        let call = settlement.claim(
            U256::from(datanet),
            actor.address(),
            proof.claim.cumulative,
            U256::from(proof.index),
            nodes,
        );
        let receipt = sent(call, "claim").await?;
        let event = event::<IAttributionSettlement::Claimed>(&receipt)?;
        let amount = U256::from(event.amount);
        report.say(format!("{} was paid {}", actor.name, open(amount)));
        report.proof("transaction", receipt.transaction_hash);
        report.earned(actor.name, amount);
        earned.insert(actor.address(), amount);
    }
    let copied = earned.get(&cast.mallory.address()).copied().unwrap_or_default();
    ensure!(copied.is_zero(), "the near-copy earned {}", open(copied));
    ensure!(earned.values().any(|amount| !amount.is_zero()), "nobody earned anything");
    Ok(earned)
}

async fn step_audit(ready: &Ready, epochs: &[u64], report: &mut Report) -> Result<()> {
    report.step("Anyone recomputes the epoch from public inputs, on a second process");
    let program = std::env::current_exe().context("cannot find this program")?;
    for epoch in epochs {
        let output = tokio::process::Command::new(&program)
            .args(["attribution", "audit", &epoch.to_string(), "--json"])
            .args(["--l2-rpc", &ready.l2_rpc, "--gateway", &ready.gateway])
            .stdin(Stdio::null())
            .output()
            .await
            .context("cannot start the audit")?;
        ensure!(
            output.status.success(),
            "the audit of epoch {epoch} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let audit: Value = serde_json::from_slice(&output.stdout).context("the audit's report")?;
        let posted = audit["posted"]["claimsRoot"].as_str().context("posted root")?;
        let recomputed = audit["recomputed"]["claimsRoot"].as_str().context("recomputed root")?;
        ensure!(posted == recomputed, "epoch {epoch}: posted {posted}, recomputed {recomputed}");
        let checks = audit["checks"].as_array().map_or(0, Vec::len);
        report.say(format!("epoch {epoch}: {checks} checks held, same root"));
        report.proof("recomputed root", recomputed);
    }
    Ok(())
}

async fn step_ledger(
    ready: &Ready,
    cast: &Cast,
    start: &Snapshot,
    bridged: U256,
    epochs: &[u64],
    earned: &BTreeMap<Address, U256>,
    report: &mut Report,
) -> Result<()> {
    report.step("The ledger balances to the wei");
    let chain = &cast.customer.l2;
    let mut rows: BTreeMap<String, I256> = BTreeMap::new();
    let mut add = |party: &str, amount: I256| -> Result<()> {
        let row = rows.entry(party.to_owned()).or_default();
        *row = row.checked_add(amount).context("a ledger row overflows")?;
        Ok(())
    };
    let mut pools = I256::ZERO;
    for id in epochs {
        let split = activation(chain, *id).await?;
        let posted = chain.posted_epoch(*id).await?.post;
        let signed = |amount: u128| I256::try_from(amount).context("an amount overflows");
        let fees: u128 = posted.models.iter().map(|model| model.fees).sum();
        add("1 customers (fees)", -signed(fees)?)?;
        add("2 platform", signed(split.platform)?)?;
        add("3 model builders", signed(split.models)?)?;
        add("4 stakers", signed(split.stakers)?)?;
        add("6 sink (unattributed residual)", signed(split.residual)?)?;
        for pool in &posted.pools {
            pools = pools.checked_add(signed(pool.amount)?).context("pools overflow")?;
        }
    }
    let mut others = pools;
    for actor in cast.contributors() {
        let amount = I256::try_from(earned.get(&actor.address()).copied().unwrap_or_default())
            .context("an amount overflows")?;
        others = others.checked_sub(amount).context("claims overflow")?;
        add(&format!("5 contributor {}", actor.name), amount)?;
    }
    if !others.is_zero() {
        add("5 other contributors", others)?;
    }
    let rows = rows
        .into_iter()
        .map(|(party, wei)| LedgerRow { party: party[2..].to_owned(), wei })
        .collect();
    report.ledger("Where the fees of these epochs went", rows)?;

    // Everybody's balance, before and after, with everybody else who acted meanwhile.
    let end_block = chain.provider().get_block_number().await?;
    let mut parties = cast.parties();
    for address in acted_between(ready, start.block, end_block).await? {
        parties.entry(address).or_insert_with(|| format!("{address}"));
    }
    let all: Vec<Address> = parties.keys().copied().collect();
    let before = Snapshot::at(cast, start.block, all.clone()).await?;
    let after = Snapshot::at(cast, end_block, all).await?;
    ensure!(
        start.balances.iter().all(|(party, balance)| before.balances.get(party) == Some(balance)),
        "balances at block {} changed since they were read",
        start.block
    );
    let minted = minted_between(ready, start.block, end_block).await?;
    ensure!(minted >= bridged, "L2 minted {} but {} was bridged", open(minted), open(bridged));
    let mut rows = vec![LedgerRow {
        party: "L1 portal (OPEN locked)".into(),
        wei: difference(minted, U256::ZERO),
    }];
    for (party, name) in parties {
        let of = |snapshot: &Snapshot| snapshot.balances.get(&party).copied().unwrap_or_default();
        let wei = difference(of(&before), of(&after));
        if !wei.is_zero() {
            rows.push(LedgerRow { party: name, wei });
        }
    }
    report.ledger("Everybody's OPEN on L2, from the first step to the last", rows)
}

/// What activating an epoch paid to whom.
async fn activation(chain: &Chain, epoch: u64) -> Result<IAttributionSettlement::EpochActivated> {
    let mut topic = [0_u8; 32];
    topic[24..].copy_from_slice(&epoch.to_be_bytes());
    let filter = alloy_rpc_types_eth::Filter::new()
        .address(chain.contracts().settlement)
        .event_signature(IAttributionSettlement::EpochActivated::SIGNATURE_HASH)
        .topic1(B256::from(topic))
        .from_block(0_u64);
    let logs = chain.provider().get_logs(&filter).await?;
    let log = logs.first().with_context(|| format!("epoch {epoch} was never activated"))?;
    Ok(IAttributionSettlement::EpochActivated::decode_log(&log.inner)?.data)
}

/// Senders and receivers of the blocks after `from`.
async fn acted_between(ready: &Ready, from: u64, to: u64) -> Result<BTreeSet<Address>> {
    let mut acted = BTreeSet::new();
    for block in blocks(ready, from, to).await? {
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            for field in ["from", "to"] {
                if let Some(address) = transaction[field].as_str() {
                    acted.insert(address.parse()?);
                }
            }
        }
    }
    Ok(acted)
}

/// OPEN minted by deposits in the blocks after `from`.
async fn minted_between(ready: &Ready, from: u64, to: u64) -> Result<U256> {
    let mut minted = U256::ZERO;
    for block in blocks(ready, from, to).await? {
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            if let Some(mint) = transaction["mint"].as_str() {
                minted = minted.saturating_add(mint.parse()?);
            }
        }
    }
    Ok(minted)
}

/// Blocks as JSON: plain Ethereum types do not know deposits.
async fn blocks(ready: &Ready, from: u64, to: u64) -> Result<Vec<Value>> {
    let url: Url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
    let provider = alloy_provider::ProviderBuilder::new().connect_http(url);
    let mut blocks = Vec::new();
    for number in from.saturating_add(1)..=to {
        let block: Value = provider
            .raw_request("eth_getBlockByNumber".into(), (format!("{number:#x}"), true))
            .await?;
        blocks.push(block);
    }
    Ok(blocks)
}

pub(super) fn evidence(ready: &Ready) -> Result<HttpEvidence> {
    let base: Url = ready.gateway.parse().context("the gateway's URL is not a URL")?;
    Ok(HttpEvidence::new(base.join("/v1/").context("the gateway's URL cannot carry a path")?))
}

/// Sends a contract call and requires that it succeeds.
async fn sent<P, D>(
    call: alloy_contract::CallBuilder<P, D>,
    what: &str,
) -> Result<TransactionReceipt>
where
    P: Provider,
    D: alloy_contract::CallDecoder,
{
    let sent = call.send().await.with_context(|| format!("cannot {what}"))?;
    succeeded(what, sent).await
}

/// The first event of a kind in a receipt.
fn event<E: SolEvent>(receipt: &TransactionReceipt) -> Result<E> {
    receipt
        .logs()
        .iter()
        .find_map(|log| E::decode_log(&log.inner).ok())
        .map(|log| log.data)
        .with_context(|| format!("no {} in {}", E::SIGNATURE, receipt.transaction_hash))
}
