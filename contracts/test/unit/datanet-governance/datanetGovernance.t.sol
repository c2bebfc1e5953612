// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdmission} from "../../../src/interfaces/IAdmission.sol";
import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetGovernance} from "../../../src/interfaces/IDatanetGovernance.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {DatanetGovernance} from "../../../src/l2/governance/DatanetGovernance.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract DatanetGovernanceTest is EconomyTest {
    DatanetGovernance private council;
    uint256 private datanetId;
    address private immutable founder = makeAddr("founder");
    address private immutable candidate = makeAddr("candidate");
    address[] private contributors;

    /// @dev A Datanet whose pool has paid 10 OPEN: 1 to each of eight contributors, 2 to alice.
    function setUp() public override {
        super.setUp();
        council = new DatanetGovernance(datanets, settlement);
        vm.prank(founder);
        datanetId = council.found(datanetParams(), 30 days);
        accept(contribute(alice, datanetId, 1));
        vm.prank(curator);
        datanets.publishVersion(datanetId, keccak256("clusters"));
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
        earn(datanetId, alice, 2 ether);
        for (uint256 i; i < 8; ++i) {
            contributors.push(makeAddr(string.concat("contributor ", vm.toString(i))));
            earn(datanetId, contributors[i], 1 ether);
        }
        settle(onePool(modelId, 100 ether, datanetId, 10 ether));
        claimFor(datanetId, alice);
        for (uint256 i; i < 8; ++i) {
            claimFor(datanetId, contributors[i]);
        }
    }

    function self(address who) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = who;
    }

    function proposeAs(address who) private returns (uint256) {
        vm.prank(who);
        return council.propose(datanetId, candidate, true);
    }

    function voteAs(address who, uint256 id, bool support) private returns (uint128) {
        vm.prank(who);
        return council.vote(id, support, self(who));
    }

    function test_Founding() external {
        vm.expectRevert(Errors.ZeroAddress.selector);
        new DatanetGovernance(IDatanetRegistry(address(0)), settlement);
        vm.expectRevert(Errors.ZeroAddress.selector);
        new DatanetGovernance(datanets, IAttributionSettlement(address(0)));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_FounderTimeTooLong.selector);
        council.found(datanetParams(), 365 days + 1);
        assertEq(datanets.ownerOf(datanetId), address(council));
        assertEq(council.foundingOf(datanetId).founder, founder);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotFounder.selector);
        council.setCurator(datanetId, mallory, true);
        vm.startPrank(founder);
        council.setCurator(datanetId, candidate, true);
        assertTrue(datanets.isCurator(datanetId, candidate));
        council.setCurator(datanetId, candidate, false);
        assertFalse(datanets.isCurator(datanetId, candidate));
        council.setAdmission(datanetId, IAdmission(bob));
        assertEq(address(datanets.admissionOf(datanetId)), bob);
        vm.warp(council.foundingOf(datanetId).founderUntil);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotFounder.selector);
        council.setCurator(datanetId, candidate, true);
    }

    function test_RevertWhen_ProposerEarnedNothing() external {
        vm.expectRevert(
            abi.encodeWithSelector(IDatanetGovernance.DatanetGovernance_NoWeight.selector, datanetId, mallory)
        );
        proposeAs(mallory);
        vm.expectRevert(Errors.ZeroAddress.selector);
        vm.prank(alice);
        council.propose(datanetId, address(0), true);
    }

    function test_RevertWhen_VoteRefused() external {
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_ProposalUnknown.selector);
        council.vote(1, true, self(alice));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_ProposalUnknown.selector);
        council.weightOf(1, alice);
        uint256 id = proposeAs(alice);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_BatchSize.selector);
        council.vote(id, true, new address[](0));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_BatchSize.selector);
        council.vote(id, true, new address[](65));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotDelegate.selector);
        council.vote(id, true, self(alice));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NoWeight.selector);
        voteAs(mallory, id, true);
        voteAs(alice, id, true);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_VotedAlready.selector);
        voteAs(alice, id, true);
        // Not twice in one batch either.
        address[] memory twice = new address[](2);
        (twice[0], twice[1]) = (contributors[0], contributors[0]);
        vm.prank(contributors[0]);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_VotedAlready.selector);
        council.vote(id, true, twice);
        vm.warp(vm.getBlockTimestamp() + 7 days);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_VotingClosed.selector);
        voteAs(contributors[0], id, true);
    }

    function test_DelegatesVoteForOthers() external {
        uint256 id = proposeAs(alice);
        for (uint256 i; i < 8; ++i) {
            vm.prank(contributors[i]);
            council.delegate(datanetId, bob);
        }
        assertEq(council.delegateOf(datanetId, contributors[0]), bob);
        vm.prank(contributors[7]);
        council.delegate(datanetId, address(0));
        vm.prank(bob);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotDelegate.selector);
        council.vote(id, true, contributors);
        contributors.pop();
        vm.prank(bob);
        assertEq(council.vote(id, false, contributors), 7 ether);
        // Twice the earnings, but a tenth of the pool at most.
        assertEq(council.weightOf(id, alice), 1 ether);
        assertEq(voteAs(alice, id, true), 1 ether);
        assertTrue(council.hasVoted(id, contributors[0]));
        IDatanetGovernance.Proposal memory p = council.proposalOf(id);
        assertEq(p.inFavour, 1 ether);
        assertEq(p.against, 7 ether);
        vm.warp(vm.getBlockTimestamp() + 9 days);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotPassed.selector);
        council.execute(id);
    }

    function test_Executes() external {
        uint256 id = proposeAs(alice);
        voteAs(alice, id, true);
        voteAs(contributors[0], id, true);
        voteAs(contributors[1], id, false);
        vm.warp(vm.getBlockTimestamp() + 9 days - 1);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotExecutable.selector);
        council.execute(id);
        vm.warp(vm.getBlockTimestamp() + 1);
        council.execute(id);
        assertTrue(datanets.isCurator(datanetId, candidate));
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotExecutable.selector);
        council.execute(id);
    }

    function test_RevertWhen_LapsedOrWithoutQuorum() external {
        uint256 id = proposeAs(alice);
        voteAs(alice, id, true);
        uint256 empty = proposeAs(contributors[0]);
        vm.warp(vm.getBlockTimestamp() + 9 days);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotPassed.selector);
        council.execute(empty);
        vm.warp(vm.getBlockTimestamp() + 14 days);
        vm.expectPartialRevert(IDatanetGovernance.DatanetGovernance_NotExecutable.selector);
        council.execute(id);
    }
}
