//! The blocks before a snapshot's, as far as derivation above it may ask for them: a span that begins
//! before the snapshot and ends above it is judged by the block that it builds on. Of each there is the header,
//! which its child names by hash, and its first transaction, which says its L1 origin, with the proof that it
//! is the first. Bytes: `docs/formats/snapshot.md`.
//!
//! INVARIANT: no valid span above a snapshot begins below its lineage. A span's first origin is less than a
//! sequencing window older than the L1 block that holds the span, which comes after the snapshot's origin;
//! and the block it builds on has that origin or the one before. So the lineage ends with the first block whose
//! origin is more than a window older than the snapshot's, or with genesis.

use alloy_consensus::Header;
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer, proof::verify_proof, root};
use primitives::{BlockBody, TxEnvelope};

use crate::{
    StoreError,
    db::Txn,
    header_entry,
    input::Input,
    l1_origin,
    tables::{Table, Value, block_key},
};

/// Ancestors whose hashes execution may ask for (`BLOCKHASH`).
pub(crate) const ANCESTORS: u64 = 256;
/// Most nodes on the way to a block's first transaction.
const NODES_MAX: usize = 16;

/// The first transaction of a block, proven to be it. Empty for genesis, which has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct First {
    /// EIP-2718 form.
    transaction: Vec<u8>,
    /// Nodes of the trie of transactions, from the root on.
    nodes: Vec<Bytes>,
}

impl First {
    pub(crate) fn of(body: &BlockBody) -> Self {
        let transactions: Vec<_> =
            body.transactions.iter().map(Encodable2718::encoded_2718).collect();
        let Some(first) = transactions.first() else { return Self::default() };
        let retainer = ProofRetainer::new(vec![path()]);
        let mut builder = HashBuilder::default().with_proof_retainer(retainer);
        for index in 0..transactions.len() {
            // In the order of their keys, which is not that of the numbers.
            let index = root::adjust_index_for_rlp(index, transactions.len());
            if let Some(transaction) = transactions.get(index) {
                builder.add_leaf(Nibbles::unpack(alloy_rlp::encode(index)), transaction);
            }
        }
        builder.root();
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        Self {
            transaction: first.clone(),
            nodes: nodes.into_iter().map(|(_, node)| node).collect(),
        }
    }

    /// The L1 origin and the sequence number that it says, if it is the first of the block with this header.
    pub(crate) fn origin(&self, header: &Header) -> Option<(BlockNumHash, u64)> {
        if header.number == 0 && *self == Self::default() {
            return Some(Default::default());
        }
        let expected = Some(self.transaction.clone());
        verify_proof(header.transactions_root, path(), expected, &self.nodes).ok()?;
        l1_origin(&TxEnvelope::decode_strict(&self.transaction).ok()?)
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let transaction = input.section()?.to_vec();
        let [count] = *input.take::<1>()?;
        if usize::from(count) > NODES_MAX {
            return None;
        }
        let nodes = (0..count).map(|_| input.section().map(Bytes::copy_from_slice));
        Some(Self { transaction, nodes: nodes.collect::<Option<_>>()? })
    }
}

impl Value for First {
    fn encode(&self) -> Vec<u8> {
        let section = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            [length.to_be_bytes().as_slice(), bytes].concat()
        };
        let mut out = section(&self.transaction);
        out.push(u8::try_from(self.nodes.len()).unwrap_or(u8::MAX));
        out.extend(self.nodes.iter().flat_map(|node| section(node)));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let first = Self::take(&mut input)?;
        input.0.is_empty().then_some(first)
    }
}

/// Path of the first transaction.
fn path() -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode(0_usize))
}

/// A block before the snapshot's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ancestor {
    pub(crate) header: Header,
    pub(crate) first: First,
}

impl Ancestor {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        out.extend(self.first.encode());
    }

    pub(crate) fn take(input: &mut Input<'_>) -> Option<Self> {
        let header = Header::decode(&mut input.0).ok()?;
        Some(Self { header, first: First::take(input)? })
    }

    /// A block before the first whose state a store has, or any later one.
    pub(crate) fn read<K: libmdbx::TransactionKind>(
        txn: &Txn<'_, K>,
        number: u64,
    ) -> Result<Self, StoreError> {
        let (_, header) = header_entry(txn, number)?;
        if let Some(first) = txn.get(Table::Lineage, &block_key(Table::Lineage, number))? {
            return Ok(Self { header, first });
        }
        let body: Option<BlockBody> = txn.get(Table::Bodies, &block_key(Table::Bodies, number))?;
        let body = body.ok_or(StoreError::MissingBlock(number))?;
        Ok(Self { header, first: First::of(&body) })
    }
}

/// Says which ancestor is the last that a lineage needs.
pub(crate) struct Wanted {
    number: u64,
    /// Number of the L1 origin of the snapshot's block.
    origin: u64,
    window: u64,
}

impl Wanted {
    /// `window` is the sequencing window in L1 blocks.
    pub(crate) const fn new(number: u64, origin: u64, window: u64) -> Self {
        Self { number, origin, window }
    }

    /// Whether the ancestor of this number, with this L1 origin, is the last.
    pub(crate) const fn is_last(&self, number: u64, origin: u64) -> bool {
        let hashes = self.number.saturating_sub(number) >= ANCESTORS;
        number == 0 || hashes && origin.saturating_add(self.window) < self.origin
    }
}
