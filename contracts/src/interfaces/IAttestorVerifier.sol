// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAnchorStateRegistry} from "./IAnchorStateRegistry.sol";
import {IProofDisputeGame} from "./IProofDisputeGame.sol";
import {IVerifier} from "./IVerifier.sol";

/// @title IAttestorVerifier
/// @notice Takes a range as proven when m of n attestors have signed its public values, each after executing the range
/// statelessly. Attestors hold a stake in OPEN, and lose it for two kinds of fault that this contract can see.
///
/// What can be proven here today:
///   - that an attestor signed two different claims about the same range: same program, L1 head, start and block. Derivation
///     has one result, so one of the two is false, whichever (`slashEquivocation`);
///   - that it signed a claim of a game that has lost or was declared void, while the registry holds another claim about the
///     same block to be valid and final (`slashContradicted`). This is as true as the registry: it is what the portal pays by.
/// What cannot: that a claim is false which nothing final contradicts. That takes a proof of execution, which a verifier
/// behind the same interface will bring. Until then m colluding attestors can have a false claim proven in a challenged game;
/// the guardian has the registry's delay to declare the game void.
///
/// @dev Trust: m of the attestors, and the owner who names them. The set changes only after `rotationDelay`, so that users
/// can leave before a new set can vouch for anything; the owner has to be a timelock on a public network all the same. An
/// honest attestor signs only claims that are the output of its own derivation, and none whose start it does not hold to be
/// canonical. Liveness: if fewer than m attest, a challenged claim falls; unchallenged claims need nobody here.
interface IAttestorVerifier is IVerifier {
    /// @notice What an attestor has at stake. `unbonding` can be withdrawn at `unbondedAt`, seconds, and slashed until then.
    struct Stake {
        uint128 bonded;
        uint128 unbonding;
        uint64 unbondedAt;
        bool slashed;
    }

    /// @notice The owner named another set, which can come into force at `readyAt`, seconds.
    /// @param attestors Who signs, in ascending order.
    /// @param threshold How many of them a proof takes.
    /// @param readyAt Unix second from which it can be.
    event AttestorsScheduled(address[] attestors, uint256 threshold, uint256 readyAt);
    /// @notice A set came into force.
    /// @param attestors Who signs, in ascending order.
    /// @param threshold How many of them a proof takes.
    event AttestorsSet(address[] attestors, uint256 threshold);
    /// @notice `amount` OPEN was added to an attestor's stake.
    /// @param attestor Whose stake it is.
    /// @param amount Wei that were added.
    event Staked(address indexed attestor, uint256 amount);
    /// @notice `amount` is leaving the stake, until `unbondedAt`, seconds.
    /// @param attestor Whose stake it is.
    /// @param amount Wei that are on their way out, and still at risk.
    /// @param unbondedAt Unix second from which it is paid.
    event Unbonding(address indexed attestor, uint256 amount, uint256 unbondedAt);
    /// @notice What was unbonding was paid back.
    /// @param attestor Whose stake it is.
    /// @param amount Wei that were paid.
    event Unstaked(address indexed attestor, uint256 amount);
    /// @notice An attestor lost `amount`: half to the reporter, half burned.
    /// @param attestor Whose stake it is.
    /// @param reporter Who has half of it.
    /// @param amount Wei that the attestor lost.
    event Slashed(address indexed attestor, address indexed reporter, uint256 amount);

    /// @notice Not sorted, repeated, zero, too many, or a threshold that is no majority of them.
    error AttestorVerifier_InvalidSet();
    /// @notice There is no set waiting, or it is not ready.
    /// @param readyAt Unix second from which it can be.
    error AttestorVerifier_NotReady(uint256 readyAt);
    /// @notice Unbonding has to be longer than twice the longest dispute.
    /// @param unbonding Seconds until stake is paid.
    /// @param dispute Seconds of the longest dispute.
    error AttestorVerifier_UnbondingTooShort(uint256 unbonding, uint256 dispute);
    /// @notice The proof is not a list of 65-byte signatures.
    /// @param length Bytes that were given.
    error AttestorVerifier_ProofLength(uint256 length);
    /// @notice A signature is malformed, or signers are not in ascending order.
    /// @param index Its place in the list.
    error AttestorVerifier_InvalidSignature(uint256 index);
    /// @notice The signer is no attestor, or has too little at stake.
    /// @param signer Who has signed, and is no attestor with its stake.
    error AttestorVerifier_NotActive(address signer);
    /// @notice Fewer signatures than the threshold.
    /// @param signatures Signatures in ascending order of their signers.
    /// @param threshold How many had to sign.
    error AttestorVerifier_BelowThreshold(uint256 signatures, uint256 threshold);
    /// @notice Slashed attestors are out for good.
    /// @param attestor Whose stake it is.
    error AttestorVerifier_Slashed(address attestor);
    /// @notice Less is bonded than asked for.
    /// @param bonded What is bonded, wei.
    /// @param asked Wei that were asked back.
    error AttestorVerifier_StakeTooLow(uint256 bonded, uint256 asked);
    /// @notice Nothing is unbonding, or not for long enough.
    /// @param unbondedAt Unix second from which it is paid.
    error AttestorVerifier_StillBonded(uint256 unbondedAt);
    /// @notice The two attestations do not contradict each other.
    error AttestorVerifier_NoFault();
    /// @notice The signer has nothing to lose here.
    /// @param signer Whose signature it is.
    error AttestorVerifier_NothingToSlash(address signer);

    /// @notice Names a set that can come into force after `rotationDelay`; owner only. Replaces one that is waiting.
    /// @param attestors In ascending order, at most 64.
    /// @param threshold Signatures that a proof needs; a majority.
    function scheduleAttestors(address[] calldata attestors, uint256 threshold) external;
    /// @notice Puts the waiting set into force. Anyone may call.
    function applyAttestors() external;
    /// @notice Adds `amount` OPEN of the caller, who has approved this contract, to its stake.
    /// @param amount Wei of OPEN.
    function stake(uint256 amount) external;
    /// @notice Takes `amount` out of the caller's stake; it can be withdrawn after `unbondingSeconds`. What is unbonding
    /// already waits anew.
    /// @param amount Wei, at most what is bonded.
    function unbond(uint256 amount) external;
    /// @notice Pays out what has unbonded.
    function unstake() external;

    /// @notice Slashes whoever signed both: two ranges that differ in nothing but their claim.
    /// @param programId The program that was proven.
    /// @param publicValues What the proof is about.
    /// @param signature The attestor's over the first statement.
    /// @param otherPublicValues A second statement about the same block, another in substance.
    /// @param otherSignature Signature of the other statement.
    function slashEquivocation(
        bytes32 programId,
        bytes calldata publicValues,
        bytes calldata signature,
        bytes calldata otherPublicValues,
        bytes calldata otherSignature
    ) external;
    /// @notice Slashes whoever signed the claim of `falseGame`, lost or void, while `validGame` has a final and valid claim about
    /// the same block.
    /// @param falseGame The game that was false.
    /// @param validGame A game that is final and says otherwise.
    /// @param signature The attestor's over its statement.
    function slashContradicted(IProofDisputeGame falseGame, IProofDisputeGame validGame, bytes calldata signature)
        external;

    /// @notice What an attestor signs (EIP-712).
    /// @param programId The program that was proven.
    /// @param publicValues What the proof is about.
    /// @return The digest.
    function digestOf(bytes32 programId, bytes calldata publicValues) external view returns (bytes32);
    /// @notice The set in force, in ascending order.
    /// @return The attestors.
    function attestors() external view returns (address[] memory);
    /// @notice Signatures that a proof needs.
    /// @return Signatures that a proof takes.
    function threshold() external view returns (uint256);
    /// @notice The set that is waiting, and from when it can come into force; zero if there is none.
    /// @return attestors Who signs, in ascending order.
    /// @return threshold How many of them must sign.
    /// @return readyAt Unix second from which it can be.
    function scheduled() external view returns (address[] memory attestors, uint256 threshold, uint256 readyAt);
    /// @notice True if the attestor's signatures count.
    /// @param attestor Whose stake it is.
    /// @return Whether its signature counts now.
    function isActive(address attestor) external view returns (bool);
    /// @notice What an attestor has at stake.
    /// @param attestor Whose stake it is.
    /// @return Bonded, leaving, and until when.
    function stakeOf(address attestor) external view returns (Stake memory);
    /// @notice Least stake of an attestor whose signatures count, wei of OPEN.
    /// @return Wei that an attestor must have bonded.
    function minStake() external view returns (uint256);
    /// @notice Time for which a stake that is leaving can still be slashed, seconds.
    /// @return Seconds from `unbond` to payment; longer than any dispute.
    function unbondingSeconds() external view returns (uint256);
    /// @notice Time between naming a set and its coming into force, seconds.
    /// @return Seconds between announcing attestors and their first proof.
    function rotationDelay() external view returns (uint256);
    /// @notice The token at stake.
    /// @return The token OPEN.
    function open() external view returns (address);
    /// @notice Says which claims are valid.
    /// @return The registry.
    function anchorStateRegistry() external view returns (IAnchorStateRegistry);
}
