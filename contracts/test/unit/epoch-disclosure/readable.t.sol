// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {PlainTree} from "../../utils/PlainTree.sol";
import {DisclosureTest} from "../../utils/DisclosureTest.sol";

/// @notice What no fact could be shown about cannot be disclosed. Engines commit to any hash, with a receipt that its gateway
/// signed: of a record or a response that are none, or that are written so that they hash to something else.
/// forge-config: default.fuzz.runs = 32
contract ReadableTest is DisclosureTest {
    bytes private raw;
    bytes private answer;

    function setUp() public override {
        super.setUp();
        honest(1);
        earn(net, alice, PAYMENT);
        (raw, answer) = (abi.encode(record(0)), abi.encode(response));
    }

    /// @dev Posts `raw` and `answer` as record and response of the one receipt, and demands it.
    function postRaw() private {
        calls[0].receipt.responseHash = keccak256(answer);
        IAttributionSettlement.EpochPost memory post = onePool(modelOf, RECEIPT_FEE, net, PAYMENT);
        (bytes32 receiptHash,) = settlement.hashReceipt(calls[0].receipt);
        bytes32[] memory items = new bytes32[](1);
        items[0] = keccak256(abi.encode(receiptHash, keccak256(raw)));
        (post.receiptCount, post.receiptsRoot) = (1, PlainTree.rootOf(items));
        postEpoch(post);
        demandAs(bob, RECEIPTS, allOf(RECEIPTS));
    }

    function discloseRaw() private {
        disclosure.discloseReceipt(current(), calls[0].receipt, raw, answer, new bytes32[](0));
    }

    function withheld() private {
        postRaw();
        uint64 epochId = current();
        vm.expectRevert();
        disclosure.discloseReceipt(epochId, calls[0].receipt, raw, answer, new bytes32[](0));
        vm.warp(dueAtOf(RECEIPTS, 0) + 1);
        prove(abi.encodeCall(disclosure.factWithheld, (current(), RECEIPTS, 0)));
    }

    function test_WhenTheRecordIsHonest() external {
        postRaw();
        discloseRaw();
    }

    /// @dev What scores pay is not defined, so no payment by them could be shown to be false.
    function test_WhenTheRecordIsOfTheInfluenceTrack(IRecordTypes.InfluenceRecord memory r) external {
        r.version = 2;
        raw = abi.encode(r);
        withheld();
    }

    function test_WhenTheRecordIsNone(bytes memory bytes_) external {
        raw = bytes_;
        withheld();
    }

    /// @dev A decoder takes it for the same record, but its bytes hash to something else than the record does.
    function test_WhenTheRecordIsWrittenOtherwise(bytes memory more) external {
        raw = bytes.concat(raw, more, bytes1(0));
        withheld();
    }

    function test_WhenTheResponseIsNone(bytes memory bytes_) external {
        answer = bytes_;
        withheld();
    }

    function test_WhenTheResponseIsWrittenOtherwise(bytes memory more) external {
        answer = bytes.concat(answer, more, bytes1(0));
        withheld();
    }

    function test_WhenAnIdIsBeyond(uint256 id, uint8 which) external {
        id = bound(id, uint256(type(uint64).max) + 1, type(uint256).max);
        IRecordTypes.Record memory r = record(0);
        which %= 4;
        if (which == 0) r.spans[0].documentId = id;
        else if (which == 1) r.spans[0].clusterId = id;
        else if (which == 2) r.weights[0].clusterId = id;
        else r.weights[0].datanetId = id;
        raw = abi.encode(r);
        withheld();
    }

    function test_WhenTheModelIsUnknown(uint256 model) external {
        if (model <= models.modelCount()) model = 0;
        calls[0].receipt.modelId = model;
        withheld();
    }
}
