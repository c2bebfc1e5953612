//! A chain of one's own, process by process: what `openledger deploy` writes is all that sequencer,
//! batcher, follower and proposer are given. The sequencer is killed and comes back; a follower begins
//! with a snapshot of another; a stand-in takes over.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tests_anvil::free_ports;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::harness::{
    anvil, binary, block_number, path, quantity, root, rpc, run_foundry, wait_for,
};

/// Development accounts: the owner, the batcher (whose key the development plan gives the feed, too), the
/// proposer, attestors, and a user.
const OWNER: &str = "12";
const BATCHER: &str = "10";
const PROPOSER: &str = "20";
/// Whom nobody here acts for: schedules for the timelock, and gets what is left of OPEN.
const TREASURY: &str = "0x7777777777777777777777777777777777777777";
const USER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// A process that is killed when dropped, with what it printed.
pub struct Process {
    child: Child,
    printed: HashMap<String, String>,
    lines: mpsc::Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts and waits until it has printed a line that begins with `ready`.
    pub fn start(log: &Path, ready: &str, args: &[&str]) -> Result<Self> {
        Self::start_in(&[], log, ready, args)
    }

    /// The same with more in its environment.
    pub fn start_in(
        environment: &[(&str, &Path)],
        log: &Path,
        ready: &str,
        args: &[&str],
    ) -> Result<Self> {
        let errors = fs::File::create(log)?;
        let mut child = Command::new(binary()?)
            .current_dir(root())
            .args(args)
            .env("RUST_LOG", "info")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Drained in any case.
                let _ = sender.send(line);
            }
        });
        let mut process = Self { child, printed: HashMap::new(), lines };
        let end = Instant::now() + Duration::from_secs(60);
        while !process.printed.contains_key(ready) {
            let left = end.saturating_duration_since(Instant::now());
            let line = process.lines.recv_timeout(left).with_context(|| {
                let log = fs::read_to_string(log).unwrap_or_default();
                format!("{args:?} did not say {ready:?}; it printed {:?}\n{log}", process.printed)
            })?;
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            process.printed.insert(word.to_owned(), rest.trim().to_owned());
        }
        Ok(process)
    }

    /// The first word after one that was printed.
    pub fn said(&self, word: &str) -> Result<String> {
        Ok(self.rest(word)?.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// Everything after a word that was printed.
    pub fn rest(&self, word: &str) -> Result<&str> {
        let rest = self.printed.get(word).with_context(|| format!("{word} was not printed"))?;
        Ok(rest)
    }

    pub fn stop(mut self) -> Result<()> {
        let id = nix::unistd::Pid::from_raw(self.child.id().try_into()?);
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM)?;
        let ended = self.child.wait()?;
        ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    }
}

/// TLS before a feed, as a reverse proxy has it, with a certificate that only `tests/vectors/tls` vouches for.
struct Tls {
    url: String,
    /// Handshakes that were completed.
    handshakes: Arc<AtomicU64>,
}

impl Tls {
    async fn before(feed: &str) -> Result<Self> {
        let certificate = CertificateDer::from_pem_file(vector("tls/localhost.pem"))?;
        let key = PrivateKeyDer::from_pem_file(vector("tls/localhost.key"))?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("wss://localhost:{}/", listener.local_addr()?.port());
        let handshakes = Arc::new(AtomicU64::new(0));
        let (counted, feed) = (Arc::clone(&handshakes), feed.to_owned());
        let to = feed.split("//").last().unwrap_or_default().trim_end_matches('/').to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted, to) = (acceptor.clone(), Arc::clone(&counted), to.clone());
                tokio::spawn(async move {
                    let mut near = acceptor.accept(stream).await?;
                    counted.fetch_add(1, Ordering::Relaxed);
                    let mut far = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Ok(Self { url, handshakes })
    }
}

/// An L2 node whose blocks have other state roots than their execution gives, until it is told to be honest.
struct Liar {
    url: String,
    lies: Arc<AtomicBool>,
    told: Arc<AtomicU64>,
}

impl Liar {
    /// Where a block's state root begins in its RLP: after two lists' prefixes of three bytes, two hashes and
    /// an address.
    const STATE_ROOT: usize = 3 + 3 + 33 + 33 + 21 + 1;

    async fn before(node: &str) -> Result<Self> {
        let (lies, told) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let (lying, counted, node) = (Arc::clone(&lies), Arc::clone(&told), node.to_owned());
        let http = reqwest::Client::new();
        let answer = move |Json(request): Json<Value>| async move {
            let answer = http.post(&node).json(&request).send().await;
            let Ok(answer) = answer else { return Err(StatusCode::BAD_GATEWAY) };
            let mut answer: Value = answer.json().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
            if lying.load(Ordering::Relaxed)
                && request["method"] == "debug_getRawBlock"
                && let Some(block) = answer["result"].as_str()
                && let Ok(mut bytes) = alloy_primitives::hex::decode(block)
                && let Some(byte) = bytes.get_mut(Self::STATE_ROOT)
            {
                *byte ^= 1;
                answer["result"] = json!(alloy_primitives::hex::encode_prefixed(bytes));
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Json(answer))
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let routes = Router::new().route("/", post(answer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self { url, lies, told })
    }
}

fn vector(name: &str) -> PathBuf {
    root().join("tests").join("vectors").join(name)
}

fn openledger(args: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(binary()?).current_dir(root()).args(args).output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

pub fn succeed(args: &[&str]) -> Result<String> {
    let (good, text) = openledger(args)?;
    ensure!(good, "{args:?}: {text}");
    Ok(text)
}

pub fn fail(args: &[&str], expected: &str) -> Result<()> {
    let (good, text) = openledger(args)?;
    ensure!(!good && text.contains(expected), "{args:?} should say {expected:?}: {text}");
    Ok(())
}

pub async fn safe_at_least(url: &str, number: u64) -> Result<()> {
    wait_for(&format!("safe block {number} at {url}"), 120, || async {
        let safe = rpc(url, "eth_getBlockByNumber", json!(["safe", false])).await?;
        Ok((quantity(&safe["number"])? >= number).then_some(()))
    })
    .await
}

/// Sends a transfer by `cast` and waits for its receipt.
fn transfer(url: &str) -> Result<()> {
    let to = "0x00000000000000000000000000000000000000fe";
    let args = ["send", "--rpc-url", url, "--private-key", USER_KEY, "--value", "1", to];
    run_foundry("cast", &args).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_runs_over_what_deploy_wrote() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chain: PathBuf = dir.path().join("chain");
    let log = |name: &str| dir.path().join(format!("{name}.log"));
    let anvil = anvil()?;
    let l1 = anvil.endpoint();
    let plan = dir.path().join("plan.json");
    let mut planned: Value =
        serde_json::from_str(&succeed(&["deploy", "--print-plan", "devnet"])?)?;
    planned["timelock"] = json!({ "delay": 3_600, "proposers": [TREASURY], "executors": [] });
    planned["treasury"] = json!(TREASURY);
    fs::write(&plan, serde_json::to_vec(&planned)?)?;
    let deploy = ["deploy", "--l1-rpc", &l1, "--plan", path(&plan), "--out", path(&chain)];
    succeed(&[&deploy[..], &["--account", OWNER]].concat())?;
    fail(&[&deploy[..], &["--account", OWNER]].concat(), "holds a chain already")?;
    let addresses: Value = serde_json::from_slice(&fs::read(chain.join("addresses.json"))?)?;
    for owned in ["SystemConfig", "DisputeGameFactory", "AttestorVerifier"] {
        let at = addresses[owned].as_str().context("an address is missing")?;
        let owner = run_foundry("cast", &["call", "--rpc-url", &l1, at, "owner()(address)"])?;
        ensure!(addresses["RollupTimelock"] == owner.trim().to_lowercase(), "{owned}: {owner}");
    }

    let node = |role: &'static str, data: &Path, extra: &[&str]| -> Vec<String> {
        ["node", "--role", role, "--l1-rpc", &l1, "--data-dir", path(data)]
            .iter()
            .chain(extra)
            .map(|arg| (*arg).to_owned())
            .collect()
    };
    let roots = vector("tls/localhost.pem");
    let start = |role: &'static str, data: &Path, ready: &str, extra: &[&str]| {
        let args = node(role, data, extra);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Process::start_in(&[("SSL_CERT_FILE", &roots)], &log(role), ready, &args)
    };
    // What cannot work is said before anything is started.
    fail(&["node", "--role", "follower", "--data-dir", path(&chain)], "needs --l1-rpc")?;
    let nowhere = dir.path().join("nowhere");
    fail(
        &["node", "--role", "follower", "--l1-rpc", &l1, "--data-dir", path(&nowhere)],
        "openledger deploy --out",
    )?;
    fail(&["node", "--role", "batcher", "--l1-rpc", &l1, "--data-dir", path(&chain)], "no key")?;

    // It will come back on these.
    let [l2_port, feed_port, admin_port] = free_ports().map(|port| port.to_string());
    let at = |port: &str| format!("127.0.0.1:{port}");
    let (feed_listen, admin_listen) = (at(&feed_port), at(&admin_port));
    let ports = ["--feed-listen", &feed_listen, "--admin-listen", &admin_listen];
    let ports = [&["--rpc-port", &l2_port], &ports[..]].concat();
    let sequencer = start("sequencer", &chain, "sequences", &ports)?;
    let (l2, feed) = (sequencer.said("JSON-RPC")?, sequencer.said("feed")?);
    ensure!(sequencer.said("sequences")? == "yes");
    let (operators, secret) = (sequencer.said("operators")?, chain.join("sequencer/jwt.hex"));
    let limits = ["--l2-operators", &operators, "--jwt-secret", path(&secret)];
    let limits = [&limits[..], &["--admin-listen", "127.0.0.1:0"]].concat();
    let posts = [&["--l2-rpc", &l2, "--account", BATCHER], &limits[..]].concat();
    let batcher = start("batcher", &chain, "batcher", &posts)?;
    wait_for("the batcher to limit the sequencer", 60, || async {
        let said = fs::read_to_string(log("sequencer")).unwrap_or_default();
        Ok(said.contains("limits on data availability were set").then_some(()))
    })
    .await?;
    let tls = Tls::before(&feed).await?;
    let follows = ["--rpc-port", "0", "--feed", &tls.url, "--sequencer-rpc", &l2];
    let follower = start("follower", &chain, "head", &follows)?;
    let followed = follower.said("JSON-RPC")?;
    wait_for("the follower to hear the feed", 60, || async {
        let ahead = rpc(&followed, "optimism_syncStatus", json!([])).await?;
        let at = |head: &str| ahead[head]["number"].as_u64().unwrap_or_default();
        Ok((at("unsafe_l2") > at("safe_l2")).then_some(()))
    })
    .await?;
    ensure!(tls.handshakes.load(Ordering::Relaxed) > 0, "it did not speak TLS");
    let liar = Liar::before(&followed).await?;
    let _proposer = start(
        "proposer",
        &chain,
        "factory",
        &["--l2-rpc", &liar.url, "--interval", "5", "--depth", "0", "--account", PROPOSER],
    )?;

    // Handed to the sequencer, heard by the feed, posted by the batcher, derived.
    transfer(&followed)?;
    let number = block_number(&followed).await?;
    safe_at_least(&followed, number).await?;
    let factory = addresses["DisputeGameFactory"].as_str().context("no factory")?.to_owned();
    let games = || -> Result<u64> {
        let asked = ["call", "--rpc-url", &l1, &factory, "gameCount()(uint256)"];
        Ok(run_foundry("cast", &asked)?.trim().parse()?)
    };
    // What the proposer computes and what its node says are two things: it proposes nothing, and the chain goes on.
    wait_for("several lies", 120, || async {
        Ok((liar.told.load(Ordering::Relaxed) >= 3).then_some(()))
    })
    .await?;
    safe_at_least(&followed, number.max(5) + 5).await?;
    ensure!(games()? == 0, "a disputed state was proposed");
    ensure!(block_number(&l2).await? > number + 5, "the chain stands still");
    liar.lies.store(false, Ordering::Relaxed);
    wait_for("a proposal", 120, || async { Ok((games()? != 0).then_some(())) }).await?;

    // A second follower begins where the first is.
    let root = rpc(&followed, "optimism_syncStatus", json!([])).await?;
    ensure!(
        quantity(&json!(format!("0x{:x}", root["safe_l2"]["number"].as_u64().unwrap_or(0))))? > 0
    );
    let file = dir.path().join("snapshot.ol");
    let store = chain.join("follower").join("l2");
    let export = ["snapshot", "export", "--store", path(&store)];
    // While it runs; nothing that is not safe.
    fail(&[&export[..], &["--block", "1000000", path(&file)]].concat(), "is not safe")?;
    let exported = succeed(&[&export[..], &[path(&file)]].concat())?;
    follower.stop()?;
    let word = |name: &str| {
        let line = exported.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    };
    let output_root = word("output root");
    let second = dir.path().join("second");
    fs::create_dir(&second)?;
    for name in ["genesis.json", "rollup.json"] {
        fs::copy(chain.join(name), second.join(name))?;
    }
    let import = ["snapshot", "import", "--data-dir", path(&second)];
    let zero = format!("0x{}", "00".repeat(32));
    fail(&[&import[..], &["--output-root", &zero, path(&file)]].concat(), "nothing was changed")?;
    ensure!(!second.join("follower").join("l2").exists());
    succeed(&[&import[..], &["--output-root", &output_root, path(&file)]].concat())?;
    let follower = start("follower", &second, "head", &follows)?;
    let followed = follower.said("JSON-RPC")?;
    let begun =
        quantity(&rpc(&followed, "eth_getBlockByNumber", json!(["safe", false])).await?["number"])?;
    ensure!(begun > 0, "it began at genesis");

    // OPEN comes over L1, of whose nodes one is out.
    let portal = addresses["OptimismPortal"].as_str().context("no portal")?;
    let nodes = format!("http://127.0.0.1:1/,{l1}");
    let deposit = ["bridge", "deposit", "--amount", "2", "--account", "1", "--l1-rpc", &nodes];
    let deposited = succeed(&[&deposit[..], &["--l2-rpc", &l2, "--portal", portal]].concat())?;
    ensure!(deposited.contains("arrived at"), "{deposited}");

    // The sequencer dies and comes back on the same ports; nothing published is lost.
    drop(sequencer);
    let again = node("sequencer", &chain, &ports);
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let sequencer = Process::start(&log("again"), "sequences", &again)?;
    ensure!(sequencer.said("sequences")? == "yes");
    transfer(&followed)?;
    let number = block_number(&followed).await?;
    safe_at_least(&followed, number).await?;
    for number in [begun + 1, number] {
        let of = |url: String| async move {
            let at = json!([format!("0x{number:x}"), false]);
            anyhow::Ok(rpc(&url, "eth_getBlockByNumber", at).await?["hash"].clone())
        };
        ensure!(of(followed.clone()).await? == of(l2.clone()).await?, "block {number} differs");
    }
    follower.stop()?;
    batcher.stop()?;
    sequencer.stop()
}
