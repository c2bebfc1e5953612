//! The L2 genesis: predeploys at the OP Stack's addresses, the economy's contracts, the contracts that
//! tools expect on every chain, and funded accounts.
//!
//! Our contracts get their code and storage by running their constructors in revm at their final
//! addresses under the L2 chain id. Immutables, EIP-712 domains and initial storage therefore come from
//! the same source as in a deployment, and the address a constructor sees as `this` is the one it keeps.
//! The result depends on the parameters and the committed artifacts only: the same input gives the same
//! genesis hash on every machine.

pub mod economy;

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use alloy_sol_types::SolValue;
use anyhow::{Context as _, Result, bail, ensure};
pub use economy::NAMES as ECONOMY_NAMES;
use primitives::{
    AccountAllocation, BASE_FEE_VAULT, GenesisL2, L1_BLOCK, L1_FEE_VAULT, L2_TO_L1_MESSAGE_PASSER,
    OPERATOR_FEE_VAULT, SEQUENCER_FEE_VAULT, SystemConfig,
};
use revm::{
    Context, MainBuilder, MainContext, SystemCallCommitEvm,
    bytecode::{Bytecode, opcode},
    context::{
        BlockEnv,
        result::{ExecutionResult, Output},
    },
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use serde::Deserialize;

/// Wrapped OPEN, where tools look for WETH.
pub const WOPEN: Address = address!("4200000000000000000000000000000000000006");
pub const L2_CROSS_DOMAIN_MESSENGER: Address = address!("4200000000000000000000000000000000000007");
pub const L2_STANDARD_BRIDGE: Address = address!("4200000000000000000000000000000000000010");
/// Makes tokens that stand for tokens of L1.
pub const OPTIMISM_MINTABLE_ERC20_FACTORY: Address =
    address!("4200000000000000000000000000000000000012");
/// Tells what transactions pay besides gas.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");
const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");

/// Version byte of Jovian's header `extraData`.
const EXTRA_DATA_VERSION_JOVIAN: u8 = 1;
/// Where Permit2's code holds the chain id and the domain separator, bytes: its two immutables.
const PERMIT2_CHAIN_ID_AT: usize = 6_945;
const PERMIT2_DOMAIN_AT: usize = 6_983;

/// Least balance at which a fee vault can be emptied: 1 OPEN, in wei.
const VAULT_WITHDRAWAL_MIN: u128 = 1_000_000_000_000_000_000;

/// What a genesis is made from.
#[derive(Clone, Debug)]
pub struct GenesisParams {
    pub chain_id: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Base fee of block 0, wei.
    pub base_fee: u64,
    pub system_config: SystemConfig,
    /// Guardian of staking: can pause new stake for a while, and nothing else. What is governed belongs to
    /// the timelock and its governor from block 0.
    pub governance: Address,
    pub economy: EconomyParams,
    pub bridge: BridgeParams,
    /// OPEN that exists on L2 from block 0, wei. Its sum must be locked in the L1 portal.
    pub balances: BTreeMap<Address, U256>,
}

/// Contracts on L1 that those of L2 trust. They are deployed before the genesis is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct BridgeParams {
    pub l1_cross_domain_messenger: Address,
    pub l1_standard_bridge: Address,
}

/// First settings of `AttributionSettlement`; governance can change them within the contract's bounds.
#[derive(Clone, Debug)]
pub struct EconomyParams {
    /// Platform share of fees, basis points.
    pub platform_bps: u16,
    /// Keys whose signatures make an epoch.
    pub engines: Vec<Address>,
    /// Signatures that an epoch needs.
    pub threshold: u8,
    /// Seconds between the post of an epoch and its activation.
    pub challenge_window: u32,
    /// Seconds; governance can never set the window below it.
    pub challenge_window_min: u32,
    /// Least bond of an epoch, wei.
    pub bond_min: u128,
    /// Seconds in which others show what is wrong with an epoch after the first did, and share.
    pub share_window: u32,
    /// Seconds to answer a challenge to content.
    pub response_window: u32,
    /// Receives the platform share, and what the fee vaults collect.
    pub platform: Address,
    /// Receives what is attributed to nobody.
    pub sink: Address,
}

/// Builds the genesis; the same parameters always give the same bytes. Fails if a constructor refuses
/// its arguments.
pub fn build(params: &GenesisParams) -> Result<GenesisL2> {
    let mut state = GenesisState::new(params);
    for preinstall in preinstalls()? {
        let code = match preinstall.address {
            PERMIT2 => permit2_code(&preinstall.code, params.chain_id)?,
            _ => preinstall.code,
        };
        state.install(preinstall.address, code);
    }
    for (address, artifact, arguments) in constructions(params)? {
        state.construct(address, artifact, &arguments)?;
    }
    state.members.extend(economy::created());
    for (address, balance) in &params.balances {
        state.fund(*address, *balance)?;
    }
    Ok(GenesisL2 {
        chain_id: params.chain_id,
        timestamp: params.timestamp,
        gas_limit: params.system_config.gas_limit,
        base_fee_per_gas: params.base_fee,
        extra_data: extra_data(&params.system_config),
        alloc: state.into_alloc()?,
    })
}

/// OPEN that `genesis` allocates, wei; what the L1 portal must lock before it takes deposits.
pub fn supply(genesis: &GenesisL2) -> U256 {
    genesis.alloc.values().fold(U256::ZERO, |sum, account| sum.saturating_add(account.balance))
}

/// Header `extraData` of Jovian: version, denominator, elasticity and floor of the base fee, big-endian.
fn extra_data(config: &SystemConfig) -> Bytes {
    let mut bytes = vec![EXTRA_DATA_VERSION_JOVIAN];
    bytes.extend(config.eip1559_denominator.to_be_bytes());
    bytes.extend(config.eip1559_elasticity.to_be_bytes());
    bytes.extend(config.min_base_fee.to_be_bytes());
    bytes.into()
}

/// Address, artifact and ABI-encoded constructor arguments of each contract of ours. A contract comes
/// after those that its constructor calls.
fn constructions(params: &GenesisParams) -> Result<Vec<(Address, &'static str, Vec<u8>)>> {
    macro_rules! artifact {
        ($name:literal) => {
            include_str!(concat!("../../../contracts/artifacts/", $name, ".json"))
        };
    }
    let vault = (params.economy.platform, U256::from(VAULT_WITHDRAWAL_MIN)).abi_encode_params();
    let mut all = vec![
        (L1_BLOCK, artifact!("L1Block"), vec![]),
        (GAS_PRICE_ORACLE, artifact!("GasPriceOracle"), vec![]),
        (L2_TO_L1_MESSAGE_PASSER, artifact!("L2ToL1MessagePasser"), vec![]),
        (SEQUENCER_FEE_VAULT, artifact!("SequencerFeeVault"), vault.clone()),
        (BASE_FEE_VAULT, artifact!("BaseFeeVault"), vault.clone()),
        (L1_FEE_VAULT, artifact!("L1FeeVault"), vault.clone()),
        (OPERATOR_FEE_VAULT, artifact!("OperatorFeeVault"), vault),
        (WOPEN, artifact!("WOPEN"), vec![]),
        (
            L2_CROSS_DOMAIN_MESSENGER,
            artifact!("L2CrossDomainMessenger"),
            params.bridge.l1_cross_domain_messenger.abi_encode(),
        ),
        (
            L2_STANDARD_BRIDGE,
            artifact!("L2StandardBridge"),
            params.bridge.l1_standard_bridge.abi_encode(),
        ),
        (
            OPTIMISM_MINTABLE_ERC20_FACTORY,
            artifact!("OptimismMintableERC20Factory"),
            L2_STANDARD_BRIDGE.abi_encode(),
        ),
    ];
    all.extend(economy::constructions(params)?);
    Ok(all)
}

/// A contract that tools expect at the same address and with the same code on every chain.
#[derive(Debug, Deserialize)]
struct Preinstall {
    address: Address,
    code: Bytes,
}

fn preinstalls() -> Result<Vec<Preinstall>> {
    serde_json::from_str(include_str!("../../../contracts/artifacts/preinstalls.json"))
        .context("contracts/artifacts/preinstalls.json cannot be read")
}

/// Permit2's code with its immutables filled in: the chain id and the EIP-712 domain separator.
fn permit2_code(template: &Bytes, chain_id: u64) -> Result<Bytes> {
    let domain = keccak256(
        (
            keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
            keccak256("Permit2"),
            U256::from(chain_id),
            PERMIT2,
        )
            .abi_encode(),
    );
    let mut code = template.to_vec();
    for (at, word) in
        [(PERMIT2_CHAIN_ID_AT, B256::from(U256::from(chain_id))), (PERMIT2_DOMAIN_AT, domain)]
    {
        ensure!(code.get(at - 1) == Some(&opcode::PUSH32), "Permit2's code is of another build");
        let slot = code.get_mut(at..at + 32).context("Permit2's code is too short")?;
        slot.copy_from_slice(word.as_slice());
    }
    Ok(code.into())
}

/// State under construction.
struct GenesisState {
    chain_id: u64,
    block: BlockEnv,
    db: CacheDB<EmptyDB>,
    /// Accounts that belong to the genesis; the database also holds those that constructors only read.
    members: BTreeSet<Address>,
}

impl GenesisState {
    fn new(params: &GenesisParams) -> Self {
        let block = BlockEnv {
            timestamp: U256::from(params.timestamp),
            gas_limit: params.system_config.gas_limit,
            basefee: params.base_fee,
            beneficiary: SEQUENCER_FEE_VAULT,
            ..Default::default()
        };
        Self {
            chain_id: params.chain_id,
            block,
            db: CacheDB::new(EmptyDB::default()),
            members: BTreeSet::new(),
        }
    }

    /// Puts runtime code at `address`; its nonce is 1, as that of every created contract (EIP-161).
    fn install(&mut self, address: Address, code: Bytes) {
        let info = self.db.cache.accounts.get(&address).map(|account| account.info.clone());
        let info = AccountInfo {
            nonce: info.as_ref().map_or(1, |info| info.nonce.max(1)),
            ..info.unwrap_or_default()
        };
        self.db.insert_account_info(address, info.with_code(Bytecode::new_legacy(code)));
        self.members.insert(address);
    }

    /// Runs the constructor of `artifact` at `address` and puts what it returns there.
    fn construct(&mut self, address: Address, artifact: &str, arguments: &[u8]) -> Result<()> {
        let artifact: Artifact =
            serde_json::from_str(artifact).context("an artifact cannot be read")?;
        let name = &artifact.contract_name;
        // A constructor reads its arguments from behind its own code.
        let init_code = [&artifact.bytecode, arguments].concat();
        self.install(address, init_code.into());
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .with_block(self.block.clone())
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = self.chain_id;
                cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
            })
            .build_mainnet();
        // A system call pays nothing and leaves its caller as it was.
        let result = evm
            .system_call_commit(address, Bytes::new())
            .with_context(|| format!("the constructor of {name} cannot run"))?;
        let code = match result {
            ExecutionResult::Success { output: Output::Call(code), .. } => code,
            ExecutionResult::Revert { output, .. } => {
                bail!("the constructor of {name} refuses its arguments: 0x{}", hex::encode(output))
            }
            other => bail!("the constructor of {name} failed: {other:?}"),
        };
        ensure!(!code.is_empty(), "the constructor of {name} returned no code");
        self.install(address, code);
        Ok(())
    }

    fn fund(&mut self, address: Address, balance: U256) -> Result<()> {
        let info = &mut self.db.load_account(address)?.info;
        info.balance = info.balance.checked_add(balance).context("a balance exceeds 256 bits")?;
        self.members.insert(address);
        Ok(())
    }

    /// Every account with its storage in order. Fails if a constructor wrote to, or created, an account
    /// that is not in the genesis.
    fn into_alloc(self) -> Result<BTreeMap<Address, AccountAllocation>> {
        let mut alloc = BTreeMap::new();
        for (address, account) in &self.db.cache.accounts {
            let storage: BTreeMap<B256, B256> = account
                .storage
                .iter()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (B256::from(*slot), B256::from(*value)))
                .collect();
            if !self.members.contains(address) {
                ensure!(
                    account.info.is_empty() && storage.is_empty(),
                    "a constructor changed {address}, which is not in the genesis"
                );
                continue;
            }
            let code = self.db.cache.contracts.get(&account.info.code_hash);
            let code = code.map(Bytecode::original_bytes).unwrap_or_default();
            let AccountInfo { balance, nonce, .. } = account.info;
            alloc.insert(*address, AccountAllocation { balance, nonce, code, storage });
        }
        Ok(alloc)
    }
}

/// The parts of a committed artifact that a genesis needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    contract_name: String,
    bytecode: Bytes,
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::{SolCall, sol};
    use op_revm::{L1BlockInfo, OpSpecId};
    use proptest::prelude::*;

    use super::{constructions, economy::*, *};

    sol! {
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function eip712Domain() external view returns (
            bytes1 fields,
            string name,
            string version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] extensions
        );
        function owner() external view returns (address);
        function guardian() external view returns (address);
        function timelock() external view returns (address);
        function implementation() external view returns (address);
        struct Parameter {
            string name;
            uint256 value;
            uint256 min;
            uint256 max;
            string unit;
        }
        function all() external view returns (Parameter[] memory);
        function hasRole(bytes32 role, address account) external view returns (bool);
        function name() external view returns (string);
        function recipient() external view returns (address);
        function messageNonce() external view returns (uint256);
        function otherMessenger() external view returns (address);
        function otherBridge() external view returns (address);
        function bridge() external view returns (address);
        function settlement() external view returns (address);
        function getL1FeeSigned(bytes signedTransaction) external view returns (uint256);
        function getL1FeeUpperBound(uint256 unsignedSize) external view returns (uint256);
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
    }

    const CHAIN_ID: u64 = 16_120;

    fn params() -> GenesisParams {
        GenesisParams {
            chain_id: CHAIN_ID,
            timestamp: 1_700_000_000,
            base_fee: 1_000_000,
            system_config: SystemConfig::default(),
            governance: Address::repeat_byte(0x12),
            economy: EconomyParams {
                platform_bps: 500,
                engines: [0x14, 0x15, 0x16].map(Address::repeat_byte).to_vec(),
                threshold: 2,
                challenge_window: 10,
                challenge_window_min: 1,
                bond_min: 1_000_000_000_000_000_000,
                share_window: 3,
                response_window: 86_400,
                platform: Address::repeat_byte(0x17),
                sink: Address::repeat_byte(0x19),
            },
            bridge: BridgeParams {
                l1_cross_domain_messenger: Address::repeat_byte(0x1a),
                l1_standard_bridge: Address::repeat_byte(0x1b),
            },
            balances: BTreeMap::from([
                (Address::repeat_byte(0xaa), U256::from(7u64)),
                (Address::repeat_byte(0xbb), U256::from(35u64)),
            ]),
        }
    }

    fn database(genesis: &GenesisL2) -> CacheDB<EmptyDB> {
        let mut db = CacheDB::new(EmptyDB::default());
        for (address, account) in &genesis.alloc {
            let info = AccountInfo {
                balance: account.balance,
                nonce: account.nonce,
                ..Default::default()
            };
            db.insert_account_info(
                *address,
                info.with_code(Bytecode::new_raw(account.code.clone())),
            );
            for (slot, value) in &account.storage {
                db.insert_account_storage(*address, (*slot).into(), (*value).into()).unwrap();
            }
        }
        db
    }

    /// Calls `to` under the chain id that the genesis names and keeps what it writes.
    fn transact(db: &mut CacheDB<EmptyDB>, from: Address, to: Address, input: Bytes) -> Bytes {
        let mut evm = Context::mainnet()
            .with_db(db)
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = CHAIN_ID;
                cfg.set_spec_and_mainnet_gas_params(SpecId::PRAGUE);
            })
            .build_mainnet();
        match evm.system_call_with_caller_commit(from, to, input).unwrap() {
            ExecutionResult::Success { output: Output::Call(output), .. } => output,
            other => panic!("{to}: {other:?}"),
        }
    }

    fn call<C: SolCall>(genesis: &GenesisL2, to: Address, request: C) -> C::Return {
        view(&mut database(genesis), to, request)
    }

    fn view<C: SolCall>(db: &mut CacheDB<EmptyDB>, to: Address, request: C) -> C::Return {
        C::abi_decode_returns(&transact(db, Address::ZERO, to, request.abi_encode().into()))
            .unwrap()
    }

    fn domain_separator(name: &str, version: Option<&str>, contract: Address) -> B256 {
        let id = U256::from(CHAIN_ID);
        keccak256(match version {
            Some(version) => (
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
                ),
                keccak256(name),
                keccak256(version),
                id,
                contract,
            )
                .abi_encode(),
            None => (
                keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
                keccak256(name),
                id,
                contract,
            )
                .abi_encode(),
        })
    }

    #[test]
    fn every_contract_has_code_and_the_nonce_of_a_created_contract() {
        let genesis = build(&params()).unwrap();
        let addresses = constructions(&params())
            .unwrap()
            .into_iter()
            .map(|(address, ..)| address)
            .chain(created())
            .chain(preinstalls().unwrap().into_iter().map(|preinstall| preinstall.address));
        for address in addresses {
            let account = &genesis.alloc[&address];
            assert!(account.code.len() > 60, "{address} has {} bytes of code", account.code.len());
            assert!(account.code.len() <= 24_576, "{address} could not have been deployed");
            // Of those that created another, as of any account, one more.
            let nonce = 1 + u64::from(created().contains(&address.create(1)));
            assert_eq!(account.nonce, nonce, "{address}");
            assert!(account.balance.is_zero(), "{address}");
        }
    }

    #[test]
    fn system_contracts_are_those_of_the_eips() {
        let genesis = build(&params()).unwrap();
        for (address, code) in [
            (
                alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS,
                &*alloy_eips::eip2935::HISTORY_STORAGE_CODE,
            ),
            (alloy_eips::eip4788::BEACON_ROOTS_ADDRESS, &*alloy_eips::eip4788::BEACON_ROOTS_CODE),
        ] {
            assert_eq!(genesis.alloc[&address].code, *code);
        }
    }

    /// The hashes are those of the deployed code on Ethereum; Permit2's with Ethereum's chain id.
    #[test]
    fn preinstalls_are_the_code_of_other_chains() {
        let hashes: BTreeMap<Address, B256> = preinstalls()
            .unwrap()
            .into_iter()
            .map(|preinstall| (preinstall.address, keccak256(&preinstall.code)))
            .collect();
        for (address, hash) in [
            (
                address!("cA11bde05977b3631167028862bE2a173976CA11"),
                "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891",
            ),
            (
                address!("4e59b44847b379578588920cA78FbF26c0B4956C"),
                "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989",
            ),
            (
                address!("13b0D85CcB8bf860b6b79AF3029fCA081AE9beF2"),
                "b0550b5b431e30d38000efb7107aaa0ade03d48a7198a140edda9d27134468b2",
            ),
            (PERMIT2, "c67d1657868aa5146eaf24fb879fb1fdec3d2d493b3683a61c9c2f4fb2851131"),
        ] {
            assert_eq!(hex::encode(hashes[&address]), hash, "{address}");
        }
    }

    #[test]
    fn domains_name_this_chain_and_the_final_address() {
        let genesis = build(&params()).unwrap();
        for (address, name) in [
            (INFERENCE_ESCROW, "InferenceEscrow"),
            (ATTRIBUTION_SETTLEMENT, "AttributionSettlement"),
        ] {
            let domain = call(&genesis, address, eip712DomainCall {});
            assert_eq!(domain.name, name);
            assert_eq!(domain.version, "1");
            assert_eq!(domain.chainId, U256::from(CHAIN_ID));
            assert_eq!(domain.verifyingContract, address);
        }
        let separator = call(&genesis, WOPEN, DOMAIN_SEPARATORCall {});
        assert_eq!(separator, domain_separator("Wrapped OPEN", Some("1"), WOPEN));
        let separator = call(&genesis, PERMIT2, DOMAIN_SEPARATORCall {});
        assert_eq!(separator, domain_separator("Permit2", None, PERMIT2));
    }

    #[test]
    fn constructors_left_their_immutables_and_storage() {
        let params = params();
        let genesis = build(&params).unwrap();
        assert_eq!(call(&genesis, WOPEN, nameCall {}), "Wrapped OPEN");
        assert_eq!(call(&genesis, BASE_FEE_VAULT, recipientCall {}), params.economy.platform);
        assert_eq!(call(&genesis, ATTRIBUTION_SETTLEMENT, ownerCall {}), ECONOMY_PARAMETERS);
        assert_eq!(call(&genesis, ECONOMY_PARAMETERS, ownerCall {}), OPEN_TIMELOCK);
        assert_eq!(call(&genesis, STAKING, ownerCall {}), OPEN_TIMELOCK);
        assert_eq!(call(&genesis, STAKING, guardianCall {}), params.governance);
        assert_eq!(call(&genesis, OPEN_GOVERNOR, timelockCall {}), OPEN_TIMELOCK);
        assert_eq!(call(&genesis, AGENT_ACCOUNTS, implementationCall {}), created()[0]);
        assert_eq!(call(&genesis, ATTRIBUTION_DISPUTE, settlementCall {}), ATTRIBUTION_SETTLEMENT);
        assert_eq!(
            call(&genesis, L2_TO_L1_MESSAGE_PASSER, messageNonceCall {}),
            U256::from(1) << 240
        );
        assert!(genesis.alloc[&L2_TO_L1_MESSAGE_PASSER].storage.is_empty());
        let bridge = &params.bridge;
        assert_eq!(
            call(&genesis, L2_CROSS_DOMAIN_MESSENGER, otherMessengerCall {}),
            bridge.l1_cross_domain_messenger
        );
        assert_eq!(
            call(&genesis, L2_STANDARD_BRIDGE, otherBridgeCall {}),
            bridge.l1_standard_bridge
        );
        assert_eq!(
            call(&genesis, OPTIMISM_MINTABLE_ERC20_FACTORY, bridgeCall {}),
            L2_STANDARD_BRIDGE
        );
    }

    /// The table in docs/economy.md is compared with the Solidity deployment by a Foundry test; what a
    /// development chain sets otherwise (windows of seconds, a bond of its own) are the settlement's.
    #[test]
    fn the_published_parameters_are_in_the_genesis() {
        let genesis = build(&params()).unwrap();
        let docs = include_str!("../../../docs/economy.md");
        let deployed = call(&genesis, ECONOMY_PARAMETERS, allCall {});
        assert_eq!(deployed.len(), 16);
        for p in deployed.iter().filter(|p| !p.name.starts_with("settlement.")) {
            let row =
                format!("| `{}` | {} | {} | {} | {} |", p.name, p.value, p.min, p.max, p.unit);
            assert!(docs.contains(&row), "docs/economy.md has no row {row}");
        }
    }

    /// Nobody but the governor proposes, executes or cancels, and the timelock alone gives roles.
    #[test]
    fn no_key_governs() {
        let params = params();
        let genesis = build(&params).unwrap();
        for role in ["PROPOSER_ROLE", "EXECUTOR_ROLE", "CANCELLER_ROLE"] {
            for (account, has) in [(OPEN_GOVERNOR, true), (params.governance, false)] {
                let role = hasRoleCall { role: keccak256(role), account };
                assert_eq!(call(&genesis, OPEN_TIMELOCK, role), has);
            }
        }
        for (account, has) in [(OPEN_TIMELOCK, true), (params.governance, false)] {
            let admin = hasRoleCall { role: B256::ZERO, account };
            assert_eq!(call(&genesis, OPEN_TIMELOCK, admin), has);
        }
    }

    #[test]
    fn names_are_those_of_what_is_constructed() {
        let constructed: BTreeMap<Address, String> = economy::constructions(&params())
            .unwrap()
            .into_iter()
            .map(|(address, artifact, _)| {
                let artifact: Artifact = serde_json::from_str(artifact).unwrap();
                (address, artifact.contract_name)
            })
            .collect();
        let named = ECONOMY_NAMES.map(|(name, address)| (address, name.to_owned()));
        assert_eq!(constructed, BTreeMap::from(named));
    }

    #[test]
    fn supply_is_the_sum_of_the_balances() {
        let genesis = build(&params()).unwrap();
        assert_eq!(supply(&genesis), U256::from(42u64));
        assert_eq!(genesis.alloc[&Address::repeat_byte(0xbb)].balance, U256::from(35u64));
    }

    #[test]
    fn the_same_parameters_give_the_same_bytes() {
        let encode = || serde_json::to_vec(&build(&params()).unwrap()).unwrap();
        assert_eq!(encode(), encode());
    }

    #[test]
    fn extra_data_is_jovians() {
        let genesis = build(&params()).unwrap();
        assert_eq!(hex::encode(&genesis.extra_data), "01000000fa0000000600000000000f4240");
    }

    #[test]
    fn a_constructor_that_refuses_is_an_error() {
        let mut params = params();
        params.economy.threshold = 4;
        let message = build(&params).unwrap_err().to_string();
        assert!(message.contains("AttributionSettlement refuses its arguments"), "{message}");
    }

    /// Signed transactions from incompressible to repetitive.
    fn transaction() -> impl Strategy<Value = Vec<u8>> {
        (prop::collection::vec(any::<u8>(), 1..400), 1..8_usize, any::<bool>()).prop_map(
            |(part, times, zeros)| {
                let mut bytes = vec![2];
                for _ in 0..times {
                    bytes.extend(&part);
                    if zeros {
                        bytes.extend([0; 31]);
                    }
                }
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The oracle says what the execution layer charges, to the wei, from the attributes that the
        /// first transaction of a block writes.
        #[test]
        fn the_fee_oracle_agrees_with_the_execution_layer(
            transaction in transaction(),
            (base_fee_scalar, blob_base_fee_scalar) in any::<(u32, u32)>(),
            (l1_base_fee, l1_blob_base_fee) in any::<(u64, u64)>(),
            (operator_fee_scalar, operator_fee_constant) in any::<(u32, u64)>(),
            gas in any::<u64>(),
        ) {
            let mut db = database(&build(&params()).unwrap());
            let mut attributes = hex::decode("3db6be2b").unwrap();
            attributes.extend(base_fee_scalar.to_be_bytes());
            attributes.extend(blob_base_fee_scalar.to_be_bytes());
            attributes.extend([0; 24]);
            attributes.extend(U256::from(l1_base_fee).to_be_bytes::<32>());
            attributes.extend(U256::from(l1_blob_base_fee).to_be_bytes::<32>());
            attributes.extend([0; 64]);
            attributes.extend(operator_fee_scalar.to_be_bytes());
            attributes.extend(operator_fee_constant.to_be_bytes());
            attributes.extend(400_u16.to_be_bytes());
            let depositor = address!("DeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
            transact(&mut db, depositor, L1_BLOCK, attributes.into());

            let spec = OpSpecId::JOVIAN;
            let mut info = L1BlockInfo::try_fetch(&mut db, U256::ZERO, spec).unwrap();
            prop_assert_eq!(info.da_footprint_gas_scalar, Some(400));
            let charged = info.calculate_tx_l1_cost(&transaction, spec);
            let size = transaction.len();
            let request = getL1FeeSignedCall { signedTransaction: transaction.clone().into() };
            prop_assert_eq!(view(&mut db, GAS_PRICE_ORACLE, request), charged);
            let request = getL1FeeUpperBoundCall { unsignedSize: U256::from(size) };
            prop_assert!(view(&mut db, GAS_PRICE_ORACLE, request) >= charged);
            let request = getOperatorFeeCall { gasUsed: U256::from(gas) };
            prop_assert_eq!(
                view(&mut db, GAS_PRICE_ORACLE, request),
                info.operator_fee_charge(&transaction, U256::from(gas), spec)
            );
        }
    }
}
