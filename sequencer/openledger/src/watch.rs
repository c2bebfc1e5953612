//! `openledger attribution challenge` and `watch`: what anybody does about an epoch that does not hold.
//! Each epoch is recomputed from public inputs; one that is false, and whose fault the chain can decide,
//! is disputed while its window is open, and the reward withdrawn.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use models::Tokenizer;
use primitives::{L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV};
use serde::Serialize;
use service::{
    audit::{CorpusCache, audit_with},
    chain::{Chain, Contracts, EpochStatus},
    challenge::{self, Won},
    evidence::CollectedEvidence,
};

use crate::{audit::Inputs, demo::open, keystore::KeyArgs};

/// How often the chain is asked for a new epoch.
const POLL: Duration = Duration::from_millis(500);

/// Challenge one epoch if it is false.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger attribution challenge 7 --account 0\n  \
    openledger attribution challenge 7 --keystore watcher.json --password-file password.txt \\\n    \
    --l2-rpc http://127.0.0.1:9545 --gateway http://127.0.0.1:9550\n\n\
    The exit status is 0 if the epoch holds or was rejected.")]
pub struct ChallengeArgs {
    /// Number of the epoch.
    epoch: u64,
    #[command(flatten)]
    options: Options,
}

/// Challenge every false epoch.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger attribution watch --account 0\n  \
    openledger attribution watch --keystore watcher.json --password-file password.txt --json")]
pub struct WatchArgs {
    #[command(flatten)]
    options: Options,
}

/// Who challenges, with what.
#[derive(Debug, ClapArgs)]
struct Options {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    key: KeyArgs,
    /// Print one line of JSON per epoch.
    #[arg(long)]
    json: bool,
}

/// What came of an epoch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    pub epoch: u64,
    /// Whether every check of the audit held.
    pub ok: bool,
    /// Checks that did not hold.
    pub failed: Vec<String>,
    /// The rule that the chain was shown to be broken.
    pub fault: Option<String>,
    pub won: Option<Won>,
    pub challenger: Address,
    /// The challenger's credit, which was withdrawn to it, wei.
    pub withdrawn: U256,
}

pub async fn challenge(args: ChallengeArgs) -> Result<()> {
    let mut watcher = Watcher::new(&args.options).await?;
    let verdict = watcher.judge(args.epoch).await?;
    print(&verdict, args.options.json)?;
    ensure!(
        verdict.ok || verdict.won.is_some(),
        "epoch {} does not hold, and the chain cannot be shown why",
        args.epoch
    );
    Ok(())
}

pub async fn watch(args: WatchArgs) -> Result<()> {
    let mut watcher = Watcher::new(&args.options).await?;
    let mut judged = 0;
    loop {
        if let Some(epoch) = watcher.pending_after(judged).await? {
            match watcher.judge(epoch).await {
                Ok(verdict) => {
                    print(&verdict, args.options.json)?;
                    judged = epoch;
                }
                // Evidence may still come, and so may the node; the window is what ends it.
                Err(error) => tracing::warn!(epoch, %error, "cannot be judged; will retry"),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

struct Watcher {
    chain: Chain,
    key: Address,
    source: CollectedEvidence,
    tokenizer: Tokenizer,
    cache: CorpusCache,
}

impl Watcher {
    async fn new(options: &Options) -> Result<Self> {
        let (l2_rpc, _) = options.inputs.addresses()?;
        let reader = Chain::connect(l2_rpc.clone(), Contracts::default()).await?;
        let l1_chain_id = match reader.chain_id() {
            L2_CHAIN_ID_DEV => L1_CHAIN_ID_DEV,
            other => other,
        };
        let signer = options.key.load(l1_chain_id)?;
        Ok(Self {
            key: signer.address(),
            chain: Chain::connect_with_signer(l2_rpc, Contracts::default(), signer).await?,
            source: options.inputs.source()?,
            tokenizer: options.inputs.tokenizer()?,
            cache: CorpusCache::default(),
        })
    }

    /// The pending epoch, if it comes after `judged`.
    async fn pending_after(&self, judged: u64) -> Result<Option<u64>> {
        let last = match self.chain.next_epoch_id().await {
            Ok(next) => next.saturating_sub(1),
            Err(error) if error.is_temporary() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if last <= judged {
            return Ok(None);
        }
        let pending = self.chain.epoch(last).await?.status == EpochStatus::Posted;
        Ok(pending.then_some(last))
    }

    async fn judge(&mut self, epoch: u64) -> Result<Verdict> {
        let Self { chain, source, tokenizer, cache, .. } = self;
        let report = audit_with(chain, epoch, source, tokenizer, cache).await?;
        let failed = report.failures().map(|check| format!("{}: {}", check.name, check.detail));
        let mut verdict = Verdict {
            epoch,
            ok: report.ok,
            failed: failed.collect(),
            fault: None,
            won: None,
            challenger: self.key,
            withdrawn: U256::ZERO,
        };
        if report.ok {
            return Ok(verdict);
        }
        if let Some(fault) = challenge::find_fault(&self.chain, epoch, &self.source).await? {
            verdict.won = Some(challenge::prove(&self.chain, epoch, &fault).await?);
            verdict.fault = Some(fault.rule().to_owned());
            verdict.withdrawn = self.chain.credit(self.key).await?;
            self.chain.withdraw(self.key).await.context("the reward was not paid")?;
        }
        Ok(verdict)
    }
}

fn print(verdict: &Verdict, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(verdict)?);
        return Ok(());
    }
    let epoch = verdict.epoch;
    if verdict.ok {
        println!("epoch {epoch}: every check held");
        return Ok(());
    }
    for failed in &verdict.failed {
        println!("epoch {epoch}: BAD {failed}");
    }
    match (&verdict.fault, verdict.won) {
        (Some(fault), Some(won)) => println!(
            "epoch {epoch}: rejected ({fault}) by {} with {} gas; {} to {}, {} burned",
            won.transaction,
            won.gas,
            open(U256::from(won.reward)),
            verdict.challenger,
            open(U256::from(won.burned))
        ),
        (None, None) => println!("epoch {epoch}: false, but not in what its claims alone can show"),
        _ => bail!("a fault without a verdict"),
    }
    Ok(())
}
