//! One sequencer stops, another starts: never do both publish a block of one number.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use sequencer_node::{
    ControlError, FeedConfig, FollowConfig, L1Feed, Lead, Mode, NodeConfig, Role, SequencerConfig,
    feed::message::{Kind, Message, SignedMessage},
};
use serde_json::{Value, json};
use tests_anvil::free_ports;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::{
    fake_l1::FakeL1,
    feed::{block, feed_config, following, key},
    harness::{CHAIN, Running, World, now, quantity},
};

/// The operators' port of a node.
pub async fn operator(node: &Running, method: &str, params: Value) -> Value {
    let url = format!("http://{}", node.handle.admin_addr().unwrap());
    ask_operator(&url, method, params).await
}

pub async fn ask_operator(url: &str, method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let token = sequencer_node::jwt::JwtSecret::new([7; 32]).token(now());
    let http = reqwest::Client::new();
    let answer = http.post(url).bearer_auth(token).json(&body).send().await.unwrap();
    answer.json().await.unwrap()
}

pub fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{answer} should be an error"))
}

/// A sequencer that serves its feed on a port and listens to another one's.
pub async fn sequencer(
    world: &World,
    directory: &Path,
    l1: &FakeL1,
    (own, other): (u16, u16),
    stopped: bool,
) -> Running {
    let store = world.open(directory);
    let change = |config: &mut NodeConfig| {
        let role = Role::Sequencer(SequencerConfig { stopped, ..SequencerConfig::default() });
        config.mode = Mode::Rollup { rollup: world.rollup.clone(), role };
        let mut feed = feed_config();
        feed.listen.set_port(own);
        config.feed = Some(feed);
        let urls = vec![format!("ws://127.0.0.1:{other}")];
        config.follow = Some(FollowConfig::of(urls, key(0x5e).address()));
        let secret = sequencer_node::jwt::JwtSecret::new([7; 32]);
        let listen = ([127, 0, 0, 1], 0).into();
        config.admin = Some(sequencer_node::AuthConfig::new(listen, secret));
    };
    Running::with_feeds(world, store, l1.feed(0, 10), None, change).await.unwrap()
}

/// Of a chain on which L1 says who may publish, seconds: its lease, and what others wait beyond it.
pub const LEASE: u64 = 6;
pub const BEYOND: u64 = 3;

/// The same on such a chain, with a key of its own; L1 names that of byte 0x5e at first.
pub async fn fenced(
    world: &World,
    directory: &Path,
    (l1, feed): (&FakeL1, L1Feed),
    ports: (u16, u16),
    (stopped, signer): (bool, u8),
) -> Running {
    fenced_with(world, directory, (l1, feed), ports, (stopped, signer, None)).await
}

/// The same with a stand-in that must acknowledge each block, by its key's byte.
async fn fenced_with(
    world: &World,
    directory: &Path,
    (l1, feed): (&FakeL1, L1Feed),
    (own, other): (u16, u16),
    (stopped, signer, stand_in): (bool, u8, Option<u8>),
) -> Running {
    assert_eq!(world.rollup.max_sequencer_drift, LEASE);
    let change = |config: &mut NodeConfig| {
        let role = Role::Sequencer(SequencerConfig {
            stopped,
            clock_skew_max: Duration::from_secs(1),
            l1_branch_max: Duration::from_secs(BEYOND - 1),
            ..SequencerConfig::default()
        });
        config.mode = Mode::Rollup { rollup: world.rollup.clone(), role };
        let stand_in = stand_in.map(|byte| key(byte).address());
        config.feed = Some(FeedConfig { signer: key(signer), stand_in, ..feed_config() });
        config.feed.as_mut().unwrap().listen.set_port(own);
        let urls = vec![format!("ws://127.0.0.1:{other}")];
        config.follow = Some(FollowConfig { urls, signer: None });
        config.named_key = Some(l1.named_at_first(key(0x5e).address()));
        let secret = sequencer_node::jwt::JwtSecret::new([7; 32]);
        config.admin = Some(sequencer_node::AuthConfig::new(([127, 0, 0, 1], 0).into(), secret));
    };
    Running::with_feeds(world, world.open(directory), feed, None, change).await.unwrap()
}

/// A world whose leases are short, and an L1 that goes on.
pub fn short_leases() -> (World, FakeL1) {
    let mut world = World::new(6);
    world.rollup.max_sequencer_drift = LEASE;
    let l1 = FakeL1::new(&world);
    l1.keep_time();
    (world, l1)
}

/// Overrides and starts until it is begun; what it was refused with is given, each text once.
pub async fn override_until_started(node: &Running, head: B256) -> Vec<String> {
    let mut refusals: Vec<String> = Vec::new();
    for _ in 0..1_500 {
        assert!(operator(node, "admin_overrideLeader", json!([])).await["error"].is_null());
        let started = operator(node, "admin_startSequencer", json!([head])).await;
        if started["error"].is_null() {
            return refusals;
        }
        // Without what differs from second to second.
        let text: String =
            message(&started).chars().filter(|letter| !letter.is_ascii_digit()).collect();
        if refusals.last() != Some(&text) {
            refusals.push(text);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{head} was not started on: {refusals:?}");
}

/// Everything that a feed says, with when it was heard.
type Heard = Arc<Mutex<Vec<(Instant, Message)>>>;

/// What a sequencer resigns with within 20 s.
async fn resignation(heard: &Heard) -> Message {
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(20), "it does not resign");
        let last = heard.lock().last().map(|(_, said)| said.clone());
        if let Some(last) = last.filter(|last| last.kind == Kind::Resigned) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Listens to whoever serves a feed there, again and again, until the test ends.
fn listen_to(port: u16, signer: u8) -> Heard {
    let heard = Heard::default();
    let said = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let from = said.lock().iter().map(|(_, said)| said.number).max().unwrap_or(0) + 1;
            let url = format!("ws://127.0.0.1:{port}/?from={from}");
            if let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url).await {
                while let Some(Ok(frame)) = socket.next().await {
                    let Frame::Binary(bytes) = frame else { continue };
                    let message = SignedMessage::decode(&bytes).unwrap();
                    let message = message.verify(CHAIN, key(signer).address()).unwrap();
                    said.lock().push((Instant::now(), message));
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    heard
}

/// The hash of each number that was published.
fn published(heard: &Heard) -> BTreeMap<u64, B256> {
    let heard = heard.lock();
    let sealed = heard.iter().filter(|(_, said)| said.kind == Kind::Sealed);
    sealed.map(|(_, said)| (said.number, said.hash)).collect()
}

/// A line between two nodes that can be cut, or carry nothing of what the one that called says.
struct Line {
    port: u16,
    cut: tokio::sync::watch::Sender<bool>,
    mute: tokio::sync::watch::Sender<bool>,
}

impl Line {
    async fn to(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (cut, is_cut) = tokio::sync::watch::channel(false);
        let (mute, is_mute) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut is_cut, is_mute) = (is_cut.clone(), is_mute.clone());
                tokio::spawn(async move {
                    if *is_cut.borrow_and_update() {
                        return;
                    }
                    let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await
                    else {
                        return;
                    };
                    let (mut from_near, mut to_near) = near.split();
                    let (mut from_far, mut to_far) = far.split();
                    tokio::select! {
                        () = carry(&mut from_near, &mut to_far, is_mute) => {}
                        _ = tokio::io::copy(&mut from_far, &mut to_near) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port: own, cut, mute }
    }
}

/// Carries what is said until the end, and loses what comes while it is mute.
async fn carry(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    is_mute: tokio::sync::watch::Receiver<bool>,
) {
    let mut bytes = [0; 4_096];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        if !*is_mute.borrow() && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits until a node has the head that another one, which was stopped, keeps.
async fn caught_up(node: &Running, hash: B256) {
    for _ in 0..3_000 {
        if node.handle.chain().heads().unsafe_head.hash == hash {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{hash} was not reached: {:?}", node.handle.chain().heads());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_hands_over_and_back_and_followers_go_along() {
    let world = World::new(6);
    let l1 = FakeL1::new(&world);
    let (a_dir, b_dir, c_dir) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, b_port), false).await;
    let b = sequencer(&world, b_dir.path(), &l1, (b_port, a_port), true).await;
    let urls = [format!("ws://127.0.0.1:{a_port}"), format!("ws://127.0.0.1:{b_port}")];
    let follower =
        Running::with_feeds(&world, world.open(c_dir.path()), l1.feed(0, 10), None, |config| {
            following(config, &world, &urls)
        });
    let follower = follower.await.unwrap();
    b.reach(6).await;
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], true);
    assert_eq!(operator(&b, "admin_sequencerActive", json!([])).await["result"], false);

    // Not while the other one lives, nor on another head, nor twice.
    let head = b.handle.chain().heads().unsafe_head.hash;
    let refused = operator(&b, "admin_startSequencer", json!([head])).await;
    let text = message(&refused);
    assert!(text.contains("is live in term 1") || text.contains("does not match"), "{text}");
    let refused = operator(&b, "admin_startSequencer", json!([B256::ZERO])).await;
    assert!(message(&refused).contains("block hash does not match"), "{refused}");
    let refused = operator(&a, "admin_startSequencer", json!([head])).await;
    assert_eq!(message(&refused), "sequencer already running");
    assert_eq!(
        message(&operator(&b, "admin_stopSequencer", json!([])).await),
        "sequencer not running"
    );
    let wrong = operator(&b, "admin_startSequencer", json!([])).await;
    assert_eq!(wrong["error"]["code"], -32_602);
    let none = follower.handle.admin().sequencer.stop().await;
    assert_eq!(none, Err(ControlError::NoSequencer));

    // Nothing tells this node whom L1 names.
    let refused = operator(&b, "admin_overrideLeader", json!([])).await;
    assert!(message(&refused).contains("does not know whom L1 names"), "{refused}");

    // What was promised is in the last block.
    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    let hash = a.call("eth_sendRawTransaction", json!([raw])).await;
    a.call("eth_sendRawTransactionSync", json!([world.transfer(1, 0, Address::ZERO, U256::ONE)]))
        .await;
    let last = operator(&a, "admin_stopSequencer", json!([])).await;
    let last: B256 = last["result"].as_str().unwrap_or_else(|| panic!("{last}")).parse().unwrap();
    let stopped_at = a.handle.chain().heads().unsafe_head;
    assert_eq!(stopped_at.hash, last);
    assert_eq!(a.receipt(&hash).await["status"], "0x1");
    caught_up(&b, last).await;
    for _ in 0..500 {
        let started = operator(&b, "admin_startSequencer", json!([last])).await;
        if started["error"].is_null() {
            break;
        }
        // The resignation is still on its way.
        assert!(message(&started).contains("is live"), "{started}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    b.reach(stopped_at.number + 2).await;
    let number = b.head().await;
    // The one that stopped follows, and so does everybody else.
    for node in [&a, &follower] {
        node.reach(number).await;
    }
    assert_eq!(block(&a, number).hash, block(&b, number).hash);
    assert_eq!(block(&follower, number).hash, block(&b, number).hash);
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);

    // It does not come back by being restarted.
    a.stop().await;
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, b_port), false).await;
    let number = b.head().await + 2;
    a.reach(number).await;
    assert_eq!(block(&a, number).hash, block(&b, number).hash);
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);

    // And back.
    let last: B256 = {
        let last = operator(&b, "admin_stopSequencer", json!([])).await;
        last["result"].as_str().unwrap().parse().unwrap()
    };
    caught_up(&a, last).await;
    let mut started = json!({"error": {}});
    for _ in 0..500 {
        started = operator(&a, "admin_startSequencer", json!([last])).await;
        if started["error"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started["error"].is_null(), "{started}");
    let number = a.head().await + 2;
    follower.reach(number).await;
    assert_eq!(block(&follower, number).hash, block(&a, number).hash);
    follower.stop().await;
    a.stop().await;
    b.stop().await;
}

/// It has every block and not yet the L1 on which they are built: it could not go on, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_that_has_not_heard_l1_is_not_begun_with() {
    let world = World::new(6);
    let l1 = FakeL1::new(&world);
    for _ in 0..2 {
        l1.extend(0, Vec::new(), |_| {});
    }
    // The same L1, as far as the stand-in reaches it.
    let behind = FakeL1::new(&world);
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, b_port), false).await;
    let b = sequencer(&world, b_dir.path(), &behind, (b_port, a_port), true).await;
    b.reach(6).await;
    let last = operator(&a, "admin_stopSequencer", json!([])).await;
    let last: B256 = last["result"].as_str().unwrap_or_else(|| panic!("{last}")).parse().unwrap();
    caught_up(&b, last).await;
    let lead = |directory: &Path| sequencer_node::Leadership::open(directory).unwrap().get();
    let mut text = String::new();
    for _ in 0..500 {
        let refused = operator(&b, "admin_startSequencer", json!([last])).await;
        text = message(&refused).to_owned();
        if !text.contains("is live") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(text.contains("not ready: L1 was not heard up to block"), "{text}");
    assert_eq!(operator(&b, "admin_sequencerActive", json!([])).await["result"], false);
    assert_eq!(lead(b_dir.path()).term, 0);

    // Nothing is spoilt: it starts when it has heard.
    for _ in 0..2 {
        behind.extend(0, Vec::new(), |_| {});
    }
    let mut started = json!({"error": {}});
    for _ in 0..500 {
        started = operator(&b, "admin_startSequencer", json!([last])).await;
        if started["error"].is_null() {
            break;
        }
        assert!(message(&started).contains("not ready"), "{started}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started["error"].is_null(), "{started}");
    let number = b.handle.chain().heads().unsafe_head.number + 2;
    b.reach(number).await;
    a.reach(number).await;
    assert_eq!(block(&a, number).hash, block(&b, number).hash);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_makes_way_for_one_that_was_started_in_its_stead() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let a = fenced(&world, a_dir.path(), (&l1, l1.feed(0, 10)), (a_port, b_port), (false, 0x5e));
    let a = a.await;
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, a_port), (true, 0x5f));
    let b = b.await;
    b.reach(6).await;
    // The first dies without a word.
    a.stop().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let head = b.handle.chain().heads().unsafe_head.hash;
    let refused = operator(&b, "admin_startSequencer", json!([head])).await;
    assert!(message(&refused).contains("term 1"), "{refused}");
    l1.name(key(0x5f).address());
    override_until_started(&b, head).await;
    // It comes back in the belief that it sequences: it hears of the other before it builds.
    let a = fenced(&world, a_dir.path(), (&l1, l1.feed(0, 10)), (a_port, b_port), (false, 0x5e));
    let a = a.await;
    let number = b.head().await + 2;
    a.reach(number).await;
    head_is_on(&a, number, block(&b, number).hash).await;
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);
    a.stop().await;
    b.stop().await;
    let b = sequencer_node::Leadership::open(b_dir.path()).unwrap().get();
    assert!(b.active && b.term == b.seen && b.term > 1, "{b:?}");
    let a = sequencer_node::Leadership::open(a_dir.path()).unwrap().get();
    let signer = Some(key(0x5f).address());
    assert_eq!(a, Lead { term: 1, seen: b.term, active: false, signer, resigned: a.resigned });
}

/// The sequencer lives, and neither its stand-in nor L1 can be reached from it: the stand-in begins when, and only
/// when, the other one's lease is over. Whoever heard the first alone goes with the second.
#[tokio::test(flavor = "multi_thread")]
async fn behind_cut_lines_one_stops_before_the_other_begins() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir, c_dir) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let (to_a, to_b) = (Line::to(a_port).await, Line::to(b_port).await);
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let a_l1 = l1.feed_over(0, 10, is_cut);
    let a = fenced(&world, a_dir.path(), (&l1, a_l1), (a_port, to_b.port), (false, 0x5e)).await;
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, to_a.port), (true, 0x5f));
    let b = b.await;
    let urls = [format!("ws://127.0.0.1:{a_port}"), format!("ws://127.0.0.1:{b_port}")];
    let c = Running::with_feeds(&world, world.open(c_dir.path()), l1.feed(0, 10), None, |config| {
        following(config, &world, &urls);
        config.follow = Some(FollowConfig { urls: urls.to_vec(), signer: None });
        config.named_key = Some(l1.named_at_first(key(0x5e).address()));
    });
    let c = c.await.unwrap();
    let (of_a, of_b) = (listen_to(a_port, 0x5e), listen_to(b_port, 0x5f));
    b.reach(4).await;

    to_a.cut.send_replace(true);
    to_b.cut.send_replace(true);
    // What it heard last is on its way into its chain for a moment.
    let mut common = b.handle.chain().heads().unsafe_head;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let head = b.handle.chain().heads().unsafe_head;
        if head == common {
            break;
        }
        common = head;
    }
    // Neither before L1 names it, nor with blocks that it lacks.
    a.reach(common.number + 1).await;
    operator(&b, "admin_overrideLeader", json!([])).await;
    let beyond = block(&a, common.number + 1).hash;
    let refused = operator(&b, "admin_startSequencer", json!([beyond])).await;
    assert!(message(&refused).contains("block hash does not match"), "{refused}");
    operator(&b, "admin_overrideLeader", json!([])).await;
    let refused = operator(&b, "admin_startSequencer", json!([common.hash])).await;
    assert!(message(&refused).contains("have the guardian name it"), "{refused}");

    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    let receipt = a.call("eth_sendRawTransactionSync", json!([raw])).await;
    let apart = quantity(&receipt["blockNumber"]);
    c.reach(apart).await;
    cut.send_replace(true);
    l1.name(key(0x5f).address());
    let refusals = override_until_started(&b, common.hash).await;
    let begun = Instant::now();
    assert!(refusals.iter().any(|text| text.contains("the sequencer before may not know it")));
    // It believes that it leads, and is silent: not a sign of life after the other one began.
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], true);
    let last = of_a.lock().last().unwrap().0;
    assert!(last < begun);
    b.reach(apart + 1).await;
    assert_eq!(of_a.lock().last().unwrap().0, last);
    while of_b.lock().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it publishes nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(of_b.lock()[0].0 > last);

    // No block is left out: the stand-in's first follows the last that it had heard.
    let (before, first) = (block(&b, common.number), block(&b, common.number + 1));
    assert_eq!(first.header.parent_hash, common.hash);
    assert_eq!(first.header.timestamp, before.header.timestamp + world.rollup.block_time);
    assert_ne!(block(&a, apart).hash, block(&b, apart).hash);
    // The hole that only a stand-in which acknowledges each block closes: one number, two blocks, both published.
    for (heard, node) in [(&of_a, &a), (&of_b, &b)] {
        let said = || published(heard).get(&apart).copied();
        while said().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "block {apart} is not heard");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(said(), Some(block(node, apart).hash));
    }
    // A follower hears the old one still, and leaves it by its own view of L1.
    head_is_on(&c, apart, block(&b, apart).hash).await;

    to_a.cut.send_replace(false);
    to_b.cut.send_replace(false);
    cut.send_replace(false);
    let number = b.head().await + 2;
    for node in [&a, &b, &c] {
        node.reach(number).await;
    }
    for node in [&a, &c] {
        for at in [common.number, common.number + 1, apart, number] {
            head_is_on(node, at, block(&b, at).hash).await;
        }
    }
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);
    assert_eq!(operator(&b, "admin_sequencerActive", json!([])).await["result"], true);
    assert_eq!(of_a.lock().last().unwrap().0, last);
    c.stop().await;
    a.stop().await;
    b.stop().await;
}

/// Asserts that nobody ever heard two blocks of one number; gives the numbers heard of each.
fn never_twice(heard: &[&Heard]) -> Vec<usize> {
    let mut all: BTreeMap<u64, B256> = BTreeMap::new();
    let mut counts = Vec::new();
    for heard in heard {
        let heard = heard.lock();
        let sealed = heard.iter().filter(|(_, said)| said.kind == Kind::Sealed);
        let blocks: Vec<(u64, B256)> = sealed.map(|(_, said)| (said.number, said.hash)).collect();
        for (number, hash) in &blocks {
            let first = *all.entry(*number).or_insert(*hash);
            assert_eq!(first, *hash, "block {number} was published twice");
        }
        counts.push(blocks.len());
    }
    counts
}

async fn stand_in_of(node: &Running) -> Value {
    operator(node, "admin_standIn", json!([])).await["result"].clone()
}

/// Waits until a node has a block that its stand-in does not acknowledge; gives its number.
async fn stands_still(node: &Running) -> u64 {
    for _ in 0..500 {
        let status = stand_in_of(node).await;
        if status["awaitedSeconds"] != "0x0" {
            return quantity(&status["awaited"]["number"]);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not stand still: {}", stand_in_of(node).await);
}

/// As above, and the stand-in acknowledges each block before anybody else hears of it: what the first published, the
/// second has, and builds on.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stand_in_acknowledged_is_never_replaced() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir, c_dir) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let (to_a, to_b) = (Line::to(a_port).await, Line::to(b_port).await);
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let a_l1 = l1.feed_over(0, 10, is_cut);
    let roles = (false, 0x5e, Some(0x5f));
    let a = fenced_with(&world, a_dir.path(), (&l1, a_l1), (a_port, to_b.port), roles).await;
    let roles = (true, 0x5f, Some(0x5e));
    let b_l1 = l1.feed(0, 10);
    let b = fenced_with(&world, b_dir.path(), (&l1, b_l1), (b_port, to_a.port), roles).await;
    let urls = [format!("ws://127.0.0.1:{a_port}"), format!("ws://127.0.0.1:{b_port}")];
    let c = Running::with_feeds(&world, world.open(c_dir.path()), l1.feed(0, 10), None, |config| {
        following(config, &world, &urls);
        config.follow = Some(FollowConfig { urls: urls.to_vec(), signer: None });
        config.named_key = Some(l1.named_at_first(key(0x5e).address()));
    });
    let c = c.await.unwrap();
    let (of_a, of_b) = (listen_to(a_port, 0x5e), listen_to(b_port, 0x5f));
    c.reach(8).await;
    let status = stand_in_of(&a).await;
    assert_eq!(status["address"], json!(key(0x5f).address()));
    assert_eq!(status["connected"], true);
    assert!(quantity(&status["acknowledged"]["number"]) >= 8, "{status}");

    to_a.cut.send_replace(true);
    to_b.cut.send_replace(true);
    let awaited = stands_still(&a).await;
    // Nobody hears of it: over RPC, in the feed, nor parts of what is built on it.
    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    let hash = a.call("eth_sendRawTransaction", json!([raw])).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(stand_in_of(&a).await["connected"], false);
    assert_eq!((a.head().await, stands_still(&a).await), (awaited - 1, awaited));
    let receipt = |tag: Option<&str>| json!([Some(hash.as_str().unwrap()), tag]);
    assert_eq!(
        a.call("eth_getTransactionReceipt", receipt(Some("pending"))).await["status"],
        "0x1"
    );
    assert!(a.call("eth_getTransactionReceipt", receipt(None)).await.is_null());
    let number = json!([format!("{awaited:#x}"), false]);
    assert!(a.call("eth_getBlockByNumber", number).await.is_null());
    assert_eq!(c.head().await, awaited - 1);
    // Parts of it are from when it was open.
    let is_told = |said: &Message| said.number + u64::from(said.kind != Kind::Partial) <= awaited;
    assert!(of_a.lock().iter().all(|(_, said)| is_told(said)));
    // Not even to stop is a way around it.
    let refused = operator(&a, "admin_stopSequencer", json!([])).await;
    assert!(message(&refused).contains("did not acknowledge block"), "{refused}");
    let common = b.handle.chain().heads().unsafe_head;
    assert!(common.number + 1 >= awaited);
    assert_eq!(block(&b, awaited - 1).hash, block(&a, awaited - 1).hash);
    // What it acknowledged is there after a restart.
    b.stop().await;
    let roles = (true, 0x5f, Some(0x5e));
    let b_l1 = l1.feed(0, 10);
    let b = fenced_with(&world, b_dir.path(), (&l1, b_l1), (b_port, to_a.port), roles).await;
    assert_eq!(b.handle.chain().heads().unsafe_head, common);

    cut.send_replace(true);
    l1.name(key(0x5f).address());
    override_until_started(&b, common.hash).await;
    // Its own stand-in is behind the line: it waits until the operator says that it need not.
    let first = stands_still(&b).await;
    assert_eq!((first, b.head().await), (common.number + 1, common.number));
    assert!(published(&of_b).keys().all(|number| *number <= common.number));
    assert!(operator(&b, "admin_setStandIn", json!([null])).await["error"].is_null());
    b.reach(first + 3).await;
    head_is_on(&c, first, block(&b, first).hash).await;

    to_a.cut.send_replace(false);
    to_b.cut.send_replace(false);
    cut.send_replace(false);
    let number = b.head().await + 2;
    for node in [&a, &c] {
        node.reach(number).await;
        for at in [awaited - 1, first, number] {
            head_is_on(node, at, block(&b, at).hash).await;
        }
    }
    // It can be its stand-in now.
    let named = operator(&b, "admin_setStandIn", json!([key(0x5e).address()])).await;
    assert!(named["error"].is_null(), "{named}");
    b.reach(number + 3).await;
    a.reach(number + 3).await;
    assert_eq!(stand_in_of(&b).await["connected"], true);
    let counts = never_twice(&[&of_a, &of_b]);
    assert!(counts[0] > 8 && counts[1] > 5, "{counts:?}");
    for (number, hash) in published(&of_a) {
        assert_eq!(block(&b, number).hash, hash);
    }
    c.stop().await;
    a.stop().await;
    b.stop().await;
}

/// A stand-in is away for a while, and the sequencer is started again meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_sequencer_waits_for_its_stand_in_also_after_a_restart() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, nobody] = free_ports();
    let lead = || {
        let roles = (false, 0x5e, Some(0x5f));
        fenced_with(&world, a_dir.path(), (&l1, l1.feed(0, 10)), (a_port, nobody), roles)
    };
    // Its own port is anyone: while it is away another test may take it.
    let stand_by =
        || fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (0, a_port), (true, 0x5f));
    let a = lead().await;
    let of_a = listen_to(a_port, 0x5e);
    // Not one block without it.
    assert_eq!(stands_still(&a).await, 1);
    assert_eq!(a.head().await, 0);
    let b = stand_by().await;
    b.reach(8).await;
    a.reach(8).await;

    // Whoever only says that it is the stand-in hears nothing, and is shown the door.
    b.stop().await;
    let awaited = stands_still(&a).await;
    let (address, from) = (key(0x5f).address(), awaited);
    let url = format!("ws://127.0.0.1:{a_port}/?from={from}&stand-in={address}");
    let claims = || async { tokio_tungstenite::connect_async(&url).await.unwrap().0 };
    let mut socket = claims().await;
    let challenge = loop {
        let Some(Ok(Frame::Binary(bytes))) = socket.next().await else { panic!("no challenge") };
        let message = SignedMessage::decode(&bytes).unwrap();
        let message = message.verify(CHAIN, key(0x5e).address()).unwrap();
        assert_ne!(message.kind, Kind::Sealed);
        if message.kind == Kind::Challenge {
            break message;
        }
    };
    // On its disk, and told to nobody.
    let id = a.handle.store().l2_block_ref(awaited).unwrap().unwrap().id();
    let bytes = B256::from_slice(&challenge.payload);
    let words = [
        // Another key, another challenge, another chain, another kind.
        Message::acknowledged(CHAIN, challenge.term, id, bytes).sign(&key(0x5d)),
        Message::acknowledged(CHAIN, challenge.term, id, B256::ZERO).sign(&key(0x5f)),
        Message::acknowledged(CHAIN + 1, challenge.term, id, bytes).sign(&key(0x5f)),
        Message::alive(CHAIN, challenge.term, id, bytes).sign(&key(0x5f)),
    ];
    for (turn, word) in words.into_iter().enumerate() {
        if turn > 0 {
            socket = claims().await;
        }
        socket.send(Frame::binary(word.unwrap().encode().to_vec())).await.unwrap();
        let mut closed = None;
        while let Some(Ok(frame)) = socket.next().await {
            if let Frame::Close(frame) = frame {
                closed = frame.map(|frame| u16::from(frame.code));
            }
        }
        assert_eq!(closed, Some(1_003));
    }
    assert_eq!(stand_in_of(&a).await["awaited"]["hash"], json!(id.hash));

    // Its block is there after a restart, and still nobody's but its own.
    a.stop().await;
    let a = lead().await;
    assert_eq!(stands_still(&a).await, awaited);
    assert_eq!(
        (a.head().await, published(&of_a).keys().max()),
        (awaited - 1, Some(&(awaited - 1)))
    );
    let own = operator(&a, "admin_setStandIn", json!([key(0x5e).address()])).await;
    assert!(message(&own).contains("own key"), "{own}");
    assert!(message(&operator(&a, "admin_setStandIn", json!([])).await).contains("missing value"));
    let b = stand_by().await;
    b.reach(awaited + 3).await;
    a.reach(awaited + 3).await;
    assert_eq!(block(&b, awaited).id(), id);
    assert_eq!(block(&a, awaited).id(), id);
    never_twice(&[&of_a]);

    // By hand, with its word, and nothing is missing.
    let last = operator(&a, "admin_stopSequencer", json!([])).await;
    let last: B256 = last["result"].as_str().unwrap_or_else(|| panic!("{last}")).parse().unwrap();
    caught_up(&b, last).await;
    a.stop().await;
    b.stop().await;
}

/// L1 names the stand-in, which is away: the first resigns with the last block that it acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_replaced_gives_up_what_its_stand_in_lacks() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let (to_a, to_b) = (Line::to(a_port).await, Line::to(b_port).await);
    let roles = (false, 0x5e, Some(0x5f));
    let a_l1 = l1.feed(0, 10);
    let a = fenced_with(&world, a_dir.path(), (&l1, a_l1), (a_port, to_b.port), roles).await;
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, to_a.port), (true, 0x5f));
    let b = b.await;
    let (of_a, of_b) = (listen_to(a_port, 0x5e), listen_to(b_port, 0x5f));
    a.reach(8).await;
    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    to_a.cut.send_replace(true);
    to_b.cut.send_replace(true);
    stands_still(&a).await;
    let hash = a.call("eth_sendRawTransaction", json!([raw])).await;
    let awaited = stands_still(&a).await;
    l1.name(key(0x5f).address());
    let resigned = resignation(&of_a).await;
    assert_eq!(resigned.number, awaited - 1);
    // Its transaction waits again.
    let status = a.call("eth_getTransactionByHash", json!([hash])).await;
    assert!(status["blockNumber"].is_null() && status["hash"] == hash, "{status}");

    to_a.cut.send_replace(false);
    to_b.cut.send_replace(false);
    let mut started = json!(null);
    for _ in 0..1_000 {
        // With a block more than the other knows it may begin on that.
        let head = b.handle.chain().heads().unsafe_head.hash;
        started = operator(&b, "admin_startSequencer", json!([head])).await;
        if started["error"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started["error"].is_null(), "{started}");
    b.reach(awaited + 2).await;
    a.reach(awaited + 2).await;
    head_is_on(&a, awaited, block(&b, awaited).hash).await;
    let counts = never_twice(&[&of_a, &of_b]);
    assert!(counts[0] >= 8 && counts[1] > 1, "{counts:?}");
    a.stop().await;
    b.stop().await;
}

/// What the stand-in says is lost: the first resigns with the block below the one that the stand-in has, and the
/// stand-in keeps that and begins on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stand_in_begins_on_what_it_acknowledged_in_vain() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let to_a = Line::to(a_port).await;
    let roles = (false, 0x5e, Some(0x5f));
    let a_l1 = l1.feed(0, 10);
    let a = fenced_with(&world, a_dir.path(), (&l1, a_l1), (a_port, b_port), roles).await;
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, to_a.port), (true, 0x5f));
    let b = b.await;
    let (of_a, of_b) = (listen_to(a_port, 0x5e), listen_to(b_port, 0x5f));
    a.reach(8).await;
    to_a.mute.send_replace(true);
    let awaited = stands_still(&a).await;
    let hidden = a.handle.store().l2_block_ref(awaited).unwrap().unwrap().hash;
    caught_up(&b, hidden).await;
    l1.name(key(0x5f).address());
    let mut started = json!(null);
    for _ in 0..1_000 {
        started = operator(&b, "admin_startSequencer", json!([hidden])).await;
        if started["error"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started["error"].is_null(), "{started}");
    let resigned = of_a
        .lock()
        .iter()
        .rev()
        .find_map(|(_, said)| (said.kind == Kind::Resigned).then_some(said.number));
    assert_eq!(resigned, Some(awaited - 1));
    b.reach(awaited + 2).await;
    a.reach(awaited + 2).await;
    for node in [&a, &b] {
        assert_eq!(block(node, awaited).hash, hidden);
    }
    never_twice(&[&of_a, &of_b]);
    a.stop().await;
    b.stop().await;
}

/// Only the line between the two is cut. The first hears from L1 that it is replaced, and resigns; when the line is
/// mended its last blocks and its word reach the stand-in: no number is published twice, and nobody waits for
/// the lease.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_hears_l1_resigns_and_its_word_ends_the_wait() {
    let (world, l1) = short_leases();
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [a_port, b_port] = free_ports();
    let (to_a, to_b) = (Line::to(a_port).await, Line::to(b_port).await);
    let a = fenced(&world, a_dir.path(), (&l1, l1.feed(0, 10)), (a_port, to_b.port), (false, 0x5e));
    let a = a.await;
    let b = fenced(&world, b_dir.path(), (&l1, l1.feed(0, 10)), (b_port, to_a.port), (true, 0x5f));
    let b = b.await;
    let (of_a, of_b) = (listen_to(a_port, 0x5e), listen_to(b_port, 0x5f));
    b.reach(4).await;
    to_a.cut.send_replace(true);
    to_b.cut.send_replace(true);
    let alone = b.head().await + 2;
    a.reach(alone).await;
    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    a.call("eth_sendRawTransactionSync", json!([raw])).await;
    l1.name(key(0x5f).address());
    let resigned = resignation(&of_a).await;
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);
    assert!(resigned.number >= alone);
    assert_eq!(block(&a, resigned.number).hash, resigned.hash);

    to_a.cut.send_replace(false);
    to_b.cut.send_replace(false);
    // Its blocks count though L1 names this node already.
    caught_up(&b, resigned.hash).await;
    let mut started = json!(null);
    for _ in 0..1_000 {
        started = operator(&b, "admin_startSequencer", json!([resigned.hash])).await;
        if started["error"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(started["error"].is_null(), "{started}");
    b.reach(resigned.number + 2).await;
    let number = b.head().await;
    a.reach(number).await;
    head_is_on(&a, number, block(&b, number).hash).await;
    let (of_a, of_b) = (published(&of_a), published(&of_b));
    assert!(of_a.len() > 4 && of_b.len() > 1);
    for (number, hash) in &of_b {
        assert!(of_a.get(number).is_none_or(|first| first == hash), "block {number} twice");
    }
    assert_eq!(of_a.keys().max(), Some(&resigned.number));
    a.stop().await;
    b.stop().await;
}

/// A sequencer without L1 stands still when its lease is over, and goes on in its term when L1 is there again.
#[tokio::test(flavor = "multi_thread")]
async fn without_l1_a_sequencer_is_silent_until_l1_is_back() {
    let (world, l1) = short_leases();
    let directory = tempfile::tempdir().unwrap();
    let [port, other] = free_ports();
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let feed = l1.feed_over(0, 10, is_cut);
    let node = fenced(&world, directory.path(), (&l1, feed), (port, other), (false, 0x5e)).await;
    let said = listen_to(port, 0x5e);
    node.reach(8).await;
    cut.send_replace(true);
    let cut_at = now();
    tokio::time::sleep(Duration::from_secs(LEASE + 3)).await;
    let (silent, number) = (said.lock().len(), node.head().await);
    assert!(number > 8 && world.rollup.block_timestamp(number) <= cut_at + LEASE);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((said.lock().len(), node.head().await), (silent, number));
    cut.send_replace(false);
    node.reach(number + 4).await;
    let last = said.lock().last().unwrap().1.clone();
    assert_eq!(last.term, 1);
    node.stop().await;
}

/// Waits until a node has this block in its chain.
async fn head_is_on(node: &Running, number: u64, hash: B256) {
    for _ in 0..1_500 {
        if node.handle.chain().block(number).unwrap().is_some_and(|block| block.hash() == hash) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{hash} is not block {number}: {:?}", node.handle.chain().heads());
}
