//! An L1 block as a node tells it, checked against its header, and reduced to what derivation reads.
//!
//! SOUNDNESS: the header hashes to the block's hash; transactions and receipts have the header's roots;
//! who sent a transaction to the inbox is recovered from its signature. That no log was left out is shown
//! by the header's bloom filter or by the receipts' root.

use std::collections::BTreeMap;

use alloy_consensus::{
    BlockHeader, ReceiptEnvelope, Transaction as _, Typed2718, proofs,
    transaction::SignerRecoverable,
};
use alloy_eips::eip7840::BlobParams;
use alloy_network::TransactionResponse;
use alloy_primitives::{Address, B256, BloomInput, Bytes, Log};
use alloy_rpc_types_eth::{Block, Transaction, TransactionReceipt};
use derive::{InboxTransaction, L1Block, decode_blob};
use messages::{CONFIG_UPDATE_TOPIC, DepositLog, TRANSACTION_DEPOSITED_TOPIC, decode_deposit};
use primitives::{L1BlockRef, TxDeposit};

use crate::{L1Addresses, L1Error};

/// EIP-4844. With the types below it (legacy, 2930 and 1559) all that may carry batches.
const BLOB_TRANSACTION_TYPE: u8 = 3;

/// A block whose transactions are those of its header.
pub(crate) struct CheckedBlock<'a> {
    block: &'a Block,
    transactions: &'a [Transaction],
}

/// A transaction to the inbox that may carry batches.
pub(crate) struct InboxCall<'a> {
    /// Who signed it.
    pub(crate) from: Address,
    transaction: &'a Transaction,
}

impl<'a> CheckedBlock<'a> {
    pub(crate) fn new(block: &'a Block) -> Result<Self, L1Error> {
        checked_hash(block)?;
        let number = block.header.number;
        let transactions =
            block.transactions.as_transactions().ok_or(L1Error::HashesOnly(number))?;
        let signed: Vec<_> = transactions.iter().map(|tx| tx.inner.inner()).collect();
        let computed = proofs::ordered_trie_root_with_encoder(&signed, |transaction, out| {
            alloy_eips::eip2718::Encodable2718::encode_2718(*transaction, out);
        });
        check_root(number, "transactions", block.header.transactions_root, computed)?;
        Ok(Self { block, transactions })
    }

    pub(crate) fn reference(&self) -> L1BlockRef {
        reference(self.block)
    }

    /// Whether anything in the block can be a deposit or an update of the configuration.
    pub(crate) fn may_log(&self, addresses: &L1Addresses) -> bool {
        let bloom = &self.block.header.logs_bloom;
        let both = |address: Address, topic: B256| {
            bloom.contains_input(BloomInput::Raw(address.as_slice()))
                && bloom.contains_input(BloomInput::Raw(topic.as_slice()))
        };
        both(addresses.optimism_portal, TRANSACTION_DEPOSITED_TOPIC)
            || both(addresses.system_config, CONFIG_UPDATE_TOPIC)
    }

    /// All logs of the block in their order, if these are its receipts.
    pub(crate) fn logs(&self, receipts: Vec<TransactionReceipt>) -> Result<Vec<Log>, L1Error> {
        let receipts: Vec<ReceiptEnvelope<Log>> = receipts
            .into_iter()
            .map(|receipt| receipt.into_inner().into_primitives_receipt())
            .collect();
        let computed = proofs::calculate_receipt_root(&receipts);
        let header = &self.block.header;
        check_root(header.number, "receipts", header.receipts_root, computed)?;
        Ok(receipts.into_iter().flat_map(|receipt| receipt.logs().to_vec()).collect())
    }

    /// Transactions to the inbox that may carry batches, in their order.
    pub(crate) fn inbox(&self, addresses: &L1Addresses) -> Result<Vec<InboxCall<'a>>, L1Error> {
        let to_inbox = |transaction: &&Transaction| {
            transaction.inner.to() == Some(addresses.batch_inbox)
                && transaction.inner.ty() <= BLOB_TRANSACTION_TYPE
        };
        let calls = self.transactions.iter().filter(to_inbox).map(|transaction| {
            let from =
                transaction.inner.inner().recover_signer().map_err(|_| L1Error::Unsigned {
                    number: self.block.header.number,
                    transaction: transaction.tx_hash(),
                })?;
            Ok(InboxCall { from, transaction })
        });
        calls.collect()
    }

    /// What derivation reads, with the given blobs. A blob that is not given does not count.
    pub(crate) fn reduce(
        &self,
        logs: Vec<Log>,
        addresses: &L1Addresses,
        inbox: &[InboxCall<'_>],
        blobs: &BTreeMap<B256, Bytes>,
    ) -> Result<L1Block, L1Error> {
        let header = &self.block.header;
        let number = header.number;
        let mut deposits: Vec<TxDeposit> = Vec::new();
        let mut config_updates = Vec::new();
        for (log_index, log) in (0_u64..).zip(logs) {
            let topic = log.topics().first();
            let is_deposit = log.address == addresses.optimism_portal
                && topic == Some(&TRANSACTION_DEPOSITED_TOPIC);
            if is_deposit {
                let place = DepositLog { data: &log.data, l1_block_hash: header.hash, log_index };
                let deposit = decode_deposit(place).map_err(|source| L1Error::Deposit {
                    block: number,
                    log_index,
                    source,
                })?;
                deposits.push(deposit);
            } else if log.address == addresses.system_config && topic == Some(&CONFIG_UPDATE_TOPIC)
            {
                config_updates.push(log);
            }
        }
        Ok(L1Block {
            hash: header.hash,
            number,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas.ok_or(L1Error::NoBaseFee(number))?,
            // Of Prague's schedule, whatever later schedule L1 follows: every node must see the same.
            blob_base_fee: header.inner.blob_fee(BlobParams::prague()).unwrap_or(1),
            mix_hash: header.mix_hash().unwrap_or_default(),
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            deposits,
            inbox: inbox.iter().flat_map(|call| call.data(blobs)).collect(),
            config_updates,
        })
    }
}

impl InboxCall<'_> {
    /// Versioned hashes of its blobs.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = B256> + '_ {
        self.transaction.inner.blob_versioned_hashes().unwrap_or_default().iter().copied()
    }

    /// What derivation reads of it.
    fn data(&self, blobs: &BTreeMap<B256, Bytes>) -> Vec<InboxTransaction> {
        let Self { from, transaction } = *self;
        if transaction.inner.ty() != BLOB_TRANSACTION_TYPE {
            return vec![InboxTransaction { from, data: transaction.inner.input().clone() }];
        }
        let contents = self.blobs().filter_map(|hash| blobs.get(&hash));
        contents
            .filter_map(|blob| match decode_blob(blob) {
                Ok(data) => Some(InboxTransaction { from, data: data.into() }),
                Err(error) => {
                    let transaction = transaction.tx_hash();
                    tracing::debug!(%transaction, %error, "a blob holds no data");
                    None
                }
            })
            .collect()
    }
}

pub(crate) fn reference(block: &Block) -> L1BlockRef {
    L1BlockRef {
        hash: block.header.hash,
        number: block.header.number,
        parent_hash: block.header.parent_hash,
        timestamp: block.header.timestamp,
    }
}

pub(crate) fn checked_hash(block: &Block) -> Result<B256, L1Error> {
    let (claimed, computed) = (block.header.hash, block.header.inner.hash_slow());
    if claimed == computed {
        return Ok(computed);
    }
    Err(L1Error::HeaderHash { number: block.header.number, claimed, computed })
}

fn check_root(
    number: u64,
    what: &'static str,
    expected: B256,
    computed: B256,
) -> Result<(), L1Error> {
    match expected == computed {
        true => Ok(()),
        false => Err(L1Error::Root { number, what, expected, computed }),
    }
}
