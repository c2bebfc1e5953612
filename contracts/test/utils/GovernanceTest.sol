// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {GovernanceDeployment} from "../../script/GovernanceDeployment.sol";
import {AttestorFaults} from "../../src/l2/AttestorFaults.sol";
import {Staking} from "../../src/l2/Staking.sol";
import {EconomyParameters} from "../../src/l2/governance/EconomyParameters.sol";
import {GOPEN} from "../../src/l2/governance/GOPEN.sol";
import {OpenGovernor} from "../../src/l2/governance/OpenGovernor.sol";
import {OpenTimelock} from "../../src/l2/governance/OpenTimelock.sol";
import {WOPEN} from "../../src/l2/predeploys/WOPEN.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {EconomyTest} from "./EconomyTest.sol";

/// @notice The economy with staking and governance as they are deployed: the timelock owns, through the parameters, the
/// settlement.
abstract contract GovernanceTest is EconomyTest {
    WOPEN internal constant wopen = WOPEN(payable(Predeploys.WOPEN));

    Staking internal staking;
    AttestorFaults internal faults;
    GOPEN internal votes;
    OpenTimelock internal timelock;
    OpenGovernor internal governor;
    EconomyParameters internal parameters;

    address internal immutable guardian = makeAddr("guardian");

    function setUp() public virtual override {
        super.setUp();
        deployCodeTo("WOPEN.sol:WOPEN", "", address(wopen));
        address[6] memory addresses;
        for (uint256 i; i < 6; ++i) {
            addresses[i] = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + i);
        }
        GovernanceDeployment.Deployment memory d = GovernanceDeployment.deploy(settlement, wopen, guardian, addresses);
        (staking, faults, votes) = (d.staking, d.faults, d.votes);
        (timelock, governor, parameters) = (d.timelock, d.governor, d.parameters);
        assertEq(address(faults), addresses[1]);
        assertEq(address(timelock), addresses[3]);
        assertEq(address(governor), addresses[4]);
        vm.prank(governance);
        settlement.transferOwnership(address(parameters));
        parameters.acceptSettlement();
    }

    function lockAs(address who, uint256 amount, uint32 notice) internal {
        vm.deal(who, who.balance + amount);
        vm.prank(who);
        votes.lockNative{value: amount}(notice);
    }

    /// @dev Proposes as alice, votes as alice, and goes through to just before execution.
    function pass(address target, bytes memory call) internal returns (uint256 id) {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(target, call);
        vm.prank(alice);
        id = governor.propose(targets, values, calls, "change");
        vm.warp(governor.proposalSnapshot(id) + 1);
        vm.prank(alice);
        governor.castVote(id, 1);
        vm.warp(governor.proposalDeadline(id) + 1);
        governor.queue(targets, values, calls, keccak256("change"));
        vm.warp(governor.proposalEta(id));
    }

    function execute(address target, bytes memory call) internal {
        (address[] memory targets, uint256[] memory values, bytes[] memory calls) = actions(target, call);
        governor.execute(targets, values, calls, keccak256("change"));
    }

    function actions(address target, bytes memory call)
        internal
        pure
        returns (address[] memory targets, uint256[] memory values, bytes[] memory calls)
    {
        (targets, values, calls) = (new address[](1), new uint256[](1), new bytes[](1));
        (targets[0], calls[0]) = (target, call);
    }
}
