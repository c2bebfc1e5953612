//! Transactions by account. The store's history of each account names the blocks in which it changed;
//! in those blocks transactions are looked at one by one.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, map::HashSet};
use alloy_rpc_types_trace::{
    otterscan::ContractCreator,
    parity::{Action, LocalizedTransactionTrace, TraceOutput},
};
use primitives::ReceiptEnvelope;
use revm::DatabaseRef;
use serde::Serialize;
use serde_json::Value;

use super::receipt;
use crate::{
    chain::SealedBlock,
    rpc::{
        Api, convert,
        convert::Transaction,
        error::{LIMIT_EXCEEDED, RpcError},
    },
};

/// Blocks one search may run again.
const SEARCH_BLOCKS_MAX: usize = 1_000;

/// Newest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    txs: Vec<Transaction>,
    receipts: Vec<Value>,
    /// Whether nothing newer is left.
    first_page: bool,
    /// Whether nothing older is left.
    last_page: bool,
}

impl Api {
    /// The transaction of `sender` with this nonce, if a block holds it.
    pub(super) fn ots_by_sender_and_nonce(
        &self,
        sender: Address,
        nonce: u64,
    ) -> Result<Option<B256>, RpcError> {
        let sent = |number| -> Result<bool, RpcError> {
            let account = self.account_at(sender, number)?;
            Ok(account.is_some_and(|(now, _)| now > nonce))
        };
        let Some(number) = self.first_block(sent)? else { return Ok(None) };
        let Some(block) = self.block_at(number)? else { return Ok(None) };
        let of_sender = block.senders().iter().enumerate().filter(|(_, from)| **from == sender);
        for (index, _) in of_sender {
            if nonce_of(&block, index) == Some(nonce) {
                return Ok(block.transactions().get(index).map(|tx| tx.tx_hash()));
            }
        }
        Ok(None)
    }

    /// Who created a contract, in which transaction; `null` for predeploys, for accounts without code
    /// and for those with another's code (EIP-7702).
    pub(super) fn ots_contract_creator(
        &self,
        address: Address,
    ) -> Result<Option<ContractCreator>, RpcError> {
        let head = self.chain.heads().unsafe_head.number;
        let has_code = |number| -> Result<bool, RpcError> {
            Ok(self.account_at(address, number)?.is_some_and(|(_, has_code)| has_code))
        };
        if !has_code(head)? {
            return Ok(None);
        }
        let Some(number) = self.first_block(has_code)? else { return Ok(None) };
        let traces = self.trace_block(number.into())?.unwrap_or_default();
        Ok(traces.into_iter().find_map(|trace| {
            let Action::Create(create) = &trace.trace.action else { return None };
            let hash = trace.transaction_hash.filter(|_| created(&trace) == Some(address))?;
            Some(ContractCreator { hash, creator: create.from })
        }))
    }

    /// Pages of at least `size` transactions, as far as there are so many: a block is never split. A
    /// `block` of zero means from the newest block on (`before`), or from the first.
    pub(super) fn ots_search(
        &self,
        address: Address,
        block: u64,
        size: usize,
        before: bool,
    ) -> Result<Page, RpcError> {
        let head = self.chain.heads().unsafe_head.number;
        let range = match (before, block) {
            (true, 0) => 0..=head,
            (true, block) => 0..=(block - 1).min(head),
            (false, 0) => 0..=head,
            (false, block) => block.saturating_add(1)..=head,
        };
        // One more tells whether anything is left.
        let limit = SEARCH_BLOCKS_MAX + 1;
        let blocks = self
            .chain
            .store()
            .changed_blocks(address, range, limit, before)
            .map_err(|error| RpcError::internal(&error))?;
        let mut found: Vec<(u64, usize)> = Vec::new();
        let mut is_over = blocks.len() < limit;
        for (at, number) in blocks.iter().take(SEARCH_BLOCKS_MAX).enumerate() {
            if found.len() >= size {
                is_over = false;
                break;
            }
            let mut indices = self.transactions_with(address, *number)?;
            if before {
                indices.reverse();
            }
            found.extend(indices.into_iter().map(|index| (*number, index)));
            tracing::trace!(at, number, found = found.len(), "searched a block");
        }
        if found.is_empty() && !is_over {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("nothing in {SEARCH_BLOCKS_MAX} blocks: search from another block"),
            ));
        }
        if !before {
            found.reverse();
        }
        let (mut txs, mut receipts) = (Vec::new(), Vec::new());
        for (number, index) in found {
            let Some(block) = self.block_at(number)? else { continue };
            let Some(transaction) = convert::rpc_transaction(&block, index) else { continue };
            txs.push(transaction);
            receipts.push(receipt(&block, index)?);
        }
        let (first_page, last_page) =
            if before { (block == 0, is_over) } else { (is_over, block == 0) };
        Ok(Page { txs, receipts, first_page, last_page })
    }

    /// Indices of a block's transactions in which an account takes part: as sender, receiver, in a call
    /// inside, or by an authorisation (EIP-7702).
    fn transactions_with(&self, address: Address, number: u64) -> Result<Vec<usize>, RpcError> {
        let Some(block) = self.block_at(number)? else { return Ok(Vec::new()) };
        if number <= self.chain.genesis_number() {
            return Ok(Vec::new());
        }
        let traces = self.trace_block(number.into())?.unwrap_or_default();
        let mut inside: HashSet<B256> = HashSet::default();
        inside.extend(
            traces.iter().filter(|trace| names(trace, address)).filter_map(|t| t.transaction_hash),
        );
        let takes_part =
            |index: &usize| {
                let Some(transaction) = block.transactions().get(*index) else { return false };
                block.senders().get(*index) == Some(&address)
                    || transaction.to() == Some(address)
                    || inside.contains(&transaction.tx_hash())
                    || transaction.authorization_list().unwrap_or_default().iter().any(
                        |authorization| authorization.recover_authority().ok() == Some(address),
                    )
            };
        Ok((0..block.transactions().len()).filter(takes_part).collect())
    }

    /// Nonce, and whether there is code.
    fn account_at(&self, address: Address, number: u64) -> Result<Option<(u64, bool)>, RpcError> {
        let state = self.chain.state(number).map_err(|error| RpcError::internal(&error))?;
        let account = state.basic_ref(address).map_err(|error| RpcError::internal(&error))?;
        Ok(account.map(|account| (account.nonce, !account.is_empty_code_hash())))
    }

    /// The block at which something became true that then stays; `None` if it is true of genesis or
    /// not yet. Asks for as many states as the chain's length has bits.
    fn first_block(
        &self,
        holds: impl Fn(u64) -> Result<bool, RpcError>,
    ) -> Result<Option<u64>, RpcError> {
        let mut without = self.chain.genesis_number();
        let mut with = self.chain.heads().unsafe_head.number;
        if holds(without)? || !holds(with)? {
            return Ok(None);
        }
        while with - without > 1 {
            let middle = without + (with - without) / 2;
            if holds(middle)? {
                with = middle;
            } else {
                without = middle;
            }
        }
        Ok(Some(with))
    }
}

fn nonce_of(block: &SealedBlock, index: usize) -> Option<u64> {
    match block.receipts().get(index)? {
        ReceiptEnvelope::Deposit(deposit) => deposit.receipt.deposit_nonce,
        _ => block.transactions().get(index).map(|transaction| transaction.nonce()),
    }
}

fn created(trace: &LocalizedTransactionTrace) -> Option<Address> {
    match &trace.trace.result {
        Some(TraceOutput::Create(output)) => Some(output.address),
        _ => None,
    }
}

fn names(trace: &LocalizedTransactionTrace, address: Address) -> bool {
    let in_action = match &trace.trace.action {
        Action::Call(call) => call.from == address || call.to == address,
        Action::Create(create) => create.from == address,
        Action::Selfdestruct(end) => end.address == address || end.refund_address == address,
        Action::Reward(reward) => reward.author == address,
    };
    in_action || created(trace) == Some(address)
}
