// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordFacts} from "../interfaces/IRecordFacts.sol";
import {Batches} from "../libraries/Batches.sol";
import {Errors} from "../libraries/Errors.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {MinHash} from "../libraries/MinHash.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";
import {RecordBase} from "./RecordBase.sol";

/// @title RecordFacts
/// @notice See {IRecordFacts}.
contract RecordFacts is IRecordFacts, RecordBase {
    /// @notice What rules documents of batches out.
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
        for (uint256 i; i < record.spans.length; ++i) {
            Span calldata s = record.spans[i];
            if (s.start < end || s.end <= s.start || s.end > record.answerTokens) return false;
            end = s.end;
            if (s.documentId > type(uint64).max || s.clusterId > type(uint64).max) return false;
            if (s.surpriseQ16 <= record.floorQ16 || s.creditQ16 != s.surpriseQ16 - record.floorQ16) return false;
        }
        uint256 sum;
        uint256 counted;
        uint256 previous;
        for (uint256 i; i < record.weights.length; ++i) {
            Weight calldata w = record.weights[i];
            if (w.clusterId <= previous || record.totalSurpriseQ16 == 0) return false;
            previous = w.clusterId;
            uint256 credit_;
            for (uint256 j; j < record.spans.length; ++j) {
                (uint256 founder,) = Batches.split(record.spans[j].clusterId);
                if (founder != w.clusterId) continue;
                credit_ += record.spans[j].creditQ16;
                ++counted;
            }
            uint256 weight = credit_ * WEIGHT_ONE / record.totalSurpriseQ16;
            if (weight > clusterWeightMax) weight = clusterWeightMax;
            if (w.creditQ16 != credit_ || w.weight != weight) return false;
            sum += weight;
        }
        // Every span's cluster has a weight, by the contribution of its founder; what nobody earned is the residual.
        return counted == record.spans.length && sum + record.residual == WEIGHT_ONE;
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
        if (
            _canCount(s.documentId, refs) && _canCount(s.clusterId, refs)
                && Batches.orderOf(s.clusterId) <= Batches.orderOf(s.documentId)
        ) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "document");
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
        Token[] calldata tokens,
        bytes calldata text
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        if (s.end <= response.tokens.length) {
            bytes memory piece = _spell(opened, response, tokens, s.start, s.end);
            _openOwn(s, own);
            if (keccak256(text) != own.document.contentHash) {
                revert RecordErrors.RecordDispute_ExhibitMismatch();
            }
            if (_contains(text, piece)) revert RecordErrors.RecordDispute_NotFalse();
        } else if (keccak256(abi.encode(response)) != opened.receipt.responseHash) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        return (opened.epochId, "span");
    }

    /// @inheritdoc IRecordFacts
    function factEarlier(
        Opened calldata opened,
        Record calldata record,
        uint256 span,
        Response calldata response,
        Token[] calldata tokens,
        Member calldata earlier,
        bytes calldata text,
        uint256 place
    ) external view returns (uint64, string memory) {
        _openRecord(opened, record);
        Span calldata s = record.spans[span];
        uint256 earlierId = _used(opened.receipt.modelId, earlier);
        if (keccak256(text) != earlier.item.document.contentHash) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        // A span of fewer tokens than a gram, or of no credit, is not given to the earliest holder but not given at all.
        if (Batches.orderOf(earlierId) >= Batches.orderOf(s.documentId) || s.end - s.start < matchTokensMin) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        bytes memory piece = _spell(opened, response, tokens, s.start, s.end);
        bool bordered = _isWords(piece);
        if (s.end < response.tokens.length) {
            Token calldata next = tokens[s.end - s.start];
            _checkToken(response.tokens[s.end], next);
            bordered = bordered && next.text.length != 0 && _isSpace(next.text[0]);
        }
        if (!bordered || !_isAt(text, place, piece)) revert RecordErrors.RecordDispute_NotFalse();
        return (opened.epochId, "earlier");
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

    /// @dev Id of a document that counts in the version of its Datanet that the model stands over: of an accepted contribution,
    /// and not ruled out of its batch.
    /// SOUNDNESS: what is withdrawn or ruled out today is no exhibit, whether that was before the version or after it.
    function _used(uint256 modelId, Member calldata member) private view returns (uint256 documentId) {
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, member.item);
        uint256 contributionId = member.item.contributionId;
        bool batch = Batches.isBatch(c);
        if (batch && !challenges.isSound(Batches.keyOf(contributionId, member.item.index))) {
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

    /// @dev The bytes that tokens `start` to `end` of the answer stand for.
    function _spell(
        Opened calldata opened,
        Response calldata response,
        Token[] calldata tokens,
        uint256 start,
        uint256 end
    ) private view returns (bytes memory piece) {
        if (keccak256(abi.encode(response)) != opened.receipt.responseHash || tokens.length < end - start) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
        for (uint256 i = start; i < end; ++i) {
            _checkToken(response.tokens[i], tokens[i - start]);
            piece = bytes.concat(piece, tokens[i - start].text);
        }
    }

    function _checkToken(uint16 id, Token calldata token) private view {
        bytes32 leaf = Merkle.hashLeaf(keccak256(token.text));
        if (!Merkle.verify(vocabularyRoot, leaf, id, vocabularySize, token.proof)) {
            revert RecordErrors.RecordDispute_ExhibitMismatch();
        }
    }

    /// @dev Whether `piece` is anywhere in `text`. Compares a word at a time, and hashes only where its head agrees.
    function _contains(bytes memory text, bytes memory piece) private pure returns (bool found) {
        uint256 length = piece.length;
        if (length == 0) return true;
        if (text.length < length) return false;
        assembly ("memory-safe") {
            let bits := shl(3, sub(32, mul(lt(length, 32), length)))
            if iszero(lt(length, 32)) { bits := 0 }
            let head := shr(bits, mload(add(piece, 0x20)))
            let whole := keccak256(add(piece, 0x20), length)
            let p := add(text, 0x20)
            let last := add(p, sub(mload(text), length))
            for {} iszero(gt(p, last)) { p := add(p, 1) } {
                if eq(shr(bits, mload(p)), head) {
                    if eq(keccak256(p, length), whole) {
                        found := 1
                        break
                    }
                }
            }
        }
    }

    /// @dev SOUNDNESS: the same bytes are the same tokens only between the same borders: the tokenizer cuts before a space
    /// that a letter follows, and after a letter that white space follows. So the piece begins with " x" and ends with "x",
    /// and white space or the end follows it in the answer as in the text.
    function _isWords(bytes memory piece) private pure returns (bool) {
        uint256 length = piece.length;
        return length > 1 && piece[0] == " " && _isLetter(piece[1]) && _isLetter(piece[length - 1]);
    }

    function _isAt(bytes calldata text, uint256 place, bytes memory piece) private pure returns (bool) {
        uint256 end = place + piece.length;
        if (end > text.length || (end < text.length && !_isSpace(text[end]))) return false;
        return keccak256(text[place:end]) == keccak256(piece);
    }

    function _isLetter(bytes1 c) private pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "A" && c <= "Z");
    }

    function _isSpace(bytes1 c) private pure returns (bool) {
        return c == " " || c == "\n" || c == "\t";
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
