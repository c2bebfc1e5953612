//! A live dispute over a batch that cannot be executed, every role a process of its own. Who proposes and
//! who challenges has to see for himself that its block takes its deposits alone: a false proposal loses its
//! bond, an honest one stands though somebody challenges it. The anchor that this leaves on L1 is what
//! a new follower's snapshot is checked against.

use std::{fs, io::Write, path::Path};

use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use anyhow::{Context, Result, ensure};
use derive::{ChannelId, Frame, SingleBatch, encode_batcher_transaction};
use primitives::RollupConfig;
use serde_json::{Value, json};

use crate::{
    harness::{anvil, path, rpc, run_foundry, wait_for},
    roles::{Process, fail, safe_at_least, succeed},
};

/// Development accounts, as the development plan names them; then who lies, and who challenges what is right.
pub const OWNER: &str = "12";
const BATCHER: u32 = 10;
const PROPOSER: u32 = 20;
pub const CHALLENGER: u32 = 21;
const ATTESTORS: [u32; 2] = [22, 23];
pub const LIAR: u32 = 8;
pub const MEDDLER: u32 = 9;

/// `GameStatus`.
pub const CHALLENGER_WINS: &str = "1";
const DEFENDER_WINS: &str = "2";

/// The block whose batch cannot be executed, the one that is claimed falsely, and the last.
const BAD: u64 = 2;
const CLAIMED: u64 = 3;
const LAST: u64 = 4;

pub fn key(index: u32) -> Result<PrivateKeySigner> {
    let phrase = "test test test test test test test test test test test junk";
    Ok(MnemonicBuilder::<English>::default().phrase(phrase).index(index)?.build()?)
}

/// L1 with the contracts of the chain.
pub struct L1 {
    pub url: String,
    pub addresses: Value,
    pub rollup: RollupConfig,
}

impl L1 {
    pub fn at(&self, name: &str) -> Result<&str> {
        self.addresses[name].as_str().with_context(|| format!("no {name}"))
    }

    pub fn ask(&self, to: &str, call: &[&str]) -> Result<String> {
        let said = run_foundry("cast", &[&["call", "--rpc-url", &self.url, to], call].concat())?;
        Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
    }

    pub fn send(&self, from: u32, to: &str, call: &[&str]) -> Result<()> {
        let key = key(from)?.to_bytes().to_string();
        let send = ["send", "--rpc-url", &self.url, "--private-key", &key, to];
        run_foundry("cast", &[&send, call].concat()).map(drop)
    }

    pub fn held(&self, account: u32) -> Result<U256> {
        let account = key(account)?.address().to_string();
        Ok(self.ask(self.at("OPEN")?, &["balanceOf(address)(uint256)", &account])?.parse()?)
    }

    /// Puts the bond where `taker` can take it.
    pub fn allow(&self, from: u32, taker: &str) -> Result<()> {
        let bond = (U256::from(10).pow(U256::from(19))).to_string();
        self.send(from, self.at("OPEN")?, &["approve(address,uint256)", taker, &bond])
    }

    pub fn games(&self) -> Result<Vec<String>> {
        let factory = self.at("DisputeGameFactory")?;
        let count: u64 = self.ask(factory, &["gameCount()(uint256)"])?.parse()?;
        let game = |index: u64| {
            let call = ["gameAtIndex(uint256)(uint32,uint64,address)", &index.to_string()];
            let at = [&["call", "--rpc-url", &self.url, factory], &call[..]].concat();
            let said = run_foundry("cast", &at)?;
            Ok(said.split_whitespace().last().unwrap_or_default().to_owned())
        };
        (0..count).map(game).collect()
    }

    /// Posts the batch of the block after `parent`.
    async fn post(&self, number: u64, parent: B256, transactions: Vec<Bytes>) -> Result<()> {
        let genesis = &self.rollup.genesis;
        let timestamp = genesis.l2_time + number * self.rollup.block_time;
        let batch = SingleBatch { parent_hash: parent, epoch: genesis.l1, timestamp, transactions };
        let mut encoded = Vec::new();
        batch.encode(&mut encoded);
        let mut channel = flate2::write::ZlibEncoder::new(Vec::new(), Default::default());
        channel.write_all(&encoded)?;
        let id = ChannelId::from(u128::from(number));
        let frame = Frame { id, number: 0, data: channel.finish()?.into(), is_last: true };
        let data = encode_batcher_transaction([&frame]);
        let wallet = EthereumWallet::from(key(BATCHER)?);
        let provider = ProviderBuilder::new().wallet(wallet).connect_http(self.url.parse()?);
        let inbox = self.rollup.batch_inbox_address;
        let request = TransactionRequest::default().with_to(inbox).with_input(data);
        let receipt = provider.send_transaction(request).await?.get_receipt().await?;
        ensure!(receipt.status(), "the batch of block {number} failed");
        Ok(())
    }
}

async fn block(l2: &str, number: u64) -> Result<(B256, usize)> {
    let block = rpc(l2, "eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await?;
    let transactions = block["transactions"].as_array().context("no transactions")?;
    Ok((serde_json::from_value(block["hash"].clone())?, transactions.len()))
}

pub async fn decided(l1: &L1, game: &str, expected: &str) -> Result<()> {
    let status = wait_for(&format!("game {game} to be decided"), 120, || async {
        let status = l1.ask(game, &["status()(uint8)"])?;
        Ok((status != "0").then_some(status))
    })
    .await?;
    ensure!(status == expected, "game {game} ended with {status}, not {expected}");
    Ok(())
}

fn public_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for name in ["genesis.json", "rollup.json"] {
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_executed_is_disputed_between_processes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let anvil = anvil()?;
    let url = anvil.endpoint();
    let chain = dir.path().join("chain");
    let plan = dir.path().join("plan.json");
    let mut wanted: Value = serde_json::from_str(&succeed(&["deploy", "--print-plan", "devnet"])?)?;
    // What is challenged is decided long before; a slow machine must not be too late to challenge.
    wanted["withdrawals"]["challenge"] = json!(300);
    fs::write(&plan, wanted.to_string())?;
    // One of the L1 nodes that are named is out.
    let nodes = format!("http://127.0.0.1:1/,{url}");
    let deploy = ["deploy", "--l1-rpc", &nodes, "--plan", path(&plan), "--out", path(&chain)];
    succeed(&[&deploy[..], &["--account", OWNER]].concat())?;
    let l1 = L1 {
        addresses: serde_json::from_slice(&fs::read(chain.join("addresses.json"))?)?,
        rollup: serde_json::from_slice(&fs::read(chain.join("rollup.json"))?)?,
        url: url.clone(),
    };

    let start = |name: &str, role: &str, data: &Path, ready: &str, more: &[&str]| {
        let common = ["node", "--role", role, "--l1-rpc", &url, "--data-dir", path(data)];
        let log = dir.path().join(format!("{name}.log"));
        Process::start(&log, ready, &[&common, more].concat())
    };
    let follower = start("follower", "follower", &chain, "head", &["--rpc-port", "0"])?;
    let l2 = follower.said("JSON-RPC")?;

    // The batcher's key posts blocks, one of them with a transaction whose turn has not come.
    let user = key(0)?.to_bytes().to_string();
    let to = Address::repeat_byte(0xfe).to_string();
    let make = ["mktx", "--rpc-url", &l2, "--private-key", &user, "--nonce", "5", "--value", "1"];
    let fees = ["--gas-limit", "21000", "--gas-price", "3gwei", "--priority-gas-price", "1", &to];
    let early: Bytes = run_foundry("cast", &[&make[..], &fees].concat())?.trim().parse()?;
    for number in 1..=LAST {
        let (parent, _) = block(&l2, number - 1).await?;
        let transactions = if number == BAD { vec![early.clone()] } else { Vec::new() };
        l1.post(number, parent, transactions).await?;
        safe_at_least(&l2, number).await?;
    }
    ensure!(block(&l2, BAD).await?.1 == 1, "block {BAD} has more than its deposits");

    // Everybody for himself, over a node that is not believed.
    let over =
        |index: &u32| ["--l2-rpc".to_owned(), l2.clone(), "--account".into(), index.to_string()];
    let mut roles = Vec::new();
    let mut answers = Vec::new();
    for index in ATTESTORS {
        let name = format!("attestor {index}");
        let own = dir.path().join(&name);
        public_files(&chain, &own)?;
        let [a, b, c, d] = over(&index);
        let more = [a.as_str(), &b, &c, &d, "--attestor-listen", "127.0.0.1:0"];
        let attestor = start(&name, "attestor", &own, "answers", &more)?;
        answers.push(
            attestor.rest("answers")?.split_whitespace().last().unwrap_or_default().to_owned(),
        );
        roles.push(attestor);
    }
    let [a, b, c, d] = over(&CHALLENGER);
    roles.push(start("challenger", "challenger", &chain, "factory", &[&a, &b, &c, &d])?);
    let (liar, meddler, proposer) = (l1.held(LIAR)?, l1.held(MEDDLER)?, l1.held(PROPOSER)?);
    // The lie is told first.
    let factory = l1.at("DisputeGameFactory")?.to_owned();
    l1.allow(LIAR, &factory)?;
    let claim = B256::repeat_byte(0x66).to_string();
    let extra = format!("0x{CLAIMED:064x}{:08x}", u32::MAX);
    let create = ["create(uint32,bytes32,bytes)", &game_type(&l1, &factory)?, &claim, &extra];
    l1.send(LIAR, &factory, &create)?;
    let [lie] = l1.games()?.try_into().map_err(|games| anyhow::anyhow!("games {games:?}"))?;

    let [a, b, c, d] = over(&PROPOSER);
    let mut more = vec![a.as_str(), &b, &c, &d, "--depth", "0", "--interval", "4"];
    answers.iter().for_each(|answer| more.extend(["--attestor", answer]));
    roles.push(start("proposer", "proposer", &chain, "factory", &more)?);
    let honest = wait_for("an honest proposal", 60, || async {
        Ok(l1.games()?.into_iter().find(|game| *game != lie))
    })
    .await?;
    l1.allow(MEDDLER, &honest)?;
    l1.send(MEDDLER, &honest, &["challenge()"])?;

    decided(&l1, &honest, DEFENDER_WINS).await?;
    decided(&l1, &lie, CHALLENGER_WINS).await?;
    let registry = l1.at("AnchorStateRegistry")?;
    wait_for("the anchor and the bonds", 120, || async {
        let at = ["call", "--rpc-url", &l1.url, registry, "getAnchorRoot()(bytes32,uint256)"];
        let anchor = run_foundry("cast", &at)?;
        let there = anchor.split_whitespace().nth(1) == Some(LAST.to_string().as_str());
        Ok((there && l1.held(PROPOSER)? > proposer).then_some(()))
    })
    .await?;
    let bond = U256::from(10).pow(U256::from(19));
    ensure!(l1.held(LIAR)? == liar - bond, "the liar lost another amount");
    ensure!(
        l1.held(MEDDLER)? == meddler - bond,
        "who challenged what is right lost another amount"
    );
    drop(roles);

    // One comes back and begins where it knows how far L1 had been read; one that is new begins at genesis, and
    // meets the block without its batch on the way to the anchor.
    for (name, own, begins) in
        [("challenger", "chain", "not at genesis"), ("stranger", "stranger", "at genesis")]
    {
        let own = dir.path().join(own);
        if !own.exists() {
            public_files(&chain, &own)?;
        }
        let [a, b, c, d] = over(&CHALLENGER);
        let name = format!("{name} again");
        let _role = start(&name, "challenger", &own, "factory", &[&a, &b, &c, &d])?;
        let log = dir.path().join(format!("{name}.log"));
        let said = wait_for(&format!("the {name} to reach the anchor"), 60, || async {
            let said = fs::read_to_string(&log)?;
            Ok(said.contains("verifying from the anchor on").then_some(said))
        })
        .await?;
        let line = said.lines().find(|line| line.contains("deriving up to the anchor"));
        let line = line.context("it did not say where it begins")?;
        ensure!(line.contains(&format!("anchor={LAST}")), "{line}");
        ensure!(line.contains(" from=0 ") == (begins == "at genesis"), "{name}: {line}");
    }

    // A snapshot is taken if it is the anchor's, and not otherwise.
    follower.stop()?;
    let store = chain.join("follower").join("l2");
    let export = |number: u64| {
        let file = dir.path().join(format!("{number}.ol"));
        let block = number.to_string();
        let export =
            ["snapshot", "export", "--store", path(&store), "--block", &block, path(&file)];
        succeed(&export).map(|_| file)
    };
    let (other, anchored) = (export(CLAIMED)?, export(LAST)?);
    let second = dir.path().join("second");
    public_files(&chain, &second)?;
    let import = ["snapshot", "import", "--data-dir", path(&second), "--l1-rpc", &nodes];
    fail(&[&import[..], &[path(&other)]].concat(), "nothing was changed")?;
    ensure!(!second.join("follower").join("l2").exists());
    let said = succeed(&[&import[..], &[path(&anchored)]].concat())?;
    ensure!(said.contains(&format!("block {LAST} with output root")), "{said}");
    let follower = start("second", "follower", &second, "head", &["--rpc-port", "0"])?;
    let l2 = follower.said("JSON-RPC")?;
    let (head, _) = block(&l2, LAST).await?;
    l1.post(LAST + 1, head, Vec::new()).await?;
    safe_at_least(&l2, LAST + 1).await?;
    follower.stop()
}

/// The type of games that withdrawals respect.
pub fn game_type(l1: &L1, factory: &str) -> Result<String> {
    let registry = l1.at("AnchorStateRegistry")?;
    let kind = l1.ask(registry, &["respectedGameType()(uint32)"])?;
    let bond = l1.ask(factory, &["initBonds(uint32)(uint256)", &kind])?;
    ensure!(bond == (U256::from(10).pow(U256::from(19))).to_string(), "bonds are {bond}");
    Ok(kind)
}
