//! `ots_*`: what the block explorer Otterscan asks for beside the usual methods, in Erigon's shapes
//! (<https://docs.otterscan.io/api-docs/ots-api>). [`calls`] reads traces, [`search`] finds blocks through
//! the history of accounts.

mod calls;
mod search;

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_trace::otterscan::{BlockDetails, OtsBlock};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Api,
    answer::{Answering, now, work},
    convert,
    convert::Transaction,
    error::RpcError,
    params::{Number, Params},
};
use crate::chain::SealedBlock;

/// The version of the methods (Otterscan's list).
const API_LEVEL: u64 = 8;
/// Transactions of a page, at most.
const PAGE_MAX: usize = 25;

/// Answers a method whose name begins with `ots_`.
pub(super) fn dispatch<'a>(api: &Arc<Api>, method: &str, params: &Params<'_>) -> Answering<'a> {
    match method {
        "ots_getApiLevel" => now(API_LEVEL),
        "ots_hasCode" => {
            params.at_most(2)?;
            let block = params.optional::<BlockId>(1)?.unwrap_or_default();
            now(!api.code(params.required(0)?, block)?.is_empty())
        }
        "ots_getHeaderByNumber" => {
            params.at_most(1)?;
            let block = api.block(tag(params, 0)?.into())?;
            now(block.map(|block| convert::rpc_header(&block)))
        }
        "ots_getBlockDetails" => {
            params.at_most(1)?;
            let id = tag(params, 0)?.into();
            work(move |api| api.ots_block_details(id))
        }
        "ots_getBlockDetailsByHash" => {
            params.at_most(1)?;
            let hash = params.required::<B256>(0)?;
            work(move |api| api.ots_block_details(hash.into()))
        }
        "ots_getBlockTransactions" => {
            params.at_most(3)?;
            let (id, page) = (tag(params, 0)?.into(), params.required::<Number>(1)?.0);
            let size = page_size(params, 2)?;
            work(move |api| api.ots_block_transactions(id, page, size))
        }
        "ots_getTransactionError" => {
            params.at_most(1)?;
            let hash = params.required(0)?;
            work(move |api| api.ots_transaction_error(hash))
        }
        "ots_traceTransaction" => {
            params.at_most(1)?;
            let hash = params.required(0)?;
            work(move |api| api.ots_trace(hash))
        }
        "ots_getInternalOperations" => {
            params.at_most(1)?;
            let hash = params.required(0)?;
            work(move |api| api.ots_internal_operations(hash))
        }
        "ots_getTransactionBySenderAndNonce" => {
            params.at_most(2)?;
            let (sender, nonce) = (params.required(0)?, params.required::<Number>(1)?.0);
            work(move |api| api.ots_by_sender_and_nonce(sender, nonce))
        }
        "ots_getContractCreator" => {
            params.at_most(1)?;
            let address = params.required(0)?;
            work(move |api| api.ots_contract_creator(address))
        }
        "ots_searchTransactionsBefore" | "ots_searchTransactionsAfter" => {
            params.at_most(3)?;
            let address = params.required::<Address>(0)?;
            let block = params.required::<Number>(1)?.0;
            let size = page_size(params, 2)?;
            let before = method == "ots_searchTransactionsBefore";
            work(move |api| api.ots_search(address, block, size, before))
        }
        method => Err(RpcError::method_not_found(method)),
    }
}

/// Otterscan gives block numbers as JSON numbers, too.
fn tag(params: &Params<'_>, index: usize) -> Result<BlockNumberOrTag, RpcError> {
    match params.required::<Number>(index) {
        Ok(number) => Ok(number.0.into()),
        Err(_) => params.required(index),
    }
}

fn page_size(params: &Params<'_>, index: usize) -> Result<usize, RpcError> {
    let size = params.required::<Number>(index)?.0;
    usize::try_from(size)
        .ok()
        .filter(|size| (1..=PAGE_MAX).contains(size))
        .ok_or_else(|| RpcError::invalid_params(format!("page size must be 1 to {PAGE_MAX}")))
}

/// A page of a block: the page with number 0 ends with the last transaction.
#[derive(Serialize)]
struct BlockTransactions {
    fullblock: OtsBlock<Transaction>,
    receipts: Vec<Value>,
}

impl Api {
    /// The header with its count of transactions and what they paid for gas; nothing is issued.
    fn ots_block_details(&self, id: BlockId) -> Result<Option<BlockDetails>, RpcError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        let base_fee = block.header().base_fee_per_gas;
        let mut gas_before = 0;
        let mut fees = U256::ZERO;
        for (transaction, receipt) in block.transactions().iter().zip(block.receipts()) {
            let gas_used = receipt.cumulative_gas_used().saturating_sub(gas_before);
            gas_before = receipt.cumulative_gas_used();
            let price = U256::from(convert::effective_gas_price(transaction, base_fee));
            fees += price * U256::from(gas_used);
        }
        Ok(Some(BlockDetails::new(convert::rpc_block(&block, false), Default::default(), fees)))
    }

    fn ots_block_transactions(
        &self,
        id: BlockId,
        page: u64,
        size: usize,
    ) -> Result<Option<BlockTransactions>, RpcError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        let count = block.transactions().len();
        let skipped = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size);
        let end = count.saturating_sub(skipped);
        let page = end.saturating_sub(size)..end;
        let transactions =
            page.clone().filter_map(|index| convert::rpc_transaction(&block, index)).collect();
        let receipts = page.map(|index| receipt(&block, index)).collect::<Result<_, _>>()?;
        let mut shown = convert::rpc_block(&block, false);
        shown.transactions = alloy_rpc_types_eth::BlockTransactions::Full(transactions);
        let fullblock = OtsBlock { block: shown, transaction_count: count };
        Ok(Some(BlockTransactions { fullblock, receipts }))
    }
}

/// A receipt without logs, which Otterscan does not show in lists, and with the block's time.
fn receipt(block: &SealedBlock, index: usize) -> Result<Value, RpcError> {
    let receipt = convert::rpc_receipt(block, index);
    let mut receipt = serde_json::to_value(receipt).map_err(|error| RpcError::internal(&error))?;
    if let Value::Object(fields) = &mut receipt {
        fields.insert("logs".to_owned(), Value::Null);
        fields.insert("logsBloom".to_owned(), Value::Null);
        fields.insert("timestamp".to_owned(), json!(block.header().timestamp));
    }
    Ok(receipt)
}
