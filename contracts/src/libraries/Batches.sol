// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {AdmissionErrors} from "./AdmissionErrors.sol";
import {Merkle} from "./Merkle.sol";

/// @title Batches
/// @notice Many documents in one contribution, so that a million rows cost a thousand contributions. A batch is an
/// ordinary contribution whose chunks are the leaves of its documents: `chunkRoot` is the plain tree over them,
/// `chunkCount` their number, and `contentHash` is derived from the two, so a batch is recognised by its record alone and
/// cannot be mistaken for a document. Commit–reveal, bond, admission, versions and tombstones are those of any
/// contribution. docs/formats/economy.md has the bytes.
library Batches {
    /// Bits of a document's id that are the number of its contribution; what is above is its place in the batch, from one.
    uint256 internal constant CONTRIBUTION_BITS = 40;
    /// First word of what a batch's content hash hashes.
    bytes32 internal constant TAG = keccak256("OpenLedger batch of documents, version 1");

    /// What a document's leaf commits to. The members mean what they mean in {IDatanetRegistry.Reveal}.
    struct Document {
        bytes32 contentHash;
        bytes32 chunkRoot;
        uint32 chunkCount;
        uint32 byteLength;
        bytes32 sketchHash;
    }

    /// A document where it lies: a contribution of its own (index zero, no proof) or one of a batch.
    struct Item {
        uint256 contributionId;
        uint32 index;
        Document document;
        bytes32[] proof;
    }

    /// @notice Leaf of a document in its batch's tree, before {Merkle.hashLeaf}.
    function leafOf(Document memory document) internal pure returns (bytes32) {
        return keccak256(abi.encode(document));
    }

    /// @notice The content hash that makes a contribution a batch.
    function contentHashOf(bytes32 documentsRoot, uint32 documentCount) internal pure returns (bytes32) {
        return keccak256(abi.encode(TAG, documentsRoot, documentCount));
    }

    /// @notice True if the contribution is a batch.
    function isBatch(IDatanetRegistry.Contribution memory c) internal pure returns (bool) {
        return c.contentHash == contentHashOf(c.chunkRoot, c.chunkCount);
    }

    /// @notice What records call a document: `contributionId + (index + 1) * 2^40` in a batch, the contribution's own number
    /// where that is one document.
    function idOf(uint256 contributionId, uint32 index, bool batch) internal pure returns (uint256) {
        return batch ? contributionId + ((uint256(index) + 1) << CONTRIBUTION_BITS) : contributionId;
    }

    /// @notice The contribution that a document's id names, and its place there: zero for all of it, else one more than the
    /// index.
    function split(uint256 documentId) internal pure returns (uint256 contributionId, uint256 place) {
        // forge-lint: disable-next-line(incorrect-shift)
        return (documentId & ((1 << CONTRIBUTION_BITS) - 1), documentId >> CONTRIBUTION_BITS);
    }

    /// @notice Position of a document in the order of commitments: by contribution, and by index within a batch. Ids of more
    /// than 64 bits name nothing, and have no order.
    function orderOf(uint256 documentId) internal pure returns (uint256) {
        (uint256 contributionId, uint256 place) = split(documentId);
        return contributionId << 24 | place;
    }

    /// @notice Names a document across the chain.
    function keyOf(uint256 contributionId, uint32 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(contributionId, index));
    }

    /// @notice The contribution that the item lies in; reverts unless it does.
    function open(IDatanetRegistry registry, Item calldata item)
        internal
        view
        returns (IDatanetRegistry.Contribution memory c)
    {
        c = registry.contribution(item.contributionId);
        bool found;
        if (isBatch(c)) {
            found = Merkle.verify(
                c.chunkRoot, Merkle.hashLeaf(leafOf(item.document)), item.index, c.chunkCount, item.proof
            );
        } else {
            found = item.index == 0 && item.proof.length == 0
                && leafOf(item.document)
                    == leafOf(Document(c.contentHash, c.chunkRoot, c.chunkCount, c.byteLength, c.sketchHash))
                && c.contentHash != bytes32(0);
        }
        if (!found) revert AdmissionErrors.Batches_NotInContribution(item.contributionId, item.index);
    }
}
