// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordTypes} from "../interfaces/IRecordTypes.sol";
import {Errors} from "../libraries/Errors.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";

/// @title RecordBase
/// @notice What {RecordFacts}, {SurpriseFacts} and {RecordDispute} share: the contracts and the spec, and opening a receipt of an epoch.
abstract contract RecordBase is IRecordTypes {
    uint256 internal constant WEIGHT_ONE = 1_000_000_000;
    /// Of records that list every token that is somebody's. 1 named contributions, 2 is the influence track's, 3 left out what
    /// earns nothing.
    uint16 internal constant RECORD_VERSION = 4;

    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;
    /// @notice The registry of models.
    IModelRegistry public immutable models;
    /// @notice The registry of Datanets.
    IDatanetRegistry public immutable datanets;
    /// @notice The engine spec that facts hold under.
    bytes32 public immutable engineSpecHash;
    /// @notice Root of the tree of the tokenizer's tokens.
    bytes32 public immutable vocabularyRoot;
    /// @notice Number of the tokenizer's tokens.
    uint32 public immutable vocabularySize;
    /// @notice What one cluster may get of an answer at most, of a thousand million.
    uint32 public immutable clusterWeightMax;
    /// @notice Tokens of a span at least.
    uint32 public immutable matchTokensMin;
    /// @notice Hashes of two sketches that agree in near-copies at least.
    uint32 public immutable sketchMatchesMin;

    constructor(
        IAttributionSettlement settlement_,
        IModelRegistry models_,
        IDatanetRegistry datanets_,
        Spec memory spec_
    ) {
        if (address(settlement_) == address(0) || address(models_) == address(0) || address(datanets_) == address(0)) {
            revert Errors.ZeroAddress();
        }
        settlement = settlement_;
        models = models_;
        datanets = datanets_;
        engineSpecHash = spec_.engineSpecHash;
        vocabularyRoot = spec_.vocabularyRoot;
        vocabularySize = spec_.vocabularySize;
        clusterWeightMax = spec_.clusterWeightMax;
        matchTokensMin = spec_.matchTokensMin;
        sketchMatchesMin = spec_.sketchMatchesMin;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EXHIBITS
    //////////////////////////////////////////////////////////////////////////*/

    function _statusOf(uint64 epochId) internal view returns (IAttributionSettlement.EpochStatus) {
        return settlement.epoch(epochId).status;
    }

    /// @dev Pending; or rejected, for those who committed before and show theirs after.
    function _disputable(uint64 epochId) internal view {
        IAttributionSettlement.EpochStatus status = _statusOf(epochId);
        if (
            status != IAttributionSettlement.EpochStatus.Posted && status != IAttributionSettlement.EpochStatus.Rejected
        ) revert RecordErrors.RecordDispute_NotDisputable(epochId);
    }

    /// @dev Shows that the receipt, with this record, is in the epoch.
    function _open(Opened calldata opened, bytes32 recordHash) internal view returns (bytes32 receiptHash) {
        _disputable(opened.epochId);
        (receiptHash,) = settlement.hashReceipt(opened.receipt);
        if (!settlement.containsReceipt(opened.epochId, receiptHash, recordHash, opened.receipt.number, opened.proof)) {
            revert RecordErrors.RecordDispute_NotInEpoch(opened.epochId, opened.receipt.number);
        }
    }

    function _openRecord(Opened calldata opened, Record calldata record) internal view {
        _open(opened, keccak256(abi.encode(record)));
        if (record.engineSpecHash != engineSpecHash || record.version != RECORD_VERSION) {
            revert RecordErrors.RecordDispute_SpecMismatch(record.engineSpecHash, engineSpecHash);
        }
    }
}
