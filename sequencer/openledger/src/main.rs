//! `openledger`: one binary for the development chain, the demo, the auditor and customers' tools.

mod acting;
mod agent;
mod audit;
mod bridge;
mod customer;
mod db;
mod demo;
mod deploy;
mod dev;
mod economy;
mod ethereum;
mod explain;
mod follow;
mod genesis;
mod included;
mod keys;
mod keystore;
mod limits;
mod roles;
mod rollup;
mod snapshot;
mod sponsor;
mod verify;
mod watch;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// The open implementation of OpenLedger: an EVM-compatible L2 where AI contribution is measured and
/// paid.
#[derive(Debug, Parser)]
#[command(
    name = "openledger",
    version,
    propagate_version = true,
    after_help = "Examples:\n  \
        openledger dev                          run everything on this machine\n  \
        openledger dev --data-dir ./chain       the same, and keep the chain\n  \
        openledger demo                         drive the whole loop and print the proofs\n  \
        openledger economy simulate             what a Datanet would pay under given traffic
  \
        openledger attribution audit 1          recompute an epoch from public inputs\n  \
        openledger attribution explain 0        why somebody was paid, from receipt 0 on\n  \
        openledger attribution watch            and every new one, challenging what is false\n  \
        openledger verify --range 1..100        execute blocks again, from witnesses\n  \
        openledger bridge deposit --amount 25   bridge OPEN from L1\n  \
        openledger bridge withdraw --amount 5 --wait   and back again\n  \
        openledger customer key                 an API key for the gateway\n  \
        openledger import --genesis genesis.json chain.rlp   an Ethereum chain from a file\n  \
        openledger node                         serve it\n  \
        openledger deploy --print-plan public   a chain of one's own on any L1\n  \
        openledger node --role sequencer --l1-rpc URL   its processes, one by one\n\n\
        Logs: set RUST_LOG, e.g. RUST_LOG=info or RUST_LOG=sequencer_node=debug; --log-json for JSON lines."
)]
struct Cli {
    /// Write logs as JSON lines instead of text.
    #[arg(long, global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run L1, L2, batcher, verifier, attribution engine and gateway on this machine.
    Dev(dev::Args),
    /// Drive the loop as real users would: bridge, contribute, ask, attribute, claim, audit.
    Demo(demo::Args),
    /// The attribution engine's public side.
    #[command(subcommand)]
    Attribution(audit::Command),
    /// What the rules of the economy pay, before anybody commits to them.
    #[command(subcommand)]
    Economy(economy::Command),
    /// Move OPEN between the layers.
    #[command(subcommand)]
    Bridge(bridge::Command),
    /// Put a chain's contracts on an L1 and write its genesis.json, rollup.json and addresses.json.
    Deploy(deploy::Args),
    /// Follow a chain from L1 alone, with or without its sequencer.
    Follow(follow::Args),
    /// Propose L2's outputs on L1.
    Proposer(roles::ProposerArgs),
    /// Sign what was executed again, when asked.
    Attestor(roles::AttestorArgs),
    /// Challenge wrong proposals, decide games, pay bonds.
    Challenger(roles::ChallengerArgs),
    /// Encrypted keys of roles.
    #[command(subcommand)]
    Key(keystore::Command),
    /// Execute blocks again without their state and compare everything that follows.
    Verify(verify::Args),
    /// Examine the chain on disk.
    #[command(subcommand)]
    Db(db::Command),
    /// The state after a safe block as a file: made by one node, taken by another.
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Import an Ethereum chain from a file of blocks.
    Import(ethereum::ImportArgs),
    /// Run a role of a rollup (--role), or a node of an Ethereum chain.
    Node(ethereum::NodeArgs),
    /// What an inference customer needs: escrow, authorisation, API keys.
    #[command(subcommand)]
    Customer(customer::Command),
    /// First OPEN for newcomers who hold none.
    #[command(subcommand)]
    Sponsor(sponsor::Command),
    /// Agents with purses that buy inference up to a cap.
    #[command(subcommand)]
    Agent(agent::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logs(cli.log_json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Dev(args) => dev::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Attribution(command) => audit::run(command).await,
            Command::Economy(command) => economy::run(command).await,
            Command::Bridge(command) => bridge::run(command).await,
            Command::Deploy(args) => deploy::run(args).await,
            Command::Follow(args) => follow::run(args).await,
            Command::Proposer(args) => roles::propose(args).await,
            Command::Attestor(args) => roles::attest(args).await,
            Command::Challenger(args) => roles::challenge(args).await,
            Command::Key(command) => keystore::run(command),
            Command::Verify(args) => verify::run(args).await,
            Command::Db(command) => db::run(command),
            Command::Snapshot(command) => snapshot::run(command).await,
            Command::Import(args) => tokio::task::block_in_place(|| ethereum::import(&args)),
            Command::Node(args) => ethereum::run(args).await,
            Command::Customer(command) => customer::run(command).await,
            Command::Sponsor(command) => sponsor::run(command).await,
            Command::Agent(command) => agent::run(command).await,
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error, so that standard output stays what the command prints.
fn init_logs(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // Colours are for people: in a file they are noise, and in the way of who searches it.
    let colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.init();
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_payment_is_asked_for_by_receipt_or_by_epoch_and_account() {
        let account = "0x00000000000000000000000000000000000000aa";
        for (arguments, fits) in [
            (&["3", "--json"][..], true),
            (&["--epoch", "2", "--account", account], true),
            (&["--epoch", "2"], false),
            (&["3", "--epoch", "2", "--account", account], false),
            (&[], false),
        ] {
            let line = [&["openledger", "attribution", "explain"], arguments].concat();
            assert_eq!(Cli::try_parse_from(line).is_ok(), fits, "{arguments:?}");
        }
    }
}
