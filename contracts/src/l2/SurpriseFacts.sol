// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LibSort} from "solady/utils/LibSort.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {ISurpriseFacts} from "../interfaces/ISurpriseFacts.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {RecordExhibits} from "./RecordExhibits.sol";

/// @title SurpriseFacts
/// @notice See {ISurpriseFacts}.
contract SurpriseFacts is ISurpriseFacts, RecordExhibits {
    /// Place of the floor among a model's surprises: behind those of all tokens.
    uint256 private constant FLOOR_INDEX = 1 << 16;
    /// For the whole answer in place of a span.
    uint256 private constant ANSWER = type(uint256).max;

    constructor(
        IAttributionSettlement settlement_,
        IModelRegistry models_,
        IDatanetRegistry datanets_,
        IContentChallenges challenges_,
        Spec memory spec_
    ) RecordExhibits(settlement_, models_, datanets_, challenges_, spec_) {}

    /// @inheritdoc ISurpriseFacts
    function factSurprise(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Surprises calldata surprises
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        _openResponse(opened, response);
        (uint256 from, uint256 to, uint256 said) = (0, record.answerTokens, record.totalSurpriseQ16);
        if (span != ANSWER) {
            Span calldata s = record.spans[span];
            (from, to, said) = (s.start, s.end, s.surpriseQ16);
            // What is no run of the answer, `factSums`, `factSpan` and `factPrompt` show.
            if (from > to || to > response.tokens.length) revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        if (to <= response.tokens.length) {
            uint256 sum = _sum(opened.receipt.modelId, response.tokens, from, to, surprises);
            if (record.floorQ16 == surprises.floor && said == sum) revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "surprise");
    }

    /// @inheritdoc ISurpriseFacts
    function factMissed(
        Opened calldata opened,
        Record calldata record,
        Response calldata response,
        Tokens calldata tokens,
        Surprises calldata surprises,
        Run calldata run
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        (uint256 from, uint256 to) = (run.from, run.to);
        if (to > record.answerTokens || to < from + matchTokensMin) revert RecordErrors.RecordDispute_NotFalse();
        uint256 holder = _used(opened.receipt.modelId, run.holder);
        bytes[] memory words = _answer(opened, response, tokens, from, to);
        bytes memory piece = _join(words, 0, to - from);
        if (
            !_isLeftOut(record, from, to, holder) || !_areWords(words, to - from)
                || !_isBordered(words, to - from, piece)
                || !_isAt(run.excerpt, run.holder.item.document, run.place, piece)
                || _sum(opened.receipt.modelId, response.tokens, from, to, surprises) < surprises.floor
        ) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "missed");
    }

    /// @inheritdoc ISurpriseFacts
    function factAnswer(
        Opened calldata opened,
        Record calldata record,
        Response calldata response,
        Tokens calldata tokens,
        uint256 count
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        _openResponse(opened, response);
        bytes memory piece = _join(_words(response, tokens, 0, count), 0, count);
        bytes memory text = bytes(response.text);
        (uint256 end, bool apart) = _common(piece, text);
        bool isFalse = count > record.answerTokens
            ? end == piece.length && (end == text.length || !_isInside(text[end]))
            : end < piece.length && (piece.length > text.length || apart);
        if (!isFalse) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "answer");
    }

    /// @dev What the surprises of the answer's tokens `from` to `to` sum to. Shows that these, and the floor, are the model's.
    /// SOUNDNESS: no honest engine serves a model whose surprises and floor are not what its documents make.
    function _sum(uint256 modelId, uint16[] calldata answer, uint256 from, uint256 to, Surprises calldata surprises)
        private
        view
        returns (uint256 sum)
    {
        uint256[] memory ids = new uint256[](to - from);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = answer[from + i];
        }
        LibSort.sort(ids);
        uint256 count = surprises.values.length;
        bytes32[] memory leaves = new bytes32[](count + 1);
        uint256[] memory places = new uint256[](count + 1);
        uint256 shown;
        for (uint256 i; i < ids.length; ++i) {
            if (i == 0 || ids[i] != ids[i - 1]) {
                if (shown == count) revert RecordErrors.RecordDispute_ExhibitMismatch();
                places[shown] = ids[i];
                leaves[shown] = _leafOf(ids[i], surprises.values[shown]);
                ++shown;
            }
            sum += surprises.values[shown - 1];
        }
        (places[shown], leaves[shown]) = (FLOOR_INDEX, _leafOf(FLOOR_INDEX, surprises.floor));
        (,, IModelRegistry.ModelParams memory params) = models.model(modelId);
        if (shown != count || !Merkle.verifyMany(params.surpriseRoot, leaves, places, FLOOR_INDEX + 1, surprises.proof))
        {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    /// @dev How many first bytes `piece` has in common with `text`, and whether what follows is another character for sure.
    /// SOUNDNESS: an engine reads bytes that are no UTF-8 as U+FFFD, of three bytes for one to three. So what it reads is at least as long as
    /// the bytes, and is the bytes themselves as far as they are a whole number of the text's characters; behind those an ASCII byte is itself.
    function _common(bytes memory piece, bytes memory text) private pure returns (uint256 end, bool apart) {
        uint256 least = piece.length < text.length ? piece.length : text.length;
        while (end < least && piece[end] == text[end]) ++end;
        apart = end < least && piece[end] < 0x80 && !_isInside(text[end]);
    }

    /// @dev Whether the byte is one of a character in UTF-8, but not its first.
    function _isInside(bytes1 b) private pure returns (bool) {
        return b & 0xc0 == 0x80;
    }

    function _leafOf(uint256 place, uint256 value) private pure returns (bytes32) {
        return Merkle.hashLeaf(abi.encode(place, value));
    }

    /// @dev SOUNDNESS: a model can write a word in other tokens than the tokenizer does, and no span says that these are a document's.
    /// So each has to be a word of its own, which is what the tokenizer makes of it.
    function _areWords(bytes[] memory words, uint256 count) private pure returns (bool) {
        for (uint256 i; i < count; ++i) {
            if (!_isWord(words[i])) return false;
        }
        return true;
    }
}
