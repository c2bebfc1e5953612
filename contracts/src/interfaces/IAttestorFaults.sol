// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "./IAttributionSettlement.sol";

/// @title IAttestorFaults
/// @notice Slashes attestors who signed an epoch that the dispute contract has rejected. Two facts are looked at, and both
/// are on chain: the epoch's status, and the signatures under the very post that was rejected. Nobody's opinion is asked.
/// @dev A signature is a fault whatever the signer meant by it: whoever signs attests to have recomputed the epoch. A
/// correct engine cannot sign a post that a dispute can reject, because each dispute exhibits an arithmetic fault.
/// Whoever reports first takes the reward; reports carry no secret worth stealing but the reward, and who was rewarded for
/// the dispute usually has the signatures at hand in the same block.
interface IAttestorFaults {
    /// @notice A signer of a rejected epoch was punished.
    /// @param epochId Number of the rejected epoch.
    /// @param attestor Operator in the role of attestor, whose address signed.
    /// @param reporter Who has half of what was taken as credit.
    /// @param amount What the operator's pool lost, wei.
    event AttestorPunished(uint64 indexed epochId, address indexed attestor, address indexed reporter, uint256 amount);

    /// @notice The epoch is not rejected.
    /// @param epochId Number of the rejected epoch.
    /// @param status What became of the epoch instead.
    error AttestorFaults_NotRejected(uint64 epochId, IAttributionSettlement.EpochStatus status);
    /// @notice The post shown is not the one that was rejected.
    /// @param epochId Number of the rejected epoch.
    /// @param shown Hash of the post that was shown.
    /// @param rejected Hash of the post that fell.
    error AttestorFaults_PostMismatch(uint64 epochId, bytes32 shown, bytes32 rejected);
    /// @notice No signature, or more than the maximum.
    /// @param count How many were shown.
    /// @param max The most that is allowed.
    error AttestorFaults_SignatureCount(uint256 count, uint256 max);
    /// @notice The fault could be reported until `until`, Unix seconds.
    /// @param epochId Number of the rejected epoch.
    /// @param until Unix second at which it ends.
    error AttestorFaults_TooLate(uint64 epochId, uint256 until);
    /// @notice The part to slash is not between 1 and 10,000 basis points.
    /// @param bps What was asked for, basis points.
    error AttestorFaults_SlashOutOfBounds(uint256 bps);

    /// @notice Slashes each signer of the rejected post that is enrolled as an attestor, once per epoch. Signers that are
    /// not enrolled, or were punished for this epoch, are passed over, so that one report can complete another.
    /// @return punished How many were slashed by this call.
    /// @param post The post that the epoch was posted with.
    /// @param signatures Signatures in ascending order of their signers.
    function report(IAttributionSettlement.EpochPost calldata post, bytes[] calldata signatures)
        external
        returns (uint256 punished);

    /// @notice Seconds after the epoch's deadline within which it can be reported.
    /// @return Seconds after the epoch's deadline.
    function reportWindow() external view returns (uint32);
    /// @notice Longest time from signing to punishment, seconds: the challenge window it was deployed for, and the report
    /// window. An epoch with a longer challenge window stays punishable.
    /// @return Seconds from posting to the last report: what {IStaking} compares with the unbonding time.
    function faultWindow() external view returns (uint32);
    /// @notice Part of the pool that a fault costs, basis points.
    /// @return Basis points of the operator's pool.
    function slashBps() external view returns (uint16);
    /// @notice The fault of `attestor` in the epoch, as the staking contract knows it.
    /// @param epochId Number of the rejected epoch.
    /// @param attestor Operator in the role of attestor, whose address signed.
    /// @return Name under which {IStaking} punishes it once.
    function faultOf(uint64 epochId, address attestor) external pure returns (bytes32);
}
