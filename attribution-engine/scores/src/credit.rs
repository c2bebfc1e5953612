//! The credit rule: from matches of an answer in a corpus to weights.
//!
//! 1. For each answer position the *gram* is the shortest run of tokens from there whose surprise
//!    reaches the floor (and that has the least length the spec asks for). Shorter runs may be chance.
//! 2. A gram's holder is the earliest-committed document that contains it. If the customer's own
//!    prompt contains it, the prompt is the holder and it earns nothing: nobody is paid for an echo.
//! 3. An answer token belongs to the earliest holder (the prompt, then documents by commitment) among
//!    the grams that cover it; a token under no gram belongs to nobody. So each token is credited once,
//!    and **nothing that is committed later can take a token from what was committed earlier**: copies,
//!    excerpts, jittered copies and compilations cannot gain what the original is due.
//! 4. Tokens in a row of one document are cut, longest first from the left, into spans that stand
//!    verbatim in it. A span's credit is max(0, surprise − floor): a soft threshold, so that cutting a
//!    document into pieces pays the floor more often, never less.
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
    record::{AttributionRecord, ClusterWeight, CreditedSpan, RECORD_VERSION, WEIGHT_ONE},
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
    /// Surprise of each answer token, Q16 bits.
    pub surprises: &'a [u64],
    pub floor_q16: u64,
    pub grams: &'a [HeldGram],
    pub clusters: &'a ClusterMap,
    pub params: CreditParams,
}

/// Step 1: the gram of each position that has one and whose length `longest` (longest match in the corpus
/// per position) allows. Positions ascend.
pub fn grams(surprises: &[u64], longest: &[u32], floor_q16: u64, tokens_min: u32) -> Vec<Gram> {
    let mut grams = Vec::new();
    let mut end = 0_usize;
    let mut sum = 0_u64;
    let mut first = 0_u64;
    for (start, (longest, start_u32)) in longest.iter().zip(0_u32..).enumerate() {
        // The window's sum without its old first token; the window never shrinks from the right.
        sum = sum.saturating_sub(first);
        end = end.max(start);
        while sum < floor_q16 || end.saturating_sub(start) < usize_of(tokens_min) {
            let Some(surprise) = surprises.get(end) else {
                return grams;
            };
            sum = sum.saturating_add(*surprise);
            end = end.saturating_add(1);
        }
        first = surprises.get(start).copied().unwrap_or_default();
        if let Ok(length) = u32::try_from(end.saturating_sub(start))
            && length <= *longest
        {
            grams.push(Gram { start: start_u32, length });
        }
    }
    grams
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

/// Steps 2–5: the record of an answer.
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
                let founder = cut(input, documents, *contribution, start, end, &mut spans)?;
                // What a batch earns, it earns as one contribution.
                founders.insert(founder.contribution.parts().0, founder);
            }
            Some(Owner::Prompt) => prompt_tokens = prompt_tokens.saturating_add(length_u32(run)?),
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

/// Step 4: cuts answer tokens `start..end`, all owned by `contribution`, into verbatim spans and keeps
/// those with credit. Returns the founder of the document's cluster.
fn cut<'a>(
    input: &CreditInput<'a>,
    documents: &impl DocumentTokens,
    contribution: ContributionId,
    start: usize,
    end: usize,
    spans: &mut Vec<CreditedSpan>,
) -> Result<&'a Member> {
    let unknown = || ScoresError::UnknownContribution(contribution.0);
    let document = documents.tokens(contribution).ok_or_else(unknown)?;
    let founder = input.clusters.founder_of(contribution).ok_or_else(unknown)?;
    let mut from = start;
    while from < end {
        let wanted = input.answer.get(from..end).unwrap_or_default();
        let (offset, length) = longest_prefix(document, wanted);
        let to = from.saturating_add(length);
        if length == 0 {
            return Err(ScoresError::FalseMatch {
                start: length_u32(from)?,
                end: length_u32(end)?,
                contribution: contribution.0,
            });
        }
        let surprise_q16 = sum(input.surprises.get(from..to).unwrap_or_default());
        let credit_q16 = surprise_q16.saturating_sub(input.floor_q16);
        if credit_q16 > 0 {
            spans.push(CreditedSpan {
                start: length_u32(from)?,
                end: length_u32(to)?,
                contribution,
                cluster: founder.contribution,
                offset: length_u32(offset)?,
                surprise_q16,
                credit_q16,
            });
        }
        from = to;
    }
    Ok(founder)
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
    for span in spans {
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
