//! The gateway's view of the chain. Tests put a fake in its place.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use async_trait::async_trait;

use crate::{
    chain::{Authorization, Model},
    clusters::Corpus,
};

/// A model on chain whose weights this gateway has loaded.
#[derive(Clone, Debug)]
pub struct ServedModel {
    pub model: Model,
    /// Block time of the view, Unix seconds.
    pub seen_at: u64,
    /// The documents behind it, or why it cannot answer yet.
    pub corpus: Result<Arc<Corpus>, String>,
}

/// Served models by the name that clients write in `model`.
pub type ServedModels = Arc<BTreeMap<String, ServedModel>>;

/// A failure beyond the seam. It is logged; clients learn only that the gateway cannot serve now.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;

/// What the gateway asks the chain.
#[async_trait]
pub trait ChainView: Send + Sync + 'static {
    /// Models that this gateway serves, as last seen.
    fn models(&self) -> ServedModels;

    /// The authorisation of `customer` towards this gateway, at the latest block.
    async fn authorization(&self, customer: Address) -> Result<Authorization, PortError>;
}
