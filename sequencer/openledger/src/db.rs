//! `openledger db`: the chain on disk, while no node runs on it.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use store::doctor::{Examination, examine};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read everything again and say whether it is sound, and what to do if it is not.
    ///
    /// Replays the block log, then compares every header, body, receipt and lookup with the hashes
    /// that commit to them, and the state root with the root of every account and slot. Changes
    /// nothing but what opening does: a record that was torn off by a crash is removed.
    Doctor(Doctor),
}

#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Directory of a chain store, or of `openledger dev --data-dir`: then every store in it.
    directory: PathBuf,
    /// Print one JSON object per store.
    #[arg(long)]
    json: bool,
}

pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Doctor(args) = command;
    let stores = stores(&args.directory)?;
    let mut damaged = 0;
    for path in &stores {
        eprintln!("examining {}", path.display());
        let result = examine(path, |block, last| eprint!("\r  block {block} of {last} "));
        eprintln!();
        let result = result?;
        damaged += usize::from(result.found > 0);
        if args.json { print_json(path, &result) } else { print_text(&result) }
    }
    if damaged > 0 {
        bail!(
            "{damaged} of {} stores are damaged: restore a copy, or delete the directory; a follower \
             derives the chain again from L1, a sequencer loses what was not yet safe",
            stores.len()
        );
    }
    Ok(())
}

/// The directory itself, or the stores below it.
fn stores(directory: &PathBuf) -> anyhow::Result<Vec<PathBuf>> {
    if directory.join("mdbx.dat").exists() {
        return Ok(vec![directory.clone()]);
    }
    let entries = std::fs::read_dir(directory)
        .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", directory.display()))?;
    let mut stores: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("mdbx.dat").exists())
        .collect();
    stores.sort();
    if stores.is_empty() {
        bail!("there is no chain data in {}", directory.display());
    }
    Ok(stores)
}

fn print_text(result: &Examination) {
    println!(
        "  head {} ({}), safe {}, finalized {}",
        result.heads.unsafe_head.number,
        result.heads.unsafe_head.hash,
        result.heads.safe.number,
        result.heads.finalized.number
    );
    println!(
        "  {} blocks, {} transactions, {} accounts, {} slots",
        result.blocks, result.transactions, result.accounts, result.slots
    );
    if result.ancestors > 0 {
        println!("  {} blocks before its snapshot", result.ancestors);
    }
    if result.log_cut > 0 {
        println!(
            "  {} bytes torn off by a crash were cut from the log; nothing durable was lost",
            result.log_cut
        );
    }
    for finding in &result.findings {
        println!("  DAMAGED: {finding}");
    }
    match result.found.saturating_sub(result.findings.len() as u64) {
        0 if result.found == 0 => println!("  sound"),
        0 => {}
        more => println!("  and {more} more"),
    }
}

fn print_json(path: &std::path::Path, result: &Examination) {
    let object = serde_json::json!({
        "store": path,
        "head": result.heads.unsafe_head,
        "safe": result.heads.safe,
        "finalized": result.heads.finalized,
        "blocks": result.blocks,
        "ancestors": result.ancestors,
        "transactions": result.transactions,
        "accounts": result.accounts,
        "slots": result.slots,
        "logBytesCut": result.log_cut,
        "found": result.found,
        "findings": result.findings,
    });
    println!("{object}");
}
