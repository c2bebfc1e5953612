//! Clients that mean harm, over bare sockets. Where a limit were missing, the server would wait for
//! ever and the test would end at its patience.

use std::time::Duration;

use futures::SinkExt;
use sequencer_node::NodeConfig;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::harness::{Running, World, l1_block};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(300);
/// Longer than a test may take.
const NEVER: Duration = Duration::from_secs(3_600);
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;

/// A node with every time limit out of reach but those that `change` sets.
async fn start(change: impl FnOnce(&mut NodeConfig)) -> (Running, tempfile::TempDir) {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::try_start(&world, world.open(directory.path()), |config| {
        let rpc = &mut config.rpc;
        (rpc.first_byte_max, rpc.idle_max) = (NEVER, NEVER);
        (rpc.request_timeout, rpc.write_timeout) = (NEVER, NEVER);
        change(config);
    })
    .await
    .unwrap();
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    (node, directory)
}

async fn connect(node: &Running) -> TcpStream {
    TcpStream::connect(node.handle.rpc_addr()).await.unwrap()
}

fn request(body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Reads until the server closes the connection.
async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await;
    // A reset is an end, too.
    let _ = read.expect("the server did not close the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer.
async fn read_answer(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut bytes = [0; 4_096];
        let count = timeout(PATIENCE, socket.read(&mut bytes)).await.expect("no answer").unwrap();
        assert_ne!(count, 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_closed() {
    let (node, _directory) = start(|config| config.rpc.first_byte_max = SOON).await;
    let mut socket = connect(&node).await;
    assert_eq!(read_to_end(&mut socket).await, "");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_head_in_drops_is_closed() {
    let (node, _directory) = start(|config| {
        config.rpc.first_byte_max = SOON;
        config.rpc.request_timeout = SOON;
    })
    .await;
    let (mut reading, mut writing) = connect(&node).await.into_split();
    let drops = tokio::spawn(async move {
        writing.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        // Never silent for long.
        while writing.write_all(b"a: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, reading.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server did not close the connection");
    timeout(PATIENCE, drops).await.expect("the server still reads").unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_drops_is_answered_without_it() {
    let (node, _directory) = start(|config| config.rpc.request_timeout = SOON).await;
    let mut socket = connect(&node).await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    socket.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut socket).await.contains("request timed out"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_answer() {
    let (node, _directory) = start(|config| config.rpc.idle_max = SOON).await;
    let mut socket = connect(&node).await;
    socket.write_all(request(CALL).as_bytes()).await.unwrap();
    assert!(read_answer(&mut socket).await.contains("0x3ef8"));
    assert_eq!(read_to_end(&mut socket).await, "");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_takes_no_more_than_its_connections() {
    let (node, _directory) = start(|config| config.rpc.peer_connections_max = 2).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut socket = connect(&node).await;
        socket.write_all(request(CALL).as_bytes()).await.unwrap();
        assert!(read_answer(&mut socket).await.contains("0x3ef8"));
        open.push(socket);
    }
    let mut third = connect(&node).await;
    assert_eq!(read_to_end(&mut third).await, "");
    // Its place is free again when a connection ends.
    drop(open.pop());
    timeout(PATIENCE, async {
        loop {
            let mut socket = connect(&node).await;
            let sent = socket.write_all(request(CALL).as_bytes()).await;
            let mut bytes = [0; 16];
            if sent.is_ok() && socket.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the place is not given back");
    node.stop().await;
}

/// With the only connection of the server in hostile hands, others are served once it is dropped.
async fn somebody_else_is_served(node: &Running) {
    let mut socket = connect(node).await;
    socket.write_all(request(CALL).as_bytes()).await.unwrap();
    assert!(read_answer(&mut socket).await.contains("0x3ef8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_read_answers_is_dropped() {
    let (node, _directory) = start(|config| {
        config.rpc.connections_max = 1;
        config.rpc.write_timeout = SOON;
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(node.handle.rpc_addr()).await.unwrap();
    // Answers of many times what the kernel takes.
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}"#;
    let batch = request(&format!("[{}]", vec![call; 1_000].join(",")));
    let flood = tokio::spawn(async move {
        while socket.write_all(batch.as_bytes()).await.is_ok() {}
        socket
    });
    let _socket = timeout(PATIENCE, flood).await.expect("still connected").unwrap();
    somebody_else_is_served(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_is_not_read_is_dropped_with_what_waits_for_it() {
    let (node, _directory) = start(|config| {
        config.rpc.connections_max = 1;
        config.rpc.write_timeout = SOON;
        config.rpc.websocket_buffer_bytes = 64 << 10;
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let socket = socket.connect(node.handle.rpc_addr()).await.unwrap();
    let (mut socket, _) = client_async(node.url.replace("http", "ws"), socket).await.unwrap();
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}"#;
    let batch = format!("[{}]", vec![call; 1_000].join(","));
    let flood = tokio::spawn(async move {
        while socket.send(Message::text(batch.clone())).await.is_ok() {}
        socket
    });
    let _socket = timeout(PATIENCE, flood).await.expect("still connected").unwrap();
    somebody_else_is_served(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_large_bodies_are_refused_and_large_answers_cut() {
    let (node, _directory) = start(|config| config.rpc.response_bytes_max = 1_000).await;
    let deep = "[".repeat(1 << 20);
    assert!(node.post(deep.clone()).await.1.contains("-32700"));
    let object = "{\"a\":".repeat(1 << 18);
    assert!(node.post(object).await.1.contains("-32700"));
    let params = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{deep}1{}]}}"#,
        "]".repeat(1 << 20)
    );
    let (status, answer) = node.post(params).await;
    assert_eq!(status, 200);
    assert!(answer.contains("-32602") || answer.contains("-32700"), "{answer}");

    let too_large = node.error("eth_getBlockByNumber", json!(["latest", true])).await;
    assert_eq!(too_large, (-32_003, "response too large".to_owned()));
    let too_large = node.error("eth_getBlockReceipts", json!(["latest"])).await;
    assert!(too_large.0 == -32_003, "{too_large:?}");
    assert_eq!(node.call("eth_chainId", json!([])).await, "0x3ef8");
    node.stop().await;
}
