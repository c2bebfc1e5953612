// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdmission} from "./IAdmission.sol";

/// @title IContributionReview
/// @notice Admission by a random panel of staked reviewers: commit, reveal, median; one appeal to a larger panel.
/// @dev Rules by subject.
/// Policy: fixed once by the Datanet's owner, so a contributor knows panel, prices and times before putting up a bond.
/// Draw: from the hash of a block that is mined after the review was asked for, within the 256 blocks that the chain
/// remembers; a missed draw is armed again. On a chain with one sequencer that sequencer can grind the hash: it can then
/// place seats it bought, nothing else, and an appeal draws again.
/// Votes: a score of 0 to 100, hidden until everybody has committed. The median decides, so one extreme vote moves nothing.
/// Money: each panellist who opened a ballot within 20 of the median is paid the fee, the rest of the fees goes to the sink.
/// A panellist who opened none loses a twentieth of a seat: that is provable; an opinion is never slashed.
/// Time: a step that nobody takes can be closed by anyone after its deadline, so a case ends within two rounds.
/// Outcome: at least `acceptMin` accepts, at most `faultMax` is a fault (the bond is forfeited to the sink, reviewers gain
/// nothing by it), between them the bond returns. A panel of which less than half opened decides nothing: the case lapses.
interface IContributionReview is IAdmission {
    enum Stage {
        None,
        /// Waiting for the block whose hash is the seed.
        Drawing,
        Committing,
        Revealing,
        /// The median is known and can be appealed.
        Decided,
        /// Carried out or lapsed; a lapsed one can be reviewed again.
        Closed
    }

    enum Outcome {
        None,
        Accept,
        Reject,
        Fault,
        Lapsed
    }

    struct Policy {
        /// Wei per panellist.
        uint96 fee;
        /// Wei per document of a batch, held until the case closes and treated like the registry's bond.
        uint96 documentBond;
        /// Seconds to commit, to reveal and to appeal; each 1 minute to 3 days.
        uint32 commitWindow;
        uint32 revealWindow;
        uint32 appealWindow;
        /// Panellists, odd, 3 to 7; an appeal draws twice as many and one more.
        uint8 panel;
        /// Least median that accepts and largest that is a fault, `faultMax < acceptMin <= 100`.
        uint8 acceptMin;
        uint8 faultMax;
        /// Whether curators may accept without a panel while no case is open. They never reject alone.
        bool curatorsAccept;
    }

    struct Case {
        // slot 0
        Stage stage;
        Outcome outcome;
        /// 0, or 1 after an appeal.
        uint8 round;
        uint8 commits;
        uint8 reveals;
        uint8 median;
        uint8 panel;
        uint40 deadline;
        uint40 drawBlock;
        // slot 1: who paid for this round, and since when the case is open
        address payer;
        uint40 openedAt;
        // slot 2: fees of the round, and what stands for a batch's documents
        uint96 fees;
        uint96 documentBond;
    }

    /// @notice A Datanet's policy was fixed.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param policy Fees, bonds, windows and bounds of scores, fixed from now on.
    event PolicySet(uint256 indexed datanetId, Policy policy);
    /// @notice A panel was asked for.
    /// @param contributionId Id of the contribution at the registry.
    /// @param payer Who put up the fees, and has back what is not earned.
    /// @param round 0, or 1 for an appeal.
    /// @param drawBlock Number of the block whose hash is the seed.
    event ReviewOpened(uint256 indexed contributionId, address indexed payer, uint8 round, uint256 drawBlock);
    /// @notice A panel was drawn.
    /// @param contributionId Id of the contribution at the registry.
    /// @param round 0, or 1 for an appeal.
    /// @param panel Its members, each once.
    /// @param commitDeadline Unix second until which the panel can commit.
    event PanelDrawn(uint256 indexed contributionId, uint8 round, address[] panel, uint256 commitDeadline);
    /// @notice A panellist committed to a score.
    /// @param contributionId Id of the contribution at the registry.
    /// @param reviewer Member of the panel.
    /// @param commitment Hash of what is opened later.
    event ScoreCommitted(uint256 indexed contributionId, address indexed reviewer, bytes32 commitment);
    /// @notice A panellist opened its ballot.
    /// @param contributionId Id of the contribution at the registry.
    /// @param reviewer Member of the panel.
    /// @param score 0 to 100.
    event ScoreRevealed(uint256 indexed contributionId, address indexed reviewer, uint8 score);
    /// @notice A round was decided, or lapsed.
    /// @param contributionId Id of the contribution at the registry.
    /// @param round 0, or 1 for an appeal.
    /// @param outcome What the median says; `Lapsed` if too few opened.
    /// @param median Median of the scores that were opened, 0 to 100.
    /// @param reveals How many opened their ballots.
    event Tallied(uint256 indexed contributionId, uint8 round, Outcome outcome, uint8 median, uint8 reveals);
    /// @notice A case was closed.
    /// @param contributionId Id of the contribution at the registry.
    /// @param outcome What was carried out at the registry.
    event ReviewClosed(uint256 indexed contributionId, Outcome outcome);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Sets the Datanet's policy; only its owner, once.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param policy Each member within the bounds at its field.
    function setPolicy(uint256 datanetId, Policy calldata policy) external;
    /// @notice Asks for a panel on a revealed contribution; anyone. Value: `costOf`.
    /// @param contributionId Id of the contribution at the registry.
    function openReview(uint256 contributionId) external payable;
    /// @notice Draws the panel, or arms the draw again if its block is forgotten; anyone.
    /// @param contributionId Id of the contribution at the registry.
    function draw(uint256 contributionId) external;
    /// @notice Commits to a score: keccak256(abi.encode(chainId, this, contributionId, round, reviewer, score, salt)).
    /// @param contributionId Id of the contribution at the registry.
    /// @param commitment Hash of what is opened later.
    function commitScore(uint256 contributionId, bytes32 commitment) external;
    /// @notice Opens the ballot once all have committed or the time to commit is over.
    /// @param contributionId Id of the contribution at the registry.
    /// @param score 0 to 100, as committed to.
    /// @param salt What hides it until it is opened.
    function revealScore(uint256 contributionId, uint8 score, bytes32 salt) external;
    /// @notice Takes the median once all who committed have opened or the time is over; anyone. Pays and punishes the panel.
    /// @param contributionId Id of the contribution at the registry.
    function tally(uint256 contributionId) external;
    /// @notice Asks for the larger panel while the first decision can be appealed; anyone. Value: `costOf`.
    /// @param contributionId Id of the contribution at the registry.
    function appeal(uint256 contributionId) external payable;
    /// @notice Carries the decision out at the registry once it is final; anyone.
    /// @param contributionId Id of the contribution at the registry.
    function execute(uint256 contributionId) external;
    /// @notice A content dispute proved a fault: closes the case and forfeits the bonds, half to `beneficiary`. Returns
    /// whether there was a bond to forfeit. Only the contract of content disputes.
    /// @param contributionId Id of the contribution at the registry.
    /// @param beneficiary Who showed the fault, and has half of the bonds as credit.
    /// @param reason The fault, for the registry's event.
    /// @return Whether there was a bond to forfeit.
    function condemn(uint256 contributionId, address beneficiary, string calldata reason) external returns (bool);
    /// @notice Pays the sender's credit: fees earned, bonds and unspent fees returned.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice What opening, or appealing, costs now.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Wei: fees of the panel, and the bonds of a batch's documents at the first opening.
    function costOf(uint256 contributionId) external view returns (uint256);
    /// @notice A Datanet's policy.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return The policy; all zero if none was set.
    function policyOf(uint256 datanetId) external view returns (Policy memory);
    /// @notice A case.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Stage, outcome, counts and money of the round that runs or ran last.
    function caseOf(uint256 contributionId) external view returns (Case memory);
    /// @notice The panel of a round.
    /// @param contributionId Id of the contribution at the registry.
    /// @param round 0, or 1 for an appeal.
    /// @return Members of the panel; none before the draw.
    function panelOf(uint256 contributionId, uint8 round) external view returns (address[] memory);
    /// @notice The commitment to a score in the running round.
    /// @param contributionId Id of the contribution at the registry.
    /// @param reviewer Who will commit and open.
    /// @param score 0 to 100.
    /// @param salt What hides it until it is opened.
    /// @return The hash to commit to.
    function commitmentOf(uint256 contributionId, address reviewer, uint8 score, bytes32 salt)
        external
        view
        returns (bytes32);
    /// @notice What an account can withdraw.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
}
