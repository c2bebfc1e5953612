// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAttributionDispute} from "../interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IEpochDisclosure} from "../interfaces/IEpochDisclosure.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordDispute} from "../interfaces/IRecordDispute.sol";
import {IRecordFacts} from "../interfaces/IRecordFacts.sol";
import {ISurpriseFacts} from "../interfaces/ISurpriseFacts.sol";
import {Credit} from "../libraries/Credit.sol";
import {Disclosures} from "../libraries/Disclosures.sol";
import {Errors} from "../libraries/Errors.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {PaymentFacts} from "./PaymentFacts.sol";
import {RecordBase} from "./RecordBase.sol";

/// @title RecordDispute
/// @notice See {IRecordDispute}. Facts about records are in {RecordFacts} and {SurpriseFacts}, about payments in
/// {PaymentFacts}; the challenge is here.
contract RecordDispute is PaymentFacts, ReentrancyGuardTransient {
    using Credit for Credit.Book;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// Put up with every commitment and every demand.
    uint256 public constant STAKE = 0.05 ether;
    /// @notice Seconds of a drill.
    uint256 public constant DRILL_WINDOW = 1 days;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Challenge {
        // slot 0
        bytes32 commitment;
        // slot 1
        uint64 committedAt;
        bool shown;
        bool taken;
    }

    struct Pot {
        // slot 0
        uint128 amount;
        uint64 rejectedBlock;
        uint64 shareableAt;
        // slot 1
        uint256 winners;
        // slot 2: who showed the fact at AttributionDispute
        address finder;
    }

    struct Drill {
        // slot 0
        bytes32 recordHash;
        // slot 1
        address setter;
        uint64 deadline;
        bool closed;
        // slot 2
        uint256 bounty;
        address[] solvers;
    }

    /// @notice Where facts about claims are.
    IAttributionDispute public immutable dispute;
    /// @notice Where facts about records are.
    IRecordFacts public immutable facts;
    /// @notice Where facts about records are that need surprises of tokens.
    ISurpriseFacts public immutable surprises;
    /// @notice Where pieces of epochs are demanded.
    IEpochDisclosure public immutable disclosure;
    /// @inheritdoc IRecordDispute
    uint32 public immutable shareWindow;

    /// @inheritdoc IRecordDispute
    uint256 public bounty;
    /// @notice Number of drills; ids count them from 1.
    uint256 public drillCount;

    mapping(uint64 epochId => mapping(address challenger => Challenge)) private _challenges;
    mapping(uint64 epochId => uint256 blockNumber) private _firstCommitments;
    mapping(uint64 epochId => Pot) private _pots;
    mapping(uint64 epochId => address) private _demanders;
    mapping(uint256 drillId => Drill) private _drills;
    mapping(uint256 drillId => mapping(address solver => Challenge)) private _solutions;
    Credit.Book private _credit;

    constructor(
        IAttributionDispute dispute_,
        IRecordFacts facts_,
        ISurpriseFacts surprises_,
        IEpochDisclosure disclosure_,
        IAttributionSettlement settlement_,
        IModelRegistry models_,
        IDatanetRegistry datanets_,
        Spec memory spec_,
        uint32 shareWindow_
    ) RecordBase(settlement_, models_, datanets_, spec_) {
        if (
            address(dispute_) == address(0) || address(facts_) == address(0) || address(surprises_) == address(0)
                || address(disclosure_) == address(0)
        ) revert Errors.ZeroAddress();
        dispute = dispute_;
        facts = facts_;
        surprises = surprises_;
        disclosure = disclosure_;
        shareWindow = shareWindow_;
    }

    /// @notice The settlement pays pots.
    receive() external payable {
        if (msg.sender != address(settlement)) revert RecordErrors.RecordDispute_ExhibitMismatch();
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordDispute
    function commitChallenge(uint64 epochId, bytes32 commitment) external payable {
        // Check
        if (msg.value != STAKE) revert RecordErrors.RecordDispute_StakeMismatch(msg.value, STAKE);
        if (_statusOf(epochId) != IAttributionSettlement.EpochStatus.Posted) {
            revert RecordErrors.RecordDispute_NotDisputable(epochId);
        }
        Challenge storage c = _challenges[epochId][msg.sender];
        if (c.commitment != 0 || commitment == 0) {
            revert RecordErrors.RecordDispute_CommitmentInvalid(epochId, msg.sender);
        }

        // Effect
        c.commitment = commitment;
        // forge-lint: disable-next-line(unsafe-typecast)
        c.committedAt = uint64(block.number);
        if (_firstCommitments[epochId] == 0) _firstCommitments[epochId] = block.number;
        emit ChallengeCommitted(epochId, msg.sender, commitment);
    }

    /// @inheritdoc IRecordDispute
    function revealChallenge(uint64 epochId, bytes calldata call, bytes32 salt) external nonReentrant {
        // Check
        Challenge storage c = _challenges[epochId][msg.sender];
        if (c.shown || c.commitment != commitmentOf(epochId, msg.sender, call, salt) || c.committedAt >= block.number) {
            revert RecordErrors.RecordDispute_CommitmentInvalid(epochId, msg.sender);
        }
        string memory reason = _check(epochId, call);
        Pot storage pot = _pots[epochId];
        bool first = _statusOf(epochId) == IAttributionSettlement.EpochStatus.Posted;
        if (!first && pot.shareableAt != 0) {
            if (c.committedAt >= pot.rejectedBlock || block.timestamp > pot.shareableAt) {
                revert RecordErrors.RecordDispute_Untimely(epochId);
            }
        }

        // Effect
        c.shown = true;
        _credit.add(msg.sender, STAKE);
        emit ChallengeProven(epochId, msg.sender, reason);
        if (first || pot.shareableAt != 0) ++pot.winners;

        // Interaction, with the protocol's own contracts
        if (!first) return;
        _openPot(pot);
        dispute.uphold(epochId, address(this), reason);
        // forge-lint: disable-next-line(unsafe-typecast)
        pot.amount = uint128(settlement.withdraw(payable(address(this))));
    }

    /// @inheritdoc IRecordDispute
    function fell(uint64 epochId, address by) external nonReentrant {
        // Check
        if (msg.sender != address(dispute)) revert RecordErrors.RecordDispute_NotDispute(msg.sender);

        // Effect
        Pot storage pot = _pots[epochId];
        _openPot(pot);
        pot.finder = by;

        // Interaction, with the protocol's own contract
        if (settlement.credit(address(this)) == 0) return;
        // forge-lint: disable-next-line(unsafe-typecast)
        pot.amount = uint128(settlement.withdraw(payable(address(this))));
    }

    function _openPot(Pot storage pot) private {
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            pot.rejectedBlock = uint64(block.number);
            pot.shareableAt = uint64(block.timestamp + shareWindow);
        }
    }

    /// @inheritdoc PaymentFacts
    function _fellAt(uint64 epochId) internal view override returns (uint256) {
        uint256 shareableAt = _pots[epochId].shareableAt;
        return shareableAt == 0 ? 0 : shareableAt - shareWindow;
    }

    /// @dev Calls a fact. They are views, so nothing can happen but a verdict.
    function _check(uint64 epochId, bytes calldata call) private view returns (string memory reason) {
        // The first four bytes are what is meant.
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 selector = bytes4(call);
        bool own = selector == this.factSilence.selector || selector == this.factPaymentOrder.selector
            || selector == this.factPaymentFalse.selector || selector == this.factPaymentMissing.selector
            || selector == this.factClaim.selector;
        bool other = selector == IRecordFacts.factSums.selector || selector == IRecordFacts.factPayee.selector
            || selector == IRecordFacts.factCluster.selector || selector == IRecordFacts.factSpan.selector
            || selector == IRecordFacts.factEarlier.selector || selector == IRecordFacts.factInfluence.selector
            || selector == IRecordFacts.factDocument.selector || selector == IRecordFacts.factLonger.selector
            || selector == IRecordFacts.factPrompt.selector || selector == IRecordFacts.factFounder.selector;
        bool surprise = selector == ISurpriseFacts.factSurprise.selector
            || selector == ISurpriseFacts.factMissed.selector || selector == ISurpriseFacts.factAnswer.selector;
        bool claims = selector == IAttributionDispute.factDecrease.selector
            || selector == IAttributionDispute.factOmission.selector
            || selector == IAttributionDispute.factOrder.selector
            || selector == IAttributionDispute.factOverpromise.selector;
        bool withheld = selector == IEpochDisclosure.factWithheld.selector;
        if (!own && !other && !surprise && !claims && !withheld) revert RecordErrors.RecordDispute_NotFact(selector);
        address judge = own
            ? address(this)
            : other ? address(facts) : surprise ? address(surprises) : withheld ? address(disclosure) : address(dispute);
        (bool ok, bytes memory result) = judge.staticcall(call);
        if (!ok) {
            // The fact's own error says what is missing.
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
        uint64 shown;
        (shown, reason) = abi.decode(result, (uint64, string));
        if (shown != epochId) revert RecordErrors.RecordDispute_NotDisputable(epochId);
    }

    /// @inheritdoc IRecordDispute
    function takeShare(uint64 epochId) external returns (uint256 amount) {
        // Check
        Challenge storage c = _challenges[epochId][msg.sender];
        Pot storage pot = _pots[epochId];
        bool alone = pot.winners == 0 && pot.finder == msg.sender && pot.amount != 0;
        if (!alone && (!c.shown || c.taken || pot.winners == 0)) {
            revert RecordErrors.RecordDispute_NoShare(epochId, msg.sender);
        }
        if (block.timestamp <= pot.shareableAt) revert RecordErrors.RecordDispute_Untimely(epochId);

        // Effect
        if (alone) {
            amount = pot.amount;
            pot.amount = 0;
        } else {
            c.taken = true;
            amount = pot.amount / pot.winners;
        }
        _credit.add(msg.sender, amount);
        emit ShareTaken(epochId, msg.sender, amount);
    }

    /// @inheritdoc IRecordDispute
    function forfeit(uint64 epochId, address challenger) external {
        // Check
        Challenge storage c = _challenges[epochId][challenger];
        if (c.commitment == 0 || c.shown) {
            revert RecordErrors.RecordDispute_CommitmentInvalid(epochId, challenger);
        }
        IAttributionSettlement.EpochStatus status = _statusOf(epochId);
        bool over = status == IAttributionSettlement.EpochStatus.Activated
            || (status == IAttributionSettlement.EpochStatus.Rejected
                && _pots[epochId].shareableAt != 0
                && block.timestamp > _pots[epochId].shareableAt);
        if (!over) revert RecordErrors.RecordDispute_Untimely(epochId);

        // Effect
        c.shown = true;
        c.taken = true;
        bounty += STAKE;
        emit StakeForfeited(epochId, challenger, STAKE);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordDispute
    function demandPayments(uint64 epochId) external payable {
        // Check
        if (msg.value != STAKE) revert RecordErrors.RecordDispute_StakeMismatch(msg.value, STAKE);
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        uint256 quarter = (e.deadline - e.postedAt) / 4;
        Payments storage p = _payments[epochId];
        if (
            e.status != IAttributionSettlement.EpochStatus.Posted || p.demandedAt != 0 || p.answered
                || block.timestamp > e.postedAt + 2 * quarter
        ) revert RecordErrors.RecordDispute_Untimely(epochId);

        // Effect
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            p.demandedAt = uint64(block.timestamp);
            p.dueAt = uint64(block.timestamp + quarter);
        }
        _demanders[epochId] = msg.sender;
        emit PaymentsDemanded(epochId, msg.sender, p.dueAt);
    }

    /// @inheritdoc IRecordDispute
    function commitPayments(uint64 epochId, bytes32 root, uint128 total, uint8 depth, uint8 claimsDepth) external {
        // Check
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        if (msg.sender != e.poster) revert RecordErrors.RecordDispute_NotPoster(msg.sender);
        Payments storage p = _payments[epochId];
        if (
            e.status != IAttributionSettlement.EpochStatus.Posted || p.answered
                || (p.demandedAt != 0 && block.timestamp > p.dueAt)
        ) revert RecordErrors.RecordDispute_Untimely(epochId);
        (, uint128 activeTotal) = _activeTree();
        if (total != e.claimsTotal - activeTotal || depth > MerkleSum.DEPTH_MAX || claimsDepth > MerkleSum.DEPTH_MAX) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        // SOUNDNESS: whatever anybody demands of an epoch can be answered in time, so demands need no limit.
        _checkSize(e, depth, claimsDepth);

        // Effect
        (p.root, p.total, p.answered) = (root, total, true);
        (p.depth, p.claimsDepth) = (depth, claimsDepth);
        if (p.demandedAt != 0) _credit.add(msg.sender, STAKE);
        emit PaymentsCommitted(epochId, root, total, depth);
    }

    function _checkSize(IAttributionSettlement.Epoch memory e, uint8 depth, uint8 claimsDepth) private pure {
        uint256 answers = Disclosures.answersOf(e.receiptCount, depth, claimsDepth);
        uint256 most = Disclosures.answersMax(e.deadline - e.postedAt);
        if (answers > most) revert RecordErrors.RecordDispute_TooLarge(answers, most);
    }

    /// @inheritdoc IRecordDispute
    function reclaimDemand(uint64 epochId) external {
        // Check: the demand was right, the poster was silent, and the epoch fell
        address demander = _demanders[epochId];
        if (
            demander == address(0) || _payments[epochId].answered
                || _statusOf(epochId) == IAttributionSettlement.EpochStatus.Posted
        ) revert RecordErrors.RecordDispute_Untimely(epochId);

        // Effect
        _demanders[epochId] = address(0);
        _credit.add(demander, STAKE);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       DRILLS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordDispute
    function setDrill(bytes32 recordHash, uint256 fromBounty) external payable returns (uint256 drillId) {
        // Check: forfeited stakes at most double what the setter puts up, so that nobody drills itself for them
        if (fromBounty > bounty || fromBounty * 2 > msg.value) {
            revert RecordErrors.RecordDispute_StakeMismatch(msg.value, fromBounty * 2);
        }

        // Effect
        bounty -= fromBounty;
        drillId = ++drillCount;
        Drill storage d = _drills[drillId];
        d.recordHash = recordHash;
        d.setter = msg.sender;
        // forge-lint: disable-next-line(unsafe-typecast)
        d.deadline = uint64(block.timestamp + DRILL_WINDOW);
        d.bounty = msg.value + fromBounty;
        emit DrillSet(drillId, msg.sender, recordHash, d.bounty, d.deadline);
    }

    /// @inheritdoc IRecordDispute
    function commitDrill(uint256 drillId, bytes32 commitment) external {
        // Check; commitments in the first half, solutions in the second, so that no solution can be copied
        Drill storage d = _drills[drillId];
        if (block.timestamp + DRILL_WINDOW / 2 > d.deadline || commitment == 0) {
            revert RecordErrors.RecordDispute_DrillInvalid(drillId);
        }

        // Effect
        _solutions[drillId][msg.sender].commitment = commitment;
    }

    /// @inheritdoc IRecordDispute
    function solveDrill(uint256 drillId, Record calldata record, bytes32 salt) external {
        // Check
        Drill storage d = _drills[drillId];
        Challenge storage c = _solutions[drillId][msg.sender];
        if (
            block.timestamp + DRILL_WINDOW / 2 <= d.deadline || block.timestamp > d.deadline || c.shown
                || c.commitment != drillCommitmentOf(drillId, msg.sender, salt) || d.solvers.length == 64
                || keccak256(abi.encode(record)) != d.recordHash
        ) revert RecordErrors.RecordDispute_DrillInvalid(drillId);
        if (facts.isConsistent(record)) revert RecordErrors.RecordDispute_NotFalse();

        // Effect
        c.shown = true;
        d.solvers.push(msg.sender);
        emit DrillSolved(drillId, msg.sender);
    }

    /// @inheritdoc IRecordDispute
    function closeDrill(uint256 drillId) external {
        // Check
        Drill storage d = _drills[drillId];
        if (d.setter == address(0) || d.closed || block.timestamp <= d.deadline) {
            revert RecordErrors.RecordDispute_DrillInvalid(drillId);
        }

        // Effect
        d.closed = true;
        uint256 count = d.solvers.length;
        if (count == 0) {
            _credit.add(d.setter, d.bounty);
            return;
        }
        for (uint256 i; i < count; ++i) {
            _credit.add(d.solvers[i], d.bounty / count);
        }
    }

    /// @inheritdoc IRecordDispute
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordDispute
    function commitmentOf(uint64 epochId, address challenger, bytes calldata call, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), epochId, challenger, keccak256(call), salt));
    }

    /// @inheritdoc IRecordDispute
    function commitmentsTo(uint64 epochId) external view returns (bool any, bool before) {
        uint256 first = _firstCommitments[epochId];
        return (first != 0, first != 0 && first < block.number);
    }

    /// @inheritdoc IRecordDispute
    function drillCommitmentOf(uint256 drillId, address solver, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), "drill", drillId, solver, salt));
    }

    /// @inheritdoc IRecordDispute
    function potOf(uint64 epochId) external view returns (uint256 amount, uint256 winners, uint64 shareableAt) {
        Pot storage p = _pots[epochId];
        return (p.amount, p.winners, p.shareableAt);
    }

    /// @inheritdoc IRecordDispute
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }
}
