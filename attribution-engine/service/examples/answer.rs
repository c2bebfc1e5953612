//! Answers questions from a folder of text files without any chain, and says whose words the answers hold:
//! `answer FOLDER [--chunks N] QUESTION…`. Every sub-folder is a contributor; files are committed in order of their paths.

use std::{
    error::Error,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Instant,
};

use alloy_primitives::{Address, B256, keccak256};
use attribution_service::{
    chain::Contribution,
    clusters::{Corpus, CorpusDocument, TokenCodec},
    engine_spec,
    prompt::{OPENING, with_passages},
};
use models::{
    ChatMessage, DEFAULT_MODEL_SHA256, Event, GenerateRequest, LanguageModel, ModelHandle, Role,
    SamplingParams,
};
use scores::{
    ContributionId, DatanetId, Sequence,
    document::{Document, DocumentCommitment},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: answer FOLDER [--chunks N] QUESTION…")?;
    let model: Arc<dyn LanguageModel> =
        Arc::new(ModelHandle::load(&models::default_model_path(), Some(DEFAULT_MODEL_SHA256), 1)?);
    let codec: &dyn TokenCodec = &model.clone();
    let mut paths = Vec::new();
    text_files(Path::new(&folder), &mut paths)?;
    let documents = paths.iter().zip(1..).map(|(path, number)| {
        let document = Document::normalise(&std::fs::read(path)?)?;
        let folder =
            path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let contribution = Contribution {
            id: ContributionId(number),
            datanet: DatanetId(1),
            contributor: Address::from_word(keccak256(folder.unwrap_or_default())),
            sequence: Sequence(number),
            commitment: DocumentCommitment::of(&document)?,
            place: None,
        };
        Ok(CorpusDocument { contribution, document })
    });
    let documents = documents.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let started = Instant::now();
    let corpus = Corpus::build(&engine_spec(model.as_ref()), documents, codec, None)?;
    println!(
        "{} documents, {} tokens, indexed in {:.2?}",
        paths.len(),
        corpus.index().token_count(),
        started.elapsed()
    );

    let mut chunks = 3;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--chunks" => chunks = arguments.next().unwrap_or_default().parse()?,
            question => answer(model.as_ref(), codec, &corpus, &paths, question, chunks)?,
        }
    }
    Ok(())
}

fn answer(
    model: &dyn LanguageModel,
    codec: &dyn TokenCodec,
    corpus: &Corpus,
    paths: &[PathBuf],
    question: &str,
    chunks: usize,
) -> Result<(), Box<dyn Error>> {
    let passages = corpus.retrieve(question, chunks);
    let asked = [ChatMessage { role: Role::User, content: question.to_owned() }];
    let mut prompt = model.encode_chat(&with_passages(&asked, &passages))?;
    if !passages.is_empty() {
        prompt.extend(model.encode(OPENING)?);
    }
    let (sender, events) = mpsc::channel();
    let sink = Box::new(move |event| match sender.send(event) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    });
    let request = GenerateRequest {
        prompt,
        max_tokens: 96,
        sampling: SamplingParams::default(),
        stop: Vec::new(),
    };
    model.submit(request, sink)?;
    let Some(Event::Finished(answer)) = events.iter().last() else {
        return Err("the model failed".into());
    };
    println!("\n> {question}\n{}", answer.text);
    let rate = |tokens: usize, time: std::time::Duration| tokens as f64 / time.as_secs_f64();
    println!(
        "  prompt {} tokens at {:.0}/s, answer {} tokens at {:.1}/s",
        answer.prompt_tokens,
        rate(answer.prompt_tokens - answer.reused_tokens, answer.prefill),
        answer.tokens.len(),
        rate(answer.tokens.len(), answer.generation)
    );
    let started = Instant::now();
    let record =
        corpus.attribute(B256::ZERO, B256::ZERO, &answer.tokens, &[codec.encode(question)?])?;
    println!(
        "  attributed in {:.2?}, {:.1} % to nobody",
        started.elapsed(),
        f64::from(record.residual) / 1e7
    );
    for span in record.credited() {
        let path = usize::try_from(span.contribution.0 - 1).ok().and_then(|i| paths.get(i));
        let text = codec.decode(&answer.tokens[span.start as usize..span.end as usize]);
        println!(
            "  {}: {text:?}",
            path.map_or_else(String::new, |path| path.display().to_string())
        );
    }
    Ok(())
}

fn text_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            text_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "txt")
            && !path.ends_with("LICENCE.txt")
        {
            found.push(path);
        }
    }
    Ok(())
}
