//! The escape hatch, on a second chain over the same L1: its operator is killed for good, and a stranger who
//! has an L1 URL and the chain's two public files gets his OPEN back. The chain has contracts, keys and a short
//! sequencing window of its own, and goes its way while the rest of the demo is told.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, U256, utils::parse_ether};
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use alloy_rpc_types_eth::TransactionRequest;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinSet,
};
use url::Url;

use super::{
    report::{LedgerRow, Report, difference, open},
    settlement::Exit,
    wait_for,
};
use crate::{dev::Ready, included::succeeded, keys, keystore::is_devnet};

/// Development accounts of the second chain, which nothing else uses: its owner, its operator, whoever
/// proposes when the operator is gone, and who leaves.
const OWNER: u32 = 30;
const OPERATOR: u32 = 31;
const STRANGER: u32 = 32;
const LEAVER: u32 = 33;
/// The user account that pays their gas on L1.
const PAYER: u32 = 9;
/// Chain id of the second chain.
const CHAIN: u64 = 16_122;
/// Its sequencing window in L1 blocks: as short as the batcher's caution allows.
const WINDOW: u64 = 12;
/// Blocks that the operator lives to see on L1.
const BLOCKS: u64 = 3;
/// How long a process may take to say where it listens.
const START_MAX: Duration = Duration::from_secs(60);

/// The second chain's story in the making.
#[derive(Debug)]
pub struct Escape(JoinSet<Result<Report>>);

impl Escape {
    /// Begins. What is dropped before it is told, ends with its processes.
    pub fn start(ready: &Ready) -> Self {
        let mut task = JoinSet::new();
        let ready = ready.clone();
        task.spawn(async move {
            // Told when its turn comes.
            let mut report = Report::new(true);
            run(&ready, &mut report).await.context("the escape hatch failed")?;
            Ok(report)
        });
        Self(task)
    }

    /// Waits for the end and tells it.
    pub async fn tell(mut self, report: &mut Report) -> Result<()> {
        let told = self.0.join_next().await.context("there is no second chain")??;
        report.append(told?);
        Ok(())
    }
}

async fn run(ready: &Ready, report: &mut Report) -> Result<()> {
    report.step("The operator of a second chain dies; OPEN comes home without it");
    ensure!(is_devnet(ready.l1_chain_id), "the demo's second chain needs a development L1");
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let chain = Twin::deploy(ready, directory.path()).await?;
    report.say(format!("chain {CHAIN} has contracts of its own on the same L1"));
    report.proof("portal", chain.contract("OptimismPortal")?);

    let (stopped, safe) = chain.live_and_die().await?;
    report.say(format!(
        "its sequencer and batcher were killed at block {stopped}, their files deleted; L1 holds blocks up \
         to {} at least",
        safe.0
    ));
    report.proof("last block seen safe", safe.1);

    let (_follower, l2_url) = chain.follow().await?;
    let exit = chain.exit(l2_url.clone())?;
    let key = keys::dev_key(LEAVER)?;
    let amount = parse_ether("3")?;
    // Nobody on L1 holds this account's key, and nothing else pays it.
    let receiver = Address::from_slice(&B256::random()[12..]);
    let portal_before = exit.held(exit.portal).await?;
    let deposit = exit.withdrawals.force(key.clone(), receiver, amount).await?;
    report.say(format!(
        "a stranger's node derives the chain from L1 alone; account {LEAVER} puts a withdrawal of {} on L1",
        open(amount)
    ));
    report.proof("L2 deposit", deposit);
    let initiated = wait_for("the sequencing window to close", 240, || async {
        exit.withdrawals.find(deposit).await.map_err(anyhow::Error::from)
    })
    .await?;
    report.proof("withdrawal", initiated.hash);
    let derived = block_hash(&exit.l2, safe.0).await?;
    ensure!(derived == Some(safe.1), "block {} became {derived:?} without its operator", safe.0);
    // Time on L1 may be a little behind the sequencer's.
    let head = wait_for("the chain to go on", 120, || async {
        let head = exit.l2.get_block_number().await?;
        Ok((head > stopped).then_some(head))
    })
    .await?;
    report.say(format!(
        "after {WINDOW} L1 blocks without a batch every node goes on by itself, to block {head} so far, with \
         what L1 forces into it"
    ));

    let _proposer = chain.propose(&l2_url)?;
    exit.prove_and_finalize(&key, &initiated, report).await?;
    let received = difference(U256::ZERO, exit.held(receiver).await?);
    let rows = vec![
        LedgerRow {
            party: "L1 portal of the second chain".into(),
            wei: difference(portal_before, exit.held(exit.portal).await?),
        },
        LedgerRow { party: format!("{receiver}"), wei: received },
    ];
    ensure!(received == difference(U256::ZERO, amount), "{received} wei arrived");
    report.say(
        "proposed with a bond by somebody who has no part in the chain, proven, and paid on L1",
    );
    report.ledger("The escape on L1", rows)
}

/// The second chain.
struct Twin {
    /// Where `openledger deploy` wrote, and where everybody keeps his data.
    directory: PathBuf,
    l1: Url,
    contracts: BTreeMap<String, Address>,
}

impl Twin {
    async fn deploy(ready: &Ready, directory: &Path) -> Result<Self> {
        let l1: Url = ready.l1_rpc.parse().context("the L1 URL is not a URL")?;
        fund(&l1).await?;
        let plan = Command::new(program()?)
            .args(["deploy", "--print-plan", "devnet"])
            .output()
            .await
            .context("cannot print a plan")?;
        let mut plan: Value = serde_json::from_slice(&plan.stdout).context("the plan")?;
        let operator = keys::dev_key(OPERATOR)?.address();
        let owned = |index: u32, open: &str| -> Result<Value> {
            let mut holders = BTreeMap::new();
            holders.insert(keys::dev_key(index)?.address(), parse_ether(open)?);
            Ok(json!(holders))
        };
        for (name, value) in [
            ("l2ChainId", json!(CHAIN)),
            ("sequencingWindow", json!(WINDOW)),
            ("batcher", json!(operator)),
            ("unsafeBlockSigner", json!(operator)),
            ("balances", owned(LEAVER, "100")?),
            ("grants", owned(STRANGER, "100000")?),
        ] {
            plan[name] = value;
        }
        let chain = directory.join("chain");
        let file = directory.join("plan.json");
        fs::write(&file, plan.to_string()).context("cannot write the plan")?;
        let deployed = Command::new(program()?)
            .args(["deploy", "--l1-rpc", l1.as_str(), "--account", &OWNER.to_string(), "--plan"])
            .arg(&file)
            .arg("--out")
            .arg(&chain)
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot deploy")?;
        let complaint = String::from_utf8_lossy(&deployed.stderr);
        ensure!(deployed.status.success(), "the second chain was not deployed: {complaint}");
        let contracts = fs::read(chain.join("addresses.json")).context("no addresses")?;
        let contracts = serde_json::from_slice(&contracts).context("addresses.json")?;
        Ok(Self { directory: directory.to_path_buf(), l1, contracts })
    }

    fn contract(&self, name: &str) -> Result<Address> {
        self.contracts.get(name).copied().with_context(|| format!("no contract {name}"))
    }

    fn files(&self) -> PathBuf {
        self.directory.join("chain")
    }

    /// Runs the operator until L1 has some of its blocks, and kills it; gives its last block, and the last that
    /// was safe with its hash.
    async fn live_and_die(&self) -> Result<(u64, (u64, B256))> {
        let files = self.files();
        let operator = OPERATOR.to_string();
        let role = |role: &str| {
            let args = ["node", "--role", role, "--account", &operator];
            let mut command = self.command(role, &args)?;
            command.arg("--data-dir").arg(&files);
            anyhow::Ok(command)
        };
        let mut command = role("sequencer")?;
        command.args(["--rpc-port", "0", "--feed-listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0"]);
        let (mut sequencer, url) = self.serving("sequencer", &mut command).await?;
        let mut batcher = role("batcher")?.args(["--l2-rpc", url.as_str()]).spawn()?;
        let l2 = RootProvider::<alloy_network::Ethereum>::new_http(url);
        let safe = wait_for("blocks of the second chain on L1", 120, || async {
            let safe: Value =
                l2.raw_request("eth_getBlockByNumber".into(), ("safe", false)).await?;
            let safe: (U256, B256) = (
                serde_json::from_value(safe["number"].clone())?,
                serde_json::from_value(safe["hash"].clone())?,
            );
            let number = safe.0.saturating_to::<u64>();
            Ok((number >= BLOCKS).then_some((number, safe.1)))
        })
        .await?;
        let stopped = l2.get_block_number().await?;
        // SIGKILL: nothing is put in order.
        for child in [&mut batcher, &mut sequencer] {
            child.kill().await.context("cannot kill the operator")?;
        }
        for name in ["sequencer", "batcher"] {
            fs::remove_dir_all(files.join(name)).with_context(|| format!("the {name}'s files"))?;
        }
        Ok((stopped, safe))
    }

    /// A node that has nothing but an L1 URL and the two public files.
    async fn follow(&self) -> Result<(Child, Url)> {
        let mut command = self.command("stranger", &["follow", "--listen", "127.0.0.1:0"])?;
        command.arg("--rollup").arg(self.files().join("rollup.json"));
        command.arg("--genesis").arg(self.files().join("genesis.json"));
        command.arg("--data-dir").arg(self.directory.join("stranger"));
        self.serving("stranger", &mut command).await
    }

    fn propose(&self, l2: &Url) -> Result<Child> {
        let account = STRANGER.to_string();
        let args = ["proposer", "--interval", "1", "--depth", "0"];
        let mut command = self.command("proposer", &args)?;
        command.args(["--account", &account, "--l2-rpc", l2.as_str(), "--rollup"]);
        command.arg(self.files().join("rollup.json"));
        command.arg("--data-dir").arg(self.directory.join("proposer"));
        command.spawn().context("cannot start a proposer")
    }

    /// This program, over the chain's L1. It dies with us; what it has to say goes to a file.
    fn command(&self, name: &str, args: &[&str]) -> Result<Command> {
        let log = fs::File::create(self.log(name)).context("cannot write a log")?;
        let mut command = Command::new(program()?);
        command.args(args).args(["--l1-rpc", self.l1.as_str()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.kill_on_drop(true);
        Ok(command)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// Starts a node; gives its JSON-RPC once it says it.
    async fn serving(&self, name: &str, command: &mut Command) -> Result<(Child, Url)> {
        serving(command).await.with_context(|| {
            let log = fs::read_to_string(self.log(name)).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default();
            format!("the {name} does not serve: {last}")
        })
    }

    fn exit(&self, l2: Url) -> Result<Exit> {
        Exit::new(self.l1.clone(), l2, |name| self.contract(name))
    }
}

fn program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this program")
}

async fn serving(command: &mut Command) -> Result<(Child, Url)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start a node")?;
    let stdout = child.stdout.take().context("the node has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let url = tokio::time::timeout(START_MAX, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix("JSON-RPC") {
                let url = url.split_whitespace().next().unwrap_or_default();
                return Ok(url.parse::<Url>().context("the node's URL")?);
            }
        }
        bail!("the node ended before it served")
    });
    let url = url.await.context("the node was not ready in time")??;
    // Read on, so that it never blocks on a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, url))
}

/// Ether for gas on L1, in one block.
async fn fund(l1: &Url) -> Result<()> {
    let wallet = EthereumWallet::from(keys::dev_key(PAYER)?);
    let provider = ProviderBuilder::new().wallet(wallet).connect_http(l1.clone());
    let mut sent = Vec::new();
    for index in [OWNER, OPERATOR, STRANGER, LEAVER] {
        let to = keys::dev_key(index)?.address();
        let transfer = TransactionRequest::default().with_to(to).with_value(parse_ether("20")?);
        sent.push(provider.send_transaction(transfer).await.context("cannot pay for gas on L1")?);
    }
    for transfer in sent {
        succeeded("pay for gas", transfer).await?;
    }
    Ok(())
}

async fn block_hash(l2: &RootProvider, number: u64) -> Result<Option<B256>> {
    let block: Value =
        l2.raw_request("eth_getBlockByNumber".into(), (format!("{number:#x}"), false)).await?;
    Ok(serde_json::from_value(block["hash"].clone())?)
}
