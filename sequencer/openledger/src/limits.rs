//! How a batcher holds its sequencer back while its backlog waits for L1, and how operators of the sequencer hold
//! the batcher: in one process, or over the operators' port of the sequencer's node.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::U64;
use anyhow::{Context, Result, ensure};
use l1::{BatcherControl, DataLimits};
use node::{Admin, Batching, jwt::JwtSecret};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

/// No answer within this time counts as none.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Between a call that failed and the next.
const PAUSE: Duration = Duration::from_secs(2);
/// A sequencer that starts again knows no limits: they are told again after this time.
const REPEAT: Duration = Duration::from_secs(30);

/// The sequencer of this process, limited by the batcher.
pub struct Limits(pub Arc<Admin>);

impl DataLimits for Limits {
    fn set(&self, transaction: u64, block: u64) {
        let _ = self.0.da_limits.set(transaction, block);
    }
}

/// The batcher of this process, switched by operators of the sequencer.
#[derive(Debug)]
pub struct Switch(pub BatcherControl);

impl Batching for Switch {
    fn start(&self) {
        self.0.start();
    }

    fn stop(&self) {
        self.0.stop();
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }
}

/// Bytes of a transaction and of a block.
type Sizes = (u64, u64);

/// The sequencer of another process, limited by calls of `miner_setMaxDASize` on its operators' port.
#[derive(Debug)]
pub struct RemoteLimits(watch::Sender<Sizes>);

impl RemoteLimits {
    /// The limits, and the task that tells the node at `url` of them until `shutdown`.
    pub fn new(
        url: Url,
        secret: JwtSecret,
        shutdown: CancellationToken,
    ) -> Result<(Self, impl Future<Output = Result<()>> + Send + 'static)> {
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
        let (sizes, wanted) = watch::channel((0, 0));
        let telling = async move {
            tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                ended = tell(client, url, secret, wanted) => ended,
            }
        };
        Ok((Self(sizes), telling))
    }
}

impl DataLimits for RemoteLimits {
    fn set(&self, transaction: u64, block: u64) {
        self.0.send_replace((transaction, block));
    }
}

/// Tells of every change, and again from time to time, until nobody sets limits any more.
async fn tell(
    client: reqwest::Client,
    url: Url,
    secret: JwtSecret,
    mut wanted: watch::Receiver<Sizes>,
) -> Result<()> {
    loop {
        let sizes = *wanted.borrow_and_update();
        let wait = match call(&client, &url, &secret, sizes).await {
            Ok(()) => REPEAT,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the sequencer's limits cannot be set"
                );
                PAUSE
            }
        };
        if let Ok(Err(_)) = tokio::time::timeout(wait, wanted.changed()).await {
            return Ok(());
        }
    }
}

async fn call(
    client: &reqwest::Client,
    url: &Url,
    secret: &JwtSecret,
    (transaction, block): Sizes,
) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let request = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "miner_setMaxDASize",
        "params": [U64::from(transaction), U64::from(block)],
    });
    let answer = client.post(url.clone()).bearer_auth(secret.token(now)).json(&request).send();
    let answer = answer.await.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    ensure!(
        status != reqwest::StatusCode::UNAUTHORIZED,
        "{url} refuses the token: is --jwt-secret the one of the sequencer?"
    );
    ensure!(status.is_success(), "{url} answered {status}");
    let answer: Value = answer.json().await.with_context(|| format!("{url} speaks no JSON-RPC"))?;
    ensure!(answer["result"] == true, "{url} answered {}", answer["error"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{
        Json, Router,
        extract::State,
        http::{HeaderMap, StatusCode},
        routing::post,
    };
    use tokio::sync::mpsc;

    use super::*;

    type Calls = mpsc::UnboundedSender<Value>;

    /// A port that fails at its first call.
    async fn port(secret: JwtSecret, calls: Calls) -> Url {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let answer = move |State(calls): State<Calls>, headers: HeaderMap, body: Json<Value>| {
            let token = headers["authorization"].to_str().unwrap().to_owned();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let checked = secret.check(token.strip_prefix("Bearer ").unwrap(), now);
            let first =
                calls.send(body.0["params"].clone()).is_ok() && body.0["params"][0] == "0x0";
            async move {
                match checked {
                    Err(_) => Err(StatusCode::UNAUTHORIZED),
                    Ok(()) if first => Err(StatusCode::INTERNAL_SERVER_ERROR),
                    Ok(()) => Ok(Json(json!({"jsonrpc": "2.0", "id": 1, "result": true}))),
                }
            }
        };
        let router = Router::new().route("/", post(answer)).with_state(calls);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn limits_are_told_until_they_are_heard() {
        let directory = tempfile::tempdir().unwrap();
        let secret = JwtSecret::read_or_create(&directory.path().join("jwt.hex")).unwrap();
        let other = JwtSecret::read_or_create(&directory.path().join("other.hex")).unwrap();
        let (calls, mut heard) = mpsc::unbounded_channel();
        let url = port(secret.clone(), calls).await;
        let client = reqwest::Client::new();
        let error = call(&client, &url, &other, (1, 2)).await.unwrap_err().to_string();
        assert!(error.contains("is --jwt-secret the one"), "{error}");
        assert_eq!(heard.recv().await.unwrap(), json!(["0x1", "0x2"]));

        let shutdown = CancellationToken::new();
        let (limits, telling) = RemoteLimits::new(url, secret, shutdown.clone()).unwrap();
        let telling = tokio::spawn(telling);
        // The first is refused and told again.
        for _ in 0..2 {
            assert_eq!(heard.recv().await.unwrap(), json!(["0x0", "0x0"]));
        }
        limits.set(150, 4_000);
        assert_eq!(heard.recv().await.unwrap(), json!(["0x96", "0xfa0"]));
        shutdown.cancel();
        telling.await.unwrap().unwrap();
    }
}
