//! A world of plain Ethereum with every fork through Osaka active from its first block, and a forge that
//! makes valid blocks of it in a store of its own.

use std::{path::Path, sync::Arc};

use alloy_consensus::{
    EthereumTxEnvelope, Header, SidecarBuilder, SignableTransaction, SimpleCoder, TxEip1559,
    TxEip4844,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_PREDEPLOY_CODE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_CODE},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use primitives::{Block, Recovered, TxEnvelope};
use stf::{ChainSpec, EthereumBuilder, ExecutedBlock, Proposal};
use store::Store;
use tempfile::TempDir;

pub const CHAIN: u64 = 3_151;
pub const ETHER: u64 = 1_000_000_000_000_000_000;
const GWEI: u128 = 1_000_000_000;

/// A chain's beginning and those who have money on it.
#[derive(Clone)]
pub struct World {
    pub genesis: Genesis,
    pub accounts: Vec<PrivateKeySigner>,
}

impl World {
    pub fn new() -> Self {
        let accounts: Vec<PrivateKeySigner> = (1..=3)
            .map(|key: u8| PrivateKeySigner::from_bytes(&B256::repeat_byte(key)).unwrap())
            .collect();
        let config = serde_json::json!({
            "chainId": CHAIN, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": true, "shanghaiTime": 0, "cancunTime": 0,
            "pragueTime": 0, "osakaTime": 0,
        });
        let mut genesis = Genesis {
            config: serde_json::from_value(config).unwrap(),
            gas_limit: 30_000_000,
            timestamp: 1_700_000_000,
            ..Default::default()
        };
        let rich = GenesisAccount::default().with_balance(U256::from(100 * u128::from(ETHER)));
        for account in &accounts {
            genesis.alloc.insert(account.address(), rich.clone());
        }
        let system = [
            (BEACON_ROOTS_ADDRESS, &BEACON_ROOTS_CODE),
            (HISTORY_STORAGE_ADDRESS, &HISTORY_STORAGE_CODE),
            (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, &WITHDRAWAL_REQUEST_PREDEPLOY_CODE),
            (CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, &CONSOLIDATION_REQUEST_PREDEPLOY_CODE),
        ];
        for (address, code) in system {
            let contract = GenesisAccount::default().with_code(Some(code.clone()));
            genesis.alloc.insert(address, contract.with_nonce(Some(1)));
        }
        Self { genesis, accounts }
    }

    /// The same before London, in one account's hand: difficulty, rewards and ommers count.
    pub fn of_homestead() -> Self {
        let mut world = Self::new();
        world.genesis.config = serde_json::from_value(serde_json::json!({
            "chainId": CHAIN, "homesteadBlock": 0,
        }))
        .unwrap();
        world.genesis.difficulty = U256::from(0x20000);
        world
    }

    pub fn spec(&self) -> ChainSpec {
        ChainSpec::ethereum(self.genesis.config.clone())
    }

    pub fn open(&self, directory: &Path) -> Arc<Store> {
        let store = crate::released::open(directory);
        store.init_ethereum_genesis(&self.genesis).unwrap();
        store
    }

    pub fn transfer(&self, from: usize, nonce: u64, to: Address, wei: u64) -> TxEnvelope {
        let transaction = TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 3 * GWEI,
            max_priority_fee_per_gas: GWEI,
            to: TxKind::Call(to),
            value: U256::from(wei),
            ..Default::default()
        };
        let signature = self.accounts[from].sign_hash_sync(&transaction.signature_hash()).unwrap();
        TxEnvelope::from(transaction.into_signed(signature))
    }
}

impl World {
    /// The bytes of a transaction with a blob, its hash and the blob's.
    pub fn blob(&self, from: usize, nonce: u64) -> (Vec<u8>, B256, B256) {
        let builder = SidecarBuilder::<SimpleCoder>::from_slice(b"a blob's data");
        let sidecar = BlobTransactionSidecarVariant::Eip7594(builder.build_7594().unwrap());
        let blob = sidecar.versioned_hashes().next().unwrap();
        let transaction = TxEip4844 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 3 * GWEI,
            max_priority_fee_per_gas: GWEI,
            max_fee_per_blob_gas: GWEI,
            blob_versioned_hashes: vec![blob],
            ..Default::default()
        };
        let signature = self.accounts[from].sign_hash_sync(&transaction.signature_hash()).unwrap();
        let signed = transaction.with_sidecar(sidecar).into_signed(signature);
        let hash = *signed.hash();
        (EthereumTxEnvelope::Eip4844(signed).encoded_2718(), hash, blob)
    }
}

/// Makes blocks and keeps them.
pub struct Forge {
    pub world: World,
    pub store: Arc<Store>,
    _directory: TempDir,
}

impl Forge {
    pub fn new(world: &World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = world.open(directory.path());
        Self { world: world.clone(), store, _directory: directory }
    }

    pub fn head(&self) -> Header {
        let head = self.store.heads().unwrap().unsafe_head.number;
        self.store.header(head).unwrap().unwrap()
    }

    /// A block on the head, not kept.
    pub fn build(&self, transactions: &[TxEnvelope], proposal: Proposal) -> ExecutedBlock {
        let roots = self.store.head_roots().unwrap();
        let state = self.store.latest_state().unwrap();
        let mut builder =
            EthereumBuilder::new(&self.world.spec(), &self.head(), &proposal, state).unwrap();
        for transaction in transactions {
            let sender = stf::signer(transaction, revm::primitives::hardfork::SpecId::PRAGUE);
            let recovered = Recovered::new_unchecked(transaction.clone(), sender.unwrap());
            assert!(builder.execute(&recovered, &roots).unwrap().success);
        }
        builder.finish(Some(Default::default()), &roots).unwrap().0
    }

    /// A block on the head, which it becomes.
    pub fn extend(&self, transactions: &[TxEnvelope]) -> Block {
        let executed = self.build(transactions, self.proposal());
        self.store.commit(&executed).unwrap();
        executed.block
    }

    /// Takes another forge's block.
    pub fn adopt(&self, block: &Block) {
        let executed = stf::execute_ethereum_block(
            &self.world.spec(),
            &self.head(),
            block,
            None,
            self.store.latest_state().unwrap(),
            &self.store.head_roots().unwrap(),
        );
        self.store.commit(&executed.unwrap()).unwrap();
    }

    /// 12 seconds after the head.
    pub fn proposal(&self) -> Proposal {
        let head = self.head();
        Proposal {
            timestamp: head.timestamp + 12,
            fee_recipient: Address::repeat_byte(0xfe),
            gas_limit: head.gas_limit,
            prev_randao: B256::with_last_byte(head.number as u8),
            ..Default::default()
        }
    }

    /// Who gets something in [`Forge::chain`].
    pub fn receiver(nonce: u64) -> Address {
        Address::from_word(U256::from(1_000 + nonce).into())
    }

    /// So many blocks, each with a transfer of the first account.
    pub fn chain(&self, blocks: u64) -> Vec<Block> {
        (0..blocks)
            .map(|nonce| {
                let to = Self::receiver(nonce);
                self.extend(&[self.world.transfer(0, nonce, to, nonce + 1)])
            })
            .collect()
    }
}

/// Blocks as a file holds them.
pub fn file<'a>(blocks: impl IntoIterator<Item = &'a Block>) -> Vec<u8> {
    blocks.into_iter().flat_map(|block| alloy_rlp::encode(block.to_rlp())).collect()
}
