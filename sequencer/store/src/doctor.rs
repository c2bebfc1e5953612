//! Reads a whole store again and compares everything that follows from something else: hashes,
//! links, roots of blocks, lookups, and the state root from every account and slot.

use std::path::Path;

use alloy_consensus::proofs::{
    calculate_ommers_root, calculate_receipt_root, calculate_withdrawals_root,
};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use libmdbx::TransactionKind;
use primitives::{BlockBody, Header, Heads, transactions_root};

use crate::{
    Store, StoreError, StoreOptions,
    db::Txn,
    lineage::{ANCESTORS, First},
    log_index,
    receipts::Receipts,
    tables::{StoredAccount, Table, Value, block_key, decode, key, row},
};

/// Blocks between two reports of progress.
const PROGRESS_BLOCKS: u64 = 10_000;
/// Findings beyond are counted only.
const FINDINGS_MAX: usize = 50;

/// What an examination found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    pub heads: Heads,
    /// Blocks read, genesis included.
    pub blocks: u64,
    /// Blocks before the snapshot with which the store began, of which it has headers and L1 origins.
    pub ancestors: u64,
    pub transactions: u64,
    pub accounts: u64,
    pub slots: u64,
    /// Bytes cut off the end of the log when it was opened: what was never durable.
    pub log_cut: u64,
    /// Each in a sentence, at most 50.
    pub findings: Vec<String>,
    /// How many findings there are.
    pub found: u64,
}

impl Examination {
    fn find(&mut self, finding: String) {
        self.found = self.found.saturating_add(1);
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// Opens the store in a directory, which replays its log, and reads all of it. `progress` is told
/// the block that was reached and the last one. What cannot be opened is an error, which says what
/// to do; what can be opened and does not agree with itself is a finding.
pub fn examine(path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Examination, StoreError> {
    if !path.join("mdbx.dat").exists() {
        return Err(StoreError::NoStore(path.to_path_buf()));
    }
    let store = Store::open(path, StoreOptions::default())?;
    store.flush()?;
    let mut result =
        Examination { heads: store.heads()?, log_cut: store.log_cut(), ..Default::default() };
    let txn = store.db.read()?;
    let head = result.heads.unsafe_head;
    let mut parent: Option<B256> = None;
    // Of a store that began with a snapshot, genesis and what comes after its block.
    let first = store.first_block();
    for number in (0..=head.number).filter(|number| *number == 0 || *number >= first) {
        if number == first {
            parent = None;
        }
        if number % PROGRESS_BLOCKS == 0 {
            progress(number, head.number);
        }
        parent = examine_block(&txn, number, parent, &mut result)?;
    }
    progress(head.number, head.number);
    if first > 0 {
        examine_lineage(&txn, first, &mut result)?;
    }
    for (name, id) in
        [("unsafe", head), ("safe", result.heads.safe), ("finalized", result.heads.finalized)]
    {
        let header =
            txn.get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, id.number))?;
        if header.map(|(hash, _)| hash) != Some(id.hash) {
            result.find(format!("the {name} head {} is not block {}", id.hash, id.number));
        }
    }
    examine_state(&txn, head.number, &mut result)?;
    Ok(result)
}

/// What came with a snapshot of the blocks before its own, block `first`.
fn examine_lineage<K: TransactionKind>(
    txn: &Txn<'_, K>,
    first: u64,
    result: &mut Examination,
) -> Result<(), StoreError> {
    let prefix = key(Table::Lineage, &[]);
    let mut cursor = txn.cursor()?;
    let mut next = cursor.set_range::<Vec<u8>, Vec<u8>>(&prefix)?;
    let mut oldest = None;
    // Each follows the one before it, the snapshot's block the last.
    let mut last: Option<(u64, Option<B256>)> = None;
    let mut follow =
        |number: u64, hash: Option<B256>, parent: Option<B256>, result: &mut Examination| {
            if let Some((before, expected)) = last {
                let follows = before.checked_add(1) == Some(number);
                // A missing header is told of by itself.
                let differ = expected.is_some() && parent.is_some() && parent != expected;
                if !follows || differ {
                    result.find(format!("block {number} does not follow its ancestor {before}"));
                }
            }
            last = Some((number, hash));
        };
    while let Some((at, bytes)) = next.filter(|(at, _)| at.starts_with(&prefix)) {
        let number = at.get(prefix.len()..).and_then(|at| at.try_into().ok());
        let number = number.map_or(u64::MAX, u64::from_be_bytes);
        oldest = oldest.or(Some(number));
        result.ancestors = result.ancestors.saturating_add(1);
        let headers = block_key(Table::Headers, number);
        match txn.get::<(B256, Header)>(Table::Headers, &headers)? {
            None => {
                result.find(format!("the header of the ancestor {number} is missing"));
                follow(number, None, None, result);
            }
            Some((hash, header)) => {
                if header.hash_slow() != hash || header.number != number {
                    result.find(format!("the header of the ancestor {number} is another"));
                }
                let numbers = key(Table::Numbers, &[hash.as_slice()]);
                if txn.get::<u64>(Table::Numbers, &numbers)? != Some(number) {
                    result.find(format!("the ancestor {number} is not found by its hash {hash}"));
                }
                let origin = First::decode(&bytes).and_then(|first| first.origin(&header));
                if origin.is_none() {
                    result.find(format!("the ancestor {number} does not show its L1 origin"));
                }
                follow(number, Some(hash), Some(header.parent_hash), result);
            }
        }
        next = cursor.next::<Vec<u8>, Vec<u8>>()?;
    }
    let headers = block_key(Table::Headers, first);
    if let Some((hash, header)) = txn.get::<(B256, Header)>(Table::Headers, &headers)? {
        follow(first, Some(hash), Some(header.parent_hash), result);
    }
    let oldest = oldest.unwrap_or(first);
    if oldest > 0 && first.saturating_sub(oldest) < ANCESTORS {
        result.find(format!("the ancestors of block {first} end with block {oldest}"));
    }
    Ok(())
}

/// Gives the block's hash.
fn examine_block<K: TransactionKind>(
    txn: &Txn<'_, K>,
    number: u64,
    parent: Option<B256>,
    result: &mut Examination,
) -> Result<Option<B256>, StoreError> {
    let at = block_key(Table::Headers, number);
    let Some((hash, header)) = txn.get::<(B256, Header)>(Table::Headers, &at)? else {
        result.find(format!("block {number} is missing"));
        return Ok(None);
    };
    result.blocks = result.blocks.saturating_add(1);
    if header.hash_slow() != hash || header.number != number {
        result.find(format!("the header of block {number} is not the one that was stored"));
    }
    if parent.is_some_and(|parent| parent != header.parent_hash) {
        result.find(format!("block {number} does not follow block {}", number.saturating_sub(1)));
    }
    let back: Option<u64> = txn.get(Table::Numbers, &key(Table::Numbers, &[hash.as_slice()]))?;
    if back != Some(number) {
        result.find(format!("block {number} is not found by its hash {hash}"));
    }
    let BlockBody { transactions, ommers, withdrawals } =
        txn.get(Table::Bodies, &block_key(Table::Bodies, number))?.unwrap_or_default();
    let receipts = txn
        .get::<Receipts>(Table::Receipts, &block_key(Table::Receipts, number))?
        .map(|list| list.0)
        .unwrap_or_default();
    let senders: Vec<Address> =
        txn.get(Table::Senders, &block_key(Table::Senders, number))?.unwrap_or_default();
    if transactions_root(&transactions) != header.transactions_root {
        result.find(format!("the transactions of block {number} are not those of its header"));
    }
    // A rollup's withdrawals root is another thing, and its withdrawals are empty.
    let withdrawn = withdrawals.filter(|all| !all.is_empty());
    let withdrawn = withdrawn.map(|all| calculate_withdrawals_root(&all));
    if calculate_ommers_root(&ommers) != header.ommers_hash
        || withdrawn.is_some_and(|root| header.withdrawals_root != Some(root))
    {
        result.find(format!(
            "the ommers or withdrawals of block {number} are not those of its header"
        ));
    }
    if calculate_receipt_root(&receipts) != header.receipts_root {
        result.find(format!("the receipts of block {number} are not those of its header"));
    }
    match log_index::holds(txn, number, &receipts) {
        Ok(true) => {}
        Ok(false) => result.find(format!("logs of block {number} are not found by the log index")),
        Err(error @ StoreError::Malformed { .. }) => result.find(error.to_string()),
        Err(error) => return Err(error),
    }
    if senders.len() != transactions.len() {
        result.find(format!(
            "block {number} has {} senders for {} transactions",
            senders.len(),
            transactions.len()
        ));
    }
    for (index, transaction) in transactions.iter().enumerate() {
        result.transactions = result.transactions.saturating_add(1);
        let at = key(Table::Transactions, &[transaction.hash().as_slice()]);
        let place: Option<(u64, u32)> = txn.get(Table::Transactions, &at)?;
        if place.map(|(block, index)| (block, u64::from(index))) != Some((number, index as u64)) {
            result.find(format!(
                "transaction {} of block {number} is not found by its hash",
                transaction.hash()
            ));
        }
    }
    Ok(Some(hash))
}

fn examine_state<K: TransactionKind>(
    txn: &Txn<'_, K>,
    head: u64,
    result: &mut Examination,
) -> Result<(), StoreError> {
    let mut state = HashBuilder::default();
    let mut accounts = txn.cursor()?;
    let prefix = key(Table::Accounts, &[]);
    let mut next = accounts.set_range::<Vec<u8>, Vec<u8>>(&prefix)?;
    while let Some((at, bytes)) = next.filter(|(at, _)| at.starts_with(&prefix)) {
        next = accounts.next::<Vec<u8>, Vec<u8>>()?;
        let Some(hashed) = row(&at, &prefix) else { continue };
        let StoredAccount { account, storage_root } = decode(Table::Accounts, &at, &bytes)?;
        result.accounts = result.accounts.saturating_add(1);
        let found = storage_root_of(txn, hashed, result)?;
        if found != storage_root {
            result.find(format!(
                "the account with hash {hashed} has storage root {storage_root}, its slots give {found}"
            ));
        }
        if account.code_hash != KECCAK256_EMPTY {
            let at = key(Table::Codes, &[account.code_hash.as_slice()]);
            let code: Option<Vec<u8>> = txn.get(Table::Codes, &at)?;
            if code.map(keccak256) != Some(account.code_hash) {
                result.find(format!("the code {} is missing or damaged", account.code_hash));
            }
        }
        let leaf = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: found,
            code_hash: account.code_hash,
        };
        state.add_leaf(Nibbles::unpack(hashed), &alloy_rlp::encode(leaf));
    }
    let root = state.root();
    let header = txn.get::<(B256, Header)>(Table::Headers, &block_key(Table::Headers, head))?;
    if header.is_some_and(|(_, header)| header.state_root != root) {
        result.find(format!("the state gives the root {root}, which is not that of block {head}"));
    }
    Ok(())
}

fn storage_root_of<K: TransactionKind>(
    txn: &Txn<'_, K>,
    account: B256,
    result: &mut Examination,
) -> Result<B256, StoreError> {
    let prefix = key(Table::Storage, &[account.as_slice()]);
    let mut slots = txn.cursor()?;
    let mut next = slots.set_range::<Vec<u8>, Vec<u8>>(&prefix)?;
    let mut trie: Option<HashBuilder> = None;
    while let Some((at, bytes)) = next.filter(|(at, _)| at.starts_with(&prefix)) {
        next = slots.next::<Vec<u8>, Vec<u8>>()?;
        let Some(slot) = row(&at, &prefix) else { continue };
        let value = U256::decode(&bytes).ok_or_else(|| StoreError::Malformed {
            table: Table::Storage.name(),
            key: slot.to_string(),
        })?;
        let mut leaf = Vec::new();
        Encodable::encode(&value, &mut leaf);
        trie.get_or_insert_default().add_leaf(Nibbles::unpack(slot), &leaf);
        result.slots = result.slots.saturating_add(1);
    }
    Ok(trie.map_or(EMPTY_ROOT_HASH, |mut trie| trie.root()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use primitives::{AccountAllocation, GenesisL2, TxDeposit};

    use super::*;
    use crate::tables::{account_key, slot_key};

    fn store(path: &Path) {
        let account = |byte: u8| AccountAllocation {
            balance: U256::from(byte),
            code: vec![byte; 3].into(),
            storage: (1..=byte)
                .map(|slot| (B256::with_last_byte(slot), B256::from([slot; 32])))
                .collect(),
            ..Default::default()
        };
        let alloc: BTreeMap<_, _> =
            (1..=9).map(|byte| (Address::repeat_byte(byte), account(byte))).collect();
        let genesis = GenesisL2 {
            chain_id: 7,
            timestamp: 1,
            gas_limit: 30_000_000,
            base_fee_per_gas: 1,
            extra_data: Default::default(),
            alloc,
        };
        let store = Store::open(path, StoreOptions::default()).unwrap();
        store.init_genesis(&genesis).unwrap();
    }

    /// Damages a fresh store and gives what is found.
    fn check(damage: impl FnOnce(&Txn<'_, libmdbx::RW>), expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        {
            let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
            let txn = store.db.write().unwrap();
            damage(&txn);
            txn.commit().unwrap();
        }
        let result = examine(folder.path(), |_, _| {}).unwrap();
        assert_eq!(result.found as usize, result.findings.len());
        assert_eq!(result.findings.len(), expected.len(), "{:?}", result.findings);
        for (finding, expected) in result.findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} should say {expected}");
        }
        assert_eq!((result.blocks, result.accounts), (1, 9));
    }

    #[test]
    fn a_sound_store_has_no_findings() {
        check(|_| {}, &[]);
    }

    #[test]
    fn a_changed_balance_is_found_by_the_state_root() {
        let at = account_key(&keccak256(Address::repeat_byte(4)));
        check(
            |txn| {
                let mut stored: StoredAccount = txn.get(Table::Accounts, &at).unwrap().unwrap();
                stored.account.balance += U256::from(1);
                txn.put(&at, &stored.encode()).unwrap();
            },
            &["the state gives the root"],
        );
    }

    #[test]
    fn a_changed_slot_is_found_by_its_account() {
        let slot = keccak256(B256::with_last_byte(2));
        let owner = keccak256(Address::repeat_byte(5));
        let at = slot_key(&owner, &slot);
        check(|txn| txn.put(&at, &[9]).unwrap(), &["has storage root", "the state gives the root"]);
    }

    #[test]
    fn missing_code_and_lookups_are_found() {
        let code = keccak256([3; 3]);
        check(
            |txn| {
                txn.delete(&key(Table::Codes, &[code.as_slice()])).unwrap();
                let at = block_key(Table::Headers, 0);
                let (hash, _): (B256, Header) = txn.get(Table::Headers, &at).unwrap().unwrap();
                txn.delete(&key(Table::Numbers, &[hash.as_slice()])).unwrap();
            },
            &["is not found by its hash", "is missing or damaged"],
        );
    }

    /// Ten blocks on genesis as a snapshot of the eleventh brings them.
    fn lineage(txn: &Txn<'_, libmdbx::RW>) {
        let at = block_key(Table::Headers, 0);
        let (mut parent, _): (B256, Header) = txn.get(Table::Headers, &at).unwrap().unwrap();
        txn.put(&block_key(Table::Lineage, 0), &First::default().encode()).unwrap();
        for number in 1..=11 {
            let deposit = TxDeposit { input: vec![1; 178].into(), ..Default::default() };
            let body = BlockBody::rollup(vec![deposit.into()]);
            let header = Header {
                number,
                parent_hash: parent,
                transactions_root: transactions_root(&body.transactions),
                ..Default::default()
            };
            parent = header.hash_slow();
            txn.put(&block_key(Table::Headers, number), &(parent, header).encode()).unwrap();
            let numbers = key(Table::Numbers, &[parent.as_slice()]);
            txn.put(&numbers, &Value::encode(&number)).unwrap();
            if number < 11 {
                let first = First::of(&body).encode();
                txn.put(&block_key(Table::Lineage, number), &first).unwrap();
            }
        }
    }

    fn check_lineage(damage: impl FnOnce(&Txn<'_, libmdbx::RW>), expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path());
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let txn = store.db.write().unwrap();
        lineage(&txn);
        damage(&txn);
        let mut result = Examination::default();
        examine_lineage(&txn, 11, &mut result).unwrap();
        assert_eq!(result.findings.len(), expected.len(), "{:?}", result.findings);
        for (finding, expected) in result.findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} should say {expected}");
        }
    }

    #[test]
    fn what_came_before_a_snapshot_is_examined() {
        let row = |number| block_key(Table::Lineage, number);
        let header = |number| block_key(Table::Headers, number);
        check_lineage(|_| {}, &[]);
        check_lineage(
            |txn| {
                let mut first: Vec<u8> = txn.get(Table::Lineage, &row(4)).unwrap().unwrap();
                first[20] ^= 1;
                txn.put(&row(4), &first).unwrap();
            },
            &["the ancestor 4 does not show its L1 origin"],
        );
        check_lineage(
            |txn| {
                let (hash, mut other): (B256, Header) =
                    txn.get(Table::Headers, &header(6)).unwrap().unwrap();
                other.gas_used = 7;
                txn.put(&header(6), &(hash, other).encode()).unwrap();
            },
            &["the header of the ancestor 6 is another"],
        );
        check_lineage(
            |txn| {
                txn.delete(&row(8)).unwrap();
            },
            &["block 9 does not follow its ancestor 7"],
        );
        check_lineage(
            |txn| {
                txn.delete(&header(3)).unwrap();
            },
            &["the header of the ancestor 3 is missing"],
        );
        check_lineage(
            |txn| (0..3).for_each(|number| txn.delete(&row(number)).unwrap()),
            &["the ancestors of block 11 end with block 3"],
        );
    }

    #[test]
    fn no_store_is_made_where_none_was() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(examine(folder.path(), |_, _| {}), Err(StoreError::NoStore(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
