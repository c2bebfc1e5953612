// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IEpochDisclosure} from "../../../src/interfaces/IEpochDisclosure.sol";
import {DisclosureTest} from "../../utils/DisclosureTest.sol";

/// @title DisclosureHandler
/// @notice Epochs of three receipts whose poster answers every demand, or withholds some; watchers who demand pieces at any
/// time, show what is withheld, and take their stakes back. No call reverts: an action without occasion does nothing.
contract DisclosureHandler is DisclosureTest {
    struct Asked {
        uint64 epochId;
        IEpochDisclosure.Tree tree;
        uint256 place;
        address by;
        uint256 stake;
        bool open;
        bool answered;
    }

    Asked[] public asked;
    address[2] public watchers;

    bytes private postData;
    /// Whether the poster of the pending epoch answers in time.
    bool public answering;
    uint256 public moneyIn;
    uint256 public moneyOut;

    /// What must never happen.
    uint256 public honestFell;
    uint256 public silenceStood;
    uint256 public answerRefused;

    constructor() {
        watchers = [makeAddr("watcher 1"), makeAddr("watcher 2")];
    }

    function askedCount() external view returns (uint256) {
        return asked.length;
    }

    function whoPosts() external view returns (address) {
        return poster;
    }

    function pending() private view returns (bool) {
        return settlement.epoch(current()).status == IAttributionSettlement.EpochStatus.Posted;
    }

    function post(bool answers) external {
        if (pending()) return;
        delete calls;
        delete payments;
        honest(3);
        earn(net, alice, 3 * PAYMENT);
        postData = abi.encode(postCalls());
        payHonest();
        commitPayments();
        answering = answers;
    }

    function demand(uint256 who, uint256 tree, uint256 place) external {
        if (!pending()) return;
        IEpochDisclosure.Tree t = IEpochDisclosure.Tree(tree % 3);
        place = bound(place, 0, disclosure.pieceCount(current(), t) - 1);
        address watcher = watchers[who % 2];
        uint256 stake = disclosure.stake();
        vm.deal(watcher, stake);
        uint64 epochId = current();
        vm.prank(watcher);
        try disclosure.demand{value: stake}(epochId, t, one(place)) {
            moneyIn += stake;
            asked.push(Asked(epochId, t, place, watcher, stake, true, false));
            if (answering) answer(asked.length - 1);
        } catch {}
    }

    /// @dev An honest poster answers at once; another sometimes does.
    function answer(uint256 which) public {
        if (asked.length == 0) return;
        Asked storage a = asked[which % asked.length];
        if (a.epochId != current() || !pending() || a.answered) return;
        (, uint64 dueAt,,) = disclosure.demandOf(a.epochId, a.tree, a.place);
        if (vm.getBlockTimestamp() > dueAt) return;
        try this.discloseOut(a.tree, a.place) {
            a.answered = true;
            a.open = false;
        } catch {
            ++answerRefused;
        }
    }

    function discloseOut(IEpochDisclosure.Tree tree, uint256 place) external {
        if (tree == RECEIPTS) discloseCall(place);
        else disclose(tree, place);
    }

    /// @dev Commits to the silence before it is due, and shows it as soon as it can be.
    function show(uint256 which) external {
        if (asked.length == 0) return;
        Asked storage a = asked[which % asked.length];
        if (a.epochId != current() || !pending()) return;
        (, uint64 dueAt,,) = disclosure.demandOf(a.epochId, a.tree, a.place);
        bytes memory call = abi.encodeCall(disclosure.factWithheld, (a.epochId, a.tree, a.place));
        address shower = makeAddr(string.concat("shower ", vm.toString(which % asked.length)));
        uint256 stake = records.STAKE();
        bytes32 commitment = records.commitmentOf(a.epochId, shower, call, "salt");
        vm.deal(shower, stake);
        vm.prank(shower);
        try records.commitChallenge{value: stake}(a.epochId, commitment) {} catch {}
        if (vm.getBlockTimestamp() <= dueAt) vm.warp(uint256(dueAt) + 1);
        nextBlock();
        vm.prank(shower);
        try records.revealChallenge(a.epochId, call, "salt") {
            if (a.answered) ++honestFell;
            claims[0].cumulative -= 3 * PAYMENT;
            if (claims[0].cumulative == 0) claims.pop();
        } catch {
            if (!a.answered) ++silenceStood;
        }
    }

    function activate() external {
        if (!pending()) return;
        uint256 deadline = settlement.epoch(current()).deadline;
        if (vm.getBlockTimestamp() <= deadline) vm.warp(deadline + 1);
        settlement.activate(abi.decode(postData, (IAttributionSettlement.EpochPost)));
    }

    function wait(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, CHALLENGE_WINDOW / 2));
    }

    function reclaim(uint256 which) external {
        if (asked.length == 0) return;
        Asked storage a = asked[which % asked.length];
        try disclosure.reclaim(a.epochId, a.tree, a.place) {
            if (!a.open) ++honestFell;
            a.open = false;
        } catch {}
    }

    function withdraw(uint256 who) external {
        address account = who % 3 < 2 ? watchers[who % 3] : poster;
        if (disclosure.credit(account) == 0) return;
        vm.prank(account);
        moneyOut += disclosure.withdraw(payable(account));
    }
}
