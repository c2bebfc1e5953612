// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRecordTypes} from "./IRecordTypes.sol";

/// @title IRecordFacts
/// @notice Facts about one record of an epoch. Every `fact…` function reverts unless the epoch is false, and names the epoch
/// and the reason. Views only: {IRecordDispute} acts on them.
interface IRecordFacts is IRecordTypes {
    /// @notice The record contradicts itself: credits, weights, their sum, the residual, or the order of its parts.
    function factSums(Opened calldata opened, Record calldata record) external view returns (uint64, string memory);
    /// @notice A weight names another payee or Datanet than the founder of its cluster.
    function factPayee(Opened calldata opened, Record calldata record, uint256 weight)
        external
        view
        returns (uint64, string memory);
    /// @notice A span's contribution is near an earlier accepted one of the model's Datanets, and its cluster is a later one.
    function factCluster(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        bytes calldata spanSketch,
        Member calldata earlier,
        bytes calldata earlierSketch
    ) external view returns (uint64, string memory);
    /// @notice A span's bytes are nowhere in the text it is said to come from.
    function factSpan(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Token[] calldata tokens,
        bytes calldata text
    ) external view returns (uint64, string memory);
    /// @notice An earlier accepted contribution of the model's Datanets holds all of a span, as whole words. `tokens` has one
    /// more than the span unless the span ends the answer; `place` is where the bytes are in `text`.
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
    function factInfluence(Opened calldata opened, InfluenceRecord calldata record, Score calldata score)
        external
        view
        returns (uint64, string memory);

    /// @notice True if the record's own arithmetic holds under the spec.
    function isConsistent(Record calldata record) external view returns (bool);
}
