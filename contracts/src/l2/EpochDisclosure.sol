// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IEpochDisclosure} from "../interfaces/IEpochDisclosure.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRecordDispute} from "../interfaces/IRecordDispute.sol";
import {IRecordTypes} from "../interfaces/IRecordTypes.sol";
import {Credit} from "../libraries/Credit.sol";
import {Disclosures} from "../libraries/Disclosures.sol";
import {Errors} from "../libraries/Errors.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {RecordErrors} from "../libraries/RecordErrors.sol";

/// @title EpochDisclosure
/// @notice See {IEpochDisclosure}.
contract EpochDisclosure is IEpochDisclosure, ReentrancyGuardTransient {
    using Credit for Credit.Book;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Gas that an answer takes at most: see `contracts/snapshots/EpochDisclosureGas.json`.
    uint256 public constant ANSWER_GAS = 7_000_000;
    /// @notice Least stake of a demand where gas is next to free, wei: it pays what L1 asks for the answer's bytes.
    uint256 public constant STAKE_MIN = 0.005 ether;
    /// @notice Pieces in one demand at most.
    uint256 public constant PLACES_MAX = 256;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Demand {
        // slot 0
        address by;
        uint64 dueAt;
        bool answered;
        // slot 1
        uint128 stake;
    }

    /// A sum tree as the epoch commits to it.
    struct Committed {
        bytes32 root;
        uint128 total;
        uint8 depth;
        bool claims;
    }

    /// @notice Where epochs are.
    IAttributionSettlement public immutable settlement;
    /// @notice Where posters state their payments, and facts are shown.
    IRecordDispute public immutable records;
    /// @notice The registry of models.
    IModelRegistry public immutable models;

    mapping(uint64 epochId => mapping(Tree => mapping(uint256 place => Demand))) private _demands;
    Credit.Book private _credit;

    /// @param settlement_ Where epochs are.
    /// @param records_ Where posters state their payments, and facts are shown.
    /// @param models_ The registry of models.
    constructor(IAttributionSettlement settlement_, IRecordDispute records_, IModelRegistry models_) {
        if (address(settlement_) == address(0) || address(records_) == address(0) || address(models_) == address(0)) {
            revert Errors.ZeroAddress();
        }
        settlement = settlement_;
        records = records_;
        models = models_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      DEMANDS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEpochDisclosure
    function demand(uint64 epochId, Tree tree, uint256[] calldata places) external payable {
        // Check
        uint256 count = places.length;
        if (count == 0 || count > PLACES_MAX) revert RecordErrors.EpochDisclosure_PlaceCount(count, PLACES_MAX);
        uint256 each = msg.value / count;
        if (each < stake() || each * count != msg.value) {
            revert RecordErrors.EpochDisclosure_StakeMismatch(msg.value, stake() * count);
        }
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        uint256 quarter = (e.deadline - e.postedAt) / 4;
        if (e.status != IAttributionSettlement.EpochStatus.Posted || block.timestamp > e.postedAt + 2 * quarter) {
            revert RecordErrors.EpochDisclosure_Untimely(epochId);
        }
        uint256 pieces = _pieceCount(epochId, e.receiptCount, tree);

        // Effect
        for (uint256 i; i < count; ++i) {
            uint256 place = places[i];
            Demand storage d = _demands[epochId][tree][place];
            if (place >= pieces || d.dueAt != 0) revert RecordErrors.EpochDisclosure_PlaceInvalid(epochId, place);
            d.by = msg.sender;
            // Timestamps fit 64 bits, native value fits 128.
            // forge-lint: disable-next-item(unsafe-typecast)
            {
                d.dueAt = uint64(block.timestamp + quarter);
                d.stake = uint128(each);
            }
            emit PieceDemanded(epochId, tree, place, msg.sender, each, d.dueAt);
        }
    }

    /// @inheritdoc IEpochDisclosure
    function discloseEntries(
        uint64 epochId,
        Tree tree,
        uint256 place,
        Entry[] calldata entries,
        IAttributionSettlement.ProofNode[] calldata path
    ) external {
        // Check
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        if (tree == Tree.Receipts || !_isPiece(_committed(epochId, e, tree), place, entries, path)) {
            revert RecordErrors.EpochDisclosure_Mismatch(epochId, place);
        }

        // Effect
        _answer(epochId, e, tree, place);
        emit EntriesDisclosed(epochId, tree, place, entries);
    }

    /// @inheritdoc IEpochDisclosure
    function discloseReceipt(
        uint64 epochId,
        IAttributionSettlement.InferenceReceipt calldata receipt,
        bytes calldata record,
        bytes calldata response,
        bytes32[] calldata proof
    ) external {
        // Check
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        (bytes32 receiptHash,) = settlement.hashReceipt(receipt);
        if (
            keccak256(response) != receipt.responseHash
                || !settlement.containsReceipt(epochId, receiptHash, keccak256(record), receipt.number, proof)
                || receipt.modelId == 0 || receipt.modelId > models.modelCount() || !_isReadable(record, response)
        ) revert RecordErrors.EpochDisclosure_Mismatch(epochId, receipt.number);

        // Effect
        uint256 place = receipt.number - e.firstReceipt;
        _answer(epochId, e, Tree.Receipts, place);
        emit ReceiptDisclosed(epochId, place, receipt, record, response);
    }

    /// @dev Whether facts can be shown about a record and a response. They are opened by what they say, so bytes that say
    /// nothing, or say it in another way than the one that is hashed, would be safe from every fact; and ids of more than 64
    /// bits name nothing.
    /// SOUNDNESS: such bytes cannot be disclosed, so an epoch with them falls when they are demanded.
    function _isReadable(bytes calldata record, bytes calldata response) private pure returns (bool) {
        // Here and below, the first word.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (record.length < 64 || response.length < 64 || uint256(bytes32(response)) != 32) return false;
        IRecordTypes.Response calldata said;
        IRecordTypes.Record calldata r;
        // What a list or a struct with lists is encoded as begins after a word, its place. What is read beyond the bytes'
        // end makes another hash.
        assembly ("memory-safe") {
            said := add(response.offset, 0x20)
            r := add(record.offset, 0x20)
        }
        if (keccak256(abi.encode(said)) != keccak256(response)) return false;
        // The influence track's record, whose first word is its version, is not readable either: what it pays is not defined,
        // so that no payment of it could be shown to be false.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (uint256(bytes32(record)) != 32 || keccak256(abi.encode(r)) != keccak256(record)) return false;
        uint256 ids;
        for (uint256 i; i < r.spans.length; ++i) {
            IRecordTypes.Span calldata s = r.spans[i];
            ids |= s.documentId | s.clusterId;
        }
        for (uint256 i; i < r.weights.length; ++i) {
            IRecordTypes.Weight calldata w = r.weights[i];
            ids |= w.clusterId | w.datanetId;
        }
        return ids <= type(uint64).max;
    }

    function _answer(uint64 epochId, IAttributionSettlement.Epoch memory e, Tree tree, uint256 place) private {
        Demand storage d = _demands[epochId][tree][place];
        if (
            d.dueAt == 0 || d.answered || block.timestamp > d.dueAt
                || e.status != IAttributionSettlement.EpochStatus.Posted
        ) revert RecordErrors.EpochDisclosure_Untimely(epochId);
        d.answered = true;
        _credit.add(e.poster, d.stake);
    }

    /// @inheritdoc IEpochDisclosure
    function reclaim(uint64 epochId, Tree tree, uint256 place) external {
        // Check
        Demand storage d = _demands[epochId][tree][place];
        address by = d.by;
        if (
            by == address(0) || d.answered
                || settlement.epoch(epochId).status == IAttributionSettlement.EpochStatus.Posted
        ) revert RecordErrors.EpochDisclosure_Untimely(epochId);

        // Effect
        d.by = address(0);
        _credit.add(by, d.stake);
        emit StakeReclaimed(epochId, tree, place, by, d.stake);
    }

    /// @inheritdoc IEpochDisclosure
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       TREES
    //////////////////////////////////////////////////////////////////////////*/

    /// @dev What the epoch commits to in one of its sum trees.
    function _committed(uint64 epochId, IAttributionSettlement.Epoch memory e, Tree tree)
        private
        view
        returns (Committed memory c)
    {
        if (tree == Tree.Payments) {
            (c.root, c.total, c.depth,,) = records.paymentsOf(epochId);
        } else {
            (c.root, c.total, c.claims) = (e.claimsRoot, e.claimsTotal, true);
            (, c.depth,) = records.depthsOf(epochId);
        }
    }

    function _isPiece(
        Committed memory c,
        uint256 place,
        Entry[] calldata entries,
        IAttributionSettlement.ProofNode[] calldata path
    ) private pure returns (bool) {
        uint256 levels = Disclosures.levelsOf(c.depth);
        // One shifted by a number of levels is what is meant, here and below.
        // forge-lint: disable-next-line(incorrect-shift)
        if (path.length + levels != c.depth || entries.length > 1 << levels) return false;
        // forge-lint: disable-next-line(incorrect-shift)
        (bytes32 hash, uint128 sum) = _fold(entries, c.claims, 1 << levels);
        return MerkleSum.verify(c.root, c.total, hash, sum, place, path);
    }

    /// @dev Root of a piece: its leaves, padded to the power of two that it spans. A leaf has an account, so that a tree
    /// whose padding stands before a leaf, or whose leaf looks like padding, cannot be disclosed at all. Nor one of a
    /// Datanet beyond those that can be counted.
    function _fold(Entry[] calldata entries, bool claims, uint256 width) private pure returns (bytes32, uint128) {
        bytes32[] memory hashes = new bytes32[](width);
        uint128[] memory sums = new uint128[](width);
        for (uint256 i; i < entries.length; ++i) {
            Entry calldata entry = entries[i];
            if (entry.account == address(0) || (claims && entry.receipt != 0) || entry.datanetId > type(uint64).max) {
                return (0, type(uint128).max);
            }
            hashes[i] = claims
                ? MerkleSum.hashLeaf(entry.datanetId, entry.account, entry.amount)
                : keccak256(bytes.concat(keccak256(abi.encode(entry))));
            sums[i] = entry.amount;
        }
        while (width > 1) {
            width >>= 1;
            for (uint256 i; i < width; ++i) {
                (uint128 left, uint128 right) = (sums[2 * i], sums[2 * i + 1]);
                hashes[i] = MerkleSum.hashNode(hashes[2 * i], left, hashes[2 * i + 1], right);
                // A sum that does not fit is of no tree: this reverts.
                sums[i] = left + right;
            }
        }
        return (hashes[0], sums[0]);
    }

    function _pieceCount(uint64 epochId, uint256 receiptCount, Tree tree) private view returns (uint256) {
        if (tree == Tree.Receipts) return receiptCount;
        (uint8 payments, uint8 claims, bool stated) = records.depthsOf(epochId);
        if (!stated) return 0;
        return Disclosures.piecesOf(tree == Tree.Payments ? payments : claims);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IEpochDisclosure
    function factWithheld(uint64 epochId, Tree tree, uint256 place) external view returns (uint64, string memory) {
        IAttributionSettlement.EpochStatus status = settlement.epoch(epochId).status;
        uint256 until = block.timestamp;
        if (status == IAttributionSettlement.EpochStatus.Rejected) {
            // What was not yet due when the epoch fell could not be answered any more.
            (,, uint64 shareableAt) = records.potOf(epochId);
            until = shareableAt == 0 ? 0 : shareableAt - records.shareWindow();
        }
        Demand storage d = _demands[epochId][tree][place];
        if (status == IAttributionSettlement.EpochStatus.Activated || d.dueAt == 0 || d.answered || until <= d.dueAt) {
            revert RecordErrors.RecordDispute_NotFalse();
        }
        return (epochId, "withheld");
    }

    /// @inheritdoc IEpochDisclosure
    function stake() public view returns (uint256) {
        uint256 paid = 2 * ANSWER_GAS * block.basefee;
        return paid > STAKE_MIN ? paid : STAKE_MIN;
    }

    /// @inheritdoc IEpochDisclosure
    function pieceCount(uint64 epochId, Tree tree) external view returns (uint256) {
        return _pieceCount(epochId, settlement.epoch(epochId).receiptCount, tree);
    }

    /// @inheritdoc IEpochDisclosure
    function demandOf(uint64 epochId, Tree tree, uint256 place)
        external
        view
        returns (address by, uint64 dueAt, bool answered, uint128 staked)
    {
        Demand storage d = _demands[epochId][tree][place];
        return (d.by, d.dueAt, d.answered, d.stake);
    }

    /// @inheritdoc IEpochDisclosure
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }
}
