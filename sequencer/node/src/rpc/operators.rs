//! The operators' port of a batcher that is a process of its own: the same methods by the same names as beside
//! a sequencer, for the same callers, and no others.

use std::{net::SocketAddr, sync::Arc};

use axum::body::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    admin,
    authenticated::AuthServer,
    envelope::{Body, Id, Request, write_response},
    error::{RpcError, RpcResult},
};
use crate::{batching::BatcherSwitch, config::AuthConfig, error::NodeError};

/// Calls of one body.
const BATCH_MAX: usize = 100;

/// A bound, not yet serving port.
#[derive(Debug)]
pub struct OperatorsPort {
    server: AuthServer,
    config: AuthConfig,
}

impl OperatorsPort {
    /// Takes the port, so that a taken one is known before anything runs.
    pub async fn bind(config: AuthConfig) -> Result<Self, NodeError> {
        Ok(Self { server: AuthServer::bind(config.listen).await?, config })
    }

    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Lets holders of the secret switch `batcher` until `shutdown`.
    pub async fn run(
        self,
        batcher: Arc<BatcherSwitch>,
        shutdown: CancellationToken,
    ) -> Result<(), NodeError> {
        let answer = move |body: Bytes| {
            let batcher = Arc::clone(&batcher);
            async move { answer(&batcher, &body) }
        };
        self.server.run(self.config.secret, self.config.body_bytes_max, answer, shutdown).await
    }
}

/// Notifications are carried out and not answered.
fn answer(batcher: &BatcherSwitch, body: &[u8]) -> String {
    match Body::parse(body, BATCH_MAX) {
        Body::Single(request) => answer_one(batcher, request).unwrap_or_default(),
        Body::Batch(requests) => {
            let answers: Vec<String> =
                requests.into_iter().filter_map(|request| answer_one(batcher, request)).collect();
            if answers.is_empty() { String::new() } else { format!("[{}]", answers.join(",")) }
        }
    }
}

fn answer_one(batcher: &BatcherSwitch, request: Result<Request<'_>, RpcError>) -> Option<String> {
    let (id, result): (_, RpcResult) = match request {
        Ok(Request { method, id, .. }) => {
            let known = admin::batcher(batcher, &method);
            let result = known.unwrap_or_else(|| Err(RpcError::method_not_found(&method)));
            let Id::Value(_) = id else { return None };
            (id, result)
        }
        Err(error) => (Id::Notification, Err(error)),
    };
    let mut out = String::new();
    write_response(&mut out, id, &result);
    Some(out)
}
