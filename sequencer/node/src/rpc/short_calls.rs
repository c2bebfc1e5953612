//! Which calls are known to be short. Those run where they are read: handing one to another thread
//! costs more than the call.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::{Address, TxKind};
use alloy_rpc_types_eth::TransactionRequest;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A call is short if it last took no longer.
const SHORT_MAX: Duration = Duration::from_millis(1);
/// A search is tiny if it last took no longer: about as long as parsing what was asked in a batch.
const TINY_MAX: Duration = Duration::from_micros(200);
/// What is remembered beside a key: that the call was short, or that it was tiny.
const SHORT: u64 = 1;
const TINY: u64 = 3;
/// Calls remembered, of which each displaces another.
const REMEMBERED: usize = 4_096;

/// What a call asks for: a contract and its function, or a method with its parameters. Other arguments of a
/// function seldom make it longer, and when they do, it is short no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallKey {
    /// Without the two lowest bits.
    hash: u64,
    /// Nobody can make a long one of the same search from one time to the next, as arguments can of an execution.
    is_search: bool,
}

/// Leave to run a call where it was read.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// One of the threads that may be busy with calls.
    Thread { _permit: SemaphorePermit<'a> },
    /// It takes no longer than to hand it to another.
    Any,
}

#[derive(Debug)]
pub(super) struct ShortCalls {
    /// Hashes of keys. Nobody outside can choose two that meet.
    hasher: RandomState,
    known: Box<[AtomicU64]>,
    /// One thread of the runtime stays free whatever a call turns out to take.
    places: Semaphore,
}

impl Default for ShortCalls {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            hasher: RandomState::new(),
            known: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
            places: Semaphore::new(threads.saturating_sub(1)),
        }
    }
}

impl ShortCalls {
    /// Of an execution by `method`. `None` for what creates a contract.
    pub(super) fn execution(&self, method: &str, call: &TransactionRequest) -> Option<CallKey> {
        let Some(TxKind::Call(to)) = call.to else { return None };
        let input = call.input.input().map(|input| input.get(..4).unwrap_or(input));
        let key: (&str, Address, Option<&[u8]>) = (method, to, input);
        Some(self.key(key, false))
    }

    /// Of a search: `method` with a parameter as it was written.
    pub(super) fn search(&self, method: &str, parameter: &str) -> CallKey {
        self.key((method, parameter), true)
    }

    fn key(&self, key: impl Hash, is_search: bool) -> CallKey {
        CallKey { hash: self.hasher.hash_one(key) & !TINY, is_search }
    }

    /// A place to run the call in, if it is known to be short and one is free.
    pub(super) fn place(&self, key: CallKey) -> Option<Place<'_>> {
        match self.slot(key).load(Ordering::Relaxed).checked_sub(key.hash) {
            Some(TINY) => Some(Place::Any),
            Some(SHORT) => {
                self.places.try_acquire().ok().map(|permit| Place::Thread { _permit: permit })
            }
            _ => None,
        }
    }

    /// Whether the call was short the last time.
    pub(super) fn is_short(&self, key: CallKey) -> bool {
        let known = self.slot(key).load(Ordering::Relaxed);
        matches!(known.checked_sub(key.hash), Some(SHORT | TINY))
    }

    /// Remembers how long a call took.
    pub(super) fn note(&self, key: CallKey, took: Duration) {
        let slot = self.slot(key);
        let known = slot.load(Ordering::Relaxed);
        let value = match took {
            _ if took <= TINY_MAX && key.is_search => key.hash | TINY,
            _ if took <= SHORT_MAX => key.hash | SHORT,
            // Another call's slot stays.
            _ if known & !TINY != key.hash => return,
            _ => 0,
        };
        if known != value {
            slot.store(value, Ordering::Relaxed);
        }
    }

    fn slot(&self, key: CallKey) -> &AtomicU64 {
        let index = (key.hash >> 32) as usize % self.known.len();
        &self.known[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(to: u8, input: &[u8]) -> TransactionRequest {
        TransactionRequest::default()
            .to(Address::repeat_byte(to))
            .input(alloy_primitives::Bytes::copy_from_slice(input).into())
    }

    #[test]
    fn only_what_was_short_is_run_in_place() {
        let calls = ShortCalls { places: Semaphore::new(1), ..Default::default() };
        let key = calls.execution("eth_call", &call(1, &[1, 2, 3, 4, 5])).unwrap();
        assert!(calls.place(key).is_none(), "nothing is known of it");
        calls.note(key, SHORT_MAX);
        // Its arguments do not matter; the function and the contract do.
        let other = calls.execution("eth_call", &call(1, &[1, 2, 3, 4, 9, 9])).unwrap();
        let place = calls.place(other).expect("it was short");
        assert!(calls.place(key).is_none(), "no place is left");
        assert!(calls.is_short(key));
        drop(place);
        for different in [call(2, &[1, 2, 3, 4]), call(1, &[1, 2, 3, 5]), call(1, &[1, 2])] {
            let different = calls.execution("eth_call", &different).unwrap();
            assert!(calls.place(different).is_none());
            assert!(!calls.is_short(different));
        }
        calls.note(key, SHORT_MAX * 2);
        assert!(calls.place(key).is_none(), "it was long the last time");
        assert!(!calls.is_short(key));
        let estimate = calls.execution("eth_estimateGas", &call(1, &[1, 2, 3, 4])).unwrap();
        let search = calls.search("eth_getLogs", "{}");
        calls.note(search, SHORT_MAX);
        assert!(matches!(calls.place(search), Some(Place::Thread { .. })));
        // A tiny search needs no place, a tiny execution does: its next arguments may make it long.
        calls.note(search, TINY_MAX);
        calls.note(key, TINY_MAX);
        let place = calls.place(key).expect("it is short again");
        assert!(matches!(place, Place::Thread { .. }));
        assert!(matches!(calls.place(search), Some(Place::Any)));
        calls.note(search, TINY_MAX * 2);
        assert!(calls.place(search).is_none(), "it is tiny no more, and no place is left");
        drop(place);
        calls.note(search, SHORT_MAX * 2);
        assert!(calls.place(search).is_none(), "it is not even short");
        calls.note(search, SHORT_MAX);
        for other in [estimate, calls.search("eth_getLogs", "{ }"), calls.search("eth_call", "{}")]
        {
            assert!(calls.place(other).is_none());
        }
        assert!(calls.execution("eth_call", &TransactionRequest::default()).is_none());
    }
}
