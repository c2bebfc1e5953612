//! The attribution record of one answer: which tokens were found where, and what each cluster is worth.
//! Its canonical bytes are the ABI encoding of [`AttributionRecord::to_abi`]; their keccak256 is the
//! `attributionHash` that the epoch's receipts root covers.

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
/// documents of a batch; 2 is the influence track's.
pub const RECORD_VERSION: u16 = 3;

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
    /// Credited spans by position in the answer.
    pub spans: Vec<CreditedSpan>,
    /// Clusters in ascending order; weights sum to at most [`WEIGHT_ONE`].
    pub weights: Vec<ClusterWeight>,
    /// What is attributed to nobody: [`WEIGHT_ONE`] less all weights.
    pub residual: u32,
}

/// Answer tokens that stand verbatim in a contribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditedSpan {
    /// First answer token.
    pub start: u32,
    /// One past the last answer token.
    pub end: u32,
    /// The earliest-committed document that holds the span; of a batch, the document's id.
    pub contribution: ContributionId,
    /// The cluster the credit goes to, by its founding document.
    pub cluster: ContributionId,
    /// Where the span starts in the document, tokens.
    pub offset: u32,
    /// Surprise of the span's tokens, Q16 bits.
    pub surprise_q16: u64,
    /// Surprise less floor, Q16 bits.
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

    /// Whether the record's own arithmetic holds, as `RecordFacts.isConsistent` decides it: spans in order, credits beyond
    /// the floor, each contribution's weight what its clusters' spans make it, and the rest the residual.
    pub fn is_consistent(&self, cluster_weight_max: u32) -> bool {
        let mut end = 0;
        for span in &self.spans {
            let placed =
                span.start >= end && span.end > span.start && span.end <= self.answer_tokens;
            let credited = span.surprise_q16 > self.floor_q16
                && span.credit_q16 == span.surprise_q16.saturating_sub(self.floor_q16);
            if !placed || !credited {
                return false;
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
            for span in self.spans.iter().filter(|span| span.cluster.parts().0 == weight.cluster) {
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
            && counted == self.spans.len()
            && sum == u64::from(WEIGHT_ONE)
    }

    /// Sum of all weights.
    pub fn weight_sum(&self) -> u64 {
        self.weights.iter().fold(0_u64, |sum, w| sum.saturating_add(u64::from(w.weight)))
    }
}
