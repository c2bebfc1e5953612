//! Foundry's anvil as L1: a process that dies with us and keeps its state in a file.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy_provider::{Provider, ProviderBuilder};
use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

/// How anvil is started.
#[derive(Clone, Debug)]
pub struct AnvilConfig {
    pub port: u16,
    pub chain_id: u64,
    /// Seconds between L1 blocks.
    pub block_time: u64,
    /// Where the chain is kept between runs.
    pub state: PathBuf,
    pub log: PathBuf,
}

/// A running anvil.
pub struct Anvil {
    child: Child,
    pub url: String,
    log: PathBuf,
}

impl Anvil {
    /// Starts anvil and waits until it answers.
    pub async fn start(config: &AnvilConfig) -> Result<Self> {
        let program = find_anvil()?;
        let log = std::fs::File::create(&config.log)
            .with_context(|| format!("cannot create {}", config.log.display()))?;
        let mut command = Command::new(&program);
        command
            .arg("--host")
            .arg("127.0.0.1")
            .args(["--port", &config.port.to_string()])
            .args(["--chain-id", &config.chain_id.to_string()])
            .args(["--block-time", &config.block_time.to_string()])
            .args(["--accounts", "20", "--balance", "1000000"])
            // Finality two L1 blocks behind the head.
            .args(["--slots-in-an-epoch", "1"])
            .arg("--state")
            .arg(&config.state)
            // Written each second too, so that even a killed anvil loses at most that.
            .args(["--state-interval", "1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the anvil log")?)
            .stderr(log)
            .kill_on_drop(true);
        die_with_parent(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start anvil at {}", program.display()))?;
        let mut anvil = Self {
            child,
            url: format!("http://127.0.0.1:{}", config.port),
            log: config.log.clone(),
        };
        anvil.wait_ready(config.chain_id).await?;
        Ok(anvil)
    }

    async fn wait_ready(&mut self, chain_id: u64) -> Result<()> {
        let provider = ProviderBuilder::new()
            .connect_http(self.url.parse().context("the L1 URL is not a URL")?);
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait().context("cannot ask for anvil's state")? {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                bail!("anvil ended at start ({status}); its last words: {}", tail(&log));
            }
            if let Ok(answer) = provider.get_chain_id().await {
                if answer != chain_id {
                    bail!(
                        "the node at {} has chain id {answer}, expected {chain_id}; is another L1 \
                         running on this port?",
                        self.url
                    );
                }
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("anvil did not answer at {} within 20 s; see {}", self.url, self.log.display())
    }

    /// Resolves when anvil ends by itself, which stops the chain.
    pub async fn wait(&mut self) -> Result<()> {
        let status = self.child.wait().await.context("cannot wait for anvil")?;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        bail!("L1 ended: anvil exited with {status}; its last words: {}", tail(&log))
    }

    /// Asks anvil to write its state and end.
    pub async fn stop(mut self) {
        if let Some(pid) = self.child.id() {
            let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
            if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).is_ok()
                && tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_ok()
            {
                return;
            }
        }
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "anvil could not be stopped");
        }
    }
}

/// The kernel sends SIGINT to anvil when we die, however we die; on SIGINT anvil writes its state.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec only prctl, setpgid and getppid run; they are async-signal-safe
    // and touch no memory of ours.
    unsafe {
        command.pre_exec(|| {
            // Its own process group: Ctrl-C in the terminal reaches us first, then we stop anvil.
            nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0))?;
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGINT)?;
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

/// The real binary, never npm's `.bin` wrapper (it loses signals and exit codes).
pub fn find_anvil() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("OPENLEDGER_ANVIL").map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("OPENLEDGER_ANVIL names {}, which is not a file", path.display());
    }
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let packaged = format!("node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil");
    let mut roots: Vec<PathBuf> = std::env::current_dir()
        .map(|dir| dir.ancestors().map(Path::to_path_buf).collect())
        .unwrap_or_default();
    roots.push(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."));
    for root in roots {
        let candidate = root.join(&packaged);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    for dir in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        let candidate = dir.join("anvil");
        if candidate.is_file() && !dir.ends_with("node_modules/.bin") {
            return Ok(candidate);
        }
    }
    bail!(
        "anvil is missing: run ./scripts/setup, put anvil on PATH, name it in OPENLEDGER_ANVIL, or \
         use another L1 (--l1 embedded, --l1-url)"
    )
}
