//! What the demo prints: numbered steps with their proofs, and ledgers that must sum to zero. With
//! `--json` the same content is one JSON document at the end.

use std::collections::BTreeMap;

use alloy_primitives::{I256, U256, utils::format_ether};
use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;

/// A numbered step, what happened, and how to check it.
#[derive(Debug, Serialize)]
pub struct Step {
    pub number: usize,
    pub title: String,
    pub happened: Vec<String>,
    pub proof: Vec<Proof>,
}

/// One named piece of evidence: a transaction hash, a root, an amount.
#[derive(Debug, Serialize)]
pub struct Proof {
    pub name: String,
    pub value: String,
}

/// Movements of OPEN in wei, positive for who received.
#[derive(Debug, Serialize)]
pub struct Ledger {
    pub title: String,
    pub rows: Vec<LedgerRow>,
    /// Always zero; kept so that a reader of the JSON need not add up.
    pub sum: I256,
}

/// One party's movement.
#[derive(Debug, Serialize)]
pub struct LedgerRow {
    pub party: String,
    pub wei: I256,
}

/// Collects steps and ledgers, printing them as they happen unless JSON was asked for.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(skip)]
    json: bool,
    pub ok: bool,
    pub steps: Vec<Step>,
    pub ledgers: Vec<Ledger>,
    /// Wei by contributor.
    pub earned: BTreeMap<String, String>,
    /// What a program that ran the demo goes on with: the model, a key, the epoch.
    #[serde(flatten)]
    pub facts: BTreeMap<String, Value>,
}

impl Report {
    pub const fn new(json: bool) -> Self {
        Self {
            json,
            ok: false,
            steps: Vec::new(),
            ledgers: Vec::new(),
            earned: BTreeMap::new(),
            facts: BTreeMap::new(),
        }
    }

    /// Records what a contributor was paid.
    pub fn earned(&mut self, who: &str, wei: U256) {
        self.earned.insert(who.to_owned(), wei.to_string());
    }

    /// Adds a fact to the JSON document.
    pub fn set(&mut self, name: &str, value: Value) {
        self.facts.insert(name.to_owned(), value);
    }

    /// Opens a step.
    pub fn step(&mut self, title: &str) {
        let number = self.steps.len() + 1;
        if !self.json {
            println!("\n{number}. {title}");
        }
        self.steps.push(Step {
            number,
            title: title.to_owned(),
            happened: Vec::new(),
            proof: Vec::new(),
        });
    }

    /// Says what happened in the current step.
    pub fn say(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.json {
            println!("   {text}");
        }
        if let Some(step) = self.steps.last_mut() {
            step.happened.push(text);
        }
    }

    /// Adds evidence to the current step.
    pub fn proof(&mut self, name: impl Into<String>, value: impl ToString) {
        let proof = Proof { name: name.into(), value: value.to_string() };
        if !self.json {
            println!("      {:<24} {}", proof.name, proof.value);
        }
        if let Some(step) = self.steps.last_mut() {
            step.proof.push(proof);
        }
    }

    /// Tells at the end of this what another one collected.
    pub fn append(&mut self, other: Self) {
        for step in other.steps {
            self.step(&step.title);
            step.happened.into_iter().for_each(|text| self.say(text));
            step.proof.into_iter().for_each(|proof| self.proof(proof.name, proof.value));
        }
        for ledger in other.ledgers {
            self.print_ledger(&ledger);
            self.ledgers.push(ledger);
        }
    }

    fn print_ledger(&self, ledger: &Ledger) {
        if self.json {
            return;
        }
        println!("\n   {}", ledger.title);
        for row in &ledger.rows {
            println!("      {:<44} {:>32}", row.party, signed_open(row.wei));
        }
        println!("      {:<44} {:>32}", "sum", signed_open(ledger.sum));
    }

    /// Prints a ledger and fails unless it balances to the wei.
    pub fn ledger(&mut self, title: &str, rows: Vec<LedgerRow>) -> Result<()> {
        let sum = rows.iter().fold(I256::ZERO, |sum, row| sum.wrapping_add(row.wei));
        let ledger = Ledger { title: title.to_owned(), rows, sum };
        self.print_ledger(&ledger);
        self.ledgers.push(ledger);
        ensure!(sum.is_zero(), "the ledger \"{title}\" does not balance: it sums to {sum} wei");
        Ok(())
    }

    /// Marks the run as held and prints the JSON document if asked for.
    pub fn finish(mut self) -> Result<()> {
        self.ok = true;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&self)?);
        } else {
            println!("\nEvery step held.");
        }
        Ok(())
    }
}

/// `after - before` of two balances.
pub fn difference(before: U256, after: U256) -> I256 {
    I256::from_raw(after).wrapping_sub(I256::from_raw(before))
}

/// Wei as OPEN, for people.
pub fn open(wei: U256) -> String {
    format!("{} OPEN", trim(&format_ether(wei)))
}

fn signed_open(wei: I256) -> String {
    let sign = if wei.is_negative() { "-" } else { "" };
    format!("{sign}{}", format_ether(wei.unsigned_abs()))
}

fn trim(decimal: &str) -> &str {
    if decimal.contains('.') {
        decimal.trim_end_matches('0').trim_end_matches('.')
    } else {
        decimal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(party: &str, wei: i64) -> LedgerRow {
        LedgerRow { party: party.into(), wei: I256::try_from(wei).unwrap() }
    }

    #[test]
    fn a_ledger_off_by_one_wei_fails() {
        let mut report = Report::new(true);
        report.ledger("even", vec![row("a", -5), row("b", 3), row("c", 2)]).unwrap();
        let error = report.ledger("odd", vec![row("a", -5), row("b", 4)]).unwrap_err().to_string();
        assert!(error.contains("sums to -1 wei"), "{error}");
    }

    #[test]
    fn what_another_report_collected_is_told_at_the_end() {
        let mut other = Report::new(true);
        other.step("second");
        other.say("it happened");
        other.proof("hash", 7);
        other.ledger("even", vec![row("a", -5), row("b", 5)]).unwrap();
        let mut report = Report::new(true);
        report.step("first");
        report.append(other);
        let [_, told] = report.steps.as_slice() else { panic!("{:?}", report.steps) };
        assert_eq!((told.number, told.title.as_str()), (2, "second"));
        assert_eq!(told.happened, ["it happened"]);
        assert_eq!((told.proof[0].name.as_str(), told.proof[0].value.as_str()), ("hash", "7"));
        assert_eq!(report.ledgers[0].rows.len(), 2);
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!(open(U256::from(10).pow(U256::from(18))), "1 OPEN");
        assert_eq!(open(U256::from(1_500_000_000_000_000_000_u64)), "1.5 OPEN");
        assert_eq!(signed_open(I256::try_from(-1).unwrap()), "-0.000000000000000001");
        assert_eq!(difference(U256::from(7), U256::from(5)), I256::try_from(-2).unwrap());
    }
}
