//! Recomputes an epoch from public inputs alone: the chain, and an evidence bundle that is trusted in
//! nothing. Every signature, hash, document, cluster, span, weight, payment and root is computed again
//! and compared; the report says which check failed and on what. Engines run the same recomputation
//! before they sign.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes, Signature};
use scores::{
    ModelId, ScoresError,
    claims::Claims,
    eip712::EpochPost,
    epoch::{self, Epoch, EpochInput, SettledReceipt},
    exchange::retrieval_root,
    spec::EngineSpec,
};
use serde::Serialize;

use crate::{
    batches,
    chain::{
        Chain, ChainError, DatanetRef, DatanetVersion, EpochState, EpochStatus, Missing, Model,
    },
    clusters::{
        Corpus, CorpusDocument, CorpusError, TokenCodec, check_cluster_map, retrieval_query,
    },
    content::ContentError,
    evidence::{CorpusEvidence, EvidenceBundle, EvidenceError, EvidenceSource, StoredReceipt},
};

/// Why an audit could not be made, as opposed to what it found.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error(transparent)]
    Content(#[from] ContentError),
}

/// Result of auditing.
pub type Result<T, E = AuditError> = std::result::Result<T, E>;

/// One thing that was recomputed or verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    /// What held, or what did not and how.
    pub detail: String,
}

/// The roots and totals that decide who is paid what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Roots {
    pub receipts_root: B256,
    pub claims_root: B256,
    /// Wei.
    #[serde(with = "scores::claims::wei")]
    pub claims_total: u128,
    /// Digest that the engines sign: covers all of the post.
    pub digest: B256,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    pub epoch: u64,
    /// Whether every check held.
    pub ok: bool,
    pub status: EpochStatus,
    pub posted: Roots,
    /// Absent if an earlier check makes recomputing impossible.
    pub recomputed: Option<Roots>,
    pub receipts: usize,
    pub checks: Vec<Check>,
}

impl AuditReport {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| !check.ok)
    }
}

/// Audits a posted epoch.
pub async fn audit(
    chain: &Chain,
    epoch_id: u64,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
) -> Result<AuditReport> {
    audit_with(chain, epoch_id, source, codec, &mut CorpusCache::default()).await
}

/// The same for whoever audits one epoch after the other: corpora are kept in `cache`.
pub async fn audit_with(
    chain: &Chain,
    epoch_id: u64,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
    cache: &mut CorpusCache,
) -> Result<AuditReport> {
    let state = chain.epoch(epoch_id).await?;
    if state.status == EpochStatus::None {
        return Err(ChainError::NotFound(Missing::Epoch(epoch_id)).into());
    }
    let posted = chain.posted_epoch(epoch_id).await?;
    let bundle = source.bundle(epoch_id).await?;
    let platform_bps = chain.platform_bps_at(posted.block).await?;
    let digest = posted.post.digest(&chain.settlement_domain());

    let mut checks = Checks::default();
    checks.compare("post hash", digest, state.post_hash);
    check_bundle(chain, &bundle, &posted.post, &mut checks);
    let signatures =
        if posted.signatures.is_empty() { &bundle.signatures } else { &posted.signatures };
    check_signatures(chain, digest, signatures, &mut checks).await?;
    let claim = EpochClaim {
        epoch_id,
        gateway: posted.post.gateway,
        engine_spec: &bundle.engine_spec,
        engine_spec_hash: posted.post.engineSpecHash,
        receipts: &bundle.receipts,
        previous_claims: &bundle.previous_claims,
        platform_bps,
    };
    let outcome = recompute(chain, &claim, source, codec, cache, &mut checks).await?;
    if let Some(outcome) = &outcome {
        compare_posts(&posted.post, &outcome.epoch.post, &mut checks);
        checks.expect(
            "claims list",
            bundle.claims == outcome.epoch.claims,
            "the bundle's claims are those under the root",
            "the bundle's claims differ from the recomputed ones",
        );
        checks.expect(
            "corpora",
            bundle.corpora == outcome.corpora,
            "clusters and documents are listed as recomputed",
            "the bundle lists other clusters or documents than were recomputed",
        );
    }
    let roots = |post: &EpochPost| Roots {
        receipts_root: post.receiptsRoot,
        claims_root: post.claimsRoot,
        claims_total: post.claimsTotal,
        digest: post.digest(&chain.settlement_domain()),
    };
    Ok(AuditReport {
        epoch: epoch_id,
        ok: checks.all_ok(),
        status: state.status,
        posted: roots(&posted.post),
        recomputed: outcome.as_ref().map(|outcome| roots(&outcome.epoch.post)),
        receipts: bundle.receipts.len(),
        checks: checks.list,
    })
}

/// What somebody says an epoch is computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EpochClaim<'a> {
    pub(crate) epoch_id: u64,
    pub(crate) gateway: Address,
    pub(crate) engine_spec: &'a str,
    pub(crate) engine_spec_hash: B256,
    pub(crate) receipts: &'a [StoredReceipt],
    pub(crate) previous_claims: &'a Claims,
    pub(crate) platform_bps: u16,
}

/// What it comes to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) epoch: Epoch,
    pub(crate) corpora: Vec<CorpusEvidence>,
}

/// Corpora by the Datanet versions they hold and the spec they were built under. Versions never change.
#[derive(Debug, Default)]
pub struct CorpusCache(HashMap<(B256, Vec<DatanetRef>), Arc<Corpus>>);

/// Checks made so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    list: Vec<Check>,
}

impl Checks {
    pub(crate) fn all_ok(&self) -> bool {
        self.list.iter().all(|check| check.ok)
    }

    pub(crate) fn into_list(self) -> Vec<Check> {
        self.list
    }

    pub(crate) fn failures(&self) -> String {
        let failed = self.list.iter().filter(|check| !check.ok);
        failed
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect::<Vec<_>>()
            .join("; ")
    }

    pub(crate) fn record(
        &mut self,
        name: &'static str,
        ok: bool,
        detail: impl Into<String>,
    ) -> bool {
        self.list.push(Check { name, ok, detail: detail.into() });
        ok
    }

    pub(crate) fn expect(
        &mut self,
        name: &'static str,
        ok: bool,
        held: &str,
        failed: &str,
    ) -> bool {
        self.record(name, ok, if ok { held } else { failed })
    }

    /// Holds if a list of complaints is empty.
    fn none(&mut self, name: &'static str, complaints: &[String], held: impl Into<String>) -> bool {
        match complaints {
            [] => self.record(name, true, held),
            [first, rest @ ..] if rest.len() > 2 => {
                self.record(name, false, format!("{first} (and {} more)", rest.len()))
            }
            all => self.record(name, false, all.join("; ")),
        }
    }

    pub(crate) fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &'static str,
        computed: T,
        posted: T,
    ) -> bool {
        if computed == posted {
            self.record(name, true, format!("{posted:?}"))
        } else {
            self.record(name, false, format!("computed {computed:?}, posted {posted:?}"))
        }
    }
}

/// The corpus of a model over these Datanet versions, from their published documents; its roots are what such a model is to be
/// registered with. `codec` is what the engine spec pins.
pub async fn corpus_over(
    chain: &Chain,
    datanets: &[DatanetRef],
    spec: &EngineSpec,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
) -> Result<Corpus> {
    let (found, wrong) = published_of(chain, datanets, source).await?;
    if let Some(wrong) = wrong.into_iter().next() {
        return Err(wrong.into());
    }
    let documents = found.into_iter().flat_map(|(_, documents)| documents).collect();
    Ok(Corpus::build(spec, documents, codec, None)?)
}

/// The documents that count in Datanet versions, as they are published, and what is wrong with those that are not here.
async fn published_of(
    chain: &Chain,
    datanets: &[DatanetRef],
    source: &dyn EvidenceSource,
) -> Result<(Vec<(DatanetVersion, Vec<CorpusDocument>)>, Vec<ContentError>)> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for reference in datanets {
        let version = chain.datanet_version(*reference).await?;
        let mut documents = Vec::new();
        for contribution in &version.active {
            match batches::published(contribution, source, &version.unsound).await? {
                Ok(mut of_contribution) => documents.append(&mut of_contribution),
                Err(error) => wrong.push(error),
            }
        }
        found.push((version, documents));
    }
    Ok((found, wrong))
}

/// Recomputes an epoch. `None` if a check that the rest builds on failed; errors are reserved for inputs
/// that could not be had.
pub(crate) async fn recompute(
    chain: &Chain,
    claim: &EpochClaim<'_>,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
    cache: &mut CorpusCache,
    checks: &mut Checks,
) -> Result<Option<Outcome>> {
    let Some(spec) = check_spec(claim, codec, checks) else {
        return Ok(None);
    };
    let models = read_models(chain, claim).await?;
    check_receipts(chain, claim, &models, codec, checks).await?;
    check_previous(chain, claim, checks).await?;

    let mut corpora: BTreeMap<ModelId, Arc<Corpus>> = BTreeMap::new();
    for model in models.values() {
        let Some(corpus) =
            corpus_of(chain, model, &spec, claim.engine_spec_hash, source, codec, cache, checks)
                .await?
        else {
            return Ok(None);
        };
        corpora.insert(model.id, corpus);
    }
    let Some(settled) = check_records(claim, &models, &corpora, codec, checks)? else {
        return Ok(None);
    };
    let splits = models.iter().map(|(id, model)| (*id, model.split)).collect();
    let computed = epoch::compute(&EpochInput {
        epoch_id: claim.epoch_id,
        gateway: claim.gateway,
        engine_spec_hash: claim.engine_spec_hash,
        receipts: &settled,
        splits: &splits,
        platform_bps: claim.platform_bps,
        previous: claim.previous_claims,
    });
    let epoch = match computed {
        Ok(epoch) => epoch,
        Err(error) => {
            checks.record("settlement", false, error.to_string());
            return Ok(None);
        }
    };
    let corpora = models
        .values()
        .filter_map(|model| Some(corpus_evidence(model, corpora.get(&model.id)?)))
        .collect();
    Ok(Some(Outcome { epoch, corpora }))
}

fn check_bundle(chain: &Chain, bundle: &EvidenceBundle, posted: &EpochPost, checks: &mut Checks) {
    let same_chain = bundle.chain_id == chain.chain_id() && bundle.contracts == chain.contracts();
    checks.expect(
        "chain",
        same_chain,
        "the bundle is for this chain and these contracts",
        "the bundle is for another chain or other contracts",
    );
    checks.expect(
        "bundle",
        bundle.post == *posted,
        "the bundle holds the post that is on chain",
        "the bundle holds another post than the chain",
    );
}

async fn check_signatures(
    chain: &Chain,
    digest: B256,
    signatures: &[Bytes],
    checks: &mut Checks,
) -> Result<()> {
    let threshold = chain.settlement_parameters().await?.threshold;
    let mut engines = BTreeSet::new();
    let mut complaints = Vec::new();
    for (position, signature) in signatures.iter().enumerate() {
        match recover(signature, digest) {
            Some(signer) if chain.is_engine(signer).await? => {
                engines.insert(signer);
            }
            Some(signer) => complaints.push(format!("{signer} is no engine")),
            None => complaints.push(format!("signature {position} is malformed")),
        }
    }
    if engines.len() < usize::from(threshold) {
        complaints.push(format!("{} engines signed, {threshold} must", engines.len()));
    }
    checks.none("engine signatures", &complaints, format!("{} engines signed", engines.len()));
    Ok(())
}

fn check_spec(
    claim: &EpochClaim<'_>,
    codec: &dyn TokenCodec,
    checks: &mut Checks,
) -> Option<EngineSpec> {
    let spec = match EngineSpec::from_canonical_json(claim.engine_spec) {
        Ok(spec) => spec,
        Err(error) => {
            checks.record("engine spec", false, error.to_string());
            return None;
        }
    };
    let hash = spec.hash().unwrap_or_default();
    let ok = checks.compare("engine spec", hash, claim.engine_spec_hash)
        && checks.compare("tokenizer", codec.fingerprint(), spec.tokenizer_hash);
    ok.then_some(spec)
}

async fn read_models(chain: &Chain, claim: &EpochClaim<'_>) -> Result<BTreeMap<ModelId, Model>> {
    let mut models = BTreeMap::new();
    for stored in claim.receipts {
        let id = ModelId::try_from(stored.receipt.modelId).map_err(ChainError::from)?;
        if let std::collections::btree_map::Entry::Vacant(vacant) = models.entry(id) {
            match chain.model(id).await {
                Ok(model) => {
                    vacant.insert(model);
                }
                // Reported with the receipt that names it.
                Err(ChainError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(models)
}

/// Whether each receipt is signed by the gateway, covers what the bundle says was asked and answered, and
/// charges a price that the model has had.
async fn check_receipts(
    chain: &Chain,
    claim: &EpochClaim<'_>,
    models: &BTreeMap<ModelId, Model>,
    codec: &dyn TokenCodec,
    checks: &mut Checks,
) -> Result<()> {
    let domain = chain.settlement_domain();
    let mut prices: HashMap<ModelId, BTreeSet<(u128, u128)>> = HashMap::new();
    for id in models.keys() {
        prices.insert(*id, chain.prices(*id).await?);
    }
    let (mut signatures, mut contents, mut fees) = (Vec::new(), Vec::new(), Vec::new());
    for stored in claim.receipts {
        let receipt = &stored.receipt;
        let number = receipt.number;
        let signer = recover(&stored.signature, receipt.digest(&domain));
        if receipt.gateway != claim.gateway || signer != Some(claim.gateway) {
            signatures.push(format!("receipt {number} is not signed by the gateway"));
        }
        if let Some(complaint) = content_complaint(stored, models, claim.engine_spec_hash, codec) {
            contents.push(format!("receipt {number}: {complaint}"));
        }
        let model = ModelId::try_from(receipt.modelId).unwrap_or_default();
        let charged = |(inward, outward): &(u128, u128)| {
            epoch::fee(receipt.tokensIn, receipt.tokensOut, *inward, *outward) == Ok(receipt.fee)
        };
        if !prices.get(&model).is_some_and(|prices| prices.iter().any(charged)) {
            fees.push(format!(
                "receipt {number} charges {} wei, which no price gives",
                receipt.fee
            ));
        }
    }
    let count = claim.receipts.len();
    checks.none("receipt signatures", &signatures, format!("{count} receipts"));
    checks.none("receipt contents", &contents, format!("{count} requests and responses"));
    checks.none("fees", &fees, format!("{count} fees follow from prices and tokens"));
    Ok(())
}

/// What is wrong with what a receipt covers, if anything.
fn content_complaint(
    stored: &StoredReceipt,
    models: &BTreeMap<ModelId, Model>,
    engine_spec_hash: B256,
    codec: &dyn TokenCodec,
) -> Option<String> {
    let StoredReceipt { receipt, request, response, retrieved, .. } = stored;
    let model = ModelId::try_from(receipt.modelId).unwrap_or_default();
    let Some(model) = models.get(&model) else {
        return Some(format!("model {} is not on chain", receipt.modelId));
    };
    let complaints = [
        (request.modelId != receipt.modelId, "the request is for another model"),
        (request.hash() != receipt.requestHash, "the request does not hash to requestHash"),
        (response.hash() != receipt.responseHash, "the response does not hash to responseHash"),
        (
            response.tokens.len() != receipt.tokensOut as usize,
            "tokensOut is not the answer's length",
        ),
        (
            !codec.decode(&response.tokens).starts_with(&response.text),
            "the text is not what the tokens stand for",
        ),
        (
            retrieval_root(retrieved) != Ok(receipt.retrievalRoot),
            "the retrieved chunks do not hash to retrievalRoot",
        ),
        (receipt.engineSpecHash != engine_spec_hash, "it names another engine spec"),
        (
            model.engine_spec_hash != engine_spec_hash,
            "its model is registered under another engine spec",
        ),
        (
            receipt.adapterSetHash != model.adapter_set_hash,
            "it names other adapters than the model",
        ),
    ];
    complaints.into_iter().find(|(wrong, _)| *wrong).map(|(_, complaint)| complaint.to_owned())
}

/// Whether the claims carried over are those of the last activated epoch.
async fn check_previous(chain: &Chain, claim: &EpochClaim<'_>, checks: &mut Checks) -> Result<()> {
    let previous = chain.activated_before(claim.epoch_id).await?;
    let on_chain = previous
        .as_ref()
        .map_or((B256::ZERO, 0), |state: &EpochState| (state.claims_root, state.claims_total));
    match claim.previous_claims.root() {
        Ok(root) => {
            let ordered = Claims::new(claim.previous_claims.as_slice().to_vec()).is_ok();
            checks.compare("previous claims", (root.hash, root.sum), on_chain);
            if !ordered {
                checks.record("previous claims order", false, "claims are not in ascending order");
            }
        }
        Err(error) => {
            checks.record("previous claims", false, error.to_string());
        }
    }
    Ok(())
}

/// The model's corpus from documents that are what the chain committed to; `None` if one is not.
#[expect(clippy::too_many_arguments, reason = "what a corpus depends on, each used once")]
pub(crate) async fn corpus_of(
    chain: &Chain,
    model: &Model,
    spec: &EngineSpec,
    spec_hash: B256,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
    cache: &mut CorpusCache,
    checks: &mut Checks,
) -> Result<Option<Arc<Corpus>>> {
    let key = (spec_hash, model.datanets.clone());
    if let Some(corpus) = cache.0.get(&key) {
        check_roots(model, corpus, checks);
        return Ok(Some(corpus.clone()));
    }
    let (found, wrong) = published_of(chain, &model.datanets, source).await?;
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let other = |(version, documents): &(DatanetVersion, Vec<CorpusDocument>)| {
        check_cluster_map(version, documents, spec.cluster).err().map(|error| error.to_string())
    };
    let clusters: Vec<String> = found.iter().filter_map(other).collect();
    let all: Vec<CorpusDocument> = found.into_iter().flat_map(|(_, documents)| documents).collect();
    let count = all.len();
    let documents_ok =
        checks.none("documents", &wrong, format!("{count} documents of {}", model.name));
    checks.none("cluster maps", &clusters, format!("{} Datanet versions", model.datanets.len()));
    if !documents_ok {
        return Ok(None);
    }
    let corpus = Arc::new(Corpus::build(spec, all, codec, None)?);
    check_roots(model, &corpus, checks);
    cache.0.insert(key, corpus.clone());
    Ok(Some(corpus))
}

fn check_roots(model: &Model, corpus: &Corpus, checks: &mut Checks) {
    let wrong = corpus.check_roots(model).err().map(|error| error.to_string());
    let wrong: Vec<String> = wrong.into_iter().collect();
    let held = format!("{} is registered with what its documents make", model.name);
    checks.none("corpus roots", &wrong, held);
}

/// Recomputes every record; `None` if one cannot be computed.
fn check_records(
    claim: &EpochClaim<'_>,
    models: &BTreeMap<ModelId, Model>,
    corpora: &BTreeMap<ModelId, Arc<Corpus>>,
    codec: &dyn TokenCodec,
    checks: &mut Checks,
) -> Result<Option<Vec<SettledReceipt>>> {
    let (mut records, mut retrievals) = (Vec::new(), Vec::new());
    let mut settled = Vec::with_capacity(claim.receipts.len());
    for stored in claim.receipts {
        let number = stored.receipt.number;
        let id = ModelId::try_from(stored.receipt.modelId).map_err(ChainError::from)?;
        let (Some(model), Some(corpus)) = (models.get(&id), corpora.get(&id)) else {
            checks.record(
                "records",
                false,
                format!("receipt {number}: model {id} is not on chain"),
            );
            return Ok(None);
        };
        let record = corpus.record_of(&stored.receipt, &stored.request, &stored.response, codec)?;
        if record.hash() != stored.record.hash() {
            records.push(format!(
                "receipt {number}: computed {}, recorded {}",
                record.hash(),
                stored.record.hash()
            ));
        }
        if !retrieval_holds(stored, model, corpus) {
            retrievals.push(format!("receipt {number}: other chunks than the ranking gives"));
        }
        settled.push(SettledReceipt { receipt: stored.receipt.clone(), record });
    }
    let count = claim.receipts.len();
    checks.none("records", &records, format!("{count} records recomputed"));
    checks.none("retrieval", &retrievals, format!("{count} retrievals recomputed"));
    Ok(Some(settled))
}

/// Whether the chunks in the prompt are the best ones for the query; fewer than the model asks for are
/// fine if the worst were left out, since a prompt may not have had room.
fn retrieval_holds(stored: &StoredReceipt, model: &Model, corpus: &Corpus) -> bool {
    let query = retrieval_query(&stored.request);
    let ranked = corpus.retrieve(query, model.retrieval_chunks.into());
    let mut used = stored.retrieved.clone();
    let mut best: Vec<_> = ranked.iter().take(used.len()).map(|chunk| chunk.reference).collect();
    used.sort_unstable();
    best.sort_unstable();
    used == best
}

fn compare_posts(posted: &EpochPost, computed: &EpochPost, checks: &mut Checks) {
    checks.compare("receipts root", computed.receiptsRoot, posted.receiptsRoot);
    checks.compare(
        "receipt range",
        (computed.firstReceipt, computed.receiptCount),
        (posted.firstReceipt, posted.receiptCount),
    );
    checks.compare("model totals", &computed.models, &posted.models);
    checks.compare("pool totals", &computed.pools, &posted.pools);
    checks.compare("claims root", computed.claimsRoot, posted.claimsRoot);
    checks.compare("claims total", computed.claimsTotal, posted.claimsTotal);
}

fn corpus_evidence(model: &Model, corpus: &Corpus) -> CorpusEvidence {
    let members: Vec<_> = corpus.clusters().members().copied().collect();
    let documents = members
        .iter()
        .filter_map(|member| corpus.document(member.contribution))
        .map(|document| document.contribution.commitment.content_hash)
        .collect();
    CorpusEvidence { model: model.id, datanets: model.datanets.clone(), members, documents }
}

/// The signer of a 65-byte signature r ‖ s ‖ v.
pub(crate) fn recover(signature: &[u8], digest: B256) -> Option<Address> {
    Signature::from_raw(signature).ok()?.recover_address_from_prehash(&digest).ok()
}

impl From<ScoresError> for AuditError {
    fn from(error: ScoresError) -> Self {
        Self::Corpus(error.into())
    }
}
