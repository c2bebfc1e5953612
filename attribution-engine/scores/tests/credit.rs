//! What the credit rule promises, against a corpus that is searched by reading it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use attribution_scores::{
    ContributionId, DatanetId, ScoresError, Sequence,
    cluster::{ClusterMap, Member},
    credit::{CreditInput, DocumentTokens, Gram, HeldGram, Holder, grams, longest_in, record},
    record::{AttributionRecord, CreditedSpan, PROMPT, WEIGHT_ONE},
    spec::CreditParams,
    surprise::ONE_BIT_Q16,
};
use proptest::prelude::*;

/// A document with its place in the commitment order, its cluster (by the founder's id) and who made it.
#[derive(Clone, Debug)]
struct Doc {
    id: u64,
    sequence: u64,
    cluster: u64,
    payee: u8,
    tokens: Vec<u16>,
}

fn doc(id: u64, payee: u8, tokens: &[u16]) -> Doc {
    Doc { id, sequence: id, cluster: id, payee, tokens: tokens.to_vec() }
}

struct Corpus(BTreeMap<ContributionId, Vec<u16>>);

impl DocumentTokens for Corpus {
    fn tokens(&self, contribution: ContributionId) -> Option<&[u16]> {
        self.0.get(&contribution).map(Vec::as_slice)
    }
}

const PARAMS: CreditParams =
    CreditParams { floor_margin_q16: 0, match_tokens_min: 2, cluster_weight_max: WEIGHT_ONE / 4 };
const UNCAPPED: CreditParams = CreditParams { cluster_weight_max: WEIGHT_ONE, ..PARAMS };
/// Every token surprises by ten bits; a match must reach thirty.
const TOKEN: u64 = 10 * ONE_BIT_Q16;
const FLOOR: u64 = 30 * ONE_BIT_Q16;

fn attribute(
    docs: &[Doc],
    prompt: &[u16],
    answer: &[u16],
    params: CreditParams,
) -> AttributionRecord {
    attribute_with(docs, prompt, answer, &vec![TOKEN; answer.len()], params)
}

/// The same where tokens differ in how much they surprise.
fn attribute_with(
    docs: &[Doc],
    prompt: &[u16],
    answer: &[u16],
    surprises: &[u64],
    params: CreditParams,
) -> AttributionRecord {
    let clusters = ClusterMap::from_members(docs.iter().map(|doc| Member {
        contribution: ContributionId(doc.id),
        sequence: Sequence(doc.sequence),
        datanet: DatanetId(1),
        contributor: Address::repeat_byte(doc.payee),
        cluster: ContributionId(doc.cluster),
    }));
    let in_prompt = longest_in(answer, [prompt]);
    let in_docs = longest_in(answer, docs.iter().map(|doc| doc.tokens.as_slice()));
    let longest: Vec<u32> = in_prompt.iter().zip(&in_docs).map(|(a, b)| *a.max(b)).collect();
    let held: Vec<HeldGram> = grams(surprises, &longest, FLOOR, params.match_tokens_min)
        .into_iter()
        .map(|gram| {
            let pattern = &answer[gram.start as usize..][..gram.length as usize];
            let holder = if in_prompt[gram.start as usize] >= gram.length {
                Holder::Prompt
            } else {
                let holders = docs.iter().filter(|doc| {
                    doc.tokens.windows(pattern.len()).any(|window| window == pattern)
                });
                let first = holders.min_by_key(|doc| doc.sequence).expect("somebody holds it");
                Holder::Contribution(ContributionId(first.id))
            };
            HeldGram { gram, holder }
        })
        .collect();
    let input = CreditInput {
        receipt_hash: B256::ZERO,
        engine_spec_hash: B256::ZERO,
        answer,
        prompt: &[prompt.to_vec()],
        surprises,
        floor_q16: FLOOR,
        grams: &held,
        clusters: &clusters,
        params,
    };
    let corpus = docs.iter().map(|doc| (ContributionId(doc.id), doc.tokens.clone())).collect();
    record(&input, &Corpus(corpus)).unwrap()
}

fn weight_of(record: &AttributionRecord, payee: u8) -> u64 {
    let payee = Address::repeat_byte(payee);
    record.weights.iter().filter(|w| w.payee == payee).map(|w| u64::from(w.weight)).sum()
}

/// Passages of different contributors have different tokens.
fn passage(of: u16, length: u16) -> Vec<u16> {
    (0..length).map(|i| of * 1_000 + i).collect()
}

#[test]
fn a_quotation_earns_its_surprise_beyond_the_floor() {
    let answer = [passage(1, 10), passage(9, 10)].concat();
    let record = attribute(&[doc(1, 1, &passage(1, 20))], &[], &answer, UNCAPPED);
    let [span] = record.spans.as_slice() else { panic!("{record:?}") };
    assert_eq!((span.start, span.end, span.offset), (0, 10, 0));
    assert_eq!(span.credit_q16, 10 * TOKEN - FLOOR);
    // 70 of 200 bits.
    assert_eq!(weight_of(&record, 1), 350_000_000);
    assert_eq!(record.residual, 650_000_000);
}

/// Decision 0060's known corner: what a document holds in two places can be credited to it in two parts, each below the
/// floor, and somebody who cuts it in two has more. That is less than one floor, and none of it is anybody else's.
#[test]
fn repeating_oneself_costs_less_than_a_floor_and_gives_nobody_else_more() {
    let run = passage(1, 8);
    let (head, tail) = (run[..4].to_vec(), run[2..].to_vec());
    let other = doc(9, 2, &passage(2, 20));
    let answer = [run, passage(2, 10), passage(9, 10)].concat();
    let both = [head.clone(), passage(5, 5), tail.clone()].concat();
    let whole = attribute(&[doc(1, 1, &both), other.clone()], &[], &answer, UNCAPPED);
    let cut = attribute(&[doc(1, 1, &tail), doc(2, 1, &head), other], &[], &answer, UNCAPPED);
    // 10 and 10 of 280 bits, against 30.
    assert_eq!(weight_of(&whole, 1), 71_428_571);
    assert_eq!(weight_of(&cut, 1), 107_142_857);
    let floor = u64::from(WEIGHT_ONE) * FLOOR / (28 * TOKEN);
    assert!(weight_of(&cut, 1) - weight_of(&whole, 1) < floor);
    // It comes out of what was attributed to nobody.
    assert_eq!(weight_of(&cut, 2), weight_of(&whole, 2));
    assert!(cut.residual < whole.residual);
}

#[test]
fn short_matches_are_chance_and_earn_nothing() {
    let answer = [passage(1, 3), passage(9, 20)].concat();
    assert!(attribute(&[doc(1, 1, &passage(1, 20))], &[], &answer, UNCAPPED).weights.is_empty());
}

#[test]
fn one_cluster_gets_at_most_its_cap() {
    let record = attribute(&[doc(1, 1, &passage(1, 50))], &[], &passage(1, 50), PARAMS);
    assert_eq!(weight_of(&record, 1), u64::from(WEIGHT_ONE / 4));
    assert_eq!(record.residual, WEIGHT_ONE - WEIGHT_ONE / 4);
}

#[test]
fn what_repeats_the_prompt_earns_nothing() {
    let answer = passage(1, 20);
    let docs = [doc(1, 1, &passage(1, 20))];
    let record = attribute(&docs, &answer, &answer, UNCAPPED);
    assert!(record.weights.is_empty());
    assert_eq!(record.prompt_tokens, 20);
    // Half an echo pays for the other half, less the floor.
    let half = attribute(&docs, &answer[..10], &answer, UNCAPPED);
    assert_eq!(half.prompt_tokens, 10);
    let named: Vec<_> = half.spans.iter().map(|s| (s.start, s.contribution, s.cluster)).collect();
    let first = ContributionId(1);
    assert_eq!(named, [(0, PROMPT, PROMPT), (10, first, first)]);
    assert_eq!(half.credited().count(), 1);
}

#[test]
fn a_span_in_two_documents_goes_to_the_earlier_commitment_whole() {
    let mut later = doc(1, 1, &passage(5, 20));
    let mut earlier = doc(2, 2, &[passage(7, 5), passage(5, 20)].concat());
    (later.sequence, earlier.sequence) = (8, 3);
    let record = attribute(&[later, earlier], &[], &passage(5, 20), UNCAPPED);
    assert_eq!(weight_of(&record, 1), 0);
    assert!(weight_of(&record, 2) > 0);
    assert_eq!(record.spans[0].offset, 5);
}

#[test]
fn a_copy_with_a_longer_match_takes_only_what_it_added() {
    let original = doc(1, 1, &passage(1, 20));
    let extended = doc(2, 2, &[passage(1, 20), passage(2, 20)].concat());
    let answer = [passage(1, 20), passage(2, 20)].concat();
    let alone = attribute(std::slice::from_ref(&original), &[], &answer, UNCAPPED);
    let record = attribute(&[original, extended], &[], &answer, UNCAPPED);
    assert_eq!(weight_of(&record, 1), weight_of(&alone, 1));
    assert_eq!(record.spans[0].end, 20);
    assert_eq!(record.spans[1].start, 20);
}

#[test]
fn a_members_find_pays_the_clusters_founder() {
    let original = doc(1, 1, &passage(1, 20));
    let mut reworded = doc(2, 2, &passage(3, 20));
    reworded.cluster = 1;
    let record = attribute(&[original, reworded], &[], &passage(3, 20), UNCAPPED);
    assert_eq!(weight_of(&record, 2), 0);
    assert!(weight_of(&record, 1) > 0);
    assert_eq!(record.spans[0].contribution, ContributionId(2));
    assert_eq!(record.spans[0].cluster, ContributionId(1));
}

/// Spans name documents of a batch, so that each can be opened; the batch is one weight, under one cap.
#[test]
fn documents_of_a_batch_are_named_and_weighed_as_one_contribution() {
    let batch = ContributionId(3);
    let id = |index| batch.document(index).unwrap().0;
    let of_batch = |index: u32, cluster: u32, tokens: &[u16]| Doc {
        id: id(index),
        sequence: 3,
        cluster: id(cluster),
        payee: 3,
        tokens: tokens.to_vec(),
    };
    let (one, two, own) = (passage(1, 10), passage(2, 12), passage(3, 6));
    // The last is a copy that adds words of its own, and a later contribution has them, too.
    let longer = [two.clone(), own.clone()].concat();
    let docs = [
        of_batch(0, 0, &one),
        of_batch(1, 1, &two),
        of_batch(2, 1, &longer),
        doc(4, 4, &[own.clone(), passage(4, 9)].concat()),
    ];
    let answer = [one, vec![9], longer, vec![9], passage(4, 9)].concat();
    let record = attribute(&docs, &[], &answer, UNCAPPED);
    let named: Vec<(u64, u64, u32)> =
        record.spans.iter().map(|s| (s.contribution.0, s.cluster.0, s.offset)).collect();
    assert_eq!(named, [(id(0), id(0), 0), (id(1), id(1), 0), (id(2), id(1), 12), (4, 4, 6)]);
    let weighed: Vec<u64> = record.weights.iter().map(|weight| weight.cluster.0).collect();
    assert_eq!(weighed, [3, 4]);
    let credits = record.spans[..3].iter().map(|span| span.credit_q16).sum::<u64>();
    assert_eq!(record.weights[0].credit_q16, credits);
    assert!(record.is_consistent(WEIGHT_ONE));
    let capped = attribute(&docs, &[], &answer, PARAMS);
    assert_eq!(weight_of(&capped, 3), u64::from(PARAMS.cluster_weight_max));
    assert!(capped.is_consistent(PARAMS.cluster_weight_max) && !capped.is_consistent(WEIGHT_ONE));
}

#[test]
fn a_match_that_is_not_there_is_an_error() {
    let clusters = ClusterMap::from_members([Member {
        contribution: ContributionId(1),
        sequence: Sequence(1),
        datanet: DatanetId(1),
        contributor: Address::ZERO,
        cluster: ContributionId(1),
    }]);
    let attempt = |answer: &[u16], held: &[HeldGram], documents: &Corpus| {
        let surprises = vec![TOKEN; answer.len()];
        let input = CreditInput {
            receipt_hash: B256::ZERO,
            engine_spec_hash: B256::ZERO,
            answer,
            prompt: &[],
            surprises: &surprises,
            floor_q16: FLOOR,
            grams: held,
            clusters: &clusters,
            params: PARAMS,
        };
        record(&input, documents).unwrap_err()
    };
    let held = |start, id| HeldGram {
        gram: Gram { start, length: 2 },
        holder: Holder::Contribution(ContributionId(id)),
    };
    let corpus = Corpus(BTreeMap::from([(ContributionId(1), vec![7, 8])]));
    let empty = Corpus(BTreeMap::new());
    assert_eq!(
        attempt(&[1, 2], &[held(0, 1)], &corpus),
        ScoresError::FalseMatch { start: 0, end: 2, contribution: 1 }
    );
    assert_eq!(attempt(&[1, 2], &[held(0, 2)], &corpus), ScoresError::UnknownContribution(2));
    assert_eq!(attempt(&[1, 2], &[held(0, 1)], &empty), ScoresError::UnknownContribution(1));
    assert_eq!(
        attempt(&[1, 2], &[held(1, 1)], &corpus),
        ScoresError::GramOutOfRange { start: 1, end: 3, tokens: 2 }
    );
}

/// Answers and documents made of a few passages, so that they share much.
fn text() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec((1_u16..5, 0_u16..12, 1_u16..12), 1..6).prop_map(|pieces| {
        let piece = |(of, from, length): (u16, u16, u16)| {
            (from..from + length).map(move |i| of * 1_000 + i)
        };
        pieces.into_iter().flat_map(piece).collect()
    })
}

fn documents() -> impl Strategy<Value = Vec<Doc>> {
    prop::collection::vec(text(), 1..6).prop_map(|texts| {
        texts.iter().zip(1_u64..).map(|(tokens, id)| doc(id, id as u8, tokens)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn weights_and_residual_make_one_and_spans_are_verbatim(
        docs in documents(), prompt in text(), answer in text(), capped in any::<bool>(),
    ) {
        let params = if capped { PARAMS } else { UNCAPPED };
        let record = attribute(&docs, &prompt, &answer, params);
        prop_assert_eq!(record.weight_sum() + u64::from(record.residual), u64::from(WEIGHT_ONE));
        prop_assert!(record.weights.iter().all(|w| w.weight <= params.cluster_weight_max));
        prop_assert!(record.weights.windows(2).all(|pair| pair[0].cluster < pair[1].cluster));
        let mut end = 0;
        for span in &record.spans {
            prop_assert!(span.start >= end && span.end > span.start);
            end = span.end;
            let own = &answer[span.start as usize..span.end as usize];
            if span.contribution == PROMPT {
                prop_assert!(prompt.windows(own.len()).any(|window| window == own));
                continue;
            }
            let tokens = &docs[span.contribution.0 as usize - 1].tokens;
            prop_assert_eq!(&tokens[span.offset as usize..][..own.len()], own);
        }
        let credits: u64 = record.spans.iter().map(|span| span.credit_q16).sum();
        prop_assert!(credits <= record.total_surprise_q16);
        prop_assert!(record.is_consistent(params.cluster_weight_max));
    }

    #[test]
    fn the_order_in_which_documents_are_given_does_not_matter(
        docs in documents(), prompt in text(), answer in text(), rotate in 0_usize..6,
    ) {
        let record = attribute(&docs, &prompt, &answer, PARAMS);
        let mut turned = docs.clone();
        turned.rotate_left(rotate % docs.len());
        prop_assert_eq!(attribute(&turned, &prompt, &answer, PARAMS).hash(), record.hash());
        turned.reverse();
        prop_assert_eq!(attribute(&turned, &prompt, &answer, PARAMS), record);
    }

    /// The promise that copies, excerpts and compilations rest on: what is committed later cannot change
    /// what earlier documents get.
    #[test]
    fn later_documents_take_nothing_from_earlier_ones(
        docs in documents(), late in prop::collection::vec(text(), 1..4), prompt in text(), answer in text(),
    ) {
        let before = attribute(&docs, &prompt, &answer, UNCAPPED);
        let mut with_late = docs.clone();
        for (tokens, id) in late.iter().zip(100_u64..) {
            with_late.push(doc(id, 99, tokens));
        }
        let after = attribute(&with_late, &prompt, &answer, UNCAPPED);
        for doc in &docs {
            prop_assert_eq!(weight_of(&after, doc.payee), weight_of(&before, doc.payee));
        }
    }

    #[test]
    fn copies_gain_nothing(
        docs in documents(), copied in any::<prop::sample::Index>(), times in 1_u64..5,
        prompt in text(), answer in text(),
    ) {
        let original = docs[copied.index(docs.len())].clone();
        let before = attribute(&docs, &prompt, &answer, PARAMS);
        let mut with_copies = docs.clone();
        for copy in 0..times {
            // The copier's cluster does not even have to be recognised.
            with_copies.push(doc(200 + copy, 99, &original.tokens));
        }
        let after = attribute(&with_copies, &prompt, &answer, PARAMS);
        prop_assert_eq!(weight_of(&after, 99), 0);
        prop_assert_eq!(&after.weights, &before.weights);
    }

    /// A document cut in two under two names never earns more together, caps aside: each piece pays the
    /// floor. The document repeats no token: one that holds the same words in two places can have a run
    /// of the answer credited in two parts, each below the floor, and then the cut may undo that loss.
    #[test]
    fn splitting_over_identities_gains_nothing(
        docs in documents(), split in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
        prompt in text(), answer in text(),
    ) {
        let mut docs = docs;
        let split = split.index(docs.len());
        let mut seen = std::collections::BTreeSet::new();
        docs[split].tokens.retain(|token| seen.insert(*token));
        // Nobody else's, so that only the pieces count.
        let payee = 250;
        docs[split].payee = payee;
        let tokens = docs[split].tokens.clone();
        prop_assume!(tokens.len() > 1);
        let at = 1 + at.index(tokens.len() - 1);
        let whole = attribute(&docs, &prompt, &answer, UNCAPPED);
        let mut pieces: Vec<Doc> =
            docs.iter().map(|doc| Doc { sequence: doc.sequence * 2, ..doc.clone() }).collect();
        pieces[split].tokens.truncate(at);
        let second = Doc { sequence: pieces[split].sequence + 1, ..doc(300, payee, &tokens[at..]) };
        pieces.push(second);
        let after = attribute(&pieces, &prompt, &answer, UNCAPPED);
        prop_assert!(weight_of(&after, payee) <= weight_of(&whole, payee));
    }

    /// What `factLonger` shows of a record is true of no honest one: whatever a document holds of the answer, around whichever
    /// span. And it is true of each that was cut short, or in two.
    #[test]
    fn honest_records_omit_nothing_and_shortened_ones_do(
        docs in documents(), prompt in text(), answer in text(),
        surprises in prop::collection::vec(0_u64..25 * ONE_BIT_Q16, 66),
        tokens_min in 1_u32..5, which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let params = CreditParams { match_tokens_min: tokens_min, ..UNCAPPED };
        let surprises = &surprises[..answer.len()];
        let record = attribute_with(&docs, &prompt, &answer, surprises, params);
        let omits = |record: &AttributionRecord, doc: &Doc, span: usize, from: usize, to: usize| {
            let (start, end) = (record.spans[span].start as usize, record.spans[span].end as usize);
            let held = doc.tokens.windows(to - from).any(|window| *window == answer[from..to]);
            let run = from as u32..to as u32;
            let shown = record.omits(span, &run, ContributionId(doc.id), tokens_min);
            held && from <= start && to >= end && shown
        };
        for doc in &docs {
            for span in 0..record.spans.len() {
                for from in 0..answer.len() {
                    for to in from + 1..=answer.len() {
                        prop_assert!(!omits(&record, doc, span, from, to), "{} {span} {from}..{to}", doc.id);
                    }
                }
            }
        }
        let long = |span: &CreditedSpan| span.contribution != PROMPT && span.end - span.start > tokens_min.max(1);
        let spans: Vec<usize> = (0..record.spans.len()).filter(|i| long(&record.spans[*i])).collect();
        prop_assume!(!spans.is_empty());
        let span = spans[which.index(spans.len())];
        let whole = record.spans[span];
        let (start, end) = (whole.start as usize, whole.end as usize);
        let holder = &docs[whole.contribution.0 as usize - 1];
        let middle = start + 1 + cut.index(end - start - 1);
        let mut halves = record.clone();
        halves.spans[span].end = middle as u32;
        halves.spans.insert(span + 1, CreditedSpan { start: middle as u32, ..whole });
        prop_assert!(omits(&halves, holder, span, start, middle + 1));
        if whole.credit_q16 > 0 {
            let mut head = record.clone();
            head.spans[span].end = middle as u32;
            prop_assert!(omits(&head, holder, span, start, end));
            let mut tail = record.clone();
            tail.spans[span].start = middle as u32;
            prop_assert!(omits(&tail, holder, span, start, end));
        }
    }

    /// A token in a match of some document's belongs to the earliest holder of one that it is in, whatever is looked up.
    #[test]
    fn tokens_belong_to_the_earliest_holder_of_a_match_around_them(
        docs in documents(), prompt in text(), answer in text(),
        surprises in prop::collection::vec(0_u64..25 * ONE_BIT_Q16, 66), tokens_min in 1_u32..5,
    ) {
        let params = CreditParams { match_tokens_min: tokens_min, ..UNCAPPED };
        let surprises = &surprises[..answer.len()];
        let record = attribute_with(&docs, &prompt, &answer, surprises, params);
        let mut owners: Vec<Option<u64>> = vec![None; answer.len()];
        for from in 0..answer.len() {
            for to in from + tokens_min as usize..=answer.len() {
                if surprises[from..to].iter().sum::<u64>() < FLOOR {
                    continue;
                }
                let holds = |tokens: &[u16]| tokens.windows(to - from).any(|w| *w == answer[from..to]);
                let texts = std::iter::once((0, prompt.as_slice()));
                let texts = texts.chain(docs.iter().map(|doc| (doc.id, doc.tokens.as_slice())));
                let Some((holder, _)) = texts.into_iter().find(|(_, tokens)| holds(tokens)) else { continue };
                for owner in &mut owners[from..to] {
                    *owner = Some(owner.map_or(holder, |known| known.min(holder)));
                }
            }
        }
        let mut recorded: Vec<Option<u64>> = vec![None; answer.len()];
        for span in &record.spans {
            recorded[span.start as usize..span.end as usize].fill(Some(span.contribution.0));
        }
        prop_assert_eq!(recorded, owners);
    }

    #[test]
    fn grams_are_the_shortest_that_reach_the_floor(
        surprises in prop::collection::vec(0_u64..40, 0..30), tokens_min in 1_u32..5, floor in 1_u64..100,
    ) {
        let unlimited = vec![u32::MAX; surprises.len()];
        let count = surprises.len();
        let is_match = |start: usize, end: usize| {
            end - start >= tokens_min as usize && surprises[start..end].iter().sum::<u64>() >= floor
        };
        let from = (0..count).filter_map(|start| {
            (start + 1..=count).find(|end| is_match(start, *end)).map(|end| (start, end))
        });
        let up_to = (1..=count).filter_map(|end| {
            (0..end).rev().find(|start| is_match(*start, end)).map(|start| (start, end))
        });
        let runs: std::collections::BTreeSet<(usize, usize)> = from.chain(up_to).collect();
        let expected: Vec<Gram> = runs
            .into_iter()
            .map(|(start, end)| Gram { start: start as u32, length: (end - start) as u32 })
            .collect();
        prop_assert_eq!(grams(&surprises, &unlimited, floor, tokens_min), expected);
    }

    #[test]
    fn longest_in_a_text_is_the_longest_common_run(answer in text(), prompt in text()) {
        let expected: Vec<u32> = (0..answer.len())
            .map(|start| {
                (0..prompt.len())
                    .map(|at| prompt[at..].iter().zip(&answer[start..]).take_while(|(a, b)| a == b).count())
                    .max()
                    .unwrap_or(0) as u32
            })
            .collect();
        prop_assert_eq!(longest_in(&answer, [prompt.as_slice()]), expected);
    }
}
