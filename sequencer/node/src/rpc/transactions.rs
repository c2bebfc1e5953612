//! Transactions, receipts and their raw bytes.

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_rpc_types_eth::Block;
use op_alloy_consensus::transaction::OpTransactionInfo;

use primitives::Recovered;

use super::{
    Api, convert,
    convert::{RpcReceipt, Transaction},
    error::RpcError,
};

/// An uncle: nothing but its header is known.
pub(super) type Ommer = Block<Transaction>;

impl Api {
    /// From the chain, or from the pool while no block holds it.
    pub(super) fn transaction_by_hash(&self, hash: B256) -> Result<Option<Transaction>, RpcError> {
        match self.locate(&hash)? {
            Some((number, index)) => {
                Ok(self.block_at(number)?.and_then(|block| convert::rpc_transaction(&block, index)))
            }
            None => Ok(self.waiting_transaction(&hash)),
        }
    }

    /// From the pool, which keeps a transaction until its block is sealed, or from the open block.
    fn waiting_transaction(&self, hash: &B256) -> Option<Transaction> {
        if let Some(pooled) = self.pool.get(hash) {
            return Some(convert::pending_transaction(&pooled));
        }
        let (_, entry) = self.chain.pending_block_with(hash)?.transaction(hash)?;
        let transaction = Recovered::new_unchecked(entry.transaction, entry.sender);
        Some(Transaction::from_transaction(transaction, OpTransactionInfo::default()))
    }

    pub(super) fn transaction_at(
        &self,
        block: BlockId,
        index: usize,
    ) -> Result<Option<Transaction>, RpcError> {
        Ok(self.block(block)?.and_then(|block| convert::rpc_transaction(&block, index)))
    }

    pub(super) fn receipt_by_hash(&self, hash: B256) -> Result<Option<RpcReceipt>, RpcError> {
        let Some((number, index)) = self.locate(&hash)? else { return Ok(None) };
        Ok(self.block_at(number)?.and_then(|block| convert::rpc_receipt(&block, index)))
    }

    /// The receipt in a block, or in the open block.
    pub(super) fn newest_receipt(&self, hash: B256) -> Result<Option<RpcReceipt>, RpcError> {
        let pending = self.chain.pending_block_with(&hash);
        match pending.and_then(|block| convert::preconfirmed_receipt(&block, &hash)) {
            Some(receipt) => Ok(Some(receipt)),
            None => self.receipt_by_hash(hash),
        }
    }

    pub(super) fn raw_transaction(&self, hash: B256) -> Result<Option<Bytes>, RpcError> {
        match self.locate(&hash)? {
            Some((number, index)) => self.raw_transaction_at(number.into(), index),
            None => Ok(self.pool.get(&hash).map(|pooled| pooled.encoded().into())),
        }
    }

    pub(super) fn raw_transaction_at(
        &self,
        block: BlockId,
        index: usize,
    ) -> Result<Option<Bytes>, RpcError> {
        Ok(self.block(block)?.and_then(|block| {
            block.transactions().get(index).map(|envelope| envelope.encoded_2718().into())
        }))
    }

    pub(super) fn pooled_by_sender(&self, sender: &Address, nonce: u64) -> Option<Transaction> {
        let content = self.pool.content(Some(sender));
        content
            .pending
            .iter()
            .chain(&content.queued)
            .flat_map(|(_, transactions)| transactions)
            .find(|transaction| transaction.nonce() == nonce)
            .map(|transaction| convert::pending_transaction(transaction))
    }

    /// RLP of a header.
    pub(super) fn raw_header(&self, block: BlockId) -> Result<Bytes, RpcError> {
        let block = self.block(block)?.ok_or_else(RpcError::header_not_found)?;
        Ok(alloy_rlp::encode(block.header()).into())
    }

    /// RLP of a whole block.
    pub(super) fn raw_block(&self, block: BlockId) -> Result<Bytes, RpcError> {
        let block = self.block(block)?.ok_or_else(RpcError::header_not_found)?;
        Ok(alloy_rlp::encode(block.block().to_rlp()).into())
    }

    /// Uncles of a block; `None` when there is no such block.
    pub(super) fn ommer_count(&self, block: BlockId) -> Result<Option<U64>, RpcError> {
        Ok(self.block(block)?.map(|block| U64::from(block.block().body.ommers.len())))
    }

    /// An uncle as a block without its body.
    pub(super) fn ommer(&self, block: BlockId, index: usize) -> Result<Option<Ommer>, RpcError> {
        let Some(block) = self.block(block)? else { return Ok(None) };
        Ok(block.block().body.ommers.get(index).cloned().map(Ommer::uncle_from_header))
    }

    /// Each receipt's EIP-2718 bytes.
    pub(super) fn raw_receipts(&self, block: BlockId) -> Result<Vec<Bytes>, RpcError> {
        let block = self.block(block)?.ok_or_else(RpcError::header_not_found)?;
        Ok(block.receipts().iter().map(|receipt| receipt.encoded_2718().into()).collect())
    }

    fn locate(&self, hash: &B256) -> Result<Option<(u64, usize)>, RpcError> {
        self.chain.transaction_location(hash).map_err(|error| RpcError::internal(&error))
    }
}
