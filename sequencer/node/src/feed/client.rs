//! Listens to a sequencer's feed: connects, again and again, to one of several; takes only what the
//! expected key signed; and is told from which block on it is to listen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{Address, B256};
use alloy_signer_local::PrivateKeySigner;
use futures::{SinkExt, StreamExt};
use primitives::BlockNumHash;
use tokio::{
    net::TcpStream,
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message as Frame, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use super::message::{Content, Kind, MESSAGE_BYTES_MAX, Message, SignedMessage};
use crate::{
    chain::{Chain, ChainEvent},
    error::FeedError,
    lead::Leadership,
};

/// Messages that wait to be executed; beyond it nothing is read, and the sequencer drops us.
const WAITING_MAX: usize = 32;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A feed that says nothing for so long is left: a living one says that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// The close code of a node that does not sequence.
const SILENT: u16 = 4_001;
/// Between two attempts; doubles up to the latter.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What is asked of the connection.
#[derive(Debug, Default)]
struct Wanted {
    /// The first block that is missing.
    from: AtomicU64,
}

/// The listening end, as the task that executes has it.
#[derive(Debug)]
pub(crate) struct Subscription {
    messages: mpsc::Receiver<Heard>,
    wanted: Arc<Wanted>,
    /// Counts demands to connect anew: what comes of earlier connections is out of date.
    generation: watch::Sender<u64>,
    signer: watch::Receiver<Address>,
}

/// A message with what it was checked by.
#[derive(Debug)]
struct Heard {
    generation: u64,
    signer: Address,
    message: Message,
}

impl Subscription {
    /// The next message, signed by the key whose signature counts; `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            let Heard { generation, signer, message } = self.messages.recv().await?;
            // The key may have been replaced while the message waited.
            if generation == *self.generation.borrow() && signer == *self.signer.borrow() {
                return Some(message);
            }
        }
    }

    /// Whose signature counts.
    pub(crate) fn signer(&self) -> Address {
        *self.signer.borrow()
    }

    /// A connection that is made from now on begins at this block.
    pub(crate) fn want(&self, from: u64) {
        self.wanted.from.store(from, Ordering::Relaxed);
    }

    /// Connects anew, to hear everything from this block on.
    pub(crate) fn restart(&self, from: u64) {
        self.want(from);
        self.generation.send_modify(|generation| *generation += 1);
    }
}

/// A node that may be somebody's stand-in: says to the sequencer which block is its head.
#[derive(Debug)]
pub(crate) struct StandBy {
    /// Of its own feed.
    pub(crate) signer: PrivateKeySigner,
    pub(crate) chain: Arc<Chain>,
    pub(crate) lead: Arc<Leadership>,
}

/// What is said on one connection.
struct Said<'a> {
    stand_by: &'a StandBy,
    events: broadcast::Receiver<ChainEvent>,
    /// By the sequencer, which has named this node: its term, and what it wants to hear with each word.
    challenge: Option<(u64, B256)>,
    head: Option<BlockNumHash>,
}

impl<'a> Said<'a> {
    fn nothing(stand_by: &'a StandBy) -> Self {
        let events = stand_by.chain.subscribe_events();
        Self { stand_by, events, challenge: None, head: None }
    }

    /// Returns when the head may be another one; never while nobody wants to hear of it.
    async fn moved(&mut self) {
        let closed = |event| matches!(event, Err(broadcast::error::RecvError::Closed));
        if self.challenge.is_none() || closed(self.events.recv().await) {
            std::future::pending().await
        }
    }

    /// What there is to say.
    ///
    /// INVARIANT: the chain's head is on disk, and everything below it.
    fn next(&mut self) -> Result<Option<Vec<u8>>, FeedError> {
        let StandBy { signer, chain, lead } = self.stand_by;
        let head = chain.heads().unsafe_head;
        let Some((term, challenge)) = self.challenge else { return Ok(None) };
        if self.head == Some(head) || lead.get().active {
            return Ok(None);
        }
        self.head = Some(head);
        let message = Message::acknowledged(chain.spec().chain_id, term, head, challenge);
        Ok(Some(message.sign(signer)?.encode().to_vec()))
    }
}

/// The task that listens.
#[derive(Debug)]
pub(crate) struct Client {
    urls: Vec<String>,
    chain_id: u64,
    signer: watch::Receiver<Address>,
    messages: mpsc::Sender<Heard>,
    wanted: Arc<Wanted>,
    generation: watch::Receiver<u64>,
    stand_by: Option<StandBy>,
}

/// Why a connection ended.
enum Ended {
    /// It was asked for.
    Restart,
    Shutdown,
    /// Whether anything was heard of it that counts.
    Lost {
        reason: String,
        heard: bool,
    },
}

impl Client {
    /// Listens to one of `urls` at a time for what `signer` signs, from block `from` on.
    pub(crate) fn new(
        urls: Vec<String>,
        chain_id: u64,
        signer: watch::Receiver<Address>,
        from: u64,
    ) -> (Self, Subscription) {
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        let wanted = Arc::new(Wanted { from: AtomicU64::new(from) });
        let (generation, generations) = watch::channel(0);
        let client = Self {
            urls,
            chain_id,
            signer: signer.clone(),
            messages: sender,
            wanted: Arc::clone(&wanted),
            generation: generations,
            stand_by: None,
        };
        (client, Subscription { messages, wanted, generation, signer })
    }

    /// Acknowledges what is on disk to a sequencer that wants it.
    #[must_use]
    pub(crate) fn standing_by(mut self, stand_by: StandBy) -> Self {
        self.stand_by = Some(stand_by);
        self
    }

    /// Listens until `shutdown`. A feed that cannot be reached is no error: the chain is derived meanwhile.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (mut turn, mut pause) = (0, PAUSE);
        loop {
            let Some(url) = self.urls.get(turn % self.urls.len().max(1)).cloned() else { return };
            let ended = tokio::select! {
                () = shutdown.cancelled() => return,
                ended = self.listen(&url) => ended,
            };
            match ended {
                Ended::Shutdown => return,
                Ended::Restart => {
                    pause = PAUSE;
                    continue;
                }
                Ended::Lost { reason, heard } => {
                    // Whoever stands by says so each time it is asked.
                    if pause == PAUSE {
                        tracing::warn!(url, reason, "the feed is lost; the next one is tried");
                    } else {
                        tracing::debug!(url, reason, "no feed there");
                    }
                    metrics::counter!("feed_lost_total").increment(1);
                    turn += 1;
                    pause = if heard { PAUSE } else { pause.saturating_mul(2).min(PAUSE_MAX) };
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn listen(&mut self, url: &str) -> Ended {
        let generation = *self.generation.borrow_and_update();
        let from = self.wanted.from.load(Ordering::Relaxed);
        let mut heard = false;
        let lost = |reason: String, heard| Ended::Lost { reason, heard };
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let mut target = format!("{}/?from={from}", url.trim_end_matches('/'));
        let mut said = self.stand_by.as_ref().map(Said::nothing);
        if let Some(said) = &said {
            target += &format!("&stand-in={}", said.stand_by.signer.address());
        }
        let connecting = connect_async_with_config(target, Some(config), true);
        let mut socket = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return lost(error.to_string(), heard),
            Err(_) => return lost("it does not answer".to_owned(), heard),
        };
        tracing::info!(url, from, "listening to the feed");
        let mut silent = Instant::now() + SILENCE_MAX;
        loop {
            let frame = tokio::select! {
                changed = self.generation.changed() => {
                    return if changed.is_ok() { Ended::Restart } else { Ended::Shutdown };
                }
                () = moved(&mut said) => {
                    if let Err(reason) = tell(&mut socket, &mut said).await {
                        return lost(reason, heard);
                    }
                    continue;
                }
                frame = timeout_at(silent, socket.next()) => frame,
            };
            silent = Instant::now() + SILENCE_MAX;
            let bytes = match frame {
                Err(_) => return lost("it says nothing any more".to_owned(), heard),
                Ok(None) => return lost("the connection is cut".to_owned(), heard),
                Ok(Some(Err(error))) => return lost(error.to_string(), heard),
                Ok(Some(Ok(Frame::Binary(bytes)))) => bytes,
                Ok(Some(Ok(Frame::Close(frame)))) => {
                    let silent = frame.as_ref().is_some_and(|frame| frame.code == SILENT.into());
                    let reason = frame.map(|frame| frame.reason.to_string());
                    let reason = reason.unwrap_or_else(|| "it was closed".to_owned());
                    return lost(reason, heard && !silent);
                }
                // Answered by the library.
                Ok(Some(Ok(_))) => continue,
            };
            let signer = *self.signer.borrow();
            match SignedMessage::decode(&bytes)
                .and_then(|signed| signed.verify(self.chain_id, signer))
            {
                Ok(message) => {
                    heard = true;
                    if message.kind == Kind::Challenge {
                        let Ok(Content::Challenge(challenge)) = message.content() else {
                            return lost("its challenge is none".to_owned(), false);
                        };
                        if let Some(said) = &mut said {
                            (said.challenge, said.head) = (Some((message.term, challenge)), None);
                        }
                        if let Err(reason) = tell(&mut socket, &mut said).await {
                            return lost(reason, heard);
                        }
                        continue;
                    }
                    let message = Heard { generation, signer, message };
                    if self.messages.send(message).await.is_err() {
                        return Ended::Shutdown;
                    }
                }
                Err(error) => {
                    tracing::error!(url, %error, "the feed is not the sequencer's");
                    metrics::counter!("feed_rejected_total").increment(1);
                    let _ = timeout(PAUSE, socket.close(None)).await;
                    return lost(error.to_string(), false);
                }
            }
        }
    }
}

async fn moved(said: &mut Option<Said<'_>>) {
    match said {
        Some(said) => said.moved().await,
        None => std::future::pending().await,
    }
}

/// Says what there is to say; the error is why the connection is given up.
async fn tell(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
    said: &mut Option<Said<'_>>,
) -> Result<(), String> {
    let Some(said) = said else { return Ok(()) };
    let Some(word) = said.next().map_err(|error| error.to_string())? else { return Ok(()) };
    match timeout(CONNECT_MAX, socket.send(Frame::binary(word))).await {
        Ok(sent) => sent.map_err(|error| error.to_string()),
        Err(_) => Err("it does not read".to_owned()),
    }
}
