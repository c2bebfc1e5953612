//! The L1 in this process: a node in Ethereum mode that makes its own blocks. Its directory holds the
//! genesis and the chain, which a restart continues.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_genesis::Genesis;
use alloy_primitives::{Address, Bytes};
use anyhow::{Context, Result, bail};
use node::{MinerConfig, Node, NodeConfig, NodeHandle, NodeInputs, ethereum::miner};
use serde::Deserialize;
use stf::ChainSpec;
use store::{Store, StoreOptions};
use tokio_util::sync::CancellationToken;

use crate::keys;

const GENESIS_FILE: &str = "genesis.json";
const STORE: &str = "chain";
/// Accounts with ether, from the first derivation index on: users and roles.
const FUNDED_ACCOUNTS: u32 = 20;
/// Contracts that clients expect on every chain, beside those of the forks.
const PREINSTALLED: [&str; 3] = ["MultiCall3", "DeterministicDeploymentProxy", "Create2Deployer"];

/// How the L1 runs.
#[derive(Clone, Debug)]
pub struct Config {
    pub directory: PathBuf,
    pub listen: SocketAddr,
    pub chain_id: u64,
    /// Seconds between blocks.
    pub block_time: u64,
    pub safe_lag: u64,
    pub finalized_lag: u64,
}

/// A running L1.
pub struct Embedded {
    node: NodeHandle,
}

impl Embedded {
    /// Begins a chain, or goes on with the `kept` one.
    pub async fn start(config: &Config, kept: bool) -> Result<Self> {
        let directory = &config.directory;
        let genesis = genesis(config, kept)?;
        let store = Store::open(&directory.join(STORE), StoreOptions::default())
            .with_context(|| format!("cannot open the L1 in {}", directory.display()))?;
        store
            .init_ethereum_genesis(&genesis)
            .with_context(|| format!("cannot use the L1 in {}", directory.display()))?;
        let miner = MinerConfig {
            interval: Some(Duration::from_secs(config.block_time)),
            safe_lag: config.safe_lag,
            finalized_lag: config.finalized_lag,
            ..Default::default()
        };
        let mut node = NodeConfig::mining(ChainSpec::ethereum(genesis.config), miner);
        node.rpc.listen = config.listen;
        // Its own token: the L1 ends last.
        let inputs = NodeInputs::without_l1(store);
        let node = Node::start(node, inputs, CancellationToken::new())
            .await
            .context("cannot start the L1")?;
        Ok(Self { node })
    }

    /// Where its JSON-RPC and its beacon API listen.
    pub fn url(&self) -> String {
        format!("http://{}", self.node.rpc_addr())
    }

    /// Resolves when it ends by itself.
    pub async fn wait(&mut self) -> Result<()> {
        self.node.stopping().cancelled().await;
        bail!("the L1 stopped; its reason is in the log (RUST_LOG=info)")
    }

    /// Ends it.
    pub async fn stop(self) {
        self.node.shutdown();
        if let Err(error) = self.node.join().await {
            tracing::error!(%error, "the L1 ended badly");
        }
    }
}

/// The genesis in the directory. A new one begins now and is on disk before the chain is.
fn genesis(config: &Config, kept: bool) -> Result<Genesis> {
    let path = config.directory.join(GENESIS_FILE);
    if kept {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("the L1 of this chain is incomplete: {}", path.display()))?;
        return serde_json::from_str(&text)
            .with_context(|| format!("{} is corrupt; restore it from a copy", path.display()));
    }
    fs::create_dir_all(&config.directory)
        .with_context(|| format!("cannot create {}", config.directory.display()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut accounts = (0..FUNDED_ACCOUNTS)
        .map(|index| Ok(keys::dev_key(index)?.address()))
        .collect::<Result<Vec<_>>>()?;
    // On Ethereum it owns ether, too: clients estimate calls that carry value from it when they name no sender.
    accounts.push(Address::ZERO);
    let genesis = miner::genesis(config.chain_id, now, accounts, preinstalled()?);
    write(&path, &serde_json::to_vec_pretty(&genesis)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(genesis)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn preinstalled() -> Result<Vec<(Address, Bytes)>> {
    #[derive(Deserialize)]
    struct Entry {
        name: String,
        address: Address,
        code: Bytes,
    }
    let list: Vec<Entry> =
        serde_json::from_str(include_str!("../../../../../contracts/artifacts/preinstalls.json"))?;
    PREINSTALLED
        .iter()
        .map(|name| {
            let entry = list.iter().find(|entry| entry.name == *name);
            let entry = entry.with_context(|| format!("preinstalls.json has no {name}"))?;
            Ok((entry.address, entry.code.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use l1::deploy::MULTICALL3;

    use super::*;

    #[test]
    fn a_genesis_is_made_once_and_then_kept() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            directory: directory.path().join("l1"),
            listen: ([127, 0, 0, 1], 0).into(),
            chain_id: 16_121,
            block_time: 1,
            safe_lag: 1,
            finalized_lag: 2,
        };
        let missing = format!("{:#}", genesis(&config, true).unwrap_err());
        assert!(missing.contains("the L1 of this chain is incomplete"), "{missing}");
        let new = genesis(&config, false).unwrap();
        assert!(new.alloc[&MULTICALL3].code.as_ref().is_some_and(|code| !code.is_empty()));
        let users = keys::user_keys().unwrap();
        assert!(users.iter().all(|user| !new.alloc[&user.address()].balance.is_zero()));
        // What is read back begins the same chain.
        let kept = genesis(&config, true).unwrap();
        let hash = |genesis: &Genesis| store::ethereum_genesis_header(genesis).unwrap().hash_slow();
        assert_eq!(hash(&kept), hash(&new));
        fs::write(config.directory.join(GENESIS_FILE), "{\"config\":").unwrap();
        let corrupt = format!("{:#}", genesis(&config, true).unwrap_err());
        assert!(corrupt.contains("is corrupt"), "{corrupt}");
    }
}
