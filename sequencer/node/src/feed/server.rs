//! The feed's port: WebSocket, out only. A listener names the first block it wants (`/?from=N`), gets what
//! there is of it out of the chain at its own pace, and then everything as it happens. Whoever reads
//! too slowly is dropped with a reason.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::Bytes;
use axum::{
    Router,
    extract::{
        Query, State,
        ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    log::{Next, Start},
    publisher::Feed,
};
use crate::{
    error::NodeError,
    rpc::{LimitedListener, Limits, RpcServer},
};

/// Nothing is expected of listeners but signs of life.
const HEARD_BYTES_MAX: usize = 1 << 10;
/// How long a listener may take to read why it is dropped.
const GOODBYE: Duration = Duration::from_millis(500);

/// Close codes of this protocol.
const TOO_SLOW: u16 = 4_000;
const NOT_SEQUENCING: u16 = 4_001;
const TOO_OLD: u16 = 4_002;
const GOING_AWAY: u16 = 1_001;
const INTERNAL: u16 = 1_011;

/// A bound, not yet serving feed port.
#[derive(Debug)]
pub(crate) struct FeedServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct ServerState {
    feed: Arc<Feed>,
    listeners: Arc<Semaphore>,
    shutdown: CancellationToken,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    from: Option<u64>,
}

/// Why a connection ends.
struct Goodbye(u16, String);

impl FeedServer {
    /// Takes the port.
    pub(crate) async fn bind(listen: SocketAddr) -> Result<Self, NodeError> {
        let (listener, address) = RpcServer::bind(listen).await?.into_parts();
        Ok(Self { listener, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`.
    pub(crate) async fn run(
        self,
        feed: Arc<Feed>,
        shutdown: CancellationToken,
    ) -> Result<(), NodeError> {
        let config = &feed.config;
        let quiet = config.alive_interval.saturating_mul(4).max(Duration::from_secs(30));
        let limits = Limits {
            connections_max: config.listeners_max.saturating_add(16),
            peer_connections_max: config.listeners_max.saturating_add(16),
            first_byte_max: Duration::from_secs(10),
            request_max: Duration::from_secs(20),
            idle_max: quiet,
            // Later than this protocol's own, which gives a reason.
            write_max: config.write_timeout.saturating_mul(2),
        };
        let state = ServerState {
            listeners: Arc::new(Semaphore::new(config.listeners_max)),
            feed,
            shutdown: shutdown.clone(),
        };
        let router = Router::new().route("/", get(upgrade)).with_state(state);
        axum::serve(LimitedListener::new(self.listener, limits), router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(|error| NodeError::Serve { address: self.address, error })
    }
}

async fn upgrade(
    State(state): State<ServerState>,
    Query(wanted): Query<Wanted>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Ok(place) = Arc::clone(&state.listeners).try_acquire_owned() else {
        let text = "this feed has as many listeners as it may have; follow another node's";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX).on_upgrade(
        async move |mut socket| {
            metrics::gauge!("feed_listeners").increment(1.0);
            let Goodbye(code, reason) = tell(&mut socket, &state, wanted.from).await;
            tracing::debug!(code, reason, "a listener of the feed leaves");
            metrics::counter!("feed_goodbyes_total", "code" => code.to_string()).increment(1);
            let close = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
            // Whoever does not read does not read this either.
            let _ = timeout(GOODBYE, socket.send(close)).await;
            metrics::gauge!("feed_listeners").decrement(1.0);
            drop(place);
        },
    )
}

/// Tells one listener everything, until there is a reason to stop.
async fn tell(socket: &mut WebSocket, state: &ServerState, from: Option<u64>) -> Goodbye {
    let feed = &state.feed;
    let mut changes = feed.log.subscribe();
    let mut number = from.unwrap_or_else(|| feed.log.next_block());
    let oldest = feed.log.next_block().saturating_sub(feed.config.history_max);
    if number < oldest {
        let reason = format!("block {number} is derived from L1; the feed begins at {oldest}");
        return Goodbye(TOO_OLD, reason);
    }
    let mut place = loop {
        match feed.log.start(number) {
            Start::Silent => return silent(),
            Start::At(place) => break place,
            Start::History => {}
        }
        let shared = Arc::clone(feed);
        let found = tokio::task::spawn_blocking(move || shared.history(number)).await;
        match found {
            Ok(Ok(Some(message))) => {
                if let Err(goodbye) = send(socket, state, message).await {
                    return goodbye;
                }
                number = number.saturating_add(1);
            }
            // Taken away meanwhile: what takes its place is told.
            Ok(Ok(None)) => number = feed.log.next_block(),
            Ok(Err(error)) => {
                tracing::error!(%error, number, "a block cannot be told");
                return Goodbye(INTERNAL, "a block cannot be read".to_owned());
            }
            Err(_) => return Goodbye(INTERNAL, "a block cannot be read".to_owned()),
        }
    };
    loop {
        changes.borrow_and_update();
        match feed.log.at(place) {
            Next::Message(message) => {
                if let Err(goodbye) = send(socket, state, message).await {
                    return goodbye;
                }
                place += 1;
                continue;
            }
            Next::Behind { by } => {
                return Goodbye(TOO_SLOW, format!("{by} messages behind: too slow"));
            }
            Next::End => return silent(),
            Next::Wait => {}
        }
        tokio::select! {
            () = state.shutdown.cancelled() => return going_away(),
            changed = changes.changed() => if changed.is_err() {
                return going_away();
            },
            heard = socket.recv() => match heard {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(Frame::Text(_) | Frame::Binary(_))) => {
                    return Goodbye(1_003, "nobody listens here".to_owned());
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => {
                    return Goodbye(1_000, String::new());
                }
            },
        }
    }
}

fn silent() -> Goodbye {
    Goodbye(NOT_SEQUENCING, "this node does not sequence".to_owned())
}

fn going_away() -> Goodbye {
    Goodbye(GOING_AWAY, "the node stops".to_owned())
}

async fn send(socket: &mut WebSocket, state: &ServerState, message: Bytes) -> Result<(), Goodbye> {
    let wait = state.feed.config.write_timeout;
    tokio::select! {
        () = state.shutdown.cancelled() => Err(going_away()),
        sent = timeout(wait, socket.send(Frame::Binary(message.0))) => match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Goodbye(1_000, String::new())),
            Err(_) => {
                let reason = format!("a message was not read within {} ms", wait.as_millis());
                Err(Goodbye(TOO_SLOW, reason))
            }
        },
    }
}
