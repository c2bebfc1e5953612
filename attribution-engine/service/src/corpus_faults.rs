//! What a model's corpus says against a record, as `SurpriseFacts` decides it: surprise, floor or total that the corpus does not
//! give, and matches that the record keeps from who holds them, also where no span says anything of them.
//!
//! A match is found if each of its tokens is a word by itself and white space or the end follows it in a document: only of such
//! runs does the chain know, from bytes alone, that they are the document's tokens. A part of a match that is one is enough.

use std::ops::Range;

use models::Tokenizer;
use scores::{
    ContributionId,
    credit::{Gram, grams},
    record::{AttributionRecord, CreditedSpan},
};

use crate::clusters::{Corpus, Result};

/// Whose surprise is not what the corpus gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FalseSurprise {
    /// That of a span, by its index; or the floor, which is shown with it.
    Span(usize),
    /// That of the whole answer, or the floor; or the answer has more tokens than there are.
    Answer,
}

/// A match that a record keeps from a document that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Tokens of the answer.
    pub(crate) run: Range<u32>,
    pub(crate) holder: ContributionId,
    /// Where they are in the holder's text.
    pub(crate) bytes: Range<usize>,
}

/// Looks through a record of a response of `tokens`.
pub(crate) fn false_surprise(
    record: &AttributionRecord,
    tokens: &[u16],
    corpus: &Corpus,
) -> Option<FalseSurprise> {
    let other_floor = record.floor_q16 != corpus.floor_q16();
    let sum = |range: Range<u32>| -> Option<u64> {
        let tokens = tokens.get(range.start as usize..range.end as usize)?;
        Some(tokens.iter().map(|token| corpus.surprises().of(*token)).sum())
    };
    let is_false = |span: &CreditedSpan| {
        sum(span.start..span.end).is_some_and(|sum| other_floor || sum != span.surprise_q16)
    };
    let spans = record.spans.iter().enumerate().filter(|(_, span)| is_false(span));
    // Each token that is shown costs gas.
    if let Some((index, _)) = spans.min_by_key(|(_, span)| span.end.saturating_sub(span.start)) {
        return Some(FalseSurprise::Span(index));
    }
    let total = sum(0..record.answer_tokens);
    (other_floor || total != Some(record.total_surprise_q16)).then_some(FalseSurprise::Answer)
}

/// Looks for a match that a record keeps from a document among those that `can_show` lets through.
pub(crate) fn missed(
    record: &AttributionRecord,
    tokens: &[u16],
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    can_show: impl Fn(ContributionId) -> bool,
) -> Result<Option<Missed>> {
    let params = corpus.spec().credit;
    for stretch in stretches(record, tokens, tokenizer) {
        let words = tokens.get(stretch.clone()).unwrap_or_default();
        let longest = corpus.index().longest(words)?;
        // Whatever match a token is in, one of these within it has the token, and borders where the match has them.
        let grams = grams(
            &corpus.surprises().of_all(words),
            &longest,
            corpus.floor_q16(),
            params.match_tokens_min,
        );
        let earliest = corpus.index().earliest(words, &grams)?;
        for (Gram { start, length }, earliest) in grams.into_iter().zip(earliest) {
            let Some(earliest) = earliest else { continue };
            let from = start.saturating_add(u32::try_from(stretch.start).unwrap_or(u32::MAX));
            let run = from..from.saturating_add(length);
            if !record.keeps_from(&run, earliest.contribution) {
                continue;
            }
            let range = run.start as usize..run.end as usize;
            let piece = spell(tokenizer, tokens.get(range).unwrap_or_default());
            // The earliest holder may be none that can be shown, and a later one do as well.
            for holder in corpus.clusters().members().map(|member| member.contribution) {
                if record.keeps_from(&run, holder)
                    && can_show(holder)
                    && let Some(document) = corpus.document(holder)
                    && let Some(at) = place_of(&piece, document.document.text().as_bytes())
                {
                    let bytes = at..at.saturating_add(piece.len());
                    return Ok(Some(Missed { run, holder, bytes }));
                }
            }
        }
    }
    Ok(None)
}

/// The longest runs of words of the answer, each with a border behind it.
fn stretches(
    record: &AttributionRecord,
    tokens: &[u16],
    tokenizer: &Tokenizer,
) -> Vec<Range<usize>> {
    let end = tokens.len().min(record.answer_tokens as usize);
    let is_word = |at: usize| tokens.get(at).is_some_and(|token| is_word(tokenizer.bytes(*token)));
    let mut stretches = Vec::new();
    let mut at = 0;
    while at < end {
        let words = (at..end).take_while(|at| is_word(*at)).count();
        let behind = at.saturating_add(words);
        let bordered = is_bordered(tokenizer, tokens.get(behind));
        let last = if bordered { behind } else { behind.saturating_sub(1) };
        if at < last {
            stretches.push(at..last);
        }
        at = behind.saturating_add(1);
    }
    stretches
}

/// Where a text has a piece with white space or its end behind it.
pub(crate) fn place_of(piece: &[u8], text: &[u8]) -> Option<usize> {
    let ends =
        |at: usize| text.get(at.saturating_add(piece.len())).is_none_or(|next| is_space(*next));
    let places = text.windows(piece.len().max(1)).enumerate();
    places.filter(|(_, window)| *window == piece).map(|(at, _)| at).find(|at| ends(*at))
}

/// Whether a token is a word by itself, which is what the tokenizer makes of that word.
pub(crate) fn is_word(token: &[u8]) -> bool {
    match token {
        [b' ', letters @ ..] => !letters.is_empty() && letters.iter().all(u8::is_ascii_alphabetic),
        _ => false,
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t')
}

/// Whether a word ends before the answer's next token, or with the answer.
pub(crate) fn is_bordered(tokenizer: &Tokenizer, next: Option<&u16>) -> bool {
    next.is_none_or(|next| tokenizer.bytes(*next).first().is_some_and(|first| is_space(*first)))
}

/// The bytes of some tokens.
pub(crate) fn spell(tokenizer: &Tokenizer, tokens: &[u16]) -> Vec<u8> {
    tokens.iter().flat_map(|token| tokenizer.bytes(*token).to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use alloy_primitives::{Address, B256};
    use proptest::{prelude::*, sample::Index};
    use scores::{DatanetId, Sequence, document::Document, spec::EngineSpec};

    use super::*;
    use crate::{
        chain::Contribution,
        clusters::{CorpusDocument, TokenCodec},
    };

    /// Words that are a token each, in one or both cases of a letter.
    const WORDS: [&str; 24] = [
        "a", "ab", "abc", "ba", "bac", "cab", "da", "dab", "dc", "e", "ea", "eb", "ebb", "fa",
        "fab", "fe", "fed", "ga", "gab", "ge", "he", "hub", "hue", "Ada",
    ];
    /// What is several tokens, or none with letters alone.
    const OTHERS: [&str; 8] = [" dabba", " x", ",", ".\n", "s", " 1", "  ", "\n"];

    /// Printable stand-ins of the bytes that occur here, the words, and every beginning of a word.
    fn tokenizer() -> Tokenizer {
        let mut tokens: Vec<String> =
            (b'!'..=b'~').map(|byte| char::from(byte).to_string()).collect();
        tokens.extend(["Ġ".to_owned(), "Ċ".to_owned()]);
        let mut merges = Vec::new();
        for word in WORDS {
            let mut head = "Ġ".to_owned();
            for letter in word.chars() {
                let longer = format!("{head}{letter}");
                if !tokens.contains(&longer) {
                    merges.push(format!("{head} {letter}"));
                    tokens.push(longer.clone());
                }
                head = longer;
            }
        }
        Tokenizer::new(tokens, merges, HashMap::new(), vec![], false).unwrap()
    }

    fn corpus(tokenizer: &Tokenizer, texts: &[String]) -> Corpus {
        let mut spec = EngineSpec {
            tokenizer_hash: TokenCodec::fingerprint(tokenizer),
            ..EngineSpec::default()
        };
        spec.credit.floor_margin_q16 = 1 << 16;
        spec.credit.match_tokens_min = 2;
        let document = |(text, number): (&String, u64)| {
            let document = Document::normalise(text.as_bytes()).unwrap();
            let contribution = Contribution {
                id: ContributionId(number),
                datanet: DatanetId(1 + number % 2),
                contributor: Address::repeat_byte(5),
                sequence: Sequence(number),
                commitment: scores::document::DocumentCommitment::of(&document).unwrap(),
                place: None,
            };
            CorpusDocument { contribution, document }
        };
        let documents = texts.iter().zip(1..).map(document).collect();
        Corpus::build(&spec, documents, tokenizer, None).unwrap()
    }

    /// All runs and all documents, one by one, as the chain would look at them.
    fn is_missed(
        record: &AttributionRecord,
        tokens: &[u16],
        corpus: &Corpus,
        tokenizer: &Tokenizer,
    ) -> bool {
        let answer = record.answer_tokens as usize;
        (0..answer).flat_map(|from| (from + 1..=answer).map(move |to| from..to)).any(|run| {
            let words = &tokens[run.clone()];
            let surprise: u64 = corpus.surprises().of_all(words).iter().sum();
            let bordered = tokens
                .get(run.end)
                .is_none_or(|next| b" \n\t".contains(&tokenizer.bytes(*next)[0]));
            let piece = tokenizer.decode(words);
            words.len() >= corpus.spec().credit.match_tokens_min as usize
                && surprise >= corpus.floor_q16()
                && bordered
                && words.iter().all(|word| is_word(tokenizer.bytes(*word)))
                && corpus.documents().any(|document| {
                    let text = document.document.text();
                    let held = text.match_indices(&piece).any(|(at, _)| {
                        text[at + piece.len()..].chars().next().is_none_or(|c| " \n\t".contains(c))
                    });
                    let run = run.start as u32..run.end as u32;
                    held && record.keeps_from(&run, document.id().unwrap())
                })
        })
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            12 => prop::sample::select(&WORDS[..]).prop_map(|word| format!(" {word}")),
            1 => prop::sample::select(&OTHERS[..]).prop_map(str::to_owned),
        ]
    }

    /// Documents; pieces of them that an answer repeats, by document and bytes, each with new text behind it; and a prompt.
    fn scene() -> impl Strategy<Value = (Vec<String>, Vec<(Index, Index, Index, String)>, String)> {
        let text = |pieces| prop::collection::vec(piece(), pieces).prop_map(|all| all.concat());
        let repeated = (any::<Index>(), any::<Index>(), any::<Index>(), text(0..4));
        let documents =
            prop::collection::vec(text(8..40).prop_map(|text| format!("a{text}")), 1..6);
        (documents, prop::collection::vec(repeated, 0..4), text(0..12))
    }

    fn answer_of(texts: &[String], pieces: &[(Index, Index, Index, String)]) -> String {
        let piece = |(document, from, length, new): &(Index, Index, Index, String)| {
            let text = document.get(texts);
            let from = from.index(text.len());
            let to = (from + length.index(60)).min(text.len());
            format!("{}{new}", &text[from..to])
        };
        pieces.iter().map(piece).collect()
    }

    proptest! {
        #[test]
        fn an_honest_record_shows_no_fault_and_a_false_one_what_the_chain_finds_false(
            (texts, pieces, prompt) in scene(),
            unseen in 0_usize..3,
            changes in prop::collection::vec((any::<Index>(), 0..4_u8, any::<Index>()), 1..4),
        ) {
            let tokenizer = tokenizer();
            let corpus = corpus(&tokenizer, &texts);
            let tokens = tokenizer.encode(&answer_of(&texts, &pieces)).unwrap();
            let answer = &tokens[..tokens.len().saturating_sub(unseen)];
            let prompt = vec![tokenizer.encode(&prompt).unwrap()];
            let honest = corpus.attribute(B256::ZERO, B256::ZERO, answer, &prompt).unwrap();
            prop_assert_eq!(false_surprise(&honest, &tokens, &corpus), None);
            prop_assert!(!is_missed(&honest, &tokens, &corpus, &tokenizer));
            prop_assert_eq!(missed(&honest, &tokens, &corpus, &tokenizer, |_| true).unwrap(), None);

            let mut record = honest;
            for (span, change, other) in changes {
                if record.spans.is_empty() {
                    break;
                }
                let index = span.index(record.spans.len());
                let span = &mut record.spans[index];
                match change {
                    0 => { record.spans.remove(index); }
                    1 => span.contribution = ContributionId(1 + other.index(texts.len()) as u64),
                    2 => span.end = span.start + 1 + other.index((span.end - span.start) as usize) as u32,
                    _ => span.start += other.index((span.end - span.start) as usize) as u32,
                }
            }
            let found = missed(&record, &tokens, &corpus, &tokenizer, |_| true).unwrap();
            prop_assert_eq!(found.is_some(), is_missed(&record, &tokens, &corpus, &tokenizer));
            if let Some(Missed { run, holder, bytes }) = found {
                let text = corpus.document(holder).unwrap().document.text();
                let words = &tokens[run.start as usize..run.end as usize];
                prop_assert_eq!(&text[bytes], tokenizer.decode(words));
                prop_assert!(record.keeps_from(&run, holder));
                let all_but = |id| id != holder;
                let other = missed(&record, &tokens, &corpus, &tokenizer, all_but).unwrap();
                prop_assert!(other.is_none_or(|other| other.holder != holder));
            }
        }

        /// Where documents and answers are words that are a token each, nothing that somebody has can be kept from all.
        #[test]
        fn of_words_no_match_can_be_left_out(
            words in prop::collection::vec(prop::sample::select(&WORDS[..]), 30..80),
            later in prop::collection::vec(prop::sample::select(&WORDS[..]), 10..30),
            quoted in (1_usize..20, 8_usize..11),
            dropped in any::<Index>(),
        ) {
            let tokenizer = tokenizer();
            let (from, length) = quoted;
            let quotation = words[from..from + length].join(" ");
            let texts = [words.join(" "), format!("{} {quotation}", later.join(" "))];
            let corpus = corpus(&tokenizer, &texts);
            let tokens = tokenizer.encode(&format!(" {quotation} {}", later.join(" "))).unwrap();
            let honest = corpus.attribute(B256::ZERO, B256::ZERO, &tokens, &[]).unwrap();
            prop_assert!(!honest.spans.is_empty());
            let mut record = honest.clone();
            record.spans.remove(dropped.index(honest.spans.len()));
            prop_assert!(missed(&record, &tokens, &corpus, &tokenizer, |_| true).unwrap().is_some());
        }

        #[test]
        fn another_surprise_floor_or_total_is_found(
            (texts, pieces, prompt) in scene(),
            change in 0..4_u8,
            span in any::<Index>(),
            by in 1_u64..1 << 40,
        ) {
            let tokenizer = tokenizer();
            let corpus = corpus(&tokenizer, &texts);
            let tokens = tokenizer.encode(&answer_of(&texts, &pieces)).unwrap();
            let prompt = vec![tokenizer.encode(&prompt).unwrap()];
            let honest = corpus.attribute(B256::ZERO, B256::ZERO, &tokens, &prompt).unwrap();
            let mut record = honest.clone();
            let shortest = honest.spans.iter().map(|span| span.end - span.start).min();
            let expected = match change {
                0 if !honest.spans.is_empty() => {
                    let index = span.index(honest.spans.len());
                    record.spans[index].surprise_q16 += by;
                    Some(FalseSurprise::Span(index))
                }
                1 => {
                    record.floor_q16 ^= by;
                    None
                }
                2 => {
                    record.answer_tokens = tokens.len() as u32 + by as u32 % 9 + 1;
                    Some(FalseSurprise::Answer)
                }
                _ => {
                    record.total_surprise_q16 += by;
                    Some(FalseSurprise::Answer)
                }
            };
            let found = false_surprise(&record, &tokens, &corpus);
            match (expected, found, shortest) {
                (Some(_), _, _) => prop_assert_eq!(found, expected),
                // The floor is shown with the fewest tokens.
                (None, Some(FalseSurprise::Span(index)), Some(shortest)) => {
                    prop_assert_eq!(record.spans[index].end - record.spans[index].start, shortest);
                }
                (None, found, _) => prop_assert_eq!(found, Some(FalseSurprise::Answer)),
            }
        }
    }
}
