//! `openledger demo`: the whole loop as its users would drive it, each step with its proof, and ledgers
//! that sum to zero.

mod escape;
mod falsehood;
mod report;
mod settlement;
mod story;

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::dev::Ready;
use report::Report;
pub use report::open;

/// Drive the whole loop and print a proof of each step.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  \
    openledger demo                       against the running `openledger dev`, or its own\n  \
    openledger demo --json                steps and ledgers as one JSON document\n  \
    openledger demo --no-escape           without the second chain\n\n\
    The exit status is 0 only if every step held.")]
pub struct Args {
    /// Print steps and ledgers as one JSON document.
    #[arg(long)]
    json: bool,
    /// Ready file of the running `openledger dev`. Without it, the usual place is tried, and if nothing
    /// runs there the demo starts its own.
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
    /// Leave out the escape hatch: a second chain on the same L1, whose operator is killed.
    #[arg(long)]
    no_escape: bool,
}

pub async fn run(args: Args) -> Result<()> {
    let mut report = Report::new(args.json);
    if let Some(path) = &args.ready {
        let ready = Ready::read(path)?;
        tell(&ready, !args.no_escape, &mut report).await?;
        return report.finish();
    }
    match Ready::read(&Ready::default_path()) {
        Ok(ready) if answers(&ready).await => {
            tell(&ready, !args.no_escape, &mut report).await?;
            report.finish()
        }
        _ => {
            eprintln!("no running `openledger dev` found: starting one for this demo");
            let (mut dev, ready) = start_dev().await?;
            let told = tell(&ready, !args.no_escape, &mut report).await;
            stop(&mut dev).await;
            told?;
            report.finish()
        }
    }
}

/// The story, and beside it that of a chain whose operator dies: that one waits much.
async fn tell(ready: &Ready, escape: bool, report: &mut Report) -> Result<()> {
    let escape = escape.then(|| escape::Escape::start(ready));
    story::run(ready, report).await?;
    match escape {
        Some(escape) => escape.tell(report).await,
        None => Ok(()),
    }
}

async fn answers(ready: &Ready) -> bool {
    crate::customer::status(ready).await.is_ok()
}

/// A `dev` of our own on free ports, which dies with us.
pub async fn start_dev() -> Result<(Child, Ready)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(program)
        .args(["dev", "--json", "--ports", "free"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start openledger dev")?;
    let stdout = child.stdout.take().context("openledger dev has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = tokio::time::timeout(Duration::from_secs(120), lines.next_line())
        .await
        .context("openledger dev was not ready within 120 s")??;
    let Some(line) = line else { bail!("openledger dev ended before it was ready") };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let ready = serde_json::from_str(&line).context("openledger dev printed no ready line")?;
    Ok((child, ready))
}

pub async fn stop(child: &mut Child) {
    if let Some(pid) = child.id() {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
    }
    let _ = tokio::time::timeout(Duration::from_secs(15), child.wait()).await;
}

/// Repeats a question until it has an answer.
async fn wait_for<T, F>(what: &str, seconds: u64, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if started.elapsed() > Duration::from_secs(seconds) {
            bail!("waited {seconds} s in vain for {what}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
