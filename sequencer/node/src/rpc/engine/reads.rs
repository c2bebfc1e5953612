//! The Engine API's reads, with their limits.

use std::sync::Arc;

use alloy_primitives::B256;
use revm::primitives::hardfork::SpecId;

use super::{blocking, fork, unsupported_fork};
use crate::{
    ethereum::engine::Engine,
    rpc::{
        error::{RpcError, RpcResult},
        params::{Number, Params},
        to_json,
    },
};

/// Bodies of one answer, at most; a client asks for 32 at least (execution-apis, Shanghai).
const BODIES_MAX: usize = 1_024;
/// Blobs of one answer, at most (execution-apis, Cancun).
const BLOBS_MAX: usize = 128;
/// Code of execution-apis' `src/engine/common.md`.
const TOO_LARGE: i64 = -38_004;

/// Answers a read of the Engine API.
pub(super) async fn dispatch(engine: &Arc<Engine>, method: &str, params: &Params<'_>) -> RpcResult {
    match method {
        "engine_getPayloadBodiesByHashV1" => {
            let hashes = bounded(params.required::<Vec<B256>>(0)?, BODIES_MAX)?;
            to_json(blocking(engine, move |engine| engine.bodies_by_hash(&hashes)).await?)
        }
        "engine_getPayloadBodiesByRangeV1" => {
            let (first, count) = (params.required::<Number>(0)?.0, params.required::<Number>(1)?.0);
            if first == 0 || count == 0 {
                return Err(RpcError::invalid_params("start and count must be at least 1"));
            }
            if count > BODIES_MAX as u64 {
                return Err(too_large());
            }
            to_json(blocking(engine, move |engine| engine.bodies_by_range(first, count)).await?)
        }
        "engine_getBlobsV1" => {
            let hashes = bounded(params.required::<Vec<B256>>(0)?, BLOBS_MAX)?;
            // Since Osaka there are no proofs of whole blobs.
            if at_head(engine).await?.is_enabled_in(SpecId::OSAKA) {
                return Err(unsupported_fork());
            }
            to_json(blocking(engine, move |engine| Ok(engine.blobs_v1(&hashes))).await?)
        }
        "engine_getBlobsV2" => {
            let hashes = bounded(params.required::<Vec<B256>>(0)?, BLOBS_MAX)?;
            to_json(blocking(engine, move |engine| Ok(engine.blobs_v2(&hashes))).await?)
        }
        method => Err(RpcError::method_not_found(method)),
    }
}

/// The rules at the head.
async fn at_head(engine: &Arc<Engine>) -> Result<SpecId, RpcError> {
    blocking(engine, |engine| {
        let timestamp = engine.chain().head()?.header().timestamp;
        Ok(fork(engine, timestamp))
    })
    .await
}

fn bounded(hashes: Vec<B256>, max: usize) -> Result<Vec<B256>, RpcError> {
    if hashes.len() > max { Err(too_large()) } else { Ok(hashes) }
}

fn too_large() -> RpcError {
    RpcError::new(TOO_LARGE, "Too large request")
}
