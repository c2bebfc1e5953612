// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRecordTypes} from "./IRecordTypes.sol";

/// @title IRecordDispute
/// @notice Facts about the records under an epoch's receipts root, and about what they pay, shown by one receipt and short
/// paths; and the challenge in which they are shown: commit, reveal, all correct challengers share.
/// @dev Rules by subject.
/// Facts: every `fact…` function, here, in {IRecordFacts} and in {IAttributionDispute}, is a view that reverts unless the
/// epoch is false; it names the epoch and the reason.
/// Challenge: a commitment to the call, with a stake, in an earlier block; then the call itself. The first one rejects the
/// epoch: half of the bond is burned, half is the pot. Who committed before that and reveals a fact of its own within the
/// share window has an equal part of the pot. So watching the pool for a reveal earns nothing. Stakes of commitments that
/// are not followed by a fact go to the bounty, from which drills are paid. An epoch that falls at {IAttributionDispute} opens
/// the same share window for those who had committed by then.
/// Payments: the poster's tree of what each receipt pays to whom, sorted by Datanet, account and receipt. It is demanded by
/// whoever wants to check sums; a poster who does not answer in time loses the epoch, one who does keeps the demand's stake.
/// Applicability: facts of spans and sums hold for the engine spec that this contract was deployed with; another
/// spec's records are disputed at another contract.
interface IRecordDispute is IRecordTypes {
    event ChallengeCommitted(uint64 indexed epochId, address indexed challenger, bytes32 commitment);
    event ChallengeProven(uint64 indexed epochId, address indexed challenger, string reason);
    event ShareTaken(uint64 indexed epochId, address indexed challenger, uint256 amount);
    event StakeForfeited(uint64 indexed epochId, address indexed challenger, uint256 amount);
    event PaymentsDemanded(uint64 indexed epochId, address indexed by, uint256 dueAt);
    event PaymentsCommitted(uint64 indexed epochId, bytes32 root, uint128 total, uint8 depth);
    event DrillSet(uint256 indexed drillId, address indexed by, bytes32 recordHash, uint256 bounty, uint256 deadline);
    event DrillSolved(uint256 indexed drillId, address indexed by);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Commits to a challenge. Value: the stake. See `commitmentOf`.
    function commitChallenge(uint64 epochId, bytes32 commitment) external payable;
    /// @notice Shows the fact committed to: `call` is the encoded call of one of the facts.
    function revealChallenge(uint64 epochId, bytes calldata call, bytes32 salt) external;
    /// @notice Credits the sender's part of the pot once the share window is over.
    function takeShare(uint64 epochId) external returns (uint256 amount);
    /// @notice An epoch fell at {IAttributionDispute}, shown by `by`; only that contract. What the settlement credited here
    /// is the pot, for commitments of earlier blocks; if none of them is followed by a fact, it is `by`'s.
    function fell(uint64 epochId, address by) external;
    /// @notice Moves the stake of a commitment that came to nothing to the bounty, once its epoch can no longer be disputed.
    function forfeit(uint64 epochId, address challenger) external;

    /// @notice Demands the payments tree of a pending epoch in the first half of its window. Value: the stake.
    function demandPayments(uint64 epochId) external payable;
    /// @notice The poster's answer, and how deep both of its sum trees are, by which {IEpochDisclosure} cuts them. `total` must
    /// be what the epoch's pools sum to, and the epoch small enough that all of it could be disclosed in time.
    function commitPayments(uint64 epochId, bytes32 root, uint128 total, uint8 depth, uint8 claimsDepth) external;
    /// @notice Credits a demand's stake back to who made it, if the poster was silent and the epoch is decided.
    function reclaimDemand(uint64 epochId) external;

    /// @notice Sets a drill: a record of which the setter says nothing, and a bounty, from the value and, up to half of that,
    /// the pool of forfeited stakes, for showing that its sums are false. Commitments in the first half of a day, solutions
    /// in the second. The bounty's rest returns if nobody does.
    function setDrill(bytes32 recordHash, uint256 fromBounty) external payable returns (uint256 drillId);
    function commitDrill(uint256 drillId, bytes32 commitment) external;
    /// @notice Shows that the drill's record is false. All who do share.
    function solveDrill(uint256 drillId, Record calldata record, bytes32 salt) external;
    /// @notice Credits the bounty to the solvers, or back to the setter, after the deadline.
    function closeDrill(uint256 drillId) external;
    /// @notice Pays the sender's credit: stakes returned, shares, bounties.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice The payments were demanded and not given in time.
    function factSilence(uint64 epochId) external view returns (uint64, string memory);
    /// @notice Two neighbours of the payments tree do not ascend.
    function factPaymentOrder(uint64 epochId, Payment calldata left, Payment calldata right)
        external
        view
        returns (uint64, string memory);
    /// @notice A payment is not what the record of its receipt makes it.
    function factPaymentFalse(Opened calldata opened, Record calldata record, Payment calldata payment)
        external
        view
        returns (uint64, string memory);
    /// @notice A weight's payment is not in the tree: its key lies between two neighbours, or beyond one end.
    function factPaymentMissing(
        Opened calldata opened,
        Record calldata record,
        uint256 weight,
        Payment[] calldata neighbours
    ) external view returns (uint64, string memory);
    /// @notice A claim grew by more than its payments: those between `left` and `right`, which enclose its key. An empty list
    /// means the end of the tree. `before` is the claim in the active tree, or the slots there that enclose its absence.
    function factClaim(
        uint64 epochId,
        Claim calldata claim,
        Claim[] calldata before,
        Payment[] calldata left,
        Payment[] calldata right
    ) external view returns (uint64, string memory);

    /// @notice Whether anybody has committed to a challenge of the epoch, and whether before this block.
    function commitmentsTo(uint64 epochId) external view returns (bool any, bool before);
    function commitmentOf(uint64 epochId, address challenger, bytes calldata call, bytes32 salt)
        external
        view
        returns (bytes32);
    function drillCommitmentOf(uint256 drillId, address solver, bytes32 salt) external view returns (bytes32);
    function paymentsOf(uint64 epochId)
        external
        view
        returns (bytes32 root, uint128 total, uint8 depth, uint64 demandedAt, uint64 dueAt);
    /// @notice Levels of an epoch's sum trees, and whether its poster has stated them.
    function depthsOf(uint64 epochId) external view returns (uint8 payments, uint8 claims, bool stated);
    function potOf(uint64 epochId) external view returns (uint256 amount, uint256 winners, uint64 shareableAt);
    /// @notice Seconds after the first proof in which others show theirs.
    function shareWindow() external view returns (uint32);
    function bounty() external view returns (uint256);
    function credit(address account) external view returns (uint256);
}
