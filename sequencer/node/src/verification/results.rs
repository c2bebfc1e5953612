//! What became of submissions. In memory, the newest only.

use std::collections::{HashMap, VecDeque};

use alloy_primitives::hex;

/// Where a submission stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Queued,
    Running,
    Verified,
    /// With the reason.
    Failed(String),
}

/// At most `max` outcomes; the oldest goes first.
#[derive(Debug)]
pub(super) struct Results {
    outcomes: HashMap<String, Outcome>,
    order: VecDeque<String>,
    max: usize,
}

impl Results {
    pub(super) fn new(max: usize) -> Self {
        Self { outcomes: HashMap::new(), order: VecDeque::new(), max }
    }

    pub(super) fn insert(&mut self, id: String) {
        while self.order.len() >= self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.outcomes.insert(id, Outcome::Queued);
    }

    /// Does nothing for one that was forgotten meanwhile.
    pub(super) fn set(&mut self, id: &str, outcome: Outcome) {
        if let Some(entry) = self.outcomes.get_mut(id) {
            *entry = outcome;
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<Outcome> {
        self.outcomes.get(id).cloned()
    }
}

/// A name nobody can guess, so that only who submitted learns the outcome.
pub(super) fn new_id() -> String {
    hex::encode(rand::random::<[u8; 24]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let mut results = Results::new(2);
        for id in ["a", "b", "c"] {
            results.insert(id.to_owned());
        }
        results.set("a", Outcome::Verified);
        results.set("b", Outcome::Running);
        assert_eq!(results.get("a"), None);
        assert_eq!(results.get("b"), Some(Outcome::Running));
        assert_eq!(results.get("c"), Some(Outcome::Queued));
    }
}
