//! Blobs from an L1's beacon API. What a node gives is believed only as far as its KZG commitment hashes
//! to what the L1 block says; a blob that is missing is asked for again, never left out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_eips::eip4844::{
    BYTES_PER_BLOB, c_kzg, env_settings::EnvKzgSettings, kzg_to_versioned_hash,
};
use alloy_primitives::{B256, Bytes};
use primitives::L1BlockRef;
use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;
use url::Url;

use crate::{L1Error, client::show};

/// No answer within this time counts as none; blobs are large.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(20);

/// Beacon nodes that are asked in turn until all blobs are there. Clones share it.
#[derive(Clone, Debug)]
pub struct BeaconClient {
    nodes: Arc<[BeaconNode]>,
    /// Which is asked first: the one that helped last.
    preferred: Arc<AtomicUsize>,
}

/// A connection to one beacon node.
#[derive(Debug)]
struct BeaconNode {
    http: reqwest::Client,
    url: Url,
    slots: OnceCell<Slots>,
}

/// How the node numbers its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slots {
    /// By time since `genesis`, seconds.
    Timed { genesis: u64, seconds: u64 },
    /// As the blocks: of a development node without a specification (anvil).
    Numbered,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Spec {
    seconds_per_slot: String,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
}

impl BeaconClient {
    /// The APIs at `urls`; nothing is asked yet.
    pub fn new(urls: Vec<Url>) -> Self {
        let http = reqwest::Client::new();
        let node = |url| BeaconNode { http: http.clone(), url, slots: OnceCell::new() };
        Self { nodes: urls.into_iter().map(node).collect(), preferred: Arc::default() }
    }

    /// The blobs with these versioned hashes, in their order, of an L1 block. Fails with
    /// [`L1Error::MissingBlobs`] as long as the nodes that answer do not have them all.
    pub async fn blobs(&self, block: &L1BlockRef, hashes: &[B256]) -> Result<Vec<Bytes>, L1Error> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut known = BTreeMap::new();
        let (mut answered, mut failed) = (false, None);
        for place in first..first.saturating_add(self.nodes.len()) {
            let place = place.checked_rem(self.nodes.len()).unwrap_or_default();
            let Some(node) = self.nodes.get(place) else { break };
            match node.blobs(block, hashes).await {
                Ok(given) => {
                    answered = true;
                    known.extend(given);
                }
                Err(error) => {
                    if self.nodes.len() > 1 {
                        tracing::warn!(block = block.number, %error, "another beacon node is asked");
                    }
                    failed = Some(error);
                }
            }
            if hashes.iter().all(|hash| known.contains_key(hash)) {
                self.preferred.store(place, Ordering::Relaxed);
                return Ok(hashes.iter().filter_map(|hash| known.get(hash).cloned()).collect());
            }
        }
        let missing: Vec<&B256> = hashes.iter().filter(|hash| !known.contains_key(*hash)).collect();
        match failed {
            Some(error) if !answered => Err(error),
            _ => Err(L1Error::MissingBlobs {
                block: block.number,
                missing: missing.len(),
                first: missing.first().copied().copied().unwrap_or_default(),
            }),
        }
    }
}

impl BeaconNode {
    /// Those of the blobs with these versioned hashes that the node has.
    async fn blobs(
        &self,
        block: &L1BlockRef,
        hashes: &[B256],
    ) -> Result<BTreeMap<B256, Bytes>, L1Error> {
        let slot = self.slot(block).await?;
        let list = hashes.iter().map(B256::to_string).collect::<Vec<_>>().join(",");
        let newer = format!("eth/v1/beacon/blobs/{slot}?versioned_hashes={list}");
        let given = match self.get::<Data<Vec<Bytes>>>(&newer).await? {
            Some(answer) => answer.data,
            None => {
                let older = format!("eth/v1/beacon/blob_sidecars/{slot}");
                let answer = self.get::<Data<Vec<Sidecar>>>(&older).await?;
                let sidecars = answer.map(|answer| answer.data).unwrap_or_default();
                sidecars.into_iter().map(|sidecar| sidecar.blob).collect()
            }
        };
        // A commitment takes tens of milliseconds: too long for the tasks' threads.
        tokio::task::spawn_blocking(move || by_versioned_hash(given))
            .await
            .map_err(|_| self.wrong("the check of blobs panicked".to_owned()))?
    }

    async fn slot(&self, block: &L1BlockRef) -> Result<u64, L1Error> {
        match *self.slots.get_or_try_init(|| self.ask_slots()).await? {
            Slots::Numbered => Ok(block.number),
            Slots::Timed { genesis, seconds } => block
                .timestamp
                .checked_sub(genesis)
                .and_then(|since| since.checked_div(seconds))
                .ok_or_else(|| self.wrong(format!("its genesis is after block {}", block.number))),
        }
    }

    async fn ask_slots(&self) -> Result<Slots, L1Error> {
        let number = |text: &str| {
            text.parse::<u64>().map_err(|_| self.wrong(format!("{text:?} is no number")))
        };
        let genesis = self
            .get::<Data<Genesis>>("eth/v1/beacon/genesis")
            .await?
            .ok_or_else(|| self.wrong("it has no genesis".to_owned()))?;
        let Some(spec) = self.get::<Data<Spec>>("eth/v1/config/spec").await? else {
            return Ok(Slots::Numbered);
        };
        Ok(Slots::Timed {
            genesis: number(&genesis.data.genesis_time)?,
            seconds: number(&spec.data.seconds_per_slot)?,
        })
    }

    /// `None` if the node does not know the route or the block.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, L1Error> {
        let url = self.url.join(path).map_err(|error| self.wrong(error.to_string()))?;
        let request =
            self.http.get(url).header("accept", "application/json").timeout(REQUEST_TIME_MAX);
        let answer = request.send().await.map_err(|error| self.failed(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND
            | StatusCode::GONE
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::BAD_REQUEST
            | StatusCode::NOT_IMPLEMENTED => return Ok(None),
            status => return Err(self.wrong(format!("it answered {status}"))),
        }
        let body = answer.bytes().await.map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&body).map(Some).map_err(|error| self.wrong(error.to_string()))
    }

    fn failed(&self, error: &reqwest::Error) -> L1Error {
        // Without the URL, whose query and path can hold keys.
        let reason = if error.is_timeout() {
            "it did not answer in time".to_owned()
        } else if error.is_connect() {
            "it cannot be reached".to_owned()
        } else {
            "the request failed".to_owned()
        };
        self.wrong(reason)
    }

    fn wrong(&self, reason: String) -> L1Error {
        L1Error::Beacon { url: show(&self.url), reason }
    }
}

/// Each blob by what its commitment hashes to (EIP-4844). What is no blob is left out: it is then
/// missing.
fn by_versioned_hash(given: Vec<Bytes>) -> Result<BTreeMap<B256, Bytes>, L1Error> {
    let settings = EnvKzgSettings::Default.get();
    let mut known = BTreeMap::new();
    for bytes in given {
        if bytes.len() != BYTES_PER_BLOB {
            continue;
        }
        let Ok(blob) = c_kzg::Blob::from_bytes(&bytes) else { continue };
        let Ok(commitment) = settings.blob_to_kzg_commitment(&blob) else { continue };
        known.insert(kzg_to_versioned_hash(commitment.to_bytes().as_slice()), bytes);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use derive::encode_blob;
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A beacon node that gives these answers in turn, each as status and body, and tells what was
    /// asked.
    async fn node(
        answers: Vec<(u16, String)>,
    ) -> (BeaconClient, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let line = String::from_utf8(head).unwrap();
                asked.push(line.split(' ').nth(1).unwrap().to_owned());
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(body.as_bytes()).await.unwrap();
            }
            asked
        });
        (BeaconClient::new(vec![url]), task)
    }

    fn genesis() -> (u16, String) {
        (200, json!({"data": {"genesis_time": "1000", "unknown": "x"}}).to_string())
    }

    fn spec() -> (u16, String) {
        (200, json!({"data": {"SECONDS_PER_SLOT": "12", "OTHER": "1"}}).to_string())
    }

    fn blob(content: &[u8]) -> (Bytes, B256) {
        let bytes = Bytes::from(encode_blob(content).unwrap());
        let known = by_versioned_hash(vec![bytes.clone()]).unwrap();
        (bytes, *known.keys().next().unwrap())
    }

    fn block() -> L1BlockRef {
        L1BlockRef { number: 77, timestamp: 1_240, ..Default::default() }
    }

    #[tokio::test]
    async fn what_one_node_lacks_the_next_is_asked_for() {
        let ((one, first), (two, second)) = (blob(b"one"), blob(b"two"));
        let data = |blob: &Bytes| (200, json!({"data": [hex::encode_prefixed(blob)]}).to_string());
        let missing = || (404, String::new());
        let url = |client: &BeaconClient| client.nodes[0].url.clone();
        let (b, b_task) = node(vec![genesis(), spec(), data(&one)]).await;
        let answers = vec![genesis(), spec(), data(&two), data(&two), missing(), missing()];
        let (c, c_task) = node(answers).await;
        let dead: Url = "http://127.0.0.1:1/".parse().unwrap();
        let client = BeaconClient::new(vec![dead.clone(), url(&b), url(&c)]);
        let blobs = client.blobs(&block(), &[second, first]).await.unwrap();
        assert_eq!(blobs, [two.clone(), one]);
        // The one that helped last is asked first.
        assert_eq!(client.blobs(&block(), &[second]).await.unwrap(), [two]);
        assert_eq!(b_task.await.unwrap().len(), 3);
        // Of those that answer none has it.
        let error = client.blobs(&block(), &[B256::ZERO]).await.unwrap_err();
        assert!(matches!(error, L1Error::MissingBlobs { missing: 1, .. }), "{error}");
        drop(c_task);
        // None answers.
        let client = BeaconClient::new(vec![dead.clone(), dead]);
        let error = client.blobs(&block(), &[first]).await.unwrap_err();
        assert!(matches!(error, L1Error::Beacon { .. }), "{error}");
    }

    #[tokio::test]
    async fn blobs_come_in_the_order_of_their_hashes() {
        let ((one, first), (two, second)) = (blob(b"one"), blob(b"two"));
        let given = json!({"data": [hex::encode_prefixed(&two), hex::encode_prefixed(&one)]});
        let (client, task) = node(vec![genesis(), spec(), (200, given.to_string())]).await;
        let blobs = client.blobs(&block(), &[first, second, first]).await.unwrap();
        assert_eq!(blobs, [one.clone(), two, one]);
        let asked = task.await.unwrap();
        assert_eq!(
            asked[2],
            format!("/eth/v1/beacon/blobs/20?versioned_hashes={first},{second},{first}")
        );
    }

    #[tokio::test]
    async fn an_older_node_is_asked_for_sidecars_and_a_node_without_slots_by_number() {
        let (one, first) = blob(b"one");
        let given = json!({"data": [{"index": "0", "blob": one, "kzg_commitment": "0x00"}]});
        let answers =
            vec![genesis(), (404, String::new()), (404, String::new()), (200, given.to_string())];
        let (client, task) = node(answers).await;
        assert_eq!(client.blobs(&block(), &[first]).await.unwrap(), [one]);
        assert_eq!(task.await.unwrap()[3], "/eth/v1/beacon/blob_sidecars/77");
    }

    /// Cause: a beacon node that lacks or invents a blob must never make derivation skip a batch.
    #[tokio::test]
    async fn missing_and_false_blobs_are_asked_for_again() {
        let (one, first) = blob(b"one");
        let (false_one, _) = blob(b"One");
        let answers = vec![
            genesis(),
            spec(),
            (200, json!({"data": []}).to_string()),
            (200, json!({"data": [false_one, "0x1234"]}).to_string()),
            (500, String::new()),
            (200, "{".to_owned()),
            (200, json!({"data": [false_one, one]}).to_string()),
        ];
        let (client, _task) = node(answers).await;
        for _ in 0..2 {
            let error = client.blobs(&block(), &[first]).await.unwrap_err();
            assert!(error.is_temporary());
            assert!(
                matches!(error, L1Error::MissingBlobs { block: 77, missing: 1, first: f } if f == first),
                "{error}"
            );
        }
        for _ in 0..2 {
            let error = client.blobs(&block(), &[first]).await.unwrap_err();
            assert!(matches!(error, L1Error::Beacon { .. }) && error.is_temporary(), "{error}");
        }
        assert_eq!(client.blobs(&block(), &[first]).await.unwrap(), [one]);
        // Nobody is there any more.
        let error = client.blobs(&block(), &[first]).await.unwrap_err();
        assert!(error.is_temporary(), "{error}");
    }
}
