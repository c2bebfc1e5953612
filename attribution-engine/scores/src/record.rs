//! The attribution record of one answer: which tokens were found where, and what each cluster is worth.
//! Its canonical bytes are the ABI encoding of [`AttributionRecord::to_abi`]; their keccak256 is the
//! `attributionHash` that the epoch's receipts root covers.

use std::ops::Range;

use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::{SolValue, sol};
use serde::{Deserialize, Serialize};

use crate::{
    error::Result,
    ids::{ContributionId, DatanetId},
};

/// A weight of one: the whole contributors' pool of an answer.
pub const WEIGHT_ONE: u32 = 1_000_000_000;
/// Version of the record's encoding and meaning. Spans of version 1 named contributions, so that nothing could be shown about
/// documents of a batch; 2 is the influence track's; those of 3 left out what earns nothing, so that nothing could be shown about
/// tokens in no span.
pub const RECORD_VERSION: u16 = 4;
/// What a span names whose tokens are the prompt's.
pub const PROMPT: ContributionId = ContributionId(0);

/// Why an answer pays whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributionRecord {
    pub version: u16,
    pub receipt_hash: B256,
    pub engine_spec_hash: B256,
    /// Tokens of the answer.
    pub answer_tokens: u32,
    /// Answer tokens that repeat the customer's own prompt and therefore earn nothing.
    pub prompt_tokens: u32,
    /// Surprise of the whole answer, Q16 bits: the fixed denominator of all weights.
    pub total_surprise_q16: u64,
    /// Surprise a span must exceed, Q16 bits.
    pub floor_q16: u64,
    /// Whose the answer's tokens are, by position; what is in none of them is nobody's.
    pub spans: Vec<CreditedSpan>,
    /// Clusters in ascending order; weights sum to at most [`WEIGHT_ONE`].
    pub weights: Vec<ClusterWeight>,
    /// What is attributed to nobody: [`WEIGHT_ONE`] less all weights.
    pub residual: u32,
}

/// Answer tokens that belong to a contribution and stand verbatim in it, or in the prompt. Only those with credit earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditedSpan {
    /// First answer token.
    pub start: u32,
    /// One past the last answer token.
    pub end: u32,
    /// The earliest-committed document that holds a match of the answer around each of the tokens; of a batch, the document's
    /// id; or [`PROMPT`].
    pub contribution: ContributionId,
    /// The cluster the credit goes to, by its founding document; or [`PROMPT`].
    pub cluster: ContributionId,
    /// Where the span starts in the document, tokens; zero for the prompt.
    pub offset: u32,
    /// Surprise of the span's tokens, Q16 bits.
    pub surprise_q16: u64,
    /// Surprise less floor, Q16 bits; zero if that is less, and for the prompt.
    pub credit_q16: u64,
}

/// What one cluster gets, or those together that documents of one batch founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterWeight {
    /// The founder's contribution.
    pub cluster: ContributionId,
    pub datanet: DatanetId,
    /// The founder's contributor.
    pub payee: Address,
    /// Sum of the cluster's span credits, Q16 bits.
    pub credit_q16: u64,
    /// Share of the answer's contributors' pool, of [`WEIGHT_ONE`], after the cap.
    pub weight: u32,
}

sol! {
    struct AbiSpan {
        uint32 start;
        uint32 end;
        uint256 documentId;
        uint256 clusterId;
        uint32 offset;
        uint64 surpriseQ16;
        uint64 creditQ16;
    }

    struct AbiWeight {
        uint256 clusterId;
        uint256 datanetId;
        address payee;
        uint64 creditQ16;
        uint32 weight;
    }

    struct AbiRecord {
        uint16 version;
        bytes32 receiptHash;
        bytes32 engineSpecHash;
        uint32 answerTokens;
        uint32 promptTokens;
        uint64 totalSurpriseQ16;
        uint64 floorQ16;
        AbiSpan[] spans;
        AbiWeight[] weights;
        uint32 residual;
    }
}

impl AttributionRecord {
    /// The Solidity shape.
    pub fn to_abi(&self) -> AbiRecord {
        AbiRecord {
            version: self.version,
            receiptHash: self.receipt_hash,
            engineSpecHash: self.engine_spec_hash,
            answerTokens: self.answer_tokens,
            promptTokens: self.prompt_tokens,
            totalSurpriseQ16: self.total_surprise_q16,
            floorQ16: self.floor_q16,
            spans: self
                .spans
                .iter()
                .map(|span| AbiSpan {
                    start: span.start,
                    end: span.end,
                    documentId: span.contribution.to_u256(),
                    clusterId: span.cluster.to_u256(),
                    offset: span.offset,
                    surpriseQ16: span.surprise_q16,
                    creditQ16: span.credit_q16,
                })
                .collect(),
            weights: self
                .weights
                .iter()
                .map(|weight| AbiWeight {
                    clusterId: weight.cluster.to_u256(),
                    datanetId: weight.datanet.to_u256(),
                    payee: weight.payee,
                    creditQ16: weight.credit_q16,
                    weight: weight.weight,
                })
                .collect(),
            residual: self.residual,
        }
    }

    /// The record of a Solidity shape; an error where one of its numbers is larger than any that counts something.
    pub fn from_abi(abi: &AbiRecord) -> Result<Self> {
        let span = |span: &AbiSpan| {
            Ok(CreditedSpan {
                start: span.start,
                end: span.end,
                contribution: ContributionId::try_from(span.documentId)?,
                cluster: ContributionId::try_from(span.clusterId)?,
                offset: span.offset,
                surprise_q16: span.surpriseQ16,
                credit_q16: span.creditQ16,
            })
        };
        let weight = |weight: &AbiWeight| {
            Ok(ClusterWeight {
                cluster: ContributionId::try_from(weight.clusterId)?,
                datanet: DatanetId::try_from(weight.datanetId)?,
                payee: weight.payee,
                credit_q16: weight.creditQ16,
                weight: weight.weight,
            })
        };
        Ok(Self {
            version: abi.version,
            receipt_hash: abi.receiptHash,
            engine_spec_hash: abi.engineSpecHash,
            answer_tokens: abi.answerTokens,
            prompt_tokens: abi.promptTokens,
            total_surprise_q16: abi.totalSurpriseQ16,
            floor_q16: abi.floorQ16,
            spans: abi.spans.iter().map(span).collect::<Result<_>>()?,
            weights: abi.weights.iter().map(weight).collect::<Result<_>>()?,
            residual: abi.residual,
        })
    }

    /// The canonical bytes: `abi.encode(record)`.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        self.to_abi().abi_encode()
    }

    /// `attributionHash`.
    pub fn hash(&self) -> B256 {
        keccak256(self.canonical_bytes())
    }

    /// The spans that earn.
    pub fn credited(&self) -> impl Iterator<Item = &CreditedSpan> {
        self.spans.iter().filter(|span| span.credit_q16 > 0)
    }

    /// Whether the record's own arithmetic holds, as `RecordFacts.isConsistent` decides it: spans in order, credits beyond
    /// the floor, each contribution's weight what its clusters' spans make it, and the rest the residual.
    pub fn is_consistent(&self, cluster_weight_max: u32) -> bool {
        let mut end = 0;
        let mut prompt_tokens = 0_u32;
        for span in &self.spans {
            let placed =
                span.start >= end && span.end > span.start && span.end <= self.answer_tokens;
            let earned = match span.contribution {
                PROMPT => 0,
                _ => span.surprise_q16.saturating_sub(self.floor_q16),
            };
            let named = span.contribution != PROMPT || span.cluster == PROMPT;
            if !placed || !named || span.credit_q16 != earned {
                return false;
            }
            if span.contribution == PROMPT {
                let tokens = span.end.saturating_sub(span.start);
                prompt_tokens = prompt_tokens.saturating_add(tokens);
            }
            end = span.end;
        }
        let mut sum = u64::from(self.residual);
        let mut counted = 0_usize;
        let mut previous = ContributionId(0);
        for weight in &self.weights {
            if weight.cluster <= previous {
                return false;
            }
            previous = weight.cluster;
            let mut credit = 0_u128;
            for span in self.credited().filter(|span| span.cluster.parts().0 == weight.cluster) {
                credit = credit.saturating_add(span.credit_q16.into());
                counted = counted.saturating_add(1);
            }
            let share = credit
                .saturating_mul(WEIGHT_ONE.into())
                .checked_div(self.total_surprise_q16.into())
                .map(|share| share.min(cluster_weight_max.into()));
            if u128::from(weight.credit_q16) != credit || share != Some(weight.weight.into()) {
                return false;
            }
            sum = sum.saturating_add(weight.weight.into());
        }
        self.version == RECORD_VERSION
            && prompt_tokens == self.prompt_tokens
            && counted == self.credited().count()
            && sum == u64::from(WEIGHT_ONE)
    }

    /// Whether the record contradicts that `holder` has answer tokens `run`, as `RecordFacts.isOmitted` decides it. They hold
    /// those of the span: one of them belongs to nobody or to a later document though the span has credit, so that they are
    /// a match; or the span is the holder's and ends where it goes on, though the next token is said to be the holder's, too.
    pub fn omits(
        &self,
        span: usize,
        run: &Range<u32>,
        holder: ContributionId,
        tokens_min: u32,
    ) -> bool {
        let Some(own) = self.spans.get(span) else { return false };
        if run.start > own.start || run.end < own.end || run.end > self.answer_tokens {
            return false;
        }
        let next = self.spans.get(span.saturating_add(1));
        if run.end > own.end
            && own.contribution == holder
            && next.is_some_and(|next| next.start == own.end && next.contribution == holder)
        {
            return true;
        }
        own.credit_q16 > 0
            && run.end.saturating_sub(run.start) >= tokens_min
            && self.keeps_from(run, holder)
    }

    /// Whether one of some answer tokens belongs to nobody or to a later document than `holder`, though they are a match
    /// that it has, as `RecordExhibits` decides it.
    pub fn keeps_from(&self, run: &Range<u32>, holder: ContributionId) -> bool {
        let mut from = run.start;
        for owned in &self.spans {
            if from >= run.end {
                break;
            }
            if owned.end <= from {
                continue;
            }
            let later = owned.contribution != PROMPT && owned.contribution.order() > holder.order();
            if owned.start > from || later {
                return true;
            }
            from = owned.end;
        }
        from < run.end
    }

    /// Sum of all weights.
    pub fn weight_sum(&self) -> u64 {
        self.weights.iter().fold(0_u64, |sum, w| sum.saturating_add(u64::from(w.weight)))
    }
}
