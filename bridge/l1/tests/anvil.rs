//! Against a real L1 (anvil): deposits are read, the batcher's blocks come back out of derivation,
//! and restarts, lost transactions and reorganisations do no harm. Without anvil the tests say so and
//! pass.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use alloy_consensus::{Header, SignableTransaction, TxEip1559};
use alloy_eips::{BlockNumHash, eip2718::Decodable2718, eip2718::Encodable2718};
use alloy_network::{EthereumWallet, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_provider::{Provider, ProviderBuilder};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use bridge_l1::{
    Batcher, BatcherConfig, Deposit, Journal, L1Addresses, L1Client, L1Error, L2Blocks,
    SourceError, Watcher,
    contracts::{
        AnchorStateRegistry, AttestorVerifier, DisputeGameFactory, L1StandardBridge, Open,
        OptimismMintableERC20Factory, OptimismPortal, ProofDisputeGame, RollupTimelock,
        SystemConfigContract,
    },
    deploy::{
        self, AttestorParams, DeployParams, Deployment, DisputeParams, TimelockParams,
        VerifierParams,
    },
    deposit,
};
use derive::{EncoderConfig, L1Event, Pipeline, Step, attributes, l2_block_ref, system_config_of};
use primitives::{
    Block, BlockBody, L2BlockRef, PayloadAttributes, RollupConfig, RollupGenesis, SystemConfig,
    TxEnvelope,
};
use serde_json::{Value, json};
use tests_anvil::AnvilInstance;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

const L1_CHAIN: u64 = 16_121;
const PATIENCE: Duration = Duration::from_secs(30);
const DEPLOYMENT_PATIENCE: Duration = Duration::from_secs(120);

struct Anvil {
    _process: AnvilInstance,
    url: Url,
}

impl Anvil {
    /// `None`, with the reason printed, where anvil is not installed. Blocks come only on request.
    fn start() -> Option<Self> {
        let chain = L1_CHAIN.to_string();
        let mining = ["--mixed-mining", "--block-time", "1", "--slots-in-an-epoch", "1"];
        let process = tests_anvil::start(
            &[&["--chain-id", &chain, "--accounts", "20"], &mining[..]].concat(),
        )?;
        let url = process.endpoint_url();
        Some(Self { _process: process, url })
    }

    async fn call(&self, method: &'static str, params: Value) -> Value {
        let provider = ProviderBuilder::new().connect_http(self.url.clone());
        within(method, provider.raw_request(method.into(), params)).await.unwrap()
    }
}

/// What must not take long, or the test fails with its name.
async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

fn key(index: u32) -> PrivateKeySigner {
    alloy_signer_local::MnemonicBuilder::<alloy_signer_local::coins_bip39::English>::default()
        .phrase("test test test test test test test test test test test junk")
        .index(index)
        .unwrap()
        .build()
        .unwrap()
}

/// A rollup on a fresh L1.
struct World {
    anvil: Anvil,
    client: L1Client,
    deployment: Deployment,
    rollup: RollupConfig,
}

impl World {
    async fn new() -> Option<Self> {
        let anvil = Anvil::start()?;
        let system_config =
            SystemConfig { batcher_address: key(10).address(), ..Default::default() };
        let params = DeployParams {
            owner: key(12).address(),
            timelock: None,
            treasury: None,
            guardian: key(12).address(),
            unsafe_block_signer: key(10).address(),
            l2_chain_id: 16_120,
            system_config,
            genesis_supply: U256::from(1_000),
            grants: vec![(key(0).address(), U256::from(5_000_000))],
            disputes: DisputeParams::devnet(VerifierParams::Devnet { executor: key(12).address() }),
            multicall3: None,
        };
        let deployment = deploy::deploy(anvil.url.clone(), key(12), &params);
        let deployment = match timeout(DEPLOYMENT_PATIENCE, deployment).await {
            Ok(deployment) => deployment.unwrap(),
            Err(_) => {
                let nonce = anvil.call("eth_getTransactionCount", json!([key(12).address()])).await;
                let pool = anvil.call("txpool_inspect", json!([])).await;
                panic!(
                    "the deployment is not in L1: its account is at {nonce}, the pool has {pool}"
                )
            }
        };
        let client = L1Client::connect(anvil.url.clone(), L1_CHAIN).await.unwrap();
        let rollup = RollupConfig {
            genesis: RollupGenesis {
                l1: deployment.l1_genesis,
                l2: BlockNumHash { number: 0, hash: keccak256("genesis") },
                l2_time: deployment.l1_timestamp,
                system_config,
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: 3_600,
            channel_timeout: 300,
            l1_chain_id: L1_CHAIN,
            l2_chain_id: 16_120,
            batch_inbox_address: deployment.batch_inbox,
            deposit_contract_address: deployment.optimism_portal,
            l1_system_config_address: deployment.system_config,
        };
        Some(Self { anvil, client, deployment, rollup })
    }

    fn genesis(&self) -> L2BlockRef {
        let genesis = &self.rollup.genesis;
        L2BlockRef {
            hash: genesis.l2.hash,
            number: 0,
            parent_hash: B256::ZERO,
            timestamp: genesis.l2_time,
            l1_origin: genesis.l1,
            sequence_number: 0,
        }
    }

    async fn deposit(&self, amount: u64) -> bridge_l1::DepositReceipt {
        let what = Deposit::transfer(
            self.deployment.open,
            self.deployment.optimism_portal,
            Address::repeat_byte(0x42),
            U256::from(amount),
        );
        deposit(self.anvil.url.clone(), key(0), &what).await.unwrap()
    }

    /// A chain of `length` blocks on L1 as it is now.
    async fn sequence(&self, chain: &Chain, length: u64) {
        let addresses = L1Addresses::from(&self.rollup);
        let (mut parent, mut config) = match chain.0.lock().unwrap().blocks.values().next_back() {
            Some(block) => {
                (l2_block_ref(&self.rollup, block).unwrap(), system_config_of(block).unwrap())
            }
            None => (self.genesis(), self.rollup.genesis.system_config),
        };
        for index in 0..length {
            let timestamp = parent.timestamp + 1;
            let at = parent.l1_origin.number;
            let next = self.client.fetch_block(at + 1, &addresses).await.unwrap();
            let (origin, sequence_number) = match next {
                Some(next) if next.timestamp <= timestamp => (next, 0),
                _ => {
                    let same = self.client.fetch_block(at, &addresses).await.unwrap().unwrap();
                    (same, parent.sequence_number + 1)
                }
            };
            let mut attributes =
                attributes(&self.rollup, &config, &parent, &origin, sequence_number, timestamp)
                    .unwrap();
            attributes.transactions.push(transfer(parent.number * 1_000 + index));
            let block = execute(&parent, &attributes);
            parent = l2_block_ref(&self.rollup, &block).unwrap();
            config = system_config_of(&block).unwrap();
            chain.0.lock().unwrap().blocks.insert(block.header.number, block);
        }
    }

    fn watch(&self, start: u64) -> Running<mpsc::Receiver<L1Event>> {
        let watcher = Watcher::new(
            self.client.clone(),
            L1Addresses::from(&self.rollup),
            start,
            Duration::from_millis(50),
        );
        let (sender, receiver) = mpsc::channel(4);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(watcher.run(sender, shutdown.clone()));
        Running {
            value: receiver,
            shutdown,
            task: tokio::spawn(async move {
                task.await.unwrap().unwrap();
            }),
        }
    }

    async fn batch(&self, chain: &Chain, journal: &Memory, config: BatcherConfig) -> Running<()> {
        let batcher = Batcher::new(
            self.client.clone(),
            &self.rollup,
            key(10),
            config,
            chain.clone(),
            journal.clone(),
        )
        .await
        .unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(batcher.run(shutdown.clone()));
        Running {
            value: (),
            shutdown,
            task: tokio::spawn(async move {
                task.await.unwrap().unwrap();
            }),
        }
    }

    /// Derives until block `until` and reports each block as safe.
    async fn derive(&self, chain: &Chain, until: u64) -> Vec<B256> {
        let mut pipeline =
            Pipeline::new(self.rollup.clone(), self.genesis(), self.rollup.genesis.system_config);
        let mut watched = self.watch(pipeline.l1_start());
        let mut hashes = Vec::new();
        let derive = async {
            while pipeline.safe_head().number < until {
                match pipeline.step().unwrap() {
                    Step::NeedL1 => match watched.value.recv().await.unwrap() {
                        L1Event::Block(block) => pipeline.push_l1(block).unwrap(),
                        L1Event::Finalized(_) => {}
                        event => panic!("no reorganisation was made, but {event:?}"),
                    },
                    Step::Attributes(attributes) => {
                        let block = execute(pipeline.safe_head(), &attributes);
                        hashes.push(block.hash);
                        pipeline.accepted(l2_block_ref(&self.rollup, &block).unwrap());
                        chain.0.lock().unwrap().safe = block.id();
                    }
                }
            }
        };
        within("derivation", derive).await;
        watched.stop().await;
        hashes
    }
}

/// A task that must end well.
struct Running<T> {
    value: T,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl<T> Running<T> {
    async fn stop(self) {
        self.shutdown.cancel();
        within("stopping", self.task).await.unwrap();
    }
}

#[derive(Clone, Default)]
struct Chain(Arc<Mutex<ChainState>>);

#[derive(Default)]
struct ChainState {
    blocks: BTreeMap<u64, Block>,
    safe: BlockNumHash,
}

impl Chain {
    fn hashes(&self) -> Vec<B256> {
        self.0.lock().unwrap().blocks.values().map(|block| block.hash).collect()
    }
}

impl L2Blocks for Chain {
    fn latest(&self) -> Result<u64, SourceError> {
        Ok(self.0.lock().unwrap().blocks.keys().next_back().copied().unwrap_or_default())
    }

    fn safe(&self) -> Result<BlockNumHash, SourceError> {
        Ok(self.0.lock().unwrap().safe)
    }

    fn block(&self, number: u64) -> Result<Option<Block>, SourceError> {
        Ok(self.0.lock().unwrap().blocks.get(&number).cloned())
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Journal for Memory {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), SourceError> {
        self.0.lock().unwrap().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), SourceError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    fn all(&self) -> Result<Vec<(Vec<u8>, Vec<u8>)>, SourceError> {
        let entries = self.0.lock().unwrap();
        Ok(entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// A block whose hash depends on everything in the attributes, without executing anything.
fn execute(parent: &L2BlockRef, attributes: &PayloadAttributes) -> Block {
    let mut extra_data = vec![1];
    extra_data.extend(attributes.eip1559_params.as_slice());
    extra_data.extend(attributes.min_base_fee.to_be_bytes());
    let header = Header {
        parent_hash: parent.hash,
        number: parent.number + 1,
        timestamp: attributes.timestamp,
        gas_limit: attributes.gas_limit,
        mix_hash: attributes.prev_randao,
        transactions_root: keccak256(attributes.transactions.concat()),
        extra_data: extra_data.into(),
        ..Default::default()
    };
    let transactions = attributes.transactions.iter();
    let transactions =
        transactions.map(|tx| TxEnvelope::decode_2718(&mut tx.as_ref()).unwrap()).collect();
    Block { hash: header.hash_slow(), header, body: BlockBody::rollup(transactions) }
}

fn transfer(nonce: u64) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: 16_120,
        nonce,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..Default::default()
    };
    let r = U256::from_be_bytes(keccak256(nonce.to_be_bytes()).0);
    let signature = Signature::new(r, r, true);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn fast() -> BatcherConfig {
    BatcherConfig {
        encoder: EncoderConfig { frame_size_max: 400, ..Default::default() },
        channel_age_max: Duration::from_millis(300),
        poll: Duration::from_millis(50),
        bump_after: Duration::from_millis(1_500),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deposits_and_updates_are_read_and_batches_come_back() {
    let Some(world) = World::new().await else { return };
    let receipt = world.deposit(1_000).await;
    let owner = ProviderBuilder::new()
        .wallet(EthereumWallet::from(key(12)))
        .connect_http(world.anvil.url.clone());
    let config = SystemConfigContract::new(world.deployment.system_config, &owner);
    config.setGasLimit(70_000_000).send().await.unwrap().get_receipt().await.unwrap();
    let second = world.deposit(7).await;
    world.anvil.call("anvil_mine", json!(["0x2"])).await;

    let chain = Chain::default();
    let head = world.client.head().await.unwrap().block;
    let lead = head.timestamp - world.rollup.genesis.l2_time;
    world.sequence(&chain, lead.max(12) + 1).await;
    // Both deposits have entered L2 under the hashes that were foretold.
    let deposits: Vec<B256> = chain
        .0
        .lock()
        .unwrap()
        .blocks
        .values()
        .flat_map(|block| block.body.transactions.iter().skip(1))
        .filter_map(|transaction| transaction.as_deposit().map(|deposit| deposit.hash()))
        .collect();
    assert_eq!(deposits, [receipt.l2_transaction, second.l2_transaction]);
    let last = chain.0.lock().unwrap().blocks.values().next_back().unwrap().clone();
    assert_eq!(last.header.gas_limit, 70_000_000);

    let journal = Memory::default();
    let batcher = world.batch(&chain, &journal, fast()).await;
    let length = last.header.number;
    assert_eq!(world.derive(&chain, length).await, chain.hashes());

    // A restarted batcher goes on where the first one stopped.
    batcher.stop().await;
    world.sequence(&chain, 5).await;
    let batcher = world.batch(&chain, &journal, fast()).await;
    assert_eq!(world.derive(&chain, length + 5).await, chain.hashes());
    // What is safe leaves the journal.
    within("emptying the journal", async {
        while !journal.0.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    batcher.stop().await;
}

/// Cause: a crash after the journal was written and before anything was sent, and a node that lost
/// its pool, look alike: signed transactions that L1 has never heard of.
/// What is deployed fits together: a stranger proposes with a bond, the game starts from the anchor.
#[tokio::test(flavor = "multi_thread")]
async fn anyone_can_propose_on_a_deployment() {
    let Some(world) = World::new().await else { return };
    let url = world.anvil.url.clone();
    let at = world.deployment.clone();
    let anchor = keccak256("genesis output root");
    let set =
        || deploy::set_starting_anchor(url.clone(), key(12), at.anchor_state_registry, anchor, 0);
    set().await.unwrap();
    assert!(set().await.is_err(), "the first anchor was set twice");

    let stranger =
        ProviderBuilder::new().wallet(EthereumWallet::from(key(3))).connect_http(url.clone());
    let portal = OptimismPortal::new(at.optimism_portal, &stranger);
    assert_eq!(portal.anchorStateRegistry().call().await.unwrap(), at.anchor_state_registry);
    assert_eq!(portal.disputeGameFactory().call().await.unwrap(), at.dispute_game_factory);
    assert_eq!(portal.respectedGameType().call().await.unwrap(), deploy::GAME_TYPE);

    let config = SystemConfigContract::new(at.system_config, &stranger);
    assert_eq!(config.disputeGameFactory().call().await.unwrap(), at.dispute_game_factory);
    assert_eq!(config.l1StandardBridge().call().await.unwrap(), at.l1_standard_bridge);
    let bridge = L1StandardBridge::new(at.l1_standard_bridge, &stranger);
    assert_eq!(bridge.messenger().call().await.unwrap(), at.l1_cross_domain_messenger);
    let tokens = OptimismMintableERC20Factory::new(at.optimism_mintable_erc20_factory, &stranger);
    assert_eq!(tokens.bridge().call().await.unwrap(), at.l1_standard_bridge);

    let factory = DisputeGameFactory::new(at.dispute_game_factory, &stranger);
    let bond = factory.initBonds(deploy::GAME_TYPE).call().await.unwrap();
    let treasury = ProviderBuilder::new().wallet(EthereumWallet::from(key(12))).connect_http(url);
    let open = Open::new(at.open, &treasury);
    open.transfer(key(3).address(), bond).send().await.unwrap().get_receipt().await.unwrap();
    let open = Open::new(at.open, &stranger);
    open.approve(at.dispute_game_factory, bond).send().await.unwrap().get_receipt().await.unwrap();

    let claim = keccak256("output root of block 10");
    let mut extra = U256::from(10).to_be_bytes_vec();
    extra.extend_from_slice(&u32::MAX.to_be_bytes());
    let create = factory.create(deploy::GAME_TYPE, claim, extra.into());
    let receipt = create.send().await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    let listed = factory.gameAtIndex(U256::ZERO).call().await.unwrap();
    let game = ProofDisputeGame::new(listed.proxy, &stranger);
    assert_eq!(game.rootClaim().call().await.unwrap(), claim);
    assert_eq!(game.startingRootHash().call().await.unwrap(), anchor);
    assert_eq!(game.l2SequenceNumber().call().await.unwrap(), U256::from(10));
    let registry = AnchorStateRegistry::new(at.anchor_state_registry, &stranger);
    assert!(registry.isGameProper(listed.proxy).call().await.unwrap());
    assert!(registry.isGameRespected(listed.proxy).call().await.unwrap());
}

/// The timelock is the owner from the start, the deployer has nothing, and a change waits for the delay.
#[tokio::test(flavor = "multi_thread")]
async fn a_timelock_owns_what_is_deployed_and_changes_wait_for_it() {
    const DELAY: u64 = 1_000_000;
    let Some(anvil) = Anvil::start() else { return };
    let (deployer, council, treasury) = (key(12), key(5), Address::repeat_byte(0x77));
    let guardian = key(6);
    let attestors = AttestorParams::devnet(vec![key(7).address()]);
    let params = DeployParams {
        owner: deployer.address(),
        timelock: Some(TimelockParams {
            delay: DELAY,
            proposers: vec![council.address()],
            executors: Vec::new(),
        }),
        treasury: Some(treasury),
        guardian: guardian.address(),
        unsafe_block_signer: key(10).address(),
        l2_chain_id: 16_120,
        system_config: SystemConfig { batcher_address: key(10).address(), ..Default::default() },
        genesis_supply: U256::from(1_000),
        grants: vec![(key(0).address(), U256::from(5))],
        disputes: DisputeParams::devnet(VerifierParams::Attestors(AttestorParams {
            unbonding: 1_000,
            ..attestors
        })),
        multicall3: None,
    };
    let url = anvil.url.clone();
    let at = deploy::deploy(url.clone(), deployer.clone(), &params).await.unwrap();
    let timelock = at.timelock.unwrap();
    let anchor = keccak256("genesis output root");
    let set = || {
        let registry = at.anchor_state_registry;
        deploy::set_starting_anchor(url.clone(), deployer.clone(), registry, anchor, 0)
    };
    set().await.unwrap();
    assert!(set().await.is_err(), "the deployer named a second anchor");

    let of = |key: PrivateKeySigner| {
        ProviderBuilder::new().wallet(EthereumWallet::from(key)).connect_http(url.clone())
    };
    let reader = ProviderBuilder::new().connect_http(url.clone());
    let config = SystemConfigContract::new(at.system_config, &reader);
    let factory = DisputeGameFactory::new(at.dispute_game_factory, &reader);
    let verifier = AttestorVerifier::new(at.verifier, &reader);
    assert_eq!(config.owner().call().await.unwrap(), timelock);
    assert_eq!(factory.owner().call().await.unwrap(), timelock);
    assert_eq!(verifier.owner().call().await.unwrap(), timelock);
    let open = Open::new(at.open, &reader);
    assert_eq!(open.balanceOf(deployer.address()).call().await.unwrap(), U256::ZERO);
    let supply = open.SUPPLY().call().await.unwrap();
    let rest = open.balanceOf(treasury).call().await.unwrap();
    assert_eq!(rest, supply - U256::from(1_005));

    // The deployer may not, the council may not at once, and before the delay is over nobody may.
    let call = config.setGasLimit(30_000_000);
    let data = call.calldata().clone();
    assert!(call.clone().from(deployer.address()).call().await.is_err());
    assert!(call.from(council.address()).call().await.is_err());
    let schedule = |delay: u64| {
        let call = RollupTimelock::scheduleCall {
            target: at.system_config,
            value: U256::ZERO,
            data: data.clone(),
            predecessor: B256::ZERO,
            salt: B256::ZERO,
            delay: U256::from(delay),
        };
        TransactionRequest::default().with_to(timelock).with_input(call.abi_encode())
    };
    let by = |who: &PrivateKeySigner, delay| schedule(delay).with_from(who.address());
    assert!(reader.call(by(&deployer, DELAY)).await.is_err());
    assert!(reader.call(by(&council, DELAY - 1)).await.is_err());
    let sent = of(council).send_transaction(schedule(DELAY)).await.unwrap();
    assert!(sent.get_receipt().await.unwrap().status());
    let anyone = RollupTimelock::new(timelock, of(key(3)));
    let (to, zero) = (at.system_config, B256::ZERO);
    let execute = anyone.execute(to, U256::ZERO, data.clone(), zero, zero);
    assert!(execute.call().await.is_err(), "the change did not wait");

    // What is stolen is replaced at once, by the guardian.
    let replaced = Address::repeat_byte(0xbb).into_word();
    let of_guardian = SystemConfigContract::new(at.system_config, of(guardian));
    let sent = of_guardian.setBatcherHash(replaced).send().await.unwrap();
    assert!(sent.get_receipt().await.unwrap().status());
    assert_eq!(config.batcherHash().call().await.unwrap(), replaced);

    anvil.call("evm_increaseTime", json!([DELAY])).await;
    anvil.call("evm_mine", json!([])).await;
    assert_ne!(config.gasLimit().call().await.unwrap(), 30_000_000);
    assert!(execute.send().await.unwrap().get_receipt().await.unwrap().status());
    assert_eq!(config.gasLimit().call().await.unwrap(), 30_000_000);
}

/// viem's op-stack actions, unmodified, prove and finalise a withdrawal with our contracts.
#[test]
fn viem_takes_a_withdrawal_through() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..");
    if !root.join("node_modules/viem").is_dir() {
        println!("skipped: node_modules/viem is missing, run ./scripts/setup");
        return;
    }
    let run = std::process::Command::new("node")
        .arg(root.join("contracts/test/clients/viem.mjs"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_lost_on_the_way_are_sent_again() {
    let Some(world) = World::new().await else { return };
    let chain = Chain::default();
    world.sequence(&chain, 6).await;
    let journal = Memory::default();
    // Nothing is mined, and what is pending is dropped.
    world.anvil.call("evm_setIntervalMining", json!([0])).await;
    world.anvil.call("evm_setAutomine", json!([false])).await;
    let slow = BatcherConfig { bump_after: Duration::from_secs(60), ..fast() };
    let batcher = world.batch(&chain, &journal, slow).await;
    within("writing the journal", async {
        while journal.0.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    batcher.stop().await;
    world.anvil.call("anvil_dropAllTransactions", json!([])).await;
    world.anvil.call("evm_setIntervalMining", json!([1])).await;

    let batcher = world.batch(&chain, &journal, fast()).await;
    assert_eq!(world.derive(&chain, 6).await, chain.hashes());
    batcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stuck_transactions_are_replaced_by_better_paying_ones() {
    let Some(world) = World::new().await else { return };
    let chain = Chain::default();
    world.sequence(&chain, 3).await;
    world.anvil.call("evm_setIntervalMining", json!([0])).await;
    world.anvil.call("evm_setAutomine", json!([false])).await;
    let batcher = world.batch(&chain, &Memory::default(), fast()).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    // The base fee rises above what was offered: without more pay nothing is included.
    world.anvil.call("anvil_setNextBlockBaseFeePerGas", json!(["0x4a817c800"])).await;
    world.anvil.call("evm_mine", json!([])).await;
    world.anvil.call("evm_setIntervalMining", json!([1])).await;
    assert_eq!(world.derive(&chain, 3).await, chain.hashes());
    batcher.stop().await;
}

/// Cause: somebody uses the batcher's key elsewhere, so a nonce of ours is gone for good.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_nonce_leads_to_posting_again() {
    let Some(world) = World::new().await else { return };
    let chain = Chain::default();
    world.sequence(&chain, 4).await;
    world.anvil.call("evm_setIntervalMining", json!([0])).await;
    world.anvil.call("evm_setAutomine", json!([false])).await;
    let batcher = world.batch(&chain, &Memory::default(), fast()).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    world.anvil.call("anvil_dropAllTransactions", json!([])).await;
    let thief = ProviderBuilder::new()
        .wallet(EthereumWallet::from(key(10)))
        .connect_http(world.anvil.url.clone());
    let transaction = TransactionRequest::default()
        .to(Address::repeat_byte(3))
        .value(U256::ONE)
        .max_fee_per_gas(100_000_000_000)
        .max_priority_fee_per_gas(10_000_000_000);
    let _ = within("the theft", thief.send_transaction(transaction)).await.unwrap();
    world.anvil.call("evm_mine", json!([])).await;
    world.anvil.call("evm_setIntervalMining", json!([1])).await;
    assert_eq!(world.derive(&chain, 4).await, chain.hashes());
    batcher.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watcher_reports_reorganisations_and_finality() {
    let Some(world) = World::new().await else { return };
    world.anvil.call("evm_setIntervalMining", json!([0])).await;
    world.anvil.call("anvil_mine", json!(["0x5"])).await;
    let start = world.rollup.genesis.l1.number;
    let mut watched = world.watch(start);
    let head = world.client.head().await.unwrap().block;
    let mut known: Vec<B256> = Vec::new();
    let mut finalized = 0;
    let until = |hash: B256, number: u64| {
        move |known: &Vec<B256>| {
            known.last() == Some(&hash) && known.len() as u64 == number - start + 1
        }
    };
    let reached = until(head.hash, head.number);
    while !reached(&known) {
        hear(&mut watched.value, &mut known, &mut finalized, start).await;
    }
    world.anvil.call("anvil_reorg", json!([3, []])).await;
    world.anvil.call("evm_mine", json!([])).await;
    let new_head = world.client.head().await.unwrap().block;
    assert_ne!(new_head.hash, head.hash);
    let reached = until(new_head.hash, new_head.number);
    while !reached(&known) {
        hear(&mut watched.value, &mut known, &mut finalized, start).await;
    }
    world.anvil.call("anvil_mine", json!(["0x5"])).await;
    while finalized < new_head.number {
        hear(&mut watched.value, &mut known, &mut finalized, start).await;
    }
    watched.stop().await;
}

/// Takes one event into the chain of hashes known from block `start` on.
async fn hear(
    events: &mut mpsc::Receiver<L1Event>,
    known: &mut Vec<B256>,
    finalized: &mut u64,
    start: u64,
) {
    match within("an event", events.recv()).await.unwrap() {
        L1Event::Block(block) => {
            assert_eq!(block.number, start + known.len() as u64);
            assert!(known.last().is_none_or(|last| *last == block.parent_hash));
            known.push(block.hash);
        }
        L1Event::Reorg { common } => {
            known.truncate((common.number - start + 1) as usize);
            assert_eq!(known.last(), Some(&common.hash));
        }
        L1Event::Finalized(block) => {
            assert!(block.number > *finalized);
            assert!(known.contains(&block.hash));
            *finalized = block.number;
        }
        L1Event::Restart { from } => panic!("nobody asked for block {from}"),
    }
}

#[tokio::test]
async fn a_wrong_chain_is_refused() {
    let Some(anvil) = Anvil::start() else { return };
    let error = L1Client::connect(anvil.url.clone(), 1).await.unwrap_err();
    assert!(matches!(error, L1Error::WrongChain { expected: 1, found: L1_CHAIN, .. }));
    assert!(!error.is_temporary());
}
