//! A month of a Datanet: receipts with records, an epoch a day. Integers only, and no source of chance but
//! the seed.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use anyhow::{Context, Result};
use scores::{
    ContributionId, DatanetId, ModelId,
    claims::Claims,
    eip712::InferenceReceipt,
    epoch::{EpochInput, SettledReceipt, Split, compute, fee, shares},
    record::{AttributionRecord, ClusterWeight, RECORD_VERSION, WEIGHT_ONE},
    royalty::{self, Royalty},
    spec::EngineSpec,
};
use serde::Serialize;

use super::Popularity;

const MODEL: ModelId = ModelId(1);
const DATANET: DatanetId = DatanetId(1);
/// What the contributor's documents pay.
const CONTRIBUTOR: Address = Address::repeat_byte(0xc0);
/// Likelihood of the most popular document under [`Popularity::Zipf`].
const LIKELIHOOD_ONE: u64 = 1_000_000_000;

/// What is assumed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    pub calls_per_day: u32,
    pub days: u32,
    pub tokens_in: u32,
    pub tokens_out: u32,
    /// Wei per 1,000 tokens.
    #[serde(with = "scores::claims::wei")]
    pub price_1k_in: u128,
    #[serde(with = "scores::claims::wei")]
    pub price_1k_out: u128,
    pub platform_bps: u16,
    pub split: Split,
    /// What of the model share goes to models it derives from.
    pub royalty_bps: u16,
    pub documents: u32,
    pub mine: u32,
    pub attributed_thousandths: u32,
    pub matches: u32,
    pub popularity: Popularity,
    pub seed: u64,
}

/// What came of it; amounts in wei.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    #[serde(with = "scores::claims::wei")]
    pub fees: u128,
    #[serde(with = "scores::claims::wei")]
    pub platform: u128,
    /// The model's own payee.
    #[serde(with = "scores::claims::wei")]
    pub model: u128,
    #[serde(with = "scores::claims::wei")]
    pub royalties: u128,
    #[serde(with = "scores::claims::wei")]
    pub stakers: u128,
    /// What the Datanet's contributors were paid.
    #[serde(with = "scores::claims::wei")]
    pub datanet: u128,
    /// The contributors' share that is attributed to nobody.
    #[serde(with = "scores::claims::wei")]
    pub residual: u128,
    /// What of `datanet` is the contributor's.
    #[serde(with = "scores::claims::wei")]
    pub contributor: u128,
}

/// The contributor's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contributor {
    #[serde(with = "scores::claims::wei")]
    pub earned: u128,
    #[serde(with = "scores::claims::wei")]
    pub per_document: u128,
    #[serde(with = "scores::claims::wei")]
    pub day_min: u128,
    #[serde(with = "scores::claims::wei")]
    pub day_median: u128,
    #[serde(with = "scores::claims::wei")]
    pub day_max: u128,
    /// Answers that paid at least one of the documents.
    pub paying_calls: u64,
    #[serde(with = "scores::claims::wei")]
    pub cost: u128,
    /// First day, counted from 1, at whose end what was earned covers the cost.
    pub paid_back_on_day: Option<u32>,
}

/// The whole answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    pub assumptions: Traffic,
    /// Most of an answer's pool that one document gets, of 1,000,000,000.
    pub cluster_weight_max: u32,
    #[serde(with = "scores::claims::wei")]
    pub document_cost: u128,
    #[serde(with = "scores::claims::wei")]
    pub fee_per_call: u128,
    pub total: Totals,
    pub contributor: Contributor,
    pub days: Vec<Totals>,
}

/// Settles the traffic day by day.
pub fn run(traffic: &Traffic, document_cost: u128) -> Result<Outcome> {
    let spec = EngineSpec::default();
    let spec_hash = spec.hash()?;
    let fee_per_call =
        fee(traffic.tokens_in, traffic.tokens_out, traffic.price_1k_in, traffic.price_1k_out)?;
    let draws = Draws::new(traffic);
    let mut chance = Chance(traffic.seed);
    let splits = BTreeMap::from([(MODEL, traffic.split)]);
    let mut claims = Claims::default();
    let mut days = Vec::new();
    let mut paying_calls = 0;
    let mut number = 0;
    for day in 0..traffic.days {
        let receipts = (0..traffic.calls_per_day)
            .map(|_| {
                let weights = draws.weights(&mut chance, &spec);
                paying_calls += u64::from(weights.iter().any(|w| w.payee == CONTRIBUTOR));
                let settled = receipt(traffic, number, fee_per_call, spec_hash, weights);
                number += 1;
                settled
            })
            .collect::<Vec<_>>();
        let epoch = compute(&EpochInput {
            epoch_id: u64::from(day).saturating_add(1),
            gateway: Address::ZERO,
            engine_spec_hash: spec_hash,
            receipts: &receipts,
            splits: &splits,
            platform_bps: traffic.platform_bps,
            previous: &claims,
        })?;
        let earned = earned(&epoch.claims) - earned(&claims);
        let model = epoch.post.models.first().context("an epoch has a model")?;
        days.push(totals(traffic, model.fees, model.attributed, earned)?);
        claims = epoch.claims;
    }
    Ok(outcome(traffic, &spec, document_cost, fee_per_call, days, paying_calls))
}

/// One call with its record. Hashes of texts that nobody wrote are zero; they take no part in money.
fn receipt(
    traffic: &Traffic,
    number: u64,
    fee: u128,
    spec_hash: B256,
    weights: Vec<ClusterWeight>,
) -> SettledReceipt {
    let receipt = InferenceReceipt {
        number,
        modelId: U256::from(MODEL.0),
        customer: Address::ZERO,
        gateway: Address::ZERO,
        requestHash: B256::ZERO,
        responseHash: B256::ZERO,
        tokensIn: traffic.tokens_in,
        tokensOut: traffic.tokens_out,
        fee,
        timestamp: 0,
        engineSpecHash: spec_hash,
        adapterSetHash: B256::ZERO,
        retrievalRoot: B256::ZERO,
    };
    let paid: u32 = weights.iter().map(|weight| weight.weight).sum();
    let record = AttributionRecord {
        version: RECORD_VERSION,
        receipt_hash: receipt.receipt_hash(),
        engine_spec_hash: spec_hash,
        answer_tokens: traffic.tokens_out,
        prompt_tokens: 0,
        total_surprise_q16: WEIGHT_ONE.into(),
        floor_q16: 0,
        spans: Vec::new(),
        weights,
        residual: WEIGHT_ONE.saturating_sub(paid),
    };
    SettledReceipt { receipt, record }
}

fn earned(claims: &Claims) -> u128 {
    let own = claims.as_slice().iter().filter(|claim| claim.account == CONTRIBUTOR);
    own.map(|claim| claim.cumulative).sum()
}

/// A day's fees as the settlement splits them.
fn totals(traffic: &Traffic, fees: u128, attributed: u128, contributor: u128) -> Result<Totals> {
    let parts = shares(fees, traffic.platform_bps, traffic.split)?;
    let owed = [Royalty { model: ModelId(0), payee: Address::ZERO, bps: traffic.royalty_bps }];
    let paid = royalty::pay(parts.model, &owed)?;
    Ok(Totals {
        fees,
        platform: parts.platform,
        model: paid.own,
        royalties: paid.royalties.iter().sum(),
        stakers: parts.stakers,
        datanet: attributed,
        residual: parts.contributors - attributed,
        contributor,
    })
}

fn outcome(
    traffic: &Traffic,
    spec: &EngineSpec,
    document_cost: u128,
    fee_per_call: u128,
    days: Vec<Totals>,
    paying_calls: u64,
) -> Outcome {
    let sum = |of: fn(&Totals) -> u128| days.iter().map(of).sum::<u128>();
    let total = Totals {
        fees: sum(|day| day.fees),
        platform: sum(|day| day.platform),
        model: sum(|day| day.model),
        royalties: sum(|day| day.royalties),
        stakers: sum(|day| day.stakers),
        datanet: sum(|day| day.datanet),
        residual: sum(|day| day.residual),
        contributor: sum(|day| day.contributor),
    };
    let mut sorted: Vec<u128> = days.iter().map(|day| day.contributor).collect();
    sorted.sort_unstable();
    let cost = document_cost.saturating_mul(traffic.mine.into());
    let mut so_far = 0_u128;
    let paid_back_on_day = (1_u32..).zip(&days).find_map(|(number, day)| {
        so_far += day.contributor;
        (so_far >= cost).then_some(number)
    });
    Outcome {
        cluster_weight_max: spec.credit.cluster_weight_max,
        document_cost,
        fee_per_call,
        contributor: Contributor {
            earned: total.contributor,
            per_document: total.contributor.checked_div(traffic.mine.into()).unwrap_or_default(),
            day_min: sorted.first().copied().unwrap_or_default(),
            day_median: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            day_max: sorted.last().copied().unwrap_or_default(),
            paying_calls,
            cost,
            paid_back_on_day,
        },
        total,
        assumptions: traffic.clone(),
        days,
    }
}

/// Which documents an answer draws on.
struct Draws {
    /// Likelihoods of the documents, added up.
    likelihoods: Vec<u64>,
    mine: u32,
    matches: u32,
    /// Of an answer, of [`WEIGHT_ONE`], before the cap.
    each: u32,
}

impl Draws {
    fn new(traffic: &Traffic) -> Self {
        let mut sum = 0_u64;
        let likelihoods = (1..=u64::from(traffic.documents))
            .map(|rank| {
                sum += match traffic.popularity {
                    Popularity::Even => LIKELIHOOD_ONE,
                    Popularity::Zipf => LIKELIHOOD_ONE / rank,
                };
                sum
            })
            .collect();
        let attributed = WEIGHT_ONE / 1_000 * traffic.attributed_thousandths;
        Self {
            likelihoods,
            mine: traffic.mine,
            matches: traffic.matches,
            each: attributed / traffic.matches.max(1),
        }
    }

    /// Distinct documents in ascending order, each with its part of the answer, at most the cap.
    fn weights(&self, chance: &mut Chance, spec: &EngineSpec) -> Vec<ClusterWeight> {
        let weight = self.each.min(spec.credit.cluster_weight_max);
        let mut drawn = BTreeMap::new();
        while weight > 0 && drawn.len() < self.matches as usize {
            let total = self.likelihoods.last().copied().unwrap_or(1);
            let at = chance.below(total);
            let index = self.likelihoods.partition_point(|sum| *sum <= at);
            drawn.insert(index as u64, ());
        }
        drawn
            .into_keys()
            .map(|index| ClusterWeight {
                cluster: ContributionId(index + 1),
                datanet: DATANET,
                payee: self.payee(index),
                credit_q16: weight.into(),
                weight,
            })
            .collect()
    }

    /// The contributor's documents lie evenly among the ranks; everybody else has one.
    fn payee(&self, index: u64) -> Address {
        let (mine, all) = (u64::from(self.mine), self.likelihoods.len() as u64);
        if (index + 1) * mine / all > index * mine / all {
            return CONTRIBUTOR;
        }
        Address::left_padding_from(&(index + 1).to_be_bytes())
    }
}

/// SplitMix64: the same numbers on every machine.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform below `bound`, to within 2⁻⁶⁴ of it.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(bound);
        (wide >> 64) as u64
    }
}
