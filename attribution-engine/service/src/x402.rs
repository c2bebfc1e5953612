//! x402 as bytes: what a 402 answer asks for, what a payment's header says, and what the answer's header says of it.
//! Versions 1 (`X-PAYMENT`) and 2 (`PAYMENT-SIGNATURE`) of the protocol, on networks named as in CAIP-2.
//!
//! Two schemes are offered, both paid in wrapped OPEN with one EIP-3009 signature, the payer needing no OPEN for gas:
//!
//! * [`Method::Exact`], x402's own `exact`, which every x402 client speaks. The amount goes to the gateway's account
//!   and the gateway sends back what was not used: until then the payer trusts the gateway.
//! * [`Method::Capture`], `openledger-capture`: the amount goes to `InferencePayments`, which gives the gateway what it
//!   captures once and the payer the rest, and everything back if the gateway is silent for a day. The signed nonce is
//!   the hash of payer, gateway, model, request and a salt, so the payment is good for this request only.

use alloy_primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolValue};
use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use scores::eip712::{
    PaymentTerms, ReceiveWithAuthorization, TransferWithAuthorization, wrapped_open_domain,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::chain::PaymentContracts;

/// Longest payment header, bytes of base64.
pub const PAYMENT_HEADER_MAX: usize = 8 << 10;

/// Seconds that a payer may take between a 402 answer and its payment.
pub const PAYMENT_SECONDS_MAX: u64 = 300;

/// Seconds from now after which a payment may be valid at most: what was not brought is remembered until then.
pub const VALIDITY_SECONDS_MAX: u64 = 3_600;

/// Seconds that a payment must still be valid for, so that it can be brought to the chain.
const MARGIN_S: u64 = 6;

/// How a payment reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// To the gateway's account.
    Exact,
    /// To `InferencePayments`, where the gateway captures what was used.
    Capture,
}

impl Method {
    /// x402's name for it.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Capture => "openledger-capture",
        }
    }
}

/// Why a payment is not taken. The text goes to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    #[error("the payment's header is not base64 of an x402 payment: {0}")]
    Malformed(String),
    #[error("the scheme `{0}` is not accepted here")]
    Scheme(String),
    #[error("the payment is for network `{found}`, this gateway is paid on `{expected}`")]
    Network { found: String, expected: String },
    #[error("the payment goes to {found}, not to {expected}")]
    Receiver { found: Address, expected: Address },
    #[error("the authorisation is not signed by {0}")]
    Signature(Address),
    #[error(
        "the payment is valid from {from} to {until}, it is {now} (Unix seconds): it must be valid now, for 6 seconds more \
         and for an hour at most"
    )]
    Window { from: u64, until: u64, now: u64 },
    #[error("the call may cost {needed} wei, the payment is {paid} wei")]
    Underpaid { needed: u128, paid: u128 },
    #[error(
        "the authorisation's nonce is {found}; for this payer, gateway, model, request and salt it is {expected}"
    )]
    Nonce { found: B256, expected: B256 },
    #[error("the authorisation was used or cancelled before: sign a new one")]
    Used,
    #[error("the payer has {balance} wei of wrapped OPEN, the payment is {paid} wei")]
    Balance { balance: U256, paid: u128 },
    #[error("the chain refused the payment: {0}")]
    Refused(String),
}

impl PaymentError {
    /// A word for programs, ours and, where there is one, x402's `errorReason`.
    pub const fn codes(&self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed(_) => ("payment_malformed", "invalid_payload"),
            Self::Scheme(_) => ("payment_scheme", "unsupported_scheme"),
            Self::Network { .. } => ("payment_network", "invalid_network"),
            Self::Receiver { .. } => {
                ("payment_receiver", "invalid_exact_evm_payload_recipient_mismatch")
            }
            Self::Signature(_) => ("payment_signature", "invalid_exact_evm_payload_signature"),
            Self::Window { .. } => {
                ("payment_window", "invalid_exact_evm_payload_authorization_valid_before")
            }
            Self::Underpaid { .. } => {
                ("payment_too_small", "invalid_exact_evm_payload_authorization_value")
            }
            Self::Nonce { .. } => ("payment_nonce", "invalid_payload"),
            Self::Used => ("payment_used", "invalid_transaction_state"),
            Self::Balance { .. } => ("payment_balance", "insufficient_funds"),
            Self::Refused(_) => ("payment_refused", "invalid_transaction_state"),
        }
    }
}

/// Where payments go.
#[derive(Clone, Debug)]
pub struct Payee {
    pub chain_id: u64,
    pub gateway: Address,
    pub contracts: PaymentContracts,
}

/// A payment whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub method: Method,
    pub payer: Address,
    /// Wei.
    pub amount: u128,
    /// Unix seconds, both exclusive.
    pub valid_after: u64,
    pub valid_before: u64,
    pub nonce: B256,
    pub signature: Bytes,
    /// Enters the nonce of [`Method::Capture`].
    pub salt: B256,
}

impl Payment {
    /// Names it among all payments to this gateway: a payer uses a nonce once.
    pub fn id(&self) -> B256 {
        keccak256((self.payer, self.nonce).abi_encode())
    }

    /// Whether it is valid now and long enough to be brought.
    pub fn check_window(&self, now: u64) -> Result<(), PaymentError> {
        let valid = self.valid_after < now && now.saturating_add(MARGIN_S) < self.valid_before;
        match valid && self.valid_before <= now.saturating_add(VALIDITY_SECONDS_MAX) {
            true => Ok(()),
            false => {
                Err(PaymentError::Window { from: self.valid_after, until: self.valid_before, now })
            }
        }
    }

    /// Whether it pays for a call of at most `worst` wei that its request describes.
    pub fn check_request(
        &self,
        payee: &Payee,
        quote: &Quote,
        worst: u128,
    ) -> Result<(), PaymentError> {
        let expected = match self.method {
            Method::Exact => self.nonce,
            Method::Capture => {
                self.terms(payee, quote).id(payee.chain_id, payee.contracts.payments)
            }
        };
        if self.nonce != expected {
            return Err(PaymentError::Nonce { found: self.nonce, expected });
        }
        match worst <= self.amount {
            true => Ok(()),
            false => Err(PaymentError::Underpaid { needed: worst, paid: self.amount }),
        }
    }

    /// What `InferencePayments` hashes to the nonce.
    pub fn terms(&self, payee: &Payee, quote: &Quote) -> PaymentTerms {
        PaymentTerms {
            payer: self.payer,
            gateway: payee.gateway,
            model_id: quote.model_id,
            request_hash: quote.request_hash,
            salt: self.salt,
        }
    }
}

impl Payee {
    /// CAIP-2 name of the chain.
    pub fn network(&self) -> String {
        format!("eip155:{}", self.chain_id)
    }

    fn receiver(&self, method: Method) -> Address {
        match method {
            Method::Exact => self.gateway,
            Method::Capture => self.contracts.payments,
        }
    }

    /// EIP-712 domain of wrapped OPEN.
    pub fn token_domain(&self) -> Eip712Domain {
        wrapped_open_domain(self.chain_id, self.contracts.wopen)
    }

    /// What a payer signs.
    pub fn digest(&self, payment: &Payment) -> B256 {
        let transfer = TransferWithAuthorization {
            from: payment.payer,
            to: self.receiver(payment.method),
            value: U256::from(payment.amount),
            validAfter: U256::from(payment.valid_after),
            validBefore: U256::from(payment.valid_before),
            nonce: payment.nonce,
        };
        match payment.method {
            Method::Exact => transfer.digest(&self.token_domain()),
            Method::Capture => {
                let TransferWithAuthorization { from, to, value, validAfter, validBefore, nonce } =
                    transfer;
                ReceiveWithAuthorization { from, to, value, validAfter, validBefore, nonce }
                    .digest(&self.token_domain())
            }
        }
    }

    /// Reads a payment's header. What is checked here needs neither the request nor the chain.
    pub fn parse(&self, header: &str) -> Result<Payment, PaymentError> {
        let malformed = |cause: &str| PaymentError::Malformed(cause.to_owned());
        if header.len() > PAYMENT_HEADER_MAX {
            return Err(malformed("it is too long"));
        }
        let bytes = STANDARD.decode(header.trim()).map_err(|_| malformed("it is not base64"))?;
        let header: Header = serde_json::from_slice(&bytes)
            .map_err(|error| PaymentError::Malformed(error.to_string()))?;
        let (scheme, network) = match (header.version, header.accepted) {
            (1, _) => (header.scheme, header.network),
            (2, Some(accepted)) => (Some(accepted.scheme), Some(accepted.network)),
            (2, None) => return Err(malformed("`accepted` is missing")),
            _ => return Err(malformed("`x402Version` is 1 or 2")),
        };
        let scheme = scheme.ok_or_else(|| malformed("`scheme` is missing"))?;
        let network = network.ok_or_else(|| malformed("`network` is missing"))?;
        let method = [Method::Exact, Method::Capture].into_iter().find(|m| m.scheme() == scheme);
        let method = method.ok_or(PaymentError::Scheme(scheme))?;
        if network != self.network() {
            return Err(PaymentError::Network { found: network, expected: self.network() });
        }
        let Payload { signature, authorization: signed, salt } = header.payload;
        let expected = self.receiver(method);
        if signed.to != expected {
            return Err(PaymentError::Receiver { found: signed.to, expected });
        }
        let number = |text: &str, name: &str| {
            text.parse::<u128>().map_err(|_| malformed(&format!("`{name}` is a decimal string")))
        };
        let seconds = |text: &str, name: &str| {
            // No clock gets there: longer wishes mean the same.
            number(text, name).map(|value| u64::try_from(value).unwrap_or(u64::MAX))
        };
        let payment = Payment {
            method,
            payer: signed.from,
            amount: number(&signed.value, "value")?,
            valid_after: seconds(&signed.valid_after, "validAfter")?,
            valid_before: seconds(&signed.valid_before, "validBefore")?,
            nonce: signed.nonce,
            signature,
            salt: match method {
                Method::Exact => B256::ZERO,
                Method::Capture => salt.ok_or_else(|| malformed("`salt` is missing"))?,
            },
        };
        if payment.amount == 0 {
            return Err(malformed("`value` is zero"));
        }
        let signer = Signature::from_raw(&payment.signature)
            .ok()
            // The token refuses the other half of the signatures: each would have a twin.
            .filter(|signature| signature.normalize_s().is_none())
            .and_then(|s| s.recover_address_from_prehash(&self.digest(&payment)).ok());
        match signer == Some(payment.payer) {
            true => Ok(payment),
            false => Err(PaymentError::Signature(payment.payer)),
        }
    }

    /// What the call of `quote` costs at most, as a 402 answer says it.
    pub fn required(&self, quote: &Quote, amount: u128, resource: &str, error: &str) -> Required {
        let offers = [Method::Exact, Method::Capture].map(|method| {
            let mut extra = json!({"name": "Wrapped OPEN", "version": "1"});
            if method == Method::Capture {
                extra["gateway"] = json!(self.gateway);
                extra["modelId"] = json!(quote.model_id.to_string());
                extra["requestHash"] = json!(quote.request_hash);
            }
            json!({
                "scheme": method.scheme(),
                "network": self.network(),
                "asset": self.contracts.wopen,
                "payTo": self.receiver(method),
                "maxTimeoutSeconds": PAYMENT_SECONDS_MAX,
                "extra": extra,
            })
        });
        let amount = amount.to_string();
        let description = "an answer of a language model; what is not used is refunded";
        let first = offers.iter().cloned().map(|mut offer| {
            offer["maxAmountRequired"] = json!(amount);
            offer["resource"] = json!(resource);
            offer["description"] = json!(description);
            offer["mimeType"] = json!("application/json");
            offer
        });
        let second = offers.iter().cloned().map(|mut offer| {
            offer["amount"] = json!(amount);
            offer
        });
        let header = json!({
            "x402Version": 2,
            "error": error,
            "resource": {"url": resource, "description": description, "mimeType": "application/json"},
            "accepts": second.collect::<Vec<_>>(),
        });
        Required {
            accepts: Value::Array(first.collect()),
            header: STANDARD.encode(header.to_string().as_bytes()),
        }
    }

    /// The header that says what became of a payment: its transaction, or why there is none.
    pub fn response(&self, payer: Address, outcome: Result<B256, &str>) -> String {
        let mut value = json!({
            "success": outcome.is_ok(),
            "transaction": outcome.map_or(String::new(), |hash| hash.to_string()),
            "network": self.network(),
            "payer": payer,
        });
        if let Err(reason) = outcome {
            value["errorReason"] = json!(reason);
        }
        STANDARD.encode(value.to_string().as_bytes())
    }
}

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    pub model_id: U256,
    /// Hash of the canonical request, as in its receipt.
    pub request_hash: B256,
}

/// What a 402 answer says to x402 clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// `accepts` of version 1, in the body.
    pub accepts: Value,
    /// Header `PAYMENT-REQUIRED` of version 2.
    pub header: String,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "x402Version")]
    version: u64,
    scheme: Option<String>,
    network: Option<String>,
    accepted: Option<Accepted>,
    payload: Payload,
}

#[derive(Deserialize)]
struct Accepted {
    scheme: String,
    network: String,
}

#[derive(Deserialize)]
struct Payload {
    signature: Bytes,
    authorization: Authorization,
    salt: Option<B256>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    from: Address,
    to: Address,
    value: String,
    valid_after: String,
    valid_before: String,
    nonce: B256,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    use super::*;

    fn payee() -> Payee {
        Payee {
            chain_id: 16_120,
            gateway: Address::repeat_byte(2),
            contracts: PaymentContracts::default(),
        }
    }

    fn quote() -> Quote {
        Quote { model_id: U256::from(3), request_hash: B256::repeat_byte(4) }
    }

    fn signed(method: Method, key: &PrivateKeySigner, amount: u128) -> Payment {
        let mut payment = Payment {
            method,
            payer: key.address(),
            amount,
            valid_after: 0,
            valid_before: 1_000,
            nonce: B256::repeat_byte(5),
            signature: Bytes::new(),
            salt: B256::ZERO,
        };
        if method == Method::Capture {
            payment.salt = B256::repeat_byte(6);
            let terms = payment.terms(&payee(), &quote());
            payment.nonce = terms.id(16_120, payee().contracts.payments);
        }
        let signature = key.sign_hash_sync(&payee().digest(&payment)).unwrap();
        payment.signature = Bytes::from(signature.as_bytes());
        payment
    }

    fn value(payment: &Payment, version: u64) -> Value {
        let payload = json!({
            "signature": payment.signature,
            "authorization": {
                "from": payment.payer,
                "to": payee().receiver(payment.method),
                "value": payment.amount.to_string(),
                "validAfter": payment.valid_after.to_string(),
                "validBefore": payment.valid_before.to_string(),
                "nonce": payment.nonce,
            },
            "salt": payment.salt,
        });
        let (scheme, network) = (payment.method.scheme(), payee().network());
        match version {
            1 => {
                json!({"x402Version": 1, "scheme": scheme, "network": network, "payload": payload})
            }
            _ => json!({
                "x402Version": 2,
                "accepted": {"scheme": scheme, "network": network},
                "payload": payload,
            }),
        }
    }

    fn parse(value: &Value) -> Result<Payment, PaymentError> {
        payee().parse(&STANDARD.encode(value.to_string().as_bytes()))
    }

    #[test]
    fn both_versions_and_both_schemes_are_read() {
        let key = PrivateKeySigner::random();
        for method in [Method::Exact, Method::Capture] {
            let payment = signed(method, &key, 7);
            for version in [1, 2] {
                let read = parse(&value(&payment, version)).unwrap();
                assert_eq!(read, payment);
                assert_eq!(read.check_request(&payee(), &quote(), 7), Ok(()));
                let too_little = PaymentError::Underpaid { needed: 8, paid: 7 };
                assert_eq!(read.check_request(&payee(), &quote(), 8), Err(too_little));
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_payment_is_said() {
        let key = PrivateKeySigner::random();
        let good = value(&signed(Method::Exact, &key, 7), 1);
        let with = |path: &str, to: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(path).unwrap() = to;
            parse(&changed).unwrap_err().codes().0
        };
        assert_eq!(with("/x402Version", json!(3)), "payment_malformed");
        assert_eq!(with("/scheme", json!("upto")), "payment_scheme");
        assert_eq!(with("/network", json!("eip155:1")), "payment_network");
        assert_eq!(with("/network", json!(null)), "payment_malformed");
        let authorization = "/payload/authorization";
        let other = json!(Address::repeat_byte(9));
        assert_eq!(with(&format!("{authorization}/to"), other.clone()), "payment_receiver");
        assert_eq!(with(&format!("{authorization}/from"), other), "payment_signature");
        assert_eq!(with(&format!("{authorization}/value"), json!("8")), "payment_signature");
        assert_eq!(with(&format!("{authorization}/value"), json!("-8")), "payment_malformed");
        assert_eq!(with(&format!("{authorization}/value"), json!("0")), "payment_malformed");
        assert_eq!(with(&format!("{authorization}/validBefore"), json!("9")), "payment_signature");
        assert_eq!(with("/payload/signature", json!("0x1234")), "payment_signature");
        assert_eq!(with("/payload", json!({})), "payment_malformed");
        for header in ["", "!", "e30=", "bnVsbA=="] {
            assert_eq!(payee().parse(header).unwrap_err().codes().0, "payment_malformed");
        }
        let long = "A".repeat(PAYMENT_HEADER_MAX + 4);
        assert_eq!(payee().parse(&long).unwrap_err().codes().0, "payment_malformed");
    }

    /// A token takes one of the two signatures that a key and a digest have: the other is a second form of the same payment.
    #[test]
    fn the_twin_of_a_signature_is_refused() {
        let key = PrivateKeySigner::random();
        let mut payment = signed(Method::Exact, &key, 7);
        let signature = Signature::from_raw(&payment.signature).unwrap();
        let order = U256::from_str_radix(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            16,
        );
        let twin = Signature::new(signature.r(), order.unwrap() - signature.s(), !signature.v());
        payment.signature = Bytes::from(twin.as_bytes());
        let refused = parse(&value(&payment, 2)).unwrap_err();
        assert_eq!(refused, PaymentError::Signature(key.address()));
    }

    #[test]
    fn a_payment_is_valid_between_its_times_with_room_to_bring_it() {
        let payment = signed(Method::Exact, &PrivateKeySigner::random(), 7);
        let later = Payment { valid_after: 4_500, valid_before: 5_000, ..payment };
        let cases = [(4_499, false), (4_500, false), (4_501, true), (4_993, true), (4_994, false)];
        for (now, valid) in cases {
            assert_eq!(later.check_window(now).is_ok(), valid, "{now}");
        }
        let long = Payment { valid_after: 0, ..later };
        assert!(long.check_window(1_399).is_err() && long.check_window(1_400).is_ok());
    }

    #[test]
    fn a_captured_payment_is_for_its_request_only() {
        let payment = signed(Method::Capture, &PrivateKeySigner::random(), 7);
        let others = [
            Quote { model_id: U256::from(4), ..quote() },
            Quote { request_hash: B256::ZERO, ..quote() },
        ];
        for other in others {
            let refused = payment.check_request(&payee(), &other, 7);
            assert!(matches!(refused, Err(PaymentError::Nonce { .. })));
        }
    }

    /// The same payment as `contracts/test/unit/vectors/Economy.t.sol` brings to the contract.
    #[test]
    fn the_payment_of_the_vectors_is_accepted() {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let path = Path::new(&root).join("../../tests/vectors/economy.json");
        let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let x402 = &vectors["x402"];
        let terms = &x402["terms"];
        let payee = Payee {
            chain_id: vectors["chain_id"].as_u64().unwrap(),
            gateway: terms["gateway"].as_str().unwrap().parse().unwrap(),
            contracts: PaymentContracts {
                wopen: x402["wopen"].as_str().unwrap().parse().unwrap(),
                payments: x402["payments"].as_str().unwrap().parse().unwrap(),
            },
        };
        let signature = &x402["signature"];
        let word = |name: &str| signature[name].as_str().unwrap().parse::<U256>().unwrap();
        let signature =
            Signature::new(word("r"), word("s"), signature["v"].as_u64().unwrap() == 28);
        let header = json!({
            "x402Version": 2,
            "accepted": {"scheme": "openledger-capture", "network": payee.network()},
            "payload": {
                "signature": Bytes::from(signature.as_bytes()),
                "salt": terms["salt"],
                "authorization": {
                    "from": terms["payer"],
                    "to": x402["payments"],
                    "value": x402["authorization"]["amount"],
                    "validAfter": x402["authorization"]["valid_after"],
                    "validBefore": x402["authorization"]["valid_before"],
                    "nonce": x402["payment_id"],
                },
            },
        });
        let header = STANDARD.encode(header.to_string().as_bytes());
        let payment = payee.parse(&header).unwrap();
        assert_eq!(payee.digest(&payment).to_string(), x402["digest"].as_str().unwrap());
        let quote = Quote {
            model_id: terms["modelId"].as_str().unwrap().parse().unwrap(),
            request_hash: terms["requestHash"].as_str().unwrap().parse().unwrap(),
        };
        assert_eq!(payment.check_request(&payee, &quote, payment.amount), Ok(()));
    }

    #[test]
    fn a_402_names_both_schemes_in_both_versions() {
        let required = payee().required(&quote(), 9, "http://here/v1", "pay");
        let header: Value =
            serde_json::from_slice(&STANDARD.decode(&required.header).unwrap()).unwrap();
        for (offers, amount) in
            [(&required.accepts, "maxAmountRequired"), (&header["accepts"], "amount")]
        {
            assert_eq!(offers[0]["scheme"], "exact");
            assert_eq!(offers[0]["payTo"], json!(payee().gateway));
            assert_eq!(offers[1]["scheme"], "openledger-capture");
            assert_eq!(offers[1]["payTo"], json!(payee().contracts.payments));
            assert_eq!(offers[1]["extra"]["requestHash"], json!(quote().request_hash));
            for offer in offers.as_array().unwrap() {
                assert_eq!(offer[amount], "9");
                assert_eq!(offer["network"], "eip155:16120");
                assert_eq!(offer["asset"], json!(payee().contracts.wopen));
            }
        }
    }
}
