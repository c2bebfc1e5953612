//! An inspector that ends what takes too long. Gas bounds execution, but not what a tracer records
//! of it, nor the time of a request with many transactions.

use std::time::Instant;

use alloy_primitives::{Address, Log, U256};
use revm::{
    Inspector,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter},
};

use crate::rpc::error::RpcError;

/// The clock is read once in so many steps.
const STEPS_PER_LOOK: u64 = 1_024;

/// Passes everything on to `inner` until the bounds are reached; from then on each frame runs out of
/// gas at once, and [`Bounded::check`] says so.
#[derive(Debug)]
pub(super) struct Bounded<I> {
    pub(super) inner: I,
    deadline: Instant,
    steps: u64,
    /// Most steps of one request.
    steps_max: u64,
    exceeded: bool,
}

impl<I> Bounded<I> {
    pub(super) const fn new(inner: I, deadline: Instant, steps_max: u64) -> Self {
        Self { inner, deadline, steps: 0, steps_max, exceeded: false }
    }

    /// Takes the bounds of a longer work. Steps stay without bound where they were.
    pub(super) fn bound(&mut self, deadline: Instant, steps_left: u64) {
        self.deadline = deadline;
        if self.steps_max != u64::MAX {
            self.steps_max = steps_left;
        }
    }

    /// Steps that may still be recorded.
    pub(super) const fn steps_left(&self) -> u64 {
        self.steps_max.saturating_sub(self.steps)
    }

    /// An error once a bound was reached: what was recorded since is not what happened.
    pub(super) fn check(&self) -> Result<(), RpcError> {
        if self.exceeded && self.steps > self.steps_max {
            return Err(RpcError::server(format!(
                "trace too long: more than {} steps are recorded by no tracer that keeps each",
                self.steps_max
            )));
        }
        if self.exceeded || Instant::now() > self.deadline {
            return Err(RpcError::server("execution timeout"));
        }
        Ok(())
    }
}

impl<CTX, I: Inspector<CTX>> Inspector<CTX> for Bounded<I> {
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inner.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.steps += 1;
        if self.steps > self.steps_max
            || (self.steps.is_multiple_of(STEPS_PER_LOOK) && Instant::now() > self.deadline)
        {
            self.exceeded = true;
        }
        if self.exceeded {
            interp.halt_oog();
        } else {
            self.inner.step(interp, context);
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        if !self.exceeded {
            self.inner.step_end(interp, context);
        }
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interp: &mut Interpreter, context: &mut CTX, log: Log) {
        self.inner.log_full(interp, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.inner.create(context, inputs)
    }

    fn create_end(
        &mut self,
        context: &mut CTX,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }
}
