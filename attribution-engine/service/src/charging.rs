//! Who may still be served, and for how much. Before a call starts, its worst case is reserved against what the customer
//! authorised on chain; when it ends, the reservation becomes the actual fee, or nothing.
//!
//! INVARIANT: for each customer and authorisation, charged + reserved ≤ cap. So a voucher that the gateway signs, or
//! holds, for what it charged is always within the cap.

use std::{collections::HashMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, Signature};
use alloy_sol_types::Eip712Domain;
use parking_lot::Mutex;
use scores::eip712::Voucher;
use serde::Deserialize;

use crate::{chain::Authorization, evidence::SignedVoucher, ledger::Charged};

/// Why a call is not paid for. The text goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    #[error(
        "no authorisation for gateway {gateway}: deposit to InferenceEscrow and authorise this gateway"
    )]
    Unauthorised { gateway: Address },
    #[error(
        "the authorisation expires at {expiry} (Unix seconds), too soon to redeem a voucher: extend it"
    )]
    Expiring { expiry: u64 },
    #[error(
        "the call may cost {needed} wei, {left} wei of the authorisation are left: raise its cap or lower max_tokens"
    )]
    Exhausted { needed: u128, left: u128 },
    #[error(
        "the authorisation's vouchers are signed by {signer}: send header x-openledger-voucher with nonce {nonce} and a \
         cumulative amount of at least {cumulative} wei"
    )]
    VoucherMissing { signer: Address, nonce: u64, cumulative: u128 },
    #[error("the voucher is not signed by {signer}")]
    VoucherSignature { signer: Address },
    #[error(
        "the voucher's header is not JSON of the form {{\"nonce\":1,\"cumulative\":\"123\",\"signature\":\"0x…\"}}"
    )]
    VoucherMalformed,
}

/// The `x-openledger-voucher` header: a voucher of this customer for this gateway.
#[derive(Clone, Debug, Deserialize)]
pub struct VoucherHeader {
    pub nonce: u64,
    /// Wei, decimal.
    pub cumulative: String,
    pub signature: Bytes,
}

/// What the gateway is to itself.
#[derive(Clone, Debug)]
pub struct Terms {
    pub gateway: Address,
    /// EIP-712 domain of `InferenceEscrow`.
    pub escrow: Eip712Domain,
    /// An authorisation must be valid for so many seconds more: the time to answer and to redeem.
    pub margin_s: u64,
}

/// Reservations of the calls that are running.
#[derive(Default)]
pub struct Accounts {
    reserved: Mutex<HashMap<(Address, u64), u128>>,
}

/// A right to charge up to `worst` wei. Dropping it gives the reservation back.
pub struct Reservation {
    accounts: Arc<Accounts>,
    pub customer: Address,
    pub nonce: u64,
    pub worst: u128,
    /// What the chain had redeemed when the call began, wei.
    pub redeemed: u128,
    /// The customer's own voucher; `None` if the gateway signs.
    pub voucher: Option<SignedVoucher>,
}

impl Accounts {
    /// Reserves `worst` wei for a call of `customer`. `charged` tells what is charged so far under the authorisation's nonce; it is asked while
    /// no other reservation can be made.
    pub fn reserve(
        self: &Arc<Self>,
        terms: &Terms,
        customer: Address,
        authorization: Authorization,
        worst: u128,
        now: u64,
        header: Option<&str>,
        charged: impl FnOnce() -> Charged,
    ) -> Result<Reservation, ChargeError> {
        if authorization.nonce == 0 || authorization.cap == 0 {
            return Err(ChargeError::Unauthorised { gateway: terms.gateway });
        }
        if authorization.expiry <= now.saturating_add(terms.margin_s) {
            return Err(ChargeError::Expiring { expiry: authorization.expiry });
        }
        let mut reserved = self.reserved.lock();
        let key = (customer, authorization.nonce);
        let running = reserved.get(&key).copied().unwrap_or(0);
        // Redeemed is never above charged, except after the books were lost: then the chain's word counts.
        let spent = charged().total.max(authorization.redeemed).saturating_add(running);
        let needed = spent.saturating_add(worst);
        if needed > authorization.cap {
            let left = authorization.cap.saturating_sub(spent);
            return Err(ChargeError::Exhausted { needed: worst, left });
        }
        let voucher = match authorization.signer == terms.gateway {
            true => None,
            false => Some(check_voucher(terms, customer, authorization, needed, header)?),
        };
        reserved.insert(key, running.saturating_add(worst));
        let (nonce, redeemed) = (authorization.nonce, authorization.redeemed);
        Ok(Reservation { accounts: self.clone(), customer, nonce, worst, redeemed, voucher })
    }

    /// Wei reserved by running calls.
    pub fn reserved(&self, customer: Address, nonce: u64) -> u128 {
        self.reserved.lock().get(&(customer, nonce)).copied().unwrap_or(0)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.accounts.reserved.lock();
        let key = (self.customer, self.nonce);
        if let Some(sum) = reserved.get_mut(&key) {
            *sum = sum.saturating_sub(self.worst);
            if *sum == 0 {
                reserved.remove(&key);
            }
        }
    }
}

/// The customer's voucher, if it covers `needed` wei and is within the cap.
fn check_voucher(
    terms: &Terms,
    customer: Address,
    authorization: Authorization,
    needed: u128,
    header: Option<&str>,
) -> Result<SignedVoucher, ChargeError> {
    let Authorization { signer, nonce, cap, .. } = authorization;
    let missing = ChargeError::VoucherMissing { signer, nonce, cumulative: needed };
    let header: VoucherHeader = match header {
        Some(header) => serde_json::from_str(header).map_err(|_| ChargeError::VoucherMalformed)?,
        None => return Err(missing),
    };
    let cumulative: u128 = header.cumulative.parse().map_err(|_| ChargeError::VoucherMalformed)?;
    if header.nonce != nonce || cumulative < needed || cumulative > cap {
        return Err(missing);
    }
    let voucher = Voucher { customer, gateway: terms.gateway, nonce, cumulative };
    let digest: B256 = voucher.digest(&terms.escrow);
    let recovered = Signature::from_raw(&header.signature)
        .ok()
        .and_then(|s| s.recover_address_from_prehash(&digest).ok());
    match recovered == Some(signer) {
        true => Ok(SignedVoucher { voucher, signature: header.signature }),
        false => Err(ChargeError::VoucherSignature { signer }),
    }
}

#[cfg(test)]
mod tests {
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;
    use scores::eip712::escrow_domain;

    use super::*;

    const NOW: u64 = 1_000;

    fn terms() -> Terms {
        Terms {
            gateway: Address::repeat_byte(2),
            escrow: escrow_domain(1, Address::repeat_byte(3)),
            margin_s: 60,
        }
    }

    fn authorization(cap: u128) -> Authorization {
        Authorization { signer: terms().gateway, cap, redeemed: 0, expiry: NOW + 100, nonce: 1 }
    }

    fn reserve(
        accounts: &Arc<Accounts>,
        a: Authorization,
        worst: u128,
        charged: u128,
    ) -> Result<Reservation, ChargeError> {
        let charged = || Charged { nonce: 1, total: charged, voucher: None };
        accounts.reserve(&terms(), Address::repeat_byte(1), a, worst, NOW, None, charged)
    }

    #[test]
    fn running_calls_count_against_the_cap() {
        let accounts = Arc::new(Accounts::default());
        let first = reserve(&accounts, authorization(100), 40, 30).unwrap();
        assert_eq!(
            reserve(&accounts, authorization(100), 31, 30).err(),
            Some(ChargeError::Exhausted { needed: 31, left: 30 })
        );
        let second = reserve(&accounts, authorization(100), 30, 30).unwrap();
        drop(first);
        assert!(reserve(&accounts, authorization(100), 40, 30).is_ok());
        drop(second);
        assert_eq!(accounts.reserved(Address::repeat_byte(1), 1), 0);
    }

    #[test]
    fn what_the_chain_redeemed_counts_if_the_books_know_less() {
        let accounts = Arc::new(Accounts::default());
        let authorization = Authorization { redeemed: 80, ..authorization(100) };
        assert_eq!(
            reserve(&accounts, authorization, 30, 0).err(),
            Some(ChargeError::Exhausted { needed: 30, left: 20 })
        );
    }

    #[test]
    fn absent_and_expiring_authorisations_are_refused() {
        let accounts = Arc::new(Accounts::default());
        let none = reserve(&accounts, Authorization { nonce: 0, ..authorization(0) }, 1, 0).err();
        assert_eq!(none, Some(ChargeError::Unauthorised { gateway: terms().gateway }));
        let soon = Authorization { expiry: NOW + 60, ..authorization(100) };
        assert_eq!(
            reserve(&accounts, soon, 1, 0).err(),
            Some(ChargeError::Expiring { expiry: NOW + 60 })
        );
    }

    #[test]
    fn a_customer_who_signs_must_cover_the_worst_case() {
        let accounts = Arc::new(Accounts::default());
        let signer = PrivateKeySigner::random();
        let customer = Address::repeat_byte(1);
        let authorization = Authorization { signer: signer.address(), ..authorization(100) };
        let attempt = |cumulative: u128, by: &PrivateKeySigner| {
            let voucher = Voucher { customer, gateway: terms().gateway, nonce: 1, cumulative };
            let signature = by.sign_hash_sync(&voucher.digest(&terms().escrow)).unwrap();
            let header = format!(
                "{{\"nonce\":1,\"cumulative\":\"{cumulative}\",\"signature\":\"{}\"}}",
                Bytes::from(signature.as_bytes().to_vec())
            );
            let charged = || Charged { nonce: 1, total: 10, voucher: None };
            accounts
                .reserve(&terms(), customer, authorization, 20, NOW, Some(&header), charged)
                .map(|r| r.voucher.clone())
        };
        let missing =
            ChargeError::VoucherMissing { signer: signer.address(), nonce: 1, cumulative: 30 };
        assert_eq!(attempt(29, &signer), Err(missing));
        assert_eq!(attempt(101, &signer), Err(missing));
        assert_eq!(
            attempt(30, &PrivateKeySigner::random()),
            Err(ChargeError::VoucherSignature { signer: signer.address() })
        );
        assert_eq!(attempt(30, &signer).unwrap().unwrap().voucher.cumulative, 30);
        let none =
            accounts.reserve(&terms(), customer, authorization, 20, NOW, None, Charged::default);
        assert!(matches!(none.err(), Some(ChargeError::VoucherMissing { .. })));
        let bad = accounts.reserve(
            &terms(),
            customer,
            authorization,
            20,
            NOW,
            Some("{"),
            Charged::default,
        );
        assert_eq!(bad.err(), Some(ChargeError::VoucherMalformed));
    }
}
