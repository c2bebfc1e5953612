//! Derivation beside the blocks that a node has: L1 says what a block is made of, the block shows what became
//! of it. It begins wherever it is known which block was safe when an L1 block had been read to its end; before
//! that L1 block, batches were judged by other safe heads, and what they gave is that safe head.
//!
//! INVARIANT: from any such [`Beginning`] on, what is derived is what a derivation from genesis on derives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::Bytes;
use derive::{L1Block, Pipeline, PipelineError, Step, l2_block_ref, system_config_of};
use primitives::{Block, L2BlockRef, PayloadAttributes, RollupConfig};
use stf::Eip1559Parameters;

use crate::{CheckError, L2Source, ancestors::read_back};

/// Blocks remembered for spans that overlap them; older ones are read again from the node.
const REMEMBERED_MAX: usize = 100_000;

/// What was safe when L1 had been read up to one of its blocks, and that one to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub l1: BlockNumHash,
    pub safe: BlockNumHash,
}

/// How a block goes with what L1 gives for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is just that.
    AsDerived,
    /// It has its deposits alone, as if the rest could not be executed (Holocene).
    DepositsAlone,
}

/// A derivation under way.
pub struct Derivation {
    config: RollupConfig,
    pipeline: Pipeline,
    /// What was accepted, and what it lies on, for spans that overlap it.
    blocks: Arc<Mutex<BTreeMap<u64, L2BlockRef>>>,
    begun: Beginning,
    /// The newest beginning that was told.
    told: Beginning,
    /// Number of the last L1 block given.
    given: u64,
}

impl Derivation {
    /// Where every derivation may begin.
    pub const fn genesis(config: &RollupConfig) -> Beginning {
        Beginning { l1: config.genesis.l1, safe: config.genesis.l2 }
    }

    /// Begins above `safe`, which was the safe head when L1 had been read up to `l1`.
    pub fn new(config: &RollupConfig, safe: &Block, l1: BlockNumHash) -> Result<Self, CheckError> {
        let reference = l2_block_ref(config, safe)?;
        let system_config = match reference.number == config.genesis.l2.number {
            true => config.genesis.system_config,
            false => system_config_of(safe)?,
        };
        let blocks = Arc::new(Mutex::new(BTreeMap::from([(reference.number, reference)])));
        let known = Arc::clone(&blocks);
        let at = move |number: u64| known.lock().ok()?.get(&number).copied();
        let mut pipeline =
            Pipeline::new(config.clone(), reference, system_config).with_blocks(Arc::new(at));
        pipeline.settle(l1.number);
        let begun = Beginning { l1, safe: reference.id() };
        Ok(Self { config: config.clone(), pipeline, blocks, begun, told: begun, given: 0 })
    }

    /// The L1 block to give first.
    pub fn l1_start(&self) -> u64 {
        self.pipeline.l1_start()
    }

    /// The newest block accepted.
    pub const fn safe_head(&self) -> &L2BlockRef {
        self.pipeline.safe_head()
    }

    /// Number of the L1 block being read.
    pub fn reading(&self) -> u64 {
        self.pipeline.l1_origin().map_or(self.given, |origin| origin.number)
    }

    /// Number of the last L1 block given.
    pub const fn given(&self) -> u64 {
        self.given
    }

    /// Gives the next L1 block.
    pub fn push_l1(&mut self, block: Arc<L1Block>) -> Result<(), CheckError> {
        let begun = self.begun.l1;
        if block.number == begun.number && block.hash != begun.hash {
            return Err(CheckError::BeginningReplaced { number: begun.number, hash: begun.hash });
        }
        self.given = block.number;
        Ok(self.pipeline.push_l1(block)?)
    }

    /// Advances as far as possible; what spans ask for is read from the node.
    pub(crate) async fn step(&mut self, source: &L2Source) -> Result<Step, CheckError> {
        loop {
            match self.advance() {
                Err(PipelineError::MissingBlock(number)) => {
                    let (config, blocks) = (&self.config, &self.blocks);
                    // No safe head to come has an older origin than this one.
                    let origin = self.pipeline.safe_head().l1_origin.number;
                    if let Some(oldest) = read_back(source, config, blocks, origin, number).await? {
                        self.pipeline.forget_below(oldest);
                    }
                }
                step => return Ok(step?),
            }
        }
    }

    /// Advances as far as possible by what is known.
    pub fn advance(&mut self) -> Result<Step, PipelineError> {
        self.pipeline.step()
    }

    /// `block`, the answer to the attributes that the last step gave, is the safe head now.
    pub fn accept(&mut self, block: &Block) -> Result<(), CheckError> {
        let reference = l2_block_ref(&self.config, block)?;
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.insert(reference.number, reference);
            if blocks.len() > REMEMBERED_MAX {
                blocks.pop_first();
            }
        }
        self.pipeline.accepted(reference);
        Ok(())
    }

    /// The attributes that the last step gave cannot be executed: the next step gives their deposits alone.
    pub fn refuse(&mut self) -> Result<(), CheckError> {
        Ok(self.pipeline.invalid_payload()?)
    }

    /// Tells of a block below the one it began with, for spans that overlap it.
    pub fn know(&self, block: L2BlockRef) {
        if let Ok(mut blocks) = self.blocks.lock() {
            blocks.insert(block.number, block);
        }
    }

    /// What is known to begin with some other time, if it is new; to be asked when a step needs L1, as
    /// then what was given is read to its end.
    pub fn beginning(&mut self) -> Option<Beginning> {
        let l1 = self.pipeline.l1_origin().filter(|l1| l1.number > self.begun.l1.number)?;
        let safe = self.pipeline.safe_head().id();
        if safe == self.told.safe {
            return None;
        }
        self.told = Beginning { l1: BlockNumHash { number: l1.number, hash: l1.hash }, safe };
        Some(self.told)
    }
}

/// Compares a block with what L1 gives for its height; an error names the first part that differs. That it lies
/// on the safe head, and that its body is its header's, is the caller's to know.
pub fn fit(block: &Block, attributes: &PayloadAttributes) -> Result<Fit, CheckError> {
    let header = &block.header;
    let number = header.number;
    let fees =
        Eip1559Parameters::from_attributes(attributes.eip1559_params, attributes.min_base_fee);
    let beacon_root = Some(attributes.parent_beacon_block_root);
    let fields = [
        ("timestamp", header.timestamp == attributes.timestamp),
        ("mix_hash", header.mix_hash == attributes.prev_randao),
        ("beneficiary", header.beneficiary == attributes.suggested_fee_recipient),
        ("gas_limit", header.gas_limit == attributes.gas_limit),
        ("parent_beacon_block_root", header.parent_beacon_block_root == beacon_root),
        ("extra_data", header.extra_data == fees.to_extra_data()),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, holds)| !holds) {
        return Err(CheckError::NotDerived { number, field });
    }
    let found = &block.body.transactions;
    let encoded = found.iter().map(|tx| Bytes::from(tx.encoded_2718()));
    if encoded.eq(attributes.transactions.iter().cloned()) {
        return Ok(Fit::AsDerived);
    }
    match found.iter().all(|tx| tx.is_deposit()) && found.len() < attributes.transactions.len() {
        true => Ok(Fit::DepositsAlone),
        false => Err(CheckError::NotDerived { number, field: "transactions" }),
    }
}
