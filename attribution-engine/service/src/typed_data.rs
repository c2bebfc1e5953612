//! What is signed (EIP-712) in the form that signers elsewhere take (`eth_signTypedData`): as JSON, beside the digest that
//! their signatures are checked against.

use alloy_primitives::B256;
use alloy_sol_types::Eip712Domain;
use serde_json::{Value, json};

/// Something that is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned<T> {
    pub content: T,
    pub digest: B256,
    /// Large numbers are decimal text.
    pub typed_data: Value,
}

/// The JSON of a struct with `fields` (name and type) in `domain`.
pub(crate) fn typed_data(
    name: &str,
    fields: &[(&str, &str)],
    domain: &Eip712Domain,
    message: Value,
) -> Value {
    let list = |fields: &[(&str, &str)]| -> Vec<Value> {
        fields.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect()
    };
    let mut of_domain = vec![("name", "string"), ("version", "string"), ("chainId", "uint256")];
    let mut values = json!({
        "name": domain.name,
        "version": domain.version,
        "chainId": domain.chain_id.unwrap_or_default().saturating_to::<u64>(),
    });
    if let Some(contract) = domain.verifying_contract {
        of_domain.push(("verifyingContract", "address"));
        values["verifyingContract"] = json!(contract);
    }
    json!({
        "types": {"EIP712Domain": list(&of_domain), name: list(fields)},
        "primaryType": name,
        "domain": values,
        "message": message,
    })
}
