// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LibSort} from "solady/utils/LibSort.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Batches} from "../libraries/Batches.sol";
import {Errors} from "../libraries/Errors.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {RecordBase} from "./RecordBase.sol";

/// @title RecordExhibits
/// @notice What {RecordFacts} and {SurpriseFacts} share: opening documents, tokens of an answer, and where a document has them.
abstract contract RecordExhibits is RecordBase {
    /// @notice What rules documents out.
    IContentChallenges public immutable challenges;

    constructor(
        IAttributionSettlement settlement_,
        IModelRegistry models_,
        IDatanetRegistry datanets_,
        IContentChallenges challenges_,
        Spec memory spec_
    ) RecordBase(settlement_, models_, datanets_, spec_) {
        if (address(challenges_) == address(0)) revert Errors.ZeroAddress();
        challenges = challenges_;
    }

    /// @dev Id of a document that counts in the version of its Datanet that the model stands over: of an accepted contribution,
    /// and not ruled out.
    /// SOUNDNESS: what is withdrawn or ruled out today is no exhibit, whether that was before the version or after it.
    function _used(uint256 modelId, Member calldata member) internal view returns (uint256 documentId) {
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, member.item);
        uint256 contributionId = member.item.contributionId;
        bool batch = Batches.isBatch(c);
        if (!challenges.isSound(Batches.keyOf(contributionId, member.item.index))) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        IModelRegistry.DatanetRef[] memory refs = models.datanetsOf(modelId);
        for (uint256 i; i < refs.length; ++i) {
            if (refs[i].datanetId != c.datanetId) continue;
            IDatanetRegistry.Version memory v = datanets.version(c.datanetId, refs[i].version);
            bytes32 leaf = Merkle.hashLeaf(datanets.leafOf(contributionId));
            if (
                c.status == IDatanetRegistry.Status.Accepted
                    && Merkle.verify(v.contributionsRoot, leaf, member.index, v.contributionCount, member.proof)
            ) return Batches.idOf(contributionId, member.item.index, batch);
        }
        revert RecordErrors.RecordDispute_ExhibitMismatch();
    }

    function _openResponse(Opened calldata opened, Response calldata response) internal pure {
        if (keccak256(abi.encode(response)) != opened.receipt.responseHash) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    /// @dev Bytes of the answer's tokens `from` to `to`, and of the one behind them if there is one.
    function _answer(
        Opened calldata opened,
        Response calldata response,
        Tokens calldata tokens,
        uint256 from,
        uint256 to
    ) internal view returns (bytes[] memory) {
        _openResponse(opened, response);
        return _words(response, tokens, from, to < response.tokens.length ? to + 1 : to);
    }

    /// @dev Bytes of the answer's tokens `from` to `to`, of which `tokens` has each once and no other.
    function _words(Response calldata response, Tokens calldata tokens, uint256 from, uint256 to)
        internal
        view
        returns (bytes[] memory words)
    {
        uint256[] memory ids = new uint256[](to - from);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = response.tokens[from + i];
        }
        uint256[] memory sorted = LibSort.copy(ids);
        // Tens of tokens, by far less than what their bytes cost.
        LibSort.insertionSort(sorted);
        LibSort.uniquifySorted(sorted);
        uint256 count = sorted.length;
        if (tokens.texts.length != count) revert RecordErrors.RecordDispute_ExhibitMismatch();
        bytes[] memory texts = new bytes[](count);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            texts[i] = tokens.texts[i];
            leaves[i] = Merkle.hashLeaf(keccak256(texts[i]));
        }
        words = new bytes[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            (, uint256 place) = LibSort.searchSorted(sorted, ids[i]);
            words[i] = texts[place];
        }
        if (!Merkle.verifyMany(vocabularyRoot, leaves, sorted, vocabularySize, tokens.proof)) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    function _join(bytes[] memory words, uint256 from, uint256 to) internal pure returns (bytes memory piece) {
        for (uint256 i = from; i < to; ++i) {
            piece = bytes.concat(piece, words[i]);
        }
    }

    /// @dev Whether the record says of one of the answer's tokens `from` to `to`, which are a match that `holder` holds, that it is
    /// nobody's or a later document's.
    /// SOUNDNESS: each token belongs to the earliest holder of a match that it is in, and the prompt is earlier than every document.
    function _isLeftOut(Record calldata record, uint256 from, uint256 to, uint256 holder) internal pure returns (bool) {
        for (uint256 i; i < record.spans.length && from < to; ++i) {
            Span calldata owned = record.spans[i];
            if (owned.end <= from) continue;
            if (owned.start > from) return true;
            if (owned.documentId != 0 && Batches.orderOf(owned.documentId) > Batches.orderOf(holder)) return true;
            from = owned.end;
        }
        return from < to;
    }

    /// @dev SOUNDNESS: the same bytes are the same tokens only between the same borders: the tokenizer cuts before a space
    /// that a letter follows, and after a letter that white space follows. So the piece begins with " x" and ends with "x",
    /// and white space or the end follows it in the answer as in the text.
    function _isBordered(bytes[] memory words, uint256 count, bytes memory piece) internal pure returns (bool) {
        if (!_isWords(piece, 0, piece.length)) return false;
        return words.length == count || (words[count].length != 0 && _isSpace(words[count][0]));
    }

    /// @dev Whether the token is a word of its own, behind a space: what the tokenizer makes of these bytes, wherever a document has
    /// them between borders.
    function _isWord(bytes memory text) internal pure returns (bool) {
        if (text.length < 2 || text[0] != " ") return false;
        for (uint256 i = 1; i < text.length; ++i) {
            if (!_isLetter(text[i])) return false;
        }
        return true;
    }

    function _isWords(bytes memory piece, uint256 from, uint256 to) internal pure returns (bool) {
        return from + 1 < to && piece[from] == " " && _isLetter(piece[from + 1]) && _isLetter(piece[to - 1]);
    }

    /// @dev Whether the document has the piece at a place of the excerpt, and there its end or white space behind it.
    function _isAt(Excerpt calldata excerpt, Batches.Document calldata document, uint256 place, bytes memory piece)
        internal
        pure
        returns (bool)
    {
        bytes memory text;
        uint256 count = excerpt.chunks.length;
        for (uint256 i; i < count; ++i) {
            bytes32 leaf = Merkle.hashLeaf(excerpt.chunks[i]);
            if (!Merkle.verify(document.chunkRoot, leaf, excerpt.first + i, document.chunkCount, excerpt.proofs[i])) {
                revert RecordErrors.RecordDispute_ExhibitMismatch();
            }
            text = bytes.concat(text, excerpt.chunks[i]);
        }
        if (place > text.length || piece.length > text.length - place) return false;
        uint256 end = place + piece.length;
        bool ends = end == text.length ? excerpt.first + count == document.chunkCount : _isSpace(text[end]);
        bytes32 found;
        assembly ("memory-safe") {
            found := keccak256(add(add(text, 0x20), place), mload(piece))
        }
        return ends && found == keccak256(piece);
    }

    function _isLetter(bytes1 c) internal pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "A" && c <= "Z");
    }

    function _isSpace(bytes1 c) internal pure returns (bool) {
        return c == " " || c == "\n" || c == "\t";
    }
}
