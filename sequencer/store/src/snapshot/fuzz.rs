//! Foreign bytes as the parts of a snapshot. Checks and hashes keep a fuzzer from the inside of a file, so parts are
//! decoded by themselves, too, and ancestors are put into a file that is right but for them.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256};
use primitives::{Block, BlockBody, TxDeposit, TxEnvelope, transactions_root};

use super::{
    ANCESTRY, Ancestor, CHAIN, Chunks, Input, Reader, SnapshotError, output_root, put_account,
    record, take_account, take_chain,
};
use crate::lineage::First;

const CHAIN_ID: u64 = 16_120;
/// L1 blocks.
const WINDOW: u64 = 5;
/// More are not put into a file.
const ANCESTORS_MAX: usize = 64;

/// What decodes must be what it encodes to; a file is accepted if its ancestors follow each other and show their
/// L1 origins, and not otherwise.
pub(crate) fn run(bytes: &[u8]) {
    accounts(bytes);
    let _ = ancestors(bytes);
    let _ = Reader::begin(bytes).and_then(|mut reader| {
        let mut begun = take_chain(&mut reader, CHAIN_ID, B256::ZERO, 0)?;
        while !begun.take_ancestors(&mut reader)?.is_empty() {}
        loop {
            reader.next()?;
        }
        #[expect(unreachable_code, reason = "ends by an error")]
        Ok(())
    });
}

fn accounts(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut again = Vec::new();
    while !input.0.is_empty() {
        let Some((hashed, account, slots)) = take_account(&mut input) else { return };
        put_account(&mut again, hashed, &account, &slots);
        // An integer with leading zeros is longer than it need be, and the same.
        assert!(again.len() <= bytes.len() - input.0.len(), "an account grew");
    }
    let mut input = Input(&again);
    let mut last = Vec::new();
    while let Some((hashed, account, slots)) = take_account(&mut input) {
        put_account(&mut last, hashed, &account, &slots);
    }
    assert!(last == again, "an account changed");
}

/// Gives how many ancestors were accepted.
fn ancestors(bytes: &[u8]) -> usize {
    let mut input = Input(bytes);
    let mut all = Vec::new();
    while all.len() < ANCESTORS_MAX
        && let Some(ancestor) = Ancestor::take(&mut input)
    {
        let mut again = Vec::new();
        ancestor.encode(&mut again);
        assert!(
            Ancestor::take(&mut Input(&again)).as_ref() == Some(&ancestor),
            "an ancestor changed"
        );
        all.push(ancestor);
    }
    let Some(oldest) = all.last() else { return 0 };
    // Newest first; genesis is the one without a transaction.
    let begun = u64::from(oldest.first != First::default());
    let mut parent = B256::ZERO;
    for (number, ancestor) in (begun..).zip(all.iter_mut().rev()) {
        ancestor.header.number = number;
        ancestor.header.parent_hash = parent;
        parent = ancestor.header.hash_slow();
    }
    let block = block(begun + all.len() as u64, parent);
    let root = output_root(&block.header, block.hash);
    let shown = all.iter().all(|ancestor| ancestor.first.origin(&ancestor.header).is_some());
    let taken = file(&block, &all).and_then(|file| {
        let mut reader = Reader::begin(file.as_slice())?;
        let mut begun = take_chain(&mut reader, CHAIN_ID, root, WINDOW)?;
        begun.take_ancestors(&mut reader)
    });
    match taken {
        Ok(taken) => {
            assert!(shown, "an ancestor whose L1 origin is not shown was accepted");
            assert!(taken == all, "other ancestors came out");
            taken.len()
        }
        Err(error) => {
            assert!(!shown, "refused: {error}");
            0
        }
    }
}

fn file(block: &Block, ancestors: &[Ancestor]) -> Result<Vec<u8>, SnapshotError> {
    let mut file = Vec::new();
    let mut chunks = Chunks::begin(&mut file)?;
    let mut chain = CHAIN_ID.to_be_bytes().to_vec();
    let senders = vec![Address::ZERO];
    chain.extend(record::encode_block(block, &[receipt()], &senders, &Default::default()));
    chunks.write(CHAIN, &chain)?;
    let mut payload = Vec::new();
    ancestors.iter().for_each(|ancestor| ancestor.encode(&mut payload));
    chunks.write(ANCESTRY, &payload)?;
    Ok(file)
}

/// A transaction that says an L1 origin.
fn attributes(origin: u64) -> TxEnvelope {
    let mut input = vec![0; 178];
    input.splice(28..36, origin.to_be_bytes());
    TxDeposit { input: input.into(), gas_limit: 1_000_000, ..Default::default() }.into()
}

fn receipt() -> primitives::ReceiptEnvelope {
    let receipt = alloy_consensus::Receipt {
        status: alloy_consensus::Eip658Value::Eip658(true),
        cumulative_gas_used: 21_000,
        logs: Vec::new(),
    };
    primitives::ReceiptEnvelope::new(primitives::TxType::Deposit, receipt, Some(1), Some(1))
}

fn block(number: u64, parent: B256) -> Block {
    let body = BlockBody::rollup(vec![attributes(900)]);
    let header = Header {
        number,
        parent_hash: parent,
        transactions_root: transactions_root(&body.transactions),
        receipts_root: alloy_consensus::proofs::calculate_receipt_root(&[receipt()]),
        base_fee_per_gas: Some(1),
        withdrawals_root: Some(B256::ZERO),
        ..Default::default()
    };
    Block { hash: header.hash_slow(), header, body }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut account = vec![7; 32];
    account.extend_from_slice(&[1, 9, 2, 1, 0]);
    account.extend_from_slice(&[8; 32]);
    account.extend_from_slice(&[0, 0, 0, 1]);
    account.extend_from_slice(&[6; 32]);
    account.extend_from_slice(&[1, 5]);
    let mut ancestors = Vec::new();
    for origin in [17, 16] {
        let more = TxDeposit { gas_limit: origin, ..Default::default() }.into();
        let body = BlockBody::rollup(vec![attributes(origin), more]);
        let header = Header {
            transactions_root: transactions_root(&body.transactions),
            ..Default::default()
        };
        Ancestor { header, first: First::of(&body) }.encode(&mut ancestors);
    }
    Ancestor { header: Header::default(), first: First::default() }.encode(&mut ancestors);
    vec![account, ancestors, b"OLSNAP\x00\x02\x01\x00\x00\x00\x02ab".to_vec()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_ancestors_are_accepted() {
        let accepted: Vec<usize> = seeds().iter().map(|seed| ancestors(seed)).collect();
        assert_eq!(accepted, [0, 3, 0]);
    }

    #[test]
    fn another_origin_is_refused() {
        let mut seed = seeds().swap_remove(1);
        let origin = seed.windows(8).position(|at| at == 17_u64.to_be_bytes()).unwrap();
        seed[origin + 7] ^= 1;
        assert_eq!(ancestors(&seed), 0);
    }
}
