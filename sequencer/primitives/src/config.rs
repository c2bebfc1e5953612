//! Rollup configuration (`rollup.json`, op-node's field names) and the L2 genesis description.
//!
//! One fork set is active from block 0: everything through Jovian with Prague EVM rules, so no
//! fork times appear here.

use alloc::collections::BTreeMap;

use alloy_eips::BlockNumHash;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

/// Chain id of the development L2.
pub const L2_CHAIN_ID_DEV: u64 = 16_120;
/// Chain id of the development L1.
pub const L1_CHAIN_ID_DEV: u64 = 16_121;

/// What derivation and block building must agree on. JSON form: op-node's `rollup.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupConfig {
    pub genesis: RollupGenesis,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds an L2 timestamp may run ahead of its L1 origin before only empty blocks are valid.
    pub max_sequencer_drift: u64,
    /// L1 blocks within which a batch for an epoch must be included.
    pub seq_window_size: u64,
    /// L1 blocks within which a channel must be completed.
    pub channel_timeout: u64,
    pub l1_chain_id: u64,
    pub l2_chain_id: u64,
    /// Receiver of batcher transactions on L1.
    pub batch_inbox_address: Address,
    /// `OptimismPortal` on L1; emits `TransactionDeposited`.
    pub deposit_contract_address: Address,
    /// `SystemConfig` on L1; emits `ConfigUpdate`.
    pub l1_system_config_address: Address,
}

/// Where L2 starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollupGenesis {
    /// L1 block at which L2 starts; deposits of later L1 blocks count.
    pub l1: BlockNumHash,
    pub l2: BlockNumHash,
    /// Timestamp of L2 block 0, seconds.
    pub l2_time: u64,
    pub system_config: SystemConfig,
}

/// Parameters that L1's `SystemConfig` contract can change by `ConfigUpdate` events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemConfig {
    /// Only transactions of this L1 account to the inbox are batches.
    #[serde(rename = "batcherAddr")]
    pub batcher_address: Address,
    pub gas_limit: u64,
    pub base_fee_scalar: u32,
    pub blob_base_fee_scalar: u32,
    pub eip1559_denominator: u32,
    pub eip1559_elasticity: u32,
    pub operator_fee_scalar: u32,
    pub operator_fee_constant: u64,
    /// Wei; Jovian's floor of the base fee.
    pub min_base_fee: u64,
    /// Jovian; 0 means the protocol default of 400.
    pub da_footprint_gas_scalar: u16,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            batcher_address: Address::ZERO,
            gas_limit: 60_000_000,
            base_fee_scalar: 1_368,
            blob_base_fee_scalar: 810_949,
            eip1559_denominator: 250,
            eip1559_elasticity: 6,
            operator_fee_scalar: 0,
            operator_fee_constant: 0,
            min_base_fee: 1_000_000,
            da_footprint_gas_scalar: 0,
        }
    }
}

/// The L2 genesis block and its state, complete enough to rebuild the genesis hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenesisL2 {
    pub chain_id: u64,
    pub timestamp: u64,
    pub gas_limit: u64,
    pub base_fee_per_gas: u64,
    /// Jovian form, 17 bytes.
    pub extra_data: Bytes,
    /// Ordered by address, so that the same file always gives the same bytes.
    pub alloc: BTreeMap<Address, AccountAllocation>,
}

/// One genesis account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAllocation {
    #[serde(default)]
    pub balance: U256,
    #[serde(default)]
    pub nonce: u64,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub code: Bytes,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<B256, B256>,
}

fn is_empty(bytes: &Bytes) -> bool {
    bytes.is_empty()
}

/// A configuration that no chain can run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("block_time must be at least 1 second")]
    BlockTimeZero,
    #[error("seq_window_size must be at least 2 L1 blocks, got {0}")]
    SequencingWindowTooShort(u64),
    #[error("channel_timeout must be at least 1 L1 block")]
    ChannelTimeoutZero,
    #[error("L1 and L2 both have chain id {0}")]
    SameChainId(u64),
}

impl RollupConfig {
    /// Refuses configurations under which derivation cannot make progress.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.block_time == 0 {
            return Err(ConfigError::BlockTimeZero);
        }
        if self.seq_window_size < 2 {
            return Err(ConfigError::SequencingWindowTooShort(self.seq_window_size));
        }
        if self.channel_timeout == 0 {
            return Err(ConfigError::ChannelTimeoutZero);
        }
        if self.l1_chain_id == self.l2_chain_id {
            return Err(ConfigError::SameChainId(self.l2_chain_id));
        }
        Ok(())
    }

    /// Timestamp of the L2 block `number`, seconds; blocks are strictly `block_time` apart.
    pub fn block_timestamp(&self, number: u64) -> u64 {
        let blocks = number.saturating_sub(self.genesis.l2.number);
        self.genesis.l2_time.saturating_add(blocks.saturating_mul(self.block_time))
    }
}
