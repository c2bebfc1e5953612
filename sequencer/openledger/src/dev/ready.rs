//! What `dev` prints when everything answers: for people as anvil does, for programs as one line; and
//! the file by which `demo` and the other commands find the running chain.

use std::{collections::BTreeMap, fs, path::PathBuf};

use alloy_primitives::{Address, B256, utils::format_ether};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use crate::keys;

/// The ready line of `openledger dev --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    pub l1_rpc: String,
    /// Blobs of L1 in the beacon API's shape; `None` on an L1 that is not ours.
    #[serde(default)]
    pub l1_beacon: Option<String>,
    pub l2_rpc: String,
    pub l2_ws: String,
    pub gateway: String,
    pub verifier_rpc: String,
    /// Operators' methods; callers show a token signed with the secret in `jwt_secret`.
    pub l2_admin: String,
    pub jwt_secret: PathBuf,
    pub l1_chain_id: u64,
    pub l2_chain_id: u64,
    pub contracts: BTreeMap<String, Address>,
    pub accounts: Vec<Account>,
}

/// A funded development account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    pub address: Address,
    pub private_key: B256,
}

impl Ready {
    /// The address of a contract by its name.
    pub fn contract(&self, name: &str) -> Result<Address> {
        match self.contracts.get(name) {
            Some(address) => Ok(*address),
            None => bail!("the running chain names no contract {name}; is it another version?"),
        }
    }

    /// Where the last started `dev` says how to reach it.
    pub fn default_path() -> PathBuf {
        let base =
            std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        base.join(format!("openledger-dev-{}.json", nix::unistd::getuid()))
    }

    /// Reads a ready file.
    pub fn read(path: &std::path::Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!("cannot read {}; is `openledger dev` running?", path.display())
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a ready file of openledger dev", path.display()))
    }

    /// Writes the ready file, readable by its owner only: it holds keys.
    pub fn write(&self, path: &std::path::Path) -> Result<()> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let part = path.with_extension("part");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)
            .with_context(|| format!("cannot write {}", part.display()))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// For people.
    pub fn print(&self, manifest: &Manifest, kept_in: Option<&std::path::Path>) {
        println!("OpenLedger {}\n", env!("CARGO_PKG_VERSION"));
        println!("URLs");
        println!("  L2 JSON-RPC      {}", self.l2_rpc);
        println!("  L2 WebSocket     {}", self.l2_ws);
        println!("  L1 JSON-RPC      {}", self.l1_rpc);
        if let Some(beacon) = &self.l1_beacon {
            println!("  L1 beacon API    {beacon}");
        }
        println!("  Gateway          {}/v1   (OpenAI API)", self.gateway);
        println!("  Verifier         {}   (derived from L1 alone)", self.verifier_rpc);
        println!(
            "  L2 admin         {}   (tokens by {})\n",
            self.l2_admin,
            self.jwt_secret.display()
        );
        println!("Chain ids");
        println!("  L2               {}", self.l2_chain_id);
        println!("  L1               {}\n", self.l1_chain_id);
        println!("Contracts");
        for (name, address) in &self.contracts {
            println!("  {name:<22} {address}");
        }
        println!(
            "\nAccounts (OPEN on both layers; anvil's well-known keys: never use them elsewhere)"
        );
        for (i, account) in self.accounts.iter().enumerate() {
            let balance = manifest
                .genesis
                .alloc
                .get(&account.address)
                .map(|allocation| format_ether(allocation.balance))
                .unwrap_or_default();
            println!(
                "  ({i}) {}  {}",
                account.address,
                balance.trim_end_matches(".000000000000000000")
            );
        }
        println!("\nPrivate keys");
        for (i, account) in self.accounts.iter().enumerate() {
            println!("  ({i}) {}", account.private_key);
        }
        println!("\nMnemonic           {}", keys::DEV_MNEMONIC);
        println!("L2 genesis         {}", manifest.l2_genesis_hash);
        match kept_in {
            Some(path) => println!("Data directory     {} (kept)", path.display()),
            None => println!("Data directory     temporary; use --data-dir to keep the chain"),
        }
        println!("\nTry: openledger demo\n");
    }
}
