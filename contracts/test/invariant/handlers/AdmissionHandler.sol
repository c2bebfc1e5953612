// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IContentChallenges} from "../../../src/interfaces/IContentChallenges.sol";
import {IContributionReview} from "../../../src/interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Batches} from "../../../src/libraries/Batches.sol";
import {Merkle} from "../../../src/libraries/Merkle.sol";
import {AdmissionTest} from "../../utils/AdmissionTest.sol";

/// @title AdmissionHandler
/// @notice Reviewers who join, leave, vote, stay silent; contributors who ask for review, appeal and keep bonds; challengers
/// of availability, and who proves copies. Alice's content can always be had, bob's never. No call reverts: an action
/// without occasion does nothing.
contract AdmissionHandler is AdmissionTest {
    uint256 private constant SEATED = 12;
    bytes private constant CHUNK = "the only chunk\n";

    /// Contributions in the order of their commitments.
    uint256[] public ids;
    uint256[] public cases;
    /// Bonds of contributions are pushed back to their contributors; everything else is counted here.
    uint256 public poolIn;
    uint256 public poolOut;
    uint256 public challengesIn;
    uint256 public challengesOut;
    uint256 public reviewIn;
    uint256 public reviewOut;
    /// What must never happen.
    uint256 public minorityDecided;
    uint256 public earlyFetches;
    uint256 public answeredConvicted;
    uint256 public decidedTwice;

    mapping(uint256 id => uint8[]) private _scores;
    /// Outcome and median of the last panel that decided.
    mapping(uint256 id => bytes32) private _decision;
    mapping(bytes32 key => uint256 order) public orderOf;
    mapping(bytes32 key => bool) private _convicted;
    mapping(uint256 id => bool) private _decided;

    function seats() external pure returns (uint256) {
        return SEATED;
    }

    function idCount() external view returns (uint256) {
        return ids.length;
    }

    function caseCount() external view returns (uint256) {
        return cases.length;
    }

    function datanet() external view returns (uint256) {
        return reviewedDatanet;
    }

    function people() public view returns (address[] memory all) {
        all = new address[](SEATED + 4);
        for (uint256 i; i < SEATED; ++i) {
            all[i] = reviewer(i);
        }
        (all[SEATED], all[SEATED + 1], all[SEATED + 2], all[SEATED + 3]) = (alice, bob, mallory, sink);
    }

    // Seats

    function join(uint256 who, uint256 count) external {
        count = bound(count, 1, 3);
        joinAs(reviewer(who % SEATED), count);
        poolIn += count * SEAT;
    }

    function giveUp(uint256 who, uint256 count) external {
        address r = reviewer(who % SEATED);
        uint256 held = pool.seatsOf(r);
        if (held == 0) return;
        vm.prank(r);
        pool.giveUp(bound(count, 1, held));
    }

    function fetch(uint256 who, uint256 wait) external {
        address r = reviewer(who % SEATED);
        vm.warp(vm.getBlockTimestamp() + bound(wait, 0, 50 days));
        (,, uint256 payableAt) = pool.stakeOf(r);
        vm.prank(r);
        try pool.fetch(payable(r)) returns (uint256 amount) {
            poolOut += amount;
            if (vm.getBlockTimestamp() < payableAt) ++earlyFetches;
        } catch {}
    }

    // Contributions

    function submit(bool byAlice, uint256 documents) external {
        if (ids.length == 12) return;
        documents = bound(documents, 1, 4);
        uint256 seed = ids.length + 1;
        IDatanetRegistry.Reveal memory r;
        if (documents == 1) {
            r = document(seed);
            (r.chunkRoot, r.chunkCount, r.byteLength) = (Merkle.hashLeaf(CHUNK), 1, uint32(CHUNK.length));
            // Every second one is of one family, so that there are copies to prove.
            r.sketchHash = keccak256(sketchOf(seed % 2, seed, 100));
        } else {
            (r,) = batchOf(documents, seed);
        }
        uint256 id = contributeReveal(byAlice ? alice : bob, reviewedDatanet, r);
        ids.push(id);
        orderOf[Batches.keyOf(id, 0)] = id;
    }

    function openReview(uint256 which) external {
        if (ids.length == 0) return;
        uint256 id = ids[which % ids.length];
        IDatanetRegistry.Contribution memory c = datanets.contribution(id);
        IContributionReview.Stage stage = review.caseOf(id).stage;
        bool idle = stage == IContributionReview.Stage.None || stage == IContributionReview.Stage.Closed;
        if (!idle || c.status != IDatanetRegistry.Status.Revealed) return;
        uint256 cost = review.costOf(id);
        openAs(c.contributor, id);
        reviewIn += cost;
    }

    function draw(uint256 which) external {
        uint256 id = inStage(which, IContributionReview.Stage.Drawing);
        if (id != 0) drawPanel(id);
    }

    /// @dev A panel votes; whose bit is set in `silent` does not open its ballot, or does not vote at all.
    function ballot(uint256 which, uint256 votes, uint8 silent, uint8 absent) external {
        uint256 id = inStage(which, IContributionReview.Stage.Committing);
        if (id == 0) return;
        address[] memory panel = review.panelOf(id, review.caseOf(id).round);
        delete _scores[id];
        if (vm.getBlockTimestamp() <= review.caseOf(id).deadline) {
            for (uint256 i; i < panel.length; ++i) {
                if (absent >> (i % 8) & 1 == 1) continue;
                bytes32 commitment = review.commitmentOf(id, panel[i], scoreOf(votes, i), salt(panel[i]));
                vm.prank(panel[i]);
                review.commitScore(id, commitment);
            }
            if (review.caseOf(id).stage == IContributionReview.Stage.Committing) {
                vm.warp(uint256(review.caseOf(id).deadline) + 1);
            }
            for (uint256 i; i < panel.length; ++i) {
                if (absent >> (i % 8) & 1 == 1 || silent >> (i % 8) & 1 == 1) continue;
                vm.prank(panel[i]);
                review.revealScore(id, scoreOf(votes, i), salt(panel[i]));
                _scores[id].push(scoreOf(votes, i));
            }
        }
        vm.warp(vm.getBlockTimestamp() + 2 hours);
        uint256 before = sinkOfPool();
        review.tally(id);
        poolOut += sinkOfPool() - before;
        checkMajority(id);
    }

    function scoreOf(uint256 votes, uint256 i) private pure returns (uint8) {
        return uint8(uint256(keccak256(abi.encode(votes, i))) % 101);
    }

    /// @dev The pool pays slashes to the sink by transfer, and nobody else does.
    function sinkOfPool() private view returns (uint256) {
        return sink.balance;
    }

    /// @dev More than half of the panel opened its ballots, and at least half of those are on either side of the median.
    /// An appeal to which fewer open leaves the first decision as it was.
    function checkMajority(uint256 id) private {
        IContributionReview.Case memory k = review.caseOf(id);
        if (k.stage != IContributionReview.Stage.Decided) return;
        bytes32 decision = keccak256(abi.encode(k.outcome, k.median));
        uint8[] storage scores = _scores[id];
        if (2 * scores.length <= review.panelOf(id, k.round).length) {
            if (k.round == 0 || decision != _decision[id]) ++minorityDecided;
            return;
        }
        uint256 above;
        uint256 below;
        for (uint256 i; i < scores.length; ++i) {
            if (scores[i] >= k.median) ++above;
            if (scores[i] <= k.median) ++below;
        }
        if (2 * above < scores.length || 2 * below < scores.length) ++minorityDecided;
        _decision[id] = decision;
    }

    function appeal(uint256 which) external {
        uint256 id = inStage(which, IContributionReview.Stage.Decided);
        if (id == 0) return;
        IContributionReview.Case memory k = review.caseOf(id);
        if (k.round != 0 || vm.getBlockTimestamp() > k.deadline) return;
        reviewIn += review.costOf(id);
        appealAs(mallory, id);
    }

    function execute(uint256 which) external {
        uint256 id = inStage(which, IContributionReview.Stage.Decided);
        if (id == 0) return;
        if (review.caseOf(id).round == 0) closeAppeal(id);
        review.execute(id);
        if (_decided[id]) ++decidedTwice;
        _decided[id] = true;
    }

    function withdraw(uint256 who, bool ofReview) external {
        address account = people()[who % (SEATED + 3)];
        if (ofReview && review.credit(account) != 0) {
            vm.prank(account);
            reviewOut += review.withdraw(payable(account));
        } else if (!ofReview && challenges.credit(account) != 0) {
            vm.prank(account);
            challengesOut += challenges.withdraw(payable(account));
        }
    }

    function inStage(uint256 which, IContributionReview.Stage stage) private view returns (uint256) {
        for (uint256 i; i < ids.length; ++i) {
            uint256 id = ids[(which % ids.length + i) % ids.length];
            if (review.caseOf(id).stage == stage) return id;
        }
        return 0;
    }

    // Challenges

    function keep(uint256 which, uint256 amount) external {
        uint256 id = live(which);
        if (id == 0) return;
        amount = bound(amount, 1, 5 ether);
        vm.deal(alice, amount);
        vm.prank(alice);
        challenges.keep{value: amount}(id);
        challengesIn += amount;
    }

    function release(uint256 which) external {
        if (ids.length == 0) return;
        uint256 id = ids[which % ids.length];
        vm.prank(datanets.contribution(id).contributor);
        try challenges.release(id) {} catch {}
    }

    function challenge(uint256 which) external {
        uint256 id = live(which);
        // Batches are challenged by item in the unit tests; here a contribution is one document.
        if (id == 0 || datanets.contribution(id).chunkCount != 1 || !challenges.isSound(Batches.keyOf(id, 0))) return;
        Batches.Item memory item = itemOf(id);
        vm.deal(mallory, CHALLENGE_BOND);
        vm.prank(mallory);
        cases.push(challenges.challenge{value: CHALLENGE_BOND}(item, 0));
        challengesIn += CHALLENGE_BOND;
    }

    /// @dev Alice answers in time; nobody has bob's content.
    function resolve(uint256 which) external {
        if (cases.length == 0) return;
        uint256 caseId = cases[which % cases.length];
        IContentChallenges.Case memory k = challenges.caseOf(caseId);
        if (!k.open) return;
        bool hers = datanets.contribution(k.contributionId).contributor == alice;
        if (hers && vm.getBlockTimestamp() <= k.deadline) {
            vm.prank(alice);
            challenges.answer(caseId, CHUNK, new bytes32[](0));
            if (!challenges.isSound(k.key) && !_convicted[k.key]) ++answeredConvicted;
            return;
        }
        vm.warp(vm.getBlockTimestamp() + RESPONSE_WINDOW + 1);
        challenges.closeUnanswered(caseId);
        _convicted[k.key] = true;
    }

    function copy(uint256 one_, uint256 other) external {
        if (ids.length < 2) return;
        uint256 a = one_ % ids.length;
        uint256 b = other % ids.length;
        if (a > b) (a, b) = (b, a);
        if (datanets.contribution(ids[a]).chunkCount != 1 || datanets.contribution(ids[b]).chunkCount != 1) return;
        Batches.Item memory earlier = itemOf(ids[a]);
        Batches.Item memory later = itemOf(ids[b]);
        try challenges.proveCopy(
            earlier, sketchOf((a + 1) % 2, a + 1, 100), later, sketchOf((b + 1) % 2, b + 1, 100)
        ) {}
            catch {}
    }

    function live(uint256 which) private view returns (uint256) {
        if (ids.length == 0) return 0;
        uint256 id = ids[which % ids.length];
        IDatanetRegistry.Status status = datanets.contribution(id).status;
        bool is_ = status == IDatanetRegistry.Status.Revealed || status == IDatanetRegistry.Status.Accepted;
        return is_ ? id : 0;
    }

    function convicted(bytes32 key) external view returns (bool) {
        return _convicted[key];
    }
}
