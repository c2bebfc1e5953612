//! `openledger economy adversary`: attacks on the economy, made with real transactions on an L2 node, and what
//! each cost whom. The attackers hold enough engines to have anything signed. Figures are differences of
//! balances, gas included. Each part has accounts of its own, so parts run side by side.

mod admission;
mod bindings;
mod crowd;
mod omission;
mod reentrancy;
mod refusals;
mod rows;
mod wash;

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256, utils::parse_ether};
use alloy_provider::{DynProvider, Provider};
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Eip712Domain, SolEvent};
use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use models::{Tokenizer, default_model_path, parts, read_model};
use scores::{
    ContributionId, DatanetId,
    claims::{ClaimProof, Claims},
    document::Document,
    eip712::{EpochPost, ModelTotal, PoolTotal},
    epoch::{Split, shares},
};
use serde::Serialize;
use service::{
    chain::{
        Chain, Contracts, CorpusRoots, EpochStatus,
        bindings::{
            datanets::IDatanetRegistry::{self, Reveal},
            models::IModelRegistry::{self, DatanetRef, ModelParams, Split as ModelSplit},
            settlement::IAttributionSettlement::ProofNode,
        },
    },
    challenge,
    clusters::{Corpus, CorpusDocument},
    content::ContentError,
    evidence::{BUNDLE_VERSION, EvidenceBundle, EvidenceError, EvidenceSource, StoredReceipt},
    pinned,
};

use crate::{
    demo::open,
    dev::Ready,
    included::{included, succeeded},
    keys,
};

/// User accounts by what they do here.
const CURATOR: u32 = 6;
const ALICE: u32 = 1;
const MALLORY: u32 = 4;
const HONEST_GATEWAY: u32 = 7;
const WATCHER: u32 = 2;
/// Funds people whom nobody has seen before.
const TREASURER: u32 = 8;
/// Bond of a contribution, wei: 0.1 OPEN.
const BOND: U256 = U256::from_limbs([100_000_000_000_000_000, 0, 0, 0]);
/// Fees of an epoch, wei: 4 OPEN.
const FEES: u128 = 4_000_000_000_000_000_000;
const SPLIT: Split = Split { model_bps: 4_000, contributors_bps: 5_000, stakers_bps: 1_000 };
const TEXT: &str = "The lamp on the quay is lit by hand, every evening, by whoever of the two sisters \
                    came home first; the harbour book says so for thirty years in one handwriting.\n";

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub attack: String,
    /// What must hold.
    pub goal: &'static str,
    pub holds: bool,
    /// What was measured.
    pub measured: String,
    /// Of the transaction that refused or rejected, where one did.
    pub gas: Option<u64>,
    /// The attacker's gain, wei; below zero is a loss. Nothing where the attack is not for money.
    pub gain: Option<I256>,
}

/// Makes every attack once on the chain that `ready` names.
pub async fn run(ready: &Ready) -> Result<Vec<Line>> {
    let treasurer = Person::new(ready, keys::dev_key(TREASURER)?).await?;
    let crowd = crowd::gather(ready, &treasurer, CROWD, parse_ether("20")?).await?;
    let (roles, parts) = crowd.split_at_checked(ROLES).context("too few people")?;
    let (parts, reviewers) = parts.split_at_checked(rows::IDENTITIES).context("too few people")?;
    let [honest, noise, copier, whole, griefer, robber, roles @ ..] = roles else {
        anyhow::bail!("too few people");
    };
    let [once, tenfold, thousandfold, roles @ ..] = roles else {
        anyhow::bail!("too few people");
    };
    let own = [once, tenfold, thousandfold];
    let [author, thief, first, second, publisher, owner, writer, bribers @ ..] = roles else {
        anyhow::bail!("too few people");
    };
    let [briber, richer] = bribers else {
        anyhow::bail!("too few people");
    };
    let cast = rows::Cast { honest, noise, copier, own, whole, griefer, robber, parts };
    let epochs = async {
        let mut arena = Arena::build(ready).await?;
        let mut lines = arena.rows(&cast).await?;
        lines.push(arena.front_run().await?);
        lines.push(arena.wash().await?);
        lines.extend(arena.wash_in_all_roles(cast.parts).await?);
        lines.push(arena.replays().await?);
        lines.push(arena.reenter(robber).await?);
        for lie in [Lie::Scale, Lie::Omit, Lie::Invent, Lie::Boost] {
            lines.push(arena.lie(lie).await?);
        }
        lines.push(arena.leave_out().await?);
        anyhow::Ok(lines)
    };
    let (mut lines, laundered, reviews) = tokio::try_join!(
        epochs,
        admission::launder(publisher, author, thief, [first, second]),
        admission::reviews(owner, writer, [briber, richer], reviewers),
    )?;
    lines.push(laundered);
    lines.extend(reviews);
    Ok(lines)
}

/// People with a part of their own, reviewers, and all.
const ROLES: usize = 18;
const REVIEWERS: usize = 100;
const CROWD: u64 = (ROLES + rows::IDENTITIES + REVIEWERS) as u64;

/// How often the chain is asked for another block.
const POLL: Duration = Duration::from_millis(250);

/// Sends a call and requires that it succeeds.
macro_rules! sent {
    ($call:expr) => {{ succeeded(concat!("run ", stringify!($call)), $call.send().await?).await? }};
}

/// An account with its connection.
struct Person {
    key: PrivateKeySigner,
    l2: Chain,
    /// Signs what this account sends.
    sender: DynProvider,
}

impl Person {
    async fn new(ready: &Ready, key: PrivateKeySigner) -> Result<Self> {
        let url = ready.l2_rpc.parse().context("the L2 URL is not a URL")?;
        let l2 = Chain::connect_with_signer(url, Contracts::default(), key.clone()).await?;
        Ok(Self { key, sender: l2.provider().clone(), l2 })
    }

    const fn address(&self) -> Address {
        self.key.address()
    }

    async fn balance(&self) -> Result<I256> {
        let balance = self.l2.provider().get_balance(self.address()).await?;
        I256::try_from(balance).context("a balance overflows")
    }
}

/// A Datanet of Alice's and Mallory's with a model of Mallory's over it.
struct Arena {
    /// Owns the Datanets.
    curator: Person,
    alice: Person,
    mallory: Person,
    gateway: Person,
    watcher: Person,
    engines: Vec<PrivateKeySigner>,
    datanet: DatanetId,
    model: U256,
    reveal: Reveal,
    /// Alice's contribution and Mallory's copy of it.
    contributions: [U256; 2],
    tokenizer: Tokenizer,
    /// Of the model.
    corpus: Corpus,
    /// Claims under the root in force.
    claims: Claims,
    /// Basis points.
    platform_bps: u16,
}

/// What false epochs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Alice has half of what she had, the poster the rest.
    Scale,
    /// Alice is left out.
    Omit,
    /// Money is promised of a pool that has none.
    Invent,
    /// What the receipts pay goes to the poster, which does not say what they pay.
    Boost,
}

impl Arena {
    async fn build(ready: &Ready) -> Result<Self> {
        let person = async |index| Person::new(ready, keys::dev_key(index)?).await;
        let curator = person(CURATOR).await?;
        // Those who post here afterwards would not know what these epochs carry on.
        ensure!(
            curator.l2.last_activated().await? == 0,
            "epochs have been settled on this chain: attacks need one of their own"
        );
        let alice = person(ALICE).await?;
        let mallory = person(MALLORY).await?;
        let created = crowd::datanet(&curator, "Harbours").await?;
        let reveal = crowd::document(TEXT)?;
        // Mallory commits to the same words as soon as she has seen them.
        let mut contributions = [U256::ZERO; 2];
        for (place, who) in contributions.iter_mut().zip([&alice, &mallory]) {
            let registry = who.l2.datanets();
            let hash = registry.commitmentOf(created, who.address(), reveal.clone()).call().await?;
            let receipt = sent!(registry.commit(created, hash).value(BOND));
            *place = event::<IDatanetRegistry::ContributionCommitted>(&receipt)?.contributionId;
        }
        crowd::wait_for_blocks(&alice, 1).await?;
        let registry = alice.l2.datanets();
        sent!(registry.reveal(contributions[0], reveal.clone()));
        sent!(curator.l2.datanets().accept(vec![contributions[0]]));
        let id = ContributionId::try_from(contributions[0])?;
        let contribution = alice.l2.contribution(id).await?;
        let tokenizer = parts(&read_model(&default_model_path(), None)?)?.1;
        let document = Document::normalise(TEXT.as_bytes())?;
        let documents = vec![CorpusDocument { contribution, document }];
        let corpus = Corpus::build(&pinned::engine_spec(), documents, &tokenizer, None)?;
        let datanet = DatanetId::try_from(created)?;
        let arena = Self {
            tokenizer,
            corpus,
            gateway: person(HONEST_GATEWAY).await?,
            watcher: person(WATCHER).await?,
            engines: keys::engine_keys()?,
            model: U256::ZERO,
            alice,
            mallory,
            datanet,
            reveal,
            contributions,
            claims: Claims::default(),
            platform_bps: curator.l2.settlement_parameters().await?.platform_bps,
            curator,
        };
        let model = arena.register(datanet, arena.corpus.roots()?).await?;
        Ok(Self { model, ..arena })
    }

    /// Publishes a version of the Datanet and registers a model of Mallory's over it.
    async fn register(&self, datanet: DatanetId, roots: CorpusRoots) -> Result<U256> {
        let registry = self.curator.l2.datanets();
        let receipt = sent!(registry.publishVersion(datanet.to_u256(), roots.clusters));
        let version = event::<IDatanetRegistry::VersionPublished>(&receipt)?.version;
        let name = format!("harbour-guide-{datanet}");
        let params = model_params(datanet, version, name, self.mallory.address(), roots)?;
        let receipt = sent!(self.mallory.l2.models().registerModel(params));
        Ok(event::<IModelRegistry::ModelRegistered>(&receipt)?.modelId)
    }

    /// A reveal that was seen is of no use to who has seen it.
    async fn front_run(&self) -> Result<Line> {
        let registry = self.mallory.l2.datanets();
        let stolen = registry.reveal(self.contributions[0], self.reveal.clone());
        let refused = stolen.from(self.mallory.address()).call().await.is_err();
        let before = self.mallory.balance().await?;
        let copied = registry.reveal(self.contributions[1], self.reveal.clone()).send().await;
        let taken = match copied {
            Ok(pending) => included("copy a reveal", pending).await?.status(),
            Err(_) => false,
        };
        let mut order = [0; 2];
        for (sequence, id) in order.iter_mut().zip(self.contributions) {
            *sequence = registry.contribution(id).call().await?.sequence;
        }
        let gain = self.mallory.balance().await?.saturating_sub(before);
        Ok(Line {
            attack: "front-run a reveal".into(),
            goal: "impossible",
            holds: refused && (!taken || order[0] < order[1]),
            measured: format!(
                "another's commitment: refused; a commitment of one's own to the same words: {}",
                if taken { "later in order, so the first holder is credited" } else { "refused" }
            ),
            gas: None,
            gain: Some(gain),
        })
    }

    /// One person is customer, gateway, model owner, contributor and poster.
    async fn wash(&mut self) -> Result<Line> {
        let lost = shares(FEES, self.platform_bps, SPLIT)?;
        let floor = I256::try_from(lost.platform.saturating_add(lost.stakers))?;
        // What the honest epoch owes her model is no gain of this one.
        if !self.mallory.l2.credit(self.mallory.address()).await?.is_zero() {
            self.mallory.l2.withdraw(self.mallory.address()).await?;
        }
        let before = self.mallory.balance().await?;
        let mut claims = self.claims.clone();
        claims.add(self.datanet, self.mallory.address(), self.pool()?)?;
        self.post(&self.mallory, &claims, self.one_pool(self.pool()?)).await?;
        self.activate(claims).await?;
        self.claim_all(&[&self.mallory]).await?;
        self.mallory.l2.withdraw(self.mallory.address()).await?;
        let gain = self.mallory.balance().await?.saturating_sub(before);
        Ok(Line {
            attack: format!(
                "wash inference of {} in every role but staker",
                open(U256::from(FEES))
            ),
            goal: "loss of the platform's and the stakers' share, and gas",
            holds: gain <= -floor,
            measured: format!("loss {}, of which shares {}", signed(-gain), signed(floor)),
            gas: None,
            gain: Some(gain),
        })
    }

    /// Mallory posts a false epoch, and somebody who recomputes it has it rejected.
    async fn lie(&self, lie: Lie) -> Result<Line> {
        let previous = self.claims.clone();
        let (alice, mallory) = (self.alice.address(), self.mallory.address());
        let alices = previous.proof(self.datanet, alice)?.context("Alice has no claim")?;
        let half = alices.claim.cumulative / 2;
        let mut claims = Claims::default();
        for claim in previous.as_slice() {
            let lower = claim.account == alice && claim.datanet == self.datanet;
            let kept = match lie {
                Lie::Scale if lower => claim.cumulative.saturating_sub(half),
                Lie::Omit if lower => 0,
                _ => claim.cumulative,
            };
            claims.add(claim.datanet, claim.account, kept)?;
        }
        let pool = self.pool()?;
        let nowhere = DatanetId(u64::MAX);
        match lie {
            Lie::Scale => claims.add(self.datanet, mallory, half.saturating_add(pool))?,
            Lie::Omit => {
                claims.add(self.datanet, mallory, alices.claim.cumulative.saturating_add(pool))?;
            }
            Lie::Invent => claims.add(nowhere, mallory, pool)?,
            Lie::Boost => claims.add(self.datanet, mallory, pool)?,
        }
        let before = self.at_stake().await?;
        let epoch = self.post(&self.mallory, &claims, self.one_pool(pool)).await?;
        let chain = &self.watcher.l2;
        let source = self.published(epoch, claims, Vec::new()).await?;
        let (rule, won) = match challenge::find_fault(chain, epoch, &source).await? {
            Some(fault) => (fault.rule(), challenge::prove(chain, epoch, &fault).await?),
            None => {
                let won = challenge::demand(chain, epoch).await?;
                ("silence", won.context("the poster answered")?)
            }
        };
        let what = match lie {
            Lie::Scale => "scale: half of another's claim",
            Lie::Omit => "omit: all of another's claim",
            Lie::Invent => "invent: a pool that has nothing",
            Lie::Boost => "boost: payments to the poster",
        };
        self.fallen(what, epoch, before, rule, won.gas).await
    }

    /// What poster and watcher have before a false epoch.
    async fn at_stake(&self) -> Result<Stakes> {
        let (poster, watcher) = (self.mallory.balance().await?, self.watcher.balance().await?);
        let funds = self.mallory.l2.funds_available(self.mallory.address()).await?;
        Ok(Stakes { poster, watcher, funds })
    }

    /// What the poster publishes of a false epoch.
    async fn published(
        &self,
        epoch: u64,
        claims: Claims,
        receipts: Vec<StoredReceipt>,
    ) -> Result<Published> {
        let chain = &self.watcher.l2;
        let bundle = EvidenceBundle {
            version: BUNDLE_VERSION,
            chain_id: chain.chain_id(),
            contracts: chain.contracts(),
            engine_spec: pinned::engine_spec().canonical_json()?,
            post: chain.posted_epoch(epoch).await?.post,
            signatures: Vec::new(),
            receipts,
            corpora: Vec::new(),
            previous_claims: self.claims.clone(),
            claims,
            payments: None,
        };
        let documents = self.corpus.documents().map(|d| d.document.clone()).collect();
        Ok(Published { bundle, documents })
    }

    /// What has become of a false epoch that somebody has shown to be so.
    async fn fallen(
        &self,
        what: &str,
        epoch: u64,
        before: Stakes,
        rule: &str,
        gas: u64,
    ) -> Result<Line> {
        let chain = &self.watcher.l2;
        challenge::collect(chain, epoch).await?;
        let rejected = chain.epoch(epoch).await?.status == EpochStatus::Rejected;
        // Fees that no epoch reserves are the gateway's still, for a later epoch.
        let funds = self.mallory.l2.funds_available(self.mallory.address()).await?;
        let freed = I256::try_from(funds.saturating_sub(before.funds))?;
        let gain = self.mallory.balance().await?.saturating_sub(before.poster);
        let gain = gain.saturating_add(freed);
        let reward = self.watcher.balance().await?.saturating_sub(before.watcher);
        Ok(Line {
            attack: format!("colluding engines, {what}"),
            goal: "one watcher wins under 1,500,000 gas; the poster loses",
            holds: rejected && gas < 1_500_000 && gain < I256::ZERO && reward > I256::ZERO,
            measured: format!(
                "rejected ({rule}); poster loses {}, watcher gains {}",
                signed(-gain),
                signed(reward)
            ),
            gas: Some(gas),
            gain: Some(gain),
        })
    }

    /// Fees and attributions of an epoch of this model's alone.
    fn one_pool(&self, attributed: u128) -> Totals {
        Totals {
            models: vec![ModelTotal { modelId: self.model, fees: FEES, attributed }],
            pools: vec![PoolTotal { datanetId: self.datanet.to_u256(), amount: attributed }],
        }
    }

    /// The next epoch, of one receipt of `poster`, its own gateway.
    async fn next_post(
        &self,
        poster: &Person,
        claims: &Claims,
        totals: Totals,
    ) -> Result<EpochPost> {
        let (chain, root) = (&poster.l2, claims.root()?);
        let epoch = chain.next_epoch_id().await?;
        Ok(EpochPost {
            epochId: epoch,
            gateway: poster.address(),
            engineSpecHash: pinned::engine_spec().hash()?,
            receiptsRoot: keccak256(epoch.to_be_bytes()),
            firstReceipt: chain.next_receipt_of(poster.address()).await?,
            receiptCount: 1,
            claimsRoot: root.hash,
            claimsTotal: root.sum,
            models: totals.models,
            pools: totals.pools,
        })
    }

    /// Two engines' signatures.
    fn signatures(&self, post: &EpochPost, domain: &Eip712Domain) -> Result<Vec<Bytes>> {
        let digest = post.digest(domain);
        let mut engines: Vec<_> = self.engines.iter().take(2).collect();
        engines.sort_by_key(|engine| engine.address());
        let signed = engines.into_iter().map(|engine| engine.sign_hash_sync(&digest));
        signed.map(|signature| Ok(Bytes::from(signature?.as_bytes()))).collect()
    }

    /// Posts an epoch with the poster's own money.
    async fn post(&self, poster: &Person, claims: &Claims, totals: Totals) -> Result<u64> {
        let post = self.next_post(poster, claims, totals).await?;
        self.submit(poster, post).await
    }

    async fn submit(&self, poster: &Person, post: EpochPost) -> Result<u64> {
        let chain = &poster.l2;
        let fees: u128 = post.models.iter().map(|model| model.fees).sum();
        let missing =
            U256::from(fees).saturating_sub(chain.funds_available(poster.address()).await?);
        if !missing.is_zero() {
            sent!(chain.settlement().fund(poster.address()).value(missing));
        }
        let signatures = self.signatures(&post, &chain.settlement_domain())?;
        chain.post_epoch(&post, signatures, chain.bond_for(fees).await?).await?;
        Ok(post.epochId)
    }

    /// Waits out the window of the pending epoch, whose claims are then in force.
    async fn activate(&mut self, claims: Claims) -> Result<()> {
        let chain = &self.alice.l2;
        let epoch = chain.next_epoch_id().await?.saturating_sub(1);
        let deadline = chain.epoch(epoch).await?.deadline;
        while chain.latest_block().await?.1 <= deadline {
            tokio::time::sleep(POLL).await;
        }
        let post = chain.posted_epoch(epoch).await?.post;
        // Whoever posts epochs here may do it first, also in the block in the making.
        let activated = chain.activate(&post).await;
        let mut status = chain.epoch(epoch).await?.status;
        for _ in 0..40 {
            if status != EpochStatus::Posted {
                break;
            }
            tokio::time::sleep(POLL).await;
            status = chain.epoch(epoch).await?.status;
        }
        ensure!(status == EpochStatus::Activated, "epoch {epoch} is {status:?}: {activated:?}");
        self.claims = claims;
        Ok(())
    }

    /// The contributors' share of an epoch's fees, all of which is attributed here, wei.
    fn pool(&self) -> Result<u128> {
        Ok(shares(FEES, self.platform_bps, SPLIT)?.contributors)
    }
}

/// A model over a version of one Datanet.
fn model_params(
    datanet: DatanetId,
    version: u32,
    name: String,
    payee: Address,
    roots: CorpusRoots,
) -> Result<ModelParams> {
    Ok(ModelParams {
        name,
        sources: Vec::new(),
        baseModelHash: models::DEFAULT_MODEL_SHA256.into(),
        adapters: Vec::new(),
        datanets: vec![DatanetRef { datanetId: datanet.to_u256(), version }],
        trainingManifestRoot: B256::ZERO,
        sketchRoot: B256::ZERO,
        surpriseRoot: roots.surprises,
        clusterMapRoot: roots.clusters,
        engineSpecHash: pinned::engine_spec().hash()?,
        retrievalChunks: 2,
        pricePer1kIn: U256::from(1_000).to(),
        pricePer1kOut: U256::from(1_000).to(),
        split: ModelSplit {
            modelBps: SPLIT.model_bps,
            contributorsBps: SPLIT.contributors_bps,
            stakersBps: SPLIT.stakers_bps,
        },
        payee,
        royaltyBps: 0,
        licence: String::new(),
    })
}

/// What an epoch pays.
struct Totals {
    models: Vec<ModelTotal>,
    pools: Vec<PoolTotal>,
}

/// What the poster of a false epoch and its watcher have before, wei.
struct Stakes {
    poster: I256,
    watcher: I256,
    /// Fees that no epoch reserves.
    funds: U256,
}

/// What a poster publishes of its one epoch.
struct Published {
    bundle: EvidenceBundle,
    documents: Vec<Document>,
}

#[async_trait]
impl EvidenceSource for Published {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle, EvidenceError> {
        if epoch == self.bundle.post.epochId {
            return Ok(self.bundle.clone());
        }
        Err(EvidenceError::NotFound(epoch))
    }

    async fn document(&self, content_hash: B256) -> Result<Document, EvidenceError> {
        let found = self.documents.iter().find(|d| keccak256(d.text()) == content_hash);
        found.cloned().ok_or_else(|| ContentError::NotFound(content_hash).into())
    }
}

/// The claim of an account, sent by `sender`.
fn claim_request(
    sender: &Person,
    claims: &Claims,
    datanet: DatanetId,
    account: Address,
) -> Result<TransactionRequest> {
    let proof = claims.proof(datanet, account)?.context("no claim")?;
    let (cumulative, index) = (proof.claim.cumulative, U256::from(proof.index));
    let settlement = sender.l2.settlement();
    let claim = settlement.claim(datanet.to_u256(), account, cumulative, index, path(&proof));
    Ok(claim.into_transaction_request())
}

fn path(proof: &ClaimProof) -> Vec<ProofNode> {
    proof.proof.iter().map(|node| ProofNode { hash: node.hash, sum: node.sum }).collect()
}

/// The first event of a kind in a receipt.
fn event<E: SolEvent>(receipt: &TransactionReceipt) -> Result<E> {
    let found = receipt.logs().iter().find_map(|log| E::decode_log(&log.inner).ok());
    Ok(found.with_context(|| format!("no {}", E::SIGNATURE))?.data)
}

/// An amount with its sign, in OPEN.
pub fn signed(wei: I256) -> String {
    let sign = if wei.is_negative() { "-" } else { "" };
    format!("{sign}{}", open(wei.unsigned_abs()))
}
