//! What is wrong with one record of a pending epoch, among what `RecordFacts` decides, and the exhibits that show it:
//! the receipt's path, tokens by the tokenizer's tree, texts that hash to what was committed, members of a version by
//! their paths. Everything is looked for here: a node that were asked would know what is about to be shown.
//!
//! Facts about influence scores are not looked for; the engine writes no such records.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use models::Tokenizer;
use scores::{
    ContributionId, ModelId, ScoresError,
    document::Document,
    epoch::SettledReceipt,
    exchange::CanonicalResponse,
    merkle,
    record::{AttributionRecord, CreditedSpan, WEIGHT_ONE},
    sketch::Sketch,
};

use crate::{
    chain::{
        Chain, ChainError, Contribution, DatanetRef,
        bindings::facts::{
            IRecordTypes::{Member, Opened, Record, Response, Token},
            RecordFacts::{
                factClusterCall, factEarlierCall, factPayeeCall, factSpanCall, factSumsCall,
            },
        },
    },
    challenge::{ChallengeError, Result},
    evidence::{EvidenceBundle, EvidenceSource, StoredReceipt},
    records::Limits,
};

/// A fact about a record, ready to be committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// As the chain's event names it.
    pub rule: &'static str,
    /// Number of the receipt.
    pub receipt: u64,
    /// The encoded call that shows it.
    pub call: Bytes,
}

/// Looks through the records of an epoch, given what its receipts root opens to.
pub(crate) async fn find(
    chain: &Chain,
    epoch: u64,
    bundle: &EvidenceBundle,
    source: &dyn EvidenceSource,
    tokenizer: &Tokenizer,
    limits: &Limits,
) -> Result<Option<RecordFault>> {
    // Under another spec the contract can tell nothing.
    if bundle.post.engineSpecHash != limits.engine_spec_hash {
        return Ok(None);
    }
    let settled: Vec<SettledReceipt> = bundle
        .receipts
        .iter()
        .map(|s| SettledReceipt { receipt: s.receipt.clone(), record: s.record.clone() })
        .collect();
    let leaves: Vec<B256> =
        settled.iter().map(|receipt| merkle::leaf_hash(receipt.leaf().as_slice())).collect();
    let mut search = Search {
        chain,
        source,
        tokenizer,
        limits,
        vocabulary: Vec::new(),
        contributions: BTreeMap::new(),
        members: BTreeMap::new(),
        documents: BTreeMap::new(),
        sketches: BTreeMap::new(),
    };
    for (index, stored) in bundle.receipts.iter().enumerate() {
        let opened = Opened {
            epochId: epoch,
            receipt: reshape(&stored.receipt)?,
            proof: merkle::proof(&leaves, index)?,
        };
        let record: Record = reshape(&stored.record.to_abi())?;
        if let Some((rule, call)) = search.examine(stored, opened, record).await? {
            return Ok(Some(RecordFault { rule, receipt: stored.receipt.number, call }));
        }
    }
    Ok(None)
}

/// What was read so far.
struct Search<'a> {
    chain: &'a Chain,
    source: &'a dyn EvidenceSource,
    tokenizer: &'a Tokenizer,
    limits: &'a Limits,
    /// Leaves of the tokenizer's tree, once they are needed.
    vocabulary: Vec<B256>,
    /// `None` for ids that nobody revealed.
    contributions: BTreeMap<ContributionId, Option<Contribution>>,
    /// Accepted contributions of a Datanet's version, in order.
    members: BTreeMap<DatanetRef, Vec<Contribution>>,
    documents: BTreeMap<B256, Document>,
    /// By content hash.
    sketches: BTreeMap<B256, Sketch>,
}

type Found = Option<(&'static str, Bytes)>;

impl Search<'_> {
    async fn examine(
        &mut self,
        stored: &StoredReceipt,
        opened: Opened,
        record: Record,
    ) -> Result<Found> {
        let own = &stored.record;
        let named = own.receipt_hash == stored.receipt.receipt_hash()
            && own.engine_spec_hash == self.limits.engine_spec_hash;
        if !named || !is_consistent(own, self.limits.cluster_weight_max) {
            return Ok(Some(("sums", factSumsCall { opened, record }.abi_encode().into())));
        }
        for (index, weight) in own.weights.iter().enumerate() {
            let founder = self.contribution(weight.cluster).await?;
            let right = founder
                .is_some_and(|f| f.contributor == weight.payee && f.datanet == weight.datanet);
            if !right {
                let call = factPayeeCall { opened, record, weight: U256::from(index) };
                return Ok(Some(("payee", call.abi_encode().into())));
            }
        }
        for (index, span) in own.spans.iter().enumerate() {
            let place = U256::from(index);
            if let Some(call) = self.foreign_span(stored, span, place, &opened, &record).await? {
                return Ok(Some(("span", call)));
            }
            let earlier = self.earlier(stored, span, place, &opened, &record).await?;
            if earlier.is_some() {
                return Ok(earlier);
            }
        }
        Ok(None)
    }

    /// A span whose bytes are not in the text that it is said to come from.
    async fn foreign_span(
        &mut self,
        stored: &StoredReceipt,
        span: &CreditedSpan,
        place: U256,
        opened: &Opened,
        record: &Record,
    ) -> Result<Option<Bytes>> {
        let (mut tokens, mut text) = (Vec::new(), Bytes::new());
        if let Some(piece) = self.spell(&stored.response, span) {
            let Some(contribution) = self.contribution(span.contribution).await? else {
                return Ok(None);
            };
            // What a span of a batch stands in, the chain cannot be shown.
            if contribution.is_batch() {
                return Ok(None);
            }
            let document = self.document(&contribution).await?;
            if contains(document.text().as_bytes(), &piece) {
                return Ok(None);
            }
            text = Bytes::from(document.text().as_bytes().to_vec());
            tokens = self.tokens(&stored.response, span, false)?;
        }
        let call = factSpanCall {
            opened: opened.clone(),
            record: record.clone(),
            span: place,
            response: response(&stored.response)?,
            tokens,
            text,
        };
        Ok(Some(call.abi_encode().into()))
    }

    /// An earlier contribution that the span's is a near-copy of, in another cluster, or that holds all of the span.
    async fn earlier(
        &mut self,
        stored: &StoredReceipt,
        span: &CreditedSpan,
        place: U256,
        opened: &Opened,
        record: &Record,
    ) -> Result<Found> {
        let Some(own) = self.contribution(span.contribution).await? else { return Ok(None) };
        let own_sketch = match own.is_batch() {
            true => None,
            false => Some(self.sketch(&own).await?),
        };
        let piece = self.spell(&stored.response, span).unwrap_or_default();
        let model = self.chain.model(ModelId::try_from(stored.receipt.modelId)?).await?;
        for reference in model.datanets {
            for (index, other) in self.members(reference).await?.into_iter().enumerate() {
                if other.sequence >= own.sequence || other.is_batch() {
                    continue;
                }
                let document = self.document(&other).await?;
                let sketch = self.sketch(&other).await?;
                if span.cluster > other.id
                    && let Some(own_sketch) = &own_sketch
                    && own_sketch.matches(&sketch) >= self.limits.sketch_matches_min
                {
                    let call = factClusterCall {
                        opened: opened.clone(),
                        record: record.clone(),
                        span: place,
                        spanSketch: own_sketch.to_bytes().into(),
                        earlier: self.member(reference, index).await?,
                        earlierSketch: sketch.to_bytes().into(),
                    };
                    return Ok(Some(("cluster", call.abi_encode().into())));
                }
                let Some(at) = self.held_at(stored, span, &piece, &other, document.text()) else {
                    continue;
                };
                let call = factEarlierCall {
                    opened: opened.clone(),
                    record: record.clone(),
                    span: place,
                    response: response(&stored.response)?,
                    tokens: self.tokens(&stored.response, span, true)?,
                    earlier: self.member(reference, index).await?,
                    text: Bytes::from(document.text().as_bytes().to_vec()),
                    place: U256::from(at),
                };
                return Ok(Some(("earlier", call.abi_encode().into())));
            }
        }
        Ok(None)
    }

    /// Where an earlier contribution holds the span as whole words, which the chain takes for the same tokens.
    fn held_at(
        &self,
        stored: &StoredReceipt,
        span: &CreditedSpan,
        piece: &[u8],
        other: &Contribution,
        text: &str,
    ) -> Option<usize> {
        let long = span.end.saturating_sub(span.start) >= self.limits.match_tokens_min;
        let next = stored.response.tokens.get(span.end as usize);
        let bordered = next.is_none_or(|next| {
            self.tokenizer.bytes(*next).first().is_some_and(|first| is_space(*first))
        });
        if other.id >= span.contribution || !long || !bordered || !is_words(piece) {
            return None;
        }
        let text = text.as_bytes();
        let ends = |at: &usize| text.get(at + piece.len()).is_none_or(|next| is_space(*next));
        let places = text.windows(piece.len()).enumerate();
        places.filter(|(_, window)| *window == piece).map(|(at, _)| at).find(ends)
    }

    /// The bytes of a span; `None` if it goes beyond the answer.
    fn spell(&self, response: &CanonicalResponse, span: &CreditedSpan) -> Option<Vec<u8>> {
        let tokens = response.tokens.get(span.start as usize..span.end as usize)?;
        Some(tokens.iter().flat_map(|token| self.tokenizer.bytes(*token).to_vec()).collect())
    }

    /// A span's tokens with their paths, with the one after it where there is one and it is asked for.
    fn tokens(
        &mut self,
        response: &CanonicalResponse,
        span: &CreditedSpan,
        with_next: bool,
    ) -> Result<Vec<Token>> {
        if self.vocabulary.is_empty() {
            let size = u16::try_from(self.tokenizer.vocabulary_size().saturating_sub(1));
            let last = size.map_err(|_| ScoresError::Overflow { what: "token ids" })?;
            let leaf = |token| merkle::leaf_hash(keccak256(self.tokenizer.bytes(token)).as_slice());
            self.vocabulary = (0..=last).map(leaf).collect();
        }
        let end = span.end as usize + usize::from(with_next);
        let end = end.min(response.tokens.len());
        let tokens = response.tokens.get(span.start as usize..end).unwrap_or_default();
        let token = |token: &u16| {
            Ok(Token {
                text: Bytes::from(self.tokenizer.bytes(*token).to_vec()),
                proof: merkle::proof(&self.vocabulary, usize::from(*token))?,
            })
        };
        tokens.iter().map(token).collect()
    }

    async fn contribution(&mut self, id: ContributionId) -> Result<Option<Contribution>> {
        if let Some(known) = self.contributions.get(&id) {
            return Ok(known.clone());
        }
        let found = match self.chain.contribution(id).await {
            Ok(found) => Some(found),
            Err(ChainError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.contributions.insert(id, found.clone());
        Ok(found)
    }

    async fn members(&mut self, reference: DatanetRef) -> Result<Vec<Contribution>> {
        if let Some(known) = self.members.get(&reference) {
            return Ok(known.clone());
        }
        let members = self.chain.accepted_in(reference).await?;
        self.members.insert(reference, members.clone());
        Ok(members)
    }

    async fn member(&mut self, reference: DatanetRef, index: usize) -> Result<Member> {
        let members = self.members(reference).await?;
        let leaves: Vec<B256> =
            members.iter().map(|c| merkle::leaf_hash(c.leaf().as_slice())).collect();
        let id = members.get(index).map_or(U256::ZERO, |member| member.id.to_u256());
        let proof = merkle::proof(&leaves, index)?;
        Ok(Member { contributionId: id, index: U256::from(index), proof })
    }

    async fn sketch(&mut self, contribution: &Contribution) -> Result<Sketch> {
        let hash = contribution.commitment.content_hash;
        if let Some(known) = self.sketches.get(&hash) {
            return Ok(known.clone());
        }
        let sketch = Sketch::of(self.document(contribution).await?.text());
        self.sketches.insert(hash, sketch.clone());
        Ok(sketch)
    }

    async fn document(&mut self, contribution: &Contribution) -> Result<Document> {
        let hash = contribution.commitment.content_hash;
        if let Some(known) = self.documents.get(&hash) {
            return Ok(known.clone());
        }
        let document = self.source.document(hash).await?;
        self.documents.insert(hash, document.clone());
        Ok(document)
    }
}

/// `RecordFacts.isConsistent`.
fn is_consistent(record: &AttributionRecord, cluster_weight_max: u32) -> bool {
    let mut end = 0;
    for span in &record.spans {
        let placed = span.start >= end && span.end > span.start && span.end <= record.answer_tokens;
        let credited = span.surprise_q16 > record.floor_q16
            && span.credit_q16 == span.surprise_q16.saturating_sub(record.floor_q16);
        if !placed || !credited {
            return false;
        }
        end = span.end;
    }
    let (mut sum, mut counted, mut previous) = (u64::from(record.residual), 0, ContributionId(0));
    for weight in &record.weights {
        if weight.cluster <= previous || record.total_surprise_q16 == 0 {
            return false;
        }
        previous = weight.cluster;
        let spans = record.spans.iter().filter(|span| span.cluster == weight.cluster);
        counted += spans.clone().count();
        let credit: u128 = spans.map(|span| u128::from(span.credit_q16)).sum();
        let share = credit * u128::from(WEIGHT_ONE) / u128::from(record.total_surprise_q16);
        let share = share.min(u128::from(cluster_weight_max));
        if u128::from(weight.credit_q16) != credit || u128::from(weight.weight) != share {
            return false;
        }
        sum += u64::from(weight.weight);
    }
    record.version == 1 && counted == record.spans.len() && sum == u64::from(WEIGHT_ONE)
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    piece.is_empty() || text.windows(piece.len()).any(|window| window == piece)
}

fn is_words(piece: &[u8]) -> bool {
    match piece {
        [b' ', first, .., last] => first.is_ascii_alphabetic() && last.is_ascii_alphabetic(),
        [b' ', only] => only.is_ascii_alphabetic(),
        _ => false,
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t')
}

fn response(response: &CanonicalResponse) -> Result<Response> {
    reshape(response)
}

/// The same ABI type under another binding's name.
pub(crate) fn reshape<
    A: SolValue,
    B: SolValue + From<<B::SolType as alloy_sol_types::SolType>::RustType>,
>(
    value: &A,
) -> Result<B> {
    B::abi_decode(&value.abi_encode()).map_err(ChallengeError::Encoding)
}
