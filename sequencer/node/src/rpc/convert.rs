//! From chain types to the JSON shapes clients expect: op-geth's, through `alloy-rpc-types-eth`
//! and `op-alloy-rpc-types`.

use std::convert::Infallible;

use alloy_consensus::{BlockHeader, Sealable, Sealed, Transaction as _, TxReceipt, Typed2718};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{
    Block as RpcBlock, BlockTransactions, Filter, Header as RpcHeader, Log, TransactionInfo,
    TransactionReceipt,
};
use op_alloy_consensus::transaction::{OpDepositInfo, OpTransactionInfo};
use op_alloy_rpc_types::L1BlockInfo;
use primitives::{Header, ReceiptEnvelope, Recovered, TxEnvelope};
use serde::Serialize;
use store::LogQuery;

use super::logs::{self, PlacedLog};
use crate::{chain::SealedBlock, fees::L1Fees, pending::PendingBlock, pool::PoolTransaction};

/// A transaction as clients see it; with the receipt's nonce where it is a deposit.
pub type Transaction = op_alloy_rpc_types::Transaction<TxEnvelope>;

/// A receipt as clients see it; on a rollup with what the transaction paid for L1.
#[derive(Clone, Debug, Serialize)]
pub struct RpcReceipt {
    #[serde(flatten)]
    pub inner: TransactionReceipt<ReceiptEnvelope<Log>>,
    #[serde(flatten)]
    pub l1_block_info: Option<L1BlockInfo>,
}

/// A block with hashes or whole transactions.
pub fn rpc_block(block: &SealedBlock, full: bool) -> RpcBlock<Transaction> {
    let transactions = if full {
        let indices = 0..block.transactions().len();
        BlockTransactions::Full(indices.filter_map(|index| rpc_transaction(block, index)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions().iter().map(TxEnvelope::tx_hash).collect())
    };
    RpcBlock {
        header: rpc_header(block),
        uncles: block.block().body.ommers.iter().map(Sealable::hash_slow).collect(),
        transactions,
        withdrawals: block.block().body.withdrawals.clone(),
    }
}

/// A header as `newHeads` and blocks carry it.
pub fn rpc_header(block: &SealedBlock) -> RpcHeader {
    let header = Sealed::new_unchecked(block.header().clone(), block.hash());
    RpcHeader::from_consensus(header, None, Some(U256::from(block.rlp_length())))
}

/// The transaction at `index`; `None` beyond the last.
pub fn rpc_transaction(block: &SealedBlock, index: usize) -> Option<Transaction> {
    let envelope = block.transactions().get(index)?;
    let sender = *block.senders().get(index)?;
    let inner = TransactionInfo {
        hash: Some(envelope.tx_hash()),
        index: Some(index as u64),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        base_fee: block.header().base_fee_per_gas,
        // geth's transactions have none.
        block_timestamp: None,
    };
    let deposit_meta = match block.receipts().get(index)? {
        ReceiptEnvelope::Deposit(receipt) => OpDepositInfo {
            deposit_nonce: receipt.receipt.deposit_nonce,
            deposit_receipt_version: receipt.receipt.deposit_receipt_version,
        },
        _ => OpDepositInfo::default(),
    };
    let transaction = Recovered::new_unchecked(envelope.clone(), sender);
    Some(Transaction::from_transaction(transaction, OpTransactionInfo::new(inner, deposit_meta)))
}

/// A transaction that no block holds yet.
pub fn pending_transaction(transaction: &PoolTransaction) -> Transaction {
    Transaction::from_transaction(transaction.recovered().clone(), OpTransactionInfo::default())
}

/// Every receipt of a block.
pub fn rpc_receipts(block: &SealedBlock) -> Vec<RpcReceipt> {
    let context = BlockContext::of(block);
    let mut position = Position::default();
    let mut receipts = Vec::with_capacity(block.receipts().len());
    for index in 0..block.receipts().len() {
        let Some(receipt) = receipt_at(block, &context, index, &mut position) else { break };
        receipts.push(receipt);
    }
    receipts
}

/// The receipt at `index`; `None` beyond the last.
pub fn rpc_receipt(block: &SealedBlock, index: usize) -> Option<RpcReceipt> {
    let before = block.receipts().get(..index)?;
    let mut position = Position {
        gas_used: before.last().map_or(0, TxReceipt::cumulative_gas_used),
        logs: before.iter().map(|receipt| receipt.logs().len() as u64).sum(),
    };
    receipt_at(block, &BlockContext::of(block), index, &mut position)
}

/// The receipt of a transaction in the open block; `None` if it is not there. Everything is as it
/// will be when the block is sealed, but for the block's hash, which is zero.
pub fn preconfirmed_receipt(block: &PendingBlock, hash: &B256) -> Option<RpcReceipt> {
    let (index, entry) = block.transaction(hash)?;
    let context = BlockContext {
        hash: B256::ZERO,
        header: block.header(),
        fees: Some(block.fees()),
        blob_fee: None,
    };
    let mut position = Position { gas_used: entry.gas_before, logs: entry.logs_before };
    Some(receipt_of(
        &context,
        &entry.transaction,
        entry.sender,
        &entry.receipt,
        index,
        &mut position,
    ))
}

/// What receipts say of their block.
struct BlockContext<'a> {
    hash: B256,
    header: &'a Header,
    fees: Option<&'a L1Fees>,
    blob_fee: Option<u128>,
}

impl<'a> BlockContext<'a> {
    fn of(block: &'a SealedBlock) -> Self {
        Self {
            hash: block.hash(),
            header: block.header(),
            fees: block.fees(),
            blob_fee: block.blob_fee(),
        }
    }
}

/// Gas and logs of the transactions before.
#[derive(Default)]
struct Position {
    gas_used: u64,
    logs: u64,
}

fn receipt_at(
    block: &SealedBlock,
    context: &BlockContext<'_>,
    index: usize,
    position: &mut Position,
) -> Option<RpcReceipt> {
    let envelope = block.transactions().get(index)?;
    let from = *block.senders().get(index)?;
    let receipt = block.receipts().get(index)?;
    Some(receipt_of(context, envelope, from, receipt, index, position))
}

fn receipt_of(
    block: &BlockContext<'_>,
    envelope: &TxEnvelope,
    from: Address,
    receipt: &ReceiptEnvelope,
    index: usize,
    position: &mut Position,
) -> RpcReceipt {
    let hash = envelope.tx_hash();
    let base_fee = block.header.base_fee_per_gas;

    let gas_used = receipt.cumulative_gas_used().saturating_sub(position.gas_used);
    let first_log = position.logs;
    position.gas_used = receipt.cumulative_gas_used();
    position.logs += receipt.logs().len() as u64;

    let mut log_index = first_log;
    let inner = receipt.clone().map_logs(|log| {
        let log = rpc_log(block, log, hash, index, log_index);
        log_index += 1;
        log
    });
    let nonce = match &inner {
        ReceiptEnvelope::Deposit(deposit) => deposit.receipt.deposit_nonce.unwrap_or_default(),
        _ => envelope.nonce(),
    };
    let (l1_block_info, blob_gas_used) = match block.fees {
        Some(fees) => {
            let (info, da_footprint) = l1_fields(envelope, fees);
            (Some(info), da_footprint)
        }
        None => (None, envelope.blob_gas_used()),
    };
    RpcReceipt {
        inner: TransactionReceipt {
            inner,
            transaction_hash: hash,
            transaction_index: Some(index as u64),
            block_hash: Some(block.hash),
            block_number: Some(block.header.number),
            gas_used,
            effective_gas_price: effective_gas_price(envelope, base_fee),
            blob_gas_used,
            // Of blobs, which no rollup's block has.
            blob_gas_price: block.blob_fee.filter(|_| envelope.is_eip4844()),
            from,
            to: envelope.to(),
            contract_address: envelope.is_create().then(|| from.create(nonce)),
        },
        l1_block_info,
    }
}

/// What the transaction paid for L1 and the operator's prices (op-geth's receipt fields). The
/// second is Jovian's DA footprint, which receipts carry as `blobGasUsed`.
fn l1_fields(envelope: &TxEnvelope, fees: &L1Fees) -> (L1BlockInfo, Option<u64>) {
    if envelope.is_deposit() {
        return (L1BlockInfo::default(), None);
    }
    let size_scaled = op_revm::estimate_tx_compressed_size(&envelope.encoded_2718());
    let info = L1BlockInfo {
        l1_gas_price: Some(fees.base_fee.saturating_to()),
        l1_gas_used: Some(u128::from(L1Fees::data_gas(size_scaled))),
        l1_fee: Some(fees.data_fee(size_scaled).saturating_to()),
        l1_fee_scalar: None,
        l1_base_fee_scalar: Some(u128::from(fees.base_fee_scalar)),
        l1_blob_base_fee: Some(fees.blob_base_fee.saturating_to()),
        l1_blob_base_fee_scalar: Some(u128::from(fees.blob_base_fee_scalar)),
        operator_fee_scalar: Some(u128::from(fees.operator_fee_scalar)),
        operator_fee_constant: Some(u128::from(fees.operator_fee_constant)),
        da_footprint_gas_scalar: Some(fees.da_footprint_scalar()),
    };
    (info, Some(fees.da_footprint(size_scaled)))
}

/// Wei per gas that was paid; zero for deposits.
pub fn effective_gas_price(envelope: &TxEnvelope, base_fee: Option<u64>) -> u128 {
    if envelope.is_deposit() { 0 } else { envelope.effective_gas_price(base_fee) }
}

/// The block's logs that the filter's addresses and topics match.
pub fn matching_logs(block: &SealedBlock, filter: &Filter) -> Vec<Log> {
    let query = logs::query_of(filter);
    let mut found = Vec::new();
    let Ok(()) = visit_matching_logs(block, filter, &query, |log| {
        found.push(log.to_rpc());
        Ok::<_, Infallible>(())
    });
    found
}

/// The same one by one, until the visitor fails. `query` is of the same filter.
pub fn visit_matching_logs<E>(
    block: &SealedBlock,
    filter: &Filter,
    query: &LogQuery,
    mut visit: impl FnMut(&PlacedLog<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let found = block.find_logs(query).unwrap_or_else(|| {
        let mut first = 0;
        let count = |(index, receipt): (usize, &ReceiptEnvelope)| {
            let before = first;
            first += receipt.logs().len() as u64;
            (index, before)
        };
        block.receipts().iter().enumerate().map(count).collect()
    });
    let header = block.header();
    for (index, first) in found {
        let (Some(receipt), Some(envelope)) =
            (block.receipts().get(index), block.transactions().get(index))
        else {
            continue;
        };
        for (number, log) in (first..).zip(receipt.logs()) {
            if filter.matches(log) {
                visit(&PlacedLog {
                    log,
                    block_hash: block.hash(),
                    block_number: header.number,
                    block_timestamp: header.timestamp,
                    transaction_hash: envelope.tx_hash(),
                    transaction_index: index as u64,
                    log_index: number,
                })?;
            }
        }
    }
    Ok(())
}

fn rpc_log(
    block: &BlockContext<'_>,
    log: alloy_primitives::Log,
    transaction_hash: B256,
    transaction_index: usize,
    log_index: u64,
) -> Log {
    Log {
        inner: log,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(transaction_hash),
        transaction_index: Some(transaction_index as u64),
        log_index: Some(log_index),
        removed: false,
    }
}

/// The text geth's `txpool_inspect` shows for a transaction.
pub fn inspect_line(transaction: &PoolTransaction) -> String {
    let inner = transaction.recovered();
    let to =
        inner.to().map_or_else(|| "contract creation".to_owned(), |to: Address| to.to_string());
    format!(
        "{to}: {} wei + {} gas × {} wei",
        inner.value(),
        inner.gas_limit(),
        inner.max_fee_per_gas()
    )
}

/// Whether the envelope is one a user signed.
pub fn is_user_transaction(envelope: &TxEnvelope) -> bool {
    !envelope.is_deposit()
}

/// Bits of a header that logs queries look at first.
pub fn bloom_matches(header: &Header, filter: &Filter) -> bool {
    filter.matches_bloom(header.logs_bloom())
}
