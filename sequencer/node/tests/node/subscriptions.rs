//! WebSocket: calls, subscriptions, and clients that do not behave.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::harness::{Running, World, l1_block};

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn connect(node: &Running) -> Socket {
    let (socket, _) = connect_async(node.url.replace("http", "ws")).await.unwrap();
    socket
}

pub async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(10), socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub async fn send(socket: &mut Socket, id: u64, method: &str, params: Value) {
    let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    socket.send(Message::text(request.to_string())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_pending_transactions_and_calls_share_a_connection() {
    let world = World::new(2);
    let directory = tempfile::tempdir().unwrap();
    let node = Running::start(&world, world.open(directory.path())).await;
    let mut socket = connect(&node).await;
    send(&mut socket, 1, "eth_subscribe", json!(["newHeads"])).await;
    // The answer comes before the first event.
    let heads = next(&mut socket).await["result"].clone();
    assert!(heads.is_string());
    send(&mut socket, 2, "eth_subscribe", json!(["newPendingTransactions"])).await;
    let pending = next(&mut socket).await["result"].clone();
    send(&mut socket, 3, "eth_subscribe", json!(["logs", {"address": Address::ZERO}])).await;
    assert!(next(&mut socket).await["result"].is_string());

    let raw = world.transfer(0, 0, Address::ZERO, U256::ONE);
    send(&mut socket, 4, "eth_sendRawTransaction", json!([raw])).await;
    node.l1_block(l1_block(0, world.genesis.timestamp, Vec::new())).await;

    let (mut answered, mut announced, mut last) = (None, None, None::<Value>);
    for _ in 0..40 {
        let message = next(&mut socket).await;
        let params = &message["params"];
        if message["id"] == 4 {
            answered = Some(message["result"].clone());
        } else if params["subscription"] == pending {
            announced = Some(params["result"].clone());
        } else if params["subscription"] == heads {
            let head = params["result"].clone();
            if let Some(last) = &last {
                assert_eq!(head["parentHash"], last["hash"]);
            }
            last = Some(head);
        }
        if answered.is_some() && announced.is_some() && last.is_some() {
            break;
        }
    }
    assert!(answered.is_some());
    assert_eq!(answered, announced);

    send(&mut socket, 5, "eth_unsubscribe", json!([heads])).await;
    loop {
        let message = next(&mut socket).await;
        if message["id"] == 5 {
            assert_eq!(message["result"], true);
            break;
        }
    }
    socket.send(Message::text("{")).await.unwrap();
    // A head may have been on its way.
    let answer = loop {
        let message = next(&mut socket).await;
        if message["params"].is_null() {
            break message;
        }
    };
    assert_eq!(answer["error"]["code"], -32_700);
    let unknown = json!(["tomorrow"]);
    send(&mut socket, 6, "eth_subscribe", unknown).await;
    assert_eq!(next(&mut socket).await["error"]["code"], -32_602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_closed_and_harms_nobody() {
    let world = World::new(120);
    let directory = tempfile::tempdir().unwrap();
    let store = world.open(directory.path());
    let node =
        Running::try_start(&world, store, |config| config.rpc.websocket_buffer = 8).await.unwrap();
    let mut deaf = connect(&node).await;
    for id in 0..64 {
        send(&mut deaf, id, "eth_subscribe", json!(["newHeads"])).await;
    }
    for number in 0..60 {
        node.l1_block(l1_block(number, world.genesis.timestamp + 2 * number, Vec::new())).await;
    }
    node.reach(110).await;
    node.stop().await;
}
