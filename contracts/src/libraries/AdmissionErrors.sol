// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title AdmissionErrors
/// @notice Errors of what surrounds the Datanet registry: reviewers, reviews, batches and disputes about content.
library AdmissionErrors {
    /*//////////////////////////////////////////////////////////////////////////
                                      BATCHES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The document is not at this place of the contribution.
    error Batches_NotInContribution(uint256 contributionId, uint32 index);

    /*//////////////////////////////////////////////////////////////////////////
                                   REVIEWER POOL
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not a positive multiple of a seat's price.
    error ReviewerPool_NotWholeSeats(uint256 value, uint256 seatStake);

    /// @notice The account holds fewer seats than that, or none were named.
    error ReviewerPool_SeatsInsufficient(address reviewer, uint256 held, uint256 asked);

    /// @notice The stake is unbonding until `payableAt`.
    error ReviewerPool_Unbonding(address reviewer, uint256 payableAt);

    /// @notice Only the review contract may slash.
    error ReviewerPool_NotReview(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTRIBUTION REVIEW
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Only the owner of the Datanet may do this.
    error ContributionReview_NotOwner(uint256 datanetId, address caller);

    /// @notice The Datanet has a policy already; contributors rely on it.
    error ContributionReview_PolicyFixed(uint256 datanetId);

    /// @notice The Datanet has no policy.
    error ContributionReview_PolicyMissing(uint256 datanetId);

    /// @notice A member of the policy is outside its bounds.
    error ContributionReview_PolicyOutOfBounds(string name, uint256 value, uint256 min, uint256 max);

    /// @notice The contribution's Datanet has not handed admission to this contract, or it is not revealed.
    error ContributionReview_NotReviewable(uint256 contributionId);

    /// @notice The case is not in the stage that this step needs.
    error ContributionReview_StageInvalid(uint256 contributionId, uint8 stage);

    /// @notice The value is not what the step costs.
    error ContributionReview_ValueMismatch(uint256 sent, uint256 required);

    /// @notice The block that the draw takes its seed from is not mined yet.
    error ContributionReview_DrawTooEarly(uint256 contributionId, uint256 drawBlock);

    /// @notice The caller is not on the panel.
    error ContributionReview_NotOnPanel(uint256 contributionId, address caller);

    /// @notice The reviewer has committed, or opened, already, or has nothing to open.
    error ContributionReview_BallotInvalid(uint256 contributionId, address reviewer);

    /// @notice The score is above 100.
    error ContributionReview_ScoreInvalid(uint8 score);

    /// @notice The time for this step ended at `deadline`.
    error ContributionReview_TooLate(uint256 contributionId, uint256 deadline);

    /// @notice This step is possible after `deadline`.
    error ContributionReview_TooEarly(uint256 contributionId, uint256 deadline);

    /// @notice Only the contract of content disputes may do this.
    error ContributionReview_NotChallenges(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTENT CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not the bond of the step.
    error ContentChallenges_BondMismatch(uint256 sent, uint256 required);

    /// @notice The contribution is neither revealed nor accepted.
    error ContentChallenges_NotLive(uint256 contributionId);

    /// @notice The case is not open, or not of this kind.
    error ContentChallenges_NotOpen(uint256 caseId);

    /// @notice The document has no chunk of this number.
    error ContentChallenges_ChunkUnknown(uint32 chunk, uint32 chunkCount);

    /// @notice The bytes are not the chunk asked for.
    error ContentChallenges_ChunkMismatch(uint256 caseId);

    /// @notice The time to answer ended at `deadline`.
    error ContentChallenges_TooLate(uint256 caseId, uint256 deadline);

    /// @notice The time to answer runs until `deadline`.
    error ContentChallenges_TooEarly(uint256 caseId, uint256 deadline);

    /// @notice The keeper's bond is held by open cases, or is still being released.
    error ContentChallenges_BondHeld(uint256 contributionId);

    /// @notice Only who contributed may do this.
    error ContentChallenges_NotContributor(uint256 contributionId, address caller);

    /// @notice The sketch is not the one of the document.
    error ContentChallenges_SketchMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketches agree in too few places.
    error ContentChallenges_NotSimilar(uint256 matches, uint256 min);

    /// @notice The item said to be the earlier one is not.
    error ContentChallenges_NotEarlier(uint256 earlierId, uint256 laterId);

    /// @notice The text is not the document's.
    error ContentChallenges_TextMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketch holds what the text gives at this place.
    error ContentChallenges_SketchRight(uint256 position);

    /// @notice Already decided.
    error ContentChallenges_Decided(bytes32 key);

    /// @notice The signer is no notary of the Datanet, named twice, or not for this statement.
    error ContentChallenges_NotNotary(address signer);

    /// @notice Two different notaries have to sign.
    error ContentChallenges_NotariesMissing(uint256 count, uint256 min);

    /// @notice The evidence is not older than what it has to beat.
    error ContentChallenges_EvidenceTooLate(uint256 publishedAt, uint256 before);

    /// @notice Only the owner of the Datanet may do this.
    error ContentChallenges_NotOwner(uint256 datanetId, address caller);

    /// @notice Notaries are named once, 2 to 8 of them.
    error ContentChallenges_NotariesFixed(uint256 datanetId, uint256 count);
}
