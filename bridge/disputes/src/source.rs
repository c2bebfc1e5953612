//! L2 blocks and their witnesses from the JSON-RPC of any node. Nothing that it says is believed.

use std::time::Duration;

use alloy_eips::BlockNumHash;
use alloy_primitives::{B256, Bytes, U64};
use alloy_provider::{Provider, RootProvider};
use alloy_rlp::Decodable;
use alloy_transport::TransportError;
use primitives::{
    Block, Header, PayloadAttributes, RollupConfig, RpcPayloadAttributes, TxEnvelope, Witness,
    transactions_root,
};
use serde::Deserialize;
use url::Url;

use crate::{Beginning, CheckError};

/// No answer within this time counts as none.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// A connection to an L2 node. Clones share it.
#[derive(Clone, Debug)]
pub struct L2Source {
    provider: RootProvider,
}

/// `debug_executionWitness` and `debug_executePayload`, in reth's shape.
#[derive(Debug, Deserialize)]
struct RpcWitness {
    state: Vec<Bytes>,
    codes: Vec<Bytes>,
    headers: Vec<Bytes>,
}

/// `optimism_safeHeadAtL1Block`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcSafeHead {
    l1_block: RpcId,
    safe_head: RpcId,
}

/// Numbers stand there as op-node writes them, plain, or as quantities.
#[derive(Debug, Deserialize)]
struct RpcId {
    hash: B256,
    number: RpcNumber,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RpcNumber {
    Plain(u64),
    Quantity(U64),
}

impl From<RpcId> for BlockNumHash {
    fn from(RpcId { hash, number }: RpcId) -> Self {
        let number = match number {
            RpcNumber::Plain(number) => number,
            RpcNumber::Quantity(number) => number.to(),
        };
        Self { number, hash }
    }
}

impl L2Source {
    pub fn new(url: Url) -> Self {
        Self { provider: RootProvider::new_http(url) }
    }

    /// The configuration that the node runs with; whoever uses it trusts the node to name the chain.
    pub async fn rollup_config(&self) -> Result<RollupConfig, CheckError> {
        let method = "optimism_rollupConfig";
        limited(method, self.provider.raw_request(method.into(), ())).await
    }

    /// The node's block with this number; `None` while it has none.
    pub async fn block(&self, number: u64) -> Result<Option<Block>, CheckError> {
        let method = "debug_getRawBlock";
        let asked = self.provider.raw_request(method.into(), (U64::from(number),));
        let raw: Option<Bytes> = match limited(method, asked).await {
            Ok(raw) => raw,
            // Nodes answer a missing block with null or with an error.
            Err(CheckError::L2 { source, .. }) if source.as_error_resp().is_some() => None,
            Err(error) => return Err(error),
        };
        let Some(raw) = raw else { return Ok(None) };
        let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut raw.as_ref())
            .map_err(|source| CheckError::Decode { number, what: "block", source })?;
        let block = Block::from_rlp(block);
        // SOUNDNESS: a hash stands for the header alone; what is read of the body hangs on it by this.
        if transactions_root(&block.body.transactions) != block.header.transactions_root {
            return Err(CheckError::OtherBody { number });
        }
        Ok(Some(block))
    }

    /// What was safe when L1 had been read up to this block, by the node's word; `None` if it does not know.
    pub(crate) async fn safe_head_at(&self, l1: u64) -> Result<Option<Beginning>, CheckError> {
        let method = "optimism_safeHeadAtL1Block";
        let asked = self.provider.raw_request(method.into(), (U64::from(l1),));
        match limited::<RpcSafeHead>(method, asked).await {
            Ok(told) => {
                Ok(Some(Beginning { l1: told.l1_block.into(), safe: told.safe_head.into() }))
            }
            Err(CheckError::L2 { source, .. }) if source.as_error_resp().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is needed to execute the node's block with this number.
    pub async fn witness(&self, number: u64) -> Result<Witness, CheckError> {
        let method = "debug_executionWitness";
        let asked = self.provider.raw_request(method.into(), (U64::from(number),));
        decode_witness(number, limited(method, asked).await?)
    }

    /// What is needed to execute a payload after the block with hash `parent`, or to see that it cannot be
    /// executed; `number` is the block's that it would give.
    pub async fn payload_witness(
        &self,
        number: u64,
        parent: B256,
        attributes: &PayloadAttributes,
    ) -> Result<Witness, CheckError> {
        let method = "debug_executePayload";
        let payload = RpcPayloadAttributes::from(attributes);
        let asked = self.provider.raw_request(method.into(), (parent, payload));
        decode_witness(number, limited(method, asked).await?)
    }
}

fn decode_witness(number: u64, witness: RpcWitness) -> Result<Witness, CheckError> {
    let headers = witness.headers.iter().map(|header| Header::decode(&mut header.as_ref()));
    let headers = headers.collect::<Result<Vec<_>, _>>().map_err(|source| CheckError::Decode {
        number,
        what: "header of a witness",
        source,
    })?;
    Ok(Witness::new(witness.state, witness.codes, headers))
}

async fn limited<T>(
    method: &'static str,
    answer: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, CheckError> {
    match tokio::time::timeout(REQUEST_TIME_MAX, answer).await {
        Ok(answer) => answer.map_err(|source| CheckError::L2 { method, source }),
        Err(_) => Err(CheckError::L2Timeout { method, limit: REQUEST_TIME_MAX }),
    }
}
