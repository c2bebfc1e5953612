// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IAdmission
/// @notice What a {IDatanetRegistry} asks the module to which a Datanet handed admission. Both are views: the registry
/// consults, the module acts by calling `accept`, `reject` and `rejectForFault` itself.
interface IAdmission {
    /// @notice True if the Datanet's curators may accept this contribution now, without the module.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Whether a curator may accept it now, without the module.
    function curatorsMayAccept(uint256 datanetId, uint256 contributionId) external view returns (bool);
    /// @notice True while a case about the contribution is open, so that its bond has to stay where it is.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Whether the registry has to refuse a tombstone before admission.
    function isContested(uint256 contributionId) external view returns (bool);
}
