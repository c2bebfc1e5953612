//! The Engine API: `engine_*` up to Osaka, on the authenticated port ([`super::authenticated`]).

mod reads;

use std::sync::Arc;

use alloy_eips::{eip4895::Withdrawals, eip7685::Requests};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{
    BlobsBundleV1, BlobsBundleV2, CancunPayloadFields, ExecutionPayload,
    ExecutionPayloadEnvelopeV2, ExecutionPayloadEnvelopeV3, ExecutionPayloadEnvelopeV4,
    ExecutionPayloadEnvelopeV5, ExecutionPayloadFieldV2, ExecutionPayloadInputV2,
    ExecutionPayloadSidecar, ExecutionPayloadV1, ExecutionPayloadV3, ForkchoiceState,
    ForkchoiceUpdated, PayloadAttributes, PayloadId, PayloadStatus, PraguePayloadFields,
};
use primitives::{Block, TxEnvelope};
use revm::primitives::hardfork::SpecId;
use serde_json::json;

use super::{
    error::{INVALID_PARAMS, RpcError, RpcResult},
    params::Params,
    to_json,
};
use crate::ethereum::{
    engine::{Engine, EngineError, invalid},
    payload::{Attributes, Built},
};

/// Codes of execution-apis' `src/engine/common.md`.
const UNKNOWN_PAYLOAD: i64 = -38_001;
const INVALID_FORKCHOICE_STATE: i64 = -38_002;
const INVALID_PAYLOAD_ATTRIBUTES: i64 = -38_003;
const UNSUPPORTED_FORK: i64 = -38_005;

/// What `engine_exchangeCapabilities` says; itself is left out, as the specification wants.
const CAPABILITIES: &[&str] = &[
    "engine_newPayloadV1",
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_forkchoiceUpdatedV1",
    "engine_forkchoiceUpdatedV2",
    "engine_forkchoiceUpdatedV3",
    "engine_getPayloadV1",
    "engine_getPayloadV2",
    "engine_getPayloadV3",
    "engine_getPayloadV4",
    "engine_getPayloadV5",
    "engine_getPayloadBodiesByHashV1",
    "engine_getPayloadBodiesByRangeV1",
    "engine_getBlobsV1",
    "engine_getBlobsV2",
    "engine_getClientVersionV1",
];

/// Answers an `engine_*` call.
pub(super) async fn dispatch(engine: &Arc<Engine>, method: &str, params: &Params<'_>) -> RpcResult {
    match method {
        "engine_exchangeCapabilities" => to_json(CAPABILITIES),
        "engine_getClientVersionV1" => to_json(json!([{
            "code": "OL",
            "name": "openledger",
            "version": concat!("v", env!("CARGO_PKG_VERSION")),
            // Of the source there is none in a build.
            "commit": "0x00000000",
        }])),
        "engine_newPayloadV1" => {
            let payload = ExecutionPayload::V1(params.required::<ExecutionPayloadV1>(0)?);
            check_fork(engine, payload.timestamp(), None, Some(SpecId::SHANGHAI))
                .map_err(as_params)?;
            new_payload(engine, payload, ExecutionPayloadSidecar::none()).await
        }
        "engine_newPayloadV2" => {
            let payload = params.required::<ExecutionPayloadInputV2>(0)?.into_payload();
            let shanghai = fork(engine, payload.timestamp()).is_enabled_in(SpecId::SHANGHAI);
            if shanghai != matches!(payload, ExecutionPayload::V2(_)) {
                return Err(RpcError::invalid_params("withdrawals belong to Shanghai's payloads"));
            }
            check_fork(engine, payload.timestamp(), None, Some(SpecId::CANCUN))?;
            new_payload(engine, payload, ExecutionPayloadSidecar::none()).await
        }
        "engine_newPayloadV3" => {
            let (payload, cancun) = cancun_payload(params)?;
            let timestamp = payload.timestamp();
            check_fork(engine, timestamp, Some(SpecId::CANCUN), Some(SpecId::PRAGUE))?;
            new_payload(engine, payload, ExecutionPayloadSidecar::v3(cancun)).await
        }
        "engine_newPayloadV4" => {
            let (payload, cancun) = cancun_payload(params)?;
            let requests = params.required::<Vec<Bytes>>(3)?;
            check_requests(&requests)?;
            check_fork(engine, payload.timestamp(), Some(SpecId::PRAGUE), None)?;
            let prague = PraguePayloadFields::new(Requests::new(requests));
            new_payload(engine, payload, ExecutionPayloadSidecar::v4(cancun, prague)).await
        }
        "engine_newPayloadV5" => Err(unsupported_fork()),
        "engine_forkchoiceUpdatedV1" => forkchoice_updated(engine, params, 1).await,
        "engine_forkchoiceUpdatedV2" => forkchoice_updated(engine, params, 2).await,
        "engine_forkchoiceUpdatedV3" => forkchoice_updated(engine, params, 3).await,
        "engine_getPayloadV1"
        | "engine_getPayloadV2"
        | "engine_getPayloadV3"
        | "engine_getPayloadV4"
        | "engine_getPayloadV5" => {
            let id = params.required::<PayloadId>(0)?;
            let built = blocking(engine, move |engine| engine.payload(id)).await?;
            payload_answer(engine, method, &built)
        }
        method => reads::dispatch(engine, method, params).await,
    }
}

/// A payload with what is given beside it since Cancun.
fn cancun_payload(
    params: &Params<'_>,
) -> Result<(ExecutionPayload, CancunPayloadFields), RpcError> {
    let payload = ExecutionPayload::V3(params.required::<ExecutionPayloadV3>(0)?);
    let versioned_hashes = params.required::<Vec<B256>>(1)?;
    let parent_beacon_block_root = params.required::<B256>(2)?;
    Ok((payload, CancunPayloadFields { parent_beacon_block_root, versioned_hashes }))
}

/// EIP-7685: each with a type and data, the types rising.
fn check_requests(requests: &[Bytes]) -> Result<(), RpcError> {
    let has_data = requests.iter().all(|request| request.len() > 1);
    let rise = requests.windows(2).all(|pair| pair[0].first() < pair[1].first());
    if has_data && rise {
        return Ok(());
    }
    Err(RpcError::invalid_params("execution requests must have data and be ordered by type"))
}

async fn new_payload(
    engine: &Arc<Engine>,
    payload: ExecutionPayload,
    sidecar: ExecutionPayloadSidecar,
) -> RpcResult {
    let status = blocking(engine, move |engine| {
        let (parent, claimed) = (payload.parent_hash(), payload.block_hash());
        let block = match block_of(payload, &sidecar, claimed) {
            Ok(block) => block,
            Err(BadPayload::Hash(reason)) => return Ok(invalid(reason, None)),
            Err(BadPayload::Content(reason)) => {
                return Ok(invalid(reason, engine.last_good(parent)?));
            }
        };
        engine.new_payload(block)
    });
    to_json(status.await?)
}

/// Why a payload is no block.
enum BadPayload {
    /// The hash does not cover it: which block was meant is not known.
    Hash(&'static str),
    Content(String),
}

fn block_of(
    payload: ExecutionPayload,
    sidecar: &ExecutionPayloadSidecar,
    claimed: B256,
) -> Result<Block, BadPayload> {
    let decode = |bytes: Bytes| TxEnvelope::decode_strict(&bytes).map_err(alloy_rlp::Error::from);
    let block = payload
        .try_into_block_with_sidecar_with(sidecar, decode)
        .map_err(|error| BadPayload::Content(error.to_string()))?;
    let block = Block::from_rlp(block);
    if block.hash != claimed {
        return Err(BadPayload::Hash("blockhash mismatch"));
    }
    if let Some(expected) = sidecar.versioned_hashes() {
        use alloy_consensus::Transaction as _;
        let transactions = block.body.transactions.iter();
        let held = transactions.filter_map(|tx| tx.blob_versioned_hashes()).flatten();
        if !held.eq(expected) {
            return Err(BadPayload::Hash("blob versioned hashes differ from the transactions'"));
        }
    }
    Ok(block)
}

async fn forkchoice_updated(engine: &Arc<Engine>, params: &Params<'_>, version: u8) -> RpcResult {
    let state = params.required::<ForkchoiceState>(0)?;
    let attributes = params.optional::<PayloadAttributes>(1)?;
    if let Some(attributes) = &attributes {
        check_attributes(engine, attributes, version)?;
    }
    let answer = blocking(engine, move |engine| {
        let payload_status: PayloadStatus = engine.set_forkchoice(&state)?;
        let payload_id = match attributes {
            Some(attributes) if payload_status.is_valid() => {
                Some(engine.begin_payload(Attributes {
                    timestamp: attributes.timestamp,
                    prev_randao: attributes.prev_randao,
                    fee_recipient: attributes.suggested_fee_recipient,
                    withdrawals: attributes.withdrawals.map(Withdrawals::new),
                    parent_beacon_block_root: attributes.parent_beacon_block_root,
                })?)
            }
            _ => None,
        };
        Ok(ForkchoiceUpdated { payload_status, payload_id })
    });
    to_json(answer.await?)
}

/// The fields that the call's version and the fork of the block to be made have.
fn check_attributes(
    engine: &Engine,
    attributes: &PayloadAttributes,
    version: u8,
) -> Result<(), RpcError> {
    let fork = fork(engine, attributes.timestamp);
    let (shanghai, cancun) =
        (fork.is_enabled_in(SpecId::SHANGHAI), fork.is_enabled_in(SpecId::CANCUN));
    let has_withdrawals = attributes.withdrawals.is_some();
    let has_root = attributes.parent_beacon_block_root.is_some();
    let bad = |what: &'static str| Err(RpcError::new(INVALID_PAYLOAD_ATTRIBUTES, what));
    match version {
        1 if has_withdrawals || has_root => bad("withdrawals and roots are not of this version"),
        2 if has_root => bad("parentBeaconBlockRoot is not of this version"),
        1 if shanghai => bad("the block would be of Shanghai: use a later version"),
        2 if cancun => Err(unsupported_fork()),
        3 if !has_root => bad("parentBeaconBlockRoot is missing"),
        3 if !cancun => Err(unsupported_fork()),
        _ if has_withdrawals != shanghai => bad("withdrawals belong to Shanghai's blocks"),
        _ => Ok(()),
    }
}

fn payload_answer(engine: &Engine, method: &str, built: &Built) -> RpcResult {
    let (first, end) = match method {
        "engine_getPayloadV1" => (None, Some(SpecId::SHANGHAI)),
        "engine_getPayloadV2" => (None, Some(SpecId::CANCUN)),
        "engine_getPayloadV3" => (Some(SpecId::CANCUN), Some(SpecId::PRAGUE)),
        "engine_getPayloadV4" => (Some(SpecId::PRAGUE), Some(SpecId::OSAKA)),
        _ => (Some(SpecId::OSAKA), None),
    };
    let block = &built.executed.block;
    check_fork(engine, block.header.timestamp, first, end)?;
    let (payload, _) = ExecutionPayload::from_block_unchecked(block.hash, &block.to_rlp());
    let block_value = built.value;
    let sidecars = || built.sidecars.iter().cloned();
    match payload {
        ExecutionPayload::V1(payload) if method == "engine_getPayloadV1" => to_json(payload),
        ExecutionPayload::V1(payload) => to_json(ExecutionPayloadEnvelopeV2 {
            execution_payload: ExecutionPayloadFieldV2::V1(payload),
            block_value,
        }),
        ExecutionPayload::V2(payload) => to_json(ExecutionPayloadEnvelopeV2 {
            execution_payload: ExecutionPayloadFieldV2::V2(payload),
            block_value,
        }),
        ExecutionPayload::V3(execution_payload) if method == "engine_getPayloadV5" => {
            to_json(ExecutionPayloadEnvelopeV5 {
                execution_payload,
                block_value,
                blobs_bundle: BlobsBundleV2::new(
                    sidecars().filter_map(|blobs| blobs.into_eip7594()),
                ),
                should_override_builder: false,
                execution_requests: built.requests.clone(),
            })
        }
        ExecutionPayload::V3(execution_payload) => {
            let envelope_inner = ExecutionPayloadEnvelopeV3 {
                execution_payload,
                block_value,
                blobs_bundle: BlobsBundleV1::new(
                    sidecars().filter_map(|blobs| blobs.into_eip4844()),
                ),
                should_override_builder: false,
            };
            if method == "engine_getPayloadV3" {
                return to_json(envelope_inner);
            }
            let execution_requests = built.requests.clone();
            to_json(ExecutionPayloadEnvelopeV4 { envelope_inner, execution_requests })
        }
        ExecutionPayload::V4(_) => Err(unsupported_fork()),
    }
}

/// The rules of a block after the merge at a time.
fn fork(engine: &Engine, timestamp: u64) -> SpecId {
    let number = engine.chain().heads().unsafe_head.number.saturating_add(1);
    engine.chain().spec().spec_id(number, timestamp)
}

/// Refuses a time before the fork `first`, or from the fork `end` on.
fn check_fork(
    engine: &Engine,
    timestamp: u64,
    first: Option<SpecId>,
    end: Option<SpecId>,
) -> Result<(), RpcError> {
    let fork = fork(engine, timestamp);
    let early = first.is_some_and(|first| !fork.is_enabled_in(first));
    let late = end.is_some_and(|end| fork.is_enabled_in(end));
    if early || late { Err(unsupported_fork()) } else { Ok(()) }
}

fn unsupported_fork() -> RpcError {
    RpcError::new(UNSUPPORTED_FORK, "Unsupported fork")
}

/// Of the first version, which knows no other fork: its payload lacks what the fork needs.
fn as_params(error: RpcError) -> RpcError {
    RpcError { code: INVALID_PARAMS, ..error }
}

async fn blocking<T: Send + 'static>(
    engine: &Arc<Engine>,
    work: impl FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
) -> Result<T, RpcError> {
    let engine = Arc::clone(engine);
    let task = tokio::task::spawn_blocking(move || work(&engine));
    let result = task.await.map_err(|error| RpcError::internal(&error))?;
    result.map_err(|error| {
        let code = match &error {
            EngineError::ForkchoiceState => INVALID_FORKCHOICE_STATE,
            EngineError::Attributes(_) => INVALID_PAYLOAD_ATTRIBUTES,
            EngineError::UnknownPayload => UNKNOWN_PAYLOAD,
            EngineError::Store(_) | EngineError::Reorg(_) | EngineError::Execution(_) => {
                return RpcError::internal(&error);
            }
        };
        RpcError::new(code, error.to_string())
    })
}
