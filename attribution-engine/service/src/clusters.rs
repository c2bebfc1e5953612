//! A model's corpus: the documents of its Datanet versions, who their value goes to, and the indexes
//! over them. Gateway, engines and auditors build it with the same code from the same public inputs: the
//! contributions on chain, the documents, the tokenizer and the engine spec.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, OnceLock},
};

use alloy_primitives::{Address, B256, keccak256};
use index::{Chunk, ChunkIndex, Index, IndexError, Span, SpanParams};
use models::{LanguageModel, ModelError, Tokenizer};
use scores::{
    ContributionId, DatanetId, ScoresError,
    cluster::{ClusterInput, ClusterMap, ClusterParams},
    credit::{self, CreditInput, Gram, HeldGram, Holder},
    document::{Document, chunks},
    eip712::InferenceReceipt,
    exchange::{CanonicalRequest, CanonicalResponse, RetrievedChunk},
    record::AttributionRecord,
    spec::EngineSpec,
    surprise::{SurpriseTable, SurpriseTree},
};

use crate::chain::{Contribution, CorpusRoots, DatanetVersion, Model};

/// Why a corpus cannot be built or an answer not be attributed.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("tokenising: {0}")]
    Tokenizer(#[from] ModelError),
    #[error("the spec pins tokenizer {expected}, this one is {found}")]
    WrongTokenizer { expected: B256, found: B256 },
    #[error(
        "Datanet {datanet} version {version} was published with cluster map {published}, its documents make it {computed}"
    )]
    ClusterMap { datanet: DatanetId, version: u32, published: B256, computed: B256 },
    #[error("the model was registered with {what} {registered}, its documents make it {computed}")]
    Root { what: &'static str, registered: B256, computed: B256 },
    #[error("contribution {0} has no tokens: the tokenizer knows none of its characters")]
    NoTokens(ContributionId),
}

/// Result of corpus work.
pub type Result<T, E = CorpusError> = std::result::Result<T, E>;

/// Stands in a document for what its tokenizer cannot tell. It is no token, so no run of an answer goes across it.
const GAP: u16 = u16::MAX - 1;

/// What turns text into token ids and back.
pub trait TokenCodec: Send + Sync {
    /// Hash of everything that decides the ids; `tokenizerHash` of the engine spec.
    fn fingerprint(&self) -> B256;
    fn encode(&self, text: &str) -> Result<Vec<u16>, ModelError>;
    fn decode(&self, tokens: &[u16]) -> String;
}

impl TokenCodec for Tokenizer {
    fn fingerprint(&self) -> B256 {
        Self::fingerprint(self).into()
    }

    fn encode(&self, text: &str) -> Result<Vec<u16>, ModelError> {
        Self::encode(self, text)
    }

    fn decode(&self, tokens: &[u16]) -> String {
        Self::decode(self, tokens)
    }
}

impl TokenCodec for Arc<dyn LanguageModel> {
    fn fingerprint(&self) -> B256 {
        self.tokenizer_fingerprint().into()
    }

    fn encode(&self, text: &str) -> Result<Vec<u16>, ModelError> {
        LanguageModel::encode(self.as_ref(), text)
    }

    fn decode(&self, tokens: &[u16]) -> String {
        LanguageModel::decode(self.as_ref(), tokens)
    }
}

/// A contribution with its document; of a batch, one of its documents.
#[derive(Clone, Debug)]
pub struct CorpusDocument {
    pub contribution: Contribution,
    pub document: Document,
}

impl CorpusDocument {
    /// What it goes by in clusters and indexes.
    pub fn id(&self) -> Result<ContributionId, ScoresError> {
        self.contribution.document_id()
    }
}

/// The clusters of documents, e.g. those of one Datanet version; its root is what the curator publishes.
pub fn cluster_map(documents: &[CorpusDocument], params: ClusterParams) -> Result<ClusterMap> {
    let inputs = documents
        .iter()
        .map(|document| {
            Ok(ClusterInput {
                contribution: document.id()?,
                sequence: document.contribution.sequence,
                datanet: document.contribution.datanet,
                contributor: document.contribution.contributor,
                text: document.document.text(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(ClusterMap::build(&inputs, params)?)
}

/// Whether a version was published with the cluster map that its documents (all of them, and no others)
/// make. A model over one that was not cannot be served: no engine could sign its epochs.
pub fn check_cluster_map(
    version: &DatanetVersion,
    documents: &[CorpusDocument],
    params: ClusterParams,
) -> Result<()> {
    let computed = cluster_map(documents, params)?.root();
    if computed == version.cluster_map_root {
        return Ok(());
    }
    Err(CorpusError::ClusterMap {
        datanet: version.datanet,
        version: version.version,
        published: version.cluster_map_root,
        computed,
    })
}

/// A retrieved chunk with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievedText {
    pub reference: RetrievedChunk,
    pub text: String,
}

/// Everything a model's answers are attributed against.
#[derive(Debug)]
pub struct Corpus {
    spec: EngineSpec,
    documents: BTreeMap<ContributionId, CorpusDocument>,
    clusters: ClusterMap,
    index: Index,
    surprises: SurpriseTable,
    /// Once somebody has asked for them.
    roots: OnceLock<CorpusRoots>,
    chunks: ChunkIndex,
}

impl Corpus {
    /// Builds the corpus. With a directory, the span index is kept there and opened again if it holds
    /// exactly these documents under this tokenizer; without, it lives in memory.
    ///
    /// A contribution that several Datanet versions of the model count is taken once. Clusters reach over
    /// all of the model's Datanets, so a copy in another Datanet earns nothing either.
    pub fn build(
        spec: &EngineSpec,
        documents: Vec<CorpusDocument>,
        codec: &dyn TokenCodec,
        directory: Option<&Path>,
    ) -> Result<Self> {
        spec.check()?;
        let found = codec.fingerprint();
        if found != spec.tokenizer_hash {
            return Err(CorpusError::WrongTokenizer { expected: spec.tokenizer_hash, found });
        }
        let documents: BTreeMap<ContributionId, CorpusDocument> = documents
            .into_iter()
            .map(|document| Ok((document.id()?, document)))
            .collect::<Result<_>>()?;
        let list: Vec<CorpusDocument> = documents.values().cloned().collect();
        let clusters = cluster_map(&list, spec.cluster)?;
        let index = open_index(&documents, codec, directory, found)?;
        let surprises = SurpriseTable::new(&index.unigrams(|id| clusters.is_founder(id)));
        let founders = documents.iter().filter(|(id, _)| clusters.is_founder(**id));
        let chunks = founders.flat_map(|(id, document)| chunks_of(*id, document));
        let chunks = ChunkIndex::new(chunks, spec.retrieval);
        let roots = OnceLock::new();
        Ok(Self { spec: spec.clone(), documents, clusters, index, surprises, roots, chunks })
    }

    pub const fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    pub const fn clusters(&self) -> &ClusterMap {
        &self.clusters
    }

    pub const fn index(&self) -> &Index {
        &self.index
    }

    pub const fn surprises(&self) -> &SurpriseTable {
        &self.surprises
    }

    /// Surprise that a match must reach, Q16 bits.
    pub const fn floor_q16(&self) -> u64 {
        self.surprises.floor(self.spec.credit.floor_margin_q16)
    }

    /// What `surpriseRoot` is over.
    pub fn surprise_tree(&self) -> SurpriseTree {
        self.surprises.tree(self.spec.credit.floor_margin_q16)
    }

    /// What a model over these documents is registered with.
    pub fn roots(&self) -> Result<CorpusRoots> {
        if let Some(known) = self.roots.get() {
            return Ok(*known);
        }
        let roots = match self.documents.is_empty() {
            true => CorpusRoots::default(),
            false => CorpusRoots {
                surprises: self.surprise_tree().root()?,
                clusters: self.clusters.root(),
            },
        };
        Ok(*self.roots.get_or_init(|| roots))
    }

    /// Whether a model was registered with what this corpus makes. One that was not cannot be served: no engine could sign its
    /// epochs, and what the chain decides about its records would not be what engines compute.
    pub fn check_roots(&self, model: &Model) -> Result<()> {
        let computed = self.roots()?;
        let roots = [
            ("surpriseRoot", model.roots.surprises, computed.surprises),
            ("clusterMapRoot", model.roots.clusters, computed.clusters),
        ];
        match roots.into_iter().find(|(_, registered, computed)| registered != computed) {
            Some((what, registered, computed)) => {
                Err(CorpusError::Root { what, registered, computed })
            }
            None => Ok(()),
        }
    }

    /// A document by what spans name it by.
    pub fn document(&self, contribution: ContributionId) -> Option<&CorpusDocument> {
        self.documents.get(&contribution)
    }

    pub fn documents(&self) -> impl Iterator<Item = &CorpusDocument> {
        self.documents.values()
    }

    /// Datanets with their contributors, for display.
    pub fn contributors(&self) -> BTreeSet<(DatanetId, Address)> {
        self.documents
            .values()
            .map(|d| (d.contribution.datanet, d.contribution.contributor))
            .collect()
    }

    /// The chunks that best match a query, best first. Copies are not searched: their originals are.
    pub fn retrieve(&self, query: &str, limit: usize) -> Vec<RetrievedText> {
        self.chunks
            .retrieve(query, limit)
            .into_iter()
            .filter_map(|found| self.chunk(found.contribution, found.chunk))
            .collect()
    }

    /// One chunk of one document.
    pub fn chunk(&self, contribution: ContributionId, chunk: u32) -> Option<RetrievedText> {
        let document = &self.documents.get(&contribution)?.document;
        let text = *chunks(document.text()).get(usize::try_from(chunk).ok()?)?;
        Some(RetrievedText {
            reference: RetrievedChunk { contribution, chunk, hash: keccak256(text) },
            text: text.to_owned(),
        })
    }

    /// The record of a call: what the gateway stores and what everyone recomputes.
    pub fn record_of(
        &self,
        receipt: &InferenceReceipt,
        request: &CanonicalRequest,
        response: &CanonicalResponse,
        codec: &dyn TokenCodec,
    ) -> Result<AttributionRecord> {
        let prompt = prompt_tokens(request, codec)?;
        let answer = visible_tokens(response, codec);
        self.attribute(receipt.receipt_hash(), receipt.engineSpecHash, answer, &prompt)
    }

    /// The record of an answer's tokens. `prompt` holds the token ids of the customer's own messages, each by itself
    /// ([`prompt_tokens`]); retrieved text is not part of it.
    pub fn attribute(
        &self,
        receipt_hash: B256,
        engine_spec_hash: B256,
        answer: &[u16],
        prompt: &[Vec<u16>],
    ) -> Result<AttributionRecord> {
        let params = self.spec.credit;
        let surprises = self.surprises.of_all(answer);
        let floor_q16 = self.floor_q16();
        let in_prompt = credit::longest_in(answer, prompt.iter().map(Vec::as_slice));
        let in_corpus = self.index.longest(answer)?;
        let longest: Vec<u32> = in_prompt.iter().zip(&in_corpus).map(|(a, b)| *a.max(b)).collect();
        let grams = credit::grams(&surprises, &longest, floor_q16, params.match_tokens_min);
        let (echoed, sought): (Vec<Gram>, Vec<Gram>) = grams.into_iter().partition(|gram| {
            in_prompt.get(gram.start as usize).is_some_and(|longest| *longest >= gram.length)
        });
        let mut held: Vec<HeldGram> =
            echoed.into_iter().map(|gram| HeldGram { gram, holder: Holder::Prompt }).collect();
        let earliest = self.index.earliest(answer, &sought)?;
        held.extend(sought.into_iter().zip(earliest).filter_map(|(gram, found)| {
            Some(HeldGram { gram, holder: Holder::Contribution(found?.contribution) })
        }));
        let input = CreditInput {
            receipt_hash,
            engine_spec_hash,
            answer,
            prompt,
            surprises: &surprises,
            floor_q16,
            grams: &held,
            clusters: &self.clusters,
            params,
        };
        Ok(credit::record(&input, &self.index)?)
    }

    /// All maximal matches of an answer, whether they earn or not, for people.
    pub fn spans(&self, answer: &[u16]) -> Result<Vec<Span>> {
        Ok(self.index.spans(answer, SpanParams::default())?)
    }
}

/// Token ids of each of the customer's messages, and of each of its parts if the tokenizer cannot tell all of it.
pub fn prompt_tokens(request: &CanonicalRequest, codec: &dyn TokenCodec) -> Result<Vec<Vec<u16>>> {
    let parts = request.messages.iter().map(|message| parts(&message.content, codec));
    Ok(parts.collect::<Result<Vec<_>>>()?.concat())
}

/// Token ids of a document.
fn document_tokens(text: &str, codec: &dyn TokenCodec) -> Result<Vec<u16>> {
    Ok(parts(text, codec)?.join(&GAP))
}

/// Token ids of a text, in one list; or, if it has characters that leave no trace, of what is between those. What stands on both
/// sides of such a character would else be taken for a run, and who shows the text shows that it is none.
fn parts(text: &str, codec: &dyn TokenCodec) -> Result<Vec<Vec<u16>>> {
    let whole = codec.encode(text)?;
    if codec.decode(&whole) == text {
        return Ok(vec![whole]);
    }
    let mut untold = BTreeSet::new();
    for character in text.chars().collect::<BTreeSet<_>>() {
        let alone = character.to_string();
        if codec.decode(&codec.encode(&alone)?) != alone {
            untold.insert(character);
        }
    }
    let between = text.split(|character| untold.contains(&character));
    between.filter(|part| !part.is_empty()).map(|part| Ok(codec.encode(part)?)).collect()
}

/// The tokens of which the customer saw the text: a stop string or a hung-up client cuts text within the
/// tokens that were generated, and what nobody saw earns nothing.
pub fn visible_tokens<'a>(response: &'a CanonicalResponse, codec: &dyn TokenCodec) -> &'a [u16] {
    let tokens = response.tokens.as_slice();
    let visible = |count: &usize| {
        tokens.get(..*count).is_some_and(|head| response.text.starts_with(&codec.decode(head)))
    };
    let count = (0..=tokens.len()).rev().find(visible).unwrap_or_default();
    tokens.get(..count).unwrap_or_default()
}

/// The text that chunks are retrieved for: the last message of the user, or of whoever spoke last.
pub fn retrieval_query(request: &CanonicalRequest) -> &str {
    let by_user = request.messages.iter().rev().find(|message| message.role == "user");
    by_user.or(request.messages.last()).map_or("", |message| &message.content)
}

fn chunks_of(id: ContributionId, document: &CorpusDocument) -> impl Iterator<Item = Chunk<'_>> {
    let sequence = document.contribution.sequence;
    (0_u32..).zip(chunks(document.document.text())).map(move |(chunk, text)| Chunk {
        contribution: id,
        sequence,
        chunk,
        text,
    })
}

fn open_index(
    documents: &BTreeMap<ContributionId, CorpusDocument>,
    codec: &dyn TokenCodec,
    directory: Option<&Path>,
    fingerprint: B256,
) -> Result<Index> {
    let mut index = match directory {
        Some(directory) => match Index::open(directory.join(corpus_name(documents, fingerprint))) {
            // Another corpus of the same documents has it open, e.g. of a later version without news.
            Err(IndexError::Locked { .. }) => Index::in_memory(),
            opened => opened?,
        },
        None => Index::in_memory(),
    };
    let mut missing = Vec::new();
    // Documents with equal bytes have equal tokens.
    let mut known: HashMap<B256, Vec<u16>> = HashMap::new();
    for (id, document) in documents {
        if index.contains(*id) {
            continue;
        }
        let content = document.contribution.commitment.content_hash;
        let tokens = match known.get(&content) {
            Some(tokens) => tokens.clone(),
            None => document_tokens(document.document.text(), codec)?,
        };
        if tokens.is_empty() {
            return Err(CorpusError::NoTokens(*id));
        }
        known.insert(content, tokens.clone());
        let sequence = document.contribution.sequence;
        missing.push(index::Document { contribution: *id, sequence, tokens });
    }
    if !missing.is_empty() {
        index.append(&missing)?;
    }
    Ok(index)
}

/// Names the index of a corpus after what is in it.
fn corpus_name(documents: &BTreeMap<ContributionId, CorpusDocument>, fingerprint: B256) -> String {
    let mut bytes = fingerprint.to_vec();
    for (id, document) in documents {
        bytes.extend_from_slice(&id.0.to_be_bytes());
        bytes.extend_from_slice(document.contribution.commitment.content_hash.as_slice());
    }
    format!("{:x}", keccak256(bytes)).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use scores::exchange::CanonicalMessage;

    use super::*;

    /// A token is a byte, and there is none for U+0001.
    fn codec() -> Tokenizer {
        let tokens = (b'!'..=b'~').map(|byte| char::from(byte).to_string());
        let tokens = tokens.chain(["Ġ".to_owned()]).collect();
        Tokenizer::new(tokens, vec![], HashMap::new(), vec![], false).unwrap()
    }

    #[test]
    fn no_run_goes_across_what_leaves_no_trace() {
        let codec = codec();
        let tokens = |text: &str| Tokenizer::encode(&codec, text).unwrap();
        assert_eq!(tokens("al\u{1}pha b"), tokens("alpha b"));
        let both = [tokens("al"), tokens("pha b")];
        assert_eq!(document_tokens("al\u{1}pha b", &codec).unwrap(), both.join(&GAP));
        assert_eq!(document_tokens("alpha b", &codec).unwrap(), tokens("alpha b"));
        assert!(document_tokens("\u{1}\u{2}", &codec).unwrap().is_empty());
        let content = ["\u{1}al\u{1}\u{2}pha b", "and"];
        let request = CanonicalRequest {
            version: 1,
            modelId: alloy_primitives::U256::from(1),
            messages: content
                .map(|content| CanonicalMessage { role: "user".into(), content: content.into() })
                .to_vec(),
            maxTokens: 1,
            temperatureMillionths: 0,
            topPMillionths: 0,
            seed: 0,
            stop: vec![],
        };
        let parts = [both.to_vec(), vec![tokens("and")]].concat();
        assert_eq!(prompt_tokens(&request, &codec).unwrap(), parts);
    }
}
