use clap::Parser;
use proptest::prelude::*;

use super::{
    Command, Popularity, SimulateArgs,
    simulation::{Traffic, run},
    traffic,
};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn arguments(words: &str) -> Box<SimulateArgs> {
    let words = ["openledger", "simulate"].into_iter().chain(words.split_whitespace());
    let Command::Simulate(args) = Cli::try_parse_from(words).unwrap().command else {
        panic!("not a simulation");
    };
    args
}

async fn assumed(words: &str) -> Traffic {
    traffic(&arguments(words)).await.unwrap()
}

/// By hand: a fee of 0.0008 OPEN, 5 % platform, of the rest half to contributors, three tenths of that
/// over the documents.
#[tokio::test]
async fn a_day_is_what_the_rules_say() {
    let one = assumed("--calls-per-day 1 --days 1 --documents 3 --mine 3 --matches 3").await;
    let outcome = run(&one, 0).unwrap();
    assert_eq!(outcome.fee_per_call, 800_000_000_000_000);
    assert_eq!(outcome.total.platform, 40_000_000_000_000);
    assert_eq!(outcome.total.stakers, 76_000_000_000_000);
    assert_eq!(outcome.total.model, 304_000_000_000_000);
    assert_eq!(outcome.total.datanet, 114_000_000_000_000);
    assert_eq!(outcome.total.residual, 266_000_000_000_000);
    assert_eq!(outcome.contributor.earned, outcome.total.datanet);
    assert_eq!(outcome.contributor.paying_calls, 1);
}

/// The cap of the engine spec: one document gets a quarter of an answer at most, however much is its.
#[tokio::test]
async fn one_document_gets_a_quarter_at_most() {
    let all = assumed("--calls-per-day 1 --days 1 --attributed 1000 --matches 1 --mine 1000").await;
    let outcome = run(&all, 0).unwrap();
    assert_eq!(outcome.total.datanet, 800_000_000_000_000 * 95 / 100 / 2 / 4);
}

#[tokio::test]
async fn the_cost_of_documents_is_paid_back_or_not() {
    let all = assumed("--calls-per-day 10 --days 3 --documents 3 --mine 3").await;
    let a_day = run(&all, 0).unwrap().days[0].contributor;
    assert_eq!(run(&all, 0).unwrap().contributor.paid_back_on_day, Some(1));
    assert_eq!(run(&all, a_day * 2 / 3).unwrap().contributor.paid_back_on_day, Some(2));
    assert_eq!(run(&all, a_day * 2).unwrap().contributor.paid_back_on_day, None);
}

/// Under Zipf's law the first documents get most, and a contributor in all ranks its part of all.
#[tokio::test]
async fn popularity_moves_money_to_the_first() {
    let words = "--calls-per-day 500 --days 2 --documents 100 --mine 1 --matches 1";
    let even = run(&assumed(words).await, 0).unwrap();
    // The one document lies at the last rank.
    let zipf = run(&assumed(&format!("{words} --popularity zipf")).await, 0).unwrap();
    assert_eq!(even.total.datanet, zipf.total.datanet);
    assert!(zipf.contributor.earned < even.contributor.earned);
}

#[tokio::test]
async fn bounds_of_the_contracts_are_the_simulators() {
    for words in [
        "--model-bps 8000 --stakers-bps 1000",
        "--model-bps 9000 --stakers-bps 2000",
        "--mine 2 --documents 1 --matches 1",
        "--documents 2",
        "--calls-per-day 1000000 --days 2",
        "--price-in much",
    ] {
        assert!(traffic(&arguments(words)).await.is_err(), "{words}");
    }
    for words in ["--platform-bps 1501", "--matches 17", "--attributed 1001", "--l2-rpc http://a"] {
        let words = ["openledger", "simulate"].into_iter().chain(words.split_whitespace());
        assert!(Cli::try_parse_from(words).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// No wei is lost or invented, nobody earns more than is attributed, and the same seed gives the same.
    #[test]
    fn everything_adds_up(
        calls_per_day in 1_u32..40,
        days in 1_u32..4,
        (price_1k_in, price_1k_out) in (0_u128..1_000_000, 0_u128..1_000_000_000_000),
        (platform_bps, model_bps, stakers_bps) in (0_u16..=1_500, 0_u16..=4_000, 0_u16..=4_000),
        royalty_bps in 0_u16..=3_000,
        (documents, mine) in (16_u32..60).prop_flat_map(|all| (Just(all), 0..=all)),
        (attributed_thousandths, matches) in (0_u32..=1_000, 1_u32..=16),
        zipf in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let assumptions = Traffic {
            calls_per_day,
            days,
            tokens_in: 400,
            tokens_out: 200,
            price_1k_in,
            price_1k_out,
            platform_bps,
            split: scores::epoch::Split {
                model_bps,
                contributors_bps: 10_000 - model_bps - stakers_bps,
                stakers_bps,
            },
            royalty_bps,
            documents,
            mine,
            attributed_thousandths,
            matches,
            popularity: if zipf { Popularity::Zipf } else { Popularity::Even },
            seed,
        };
        let outcome = run(&assumptions, 0).unwrap();
        let t = &outcome.total;
        prop_assert_eq!(
            t.platform + t.model + t.royalties + t.stakers + t.datanet + t.residual,
            t.fees
        );
        prop_assert_eq!(t.fees, outcome.fee_per_call * u128::from(calls_per_day * days));
        prop_assert!(t.contributor <= t.datanet);
        if mine == documents {
            prop_assert_eq!(t.contributor, t.datanet);
        }
        if mine == 0 {
            prop_assert_eq!(t.contributor, 0);
        }
        prop_assert_eq!(outcome.days, run(&assumptions, 0).unwrap().days);
    }
}
