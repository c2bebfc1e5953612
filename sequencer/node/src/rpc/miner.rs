//! `evm_*` and `anvil_*` of a chain that makes its own blocks: anvil's names and parameters, for tests that
//! steer an L1. Whoever reaches the port may call them, so such a chain belongs on a loopback address.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Bytes, U64, U256};
use serde::Deserialize;

use super::{
    Api,
    answer::{Answering, now, work},
    error::RpcError,
    params::{Number, Params},
};
use crate::{
    error::MinerError,
    ethereum::miner::{Miner, Reorg},
};

/// The options of `evm_mine`: a time, or an object that names one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum MineOptions {
    Timestamp(Number),
    Options { timestamp: Option<Number> },
}

/// Answers a method whose name begins with `evm_` or `anvil_`.
pub(super) fn dispatch<'a>(
    api: &Arc<Api>,
    miner: &Arc<Miner>,
    method: &str,
    params: &Params<'_>,
) -> Answering<'a> {
    let miner = Arc::clone(miner);
    match method {
        "evm_mine" => {
            params.at_most(1)?;
            let at = match params.optional(0)? {
                Some(MineOptions::Timestamp(at)) => Some(at.0),
                Some(MineOptions::Options { timestamp }) => timestamp.map(|at| at.0),
                None => None,
            };
            work(move |_| {
                at.map_or(Ok(()), |at| miner.set_next_time(at)).map_err(refused)?;
                miner.mine(1, None).map_err(refused)?;
                // Ganache's answer, which clients know.
                Ok("0x0")
            })
        }
        "anvil_mine" => {
            params.at_most(2)?;
            let count = params.optional::<Number>(0)?.map_or(1, |count| count.0);
            let spacing = params.optional::<Number>(1)?.map(|seconds| seconds.0);
            work(move |_| miner.mine(count, spacing).map(|_| ()).map_err(refused))
        }
        "anvil_reorg" => {
            params.at_most(3)?;
            let depth = params.required::<Number>(0)?.0;
            let pairs = params.optional::<Vec<(Bytes, Number)>>(1)?.unwrap_or_default();
            let keep_transactions = params.optional::<bool>(2)?.unwrap_or(false);
            work(move |api| {
                let transactions = pairs
                    .into_iter()
                    .map(|(bytes, block)| Ok((api.pool.decode(&bytes)?, block.0)))
                    .collect::<Result<_, RpcError>>()?;
                let reorg = Reorg { depth, transactions, keep_transactions };
                miner.reorg(reorg).map(|_| ()).map_err(refused)
            })
        }
        "anvil_rollback" => {
            params.at_most(1)?;
            let depth = params.optional::<Number>(0)?.map_or(1, |depth| depth.0);
            work(move |_| miner.rollback(depth).map(|_| ()).map_err(refused))
        }
        "evm_snapshot" | "anvil_snapshot" => now(U256::from(miner.snapshot())),
        "evm_revert" | "anvil_revert" => {
            params.at_most(1)?;
            let snapshot = params.required::<Number>(0)?.0;
            work(move |_| miner.revert(snapshot).map_err(refused))
        }
        "evm_setIntervalMining" | "anvil_setIntervalMining" => {
            params.at_most(1)?;
            miner.set_interval(Some(Duration::from_secs(params.required::<Number>(0)?.0)));
            now(())
        }
        "anvil_getIntervalMining" => now(miner.pace().interval.map(|interval| interval.as_secs())),
        "evm_setAutomine" | "anvil_setAutomine" => {
            params.at_most(1)?;
            miner.set_automine(params.required(0)?);
            now(())
        }
        "anvil_getAutomine" => now(miner.pace().automine),
        "evm_increaseTime" | "anvil_increaseTime" => {
            params.at_most(1)?;
            now(miner.increase_time(params.required::<Number>(0)?.0))
        }
        "evm_setNextBlockTimestamp" | "anvil_setNextBlockTimestamp" => {
            params.at_most(1)?;
            miner.set_next_time(params.required::<Number>(0)?.0).map_err(refused)?;
            now(())
        }
        "anvil_dropAllTransactions" => {
            miner.drop_transactions();
            now(())
        }
        "anvil_dropTransaction" => {
            params.at_most(1)?;
            let hash = params.required(0)?;
            now(miner.drop_transaction(hash).then_some(hash))
        }
        "anvil_nodeInfo" => {
            let head = api.chain.head().map_err(|error| RpcError::internal(&error))?;
            now(serde_json::json!({
                "currentBlockNumber": U64::from(head.number()),
                "currentBlockTimestamp": head.header().timestamp,
                "currentBlockHash": head.hash(),
                "hardFork": "osaka",
                "environment": {
                    "baseFee": U256::from(api.pool.head().base_fee),
                    "chainId": api.chain.spec().chain_id,
                    "gasLimit": U64::from(head.header().gas_limit),
                },
            }))
        }
        method => Err(RpcError::method_not_found(method)),
    }
}

/// What was asked for cannot be; what went wrong within is told as such.
fn refused(error: MinerError) -> RpcError {
    match error {
        MinerError::TooDeep { .. }
        | MinerError::TooMany { .. }
        | MinerError::TimeBackwards { .. }
        | MinerError::NoSuchBlock { .. } => RpcError::invalid_params(error.to_string()),
        error => RpcError::internal(&error),
    }
}
