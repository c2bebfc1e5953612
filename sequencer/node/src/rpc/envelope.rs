//! The JSON-RPC 2.0 envelope: what a request is, what an answer looks like. Parsing borrows from
//! the body and leaves parameters unparsed until their method is known.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

use super::error::{INVALID_REQUEST, PARSE, RpcError, RpcResult};

/// One call as it stands in the body.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
    pub id: Id<'a>,
}

/// A request's id, echoed as it was sent.
#[derive(Clone, Copy, Debug)]
pub enum Id<'a> {
    /// No id: the caller wants no answer.
    Notification,
    /// A string, a number or null.
    Value(&'a RawValue),
}

/// A body: one call or several.
#[derive(Debug)]
pub enum Body<'a> {
    Single(Result<Request<'a>, RpcError>),
    Batch(Vec<Result<Request<'a>, RpcError>>),
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    /// Absent and null differ here.
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Body<'a> {
    /// Splits a body into calls. A batch that is empty or longer than `batch_max` is answered by
    /// one error.
    pub fn parse(body: &'a [u8], batch_max: usize) -> Self {
        let is_batch =
            body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'[');
        if !is_batch {
            return Self::Single(Request::parse(body));
        }
        let items: Vec<&RawValue> = match serde_json::from_slice(body) {
            Ok(items) => items,
            Err(error) => {
                return Self::Single(Err(RpcError::new(PARSE, format!("parse error: {error}"))));
            }
        };
        if items.is_empty() {
            return Self::Single(Err(RpcError::new(INVALID_REQUEST, "empty batch")));
        }
        if items.len() > batch_max {
            return Self::Single(Err(RpcError::new(
                INVALID_REQUEST,
                format!("batch too large: {} calls, limit {batch_max}", items.len()),
            )));
        }
        Self::Batch(items.into_iter().map(|item| Request::parse(item.get().as_bytes())).collect())
    }
}

impl<'a> Request<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, RpcError> {
        let fields: Fields<'a> = serde_json::from_slice(text).map_err(|error| {
            // A wrong type is found before a later syntax error: look at the whole text.
            match serde_json::from_slice::<IgnoredAny>(text) {
                Ok(_) => RpcError::new(INVALID_REQUEST, format!("invalid request: {error}")),
                Err(error) => RpcError::new(PARSE, format!("parse error: {error}")),
            }
        })?;
        if fields.jsonrpc.as_deref() != Some("2.0") {
            return Err(RpcError::new(
                INVALID_REQUEST,
                "invalid request: \"jsonrpc\" must be \"2.0\"",
            ));
        }
        let Some(method) = fields.method else {
            return Err(RpcError::new(INVALID_REQUEST, "invalid request: \"method\" is missing"));
        };
        let id = match fields.id {
            None => Id::Notification,
            Some(id) if is_id(id.get()) => Id::Value(id),
            Some(_) => {
                return Err(RpcError::new(
                    INVALID_REQUEST,
                    "invalid request: \"id\" must be a string, a number or null",
                ));
            }
        };
        Ok(Self { method, params: fields.params, id })
    }
}

fn is_id(json: &str) -> bool {
    matches!(json.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9' | b'n'))
}

/// Appends one response object.
pub fn write_response(out: &mut String, id: Id<'_>, result: &RpcResult) {
    let id = match id {
        Id::Notification => "null",
        Id::Value(id) => id.get(),
    };
    out.push_str("{\"jsonrpc\":\"2.0\",\"id\":");
    out.push_str(id);
    match result {
        Ok(value) => {
            out.push_str(",\"result\":");
            out.push_str(value);
        }
        Err(error) => {
            out.push_str(",\"error\":");
            out.push_str(&error_json(error));
        }
    }
    out.push('}');
}

fn error_json(error: &RpcError) -> String {
    serde_json::to_string(error)
        .unwrap_or_else(|_| "{\"code\":-32603,\"message\":\"internal error\"}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> i64 {
        match Body::parse(body.as_bytes(), 3) {
            Body::Single(Err(error)) => error.code,
            other => panic!("expected an error for {body}, got {other:?}"),
        }
    }

    #[test]
    fn errors_have_the_right_code() {
        for malformed in ["", "{", "nonsense", "[1,", "{\"jsonrpc\":1,\"method\"", "[{]"] {
            assert_eq!(code(malformed), PARSE, "{malformed}");
        }
        for invalid in [
            "1",
            "{}",
            "[]",
            "[1,2,3,4]",
            "{\"jsonrpc\":\"1.0\",\"method\":\"m\",\"id\":1}",
            "{\"jsonrpc\":\"2.0\",\"id\":1}",
            "{\"jsonrpc\":\"2.0\",\"method\":1,\"id\":1}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":{}}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":[]}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":true}",
        ] {
            assert_eq!(code(invalid), INVALID_REQUEST, "{invalid}");
        }
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_passes_as_request() {
        for deep in ["[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
            assert_eq!(code(&deep), PARSE);
        }
        let deep = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{}1{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let Body::Single(Ok(request)) = Body::parse(deep.as_bytes(), 1) else {
            panic!("parameters are not looked into here")
        };
        let params: Result<serde_json::Value, _> =
            serde_json::from_str(request.params.unwrap().get());
        assert!(params.is_err());
    }

    #[test]
    fn null_and_absent_ids_differ() {
        let parse = |body: &'static str| match Body::parse(body.as_bytes(), 1) {
            Body::Single(Ok(request)) => request,
            other => panic!("{other:?}"),
        };
        let null = parse("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":null}");
        assert!(matches!(null.id, Id::Value(id) if id.get() == "null"));
        let absent = parse("{\"jsonrpc\":\"2.0\",\"method\":\"m\"}");
        assert!(matches!(absent.id, Id::Notification));
        let escaped = parse("{\"jsonrpc\":\"2.0\",\"method\":\"\\u006d\",\"id\":\"x\\\"\"}");
        assert_eq!(escaped.method, "m");
        let mut out = String::new();
        write_response(&mut out, escaped.id, &Err(RpcError::method_not_found("m\n")));
        assert_eq!(
            out,
            "{\"jsonrpc\":\"2.0\",\"id\":\"x\\\"\",\"error\":{\"code\":-32601,\"message\":\"the \
             method m does not exist/is not available\"}}"
        );
    }
}
