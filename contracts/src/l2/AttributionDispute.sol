// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionDispute} from "../interfaces/IAttributionDispute.sol";
import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IRecordDispute} from "../interfaces/IRecordDispute.sol";
import {Errors} from "../libraries/Errors.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";

/// @title AttributionDispute
/// @notice See {IAttributionDispute}.
contract AttributionDispute is IAttributionDispute {
    /// A claims tree: what it hashes to and what it promises.
    struct Tree {
        bytes32 root;
        uint128 total;
    }

    /// @inheritdoc IAttributionDispute
    address public constant RECORDS = 0x4f50454e00000000000000000000000000000014;

    /// @inheritdoc IAttributionDispute
    IAttributionSettlement public immutable settlement;

    constructor(IAttributionSettlement settlement_) {
        if (address(settlement_) == address(0)) revert Errors.ZeroAddress();
        settlement = settlement_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      DISPUTES
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionDispute
    function disputeDecrease(uint64 epochId, Leaf calldata before, Leaf calldata later) external {
        (, string memory reason) = factDecrease(epochId, before, later);
        _reject(epochId, reason);
    }

    /// @inheritdoc IAttributionDispute
    function disputeOmission(uint64 epochId, Leaf calldata before, Slot[] calldata slots) external {
        (, string memory reason) = factOmission(epochId, before, slots);
        _reject(epochId, reason);
    }

    /// @inheritdoc IAttributionDispute
    function disputeOrder(uint64 epochId, Slot calldata left, Slot calldata right) external {
        (, string memory reason) = factOrder(epochId, left, right);
        _reject(epochId, reason);
    }

    /// @inheritdoc IAttributionDispute
    function disputeOverpromise(IAttributionSettlement.EpochPost calldata post, Leaf calldata first, Leaf calldata last)
        external
    {
        (, string memory reason) = factOverpromise(post, first, last);
        _reject(post.epochId, reason);
    }

    /// @dev Whoever had committed to a fact before shares the reward, so copying a dispute out of the pool earns nothing.
    function _reject(uint64 epochId, string memory reason) private {
        // Check
        _requirePosted(epochId);
        bool committed;
        bool before;
        if (RECORDS.code.length != 0) (committed, before) = IRecordDispute(RECORDS).commitmentsTo(epochId);

        // Interaction, with the protocol's own contracts
        settlement.rejectEpoch(epochId, before ? RECORDS : msg.sender, reason);
        if (committed) IRecordDispute(RECORDS).fell(epochId, msg.sender);
    }

    /// @inheritdoc IAttributionDispute
    function uphold(uint64 epochId, address challenger, string calldata reason) external {
        if (msg.sender != RECORDS) revert Errors.AttributionDispute_NotRecords(msg.sender);
        settlement.rejectEpoch(epochId, challenger, reason);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       FACTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionDispute
    function factDecrease(uint64 epochId, Leaf calldata before, Leaf calldata later)
        public
        view
        returns (uint64, string memory)
    {
        Tree memory pending = _disputed(epochId);
        _proveLeaf(_active(), before);
        _proveLeaf(pending, later);
        if (before.datanetId != later.datanetId || before.account != later.account) {
            revert Errors.AttributionDispute_KeyMismatch();
        }
        if (later.cumulative >= before.cumulative) {
            revert Errors.AttributionDispute_NotDecreased(before.cumulative, later.cumulative);
        }
        return (epochId, "decrease");
    }

    /// @inheritdoc IAttributionDispute
    function factOmission(uint64 epochId, Leaf calldata before, Slot[] calldata slots)
        public
        view
        returns (uint64, string memory)
    {
        Tree memory pending = _disputed(epochId);
        _proveLeaf(_active(), before);
        for (uint256 i; i < slots.length; ++i) {
            _proveSlot(pending, slots[i]);
        }
        if (!_encloses(slots, before)) revert Errors.AttributionDispute_NotOmitted();
        return (epochId, "omission");
    }

    /// @inheritdoc IAttributionDispute
    function factOrder(uint64 epochId, Slot calldata left, Slot calldata right)
        public
        view
        returns (uint64, string memory)
    {
        Tree memory pending = _disputed(epochId);
        _proveSlot(pending, left);
        _proveSlot(pending, right);
        // In a padded tree every leaf is at the same depth. Leaves at two depths would have no neighbours to compare.
        if (left.proof.length != right.proof.length) return (epochId, "uneven");
        if (left.index + 1 != right.index) {
            revert Errors.AttributionDispute_NotAdjacent(left.index, right.index);
        }
        if (right.padding || _isBelow(left, right.datanetId, right.account)) {
            revert Errors.AttributionDispute_InOrder();
        }
        return (epochId, "order");
    }

    /// @inheritdoc IAttributionDispute
    function factOverpromise(IAttributionSettlement.EpochPost calldata post, Leaf calldata first, Leaf calldata last)
        public
        view
        returns (uint64, string memory)
    {
        Tree memory pending = _disputed(post.epochId);
        if (settlement.hashPost(post) != settlement.epoch(post.epochId).postHash) {
            revert Errors.AttributionDispute_PostMismatch(post.epochId);
        }
        uint256 datanetId = first.datanetId;
        if (last.datanetId != datanetId) revert Errors.AttributionDispute_KeyMismatch();
        if (first.index > last.index) revert Errors.AttributionDispute_NotAdjacent(first.index, last.index);
        uint256 start = _proveLeaf(pending, first);
        uint256 promised = uint256(_proveLeaf(pending, last)) + last.cumulative - start;
        uint256 funded = settlement.poolFunded(datanetId);
        for (uint256 i; i < post.pools.length; ++i) {
            if (post.pools[i].datanetId == datanetId) funded += post.pools[i].amount;
        }
        if (promised <= funded) revert Errors.AttributionDispute_Funded(datanetId, promised, funded);
        return (post.epochId, "overpromise");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       CHECKS
    //////////////////////////////////////////////////////////////////////////*/

    function _requirePosted(uint64 epochId) private view {
        IAttributionSettlement.EpochStatus status = settlement.epoch(epochId).status;
        if (status != IAttributionSettlement.EpochStatus.Posted) {
            revert Errors.AttributionDispute_NotPending(epochId, status);
        }
    }

    /// @dev Pending; or rejected, for those who committed before and show theirs after.
    function _disputed(uint64 epochId) private view returns (Tree memory) {
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        if (
            e.status != IAttributionSettlement.EpochStatus.Posted
                && e.status != IAttributionSettlement.EpochStatus.Rejected
        ) revert Errors.AttributionDispute_NotPending(epochId, e.status);
        return Tree(e.claimsRoot, e.claimsTotal);
    }

    function _active() private view returns (Tree memory) {
        IAttributionSettlement.Epoch memory e = settlement.epoch(settlement.lastActivated());
        return Tree(e.claimsRoot, e.claimsTotal);
    }

    /// @dev Returns the sum of all leaves before this one.
    function _proveLeaf(Tree memory tree, Leaf calldata leaf) private pure returns (uint128) {
        bytes32 hash = MerkleSum.hashLeaf(leaf.datanetId, leaf.account, leaf.cumulative);
        if (!MerkleSum.verify(tree.root, tree.total, hash, leaf.cumulative, leaf.index, leaf.proof)) {
            revert Errors.AttributionDispute_ProofInvalid(tree.root, leaf.index);
        }
        return MerkleSum.prefix(leaf.index, leaf.proof);
    }

    function _proveSlot(Tree memory tree, Slot calldata slot) private pure {
        bytes32 hash;
        if (!slot.padding) {
            hash = MerkleSum.hashLeaf(slot.datanetId, slot.account, slot.cumulative);
        } else if (slot.datanetId != 0 || slot.account != address(0) || slot.cumulative != 0) {
            revert Errors.AttributionDispute_PaddingNotEmpty();
        }
        if (!MerkleSum.verify(tree.root, tree.total, hash, slot.cumulative, slot.index, slot.proof)) {
            revert Errors.AttributionDispute_ProofInvalid(tree.root, slot.index);
        }
    }

    /// @dev True if a sorted tree with these slots has no place for the key of `leaf`.
    function _encloses(Slot[] calldata slots, Leaf calldata leaf) private pure returns (bool) {
        if (slots.length == 2) {
            return slots[0].index + 1 == slots[1].index && _isBelow(slots[0], leaf.datanetId, leaf.account)
                && _isAbove(slots[1], leaf.datanetId, leaf.account);
        }
        if (slots.length != 1) return false;
        Slot calldata slot = slots[0];
        if (slot.index == 0 && _isAbove(slot, leaf.datanetId, leaf.account)) return true;
        return slot.index + 1 == 2 ** slot.proof.length && _isBelow(slot, leaf.datanetId, leaf.account);
    }

    /// @dev Keys are ordered by Datanet, then by account; padding is above all.
    function _isBelow(Slot calldata slot, uint256 datanetId, address account) private pure returns (bool) {
        if (slot.padding) return false;
        return slot.datanetId < datanetId || (slot.datanetId == datanetId && slot.account < account);
    }

    function _isAbove(Slot calldata slot, uint256 datanetId, address account) private pure returns (bool) {
        if (slot.padding) return true;
        return slot.datanetId > datanetId || (slot.datanetId == datanetId && slot.account > account);
    }
}
