//! By which rules a chain runs: a rollup's, the same from its first block on, or Ethereum's, which
//! change with the height and the time that its genesis file names.

use alloc::sync::Arc;

use alloy_consensus::Header;
use alloy_eips::{
    eip1559::{BaseFeeParams, INITIAL_BASE_FEE},
    eip7840::BlobParams,
};
use alloy_genesis::ChainConfig;
use revm::primitives::hardfork::SpecId;

/// What executing a block must know of the chain beside the parent.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    pub chain_id: u64,
    pub rules: Rules,
}

/// Which rules.
#[derive(Clone, Debug)]
pub enum Rules {
    /// OP Stack through Jovian, with Prague's EVM.
    Rollup,
    /// Ethereum from Frontier on.
    Ethereum(EthereumRules),
}

impl ChainSpec {
    /// The rules of the rollup with this chain id.
    pub const fn new(chain_id: u64) -> Self {
        Self { chain_id, rules: Rules::Rollup }
    }

    /// The rules of the Ethereum chain that a genesis file describes.
    pub fn ethereum(config: ChainConfig) -> Self {
        let rules = EthereumRules { config: Arc::new(config) };
        Self { chain_id: rules.config.chain_id, rules: Rules::Ethereum(rules) }
    }

    /// The EVM's rules in a block.
    pub fn spec_id(&self, number: u64, timestamp: u64) -> SpecId {
        match &self.rules {
            Rules::Rollup => SpecId::PRAGUE,
            Rules::Ethereum(rules) => rules.spec_id(number, timestamp),
        }
    }

    /// Wei per gas of the block after `parent`; zero before EIP-1559.
    pub fn next_base_fee(&self, parent: &Header) -> u64 {
        match &self.rules {
            Rules::Rollup => crate::next_base_fee(parent),
            Rules::Ethereum(rules) => rules.next_base_fee(parent).unwrap_or_default(),
        }
    }

    /// Wei per blob gas in the block with this header; `None` where there are no blobs. A rollup has
    /// none, but says the least possible price.
    pub fn blob_fee(&self, header: &Header) -> Option<u128> {
        match &self.rules {
            Rules::Rollup => Some(1),
            Rules::Ethereum(rules) => {
                let params = rules.blob_params(header.timestamp)?;
                Some(params.calc_blob_fee(header.excess_blob_gas?))
            }
        }
    }

    /// Ethereum's rules, if they are this chain's.
    pub const fn as_ethereum(&self) -> Option<&EthereumRules> {
        match &self.rules {
            Rules::Ethereum(rules) => Some(rules),
            Rules::Rollup => None,
        }
    }
}

/// Ethereum's fork schedule, as geth's genesis files write it.
#[derive(Clone, Debug)]
pub struct EthereumRules {
    config: Arc<ChainConfig>,
}

impl EthereumRules {
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// Whether the block is after the merge.
    pub fn is_merged(&self, number: u64) -> bool {
        match self.config.merge_netsplit_block {
            Some(block) => number >= block,
            None => {
                self.config.terminal_total_difficulty_passed
                    || self.config.terminal_total_difficulty.is_some_and(|ttd| ttd.is_zero())
            }
        }
    }

    pub(crate) fn is_london(&self, number: u64) -> bool {
        self.config.london_block.is_some_and(|block| number >= block)
    }

    /// Wei per gas of the block after `parent` (EIP-1559); `None` before London.
    pub fn next_base_fee(&self, parent: &Header) -> Option<u64> {
        if !self.is_london(parent.number.saturating_add(1)) {
            return None;
        }
        Some(parent.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or(INITIAL_BASE_FEE))
    }

    /// Excess blob gas of the block after `parent` (EIP-4844, EIP-7918); `None` before Cancun.
    pub fn next_excess_blob_gas(&self, parent: &Header, timestamp: u64) -> Option<u64> {
        let params = self.blob_params(timestamp)?;
        Some(params.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas.unwrap_or_default(),
            parent.blob_gas_used.unwrap_or_default(),
            parent.base_fee_per_gas.unwrap_or_default(),
        ))
    }

    /// The EVM's rules in a block.
    pub fn spec_id(&self, number: u64, timestamp: u64) -> SpecId {
        let config = &*self.config;
        let at = |block: Option<u64>| block.is_some_and(|block| number >= block);
        let since = |time: Option<u64>| time.is_some_and(|time| timestamp >= time);
        let newest_first = [
            (since(config.osaka_time), SpecId::OSAKA),
            (since(config.prague_time), SpecId::PRAGUE),
            (since(config.cancun_time), SpecId::CANCUN),
            (since(config.shanghai_time), SpecId::SHANGHAI),
            (self.is_merged(number), SpecId::MERGE),
            (at(config.london_block), SpecId::LONDON),
            (at(config.berlin_block), SpecId::BERLIN),
            (at(config.istanbul_block), SpecId::ISTANBUL),
            // Constantinople alone ran on test networks only; EIP-1283's gas is not kept for it.
            (at(config.constantinople_block) || at(config.petersburg_block), SpecId::PETERSBURG),
            (at(config.byzantium_block), SpecId::BYZANTIUM),
            (at(config.eip158_block), SpecId::SPURIOUS_DRAGON),
            (at(config.eip150_block), SpecId::TANGERINE),
            (at(config.homestead_block), SpecId::HOMESTEAD),
        ];
        newest_first
            .into_iter()
            .find_map(|(active, spec)| active.then_some(spec))
            .unwrap_or(SpecId::FRONTIER)
    }

    /// Limits and price of blobs at a time; nothing before Cancun. The schedule is EIP-7840's, later
    /// changes of parameters alone are EIP-7892's.
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        let config = &*self.config;
        let forks = [
            (config.bpo5_time, "bpo5", BlobParams::bpo2()),
            (config.bpo4_time, "bpo4", BlobParams::bpo2()),
            (config.bpo3_time, "bpo3", BlobParams::bpo2()),
            (config.bpo2_time, "bpo2", BlobParams::bpo2()),
            (config.bpo1_time, "bpo1", BlobParams::bpo1()),
            (config.osaka_time, "osaka", BlobParams::osaka()),
            (config.prague_time, "prague", BlobParams::prague()),
            (config.cancun_time, "cancun", BlobParams::cancun()),
        ];
        forks.into_iter().find(|(time, ..)| time.is_some_and(|time| timestamp >= time)).map(
            |(_, name, default)| {
                let scheduled = config.blob_schedule.get(name).copied().unwrap_or(default);
                // A file's three numbers leave what the forks since changed: Osaka's reserve price
                // and limit of six blobs per transaction (EIP-7918, EIP-7594).
                if config.osaka_time.is_some_and(|time| timestamp >= time) {
                    let osaka = BlobParams::osaka();
                    BlobParams {
                        blob_base_cost: osaka.blob_base_cost,
                        max_blobs_per_tx: osaka.max_blobs_per_tx,
                        ..scheduled
                    }
                } else {
                    scheduled
                }
            },
        )
    }
}
