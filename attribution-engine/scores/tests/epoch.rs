//! Money is conserved: what an epoch promises is what its receipts' fees allow, to the wei.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256};
use attribution_scores::{
    ContributionId, DatanetId, ModelId, ScoresError,
    claims::Claims,
    eip712::InferenceReceipt,
    epoch::{EpochInput, SettledReceipt, Split, compute, fee, payments, receipt_pool, shares},
    record::{AttributionRecord, ClusterWeight, RECORD_VERSION, WEIGHT_ONE},
};
use proptest::prelude::*;

const SPLIT: Split = Split { model_bps: 4_000, contributors_bps: 5_000, stakers_bps: 1_000 };
const PLATFORM_BPS: u16 = 500;

fn receipt(number: u64, model: u64, fee: u128) -> InferenceReceipt {
    InferenceReceipt {
        number,
        modelId: U256::from(model),
        customer: Address::repeat_byte(1),
        gateway: Address::repeat_byte(2),
        requestHash: B256::ZERO,
        responseHash: B256::ZERO,
        tokensIn: 1,
        tokensOut: 1,
        fee,
        timestamp: 0,
        engineSpecHash: B256::ZERO,
        adapterSetHash: B256::ZERO,
        retrievalRoot: B256::ZERO,
    }
}

/// Weights as (cluster, datanet, payee, weight).
fn settled(receipt: InferenceReceipt, weights: &[(u64, u64, u8, u32)]) -> SettledReceipt {
    let weights: Vec<ClusterWeight> = weights
        .iter()
        .map(|(cluster, datanet, payee, weight)| ClusterWeight {
            cluster: ContributionId(*cluster),
            datanet: DatanetId(*datanet),
            payee: Address::repeat_byte(*payee),
            credit_q16: 1,
            weight: *weight,
        })
        .collect();
    let record = AttributionRecord {
        version: RECORD_VERSION,
        receipt_hash: receipt.receipt_hash(),
        engine_spec_hash: B256::ZERO,
        answer_tokens: 1,
        prompt_tokens: 0,
        total_surprise_q16: 1,
        floor_q16: 0,
        spans: vec![],
        residual: WEIGHT_ONE - weights.iter().map(|w| w.weight).sum::<u32>().min(WEIGHT_ONE),
        weights,
    };
    SettledReceipt { receipt, record }
}

fn input<'a>(
    receipts: &'a [SettledReceipt],
    splits: &'a BTreeMap<ModelId, Split>,
    previous: &'a Claims,
) -> EpochInput<'a> {
    EpochInput {
        epoch_id: 1,
        gateway: Address::repeat_byte(2),
        engine_spec_hash: B256::ZERO,
        receipts,
        splits,
        platform_bps: PLATFORM_BPS,
        previous,
    }
}

#[test]
fn the_devnets_shares() {
    let shares = shares(1_000_000, PLATFORM_BPS, SPLIT).unwrap();
    assert_eq!(shares.platform, 50_000);
    assert_eq!(shares.stakers, 95_000);
    assert_eq!(shares.model, 380_000);
    assert_eq!(shares.contributors, 475_000);
    assert_eq!(receipt_pool(1_000_000, PLATFORM_BPS, SPLIT), Ok(475_000));
    assert_eq!(fee(1_500, 333, 2_000, 3_000), Ok(3_999));
}

#[test]
fn an_epoch_in_figures() {
    let receipts = [
        settled(
            receipt(7, 1, 1_000_000),
            &[(1, 1, 11, WEIGHT_ONE / 4), (2, 1, 12, WEIGHT_ONE / 10)],
        ),
        settled(receipt(8, 1, 1_000_000), &[(1, 1, 11, WEIGHT_ONE / 4)]),
        settled(receipt(9, 2, 500), &[(3, 9, 12, 1_000)]),
    ];
    let splits = BTreeMap::from([(ModelId(1), SPLIT), (ModelId(2), SPLIT)]);
    let mut previous = Claims::default();
    previous.add(DatanetId(1), Address::repeat_byte(11), 5).unwrap();
    let epoch = compute(&input(&receipts, &splits, &previous)).unwrap();
    let post = &epoch.post;
    assert_eq!((post.firstReceipt, post.receiptCount), (7, 3));
    assert_eq!(post.models[0].fees, 2_000_000);
    assert_eq!(post.models[0].attributed, 118_750 + 47_500 + 118_750);
    assert_eq!((post.models[1].fees, post.models[1].attributed), (500, 0));
    // A pool that gets nothing is not listed.
    assert_eq!(post.pools.len(), 1);
    assert_eq!(post.pools[0].amount, 285_000);
    assert_eq!(post.claimsTotal, 285_005);
    assert_eq!(epoch.claims.as_slice()[0].cumulative, 237_505);
    assert_eq!(epoch.payments[0][1].amount, 47_500);
}

#[test]
fn what_cannot_be_settled_says_why() {
    #[track_caller]
    fn check(receipts: &[SettledReceipt], expected: ScoresError) {
        let splits = BTreeMap::from([(ModelId(1), SPLIT)]);
        let error = compute(&input(receipts, &splits, &Claims::default())).unwrap_err();
        assert_eq!(error, expected);
    }
    check(&[], ScoresError::EmptyEpoch);
    let one = settled(receipt(1, 1, 10), &[]);
    check(
        &[one.clone(), settled(receipt(3, 1, 10), &[])],
        ScoresError::ReceiptGap { previous: 1, found: 3 },
    );
    check(&[settled(receipt(1, 4, 10), &[])], ScoresError::UnknownModel(4));
    let mut stolen = one.clone();
    stolen.record.receipt_hash = B256::repeat_byte(1);
    check(
        &[stolen],
        ScoresError::RecordOfAnotherReceipt { receipt: 1, found: B256::repeat_byte(1) },
    );
    let mut greedy = one;
    greedy.record.weights =
        settled(receipt(1, 1, 10), &[(1, 1, 1, WEIGHT_ONE), (2, 1, 1, 1)]).record.weights;
    check(&[greedy], ScoresError::WeightsAboveOne(u64::from(WEIGHT_ONE) + 1));
}

#[test]
fn absurd_amounts_overflow_with_an_error() {
    assert_eq!(fee(u32::MAX, 1, u128::MAX, 1), Err(ScoresError::AmountOverflow));
    let splits = BTreeMap::from([(ModelId(1), SPLIT)]);
    let receipts = [settled(receipt(1, 1, u128::MAX), &[]), settled(receipt(2, 1, 1), &[])];
    let error = compute(&input(&receipts, &splits, &Claims::default())).unwrap_err();
    assert_eq!(error, ScoresError::AmountOverflow);
    let greedy = Split { model_bps: 6_000, contributors_bps: 5_000, stakers_bps: 0 };
    assert_eq!(shares(1, 0, greedy), Err(ScoresError::SharesAboveOne(11_000)));
}

prop_compose! {
    fn split()(contributors in 2_000_u16..=10_000)(
        model in 0..=(10_000 - contributors), contributors in Just(contributors),
    ) -> Split {
        Split { model_bps: model, contributors_bps: contributors, stakers_bps: 10_000 - contributors - model }
    }
}

/// Receipts of two models with weights that sum to at most one.
fn receipts() -> impl Strategy<Value = Vec<SettledReceipt>> {
    let weights = prop::collection::vec((1_u64..5, 1_u64..3, 1_u8..6, 0..=WEIGHT_ONE / 4), 0..4);
    let one = (1_u64..3, 0_u128..10_u128.pow(20), weights);
    prop::collection::vec(one, 1..20).prop_map(|list| {
        list.iter()
            .zip(3_u64..)
            .map(|((model, fee, weights), number)| settled(receipt(number, *model, *fee), weights))
            .collect()
    })
}

proptest! {
    #[test]
    fn an_epoch_never_promises_more_than_it_was_paid(
        receipts in receipts(), splits in [split(), split()], platform_bps in 0_u16..=1_500,
    ) {
        let splits = BTreeMap::from([(ModelId(1), splits[0]), (ModelId(2), splits[1])]);
        let mut previous = Claims::default();
        previous.add(DatanetId(1), Address::repeat_byte(3), 17).unwrap();
        let input = EpochInput { platform_bps, ..input(&receipts, &splits, &previous) };
        let epoch = compute(&input).unwrap();
        let fees: u128 = receipts.iter().map(|r| r.receipt.fee).sum();
        prop_assert_eq!(epoch.post.models.iter().map(|m| m.fees).sum::<u128>(), fees);
        let attributed: u128 = epoch.post.models.iter().map(|m| m.attributed).sum();
        let paid: u128 = epoch.payments.iter().flatten().map(|p| p.amount).sum();
        let pools: u128 = epoch.post.pools.iter().map(|p| p.amount).sum();
        prop_assert_eq!(attributed, paid);
        prop_assert_eq!(attributed, pools);
        prop_assert_eq!(epoch.post.claimsTotal, 17 + pools);
        prop_assert!(epoch.post.pools.iter().all(|p| p.amount > 0));
        for model in &epoch.post.models {
            let split = splits[&ModelId::try_from(model.modelId).unwrap()];
            let shares = shares(model.fees, platform_bps, split).unwrap();
            prop_assert!(model.attributed <= shares.contributors);
            prop_assert_eq!(
                shares.platform + shares.stakers + shares.model + shares.contributors,
                model.fees
            );
        }
        for (settled, paid) in receipts.iter().zip(&epoch.payments) {
            let split = splits[&ModelId::try_from(settled.receipt.modelId).unwrap()];
            let pool = receipt_pool(settled.receipt.fee, platform_bps, split).unwrap();
            prop_assert_eq!(&payments(&settled.record, pool).unwrap(), paid);
            prop_assert!(paid.iter().map(|p| p.amount).sum::<u128>() <= pool);
        }
    }

    #[test]
    fn claims_only_grow(receipts in receipts(), again in receipts()) {
        let splits = BTreeMap::from([(ModelId(1), SPLIT), (ModelId(2), SPLIT)]);
        let first = compute(&input(&receipts, &splits, &Claims::default())).unwrap();
        let second = compute(&input(&again, &splits, &first.claims)).unwrap();
        for claim in first.claims.as_slice() {
            let later = second.claims.as_slice().iter().find(|later| {
                (later.datanet, later.account) == (claim.datanet, claim.account)
            });
            prop_assert!(later.is_some_and(|later| later.cumulative >= claim.cumulative));
        }
    }
}
