//! The stand-in that must have a block on its disk before anybody else hears of it
//! (`docs/decisions/0094-a-stand-in-acknowledges-each-block.md`): who that is, what it is offered, and what it has said.
//! Shared by the task that builds, the feed's server and the operators' port.

use std::{sync::Arc, time::Instant};

use alloy_primitives::Address;
use primitives::BlockNumHash;
use tokio::sync::watch;

use crate::chain::SealedBlock;

/// All that there is to know of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The address of its feed's key; without one nothing is waited for.
    pub(crate) named: Option<Address>,
    /// The block that it must have next, on the own disk already, and since when.
    pub(crate) offered: Option<(Arc<SealedBlock>, Instant)>,
    /// Its head, as it said last.
    pub(crate) acknowledged: Option<BlockNumHash>,
    /// Its connections.
    connections: usize,
}

impl State {
    /// Whether it is here and has proven who it is.
    pub(crate) const fn is_connected(&self) -> bool {
        self.connections > 0
    }

    /// Whether everybody may hear of this block as far as the stand-in goes.
    fn releases(&self, block: BlockNumHash) -> bool {
        self.named.is_none() || self.acknowledged == Some(block)
    }
}

#[derive(Debug)]
pub(crate) struct StandIn {
    state: watch::Sender<State>,
}

impl StandIn {
    pub(crate) fn new(named: Option<Address>) -> Self {
        let stand_in = Self { state: watch::channel(State { named, ..State::default() }).0 };
        stand_in.report();
        stand_in
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub(crate) fn is_named(&self) -> bool {
        self.state.borrow().named.is_some()
    }

    /// Names another one, or none. What the one before said does not count any more.
    pub(crate) fn name(&self, named: Option<Address>) {
        let changed = self.state.send_if_modified(|state| {
            let is_other = state.named != named;
            if is_other {
                (state.named, state.acknowledged, state.connections) = (named, None, 0);
            }
            is_other
        });
        if !changed {
            return;
        }
        match named {
            Some(named) => tracing::warn!(
                %named,
                "a stand-in is named: nobody hears of a block before it has it. What it lacks until it has \
                 acknowledged its first block may be replaced by a hand-over"
            ),
            None => tracing::warn!(
                "no stand-in is named any more: blocks are published at once, and a hand-over by override may replace \
                 those that reached nobody else"
            ),
        }
        self.report();
    }

    fn report(&self) {
        metrics::gauge!("sequencer_stand_in_named").set(f64::from(u8::from(self.is_named())));
    }

    /// The stand-in is to acknowledge this block.
    pub(crate) fn offer(&self, block: Arc<SealedBlock>) {
        self.state.send_modify(|state| state.offered = Some((block, Instant::now())));
    }

    /// It need not any more.
    pub(crate) fn withdraw(&self) {
        self.state.send_modify(|state| state.offered = None);
    }

    /// Whoever has proven to be `by` has this block as its head, on its disk.
    pub(crate) fn acknowledge(&self, by: Address, head: BlockNumHash) {
        self.state.send_if_modified(|state| {
            let counts = state.named == Some(by) && state.acknowledged != Some(head);
            if counts {
                state.acknowledged = Some(head);
            }
            counts
        });
    }

    /// Returns when everybody may hear of this block.
    pub(crate) async fn released(&self, block: BlockNumHash) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| state.releases(block)).await;
    }

    /// The stand-in has come; it goes when what is given is dropped.
    pub(crate) fn connect(self: &Arc<Self>, address: Address) -> Connected {
        self.count(address, 1);
        Connected { stand_in: Arc::clone(self), address }
    }

    fn count(&self, address: Address, by: isize) {
        self.state.send_if_modified(|state| {
            let counts = state.named == Some(address);
            if counts {
                state.connections = state.connections.saturating_add_signed(by);
            }
            counts
        });
    }
}

/// A connection of the stand-in's.
#[derive(Debug)]
pub(crate) struct Connected {
    stand_in: Arc<StandIn>,
    address: Address,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.stand_in.count(self.address, -1);
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use futures::FutureExt;

    use super::*;

    #[test]
    fn only_the_named_ones_word_about_that_very_block_counts() {
        let [one, two] = [Address::repeat_byte(1), Address::repeat_byte(2)];
        let block = |byte| BlockNumHash { number: 7, hash: B256::repeat_byte(byte) };
        let stand_in = Arc::new(StandIn::new(Some(one)));
        let is_released = || stand_in.released(block(7)).now_or_never().is_some();
        assert!(stand_in.is_named() && !is_released());
        stand_in.acknowledge(two, block(7));
        stand_in.acknowledge(one, block(8));
        assert!(!is_released());
        stand_in.acknowledge(one, block(7));
        assert!(is_released());

        // Another one has said nothing yet.
        let connected = stand_in.connect(one);
        assert!(stand_in.state().is_connected());
        stand_in.name(Some(two));
        assert!(!is_released() && !stand_in.state().is_connected());
        stand_in.acknowledge(one, block(7));
        assert!(!is_released());
        let other = stand_in.connect(two);
        drop(connected);
        assert!(stand_in.state().is_connected());
        drop(other);
        assert!(!stand_in.state().is_connected());
        // Nobody is waited for.
        stand_in.name(None);
        assert!(is_released());
    }
}
