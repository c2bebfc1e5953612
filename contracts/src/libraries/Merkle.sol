// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Merkle
/// @notice Proofs in a plain, ordered tree: the one of RFC 6962 over keccak256. Leaves and inner nodes hash under
/// different prefixes, so neither can be passed off as the other; a node without a right neighbour is carried up
/// unchanged, so no padding leaf exists that could be claimed. docs/formats/economy.md has the layout.
library Merkle {
    /// @notice Leaf node of a 32-byte item.
    function hashLeaf(bytes32 item) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), item));
    }

    /// @notice Leaf node of an item of any length, such as a chunk of a document.
    function hashLeaf(bytes memory item) internal pure returns (bytes32) {
        return keccak256(bytes.concat(bytes1(0x00), item));
    }

    /// @notice Parent of two nodes.
    function hashNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @notice True if `node` is leaf `index` of the `count` leaves under `root`. `proof` holds the siblings from the bottom
    /// up, and none where the node is carried up. The work is bounded by the bits of `count`.
    function verify(bytes32 root, bytes32 node, uint256 index, uint256 count, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count) return false;
        uint256 used;
        for (uint256 width = count; width > 1; width = (width + 1) >> 1) {
            if (index & 1 == 1 || index + 1 < width) {
                if (used == proof.length) return false;
                bytes32 sibling = proof[used++];
                node = index & 1 == 1 ? hashNode(sibling, node) : hashNode(node, sibling);
            }
            index >>= 1;
        }
        return used == proof.length && node == root;
    }
}
