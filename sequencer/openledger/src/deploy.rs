//! `openledger deploy`: puts a chain's contracts on an L1 and writes what every node, wallet and tool of
//! the chain needs. Shortcuts of development chains are refused on any other L1.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, U256, utils::parse_ether};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use l1::{
    L1Urls, RoleSigner,
    deploy::{
        AttestorParams, DeployParams, Deployment, DisputeParams, VerifierParams, deploy,
        set_starting_anchor,
    },
};
use primitives::{GenesisL2, L2_CHAIN_ID_DEV, RollupConfig, RollupGenesis, SystemConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::{
    follow::read_json,
    genesis::{self, BridgeParams, EconomyParams, GenesisParams},
    keys,
    keystore::{KeyArgs, is_devnet},
    roles,
};

const DAY: u64 = 86_400;
/// Seconds in which others show what is wrong with an epoch after the first did.
const SHARE_WINDOW: u32 = 3_600;
/// Seconds to answer a challenge to content.
const RESPONSE_WINDOW: u32 = 86_400;

/// Deploy a chain.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger deploy --print-plan public > plan.json          then fill in the addresses\n  \
    openledger deploy --l1-rpc URL --plan plan.json --out ./chain --keystore owner.json --password-file p.txt")]
pub struct Args {
    /// Print a plan to start from and stop.
    #[arg(long, value_enum, value_name = "KIND")]
    print_plan: Option<Kind>,
    /// JSON-RPC of the L1; of several nodes (again, or after a comma) the next is asked when one is out.
    #[arg(long, value_name = "URL", value_delimiter = ',', required_unless_present = "print_plan")]
    l1_rpc: Vec<Url>,
    /// What to deploy.
    #[arg(long, value_name = "FILE", required_unless_present = "print_plan")]
    plan: Option<PathBuf>,
    /// Where genesis.json, rollup.json, addresses.json and viem.json are written.
    #[arg(long, value_name = "DIR", required_unless_present = "print_plan")]
    out: Option<PathBuf>,
    /// The owner's key, which pays.
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Devnet,
    Public,
}

/// Everything that a deployment decides. Times are in seconds, amounts in wei of OPEN.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub l2_chain_id: u64,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    pub max_sequencer_drift: u64,
    /// L1 blocks.
    pub sequencing_window: u64,
    /// L1 blocks.
    pub channel_timeout: u64,
    pub gas_limit: u64,
    /// May pause for a bounded time and declare games void.
    pub guardian: Address,
    pub batcher: Address,
    pub unsafe_block_signer: Address,
    pub withdrawals: Windows,
    pub attestors: Attestors,
    pub economy: Economy,
    /// OPEN on L2 from block 0; its sum is locked in the portal.
    pub balances: BTreeMap<Address, U256>,
    /// OPEN handed out on L1.
    pub grants: BTreeMap<Address, U256>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Windows {
    pub proof_maturity: u64,
    pub finality: u64,
    pub challenge: u64,
    pub prove: u64,
    pub bond: u64,
    pub proposer_bond: U256,
    pub challenger_bond: U256,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestors {
    pub attestors: Vec<Address>,
    pub threshold: u64,
    pub min_stake: U256,
    pub unbonding: u64,
    pub rotation_delay: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Economy {
    pub governance: Address,
    pub platform_bps: u16,
    pub engines: Vec<Address>,
    pub threshold: u8,
    pub challenge_window: u32,
    pub challenge_window_min: u32,
    pub bond_min: U256,
    pub platform: Address,
    pub sink: Address,
}

impl Plan {
    /// A plan whose addresses are still to be filled in, or a development chain's.
    fn template(kind: Kind) -> Result<Self> {
        let role = |role| anyhow::Ok(keys::role_key(role)?.address());
        let public = kind == Kind::Public;
        let or_zero = |address: Address| if public { Address::ZERO } else { address };
        let attestors = match public {
            true => vec![Address::ZERO; 5],
            false => keys::addresses(&keys::attestor_keys()?),
        };
        let verifier = VerifierParams::Attestors(AttestorParams::devnet(attestors.clone()));
        let disputes = match kind {
            Kind::Devnet => DisputeParams::devnet(verifier),
            Kind::Public => DisputeParams::public(verifier),
        };
        let governance = or_zero(role(keys::Role::Governance)?);
        let users = keys::addresses(&keys::user_keys()?);
        let balances = match public {
            true => BTreeMap::new(),
            false => users
                .iter()
                .map(|user| anyhow::Ok((*user, parse_ether("10000")?)))
                .collect::<Result<_>>()?,
        };
        let grants = match public {
            true => BTreeMap::new(),
            false => roles::dev_accounts()?
                .into_iter()
                .chain(users)
                .map(|account| anyhow::Ok((account, parse_ether("100000")?)))
                .collect::<Result<_>>()?,
        };
        Ok(Self {
            l2_chain_id: if public { 0 } else { L2_CHAIN_ID_DEV },
            block_time: 1,
            max_sequencer_drift: 1_800,
            sequencing_window: 3_600,
            channel_timeout: if public { 50 } else { 300 },
            gas_limit: 60_000_000,
            guardian: governance,
            batcher: or_zero(role(keys::Role::Batcher)?),
            unsafe_block_signer: or_zero(role(keys::Role::Batcher)?),
            withdrawals: Windows {
                proof_maturity: disputes.proof_maturity_delay,
                finality: disputes.finality_delay,
                challenge: disputes.challenge_window,
                prove: disputes.prove_window,
                bond: disputes.bond_delay,
                proposer_bond: disputes.proposer_bond,
                challenger_bond: disputes.challenger_bond,
            },
            attestors: Attestors {
                threshold: if public { 4 } else { 2 },
                min_stake: if public { parse_ether("100000")? } else { parse_ether("10")? },
                unbonding: 2 * disputes.dispute_seconds() + DAY,
                rotation_delay: if public { 37 * DAY } else { 60 },
                attestors,
            },
            economy: Economy {
                governance,
                platform_bps: 500,
                engines: if public { Vec::new() } else { keys::addresses(&keys::engine_keys()?) },
                threshold: keys::ENGINE_THRESHOLD,
                challenge_window: if public { 3 * 86_400 } else { 10 },
                challenge_window_min: if public { 86_400 } else { 1 },
                bond_min: if public { parse_ether("1000")? } else { parse_ether("1")? },
                platform: or_zero(role(keys::Role::Platform)?),
                sink: or_zero(role(keys::Role::Sink)?),
            },
            balances,
            grants,
        })
    }

    /// What is wrong with the plan on a given L1; empty if nothing.
    fn faults(&self, l1_chain_id: u64, owner: Address) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let named = [
            ("guardian", self.guardian),
            ("batcher", self.batcher),
            ("unsafeBlockSigner", self.unsafe_block_signer),
            ("economy.governance", self.economy.governance),
            ("economy.platform", self.economy.platform),
            ("economy.sink", self.economy.sink),
        ];
        for (name, address) in named {
            if address.is_zero() {
                faults.push(format!("{name} is not filled in"));
            }
        }
        let set: BTreeSet<_> = self.attestors.attestors.iter().collect();
        if set.len() != self.attestors.attestors.len() || set.contains(&Address::ZERO) {
            faults.push("attestors must be filled in and differ".to_owned());
        }
        if self.l2_chain_id == 0 || self.l2_chain_id == l1_chain_id {
            faults.push("l2ChainId must be the chain's own".to_owned());
        }
        if is_devnet(l1_chain_id) {
            return Ok(faults);
        }

        // From here on: what only a development chain may do.
        if self.l2_chain_id == L2_CHAIN_ID_DEV {
            faults.push(format!("l2ChainId {L2_CHAIN_ID_DEV} is that of development chains"));
        }
        let least = [
            ("withdrawals.proofMaturity", self.withdrawals.proof_maturity, 7 * DAY),
            ("withdrawals.finality", self.withdrawals.finality, 7 * DAY / 2),
            ("withdrawals.challenge", self.withdrawals.challenge, 7 * DAY / 2),
            ("withdrawals.prove", self.withdrawals.prove, DAY),
            ("withdrawals.bond", self.withdrawals.bond, DAY),
            // Longer than a user needs to leave after being told.
            ("attestors.rotationDelay", self.attestors.rotation_delay, 30 * DAY),
        ];
        for (name, given, least) in least {
            if given < least {
                faults.push(format!("{name} is {given} s, at least {least} on a public chain"));
            }
        }
        if self.withdrawals.proposer_bond.is_zero() || self.withdrawals.challenger_bond.is_zero() {
            faults.push("bonds must not be zero".to_owned());
        }
        if self.attestors.attestors.len() < 3 {
            faults.push("fewer than three attestors".to_owned());
        }
        if self.sequencing_window < 300 {
            faults.push(format!(
                "sequencingWindow of {} L1 blocks is a window of a devnet",
                self.sequencing_window
            ));
        }
        let public: BTreeSet<Address> =
            (0..100).map(|i| Ok(keys::dev_key(i)?.address())).collect::<Result<_>>()?;
        let holders = named
            .iter()
            .map(|(_, address)| address)
            .chain(&self.attestors.attestors)
            .chain(&self.economy.engines)
            .chain(self.balances.keys())
            .chain(self.grants.keys())
            .chain([&owner]);
        for address in holders.filter(|address| public.contains(*address)).collect::<BTreeSet<_>>()
        {
            faults.push(format!("{address} is a development account: its key is public"));
        }
        Ok(faults)
    }

    fn genesis(&self, timestamp: u64, bridge: BridgeParams) -> Result<GenesisL2> {
        let economy = &self.economy;
        genesis::build(&GenesisParams {
            chain_id: self.l2_chain_id,
            timestamp,
            base_fee: 1_000_000_000,
            system_config: self.system_config(),
            governance: economy.governance,
            economy: EconomyParams {
                platform_bps: economy.platform_bps,
                engines: economy.engines.clone(),
                threshold: economy.threshold,
                challenge_window: economy.challenge_window,
                challenge_window_min: economy.challenge_window_min,
                bond_min: economy.bond_min.try_into().context("economy.bondMin is too large")?,
                share_window: SHARE_WINDOW,
                response_window: RESPONSE_WINDOW,
                platform: economy.platform,
                sink: economy.sink,
            },
            bridge,
            balances: self.balances.clone(),
        })
    }

    fn system_config(&self) -> SystemConfig {
        SystemConfig {
            batcher_address: self.batcher,
            gas_limit: self.gas_limit,
            ..SystemConfig::default()
        }
    }

    fn disputes(&self) -> DisputeParams {
        let windows = &self.withdrawals;
        let attestors = &self.attestors;
        DisputeParams {
            proof_maturity_delay: windows.proof_maturity,
            finality_delay: windows.finality,
            challenge_window: windows.challenge,
            prove_window: windows.prove,
            bond_delay: windows.bond,
            proposer_bond: windows.proposer_bond,
            challenger_bond: windows.challenger_bond,
            ..DisputeParams::public(VerifierParams::Attestors(AttestorParams {
                attestors: attestors.attestors.clone(),
                threshold: attestors.threshold,
                min_stake: attestors.min_stake,
                unbonding: attestors.unbonding,
                rotation_delay: attestors.rotation_delay,
            }))
        }
    }
}

pub async fn run(args: Args) -> Result<()> {
    if let Some(kind) = args.print_plan {
        println!("{}", serde_json::to_string_pretty(&Plan::template(kind)?)?);
        return Ok(());
    }
    let l1_rpc = L1Urls::from(args.l1_rpc);
    let (Some(plan), Some(out)) = (args.plan, args.out) else {
        bail!("--l1-rpc, --plan and --out are needed");
    };
    let plan: Plan = read_json(&plan)?;
    let l1_chain_id = roles::l1_chain_id(&l1_rpc).await?;
    let owner = args.key.signer(l1_chain_id).await?;
    let faults = plan.faults(l1_chain_id, owner.address())?;
    ensure!(faults.is_empty(), "the plan cannot be deployed:\n  {}", faults.join("\n  "));
    ensure!(
        !out.join("rollup.json").exists(),
        "{} holds a chain already; choose another directory",
        out.display()
    );
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let chain = carry_out(&l1_rpc, l1_chain_id, owner, &plan).await?;
    chain.write(&out)?;
    println!("portal     {}", chain.deployment.optimism_portal);
    println!("L2 genesis {}", chain.rollup.genesis.l2.hash);
    println!("written    {}", out.display());
    Ok(())
}

/// A chain that is deployed.
struct Chain {
    deployment: Deployment,
    genesis: GenesisL2,
    rollup: RollupConfig,
}

async fn carry_out(
    l1_rpc: &L1Urls,
    l1_chain_id: u64,
    owner: RoleSigner,
    plan: &Plan,
) -> Result<Chain> {
    let supply = genesis::supply(&plan.genesis(0, BridgeParams::default())?);
    let params = DeployParams {
        owner: owner.address(),
        guardian: plan.guardian,
        unsafe_block_signer: plan.unsafe_block_signer,
        l2_chain_id: plan.l2_chain_id,
        system_config: plan.system_config(),
        genesis_supply: supply,
        grants: plan.grants.iter().map(|(account, wei)| (*account, *wei)).collect(),
        disputes: plan.disputes(),
        multicall3: None,
    };
    let deployment = deploy(l1_rpc.clone(), owner.clone(), &params)
        .await
        .context("cannot deploy the L1 contracts")?;
    let bridge = BridgeParams {
        l1_cross_domain_messenger: deployment.l1_cross_domain_messenger,
        l1_standard_bridge: deployment.l1_standard_bridge,
    };
    let genesis = plan.genesis(deployment.l1_timestamp, bridge)?;
    let header = store::genesis_header(&genesis)?;
    let hash = header.hash_slow();
    let rollup = RollupConfig {
        genesis: RollupGenesis {
            l1: deployment.l1_genesis,
            l2: primitives::BlockNumHash { number: 0, hash },
            l2_time: genesis.timestamp,
            system_config: plan.system_config(),
        },
        block_time: plan.block_time,
        max_sequencer_drift: plan.max_sequencer_drift,
        seq_window_size: plan.sequencing_window,
        channel_timeout: plan.channel_timeout,
        l1_chain_id,
        l2_chain_id: plan.l2_chain_id,
        batch_inbox_address: deployment.batch_inbox,
        deposit_contract_address: deployment.optimism_portal,
        l1_system_config_address: deployment.system_config,
    };
    rollup.validate()?;
    let withdrawals_root = header.withdrawals_root.unwrap_or_default();
    let anchor = messages::output_root(header.state_root, withdrawals_root, hash);
    set_starting_anchor(l1_rpc.clone(), owner, deployment.anchor_state_registry, anchor, 0)
        .await
        .context("cannot name L2's genesis as the first anchor")?;
    Ok(Chain { deployment, genesis, rollup })
}

impl Chain {
    fn write(&self, out: &Path) -> Result<()> {
        let addresses = addresses(&self.deployment);
        write_files(out, &self.genesis, &self.rollup, &addresses)
    }
}

/// L1 contracts by their names.
fn addresses(deployment: &Deployment) -> BTreeMap<String, Address> {
    [
        ("OPEN", deployment.open),
        ("OptimismPortal", deployment.optimism_portal),
        ("SystemConfig", deployment.system_config),
        ("BatchInbox", deployment.batch_inbox),
        ("AnchorStateRegistry", deployment.anchor_state_registry),
        ("DisputeGameFactory", deployment.dispute_game_factory),
        ("BondVault", deployment.bond_vault),
        ("AttestorVerifier", deployment.verifier),
        ("L1CrossDomainMessenger", deployment.l1_cross_domain_messenger),
        ("L1StandardBridge", deployment.l1_standard_bridge),
        ("OptimismMintableERC20Factory", deployment.optimism_mintable_erc20_factory),
    ]
    .into_iter()
    .map(|(name, address)| (name.to_owned(), address))
    .collect()
}

/// genesis.json, rollup.json, addresses.json and viem.json: all that a stranger needs beside an L1 URL.
pub fn write_files(
    out: &Path,
    genesis: &GenesisL2,
    rollup: &RollupConfig,
    addresses: &BTreeMap<String, Address>,
) -> Result<()> {
    let write = |name: &str, value: Value| -> Result<()> {
        let path = out.join(name);
        std::fs::write(&path, serde_json::to_vec_pretty(&value)?)
            .with_context(|| format!("cannot write {}", path.display()))
    };
    write("genesis.json", serde_json::to_value(genesis)?)?;
    write("rollup.json", serde_json::to_value(rollup)?)?;
    write("addresses.json", serde_json::to_value(addresses)?)?;
    write("viem.json", viem_chain(rollup, addresses))
}

/// What `defineChain({ ...chainConfig, ...this })` takes; RPC URLs are the user's to add.
fn viem_chain(rollup: &RollupConfig, addresses: &BTreeMap<String, Address>) -> Value {
    let l1 = rollup.l1_chain_id.to_string();
    let at = |name: &str| json!({ &l1: { "address": addresses.get(name) } });
    json!({
        "id": rollup.l2_chain_id,
        "sourceId": rollup.l1_chain_id,
        "name": "OpenLedger",
        "nativeCurrency": { "name": "OPEN", "symbol": "OPEN", "decimals": 18 },
        "contracts": {
            "multicall3": { "address": l1::deploy::MULTICALL3 },
            "portal": at("OptimismPortal"),
            "disputeGameFactory": at("DisputeGameFactory"),
            "l1StandardBridge": at("L1StandardBridge"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAINNET: u64 = 1;

    /// A public plan, filled in.
    fn public() -> Plan {
        let mut plan = Plan::template(Kind::Public).unwrap();
        let named = |byte: u8| Address::repeat_byte(byte);
        plan.l2_chain_id = 777_777;
        (plan.guardian, plan.batcher, plan.unsafe_block_signer) = (named(1), named(2), named(3));
        plan.attestors.attestors = (10..15).map(named).collect();
        let economy = &mut plan.economy;
        (economy.governance, economy.platform, economy.sink) = (named(4), named(5), named(6));
        plan
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Plan), expected: &str) {
        let mut plan = public();
        change(&mut plan);
        let faults = plan.faults(MAINNET, Address::repeat_byte(9)).unwrap().join("; ");
        assert!(faults.contains(expected), "\"{faults}\" does not say \"{expected}\"");
    }

    #[test]
    fn shortcuts_are_refused_off_development_chains() {
        let owner = Address::repeat_byte(9);
        assert_eq!(public().faults(MAINNET, owner).unwrap(), Vec::<String>::new());
        let devnet = Plan::template(Kind::Devnet).unwrap();
        assert_eq!(devnet.faults(16_121, owner).unwrap(), Vec::<String>::new());
        assert!(devnet.faults(MAINNET, owner).unwrap().len() > 10);
        assert!(!Plan::template(Kind::Public).unwrap().faults(MAINNET, owner).unwrap().is_empty());

        check(|plan| plan.l2_chain_id = L2_CHAIN_ID_DEV, "that of development chains");
        check(|plan| plan.withdrawals.proof_maturity = 7 * DAY - 1, "withdrawals.proofMaturity");
        check(|plan| plan.withdrawals.finality = 0, "withdrawals.finality");
        check(|plan| plan.withdrawals.challenge = 3_600, "withdrawals.challenge");
        check(|plan| plan.withdrawals.prove = 60, "withdrawals.prove");
        check(|plan| plan.withdrawals.proposer_bond = U256::ZERO, "bonds");
        check(|plan| plan.attestors.attestors.truncate(2), "three attestors");
        check(|plan| plan.attestors.rotation_delay = 60, "attestors.rotationDelay");
        check(|plan| plan.sequencing_window = 60, "sequencingWindow");
        check(|plan| plan.batcher = keys::dev_key(10).unwrap().address(), "its key is public");
        let user = keys::dev_key(0).unwrap().address();
        check(
            |plan| {
                plan.balances.insert(user, U256::from(1));
            },
            "its key is public",
        );
        check(|plan| plan.guardian = Address::ZERO, "guardian is not filled in");
    }

    #[test]
    fn plans_survive_their_file() {
        for kind in [Kind::Devnet, Kind::Public] {
            let text = serde_json::to_string(&Plan::template(kind).unwrap()).unwrap();
            let plan: Plan = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&plan).unwrap(), text);
            assert!(serde_json::from_str::<Plan>(&text.replacen('{', "{\"windw\":1,", 1)).is_err());
        }
    }
}
