//! API keys that need no database: a customer signs one for a gateway, and the gateway checks the signature.
//!
//! `ol-` followed by unpadded base64url of `customer (20 bytes) || expiry (8 bytes, big-endian) || signature (65 bytes)`.
//! The signature is EIP-712 over `ApiKey(address customer,address gateway,uint64 expiry)` in the domain
//! `{name: "OpenLedgerGateway", version: "1", chainId}`. It is the customer's, or that of the signer of vouchers whom the
//! customer's authorisation in `InferenceEscrow` names: so a contract can be a customer, as the purse of an agent is. A key identifies the customer towards one gateway until it
//! expires; what may be spent is bounded by the authorisation in `InferenceEscrow`, not by the key.

use alloy_primitives::{Address, B256, Signature, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use serde_json::json;

use crate::typed_data::{Unsigned, typed_data};

/// How every key begins.
pub const API_KEY_PREFIX: &str = "ol-";

const KEY_BYTES: usize = 20 + 8 + 65;

sol! {
    #[derive(Debug, PartialEq, Eq)]
    struct ApiKey {
        address customer;
        address gateway;
        uint64 expiry;
    }
}

/// Why a key is not accepted. The text goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    #[error("no API key was given: send `Authorization: Bearer ol-…`")]
    Missing,
    #[error("the API key is malformed; make one with `openledger customer key`")]
    Malformed,
    #[error("the API key expired at {0} (Unix seconds)")]
    Expired(u64),
    #[error(
        "the API key is not signed by its customer, or the signer of its vouchers, for this gateway and chain"
    )]
    WrongSignature,
}

fn domain(chain_id: u64) -> Eip712Domain {
    Eip712Domain::new(
        Some("OpenLedgerGateway".into()),
        Some("1".into()),
        Some(U256::from(chain_id)),
        None,
        None,
    )
}

/// Digest that a customer signs.
fn digest(customer: Address, gateway: Address, chain_id: u64, expiry: u64) -> B256 {
    ApiKey { customer, gateway, expiry }.eip712_signing_hash(&domain(chain_id))
}

/// Makes a key for `gateway` that is valid until `expiry`, Unix seconds.
pub fn mint_api_key(
    customer: &PrivateKeySigner,
    gateway: Address,
    chain_id: u64,
    expiry: u64,
) -> Result<String, alloy_signer::Error> {
    mint_delegated_key(customer.address(), customer, gateway, chain_id, expiry)
}

/// Makes a key for `customer` that the signer of its vouchers signs.
pub fn mint_delegated_key(
    customer: Address,
    signer: &PrivateKeySigner,
    gateway: Address,
    chain_id: u64,
    expiry: u64,
) -> Result<String, alloy_signer::Error> {
    let unsigned = unsigned_key(customer, gateway, chain_id, expiry);
    Ok(unsigned.content.signed(&signer.sign_hash_sync(&unsigned.digest)?))
}

/// A key for whoever signs for `customer` to sign.
pub fn unsigned_key(
    customer: Address,
    gateway: Address,
    chain_id: u64,
    expiry: u64,
) -> Unsigned<ApiKey> {
    let fields = [("customer", "address"), ("gateway", "address"), ("expiry", "uint64")];
    let message = json!({"customer": customer, "gateway": gateway, "expiry": expiry.to_string()});
    Unsigned {
        content: ApiKey { customer, gateway, expiry },
        digest: digest(customer, gateway, chain_id, expiry),
        typed_data: typed_data("ApiKey", &fields, &domain(chain_id), message),
    }
}

impl ApiKey {
    /// The key as its holder sends it.
    pub fn signed(&self, signature: &Signature) -> String {
        let mut bytes = Vec::with_capacity(KEY_BYTES);
        bytes.extend_from_slice(self.customer.as_slice());
        bytes.extend_from_slice(&self.expiry.to_be_bytes());
        bytes.extend_from_slice(&signature.as_bytes());
        format!("{API_KEY_PREFIX}{}", URL.encode(&bytes))
    }
}

/// The customer a key stands for, `now` in Unix seconds, if the customer signed it.
pub fn verify_api_key(
    key: &str,
    gateway: Address,
    chain_id: u64,
    now: u64,
) -> Result<Address, ApiKeyError> {
    let ApiKeyHolder { customer, signer } = read_api_key(key, gateway, chain_id, now)?;
    match signer == customer {
        true => Ok(customer),
        false => Err(ApiKeyError::WrongSignature),
    }
}

/// What a key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeyHolder {
    pub customer: Address,
    /// Whoever signed it. If it is not the customer, the customer's authorisation must name it.
    pub signer: Address,
}

/// Reads a key that has not expired, `now` in Unix seconds. Whether its signer may sign for its customer is left to the caller.
pub fn read_api_key(
    key: &str,
    gateway: Address,
    chain_id: u64,
    now: u64,
) -> Result<ApiKeyHolder, ApiKeyError> {
    let encoded = key.strip_prefix(API_KEY_PREFIX).ok_or(ApiKeyError::Malformed)?;
    let bytes = (encoded.len() <= KEY_BYTES * 2).then(|| URL.decode(encoded).ok()).flatten();
    let bytes = bytes.ok_or(ApiKeyError::Malformed)?;
    let (customer, rest) = bytes.split_first_chunk::<20>().ok_or(ApiKeyError::Malformed)?;
    let (expiry, raw) = rest.split_first_chunk::<8>().ok_or(ApiKeyError::Malformed)?;
    let customer = Address::from(*customer);
    let expiry = u64::from_be_bytes(*expiry);
    let signature = Signature::from_raw(raw).map_err(|_| ApiKeyError::Malformed)?;
    // Other spellings of the recovery bit mean the same; a key has one.
    if signature.as_bytes() != *raw {
        return Err(ApiKeyError::Malformed);
    }
    let digest = digest(customer, gateway, chain_id, expiry);
    let signer = signature.recover_address_from_prehash(&digest);
    let signer = signer.map_err(|_| ApiKeyError::WrongSignature)?;
    if expiry <= now {
        return Err(ApiKeyError::Expired(expiry));
    }
    Ok(ApiKeyHolder { customer, signer })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: u64 = 16_120;

    fn key(expiry: u64) -> (PrivateKeySigner, Address, String) {
        let customer = PrivateKeySigner::random();
        let gateway = Address::repeat_byte(7);
        let key = mint_api_key(&customer, gateway, CHAIN, expiry).unwrap();
        (customer, gateway, key)
    }

    #[test]
    fn a_key_names_its_customer() {
        let (customer, gateway, key) = key(1_000);
        assert_eq!(verify_api_key(&key, gateway, CHAIN, 999), Ok(customer.address()));
    }

    #[test]
    fn a_key_is_for_one_gateway_one_chain_and_a_time() {
        let (_, gateway, key) = key(1_000);
        assert_eq!(verify_api_key(&key, gateway, CHAIN, 1_000), Err(ApiKeyError::Expired(1_000)));
        assert_eq!(verify_api_key(&key, gateway, CHAIN + 1, 0), Err(ApiKeyError::WrongSignature));
        assert_eq!(verify_api_key(&key, Address::ZERO, CHAIN, 0), Err(ApiKeyError::WrongSignature));
    }

    #[test]
    fn no_byte_can_be_changed() {
        let (_, gateway, key) = key(1_000);
        for at in 3..key.len() {
            let mut changed = key.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify_api_key(&changed, gateway, CHAIN, 0).is_err(), "byte {at}");
        }
    }

    #[test]
    fn nonsense_is_malformed() {
        for text in ["", "ol-", "ol-nonsense", "sk-abc", "ol-!!!!", "ol-AAAA"] {
            assert_eq!(
                verify_api_key(text, Address::ZERO, 1, 0),
                Err(ApiKeyError::Malformed),
                "{text}"
            );
        }
        assert!(
            verify_api_key(&format!("ol-{}", "A".repeat(10_000)), Address::ZERO, 1, 0).is_err()
        );
    }

    #[test]
    fn base64url_round_trips() {
        for length in 0..70u8 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(37)).collect();
            assert_eq!(URL.decode(URL.encode(&bytes)), Ok(bytes));
        }
    }
}
