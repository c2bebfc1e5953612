//! Who acts on the economy's contracts from the command line, and where its chain is: an encrypted key, a remote signer, or
//! on a development chain an account of the well-known ones.

use std::path::PathBuf;

use alloy_primitives::Address;
use anyhow::{Context, Result, ensure};
use clap::Args as ClapArgs;
use l1::RoleSigner;
use primitives::{L1_CHAIN_ID_DEV, L2_CHAIN_ID_DEV};
use service::chain::{Chain, Contracts};
use url::Url;

use crate::{customer, dev::Ready, keystore::KeyArgs};

/// Whose key, on which chain.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Acting {
    #[command(flatten)]
    key: KeyArgs,
    /// L2 node; the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    l2_rpc: Option<Url>,
    /// Gateway; that of the running `openledger dev` if not given.
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    /// Ready file of the running `openledger dev`.
    #[arg(long, value_name = "FILE", conflicts_with = "l2_rpc")]
    ready: Option<PathBuf>,
}

/// Somebody with a connection to send by.
pub struct Actor {
    pub chain: Chain,
    pub signer: RoleSigner,
}

impl Actor {
    pub fn address(&self) -> Address {
        self.signer.address()
    }
}

impl Acting {
    /// For reading alone: no key is needed.
    pub async fn read(&self) -> Result<Chain> {
        Ok(Chain::connect(self.l2_rpc()?, Contracts::default()).await?)
    }

    /// For sending. On a development chain the first account acts if no key is named.
    pub async fn connect(&self) -> Result<Actor> {
        self.connect_or(0).await
    }

    /// The same with another account to fall back on.
    pub async fn connect_or(&self, account: u32) -> Result<Actor> {
        let l2_rpc = self.l2_rpc()?;
        let chain_id = Chain::connect(l2_rpc.clone(), Contracts::default()).await?.chain_id();
        if self.key.account.is_some() || !self.key.is_given() {
            check_development(chain_id)?;
        }
        let signer = self.key.signer_or(L1_CHAIN_ID_DEV, account).await?;
        let chain =
            Chain::connect_with_signer(l2_rpc, Contracts::default(), signer.clone()).await?;
        Ok(Actor { chain, signer })
    }

    /// The gateway that is paid.
    pub async fn gateway(&self) -> Result<Address> {
        let url = match &self.gateway {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => self.ready()?.gateway,
        };
        customer::gateway_at(&url).await
    }

    /// Where the gateway is.
    pub fn gateway_url(&self) -> Result<Url> {
        match &self.gateway {
            Some(url) => Ok(url.clone()),
            None => self.ready()?.gateway.parse().context("the gateway's URL is not a URL"),
        }
    }

    fn l2_rpc(&self) -> Result<Url> {
        match &self.l2_rpc {
            Some(url) => Ok(url.clone()),
            None => self.ready()?.l2_rpc.parse().context("the L2 URL is not a URL"),
        }
    }

    fn ready(&self) -> Result<Ready> {
        Ready::read(&self.ready.clone().unwrap_or_else(Ready::default_path))
    }
}

/// Refuses development accounts on every L2 but the development chain.
pub fn check_development(l2_chain_id: u64) -> Result<()> {
    ensure!(
        l2_chain_id == L2_CHAIN_ID_DEV,
        "development accounts are refused on L2 chain {l2_chain_id}: their keys are public. Use --keystore or \
         --signer-url"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{Json, Router, routing::post};
    use serde_json::{Value, json};

    use super::*;
    use crate::{keys, keystore};

    /// A node that knows its chain's number and nothing else.
    async fn node(chain_id: u64) -> Url {
        let answer = move |Json(request): Json<Value>| async move {
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": format!("{chain_id:#x}")}))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = axum::serve(listener, Router::new().route("/", post(answer)));
        tokio::spawn(served.into_future());
        url.parse().unwrap()
    }

    async fn acting(chain_id: u64, key: KeyArgs) -> Result<Address> {
        let acting = Acting { key, l2_rpc: Some(node(chain_id).await), ..Acting::default() };
        Ok(acting.connect().await?.address())
    }

    #[tokio::test]
    async fn development_accounts_act_on_the_development_chain_alone() {
        let account = |account| KeyArgs { account, ..KeyArgs::default() };
        for (named, expected) in [(None, 0), (Some(7), 7)] {
            let found = acting(L2_CHAIN_ID_DEV, account(named)).await.unwrap();
            assert_eq!(found, keys::dev_key(expected).unwrap().address());
            // Neither named, nor for want of a better one; nor on an L2 that has an L1's number.
            for chain_id in [10, 31_337, L1_CHAIN_ID_DEV] {
                let error = acting(chain_id, account(named)).await.unwrap_err().to_string();
                assert!(error.contains("development accounts are refused"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn an_encrypted_key_acts_on_any_chain() {
        let directory = tempfile::tempdir().unwrap();
        let (file, password) = (directory.path().join("key.json"), directory.path().join("pass"));
        std::fs::write(&password, "a password\n").unwrap();
        keystore::new(&file, "a password").unwrap();
        let key =
            KeyArgs { keystore: Some(file), password_file: Some(password), ..KeyArgs::default() };
        let expected = key.load(1).unwrap().address();
        assert_eq!(acting(10, key).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_remote_signer_acts_on_any_chain() {
        let address = Address::repeat_byte(7);
        let answer = move |Json(request): Json<Value>| async move {
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": [address]}))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let served = axum::serve(listener, Router::new().route("/", post(answer)));
        tokio::spawn(served.into_future());
        let key =
            KeyArgs { signer_url: Some(url), signer_address: Some(address), ..KeyArgs::default() };
        assert_eq!(acting(10, key).await.unwrap(), address);
    }
}
