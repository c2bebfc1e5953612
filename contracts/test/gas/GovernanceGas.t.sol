// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IStaking} from "../../src/interfaces/IStaking.sol";
import {AgentAccount} from "../../src/l2/agents/AgentAccount.sol";
import {AgentAccounts} from "../../src/l2/agents/AgentAccounts.sol";
import {AgentIdentity} from "../../src/l2/agents/AgentIdentity.sol";
import {IAgentAccount} from "../../src/interfaces/IAgents.sol";
import {IInferencePayments} from "../../src/interfaces/IInferencePayments.sol";
import {ISponsorPool} from "../../src/interfaces/ISponsorPool.sol";
import {InferencePayments} from "../../src/l2/payments/InferencePayments.sol";
import {SponsorPool} from "../../src/l2/payments/SponsorPool.sol";
import {GovernanceTest} from "../utils/GovernanceTest.sol";

/// @notice Gas of staking, governance, payments and agents, each call as a transaction of its own. The figures are kept in
/// contracts/snapshots/GovernanceGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract GovernanceGasTest is GovernanceTest {
    string private constant GROUP = "GovernanceGas";
    IStaking.Role private constant ROLE = IStaking.Role.Attestor;
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    function record(string memory name) private {
        vm.snapshotValue(GROUP, name, vm.lastCallGas().gasTotalUsed);
    }

    function stakeAs(address who, uint256 amount) private {
        vm.deal(who, who.balance + amount);
        vm.prank(who);
        staking.stake{value: amount}(ROLE, alice);
    }

    function test_Gas_Staking() external {
        vm.deal(alice, 5_000 ether);
        vm.prank(alice);
        staking.enroll{value: 5_000 ether}(ROLE, 500, address(0));
        record("staking: enrol");
        stakeAs(bob, 1 ether);
        record("staking: first stake behind an operator");
        vm.deal(address(this), 10 ether);
        staking.donate{value: 5 ether}();
        stakeAs(bob, 1 ether);
        record("staking: stake more, with rewards booked");
        staking.donate{value: 5 ether}();
        record("staking: share out fees, however many stakers");
        staking.collect(ROLE, alice, bob);
        record("staking: collect rewards");
        vm.prank(bob);
        uint256 id = staking.requestExit(ROLE, alice, 1 ether);
        record("staking: ask stake back");
        vm.warp(vm.getBlockTimestamp() + 21 days);
        vm.prank(bob);
        staking.finishExit(id, payable(bob));
        record("staking: receive it");
    }

    function test_Gas_Votes() external {
        lockAs(alice, 1e6 ether, 730 days);
        record("votes: first lock of native OPEN");
        vm.warp(vm.getBlockTimestamp() + 1);
        bytes memory call = abi.encodeCall(staking.setGuardian, (bob));
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(address(staking), call);
        vm.prank(alice);
        uint256 id = governor.propose(targets, values, calls, "change");
        record("governor: propose");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(alice);
        governor.castVote(id, 1);
        record("governor: vote");
        vm.warp(governor.proposalDeadline(id) + 1);
        governor.queue(targets, values, calls, keccak256("change"));
        record("governor: queue");
        vm.warp(governor.proposalEta(id));
        governor.execute(targets, values, calls, keccak256("change"));
        record("governor: execute");
        vm.prank(alice);
        votes.requestUnlock(1 ether);
        record("votes: ask OPEN back");
    }

    function test_Gas_Payments() external {
        InferencePayments payments = new InferencePayments(wopen, escrow, settlement);
        vm.deal(customer, 1_000 ether);
        vm.prank(customer);
        wopen.deposit{value: 1_000 ether}();
        bytes32[] memory ids = new bytes32[](100);
        uint128[] memory amounts = new uint128[](100);
        for (uint256 i; i < 100; ++i) {
            IInferencePayments.Terms memory terms =
                IInferencePayments.Terms(customer, gateway, 1, "request", bytes32(i));
            ids[i] = payments.paymentIdOf(terms);
            amounts[i] = 0.9 ether;
            IInferencePayments.Authorization memory a = signed(address(payments), ids[i]);
            payments.pay(terms, a);
        }
        record("payments: x402 payment, brought by a facilitator");
        vm.prank(gateway);
        payments.capture(ids, amounts);
        vm.snapshotValue(GROUP, "payments: capture with refund, each of 100", vm.lastCallGas().gasTotalUsed / 100);
    }

    function signed(address to, bytes32 nonce) private view returns (IInferencePayments.Authorization memory a) {
        (a.amount, a.validBefore) = (1 ether, vm.getBlockTimestamp() + 60);
        bytes32 hash = keccak256(abi.encode(RECEIVE, customer, to, 1 ether, 0, a.validBefore, nonce));
        (a.v, a.r, a.s) = vm.sign(customerKey, keccak256(abi.encodePacked("\x19\x01", wopen.DOMAIN_SEPARATOR(), hash)));
    }

    function test_Gas_Sponsor() external {
        SponsorPool pool = new SponsorPool();
        vm.deal(address(this), 10 ether);
        pool.deposit{value: 10 ether}();
        pool.setLimits(customer, 10 ether);
        ISponsorPool.Grant memory g = ISponsorPool.Grant(address(this), bob, 0.01 ether, type(uint64).max);
        bytes memory signature = sign(customerKey, pool.hashGrant(g));
        pool.grant(g, signature);
        record("sponsors: first action of a newcomer");
    }

    function test_Gas_Agents() external {
        AgentIdentity identity = new AgentIdentity();
        AgentAccounts accounts = new AgentAccounts(identity, escrow);
        vm.prank(alice);
        identity.register("https://agents.example/1.json");
        record("agents: register");
        AgentAccount account = AgentAccount(payable(accounts.create(1)));
        record("agents: create the account");
        vm.deal(address(account), 10 ether);
        vm.startPrank(alice);
        account.setLimits(IAgentAccount.Limits(customer, 5 ether, 1 days, type(uint64).max));
        account.setGateway(gateway, true);
        vm.stopPrank();
        uint64 expiry = uint64(vm.getBlockTimestamp() + 1 days);
        vm.prank(customer);
        account.authorize(gateway, 1 ether, expiry);
        record("agents: first authorisation within the cap");
    }
}
