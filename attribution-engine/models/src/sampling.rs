//! Choosing the next token. The same logits, parameters and seed give the same choice.

use crate::{error::ModelError, tokenizer::TokenId};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the likeliest token; up to 2.
    pub temperature: f32,
    /// Only the likeliest tokens that together reach this probability are considered; above 0, up to 1.
    pub top_p: f32,
    pub seed: u64,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, seed: 0 }
    }
}

impl SamplingParams {
    /// Checks the bounds; not-a-number is outside all of them.
    pub fn check(&self) -> Result<(), ModelError> {
        let within =
            |name, value: f32, low: f32, high: f32, expected| match value >= low && value <= high {
                true => Ok(()),
                false => Err(ModelError::Parameter { name, expected }),
            };
        within("temperature", self.temperature, 0.0, 2.0, "between 0 and 2")?;
        within("top_p", self.top_p, 0.0, 1.0, "between 0 and 1")
    }
}

/// Sampler of one answer.
pub struct Sampler {
    params: SamplingParams,
    random: SplitMix64,
    candidates: Vec<(TokenId, f32)>,
}

impl Sampler {
    pub fn new(params: SamplingParams) -> Self {
        Self { params, random: SplitMix64(params.seed), candidates: Vec::new() }
    }

    /// Chooses a token.
    pub fn next(&mut self, logits: &[f32]) -> TokenId {
        if self.params.temperature == 0.0 { argmax(logits) } else { self.draw(logits) }
    }

    fn draw(&mut self, logits: &[f32]) -> TokenId {
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let inverse = 1.0 / self.params.temperature;
        // Anything less likely than e^-20 times the best cannot matter: 49,152 of those sum to 0.0001.
        let weights = logits.iter().zip(0..=TokenId::MAX).filter_map(|(logit, id)| {
            let exponent = (logit - best) * inverse;
            (exponent > -20.0).then(|| (id, exponent.exp()))
        });
        self.candidates.clear();
        self.candidates.extend(weights);
        // Ties in order of id, so that the order does not depend on the sort.
        self.candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let total: f32 = self.candidates.iter().map(|(_, weight)| weight).sum();
        let mut kept = 0;
        let mut mass = 0.0;
        for (_, weight) in &self.candidates {
            kept += 1;
            mass += weight;
            if mass >= self.params.top_p * total {
                break;
            }
        }
        let mut left = self.random.unit() * mass;
        for (id, weight) in &self.candidates[..kept] {
            left -= weight;
            if left < 0.0 {
                return *id;
            }
        }
        self.candidates.get(kept.saturating_sub(1)).map_or_else(|| argmax(logits), |(id, _)| *id)
    }
}

/// The first of the greatest.
fn argmax(logits: &[f32]) -> TokenId {
    let best =
        logits.iter().zip(0..=TokenId::MAX).fold((f32::NEG_INFINITY, 0), |best, (logit, id)| {
            match *logit > best.0 {
                true => (*logit, id),
                false => best,
            }
        });
    best.1
}

/// Sebastiano Vigna's SplitMix64: small, fast, and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(params: SamplingParams, logits: &[f32], count: usize) -> Vec<TokenId> {
        let mut sampler = Sampler::new(params);
        (0..count).map(|_| sampler.next(logits)).collect()
    }

    #[test]
    fn greedy_takes_the_first_of_the_greatest() {
        assert_eq!(draws(SamplingParams::default(), &[1.0, 3.0, 3.0, f32::NAN], 3), [1, 1, 1]);
    }

    #[test]
    fn a_seed_decides_everything() {
        let logits: Vec<f32> = (0..50).map(|i| ((i * 37) % 11) as f32 / 5.0).collect();
        let params = |seed| SamplingParams { temperature: 1.0, seed, ..Default::default() };
        assert_eq!(draws(params(7), &logits, 100), draws(params(7), &logits, 100));
        assert_ne!(draws(params(7), &logits, 100), draws(params(8), &logits, 100));
    }

    #[test]
    fn top_p_cuts_the_tail() {
        let logits = [0.0, 5.0, 4.9, -1.0];
        let params = SamplingParams { temperature: 1.0, top_p: 0.9, seed: 1, ..Default::default() };
        let drawn = draws(params, &logits, 200);
        assert!(drawn.iter().all(|id| matches!(id, 1 | 2)));
        assert!(drawn.contains(&1) && drawn.contains(&2));
        assert!(
            draws(SamplingParams { top_p: 0.0, ..params }, &logits, 20).iter().all(|id| *id == 1)
        );
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let logits = [0.0, (3.0f32).ln()];
        let drawn = draws(
            SamplingParams { temperature: 1.0, seed: 3, ..Default::default() },
            &logits,
            10_000,
        );
        let ones = drawn.iter().filter(|id| **id == 1).count();
        assert!((7_300..7_700).contains(&ones), "{ones}");
    }

    #[test]
    fn bounds_are_checked() {
        for bad in [
            SamplingParams { temperature: 2.1, ..Default::default() },
            SamplingParams { temperature: f32::NAN, ..Default::default() },
            SamplingParams { top_p: -0.1, ..Default::default() },
        ] {
            assert!(bad.check().is_err());
        }
    }
}
