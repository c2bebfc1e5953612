// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title AdmissionErrors
/// @notice Errors of what surrounds the Datanet registry: reviewers, reviews, batches and disputes about content.
library AdmissionErrors {
    /*//////////////////////////////////////////////////////////////////////////
                                      BATCHES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The document is not at this place of the contribution.
    /// @param contributionId The contribution.
    /// @param index Its place in the list.
    error Batches_NotInContribution(uint256 contributionId, uint32 index);

    /*//////////////////////////////////////////////////////////////////////////
                                   REVIEWER POOL
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not a positive multiple of a seat's price.
    /// @param value Wei.
    /// @param seatStake Price of a seat, wei.
    error ReviewerPool_NotWholeSeats(uint256 value, uint256 seatStake);

    /// @notice The account holds fewer seats than that, or none were named.
    /// @param reviewer The reviewer.
    /// @param held What is held.
    /// @param asked What was asked for.
    error ReviewerPool_SeatsInsufficient(address reviewer, uint256 held, uint256 asked);

    /// @notice The stake is unbonding until `payableAt`.
    /// @param reviewer The reviewer.
    /// @param payableAt Unix second from which it is paid.
    error ReviewerPool_Unbonding(address reviewer, uint256 payableAt);

    /// @notice Only the review contract may slash.
    /// @param caller Who called.
    error ReviewerPool_NotReview(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTRIBUTION REVIEW
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Only the owner of the Datanet may do this.
    /// @param datanetId The Datanet.
    /// @param caller Who called.
    error ContributionReview_NotOwner(uint256 datanetId, address caller);

    /// @notice The Datanet has a policy already; contributors rely on it.
    /// @param datanetId The Datanet.
    error ContributionReview_PolicyFixed(uint256 datanetId);

    /// @notice The Datanet has no policy.
    /// @param datanetId The Datanet.
    error ContributionReview_PolicyMissing(uint256 datanetId);

    /// @notice A member of the policy is outside its bounds.
    /// @param name The name.
    /// @param value Wei.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error ContributionReview_PolicyOutOfBounds(string name, uint256 value, uint256 min, uint256 max);

    /// @notice The contribution's Datanet has not handed admission to this contract, or it is not revealed.
    /// @param contributionId The contribution.
    error ContributionReview_NotReviewable(uint256 contributionId);

    /// @notice The case is not in the stage that this step needs.
    /// @param contributionId The contribution.
    /// @param stage The stage it is in.
    error ContributionReview_StageInvalid(uint256 contributionId, uint8 stage);

    /// @notice The value is not what the step costs.
    /// @param sent What was sent, wei.
    /// @param required What is due.
    error ContributionReview_ValueMismatch(uint256 sent, uint256 required);

    /// @notice The block that the draw takes its seed from is not mined yet.
    /// @param contributionId The contribution.
    /// @param drawBlock Number of the block whose hash is the seed.
    error ContributionReview_DrawTooEarly(uint256 contributionId, uint256 drawBlock);

    /// @notice The caller is not on the panel.
    /// @param contributionId The contribution.
    /// @param caller Who called.
    error ContributionReview_NotOnPanel(uint256 contributionId, address caller);

    /// @notice The reviewer has committed, or opened, already, or has nothing to open.
    /// @param contributionId The contribution.
    /// @param reviewer The reviewer.
    error ContributionReview_BallotInvalid(uint256 contributionId, address reviewer);

    /// @notice The score is above 100.
    /// @param score The score.
    error ContributionReview_ScoreInvalid(uint8 score);

    /// @notice The time for this step ended at `deadline`.
    /// @param contributionId The contribution.
    /// @param deadline Unix second until which it holds.
    error ContributionReview_TooLate(uint256 contributionId, uint256 deadline);

    /// @notice This step is possible after `deadline`.
    /// @param contributionId The contribution.
    /// @param deadline Unix second until which it holds.
    error ContributionReview_TooEarly(uint256 contributionId, uint256 deadline);

    /// @notice Only the contract of content disputes may do this.
    /// @param caller Who called.
    error ContributionReview_NotChallenges(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTENT CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not the bond of the step.
    /// @param sent What was sent, wei.
    /// @param required What is due.
    error ContentChallenges_BondMismatch(uint256 sent, uint256 required);

    /// @notice The contribution is neither revealed nor accepted.
    /// @param contributionId The contribution.
    error ContentChallenges_NotLive(uint256 contributionId);

    /// @notice The case is not open, or not of this kind.
    /// @param caseId The case.
    error ContentChallenges_NotOpen(uint256 caseId);

    /// @notice The document has no chunk of this number.
    /// @param chunk The piece of the document.
    /// @param chunkCount Number of pieces.
    error ContentChallenges_ChunkUnknown(uint32 chunk, uint32 chunkCount);

    /// @notice The bytes are not the chunk asked for.
    /// @param caseId The case.
    error ContentChallenges_ChunkMismatch(uint256 caseId);

    /// @notice The time to answer ended at `deadline`.
    /// @param caseId The case.
    /// @param deadline Unix second until which it holds.
    error ContentChallenges_TooLate(uint256 caseId, uint256 deadline);

    /// @notice The time to answer runs until `deadline`.
    /// @param caseId The case.
    /// @param deadline Unix second until which it holds.
    error ContentChallenges_TooEarly(uint256 caseId, uint256 deadline);

    /// @notice The keeper's bond is held by open cases, or is still being released.
    /// @param contributionId The contribution.
    error ContentChallenges_BondHeld(uint256 contributionId);

    /// @notice Only who contributed may do this.
    /// @param contributionId The contribution.
    /// @param caller Who called.
    error ContentChallenges_NotContributor(uint256 contributionId, address caller);

    /// @notice The sketch is not the one of the document.
    /// @param given What was given.
    /// @param recorded What was recorded.
    error ContentChallenges_SketchMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketches agree in too few places.
    /// @param matches Hashes of the sketches that agree.
    /// @param min The least that is allowed.
    error ContentChallenges_NotSimilar(uint256 matches, uint256 min);

    /// @notice The item said to be the earlier one is not.
    /// @param earlierId The earlier one.
    /// @param laterId The later one.
    error ContentChallenges_NotEarlier(uint256 earlierId, uint256 laterId);

    /// @notice The text is not the document's.
    /// @param given What was given.
    /// @param recorded What was recorded.
    error ContentChallenges_TextMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketch holds what the text gives at this place.
    /// @param position The place.
    error ContentChallenges_SketchRight(uint256 position);

    /// @notice Already decided.
    /// @param key The key.
    error ContentChallenges_Decided(bytes32 key);

    /// @notice The signer is no notary of the Datanet, named twice, or not for this statement.
    /// @param signer Who signed.
    error ContentChallenges_NotNotary(address signer);

    /// @notice Two different notaries have to sign.
    /// @param count How many.
    /// @param min The least that is allowed.
    error ContentChallenges_NotariesMissing(uint256 count, uint256 min);

    /// @notice The evidence is not older than what it has to beat.
    /// @param publishedAt Unix second of publication.
    /// @param before What was before.
    error ContentChallenges_EvidenceTooLate(uint256 publishedAt, uint256 before);

    /// @notice Only the owner of the Datanet may do this.
    /// @param datanetId The Datanet.
    /// @param caller Who called.
    error ContentChallenges_NotOwner(uint256 datanetId, address caller);

    /// @notice Notaries are named once, 2 to 8 of them.
    /// @param datanetId The Datanet.
    /// @param count How many.
    error ContentChallenges_NotariesFixed(uint256 datanetId, uint256 count);
}
