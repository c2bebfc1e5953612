//! What was read and written lately: accounts, slots and analysed code, so that executing on a warm
//! state costs no database reads.
//!
//! A value is kept with the block since which it holds; it holds up to the newest block in the
//! database. So it serves views of any block since then, and a view of an older block asks the
//! database, which has the history. A commit closes the cache to what readers bring before the new
//! state can be seen and opens it when it can: nobody puts a value in that a commit has passed by.

use std::hash::{BuildHasher, Hash};

use alloy_primitives::{
    Address, B256, U256,
    map::{DefaultHashBuilder, HashMap},
};
use parking_lot::Mutex;
use revm::bytecode::Bytecode;
use stf::{Account, StateChanges};

/// Bytes of all entries of one kind, at most: two generations in each of the shards.
const ACCOUNT_BYTES_MAX: usize = 24 << 20;
const SLOT_BYTES_MAX: usize = 24 << 20;
const CODE_BYTES_MAX: usize = 64 << 20;
const SHARDS: usize = 16;

/// What one entry takes, with the map's own bytes and room.
const fn entry_bytes<K, V>() -> usize {
    2 * (size_of::<K>() + size_of::<V>() + 1)
}

/// Entries in two generations: what is used moves to the younger one, and when that is full the
/// older one is forgotten. Each operation takes constant time.
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_bytes: usize,
    bytes_max: usize,
}

impl<K: Copy + Eq + Hash, V: Clone> Generations<K, V> {
    fn new(bytes_max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), young_bytes: 0, bytes_max }
    }

    fn get(&mut self, key: &K, bytes: impl Fn(&V) -> usize) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(*key, value.clone(), bytes(&value));
        Some(value)
    }

    fn put(&mut self, key: K, value: V, bytes: usize) {
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.old.remove(&key);
        if self.young.insert(key, value).is_none() {
            self.young_bytes += bytes;
        }
    }

    /// Forgets every entry whose key is not kept, each counted with `bytes`.
    fn retain(&mut self, keep: impl Fn(&K) -> bool, bytes: usize) {
        let before = self.young.len();
        self.young.retain(|key, _| keep(key));
        self.old.retain(|key, _| keep(key));
        self.young_bytes -= (before - self.young.len()) * bytes;
    }

    fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }
}

/// A value and the first block after which it holds.
#[derive(Clone, Copy)]
struct Since<V> {
    value: V,
    block: u64,
}

struct Shard {
    accounts: Generations<Address, Since<Option<Account>>>,
    slots: Generations<(Address, U256), Since<U256>>,
    /// Counts commits.
    epoch: u64,
    /// During a commit.
    is_closed: bool,
}

/// Says that a value was not there, and when that was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Miss {
    epoch: u64,
}

/// Recent reads and writes.
pub(crate) struct ReadCache {
    shards: [Mutex<Shard>; SHARDS],
    codes: Mutex<Generations<B256, Bytecode>>,
    hasher: DefaultHashBuilder,
}

impl ReadCache {
    pub(crate) fn new() -> Self {
        let shard = || {
            Mutex::new(Shard {
                accounts: Generations::new(ACCOUNT_BYTES_MAX / SHARDS),
                slots: Generations::new(SLOT_BYTES_MAX / SHARDS),
                epoch: 0,
                is_closed: false,
            })
        };
        Self {
            shards: std::array::from_fn(|_| shard()),
            codes: Mutex::new(Generations::new(CODE_BYTES_MAX)),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn shard(&self, address: &Address) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(address) as usize % SHARDS]
    }

    /// The account after block `number`, if it is known.
    pub(crate) fn account(&self, address: Address, number: u64) -> Result<Option<Account>, Miss> {
        let mut shard = self.shard(&address).lock();
        let found = shard.accounts.get(&address, |_| account_bytes());
        match found.filter(|found| found.block <= number) {
            Some(found) => Ok(found.value),
            None => Err(Miss { epoch: shard.epoch }),
        }
    }

    /// Keeps what the database holds of an account, read for block `number` and not changed since.
    pub(crate) fn put_account(
        &self,
        miss: Miss,
        address: Address,
        value: Option<Account>,
        number: u64,
    ) {
        let mut shard = self.shard(&address).lock();
        if shard.epoch == miss.epoch && !shard.is_closed {
            shard.accounts.put(address, Since { value, block: number }, account_bytes());
        }
    }

    /// The slot after block `number`, if it is known.
    pub(crate) fn slot(&self, address: Address, slot: U256, number: u64) -> Result<U256, Miss> {
        let mut shard = self.shard(&address).lock();
        let found = shard.slots.get(&(address, slot), |_| slot_bytes());
        match found.filter(|found| found.block <= number) {
            Some(found) => Ok(found.value),
            None => Err(Miss { epoch: shard.epoch }),
        }
    }

    /// As [`ReadCache::put_account`], of a slot.
    pub(crate) fn put_slot(
        &self,
        miss: Miss,
        address: Address,
        slot: U256,
        value: U256,
        number: u64,
    ) {
        let mut shard = self.shard(&address).lock();
        if shard.epoch == miss.epoch && !shard.is_closed {
            shard.slots.put((address, slot), Since { value, block: number }, slot_bytes());
        }
    }

    /// Code by its hash, as it is executed.
    pub(crate) fn code(&self, hash: B256) -> Option<Bytecode> {
        self.codes.lock().get(&hash, code_bytes)
    }

    /// Keeps code; it never changes.
    pub(crate) fn put_code(&self, hash: B256, code: Bytecode) {
        let bytes = code_bytes(&code);
        self.codes.lock().put(hash, code, bytes);
    }

    /// Takes in the changes of blocks that are about to be committed, in order. Until the commit is
    /// finished, what readers bring is not kept. One commit at a time.
    pub(crate) fn commit<'c>(
        &self,
        blocks: impl IntoIterator<Item = (u64, &'c StateChanges)>,
    ) -> Commit<'_> {
        for shard in &self.shards {
            shard.lock().is_closed = true;
        }
        for (block, changes) in blocks {
            for (address, change) in &changes.accounts {
                let mut shard = self.shard(address).lock();
                let account = Since { value: change.after, block };
                shard.accounts.put(*address, account, account_bytes());
                if change.clears_storage() {
                    shard.slots.retain(|(owner, _)| owner != address, slot_bytes());
                }
                for (slot, (_, value)) in &change.storage {
                    let key = (*address, *slot);
                    shard.slots.put(key, Since { value: *value, block }, slot_bytes());
                }
            }
        }
        Commit { cache: self, is_done: false }
    }
}

const fn account_bytes() -> usize {
    entry_bytes::<Address, Since<Option<Account>>>()
}

const fn slot_bytes() -> usize {
    entry_bytes::<(Address, U256), Since<U256>>()
}

/// The code, its map of jump targets and the entry.
fn code_bytes(code: &Bytecode) -> usize {
    code.bytecode().len() + code.bytecode().len() / 8 + 256
}

/// A commit in progress. Unless it is finished, everything is forgotten, for then the database does
/// not hold what was taken in.
#[must_use]
pub(crate) struct Commit<'c> {
    cache: &'c ReadCache,
    is_done: bool,
}

impl Commit<'_> {
    /// The database holds the blocks.
    pub(crate) fn finish(mut self) {
        self.is_done = true;
    }
}

impl Drop for Commit<'_> {
    fn drop(&mut self) {
        for shard in &self.cache.shards {
            let mut shard = shard.lock();
            if !self.is_done {
                shard.accounts.clear();
                shard.slots.clear();
            }
            shard.epoch += 1;
            shard.is_closed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stf::AccountChange;

    use super::*;

    fn changes(address: Address, nonce: u64) -> StateChanges {
        let account = Some(Account { nonce, ..Default::default() });
        let storage = BTreeMap::from([(U256::ZERO, (U256::ZERO, U256::from(nonce)))]);
        let change = AccountChange { before: None, after: account, storage, ..Default::default() };
        StateChanges { accounts: BTreeMap::from([(address, change)]), ..Default::default() }
    }

    fn nonce(cache: &ReadCache, address: Address, number: u64) -> Option<u64> {
        cache.account(address, number).ok().map(|account| account.map_or(0, |a| a.nonce))
    }

    #[test]
    fn a_value_serves_the_blocks_since_it_was_written() {
        let (cache, address) = (ReadCache::new(), Address::repeat_byte(1));
        cache.commit([(5, &changes(address, 1)), (7, &changes(address, 2))]).finish();
        assert_eq!(
            [4, 6, 7, 9].map(|at| nonce(&cache, address, at)),
            [None, None, Some(2), Some(2)]
        );
        assert_eq!(cache.slot(address, U256::ZERO, 8).ok(), Some(U256::from(2)));
        assert_eq!(cache.slot(address, U256::ONE, 8).ok(), None);
    }

    #[test]
    fn what_was_read_before_a_commit_is_not_kept_after_it() {
        let (cache, address) = (ReadCache::new(), Address::repeat_byte(1));
        let before = cache.account(address, 4).unwrap_err();
        let commit = cache.commit([(5, &changes(address, 1))]);
        let during = cache.account(address, 4).unwrap_err();
        cache.put_account(during, address, None, 4);
        assert_eq!(nonce(&cache, address, 5), Some(1));
        commit.finish();
        for miss in [before, during] {
            cache.put_account(miss, address, None, 4);
            assert_eq!(nonce(&cache, address, 5), Some(1));
        }
        let other = Address::repeat_byte(2);
        let after = cache.account(other, 5).unwrap_err();
        cache.put_account(after, other, None, 5);
        assert_eq!(nonce(&cache, other, 5), Some(0));
    }

    #[test]
    fn a_failed_commit_leaves_nothing() {
        let (cache, address) = (ReadCache::new(), Address::repeat_byte(1));
        drop(cache.commit([(5, &changes(address, 1))]));
        assert_eq!(nonce(&cache, address, 5), None);
    }

    #[test]
    fn memory_stays_bounded_and_what_is_used_stays() {
        let mut entries = Generations::<u64, u64>::new(10_000);
        for i in 0..100_000 {
            entries.put(i, i, 50);
            assert_eq!(entries.get(&0, |_| 50), Some(0));
            assert!(entries.young.len() + entries.old.len() <= 200);
        }
        assert_eq!(entries.get(&7, |_| 50), None);
    }
}
