//! Ethereum JSON-RPC with the OP Stack's additions. [`server`] bounds and transports,
//! [`envelope`] parses, [`dispatch`] names the methods, one module per subject answers them.

mod admin;
mod answer;
mod authenticated;
mod beacon;
mod bundles;
mod call_request;
mod capabilities;
mod connection;
mod convert;
mod dispatch;
mod engine;
mod envelope;
mod error;
mod execution;
mod fees;
mod fill;
mod filters;
mod forward;
mod gather;
mod idle_evm;
mod log_json;
mod logs;
mod meters;
mod miner;
mod operators;
mod otterscan;
mod overrides;
mod params;
mod plain;
mod rollup;
mod server;
mod session;
mod short_calls;
mod simulate;
mod state;
mod submit;
mod trace;
mod transactions;
mod txpool;

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

pub(crate) use authenticated::AuthServer;
pub(crate) use connection::{LimitedListener, Limits};
pub use error::RpcError;
pub(crate) use forward::Forwarder;
pub use operators::OperatorsPort;
pub use server::RpcServer;

use crate::{
    admin::Admin,
    chain::{Chain, SealedBlock},
    config::RpcConfig,
    ethereum::{engine::Engine, miner::Miner},
    l1::L1Status,
    pool::Pool,
    safe_heads::SafeHeads,
};
use answer::{Answer, Work};
use envelope::{Body, Id, Request, write_response};
use error::{RESPONSE_TOO_LARGE, RpcResult};
use filters::Filters;
use gather::Gathering;
use meters::Meters;
use session::CallContext;
use short_calls::{CallKey, ShortCalls};
use submit::Prepared;

/// Name and version as `web3_clientVersion` gives them.
const CLIENT_VERSION: &str =
    concat!("openledger/v", env!("CARGO_PKG_VERSION"), "/", "linux", "/rust");

/// How long a batch is answered before others have their turn.
const BATCH_TURN: std::time::Duration = std::time::Duration::from_millis(2);

/// Turns of others for which a short call waits for a place.
const TURNS_MAX: usize = 8;

/// Everything calls are answered from.
pub struct Api {
    chain: Arc<Chain>,
    pool: Arc<Pool>,
    config: RpcConfig,
    filters: Filters,
    /// Bounds calls that execute or scan.
    blocking: Arc<Semaphore>,
    l1: watch::Receiver<L1Status>,
    tips: fees::TipCache,
    short_calls: ShortCalls,
    gathering: Gathering,
    meters: Meters,
    /// On the authenticated port only.
    engine: Option<Arc<Engine>>,
    /// Of a chain that makes its own blocks.
    miner: Option<Arc<Miner>>,
    /// On the authenticated port only.
    admin: Option<Arc<Admin>>,
    /// Of a rollup's node.
    safe_heads: Option<Arc<SafeHeads>>,
    /// Where transactions go that this node does not put into blocks itself.
    forwarder: Option<Forwarder>,
}

impl Api {
    pub fn new(
        chain: Arc<Chain>,
        pool: Arc<Pool>,
        config: RpcConfig,
        l1: watch::Receiver<L1Status>,
    ) -> Self {
        Self {
            filters: Filters::new(config.filters_max, config.filter_lifetime),
            blocking: Arc::new(Semaphore::new(config.blocking_calls_max)),
            tips: fees::TipCache::default(),
            short_calls: ShortCalls::default(),
            gathering: Gathering::default(),
            meters: Meters::default(),
            engine: None,
            miner: None,
            admin: None,
            safe_heads: None,
            forwarder: None,
            chain,
            pool,
            config,
            l1,
        }
    }

    /// Answers `engine_*`, too.
    #[must_use]
    pub fn with_engine(mut self, engine: Engine) -> Self {
        self.engine = Some(Arc::new(engine));
        self
    }

    /// Answers `evm_*` and `anvil_*`, too.
    #[must_use]
    pub fn with_miner(mut self, miner: Arc<Miner>) -> Self {
        self.miner = Some(miner);
        self
    }

    /// Answers what only operators may ask, too.
    #[must_use]
    pub fn with_admin(mut self, admin: Arc<Admin>) -> Self {
        self.admin = Some(admin);
        self
    }

    /// Answers `optimism_safeHeadAtL1Block`, too.
    #[must_use]
    pub fn with_safe_heads(mut self, safe_heads: Arc<SafeHeads>) -> Self {
        self.safe_heads = Some(safe_heads);
        self
    }

    /// Hands transactions to the sequencer.
    #[must_use]
    pub(crate) fn with_forwarder(mut self, forwarder: Forwarder) -> Self {
        self.forwarder = Some(forwarder);
        self
    }

    pub const fn config(&self) -> &RpcConfig {
        &self.config
    }

    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Answers a body; `None` when it holds only notifications.
    pub async fn answer(
        self: &Arc<Self>,
        body: &[u8],
        context: Option<&CallContext<'_>>,
    ) -> Option<String> {
        match Body::parse(body, self.config.batch_max) {
            Body::Single(Ok(request)) => {
                let result = self.call(&request, context, None).await;
                let Id::Value(_) = request.id else { return None };
                let mut out = String::with_capacity(256);
                write_response(&mut out, request.id, &result);
                Some(out)
            }
            Body::Single(Err(error)) => {
                let mut out = String::new();
                write_response(&mut out, Id::Notification, &Err(error));
                Some(out)
            }
            Body::Batch(requests) => self.answer_batch(&requests, context).await,
        }
    }

    /// Answers in the order of the calls.
    async fn answer_batch(
        self: &Arc<Self>,
        requests: &[Result<Request<'_>, RpcError>],
        context: Option<&CallContext<'_>>,
    ) -> Option<String> {
        let mut prepared = submit::prepare_batch(self, requests).await.into_iter();
        let mut out = String::from("[");
        let mut resumed = std::time::Instant::now();
        for request in requests {
            // Calls that are answered in place keep others from this thread.
            if resumed.elapsed() > BATCH_TURN {
                tokio::task::yield_now().await;
                resumed = std::time::Instant::now();
            }
            let prepared = prepared.next().flatten();
            let (id, result) = match request {
                Err(error) => (Id::Notification, Err(error.clone())),
                Ok(request) => {
                    let result = if out.len() > self.config.response_bytes_max {
                        Err(too_large())
                    } else {
                        self.call(request, context, prepared).await
                    };
                    let Id::Value(_) = request.id else { continue };
                    (request.id, result)
                }
            };
            if out.len() > 1 {
                out.push(',');
            }
            write_response(&mut out, id, &result);
        }
        if out.len() == 1 {
            return None;
        }
        out.push(']');
        Some(out)
    }

    async fn call(
        self: &Arc<Self>,
        request: &Request<'_>,
        context: Option<&CallContext<'_>>,
        prepared: Option<Prepared>,
    ) -> RpcResult {
        let started = std::time::Instant::now();
        let mut result = match dispatch::dispatch(self, request, context, prepared) {
            Ok(Answer::Now(answer)) => Ok(answer),
            Ok(Answer::Work(work)) => self.blocking(work).await,
            Ok(Answer::Short(key, work)) => self.soon(key, work).await,
            Ok(Answer::Later(answer)) => answer.await,
            Err(error) => Err(error),
        };
        if result.as_ref().is_ok_and(|json| json.len() > self.config.response_bytes_max) {
            result = Err(too_large());
        }
        self.meters.record(&request.method, &result, started.elapsed());
        result
    }

    /// Runs a short call here once there is a place for it. Whoever has that place is done in a moment: to hand the
    /// call to another thread takes longer than a few turns of others.
    async fn soon(self: &Arc<Self>, key: CallKey, work: Work) -> RpcResult {
        for _ in 0..TURNS_MAX {
            tokio::task::yield_now().await;
            if let Some(_place) = self.short_calls.place(key) {
                return work(self);
            }
        }
        self.blocking(work).await
    }

    /// Runs what executes or scans on the blocking threads, a bounded number at a time.
    async fn blocking(self: &Arc<Self>, work: Work) -> RpcResult {
        let permit = Arc::clone(&self.blocking).acquire_owned().await;
        let api = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&api)
        });
        task.await.map_err(|error| RpcError::internal(&error))?
    }

    /// Number of the block an id stands for; `None` when there is none.
    fn resolve(&self, id: BlockId) -> Result<Option<u64>, RpcError> {
        match id {
            BlockId::Hash(hash) => {
                self.chain.number_of(&hash.block_hash).map_err(|error| RpcError::internal(&error))
            }
            BlockId::Number(tag) => Ok(self.resolve_tag(tag)),
        }
    }

    fn resolve_tag(&self, tag: BlockNumberOrTag) -> Option<u64> {
        let heads = self.chain.heads();
        let head = heads.unsafe_head.number;
        match tag {
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Some(head),
            BlockNumberOrTag::Safe => Some(heads.safe.number),
            BlockNumberOrTag::Finalized => Some(heads.finalized.number),
            BlockNumberOrTag::Earliest => Some(self.chain.genesis_number()),
            BlockNumberOrTag::Number(number) => (number <= head).then_some(number),
        }
    }

    /// The block an id stands for; `None` when there is none. `pending` is the block in the making,
    /// whose hash and roots are zero, and the newest block while none is open.
    fn block(&self, id: BlockId) -> Result<Option<Arc<SealedBlock>>, RpcError> {
        if id.is_pending()
            && let Some(pending) = self.chain.pending_block()
        {
            return Ok(Some(Arc::new(pending.snapshot())));
        }
        match self.resolve(id)? {
            Some(number) => self.block_at(number),
            None => Ok(None),
        }
    }

    fn block_at(&self, number: u64) -> Result<Option<Arc<SealedBlock>>, RpcError> {
        self.chain.block(number).map_err(|error| RpcError::internal(&error))
    }
}

/// Serialises an answer, and stops when it grows beyond `bytes_max`.
fn to_json_within(value: &impl Serialize, bytes_max: usize) -> RpcResult {
    struct Bounded {
        bytes: Vec<u8>,
        left: usize,
    }
    impl std::io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.write_all(bytes)?;
            Ok(bytes.len())
        }

        // A serialiser writes a few bytes at a time: the loop of the default costs more than the bytes.
        #[inline]
        fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            self.left =
                self.left.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
            self.bytes.extend_from_slice(bytes);
            Ok(())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut out = Bounded { bytes: Vec::with_capacity(1_024), left: bytes_max };
    match serde_json::to_writer(&mut out, value) {
        Ok(()) => String::from_utf8(out.bytes).map_err(|error| RpcError::internal(&error)),
        Err(error) if error.is_io() => Err(too_large()),
        Err(error) => Err(RpcError::internal(&error)),
    }
}

fn too_large() -> RpcError {
    RpcError::new(RESPONSE_TOO_LARGE, "response too large")
}

fn to_json(value: impl Serialize) -> RpcResult {
    serde_json::to_string(&value).map_err(|error| RpcError::internal(&error))
}

/// The parser of bodies, for the fuzzer.
#[doc(hidden)]
pub mod fuzzing {
    use super::envelope::{Body, write_response};

    /// Parses a body as the server does and answers each of its calls with an error.
    pub fn body(bytes: &[u8]) {
        let mut out = String::new();
        let calls = match Body::parse(bytes, 100) {
            Body::Single(call) => vec![call],
            Body::Batch(calls) => calls,
        };
        assert!(calls.len() <= 100, "a batch beyond its limit");
        for call in calls {
            let (id, error) = match call {
                Ok(call) => (call.id, super::RpcError::method_not_found(&call.method)),
                Err(error) => (super::Id::Notification, error),
            };
            out.clear();
            write_response(&mut out, id, &Err(error));
            assert!(
                serde_json::from_str::<serde::de::IgnoredAny>(&out).is_ok(),
                "an answer that is no JSON: {out}"
            );
        }
    }
}
