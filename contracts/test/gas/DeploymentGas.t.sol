// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IRecordTypes} from "../../src/interfaces/IRecordTypes.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {OpenGovernor} from "../../src/l2/governance/OpenGovernor.sol";
import {GovernanceTest} from "../utils/GovernanceTest.sol";
import {RecordTest} from "../utils/RecordTest.sol";

/// @notice What it costs to deploy a contract by a transaction of its own: the constructor, 200 gas a byte of code, and the
/// transaction with its initcode as calldata (EIP-3860, EIP-7623). A chain of ours has them in its genesis. Kept in
/// contracts/snapshots/DeploymentGas.json; FORGE_SNAPSHOT_CHECK=true compares.
abstract contract DeploymentMeter is Test {
    string private constant GROUP = "DeploymentGas";

    function measure(string memory name, bytes memory arguments) internal {
        bytes memory initcode = bytes.concat(vm.getCode(string.concat(name, ".sol:", name)), arguments);
        assertLe(initcode.length, 49_152, name);
        address made;
        uint256 gas = gasleft();
        assembly ("memory-safe") {
            made := create(0, add(initcode, 0x20), mload(initcode))
        }
        // `create` pays for the creation and for the words of the initcode as a transaction does.
        gas -= gasleft();
        assertTrue(made != address(0), name);
        assertLe(made.code.length, 24_576, name);
        uint256 tokens;
        for (uint256 i; i < initcode.length; ++i) {
            tokens += initcode[i] == 0 ? 1 : 4;
        }
        gas += 4 * tokens;
        vm.snapshotValue(GROUP, name, 21_000 + (gas > 10 * tokens ? gas : 10 * tokens));
    }
}

contract EconomyDeploymentGasTest is RecordTest, DeploymentMeter {
    function test_Gas_Deployment() external {
        address[] memory set = new address[](3);
        (set[0], set[1], set[2]) = (engines[0], engines[1], engines[2]);
        IRecordTypes.Spec memory spec = IRecordTypes.Spec(SPEC, 250_000_000, 6, 64, keccak256("tokens"), 49_152);
        measure("DatanetRegistry", abi.encode(sink));
        measure("ModelRegistry", abi.encode(datanets));
        measure("InferenceEscrow", abi.encode(settlement));
        measure("AttributionDispute", abi.encode(settlement));
        measure(
            "AttributionSettlement",
            abi.encode(governance, models, dispute, CHALLENGE_WINDOW_MIN, defaultParameters(), set)
        );
        measure("ReviewerPool", abi.encode(SEAT, review, sink));
        measure("ContributionReview", abi.encode(datanets, pool, challenges, sink));
        measure("ContentChallenges", abi.encode(datanets, review, sink, CHALLENGE_BOND, RESPONSE_WINDOW));
        measure("RecordFacts", abi.encode(settlement, models, datanets, challenges, spec));
        measure("SurpriseFacts", abi.encode(settlement, models, datanets, challenges, spec));
        measure(
            "RecordDispute",
            abi.encode(dispute, facts, surpriseFacts, disclosure, settlement, models, datanets, spec, uint32(1 hours))
        );
        measure("EpochDisclosure", abi.encode(settlement, records, models));
        measure("SettlementLens", abi.encode(settlement, models));
        measure("DatanetGovernance", abi.encode(datanets, settlement));
        measure("SponsorPool", "");
        measure("AgentIdentity", "");
        // Any contract does where only an address is kept.
        measure("AgentReputation", abi.encode(datanets));
        measure("AgentValidation", abi.encode(datanets));
        measure("AgentAccounts", abi.encode(datanets, escrow));
        measure("InferencePayments", abi.encode(datanets, escrow, settlement));
    }
}

contract GovernanceDeploymentGasTest is GovernanceTest, DeploymentMeter {
    function test_Gas_Deployment() external {
        IStaking.Init memory init;
        (init.owner, init.guardian, init.settlement) = (address(timelock), guardian, address(settlement));
        (init.unbondingSeconds, init.selfStakeMin, init.poolFloor) = (21 days, 1_000 ether, 100_000 ether);
        init.slashers = new IStaking.SlasherInit[](1);
        init.slashers[0] = IStaking.SlasherInit(IStaking.Role.Attestor, address(faults), 10 days);
        measure("Staking", abi.encode(init));
        measure(
            "AttestorFaults",
            abi.encode(
                IAttributionSettlement(address(settlement)), staking, uint32(7 days), uint32(3 days), uint16(5_000)
            )
        );
        measure("WOPEN", "");
        measure("GOPEN", abi.encode(wopen, uint32(35 days)));
        measure("OpenTimelock", abi.encode(uint256(2 days), address(governor)));
        measure(
            "OpenGovernor", abi.encode(votes, timelock, OpenGovernor.Settings(1 days, 7 days, 10_000 ether, 4, 1 days))
        );
        measure("EconomyParameters", abi.encode(timelock, settlement, staking, votes, governor, timelock));
    }
}
