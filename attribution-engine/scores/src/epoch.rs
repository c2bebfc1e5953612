//! Money: from receipts and records to payments, totals and the epoch post. Every division rounds down,
//! and what is lost in rounding is part of the residual.
//!
//! Per model, as the contract computes: platform = ⌊fees·platformBps/10⁴⌋; net = fees − platform;
//! stakers = ⌊net·stakersBps/10⁴⌋; model = ⌊net·modelBps/10⁴⌋; contributors = net − stakers − model.
//! Per receipt: pool = ⌊fee·(10⁴ − platformBps)·contributorsBps/10⁸⌋, rounded down so that a model's pools
//! can never sum to more than its contributors' share; payment = ⌊pool·weight/10⁹⌋. What of the model share
//! goes up the lineage is in [`crate::royalty`].

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    claims::Claims,
    eip712::{EpochPost, InferenceReceipt, ModelTotal, PoolTotal},
    error::{Result, ScoresError},
    ids::{ContributionId, DatanetId, ModelId},
    merkle,
    record::{AttributionRecord, WEIGHT_ONE},
};

/// One hundred per cent in basis points.
pub const BPS_ONE: u32 = 10_000;

/// A model's split of the net fee; basis points that sum to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    pub model_bps: u16,
    pub contributors_bps: u16,
    pub stakers_bps: u16,
}

/// Where a model's fees go, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub platform: u128,
    pub model: u128,
    pub stakers: u128,
    pub contributors: u128,
}

/// Fee of a call: `⌊(tokensIn·pricePer1kIn + tokensOut·pricePer1kOut)/1000⌋` wei.
pub fn fee(tokens_in: u32, tokens_out: u32, price_1k_in: u128, price_1k_out: u128) -> Result<u128> {
    let part = |tokens: u32, price: u128| u128::from(tokens).checked_mul(price);
    part(tokens_in, price_1k_in)
        .zip(part(tokens_out, price_1k_out))
        .and_then(|(inward, outward)| inward.checked_add(outward))
        .and_then(|thousandths| thousandths.checked_div(1_000))
        .ok_or(ScoresError::AmountOverflow)
}

/// What the contract splits a model's fees into.
pub fn shares(fees: u128, platform_bps: u16, split: Split) -> Result<Shares> {
    check_split(platform_bps, split)?;
    let platform = mul_div_down(fees, platform_bps.into(), BPS_ONE.into())?;
    let net = fees.checked_sub(platform).ok_or(ScoresError::AmountOverflow)?;
    let stakers = mul_div_down(net, split.stakers_bps.into(), BPS_ONE.into())?;
    let model = mul_div_down(net, split.model_bps.into(), BPS_ONE.into())?;
    let contributors = net
        .checked_sub(stakers)
        .and_then(|rest| rest.checked_sub(model))
        .ok_or(ScoresError::AmountOverflow)?;
    Ok(Shares { platform, model, stakers, contributors })
}

/// The contributors' pool of one receipt, wei.
pub fn receipt_pool(fee: u128, platform_bps: u16, split: Split) -> Result<u128> {
    check_split(platform_bps, split)?;
    let kept = u128::from(BPS_ONE).saturating_sub(platform_bps.into());
    let share = kept.saturating_mul(split.contributors_bps.into());
    mul_div_down(fee, share, u128::from(BPS_ONE).saturating_mul(BPS_ONE.into()))
}

/// What a receipt pays to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub cluster: ContributionId,
    pub datanet: DatanetId,
    pub payee: Address,
    #[serde(with = "crate::claims::wei")]
    pub amount: u128,
}

/// Payments of a record out of `pool`, in the record's order.
pub fn payments(record: &AttributionRecord, pool: u128) -> Result<Vec<Payment>> {
    let sum = record.weight_sum();
    if sum > u64::from(WEIGHT_ONE) {
        return Err(ScoresError::WeightsAboveOne(sum));
    }
    record
        .weights
        .iter()
        .map(|weight| {
            Ok(Payment {
                cluster: weight.cluster,
                datanet: weight.datanet,
                payee: weight.payee,
                amount: mul_div_down(pool, weight.weight.into(), WEIGHT_ONE.into())?,
            })
        })
        .collect()
}

/// A receipt and the record of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledReceipt {
    pub receipt: InferenceReceipt,
    pub record: AttributionRecord,
}

impl SettledReceipt {
    /// The receipt's leaf in the receipts tree, before leaf hashing:
    /// `keccak256(abi.encode(receiptHash, attributionHash))`.
    pub fn leaf(&self) -> B256 {
        keccak256((self.receipt.receipt_hash(), self.record.hash()).abi_encode())
    }
}

/// What an epoch is computed from.
#[derive(Clone, Copy, Debug)]
pub struct EpochInput<'a> {
    pub epoch_id: u64,
    pub gateway: Address,
    pub engine_spec_hash: B256,
    /// Consecutive receipts of the gateway.
    pub receipts: &'a [SettledReceipt],
    pub splits: &'a BTreeMap<ModelId, Split>,
    pub platform_bps: u16,
    /// Claims of the last activated epoch.
    pub previous: &'a Claims,
}

/// An epoch, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub post: EpochPost,
    /// Cumulative claims under `post.claimsRoot`.
    pub claims: Claims,
    /// Payments of each receipt, in order.
    pub payments: Vec<Vec<Payment>>,
}

/// Computes an epoch.
pub fn compute(input: &EpochInput<'_>) -> Result<Epoch> {
    let first = input.receipts.first().ok_or(ScoresError::EmptyEpoch)?;
    check_receipts(input)?;
    let mut claims = input.previous.clone();
    let mut models: BTreeMap<ModelId, (u128, u128)> = BTreeMap::new();
    let mut pools: BTreeMap<DatanetId, u128> = BTreeMap::new();
    let mut all_payments = Vec::with_capacity(input.receipts.len());
    for settled in input.receipts {
        let model = ModelId::try_from(settled.receipt.modelId)?;
        let split = input.splits.get(&model).ok_or(ScoresError::UnknownModel(model.0))?;
        let pool = receipt_pool(settled.receipt.fee, input.platform_bps, *split)?;
        let payments = payments(&settled.record, pool)?;
        let (fees, attributed) = models.entry(model).or_default();
        add(fees, settled.receipt.fee)?;
        for payment in &payments {
            add(attributed, payment.amount)?;
            if payment.amount > 0 {
                add(pools.entry(payment.datanet).or_default(), payment.amount)?;
                claims.add(payment.datanet, payment.payee, payment.amount)?;
            }
        }
        all_payments.push(payments);
    }
    let root = claims.root()?;
    let post = EpochPost {
        epochId: input.epoch_id,
        gateway: input.gateway,
        engineSpecHash: input.engine_spec_hash,
        receiptsRoot: merkle::root_of(input.receipts.iter().map(SettledReceipt::leaf))?,
        firstReceipt: first.receipt.number,
        receiptCount: u32::try_from(input.receipts.len())
            .map_err(|_| ScoresError::Overflow { what: "receipt counts" })?,
        claimsRoot: root.hash,
        claimsTotal: root.sum,
        models: models
            .into_iter()
            .map(|(model, (fees, attributed))| ModelTotal {
                modelId: model.to_u256(),
                fees,
                attributed,
            })
            .collect(),
        pools: pools
            .into_iter()
            .map(|(datanet, amount)| PoolTotal { datanetId: datanet.to_u256(), amount })
            .collect(),
    };
    Ok(Epoch { post, claims, payments: all_payments })
}

/// Receipts are consecutive and each record belongs to its receipt and to the epoch's spec.
fn check_receipts(input: &EpochInput<'_>) -> Result<()> {
    let mut previous: Option<u64> = None;
    for SettledReceipt { receipt, record } in input.receipts {
        if let Some(previous) = previous
            && previous.checked_add(1) != Some(receipt.number)
        {
            return Err(ScoresError::ReceiptGap { previous, found: receipt.number });
        }
        previous = Some(receipt.number);
        if record.receipt_hash != receipt.receipt_hash() {
            return Err(ScoresError::RecordOfAnotherReceipt {
                receipt: receipt.number,
                found: record.receipt_hash,
            });
        }
        for found in [receipt.engineSpecHash, record.engine_spec_hash] {
            if found != input.engine_spec_hash {
                return Err(ScoresError::WrongEngineSpec {
                    receipt: receipt.number,
                    found,
                    expected: input.engine_spec_hash,
                });
            }
        }
    }
    Ok(())
}

fn check_split(platform_bps: u16, split: Split) -> Result<()> {
    let net = u32::from(split.model_bps)
        .saturating_add(split.contributors_bps.into())
        .saturating_add(split.stakers_bps.into());
    match net.max(platform_bps.into()) {
        shares if shares > BPS_ONE => Err(ScoresError::SharesAboveOne(shares)),
        _ => Ok(()),
    }
}

pub(crate) fn mul_div_down(value: u128, by: u128, over: u128) -> Result<u128> {
    let wide = U256::from(value).saturating_mul(U256::from(by));
    wide.checked_div(U256::from(over))
        .and_then(|quotient| u128::try_from(quotient).ok())
        .ok_or(ScoresError::AmountOverflow)
}

fn add(total: &mut u128, amount: u128) -> Result<()> {
    *total = total.checked_add(amount).ok_or(ScoresError::AmountOverflow)?;
    Ok(())
}
