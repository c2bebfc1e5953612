//! Requests that are plain and such that are not: however one comes, it is answered in the same way and in its turn.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Running, World, l1_block};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;

async fn start() -> (Running, tempfile::TempDir) {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;
    (node, directory)
}

fn plain(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn chunked(body: &str) -> String {
    let chunk =
        if body.is_empty() { String::new() } else { format!("{:x}\r\n{body}\r\n", body.len()) };
    format!("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
}

/// One connection, of which answers are read one by one.
struct Client {
    socket: TcpStream,
    read: String,
}

impl Client {
    async fn connect(node: &Running) -> Self {
        let socket = TcpStream::connect(node.handle.rpc_addr()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, read: String::new() }
    }

    async fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// Head, without its date, and body of the next answer.
    async fn answer(&mut self) -> (String, String) {
        loop {
            if let Some((head, rest)) = self.read.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.expect("no length").parse().unwrap();
                if rest.len() >= length {
                    assert!(head.contains("\r\ndate: "), "{head}");
                    let head: Vec<&str> =
                        head.lines().filter(|line| !line.starts_with("date: ")).collect();
                    let answer = (head.join("\n"), rest[..length].to_owned());
                    self.read = rest[length..].to_owned();
                    return answer;
                }
            }
            let mut bytes = [0; 4_096];
            let read = timeout(PATIENCE, self.socket.read(&mut bytes)).await;
            let count = read.expect("no answer").unwrap();
            assert_ne!(count, 0, "closed after {:?}", self.read);
            self.read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    async fn is_closed(&mut self) {
        let read = timeout(PATIENCE, self.socket.read(&mut [0; 16])).await;
        assert!(matches!(read.expect("still open"), Ok(0) | Err(_)), "more than was asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_requests_are_answered_like_others() {
    let (node, _directory) = start().await;
    let mut one = Client::connect(&node).await;
    let mut other = Client::connect(&node).await;
    let large = format!("[{}]", vec![CALL; 1_000].join(","));
    for body in [
        CALL,
        &format!("[{CALL},{CALL}]"),
        &large,
        r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"no_such"}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"eth_getBlockByNumber","params":["0x0",true]}"#,
        "[]",
        "{",
        "",
    ] {
        one.send(&plain(body)).await;
        other.send(&chunked(body)).await;
        let (answer, expected) = (one.answer().await, other.answer().await);
        assert_eq!(answer, expected, "{body:.200}");
        assert!(answer.0.starts_with("HTTP/1.1 200 OK\n"), "{}", answer.0);
        assert!(answer.0.contains("access-control-allow-origin: *"), "{}", answer.0);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_come_in_parts() {
    let (node, _directory) = start().await;
    let mut client = Client::connect(&node).await;
    let request = plain(CALL);
    for end in 1..request.len() {
        client.send(&request[..end]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        client.send(&request[end..]).await;
        assert!(client.answer().await.1.contains("0x3ef8"), "{end}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_on_one_connection_are_answered_in_turn_whatever_they_are() {
    let (node, _directory) = start().await;
    let call = |id: usize| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#);
    // All at once: many plain ones, then one that is not, and others after it.
    let mut client = Client::connect(&node).await;
    let mut all: Vec<String> = (0..300).map(|id| plain(&call(id))).collect();
    all.push(chunked(&call(300)));
    all.extend((301..310).map(|id| plain(&call(id))));
    all.push("GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned());
    all.push(plain(&call(310)).replace("host: x", "connection: close"));
    client.send(&all.concat()).await;
    for id in 0..310 {
        let (_, body) = client.answer().await;
        assert_eq!(body, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"0x3ef8"}}"#));
    }
    assert_eq!(client.answer().await.1, "");
    assert!(client.answer().await.1.contains("\"id\":310"));
    client.is_closed().await;
    // One that waits for its execution, and one that does not, sent behind it.
    let mut client = Client::connect(&node).await;
    let slow = r#"{"jsonrpc":"2.0","id":1,"method":"eth_feeHistory","params":["0x5","latest",[]]}"#;
    client.send(&[plain(slow), plain(&call(2)), plain(slow)].concat()).await;
    for id in [1, 2, 1] {
        assert!(client.answer().await.1.contains(&format!("\"id\":{id},\"result\"")));
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_to_be_told_to_go_on_is_told() {
    let (node, _directory) = start().await;
    let mut client = Client::connect(&node).await;
    client.send(&plain(CALL)).await;
    assert!(client.answer().await.1.contains("0x3ef8"));
    let (head, body) =
        plain(CALL).split_once("\r\n\r\n").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    client.send(&format!("{head}\r\nexpect: 100-continue\r\n\r\n")).await;
    let mut bytes = [0; 64];
    let count = timeout(PATIENCE, client.socket.read(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes[..count].starts_with(b"HTTP/1.1 100 Continue\r\n"));
    client.send(&body).await;
    assert!(client.answer().await.1.contains("0x3ef8"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_worked_for_who_is_gone() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    // Without L1 there is no block: who sends a transaction and wants its receipt waits for ever.
    let node = Running::try_start(&world, world.open(directory.path()), |config| {
        config.rpc.requests_max = 1;
        let never = Duration::from_secs(3_600);
        (config.rpc.request_timeout, config.rpc.sync_wait_max) = (never, never);
    })
    .await
    .unwrap();
    let raw = world.transfer(0, 0, Address::repeat_byte(1), U256::from(1));
    let wait = json!({"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransactionSync","params":[raw]});
    let mut waits = Client::connect(&node).await;
    waits.send(&plain(&wait.to_string())).await;
    let mut client = Client::connect(&node).await;
    // Until the only place is taken.
    loop {
        client.send(&plain(CALL)).await;
        match timeout(Duration::from_millis(300), client.answer()).await {
            Ok(answer) => assert!(answer.1.contains("0x3ef8")),
            Err(_) => break,
        }
    }
    drop(waits);
    assert!(client.answer().await.1.contains("0x3ef8"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_with_the_node() {
    let (node, _directory) = start().await;
    let mut client = Client::connect(&node).await;
    client.send(&plain(CALL)).await;
    client.answer().await;
    node.stop().await;
    client.is_closed().await;
}
