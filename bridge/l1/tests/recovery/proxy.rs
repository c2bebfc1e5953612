//! Stands between a client and L1, and does to the answers what bad nodes do.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// What is wrong with L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// Nobody answers.
    Away,
    /// Status 503 without a body.
    Unavailable,
    /// Every call is an error of the node.
    Error,
    /// Every call is answered with null.
    Null,
    /// Blocks have another hash than their header.
    WrongHash,
    /// Headers are changed, with their hash as it was.
    WrongHeader,
    /// Instead of a block, the one before it.
    OtherBlock,
    /// The newest block stays this one.
    StaleHead(u64),
    /// Blocks have no transactions.
    NoTransactions,
    /// Transactions have other data than were signed.
    WrongInput,
    /// Transactions are said to come from somebody else.
    WrongSender,
    /// Blocks have no receipts.
    NoReceipts,
    /// Receipts have no logs.
    NoLogs,
    /// Logs have other data.
    WrongLogs,
    /// Another chain, of the L1 on this port of the machine.
    OtherL1(u16),
    /// The beacon API knows no blobs.
    NoBlobs,
}

/// A proxy before one L1.
pub struct Proxy {
    pub url: Url,
    fault: Arc<Mutex<Fault>>,
}

impl Proxy {
    pub async fn start(l1: Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let fault = Arc::new(Mutex::new(Fault::Nothing));
        let shared = Arc::clone(&fault);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (l1, fault) = (l1.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    // Whoever hangs up is not the test's concern.
                    let _ = serve(stream, &l1, &fault).await;
                });
            }
        });
        Self { url, fault }
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

/// Answers the requests of one connection.
async fn serve(stream: TcpStream, l1: &Url, fault: &Mutex<Fault>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let http = reqwest::Client::new();
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let fault = *fault.lock().unwrap();
        if fault == Fault::Away {
            return Ok(());
        }
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut l1 = l1.clone();
        if let Fault::OtherL1(port) = fault {
            l1.set_port(Some(port)).unwrap();
        }
        let l1 = &l1;
        let (status, answer) = match (fault, method) {
            (Fault::Unavailable, _) => (503, Vec::new()),
            (_, "POST") => (200, call(&http, l1, fault, &body).await),
            (Fault::NoBlobs, _) if path.contains("/blob") => (200, br#"{"data":[]}"#.to_vec()),
            _ => {
                let answer = http.get(l1.join(path).unwrap()).send().await.unwrap();
                (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
            }
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&answer).await?;
    }
}

/// One JSON-RPC call.
async fn call(http: &reqwest::Client, l1: &Url, fault: Fault, body: &[u8]) -> Vec<u8> {
    let mut request: Value = serde_json::from_slice(body).unwrap();
    let id = request["id"].clone();
    let answer = |what: &str, value: Value| {
        serde_json::to_vec(&json!({"jsonrpc": "2.0", "id": id, what: value})).unwrap()
    };
    let method = request["method"].as_str().unwrap().to_owned();
    match (fault, method.as_str()) {
        (Fault::Error, _) => {
            return answer("error", json!({"code": -32_000, "message": "out of order"}));
        }
        (Fault::Null, _) => return answer("result", Value::Null),
        (Fault::StaleHead(number), "eth_getBlockByNumber")
            if request["params"][0] == json!("latest") =>
        {
            request["params"][0] = json!(format!("{number:#x}"));
        }
        (Fault::OtherBlock, "eth_getBlockByNumber") => {
            let asked = request["params"][0].as_str().unwrap().to_owned();
            if let Some(number) = asked.strip_prefix("0x") {
                let number = u64::from_str_radix(number, 16).unwrap().saturating_sub(1);
                request["params"][0] = json!(format!("{number:#x}"));
            }
        }
        _ => {}
    }
    let given = http.post(l1.clone()).json(&request).send().await.unwrap();
    let mut given: Value = given.json().await.unwrap();
    let result = &mut given["result"];
    if result.is_object() && method == "eth_getBlockByNumber" {
        spoil_block(fault, result);
    }
    if let (Some(receipts), "eth_getBlockReceipts") = (result.as_array_mut(), method.as_str()) {
        spoil_receipts(fault, receipts);
    }
    serde_json::to_vec(&given).unwrap()
}

fn spoil_block(fault: Fault, block: &mut Value) {
    let transactions = block["transactions"].as_array_mut().unwrap();
    match fault {
        Fault::WrongHash => block["hash"] = json!(format!("0x{}", "11".repeat(32))),
        Fault::WrongHeader => block["timestamp"] = json!("0x1"),
        Fault::NoTransactions => transactions.clear(),
        Fault::WrongInput => {
            for transaction in transactions.iter_mut().filter(|tx| tx.is_object()) {
                transaction["input"] = json!("0x00ff");
            }
        }
        Fault::WrongSender => {
            for transaction in transactions.iter_mut().filter(|tx| tx.is_object()) {
                transaction["from"] = json!(format!("0x{}", "22".repeat(20)));
            }
        }
        _ => {}
    }
}

fn spoil_receipts(fault: Fault, receipts: &mut Vec<Value>) {
    match fault {
        Fault::NoReceipts => receipts.clear(),
        Fault::NoLogs => receipts.iter_mut().for_each(|receipt| receipt["logs"] = json!([])),
        Fault::WrongLogs => {
            let logs = receipts.iter_mut().filter_map(|receipt| receipt["logs"].as_array_mut());
            logs.flatten().for_each(|log| log["data"] = json!("0x01"));
        }
        _ => {}
    }
}
