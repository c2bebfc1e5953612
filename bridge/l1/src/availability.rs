//! Where a channel goes: call data or blobs, whichever is cheaper at the prices of the moment.

use derive::{
    BLOB_DATA_MAX, ClosedChannel, FRAME_OVERHEAD, encode_batcher_transaction, encode_blob,
};

use crate::{
    BatcherError,
    posting::{Fees, GAS_BASE, GAS_PER_BYTE_MAX, Payload, sidecar},
};

/// Gas of a blob (EIP-4844).
const GAS_PER_BLOB: u128 = 131_072;
/// The other way must be cheaper by so many percent before it is taken: L1 nodes keep only one kind of
/// an account's transactions at a time, so that each change waits until all others are in blocks.
const SWITCH_PERCENT: u128 = 20;

/// Where batches are posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataAvailability {
    /// Call data of transactions; needs no beacon API to be read.
    #[default]
    Calldata,
    /// Blobs (EIP-4844).
    Blobs,
    /// The cheaper one.
    Cheapest,
}

/// How one channel is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Calldata,
    Blobs,
}

/// Sizes of what is posted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes of a frame with its overhead, in call data.
    pub(crate) calldata_frame: usize,
    /// The same in a blob.
    pub(crate) blob_frame: usize,
    pub(crate) blobs_per_transaction: usize,
}

/// Prices of the moment, wei per gas and per blob gas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market {
    /// What transactions offer without blobs.
    pub(crate) fees: Fees,
    pub(crate) base_fee: u64,
    /// `None` if L1 knows no blobs.
    pub(crate) blob_base_fee: Option<u128>,
}

impl Market {
    /// What a transaction offers.
    pub(crate) fn offer(&self, way: Way, blob_limit: u128) -> Fees {
        match way {
            Way::Calldata => self.fees,
            Way::Blobs => self.fees.with_blobs(self.blob_base_fee.unwrap_or(1), blob_limit),
        }
    }

    /// The way for a channel of `bytes` compressed bytes, when the last one went `current`.
    pub(crate) fn choose(
        &self,
        wanted: DataAvailability,
        current: Way,
        bytes: usize,
        sizes: &Sizes,
    ) -> Way {
        let (other, blob_base_fee) = match (wanted, self.blob_base_fee) {
            (DataAvailability::Calldata, _) | (DataAvailability::Cheapest, None) => {
                return Way::Calldata;
            }
            (DataAvailability::Blobs, _) => return Way::Blobs,
            (DataAvailability::Cheapest, Some(fee)) => match current {
                Way::Calldata => (Way::Blobs, fee),
                Way::Blobs => (Way::Calldata, fee),
            },
        };
        let cost = |way| self.cost(way, bytes, blob_base_fee, sizes);
        let bound = cost(current).saturating_mul(100 - SWITCH_PERCENT) / 100;
        if cost(other) < bound { other } else { current }
    }

    /// Wei, rounded up to whole blobs.
    fn cost(&self, way: Way, bytes: usize, blob_base_fee: u128, sizes: &Sizes) -> u128 {
        let price = u128::from(self.base_fee).saturating_add(self.fees.priority_fee);
        let count = |frame: usize| {
            bytes.div_ceil(frame.saturating_sub(FRAME_OVERHEAD).max(1)).max(1) as u128
        };
        match way {
            Way::Calldata => {
                let gas = count(sizes.calldata_frame).saturating_mul(u128::from(GAS_BASE));
                let data = (bytes as u128).saturating_mul(u128::from(GAS_PER_BYTE_MAX));
                gas.saturating_add(data).saturating_mul(price)
            }
            Way::Blobs => {
                let blobs = count(sizes.blob_frame);
                let transactions = blobs.div_ceil(sizes.blobs_per_transaction.max(1) as u128);
                let gas = transactions.saturating_mul(u128::from(GAS_BASE)).saturating_mul(price);
                let data = blobs.saturating_mul(GAS_PER_BLOB).saturating_mul(blob_base_fee);
                gas.saturating_add(data)
            }
        }
    }
}

impl Sizes {
    /// Most that a frame in a blob can take: what a blob carries, less the version byte.
    pub(crate) const BLOB_FRAME_MAX: usize = BLOB_DATA_MAX - 1;

    pub(crate) const fn frame(&self, way: Way) -> usize {
        match way {
            Way::Calldata => self.calldata_frame,
            Way::Blobs => self.blob_frame,
        }
    }
}

/// What the transactions of a channel carry: a frame in each one's call data, or a frame in each blob.
pub(crate) fn payloads(
    channel: &ClosedChannel,
    way: Way,
    blobs_per_transaction: usize,
    cell_proofs: bool,
) -> Result<Vec<Payload>, BatcherError> {
    let data = channel.frames.iter().map(|frame| encode_batcher_transaction([frame]));
    match way {
        Way::Calldata => Ok(data.map(Payload::Calldata).collect()),
        Way::Blobs => {
            let blobs = data
                .map(|data| encode_blob(&data).ok_or(BatcherError::Blob))
                .collect::<Result<Vec<_>, _>>()?;
            blobs
                .chunks(blobs_per_transaction.max(1))
                .map(|blobs| sidecar(blobs, cell_proofs).map(Payload::Blobs))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u64 = 1_000_000_000;

    fn market(base_fee: u64, blob_base_fee: u128) -> Market {
        Market {
            fees: Fees::suggested(base_fee, 1, u128::MAX),
            base_fee,
            blob_base_fee: Some(blob_base_fee),
        }
    }

    #[track_caller]
    fn check(market: Market, current: Way, bytes: usize, expected: Way) {
        let sizes = Sizes {
            calldata_frame: 119_999,
            blob_frame: Sizes::BLOB_FRAME_MAX,
            blobs_per_transaction: 6,
        };
        assert_eq!(market.choose(DataAvailability::Cheapest, current, bytes, &sizes), expected);
    }

    #[test]
    fn the_cheaper_way_is_taken_and_kept_until_the_other_is_clearly_cheaper() {
        // A full blob: 130,000 x 40 = 5.2 M gas of call data against 131,072 blob gas.
        check(market(GWEI, 1), Way::Calldata, 130_000, Way::Blobs);
        check(market(GWEI, 100 * u128::from(GWEI)), Way::Blobs, 130_000, Way::Calldata);
        // 1,000 bytes: 61,000 gas against 21,000 gas and a whole blob.
        check(market(GWEI, 1), Way::Calldata, 1_000, Way::Blobs);
        check(market(GWEI, u128::from(GWEI)), Way::Blobs, 1_000, Way::Calldata);
        // Equal at (61,000 - 21,000) / 131,072 gwei: neither side changes within a fifth of it.
        let equal = 305_175_781;
        for current in [Way::Calldata, Way::Blobs] {
            check(market(GWEI, equal), current, 1_000, current);
            check(market(GWEI, equal * 11 / 10), current, 1_000, current);
            check(market(GWEI, equal * 9 / 10), current, 1_000, current);
        }
        check(market(GWEI, equal * 2), Way::Blobs, 1_000, Way::Calldata);
        check(market(GWEI, equal / 2), Way::Calldata, 1_000, Way::Blobs);
    }

    #[test]
    fn an_l1_without_blobs_gets_call_data() {
        let none = Market { blob_base_fee: None, ..market(GWEI, 1) };
        check(none, Way::Blobs, 130_000, Way::Calldata);
    }
}
