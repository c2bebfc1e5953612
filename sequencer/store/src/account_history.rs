//! Where an account's history leads: the blocks in which it changed.

use std::ops::RangeInclusive;

use alloy_primitives::{Address, keccak256};

use crate::{
    Store, StoreError,
    tables::{Table, key},
};

impl Store {
    /// Blocks of `range` in which the account or its storage changed, at most `limit` of them, from
    /// the newest or from the oldest on. Genesis leaves no history.
    pub fn changed_blocks(
        &self,
        address: Address,
        range: RangeInclusive<u64>,
        limit: usize,
        newest_first: bool,
    ) -> Result<Vec<u64>, StoreError> {
        let newest = self.heads()?.unsafe_head.number;
        self.checkpoints.reach(newest.min(*range.end()))?;
        let hashed = keccak256(address);
        let prefix = key(Table::AccountHistory, &[hashed.as_slice()]);
        let at = |number: u64| [prefix.as_slice(), &number.to_be_bytes()].concat();
        let number = |entry: Vec<u8>| -> Option<u64> {
            let number = entry.strip_prefix(prefix.as_slice())?.try_into().ok()?;
            Some(u64::from_be_bytes(number)).filter(|number| range.contains(number))
        };
        let txn = self.db.read()?;
        let mut cursor = txn.cursor()?;
        let mut entry: Option<(Vec<u8>, Vec<u8>)> = match newest_first {
            false => cursor.set_range(&at(*range.start()))?,
            // The first entry beyond, then back.
            true => match range.end().checked_add(1).map(at) {
                Some(beyond) => match cursor.set_range::<Vec<u8>, Vec<u8>>(&beyond)? {
                    Some(_) => cursor.prev()?,
                    None => cursor.last()?,
                },
                None => return Err(StoreError::MissingBlock(u64::MAX)),
            },
        };
        let mut found = Vec::new();
        while let Some(number) = entry.and_then(|(entry, _)| number(entry)) {
            if found.len() >= limit {
                break;
            }
            found.push(number);
            entry = if newest_first { cursor.prev()? } else { cursor.next()? };
        }
        Ok(found)
    }
}
