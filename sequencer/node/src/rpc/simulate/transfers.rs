//! The logs of a simulated call, with value transfers among them as if they were an ERC-20's.

use alloy_primitives::{Address, B256, Log, LogData, U256, address, b256};
use revm::{
    Inspector,
    context_interface::{ContextTr, JournalTr},
    interpreter::{
        CallInputs, CallOutcome, CallScheme, CallValue, CreateInputs, CreateOutcome, CreateScheme,
    },
};

/// Who seems to emit a transfer's log (execution-apis, `eth_simulateV1`).
const TRANSFER_EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");

/// `Transfer(address,address,uint256)`.
const TRANSFER_TOPIC: B256 =
    b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Collects logs frame by frame: those of a frame that fails are dropped.
#[derive(Debug)]
pub(super) struct Transfers {
    /// Whether value that moves becomes a log.
    enabled: bool,
    /// Logs since the block began, dropped ones too: they take up indices, as in geth.
    count: u64,
    /// One per open frame; the first is the transaction's.
    frames: Vec<Vec<(u64, Log)>>,
}

impl Transfers {
    pub(super) const fn new(enabled: bool) -> Self {
        Self { enabled, count: 0, frames: Vec::new() }
    }

    /// The logs of the transaction that just ended with their indices in the block.
    pub(super) fn take(&mut self) -> Vec<(u64, Log)> {
        let logs = self.frames.drain(..).next();
        logs.unwrap_or_default()
    }

    fn enter(&mut self) {
        if self.frames.is_empty() {
            self.frames.push(Vec::new());
        }
        self.frames.push(Vec::new());
    }

    fn leave(&mut self, success: bool) {
        let Some(logs) = self.frames.pop() else { return };
        if success && let Some(caller) = self.frames.last_mut() {
            caller.extend(logs);
        }
    }

    fn push(&mut self, log: Log) {
        let index = self.count;
        self.count += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.push((index, log));
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.enabled && !value.is_zero() {
            let topics = vec![TRANSFER_TOPIC, from.into_word(), to.into_word()];
            let data = LogData::new_unchecked(topics, value.to_be_bytes::<32>().into());
            self.push(Log { address: TRANSFER_EMITTER, data });
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Transfers {
    fn log(&mut self, _: &mut CTX, log: Log) {
        self.push(log);
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.enter();
        if let CallValue::Transfer(value) = inputs.value {
            // CALLCODE pays itself; geth names the code's account.
            let to = match inputs.scheme {
                CallScheme::CallCode => inputs.bytecode_address,
                _ => inputs.target_address,
            };
            self.transfer(inputs.caller, to, value);
        }
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.leave(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.enter();
        if self.enabled
            && !matches!(inputs.scheme(), CreateScheme::Custom { .. })
            && let Ok(caller) = context.journal_mut().load_account(inputs.caller())
        {
            let nonce = caller.data.info.nonce;
            self.transfer(inputs.caller(), inputs.created_address(nonce), inputs.value());
        }
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.leave(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
