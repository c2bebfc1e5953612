//! What a chain's genesis states of the default model: disputes about records are decided under one engine
//! spec, and show tokens by the tokenizer's tree. The values follow from the model file; a test computes
//! them wherever the file is.

use alloy_primitives::{B256, b256, keccak256};
use models::{TokenId, Tokenizer};
use scores::{ScoresError, merkle, spec::EngineSpec};

/// Fingerprint of the default model's tokenizer: `tokenizerHash` of the engine spec.
pub const TOKENIZER_HASH: B256 =
    b256!("0x57155bf332034e3f6a30c8c5d0cba7e23ae0ad12de14e2a9768a19a021f37430");

/// Plain tree over keccak256 of each token's bytes, in order of the tokens.
pub const VOCABULARY_ROOT: B256 =
    b256!("0xfc1cf0a33a8c1d4127cf3323eaf8700927c4bc3c7d4a6e7926af929ee3fbe932");

/// Tokens of the default model.
pub const VOCABULARY_SIZE: u32 = 49_152;

/// The engine spec of the default model under the usual parameters.
pub fn engine_spec() -> EngineSpec {
    EngineSpec {
        tokenizer_hash: TOKENIZER_HASH,
        model_hash: models::DEFAULT_MODEL_SHA256.into(),
        ..EngineSpec::default()
    }
}

/// Leaves of the tree of a tokenizer's tokens, as `RecordFacts` opens it.
pub fn vocabulary(tokenizer: &Tokenizer) -> Result<Vec<B256>, ScoresError> {
    let size = TokenId::try_from(tokenizer.vocabulary_size().saturating_sub(1));
    let last = size.map_err(|_| ScoresError::Overflow { what: "token ids" })?;
    let leaf = |token| merkle::leaf_hash(keccak256(tokenizer.bytes(token)).as_slice());
    Ok((0..=last).map(leaf).collect())
}

/// Root of the tree of a tokenizer's tokens.
pub fn vocabulary_root(tokenizer: &Tokenizer) -> Result<B256, ScoresError> {
    merkle::root(&vocabulary(tokenizer)?)
}

#[cfg(test)]
mod tests {
    use models::{DEFAULT_MODEL_SHA256, default_model_path, parts, read_model};

    use super::*;

    #[test]
    fn the_values_are_those_of_the_model_file() {
        let path = default_model_path();
        if !path.exists() {
            println!("skipped: {} is missing, ./scripts/setup fetches it", path.display());
            return;
        }
        let (_, tokenizer) =
            parts(&read_model(&path, Some(DEFAULT_MODEL_SHA256)).unwrap()).unwrap();
        assert_eq!(tokenizer.vocabulary_size() as u32, VOCABULARY_SIZE);
        let values = (B256::from(tokenizer.fingerprint()), vocabulary_root(&tokenizer).unwrap());
        assert_eq!(values, (TOKENIZER_HASH, VOCABULARY_ROOT));
        // What `factLonger` takes for granted: a word that is a token is what its text becomes.
        let mut words = 0;
        for token in 0..tokenizer.vocabulary_size() as TokenId {
            let [b' ', letters @ ..] = tokenizer.bytes(token) else { continue };
            if letters.is_empty() || !letters.iter().all(u8::is_ascii_alphabetic) {
                continue;
            }
            let text = String::from_utf8(tokenizer.bytes(token).to_vec()).unwrap();
            assert_eq!(tokenizer.encode(&text).unwrap(), [token], "{text:?}");
            words += 1;
        }
        assert!(words > 10_000, "{words}");
    }
}
