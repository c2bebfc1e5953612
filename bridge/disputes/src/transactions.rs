//! L1 transactions of one role: one at a time, each in the record before it is sent. After a crash the
//! same signed transaction is sent again and followed to its end, so nothing happens twice.

use std::time::Duration;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockNumberOrTag, eip2718::Encodable2718};
use alloy_primitives::{Address, Bytes, TxHash, TxKind, keccak256};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{Log, TransactionRequest};
use alloy_transport::{TransportError, TransportErrorKind};
use l1::{L1Urls, RoleSigner};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{RecordDir, SendError};

const RECORD: &str = "transaction.json";
/// No answer within this time counts as none.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// By how much the fees of a replacement grow, percent. Nodes ask for 10.
const BUMP_PERCENT: u128 = 25;
/// Looks at L1 after which a nonce that is used by none of our transactions counts as taken.
const LOOKS_MAX: u32 = 5;

/// When a transaction is paid better, and how much at most.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Time between two looks at L1.
    pub poll: Duration,
    /// A transaction is replaced by a better paying one after this time.
    pub bump_after: Duration,
    /// Most that is paid, wei per gas.
    pub fee_max: u128,
    /// L1 blocks that must confirm a transaction, its own included.
    pub confirmations: u64,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(500),
            bump_after: Duration::from_secs(36),
            fee_max: 1_000_000_000_000,
            confirmations: 1,
        }
    }
}

/// A transaction that is in an L1 block and did what it should.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub hash: TxHash,
    pub block: u64,
    pub logs: Vec<Log>,
}

/// Sends for one key, which nobody else uses.
pub struct Sender {
    provider: RootProvider,
    signer: RoleSigner,
    chain_id: u64,
    config: SenderConfig,
    records: RecordDir,
}

/// The transaction under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// For people.
    what: String,
    nonce: u64,
    to: Address,
    input: Bytes,
    gas_limit: u64,
    /// Wei per gas.
    fee_max: u128,
    /// Wei per gas.
    priority_fee: u128,
    /// The newest signed form (EIP-2718).
    raw: Bytes,
    /// Hashes of forms that paid less; any of them may be the one in L1.
    replaced: Vec<TxHash>,
}

impl Record {
    fn hashes(&self) -> Vec<TxHash> {
        let mut hashes = self.replaced.clone();
        hashes.push(keccak256(&self.raw));
        hashes
    }
}

impl Sender {
    pub fn new(
        l1: impl Into<L1Urls>,
        chain_id: u64,
        signer: impl Into<RoleSigner>,
        records: RecordDir,
        config: SenderConfig,
    ) -> Self {
        let (provider, signer) = (l1.into().provider(), signer.into());
        Self { provider, signer, chain_id, config, records }
    }

    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// For reading L1.
    pub const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// For reading the role's own records.
    pub const fn records(&self) -> &RecordDir {
        &self.records
    }

    /// Who signs for the account.
    pub const fn signer(&self) -> &RoleSigner {
        &self.signer
    }

    /// Ends what an earlier process began. To be called before decisions are made from L1.
    pub async fn settle(&self) -> Result<(), SendError> {
        let Some(record) = self.records.read::<Record>(RECORD)? else { return Ok(()) };
        tracing::info!(what = record.what, nonce = record.nonce, "continuing an L1 transaction");
        match self.follow(record).await {
            Ok(_) | Err(SendError::Failed { .. } | SendError::NonceTaken { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends a call and waits until L1 has it. It is not sent if L1 would refuse it.
    pub async fn send(&self, what: &str, to: Address, input: Bytes) -> Result<Receipt, SendError> {
        self.settle().await?;
        let from = self.address();
        let request = TransactionRequest::default().from(from).to(to).input(input.clone().into());
        let gas = match self.ask("eth_estimateGas", self.provider.estimate_gas(request)).await {
            Ok(gas) => gas,
            Err(SendError::L1 { source: TransportError::ErrorResp(answer), .. }) => {
                let data = answer.as_revert_data();
                let reason = answer.message.to_string();
                return Err(SendError::Refused { what: what.to_owned(), reason, data });
            }
            Err(error) => return Err(error),
        };
        let nonce =
            self.ask("eth_getTransactionCount", self.provider.get_transaction_count(from)).await?;
        let (fee_max, priority_fee) = self.fees().await?;
        let mut record = Record {
            what: what.to_owned(),
            nonce,
            to,
            input,
            // What others do meanwhile can change which branches are taken.
            gas_limit: gas.saturating_add(gas / 2),
            fee_max,
            priority_fee,
            raw: Bytes::new(),
            replaced: Vec::new(),
        };
        record.raw = self.sign(&record).await?;
        // INVARIANT: nothing is sent that is not in the record.
        self.records.write(RECORD, &record)?;
        self.follow(record).await
    }

    /// Sends the recorded transaction until L1 has it in one of its forms.
    async fn follow(&self, mut record: Record) -> Result<Receipt, SendError> {
        self.broadcast(&record).await;
        let mut sent = Instant::now();
        let mut looks = 0_u32;
        loop {
            match self.look(&record).await {
                Ok(Look::In(receipt)) => {
                    self.records.remove(RECORD)?;
                    let Receipt { hash, block, .. } = receipt.0;
                    tracing::info!(what = record.what, %hash, block, "in L1");
                    return match receipt.1 {
                        true => Ok(receipt.0),
                        false => Err(SendError::Failed { what: record.what, hash }),
                    };
                }
                Ok(Look::Confirming) => looks = 0,
                Ok(Look::Taken) => {
                    looks += 1;
                    if looks >= LOOKS_MAX {
                        self.records.remove(RECORD)?;
                        let (account, nonce) = (self.address(), record.nonce);
                        return Err(SendError::NonceTaken { account, nonce });
                    }
                }
                Ok(Look::Waiting) => {
                    looks = 0;
                    if sent.elapsed() >= self.config.bump_after {
                        match self.bump(&mut record).await {
                            // What was signed before can still come in.
                            Err(error @ SendError::Signer { .. }) if error.is_temporary() => {
                                tracing::warn!(%error, what = record.what, "the fee stays");
                            }
                            bumped => bumped?,
                        }
                        self.broadcast(&record).await;
                        sent = Instant::now();
                    }
                }
                Err(error) => tracing::warn!(%error, "L1 is not readable"),
            }
            tokio::time::sleep(self.config.poll).await;
        }
    }

    async fn look(&self, record: &Record) -> Result<Look, SendError> {
        for hash in record.hashes() {
            let asked = self.provider.get_transaction_receipt(hash);
            let Some(receipt) = self.ask("eth_getTransactionReceipt", asked).await? else {
                continue;
            };
            let Some(block) = receipt.block_number else { continue };
            let head = self.ask("eth_blockNumber", self.provider.get_block_number()).await?;
            if head.saturating_add(1).saturating_sub(block) < self.config.confirmations {
                return Ok(Look::Confirming);
            }
            let succeeded = receipt.status();
            let logs = receipt.logs().to_vec();
            return Ok(Look::In(Box::new((Receipt { hash, block, logs }, succeeded))));
        }
        let asked = self.provider.get_transaction_count(self.address());
        let next = self.ask("eth_getTransactionCount", asked).await?;
        Ok(if next > record.nonce { Look::Taken } else { Look::Waiting })
    }

    async fn broadcast(&self, record: &Record) {
        let sent = self.provider.send_raw_transaction(&record.raw);
        // It may be known already, or in a block; the receipts tell.
        if let Err(error) = self.ask("eth_sendRawTransaction", sent).await {
            tracing::debug!(%error, what = record.what, "L1 did not take the transaction");
        }
    }

    async fn bump(&self, record: &mut Record) -> Result<(), SendError> {
        let (market, market_priority) = match self.fees().await {
            Ok(fees) => fees,
            // The old fees, raised, will do.
            Err(_) => (0, 0),
        };
        let raise = |fee: u128| fee.saturating_mul(100 + BUMP_PERCENT).div_ceil(100);
        let fee_max = raise(record.fee_max).max(market);
        if fee_max > self.config.fee_max {
            tracing::warn!(what = record.what, fee_max, "L1 is too dear: waiting");
            return Ok(());
        }
        let mut better = record.clone();
        better.replaced.push(keccak256(&record.raw));
        better.fee_max = fee_max;
        better.priority_fee = raise(record.priority_fee).max(market_priority).min(fee_max);
        better.raw = self.sign(&better).await?;
        self.records.write(RECORD, &better)?;
        *record = better;
        Ok(())
    }

    /// Fee and priority fee that the market asks for, wei per gas.
    async fn fees(&self) -> Result<(u128, u128), SendError> {
        let latest = self.provider.get_block_by_number(BlockNumberOrTag::Latest);
        let block = self.ask("eth_getBlockByNumber", latest).await?;
        let base_fee = block.and_then(|block| block.header.base_fee_per_gas).unwrap_or_default();
        let priority = self.provider.get_max_priority_fee_per_gas();
        let priority = self.ask("eth_maxPriorityFeePerGas", priority).await?.max(1);
        let limit = self.config.fee_max;
        let fee_max = u128::from(base_fee).saturating_mul(2).saturating_add(priority).min(limit);
        Ok((fee_max, priority.min(fee_max)))
    }

    async fn sign(&self, record: &Record) -> Result<Bytes, SendError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: record.nonce,
            gas_limit: record.gas_limit,
            max_fee_per_gas: record.fee_max,
            max_priority_fee_per_gas: record.priority_fee,
            to: TxKind::Call(record.to),
            input: record.input.clone(),
            ..Default::default()
        };
        let signature = self
            .signer
            .sign(&transaction)
            .await
            .map_err(|source| SendError::Signer { account: self.address(), source })?;
        Ok(TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into())
    }

    async fn ask<T>(
        &self,
        request: &'static str,
        answer: impl IntoFuture<Output = Result<T, TransportError>>,
    ) -> Result<T, SendError> {
        match tokio::time::timeout(REQUEST_TIME_MAX, answer.into_future()).await {
            Ok(answer) => answer.map_err(|source| SendError::L1 { request, source }),
            Err(_) => {
                let source = TransportErrorKind::custom_str("no answer in time");
                Err(SendError::L1 { request, source })
            }
        }
    }
}

enum Look {
    /// In a block; whether it succeeded.
    In(Box<(Receipt, bool)>),
    /// In a block that is not deep enough.
    Confirming,
    /// The nonce is used, but none of our forms is in a block: one of them will be found, or a
    /// transaction of somebody else has it.
    Taken,
    Waiting,
}
