//! What must hold for a transaction to be included (`eth_sendRawTransactionConditional` of the OP
//! Stack, for bundlers of ERC-4337): checked when it is sent and again when a block takes it.

use alloy_primitives::{Address, B256, U256};

/// Conditions of one transaction. Bounds are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    pub known: Vec<(Address, Known)>,
    pub number_min: Option<u64>,
    pub number_max: Option<u64>,
    /// Unix seconds.
    pub timestamp_min: Option<u64>,
    pub timestamp_max: Option<u64>,
}

/// What an account's storage must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The root of its storage trie before the block.
    Root(B256),
    /// The values of some slots.
    Slots(Vec<(U256, U256)>),
}

/// Why conditions do not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    #[error("block number {have} is below the minimum {min}")]
    NumberLow { have: u64, min: u64 },
    #[error("block number {have} is above the maximum {max}")]
    NumberHigh { have: u64, max: u64 },
    #[error("timestamp {have} is below the minimum {min}")]
    TimestampLow { have: u64, min: u64 },
    #[error("timestamp {have} is above the maximum {max}")]
    TimestampHigh { have: u64, max: u64 },
    #[error("storage root of {0} differs")]
    Root(Address),
    #[error("storage of {0} at {1:#x} differs")]
    Slot(Address, U256),
}

/// The storage conditions are compared with.
pub trait KnownStorage {
    type Error;

    fn slot(&self, address: Address, slot: U256) -> Result<U256, Self::Error>;

    /// Before the block.
    fn root(&self, address: Address) -> Result<B256, Self::Error>;
}

impl Conditions {
    /// Look-ups they cost.
    pub fn cost(&self) -> usize {
        let accounts = self.known.iter().map(|(_, known)| match known {
            Known::Root(_) => 1,
            Known::Slots(slots) => slots.len().max(1),
        });
        let bounds =
            [self.number_min.or(self.number_max), self.timestamp_min.or(self.timestamp_max)];
        accounts.sum::<usize>() + bounds.iter().flatten().count()
    }

    /// Whether a block with this number and timestamp may hold the transaction.
    pub fn check_block(&self, number: u64, timestamp: u64) -> Result<(), Unmet> {
        if let Some(min) = self.number_min.filter(|min| number < *min) {
            return Err(Unmet::NumberLow { have: number, min });
        }
        if let Some(max) = self.number_max.filter(|max| number > *max) {
            return Err(Unmet::NumberHigh { have: number, max });
        }
        if let Some(min) = self.timestamp_min.filter(|min| timestamp < *min) {
            return Err(Unmet::TimestampLow { have: timestamp, min });
        }
        if let Some(max) = self.timestamp_max.filter(|max| timestamp > *max) {
            return Err(Unmet::TimestampHigh { have: timestamp, max });
        }
        Ok(())
    }

    /// Whether the storage is as it must be.
    pub fn check_storage<S: KnownStorage>(
        &self,
        storage: &S,
    ) -> Result<Result<(), Unmet>, S::Error> {
        for (address, known) in &self.known {
            match known {
                Known::Root(root) => {
                    if storage.root(*address)? != *root {
                        return Ok(Err(Unmet::Root(*address)));
                    }
                }
                Known::Slots(slots) => {
                    for (slot, value) in slots {
                        if storage.slot(*address, *slot)? != *value {
                            return Ok(Err(Unmet::Slot(*address, *slot)));
                        }
                    }
                }
            }
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Every slot holds its own number; every root is the same.
    struct Identity;

    impl KnownStorage for Identity {
        type Error = Infallible;

        fn slot(&self, _: Address, slot: U256) -> Result<U256, Infallible> {
            Ok(slot)
        }

        fn root(&self, _: Address) -> Result<B256, Infallible> {
            Ok(B256::repeat_byte(1))
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let conditions = Conditions {
            number_min: Some(5),
            number_max: Some(6),
            timestamp_min: Some(50),
            timestamp_max: Some(60),
            ..Conditions::default()
        };
        assert_eq!(conditions.cost(), 2);
        for (number, timestamp) in [(5, 50), (6, 60)] {
            assert_eq!(conditions.check_block(number, timestamp), Ok(()));
        }
        for (number, timestamp, expected) in [
            (4, 50, Unmet::NumberLow { have: 4, min: 5 }),
            (7, 50, Unmet::NumberHigh { have: 7, max: 6 }),
            (5, 49, Unmet::TimestampLow { have: 49, min: 50 }),
            (5, 61, Unmet::TimestampHigh { have: 61, max: 60 }),
        ] {
            assert_eq!(conditions.check_block(number, timestamp), Err(expected));
        }
    }

    #[test]
    fn storage_is_compared() {
        let of = |known: Vec<(Address, Known)>| Conditions { known, ..Conditions::default() };
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let one = U256::from(1);
        let good = of(vec![
            (a, Known::Root(B256::repeat_byte(1))),
            (b, Known::Slots(vec![(one, one), (U256::ZERO, U256::ZERO)])),
        ]);
        assert_eq!(good.cost(), 3);
        let Ok(result) = good.check_storage(&Identity);
        assert_eq!(result, Ok(()));
        let Ok(result) = of(vec![(a, Known::Root(B256::ZERO))]).check_storage(&Identity);
        assert_eq!(result, Err(Unmet::Root(a)));
        let Ok(result) =
            of(vec![(b, Known::Slots(vec![(one, U256::ZERO)]))]).check_storage(&Identity);
        assert_eq!(result, Err(Unmet::Slot(b, one)));
    }
}
