// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IVerifier
/// @notice Decides whether a range of L2 is proven. What a proof is, is the verifier's matter: signatures of attestors who
/// re-executed the range, or a proof of an execution.
interface IVerifier {
    /// @notice What kind of proof this is.
    /// @return The name.
    function verifierType() external view returns (string memory);

    /// @notice Returns if `proof` shows that the program accepts the public values; reverts if not.
    /// @param programId Identity of the program that executes the range.
    /// @param publicValues `abi.encode(l1Head, startingOutputRoot, rootClaim, l2SequenceNumber, l2ChainId)`: derived from L1
    /// up to block `l1Head`, the L2 block `l2SequenceNumber` that follows `startingOutputRoot` has output root `rootClaim`.
    /// @param proof In the verifier's own form.
    function verify(bytes32 programId, bytes calldata publicValues, bytes calldata proof) external view;
}
