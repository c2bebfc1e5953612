//! Measures how much surprise chance matches reach: each document's text is searched in the corpus of the
//! documents of the *other* folders, and the surprise of every maximal match, less log₂ of the corpus size,
//! is listed by quantile. The engine spec's floor margin is chosen above what unrelated text reaches.
//!
//! `cargo run --example null_margin -- <model.gguf> <folder of folders of .txt>`

use std::{collections::BTreeMap, path::Path};

use index::{Document, Index, SpanParams};
use scores::{ContributionId, Sequence, document, surprise::SurpriseTable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder] = arguments.as_slice() else {
        return Err("usage: null_margin <model.gguf> <folder>".into());
    };
    let file = models::read_model(Path::new(model), None)?;
    let (_, tokenizer) = models::parts(&file)?;
    let mut folders: BTreeMap<String, Vec<Vec<u16>>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path.display().to_string();
        for file in std::fs::read_dir(&path)? {
            let text = document::Document::normalise(&std::fs::read(file?.path())?)?.into_text();
            folders.entry(name.clone()).or_default().push(tokenizer.encode(&text)?);
        }
    }
    for (name, texts) in &folders {
        let others =
            folders.iter().filter(|(other, _)| *other != name).flat_map(|(_, texts)| texts);
        let documents: Vec<Document> = others
            .zip(1_u64..)
            .map(|(tokens, id)| Document {
                contribution: ContributionId(id),
                sequence: Sequence(id),
                tokens: tokens.clone(),
            })
            .collect();
        let mut index = Index::in_memory();
        index.append(&documents)?;
        let table = SurpriseTable::new(&index.unigrams(|_| true));
        let mut excess: Vec<i64> = Vec::new();
        let mut tokens = 0;
        for text in texts {
            tokens += text.len();
            for span in index.spans(text, SpanParams { tokens_min: 1, documents_max: 1 })? {
                let range = span.start as usize..(span.start + span.length) as usize;
                let surprise: u64 = text[range].iter().map(|token| table.of(*token)).sum();
                excess.push((surprise as i64 - table.floor(0) as i64) / 65_536);
            }
        }
        excess.sort_unstable();
        let at = |per_mille: usize| excess[(excess.len() - 1) * per_mille / 1_000];
        println!(
            "{name}: {tokens} tokens against {}, {} maximal matches; bits beyond log2(N): median {}, 90 % {}, \
             99 % {}, 99.9 % {}, max {}; per 1,000 tokens above 16/20/24/28/32 bits: {:?}",
            index.token_count(),
            excess.len(),
            at(500),
            at(900),
            at(990),
            at(999),
            at(1_000),
            [16, 20, 24, 28, 32].map(|margin| {
                excess.iter().filter(|bits| **bits > margin).count() as f64 * 1e3 / tokens as f64
            })
        );
    }
    Ok(())
}
