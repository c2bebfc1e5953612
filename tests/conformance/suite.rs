//! The suite's files: what is asked, what must be answered, and by which rules the two are compared.
//!
//! A file holds exchanges: a line that begins with `>>` is a request, the next with `<<` its answer;
//! `//` begins a comment, of which `speconly:` says that the answer's values are not compared, only its
//! form.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// One request and its answer.
pub struct Exchange {
    pub request: String,
    pub expected: Value,
}

/// One file.
pub struct Case {
    /// `method/name`, as exceptions name it.
    pub name: String,
    pub method: String,
    pub exchanges: Vec<Exchange>,
    /// Whether only the form of an answer counts.
    pub form_only: bool,
}

/// Every file below a folder, ordered by name.
pub fn read(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for method in entries(folder)? {
        if !method.is_dir() {
            continue;
        }
        for file in entries(&method)? {
            if file.extension().is_some_and(|extension| extension == "io") {
                cases.push(Case::read(&method, &file)?);
            }
        }
    }
    Ok(cases)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

impl Case {
    fn read(method: &Path, file: &Path) -> Result<Self> {
        let last =
            |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let method = last(method);
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut exchanges = Vec::new();
        let mut asked = None;
        let mut form_only = false;
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("//") {
                form_only |= comment.trim_start().starts_with("speconly:");
            } else if let Some(request) = line.strip_prefix(">>") {
                ensure!(asked.is_none(), "{}: two requests in a row", file.display());
                asked = Some(request.trim().to_owned());
            } else if let Some(answer) = line.strip_prefix("<<") {
                let Some(request) = asked.take() else {
                    bail!("{}: an answer to nothing", file.display());
                };
                let expected = serde_json::from_str(answer.trim())
                    .with_context(|| format!("{}: an answer is no JSON", file.display()))?;
                exchanges.push(Exchange { request, expected });
            }
        }
        ensure!(asked.is_none() && !exchanges.is_empty(), "{}: no answer", file.display());
        Ok(Self { name: format!("{method}/{}", last(file)), method, exchanges, form_only })
    }
}

/// What of an answer is not as it should be. Messages of errors may differ, their codes and data not.
pub fn compare(expected: &Value, got: &Value, form_only: bool) -> Option<String> {
    let code = |answer: &Value| answer.get("error").map(|error| error["code"].clone());
    if code(expected) != code(got) {
        return Some(format!("the outcome is another: {expected} became {got}"));
    }
    let (mut expected, mut got) = (expected.clone(), got.clone());
    for answer in [&mut expected, &mut got] {
        if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
            error.remove("message");
        }
    }
    difference("", &expected, &got, form_only)
}

fn difference(path: &str, expected: &Value, got: &Value, form_only: bool) -> Option<String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let missing = expected.keys().find(|key| !got.contains_key(*key));
            if let Some(key) = missing {
                return Some(format!("{path}.{key} is missing"));
            }
            if let Some((key, value)) = got.iter().find(|(key, _)| !expected.contains_key(*key)) {
                return Some(format!("{path}.{key} is too much: {value}"));
            }
            expected.iter().find_map(|(key, value)| {
                difference(&format!("{path}.{key}"), value, &got[key], form_only)
            })
        }
        (Value::Array(expected), Value::Array(got)) => {
            if expected.len() != got.len() && !form_only {
                return Some(format!("{path} has {} items, not {}", got.len(), expected.len()));
            }
            let mut items = expected.iter().zip(got).enumerate();
            items.find_map(|(index, (expected, got))| {
                difference(&format!("{path}[{index}]"), expected, got, form_only)
            })
        }
        (expected, got) if form_only && kind(expected) == kind(got) => None,
        (expected, got) if expected == got => None,
        (expected, got) => Some(format!("{path} is {got}, not {expected}")),
    }
}

/// The form of a value: hexadecimal and other texts are told apart.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(text) if text.starts_with("0x") => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}

#[test]
fn answers_are_compared() {
    use serde_json::json;
    let check = |expected: Value, got: Value, form_only, same: bool| {
        assert_eq!(compare(&expected, &got, form_only).is_none(), same, "{expected} {got}");
    };
    check(
        json!({"id": 1, "result": {"a": 1, "b": 2}}),
        json!({"result": {"b": 2, "a": 1}, "id": 1}),
        false,
        true,
    );
    check(json!({"result": {"a": 1}}), json!({"result": {"a": 1, "b": null}}), false, false);
    check(json!({"result": {"a": null}}), json!({"result": {}}), true, false);
    check(json!({"result": ["0x1"]}), json!({"result": ["0x2"]}), false, false);
    check(json!({"result": ["0x1"]}), json!({"result": ["0x2"]}), true, true);
    check(json!({"result": "0x1"}), json!({"result": 1}), true, false);
    check(json!({"result": []}), json!({"result": ["0x1"]}), false, false);
    let error = |code: i64, message: &str, data: &str| json!({"error": {"code": code, "message": message, "data": data}});
    check(error(3, "a", "0x"), error(3, "b", "0x"), false, true);
    check(error(3, "a", "0x"), error(3, "a", "0x01"), false, false);
    check(error(3, "a", "0x"), error(4, "a", "0x"), true, false);
    check(error(3, "a", "0x"), json!({"result": "0x"}), true, false);
}
