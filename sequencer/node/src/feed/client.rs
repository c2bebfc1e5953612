//! Listens to a sequencer's feed: connects, again and again, to one of several; takes only what the
//! expected key signed; and is told from which block on it is to listen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Address;
use futures::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Message as Frame, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use super::message::{MESSAGE_BYTES_MAX, Message, SignedMessage};

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

/// The task that listens.
#[derive(Debug)]
pub(crate) struct Client {
    urls: Vec<String>,
    chain_id: u64,
    signer: watch::Receiver<Address>,
    messages: mpsc::Sender<Heard>,
    wanted: Arc<Wanted>,
    generation: watch::Receiver<u64>,
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
        };
        (client, Subscription { messages, wanted, generation, signer })
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
        let target = format!("{}/?from={from}", url.trim_end_matches('/'));
        let connecting = connect_async_with_config(target, Some(config), true);
        let mut socket = match timeout(CONNECT_MAX, connecting).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return lost(error.to_string(), heard),
            Err(_) => return lost("it does not answer".to_owned(), heard),
        };
        tracing::info!(url, from, "listening to the feed");
        loop {
            let frame = tokio::select! {
                changed = self.generation.changed() => {
                    return if changed.is_ok() { Ended::Restart } else { Ended::Shutdown };
                }
                frame = timeout(SILENCE_MAX, socket.next()) => frame,
            };
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
