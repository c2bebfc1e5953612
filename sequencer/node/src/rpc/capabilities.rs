//! What this node serves and by which rules: `eth_capabilities` (execution-apis) and `eth_config`
//! (EIP-7910).

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::{eip2124::ForkHash, eip7840::BlobParams, eip7910::SystemContract};
use alloy_evm::precompiles::Precompile as _;
use alloy_primitives::{Address, B256, Bytes, U64};
use primitives::Header;
use revm::{
    context::BlockEnv, database::EmptyDB, inspector::NoOpInspector, primitives::hardfork::SpecId,
};
use serde::Serialize;
use stf::{ChainEvm, EthereumRules};
use store::PROOF_BLOCKS_BACK_MAX;

use super::{Api, error::RpcError};

/// `eth_capabilities`.
#[derive(Serialize)]
pub(super) struct Capabilities {
    head: HeadBlock,
    state: Resource,
    tx: Resource,
    logs: Resource,
    receipts: Resource,
    blocks: Resource,
    stateproofs: Resource,
}

#[derive(Serialize)]
struct HeadBlock {
    number: U64,
    hash: B256,
}

/// From which block on something is served.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    disabled: bool,
    oldest_block: U64,
    delete_strategy: DeleteStrategy,
}

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum DeleteStrategy {
    None,
    /// Only the newest blocks'.
    Window {
        retention_blocks: u64,
    },
}

/// `eth_config`.
#[derive(Serialize)]
pub(super) struct Config {
    current: Fork,
    next: Option<Fork>,
    last: Option<Fork>,
}

/// The rules from a time on.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fork {
    activation_time: u64,
    /// `None` where there are no blobs.
    blob_schedule: Option<BlobSchedule>,
    chain_id: U64,
    fork_id: Bytes,
    precompiles: BTreeMap<String, Address>,
    system_contracts: BTreeMap<SystemContract, Address>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    base_fee_update_fraction: u64,
    max: u64,
    target: u64,
}

impl From<BlobParams> for BlobSchedule {
    fn from(params: BlobParams) -> Self {
        Self {
            base_fee_update_fraction: params.update_fraction as u64,
            max: params.max_blob_count,
            target: params.target_blob_count,
        }
    }
}

impl Api {
    /// Nothing is ever deleted; proofs are made of the newest blocks' states only.
    pub(super) fn capabilities(&self) -> Capabilities {
        let head = self.chain.heads().unsafe_head;
        let first = self.chain.genesis_number();
        let all = Resource {
            disabled: false,
            oldest_block: U64::from(first),
            delete_strategy: DeleteStrategy::None,
        };
        let stateproofs = Resource {
            oldest_block: U64::from(first.max(head.number.saturating_sub(PROOF_BLOCKS_BACK_MAX))),
            delete_strategy: DeleteStrategy::Window { retention_blocks: PROOF_BLOCKS_BACK_MAX },
            ..all.clone()
        };
        Capabilities {
            head: HeadBlock { number: U64::from(head.number), hash: head.hash },
            state: all.clone(),
            tx: all.clone(),
            logs: all.clone(),
            receipts: all.clone(),
            blocks: all,
            stateproofs,
        }
    }

    pub(super) fn eth_config(&self) -> Result<Config, RpcError> {
        let internal = |error| RpcError::internal(&error);
        let head = self.chain.head().map_err(internal)?;
        let genesis = self.chain.genesis_number();
        let genesis = self.chain.header(genesis).map_err(internal)?;
        let genesis = genesis.ok_or_else(RpcError::header_not_found)?;
        let times: BTreeSet<u64> = match self.chain.spec().as_ethereum() {
            Some(rules) => fork_times(rules),
            None => BTreeSet::new(),
        };
        let (number, now) = (head.number(), head.header().timestamp);
        let current = times.range(..=now).next_back().copied();
        // A chain's first rules hold from its beginning, whatever time its file names.
        let current = current.filter(|time| *time > genesis.timestamp).unwrap_or_default();
        let later = || times.iter().copied().filter(|time| *time > now);
        let fork = |time| self.fork(&genesis, number, time);
        Ok(Config {
            current: fork(current)?,
            next: later().next().map(fork).transpose()?,
            last: later().next_back().map(fork).transpose()?,
        })
    }

    /// The rules that begin at a time, for blocks not before `number`.
    fn fork(&self, genesis: &Header, number: u64, time: u64) -> Result<Fork, RpcError> {
        let spec = self.chain.spec();
        let timestamp = time.max(genesis.timestamp);
        let config = stf::cfg_env(spec, number, timestamp);
        let at = *config.spec();
        let mut evm =
            ChainEvm::new(spec, config, BlockEnv::default(), EmptyDB::new(), NoOpInspector);
        let (_, _, installed) = evm.components_mut();
        let addresses: Vec<Address> = installed.addresses().copied().collect();
        let precompiles = addresses
            .into_iter()
            .filter_map(|address| {
                let precompile = installed.get(&address)?;
                Some((precompile.precompile_id().name().to_owned(), address))
            })
            .collect();

        let mut system_contracts = BTreeMap::new();
        if at.is_enabled_in(SpecId::CANCUN) {
            system_contracts.extend(SystemContract::cancun());
        }
        let mut id = ForkHash::from(genesis.hash_slow());
        match spec.as_ethereum() {
            Some(rules) => {
                if at.is_enabled_in(SpecId::PRAGUE) {
                    let deposits = rules.config().deposit_contract_address;
                    system_contracts.extend(SystemContract::prague(deposits));
                }
                for block in fork_blocks(rules).range(1..=number) {
                    id += *block;
                }
                let after_genesis = genesis.timestamp.saturating_add(1);
                if after_genesis <= timestamp {
                    for time in fork_times(rules).range(after_genesis..=timestamp) {
                        id += *time;
                    }
                }
            }
            // Withdrawals and consolidations of validators are not a rollup's.
            None => {
                let prague = SystemContract::prague(None);
                let history = |one: &(SystemContract, _)| one.0 == SystemContract::HistoryStorage;
                system_contracts.extend(prague.into_iter().filter(history));
            }
        }
        Ok(Fork {
            activation_time: time,
            blob_schedule: spec
                .as_ethereum()
                .and_then(|rules| rules.blob_params(timestamp))
                .map(BlobSchedule::from),
            chain_id: U64::from(spec.chain_id),
            fork_id: Bytes::copy_from_slice(&id.0),
            precompiles,
            system_contracts,
        })
    }
}

/// Heights at which rules change (EIP-2124).
fn fork_blocks(rules: &EthereumRules) -> BTreeSet<u64> {
    let config = rules.config();
    [
        config.homestead_block,
        config.dao_fork_block,
        config.eip150_block,
        config.eip155_block,
        config.eip158_block,
        config.byzantium_block,
        config.constantinople_block,
        config.petersburg_block,
        config.istanbul_block,
        config.muir_glacier_block,
        config.berlin_block,
        config.london_block,
        config.arrow_glacier_block,
        config.gray_glacier_block,
        config.merge_netsplit_block,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Times at which rules change, seconds since the Unix epoch.
fn fork_times(rules: &EthereumRules) -> BTreeSet<u64> {
    let config = rules.config();
    [
        config.shanghai_time,
        config.cancun_time,
        config.prague_time,
        config.osaka_time,
        config.bpo1_time,
        config.bpo2_time,
        config.bpo3_time,
        config.bpo4_time,
        config.bpo5_time,
    ]
    .into_iter()
    .flatten()
    .collect()
}
