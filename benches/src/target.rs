//! A node under test, in a process of its own, and what it used.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Load,
    client::Connection,
    world::{World, account},
};

/// Longest wait for a node to answer; ten million accounts take minutes to load.
const START_MAX: Duration = Duration::from_secs(1_800);

/// A node beside which ours is measured.
#[derive(Clone, Debug)]
pub enum Peer {
    Anvil,
    /// What `benches/ethrex` builds.
    Ethrex {
        binary: PathBuf,
        options: Vec<String>,
    },
}

impl Peer {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Anvil => "anvil",
            Self::Ethrex { .. } => "ethrex",
        }
    }

    /// With its whole path: a node runs in a directory of its own.
    fn binary(&self) -> Result<PathBuf> {
        match self {
            Self::Anvil => anvil_binary(),
            Self::Ethrex { binary, .. } => {
                fs::canonicalize(binary).with_context(|| binary.display().to_string())
            }
        }
    }
}

pub struct Target {
    pub name: &'static str,
    pub address: SocketAddr,
    child: Child,
    directory: TempDir,
    /// From its start until it answered.
    pub started_in: Duration,
    /// From its start until it had the state's tries in memory, as far as they fit; a peer's is not known.
    pub loaded_in: Duration,
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Target {
    /// A sequencer alone.
    pub fn lone(world: &World, load: &Load) -> Result<Self> {
        Self::spawn_lone(world, load, tempfile::tempdir()?)
    }

    fn spawn_lone(world: &World, load: &Load, directory: TempDir) -> Result<Self> {
        let binary = match &load.sequencer {
            Some(binary) => binary.clone(),
            None => std::env::current_exe()?,
        };
        let started = Instant::now();
        let mut child = Command::new(binary)
            .arg("lone")
            .arg(directory.path())
            .args(["--senders", &world.senders.len().to_string()])
            .args(["--accounts", &world.accounts.to_string()])
            .args(["--gas-limit", &load.gas_limit.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
        stdout.read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context("the sequencer did not start")?;
        let address = ready["address"].as_str().context("address")?.parse()?;
        let started_in = started.elapsed();
        ensure!(stdout.read_line(&mut line)? > 0, "the sequencer ended while it loaded the tries");
        let loaded_in = started.elapsed();
        Self { name: "openledger", address, child, directory, started_in, loaded_in }.producing()
    }

    /// Kills the sequencer without warning and starts it again on what it left.
    pub fn restart(mut self, world: &World, load: &Load) -> Result<Self> {
        self.child.kill()?;
        self.child.wait()?;
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir()?);
        Self::spawn_lone(world, load, directory)
    }

    /// Another node, with a block each second, from the same genesis.
    pub fn peer(peer: &Peer, world: &World, gas_limit: u64) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let genesis = directory.path().join("genesis.json");
        world.write_genesis(&genesis, gas_limit)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let name = peer.name();
        let mut command = Command::new(peer.binary()?);
        command.args(["--port", &port.to_string(), "--gas-limit", &gas_limit.to_string()]);
        match peer {
            Peer::Anvil => command.args(["--block-time", "1", "--silent", "--init"]).arg(&genesis),
            Peer::Ethrex { options, .. } => command.arg(&genesis).args(options),
        };
        let started = Instant::now();
        let child =
            command.current_dir(directory.path()).stdout(Stdio::null()).spawn().context(name)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (started_in, loaded_in) = (Duration::ZERO, Duration::ZERO);
        let mut target = Self { name, address, child, directory, started_in, loaded_in };
        loop {
            if let Some(status) = target.child.try_wait()? {
                bail!("{name} ended: {status}");
            }
            let answer = Connection::open(address)
                .and_then(|mut connection| connection.call("eth_chainId", json!([])));
            if answer.is_ok() {
                break;
            }
            ensure!(started.elapsed() < START_MAX, "{name} does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        target.started_in = started.elapsed();
        target.producing()
    }

    /// Waits until it makes blocks.
    fn producing(self) -> Result<Self> {
        let mut connection = self.connect()?;
        let first = connection.quantity("eth_blockNumber", json!([]))?;
        let started = Instant::now();
        while connection.quantity("eth_blockNumber", json!([]))? < first + 2 {
            ensure!(started.elapsed() < Duration::from_secs(60), "{} makes no blocks", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(self)
    }

    /// ethrex's store in memory gives back only the first receipt of a block: its iterator over a prefix stops
    /// after the key that it was to begin at.
    pub fn keeps_receipts(&self) -> bool {
        self.name != "ethrex"
    }

    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    /// User and system time so far, seconds.
    pub fn cpu(&self) -> Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Waits until the sequencer's database holds all blocks: proofs are made from it. CPU seconds that took.
    pub fn catch_up(&self) -> Result<f64> {
        let before = self.cpu()?;
        let params = json!([account(0), [], "latest"]);
        self.connect()?.call("eth_getProof", params)?;
        Ok(self.cpu()? - before)
    }

    /// Seconds on a CPU by name of the thread; of threads that live.
    pub fn cpu_by_thread(&self) -> Result<BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let path = task?.path();
            // A thread may end meanwhile.
            let Ok(name) = fs::read_to_string(path.join("comm")) else { continue };
            let Ok(times) = fs::read_to_string(path.join("schedstat")) else { continue };
            let nanos: f64 = times.split(' ').next().context("schedstat")?.parse()?;
            *all.entry(name.trim().to_owned()).or_insert(0.0) += nanos / 1e9;
        }
        Ok(all)
    }

    /// Resident memory, bytes.
    pub fn rss(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    /// Resident memory of its own, without pages of mapped files, which the kernel takes back.
    pub fn rss_anonymous(&self) -> Result<f64> {
        self.memory("RssAnon:")
    }

    fn memory(&self, name: &'static str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).context(name)?;
        let kb: f64 = line.split_whitespace().nth(1).context(name)?.parse()?;
        Ok(kb * 1_024.0)
    }

    /// What its directory takes of the disk, bytes.
    pub fn disk(&self) -> Result<u64> {
        let mut sum = 0;
        let mut folders = vec![self.directory.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                match entry.metadata()? {
                    data if data.is_dir() => folders.push(entry.path()),
                    // The database's file is longer than what it holds.
                    data => sum += data.blocks() * 512,
                }
            }
        }
        Ok(sum)
    }
}

/// User and system time of a process so far, children excluded.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

fn anvil_binary() -> Result<PathBuf> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node_modules/@foundry-rs");
    for entry in fs::read_dir(&base).context("run ./scripts/setup first")? {
        let path = entry?.path().join("bin/anvil");
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("no anvil under {}", base.display())
}
