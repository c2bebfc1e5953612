//! The table of methods. Each arm parses its parameters and calls the subject's module; quick
//! reads answer in place, whatever executes or scans is work for the blocking threads.

use std::{collections::BTreeMap, sync::Arc};

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::{
    BlockOverrides, Filter, Index,
    erc4337::TransactionConditional,
    pubsub::{Params as SubscriptionParams, SubscriptionKind},
    state::StateOverride,
};
use serde_json::json;

use super::{
    Api, CLIENT_VERSION, admin,
    answer::{Answering, later, now, work},
    convert, engine,
    envelope::Request,
    error::RpcError,
    miner, otterscan,
    params::{Number, Params, StorageKey},
    session::{self, CallContext},
    submit::{INLINE_BYTES_MAX, Prepared},
    to_json,
};

/// Answers one call, or says how it is answered.
pub(super) fn dispatch<'a>(
    api: &'a Arc<Api>,
    request: &'a Request<'_>,
    context: Option<&CallContext<'_>>,
    prepared: Option<Prepared>,
) -> Answering<'a> {
    let params = Params::parse(request.params)?;
    match request.method.as_ref() {
        // Chain.
        "web3_clientVersion" => now(CLIENT_VERSION),
        "web3_sha3" => now(keccak256(params.required::<Bytes>(0)?)),
        "net_version" => now(api.chain().spec().chain_id.to_string()),
        "net_listening" => now(true),
        "net_peerCount" => now(U64::ZERO),
        "rpc_modules" => now(json!({
            "eth": "1.0", "net": "1.0", "web3": "1.0", "txpool": "1.0", "rpc": "1.0",
            "debug": "1.0", "trace": "1.0", "optimism": "1.0", "ots": "1.0",
        })),
        "eth_chainId" => now(U64::from(api.chain().spec().chain_id)),
        "eth_blockNumber" => now(U64::from(api.chain().heads().unsafe_head.number)),
        "eth_syncing" => now(false),
        "eth_mining" => now(false),
        "eth_hashrate" => now(U64::ZERO),
        "eth_protocolVersion" => now(U64::from(68)),
        "eth_accounts" => now(Vec::<Address>::new()),
        "eth_coinbase" => now(primitives::SEQUENCER_FEE_VAULT),

        "eth_capabilities" => now(api.capabilities()),
        "eth_config" => now(api.eth_config()?),

        // Fees.
        "eth_gasPrice" => now(api.gas_price()?),
        "eth_maxPriorityFeePerGas" => now(api.suggested_tip()?),
        "eth_baseFee" => now(U256::from(api.pool().head().base_fee)),
        "eth_blobBaseFee" => now(api.blob_base_fee()?),
        "eth_feeHistory" => {
            params.at_most(3)?;
            let count = params.required::<Number>(0)?.0;
            let newest = params.optional::<BlockNumberOrTag>(1)?.unwrap_or_default();
            let percentiles = params.optional::<Vec<f64>>(2)?;
            work(move |api| api.fee_history(count, newest, percentiles))
        }

        // State.
        "eth_getBalance" => {
            params.at_most(2)?;
            now(api.balance(params.required(0)?, block_id(&params, 1)?)?)
        }
        "eth_getTransactionCount" => {
            params.at_most(2)?;
            now(api.transaction_count(params.required(0)?, block_id(&params, 1)?)?)
        }
        "eth_getCode" => {
            params.at_most(2)?;
            now(api.code(params.required(0)?, block_id(&params, 1)?)?)
        }
        "eth_getStorageAt" => {
            params.at_most(3)?;
            let key = params.storage_key(1)?.key;
            now(api.storage(params.required(0)?, key, block_id(&params, 2)?)?)
        }
        "eth_getStorageValues" => {
            params.at_most(2)?;
            let requests = params.required::<BTreeMap<Address, Vec<StorageKey>>>(0)?;
            let block = block_id(&params, 1)?;
            work(move |api| api.storage_values(requests, block))
        }
        "eth_getProof" => {
            params.at_most(3)?;
            let address = params.required::<Address>(0)?;
            let keys = params.optional::<Vec<StorageKey>>(1)?.unwrap_or_default();
            let block = block_id(&params, 2)?;
            work(move |api| api.proof(address, keys, block))
        }
        "eth_getAccount" => {
            params.at_most(2)?;
            let address = params.required::<Address>(0)?;
            let block = block_id(&params, 1)?;
            work(move |api| api.account(address, block))
        }

        // Execution.
        "eth_call" => {
            params.at_most(4)?;
            let call = params.call(0)?;
            let block = block_id(&params, 1)?;
            let state = params.optional::<StateOverride>(2)?;
            let overrides = params.optional::<BlockOverrides>(3)?;
            // Overrides may make anything of a contract.
            let plain = state.is_none() && overrides.is_none();
            let key = if plain { api.short_calls.execution("eth_call", &call) } else { None };
            api.where_it_fits(key, move |api| api.call_contract(call, block, state, overrides))
        }
        "eth_estimateGas" => {
            params.at_most(4)?;
            let call = params.call(0)?;
            let block = block_id(&params, 1)?;
            let state = params.optional::<StateOverride>(2)?;
            let overrides = params.optional::<BlockOverrides>(3)?;
            let plain = state.is_none() && overrides.is_none();
            let key =
                if plain { api.short_calls.execution("eth_estimateGas", &call) } else { None };
            api.where_it_fits(key, move |api| api.estimate_gas(call, block, state, overrides))
        }
        "eth_createAccessList" => {
            params.at_most(3)?;
            let call = params.call(0)?;
            let block = block_id(&params, 1)?;
            let state = params.optional::<StateOverride>(2)?;
            work(move |api| api.create_access_list(call, block, state))
        }

        "eth_callMany" => {
            params.at_most(3)?;
            let bundles = params.required(0)?;
            let context = params.optional(1)?;
            let state = params.optional(2)?;
            work(move |api| api.call_many(bundles, context, state))
        }
        "eth_fillTransaction" => {
            params.at_most(1)?;
            let request = params.required(0)?;
            work(move |api| api.fill_transaction(request))
        }
        "eth_simulateV1" => {
            params.at_most(2)?;
            let payload = params.required(0)?;
            let block = block_id(&params, 1)?;
            work(move |api| api.simulate(payload, block))
        }

        // Submission.
        "eth_sendRawTransaction" => {
            params.at_most(1)?;
            if let Some(sequencer) = &api.forwarder {
                let raw = params.required::<Bytes>(0)?;
                return later(async move {
                    let answer = sequencer.call(&request.method, request.params).await?;
                    // So that it is found here, too; whether it is good is the sequencer's to say.
                    if let Ok(prepared) = api.prepare(raw).await {
                        let _ = api.submit(prepared);
                    }
                    Ok(answer)
                });
            }
            let prepared = match prepared {
                Some(prepared) => prepared,
                None => {
                    let raw = params.required::<Bytes>(0)?;
                    if raw.len() > INLINE_BYTES_MAX {
                        return work(move |api| Ok(api.submit(api.pool.decode(&raw))?.0.hash()));
                    }
                    return later(async move {
                        let prepared = api.prepare(raw).await?;
                        to_json(api.submit(prepared)?.0.hash())
                    });
                }
            };
            now(api.submit(prepared)?.0.hash())
        }
        "eth_sendRawTransactionSync" => {
            params.at_most(2)?;
            let timeout_ms = params.optional::<Number>(1)?.map(|number| number.0);
            if let Some(sequencer) = &api.forwarder {
                return later(sequencer.call(&request.method, request.params));
            }
            let raw = params.required(0)?;
            later(async move {
                let prepared = api.prepare(raw).await?;
                to_json(api.submit_and_wait(prepared, timeout_ms).await?)
            })
        }
        "eth_sendRawTransactionConditional" => {
            params.at_most(2)?;
            let conditions = params.required::<TransactionConditional>(1)?;
            if let Some(sequencer) = &api.forwarder {
                return later(sequencer.call(&request.method, request.params));
            }
            let raw = params.required::<Bytes>(0)?;
            work(move |api| api.submit_conditional(api.pool.decode(&raw), conditions))
        }

        // Blocks.
        "eth_getBlockByNumber" => {
            params.at_most(2)?;
            let tag = params.required::<BlockNumberOrTag>(0)?;
            let full = params.optional::<bool>(1)?.unwrap_or(false);
            now(api.block(tag.into())?.map(|block| convert::rpc_block(&block, full)))
        }
        "eth_getBlockByHash" => {
            params.at_most(2)?;
            let hash = params.required::<B256>(0)?;
            let full = params.optional::<bool>(1)?.unwrap_or(false);
            now(api.block(hash.into())?.map(|block| convert::rpc_block(&block, full)))
        }
        "eth_getHeaderByNumber" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.block(tag.into())?.map(|block| convert::rpc_header(&block)))
        }
        "eth_getHeaderByHash" => {
            let hash = params.required::<B256>(0)?;
            now(api.block(hash.into())?.map(|block| convert::rpc_header(&block)))
        }
        "eth_getBlockTransactionCountByNumber" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.block(tag.into())?.map(|block| U64::from(block.transactions().len())))
        }
        "eth_getBlockTransactionCountByHash" => {
            let hash = params.required::<B256>(0)?;
            now(api.block(hash.into())?.map(|block| U64::from(block.transactions().len())))
        }
        "eth_getBlockReceipts" => {
            params.at_most(1)?;
            let block = params.required::<BlockId>(0)?;
            work(move |api| Ok(api.block(block)?.map(|block| convert::rpc_receipts(&block))))
        }
        "eth_getUncleCountByBlockNumber" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.ommer_count(tag.into())?)
        }
        "eth_getUncleCountByBlockHash" => {
            let hash = params.required::<B256>(0)?;
            now(api.ommer_count(hash.into())?)
        }
        "eth_getUncleByBlockNumberAndIndex" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.ommer(tag.into(), params.required::<Index>(1)?.0)?)
        }
        "eth_getUncleByBlockHashAndIndex" => {
            let hash = params.required::<B256>(0)?;
            now(api.ommer(hash.into(), params.required::<Index>(1)?.0)?)
        }

        // Transactions.
        "eth_getTransactionByHash" => now(api.transaction_by_hash(params.required(0)?)?),
        "eth_getTransactionByBlockHashAndIndex" => {
            let hash = params.required::<B256>(0)?;
            now(api.transaction_at(hash.into(), params.required::<Index>(1)?.0)?)
        }
        "eth_getTransactionByBlockNumberAndIndex" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.transaction_at(tag.into(), params.required::<Index>(1)?.0)?)
        }
        "eth_getTransactionReceipt" => {
            params.at_most(2)?;
            let hash = params.required(0)?;
            // A receipt without a block would look like a mined one to most clients: it is asked for.
            match params.optional::<BlockNumberOrTag>(1)? {
                None | Some(BlockNumberOrTag::Latest) => now(api.receipt_by_hash(hash)?),
                Some(BlockNumberOrTag::Pending) => now(api.newest_receipt(hash)?),
                Some(_) => Err(RpcError::invalid_params("expected \"latest\" or \"pending\"")),
            }
        }
        "eth_getRawTransactionByHash" | "debug_getRawTransaction" => {
            now(api.raw_transaction(params.required(0)?)?)
        }
        "eth_getRawTransactionByBlockHashAndIndex" => {
            let hash = params.required::<B256>(0)?;
            now(api.raw_transaction_at(hash.into(), params.required::<Index>(1)?.0)?)
        }
        "eth_getRawTransactionByBlockNumberAndIndex" => {
            let tag = params.required::<BlockNumberOrTag>(0)?;
            now(api.raw_transaction_at(tag.into(), params.required::<Index>(1)?.0)?)
        }
        "eth_getTransactionBySenderAndNonce" => {
            let sender = params.required::<Address>(0)?;
            let nonce = params.required::<Number>(1)?.0;
            now(api.pooled_by_sender(&sender, nonce))
        }
        "debug_getRawHeader" => now(api.raw_header(params.required(0)?)?),
        "debug_getRawBlock" => now(api.raw_block(params.required(0)?)?),
        "debug_getRawReceipts" => now(api.raw_receipts(params.required(0)?)?),

        // Traces.
        "debug_traceTransaction" => {
            params.at_most(2)?;
            let hash = params.required(0)?;
            let options = params.optional(1)?.unwrap_or_default();
            work(move |api| api.trace_transaction_geth(hash, options))
        }
        "debug_traceBlockByNumber" => {
            params.at_most(2)?;
            let tag = params.required::<BlockNumberOrTag>(0)?;
            let options = params.optional(1)?.unwrap_or_default();
            work(move |api| api.trace_block_geth(tag.into(), options))
        }
        "debug_traceBlockByHash" => {
            params.at_most(2)?;
            let hash = params.required::<B256>(0)?;
            let options = params.optional(1)?.unwrap_or_default();
            work(move |api| api.trace_block_geth(hash.into(), options))
        }
        "debug_traceBlock" => {
            params.at_most(2)?;
            let raw = params.required::<Bytes>(0)?;
            let options = params.optional(1)?.unwrap_or_default();
            work(move |api| api.trace_raw_block(&raw, options))
        }
        "debug_traceCall" => {
            params.at_most(3)?;
            let call = params.required(0)?;
            let block = block_id(&params, 1)?;
            let options = params.optional(2)?.unwrap_or_default();
            work(move |api| api.trace_call_geth(call, block, options))
        }
        "debug_traceCallMany" => {
            params.at_most(3)?;
            let bundles = params.required(0)?;
            let context = params.optional(1)?.unwrap_or_default();
            let options = params.optional(2)?.unwrap_or_default();
            work(move |api| api.trace_call_many_geth(bundles, context, options))
        }
        "debug_getBadBlocks" => now(json!([])),
        "debug_executionWitness" => {
            params.at_most(1)?;
            let block = params.required::<BlockId>(0)?;
            work(move |api| api.execution_witness(block))
        }
        "debug_executionWitnessByBlockHash" => {
            params.at_most(1)?;
            let hash = params.required::<B256>(0)?;
            work(move |api| api.execution_witness(hash.into()))
        }
        "debug_executePayload" => {
            params.at_most(2)?;
            let parent = params.required::<B256>(0)?;
            let attributes = params.required(1)?;
            work(move |api| api.execute_payload(parent, attributes))
        }
        "debug_intermediateRoots" => {
            params.at_most(2)?;
            let hash = params.required::<B256>(0)?;
            work(move |api| api.intermediate_roots(hash))
        }
        "debug_storageRangeAt" => {
            params.at_most(5)?;
            let block = params.required::<BlockId>(0)?;
            let index = usize::try_from(params.required::<Number>(1)?.0).unwrap_or(usize::MAX);
            let address = params.required(2)?;
            let start = params.required::<Bytes>(3)?;
            let count = params.required::<Number>(4)?.0;
            work(move |api| api.storage_range_at(block, index, address, &start, count))
        }
        "debug_accountRange" => {
            params.at_most(6)?;
            let block = params.required::<BlockId>(0)?;
            let start = params.optional::<Bytes>(1)?.unwrap_or_default();
            let count = params.optional::<Number>(2)?.map_or(0, |count| count.0);
            let without_code = params.optional(3)?.unwrap_or(false);
            // Slots are known by their hashes only: `debug_storageRangeAt` gives those.
            if !params.optional(4)?.unwrap_or(true) {
                return Err(RpcError::invalid_params(
                    "storage is not listed here: set nostorage, and ask debug_storageRangeAt",
                ));
            }
            work(move |api| api.account_range(block, &start, count, without_code))
        }
        "debug_getModifiedAccountsByNumber" => {
            params.at_most(2)?;
            let start = params.required::<BlockNumberOrTag>(0)?.into();
            let end = params.optional::<BlockNumberOrTag>(1)?.map(Into::into);
            work(move |api| api.modified_accounts(start, end))
        }
        "debug_getModifiedAccountsByHash" => {
            params.at_most(2)?;
            let start = params.required::<B256>(0)?.into();
            let end = params.optional::<B256>(1)?.map(Into::into);
            work(move |api| api.modified_accounts(start, end))
        }
        "trace_block" => {
            params.at_most(1)?;
            let block = params.required(0)?;
            work(move |api| api.trace_block(block))
        }
        "trace_transaction" => {
            params.at_most(1)?;
            let hash = params.required(0)?;
            work(move |api| api.trace_transaction(hash))
        }
        "trace_get" => {
            params.at_most(2)?;
            let hash = params.required(0)?;
            let path: Vec<usize> =
                params.required::<Vec<Index>>(1)?.into_iter().map(|index| index.0).collect();
            work(move |api| api.trace_get(hash, &path))
        }
        "trace_filter" => {
            params.at_most(1)?;
            let filter = params.required(0)?;
            work(move |api| api.trace_filter(&filter))
        }
        "trace_replayTransaction" => {
            params.at_most(2)?;
            let hash = params.required(0)?;
            let types = params.required(1)?;
            work(move |api| api.trace_replay_transaction(hash, &types))
        }
        "trace_replayBlockTransactions" => {
            params.at_most(2)?;
            let block = params.required(0)?;
            let types = params.required(1)?;
            work(move |api| api.trace_replay_block(block, &types))
        }
        "trace_call" => {
            params.at_most(5)?;
            let call = params.required(0)?;
            let types = params.required(1)?;
            let block = block_id(&params, 2)?;
            let state = params.optional(3)?;
            let overrides = params.optional(4)?;
            work(move |api| api.trace_call(call, types, block, state, overrides))
        }
        "trace_callMany" => {
            params.at_most(2)?;
            let calls = params.required(0)?;
            let block = block_id(&params, 1)?;
            work(move |api| api.trace_calls(calls, block, None, None))
        }

        // Logs and filters.
        "eth_getLogs" => {
            params.at_most(1)?;
            let filter = params.required::<Filter>(0)?;
            let key = params.text(0).map(|text| api.short_calls.search("eth_getLogs", text));
            api.text_where_it_fits(key, move |api| api.logs_json(&filter))
        }
        "eth_newFilter" => now(api.new_log_filter(params.required(0)?)?),
        "eth_newBlockFilter" => now(api.new_block_filter()),
        "eth_newPendingTransactionFilter" => {
            let full = params.optional::<bool>(0)?.unwrap_or(false);
            now(api.new_pending_filter(full))
        }
        "eth_getFilterChanges" => {
            let id = params.required::<U64>(0)?;
            work(move |api| api.filter_changes(id))
        }
        "eth_getFilterLogs" => {
            let id = params.required::<U64>(0)?;
            work(move |api| api.filter_logs(id))
        }
        "eth_uninstallFilter" => now(api.uninstall_filter(params.required(0)?)),
        "eth_subscribe" => {
            let context = context.ok_or_else(notifications_unsupported)?;
            let kind = params
                .required::<String>(0)?
                .parse::<SubscriptionKind>()
                .map_err(|_| RpcError::invalid_params("no such subscription in eth namespace"))?;
            let arguments = match kind {
                SubscriptionKind::Logs => params
                    .optional::<Filter>(1)?
                    .map_or(SubscriptionParams::None, |f| SubscriptionParams::Logs(Box::new(f))),
                SubscriptionKind::NewPendingTransactions => params
                    .optional::<bool>(1)?
                    .map_or(SubscriptionParams::None, SubscriptionParams::Bool),
                _ => SubscriptionParams::None,
            };
            now(session::subscribe(context, kind, arguments)?)
        }
        "eth_unsubscribe" => {
            let context = context.ok_or_else(notifications_unsupported)?;
            now(session::unsubscribe(context, params.required(0)?)?)
        }

        // Pool.
        "txpool_status" => now(api.txpool_status()),
        "txpool_content" => work(|api| Ok(api.txpool_content())),
        "txpool_contentFrom" => now(api.txpool_content_from(&params.required(0)?)),
        "txpool_inspect" => work(|api| Ok(api.txpool_inspect())),

        // Rollup.
        method if method.starts_with("optimism_") && api.chain().rollup().is_none() => {
            Err(RpcError::method_not_found(method))
        }
        "optimism_version" => now(CLIENT_VERSION),
        "optimism_rollupConfig" => now(api.chain().rollup()),
        "optimism_syncStatus" => now(api.sync_status()?),
        "optimism_outputAtBlock" => {
            let number = params.required::<Number>(0)?.0;
            work(move |api| api.output_at_block(number))
        }
        "optimism_safeHeadAtL1Block" => {
            let number = params.required::<Number>(0)?.0;
            work(move |api| api.safe_head_at_l1_block(number))
        }

        method if method.starts_with("engine_") => match &api.engine {
            Some(engine) => later(async move { engine::dispatch(engine, method, &params).await }),
            None => Err(RpcError::method_not_found(method)),
        },
        method if method.starts_with("evm_") || method.starts_with("anvil_") => match &api.miner {
            Some(miner) => miner::dispatch(api, miner, method, &params),
            None => Err(RpcError::method_not_found(method)),
        },
        method if method.starts_with("admin_") || method.starts_with("miner_") => {
            match &api.admin {
                Some(admin) => {
                    later(async move { admin::dispatch(api, admin, method, &params).await })
                }
                None => Err(RpcError::method_not_found(method)),
            }
        }
        method if method.starts_with("ots_") => otterscan::dispatch(api, method, &params),
        method => Err(RpcError::method_not_found(method)),
    }
}

/// The block parameter at `index`, `latest` when absent.
fn block_id(params: &Params<'_>, index: usize) -> Result<BlockId, RpcError> {
    Ok(params.optional(index)?.unwrap_or_default())
}

fn notifications_unsupported() -> RpcError {
    RpcError::server("notifications not supported")
}
