//! What a backlog changes: how much new data L2 may make, how quickly channels are compressed, and how much
//! is paid as the sequencing window runs out. Pure: the batcher measures, and whoever builds blocks keeps to
//! the limits.
//!
//! Without a limit a chain that makes more data than L1 takes falls behind until the sequencing window
//! closes over it. The curve is op-batcher's quadratic one: hardly felt at first, firm near the end, and
//! gone as soon as the backlog is.

/// Whoever builds L2 blocks.
pub trait DataLimits: Send + Sync + 'static {
    /// Most estimated compressed bytes of one transaction and of one block, from the next opened block on;
    /// 0 is no limit (`miner_setMaxDASize`).
    fn set(&self, transaction: u64, block: u64);
}

/// From which backlog on L2 is throttled, and how far. All in estimated compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Nothing is limited up to this backlog.
    pub backlog_low: u64,
    /// The limits are the least ones from this backlog on.
    pub backlog_high: u64,
    /// Of a block: at `backlog_low` and from `backlog_high` on.
    pub block_max: u64,
    pub block_min: u64,
    /// Of a transaction.
    pub transaction_max: u64,
    pub transaction_min: u64,
}

impl Default for Throttle {
    /// op-batcher's.
    fn default() -> Self {
        Self {
            backlog_low: 3_200_000,
            backlog_high: 12_800_000,
            block_max: 130_000,
            block_min: 2_000,
            transaction_max: 20_000,
            transaction_min: 150,
        }
    }
}

/// Limits on what L2 makes; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) transaction: u64,
    pub(crate) block: u64,
}

impl Throttle {
    /// Whether the limits can be kept to at all.
    pub(crate) const fn is_usable(&self) -> bool {
        self.backlog_low < self.backlog_high
            && 0 < self.block_min
            && self.block_min <= self.block_max
            && 0 < self.transaction_min
            && self.transaction_min <= self.transaction_max
    }

    /// The limits while `backlog` bytes wait.
    pub(crate) fn limits(&self, backlog: u64) -> Limits {
        if backlog <= self.backlog_low {
            return Limits::default();
        }
        let range = u128::from(self.backlog_high.saturating_sub(self.backlog_low).max(1));
        let over = u128::from(backlog.saturating_sub(self.backlog_low)).min(range);
        let between = |max: u64, min: u64| {
            let room = u128::from(max.saturating_sub(min));
            let taken =
                room.saturating_mul(over).saturating_mul(over) / range.saturating_mul(range);
            max.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX)).max(min)
        };
        Limits {
            transaction: between(self.transaction_max, self.transaction_min),
            block: between(self.block_max, self.block_min),
        }
    }
}

/// Full channels that wait before compression is made faster.
const CHANNELS_WAITING: u64 = 4;

/// The level to compress at while `waiting` bytes are not in a channel and one takes `channel_bytes`.
pub(crate) fn level(usual: u32, under_backlog: u32, waiting: u64, channel_bytes: usize) -> u32 {
    let channel_bytes = u64::try_from(channel_bytes).unwrap_or(u64::MAX);
    match waiting > channel_bytes.saturating_mul(CHANNELS_WAITING) {
        true => usual.min(under_backlog),
        false => usual,
    }
}

/// The most that may be paid when the oldest block that is not safe has an origin `age` L1 blocks old. Up to
/// half the sequencing window that is `usual`; then it grows with the square of the age to `times` as much,
/// `margin` blocks before the window's end. Whoever saved the fee beyond that would lose the chain.
pub(crate) fn fee_cap(usual: u128, times: u32, age: u64, window: u64, margin: u64) -> u128 {
    let half = window / 2;
    let range = u128::from(window.saturating_sub(half).saturating_sub(margin).max(1));
    let over = u128::from(age.saturating_sub(half)).min(range);
    let room = usual.saturating_mul(u128::from(times.saturating_sub(1)));
    // Divided first: fees are large numbers and windows are not.
    let more = (room / range.saturating_mul(range)).saturating_mul(over).saturating_mul(over);
    usual.saturating_add(if over == range { room } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_compressed_quickly() {
        let check = |waiting, expected| assert_eq!(level(5, 1, waiting, 1_000), expected);
        check(0, 5);
        check(4_000, 5);
        check(4_001, 1);
        assert_eq!(level(0, 1, 4_001, 1_000), 0, "never slower than usual");
    }

    #[test]
    fn more_is_paid_as_the_window_runs_out() {
        let check = |age, expected| assert_eq!(fee_cap(1_000_000, 5, age, 120, 10), expected);
        check(0, 1_000_000);
        check(60, 1_000_000);
        check(85, 2_000_000);
        check(110, 5_000_000);
        check(u64::MAX, 5_000_000);
        assert_eq!(fee_cap(1_000_000, 1, 110, 120, 10), 1_000_000, "switched off");
        // A window shorter than its margin is all urgency.
        assert_eq!(fee_cap(1_000_000, 5, 5, 6, 10), 5_000_000);
    }

    #[test]
    fn limits_tighten_with_the_square_of_the_backlog_and_end_with_it() {
        let throttle = Throttle::default();
        let check = |backlog: u64, transaction: u64, block: u64| {
            assert_eq!(throttle.limits(backlog), Limits { transaction, block }, "{backlog}");
        };
        check(0, 0, 0);
        check(3_200_000, 0, 0);
        check(3_200_001, 20_000, 130_000);
        // Halfway up the limits have lost a quarter of their room.
        check(8_000_000, 20_000 - 19_850 / 4, 130_000 - 128_000 / 4);
        check(12_800_000, 150, 2_000);
        check(u64::MAX, 150, 2_000);
    }

    #[test]
    fn a_throttle_that_would_stop_the_chain_is_refused() {
        assert!(Throttle::default().is_usable());
        for unusable in [
            Throttle { backlog_high: 3_200_000, ..Throttle::default() },
            Throttle { block_min: 0, ..Throttle::default() },
            Throttle { transaction_min: 0, ..Throttle::default() },
            Throttle { block_min: 130_001, ..Throttle::default() },
            Throttle { transaction_min: 20_001, ..Throttle::default() },
        ] {
            assert!(!unusable.is_usable(), "{unusable:?}");
        }
    }
}
