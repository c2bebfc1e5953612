//! The credit rule: from matches of an answer in a corpus to weights.
//!
//! 1. A *match* is a run of answer tokens whose surprise reaches the floor (and that has the least length the spec asks for).
//!    Shorter runs may be chance. Its holder is the earliest-committed document that contains it. If the customer's own
//!    prompt contains it, the prompt is the holder and it earns nothing: nobody is paid for an echo.
//! 2. Only *grams* are looked up: for each answer position the shortest match from there, and the shortest up to there. Of
//!    whatever match a token is in, a gram within it covers the token.
//! 3. An answer token belongs to the earliest holder (the prompt, then documents by commitment) among
//!    the matches that cover it; a token in no match belongs to nobody. So each token is credited once,
//!    and **nothing that is committed later can take a token from what was committed earlier**: copies,
//!    excerpts, jittered copies and compilations cannot gain what the original is due.
//! 4. Tokens in a row of one document are cut, longest first from the left, into spans that stand
//!    verbatim in it; the prompt's likewise, by its messages. A span's credit is max(0, surprise − floor): a soft threshold, so
//!    that cutting a document into pieces pays the floor more often, never less. The prompt's is zero. Spans without credit are
//!    in the record, too: what is in none of them is nobody's, and who holds a match around it can show that this is false.
//! 5. A cluster's weight is its credit over the surprise of the *whole* answer, capped; the rest is the
//!    residual. Adding documents changes nobody else's denominator, so noise cannot dilute.
//!
//! In a record a span names its document and its cluster's founding document, so that each can be opened by itself
//! ([`ContributionId::document`]). Weights go by contribution: the clusters that documents of one batch found are one weight
//! and have one cap, as the batch is one contribution.
//!
//! A span held by two clusters goes to the earlier commitment whole. Splitting it would pay whoever
//! repeats another's words inside otherwise own text.

use std::collections::BTreeMap;

use alloy_primitives::B256;

use crate::{
    cluster::{ClusterMap, Member},
    error::{Result, ScoresError},
    ids::{ContributionId, Sequence},
    record::{AttributionRecord, ClusterWeight, CreditedSpan, PROMPT, RECORD_VERSION, WEIGHT_ONE},
    spec::CreditParams,
};

/// A run of answer tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gram {
    pub start: u32,
    pub length: u32,
}

/// Whose words a gram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The customer's own prompt contains it.
    Prompt,
    /// The earliest-committed document that contains it.
    Contribution(ContributionId),
}

/// A gram that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldGram {
    pub gram: Gram,
    pub holder: Holder,
}

/// Token access to the documents that grams name.
pub trait DocumentTokens {
    /// The document's tokens, if the corpus holds it.
    fn tokens(&self, contribution: ContributionId) -> Option<&[u16]>;
}

/// What a record is computed from, beside the documents.
#[derive(Clone, Copy, Debug)]
pub struct CreditInput<'a> {
    pub receipt_hash: B256,
    pub engine_spec_hash: B256,
    /// The answer's token ids.
    pub answer: &'a [u16],
    /// Those of each of the prompt's messages.
    pub prompt: &'a [Vec<u16>],
    /// Surprise of each answer token, Q16 bits.
    pub surprises: &'a [u64],
    pub floor_q16: u64,
    pub grams: &'a [HeldGram],
    pub clusters: &'a ClusterMap,
    pub params: CreditParams,
}

/// Step 2: the shortest match from each position and the shortest up to each, as far as `longest` (the longest run in the corpus
/// or the prompt per position) allows. They ascend by start, then by length.
pub fn grams(surprises: &[u64], longest: &[u32], floor_q16: u64, tokens_min: u32) -> Vec<Gram> {
    let mut sums = vec![0_u64];
    sums.extend(surprises.iter().scan(0_u64, |sum, surprise| {
        *sum = sum.saturating_add(*surprise);
        Some(*sum)
    }));
    let is_match = |start: usize, end: usize| {
        let Some((before, sum)) = sums.get(start).zip(sums.get(end)) else { return false };
        end.checked_sub(start).is_some_and(|length| length >= usize_of(tokens_min))
            && sum.saturating_sub(*before) >= floor_q16
    };
    let count = surprises.len();
    let mut runs = Vec::new();
    let mut end = 0_usize;
    for start in 0..count {
        while end <= count && !is_match(start, end) {
            end = end.saturating_add(1);
        }
        if end > count {
            break;
        }
        runs.push((start, end));
    }
    let mut start = 0_usize;
    for end in 1..=count {
        while is_match(start.saturating_add(1), end) {
            start = start.saturating_add(1);
        }
        if is_match(start, end) {
            runs.push((start, end));
        }
    }
    runs.sort_unstable();
    runs.dedup();
    let gram = |(start, end): (usize, usize)| {
        let length = u32::try_from(end.checked_sub(start)?).ok()?;
        let found = longest.get(start).is_some_and(|longest| length <= *longest);
        Some(Gram { start: u32::try_from(start).ok()?, length }).filter(|_| found)
    };
    runs.into_iter().filter_map(gram).collect()
}

/// For each answer position, the length of the longest match in any of `texts`: what the customer's own
/// messages contain. Quadratic, which is fine for one prompt; corpora have an index.
pub fn longest_in<'a>(answer: &[u16], texts: impl IntoIterator<Item = &'a [u16]>) -> Vec<u32> {
    let mut longest = vec![0_u32; answer.len()];
    for text in texts {
        // Match lengths of the answer position after this one, by text position.
        let mut after = vec![0_u32; text.len().saturating_add(1)];
        for (slot, token) in longest.iter_mut().zip(answer).rev() {
            let mut best = 0_u32;
            // Ascending, so `after[i + 1]` still belongs to the next answer position.
            for (i, other) in text.iter().enumerate() {
                let follows = after.get(i.saturating_add(1)).copied().unwrap_or_default();
                let length = if token == other { follows.saturating_add(1) } else { 0 };
                if let Some(cell) = after.get_mut(i) {
                    *cell = length;
                }
                best = best.max(length);
            }
            *slot = (*slot).max(best);
        }
    }
    longest
}

/// Steps 3–5: the record of an answer.
pub fn record(
    input: &CreditInput<'_>,
    documents: &impl DocumentTokens,
) -> Result<AttributionRecord> {
    let owners = owners(input)?;
    let mut spans = Vec::new();
    let mut founders = BTreeMap::new();
    let mut prompt_tokens = 0_u32;
    let mut start = 0_usize;
    while let Some(owner) = owners.get(start) {
        let run = owners.iter().skip(start).take_while(|other| *other == owner).count();
        let end = start.saturating_add(run);
        match owner {
            Some(Owner::Document(_, contribution)) => {
                let unknown = || ScoresError::UnknownContribution(contribution.0);
                let document = documents.tokens(*contribution).ok_or_else(unknown)?;
                let founder = input.clusters.founder_of(*contribution).ok_or_else(unknown)?;
                let of = (*contribution, founder.contribution);
                cut(input, &[document], of, start, end, &mut spans)?;
                // What a batch earns, it earns as one contribution.
                founders.insert(founder.contribution.parts().0, founder);
            }
            Some(Owner::Prompt) => {
                prompt_tokens = prompt_tokens.saturating_add(length_u32(run)?);
                let messages: Vec<&[u16]> = input.prompt.iter().map(Vec::as_slice).collect();
                cut(input, &messages, (PROMPT, PROMPT), start, end, &mut spans)?;
            }
            None => {}
        }
        start = end;
    }
    let total_surprise_q16 = sum(input.surprises);
    let weights = weights(&spans, &founders, input, total_surprise_q16)?;
    let attributed = weights
        .iter()
        .try_fold(0_u32, |sum, weight| sum.checked_add(weight.weight))
        .ok_or(ScoresError::Overflow { what: "weights" })?;
    let residual = WEIGHT_ONE
        .checked_sub(attributed)
        .ok_or(ScoresError::WeightsAboveOne(u64::from(attributed)))?;
    Ok(AttributionRecord {
        version: RECORD_VERSION,
        receipt_hash: input.receipt_hash,
        engine_spec_hash: input.engine_spec_hash,
        answer_tokens: length_u32(input.answer.len())?,
        prompt_tokens,
        total_surprise_q16,
        floor_q16: input.floor_q16,
        spans,
        weights,
        residual,
    })
}

/// Who a token belongs to; the order is the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Prompt,
    Document(Sequence, ContributionId),
}

/// Step 3: the owner of each answer token.
fn owners(input: &CreditInput<'_>) -> Result<Vec<Option<Owner>>> {
    if input.surprises.len() != input.answer.len() {
        return Err(ScoresError::SurpriseLength {
            tokens: u64::from(length_u32(input.answer.len())?),
            surprises: u64::from(length_u32(input.surprises.len())?),
        });
    }
    let tokens = length_u32(input.answer.len())?;
    let mut owners: Vec<Option<Owner>> = vec![None; input.answer.len()];
    for held in input.grams {
        let owner = match held.holder {
            Holder::Prompt => Owner::Prompt,
            Holder::Contribution(contribution) => {
                let member = input
                    .clusters
                    .member(contribution)
                    .ok_or(ScoresError::UnknownContribution(contribution.0))?;
                Owner::Document(member.sequence, contribution)
            }
        };
        let Gram { start, length } = held.gram;
        let end = start.saturating_add(length);
        let covered = owners
            .get_mut(usize_of(start)..usize_of(end))
            .ok_or(ScoresError::GramOutOfRange { start, end, tokens })?;
        for slot in covered {
            *slot = Some(slot.map_or(owner, |current| current.min(owner)));
        }
    }
    Ok(owners)
}

/// Step 4: cuts answer tokens `start..end`, all owned by one document or the prompt and `of` that and its cluster, into spans
/// that stand verbatim in one of `texts`.
fn cut(
    input: &CreditInput<'_>,
    texts: &[&[u16]],
    (contribution, cluster): (ContributionId, ContributionId),
    start: usize,
    end: usize,
    spans: &mut Vec<CreditedSpan>,
) -> Result<()> {
    let mut from = start;
    while from < end {
        let wanted = input.answer.get(from..end).unwrap_or_default();
        let (offset, length) = texts.iter().fold((0, 0), |best, text| {
            let found = longest_prefix(text, wanted);
            if found.1 > best.1 { found } else { best }
        });
        let to = from.saturating_add(length);
        if length == 0 {
            return Err(ScoresError::FalseMatch {
                start: length_u32(from)?,
                end: length_u32(end)?,
                contribution: contribution.0,
            });
        }
        let surprise_q16 = sum(input.surprises.get(from..to).unwrap_or_default());
        let earned = surprise_q16.saturating_sub(input.floor_q16);
        let is_prompt = contribution == PROMPT;
        spans.push(CreditedSpan {
            start: length_u32(from)?,
            end: length_u32(to)?,
            contribution,
            cluster,
            offset: if is_prompt { 0 } else { length_u32(offset)? },
            surprise_q16,
            credit_q16: if is_prompt { 0 } else { earned },
        });
        from = to;
    }
    Ok(())
}

/// The longest prefix of `wanted` that stands in `document`, and the first place where it does.
fn longest_prefix(document: &[u16], wanted: &[u16]) -> (usize, usize) {
    let mut best = (0, 0);
    let Some(first) = wanted.first() else {
        return best;
    };
    for (offset, token) in document.iter().enumerate() {
        if token != first {
            continue;
        }
        let tail = document.iter().skip(offset);
        let length = tail.zip(wanted).take_while(|(a, b)| a == b).count();
        if length > best.1 {
            best = (offset, length);
            if length == wanted.len() {
                break;
            }
        }
    }
    best
}

/// Step 5: weights by the contributions that founded the clusters.
fn weights(
    spans: &[CreditedSpan],
    founders: &BTreeMap<ContributionId, &Member>,
    input: &CreditInput<'_>,
    total_surprise_q16: u64,
) -> Result<Vec<ClusterWeight>> {
    let mut credits: BTreeMap<ContributionId, u64> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.credit_q16 > 0) {
        let credit = credits.entry(span.cluster.parts().0).or_default();
        *credit = credit.saturating_add(span.credit_q16);
    }
    credits
        .into_iter()
        .map(|(cluster, credit_q16)| {
            let founder =
                founders.get(&cluster).ok_or(ScoresError::UnknownContribution(cluster.0))?;
            let share = u128::from(credit_q16)
                .saturating_mul(u128::from(WEIGHT_ONE))
                .checked_div(u128::from(total_surprise_q16))
                .unwrap_or_default();
            let weight =
                u32::try_from(share).unwrap_or(u32::MAX).min(input.params.cluster_weight_max);
            Ok(ClusterWeight {
                cluster,
                datanet: founder.datanet,
                payee: founder.contributor,
                credit_q16,
                weight,
            })
        })
        .collect()
}

fn sum(values: &[u64]) -> u64 {
    values.iter().fold(0_u64, |sum, value| sum.saturating_add(*value))
}

fn length_u32(length: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| ScoresError::Overflow { what: "answer lengths" })
}

fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
