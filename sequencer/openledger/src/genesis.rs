//! Builds the L2 genesis state: predeploys, well-known preinstalls, the economy, funded accounts.
//!
//! Contracts are not deployed by transactions. Each constructor runs at its contract's final address:
//! the creation code with its arguments is set as the account's code and called, what it returns
//! becomes the runtime code, and what it wrote becomes the account's storage. So immutables, EIP-712
//! domains and constructor writes come out exactly as after a deployment at that address.

use std::collections::BTreeMap;

use alloy_eips::{eip2935, eip4788};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use alloy_sol_types::SolValue;
use anyhow::{Context as _, Result, bail, ensure};
use primitives::{AccountAllocation, GenesisL2, SystemConfig};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};
use serde::Deserialize;

/// Addresses of the economy's contracts: "OPEN" in ASCII, then a number.
pub const DATANET_REGISTRY: Address = address!("4f50454E00000000000000000000000000000001");
pub const MODEL_REGISTRY: Address = address!("4f50454E00000000000000000000000000000002");
pub const INFERENCE_ESCROW: Address = address!("4f50454E00000000000000000000000000000003");
pub const ATTRIBUTION_SETTLEMENT: Address = address!("4f50454E00000000000000000000000000000004");
pub const ATTRIBUTION_DISPUTE: Address = address!("4f50454E00000000000000000000000000000005");

/// Wrapped OPEN, at the OP Stack's WETH address.
pub const WOPEN: Address = address!("4200000000000000000000000000000000000006");
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");

/// Least balance at which a fee vault can be emptied, wei.
const VAULT_WITHDRAWAL_MIN: u128 = 1_000_000_000_000_000_000;

/// What a genesis is made from.
#[derive(Clone, Debug)]
pub struct GenesisParams {
    pub chain_id: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Wei.
    pub base_fee: u64,
    pub system_config: SystemConfig,
    /// Owns what is governed.
    pub governance: Address,
    pub economy: EconomyParams,
    /// Balances in wei; their sum is the genesis supply, which L1 must back.
    pub balances: BTreeMap<Address, U256>,
}

/// Parameters of the settlement contract at genesis.
#[derive(Clone, Debug)]
pub struct EconomyParams {
    pub platform_bps: u16,
    pub engines: Vec<Address>,
    pub threshold: u8,
    /// Seconds.
    pub challenge_window: u32,
    /// Seconds; governance can never set the window below it.
    pub challenge_window_min: u32,
    /// Wei.
    pub bond_min: u128,
    pub platform: Address,
    pub stakers: Address,
    pub sink: Address,
}

/// Sum of all balances, wei: what the portal on L1 must hold when L2 starts.
pub fn supply(genesis: &GenesisL2) -> U256 {
    genesis.alloc.values().fold(U256::ZERO, |sum, account| sum.saturating_add(account.balance))
}

/// Builds the genesis. The same parameters always give the same bytes.
pub fn build(params: &GenesisParams) -> Result<GenesisL2> {
    let mut builder = Builder { chain_id: params.chain_id, alloc: BTreeMap::new() };
    builder.preinstalls()?;
    builder.predeploys(params)?;
    builder.economy(params)?;
    let mut alloc = builder.alloc;
    for (address, balance) in &params.balances {
        alloc.entry(*address).or_default().balance = *balance;
    }
    Ok(GenesisL2 {
        chain_id: params.chain_id,
        timestamp: params.timestamp,
        gas_limit: params.system_config.gas_limit,
        base_fee_per_gas: params.base_fee,
        extra_data: extra_data(&params.system_config),
        alloc,
    })
}

/// Jovian's header field: version 1, EIP-1559 denominator and elasticity, minimum base fee.
fn extra_data(config: &SystemConfig) -> Bytes {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&config.eip1559_denominator.to_be_bytes());
    bytes.extend_from_slice(&config.eip1559_elasticity.to_be_bytes());
    bytes.extend_from_slice(&config.min_base_fee.to_be_bytes());
    bytes.into()
}


struct Builder {
    chain_id: u64,
    alloc: BTreeMap<Address, AccountAllocation>,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
}

#[derive(Deserialize)]
struct Preinstall {
    name: String,
    address: Address,
    code: Bytes,
}

/// Creation code of a committed artifact.
macro_rules! artifact {
    ($name:literal) => {
        creation_code(
            $name,
            include_str!(concat!("../../../contracts/artifacts/", $name, ".json")),
        )?
    };
}

impl Builder {
    /// Contracts that tools expect at the same address on every chain. Their usual keyless deployment
    /// is a transaction without replay protection, which this chain refuses.
    fn preinstalls(&mut self) -> Result<()> {
        let json = include_str!("../../../contracts/artifacts/preinstalls.json");
        let list: Vec<Preinstall> = serde_json::from_str(json).context("preinstalls.json")?;
        for preinstall in list {
            let code = if preinstall.name == "Permit2" {
                permit2(&preinstall, self.chain_id)?
            } else {
                preinstall.code
            };
            self.set_code(preinstall.address, code);
        }
        self.set_code(eip4788::BEACON_ROOTS_ADDRESS, eip4788::BEACON_ROOTS_CODE.clone());
        self.set_code(
            eip2935::HISTORY_STORAGE_ADDRESS,
            eip2935::HISTORY_STORAGE_CODE.clone(),
        );
        Ok(())
    }

    fn predeploys(&mut self, params: &GenesisParams) -> Result<()> {
        self.construct(primitives::L1_BLOCK, artifact!("L1Block"), &[])?;
        self.construct(GAS_PRICE_ORACLE, artifact!("GasPriceOracle"), &[])?;
        self.construct(primitives::L2_TO_L1_MESSAGE_PASSER, artifact!("L2ToL1MessagePasser"), &[])?;
        self.construct(WOPEN, artifact!("WOPEN"), &[])?;
        let vault = (params.economy.platform, U256::from(VAULT_WITHDRAWAL_MIN)).abi_encode_params();
        for (address, code) in [
            (primitives::SEQUENCER_FEE_VAULT, artifact!("SequencerFeeVault")),
            (primitives::BASE_FEE_VAULT, artifact!("BaseFeeVault")),
            (primitives::L1_FEE_VAULT, artifact!("L1FeeVault")),
            (primitives::OPERATOR_FEE_VAULT, artifact!("OperatorFeeVault")),
        ] {
            self.construct(address, code, &vault)?;
        }
        Ok(())
    }

    fn economy(&mut self, params: &GenesisParams) -> Result<()> {
        let economy = &params.economy;
        self.construct(
            DATANET_REGISTRY,
            artifact!("DatanetRegistry"),
            &economy.sink.abi_encode(),
        )?;
        self.construct(MODEL_REGISTRY, artifact!("ModelRegistry"), &DATANET_REGISTRY.abi_encode())?;
        self.construct(
            INFERENCE_ESCROW,
            artifact!("InferenceEscrow"),
            &ATTRIBUTION_SETTLEMENT.abi_encode(),
        )?;
        let parameters = (
            economy.platform_bps,
            economy.threshold,
            economy.challenge_window,
            economy.bond_min,
            economy.platform,
            economy.stakers,
            economy.sink,
        );
        let arguments = (
            params.governance,
            MODEL_REGISTRY,
            ATTRIBUTION_DISPUTE,
            economy.challenge_window_min,
            parameters,
            economy.engines.clone(),
        )
            .abi_encode_params();
        self.construct(ATTRIBUTION_SETTLEMENT, artifact!("AttributionSettlement"), &arguments)?;
        self.construct(
            ATTRIBUTION_DISPUTE,
            artifact!("AttributionDispute"),
            &ATTRIBUTION_SETTLEMENT.abi_encode(),
        )
    }

    fn set_code(&mut self, address: Address, code: Bytes) {
        let account = self.alloc.entry(address).or_default();
        account.code = code;
        // As after a deployment (EIP-161).
        account.nonce = 1;
    }

    /// Runs a constructor at `address` and keeps what it leaves there.
    fn construct(&mut self, address: Address, creation: Bytes, arguments: &[u8]) -> Result<()> {
        let mut code = creation.to_vec();
        code.extend_from_slice(arguments);
        let mut db = CacheDB::new(EmptyDB::default());
        for (known, account) in &self.alloc {
            db.insert_account_info(*known, account_info(account));
            for (slot, value) in &account.storage {
                db.insert_account_storage(*known, (*slot).into(), (*value).into())?;
            }
        }
        let nonce = 1;
        db.insert_account_info(
            address,
            AccountInfo {
                nonce,
                code_hash: keccak256(&code),
                code: Some(Bytecode::new_raw(code.into())),
                ..Default::default()
            },
        );
        let mut cfg = CfgEnv::new_with_spec(SpecId::PRAGUE);
        cfg.chain_id = self.chain_id;
        cfg.limit_contract_code_size = Some(usize::MAX);
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        let block = BlockEnv { gas_limit: u64::MAX, basefee: 0, ..Default::default() };
        let mut evm =
            Context::mainnet().with_db(db).with_cfg(cfg).with_block(block).build_mainnet();
        let transaction = TxEnv {
            caller: Address::ZERO,
            kind: TxKind::Call(address),
            gas_limit: 1_000_000_000,
            gas_price: 0,
            chain_id: Some(self.chain_id),
            ..Default::default()
        };
        let outcome = evm
            .transact(transaction)
            .map_err(|error| anyhow::anyhow!("the constructor at {address} cannot run: {error:?}"))?;
        let runtime = match outcome.result {
            ExecutionResult::Success { output: Output::Call(runtime), .. } => runtime,
            other => bail!("the constructor at {address} failed: {other:?}"),
        };
        ensure!(!runtime.is_empty(), "the constructor at {address} left no code");
        let mut storage = BTreeMap::new();
        for (touched, account) in &outcome.state {
            for (slot, value) in &account.storage {
                if value.present_value() == value.original_value() {
                    continue;
                }
                ensure!(
                    *touched == address,
                    "the constructor at {address} wrote to another contract, {touched}"
                );
                storage.insert(B256::from(*slot), B256::from(value.present_value()));
            }
        }
        self.set_code(address, runtime);
        self.alloc.entry(address).or_default().storage = storage;
        Ok(())
    }
}

fn account_info(account: &AccountAllocation) -> AccountInfo {
    AccountInfo {
        balance: account.balance,
        nonce: account.nonce,
        code_hash: keccak256(&account.code),
        code: Some(Bytecode::new_raw(account.code.clone())),
        ..Default::default()
    }
}

fn creation_code(name: &str, json: &str) -> Result<Bytes> {
    let artifact: Artifact =
        serde_json::from_str(json).with_context(|| format!("artifact {name}"))?;
    Ok(artifact.bytecode)
}

/// Permit2's code carries the chain id and the domain separator as immutables; the artifact is a
/// template in which both are filled in.
fn permit2(preinstall: &Preinstall, chain_id: u64) -> Result<Bytes> {
    const CHAIN_ID_AT: usize = 6_945;
    const DOMAIN_SEPARATOR_AT: usize = 6_983;
    let domain_type =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    let chain_id = U256::from(chain_id);
    let separator = keccak256(
        (domain_type, keccak256("Permit2"), chain_id, preinstall.address).abi_encode_params(),
    );
    let mut code = preinstall.code.to_vec();
    for (at, word) in
        [(CHAIN_ID_AT, chain_id.to_be_bytes::<32>()), (DOMAIN_SEPARATOR_AT, separator.0)]
    {
        code.get_mut(at..at + 32)
            .context("the Permit2 template is too short")?
            .copy_from_slice(&word);
    }
    Ok(code.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> GenesisParams {
        GenesisParams {
            chain_id: 16_120,
            timestamp: 1_700_000_000,
            base_fee: 1_000_000,
            system_config: SystemConfig::default(),
            governance: Address::repeat_byte(1),
            economy: EconomyParams {
                platform_bps: 500,
                engines: vec![Address::repeat_byte(2), Address::repeat_byte(3)],
                threshold: 2,
                challenge_window: 10,
                challenge_window_min: 1,
                bond_min: 10,
                platform: Address::repeat_byte(4),
                stakers: Address::repeat_byte(5),
                sink: Address::repeat_byte(6),
            },
            balances: BTreeMap::from([
                (Address::repeat_byte(7), U256::from(5)),
                (Address::repeat_byte(8), U256::from(6)),
            ]),
        }
    }

    /// Calls a contract of a genesis.
    fn call(genesis: &GenesisL2, to: Address, data: Vec<u8>) -> Bytes {
        let mut db = CacheDB::new(EmptyDB::default());
        for (address, account) in &genesis.alloc {
            db.insert_account_info(*address, account_info(account));
            for (slot, value) in &account.storage {
                db.insert_account_storage(*address, (*slot).into(), (*value).into()).unwrap();
            }
        }
        let mut cfg = CfgEnv::new_with_spec(SpecId::PRAGUE);
        cfg.chain_id = genesis.chain_id;
        let mut evm = Context::mainnet().with_db(db).with_cfg(cfg).build_mainnet();
        let tx = TxEnv {
            kind: TxKind::Call(to),
            data: data.into(),
            gas_limit: 10_000_000,
            chain_id: Some(genesis.chain_id),
            ..Default::default()
        };
        match evm.transact(tx).unwrap().result {
            ExecutionResult::Success { output: Output::Call(bytes), .. } => bytes,
            other => panic!("{to}: {other:?}"),
        }
    }

    fn selector(signature: &str) -> Vec<u8> {
        keccak256(signature)[..4].to_vec()
    }

    #[test]
    fn the_same_parameters_give_the_same_genesis() {
        assert_eq!(build(&params()).unwrap(), build(&params()).unwrap());
    }

    #[test]
    fn supply_is_the_sum_of_the_balances() {
        assert_eq!(supply(&build(&params()).unwrap()), U256::from(11));
    }

    #[test]
    fn constructors_ran_at_their_final_addresses() {
        let genesis = build(&params()).unwrap();
        let domain = |address, name: &str| {
            let kind = keccak256(
                "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            );
            keccak256(
                (kind, keccak256(name), keccak256("1"), U256::from(16_120), address)
                    .abi_encode_params(),
            )
        };
        // eip712Domain() gives name, version, chain id and address (EIP-5267).
        for (address, name) in [
            (INFERENCE_ESCROW, "InferenceEscrow"),
            (ATTRIBUTION_SETTLEMENT, "AttributionSettlement"),
        ] {
            let answer = call(&genesis, address, selector("eip712Domain()"));
            type Domain = (
                alloy_primitives::FixedBytes<1>,
                String,
                String,
                U256,
                Address,
                B256,
                Vec<U256>,
            );
            let (_, got, version, chain, verifying, _, _) =
                Domain::abi_decode_params(&answer).unwrap();
            assert_eq!((got.as_str(), version.as_str()), (name, "1"));
            assert_eq!((chain, verifying), (U256::from(16_120), address));
            assert_ne!(domain(address, name), B256::ZERO);
        }
        let engine = (Address::repeat_byte(2),).abi_encode_params();
        let is_engine = call(
            &genesis,
            ATTRIBUTION_SETTLEMENT,
            [selector("isEngine(address)"), engine].concat(),
        );
        assert_eq!(U256::from_be_slice(&is_engine), U256::from(1));
    }

    #[test]
    fn permit2_knows_its_chain() {
        let genesis = build(&params()).unwrap();
        let permit2 = address!("000000000022D473030F116dDEE9F6B43aC78BA3");
        let separator = call(&genesis, permit2, selector("DOMAIN_SEPARATOR()"));
        let kind = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
        let want = keccak256(
            (kind, keccak256("Permit2"), U256::from(16_120), permit2).abi_encode_params(),
        );
        assert_eq!(separator.as_ref(), want.as_slice());
    }

    #[test]
    fn what_tools_expect_is_there() {
        let genesis = build(&params()).unwrap();
        for known in [
            address!("4e59b44847b379578588920cA78FbF26c0B4956C"),
            address!("cA11bde05977b3631167028862bE2a173976CA11"),
            address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
            address!("0000F90827F1C53a10cb7A02335B175320002935"),
            primitives::L1_BLOCK,
            primitives::L2_TO_L1_MESSAGE_PASSER,
            primitives::SEQUENCER_FEE_VAULT,
        ] {
            assert!(!genesis.alloc[&known].code.is_empty(), "{known} has no code");
        }
        assert_eq!(genesis.extra_data.len(), 17);
    }
}
