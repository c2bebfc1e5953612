//! The beacon API's routes over HTTP, beside the JSON-RPC of a chain that makes its own blocks
//! (`ethereum::beacon` answers).

use std::sync::Arc;

use alloy_primitives::B256;
use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::json;

use super::CLIENT_VERSION;
use crate::ethereum::{
    beacon::{self, BeaconError, FORK, Found},
    miner::Miner,
};

type Asked = State<Arc<Miner>>;

/// All routes.
pub(super) fn routes<S>(miner: Arc<Miner>) -> Router<S> {
    Router::new()
        .route("/eth/v1/beacon/genesis", get(genesis))
        .route("/eth/v1/config/spec", get(spec))
        .route("/eth/v1/beacon/headers/{id}", get(header))
        .route("/eth/v1/beacon/blob_sidecars/{id}", get(blob_sidecars))
        .route("/eth/v1/beacon/blobs/{id}", get(blobs))
        .route("/eth/v1/node/version", get(version))
        .route("/eth/v1/node/health", get(health))
        .route("/eth/v1/node/syncing", get(syncing))
        .with_state(miner)
}

async fn genesis(State(miner): Asked) -> Response {
    plain(beacon::genesis(&miner))
}

async fn spec(State(miner): Asked) -> Response {
    plain(Ok(beacon::spec(&miner)))
}

async fn version() -> Response {
    plain(Ok(json!({ "version": CLIENT_VERSION })))
}

async fn health() -> StatusCode {
    StatusCode::OK
}

async fn syncing(State(miner): Asked) -> Response {
    plain(beacon::head_slot(&miner).map(|slot| {
        json!({
            "head_slot": slot.to_string(),
            "sync_distance": "0",
            "is_syncing": false,
            "is_optimistic": false,
            "el_offline": false,
        })
    }))
}

async fn header(State(miner): Asked, Path(id): Path<String>) -> Response {
    of_block(miner, move |miner| beacon::header(miner, &id)).await
}

async fn blob_sidecars(
    State(miner): Asked,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    match all_of(query.as_deref(), "indices") {
        Ok(indices) => {
            of_block(miner, move |miner| beacon::blob_sidecars(miner, &id, &indices)).await
        }
        Err(response) => response,
    }
}

async fn blobs(State(miner): Asked, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    match all_of::<B256>(query.as_deref(), "versioned_hashes") {
        Ok(hashes) => of_block(miner, move |miner| beacon::blobs(miner, &id, &hashes)).await,
        Err(response) => response,
    }
}

/// Answers from the disk, off the async threads.
async fn of_block<T: Serialize + Send + 'static>(
    miner: Arc<Miner>,
    ask: impl FnOnce(&Miner) -> Result<Found<T>, BeaconError> + Send + 'static,
) -> Response {
    let answer = tokio::task::spawn_blocking(move || match ask(&miner) {
        Ok(Found { data, finalized }) => Json(json!({
            "version": FORK,
            "execution_optimistic": false,
            "finalized": finalized,
            "data": data,
        }))
        .into_response(),
        Err(error) => failure(&error),
    });
    answer.await.unwrap_or_else(|_| {
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made")
    })
}

fn plain(answer: Result<impl Serialize, BeaconError>) -> Response {
    match answer {
        Ok(data) => Json(json!({ "data": data })).into_response(),
        Err(error) => failure(&error),
    }
}

fn failure(error: &BeaconError) -> Response {
    let status = match error {
        BeaconError::BlockId(_) => StatusCode::BAD_REQUEST,
        BeaconError::NoBlock | BeaconError::Pruned(_) => StatusCode::NOT_FOUND,
        BeaconError::Miner(_) | BeaconError::Kzg(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refusal(status, &error.to_string())
}

/// An error in the beacon API's shape.
fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "code": status.as_u16(), "message": message }))).into_response()
}

/// Values of a parameter that is repeated or holds several between commas.
fn all_of<T: std::str::FromStr>(query: Option<&str>, name: &str) -> Result<Vec<T>, Response> {
    query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| *key == name)
        .flat_map(|(_, values)| values.split(',').flat_map(|value| value.split("%2C")))
        .filter(|value| !value.is_empty())
        .map(|value| {
            value
                .parse()
                .map_err(|_| refusal(StatusCode::BAD_REQUEST, &format!("Invalid {name}: {value}")))
        })
        .collect()
}
