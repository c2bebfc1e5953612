//! What is kept of a verified contract, as JSON in the store's journal under the contract's address.

use alloy_primitives::{Address, Bytes};
use serde::{Deserialize, Serialize};
use store::Store;

use super::{
    matching::{Compiled, Match},
    request::Submission,
};
use crate::error::VerificationError;

const NAMESPACE: &str = "verified-contracts";

/// One verified contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub kind: Match,
    pub contract_name: String,
    /// `0.8.37+commit.f401782d`.
    pub compiler_version: String,
    /// As `getsourcecode` gives it: the source, or the standard JSON input in braces.
    pub source_code: String,
    /// JSON.
    pub abi: String,
    pub optimizer: bool,
    pub optimizer_runs: u64,
    /// `Default` when the settings name none.
    pub evm_version: String,
    pub constructor_arguments: Bytes,
    /// Whether the arguments were compared with those of the creation.
    pub creation_known: bool,
}

impl Record {
    pub(super) fn new(
        submission: &Submission,
        compiled: &Compiled,
        kind: Match,
        constructor_arguments: Bytes,
        creation_known: bool,
    ) -> Self {
        let settings = &submission.input["settings"];
        Self {
            kind,
            contract_name: submission.target.name.clone(),
            compiler_version: submission.compiler_version.clone(),
            source_code: submission.displayed_source(),
            abi: compiled.abi.clone(),
            optimizer: settings["optimizer"]["enabled"].as_bool().unwrap_or(false),
            optimizer_runs: settings["optimizer"]["runs"].as_u64().unwrap_or(200),
            evm_version: settings["evmVersion"].as_str().unwrap_or("Default").to_owned(),
            constructor_arguments,
            creation_known,
        }
    }

    pub(super) fn load(store: &Store, address: Address) -> Result<Option<Self>, VerificationError> {
        let Some(bytes) = store.journal_get(NAMESPACE, address.as_slice())? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| VerificationError::Internal(format!("record of {address}: {error}")))
    }

    /// Durable when this returns. A full match is never replaced by a partial one.
    pub(super) fn save(self, store: &Store, address: Address) -> Result<(), VerificationError> {
        let known = Self::load(store, address)?;
        if self.kind == Match::Partial && known.is_some_and(|known| known.kind == Match::Full) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self)
            .map_err(|error| VerificationError::Internal(error.to_string()))?;
        Ok(store.journal_put(NAMESPACE, address.as_slice(), &bytes)?)
    }
}
