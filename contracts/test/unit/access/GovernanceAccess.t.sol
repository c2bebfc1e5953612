// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {IAdmission} from "../../../src/interfaces/IAdmission.sol";
import {IAgentAccount, IAgentIdentity, IAgentReputation, IAgentValidation} from "../../../src/interfaces/IAgents.sol";
import {IDatanetGovernance} from "../../../src/interfaces/IDatanetGovernance.sol";
import {IExpiringPause} from "../../../src/interfaces/IExpiringPause.sol";
import {IInferencePayments} from "../../../src/interfaces/IInferencePayments.sol";
import {ISponsorPool} from "../../../src/interfaces/ISponsorPool.sol";
import {IStaking} from "../../../src/interfaces/IStaking.sol";
import {AgentAccount} from "../../../src/l2/agents/AgentAccount.sol";
import {AgentAccounts} from "../../../src/l2/agents/AgentAccounts.sol";
import {AgentIdentity} from "../../../src/l2/agents/AgentIdentity.sol";
import {AgentReputation} from "../../../src/l2/agents/AgentReputation.sol";
import {AgentValidation} from "../../../src/l2/agents/AgentValidation.sol";
import {DatanetGovernance} from "../../../src/l2/governance/DatanetGovernance.sol";
import {InferencePayments} from "../../../src/l2/payments/InferencePayments.sol";
import {SponsorPool} from "../../../src/l2/payments/SponsorPool.sol";
import {AccessTable} from "../../utils/AccessTable.sol";
import {GovernanceTest} from "../../utils/GovernanceTest.sol";

/// @notice Who may write what in staking, governance, payments and agents.
contract GovernanceAccessTest is GovernanceTest, AccessTable {
    bytes4 private constant NOT_OWNER = Ownable.OwnableUnauthorizedAccount.selector;

    function ownable(address target) private {
        only("transferOwnership(address)", NOT_OWNER, abi.encodeCall(staking.transferOwnership, (target)));
        only("acceptOwnership()", NOT_OWNER, abi.encodeCall(staking.acceptOwnership, ()));
        only("renounceOwnership()", NOT_OWNER, abi.encodeCall(staking.renounceOwnership, ()));
    }

    function test_Staking() external {
        IStaking.Role role = IStaking.Role.Attestor;
        ownable(mallory);
        // Own stake, own exit, own credit; or the same whoever calls.
        anyone("collect(uint8,address,address)");
        anyone("donate()");
        anyone("enroll(uint8,uint16,address)");
        anyone("finishExit(uint256,address)");
        anyone("harvest()");
        anyone("list(uint8,address)");
        anyone("lowerCommission(uint8,uint16)");
        anyone("requestExit(uint8,address,uint256)");
        anyone("stake(uint8,address)");
        anyone("withdraw(address)");
        bytes4 refusal = IExpiringPause.ExpiringPause_NotGuardian.selector;
        only("pause(uint64)", refusal, abi.encodeCall(staking.pause, (1)));
        only("unpause()", refusal, abi.encodeCall(staking.unpause, ()));
        only("setGuardian(address)", NOT_OWNER, abi.encodeCall(staking.setGuardian, (mallory)));
        only(
            "scheduleSlasher(uint8,address,uint32)",
            NOT_OWNER,
            abi.encodeCall(staking.scheduleSlasher, (role, mallory, 1))
        );
        only("retireSlasher(uint8,address)", NOT_OWNER, abi.encodeCall(staking.retireSlasher, (role, mallory)));
        only(
            "slash(uint8,address,uint256,bytes32,address)",
            IStaking.Staking_NotSlasher.selector,
            abi.encodeCall(staking.slash, (role, alice, 1, 0, mallory))
        );
        check("Staking", address(staking), mallory);
    }

    function test_AttestorFaults() external {
        // The evidence decides, not the sender.
        anyone(
            "report((uint64,address,bytes32,bytes32,uint64,uint32,bytes32,uint128,(uint256,uint128,uint128)[],(uint256,uint128)[]),bytes[])"
        );
        check("AttestorFaults", address(faults), mallory);
    }

    function test_GOPEN() external {
        anyone("delegate(address)");
        anyone("delegateBySig(address,uint256,uint256,uint8,bytes32,bytes32)");
        anyone("lock(uint128,uint32)");
        anyone("lockNative(uint32)");
        anyone("lockWithPermit(uint128,uint32,uint256,uint8,bytes32,bytes32)");
        anyone("raiseNotice(uint32)");
        anyone("requestUnlock(uint128)");
        anyone("unlock(uint256,address)");
        check("GOPEN", address(votes), mallory);
    }

    function test_OpenTimelock() external {
        bytes4 refusal = IAccessControl.AccessControlUnauthorizedAccount.selector;
        bytes32 role = timelock.PROPOSER_ROLE();
        address[] memory a = new address[](1);
        uint256[] memory n = new uint256[](1);
        bytes[] memory b = new bytes[](1);
        only("cancel(bytes32)", refusal, abi.encodeCall(timelock.cancel, (0)));
        only(
            "execute(address,uint256,bytes,bytes32,bytes32)",
            refusal,
            abi.encodeCall(timelock.execute, (mallory, 0, "", 0, 0))
        );
        only(
            "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)",
            refusal,
            abi.encodeCall(timelock.executeBatch, (a, n, b, 0, 0))
        );
        only("grantRole(bytes32,address)", refusal, abi.encodeCall(timelock.grantRole, (role, mallory)));
        only("revokeRole(bytes32,address)", refusal, abi.encodeCall(timelock.revokeRole, (role, alice)));
        only(
            "renounceRole(bytes32,address)",
            IAccessControl.AccessControlBadConfirmation.selector,
            abi.encodeCall(timelock.renounceRole, (role, address(governor)))
        );
        only(
            "schedule(address,uint256,bytes,bytes32,bytes32,uint256)",
            refusal,
            abi.encodeCall(timelock.schedule, (mallory, 0, "", 0, 0, 7 days))
        );
        only(
            "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)",
            refusal,
            abi.encodeCall(timelock.scheduleBatch, (a, n, b, 0, 0, 7 days))
        );
        only(
            "updateDelay(uint256)",
            TimelockController.TimelockUnauthorizedCaller.selector,
            abi.encodeCall(timelock.updateDelay, (1 days))
        );
        receivers();
        check("OpenTimelock", address(timelock), mallory);
        assertFalse(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(this)));
        assertTrue(timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), address(timelock)));
    }

    function test_OpenGovernor() external {
        bytes4 refusal = IGovernor.GovernorOnlyExecutor.selector;
        anyone("cancel(address[],uint256[],bytes[],bytes32)");
        anyone("castVote(uint256,uint8)");
        anyone("castVoteBySig(uint256,uint8,address,bytes)");
        anyone("castVoteWithReason(uint256,uint8,string)");
        anyone("castVoteWithReasonAndParams(uint256,uint8,string,bytes)");
        anyone("castVoteWithReasonAndParamsBySig(uint256,uint8,address,string,bytes,bytes)");
        anyone("execute(address[],uint256[],bytes[],bytes32)");
        anyone("propose(address[],uint256[],bytes[],string)");
        anyone("queue(address[],uint256[],bytes[],bytes32)");
        only("relay(address,uint256,bytes)", refusal, abi.encodeCall(governor.relay, (mallory, 0, "")));
        only("setLateQuorumVoteExtension(uint48)", refusal, abi.encodeCall(governor.setLateQuorumVoteExtension, (0)));
        only("setProposalThreshold(uint256)", refusal, abi.encodeCall(governor.setProposalThreshold, (100 ether)));
        only("setVotingDelay(uint48)", refusal, abi.encodeCall(governor.setVotingDelay, (1 days)));
        only("setVotingPeriod(uint32)", refusal, abi.encodeCall(governor.setVotingPeriod, (3 days)));
        only("updateQuorumNumerator(uint256)", refusal, abi.encodeCall(governor.updateQuorumNumerator, (2)));
        receivers();
        check("OpenGovernor", address(governor), mallory);
    }

    function receivers() private {
        // Answers to transfers of tokens; they change nothing.
        anyone("onERC1155BatchReceived(address,address,uint256[],uint256[],bytes)");
        anyone("onERC1155Received(address,address,uint256,uint256,bytes)");
        anyone("onERC721Received(address,address,uint256,bytes)");
    }

    function test_EconomyParameters() external {
        ownable(mallory);
        anyone("acceptSettlement()");
        only("handOver(address)", NOT_OWNER, abi.encodeCall(parameters.handOver, (mallory)));
        only("setEngine(address,bool)", NOT_OWNER, abi.encodeCall(parameters.setEngine, (mallory, true)));
        only(
            "setParameters((uint16,uint8,uint32,uint128,address,address,address))",
            NOT_OWNER,
            abi.encodeCall(parameters.setParameters, (defaultParameters()))
        );
        check("EconomyParameters", address(parameters), mallory);
    }

    function test_DatanetGovernance() external {
        DatanetGovernance council = new DatanetGovernance(datanets, settlement);
        anyone("delegate(uint256,address)");
        anyone("execute(uint256)");
        anyone("found((string,string,bytes32,bytes32,uint96,uint32,address[]),uint64)");
        only(
            "propose(uint256,address,bool)",
            IDatanetGovernance.DatanetGovernance_NoWeight.selector,
            abi.encodeCall(council.propose, (1, mallory, true))
        );
        only(
            "setCurator(uint256,address,bool)",
            IDatanetGovernance.DatanetGovernance_NotFounder.selector,
            abi.encodeCall(council.setCurator, (1, mallory, true))
        );
        only(
            "setAdmission(uint256,address)",
            IDatanetGovernance.DatanetGovernance_NotFounder.selector,
            abi.encodeCall(council.setAdmission, (1, IAdmission(mallory)))
        );
        anyone("vote(uint256,bool,address[])");
        check("DatanetGovernance", address(council), mallory);
    }

    function test_Payments() external {
        InferencePayments payments = new InferencePayments(wopen, escrow, settlement);
        // The payer's signature decides, not the sender.
        string memory signature = "(uint128,uint256,uint256,uint8,bytes32,bytes32))";
        anyone(string.concat("pay((address,address,uint256,bytes32,bytes32),", signature));
        anyone(string.concat("topUp(address,bytes32,", signature));
        // Each payment names its gateway; there is none to capture here.
        only(
            "capture(bytes32[],uint128[])",
            IInferencePayments.InferencePayments_Unknown.selector,
            abi.encodeCall(payments.capture, (new bytes32[](1), new uint128[](1)))
        );
        only(
            "refund(bytes32)",
            IInferencePayments.InferencePayments_Unknown.selector,
            abi.encodeCall(payments.refund, (bytes32(0)))
        );
        check("InferencePayments", address(payments), mallory);
    }

    function test_SponsorPool() external {
        SponsorPool pool = new SponsorPool();
        anyone("deposit()");
        anyone("setLimits(address,uint128)");
        // The signature of the sponsor's signer decides.
        anyone("grant((address,address,uint128,uint64),bytes)");
        only(
            "withdraw(address,uint128)",
            ISponsorPool.SponsorPool_BudgetExceeded.selector,
            abi.encodeCall(pool.withdraw, (payable(mallory), 1))
        );
        check("SponsorPool", address(pool), mallory);
    }

    function test_SettlementLens() external {
        check("SettlementLens", address(0), mallory);
    }

    function test_Agents() external {
        AgentIdentity identity = new AgentIdentity();
        vm.prank(alice);
        identity.register();
        // An operator's right over a token is the token's owner's to give.
        anyone("approve(address,uint256)");
        anyone("setApprovalForAll(address,bool)");
        anyone("register()");
        anyone("register(string)");
        anyone("register(string,(string,bytes)[])");
        anyone("safeTransferFrom(address,address,uint256)");
        anyone("safeTransferFrom(address,address,uint256,bytes)");
        bytes4 refusal = IERC721Errors.ERC721InsufficientApproval.selector;
        only(
            "transferFrom(address,address,uint256)", refusal, abi.encodeCall(identity.transferFrom, (alice, mallory, 1))
        );
        refusal = IAgentIdentity.AgentIdentity_NotOwner.selector;
        only("setAgentURI(uint256,string)", refusal, abi.encodeCall(identity.setAgentURI, (1, "")));
        only(
            "setAgentWallet(uint256,address,uint256,bytes)",
            refusal,
            abi.encodeCall(identity.setAgentWallet, (1, mallory, type(uint256).max, ""))
        );
        only("setMetadata(uint256,string,bytes)", refusal, abi.encodeCall(identity.setMetadata, (1, "", "")));
        only("unsetAgentWallet(uint256)", refusal, abi.encodeCall(identity.unsetAgentWallet, (1)));
        check("AgentIdentity", address(identity), mallory);
        AgentReputation reputation = new AgentReputation(identity);
        anyone("appendResponse(uint256,address,uint64,string,bytes32)");
        // Anyone but the agent's own.
        anyone("giveFeedback(uint256,int128,uint8,string,string,string,string,bytes32)");
        only(
            "revokeFeedback(uint256,uint64)",
            IAgentReputation.AgentReputation_FeedbackUnknown.selector,
            abi.encodeCall(reputation.revokeFeedback, (1, 1))
        );
        check("AgentReputation", address(reputation), mallory);
        AgentValidation validation = new AgentValidation(identity);
        vm.prank(alice);
        validation.validationRequest(bob, 1, "", "r");
        only(
            "validationRequest(address,uint256,string,bytes32)",
            IAgentValidation.AgentValidation_NotOwner.selector,
            abi.encodeCall(validation.validationRequest, (mallory, 1, "", "q"))
        );
        only(
            "validationResponse(bytes32,uint8,string,bytes32,string)",
            IAgentValidation.AgentValidation_NotValidator.selector,
            abi.encodeCall(validation.validationResponse, ("r", 1, "", 0, ""))
        );
        check("AgentValidation", address(validation), mallory);
        AgentAccounts accounts = new AgentAccounts(identity, escrow);
        anyone("create(uint256)");
        check("AgentAccounts", address(accounts), mallory);
        AgentAccount account = AgentAccount(payable(accounts.create(1)));
        only(
            "authorize(address,uint128,uint64)",
            IAgentAccount.AgentAccount_NotKey.selector,
            abi.encodeCall(account.authorize, (mallory, 1, type(uint64).max))
        );
        refusal = IAgentAccount.AgentAccount_NotOwner.selector;
        only("recover(address)", refusal, abi.encodeCall(account.recover, (payable(mallory))));
        only("setGateway(address,bool)", refusal, abi.encodeCall(account.setGateway, (mallory, true)));
        only(
            "setLimits((address,uint128,uint32,uint64))",
            refusal,
            abi.encodeCall(account.setLimits, (IAgentAccount.Limits(mallory, 1, 1 days, 0)))
        );
        check("AgentAccount", address(account), mallory);
    }

    /// @dev Owner and guardian of staking use every power they have, and every wei stays whose it was.
    function test_GovernanceMovesNoStake() external {
        vm.deal(alice, 2_000 ether);
        vm.startPrank(alice);
        staking.enroll{value: 2_000 ether}(IStaking.Role.Attestor, 0, address(0));
        uint256 exitId = staking.requestExit(IStaking.Role.Attestor, alice, 1_000 ether);
        vm.startPrank(guardian);
        staking.pause(7 days);
        vm.startPrank(address(timelock));
        staking.setGuardian(mallory);
        staking.scheduleSlasher(IStaking.Role.Attestor, address(dispute), 1 days);
        vm.expectRevert();
        staking.slash(IStaking.Role.Attestor, alice, 1, 0, mallory);
        vm.stopPrank();
        vm.warp(vm.getBlockTimestamp() + staking.unbondingSeconds());
        vm.prank(alice);
        assertEq(staking.finishExit(exitId, payable(alice)), 1_000 ether);
        assertEq(staking.stakeOf(IStaking.Role.Attestor, alice, alice), 1_000 ether);
    }
}
