//! Asks the default model from the command line and prints what it costs: `ask [--max N] [--temperature T] TEXT…`,
//! each text one user message; a text of the form `system:…` sets the system message of those that follow.

use std::{ops::ControlFlow, sync::mpsc};

use attribution_models::{
    ChatMessage, DEFAULT_MODEL_SHA256, Event, GenerateRequest, LanguageModel, ModelError,
    ModelHandle, Role, SamplingParams, default_model_path,
};

fn main() -> Result<(), ModelError> {
    let model = ModelHandle::load(&default_model_path(), Some(DEFAULT_MODEL_SHA256), 1)?;
    let mut max_tokens = 96;
    let mut sampling = SamplingParams::default();
    let mut system = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--max" => max_tokens = value().parse().unwrap_or(max_tokens),
            "--temperature" => sampling.temperature = value().parse().unwrap_or(0.0),
            text => match text.strip_prefix("system:") {
                Some(text) => {
                    system = Some(ChatMessage { role: Role::System, content: text.to_owned() })
                }
                None => answer(&model, system.as_ref(), text, max_tokens, sampling)?,
            },
        }
    }
    Ok(())
}

fn answer(
    model: &ModelHandle,
    system: Option<&ChatMessage>,
    text: &str,
    max_tokens: usize,
    sampling: SamplingParams,
) -> Result<(), ModelError> {
    let mut messages: Vec<ChatMessage> = system.cloned().into_iter().collect();
    messages.push(ChatMessage { role: Role::User, content: text.to_owned() });
    let prompt = model.encode_chat(&messages)?;
    let (sender, events) = mpsc::channel();
    let sink = Box::new(move |event| match sender.send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    model.submit(GenerateRequest { prompt, max_tokens, sampling, stop: Vec::new() }, sink)?;
    for event in events {
        match event {
            Event::Finished(answer) => println!(
                "{}\n-- prompt {} tokens at {:.1}/s, answer {} tokens at {:.1}/s, {:?}",
                answer.text,
                answer.prompt_tokens,
                (answer.prompt_tokens - answer.reused_tokens) as f64 / answer.prefill.as_secs_f64(),
                answer.tokens.len(),
                answer.tokens.len() as f64 / answer.generation.as_secs_f64(),
                answer.finish
            ),
            Event::Failed(error) => return Err(error),
            Event::Prefilled(_) | Event::Text(_) => {}
        }
    }
    Ok(())
}
