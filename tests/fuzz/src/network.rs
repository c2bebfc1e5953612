//! What clients send.

use node::{PoolConfig, pool::PoolTransaction};

/// A raw transaction on its way into the pool.
pub(crate) fn pool(data: &[u8]) {
    let limits = PoolConfig::default();
    if let Ok(transaction) = PoolTransaction::decode(data, 16_120, &limits) {
        assert_eq!(transaction.encoded_bytes(), data.len());
        assert!(data.len() <= limits.transaction_bytes_max);
    }
}

/// A JSON-RPC body.
pub(crate) fn json_rpc(data: &[u8]) {
    node::rpc::fuzzing::body(data);
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    [
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#,
        r#"[{"jsonrpc":"2.0","id":"a","method":"eth_getBalance","params":["0x0000000000000000000000000000000000000001","latest"]},{"jsonrpc":"2.0","method":"eth_chainId"}]"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"eth_call","params":[{"to":"0x0000000000000000000000000000000000000004","data":"0x12"},{"blockHash":"0x0000000000000000000000000000000000000000000000000000000000000000","requireCanonical":true},{"0x0000000000000000000000000000000000000001":{"balance":"0x1"}}]}"#,
        r#"{"jsonrpc":"2.0","id":1.5e3,"method":"\u0065th_getLogs","params":[{"fromBlock":"0x0","toBlock":"latest","address":[],"topics":[null,["0x0000000000000000000000000000000000000000000000000000000000000001"]]}]}"#,
        "[]",
        "[[[[[[[[",
        "{",
    ]
    .map(|body| body.as_bytes().to_vec())
    .to_vec()
}

/// A message of a sequencer's feed.
pub(crate) fn feed(data: &[u8]) {
    node::feed::fuzzing::message(data);
}

pub(crate) fn feed_messages() -> Vec<Vec<u8>> {
    node::feed::fuzzing::messages()
}
