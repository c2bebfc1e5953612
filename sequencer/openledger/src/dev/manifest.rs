//! What a data directory is: one file that names the chain it holds, written once, after which every
//! start continues that chain.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256};
use anyhow::{Context, Result, bail};
use l1::deploy::Deployment;
use primitives::{GenesisL2, RollupConfig};
use serde::{Deserialize, Serialize};

use super::args::L1Kind;

/// Grows when the layout changes; an older directory is refused with a hint.
pub const SCHEMA: u32 = 2;

const FILE: &str = "dev.json";
const LOCK: &str = "lock";
/// The file in which anvil keeps its chain.
pub const L1_STATE: &str = "l1-state.json";
/// The directory of the embedded L1.
pub const L1_CHAIN: &str = "l1";

/// Everything that fixes a development chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    /// Seconds between L1 blocks; the L1 must be restarted with the same.
    pub l1_block_time: u64,
    /// The L1 in this directory. Without `l1_url` only; directories of before there was a choice have
    /// anvil's.
    #[serde(default = "anvil")]
    pub l1: L1Kind,
    /// Set when the L1 is not ours.
    pub l1_url: Option<String>,
    pub l1_contracts: L1Contracts,
    pub rollup: RollupConfig,
    pub genesis: GenesisL2,
    pub l2_genesis_hash: B256,
    pub epoch_seconds: u64,
}

const fn anvil() -> L1Kind {
    L1Kind::Anvil
}

/// Addresses on L1.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct L1Contracts {
    pub open: Address,
    pub optimism_portal: Address,
    pub system_config: Address,
    pub batch_inbox: Address,
    pub anchor_state_registry: Address,
    pub dispute_game_factory: Address,
    pub bond_vault: Address,
    pub verifier: Address,
    pub l1_cross_domain_messenger: Address,
    pub l1_standard_bridge: Address,
    pub optimism_mintable_erc20_factory: Address,
}

impl From<&Deployment> for L1Contracts {
    fn from(deployment: &Deployment) -> Self {
        Self {
            open: deployment.open,
            optimism_portal: deployment.optimism_portal,
            system_config: deployment.system_config,
            batch_inbox: deployment.batch_inbox,
            anchor_state_registry: deployment.anchor_state_registry,
            dispute_game_factory: deployment.dispute_game_factory,
            bond_vault: deployment.bond_vault,
            verifier: deployment.verifier,
            l1_cross_domain_messenger: deployment.l1_cross_domain_messenger,
            l1_standard_bridge: deployment.l1_standard_bridge,
            optimism_mintable_erc20_factory: deployment.optimism_mintable_erc20_factory,
        }
    }
}

/// An open data directory, locked against a second process.
pub struct DataDir {
    path: PathBuf,
    _lock: nix::fcntl::Flock<File>,
}

impl DataDir {
    /// Creates or opens the directory and locks it.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("cannot create the data directory {}", path.display()))?;
        let lock_path = path.join(LOCK);
        let file = File::create(&lock_path)
            .with_context(|| format!("cannot create {}", lock_path.display()))?;
        match nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_path_buf(), _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => bail!(
                "the data directory {} is in use by another openledger process; stop it or choose \
                 another with --data-dir",
                path.display()
            ),
            Err((_, error)) => Err(error)
                .with_context(|| format!("cannot lock the data directory {}", path.display())),
        }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The chain in this directory, or nothing in a new one.
    pub fn manifest(&self) -> Result<Option<Manifest>> {
        let path = self.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if self.join("l2").exists() && fs::read_dir(self.join("l2"))?.next().is_some() {
                    bail!(
                        "{} holds chain data but no {FILE}: the directory is incomplete. Restore it \
                         from a copy, or delete it to start a new chain",
                        self.path.display()
                    );
                }
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        #[derive(Deserialize)]
        struct SchemaOnly {
            schema: u32,
        }
        let corrupt = || {
            format!(
                "{} is corrupt; restore it from a copy, or delete {} to start a new chain",
                path.display(),
                self.path.display()
            )
        };
        let SchemaOnly { schema } = serde_json::from_str(&text).with_context(corrupt)?;
        if schema != SCHEMA {
            bail!(
                "{} was written by another version of openledger (layout {schema}, this one reads \
                 {SCHEMA}); use that version or delete the directory",
                self.path.display()
            );
        }
        serde_json::from_str(&text).map(Some).with_context(corrupt)
    }

    /// Writes the manifest so that it is either whole or absent after a crash.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let target = self.join(FILE);
        let part = self.join("dev.json.part");
        let mut file =
            File::create(&part).with_context(|| format!("cannot create {}", part.display()))?;
        file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        file.sync_all()?;
        fs::rename(&part, &target).with_context(|| format!("cannot write {}", target.display()))?;
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }

    /// Removes the L1 of an earlier start that died before it wrote a manifest.
    pub fn clear_unfinished(&self) -> Result<()> {
        let (state, chain) = (self.join(L1_STATE), self.join(L1_CHAIN));
        let removed = [(fs::remove_file(&state), state), (fs::remove_dir_all(&chain), chain)];
        for (result, path) in removed {
            match result {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("in use by another openledger process"), "{error}");
    }

    #[test]
    fn corrupt_and_foreign_manifests_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        assert!(data.manifest().unwrap().is_none());
        fs::write(data.join(FILE), "{\"schema\":2,").unwrap();
        assert!(format!("{:#}", data.manifest().unwrap_err()).contains("is corrupt"));
        fs::write(data.join(FILE), "{\"schema\":99}").unwrap();
        assert!(data.manifest().unwrap_err().to_string().contains("layout 99"));
    }

    #[test]
    fn chain_data_without_a_manifest_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        fs::create_dir(data.join("l2")).unwrap();
        fs::write(data.join("l2").join("mdbx.dat"), "x").unwrap();
        assert!(data.manifest().unwrap_err().to_string().contains("incomplete"));
    }
}
