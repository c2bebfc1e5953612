//! The engine spec: every parameter that decides a weight, with a hash that models register and
//! receipts carry. Two engines with one spec and one set of public inputs write the same bytes.
//!
//! Canonical form: JSON with keys in ascending byte order, no white space, integers only, hashes as
//! lower-case hex with 0x. `engineSpecHash` is keccak256 of those bytes.

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cluster::ClusterParams,
    document::NORMALISATION_VERSION,
    error::{Result, ScoresError},
    record::WEIGHT_ONE,
    sketch::{SHINGLE_WORDS, SKETCH_LENGTH},
    surprise::ONE_BIT_Q16,
};

/// Version of the credit rule in [`crate::credit`] and of what its records say. Under 1, spans named contributions; under 2 a match
/// counted only as far as the shortest ones from its tokens on reach, and records left out what earns nothing.
pub const CREDIT_VERSION: u16 = 3;

/// What an engine computes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineSpec {
    /// Version of the credit rule.
    pub version: u16,
    /// Version of document normalisation and chunking.
    pub normalisation: u16,
    /// What turns text into token ids.
    pub tokenizer_hash: B256,
    /// SHA-256 of the base weights file.
    pub model_hash: B256,
    pub shingle_words: u32,
    pub sketch_length: u32,
    pub cluster: ClusterParams,
    pub credit: CreditParams,
    pub retrieval: RetrievalParams,
}

/// Parameters of the credit rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreditParams {
    /// Bits of surprise, Q16, that a match must have beyond log₂ of the corpus size.
    pub floor_margin_q16: u64,
    /// Shortest match that can earn, tokens.
    pub match_tokens_min: u32,
    /// Most that one cluster gets of an answer's pool, of [`WEIGHT_ONE`].
    pub cluster_weight_max: u32,
}

/// Parameters of lexical retrieval (BM25), in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetrievalParams {
    pub k1_thousandths: u32,
    pub b_thousandths: u32,
}

impl Default for RetrievalParams {
    fn default() -> Self {
        Self { k1_thousandths: 1_200, b_thousandths: 750 }
    }
}

impl Default for EngineSpec {
    /// The devnet's parameters, with hashes of tokenizer and weights left zero for the caller to set.
    fn default() -> Self {
        Self {
            version: CREDIT_VERSION,
            normalisation: NORMALISATION_VERSION,
            tokenizer_hash: B256::ZERO,
            model_hash: B256::ZERO,
            shingle_words: u32::try_from(SHINGLE_WORDS).unwrap_or(u32::MAX),
            sketch_length: u32::try_from(SKETCH_LENGTH).unwrap_or(u32::MAX),
            cluster: ClusterParams { containment_bps_min: 4_000, sketch_matches_min: 64 },
            credit: CreditParams {
                // Of maximal matches between documents of one domain by different authors, fewer than 5 in
                // 1,000 tokens reach further (docs/formats/attribution.md has the measurement).
                floor_margin_q16: ONE_BIT_Q16.saturating_mul(32),
                match_tokens_min: 6,
                cluster_weight_max: WEIGHT_ONE.checked_div(4).unwrap_or_default(),
            },
            retrieval: RetrievalParams::default(),
        }
    }
}

impl EngineSpec {
    /// The canonical bytes.
    pub fn canonical_json(&self) -> Result<String> {
        let value =
            serde_json::to_value(self).map_err(|error| ScoresError::Spec(error.to_string()))?;
        let mut out = String::new();
        write_canonical(&value, &mut out)?;
        Ok(out)
    }

    /// `engineSpecHash`.
    pub fn hash(&self) -> Result<B256> {
        Ok(keccak256(self.canonical_json()?))
    }

    /// Reads a spec and refuses one that is not in canonical form or that this engine cannot follow.
    pub fn from_canonical_json(json: &str) -> Result<Self> {
        let spec: Self =
            serde_json::from_str(json).map_err(|error| ScoresError::Spec(error.to_string()))?;
        if spec.canonical_json()? != json {
            return Err(ScoresError::Spec("bytes differ from the canonical form".into()));
        }
        spec.check()?;
        Ok(spec)
    }

    /// Whether this engine implements what the spec asks for.
    pub fn check(&self) -> Result<()> {
        let ours = Self::default();
        let fixed = [
            ("version", u64::from(self.version), u64::from(ours.version)),
            ("normalisation", u64::from(self.normalisation), u64::from(ours.normalisation)),
            ("shingleWords", u64::from(self.shingle_words), u64::from(ours.shingle_words)),
            ("sketchLength", u64::from(self.sketch_length), u64::from(ours.sketch_length)),
        ];
        for (name, theirs, ours) in fixed {
            if theirs != ours {
                return Err(ScoresError::Spec(format!(
                    "{name} is {theirs}, this engine implements {ours}"
                )));
            }
        }
        // ECONOMY-FACTS 6.4 bounds the cap to 5–50 % of the pool.
        let cap = self.credit.cluster_weight_max;
        if !(50_000_000..=500_000_000).contains(&cap) {
            return Err(ScoresError::Spec(format!(
                "clusterWeightMax is {cap}, outside 50,000,000..=500,000,000"
            )));
        }
        if self.credit.match_tokens_min == 0 {
            return Err(ScoresError::Spec("matchTokensMin is zero".into()));
        }
        Ok(())
    }
}

/// Writes JSON with sorted keys whatever order the map keeps.
fn write_canonical(value: &Value, out: &mut String) -> Result<()> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (position, (key, value)) in entries.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(value, out)?;
            }
            out.push('}');
        }
        Value::Number(number) if !number.is_u64() => {
            return Err(ScoresError::Spec(format!("{number} is not a non-negative integer")));
        }
        Value::Number(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Array(_) | Value::Null | Value::Bool(_) => {
            return Err(ScoresError::Spec("only objects, integers and strings are allowed".into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_pinned() {
        assert_eq!(
            EngineSpec::default().canonical_json().unwrap(),
            "{\"cluster\":{\"containmentBpsMin\":4000,\"sketchMatchesMin\":64},\
             \"credit\":{\"clusterWeightMax\":250000000,\"floorMarginQ16\":2097152,\"matchTokensMin\":6},\
             \"modelHash\":\"0x0000000000000000000000000000000000000000000000000000000000000000\",\
             \"normalisation\":1,\"retrieval\":{\"bThousandths\":750,\"k1Thousandths\":1200},\
             \"shingleWords\":3,\"sketchLength\":128,\
             \"tokenizerHash\":\"0x0000000000000000000000000000000000000000000000000000000000000000\",\
             \"version\":3}"
        );
    }

    #[test]
    fn only_the_canonical_form_is_read() {
        let spec = EngineSpec::default();
        let json = spec.canonical_json().unwrap();
        assert_eq!(EngineSpec::from_canonical_json(&json), Ok(spec.clone()));
        let spaced = serde_json::to_string_pretty(&spec).unwrap();
        assert!(matches!(EngineSpec::from_canonical_json(&spaced), Err(ScoresError::Spec(_))));
        let unknown = json.replace("\"version\":3", "\"version\":3,\"x\":1");
        assert!(matches!(EngineSpec::from_canonical_json(&unknown), Err(ScoresError::Spec(_))));
    }

    #[test]
    fn a_spec_of_another_version_or_out_of_bounds_is_refused() {
        let refused = |change: fn(&mut EngineSpec)| {
            let mut spec = EngineSpec::default();
            change(&mut spec);
            assert!(matches!(spec.check(), Err(ScoresError::Spec(_))));
        };
        refused(|spec| spec.version = 2);
        refused(|spec| spec.shingle_words = 5);
        refused(|spec| spec.credit.cluster_weight_max = WEIGHT_ONE);
        refused(|spec| spec.credit.match_tokens_min = 0);
    }
}
