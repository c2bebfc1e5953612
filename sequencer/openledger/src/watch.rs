//! `openledger attribution challenge` and `watch`: what anybody does about an epoch that does not hold.
//! Each epoch is recomputed from public inputs. One that is false, and whose fault the chain can decide, is
//! disputed while its window is open: by commitment, so that nobody who copies it gains, and the share of
//! the reward is withdrawn. What a poster does not publish it has to disclose on chain, or loses the epoch; what it
//! discloses is looked through like anybody's evidence.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use models::Tokenizer;
use primitives::{L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV};
use serde::Serialize;
use service::{
    audit::{AuditError, CorpusCache, audit_with},
    chain::{Chain, ChainError, Contracts, EpochStatus, Missing},
    challenge::{self, ChallengeError, Fault, Won},
    disclosed::{Compelled, compel},
    drills::Drills,
    evidence::CollectedEvidence,
};

use crate::{audit::Inputs, demo::open, economy::drill, keystore::KeyArgs};

/// How often the chain is asked for a new epoch.
const POLL: Duration = Duration::from_millis(500);
/// How often evidence is looked for in vain before it is demanded on chain.
const PATIENCE: u32 = 2;

/// How many looks for an epoch there are to one for drills, which last a day.
const LOOKS: u32 = 60;
/// How far back drills are looked for, blocks.
const DRILL_BLOCKS: u64 = 4 * 86_400;

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
    /// What was paid to the challenger, stakes included, wei.
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
    let mut drills = Drills::on(&watcher.chain).await?;
    let (mut judged, mut waited, mut look) = (0, 0, 0_u32);
    loop {
        if let Some(drills) = drills.as_mut().filter(|_| look.is_multiple_of(LOOKS)) {
            // Those of a few days; what came before is over.
            let from = watcher.chain.latest_block().await.map_or(0, |(number, _)| number);
            let drilled = drill::tend(&watcher.chain, drills, from.saturating_sub(DRILL_BLOCKS));
            match drilled.await {
                // Beside the verdicts, of which standard output has a line each.
                Ok(done) => done.iter().for_each(|done| eprintln!("{done}")),
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "drills are looked at again later");
                }
            }
        }
        look = look.wrapping_add(1);
        if let Some(epoch) = watcher.pending_after(judged).await? {
            let verdict = match watcher.judge(epoch).await {
                // Evidence may still come: it is asked for when it is late.
                Err(error) if Watcher::withheld(&error) && waited >= PATIENCE => {
                    watcher.demand(epoch).await
                }
                verdict => verdict.map(Some),
            };
            waited += 1;
            match verdict {
                Ok(None) => {}
                Ok(Some(verdict)) => {
                    print(&verdict, args.options.json)?;
                    (judged, waited) = (epoch, 0);
                }
                // So may the node; the window is what ends it.
                Err(error) => tracing::warn!(epoch, error = %format!("{error:#}"), "will retry"),
            }
        } else {
            waited = 0;
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
        let signer = options.key.signer(l1_chain_id).await?;
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
        // A record that is false by itself is shown as such: what is computed from it may not be computable.
        let record =
            challenge::find_record_fault(&self.chain, epoch, &self.source, &self.tokenizer).await;
        let fault = match record {
            Ok(Some(fault)) => Some(fault),
            Ok(None) => self.find_fault(epoch).await?,
            // Other receipts than were posted may come with claims that are.
            Err(error) => {
                tracing::debug!(epoch, %error, "no record can be shown");
                self.find_fault(epoch).await?
            }
        };
        if let Some(fault) = fault {
            // Which span and which document, where the rule alone would not say.
            verdict.failed.extend(fault.about().map(|about| format!("{}: {about}", fault.rule())));
            let won = challenge::prove(&self.chain, epoch, &fault).await?;
            self.collect(&mut verdict, fault.rule(), won).await?;
        } else if let Some(compelled) = self.compel(epoch).await? {
            // What is published shows nothing, or is not what the epoch commits to.
            self.take(&mut verdict, compelled).await?;
        }
        Ok(verdict)
    }

    /// A fault of what is published; none where that is not what the epoch commits to.
    async fn find_fault(&self, epoch: u64) -> Result<Option<Fault>> {
        match challenge::find_fault(&self.chain, epoch, &self.source).await {
            Err(
                error @ (ChallengeError::PaymentsWithheld { .. }
                | ChallengeError::Withheld { .. }
                | ChallengeError::OtherReceipts { .. }
                // A receipt of such a model cannot be disclosed.
                | ChallengeError::Chain(ChainError::NotFound(Missing::Model(_)))),
            ) => {
                tracing::warn!(epoch, %error, "not everything is published");
                Ok(None)
            }
            found => Ok(found?),
        }
    }

    /// Whether the evidence of an epoch is nowhere, or is none.
    fn withheld(error: &anyhow::Error) -> bool {
        let audit = error.downcast_ref::<AuditError>();
        matches!(audit, Some(AuditError::Evidence(_)))
    }

    /// Has the poster show on chain what it does not publish, if the chain has what that takes.
    async fn compel(&self, epoch: u64) -> Result<Option<Compelled>> {
        let Self { chain, source, tokenizer, .. } = self;
        match compel(chain, epoch, source, tokenizer).await {
            Err(ChallengeError::NoRecords) => Ok(None),
            compelled => Ok(Some(compelled?)),
        }
    }

    /// What comes of an epoch without evidence.
    async fn demand(&self, epoch: u64) -> Result<Option<Verdict>> {
        let Some(compelled) = self.compel(epoch).await? else { return Ok(None) };
        let mut verdict = Verdict {
            epoch,
            ok: false,
            failed: vec!["evidence: it is not published".to_owned()],
            fault: None,
            won: None,
            challenger: self.key,
            withdrawn: U256::ZERO,
        };
        self.take(&mut verdict, compelled).await?;
        Ok(Some(verdict))
    }

    async fn take(&self, verdict: &mut Verdict, compelled: Compelled) -> Result<()> {
        match compelled {
            Compelled::Fell { fault, won } => self.collect(verdict, fault.rule(), won).await,
            Compelled::Stands => {
                verdict
                    .failed
                    .push("all of it stands on chain now: no fault is found in it".into());
                Ok(())
            }
        }
    }

    async fn collect(&self, verdict: &mut Verdict, rule: &str, won: Won) -> Result<()> {
        verdict.fault = Some(rule.to_owned());
        verdict.won = Some(won);
        let paid = challenge::collect(&self.chain, verdict.epoch).await;
        verdict.withdrawn = paid.context("the reward was not paid")?;
        Ok(())
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
    let (Some(fault), Some(won)) = (&verdict.fault, verdict.won) else {
        println!("epoch {epoch}: false, but the chain cannot be shown why by this program");
        return Ok(());
    };
    println!(
        "epoch {epoch}: rejected ({fault}) by {} with {} gas; {} burned, {} paid to {}",
        won.transaction,
        won.gas,
        open(U256::from(won.burned)),
        open(verdict.withdrawn),
        verdict.challenger
    );
    Ok(())
}
