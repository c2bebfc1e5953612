//! A small chain, verified from its store, through a node, and through a node that lies.

use std::{collections::BTreeMap, net::SocketAddr};

use alloy_primitives::{Address, U256, keccak256};
use axum::{Json, Router, extract::State, routing::post};
use derive::attributes;
use node::{Node, NodeConfig, NodeInputs, Role, SafeHeadUpdate};
use primitives::{
    AccountAllocation, BlockNumHash, GenesisL2, L1_BLOCK, L2_TO_L1_MESSAGE_PASSER, RollupGenesis,
    TxDeposit,
};
use serde_json::Value;
use stf::{BlockBuilder, Eip1559Parameters};
use store::{Store, StoreOptions};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;

const CHAIN: u64 = 16_120;
const BLOCKS: u64 = 5;
const ALL: Range = Range { first: 1, last: None };

fn artifact(json: &str) -> AccountAllocation {
    let artifact: Value = serde_json::from_str(json).unwrap();
    let code = artifact["deployedBytecode"].as_str().unwrap().parse().unwrap();
    AccountAllocation { code, ..Default::default() }
}

fn genesis() -> (GenesisL2, RollupConfig) {
    let system_config = SystemConfig::default();
    let contract = |name: &str| match name {
        "L1Block" => artifact(include_str!("../../../../contracts/artifacts/L1Block.json")),
        _ => artifact(include_str!("../../../../contracts/artifacts/L2ToL1MessagePasser.json")),
    };
    let alloc = BTreeMap::from([
        (L1_BLOCK, contract("L1Block")),
        (L2_TO_L1_MESSAGE_PASSER, contract("L2ToL1MessagePasser")),
    ]);
    let genesis = GenesisL2 {
        chain_id: CHAIN,
        timestamp: 1_000,
        gas_limit: system_config.gas_limit,
        base_fee_per_gas: 1_000_000_000,
        extra_data: Eip1559Parameters {
            denominator: system_config.eip1559_denominator,
            elasticity: system_config.eip1559_elasticity,
            min_base_fee: system_config.min_base_fee,
        }
        .to_extra_data(),
        alloc,
    };
    let header = store::genesis_header(&genesis).unwrap();
    let config = RollupConfig {
        genesis: RollupGenesis {
            l1: BlockNumHash { number: 0, hash: keccak256([0]) },
            l2: BlockNumHash { number: 0, hash: header.hash_slow() },
            l2_time: 1_000,
            system_config,
        },
        block_time: 1,
        max_sequencer_drift: 1_800,
        seq_window_size: 100,
        channel_timeout: 50,
        l1_chain_id: 16_121,
        l2_chain_id: CHAIN,
        batch_inbox_address: Address::ZERO,
        deposit_contract_address: Address::ZERO,
        l1_system_config_address: Address::ZERO,
    };
    (genesis, config)
}

/// Five blocks on one L1 block, whose deposits mint and send.
fn build(directory: &std::path::Path) -> (Arc<Store>, RollupConfig) {
    let (genesis, config) = genesis();
    let store = Store::open(directory, StoreOptions::default()).unwrap();
    store.init_genesis(&genesis).unwrap();
    let deposit = |mint| TxDeposit {
        source_hash: keccak256([9]),
        from: Address::repeat_byte(1),
        to: Address::repeat_byte(2).into(),
        mint,
        value: U256::from(mint / 2),
        gas_limit: 50_000,
        ..Default::default()
    };
    let origin = L1Block {
        hash: keccak256([1]),
        number: 1,
        parent_hash: keccak256([0]),
        timestamp: 1_000,
        base_fee: 7,
        blob_base_fee: 1,
        mix_hash: B256::repeat_byte(5),
        parent_beacon_block_root: B256::ZERO,
        deposits: vec![deposit(100), deposit(60)],
        inbox: Vec::new(),
        config_updates: Vec::new(),
    };
    for sequence_number in 0..BLOCKS {
        let parent = store.block(sequence_number).unwrap().unwrap();
        let reference = l2_block_ref(&config, &parent).unwrap();
        let timestamp = parent.header.timestamp + 1;
        let system_config = config.genesis.system_config;
        let attributes =
            attributes(&config, &system_config, &reference, &origin, sequence_number, timestamp)
                .unwrap();
        let state = store.latest_state().unwrap();
        let spec = ChainSpec::new(CHAIN);
        let builder = BlockBuilder::new(&spec, &parent.header, &attributes, state).unwrap();
        store.commit(&builder.finish(&store.head_roots().unwrap()).unwrap()).unwrap();
    }
    (store, config)
}

async fn serve(store: Arc<Store>, config: RollupConfig) -> (node::NodeHandle, Url) {
    let (l1, l1_events) = mpsc::channel(1);
    let heads = store.heads().unwrap();
    let (_, safe_heads) = watch::channel(SafeHeadUpdate {
        safe: heads.safe,
        finalized: heads.finalized,
        ..Default::default()
    });
    let inputs = NodeInputs { store, l1: l1_events.into(), safe_heads: Some(safe_heads.into()) };
    let config = NodeConfig::new(config, Role::Verifier);
    let handle = Node::start(config, inputs, CancellationToken::new()).await.unwrap();
    // The channel must outlive the node.
    std::mem::forget(l1);
    let url = format!("http://{}", handle.rpc_addr()).parse().unwrap();
    (handle, url)
}

/// Passes calls on and changes one answer.
#[derive(Clone)]
struct Liar {
    node: Url,
    about: (&'static str, u64),
    lie: fn(&mut Value),
}

async fn answer(State(liar): State<Liar>, Json(request): Json<Value>) -> Json<Value> {
    let sent = reqwest::Client::new().post(liar.node).json(&request).send().await.unwrap();
    let mut answer: Value = sent.json().await.unwrap();
    let number = format!("{:#x}", liar.about.1);
    if request["method"] == liar.about.0 && request["params"][0] == number {
        (liar.lie)(&mut answer["result"]);
    }
    Json(answer)
}

async fn lying(liar: Liar) -> Url {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let listener = listener.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let app = Router::new().route("/", post(answer)).with_state(liar);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_verified_from_its_store_and_through_a_node() {
    let directory = tempfile::tempdir().unwrap();
    let (store, config) = build(directory.path());
    let head = store.heads().unwrap().unsafe_head;
    let genesis = config.genesis.l2.hash;
    let (node, url) = serve(Arc::clone(&store), config).await;

    let source = Source::connect(url.clone()).await.unwrap();
    let report = verify(source, ALL, None, Vec::new()).await.unwrap();
    assert!(report.failure.is_none(), "{report:?}");
    assert_eq!((report.blocks, report.output_roots, report.l1_inputs), (BLOCKS, BLOCKS, 0));
    assert_eq!((report.anchor, report.transactions), (genesis, BLOCKS + 2));
    assert_eq!(report.last.as_ref().unwrap().hash, head.hash);
    let stated = report.last.unwrap().output_root;

    // A trusted hash that is not the chain's.
    let source = Source::connect(url.clone()).await.unwrap();
    let report = verify(source, ALL, Some(B256::ZERO), Vec::new()).await.unwrap();
    assert_eq!((report.blocks, report.failure.unwrap().block), (0, 1));

    let lies: [((&str, u64), fn(&mut Value), &str); 3] = [
        (
            ("debug_executionWitness", 2),
            |witness| drop(witness["state"].as_array_mut().unwrap().remove(0)),
            "is missing",
        ),
        (
            ("optimism_outputAtBlock", 3),
            |output| output["outputRoot"] = serde_json::json!(B256::ZERO),
            "the node states",
        ),
        // Block 4 with a gas limit that nobody gave it.
        (
            ("debug_getRawBlock", 4),
            |raw| {
                use alloy_rlp::Decodable;
                let bytes: alloy_primitives::Bytes = serde_json::from_value(raw.clone()).unwrap();
                let mut block =
                    alloy_consensus::Block::<primitives::TxEnvelope>::decode(&mut &bytes[..])
                        .unwrap();
                block.header.gas_used += 1;
                *raw = serde_json::json!(alloy_primitives::Bytes::from(alloy_rlp::encode(block)));
            },
            "gas_used",
        ),
    ];
    for (about, lie, expected) in lies {
        let liar = Liar { node: url.clone(), about, lie };
        let source = Source::connect(lying(liar).await).await.unwrap();
        let report = verify(source, ALL, None, Vec::new()).await.unwrap();
        let failure = report.failure.unwrap();
        assert_eq!((failure.block, report.blocks), (about.1, about.1 - 1));
        assert!(failure.reason.contains(expected), "{}", failure.reason);
    }

    node.shutdown();
    node.join().await.unwrap();
    drop(store);
    let source = Source::open(directory.path()).unwrap();
    let some = Range { first: 3, last: Some(BLOCKS) };
    let report = verify(source, some, None, Vec::new()).await.unwrap();
    assert!(report.failure.is_none(), "{report:?}");
    assert_eq!((report.blocks, report.last.unwrap().output_root), (BLOCKS - 2, stated));

    let source = Source::open(directory.path()).unwrap();
    let beyond = Range { first: BLOCKS + 1, last: None };
    let error = verify(source, beyond, None, Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("nothing to verify"), "{error}");
}

#[test]
fn ranges_are_read() {
    let range = |text: &str| text.parse::<Range>();
    assert_eq!(range("3..9"), Ok(Range { first: 3, last: Some(9) }));
    assert_eq!(range("3..=9"), Ok(Range { first: 3, last: Some(9) }));
    assert_eq!(range("3.."), Ok(Range { first: 3, last: None }));
    assert_eq!(range("3"), Ok(Range { first: 3, last: Some(3) }));
    for bad in ["0..3", "9..3", "..", "a..b", ""] {
        assert!(range(bad).is_err(), "{bad}");
    }
}
