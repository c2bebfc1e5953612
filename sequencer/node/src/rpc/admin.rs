//! Methods for operators, on the authenticated port ([`super::authenticated`]).

use alloy_primitives::U64;
use serde_json::{Value, json};

use super::{
    Api, CLIENT_VERSION,
    error::{RpcError, RpcResult},
    params::Params,
    to_raw,
};
use crate::{admin::Admin, batching::BatchingError};

/// Answers an `admin_*` or `miner_*` call.
pub(super) fn dispatch(api: &Api, admin: &Admin, method: &str, params: &Params<'_>) -> RpcResult {
    match method {
        "admin_nodeInfo" => to_raw(node_info(api)?),
        // There is no peer-to-peer network.
        "admin_peers" => to_raw(Vec::<Value>::new()),
        "admin_startBatcher" => to_raw(switched(admin.batcher.start())?),
        "admin_stopBatcher" => to_raw(switched(admin.batcher.stop())?),
        "miner_setMaxDASize" => {
            params.at_most(2)?;
            let transaction = params.required::<U64>(0)?.to();
            let block = params.required::<U64>(1)?.to();
            admin.da_limits.set(transaction, block);
            tracing::info!(transaction, block, "limits on data availability were set");
            to_raw(true)
        }
        _ => Err(RpcError::method_not_found(method)),
    }
}

fn switched(result: Result<(), BatchingError>) -> Result<(), RpcError> {
    result.map_err(|error| RpcError::server(error.to_string()))
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
