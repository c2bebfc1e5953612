// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CrossDomainMessenger} from "../../bridge/CrossDomainMessenger.sol";
import {ICrossDomainMessenger} from "../../interfaces/ICrossDomainMessenger.sol";
import {AddressAlias} from "../../libraries/AddressAlias.sol";
import {Predeploys} from "../../libraries/Predeploys.sol";
import {L2ToL1MessagePasser} from "./L2ToL1MessagePasser.sol";

/// @title L2CrossDomainMessenger
/// @notice The messenger on L2: messages go out through the message passer, and come in as deposits of the messenger on L1,
/// whose address is shifted here.
contract L2CrossDomainMessenger is CrossDomainMessenger {
    constructor(ICrossDomainMessenger l1Messenger) CrossDomainMessenger(l1Messenger) {}

    /// @notice `otherMessenger` under its older name.
    /// @return The address.
    function l1CrossDomainMessenger() external view returns (ICrossDomainMessenger) {
        return otherMessenger;
    }

    /// @inheritdoc ICrossDomainMessenger
    function paused() public pure override returns (bool) {
        return false;
    }

    /// @inheritdoc ICrossDomainMessenger
    function version() external pure returns (string memory) {
        return "2.2.0";
    }

    function _send(uint64 gasLimit, bytes memory data) internal override {
        L2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER))
            .initiateWithdrawal(address(otherMessenger), gasLimit, data);
    }

    function _isOtherMessenger() internal view override returns (bool) {
        return msg.sender == AddressAlias.toL2(address(otherMessenger));
    }

    function _isUnsafeTarget(address target) internal pure override returns (bool) {
        return target == Predeploys.L2_TO_L1_MESSAGE_PASSER;
    }
}
