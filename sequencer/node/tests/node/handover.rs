//! One sequencer stops, another starts: never do both publish a block of one number.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, U256};
use sequencer_node::{ControlError, FollowConfig, Lead, Mode, NodeConfig, Role, SequencerConfig};
use serde_json::{Value, json};

use crate::{
    fake_l1::FakeL1,
    feed::{block, feed_config, following, head_is, key},
    harness::{Running, World, now, quantity},
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

/// A line between two nodes that can be cut.
struct Line {
    port: u16,
    cut: tokio::sync::watch::Sender<bool>,
}

impl Line {
    async fn to(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (cut, is_cut) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_cut = is_cut.clone();
                tokio::spawn(async move {
                    if *is_cut.borrow_and_update() {
                        return;
                    }
                    let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await
                    else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { port: own, cut }
    }
}

/// Ports that were free a moment ago.
pub fn ports() -> (u16, u16) {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (free(), free());
    (a.local_addr().unwrap().port(), b.local_addr().unwrap().port())
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
    let (a_port, b_port) = ports();
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
    let (a_port, b_port) = ports();
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
    let world = World::new(6);
    let l1 = FakeL1::new(&world);
    let (a_dir, b_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a_port, b_port) = ports();
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, b_port), false).await;
    let b = sequencer(&world, b_dir.path(), &l1, (b_port, a_port), true).await;
    b.reach(6).await;
    // The first dies without a word.
    a.stop().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let head = b.handle.chain().heads().unsafe_head.hash;
    let refused = operator(&b, "admin_startSequencer", json!([head])).await;
    assert!(message(&refused).contains("term 1"), "{refused}");
    assert!(operator(&b, "admin_overrideLeader", json!([])).await["error"].is_null());
    let started = operator(&b, "admin_startSequencer", json!([head])).await;
    assert!(started["error"].is_null(), "{started}");
    // It comes back in the belief that it sequences: it hears of the other before it builds.
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, b_port), false).await;
    let number = b.head().await + 2;
    a.reach(number).await;
    head_is(&a, a.head().await, block(&b, a.head().await).hash).await;
    assert_eq!(block(&a, number).hash, block(&b, number).hash);
    assert_eq!(operator(&a, "admin_sequencerActive", json!([])).await["result"], false);
    a.stop().await;
    b.stop().await;
    let a = sequencer_node::Leadership::open(a_dir.path()).unwrap().get();
    assert_eq!(a, Lead { term: 1, seen: 2, active: false, resigned: None });
    let b = sequencer_node::Leadership::open(b_dir.path()).unwrap().get();
    assert_eq!((b.term, b.seen, b.active), (2, 2, true));
}

/// Three nodes. The line between the sequencer and its stand-in is cut while both live, and the operator
/// decides for the stand-in. Nobody has two blocks of one number for good: whoever hears both goes with the later
/// term, and the earlier one makes way as soon as it hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_line_and_two_that_build_end_in_one_chain() {
    let world = World::new(6);
    let l1 = FakeL1::new(&world);
    let (a_dir, b_dir, c_dir) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a_port, b_port) = ports();
    let (to_a, to_b) = (Line::to(a_port).await, Line::to(b_port).await);
    let a = sequencer(&world, a_dir.path(), &l1, (a_port, to_b.port), false).await;
    let b = sequencer(&world, b_dir.path(), &l1, (b_port, to_a.port), true).await;
    let urls = [format!("ws://127.0.0.1:{b_port}"), format!("ws://127.0.0.1:{a_port}")];
    let c = Running::with_feeds(&world, world.open(c_dir.path()), l1.feed(0, 10), None, |config| {
        following(config, &world, &urls)
    });
    let c = c.await.unwrap();
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
    // One that lacks blocks, or has others, is not begun with.
    a.reach(common.number + 1).await;
    operator(&b, "admin_overrideLeader", json!([])).await;
    let beyond = block(&a, common.number + 1).hash;
    let refused = operator(&b, "admin_startSequencer", json!([beyond])).await;
    assert!(message(&refused).contains("block hash does not match"), "{refused}");
    assert_eq!(operator(&b, "admin_sequencerActive", json!([])).await["result"], false);
    // The operator's word counts for one start.
    operator(&b, "admin_overrideLeader", json!([])).await;
    let started = operator(&b, "admin_startSequencer", json!([common.hash])).await;
    assert!(started["error"].is_null(), "{started}");

    // Both build, and both believe that they should.
    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::ONE);
    let receipt = a.call("eth_sendRawTransactionSync", json!([raw])).await;
    let apart = quantity(&receipt["blockNumber"]);
    b.reach(apart).await;
    a.reach(apart).await;
    for node in [&a, &b] {
        assert_eq!(operator(node, "admin_sequencerActive", json!([])).await["result"], true);
    }
    assert_ne!(block(&a, apart).hash, block(&b, apart).hash);
    // No block is left out: the stand-in's first follows the last that it had heard.
    let (last, first) = (block(&b, common.number), block(&b, common.number + 1));
    assert_eq!(first.header.parent_hash, common.hash);
    assert_eq!(first.header.timestamp, last.header.timestamp + world.rollup.block_time);

    to_a.cut.send_replace(false);
    to_b.cut.send_replace(false);
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
    c.stop().await;
    a.stop().await;
    b.stop().await;
    let a = sequencer_node::Leadership::open(a_dir.path()).unwrap().get();
    assert_eq!(a, Lead { term: 1, seen: 2, active: false, resigned: None });
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
