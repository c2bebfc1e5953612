// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IAgentAccount, IAgentIdentity, IAgentReputation, IAgentValidation} from "../../../src/interfaces/IAgents.sol";
import {IInferenceEscrow} from "../../../src/interfaces/IInferenceEscrow.sol";
import {AgentAccount} from "../../../src/l2/agents/AgentAccount.sol";
import {AgentAccounts} from "../../../src/l2/agents/AgentAccounts.sol";
import {AgentIdentity} from "../../../src/l2/agents/AgentIdentity.sol";
import {AgentReputation} from "../../../src/l2/agents/AgentReputation.sol";
import {AgentValidation} from "../../../src/l2/agents/AgentValidation.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract AgentsTest is EconomyTest {
    AgentIdentity private identity;
    AgentReputation private reputation;
    AgentValidation private validation;
    AgentAccounts private accounts;
    AgentAccount private account;
    uint256 private agentId;

    bytes32 private constant WALLET =
        keccak256("AgentWalletSet(uint256 agentId,address newWallet,address owner,uint256 deadline)");

    function setUp() public override {
        super.setUp();
        identity = new AgentIdentity();
        reputation = new AgentReputation(identity);
        validation = new AgentValidation(identity);
        accounts = new AgentAccounts(identity, escrow);
        vm.prank(alice);
        agentId = identity.register("ipfs://agent");
        account = AgentAccount(payable(accounts.create(agentId)));
    }

    // Identity

    function test_Registers() external {
        assertEq(identity.ownerOf(agentId), alice);
        assertEq(identity.tokenURI(agentId), "ipfs://agent");
        IAgentIdentity.MetadataEntry[] memory entries = new IAgentIdentity.MetadataEntry[](2);
        entries[0] = IAgentIdentity.MetadataEntry("name", "Ada");
        entries[1] = IAgentIdentity.MetadataEntry("skills", "law");
        uint256 second = identity.register("u", entries);
        assertEq(second, 2);
        assertEq(identity.getMetadata(second, "skills"), "law");
        assertEq(identity.register(), 3);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentity_TooManyEntries.selector);
        identity.register("u", new IAgentIdentity.MetadataEntry[](33));
        entries[0].metadataKey = "agentWallet";
        vm.expectRevert(IAgentIdentity.AgentIdentity_KeyReserved.selector);
        identity.register("u", entries);
        assertTrue(identity.supportsInterface(0x80ac58cd));
    }

    function test_OnlyTheOwnersChange() external {
        bytes4 refusal = IAgentIdentity.AgentIdentity_NotOwner.selector;
        vm.expectPartialRevert(refusal);
        identity.setAgentURI(agentId, "x");
        vm.expectPartialRevert(refusal);
        identity.setMetadata(agentId, "k", "v");
        vm.expectPartialRevert(refusal);
        identity.setAgentWallet(agentId, bob, type(uint256).max, "");
        vm.expectPartialRevert(refusal);
        identity.unsetAgentWallet(agentId);
        vm.startPrank(alice);
        identity.setAgentURI(agentId, "x");
        identity.setMetadata(agentId, "k", "v");
        identity.approve(bob, agentId);
        vm.startPrank(bob);
        identity.setMetadata(agentId, "k", "w");
        assertEq(identity.getMetadata(agentId, "k"), "w");
        assertEq(identity.tokenURI(agentId), "x");
        vm.expectPartialRevert(IERC721Errors.ERC721NonexistentToken.selector);
        identity.isAuthorized(99, bob);
    }

    function test_WalletsAreProven() external {
        uint256 deadline = vm.getBlockTimestamp() + 60;
        bytes32 hash = keccak256(abi.encode(WALLET, agentId, customer, alice, deadline));
        bytes memory signature = sign(customerKey, digest(hash));
        vm.startPrank(alice);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentity_WalletNotProven.selector);
        identity.setAgentWallet(agentId, bob, deadline, signature);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentity_WalletNotProven.selector);
        identity.setAgentWallet(agentId, customer, deadline + 1, signature);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentity_WalletNotProven.selector);
        identity.setAgentWallet(agentId, address(0), deadline, signature);
        identity.setAgentWallet(agentId, customer, deadline, signature);
        assertEq(identity.getAgentWallet(agentId), customer);
        identity.transferFrom(alice, bob, agentId);
        assertEq(identity.getAgentWallet(agentId), address(0));
        vm.stopPrank();
        vm.prank(bob);
        identity.unsetAgentWallet(agentId);
        vm.warp(deadline + 1);
        vm.prank(bob);
        vm.expectPartialRevert(IAgentIdentity.AgentIdentity_WalletNotProven.selector);
        identity.setAgentWallet(agentId, customer, deadline, signature);
    }

    function digest(bytes32 hash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("AgentIdentity"),
                keccak256("1"),
                block.chainid,
                identity
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, hash));
    }

    // Reputation

    function rate(address client, int128 value, uint8 decimals, string memory tag) private {
        vm.prank(client);
        reputation.giveFeedback(agentId, value, decimals, tag, "", "", "", 0);
    }

    function test_SumsUpWhatTheNamedGave() external {
        rate(bob, 90, 0, "law");
        rate(bob, 705, 1, "law");
        rate(bob, 10, 0, "art");
        rate(mallory, -1e38, 0, "law");
        address[] memory clients = new address[](1);
        clients[0] = bob;
        (uint64 count, int128 value, uint8 decimals) = reputation.getSummary(agentId, clients, "law", "");
        assertEq(count, 2);
        assertEq(value, 80.25 ether);
        assertEq(decimals, 18);
        vm.prank(bob);
        reputation.revokeFeedback(agentId, 2);
        (count, value,) = reputation.getSummary(agentId, clients, "", "");
        assertEq(count, 2);
        assertEq(value, 50 ether);
        (,,,, bool revoked) = reputation.readFeedback(agentId, bob, 2);
        assertTrue(revoked);
        (count, value,) = reputation.getSummary(agentId, clients, "", "x");
        assertEq(count, 0);
        clients[0] = mallory;
        (, value, decimals) = reputation.getSummary(agentId, clients, "", "");
        assertEq(value, -1e38);
        assertEq(decimals, 0);
        assertEq(reputation.getClients(agentId).length, 2);
        assertEq(reputation.getLastIndex(agentId, bob), 3);
        assertEq(reputation.getIdentityRegistry(), address(identity));
        vm.expectPartialRevert(IAgentReputation.AgentReputation_ClientCount.selector);
        reputation.getSummary(agentId, new address[](0), "", "");
        vm.expectPartialRevert(IAgentReputation.AgentReputation_ClientCount.selector);
        reputation.getSummary(agentId, new address[](65), "", "");
    }

    function test_RevertWhen_FeedbackRefused() external {
        vm.expectPartialRevert(IAgentReputation.AgentReputation_SelfFeedback.selector);
        rate(alice, 100, 0, "");
        vm.expectPartialRevert(IAgentReputation.AgentReputation_ValueOutOfBounds.selector);
        rate(bob, 1, 19, "");
        vm.expectPartialRevert(IAgentReputation.AgentReputation_ValueOutOfBounds.selector);
        rate(bob, 1e38 + 1, 0, "");
        vm.expectPartialRevert(IAgentReputation.AgentReputation_ValueOutOfBounds.selector);
        rate(bob, -1e38 - 1, 0, "");
        vm.expectPartialRevert(IERC721Errors.ERC721NonexistentToken.selector);
        reputation.giveFeedback(99, 1, 0, "", "", "", "", 0);
        rate(bob, 1, 0, "");
        vm.expectPartialRevert(IAgentReputation.AgentReputation_FeedbackUnknown.selector);
        reputation.revokeFeedback(agentId, 1);
        vm.startPrank(bob);
        reputation.revokeFeedback(agentId, 1);
        vm.expectPartialRevert(IAgentReputation.AgentReputation_RevokedAlready.selector);
        reputation.revokeFeedback(agentId, 1);
        vm.expectPartialRevert(IAgentReputation.AgentReputation_FeedbackUnknown.selector);
        reputation.appendResponse(agentId, bob, 2, "", 0);
        reputation.appendResponse(agentId, bob, 1, "sorry", 0);
        vm.stopPrank();
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AgentReputation(IAgentIdentity(address(0)));
    }

    // Validation

    function test_Validates() external {
        vm.expectPartialRevert(IAgentValidation.AgentValidation_NotOwner.selector);
        validation.validationRequest(bob, agentId, "", "r");
        vm.startPrank(alice);
        vm.expectRevert(Errors.ZeroAddress.selector);
        validation.validationRequest(address(0), agentId, "", "r");
        validation.validationRequest(bob, agentId, "", "r");
        vm.expectPartialRevert(IAgentValidation.AgentValidation_RequestExists.selector);
        validation.validationRequest(bob, agentId, "", "r");
        vm.expectPartialRevert(IAgentValidation.AgentValidation_NotValidator.selector);
        validation.validationResponse("r", 100, "", 0, "");
        vm.startPrank(bob);
        vm.expectPartialRevert(IAgentValidation.AgentValidation_RequestUnknown.selector);
        validation.validationResponse("q", 100, "", 0, "");
        vm.expectPartialRevert(IAgentValidation.AgentValidation_ResponseOutOfBounds.selector);
        validation.validationResponse("r", 101, "", 0, "");
        validation.validationResponse("r", 50, "", 0, "soft");
        vm.warp(vm.getBlockTimestamp() + 5);
        validation.validationResponse("r", 100, "", "h", "hard");
        (address validator, uint256 agent, uint8 response, bytes32 hash, string memory tag, uint256 updated) =
            validation.getValidationStatus("r");
        assertEq(validator, bob);
        assertEq(agent, agentId);
        assertEq(response, 100);
        assertEq(hash, bytes32("h"));
        assertEq(tag, "hard");
        assertEq(updated, vm.getBlockTimestamp());
        assertEq(validation.getIdentityRegistry(), address(identity));
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AgentValidation(IAgentIdentity(address(0)));
    }

    // Accounts

    function limit(uint128 cap) private {
        vm.startPrank(alice);
        account.setLimits(IAgentAccount.Limits(customer, cap, 1 days, uint64(vm.getBlockTimestamp() + 30 days)));
        account.setGateway(gateway, true);
        vm.stopPrank();
        vm.deal(address(account), 100 ether);
    }

    function soon() private view returns (uint64) {
        return uint64(vm.getBlockTimestamp() + 1 hours);
    }

    function buy(uint128 cap) private {
        uint64 expiry = soon();
        vm.prank(customer);
        account.authorize(gateway, cap, expiry);
    }

    function test_OneAccountForEachAgent() external {
        assertEq(accounts.create(agentId), address(account));
        assertEq(accounts.agentOf(address(account)), agentId);
        assertEq(accounts.agentOf(alice), 0);
        assertEq(account.agentId(), agentId);
        assertTrue(accounts.accountOf(2) != address(account));
        vm.expectRevert(Errors.ZeroAddress.selector);
        new AgentAccount(identity, IInferenceEscrow(address(0)));
    }

    function test_RevertWhen_NotTheOwner() external {
        bytes4 refusal = IAgentAccount.AgentAccount_NotOwner.selector;
        vm.expectPartialRevert(refusal);
        account.setLimits(IAgentAccount.Limits(mallory, 1, 1 days, 0));
        vm.expectPartialRevert(refusal);
        account.setGateway(mallory, true);
        vm.expectPartialRevert(refusal);
        account.recover(payable(mallory));
        limit(1 ether);
        // The key is not the owner either.
        vm.prank(customer);
        vm.expectPartialRevert(refusal);
        account.recover(payable(customer));
        vm.startPrank(alice);
        vm.expectPartialRevert(IAgentAccount.AgentAccount_PeriodTooShort.selector);
        account.setLimits(IAgentAccount.Limits(customer, 1, 1 hours - 1, 0));
        vm.expectRevert(Errors.ZeroAddress.selector);
        account.recover(payable(0));
    }

    function test_RevertWhen_PurchaseRefused() external {
        limit(1 ether);
        uint64 expiry = soon();
        vm.expectPartialRevert(IAgentAccount.AgentAccount_NotKey.selector);
        account.authorize(gateway, 1, expiry);
        vm.startPrank(customer);
        vm.expectPartialRevert(IAgentAccount.AgentAccount_GatewayRefused.selector);
        account.authorize(mallory, 1, expiry);
        vm.expectRevert(abi.encodeWithSelector(IAgentAccount.AgentAccount_CapExceeded.selector, 1 ether, 1 ether + 1));
        account.authorize(gateway, 1 ether + 1, expiry);
        vm.warp(vm.getBlockTimestamp() + 30 days + 1);
        vm.expectPartialRevert(IAgentAccount.AgentAccount_NotKey.selector);
        account.authorize(gateway, 1, expiry);
    }

    /// @dev An agent's purchase, from its purse to the gateway's funds.
    function test_BuysInference() external {
        limit(3 ether);
        buy(2 ether);
        assertEq(account.leftInPeriod(), 1 ether);
        IInferenceEscrow.Voucher memory v =
            IInferenceEscrow.Voucher({customer: address(account), gateway: gateway, nonce: 1, cumulative: 1.5 ether});
        redeem(v, signVoucher(v, customerKey));
        (uint256 available,) = settlement.fundsOf(gateway);
        assertEq(available, 1.5 ether);
        // Raising a live authorisation counts the difference.
        buy(3 ether);
        assertEq(account.leftInPeriod(), 0);
        vm.prank(customer);
        vm.expectPartialRevert(IAgentAccount.AgentAccount_CapExceeded.selector);
        account.authorize(gateway, 3 ether + 1, type(uint64).max);
        assertEq(account.limits().cap, 3 ether);
        assertTrue(account.isAllowed(gateway));
    }

    function testFuzz_APeriodCostsItsCap(uint128 cap, uint128[5] memory amounts, uint32[5] memory waits) external {
        cap = uint128(bound(cap, 1, 10 ether));
        limit(cap);
        uint256 start = vm.getBlockTimestamp();
        for (uint256 i; i < 5; ++i) {
            vm.warp(vm.getBlockTimestamp() + bound(waits[i], 1 hours + 1, 12 hours));
            uint128 amount = uint128(bound(amounts[i], 1, cap));
            uint64 expiry = soon();
            vm.prank(customer);
            try account.authorize(gateway, amount, expiry) {} catch {}
        }
        uint256 periods = (vm.getBlockTimestamp() - start) / 1 days + 1;
        (uint256 free, uint256 locked) = escrow.balanceOf(address(account));
        assertLe(free + locked, periods * cap);
        assertEq(free + locked + address(account).balance, 100 ether);
    }

    function test_WhatCameBackIsUsedFirst() external {
        limit(2 ether);
        buy(2 ether);
        vm.warp(vm.getBlockTimestamp() + 1 days);
        assertEq(account.leftInPeriod(), 2 ether);
        buy(2 ether);
        assertEq(address(account).balance, 98 ether);
        vm.warp(vm.getBlockTimestamp() + 2 hours);
        escrow.release(address(account), gateway);
        // A new owner has the purse, and the old key nothing.
        vm.prank(alice);
        identity.transferFrom(alice, bob, agentId);
        vm.prank(alice);
        vm.expectPartialRevert(IAgentAccount.AgentAccount_NotOwner.selector);
        account.recover(payable(alice));
        vm.prank(bob);
        assertEq(account.recover(payable(bob)), 100 ether);
        assertEq(bob.balance, 100 ether);
    }
}
