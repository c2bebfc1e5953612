//! Handing transactions to the sequencer, as a follower does: its answer, and its error, come back as they
//! are.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::error::{RpcError, RpcResult};

/// Longer than the sequencer lets a caller wait (`eth_sendRawTransactionSync`).
const ANSWER_MAX: Duration = Duration::from_secs(45);
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The way to the sequencer.
#[derive(Clone, Debug)]
pub(crate) struct Forwarder {
    url: String,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

impl Forwarder {
    /// To a JSON-RPC over HTTP.
    pub(crate) fn new(url: String) -> Self {
        let builder = reqwest::Client::builder().connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX);
        // Without these limits if the system does not allow them.
        Self { url, client: builder.build().unwrap_or_default() }
    }

    /// Asks the sequencer.
    pub(super) async fn call(&self, method: &str, params: Option<&RawValue>) -> RpcResult {
        let lost = |error: &dyn std::error::Error| {
            tracing::warn!(url = self.url, %error, "the sequencer cannot be reached");
            metrics::counter!("rpc_forward_failures_total").increment(1);
            RpcError::server("the sequencer cannot be reached")
        };
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let sent = self.client.post(&self.url).json(&body).send().await;
        let answer = sent.map_err(|error| lost(&error))?.bytes().await;
        let answer = answer.map_err(|error| lost(&error))?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| lost(&error))?;
        metrics::counter!("rpc_forwarded_total").increment(1);
        match (answer.error, answer.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => Ok(Box::<str>::from(result).into_string()),
            (None, None) => Ok("null".to_owned()),
        }
    }
}
