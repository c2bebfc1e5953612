//! Royalties up the lineage: what a model owes its ancestors of its model share, as `ModelRegistry` works
//! it out at registration and `AttributionSettlement` pays it. Everything rounds down; what rounding leaves
//! stays with whoever would have passed it on.
//!
//! Of one source: part = ⌊royaltyBps·weight/10⁴⌋, of which each of the source's own debts takes
//! ⌊part·bps/10⁴⌋ and the source keeps the rest. An ancestor that is met twice is owed the sum.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use crate::{
    ModelId,
    epoch::{BPS_ONE, mul_div_down},
    error::{Result, ScoresError},
};

/// Most that a model may ask of what derives from it, basis points of the model share.
pub const ROYALTY_BPS_MAX: u16 = 3_000;
/// Most ancestors that a model owes something.
pub const ROYALTIES_MAX: usize = 8;

/// What a model owes to one ancestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Royalty {
    pub model: ModelId,
    pub payee: Address,
    /// Of the model share, basis points.
    pub bps: u16,
}

/// A model that another derives from, with its weight in the merge.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub model: ModelId,
    pub payee: Address,
    /// Basis points; those of all sources sum to 10,000.
    pub weight_bps: u16,
    /// What the source asks of what derives from it.
    pub royalty_bps: u16,
    /// What the source owes itself.
    pub royalties: &'a [Royalty],
}

/// What a model with these sources owes, each ancestor once, in the registry's order.
pub fn owed(sources: &[Source<'_>]) -> Result<Vec<Royalty>> {
    let mut list = Vec::new();
    let weights = sources.iter().fold(0_u32, |sum, s| sum.saturating_add(s.weight_bps.into()));
    if !sources.is_empty() && weights != BPS_ONE {
        return Err(ScoresError::SourceWeights(weights));
    }
    for source in sources {
        if source.royalty_bps > ROYALTY_BPS_MAX {
            return Err(ScoresError::RoyaltyTooHigh(source.royalty_bps));
        }
        let part = of_bps(source.royalty_bps.into(), source.weight_bps)?;
        let mut own = part;
        for above in source.royalties {
            let passed = of_bps(part, above.bps)?;
            own = own.checked_sub(passed).ok_or(ScoresError::AmountOverflow)?;
            add(&mut list, above.model, above.payee, passed)?;
        }
        add(&mut list, source.model, source.payee, own)?;
    }
    Ok(list)
}

fn add(list: &mut Vec<Royalty>, model: ModelId, payee: Address, bps: u128) -> Result<()> {
    let bps = u16::try_from(bps).map_err(|_| ScoresError::AmountOverflow)?;
    if bps == 0 {
        return Ok(());
    }
    if let Some(known) = list.iter_mut().find(|known| known.model == model) {
        known.bps = known.bps.checked_add(bps).ok_or(ScoresError::AmountOverflow)?;
        return Ok(());
    }
    if list.len() == ROYALTIES_MAX {
        return Err(ScoresError::TooManyRoyalties);
    }
    list.push(Royalty { model, payee, bps });
    Ok(())
}

/// What a model share comes apart into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// To the model's own payee, wei.
    pub own: u128,
    /// To each ancestor, in the order of the debts, wei.
    pub royalties: Vec<u128>,
}

/// Splits a model share of `share` wei.
pub fn pay(share: u128, royalties: &[Royalty]) -> Result<Paid> {
    let amounts = royalties.iter().map(|r| of_bps(share, r.bps)).collect::<Result<Vec<u128>>>()?;
    let own = amounts
        .iter()
        .try_fold(share, |left, amount| left.checked_sub(*amount))
        .ok_or(ScoresError::AmountOverflow)?;
    Ok(Paid { own, royalties: amounts })
}

fn of_bps(amount: u128, bps: u16) -> Result<u128> {
    mul_div_down(amount, bps.into(), BPS_ONE.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(model: u64, weight_bps: u16, royalty_bps: u16, royalties: &[Royalty]) -> Source<'_> {
        let payee = Address::repeat_byte(u8::try_from(model).unwrap());
        Source { model: ModelId(model), payee, weight_bps, royalty_bps, royalties }
    }

    #[test]
    fn a_model_of_its_own_owes_nothing() {
        assert_eq!(owed(&[]), Ok(vec![]));
        assert_eq!(pay(77, &[]), Ok(Paid { own: 77, royalties: vec![] }));
    }

    #[test]
    fn what_the_registry_refuses_is_an_error() {
        let half = source(1, 5_000, 0, &[]);
        assert_eq!(owed(&[half]), Err(ScoresError::SourceWeights(5_000)));
        let greedy = source(1, 10_000, 3_001, &[]);
        assert_eq!(owed(&[greedy]), Err(ScoresError::RoyaltyTooHigh(3_001)));
        let many: Vec<Royalty> = (2..10)
            .map(|model| Royalty { model: ModelId(model), payee: Address::ZERO, bps: 300 })
            .collect();
        let ninth = source(1, 10_000, 3_000, &many);
        assert_eq!(owed(&[ninth]), Err(ScoresError::TooManyRoyalties));
    }

    proptest! {
        /// However the lineage looks, no ancestor is owed twice, and a model keeps 70 % of its share.
        #[test]
        fn a_lineage_takes_three_tenths_at_most(
            terms in prop::collection::vec((0_u16..=3_000, 1_u16..10_000), 1..7),
            share in any::<u128>(),
        ) {
            let mut above: Vec<(u16, Vec<Royalty>)> = vec![(3_000, vec![])];
            for (royalty_bps, weight) in terms {
                let last = above.len();
                let (previous_bps, previous) = above[last - 1].clone();
                let (first_bps, first) = above[0].clone();
                let list = if last == 1 {
                    owed(&[source(1, 10_000, previous_bps, &previous)]).unwrap()
                } else {
                    owed(&[
                        source(1, weight, first_bps, &first),
                        source(last as u64, 10_000 - weight, previous_bps, &previous),
                    ])
                    .unwrap()
                };
                let sum: u32 = list.iter().map(|r| u32::from(r.bps)).sum();
                prop_assert!(sum <= 3_000);
                for (i, royalty) in list.iter().enumerate() {
                    prop_assert!(list[..i].iter().all(|other| other.model != royalty.model));
                }
                let paid = pay(share, &list).unwrap();
                prop_assert_eq!(paid.own + paid.royalties.iter().sum::<u128>(), share);
                prop_assert!(paid.own >= share / 10 * 7);
                above.push((royalty_bps, list));
            }
        }
    }
}
