//! One WebSocket connection: calls in, answers and subscription events out through one bounded
//! queue. A client that does not read is closed, never waited for.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::{B256, U64};
use alloy_rpc_types_eth::{
    Filter, Log,
    pubsub::{Params as SubscriptionParams, SubscriptionKind},
};
use axum::{
    body::Bytes,
    extract::ws::{Message, Utf8Bytes, WebSocket},
};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use parking_lot::Mutex;
use rand::RngCore;
use serde::Serialize;
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        broadcast::{self, error::RecvError},
        mpsc, oneshot,
    },
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Api, convert, error::RpcError, logs};
use crate::{chain::ChainEvent, pool::PoolTransaction};

/// Calls of one connection in progress; further messages stay unread.
const CALLS_IN_PROGRESS_MAX: usize = 32;
/// How often a silent connection is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// A connection silent for longer is closed.
const SILENCE_MAX: Duration = Duration::from_secs(100);

/// What calls of one connection share.
pub struct Connection {
    api: Arc<Api>,
    out: mpsc::Sender<Queued>,
    /// Bytes that may still be queued.
    room: Arc<Semaphore>,
    subscriptions: Mutex<HashMap<SubscriptionId, JoinHandle<()>>>,
    closed: CancellationToken,
}

/// A message on its way out. Its bytes count until it is written.
struct Queued {
    text: Utf8Bytes,
    _bytes: OwnedSemaphorePermit,
}

/// Where a call came from, when by WebSocket, and the subscriptions it started: their events must
/// follow the answer that names them.
pub struct CallContext<'a> {
    pub connection: &'a Arc<Connection>,
    pub started: &'a Mutex<Vec<oneshot::Sender<()>>>,
}

type SubscriptionId = U64;

/// Serves one connection until either side closes it.
pub async fn run(socket: WebSocket, api: Arc<Api>, shutdown: CancellationToken) {
    let (sink, stream) = socket.split();
    let (out, queue) = mpsc::channel(api.config().websocket_buffer);
    let closed = shutdown.child_token();
    let connection = Arc::new(Connection {
        room: Arc::new(Semaphore::new(room_max(&api))),
        api,
        out,
        subscriptions: Mutex::new(HashMap::new()),
        closed: closed.clone(),
    });
    metrics::gauge!("rpc_websockets").increment(1.0);
    let write_timeout = connection.api.config().write_timeout;
    let writer = tokio::spawn(write(sink, queue, closed.clone(), write_timeout));
    read(stream, &connection).await;
    closed.cancel();
    for (_, task) in connection.subscriptions.lock().drain() {
        task.abort();
    }
    drop(connection);
    if let Err(error) = writer.await {
        tracing::debug!(%error, "a WebSocket writer did not end by itself");
    }
    metrics::gauge!("rpc_websockets").decrement(1.0);
}

async fn read(mut stream: SplitStream<WebSocket>, connection: &Arc<Connection>) {
    let mut calls = JoinSet::new();
    let mut heard = Instant::now();
    let mut check = interval(PING_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = connection.closed.cancelled() => return,
            _ = check.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return;
                }
            }
            Some(_) = calls.join_next(), if !calls.is_empty() => {}
            message = stream.next(), if calls.len() < CALLS_IN_PROGRESS_MAX => {
                heard = Instant::now();
                let body = match message {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                let connection = Arc::clone(connection);
                calls.spawn(async move { connection.call(body).await });
            }
        }
    }
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Queued>,
    closed: CancellationToken,
    write_timeout: Duration,
) {
    let mut ping = interval(PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (message, _bytes) = tokio::select! {
            () = closed.cancelled() => break,
            message = queue.recv() => match message {
                Some(Queued { text, _bytes }) => (Message::Text(text), Some(_bytes)),
                None => break,
            },
            _ = ping.tick() => (Message::Ping(Bytes::new()), None),
        };
        match timeout(write_timeout, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => break,
        }
    }
    closed.cancel();
    // The other side may be gone; there is nobody to tell.
    let _ = timeout(Duration::from_secs(1), sink.close()).await;
}

impl Connection {
    async fn call(self: Arc<Self>, body: Bytes) {
        let started = Mutex::new(Vec::new());
        let context = CallContext { connection: &self, started: &started };
        let answer = Arc::clone(&self.api).answer(&body, Some(&context)).await;
        if let Some(answer) = answer
            && !self.send(answer).await
        {
            return;
        }
        for start in started.into_inner() {
            // The subscription may have been cancelled in the same batch.
            let _ = start.send(());
        }
    }

    /// Queues an answer as soon as there is room; false when the connection is closed.
    async fn send(&self, text: String) -> bool {
        let bytes = self.bytes(text.len());
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        tokio::select! {
            () = self.closed.cancelled() => false,
            room = room => match room {
                Ok(bytes) => {
                    self.out.send(Queued { text: text.into(), _bytes: bytes }).await.is_ok()
                }
                Err(_) => false,
            }
        }
    }

    /// What a message takes of the room; one larger than all of it takes all.
    fn bytes(&self, length: usize) -> u32 {
        u32::try_from(length.min(room_max(&self.api))).unwrap_or(u32::MAX)
    }

    /// Queues an event; a full queue closes the connection.
    fn notify(&self, id: SubscriptionId, result: &impl Serialize) {
        #[derive(Serialize)]
        struct Notification<'a, T> {
            jsonrpc: &'static str,
            method: &'static str,
            params: NotificationParams<'a, T>,
        }
        #[derive(Serialize)]
        struct NotificationParams<'a, T> {
            subscription: SubscriptionId,
            result: &'a T,
        }
        let notification = Notification {
            jsonrpc: "2.0",
            method: "eth_subscription",
            params: NotificationParams { subscription: id, result },
        };
        let Ok(text) = serde_json::to_string(&notification) else {
            tracing::error!("a subscription event could not be serialised");
            return;
        };
        let room = Arc::clone(&self.room).try_acquire_many_owned(self.bytes(text.len()));
        let queued = room.is_ok_and(|bytes| {
            self.out.try_send(Queued { text: text.into(), _bytes: bytes }).is_ok()
        });
        if !queued {
            tracing::debug!("a WebSocket client does not read its events: closed");
            metrics::counter!("rpc_websockets_slow_total").increment(1);
            self.closed.cancel();
        }
    }
}

/// Bytes that may wait for a client.
fn room_max(api: &Api) -> usize {
    // A permit counts at most u32 bytes.
    api.config().websocket_buffer_bytes.min(u32::MAX as usize)
}

/// `eth_subscribe`.
pub fn subscribe(
    context: &CallContext<'_>,
    kind: SubscriptionKind,
    params: SubscriptionParams,
) -> Result<SubscriptionId, RpcError> {
    let connection = Arc::clone(context.connection);
    let mut subscriptions = context.connection.subscriptions.lock();
    subscriptions.retain(|_, task| !task.is_finished());
    let limit = connection.api.config().subscriptions_max;
    if subscriptions.len() >= limit {
        return Err(RpcError::server(format!(
            "too many subscriptions on this connection, limit {limit}"
        )));
    }
    let id = SubscriptionId::from(rand::rng().next_u64());
    let (start, started) = oneshot::channel();
    // Received from here on, so that no block is missed between the answer and the first event.
    let blocks = connection.api.chain().subscribe_events();
    let task = match (kind, params) {
        (SubscriptionKind::NewHeads, _) => tokio::spawn(forward_blocks(
            connection,
            id,
            started,
            blocks,
            |connection, id, event| {
                if let ChainEvent::Added(block) = event {
                    connection.notify(id, &convert::rpc_header(block));
                }
            },
        )),
        (SubscriptionKind::Logs, params) => {
            let filter = match params {
                SubscriptionParams::Logs(filter) => *filter,
                SubscriptionParams::None => Filter::new(),
                _ => return Err(RpcError::invalid_params("logs take a filter object")),
            };
            logs::check(&filter)?;
            let logs = move |connection: &Connection, id, event: &ChainEvent| {
                let (block, removed) = match event {
                    ChainEvent::Added(block) => (block, false),
                    ChainEvent::Removed(block) => (block, true),
                };
                if convert::bloom_matches(block.header(), &filter) {
                    let mut logs = convert::matching_logs(block, &filter);
                    if removed {
                        logs.reverse();
                    }
                    for log in logs {
                        connection.notify(id, &Log { removed, ..log });
                    }
                }
            };
            tokio::spawn(forward_blocks(connection, id, started, blocks, logs))
        }
        (SubscriptionKind::NewPendingTransactions, params) => {
            let full = matches!(params, SubscriptionParams::Bool(true));
            let transactions = connection.api.pool().subscribe();
            tokio::spawn(forward_pending(connection, id, started, transactions, full))
        }
        (SubscriptionKind::Syncing, _) => tokio::spawn(async move {
            if started.await.is_ok() {
                connection.notify(id, &false);
                connection.closed.cancelled().await;
            }
        }),
        (kind, _) => {
            return Err(RpcError::invalid_params(format!(
                "no \"{kind}\" subscription in eth namespace"
            )));
        }
    };
    context.started.lock().push(start);
    subscriptions.insert(id, task);
    Ok(id)
}

/// `eth_unsubscribe`: whether there was such a subscription.
pub fn unsubscribe(context: &CallContext<'_>, id: SubscriptionId) -> Result<bool, RpcError> {
    match context.connection.subscriptions.lock().remove(&id) {
        Some(task) => {
            task.abort();
            Ok(true)
        }
        None => Err(RpcError::server("subscription not found")),
    }
}

async fn forward_blocks(
    connection: Arc<Connection>,
    id: SubscriptionId,
    started: oneshot::Receiver<()>,
    mut events: broadcast::Receiver<ChainEvent>,
    mut each: impl FnMut(&Connection, SubscriptionId, &ChainEvent) + Send,
) {
    if started.await.is_err() {
        return;
    }
    loop {
        let received = tokio::select! {
            () = connection.closed.cancelled() => return,
            received = events.recv() => received,
        };
        match received {
            Ok(event) => each(&connection, id, &event),
            Err(RecvError::Lagged(_)) => {
                // Events were lost: the client must know, and resubscribe.
                connection.closed.cancel();
                return;
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn forward_pending(
    connection: Arc<Connection>,
    id: SubscriptionId,
    started: oneshot::Receiver<()>,
    mut transactions: broadcast::Receiver<Arc<PoolTransaction>>,
    full: bool,
) {
    if started.await.is_err() {
        return;
    }
    loop {
        let received = tokio::select! {
            () = connection.closed.cancelled() => return,
            received = transactions.recv() => received,
        };
        match received {
            Ok(transaction) if full => {
                connection.notify(id, &convert::pending_transaction(&transaction));
            }
            Ok(transaction) => {
                let hash: B256 = transaction.hash();
                connection.notify(id, &hash);
            }
            // Pending transactions are announced at best effort.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
