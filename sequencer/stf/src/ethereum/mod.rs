//! Blocks of plain Ethereum, from Frontier to Osaka and its blob-parameter forks: built transaction by
//! transaction, or re-executed and compared in every header field.
//!
//! What is not checked: proof of work and the difficulty that goes with it, which are taken as the
//! header has them (a chain before the merge is trusted in that), and whether an ommer descends from an
//! ancestor, for which this function sees too few headers. A chain that carried out the DAO's
//! irregular state change is refused.

mod header;
pub(crate) mod rewards;

use alloc::{string::ToString, vec::Vec};

use alloy_consensus::{
    Eip658Value, Header, Transaction as _, Typed2718,
    proofs::{calculate_ommers_root, calculate_receipt_root, calculate_withdrawals_root},
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{eip4895::Withdrawals, eip7685::Requests};
use alloy_primitives::{Address, B256, Bloom, Bytes};
use alloy_rlp::Encodable;
use op_revm::{OpHaltReason, OpTransactionError};
use primitives::{Block, BlockBody, ReceiptEnvelope, TxEnvelope, transactions_root};
use revm::{
    DatabaseCommit, DatabaseRef,
    context_interface::result::{EVMError, ExecutionResult, ResultAndState},
    database::{State, WrapDatabaseRef, states::bundle_state::BundleRetention},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};

use crate::{
    ChainEvm, ChainSpec, EthereumRules, ExecutedBlock, StateChanges, StateRootProvider, TxOutcome,
    block::{compare, mismatch},
    block_env, cfg_env,
    error::{BlockError, TxRejection},
    recorded_tx,
    system::{self, describe},
};

/// EIP-7934: bytes of a block's RLP, at most (10 MiB less 2 MiB for the beacon block around it).
const BLOCK_BYTES_MAX: usize = 8 << 20;

type Db<S> = State<WrapDatabaseRef<S>>;

/// What whoever proposes a block chooses; everything else in a header follows from the parent, the rules
/// and execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub fee_recipient: Address,
    pub gas_limit: u64,
    pub prev_randao: B256,
    pub extra_data: Bytes,
    /// From Cancun on.
    pub parent_beacon_block_root: B256,
}

/// An Ethereum block in the making.
#[allow(missing_debug_implementations, reason = "the EVM has none")]
pub struct EthereumBuilder<S>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    spec: ChainSpec,
    fork: SpecId,
    evm: ChainEvm<Db<S>, NoOpInspector>,
    /// As far as it is known before execution.
    header: Header,
    transactions: Vec<TxEnvelope>,
    senders: Vec<Address>,
    receipts: Vec<ReceiptEnvelope>,
    gas_used: u64,
    blob_gas_used: u64,
}

impl<S> EthereumBuilder<S>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    /// Opens the block after `parent`, which must be after the merge, and calls what the system calls
    /// before the first transaction.
    pub fn new(
        spec: &ChainSpec,
        parent: &Header,
        proposal: &Proposal,
        state: S,
    ) -> Result<Self, BlockError> {
        let rules = ethereum(spec)?;
        let chosen = Header {
            beneficiary: proposal.fee_recipient,
            timestamp: proposal.timestamp,
            gas_limit: proposal.gas_limit,
            mix_hash: proposal.prev_randao,
            extra_data: proposal.extra_data.clone(),
            parent_beacon_block_root: Some(proposal.parent_beacon_block_root),
            ..Default::default()
        };
        let header = header::draft(rules, parent, &chosen)?;
        if !rules.is_merged(header.number) {
            return Err(BlockError::BeforeMerge(header.number));
        }
        Self::open(spec, header, state)
    }

    fn open(spec: &ChainSpec, header: Header, state: S) -> Result<Self, BlockError> {
        let database =
            State::builder().with_database(WrapDatabaseRef(state)).with_bundle_update().build();
        let cfg = cfg_env(spec, header.number, header.timestamp);
        let fork = cfg.spec;
        let env = block_env(spec, &header);
        let mut builder = Self {
            spec: spec.clone(),
            fork,
            evm: ChainEvm::new(spec, cfg, env, database, NoOpInspector),
            header,
            transactions: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
            gas_used: 0,
            blob_gas_used: 0,
        };
        system::begin_block(spec, &builder.header, &mut builder.evm)?;
        Ok(builder)
    }

    const fn is(&self, fork: SpecId) -> bool {
        self.fork.is_enabled_in(fork)
    }

    /// Gas that further transactions may use.
    pub const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.gas_used)
    }

    /// Blob gas that further transactions may use.
    pub fn blob_gas_left(&self) -> u64 {
        self.spec
            .as_ethereum()
            .and_then(|rules| rules.blob_params(self.header.timestamp))
            .map_or(0, |params| params.max_blob_gas_per_block())
            .saturating_sub(self.blob_gas_used)
    }

    /// The header as far as it is known: roots, bloom and gas used are those of an empty block.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The transactions so far.
    pub fn transactions(&self) -> &[TxEnvelope] {
        &self.transactions
    }

    /// One per transaction.
    pub fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// Executes and includes a transaction, or says why it cannot be included. `roots` are those of the
    /// parent's state: before Byzantium each receipt holds a state root.
    pub fn execute(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        roots: &impl StateRootProvider,
    ) -> Result<TxOutcome, TxRejection> {
        let inner = transaction.inner();
        match inner {
            TxEnvelope::Deposit(_) => return Err(TxRejection::UnsupportedType(inner.ty())),
            TxEnvelope::Legacy(tx) if tx.tx().chain_id.is_some() && !self.binds_chain() => {
                return Err(TxRejection::ReplayProtectedTooEarly);
            }
            _ => {}
        }
        let available = self.gas_left();
        if inner.gas_limit() > available {
            return Err(TxRejection::GasExceedsBlock { gas_limit: inner.gas_limit(), available });
        }
        let blob_gas = inner.blob_gas_used().unwrap_or_default();
        let available = self.blob_gas_left();
        if blob_gas > available {
            return Err(TxRejection::BlobGasExceedsBlock { blob_gas, available });
        }
        let ResultAndState { result, state } = self
            .evm
            .transact(recorded_tx(inner, transaction.signer()))
            .map_err(|error| match error {
                EVMError::Transaction(reason) => {
                    TxRejection::Invalid(OpTransactionError::Base(reason))
                }
                other => TxRejection::State(describe(other)),
            })?;
        self.evm.db_mut().commit(state);
        self.blob_gas_used = self.blob_gas_used.saturating_add(blob_gas);
        self.include(transaction, result, roots)
    }

    /// Whether signatures may name the chain (EIP-155).
    fn binds_chain(&self) -> bool {
        let number = self.header.number;
        self.spec
            .as_ethereum()
            .is_some_and(|rules| rules.config().eip155_block.is_some_and(|block| number >= block))
    }

    fn include(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        result: ExecutionResult<OpHaltReason>,
        roots: &impl StateRootProvider,
    ) -> Result<TxOutcome, TxRejection> {
        let gas_used = result.tx_gas_used();
        let success = result.is_success();
        self.gas_used = self.gas_used.saturating_add(gas_used);
        // EIP-658.
        let status = if self.is(SpecId::BYZANTIUM) {
            Eip658Value::Eip658(success)
        } else {
            let database = self.evm.db_mut();
            database.merge_transitions(BundleRetention::PlainState);
            let changes = StateChanges::from(database.bundle_state.clone());
            let outcome = roots.state_root(&changes);
            let outcome = outcome.map_err(|error| TxRejection::State(error.to_string()))?;
            Eip658Value::PostState(outcome.state_root)
        };
        let receipt = alloy_consensus::Receipt {
            status,
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        };
        let kind = transaction.inner().tx_type();
        self.receipts.push(ReceiptEnvelope::new(kind, receipt, None, None));
        self.transactions.push(transaction.inner().clone());
        self.senders.push(transaction.signer());
        Ok(TxOutcome { success, gas_used })
    }

    /// Closes a block after the merge. Gives the execution requests, too (EIP-7685).
    pub fn finish(
        self,
        withdrawals: Option<Withdrawals>,
        roots: &impl StateRootProvider,
    ) -> Result<(ExecutedBlock, Requests), BlockError> {
        self.close(Vec::new(), withdrawals, roots)
    }

    fn close(
        mut self,
        ommers: Vec<Header>,
        withdrawals: Option<Withdrawals>,
        roots: &impl StateRootProvider,
    ) -> Result<(ExecutedBlock, Requests), BlockError> {
        let requests = system::end_block(
            &self.spec,
            &self.header,
            &self.receipts,
            &ommers,
            withdrawals.as_ref(),
            &mut self.evm,
        )?
        .unwrap_or_default();

        let mut database = self.evm.into_db();
        database.merge_transitions(BundleRetention::PlainState);
        let changes = StateChanges::from(database.take_bundle());
        let roots = roots.state_root(&changes)?;
        let logs_bloom =
            self.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom());
        let at = |fork| self.fork.is_enabled_in(fork);
        let withdrawals =
            if at(SpecId::SHANGHAI) { Some(withdrawals.unwrap_or_default()) } else { None };
        let header = Header {
            ommers_hash: calculate_ommers_root(&ommers),
            state_root: roots.state_root,
            withdrawals_root: withdrawals.as_ref().map(|all| calculate_withdrawals_root(all)),
            transactions_root: transactions_root(&self.transactions),
            receipts_root: calculate_receipt_root(&self.receipts),
            logs_bloom,
            gas_used: self.gas_used,
            blob_gas_used: at(SpecId::CANCUN).then_some(self.blob_gas_used),
            requests_hash: at(SpecId::PRAGUE).then(|| requests.requests_hash()),
            ..self.header
        };
        let body = BlockBody { transactions: self.transactions, ommers, withdrawals };
        let block = Block { hash: header.hash_slow(), header, body };
        let executed =
            ExecutedBlock { block, receipts: self.receipts, senders: self.senders, changes, roots };
        Ok((executed, requests))
    }
}

/// Re-executes a block of an Ethereum chain on its parent's state and compares every header field.
/// `senders`, if given, are trusted to be the signers. `roots` are those of the parent's state.
pub fn execute_ethereum_block<S>(
    spec: &ChainSpec,
    parent: &Header,
    block: &Block,
    senders: Option<&[Address]>,
    state: S,
    roots: &impl StateRootProvider,
) -> Result<ExecutedBlock, BlockError>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    execute_with_requests(spec, parent, block, senders, state, roots).map(|(block, _)| block)
}

/// As [`execute_ethereum_block`], with the execution requests.
pub fn execute_with_requests<S>(
    spec: &ChainSpec,
    parent: &Header,
    block: &Block,
    senders: Option<&[Address]>,
    state: S,
    roots: &impl StateRootProvider,
) -> Result<(ExecutedBlock, Requests), BlockError>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    let rules = ethereum(spec)?;
    let parent_hash = parent.hash_slow();
    if block.header.parent_hash != parent_hash {
        return Err(BlockError::WrongParent {
            parent: parent_hash,
            block: block.header.parent_hash,
        });
    }
    let draft = header::draft(rules, parent, &block.header)?;
    let mut builder = EthereumBuilder::open(spec, draft, state)?;
    check_body(&builder, block)?;
    for (index, transaction) in block.body.transactions.iter().enumerate() {
        let sender = match senders.and_then(|senders| senders.get(index)) {
            Some(sender) => *sender,
            None => signer(transaction, builder.fork).ok_or(BlockError::BadSignature { index })?,
        };
        let recovered = Recovered::new_unchecked(transaction.clone(), sender);
        builder.execute(&recovered, roots).map_err(|reason| match reason {
            TxRejection::State(error) => BlockError::State(error),
            reason => BlockError::InvalidTransaction { index, hash: *transaction.hash(), reason },
        })?;
    }
    let BlockBody { ommers, withdrawals, .. } = &block.body;
    let (executed, requests) = builder.close(ommers.clone(), withdrawals.clone(), roots)?;
    compare(&block.header, &executed.block.header)?;
    if block.hash != executed.block.hash {
        return Err(mismatch("hash", &block.hash, &executed.block.hash));
    }
    Ok((executed, requests))
}

/// Who signed. Frontier took signatures with a high `s` (EIP-2).
pub fn signer(transaction: &TxEnvelope, fork: SpecId) -> Option<Address> {
    if fork.is_enabled_in(SpecId::HOMESTEAD) {
        transaction.recover_signer().ok()
    } else {
        transaction.recover_signer_unchecked().ok()
    }
}

/// What of a body needs no execution.
fn check_body<S>(builder: &EthereumBuilder<S>, block: &Block) -> Result<(), BlockError>
where
    S: DatabaseRef<Error: core::error::Error + Send + Sync + 'static> + core::fmt::Debug,
{
    let body = &block.body;
    header::check_ommers(builder.fork, &block.header, &body.ommers)?;
    if body.withdrawals.is_some() != builder.is(SpecId::SHANGHAI) {
        return Err(BlockError::Withdrawals { present: body.withdrawals.is_some() });
    }
    if builder.is(SpecId::OSAKA) {
        let length = block.to_rlp().length();
        if length > BLOCK_BYTES_MAX {
            return Err(BlockError::TooLong { length, max: BLOCK_BYTES_MAX });
        }
    }
    Ok(())
}

fn ethereum(spec: &ChainSpec) -> Result<&EthereumRules, BlockError> {
    let rules = spec.as_ethereum().ok_or(BlockError::Unsupported("a rollup"))?;
    let config = rules.config();
    if config.dao_fork_support && config.dao_fork_block.is_some() {
        return Err(BlockError::Unsupported("the DAO's irregular state change"));
    }
    Ok(rules)
}
