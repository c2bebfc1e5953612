//! `L1 escrow = L2 supply + exits under way`, followed exactly and checked after every L2 block.
//!
//! L2 supply cannot be read from a node, so it is counted: the genesis supply plus every `mint` of every
//! deposit, less the withdrawals that L1 has paid. What L1 paid is not taken from the portal's balance but
//! from what L2 recorded: each payment names the hash of a withdrawal, which must be one of L2's, and
//! paid once. The other side is the portal's OPEN balance at the L1 block that is the L2 block's origin.
//! What left L2 and is not paid yet lies in the message passer: its balance is checked, too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256, keccak256};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Ready, block_number, rpc};

const MESSAGE_PASSER: &str = "0x4200000000000000000000000000000000000016";

/// The check in the background.
pub struct Conservation {
    stop: Arc<AtomicBool>,
    checked: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Result<U256>>,
}

impl Conservation {
    pub fn start(ready: &Ready) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let checked = Arc::new(AtomicU64::new(0));
        let mut ledger = Ledger {
            l1: ready.l1_rpc.clone(),
            l2: ready.l2_rpc.clone(),
            open: ready.contracts["OPEN"].parse()?,
            portal: ready.contracts["OptimismPortal"].parse()?,
            supply: None,
            initiated: BTreeMap::new(),
            paid: BTreeSet::new(),
            l1_next: 0,
        };
        let (stopping, count) = (Arc::clone(&stop), Arc::clone(&checked));
        let task = tokio::spawn(async move {
            let mut next = 0_u64;
            let mut until = None;
            loop {
                // What L1 has done when the check is to end is checked, too: L2 comes to it in a moment.
                if until.is_none() && stopping.load(Ordering::Relaxed) {
                    let deadline = Instant::now() + Duration::from_secs(120);
                    until = Some((block_number(&ledger.l1).await?, deadline));
                }
                let head = block_number(&ledger.l2).await?;
                while next <= head {
                    if ledger.check(next).await? {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    next += 1;
                }
                if let Some((l1_head, deadline)) = until {
                    if ledger.l1_next > l1_head {
                        return ledger.paid_in_all();
                    }
                    ensure!(Instant::now() < deadline, "L2 has not come to L1 block {l1_head}");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Ok(Self { stop, checked, task })
    }

    /// Ends the check; returns what L1 has paid, wei.
    pub async fn stop(self) -> Result<U256> {
        self.stop.store(true, Ordering::Relaxed);
        let paid = self.task.await??;
        let checked = self.checked.load(Ordering::Relaxed);
        ensure!(checked > 20, "only {checked} blocks were checked for conservation");
        Ok(paid)
    }
}

struct Ledger {
    l1: String,
    l2: String,
    open: Address,
    portal: Address,
    /// Genesis and mints; unknown before the first block with an origin.
    supply: Option<U256>,
    /// Withdrawals that L2 recorded, by hash.
    initiated: BTreeMap<B256, U256>,
    paid: BTreeSet<B256>,
    l1_next: u64,
}

impl Ledger {
    /// False for a block without an origin, which is genesis.
    async fn check(&mut self, number: u64) -> Result<bool> {
        let tag = format!("{number:#x}");
        let block = rpc(&self.l2, "eth_getBlockByNumber", json!([tag, true])).await?;
        let transactions = block["transactions"].as_array().context("transactions")?;
        let mut minted = U256::ZERO;
        for transaction in transactions {
            if transaction["type"] == "0x7e"
                && let Some(mint) = transaction["mint"].as_str()
            {
                minted += mint.parse::<U256>()?;
            }
        }
        self.read_withdrawals(&tag).await?;
        let Some(first) = transactions.first() else { return Ok(false) };
        let origin = l1_origin(first["input"].as_str().context("input")?)?;
        self.read_payments(origin).await?;
        let escrow = erc20_balance(&self.l1, self.open, self.portal, origin).await?;
        let supply = match self.supply {
            // What the portal held when L2 started backs the genesis supply.
            None => escrow,
            Some(supply) => supply + minted,
        };
        self.supply = Some(supply);
        let paid = self.paid_in_all()?;
        ensure!(
            escrow + paid == supply,
            "L2 block {number}: L1 escrow {escrow} at L1 block {origin}, {paid} paid, {supply} ever on L2"
        );
        let left: U256 = self.initiated.values().copied().sum();
        let held = rpc(&self.l2, "eth_getBalance", json!([MESSAGE_PASSER, tag])).await?;
        let held: U256 = held.as_str().context("balance")?.parse()?;
        ensure!(held == left, "L2 block {number}: {left} left L2, the message passer holds {held}");
        Ok(true)
    }

    async fn read_withdrawals(&mut self, tag: &str) -> Result<()> {
        let topic =
            keccak256("MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)");
        let filter = json!({
            "fromBlock": tag, "toBlock": tag, "address": MESSAGE_PASSER, "topics": [topic],
        });
        for log in logs(&self.l2, filter).await? {
            // value, gas limit, place of the data, hash.
            let data = hex::decode(log["data"].as_str().context("data")?.trim_start_matches("0x"))?;
            let value = U256::from_be_slice(data.get(..32).context("value")?);
            let hash = B256::from_slice(data.get(96..128).context("hash")?);
            ensure!(self.initiated.insert(hash, value).is_none(), "{hash} was withdrawn twice");
        }
        Ok(())
    }

    async fn read_payments(&mut self, to: u64) -> Result<()> {
        if self.l1_next > to {
            return Ok(());
        }
        let filter = json!({
            "fromBlock": format!("{:#x}", self.l1_next), "toBlock": format!("{to:#x}"),
            "address": self.portal, "topics": [keccak256("WithdrawalFinalized(bytes32,bool)")],
        });
        for log in logs(&self.l1, filter).await? {
            let hash: B256 = log["topics"][1].as_str().context("topic")?.parse()?;
            ensure!(self.paid.insert(hash), "L1 paid {hash} twice");
        }
        self.l1_next = to + 1;
        Ok(())
    }

    /// SOUNDNESS: a payment of what L2 never recorded is an error, not a zero.
    fn paid_in_all(&self) -> Result<U256> {
        let mut paid = U256::ZERO;
        for hash in &self.paid {
            paid +=
                self.initiated.get(hash).with_context(|| format!("L2 never withdrew {hash}"))?;
        }
        Ok(paid)
    }
}

async fn logs(url: &str, filter: Value) -> Result<Vec<Value>> {
    let found = rpc(url, "eth_getLogs", json!([filter])).await?;
    Ok(found.as_array().context("logs")?.clone())
}

/// L1 block number in the L1 attributes calldata: bytes 28..36 after the selector's four.
fn l1_origin(input: &str) -> Result<u64> {
    let bytes = hex::decode(input.trim_start_matches("0x"))?;
    let field = bytes.get(28..36).context("L1 attributes are too short")?;
    Ok(u64::from_be_bytes(field.try_into()?))
}

async fn erc20_balance(url: &str, token: Address, holder: Address, block: u64) -> Result<U256> {
    let data = format!("0x70a08231{:0>64}", hex::encode(holder));
    let result =
        rpc(url, "eth_call", json!([{"to": token, "data": data}, format!("{block:#x}")])).await?;
    Ok(result.as_str().context("balanceOf")?.parse()?)
}
