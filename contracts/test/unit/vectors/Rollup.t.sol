// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {L1Block} from "../../../src/l2/predeploys/L1Block.sol";
import {AddressAlias} from "../../../src/libraries/AddressAlias.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

/// @notice Hashes and layouts reach the golden bytes of tests/vectors, which viem computed.
contract RollupVectorsTest is RollupTest {
    using stdJson for string;

    function test_Aliases() external view {
        string memory json = vm.readFile("tests/vectors/deposits.json");
        for (uint256 i; i < 6; ++i) {
            string memory path = item(".aliases", i);
            address l1 = json.readAddress(string.concat(path, ".l1"));
            address l2 = json.readAddress(string.concat(path, ".l2"));
            assertEq(AddressAlias.toL2(l1), l2);
            assertEq(AddressAlias.toL1(l2), l1);
        }
    }

    function test_Deposits() external view {
        string memory json = vm.readFile("tests/vectors/deposits.json");
        for (uint256 i; i < 5; ++i) {
            string memory path = item(".deposits", i);
            bytes memory payload = RollupHashing.depositPayload(
                json.readUint(string.concat(path, ".mint")),
                json.readUint(string.concat(path, ".value")),
                uint64(json.readUint(string.concat(path, ".gas_limit"))),
                json.readBool(string.concat(path, ".is_creation")),
                json.readBytes(string.concat(path, ".data"))
            );
            assertEq(payload, json.readBytes(string.concat(path, ".opaque_data")));
            bytes32 sourceHash = RollupHashing.depositSourceHash(
                json.readBytes32(string.concat(path, ".l1_block_hash")),
                json.readUint(string.concat(path, ".log_index"))
            );
            assertEq(sourceHash, json.readBytes32(string.concat(path, ".source_hash")));
        }
    }

    function test_Attributes() external {
        construct(Predeploys.L1_BLOCK, type(L1Block).creationCode, "");
        L1Block l1Block = L1Block(Predeploys.L1_BLOCK);
        string memory json = vm.readFile("tests/vectors/l1_attributes.json");
        for (uint256 i; i < 5; ++i) {
            string memory path = item(".attributes", i);
            bytes32[] memory slots = json.readBytes32Array(string.concat(path, ".storage"));

            setAttributes(json.readBytes(string.concat(path, ".calldata_isthmus")));
            assertSlots(slots, 8);
            assertEq(vm.load(Predeploys.L1_BLOCK, bytes32(uint256(8))), slots[8] & bytes32(uint256(type(uint96).max)));

            setAttributes(json.readBytes(string.concat(path, ".calldata_jovian")));
            assertSlots(slots, 9);
            assertEq(l1Block.number(), json.readUint(string.concat(path, ".l1_number")));
            assertEq(l1Block.timestamp(), json.readUint(string.concat(path, ".l1_timestamp")));
            assertEq(l1Block.basefee(), json.readUint(string.concat(path, ".l1_base_fee")));
            assertEq(l1Block.hash(), json.readBytes32(string.concat(path, ".l1_hash")));
            assertEq(l1Block.sequenceNumber(), json.readUint(string.concat(path, ".sequence_number")));
            assertEq(l1Block.baseFeeScalar(), json.readUint(string.concat(path, ".base_fee_scalar")));
            assertEq(l1Block.blobBaseFeeScalar(), json.readUint(string.concat(path, ".blob_base_fee_scalar")));
            assertEq(l1Block.batcherHash(), json.readBytes32(string.concat(path, ".batcher_hash")));
            assertEq(l1Block.blobBaseFee(), json.readUint(string.concat(path, ".l1_blob_base_fee")));
            assertEq(l1Block.operatorFeeScalar(), json.readUint(string.concat(path, ".operator_fee_scalar")));
            assertEq(l1Block.operatorFeeConstant(), json.readUint(string.concat(path, ".operator_fee_constant")));
            assertEq(l1Block.daFootprintGasScalar(), json.readUint(string.concat(path, ".da_footprint_gas_scalar")));
            assertEq(
                RollupHashing.attributesSourceHash(l1Block.hash(), l1Block.sequenceNumber()),
                json.readBytes32(string.concat(path, ".source_hash"))
            );
        }
    }

    function test_Withdrawals() external view {
        string memory json = vm.readFile("tests/vectors/withdrawals.json");
        for (uint256 i; i < 5; ++i) {
            string memory path = item(".withdrawals", i);
            uint256 nonce = RollupHashing.versionedNonce(uint240(json.readUint(string.concat(path, ".counter"))));
            assertEq(nonce, json.readUint(string.concat(path, ".nonce")));
            bytes32 hash = RollupHashing.withdrawalHash(
                RollupHashing.Withdrawal({
                    nonce: nonce,
                    sender: json.readAddress(string.concat(path, ".sender")),
                    target: json.readAddress(string.concat(path, ".target")),
                    value: json.readUint(string.concat(path, ".value")),
                    gasLimit: json.readUint(string.concat(path, ".gas_limit")),
                    data: json.readBytes(string.concat(path, ".data"))
                })
            );
            assertEq(hash, json.readBytes32(string.concat(path, ".withdrawal_hash")));
            assertEq(RollupHashing.withdrawalStorageKey(hash), json.readBytes32(string.concat(path, ".storage_key")));
        }
    }

    function test_OutputRoots() external view {
        string memory json = vm.readFile("tests/vectors/withdrawals.json");
        for (uint256 i; i < 5; ++i) {
            string memory path = item(".output_roots", i);
            bytes32 root = RollupHashing.outputRoot(
                RollupHashing.OutputRootProof({
                    version: bytes32(0),
                    stateRoot: json.readBytes32(string.concat(path, ".state_root")),
                    messagePasserStorageRoot: json.readBytes32(string.concat(path, ".message_passer_storage_root")),
                    latestBlockhash: json.readBytes32(string.concat(path, ".block_hash"))
                })
            );
            assertEq(root, json.readBytes32(string.concat(path, ".output_root")));
        }
    }

    function assertSlots(bytes32[] memory slots, uint256 count) private view {
        for (uint256 slot; slot < count; ++slot) {
            assertEq(vm.load(Predeploys.L1_BLOCK, bytes32(slot)), slots[slot]);
        }
    }

    function item(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]");
    }
}
