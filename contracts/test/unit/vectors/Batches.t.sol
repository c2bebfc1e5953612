// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdJson} from "forge-std/StdJson.sol";

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @notice Documents of a batch, and records over them, are the golden bytes of tests/vectors/economy.json.
contract BatchVectorsTest is RecordTest {
    using stdJson for string;

    string private json;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("tests/vectors/economy.json");
    }

    /// @dev The registry takes the batch, under its number in the vectors, and each document opens under it.
    function test_DocumentsOfABatch() external {
        uint256 id = json.readUint(".batch.contribution_id");
        while (datanets.contributionCount() + 1 < id) commitAs(mallory, net, document(datanets.contributionCount()));
        IDatanetRegistry.Reveal memory r = document(id);
        r.chunkRoot = json.readBytes32(".batch.chunk_root");
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            r.chunkCount = uint32(json.readUint(".batch.chunk_count"));
            r.byteLength = uint32(json.readUint(".batch.byte_length"));
        }
        r.contentHash = json.readBytes32(".batch.content_hash");
        r.sketchHash = r.contentHash;
        assertEq(contributeReveal(alice, net, r), id);
        assertTrue(Batches.isBatch(datanets.contribution(id)));
        for (uint32 i; i < r.chunkCount; ++i) {
            string memory path = string.concat(".batch.documents[", vm.toString(i), "]");
            Batches.Item memory item;
            (item.contributionId, item.index) = (id, i);
            item.document.contentHash = json.readBytes32(string.concat(path, ".content_hash"));
            item.document.chunkRoot = json.readBytes32(string.concat(path, ".chunk_root"));
            // forge-lint: disable-next-item(unsafe-typecast)
            {
                item.document.chunkCount = uint32(json.readUint(string.concat(path, ".chunk_count")));
                item.document.byteLength = uint32(json.readUint(string.concat(path, ".byte_length")));
            }
            item.document.sketchHash = json.readBytes32(string.concat(path, ".sketch_hash"));
            item.proof = json.readBytes32Array(string.concat(path, ".proof"));
            assertEq(Batches.leafOf(item.document), json.readBytes32(string.concat(path, ".item")));
            assertEq(Batches.idOf(id, i, true), json.readUint(string.concat(path, ".id")));
            this.open(item);
            item.index = (i + 1) % r.chunkCount;
            vm.expectRevert();
            this.open(item);
        }
    }

    function open(Batches.Item calldata item) external view {
        Batches.open(datanets, item);
    }

    function test_RecordsOverABatch() external view {
        assertEq(facts.clusterWeightMax(), json.readUint(".batch.weight_max"));
        uint256 consistent;
        for (uint256 i; json.keyExists(string.concat(".batch.records[", vm.toString(i), "]")); ++i) {
            string memory path = string.concat(".batch.records[", vm.toString(i), "]");
            bytes memory encoded = json.readBytes(string.concat(path, ".bytes"));
            IRecordTypes.Record memory r = abi.decode(encoded, (IRecordTypes.Record));
            assertEq(keccak256(abi.encode(r)), json.readBytes32(string.concat(path, ".hash")));
            bool expected = json.readBool(string.concat(path, ".consistent"));
            assertEq(facts.isConsistent(r), expected, json.readString(string.concat(path, ".name")));
            if (expected) ++consistent;
        }
        assertEq(consistent, 2);
    }

    /// @dev What a run of the answer that a document holds shows of a record.
    function test_Omissions() external {
        json = vm.readFile("tests/vectors/omissions.json");
        assertEq(facts.matchTokensMin(), json.readUint(".match_tokens_min"));
        for (uint256 i; i < 2; ++i) {
            string memory path = string.concat(".records[", vm.toString(i), "]");
            IRecordTypes.Record memory r =
                abi.decode(json.readBytes(string.concat(path, ".bytes")), (IRecordTypes.Record));
            uint256[] memory span = json.readUintArray(string.concat(path, ".span"));
            uint256[] memory from = json.readUintArray(string.concat(path, ".from"));
            uint256[] memory to = json.readUintArray(string.concat(path, ".to"));
            uint256[] memory holder = json.readUintArray(string.concat(path, ".holder"));
            bool[] memory omitted = json.readBoolArray(string.concat(path, ".omitted"));
            assertGt(omitted.length, 20);
            for (uint256 j; j < omitted.length; ++j) {
                assertEq(facts.isOmitted(r, span[j], from[j], to[j], holder[j]), omitted[j], vm.toString(j));
            }
        }
    }
}
