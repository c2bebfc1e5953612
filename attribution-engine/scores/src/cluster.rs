//! Near-duplicate clusters: value goes to a cluster, and a cluster's value to its first valid
//! commitment, so copying, excerpting and uploading under many names gain nothing.
//!
//! Documents are taken in the order of their on-chain commitments. A document joins the cluster of
//! the *earliest* document that it near-duplicates, else it founds its own. It near-duplicates an
//! earlier one if
//!
//! * their sketches agree in at least [`ClusterParams::sketch_matches_min`] positions (near copies;
//!   decidable from what the chain commits to), or
//! * at least [`ClusterParams::containment_bps_min`] of *its own* shingles occur in the earlier one
//!   (excerpts, reworded copies, and supersets up to the padding the threshold allows).
//!
//! Containment is asked of the later document only. Were it symmetric, a tiny early document made of
//! stock phrases would swallow every later document that contains them; and were clusters united
//! transitively, a later document made of two others would hand one founder's value to the other.
//! What a padded copy still holds verbatim of an earlier document is credited to the earlier one by
//! the span rule ([`crate::credit`]) without any cluster.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolValue;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, ScoresError},
    ids::{ContributionId, DatanetId, Sequence},
    merkle,
    sketch::{Sketch, shingles},
};

/// Thresholds of the near-duplicate rule; part of the engine spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterParams {
    /// Basis points of the later document's shingles that must occur in the earlier one.
    pub containment_bps_min: u32,
    /// Equal positions of the two sketches, of 128.
    pub sketch_matches_min: u32,
}

/// A document as clustering needs it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterInput<'a> {
    /// Of a document of a batch, the document's id.
    pub contribution: ContributionId,
    pub sequence: Sequence,
    pub datanet: DatanetId,
    pub contributor: Address,
    /// Normalised text.
    pub text: &'a str,
}

/// Where a contribution's value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub contribution: ContributionId,
    pub sequence: Sequence,
    pub datanet: DatanetId,
    pub contributor: Address,
    /// The founder's contribution id.
    pub cluster: ContributionId,
}

/// Which cluster each contribution belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMap {
    members: BTreeMap<ContributionId, Member>,
}

impl ClusterMap {
    /// Clusters documents; their order in `inputs` does not matter, their `sequence` does.
    pub fn build(inputs: &[ClusterInput<'_>], params: ClusterParams) -> Result<Self> {
        let mut ordered: Vec<&ClusterInput<'_>> = inputs.iter().collect();
        // Documents of one batch have its sequence, and ids in their order.
        ordered.sort_by_key(|input| (input.sequence, input.contribution));
        for pair in ordered.windows(2) {
            if let [a, b] = pair
                && a.sequence == b.sequence
                && (a.contribution == b.contribution
                    || a.contribution.parts().0 != b.contribution.parts().0)
            {
                return Err(ScoresError::SequenceTwice(a.sequence.0));
            }
        }
        let mut map = Self::default();
        let mut earlier: Vec<(ContributionId, Sketch)> = Vec::with_capacity(ordered.len());
        // Shingle → positions in `earlier`, ascending. Looked up only, never iterated.
        let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
        for input in ordered {
            let shingles = shingles(input.text);
            let sketch = Sketch::of_shingles(&shingles);
            let mut shared = vec![0_u64; earlier.len()];
            for position in shingles.iter().filter_map(|shingle| holders.get(shingle)).flatten() {
                if let Some(count) = shared.get_mut(*position) {
                    *count = count.saturating_add(1);
                }
            }
            let own = u64::try_from(shingles.len()).unwrap_or(u64::MAX);
            let founder = earlier
                .iter()
                .zip(&shared)
                .find(|((_, other), shared)| {
                    sketch.matches(other) >= params.sketch_matches_min
                        || contained(**shared, own, params.containment_bps_min)
                })
                .and_then(|((document, _), _)| map.members.get(document))
                .map_or(input.contribution, |original| original.cluster);
            let position = earlier.len();
            for shingle in shingles {
                holders.entry(shingle).or_default().push(position);
            }
            earlier.push((input.contribution, sketch));
            map.members.insert(
                input.contribution,
                Member {
                    contribution: input.contribution,
                    sequence: input.sequence,
                    datanet: input.datanet,
                    contributor: input.contributor,
                    cluster: founder,
                },
            );
        }
        Ok(map)
    }

    /// A map from members decided elsewhere, e.g. read from an evidence bundle for display.
    pub fn from_members(members: impl IntoIterator<Item = Member>) -> Self {
        Self { members: members.into_iter().map(|member| (member.contribution, member)).collect() }
    }

    pub fn member(&self, contribution: ContributionId) -> Option<&Member> {
        self.members.get(&contribution)
    }

    /// The member whose contributor is paid for `contribution`: its cluster's founder.
    pub fn founder_of(&self, contribution: ContributionId) -> Option<&Member> {
        self.members.get(&self.members.get(&contribution)?.cluster)
    }

    pub fn is_founder(&self, contribution: ContributionId) -> bool {
        self.members.get(&contribution).is_some_and(|member| member.cluster == contribution)
    }

    /// Members in ascending order of contribution id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// `clusterMapRoot`: Merkle root over `abi.encode(contributionId, clusterId)` in ascending order of
    /// contribution id, which of a document of a batch is [`ContributionId::document`]; zero for an empty map.
    pub fn root(&self) -> B256 {
        merkle::root(&self.leaves()).unwrap_or(B256::ZERO)
    }

    /// Place of a member in the tree under [`Self::root`], and its path there.
    pub fn proof(&self, contribution: ContributionId) -> Result<Option<(usize, Vec<B256>)>> {
        let Some(index) = self.members.keys().position(|id| *id == contribution) else {
            return Ok(None);
        };
        Ok(Some((index, merkle::proof(&self.leaves(), index)?)))
    }

    fn leaves(&self) -> Vec<B256> {
        let leaf = |member: &Member| {
            let pair = (member.contribution.to_u256(), member.cluster.to_u256());
            merkle::leaf_hash(&pair.abi_encode())
        };
        self.members.values().map(leaf).collect()
    }
}

fn contained(shared: u64, own: u64, bps_min: u32) -> bool {
    shared > 0
        && u128::from(shared).saturating_mul(10_000)
            >= u128::from(own).saturating_mul(u128::from(bps_min))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::EngineSpec;

    fn params() -> ClusterParams {
        EngineSpec::default().cluster
    }

    /// `count` words, all different, starting at `from`.
    fn prose(from: usize, count: usize) -> String {
        (from..from + count).map(|i| format!("w{i} ")).collect()
    }

    /// Clusters of texts given in commitment order, by position.
    fn clusters(texts: &[String]) -> Vec<usize> {
        let inputs: Vec<_> = texts
            .iter()
            .zip(0_u64..)
            .map(|(text, i)| ClusterInput {
                contribution: ContributionId(i),
                sequence: Sequence(i),
                datanet: DatanetId(1),
                contributor: Address::ZERO,
                text,
            })
            .collect();
        let map = ClusterMap::build(&inputs, params()).unwrap();
        map.members().map(|member| member.cluster.0 as usize).collect()
    }

    #[test]
    fn copies_excerpts_and_supersets_join_the_first() {
        let original = prose(0, 1_000);
        let jittered: String = original
            .split_inclusive(' ')
            .enumerate()
            .map(|(i, word)| if i % 7 == 3 { format!("j{i} ") } else { word.to_owned() })
            .collect();
        let superset = original.clone() + &prose(50_000, 900);
        assert_eq!(
            clusters(&[
                original.clone(),
                original.to_uppercase(),
                prose(200, 40),
                jittered,
                superset
            ]),
            [0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn different_documents_stay_apart_even_with_common_passages() {
        let a = prose(0, 1_000);
        let b = prose(900, 1_000);
        assert_eq!(clusters(&[a, b]), [0, 1]);
    }

    #[test]
    fn a_small_early_document_cannot_swallow_a_large_later_one() {
        assert_eq!(clusters(&[prose(10, 30), prose(0, 1_000)]), [0, 1]);
    }

    #[test]
    fn a_bridge_between_two_documents_unites_nobody() {
        let (a, b) = (prose(0, 500), prose(5_000, 500));
        let bridge = a.clone() + &b;
        let late_copy_of_b = b.clone();
        assert_eq!(clusters(&[a, b, bridge, late_copy_of_b]), [0, 1, 0, 1]);
    }

    #[test]
    fn a_commitment_order_given_twice_is_refused() {
        let input = ClusterInput {
            contribution: ContributionId(1),
            sequence: Sequence(1),
            datanet: DatanetId(1),
            contributor: Address::ZERO,
            text: "a",
        };
        let error = ClusterMap::build(&[input, input], params()).unwrap_err();
        assert_eq!(error, ScoresError::SequenceTwice(1));
    }

    proptest! {
        #[test]
        fn input_order_does_not_matter(
            texts in prop::collection::vec((0_usize..40, 1_usize..60), 1..8),
            rotate in 0_usize..8,
        ) {
            let texts: Vec<String> = texts.iter().map(|(from, count)| prose(*from, *count)).collect();
            let mut inputs: Vec<_> = texts.iter().zip(0_u64..).map(|(text, i)| ClusterInput {
                contribution: ContributionId(100 - i),
                sequence: Sequence(i),
                datanet: DatanetId(1),
                contributor: Address::ZERO,
                text,
            }).collect();
            let straight = ClusterMap::build(&inputs, params()).unwrap();
            let count = inputs.len();
            inputs.rotate_left(rotate % count);
            prop_assert_eq!(ClusterMap::build(&inputs, params()).unwrap(), straight.clone());
            for member in straight.members() {
                let founder = straight.founder_of(member.contribution).unwrap();
                prop_assert_eq!(founder.cluster, founder.contribution);
                prop_assert!(founder.sequence <= member.sequence);
            }
        }
    }
}
