//! `debug_intermediateRoots`: the state root after each transaction of a block, as in geth. Whoever finds
//! another root for a block learns from it at which transaction two executions part.

use alloy_primitives::B256;
use revm::inspector::NoOpInspector;

use super::Bounded;
use crate::rpc::{Api, error::RpcError, simulate::changes};

impl Api {
    /// One root per transaction. What ends a block after its last one (withdrawals, rewards, requests)
    /// is in none of them.
    pub(in crate::rpc) fn intermediate_roots(&self, hash: B256) -> Result<Vec<B256>, RpcError> {
        let block = self.traced_block(hash.into())?;
        let header = block.header();
        let fork = self.chain.spec().spec_id(header.number, header.timestamp);
        let number = block.number();
        let mut roots = Vec::with_capacity(block.transactions().len());
        let unwatched = Bounded::new(NoOpInspector, self.deadline(), u64::MAX);
        let mut replay = self.replay(block, unwatched)?;
        let mut tries = self.tries_before(number)?;
        let mut root = super::ranges::root_of(&tries)?;
        // What the system did before the first transaction.
        let mut made = changes::since_base(replay.evm.db_mut(), fork)?;
        while !replay.is_over() {
            replay.evm.inspector_mut().check()?;
            let (_, outcome) = replay.run()?;
            changes::add(&mut made, &outcome.state, fork);
            replay.keep(outcome);
            root = tries.change(root, &made).map_err(|error| RpcError::internal(&error))?;
            roots.push(root);
            made.accounts.clear();
        }
        Ok(roots)
    }
}
