//! Language models: finding, loading, prompting and running them on the CPU.
//!
//! One architecture (Llama) in one storage format (GGUF), on one thread per model. What a model's answers are worth,
//! and to whom, is decided elsewhere; this crate knows no chain and no money.

mod error;
mod generate;
mod handle;
mod kernels;
mod llama;
mod sampling;
mod source;
mod template;
mod tokenizer;

pub use error::ModelError;
pub use generate::{
    Completion, Event, EventSink, FinishReason, GenerateRequest, STOP_STRINGS_MAX, Session,
    generate,
};
pub use handle::{LanguageModel, ModelHandle, parts};
pub use llama::{KvCache, Llama, LlamaConfig, Scratch};
pub use sampling::SamplingParams;
pub use source::{
    DEFAULT_MODEL_FILE, DEFAULT_MODEL_SHA256, ModelBytes, default_model_path, read_model,
};
pub use template::{ChatMessage, ChatTemplate, Role};
pub use tokenizer::{IncrementalDecoder, TokenId, Tokenizer};
