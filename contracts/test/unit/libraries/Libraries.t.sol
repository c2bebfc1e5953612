// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {Licences} from "../../../src/libraries/Licences.sol";
import {Merkle} from "../../../src/libraries/Merkle.sol";
import {MerkleFrontier} from "../../../src/libraries/MerkleFrontier.sol";
import {MerkleSum} from "../../../src/libraries/MerkleSum.sol";
import {Shares} from "../../../src/libraries/Shares.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {SumTree} from "../../utils/SumTree.sol";

contract LibrariesTest is Test {
    using MerkleFrontier for MerkleFrontier.Frontier;

    MerkleFrontier.Frontier private frontier;

    function verify(bytes32 root, bytes32 node, uint256 index, uint256 count, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return Merkle.verify(root, node, index, count, proof);
    }

    function itemsOf(uint256 count, bytes32 seed) private pure returns (bytes32[] memory items) {
        items = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            items[i] = keccak256(abi.encode(seed, i));
        }
    }

    /// @dev The frontier and the tree built at once agree at every size on the way.
    function test_FrontierMatchesTree(uint8 count, bytes32 seed) external {
        count = uint8(bound(count, 0, 80));
        for (uint256 i; i < count; ++i) {
            assertEq(frontier.root(), PlainTree.rootOf(itemsOf(i, seed)));
            assertEq(frontier.append(Merkle.hashLeaf(keccak256(abi.encode(seed, i)))), i);
        }
        assertEq(frontier.root(), PlainTree.rootOf(itemsOf(count, seed)));
    }

    function test_ProofHoldsAtItsPlaceOnly(uint256 count, uint256 index, uint256 other, bytes32 seed) external view {
        count = bound(count, 2, 200);
        index = bound(index, 0, count - 1);
        other = bound(other, 0, count + 2);
        vm.assume(other != index);
        bytes32[] memory items = itemsOf(count, seed);
        (bytes32 root, bytes32[] memory proof) = PlainTree.fold(items, index);
        bytes32 node = Merkle.hashLeaf(items[index]);
        assertTrue(this.verify(root, node, index, count, proof));
        assertFalse(this.verify(root, node, other, count, proof));
        assertFalse(this.verify(root, node, index, index, proof));
        assertFalse(this.verify(root, Merkle.hashLeaf(node), index, count, proof));
        assertFalse(this.verify(bytes32(uint256(root) ^ 1), node, index, count, proof));
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        for (uint256 i; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        assertFalse(this.verify(root, node, index, count, longer));
    }

    function verifyMany(
        bytes32 root,
        bytes32[] memory nodes,
        uint256[] memory indices,
        uint256 count,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return Merkle.verifyMany(root, nodes, indices, count, proof);
    }

    struct Shown {
        bytes32 root;
        bytes32[] nodes;
        uint256[] indices;
        uint256 count;
        bytes32[] proof;
    }

    /// @dev On copies: both lists are overwritten.
    function holds(Shown memory s) private view returns (bool) {
        return this.verifyMany(s.root, s.nodes, s.indices, s.count, s.proof);
    }

    function shownOf(uint256 count, uint64 mask, bytes32 seed) private pure returns (Shown memory s) {
        s.count = count;
        bytes32[] memory items = new bytes32[](count);
        s.indices = new uint256[](count);
        uint256 used;
        for (uint256 i; i < count; ++i) {
            items[i] = keccak256(abi.encode(seed, i));
            if ((mask >> i) & 1 == 1) s.indices[used++] = i;
        }
        if (used == 0) s.indices[used++] = uint256(seed) % count;
        uint256[] memory indices = s.indices;
        assembly ("memory-safe") {
            mstore(indices, used)
        }
        s.nodes = new bytes32[](used);
        for (uint256 i; i < used; ++i) {
            s.nodes[i] = Merkle.hashLeaf(items[indices[i]]);
        }
        (s.root, s.proof) = PlainTree.foldMany(items, indices);
        assertEq(s.root, PlainTree.rootOf(items));
        if (used != 1) return s;
        (, bytes32[] memory path) = PlainTree.fold(items, indices[0]);
        assertEq(s.proof, path);
    }

    /// @dev The first `length` of a list, filled up with zeros.
    function resized(bytes32[] memory list, uint256 length) private pure returns (bytes32[] memory other) {
        other = new bytes32[](length);
        for (uint256 i; i < length && i < list.length; ++i) {
            other[i] = list[i];
        }
    }

    /// @dev Leaves are shown together as each is by itself, and nothing else is.
    function test_LeavesAreShownTogether(uint8 count, uint64 mask, bytes32 seed, uint8 spoilt) external view {
        count = uint8(bound(count, 1, 64));
        Shown memory s = shownOf(count, mask, seed);
        uint256 used = s.nodes.length;
        assertTrue(holds(s));
        s.count = s.indices[used - 1];
        assertFalse(holds(s), "beyond the tree");
        s.count = count;
        (bytes32[] memory nodes, bytes32[] memory proof) = (s.nodes, s.proof);
        s.nodes = resized(nodes, used + 1);
        assertFalse(holds(s), "one without an index");
        s.nodes = nodes;
        s.proof = resized(proof, proof.length + 1);
        assertFalse(holds(s), "a sibling too many");
        if (proof.length != 0) {
            s.proof = resized(proof, proof.length - 1);
            assertFalse(holds(s), "one too few");
        }
        s.proof = proof;
        spoilt = uint8(bound(spoilt, 0, used - 1));
        nodes[spoilt] = ~nodes[spoilt];
        assertFalse(holds(s), "another leaf");
        nodes[spoilt] = ~nodes[spoilt];
        assertTrue(holds(s));
        assertFalse(this.verifyMany(s.root, new bytes32[](0), new uint256[](0), count, proof), "none");
        if (used == 1) return;
        (nodes[0], nodes[1]) = (nodes[1], nodes[0]);
        assertFalse(holds(s), "exchanged");
        (s.indices[0], s.indices[1]) = (s.indices[1], s.indices[0]);
        assertFalse(holds(s), "not ascending");
        s.indices[0] = s.indices[1];
        assertFalse(holds(s), "twice");
    }

    /// @dev The items of an inner node, joined, are not a leaf with its hash.
    function test_InnerNodeIsNoLeaf(bytes32 a, bytes32 b) external pure {
        assertNotEq(Merkle.hashNode(a, b), Merkle.hashLeaf(bytes.concat(a, b)));
        assertEq(Merkle.hashLeaf(a), Merkle.hashLeaf(abi.encodePacked(a)));
    }

    function verifySum(
        bytes32 root,
        uint128 total,
        SumTree.Claim calldata c,
        uint256 index,
        IAttributionSettlement.ProofNode[] calldata proof
    ) external pure returns (bool, uint128) {
        bytes32 leaf = MerkleSum.hashLeaf(c.datanetId, c.account, c.cumulative);
        return (MerkleSum.verify(root, total, leaf, c.cumulative, index, proof), MerkleSum.prefix(index, proof));
    }

    function test_SumProofGivesPrefix(uint8 count, uint8 index, uint8 other, bytes32 seed) external view {
        count = uint8(bound(count, 1, 64));
        index = uint8(bound(index, 0, count - 1));
        SumTree.Claim[] memory claims = new SumTree.Claim[](count);
        uint128 before;
        for (uint256 i; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            claims[i] = SumTree.Claim(random % 5, address(uint160(random >> 8)), uint128(random >> 168));
            if (i < index) before += claims[i].cumulative;
        }
        (bytes32 root, uint128 total) = SumTree.rootOf(claims);
        IAttributionSettlement.ProofNode[] memory proof = SumTree.proofOf(claims, index);
        (bool ok, uint128 prefix) = this.verifySum(root, total, claims[index], index, proof);
        assertTrue(ok);
        assertEq(prefix, before);
        if (other != index) {
            (ok,) = this.verifySum(root, total, claims[index], other, proof);
            assertFalse(ok);
        }
        (ok,) = this.verifySum(root, total + 1, claims[index], index, proof);
        assertFalse(ok);
    }

    function test_SharesSumToTheFee(uint128 fee, uint256 platformBps, uint256 modelBps, uint256 stakersBps)
        external
        pure
    {
        platformBps = bound(platformBps, 0, 1_500);
        modelBps = bound(modelBps, 0, 8_000);
        stakersBps = bound(stakersBps, 0, 8_000 - modelBps);
        Shares.Split memory s = Shares.split(fee, platformBps, modelBps, stakersBps);
        assertEq(uint256(s.platform) + s.stakers + s.model + s.contributors, fee);
        assertLe(uint256(s.platform) * 10_000, uint256(fee) * platformBps);
        assertGe(uint256(s.contributors) * 10_000, uint256(fee - s.platform) * (10_000 - modelBps - stakersBps));
    }

    function test_LicenceTerms(string calldata text) external pure {
        (bool derivatives, bool commercial, bool shareAlike) =
            Licences.termsOf(bytes.concat("A-NC-SA-ND-", bytes(text)));
        assertFalse(derivatives);
        assertFalse(commercial);
        assertTrue(shareAlike);
        (derivatives, commercial, shareAlike) = Licences.termsOf("NC");
        assertTrue(derivatives);
        assertFalse(commercial);
        assertFalse(shareAlike);
        (derivatives, commercial, shareAlike) = Licences.termsOf("-ND-");
        assertFalse(derivatives);
        assertTrue(commercial);
        assertFalse(shareAlike);
        (derivatives, commercial, shareAlike) = Licences.termsOf("ANC-ND1-nc-N-SAS-sa");
        assertTrue(derivatives);
        assertTrue(commercial);
        assertFalse(shareAlike);
    }
}
