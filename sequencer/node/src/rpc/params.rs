//! Positional parameters, each parsed when its method asks for it.

use std::str::FromStr;

use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::TransactionRequest;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{call_request, error::RpcError};

/// The parameters of one call.
#[derive(Debug)]
pub struct Params<'a>(Vec<&'a RawValue>);

impl<'a> Params<'a> {
    /// Takes an array, or nothing. Parameters by name are refused, as no Ethereum node takes them.
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self(Vec::new())) };
        match raw.get().as_bytes().first() {
            Some(b'n') => Ok(Self(Vec::new())),
            Some(b'[') => serde_json::from_str(raw.get())
                .map(Self)
                .map_err(|error| RpcError::invalid_params(format!("invalid params: {error}"))),
            _ => Err(RpcError::invalid_params("non-array args")),
        }
    }

    /// Refuses more than `count` parameters (geth's words).
    pub fn at_most(&self, count: usize) -> Result<(), RpcError> {
        if self.0.len() > count {
            return Err(RpcError::invalid_params(format!(
                "too many arguments, want at most {count}"
            )));
        }
        Ok(())
    }

    /// A storage key. What is none is not an error of the parameters' form to geth.
    pub fn storage_key(&self, index: usize) -> Result<StorageKey, RpcError> {
        let text = self.required::<String>(index)?;
        text.parse()
            .map_err(|reason| RpcError::server(format!("unable to decode storage key: {reason}")))
    }

    pub fn required<T: DeserializeOwned>(&self, index: usize) -> Result<T, RpcError> {
        self.optional(index)?.ok_or_else(|| {
            RpcError::invalid_params(format!("missing value for required argument {index}"))
        })
    }

    /// What to call.
    pub fn call(&self, index: usize) -> Result<TransactionRequest, RpcError> {
        match self.text(index).and_then(call_request::usual) {
            Some(call) => Ok(call),
            None => self.required(index),
        }
    }

    /// As it was written.
    pub fn text(&self, index: usize) -> Option<&'a str> {
        self.0.get(index).map(|raw| raw.get())
    }

    /// `None` when absent or null.
    pub fn optional<T: DeserializeOwned>(&self, index: usize) -> Result<Option<T>, RpcError> {
        let Some(raw) = self.0.get(index) else { return Ok(None) };
        if is_bare_hex(raw.get()) {
            return Err(RpcError::invalid_params(format!(
                "invalid argument {index}: hex string without 0x prefix"
            )));
        }
        serde_json::from_str(raw.get())
            .map_err(|error| RpcError::invalid_params(format!("invalid argument {index}: {error}")))
    }
}

/// Whether a value is a hash or an address without its `0x`, which our types would take and geth does
/// not.
fn is_bare_hex(json: &str) -> bool {
    let text = json.trim_matches('"');
    matches!(text.len(), 40 | 64)
        && text.len() != json.len()
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A 32-byte key given as full data or as a short quantity such as `0x0` (web3.py sends those).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey {
    pub key: B256,
    /// Whether all 64 digits were given: answers repeat the form, which clients compare with.
    full: bool,
}

impl StorageKey {
    /// In the form it was given.
    pub fn into_json<T: From<B256> + From<U256>>(self) -> T {
        if self.full { self.key.into() } else { U256::from_be_bytes(self.key.0).into() }
    }
}

impl<'de> Deserialize<'de> for StorageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for StorageKey {
    type Err = &'static str;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let digits = given
            .strip_prefix("0x")
            .or_else(|| given.strip_prefix("0X"))
            .ok_or("hex string without 0x prefix")?;
        if digits.len() > 64 {
            return Err("hex string too long, want at most 32 bytes");
        }
        if digits.is_empty() {
            return Err("hex string invalid");
        }
        let value = U256::from_str_radix(digits, 16).map_err(|_| "hex string invalid")?;
        Ok(Self { key: B256::from(value), full: digits.len() == 64 })
    }
}

/// A number given as a hex quantity or as a JSON number (some clients send `eth_feeHistory`'s
/// block count so).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(number) => Ok(Self(number)),
            Form::Text(text) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => text.parse(),
                };
                parsed.map(Self).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn positions_nulls_and_limits() {
        let json = raw("[\"0x5\", null]");
        let params = Params::parse(Some(&json)).unwrap();
        assert_eq!(params.required::<Number>(0).unwrap(), Number(5));
        assert_eq!(params.optional::<Number>(1).unwrap(), None);
        assert_eq!(params.optional::<Number>(2).unwrap(), None);
        assert_eq!(
            params.required::<Number>(1).unwrap_err().message,
            "missing value for required argument 1"
        );
        assert!(params.at_most(2).is_ok());
        assert_eq!(params.at_most(1).unwrap_err().message, "too many arguments, want at most 1");
        assert!(params.required::<bool>(0).is_err());

        let bare = raw(&format!("[\"{}\"]", "ab".repeat(32)));
        assert!(Params::parse(Some(&bare)).unwrap().required::<B256>(0).is_err());
        let prefixed = raw(&format!("[\"0x{}\"]", "ab".repeat(32)));
        assert!(Params::parse(Some(&prefixed)).unwrap().required::<B256>(0).is_ok());

        assert!(Params::parse(Some(&raw("{\"a\":1}"))).is_err());
        assert!(Params::parse(Some(&raw("null"))).unwrap().at_most(0).is_ok());
        assert!(Params::parse(None).unwrap().at_most(0).is_ok());
    }

    #[test]
    fn storage_keys_are_padded() {
        let key = |json: &str| serde_json::from_str::<StorageKey>(json).map(|key| key.key);
        assert_eq!(key("\"0x0\"").unwrap(), B256::ZERO);
        assert_eq!(key("\"0x5\"").unwrap(), B256::with_last_byte(5));
        assert_eq!(key(&format!("\"{}\"", B256::repeat_byte(7))).unwrap(), B256::repeat_byte(7));
        for bad in ["\"5\"", "\"0x\"", "\"0xzz\"", "5", &format!("\"0x1{}\"", "0".repeat(64))] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
