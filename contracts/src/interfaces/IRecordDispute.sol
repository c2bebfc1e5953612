// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRecordTypes} from "./IRecordTypes.sol";

/// @title IRecordDispute
/// @notice Facts about the records under an epoch's receipts root, and about what they pay, shown by one receipt and short
/// paths; and the challenge in which they are shown: commit, reveal, all correct challengers share.
/// @dev Rules by subject.
/// Facts: every `fact…` function, here, in {IRecordFacts}, {ISurpriseFacts} and {IAttributionDispute}, is a view that reverts
/// unless the epoch is false; it names the epoch and the reason.
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
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who put up the stake.
    /// @param commitment Hash of what is opened later.
    event ChallengeCommitted(uint64 indexed epochId, address indexed challenger, bytes32 commitment);
    /// @notice A fact was shown.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who showed it.
    /// @param reason The fact, in a word.
    event ChallengeProven(uint64 indexed epochId, address indexed challenger, string reason);
    /// @notice A share of a pot was credited.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who has it as credit.
    /// @param amount Wei, an equal part of the pot.
    event ShareTaken(uint64 indexed epochId, address indexed challenger, uint256 amount);
    /// @notice The stake of a commitment without a fact went to the bounty.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who had committed.
    /// @param amount The stake, wei.
    event StakeForfeited(uint64 indexed epochId, address indexed challenger, uint256 amount);
    /// @notice Somebody demanded the payments.
    /// @param epochId Number of the epoch, from 1.
    /// @param by Who put up the stake.
    /// @param dueAt Unix second until which it is due.
    event PaymentsDemanded(uint64 indexed epochId, address indexed by, uint256 dueAt);
    /// @notice The poster stated its payments.
    /// @param epochId Number of the epoch, from 1.
    /// @param root Root of the payments tree.
    /// @param total What the epoch adds to all claims, wei.
    /// @param depth Levels above the leaves of the payments tree, at most 40.
    event PaymentsCommitted(uint64 indexed epochId, bytes32 root, uint128 total, uint8 depth);
    /// @notice A drill was set.
    /// @param drillId Id of the drill, from 1.
    /// @param by Who put up the bounty, and has back what nobody earns.
    /// @param recordHash Hash of the record, which follows the arguments in the call data.
    /// @param bounty What solvers share, wei.
    /// @param deadline Unix second until which it holds.
    event DrillSet(uint256 indexed drillId, address indexed by, bytes32 recordHash, uint256 bounty, uint256 deadline);
    /// @notice A drill was solved.
    /// @param drillId Id of the drill, from 1.
    /// @param by Who showed that the record is false.
    event DrillSolved(uint256 indexed drillId, address indexed by);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Commits to a challenge. Value: the stake. See `commitmentOf`.
    /// @param epochId Number of the epoch, from 1.
    /// @param commitment Hash of what is opened later.
    function commitChallenge(uint64 epochId, bytes32 commitment) external payable;
    /// @notice Shows the fact committed to: `call` is the encoded call of one of the facts.
    /// @param epochId Number of the epoch, from 1.
    /// @param call Encoded call of a fact.
    /// @param salt What hides it until it is opened.
    function revealChallenge(uint64 epochId, bytes calldata call, bytes32 salt) external;
    /// @notice Credits the sender's part of the pot once the share window is over.
    /// @param epochId Number of the epoch, from 1.
    /// @return amount What was credited, wei.
    function takeShare(uint64 epochId) external returns (uint256 amount);
    /// @notice An epoch fell at {IAttributionDispute}, shown by `by`; only that contract. What the settlement credited here
    /// is the pot, for commitments of earlier blocks; if none of them is followed by a fact, it is `by`'s.
    /// @param epochId Number of the epoch, from 1.
    /// @param by Who showed the fact there.
    function fell(uint64 epochId, address by) external;
    /// @notice Moves the stake of a commitment that came to nothing to the bounty, once its epoch can no longer be disputed.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who had committed.
    function forfeit(uint64 epochId, address challenger) external;

    /// @notice Demands the payments tree of a pending epoch in the first half of its window. Value: the stake.
    /// @param epochId Number of the epoch, from 1.
    function demandPayments(uint64 epochId) external payable;
    /// @notice The poster's answer, and how deep both of its sum trees are, by which {IEpochDisclosure} cuts them. `total` must
    /// be what the epoch's pools sum to, and the epoch small enough that all of it could be disclosed in time.
    /// @param epochId Number of the epoch, from 1.
    /// @param root Root of the payments tree.
    /// @param total What the epoch adds to all claims, wei.
    /// @param depth Levels above the leaves of the payments tree.
    /// @param claimsDepth Levels of the epoch's claims tree.
    function commitPayments(uint64 epochId, bytes32 root, uint128 total, uint8 depth, uint8 claimsDepth) external;
    /// @notice Credits a demand's stake back to who made it, if the poster was silent and the epoch is decided.
    /// @param epochId Number of the epoch, from 1.
    function reclaimDemand(uint64 epochId) external;

    /// @notice Sets a drill: a record of which the setter says nothing, and a bounty, from the value and, up to half of that,
    /// the pool of forfeited stakes, for showing that its sums are false. Commitments in the first half of a day, solutions
    /// in the second. The bounty's rest returns if nobody does.
    /// @param recordHash Hash of the record, which should follow the arguments in the call data.
    /// @param fromBounty Wei of forfeited stakes to add, at most half of the value.
    /// @return drillId Id of the new drill.
    function setDrill(bytes32 recordHash, uint256 fromBounty) external payable returns (uint256 drillId);
    /// @notice Commits to a solution, in the first half of the drill's time.
    /// @param drillId Id of the drill, from 1.
    /// @param commitment Hash of what is opened later.
    function commitDrill(uint256 drillId, bytes32 commitment) external;
    /// @notice Shows that the drill's record is false. All who do share.
    /// @param drillId Id of the drill, from 1.
    /// @param record The record that the drill's hash is of.
    /// @param salt What hides it until it is opened.
    function solveDrill(uint256 drillId, Record calldata record, bytes32 salt) external;
    /// @notice Credits the bounty to the solvers, or back to the setter, after the deadline.
    /// @param drillId Id of the drill, from 1.
    function closeDrill(uint256 drillId) external;
    /// @notice Pays the sender's credit: stakes returned, shares, bounties.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice The payments were demanded and not given in time.
    /// @param epochId Number of the epoch, from 1.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factSilence(uint64 epochId) external view returns (uint64, string memory);
    /// @notice Two neighbours of the payments tree do not ascend.
    /// @param epochId Number of the epoch, from 1.
    /// @param left The payment, or place, on the left of the key.
    /// @param right The payment, or place, on the right of the key.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factPaymentOrder(uint64 epochId, Payment calldata left, Payment calldata right)
        external
        view
        returns (uint64, string memory);
    /// @notice A payment is not what the record of its receipt makes it.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The record that the receipt's leaf has the hash of.
    /// @param payment A leaf of the payments tree for that receipt, with its path.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factPaymentFalse(Opened calldata opened, Record calldata record, Payment calldata payment)
        external
        view
        returns (uint64, string memory);
    /// @notice A weight's payment is not in the tree: its key lies between two neighbours, or beyond one end.
    /// @param opened A receipt with its place in the epoch.
    /// @param record The record that the receipt's leaf has the hash of.
    /// @param weight Number of the weight in the record.
    /// @param neighbours Neighbouring places of the tree.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factPaymentMissing(
        Opened calldata opened,
        Record calldata record,
        uint256 weight,
        Payment[] calldata neighbours
    ) external view returns (uint64, string memory);
    /// @notice A claim grew by more than its payments: those between `left` and `right`, which enclose its key. An empty list
    /// means the end of the tree. `before` is the claim in the active tree, or the slots there that enclose its absence.
    /// @param epochId Number of the epoch, from 1.
    /// @param claim A leaf of the pending claims tree, with its path.
    /// @param before The claim in the tree in force, or the places that enclose its absence.
    /// @param left The payment, or place, on the left of the key.
    /// @param right The payment, or place, on the right of the key.
    /// @return The epoch that is false.
    /// @return Why, in a word.
    function factClaim(
        uint64 epochId,
        Claim calldata claim,
        Claim[] calldata before,
        Payment[] calldata left,
        Payment[] calldata right
    ) external view returns (uint64, string memory);

    /// @notice Whether anybody has committed to a challenge of the epoch, and whether before this block.
    /// @param epochId Number of the epoch, from 1.
    /// @return any Whether there is a commitment.
    /// @return before Whether somebody has before this block.
    function commitmentsTo(uint64 epochId) external view returns (bool any, bool before);
    /// @notice The commitment to a call.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who will send both.
    /// @param call Encoded call of a fact.
    /// @param salt What hides it until it is opened.
    /// @return The hash to commit to.
    function commitmentOf(uint64 epochId, address challenger, bytes calldata call, bytes32 salt)
        external
        view
        returns (bytes32);
    /// @notice The commitment to a solution.
    /// @param drillId Id of the drill, from 1.
    /// @param solver Who will send both.
    /// @param salt What hides it until it is opened.
    /// @return The hash to commit to.
    function drillCommitmentOf(uint256 drillId, address solver, bytes32 salt) external view returns (bytes32);
    /// @notice What the poster stated of its payments.
    /// @param epochId Number of the epoch, from 1.
    /// @return root Root of the payments tree.
    /// @return total What it sums to, wei.
    /// @return depth Levels above the leaves.
    /// @return demandedAt Unix second of the demand; zero if there was none.
    /// @return dueAt Unix second until which it can be answered.
    function paymentsOf(uint64 epochId)
        external
        view
        returns (bytes32 root, uint128 total, uint8 depth, uint64 demandedAt, uint64 dueAt);
    /// @notice Levels of an epoch's sum trees, and whether its poster has stated them.
    /// @param epochId Number of the epoch, from 1.
    /// @return payments Levels of the payments tree.
    /// @return claims Levels of the claims tree.
    /// @return stated Whether both were stated.
    function depthsOf(uint64 epochId) external view returns (uint8 payments, uint8 claims, bool stated);
    /// @notice What there is to share in an epoch.
    /// @param epochId Number of the epoch, from 1.
    /// @return amount Half of the bond, wei.
    /// @return winners How many share it.
    /// @return shareableAt Unix second after which it is shared; zero if there is nothing to share.
    function potOf(uint64 epochId) external view returns (uint256 amount, uint256 winners, uint64 shareableAt);
    /// @notice Seconds after the first proof in which others show theirs.
    /// @return Seconds, fixed at deployment.
    function shareWindow() external view returns (uint32);
    /// @notice What forfeited stakes left for drills, wei.
    /// @return Wei, of which a drill takes at most half of what its setter puts up.
    function bounty() external view returns (uint256);
    /// @notice What an account can withdraw.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
}
