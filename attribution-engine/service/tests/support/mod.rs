//! A world to settle in: anvil, the economy contracts, three authors and a copier, a model over their
//! documents, a customer with money, and a gateway that answers with quotations.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_provider::{DynProvider, Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use alloy_sol_types::{SolCall, SolValue};
use attribution_service::{
    batches::{items, stored},
    chain::{
        CONTENT_CHALLENGES, Chain, Contracts, Contribution, CorpusRoots, DatanetRef,
        DatanetVersion,
        bindings::{
            challenges::{Batches, ContentChallenges},
            datanets::IDatanetRegistry,
            models::IModelRegistry,
        },
    },
    clusters::{Corpus, CorpusDocument, TokenCodec, cluster_map},
    content::{ContentError, ContentStore},
    disclosure::EPOCH_DISCLOSURE,
    epochs::{EpochPoster, PosterConfig, ReceiptSource},
    evidence::{EvidenceBundle, EvidenceStore, SignedVoucher, StoredReceipt},
    explain::SETTLEMENT_LENS,
    pinned::vocabulary_root,
    records::RECORD_DISPUTE,
};
use models::Tokenizer;
use parking_lot::Mutex;
use scores::{
    ContributionId, DatanetId, ModelId,
    cluster::ClusterMap,
    document::{Document, DocumentCommitment},
    eip712::{InferenceReceipt, Voucher},
    epoch::fee,
    exchange::{CanonicalMessage, CanonicalRequest, CanonicalResponse, retrieval_root},
    spec::EngineSpec,
};
use tests_anvil::AnvilInstance;

/// Seconds.
pub const CHALLENGE_WINDOW: u64 = 30;
/// Seconds.
const SHARE_WINDOW: u64 = 2;
const CHAIN_ID: u64 = 16_120;
/// Seconds.
pub const AUTHORIZATION: u64 = 86_400;
const PRICE: u128 = 1_000_000_000_000;
const ONE: u128 = 1_000_000_000_000_000_000;
const LICENCE: &str = "blessing";

macro_rules! send {
    ($call:expr, $from:expr) => {{
        let receipt = $call.from($from).send().await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status(), stringify!($call));
    }};
}

pub struct World {
    pub chain: Chain,
    pub gateway: Address,
    pub codec: Tokenizer,
    pub journal: Arc<Journal>,
    pub evidence: Arc<EvidenceStore>,
    tokenizer: fn() -> Tokenizer,
    provider: DynProvider,
    url: String,
    gateway_key: PrivateKeySigner,
    engines: Vec<PrivateKeySigner>,
    spec: EngineSpec,
    corpus: Arc<Corpus>,
    model: ModelId,
    documents: Vec<(&'static str, Document)>,
    _directory: tempfile::TempDir,
    anvil: AnvilInstance,
}

/// The gateway's books, in memory.
#[derive(Default)]
pub struct Journal {
    receipts: Mutex<Vec<StoredReceipt>>,
    voucher: Mutex<Option<SignedVoucher>>,
}

impl Journal {
    pub fn take_voucher(&self) -> SignedVoucher {
        self.voucher.lock().take().expect("a voucher")
    }

    pub fn set_voucher(&self, voucher: SignedVoucher) {
        *self.voucher.lock() = Some(voucher);
    }

    pub fn change(&self, position: usize, change: impl FnOnce(&mut StoredReceipt)) {
        change(&mut self.receipts.lock()[position]);
    }
}

impl ReceiptSource for Journal {
    fn receipts(&self, first: u64, limit: usize) -> Vec<StoredReceipt> {
        self.receipts.lock().iter().skip(first as usize).take(limit).cloned().collect()
    }

    fn vouchers(&self) -> Vec<SignedVoucher> {
        self.voucher.lock().iter().cloned().collect()
    }
}

/// Roles by their index in the development mnemonic.
pub fn key(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::from_phrase_nth(
        "test test test test test test test test test test test junk",
        index,
    )
}

const AUTHORS: [(&str, u32, &str); 3] = [
    ("alice", 1, "alice/wal.txt"),
    ("bob", 2, "bob/autoinc.txt"),
    ("mallory", 3, "mallory/wal-explained.txt"),
];
pub const CUSTOMER: u32 = 4;
const GATEWAY: u32 = 5;
const ENGINES: [u32; 3] = [6, 7, 8];
const OWNER: u32 = 0;
const STRANGER: u32 = 9;

impl World {
    pub async fn start() -> Self {
        Self::start_with(byte_tokenizer).await
    }

    /// Under another tokenizer than that of bytes.
    pub async fn start_with(tokenizer: fn() -> Tokenizer) -> Self {
        let anvil =
            tests_anvil::start(&["--chain-id", &CHAIN_ID.to_string()]).expect("anvil is needed");
        let url = anvil.endpoint();
        let wallet = (0..10).fold(EthereumWallet::default(), |mut wallet, index| {
            wallet.register_signer(key(index));
            wallet
        });
        let mut wallet_with_default = wallet;
        wallet_with_default.register_default_signer(key(OWNER));
        let provider = ProviderBuilder::new()
            .wallet(wallet_with_default)
            .connect_http(url.parse().unwrap())
            .erased();
        let contracts = deploy(&provider).await;
        let gateway_key = key(GATEWAY);
        let chain =
            Chain::connect_with_signer(url.parse().unwrap(), contracts, gateway_key.clone())
                .await
                .unwrap();
        let codec = tokenizer();
        let spec = EngineSpec {
            tokenizer_hash: TokenCodec::fingerprint(&codec),
            model_hash: B256::repeat_byte(7),
            ..EngineSpec::default()
        };
        let directory = tempfile::tempdir().unwrap();
        let content = Arc::new(ContentStore::open(directory.path().join("content")).unwrap());
        let evidence =
            EvidenceStore::open(directory.path().join("evidence"), content.clone()).unwrap();

        let documents = contribute(&provider, &chain, &content).await;
        let clusters = publish(&provider, &chain, &content, &spec, DatanetId(1)).await;
        assert_eq!(clusters.member(ContributionId(3)).unwrap().cluster, ContributionId(1));
        let references = [DatanetRef { datanet: DatanetId(1), version: 1 }];
        let documents_of_model = documents_of(&chain, &content, &references).await;
        let corpus =
            Corpus::build(&spec, documents_of_model, &codec, Some(directory.path())).unwrap();
        let corpus = Arc::new(corpus);
        let (roots, name) = (corpus.roots().unwrap(), "sqlite-guide");
        let model = register_model(&provider, &chain, &spec, name, &references, roots).await;
        fund(&provider, &chain, gateway_key.address()).await;
        Self {
            gateway: gateway_key.address(),
            chain,
            codec,
            tokenizer,
            journal: Arc::default(),
            evidence: Arc::new(evidence),
            provider,
            url,
            gateway_key,
            engines: ENGINES.map(key).to_vec(),
            spec,
            corpus,
            model,
            documents,
            _directory: directory,
            anvil,
        }
    }

    pub fn address(&self, author: &str) -> Address {
        key(AUTHORS.iter().find(|(name, ..)| *name == author).unwrap().1).address()
    }

    pub async fn balance(&self, account: Address) -> U256 {
        self.provider.get_balance(account).await.unwrap()
    }

    pub async fn set_balance(&self, account: Address, wei: U256) {
        let _: serde_json::Value =
            self.provider.raw_request("anvil_setBalance".into(), (account, wei)).await.unwrap();
    }

    pub async fn advance(&self, seconds: u64) {
        let _: serde_json::Value =
            self.provider.raw_request("evm_increaseTime".into(), (seconds,)).await.unwrap();
        let _: serde_json::Value = self.provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }

    pub fn poster(&self) -> EpochPoster {
        self.poster_every(Duration::ZERO)
    }

    pub fn poster_every(&self, interval: Duration) -> EpochPoster {
        self.poster_of(self.journal.clone(), interval)
    }

    /// Posts receipts of another source than the journal.
    pub fn poster_of(&self, receipts: Arc<dyn ReceiptSource>, interval: Duration) -> EpochPoster {
        EpochPoster::new(
            self.chain.clone(),
            self.gateway,
            self.engines.clone(),
            self.spec.clone(),
            Arc::new((self.tokenizer)()),
            receipts,
            self.evidence.clone(),
            PosterConfig { interval, receipts_max: 100, poll: Duration::from_millis(10) },
        )
    }

    /// The stranger contributes documents as one batch, which are uploaded one by one; from now on answers are those of
    /// a model over them, too.
    pub async fn add_batch(&mut self, documents: &[(&'static str, &str)]) -> Contribution {
        let author = key(STRANGER).address();
        let datanets = self.chain.contracts().datanets;
        let registry = IDatanetRegistry::new(datanets, self.provider.clone());
        let documents: Vec<(&'static str, Document)> = documents
            .iter()
            .map(|(name, text)| (*name, Document::normalise(text.as_bytes()).unwrap()))
            .collect();
        let list: Vec<DocumentCommitment> = documents
            .iter()
            .map(|(_, document)| DocumentCommitment::of(document).unwrap())
            .collect();
        let reveal = reveal_of(&DocumentCommitment::of_batch(&list).unwrap(), STRANGER);
        let (datanet, id) = (U256::from(1), U256::from(4));
        let hash = registry.commitmentOf(datanet, author, reveal.clone()).call().await.unwrap();
        send!(registry.commit(datanet, hash).value(U256::from(ONE / 1_000)), author);
        send!(registry.reveal(id, reveal), author);
        send!(registry.accept(vec![id]), key(OWNER).address());
        let batch = self.chain.contribution(ContributionId(4)).await.unwrap();
        assert!(batch.is_batch());
        let content = self.evidence.content().clone();
        for (item, (_, document)) in items(&batch, &list).unwrap().iter().zip(&documents) {
            let early = content.list_of(batch.commitment.content_hash).unwrap_err();
            let missing =
                matches!(early, ContentError::Incomplete { .. } | ContentError::NotFound(_));
            assert!(missing, "{early}");
            let place = item.place.as_ref().unwrap();
            content.accept_of_batch(&batch, place, document.text().as_bytes()).unwrap();
        }
        publish(&self.provider, &self.chain, &content, &self.spec, DatanetId(1)).await;
        self.stand_over(&[DatanetRef { datanet: DatanetId(1), version: 2 }]).await;
        self.documents.extend(documents);
        batch
    }

    /// The stranger contributes a document to a Datanet of its own; from now on answers are those of a model over it and the
    /// first.
    pub async fn add_datanet(&mut self, name: &'static str, text: &str) -> ContributionId {
        let author = key(STRANGER).address();
        let registry =
            IDatanetRegistry::new(self.chain.contracts().datanets, self.provider.clone());
        send!(registry.createDatanet(datanet_params("Of strangers")), key(OWNER).address());
        let document = Document::normalise(text.as_bytes()).unwrap();
        let reveal = reveal_of(&DocumentCommitment::of(&document).unwrap(), STRANGER);
        let (datanet, id) = (U256::from(2), U256::from(4));
        let hash = registry.commitmentOf(datanet, author, reveal.clone()).call().await.unwrap();
        send!(registry.commit(datanet, hash).value(U256::from(ONE / 1_000)), author);
        send!(registry.reveal(id, reveal), author);
        send!(registry.accept(vec![id]), key(OWNER).address());
        let contribution = self.chain.contribution(ContributionId(4)).await.unwrap();
        let content = self.evidence.content().clone();
        content.accept(&contribution, document.text().as_bytes()).unwrap();
        publish(&self.provider, &self.chain, &content, &self.spec, DatanetId(2)).await;
        let both = [1, 2].map(|id| DatanetRef { datanet: DatanetId(id), version: 1 });
        self.stand_over(&both).await;
        self.documents.push((name, document));
        contribution.id
    }

    /// Registers a second model, which answers from now on.
    async fn stand_over(&mut self, references: &[DatanetRef]) {
        let documents = documents_of(&self.chain, self.evidence.content(), references).await;
        let corpus = Corpus::build(&self.spec, documents, &self.codec, None).unwrap();
        self.corpus = Arc::new(corpus);
        let roots = self.corpus.roots().unwrap();
        self.register("sqlite-library", references, roots).await;
    }

    /// Registers a model, which answers from now on.
    pub async fn register(&mut self, name: &str, references: &[DatanetRef], roots: CorpusRoots) {
        let (provider, chain) = (&self.provider, &self.chain);
        self.model = register_model(provider, chain, &self.spec, name, references, roots).await;
    }

    /// The model's documents, as its gateway sees them.
    pub fn corpus(&self) -> Arc<Corpus> {
        self.corpus.clone()
    }

    pub const fn model(&self) -> ModelId {
        self.model
    }

    pub const fn gateway_key(&self) -> &PrivateKeySigner {
        &self.gateway_key
    }

    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    pub fn document(&self, author: &str) -> &Document {
        &self.documents.iter().find(|(name, _)| *name == author).unwrap().1
    }

    /// Stops the chain for good.
    pub fn stop_chain(&mut self) {
        self.anvil.child_mut().kill().unwrap();
        self.anvil.child_mut().wait().unwrap();
    }

    /// Deploys a contract from the owner's account.
    pub async fn deploy(&self, contract: &str, arguments: Vec<u8>) -> Address {
        let request =
            TransactionRequest::default().with_deploy_code(creation_code(contract, arguments));
        let sent = self.provider.send_transaction(request).await.unwrap();
        let receipt = sent.get_receipt().await.unwrap();
        assert!(receipt.status());
        receipt.contract_address.unwrap()
    }

    /// Keeps the chain as it is, to be returned to.
    pub async fn snapshot(&self) -> U256 {
        self.provider.raw_request("evm_snapshot".into(), ()).await.unwrap()
    }

    /// Returns to what was kept; transactions since were never made.
    pub async fn revert(&self, snapshot: U256) {
        let kept: bool = self.provider.raw_request("evm_revert".into(), (snapshot,)).await.unwrap();
        assert!(kept);
    }

    /// A connection that sends from the account with this index.
    pub async fn connect(&self, index: u32) -> Chain {
        self.connect_as(key(index)).await
    }

    /// A connection that sends from this account.
    pub async fn connect_as(&self, signer: PrivateKeySigner) -> Chain {
        let url = self.url.parse().unwrap();
        Chain::connect_with_signer(url, self.chain.contracts(), signer).await.unwrap()
    }

    /// Posts an epoch with two engines' signatures, whatever it says.
    pub async fn post(&self, bundle: &EvidenceBundle) {
        let fees = bundle.post.models.iter().map(|model| model.fees).sum::<u128>();
        // A connection of its own: one that was there before a revert waits for blocks that are gone.
        let chain = self.connect_as(self.gateway_key.clone()).await;
        let funded = chain.settlement().fund(self.gateway).value(U256::from(fees)).send().await;
        assert!(funded.unwrap().get_receipt().await.unwrap().status());
        let digest = bundle.post.digest(&self.chain.settlement_domain());
        let mut engines: Vec<_> = self.engines.iter().take(2).collect();
        engines.sort_by_key(|engine| engine.address());
        let signatures = engines
            .into_iter()
            .map(|engine| Bytes::from(engine.sign_hash_sync(&digest).unwrap().as_bytes()))
            .collect();
        let bond = chain.bond_for(fees).await.unwrap();
        chain.post_epoch(&bundle.post, signatures, bond).await.unwrap();
    }

    /// Puts `RecordDispute` where `AttributionDispute` looks for it, and `EpochDisclosure` beside it, under the world's engine spec.
    pub async fn deploy_records(&self) {
        let owner = key(OWNER).address();
        let nonce = self.provider.get_transaction_count(owner).await.unwrap();
        let (facts, surprises) = (owner.create(nonce), owner.create(nonce + 1));
        let Contracts { datanets, models, settlement, dispute, .. } = self.chain.contracts();
        let spec = (
            self.spec.hash().unwrap(),
            U256::from(self.spec.credit.cluster_weight_max),
            U256::from(self.spec.credit.match_tokens_min),
            U256::from(self.spec.cluster.sketch_matches_min),
            vocabulary_root(&self.codec).unwrap(),
            U256::from(self.codec.vocabulary_size()),
        );
        let share = U256::from(SHARE_WINDOW);
        let of_facts = (settlement, models, datanets, CONTENT_CHALLENGES, spec).abi_encode_params();
        let disclosure = EPOCH_DISCLOSURE;
        let of_disputes =
            (dispute, facts, surprises, disclosure, settlement, models, datanets, spec, share);
        let codes = [
            creation_code("RecordFacts", of_facts.clone()),
            creation_code("SurpriseFacts", of_facts),
            creation_code("RecordDispute", of_disputes.abi_encode_params()),
            creation_code(
                "EpochDisclosure",
                (settlement, RECORD_DISPUTE, models).abi_encode_params(),
            ),
            // Nothing is reviewed or challenged here; the facts ask what is sound.
            creation_code(
                "ContentChallenges",
                (datanets, owner, owner, U256::from(ONE), U256::from(86_400)).abi_encode_params(),
            ),
        ];
        for code in codes {
            let request = TransactionRequest::default().with_deploy_code(code);
            let sent = self.provider.send_transaction(request).await.unwrap();
            assert!(sent.get_receipt().await.unwrap().status());
        }
        let places = [RECORD_DISPUTE, EPOCH_DISCLOSURE, CONTENT_CHALLENGES];
        for (nonce, place) in (nonce + 2..).zip(places) {
            let code = self.provider.get_code_at(owner.create(nonce)).await.unwrap();
            let _: serde_json::Value =
                self.provider.raw_request("anvil_setCode".into(), (place, code)).await.unwrap();
        }
    }

    /// Puts `SettlementLens` where genesis has it.
    pub async fn deploy_lens(&self) {
        let Contracts { settlement, models, .. } = self.chain.contracts();
        let lens = self.deploy("SettlementLens", (settlement, models).abi_encode_params()).await;
        let code = self.provider.get_code_at(lens).await.unwrap();
        let _: serde_json::Value = self
            .provider
            .raw_request("anvil_setCode".into(), (SETTLEMENT_LENS, code))
            .await
            .unwrap();
    }

    /// Lets the chain make a block every second, as L2 does, instead of one for each transaction.
    pub async fn make_blocks(&self) {
        let _: serde_json::Value =
            self.provider.raw_request("evm_setIntervalMining".into(), (1,)).await.unwrap();
    }

    /// Lets the chain make a block for each transaction again.
    pub async fn make_blocks_at_once(&self) {
        let _: serde_json::Value =
            self.provider.raw_request("evm_setIntervalMining".into(), (0,)).await.unwrap();
        let _: serde_json::Value =
            self.provider.raw_request("evm_setAutomine".into(), (true,)).await.unwrap();
    }

    /// A connection that sends from an account without a part in anything.
    pub async fn stranger(&self) -> Chain {
        self.connect(STRANGER).await
    }

    /// Alice withdraws her document, and the curator publishes the next version.
    pub async fn withdraw_alice(&self) {
        let datanets = self.chain.contracts().datanets;
        let registry = IDatanetRegistry::new(datanets, self.provider.clone());
        send!(registry.tombstone(U256::from(1)), self.address("alice"));
        self.publish().await;
    }

    /// Alice has her document ruled out where verdicts about content are, and the curator publishes the next version.
    pub async fn rule_out_alice(&self) {
        let DocumentCommitment { content_hash, chunk_root, chunk_count, byte_length, sketch_hash } =
            self.chain.contribution(ContributionId(1)).await.unwrap().commitment;
        let call = ContentChallenges::tombstoneDocumentCall {
            item: Batches::Item {
                contributionId: U256::from(1),
                index: 0,
                document: Batches::Document {
                    contentHash: content_hash,
                    chunkRoot: chunk_root,
                    chunkCount: chunk_count,
                    byteLength: byte_length,
                    sketchHash: sketch_hash,
                },
                proof: vec![],
            },
        };
        let request = TransactionRequest::default()
            .to(CONTENT_CHALLENGES)
            .from(self.address("alice"))
            .input(call.abi_encode().into());
        let sent = self.provider.send_transaction(request).await.unwrap();
        assert!(sent.get_receipt().await.unwrap().status());
        self.publish().await;
    }

    /// The curator publishes a version of what counts by now.
    async fn publish(&self) {
        let content = self.evidence.content();
        publish(&self.provider, &self.chain, content, &self.spec, DatanetId(1)).await;
    }

    /// The documents that count in a version.
    pub async fn version(&self, version: u32) -> (DatanetVersion, Vec<CorpusDocument>) {
        let reference = DatanetRef { datanet: DatanetId(1), version };
        let version = self.chain.datanet_version(reference).await.unwrap();
        let content = self.evidence.content();
        let documents = with_documents(&version.active, content, &version.unsound);
        (version, documents)
    }

    pub const fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    /// Answers a question with quotations of (author, first byte, length), and words of nobody's between.
    pub fn answer(&self, question: &str, quotations: &[(&str, usize, usize)]) {
        let mut text = String::from("Zyx qvj. ");
        for (author, from, length) in quotations {
            let document = &self.documents.iter().find(|(name, _)| name == author).unwrap().1;
            text.push_str(&document.text()[*from..from + length]);
            text.push_str(" Kjh vbq wpz. ");
        }
        let request = CanonicalRequest {
            version: 1,
            modelId: self.model.to_u256(),
            messages: vec![CanonicalMessage { role: "user".into(), content: question.into() }],
            maxTokens: 4_096,
            temperatureMillionths: 0,
            topPMillionths: 1_000_000,
            seed: 1,
            stop: vec![],
        };
        let response = CanonicalResponse {
            version: 1,
            tokens: TokenCodec::encode(&self.codec, &text).unwrap(),
            text,
            finishReason: "stop".into(),
        };
        let retrieved: Vec<_> =
            self.corpus.retrieve(question, 2).iter().map(|chunk| chunk.reference).collect();
        let mut receipts = self.journal.receipts.lock();
        let tokens_out = response.tokens.len() as u32;
        let receipt = InferenceReceipt {
            number: receipts.len() as u64,
            modelId: self.model.to_u256(),
            customer: key(CUSTOMER).address(),
            gateway: self.gateway,
            requestHash: request.hash(),
            responseHash: response.hash(),
            tokensIn: 100,
            tokensOut: tokens_out,
            fee: fee(100, tokens_out, PRICE, PRICE).unwrap(),
            timestamp: 1,
            engineSpecHash: self.spec.hash().unwrap(),
            adapterSetHash: B256::ZERO,
            retrievalRoot: retrieval_root(&retrieved).unwrap(),
        };
        let digest = receipt.digest(&self.chain.settlement_domain());
        let record = self.corpus.record_of(&receipt, &request, &response, &self.codec).unwrap();
        let signature = self.gateway_key.sign_hash_sync(&digest).unwrap().as_bytes();
        receipts.push(StoredReceipt {
            receipt,
            signature: Bytes::from(signature),
            request,
            response,
            retrieved,
            record,
        });
        let voucher = Voucher {
            customer: key(CUSTOMER).address(),
            gateway: self.gateway,
            nonce: 1,
            cumulative: receipts.iter().map(|stored| stored.receipt.fee).sum(),
        };
        let digest = voucher.digest(&self.chain.escrow_domain());
        let signature = self.gateway_key.sign_hash_sync(&digest).unwrap().as_bytes();
        self.journal.set_voucher(SignedVoucher { voucher, signature: Bytes::from(signature) });
    }
}

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

fn creation_code(contract: &str, arguments: Vec<u8>) -> Vec<u8> {
    let path = root().join(format!("contracts/artifacts/{contract}.json"));
    let artifact: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let code: Bytes = artifact["bytecode"].as_str().unwrap().parse().unwrap();
    [code.to_vec(), arguments].concat()
}

/// The contracts know each other's addresses before they exist, as in genesis.
async fn deploy(provider: &DynProvider) -> Contracts {
    let owner = key(OWNER).address();
    let at = |nonce: u64| owner.create(nonce);
    let contracts = Contracts {
        datanets: at(0),
        models: at(1),
        escrow: at(2),
        settlement: at(3),
        dispute: at(4),
    };
    let engines: Vec<Address> = ENGINES.map(|index| key(index).address()).to_vec();
    let parameters = (
        U256::from(500),
        U256::from(2),
        U256::from(CHALLENGE_WINDOW),
        U256::from(ONE / 1_000),
        owner,
        owner,
        owner,
    );
    let settlement =
        (owner, contracts.models, contracts.dispute, U256::from(1), parameters, engines)
            .abi_encode_params();
    let codes = [
        creation_code("DatanetRegistry", owner.abi_encode()),
        creation_code("ModelRegistry", contracts.datanets.abi_encode()),
        creation_code("InferenceEscrow", contracts.settlement.abi_encode()),
        creation_code("AttributionSettlement", settlement),
        creation_code("AttributionDispute", contracts.settlement.abi_encode()),
    ];
    for code in codes {
        let request = TransactionRequest::default().with_deploy_code(code);
        let receipt =
            provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
    }
    contracts
}

/// A Datanet with everyone's document, committed in the authors' order and accepted.
async fn contribute(
    provider: &DynProvider,
    chain: &Chain,
    content: &ContentStore,
) -> Vec<(&'static str, Document)> {
    let registry = IDatanetRegistry::new(chain.contracts().datanets, provider.clone());
    let params = datanet_params("How an embedded database works");
    send!(registry.createDatanet(params), key(OWNER).address());
    let mut documents = Vec::new();
    let mut reveals = Vec::new();
    for (name, index, file) in AUTHORS {
        let bytes = std::fs::read(root().join("tests/data/sqlite").join(file)).unwrap();
        let document = Document::normalise(&bytes).unwrap();
        let commitment = DocumentCommitment::of(&document).unwrap();
        let reveal = reveal_of(&commitment, index);
        let author = key(index).address();
        let hash =
            registry.commitmentOf(U256::from(1), author, reveal.clone()).call().await.unwrap();
        send!(registry.commit(U256::from(1), hash).value(U256::from(ONE / 1_000)), author);
        reveals.push((author, reveal));
        documents.push((name, document));
    }
    for ((author, reveal), id) in reveals.into_iter().zip(1_u64..) {
        send!(registry.reveal(U256::from(id), reveal), author);
    }
    send!(registry.accept((1..=3).map(U256::from).collect()), key(OWNER).address());
    for ((_, document), id) in documents.iter().zip(1_u64..) {
        let contribution = chain.contribution(ContributionId(id)).await.unwrap();
        content.accept(&contribution, document.text().as_bytes()).unwrap();
    }
    documents
}

fn datanet_params(name: &str) -> IDatanetRegistry::DatanetParams {
    IDatanetRegistry::DatanetParams {
        name: name.into(),
        licence: LICENCE.into(),
        licenceTextHash: B256::repeat_byte(1),
        schemaHash: B256::ZERO,
        bond: U256::from(ONE / 1_000).to(),
        revealWindow: 3_600,
        curators: vec![],
    }
}

/// A text of `tests/data/sqlite`.
pub fn sample(file: &str) -> String {
    std::fs::read_to_string(root().join("tests/data/sqlite").join(file)).unwrap()
}

fn reveal_of(commitment: &DocumentCommitment, salt: u32) -> IDatanetRegistry::Reveal {
    IDatanetRegistry::Reveal {
        contentHash: commitment.content_hash,
        chunkRoot: commitment.chunk_root,
        chunkCount: commitment.chunk_count,
        byteLength: commitment.byte_length,
        sketchHash: commitment.sketch_hash,
        licenceHash: keccak256(LICENCE),
        provenance: vec![],
        archive: String::new(),
        salt: B256::repeat_byte(salt as u8),
    }
}

fn with_documents(
    contributions: &[Contribution],
    content: &ContentStore,
    unsound: &BTreeSet<B256>,
) -> Vec<CorpusDocument> {
    let documents = |contribution| stored(contribution, content, unsound).unwrap();
    contributions.iter().flat_map(documents).collect()
}

/// The curator publishes a version of what counts in a Datanet by now.
async fn publish(
    provider: &DynProvider,
    chain: &Chain,
    content: &ContentStore,
    spec: &EngineSpec,
    datanet: DatanetId,
) -> ClusterMap {
    let accepted = chain.accepted(datanet).await.unwrap();
    let documents = with_documents(&accepted, content, &chain.unsound().await.unwrap());
    let clusters = cluster_map(&documents, spec.cluster).unwrap();
    let registry = IDatanetRegistry::new(chain.contracts().datanets, provider.clone());
    send!(registry.publishVersion(datanet.to_u256(), clusters.root()), key(OWNER).address());
    clusters
}

/// The documents that count in versions of Datanets.
async fn documents_of(
    chain: &Chain,
    content: &ContentStore,
    references: &[DatanetRef],
) -> Vec<CorpusDocument> {
    let mut documents = Vec::new();
    for reference in references {
        let version = chain.datanet_version(*reference).await.unwrap();
        documents.extend(with_documents(&version.active, content, &version.unsound));
    }
    documents
}

async fn register_model(
    provider: &DynProvider,
    chain: &Chain,
    spec: &EngineSpec,
    name: &str,
    references: &[DatanetRef],
    roots: CorpusRoots,
) -> ModelId {
    let owner = key(OWNER).address();
    let models = IModelRegistry::new(chain.contracts().models, provider.clone());
    let reference = |r: &DatanetRef| IModelRegistry::DatanetRef {
        datanetId: r.datanet.to_u256(),
        version: r.version,
    };
    let params = IModelRegistry::ModelParams {
        name: name.into(),
        sources: vec![],
        baseModelHash: spec.model_hash,
        adapters: vec![],
        datanets: references.iter().map(reference).collect(),
        trainingManifestRoot: B256::ZERO,
        sketchRoot: B256::ZERO,
        surpriseRoot: roots.surprises,
        clusterMapRoot: roots.clusters,
        engineSpecHash: spec.hash().unwrap(),
        retrievalChunks: 2,
        pricePer1kIn: U256::from(PRICE).to(),
        pricePer1kOut: U256::from(PRICE).to(),
        split: IModelRegistry::Split { modelBps: 4_000, contributorsBps: 5_000, stakersBps: 1_000 },
        payee: owner,
        royaltyBps: 0,
        licence: String::new(),
    };
    send!(models.registerModel(params), owner);
    ModelId(models.modelCount().call().await.unwrap().to())
}

async fn fund(provider: &DynProvider, chain: &Chain, gateway: Address) {
    let customer = key(CUSTOMER).address();
    let escrow = attribution_service::chain::bindings::escrow::IInferenceEscrow::new(
        chain.contracts().escrow,
        provider.clone(),
    );
    send!(escrow.deposit(customer).value(U256::from(ONE)), customer);
    let (_, now) = chain.latest_block().await.unwrap();
    send!(escrow.authorize(gateway, gateway, ONE, now + AUTHORIZATION), customer);
}

/// Every byte is a token; GPT-2's printable stand-ins for the bytes, in the order of the bytes.
pub fn byte_tokenizer() -> Tokenizer {
    Tokenizer::new(byte_tokens(), vec![], Default::default(), vec![], false).unwrap()
}

/// Every word of the samples of two authors is a token with the space before it; so is every beginning of it.
pub fn word_tokenizer() -> Tokenizer {
    let (mut tokens, mut merges) = (byte_tokens(), Vec::new());
    let space = tokens[usize::from(b' ')].clone();
    let texts = [sample(AUTHORS[0].2), sample(AUTHORS[1].2)];
    let words: std::collections::BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))
        .collect();
    for word in words {
        let mut head = space.clone();
        for letter in word.chars() {
            let longer = format!("{head}{letter}");
            if !tokens.contains(&longer) {
                merges.push(format!("{head} {letter}"));
                tokens.push(longer.clone());
            }
            head = longer;
        }
    }
    Tokenizer::new(tokens, merges, Default::default(), vec![], false).unwrap()
}

fn byte_tokens() -> Vec<String> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut stand_in = 256_u32;
    let token = |byte: u8| {
        let code = if printable(byte) {
            u32::from(byte)
        } else {
            stand_in += 1;
            stand_in - 1
        };
        char::from_u32(code).unwrap().to_string()
    };
    (0..=255_u8).map(token).collect()
}
