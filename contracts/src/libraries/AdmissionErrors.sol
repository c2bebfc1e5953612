// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title AdmissionErrors
/// @notice Errors of what surrounds the Datanet registry: reviewers, reviews, batches and disputes about content.
library AdmissionErrors {
    /*//////////////////////////////////////////////////////////////////////////
                                      BATCHES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The document is not at this place of the contribution.
    /// @param contributionId Id of the contribution.
    /// @param index Its place in the list.
    error Batches_NotInContribution(uint256 contributionId, uint32 index);

    /*//////////////////////////////////////////////////////////////////////////
                                   REVIEWER POOL
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not a positive multiple of a seat's price.
    /// @param value Wei that were sent.
    /// @param seatStake Price of a seat, wei.
    error ReviewerPool_NotWholeSeats(uint256 value, uint256 seatStake);

    /// @notice The account holds fewer seats than that, or none were named.
    /// @param reviewer Whose seats they are.
    /// @param held Seats it has.
    /// @param asked Seats to give up.
    error ReviewerPool_SeatsInsufficient(address reviewer, uint256 held, uint256 asked);

    /// @notice The stake is unbonding until `payableAt`.
    /// @param reviewer Whose stake it is.
    /// @param payableAt Unix second from which it is paid.
    error ReviewerPool_Unbonding(address reviewer, uint256 payableAt);

    /// @notice Only the review contract may slash.
    /// @param caller Who tried to.
    error ReviewerPool_NotReview(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTRIBUTION REVIEW
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Only the owner of the Datanet may do this.
    /// @param datanetId Id of the Datanet.
    /// @param caller Who tried to.
    error ContributionReview_NotOwner(uint256 datanetId, address caller);

    /// @notice The Datanet has a policy already; contributors rely on it.
    /// @param datanetId Id of the Datanet.
    error ContributionReview_PolicyFixed(uint256 datanetId);

    /// @notice The Datanet has no policy.
    /// @param datanetId Id of the Datanet.
    error ContributionReview_PolicyMissing(uint256 datanetId);

    /// @notice A member of the policy is outside its bounds.
    /// @param name Name of the member.
    /// @param value What was given, in the member's unit.
    /// @param min The least that is allowed.
    /// @param max The most that is allowed.
    error ContributionReview_PolicyOutOfBounds(string name, uint256 value, uint256 min, uint256 max);

    /// @notice The contribution's Datanet has not handed admission to this contract, or it is not revealed.
    /// @param contributionId Id of the contribution.
    error ContributionReview_NotReviewable(uint256 contributionId);

    /// @notice The case is not in the stage that this step needs.
    /// @param contributionId Id of the contribution.
    /// @param stage The stage it is in.
    error ContributionReview_StageInvalid(uint256 contributionId, uint8 stage);

    /// @notice The value is not what the step costs.
    /// @param sent What was sent, wei.
    /// @param required What it costs, wei.
    error ContributionReview_ValueMismatch(uint256 sent, uint256 required);

    /// @notice The block that the draw takes its seed from is not mined yet.
    /// @param contributionId Id of the contribution.
    /// @param drawBlock Number of the block whose hash is the seed.
    error ContributionReview_DrawTooEarly(uint256 contributionId, uint256 drawBlock);

    /// @notice The caller is not on the panel.
    /// @param contributionId Id of the contribution.
    /// @param caller Who tried to.
    error ContributionReview_NotOnPanel(uint256 contributionId, address caller);

    /// @notice The reviewer has committed, or opened, already, or has nothing to open.
    /// @param contributionId Id of the contribution.
    /// @param reviewer Who tried to.
    error ContributionReview_BallotInvalid(uint256 contributionId, address reviewer);

    /// @notice The score is above 100.
    /// @param score Score that was given.
    error ContributionReview_ScoreInvalid(uint8 score);

    /// @notice The time for this step ended at `deadline`.
    /// @param contributionId Id of the contribution.
    /// @param deadline Last Unix second of the step.
    error ContributionReview_TooLate(uint256 contributionId, uint256 deadline);

    /// @notice This step is possible after `deadline`.
    /// @param contributionId Id of the contribution.
    /// @param deadline Last Unix second of the step before.
    error ContributionReview_TooEarly(uint256 contributionId, uint256 deadline);

    /// @notice Only the contract of content disputes may do this.
    /// @param caller Who tried to.
    error ContributionReview_NotChallenges(address caller);

    /*//////////////////////////////////////////////////////////////////////////
                                CONTENT CHALLENGES
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice The value is not the bond of the step.
    /// @param sent What was sent, wei.
    /// @param required The bond, wei.
    error ContentChallenges_BondMismatch(uint256 sent, uint256 required);

    /// @notice The contribution is neither revealed nor accepted.
    /// @param contributionId Id of the contribution.
    error ContentChallenges_NotLive(uint256 contributionId);

    /// @notice The case is not open, or not of this kind.
    /// @param caseId Id of the case.
    error ContentChallenges_NotOpen(uint256 caseId);

    /// @notice The document has no chunk of this number.
    /// @param chunk Number that was asked for, from 0.
    /// @param chunkCount Chunks of the document.
    error ContentChallenges_ChunkUnknown(uint32 chunk, uint32 chunkCount);

    /// @notice The bytes are not the chunk asked for.
    /// @param caseId Id of the case.
    error ContentChallenges_ChunkMismatch(uint256 caseId);

    /// @notice The time to answer ended at `deadline`.
    /// @param caseId Id of the case.
    /// @param deadline Last Unix second of the time to answer.
    error ContentChallenges_TooLate(uint256 caseId, uint256 deadline);

    /// @notice The time to answer runs until `deadline`.
    /// @param caseId Id of the case.
    /// @param deadline Last Unix second of the time to answer.
    error ContentChallenges_TooEarly(uint256 caseId, uint256 deadline);

    /// @notice The keeper's bond is held by open cases, or is still being released.
    /// @param contributionId Id of the contribution.
    error ContentChallenges_BondHeld(uint256 contributionId);

    /// @notice Only who contributed may do this.
    /// @param contributionId Id of the contribution.
    /// @param caller Who tried to.
    error ContentChallenges_NotContributor(uint256 contributionId, address caller);

    /// @notice The sketch is not the one of the document.
    /// @param given Hash of the sketch that was shown.
    /// @param recorded Hash that the document was revealed with.
    error ContentChallenges_SketchMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketches agree in too few places.
    /// @param matches Numbers that agree, of 128.
    /// @param min The least that is allowed.
    error ContentChallenges_NotSimilar(uint256 matches, uint256 min);

    /// @notice The item said to be the earlier one is not.
    /// @param earlierId Contribution said to be the earlier one.
    /// @param laterId Contribution said to be the later one.
    error ContentChallenges_NotEarlier(uint256 earlierId, uint256 laterId);

    /// @notice The text is not the document's.
    /// @param given Hash of the text that was shown.
    /// @param recorded Hash that the document was revealed with.
    error ContentChallenges_TextMismatch(bytes32 given, bytes32 recorded);

    /// @notice The sketch holds what the text gives at this place.
    /// @param position Place in the sketch, from 0.
    error ContentChallenges_SketchRight(uint256 position);

    /// @notice Already decided.
    /// @param key Key of the document.
    error ContentChallenges_Decided(bytes32 key);

    /// @notice The signer is no notary of the Datanet, named twice, or not for this statement.
    /// @param signer Whose signature it is.
    error ContentChallenges_NotNotary(address signer);

    /// @notice Two different notaries have to sign.
    /// @param count How many signed.
    /// @param min The least that is allowed.
    error ContentChallenges_NotariesMissing(uint256 count, uint256 min);

    /// @notice The evidence is not older than what it has to beat.
    /// @param publishedAt Unix second of the evidence.
    /// @param before Unix second that it has to be before.
    error ContentChallenges_EvidenceTooLate(uint256 publishedAt, uint256 before);

    /// @notice Only the owner of the Datanet may do this.
    /// @param datanetId Id of the Datanet.
    /// @param caller Who tried to.
    error ContentChallenges_NotOwner(uint256 datanetId, address caller);

    /// @notice Notaries are named once, 2 to 8 of them.
    /// @param datanetId Id of the Datanet.
    /// @param count How many were given.
    error ContentChallenges_NotariesFixed(uint256 datanetId, uint256 count);
}
