//! Withdrawals funded by deposits that L1 takes back. After every reorganisation what L2 holds and what has
//! left it add up to what the L1 that stands has locked, and no withdrawal can be proven that this L1 did
//! not pay for.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use primitives::{L2_TO_L1_MESSAGE_PASSER, TxDeposit};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sequencer_node::{Mode, Role};
use serde_json::{Value, json};

use crate::{
    fake_l1::FakeL1,
    harness::{ETHER, Running, World},
};

/// Holds on L2 what deposits bring, and nothing else.
const HOLDER: Address = Address::repeat_byte(0x77);
/// `MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)`.
const PASSED: &str = "MessagePassed(uint256,address,address,uint256,uint256,bytes,bytes32)";
/// Blocks without transactions of users are derived when this window of L1 blocks closes, two per L1 block.
const WINDOW: u64 = 4;

/// Locks `mint` on L1 for the holder, and has it withdraw `value` at once: what it does not have by then stays.
fn deposit(mint: u64, value: u64) -> TxDeposit {
    let to = if value == 0 { HOLDER } else { L2_TO_L1_MESSAGE_PASSER };
    // initiateWithdrawal(holder, 0, "")
    let mut input = hex!("c2b3e5ac").to_vec();
    input.extend(HOLDER.into_word());
    for word in [0, 96, 0_u64] {
        input.extend(U256::from(word).to_be_bytes::<32>());
    }
    TxDeposit {
        source_hash: B256::ZERO,
        from: HOLDER,
        to: TxKind::Call(to),
        mint: (ETHER * U256::from(mint)).to(),
        value: ETHER * U256::from(value),
        gas_limit: 200_000,
        is_system_transaction: false,
        input: if value == 0 { Bytes::new() } else { input.into() },
    }
}

fn random_blocks(rng: &mut StdRng, count: usize) -> Vec<Vec<TxDeposit>> {
    let mut deposits = |count: usize| -> Vec<TxDeposit> {
        let mut next = || match rng.random_range(0..3) {
            0 => deposit(rng.random_range(1..4), 0),
            // Out of what was there before, if it still is.
            1 => deposit(0, rng.random_range(1..4)),
            _ => deposit(rng.random_range(0..3), rng.random_range(1..3)),
        };
        (0..count).map(|_| next()).collect()
    };
    (0..count).map(|block| deposits(block % 3)).collect()
}

async fn balance(node: &Running, holder: Address) -> U256 {
    let held = node.call("eth_getBalance", json!([holder, "latest"])).await;
    held.as_str().unwrap().parse().unwrap()
}

/// Waits until the node has derived all that L1 gives.
async fn derived(node: &Running, l1: &FakeL1) {
    let (tip, hash) = (l1.tip(), json!(l1.block(l1.tip()).hash));
    let expected = (2 * tip).saturating_sub(2 * WINDOW - 1);
    for _ in 0..2_000 {
        // An error, while the head is being taken away.
        let status = node.answer("optimism_syncStatus", json!([])).await["result"].take();
        if status["current_l1"]["hash"] == hash && status["safe_l2"]["number"] == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = node.call("optimism_syncStatus", json!([])).await;
    panic!("L2 block {expected} of L1 block {tip} was not derived: {status}");
}

/// Hashes and amounts of the withdrawals on the chain.
async fn withdrawals(node: &Running) -> Vec<(B256, U256)> {
    let filter = json!([{
        "fromBlock": "earliest",
        "address": L2_TO_L1_MESSAGE_PASSER,
        "topics": [keccak256(PASSED)],
    }]);
    let logs = node.call("eth_getLogs", filter).await;
    let word = |log: &Value, index: usize| {
        let data: Bytes = log["data"].as_str().unwrap().parse().unwrap();
        B256::from_slice(&data[32 * index..32 * (index + 1)])
    };
    let logs = logs.as_array().unwrap().iter();
    // value, gas limit, place of the data, hash
    logs.map(|log| (word(log, 3), word(log, 0).into())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_of_a_deposit_that_vanished_leaves_nothing_to_prove() {
    let (mut left, mut vanished, mut failed) = (0, 0, 0);
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut world = World::new(1_000);
        world.rollup.seq_window_size = WINDOW;
        let l1 = FakeL1::new(&world);
        let directory = tempfile::tempdir().unwrap();
        let (rollup, store) = (world.rollup.clone(), world.open(directory.path()));
        let node = Running::with_feeds(&world, store, l1.feed(0, 1_000), None, |config| {
            config.mode = Mode::Rollup { rollup, role: Role::Verifier };
        });
        let node = node.await.unwrap();
        let mut seen = BTreeSet::new();
        for fork in 1..12 {
            let tip = l1.tip() as usize;
            let depth = rng.random_range(0..=tip.min(9));
            let count = depth + rng.random_range(2..5);
            l1.reorg(depth, fork, random_blocks(&mut rng, count));
            derived(&node, &l1).await;

            // What L1 has locked for blocks that L2 has, by the origin of the newest.
            let head = node.handle.chain().heads().safe.number;
            let origin = node.handle.chain().l2_block_ref(head).unwrap().unwrap().l1_origin.number;
            let deposits: Vec<_> = (1..=origin).flat_map(|n| l1.block(n).deposits).collect();
            let locked: U256 = deposits.iter().map(|deposit| U256::from(deposit.mint)).sum();
            let on_l2 = balance(&node, HOLDER).await;
            let exits = balance(&node, L2_TO_L1_MESSAGE_PASSER).await;
            assert_eq!(on_l2 + exits, locked, "seed {seed}, fork {fork}");
            let standing = withdrawals(&node).await;
            let sum: U256 = standing.iter().map(|(_, value)| *value).sum();
            assert_eq!(exits, sum, "seed {seed}, fork {fork}");
            let asked = deposits.iter().filter(|deposit| !deposit.value.is_zero()).count();
            failed += asked - standing.len();
            left += standing.len();

            // `sentMessages` has what stands and nothing that stood once.
            seen.extend(standing.iter().map(|(hash, _)| *hash));
            for hash in &seen {
                let slot = keccak256([hash.as_slice(), B256::ZERO.as_slice()].concat());
                let asked = json!([L2_TO_L1_MESSAGE_PASSER, slot, "latest"]);
                let sent = node.call("eth_getStorageAt", asked).await != json!(B256::ZERO);
                let stands = standing.iter().any(|(standing, _)| standing == hash);
                assert_eq!(sent, stands, "seed {seed}, fork {fork}, {hash}");
                vanished += usize::from(!stands);
            }
        }
        node.stop().await;
    }
    // The cases that this is about did occur.
    assert!(left > 20 && vanished > 20 && failed > 5, "{left} {vanished} {failed}");
}
