// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../src/interfaces/IInferenceEscrow.sol";
import {EconomyTest} from "../utils/EconomyTest.sol";
import {PlainTree} from "../utils/PlainTree.sol";
import {EconomyHandler} from "./handlers/EconomyHandler.sol";
import {EconomyStore} from "./stores/EconomyStore.sol";

/// @notice The invariants I1 to I14 of README.md.
/// forge-config: default.invariant.runs = 32
/// forge-config: default.invariant.depth = 96
/// forge-config: default.invariant.fail-on-revert = true
contract EconomyInvariantTest is EconomyTest {
    EconomyStore private store;
    EconomyHandler private handler;

    function setUp() public override {
        super.setUp();
        store = new EconomyStore();
        handler = new EconomyHandler(store);
        handler.init();
        // An active epoch to begin with, so that claims and lies have an occasion from the first call on.
        handler.fundEscrow(0, 50 ether);
        handler.authorizeGateway(0, 0, 40 ether, 2 hours);
        handler.redeemVoucher(0, 0, 30 ether);
        handler.postHonest(0, 20 ether, 123_456_789);
        handler.finish(1);
        bytes4[] memory actions = new bytes4[](21);
        actions[0] = handler.commit.selector;
        actions[1] = handler.reveal.selector;
        actions[2] = handler.review.selector;
        actions[3] = handler.tombstone.selector;
        actions[4] = handler.publish.selector;
        actions[5] = handler.withdrawForfeited.selector;
        actions[6] = handler.fundEscrow.selector;
        actions[7] = handler.withdrawEscrow.selector;
        actions[8] = handler.authorizeGateway.selector;
        actions[9] = handler.releaseRest.selector;
        actions[10] = handler.redeemVoucher.selector;
        actions[11] = handler.postHonest.selector;
        actions[12] = handler.postLie.selector;
        actions[13] = handler.finish.selector;
        actions[14] = handler.setPlatformShare.selector;
        actions[15] = handler.claim.selector;
        actions[16] = handler.withdrawCredit.selector;
        actions[17] = handler.passTime.selector;
        actions[18] = handler.moveDoor.selector;
        actions[19] = handler.force.selector;
        actions[20] = handler.skim.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector({addr: address(handler), selectors: actions}));
    }

    /// @dev I1.
    function invariant_EscrowCoversBalances() external view {
        (address[] memory customers,,,) = store.people();
        uint256 sum;
        for (uint256 i; i < customers.length; ++i) {
            (uint256 free, uint256 locked) = escrow.balanceOf(customers[i]);
            sum += free + locked;
        }
        assertEq(escrow.totalHeld(), sum);
        assertEq(address(escrow).balance, sum);
    }

    /// @dev I2.
    function invariant_SettlementCoversEverything() external view {
        (, address[] memory gateways,, address[] memory payees) = store.people();
        uint256 owed;
        for (uint256 i; i < payees.length; ++i) {
            owed += settlement.credit(payees[i]);
        }
        for (uint256 i; i < gateways.length; ++i) {
            (uint256 available, uint256 reserved) = settlement.fundsOf(gateways[i]);
            owed += available + reserved;
        }
        (uint256 funded, uint256 claimed) = pools();
        owed += funded - claimed + setAside() + store.forced();
        IAttributionSettlement.Epoch memory last = settlement.epoch(settlement.nextEpochId() - 1);
        if (last.status == IAttributionSettlement.EpochStatus.Posted) owed += last.bond;
        assertEq(address(settlement).balance, owed);
        assertEq(settlement.unclaimed(), funded - claimed + store.forced());
    }

    /// @dev What accounts did not take of what was claimed for them.
    function setAside() private view returns (uint256 sum) {
        (,, address[] memory contributors,) = store.people();
        uint256[] memory ids = store.datanets();
        for (uint256 i; i < ids.length; ++i) {
            for (uint256 j; j < contributors.length; ++j) {
                sum += settlement.setAsideOf(ids[i], contributors[j]);
            }
        }
    }

    /// @dev I3.
    function invariant_SharesSumToFees() external view {
        for (uint64 id = 1; id < settlement.nextEpochId(); ++id) {
            IAttributionSettlement.Epoch memory e = settlement.epoch(id);
            assertLe(e.residual, e.fees);
        }
        assertLe(store.attributed(), store.fees());
        (uint256 funded,) = pools();
        assertEq(funded, store.attributed());
    }

    /// @dev I4.
    function invariant_ClaimsPayOnce() external view {
        (,, address[] memory contributors,) = store.people();
        uint256[] memory ids = store.datanets();
        for (uint256 i; i < ids.length; ++i) {
            uint256 sum;
            for (uint256 j; j < contributors.length; ++j) {
                uint256 claimed = settlement.claimedOf(ids[i], contributors[j]);
                uint256 aside = settlement.setAsideOf(ids[i], contributors[j]);
                assertEq(claimed, store.paid(ids[i], contributors[j]) + aside);
                assertLe(claimed, store.earned(ids[i], contributors[j]));
                sum += claimed;
            }
            assertEq(sum, settlement.claimedFromPool(ids[i]));
        }
    }

    /// @dev What all pools were funded with, and what was paid from them.
    function pools() private view returns (uint256 funded, uint256 paid) {
        uint256[] memory ids = store.datanets();
        for (uint256 i; i < ids.length; ++i) {
            funded += settlement.poolFunded(ids[i]);
            paid += settlement.claimedFromPool(ids[i]);
        }
    }

    /// @dev I5.
    function invariant_PaidIsFunded() external view {
        (uint256 funded, uint256 paid) = pools();
        assertEq(settlement.promised(), funded);
        assertLe(paid, funded);
        assertLe(store.fees(), store.redeemed());
        assertEq(settlement.claimedOf(99, mallory), 0);
    }

    /// @dev I6.
    function invariant_SequenceIsFixed() external view {
        uint256 count = store.commitmentCount();
        assertEq(datanets.contributionCount(), count);
        for (uint256 i; i < count; ++i) {
            (uint256 id, uint256 datanetId, address contributor,) = store.commitments(i);
            IDatanetRegistry.Contribution memory c = datanets.contribution(id);
            assertEq(c.sequence, i + 1);
            assertEq(c.contributor, contributor);
            assertEq(c.datanetId, datanetId);
        }
    }

    /// @dev I7.
    function invariant_ReceiptsAreContiguous() external view {
        (, address[] memory gateways,,) = store.people();
        for (uint256 i; i < gateways.length; ++i) {
            assertEq(settlement.nextReceiptOf(gateways[i]), store.receipts(gateways[i]));
        }
    }

    /// @dev I8.
    function invariant_OneEpochPending() external view {
        (, address[] memory gateways,,) = store.people();
        uint64 next = settlement.nextEpochId();
        uint256 pending;
        for (uint64 id = 1; id < next; ++id) {
            IAttributionSettlement.Epoch memory e = settlement.epoch(id);
            if (e.status != IAttributionSettlement.EpochStatus.Posted) continue;
            assertEq(id, next - 1);
            pending = e.fees;
        }
        uint256 reserved;
        for (uint256 i; i < gateways.length; ++i) {
            (, uint256 r) = settlement.fundsOf(gateways[i]);
            reserved += r;
        }
        assertEq(reserved, pending);
    }

    /// @dev I9.
    function invariant_RegistryCoversBonds() external view {
        (,, address[] memory contributors,) = store.people();
        uint256 held = datanets.credit(sink);
        for (uint256 i; i < contributors.length; ++i) {
            held += datanets.credit(contributors[i]);
        }
        uint256 count = store.commitmentCount();
        for (uint256 id = 1; id <= count; ++id) {
            IDatanetRegistry.Contribution memory c = datanets.contribution(id);
            bool underReview =
                c.status == IDatanetRegistry.Status.Committed || c.status == IDatanetRegistry.Status.Revealed;
            assertEq(c.bond, underReview ? BOND : 0);
            held += c.bond;
        }
        assertEq(address(datanets).balance, held);
    }

    /// @dev I10.
    function invariant_VersionsAreImmutable() external view {
        uint256[] memory ids = store.datanets();
        for (uint256 i; i < ids.length; ++i) {
            bytes32[] memory leaves = store.accepted(ids[i]);
            assertEq(datanets.acceptedCount(ids[i]), leaves.length);
            assertEq(datanets.contributionsRoot(ids[i]), PlainTree.rootOf(leaves));
        }
        for (uint256 i; i < store.publicationCount(); ++i) {
            (uint256 datanetId, uint32 number, uint32 count, bytes32 root) = store.publications(i);
            IDatanetRegistry.Version memory v = datanets.version(datanetId, number);
            assertEq(v.contributionCount, count);
            assertEq(v.contributionsRoot, root);
            assertEq(v.parent, number - 1);
        }
    }

    /// @dev I11.
    function invariant_LockedIsAuthorized() external view {
        (address[] memory customers, address[] memory gateways,,) = store.people();
        for (uint256 i; i < customers.length; ++i) {
            uint256 rest;
            for (uint256 j; j < gateways.length; ++j) {
                IInferenceEscrow.Authorization memory a = escrow.authorization(customers[i], gateways[j]);
                assertLe(a.redeemed, a.cap);
                rest += a.cap - a.redeemed;
            }
            (, uint256 locked) = escrow.balanceOf(customers[i]);
            assertEq(locked, rest);
        }
    }

    /// @dev I12.
    function invariant_LiesAreRejected() external view {
        assertEq(store.liesActivated(), 0);
        assertLe(store.liesPosted() - store.liesRejected(), 1);
        assertGe(store.burned(), store.liesRejected() * BOND_MIN / 2);
        assertEq(settlement.BURN().balance, store.burned());
    }

    /// @dev I13.
    function invariant_MoneyIsConserved() external view {
        uint256 held = address(escrow).balance + address(settlement).balance + address(datanets).balance;
        assertEq(held + store.paidOut(), store.paidIn());
    }

    /// @dev I14.
    function invariant_BondsCoverWhatIsAtRisk() external view {
        IAttributionSettlement.Epoch memory last = settlement.epoch(settlement.nextEpochId() - 1);
        if (last.status != IAttributionSettlement.EpochStatus.Posted) return;
        (uint256 funded, uint256 claimed) = pools();
        assertGe(last.bond, last.fees + funded - claimed);
        assertGe(last.bond, BOND_MIN);
    }

    /// @dev The campaign reaches what it is for: a walk through every action, in an order that gives each an occasion.
    function test_HandlerReachesEverything() external {
        handler.claim(0);
        for (uint256 kind; kind < 3; ++kind) {
            handler.postLie(0, kind, kind);
            handler.finish(1);
        }
        assertEq(store.liesPosted(), 3);
        assertEq(store.liesRejected(), 3);
        assertEq(store.epochsActivated(), 1);
        handler.postHonest(0, 5 ether, 987_654_321);
        handler.finish(1);
        for (uint256 i; i < 6; ++i) {
            handler.claim(i);
            handler.withdrawCredit(i);
        }
        (, uint256 paid) = pools();
        assertEq(paid, settlement.promised());
        assertGt(paid, 0);
        assertEq(setAside(), 0);
        // Who takes nothing raises nobody's bond, nor does money that was forced in for longer than it takes to skim it.
        handler.moveDoor(false);
        handler.postHonest(0, 5 ether, 987_654_322);
        handler.finish(1);
        handler.force(1 ether);
        assertGt(settlement.unclaimed(), 1 ether);
        for (uint256 i; i < 6; ++i) {
            handler.claim(i);
        }
        assertGt(setAside(), 0);
        handler.skim();
        assertEq(store.forced(), 0);
        assertEq(settlement.unclaimed(), 0);
        handler.moveDoor(true);
        for (uint256 i; i < 6; ++i) {
            handler.claim(i);
        }
        assertEq(setAside(), 0);
    }
}
