//! The blocks below the one that verification began with. A batch of a span of blocks can begin below it
//! and end above it, and is judged by the block on which it builds.

use std::{collections::BTreeMap, sync::Mutex};

use derive::l2_block_ref;
use primitives::{L2BlockRef, RollupConfig};

use crate::{CheckError, L2Source};

/// Reads the blocks below the lowest one known down to `number`; they are the chain's because each is its
/// child's parent by hash. `begun` is the number of the L1 origin of the block that verification began with.
///
/// Not below a block whose origin is more than a sequencing window older: no valid span begins there. The
/// number of such a block is given, if it was reached.
pub(crate) async fn read_back(
    source: &L2Source,
    config: &RollupConfig,
    blocks: &Mutex<BTreeMap<u64, L2BlockRef>>,
    begun: u64,
    number: u64,
) -> Result<Option<u64>, CheckError> {
    loop {
        let lowest = blocks
            .lock()
            .ok()
            .and_then(|blocks| blocks.first_key_value().map(|(_, lowest)| *lowest));
        let Some(lowest) = lowest.filter(|lowest| number < lowest.number) else {
            return Ok(None);
        };
        if lowest.l1_origin.number.saturating_add(config.seq_window_size) < begun {
            return Ok(Some(lowest.number));
        }
        let below = lowest.number.saturating_sub(1);
        let block = source.block(below).await?.ok_or(CheckError::Behind { number: below })?;
        if block.header.number != below || block.hash != lowest.parent_hash {
            let (expected, found) = (lowest.parent_hash, block.hash);
            return Err(CheckError::Disagrees { number: below, expected, found });
        }
        let reference = l2_block_ref(config, &block)?;
        if let Ok(mut blocks) = blocks.lock() {
            blocks.insert(below, reference);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use alloy_consensus::Header;
    use alloy_eips::BlockNumHash;
    use alloy_primitives::{Address, B256, Bytes, keccak256};
    use axum::{Json, Router, routing::post};
    use derive::{L1Block, attributes};
    use parking_lot::Mutex as Held;
    use primitives::{Block, BlockBody, RollupGenesis, SystemConfig, TxEnvelope};
    use serde_json::{Value, json};

    use super::*;

    const WINDOW: u64 = 10;

    fn l1_block(number: u64) -> L1Block {
        L1Block {
            hash: keccak256(number.to_be_bytes()),
            number,
            parent_hash: keccak256((number - 1).to_be_bytes()),
            timestamp: 1_000 + number,
            base_fee: 1,
            blob_base_fee: 1,
            mix_hash: B256::ZERO,
            parent_beacon_block_root: B256::ZERO,
            deposits: Vec::new(),
            inbox: Vec::new(),
            config_updates: Vec::new(),
        }
    }

    /// A chain with an L1 origin for each block: block `n` has origin `100 + n`.
    pub(crate) fn chain(length: u64) -> (RollupConfig, Vec<Block>) {
        let genesis = Header { timestamp: 1_100, ..Header::default() };
        let hash = genesis.hash_slow();
        let origin = l1_block(100);
        let config = RollupConfig {
            genesis: RollupGenesis {
                l1: BlockNumHash { number: 100, hash: origin.hash },
                l2: BlockNumHash { number: 0, hash },
                l2_time: genesis.timestamp,
                system_config: SystemConfig::default(),
            },
            block_time: 1,
            max_sequencer_drift: 1_800,
            seq_window_size: WINDOW,
            channel_timeout: 5,
            l1_chain_id: 1,
            l2_chain_id: 2,
            batch_inbox_address: Address::ZERO,
            deposit_contract_address: Address::ZERO,
            l1_system_config_address: Address::ZERO,
        };
        let mut blocks = vec![Block { hash, header: genesis, body: BlockBody::rollup(Vec::new()) }];
        for number in 1..=length {
            let parent = l2_block_ref(&config, blocks.last().unwrap()).unwrap();
            let (origin, time) = (l1_block(100 + number), 1_100 + number);
            let system_config = SystemConfig::default();
            let made = attributes(&config, &system_config, &parent, &origin, 0, time).unwrap();
            let decode = |raw: &Bytes| TxEnvelope::decode_strict(raw).unwrap();
            let body = BlockBody::rollup(made.transactions.iter().map(decode).collect());
            let header = Header {
                number,
                parent_hash: parent.hash,
                timestamp: time,
                transactions_root: primitives::transactions_root(&body.transactions),
                ..Header::default()
            };
            blocks.push(Block { hash: header.hash_slow(), header, body });
        }
        (config, blocks)
    }

    /// A node that has these blocks.
    async fn node(blocks: Arc<Held<Vec<Block>>>) -> L2Source {
        let answer = post(move |Json(request): Json<Value>| async move {
            let number = request["params"][0].as_str().unwrap().trim_start_matches("0x");
            let number = usize::from_str_radix(number, 16).unwrap();
            let blocks = blocks.lock();
            let raw =
                blocks.get(number).map(|block| Bytes::from(alloy_rlp::encode(block.to_rlp())));
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": raw}))
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", answer)).await });
        L2Source::new(url)
    }

    #[tokio::test]
    async fn blocks_are_read_as_far_as_a_span_may_begin_and_only_the_chains() {
        let (config, chain) = chain(30);
        let served = Arc::new(Held::new(chain.clone()));
        let source = node(Arc::clone(&served)).await;
        let reference = |number: usize| l2_block_ref(&config, &chain[number]).unwrap();
        let blocks = Mutex::new(BTreeMap::from([(25, reference(25))]));
        let back = async |number: u64| read_back(&source, &config, &blocks, 125, number).await;
        let known = || blocks.lock().unwrap().keys().copied().collect::<Vec<_>>();

        assert_eq!(back(25).await.unwrap(), None);
        assert_eq!(known(), [25]);
        assert_eq!(back(22).await.unwrap(), None);
        assert_eq!(known(), [22, 23, 24, 25]);
        assert_eq!(blocks.lock().unwrap()[&22], reference(22));

        // Another block of that number, however it comes about.
        served.lock()[21] = chain[20].clone();
        let error = back(20).await.unwrap_err();
        assert!(matches!(error, CheckError::Disagrees { number: 21, .. }), "{error}");
        served.lock()[21].header.number = 21;
        let error = back(20).await.unwrap_err();
        assert!(matches!(error, CheckError::Disagrees { number: 21, .. }), "{error}");
        served.lock().truncate(21);
        let error = back(20).await.unwrap_err();
        assert!(matches!(error, CheckError::Behind { number: 21 }), "{error}");
        assert_eq!(known(), [22, 23, 24, 25], "something wrong was kept");

        // Origin 114 is the first more than 10 before 125; below it nothing is asked for.
        *served.lock() = chain.clone();
        served.lock()[13] = chain[0].clone();
        assert_eq!(back(14).await.unwrap(), None);
        assert_eq!(back(3).await.unwrap(), Some(14));
        assert_eq!(known(), (14..=25).collect::<Vec<_>>());
    }
}
