//! What happened inside a transaction: `debug_trace*` ([`geth`]) and `trace_*` ([`parity`]); and what a
//! block needs to be executed elsewhere ([`witness`]) or has for roots on its way ([`roots`]). A block
//! is run again from its parent's state, by the rules of its height, up to what is asked for.

mod bounded;
mod geth;
mod parity;
mod ranges;
mod roots;
mod witness;

use std::{sync::Arc, time::Instant};

use alloy_eips::{
    BlockId, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip4788::SYSTEM_ADDRESS,
};
use alloy_evm::eth::EthEvmContext;
use alloy_op_evm::OpEvmContext;
use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionInfo;
use op_revm::OpHaltReason;
use revm::{
    DatabaseCommit, Inspector, context_interface::result::ResultAndState, database::CacheDB,
    inspector::NoOpInspector, primitives::hardfork::SpecId,
};
use stf::{CallTx, ChainEvm};

use super::{Api, error::RpcError, execution};
use crate::chain::{SealedBlock, StateView};
use bounded::Bounded;

/// Steps that a tracer which keeps each of them may record in one request.
const RECORDED_STEPS_MAX: u64 = 1_000_000;

type Db = CacheDB<StateView>;
type Outcome = ResultAndState<OpHaltReason>;

/// A block run again, transaction by transaction.
struct Replay<I> {
    evm: ChainEvm<Db, Bounded<I>>,
    block: Arc<SealedBlock>,
    /// The next transaction.
    next: usize,
}

impl<I> Replay<I>
where
    I: Inspector<OpEvmContext<Db>> + Inspector<EthEvmContext<Db>>,
{
    /// Runs the next transaction watched by the inspector. The state it leaves is not kept yet:
    /// see [`Replay::keep`].
    fn watch(&mut self) -> Result<(CallTx, Outcome), RpcError> {
        self.evm.set_inspector_enabled(true);
        let (tx, outcome) = self.run()?;
        self.evm.inspector_mut().check()?;
        Ok((tx, outcome))
    }

    fn run(&mut self) -> Result<(CallTx, Outcome), RpcError> {
        let (Some(tx), Some(sender)) =
            (self.block.transactions().get(self.next), self.block.senders().get(self.next))
        else {
            return Err(RpcError::server("transaction not found"));
        };
        let tx = stf::recorded_tx(tx, *sender);
        let outcome = self.evm.transact(tx.clone()).map_err(execution::execution_error)?;
        Ok((tx, outcome))
    }

    fn keep(&mut self, outcome: Outcome) {
        self.evm.db_mut().commit(outcome.state);
        self.next += 1;
    }

    /// Runs the transactions before `index` unwatched.
    fn skip_to(&mut self, index: usize) -> Result<(), RpcError> {
        self.evm.set_inspector_enabled(false);
        while self.next < index {
            self.evm.inspector_mut().check()?;
            let (_, outcome) = self.run()?;
            self.keep(outcome);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.next >= self.block.transactions().len()
    }

    /// Where the next transaction is.
    fn info(&self) -> TransactionInfo {
        let header = self.block.header();
        TransactionInfo {
            hash: self.block.transactions().get(self.next).map(|tx| *tx.hash()),
            index: Some(self.next as u64),
            block_hash: Some(self.block.hash()),
            block_number: Some(header.number),
            base_fee: header.base_fee_per_gas,
            block_timestamp: Some(header.timestamp),
        }
    }
}

impl Api {
    /// A block, before its first transaction and after the calls the system begins it with
    /// (EIP-2935, EIP-4788).
    fn replay<I>(
        &self,
        block: Arc<SealedBlock>,
        inspector: Bounded<I>,
    ) -> Result<Replay<I>, RpcError>
    where
        I: Inspector<OpEvmContext<Db>> + Inspector<EthEvmContext<Db>>,
    {
        let header = block.header();
        if header.number <= self.chain.genesis_number() {
            return Err(RpcError::server("genesis is not traceable"));
        }
        let state =
            self.chain.state(header.number - 1).map_err(|error| RpcError::internal(&error))?;
        let spec = self.chain.spec();
        let config = stf::cfg_env(spec, header.number, header.timestamp);
        let rules = *config.spec();
        let env = stf::block_env(spec, header);
        let mut evm = ChainEvm::new(spec, config, env, CacheDB::new(state), inspector);
        evm.set_inspector_enabled(false);
        let mut calls = Vec::new();
        if rules.is_enabled_in(SpecId::PRAGUE) {
            calls.push((HISTORY_STORAGE_ADDRESS, header.parent_hash));
        }
        if let Some(root) = header.parent_beacon_block_root {
            calls.push((BEACON_ROOTS_ADDRESS, root));
        }
        for (contract, data) in calls {
            let mut state = evm
                .transact_system_call(SYSTEM_ADDRESS, contract, data.into())
                .map_err(execution::execution_error)?
                .state;
            state.retain(|address, _| *address == contract);
            evm.db_mut().commit(state);
        }
        Ok(Replay { evm, block, next: 0 })
    }

    /// A block with the state before its transaction at `index`.
    pub(super) fn state_before(
        &self,
        id: BlockId,
        index: usize,
    ) -> Result<(Arc<SealedBlock>, Db), RpcError> {
        let block = self.traced_block(id)?;
        if index >= block.transactions().len() {
            return Err(RpcError::invalid_params("there is no such transaction in the block"));
        }
        let unwatched = Bounded::new(NoOpInspector, self.deadline(), u64::MAX);
        let mut replay = self.replay(Arc::clone(&block), unwatched)?;
        replay.skip_to(index)?;
        Ok((block, replay.evm.into_db()))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.config.request_timeout
    }

    fn traced_block(&self, id: BlockId) -> Result<Arc<SealedBlock>, RpcError> {
        self.block(id)?.ok_or_else(|| RpcError::server("block not found"))
    }

    /// The block of a transaction and its index there.
    fn traced_transaction(
        &self,
        hash: &B256,
    ) -> Result<Option<(Arc<SealedBlock>, usize)>, RpcError> {
        let location =
            self.chain.transaction_location(hash).map_err(|error| RpcError::internal(&error))?;
        let Some((number, index)) = location else { return Ok(None) };
        Ok(self.block_at(number)?.map(|block| (block, index)))
    }
}
