//! Beacon blocks as far as they follow from execution blocks: their roots (SSZ's `hash_tree_root`), and
//! proofs that a block holds a blob's commitment (consensus-specs: `ssz/simple-serialize.md`,
//! `electra/beacon-chain.md`, `deneb/p2p-interface.md`).
//!
//! There are no validators, so a body holds nothing but the execution payload and the blobs' commitments;
//! signatures are zero, and the state's root is the execution state's. Requests of the execution layer
//! (EIP-7685) are left out.

use alloy_eips::{eip2718::Encodable2718, eip4844::Bytes48, eip4895::Withdrawal};
use alloy_primitives::{B256, U256};
use alloy_rpc_types_beacon::header::BeaconBlockHeader;
use primitives::{Block, TxEnvelope};
use sha2::{Digest, Sha256};

/// Depth of the body's tree: 13 fields.
const BODY_DEPTH: usize = 4;
/// Place of the commitments among them.
const COMMITMENTS_FIELD: usize = 11;
/// MAX_BLOB_COMMITMENTS_PER_BLOCK is 4,096.
const COMMITMENTS_DEPTH: usize = 12;
/// MAX_TRANSACTIONS_PER_PAYLOAD is 2^20.
const TRANSACTIONS_DEPTH: usize = 20;
/// MAX_BYTES_PER_TRANSACTION is 2^30, in chunks of 2^5.
const TRANSACTION_DEPTH: usize = 25;

/// The header of the beacon block around an execution block.
pub(crate) fn header(block: &Block, slot: u64, commitments: &[Bytes48]) -> BeaconBlockHeader {
    BeaconBlockHeader {
        slot,
        proposer_index: 0,
        parent_root: block.header.parent_beacon_block_root.unwrap_or_default(),
        state_root: block.header.state_root,
        body_root: merkle(&body(block, commitments), BODY_DEPTH),
    }
}

/// `hash_tree_root` of a header: the root by which a beacon block is known.
pub(crate) fn header_root(header: &BeaconBlockHeader) -> B256 {
    let fields = [
        number(header.slot),
        number(header.proposer_index),
        header.parent_root,
        header.state_root,
        header.body_root,
    ];
    merkle(&fields, 3)
}

/// The branch from a commitment to the body's root, the commitment's sibling first: 17 hashes
/// (KZG_COMMITMENT_INCLUSION_PROOF_DEPTH). `None` beyond the commitments.
pub(super) fn inclusion_proof(
    block: &Block,
    commitments: &[Bytes48],
    index: usize,
) -> Option<Vec<B256>> {
    let leaves: Vec<B256> = commitments.iter().map(commitment).collect();
    leaves.get(index)?;
    let mut proof = branch(&leaves, COMMITMENTS_DEPTH, index);
    proof.push(length(leaves.len()));
    proof.extend(branch(&body(block, commitments), BODY_DEPTH, COMMITMENTS_FIELD));
    Some(proof)
}

/// Roots of the fields of a body (Electra).
fn body(block: &Block, commitments: &[Bytes48]) -> [B256; 13] {
    let empty_list = |depth: usize| list(&[], depth, 0);
    let signature = merkle(&[], 2);
    let commitments: Vec<B256> = commitments.iter().map(commitment).collect();
    [
        // randao_reveal, eth1_data, graffiti
        signature,
        merkle(&[], 2),
        B256::ZERO,
        // proposer_slashings, attester_slashings, attestations, deposits, voluntary_exits
        empty_list(4),
        empty_list(0),
        empty_list(3),
        empty_list(4),
        empty_list(4),
        // sync_aggregate: 512 bits and a signature
        merkle(&[merkle(&[], 1), signature], 1),
        payload(block),
        // bls_to_execution_changes
        empty_list(4),
        list(&commitments, COMMITMENTS_DEPTH, commitments.len()),
        // execution_requests: deposits, withdrawals, consolidations
        merkle(&[empty_list(13), empty_list(4), empty_list(1)], 2),
    ]
}

/// Root of an execution payload (Deneb).
fn payload(block: &Block) -> B256 {
    let header = &block.header;
    let transactions: Vec<B256> = block.body.transactions.iter().map(transaction).collect();
    let withdrawals = block.body.withdrawals.as_ref().map(|all| all.0.as_slice());
    let withdrawals: Vec<B256> = withdrawals.unwrap_or_default().iter().map(withdrawal).collect();
    let fields = [
        header.parent_hash,
        left(header.beneficiary.as_slice()),
        header.state_root,
        header.receipts_root,
        merkle(&chunks(header.logs_bloom.as_slice()), 3),
        header.mix_hash,
        number(header.number),
        number(header.gas_limit),
        number(header.gas_used),
        number(header.timestamp),
        list(&chunks(&header.extra_data), 0, header.extra_data.len()),
        B256::from(U256::from(header.base_fee_per_gas.unwrap_or_default()).to_le_bytes::<32>()),
        block.hash,
        list(&transactions, TRANSACTIONS_DEPTH, transactions.len()),
        list(&withdrawals, 4, withdrawals.len()),
        number(header.blob_gas_used.unwrap_or_default()),
        number(header.excess_blob_gas.unwrap_or_default()),
    ];
    merkle(&fields, 5)
}

fn transaction(transaction: &TxEnvelope) -> B256 {
    let bytes = transaction.encoded_2718();
    list(&chunks(&bytes), TRANSACTION_DEPTH, bytes.len())
}

fn withdrawal(withdrawal: &Withdrawal) -> B256 {
    let fields = [
        number(withdrawal.index),
        number(withdrawal.validator_index),
        left(withdrawal.address.as_slice()),
        number(withdrawal.amount),
    ];
    merkle(&fields, 2)
}

fn commitment(commitment: &Bytes48) -> B256 {
    merkle(&chunks(commitment.as_slice()), 1)
}

/// Root of a list of so many items.
fn list(leaves: &[B256], depth: usize, items: usize) -> B256 {
    pair(&merkle(leaves, depth), &length(items))
}

/// Root of a tree whose missing leaves are zero.
fn merkle(leaves: &[B256], depth: usize) -> B256 {
    let (mut layer, mut zero) = (leaves.to_vec(), B256::ZERO);
    for _ in 0..depth {
        layer = up(&layer, &zero);
        zero = pair(&zero, &zero);
    }
    layer.first().copied().unwrap_or(zero)
}

/// Siblings on the way from a leaf to the root.
fn branch(leaves: &[B256], depth: usize, index: usize) -> Vec<B256> {
    let (mut layer, mut zero, mut index) = (leaves.to_vec(), B256::ZERO, index);
    let mut siblings = Vec::with_capacity(depth);
    for _ in 0..depth {
        siblings.push(layer.get(index ^ 1).copied().unwrap_or(zero));
        layer = up(&layer, &zero);
        zero = pair(&zero, &zero);
        index >>= 1;
    }
    siblings
}

fn up(layer: &[B256], zero: &B256) -> Vec<B256> {
    layer.chunks(2).map(|two| pair(&two[0], two.get(1).unwrap_or(zero))).collect()
}

fn pair(left: &B256, right: &B256) -> B256 {
    let hash = Sha256::new().chain_update(left).chain_update(right).finalize();
    B256::from_slice(&hash)
}

/// Bytes in chunks of 32, the last filled with zeros.
fn chunks(bytes: &[u8]) -> Vec<B256> {
    bytes.chunks(32).map(left).collect()
}

/// At most 32 bytes, filled with zeros at the end.
fn left(bytes: &[u8]) -> B256 {
    B256::right_padding_from(bytes)
}

fn number(number: u64) -> B256 {
    left(&number.to_le_bytes())
}

fn length(length: usize) -> B256 {
    number(length as u64)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    /// Follows a branch as consensus-specs' `is_valid_merkle_branch` does.
    fn follow(leaf: B256, branch: &[B256], index: usize) -> B256 {
        branch.iter().enumerate().fold(leaf, |node, (level, sibling)| {
            if (index >> level) & 1 == 1 { pair(sibling, &node) } else { pair(&node, sibling) }
        })
    }

    #[test]
    fn trees_are_those_of_the_specification() {
        // The zero hashes of the deposit contract.
        let one = b256!("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
        let two = b256!("db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71");
        assert_eq!((merkle(&[], 1), merkle(&[], 2)), (one, two));
        // Three leaves are four with a zero.
        let leaves = [1, 2, 3].map(number);
        let four = [leaves[0], leaves[1], leaves[2], B256::ZERO];
        let root = pair(&pair(&four[0], &four[1]), &pair(&four[2], &four[3]));
        assert_eq!(merkle(&leaves, 2), root);
        for (index, leaf) in four.iter().enumerate() {
            assert_eq!(follow(*leaf, &branch(&leaves, 2, index), index), root);
        }
    }

    #[test]
    fn a_commitment_is_proven_to_be_in_its_block() {
        let body = alloy_consensus::BlockBody {
            transactions: Vec::new(),
            ommers: Vec::new(),
            withdrawals: Some(Default::default()),
        };
        let block = Block::from_rlp(alloy_consensus::Block { header: Default::default(), body });
        let commitments: Vec<Bytes48> = (1..=5).map(Bytes48::repeat_byte).collect();
        let header = header(&block, 7, &commitments);
        // The generalised index of the first commitment is 2^17 + 11 * 2^13 within the body's subtree.
        let first = COMMITMENTS_FIELD << (COMMITMENTS_DEPTH + 1);
        for index in 0..5 {
            let proof = inclusion_proof(&block, &commitments, index).unwrap();
            assert_eq!(proof.len(), 17);
            let leaf = commitment(&commitments[index]);
            assert_eq!(follow(leaf, &proof, first + index), header.body_root);
            let other = commitment(&commitments[(index + 1) % 5]);
            assert_ne!(follow(other, &proof, first + index), header.body_root);
        }
        assert!(inclusion_proof(&block, &commitments, 5).is_none());
        let changed = BeaconBlockHeader { slot: 8, ..header.clone() };
        assert_ne!(header_root(&header), header_root(&changed));
    }
}
