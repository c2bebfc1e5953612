// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IEpochDisclosure} from "../../../src/interfaces/IEpochDisclosure.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {RecordErrors} from "../../../src/libraries/RecordErrors.sol";
import {DisclosureTest} from "../../utils/DisclosureTest.sol";
import {SumTree} from "../../utils/SumTree.sol";

/// @notice All engines sign together and publish nothing. One watcher, who has nothing but the chain, has the epoch rejected.
/// Each call is a transaction of its own; gas is kept in contracts/snapshots/EpochDisclosureGas.json.
/// forge-config: default.isolate = true
contract CollusionTest is DisclosureTest {
    string private constant GROUP = "EpochDisclosureGas";
    bytes32 private constant ENTRIES = IEpochDisclosure.EntriesDisclosed.selector;
    uint256 private constant RECEIPT_COUNT = 300;

    IRecordTypes.Claim[] private noClaims;
    address private immutable shill = makeAddr("an account that nobody knows of");

    /// What the watcher has read from the chain.
    SumTree.Claim[] private seen;

    /// @dev Alice has earned all of it; half is promised to an accomplice. Payments are true, as their records are.
    function postBoost() private {
        honest(RECEIPT_COUNT);
        earn(net, alice, uint128(RECEIPT_COUNT / 2) * PAYMENT);
        earn(net, shill, uint128(RECEIPT_COUNT / 2) * PAYMENT);
        postCalls();
        payHonest();
    }

    /// @dev What the watcher is shown in the log of an answer.
    function read() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ENTRIES || uint256(logs[i].topics[2]) != uint256(CLAIMS)) continue;
            IEpochDisclosure.Entry[] memory entries = abi.decode(logs[i].data, (IEpochDisclosure.Entry[]));
            for (uint256 j; j < entries.length; ++j) {
                seen.push(SumTree.Claim(entries[j].datanetId, entries[j].account, entries[j].amount));
            }
        }
    }

    function test_WhenTheyDiscloseWhatTheyBoosted() external {
        postBoost();
        uint256 stake = records.STAKE();
        vm.deal(bob, stake);
        vm.prank(bob);
        records.demandPayments{value: stake}(1);
        commitPayments();
        demandAs(bob, CLAIMS, allOf(CLAIMS));
        demandAs(bob, PAYMENTS, allOf(PAYMENTS));
        vm.snapshotValue(GROUP, "demand: two pieces of leaves", vm.lastCallGas().gasTotalUsed);
        uint256 staked = 3 * disclosure.stake();
        vm.recordLogs();
        disclose(PAYMENTS, 0);
        vm.snapshotValue(GROUP, "answer: 256 payments", vm.lastCallGas().gasTotalUsed);
        assertLt(vm.lastCallGas().gasTotalUsed, disclosure.ANSWER_GAS());
        disclose(PAYMENTS, 1);
        disclose(CLAIMS, 0);
        vm.snapshotValue(GROUP, "answer: two claims", vm.lastCallGas().gasTotalUsed);
        read();

        // From here on nothing is used that is not in the log: the tree hashes to the root, and the boost is seen.
        (bytes32 root,) = SumTree.rootOf(seen);
        assertEq(root, settlement.epoch(1).claimsRoot);
        uint256 found = seen[0].account == shill ? 0 : 1;
        assertEq(seen[found].account, shill);
        IRecordTypes.Claim memory c;
        (c.datanetId, c.account, c.cumulative, c.index) = (net, shill, seen[found].cumulative, found);
        c.proof = SumTree.proofOf(seen, found);
        bool below = shill < alice;
        // All payments are alice's.
        IRecordTypes.Payment[] memory none = new IRecordTypes.Payment[](0);
        uint256 gas = prove(
            abi.encodeCall(
                records.factClaim,
                (1, c, noClaims, below ? none : list(payment(RECEIPT_COUNT - 1)), below ? list(payment(0)) : none)
            )
        );
        assertLt(gas, 1_500_000);

        // The watcher has paid for three answers and a statement, and wins half of the bond.
        skip(records.shareWindow() + 1);
        vm.prank(bob);
        uint256 won = records.takeShare(1);
        assertEq(won, settlement.epoch(1).bond / 2);
        assertGt(won, 100 * (staked + stake));
    }

    function test_WhenTheyDiscloseNothing() external {
        postBoost();
        commitPayments();
        demandAs(bob, CLAIMS, allOf(CLAIMS));
        vm.warp(dueAtOf(CLAIMS, 0) + 1);
        uint256 gas = prove(abi.encodeCall(disclosure.factWithheld, (1, CLAIMS, 0)));
        vm.snapshotValue(GROUP, "dispute: withheld", gas);
        disclosure.reclaim(1, CLAIMS, 0);
        assertEq(disclosure.credit(bob), disclosure.stake());
    }

    /// @dev A root that is the hash of nothing: signed, posted, and not to be disclosed by anyone.
    function test_WhenThereAreNoLeaves() external {
        honest(1);
        earn(net, alice, PAYMENT);
        IAttributionSettlement.EpochPost memory post = onePool(modelOf, RECEIPT_FEE, net, PAYMENT);
        post.receiptsRoot = keccak256("receipts of nobody");
        post.claimsRoot = keccak256("claims of nobody");
        postEpoch(post);
        demandAs(bob, RECEIPTS, one(0));
        vm.expectPartialRevert(RecordErrors.EpochDisclosure_Mismatch.selector);
        this.discloseCallOut(0);
        vm.prank(poster);
        records.commitPayments(1, keccak256("payments of nobody"), PAYMENT, 0, 0);
        demandAs(bob, CLAIMS, one(0));
        vm.expectPartialRevert(RecordErrors.EpochDisclosure_Mismatch.selector);
        this.discloseOut();
        vm.warp(dueAtOf(CLAIMS, 0) + 1);
        prove(abi.encodeCall(disclosure.factWithheld, (1, CLAIMS, 0)));
    }

    /// @dev Leaves below the depth that was stated: an inner node is no leaf, so what hangs under it cannot be disclosed.
    function test_WhenTheTreeIsDeeperThanStated(uint8 stated) external {
        stated = uint8(bound(stated, 0, 12));
        honest(1);
        earn(net, alice, PAYMENT / 2);
        earn(net, shill, PAYMENT / 2);
        postCalls();
        payHonest();
        vm.assume(stated != 1);
        (bytes32 root, uint128 total,) = SumTree.fold(paymentLeaves(), 0);
        vm.prank(poster);
        records.commitPayments(1, root, total, 0, stated);
        demandAs(bob, CLAIMS, one(0));
        vm.expectPartialRevert(RecordErrors.EpochDisclosure_Mismatch.selector);
        this.discloseOut();
    }

    function test_GasOfAReceipt() external {
        honest(3);
        earn(net, alice, 3 * PAYMENT);
        postCalls();
        demandAs(bob, RECEIPTS, allOf(RECEIPTS));
        vm.snapshotValue(GROUP, "demand: three receipts", vm.lastCallGas().gasTotalUsed);
        discloseCall(1);
        vm.snapshotValue(GROUP, "answer: a receipt", vm.lastCallGas().gasTotalUsed);
    }

    /// @dev A full answer of 1,024 tokens and a record of 170 spans of 170 contributors; and the dearest, of which each token is a
    /// span of its own, as earlier holders leave of later ones.
    function test_GasOfTheLargestReceipt() external {
        uint256 state = vm.snapshotState();
        discloseLargest(170, 6, "answer: a receipt of 1,024 tokens and 170 spans");
        vm.revertToState(state);
        discloseLargest(1_024, 1, "answer: a receipt of 1,024 tokens and 1,024 spans");
    }

    function discloseLargest(uint32 spans, uint32 length, string memory name) private {
        for (uint16 i = 9; i < 1_024; ++i) {
            response.tokens.push(30_000 + i);
        }
        bytes memory text = new bytes(4_096);
        for (uint256 i; i < text.length; ++i) {
            text[i] = "x";
        }
        response.text = string(text);
        honest(1);
        IRecordTypes.Span memory span = calls[0].record.spans[0];
        IRecordTypes.Weight memory weight = calls[0].record.weights[0];
        for (uint32 i = 1; i < spans; ++i) {
            span.start = length * i;
            span.end = length * i + length;
            span.clusterId = 1_000 + i;
            span.documentId = 1_000 + i;
            weight.clusterId = 1_000 + i;
            weight.payee = address(uint160(uint256(keccak256(abi.encode(i)))));
            // One in six can earn, as before.
            if (i >= 170) (span.surpriseQ16, span.creditQ16) = (90_000, 0);
            calls[0].record.spans.push(span);
            if (i < 170) calls[0].record.weights.push(weight);
        }
        calls[0].receipt.responseHash = keccak256(abi.encode(response));
        earn(net, alice, PAYMENT);
        postCalls();
        demandAs(bob, RECEIPTS, one(0));
        discloseCall(0);
        uint256 gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue(GROUP, name, gas);
        assertLt(gas, disclosure.ANSWER_GAS());
    }

    function discloseOut() external {
        disclose(CLAIMS, 0);
    }

    function discloseCallOut(uint256 i) external {
        discloseCall(i);
    }
}
