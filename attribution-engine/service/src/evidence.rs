//! What anyone needs to recompute an epoch, beside the chain: receipts with their signatures, what was
//! asked and answered, the records, and by hash the documents. The poster writes the bundle before it
//! posts; the gateway serves it; auditors read it from a directory or over HTTP.
//! The JSON is specified in `docs/formats/attribution.md`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use scores::{
    ModelId,
    claims::{ClaimProof, Claims},
    cluster::Member,
    document::{Document, DocumentCommitment},
    eip712::{EpochPost, InferenceReceipt, Voucher},
    exchange::{CanonicalRequest, CanonicalResponse, RetrievedChunk},
    payments::Payments,
    record::AttributionRecord,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    chain::{Contracts, DatanetRef},
    content::{ContentError, ContentStore, write_atomically},
};

/// Version of the bundle's JSON.
pub const BUNDLE_VERSION: u16 = 1;

/// A receipt with everything that was signed, asked, answered, retrieved and attributed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredReceipt {
    pub receipt: InferenceReceipt,
    /// The gateway's signature of the receipt: r ‖ s ‖ v.
    pub signature: Bytes,
    pub request: CanonicalRequest,
    pub response: CanonicalResponse,
    /// Chunks in the prompt, in order.
    pub retrieved: Vec<RetrievedChunk>,
    pub record: AttributionRecord,
}

/// A voucher with the signature that the escrow checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedVoucher {
    pub voucher: Voucher,
    pub signature: Bytes,
}

/// A model's corpus in an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorpusEvidence {
    pub model: ModelId,
    pub datanets: Vec<DatanetRef>,
    /// Contributions with their clusters and contributors.
    pub members: Vec<Member>,
    /// Content hashes, in the order of `members`; the documents are served by hash.
    pub documents: Vec<B256>,
}

/// Everything needed to recompute one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceBundle {
    pub version: u16,
    pub chain_id: u64,
    pub contracts: Contracts,
    /// Canonical JSON of the engine spec, as a string: its bytes are hashed.
    pub engine_spec: String,
    pub post: EpochPost,
    /// Engines' signatures of the post, in ascending order of signer.
    pub signatures: Vec<Bytes>,
    pub receipts: Vec<StoredReceipt>,
    pub corpora: Vec<CorpusEvidence>,
    /// Claims of the last activated epoch before this one.
    pub previous_claims: Claims,
    /// Claims under this epoch's root.
    pub claims: Claims,
    /// The payments that the poster commits to, where they are not what the records pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payments: Option<Payments>,
}

/// Why evidence cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("no evidence of epoch {0} is kept here")]
    NotFound(u64),
    #[error("evidence of epoch {epoch} cannot be read: {source}")]
    Json { epoch: u64, source: serde_json::Error },
    #[error("evidence of epoch {epoch} has version {found}, this program reads {BUNDLE_VERSION}")]
    Version { epoch: u64, found: u16 },
    #[error("the file of epoch {expected} holds epoch {found}")]
    OtherEpoch { expected: u64, found: u64 },
    #[error("{url}: {source}")]
    Http { url: Url, source: reqwest::Error },
    #[error("{url} answered {status}")]
    Status { url: Url, status: u16 },
    #[error("{0} cannot be joined to the evidence address")]
    Address(String),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Scores(#[from] scores::ScoresError),
}

/// Result of evidence access.
pub type Result<T, E = EvidenceError> = std::result::Result<T, E>;

/// Where an auditor gets what the chain does not hold. Nothing it returns is trusted.
#[async_trait]
pub trait EvidenceSource: Send + Sync {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle>;
    /// A document by the hash of its normalised bytes.
    async fn document(&self, content_hash: B256) -> Result<Document>;
    /// What the documents of a batch are, in order, by the batch's content hash.
    async fn list(&self, batch: B256) -> Result<Vec<DocumentCommitment>> {
        Err(ContentError::NotFound(batch).into())
    }
}

/// Bundles in a directory, `<epoch>.json`, beside a content store.
#[derive(Debug)]
pub struct EvidenceStore {
    directory: PathBuf,
    content: std::sync::Arc<ContentStore>,
}

impl EvidenceStore {
    /// Opens the store, creating its directory if it is absent.
    pub fn open(
        directory: impl Into<PathBuf>,
        content: std::sync::Arc<ContentStore>,
    ) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory).map_err(io_error(&directory))?;
        Ok(Self { directory, content })
    }

    pub const fn content(&self) -> &std::sync::Arc<ContentStore> {
        &self.content
    }

    /// Writes a bundle durably, replacing one of an attempt that was not posted.
    pub fn put(&self, bundle: &EvidenceBundle) -> Result<()> {
        let epoch = bundle.post.epochId;
        let path = self.path(epoch);
        let json =
            serde_json::to_vec(bundle).map_err(|source| EvidenceError::Json { epoch, source })?;
        write_atomically(&path, &json, "new").map_err(io_error(&path))
    }

    pub fn get(&self, epoch: u64) -> Result<EvidenceBundle> {
        let path = self.path(epoch);
        match fs::read(&path) {
            Ok(json) => parse(epoch, &json),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(EvidenceError::NotFound(epoch))
            }
            Err(source) => Err(EvidenceError::Io { path, source }),
        }
    }

    /// The bundle's JSON as it is stored, to be served.
    pub fn json(&self, epoch: u64) -> Result<Vec<u8>> {
        let path = self.path(epoch);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(EvidenceError::NotFound(epoch))
            }
            read => read.map_err(io_error(&path)),
        }
    }

    /// What `account` may claim under `epoch`'s root.
    pub fn claim_proofs(&self, epoch: u64, account: Address) -> Result<Vec<ClaimProof>> {
        Ok(self.get(epoch)?.claims.proofs_of(account)?)
    }

    fn path(&self, epoch: u64) -> PathBuf {
        self.directory.join(format!("{epoch}.json"))
    }
}

#[async_trait]
impl EvidenceSource for EvidenceStore {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle> {
        self.get(epoch)
    }

    async fn document(&self, content_hash: B256) -> Result<Document> {
        Ok(self.content.get(content_hash)?)
    }

    async fn list(&self, batch: B256) -> Result<Vec<DocumentCommitment>> {
        Ok(self.content.list_of(batch)?)
    }
}

/// A gateway's evidence over HTTP: `GET <base>attribution/epochs/<id>` and
/// `GET <base>attribution/documents/<content hash>`, where base ends with `/v1/`.
#[derive(Clone, Debug)]
pub struct HttpEvidence {
    base: Url,
    client: reqwest::Client,
}

impl HttpEvidence {
    pub fn new(base: Url) -> Self {
        Self { base, client: reqwest::Client::new() }
    }

    async fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let url = self.base.join(path).map_err(|_| EvidenceError::Address(path.to_owned()))?;
        let http = |source| EvidenceError::Http { url: url.clone(), source };
        let request = self.client.get(url.clone()).timeout(Duration::from_secs(60));
        let response = request.send().await.map_err(http)?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(EvidenceError::Status { url, status });
        }
        Ok(response.bytes().await.map_err(http)?.to_vec())
    }
}

#[async_trait]
impl EvidenceSource for HttpEvidence {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle> {
        match self.fetch(&format!("attribution/epochs/{epoch}")).await {
            Ok(json) => parse(epoch, &json),
            Err(EvidenceError::Status { status: 404, .. }) => Err(EvidenceError::NotFound(epoch)),
            Err(error) => Err(error),
        }
    }

    async fn document(&self, content_hash: B256) -> Result<Document> {
        match self.fetch(&format!("attribution/documents/{content_hash}")).await {
            Ok(bytes) => Ok(Document::normalise(&bytes)?),
            Err(EvidenceError::Status { status: 404, .. }) => {
                Err(ContentError::NotFound(content_hash).into())
            }
            Err(error) => Err(error),
        }
    }

    async fn list(&self, batch: B256) -> Result<Vec<DocumentCommitment>> {
        let path = format!("attribution/batches/{batch}");
        match self.fetch(&path).await {
            Ok(json) => serde_json::from_slice(&json)
                .map_err(|source| ContentError::List { path: path.into(), source }.into()),
            Err(EvidenceError::Status { status: 404, .. }) => {
                Err(ContentError::NotFound(batch).into())
            }
            Err(error) => Err(error),
        }
    }
}

/// Bundles that somebody keeps as `<epoch>.json` in a directory, before those of a gateway; documents are
/// the gateway's. A liar's evidence is not where honest evidence is.
#[derive(Clone, Debug)]
pub struct CollectedEvidence {
    pub directory: Option<PathBuf>,
    pub gateway: HttpEvidence,
}

#[async_trait]
impl EvidenceSource for CollectedEvidence {
    async fn bundle(&self, epoch: u64) -> Result<EvidenceBundle> {
        if let Some(directory) = &self.directory {
            let path = directory.join(format!("{epoch}.json"));
            match fs::read(&path) {
                Ok(json) => return parse(epoch, &json),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(EvidenceError::Io { path, source }),
            }
        }
        self.gateway.bundle(epoch).await
    }

    async fn document(&self, content_hash: B256) -> Result<Document> {
        self.gateway.document(content_hash).await
    }

    async fn list(&self, batch: B256) -> Result<Vec<DocumentCommitment>> {
        self.gateway.list(batch).await
    }
}

fn parse(epoch: u64, json: &[u8]) -> Result<EvidenceBundle> {
    #[derive(Deserialize)]
    struct Version {
        version: u16,
    }
    let error = |source| EvidenceError::Json { epoch, source };
    let Version { version } = serde_json::from_slice(json).map_err(error)?;
    if version != BUNDLE_VERSION {
        return Err(EvidenceError::Version { epoch, found: version });
    }
    let bundle: EvidenceBundle = serde_json::from_slice(json).map_err(error)?;
    if bundle.post.epochId != epoch {
        return Err(EvidenceError::OtherEpoch { expected: epoch, found: bundle.post.epochId });
    }
    Ok(bundle)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Io { path, source }
}
