// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRecordTypes} from "./IRecordTypes.sol";

/// @title ISurpriseFacts
/// @notice Facts about one record of an epoch that need surprises of tokens, opened under the model's `surpriseRoot`. As those of
/// {IRecordFacts}, each reverts unless the epoch is false, and names the epoch and the reason.
interface ISurpriseFacts is IRecordTypes {
    /// @notice The record's floor is not the model's; or the surprise of a span, or of the whole answer, is not what its tokens'
    /// surprises sum to; or more tokens are said to be the answer than there are, where nothing of `surprises` is looked at.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param span Number of the span in the record, of the prompt or of a document; `type(uint256).max` for the whole answer.
    /// @param response The response of the receipt.
    /// @param surprises Those of the span's tokens, or of the answer's.
    /// @return The epoch.
    /// @return The reason.
    function factSurprise(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Surprises calldata surprises
    ) external view returns (uint64, string memory);
    /// @notice An accepted document of the model's Datanets holds a match of the answer, of words that are a single token each, and
    /// the record does not give all of it to that document or to what comes before it. The run is a match: it is as long as one,
    /// and its surprise reaches the floor; no span of the record is needed.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param response The response of the receipt.
    /// @param tokens The run's tokens and the one behind it, unless the run ends the answer.
    /// @param surprises Those of the run's tokens.
    /// @param run The run of tokens, and where a document holds it.
    /// @return The epoch.
    /// @return The reason.
    function factMissed(
        Opened calldata opened,
        Record calldata record,
        Response calldata response,
        Tokens calldata tokens,
        Surprises calldata surprises,
        Run calldata run
    ) external view returns (uint64, string memory);
    /// @notice The record counts another number of tokens as the answer than the customer saw: the longest run of first tokens that the
    /// response's text begins with. More than it says are shown by that many; fewer by a number of them, at most as many as it says, whose bytes are longer
    /// than the text or differ from it, in a byte of ASCII where the text has a whole character.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param response The response of the receipt.
    /// @param tokens The response's first `count` tokens.
    /// @param count How many tokens are exhibited.
    /// @return The epoch.
    /// @return The reason.
    function factAnswer(
        Opened calldata opened,
        Record calldata record,
        Response calldata response,
        Tokens calldata tokens,
        uint256 count
    ) external view returns (uint64, string memory);
}
