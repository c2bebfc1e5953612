//! The batcher as a process of its own, and the roles of one operator in one process.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Bytes, U64, hex};
use alloy_provider::{Provider, RootProvider};
use alloy_rlp::Decodable;
use alloy_transport::TransportError;
use anyhow::{Context, Result};
use l1::{
    Batcher, BatcherConfig, BatcherControl, DataAvailability, Journal, JournalEntry, L1Client,
    L1Urls, L2Blocks, RoleSigner, SourceError,
};
use node::{Admin, BatcherSwitch, OperatorsPort, jwt::JwtSecret};
use primitives::{Block, BlockNumHash, L2BlockRef, TxEnvelope};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{
    files::Chain,
    nodes::{Running, Tasks},
};
use crate::{
    dev::{ChainBlocks, DataDir, StoreJournal},
    keys::{self, Role as KeyRole},
    keystore::{KeyArgs, is_devnet},
    limits::{Limits, RemoteLimits, Switch},
    roles::{OperatorKeys, OperatorRoles},
};

/// How often an L2 node that does not answer is asked again, and how long between.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);
/// No answer within this time counts as none.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What is posted when.
pub fn config(availability: DataAvailability, fee_max_gwei: u64) -> BatcherConfig {
    let fee_max = u128::from(fee_max_gwei) * 1_000_000_000;
    BatcherConfig { availability, fee_max, ..BatcherConfig::default() }
}

/// Whom a batcher holds back while L1 does not take its data.
#[derive(Debug)]
pub enum Sequencer {
    /// The one of this process, whose operators may switch the batcher.
    Here(Arc<Admin>),
    /// One whose operators' port is known.
    There { operators: Url, secret: JwtSecret },
    /// Nobody.
    Unlimited,
}

/// Starts the task that posts; what comes back pauses and resumes it.
pub async fn start(
    chain: &Chain,
    l1: L1Client,
    key: RoleSigner,
    config: BatcherConfig,
    blocks: impl L2Blocks,
    journal: impl Journal,
    sequencer: Sequencer,
    tasks: &mut Tasks,
) -> Result<BatcherControl> {
    let account = key.address();
    let shutdown = tasks.shutdown().clone();
    let batcher = Batcher::new(l1, &chain.rollup, key, config, blocks, journal).await?;
    let control = batcher.control();
    let batcher = match sequencer {
        Sequencer::Here(admin) => {
            admin.batcher.connect(Arc::new(Switch(control.clone())));
            batcher.with_limits(Arc::new(Limits(admin)))
        }
        Sequencer::There { operators, secret } => {
            let (limits, telling) = RemoteLimits::new(operators, secret, shutdown.clone())?;
            tasks.spawn("limits of the sequencer", telling);
            batcher.with_limits(Arc::new(limits))
        }
        Sequencer::Unlimited => batcher,
    };
    println!("batcher    {account} to {}", chain.rollup.batch_inbox_address);
    tasks.spawn("batcher", async move { Ok(batcher.run(shutdown).await?) });
    Ok(control)
}

/// Lets operators switch a batcher that is a process of its own.
pub fn serve_operators(port: OperatorsPort, control: BatcherControl, tasks: &mut Tasks) {
    println!("operators  http://{}", port.address());
    let batcher = Arc::new(BatcherSwitch::default());
    batcher.connect(Arc::new(Switch(control)));
    let shutdown = tasks.shutdown().clone();
    tasks.spawn("operators' port", async move { Ok(port.run(batcher, shutdown).await?) });
}

/// The blocks of an L2 node, over its JSON-RPC.
#[derive(Debug)]
pub struct RpcBlocks {
    provider: RootProvider,
}

/// `optimism_syncStatus`, as far as it is asked for.
#[derive(Debug, Deserialize)]
struct SyncStatus {
    unsafe_l2: L2BlockRef,
    safe_l2: L2BlockRef,
}

/// Why an L2 node's blocks cannot be had.
#[derive(Debug)]
enum Unreadable {
    Transport(TransportError),
    Timeout,
    Block(alloy_rlp::Error),
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "the L2 node fails: {error}"),
            Self::Timeout => write!(f, "the L2 node does not answer"),
            Self::Block(error) => write!(f, "the L2 node's block is malformed: {error}"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl RpcBlocks {
    pub fn new(url: Url) -> Self {
        Self { provider: RootProvider::new_http(url) }
    }

    /// Asks, again and again for a while: a node may be restarting. On the batcher's own thread.
    fn ask<T: DeserializeOwned + Clone + Send + Sync + std::fmt::Debug + Unpin + 'static>(
        &self,
        method: &'static str,
        params: impl serde::Serialize + Clone + std::fmt::Debug + Send + Sync + Unpin + 'static,
    ) -> Result<T, SourceError> {
        let asking = async {
            let mut tries = 0;
            loop {
                let asked = self.provider.raw_request(method.into(), params.clone());
                let error = match tokio::time::timeout(ANSWER_MAX, asked).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) if error.as_error_resp().is_some() => {
                        return Err(SourceError::new(Unreadable::Transport(error)));
                    }
                    Ok(Err(error)) => Unreadable::Transport(error),
                    Err(_) => Unreadable::Timeout,
                };
                tries += 1;
                if tries >= TRIES {
                    return Err(SourceError::new(error));
                }
                tracing::warn!(method, %error, "the L2 node does not answer; it is asked again");
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asking))
    }

    fn status(&self) -> Result<SyncStatusOwned, SourceError> {
        let status: serde_json::Value = self.ask("optimism_syncStatus", ())?;
        let status: SyncStatus = serde_json::from_value(status).map_err(SourceError::new)?;
        Ok(SyncStatusOwned { latest: status.unsafe_l2.number, safe: status.safe_l2.id() })
    }
}

/// The two heads that matter to a batcher.
struct SyncStatusOwned {
    latest: u64,
    safe: BlockNumHash,
}

impl L2Blocks for RpcBlocks {
    fn latest(&self) -> Result<u64, SourceError> {
        Ok(self.status()?.latest)
    }

    fn safe(&self) -> Result<BlockNumHash, SourceError> {
        Ok(self.status()?.safe)
    }

    fn block(&self, number: u64) -> Result<Option<Block>, SourceError> {
        if number > self.latest()? {
            return Ok(None);
        }
        let raw: Bytes = self.ask("debug_getRawBlock", (U64::from(number),))?;
        let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut raw.as_ref());
        let block = block.map_err(|error| SourceError::new(Unreadable::Block(error)))?;
        Ok(Some(Block::from_rlp(block)))
    }
}

/// The batcher's journal as files, each whole or absent after a crash.
#[derive(Debug)]
pub struct FileJournal(PathBuf);

impl FileJournal {
    pub fn open(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        Ok(Self(directory))
    }

    fn path(&self, key: &[u8]) -> PathBuf {
        self.0.join(hex::encode(key))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn write(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let part = self.0.join("part");
        let mut file = File::create(&part)?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::rename(part, self.path(key))?;
        self.sync()
    }

    fn read(&self) -> io::Result<Vec<JournalEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let key = path.file_name().and_then(|name| name.to_str());
            // The part of a write that a crash interrupted is no entry.
            let Some(key) = key.and_then(|key| hex::decode(key).ok()) else { continue };
            entries.push((key, fs::read(&path)?));
        }
        entries.sort();
        Ok(entries)
    }
}

impl Journal for FileJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), SourceError> {
        self.write(key, value).map_err(SourceError::new)
    }

    fn delete(&self, key: &[u8]) -> Result<(), SourceError> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SourceError::new(error)),
            _ => self.sync().map_err(SourceError::new),
        }
    }

    fn all(&self) -> Result<Vec<JournalEntry>, SourceError> {
        self.read().map_err(SourceError::new)
    }
}

/// Everything beside the sequencer that one operator runs.
#[derive(Debug)]
pub struct Operator {
    pub key: KeyArgs,
    pub keys: Option<PathBuf>,
    pub availability: DataAvailability,
    pub fee_max_gwei: u64,
    pub interval: u64,
    pub depth: u64,
}

impl Operator {
    /// Starts batcher, proposer, attestors and challenger beside a sequencer.
    pub async fn start(
        self,
        chain: &Chain,
        l1: &L1Client,
        l1_rpc: L1Urls,
        data: &DataDir,
        running: &Running,
        tasks: &mut Tasks,
    ) -> Result<()> {
        let l1_chain_id = chain.rollup.l1_chain_id;
        let keys = match &self.keys {
            Some(directory) => self.from_files(directory).await?,
            None if is_devnet(l1_chain_id) => OperatorKeys::development()?,
            None => anyhow::bail!(
                "--role all signs for several roles: give --keys DIR with sequencer.json, batcher.json, \
                 proposer.json, attestor.json and challenger.json"
            ),
        };
        let batcher = match &self.keys {
            Some(directory) => self.key.signer_of_role(directory, "batcher").await?,
            None => keys::role_key(KeyRole::Batcher)?.into(),
        };
        let config = config(self.availability, self.fee_max_gwei);
        let store = &running.store;
        let blocks = ChainBlocks(Arc::clone(&running.chain));
        let journal = StoreJournal(store.clone());
        let sequencer = Sequencer::Here(Arc::clone(&running.admin));
        let _ =
            start(chain, l1.clone(), batcher, config, blocks, journal, sequencer, tasks).await?;
        let roles = OperatorRoles {
            l1: l1.clone(),
            l1_rpc,
            l2_rpc: format!("http://{}", running.verifier_rpc).parse()?,
            rollup: &chain.rollup,
            data,
            interval: self.interval,
            depth: self.depth,
            keys,
        };
        let shutdown = tasks.shutdown().clone();
        roles.start(&shutdown, tasks.set()).await
    }

    async fn from_files(&self, directory: &Path) -> Result<OperatorKeys> {
        let attestor = self.key.signer_of_role(directory, "attestor").await?;
        Ok(OperatorKeys {
            attestors: vec![("attestor".to_owned(), attestor)],
            proposer: self.key.signer_of_role(directory, "proposer").await?,
            challenger: self.key.signer_of_role(directory, "challenger").await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_keeps_whole_entries_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let journal = FileJournal::open(directory.path().join("journal")).unwrap();
        for key in [3_u64, 1, 256, 2] {
            journal.put(&key.to_be_bytes(), format!("value {key}").as_bytes()).unwrap();
        }
        journal.put(&1_u64.to_be_bytes(), b"another").unwrap();
        journal.delete(&2_u64.to_be_bytes()).unwrap();
        journal.delete(&9_u64.to_be_bytes()).unwrap();
        fs::write(directory.path().join("journal").join("part"), "half").unwrap();
        let expected = [(1_u64, "another"), (3, "value 3"), (256, "value 256")];
        let expected: Vec<JournalEntry> = expected
            .iter()
            .map(|(key, value)| (key.to_be_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let again = FileJournal::open(directory.path().join("journal")).unwrap();
        assert_eq!(again.all().unwrap(), expected);
    }
}
