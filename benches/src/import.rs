//! What importing blocks costs over executing them: `openledger import`'s own path against revm alone, on the
//! same recorded blocks. Both decode and recover who signed; what only the import does is to check the
//! blocks, to compute their roots and to keep them on disk.

use std::sync::Arc;

use alloy_consensus::{Transaction as _, Typed2718, transaction::SignerRecoverable};
use alloy_eips::eip2718::Decodable2718;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, U256};
use alloy_rlp::{Decodable, Encodable};
use anyhow::{Context as _, Result, ensure};
use primitives::{Block, Header, Recovered, TxEnvelope};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{BlockEnv, TxEnv},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use stf::{ChainSpec, EthereumBuilder, Proposal};
use store::{Store, StoreOptions};

use crate::{
    Load,
    suites::{Row, row},
    target::cpu_seconds,
    world::{CHAIN_ID, Kind, World},
};

/// Transactions in a block.
const BLOCK: usize = 1_000;

pub fn import(load: &Load) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (kind, name) in [(Kind::Native, "native"), (Kind::Erc20, "ERC-20")] {
        let mut world = World::new(load.senders, load.accounts)?;
        let directory = tempfile::tempdir()?;
        let genesis = genesis(&world, directory.path(), load.gas_limit)?;
        let spec = ChainSpec::ethereum(genesis.config.clone());
        let signed = world.sign(kind, load.transactions)?;
        let senders: Vec<Address> = world.senders.iter().map(|key| key.address()).collect();
        let transactions = signed
            .iter()
            .map(|signed| {
                let transaction = TxEnvelope::decode_2718_exact(&signed.raw)?;
                Ok(Recovered::new_unchecked(transaction, senders[signed.sender]))
            })
            .collect::<Result<Vec<_>>>()?;
        let recorded =
            record(&open(&directory.path().join("recorded"), &genesis)?, &spec, &transactions)?;

        let (recovery, execution) = bare(&genesis, &recorded, transactions.len())?;
        let store = open(&directory.path().join("imported"), &genesis)?;
        let before = cpu()?;
        let done = node::ethereum::import::import(&store, &spec, recorded.as_slice(), |_| {})?;
        let import = cpu()? - before;
        ensure!(done.transactions == transactions.len() as u64, "the import lost transactions");

        let each = |seconds: f64| seconds * 1e6 / transactions.len() as f64;
        let bare = recovery + execution;
        rows.push(row(
            format!("import of blocks of {BLOCK} {name} transfers against bare revm"),
            "50 %",
            "85 %",
            format!(
                "{:.0} % ({:.1} of {:.1} µs a transaction; bare: {:.1} decoding and signature, {:.1} execution)",
                100.0 * bare / import,
                each(bare),
                each(import),
                each(recovery),
                each(execution),
            ),
        ));
    }
    Ok(rows)
}

/// The world's chain under Cancun's rules: Prague's wants contracts that the genesis lacks.
fn genesis(world: &World, directory: &std::path::Path, gas_limit: u64) -> Result<Genesis> {
    let path = directory.join("genesis.json");
    world.write_genesis(&path, gas_limit)?;
    let mut genesis: Genesis = serde_json::from_slice(&std::fs::read(&path)?)?;
    genesis.config.prague_time = None;
    genesis.config.terminal_total_difficulty_passed = true;
    Ok(genesis)
}

fn open(path: &std::path::Path, genesis: &Genesis) -> Result<Arc<Store>> {
    let store = Store::open(path, StoreOptions::default())?;
    store.init_ethereum_genesis(genesis)?;
    Ok(store)
}

/// Blocks of these transactions, one after the other in RLP.
fn record(
    store: &Arc<Store>,
    spec: &ChainSpec,
    transactions: &[Recovered<TxEnvelope>],
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for transactions in transactions.chunks(BLOCK) {
        let head = store.heads()?.unsafe_head.number;
        let parent = store.header(head)?.context("the head is missing")?;
        let proposal = Proposal {
            timestamp: parent.timestamp + 12,
            gas_limit: parent.gas_limit,
            ..Proposal::default()
        };
        let roots = store.head_roots()?;
        let state = store.latest_state()?;
        let mut builder = EthereumBuilder::new(spec, &parent, &proposal, state)?;
        for transaction in transactions {
            builder.execute(transaction, &roots)?;
        }
        let (executed, _) = builder.finish(Some(Default::default()), &roots)?;
        executed.block.to_rlp().encode(&mut out);
        store.commit(&executed)?;
    }
    Ok(out)
}

/// Seconds of CPU time for decoding and recovery, and for execution by revm on a state in memory.
fn bare(genesis: &Genesis, recorded: &[u8], transactions: usize) -> Result<(f64, f64)> {
    let mut database = CacheDB::new(EmptyDB::default());
    for (address, account) in &genesis.alloc {
        let code = account.code.clone().map(Bytecode::new_raw).unwrap_or_default();
        let info =
            AccountInfo::new(account.balance, account.nonce.unwrap_or(0), code.hash_slow(), code);
        database.insert_account_info(*address, info);
        for (slot, value) in account.storage.iter().flatten() {
            database.insert_account_storage(*address, (*slot).into(), (*value).into())?;
        }
    }
    let before = cpu()?;
    let mut blocks = Vec::new();
    let mut rest = recorded;
    while !rest.is_empty() {
        let block = Block::from_rlp(Decodable::decode(&mut rest)?);
        let senders: Vec<Address> = block
            .body
            .transactions
            .iter()
            .map(SignerRecoverable::recover_signer)
            .collect::<Result<_, _>>()?;
        blocks.push((block, senders));
    }
    let recovery = cpu()? - before;
    let mut evm = Context::mainnet()
        .with_db(database)
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = CHAIN_ID;
            cfg.set_spec_and_mainnet_gas_params(SpecId::CANCUN);
        })
        .build_mainnet();
    let before = cpu()?;
    let mut succeeded = 0;
    for (block, senders) in &blocks {
        evm.set_block(block_env(&block.header));
        for (transaction, sender) in block.body.transactions.iter().zip(senders) {
            let result = evm.transact_commit(tx_env(transaction, *sender)?)?;
            succeeded += usize::from(result.is_success());
        }
    }
    let execution = cpu()? - before;
    ensure!(succeeded == transactions, "{succeeded} of {transactions} transactions succeeded");
    Ok((recovery, execution))
}

fn block_env(header: &Header) -> BlockEnv {
    let mut env = BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        prevrandao: Some(header.mix_hash),
        ..BlockEnv::default()
    };
    env.set_blob_excess_gas_and_price(header.excess_blob_gas.unwrap_or_default(), 3_338_477);
    env
}

fn tx_env(transaction: &TxEnvelope, caller: Address) -> Result<TxEnv> {
    TxEnv::builder()
        .tx_type(Some(transaction.ty()))
        .caller(caller)
        .kind(transaction.kind())
        .value(transaction.value())
        .data(transaction.input().clone())
        .nonce(transaction.nonce())
        .gas_limit(transaction.gas_limit())
        .gas_price(transaction.max_fee_per_gas())
        .gas_priority_fee(transaction.max_priority_fee_per_gas())
        .chain_id(transaction.chain_id())
        .build()
        .map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// Of this process.
fn cpu() -> Result<f64> {
    cpu_seconds(std::process::id())
}
