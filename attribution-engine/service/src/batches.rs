//! Batches: many documents in one contribution, whose chunks are the leaves of its documents (`Batches.sol`). Here a batch
//! is taken apart into documents, each with its path under the root that the contribution committed to; from there on a
//! document of a batch is a document like any other.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use scores::{document::DocumentCommitment, merkle};

use crate::{
    chain::{Contribution, Place},
    clusters::CorpusDocument,
    content::{ContentError, ContentStore, Result, verify},
    evidence::{EvidenceError, EvidenceSource},
};

/// The documents of a contribution: itself, or those of a batch by the list of what they are, which must be what was
/// committed to.
pub fn items(
    contribution: &Contribution,
    list: &[DocumentCommitment],
) -> Result<Vec<Contribution>> {
    if !contribution.is_batch() {
        return Ok(vec![contribution.clone()]);
    }
    if DocumentCommitment::of_batch(list)? != contribution.commitment {
        return Err(ContentError::WrongBatch { contribution: contribution.id });
    }
    let leaves: Vec<B256> =
        list.iter().map(|document| merkle::leaf_hash(document.item().as_slice())).collect();
    let placed = (0..).zip(list).zip(merkle::proofs(&leaves));
    let item = |((index, commitment), path): ((u32, &DocumentCommitment), Vec<B256>)| {
        let place = Some(Place { index, path });
        Contribution { commitment: commitment.clone(), place, ..contribution.clone() }
    };
    Ok(placed.map(item).collect())
}

/// Whether a document is at its place of a batch.
pub fn is_at(batch: &Contribution, place: &Place, document: &DocumentCommitment) -> bool {
    let leaf = merkle::leaf_hash(document.item().as_slice());
    let DocumentCommitment { chunk_root, chunk_count, .. } = batch.commitment;
    merkle::verify(chunk_root, leaf, place.index.into(), chunk_count.into(), &place.path)
}

/// The documents of a contribution that count, from the store. `unsound` are keys of those that do not.
pub fn stored(
    contribution: &Contribution,
    store: &ContentStore,
    unsound: &BTreeSet<B256>,
) -> Result<Vec<CorpusDocument>> {
    let list = match contribution.is_batch() {
        true => store.list_of(contribution.commitment.content_hash)?,
        false => vec![],
    };
    let counted = items(contribution, &list)?.into_iter();
    let counted = counted.filter(|item| !unsound.contains(&item.key()));
    counted
        .map(|contribution| {
            let document = store.document_of(&contribution)?;
            Ok(CorpusDocument { contribution, document })
        })
        .collect()
}

/// The same from published evidence, of which nothing is trusted. The inner error is what is wrong with it.
pub async fn published(
    contribution: &Contribution,
    source: &dyn EvidenceSource,
    unsound: &BTreeSet<B256>,
) -> Result<Result<Vec<CorpusDocument>>, EvidenceError> {
    let list = match contribution.is_batch() {
        true => source.list(contribution.commitment.content_hash).await?,
        false => vec![],
    };
    let items = match items(contribution, &list) {
        Ok(items) => items,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let mut documents = Vec::new();
    for contribution in items {
        if unsound.contains(&contribution.key()) {
            continue;
        }
        let document = source.document(contribution.commitment.content_hash).await?;
        match verify(&contribution, &document) {
            Ok(()) => documents.push(CorpusDocument { contribution, document }),
            Err(wrong) => return Ok(Err(wrong)),
        }
    }
    Ok(Ok(documents))
}
