//! Several L1 nodes as one. What is asked goes to the first that answers; what L2 is derived from must be the
//! same at all of them: an L1 block counts only when every node that can be reached has it with the same hash.
//!
//! A node that does not answer is out, and does not count. Nor does one whose head stands still while
//! others go on. One that is merely a little behind is waited for: otherwise a lie of the fastest would be believed
//! until the others have the block.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use alloy_eips::BlockNumberOrTag;
use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_network::Ethereum;
use alloy_primitives::B256;
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_client::RpcClient;
use alloy_transport::{TransportError, TransportErrorKind, TransportFut, utils::guess_local_url};
use alloy_transport_http::Http;
use futures::future::join_all;
use parking_lot::Mutex;
use primitives::L1BlockRef;
use tower::Service;
use url::Url;

use crate::{
    L1Error,
    block::{checked_hash, reference},
    client::show,
};

/// No answer of any node within this time counts as none.
pub(crate) const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// A node is out when it failed so often in a row: one connection that breaks leaves no other alone to be believed.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// A node that let a request run out of time is left alone for so long: it would hold up every block.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// A node whose head has not moved for so long, while another's has, is out.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// JSON-RPC of one L1 node or of several, the preferred one first.
#[derive(Clone, Debug)]
pub struct L1Urls {
    urls: Vec<Url>,
    stands_still: Duration,
}

impl From<Url> for L1Urls {
    fn from(url: Url) -> Self {
        vec![url].into()
    }
}

impl From<Vec<Url>> for L1Urls {
    fn from(urls: Vec<Url>) -> Self {
        Self { urls, stands_still: STANDS_STILL }
    }
}

impl L1Urls {
    /// A node whose head has not moved for so long, while another's has, is out; 60 s unless said otherwise.
    #[must_use]
    pub const fn with_stands_still(mut self, after: Duration) -> Self {
        self.stands_still = after;
        self
    }

    /// A provider that asks the next node when one does not answer.
    pub fn provider(&self) -> RootProvider<Ethereum> {
        self.failover().0
    }

    /// The same for providers that are put together otherwise, as with a wallet.
    pub fn client(&self) -> RpcClient {
        self.failover_client().0
    }

    /// The provider, and which node it asks first.
    pub(crate) fn failover(&self) -> (RootProvider<Ethereum>, Arc<AtomicUsize>) {
        let (client, preferred) = self.failover_client();
        (RootProvider::new(client), preferred)
    }

    fn failover_client(&self) -> (RpcClient, Arc<AtomicUsize>) {
        let preferred = Arc::new(AtomicUsize::new(0));
        let ways: Vec<_> = self.urls.iter().cloned().map(Http::new).collect();
        let count = u32::try_from(ways.len()).unwrap_or(u32::MAX).max(1);
        let limit = REQUEST_TIME_MAX / count;
        let failover = Failover { ways: ways.into(), preferred: Arc::clone(&preferred), limit };
        // Says how often a receipt is asked for.
        let local = self.urls.iter().all(|url| guess_local_url(url.as_str()));
        (RpcClient::new(failover, local), preferred)
    }

    /// All, in their order.
    pub(crate) fn all(&self) -> &[Url] {
        &self.urls
    }

    /// Without user, password and query, which can hold keys.
    pub(crate) fn shown(&self) -> String {
        self.urls.iter().map(show).collect::<Vec<_>>().join(", ")
    }
}

impl std::fmt::Display for L1Urls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A transport over several: the one that answered last is asked first.
#[derive(Clone)]
struct Failover {
    ways: Arc<[Http<reqwest::Client>]>,
    preferred: Arc<AtomicUsize>,
    /// Of each way.
    limit: Duration,
}

impl Service<RequestPacket> for Failover {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let Self { ways, preferred, limit } = self.clone();
        Box::pin(async move {
            let first = preferred.load(Ordering::Relaxed);
            let mut failed = None;
            for place in first..first.saturating_add(ways.len()) {
                let place = place.checked_rem(ways.len()).unwrap_or_default();
                let Some(mut way) = ways.get(place).cloned() else { break };
                match tokio::time::timeout(limit, way.call(request.clone())).await {
                    Ok(Ok(answer)) => {
                        if place != first {
                            metrics::counter!("l1_failovers_total").increment(1);
                            preferred.store(place, Ordering::Relaxed);
                        }
                        return Ok(answer);
                    }
                    Ok(Err(error)) => failed = Some(error),
                    Err(_) => failed = Some(TransportErrorKind::custom_str("no answer in time")),
                }
            }
            Err(failed.unwrap_or_else(|| TransportErrorKind::custom_str("no L1 node is named")))
        })
    }
}

/// One node, asked alone.
#[derive(Debug)]
struct Endpoint {
    provider: RootProvider<Ethereum>,
    shown_url: String,
    /// Its newest block, and since when.
    head: Mutex<(u64, Instant)>,
    /// When it ran out of time.
    silent: Mutex<Option<Instant>>,
}

impl Endpoint {
    async fn ask<T, A>(&self, question: impl Fn() -> A) -> Result<T, TransportError>
    where
        A: IntoFuture<Output = Result<T, TransportError>>,
    {
        if self.silent.lock().is_some_and(|since| since.elapsed() < LEFT_ALONE) {
            return Err(TransportErrorKind::custom_str("it did not answer in time before"));
        }
        let answer = async {
            for _ in 1..TRIES {
                match question().await {
                    Err(error) if error.is_transport_error() => {
                        tokio::time::sleep(BETWEEN_TRIES).await;
                    }
                    answer => return answer,
                }
            }
            question().await
        };
        let answered = tokio::time::timeout(REQUEST_TIME_MAX / 2, answer).await;
        *self.silent.lock() = answered.is_err().then(Instant::now);
        answered.unwrap_or_else(|_| Err(TransportErrorKind::custom_str("no answer in time")))
    }
}

/// What nodes are compared with one another.
#[derive(Debug)]
pub(crate) struct Endpoints {
    all: Vec<Endpoint>,
    /// Which of them is asked first.
    preferred: Arc<AtomicUsize>,
    stands_still: Duration,
    /// The lowest block about which they disagree.
    disputed: Mutex<Option<u64>>,
}

impl Endpoints {
    pub(crate) fn new(urls: &L1Urls, preferred: Arc<AtomicUsize>) -> Self {
        let endpoint = |url: &Url| Endpoint {
            provider: RootProvider::new_http(url.clone()),
            shown_url: show(url),
            head: Mutex::new((0, Instant::now())),
            silent: Mutex::default(),
        };
        let all = urls.urls.iter().map(endpoint).collect();
        Self { all, preferred, stands_still: urls.stands_still, disputed: Mutex::default() }
    }

    /// Whether there is anything to compare.
    pub(crate) const fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Those that are named and follow another chain.
    pub(crate) async fn check_chain(&self, expected: u64) -> Result<(), L1Error> {
        let asked = self.all.iter().map(|endpoint| async move {
            let found = endpoint.ask(|| endpoint.provider.get_chain_id()).await;
            (endpoint, found)
        });
        for (endpoint, found) in join_all(asked).await {
            match found {
                Ok(found) if found != expected => {
                    let url = endpoint.shown_url.clone();
                    return Err(L1Error::WrongChain { url, expected, found });
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(url = endpoint.shown_url, %error, "no L1 node there"),
            }
        }
        Ok(())
    }

    /// Looks at all heads, and turns away from a node whose head stands still below another's.
    pub(crate) async fn prefer_one_that_moves(&self) {
        let asked = self.all.iter().map(|endpoint| self.look(endpoint));
        let looks = join_all(asked).await;
        let preferred = self.preferred.load(Ordering::Relaxed);
        let Some(&(head, still)) = looks.get(preferred) else { return };
        let highest = looks.iter().enumerate().max_by_key(|(_, (head, _))| *head);
        if let Some((place, (highest, _))) = highest
            && still
            && *highest > head
        {
            let from = self.all.get(preferred).map_or("", |endpoint| &endpoint.shown_url);
            tracing::warn!(url = from, head, highest, "an L1 node stands still: another is asked");
            metrics::counter!("l1_failovers_total").increment(1);
            self.preferred.store(place, Ordering::Relaxed);
        }
    }

    /// The block with this number that all nodes have; `None` if none has it.
    pub(crate) async fn agreed(&self, number: u64) -> Result<Option<L1BlockRef>, L1Error> {
        let mut told = Vec::new();
        let mut behind = Vec::new();
        for (endpoint, answer) in self.ask_all(number.into()).await {
            match answer {
                Some(block) if block.number == number => told.push((endpoint, block)),
                Some(_) => {}
                None => behind.push(endpoint),
            }
        }
        let Some((_, first)) = told.first().copied() else {
            return match behind.is_empty() {
                true => Err(L1Error::NoneAnswers { count: self.all.len() }),
                false => Ok(None),
            };
        };
        if told.iter().any(|(_, block)| block.hash != first.hash) {
            let answers = told.iter().map(|(endpoint, block)| (*endpoint, block.hash));
            return Err(self.disagreement(number, answers));
        }
        for endpoint in behind {
            if !self.look(endpoint).await.1 {
                let url = endpoint.shown_url.clone();
                return Err(L1Error::Behind { url, number });
            }
        }
        let mut disputed = self.disputed.lock();
        if disputed.is_some_and(|disputed| disputed <= number) {
            tracing::info!(number, hash = %first.hash, "the L1 nodes agree again");
            metrics::gauge!("l1_disagreement").set(0.0);
            *disputed = None;
        }
        Ok(Some(first))
    }

    /// The lowest of what the nodes call final: none is believed before the others.
    pub(crate) async fn finalized(&self) -> Result<Option<L1BlockRef>, L1Error> {
        let mut lowest: Option<L1BlockRef> = None;
        let told = self.ask_all(BlockNumberOrTag::Finalized).await;
        if told.is_empty() {
            return Err(L1Error::NoneAnswers { count: self.all.len() });
        }
        for (endpoint, block) in told {
            match block {
                Some(block) if lowest.is_none_or(|lowest| block.number < lowest.number) => {
                    if !self.look(endpoint).await.1 {
                        lowest = Some(block);
                    }
                }
                Some(_) => {}
                None if self.look(endpoint).await.1 => {}
                None => return Ok(None),
            }
        }
        Ok(lowest)
    }

    /// What each node that answers has. An answer that is a lie in itself is none.
    async fn ask_all(&self, block: BlockNumberOrTag) -> Vec<(&Endpoint, Option<L1BlockRef>)> {
        let asked = self.all.iter().map(|endpoint| async move {
            let answer = endpoint.ask(|| endpoint.provider.get_block_by_number(block)).await;
            (endpoint, answer)
        });
        let mut told = Vec::new();
        for (endpoint, answer) in join_all(asked).await {
            match answer {
                Ok(Some(block)) => match checked_hash(&block) {
                    Ok(_) => told.push((endpoint, Some(reference(&block)))),
                    Err(error) => {
                        tracing::error!(url = endpoint.shown_url, %error, "an L1 node lies");
                    }
                },
                Ok(None) => told.push((endpoint, None)),
                // Nodes answer a missing tag with null or with an error.
                Err(error) if error.is_error_resp() && block.is_finalized() => {
                    told.push((endpoint, None));
                }
                Err(error) => {
                    tracing::debug!(url = endpoint.shown_url, %error, "an L1 node does not answer");
                }
            }
        }
        metrics::gauge!("l1_endpoints_answering").set(told.len() as f64);
        told
    }

    /// A node's head, and whether it has not moved for long.
    async fn look(&self, endpoint: &Endpoint) -> (u64, bool) {
        let latest = || endpoint.provider.get_block_by_number(BlockNumberOrTag::Latest);
        let latest = endpoint.ask(latest).await;
        let mut head = endpoint.head.lock();
        match latest {
            Ok(Some(block)) if block.header.number != head.0 => {
                *head = (block.header.number, Instant::now());
            }
            _ => {}
        }
        (head.0, head.1.elapsed() >= self.stands_still)
    }

    fn disagreement<'a>(
        &self,
        number: u64,
        answers: impl Iterator<Item = (&'a Endpoint, B256)>,
    ) -> L1Error {
        let answers: Vec<_> =
            answers.map(|(endpoint, hash)| format!("{} says {hash}", endpoint.shown_url)).collect();
        let answers = answers.join(", ");
        let mut disputed = self.disputed.lock();
        if disputed.is_none() {
            metrics::counter!("l1_disagreements_total").increment(1);
            metrics::gauge!("l1_disagreement").set(1.0);
            tracing::error!(
                number,
                answers,
                "the L1 nodes disagree: nothing is derived from this block on until they agree"
            );
        }
        *disputed = Some(disputed.map_or(number, |lowest| lowest.min(number)));
        L1Error::Disagreement { number, answers }
    }
}
