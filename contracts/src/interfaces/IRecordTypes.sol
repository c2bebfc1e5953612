// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Batches} from "../libraries/Batches.sol";
import {IAttributionSettlement} from "./IAttributionSettlement.sol";

/// @title IRecordTypes
/// @notice What is exhibited in disputes about records and payments.
interface IRecordTypes {
    /// A run of answer tokens that belong to one document, or to the prompt: verbatim there, and as long as it goes on there.
    /// `documentId` and `clusterId`, the founder's, are ids of documents ({Batches.idOf}), or zero for the prompt.
    struct Span {
        uint32 start;
        uint32 end;
        uint256 documentId;
        uint256 clusterId;
        /// First token in the document; zero for the prompt.
        uint32 offset;
        uint64 surpriseQ16;
        uint64 creditQ16;
    }

    /// What the clusters of one contribution get: `clusterId` is the contribution of the founders.
    struct Weight {
        uint256 clusterId;
        uint256 datanetId;
        address payee;
        uint64 creditQ16;
        uint32 weight;
    }

    /// docs/formats/attribution.md, Record.
    struct Record {
        uint16 version;
        bytes32 receiptHash;
        bytes32 engineSpecHash;
        uint32 answerTokens;
        uint32 promptTokens;
        uint64 totalSurpriseQ16;
        uint64 floorQ16;
        Span[] spans;
        Weight[] weights;
        uint32 residual;
    }

    /// Record of the influence track (version 2): integer scores of training rows for one answer.
    struct InfluenceRecord {
        uint16 version;
        bytes32 receiptHash;
        bytes32 engineSpecHash;
        /// keccak256 of the query's sketch: one signed byte for each dimension.
        bytes32 queryHash;
        /// Plain tree over keccak256(abi.encode(uint32 row, int64 score)), all rows in order.
        bytes32 scoresRoot;
        uint32 rows;
    }

    /// A row's score with what it is computed from: the sketches of query and row, one signed byte for each dimension.
    struct Score {
        uint32 row;
        int64 score;
        bytes32[] scoreProof;
        bytes query;
        bytes rowSketch;
        bytes32[] rowProof;
    }

    /// A receipt and its place in the epoch.
    struct Opened {
        uint64 epochId;
        IAttributionSettlement.InferenceReceipt receipt;
        bytes32[] proof;
    }

    /// A document of an accepted contribution, with the contribution's place in the version that the model stands over.
    struct Member {
        Batches.Item item;
        uint256 index;
        bytes32[] proof;
    }

    /// Chunks of a document in a row, each with its path under the document's `chunkRoot`.
    struct Excerpt {
        uint32 first;
        bytes[] chunks;
        bytes32[][] proofs;
    }

    /// Answer tokens `from` to `to` in a document that holds them: `place` is where their bytes are in the excerpt.
    struct Run {
        uint32 from;
        uint32 to;
        Member holder;
        Excerpt excerpt;
        uint256 place;
    }

    struct Message {
        string role;
        string content;
    }

    /// docs/formats/attribution.md, Request and response.
    struct Request {
        uint16 version;
        uint256 modelId;
        Message[] messages;
        uint32 maxTokens;
        uint32 temperatureMillionths;
        uint32 topPMillionths;
        uint64 seed;
        string[] stop;
    }

    /// docs/formats/attribution.md, Request and response.
    struct Response {
        uint16 version;
        uint16[] tokens;
        string text;
        string finishReason;
    }

    /// Bytes of tokens, each token once, ascending by id, and what opens them together in the tokenizer's tree: the plain tree
    /// over keccak256 of each token's bytes ({Merkle.verifyMany}).
    struct Tokens {
        bytes[] texts;
        bytes32[] proof;
    }

    /// Surprises of tokens, each token once, ascending by id, and the floor, and what opens them together in the tree of a model's
    /// surprises: the plain tree over abi.encode(token, surprise) of all 65,536 tokens and over abi.encode(65536, floor).
    struct Surprises {
        uint64[] values;
        uint64 floor;
        bytes32[] proof;
    }

    /// A leaf of the payments tree. Padding has an amount of zero and an account of zero.
    struct Payment {
        uint256 datanetId;
        address account;
        uint64 receipt;
        uint128 amount;
        uint256 index;
        IAttributionSettlement.ProofNode[] proof;
    }

    /// A leaf of a claims tree.
    struct Claim {
        uint256 datanetId;
        address account;
        uint128 cumulative;
        uint256 index;
        IAttributionSettlement.ProofNode[] proof;
    }

    /// What is disputed with, fixed at deployment.
    struct Spec {
        bytes32 engineSpecHash;
        /// `credit.clusterWeightMax`, `credit.matchTokensMin` and `cluster.sketchMatchesMin` of that spec.
        uint32 clusterWeightMax;
        uint32 matchTokensMin;
        uint32 sketchMatchesMin;
        bytes32 vocabularyRoot;
        uint32 vocabularySize;
    }
}
