// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAdmission} from "../interfaces/IAdmission.sol";
import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IContributionReview} from "../interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IReviewerPool} from "../interfaces/IReviewerPool.sol";
import {AdmissionErrors} from "../libraries/AdmissionErrors.sol";
import {Batches} from "../libraries/Batches.sol";
import {Credit} from "../libraries/Credit.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title ContributionReview
/// @notice See {IContributionReview}.
contract ContributionReview is IContributionReview, ReentrancyGuardTransient {
    using Credit for Credit.Book;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Panellists at least.
    uint256 public constant PANEL_MIN = 3;
    /// @notice Panellists at most.
    uint256 public constant PANEL_MAX = 7;
    /// @notice The shortest step of a case, seconds.
    uint256 public constant WINDOW_MIN = 1 minutes;
    /// @notice The longest step of a case, seconds.
    uint256 public constant WINDOW_MAX = 3 days;
    /// @notice The best score.
    uint8 public constant SCORE_MAX = 100;
    /// A ballot this far from the median is still paid.
    uint8 public constant TOLERANCE = 20;
    /// Blocks between asking for a panel and the block that draws it.
    uint256 public constant DRAW_DELAY = 2;
    /// A ballot that is not opened costs the seat's price divided by this.
    uint256 public constant NO_REVEAL_DIVISOR = 20;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    enum BallotState {
        None,
        Drawn,
        Committed,
        Revealed
    }

    struct Ballot {
        // slot 0
        BallotState state;
        uint8 score;
        // slot 1
        bytes32 commitment;
    }

    /// @notice The registry of Datanets.
    IDatanetRegistry public immutable datanets;
    /// @notice Who sits on panels.
    IReviewerPool public immutable reviewers;
    /// @notice The contract of challenges of content.
    IContentChallenges public immutable challenges;
    /// @notice Who gets what is nobody's.
    address public immutable sink;

    mapping(uint256 datanetId => Policy) private _policies;
    mapping(uint256 contributionId => Case) private _cases;
    mapping(uint256 contributionId => uint256) private _attempts;
    mapping(bytes32 roundKey => address[]) private _panels;
    mapping(bytes32 roundKey => mapping(address reviewer => Ballot)) private _ballots;
    Credit.Book private _credit;

    constructor(IDatanetRegistry datanets_, IReviewerPool reviewers_, IContentChallenges challenges_, address sink_) {
        if (
            address(datanets_) == address(0) || address(reviewers_) == address(0) || address(challenges_) == address(0)
                || sink_ == address(0)
        ) revert Errors.ZeroAddress();
        datanets = datanets_;
        reviewers = reviewers_;
        challenges = challenges_;
        sink = sink_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       POLICY
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContributionReview
    function setPolicy(uint256 datanetId, Policy calldata p) external {
        // Check
        if (datanets.ownerOf(datanetId) != msg.sender) {
            revert AdmissionErrors.ContributionReview_NotOwner(datanetId, msg.sender);
        }
        if (_policies[datanetId].panel != 0) revert AdmissionErrors.ContributionReview_PolicyFixed(datanetId);
        _checkBounds("panel", p.panel, PANEL_MIN, PANEL_MAX);
        if (p.panel & 1 == 0) {
            revert AdmissionErrors.ContributionReview_PolicyOutOfBounds("panel", p.panel, PANEL_MIN, PANEL_MAX);
        }
        _checkBounds("commitWindow", p.commitWindow, WINDOW_MIN, WINDOW_MAX);
        _checkBounds("revealWindow", p.revealWindow, WINDOW_MIN, WINDOW_MAX);
        _checkBounds("appealWindow", p.appealWindow, WINDOW_MIN, WINDOW_MAX);
        _checkBounds("acceptMin", p.acceptMin, uint256(p.faultMax) + 1, SCORE_MAX);

        // Effect
        _policies[datanetId] = p;
        emit PolicySet(datanetId, p);
    }

    function _checkBounds(string memory name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) {
            revert AdmissionErrors.ContributionReview_PolicyOutOfBounds(name, value, min, max);
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       REVIEW
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContributionReview
    function openReview(uint256 contributionId) external payable {
        // Check
        Case storage k = _cases[contributionId];
        if (_isOpen(contributionId)) _revertStage(contributionId);
        IDatanetRegistry.Contribution memory c = _reviewable(contributionId);
        Policy storage p = _policies[c.datanetId];
        (uint256 fees, uint256 bond) = (uint256(p.fee) * p.panel, _documentBond(c, p));
        // A bond returns to the contributor, so nobody else puts it up.
        if (bond != 0 && msg.sender != c.contributor) {
            revert AdmissionErrors.ContributionReview_NotReviewable(contributionId);
        }
        _checkValue(fees + bond);

        // Effect; both were paid, so both are far below 2^96
        k.round = 0;
        k.openedAt = uint40(block.timestamp);
        k.outcome = Outcome.None;
        // forge-lint: disable-next-line(unsafe-typecast)
        k.documentBond = uint96(bond);
        k.panel = p.panel;
        _arm(contributionId, k, fees);
    }

    /// @dev A round begins: its fees are in, its panel is drawn from a block to come.
    function _arm(uint256 contributionId, Case storage k, uint256 fees) private {
        k.stage = Stage.Drawing;
        k.commits = 0;
        k.reveals = 0;
        k.payer = msg.sender;
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            k.fees = uint96(fees);
            k.drawBlock = uint40(block.number + DRAW_DELAY);
        }
        ++_attempts[contributionId];
        emit ReviewOpened(contributionId, msg.sender, k.round, k.drawBlock);
    }

    /// @inheritdoc IContributionReview
    function draw(uint256 contributionId) external {
        // Check
        Case storage k = _inStage(contributionId, Stage.Drawing);
        uint256 drawBlock = k.drawBlock;
        if (block.number <= drawBlock) {
            revert AdmissionErrors.ContributionReview_DrawTooEarly(contributionId, drawBlock);
        }
        bytes32 entropy = blockhash(drawBlock);
        if (entropy == 0) {
            // forge-lint: disable-next-line(unsafe-typecast)
            k.drawBlock = uint40(block.number + DRAW_DELAY);
            emit ReviewOpened(contributionId, k.payer, k.round, k.drawBlock);
            return;
        }
        IDatanetRegistry.Contribution memory c = datanets.contribution(contributionId);
        bytes32 roundKey = _roundKey(contributionId, k.round);
        address[] memory panel =
            reviewers.draw(keccak256(abi.encode(entropy, roundKey)), k.panel, _excluded(contributionId, c, k.round));
        if (panel.length < PANEL_MIN || (k.round == 1 && panel.length <= _policies[c.datanetId].panel)) {
            // Bounded time also when nobody reviews: the case lapses and the money goes back.
            _lapse(contributionId, k, c.contributor);
            return;
        }

        // Effect
        _panels[roundKey] = panel;
        for (uint256 i; i < panel.length; ++i) {
            _ballots[roundKey][panel[i]].state = BallotState.Drawn;
        }
        k.stage = Stage.Committing;
        k.deadline = uint40(block.timestamp + _policies[c.datanetId].commitWindow);
        emit PanelDrawn(contributionId, k.round, panel, k.deadline);
    }

    /// @dev The contributor, and on appeal everybody who has decided before.
    function _excluded(uint256 contributionId, IDatanetRegistry.Contribution memory c, uint8 round)
        private
        view
        returns (address[] memory list)
    {
        address[] memory before = round == 0 ? new address[](0) : _panels[_roundKey(contributionId, 0)];
        list = new address[](before.length + 1);
        list[0] = c.contributor;
        for (uint256 i; i < before.length; ++i) {
            list[i + 1] = before[i];
        }
    }

    /// @inheritdoc IContributionReview
    function commitScore(uint256 contributionId, bytes32 commitment) external {
        // Check
        Case storage k = _inStage(contributionId, Stage.Committing);
        if (block.timestamp > k.deadline) {
            revert AdmissionErrors.ContributionReview_TooLate(contributionId, k.deadline);
        }
        bytes32 roundKey = _roundKey(contributionId, k.round);
        Ballot storage b = _ballots[roundKey][msg.sender];
        if (b.state == BallotState.None) {
            revert AdmissionErrors.ContributionReview_NotOnPanel(contributionId, msg.sender);
        }
        if (b.state != BallotState.Drawn || commitment == 0) {
            revert AdmissionErrors.ContributionReview_BallotInvalid(contributionId, msg.sender);
        }

        // Effect
        b.state = BallotState.Committed;
        b.commitment = commitment;
        emit ScoreCommitted(contributionId, msg.sender, commitment);
        if (++k.commits == _panels[roundKey].length) _startReveal(contributionId, k, block.timestamp);
    }

    function _startReveal(uint256 contributionId, Case storage k, uint256 from) private {
        k.stage = Stage.Revealing;
        uint256 datanetId = datanets.contribution(contributionId).datanetId;
        // Timestamps fit 40 bits for 34,000 years.
        // forge-lint: disable-next-line(unsafe-typecast)
        k.deadline = uint40(from + _policies[datanetId].revealWindow);
    }

    /// @dev The time to open runs from the end of the time to commit, whether or not anybody opens: a panel that committed
    /// and then fell silent cannot hold a case open.
    function _endCommitting(uint256 contributionId, Case storage k) private {
        if (k.stage != Stage.Committing || block.timestamp <= k.deadline) return;
        if (k.commits == 0) k.stage = Stage.Revealing;
        else _startReveal(contributionId, k, k.deadline);
    }

    /// @inheritdoc IContributionReview
    function revealScore(uint256 contributionId, uint8 score, bytes32 salt) external {
        // Check
        Case storage k = _cases[contributionId];
        _endCommitting(contributionId, k);
        _inStage(contributionId, Stage.Revealing);
        if (block.timestamp > k.deadline) {
            revert AdmissionErrors.ContributionReview_TooLate(contributionId, k.deadline);
        }
        if (score > SCORE_MAX) revert AdmissionErrors.ContributionReview_ScoreInvalid(score);
        Ballot storage b = _ballots[_roundKey(contributionId, k.round)][msg.sender];
        if (b.state != BallotState.Committed || b.commitment != commitmentOf(contributionId, msg.sender, score, salt)) {
            revert AdmissionErrors.ContributionReview_BallotInvalid(contributionId, msg.sender);
        }

        // Effect
        b.state = BallotState.Revealed;
        b.score = score;
        ++k.reveals;
        emit ScoreRevealed(contributionId, msg.sender, score);
    }

    /// @inheritdoc IContributionReview
    function tally(uint256 contributionId) external nonReentrant {
        // Check
        Case storage k = _cases[contributionId];
        _endCommitting(contributionId, k);
        _inStage(contributionId, Stage.Revealing);
        if (k.reveals != k.commits && block.timestamp <= k.deadline) {
            revert AdmissionErrors.ContributionReview_TooEarly(contributionId, k.deadline);
        }

        // Effect
        IDatanetRegistry.Contribution memory c = datanets.contribution(contributionId);
        Policy storage p = _policies[c.datanetId];
        address[] memory panel = _panels[_roundKey(contributionId, k.round)];
        bool quorum = uint256(k.reveals) * 2 > panel.length;
        if (quorum) {
            k.median = _median(contributionId, k, panel);
            k.outcome =
                k.median >= p.acceptMin ? Outcome.Accept : (k.median <= p.faultMax ? Outcome.Fault : Outcome.Reject);
        }
        address[] memory silent = _payPanel(contributionId, k, panel, p.fee, quorum);
        if (quorum) {
            k.stage = Stage.Decided;
            k.deadline = uint40(block.timestamp + p.appealWindow);
            emit Tallied(contributionId, k.round, k.outcome, k.median, k.reveals);
        } else {
            _lapse(contributionId, k, c.contributor);
        }

        // Interaction
        uint256 penalty = reviewers.seatStake() / NO_REVEAL_DIVISOR;
        for (uint256 i; i < silent.length && silent[i] != address(0); ++i) {
            reviewers.slash(silent[i], penalty);
        }
    }

    /// @dev Insertion sort of at most 15 scores. Of an even number, the lower one in the middle.
    function _median(uint256 contributionId, Case storage k, address[] memory panel) private view returns (uint8) {
        bytes32 roundKey = _roundKey(contributionId, k.round);
        uint8[] memory scores = new uint8[](k.reveals);
        uint256 count;
        for (uint256 i; i < panel.length; ++i) {
            Ballot storage b = _ballots[roundKey][panel[i]];
            if (b.state != BallotState.Revealed) continue;
            uint8 score = b.score;
            uint256 j = count++;
            for (; j != 0 && scores[j - 1] > score; --j) {
                scores[j] = scores[j - 1];
            }
            scores[j] = score;
        }
        return scores[(count - 1) / 2];
    }

    /// @dev Credits those near the median, or everybody who opened when there is none, and names those who did not open.
    function _payPanel(uint256 contributionId, Case storage k, address[] memory panel, uint256 fee, bool quorum)
        private
        returns (address[] memory silent)
    {
        bytes32 roundKey = _roundKey(contributionId, k.round);
        silent = new address[](panel.length);
        uint256 silentCount;
        uint256 left = k.fees;
        for (uint256 i; i < panel.length; ++i) {
            Ballot storage b = _ballots[roundKey][panel[i]];
            if (b.state != BallotState.Revealed) {
                silent[silentCount++] = panel[i];
                continue;
            }
            uint256 distance = b.score > k.median ? b.score - k.median : k.median - b.score;
            if (quorum && distance > TOLERANCE) continue;
            _credit.add(panel[i], fee);
            left -= fee;
        }
        k.fees = 0;
        // Who paid gets back what a panel that decided nothing, or was smaller, did not earn.
        uint256 unused = quorum ? fee * (k.panel - panel.length + silentCount) : left;
        _credit.add(k.payer, unused);
        _credit.add(sink, left - unused);
    }

    function _lapse(uint256 contributionId, Case storage k, address contributor) private {
        _credit.add(k.payer, k.fees);
        k.fees = 0;
        if (k.round == 0) {
            _closeCase(contributionId, k, contributor, Outcome.Lapsed);
            return;
        }
        // An appeal that comes to nothing leaves the first decision as it is.
        k.stage = Stage.Decided;
        emit Tallied(contributionId, k.round, k.outcome, k.median, 0);
    }

    /// @dev The document bond goes to `to`.
    function _closeCase(uint256 contributionId, Case storage k, address to, Outcome outcome) private {
        _credit.add(to, k.documentBond);
        k.documentBond = 0;
        k.stage = Stage.Closed;
        k.outcome = outcome;
        emit ReviewClosed(contributionId, outcome);
    }

    /// @inheritdoc IContributionReview
    function appeal(uint256 contributionId) external payable {
        // Check
        Case storage k = _inStage(contributionId, Stage.Decided);
        if (k.round != 0) _revertStage(contributionId);
        if (block.timestamp > k.deadline) {
            revert AdmissionErrors.ContributionReview_TooLate(contributionId, k.deadline);
        }
        uint256 fees = costOf(contributionId);
        _checkValue(fees);

        // Effect
        k.round = 1;
        k.panel = 2 * k.panel + 1;
        _arm(contributionId, k, fees);
    }

    /// @inheritdoc IContributionReview
    function execute(uint256 contributionId) external nonReentrant {
        // Check
        Case storage k = _inStage(contributionId, Stage.Decided);
        if (k.round == 0 && block.timestamp <= k.deadline) {
            revert AdmissionErrors.ContributionReview_TooEarly(contributionId, k.deadline);
        }

        // Effect
        Outcome outcome = k.outcome;
        address contributor = datanets.contribution(contributionId).contributor;
        _closeCase(contributionId, k, outcome == Outcome.Fault ? sink : contributor, outcome);

        // Interaction
        if (outcome == Outcome.Accept) {
            uint256[] memory ids = new uint256[](1);
            ids[0] = contributionId;
            datanets.accept(ids);
        } else if (outcome == Outcome.Reject) {
            datanets.reject(contributionId, "panel");
        } else {
            datanets.rejectForFault(contributionId, address(0), "panel: fault");
        }
    }

    /// @inheritdoc IContributionReview
    function condemn(uint256 contributionId, address beneficiary, string calldata reason)
        external
        nonReentrant
        returns (bool)
    {
        // Check
        if (msg.sender != address(challenges)) revert AdmissionErrors.ContributionReview_NotChallenges(msg.sender);
        IDatanetRegistry.Contribution memory c = datanets.contribution(contributionId);
        if (c.status != IDatanetRegistry.Status.Revealed || address(datanets.admissionOf(c.datanetId)) != address(this))
        {
            return false;
        }

        // Effect
        Case storage k = _cases[contributionId];
        if (_isOpen(contributionId)) {
            _credit.add(k.payer, k.fees);
            k.fees = 0;
            uint96 reward = k.documentBond / 2;
            _credit.add(beneficiary, reward);
            k.documentBond -= reward;
            _closeCase(contributionId, k, sink, Outcome.Fault);
        }

        // Interaction
        datanets.rejectForFault(contributionId, beneficiary, reason);
        return true;
    }

    /// @inheritdoc IContributionReview
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAdmission
    function curatorsMayAccept(uint256 datanetId, uint256 contributionId) external view returns (bool) {
        return _policies[datanetId].curatorsAccept && !isContested(contributionId);
    }

    /// @inheritdoc IAdmission
    function isContested(uint256 contributionId) public view returns (bool) {
        return _isOpen(contributionId) || challenges.openCasesOf(contributionId) != 0;
    }

    function _isOpen(uint256 contributionId) private view returns (bool) {
        Stage stage = _cases[contributionId].stage;
        return stage != Stage.None && stage != Stage.Closed;
    }

    /// @inheritdoc IContributionReview
    function costOf(uint256 contributionId) public view returns (uint256) {
        IDatanetRegistry.Contribution memory c = datanets.contribution(contributionId);
        Policy storage p = _policies[c.datanetId];
        if (_cases[contributionId].stage == Stage.Decided) return uint256(p.fee) * (2 * uint256(p.panel) + 1);
        return uint256(p.fee) * p.panel + _documentBond(c, p);
    }

    /// @inheritdoc IContributionReview
    function policyOf(uint256 datanetId) external view returns (Policy memory) {
        return _policies[datanetId];
    }

    /// @inheritdoc IContributionReview
    function caseOf(uint256 contributionId) external view returns (Case memory) {
        return _cases[contributionId];
    }

    /// @inheritdoc IContributionReview
    function panelOf(uint256 contributionId, uint8 round) external view returns (address[] memory) {
        return _panels[_roundKey(contributionId, round)];
    }

    /// @inheritdoc IContributionReview
    function commitmentOf(uint256 contributionId, address reviewer, uint8 score, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        uint8 round = _cases[contributionId].round;
        return keccak256(abi.encode(block.chainid, address(this), contributionId, round, reviewer, score, salt));
    }

    /// @inheritdoc IContributionReview
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       CHECKS
    //////////////////////////////////////////////////////////////////////////*/

    function _reviewable(uint256 contributionId) private view returns (IDatanetRegistry.Contribution memory c) {
        c = datanets.contribution(contributionId);
        if (_policies[c.datanetId].panel == 0) revert AdmissionErrors.ContributionReview_PolicyMissing(c.datanetId);
        if (c.status != IDatanetRegistry.Status.Revealed || address(datanets.admissionOf(c.datanetId)) != address(this))
        {
            revert AdmissionErrors.ContributionReview_NotReviewable(contributionId);
        }
    }

    function _documentBond(IDatanetRegistry.Contribution memory c, Policy storage p) private view returns (uint256) {
        return Batches.isBatch(c) ? uint256(p.documentBond) * c.chunkCount : 0;
    }

    function _checkValue(uint256 required) private view {
        if (msg.value != required) revert AdmissionErrors.ContributionReview_ValueMismatch(msg.value, required);
    }

    /// @dev Rounds of a case that lapsed and was opened again are other rounds.
    function _roundKey(uint256 contributionId, uint8 round) private view returns (bytes32) {
        uint256 attempt = _attempts[contributionId];
        // The appeal is an attempt of its own; the first round of its case is the one before.
        if (_cases[contributionId].round > round) --attempt;
        return keccak256(abi.encode(contributionId, attempt));
    }

    function _inStage(uint256 contributionId, Stage stage) private view returns (Case storage k) {
        k = _cases[contributionId];
        if (k.stage != stage) _revertStage(contributionId);
    }

    function _revertStage(uint256 contributionId) private view {
        revert AdmissionErrors.ContributionReview_StageInvalid(contributionId, uint8(_cases[contributionId].stage));
    }
}
