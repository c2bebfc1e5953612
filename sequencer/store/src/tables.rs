//! Keys and values, byte by byte; `docs/formats/store.md` specifies them. All tables live in one
//! B-tree: the first byte of a key says which table it belongs to, integers are big-endian, so that
//! the order of keys is the order of blocks.

use alloy_consensus::Header;
use alloy_eips::{
    BlockNumHash,
    eip2718::{Decodable2718, Encodable2718},
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};
use primitives::{BlockBody, TxEnvelope};
use stf::Account;

use crate::{
    StoreError,
    input::{Input, integer},
};

/// The first byte of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    Meta = 0,
    Heads = 1,
    /// number → hash, RLP header
    Headers = 2,
    /// hash → number
    Numbers = 3,
    /// number → body
    Bodies = 4,
    /// number → receipts
    Receipts = 5,
    /// number → 20 bytes each
    Senders = 6,
    /// transaction hash → number, index
    Transactions = 7,
    /// hashed address, `ROW` → account; position, length → node of the accounts' trie
    Accounts = 8,
    /// hashed address, hashed slot, `ROW` → value; hashed address, position, length → node of its trie
    Storage = 9,
    /// code hash → code
    Codes = 10,
    /// hashed address, number → account before that block
    AccountHistory = 11,
    /// hashed address, hashed slot, number → value before that block
    StorageHistory = 12,
    /// number → keys that the block changed
    Changes = 13,
    /// position, length → node near the root
    AccountTrie = 14,
    /// hashed address, position, length → node near the root
    StorageTrie = 15,
    /// namespaced key → bytes
    Journal = 16,
    /// first block → segment of the log index
    LogIndex = 17,
    /// number → first transaction with its proof, of blocks before the first
    Lineage = 18,
}

impl Table {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Heads => "heads",
            Self::Headers => "headers",
            Self::Numbers => "numbers",
            Self::Bodies => "bodies",
            Self::Receipts => "receipts",
            Self::Senders => "senders",
            Self::Transactions => "transactions",
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::Codes => "codes",
            Self::AccountHistory => "account history",
            Self::StorageHistory => "storage history",
            Self::Changes => "changes",
            Self::AccountTrie => "account trie",
            Self::StorageTrie => "storage trie",
            Self::Journal => "journal",
            Self::LogIndex => "log index",
            Self::Lineage => "lineage",
        }
    }
}

/// A key of a table from its parts.
pub(crate) fn key(table: Table, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut key = Vec::with_capacity(length.saturating_add(1));
    key.push(table as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Key of a table ordered by block.
pub(crate) fn block_key(table: Table, number: u64) -> Vec<u8> {
    key(table, &[&number.to_be_bytes()])
}

/// Ends the key of an account or a slot; that of a node among them ends with the length of its position,
/// which is at most 64.
const ROW: u8 = 0x80;
/// Nodes with positions up to this length lie apart from what is below them: seven to a page, of which each
/// would else be alone on one.
const NEAR_ROOT: usize = 4;

pub(crate) fn account_key(hashed: &B256) -> Vec<u8> {
    key(Table::Accounts, &[hashed.as_slice(), &[ROW]])
}

pub(crate) fn slot_key(owner: &B256, slot: &B256) -> Vec<u8> {
    key(Table::Storage, &[owner.as_slice(), slot.as_slice(), &[ROW]])
}

/// Which account or slot a key is of that begins with `prefix`; none if it is of a node.
pub(crate) fn row(key: &[u8], prefix: &[u8]) -> Option<B256> {
    key.strip_prefix(prefix)?.strip_suffix(&[ROW])?.try_into().ok()
}

/// Table and key of a trie node: two nibbles a byte, then how many there are.
pub(crate) fn node_key(owner: Option<&B256>, position: &Nibbles) -> (Table, Vec<u8>) {
    let table = match (owner, position.len() <= NEAR_ROOT) {
        (None, true) => Table::AccountTrie,
        (None, false) => Table::Accounts,
        (Some(_), true) => Table::StorageTrie,
        (Some(_), false) => Table::Storage,
    };
    let owner = owner.map(B256::as_slice).unwrap_or_default();
    let length = u8::try_from(position.len()).unwrap_or(u8::MAX);
    (table, key(table, &[owner, &position.pack(), &[length]]))
}

/// An account with its storage root, as the `accounts` table holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredAccount {
    pub(crate) account: Account,
    pub(crate) storage_root: B256,
}

/// A value that knows its bytes.
pub(crate) trait Value: Sized {
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Flags of an account's encoding.
const HAS_CODE: u8 = 1;
const HAS_STORAGE: u8 = 2;

/// Flags, nonce, balance, then what is not empty of code hash and storage root: a twelfth of the fixed form
/// for most accounts, and history is made of these.
impl Value for StoredAccount {
    fn encode(&self) -> Vec<u8> {
        let code = self.account.code_hash != KECCAK256_EMPTY;
        let storage = self.storage_root != EMPTY_ROOT_HASH;
        let mut out = Vec::with_capacity(107);
        out.push(if code { HAS_CODE } else { 0 } | if storage { HAS_STORAGE } else { 0 });
        integer(&mut out, U256::from(self.account.nonce));
        integer(&mut out, self.account.balance);
        for (there, word) in [(code, self.account.code_hash), (storage, self.storage_root)] {
            if there {
                out.extend_from_slice(word.as_slice());
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        let [flags] = *input.take::<1>()?;
        if flags & !(HAS_CODE | HAS_STORAGE) != 0 {
            return None;
        }
        let nonce = u64::try_from(input.integer()?).ok()?;
        let balance = input.integer()?;
        let code_hash = if flags & HAS_CODE == 0 { KECCAK256_EMPTY } else { input.word()? };
        let storage_root = if flags & HAS_STORAGE == 0 { EMPTY_ROOT_HASH } else { input.word()? };
        let account = Account { nonce, balance, code_hash };
        input.0.is_empty().then_some(Self { account, storage_root })
    }
}

/// An account before a block; nothing if it did not exist.
impl Value for Option<StoredAccount> {
    fn encode(&self) -> Vec<u8> {
        self.as_ref().map(Value::encode).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { Some(None) } else { StoredAccount::decode(bytes).map(Some) }
    }
}

/// A storage value without leading zeroes.
impl Value for U256 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes_trimmed_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from_be_slice(bytes)
    }
}

impl Value for u64 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Value for (u64, u32) {
    fn encode(&self) -> Vec<u8> {
        [self.0.to_be_bytes().as_slice(), &self.1.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, index) = bytes.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*number), u32::from_be_bytes(index.try_into().ok()?)))
    }
}

/// A header under its hash.
impl Value for (B256, Header) {
    fn encode(&self) -> Vec<u8> {
        let mut out = self.0.to_vec();
        self.1.encode(&mut out);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (hash, mut rest) = bytes.split_first_chunk::<32>()?;
        let header = Header::decode(&mut rest).ok()?;
        rest.is_empty().then_some((B256::from(*hash), header))
    }
}

impl Value for BlockNumHash {
    fn encode(&self) -> Vec<u8> {
        [self.number.to_be_bytes().as_slice(), self.hash.as_slice()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, hash) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            number: u64::from_be_bytes(*number),
            hash: B256::from(<[u8; 32]>::try_from(hash).ok()?),
        })
    }
}

impl Value for Vec<Address> {
    fn encode(&self) -> Vec<u8> {
        self.iter().flat_map(|address| address.0.0).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<20>();
        rest.is_empty().then(|| chunks.iter().map(|chunk| Address::from(*chunk)).collect())
    }
}

impl Value for Vec<u8> {
    fn encode(&self) -> Vec<u8> {
        self.clone()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

/// A body: RLP lists of encoded transactions, of ommers and, where the fork has them, of withdrawals.
pub(crate) fn encode_body(body: &BlockBody, out: &mut Vec<u8>) {
    let transactions: Vec<Bytes> =
        body.transactions.iter().map(|item| item.encoded_2718().into()).collect();
    transactions.encode(out);
    body.ommers.encode(out);
    if let Some(withdrawals) = &body.withdrawals {
        withdrawals.encode(out);
    }
}

pub(crate) fn decode_body(mut bytes: &[u8]) -> Option<BlockBody> {
    let items = Vec::<Bytes>::decode(&mut bytes).ok()?;
    let transactions = items.iter().map(|item| TxEnvelope::decode_2718_exact(item).ok());
    let transactions = transactions.collect::<Option<Vec<_>>>()?;
    let ommers = Vec::<Header>::decode(&mut bytes).ok()?;
    let withdrawals =
        if bytes.is_empty() { None } else { Some(Decodable::decode(&mut bytes).ok()?) };
    bytes.is_empty().then_some(BlockBody { transactions, ommers, withdrawals })
}

impl Value for BlockBody {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_body(self, &mut out);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode_body(bytes)
    }
}

/// Which keys a block changed: number of accounts u32, their hashed addresses, then pairs of hashed
/// address and hashed slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedKeys {
    pub(crate) accounts: Vec<B256>,
    pub(crate) slots: Vec<(B256, B256)>,
}

impl Value for ChangedKeys {
    fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.accounts.len()).unwrap_or(u32::MAX);
        let mut out = count.to_be_bytes().to_vec();
        for account in &self.accounts {
            out.extend_from_slice(account.as_slice());
        }
        for (account, slot) in &self.slots {
            out.extend_from_slice(account.as_slice());
            out.extend_from_slice(slot.as_slice());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk::<4>()?;
        let (words, rest) = rest.as_chunks::<32>();
        if !rest.is_empty() {
            return None;
        }
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
        let (accounts, slots) = words.split_at_checked(count)?;
        let (slots, rest) = slots.as_chunks::<2>();
        rest.is_empty().then(|| Self {
            accounts: accounts.iter().map(B256::from).collect(),
            slots: slots.iter().map(|[a, s]| (B256::from(*a), B256::from(*s))).collect(),
        })
    }
}

/// Decodes or names what is damaged.
pub(crate) fn decode<V: Value>(table: Table, key: &[u8], bytes: &[u8]) -> Result<V, StoreError> {
    V::decode(bytes).ok_or_else(|| StoreError::Malformed {
        table: table.name(),
        key: Bytes::copy_from_slice(key).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same<V: Value + PartialEq + std::fmt::Debug>(value: V) {
        assert_eq!(V::decode(&value.encode()), Some(value));
    }

    proptest! {
        #[test]
        fn values_round_trip(
            nonce: u64, balance: [u8; 32], code: [u8; 32], root: [u8; 32], index: u32,
            keys in proptest::collection::vec(any::<[u8; 32]>(), 0..5),
        ) {
            let stored = StoredAccount {
                account: Account {
                    nonce, balance: U256::from_be_bytes(balance), code_hash: B256::from(code),
                },
                storage_root: B256::from(root),
            };
            same(stored);
            same(Some(stored));
            same(None::<StoredAccount>);
            same(U256::from_be_bytes(balance));
            same((nonce, index));
            same(nonce);
            same(BlockNumHash { number: nonce, hash: B256::from(root) });
            let words: Vec<B256> = keys.iter().map(B256::from).collect();
            same(ChangedKeys {
                slots: words.iter().map(|w| (*w, !*w)).collect(),
                accounts: words,
            });
        }

        #[test]
        fn no_two_keys_of_state_are_the_same_and_subtrees_lie_together(
            paths in proptest::collection::vec(
                // Few different nibbles, so that some begin alike.
                (any::<bool>(), 0_usize..66, proptest::collection::vec(0_u8..2, 64)), 2..40,
            ),
        ) {
            let owner = B256::repeat_byte(7);
            let mut seen = std::collections::BTreeMap::new();
            for (of_storage, length, nibbles) in paths {
                let path = Nibbles::from_nibbles(&nibbles);
                let full = B256::from_slice(&path.pack());
                let (owner, prefix) = match of_storage {
                    true => (Some(&owner), key(Table::Storage, &[owner.as_slice()])),
                    false => (None, key(Table::Accounts, &[])),
                };
                // The last length stands for the account or the slot itself.
                let (place, at) = match (length, owner) {
                    (65, None) => (path, account_key(&full)),
                    (65, Some(owner)) => (path, slot_key(owner, &full)),
                    _ => {
                        let place = path.slice(..length);
                        (place, node_key(owner, &place).1)
                    }
                };
                let is_row = length == 65;
                prop_assert_eq!(row(&at, &prefix), is_row.then_some(full));
                prop_assert_eq!(at.starts_with(&prefix), is_row || length > NEAR_ROOT);
                if at.starts_with(&prefix) {
                    for whole in (0..=64).step_by(2) {
                        let above = [prefix.as_slice(), &path.slice(..whole).pack()].concat();
                        prop_assert!(place.len() < whole || at.starts_with(&above));
                    }
                }
                let before = seen.insert(at, (of_storage, is_row, place));
                prop_assert!(before.is_none_or(|before| before == (of_storage, is_row, place)));
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = StoredAccount::decode(&bytes);
            let _ = ChangedKeys::decode(&bytes);
            let _ = <(B256, Header)>::decode(&bytes);
            let _ = BlockBody::decode(&bytes);
            let _ = <Vec<Address> as Value>::decode(&bytes);
        }
    }
}
