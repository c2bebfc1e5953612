//! The model as a service: one worker thread that owns it, a bounded queue before it, and what any thread may ask
//! without waiting (tokenising, rendering a prompt).

use std::{
    io::Cursor,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use candle_core::quantized::gguf_file::Content;

use crate::{
    error::ModelError,
    generate::{EventSink, GenerateRequest, Session, generate},
    llama::Llama,
    source::ModelBytes,
    source::read_model,
    template::{ChatMessage, ChatTemplate},
    tokenizer::{TokenId, Tokenizer},
};

/// What the gateway needs of a language model; tests put a fake one in its place.
pub trait LanguageModel: Send + Sync + 'static {
    /// SHA-256 of the weights file, `baseModelHash` on chain.
    fn sha256(&self) -> [u8; 32];
    /// Positions for prompt and answer together.
    fn context(&self) -> usize;
    /// Hash of everything that decides how text becomes tokens.
    fn tokenizer_fingerprint(&self) -> [u8; 32];
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError>;
    fn decode(&self, ids: &[TokenId]) -> String;
    /// Token ids of a conversation, up to where the answer begins.
    fn encode_chat(&self, messages: &[ChatMessage]) -> Result<Vec<TokenId>, ModelError>;
    /// Queues a request; `sink` hears what becomes of it. Fails at once if the request is faulty or the queue is full.
    fn submit(&self, request: GenerateRequest, sink: EventSink) -> Result<(), ModelError>;
    /// Requests that wait or run.
    fn waiting(&self) -> usize;
}

/// A loaded model with its worker. The worker ends when the last handle is gone.
#[derive(Clone)]
pub struct ModelHandle {
    shared: Arc<Shared>,
    queue: SyncSender<Job>,
}

struct Shared {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    sha256: [u8; 32],
    context: usize,
    bytes: usize,
    waiting: AtomicUsize,
    queue_limit: usize,
}

struct Job {
    request: GenerateRequest,
    sink: EventSink,
}

/// Weights and tokenizer of a model file.
pub fn parts(file: &ModelBytes) -> Result<(Llama, Tokenizer), ModelError> {
    let mut reader = Cursor::new(&file.bytes);
    let content = Content::read(&mut reader)?;
    let tokenizer = Tokenizer::from_gguf(&content)?;
    Ok((Llama::from_gguf(&content, &mut reader)?, tokenizer))
}

impl ModelHandle {
    /// Loads the file, checks its hash when one is expected, and starts the worker. Takes about a second: call it where
    /// blocking is allowed. `queue_limit` is the number of requests that may wait while one runs.
    pub fn load(
        path: &Path,
        expected_sha256: Option<[u8; 32]>,
        queue_limit: usize,
    ) -> Result<Self, ModelError> {
        let file = read_model(path, expected_sha256)?;
        let (model, tokenizer) = parts(&file)?;
        let content = Content::read(&mut Cursor::new(&file.bytes))?;
        let template = content.metadata.get("tokenizer.chat_template");
        let template =
            template.ok_or_else(|| ModelError::Format("it has no chat template".into()))?;
        let template = ChatTemplate::new(template.to_string()?.clone())?;
        Self::start(model, tokenizer, template, file.sha256, queue_limit)
    }

    /// Starts a worker for a model from elsewhere.
    pub fn start(
        model: Llama,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        sha256: [u8; 32],
        queue_limit: usize,
    ) -> Result<Self, ModelError> {
        if tokenizer.vocabulary_size() != model.config().vocabulary {
            return Err(ModelError::Format(
                "its tokenizer and its weights disagree about the vocabulary".into(),
            ));
        }
        let (queue, jobs) = sync_channel(queue_limit);
        let context = model.config().context;
        let bytes = model.bytes();
        let waiting = AtomicUsize::new(0);
        let shared =
            Arc::new(Shared { tokenizer, template, sha256, context, bytes, waiting, queue_limit });
        let ours = shared.clone();
        let worker = std::thread::Builder::new().name("language-model".into());
        worker.spawn(move || work(&model, &ours, &jobs)).map_err(ModelError::Spawn)?;
        Ok(Self { shared, queue })
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.shared.tokenizer
    }

    /// Bytes of the weights in memory.
    pub fn bytes(&self) -> usize {
        self.shared.bytes
    }
}

impl LanguageModel for ModelHandle {
    fn sha256(&self) -> [u8; 32] {
        self.shared.sha256
    }

    fn context(&self) -> usize {
        self.shared.context
    }

    fn tokenizer_fingerprint(&self) -> [u8; 32] {
        self.shared.tokenizer.fingerprint()
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, ModelError> {
        self.shared.tokenizer.encode(text)
    }

    fn decode(&self, ids: &[TokenId]) -> String {
        self.shared.tokenizer.decode(ids)
    }

    fn encode_chat(&self, messages: &[ChatMessage]) -> Result<Vec<TokenId>, ModelError> {
        self.shared.template.encode(&self.shared.tokenizer, messages)
    }

    fn submit(&self, request: GenerateRequest, sink: EventSink) -> Result<(), ModelError> {
        request.check(self.shared.context)?;
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let result = self.queue.try_send(Job { request, sink }).map_err(|error| match error {
            TrySendError::Full(_) => ModelError::QueueFull { waiting: self.shared.queue_limit },
            TrySendError::Disconnected(_) => ModelError::Stopped,
        });
        if result.is_err() {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

fn work(model: &Llama, shared: &Shared, jobs: &Receiver<Job>) {
    let mut session = Session::default();
    while let Ok(Job { request, mut sink }) = jobs.recv() {
        generate(model, &shared.tokenizer, &mut session, request, &mut sink);
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{ops::ControlFlow, sync::mpsc};

    use super::*;
    use crate::{Event, Role, SamplingParams, llama, tokenizer};

    fn handle(queue_limit: usize) -> ModelHandle {
        let tokenizer = tokenizer::tests::tiny();
        let model = llama::tests::tiny(tokenizer.vocabulary_size(), 64);
        let template =
            ChatTemplate::new("{% for m in messages %}{{ m.content }}{% endfor %}".into()).unwrap();
        ModelHandle::start(model, tokenizer, template, [7; 32], queue_limit).unwrap()
    }

    fn request(model: &ModelHandle) -> GenerateRequest {
        let prompt = model
            .encode_chat(&[ChatMessage { role: Role::User, content: "hello".into() }])
            .unwrap();
        GenerateRequest {
            prompt,
            max_tokens: 4,
            sampling: SamplingParams::default(),
            stop: Vec::new(),
        }
    }

    #[test]
    fn a_request_is_answered() {
        let model = handle(1);
        let (sender, events) = mpsc::channel();
        let sink = Box::new(move |event| match sender.send(event) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        });
        model.submit(request(&model), sink).unwrap();
        let last = events.iter().last().unwrap();
        assert!(matches!(last, Event::Finished(completion) if completion.tokens.len() == 4));
    }

    #[test]
    fn a_full_queue_refuses() {
        let model = handle(1);
        let (release, gate) = mpsc::channel::<()>();
        let mut gate = Some(gate);
        let (entered, started) = mpsc::channel();
        let blocking: EventSink = Box::new(move |_| {
            if let Some(gate) = gate.take() {
                entered.send(()).unwrap();
                gate.recv().unwrap();
            }
            ControlFlow::Continue(())
        });
        model.submit(request(&model), blocking).unwrap();
        started.recv().unwrap();
        let quiet = || -> EventSink { Box::new(|_| ControlFlow::Continue(())) };
        model.submit(request(&model), quiet()).unwrap();
        assert!(matches!(
            model.submit(request(&model), quiet()),
            Err(ModelError::QueueFull { waiting: 1 })
        ));
        assert_eq!(model.waiting(), 2);
        release.send(()).unwrap();
    }

    #[test]
    fn a_faulty_request_never_reaches_the_worker() {
        let model = handle(1);
        let long = GenerateRequest { max_tokens: 100, ..request(&model) };
        let result = model.submit(long, Box::new(|_| ControlFlow::Continue(())));
        assert!(matches!(result, Err(ModelError::ContextExceeded { context: 64, .. })));
        assert_eq!(model.waiting(), 0);
    }
}
