//! Methods for operators, on the authenticated port ([`super::authenticated`]).

use alloy_primitives::{Address, B256, U64};
use primitives::BlockNumHash;
use serde_json::{Value, json};

use super::{
    Api, CLIENT_VERSION,
    error::{RpcError, RpcResult},
    params::Params,
    to_json,
};
use crate::{
    admin::{Admin, StandInStatus},
    batching::{BatcherSwitch, BatchingError},
    error::ControlError,
};

/// Answers an `admin_*` or `miner_*` call.
pub(super) async fn dispatch(
    api: &Api,
    admin: &Admin,
    method: &str,
    params: &Params<'_>,
) -> RpcResult {
    let refused = |error: ControlError| RpcError::server(error.to_string());
    match method {
        "admin_nodeInfo" => to_json(node_info(api)?),
        // There is no peer-to-peer network.
        "admin_peers" => to_json(Vec::<Value>::new()),
        "miner_setMaxDASize" => {
            params.at_most(2)?;
            let transaction = params.required::<U64>(0)?.to();
            let block = params.required::<U64>(1)?.to();
            // A batcher elsewhere repeats them, for a sequencer that was restarted.
            if admin.da_limits.set(transaction, block) {
                tracing::info!(transaction, block, "limits on data availability were set");
            }
            to_json(true)
        }
        // As op-node names them.
        "admin_sequencerActive" => to_json(admin.sequencer.active().map_err(refused)?),
        "admin_stopSequencer" => {
            params.at_most(0)?;
            to_json(admin.sequencer.stop().await.map_err(refused)?)
        }
        "admin_startSequencer" => {
            params.at_most(1)?;
            let head = params.required::<B256>(0)?;
            admin.sequencer.start(head).await.map_err(refused)?;
            to_json(Value::Null)
        }
        "admin_overrideLeader" => {
            params.at_most(0)?;
            admin.sequencer.override_leader().map_err(refused)?;
            to_json(Value::Null)
        }
        "admin_setStandIn" => {
            params.at_most(1)?;
            // None has to be said: null.
            if params.text(0).is_none() {
                return Err(RpcError::invalid_params("missing value for required argument 0"));
            }
            let named = params.optional::<Address>(0)?;
            admin.sequencer.set_stand_in(named).map_err(refused)?;
            to_json(Value::Null)
        }
        "admin_standIn" => {
            params.at_most(0)?;
            to_json(stand_in(&admin.sequencer.stand_in_status().map_err(refused)?))
        }
        _ => batcher(&admin.batcher, method)
            .unwrap_or_else(|| Err(RpcError::method_not_found(method))),
    }
}

fn stand_in(status: &StandInStatus) -> Value {
    let block =
        |block: BlockNumHash| json!({"number": U64::from(block.number), "hash": block.hash});
    json!({
        "address": status.address,
        "connected": status.connected,
        "acknowledged": status.acknowledged.map(block),
        "awaited": status.awaited.map(block),
        "awaitedSeconds": U64::from(status.awaited_seconds),
    })
}

/// Answers a call that concerns a batcher; `None` if the method does not.
pub(super) fn batcher(batcher: &BatcherSwitch, method: &str) -> Option<RpcResult> {
    let switched = match method {
        "admin_startBatcher" => batcher.start(),
        "admin_stopBatcher" => batcher.stop(),
        _ => return None,
    };
    let switched = switched.map_err(|error: BatchingError| RpcError::server(error.to_string()));
    Some(switched.and_then(to_json))
}

/// geth's shape. Nobody dials this node, so there is no key, no address and no record.
fn node_info(api: &Api) -> Result<Value, RpcError> {
    let chain = api.chain();
    let internal = |error: &dyn std::error::Error| RpcError::server(error.to_string());
    let genesis = chain.genesis_number();
    let genesis = chain.header(genesis).map_err(|error| internal(&error))?;
    let genesis = genesis.map(|header| primitives::Sealable::hash_slow(&header));
    Ok(json!({
        "name": CLIENT_VERSION,
        "id": "",
        "enode": "",
        "enr": "",
        "ip": "",
        "ports": {"discovery": 0, "listener": 0},
        "listenAddr": "",
        "protocols": {"eth": {
            "network": chain.spec().chain_id,
            "genesis": genesis,
            "head": chain.heads().unsafe_head.hash,
            "config": chain.rollup(),
        }},
    }))
}
