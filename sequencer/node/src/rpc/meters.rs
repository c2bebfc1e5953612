//! Counters and times of each method, looked up once per method: a label made anew for each call costs
//! more than a short call.

use std::{collections::HashMap, time::Duration};

use metrics::{Counter, Histogram};
use parking_lot::RwLock;

use super::error::{METHOD_NOT_FOUND, RpcResult};

#[derive(Default)]
pub(super) struct Meters(RwLock<HashMap<Box<str>, Meter>>);

struct Meter {
    calls: Counter,
    errors: Counter,
    seconds: Histogram,
}

impl Meter {
    fn new(method: &str) -> Self {
        let method = method.to_owned();
        Self {
            calls: metrics::counter!("rpc_calls_total", "method" => method.clone()),
            errors: metrics::counter!("rpc_errors_total", "method" => method.clone()),
            seconds: metrics::histogram!("rpc_call_seconds", "method" => method),
        }
    }
}

impl Meters {
    pub(super) fn record(&self, method: &str, result: &RpcResult, took: Duration) {
        // Unknown names must not become label values: clients choose them.
        let method = match result {
            Err(error) if error.code == METHOD_NOT_FOUND => "unknown",
            _ => method,
        };
        let record = |meter: &Meter| {
            meter.calls.increment(1);
            if result.is_err() {
                meter.errors.increment(1);
            }
            meter.seconds.record(took.as_secs_f64());
        };
        if let Some(meter) = self.0.read().get(method) {
            record(meter);
            return;
        }
        record(self.0.write().entry(method.into()).or_insert_with(|| Meter::new(method)));
    }
}
