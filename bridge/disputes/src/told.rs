//! Where derivation can begin by the word of one's own node, for a role without records on a long chain.
//!
//! The word is `optimism_safeHeadAtL1Block`: which block was safe when L1 had been read up to one of its
//! blocks. It is believed on that alone, and asked for so that a false word shows. The block must lie below one
//! that has a user's transaction, and that one below the anchor or be it: derivation must find that
//! transaction's batch on L1 and arrive at the anchor's hash.
//!
//! SOUNDNESS: a block that is not the anchor's ancestor never arrives at its hash. A true ancestor with an L1
//! block that is too late misses the batch of the block with the transaction, which no closed sequencing
//! window replaces. One that is too early gives no other chain as long as L1 has each block's batch once and
//! in order: then the batch is read at one place only, and from there on derivation is as far as one from
//! genesis. Whoever holds the batcher's key *and* this node can post blocks twice, so that one of them is in
//! time here and was dropped in truth, and so lead the role astray above the anchor: this is why nobody's
//! node but one's own will do, and why the records of a role are its own.

use derive::l2_block_ref;
use primitives::{Block, RollupConfig};

use crate::{Beginning, CheckError, Derivation, L2Source};

/// Where to begin below `anchor`, by the node's word. At genesis if no user did anything between, or the node
/// does not know.
pub(crate) async fn told(
    source: &L2Source,
    config: &RollupConfig,
    anchor: &Block,
) -> Result<Beginning, CheckError> {
    let genesis = Derivation::genesis(config);
    let Some(shown) = newest_used(source, config, anchor).await? else { return Ok(genesis) };
    let shown = l2_block_ref(config, &shown)?;
    // Its batch is in a later L1 block, as it names this one by its hash.
    let origin = shown.l1_origin.number;
    let Some(told) = source.safe_head_at(origin).await? else {
        tracing::warn!(
            l1 = origin,
            "the L2 node does not know what was safe: deriving from genesis"
        );
        return Ok(genesis);
    };
    if told.l1.number > origin || told.safe.number >= shown.number {
        let (safe, l1) = (told.safe.number, told.l1.number);
        return Err(CheckError::Impossible { safe, l1, block: shown.number, origin });
    }
    Ok(told)
}

/// The newest block at or below `anchor` with a transaction that is no deposit.
async fn newest_used(
    source: &L2Source,
    config: &RollupConfig,
    anchor: &Block,
) -> Result<Option<Block>, CheckError> {
    let mut block = anchor.clone();
    while block.header.number > config.genesis.l2.number {
        if block.body.transactions.iter().any(|transaction| !transaction.is_deposit()) {
            return Ok(Some(block));
        }
        let (number, expected) = (block.header.number.saturating_sub(1), block.header.parent_hash);
        let below = source.block(number).await?.ok_or(CheckError::NoPast { number })?;
        if below.header.number != number || below.hash != expected {
            return Err(CheckError::Disagrees { number, expected, found: below.hash });
        }
        block = below;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_eips::{BlockNumHash, eip2718::Encodable2718};
    use alloy_primitives::{Bytes, Signature, TxKind, U256};
    use axum::{Json, Router, routing::post};
    use parking_lot::Mutex;
    use primitives::{Block, TxEnvelope};
    use serde_json::{Value, json};

    use super::*;
    use crate::ancestors::tests::chain;

    /// What the node answers.
    struct Node {
        blocks: Vec<Block>,
        /// To any L1 block; what was asked last.
        safe: Option<Beginning>,
        asked: Option<u64>,
    }

    async fn serve(node: Arc<Mutex<Node>>) -> L2Source {
        let answer = post(move |Json(request): Json<Value>| async move {
            let number = request["params"][0].as_str().unwrap().trim_start_matches("0x");
            let number = u64::from_str_radix(number, 16).unwrap();
            let mut node = node.lock();
            let result = match request["method"].as_str().unwrap() {
                "debug_getRawBlock" => {
                    let block = node.blocks.get(number as usize);
                    json!(block.map(|block| Bytes::from(alloy_rlp::encode(block.to_rlp()))))
                }
                _ => {
                    node.asked = Some(number);
                    let Some(told) = node.safe else {
                        let error = json!({"code": -32_000, "message": "safe head not found"});
                        let answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
                        return Json(answer);
                    };
                    // As op-node writes them.
                    let id = |id: BlockNumHash| json!({"hash": id.hash, "number": id.number});
                    json!({"l1Block": id(told.l1), "safeHead": id(told.safe)})
                }
            };
            Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", answer)).await });
        L2Source::new(url)
    }

    fn transfer() -> TxEnvelope {
        let transaction =
            TxEip1559 { chain_id: 2, to: TxKind::Call(Default::default()), ..Default::default() };
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        let raw = TxEnvelope::from(transaction.into_signed(signature)).encoded_2718();
        TxEnvelope::decode_strict(&raw).unwrap()
    }

    /// Block `n` has origin `100 + n`; a user's transaction stands in block 12 alone.
    fn used_chain() -> (RollupConfig, Vec<Block>) {
        let (config, mut blocks) = chain(30);
        for index in 12..blocks.len() {
            if index == 12 {
                blocks[index].body.transactions.push(transfer());
            }
            let parent_hash = blocks[index - 1].hash;
            let block = &mut blocks[index];
            block.header.parent_hash = parent_hash;
            let transactions = &block.body.transactions;
            block.header.transactions_root = primitives::transactions_root(transactions);
            block.hash = block.header.hash_slow();
        }
        (config, blocks)
    }

    fn beginning(l1: u64, safe: &Block) -> Beginning {
        let l1 = BlockNumHash { number: l1, hash: Default::default() };
        Beginning { l1, safe: BlockNumHash { number: safe.header.number, hash: safe.hash } }
    }

    #[tokio::test]
    async fn what_is_asked_lies_below_a_block_that_shows_whether_it_is_true() {
        let (config, blocks) = used_chain();
        let truth = beginning(111, &blocks[9]);
        let node = Node { blocks: blocks.clone(), safe: Some(truth), asked: None };
        let node = Arc::new(Mutex::new(node));
        let source = serve(Arc::clone(&node)).await;
        for anchor in [12, 13, 30] {
            assert_eq!(told(&source, &config, &blocks[anchor]).await.unwrap(), truth);
            assert_eq!(node.lock().asked.take(), Some(112), "anchor {anchor}");
        }
        // Nobody did anything below: nothing would show a lie.
        let genesis = Derivation::genesis(&config);
        assert_eq!(told(&source, &config, &blocks[11]).await.unwrap(), genesis);
        assert_eq!(node.lock().asked, None);
        // It does not know.
        node.lock().safe = None;
        assert_eq!(told(&source, &config, &blocks[20]).await.unwrap(), genesis);

        // What cannot be.
        for lie in [beginning(113, &blocks[9]), beginning(111, &blocks[12])] {
            node.lock().safe = Some(lie);
            let error = told(&source, &config, &blocks[20]).await.unwrap_err();
            assert!(
                matches!(error, CheckError::Impossible { block: 12, origin: 112, .. }),
                "{error}"
            );
            assert!(!error.is_temporary());
        }
        // Another chain below the anchor, or none.
        node.lock().blocks[18] = blocks[17].clone();
        let error = told(&source, &config, &blocks[20]).await.unwrap_err();
        assert!(matches!(error, CheckError::Disagrees { number: 18, .. }), "{error}");
        node.lock().blocks.truncate(18);
        let error = told(&source, &config, &blocks[20]).await.unwrap_err();
        assert!(matches!(error, CheckError::NoPast { number: 19 }), "{error}");
        let text = error.to_string();
        assert!(text.contains("block 19") && text.contains("without records"), "{text}");
    }
}
