//! The inner loops: what each step between a socket and L1 takes on one thread, and what attribution does for an
//! answer. `cargo bench -p benches --bench inner`, with a part of a name behind `--` for some of them only.
//!
//! Wall clocks lie on busy machines: compare with the same run's `transaction` group, whose time is a signature's.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to say")]

use std::{sync::Arc, time::Duration};

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
use alloy_primitives::{Address, B64, B256, Bytes, U256, keccak256};
use benches::world::{CHAIN_ID, Kind, Signed, World, account, l1_hash};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use derive::{
    BatchForm, BatchReader, ChannelAssembler, ChannelEncoder, ChannelId, Compression,
    EncoderConfig, batcher_transactions, decode_batcher_transaction, decompress,
};
use index::{Document, Index, SpanParams};
use messages::L1Attributes;
use node::{
    Pool, PoolConfig,
    error::PoolError,
    pool::{AccountReader, AccountState, Head, PoolTransaction},
};
use primitives::{Block, Header, PayloadAttributes, Recovered, RollupConfig, TxEnvelope};
use scores::{ContributionId, Sequence, merkle};
use stf::{AccountChange, BlockBuilder, ChainSpec, StateChanges, StateRootProvider, execute_block};
use store::{StateView, Store, StoreOptions};

/// Transactions in a block.
const BLOCK: usize = 1_000;
const SENDERS: usize = 500;
const ACCOUNTS: u64 = 100_000;
const GAS_LIMIT: u64 = 3_000_000_000;
const GENESIS_TIME: u64 = 1_700_000_000;

/// A chain at its genesis, on disk.
struct Chain {
    world: World,
    store: Arc<Store>,
    rollup: RollupConfig,
    spec: ChainSpec,
    genesis: Header,
    _directory: tempfile::TempDir,
}

impl Chain {
    fn new() -> Self {
        let world = World::new(SENDERS, ACCOUNTS).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        let (genesis, rollup) = world.genesis(GENESIS_TIME, GAS_LIMIT).unwrap();
        let genesis = store.init_genesis(&genesis).unwrap();
        store.load_tries().unwrap();
        let spec = ChainSpec::new(CHAIN_ID);
        Self { world, store, rollup, spec, genesis, _directory: directory }
    }

    fn attributes(&self) -> PayloadAttributes {
        let l1 = L1Attributes {
            number: 1,
            timestamp: GENESIS_TIME,
            base_fee: U256::from(1_000_000_000_u64),
            hash: l1_hash(1),
            ..Default::default()
        };
        let config = &self.rollup.genesis.system_config;
        let mut parameters = [0; 8];
        parameters[..4].copy_from_slice(&config.eip1559_denominator.to_be_bytes());
        parameters[4..].copy_from_slice(&config.eip1559_elasticity.to_be_bytes());
        PayloadAttributes {
            timestamp: GENESIS_TIME + 1,
            prev_randao: B256::repeat_byte(1),
            suggested_fee_recipient: Address::repeat_byte(0x11),
            parent_beacon_block_root: B256::ZERO,
            transactions: vec![TxEnvelope::from(l1.transaction()).encoded_2718().into()],
            no_tx_pool: false,
            gas_limit: GAS_LIMIT,
            eip1559_params: B64::from(parameters),
            min_base_fee: config.min_base_fee,
            l1_origin: BlockNumHash { number: 1, hash: l1_hash(1) },
            sequence_number: 0,
        }
    }

    fn builder(&self) -> BlockBuilder<StateView> {
        let state = self.store.latest_state().unwrap();
        BlockBuilder::new(&self.spec, &self.genesis, &self.attributes(), state).unwrap()
    }

    fn filled(&self, transactions: &[Recovered<TxEnvelope>]) -> BlockBuilder<StateView> {
        let mut builder = self.builder();
        for transaction in transactions {
            assert!(builder.execute(transaction).unwrap().success);
        }
        builder
    }

    /// The next transactions of the senders, with who signed them.
    fn sign(&self, kind: Kind) -> (Vec<Signed>, Vec<Recovered<TxEnvelope>>) {
        // Each kind begins at nonce 0: the state is that of the genesis.
        let mut world = World::new(SENDERS, ACCOUNTS).unwrap();
        let signed = world.sign(kind, BLOCK).unwrap();
        let recovered = signed
            .iter()
            .map(|signed| {
                let transaction = TxEnvelope::decode_strict(&signed.raw).unwrap();
                let sender = self.world.senders[signed.sender].address();
                Recovered::new_unchecked(transaction, sender)
            })
            .collect();
        (signed, recovered)
    }
}

/// Every sender is rich.
struct Rich;

impl AccountReader for Rich {
    fn account(&self, _: Address) -> Result<AccountState, PoolError> {
        Ok(AccountState { balance: U256::MAX >> 1, ..Default::default() })
    }
}

fn sequencer(criterion: &mut Criterion) {
    let chain = Chain::new();
    let (native, native_recovered) = chain.sign(Kind::Native);
    let (_, erc20_recovered) = chain.sign(Kind::Erc20);

    let mut group = criterion.benchmark_group("transaction");
    group.bench_function("recover", |bencher| {
        let transaction = native_recovered[0].inner();
        bencher.iter(|| transaction.recover_signer().unwrap());
    });
    let pool = || {
        let pool = Pool::new(PoolConfig::default(), CHAIN_ID);
        let head = Head { base_fee: 1, gas_limit: GAS_LIMIT, ..Default::default() };
        pool.on_block(head, []);
        pool
    };
    group.bench_function("decode and check, sender known", |bencher| {
        let pool = pool();
        bencher.iter(|| pool.decode(&native[0].raw).unwrap());
    });
    group.finish();

    let mut group = criterion.benchmark_group("block of 1,000");
    group.throughput(Throughput::Elements(BLOCK as u64)).sample_size(20);
    group.bench_function("add to the pool", |bencher| {
        let filling = || {
            let pool = pool();
            let decoded: Vec<_> =
                native.iter().map(|signed| pool.decode(&signed.raw).unwrap()).collect();
            (pool, decoded)
        };
        let add = |(pool, decoded): (Pool, Vec<PoolTransaction>)| {
            for transaction in decoded {
                pool.add(transaction, &Rich).unwrap();
            }
            pool
        };
        bencher.iter_batched(filling, add, BatchSize::LargeInput);
    });
    for (name, transactions) in
        [("native transfers", &native_recovered), ("ERC-20 transfers", &erc20_recovered)]
    {
        group.bench_function(format!("execute {name}"), |bencher| {
            bencher.iter_batched(
                || chain.builder(),
                |mut builder| {
                    for transaction in transactions {
                        builder.execute(transaction).unwrap();
                    }
                    builder
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.bench_function("finish: roots and header", |bencher| {
        let roots = chain.store.head_roots().unwrap();
        bencher.iter_batched(
            || chain.filled(&native_recovered),
            |builder| builder.finish(&roots).unwrap(),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("execute a recorded block again", |bencher| {
        let roots = chain.store.head_roots().unwrap();
        let executed = chain.filled(&native_recovered).finish(&roots).unwrap();
        let run = |state| {
            execute_block(
                &chain.spec,
                &chain.genesis,
                &executed.block,
                Some(&executed.senders),
                state,
                &roots,
            )
            .unwrap()
        };
        bencher.iter_batched(|| chain.store.latest_state().unwrap(), run, BatchSize::LargeInput);
    });
    group.finish();

    state_root(criterion, &chain);
    data_availability(criterion, &chain, &native_recovered);
}

fn state_root(criterion: &mut Criterion, chain: &Chain) {
    let state = chain.store.latest_state().unwrap();
    let mut changes = StateChanges::default();
    for index in 0..BLOCK as u64 {
        let address = account(index * 104_729 % ACCOUNTS);
        let before = state.account(address).unwrap();
        let mut after = before.unwrap_or_default();
        after.nonce += 1;
        let change = AccountChange { before, after: Some(after), ..Default::default() };
        changes.accounts.insert(address, change);
    }
    let roots = chain.store.head_roots().unwrap();
    let mut group = criterion.benchmark_group("state root");
    group.throughput(Throughput::Elements(BLOCK as u64)).sample_size(20);
    group.bench_function("1,000 of 100,000 accounts", |bencher| {
        bencher.iter(|| roots.state_root(&changes).unwrap());
    });
    group.finish();
}

fn data_availability(
    criterion: &mut Criterion,
    chain: &Chain,
    transactions: &[Recovered<TxEnvelope>],
) {
    let roots = chain.store.head_roots().unwrap();
    let block: Block = chain.filled(transactions).finish(&roots).unwrap().block;
    let config = EncoderConfig {
        batches: BatchForm::Span { genesis_time: GENESIS_TIME },
        compression: Compression::Brotli { level: 5 },
        channel_size_target: usize::MAX,
        ..Default::default()
    };
    let encode = || {
        let mut encoder = ChannelEncoder::new(ChannelId::repeat_byte(1), config).unwrap();
        encoder.add_block(&block).unwrap();
        batcher_transactions(&encoder.close().unwrap().unwrap())
    };
    let decode = |posted: &[Bytes]| {
        let mut assembler = ChannelAssembler::default();
        let mut batches = 0;
        for data in posted {
            assembler.push_frames(decode_batcher_transaction(data).unwrap());
            while let Some(channel) = assembler.next_channel(1, 50) {
                let bytes = decompress(&channel).unwrap().bytes;
                batches += BatchReader::new(bytes, CHAIN_ID).map(Result::unwrap).count();
            }
        }
        assert_eq!(batches, 1);
    };
    let mut group = criterion.benchmark_group("data availability of 1,000");
    group.throughput(Throughput::Elements(BLOCK as u64)).sample_size(20);
    group.bench_function("encode as a span, brotli 5", |bencher| bencher.iter(encode));
    let posted = encode();
    group.bench_function("decode", |bencher| bencher.iter(|| decode(&posted)));
    group.finish();
}

/// Tokens as skewed as words are, always the same.
fn tokens(seed: u64, count: usize) -> Vec<u16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| (next() % (1 + next() % 8_000)) as u16).collect()
}

fn attribution(criterion: &mut Criterion) {
    let mut index = Index::in_memory();
    let documents: Vec<Document> = (0..2_000)
        .map(|number| Document {
            contribution: ContributionId(number),
            sequence: Sequence(number),
            tokens: tokens(number + 1, 500),
        })
        .collect();
    index.append(&documents).unwrap();
    index.maintain().unwrap();
    // A third of the answer stands in the corpus.
    let mut answer = tokens(1 << 40, 128);
    answer[40..80].copy_from_slice(&documents[700].tokens[100..140]);
    let mut group = criterion.benchmark_group("attribution");
    group.bench_function("spans of 128 tokens in a million", |bencher| {
        bencher.iter(|| {
            let spans = index.spans(&answer, SpanParams::default()).unwrap();
            assert!(!spans.is_empty());
            spans
        });
    });
    let leaves: Vec<B256> = (0..10_000_u64).map(|leaf| keccak256(leaf.to_be_bytes())).collect();
    group.bench_function("root of 10,000 leaves", |bencher| {
        bencher.iter(|| merkle::root(&leaves).unwrap());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = sequencer, attribution
}
criterion_main!(benches);
