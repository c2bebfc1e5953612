//! The port of the Engine API and of operators: who calls must show a token ([`crate::jwt`]). Every other
//! method is answered as on the open port; the Engine API's specification wants a few `eth_*` there.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::{RpcServer, json, read_body};
use crate::{
    error::NodeError,
    jwt::{JwtError, JwtSecret},
};

/// A port whose callers show a token.
#[derive(Debug)]
pub(crate) struct AuthServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl AuthServer {
    /// Takes the port.
    pub(crate) async fn bind(listen: SocketAddr) -> Result<Self, NodeError> {
        let (listener, address) = RpcServer::bind(listen).await?.into_parts();
        Ok(Self { listener, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`. `answer` gives the body that answers a body.
    pub(crate) async fn run<F, A>(
        self,
        secret: JwtSecret,
        body_bytes_max: usize,
        answer: F,
        shutdown: CancellationToken,
    ) -> Result<(), NodeError>
    where
        F: Fn(Bytes) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = String> + Send,
    {
        let respond = async move |request: Request| match read_body(request, body_bytes_max).await {
            Ok(body) => json(StatusCode::OK, answer(body).await),
            Err(refusal) => refusal,
        };
        let router = Router::new()
            .route("/", post(respond))
            // Outermost: a body is read only for those who may call.
            .layer(middleware::from_fn_with_state(secret, authorise));
        axum::serve(self.listener, router)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(|error| NodeError::Serve { address: self.address, error })
    }
}

async fn authorise(State(secret): State<JwtSecret>, request: Request, next: Next) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let token = request.headers().get(header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match token.ok_or(JwtError::Malformed).and_then(|token| secret.check(token.trim(), now)) {
        Ok(()) => next.run(request).await,
        Err(error) => (StatusCode::UNAUTHORIZED, error.to_string()).into_response(),
    }
}
