//! Cuts Foundry's build output down to ABI and bytecode. The results are committed, so that
//! `cargo build` needs no Solidity compiler; CI rebuilds and compares.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Every contract that Rust code deploys, calls or puts into a genesis.
const CONTRACTS: &[&str] = &[
    // L1
    "OPEN",
    "OptimismPortal",
    "SystemConfig",
    "AnchorStateRegistry",
    "DisputeGameFactory",
    "BondVault",
    "ProofDisputeGame",
    "DevnetVerifier",
    "AttestorVerifier",
    "RollupTimelock",
    "L1CrossDomainMessenger",
    "L1StandardBridge",
    // Both layers
    "OptimismMintableERC20",
    "OptimismMintableERC20Factory",
    // L2 predeploys
    "L1Block",
    "GasPriceOracle",
    "L2ToL1MessagePasser",
    "L2CrossDomainMessenger",
    "L2StandardBridge",
    "SequencerFeeVault",
    "BaseFeeVault",
    "L1FeeVault",
    "OperatorFeeVault",
    "WOPEN",
    // Economy
    "DatanetRegistry",
    "ModelRegistry",
    "InferenceEscrow",
    "AttributionSettlement",
    "AttributionDispute",
    "SettlementLens",
    "Staking",
    "AttestorFaults",
    "GOPEN",
    "OpenTimelock",
    "OpenGovernor",
    "EconomyParameters",
    "DatanetGovernance",
    "InferencePayments",
    "SponsorPool",
    "ReviewerPool",
    "ContributionReview",
    "ContentChallenges",
    "RecordFacts",
    "SurpriseFacts",
    "RecordDispute",
    "EpochDisclosure",
    "AgentIdentity",
    "AgentReputation",
    "AgentValidation",
    "AgentAccounts",
];

/// Builds, then writes or compares `contracts/artifacts/<Name>.json`.
pub(crate) fn run(check: bool) -> Result<()> {
    // Of the run, not of the build: clones may share a target folder.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as cargo xtask")?;
    let root = Path::new(&manifest).join("../..");
    let status = Command::new(forge(&root)?)
        .args(["build", "--skip", "test", "--skip", "script"])
        .current_dir(&root)
        .env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1")
        .status()
        .context("cannot run forge")?;
    ensure!(status.success(), "forge build failed ({status})");

    let folder = root.join("contracts/artifacts");
    fs::create_dir_all(&folder)?;
    let mut stale = Vec::new();
    for name in CONTRACTS {
        let built = root.join(format!("contracts/out/{name}.sol/{name}.json"));
        let text = cut(name, &built)?;
        let path = folder.join(format!("{name}.json"));
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed == text {
            continue;
        }
        if check {
            stale.push(*name);
        } else {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote contracts/artifacts/{name}.json");
        }
    }
    if !stale.is_empty() {
        bail!(
            "committed artifacts differ from a rebuild: {}; run `cargo xtask artifacts` and commit \
             the result",
            stale.join(", ")
        );
    }
    Ok(())
}

/// The parts of a Foundry artifact that Rust reads, in a fixed order, one line per ABI entry.
fn cut(name: &str, built: &Path) -> Result<String> {
    let text = fs::read_to_string(built)
        .with_context(|| format!("{} is missing: is the contract {name} gone?", built.display()))?;
    let artifact: Value = serde_json::from_str(&text)?;
    let bytes = |field: &str| -> Result<String> {
        let part = &artifact[field];
        ensure!(
            part["linkReferences"].as_object().is_none_or(serde_json::Map::is_empty),
            "{name} needs linking, which a predeploy cannot have"
        );
        Ok(part["object"].as_str().with_context(|| format!("{name} has no {field}"))?.to_owned())
    };
    let entries: Vec<String> = artifact["abi"]
        .as_array()
        .with_context(|| format!("{name} has no ABI"))?
        .iter()
        .map(Value::to_string)
        .collect();
    Ok(format!(
        "{{\n\"contractName\": {},\n\"abi\": [\n{}\n],\n\"bytecode\": {},\n\"deployedBytecode\": {}\n}}\n",
        json!(name),
        entries.join(",\n"),
        json!(bytes("bytecode")?),
        json!(bytes("deployedBytecode")?),
    ))
}

/// The real forge: npm's wrapper loses the exit status.
fn forge(root: &Path) -> Result<PathBuf> {
    let base = root.join("node_modules/@foundry-rs");
    let entries = fs::read_dir(&base)
        .with_context(|| format!("{} is missing: run ./scripts/setup", base.display()))?;
    for entry in entries {
        let path = entry?.path();
        let binary = path.join("bin/forge");
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("forge-"))
            && binary.is_file()
        {
            return Ok(binary);
        }
    }
    bail!("no forge under {}: run ./scripts/setup", base.display())
}
