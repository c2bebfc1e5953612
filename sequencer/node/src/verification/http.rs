//! `/api`: Etherscan's envelope around verification. Answers are always HTTP 200 with `status`
//! `"1"` or `"0"`; clients match on the texts.

use std::sync::Arc;

use alloy_primitives::hex;
use axum::{
    Form, Json, Router,
    extract::{Query, State, rejection::FormRejection},
    routing::get,
};
use serde_json::{Value, json};

use super::{
    Match, Record, Verification, request,
    request::{Fields, Submission},
    results::Outcome,
};
use crate::error::VerificationError;

/// The text for contracts without a record; clients match on it.
const NOT_VERIFIED: &str = "Contract source code not verified";

/// Routes of the API, with and without the slash that some clients add.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    verification: Arc<Verification>,
) -> Router<S> {
    let methods = || get(query).post(form);
    Router::new().route("/api", methods()).route("/api/", methods()).with_state(verification)
}

async fn query(
    State(verification): State<Arc<Verification>>,
    Query(fields): Query<Fields>,
) -> Json<Value> {
    Json(answer(&verification, fields).await)
}

async fn form(
    State(verification): State<Arc<Verification>>,
    Query(mut fields): Query<Fields>,
    form: Result<Form<Fields>, FormRejection>,
) -> Json<Value> {
    Json(match form {
        Ok(Form(form)) => {
            fields.extend(form);
            answer(&verification, fields).await
        }
        Err(rejection) => failure(&rejection.body_text()),
    })
}

async fn answer(verification: &Verification, fields: Fields) -> Value {
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if field("module") != "contract" {
        return failure("Error! Missing Or invalid Module name");
    }
    let result = match field("action") {
        "verifysourcecode" => submit(verification, &fields).await,
        "checkverifystatus" => status(verification, &fields),
        "getabi" => record(verification, &fields).map(|record| match record {
            Some(record) => success(record.abi.into()),
            None => failure(NOT_VERIFIED),
        }),
        "getsourcecode" => record(verification, &fields)
            .map(|record| success(json!([record.map_or_else(unverified, verified)]))),
        "getcontractcreation" => creation(verification, &fields).await,
        _ => Ok(failure("Error! Missing Or invalid Action name")),
    };
    result.unwrap_or_else(|error| {
        if let VerificationError::Internal(detail) = &error {
            tracing::error!(%detail, "verification failed inside the node");
            return failure("internal error");
        }
        failure(&error.to_string())
    })
}

async fn submit(verification: &Verification, fields: &Fields) -> Result<Value, VerificationError> {
    if verification.compilers.is_empty() {
        return Err(VerificationError::Off);
    }
    let submission = Submission::new(fields, verification.input_bytes_max)?;
    verification.submit(submission).await.map(|id| success(id.into()))
}

fn status(verification: &Verification, fields: &Fields) -> Result<Value, VerificationError> {
    let id = request::required(fields, "guid")?;
    Ok(match verification.results.lock().get(id) {
        None => failure("Unknown UID"),
        Some(Outcome::Queued | Outcome::Running) => failure("Pending in queue"),
        Some(Outcome::Verified) => success("Pass - Verified".into()),
        Some(Outcome::Failed(reason)) => {
            let mut answer = failure("Fail - Unable to verify");
            answer["reason"] = reason.into();
            answer
        }
    })
}

fn record(
    verification: &Verification,
    fields: &Fields,
) -> Result<Option<Record>, VerificationError> {
    verification.record(request::address(fields, "address")?)
}

/// Only creations by a transaction are known.
async fn creation(
    verification: &Verification,
    fields: &Fields,
) -> Result<Value, VerificationError> {
    let addresses = request::required(fields, "contractaddresses")?;
    let mut found = Vec::new();
    for text in addresses.split(',').take(5) {
        let address = text.parse().map_err(|_| VerificationError::Field {
            field: "contractaddresses".to_owned(),
            reason: "expected addresses".to_owned(),
        })?;
        if let Some(creation) = verification.creation(address).await? {
            found.push(json!({
                "contractAddress": address,
                "contractCreator": creation.sender,
                "txHash": creation.transaction,
            }));
        }
    }
    Ok(if found.is_empty() { failure("No data found") } else { success(found.into()) })
}

fn verified(record: Record) -> Value {
    json!({
        "SourceCode": record.source_code,
        "ABI": record.abi,
        "ContractName": record.contract_name,
        "CompilerVersion": format!("v{}", record.compiler_version),
        "OptimizationUsed": if record.optimizer { "1" } else { "0" },
        "Runs": record.optimizer_runs.to_string(),
        "ConstructorArguments": hex::encode(&record.constructor_arguments),
        "EVMVersion": record.evm_version,
        "Library": "",
        "LicenseType": "",
        "Proxy": "0",
        "Implementation": "",
        "SwarmSource": "",
        // Beyond Etherscan's fields.
        "Match": match record.kind { Match::Full => "full", Match::Partial => "partial" },
        "CreationKnown": if record.creation_known { "1" } else { "0" },
    })
}

fn unverified() -> Value {
    json!({
        "SourceCode": "", "ABI": NOT_VERIFIED, "ContractName": "", "CompilerVersion": "",
        "OptimizationUsed": "0", "Runs": "0", "ConstructorArguments": "", "EVMVersion": "Default",
        "Library": "", "LicenseType": "", "Proxy": "0", "Implementation": "", "SwarmSource": "",
    })
}

fn success(result: Value) -> Value {
    json!({ "status": "1", "message": "OK", "result": result })
}

fn failure(reason: &str) -> Value {
    json!({ "status": "0", "message": "NOTOK", "result": reason })
}
