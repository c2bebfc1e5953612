//! Flags of `openledger dev` and the checked configuration they become.

use std::path::PathBuf;

use ::l1::DataAvailability;
use anyhow::{Result, ensure};
use clap::{Args as ClapArgs, ValueEnum};
use primitives::{L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV};
use serde::{Deserialize, Serialize};
use url::Url;

use super::l1::claim_port;

/// Run the whole of OpenLedger on this machine.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger dev                                  everything on the usual ports, nothing kept\n  \
    openledger dev --data-dir ./chain               keep the chain; start again to continue it\n  \
    openledger dev --l1 anvil                       with Foundry's anvil as L1\n  \
    openledger dev --l1-url http://127.0.0.1:8545   over an L1 that runs already\n  \
    openledger dev --json --ports free              for scripts: one ready line, free ports")]
pub struct Args {
    /// Keep the chain in this directory and continue it at the next start. Without it the chain lives
    /// in a temporary directory and is gone afterwards.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print one machine-readable ready line instead of text.
    #[arg(long)]
    pub json: bool,
    /// The L1 to run: `embedded` in this process (the default), or Foundry's `anvil` beside it. A kept
    /// chain stays on the one that it was begun on.
    #[arg(long, value_enum)]
    pub l1: Option<L1Kind>,
    /// Use an L1 that runs already instead of starting one. Its development accounts must be funded.
    #[arg(long, value_name = "URL", conflicts_with = "l1")]
    pub l1_url: Option<String>,
    /// The beacon API of the L1, from which batches in blobs are read; of several (again, or after a comma) the
    /// next is asked for what one lacks. The L1s that this command starts serve it beside their JSON-RPC.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub l1_beacon_url: Vec<Url>,
    /// Where L2 blocks are posted on L1.
    #[arg(long, value_enum, default_value_t = Batches::Calldata)]
    pub batches: Batches,
    /// `fixed` uses the ports below, of which 0 stands for any free one; `free` takes such for all.
    #[arg(long, value_enum, default_value_t = Ports::Fixed)]
    pub ports: Ports,
    /// Port of the L1 node.
    #[arg(long, default_value_t = 8545)]
    pub l1_port: u16,
    /// Port of the L2 JSON-RPC, HTTP and WebSocket.
    #[arg(long, default_value_t = 9545)]
    pub l2_port: u16,
    /// Port of the verifier's JSON-RPC.
    #[arg(long, default_value_t = 9546)]
    pub verifier_port: u16,
    /// Port of the gateway (OpenAI API).
    #[arg(long, default_value_t = 9550)]
    pub gateway_port: u16,
    /// Seconds between L1 blocks (a new chain only).
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub l1_block_time: u64,
    /// L1 blocks that the embedded L1's `safe` tag trails its head by.
    #[arg(long, value_name = "BLOCKS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub l1_safe_lag: u64,
    /// L1 blocks that the embedded L1's `finalized` tag trails its head by.
    #[arg(long, value_name = "BLOCKS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub l1_finalized_lag: u64,
    /// Gas limit of an L2 block (a new chain only).
    #[arg(long, default_value_t = 60_000_000, value_parser = clap::value_parser!(u64).range(21_000_000..=500_000_000))]
    pub gas_limit: u64,
    /// L1 blocks within which a batch counts; after that anyone's node goes on without the sequencer
    /// (a new chain only).
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(10..))]
    pub sequencing_window: u64,
    /// L2 blocks between two proposals on L1.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub proposal_interval: u64,
    /// Seconds of an attribution epoch (a new chain only).
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    pub epoch_seconds: u64,
    /// Seconds in which an epoch can be challenged (a new chain only).
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub challenge_window: u32,
    /// The language model, a GGUF file of SmolLM2-135M-Instruct; `./scripts/setup` fetches it.
    #[arg(long, value_name = "FILE", env = "OPENLEDGER_MODEL")]
    pub model: Option<PathBuf>,
    /// Compile with this and verify contracts' sources at `/api` of the L2 JSON-RPC, as `forge
    /// verify-contract` asks for it. It must take standard JSON as `solc` does; several, separated by
    /// commas, serve several versions. Without it verification is off.
    #[arg(long, value_name = "FILE", env = "OPENLEDGER_VERIFY_SOLC", value_delimiter = ',')]
    pub verify_solc: Vec<PathBuf>,
}

/// The L1 that `dev` runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum L1Kind {
    Embedded,
    Anvil,
}

impl std::fmt::Display for L1Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Anvil => "anvil",
        })
    }
}

/// How ports are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ports {
    Fixed,
    Free,
}

/// Checked ports: each was free a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct ClaimedPorts {
    pub l1: u16,
    pub l2: u16,
    pub verifier: u16,
    pub gateway: u16,
}

/// Where L2 blocks are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Batches {
    /// Call data of L1 transactions.
    Calldata,
    /// EIP-4844 blobs.
    Blobs,
    /// Whichever is cheaper at the moment.
    Cheapest,
}

impl From<Batches> for DataAvailability {
    fn from(batches: Batches) -> Self {
        match batches {
            Batches::Calldata => Self::Calldata,
            Batches::Blobs => Self::Blobs,
            Batches::Cheapest => Self::Cheapest,
        }
    }
}

impl Args {
    /// Checks every port before anything is started.
    pub fn claim_ports(&self) -> Result<ClaimedPorts> {
        let mut claimed = Vec::new();
        let mut claim = |port, what, flag| {
            let asked = if self.ports == Ports::Free { 0 } else { port };
            let port = claim_port(asked, what, flag, &claimed)?;
            ensure!(
                !claimed.contains(&port),
                "two services were given the same port: --l1-port, --l2-port, --verifier-port and \
                 --gateway-port must differ"
            );
            claimed.push(port);
            Ok(port)
        };
        Ok(ClaimedPorts {
            l1: match &self.l1_url {
                Some(_) => 0,
                None => claim(self.l1_port, "the L1 node", "--l1-port")?,
            },
            l2: claim(self.l2_port, "the L2 JSON-RPC", "--l2-port")?,
            verifier: claim(self.verifier_port, "the verifier", "--verifier-port")?,
            gateway: claim(self.gateway_port, "the gateway", "--gateway-port")?,
        })
    }
}

/// Chain ids of a development chain, fixed so that wallets recognise it.
pub const CHAIN_IDS: (u64, u64) = (L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV);
