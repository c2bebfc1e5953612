// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

/// @title StorageProof
/// @notice Inclusion of a storage slot in a contract's storage root, as `eth_getProof` proves it.
/// @dev INVARIANT: a slot has one value under one root. Every node is bound by its hash to the one above, so no other
/// encoding of a node can stand in; elements after the leaf, a missing leaf and an empty value are refused.
library StorageProof {
    /// @notice True if `slot` holds the number 1 under `root`. Reverts on nodes that are not RLP.
    /// @param proof Nodes from the root to the leaf.
    function holdsOne(bytes32 root, bytes32 slot, bytes[] memory proof) internal pure returns (bool) {
        return TrieProof.verify(hex"01", root, abi.encode(keccak256(abi.encode(slot))), proof);
    }
}
