//! The time of blocks: the system's clock, possibly ahead of it, and always above the parent's.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of the next block.
#[derive(Debug)]
pub(super) struct Clock {
    /// Seconds that it is ahead of the system's.
    ahead: i64,
    /// Of the next block only.
    next: Option<u64>,
}

impl Clock {
    /// Goes on from a head's time, if that is ahead of the system's clock already.
    pub(super) fn after(head: u64) -> Self {
        let ahead = i64::try_from(head.saturating_sub(system())).unwrap_or_default();
        Self { ahead, next: None }
    }

    /// Time of a block on a parent with this time.
    pub(super) fn next(&mut self, parent: u64) -> u64 {
        self.next
            .take()
            .unwrap_or_else(|| system().saturating_add_signed(self.ahead))
            .max(parent.saturating_add(1))
    }

    /// Jumps ahead.
    pub(super) fn increase(&mut self, seconds: u64) -> i64 {
        self.ahead = self.ahead.saturating_add_unsigned(seconds);
        self.ahead
    }

    /// The next block has this time, and time goes on from there.
    pub(super) fn set_next(&mut self, timestamp: u64) {
        self.next = Some(timestamp);
        self.ahead = i64::try_from(timestamp)
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(system()).unwrap_or_default());
    }
}

/// Seconds since the Unix epoch.
fn system() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_only_goes_on() {
        let mut clock = Clock::after(0);
        let now = clock.next(0);
        assert!(now >= 1_700_000_000);
        assert_eq!(clock.next(now + 50), now + 51);
        clock.set_next(now + 1_000);
        assert_eq!(clock.next(now), now + 1_000);
        // It went on from there.
        assert!((now + 1_000..now + 1_010).contains(&clock.next(now + 2)));
        clock.increase(500);
        assert!(clock.next(now) >= now + 1_500);
        // A chain that was ahead stays ahead.
        assert!(Clock::after(now + 5_000).next(now) >= now + 5_000);
    }
}
