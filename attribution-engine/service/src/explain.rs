//! Why somebody was paid: from a receipt through its answer, the documents that its words stand in, clusters, weights and the
//! split of the fee to payments and claims. Nothing is taken on trust: the evidence must hash to what the chain has, the
//! record is computed again from the documents, and `SettlementLens.explain` is asked for what the settlement itself makes
//! of the path. Every step says whether it holds.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, TxHash, U256, address};
use scores::{
    ContributionId, DatanetId, ModelId, ScoresError,
    claims::{ClaimProof, Claims},
    epoch, merkle,
    record::{AttributionRecord, CreditedSpan},
    royalty::{self, Royalty},
};
use serde::Serialize;

use crate::{
    audit::{AuditError, Check, Checks, CorpusCache, corpus_of, recover},
    batches::is_at,
    chain::{
        Chain, ChainError, EpochState, EpochStatus, Missing, Model, PostedEpoch,
        bindings::lens::{IAttributionSettlement as exhibits, ISettlementLens, SettlementLens},
        call, post_of,
    },
    challenge::{ChallengeError, check_opens, leaf_of},
    clusters::{Corpus, CorpusError, TokenCodec},
    evidence::{EvidenceBundle, EvidenceError, EvidenceSource, StoredReceipt},
    record_faults::reshape,
};

/// Where `SettlementLens` stands if a chain has it.
pub const SETTLEMENT_LENS: Address = address!("0x4f50454e00000000000000000000000000000006");

/// Why nothing can be explained, as opposed to what does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error(transparent)]
    Exhibit(#[from] ChallengeError),
    #[error(
        "receipt {number} is in no epoch yet: it waits to be attributed, or for its epoch to be posted"
    )]
    NotSettled { number: u64 },
    #[error("the evidence of epoch {epoch} has no receipt {number}")]
    NoReceipt { epoch: u64, number: u64 },
    #[error("no receipt of epoch {epoch} pays {account}")]
    NotPaid { epoch: u64, account: Address },
}

/// Result of explaining.
pub type Result<T, E = ExplainError> = std::result::Result<T, E>;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whom a receipt pays; of which gateway, where several have one of this number.
    Receipt { number: u64, gateway: Option<Address> },
    /// What an epoch pays an account for.
    Account { epoch: u64, account: Address },
}

/// The way from one receipt to payments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Whether every step holds.
    pub ok: bool,
    pub epoch: u64,
    pub status: EpochStatus,
    /// Unix seconds until which the epoch can be disputed.
    pub deadline: u64,
    /// Transaction that posted the epoch.
    pub posted: TxHash,
    pub receipt: u64,
    pub receipt_hash: B256,
    pub attribution_hash: B256,
    pub customer: Address,
    pub model: ModelId,
    pub model_name: String,
    pub question: String,
    pub answer: String,
    pub answer_tokens: u32,
    /// Surprise of the whole answer, thousandths of a bit.
    pub surprise_millibits: u64,
    /// What a span's surprise must exceed to earn, thousandths of a bit.
    pub floor_millibits: u64,
    pub spans: Vec<ExplainedSpan>,
    pub weights: Vec<ExplainedWeight>,
    /// Of 1,000,000,000: what nobody wrote, and goes to the sink.
    pub residual: u32,
    pub fee: ExplainedFee,
    pub claims: Vec<ExplainedClaim>,
    pub checks: Vec<Check>,
}

/// Words of the answer and where they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedSpan {
    /// First answer token, and one past the last.
    pub start: u32,
    pub end: u32,
    pub text: String,
    /// The earliest contribution that holds them.
    pub contribution: ContributionId,
    /// Which document of it, if it is a batch.
    pub document: Option<u32>,
    /// keccak256 of the document.
    pub content_hash: Option<B256>,
    pub contributor: Option<Address>,
    /// The founding contribution of the cluster that is credited: an earlier near-original, or the same.
    pub cluster: ContributionId,
    /// Which document of it, if it is a batch.
    pub cluster_document: Option<u32>,
    pub surprise_millibits: u64,
    pub credit_millibits: u64,
}

/// What a cluster is worth in this answer, and is paid for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedWeight {
    pub cluster: ContributionId,
    pub datanet: DatanetId,
    /// Contributor of the cluster's founding contribution.
    pub payee: Address,
    pub credit_millibits: u64,
    /// Of 1,000,000,000, after the cap.
    pub weight: u32,
    /// Wei.
    #[serde(with = "scores::claims::wei")]
    pub paid: u128,
}

/// How the receipt's fee comes apart, wei.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedFee {
    #[serde(with = "scores::claims::wei")]
    pub fee: u128,
    #[serde(with = "scores::claims::wei")]
    pub platform: u128,
    #[serde(with = "scores::claims::wei")]
    pub stakers: u128,
    /// What the model's payee keeps.
    #[serde(with = "scores::claims::wei")]
    pub model: u128,
    pub model_payee: Address,
    pub royalties: Vec<PaidRoyalty>,
    #[serde(with = "scores::claims::wei")]
    pub contributors: u128,
    /// Of the contributors' share, what no document earned and rounding left: the sink's.
    #[serde(with = "scores::claims::wei")]
    pub unattributed: u128,
}

/// What a model that this one derives from is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaidRoyalty {
    pub model: ModelId,
    pub payee: Address,
    /// Of the model share.
    pub bps: u16,
    #[serde(with = "scores::claims::wei")]
    pub amount: u128,
}

/// What an account has from a Datanet's pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedClaim {
    pub datanet: DatanetId,
    pub account: Address,
    /// By this receipt, wei.
    #[serde(with = "scores::claims::wei")]
    pub receipt: u128,
    /// By the whole epoch, wei.
    #[serde(with = "scores::claims::wei")]
    pub epoch: u128,
    /// All that the claims in force, or the epoch's own, give it, wei.
    #[serde(with = "scores::claims::wei")]
    pub cumulative: u128,
    /// Wei that were claimed, and that could be now.
    #[serde(with = "scores::claims::wei")]
    pub claimed: u128,
    #[serde(with = "scores::claims::wei")]
    pub claimable: u128,
}

/// Explains what is asked for: one receipt, or all of an epoch that pay an account.
pub async fn explain(
    chain: &Chain,
    question: Question,
    source: &dyn EvidenceSource,
    codec: &dyn TokenCodec,
) -> Result<Vec<Explanation>> {
    let epoch = match question {
        Question::Account { epoch, .. } => epoch,
        Question::Receipt { number, gateway } => epoch_of(chain, number, gateway).await?,
    };
    let state = chain.epoch(epoch).await?;
    if state.status == EpochStatus::None {
        return Err(ChainError::NotFound(Missing::Epoch(epoch)).into());
    }
    let posted = chain.posted_epoch(epoch).await?;
    let bundle = source.bundle(epoch).await?;
    let leaves = bundle.receipts.iter().map(|stored| merkle::leaf_hash(leaf_of(stored).as_slice()));
    let case = Case {
        chain,
        source,
        codec,
        proofs: merkle::proofs(&leaves.collect::<Vec<_>>()),
        bundle,
        in_force: in_force(chain, source).await?,
        platform_bps: chain.platform_bps_at(posted.block).await?,
        state,
        posted,
    };
    let pays = |stored: &StoredReceipt| match question {
        Question::Receipt { number, .. } => stored.receipt.number == number,
        Question::Account { account, .. } => {
            stored.record.weights.iter().any(|weight| weight.payee == account)
        }
    };
    let receipts = &case.bundle.receipts;
    let places: Vec<usize> =
        (0..receipts.len()).filter(|i| receipts.get(*i).is_some_and(pays)).collect();
    if places.is_empty() {
        return Err(match question {
            Question::Receipt { number, .. } => ExplainError::NoReceipt { epoch, number },
            Question::Account { account, .. } => ExplainError::NotPaid { epoch, account },
        });
    }
    let mut cache = CorpusCache::default();
    let mut explained = Vec::with_capacity(places.len());
    for place in places {
        explained.push(case.explain(place, &mut cache).await?);
    }
    Ok(explained)
}

/// The epoch that has a gateway's receipt: the latest that was not rejected, or was and is followed by none.
async fn epoch_of(chain: &Chain, number: u64, gateway: Option<Address>) -> Result<u64> {
    let mut rejected = None;
    for epoch in (1..chain.next_epoch_id().await?).rev() {
        let post = chain.posted_epoch(epoch).await?.post;
        let last = post.firstReceipt.saturating_add(post.receiptCount.into());
        let own = gateway.is_none_or(|gateway| gateway == post.gateway);
        if !own || number < post.firstReceipt || number >= last {
            continue;
        }
        if chain.epoch(epoch).await?.status != EpochStatus::Rejected {
            return Ok(epoch);
        }
        rejected = rejected.or(Some(epoch));
    }
    rejected.ok_or(ExplainError::NotSettled { number })
}

/// The claims that can be claimed from now, as published.
async fn in_force(chain: &Chain, source: &dyn EvidenceSource) -> Result<Option<Claims>> {
    let active = chain.last_activated().await?;
    if active == 0 {
        return Ok(None);
    }
    let state = chain.epoch(active).await?;
    let claims = source.bundle(active).await?.claims;
    let opens = check_opens(active, &claims, (state.claims_root, state.claims_total)).is_ok();
    Ok(opens.then_some(claims))
}

/// An epoch whose receipts are explained.
struct Case<'a> {
    chain: &'a Chain,
    source: &'a dyn EvidenceSource,
    codec: &'a dyn TokenCodec,
    state: EpochState,
    posted: PostedEpoch,
    bundle: EvidenceBundle,
    /// Of each receipt's leaf, to the epoch's root.
    proofs: Vec<Vec<B256>>,
    in_force: Option<Claims>,
    platform_bps: u16,
}

impl Case<'_> {
    async fn explain(&self, place: usize, cache: &mut CorpusCache) -> Result<Explanation> {
        let Self { chain, posted, bundle, .. } = self;
        let stored = bundle.receipts.get(place).ok_or(ScoresError::EmptyTree)?;
        let proof = self.proofs.get(place).ok_or(ScoresError::EmptyTree)?;
        let StoredReceipt { receipt, record, .. } = stored;
        let mut checks = Checks::default();
        self.check_receipt(stored, &mut checks);
        let model = chain.model(ModelId::try_from(receipt.modelId)?).await?;
        let corpus = self.corpus(&model, cache, &mut checks).await?;
        if let Some(corpus) = &corpus {
            let computed =
                corpus.record_of(receipt, &stored.request, &stored.response, self.codec)?;
            checks.compare("record recomputed", computed.hash(), record.hash());
            self.check_batches(corpus, record, &mut checks).await?;
        }
        let spans = record.credited().map(|span| self.span(span, stored, corpus.as_deref()));
        let spans = spans.collect();

        let royalties = chain.royalties(model.id).await?;
        let pool = epoch::receipt_pool(receipt.fee, self.platform_bps, model.split)?;
        let payments = epoch::payments(record, pool)?;
        let attributed = payments.iter().map(|payment| payment.amount).sum();
        let fee = fee_of(receipt.fee, self.platform_bps, &model, &royalties, attributed)?;
        let weights =
            record.weights.iter().zip(&payments).map(|(weight, payment)| ExplainedWeight {
                cluster: weight.cluster,
                datanet: weight.datanet,
                payee: weight.payee,
                credit_millibits: millibits(weight.credit_q16),
                weight: weight.weight,
                paid: payment.amount,
            });
        let weights: Vec<ExplainedWeight> = weights.collect();
        let mut keys: BTreeMap<(DatanetId, Address), u128> = BTreeMap::new();
        for weight in &weights {
            *keys.entry((weight.datanet, weight.payee)).or_default() += weight.paid;
        }
        let mut claims = Vec::new();
        // A receipt that pays nobody has a place and a fee, too.
        let nobody = ((DatanetId(0), Address::ZERO), 0);
        let asked = if keys.is_empty() { vec![nobody] } else { keys.into_iter().collect() };
        for (key, paid) in asked {
            let claim = self.claim(key, paid, stored, proof, &fee, &mut checks).await?;
            claims.extend((key.1 != Address::ZERO).then_some(claim));
        }
        let number = receipt.number;
        Ok(Explanation {
            ok: checks.all_ok(),
            epoch: posted.post.epochId,
            status: self.state.status,
            deadline: self.state.deadline,
            posted: posted.transaction,
            receipt: number,
            receipt_hash: receipt.receipt_hash(),
            attribution_hash: record.hash(),
            customer: receipt.customer,
            model: model.id,
            model_name: model.name,
            question: stored.request.messages.last().map(|m| m.content.clone()).unwrap_or_default(),
            answer: stored.response.text.clone(),
            answer_tokens: record.answer_tokens,
            surprise_millibits: millibits(record.total_surprise_q16),
            floor_millibits: millibits(record.floor_q16),
            spans,
            weights,
            residual: record.residual,
            fee,
            claims,
            checks: checks.into_list(),
        })
    }

    fn check_receipt(&self, stored: &StoredReceipt, checks: &mut Checks) {
        let StoredReceipt { receipt, record, .. } = stored;
        let domain = self.chain.settlement_domain();
        let signer = recover(&stored.signature, receipt.digest(&domain));
        checks.compare("receipt's signer", signer, Some(receipt.gateway));
        checks.compare("request", stored.request.hash(), receipt.requestHash);
        checks.compare("response", stored.response.hash(), receipt.responseHash);
        checks.compare("record's receipt", record.receipt_hash, receipt.receipt_hash());
        checks.compare(
            "record's engine spec",
            record.engine_spec_hash,
            self.posted.post.engineSpecHash,
        );
    }

    /// The model's corpus, checked against the chain; `None` where documents are missing or others.
    async fn corpus(
        &self,
        model: &Model,
        cache: &mut CorpusCache,
        checks: &mut Checks,
    ) -> Result<Option<Arc<Corpus>>> {
        let spec = match scores::spec::EngineSpec::from_canonical_json(&self.bundle.engine_spec) {
            Ok(spec) => spec,
            Err(error) => {
                checks.record("engine spec", false, error.to_string());
                return Ok(None);
            }
        };
        let hash = self.posted.post.engineSpecHash;
        if !checks.compare("engine spec", spec.hash()?, hash)
            || !checks.compare("tokenizer", self.codec.fingerprint(), spec.tokenizer_hash)
        {
            return Ok(None);
        }
        let (source, codec) = (self.source, self.codec);
        match corpus_of(self.chain, model, &spec, hash, source, codec, cache, checks).await {
            Ok(corpus) => Ok(corpus),
            Err(AuditError::Evidence(error)) => {
                checks.record("documents", false, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether documents of batches lie where they are said to, under what the contribution committed to.
    async fn check_batches(
        &self,
        corpus: &Corpus,
        record: &AttributionRecord,
        checks: &mut Checks,
    ) -> Result<()> {
        for span in &record.spans {
            let Some(document) = corpus.document(span.contribution) else { continue };
            let contribution = &document.contribution;
            let Some(place) = &contribution.place else { continue };
            let batch = self.chain.contribution(contribution.id).await?;
            let lies = is_at(&batch, place, &contribution.commitment);
            let (id, index) = (contribution.id, place.index);
            checks.record("path in batch", lies, format!("document {index} of contribution {id}"));
        }
        Ok(())
    }

    fn span(
        &self,
        span: &CreditedSpan,
        stored: &StoredReceipt,
        corpus: Option<&Corpus>,
    ) -> ExplainedSpan {
        let tokens = stored.response.tokens.get(span.start as usize..span.end as usize);
        let document = corpus.and_then(|corpus| corpus.document(span.contribution));
        let holder = document.map(|document| &document.contribution);
        ExplainedSpan {
            start: span.start,
            end: span.end,
            text: self.codec.decode(tokens.unwrap_or_default()),
            contribution: span.contribution.parts().0,
            document: span.contribution.parts().1,
            content_hash: holder.map(|holder| holder.commitment.content_hash),
            contributor: holder.map(|holder| holder.contributor),
            cluster: span.cluster.parts().0,
            cluster_document: span.cluster.parts().1,
            surprise_millibits: millibits(span.surprise_q16),
            credit_millibits: millibits(span.credit_q16),
        }
    }

    /// What an account has, and what the settlement itself says of the path to it.
    async fn claim(
        &self,
        (datanet, account): (DatanetId, Address),
        paid: u128,
        stored: &StoredReceipt,
        receipt_proof: &[B256],
        fee: &ExplainedFee,
        checks: &mut Checks,
    ) -> Result<ExplainedClaim> {
        let own = self.bundle.claims.proof(datanet, account)?;
        let before = self.bundle.previous_claims.proof(datanet, account)?;
        let amount = |proof: &Option<ClaimProof>| proof.as_ref().map_or(0, |p| p.claim.cumulative);
        let grown = amount(&own).saturating_sub(amount(&before));
        if account != Address::ZERO {
            let detail = format!("{account}: {paid} wei of {grown} in the epoch");
            checks.record("payment in the epoch's claims", grown >= paid, detail);
        }
        let in_force = match &self.in_force {
            Some(claims) => claims.proof(datanet, account)?,
            None => None,
        };
        let cumulative = match self.state.status {
            EpochStatus::Activated => amount(&in_force),
            _ => amount(&own),
        };
        let mut claim = ExplainedClaim {
            datanet,
            account,
            receipt: paid,
            epoch: grown,
            cumulative,
            claimed: 0,
            claimable: 0,
        };
        let Some(told) = self.ask(stored, receipt_proof, datanet, account, in_force).await? else {
            checks.record("SettlementLens", false, "this chain has none");
            return Ok(claim);
        };
        checks.expect(
            "epoch's post, as the chain has it",
            told.postMatches,
            "it is the one that was posted",
            "another was posted",
        );
        checks.expect(
            "receipt in the epoch, as the chain has it",
            told.receiptIncluded,
            "with this record",
            "not with this record",
        );
        let shares = (told.shares.platform, told.shares.stakers, told.shares.contributors);
        checks.compare(
            "split of the fee, as the chain has it",
            (fee.platform, fee.stakers, fee.contributors),
            shares,
        );
        let royalties: u128 = fee.royalties.iter().map(|royalty| royalty.amount).sum();
        checks.compare("royalties, as the chain has them", royalties, told.royalties);
        (claim.claimed, claim.claimable) = (told.accountClaimed, told.accountClaimable);
        if self.state.status == EpochStatus::Activated && account != Address::ZERO {
            let all = told.accountClaimed.saturating_add(told.accountClaimable);
            checks.compare("claimed and claimable, as the chain has it", cumulative, all);
        }
        Ok(claim)
    }

    async fn ask(
        &self,
        stored: &StoredReceipt,
        receipt_proof: &[B256],
        datanet: DatanetId,
        account: Address,
        claim: Option<ClaimProof>,
    ) -> Result<Option<ISettlementLens::Explanation>> {
        let what = "asking SettlementLens";
        if !self.chain.has_code(SETTLEMENT_LENS).await? {
            return Ok(None);
        }
        let nodes = claim.iter().flat_map(|claim| &claim.proof);
        let question = ISettlementLens::Question {
            receipt: reshape(&stored.receipt)?,
            attributionHash: stored.record.hash(),
            receiptProof: receipt_proof.to_vec(),
            post: post_of!(exhibits, &self.posted.post),
            platformBps: self.platform_bps,
            datanetId: datanet.to_u256(),
            account,
            cumulative: claim.as_ref().map_or(0, |claim| claim.claim.cumulative),
            index: U256::from(claim.as_ref().map_or(0, |claim| claim.index)),
            claimProof: nodes.map(|n| exhibits::ProofNode { hash: n.hash, sum: n.sum }).collect(),
        };
        let lens = SettlementLens::new(SETTLEMENT_LENS, self.chain.provider().clone());
        Ok(Some(lens.explain(question).call().await.map_err(call(what))?))
    }
}

fn fee_of(
    fee: u128,
    platform_bps: u16,
    model: &Model,
    royalties: &[Royalty],
    attributed: u128,
) -> Result<ExplainedFee> {
    let shares = epoch::shares(fee, platform_bps, model.split)?;
    let paid = royalty::pay(shares.model, royalties)?;
    let amounts = royalties.iter().zip(&paid.royalties);
    Ok(ExplainedFee {
        fee,
        platform: shares.platform,
        stakers: shares.stakers,
        model: paid.own,
        model_payee: model.payee,
        royalties: amounts
            .map(|(owed, amount)| PaidRoyalty {
                model: owed.model,
                payee: owed.payee,
                bps: owed.bps,
                amount: *amount,
            })
            .collect(),
        contributors: shares.contributors,
        unattributed: shares.contributors.saturating_sub(attributed),
    })
}

/// Thousandths of a bit, rounded down.
fn millibits(q16: u64) -> u64 {
    u64::try_from(u128::from(q16) * 1_000 >> 16).unwrap_or(u64::MAX)
}
