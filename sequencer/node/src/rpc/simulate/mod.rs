//! `eth_simulateV1`: blocks of calls on top of any block, one after the other, by the rules those
//! blocks would have. Shapes, defaults and error codes are geth's (execution-apis, `eth_simulateV1`).
//!
//! Nobody signs these calls: hashes are those of transactions with an empty signature. Unless validation
//! is asked for, nonces are not compared and the base fee is zero; a call without fees in a block with
//! another base fee sees a base fee of zero. Senders with code are let through always. A rollup takes no
//! L1 fee, since a call has no bytes on L1, and its blocks begin without L1 attributes.

mod chain;
pub(super) mod changes;
mod transaction;
mod transfers;

use std::time::Instant;

use alloy_consensus::{
    Eip658Value, Transaction as _, proofs::calculate_receipt_root,
    proofs::calculate_withdrawals_root,
};
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bloom, Bytes, Log as RawLog, U64, U256};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::{
    Block as RpcBlock, BlockTransactions, Header as RpcHeader, Log, TransactionInfo,
    TransactionRequest,
};
use op_alloy_consensus::transaction::{OpDepositInfo, OpTransactionInfo};
use primitives::{
    Block, BlockBody, Header, ReceiptEnvelope, Recovered, TxEnvelope, transactions_root,
};
use revm::{
    DatabaseCommit as _,
    context_interface::{
        block::BlobExcessGasAndPrice,
        result::{ExecutionResult, ResultAndState},
    },
    database::CacheDB,
    primitives::hardfork::SpecId,
};
use serde::Serialize;
use stf::{ChainEvm, ChainSpec, Rules, StateRootProvider};
use store::HistoricRoots;

use super::{
    Api,
    convert::Transaction,
    error::{CLIENT_LIMIT_EXCEEDED, RESOURCE_UNAVAILABLE, RpcError, SERVER, VM_ERROR},
    execution, overrides,
};
use crate::chain::StateView;
pub(super) use chain::Payload;
use chain::{BLOCKS_MAX, Draft};
use transaction::Call;
use transfers::Transfers;

type Db = CacheDB<StateView>;

/// A simulated block with what its calls did.
#[derive(Debug, Serialize)]
pub(super) struct SimulatedBlock {
    #[serde(flatten)]
    block: RpcBlock<Transaction>,
    calls: Vec<CallResult>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CallResult {
    return_data: Bytes,
    logs: Vec<Log>,
    gas_used: U64,
    status: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

/// A request as a transaction with an empty signature.
pub(super) fn unsigned(
    spec: &ChainSpec,
    request: TransactionRequest,
    gas: u64,
    nonce: u64,
    base_fee: Option<u64>,
) -> Result<TxEnvelope, RpcError> {
    Ok(Call::new(spec, request, gas, nonce, base_fee)?.into_transaction())
}

impl Api {
    pub(super) fn simulate(
        &self,
        payload: Payload,
        block: BlockId,
    ) -> Result<Vec<SimulatedBlock>, RpcError> {
        if payload.block_state_calls.is_empty() {
            return Err(RpcError::invalid_params("empty input"));
        }
        if payload.block_state_calls.len() as u64 > BLOCKS_MAX {
            return Err(RpcError::new(CLIENT_LIMIT_EXCEEDED, "too many blocks"));
        }
        // Roots follow from a sealed state: `pending` is the newest of those.
        let number = self.resolve(block)?.ok_or_else(RpcError::header_not_found)?;
        let base = self.chain.header(number).map_err(|error| RpcError::internal(&error))?;
        let base = base.ok_or_else(RpcError::header_not_found)?;
        let spec = self.chain.spec();
        let mut simulator = Simulator {
            spec,
            db: Some(CacheDB::new(
                self.chain.state(number).map_err(|error| RpcError::internal(&error))?,
            )),
            roots: self
                .chain
                .roots_at(number)
                .map_err(|error| RpcError::server(error.to_string()))?,
            gas_left: self.config.call_gas_max,
            trace_transfers: payload.trace_transfers,
            validation: payload.validation,
            full: payload.return_full_transactions,
            deadline: Instant::now() + self.config.request_timeout,
        };
        let mut parent = base.clone();
        let mut results = Vec::new();
        for draft in chain::drafts(spec, &base, payload.block_state_calls)? {
            let (header, result) = simulator.run(draft, &parent)?;
            parent = header;
            results.push(result);
        }
        Ok(results)
    }
}

/// The state after the blocks so far, and how to go on.
struct Simulator<'a> {
    spec: &'a ChainSpec,
    /// `None` while an EVM has it.
    db: Option<Db>,
    /// On the state that the simulation began with.
    roots: HistoricRoots,
    /// Gas that all calls together may still use.
    gas_left: u64,
    trace_transfers: bool,
    validation: bool,
    full: bool,
    deadline: Instant,
}

/// What a block's calls made.
#[derive(Default)]
struct Outcome {
    transactions: Vec<Recovered<TxEnvelope>>,
    receipts: Vec<ReceiptEnvelope>,
    calls: Vec<(CallResult, Vec<(u64, RawLog)>)>,
    gas_used: u64,
    blob_gas_used: u64,
}

impl Simulator<'_> {
    /// Runs the block after `parent`. Gives its header, too.
    fn run(&mut self, draft: Draft, parent: &Header) -> Result<(Header, SimulatedBlock), RpcError> {
        let Draft { mut header, blob_fee, withdrawals, state, calls } = draft;
        self.link(&mut header, parent);
        let fork = self.spec.spec_id(header.number, header.timestamp);

        let mut env = stf::block_env(self.spec, &header);
        if header.difficulty != U256::ZERO && env.prevrandao.is_none() {
            env.difficulty = header.difficulty;
        }
        if let Some(price) = blob_fee {
            env.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
                excess_blob_gas: header.excess_blob_gas.unwrap_or_default(),
                blob_gasprice: price.saturating_to(),
            });
        }
        let mut config = stf::cfg_env(self.spec, header.number, header.timestamp);
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        // EIP-7825 bounds transactions, which these are not (geth).
        config.tx_gas_limit_cap = Some(u64::MAX);

        let mut db = self.db.take().ok_or_else(|| RpcError::server("no state"))?;
        db.cache.block_hashes.insert(U256::from(parent.number), header.parent_hash);
        let precompiles = match state {
            Some(state) => overrides::apply_state(&mut db, state)?,
            None => overrides::PrecompileChanges::default(),
        };
        let inspector = Transfers::new(self.trace_transfers);
        let mut evm = ChainEvm::new(self.spec, config, env, db, inspector);
        precompiles.install(&mut evm)?;
        stf::begin_block(self.spec, &header, &mut evm).map_err(block_error)?;

        let mut outcome = Outcome::default();
        for call in calls {
            if Instant::now() > self.deadline {
                return Err(RpcError::new(RESOURCE_UNAVAILABLE, "the simulation took too long"));
            }
            self.call(call, &header, fork, &mut evm, &mut outcome)?;
        }

        let withdrawals = fork.is_enabled_in(SpecId::SHANGHAI).then_some(withdrawals);
        let receipts = &outcome.receipts;
        let requests =
            stf::end_block(self.spec, &header, receipts, &[], withdrawals.as_ref(), &mut evm)
                .map_err(block_error)?;

        let db = self.db.insert(evm.into_db());
        let roots = self
            .roots
            .state_root(&changes::since_base(db, fork)?)
            .map_err(|error| RpcError::internal(&error))?;
        let transactions: Vec<TxEnvelope> =
            outcome.transactions.iter().map(|transaction| transaction.inner().clone()).collect();
        header.state_root = roots.state_root;
        header.transactions_root = transactions_root(&transactions);
        header.receipts_root = calculate_receipt_root(&outcome.receipts);
        header.logs_bloom =
            outcome.receipts.iter().fold(Bloom::ZERO, |bloom, one| bloom | *one.logs_bloom());
        header.gas_used = outcome.gas_used;
        header.withdrawals_root = withdrawals.as_ref().map(|withdrawals| match self.spec.rules {
            Rules::Rollup => roots.withdrawals_root,
            Rules::Ethereum(_) => calculate_withdrawals_root(withdrawals),
        });
        if fork.is_enabled_in(SpecId::CANCUN) {
            header.blob_gas_used = Some(outcome.blob_gas_used);
        }
        header.requests_hash = requests.map(|requests| requests.requests_hash());

        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
        let block = Block { hash: header.hash_slow(), header, body };
        let result = self.report(&block, outcome);
        Ok((block.header, result))
    }

    /// What follows from the parent.
    fn link(&self, header: &mut Header, parent: &Header) {
        header.parent_hash = parent.hash_slow();
        let fork = self.spec.spec_id(header.number, header.timestamp);
        if fork.is_enabled_in(SpecId::LONDON) && header.base_fee_per_gas.is_none() {
            let fee = if self.validation { self.spec.next_base_fee(parent) } else { 0 };
            header.base_fee_per_gas = Some(fee);
        }
        header.excess_blob_gas = match &self.spec.rules {
            Rules::Rollup => Some(0),
            Rules::Ethereum(rules) => rules.next_excess_blob_gas(parent, header.timestamp),
        };
    }

    /// Runs a call and keeps what it did.
    fn call(
        &mut self,
        request: TransactionRequest,
        header: &Header,
        fork: SpecId,
        evm: &mut ChainEvm<Db, Transfers>,
        outcome: &mut Outcome,
    ) -> Result<(), RpcError> {
        let from = request.from.unwrap_or_default();
        let account = revm::Database::basic(evm.db_mut(), from)
            .map_err(|error| RpcError::internal(&error))?
            .unwrap_or_default();
        let gas = self.gas_of(request.gas, header.gas_limit, outcome.gas_used)?;
        let call = Call::new(self.spec, request, gas, account.nonce, header.base_fee_per_gas)?;
        let blob_fee = evm.block_env().blob_excess_gas_and_price.map(|blobs| blobs.blob_gasprice);
        call.check(&account, header.base_fee_per_gas, blob_fee, self.validation)?;

        // A call that pays nothing is let through where something is asked for: see above.
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let free = !self.validation && call.is_free();
        evm.block_env_mut().basefee = if free { 0 } else { base_fee };
        let ran = evm.transact(call.to_evm()).map_err(|error| call.refused(error));
        evm.block_env_mut().basefee = base_fee;
        let ResultAndState { result, mut state } = ran?;

        // Nonces wrap around, where nobody compares them (geth).
        if account.nonce == u64::MAX
            && !call.is_create()
            && let Some(sender) = state.get_mut(&from)
        {
            sender.info.nonce = 0;
        }
        evm.db_mut().commit(state);
        let logs = evm.inspector_mut().take();

        let gas_used = result.tx_gas_used();
        outcome.gas_used += gas_used;
        self.gas_left = self.gas_left.saturating_sub(gas_used);
        let transaction = call.into_transaction();
        outcome.blob_gas_used += transaction.blob_gas_used().unwrap_or_default();
        let success = result.is_success();
        let error = match &result {
            ExecutionResult::Success { .. } => None,
            ExecutionResult::Revert { output, .. } => {
                Some(RpcError { code: SERVER, ..RpcError::revert(output) })
            }
            ExecutionResult::Halt { reason, .. } => {
                Some(RpcError { code: VM_ERROR, ..execution::halted(reason) })
            }
        };
        // What a revert returned is the error's.
        let return_data = match &result {
            ExecutionResult::Success { output, .. } => output.data().clone(),
            _ => Bytes::new(),
        };
        let status = if fork.is_enabled_in(SpecId::BYZANTIUM) {
            Eip658Value::Eip658(success)
        } else {
            let changes = changes::since_base(evm.db_mut(), fork)?;
            let roots = self.roots.state_root(&changes);
            Eip658Value::PostState(roots.map_err(|error| RpcError::internal(&error))?.state_root)
        };
        let receipt = alloy_consensus::Receipt {
            status,
            cumulative_gas_used: outcome.gas_used,
            logs: result.into_logs(),
        };
        outcome.receipts.push(ReceiptEnvelope::new(transaction.tx_type(), receipt, None, None));
        outcome.transactions.push(Recovered::new_unchecked(transaction, from));
        outcome.calls.push((
            CallResult {
                return_data,
                logs: Vec::new(),
                gas_used: U64::from(gas_used),
                status: U64::from(success),
                error,
            },
            logs,
        ));
        Ok(())
    }

    /// The gas a call runs with: what it asks for, or all that the block has left; at most what all
    /// calls may still use.
    fn gas_of(&self, asked: Option<u64>, limit: u64, used: u64) -> Result<u64, RpcError> {
        let left = limit.saturating_sub(used);
        let gas = asked.unwrap_or(left);
        if gas > left {
            return Err(RpcError::new(
                super::error::BLOCK_GAS_LIMIT_REACHED,
                format!("block gas limit reached: {used} >= {limit}"),
            ));
        }
        Ok(gas.min(self.gas_left))
    }

    /// The block as clients see it. Only now its hash is known, which every log names.
    fn report(&self, block: &Block, outcome: Outcome) -> SimulatedBlock {
        let header = &block.header;
        let hashes = outcome.transactions.iter().map(|transaction| transaction.tx_hash());
        let calls = outcome
            .calls
            .into_iter()
            .zip(hashes)
            .enumerate()
            .map(|(index, ((mut call, logs), hash))| {
                call.logs = logs
                    .into_iter()
                    .map(|(log_index, inner)| Log {
                        inner,
                        block_hash: Some(block.hash),
                        block_number: Some(header.number),
                        block_timestamp: Some(header.timestamp),
                        transaction_hash: Some(hash),
                        transaction_index: Some(index as u64),
                        log_index: Some(log_index),
                        removed: false,
                    })
                    .collect();
                call
            })
            .collect();
        let transactions = if self.full {
            let full = |(index, transaction)| rpc_transaction(block, index, transaction);
            BlockTransactions::Full(
                outcome.transactions.into_iter().enumerate().map(full).collect(),
            )
        } else {
            BlockTransactions::Hashes(
                block.body.transactions.iter().map(TxEnvelope::tx_hash).collect(),
            )
        };
        let size = U256::from(block.to_rlp().length());
        let sealed = alloy_consensus::Sealed::new_unchecked(header.clone(), block.hash);
        SimulatedBlock {
            block: RpcBlock {
                header: RpcHeader::from_consensus(sealed, None, Some(size)),
                uncles: Vec::<B256>::new(),
                transactions,
                withdrawals: block.body.withdrawals.clone(),
            },
            calls,
        }
    }
}

fn rpc_transaction(block: &Block, index: usize, transaction: Recovered<TxEnvelope>) -> Transaction {
    let info = TransactionInfo {
        hash: Some(transaction.tx_hash()),
        index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        base_fee: block.header.base_fee_per_gas,
        block_timestamp: None,
    };
    let info = OpTransactionInfo::new(info, OpDepositInfo::default());
    Transaction::from_transaction(transaction, info)
}

fn block_error(error: stf::BlockError) -> RpcError {
    RpcError::server(error.to_string())
}
