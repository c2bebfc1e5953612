// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Batches} from "../libraries/Batches.sol";
import {IRecordTypes} from "./IRecordTypes.sol";

/// @title IRecordFacts
/// @notice Facts about one record of an epoch. Every `fact…` function reverts unless the epoch is false, and names the epoch
/// and the reason. Views only: {IRecordDispute} acts on them.
interface IRecordFacts is IRecordTypes {
    /// @notice The record contradicts itself: credits, weights, their sum, the residual, or the order of its parts.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @return The epoch.
    /// @return The reason.
    function factSums(Opened calldata opened, Record calldata record) external view returns (uint64, string memory);
    /// @notice A weight names another payee or Datanet than the founder of its cluster.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param weight Number of the weight in the record.
    /// @return The epoch.
    /// @return The reason.
    function factPayee(Opened calldata opened, Record calldata record, uint256 weight)
        external
        view
        returns (uint64, string memory);
    /// @notice A span or its cluster names what cannot be a document of the model: a contribution that nobody revealed, that
    /// was rejected, that is of another Datanet or younger than the version; a place beyond its batch, or in what is none;
    /// a founder that comes after the span's document.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @return The epoch.
    /// @return The reason.
    function factDocument(Opened calldata opened, Record calldata record, uint256 span)
        external
        view
        returns (uint64, string memory);
    /// @notice A span's document is near an earlier accepted one of the model's Datanets, and its cluster is a later one.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param own The span's document.
    /// @param spanSketch Sketch of the span's document.
    /// @param earlier The earlier one.
    /// @param earlierSketch Sketch of the earlier one.
    /// @return The epoch.
    /// @return The reason.
    function factCluster(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Batches.Item calldata own,
        bytes calldata spanSketch,
        Member calldata earlier,
        bytes calldata earlierSketch
    ) external view returns (uint64, string memory);
    /// @notice A span's bytes are nowhere in the text it is said to come from.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param own The span's document; not looked at if the span goes beyond the answer.
    /// @param response The response of the receipt.
    /// @param tokens The tokens' bytes with their paths.
    /// @param text The text.
    /// @return The epoch.
    /// @return The reason.
    function factSpan(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Batches.Item calldata own,
        Response calldata response,
        Token[] calldata tokens,
        bytes calldata text
    ) external view returns (uint64, string memory);
    /// @notice An earlier accepted document of the model's Datanets holds all of a span, as whole words. `tokens` has one
    /// more than the span unless the span ends the answer; `place` is where the bytes are in `text`.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param response The response of the receipt.
    /// @param tokens The tokens' bytes with their paths.
    /// @param earlier The earlier one.
    /// @param text The text.
    /// @param place Where the bytes are in the text.
    /// @return The epoch.
    /// @return The reason.
    function factEarlier(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Token[] calldata tokens,
        Member calldata earlier,
        bytes calldata text,
        uint256 place
    ) external view returns (uint64, string memory);
    /// @notice A score is not the product of the query's sketch and the row's.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param score The score with what it is computed from.
    /// @return The epoch.
    /// @return The reason.
    function factInfluence(Opened calldata opened, InfluenceRecord calldata record, Score calldata score)
        external
        view
        returns (uint64, string memory);

    /// @notice True if the record's own arithmetic holds under the spec.
    /// @param record The attribution record.
    /// @return False if `factSums` would show the record in an epoch, whatever its receipt.
    function isConsistent(Record calldata record) external view returns (bool);
}
