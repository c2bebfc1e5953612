//! An EVM for simulated calls of which only the result counts. It can be used for one after the other: making
//! one takes longer than a short call, for its table of instructions, its stacks and its maps.

use alloy_evm::{
    Database,
    eth::{EthEvm, EthEvmContext},
    precompiles::PrecompilesMap,
};
use alloy_op_evm::{OpEvm, OpEvmContext, OpTx, map_op_err};
use op_revm::{OpHaltReason, OpTransactionError, handler::OpHandler};
use revm::{
    ExecuteEvm,
    context::{BlockEnv, CfgEnv, ContextSetters, ContextTr, Evm, JournalTr, LocalContextTr},
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction, ResultGas},
    handler::{
        EthFrame, EvmTr, FrameResult, Handler, MainnetHandler, evm::FrameTr,
        instructions::EthInstructions,
    },
    inspector::NoOpInspector,
    interpreter::{InitialAndFloorGas, interpreter::EthInterpreter, interpreter_action::FrameInit},
    primitives::hardfork::SpecId,
    state::EvmState,
};

use crate::{
    CallTx, ChainEvm, ChainSpec, Rules,
    env::rollup_cfg,
    evm::{invalid, no_l1_fees},
};

type Mainnet<C> = Evm<
    C,
    NoOpInspector,
    EthInstructions<EthInterpreter, C>,
    PrecompilesMap,
    EthFrame<EthInterpreter>,
>;
type Rollup<C> =
    op_revm::OpEvm<C, NoOpInspector, EthInstructions<EthInterpreter, C>, PrecompilesMap>;

/// An EVM by the rules of a chain that runs calls of [`crate::call_tx`] one after the other. After an error it
/// must not be used again.
#[allow(missing_debug_implementations, reason = "the EVMs have none")]
pub struct CallEvm<DB: Database>(Inner<DB>);

#[allow(clippy::large_enum_variant, reason = "one at a time, never in a list")]
enum Inner<DB: Database> {
    Rollup(Rollup<OpEvmContext<DB>>),
    Ethereum(Mainnet<EthEvmContext<DB>>),
}

impl<DB: Database> CallEvm<DB> {
    /// `cfg` as [`crate::cfg_env`] gives it, with the checks off that a simulation does without.
    pub fn new(spec: &ChainSpec, cfg: CfgEnv<SpecId>, block: BlockEnv, db: DB) -> Self {
        Self(match ChainEvm::new(spec, cfg, block, db, NoOpInspector) {
            ChainEvm::Rollup(evm) => Inner::Rollup(OpEvm::into_inner(evm)),
            ChainEvm::Ethereum(evm) => Inner::Ethereum(EthEvm::into_inner(evm)),
        })
    }

    /// Takes other settings and another block, as if it were made with them; false, and nothing is done, if it
    /// was made for other rules.
    #[must_use]
    pub fn renew(&mut self, spec: &ChainSpec, cfg: &CfgEnv<SpecId>, block: &BlockEnv) -> bool {
        match (&mut self.0, &spec.rules) {
            (Inner::Rollup(evm), Rules::Rollup) => {
                evm.0.ctx.cfg = rollup_cfg(cfg.clone());
                evm.0.ctx.block = block.clone();
            }
            (Inner::Ethereum(evm), Rules::Ethereum(_)) if evm.ctx.cfg.spec == cfg.spec => {
                evm.ctx.cfg = cfg.clone();
                evm.ctx.block = block.clone();
            }
            _ => return false,
        }
        true
    }

    /// The state that calls start from.
    pub const fn db_mut(&mut self) -> &mut DB {
        match &mut self.0 {
            Inner::Rollup(evm) => &mut evm.0.ctx.journaled_state.database,
            Inner::Ethereum(evm) => &mut evm.ctx.journaled_state.database,
        }
    }

    /// What the call comes to on the state as it is.
    pub fn call(
        &mut self,
        tx: CallTx,
    ) -> Result<ExecutionResult<OpHaltReason>, EVMError<DB::Error, InvalidTransaction>> {
        match &mut self.0 {
            Inner::Rollup(evm) => {
                let ctx = &mut evm.0.ctx;
                ctx.chain = no_l1_fees(ctx.block.number);
                ctx.set_tx(OpTx(tx));
                let handler =
                    OpHandler::<_, EVMError<DB::Error, OpTransactionError>, EthFrame>::new();
                let result = Unrewarded(handler).run(evm);
                let state = &mut evm.0.ctx.journaled_state;
                state.inner.state = emptied(state.finalize());
                result.map_err(map_op_err).map_err(invalid)
            }
            Inner::Ethereum(evm) => {
                evm.set_tx(tx.base);
                let handler =
                    MainnetHandler::<_, EVMError<DB::Error, InvalidTransaction>, EthFrame>::default(
                    );
                let result = Unrewarded(handler).run(evm);
                let state = evm.finalize();
                evm.ctx.journaled_state.inner.state = emptied(state);
                result.map(|result| result.map_haltreason(OpHaltReason::Base))
            }
        }
    }
}

/// The same map without its entries: the next call needs one as large.
fn emptied(mut state: EvmState) -> EvmState {
    state.clear();
    state
}

/// Runs a transaction as another handler does, but nobody is paid for it at the end. What it returns is known
/// by then, and up to four accounts need not be read.
struct Unrewarded<H>(H);

impl<H> Handler for Unrewarded<H>
where
    H: Handler<
        Evm: EvmTr<
            Context: ContextTr<Journal: JournalTr, Local: LocalContextTr>,
            Frame: FrameTr<FrameInit = FrameInit, FrameResult = FrameResult>,
        >,
    >,
{
    type Evm = H::Evm;
    type Error = H::Error;
    type HaltReason = H::HaltReason;

    fn reward_beneficiary(
        &self,
        _: &mut Self::Evm,
        _: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    // Everything that a rollup's handler does in its own way.

    fn validate_env(&self, evm: &mut Self::Evm) -> Result<(), Self::Error> {
        self.0.validate_env(evm)
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut Self::Evm,
        gas: &mut InitialAndFloorGas,
    ) -> Result<(), Self::Error> {
        self.0.validate_against_state_and_deduct_caller(evm, gas)
    }

    fn last_frame_result(
        &mut self,
        evm: &mut Self::Evm,
        result: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        self.0.last_frame_result(evm, result)
    }

    fn reimburse_caller(
        &self,
        evm: &mut Self::Evm,
        result: &mut FrameResult,
    ) -> Result<(), Self::Error> {
        self.0.reimburse_caller(evm, result)
    }

    fn refund(&self, evm: &mut Self::Evm, result: &mut FrameResult, eip7702_refund: i64) {
        self.0.refund(evm, result, eip7702_refund);
    }

    fn execution_result(
        &mut self,
        evm: &mut Self::Evm,
        result: FrameResult,
        gas: ResultGas,
    ) -> Result<ExecutionResult<Self::HaltReason>, Self::Error> {
        self.0.execution_result(evm, result, gas)
    }

    fn catch_error(
        &self,
        evm: &mut Self::Evm,
        error: Self::Error,
    ) -> Result<ExecutionResult<Self::HaltReason>, Self::Error> {
        self.0.catch_error(evm, error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, format, vec, vec::Vec};

    use alloy_eips::{
        eip2930::{AccessList, AccessListItem},
        eip7702::{Authorization, RecoveredAuthority, RecoveredAuthorization},
    };
    use alloy_genesis::ChainConfig;
    use alloy_primitives::{Address, B256, TxKind, U256};
    use proptest::prelude::*;
    use revm::{
        bytecode::Bytecode,
        context::{TxEnv, either::Either},
        database::{CacheDB, EmptyDB},
        state::AccountInfo,
    };

    use super::*;
    use crate::{call_tx, cfg_env};

    type State = CacheDB<EmptyDB>;

    const CONTRACTS: [u8; 3] = [0x21, 0x22, 0x23];
    /// Contracts, accounts with and without a balance, a precompile, coinbases, nobody.
    const PLACES: [u8; 9] = [0x21, 0x22, 0x23, 0x31, 0x32, 0x02, 0x41, 0x42, 0x50];

    fn at(place: u8) -> Address {
        Address::with_last_byte(place)
    }

    /// Code that leaves one word on the stack, or ends.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let place = prop::sample::select(PLACES.to_vec());
        let small = || 0_u8..3;
        let words = vec![
            0x30, 0x32, 0x33, 0x34, 0x36, 0x3a, 0x3d, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47,
            0x48, 0x4a, 0x59, 0x5a,
        ];
        prop_oneof![
            4 => prop::sample::select(words).prop_map(|word| vec![word]),
            3 => small().prop_map(|key| vec![0x60, key, 0x54]),
            3 => (small(), small()).prop_map(|(key, value)| {
                vec![0x60, value, 0x60, key, 0x55, 0x60, key, 0x54]
            }),
            2 => small().prop_map(|key| vec![0x60, key, 0x5c]),
            2 => (small(), small()).prop_map(|(key, value)| {
                vec![0x60, value, 0x60, key, 0x5d, 0x60, key, 0x5c]
            }),
            3 => (place.clone(), prop::sample::select(vec![0x31, 0x3b, 0x3f]))
                .prop_map(|(place, look)| vec![0x60, place, look]),
            1 => Just(vec![0x60, 1, 0x43, 0x03, 0x40]),
            4 => (place.clone(), small()).prop_map(|(place, value)| {
                vec![0x5f, 0x5f, 0x5f, 0x5f, 0x60, value, 0x60, place, 0x5a, 0xf1]
            }),
            2 => (place.clone(), prop::sample::select(vec![0xf4, 0xfa])).prop_map(|(place, call)| {
                vec![0x5f, 0x5f, 0x5f, 0x5f, 0x60, place, 0x5a, call]
            }),
            2 => small().prop_map(|value| vec![0x60, value, 0x60, 1, 0x60, value, 0xf0]),
            1 => small().prop_map(|topic| vec![0x60, topic, 0x60, 1, 0x5f, 0xa1, 0x5f]),
            1 => place.prop_map(|place| vec![0x60, place, 0xff]),
            1 => Just(vec![0x60, 1, 0x5f, 0xfd]),
            1 => Just(vec![0xfe]),
        ]
    }

    /// Stores the word of each piece and returns them all.
    fn code() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(piece(), 0..6).prop_map(|pieces| {
            let mut code = Vec::new();
            let mut end = 0_u8;
            for piece in pieces {
                code.extend(piece);
                code.extend([0x60, end, 0x52]);
                end += 32;
            }
            code.extend([0x60, end, 0x5f, 0xf3]);
            code
        })
    }

    fn state(codes: &[Vec<u8>]) -> State {
        let mut state = State::default();
        for (place, code) in CONTRACTS.iter().zip(codes) {
            let code = Bytecode::new_raw(code.clone().into());
            let info = AccountInfo::from_bytecode(code).with_balance(U256::from(2)).with_nonce(1);
            state.insert_account_info(at(*place), info);
            state.insert_account_storage(at(*place), U256::ONE, U256::from(5)).unwrap();
        }
        state.insert_account_info(at(0x31), AccountInfo::from_balance(U256::from(10_u64.pow(12))));
        state
    }

    #[derive(Clone, Debug)]
    struct Call {
        tx: CallTx,
        block: BlockEnv,
    }

    fn call() -> impl Strategy<Value = Call> {
        let kind = prop_oneof![
            6 => prop::sample::select(PLACES.to_vec()).prop_map(|to| (TxKind::Call(at(to)), Vec::new())),
            1 => code().prop_map(|code| (TxKind::Create, code)),
        ];
        let lists = (0_u8..4, prop::sample::select(PLACES.to_vec()));
        let block =
            (1_u64..1_000, 0_u64..200, prop::sample::select(vec![0x41_u8, 0x42, 0x31]), 0_u64..3);
        (
            kind,
            lists,
            block,
            20_000_u64..400_000,
            0_u64..3,
            prop::sample::select(vec![0x31_u8, 0x32, 0x21]),
            any::<bool>(),
        )
            .prop_map(
                |(
                    (kind, data),
                    (list, listed),
                    (number, timestamp, coinbase, base_fee),
                    gas,
                    value,
                    from,
                    nonce,
                )| {
                    let mut base = TxEnv {
                        caller: at(from),
                        kind,
                        data: data.into(),
                        gas_limit: gas,
                        gas_price: u128::from(base_fee),
                        value: U256::from(value),
                        chain_id: Some(1),
                        ..Default::default()
                    };
                    if list == 1 {
                        base.tx_type = 1;
                        base.access_list = AccessList(vec![AccessListItem {
                            address: at(listed),
                            storage_keys: vec![B256::ZERO],
                        }]);
                    } else if list == 2 && kind.is_call() {
                        base.tx_type = 4;
                        base.gas_priority_fee = Some(0);
                        let authorization = Authorization {
                            chain_id: U256::ZERO,
                            address: at(listed),
                            nonce: u64::from(nonce),
                        };
                        base.authorization_list =
                            vec![Either::Right(RecoveredAuthorization::new_unchecked(
                                authorization,
                                RecoveredAuthority::Valid(at(0x32)),
                            ))];
                    }
                    let block = BlockEnv {
                        number: U256::from(number),
                        timestamp: U256::from(timestamp),
                        beneficiary: at(coinbase),
                        basefee: base_fee,
                        gas_limit: 30_000_000,
                        prevrandao: Some(B256::with_last_byte(coinbase)),
                        ..Default::default()
                    };
                    Call { tx: call_tx(base), block }
                },
            )
    }

    fn settings(spec: &ChainSpec, block: &BlockEnv) -> CfgEnv<SpecId> {
        let mut cfg = cfg_env(spec, block.number.to(), block.timestamp.to());
        cfg.disable_nonce_check = true;
        cfg.disable_eip3607 = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        cfg
    }

    /// Shanghai, then Cancun, then Prague.
    fn ethereum() -> ChainSpec {
        ChainSpec::ethereum(ChainConfig {
            chain_id: 1,
            homestead_block: Some(0),
            eip150_block: Some(0),
            eip155_block: Some(0),
            eip158_block: Some(0),
            byzantium_block: Some(0),
            constantinople_block: Some(0),
            petersburg_block: Some(0),
            istanbul_block: Some(0),
            berlin_block: Some(0),
            london_block: Some(0),
            terminal_total_difficulty: Some(U256::ZERO),
            terminal_total_difficulty_passed: true,
            shanghai_time: Some(0),
            cancun_time: Some(50),
            prague_time: Some(100),
            ..Default::default()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever calls came before, a call comes to what it comes to on an EVM of its own that pays everybody:
        /// output, gas, logs and errors.
        #[test]
        fn nothing_is_left_of_a_call(
            codes in prop::collection::vec(code(), CONTRACTS.len()),
            calls in prop::collection::vec(call(), 1..12),
            is_rollup in any::<bool>(),
        ) {
            let spec = if is_rollup { ChainSpec::new(1) } else { ethereum() };
            let state = state(&codes);
            let mut kept: Option<(SpecId, Box<CallEvm<State>>)> = None;
            for Call { tx, block } in calls {
                let cfg = settings(&spec, &block);
                let mut fresh =
                    ChainEvm::new(&spec, cfg.clone(), block.clone(), state.clone(), NoOpInspector);
                fresh.set_inspector_enabled(false);
                let expected = fresh.transact(tx.clone()).map(|outcome| outcome.result);

                let mut evm = match kept.take() {
                    Some((spec_id, mut evm)) => {
                        let is_renewed = evm.renew(&spec, &cfg, &block);
                        prop_assert_eq!(is_renewed, is_rollup || spec_id == cfg.spec);
                        if is_renewed { evm } else {
                            Box::new(CallEvm::new(&spec, cfg.clone(), block.clone(), State::default()))
                        }
                    }
                    None => Box::new(CallEvm::new(&spec, cfg.clone(), block.clone(), State::default())),
                };
                *evm.db_mut() = state.clone();
                let found = evm.call(tx);
                prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"));
                if found.is_ok() {
                    kept = Some((cfg.spec, evm));
                }
            }
        }
    }

    #[test]
    fn other_rules_take_another_evm() {
        let block = BlockEnv::default();
        let (rollup, ethereum) = (ChainSpec::new(1), ethereum());
        let cfg = settings(&rollup, &block);
        let mut evm = CallEvm::new(&rollup, cfg.clone(), block.clone(), State::default());
        assert!(evm.renew(&rollup, &cfg, &block));
        assert!(!evm.renew(&ethereum, &settings(&ethereum, &block), &block));
        let base = TxEnv { chain_id: Some(1), gas_limit: 20_999, ..Default::default() };
        assert!(evm.call(call_tx(base)).is_err());
    }
}
