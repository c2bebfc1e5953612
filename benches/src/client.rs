//! A JSON-RPC client that costs little: one blocking connection, bodies written and answers searched as
//! text. The node shares its cores with it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// One HTTP connection.
pub struct Connection {
    reader: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { reader: BufReader::new(stream), line: String::new() })
    }

    /// Sends a body and gives the answer's.
    pub fn post(&mut self, body: &str) -> Result<String> {
        let request = format!(
            "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut length = None;
        loop {
            self.line.clear();
            ensure!(self.reader.read_line(&mut self.line)? > 0, "the node closed the connection");
            let line = self.line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length.context("an answer without a length")?];
        self.reader.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer)?)
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
