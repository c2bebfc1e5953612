//! What nearly every request is: a POST to `/` over HTTP/1.1 with a body of known, moderate length. Such requests are
//! read and answered here, since all that a whole HTTP server does takes longer than a short call. Any other
//! request goes to that server, with its connection and whatever is not answered yet, and the connection stays
//! there.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, Write},
    mem::MaybeUninit,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::serve::Listener;
use futures::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::{LimitedListener, LimitedStream},
    server::{ServerState, answer, timed_out},
};

/// Where a head is that does not end before is not this module's.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// The longest body taken here.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Headers of a request taken here.
const HEADERS_MAX: usize = 24;
/// What is read at once at first.
const INPUT_BYTES: usize = 4 << 10;
/// Answers up to this length are copied behind their heads.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// Connections that the whole server takes over.
pub(super) struct HandedOver {
    connections: mpsc::Receiver<(Begun, SocketAddr)>,
    address: SocketAddr,
}

/// A connection of which something was read.
pub(super) struct Begun {
    read: Vec<u8>,
    given: usize,
    stream: LimitedStream,
}

/// Accepts connections and answers their plain requests until the shutdown. The rest goes to whoever listens to what
/// is given first.
pub(super) fn serve(
    listener: LimitedListener,
    address: SocketAddr,
    state: ServerState,
) -> (HandedOver, impl Future<Output = ()>) {
    let (others, connections) = mpsc::channel(1);
    (HandedOver { connections, address }, accept(listener, others, state))
}

async fn accept(
    mut listener: LimitedListener,
    others: mpsc::Sender<(Begun, SocketAddr)>,
    state: ServerState,
) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            biased;
            () = state.shutdown.cancelled() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                told(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (others, state) = (others.clone(), state.clone());
        connections.spawn(async move {
            let connection = Connection {
                stream,
                input: Input::default(),
                request: Vec::new(),
                output: Vec::new(),
            };
            if let Some(begun) = connection.serve(&state).await {
                // Nobody is there any more at a shutdown.
                let _ = others.send((begun, address)).await;
            }
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        told(ended);
    }
}

fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection was lost");
    }
}

impl Listener for HandedOver {
    type Io = Begun;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Begun, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // After the shutdown, of which the server hears itself.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.read.get(self.given..).unwrap_or_default();
        if rest.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..count]);
        self.given += count;
        if self.given == self.read.len() {
            (self.read, self.given) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
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
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What was read and not used yet.
#[derive(Default)]
struct Input {
    /// Longer than what was read into it.
    buffer: Vec<u8>,
    filled: usize,
}

impl Input {
    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Reads what is there.
    fn poll_fill(
        &mut self,
        stream: &mut LimitedStream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.filled == self.buffer.len() {
            self.buffer.resize((2 * self.filled).max(INPUT_BYTES), 0);
        }
        let mut room = ReadBuf::new(self.buffer.get_mut(self.filled..).unwrap_or_default());
        ready!(Pin::new(stream).poll_read(context, &mut room))?;
        let count = room.filled().len();
        self.filled += count;
        Poll::Ready(Ok(count))
    }

    /// Forgets the first bytes.
    fn forget(&mut self, count: usize) {
        self.buffer.copy_within(count..self.filled, 0);
        self.filled -= count;
        // Few clients send long bodies, but many keep their connections.
        if self.filled == 0 && self.buffer.len() > INPUT_BYTES {
            self.buffer = Vec::new();
        }
    }
}

/// What is known of the next request.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// Its end has not come.
    Partial,
    /// Lengths of the head and the body.
    Plain {
        head: usize,
        body: usize,
    },
    Other,
}

impl Head {
    fn of(bytes: &[u8], body_bytes_max: usize) -> Self {
        if bytes.is_empty() {
            return Self::Partial;
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut []);
        let head = match request.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Self::Partial,
            // The whole server says what is wrong.
            Ok(httparse::Status::Partial) | Err(_) => return Self::Other,
        };
        if (request.method, request.path, request.version) != (Some("POST"), Some("/"), Some(1)) {
            return Self::Other;
        }
        let mut body = None;
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                match length(header.value) {
                    Some(length) if body.is_none() && length <= body_bytes_max => {
                        body = Some(length);
                    }
                    _ => return Self::Other,
                }
            } else if is("transfer-encoding")
                || is("expect")
                || is("upgrade")
                || is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive")
            {
                return Self::Other;
            }
        }
        body.map_or(Self::Other, |body| Self::Plain { head, body })
    }
}

/// Decimal digits and nothing else.
fn length(value: &[u8]) -> Option<usize> {
    let digits = value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

/// A connection whose requests were all plain so far.
struct Connection {
    stream: LimitedStream,
    input: Input,
    /// Kept for its memory, as the next.
    request: Vec<u8>,
    output: Vec<u8>,
}

/// The connection is over.
struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Connection {
    /// Answers requests until the connection ends, or gives it back at one that is not plain.
    async fn serve(mut self, state: &ServerState) -> Option<Begun> {
        let body_bytes_max = state.api.config().body_bytes_max.min(BODY_BYTES_MAX);
        let mut shutdown = pin!(state.shutdown.cancelled());
        loop {
            match Head::of(self.input.bytes(), body_bytes_max) {
                Head::Partial => {
                    let is_idle = self.input.filled == 0;
                    let count = tokio::select! {
                        biased;
                        count = self.fill() => count,
                        () = &mut shutdown, if is_idle => return None,
                    };
                    if count.map_or(true, |count| count == 0) {
                        return None;
                    }
                }
                Head::Plain { head, body } => {
                    self.answer(state, head, body).await.ok()?;
                    if state.shutdown.is_cancelled() {
                        return None;
                    }
                }
                Head::Other => {
                    let Self { stream, input, .. } = self;
                    return Some(Begun { read: input.bytes().to_vec(), given: 0, stream });
                }
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        poll_fn(|context| self.input.poll_fill(&mut self.stream, context)).await
    }

    /// Answers one request.
    async fn answer(&mut self, state: &ServerState, head: usize, body: usize) -> Result<(), Over> {
        let wait = state.api.config().request_timeout;
        let end = head.saturating_add(body);
        if self.input.filled < end {
            match timeout(wait, self.fill_to(end)).await {
                Ok(filled) => filled?,
                Err(_) => {
                    self.respond(Some(&timed_out())).await?;
                    return Err(Over);
                }
            }
        }
        let mut request = std::mem::take(&mut self.request);
        request.clear();
        request.extend_from_slice(self.input.bytes().get(head..end).unwrap_or_default());
        self.input.forget(end);
        let answer = {
            let answer = pin!(AssertUnwindSafe(answer(state, &request)).catch_unwind());
            self.unless_gone(wait, answer).await?
        };
        // As with input: few bodies are long.
        if request.capacity() <= INPUT_BYTES {
            self.request = request;
        }
        match answer {
            // The panic is in the log.
            Some(answer) => self.respond(answer.ok().as_deref()).await?,
            None => self.respond(Some(&timed_out())).await?,
        }
        Ok(())
    }

    async fn fill_to(&mut self, end: usize) -> Result<(), Over> {
        while self.input.filled < end {
            if self.fill().await? == 0 {
                return Err(Over);
            }
        }
        Ok(())
    }

    /// Waits for an answer as long as somebody is there to hear it; `None` when it took too long. The next request,
    /// if it comes meanwhile, is read only as far as it is there.
    async fn unless_gone<T>(
        &mut self,
        wait: Duration,
        mut answer: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Option<T>, Over> {
        // Most answers are there at once, and need no timer.
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(Ok(Some(answer)));
            }
            if self.input.filled == 0 {
                match self.input.poll_fill(&mut self.stream, context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Over)),
                    Poll::Ready(Ok(_)) | Poll::Pending => {}
                }
            }
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(wait)));
            timer.as_mut().poll(context).map(|()| Ok(None))
        })
        .await
    }

    /// Writes an answer; none if making it panicked.
    async fn respond(&mut self, answer: Option<&str>) -> io::Result<()> {
        let body = answer.unwrap_or_default().as_bytes();
        let head: &[u8] = match answer {
            Some(_) => b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
            None => b"HTTP/1.1 500 Internal Server Error\r\n",
        };
        self.output.clear();
        self.output.extend_from_slice(head);
        write!(
            self.output,
            "access-control-allow-origin: *\r\ncontent-length: {}\r\ndate: ",
            body.len()
        )?;
        write_date(&mut self.output);
        self.output.extend_from_slice(b"\r\n\r\n");
        if body.len() <= COPIED_BYTES_MAX {
            self.output.extend_from_slice(body);
            return self.stream.write_all(&self.output).await;
        }
        self.stream.write_all(&self.output).await?;
        self.stream.write_all(body).await
    }
}

/// The time as HTTP writes it, formatted once a second.
fn write_date(out: &mut Vec<u8>) {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(at, date)| {
        if *at != seconds || date.is_empty() {
            (*at, *date) = (seconds, httpdate::fmt_http_date(now));
        }
        out.extend_from_slice(date.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::of(text.as_bytes(), 100)
    }

    #[test]
    fn only_what_needs_nothing_else_is_plain() {
        let plain =
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nConnection: Keep-Alive\r\n\r\n";
        assert_eq!(
            head(&format!("{plain}[1,2,3]POST")),
            Head::Plain { head: plain.len(), body: 7 }
        );
        for end in 0..plain.len() {
            assert_eq!(head(&plain[..end]), Head::Partial, "{end}");
        }
        for other in [
            "GET / HTTP/1.1\r\ncontent-length: 7\r\n\r\n",
            "OPTIONS / HTTP/1.1\r\ncontent-length: 7\r\n\r\n",
            "POST /? HTTP/1.1\r\ncontent-length: 7\r\n\r\n",
            "POST /verification HTTP/1.1\r\ncontent-length: 7\r\n\r\n",
            "POST http://x/ HTTP/1.1\r\ncontent-length: 7\r\n\r\n",
            "POST / HTTP/1.0\r\ncontent-length: 7\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 101\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: -7\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: +7\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7, 7\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length:\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7\r\ncontent-length: 7\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7\r\nExpect: 100-continue\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7\r\nConnection: close\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 7\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            "POST / HTTP/1.1\r\n content-length: 7\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(head(other), Head::Other, "{other}");
        }
        let long = "a: b\r\n".repeat(HEAD_BYTES_MAX / 6 + 1);
        assert_eq!(head(&format!("POST / HTTP/1.1\r\n{long}")), Head::Other);
        let many = "a: b\r\n".repeat(HEADERS_MAX);
        assert_eq!(
            head(&format!("POST / HTTP/1.1\r\n{many}content-length: 1\r\n\r\n")),
            Head::Other
        );
    }

    #[test]
    fn dates_are_those_of_http() {
        let mut out = Vec::new();
        write_date(&mut out);
        let date = String::from_utf8(out).unwrap();
        let told = httpdate::parse_http_date(&date).unwrap();
        assert!(told.elapsed().unwrap().as_secs() < 60, "{date}");
    }
}
