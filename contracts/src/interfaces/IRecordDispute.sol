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
    /// @notice Somebody committed to a fact.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    /// @param commitment Hash of what is opened later.
    event ChallengeCommitted(uint64 indexed epochId, address indexed challenger, bytes32 commitment);
    /// @notice A fact was shown.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    /// @param reason Why.
    event ChallengeProven(uint64 indexed epochId, address indexed challenger, string reason);
    /// @notice A share of a pot was credited.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    /// @param amount Wei.
    event ShareTaken(uint64 indexed epochId, address indexed challenger, uint256 amount);
    /// @notice The stake of a commitment without a fact went to the bounty.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    /// @param amount Wei.
    event StakeForfeited(uint64 indexed epochId, address indexed challenger, uint256 amount);
    /// @notice Somebody demanded the payments.
    /// @param epochId The epoch.
    /// @param by Who did it.
    /// @param dueAt Unix second until which it is due.
    event PaymentsDemanded(uint64 indexed epochId, address indexed by, uint256 dueAt);
    /// @notice The poster stated its payments.
    /// @param epochId The epoch.
    /// @param root The root.
    /// @param total The sum, wei.
    /// @param depth Levels above the leaves.
    event PaymentsCommitted(uint64 indexed epochId, bytes32 root, uint128 total, uint8 depth);
    /// @notice A drill was set.
    /// @param drillId The drill.
    /// @param by Who did it.
    /// @param recordHash Hash of the record.
    /// @param bounty Wei.
    /// @param deadline Unix second until which it holds.
    event DrillSet(uint256 indexed drillId, address indexed by, bytes32 recordHash, uint256 bounty, uint256 deadline);
    /// @notice A drill was solved.
    /// @param drillId The drill.
    /// @param by Who did it.
    event DrillSolved(uint256 indexed drillId, address indexed by);
    /// @notice Credit was paid out.
    /// @param account Whose.
    /// @param to Where it goes.
    /// @param amount Wei.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Commits to a challenge. Value: the stake. See `commitmentOf`.
    /// @param epochId The epoch.
    /// @param commitment Hash of what is opened later.
    function commitChallenge(uint64 epochId, bytes32 commitment) external payable;
    /// @notice Shows the fact committed to: `call` is the encoded call of one of the facts.
    /// @param epochId The epoch.
    /// @param call Encoded call of a fact.
    /// @param salt What hides it until it is opened.
    function revealChallenge(uint64 epochId, bytes calldata call, bytes32 salt) external;
    /// @notice Credits the sender's part of the pot once the share window is over.
    /// @param epochId The epoch.
    /// @return amount What was credited, wei.
    function takeShare(uint64 epochId) external returns (uint256 amount);
    /// @notice An epoch fell at {IAttributionDispute}, shown by `by`; only that contract. What the settlement credited here
    /// is the pot, for commitments of earlier blocks; if none of them is followed by a fact, it is `by`'s.
    /// @param epochId The epoch.
    /// @param by Who did it.
    function fell(uint64 epochId, address by) external;
    /// @notice Moves the stake of a commitment that came to nothing to the bounty, once its epoch can no longer be disputed.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    function forfeit(uint64 epochId, address challenger) external;

    /// @notice Demands the payments tree of a pending epoch in the first half of its window. Value: the stake.
    /// @param epochId The epoch.
    function demandPayments(uint64 epochId) external payable;
    /// @notice The poster's answer, and how deep both of its sum trees are, by which {IEpochDisclosure} cuts them. `total` must
    /// be what the epoch's pools sum to, and the epoch small enough that all of it could be disclosed in time.
    /// @param epochId The epoch.
    /// @param root The root.
    /// @param total The sum, wei.
    /// @param depth Levels above the leaves.
    /// @param claimsDepth Levels of the epoch's claims tree.
    function commitPayments(uint64 epochId, bytes32 root, uint128 total, uint8 depth, uint8 claimsDepth) external;
    /// @notice Credits a demand's stake back to who made it, if the poster was silent and the epoch is decided.
    /// @param epochId The epoch.
    function reclaimDemand(uint64 epochId) external;

    /// @notice Sets a drill: a record of which the setter says nothing, and a bounty, from the value and, up to half of that,
    /// the pool of forfeited stakes, for showing that its sums are false. Commitments in the first half of a day, solutions
    /// in the second. The bounty's rest returns if nobody does.
    /// @param recordHash Hash of the record.
    /// @param fromBounty What is taken from the bounty, wei.
    /// @return drillId The drill.
    function setDrill(bytes32 recordHash, uint256 fromBounty) external payable returns (uint256 drillId);
    /// @notice Commits to a solution, in the first half of the drill's time.
    /// @param drillId The drill.
    /// @param commitment Hash of what is opened later.
    function commitDrill(uint256 drillId, bytes32 commitment) external;
    /// @notice Shows that the drill's record is false. All who do share.
    /// @param drillId The drill.
    /// @param record The attribution record.
    /// @param salt What hides it until it is opened.
    function solveDrill(uint256 drillId, Record calldata record, bytes32 salt) external;
    /// @notice Credits the bounty to the solvers, or back to the setter, after the deadline.
    /// @param drillId The drill.
    function closeDrill(uint256 drillId) external;
    /// @notice Pays the sender's credit: stakes returned, shares, bounties.
    /// @param to Where it goes.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice The payments were demanded and not given in time.
    /// @param epochId The epoch.
    /// @return The epoch.
    /// @return The reason.
    function factSilence(uint64 epochId) external view returns (uint64, string memory);
    /// @notice Two neighbours of the payments tree do not ascend.
    /// @param epochId The epoch.
    /// @param left The payment, or place, on the left of the key.
    /// @param right The payment, or place, on the right of the key.
    /// @return The epoch.
    /// @return The reason.
    function factPaymentOrder(uint64 epochId, Payment calldata left, Payment calldata right)
        external
        view
        returns (uint64, string memory);
    /// @notice A payment is not what the record of its receipt makes it.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param payment The payment.
    /// @return The epoch.
    /// @return The reason.
    function factPaymentFalse(Opened calldata opened, Record calldata record, Payment calldata payment)
        external
        view
        returns (uint64, string memory);
    /// @notice A weight's payment is not in the tree: its key lies between two neighbours, or beyond one end.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The attribution record.
    /// @param weight Number of the weight in the record.
    /// @param neighbours Neighbouring places of the tree.
    /// @return The epoch.
    /// @return The reason.
    function factPaymentMissing(
        Opened calldata opened,
        Record calldata record,
        uint256 weight,
        Payment[] calldata neighbours
    ) external view returns (uint64, string memory);
    /// @notice A claim grew by more than its payments: those between `left` and `right`, which enclose its key. An empty list
    /// means the end of the tree. `before` is the claim in the active tree, or the slots there that enclose its absence.
    /// @param epochId The epoch.
    /// @param claim The claim.
    /// @param before The claim in the tree in force, or the places that enclose its absence.
    /// @param left The payment, or place, on the left of the key.
    /// @param right The payment, or place, on the right of the key.
    /// @return The epoch.
    /// @return The reason.
    function factClaim(
        uint64 epochId,
        Claim calldata claim,
        Claim[] calldata before,
        Payment[] calldata left,
        Payment[] calldata right
    ) external view returns (uint64, string memory);

    /// @notice Whether anybody has committed to a challenge of the epoch, and whether before this block.
    /// @param epochId The epoch.
    /// @return any Whether anybody has.
    /// @return before Whether somebody has before this block.
    function commitmentsTo(uint64 epochId) external view returns (bool any, bool before);
    /// @notice The commitment to a call.
    /// @param epochId The epoch.
    /// @param challenger Who challenges.
    /// @param call Encoded call of a fact.
    /// @param salt What hides it until it is opened.
    /// @return The commitment.
    function commitmentOf(uint64 epochId, address challenger, bytes calldata call, bytes32 salt)
        external
        view
        returns (bytes32);
    /// @notice The commitment to a solution.
    /// @param drillId The drill.
    /// @param solver Who solves it.
    /// @param salt What hides it until it is opened.
    /// @return The commitment.
    function drillCommitmentOf(uint256 drillId, address solver, bytes32 salt) external view returns (bytes32);
    /// @notice What the poster stated of its payments.
    /// @param epochId The epoch.
    /// @return root Root of the payments tree.
    /// @return total What it sums to, wei.
    /// @return depth Its levels.
    /// @return demandedAt Unix second of the demand; zero if there was none.
    /// @return dueAt Unix second until which it can be answered.
    function paymentsOf(uint64 epochId)
        external
        view
        returns (bytes32 root, uint128 total, uint8 depth, uint64 demandedAt, uint64 dueAt);
    /// @notice Levels of an epoch's sum trees, and whether its poster has stated them.
    /// @param epochId The epoch.
    /// @return payments Levels of the payments tree.
    /// @return claims Levels of the claims tree.
    /// @return stated Whether both were stated.
    function depthsOf(uint64 epochId) external view returns (uint8 payments, uint8 claims, bool stated);
    /// @notice What there is to share in an epoch.
    /// @param epochId The epoch.
    /// @return amount Wei.
    /// @return winners How many share it.
    /// @return shareableAt Unix second after which it is shared; zero if there is nothing to share.
    function potOf(uint64 epochId) external view returns (uint256 amount, uint256 winners, uint64 shareableAt);
    /// @notice Seconds after the first proof in which others show theirs.
    /// @return Seconds.
    function shareWindow() external view returns (uint32);
    /// @notice What forfeited stakes left for drills, wei.
    /// @return Wei.
    function bounty() external view returns (uint256);
    /// @notice What an account can withdraw.
    /// @param account Whose.
    /// @return Wei.
    function credit(address account) external view returns (uint256);
}
