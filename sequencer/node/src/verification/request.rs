//! What a client submitted, checked. Field names are Etherscan's, with its misspelling.

use std::{collections::HashMap, fmt};

use alloy_primitives::{Address, Bytes, hex};
use serde_json::{Map, Value, json};

use crate::error::VerificationError;

/// Fields of a query or a form.
pub(super) type Fields = HashMap<String, String>;

/// Name under which a single file is compiled.
const SINGLE_FILE: &str = "contract.sol";

/// Which contract of the sources is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub path: Option<String>,
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{path}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A checked `verifysourcecode`.
#[derive(Clone, Debug)]
pub(super) struct Submission {
    pub address: Address,
    pub target: Target,
    /// Without the leading `v`.
    pub compiler_version: String,
    /// Standard JSON that cannot reach outside of itself.
    pub input: Value,
    /// `None` if the client left them to be found.
    pub constructor_arguments: Option<Bytes>,
    single_file: bool,
}

impl Submission {
    /// `input_bytes_max` bounds the sources.
    pub(super) fn new(fields: &Fields, input_bytes_max: usize) -> Result<Self, VerificationError> {
        let address = address(fields, "contractaddress")?;
        let source = required(fields, "sourceCode")?;
        if source.len() > input_bytes_max {
            return Err(VerificationError::InputTooLarge { limit: input_bytes_max });
        }
        let name = required(fields, "contractname")?;
        let mut target = match name.rsplit_once(':') {
            Some((path, name)) => Target { path: Some(path.to_owned()), name: name.to_owned() },
            None => Target { path: None, name: name.to_owned() },
        };
        let version = required(fields, "compilerversion")?;
        let compiler_version = version.strip_prefix('v').unwrap_or(version).to_owned();
        let format = fields.get("codeformat").map_or("solidity-single-file", String::as_str);
        let (mut input, single_file) = match format {
            "solidity-standard-json-input" => (standard_json(source)?, false),
            "solidity-single-file" => {
                target.path = Some(SINGLE_FILE.to_owned());
                (single_file(fields, source)?, true)
            }
            _ => {
                return Err(bad(
                    "codeformat",
                    "expected solidity-standard-json-input or -single-file",
                ));
            }
        };
        let outputs = json!([
            "abi",
            "evm.bytecode.object",
            "evm.deployedBytecode.object",
            "evm.deployedBytecode.immutableReferences",
        ]);
        let file = target.path.as_deref().unwrap_or("*");
        input["settings"]["outputSelection"] = json!({ file: { target.name.as_str(): outputs } });
        let constructor_arguments = ["constructorArguements", "constructorArguments"]
            .iter()
            .find_map(|name| fields.get(*name).map(|text| (*name, text)))
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| hex::decode(text).map_err(|_| bad(name, "expected hex")))
            .transpose()?
            .map(Bytes::from);
        Ok(Self { address, target, compiler_version, input, constructor_arguments, single_file })
    }

    /// As Etherscan shows it: one file as it is, standard JSON in another pair of braces.
    pub(super) fn displayed_source(&self) -> String {
        if self.single_file {
            let content = &self.input["sources"][SINGLE_FILE]["content"];
            content.as_str().unwrap_or_default().to_owned()
        } else {
            format!("{{{}}}", self.input)
        }
    }
}

/// The parts of standard JSON that decide about the code. Left out is what could reach files or
/// programs (`urls`, the model checker) or stop the compiler early.
fn standard_json(text: &str) -> Result<Value, VerificationError> {
    let reason = |reason: &str| bad("sourceCode", reason);
    // Etherscan's own form of it.
    let text = match text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}")) {
        Some(inner) => format!("{{{inner}}}"),
        None => text.to_owned(),
    };
    let Ok(Value::Object(mut given)) = serde_json::from_str(&text) else {
        return Err(reason("expected a JSON object"));
    };
    if given.get("language").and_then(Value::as_str) != Some("Solidity") {
        return Err(reason("language must be Solidity"));
    }
    let Some(Value::Object(files)) = given.remove("sources") else {
        return Err(reason("sources must be an object"));
    };
    let mut sources = Map::new();
    for (path, file) in files {
        let Some(content) = file.get("content").and_then(Value::as_str) else {
            return Err(reason("every source needs its content"));
        };
        sources.insert(path, json!({ "content": content }));
    }
    let mut settings = match given.remove("settings") {
        None => Map::new(),
        Some(Value::Object(settings)) => settings,
        Some(_) => return Err(reason("settings must be an object")),
    };
    for unwanted in ["modelChecker", "stopAfter", "outputSelection"] {
        settings.remove(unwanted);
    }
    Ok(json!({ "language": "Solidity", "sources": sources, "settings": settings }))
}

/// Standard JSON for one file and the settings beside it.
fn single_file(fields: &Fields, source: &str) -> Result<Value, VerificationError> {
    let mut settings = Map::new();
    let enabled = matches!(fields.get("optimizationUsed").map(String::as_str), Some("1" | "true"));
    let runs = match fields.get("runs").map(String::as_str) {
        None | Some("") => 200,
        Some(runs) => runs.parse::<u32>().map_err(|_| bad("runs", "expected a number"))?,
    };
    settings.insert("optimizer".into(), json!({ "enabled": enabled, "runs": runs }));
    match fields.get("evmversion").map(|version| version.to_lowercase()) {
        None => {}
        Some(version) if version.is_empty() || version == "default" => {}
        Some(version) => {
            settings.insert("evmVersion".into(), version.into());
        }
    }
    if matches!(fields.get("viaIR").map(String::as_str), Some("1" | "true")) {
        settings.insert("viaIR".into(), true.into());
    }
    let mut libraries = Map::new();
    for index in 1..=10 {
        if let Some(name) = fields.get(&format!("libraryname{index}")).filter(|n| !n.is_empty()) {
            let library = address(fields, &format!("libraryaddress{index}"))?;
            libraries.insert(name.clone(), library.to_string().into());
        }
    }
    if !libraries.is_empty() {
        settings.insert("libraries".into(), json!({ SINGLE_FILE: libraries }));
    }
    Ok(json!({
        "language": "Solidity",
        "sources": { SINGLE_FILE: { "content": source } },
        "settings": settings,
    }))
}

/// A field that must be there.
pub(super) fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, VerificationError> {
    match fields.get(name).map(String::as_str) {
        None | Some("") => Err(bad(name, "is missing")),
        Some(value) => Ok(value),
    }
}

/// A field that must be an address.
pub(super) fn address(fields: &Fields, name: &str) -> Result<Address, VerificationError> {
    required(fields, name)?.parse().map_err(|_| bad(name, "expected an address"))
}

fn bad(field: &str, reason: &str) -> VerificationError {
    VerificationError::Field { field: field.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(source: &str, format: &str) -> Fields {
        [
            ("contractaddress", "0x4242424242424242424242424242424242424242"),
            ("sourceCode", source),
            ("codeformat", format),
            ("contractname", "src/A.sol:A"),
            ("compilerversion", "v0.8.37+commit.f401782d"),
            ("constructorArguements", "00ff"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    const STANDARD: &str = r#"{"language":"Solidity","sources":{"src/A.sol":{"content":"contract A {}",
        "urls":["file:///etc/passwd"]}},"settings":{"viaIR":true,"modelChecker":{"engine":"all"},
        "outputSelection":{"*":{"*":["*"]}}},"auxiliaryInput":{}}"#;

    #[test]
    fn standard_json_is_cut_down_to_what_decides_about_the_code() {
        let submission =
            Submission::new(&fields(STANDARD, "solidity-standard-json-input"), 10_000).unwrap();
        assert_eq!(submission.compiler_version, "0.8.37+commit.f401782d");
        assert_eq!(submission.target.to_string(), "src/A.sol:A");
        assert_eq!(submission.constructor_arguments, Some(Bytes::from(vec![0, 0xff])));
        let input = &submission.input;
        assert_eq!(input["sources"], json!({"src/A.sol": {"content": "contract A {}"}}));
        assert_eq!(input["settings"]["viaIR"], true);
        assert_eq!(input["settings"]["modelChecker"], Value::Null);
        assert_eq!(input["auxiliaryInput"], Value::Null);
        let selected = input["settings"]["outputSelection"].as_object().unwrap();
        assert_eq!(selected.keys().collect::<Vec<_>>(), ["src/A.sol"]);
        assert!(submission.displayed_source().starts_with("{{"));
    }

    #[test]
    fn a_single_file_brings_its_settings_in_fields() {
        let mut fields = fields("contract A {}", "solidity-single-file");
        for (name, value) in [
            ("optimizationUsed", "1"),
            ("runs", "999"),
            ("evmversion", "cancun"),
            ("libraryname1", "L"),
            ("libraryaddress1", "0x0000000000000000000000000000000000000001"),
        ] {
            fields.insert(name.into(), value.into());
        }
        let submission = Submission::new(&fields, 100).unwrap();
        let settings = &submission.input["settings"];
        assert_eq!(settings["optimizer"], json!({"enabled": true, "runs": 999}));
        assert_eq!(settings["evmVersion"], "cancun");
        assert_eq!(
            settings["libraries"][SINGLE_FILE]["L"],
            "0x0000000000000000000000000000000000000001"
        );
        assert_eq!(submission.displayed_source(), "contract A {}");
        assert_eq!(submission.target.path.as_deref(), Some(SINGLE_FILE));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let standard = "solidity-standard-json-input";
        let reason =
            |fields: &Fields, limit| Submission::new(fields, limit).unwrap_err().to_string();
        assert!(reason(&fields(STANDARD, standard), 10).contains("10 bytes"));
        assert!(reason(&fields(STANDARD, "vyper-json"), 10_000).contains("codeformat"));
        assert!(reason(&fields("[]", standard), 10_000).contains("sourceCode"));
        let only_urls = STANDARD.replace("\"content\":\"contract A {}\",", "");
        assert!(reason(&fields(&only_urls, standard), 10_000).contains("content"));
        for missing in ["contractaddress", "sourceCode", "contractname", "compilerversion"] {
            let mut fields = fields(STANDARD, standard);
            fields.remove(missing);
            assert!(reason(&fields, 10_000).contains(missing));
        }
        let mut odd = fields(STANDARD, standard);
        odd.insert("constructorArguements".into(), "abc".into());
        assert!(reason(&odd, 10_000).contains("constructorArguements"));
    }
}
