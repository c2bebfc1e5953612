//! Any way of spreading documents over segments gives what one segment gives, and what reading the
//! documents from end to end gives.

use attribution_index::{Document, Index, Occurrence, Span, SpanParams};
use proptest::prelude::*;
use scores::{ContributionId, Sequence, credit::Gram};

/// Documents over few token values, so that matches are plentiful; two of the values are the extremes.
fn documents() -> impl Strategy<Value = Vec<Vec<u16>>> {
    prop::collection::vec(tokens(1..40), 1..10)
}

fn tokens(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u16>> {
    let token = prop::sample::select(vec![0_u16, 1, 2, u16::MAX - 1]);
    prop::collection::vec(token, length)
}

/// Sequences run against contribution ids, so that neither can stand for the other.
fn number(documents: &[Vec<u16>]) -> Vec<Document> {
    documents
        .iter()
        .zip(0_u64..)
        .map(|(tokens, i)| Document {
            contribution: ContributionId(i + 1),
            sequence: Sequence(1_000 - i),
            tokens: tokens.clone(),
        })
        .collect()
}

fn brute_longest(documents: &[Document], answer: &[u16]) -> Vec<u32> {
    (0..answer.len())
        .map(|start| {
            let longest = documents.iter().flat_map(|document| {
                (0..document.tokens.len()).map(|at| {
                    document.tokens[at..]
                        .iter()
                        .zip(&answer[start..])
                        .take_while(|(a, b)| a == b)
                        .count()
                })
            });
            longest.max().unwrap_or(0) as u32
        })
        .collect()
}

fn brute_places(documents: &[Document], pattern: &[u16]) -> (u64, Vec<Occurrence>) {
    let mut count = 0;
    let mut occurrences = Vec::new();
    for document in documents {
        let offsets: Vec<usize> = (0..document.tokens.len())
            .filter(|at| document.tokens[*at..].starts_with(pattern))
            .collect();
        count += offsets.len() as u64;
        occurrences.extend(offsets.first().map(|offset| Occurrence {
            sequence: document.sequence,
            contribution: document.contribution,
            offset: *offset as u32,
        }));
    }
    occurrences.sort();
    (count, occurrences)
}

fn brute_spans(documents: &[Document], answer: &[u16], params: SpanParams) -> Vec<Span> {
    let longest = brute_longest(documents, answer);
    let contained = |start: usize| {
        (0..start)
            .any(|before| before + longest[before] as usize >= start + longest[start] as usize)
    };
    (0..answer.len())
        .filter(|start| longest[*start] >= params.tokens_min && !contained(*start))
        .map(|start| {
            let pattern = &answer[start..start + longest[start] as usize];
            let (count, mut occurrences) = brute_places(documents, pattern);
            occurrences.truncate(params.documents_max);
            Span { start: start as u32, length: longest[start], count, occurrences }
        })
        .collect()
}

/// One `append` per piece.
fn index_in_pieces(documents: &[Document], pieces: &[usize]) -> Index {
    let mut index = Index::in_memory();
    let mut rest = documents;
    for piece in pieces.iter().chain([&usize::MAX]) {
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        index.append(now).unwrap();
        rest = later;
    }
    index
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_segmentation_equals_brute_force(
        documents in documents(),
        answer in tokens(0..60),
        pieces in prop::collection::vec(0_usize..4, 0..6),
        documents_max in 1_usize..4,
        tokens_min in 1_u32..5,
        grams in prop::collection::vec((0_usize..60, 1_u32..6), 0..12),
    ) {
        let documents = number(&documents);
        let params = SpanParams { tokens_min, documents_max };
        let whole = index_in_pieces(&documents, &[]);
        let index = index_in_pieces(&documents, &pieces);
        prop_assert_eq!(whole.segment_count(), 1);

        prop_assert_eq!(index.longest(&answer).unwrap(), brute_longest(&documents, &answer));
        let spans = brute_spans(&documents, &answer, params);
        prop_assert_eq!(&index.spans(&answer, params).unwrap(), &spans);
        prop_assert_eq!(&whole.spans(&answer, params).unwrap(), &spans);

        let grams: Vec<Gram> = grams
            .into_iter()
            .filter(|(start, length)| start + *length as usize <= answer.len())
            .map(|(start, length)| Gram { start: start as u32, length })
            .collect();
        let earliest: Vec<_> = grams
            .iter()
            .map(|gram| {
                let pattern = &answer[gram.start as usize..][..gram.length as usize];
                brute_places(&documents, pattern).1.first().copied()
            })
            .collect();
        prop_assert_eq!(index.earliest(&answer, &grams).unwrap(), earliest);

        let odd = |id: ContributionId| id.0 % 2 == 1;
        prop_assert_eq!(index.unigrams(odd), whole.unigrams(odd));
        prop_assert_eq!(index.unigrams(|_| true).total() as usize, index.token_count());
        prop_assert_eq!(index.documents(), whole.documents());
    }
}
