//! Repository chores longer than a few lines of shell: `cargo xtask --help`.

mod artifacts;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Repository chores.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    after_help = "Examples:\n  cargo xtask artifacts\n  cargo xtask artifacts --check"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the contracts and cut what Rust embeds into contracts/artifacts.
    Artifacts {
        /// Write nothing; fail if a committed artifact differs from a rebuild.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Artifacts { check } => artifacts::run(check),
    }
}
