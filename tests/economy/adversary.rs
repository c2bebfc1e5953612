//! Attacks on the economy with real transactions, on a chain that the command starts for them.

use std::process::Command;

use alloy_primitives::I256;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::harness::{binary, root};

#[test]
fn every_attack_on_the_economy_costs_its_author() -> Result<()> {
    let output = Command::new(binary()?)
        .current_dir(root())
        .args(["economy", "adversary", "--json"])
        .output()
        .context("cannot run openledger")?;
    ensure!(
        output.status.success(),
        "goals were missed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    ensure!(lines.len() == 34, "{} attacks were made", lines.len());
    let mut rejected = 0;
    for line in &lines {
        ensure!(line["holds"] == true, "{line}");
        // Panels that a briber would hold are drawn beside those that it pays for.
        if let Some(gain) = line["gain"].as_str() {
            ensure!(gain.parse::<I256>()? <= I256::ZERO, "somebody gained: {line}");
        }
        if let Some(gas) = line["gas"].as_u64() {
            ensure!(gas < 1_500_000, "{line}");
            rejected += 1;
        }
    }
    // Five false epochs, copies of three sizes, a paraphrase; and what is refused within a payment.
    ensure!(rejected == 10, "{rejected} attacks were turned away");
    Ok(())
}
