//! The pinned model file, when it is there: the text it writes, its tokenizer and its chat template.

use std::{ops::ControlFlow, sync::mpsc};

use attribution_models::{
    ChatMessage, Completion, DEFAULT_MODEL_SHA256, Event, GenerateRequest, KvCache, LanguageModel,
    ModelHandle, Role, SamplingParams, Scratch, default_model_path, parts, read_model,
};

/// The model, or `None` with the reason printed.
fn model() -> Option<ModelHandle> {
    let path = default_model_path();
    if !path.exists() {
        println!("skipped: {} is missing, ./scripts/setup fetches it", path.display());
        return None;
    }
    let started = std::time::Instant::now();
    let model = ModelHandle::load(&path, Some(DEFAULT_MODEL_SHA256), 4).unwrap();
    println!("loaded in {:?}, {} MB of weights", started.elapsed(), model.bytes() / 1_000_000);
    Some(model)
}

fn ask(
    model: &ModelHandle,
    prompt: Vec<u16>,
    max_tokens: usize,
    sampling: SamplingParams,
) -> Completion {
    let (sender, events) = mpsc::channel();
    let sink = Box::new(move |event| match sender.send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    model.submit(GenerateRequest { prompt, max_tokens, sampling, stop: vec![] }, sink).unwrap();
    match events.iter().last().unwrap() {
        Event::Finished(completion) => completion,
        other => panic!("{other:?}"),
    }
}

fn user(content: &str) -> Vec<ChatMessage> {
    vec![ChatMessage { role: Role::User, content: content.into() }]
}

#[test]
fn it_writes_sense() {
    let Some(model) = model() else { return };
    let prompt = model.encode_chat(&user("Who wrote Romeo and Juliet?")).unwrap();
    let answer = ask(&model, prompt.clone(), 24, SamplingParams::default());
    println!("{:?}", answer.text);
    let rate = |tokens: usize, time: std::time::Duration| tokens as f64 / time.as_secs_f64();
    println!(
        "prefill {:.0} tokens/s, generation {:.1} tokens/s",
        rate(answer.prompt_tokens - answer.reused_tokens, answer.prefill),
        rate(answer.tokens.len(), answer.generation)
    );
    assert!(
        answer.text.starts_with("The story of Romeo and Juliet by William Shakespeare"),
        "{:?}",
        answer.text
    );
    let again = ask(&model, prompt.clone(), 24, SamplingParams::default());
    assert_eq!(again.tokens, answer.tokens);
    let sampling = SamplingParams { temperature: 0.9, top_p: 0.95, seed: 5, ..Default::default() };
    let one = ask(&model, prompt.clone(), 16, sampling);
    assert_eq!(one.tokens, ask(&model, prompt, 16, sampling).tokens);
}

#[test]
fn its_tokenizer_is_the_published_one() {
    let Some(model) = model() else { return };
    // Ids as Hugging Face's tokenizer.json for SmolLM2 gives them.
    assert_eq!(model.encode("Hello world").unwrap(), [19556, 905]);
    for text in
        ["Hello, world! 12345", "  two  spaces\n\nand lines\t", "naïve 漢字 🦀", "<|im_start|>user"]
    {
        let ids = model.encode(text).unwrap();
        assert_eq!(model.decode(&ids), text);
        assert!(ids.iter().all(|id| *id > 2), "no control token in {text:?}");
    }
    assert!(
        model
            .tokenizer()
            .missing_bytes()
            .iter()
            .all(|byte| byte.is_ascii_control() || *byte >= 0xc0),
        "{:?}",
        model.tokenizer().missing_bytes()
    );
    assert!(
        !model.tokenizer().missing_bytes().contains(&b'\n')
            && !model.tokenizer().missing_bytes().contains(&b'\t')
    );
    // Each digit is a token.
    assert_eq!(model.encode("2026").unwrap().len(), 4);
}

#[test]
fn its_template_is_chatml() {
    let Some(model) = model() else { return };
    let ids = model.encode_chat(&user("Hi")).unwrap();
    let start = model.tokenizer().control("<|im_start|>").unwrap();
    let end = model.tokenizer().control("<|im_end|>").unwrap();
    assert_eq!(ids.iter().filter(|id| **id == start).count(), 3);
    assert_eq!(ids.iter().filter(|id| **id == end).count(), 2);
    let text = model.decode(&ids);
    assert_eq!(
        text,
        "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face\nuser\nHi\nassistant\n"
    );
}

/// Words far back in the prompt decide what comes next.
#[test]
fn a_long_prompt_is_read() {
    let Some(model) = model() else { return };
    let sentence = "The wal-index greatly improves the performance of readers, but the use of shared memory means that all readers \
                    must exist on the same machine.";
    let filler: String =
        (0..40).map(|i| format!("Room {i} holds {} chairs. ", i * 3 + 1)).collect();
    let prompt = model
        .encode(&format!(
            "{sentence} {filler}\n\nThe wal-index greatly improves the performance of readers, but"
        ))
        .unwrap();
    let answer = ask(&model, prompt, 16, SamplingParams::default());
    println!("{:?}: prefill of {} tokens {:?}", answer.text, answer.prompt_tokens, answer.prefill);
    assert!(
        answer.text.starts_with(" the use of shared memory means that all readers"),
        "{:?}",
        answer.text
    );
}

/// Mean negative log-likelihood of English prose, nats per token: a wrong rotation or norm shows here first.
#[test]
fn it_predicts_english() {
    let path = default_model_path();
    if !path.exists() {
        println!("skipped: {} is missing, ./scripts/setup fetches it", path.display());
        return;
    }
    let file = read_model(&path, Some(DEFAULT_MODEL_SHA256)).unwrap();
    let (model, tokenizer) = parts(&file).unwrap();
    let text = "It was the best of times, it was the worst of times. The weather in the north of the country was cold, and the \
                farmers waited for spring before they could work in the fields again. In the evening the children sat by the \
                fire and listened to the stories of their grandmother.";
    let tokens = tokenizer.encode(text).unwrap();
    let (mut cache, mut scratch, mut logits) = (KvCache::default(), Scratch::default(), Vec::new());
    let mut loss = 0.0;
    for pair in tokens.windows(2) {
        model.forward(&mut cache, &pair[..1], &mut scratch, &mut logits).unwrap();
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = logits.iter().map(|x| (x - max).exp()).sum();
        loss += max + total.ln() - logits[usize::from(pair[1])];
    }
    let mean = loss / (tokens.len() - 1) as f32;
    println!("{mean} nats per token");
    assert!(mean < 3.2, "{mean}");
}
