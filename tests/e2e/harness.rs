//! Starts real processes and talks to them as their users would.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tests_anvil::AnvilInstance;

/// The ready line of `openledger dev --json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    pub l1_rpc: String,
    pub l2_rpc: String,
    pub l2_ws: String,
    pub gateway: String,
    pub verifier_rpc: String,
    pub l2_admin: String,
    pub jwt_secret: PathBuf,
    pub l1_chain_id: u64,
    pub l2_chain_id: u64,
    pub contracts: BTreeMap<String, String>,
    pub accounts: Vec<Account>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Account {
    pub address: String,
    pub private_key: String,
}

/// A running development chain; killed when dropped.
pub struct Dev {
    child: Child,
    pub ready: Ready,
    pub data_dir: PathBuf,
}

impl Dev {
    /// Starts `openledger dev` on free ports over `data_dir`.
    pub fn start(data_dir: &Path) -> Result<Self> {
        Self::start_with(data_dir, &[])
    }

    pub fn start_with(data_dir: &Path, extra: &[&str]) -> Result<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(data_dir.with_extension("log"))?;
        let mut child = Command::new(binary()?)
            .current_dir(root())
            .args(["dev", "--json", "--ports", "free", "--data-dir"])
            .arg(data_dir)
            .args(extra)
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start openledger dev")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    // Keep draining, so that the child never blocks on a full pipe.
                }
            }
        });
        let line = match receiver.recv_timeout(Duration::from_secs(180)) {
            Ok(line) => line,
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                let log =
                    std::fs::read_to_string(data_dir.with_extension("log")).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                bail!(
                    "dev printed no ready line; its log ends (newest first):\n{}",
                    tail.join("\n")
                );
            }
        };
        let ready: Ready = serde_json::from_str(&line)
            .with_context(|| format!("the ready line is not what it should be: {line}"))?;
        Ok(Self { child, ready, data_dir: data_dir.to_path_buf() })
    }

    /// `kill -9`, as a power failure would.
    pub fn kill_hard(mut self) -> Result<PathBuf> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.data_dir.clone())
    }

    /// Ctrl-C, and the exit status.
    pub fn interrupt(mut self) -> Result<(PathBuf, std::process::ExitStatus)> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok((self.data_dir.clone(), status));
            }
            ensure!(Instant::now() < deadline, "dev did not stop within 30 s of Ctrl-C");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn key(&self, index: usize) -> &str {
        &self.ready.accounts[index].private_key
    }

    pub fn address(&self, index: usize) -> &str {
        &self.ready.accounts[index].address
    }

    /// Runs `openledger` with arguments.
    pub fn openledger(&self, args: &[&str]) -> Result<Output> {
        Command::new(binary()?)
            .current_dir(root())
            .args(args)
            .output()
            .context("cannot run openledger")
    }

    /// Runs the demo against this chain and returns its JSON document.
    pub fn demo(&self) -> Result<Value> {
        self.demo_with(&[])
    }

    /// The same, with more flags.
    pub fn demo_with(&self, flags: &[&str]) -> Result<Value> {
        let ready = self.data_dir.join("ready.json");
        let demo = ["demo", "--json", "--ready", path(&ready)];
        let output = self.openledger(&[&demo, flags].concat())?;
        ensure!(
            output.status.success(),
            "the demo failed: {}\n{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is killed when dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An L1 that nobody here controls, with a block each second.
pub fn anvil() -> Result<AnvilInstance> {
    let chain = ["--chain-id", "16121", "--block-time", "1", "--slots-in-an-epoch", "1"];
    tests_anvil::start(&[&chain[..], &["--accounts", "30"]].concat())
        .context("the tests need anvil")
}

/// One JSON-RPC call; the whole answer.
pub async fn rpc_raw(url: &str, method: &str, params: Value) -> Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    Ok(reqwest::Client::new().post(url).json(&body).send().await?.json().await?)
}

/// One JSON-RPC call of an operator; the whole answer.
pub async fn rpc_admin(ready: &Ready, method: &str, params: Value) -> Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let token = node::jwt::JwtSecret::read(&ready.jwt_secret)?.token(now);
    let request = reqwest::Client::new().post(&ready.l2_admin).bearer_auth(token).json(&body);
    Ok(request.send().await?.json().await?)
}

/// One JSON-RPC call; the result, or the error as an error.
pub async fn rpc(url: &str, method: &str, params: Value) -> Result<Value> {
    let answer = rpc_raw(url, method, params).await?;
    match answer.get("error") {
        Some(error) => bail!("{method}: {error}"),
        None => Ok(answer["result"].clone()),
    }
}

/// Number of the latest block.
pub async fn block_number(url: &str) -> Result<u64> {
    quantity(&rpc(url, "eth_blockNumber", json!([])).await?)
}

/// A `0x…` quantity.
pub fn quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().with_context(|| format!("{value} is not a quantity"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// Waits until `check` gives a value.
pub async fn wait_for<T, F>(what: &str, seconds: u64, mut check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(value) = check().await? {
            return Ok(value);
        }
        ensure!(Instant::now() < deadline, "waited {seconds} s in vain for {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The repository root.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..")
}

/// The binary under test, built beside this test.
pub fn binary() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let path = exe
        .ancestors()
        .nth(2)
        .context("the test binary has no target directory")?
        .join("openledger");
    ensure!(
        path.is_file(),
        "{} is missing: build the workspace first (cargo build --workspace)",
        path.display()
    );
    Ok(path)
}

/// A Foundry tool: the real binary, since npm's wrapper loses the exit status.
pub fn foundry(tool: &str) -> Result<PathBuf> {
    let base = root().join("node_modules/@foundry-rs");
    for entry in std::fs::read_dir(&base)
        .with_context(|| format!("{} is missing: run ./scripts/setup", base.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let binary = path.join("bin").join(tool);
        if name.starts_with(&format!("{tool}-")) && binary.is_file() {
            return Ok(binary);
        }
    }
    bail!("no {tool} under {}: run ./scripts/setup", base.display())
}

/// Runs a Foundry tool and returns its standard output, or its complaint.
pub fn run_foundry(tool: &str, args: &[&str]) -> Result<String> {
    checked(Command::new(foundry(tool)?).current_dir(root()).args(args), tool)
}

/// Runs a Node script of `tests/clients` with its input as one JSON argument.
pub fn run_node(script: &str, input: &Value) -> Result<String> {
    checked(
        Command::new("node")
            .current_dir(root().join("tests/clients"))
            .arg(script)
            .arg(input.to_string()),
        script,
    )
}

/// Runs a Python script of `tests/clients`, with the libraries that `scripts/setup` installed.
pub fn run_python(script: &str, input: &Value) -> Result<String> {
    let cache = match std::env::var_os("OPENLEDGER_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?)
            .join(".cache/openledger"),
    };
    let python = cache.join("clients-venv/bin/python");
    ensure!(python.is_file(), "{} is missing: run ./scripts/setup", python.display());
    checked(
        Command::new(python)
            .current_dir(root().join("tests/clients"))
            .arg(script)
            .arg(input.to_string()),
        script,
    )
}

fn checked(command: &mut Command, what: &str) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {what}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{what} failed: {}\n{stdout}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(stdout)
}

/// UTF-8 form of a path.
pub fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
