// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {StorageProof} from "../../../src/libraries/StorageProof.sol";
import {MessagePasserTrie} from "../../utils/MessagePasserTrie.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

/// @notice The portal accepts the proofs of tests/vectors/storage_proofs.json, which anvil's `eth_getProof` gave.
contract StorageProofsVectorsTest is RollupTest {
    using stdJson for string;

    uint256[4] private sizes = [1, 2, 17, 100];
    string private json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("tests/vectors/storage_proofs.json");
    }

    function test_PortalAcceptsProofs() external {
        for (uint256 i; i < sizes.length; ++i) {
            string memory case_ = string.concat(".cases[", vm.toString(i), "]");
            assertEq(json.readUint(string.concat(case_, ".size")), sizes[i]);
            RollupHashing.OutputRootProof memory parts = RollupHashing.OutputRootProof({
                version: 0,
                stateRoot: keccak256(abi.encode("state", i)),
                messagePasserStorageRoot: json.readBytes32(string.concat(case_, ".storage_root")),
                latestBlockhash: keccak256(abi.encode("block", i))
            });
            propose(RollupHashing.outputRoot(parts), 10 * (i + 1));
            skip(1);
            uint256 wanted = sizes[i] < 3 ? sizes[i] : 3;
            for (uint256 j; j < wanted; ++j) {
                string memory proof = string.concat(case_, ".proofs[", vm.toString(j), "]");
                bytes32 hash = json.readBytes32(string.concat(proof, ".withdrawal_hash"));
                bytes[] memory nodes = json.readBytesArray(string.concat(proof, ".nodes"));
                RollupHashing.Withdrawal memory w = read(proof);
                assertEq(RollupHashing.withdrawalHash(w), hash);
                uint256 before = portal.numProofSubmitters(hash);
                portal.proveWithdrawalTransaction(w, i, parts, nodes);
                assertEq(portal.numProofSubmitters(hash), before + 1);
            }
        }
    }

    function test_AbsentSlots() external {
        for (uint256 i; i < sizes.length; ++i) {
            string memory case_ = string.concat(".cases[", vm.toString(i), "]");
            bytes32 root = json.readBytes32(string.concat(case_, ".storage_root"));
            bytes32 slot = json.readBytes32(string.concat(case_, ".absent.storage_key"));
            bytes[] memory nodes = json.readBytesArray(string.concat(case_, ".absent.nodes"));
            try this.holdsOne(root, slot, nodes) returns (bool holds) {
                assertFalse(holds);
            } catch {}
        }
    }

    /// @dev The tries of these tests are those of nodes.
    function test_TestTrie() external view {
        bytes32[] memory hashes = json.readBytes32Array(".withdrawal_hashes");
        for (uint256 i; i < sizes.length; ++i) {
            string memory case_ = string.concat(".cases[", vm.toString(i), "]");
            bytes32[] memory slots = new bytes32[](sizes[i] + 1);
            uint8[] memory values = new uint8[](sizes[i] + 1);
            for (uint256 j; j < sizes[i]; ++j) {
                slots[j] = RollupHashing.withdrawalStorageKey(hashes[j]);
                values[j] = 1;
            }
            // The counter of messages.
            slots[sizes[i]] = bytes32(uint256(1));
            values[sizes[i]] = uint8(sizes[i]);
            MessagePasserTrie.Built memory built = MessagePasserTrie.build(slots, values, 0);
            assertEq(built.root, json.readBytes32(string.concat(case_, ".storage_root")));
            bytes[] memory nodes = json.readBytesArray(string.concat(case_, ".proofs[0].nodes"));
            assertEq(abi.encode(built.proof), abi.encode(nodes));
        }
    }

    function holdsOne(bytes32 root, bytes32 slot, bytes[] calldata nodes) external pure returns (bool) {
        return StorageProof.holdsOne(root, slot, nodes);
    }

    function read(string memory path) private view returns (RollupHashing.Withdrawal memory) {
        return RollupHashing.Withdrawal({
            nonce: json.readUint(string.concat(path, ".nonce")),
            sender: json.readAddress(string.concat(path, ".sender")),
            target: json.readAddress(string.concat(path, ".target")),
            value: json.readUint(string.concat(path, ".value")),
            gasLimit: json.readUint(string.concat(path, ".gas_limit")),
            data: json.readBytes(string.concat(path, ".data"))
        });
    }
}
