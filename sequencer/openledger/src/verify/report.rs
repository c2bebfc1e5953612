//! What a verification found.

use alloy_primitives::B256;
use primitives::{Block, Witness};
use serde::Serialize;

/// As `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub chain_id: u64,
    /// First block asked for.
    pub first: u64,
    /// Hash of the block before it, from which everything follows.
    pub anchor: B256,
    /// Whose word that hash is.
    pub anchor_from: &'static str,
    /// Blocks that hold.
    pub blocks: u64,
    pub last: Option<Last>,
    pub transactions: u64,
    pub gas: u64,
    pub witness_bytes: u64,
    /// Blocks whose output root is the one that the node states.
    pub output_roots: u64,
    /// Blocks whose inputs are L1's.
    pub l1_inputs: u64,
    pub seconds: f64,
    pub failure: Option<Failure>,
}

/// The last block that holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Last {
    pub number: u64,
    pub hash: B256,
    pub output_root: B256,
}

/// The first block that does not.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub block: u64,
    pub reason: String,
}

impl Report {
    pub(super) fn new(
        chain_id: u64,
        first: u64,
        anchor: B256,
        trusted: Option<B256>,
        configured: Option<B256>,
    ) -> Self {
        let anchor_from = match (trusted, configured) {
            (Some(_), _) => "the command line",
            (None, Some(_)) => "the rollup configuration's genesis",
            (None, None) => "the source",
        };
        Self {
            chain_id,
            first,
            anchor,
            anchor_from,
            blocks: 0,
            last: None,
            transactions: 0,
            gas: 0,
            witness_bytes: 0,
            output_roots: 0,
            l1_inputs: 0,
            seconds: 0.0,
            failure: None,
        }
    }

    /// Counts a block that holds.
    pub(super) fn add(&mut self, block: &Block, witness: &Witness, output_root: B256) {
        self.blocks += 1;
        self.transactions += block.body.transactions.len() as u64;
        self.gas += block.header.gas_used;
        self.witness_bytes += witness.payload_bytes() as u64;
        self.last = Some(Last { number: block.header.number, hash: block.hash, output_root });
    }

    pub(super) fn fail(&mut self, block: u64, reason: String) {
        self.failure = Some(Failure { block, reason });
    }

    /// For people.
    pub(super) fn print(&self) {
        println!(
            "chain {}: {} blocks from {} on, {} transactions, {} gas, {} KiB of witnesses, {:.1} s",
            self.chain_id,
            self.blocks,
            self.first,
            self.transactions,
            self.gas,
            self.witness_bytes / 1_024,
            self.seconds
        );
        println!("  trusted    block {} is {} ({})", self.first - 1, self.anchor, self.anchor_from);
        if let Some(last) = &self.last {
            println!(
                "  execution  every header field follows, up to block {} {}",
                last.number, last.hash
            );
            println!("  chain      unbroken from the trusted block on");
            match self.output_roots {
                0 => println!(
                    "  outputs    the source states none; the last is {}",
                    last.output_root
                ),
                count => println!(
                    "  outputs    {count} are as the node states; the last is {}",
                    last.output_root
                ),
            }
            match self.l1_inputs {
                0 => println!("  L1 inputs  not compared: give --l1-rpc"),
                count => println!(
                    "  L1 inputs  {count} blocks took what L1 forces, and no other deposits"
                ),
            }
        }
        if let Some(failure) = &self.failure {
            println!("  FAILED     block {}: {}", failure.block, failure.reason);
        }
    }
}
