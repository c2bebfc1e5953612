//! The feed, and followers that listen to it: what is right comes at once, what is wrong never.

use std::{path::Path, time::Duration};

use alloy_primitives::{Address, B256, U256};
use alloy_signer_local::PrivateKeySigner;
use futures::{SinkExt, StreamExt};
use primitives::Block;
use sequencer_node::{
    FeedConfig, FollowConfig, L1Feed, Mode, NodeConfig, Role,
    feed::message::{Kind, Message, SignedMessage},
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, accept_async, connect_async,
    tungstenite::{Message as Frame, protocol::frame::coding::CloseCode},
};

use crate::{
    fake_l1::{FakeL1, batches, named_key},
    harness::{CHAIN, Running, World, l1_block},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub fn key(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

pub fn feed_config() -> FeedConfig {
    FeedConfig {
        partial_interval: Duration::from_millis(20),
        alive_interval: Duration::from_millis(200),
        ..FeedConfig::new(([127, 0, 0, 1], 0).into(), key(0x5e))
    }
}

/// A sequencer with a feed, changed before it starts.
async fn sequencer(
    world: &World,
    directory: &Path,
    change: impl FnOnce(&mut FeedConfig),
) -> (Running, String) {
    let mut feed = feed_config();
    change(&mut feed);
    let node = Running::try_start(world, world.open(directory), |config| {
        config.feed = Some(feed);
    });
    let node = node.await.unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    let url = format!("ws://{}", node.handle.feed_addr().unwrap());
    (node, url)
}

pub fn following(config: &mut NodeConfig, world: &World, urls: &[String]) {
    config.mode = Mode::Rollup { rollup: world.rollup.clone(), role: Role::Verifier };
    config.follow = Some(FollowConfig::of(urls.to_vec(), key(0x5e).address()));
}

async fn follower(world: &World, directory: &Path, urls: &[String], feed: L1Feed) -> Running {
    Running::with_feeds(world, world.open(directory), feed, None, |config| {
        following(config, world, urls);
    })
    .await
    .unwrap()
}

async fn listen(url: &str, from: u64) -> Socket {
    connect_async(format!("{url}/?from={from}")).await.unwrap().0
}

async fn next(socket: &mut Socket) -> Option<Frame> {
    tokio::time::timeout(Duration::from_secs(20), socket.next()).await.unwrap().map(Result::unwrap)
}

/// The next message of a kind.
async fn next_of(socket: &mut Socket, kind: Kind) -> Message {
    loop {
        let Some(Frame::Binary(bytes)) = next(socket).await else { panic!("the feed ended") };
        let message = SignedMessage::decode(&bytes).unwrap();
        let message = message.verify(CHAIN, key(0x5e).address()).unwrap();
        if message.kind == kind {
            return message;
        }
    }
}

/// Code and reason with which the feed says goodbye.
async fn goodbye(socket: &mut Socket) -> (u16, String) {
    loop {
        if let Frame::Close(Some(frame)) = next(socket).await.expect("cut without a word") {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
}

pub fn block(node: &Running, number: u64) -> Block {
    node.handle.chain().block(number).unwrap().unwrap().block().clone()
}

pub async fn head_is(node: &Running, number: u64, hash: B256) {
    for _ in 0..500 {
        let head = node.handle.chain().heads().unsafe_head;
        if head.number == number && head.hash == hash {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("head {number} {hash} was not reached: {:?}", node.handle.chain().heads());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_history_then_parts_and_blocks_in_order() {
    let world = World::new(6);
    let directory = tempfile::tempdir().unwrap();
    let (node, url) = sequencer(&world, directory.path(), |feed| feed.history_max = 4).await;
    node.reach(6).await;
    let mut socket = listen(&url, 4).await;
    let raw = world.transfer(0, 0, Address::repeat_byte(1), U256::ONE);
    let hash = node.call("eth_sendRawTransaction", json!([raw])).await;
    let mut expected = 4;
    while expected < 9 {
        let message = next_of(&mut socket, Kind::Sealed).await;
        assert_eq!(message.number, expected);
        assert_eq!(message.hash, block(&node, expected).hash);
        assert_eq!(message.term, 1);
        expected += 1;
    }
    // Parts come before their block.
    let part = next_of(&mut socket, Kind::Partial).await;
    let sealed = next_of(&mut socket, Kind::Sealed).await;
    assert_eq!((part.number, part.parent_hash), (sealed.number, sealed.parent_hash));
    assert!(node.receipt(&hash).await["status"] == "0x1");

    let (code, reason) = goodbye(&mut listen(&url, 1).await).await;
    assert_eq!(code, 4_002);
    assert!(reason.contains("derived from L1"), "{reason}");
    // Talking back, nonsense in the query, and no WebSocket.
    let mut rude = listen(&url, 1_000_000).await;
    rude.send(Frame::text("hello")).await.unwrap();
    assert_eq!(goodbye(&mut rude).await.0, u16::from(CloseCode::Unsupported));
    assert!(connect_async(format!("{url}/?from=-1")).await.is_err());
    let plain = node.http.get(url.replace("ws", "http")).send().await.unwrap();
    assert!(plain.status().is_client_error());
    let alive = next_of(&mut socket, Kind::Alive).await;
    assert_eq!(block(&node, alive.number).hash, alive.hash);
    node.handle.shutdown();
    assert_eq!(goodbye(&mut socket).await.0, u16::from(CloseCode::Away));
    node.handle.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_is_dropped_with_a_reason_and_its_place_is_free() {
    let world = World::new(4);
    let directory = tempfile::tempdir().unwrap();
    // Remembers two messages, and says many.
    let small = |feed: &mut FeedConfig| {
        (feed.messages_max, feed.listeners_max) = (2, 1);
        feed.alive_interval = Duration::from_micros(20);
        feed.write_timeout = Duration::from_millis(300);
    };
    let (node, url) = sequencer(&world, directory.path(), small).await;
    node.reach(4).await;
    let mut slow = listen(&url, 4).await;
    // Does not read until the sequencer has long given up.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let mut last = None;
    while let Some(Ok(frame)) = slow.next().await {
        last = Some(frame);
    }
    let Some(Frame::Close(Some(frame))) = last else { panic!("no reason: {last:?}") };
    assert_eq!(u16::from(frame.code), 4_000);
    assert!(frame.reason.contains("too slow"), "{}", frame.reason);
    // The sequencer never waited for it.
    let before = node.head().await;
    node.reach(before + 2).await;
    next_of(&mut listen(&url, before).await, Kind::Sealed).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_has_only_so_many_places() {
    let world = World::new(4);
    let directory = tempfile::tempdir().unwrap();
    let (node, url) = sequencer(&world, directory.path(), |feed| feed.listeners_max = 2).await;
    let mut first = listen(&url, 1).await;
    let mut second = listen(&url, 1).await;
    for socket in [&mut first, &mut second] {
        next_of(socket, Kind::Sealed).await;
    }
    let refused = connect_async(format!("{url}/?from=1")).await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
    second.close(None).await.unwrap();
    for _ in 0..100 {
        if let Ok((mut third, _)) = connect_async(format!("{url}/?from=1")).await {
            next_of(&mut third, Kind::Sealed).await;
            return node.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a listener that left stays taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_executes_what_it_hears_and_hands_transactions_on() {
    let world = World::new(8);
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (node, url) = sequencer(&world, a.path(), |_| {}).await;
    node.reach(6).await;
    let l1 = FakeL1::new(&world);
    let forward = node.url.clone();
    let store = world.open(b.path());
    let urls = vec!["ws://127.0.0.1:1".to_owned(), url];
    let follower = Running::with_feeds(&world, store, l1.feed(0, 10), None, |config| {
        following(config, &world, &urls);
        config.forward = Some(forward);
    });
    let follower = follower.await.unwrap();
    follower.reach(8).await;
    assert_eq!(follower.handle.chain().heads().safe.number, 0);

    // Errors are the sequencer's, word for word.
    let broken = world.transfer(0, 0, Address::ZERO, U256::MAX);
    let params = json!([broken]);
    let expected = node.answer("eth_sendRawTransaction", params.clone()).await;
    let found = follower.answer("eth_sendRawTransaction", params).await;
    assert!(found["error"].is_object());
    assert_eq!(found["error"], expected["error"]);
    let gap = world.transfer(2, 7, Address::ZERO, U256::ONE);
    let found = follower.answer("eth_sendRawTransactionSync", json!([gap, "0x64"])).await;
    assert_eq!(
        (found["error"]["code"].clone(), found["error"]["data"].clone()),
        (json!(6), json!("0x0"))
    );

    let raw = world.transfer(0, 0, Address::repeat_byte(7), U256::from(5));
    let hash = follower.call("eth_sendRawTransaction", json!([raw])).await;
    // Told in a part: the follower's pending state has it before the block is sealed, or the block came.
    let receipt = follower.receipt(&hash).await;
    assert_eq!(receipt["status"], "0x1");
    let raw = world.transfer(0, 1, Address::repeat_byte(7), U256::from(5));
    let receipt = follower.call("eth_sendRawTransactionSync", json!([raw])).await;
    assert_eq!(receipt["status"], "0x1");
    let number = node.head().await + 1;
    follower.reach(number).await;
    let balance = follower.call("eth_getBalance", json!([Address::repeat_byte(7), "latest"])).await;
    assert_eq!(balance, "0xa");
    assert_eq!(block(&follower, number).hash, block(&node, number).hash);

    // L1 gives the same: nothing is executed or replaced again.
    let posted: Vec<Block> = (1..=6).map(|number| block(&node, number)).collect();
    for _ in 1..=3 {
        l1.extend(0, Vec::new(), |_| {});
    }
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(1, &posted));
    let mut heads = follower.handle.safe_heads();
    let reached = heads.wait_for(|heads| heads.safe.number == 6);
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap().unwrap();
    assert!(follower.handle.chain().heads().unsafe_head.number >= number);

    // Without the sequencer the follower still answers.
    node.stop().await;
    let (code, text) = follower.error("eth_sendRawTransaction", json!([gap])).await;
    assert_eq!((code, text.as_str()), (-32_000, "the sequencer cannot be reached"));
    follower.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_seen_as_pending_by_followers() {
    let mut world = World::new(4);
    // Long blocks, so that there is a while before they are sealed.
    world.rollup.block_time = 4;
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (node, url) = sequencer(&world, a.path(), |_| {}).await;
    let follower = follower(&world, b.path(), &[url], FakeL1::new(&world).feed(0, 10)).await;
    follower.reach(1).await;
    let to = Address::repeat_byte(0x77);
    for nonce in 0..3 {
        let raw = world.transfer(0, nonce, to, U256::ONE);
        node.call("eth_sendRawTransaction", json!([raw])).await;
        let mut seen = json!(null);
        for _ in 0..2_000 {
            seen = follower.call("eth_getBalance", json!([to, "pending"])).await;
            if seen == json!(U256::from(nonce + 1)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(seen, json!(U256::from(nonce + 1)));
    }
    let sealed = node.head().await;
    node.reach(sealed + 1).await;
    head_is(&follower, sealed + 1, block(&node, sealed + 1).hash).await;
    follower.stop().await;
    node.stop().await;
}

/// A feed whose every word the test decides. Gives the `from` of each listener, and says to all what
/// it is told.
struct FakeFeed {
    url: String,
    asked: tokio::sync::mpsc::Receiver<u64>,
    say: tokio::sync::broadcast::Sender<Vec<u8>>,
}

impl FakeFeed {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (asking, asked) = tokio::sync::mpsc::channel(64);
        let (say, _) = tokio::sync::broadcast::channel::<Vec<u8>>(64);
        let saying = say.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut first = vec![0; 64];
                let read = stream.peek(&mut first).await.unwrap();
                let head = String::from_utf8_lossy(&first[..read]).into_owned();
                let from = head.split("from=").nth(1).unwrap().split(' ').next().unwrap();
                let from = from.parse().unwrap();
                let mut words = saying.subscribe();
                let Ok(mut socket) = accept_async(stream).await else { continue };
                let _ = asking.send(from).await;
                tokio::spawn(async move {
                    while let Ok(word) = words.recv().await {
                        // An empty word cuts the connection.
                        if word.is_empty() || socket.send(Frame::binary(word)).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, asked, say }
    }

    /// From which block on the next listener wants to hear.
    async fn asked(&mut self) -> u64 {
        tokio::time::timeout(Duration::from_secs(20), self.asked.recv()).await.unwrap().unwrap()
    }

    fn say(&self, message: Message) {
        self.say_as(message, &key(0x5e));
    }

    fn say_as(&self, message: Message, key: &PrivateKeySigner) {
        self.say.send(message.sign(key).unwrap().encode().to_vec()).unwrap();
    }

    fn say_block(&self, term: u64, block: &Block) {
        self.say(Message::sealed(CHAIN, term, block));
    }
}

/// Blocks of two sequencers of one chain that part after block `common`, without feeds.
async fn two_chains(world: &World, common: u64, height: u64) -> (Vec<Block>, Vec<Block>) {
    let directory = tempfile::tempdir().unwrap();
    let mut chains = Vec::new();
    for (turn, last) in [(0, height), (1, height)] {
        let own = tempfile::tempdir().unwrap();
        let path = if turn == 0 { directory.path() } else { own.path() };
        let node = Running::start(world, world.open(path)).await;
        node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
        if turn == 1 {
            let raw = world.transfer(5, 0, Address::repeat_byte(9), U256::ONE);
            node.call("eth_sendRawTransaction", json!([raw])).await;
        }
        node.reach(last).await;
        chains.push((0..=last).map(|n| block(&node, n)).collect::<Vec<_>>());
        node.stop().await;
    }
    let b = chains.pop().unwrap();
    let a = chains.pop().unwrap();
    let parted = a.iter().zip(&b).position(|(a, b)| a.hash != b.hash).unwrap() as u64;
    assert!(parted > common && parted <= height, "the chains part at {parted}");
    (a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_not_taken_and_what_is_missing_is_asked_for() {
    let world = World::new(10);
    let (honest, _) = two_chains(&world, 0, 8).await;
    let directory = tempfile::tempdir().unwrap();
    let mut feed = FakeFeed::start().await;
    let l1 = FakeL1::new(&world);
    let node = follower(&world, directory.path(), &[feed.url.clone()], l1.feed(0, 10)).await;
    assert_eq!(feed.asked().await, 1);
    feed.say_block(3, &honest[1]);
    head_is(&node, 1, honest[1].hash).await;

    // Another key, another chain, a cut message, nonsense: the connection is given up each time.
    feed.say_as(Message::sealed(CHAIN, 3, &honest[2]), &key(0x66));
    assert_eq!(feed.asked().await, 2);
    feed.say(Message::sealed(CHAIN + 1, 3, &honest[2]));
    assert_eq!(feed.asked().await, 2);
    let whole = Message::sealed(CHAIN, 3, &honest[2]).sign(&key(0x5e)).unwrap().encode();
    feed.say.send(whole[..whole.len() - 1].to_vec()).unwrap();
    assert_eq!(feed.asked().await, 2);
    feed.say.send(b"OLFEED\x00\x02".to_vec()).unwrap();
    assert_eq!(feed.asked().await, 2);
    // Cut.
    feed.say.send(Vec::new()).unwrap();
    assert_eq!(feed.asked().await, 2);

    // Signed, but not what its execution gives; then the right one.
    let mut forged = honest[2].clone();
    forged.header.gas_used += 1;
    forged.hash = forged.header.hash_slow();
    feed.say_block(3, &forged);
    let mut early = honest[2].clone();
    early.header.timestamp += 1;
    early.hash = early.header.hash_slow();
    feed.say_block(3, &early);
    // Its payload is another block.
    let mut twisted = Message::sealed(CHAIN, 3, &honest[2]);
    twisted.payload = Message::sealed(CHAIN, 3, &honest[3]).payload;
    feed.say(twisted);
    // A term that is over.
    feed.say_block(2, &honest[2]);
    // Parts of nothing.
    feed.say(Message {
        payload: vec![0xc0].into(),
        kind: Kind::Partial,
        ..Message::sealed(CHAIN, 3, &honest[2])
    });
    feed.say_block(3, &honest[2]);
    head_is(&node, 2, honest[2].hash).await;

    // Out of order: the gap is asked for, once.
    feed.say_block(3, &honest[5]);
    assert_eq!(feed.asked().await, 3);
    for number in [3, 3, 2, 4, 5] {
        feed.say_block(3, &honest[number]);
    }
    head_is(&node, 5, honest[5].hash).await;
    // The sequencer is further, as it says.
    let head = honest[8].id();
    feed.say(Message::alive(CHAIN, 3, head, honest[8].header.parent_hash));
    assert_eq!(feed.asked().await, 6);
    for block in &honest[6..=8] {
        feed.say_block(3, block);
    }
    head_is(&node, 8, honest[8].hash).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_blocks_of_one_number_the_first_stays_until_l1_decides() {
    let world = World::new(10);
    let (honest, other) = two_chains(&world, 0, 6).await;
    let parted = honest.iter().zip(&other).position(|(a, b)| a.hash != b.hash).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut feed = FakeFeed::start().await;
    let l1 = FakeL1::new(&world);
    let node = follower(&world, directory.path(), &[feed.url.clone()], l1.feed(0, 10)).await;
    feed.asked().await;
    for block in &other[1..=5] {
        feed.say_block(1, block);
    }
    head_is(&node, 5, other[5].hash).await;
    // The sequencer publishes a second chain: nothing moves.
    for block in &honest[parted..=6] {
        feed.say_block(1, block);
    }
    feed.say_block(1, &other[6]);
    head_is(&node, 6, other[6].hash).await;

    // L1 has that one: the follower heals, and asks for what comes after.
    l1.extend(0, Vec::new(), |_| {});
    l1.extend(0, Vec::new(), |l1| l1.inbox = batches(1, &honest[1..=5]));
    head_is(&node, 5, honest[5].hash).await;
    assert_eq!(node.handle.chain().heads().safe.number, 5);
    assert_eq!(feed.asked().await, parted as u64);
    feed.say_block(1, &honest[6]);
    head_is(&node, 6, honest[6].hash).await;
    // What is safe stays, whoever says otherwise.
    feed.say_block(9, &other[5]);
    feed.say_block(9, &honest[6]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    head_is(&node, 6, honest[6].hash).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_term_replaces_an_earlier_ones_blocks() {
    let world = World::new(10);
    let (honest, other) = two_chains(&world, 0, 6).await;
    let directory = tempfile::tempdir().unwrap();
    let mut feed = FakeFeed::start().await;
    let l1 = FakeL1::new(&world);
    let node = follower(&world, directory.path(), &[feed.url.clone()], l1.feed(0, 10)).await;
    feed.asked().await;
    for block in &other[1..=5] {
        feed.say_block(1, block);
    }
    head_is(&node, 5, other[5].hash).await;
    // The new sequencer does not say where the chains part: it is asked.
    feed.say_block(2, &honest[5]);
    assert_eq!(feed.asked().await, 1);
    for block in &honest[1..=4] {
        feed.say_block(2, block);
    }
    head_is(&node, 4, honest[4].hash).await;
    // The old one lives on; nobody listens any more.
    feed.say_block(1, &other[5]);
    feed.say_block(2, &honest[5]);
    head_is(&node, 5, honest[5].hash).await;
    node.stop().await;
    // Also not after a restart.
    let node = follower(&world, directory.path(), &[feed.url.clone()], l1.feed(0, 10)).await;
    assert_eq!(feed.asked().await, 6);
    feed.say_block(1, &other[6]);
    feed.say_block(2, &honest[6]);
    head_is(&node, 6, honest[6].hash).await;
    node.stop().await;
}

/// Whose word counts is what L1 says at the follower's view of it, also when L1 takes it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_leaves_a_key_that_l1_names_no_more() {
    let world = World::new(10);
    let (honest, other) = two_chains(&world, 0, 6).await;
    let parted = honest.iter().zip(&other).position(|(a, b)| a.hash != b.hash).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut feed = FakeFeed::start().await;
    let l1 = FakeL1::new(&world);
    let store = world.open(directory.path());
    let node = Running::with_feeds(&world, store, l1.feed(0, 10), None, |config| {
        following(config, &world, &[]);
        config.follow = Some(FollowConfig { urls: vec![feed.url.clone()], signer: None });
        config.named_key = Some(l1.named_at_first(key(0x5e).address()));
    });
    let node = node.await.unwrap();
    assert_eq!(feed.asked().await, 1);
    feed.say_as(Message::sealed(CHAIN, 1, &honest[1]), &key(0x66));
    assert_eq!(feed.asked().await, 1);
    for block in &honest[1..=5] {
        feed.say_block(1, block);
    }
    head_is(&node, 5, honest[5].hash).await;

    l1.extend(0, Vec::new(), |block| {
        block.config_updates = vec![named_key(key(0x66).address())];
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    feed.say_block(1, &honest[6]);
    assert_eq!(feed.asked().await, 6);
    // A stand-in of a later term, whose blocks part from those of the one before.
    feed.say_as(Message::sealed(CHAIN, 2, &other[5]), &key(0x66));
    assert_eq!(feed.asked().await, 1);
    for block in &other[1..=5] {
        feed.say_as(Message::sealed(CHAIN, 2, block), &key(0x66));
    }
    head_is(&node, 5, other[5].hash).await;
    assert_ne!(block(&node, parted as u64).hash, honest[parted].hash);

    // L1 leaves the block that named it.
    l1.reorg(1, 1, vec![Vec::new(), Vec::new()]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    feed.say_as(Message::sealed(CHAIN, 2, &other[6]), &key(0x66));
    feed.asked().await;
    head_is(&node, 5, other[5].hash).await;
    feed.say_as(Message::sealed(CHAIN, 2, &other[6]), &key(0x5e));
    head_is(&node, 6, other[6].hash).await;
    node.stop().await;
}

/// With TLS, which this port does not speak: what comes first is a handshake and no request in the clear.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_behind_tls_is_spoken_to_in_tls() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let feed = FakeL1::new(&world).feed(0, 10);
    let follower = follower(&world, directory.path(), &[url], feed).await;
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut first = [0; 3];
    connection.read_exact(&mut first).await.unwrap();
    // A TLS record: handshake, version 3.x.
    assert_eq!(first[..2], [0x16, 0x03]);
    drop(connection);
    // It is asked again, and the node lives.
    listener.accept().await.unwrap();
    follower.call("eth_blockNumber", json!([])).await;
}
