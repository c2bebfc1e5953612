//! JSON-RPC clients that cost little: bodies written and answers searched as text. The node shares its cores with
//! them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::{TryStreamExt, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// What is read at once at first.
const INPUT_BYTES: usize = 8 << 10;

/// A body's request with its head.
pub fn post(body: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// What was read of an answer.
#[derive(Debug, Default)]
struct Input {
    /// Longer than what was read into it.
    buffer: Vec<u8>,
    filled: usize,
}

impl Input {
    /// Room for more.
    fn room(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.buffer.resize((2 * self.filled).max(INPUT_BYTES), 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Counts what was read; where the answer's body is, when it is whole.
    fn whole(&mut self, count: usize) -> Result<Option<Range<usize>>> {
        ensure!(count > 0, "the node closed the connection");
        self.filled += count;
        let read = &self.buffer[..self.filled];
        let Some(head) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            return Ok(None);
        };
        let headers = std::str::from_utf8(&read[..head])?.lines();
        let length = headers
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let (_, length) = length.context("an answer without a length")?;
        let (begin, length) = (head + 4, length.trim().parse::<usize>()?);
        let end = begin.checked_add(length).context("an answer of no length")?;
        ensure!(read.len() <= end, "an answer that nobody asked for");
        if read.len() < end {
            return Ok(None);
        }
        self.filled = 0;
        Ok(Some(begin..end))
    }

    fn text(&self, body: Range<usize>) -> Result<&str> {
        Ok(std::str::from_utf8(&self.buffer[body])?)
    }
}

/// A connection that waits for its answers.
pub struct Connection {
    stream: TcpStream,
    input: Input,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { stream, input: Input::default() })
    }

    /// Sends a body and gives the answer's.
    pub fn post(&mut self, body: &str) -> Result<String> {
        self.stream.write_all(&post(body))?;
        loop {
            let count = self.stream.read(self.input.room())?;
            if let Some(body) = self.input.whole(count)? {
                return Ok(self.input.text(body)?.to_owned());
            }
        }
    }

    /// The result of one call.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let answer = self.post(&request(method, &params))?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        match answer.get("error") {
            Some(error) => bail!("{method}: {error}"),
            None => Ok(answer["result"].take()),
        }
    }

    /// The results of one batch.
    pub fn batch(&mut self, method: &str, params: &[Value]) -> Result<Vec<Value>> {
        let all: Vec<String> = params.iter().map(|params| request(method, params)).collect();
        let answers: Vec<Value> = serde_json::from_str(&self.post(&body(&all))?)?;
        ensure!(answers.len() == params.len(), "{method}: {} answers", answers.len());
        answers
            .into_iter()
            .map(|mut answer| match answer.get("error") {
                Some(error) => bail!("{method}: {error}"),
                None => Ok(answer["result"].take()),
            })
            .collect()
    }

    pub fn quantity(&mut self, method: &str, params: Value) -> Result<u64> {
        quantity(&self.call(method, params)?)
    }
}

/// One of many connections that a thread drives: a node that answers several at a time then wakes one thread for all,
/// as it does when its clients are elsewhere.
pub struct Driven {
    stream: tokio::net::TcpStream,
    input: Input,
}

impl Driven {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await;
        let stream = stream.with_context(|| format!("{address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: Input::default() })
    }

    /// Sends what [`post`] made and gives the answer's body.
    pub async fn send(&mut self, request: &[u8]) -> Result<&str> {
        let answered = async {
            self.stream.write_all(request).await?;
            loop {
                let count = self.stream.read(self.input.room()).await?;
                if let Some(body) = self.input.whole(count)? {
                    return anyhow::Ok(body);
                }
            }
        };
        let body = timeout(ANSWER_MAX, answered).await.context("no answer")??;
        self.input.text(body)
    }
}

/// Drives so many connections, all on this thread.
pub fn drive<T>(
    address: SocketAddr,
    count: usize,
    work: impl AsyncFn(usize, Driven) -> Result<T>,
) -> Result<Vec<T>> {
    let work = async |index| work(index, Driven::open(address).await?).await;
    let all = async { (0..count).map(&work).collect::<FuturesUnordered<_>>().try_collect().await };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(all)
}

/// A hex quantity as a number.
pub fn quantity(value: &Value) -> Result<u64> {
    let text = value.as_str().with_context(|| format!("no quantity: {value}"))?;
    Ok(u64::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// One call.
pub fn request(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// One call, or a batch of several.
pub fn body(requests: &[String]) -> String {
    match requests {
        [only] => only.clone(),
        all => format!("[{}]", all.join(",")),
    }
}
