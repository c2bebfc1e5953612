//! What the feed said lately, once for all who listen. Each of them has a place in it and takes the next
//! message when its connection has room: nothing is queued for anybody, and whoever falls behind
//! what is remembered is told so and dropped.

use std::collections::VecDeque;

use alloy_primitives::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The newest messages.
#[derive(Debug)]
pub(crate) struct Log {
    state: Mutex<State>,
    /// Counts changes.
    changed: watch::Sender<u64>,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Place of the oldest message remembered.
    first: u64,
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Number of the first block that was not said yet.
    next_block: u64,
    /// Whether blocks up to there may be asked for, and more may come.
    standing: Standing,
}

/// What a listener can expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Blocks are published.
    Live,
    /// The last one was; the end is said.
    Ended,
    /// This node never sequenced, or somebody else does since.
    #[default]
    Silent,
}

/// What comes next for a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Message(Bytes),
    Wait,
    /// It is not remembered any more.
    Behind {
        by: u64,
    },
    End,
}

/// Where a listener that wants blocks from some number on begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// That block was said long ago: it is in the chain.
    History,
    /// With the message of this place.
    At(u64),
    Silent,
}

impl Log {
    pub(crate) fn new(messages_max: usize, bytes_max: usize) -> Self {
        let (changed, _) = watch::channel(0);
        Self { state: Mutex::default(), changed, messages_max, bytes_max }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Number of the first block that was not said yet.
    pub(crate) fn next_block(&self) -> u64 {
        self.state.lock().next_block
    }

    pub(crate) fn standing(&self) -> Standing {
        self.state.lock().standing
    }

    /// Publishing begins with block `next_block`, ends, or is somebody else's.
    pub(crate) fn set(&self, standing: Standing, next_block: u64) {
        {
            let mut state = self.state.lock();
            state.standing = standing;
            state.next_block = next_block;
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Says something. `next_block`: of the block after it, if it is about a sealed one.
    pub(crate) fn push(&self, message: Bytes, next_block: Option<u64>) {
        {
            let mut state = self.state.lock();
            state.bytes += message.len();
            state.messages.push_back(message);
            if let Some(next) = next_block {
                state.next_block = next;
            }
            while state.messages.len() > self.messages_max
                || (state.messages.len() > 1 && state.bytes > self.bytes_max)
            {
                let Some(oldest) = state.messages.pop_front() else { break };
                state.bytes -= oldest.len();
                state.first += 1;
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Where a listener begins that has every block below `number`.
    pub(crate) fn start(&self, number: u64) -> Start {
        let state = self.state.lock();
        match state.standing {
            Standing::Silent => Start::Silent,
            _ if number < state.next_block => Start::History,
            // The last word is for everybody.
            Standing::Ended => {
                Start::At((state.first + state.messages.len() as u64).saturating_sub(1))
            }
            Standing::Live => Start::At(state.first + state.messages.len() as u64),
        }
    }

    /// The message of this place.
    pub(crate) fn at(&self, place: u64) -> Next {
        let state = self.state.lock();
        if state.standing == Standing::Silent {
            return Next::End;
        }
        if place < state.first {
            return Next::Behind { by: state.first + state.messages.len() as u64 - place };
        }
        let index = usize::try_from(place - state.first).unwrap_or(usize::MAX);
        match state.messages.get(index) {
            Some(message) => Next::Message(message.clone()),
            None if state.standing == Standing::Ended => Next::End,
            None => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_take_their_places_and_the_slow_are_told() {
        let log = Log::new(3, 100);
        assert_eq!(log.start(1), Start::Silent);
        log.set(Standing::Live, 5);
        assert_eq!(log.start(4), Start::History);
        let Start::At(place) = log.start(5) else { panic!("no place") };
        assert_eq!(log.at(place), Next::Wait);
        let message = |byte: u8| Bytes::from(vec![byte; 10]);
        for byte in 0..3_u8 {
            log.push(message(byte), Some(6 + u64::from(byte)));
        }
        assert_eq!(log.at(place), Next::Message(message(0)));
        log.push(message(3), None);
        assert_eq!(log.at(place), Next::Behind { by: 4 });
        assert_eq!(log.at(place + 1), Next::Message(message(1)));
        // By bytes, too; the newest message always stays.
        log.push(vec![9; 200].into(), Some(9));
        assert_eq!(log.at(place + 3), Next::Behind { by: 2 });
        assert_eq!(log.at(place + 4), Next::Message(vec![9; 200].into()));
        assert_eq!(log.at(place + 5), Next::Wait);
        log.push(message(7), None);
        log.set(Standing::Ended, 9);
        assert_eq!(log.at(place + 5), Next::Message(message(7)));
        assert_eq!(log.at(place + 6), Next::End);
        // Whoever comes now hears the last word.
        assert_eq!(log.start(9), Start::At(place + 5));
        log.set(Standing::Silent, 9);
        assert_eq!(log.at(place + 5), Next::End);
    }
}
