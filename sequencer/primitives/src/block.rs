//! Blocks and the attributes from which a block is built.

use alloc::vec::Vec;

use crate::TxEnvelope;
use alloy_consensus::Header;
use alloy_eips::{BlockNumHash, eip2718::Encodable2718, eip4895::Withdrawals};
use alloy_primitives::{Address, B64, B256, Bytes};
use serde::{Deserialize, Serialize};

/// What a block is built from (engine API `PayloadAttributesV3` with the OP Stack's additions). The
/// sequencer adds pool transactions after `transactions` unless `no_tx_pool` is set; derivation
/// always sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadAttributes {
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// `mix_hash` of the L1 origin.
    pub prev_randao: B256,
    /// Always the `SequencerFeeVault`.
    pub suggested_fee_recipient: Address,
    /// Beacon root of the L1 origin.
    pub parent_beacon_block_root: B256,
    /// Encoded (EIP-2718) transactions that must open the block: the L1 attributes deposit, user
    /// deposits in the first block of an epoch, then, in derivation, those of the batch.
    pub transactions: Vec<Bytes>,
    pub no_tx_pool: bool,
    pub gas_limit: u64,
    /// EIP-1559 denominator (u32, big-endian) then elasticity (u32, big-endian), Holocene.
    pub eip1559_params: B64,
    /// Wei, Jovian.
    pub min_base_fee: u64,
    /// The L1 block this block is derived from (also inside `transactions[0]`).
    pub l1_origin: BlockNumHash,
    /// Distance to the first block of the epoch.
    pub sequence_number: u64,
}

/// The part of a block beside its header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBody {
    pub transactions: Vec<TxEnvelope>,
    /// Uncles; none on a rollup and after the merge.
    pub ommers: Vec<Header>,
    /// `None` before Shanghai. A rollup's are always empty.
    pub withdrawals: Option<Withdrawals>,
}

impl BlockBody {
    /// A rollup's body: transactions and nothing else.
    pub fn rollup(transactions: Vec<TxEnvelope>) -> Self {
        Self { transactions, ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) }
    }
}

/// A sealed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// keccak256 of the RLP of `header`.
    pub hash: alloy_primitives::B256,
    pub header: Header,
    pub body: BlockBody,
}

impl Block {
    /// Number and hash together.
    pub const fn id(&self) -> BlockNumHash {
        BlockNumHash { number: self.header.number, hash: self.hash }
    }

    /// Header and body as Ethereum's RLP has them (yellow paper, 4.4).
    pub fn to_rlp(&self) -> alloy_consensus::Block<TxEnvelope> {
        alloy_consensus::Block {
            header: self.header.clone(),
            body: alloy_consensus::BlockBody {
                transactions: self.body.transactions.clone(),
                ommers: self.body.ommers.clone(),
                withdrawals: self.body.withdrawals.clone(),
            },
        }
    }

    /// A block with its hash from its RLP.
    pub fn from_rlp(block: alloy_consensus::Block<TxEnvelope>) -> Self {
        let alloy_consensus::Block { header, body } = block;
        let alloy_consensus::BlockBody { transactions, ommers, withdrawals } = body;
        let body = BlockBody { transactions, ommers, withdrawals };
        Self { hash: header.hash_slow(), header, body }
    }
}

/// Merkle–Patricia root of the encoded transactions (yellow paper, 4.4.1).
pub fn transactions_root(transactions: &[TxEnvelope]) -> B256 {
    alloy_consensus::proofs::ordered_trie_root_with_encoder(transactions, |tx, out| {
        tx.encode_2718(out)
    })
}
