//! `openledger attribution explain`: why somebody was paid, step by step from a receipt to a payment, each checked against
//! the chain and the evidence.

use alloy_primitives::{Address, U256};
use anyhow::{Result, bail};
use clap::Args as ClapArgs;
use service::{
    chain::{Chain, Contracts},
    explain::{Explanation, Question, explain},
};

use crate::{audit::Inputs, demo::open};

/// Go from a receipt to the payments that it makes: spans, documents, clusters, weights, the split of the fee, claims.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger attribution explain 3                                whom does receipt 3 pay, and why?\n  \
    openledger attribution explain --epoch 2 --account 0x1234…abcd  why was this account paid?\n  \
    openledger attribution explain 3 --json\n\n\
    The exit status is 0 only if every step holds.")]
pub struct ExplainArgs {
    /// Number of the receipt, as the answer told it.
    #[arg(required_unless_present = "epoch")]
    receipt: Option<u64>,
    /// Explain all that this epoch pays an account instead.
    #[arg(long, requires = "account", conflicts_with = "receipt")]
    epoch: Option<u64>,
    /// The account.
    #[arg(long, value_name = "ADDRESS", requires = "epoch")]
    account: Option<Address>,
    /// Account of the gateway whose receipt it is, where several settle on the chain.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "epoch")]
    gateway_account: Option<Address>,
    #[command(flatten)]
    inputs: Inputs,
    /// Print as JSON; amounts are wei.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ExplainArgs) -> Result<()> {
    let question = match (args.receipt, args.epoch, args.account) {
        (Some(number), ..) => Question::Receipt { number, gateway: args.gateway_account },
        (None, Some(epoch), Some(account)) => Question::Account { epoch, account },
        _ => bail!("name a receipt, or an epoch and an account"),
    };
    let (l2_rpc, _) = args.inputs.addresses()?;
    let chain = Chain::connect(l2_rpc, Contracts::default()).await?;
    let tokenizer = args.inputs.tokenizer()?;
    let explained = explain(&chain, question, &args.inputs.source()?, &tokenizer).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&explained)?);
    } else {
        explained.iter().for_each(print);
    }
    let failed: Vec<String> = explained
        .iter()
        .flat_map(|one| {
            one.checks.iter().filter(|check| !check.ok).map(|check| (one.receipt, check))
        })
        .map(|(receipt, check)| format!("receipt {receipt}: {}: {}", check.name, check.detail))
        .collect();
    if !failed.is_empty() {
        bail!("not every step holds: {}", failed.join("; "));
    }
    Ok(())
}

fn print(x: &Explanation) {
    println!("receipt {} of epoch {} ({:?})", x.receipt, x.epoch, x.status);
    println!("  receipt hash     {}", x.receipt_hash);
    println!("  record           {}", x.attribution_hash);
    println!("  posted in        {}", x.posted);
    println!("  asked            {}", line(&x.question));
    println!("  answered by      {} (model {}), {} tokens", x.model_name, x.model, x.answer_tokens);
    println!(
        "words that are somebody's (a span earns what it surprises by above {})",
        bits(x.floor_millibits)
    );
    for span in &x.spans {
        let document = span.document.map_or(String::new(), |index| format!(", document {index}"));
        println!("  tokens {}–{}: \"{}\"", span.start, span.end, line(&span.text));
        println!(
            "    first said in contribution {}{document} by {}{}",
            span.contribution,
            span.contributor.map_or("?".to_owned(), |contributor| contributor.to_string()),
            match (span.cluster, span.cluster_document) == (span.contribution, span.document) {
                true => String::new(),
                false => format!(
                    "; credited to contribution {}{}, its original",
                    span.cluster,
                    span.cluster_document
                        .map_or(String::new(), |index| format!(", document {index}"))
                ),
            }
        );
        println!(
            "    surprise {}, credit {}",
            bits(span.surprise_millibits),
            bits(span.credit_millibits)
        );
    }
    if x.spans.is_empty() {
        println!("  none");
    }
    println!(
        "weights (credit of {} in the whole answer; one cluster's share is capped)",
        bits(x.surprise_millibits)
    );
    for weight in &x.weights {
        println!(
            "  contribution {} of Datanet {}: {} → {} to {}",
            weight.cluster,
            weight.datanet,
            share(weight.weight),
            wei(weight.paid),
            weight.payee
        );
    }
    println!("  nobody's: {}", share(x.residual));
    println!("fee {}", wei(x.fee.fee));
    println!("  platform         {}", wei(x.fee.platform));
    println!("  stakers          {}", wei(x.fee.stakers));
    println!("  model            {} to {}", wei(x.fee.model), x.fee.model_payee);
    for royalty in &x.fee.royalties {
        println!(
            "  royalty          {} to {} for model {} ({} bp of the model share)",
            wei(royalty.amount),
            royalty.payee,
            royalty.model,
            royalty.bps
        );
    }
    println!(
        "  contributors     {}, of which the sink {}",
        wei(x.fee.contributors),
        wei(x.fee.unattributed)
    );
    println!("claims");
    for claim in &x.claims {
        println!(
            "  {} from Datanet {}: {} by this receipt, {} by the epoch; {} in all, {} claimed, {} to claim",
            claim.account,
            claim.datanet,
            wei(claim.receipt),
            wei(claim.epoch),
            wei(claim.cumulative),
            wei(claim.claimed),
            wei(claim.claimable)
        );
    }
    for check in &x.checks {
        println!("  {} {:<42} {}", if check.ok { "ok " } else { "BAD" }, check.name, check.detail);
    }
}

/// Text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bits(thousandths: u64) -> String {
    format!("{}.{:03} bits", thousandths / 1_000, thousandths % 1_000)
}

/// A part of 1,000,000,000 in per cent.
fn share(part: u32) -> String {
    format!("{}.{:07} %", part / 10_000_000, part % 10_000_000)
}

fn wei(amount: u128) -> String {
    open(U256::from(amount))
}
