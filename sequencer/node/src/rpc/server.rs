//! HTTP and WebSocket on one port. Bodies, connections, requests in progress and time are bounded
//! here; what a call means is left to [`super::dispatch`].

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body as HttpBody, Bytes},
    extract::{
        DefaultBodyLimit, FromRequest, Request as HttpRequest, State,
        rejection::{BytesRejection, FailedToBufferBody},
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};

use super::{
    Api,
    envelope::{Id, write_response},
    error::{INVALID_REQUEST, RESOURCE_UNAVAILABLE, RpcError},
    session,
};
use crate::{
    error::NodeError,
    verification::{self, Verification},
};

/// How long requests in progress may hold up a shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// A bound, not yet serving RPC port.
#[derive(Debug)]
pub struct RpcServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct ServerState {
    api: Arc<Api>,
    requests: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl RpcServer {
    /// Takes the port, so that a taken one is known before anything runs.
    pub async fn bind(listen: SocketAddr) -> Result<Self, NodeError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AddrInUse => NodeError::PortTaken(listen),
            _ => NodeError::Bind { address: listen, error },
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets running requests finish for a short while.
    pub async fn run(
        self,
        api: Arc<Api>,
        verification: Arc<Verification>,
        shutdown: CancellationToken,
    ) -> Result<(), NodeError> {
        let config = api.config();
        let state = ServerState {
            requests: Arc::new(Semaphore::new(config.requests_max)),
            shutdown: shutdown.clone(),
            api: Arc::clone(&api),
        };
        let cors = CorsLayer::new()
            .allow_origin(Any)
            .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
            .allow_headers(Any);
        let router = Router::new()
            .route("/", get(upgrade).post(http))
            .merge(verification::routes(verification))
            .layer(DefaultBodyLimit::max(config.body_bytes_max))
            .layer(cors)
            .layer(CatchPanicLayer::new())
            .with_state(state);
        let listener = LimitedListener {
            listener: self.listener,
            connections: Arc::new(Semaphore::new(config.connections_max)),
        };
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned())
            .into_future();
        let given_up = async {
            shutdown.cancelled().await;
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        };
        tokio::select! {
            ended = serving => {
                ended.map_err(|error| NodeError::Serve { address: self.address, error })
            }
            () = given_up => Ok(()),
        }
    }
}

async fn http(State(state): State<ServerState>, request: HttpRequest) -> Response {
    let config = state.api.config();
    let answer = async {
        // A body that trickles in holds its connection, but no place among the requests.
        match Bytes::from_request(request, &()).await {
            Ok(body) => {
                let _permit = state.requests.acquire().await;
                // Only notifications: nothing to say.
                let answer = state.api.answer(body, None).await.unwrap_or_default();
                json(StatusCode::OK, answer)
            }
            Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))) => {
                failure(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    RpcError::new(
                        INVALID_REQUEST,
                        format!("request body too large, limit {} bytes", config.body_bytes_max),
                    ),
                )
            }
            Err(_) => failure(
                StatusCode::BAD_REQUEST,
                RpcError::new(INVALID_REQUEST, "the request body could not be read"),
            ),
        }
    };
    match tokio::time::timeout(config.request_timeout, answer).await {
        Ok(response) => response,
        Err(_) => failure(StatusCode::OK, RpcError::new(RESOURCE_UNAVAILABLE, "request timed out")),
    }
}

async fn upgrade(
    State(state): State<ServerState>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => {
            let limit = state.api.config().body_bytes_max;
            upgrade
                .max_message_size(limit)
                .max_frame_size(limit)
                .on_upgrade(move |socket| session::run(socket, state.api, state.shutdown))
        }
        // Health checks and browsers come with a plain GET; geth answers them with 200, too.
        Err(_) => StatusCode::OK.into_response(),
    }
}

fn failure(status: StatusCode, error: RpcError) -> Response {
    let mut answer = String::new();
    write_response(&mut answer, Id::Notification, &Err(error));
    json(status, answer)
}

fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Accepts no more connections than there are permits; the rest wait in the kernel's queue.
struct LimitedListener {
    listener: TcpListener,
    connections: Arc<Semaphore>,
}

impl Listener for LimitedListener {
    type Io = LimitedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed, so that the permit is only absent while waiting.
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        metrics::counter!("rpc_connections_total").increment(1);
        (LimitedStream { stream, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its permit back when it closes.
struct LimitedStream {
    stream: TcpStream,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
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
