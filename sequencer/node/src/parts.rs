//! The open block of another sequencer: executes the parts that its feed tells and shows them as the
//! pending block. On a thread of its own, as execution is never moved between threads. Parts that come
//! faster than they can be executed are left out: the sealed block comes anyway.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use alloy_primitives::B256;
use primitives::{Block, BlockBody, RollupConfig};

use crate::{
    chain::Chain, feed::message::Part, open_block::OpenBlock, senders, unsafe_chain::attributes_of,
};

/// Parts that wait.
const WAITING_MAX: usize = 16;

enum Command {
    Execute(Part),
    Clear,
}

/// The way to that thread, which ends when this goes.
#[derive(Debug)]
pub(crate) struct Parts(SyncSender<Command>);

impl Parts {
    pub(crate) fn start(chain: Arc<Chain>, rollup: RollupConfig) -> io::Result<Self> {
        let (sender, commands) = sync_channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("parts".to_owned())
            .spawn(move || Executor { chain, rollup, open: None }.run(commands))?;
        Ok(Self(sender))
    }

    /// Shows a part, if it fits.
    pub(crate) fn execute(&self, part: Part) {
        if self.0.try_send(Command::Execute(part)).is_err() {
            metrics::counter!("feed_parts_left_out_total").increment(1);
        }
    }

    /// The block that was shown is sealed, or will never be.
    pub(crate) fn clear(&self) {
        // With so many parts waiting, the first that does not fit clears as well.
        let _ = self.0.try_send(Command::Clear);
    }
}

struct Executor {
    chain: Arc<Chain>,
    rollup: RollupConfig,
    open: Option<OpenBlock>,
}

impl Executor {
    fn run(mut self, commands: Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Execute(part) => self.execute(&part),
                Command::Clear => self.clear(),
            }
        }
    }

    fn clear(&mut self) {
        if self.open.take().is_some() {
            self.chain.pending().set_open(None);
        }
    }

    fn execute(&mut self, part: &Part) {
        let told = self.open.as_ref().map_or(0, OpenBlock::len) as u64;
        let same = self.open.as_ref().is_none_or(|open| open.opened_as(&part.header));
        if part.first != told || !same {
            self.clear();
            if part.first != 0 {
                return;
            }
        }
        if let Err(reason) = self.extend(part) {
            tracing::debug!(number = part.header.number, reason, "a part does not fit");
            metrics::counter!("feed_parts_refused_total").increment(1);
            self.clear();
        }
    }

    fn extend(&mut self, part: &Part) -> Result<(), String> {
        let text = |error: &dyn std::error::Error| error.to_string();
        let transactions = senders::decode_all(&part.transactions).map_err(|error| text(&error))?;
        if let Some(open) = &mut self.open {
            return open.extend(&transactions, self.chain.pending());
        }
        let head = self.chain.head().map_err(|error| text(&error))?;
        if part.header.parent_hash != head.hash() {
            return Err("it is not built on the head".to_owned());
        }
        let deposits = transactions.iter().take_while(|tx| tx.inner().is_deposit()).count();
        let (opening, rest) = transactions.split_at(deposits);
        let body = BlockBody::rollup(opening.iter().map(|tx| tx.inner().clone()).collect());
        let block = Block { hash: B256::ZERO, header: part.header.clone(), body };
        let attributes = attributes_of(&self.rollup, &block).map_err(|error| text(&error))?;
        let open =
            OpenBlock::follow(&self.chain, &head, &attributes).map_err(|error| text(&error))?;
        // Kept in any case, so that it is taken back if it does not fit.
        let open = self.open.insert(open);
        if !open.opened_as(&part.header) {
            return Err("its header is not what its transactions give".to_owned());
        }
        open.extend(rest, self.chain.pending())
    }
}
