//! Canonical bytes of a call: what `requestHash`, `responseHash` and `retrievalRoot` in a receipt
//! cover. All are Solidity ABI encodings, so that a contract can open them.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::{SolValue, sol};
use serde::{Deserialize, Serialize};

use crate::{error::Result, ids::ContributionId, merkle};

/// Version of the canonical request and response.
pub const EXCHANGE_VERSION: u16 = 1;

sol! {
    /// One message as the customer wrote it, before any template or retrieved text.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct CanonicalMessage {
        string role;
        string content;
    }

    /// A request after validation. A plain completion has one message with an empty role.
    /// Fractions are in millionths.
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct CanonicalRequest {
        uint16 version;
        uint256 modelId;
        CanonicalMessage[] messages;
        uint32 maxTokens;
        uint32 temperatureMillionths;
        uint32 topPMillionths;
        uint64 seed;
        string[] stop;
    }

    /// A response: the generated token ids in order (the stop token excluded), their text, and why
    /// generation ended ("stop" or "length").
    #[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct CanonicalResponse {
        uint16 version;
        uint16[] tokens;
        string text;
        string finishReason;
    }
}

impl CanonicalRequest {
    /// `requestHash`: keccak256 of `abi.encode(request)`.
    pub fn hash(&self) -> B256 {
        keccak256(self.abi_encode())
    }
}

impl CanonicalResponse {
    /// `responseHash`: keccak256 of `abi.encode(response)`.
    pub fn hash(&self) -> B256 {
        keccak256(self.abi_encode())
    }
}

/// A chunk that was put into the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrievedChunk {
    pub contribution: ContributionId,
    /// The chunk's position in its document.
    pub chunk: u32,
    /// keccak256 of the chunk's bytes.
    pub hash: B256,
}

/// `retrievalRoot`: Merkle root over `abi.encode(contributionId, chunk, chunkHash)` in the order in which
/// the chunks stand in the prompt; zero if there are none.
pub fn retrieval_root(chunks: &[RetrievedChunk]) -> Result<B256> {
    if chunks.is_empty() {
        return Ok(B256::ZERO);
    }
    merkle::root_of(chunks.iter().map(|chunk| {
        (chunk.contribution.to_u256(), U256::from(chunk.chunk), chunk.hash).abi_encode()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_request_is_covered() {
        let request = CanonicalRequest {
            version: EXCHANGE_VERSION,
            modelId: U256::from(1),
            messages: vec![CanonicalMessage { role: "user".into(), content: "hi".into() }],
            maxTokens: 64,
            temperatureMillionths: 0,
            topPMillionths: 1_000_000,
            seed: 7,
            stop: vec![],
        };
        let changes: [fn(&mut CanonicalRequest); 8] = [
            |r| r.version += 1,
            |r| r.modelId += U256::from(1),
            |r| r.messages[0].content.push('!'),
            |r| r.messages[0].role.clear(),
            |r| r.maxTokens += 1,
            |r| r.temperatureMillionths += 1,
            |r| r.seed += 1,
            |r| r.stop.push("x".into()),
        ];
        for change in changes {
            let mut changed = request.clone();
            change(&mut changed);
            assert_ne!(changed.hash(), request.hash());
        }
    }

    #[test]
    fn the_order_of_retrieved_chunks_matters() {
        let a = RetrievedChunk { contribution: ContributionId(1), chunk: 0, hash: B256::ZERO };
        let b = RetrievedChunk { chunk: 1, ..a };
        assert_eq!(retrieval_root(&[]), Ok(B256::ZERO));
        assert_ne!(retrieval_root(&[a, b]), retrieval_root(&[b, a]));
    }
}
