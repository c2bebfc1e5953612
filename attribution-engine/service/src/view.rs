//! The gateway's view of the real chain: a task follows the model registry and keeps, for every model over our weights,
//! the corpus of its Datanet versions, built as soon as all of its documents have been uploaded.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256};
use async_trait::async_trait;
use parking_lot::RwLock;
use scores::{ModelId, spec::EngineSpec};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    batches,
    chain::{Authorization, Chain, ChainError, DatanetRef, Model},
    clusters::{Corpus, CorpusError, TokenCodec, check_cluster_map},
    content::{ContentError, ContentStore},
    ports::{ChainView, PortError, ServedModel, ServedModels},
};

/// Follows models and documents.
pub struct ModelWatcher {
    pub chain: Chain,
    pub gateway: Address,
    pub spec: EngineSpec,
    pub spec_hash: B256,
    /// SHA-256 of the loaded weights.
    pub base_model_hash: B256,
    pub codec: Arc<dyn TokenCodec>,
    pub content: Arc<ContentStore>,
    /// Where span indexes are kept.
    pub index_directory: PathBuf,
    /// Told when a document was uploaded.
    pub arrived: Arc<Notify>,
    /// Pause between looks at the chain.
    pub poll: Duration,
}

/// Models as the watcher last saw them.
pub struct LiveView {
    chain: Chain,
    gateway: Address,
    models: RwLock<ServedModels>,
    /// Also of models that were retired since: their last receipts may not be attributed yet.
    corpora: RwLock<BTreeMap<ModelId, Arc<Corpus>>>,
    changes: watch::Sender<u64>,
}

#[async_trait]
impl ChainView for LiveView {
    fn models(&self) -> ServedModels {
        self.models.read().clone()
    }

    async fn authorization(&self, customer: Address) -> Result<Authorization, PortError> {
        Ok(self.chain.authorization(customer, self.gateway).await?)
    }
}

impl LiveView {
    /// A view that knows no model yet.
    pub fn new(chain: Chain, gateway: Address) -> Self {
        Self {
            chain,
            gateway,
            models: RwLock::default(),
            corpora: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Told whenever the set of models or their readiness changes.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The corpus of a model, served or retired, if it was ever ready.
    pub fn corpus_of(&self, id: ModelId) -> Option<Arc<Corpus>> {
        self.corpora.read().get(&id).cloned()
    }
}

impl ModelWatcher {
    /// Keeps `view` up to date until cancelled. What the chain cannot tell now is asked again later.
    pub async fn run(self, view: Arc<LiveView>, cancelled: CancellationToken) {
        let mut corpora = BTreeMap::new();
        while !cancelled.is_cancelled() {
            if let Err(error) = self.look(&view, &mut corpora).await {
                tracing::warn!(%error, "cannot follow the model registry");
            }
            tokio::select! {
                () = cancelled.cancelled() => {}
                () = tokio::time::sleep(self.poll) => {}
                () = self.arrived.notified() => {}
            }
        }
    }

    async fn look(
        &self,
        view: &LiveView,
        corpora: &mut BTreeMap<Vec<DatanetRef>, Arc<Corpus>>,
    ) -> Result<(), ChainError> {
        let (_, seen_at) = self.chain.latest_block().await?;
        let mut models = BTreeMap::new();
        for id in 1..=self.chain.model_count().await? {
            let model = self.chain.model(ModelId(id)).await?;
            if model.base_model_hash != self.base_model_hash {
                continue;
            }
            let corpus = self.corpus(&model, corpora).await?;
            if let Ok(corpus) = &corpus {
                view.corpora.write().insert(model.id, corpus.clone());
            }
            if model.retired {
                continue;
            }
            models.insert(model.name.clone(), ServedModel { model, seen_at, corpus });
        }
        let state = |models: &BTreeMap<String, ServedModel>| -> Vec<(Model, Option<String>)> {
            models
                .values()
                .map(|served| (served.model.clone(), served.corpus.as_ref().err().cloned()))
                .collect()
        };
        let before = view.models();
        let changed = state(&before) != state(&models);
        for served in models.values().filter(|served| served.corpus.is_ok()) {
            if before.get(&served.model.name).is_none_or(|before| before.corpus.is_err()) {
                tracing::info!(model = served.model.name, "model is ready");
            }
        }
        *view.models.write() = Arc::new(models);
        if changed {
            view.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    /// The model's corpus, or what it is waiting for, or what is wrong with it.
    async fn corpus(
        &self,
        model: &Model,
        corpora: &mut BTreeMap<Vec<DatanetRef>, Arc<Corpus>>,
    ) -> Result<Result<Arc<Corpus>, String>, ChainError> {
        let corpus = match self.corpus_over(model, corpora).await? {
            Ok(corpus) => corpus,
            Err(why) => return Ok(Err(why)),
        };
        let registered = corpus.check_roots(model).map_err(|error| error.to_string());
        Ok(registered.map(|()| corpus))
    }

    async fn corpus_over(
        &self,
        model: &Model,
        corpora: &mut BTreeMap<Vec<DatanetRef>, Arc<Corpus>>,
    ) -> Result<Result<Arc<Corpus>, String>, ChainError> {
        if model.engine_spec_hash != self.spec_hash {
            let (theirs, ours) = (model.engine_spec_hash, self.spec_hash);
            return Ok(Err(format!(
                "it is registered under engine spec {theirs}, this gateway follows {ours}"
            )));
        }
        if let Some(corpus) = corpora.get(&model.datanets) {
            return Ok(Ok(corpus.clone()));
        }
        let mut documents = Vec::new();
        for reference in &model.datanets {
            let version = self.chain.datanet_version(*reference).await?;
            let mut of_version = Vec::new();
            for contribution in version.active.clone() {
                match batches::stored(&contribution, &self.content, &version.unsound) {
                    Ok(mut documents) => of_version.append(&mut documents),
                    Err(ContentError::Incomplete { index, .. }) => {
                        return Ok(Err(format!(
                            "document {index} of batch {} is not uploaded",
                            contribution.id
                        )));
                    }
                    Err(ContentError::NotFound(_)) => {
                        let datanet = contribution.datanet;
                        return Ok(Err(format!(
                            "the document of contribution {} of datanet {datanet} is not uploaded",
                            contribution.id
                        )));
                    }
                    Err(error) => {
                        tracing::error!(%error, contribution = %contribution.id, "a stored document is unusable");
                        return Ok(Err(format!(
                            "the document of contribution {} must be uploaded again",
                            contribution.id
                        )));
                    }
                }
            }
            if let Err(error) = check_cluster_map(&version, &of_version, self.spec.cluster) {
                return Ok(Err(error.to_string()));
            }
            documents.append(&mut of_version);
        }
        let (spec, codec, directory) =
            (self.spec.clone(), self.codec.clone(), self.index_directory.clone());
        let built = tokio::task::spawn_blocking(move || {
            let corpus = Corpus::build(&spec, documents, codec.as_ref(), Some(&directory))?;
            // Tens of thousands of hashes, which are not to hold up who waits for an answer.
            corpus.roots()?;
            Ok::<_, CorpusError>(corpus)
        })
        .await;
        match built {
            Ok(Ok(corpus)) => {
                let corpus = Arc::new(corpus);
                corpora.insert(model.datanets.clone(), corpus.clone());
                Ok(Ok(corpus))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, model = model.name, "cannot build the corpus");
                Ok(Err(format!("its corpus cannot be built: {error}")))
            }
            Err(error) => {
                tracing::error!(%error, model = model.name, "building the corpus panicked");
                Ok(Err("its corpus cannot be built".into()))
            }
        }
    }
}
