//! A rollup's files: what `openledger deploy` wrote, read and compared before anything is started.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use l1::{L1Client, L1Urls};
use primitives::{GenesisL2, RollupConfig};
use url::Url;

use crate::{dev::DataDir, follow::read_json};

/// A rollup as its files describe it.
#[derive(Debug)]
pub struct Chain {
    pub rollup: RollupConfig,
    pub genesis: GenesisL2,
    /// Where the configuration was read.
    pub rollup_file: PathBuf,
}

impl Chain {
    /// Reads `genesis.json` and `rollup.json` of a directory, or the files that are given instead.
    pub fn read(directory: &Path, genesis: Option<&Path>, rollup: Option<&Path>) -> Result<Self> {
        let file = |given: Option<&Path>, name: &str, flag: &str| {
            let path = given.map_or_else(|| directory.join(name), Path::to_path_buf);
            if !path.is_file() {
                bail!(
                    "there is no {}: name the directory that `openledger deploy --out` wrote with \
                     --data-dir, or the file with {flag}",
                    path.display()
                );
            }
            Ok(path)
        };
        let rollup_file = file(rollup, "rollup.json", "--rollup")?;
        let genesis_file = file(genesis, "genesis.json", "--genesis")?;
        let rollup: RollupConfig = read_json(&rollup_file)?;
        rollup.validate().with_context(|| format!("{} cannot work", rollup_file.display()))?;
        let genesis: GenesisL2 = read_json(&genesis_file)?;
        let hash = store::genesis_header(&genesis)?.hash_slow();
        ensure!(
            hash == rollup.genesis.l2.hash,
            "{} has hash {hash}, {} names {}: they are of different chains",
            genesis_file.display(),
            rollup_file.display(),
            rollup.genesis.l2.hash
        );
        Ok(Self { rollup, genesis, rollup_file })
    }

    /// Connects to L1 and makes sure that this chain begins there.
    pub async fn connect(&self, urls: impl Into<L1Urls>, beacons: Vec<Url>) -> Result<L1Client> {
        let l1 = L1Client::connect(urls, self.rollup.l1_chain_id).await?.with_beacons(beacons);
        let expected = self.rollup.genesis.l1;
        let found = l1.block_ref(expected.number).await?.map(|block| block.hash);
        ensure!(
            found == Some(expected.hash),
            "L1 block {} is not the one with which this chain begins (expected {}, found {}): the \
             files and the L1 do not belong together",
            expected.number,
            expected.hash,
            found.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string())
        );
        Ok(l1)
    }
}

/// The directory of one role, which no other process may use.
pub fn claim(directory: &Path) -> Result<DataDir> {
    DataDir::open(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_damaged_and_mixed_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let error = |expected: &str| {
            let error = format!("{:#}", Chain::read(path, None, None).unwrap_err());
            assert!(error.contains(expected), "{error}");
        };
        error("openledger deploy --out");
        std::fs::write(path.join("rollup.json"), "{}").unwrap();
        error("genesis.json");
        std::fs::write(path.join("genesis.json"), "{}").unwrap();
        error("rollup.json is damaged");
    }
}
