//! Writes span batches: each block is taken apart into columns as it comes, so that nothing but columns is
//! kept until the span is closed. What repeats then stands together for the compressor, and signatures, which no
//! compressor shortens, stand apart from it.

use alloy_consensus::{Transaction, Typed2718};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::B256;
use alloy_rlp::{Encodable, Header};
use primitives::{Block, TxEnvelope};

use crate::{
    EncodeError,
    attributes::l1_attributes_of,
    batch::SPAN,
    columns::{put_bits, put_uvarint},
};

/// A span being filled.
#[derive(Clone, Debug, Default)]
pub struct SpanEncoder {
    /// Seconds since the Unix epoch.
    genesis_time: u64,
    ends: Option<Ends>,
    /// Of each block: it is the first of its L1 origin.
    new_origins: Vec<bool>,
    counts: Vec<u8>,
    transactions: Transactions,
}

/// What a span says of its first and last block.
#[derive(Clone, Copy, Debug)]
struct Ends {
    relative_timestamp: u64,
    parent: B256,
    last_origin: u64,
    last_origin_hash: B256,
}

/// The columns of all transactions.
#[derive(Clone, Debug, Default)]
struct Transactions {
    creates: Vec<bool>,
    parities: Vec<bool>,
    signatures: Vec<u8>,
    targets: Vec<u8>,
    data: Vec<u8>,
    nonces: Vec<u8>,
    gas_limits: Vec<u8>,
    protected: Vec<bool>,
    /// Spares an allocation for each transaction.
    fields: Vec<u8>,
}

impl SpanEncoder {
    /// An empty span of the chain that began at `genesis_time`, seconds since the Unix epoch.
    pub fn new(genesis_time: u64) -> Self {
        Self { genesis_time, ..Self::default() }
    }

    /// Adds the block after the last one added; how many transactions of it count. Fails, with the
    /// span as before, at a block without L1 attributes or with a transaction that batches do not
    /// carry.
    pub fn add_block(&mut self, block: &Block) -> Result<u64, EncodeError> {
        let l1 = l1_attributes_of(block).map_err(EncodeError::from)?;
        let number = block.header.number;
        let transactions = &block.body.transactions;
        let of_users = || transactions.iter().filter(|transaction| !transaction.is_deposit());
        if let Some(foreign) = of_users().find(|tx| !matches!(tx.ty(), 0 | 1 | 2 | 4)) {
            return Err(EncodeError::TransactionType { block: number, kind: foreign.ty() });
        }
        let timestamp = block.header.timestamp;
        let genesis_time = self.genesis_time;
        let relative_timestamp = timestamp
            .checked_sub(genesis_time)
            .ok_or(EncodeError::BeforeGenesis { block: number, timestamp, genesis_time })?;
        let mut count = 0_u64;
        for transaction in of_users() {
            self.transactions.add(transaction);
            count = count.saturating_add(1);
        }
        put_uvarint(count, &mut self.counts);
        self.new_origins.push(l1.sequence_number == 0);
        let first = Ends {
            relative_timestamp,
            parent: block.header.parent_hash,
            last_origin: l1.number,
            last_origin_hash: l1.hash,
        };
        let ends = self.ends.get_or_insert(first);
        (ends.last_origin, ends.last_origin_hash) = (l1.number, l1.hash);
        Ok(count)
    }

    /// Bytes of the columns so far.
    pub fn bytes(&self) -> usize {
        let columns = &self.transactions;
        let bytes = [
            &self.counts,
            &columns.signatures,
            &columns.targets,
            &columns.data,
            &columns.nonces,
            &columns.gas_limits,
        ];
        bytes.iter().map(|column| column.len()).fold(0, usize::saturating_add)
    }

    /// Appends the span as a channel holds it, an RLP string of type and payload. Nothing if there are no
    /// blocks.
    pub fn finish(self, out: &mut Vec<u8>) {
        let Some(ends) = self.ends else { return };
        let mut payload = vec![SPAN];
        put_uvarint(ends.relative_timestamp, &mut payload);
        put_uvarint(ends.last_origin, &mut payload);
        payload.extend(ends.parent.iter().take(20));
        payload.extend(ends.last_origin_hash.iter().take(20));
        put_uvarint(u64::try_from(self.new_origins.len()).unwrap_or(u64::MAX), &mut payload);
        put_bits(&self.new_origins, &mut payload);
        payload.extend(self.counts);
        self.transactions.finish(&mut payload);
        payload.as_slice().encode(out);
    }
}

impl Transactions {
    fn add(&mut self, transaction: &TxEnvelope) {
        let Some(signature) = transaction.signature() else { return };
        self.creates.push(transaction.to().is_none());
        self.parities.push(signature.v());
        self.signatures.extend(signature.r().to_be_bytes::<32>());
        self.signatures.extend(signature.s().to_be_bytes::<32>());
        self.targets.extend(transaction.to().into_iter().flatten());
        put_uvarint(transaction.nonce(), &mut self.nonces);
        put_uvarint(transaction.gas_limit(), &mut self.gas_limits);
        self.add_data(transaction);
    }

    fn add_data(&mut self, transaction: &TxEnvelope) {
        let fields = &mut self.fields;
        fields.clear();
        transaction.value().encode(fields);
        if let Some(priority_fee) = transaction.max_priority_fee_per_gas() {
            priority_fee.encode(fields);
        }
        // The gas price of a transaction of the older types.
        transaction.max_fee_per_gas().encode(fields);
        transaction.input().encode(fields);
        match transaction.ty() {
            0 => self.protected.push(transaction.chain_id().is_some()),
            kind => {
                self.data.push(kind);
                match transaction.access_list() {
                    Some(list) => list.encode(fields),
                    None => AccessList::default().encode(fields),
                }
            }
        }
        if let Some(authorizations) = transaction.authorization_list() {
            alloy_rlp::encode_list(authorizations, fields);
        }
        Header { list: true, payload_length: fields.len() }.encode(&mut self.data);
        self.data.extend_from_slice(fields);
    }

    fn finish(self, out: &mut Vec<u8>) {
        put_bits(&self.creates, out);
        put_bits(&self.parities, out);
        for column in [self.signatures, self.targets, self.data, self.nonces, self.gas_limits] {
            out.extend(column);
        }
        put_bits(&self.protected, out);
    }
}
