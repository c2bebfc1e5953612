// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IRecordTypes} from "../../../src/interfaces/IRecordTypes.sol";
import {RecordTest} from "../../utils/RecordTest.sol";

/// @title RecordHandler
/// @notice Epochs of one receipt, honest or with a record whose sums are false; watchers who challenge rightly and wrongly
/// and share; demands for payments, answered or not; drills. No call reverts: an action without occasion does nothing.
contract RecordHandler is RecordTest {
    struct Mark {
        uint64 epochId;
        address challenger;
        bytes call;
        bool open;
    }

    Mark[] public marks;
    uint64[] public epochs;
    address[4] public watchers;

    /// The pending epoch, its post, and whether its record is false.
    bytes private postData;
    bool public lying;
    mapping(uint64 epochId => bool) public wasLying;
    mapping(uint64 epochId => uint256) public sharesTaken;
    mapping(uint64 epochId => bool) public demandOpen;
    uint256 public demandsOpen;

    uint256 public drills;
    mapping(uint256 drillId => uint256) public drillBounty;
    /// What division leaves in the contract.
    uint256 public dust;

    uint256 public moneyIn;
    uint256 public moneyOut;

    /// What must never happen.
    uint256 public honestFell;
    uint256 public truthRefused;
    uint256 public untruthHeard;

    constructor() {
        for (uint256 i; i < 4; ++i) {
            watchers[i] = makeAddr(string.concat("watcher ", vm.toString(i)));
        }
    }

    function markCount() external view returns (uint256) {
        return marks.length;
    }

    function epochCount() external view returns (uint256) {
        return epochs.length;
    }

    function current() private view returns (uint64) {
        return settlement.nextEpochId() - 1;
    }

    function pending() private view returns (bool) {
        return settlement.epoch(current()).status == IAttributionSettlement.EpochStatus.Posted;
    }

    function faulty() private pure returns (IRecordTypes.Record memory r) {
        r.version = 2;
    }

    // Epochs

    function post(bool lie) external {
        if (pending()) return;
        delete calls;
        delete payments;
        addCall(aliceId, aliceId, alice);
        if (lie) calls[0].record.residual += 1;
        earn(net, alice, PAYMENT);
        payHonest();
        postData = abi.encode(postCalls());
        lying = lie;
        wasLying[current()] = lie;
        epochs.push(current());
    }

    function activate() external {
        if (!pending()) return;
        vm.warp(uint256(settlement.epoch(current()).deadline) + 1);
        settlement.activate(abi.decode(postData, (IAttributionSettlement.EpochPost)));
    }

    function wait(uint256 time) external {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1, CHALLENGE_WINDOW));
    }

    /// @dev The claims tree goes back to what the last activated epoch left.
    function fell() private {
        claims[0].cumulative -= PAYMENT;
        if (claims[0].cumulative == 0) claims.pop();
    }

    // Challenges

    /// @dev Kind 0: the sums are false. 1: the poster is silent. 2: bytes that are no fact.
    function commit(uint256 who, uint256 kind) external {
        if (!pending()) return;
        address watcher = watchers[who % 4];
        for (uint256 i; i < marks.length; ++i) {
            if (marks[i].epochId == current() && marks[i].challenger == watcher) return;
        }
        bytes memory call = hex"deadbeef";
        if (kind % 3 == 0) call = abi.encodeCall(facts.factSums, (opened(0), record(0)));
        else if (kind % 3 == 1) call = abi.encodeCall(records.factSilence, (current()));
        commitAsChallenger(watcher, call);
        moneyIn += records.STAKE();
        marks.push(Mark(current(), watcher, call, true));
    }

    function reveal(uint256 which) external {
        if (marks.length == 0) return;
        Mark storage m = marks[which % marks.length];
        if (!m.open) return;
        nextBlock();
        bool posted = settlement.epoch(m.epochId).status == IAttributionSettlement.EpochStatus.Posted;
        bool sums = bytes4(m.call) == facts.factSums.selector;
        bool silence = bytes4(m.call) == records.factSilence.selector;
        (,,, uint64 demandedAt, uint64 dueAt) = records.paymentsOf(m.epochId);
        bool silent = demandOpen[m.epochId] && demandedAt != 0 && vm.getBlockTimestamp() > dueAt;
        vm.prank(m.challenger);
        try records.revealChallenge(m.epochId, m.call, "salt") {
            m.open = false;
            if (!(sums && wasLying[m.epochId]) && !(silence && silent)) {
                ++untruthHeard;
                if (posted) ++honestFell;
            }
            if (posted) {
                fell();
                (uint256 pot,,) = records.potOf(m.epochId);
                moneyIn += pot;
            }
        } catch {
            if (posted && sums && wasLying[m.epochId]) ++truthRefused;
        }
    }

    function takeShare(uint256 which) external {
        if (marks.length == 0) return;
        Mark storage m = marks[which % marks.length];
        (,, uint64 shareableAt) = records.potOf(m.epochId);
        if (shareableAt != 0 && vm.getBlockTimestamp() <= shareableAt) vm.warp(uint256(shareableAt) + 1);
        vm.prank(m.challenger);
        try records.takeShare(m.epochId) returns (uint256 amount) {
            sharesTaken[m.epochId] += amount;
        } catch {}
    }

    function forfeit(uint256 which) external {
        if (marks.length == 0) return;
        Mark storage m = marks[which % marks.length];
        try records.forfeit(m.epochId, m.challenger) {
            if (!m.open) ++untruthHeard;
            m.open = false;
        } catch {}
    }

    // Payments

    function demand(uint256 who) external {
        if (!pending()) return;
        uint256 stake = records.STAKE();
        address watcher = watchers[who % 4];
        vm.deal(watcher, stake);
        uint64 epochId = current();
        vm.prank(watcher);
        try records.demandPayments{value: stake}(epochId) {
            demandOpen[epochId] = true;
            ++demandsOpen;
            moneyIn += stake;
        } catch {}
    }

    function answer() external {
        if (!pending()) return;
        try this.commitPaymentsOut() {
            if (demandOpen[current()]) --demandsOpen;
            demandOpen[current()] = false;
        } catch {}
    }

    function commitPaymentsOut() external {
        commitPayments();
    }

    function reclaim(uint256 which) external {
        if (epochs.length == 0) return;
        uint64 epochId = epochs[which % epochs.length];
        try records.reclaimDemand(epochId) {
            if (!demandOpen[epochId]) ++untruthHeard;
            demandOpen[epochId] = false;
            --demandsOpen;
        } catch {}
    }

    // Drills

    function setDrill(uint256 amount, uint256 fromBounty) external {
        amount = bound(amount, 0, 1 ether);
        uint256 most = records.bounty() < amount / 2 ? records.bounty() : amount / 2;
        fromBounty = bound(fromBounty, 0, most);
        vm.deal(address(this), amount);
        uint256 id = records.setDrill{value: amount}(keccak256(abi.encode(faulty())), fromBounty);
        moneyIn += amount;
        drills = id;
        drillBounty[id] = amount + fromBounty;
    }

    function commitDrill(uint256 who, uint256 which) external {
        if (drills == 0) return;
        uint256 id = which % drills + 1;
        address watcher = watchers[who % 4];
        bytes32 commitment = records.drillCommitmentOf(id, watcher, "salt");
        vm.prank(watcher);
        try records.commitDrill(id, commitment) {} catch {}
    }

    function solveDrill(uint256 who, uint256 which, bool wait_) external {
        if (drills == 0) return;
        if (wait_) vm.warp(vm.getBlockTimestamp() + records.DRILL_WINDOW() / 2);
        vm.prank(watchers[who % 4]);
        try records.solveDrill(which % drills + 1, faulty(), "salt") {} catch {}
    }

    function closeDrill(uint256 which) external {
        if (drills == 0) return;
        uint256 id = which % drills + 1;
        uint256 before = credits();
        try records.closeDrill(id) {
            dust += drillBounty[id] - (credits() - before);
            drillBounty[id] = 0;
        } catch {}
    }

    function withdraw(uint256 who) external {
        address account = who % 6 < 4 ? watchers[who % 6] : (who % 6 == 4 ? poster : address(this));
        if (records.credit(account) == 0) return;
        vm.prank(account);
        moneyOut += records.withdraw(payable(account));
    }

    function credits() public view returns (uint256 sum) {
        for (uint256 i; i < 4; ++i) {
            sum += records.credit(watchers[i]);
        }
        sum += records.credit(poster) + records.credit(address(this));
    }

    receive() external payable {}
}
