//! What a call comes to: known at once, work for the blocking threads, or something to wait for. Most calls
//! are answered where they are read, without a task or a future of their own.

use std::time::Instant;

use futures::future::BoxFuture;
use serde::Serialize;

use super::{
    Api,
    error::{RpcError, RpcResult},
    short_calls::CallKey,
    to_json, to_json_within,
};

/// Executes or scans, and serialises what it found.
pub(super) type Work = Box<dyn FnOnce(&Api) -> RpcResult + Send>;

/// An answer or the way to it.
pub(super) enum Answer<'a> {
    /// As JSON.
    Now(String),
    Work(Work),
    /// Work that was short the last time.
    Short(CallKey, Work),
    Later(BoxFuture<'a, RpcResult>),
}

pub(super) type Answering<'a> = Result<Answer<'a>, RpcError>;

/// An answer that is there.
pub(super) fn now<'a>(value: impl Serialize) -> Answering<'a> {
    to_json(value).map(Answer::Now)
}

/// An answer that takes executing or scanning: on the blocking threads, a bounded number at a time.
pub(super) fn work<'a, T: Serialize>(
    work: impl FnOnce(&Api) -> Result<T, RpcError> + Send + 'static,
) -> Answering<'a> {
    Ok(Answer::Work(Box::new(move |api| {
        work(api).and_then(|value| to_json_within(&value, api.config.response_bytes_max))
    })))
}

/// An answer that waits for others.
pub(super) fn later<'a>(answer: impl Future<Output = RpcResult> + Send + 'a) -> Answering<'a> {
    Ok(Answer::Later(Box::pin(answer)))
}

impl Api {
    /// An answer that takes executing or scanning, mostly little: in place if the same was short the last time and
    /// a place is free, else when one is, or on the blocking threads.
    pub(super) fn where_it_fits<'a, T: Serialize>(
        &self,
        key: Option<CallKey>,
        run: impl FnOnce(&Api) -> Result<T, RpcError> + Send + 'static,
    ) -> Answering<'a> {
        self.text_where_it_fits(key, move |api| {
            to_json_within(&run(api)?, api.config.response_bytes_max)
        })
    }

    /// The same of an answer that is JSON already.
    pub(super) fn text_where_it_fits<'a>(
        &self,
        key: Option<CallKey>,
        run: impl FnOnce(&Api) -> RpcResult + Send + 'static,
    ) -> Answering<'a> {
        let timed = move |api: &Self| {
            let started = Instant::now();
            let answer = run(api);
            if let Some(key) = key {
                api.short_calls.note(key, started.elapsed());
            }
            answer
        };
        if let Some(key) = key {
            if let Some(_place) = self.short_calls.place(key) {
                return timed(self).map(Answer::Now);
            }
            if self.short_calls.is_short(key) {
                return Ok(Answer::Short(key, Box::new(timed)));
            }
        }
        Ok(Answer::Work(Box::new(timed)))
    }
}
