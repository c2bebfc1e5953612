//! `bench-node`: what a transaction and a call cost a node, beside anvil and, if it was built
//! (`benches/ethrex`), ethrex, in one run with one load. Only transactions found in blocks count, a
//! sample of their receipts must be successes and every sender's nonce right. CPU time is printed beside
//! rates, since wall clocks lie on busy machines, and this program's own beside the node's.
//!
//! ```sh
//! cargo build --workspace && target/debug/bench-node all
//! ```

mod client;
mod import;
mod load;
mod lone;
mod suites;
mod target;

use std::path::PathBuf;

use anyhow::Result;
use benches::world;
use clap::{Args, Parser, Subcommand};
use target::Peer;

/// Measures the sequencer beside other nodes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  bench-node all                             every figure, as one table (about five minutes)
  bench-node transfers --accounts 1000000    transfers on a large state
  bench-node reads --alone --ethrex BINARY   reads beside ethrex only
  bench-node growth --accounts 10000000      the sequencer alone, from small to large states"
)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Every suite on small states, as the table of docs/benchmarks.md.
    All(Load),
    /// Included native transfers, single requests and batches, beside other nodes.
    Transfers(Load),
    /// Included ERC-20 transfers over native ones.
    Erc20(Load),
    /// Send → receipt with `eth_sendRawTransactionSync`: idle, 16 connections, half of saturation.
    Latency(Load),
    /// blockNumber, getBalance, call: single and in batches of 20, beside other nodes.
    Reads(Load),
    /// `eth_getLogs` of one recipient, beside anvil.
    Logs(Load),
    /// Throughput kept while reads run at half of their limit.
    Mixed(Load),
    /// Resident memory per transaction kept in history.
    History(Load),
    /// Blocks imported against revm alone on the same blocks.
    Import(Load),
    /// CPU per transfer, memory and start from disk at 10^4 accounts and ten times more each time, up
    /// to `--accounts`.
    Growth(Load),
    /// The sequencer that the suites start.
    #[command(hide = true)]
    Lone {
        directory: PathBuf,
        #[command(flatten)]
        load: Load,
    },
}

/// How large a load.
#[derive(Clone, Debug, Args)]
pub struct Load {
    /// Transactions in each measurement.
    #[arg(long, default_value_t = 10_000)]
    transactions: usize,
    /// Senders; each sends its share in nonce order.
    #[arg(long, default_value_t = 1_000)]
    senders: usize,
    /// Funded accounts beside the senders; they receive.
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    /// Requests in flight.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Transactions in a batch, where batches are measured.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Gas limit of a block on both nodes.
    #[arg(long, default_value_t = 3_000_000_000)]
    gas_limit: u64,
    /// Runs of the comparisons with other nodes, of `erc20` and of `mixed`, in turn; medians count.
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Measure the sequencer of another build of this program instead of its own.
    #[arg(long, value_name = "BENCH_NODE")]
    sequencer: Option<PathBuf>,
    /// Leave anvil out.
    #[arg(long)]
    alone: bool,
    /// Measure ethrex too: the binary that `benches/ethrex` builds.
    #[arg(long, value_name = "BINARY")]
    ethrex: Option<PathBuf>,
    /// An option for that binary, such as `--rebuild`; may be repeated.
    #[arg(long, requires = "ethrex", allow_hyphen_values = true, value_name = "OPTION")]
    ethrex_option: Vec<String>,
    /// Print the sequencer's CPU time by thread.
    #[arg(long)]
    threads: bool,
}

impl Load {
    /// Whom the sequencer is measured beside.
    fn peers(&self) -> Vec<Peer> {
        let anvil = (!self.alone).then_some(Peer::Anvil);
        let ethrex = self.ethrex.clone();
        let options = self.ethrex_option.clone();
        let ethrex = ethrex.map(|binary| Peer::Ethrex { binary, options });
        anvil.into_iter().chain(ethrex).collect()
    }
}

fn main() -> Result<()> {
    match Cli::parse().suite {
        Suite::All(load) => suites::all(&load),
        Suite::Transfers(load) => suites::transfers(&load).map(suites::print),
        Suite::Erc20(load) => suites::erc20(&load).map(suites::print),
        Suite::Latency(load) => suites::latency(&load).map(suites::print),
        Suite::Reads(load) => suites::reads(&load).map(suites::print),
        Suite::Logs(load) => suites::logs(&load).map(suites::print),
        Suite::Mixed(load) => suites::mixed(&load).map(suites::print),
        Suite::History(load) => suites::history(&load).map(suites::print),
        Suite::Import(load) => import::import(&load).map(suites::print),
        Suite::Growth(load) => suites::growth(&load).map(suites::print),
        Suite::Lone { directory, load } => {
            tracing_subscriber::fmt()
                .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
                .with_writer(std::io::stderr)
                .init();
            let world = world::World::new(load.senders, load.accounts)?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(lone::run(&directory, &world, load.gas_limit))
        }
    }
}
