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
    /// @notice A span names another cluster than the map that the model was registered with.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param founder The founder's document by the map.
    /// @param index Place of the span's document in the map.
    /// @param count Number of documents in the map.
    /// @param proof The place's path.
    /// @return The epoch.
    /// @return The reason.
    function factFounder(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        uint256 founder,
        uint256 index,
        uint256 count,
        bytes32[] calldata proof
    ) external view returns (uint64, string memory);
    /// @notice A span's bytes are nowhere in the text it is said to come from; or it is shorter than a match, and no match of the
    /// answer that its first token is in is in that text.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param own The span's document; not looked at if the span goes beyond the answer.
    /// @param response The response of the receipt.
    /// @param tokens The span's tokens, or of one shorter than a match those of every match that its first token can be in, from the
    /// first to the last.
    /// @param text The text.
    /// @return The epoch.
    /// @return The reason.
    function factSpan(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Batches.Item calldata own,
        Response calldata response,
        Tokens calldata tokens,
        bytes calldata text
    ) external view returns (uint64, string memory);
    /// @notice A span is said to repeat the prompt, and does not, in the sense of `factSpan`.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param request The request of the receipt.
    /// @param response The response of the receipt.
    /// @param tokens As for `factSpan`.
    /// @return The epoch.
    /// @return The reason.
    function factPrompt(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Request calldata request,
        Response calldata response,
        Tokens calldata tokens
    ) external view returns (uint64, string memory);
    /// @notice An earlier accepted document of the model's Datanets holds all of a span that has credit, as whole words. `tokens`
    /// are the span's and the one behind it unless the span ends the answer; `place` is where the bytes are in the excerpt.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param response The response of the receipt.
    /// @param tokens The span's tokens and the next.
    /// @param earlier The earlier one.
    /// @param excerpt The chunks that the bytes are in.
    /// @param place Where the bytes are in the excerpt.
    /// @return The epoch.
    /// @return The reason.
    function factEarlier(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Tokens calldata tokens,
        Member calldata earlier,
        Excerpt calldata excerpt,
        uint256 place
    ) external view returns (uint64, string memory);
    /// @notice An accepted document of the model's Datanets holds all of a span and more words of the answer beside it, each a
    /// single token, and the record does not give them all to it or to what comes before it ({isOmitted}). `tokens` are the
    /// run's and the one behind it unless the run ends the answer.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param response The response of the receipt.
    /// @param tokens The run's tokens and the next.
    /// @param run The longer run of tokens, and where a document holds it.
    /// @return The epoch.
    /// @return The reason.
    function factLonger(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Tokens calldata tokens,
        Run calldata run
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
    /// @notice True if the record contradicts that a document holds a run of the answer's tokens around one of its spans: a token
    /// of the run belongs to nobody or to a later document though the span has credit, or the span is that document's and ends
    /// where the document goes on, though the next token is said to be that document's, too.
    /// @param record The attribution record.
    /// @param span Number of the span in the record.
    /// @param from First token of the run.
    /// @param to One past the last token of the run.
    /// @param holder The document.
    /// @return False if `factLonger` would not show this of the record.
    function isOmitted(Record calldata record, uint256 span, uint256 from, uint256 to, uint256 holder)
        external
        view
        returns (bool);
}
