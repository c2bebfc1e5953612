// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CrossDomainMessenger} from "../bridge/CrossDomainMessenger.sol";
import {ICrossDomainMessenger} from "../interfaces/ICrossDomainMessenger.sol";
import {IOptimismPortal} from "../interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {Predeploys} from "../libraries/Predeploys.sol";

/// @title L1CrossDomainMessenger
/// @notice The messenger on L1: messages go out as deposits, and come in as withdrawals that the portal carries out.
contract L1CrossDomainMessenger is CrossDomainMessenger {
    /// @notice Carries the messages.
    IOptimismPortal public immutable portal;

    constructor(IOptimismPortal portal_)
        CrossDomainMessenger(ICrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER))
    {
        portal = portal_;
    }

    /// @notice `portal` under its older name.
    /// @return The portal.
    function PORTAL() external view returns (IOptimismPortal) {
        return portal;
    }

    /// @notice The rollup's parameters.
    /// @return The configuration.
    function systemConfig() external view returns (ISystemConfig) {
        return portal.systemConfig();
    }

    /// @inheritdoc ICrossDomainMessenger
    function paused() public view override returns (bool) {
        return portal.paused();
    }

    /// @inheritdoc ICrossDomainMessenger
    function version() external pure returns (string memory) {
        return "2.9.0";
    }

    function _send(uint64 gasLimit, bytes memory data) internal override {
        portal.depositTransaction(address(otherMessenger), 0, gasLimit, false, data);
    }

    function _isOtherMessenger() internal view override returns (bool) {
        return msg.sender == address(portal) && portal.l2Sender() == address(otherMessenger);
    }

    function _isUnsafeTarget(address target) internal view override returns (bool) {
        return target == address(portal);
    }
}
