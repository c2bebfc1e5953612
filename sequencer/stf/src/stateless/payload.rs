//! Payloads, whether they can be executed or not. One that cannot is replaced by its deposits (Holocene
//! derivation), and what the attempt asked of the state shows a stranger that it had to be.

use alloc::vec::Vec;

use alloy_primitives::B256;
use primitives::{Header, PayloadAttributes, Witness};

use super::{Recorder, Recording, StateSource, TrieState, WitnessState};
use crate::{BlockBuilder, BlockError, ChainSpec, ExecutedBlock};

/// The block that a payload gives, or why it cannot be executed.
pub type Attempt = Result<ExecutedBlock, BlockError>;

/// Tries to execute a rollup's payload after the block with hash `parent`, from a witness of the attempt. The
/// outer error says that the witness does not answer the question.
pub fn attempt_stateless(
    spec: &ChainSpec,
    parent: B256,
    attributes: &PayloadAttributes,
    witness: &Witness,
) -> Result<Attempt, BlockError> {
    let source = WitnessState::new(witness, parent)?;
    let header = source.parent();
    attempt(spec, header, attributes, &TrieState::new(&source, header.state_root))
}

/// Tries to execute a rollup's payload on the tries of its parent's state and keeps what that needed: for the whole
/// block and the roots after it, or up to what cannot be executed.
pub fn record_attempt<S: StateSource>(
    spec: &ChainSpec,
    parent: &Header,
    attributes: &PayloadAttributes,
    source: &S,
) -> Result<(Attempt, Recording), BlockError> {
    let recorder = Recorder::new(source);
    let state = TrieState::new(&recorder, parent.state_root);
    let attempt = attempt(spec, parent, attributes, &state)?;
    let keys = match &attempt {
        Ok(executed) => state.keys(&executed.changes),
        Err(_) => Vec::new(),
    };
    let recording = recorder.finish(parent, keys)?;
    Ok((attempt, recording))
}

fn attempt<S: StateSource>(
    spec: &ChainSpec,
    parent: &Header,
    attributes: &PayloadAttributes,
    state: &TrieState<'_, S>,
) -> Result<Attempt, BlockError> {
    let built = BlockBuilder::new(spec, parent, attributes, state);
    match built.and_then(|builder| builder.finish(state)) {
        Ok(executed) => Ok(Ok(executed)),
        Err(error) if error.is_invalid_payload() => Ok(Err(error)),
        Err(error) => Err(error),
    }
}
