//! What a simulated call may pretend: other account states, another block environment.

use alloy_evm::eth::EthEvmContext;
use alloy_op_evm::OpEvmContext;
use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::{
    BlockOverrides,
    state::{AccountOverride, StateOverride},
};
use revm::{
    Database, DatabaseRef, Inspector,
    bytecode::Bytecode,
    context::BlockEnv,
    context_interface::block::BlobExcessGasAndPrice,
    database::{AccountState, CacheDB},
};
use stf::ChainEvm;

use super::error::RpcError;

/// What overrides do to precompiles. As in geth, an overridden account is no precompile any more.
#[derive(Debug, Default)]
pub(super) struct PrecompileChanges {
    /// From where, to where.
    pub(super) moves: Vec<(Address, Address)>,
    pub(super) overridden: Vec<Address>,
}

impl PrecompileChanges {
    fn collect(overrides: &StateOverride) -> Result<Self, RpcError> {
        let mut changes = Self::default();
        for (address, account) in overrides {
            changes.overridden.push(*address);
            let Some(target) = account.move_precompile_to else { continue };
            if overrides.contains_key(&target) {
                return Err(RpcError::server(format!("account {target} is already overridden")));
            }
            changes.moves.push((*address, target));
        }
        changes.moves.sort_unstable();
        Ok(changes)
    }

    /// Carries the changes out. Which addresses are warm does not change by them (geth).
    pub(super) fn install<DB, I>(self, evm: &mut ChainEvm<DB, I>) -> Result<(), RpcError>
    where
        DB: alloy_evm::Database,
        I: Inspector<OpEvmContext<DB>> + Inspector<EthEvmContext<DB>>,
    {
        if self.overridden.is_empty() {
            return Ok(());
        }
        evm.warm_precompiles();
        let (_, _, precompiles) = evm.components_mut();
        precompiles
            .move_precompiles(self.moves)
            .map_err(|error| RpcError::server(error.to_string()))?;
        for address in self.overridden {
            if precompiles.get(&address).is_some() {
                precompiles.apply_precompile(&address, |_| None);
            }
        }
        Ok(())
    }
}

/// Puts the overridden accounts in front of the state.
pub(super) fn apply_state<S>(
    db: &mut CacheDB<S>,
    overrides: StateOverride,
) -> Result<PrecompileChanges, RpcError>
where
    S: DatabaseRef<Error: std::error::Error>,
{
    let changes = PrecompileChanges::collect(&overrides)?;
    for (address, account) in overrides {
        apply_account(db, address, account)?;
    }
    Ok(changes)
}

fn apply_account<S>(
    db: &mut CacheDB<S>,
    address: Address,
    account: AccountOverride,
) -> Result<(), RpcError>
where
    S: DatabaseRef<Error: std::error::Error>,
{
    if account.state.is_some() && account.state_diff.is_some() {
        return Err(RpcError::server(format!(
            "account {address} has both 'state' and 'stateDiff'"
        )));
    }
    let internal = |error: S::Error| RpcError::internal(&error);
    let mut info = db.basic(address).map_err(internal)?.unwrap_or_default();
    if let Some(nonce) = account.nonce {
        info.nonce = nonce;
    }
    if let Some(balance) = account.balance {
        info.balance = balance;
    }
    if let Some(code) = account.code {
        let code = Bytecode::new_raw_checked(code)
            .map_err(|error| RpcError::invalid_params(format!("invalid code: {error}")))?;
        info.code_hash = code.hash_slow();
        info.code = Some(code);
    }
    let ended = db
        .cache
        .accounts
        .get(&address)
        .is_some_and(|cached| cached.account_state == AccountState::NotExisting);
    db.insert_account_info(address, info);
    if ended {
        // What it had in storage is not its successor's.
        db.replace_account_storage(address, Default::default()).map_err(internal)?;
    }
    if let Some(slots) = account.state {
        let slots = slots
            .into_iter()
            .map(|(key, value)| (U256::from_be_bytes(key.0), U256::from_be_bytes(value.0)))
            .collect();
        db.replace_account_storage(address, slots).map_err(internal)?;
    }
    for (key, value) in account.state_diff.into_iter().flatten() {
        let (key, value) = (U256::from_be_bytes(key.0), U256::from_be_bytes(value.0));
        db.insert_account_storage(address, key, value).map_err(internal)?;
    }
    Ok(())
}

/// Changes the block environment and the block hashes seen by `BLOCKHASH`.
pub(super) fn apply_block<S>(
    block: &mut BlockEnv,
    db: &mut CacheDB<S>,
    overrides: BlockOverrides,
) -> Result<(), RpcError> {
    let small = |value: U256, name: &str| {
        u64::try_from(value)
            .map_err(|_| RpcError::invalid_params(format!("{name} does not fit 64 bits")))
    };
    if let Some(number) = overrides.number {
        block.number = number;
    }
    if let Some(difficulty) = overrides.difficulty {
        block.difficulty = difficulty;
    }
    if let Some(time) = overrides.time {
        block.timestamp = U256::from(time);
    }
    if let Some(gas_limit) = overrides.gas_limit {
        block.gas_limit = gas_limit;
    }
    if let Some(coinbase) = overrides.coinbase {
        block.beneficiary = coinbase;
    }
    if let Some(random) = overrides.random {
        block.prevrandao = Some(random);
    }
    if let Some(base_fee) = overrides.base_fee {
        block.basefee = small(base_fee, "baseFeePerGas")?;
    }
    if let Some(price) = overrides.blob_base_fee {
        block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
            excess_blob_gas: 0,
            blob_gasprice: u128::from(small(price, "blobBaseFee")?),
        });
    }
    for (number, hash) in overrides.block_hash.into_iter().flatten() {
        db.cache.block_hashes.insert(U256::from(number), hash);
    }
    Ok(())
}
