// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RLP} from "@openzeppelin/contracts/utils/RLP.sol";

/// @title MessagePasserTrie
/// @notice Builds a contract's storage trie from slots that all hold a small number, and proves them: plain and recursive,
/// against which the verification is tested. tests/vectors holds both to the tries of nodes.
library MessagePasserTrie {
    struct Built {
        bytes32 root;
        /// Nodes from the root to the leaf of the slot asked for; empty without one.
        bytes[] proof;
    }

    struct Entry {
        bytes32 key;
        uint8 value;
    }

    /// @param slots Different storage slots.
    /// @param value What each holds: 1 to 127.
    /// @param wanted Index of the slot to prove.
    function build(bytes32[] memory slots, uint8 value, uint256 wanted) internal pure returns (Built memory) {
        uint8[] memory values = new uint8[](slots.length);
        for (uint256 i; i < slots.length; ++i) {
            values[i] = value;
        }
        return build(slots, values, wanted);
    }

    /// @param slots Different storage slots.
    /// @param values What they hold: 1 to 127.
    /// @param wanted Index of the slot to prove.
    function build(bytes32[] memory slots, uint8[] memory values, uint256 wanted)
        internal
        pure
        returns (Built memory built)
    {
        Entry[] memory entries = new Entry[](slots.length);
        for (uint256 i; i < slots.length; ++i) {
            entries[i] = Entry(keccak256(abi.encode(slots[i])), values[i]);
        }
        bytes[] memory path = new bytes[](64);
        (bytes memory node, uint256 length) = _node(entries, 0, entries[wanted].key, path, 0);
        built.root = keccak256(node);
        built.proof = new bytes[](length);
        for (uint256 i; i < length; ++i) {
            built.proof[i] = path[i];
        }
    }

    /// @dev Encodes the node over `entries`, whose keys agree in their first `depth` nibbles. Nodes on the way to `wanted` are
    /// noted in `path` from index `place`; returns how long the path is, 0 if `wanted` is not below.
    function _node(Entry[] memory entries, uint256 depth, bytes32 wanted, bytes[] memory path, uint256 place)
        private
        pure
        returns (bytes memory node, uint256 length)
    {
        bytes32 first = entries[0].key;
        if (entries.length == 1) {
            bytes[] memory leaf = new bytes[](2);
            leaf[0] = RLP.encode(_hexPrefix(first, depth, 64, true));
            leaf[1] = RLP.encode(abi.encodePacked(entries[0].value));
            node = RLP.encode(leaf);
            length = first == wanted ? place + 1 : 0;
        } else {
            uint256 split = depth;
            while (_agree(entries, split)) ++split;
            if (split > depth) {
                bytes[] memory extension = new bytes[](2);
                bytes memory below;
                (below, length) = _node(entries, split, wanted, path, place + 1);
                extension[0] = RLP.encode(_hexPrefix(first, depth, split, false));
                extension[1] = _reference(below);
                node = RLP.encode(extension);
            } else {
                bytes[] memory branch = new bytes[](17);
                for (uint8 nibble; nibble < 16; ++nibble) {
                    Entry[] memory some = _with(entries, depth, nibble);
                    branch[nibble] = hex"80";
                    if (some.length == 0) continue;
                    (bytes memory below, uint256 found) = _node(some, depth + 1, wanted, path, place + 1);
                    branch[nibble] = _reference(below);
                    if (found != 0) length = found;
                }
                branch[16] = hex"80";
                node = RLP.encode(branch);
            }
        }
        if (length != 0) path[place] = node;
    }

    function _reference(bytes memory node) private pure returns (bytes memory) {
        return node.length < 32 ? node : RLP.encode(keccak256(node));
    }

    function _nibble(bytes32 key, uint256 index) private pure returns (uint8) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint8(uint256(key) >> (252 - 4 * index)) & 15;
    }

    function _agree(Entry[] memory entries, uint256 index) private pure returns (bool) {
        for (uint256 i = 1; i < entries.length; ++i) {
            if (_nibble(entries[i].key, index) != _nibble(entries[0].key, index)) return false;
        }
        return true;
    }

    function _with(Entry[] memory entries, uint256 index, uint8 nibble) private pure returns (Entry[] memory some) {
        some = new Entry[](entries.length);
        uint256 count;
        for (uint256 i; i < entries.length; ++i) {
            if (_nibble(entries[i].key, index) == nibble) some[count++] = entries[i];
        }
        assembly ("memory-safe") {
            mstore(some, count)
        }
    }

    function _hexPrefix(bytes32 key, uint256 from, uint256 to, bool leaf) private pure returns (bytes memory out) {
        bool odd = (to - from) % 2 == 1;
        out = abi.encodePacked(uint8((leaf ? 0x20 : 0) + (odd ? 0x10 + _nibble(key, from) : 0)));
        for (uint256 i = from + (odd ? 1 : 0); i < to; i += 2) {
            out = abi.encodePacked(out, _nibble(key, i) * 16 + _nibble(key, i + 1));
        }
    }
}
