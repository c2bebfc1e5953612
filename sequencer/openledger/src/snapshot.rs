//! `openledger snapshot`: the state after a safe block as a file, and a follower's store from such a file.
//! What is taken is compared with an output root that the user gives or L1 has. A node that runs on the store
//! is asked for the file ([`serve`]).

pub mod serve;

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, U256};
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use l1::{
    L1Urls,
    contracts::{AnchorStateRegistry, OptimismPortal},
};
use primitives::RollupConfig;
use store::{SnapshotSummary, Store, StoreOptions};
use url::Url;

use crate::{
    follow::read_json,
    rollup::files::{self, Chain},
};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the state after a safe block to a file, also while a node runs on the store.
    Export(ExportArgs),
    /// Make a follower's store from a file, if its output root is the right one.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    openledger snapshot export --store ./chain/follower/l2 snapshot.ol")]
pub struct ExportArgs {
    /// Directory of the chain store, as ./chain/follower/l2; `openledger db doctor` names those there are.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The chain's configuration; rollup.json of the directories around the store unless given.
    #[arg(long, value_name = "FILE")]
    rollup: Option<PathBuf>,
    /// The block; not above the safe head. Without it the safe head.
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,
    /// The file to write; it must not exist.
    file: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    openledger snapshot import --output-root 0x… snapshot.ol          into ./chain/follower\n  \
    openledger snapshot import --l1-rpc http://l1:8545 snapshot.ol    if it is the anchor's on L1")]
pub struct ImportArgs {
    /// Directory that `openledger deploy --out` wrote.
    #[arg(long, value_name = "DIR", default_value = "chain")]
    data_dir: PathBuf,
    /// The chain's first state; in the data directory unless given.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The chain's configuration; in the data directory unless given.
    #[arg(long, value_name = "FILE")]
    rollup: Option<PathBuf>,
    /// Output root of the snapshot's block, from somebody you trust (optimism_outputAtBlock of your own node).
    #[arg(
        long,
        value_name = "HASH",
        required_unless_present = "l1_rpc",
        conflicts_with = "l1_rpc"
    )]
    output_root: Option<B256>,
    /// Read it from the anchor on this L1; the snapshot must be of that block. Of several nodes (again, or after a
    /// comma) all that answer must say the same.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    l1_rpc: Vec<Url>,
    /// Directory of the store to make; that of `openledger node --role follower` unless given.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The file to read.
    file: PathBuf,
}

pub async fn run(command: Command) -> Result<()> {
    match command {
        Command::Export(args) => tokio::task::block_in_place(|| export(&args)),
        Command::Import(args) => import(args).await,
    }
}

fn export(args: &ExportArgs) -> Result<()> {
    ensure!(!args.file.exists(), "{} exists already", args.file.display());
    ensure!(
        args.store.join("mdbx.dat").is_file(),
        "there is no chain store in {}",
        args.store.display()
    );
    let part = with_suffix(&args.file, ".part");
    let written = write(args, &part);
    match written.and_then(|summary| {
        fs::rename(&part, &args.file)
            .with_context(|| format!("cannot write {}", args.file.display()))?;
        Ok(summary)
    }) {
        Ok(summary) => {
            print!("{summary}");
            println!("bytes        {}", fs::metadata(&args.file)?.len());
            Ok(())
        }
        Err(error) => {
            // Nothing half written stays.
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

/// The chain's sequencing window: as far as that the snapshot says what came before its block.
fn window(args: &ExportArgs) -> Result<u64> {
    let file = match &args.rollup {
        Some(file) => file.clone(),
        None => {
            let store = fs::canonicalize(&args.store)?;
            let files = store.ancestors().skip(1).take(2).map(|around| around.join("rollup.json"));
            files.into_iter().find(|file| file.is_file()).with_context(|| {
                format!("there is no rollup.json around {}: name it with --rollup", store.display())
            })?
        }
    };
    Ok(read_json::<RollupConfig>(&file)?.seq_window_size)
}

/// The block that is wanted, which must be safe.
fn pick(store: &Store, block: Option<u64>) -> Result<u64> {
    let safe = store.heads()?.safe.number;
    let number = block.unwrap_or(safe);
    ensure!(
        number <= safe,
        "block {number} is not safe: the safe head is {safe}, and what is above it may still change"
    );
    Ok(number)
}

/// Writes the file; gives what is in it.
fn write(args: &ExportArgs, part: &Path) -> Result<String> {
    let file = File::create(part).with_context(|| format!("cannot write {}", part.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let summary = match serve::fetch(&args.store, args.block, &mut out)? {
        Some(summary) => summary,
        None => {
            let window = window(args)?;
            let store = Store::open(&args.store, StoreOptions::default())?;
            let number = pick(&store, args.block)?;
            describe(&store.export_snapshot(number, window, &mut out)?)
        }
    };
    out.flush()?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    Ok(summary)
}

async fn import(args: ImportArgs) -> Result<()> {
    let chain = Chain::read(&args.data_dir, args.genesis.as_deref(), args.rollup.as_deref())?;
    let file =
        File::open(&args.file).with_context(|| format!("cannot open {}", args.file.display()))?;
    let expected = match args.output_root {
        Some(root) => root,
        None => anchor(&chain, args.l1_rpc).await?,
    };
    let follower = args.data_dir.join("follower");
    let target = args.store.unwrap_or_else(|| follower.join("l2"));
    // A node that runs there is not disturbed.
    let _claimed = target.starts_with(&follower).then(|| files::claim(&follower)).transpose()?;
    let input = BufReader::with_capacity(1 << 20, file);
    let summary = tokio::task::block_in_place(|| {
        let chain = (&chain.genesis, chain.rollup.seq_window_size);
        Store::import_snapshot(&target, chain, expected, input)
    });
    let summary = summary.context("the snapshot is not taken; nothing was changed")?;
    print!("{}", describe(&summary));
    println!("store        {}", target.display());
    Ok(())
}

/// The output root that L1 holds to be right. This is all that is believed, so every node that answers is asked.
async fn anchor(chain: &Chain, urls: Vec<Url>) -> Result<B256> {
    ensure!(!urls.is_empty(), "give --output-root or --l1-rpc");
    let mut found = None;
    let mut failed = None;
    for url in urls {
        match anchor_at(chain, url.clone()).await {
            Ok(anchor) => {
                let (root, number) = *found.get_or_insert(anchor);
                ensure!(
                    (root, number) == anchor,
                    "the L1 nodes do not agree: one has block {number} with output root {root} as the anchor, \
                     {} block {} with {}",
                    L1Urls::from(url),
                    anchor.1,
                    anchor.0
                );
            }
            Err(error) => {
                tracing::warn!("{error:#}");
                failed = Some(error);
            }
        }
    }
    match (found, failed) {
        (Some((root, number)), _) => {
            println!("anchor       block {number} with output root {root}");
            Ok(root)
        }
        (None, Some(error)) => Err(error),
        (None, None) => anyhow::bail!("no L1 node is named"),
    }
}

async fn anchor_at(chain: &Chain, url: Url) -> Result<(B256, U256)> {
    chain.connect(url.clone(), Vec::new()).await?;
    let provider = L1Urls::from(url).provider();
    let portal = OptimismPortal::new(chain.rollup.deposit_contract_address, provider.clone());
    let registry = portal
        .anchorStateRegistry()
        .call()
        .await
        .context("L1's portal names no anchor registry")?;
    let registry = AnchorStateRegistry::new(registry, provider);
    let anchor = registry.getAnchorRoot().call().await.context("L1 has no anchor")?;
    Ok((anchor.root, anchor.l2SequenceNumber))
}

/// For people, in lines.
fn describe(summary: &SnapshotSummary) -> String {
    let SnapshotSummary { chain_id, block, output_root, accounts, slots, codes } = summary;
    format!(
        "chain        {chain_id}\n\
         block        {} ({})\n\
         output root  {output_root}\n\
         state        {accounts} accounts, {slots} slots, {codes} codes\n",
        block.number, block.hash
    )
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
