//! One EVM for both kinds of chain, for calls, traces and replays. Blocks of a rollup are built by
//! [`crate::BlockBuilder`], which knows its EVM's kind; everything that only looks uses this.

use alloc::string::ToString;

use alloy_eips::eip2718::Encodable2718;
use alloy_evm::{
    Database, EthEvmFactory, Evm, EvmEnv, EvmFactory, FromRecoveredTx, FromTxWithEncoded,
    eth::{EthEvm, EthEvmContext},
    precompiles::PrecompilesMap,
};
use alloy_op_evm::{OpEvm, OpEvmContext, OpEvmFactory, OpTx, OpTxError};
use alloy_primitives::{Address, Bytes, U256};
use op_revm::{
    L1BlockInfo, OpHaltReason, OpTransaction, OpTransactionError,
    transaction::deposit::DEPOSIT_TRANSACTION_TYPE,
};
use primitives::TxEnvelope;
use revm::{
    Inspector,
    context::{BlockEnv, CfgEnv, JournalTr, TxEnv},
    context_interface::result::{EVMError, InvalidTransaction, ResultAndState},
    primitives::hardfork::SpecId,
};

use crate::{ChainSpec, Rules, env::rollup_cfg};

/// A transaction as either EVM takes it; Ethereum's reads `base` alone.
pub type CallTx = OpTransaction<TxEnv>;

/// An EVM by the rules of a chain, with an inspector that starts switched on.
#[allow(missing_debug_implementations, reason = "the EVMs have none")]
#[allow(clippy::large_enum_variant, reason = "one at a time, never in a list")]
pub enum ChainEvm<DB: Database, I> {
    Rollup(OpEvm<DB, I, PrecompilesMap>),
    Ethereum(EthEvm<DB, I, PrecompilesMap>),
}

impl<DB, I> ChainEvm<DB, I>
where
    DB: Database,
    I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
{
    /// `cfg` as [`crate::cfg_env`] gives it, with the checks off that a simulation does without.
    pub fn new(
        spec: &ChainSpec,
        cfg: CfgEnv<SpecId>,
        block: BlockEnv,
        db: DB,
        inspector: I,
    ) -> Self {
        match spec.rules {
            Rules::Rollup => {
                let env = EvmEnv { cfg_env: rollup_cfg(cfg), block_env: block };
                let factory = OpEvmFactory::<OpTx>::default();
                Self::Rollup(factory.create_evm_with_inspector(db, env, inspector))
            }
            Rules::Ethereum(_) => {
                let env = EvmEnv { cfg_env: cfg, block_env: block };
                let factory = EthEvmFactory::default();
                Self::Ethereum(factory.create_evm_with_inspector(db, env, inspector))
            }
        }
    }

    /// Runs a transaction; the state it leaves is returned, not kept.
    pub fn transact(
        &mut self,
        tx: CallTx,
    ) -> Result<ResultAndState<OpHaltReason>, EVMError<DB::Error, InvalidTransaction>> {
        match self {
            Self::Rollup(evm) if takes_no_l1_fee(&tx) => {
                let fees = evm.ctx().chain.clone();
                evm.ctx_mut().chain = no_l1_fees(evm.block().number);
                let outcome = evm.transact_raw(OpTx(tx)).map_err(invalid);
                evm.ctx_mut().chain = fees;
                outcome
            }
            Self::Rollup(evm) => evm.transact_raw(OpTx(tx)).map_err(invalid),
            Self::Ethereum(evm) => {
                let ResultAndState { result, state } = evm.transact_raw(tx.base)?;
                Ok(ResultAndState { result: result.map_haltreason(OpHaltReason::Base), state })
            }
        }
    }

    /// Calls a contract as the system does before and after a block's transactions (EIP-4788,
    /// EIP-2935, EIP-7002, EIP-7251).
    pub fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<OpHaltReason>, EVMError<DB::Error, InvalidTransaction>> {
        match self {
            Self::Rollup(evm) => evm.transact_system_call(caller, contract, data).map_err(invalid),
            Self::Ethereum(evm) => {
                let ResultAndState { result, state } =
                    evm.transact_system_call(caller, contract, data)?;
                Ok(ResultAndState { result: result.map_haltreason(OpHaltReason::Base), state })
            }
        }
    }

    /// Keeps the addresses that are precompiles now warm (EIP-2929), whatever becomes of them after.
    pub fn warm_precompiles(&mut self) {
        let addresses = self.components_mut().2.addresses().copied().collect();
        match self {
            Self::Rollup(evm) => evm.ctx_mut().journaled_state.warm_precompiles(addresses),
            Self::Ethereum(evm) => evm.ctx_mut().journaled_state.warm_precompiles(addresses),
        }
    }

    pub fn set_inspector_enabled(&mut self, enabled: bool) {
        match self {
            Self::Rollup(evm) => evm.set_inspector_enabled(enabled),
            Self::Ethereum(evm) => evm.set_inspector_enabled(enabled),
        }
    }

    /// State, inspector and precompiles.
    pub fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        match self {
            Self::Rollup(evm) => evm.components_mut(),
            Self::Ethereum(evm) => evm.components_mut(),
        }
    }

    pub fn db_mut(&mut self) -> &mut DB {
        self.components_mut().0
    }

    pub fn inspector_mut(&mut self) -> &mut I {
        self.components_mut().1
    }

    pub fn block_env(&self) -> &BlockEnv {
        match self {
            Self::Rollup(evm) => evm.block(),
            Self::Ethereum(evm) => evm.block(),
        }
    }

    pub fn block_env_mut(&mut self) -> &mut BlockEnv {
        match self {
            Self::Rollup(evm) => &mut evm.ctx_mut().block,
            Self::Ethereum(evm) => &mut evm.ctx_mut().block,
        }
    }

    /// Gives the state back.
    pub fn into_db(self) -> DB {
        match self {
            Self::Rollup(evm) => evm.into_db(),
            Self::Ethereum(evm) => evm.into_db(),
        }
    }
}

pub(crate) fn invalid<E>(error: EVMError<E, OpTxError>) -> EVMError<E, InvalidTransaction> {
    match error {
        EVMError::Transaction(OpTxError(OpTransactionError::Base(reason))) => {
            EVMError::Transaction(reason)
        }
        EVMError::Transaction(OpTxError(reason)) => EVMError::Custom(reason.to_string()),
        EVMError::Database(error) => EVMError::Database(error),
        EVMError::Header(error) => EVMError::Header(error),
        EVMError::Custom(error) => EVMError::Custom(error),
        EVMError::CustomAny(error) => EVMError::CustomAny(error),
    }
}

/// A transaction that a block holds, with everything that determines what it pays.
pub fn recorded_tx(tx: &TxEnvelope, sender: Address) -> CallTx {
    recorded_tx_with_bytes(tx, sender, tx.encoded_2718().into())
}

/// The same, from its EIP-2718 bytes as well.
pub(crate) fn recorded_tx_with_bytes(tx: &TxEnvelope, sender: Address, bytes: Bytes) -> CallTx {
    let base = match tx {
        TxEnvelope::Deposit(tx) => return OpTx::from_encoded_tx(tx.inner(), sender, bytes).0,
        TxEnvelope::Legacy(tx) => TxEnv::from_recovered_tx(tx, sender),
        TxEnvelope::Eip2930(tx) => TxEnv::from_recovered_tx(tx, sender),
        TxEnvelope::Eip1559(tx) => TxEnv::from_recovered_tx(tx, sender),
        TxEnvelope::Eip4844(tx) => TxEnv::from_recovered_tx(tx, sender),
        TxEnvelope::Eip7702(tx) => TxEnv::from_recovered_tx(tx, sender),
    };
    let mut call = OpTransaction::new(base);
    call.enveloped_tx = Some(bytes);
    call
}

/// Whether a transaction is a call of [`call_tx`].
fn takes_no_l1_fee(tx: &CallTx) -> bool {
    tx.base.tx_type != DEPOSIT_TRANSACTION_TYPE
        && tx.enveloped_tx.as_ref().is_some_and(|bytes| bytes.is_empty())
}

/// What such a call needs to know of L1: nothing. Without it the EVM would read six slots for each.
pub(crate) fn no_l1_fees(block: U256) -> L1BlockInfo {
    L1BlockInfo {
        l2_block: Some(block),
        operator_fee_scalar: Some(U256::ZERO),
        operator_fee_constant: Some(U256::ZERO),
        ..L1BlockInfo::default()
    }
}

/// A call that is only simulated: no bytes, so a rollup takes no L1 fee.
pub fn call_tx(base: TxEnv) -> CallTx {
    let mut call = OpTransaction::new(base);
    call.enveloped_tx = Some(Bytes::new());
    call
}
