//! Several L1 nodes: one may be away, stand still or tell another chain, and nothing wrong is derived.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use bridge_l1::{Deposit, L1Addresses, L1Client, L1Urls, Watcher, Withdrawals, deposit};
use derive::{L1Block, L1Event};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    harness::{CHAIN_ID, L1, PATIENCE, deployer},
    proxy::{Fault, Proxy},
};

const POLL: Duration = Duration::from_millis(20);

/// A watcher over several nodes, and what it told.
struct Watching {
    events: mpsc::Receiver<L1Event>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), bridge_l1::WatcherError>>,
    /// Contiguous, from the first block of the rollup on.
    blocks: Vec<L1Block>,
}

impl Watching {
    async fn start(l1: &L1, urls: impl Into<L1Urls>) -> Self {
        let client = L1Client::connect(urls, CHAIN_ID).await.unwrap();
        let start = l1.rollup.genesis.l1.number;
        let watcher = Watcher::new(client, L1Addresses::from(&l1.rollup), start, POLL);
        let (sender, events) = mpsc::channel(1_000);
        let stop = CancellationToken::new();
        let task = tokio::spawn(watcher.run(sender, stop.clone()));
        Self { events, stop, task, blocks: Vec::new() }
    }

    fn take(&mut self, event: L1Event) {
        match event {
            L1Event::Block(block) => self.blocks.push((*block).clone()),
            L1Event::Finalized(_) => {}
            other => panic!("nothing was reorganised: {other:?}"),
        }
    }

    /// Waits for everything up to this block.
    async fn reach(&mut self, number: u64) {
        while self.blocks.last().is_none_or(|block| block.number < number) {
            let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            self.take(event.expect("the next block did not come").unwrap());
        }
    }

    /// What was told is L1's chain.
    async fn is_chain_of(&mut self, l1: &L1) {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        let addresses = L1Addresses::from(&l1.rollup);
        let numbers = l1.rollup.genesis.l1.number..;
        for (block, number) in self.blocks.iter().zip(numbers) {
            let truth = l1.client.fetch_block(number, &addresses).await.unwrap().unwrap();
            assert_eq!(block, &truth);
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn head(l1: &L1) -> u64 {
    l1.client.head().await.unwrap().block.number
}

async fn mine(l1: &L1, blocks: u64) {
    l1.call("anvil_mine", json!([format!("{blocks:#x}")])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_away_or_stand_still_hold_up_nothing() {
    let Some(l1) = L1::start().await else { return };
    l1.stop_mining().await;
    let (first, second) = (Proxy::start(l1.url.clone()).await, Proxy::start(l1.url.clone()).await);
    let urls = || L1Urls::from(vec![first.url.clone(), second.url.clone()]);
    // Away from the start on, then back, then the other one.
    first.set(Fault::Away);
    let mut watching = Watching::start(&l1, urls()).await;
    watching.reach(head(&l1).await).await;
    first.set(Fault::Nothing);
    for (away, back) in [(&second, &first), (&first, &second)] {
        back.set(Fault::Nothing);
        away.set(Fault::Unavailable);
        mine(&l1, 3).await;
        watching.reach(head(&l1).await).await;
    }
    watching.is_chain_of(&l1).await;
    watching.end().await;

    // The first is there, and its head stays where it is.
    second.set(Fault::Nothing);
    first.set(Fault::StaleHead(head(&l1).await));
    let patient = urls().with_stands_still(Duration::from_millis(300));
    let mut watching = Watching::start(&l1, patient).await;
    mine(&l1, 3).await;
    watching.reach(head(&l1).await).await;
    watching.is_chain_of(&l1).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_and_sent_goes_to_the_next_node_when_one_is_out() {
    let Some(l1) = L1::start().await else { return };
    let dead: Url = "http://127.0.0.1:1/".parse().unwrap();
    let urls = vec![dead.clone(), l1.url.clone()];
    let what = Deposit::transfer(
        l1.deployment.open,
        l1.deployment.optimism_portal,
        Address::repeat_byte(0x42),
        U256::from(7),
    );
    deposit(urls.clone(), deployer(), &what).await.unwrap();
    let withdrawals = Withdrawals::new(urls, l1.url.clone(), l1.deployment.optimism_portal);
    let registry = withdrawals.registry().await.unwrap();
    assert_eq!(registry, l1.deployment.anchor_state_registry);
    assert!(deposit(vec![dead.clone(), dead], deployer(), &what).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_derived_while_nodes_tell_different_chains() {
    let Some(l1) = L1::start().await else { return };
    // Begun in the same second and deployed alike, it would be the same chain.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Some(other) = L1::start().await else { return };
    l1.stop_mining().await;
    other.stop_mining().await;
    // Whatever is asked of it, the other chain has a block.
    mine(&other, 100).await;
    let elsewhere = Fault::OtherL1(other.url.port().unwrap());
    let proxy = Proxy::start(l1.url.clone()).await;
    let orders: [[&Url; 2]; 2] = [[&proxy.url, &l1.url], [&l1.url, &proxy.url]];
    for urls in orders {
        proxy.set(Fault::Nothing);
        let urls: Vec<Url> = urls.into_iter().cloned().collect();
        let mut watching = Watching::start(&l1, urls.clone()).await;
        let agreed = head(&l1).await;
        watching.reach(agreed).await;

        proxy.set(elsewhere);
        mine(&l1, 4).await;
        let client = L1Client::connect(urls, CHAIN_ID).await.unwrap();
        assert!(client.finalized().await.unwrap().is_none_or(|block| block.number <= agreed));
        // Long enough for several looks.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!watching.task.is_finished());
        watching.is_chain_of(&l1).await;
        assert_eq!(watching.blocks.last().unwrap().number, agreed, "a disputed block was told");

        proxy.set(Fault::Nothing);
        watching.reach(head(&l1).await).await;
        watching.is_chain_of(&l1).await;
        watching.end().await;
    }
    // One that follows another chain is not even begun with.
    let error = L1Client::connect(vec![l1.url.clone()], 1).await.unwrap_err();
    assert!(error.to_string().contains("chain id 16121"), "{error}");
    let error = L1Client::connect(vec![l1.url.clone(), other.url.clone()], 1).await.unwrap_err();
    assert!(error.to_string().contains("chain id 16121"), "{error}");
}
