//! What a call comes to: known at once, work for the blocking threads, or something to wait for. Most calls
//! are answered where they are read, without a task or a future of their own.

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Api,
    error::{RpcError, RpcResult},
    to_raw, to_raw_within,
};

/// Executes or scans, and serialises what it found.
pub(super) type Work = Box<dyn FnOnce(&Api) -> RpcResult + Send>;

/// An answer or the way to it.
pub(super) enum Answer<'a> {
    Now(Box<RawValue>),
    Work(Work),
    Later(BoxFuture<'a, RpcResult>),
}

pub(super) type Answering<'a> = Result<Answer<'a>, RpcError>;

/// An answer that is there.
pub(super) fn now<'a>(value: impl Serialize) -> Answering<'a> {
    to_raw(value).map(Answer::Now)
}

/// An answer that takes executing or scanning: on the blocking threads, a bounded number at a time.
pub(super) fn work<'a, T: Serialize>(
    work: impl FnOnce(&Api) -> Result<T, RpcError> + Send + 'static,
) -> Answering<'a> {
    Ok(Answer::Work(Box::new(move |api| {
        work(api).and_then(|value| to_raw_within(&value, api.config.response_bytes_max))
    })))
}

/// An answer that waits for others.
pub(super) fn later<'a>(answer: impl Future<Output = RpcResult> + Send + 'a) -> Answering<'a> {
    Ok(Answer::Later(Box::pin(answer)))
}
