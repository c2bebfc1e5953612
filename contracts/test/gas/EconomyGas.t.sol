// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../../src/interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../src/interfaces/IInferenceEscrow.sol";
import {MerkleSum} from "../../src/libraries/MerkleSum.sol";
import {EconomyTest} from "../utils/EconomyTest.sol";
import {SumTree} from "../utils/SumTree.sol";

/// @notice Gas of what people pay for, each call as a transaction of its own: intrinsic gas and calldata included, the L1
/// data fee not. The figures are kept in contracts/snapshots/EconomyGas.json; FORGE_SNAPSHOT_CHECK=true compares.
/// forge-config: default.isolate = true
contract EconomyGasTest is EconomyTest {
    string private constant GROUP = "EconomyGas";

    function record(string memory name) private returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue(GROUP, name, gas);
    }

    function test_Gas_Contribution() external {
        uint256 datanetId = createDatanet();
        record("datanet: create");
        // The first contributions warm up what is written once per Datanet.
        for (uint256 i; i < 3; ++i) {
            accept(contribute(alice, datanetId, 100 + i));
        }
        IDatanetRegistry.Reveal memory r = document(1);
        bytes32 commitment = datanets.commitmentOf(datanetId, alice, r);
        vm.deal(alice, BOND);
        vm.prank(alice);
        uint256 id = datanets.commit{value: BOND}(datanetId, commitment);
        uint256 total = record("contribution: commit");
        nextBlock();
        revealAs(alice, id, r);
        total += record("contribution: reveal");
        accept(id);
        total += record("contribution: accept one");
        vm.snapshotValue(GROUP, "contribution: commit, reveal and accept", total);
        uint256[] memory ids = new uint256[](64);
        for (uint256 i; i < 64; ++i) {
            ids[i] = contribute(alice, datanetId, 200 + i);
        }
        vm.prank(curator);
        datanets.accept(ids);
        vm.snapshotValue(GROUP, "contribution: accept, each of 64", vm.lastCallGas().gasTotalUsed / 64);
        vm.prank(curator);
        datanets.publishVersion(datanetId, "clusters");
        record("datanet: publish version");
        registerModel(modelParams("m", datanetId));
        record("model: register over one Datanet");
    }

    /// @dev Redeems one voucher of each of `count` customers, each the second one of its authorisation.
    function redeemMany(uint256 count) private returns (uint256) {
        IInferenceEscrow.Voucher[] memory vouchers = new IInferenceEscrow.Voucher[](count);
        bytes[] memory signatures = new bytes[](count);
        uint64 expiry = uint64(vm.getBlockTimestamp() + 1 days);
        for (uint256 i; i < count; ++i) {
            address who = vm.addr(i + 1);
            deposit(who, 2 ether);
            vm.prank(who);
            escrow.authorize(gateway, who, 1 ether, expiry);
        }
        for (uint128 round = 1; round <= 2; ++round) {
            for (uint256 i; i < count; ++i) {
                vouchers[i] = IInferenceEscrow.Voucher(vm.addr(i + 1), gateway, 1, round * 0.1 ether);
                signatures[i] = signVoucher(vouchers[i], i + 1);
            }
            vm.prank(gateway);
            escrow.redeem(vouchers, signatures);
        }
        return vm.lastCallGas().gasTotalUsed;
    }

    function test_Gas_RedeemOne() external {
        deposit(customer, 10 ether);
        record("escrow: first deposit");
        authorize(1 ether, uint64(vm.getBlockTimestamp() + 1 days));
        record("escrow: first authorisation");
        vm.snapshotValue(GROUP, "escrow: redeem 1 voucher", redeemMany(1));
    }

    function test_Gas_RedeemTen() external {
        vm.snapshotValue(GROUP, "escrow: redeem 10 vouchers", redeemMany(10));
    }

    function test_Gas_RedeemHundred() external {
        vm.snapshotValue(GROUP, "escrow: redeem 100 vouchers", redeemMany(100));
    }

    /// @dev The third epoch of `count` models with a pool each, so that no slot is written for the first time but the epoch's.
    function epochGas(uint256 count) private returns (uint256 posted, uint256 activated) {
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](count);
        IAttributionSettlement.PoolTotal[] memory pools = new IAttributionSettlement.PoolTotal[](count);
        for (uint256 i; i < count; ++i) {
            uint256 datanetId = publishedDatanet();
            m[i] = IAttributionSettlement.ModelTotal(
                registerModel(modelParams(vm.toString(i), datanetId)), 0.1 ether, 0.04 ether
            );
            pools[i] = IAttributionSettlement.PoolTotal(datanetId, 0.04 ether);
        }
        fund(gateway, 100 ether);
        for (uint256 round; round < 3; ++round) {
            for (uint256 i; i < count; ++i) {
                earn(pools[i].datanetId, alice, 0.04 ether);
            }
            IAttributionSettlement.EpochPost memory post = postOf(m, pools);
            post.receiptCount = 10_000;
            postEpoch(post);
            posted = vm.lastCallGas().gasTotalUsed;
            activate(post);
            activated = vm.lastCallGas().gasTotalUsed;
        }
    }

    function test_Gas_EpochOfOne() external {
        (uint256 posted, uint256 activated) = epochGas(1);
        vm.snapshotValue(GROUP, "settlement: post, 1 model and pool", posted);
        vm.snapshotValue(GROUP, "settlement: activate, 1 model and pool", activated);
    }

    function test_Gas_EpochOfTen() external {
        (uint256 posted, uint256 activated) = epochGas(10);
        vm.snapshotValue(GROUP, "settlement: post, 10 models and pools", posted);
        vm.snapshotValue(GROUP, "settlement: activate, 10 models and pools", activated);
        // An epoch of 10,000 receipts by 100 customers over 10 models, whatever the number of contributors.
        uint256 total = redeemMany(100) + posted + activated;
        vm.snapshotValue(GROUP, "settlement: per inference, 10,000 receipts of 100 customers", total / 10_000);
    }

    /// @dev Claims of bob's from a tree of 2^depth leaves: the path of one leaf beside siblings whose sums take as many bytes as if
    /// each contributor had earned what this one has.
    function claimGas(uint256 depth, address sender) private returns (uint256 first, uint256 later) {
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 1_000_000 ether);
        IAttributionSettlement.ProofNode[] memory proof = new IAttributionSettlement.ProofNode[](depth);
        // Others have claimed before: the pool's and the root's counters are not zero.
        uint128 cumulative;
        for (uint256 round; round < 3; ++round) {
            cumulative += 0.1 ether;
            bytes32 hash = MerkleSum.hashLeaf(datanetId, bob, cumulative);
            uint128 sum = cumulative;
            for (uint256 i; i < depth; ++i) {
                proof[i] = IAttributionSettlement.ProofNode(keccak256(abi.encode(round, i)), sum - 1);
                hash = MerkleSum.hashNode(hash, sum, proof[i].hash, sum - 1);
                sum += sum - 1;
            }
            uint128 before = settlement.epoch(settlement.lastActivated()).claimsTotal;
            IAttributionSettlement.EpochPost memory post = onePool(modelId, 3 * (sum - before), datanetId, sum - before);
            (post.claimsRoot, post.claimsTotal) = (hash, sum);
            settle(post);
            vm.prank(sender);
            settlement.claim(datanetId, bob, cumulative, 0, proof);
            if (round == 0) first = vm.lastCallGas().gasTotalUsed;
            else later = vm.lastCallGas().gasTotalUsed;
        }
    }

    /// @dev Sent by another account, and by its own, which a transaction has touched already.
    function recordClaims(string memory contributors, uint256 depth) private {
        vm.deal(bob, 1 wei);
        uint256 state = vm.snapshotState();
        (uint256 first, uint256 later) = claimGas(depth, alice);
        vm.snapshotValue(GROUP, string.concat("claim: first of all, ", contributors, " contributors"), first);
        vm.snapshotValue(GROUP, string.concat("claim: later, ", contributors, " contributors"), later);
        vm.revertToState(state);
        (first,) = claimGas(depth, bob);
        vm.snapshotValue(
            GROUP, string.concat("claim: first of all, by the account, ", contributors, " contributors"), first
        );
    }

    function test_Gas_ClaimOfTen() external {
        recordClaims("10", 4);
    }

    function test_Gas_ClaimOfThousand() external {
        recordClaims("1,000", 10);
    }

    function test_Gas_ClaimOfHundredThousand() external {
        recordClaims("100,000", 17);
    }

    /// @dev An overpromise in a tree of 1,024 leaves, the dispute with the longest evidence.
    function test_Gas_Dispute() external {
        uint256 datanetId = publishedDatanet();
        uint256 modelId = registerModel(modelParams("m", datanetId));
        fund(gateway, 100 ether);
        for (uint160 i; i < 1_024; ++i) {
            claims.push(SumTree.Claim(i < 512 ? datanetId : datanetId + 1, address(i + 1), 1e14));
        }
        IAttributionSettlement.EpochPost memory post = onePool(modelId, 1 ether, datanetId, 1_024e14);
        postEpoch(post);
        IAttributionDispute.Leaf memory first = leaf(512);
        IAttributionDispute.Leaf memory last = leaf(1_023);
        vm.prank(mallory);
        dispute.disputeOverpromise(post, first, last);
        record("dispute: overpromise among 1,024 accounts");
    }

    function leaf(uint256 i) private view returns (IAttributionDispute.Leaf memory) {
        return IAttributionDispute.Leaf(
            claims[i].datanetId, claims[i].account, claims[i].cumulative, i, SumTree.proofOf(claims, i)
        );
    }
}
