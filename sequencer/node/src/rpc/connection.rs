//! TCP connections within bounds: so many in all, so many of one peer, and none that only holds its
//! place. HTTP and WebSocket above need not care.
//!
//! * A connection without traffic is closed after `idle_max`; one that never sent anything, after
//!   `first_byte_max`.
//! * A request that arrives in drops, or is answered by nothing, is closed `request_max` after its
//!   first byte.
//! * A peer that does not read for `write_max` is closed, with all that was to be sent to it.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep_until},
};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub connections_max: usize,
    /// Of one IP address.
    pub peer_connections_max: usize,
    pub first_byte_max: Duration,
    pub request_max: Duration,
    pub idle_max: Duration,
    pub write_max: Duration,
}

/// Accepts no more connections than there are permits; the rest wait in the kernel's queue.
pub(crate) struct LimitedListener {
    listener: TcpListener,
    connections: Arc<Semaphore>,
    peers: Arc<Peers>,
    limits: Limits,
}

impl LimitedListener {
    pub(crate) fn new(listener: TcpListener, limits: Limits) -> Self {
        Self {
            listener,
            connections: Arc::new(Semaphore::new(limits.connections_max)),
            peers: Arc::default(),
            limits,
        }
    }
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            // The semaphore is never closed, so that the permit is only absent while waiting.
            let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
            let (stream, address) = Listener::accept(&mut self.listener).await;
            metrics::counter!("rpc_connections_total").increment(1);
            let Some(peer) =
                Peers::enter(&self.peers, address.ip(), self.limits.peer_connections_max)
            else {
                metrics::counter!("rpc_connections_refused_total").increment(1);
                continue;
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            return (LimitedStream::new(stream, self.limits, permit, peer), address);
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Open connections of each peer.
#[derive(Debug, Default)]
struct Peers(Mutex<HashMap<IpAddr, usize>>);

impl Peers {
    fn enter(peers: &Arc<Self>, address: IpAddr, max: usize) -> Option<Peer> {
        let mut open = peers.0.lock();
        let count = open.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Peer { peers: Arc::clone(peers), address })
    }
}

/// A place among the connections of one peer.
#[derive(Debug)]
struct Peer {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// A connection that ends when its peer does nothing, and gives its places back.
#[derive(Debug)]
pub(crate) struct LimitedStream {
    stream: TcpStream,
    limits: Limits,
    /// When the peer last sent or took something.
    active: Instant,
    /// When the first byte came that nothing was written after.
    request: Option<Instant>,
    /// Since when the peer takes nothing.
    blocked: Option<Instant>,
    /// Whether the peer ever sent anything.
    spoke: bool,
    timer: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
    _peer: Peer,
}

impl LimitedStream {
    fn new(
        stream: TcpStream,
        limits: Limits,
        permit: Option<OwnedSemaphorePermit>,
        peer: Peer,
    ) -> Self {
        let now = Instant::now();
        Self {
            stream,
            limits,
            active: now,
            request: None,
            blocked: None,
            spoke: false,
            timer: Box::pin(sleep_until(now + limits.first_byte_max)),
            _permit: permit,
            _peer: peer,
        }
    }

    /// When the connection ends if nothing happens.
    fn deadline(&self) -> Instant {
        let idle = if self.spoke { self.limits.idle_max } else { self.limits.first_byte_max };
        let waiting = match self.request {
            Some(first_byte) => first_byte + self.limits.request_max,
            None => self.active + idle,
        };
        match self.blocked {
            // Whoever does not read is not waited for, whatever it sends.
            Some(since) => since + self.limits.write_max,
            None => waiting,
        }
    }

    /// Wakes the task at the deadline; an error when that has passed.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let deadline = self.deadline();
        // Moving a timer costs more than an early wake-up: it is moved when it fires, or when it
        // would fire too late.
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                metrics::counter!("rpc_connections_timed_out_total").increment(1);
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(deadline);
        }
        Ok(())
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => {
                self.active = Instant::now();
                self.request = None;
                self.blocked = None;
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
                if let Err(error) = self.poll_deadline(context) {
                    return Poll::Ready(Err(error));
                }
            }
        }
        written
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            return match self.poll_deadline(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
        if buffer.filled().len() > before {
            let now = Instant::now();
            self.spoke = true;
            self.active = now;
            self.request.get_or_insert(now);
        }
        read
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.wrote(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
