//! Signed L1 transactions that carry frames, and what they pay.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxKind};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use crate::{BatcherError, journal::PostedTransaction};

/// Gas of a transaction beside its data.
const GAS_BASE: u64 = 21_000;
/// Most that a byte of call data costs: four tokens at the floor price of 10 (EIP-7623).
const GAS_PER_BYTE_MAX: u64 = 40;
/// By how much the fees of a replacement grow, percent. Nodes ask for 10.
const BUMP_PERCENT: u128 = 25;

/// Fees of a transaction, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) fee_max: u128,
    pub(crate) priority_fee: u128,
}

impl Fees {
    /// Room for the base fee to double (about six full blocks), at most `limit`.
    pub(crate) fn suggested(base_fee: u64, priority_fee: u128, limit: u128) -> Self {
        let priority_fee = priority_fee.max(1).min(limit);
        let fee_max = u128::from(base_fee).saturating_mul(2).saturating_add(priority_fee);
        Self { fee_max: fee_max.min(limit), priority_fee }
    }

    /// What replaces a transaction with these fees: enough for nodes to accept it and for the present
    /// market. `None` if that exceeds `limit`.
    pub(crate) fn replacement(self, market: Self, limit: u128) -> Option<Self> {
        let bump = |fee: u128| {
            fee.saturating_mul(100 + BUMP_PERCENT).div_ceil(100).max(fee.saturating_add(1))
        };
        let fees = Self {
            fee_max: bump(self.fee_max).max(market.fee_max),
            priority_fee: bump(self.priority_fee).max(market.priority_fee),
        };
        (fees.fee_max <= limit).then_some(fees)
    }
}

/// What all transactions of one batcher share.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    pub(crate) signer: PrivateKeySigner,
    pub(crate) chain_id: u64,
    pub(crate) inbox: Address,
}

impl Poster {
    /// A transaction of type 2 with `data` to the inbox.
    pub(crate) fn sign(
        &self,
        nonce: u64,
        fees: Fees,
        data: Bytes,
    ) -> Result<PostedTransaction, BatcherError> {
        let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit: GAS_BASE.saturating_add(bytes.saturating_mul(GAS_PER_BYTE_MAX)),
            max_fee_per_gas: fees.fee_max,
            max_priority_fee_per_gas: fees.priority_fee,
            to: TxKind::Call(self.inbox),
            input: data,
            ..Default::default()
        };
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|source| BatcherError::Signer { account: self.signer.address(), source })?;
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        Ok(PostedTransaction {
            nonce,
            fee_max: fees.fee_max,
            priority_fee: fees.priority_fee,
            raw: raw.into(),
            replaced: Vec::new(),
        })
    }

    /// The same transaction with other fees.
    pub(crate) fn replace(
        &self,
        old: &PostedTransaction,
        fees: Fees,
        data: Bytes,
    ) -> Result<PostedTransaction, BatcherError> {
        let mut new = self.sign(old.nonce, fees, data)?;
        new.replaced = old.replaced.clone();
        new.replaced.push(old.hash());
        Ok(new)
    }
}

impl PostedTransaction {
    pub(crate) const fn fees(&self) -> Fees {
        Fees { fee_max: self.fee_max, priority_fee: self.priority_fee }
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::Transaction;
    use alloy_eips::eip2718::Decodable2718;

    use super::*;

    #[test]
    fn fees_leave_room_and_stay_bounded() {
        let fees = Fees::suggested(100, 7, 1_000);
        assert_eq!(fees, Fees { fee_max: 207, priority_fee: 7 });
        assert_eq!(Fees::suggested(600, 7, 1_000).fee_max, 1_000);
        let cheap = Fees { fee_max: 1, priority_fee: 1 };
        assert_eq!(fees.replacement(cheap, 1_000), Some(Fees { fee_max: 259, priority_fee: 9 }));
        let dear = Fees { fee_max: 900, priority_fee: 50 };
        assert_eq!(fees.replacement(dear, 1_000), Some(dear));
        assert_eq!(fees.replacement(dear, 899), None);
        // Even the smallest fee grows.
        assert_eq!(cheap.replacement(cheap, 1_000), Some(Fees { fee_max: 2, priority_fee: 2 }));
    }

    #[test]
    fn replacements_remember_what_they_replace() {
        let poster = Poster {
            signer: PrivateKeySigner::from_bytes(&[1; 32].into()).unwrap(),
            chain_id: 5,
            inbox: Address::repeat_byte(9),
        };
        let data = Bytes::from(vec![1; 1_000]);
        let fees = Fees { fee_max: 10, priority_fee: 1 };
        let first = poster.sign(3, fees, data.clone()).unwrap();
        let more = Fees { fee_max: 20, priority_fee: 2 };
        let second = poster.replace(&first, more, data.clone()).unwrap();
        assert_eq!(second.replaced, [first.hash()]);
        let envelope = TxEnvelope::decode_2718(&mut second.raw.as_ref()).unwrap();
        assert_eq!((envelope.nonce(), envelope.max_fee_per_gas()), (3, 20));
        assert_eq!((envelope.gas_limit(), envelope.input()), (61_000, &data));
        assert_eq!(envelope.to(), Some(Address::repeat_byte(9)));
    }
}
