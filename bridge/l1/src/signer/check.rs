//! What a remote signer is asked for, in the JSON of `eth_signTransaction`, and whether its answer is that.

use alloy_consensus::{SignableTransaction, Transaction, TxEnvelope};
use alloy_eips::{eip2718::Decodable2718, eip2930::AccessList};
use alloy_primitives::{Address, B256, Bytes, Signature, U64, U256};
use serde_json::{Map, Value, json};

/// A transaction without its signature, by its fields.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    hash: B256,
    fields: Fields,
}

/// What a signer could change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    kind: u8,
    chain_id: Option<u64>,
    nonce: u64,
    /// `None` creates a contract.
    to: Option<Address>,
    value: U256,
    input: Bytes,
    gas_limit: u64,
    fee_max: u128,
    priority_fee: Option<u128>,
    blob_fee: Option<u128>,
    blobs: Vec<B256>,
    access_list: AccessList,
}

/// Why an answer is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Not a signed transaction.
    Malformed(&'static str),
    /// A field is another one.
    Changed { field: &'static str, asked: String, signed: String },
    /// Somebody else signed.
    OtherAccount(Option<Address>),
}

impl Fields {
    fn of(transaction: &(impl Transaction + ?Sized)) -> Self {
        Self {
            kind: transaction.ty(),
            chain_id: transaction.chain_id(),
            nonce: transaction.nonce(),
            to: transaction.to(),
            value: transaction.value(),
            input: transaction.input().clone(),
            gas_limit: transaction.gas_limit(),
            fee_max: transaction.max_fee_per_gas(),
            priority_fee: transaction.max_priority_fee_per_gas(),
            blob_fee: transaction.max_fee_per_blob_gas(),
            blobs: transaction.blob_versioned_hashes().unwrap_or_default().to_vec(),
            access_list: transaction.access_list().cloned().unwrap_or_default(),
        }
    }

    /// The first field that differs, with both values.
    fn difference(&self, signed: &Self) -> Option<Wrong> {
        fn differ<T: PartialEq + std::fmt::Debug>(
            field: &'static str,
            asked: &T,
            signed: &T,
        ) -> Option<Wrong> {
            (asked != signed).then(|| Wrong::Changed {
                field,
                asked: shown(&format!("{asked:?}")),
                signed: shown(&format!("{signed:?}")),
            })
        }
        differ("type", &self.kind, &signed.kind)
            .or_else(|| differ("chain id", &self.chain_id, &signed.chain_id))
            .or_else(|| differ("nonce", &self.nonce, &signed.nonce))
            .or_else(|| differ("recipient", &self.to, &signed.to))
            .or_else(|| differ("value", &self.value, &signed.value))
            .or_else(|| differ("data", &self.input, &signed.input))
            .or_else(|| differ("gas limit", &self.gas_limit, &signed.gas_limit))
            .or_else(|| differ("fee", &self.fee_max, &signed.fee_max))
            .or_else(|| differ("priority fee", &self.priority_fee, &signed.priority_fee))
            .or_else(|| differ("blob fee", &self.blob_fee, &signed.blob_fee))
            .or_else(|| differ("blobs", &self.blobs, &signed.blobs))
            .or_else(|| differ("access list", &self.access_list, &signed.access_list))
    }
}

impl Asked {
    pub(super) fn new<T: SignableTransaction<Signature> + ?Sized>(transaction: &T) -> Self {
        Self { hash: transaction.signature_hash(), fields: Fields::of(transaction) }
    }

    /// The parameter of `eth_signTransaction`. Call data is there by both names that signers know; of blobs
    /// only the hashes are, since nothing else of them is signed.
    pub(super) fn request(&self, from: Address) -> Value {
        let fields = &self.fields;
        let number = |number: u128| json!(U256::from(number));
        let mut request = Map::new();
        let mut set = |name: &str, value: Value| request.insert(name.to_owned(), value);
        set("from", json!(from));
        set("type", json!(U64::from(fields.kind)));
        if let Some(chain_id) = fields.chain_id {
            set("chainId", json!(U64::from(chain_id)));
        }
        set("nonce", json!(U64::from(fields.nonce)));
        if let Some(to) = fields.to {
            set("to", json!(to));
        }
        set("value", json!(fields.value));
        set("data", json!(fields.input));
        set("input", json!(fields.input));
        set("gas", json!(U64::from(fields.gas_limit)));
        match fields.priority_fee {
            Some(priority_fee) => {
                set("maxFeePerGas", number(fields.fee_max));
                set("maxPriorityFeePerGas", number(priority_fee));
            }
            None => {
                set("gasPrice", number(fields.fee_max));
            }
        }
        if let Some(blob_fee) = fields.blob_fee {
            set("maxFeePerBlobGas", number(blob_fee));
            set("blobVersionedHashes", json!(fields.blobs));
        }
        if !fields.access_list.0.is_empty() {
            set("accessList", json!(fields.access_list));
        }
        Value::Object(request)
    }

    /// The signature of what was asked for, by `account`.
    pub(super) fn check(&self, account: Address, raw: &[u8]) -> Result<Signature, Wrong> {
        let mut rest = raw;
        let signed = TxEnvelope::decode_2718(&mut rest)
            .map_err(|_| Wrong::Malformed("it is no signed transaction"))?;
        if !rest.is_empty() {
            return Err(Wrong::Malformed("bytes follow the transaction"));
        }
        if let Some(difference) = self.fields.difference(&Fields::of(&signed)) {
            return Err(difference);
        }
        let signature = *signed.signature();
        check_signature(&signature, &self.hash, account)?;
        Ok(signature)
    }
}

/// SOUNDNESS: recovered over the hash that was asked for, never over one that the signer named.
pub(super) fn check_signature(
    signature: &Signature,
    hash: &B256,
    account: Address,
) -> Result<(), Wrong> {
    if signature.normalize_s().is_some() {
        // EIP-2: L1 takes only one of the two forms.
        return Err(Wrong::Malformed("its signature has a high s"));
    }
    match signature.recover_address_from_prehash(hash) {
        Ok(signer) if signer == account => Ok(()),
        Ok(signer) => Err(Wrong::OtherAccount(Some(signer))),
        Err(_) => Err(Wrong::OtherAccount(None)),
    }
}

/// Call data can be long.
fn shown(value: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{TxEip1559, TxEip4844, TxLegacy};
    use alloy_eips::eip2718::Encodable2718;
    use alloy_primitives::TxKind;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    use super::*;

    type Change = fn(&mut TxEip1559);

    fn key(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
    }

    fn transfer() -> TxEip1559 {
        TxEip1559 {
            chain_id: 5,
            nonce: 7,
            gas_limit: 50_000,
            max_fee_per_gas: 1_000,
            max_priority_fee_per_gas: 3,
            to: TxKind::Call(Address::repeat_byte(9)),
            value: U256::from(11),
            input: vec![1, 2, 3].into(),
            ..Default::default()
        }
    }

    fn signed(transaction: TxEip1559, by: &PrivateKeySigner) -> Vec<u8> {
        let signature = by.sign_hash_sync(&transaction.signature_hash()).unwrap();
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
    }

    #[test]
    fn every_field_is_asked_for() {
        let asked = Asked::new(&transfer());
        let expected = json!({
            "from": Address::repeat_byte(1), "type": "0x2", "chainId": "0x5", "nonce": "0x7",
            "to": Address::repeat_byte(9), "value": "0xb", "data": "0x010203", "input": "0x010203",
            "gas": "0xc350", "maxFeePerGas": "0x3e8", "maxPriorityFeePerGas": "0x3",
        });
        assert_eq!(asked.request(Address::repeat_byte(1)), expected);

        let legacy = TxLegacy { gas_price: 9, ..Default::default() };
        let request = Asked::new(&legacy).request(Address::ZERO);
        assert_eq!(request["gasPrice"], "0x9");
        assert!(request.get("to").is_none() && request.get("maxFeePerGas").is_none());

        let hashes = vec![B256::repeat_byte(1), B256::repeat_byte(2)];
        let blobs = TxEip4844 {
            max_fee_per_blob_gas: 4,
            blob_versioned_hashes: hashes.clone(),
            ..Default::default()
        };
        let request = Asked::new(&blobs).request(Address::ZERO);
        assert_eq!(request["maxFeePerBlobGas"], "0x4");
        assert_eq!(request["blobVersionedHashes"], json!(hashes));
    }

    #[test]
    fn only_what_was_asked_for_is_taken() {
        let (honest, other) = (key(1), key(2));
        let asked = Asked::new(&transfer());
        let check = |raw: &[u8]| asked.check(honest.address(), raw);
        assert!(check(&signed(transfer(), &honest)).is_ok());

        let changes: [(&str, Change); 8] = [
            ("chain id", |t| t.chain_id = 6),
            ("nonce", |t| t.nonce = 8),
            ("recipient", |t| t.to = TxKind::Call(Address::repeat_byte(8))),
            ("value", |t| t.value = U256::from(12)),
            ("data", |t| t.input = Bytes::new()),
            ("gas limit", |t| t.gas_limit += 1),
            ("fee", |t| t.max_fee_per_gas += 1),
            ("priority fee", |t| t.max_priority_fee_per_gas += 1),
        ];
        for (name, change) in changes {
            let mut changed = transfer();
            change(&mut changed);
            let wrong = check(&signed(changed, &honest)).unwrap_err();
            assert!(
                matches!(wrong, Wrong::Changed { field, .. } if field == name),
                "{name}: {wrong:?}"
            );
        }
        let wrong = check(&signed(transfer(), &other)).unwrap_err();
        assert_eq!(wrong, Wrong::OtherAccount(Some(other.address())));
        let mut long = signed(transfer(), &honest);
        long.push(0);
        assert!(matches!(check(&long), Err(Wrong::Malformed(_))));
        assert!(matches!(check(b"no transaction"), Err(Wrong::Malformed(_))));

        let list = AccessList(vec![Default::default()]);
        let wrong = check(&signed(TxEip1559 { access_list: list, ..transfer() }, &honest));
        assert!(matches!(wrong, Err(Wrong::Changed { field: "access list", .. })));
        let legacy = TxLegacy::default();
        let signature = honest.sign_hash_sync(&legacy.signature_hash()).unwrap();
        let raw = TxEnvelope::from(legacy.into_signed(signature)).encoded_2718();
        assert!(matches!(check(&raw), Err(Wrong::Changed { field: "type", .. })));
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(200)).chars().count(), 81);
    }
}
