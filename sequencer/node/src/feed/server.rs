//! The feed's port: WebSocket, out only. A listener names the first block it wants (`/?from=N`), gets what
//! there is of it out of the chain at its own pace, and then everything as it happens. Whoever reads
//! too slowly is dropped with a reason.
//!
//! Only the stand-in is listened to, and only when it has proven who it is: it says with each of its words by what it
//! was challenged, signed with its own feed's key (`?stand-in=ADDRESS`).

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
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
use futures::FutureExt;
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    log::{Next, Start},
    publisher::Feed,
    stand_in::Connected,
};
use crate::{
    error::{FeedError, NodeError},
    rpc::{LimitedListener, Limits, RpcServer},
};

/// Nothing is expected of listeners but signs of life, and a stand-in's short words.
const HEARD_BYTES_MAX: usize = 1 << 10;
/// Places kept for the stand-in, whoever else listens.
const STAND_IN_PLACES: usize = 4;
/// How long it may take to prove that it is the stand-in.
const PROOF_MAX: Duration = Duration::from_secs(10);
/// How long a listener may take to read why it is dropped.
const GOODBYE: Duration = Duration::from_millis(500);

/// Close codes of this protocol.
const TOO_SLOW: u16 = 4_000;
const NOT_SEQUENCING: u16 = 4_001;
const TOO_OLD: u16 = 4_002;
const GOING_AWAY: u16 = 1_001;
const INTERNAL: u16 = 1_011;
const TALKS: u16 = 1_003;

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
    stand_ins: Arc<Semaphore>,
    shutdown: CancellationToken,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    from: Option<u64>,
    /// The address of the listener's own feed key.
    #[serde(rename = "stand-in")]
    stand_in: Option<Address>,
}

/// A listener that says that it is the stand-in.
struct Claimant {
    address: Address,
    /// What it is to prove that with, and until when; while it is the one that is named.
    challenge: Option<(B256, Instant)>,
    /// It has.
    connected: Option<Connected>,
    /// The block offered last, and the message of it.
    offered: Option<(B256, Bytes)>,
}

impl Claimant {
    const fn new(address: Address) -> Self {
        Self { address, challenge: None, connected: None, offered: None }
    }

    /// What is said to it alone now.
    fn next(&mut self, feed: &Feed) -> Result<Option<Bytes>, FeedError> {
        let state = feed.stand_in.state();
        if state.named != Some(self.address) {
            *self = Self::new(self.address);
            return Ok(None);
        }
        if self.challenge.is_none() {
            let challenge = B256::from(rand::random::<[u8; 32]>());
            self.challenge = Some((challenge, Instant::now() + PROOF_MAX));
            return feed.challenge(challenge).map(Some);
        }
        let Some((block, _)) = state.offered.filter(|_| self.connected.is_some()) else {
            return Ok(None);
        };
        let was = self.offered.as_ref().is_some_and(|(hash, _)| *hash == block.hash());
        // It follows what was said of the block before.
        if was || feed.log.next_block() < block.number() {
            return Ok(None);
        }
        let message = feed.offer(&block)?;
        self.offered = message.clone().map(|message| (block.hash(), message));
        Ok(message)
    }

    /// Whether it was told of this already.
    fn has(&self, message: &Bytes) -> bool {
        self.offered.as_ref().is_some_and(|(_, offered)| offered == message)
    }

    fn hear(&mut self, feed: &Feed, bytes: &[u8]) -> Result<(), FeedError> {
        // It talks without being asked, or another one was named meanwhile.
        let (challenge, _) = self.challenge.ok_or(FeedError::Disagrees)?;
        let head = feed.acknowledged(bytes, self.address, challenge)?;
        if self.connected.is_none() {
            tracing::info!(address = %self.address, number = head.number, "the stand-in is here");
            self.connected = Some(feed.stand_in.connect(self.address));
        }
        feed.stand_in.acknowledge(self.address, head);
        Ok(())
    }

    /// Until when it must have proven who it is.
    fn deadline(&self) -> Option<Instant> {
        self.challenge.filter(|_| self.connected.is_none()).map(|(_, until)| until)
    }
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
            stand_ins: Arc::new(Semaphore::new(STAND_IN_PLACES)),
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
    let named = state.feed.stand_in.state().named;
    let places = match wanted.stand_in {
        Some(address) if named == Some(address) => &state.stand_ins,
        _ => &state.listeners,
    };
    let Ok(place) = Arc::clone(places).try_acquire_owned() else {
        let text = "this feed has as many listeners as it may have; follow another node's";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    upgrade.max_message_size(HEARD_BYTES_MAX).max_frame_size(HEARD_BYTES_MAX).on_upgrade(
        async move |mut socket| {
            metrics::gauge!("feed_listeners").increment(1.0);
            let Goodbye(code, reason) = tell(&mut socket, &state, &wanted).await;
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
async fn tell(socket: &mut WebSocket, state: &ServerState, wanted: &Wanted) -> Goodbye {
    let mut claimant = wanted.stand_in.map(Claimant::new);
    let told = async {
        prove(socket, state, &mut claimant).await?;
        let place = tell_history(socket, state, wanted, &mut claimant).await?;
        tell_news(socket, state, place, &mut claimant).await
    };
    match told.await {
        Err(goodbye) => goodbye,
        Ok(never) => match never {},
    }
}

/// Whoever is named as the stand-in proves who it is before it is told anything: it has a place of its own.
async fn prove(
    socket: &mut WebSocket,
    state: &ServerState,
    claimant: &mut Option<Claimant>,
) -> Result<(), Goodbye> {
    say_to(socket, state, claimant).await?;
    while let Some(due) = claimant.as_ref().and_then(Claimant::deadline) {
        tokio::select! {
            () = state.shutdown.cancelled() => return Err(going_away()),
            () = tokio::time::sleep_until(due) => return Err(unproven()),
            heard = socket.recv() => hear(heard, state, claimant)?,
        }
    }
    Ok(())
}

/// Everything from the block that is wanted on that is in the chain; gives the place in the log after that.
async fn tell_history(
    socket: &mut WebSocket,
    state: &ServerState,
    wanted: &Wanted,
    claimant: &mut Option<Claimant>,
) -> Result<u64, Goodbye> {
    let feed = &state.feed;
    let mut number = wanted.from.unwrap_or_else(|| feed.log.next_block());
    let oldest = feed.log.next_block().saturating_sub(feed.config.history_max);
    if number < oldest {
        let reason = format!("block {number} is derived from L1; the feed begins at {oldest}");
        return Err(Goodbye(TOO_OLD, reason));
    }
    loop {
        match feed.log.start(number) {
            Start::Silent => return Err(silent()),
            Start::At(place) => return Ok(place),
            Start::History => {}
        }
        let shared = Arc::clone(feed);
        let found = tokio::task::spawn_blocking(move || shared.history(number)).await;
        match found {
            Ok(Ok(Some(message))) => {
                send(socket, state, message).await?;
                number = number.saturating_add(1);
            }
            // Taken away meanwhile: what takes its place is told.
            Ok(Ok(None)) => number = feed.log.next_block(),
            Ok(Err(error)) => {
                tracing::error!(%error, number, "a block cannot be told");
                return Err(Goodbye(INTERNAL, "a block cannot be read".to_owned()));
            }
            Err(_) => return Err(Goodbye(INTERNAL, "a block cannot be read".to_owned())),
        }
        // A stand-in acknowledges meanwhile.
        while let Some(heard) = socket.recv().now_or_never() {
            hear(heard, state, claimant)?;
        }
    }
}

/// Everything as it happens.
async fn tell_news(
    socket: &mut WebSocket,
    state: &ServerState,
    mut place: u64,
    claimant: &mut Option<Claimant>,
) -> Result<Infallible, Goodbye> {
    let feed = &state.feed;
    let mut changes = feed.log.subscribe();
    let mut stand_ins = feed.stand_in.subscribe();
    loop {
        changes.borrow_and_update();
        stand_ins.borrow_and_update();
        match feed.log.at(place) {
            Next::Message(message) => {
                place += 1;
                if !claimant.as_ref().is_some_and(|claimant| claimant.has(&message)) {
                    send(socket, state, message).await?;
                }
                continue;
            }
            Next::Behind { by } => {
                return Err(Goodbye(TOO_SLOW, format!("{by} messages behind: too slow")));
            }
            Next::End => return Err(silent()),
            Next::Wait => {}
        }
        if say_to(socket, state, claimant).await? {
            continue;
        }
        let proof_due = claimant.as_ref().and_then(Claimant::deadline);
        tokio::select! {
            () = state.shutdown.cancelled() => return Err(going_away()),
            changed = changes.changed() => changed.map_err(|_| going_away())?,
            changed = stand_ins.changed(), if claimant.is_some() => {
                changed.map_err(|_| going_away())?;
            }
            () = tokio::time::sleep_until(proof_due.unwrap_or_else(Instant::now)),
                if proof_due.is_some() => return Err(unproven()),
            heard = socket.recv() => hear(heard, state, claimant)?,
        }
    }
}

/// Says what only the stand-in hears; whether there was anything.
async fn say_to(
    socket: &mut WebSocket,
    state: &ServerState,
    claimant: &mut Option<Claimant>,
) -> Result<bool, Goodbye> {
    let Some(claimant) = claimant else { return Ok(false) };
    match claimant.next(&state.feed) {
        Ok(Some(message)) => send(socket, state, message).await.map(|()| true),
        Ok(None) => Ok(false),
        Err(error) => {
            tracing::error!(%error, "the stand-in cannot be told");
            Err(Goodbye(INTERNAL, "a message cannot be signed".to_owned()))
        }
    }
}

/// What a listener says; of all but a stand-in that is a reason to stop.
fn hear(
    heard: Option<Result<Frame, axum::Error>>,
    state: &ServerState,
    claimant: &mut Option<Claimant>,
) -> Result<(), Goodbye> {
    match (heard, claimant) {
        (Some(Ok(Frame::Ping(_) | Frame::Pong(_))), _) => Ok(()),
        (Some(Ok(Frame::Binary(bytes))), Some(claimant)) => {
            claimant.hear(&state.feed, &bytes).map_err(|error| {
                tracing::warn!(%error, "what is said in the stand-in's name is refused");
                metrics::counter!("feed_stand_in_refused_total").increment(1);
                Goodbye(TALKS, "that is not the stand-in's word".to_owned())
            })
        }
        (Some(Ok(Frame::Text(_) | Frame::Binary(_))), _) => {
            Err(Goodbye(TALKS, "nobody listens here".to_owned()))
        }
        (Some(Ok(Frame::Close(_)) | Err(_)) | None, _) => Err(Goodbye(1_000, String::new())),
    }
}

fn unproven() -> Goodbye {
    Goodbye(TALKS, "the stand-in did not prove who it is".to_owned())
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
