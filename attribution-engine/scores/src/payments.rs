//! The payments tree of an epoch: what each receipt pays to whom, which its poster commits to at
//! `RecordDispute`, so that a claim which grew by more than its payments can be disproved.
//!
//! Leaf: hash `keccak256(keccak256(abi.encode(datanetId, account, uint64 receipt, uint128 amount)))`, sum
//! `amount`. Leaves ascend by (datanetId, account, receipt); inner nodes and padding are those of the
//! claims tree. An account that a receipt pays for several clusters has one payment, the sum; payments of
//! nothing are left out.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    claims::{SumNode, padded, path_of, root_of},
    epoch::{SettledReceipt, Split, payments, receipt_pool},
    error::{Result, ScoresError},
    ids::{DatanetId, ModelId},
};

/// What a receipt pays to an account out of a Datanet's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptPayment {
    pub datanet: DatanetId,
    pub account: Address,
    /// The receipt's number.
    pub receipt: u64,
    /// Wei.
    #[serde(with = "crate::claims::wei")]
    pub amount: u128,
}

impl ReceiptPayment {
    /// What the tree is ordered by.
    pub const fn key(&self) -> (DatanetId, Address, u64) {
        (self.datanet, self.account, self.receipt)
    }

    fn leaf(&self) -> SumNode {
        // To nobody: the chain takes it for padding, which an honest tree has no amounts in.
        if self.account == Address::ZERO {
            return SumNode { hash: B256::ZERO, sum: self.amount };
        }
        let inner = keccak256(
            (
                self.datanet.to_u256(),
                self.account,
                U256::from(self.receipt),
                U256::from(self.amount),
            )
                .abi_encode(),
        );
        SumNode { hash: keccak256(inner), sum: self.amount }
    }
}

/// A place at the bottom of the tree with its path: a payment, or padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentSlot {
    /// Absent for padding.
    pub payment: Option<ReceiptPayment>,
    pub index: u64,
    /// Siblings from the bottom up.
    pub proof: Vec<SumNode>,
}

/// What an account is paid, and the places before and after its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    /// Wei.
    pub amount: u128,
    pub left: Option<PaymentSlot>,
    pub right: Option<PaymentSlot>,
}

/// The payments of one epoch, in leaf order. Read from elsewhere they are in any order: [`crate::faults`] looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payments(Vec<ReceiptPayment>);

impl Payments {
    /// Payments in ascending order of (datanet, account, receipt) without repetition.
    pub fn new(payments: Vec<ReceiptPayment>) -> Result<Self> {
        let ascending = payments.windows(2).all(|pair| match pair {
            [a, b] => (a.datanet, a.account, a.receipt) < (b.datanet, b.account, b.receipt),
            _ => true,
        });
        if ascending { Ok(Self(payments)) } else { Err(ScoresError::ClaimsOutOfOrder) }
    }

    /// What records pay under the models' splits and the platform's share of the time.
    pub fn of(
        receipts: &[SettledReceipt],
        splits: &BTreeMap<ModelId, Split>,
        platform_bps: u16,
    ) -> Result<Self> {
        let mut sums: BTreeMap<(DatanetId, Address, u64), u128> = BTreeMap::new();
        for SettledReceipt { receipt, record } in receipts {
            let model = ModelId::try_from(receipt.modelId)?;
            let split = splits.get(&model).ok_or(ScoresError::UnknownModel(model.0))?;
            let pool = receipt_pool(receipt.fee, platform_bps, *split)?;
            for payment in payments(record, pool)? {
                let key = (payment.datanet, payment.payee, receipt.number);
                let sum = sums.entry(key).or_default();
                *sum = sum.checked_add(payment.amount).ok_or(ScoresError::AmountOverflow)?;
            }
        }
        let paid = sums.into_iter().filter(|(_, amount)| *amount > 0);
        Ok(Self(
            paid.map(|((datanet, account, receipt), amount)| ReceiptPayment {
                datanet,
                account,
                receipt,
                amount,
            })
            .collect(),
        ))
    }

    /// Payments whose places in the tree are given; between them is padding, and so is the rest of a tree of so many
    /// levels. Nothing is checked: this is what somebody else has made.
    pub fn placed(payments: BTreeMap<usize, ReceiptPayment>, depth: u8) -> Result<Self> {
        Ok(Self(placed(payments, depth, PADDING)?))
    }

    /// The payments, without padding behind them.
    pub fn as_slice(&self) -> &[ReceiptPayment] {
        let end = self.0.iter().rposition(|payment| *payment != PADDING);
        end.and_then(|end| self.0.get(..=end)).unwrap_or_default()
    }

    /// Root hash and total; of no payments, zero and zero.
    pub fn root(&self) -> Result<SumNode> {
        root_of(self.leaves())
    }

    /// Levels above the leaves.
    pub fn depth(&self) -> u8 {
        let width = self.leaves().len().max(1);
        u8::try_from(width.trailing_zeros()).unwrap_or(u8::MAX)
    }

    /// All that is paid to an account out of a Datanet's pool, wei, with the places that enclose it; nothing
    /// where the tree ends.
    pub fn paid_to(&self, datanet: DatanetId, account: Address) -> Result<Enclosed> {
        let key = (datanet, account);
        let all = self.as_slice();
        let from = all.partition_point(|payment| (payment.datanet, payment.account) < key);
        let to = all.partition_point(|payment| (payment.datanet, payment.account) <= key);
        let own = all.get(from..to).unwrap_or_default();
        let amount = own.iter().try_fold(0_u128, |sum, payment| {
            sum.checked_add(payment.amount).ok_or(ScoresError::AmountOverflow)
        })?;
        let left = from.checked_sub(1).map(|place| self.slot(place)).transpose()?.flatten();
        Ok(Enclosed { amount, left, right: self.slot(to)? })
    }

    /// The places between which a key would lie that belongs at `place` of a sorted tree. A tree of nothing is one place of
    /// padding.
    pub(crate) fn enclosing(&self, place: usize) -> Result<Vec<PaymentSlot>> {
        if self.0.is_empty() {
            return Ok(vec![PaymentSlot { payment: None, index: 0, proof: vec![] }]);
        }
        let below = place.checked_sub(1).map(|below| self.slot(below)).transpose()?.flatten();
        Ok(below.into_iter().chain(self.slot(place)?).collect())
    }

    /// What is at a place at the bottom of the tree; nothing beyond it.
    pub fn slot(&self, position: usize) -> Result<Option<PaymentSlot>> {
        let leaves = self.leaves();
        if position >= leaves.len() {
            return Ok(None);
        }
        let index = u64::try_from(position)
            .map_err(|_| ScoresError::Overflow { what: "leaf positions" })?;
        let proof = path_of(leaves, position)?;
        Ok(Some(PaymentSlot { payment: self.0.get(position).copied(), index, proof }))
    }

    fn leaves(&self) -> Vec<SumNode> {
        padded(self.0.iter().map(ReceiptPayment::leaf).collect())
    }
}

/// What stands for a place without a payment.
const PADDING: ReceiptPayment =
    ReceiptPayment { datanet: DatanetId(0), account: Address::ZERO, receipt: 0, amount: 0 };

/// The bottom of a tree of so many levels, with what is at some of its places.
pub(crate) fn placed<T: Copy>(leaves: BTreeMap<usize, T>, depth: u8, padding: T) -> Result<Vec<T>> {
    let end = leaves.last_key_value().map_or(0, |(place, _)| place.saturating_add(1));
    let too_deep = ScoresError::Overflow { what: "leaf positions" };
    let width = match leaves.is_empty() && depth == 0 {
        true => 0,
        false => 1_usize.checked_shl(depth.into()).ok_or(too_deep)?,
    };
    // Padding that makes the tree no deeper is not listed.
    let listed = if end > 0 && end.next_power_of_two() == width { end } else { width };
    let mut bottom = vec![padding; listed];
    for (place, leaf) in leaves {
        *bottom.get_mut(place).ok_or(ScoresError::Overflow { what: "leaf positions" })? = leaf;
    }
    Ok(bottom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payments(list: &[(u8, u64, u128)]) -> Payments {
        let payment = |(account, receipt, amount): &(u8, u64, u128)| ReceiptPayment {
            datanet: DatanetId(1),
            account: Address::repeat_byte(*account),
            receipt: *receipt,
            amount: *amount,
        };
        Payments(list.iter().map(payment).collect())
    }

    #[test]
    fn a_tree_of_nothing_has_the_zero_root_and_no_levels() {
        let none = Payments::default();
        assert_eq!((none.root(), none.depth()), (Ok(SumNode::default()), 0));
        let enclosed = none.paid_to(DatanetId(1), Address::repeat_byte(1)).unwrap();
        assert_eq!(enclosed, Enclosed { amount: 0, left: None, right: None });
    }

    #[test]
    fn payments_of_an_account_are_enclosed_by_its_neighbours() {
        let tree = payments(&[(1, 0, 5), (2, 0, 7), (2, 3, 11), (4, 1, 13), (4, 2, 17)]);
        assert_eq!((tree.root().unwrap().sum, tree.depth()), (53, 3));
        for (account, amount, left, right) in [
            (1, 5, None, Some(1)),
            (2, 18, Some(0), Some(3)),
            (3, 0, Some(2), Some(3)),
            // Padding follows.
            (4, 30, Some(2), Some(5)),
            (9, 0, Some(4), Some(5)),
        ] {
            let found = tree.paid_to(DatanetId(1), Address::repeat_byte(account)).unwrap();
            let index = |slot: Option<PaymentSlot>| slot.map(|slot| slot.index);
            assert_eq!(
                (found.amount, index(found.left), index(found.right)),
                (amount, left, right)
            );
        }
        let full = payments(&[(1, 0, 5), (2, 0, 7)]);
        let last = full.paid_to(DatanetId(1), Address::repeat_byte(2)).unwrap();
        assert_eq!((last.amount, last.right), (7, None));
    }

    #[test]
    fn payments_at_their_places_make_the_tree_that_they_were_taken_from() {
        let whole = payments(&[(1, 0, 5), (2, 0, 7), (3, 0, 9)]);
        let at = |places: &[usize]| places.iter().copied().zip(whole.as_slice().to_vec()).collect();
        assert_eq!(Payments::placed(at(&[0, 1, 2]), 2).unwrap(), whole);
        assert_eq!(Payments::placed(BTreeMap::new(), 0).unwrap(), Payments::default());
        // A deeper tree, and one with a hole.
        let deeper = Payments::placed(at(&[0, 1, 2]), 3).unwrap();
        assert_eq!((deeper.as_slice(), deeper.depth()), (whole.as_slice(), 3));
        assert_ne!(deeper.root(), whole.root());
        let holed = Payments::placed(at(&[0, 1, 3]), 2).unwrap();
        assert_eq!(holed.root().unwrap().sum, 21);
        let fault = crate::faults::find_payment(&holed, &whole).unwrap().unwrap();
        assert_eq!(fault.rule(), "payment order");
        assert!(Payments::placed(at(&[0, 1, 4]), 2).is_err());
    }
}
