//! `openledger deploy`: puts a chain's contracts on an L1 and writes what every node, wallet and tool of
//! the chain needs. Shortcuts of development chains are refused on any other L1.

mod plan;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use l1::{
    L1Urls, RoleSigner,
    deploy::{DeployParams, Deployment, deploy, set_starting_anchor},
};
use primitives::{GenesisL2, RollupConfig, RollupGenesis};
use serde_json::{Value, json};
use url::Url;

use crate::{
    follow::read_json,
    genesis::{self, BridgeParams},
    keystore::KeyArgs,
    roles,
};
pub use plan::Plan;

/// Deploy a chain.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger deploy --print-plan public > plan.json          then fill in the addresses\n  \
    openledger deploy --l1-rpc URL --plan plan.json --out ./chain --keystore deployer.json --password-file p.txt")]
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
    /// The key that deploys and pays. With a timelock in the plan it has no right afterwards; without one it is the owner.
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Devnet,
    Public,
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
    let deployer = args.key.signer(l1_chain_id).await?;
    let faults = plan.faults(l1_chain_id, deployer.address())?;
    ensure!(faults.is_empty(), "the plan cannot be deployed:\n  {}", faults.join("\n  "));
    ensure!(
        !out.join("rollup.json").exists(),
        "{} holds a chain already; choose another directory",
        out.display()
    );
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let chain = carry_out(&l1_rpc, l1_chain_id, deployer, &plan).await?;
    chain.write(&out)?;
    println!("portal     {}", chain.deployment.optimism_portal);
    if let Some(timelock) = chain.deployment.timelock {
        println!("owner      {timelock}, a timelock; the deployer has no right left");
    }
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
    deployer: RoleSigner,
    plan: &Plan,
) -> Result<Chain> {
    let supply = genesis::supply(&plan.genesis(0, BridgeParams::default())?);
    let params = DeployParams {
        owner: deployer.address(),
        timelock: plan.timelock(),
        treasury: plan.treasury,
        guardian: plan.guardian,
        unsafe_block_signer: plan.unsafe_block_signer,
        l2_chain_id: plan.l2_chain_id,
        system_config: plan.system_config(),
        genesis_supply: supply,
        grants: plan.grants.iter().map(|(account, wei)| (*account, *wei)).collect(),
        disputes: plan.disputes(),
        multicall3: None,
    };
    let deployment = deploy(l1_rpc.clone(), deployer.clone(), &params)
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
    set_starting_anchor(l1_rpc.clone(), deployer, deployment.anchor_state_registry, anchor, 0)
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
    .chain(deployment.timelock.map(|timelock| ("RollupTimelock", timelock)))
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
