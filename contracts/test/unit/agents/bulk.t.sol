// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IAgentReputation, IAgentValidation} from "../../../src/interfaces/IAgents.sol";
import {AgentIdentity} from "../../../src/l2/agents/AgentIdentity.sol";
import {AgentReputation} from "../../../src/l2/agents/AgentReputation.sol";
import {AgentValidation} from "../../../src/l2/agents/AgentValidation.sol";

/// @notice What ERC-8004 reads in bulk: all feedback, responses to it, validations of an agent and of a validator.
/// forge-config: default.fuzz.runs = 32
contract AgentsBulkTest is Test {
    AgentIdentity private identity;
    AgentReputation private reputation;
    AgentValidation private validation;
    uint256 private agentId;
    address private immutable alice = makeAddr("alice");
    address private immutable bob = makeAddr("bob");
    address private immutable carol = makeAddr("carol");
    address[] private nobody;

    struct Read {
        address[] clients;
        uint64[] indexes;
        int128[] values;
        uint8[] decimals;
        string[] tags;
        string[] tags2;
        bool[] revoked;
    }

    function setUp() external {
        identity = new AgentIdentity();
        reputation = new AgentReputation(identity);
        validation = new AgentValidation(identity);
        vm.prank(alice);
        agentId = identity.register();
    }

    function rate(address client, int128 value, string memory tag1, string memory tag2) private {
        vm.prank(client);
        reputation.giveFeedback(agentId, value, 1, tag1, tag2, "", "", 0);
    }

    function one(address who) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = who;
    }

    function read(address[] memory clients, string memory tag1, string memory tag2, bool revoked)
        private
        view
        returns (Read memory r)
    {
        (r.clients, r.indexes, r.values, r.decimals, r.tags, r.tags2, r.revoked) =
            reputation.readAllFeedback(agentId, clients, tag1, tag2, revoked);
    }

    function test_ReadsAllFeedback() external {
        rate(bob, 10, "law", "slow");
        rate(carol, 20, "law", "fast");
        rate(bob, 30, "art", "fast");
        vm.prank(bob);
        reputation.revokeFeedback(agentId, 1);
        Read memory r = read(nobody, "", "", true);
        assertEq(r.clients.length, 3);
        assertEq(r.clients[0], bob);
        assertEq(r.clients[2], carol);
        assertEq(r.indexes[1], 2);
        assertEq(r.values[1], 30);
        assertEq(r.decimals[1], 1);
        assertEq(r.tags[1], "art");
        assertEq(r.tags2[2], "fast");
        assertTrue(r.revoked[0]);
        assertFalse(r.revoked[1]);
        assertEq(read(nobody, "", "", false).clients.length, 2);
        assertEq(read(nobody, "law", "", true).clients.length, 2);
        assertEq(read(nobody, "law", "fast", true).values[0], 20);
        assertEq(read(one(carol), "", "", true).clients.length, 1);
        assertEq(read(one(alice), "", "", true).clients.length, 0);
    }

    /// @dev Of each client the latest 64, whoever gives however much.
    function test_ReadsTheLatestOfMany(uint8 count) external {
        for (uint256 i; i < count; ++i) {
            rate(bob, int128(uint128(i)), "", "");
        }
        Read memory r = read(one(bob), "", "", true);
        uint256 length = count < 64 ? count : 64;
        assertEq(r.values.length, length);
        for (uint256 i; i < length; ++i) {
            assertEq(r.indexes[i], count - length + i + 1);
            assertEq(r.values[i], int128(uint128(count - length + i)));
        }
        assertEq(reputation.getResponseCount(agentId, bob, 0, nobody), 0);
    }

    function test_RevertWhen_ThereAreTooManyToRead() external {
        for (uint256 i = 1; i <= 65; ++i) {
            rate(address(uint160(i)), 1, "", "");
        }
        bytes memory refusal = abi.encodeWithSelector(IAgentReputation.AgentReputation_ClientCount.selector, 65, 64);
        vm.expectRevert(refusal);
        reputation.readAllFeedback(agentId, nobody, "", "", true);
        vm.expectRevert(refusal);
        reputation.getResponseCount(agentId, address(0), 0, nobody);
        vm.expectRevert(refusal);
        reputation.getResponseCount(agentId, bob, 0, new address[](65));
        assertEq(read(one(address(65)), "", "", true).clients.length, 1);
    }

    function test_CountsResponses() external {
        rate(bob, 10, "", "");
        rate(bob, 20, "", "");
        rate(carol, 30, "", "");
        vm.startPrank(alice);
        reputation.appendResponse(agentId, bob, 1, "thanks", 0);
        reputation.appendResponse(agentId, bob, 1, "again", 0);
        reputation.appendResponse(agentId, bob, 2, "thanks", 0);
        vm.stopPrank();
        vm.prank(carol);
        reputation.appendResponse(agentId, carol, 1, "mine", 0);
        assertEq(reputation.getResponseCount(agentId, bob, 1, nobody), 2);
        assertEq(reputation.getResponseCount(agentId, bob, 1, one(carol)), 0);
        assertEq(reputation.getResponseCount(agentId, bob, 0, nobody), 3);
        assertEq(reputation.getResponseCount(agentId, address(0), 0, nobody), 4);
        assertEq(reputation.getResponseCount(agentId, address(0), 0, one(carol)), 1);
        assertEq(reputation.getResponseCount(agentId, address(0), 0, one(alice)), 3);
        assertEq(reputation.getResponseCount(agentId, address(0), 2, nobody), 1);
        assertEq(reputation.getResponseCount(agentId, bob, 9, nobody), 0);
        assertEq(reputation.getResponseCount(agentId, alice, 0, nobody), 0);
    }

    function ask(address validator, bytes32 hash) private {
        vm.prank(alice);
        validation.validationRequest(validator, agentId, "", hash);
    }

    function respond(address validator, bytes32 hash, uint8 response, string memory tag) private {
        vm.prank(validator);
        validation.validationResponse(hash, response, "", 0, tag);
    }

    function test_SumsUpValidations() external {
        (uint64 count, uint8 average) = validation.getSummary(agentId, nobody, "");
        assertEq(count, 0);
        assertEq(average, 0);
        ask(bob, "a");
        ask(bob, "b");
        ask(carol, "c");
        ask(carol, "unanswered");
        respond(bob, "a", 0, "hard");
        respond(bob, "b", 100, "soft");
        respond(carol, "c", 51, "hard");
        (count, average) = validation.getSummary(agentId, nobody, "");
        assertEq(count, 3);
        assertEq(average, 50);
        (count, average) = validation.getSummary(agentId, one(bob), "");
        assertEq(count, 2);
        (count, average) = validation.getSummary(agentId, nobody, "hard");
        assertEq(average, 25);
        (count, average) = validation.getSummary(agentId, one(carol), "soft");
        assertEq(count, 0);
        vm.expectRevert(abi.encodeWithSelector(IAgentValidation.AgentValidation_ValidatorCount.selector, 65, 64));
        validation.getSummary(agentId, new address[](65), "");
        bytes32[] memory hashes = validation.getAgentValidations(agentId);
        assertEq(hashes.length, 4);
        assertEq(hashes[2], "c");
        hashes = validation.getValidatorRequests(carol);
        assertEq(hashes.length, 2);
        assertEq(hashes[1], "unanswered");
    }

    /// @dev Answers are bounded, and yet everything can be read.
    function test_ReadsRequestsPieceByPiece(uint16 count) external {
        count = uint16(bound(count, 1, 600));
        for (uint256 i; i < count; ++i) {
            ask(bob, bytes32(i + 1));
        }
        assertEq(validation.getAgentValidations(agentId).length, count < 256 ? count : 256);
        uint256 end = count;
        while (end != 0) {
            bytes32[] memory page = validation.validatorRequestsBefore(bob, end);
            assertEq(page.length, end < 256 ? end : 256);
            assertEq(page[page.length - 1], bytes32(end));
            assertEq(page[0], bytes32(end - page.length + 1));
            assertEq(validation.agentValidationsBefore(agentId, end)[0], page[0]);
            end -= page.length;
        }
        assertEq(validation.validatorRequestsBefore(bob, 0).length, 0);
        respond(bob, bytes32(uint256(count)), 80, "");
        (uint64 answered, uint8 average) = validation.getSummary(agentId, nobody, "");
        assertEq(answered, 1);
        assertEq(average, 80);
    }
}
