//! The economy contracts as typed reads and writes: what Datanets, models and epochs say on chain, and
//! the transactions that redeem, post and activate. Everything read is checked for what the engine
//! relies on (identifiers fit, lists are complete), and nothing is cached.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use alloy_network::{Ethereum, EthereumWallet, TxSigner};
use alloy_primitives::{Address, B256, Bytes, Signature, TxHash, U256, address, keccak256};
use alloy_provider::{
    DynProvider, PendingTransactionBuilder, PendingTransactionError, Provider, ProviderBuilder,
};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, Log, TransactionReceipt};
use alloy_sol_types::{Eip712Domain, SolEvent, SolValue};
use alloy_transport::TransportError;
use scores::{
    ContributionId, DatanetId, ModelId, Sequence,
    document::DocumentCommitment,
    eip712::{self, EpochPost, Voucher},
    epoch::Split,
    merkle,
    royalty::Royalty,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use self::bindings::{
    challenges::ContentChallenges,
    datanets::IDatanetRegistry::{self, IDatanetRegistryInstance},
    dispute::AttributionDispute::{self, AttributionDisputeInstance},
    escrow::IInferenceEscrow::{self, IInferenceEscrowInstance},
    models::IModelRegistry::{self, IModelRegistryInstance},
    settlement::IAttributionSettlement::{self, IAttributionSettlementInstance},
    wopen::WOPEN,
};

mod sending;
mod types;

use sending::{Fill, Turn};
pub use types::{
    Authorization, Contribution, CorpusRoots, DatanetRef, DatanetVersion, EpochState, EpochStatus,
    Model, Place, PostedEpoch, SettlementParameters,
};

/// Bindings generated from the interfaces in `contracts/src/interfaces`.
pub mod bindings {
    #![allow(missing_docs, clippy::too_many_arguments)]

    // From the artifact: the interface imports another, which the macro does not follow.
    pub mod datanets {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            IDatanetRegistry,
            "../../contracts/artifacts/DatanetRegistry.json"
        );
    }
    pub mod challenges {
        alloy_sol_types::sol!(
            #[sol(all_derives)]
            ContentChallenges,
            "../../contracts/artifacts/ContentChallenges.json"
        );
    }
    pub mod models {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/IModelRegistry.sol"
        );
    }
    pub mod escrow {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/IInferenceEscrow.sol"
        );
    }
    pub mod agents {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/IAgents.sol"
        );
    }
    pub mod sponsors {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/ISponsorPool.sol"
        );
    }
    pub mod payments {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/IInferencePayments.sol"
        );
    }
    pub mod wopen {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            WOPEN,
            "../../contracts/artifacts/WOPEN.json"
        );
    }
    pub mod settlement {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            "../../contracts/src/interfaces/IAttributionSettlement.sol"
        );
    }
    pub mod records {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            RecordDispute,
            "../../contracts/artifacts/RecordDispute.json"
        );
    }
    pub mod disclosure {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            EpochDisclosure,
            "../../contracts/artifacts/EpochDisclosure.json"
        );
    }
    pub mod lens {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            SettlementLens,
            "../../contracts/artifacts/SettlementLens.json"
        );
    }
    pub mod facts {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            RecordFacts,
            "../../contracts/artifacts/RecordFacts.json"
        );
    }
    pub mod surprises {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            SurpriseFacts,
            "../../contracts/artifacts/SurpriseFacts.json"
        );
    }
    pub mod dispute {
        alloy_sol_types::sol!(
            #[sol(rpc, all_derives)]
            AttributionDispute,
            "../../contracts/artifacts/AttributionDispute.json"
        );
    }
}

/// Blocks per `eth_getLogs`; what public nodes commonly allow.
const LOG_BLOCKS: u64 = 10_000;

/// Where verdicts about content are, if a chain has them.
pub const CONTENT_CHALLENGES: Address = address!("0x4f50454e00000000000000000000000000000013");

/// Addresses of the economy contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contracts {
    pub datanets: Address,
    pub models: Address,
    pub escrow: Address,
    pub settlement: Address,
    pub dispute: Address,
}

impl Default for Contracts {
    /// The genesis predeploys.
    fn default() -> Self {
        Self {
            datanets: address!("0x4f50454e00000000000000000000000000000001"),
            models: address!("0x4f50454e00000000000000000000000000000002"),
            escrow: address!("0x4f50454e00000000000000000000000000000003"),
            settlement: address!("0x4f50454e00000000000000000000000000000004"),
            dispute: address!("0x4f50454e00000000000000000000000000000005"),
        }
    }
}

/// Addresses of what payments per request go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentContracts {
    pub wopen: Address,
    pub payments: Address,
}

impl Default for PaymentContracts {
    /// The genesis predeploys.
    fn default() -> Self {
        Self {
            wopen: address!("0x4200000000000000000000000000000000000006"),
            payments: address!("0x4f50454e0000000000000000000000000000000e"),
        }
    }
}

/// Longest wait for a block with a transaction, so long that a sequencer may be replaced meanwhile.
const INCLUSION_PATIENCE: Duration = Duration::from_secs(120);

/// What can go wrong between the engine and the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error("{what}: {source}")]
    Call { what: &'static str, source: Box<alloy_contract::Error> },
    #[error("{what}: {source}")]
    Rpc { what: &'static str, source: Box<TransportError> },
    #[error("{what}: no receipt: {source}")]
    Pending { what: &'static str, source: Box<PendingTransactionError> },
    #[error("{what} reverted in transaction {transaction}")]
    Reverted { what: &'static str, transaction: TxHash },
    #[error("{what}: transaction {transaction} is in no block yet")]
    Unconfirmed { what: &'static str, transaction: TxHash },
    #[error("the node's chain id is {found}, expected {expected}")]
    ChainId { expected: u64, found: u64 },
    #[error("{0} is not on chain")]
    NotFound(Missing),
    #[error(
        "Datanet {datanet} version {version} has {expected} contributions, {found} acceptances were found"
    )]
    AcceptancesMissing { datanet: DatanetId, version: u32, expected: u32, found: usize },
    #[error(
        "Datanet {datanet} version {version}: acceptances hash to {computed}, published is {published}"
    )]
    ContributionsRoot { datanet: DatanetId, version: u32, computed: B256, published: B256 },
    #[error("a log of {what} cannot be decoded: {source}")]
    Log { what: &'static str, source: alloy_sol_types::Error },
    #[error(transparent)]
    Scores(#[from] scores::ScoresError),
}

impl ChainError {
    /// Whether trying again later may help: the node did not answer, rather than answer no.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Rpc { .. } | Self::Pending { .. } | Self::Unconfirmed { .. } => true,
            Self::Call { source, .. } => {
                matches!(&**source, alloy_contract::Error::TransportError(error) if !error.is_error_resp())
            }
            _ => false,
        }
    }
}

/// Result of chain access.
pub type Result<T, E = ChainError> = std::result::Result<T, E>;

/// What was looked for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Contribution(ContributionId),
    Version(DatanetId, u32),
    Model(ModelId),
    Epoch(u64),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contribution(id) => write!(f, "contribution {id}"),
            Self::Version(datanet, version) => write!(f, "version {version} of Datanet {datanet}"),
            Self::Model(id) => write!(f, "model {id}"),
            Self::Epoch(id) => write!(f, "epoch {id}"),
        }
    }
}

/// A connection to the L2 with the contracts' addresses, and an account to send from if one was given.
#[derive(Clone, Debug)]
pub struct Chain {
    provider: DynProvider,
    contracts: Contracts,
    payment_contracts: PaymentContracts,
    chain_id: u64,
    sender: Option<Address>,
    filler: Option<Arc<dyn Fill>>,
    /// Held while a transaction is numbered and sent, so that no two get the same number.
    turn: Arc<Mutex<Turn>>,
}

impl Chain {
    /// Connects for reading.
    pub async fn connect(rpc: Url, contracts: Contracts) -> Result<Self> {
        let provider = ProviderBuilder::new().connect_http(rpc).erased();
        Self::with_provider(provider, contracts, None).await
    }

    /// Connects for reading and for sending transactions from `signer`: a key, or whoever keeps one.
    pub async fn connect_with_signer(
        rpc: Url,
        contracts: Contracts,
        signer: impl TxSigner<Signature> + Send + Sync + 'static,
    ) -> Result<Self> {
        let sender = signer.address();
        // The node is asked for each nonce: one that is counted here is used up by a transaction that fails before it
        // is sent, and everything after it would wait for ever.
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .with_gas_estimation()
            .with_simple_nonce_management()
            .fetch_chain_id()
            .wallet(EthereumWallet::from(signer))
            .connect_http(rpc);
        let filler: Arc<dyn Fill> = Arc::new(provider.clone());
        let chain = Self::with_provider(provider.erased(), contracts, Some(sender)).await?;
        Ok(Self { filler: Some(filler), ..chain })
    }

    async fn with_provider(
        provider: DynProvider,
        contracts: Contracts,
        sender: Option<Address>,
    ) -> Result<Self> {
        let chain_id = provider.get_chain_id().await.map_err(rpc("reading the chain id"))?;
        let payment_contracts = PaymentContracts::default();
        Ok(Self {
            provider,
            contracts,
            payment_contracts,
            chain_id,
            sender,
            filler: None,
            turn: Arc::default(),
        })
    }

    /// With payments per request at other addresses than genesis gives them.
    pub const fn with_payment_contracts(mut self, contracts: PaymentContracts) -> Self {
        self.payment_contracts = contracts;
        self
    }

    pub const fn payment_contracts(&self) -> PaymentContracts {
        self.payment_contracts
    }

    /// The right to send the next transaction; clones of a connection share it.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().await
    }

    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub const fn contracts(&self) -> Contracts {
        self.contracts
    }

    /// Whose transactions this connection signs.
    pub const fn sender(&self) -> Option<Address> {
        self.sender
    }

    /// The node behind the connection.
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// EIP-712 domain of vouchers.
    pub fn escrow_domain(&self) -> Eip712Domain {
        eip712::escrow_domain(self.chain_id, self.contracts.escrow)
    }

    /// EIP-712 domain of receipts and epoch posts.
    pub fn settlement_domain(&self) -> Eip712Domain {
        eip712::settlement_domain(self.chain_id, self.contracts.settlement)
    }

    /// Number and timestamp (Unix seconds) of the latest block.
    pub async fn latest_block(&self) -> Result<(u64, u64)> {
        let what = "reading the latest block";
        let block =
            self.provider.get_block_by_number(BlockNumberOrTag::Latest).await.map_err(rpc(what))?;
        Ok(block.map_or((0, 0), |block| (block.header.number, block.header.timestamp)))
    }

    /// A contribution, which must be revealed.
    pub async fn contribution(&self, id: ContributionId) -> Result<Contribution> {
        let what = "reading a contribution";
        let stored = self
            .datanets()
            .contribution(id.to_u256())
            .call()
            .await
            .map_err(lookup(what, Missing::Contribution(id)))?;
        if stored.contentHash.is_zero() {
            return Err(ChainError::NotFound(Missing::Contribution(id)));
        }
        Ok(Contribution {
            id,
            datanet: DatanetId::try_from(stored.datanetId)?,
            contributor: stored.contributor,
            sequence: Sequence(stored.sequence),
            commitment: DocumentCommitment {
                content_hash: stored.contentHash,
                chunk_root: stored.chunkRoot,
                chunk_count: stored.chunkCount,
                byte_length: stored.byteLength,
                sketch_hash: stored.sketchHash,
            },
            place: None,
        })
    }

    /// Contributions of a Datanet that are accepted and not tombstoned by now, in order of acceptance: what a
    /// version published now would count.
    pub async fn accepted(&self, datanet: DatanetId) -> Result<Vec<Contribution>> {
        let (mut acceptances, tombstones) = self.datanet_history(datanet).await?;
        let gone: BTreeSet<ContributionId> = tombstones.keys().copied().collect();
        acceptances.sort_by_key(|acceptance| acceptance.index);
        self.read_all(acceptances.iter().map(|a| a.contribution).filter(|id| !gone.contains(id)))
            .await
    }

    /// A published version, with its contributions checked against the root on chain.
    pub async fn datanet_version(&self, reference: DatanetRef) -> Result<DatanetVersion> {
        let DatanetRef { datanet, version } = reference;
        let what = "reading a Datanet version";
        let missing = ChainError::NotFound(Missing::Version(datanet, version));
        let stored = self
            .datanets()
            .version(datanet.to_u256(), version)
            .call()
            .await
            .map_err(lookup(what, Missing::Version(datanet, version)))?;
        let filter = Filter::new()
            .address(self.contracts.datanets)
            .event_signature(IDatanetRegistry::VersionPublished::SIGNATURE_HASH)
            .topic1(datanet.to_u256())
            .topic2(U256::from(version));
        let published = self.logs(filter, 0).await?.first().map(position).ok_or(missing)?;
        let (acceptances, tombstones) = self.datanet_history(datanet).await?;
        let accepted = self.accepted_of(&stored, acceptances, reference).await?;
        let active: Vec<Contribution> = accepted
            .into_iter()
            .filter(|c| tombstones.get(&c.id).is_none_or(|tombstone| *tombstone > published))
            .collect();
        Ok(DatanetVersion {
            datanet,
            version,
            contributions_root: stored.contributionsRoot,
            cluster_map_root: stored.clusterMapRoot,
            unsound: self.ruled_out(|position| position < published).await?,
            active,
        })
    }

    /// Keys of documents that are ruled out by now.
    pub async fn unsound(&self) -> Result<BTreeSet<B256>> {
        self.ruled_out(|_| true).await
    }

    /// Keys of documents that were ruled out at positions that count: withdrawn by their contributors, or shown to be unavailable,
    /// falsely sketched or plagiarised.
    async fn ruled_out(&self, counts: impl Fn(LogPosition) -> bool) -> Result<BTreeSet<B256>> {
        let withdrawn = ContentChallenges::DocumentTombstoned::SIGNATURE_HASH;
        let unavailable = ContentChallenges::Unavailable::SIGNATURE_HASH;
        let sketch = ContentChallenges::SketchFalse::SIGNATURE_HASH;
        let plagiarism = ContentChallenges::PlagiarismProven::SIGNATURE_HASH;
        let filter = Filter::new().address(CONTENT_CHALLENGES).event_signature(vec![
            withdrawn,
            unavailable,
            sketch,
            plagiarism,
        ]);
        let mut keys = BTreeSet::new();
        for log in self.logs(filter, 0).await? {
            if !counts(position(&log)) {
                continue;
            }
            let signature = log.topic0().copied().unwrap_or_default();
            let key = if signature == withdrawn {
                let event =
                    decode::<ContentChallenges::DocumentTombstoned>(&log, "DocumentTombstoned")?;
                keccak256((event.contributionId, U256::from(event.index)).abi_encode())
            } else if signature == unavailable {
                decode::<ContentChallenges::Unavailable>(&log, "Unavailable")?.key
            } else if signature == sketch {
                decode::<ContentChallenges::SketchFalse>(&log, "SketchFalse")?.key
            } else {
                decode::<ContentChallenges::PlagiarismProven>(&log, "PlagiarismProven")?.key
            };
            keys.insert(key);
        }
        Ok(keys)
    }

    /// Contributions of a Datanet that are tombstoned by now.
    pub async fn tombstoned(&self, datanet: DatanetId) -> Result<BTreeSet<ContributionId>> {
        Ok(self.datanet_history(datanet).await?.1.into_keys().collect())
    }

    /// All contributions of a published version in order of acceptance, those withdrawn since included: what its root
    /// commits to, which is checked.
    pub async fn accepted_in(&self, reference: DatanetRef) -> Result<Vec<Contribution>> {
        let DatanetRef { datanet, version } = reference;
        let stored = self
            .datanets()
            .version(datanet.to_u256(), version)
            .call()
            .await
            .map_err(lookup("reading a Datanet version", Missing::Version(datanet, version)))?;
        let (acceptances, _) = self.datanet_history(datanet).await?;
        self.accepted_of(&stored, acceptances, reference).await
    }

    async fn accepted_of(
        &self,
        stored: &IDatanetRegistry::Version,
        mut acceptances: Vec<Acceptance>,
        DatanetRef { datanet, version }: DatanetRef,
    ) -> Result<Vec<Contribution>> {
        acceptances.retain(|acceptance| acceptance.index < stored.contributionCount);
        acceptances.sort_by_key(|acceptance| acceptance.index);
        if acceptances.len() != stored.contributionCount as usize {
            return Err(ChainError::AcceptancesMissing {
                datanet,
                version,
                expected: stored.contributionCount,
                found: acceptances.len(),
            });
        }
        let accepted = self.read_all(acceptances.iter().map(|a| a.contribution)).await?;
        let computed = merkle::root_of(accepted.iter().map(Contribution::leaf))?;
        if computed != stored.contributionsRoot {
            return Err(ChainError::ContributionsRoot {
                datanet,
                version,
                computed,
                published: stored.contributionsRoot,
            });
        }
        Ok(accepted)
    }

    /// Models registered so far, retired ones included.
    pub async fn model_count(&self) -> Result<u64> {
        let count = self.models().modelCount().call().await.map_err(call("counting models"))?;
        Ok(ModelId::try_from(count)?.0)
    }

    pub async fn model(&self, id: ModelId) -> Result<Model> {
        let what = "reading a model";
        if id.0 == 0 || id.0 > self.model_count().await? {
            return Err(ChainError::NotFound(Missing::Model(id)));
        }
        let models = self.models();
        let stored = models.model(id.to_u256()).call().await.map_err(call(what))?;
        let datanets = models.datanetsOf(id.to_u256()).call().await.map_err(call(what))?;
        let datanets = datanets
            .into_iter()
            .map(|r| {
                Ok(DatanetRef { datanet: DatanetId::try_from(r.datanetId)?, version: r.version })
            })
            .collect::<Result<Vec<_>>>()?;
        let params = stored.params;
        let adapter_set_hash = match params.adapters.as_slice() {
            [] => B256::ZERO,
            adapters => keccak256(adapters.to_vec().abi_encode()),
        };
        Ok(Model {
            id,
            name: params.name,
            owner: stored.owner,
            retired: stored.retired,
            base_model_hash: params.baseModelHash,
            adapter_set_hash,
            engine_spec_hash: params.engineSpecHash,
            retrieval_chunks: params.retrievalChunks,
            price_1k_in: params.pricePer1kIn.to::<u128>(),
            price_1k_out: params.pricePer1kOut.to::<u128>(),
            split: Split {
                model_bps: params.split.modelBps,
                contributors_bps: params.split.contributorsBps,
                stakers_bps: params.split.stakersBps,
            },
            payee: params.payee,
            datanets,
            roots: CorpusRoots { surprises: params.surpriseRoot, clusters: params.clusterMapRoot },
        })
    }

    /// What a model owes to those that it derives from.
    pub async fn royalties(&self, id: ModelId) -> Result<Vec<Royalty>> {
        let what = "reading royalties";
        let owed = self.models().royaltiesOf(id.to_u256()).call().await.map_err(call(what))?;
        let royalty = |owed: IModelRegistry::Royalty| Royalty {
            model: ModelId(owed.modelId),
            payee: owed.payee,
            bps: owed.bps,
        };
        Ok(owed.into_iter().map(royalty).collect())
    }

    /// Whether there is a contract at an address.
    pub async fn has_code(&self, address: Address) -> Result<bool> {
        let code = self.provider.get_code_at(address).await.map_err(rpc("reading code"))?;
        Ok(!code.is_empty())
    }

    /// Every (in, out) price that the model has had up to now, wei per 1,000 tokens.
    pub async fn prices(&self, id: ModelId) -> Result<BTreeSet<(u128, u128)>> {
        let filter = Filter::new().address(self.contracts.models).topic1(id.to_u256());
        let registered = IModelRegistry::ModelRegistered::SIGNATURE_HASH;
        let changed = IModelRegistry::PriceChanged::SIGNATURE_HASH;
        let filter = filter.event_signature(vec![registered, changed]);
        let mut prices = BTreeSet::new();
        for log in self.logs(filter, 0).await? {
            let price = if log.topic0() == Some(&changed) {
                let event = decode::<IModelRegistry::PriceChanged>(&log, "PriceChanged")?;
                (event.pricePer1kIn, event.pricePer1kOut)
            } else {
                let event = decode::<IModelRegistry::ModelRegistered>(&log, "ModelRegistered")?;
                (event.params.pricePer1kIn, event.params.pricePer1kOut)
            };
            prices.insert((price.0.to::<u128>(), price.1.to::<u128>()));
        }
        Ok(prices)
    }

    /// What `customer` allows `gateway` to draw.
    pub async fn authorization(
        &self,
        customer: Address,
        gateway: Address,
    ) -> Result<Authorization> {
        let what = "reading an authorisation";
        let stored =
            self.escrow().authorization(customer, gateway).call().await.map_err(call(what))?;
        Ok(Authorization {
            signer: stored.signer,
            cap: stored.cap,
            redeemed: stored.redeemed,
            expiry: stored.expiry,
            nonce: stored.nonce,
        })
    }

    pub async fn settlement_parameters(&self) -> Result<SettlementParameters> {
        let what = "reading the settlement's parameters";
        let stored = self.settlement().parameters().call().await.map_err(call(what))?;
        Ok(SettlementParameters {
            platform_bps: stored.platformBps,
            threshold: stored.threshold,
            challenge_window: stored.challengeWindow,
            bond_min: stored.bondMin,
            platform: stored.platform,
            stakers: stored.stakers,
            sink: stored.sink,
        })
    }

    /// The platform's share as it stood at the end of `block`; later changes do not touch earlier epochs.
    pub async fn platform_bps_at(&self, block: u64) -> Result<u16> {
        let signature = IAttributionSettlement::ParametersSet::SIGNATURE_HASH;
        let filter = Filter::new().address(self.contracts.settlement).event_signature(signature);
        let mut at = None;
        for log in self.logs(filter, 0).await? {
            if log.block_number.is_some_and(|number| number <= block) {
                at = Some(decode::<IAttributionSettlement::ParametersSet>(&log, "ParametersSet")?);
            }
        }
        match at {
            Some(event) => Ok(event.platformBps),
            // Set in genesis, which has no logs.
            None => Ok(self.settlement_parameters().await?.platform_bps),
        }
    }

    /// Id that the next post must have.
    pub async fn next_epoch_id(&self) -> Result<u64> {
        self.settlement().nextEpochId().call().await.map_err(call("reading the next epoch id"))
    }

    /// Id of the epoch whose claims root is in force; zero for none.
    pub async fn last_activated(&self) -> Result<u64> {
        self.settlement().lastActivated().call().await.map_err(call("reading the last epoch"))
    }

    /// Number that the gateway's next epoch must begin with.
    pub async fn next_receipt_of(&self, gateway: Address) -> Result<u64> {
        let what = "reading the next receipt number";
        self.settlement().nextReceiptOf(gateway).call().await.map_err(call(what))
    }

    /// What the gateway has redeemed and no epoch reserves, wei.
    pub async fn funds_available(&self, gateway: Address) -> Result<U256> {
        let what = "reading a gateway's funds";
        Ok(self.settlement().fundsOf(gateway).call().await.map_err(call(what))?.available)
    }

    pub async fn is_engine(&self, account: Address) -> Result<bool> {
        self.settlement().isEngine(account).call().await.map_err(call("reading an engine"))
    }

    /// An epoch's state; `EpochStatus::None` if it was never posted.
    pub async fn epoch(&self, id: u64) -> Result<EpochState> {
        let stored = self.settlement().epoch(id).call().await.map_err(call("reading an epoch"))?;
        let status = match stored.status {
            IAttributionSettlement::EpochStatus::Posted => EpochStatus::Posted,
            IAttributionSettlement::EpochStatus::Activated => EpochStatus::Activated,
            IAttributionSettlement::EpochStatus::Rejected => EpochStatus::Rejected,
            _ => EpochStatus::None,
        };
        Ok(EpochState {
            id,
            status,
            gateway: stored.gateway,
            poster: stored.poster,
            deadline: stored.deadline,
            fees: stored.fees,
            residual: stored.residual,
            post_hash: stored.postHash,
            claims_root: stored.claimsRoot,
            claims_total: stored.claimsTotal,
        })
    }

    /// The last epoch before `id` that was activated, if any: the one whose claims `id` carries on. One epoch is
    /// pending at a time, so its fate was known when `id` was posted.
    pub async fn activated_before(&self, id: u64) -> Result<Option<EpochState>> {
        for earlier in (1..id).rev() {
            let state = self.epoch(earlier).await?;
            if state.status == EpochStatus::Activated {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// The post of an epoch as its transaction's event and call data show it.
    pub async fn posted_epoch(&self, id: u64) -> Result<PostedEpoch> {
        let what = "reading a post";
        let filter = Filter::new()
            .address(self.contracts.settlement)
            .event_signature(IAttributionSettlement::EpochPosted::SIGNATURE_HASH)
            .topic1(U256::from(id));
        let logs = self.logs(filter, 0).await?;
        let missing = || ChainError::NotFound(Missing::Epoch(id));
        let log = logs.first().ok_or_else(missing)?;
        let event = decode::<IAttributionSettlement::EpochPosted>(log, "EpochPosted")?;
        let hash = log.transaction_hash.ok_or_else(missing)?;
        let transaction = self
            .provider
            .get_transaction_by_hash(hash)
            .await
            .map_err(rpc(what))?
            .ok_or_else(missing)?;
        let input = alloy_consensus::Transaction::input(&transaction);
        // A post made through another contract shows its signatures only inside that call.
        let signatures =
            <IAttributionSettlement::postEpochCall as alloy_sol_types::SolCall>::abi_decode(input)
                .map(|call| call.signatures)
                .unwrap_or_default();
        Ok(PostedEpoch {
            post: from_binding(event.post),
            signatures,
            block: log.block_number.unwrap_or_default(),
            transaction: hash,
        })
    }

    /// Redeems vouchers at the escrow.
    pub async fn redeem(&self, vouchers: &[(Voucher, Bytes)]) -> Result<TransactionReceipt> {
        let what = "redeeming vouchers";
        let (vouchers, signatures) = vouchers
            .iter()
            .map(|(voucher, signature)| {
                let voucher = IInferenceEscrow::Voucher {
                    customer: voucher.customer,
                    gateway: voucher.gateway,
                    nonce: voucher.nonce,
                    cumulative: voucher.cumulative,
                };
                (voucher, signature.clone())
            })
            .unzip();
        let pending = {
            let _turn = self.turn().await;
            self.escrow().redeem(vouchers, signatures).send().await.map_err(call(what))?
        };
        mined(what, pending).await
    }

    /// Pays `amount` wei of the sender's, unwrapped first if they are wrapped, in as a gateway's funds.
    pub async fn fund(&self, gateway: Address, amount: u128) -> Result<TransactionReceipt> {
        let what = "funding an epoch";
        let wopen = WOPEN::new(self.payment_contracts.wopen, self.provider.clone());
        let sender = self.sender.unwrap_or_default();
        let wrapped = wopen.balanceOf(sender).call().await.map_err(call(what))?;
        let unwrapped = wrapped.min(U256::from(amount));
        if !unwrapped.is_zero() {
            let sent = {
                let _turn = self.turn().await;
                wopen.withdraw(unwrapped).send().await.map_err(call(what))?
            };
            mined(what, sent).await?;
        }
        let settlement = self.settlement();
        let funding = settlement.fund(gateway).value(U256::from(amount));
        let sent = {
            let _turn = self.turn().await;
            funding.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// The least bond of the next epoch with these fees, wei: it covers what is promised and unclaimed, too.
    pub async fn bond_for(&self, fees: u128) -> Result<u128> {
        let what = "reading the bond of an epoch";
        let bond = self.settlement().bondFor(fees).call().await.map_err(call(what))?;
        Ok(bond.saturating_to())
    }

    /// What the sender has, wei.
    pub async fn balance(&self) -> Result<U256> {
        let sender = self.sender.unwrap_or_default();
        self.provider.get_balance(sender).await.map_err(rpc("reading a balance"))
    }

    /// Posts an epoch with `bond` wei.
    pub async fn post_epoch(
        &self,
        post: &EpochPost,
        signatures: Vec<Bytes>,
        bond: u128,
    ) -> Result<TransactionReceipt> {
        let what = "posting an epoch";
        let settlement = self.settlement();
        let posting = settlement.postEpoch(to_binding(post), signatures).value(U256::from(bond));
        let sent = {
            let _turn = self.turn().await;
            posting.send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// What has been paid into a Datanet's pool by activated epochs, wei.
    pub async fn pool_funded(&self, datanet: DatanetId) -> Result<u128> {
        let what = "reading a pool";
        self.settlement().poolFunded(datanet.to_u256()).call().await.map_err(call(what))
    }

    /// What the settlement owes an account outside of pools, wei: shares, bonds and rewards.
    pub async fn credit(&self, account: Address) -> Result<U256> {
        let what = "reading a credit";
        self.settlement().credit(account).call().await.map_err(call(what))
    }

    /// Pays the sender's credit at the settlement to `to`.
    pub async fn withdraw(&self, to: Address) -> Result<TransactionReceipt> {
        let what = "withdrawing a credit";
        let sent = {
            let _turn = self.turn().await;
            self.settlement().withdraw(to).send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    /// Activates an epoch after its window.
    pub async fn activate(&self, post: &EpochPost) -> Result<TransactionReceipt> {
        let what = "activating an epoch";
        let sent = {
            let _turn = self.turn().await;
            self.settlement().activate(to_binding(post)).send().await.map_err(call(what))?
        };
        mined(what, sent).await
    }

    pub fn datanets(&self) -> IDatanetRegistryInstance<DynProvider> {
        IDatanetRegistry::new(self.contracts.datanets, self.provider.clone())
    }

    pub fn models(&self) -> IModelRegistryInstance<DynProvider> {
        IModelRegistry::new(self.contracts.models, self.provider.clone())
    }

    pub fn escrow(&self) -> IInferenceEscrowInstance<DynProvider> {
        IInferenceEscrow::new(self.contracts.escrow, self.provider.clone())
    }

    pub fn settlement(&self) -> IAttributionSettlementInstance<DynProvider> {
        IAttributionSettlement::new(self.contracts.settlement, self.provider.clone())
    }

    pub fn dispute(&self) -> AttributionDisputeInstance<DynProvider> {
        AttributionDispute::new(self.contracts.dispute, self.provider.clone())
    }

    async fn read_all(
        &self,
        ids: impl Iterator<Item = ContributionId>,
    ) -> Result<Vec<Contribution>> {
        let mut contributions = Vec::new();
        for id in ids {
            contributions.push(self.contribution(id).await?);
        }
        Ok(contributions)
    }

    /// Acceptances of a Datanet, and where each tombstone stands.
    async fn datanet_history(
        &self,
        datanet: DatanetId,
    ) -> Result<(Vec<Acceptance>, BTreeMap<ContributionId, LogPosition>)> {
        let accepted = IDatanetRegistry::ContributionAccepted::SIGNATURE_HASH;
        let tombstoned = IDatanetRegistry::ContributionTombstoned::SIGNATURE_HASH;
        let filter = Filter::new()
            .address(self.contracts.datanets)
            .event_signature(vec![accepted, tombstoned])
            .topic1(datanet.to_u256());
        let mut acceptances = Vec::new();
        let mut tombstones = BTreeMap::new();
        for log in self.logs(filter, 0).await? {
            if log.topic0() == Some(&accepted) {
                let event =
                    decode::<IDatanetRegistry::ContributionAccepted>(&log, "ContributionAccepted")?;
                acceptances.push(Acceptance {
                    index: event.index,
                    contribution: ContributionId::try_from(event.contributionId)?,
                });
            } else {
                let event = decode::<IDatanetRegistry::ContributionTombstoned>(
                    &log,
                    "ContributionTombstoned",
                )?;
                let id = ContributionId::try_from(event.contributionId)?;
                tombstones.insert(id, position(&log));
            }
        }
        Ok((acceptances, tombstones))
    }

    /// Logs from block `from` to the latest, in pieces that a node serves.
    pub(crate) async fn logs(&self, filter: Filter, from: u64) -> Result<Vec<Log>> {
        let what = "reading logs";
        let head = self.provider.get_block_number().await.map_err(rpc(what))?;
        let mut logs = Vec::new();
        let mut start = from;
        while start <= head {
            let end = head.min(start.saturating_add(LOG_BLOCKS - 1));
            let piece = filter.clone().from_block(start).to_block(end);
            logs.extend(self.provider.get_logs(&piece).await.map_err(rpc(what))?);
            start = end + 1;
        }
        Ok(logs)
    }
}

struct Acceptance {
    index: u32,
    contribution: ContributionId,
}

/// Block number and index within the block.
type LogPosition = (u64, u64);

fn position(log: &Log) -> LogPosition {
    (log.block_number.unwrap_or_default(), log.log_index.unwrap_or_default())
}

fn decode<E: SolEvent>(log: &Log, what: &'static str) -> Result<E> {
    E::decode_log(&log.inner)
        .map(|event| event.data)
        .map_err(|source| ChainError::Log { what, source })
}

pub(crate) fn call(what: &'static str) -> impl FnOnce(alloy_contract::Error) -> ChainError {
    move |source| ChainError::Call { what, source: Box::new(source) }
}

/// For views that revert when what they are asked for does not exist.
pub(crate) fn lookup(
    what: &'static str,
    missing: Missing,
) -> impl FnOnce(alloy_contract::Error) -> ChainError {
    move |source| match source.as_revert_data() {
        Some(_) => ChainError::NotFound(missing),
        None => call(what)(source),
    }
}

pub(crate) fn rpc(what: &'static str) -> impl FnOnce(TransportError) -> ChainError {
    move |source| ChainError::Rpc { what, source: Box::new(source) }
}

/// Waits until a transaction is in a block, which must not have reverted it.
pub(crate) async fn mined(
    what: &'static str,
    sent: PendingTransactionBuilder<Ethereum>,
) -> Result<TransactionReceipt> {
    let transaction = *sent.tx_hash();
    let receipt = tokio::time::timeout(INCLUSION_PATIENCE, sent.get_receipt())
        .await
        .map_err(|_| ChainError::Unconfirmed { what, transaction })?
        .map_err(|source| ChainError::Pending { what, source: Box::new(source) })?;
    succeeded(what, receipt)
}

fn succeeded(what: &'static str, receipt: TransactionReceipt) -> Result<TransactionReceipt> {
    if receipt.status() {
        Ok(receipt)
    } else {
        Err(ChainError::Reverted { what, transaction: receipt.transaction_hash })
    }
}

/// A post as one of the interfaces names it: each contract's bindings have types of their own.
macro_rules! post_of {
    ($bindings:ident, $post:expr) => {{
        let post: &scores::eip712::EpochPost = $post;
        $bindings::EpochPost {
            epochId: post.epochId,
            gateway: post.gateway,
            engineSpecHash: post.engineSpecHash,
            receiptsRoot: post.receiptsRoot,
            firstReceipt: post.firstReceipt,
            receiptCount: post.receiptCount,
            claimsRoot: post.claimsRoot,
            claimsTotal: post.claimsTotal,
            models: post
                .models
                .iter()
                .map(|model| $bindings::ModelTotal {
                    modelId: model.modelId,
                    fees: model.fees,
                    attributed: model.attributed,
                })
                .collect(),
            pools: post
                .pools
                .iter()
                .map(|pool| $bindings::PoolTotal { datanetId: pool.datanetId, amount: pool.amount })
                .collect(),
        }
    }};
}
pub(crate) use post_of;

fn to_binding(post: &EpochPost) -> IAttributionSettlement::EpochPost {
    post_of!(IAttributionSettlement, post)
}

fn from_binding(post: IAttributionSettlement::EpochPost) -> EpochPost {
    EpochPost {
        epochId: post.epochId,
        gateway: post.gateway,
        engineSpecHash: post.engineSpecHash,
        receiptsRoot: post.receiptsRoot,
        firstReceipt: post.firstReceipt,
        receiptCount: post.receiptCount,
        claimsRoot: post.claimsRoot,
        claimsTotal: post.claimsTotal,
        models: post
            .models
            .into_iter()
            .map(|model| eip712::ModelTotal {
                modelId: model.modelId,
                fees: model.fees,
                attributed: model.attributed,
            })
            .collect(),
        pools: post
            .pools
            .into_iter()
            .map(|pool| eip712::PoolTotal { datanetId: pool.datanetId, amount: pool.amount })
            .collect(),
    }
}
