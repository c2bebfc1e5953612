//! From a prompt to an answer: prefill, sampling, stop strings, and telling the caller as text becomes certain.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use crate::{
    error::ModelError,
    llama::{KvCache, Llama, Scratch},
    sampling::{Sampler, SamplingParams},
    tokenizer::{IncrementalDecoder, TokenId, Tokenizer},
};

/// Prompt tokens computed between two looks at whether the caller is still there.
const PREFILL_CHUNK: usize = 32;

/// A longer conversation's keys and values are not kept for the next one: 4,096 positions are 188 MB for the default model.
const CACHE_KEPT_TOKENS: usize = 4_096;

/// Stop strings of a request, at most.
pub const STOP_STRINGS_MAX: usize = 4;

/// What to generate.
#[derive(Clone, Debug)]
pub struct GenerateRequest {
    pub prompt: Vec<TokenId>,
    /// Tokens of the answer, at most.
    pub max_tokens: usize,
    pub sampling: SamplingParams,
    /// Generation ends where one of these would appear; the answer does not contain it.
    pub stop: Vec<String>,
}

impl GenerateRequest {
    /// Refuses what cannot be run on a model with `context` positions.
    pub fn check(&self, context: usize) -> Result<(), ModelError> {
        if self.prompt.is_empty() {
            return Err(ModelError::EmptyPrompt);
        }
        if self.max_tokens == 0 {
            return Err(ModelError::Parameter { name: "max_tokens", expected: "at least 1" });
        }
        if self.prompt.len().saturating_add(self.max_tokens) > context {
            return Err(ModelError::ContextExceeded {
                prompt: self.prompt.len(),
                completion: self.max_tokens,
                context,
            });
        }
        if self.stop.len() > STOP_STRINGS_MAX || self.stop.iter().any(String::is_empty) {
            return Err(ModelError::Parameter {
                name: "stop",
                expected: "up to 4 strings that are not empty",
            });
        }
        self.sampling.check()
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model or a stop string ended it.
    Stop,
    /// `max_tokens` was reached.
    Length,
    /// The caller lost interest.
    Cancelled,
}

/// A finished answer.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The tokens that were generated, without the one that ended the answer.
    pub tokens: Vec<TokenId>,
    /// All text that was emitted.
    pub text: String,
    pub finish: FinishReason,
    pub prompt_tokens: usize,
    /// Leading prompt tokens whose keys and values were still there from the request before.
    pub reused_tokens: usize,
    pub prefill: Duration,
    pub generation: Duration,
}

/// What a caller hears, in order: any number of `Prefilled` and `Text`, then one of the last two.
#[derive(Debug)]
pub enum Event {
    /// So many prompt tokens are done.
    Prefilled(usize),
    /// Text that follows what was emitted before; never empty.
    Text(String),
    Finished(Completion),
    Failed(ModelError),
}

/// Receives the events of one request; returning `Break` stops the generation.
pub type EventSink = Box<dyn FnMut(Event) -> ControlFlow<()> + Send>;

/// State that a worker keeps between requests.
#[derive(Default)]
pub struct Session {
    cache: KvCache,
    scratch: Scratch,
    logits: Vec<f32>,
}

/// Runs one request and reports through `sink`.
pub fn generate(
    model: &Llama,
    tokenizer: &Tokenizer,
    session: &mut Session,
    request: GenerateRequest,
    sink: &mut EventSink,
) {
    let result = run(model, tokenizer, session, request, sink);
    if session.cache.tokens().len() > CACHE_KEPT_TOKENS {
        session.cache.release();
    }
    // The last event: whether the caller wants more is of no consequence.
    let _ = match result {
        Ok(completion) => sink(Event::Finished(completion)),
        Err(error) => {
            session.cache.release();
            sink(Event::Failed(error))
        }
    };
}

fn run(
    model: &Llama,
    tokenizer: &Tokenizer,
    session: &mut Session,
    request: GenerateRequest,
    sink: &mut EventSink,
) -> Result<Completion, ModelError> {
    request.check(model.config().context)?;
    let started = Instant::now();
    let prompt_tokens = request.prompt.len();
    // The last prompt token is always computed: its logits begin the answer.
    let shared = session
        .cache
        .tokens()
        .iter()
        .zip(&request.prompt[..prompt_tokens - 1])
        .take_while(|(a, b)| a == b)
        .count();
    session.cache.truncate(shared);
    let mut answer = Answer {
        tokens: Vec::new(),
        text: StopFilter::new(request.stop),
        decoder: IncrementalDecoder::default(),
    };
    let mut finish = None;
    let mut done = shared;
    for chunk in request.prompt[shared..].chunks(PREFILL_CHUNK) {
        model.forward(&mut session.cache, chunk, &mut session.scratch, &mut session.logits)?;
        done += chunk.len();
        if sink(Event::Prefilled(done)).is_break() {
            finish = Some(FinishReason::Cancelled);
            break;
        }
    }
    let prefill = started.elapsed();
    let started = Instant::now();
    let mut sampler = Sampler::new(request.sampling);
    let finish = loop {
        if let Some(finish) = finish {
            break finish;
        }
        let id = sampler.next(&session.logits);
        if tokenizer.is_end(id) {
            break FinishReason::Stop;
        }
        answer.tokens.push(id);
        let characters = answer.decoder.push(tokenizer.bytes(id));
        if answer.emit(&characters, sink).is_break() {
            break FinishReason::Cancelled;
        }
        if answer.text.hit {
            break FinishReason::Stop;
        }
        if answer.tokens.len() >= request.max_tokens {
            break FinishReason::Length;
        }
        model.forward(&mut session.cache, &[id], &mut session.scratch, &mut session.logits)?;
    };
    if finish != FinishReason::Cancelled && !answer.text.hit {
        let rest = answer.decoder.finish();
        if answer.emit(&rest, sink).is_continue() && !answer.text.hit {
            let held = answer.text.release();
            if !held.is_empty() {
                let _ = sink(Event::Text(held));
            }
        }
    }
    Ok(Completion {
        tokens: answer.tokens,
        text: answer.text.emitted,
        finish,
        prompt_tokens,
        reused_tokens: shared,
        prefill,
        generation: started.elapsed(),
    })
}

struct Answer {
    tokens: Vec<TokenId>,
    text: StopFilter,
    decoder: IncrementalDecoder,
}

impl Answer {
    fn emit(&mut self, characters: &str, sink: &mut EventSink) -> ControlFlow<()> {
        let text = self.text.push(characters);
        // An empty text is still worth the question whether anyone is there.
        if text.is_empty() { sink(Event::Prefilled(0)) } else { sink(Event::Text(text)) }
    }
}

/// Lets text through up to a stop string, holding back what may be the beginning of one.
struct StopFilter {
    stops: Vec<String>,
    held: String,
    emitted: String,
    hit: bool,
}

impl StopFilter {
    fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new(), emitted: String::new(), hit: false }
    }

    /// Takes more text and returns what is certain now.
    fn push(&mut self, text: &str) -> String {
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        let certain = match found {
            Some(at) => {
                self.hit = true;
                at
            }
            None => self.held.len() - self.longest_beginning(),
        };
        let rest = self.held.split_off(certain);
        let out = std::mem::replace(&mut self.held, rest);
        if self.hit {
            self.held.clear();
        }
        self.emitted.push_str(&out);
        out
    }

    /// Gives up waiting for a stop string.
    fn release(&mut self) -> String {
        let out = std::mem::take(&mut self.held);
        self.emitted.push_str(&out);
        out
    }

    /// Length of the longest end of `held` that begins a stop string.
    fn longest_beginning(&self) -> usize {
        let ends = self.held.char_indices().map(|(at, _)| &self.held[at..]);
        let mut beginnings = ends.filter(|end| self.stops.iter().any(|stop| stop.starts_with(end)));
        beginnings.next().map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{llama, tokenizer};

    fn request(max_tokens: usize) -> GenerateRequest {
        GenerateRequest {
            prompt: vec![10, 20, 30, 40],
            max_tokens,
            sampling: SamplingParams::default(),
            stop: Vec::new(),
        }
    }

    /// Runs a request and returns what was heard: text and completion.
    fn answer(
        session: &mut Session,
        request: GenerateRequest,
        patience: usize,
    ) -> (String, Completion) {
        let tokenizer = tokenizer::tests::tiny();
        let model = llama::tests::tiny(tokenizer.vocabulary_size(), 256);
        let heard = Arc::new(Mutex::new((String::new(), None, 0)));
        let ours = heard.clone();
        let mut sink: EventSink = Box::new(move |event| {
            let mut heard = ours.lock().unwrap();
            heard.2 += 1;
            match event {
                Event::Text(text) => heard.0.push_str(&text),
                Event::Finished(completion) => heard.1 = Some(completion),
                Event::Prefilled(_) => {}
                Event::Failed(error) => panic!("{error}"),
            }
            if heard.2 > patience { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        generate(&model, &tokenizer, session, request, &mut sink);
        let mut heard = heard.lock().unwrap();
        (std::mem::take(&mut heard.0), heard.1.take().unwrap())
    }

    #[test]
    fn emitted_text_is_the_completion() {
        let (text, completion) = answer(&mut Session::default(), request(40), usize::MAX);
        assert_eq!(text, completion.text);
        assert_eq!(completion.finish, FinishReason::Length);
        assert_eq!(completion.tokens.len(), 40);
    }

    #[test]
    fn a_kept_cache_changes_nothing() {
        let mut session = Session::default();
        let (_, fresh) = answer(&mut session, request(20), usize::MAX);
        let (_, again) = answer(&mut session, request(20), usize::MAX);
        assert_eq!((fresh.reused_tokens, again.reused_tokens), (0, 3));
        assert_eq!(fresh.tokens, again.tokens);
    }

    #[test]
    fn a_caller_that_hangs_up_stops_it() {
        let (_, completion) = answer(&mut Session::default(), request(200), 5);
        assert_eq!(completion.finish, FinishReason::Cancelled);
        assert!(completion.tokens.len() < 10);
    }

    #[test]
    fn a_stop_string_ends_the_answer_before_it() {
        let (_, free) = answer(&mut Session::default(), request(40), usize::MAX);
        let characters: Vec<char> = free.text.chars().collect();
        let stop: String = characters[12..15].iter().collect();
        let expected = &free.text[..free.text.find(&stop).unwrap()];
        let (text, completion) = answer(
            &mut Session::default(),
            GenerateRequest { stop: vec![stop], ..request(40) },
            usize::MAX,
        );
        assert_eq!(text, expected);
        assert_eq!(completion.text, expected);
        assert_eq!(completion.finish, FinishReason::Stop);
    }

    #[test]
    fn the_filter_holds_back_only_what_it_must() {
        let mut filter = StopFilter::new(vec!["\n\n".into(), "END".into()]);
        assert_eq!(filter.push("one\n"), "one");
        assert_eq!(filter.push("two E"), "\ntwo ");
        assert_eq!(filter.push("N"), "");
        assert_eq!(filter.push("x"), "ENx");
        assert_eq!(filter.push("aENDb"), "a");
        assert!(filter.hit);
        assert_eq!(filter.emitted, "one\ntwo ENxa");
    }

    #[test]
    fn requests_are_checked() {
        assert!(matches!(
            GenerateRequest { prompt: vec![], ..request(1) }.check(10),
            Err(ModelError::EmptyPrompt)
        ));
        assert!(matches!(
            request(7).check(10),
            Err(ModelError::ContextExceeded { prompt: 4, completion: 7, context: 10 })
        ));
        assert!(request(6).check(10).is_ok());
        assert!(request(0).check(10).is_err());
        assert!(GenerateRequest { stop: vec![String::new()], ..request(1) }.check(10).is_err());
    }
}
