//! Where blocks and witnesses come from: a node's JSON-RPC, or a store that no node has open. Neither
//! is believed.

use std::{collections::VecDeque, path::Path, pin::Pin, sync::Arc};

use alloy_primitives::{B256, Bytes, U64};
use alloy_provider::{Provider, RootProvider};
use alloy_rlp::Decodable;
use anyhow::{Context, Result, bail, ensure};
use futures::{Stream, StreamExt};
use primitives::{Block, Header, RollupConfig, TxEnvelope, Witness};
use serde::Deserialize;
use stf::ChainSpec;
use store::{PROOF_BLOCKS_BACK_MAX, Store, StoreOptions};
use url::Url;

use crate::dev::DataDir;

/// Blocks asked for at a time.
const REQUESTS_AHEAD: usize = 4;
/// Blocks of a store whose witnesses are made from one transaction.
const STORE_BLOCKS: u64 = 64;

/// One block with what is needed to verify it.
pub(super) struct Evidence {
    /// The number that was asked for.
    pub number: u64,
    pub block: Block,
    pub witness: Witness,
    pub stated_output_root: Option<B256>,
}

type Answers = Pin<Box<dyn Stream<Item = Result<Evidence>> + Send>>;

pub(super) enum Source {
    Rpc {
        provider: RootProvider,
        chain_id: u64,
        rollup: Option<RollupConfig>,
        answers: Answers,
    },
    Store {
        store: Arc<Store>,
        chain_id: u64,
        rollup: Option<RollupConfig>,
        /// Next and last block.
        left: (u64, u64),
        ready: VecDeque<Evidence>,
        /// Keeps a second process out of the data directory.
        _directory: Option<DataDir>,
    },
}

impl Source {
    /// A node's JSON-RPC.
    pub(super) async fn connect(url: Url) -> Result<Self> {
        let provider = RootProvider::new_http(url.clone());
        let chain_id: U64 = provider
            .raw_request("eth_chainId".into(), ())
            .await
            .with_context(|| format!("no L2 node answers at {url}"))?;
        let rollup = optional(provider.raw_request("optimism_rollupConfig".into(), ()).await)?;
        let answers = Box::pin(futures::stream::empty());
        Ok(Self::Rpc { provider, chain_id: chain_id.to(), rollup, answers })
    }

    /// A chain store, or the sequencer's in the data directory of `openledger dev`.
    pub(super) fn open(directory: &Path) -> Result<Self> {
        let (path, rollup, lock) = if directory.join("mdbx.dat").exists() {
            (directory.to_path_buf(), None, None)
        } else {
            ensure!(directory.is_dir(), "there is no directory {}", directory.display());
            let data = DataDir::open(directory)?;
            let manifest = data
                .manifest()?
                .with_context(|| format!("there is no chain data in {}", directory.display()))?;
            (data.join("l2"), Some(manifest.rollup), Some(data))
        };
        let store = Store::open(&path, StoreOptions::default())?;
        let chain_id = store.chain_id()?;
        if let Some(config) = &rollup {
            ensure!(config.l2_chain_id == chain_id, "the manifest is of another chain");
        }
        let (left, ready) = ((1, 0), VecDeque::new());
        Ok(Self::Store { store, chain_id, rollup, left, ready, _directory: lock })
    }

    pub(super) const fn chain_id(&self) -> u64 {
        match self {
            Self::Rpc { chain_id, .. } | Self::Store { chain_id, .. } => *chain_id,
        }
    }

    pub(super) const fn rollup(&self) -> Option<&RollupConfig> {
        match self {
            Self::Rpc { rollup, .. } | Self::Store { rollup, .. } => rollup.as_ref(),
        }
    }

    pub(super) async fn newest(&self) -> Result<u64> {
        match self {
            Self::Rpc { provider, .. } => {
                let number: U64 = provider.raw_request("eth_blockNumber".into(), ()).await?;
                Ok(number.to())
            }
            Self::Store { store, .. } => Ok(store.heads()?.unsafe_head.number),
        }
    }

    /// A block as the source has it.
    pub(super) async fn block(&self, number: u64) -> Result<Block> {
        match self {
            Self::Rpc { provider, .. } => raw_block(provider, number).await,
            Self::Store { store, .. } => {
                store.block(number)?.with_context(|| format!("block {number} is not in the store"))
            }
        }
    }

    /// From now on [`Source::next`] gives these blocks.
    pub(super) async fn begin(&mut self, first: u64, last: u64) -> Result<()> {
        match self {
            Self::Rpc { provider, answers, .. } => {
                let provider = provider.clone();
                let asked = futures::stream::iter(first..=last)
                    .map(move |number| evidence(provider.clone(), number));
                *answers = Box::pin(asked.buffered(REQUESTS_AHEAD));
            }
            Self::Store { store, left, .. } => {
                let head = store.heads()?.unsafe_head.number;
                if head - first.min(head) >= PROOF_BLOCKS_BACK_MAX {
                    bail!(
                        "block {first} is too far back: witnesses are made of the last \
                         {PROOF_BLOCKS_BACK_MAX} blocks, up to {head}"
                    );
                }
                *left = (first, last);
            }
        }
        Ok(())
    }

    /// The next block of the range.
    pub(super) async fn next(&mut self) -> Result<Option<Evidence>> {
        match self {
            Self::Rpc { answers, .. } => answers.next().await.transpose(),
            Self::Store { store, chain_id, left, ready, .. } => {
                if ready.is_empty() && left.0 <= left.1 {
                    let last = left.1.min(left.0.saturating_add(STORE_BLOCKS - 1));
                    *ready = tokio::task::block_in_place(|| {
                        record(store, &ChainSpec::new(*chain_id), left.0, last)
                    })?;
                    left.0 = last + 1;
                }
                Ok(ready.pop_front())
            }
        }
    }
}

/// Blocks `first` to `last` with their witnesses, from the tries before them.
fn record(
    store: &Arc<Store>,
    spec: &ChainSpec,
    first: u64,
    last: u64,
) -> Result<VecDeque<Evidence>> {
    let mut tries = store.tries_at(first - 1)?;
    (first..=last)
        .map(|number| {
            let (_, recording) = tries.record_next(spec)?;
            let block = store.block(number)?;
            let block = block.with_context(|| format!("block {number} is not in the store"))?;
            let witness = recording.witness;
            Ok(Evidence { number, block, witness, stated_output_root: None })
        })
        .collect()
}

/// `debug_executionWitness`.
#[derive(Debug, Deserialize)]
struct RpcWitness {
    state: Vec<Bytes>,
    codes: Vec<Bytes>,
    headers: Vec<Bytes>,
}

/// `optimism_outputAtBlock`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcOutput {
    output_root: B256,
}

async fn evidence(provider: RootProvider, number: u64) -> Result<Evidence> {
    let block = raw_block(&provider, number).await?;
    let witness: RpcWitness = provider
        .raw_request("debug_executionWitness".into(), (U64::from(number),))
        .await
        .with_context(|| format!("the node gives no witness of block {number}"))?;
    let headers = witness.headers.iter().map(|header| Header::decode(&mut header.as_ref()));
    let headers = headers.collect::<Result<Vec<_>, _>>().context("a header is no RLP")?;
    let output: Option<RpcOutput> = optional(
        provider.raw_request("optimism_outputAtBlock".into(), (U64::from(number),)).await,
    )?;
    Ok(Evidence {
        number,
        block,
        witness: Witness::new(witness.state, witness.codes, headers),
        stated_output_root: output.map(|output| output.output_root),
    })
}

async fn raw_block(provider: &RootProvider, number: u64) -> Result<Block> {
    let raw: Bytes = provider.raw_request("debug_getRawBlock".into(), (U64::from(number),)).await?;
    let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut raw.as_ref())
        .with_context(|| format!("the node's block {number} is no RLP"))?;
    Ok(Block::from_rlp(block))
}

/// `None` if the node has no such method, as others than rollups have not.
fn optional<T>(
    answer: Result<T, alloy_transport::TransportError>,
) -> Result<Option<T>, alloy_transport::TransportError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.as_error_resp().is_some_and(|e| e.code == -32_601) => Ok(None),
        Err(error) => Err(error),
    }
}
