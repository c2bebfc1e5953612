//! Followers that are restarted one after another, as for a new version, while the sequencer goes on.

use alloy_primitives::{Address, U256};
use serde_json::json;

use crate::{
    fake_l1::FakeL1,
    feed::{block, feed_config, following},
    harness::{Running, World, quantity},
};

/// At every moment one of them serves; each comes back with what it had, and hears what it missed.
#[tokio::test(flavor = "multi_thread")]
async fn followers_are_restarted_one_after_another_while_the_sequencer_goes_on() {
    let world = World::new(4);
    let l1 = FakeL1::new(&world);
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let of_leader = tempfile::tempdir().unwrap();
    let store = world.open(of_leader.path());
    let leader = Running::with_feeds(&world, store, l1.feed(0, 10), None, |config| {
        config.feed = Some(feed_config());
    });
    let leader = leader.await.unwrap();
    let urls = [format!("ws://{}", leader.handle.feed_addr().unwrap())];
    let start = |index: usize| {
        let store = world.open(dirs[index].path());
        Running::with_feeds(&world, store, l1.feed(0, 10), None, |config| {
            following(config, &world, &urls)
        })
    };
    let mut followers = vec![start(0).await.unwrap(), start(1).await.unwrap()];

    let mut nonce = 0;
    let mut expected = Vec::new();
    for restarted in [0, 1, 0, 1] {
        let (down, up) = match restarted {
            0 => (followers.remove(0), &followers[0]),
            _ => (followers.remove(1), &followers[0]),
        };
        let had = down.head().await;
        let newest = block(&down, had).hash;
        down.stop().await;
        // Blocks with transactions that it does not hear while it is away; the other one serves them.
        for _ in 0..2 {
            let raw = world.transfer(0, nonce, Address::repeat_byte(9), U256::from(nonce + 1));
            nonce += 1;
            let receipt = leader.sealed(raw).await;
            let number = quantity(&receipt["blockNumber"]);
            expected.push((number, receipt["blockHash"].clone()));
            up.reach(number).await;
            let seen = up.call("eth_getTransactionReceipt", json!([receipt["transactionHash"]]));
            assert_eq!(seen.await["blockHash"], receipt["blockHash"]);
        }
        let back = start(restarted).await.unwrap();
        assert_eq!(block(&back, had).hash, newest, "it lost what it had");
        back.reach(leader.head().await).await;
        followers.insert(restarted, back);
    }
    let head = leader.head().await + 1;
    for node in followers.iter().chain([&leader]) {
        node.reach(head).await;
        for (number, hash) in &expected {
            assert_eq!(json!(block(node, *number).hash), *hash);
        }
        assert_eq!(block(node, head).hash, block(&leader, head).hash);
    }
    for node in followers.into_iter().chain([leader]) {
        node.stop().await;
    }
}
