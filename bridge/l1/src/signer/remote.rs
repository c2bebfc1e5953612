//! A signer over JSON-RPC, as web3signer, op-signer, geth and clef-like services offer it:
//! `eth_signTransaction` for transactions, `eth_signTypedData` (EIP-712) for attestations. Without TLS it
//! belongs on loopback or a private network: who reaches it can have anything signed.

use std::{path::PathBuf, time::Duration};

use alloy_consensus::SignableTransaction;
use alloy_primitives::{Address, B256, Bytes, Signature};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::check::{Asked, Wrong, check_signature};
use crate::{SignError, client::show};

/// No answer within this time counts as none. Services may ask a person or a hardware module.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Largest answer that is read: a transaction of the largest size as hex, with room. geth gives its fields, too.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// JSON-RPC: the method does not exist.
const METHOD_NOT_FOUND: i64 = -32601;

/// How a signer's HTTPS is set up beyond the system's roots.
#[derive(Clone, Debug, Default)]
pub struct RemoteTls {
    /// Certificates (PEM) that the signer's must come from, beside the system's.
    pub roots: Option<PathBuf>,
    /// Our certificate and its key (PEM), for signers that ask who asks.
    pub identity: Option<PathBuf>,
}

/// A signer elsewhere that keeps the key of one account.
#[derive(Debug)]
pub struct RemoteSigner {
    client: reqwest::Client,
    url: Url,
    /// Without what may be secret.
    shown_url: String,
    address: Address,
}

/// An answer, as far as it matters.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl RemoteSigner {
    /// Connects, and makes sure that the signer has the account, if it says which it has.
    pub async fn connect(url: Url, address: Address, tls: &RemoteTls) -> Result<Self, SignError> {
        let signer = Self::with_time_limit(url, address, tls, ANSWER_TIME_MAX)?;
        // op-signer keeps its accounts to itself.
        let accounts = match signer.call("eth_accounts", json!([])).await? {
            Ok(accounts) => serde_json::from_value::<Vec<Address>>(accounts).ok(),
            Err(_) => None,
        };
        match accounts {
            Some(accounts) if !accounts.contains(&address) => {
                Err(SignError::NoSuchAccount { url: signer.shown_url, account: address })
            }
            _ => Ok(signer),
        }
    }

    /// The same without asking, and with another limit for answers.
    pub fn with_time_limit(
        url: Url,
        address: Address,
        tls: &RemoteTls,
        limit: Duration,
    ) -> Result<Self, SignError> {
        let shown_url = show(&url);
        let config = |what: String| SignError::Config { url: shown_url.clone(), what };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(config("its URL is neither http nor https".to_owned()));
        }
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| config(format!("{}: {error}", path.display())))
        };
        // Whoever the signer sends us to is not whom we were told to trust.
        let redirects = reqwest::redirect::Policy::none();
        let mut builder = reqwest::Client::builder().timeout(limit).redirect(redirects);
        if let Some(path) = &tls.roots {
            let roots = reqwest::Certificate::from_pem_bundle(&read(path)?)
                .map_err(|error| config(format!("{}: {error}", path.display())))?;
            builder = builder.tls_certs_merge(roots);
        }
        if let Some(path) = &tls.identity {
            let identity = reqwest::Identity::from_pem(&read(path)?)
                .map_err(|error| config(format!("{}: {error}", path.display())))?;
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|error| config(error.to_string()))?;
        Ok(Self { client, url, shown_url, address })
    }

    /// The account.
    pub const fn address(&self) -> Address {
        self.address
    }

    pub(super) async fn sign<T>(&self, transaction: &T) -> Result<Signature, SignError>
    where
        T: SignableTransaction<Signature> + ?Sized,
    {
        let asked = Asked::new(transaction);
        self.sign_asked(&asked).await
    }

    pub(super) async fn sign_asked(&self, asked: &Asked) -> Result<Signature, SignError> {
        let method = "eth_signTransaction";
        let request = json!([asked.request(self.address)]);
        let result = self.call(method, request).await?.map_err(|refusal| self.refused(refusal))?;
        // The transaction itself, or with its fields beside it (geth).
        let raw = match &result {
            Value::Object(fields) => fields.get("raw").cloned().unwrap_or_default(),
            _ => result,
        };
        let raw: Bytes = serde_json::from_value(raw)
            .map_err(|_| self.wrong(Wrong::Malformed("it is no signed transaction")))?;
        asked.check(self.address, &raw).map_err(|wrong| self.wrong(wrong))
    }

    pub(super) async fn sign_typed_data(
        &self,
        digest: &B256,
        typed_data: &Value,
    ) -> Result<Signature, SignError> {
        // As text: web3signer takes no other form, and others take both.
        let params = json!([self.address, typed_data.to_string()]);
        let answered = match self.call("eth_signTypedData", params.clone()).await? {
            // The name that wallets and nodes know.
            Err(_) => self.call("eth_signTypedData_v4", params).await?,
            answered => answered,
        };
        let result = answered.map_err(|refusal| self.refused(refusal))?;
        let malformed = || self.wrong(Wrong::Malformed("it is no signature of 65 bytes"));
        let bytes: Bytes = serde_json::from_value(result).map_err(|_| malformed())?;
        let signature = Signature::from_raw(&bytes).map_err(|_| malformed())?;
        check_signature(&signature, digest, self.address).map_err(|wrong| self.wrong(wrong))?;
        Ok(signature)
    }

    /// The outer error is the way's, the inner the signer's.
    async fn call(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Result<Value, Refusal>, SignError> {
        // The URL can hold a key.
        let unreachable = |source: reqwest::Error| SignError::Unreachable {
            url: self.shown_url.clone(),
            source: source.without_url(),
        };
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let sent = self.client.post(self.url.clone()).json(&request).send().await;
        let mut response = sent.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(self.wrong(Wrong::Malformed("it is too long")));
            }
            body.extend_from_slice(&chunk);
        }
        // Some tell the reason with a status of failure.
        match serde_json::from_slice(&body) {
            Ok(Answer { error: Some(refusal), .. }) => Ok(Err(refusal)),
            Ok(Answer { result: Some(result), .. }) if status.is_success() => Ok(Ok(result)),
            _ if !status.is_success() => {
                Err(SignError::Status { url: self.shown_url.clone(), status: status.as_u16() })
            }
            _ => Err(self.wrong(Wrong::Malformed("it is no JSON-RPC"))),
        }
    }

    fn refused(&self, refusal: Refusal) -> SignError {
        let reason = match refusal.code {
            METHOD_NOT_FOUND => format!("it cannot do this ({})", refusal.message),
            code => format!("{} ({code})", refusal.message),
        };
        SignError::Refused { url: self.shown_url.clone(), account: self.address, reason }
    }

    fn wrong(&self, wrong: Wrong) -> SignError {
        let url = self.shown_url.clone();
        match wrong {
            Wrong::Malformed(reason) => SignError::Malformed { url, reason },
            Wrong::Changed { field, asked, signed } => {
                SignError::Changed { url, field, asked, signed }
            }
            Wrong::OtherAccount(found) => {
                SignError::OtherAccount { url, account: self.address, found }
            }
        }
    }
}
