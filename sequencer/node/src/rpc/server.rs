//! HTTP and WebSocket on one port. Bodies, connections, requests in progress and time are bounded
//! here; what a call means is left to [`super::dispatch`]. Most requests do not come here but are answered by
//! [`super::plain`].

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router, ServiceExt,
    body::{Body as HttpBody, Bytes},
    extract::{
        DefaultBodyLimit, Request as HttpRequest, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{FutureExt, StreamExt, future::BoxFuture};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};
use tower_service::Service;

use super::{
    Api, beacon,
    connection::{LimitedListener, Limits},
    envelope::{Id, write_response},
    error::{INVALID_REQUEST, RESOURCE_UNAVAILABLE, RpcError},
    plain, session,
};
use crate::{
    error::NodeError,
    verification::{self, Verification},
};

/// How long requests in progress may hold up a shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Bytes beyond the limit of a body that are read and forgotten before the connection is given up.
const FORGOTTEN_BYTES_MAX: usize = 128 << 20;

/// A bound, not yet serving RPC port.
#[derive(Debug)]
pub struct RpcServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
pub(super) struct ServerState {
    pub(super) api: Arc<Api>,
    requests: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
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

    pub(crate) fn into_parts(self) -> (TcpListener, SocketAddr) {
        (self.listener, self.address)
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
        // Requests with POST do not come here, but other methods are told of it.
        let mut router = Router::new()
            .route("/", get(upgrade).post(http))
            .merge(verification::routes(verification));
        if let Some(miner) = &api.miner {
            router = router.merge(beacon::routes(Arc::clone(miner)));
        }
        let router = router
            .layer(DefaultBodyLimit::max(config.body_bytes_max))
            .layer(cors)
            .layer(CatchPanicLayer::new())
            .with_state(state.clone());
        let front = Front { state: state.clone(), router };
        let limits = Limits {
            connections_max: config.connections_max,
            peer_connections_max: config.peer_connections_max,
            first_byte_max: config.first_byte_max,
            // The handler's own limit begins when the head of the request is complete and answers;
            // this one ends what never got so far.
            request_max: config.request_timeout.saturating_add(config.first_byte_max),
            idle_max: config.idle_max,
            write_max: config.write_timeout,
        };
        let listener = LimitedListener::new(self.listener, limits);
        let (handed_over, plain) = plain::serve(listener, self.address, state);
        let others = axum::serve(handed_over, front.into_make_service())
            .with_graceful_shutdown(shutdown.clone().cancelled_owned())
            .into_future();
        let serving = async { tokio::join!(plain, others).1 };
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

/// Calls are answered before the router: its layers take longer than a short one.
#[derive(Clone)]
struct Front {
    state: ServerState,
    router: Router,
}

impl Service<HttpRequest> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        if request.method() != Method::POST || request.uri().path() != "/" {
            return Box::pin(self.router.call(request));
        }
        let answer = http(State(self.state.clone()), request);
        Box::pin(async move {
            let answer = AssertUnwindSafe(answer).catch_unwind().await;
            let mut response = answer.unwrap_or_else(|_| {
                // The panic is in the log.
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            });
            let any = HeaderValue::from_static("*");
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
            Ok(response)
        })
    }
}

async fn http(State(state): State<ServerState>, request: HttpRequest) -> Response {
    let config = state.api.config();
    let answer = async {
        // A body that trickles in holds its connection, but no place among the requests.
        match read_body(request, config.body_bytes_max).await {
            Ok(body) => json(StatusCode::OK, answer(&state, &body).await),
            Err(refusal) => refusal,
        }
    };
    match tokio::time::timeout(config.request_timeout, answer).await {
        Ok(response) => response,
        Err(_) => json(StatusCode::OK, timed_out()),
    }
}

/// Answers a body when its turn comes.
pub(super) async fn answer(state: &ServerState, body: &[u8]) -> String {
    let _permit = state.requests.acquire().await;
    // Only notifications: nothing to say.
    state.api.answer(body, None).await.unwrap_or_default()
}

/// What a request is answered that took too long.
pub(super) fn timed_out() -> String {
    let error = RpcError::new(RESOURCE_UNAVAILABLE, "request timed out");
    let mut answer = String::new();
    write_response(&mut answer, Id::Notification, &Err(error));
    answer
}

/// The whole body, or the answer to give instead. What is beyond the limit is read on for a while and forgotten:
/// whoever is still writing when the connection closes would see a broken pipe instead of the answer.
pub(super) async fn read_body(request: HttpRequest, bytes_max: usize) -> Result<Bytes, Response> {
    let mut first = Bytes::new();
    let mut all = Vec::new();
    let mut length = 0_usize;
    let mut parts = request.into_body().into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| {
            let error = RpcError::new(INVALID_REQUEST, "the request body could not be read");
            failure(StatusCode::BAD_REQUEST, error)
        })?;
        length = length.saturating_add(part.len());
        if length > bytes_max {
            all = Vec::new();
            if length > bytes_max.saturating_add(FORGOTTEN_BYTES_MAX) {
                break;
            }
        } else if length == part.len() {
            first = part;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&part);
        }
    }
    match length {
        _ if length > bytes_max => Err(failure(
            StatusCode::PAYLOAD_TOO_LARGE,
            RpcError::new(
                INVALID_REQUEST,
                format!("request body too large, limit {bytes_max} bytes"),
            ),
        )),
        // Most bodies come in one part.
        _ if all.is_empty() => Ok(first),
        _ => Ok(all.into()),
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

pub(super) fn json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
