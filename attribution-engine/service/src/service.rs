//! The attribution engine as one service: the gateway, the watcher that follows the chain, the attribution of delivered
//! answers and the poster of epochs. One token stops all; the first that fails stops the rest.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use models::{LanguageModel, ModelError, ModelHandle};
use scores::{ScoresError, spec::EngineSpec};
use tokio::{
    net::TcpListener,
    sync::Notify,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    attributor::{Attributor, AttributorError},
    calls::{Gateway, GatewayConfig},
    chain::{Chain, ChainError, Contracts},
    clusters::TokenCodec,
    content::{ContentError, ContentStore},
    epochs::{EpochError, EpochPoster, PosterConfig},
    evidence::{EvidenceError, EvidenceStore},
    gateway::{Api, Archive, router},
    journal::JournalError,
    ledger::Ledger,
    payments::Payments,
    view::{LiveView, ModelWatcher},
};

/// How long running answers may go on after the service was told to stop.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// Everything a service is told.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Where the gateway listens; port 0 takes a free one.
    pub listen: SocketAddr,
    pub l2_rpc: Url,
    pub contracts: Contracts,
    /// Signs receipts and vouchers and sends redemptions and posts.
    pub gateway_key: PrivateKeySigner,
    /// Sign epochs; at least as many as the settlement's threshold.
    pub engine_keys: Vec<PrivateKeySigner>,
    /// Books, documents, indexes and evidence.
    pub data_dir: PathBuf,
    pub model_path: PathBuf,
    /// The only hash the weights may have; `None` takes any model.
    pub model_sha256: Option<[u8; 32]>,
    /// Requests that may wait while one is answered.
    pub queue_limit: usize,
    pub epochs: PosterConfig,
    /// Renders the process's Prometheus metrics.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl ServiceConfig {
    /// A service on the default model with the usual limits.
    pub fn new(
        listen: SocketAddr,
        l2_rpc: Url,
        gateway_key: PrivateKeySigner,
        engine_keys: Vec<PrivateKeySigner>,
        data_dir: PathBuf,
    ) -> Self {
        Self {
            listen,
            l2_rpc,
            contracts: Contracts::default(),
            gateway_key,
            engine_keys,
            data_dir,
            model_path: models::default_model_path(),
            model_sha256: Some(models::DEFAULT_MODEL_SHA256),
            queue_limit: 16,
            epochs: PosterConfig::default(),
            metrics: None,
        }
    }
}

/// Why the service cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Scores(#[from] ScoresError),
    #[error("the gateway cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("the gateway's HTTP server failed: {0}")]
    Http(io::Error),
    #[error("attribution stopped: {0}")]
    Attribution(#[from] AttributorError),
    #[error("the epoch poster stopped: {0}")]
    Epochs(#[from] EpochError),
    #[error("a task of the attribution engine panicked: {0}")]
    Panicked(tokio::task::JoinError),
}

/// A running service.
pub struct ServiceHandle {
    /// Where the gateway listens.
    pub address: SocketAddr,
    pub engine_spec_hash: B256,
    pub ledger: Arc<Ledger>,
    /// Ends when the service was cancelled, or with the error that stopped it.
    pub join: JoinHandle<Result<(), ServiceError>>,
}

/// The parameters that a model's answers are attributed by, with the hashes of the model.
pub fn engine_spec(model: &dyn LanguageModel) -> EngineSpec {
    EngineSpec {
        tokenizer_hash: model.tokenizer_fingerprint().into(),
        model_hash: model.sha256().into(),
        ..EngineSpec::default()
    }
}

/// The attribution engine.
pub struct Service;

impl Service {
    /// Loads the model, opens the books and starts all tasks. Returns once the gateway listens.
    pub async fn start(
        config: ServiceConfig,
        cancelled: CancellationToken,
    ) -> Result<ServiceHandle, ServiceError> {
        let listener = TcpListener::bind(config.listen).await;
        let listener =
            listener.map_err(|source| ServiceError::Listen { address: config.listen, source })?;
        let address = listener
            .local_addr()
            .map_err(|source| ServiceError::Listen { address: config.listen, source })?;
        let model: Arc<dyn LanguageModel> = {
            let (path, hash, queue) =
                (config.model_path.clone(), config.model_sha256, config.queue_limit);
            let loading =
                tokio::task::spawn_blocking(move || ModelHandle::load(&path, hash, queue));
            Arc::new(loading.await.map_err(ServiceError::Panicked)??)
        };
        let chain = Chain::connect_with_signer(
            config.l2_rpc.clone(),
            config.contracts,
            config.gateway_key.clone(),
        )
        .await?;
        let ledger = Ledger::open(&config.data_dir.join("gateway"))?;
        let content = Arc::new(ContentStore::open(config.data_dir.join("content"))?);
        let evidence =
            Arc::new(EvidenceStore::open(config.data_dir.join("evidence"), content.clone())?);
        let gateway = config.gateway_key.address();
        let view = Arc::new(LiveView::new(chain.clone(), gateway));
        let spec = engine_spec(model.as_ref());
        let spec_hash = spec.hash()?;
        let codec: Arc<dyn TokenCodec> = Arc::new(model.clone());
        let arrived = Arc::new(Notify::new());

        let mut tasks: JoinSet<Result<(), ServiceError>> = JoinSet::new();
        let watcher = ModelWatcher {
            chain: chain.clone(),
            gateway,
            spec: spec.clone(),
            spec_hash,
            base_model_hash: model.sha256().into(),
            codec: codec.clone(),
            content: content.clone(),
            index_directory: config.data_dir.join("index"),
            arrived: arrived.clone(),
            poll: Duration::from_secs(1),
        };
        let (watched, token) = (view.clone(), cancelled.clone());
        tasks.spawn(async move {
            watcher.run(watched, token).await;
            Ok(())
        });
        let attributor =
            Attributor { ledger: ledger.clone(), view: view.clone(), codec: codec.clone() };
        let token = cancelled.clone();
        tasks.spawn(async move { Ok(attributor.run(token).await?) });
        let poster = EpochPoster::new(
            chain.clone(),
            gateway,
            config.engine_keys,
            spec.clone(),
            codec,
            ledger.clone(),
            evidence.clone(),
            config.epochs,
        );
        let token = cancelled.clone();
        tasks.spawn(async move { Ok(poster.run(token).await?) });

        let settings = GatewayConfig::new(chain.chain_id(), config.contracts);
        let books = config.data_dir.join("gateway");
        let payments = Payments::open(&books, chain.clone(), config.gateway_key.clone(), &ledger)?;
        let (settling, token) = (payments.clone(), cancelled.clone());
        tasks.spawn(async move {
            settling.run(token).await;
            Ok(())
        });
        let answering =
            Gateway::new(settings, model, view, ledger.clone(), spec, config.gateway_key)
                .with_payments(payments);
        let archive = Archive { chain, content, evidence, arrived };
        let api = Api {
            gateway: Arc::new(answering),
            archive: Some(Arc::new(archive)),
            metrics: config.metrics,
        };
        let token = cancelled.clone();
        tasks.spawn(async move { serve(listener, api, token).await });

        tracing::info!(%address, %gateway, "gateway is listening");
        let join = tokio::spawn(supervise(tasks, cancelled));
        Ok(ServiceHandle { address, engine_spec_hash: spec_hash, ledger, join })
    }
}

async fn serve(
    listener: TcpListener,
    api: Api,
    cancelled: CancellationToken,
) -> Result<(), ServiceError> {
    let token = cancelled.clone();
    let server = axum::serve(listener, router(api))
        .with_graceful_shutdown(async move { token.cancelled().await });
    tokio::select! {
        served = server.into_future() => served.map_err(ServiceError::Http),
        () = async { cancelled.cancelled().await; tokio::time::sleep(SHUTDOWN_PATIENCE).await } => Ok(()),
    }
}

/// Waits for all tasks; when one ends, so do the others. The first error is the result.
async fn supervise(
    mut tasks: JoinSet<Result<(), ServiceError>>,
    cancelled: CancellationToken,
) -> Result<(), ServiceError> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        cancelled.cancel();
        let ended = ended.unwrap_or_else(|error| Err(ServiceError::Panicked(error)));
        if let Err(error) = &ended {
            tracing::error!(%error, "a task of the attribution engine failed");
        }
        if result.is_ok() {
            result = ended;
        }
    }
    result
}
