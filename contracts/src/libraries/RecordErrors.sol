// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title RecordErrors
/// @notice Errors of disputes about records and payments.
library RecordErrors {
    /// @notice The epoch is neither pending nor rejected.
    /// @param epochId The epoch.
    error RecordDispute_NotDisputable(uint64 epochId);

    /// @notice The receipt and record are not in the epoch.
    /// @param epochId The epoch.
    /// @param number Number of the receipt, as its gateway counts.
    error RecordDispute_NotInEpoch(uint64 epochId, uint64 number);

    /// @notice The record is of another engine spec, or of another version.
    /// @param given Engine spec hash of the record.
    /// @param expected Engine spec hash that facts hold under; the same as `given` if the version is another.
    error RecordDispute_SpecMismatch(bytes32 given, bytes32 expected);

    /// @notice The exhibits show nothing wrong.
    error RecordDispute_NotFalse();

    /// @notice An exhibit is not what the chain committed to.
    error RecordDispute_ExhibitMismatch();

    /// @notice The value is not the stake.
    /// @param sent What was sent, wei.
    /// @param required What has to be put up, wei.
    error RecordDispute_StakeMismatch(uint256 sent, uint256 required);

    /// @notice There is a commitment already, none, or it was not made in an earlier block.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    error RecordDispute_CommitmentInvalid(uint64 epochId, address challenger);

    /// @notice The call is none of the facts.
    /// @param selector First four bytes of the call.
    error RecordDispute_NotFact(bytes4 selector);

    /// @notice The step is not possible at this time.
    /// @param epochId The epoch.
    error RecordDispute_Untimely(uint64 epochId);

    /// @notice Only the poster of the epoch may do this.
    /// @param caller Who called.
    error RecordDispute_NotPoster(address caller);

    /// @notice Only the contract of disputes about claims may do this.
    /// @param caller Who called.
    error RecordDispute_NotDispute(address caller);

    /// @notice There is no share for the caller.
    /// @param epochId The epoch.
    /// @param caller Who called.
    error RecordDispute_NoShare(uint64 epochId, address caller);

    /// @notice The drill is closed, unknown, or not the caller's.
    /// @param drillId The drill.
    error RecordDispute_DrillInvalid(uint256 drillId);

    /// @notice To disclose the epoch takes more answers than the chain can take in a quarter of its window.
    /// @param answers How many answers it takes.
    /// @param most The most that is allowed.
    error RecordDispute_TooLarge(uint256 answers, uint256 most);

    /// @notice The number of pieces is zero or too large.
    /// @param count How many.
    /// @param most The most that is allowed.
    error EpochDisclosure_PlaceCount(uint256 count, uint256 most);

    /// @notice The value is not the same for every piece, or less than the stakes.
    /// @param sent What was sent, wei.
    /// @param required What has to be put up, wei.
    error EpochDisclosure_StakeMismatch(uint256 sent, uint256 required);

    /// @notice The step is not possible at this time, or there is no such demand.
    /// @param epochId The epoch.
    error EpochDisclosure_Untimely(uint64 epochId);

    /// @notice The tree has no such piece, or it was demanded before.
    /// @param epochId The epoch.
    /// @param place The place.
    error EpochDisclosure_PlaceInvalid(uint64 epochId, uint256 place);

    /// @notice What is disclosed is not what the epoch committed to.
    /// @param epochId The epoch.
    /// @param place The place.
    error EpochDisclosure_Mismatch(uint64 epochId, uint256 place);
}
