//! The index as files: what is appended survives, what is broken is refused with the reason.

use std::{fs, path::Path};

use attribution_index::{Document, Index, IndexError, SpanParams};
use scores::{ContributionId, Sequence, credit::DocumentTokens};

fn document(id: u64, tokens: &[u16]) -> Document {
    Document { contribution: ContributionId(id), sequence: Sequence(id), tokens: tokens.to_vec() }
}

fn segment_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let answer = [1, 2, 3, 9, 4, 5, 6];
    let params = SpanParams { tokens_min: 2, documents_max: 10 };
    let mut index = Index::open(directory.path()).unwrap();
    for id in 1..=20 {
        index
            .append(&[document(id, &[1, 2, 3, id as u16 + 100]), document(id + 100, &[4, 5, 6])])
            .unwrap();
    }
    let spans = index.spans(&answer, params).unwrap();
    assert_eq!(spans.iter().map(|span| span.count).collect::<Vec<_>>(), [20, 20]);
    // Sizes fall geometrically, so segments stay few.
    assert!(index.segment_count() <= 6, "{} segments", index.segment_count());
    drop(index);

    let index = Index::open(directory.path()).unwrap();
    assert_eq!(index.spans(&answer, params).unwrap(), spans);
    assert_eq!(index.tokens(ContributionId(7)), Some(&[1_u16, 2, 3, 107][..]));
    assert_eq!(segment_files(directory.path()).len(), index.segment_count());
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let _held = Index::open(directory.path()).unwrap();
    assert!(matches!(Index::open(directory.path()), Err(IndexError::Locked { .. })));
}

#[test]
fn files_of_an_interrupted_append_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    drop(Index::open(directory.path()).unwrap());
    fs::write(directory.path().join("00000001.seg"), b"half").unwrap();
    fs::write(directory.path().join("00000002.seg.tmp"), b"half").unwrap();
    let mut index = Index::open(directory.path()).unwrap();
    assert!(segment_files(directory.path()).is_empty());
    index.append(&[document(1, &[1])]).unwrap();
    assert_eq!(index.token_count(), 1);
}

#[test]
fn damaged_segments_are_refused_with_the_reason() {
    #[track_caller]
    fn check(damage: fn(&mut Vec<u8>), expected: fn(&IndexError) -> bool) {
        let directory = tempfile::tempdir().unwrap();
        let mut index = Index::open(directory.path()).unwrap();
        index.append(&[document(1, &[1, 2, 3])]).unwrap();
        drop(index);
        let file = segment_files(directory.path()).remove(0);
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let error = Index::open(directory.path()).unwrap_err();
        assert!(expected(&error), "{error}");
        assert!(error.to_string().contains("00000001.seg"), "{error}");
    }
    check(|b| b[0] ^= 1, |e| matches!(e, IndexError::NotASegment { .. }));
    check(|b| b.clear(), |e| matches!(e, IndexError::NotASegment { .. }));
    check(|b| b.truncate(20), |e| matches!(e, IndexError::Length { .. }));
    check(|b| b[8] = 9, |e| matches!(e, IndexError::Version { found: 9, .. }));
    check(|b| b.truncate(b.len() - 1), |e| matches!(e, IndexError::Length { .. }));
    check(|b| b.push(0), |e| matches!(e, IndexError::Length { .. }));
    check(|b| *b.last_mut().unwrap() ^= 1, |e| matches!(e, IndexError::Checksum { .. }));
    check(|b| b[80] ^= 1, |e| matches!(e, IndexError::Checksum { .. }));
    check(|b| b[16..24].fill(0xff), |e| matches!(e, IndexError::Inconsistent { .. }));
    check(|b| b[12..16].fill(0xff), |e| matches!(e, IndexError::Length { .. }));
}

#[test]
fn a_damaged_manifest_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(Index::open(directory.path()).unwrap());
    for json in [
        "{",
        r#"{"version":9,"nextFile":1,"segments":[]}"#,
        r#"{"version":1,"nextFile":1,"segments":["../x"]}"#,
    ] {
        fs::write(directory.path().join("MANIFEST"), json).unwrap();
        assert!(
            matches!(Index::open(directory.path()), Err(IndexError::Manifest { .. })),
            "{json}"
        );
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let mut index = Index::in_memory();
    index.append(&[document(1, &[1, 2])]).unwrap();
    assert!(matches!(
        index.append(&[document(1, &[3])]),
        Err(IndexError::DuplicateContribution(1))
    ));
    let twice = [document(2, &[3]), document(2, &[3])];
    assert!(matches!(index.append(&twice), Err(IndexError::DuplicateContribution(2))));
    assert!(matches!(index.append(&[document(3, &[])]), Err(IndexError::EmptyDocument(3))));
    let reserved = index.append(&[document(4, &[1, u16::MAX])]);
    assert!(matches!(reserved, Err(IndexError::ReservedToken { position: 1 })));
    assert!(matches!(index.longest(&[u16::MAX]), Err(IndexError::ReservedToken { position: 0 })));
    assert_eq!(index.token_count(), 2);
    assert_eq!(index.longest(&[]).unwrap(), Vec::<u32>::new());
}
