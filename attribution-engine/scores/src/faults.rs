//! What a claims tree can be disproved by, found in the list of its claims: the four rules that
//! `AttributionDispute` decides, and growth beyond what was paid, which `RecordDispute` does. Together they
//! say that a tree which survives is sorted, leaves nobody out and lowers nobody's amount, promises no more
//! of a pool than the pool was funded with, and gives everybody what the epoch's payments are. And what a payments
//! tree can be disproved by: that it is not what the records pay.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use crate::{
    claims::{Claim, ClaimProof, Claims, PADDING, Slot},
    error::{Result, ScoresError},
    ids::DatanetId,
    payments::{PaymentSlot, Payments, ReceiptPayment},
};

/// A proof that a claims tree is false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimsFault {
    /// Two neighbours that do not ascend.
    Order { left: Slot, right: Slot },
    /// An account has less than in the tree before.
    Decrease { before: ClaimProof, later: ClaimProof },
    /// An account of the tree before is not there: its key would lie between these, or before the first
    /// or after the last place, if it is one.
    Omission { before: ClaimProof, slots: Vec<Slot> },
    /// All that lies from `first` to `last`, claims on one Datanet's pool, is more than is in it.
    Overpromise { first: ClaimProof, last: ClaimProof, promised: u128, funded: u128 },
}

impl ClaimsFault {
    /// The rule that is broken, as the chain's event names it.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Order { .. } => "order",
            Self::Decrease { .. } => "decrease",
            Self::Omission { .. } => "omission",
            Self::Overpromise { .. } => "overpromise",
        }
    }
}

/// A proof that a claim grew by more than its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthFault {
    pub claim: ClaimProof,
    /// The same claim in the tree before, or the places there between which it would lie; empty if that tree
    /// is.
    pub before: Vec<Slot>,
    /// The places before and after the account's payments.
    pub left: Option<PaymentSlot>,
    pub right: Option<PaymentSlot>,
    /// Wei.
    pub grown: u128,
    /// Wei.
    pub paid: u128,
}

/// A proof that a payments tree is not what the epoch's records pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentFault {
    /// Two neighbours that do not ascend.
    Order { left: PaymentSlot, right: PaymentSlot },
    /// A payment that is not what its receipt's record makes it, or whose receipt the epoch does not have.
    False { slot: PaymentSlot, payment: ReceiptPayment, due: u128 },
    /// What a record pays is not there: its key would lie between these, or before the first or after the last place,
    /// if it is one.
    Missing { due: ReceiptPayment, slots: Vec<PaymentSlot> },
}

impl PaymentFault {
    /// The rule that is broken, as the chain's event names it.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Order { .. } => "payment order",
            Self::False { .. } => "payment",
            Self::Missing { .. } => "payment missing",
        }
    }
}

/// The first fault of the payments `stated`, where the records pay `due`. Without one they are the same.
pub fn find_payment(stated: &Payments, due: &Payments) -> Result<Option<PaymentFault>> {
    let place = |position: usize| stated.slot(position)?.ok_or(ScoresError::EmptyTree);
    for (position, pair) in stated.as_slice().windows(2).enumerate() {
        let [left, right] = pair else { continue };
        // Padding is above everything, as the chain sees it.
        let padded = left.account == Address::ZERO && right.account != Address::ZERO;
        if padded || (right.account != Address::ZERO && left.key() >= right.key()) {
            let next = position.saturating_add(1);
            let (left, right) = (place(position)?, place(next)?);
            return Ok(Some(PaymentFault::Order { left, right }));
        }
    }
    for (position, payment) in stated.as_slice().iter().enumerate() {
        let due = amount_of(due, payment);
        if payment.amount != due {
            let (slot, payment) = (place(position)?, *payment);
            return Ok(Some(PaymentFault::False { slot, payment, due }));
        }
    }
    for payment in due.as_slice() {
        if let Err(place) =
            stated.as_slice().binary_search_by_key(&payment.key(), ReceiptPayment::key)
        {
            let slots = stated.enclosing(place)?;
            return Ok(Some(PaymentFault::Missing { due: *payment, slots }));
        }
    }
    Ok(None)
}

/// What honest payments have under the key of `payment`, wei.
fn amount_of(due: &Payments, payment: &ReceiptPayment) -> u128 {
    let found = due.as_slice().binary_search_by_key(&payment.key(), ReceiptPayment::key);
    let found = found.ok().and_then(|place| due.as_slice().get(place));
    found.map_or(0, |payment| payment.amount)
}

/// The first claim of `pending` that grew by more than `payments`. Both trees must be sorted, which [`find`]
/// says.
pub fn find_growth(
    before: &Claims,
    pending: &Claims,
    payments: &Payments,
) -> Result<Option<GrowthFault>> {
    for claim in pending.as_slice() {
        let place = before.as_slice().binary_search_by_key(&claim.key(), Claim::key);
        let old = place.ok().and_then(|found| before.as_slice().get(found));
        let grown = claim.cumulative.saturating_sub(old.map_or(0, |claim| claim.cumulative));
        let paid = payments.paid_to(claim.datanet, claim.account)?;
        if grown <= paid.amount {
            continue;
        }
        let before = match place {
            Ok(found) => vec![slot(before, found)?],
            Err(place) => enclosing(before, place)?,
        };
        let proof = pending.proof(claim.datanet, claim.account)?.ok_or(ScoresError::EmptyTree)?;
        return Ok(Some(GrowthFault {
            claim: proof,
            before,
            left: paid.left,
            right: paid.right,
            grown,
            paid: paid.amount,
        }));
    }
    Ok(None)
}

/// The places of a sorted tree between which a key would lie that belongs at `place`.
fn enclosing(claims: &Claims, place: usize) -> Result<Vec<Slot>> {
    let below = place.checked_sub(1).map(|below| slot(claims, below)).transpose()?;
    Ok(below.into_iter().chain(claims.slot(place)?).collect())
}

/// The first fault of `pending`, whose predecessor in force is `before`. `funded` says what each pool has,
/// wei, with what the pending epoch adds to it; a Datanet that is missing there has nothing.
pub fn find(
    before: &Claims,
    pending: &Claims,
    funded: &BTreeMap<DatanetId, u128>,
) -> Result<Option<ClaimsFault>> {
    // The other rules look for keys where a sorted tree has them.
    if let Some(fault) = find_order(pending)? {
        return Ok(Some(fault));
    }
    for claim in before.as_slice() {
        if let Some(fault) = find_loss(before, pending, claim)? {
            return Ok(Some(fault));
        }
    }
    find_overpromise(pending, funded)
}

fn find_order(pending: &Claims) -> Result<Option<ClaimsFault>> {
    for (position, pair) in pending.as_slice().windows(2).enumerate() {
        let [left, right] = pair else { continue };
        // Padding is above everything, as the chain sees it.
        let padded = *left == PADDING && *right != PADDING;
        if padded || (*right != PADDING && left.key() >= right.key()) {
            let next = position.saturating_add(1);
            let (left, right) = (slot(pending, position)?, slot(pending, next)?);
            return Ok(Some(ClaimsFault::Order { left, right }));
        }
    }
    Ok(None)
}

/// Whether `claim`, which is in `before`, is lower or absent in `pending`.
fn find_loss(before: &Claims, pending: &Claims, claim: &Claim) -> Result<Option<ClaimsFault>> {
    let leaf = || before.proof(claim.datanet, claim.account)?.ok_or(ScoresError::EmptyTree);
    match pending.as_slice().binary_search_by_key(&claim.key(), Claim::key) {
        Ok(found) => {
            let Some(later) = slot(pending, found)?.into_proof() else { return Ok(None) };
            if later.claim.cumulative >= claim.cumulative {
                return Ok(None);
            }
            Ok(Some(ClaimsFault::Decrease { before: leaf()?, later }))
        }
        Err(place) => {
            let slots = enclosing(pending, place)?;
            Ok(Some(ClaimsFault::Omission { before: leaf()?, slots }))
        }
    }
}

fn find_overpromise(
    pending: &Claims,
    funded: &BTreeMap<DatanetId, u128>,
) -> Result<Option<ClaimsFault>> {
    let mut start = 0_usize;
    for group in pending.as_slice().chunk_by(|a, b| a.datanet == b.datanet) {
        let end = start.saturating_add(group.len());
        let promised = group.iter().try_fold(0_u128, |sum, claim| {
            sum.checked_add(claim.cumulative).ok_or(ScoresError::AmountOverflow)
        })?;
        let available =
            group.first().and_then(|claim| funded.get(&claim.datanet)).copied().unwrap_or_default();
        if promised > available {
            let first = slot(pending, start)?.into_proof().ok_or(ScoresError::EmptyTree)?;
            let last = slot(pending, end.saturating_sub(1))?;
            let last = last.into_proof().ok_or(ScoresError::EmptyTree)?;
            return Ok(Some(ClaimsFault::Overpromise { first, last, promised, funded: available }));
        }
        start = end;
    }
    Ok(None)
}

/// A place that is known to exist.
fn slot(claims: &Claims, position: usize) -> Result<Slot> {
    claims.slot(position)?.ok_or(ScoresError::EmptyTree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(datanet: u64, account: u8, cumulative: u128) -> Claim {
        Claim { datanet: DatanetId(datanet), account: Address::repeat_byte(account), cumulative }
    }

    fn sorted(claims: &[(u64, u8, u128)]) -> Claims {
        Claims::new(claims.iter().map(|(d, a, c)| claim(*d, *a, *c)).collect()).unwrap()
    }

    /// Claims in the order given, which nothing checks: as somebody's JSON would be read.
    fn unchecked(claims: &[(u64, u8, u128)]) -> Claims {
        let claims: Vec<Claim> = claims.iter().map(|(d, a, c)| claim(*d, *a, *c)).collect();
        serde_json::from_value(serde_json::to_value(claims).unwrap()).unwrap()
    }

    fn fault(before: &Claims, pending: &Claims, funded: u128) -> Option<ClaimsFault> {
        let funded = BTreeMap::from([(DatanetId(1), funded), (DatanetId(2), funded)]);
        find(before, pending, &funded).unwrap()
    }

    #[test]
    fn a_tree_that_only_grows_has_no_fault() {
        let before = sorted(&[(1, 2, 5), (1, 4, 6)]);
        let pending = sorted(&[(1, 1, 3), (1, 2, 5), (1, 4, 7), (2, 9, 1)]);
        assert_eq!(fault(&before, &pending, 15), None);
        assert_eq!(fault(&Claims::default(), &Claims::default(), 0), None);
    }

    #[test]
    fn what_was_lowered_is_shown_in_both_trees() {
        let (before, pending) = (sorted(&[(1, 2, 5), (1, 4, 6)]), sorted(&[(1, 2, 7), (1, 4, 4)]));
        let Some(ClaimsFault::Decrease { before: leaf, later }) = fault(&before, &pending, 15)
        else {
            panic!("no decrease");
        };
        assert!(leaf.verify(before.root().unwrap()) && later.verify(pending.root().unwrap()));
        assert_eq!((leaf.claim.cumulative, later.claim.cumulative), (6, 4));
    }

    #[test]
    fn who_was_left_out_lies_between_two_neighbours_or_beyond_an_end() {
        let cases: [(u8, &[(u64, u8, u128)], &[u64]); 5] = [
            (3, &[(1, 2, 5), (1, 4, 6)], &[0, 1]),
            (1, &[(1, 2, 5), (1, 4, 6)], &[0]),
            (9, &[(1, 2, 5), (1, 4, 6)], &[1]),
            // Padding follows the last claim.
            (9, &[(1, 2, 5), (1, 4, 1), (1, 5, 5)], &[2, 3]),
            (9, &[(1, 2, 11)], &[0]),
        ];
        for (account, pending, expected) in cases {
            let (before, pending) = (sorted(&[(1, account, 11)]), sorted(pending));
            let Some(ClaimsFault::Omission { slots, .. }) = fault(&before, &pending, 15) else {
                panic!("{account} was not missed");
            };
            let places: Vec<u64> = slots.iter().map(|slot| slot.index).collect();
            assert_eq!(places, expected);
        }
    }

    #[test]
    fn neighbours_that_do_not_ascend_come_first() {
        for pending in [&[(1, 4, 6), (1, 2, 5)], &[(1, 2, 5), (1, 2, 6)]] {
            let fault = fault(&sorted(&[(1, 2, 9)]), &unchecked(pending), 15);
            assert!(matches!(fault, Some(ClaimsFault::Order { .. })), "{fault:?}");
        }
    }

    #[test]
    fn a_pool_cannot_promise_what_it_does_not_have() {
        let pending = sorted(&[(1, 2, 5), (2, 1, 7), (2, 4, 9)]);
        let Some(ClaimsFault::Overpromise { first, last, promised, funded }) =
            fault(&Claims::default(), &pending, 15)
        else {
            panic!("no overpromise");
        };
        assert_eq!((first.index, last.index, promised, funded), (1, 2, 16, 15));
        assert_eq!(fault(&Claims::default(), &pending, 16), None);
    }

    fn payments(list: &[(u8, u64, u128)]) -> Payments {
        let payment = |(account, receipt, amount): &(u8, u64, u128)| ReceiptPayment {
            datanet: DatanetId(1),
            account: Address::repeat_byte(*account),
            receipt: *receipt,
            amount: *amount,
        };
        let list: Vec<ReceiptPayment> = list.iter().map(payment).collect();
        serde_json::from_value(serde_json::to_value(list).unwrap()).unwrap()
    }

    fn payment_fault(stated: &[(u8, u64, u128)]) -> Option<PaymentFault> {
        find_payment(&payments(stated), &payments(&[(2, 0, 5), (2, 1, 7), (4, 0, 6)])).unwrap()
    }

    #[test]
    fn payments_that_are_the_records_have_no_fault() {
        assert_eq!(payment_fault(&[(2, 0, 5), (2, 1, 7), (4, 0, 6)]), None);
    }

    #[test]
    fn payments_that_do_not_ascend_are_shown_as_neighbours() {
        for stated in [
            &[(2, 1, 7), (2, 0, 5), (4, 0, 6)][..],
            &[(2, 0, 5), (2, 0, 5)],
            // Amounts of nobody stand at the end, if anywhere.
            &[(0, 0, 1), (2, 0, 5)],
        ] {
            let Some(PaymentFault::Order { left, right }) = payment_fault(stated) else {
                panic!("{stated:?} is in order");
            };
            assert_eq!((left.index, right.index), (0, 1));
        }
    }

    #[test]
    fn a_payment_that_no_record_makes_is_shown_by_itself() {
        for (stated, index, due) in [
            (&[(2, 0, 5), (2, 1, 8), (4, 0, 5)][..], 1, 7),
            (&[(2, 0, 5), (2, 1, 7), (3, 0, 1), (4, 0, 5)], 2, 0),
            (&[(2, 0, 5), (2, 1, 7), (4, 0, 5), (4, 9, 1)], 2, 6),
            (&[(2, 0, 5), (2, 1, 7), (4, 0, 6), (0, 0, 1)], 3, 0),
        ] {
            let Some(PaymentFault::False { slot, payment, due: owed }) = payment_fault(stated)
            else {
                panic!("{stated:?} is what the records pay");
            };
            assert_eq!((slot.index, owed), (index, due));
            assert_eq!(slot.payment, Some(payment));
        }
    }

    #[test]
    fn a_payment_that_was_left_out_lies_between_two_places_or_beyond_an_end() {
        for (stated, places) in [
            (&[(2, 0, 5), (4, 0, 6)][..], &[0, 1][..]),
            (&[(2, 1, 7), (4, 0, 6)], &[0]),
            (&[(2, 0, 5), (2, 1, 7)], &[1]),
            (&[], &[0]),
        ] {
            let Some(PaymentFault::Missing { slots, .. }) = payment_fault(stated) else {
                panic!("{stated:?} leaves nobody out");
            };
            assert_eq!(slots.iter().map(|slot| slot.index).collect::<Vec<_>>(), places);
        }
    }
}
