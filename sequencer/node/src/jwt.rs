//! Who may call the Engine API and the operators' methods: tokens of execution-apis' `authentication.md`, signed with a secret that
//! both sides have (JWT with HS256, RFC 7519 and 7515).

use std::{fmt, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::error::ConfigError;

/// Seconds by which a token's time may differ from ours (`authentication.md`).
const AGE_MAX: u64 = 60;
/// Bytes of a block of SHA-256 (RFC 2104).
const HASH_BLOCK: usize = 64;

/// What both sides know.
#[derive(Clone)]
pub struct JwtSecret([u8; 32]);

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret")
    }
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is too old or from the future: look at both clocks")]
    Time,
    #[error("the token has expired")]
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: Option<u64>,
}

impl JwtSecret {
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// From 64 hexadecimal digits in a file, with or without `0x`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |reason: String| ConfigError::JwtSecret { path: path.to_path_buf(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let digits = text.trim();
        let mut secret = [0; 32];
        alloy_primitives::hex::decode_to_slice(digits, &mut secret)
            .map_err(|error| failed(format!("it must hold 64 hexadecimal digits: {error}")))?;
        Ok(Self(secret))
    }

    /// The secret in the file, which is made, readable by its owner only, if it is not there.
    pub fn read_or_create(path: &Path) -> Result<Self, ConfigError> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let failed = |error: std::io::Error| ConfigError::JwtSecret {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Self::read(path);
            }
            Err(error) => return Err(failed(error)),
        };
        let secret: [u8; 32] = rand::random();
        let digits = alloy_primitives::hex::encode(secret);
        file.write_all(digits.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(Self(secret))
    }

    /// Whether a token was signed with the secret a short while before `now`, seconds since the Unix
    /// epoch.
    pub fn check(&self, token: &str, now: u64) -> Result<(), JwtError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let json = |part: &str| base64url(part).ok_or(JwtError::Malformed);
        let header: Header =
            serde_json::from_slice(&json(header)?).map_err(|_| JwtError::Malformed)?;
        if header.alg != "HS256" {
            return Err(JwtError::Algorithm);
        }
        let expected = hmac_sha256(&self.0, signed.as_bytes());
        if !equal(&expected, &json(signature)?) {
            return Err(JwtError::Signature);
        }
        let claims: Claims =
            serde_json::from_slice(&json(claims)?).map_err(|_| JwtError::Malformed)?;
        if claims.iat.abs_diff(now) > AGE_MAX {
            return Err(JwtError::Time);
        }
        if claims.exp.is_some_and(|expires| expires.saturating_add(AGE_MAX) < now) {
            return Err(JwtError::Expired);
        }
        Ok(())
    }

    /// A token of the time given, seconds since the Unix epoch.
    pub fn token(&self, now: u64) -> String {
        let header = to_base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = to_base64url(format!("{{\"iat\":{now}}}").as_bytes());
        let signed = format!("{header}.{claims}");
        let signature = to_base64url(&hmac_sha256(&self.0, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// RFC 2104 with SHA-256; the key is not longer than a block.
fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; HASH_BLOCK];
        for (block, key) in block.iter_mut().zip(key) {
            *block ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

/// Compares in a time that does not tell where the difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648, section 5, without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0_u32, 0);
    for symbol in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == symbol)?;
        held = held << 6 | value as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    // What is left over must be zero, and less than a symbol.
    (bits < 6 && held == 0).then_some(bytes)
}

fn to_base64url(bytes: &[u8]) -> String {
    let symbol = |value: u32| char::from(ALPHABET[(value & 63) as usize]);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let word = (0..3).fold(0_u32, |word, at| {
                word << 8 | u32::from(chunk.get(at).copied().unwrap_or_default())
            });
            [18, 12, 6, 0].map(|shift| symbol(word >> shift)).into_iter().take(chunk.len() + 1)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test case 1: its key of 20 bytes is padded with zeros to a block, as 32 bytes are.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = alloy_primitives::hex::encode(hmac_sha256(&key, b"Hi There"));
        assert_eq!(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(to_base64url(bytes.as_bytes()), text);
            assert_eq!(base64url(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(to_base64url(&[0xfb, 0xff]), "-_8");
        for bad in ["Zg==", "Z", "Zh", "a+b/"] {
            assert_eq!(base64url(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_fresh_tokens_with_our_secret_are_taken() {
        let secret = JwtSecret::new([7; 32]);
        let token = secret.token(NOW);
        for age in [0, 59, 60] {
            assert_eq!(secret.check(&token, NOW + age), Ok(()));
            assert_eq!(secret.check(&token, NOW - age), Ok(()));
        }
        assert_eq!(secret.check(&token, NOW + 61), Err(JwtError::Time));
        assert_eq!(secret.check(&token, NOW - 61), Err(JwtError::Time));
        assert_eq!(JwtSecret::new([8; 32]).check(&token, NOW), Err(JwtError::Signature));
        let (signed, _) = token.rsplit_once('.').unwrap();
        assert_eq!(secret.check(&format!("{signed}."), NOW), Err(JwtError::Signature));
        let none = format!(
            "{}.{}.",
            to_base64url(br#"{"alg":"none"}"#),
            to_base64url(format!("{{\"iat\":{NOW}}}").as_bytes())
        );
        assert_eq!(secret.check(&none, NOW), Err(JwtError::Algorithm));
        for bad in ["", ".", "..", "a.b", "a.b.c"] {
            assert_eq!(secret.check(bad, NOW), Err(JwtError::Malformed), "{bad}");
        }
    }
}
