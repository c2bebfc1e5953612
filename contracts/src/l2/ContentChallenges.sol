// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";

import {IContentChallenges} from "../interfaces/IContentChallenges.sol";
import {IContributionReview} from "../interfaces/IContributionReview.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {AdmissionErrors} from "../libraries/AdmissionErrors.sol";
import {Batches} from "../libraries/Batches.sol";
import {Credit} from "../libraries/Credit.sol";
import {Errors} from "../libraries/Errors.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {MinHash} from "../libraries/MinHash.sol";

/// @title ContentChallenges
/// @notice See {IContentChallenges}.
contract ContentChallenges is IContentChallenges, EIP712, ReentrancyGuardTransient {
    using Credit for Credit.Book;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// Places in which the sketches of near-copies agree at least: `cluster.sketchMatchesMin` of the engine spec.
    uint256 public constant MATCHES_MIN = 64;
    /// @notice Notaries of a Datanet at least, where it has any.
    uint256 public constant NOTARIES_MIN = 2;
    /// @notice Notaries of a Datanet at most.
    uint256 public constant NOTARIES_MAX = 8;

    bytes32 private constant PUBLICATION_TYPEHASH =
        keccak256("Publication(uint256 datanetId,address author,bytes32 sketchHash,uint64 publishedAt)");

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Keeper {
        // slot 0
        uint128 bond;
        uint40 releasableAt;
        uint32 openCases;
    }

    /// @notice The registry of Datanets.
    IDatanetRegistry public immutable datanets;
    /// @notice The contract of reviews.
    IContributionReview public immutable review;
    /// @notice Who gets what is nobody's.
    address public immutable sink;
    /// @inheritdoc IContentChallenges
    uint256 public immutable challengeBond;
    /// @inheritdoc IContentChallenges
    uint256 public immutable responseWindow;

    /// @notice Number of cases; ids count them from 1.
    uint256 public caseCount;
    mapping(uint256 caseId => Case) private _cases;
    mapping(uint256 contributionId => Keeper) private _keepers;
    mapping(uint256 datanetId => uint256) private _notaryCount;
    mapping(uint256 datanetId => mapping(address account => bool)) private _notaries;
    mapping(bytes32 key => bytes32) private _representative;
    /// Order of the representative: sequence, then index.
    mapping(bytes32 key => uint256) private _representativeOrder;
    mapping(bytes32 key => bool) private _unsound;
    Credit.Book private _credit;

    constructor(
        IDatanetRegistry datanets_,
        IContributionReview review_,
        address sink_,
        uint256 challengeBond_,
        uint256 responseWindow_
    ) {
        if (address(datanets_) == address(0) || address(review_) == address(0) || sink_ == address(0)) {
            revert Errors.ZeroAddress();
        }
        datanets = datanets_;
        review = review_;
        sink = sink_;
        challengeBond = challengeBond_;
        responseWindow = responseWindow_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      KEEPING
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function setNotaries(uint256 datanetId, address[] calldata notaries) external {
        // Check
        if (datanets.ownerOf(datanetId) != msg.sender) {
            revert AdmissionErrors.ContentChallenges_NotOwner(datanetId, msg.sender);
        }
        uint256 count = notaries.length;
        if (_notaryCount[datanetId] != 0 || count < NOTARIES_MIN || count > NOTARIES_MAX) {
            revert AdmissionErrors.ContentChallenges_NotariesFixed(datanetId, count);
        }

        // Effect
        _notaryCount[datanetId] = count;
        for (uint256 i; i < count; ++i) {
            if (notaries[i] == address(0) || _notaries[datanetId][notaries[i]]) {
                revert AdmissionErrors.ContentChallenges_NotNotary(notaries[i]);
            }
            _notaries[datanetId][notaries[i]] = true;
        }
        emit NotariesSet(datanetId, notaries);
    }

    /// @inheritdoc IContentChallenges
    function keep(uint256 contributionId) external payable {
        _live(datanets.contribution(contributionId), contributionId);
        // Native supply is far below 2^128.
        // forge-lint: disable-next-line(unsafe-typecast)
        _keepers[contributionId].bond += uint128(msg.value);
        emit BondKept(contributionId, msg.sender, msg.value);
    }

    /// @inheritdoc IContentChallenges
    function release(uint256 contributionId) external returns (uint256 amount) {
        // Check
        address contributor = datanets.contribution(contributionId).contributor;
        if (contributor != msg.sender) {
            revert AdmissionErrors.ContentChallenges_NotContributor(contributionId, msg.sender);
        }
        Keeper storage k = _keepers[contributionId];
        if (k.releasableAt == 0) {
            // Timestamps fit 40 bits for 34,000 years.
            // forge-lint: disable-next-line(unsafe-typecast)
            k.releasableAt = uint40(block.timestamp + 2 * responseWindow);
            return 0;
        }
        if (k.openCases != 0 || block.timestamp < k.releasableAt) {
            revert AdmissionErrors.ContentChallenges_BondHeld(contributionId);
        }

        // Effect
        amount = k.bond;
        (k.bond, k.releasableAt) = (0, 0);
        _credit.add(contributor, amount);
        emit BondReleased(contributionId, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    AVAILABILITY
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function challenge(Batches.Item calldata item, uint32 chunk) external payable returns (uint256 caseId) {
        // Check
        _checkBond();
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, item);
        _live(c, item.contributionId);
        uint32 chunkCount = item.document.chunkCount;
        if (chunk >= chunkCount) revert AdmissionErrors.ContentChallenges_ChunkUnknown(chunk, chunkCount);

        // Effect
        caseId = _openCase(Kind.Availability, item);
        Case storage k = _cases[caseId];
        k.chunk = chunk;
        k.chunkRoot = item.document.chunkRoot;
        k.other = bytes32(uint256(chunkCount));
        emit Challenged(caseId, item.contributionId, item.index, Kind.Availability, msg.sender, chunk, k.deadline);
    }

    function _openCase(Kind kind, Batches.Item calldata item) private returns (uint256 caseId) {
        bytes32 key = Batches.keyOf(item.contributionId, item.index);
        if (_unsound[key]) revert AdmissionErrors.ContentChallenges_Decided(key);
        caseId = ++caseCount;
        Case storage k = _cases[caseId];
        k.challenger = msg.sender;
        k.kind = kind;
        k.open = true;
        // Timestamps fit 40 bits for 34,000 years.
        // forge-lint: disable-next-line(unsafe-typecast)
        k.deadline = uint40(block.timestamp + responseWindow);
        // forge-lint: disable-next-line(unsafe-typecast)
        k.bond = uint128(msg.value);
        k.contributionId = item.contributionId;
        k.key = key;
        ++_keepers[item.contributionId].openCases;
    }

    /// @inheritdoc IContentChallenges
    function answer(uint256 caseId, bytes calldata chunk, bytes32[] calldata proof) external {
        // Check
        Case storage k = _open(caseId, Kind.Availability);
        if (block.timestamp > k.deadline) revert AdmissionErrors.ContentChallenges_TooLate(caseId, k.deadline);
        if (!Merkle.verify(k.chunkRoot, Merkle.hashLeaf(chunk), k.chunk, uint256(k.other), proof)) {
            revert AdmissionErrors.ContentChallenges_ChunkMismatch(caseId);
        }

        // Effect
        _close(k);
        _credit.add(msg.sender, k.bond);
        emit Answered(caseId, msg.sender, chunk);
    }

    /// @inheritdoc IContentChallenges
    function closeUnanswered(uint256 caseId) external nonReentrant {
        // Check
        Case storage k = _open(caseId, Kind.Availability);
        if (block.timestamp <= k.deadline) revert AdmissionErrors.ContentChallenges_TooEarly(caseId, k.deadline);

        // Effect
        _close(k);
        _credit.add(k.challenger, k.bond);
        emit Unavailable(caseId, k.contributionId, k.key);
        _convict(k.contributionId, k.key, k.challenger, "content unavailable");
    }

    /// @dev Marks the item and takes what is at stake: the registry's bond before admission, else the keeper's.
    function _convict(uint256 contributionId, bytes32 key, address winner, string memory reason) private {
        _unsound[key] = true;
        Keeper storage keeper = _keepers[contributionId];
        uint256 bond = keeper.bond;
        keeper.bond = 0;
        _credit.add(winner, bond / 2);
        _credit.add(sink, bond - bond / 2);
        // Interaction: the review is part of the protocol and calls nobody but the registry.
        review.condemn(contributionId, winner, reason);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       COPIES
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function proveCopy(
        Batches.Item calldata earlier,
        bytes calldata earlierSketch,
        Batches.Item calldata later,
        bytes calldata laterSketch
    ) external {
        // Check
        IDatanetRegistry.Contribution memory a = Batches.open(datanets, earlier);
        IDatanetRegistry.Contribution memory b = Batches.open(datanets, later);
        _live(a, earlier.contributionId);
        uint256 order = _orderOf(a.sequence, earlier.index);
        if (order >= _orderOf(b.sequence, later.index)) {
            revert AdmissionErrors.ContentChallenges_NotEarlier(earlier.contributionId, later.contributionId);
        }
        bytes32 earlierKey = Batches.keyOf(earlier.contributionId, earlier.index);
        // What was plagiarised, or never there, represents nothing.
        if (_unsound[earlierKey]) revert AdmissionErrors.ContentChallenges_Decided(earlierKey);
        uint256 matches = _similar(earlier.document, earlierSketch, later.document, laterSketch);
        bytes32 laterKey = Batches.keyOf(later.contributionId, later.index);
        bytes32 known = _representative[laterKey];
        if (known != 0 && !_unsound[known] && _representativeOrder[laterKey] <= order) {
            revert AdmissionErrors.ContentChallenges_Decided(laterKey);
        }

        // Effect
        _representative[laterKey] = earlierKey;
        _representativeOrder[laterKey] = order;
        emit CopyProven(later.contributionId, laterKey, earlier.contributionId, earlierKey, matches);
    }

    function _similar(
        Batches.Document calldata a,
        bytes calldata aSketch,
        Batches.Document calldata b,
        bytes calldata bSketch
    ) private pure returns (uint256 matches) {
        _checkSketch(a, aSketch);
        _checkSketch(b, bSketch);
        matches = MinHash.matches(aSketch, bSketch);
        if (matches < MATCHES_MIN) revert AdmissionErrors.ContentChallenges_NotSimilar(matches, MATCHES_MIN);
    }

    function _checkSketch(Batches.Document calldata document, bytes calldata sketch) private pure {
        bytes32 given = keccak256(sketch);
        if (given != document.sketchHash || sketch.length != MinHash.BYTES) {
            revert AdmissionErrors.ContentChallenges_SketchMismatch(given, document.sketchHash);
        }
    }

    function _orderOf(uint64 sequence, uint32 index) private pure returns (uint256) {
        return uint256(sequence) << 32 | index;
    }

    /// @inheritdoc IContentChallenges
    function proveFalseSketch(Batches.Item calldata item, bytes calldata sketch, bytes calldata text, uint256 position)
        external
        nonReentrant
    {
        // Check
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, item);
        _live(c, item.contributionId);
        bytes32 key = Batches.keyOf(item.contributionId, item.index);
        if (_unsound[key]) revert AdmissionErrors.ContentChallenges_Decided(key);
        bytes32 given = keccak256(text);
        if (given != item.document.contentHash) {
            revert AdmissionErrors.ContentChallenges_TextMismatch(given, item.document.contentHash);
        }
        // Bytes that are no sketch at all are false at every place.
        if (keccak256(sketch) != item.document.sketchHash) {
            revert AdmissionErrors.ContentChallenges_SketchMismatch(keccak256(sketch), item.document.sketchHash);
        }
        if (sketch.length == MinHash.BYTES) {
            position %= MinHash.LENGTH;
            if (MinHash.valueAt(sketch, position) == MinHash.minimum(text, position)) {
                revert AdmissionErrors.ContentChallenges_SketchRight(position);
            }
        }

        // Effect
        emit SketchFalse(item.contributionId, key, position);
        _convict(item.contributionId, key, msg.sender, "false sketch");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     PLAGIARISM
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function accuse(
        Batches.Item calldata accused,
        bytes calldata accusedSketch,
        Batches.Item calldata own,
        bytes calldata ownSketch,
        Evidence calldata evidence
    ) external payable returns (uint256 caseId) {
        // Check
        _checkBond();
        IDatanetRegistry.Contribution memory a = Batches.open(datanets, accused);
        IDatanetRegistry.Contribution memory b = Batches.open(datanets, own);
        _live(a, accused.contributionId);
        _live(b, own.contributionId);
        if (b.contributor != msg.sender) {
            revert AdmissionErrors.ContentChallenges_NotContributor(own.contributionId, msg.sender);
        }
        if (_orderOf(a.sequence, accused.index) >= _orderOf(b.sequence, own.index)) {
            revert AdmissionErrors.ContentChallenges_NotEarlier(accused.contributionId, own.contributionId);
        }
        _similar(accused.document, accusedSketch, own.document, ownSketch);
        _checkEvidence(a.datanetId, msg.sender, own.document.sketchHash, evidence, a.committedAt);

        // Effect
        caseId = _openCase(Kind.Plagiarism, accused);
        Case storage k = _cases[caseId];
        k.dated = evidence.publishedAt;
        k.chunkRoot = accused.document.sketchHash;
        k.other = Batches.keyOf(own.contributionId, own.index);
        emit Challenged(caseId, accused.contributionId, accused.index, Kind.Plagiarism, msg.sender, 0, k.deadline);
    }

    /// @inheritdoc IContentChallenges
    function rebut(uint256 caseId, bytes32 sketchHash, Evidence calldata evidence) external {
        // Check
        Case storage k = _open(caseId, Kind.Plagiarism);
        if (block.timestamp > k.deadline) revert AdmissionErrors.ContentChallenges_TooLate(caseId, k.deadline);
        if (sketchHash != k.chunkRoot) {
            revert AdmissionErrors.ContentChallenges_SketchMismatch(sketchHash, k.chunkRoot);
        }
        IDatanetRegistry.Contribution memory c = datanets.contribution(k.contributionId);
        _checkEvidence(c.datanetId, c.contributor, sketchHash, evidence, uint256(k.dated) + 1);

        // Effect
        _close(k);
        _credit.add(c.contributor, k.bond);
        emit Answered(caseId, c.contributor, "");
    }

    /// @inheritdoc IContentChallenges
    function closeAccusation(uint256 caseId) external nonReentrant {
        // Check
        Case storage k = _open(caseId, Kind.Plagiarism);
        if (block.timestamp <= k.deadline) revert AdmissionErrors.ContentChallenges_TooEarly(caseId, k.deadline);

        // Effect
        _close(k);
        _credit.add(k.challenger, k.bond);
        _representative[k.key] = k.other;
        _representativeOrder[k.key] = 0;
        emit PlagiarismProven(caseId, k.contributionId, k.key, k.other);
        _convict(k.contributionId, k.key, k.challenger, "plagiarism");
    }

    /// @dev Two distinct notaries, and a date before `before`.
    function _checkEvidence(
        uint256 datanetId,
        address author,
        bytes32 sketchHash,
        Evidence calldata evidence,
        uint256 before
    ) private view {
        if (evidence.publishedAt >= before) {
            revert AdmissionErrors.ContentChallenges_EvidenceTooLate(evidence.publishedAt, before);
        }
        uint256 count = evidence.signatures.length;
        if (count < NOTARIES_MIN || count > NOTARIES_MAX) {
            revert AdmissionErrors.ContentChallenges_NotariesMissing(count, NOTARIES_MIN);
        }
        bytes32 digest = hashPublication(datanetId, author, sketchHash, evidence.publishedAt);
        address previous;
        for (uint256 i; i < count; ++i) {
            address signer = ECDSA.recoverCalldata(digest, evidence.signatures[i]);
            if (signer <= previous || !_notaries[datanetId][signer]) {
                revert AdmissionErrors.ContentChallenges_NotNotary(signer);
            }
            previous = signer;
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       BATCHES
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function tombstoneDocument(Batches.Item calldata item) external {
        // Check
        IDatanetRegistry.Contribution memory c = Batches.open(datanets, item);
        if (c.contributor != msg.sender) {
            revert AdmissionErrors.ContentChallenges_NotContributor(item.contributionId, msg.sender);
        }
        bytes32 key = Batches.keyOf(item.contributionId, item.index);
        if (_unsound[key]) revert AdmissionErrors.ContentChallenges_Decided(key);

        // Effect
        _unsound[key] = true;
        emit DocumentTombstoned(item.contributionId, item.index);
    }

    /// @inheritdoc IContentChallenges
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IContentChallenges
    function caseOf(uint256 caseId) external view returns (Case memory) {
        return _cases[caseId];
    }

    /// @inheritdoc IContentChallenges
    function keptBond(uint256 contributionId) external view returns (uint256) {
        return _keepers[contributionId].bond;
    }

    /// @inheritdoc IContentChallenges
    function openCasesOf(uint256 contributionId) external view returns (uint256) {
        return _keepers[contributionId].openCases;
    }

    /// @inheritdoc IContentChallenges
    function representativeOf(bytes32 key) external view returns (bytes32) {
        return _representative[key];
    }

    /// @inheritdoc IContentChallenges
    function isSound(bytes32 key) external view returns (bool) {
        return !_unsound[key];
    }

    /// @inheritdoc IContentChallenges
    function isNotary(uint256 datanetId, address account) external view returns (bool) {
        return _notaries[datanetId][account];
    }

    /// @inheritdoc IContentChallenges
    function hashPublication(uint256 datanetId, address author, bytes32 sketchHash, uint64 publishedAt)
        public
        view
        returns (bytes32)
    {
        return _hashTypedData(keccak256(abi.encode(PUBLICATION_TYPEHASH, datanetId, author, sketchHash, publishedAt)));
    }

    /// @inheritdoc IContentChallenges
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       CHECKS
    //////////////////////////////////////////////////////////////////////////*/

    function _checkBond() private view {
        if (msg.value != challengeBond) {
            revert AdmissionErrors.ContentChallenges_BondMismatch(msg.value, challengeBond);
        }
    }

    function _live(IDatanetRegistry.Contribution memory c, uint256 contributionId) private pure {
        if (c.status != IDatanetRegistry.Status.Revealed && c.status != IDatanetRegistry.Status.Accepted) {
            revert AdmissionErrors.ContentChallenges_NotLive(contributionId);
        }
    }

    function _open(uint256 caseId, Kind kind) private view returns (Case storage k) {
        k = _cases[caseId];
        if (!k.open || k.kind != kind) revert AdmissionErrors.ContentChallenges_NotOpen(caseId);
    }

    function _close(Case storage k) private {
        k.open = false;
        --_keepers[k.contributionId].openCases;
    }

    /// @dev EIP-712 name and version.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("ContentChallenges", "1");
    }
}
