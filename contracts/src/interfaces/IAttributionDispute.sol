// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "./IAttributionSettlement.sol";

/// @title IAttributionDispute
/// @notice Disproves a pending epoch by a short path into its claims tree. Every function decides a fact by code: it
/// either rejects the epoch in the same transaction, or reverts and changes nothing. Anyone may call; the sender is
/// credited half of the poster's bond at the settlement, unless somebody had committed to a fact at {IRecordDispute} in an
/// earlier block: then the reward goes there, to be shared by all of those who show theirs, and only if none of them does,
/// to the sender. So whoever commits first cannot be robbed by a copy of the call.
/// @dev Together the four rules make a surviving claims tree sorted, a superset of the last activated one with no amount
/// lowered, and funded Datanet by Datanet. Whether the *increase* of an account is the right one is a matter of records and
/// payments, which {IRecordDispute} decides. A tree whose inner nodes are withheld cannot be opened by anyone: engines sign
/// only trees that they have recomputed. Each rule is also a view, `fact…`, which returns the epoch and the reason or
/// reverts: what is shown in a challenge by commitment.
interface IAttributionDispute {
    /// A leaf of a claims tree with its path.
    struct Leaf {
        uint256 datanetId;
        address account;
        uint128 cumulative;
        uint256 index;
        IAttributionSettlement.ProofNode[] proof;
    }

    /// A place at the bottom of a claims tree: a leaf, or padding, whose other fields but index and proof are zero.
    struct Slot {
        bool padding;
        uint256 datanetId;
        address account;
        uint128 cumulative;
        uint256 index;
        IAttributionSettlement.ProofNode[] proof;
    }

    /// @notice The pending tree lowers an amount: `before` is in the last activated tree, `later` has the same Datanet and
    /// account in the pending one and a smaller amount.
    /// @param epochId Number of the epoch, from 1.
    /// @param before Leaf of the tree in force, with its path.
    /// @param later Leaf of the pending tree for the same key, with its path.
    function disputeDecrease(uint64 epochId, Leaf calldata before, Leaf calldata later) external;
    /// @notice The pending tree leaves an account out: `before` is in the last activated tree, and its key would lie between
    /// two neighbouring `slots` of the pending tree, or before its first or after its last one (then one slot is given).
    /// @param epochId Number of the epoch, from 1.
    /// @param before Leaf of the tree in force, with its path.
    /// @param slots Two neighbours of the pending tree around the key, or one at an end of it.
    function disputeOmission(uint64 epochId, Leaf calldata before, Slot[] calldata slots) external;
    /// @notice The pending tree is not strictly ascending: `left` and `right` are neighbours, and `right` is a leaf whose key
    /// is not above the one of `left`, or follows padding. Or it is not padded: the two are at different depths.
    /// @param epochId Number of the epoch, from 1.
    /// @param left The place further left, with its path.
    /// @param right Its neighbour to the right, with its path.
    function disputeOrder(uint64 epochId, Slot calldata left, Slot calldata right) external;
    /// @notice The pending tree promises more for a Datanet than its pool: all that lies from `first` to `last`, both leaves
    /// of that Datanet, sums to more than the pool was funded with, including this epoch.
    /// @param post The post that the epoch was posted with.
    /// @param first First leaf of the Datanet in the pending tree, or any before the last.
    /// @param last Last leaf of the Datanet in the pending tree, or any after the first.
    function disputeOverpromise(IAttributionSettlement.EpochPost calldata post, Leaf calldata first, Leaf calldata last)
        external;
    /// @notice What `disputeDecrease` shows, for a pending or a rejected epoch; so are the three below.
    /// @param epochId Number of the epoch, from 1.
    /// @param before Leaf of the tree in force, with its path.
    /// @param later Leaf of the pending tree for the same key, with its path.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factDecrease(uint64 epochId, Leaf calldata before, Leaf calldata later)
        external
        view
        returns (uint64, string memory);
    /// @notice What `disputeOmission` shows.
    /// @param epochId Number of the epoch, from 1.
    /// @param before Leaf of the tree in force, with its path.
    /// @param slots Two neighbours of the pending tree around the key, or one at an end of it.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factOmission(uint64 epochId, Leaf calldata before, Slot[] calldata slots)
        external
        view
        returns (uint64, string memory);
    /// @notice What `disputeOrder` shows.
    /// @param epochId Number of the epoch, from 1.
    /// @param left The place further left, with its path.
    /// @param right Its neighbour to the right, with its path.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factOrder(uint64 epochId, Slot calldata left, Slot calldata right)
        external
        view
        returns (uint64, string memory);
    /// @notice What `disputeOverpromise` shows.
    /// @param post The post that the epoch was posted with.
    /// @param first First leaf of the Datanet in the pending tree, or any before the last.
    /// @param last Last leaf of the Datanet in the pending tree, or any after the first.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factOverpromise(IAttributionSettlement.EpochPost calldata post, Leaf calldata first, Leaf calldata last)
        external
        view
        returns (uint64, string memory);
    /// @notice Rejects an epoch on a fact about its records, which {IRecordDispute} has decided; only that contract, at the
    /// address fixed in code. Where nothing is deployed there, nobody can.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who has half of the bond as credit at the settlement.
    /// @param reason The fact, in a word.
    function uphold(uint64 epochId, address challenger, string calldata reason) external;
    /// @notice Where the contract of disputes about records is.
    /// @return Address of {IRecordDispute} in every genesis.
    function RECORDS() external view returns (address);
    /// @notice Where epochs are.
    /// @return The settlement, fixed at deployment.
    function settlement() external view returns (IAttributionSettlement);
}
