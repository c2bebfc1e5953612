//! Building and re-executing blocks.

use alloc::{string::ToString, vec, vec::Vec};

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Transaction as _, Typed2718,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{
    eip2718::Encodable2718, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_primitives::{Address, B64, B256, Bloom, BloomInput, Bytes, Log, U256};
use op_revm::{
    DefaultOp, L1BlockInfo, OpBuilder, OpHaltReason, OpTransactionError,
    api::{builder::DefaultOpEvm, default_ctx::OpContext},
    estimate_tx_compressed_size,
};
use primitives::{Block, BlockBody, PayloadAttributes, ReceiptEnvelope, TxEnvelope};
use revm::{
    Context, DatabaseCommit, DatabaseRef, ExecuteEvm, SystemCallEvm,
    context_interface::result::{EVMError, ExecutionResult, ResultAndState},
    database::{State, WrapDatabaseRef, states::bundle_state::BundleRetention},
};

use crate::{
    ChainSpec, Eip1559Parameters, StateChanges, StateDelta, StateRootOutcome, StateRootProvider,
    block_env, cfg_env,
    delta::ChangedKeys,
    error::{BlockError, TxRejection},
    l1_data_fee, next_base_fee,
    ordered_root::{HashMany, OrderedRoot},
};
use crate::{env::rollup_cfg, evm::recorded_tx_with_bytes};

type Db<S> = State<WrapDatabaseRef<S>>;

/// A finished block with everything that follows from it.
#[derive(Clone, Debug)]
pub struct ExecutedBlock {
    pub block: Block,
    /// One per transaction.
    pub receipts: Vec<ReceiptEnvelope>,
    /// One per transaction.
    pub senders: Vec<Address>,
    pub changes: StateChanges,
    pub roots: StateRootOutcome,
}

/// What an included transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutcome {
    pub success: bool,
    pub gas_used: u64,
}

/// A block in the making.
pub struct BlockBuilder<S: DatabaseRef> {
    spec: ChainSpec,
    evm: DefaultOpEvm<OpContext<Db<S>>>,
    header: Header,
    transactions: Vec<TxEnvelope>,
    senders: Vec<Address>,
    receipts: Vec<ReceiptEnvelope>,
    transactions_root: OrderedRoot,
    receipts_root: OrderedRoot,
    hash_many: Option<HashMany>,
    /// Of all receipts.
    logs_bloom: Bloom,
    /// A receipt's encoding, kept for its memory.
    buffer: Vec<u8>,
    gas_used: u64,
    da_footprint: u64,
    /// Read from `L1Block` after the L1 attributes transaction.
    da_footprint_scalar: u64,
    /// Since [`BlockBuilder::take_delta`] was last called.
    changed: ChangedKeys,
}

impl<S: DatabaseRef> core::fmt::Debug for BlockBuilder<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockBuilder")
            .field("number", &self.header.number)
            .field("transactions", &self.transactions.len())
            .field("gas_used", &self.gas_used)
            .finish_non_exhaustive()
    }
}

impl<S: DatabaseRef> BlockBuilder<S> {
    /// Opens the block after `parent` and executes the attributes' transactions; an invalid one is an
    /// error, since attributes are not a wish.
    pub fn new(
        spec: &ChainSpec,
        parent: &Header,
        attributes: &PayloadAttributes,
        state: S,
    ) -> Result<Self, BlockError> {
        let mut transactions = Vec::with_capacity(attributes.transactions.len());
        for (index, raw) in attributes.transactions.iter().enumerate() {
            let transaction =
                TxEnvelope::decode_strict(raw).map_err(|_| BlockError::Undecodable { index })?;
            let sender =
                transaction.recover_signer().map_err(|_| BlockError::BadSignature { index })?;
            transactions.push(Recovered::new_unchecked(transaction, sender));
        }
        Self::open(spec, parent, attributes, transactions, state, None)
    }

    /// As [`BlockBuilder::new`], with the attributes' transactions already decoded and their senders
    /// recovered from their signatures; `attributes.transactions` is not looked at. Given `hash_many`, the
    /// block's transactions, receipts and values of logs are hashed several at once.
    pub fn open(
        spec: &ChainSpec,
        parent: &Header,
        attributes: &PayloadAttributes,
        transactions: Vec<Recovered<TxEnvelope>>,
        state: S,
        hash_many: Option<HashMany>,
    ) -> Result<Self, BlockError> {
        if attributes.timestamp <= parent.timestamp {
            return Err(BlockError::TimestampNotAboveParent {
                timestamp: attributes.timestamp,
                parent: parent.timestamp,
            });
        }
        let header = header(parent, attributes);
        let mut builder = Self {
            spec: spec.clone(),
            evm: evm(spec, &header, state),
            header,
            transactions: Vec::new(),
            senders: Vec::new(),
            receipts: Vec::new(),
            transactions_root: OrderedRoot::new(hash_many),
            receipts_root: OrderedRoot::new(hash_many),
            hash_many,
            logs_bloom: Bloom::ZERO,
            buffer: Vec::new(),
            gas_used: 0,
            da_footprint: 0,
            da_footprint_scalar: 0,
            changed: ChangedKeys::default(),
        };
        builder.system_call(HISTORY_STORAGE_ADDRESS, builder.header.parent_hash)?;
        builder.system_call(BEACON_ROOTS_ADDRESS, attributes.parent_beacon_block_root)?;
        builder.open_with(transactions)?;
        Ok(builder)
    }

    /// L1 attributes first, then deposits, then the batch's transactions.
    fn open_with(&mut self, transactions: Vec<Recovered<TxEnvelope>>) -> Result<(), BlockError> {
        match transactions.first().map(Recovered::inner) {
            Some(TxEnvelope::Deposit(first)) if first.to.to() == Some(&primitives::L1_BLOCK) => {}
            _ => return Err(BlockError::NoL1Attributes),
        }
        let mut deposits_over = false;
        for (index, transaction) in transactions.iter().enumerate() {
            if transaction.inner().is_deposit() {
                if deposits_over {
                    return Err(BlockError::DepositOutOfOrder { index });
                }
                self.deposit(index, transaction)?;
            } else {
                if !deposits_over {
                    deposits_over = true;
                    self.load_da_footprint_scalar()?;
                }
                self.execute(transaction).map_err(|reason| match reason {
                    TxRejection::State(error) => BlockError::State(error),
                    reason => BlockError::InvalidTransaction {
                        index,
                        hash: *transaction.inner().hash(),
                        reason,
                    },
                })?;
            }
        }
        if !deposits_over {
            self.load_da_footprint_scalar()?;
        }
        Ok(())
    }

    /// Gas that further transactions may use.
    pub const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.gas_used)
    }

    /// DA footprint so far, in gas (Jovian).
    pub const fn da_footprint(&self) -> u64 {
        self.da_footprint
    }

    /// The header as far as it is known: roots, bloom and gas used are those of an empty block.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Gas used so far.
    pub const fn gas_used(&self) -> u64 {
        self.gas_used
    }

    /// The transactions so far.
    pub fn transactions(&self) -> &[TxEnvelope] {
        &self.transactions
    }

    /// One per transaction.
    pub fn receipts(&self) -> &[ReceiptEnvelope] {
        &self.receipts
    }

    /// One per transaction.
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// What changed since the last call, or since the parent at the first.
    pub fn take_delta(&mut self) -> StateDelta {
        let database = &mut self.evm.0.ctx.journaled_state.database;
        // Less is left for the end of the block.
        database.merge_transitions(BundleRetention::PlainState);
        self.changed.take(&database.cache)
    }

    /// Number of transactions so far, deposits included.
    pub const fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Never true: a block begins with the L1 attributes.
    pub const fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Executes and includes a transaction, or says why it cannot be included.
    pub fn execute(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
    ) -> Result<TxOutcome, TxRejection> {
        let encoded: Bytes = transaction.inner().encoded_2718().into();
        let size_scaled = estimate_tx_compressed_size(&encoded);
        self.execute_encoded(transaction, encoded, size_scaled)
    }

    /// The same, where the estimate of the transaction's compressed size (Fjord, scaled by 10^6) is known.
    pub fn execute_estimated(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        size_scaled: u64,
    ) -> Result<TxOutcome, TxRejection> {
        let encoded: Bytes = transaction.inner().encoded_2718().into();
        debug_assert_eq!(size_scaled, estimate_tx_compressed_size(&encoded));
        self.execute_encoded(transaction, encoded, size_scaled)
    }

    fn execute_encoded(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        encoded: Bytes,
        size_scaled: u64,
    ) -> Result<TxOutcome, TxRejection> {
        let inner = transaction.inner();
        match inner {
            TxEnvelope::Deposit(_) => return Err(TxRejection::Deposit),
            TxEnvelope::Eip4844(_) => return Err(TxRejection::UnsupportedType(inner.ty())),
            TxEnvelope::Legacy(tx) if tx.tx().chain_id.is_none() => {
                return Err(TxRejection::NotReplayProtected);
            }
            _ => {}
        }
        let available = self.gas_left();
        if inner.gas_limit() > available {
            return Err(TxRejection::GasExceedsBlock { gas_limit: inner.gas_limit(), available });
        }
        let footprint =
            size_scaled.wrapping_div(1_000_000).saturating_mul(self.da_footprint_scalar);
        let available = self.header.gas_limit.saturating_sub(self.da_footprint);
        if footprint > available {
            return Err(TxRejection::DaFootprintExceedsBlock { footprint, available });
        }
        self.set_l1_cost(size_scaled)?;
        let env = recorded_tx_with_bytes(inner, transaction.signer(), encoded.clone());
        let ResultAndState { result, state } =
            self.evm.transact(env).map_err(|error| match error {
                EVMError::Transaction(reason) => TxRejection::Invalid(reason),
                other => TxRejection::State(describe(other)),
            })?;
        self.changed.note(&state);
        self.evm.0.ctx.journaled_state.database.commit(state);
        self.da_footprint = self.da_footprint.saturating_add(footprint);
        Ok(self.include(transaction, &encoded, result, None))
    }

    fn deposit(
        &mut self,
        index: usize,
        transaction: &Recovered<TxEnvelope>,
    ) -> Result<(), BlockError> {
        let gas_limit = transaction.inner().gas_limit();
        let available = self.gas_left();
        if gas_limit > available {
            return Err(BlockError::DepositGasExceedsBlock { index, gas_limit, available });
        }
        let sender = transaction.signer();
        let nonce = revm::Database::basic(&mut self.evm.0.ctx.journaled_state.database, sender)
            .map_err(|error| BlockError::State(error.to_string()))?
            .map_or(0, |account| account.nonce);
        let encoded: Bytes = transaction.inner().encoded_2718().into();
        let env = recorded_tx_with_bytes(transaction.inner(), sender, encoded.clone());
        let ResultAndState { result, state } =
            self.evm.transact(env).map_err(|error| match error {
                EVMError::Transaction(reason) => BlockError::InvalidTransaction {
                    index,
                    hash: *transaction.inner().hash(),
                    reason: TxRejection::Invalid(reason),
                },
                other => BlockError::State(describe(other)),
            })?;
        self.changed.note(&state);
        self.evm.0.ctx.journaled_state.database.commit(state);
        self.include(transaction, &encoded, result, Some(nonce));
        Ok(())
    }

    fn include(
        &mut self,
        transaction: &Recovered<TxEnvelope>,
        encoded: &[u8],
        result: ExecutionResult<OpHaltReason>,
        deposit_nonce: Option<u64>,
    ) -> TxOutcome {
        let gas_used = result.tx_gas_used();
        let success = result.is_success();
        self.gas_used = self.gas_used.saturating_add(gas_used);
        let receipt = alloy_consensus::Receipt {
            status: Eip658Value::Eip658(success),
            cumulative_gas_used: self.gas_used,
            logs: result.into_logs(),
        };
        let version = deposit_nonce.map(|_| 1);
        let kind = transaction.inner().tx_type();
        let bloom = match self.hash_many {
            Some(hash_many) => logs_bloom(&receipt.logs, hash_many),
            None => alloy_primitives::logs_bloom(&receipt.logs),
        };
        let receipt = ReceiptEnvelope::with_bloom(kind, receipt, bloom, deposit_nonce, version);
        self.buffer.clear();
        receipt.encode_2718(&mut self.buffer);
        self.receipts_root.push(&self.buffer);
        self.transactions_root.push(encoded);
        self.logs_bloom |= bloom;
        self.receipts.push(receipt);
        self.transactions.push(transaction.inner().clone());
        self.senders.push(transaction.signer());
        TxOutcome { success, gas_used }
    }

    /// Tells the EVM what the next transaction's data costs on L1, for which it would compress it again.
    fn set_l1_cost(&mut self, size_scaled: u64) -> Result<(), TxRejection> {
        let context = &mut self.evm.0.ctx;
        let number = U256::from(self.header.number);
        if context.chain.l2_block != Some(number) {
            let database = &mut context.journaled_state.database;
            context.chain = L1BlockInfo::try_fetch(database, number, context.cfg.spec)
                .map_err(|error| TxRejection::State(error.to_string()))?;
        }
        let l1 = &context.chain;
        context.chain.tx_l1_cost = Some(l1_data_fee(
            size_scaled,
            l1.l1_base_fee,
            l1.l1_base_fee_scalar,
            l1.l1_blob_base_fee.unwrap_or_default(),
            l1.l1_blob_base_fee_scalar.unwrap_or_default(),
        ));
        Ok(())
    }

    fn load_da_footprint_scalar(&mut self) -> Result<(), BlockError> {
        let database = &mut self.evm.0.ctx.journaled_state.database;
        revm::Database::basic(database, primitives::L1_BLOCK)
            .map_err(|error| BlockError::State(error.to_string()))?;
        self.da_footprint_scalar = L1BlockInfo::fetch_da_footprint_gas_scalar(database)
            .map_err(|error| BlockError::State(error.to_string()))?
            .into();
        Ok(())
    }

    /// EIP-2935 and EIP-4788: a call by the system address before the first transaction; nothing but
    /// the contract's own storage changes.
    fn system_call(&mut self, contract: Address, data: B256) -> Result<(), BlockError> {
        let outcome = self
            .evm
            .system_call(contract, data.into())
            .map_err(|error| BlockError::SystemCall { contract, reason: describe(error) })?;
        let mut state = outcome.state;
        state.retain(|address, _| *address == contract);
        self.changed.note(&state);
        self.evm.0.ctx.journaled_state.database.commit(state);
        Ok(())
    }

    /// Closes the block: roots, header, hash.
    pub fn finish(self, roots: &impl StateRootProvider) -> Result<ExecutedBlock, BlockError> {
        let mut database = self.evm.0.ctx.journaled_state.database;
        database.merge_transitions(BundleRetention::PlainState);
        let changes = StateChanges::from(database.take_bundle());
        let roots = roots.state_root(&changes)?;
        let header = Header {
            state_root: roots.state_root,
            withdrawals_root: Some(roots.withdrawals_root),
            transactions_root: self.transactions_root.finish(),
            receipts_root: self.receipts_root.finish(),
            logs_bloom: self.logs_bloom,
            gas_used: self.gas_used,
            blob_gas_used: Some(self.da_footprint),
            ..self.header
        };
        let hash = header.hash_slow();
        let body = BlockBody::rollup(self.transactions);
        Ok(ExecutedBlock {
            block: Block { hash, header, body },
            receipts: self.receipts,
            senders: self.senders,
            changes,
            roots,
        })
    }

    /// The rules this block is built by.
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }
}

/// Re-executes a finished block on its parent's state and compares every header field. `senders`, if
/// given, are trusted to be the signers.
pub fn execute_block<S: DatabaseRef>(
    spec: &ChainSpec,
    parent: &Header,
    block: &Block,
    senders: Option<&[Address]>,
    state: S,
    roots: &impl StateRootProvider,
) -> Result<ExecutedBlock, BlockError> {
    let parent_hash = parent.hash_slow();
    if block.header.parent_hash != parent_hash {
        return Err(BlockError::WrongParent {
            parent: parent_hash,
            block: block.header.parent_hash,
        });
    }
    let mut transactions = Vec::with_capacity(block.body.transactions.len());
    for (index, transaction) in block.body.transactions.iter().enumerate() {
        let sender = match senders.and_then(|senders| senders.get(index)) {
            Some(sender) => *sender,
            None => transaction.recover_signer().map_err(|_| BlockError::BadSignature { index })?,
        };
        transactions.push(Recovered::new_unchecked(transaction.clone(), sender));
    }
    let attributes = attributes_of(&block.header);
    let executed =
        BlockBuilder::open(spec, parent, &attributes, transactions, state, None)?.finish(roots)?;
    compare(&block.header, &executed.block.header)?;
    if block.hash != executed.block.hash {
        return Err(mismatch("hash", &block.hash, &executed.block.hash));
    }
    Ok(executed)
}

/// The attributes a header was built from, without their transactions.
fn attributes_of(header: &Header) -> PayloadAttributes {
    let parameters = Eip1559Parameters::from_extra_data(&header.extra_data);
    let mut eip1559_params = [0; 8];
    let (denominator, elasticity) = eip1559_params.split_at_mut(4);
    denominator.copy_from_slice(&parameters.denominator.to_be_bytes());
    elasticity.copy_from_slice(&parameters.elasticity.to_be_bytes());
    PayloadAttributes {
        timestamp: header.timestamp,
        prev_randao: header.mix_hash,
        suggested_fee_recipient: header.beneficiary,
        parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
        transactions: Vec::new(),
        no_tx_pool: true,
        gas_limit: header.gas_limit,
        eip1559_params: B64::from(eip1559_params),
        min_base_fee: parameters.min_base_fee,
        l1_origin: Default::default(),
        sequence_number: 0,
    }
}

pub(crate) fn compare(got: &Header, expected: &Header) -> Result<(), BlockError> {
    macro_rules! same {
        ($($field:ident),* $(,)?) => {
            $(if got.$field != expected.$field {
                return Err(BlockError::Mismatch {
                    field: stringify!($field),
                    got: alloc::format!("{:?}", got.$field),
                    expected: alloc::format!("{:?}", expected.$field),
                });
            })*
        };
    }
    same!(
        parent_hash,
        ommers_hash,
        beneficiary,
        state_root,
        transactions_root,
        receipts_root,
        logs_bloom,
        difficulty,
        number,
        gas_limit,
        gas_used,
        timestamp,
        extra_data,
        mix_hash,
        nonce,
        base_fee_per_gas,
        withdrawals_root,
        blob_gas_used,
        excess_blob_gas,
        parent_beacon_block_root,
        requests_hash,
    );
    Ok(())
}

pub(crate) fn mismatch(field: &'static str, got: &B256, expected: &B256) -> BlockError {
    BlockError::Mismatch { field, got: got.to_string(), expected: expected.to_string() }
}

/// Everything of a header that is known before execution.
fn header(parent: &Header, attributes: &PayloadAttributes) -> Header {
    let parameters =
        Eip1559Parameters::from_attributes(attributes.eip1559_params, attributes.min_base_fee);
    Header {
        parent_hash: parent.hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: attributes.suggested_fee_recipient,
        difficulty: U256::ZERO,
        number: parent.number.saturating_add(1),
        gas_limit: attributes.gas_limit,
        timestamp: attributes.timestamp,
        extra_data: parameters.to_extra_data(),
        mix_hash: attributes.prev_randao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(next_base_fee(parent)),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}

fn evm<S: DatabaseRef>(
    spec: &ChainSpec,
    header: &Header,
    state: S,
) -> DefaultOpEvm<OpContext<Db<S>>> {
    let database =
        State::builder().with_database(WrapDatabaseRef(state)).with_bundle_update().build();
    let cfg = rollup_cfg(cfg_env(spec, header.number, header.timestamp));
    Context::op().with_db(database).with_cfg(cfg).with_block(block_env(spec, header)).build_op()
}

/// The bloom of a receipt's logs (Yellow Paper, 4.4.1), all of whose values are hashed together.
fn logs_bloom(logs: &[Log], hash_many: HashMany) -> Bloom {
    if logs.is_empty() {
        return Bloom::ZERO;
    }
    let values: Vec<&[u8]> = logs
        .iter()
        .flat_map(|log| {
            let topics = log.topics().iter().map(|topic| topic.as_slice());
            core::iter::once(log.address.as_slice()).chain(topics)
        })
        .collect();
    let mut hashes = vec![B256::ZERO; values.len()];
    hash_many(&values, &mut hashes);
    let mut bloom = Bloom::ZERO;
    for hash in hashes {
        bloom.accrue(BloomInput::Hash(hash));
    }
    bloom
}

fn describe<E: core::fmt::Display>(
    error: EVMError<E, OpTransactionError>,
) -> alloc::string::String {
    match error {
        EVMError::Database(error) => error.to_string(),
        EVMError::Header(error) => error.to_string(),
        EVMError::Transaction(error) => error.to_string(),
        EVMError::Custom(error) => error,
        _ => "the EVM failed".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bloom_is_the_same_whoever_hashes(
            logs in prop::collection::vec(
                (any::<[u8; 20]>(), prop::collection::vec(any::<[u8; 32]>(), 0..=4)),
                0..5,
            ),
        ) {
            let logs: Vec<Log> = logs
                .into_iter()
                .map(|(address, topics)| {
                    let topics = topics.into_iter().map(B256::from).collect();
                    Log::new_unchecked(Address::from(address), topics, Bytes::new())
                })
                .collect();
            let hash_many: HashMany = |messages, hashes| {
                for (message, hash) in messages.iter().zip(hashes) {
                    *hash = alloy_primitives::keccak256(message);
                }
            };
            prop_assert_eq!(logs_bloom(&logs, hash_many), alloy_primitives::logs_bloom(&logs));
        }
    }
}
