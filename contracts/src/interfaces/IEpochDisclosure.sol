// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "./IAttributionSettlement.sol";

/// @title IEpochDisclosure
/// @notice Makes the poster of a pending epoch disclose what its roots commit to, piece by piece, on chain. Without it engines
/// above the threshold could sign roots together and withhold the leaves, and nobody could show anything false.
/// @dev Rules by subject.
/// Pieces: of the receipts tree one receipt with its record and response; of the payments tree and of the claims tree 256
/// leaves, aligned. Both are cut at the depth that the poster stated with its payments ({IRecordDispute.commitPayments}).
/// Demand: anyone, in the first half of the window, for any piece, once each, with a stake that pays the answer's gas twice.
/// Answer: anyone, within a quarter of the window; the stake is the poster's. What is disclosed is checked against the
/// roots and put into the log, so that everybody can show what is false about it.
/// Silence: a piece that is not disclosed in time is a fact (`factWithheld`), shown at {IRecordDispute} like any other: the
/// epoch is rejected and the bond slashed. The stake returns to who demanded.
/// SOUNDNESS: no demand can be crowded out. Every piece of an epoch can be demanded at once and answered in time, because an
/// epoch that has more pieces than the chain can take in a quarter of its window cannot state its payments, and so falls by
/// silence. Neither a limit on demands nor a price that rises with them would do: an accomplice of the poster could use
/// the one up or drive the other up, and gets the stakes back as answers.
interface IEpochDisclosure {
    /// The trees of an epoch.
    enum Tree {
        Receipts,
        Payments,
        Claims
    }

    /// A leaf of the payments tree, or with a receipt of zero of the claims tree.
    struct Entry {
        uint256 datanetId;
        address account;
        uint64 receipt;
        uint128 amount;
    }

    /// @notice A piece was demanded.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param place Number of the piece.
    /// @param by Who demanded it.
    /// @param stake What the answer earns the poster, wei.
    /// @param dueAt Unix second until which it can be answered.
    event PieceDemanded(
        uint64 indexed epochId, Tree indexed tree, uint256 indexed place, address by, uint256 stake, uint256 dueAt
    );

    /// @notice A piece of a sum tree was disclosed.
    /// @param epochId The epoch.
    /// @param tree Payments or claims.
    /// @param place Number of the piece.
    /// @param entries Its leaves in order; the rest of the piece is padding.
    event EntriesDisclosed(uint64 indexed epochId, Tree indexed tree, uint256 indexed place, Entry[] entries);

    /// @notice A receipt was disclosed.
    /// @param epochId The epoch.
    /// @param place The receipt's place in the epoch.
    /// @param receipt The receipt.
    /// @param record Encoding of its attribution record, of any version.
    /// @param response Encoding of the response that it is about.
    event ReceiptDisclosed(
        uint64 indexed epochId,
        uint256 indexed place,
        IAttributionSettlement.InferenceReceipt receipt,
        bytes record,
        bytes response
    );

    /// @notice The stake of an unanswered demand was returned.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param place Number of the piece.
    /// @param by Who had demanded it.
    /// @param stake What was credited, wei.
    event StakeReclaimed(uint64 indexed epochId, Tree indexed tree, uint256 indexed place, address by, uint256 stake);

    /// @notice Credit was paid out.
    /// @param account Whose.
    /// @param to Where it went.
    /// @param amount Wei.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Demands pieces of a tree of a pending epoch. Value: for each the same, at least `stake()`.
    /// @dev Pieces of the sum trees can be demanded once their poster has stated its payments, which can be demanded at
    /// {IRecordDispute}: whoever wants leaves asks for those in the first quarter of the window.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param places Numbers of the pieces, at most 256, none of which was demanded before.
    function demand(uint64 epochId, Tree tree, uint256[] calldata places) external payable;

    /// @notice Answers a demand for leaves of a sum tree. Anybody may; the stake is the poster's.
    /// @param epochId The epoch.
    /// @param tree Payments or claims.
    /// @param place Number of the piece.
    /// @param entries Its leaves in order, without the padding after them.
    /// @param path Siblings of the piece's root, from there up.
    function discloseEntries(
        uint64 epochId,
        Tree tree,
        uint256 place,
        Entry[] calldata entries,
        IAttributionSettlement.ProofNode[] calldata path
    ) external;

    /// @notice Answers a demand for a receipt. Anybody may; the stake is the poster's. Refused if the model is unknown, if record
    /// or response are not `abi.encode` of one, or if an id in the record has more than 64 bits: no fact could be shown then.
    /// @param epochId The epoch.
    /// @param receipt The receipt.
    /// @param record What hashes to the record's hash under the receipt.
    /// @param response What hashes to the receipt's `responseHash`.
    /// @param proof Path of the receipt in the epoch's tree.
    function discloseReceipt(
        uint64 epochId,
        IAttributionSettlement.InferenceReceipt calldata receipt,
        bytes calldata record,
        bytes calldata response,
        bytes32[] calldata proof
    ) external;

    /// @notice Credits the stake of an unanswered demand to who made it, once the epoch is decided.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param place Number of the piece.
    function reclaim(uint64 epochId, Tree tree, uint256 place) external;

    /// @notice Pays the sender's credit: stakes of answers and stakes returned.
    /// @param to Where to.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice A piece was demanded and not disclosed in time. Reverts unless that is so.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param place Number of the piece.
    /// @return The epoch.
    /// @return The reason.
    function factWithheld(uint64 epochId, Tree tree, uint256 place) external view returns (uint64, string memory);

    /// @notice Least stake of a demand in this block: the gas of the dearest answer, at twice the base fee.
    /// @return Wei.
    function stake() external view returns (uint256);

    /// @notice Pieces that a tree of an epoch has; none while its depth is not stated.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @return Number of pieces.
    function pieceCount(uint64 epochId, Tree tree) external view returns (uint256);

    /// @notice What became of a demand.
    /// @param epochId The epoch.
    /// @param tree Which of its trees.
    /// @param place Number of the piece.
    /// @return by Who made it; zero if nobody did, or its stake was returned.
    /// @return dueAt Unix second until which it can be answered.
    /// @return answered Whether it was.
    /// @return staked Its stake, wei.
    function demandOf(uint64 epochId, Tree tree, uint256 place)
        external
        view
        returns (address by, uint64 dueAt, bool answered, uint128 staked);

    /// @notice What an account can withdraw.
    /// @param account Whose.
    /// @return Wei.
    function credit(address account) external view returns (uint256);
}
