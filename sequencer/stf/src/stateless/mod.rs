//! Executing a block without having the state: from a [`Witness`], which holds what the block needs of
//! it. The same state, read through tries alone, serves both ends: over a store's nodes
//! [`record_block`] notes what is asked for, over those of a witness [`execute_stateless`] runs on
//! nothing else.
//!
//! SOUNDNESS: what is trusted is the hash of the parent in the block's header. The parent's header
//! must have that hash, trie nodes hang by their hashes on its state root, codes on the accounts, and
//! ancestors on the parent. A witness can thus be too small, never wrong.

mod payload;
mod range;
mod record;
mod source;
mod witness;

use primitives::{Block, Header, Witness};
use revm::primitives::Address;

pub use payload::{Attempt, attempt_stateless, record_attempt};
pub use range::{RangeVerifier, VerifiedBlock};
pub use record::{Recorder, Recording};
pub use source::{StateSource, TrieState};
pub use witness::WitnessState;

use crate::{
    BlockError, ChainSpec, ExecutedBlock, Rules, WitnessError, execute_block,
    execute_ethereum_block,
};

/// Re-executes a block from a witness and compares every header field, as [`execute_block`] does on a
/// state. Senders are recovered from signatures. Whoever verifies a chain checks that the parent is the
/// block before.
pub fn execute_stateless(
    spec: &ChainSpec,
    block: &Block,
    witness: &Witness,
) -> Result<ExecutedBlock, BlockError> {
    let source = WitnessState::new(witness, block.header.parent_hash)?;
    let parent = source.parent();
    if parent.number.checked_add(1) != Some(block.header.number) {
        return Err(WitnessError::NotTheParent(parent.number).into());
    }
    let state = TrieState::new(&source, parent.state_root);
    execute_on(spec, parent, block, None, &state)
}

/// Re-executes a block on the tries of its parent's state and keeps what it needed. `senders`, if
/// given, are trusted to be the signers.
pub fn record_block<S: StateSource>(
    spec: &ChainSpec,
    parent: &Header,
    block: &Block,
    senders: Option<&[Address]>,
    source: &S,
) -> Result<(ExecutedBlock, Recording), BlockError> {
    let recorder = Recorder::new(source);
    let state = TrieState::new(&recorder, parent.state_root);
    let executed = execute_on(spec, parent, block, senders, &state)?;
    let keys = state.keys(&executed.changes);
    let recording = recorder.finish(parent, keys)?;
    Ok((executed, recording))
}

fn execute_on<S: StateSource>(
    spec: &ChainSpec,
    parent: &Header,
    block: &Block,
    senders: Option<&[Address]>,
    state: &TrieState<'_, S>,
) -> Result<ExecutedBlock, BlockError> {
    match spec.rules {
        Rules::Rollup => execute_block(spec, parent, block, senders, state, state),
        Rules::Ethereum(_) => execute_ethereum_block(spec, parent, block, senders, state, state),
    }
}
