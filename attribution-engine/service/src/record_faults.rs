//! What is wrong with one record of a pending epoch, among what `RecordFacts` and `SurpriseFacts` decide, and the exhibits that
//! show it: the receipt's path, tokens by the tokenizer's tree, texts that hash to what was committed, members of a version by
//! their paths, documents of batches by theirs, surprises and clusters by the model's roots, for which all of its documents must
//! be to be had. Everything is looked for here: a node that were asked would know what is about to be shown.
//!
//! Facts about influence scores are not looked for; the engine writes no such records.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use models::{TokenId, Tokenizer};
use scores::{
    ContributionId, ModelId, ScoresError,
    document::Document,
    epoch::SettledReceipt,
    exchange::CanonicalResponse,
    merkle,
    record::{CreditedSpan, PROMPT},
    sketch::Sketch,
    spec::EngineSpec,
};

use crate::{
    audit::{AuditError, corpus_over},
    batches,
    chain::{
        Chain, ChainError, Contribution, DatanetRef, Missing, Model,
        bindings::{
            datanets::IDatanetRegistry,
            facts::{
                Batches,
                IRecordTypes::{Excerpt, Member, Opened, Record, Response, Run, Tokens},
                RecordFacts::{
                    factClusterCall, factDocumentCall, factEarlierCall, factFounderCall,
                    factLongerCall, factPayeeCall, factPromptCall, factSpanCall, factSumsCall,
                },
            },
            surprises::{
                IRecordTypes::Surprises,
                SurpriseFacts::{factAnswerCall, factMissedCall, factSurpriseCall},
            },
        },
        lookup,
    },
    challenge::{ChallengeError, Result},
    clusters::{Corpus, TokenCodec, visible_tokens},
    corpus_faults::{
        FalseSurprise, Missed, false_surprise, is_bordered, is_space, is_word, missed, place_of,
        spell,
    },
    evidence::{EvidenceBundle, EvidenceSource, StoredReceipt},
    pinned,
    records::Limits,
};

/// Bytes of a fact about all of an answer that fits a transaction, of at most 128 KiB, with what reveals it.
const CALL_BYTES_MAX: usize = 128 * 1_024 - 1_024;
/// `IDatanetRegistry.Status` of contributions that may have counted.
const ACCEPTED: u8 = 3;
const TOMBSTONED: u8 = 6;

/// A fact about a record, ready to be committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFault {
    /// As the chain's event names it.
    pub rule: &'static str,
    /// Number of the receipt.
    pub receipt: u64,
    /// What is wrong, for people: which span, which document.
    pub about: String,
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
    let settled: Vec<SettledReceipt> = bundle
        .receipts
        .iter()
        .map(|s| SettledReceipt { receipt: s.receipt.clone(), record: s.record.clone() })
        .collect();
    let leaves: Vec<B256> =
        settled.iter().map(|receipt| merkle::leaf_hash(receipt.leaf().as_slice())).collect();
    // Facts hold under one spec. If another is published, the usual one may be it; the models' roots say so.
    let published = EngineSpec::from_canonical_json(&bundle.engine_spec).ok();
    let right = |spec: &EngineSpec| spec.hash().is_ok_and(|hash| hash == limits.engine_spec_hash);
    let spec = published.filter(right).unwrap_or_else(|| EngineSpec {
        tokenizer_hash: TokenCodec::fingerprint(tokenizer),
        ..EngineSpec::default()
    });
    let mut search = Search {
        chain,
        source,
        tokenizer,
        limits,
        spec,
        corpora: BTreeMap::new(),
        vocabulary: Vec::new(),
        models: BTreeMap::new(),
        contributions: BTreeMap::new(),
        stored: BTreeMap::new(),
        batches: BTreeMap::new(),
        members: BTreeMap::new(),
        unsound: None,
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
        if let Some(Found { rule, call, about }) = search.examine(stored, opened, record).await? {
            let receipt = stored.receipt.number;
            let about = format!("receipt {receipt}: {about}");
            return Ok(Some(RecordFault { rule, receipt, about, call }));
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
    spec: EngineSpec,
    /// What models stand over, if all of it is to be had.
    corpora: BTreeMap<Vec<DatanetRef>, Option<Arc<Corpus>>>,
    /// Leaves of the tokenizer's tree, once they are needed.
    vocabulary: Vec<B256>,
    /// Those of receipts.
    models: BTreeMap<ModelId, Model>,
    /// `None` for ids that nobody revealed.
    contributions: BTreeMap<ContributionId, Option<Contribution>>,
    /// The same as the registry has them.
    stored: BTreeMap<ContributionId, Option<IDatanetRegistry::Contribution>>,
    /// The documents of a contribution, each with its path, in order: itself if it is no batch. `None` for lists
    /// that nobody has.
    batches: BTreeMap<ContributionId, Option<Vec<Contribution>>>,
    /// Accepted contributions of a Datanet's version, in order, and which of them can be shown: those that nobody has withdrawn.
    members: BTreeMap<DatanetRef, (Vec<Contribution>, BTreeSet<ContributionId>)>,
    /// Keys of documents that cannot be shown, once they are needed.
    unsound: Option<BTreeSet<B256>>,
    /// `None` for those that nobody has.
    documents: BTreeMap<B256, Option<Document>>,
    /// By content hash.
    sketches: BTreeMap<B256, Sketch>,
}

/// A fact that was found: its rule, the call that shows it, and what it says.
struct Found {
    rule: &'static str,
    call: Bytes,
    about: String,
}

/// A span of a receipt's record.
#[derive(Clone, Copy)]
struct Place<'a> {
    stored: &'a StoredReceipt,
    index: usize,
    span: &'a CreditedSpan,
    opened: &'a Opened,
    record: &'a Record,
}

impl Search<'_> {
    async fn examine(
        &mut self,
        stored: &StoredReceipt,
        opened: Opened,
        record: Record,
    ) -> Result<Option<Found>> {
        let own = &stored.record;
        let named = own.receipt_hash == stored.receipt.receipt_hash()
            && own.engine_spec_hash == self.limits.engine_spec_hash;
        if !named || !own.is_consistent(self.limits.cluster_weight_max) {
            let call = factSumsCall { opened, record }.abi_encode().into();
            let about = "its record contradicts itself".to_owned();
            return Ok(Some(Found { rule: "sums", call, about }));
        }
        for (index, weight) in own.weights.iter().enumerate() {
            let founder = self.contribution(weight.cluster).await?;
            let right = founder
                .is_some_and(|f| f.contributor == weight.payee && f.datanet == weight.datanet);
            if !right {
                let call = factPayeeCall { opened, record, weight: U256::from(index) };
                let call = call.abi_encode().into();
                let about = format!(
                    "{} is paid for contribution {}, which is another's",
                    weight.payee, weight.cluster
                );
                return Ok(Some(Found { rule: "payee", call, about }));
            }
        }
        for (index, span) in own.spans.iter().enumerate() {
            let place = Place { stored, index, span, opened: &opened, record: &record };
            if span.contribution == PROMPT {
                if let Some(found) = self.foreign_prompt(place)? {
                    return Ok(Some(found));
                }
                continue;
            }
            if let Some(found) = self.no_document(place).await? {
                return Ok(Some(found));
            }
            if let Some(found) = self.foreign_span(place).await? {
                return Ok(Some(found));
            }
            if let Some(found) = self.earlier(place).await? {
                return Ok(Some(found));
            }
            if let Some(found) = self.longer(place).await? {
                return Ok(Some(found));
            }
            if let Some(found) = self.founder(place).await? {
                return Ok(Some(found));
            }
        }
        let fits = |found: &Found| {
            let fits = found.call.len() <= CALL_BYTES_MAX;
            if !fits {
                let (receipt, about) = (stored.receipt.number, &found.about);
                tracing::warn!(receipt, about, "too long to be shown");
            }
            fits
        };
        if let Some(found) = self.miscounted(stored, &opened, &record)?.filter(fits) {
            return Ok(Some(found));
        }
        if let Some(found) = self.surprise(stored, &opened, &record).await?.filter(fits) {
            return Ok(Some(found));
        }
        self.missed(stored, &opened, &record).await
    }

    /// A span or a cluster that cannot be a document of the model's, or a founder that is later than the document.
    async fn no_document(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let datanets = self.datanets_of(stored).await?;
        let about = if !self.can_count(span.contribution, &datanets).await? {
            format!(
                "span {index} names {}, which the model does not have",
                named(span.contribution)
            )
        } else if !self.can_count(span.cluster, &datanets).await? {
            format!(
                "span {index} names a cluster of {}, which the model does not have",
                named(span.cluster)
            )
        } else if span.cluster.order() > span.contribution.order() {
            let (own, founder) = (named(span.contribution), named(span.cluster));
            format!("span {index} puts {own} into a cluster of {founder}, which is later")
        } else {
            return Ok(None);
        };
        let (opened, record) = (opened.clone(), record.clone());
        let call = factDocumentCall { opened, record, span: U256::from(index) };
        Ok(Some(Found { rule: "document", call: call.abi_encode().into(), about }))
    }

    /// `RecordFacts._canCount`.
    async fn can_count(&mut self, id: ContributionId, datanets: &[DatanetRef]) -> Result<bool> {
        let (number, place) = id.parts();
        let Some(stored) = self.stored(number).await? else { return Ok(false) };
        if !matches!(stored.status, ACCEPTED | TOMBSTONED) {
            return Ok(false);
        }
        let Some(contribution) = self.contribution(number).await? else { return Ok(false) };
        let there = match place {
            None => !contribution.is_batch(),
            Some(index) => contribution.is_batch() && index < contribution.commitment.chunk_count,
        };
        if !there {
            return Ok(false);
        }
        for reference in datanets.iter().filter(|r| r.datanet == contribution.datanet) {
            let (datanet, version) = (reference.datanet, reference.version);
            let published = self.chain.datanets().version(datanet.to_u256(), version).call().await;
            let missing = Missing::Version(datanet, version);
            let published = published.map_err(lookup("reading a Datanet version", missing))?;
            if stored.committedAt <= published.publishedAt {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A span whose bytes are not in the text that it is said to come from, or shorter than a match and with none around it there.
    async fn foreign_span(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let (mut tokens, mut text) = (Tokens::default(), Bytes::new());
        let mut about = format!("span {index} goes beyond the answer");
        let Some(own) = self.document_of(span.contribution).await? else { return Ok(None) };
        if self.spell(&stored.response, span_range(span)).is_some() {
            let Some(document) = self.document(&own).await? else { return Ok(None) };
            if self.is_held(stored, span, &[document.text()]) {
                return Ok(None);
            }
            about = format!("what span {index} credits is not in {}", described(&own));
            text = Bytes::from(document.text().as_bytes().to_vec());
            tokens = self.tokens(&stored.response, self.shown(stored, span))?;
        }
        let call = factSpanCall {
            opened: opened.clone(),
            record: record.clone(),
            span: U256::from(index),
            own: item(&own),
            response: response(&stored.response)?,
            tokens,
            text,
        };
        Ok(Some(Found { rule: "span", call: call.abi_encode().into(), about }))
    }

    /// A span that is said to repeat the prompt, and does not. Nothing is said where the request is not to be had.
    fn foreign_prompt(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let messages: Vec<&str> =
            stored.request.messages.iter().map(|message| message.content.as_str()).collect();
        let there = self.spell(&stored.response, span_range(span)).is_some();
        if stored.request.hash() != stored.receipt.requestHash
            || (there && self.is_held(stored, span, &messages))
        {
            return Ok(None);
        }
        let tokens = match there {
            true => self.tokens(&stored.response, self.shown(stored, span))?,
            false => Tokens::default(),
        };
        let call = factPromptCall {
            opened: opened.clone(),
            record: record.clone(),
            span: U256::from(index),
            request: reshape(&stored.request)?,
            response: response(&stored.response)?,
            tokens,
        };
        let about = format!("what span {index} takes for the prompt's is not in it");
        Ok(Some(Found { rule: "prompt", call: call.abi_encode().into(), about }))
    }

    /// `RecordFacts._isHeld`.
    fn is_held(&self, stored: &StoredReceipt, span: &CreditedSpan, texts: &[&str]) -> bool {
        let are_in = |range: Range<usize>| {
            let Some(piece) = self.spell(&stored.response, range) else { return false };
            texts.iter().any(|text| contains(text.as_bytes(), &piece))
        };
        let own = span_range(span);
        if !are_in(own.clone()) {
            return false;
        }
        let (least, shown) = (self.limits.match_tokens_min as usize, self.shown(stored, span));
        own.len() >= least
            || (shown.start..=own.start)
                .map(|first| first..first.saturating_add(least))
                .any(|around| around.end <= shown.end && are_in(around))
    }

    /// The tokens that a span is shown with: its own, or of one shorter than a match those of all the shortest matches that its
    /// first can be in.
    fn shown(&self, stored: &StoredReceipt, span: &CreditedSpan) -> Range<usize> {
        let (own, least) = (span_range(span), self.limits.match_tokens_min as usize);
        if own.len() >= least {
            return own;
        }
        let end = stored.response.tokens.len().min(stored.record.answer_tokens as usize);
        let first = own.start.saturating_add(1).saturating_sub(least);
        first..own.start.saturating_add(least).min(end)
    }

    /// A document that holds a span and more of the answer beside it, which the record does not give it or an earlier one.
    async fn longer(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let Some(widest) = self.words_around(stored, span) else { return Ok(None) };
        let least = self.limits.match_tokens_min;
        let own = &stored.record;
        for reference in self.datanets_of(stored).await? {
            for (number, other) in self.documents_of(reference).await? {
                let holder = other.document_id()?;
                if !own.omits(index, &widest, holder, least) {
                    continue;
                }
                let Some(document) = self.document(&other).await? else { continue };
                let found = self
                    .runs(stored, span, &widest, document.text().as_bytes())
                    .into_iter()
                    .find(|(run, _)| own.omits(index, run, holder, least));
                let Some((run, bytes)) = found else { continue };
                let (from, to) = (run.start, run.end);
                let end = (to as usize).saturating_add(1).min(stored.response.tokens.len());
                let (excerpt, at) = excerpt(&document, bytes)?;
                let run = Run {
                    from,
                    to,
                    holder: self.member(reference, number, &other).await?,
                    excerpt,
                    place: U256::from(at),
                };
                let call = factLongerCall {
                    opened: opened.clone(),
                    record: record.clone(),
                    span: U256::from(index),
                    response: response(&stored.response)?,
                    tokens: self.tokens(&stored.response, from as usize..end)?,
                    run,
                };
                let about = format!(
                    "beside span {index}, {} goes on: it holds tokens {from} to {to} of the answer, which are not all credited \
                     to it or to what is earlier",
                    described(&other)
                );
                let call = call.abi_encode().into();
                return Ok(Some(Found { rule: "longer", call, about }));
            }
        }
        Ok(None)
    }

    /// A span with the tokens beside it that are a word each; `None` if there are none.
    fn words_around(&self, stored: &StoredReceipt, span: &CreditedSpan) -> Option<Range<u32>> {
        let tokens = &stored.response.tokens;
        let is_word = |token: &u16| is_word(self.tokenizer.bytes(*token));
        let own = span_range(span);
        let end = tokens.len().min(stored.record.answer_tokens as usize);
        let before = tokens.get(..own.start)?.iter().rev().take_while(|token| is_word(token));
        let after = tokens.get(own.end..end)?.iter().take_while(|token| is_word(token));
        let before = u32::try_from(before.count()).ok()?;
        let after = u32::try_from(after.count()).ok()?;
        (before > 0 || after > 0)
            .then(|| span.start.saturating_sub(before)..span.end.saturating_add(after))
    }

    /// The runs within `widest` around a span that a text holds between borders, and the bytes that they are there; shortest first,
    /// as each token that is shown costs gas.
    fn runs(
        &self,
        stored: &StoredReceipt,
        span: &CreditedSpan,
        widest: &Range<u32>,
        text: &[u8],
    ) -> Vec<(Range<u32>, Range<usize>)> {
        let tokens = &stored.response.tokens;
        let bytes = |token: u32| {
            tokens.get(token as usize).map_or(&[][..], |token| self.tokenizer.bytes(*token))
        };
        let piece = self.spell(&stored.response, span_range(span)).unwrap_or_default();
        if !is_words(&piece) {
            return vec![];
        }
        let ends = |token: u32, at: usize| {
            text.get(at).is_none_or(|next| is_space(*next))
                && is_bordered(self.tokenizer, tokens.get(token as usize))
        };
        let mut runs = Vec::new();
        let places = text.windows(piece.len()).enumerate().filter(|(_, window)| *window == piece);
        for (at, _) in places {
            let mut heads = vec![(span.start, at)];
            let (mut from, mut first) = (span.start, at);
            while from > widest.start {
                let word = bytes(from.saturating_sub(1));
                if !text.get(..first).is_some_and(|head| head.ends_with(word)) {
                    break;
                }
                (from, first) = (from.saturating_sub(1), first.saturating_sub(word.len()));
                heads.push((from, first));
            }
            let mut tails = vec![(span.end, at.saturating_add(piece.len()))];
            let (mut to, mut last) = (span.end, at.saturating_add(piece.len()));
            while to < widest.end {
                let word = bytes(to);
                if !text.get(last..).is_some_and(|rest| rest.starts_with(word)) {
                    break;
                }
                (to, last) = (to.saturating_add(1), last.saturating_add(word.len()));
                tails.push((to, last));
            }
            tails.retain(|(to, last)| ends(*to, *last));
            let bounds = heads.iter().flat_map(|head| tails.iter().map(move |tail| (*head, *tail)));
            runs.extend(bounds.map(|((from, first), (to, last))| (from..to, first..last)));
        }
        runs.sort_by_key(|(run, bytes)| (run.len(), bytes.start));
        runs
    }

    /// A span whose cluster is not that of the map that the model is registered with.
    async fn founder(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let Some(corpus) = self.corpus(stored).await? else { return Ok(None) };
        let map = corpus.clusters();
        if corpus.roots()?.clusters != self.model(stored).await?.roots.clusters {
            return Ok(None);
        }
        let Some(member) = map.member(span.contribution) else { return Ok(None) };
        if member.cluster == span.cluster {
            return Ok(None);
        }
        let Some((at, proof)) = map.proof(span.contribution)? else { return Ok(None) };
        let call = factFounderCall {
            opened: opened.clone(),
            record: record.clone(),
            span: U256::from(index),
            founder: member.cluster.to_u256(),
            index: U256::from(at),
            count: U256::from(map.len()),
            proof,
        };
        let (own, right) = (named(span.contribution), named(member.cluster));
        let about = format!(
            "span {index} puts {own} into a cluster of {}, it is in that of {right}",
            named(span.cluster)
        );
        Ok(Some(Found { rule: "founder", call: call.abi_encode().into(), about }))
    }

    /// Surprise of a span or of the answer, or a floor, that is not what the model's documents make.
    async fn surprise(
        &mut self,
        stored: &StoredReceipt,
        opened: &Opened,
        record: &Record,
    ) -> Result<Option<Found>> {
        let own = &stored.record;
        let tokens = &stored.response.tokens;
        let (span, surprises, about) = if own.answer_tokens as usize > tokens.len() {
            // Which is false whatever the surprises are.
            let nothing = Surprises { values: vec![], floor: 0, proof: vec![] };
            (U256::MAX, nothing, "it counts more tokens than the answer has".to_owned())
        } else {
            let Some(corpus) = self.corpus_of_surprises(stored).await? else { return Ok(None) };
            let (span, shown, about) = match false_surprise(own, tokens, &corpus) {
                None => return Ok(None),
                Some(FalseSurprise::Span(index)) => {
                    let shown = own.spans.get(index).map(span_range).unwrap_or_default();
                    let about =
                        format!("the surprise of span {index}, or the floor, is not the corpus's");
                    (U256::from(index), shown, about)
                }
                Some(FalseSurprise::Answer) => {
                    let about =
                        "the surprise of the answer, or the floor, is not the corpus's".to_owned();
                    (U256::MAX, 0..own.answer_tokens as usize, about)
                }
            };
            let shown = tokens.get(shown).unwrap_or_default();
            (span, surprises(&corpus, shown)?, about)
        };
        let call = factSurpriseCall {
            opened: reshape(opened)?,
            record: reshape(record)?,
            span,
            response: reshape(&stored.response)?,
            surprises,
        };
        Ok(Some(Found { rule: "surprise", call: call.abi_encode().into(), about }))
    }

    /// Another number of tokens than the customer saw.
    fn miscounted(
        &mut self,
        stored: &StoredReceipt,
        opened: &Opened,
        record: &Record,
    ) -> Result<Option<Found>> {
        let (said, response) = (stored.record.answer_tokens, &stored.response);
        let words: Vec<&[u8]> =
            response.tokens.iter().map(|token| self.tokenizer.bytes(*token)).collect();
        let Some(count) = another_answer(&words, response.text.as_bytes(), said as usize) else {
            return Ok(None);
        };
        let seen = visible_tokens(response, self.tokenizer).len();
        let call = factAnswerCall {
            opened: reshape(opened)?,
            record: reshape(record)?,
            response: reshape(response)?,
            tokens: reshape(&self.tokens(response, 0..count)?)?,
            count: U256::from(count),
        };
        let about = format!("it counts {said} tokens as the answer, and the customer saw {seen}");
        Ok(Some(Found { rule: "answer", call: call.abi_encode().into(), about }))
    }

    /// A match that a document holds and the record does not give it or an earlier one, whatever its spans say.
    async fn missed(
        &mut self,
        stored: &StoredReceipt,
        opened: &Opened,
        record: &Record,
    ) -> Result<Option<Found>> {
        let Some(corpus) = self.corpus_of_surprises(stored).await? else { return Ok(None) };
        let (own, answer) = (&stored.record, &stored.response.tokens);
        let mut documents = BTreeMap::new();
        for reference in self.datanets_of(stored).await? {
            for (number, document) in self.documents_of(reference).await? {
                documents.insert(document.document_id()?, (reference, number, document));
            }
        }
        let shown = |id| documents.contains_key(&id);
        let found = missed(own, answer, &corpus, self.tokenizer, shown)?;
        let Some(Missed { run, holder, bytes }) = found else { return Ok(None) };
        let Some((reference, number, document)) = documents.remove(&holder) else {
            return Ok(None);
        };
        let Some(text) = self.document(&document).await? else { return Ok(None) };
        let (excerpt, place) = excerpt(&text, bytes)?;
        let words = run.start as usize..run.end as usize;
        let behind = words.end.saturating_add(1).min(answer.len());
        let call = factMissedCall {
            opened: reshape(opened)?,
            record: reshape(record)?,
            response: reshape(&stored.response)?,
            tokens: reshape(&self.tokens(&stored.response, words.start..behind)?)?,
            surprises: surprises(&corpus, answer.get(words).unwrap_or_default())?,
            run: reshape(&Run {
                from: run.start,
                to: run.end,
                holder: self.member(reference, number, &document).await?,
                excerpt,
                place: U256::from(place),
            })?,
        };
        let about = format!(
            "{} holds tokens {} to {} of the answer, which are not all credited to it or to what is earlier",
            described(&document),
            run.start,
            run.end
        );
        Ok(Some(Found { rule: "missed", call: call.abi_encode().into(), about }))
    }

    /// The corpus of a receipt's model, if its surprises are those that the model is registered with.
    async fn corpus_of_surprises(&mut self, stored: &StoredReceipt) -> Result<Option<Arc<Corpus>>> {
        let Some(corpus) = self.corpus(stored).await? else { return Ok(None) };
        let registered = self.model(stored).await?.roots.surprises;
        let computed = corpus.roots()?.surprises;
        Ok(Some(corpus).filter(|_| computed == registered))
    }

    /// The corpus of a receipt's model, if all of its documents are to be had.
    async fn corpus(&mut self, stored: &StoredReceipt) -> Result<Option<Arc<Corpus>>> {
        let datanets = self.datanets_of(stored).await?;
        if let Some(known) = self.corpora.get(&datanets) {
            return Ok(known.clone());
        }
        let over = corpus_over(self.chain, &datanets, &self.spec, self.source, self.tokenizer);
        let corpus = match over.await {
            Ok(corpus) => Some(Arc::new(corpus)),
            Err(AuditError::Chain(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(model = %stored.receipt.modelId, %error, "a model's corpus is not to be had");
                None
            }
        };
        self.corpora.insert(datanets, corpus.clone());
        Ok(corpus)
    }

    /// An earlier document that the span's is a near-copy of, in another cluster, or that holds all of the span.
    async fn earlier(&mut self, place: Place<'_>) -> Result<Option<Found>> {
        let Place { stored, index, span, opened, record } = place;
        let Some(own) = self.document_of(span.contribution).await? else { return Ok(None) };
        let own_sketch = self.sketch(&own).await?;
        let piece = self.spell(&stored.response, span_range(span)).unwrap_or_default();
        for reference in self.datanets_of(stored).await? {
            for (number, other) in self.documents_of(reference).await? {
                let order = other.document_id()?.order();
                if order >= span.contribution.order() {
                    continue;
                }
                let Some(document) = self.document(&other).await? else { continue };
                let Some(sketch) = self.sketch(&other).await? else { continue };
                if span.cluster.order() > order
                    && let Some(own_sketch) = &own_sketch
                    && own_sketch.matches(&sketch) >= self.limits.sketch_matches_min
                {
                    let call = factClusterCall {
                        opened: opened.clone(),
                        record: record.clone(),
                        span: U256::from(index),
                        own: item(&own),
                        spanSketch: own_sketch.to_bytes().into(),
                        earlier: self.member(reference, number, &other).await?,
                        earlierSketch: sketch.to_bytes().into(),
                    };
                    let about = format!(
                        "span {index} is of {}, a near-copy of {}, whose cluster it is not in",
                        described(&own),
                        described(&other)
                    );
                    let call = call.abi_encode().into();
                    return Ok(Some(Found { rule: "cluster", call, about }));
                }
                let Some(at) = self.held_at(stored, span, &piece, document.text()) else {
                    continue;
                };
                let (excerpt, place) = excerpt(&document, at..at.saturating_add(piece.len()))?;
                let end = (span.end as usize).saturating_add(1).min(stored.response.tokens.len());
                let call = factEarlierCall {
                    opened: opened.clone(),
                    record: record.clone(),
                    span: U256::from(index),
                    response: response(&stored.response)?,
                    tokens: self.tokens(&stored.response, span.start as usize..end)?,
                    earlier: self.member(reference, number, &other).await?,
                    excerpt,
                    place: U256::from(place),
                };
                let about = format!(
                    "what span {index} credits to {} is in {} already, from byte {at} on",
                    described(&own),
                    described(&other)
                );
                let call = call.abi_encode().into();
                return Ok(Some(Found { rule: "earlier", call, about }));
            }
        }
        Ok(None)
    }

    /// Where an earlier document holds the span as whole words, which the chain takes for the same tokens.
    fn held_at(
        &self,
        stored: &StoredReceipt,
        span: &CreditedSpan,
        piece: &[u8],
        text: &str,
    ) -> Option<usize> {
        let long = span.credit_q16 > 0
            && span.end.saturating_sub(span.start) >= self.limits.match_tokens_min;
        let next = stored.response.tokens.get(span.end as usize);
        if !long || !is_bordered(self.tokenizer, next) || !is_words(piece) {
            return None;
        }
        place_of(piece, text.as_bytes())
    }

    /// The bytes of some tokens; `None` if they go beyond the answer.
    fn spell(&self, response: &CanonicalResponse, tokens: Range<usize>) -> Option<Vec<u8>> {
        Some(spell(self.tokenizer, response.tokens.get(tokens)?))
    }

    /// Tokens of the answer, each once, with the path of all.
    fn tokens(&mut self, response: &CanonicalResponse, tokens: Range<usize>) -> Result<Tokens> {
        if self.vocabulary.is_empty() {
            self.vocabulary = pinned::vocabulary(self.tokenizer)?;
        }
        let tokens = response.tokens.get(tokens).unwrap_or_default();
        exhibit(self.tokenizer, &self.vocabulary, tokens)
    }

    async fn datanets_of(&mut self, stored: &StoredReceipt) -> Result<Vec<DatanetRef>> {
        Ok(self.model(stored).await?.datanets)
    }

    async fn model(&mut self, stored: &StoredReceipt) -> Result<Model> {
        let id = ModelId::try_from(stored.receipt.modelId)?;
        if let Some(known) = self.models.get(&id) {
            return Ok(known.clone());
        }
        let model = self.chain.model(id).await?;
        self.models.insert(id, model.clone());
        Ok(model)
    }

    async fn stored(
        &mut self,
        id: ContributionId,
    ) -> Result<Option<IDatanetRegistry::Contribution>> {
        if let Some(known) = self.stored.get(&id) {
            return Ok(known.clone());
        }
        let missing = Missing::Contribution(id);
        let read = self.chain.datanets().contribution(id.to_u256()).call().await;
        let found = match read.map_err(lookup("reading a contribution", missing)) {
            Ok(found) => Some(found),
            Err(ChainError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.stored.insert(id, found.clone());
        Ok(found)
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

    /// The documents of a contribution. The list of a batch is what its root opens to, if it is to be had.
    async fn items(&mut self, contribution: &Contribution) -> Option<Vec<Contribution>> {
        if let Some(known) = self.batches.get(&contribution.id) {
            return known.clone();
        }
        let list = match contribution.is_batch() {
            true => self.source.list(contribution.commitment.content_hash).await,
            false => Ok(vec![]),
        };
        let items = list.and_then(|list| Ok(batches::items(contribution, &list)?));
        let items = items.inspect_err(|error| {
            tracing::warn!(batch = contribution.id.0, %error, "the list of a batch is not to be had");
        });
        let items = items.ok();
        self.batches.insert(contribution.id, items.clone());
        items
    }

    /// The document that an id names, if it is to be had.
    async fn document_of(&mut self, id: ContributionId) -> Result<Option<Contribution>> {
        let (number, place) = id.parts();
        let Some(contribution) = self.contribution(number).await? else { return Ok(None) };
        let Some(items) = self.items(&contribution).await else { return Ok(None) };
        let index = usize::try_from(place.unwrap_or_default()).unwrap_or(usize::MAX);
        Ok(items.get(index).cloned())
    }

    /// The documents of a Datanet's version that can be shown, each with the place of its contribution.
    async fn documents_of(&mut self, reference: DatanetRef) -> Result<Vec<(usize, Contribution)>> {
        let (members, shown) = self.members(reference).await?;
        let mut documents = Vec::new();
        for (number, member) in members.iter().enumerate() {
            if !shown.contains(&member.id) {
                continue;
            }
            for document in self.items(member).await.unwrap_or_default() {
                if self.is_sound(&document).await? {
                    documents.push((number, document));
                }
            }
        }
        Ok(documents)
    }

    async fn is_sound(&mut self, document: &Contribution) -> Result<bool> {
        let unsound = match self.unsound.take() {
            Some(known) => known,
            None => self.chain.unsound().await?,
        };
        Ok(!self.unsound.insert(unsound).contains(&document.key()))
    }

    async fn members(
        &mut self,
        reference: DatanetRef,
    ) -> Result<(Vec<Contribution>, BTreeSet<ContributionId>)> {
        if let Some(known) = self.members.get(&reference) {
            return Ok(known.clone());
        }
        let members = self.chain.accepted_in(reference).await?;
        let gone = self.chain.tombstoned(reference.datanet).await?;
        let shown = members.iter().map(|member| member.id).filter(|id| !gone.contains(id));
        let known = (members.clone(), shown.collect());
        self.members.insert(reference, known.clone());
        Ok(known)
    }

    async fn member(
        &mut self,
        reference: DatanetRef,
        index: usize,
        document: &Contribution,
    ) -> Result<Member> {
        let (members, _) = self.members(reference).await?;
        let leaves: Vec<B256> =
            members.iter().map(|c| merkle::leaf_hash(c.leaf().as_slice())).collect();
        let proof = merkle::proof(&leaves, index)?;
        Ok(Member { item: item(document), index: U256::from(index), proof })
    }

    async fn sketch(&mut self, contribution: &Contribution) -> Result<Option<Sketch>> {
        let hash = contribution.commitment.content_hash;
        if let Some(known) = self.sketches.get(&hash) {
            return Ok(Some(known.clone()));
        }
        let Some(document) = self.document(contribution).await? else { return Ok(None) };
        let sketch = Sketch::of(document.text());
        self.sketches.insert(hash, sketch.clone());
        Ok(Some(sketch))
    }

    /// The document, if it is to be had: what is false about other records can be shown without it.
    async fn document(&mut self, contribution: &Contribution) -> Result<Option<Document>> {
        let hash = contribution.commitment.content_hash;
        if let Some(known) = self.documents.get(&hash) {
            return Ok(known.clone());
        }
        let document = match self.source.document(hash).await {
            Ok(document) => Some(document).filter(|document| keccak256(document.text()) == hash),
            Err(error) => {
                tracing::warn!(contribution = contribution.id.0, %error, "a document is not to be had");
                None
            }
        };
        self.documents.insert(hash, document.clone());
        Ok(document)
    }
}

/// A document with its path, as `Batches.open` takes it.
fn item(document: &Contribution) -> Batches::Item {
    let place = document.place.as_ref();
    Batches::Item {
        contributionId: document.id.to_u256(),
        index: place.map_or(0, |place| place.index),
        document: Batches::Document {
            contentHash: document.commitment.content_hash,
            chunkRoot: document.commitment.chunk_root,
            chunkCount: document.commitment.chunk_count,
            byteLength: document.commitment.byte_length,
            sketchHash: document.commitment.sketch_hash,
        },
        proof: place.map_or_else(Vec::new, |place| place.path.clone()),
    }
}

/// Tokens, each once, with the path of all under the tree of the tokenizer's tokens.
fn exhibit(tokenizer: &Tokenizer, vocabulary: &[B256], tokens: &[TokenId]) -> Result<Tokens> {
    let shown: BTreeSet<TokenId> = tokens.iter().copied().collect();
    let indices = shown.iter().map(|token| usize::from(*token)).collect();
    Ok(Tokens {
        texts: shown.iter().map(|token| Bytes::from(tokenizer.bytes(*token).to_vec())).collect(),
        proof: merkle::proof_of(vocabulary, &indices)?,
    })
}

/// How many first tokens show that `said` is not how many of `words` make the answer, the longest run that `text` begins with:
/// `SurpriseFacts.factAnswer`, by the fewest. `None` also where bytes that are no UTF-8 leave it open.
fn another_answer(words: &[&[u8]], text: &[u8], said: usize) -> Option<usize> {
    let bytes = words.concat();
    let common = bytes.iter().zip(text).take_while(|(byte, seen)| byte == seen).count();
    let is_whole = |at: usize| text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let apart =
        common < text.len() && is_whole(common) && bytes.get(common).is_some_and(u8::is_ascii);
    let mut length = 0_usize;
    let shown = words.iter().zip(1..).find(|(word, count)| {
        length = length.saturating_add(word.len());
        match *count > said {
            true => length <= common && is_whole(length),
            false => length > common && (length > text.len() || apart),
        }
    });
    shown.map(|(_, count)| count)
}

/// Surprises of tokens, each once, and the floor, with the path of all under the model's `surpriseRoot`.
fn surprises(corpus: &Corpus, tokens: &[TokenId]) -> Result<Surprises> {
    let shown: BTreeSet<TokenId> = tokens.iter().copied().collect();
    Ok(Surprises {
        values: shown.iter().map(|token| corpus.surprises().of(*token)).collect(),
        floor: corpus.floor_q16(),
        proof: corpus.surprise_tree().proof(tokens)?,
    })
}

/// The chunks that some bytes of a document lie in, with the byte behind them, and where they begin there.
fn excerpt(document: &Document, bytes: Range<usize>) -> Result<(Excerpt, usize)> {
    let chunks = document.chunks();
    let leaves: Vec<B256> =
        chunks.iter().map(|chunk| merkle::leaf_hash(chunk.as_bytes())).collect();
    let (mut shown, mut begin) = (Excerpt { first: 0, chunks: vec![], proofs: vec![] }, 0_usize);
    let mut place = 0;
    for ((index, chunk), proof) in chunks.iter().enumerate().zip(merkle::proofs(&leaves)) {
        let end = begin.saturating_add(chunk.len());
        if end > bytes.start && begin <= bytes.end {
            if shown.chunks.is_empty() {
                let first = u32::try_from(index);
                shown.first = first.map_err(|_| ScoresError::Overflow { what: "chunks" })?;
                place = bytes.start.saturating_sub(begin);
            }
            shown.chunks.push(Bytes::from(chunk.as_bytes().to_vec()));
            shown.proofs.push(proof);
        }
        begin = end;
    }
    Ok((shown, place))
}

fn span_range(span: &CreditedSpan) -> Range<usize> {
    span.start as usize..span.end as usize
}

/// What an id names, for people.
fn named(id: ContributionId) -> String {
    match id.parts() {
        (contribution, None) => format!("contribution {contribution}"),
        (batch, Some(index)) => format!("document {index} of batch {batch}"),
    }
}

/// A document for people: of a batch with how far below the root it was shown to lie.
fn described(document: &Contribution) -> String {
    let hash = document.commitment.content_hash;
    match &document.place {
        None => format!("contribution {} ({hash})", document.id),
        Some(place) => format!(
            "document {} of batch {} ({hash}, {} hashes below its root)",
            place.index,
            document.id,
            place.path.len()
        ),
    }
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

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use alloy_primitives::hex;
    use models::{DEFAULT_MODEL_SHA256, default_model_path, parts, read_model};
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    use super::*;

    /// `contracts/test/unit/record-dispute/answer.t.sol` asks the contract.
    #[test]
    fn how_many_tokens_are_the_answer_is_decided_as_in_the_vectors() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/answers.json");
        let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for case in golden["answers"].as_array().unwrap() {
            let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
            let words: Vec<Vec<u8>> = case["words"].as_array().unwrap().iter().map(bytes).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let text = bytes(&case["text"]);
            for (said, shown) in case["shown"].as_array().unwrap().iter().enumerate() {
                let count = another_answer(&words, &text, said).unwrap_or_default();
                assert_eq!(json!(count), *shown, "{}: {said}", case["name"]);
            }
        }
    }

    proptest! {
        /// Whatever bytes tokens stand for, and wherever the text ends.
        #[test]
        fn the_right_number_of_tokens_is_never_shown_to_be_wrong(
            words in vec(vec(prop_oneof![
                Just(b'a'), Just(b' '), Just(0xc3), Just(0xa9), Just(0xef), Just(0xbf), Just(0xbd), any::<u8>()
            ], 0..4), 0..12),
            cut in any::<prop::sample::Index>(),
            said in 0_usize..13,
        ) {
            let text = String::from_utf8_lossy(&words.concat()).into_owned();
            let ends: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let text = &text[..*cut.get(&ends)];
            let decoded = |count: usize| String::from_utf8_lossy(&words[..count].concat()).into_owned();
            let right = (0..=words.len()).rev().find(|count| text.starts_with(&decoded(*count)));
            let right = right.unwrap_or_default();
            let shown: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(another_answer(&shown, text.as_bytes(), right), None);
            // Of text alone, any other number is.
            if words.concat().is_ascii() && said <= words.len() && said != right {
                prop_assert!(another_answer(&shown, text.as_bytes(), said).is_some());
            }
        }
    }

    /// The exhibit of an answer of the default model, which `contracts/test/gas/VocabularyGas.t.sol` shows to the contract.
    /// `BLESS=1` writes the file anew.
    #[test]
    fn an_answer_of_the_default_model_is_shown_as_in_the_vectors() {
        let path = default_model_path();
        if !path.exists() {
            println!("skipped: {} is missing, ./scripts/setup fetches it", path.display());
            return;
        }
        let (_, tokenizer) =
            parts(&read_model(&path, Some(DEFAULT_MODEL_SHA256)).unwrap()).unwrap();
        let vocabulary = pinned::vocabulary(&tokenizer).unwrap();
        let text = " A transaction that changes the database writes its pages to the log first, and \
            the pages of the database are changed later, when the log is copied back. Readers \
            look for a page in the log, and if it is not there, they read it from the database. \
            So readers do not wait for the writer, and the writer does not wait for readers";
        let tokens = tokenizer.encode(text).unwrap();
        let shown = exhibit(&tokenizer, &vocabulary, &tokens).unwrap();
        let file = json!({
            "root": pinned::VOCABULARY_ROOT,
            "size": pinned::VOCABULARY_SIZE,
            "text": text,
            "tokens": tokens,
            "texts": shown.texts.iter().map(hex::encode_prefixed).collect::<Vec<_>>(),
            "proof": shown.proof,
        });
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/vocabulary.json");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
        }
        assert_eq!(serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap(), file);
    }
}
