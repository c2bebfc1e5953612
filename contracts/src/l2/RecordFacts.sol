// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordFacts} from "../interfaces/IRecordFacts.sol";
import {Batches} from "../libraries/Batches.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {MinHash} from "../libraries/MinHash.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {RecordExhibits} from "./RecordExhibits.sol";

/// @title RecordFacts
/// @notice See {IRecordFacts}.
contract RecordFacts is IRecordFacts, RecordExhibits {
    constructor(
        IAttributionSettlement settlement_,
        IModelRegistry models_,
        IDatanetRegistry datanets_,
        IContentChallenges challenges_,
        Spec memory spec_
    ) RecordExhibits(settlement_, models_, datanets_, challenges_, spec_) {}

    /*//////////////////////////////////////////////////////////////////////////
                                        RECORDS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IRecordFacts
    function factSums(Opened calldata opened, Record calldata record) external view returns (uint64, string memory) {
        bytes32 receiptHash = _open(opened, keccak256(abi.encode(record)));
        if (record.receiptHash == receiptHash && record.engineSpecHash == engineSpecHash && isConsistent(record)) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "sums");
    }

    /// @inheritdoc IRecordFacts
    function isConsistent(Record calldata record) public view returns (bool) {
        if (record.version != RECORD_VERSION) return false;
        uint256 end;
        uint256 prompt;
        // Spans that earn, less those that have a weight.
        uint256 uncounted;
        for (uint256 i; i < record.spans.length; ++i) {
            Span calldata s = record.spans[i];
            if (s.start < end || s.end <= s.start || s.end > record.answerTokens) return false;
            end = s.end;
            if (s.documentId > type(uint64).max || s.clusterId > type(uint64).max) return false;
            uint256 earned = s.surpriseQ16 > record.floorQ16 ? s.surpriseQ16 - record.floorQ16 : 0;
            if (s.documentId == 0) {
                if (s.clusterId != 0) return false;
                (prompt, earned) = (prompt + s.end - s.start, 0);
            }
            if (s.creditQ16 != earned) return false;
            if (earned != 0) ++uncounted;
        }
        if (prompt != record.promptTokens) return false;
        uint256 sum;
        uint256 previous;
        for (uint256 i; i < record.weights.length; ++i) {
            Weight calldata w = record.weights[i];
            if (w.clusterId <= previous || record.totalSurpriseQ16 == 0) return false;
            previous = w.clusterId;
            uint256 credit_;
            for (uint256 j; j < record.spans.length; ++j) {
                (uint256 founder,) = Batches.split(record.spans[j].clusterId);
                if (founder != w.clusterId || record.spans[j].creditQ16 == 0) continue;
                credit_ += record.spans[j].creditQ16;
                --uncounted;
            }
            uint256 weight = credit_ * WEIGHT_ONE / record.totalSurpriseQ16;
            if (weight > clusterWeightMax) weight = clusterWeightMax;
            if (w.creditQ16 != credit_ || w.weight != weight) return false;
            sum += weight;
        }
        // The cluster of every span that earns has a weight, by the contribution of its founder; what nobody earned is the
        // residual.
        return uncounted == 0 && sum + record.residual == WEIGHT_ONE;
    }

    /// @inheritdoc IRecordFacts
    function isOmitted(Record calldata record, uint256 span, uint256 from, uint256 to, uint256 holder)
        public
        view
        returns (bool)
    {
        Span calldata s = record.spans[span];
        if (from > s.start || to < s.end || to > record.answerTokens) return false;
        if (to > s.end && s.documentId == holder && span + 1 < record.spans.length) {
            Span calldata next = record.spans[span + 1];
            if (next.start == s.end && next.documentId == holder) return true;
        }
        // SOUNDNESS: a run is a match if its surprise reaches the floor and it is long enough. The span's surprise is beyond the
        // floor, so the run's is.
        if (s.creditQ16 == 0 || to - from < matchTokensMin) return false;
        return _isLeftOut(record, from, to, holder);
    }

    /// @inheritdoc IRecordFacts
    function factPayee(Opened calldata opened, Record calldata record, uint256 weight)
        external
        view
        returns (uint64, string memory)
    {
        _openRecord(opened, record);
        Weight calldata w = record.weights[weight];
        // An id that nobody committed is false as well.
        if (w.clusterId != 0 && w.clusterId <= datanets.contributionCount()) {
            IDatanetRegistry.Contribution memory founder = datanets.contribution(w.clusterId);
            if (founder.contributor == w.payee && founder.datanetId == w.datanetId && founder.contentHash != 0) {
                revert RecordErrors.RecordDispute_NotFalse();
            }
        }
        return (opened.epochId, "payee");
    }

    /// @inheritdoc IRecordFacts
    function factDocument(Opened calldata opened, Record calldata record, uint256 span)
        external
        view
        returns (uint64, string memory)
    {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        IModelRegistry.DatanetRef[] memory refs = models.datanetsOf(opened.receipt.modelId);
        // The prompt is no document, and no false one.
        if (
            s.documentId == 0
                || (_canCount(s.documentId, refs)
                    && _canCount(s.clusterId, refs)
                    && Batches.orderOf(s.clusterId) <= Batches.orderOf(s.documentId))
        ) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "document");
    }

    /// @inheritdoc IRecordFacts
    function factFounder(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        uint256 founder,
        uint256 index,
        uint256 count,
        bytes32[] calldata proof
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        (,, IModelRegistry.ModelParams memory params) = models.model(opened.receipt.modelId);
        // SOUNDNESS: no honest engine serves a model whose map is not what its documents make. `count` only says how long the path
        // is: a leaf under the root is one of the map's, wherever it lies.
        bytes32 leaf = Merkle.hashLeaf(abi.encode(s.documentId, founder));
        if (!Merkle.verify(params.clusterMapRoot, leaf, index, count, proof)) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        if (s.clusterId == founder) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "founder");
    }

    /// @inheritdoc IRecordFacts
    function factCluster(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Batches.Item calldata own,
        bytes calldata spanSketch,
        Member calldata earlier,
        bytes calldata earlierSketch
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        _openOwn(s, own);
        uint256 earlierId = _used(opened.receipt.modelId, earlier);
        if (
            keccak256(spanSketch) != own.document.sketchHash
                || keccak256(earlierSketch) != earlier.item.document.sketchHash || spanSketch.length != MinHash.BYTES
                || earlierSketch.length != MinHash.BYTES
        ) revert RecordErrors.RecordDispute_ExhibitMismatch();
        // A near-copy belongs to the cluster of the earliest one that it is near, which is not later than this one.
        uint256 order = Batches.orderOf(earlierId);
        if (
            order >= Batches.orderOf(s.documentId) || Batches.orderOf(s.clusterId) <= order
                || MinHash.matches(spanSketch, earlierSketch) < sketchMatchesMin
        ) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "cluster");
    }

    /// @inheritdoc IRecordFacts
    function factSpan(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Batches.Item calldata own,
        Response calldata response,
        Tokens calldata tokens,
        bytes calldata text
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        _openResponse(opened, response);
        if (s.end <= response.tokens.length) {
            _openOwn(s, own);
            if (keccak256(text) != own.document.contentHash) {
                revert RecordErrors.RecordDispute_ExhibitMismatch();
            }
            bytes[] memory texts = new bytes[](1);
            texts[0] = text;
            if (_isHeld(record, s, response, tokens, texts)) revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "span");
    }

    /// @inheritdoc IRecordFacts
    function factPrompt(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Request calldata request,
        Response calldata response,
        Tokens calldata tokens
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        if (keccak256(abi.encode(request)) != opened.receipt.requestHash) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        _openResponse(opened, response);
        Span calldata s = record.spans[span];
        bytes[] memory texts = new bytes[](request.messages.length);
        for (uint256 i; i < texts.length; ++i) {
            texts[i] = bytes(request.messages[i].content);
        }
        if (s.documentId != 0 || (s.end <= response.tokens.length && _isHeld(record, s, response, tokens, texts))) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "prompt");
    }

    /// @inheritdoc IRecordFacts
    function factEarlier(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Tokens calldata tokens,
        Member calldata earlier,
        Excerpt calldata excerpt,
        uint256 place
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        uint256 earlierId = _used(opened.receipt.modelId, earlier);
        // A span of fewer tokens than a match, or of no credit, is not given to the earliest holder but not given at all.
        if (
            Batches.orderOf(earlierId) >= Batches.orderOf(s.documentId) || s.end - s.start < matchTokensMin
                || s.creditQ16 == 0
        ) revert RecordErrors.RecordDispute_NotFalse();
        bytes[] memory words = _answer(opened, response, tokens, s.start, s.end);
        bytes memory piece = _join(words, 0, s.end - s.start);
        if (!_isBordered(words, s.end - s.start, piece) || !_isAt(excerpt, earlier.item.document, place, piece)) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "earlier");
    }

    /// @inheritdoc IRecordFacts
    function factLonger(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Tokens calldata tokens,
        Run calldata run
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        uint256 holder = _used(opened.receipt.modelId, run.holder);
        if (!isOmitted(record, span, run.from, run.to, holder)) revert RecordErrors.RecordDispute_NotFalse();
        bytes[] memory words = _answer(opened, response, tokens, run.from, run.to);
        bytes memory piece = _join(words, 0, run.to - run.from);
        if (
            !_isBordered(words, run.to - run.from, piece)
                || !_isWordsAround(record.spans[span], words, run.from, run.to, piece)
                || !_isAt(run.excerpt, run.holder.item.document, run.place, piece)
        ) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "longer");
    }

    /// @inheritdoc IRecordFacts
    function factInfluence(Opened calldata opened, InfluenceRecord calldata record, Score calldata score)
        external
        view
        returns (uint64, string memory)
    {
        _open(opened, keccak256(abi.encode(record)));
        (,, IModelRegistry.ModelParams memory params) = models.model(opened.receipt.modelId);
        bytes32 scoreLeaf = Merkle.hashLeaf(keccak256(abi.encode(score.row, score.score)));
        bytes32 rowLeaf = Merkle.hashLeaf(keccak256(score.rowSketch));
        if (
            record.version != 2 || keccak256(score.query) != record.queryHash
                || !Merkle.verify(record.scoresRoot, scoreLeaf, score.row, record.rows, score.scoreProof)
                || !Merkle.verify(params.sketchRoot, rowLeaf, score.row, record.rows, score.rowProof)
        ) revert RecordErrors.RecordDispute_ExhibitMismatch();
        // Sketches of different lengths have no product.
        if (score.query.length == score.rowSketch.length && _dot(score.query, score.rowSketch) == score.score) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (opened.epochId, "influence");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EXHIBITS
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev False for what cannot be a document under any of the versions. That it is one is shown by {_used}.
    function _canCount(uint256 documentId, IModelRegistry.DatanetRef[] memory refs) private view returns (bool) {
        (uint256 contributionId, uint256 place) = Batches.split(documentId);
        if (contributionId == 0 || contributionId > datanets.contributionCount()) return false;
        IDatanetRegistry.Contribution memory c = datanets.contribution(contributionId);
        // What is withdrawn today may have counted then.
        if (c.status != IDatanetRegistry.Status.Accepted && c.status != IDatanetRegistry.Status.Tombstoned) {
            return false;
        }
        if (Batches.isBatch(c) ? place == 0 || place > c.chunkCount : place != 0) return false;
        for (uint256 i; i < refs.length; ++i) {
            if (refs[i].datanetId != c.datanetId) continue;
            if (c.committedAt <= datanets.version(c.datanetId, refs[i].version).publishedAt) return true;
        }
        return false;
    }

    /// @dev Shows that an item is the span's document.
    function _openOwn(Span calldata s, Batches.Item calldata own) private view {
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, own);
        if (Batches.idOf(own.contributionId, own.index, Batches.isBatch(c)) != s.documentId) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    /// @dev Whether a span can be of the one of `texts` that it is said to be of: they hold its bytes, and if it is shorter than
    /// a match, which is what earlier holders have left of one, then a match that its first token is in.
    function _isHeld(
        Record calldata record,
        Span calldata s,
        Response calldata response,
        Tokens calldata tokens,
        bytes[] memory texts
    ) private view returns (bool) {
        (uint256 from, uint256 to) = (s.start, s.end);
        bool short = to - from < matchTokensMin;
        if (short) (from, to) = _around(from, record.answerTokens, response.tokens.length);
        bytes[] memory words = _words(response, tokens, from, to);
        if (!_areIn(texts, _join(words, s.start - from, s.end - from))) return false;
        return !short || _isMatched(words, s.start - from, texts);
    }

    /// @dev First and last token of the shortest matches that a token can be in.
    function _around(uint256 token, uint256 answer, uint256 response) private view returns (uint256 from, uint256 to) {
        uint256 least = matchTokensMin;
        from = token < least ? 0 : token + 1 - least;
        to = token + least;
        if (to > answer) to = answer;
        if (to > response) to = response;
    }

    /// @dev Whether one of the shortest matches among `words` that the one at `last` is in is in a text.
    function _isMatched(bytes[] memory words, uint256 last, bytes[] memory texts) private view returns (bool) {
        for (uint256 first; first <= last && first + matchTokensMin <= words.length; ++first) {
            if (_areIn(texts, _join(words, first, first + matchTokensMin))) return true;
        }
        return false;
    }

    function _areIn(bytes[] memory texts, bytes memory piece) private pure returns (bool) {
        for (uint256 i; i < texts.length; ++i) {
            if (_contains(texts[i], piece)) return true;
        }
        return false;
    }

    /// @dev Whether `piece` is anywhere in `text`, by Horspool's search: the last byte of where it could be says how far it is to
    /// where it could be next.
    function _contains(bytes memory text, bytes memory piece) private pure returns (bool found) {
        uint256 length = piece.length;
        if (length == 0) return true;
        if (text.length < length) return false;
        assembly ("memory-safe") {
            // Steps by byte, beyond what is in use; zero for those of the whole length.
            let steps := mload(0x40)
            calldatacopy(steps, calldatasize(), 0x2000)
            let head := add(piece, 0x20)
            let tail := sub(length, 1)
            for { let i := 0 } lt(i, tail) { i := add(i, 1) } {
                mstore(add(steps, shl(5, byte(0, mload(add(head, i))))), sub(tail, i))
            }
            let final := byte(0, mload(add(head, tail)))
            let whole := keccak256(head, length)
            let p := add(text, 0x20)
            let last := add(p, sub(mload(text), length))
            for {} iszero(gt(p, last)) {} {
                let c := byte(0, mload(add(p, tail)))
                if eq(c, final) {
                    if eq(keccak256(p, length), whole) {
                        found := 1
                        break
                    }
                }
                let step := mload(add(steps, shl(5, c)))
                if iszero(step) { step := length }
                p := add(p, step)
            }
        }
    }

    /// @dev SOUNDNESS: a span's tokens are those that its document's text becomes, and so those that its bytes become between
    /// borders. Of the tokens beside it nothing of the kind is known, for a model can write a word in other tokens than the
    /// tokenizer does; unless the word is one token, which is what the tokenizer makes of it.
    function _isWordsAround(Span calldata s, bytes[] memory words, uint256 from, uint256 to, bytes memory piece)
        private
        pure
        returns (bool)
    {
        (uint256 left, uint256 right) = (0, piece.length);
        for (uint256 i = from; i < to; ++i) {
            if (i >= s.start && i < s.end) continue;
            bytes memory text = words[i - from];
            if (!_isWord(text)) return false;
            if (i < s.start) left += text.length;
            else right -= text.length;
        }
        return _isWords(piece, left, right);
    }

    /// @dev Product of two vectors of signed bytes; at most 2^14 for each, so it fits 64 bits for any calldata.
    function _dot(bytes memory a, bytes memory b) private pure returns (int64 product) {
        assembly ("memory-safe") {
            let end := add(add(a, 0x20), mload(a))
            let q := add(b, 0x20)
            for { let p := add(a, 0x20) } lt(p, end) { p := add(p, 1) } {
                product := add(product, mul(signextend(0, byte(0, mload(p))), signextend(0, byte(0, mload(q)))))
                q := add(q, 1)
            }
        }
    }
}
