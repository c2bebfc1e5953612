//! The OpenAI API as bytes: what requests may say, and the shape of answers, stream chunks and errors. Unknown fields of
//! a request are ignored, as OpenAI does; fields that would change the answer and that we cannot honour are refused.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use models::{ChatMessage, Role, STOP_STRINGS_MAX};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::{api_keys::ApiKeyError, x402::Required};

/// Messages of a conversation, at most.
pub const MESSAGES_MAX: usize = 256;

/// x402 version 2: what is to be paid.
pub const PAYMENT_REQUIRED_HEADER: HeaderName = HeaderName::from_static("payment-required");
/// x402 version 2: what became of a payment.
pub const PAYMENT_RESPONSE_HEADER: HeaderName = HeaderName::from_static("payment-response");
/// The same in version 1.
pub const X_PAYMENT_RESPONSE_HEADER: HeaderName = HeaderName::from_static("x-payment-response");

/// An error as OpenAI's clients expect it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: StatusCode,
    pub kind: &'static str,
    pub code: &'static str,
    pub param: Option<&'static str>,
    pub message: String,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u32>,
    /// How the call could be paid for by x402, and what became of a payment.
    pub x402: Option<Box<X402>>,
}

/// What an error says to x402 clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct X402 {
    pub required: Option<Required>,
    /// Header `PAYMENT-RESPONSE` for a payment that was not taken.
    pub response: Option<String>,
}

impl ApiError {
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message: message.into(),
            retry_after: None,
            x402: None,
        }
    }

    /// 400: the request cannot be served as it is.
    pub fn invalid(
        code: &'static str,
        param: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        Self { param, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message) }
    }

    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", code, message)
    }

    /// 401: nobody, or nobody known, calls.
    pub fn key(error: ApiKeyError) -> Self {
        let kind = "authentication_error";
        Self::new(StatusCode::UNAUTHORIZED, kind, "invalid_api_key", error.to_string())
    }

    /// 402: nobody pays for the call.
    pub fn payment(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", code, message)
    }

    /// 503: not now.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(2),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", code, message)
        }
    }

    /// 500. The cause is logged, not told.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "internal_error",
            "the gateway failed; the request was not charged",
        )
    }

    pub fn body(&self) -> Value {
        let mut body = json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}});
        if let Some(required) = self.x402.as_ref().and_then(|x402| x402.required.as_ref()) {
            body["x402Version"] = json!(1);
            body["accepts"] = required.accepts.clone();
        }
        body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        metrics::counter!("openledger_gateway_errors_total", "code" => self.code).increment(1);
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(x402) = self.x402 {
            let required = x402.required.map(|required| required.header);
            insert(&mut response, PAYMENT_REQUIRED_HEADER, required);
            insert(&mut response, PAYMENT_RESPONSE_HEADER, x402.response.clone());
            insert(&mut response, X_PAYMENT_RESPONSE_HEADER, x402.response);
        }
        response
    }
}

/// Sets a header whose value is base64.
pub fn insert(response: &mut Response, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        response.headers_mut().insert(name, value);
    }
}

/// Which of the two endpoints is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Chat,
    Completion,
}

impl Kind {
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl-",
            Self::Completion => "cmpl-",
        }
    }
}

/// A request whose form is right. Fractions are in millionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub kind: Kind,
    pub model: String,
    /// Of a plain completion: its prompt, as one message.
    pub messages: Vec<ChatMessage>,
    pub max_tokens: Option<u32>,
    pub temperature_millionths: u32,
    pub top_p_millionths: u32,
    pub seed: Option<u64>,
    pub stop: Vec<String>,
    pub stream: bool,
    pub include_usage: bool,
    /// The answer is held back until it is attributed.
    pub wait_for_attribution: bool,
}

#[derive(Deserialize)]
struct Sampling {
    model: Option<String>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    n: Option<i64>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(default, deserialize_with = "one_or_many")]
    stop: Vec<String>,
    seed: Option<i64>,
    presence_penalty: Option<f64>,
    frequency_penalty: Option<f64>,
    logprobs: Option<Value>,
    attribution: Option<String>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct ChatBody {
    messages: Option<Vec<MessageBody>>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    response_format: Option<ResponseFormat>,
}

#[derive(Deserialize)]
struct ResponseFormat {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct MessageBody {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct CompletionBody {
    prompt: Option<Value>,
    #[serde(default)]
    echo: Option<bool>,
    suffix: Option<String>,
}

/// Reads a request body.
pub fn parse(kind: Kind, body: &[u8]) -> Result<Asked, ApiError> {
    let malformed = |error: serde_json::Error| {
        ApiError::invalid(
            "malformed_request",
            None,
            format!("the body is not a valid request: {error}"),
        )
    };
    let sampling: Sampling = serde_json::from_slice(body).map_err(malformed)?;
    let messages = match kind {
        Kind::Chat => chat_messages(serde_json::from_slice(body).map_err(malformed)?)?,
        Kind::Completion => vec![prompt(serde_json::from_slice(body).map_err(malformed)?)?],
    };
    if messages.iter().all(|message| message.content.trim().is_empty()) {
        return Err(empty_prompt());
    }
    let model = sampling.model.filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| {
        ApiError::invalid("missing_parameter", Some("model"), "`model` is missing")
    })?;
    if sampling.n.is_some_and(|n| n != 1) {
        return Err(unsupported("n", "only one answer per request is generated"));
    }
    let asked_for_logprobs =
        sampling.logprobs.is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    if asked_for_logprobs {
        return Err(unsupported("logprobs", "log probabilities are not served"));
    }
    if sampling.presence_penalty.is_some_and(|p| p != 0.0)
        || sampling.frequency_penalty.is_some_and(|p| p != 0.0)
    {
        return Err(unsupported("presence_penalty", "penalties are not supported"));
    }
    if sampling.stop.len() > STOP_STRINGS_MAX || sampling.stop.iter().any(String::is_empty) {
        return Err(ApiError::invalid(
            "invalid_value",
            Some("stop"),
            "`stop` holds up to 4 strings that are not empty",
        ));
    }
    let wait_for_attribution = match sampling.attribution.as_deref() {
        None | Some("background") => false,
        Some("wait") => true,
        Some(_) => {
            return Err(ApiError::invalid(
                "invalid_value",
                Some("attribution"),
                "`attribution` is \"background\" or \"wait\"",
            ));
        }
    };
    let max_tokens = match sampling.max_completion_tokens.or(sampling.max_tokens) {
        None => None,
        Some(count) => {
            let count = u32::try_from(count).ok().filter(|count| *count > 0);
            Some(count.ok_or_else(|| {
                ApiError::invalid(
                    "invalid_value",
                    Some("max_tokens"),
                    "`max_tokens` must be at least 1",
                )
            })?)
        }
    };
    Ok(Asked {
        kind,
        model,
        messages,
        max_tokens,
        temperature_millionths: millionths(
            "temperature",
            sampling.temperature.unwrap_or(0.0),
            2.0,
        )?,
        top_p_millionths: millionths("top_p", sampling.top_p.unwrap_or(1.0), 1.0)?,
        seed: sampling.seed.map(i64::cast_unsigned),
        stop: sampling.stop,
        stream: sampling.stream.unwrap_or(false),
        include_usage: sampling.stream_options.is_some_and(|options| options.include_usage),
        wait_for_attribution,
    })
}

fn chat_messages(body: ChatBody) -> Result<Vec<ChatMessage>, ApiError> {
    if body.tools.is_some_and(|tools| !tools.is_empty()) {
        return Err(unsupported("tools", "tools are not supported"));
    }
    if body.response_format.is_some_and(|format| format.kind != "text") {
        return Err(unsupported("response_format", "only text is generated"));
    }
    let messages = body.messages.ok_or_else(|| {
        ApiError::invalid("missing_parameter", Some("messages"), "`messages` is missing")
    })?;
    if messages.is_empty() {
        return Err(empty_prompt());
    }
    if messages.len() > MESSAGES_MAX {
        return Err(ApiError::invalid(
            "too_many_messages",
            Some("messages"),
            format!("more than {MESSAGES_MAX} messages"),
        ));
    }
    messages.into_iter().map(message).collect()
}

fn message(message: MessageBody) -> Result<ChatMessage, ApiError> {
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => {
            return Err(ApiError::invalid(
                "invalid_value",
                Some("messages"),
                "a message's role is system, user or assistant",
            ));
        }
    };
    let content = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let texts = parts.into_iter().map(|part| part.text.filter(|_| part.kind == "text"));
            let texts = texts.collect::<Option<Vec<String>>>();
            texts
                .ok_or_else(|| unsupported("messages", "only text content is supported"))?
                .join("\n")
        }
    };
    Ok(ChatMessage { role, content })
}

fn prompt(body: CompletionBody) -> Result<ChatMessage, ApiError> {
    if body.echo == Some(true) || body.suffix.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(unsupported("echo", "`echo` and `suffix` are not supported"));
    }
    let single = match body.prompt {
        Some(Value::String(text)) => Some(text),
        Some(Value::Array(items)) => match items.as_slice() {
            [Value::String(text)] => Some(text.clone()),
            _ => None,
        },
        None => return Err(empty_prompt()),
        Some(_) => None,
    };
    let content = single.ok_or_else(|| unsupported("prompt", "`prompt` is one string"))?;
    Ok(ChatMessage { role: Role::User, content })
}

fn millionths(name: &'static str, value: f64, max: f64) -> Result<u32, ApiError> {
    if !(0.0..=max).contains(&value) {
        return Err(ApiError::invalid(
            "invalid_value",
            Some(name),
            format!("`{name}` must be between 0 and {max}"),
        ));
    }
    // At most 2,000,000.
    Ok((value * 1e6).round() as u32)
}

fn empty_prompt() -> ApiError {
    ApiError::invalid("empty_prompt", Some("messages"), "the prompt is empty")
}

fn unsupported(param: &'static str, message: &str) -> ApiError {
    ApiError::invalid("unsupported_parameter", Some(param), message)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::<OneOrMany>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(one)) => vec![one],
        Some(OneOrMany::Many(many)) => many,
    })
}

/// What all chunks and the answer of one request have in common.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub kind: Kind,
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    pub model: String,
}

/// Token counts of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub prompt: u32,
    pub completion: u32,
}

impl Usage {
    fn json(self) -> Value {
        let total = u64::from(self.prompt) + u64::from(self.completion);
        json!({"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": total})
    }
}

impl Envelope {
    /// The whole answer at once.
    pub fn answer(&self, text: &str, finish: &str, usage: Usage, openledger: Value) -> Value {
        let (object, choice) = match self.kind {
            Kind::Chat => {
                let message = json!({"role": "assistant", "content": text, "refusal": null});
                (
                    "chat.completion",
                    json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish}),
                )
            }
            Kind::Completion => (
                "text_completion",
                json!({"index": 0, "text": text, "logprobs": null, "finish_reason": finish}),
            ),
        };
        let mut value = self.frame(object, json!([choice]));
        set(&mut value, "usage", usage.json());
        set(&mut value, "openledger", openledger);
        value
    }

    /// The first chunk of a chat's stream; a completion's stream has none.
    pub fn first_chunk(&self) -> Option<Value> {
        (self.kind == Kind::Chat)
            .then(|| self.chunk(json!({"role": "assistant", "content": ""}), None))
    }

    /// A chunk with text.
    pub fn text_chunk(&self, text: &str) -> Value {
        match self.kind {
            Kind::Chat => self.chunk(json!({"content": text}), None),
            Kind::Completion => self.chunk(json!(text), None),
        }
    }

    /// The chunk that ends the answer and carries the receipt.
    pub fn last_chunk(&self, finish: &str, openledger: Value) -> Value {
        let delta = match self.kind {
            Kind::Chat => json!({}),
            Kind::Completion => json!(""),
        };
        let mut value = self.chunk(delta, Some(finish));
        set(&mut value, "openledger", openledger);
        value
    }

    /// The chunk after the last one, when the client asked for usage.
    pub fn usage_chunk(&self, usage: Usage, openledger: Value) -> Value {
        let mut value = self.frame(self.chunk_object(), json!([]));
        set(&mut value, "usage", usage.json());
        set(&mut value, "openledger", openledger);
        value
    }

    fn chunk(&self, delta: Value, finish: Option<&str>) -> Value {
        let key = if self.kind == Kind::Chat { "delta" } else { "text" };
        let mut choice = json!({"index": 0, "logprobs": null, "finish_reason": finish});
        set(&mut choice, key, delta);
        self.frame(self.chunk_object(), json!([choice]))
    }

    fn chunk_object(&self) -> &'static str {
        match self.kind {
            Kind::Chat => "chat.completion.chunk",
            Kind::Completion => "text_completion",
        }
    }

    fn frame(&self, object: &str, choices: Value) -> Value {
        json!({"id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices})
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: Value) -> Result<Asked, ApiError> {
        parse(Kind::Chat, body.to_string().as_bytes())
    }

    fn hello() -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = hello();
        set(&mut body, key, value);
        body
    }

    #[test]
    fn defaults_are_greedy_and_unbounded() {
        let asked = chat(hello()).unwrap();
        assert_eq!((asked.temperature_millionths, asked.top_p_millionths), (0, 1_000_000));
        assert_eq!((asked.max_tokens, asked.seed, asked.stream), (None, None, false));
    }

    #[test]
    fn what_clients_send_is_understood() {
        let body = json!({
            "model": "m", "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            ],
            "max_completion_tokens": 7, "max_tokens": 9, "temperature": 0.7, "top_p": 0.9, "seed": -1, "stop": "x",
            "stream": true, "stream_options": {"include_usage": true}, "attribution": "wait", "user": "u", "n": 1,
            "presence_penalty": 0, "logprobs": false, "unknown": {"a": 1},
        });
        let asked = chat(body).unwrap();
        assert_eq!(asked.messages[0].role, Role::System);
        assert_eq!(asked.messages[1].content, "a\nb");
        assert_eq!(asked.max_tokens, Some(7));
        assert_eq!((asked.temperature_millionths, asked.top_p_millionths), (700_000, 900_000));
        assert_eq!(asked.seed, Some(u64::MAX));
        assert_eq!(asked.stop, ["x"]);
        assert!(asked.stream && asked.include_usage && asked.wait_for_attribution);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let cases = [
            (with("n", json!(2)), "unsupported_parameter"),
            (with("tools", json!([{"type": "function"}])), "unsupported_parameter"),
            (with("logprobs", json!(true)), "unsupported_parameter"),
            (with("presence_penalty", json!(1.0)), "unsupported_parameter"),
            (with("response_format", json!({"type": "json_object"})), "unsupported_parameter"),
            (with("temperature", json!(3)), "invalid_value"),
            (with("top_p", json!(-1)), "invalid_value"),
            (with("max_tokens", json!(0)), "invalid_value"),
            (with("max_tokens", json!(-5)), "invalid_value"),
            (with("stop", json!(["a", "b", "c", "d", "e"])), "invalid_value"),
            (with("attribution", json!("never")), "invalid_value"),
            (with("model", json!("")), "missing_parameter"),
            (with("messages", json!([])), "empty_prompt"),
            (with("messages", json!([{"role": "user", "content": " \n"}])), "empty_prompt"),
            (with("messages", json!([{"role": "wizard", "content": "x"}])), "invalid_value"),
            (
                with("messages", json!([{"role": "user", "content": [{"type": "image_url"}]}])),
                "unsupported_parameter",
            ),
            (with("messages", json!("hello")), "malformed_request"),
            (json!({"model": "m"}), "missing_parameter"),
            (json!([]), "malformed_request"),
        ];
        for (body, code) in cases {
            let error = chat(body.clone()).unwrap_err();
            assert_eq!((error.status, error.code), (StatusCode::BAD_REQUEST, code), "{body}");
        }
        assert_eq!(parse(Kind::Chat, b"{\"model\":").unwrap_err().code, "malformed_request");
    }

    #[test]
    fn a_plain_prompt_is_one_string() {
        let ask = |prompt: Value| {
            parse(Kind::Completion, json!({"model": "m", "prompt": prompt}).to_string().as_bytes())
        };
        assert_eq!(ask(json!("a")).unwrap().messages[0].content, "a");
        assert_eq!(ask(json!(["a"])).unwrap().messages[0].content, "a");
        assert_eq!(ask(json!(["a", "b"])).unwrap_err().code, "unsupported_parameter");
        assert_eq!(ask(json!([1, 2])).unwrap_err().code, "unsupported_parameter");
        assert_eq!(ask(json!("")).unwrap_err().code, "empty_prompt");
    }
}
