// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAgentIdentity, IAgentValidation} from "../../interfaces/IAgents.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title AgentValidation
/// @notice See {IAgentValidation}. It has no owner.
contract AgentValidation is IAgentValidation {
    struct Status {
        // slot 0
        address validator;
        uint8 response;
        uint64 lastUpdate;
        // slots 1 to 3
        uint256 agentId;
        bytes32 responseHash;
        string tag;
    }

    IAgentIdentity public immutable identity;
    mapping(bytes32 requestHash => Status) private _statuses;

    constructor(IAgentIdentity identity_) {
        if (address(identity_) == address(0)) revert Errors.ZeroAddress();
        identity = identity_;
    }

    /// @inheritdoc IAgentValidation
    function validationRequest(
        address validatorAddress,
        uint256 agentId,
        string calldata requestURI,
        bytes32 requestHash
    ) external {
        // Check
        if (validatorAddress == address(0)) revert Errors.ZeroAddress();
        if (!identity.isAuthorized(agentId, msg.sender)) revert AgentValidation_NotOwner(agentId, msg.sender);
        Status storage s = _statuses[requestHash];
        if (s.validator != address(0)) revert AgentValidation_RequestExists(requestHash);

        // Effect
        (s.validator, s.agentId, s.lastUpdate) = (validatorAddress, agentId, uint64(block.timestamp));
        emit ValidationRequest(validatorAddress, agentId, requestURI, requestHash);
    }

    /// @inheritdoc IAgentValidation
    function validationResponse(
        bytes32 requestHash,
        uint8 response,
        string calldata responseURI,
        bytes32 responseHash,
        string calldata tag
    ) external {
        // Check
        Status storage s = _existing(requestHash);
        if (msg.sender != s.validator) revert AgentValidation_NotValidator(requestHash, msg.sender);
        if (response > 100) revert AgentValidation_ResponseOutOfBounds(response);

        // Effect
        (s.response, s.responseHash, s.tag, s.lastUpdate) = (response, responseHash, tag, uint64(block.timestamp));
        emit ValidationResponse(msg.sender, s.agentId, requestHash, response, responseURI, responseHash, tag);
    }

    /// @inheritdoc IAgentValidation
    function getValidationStatus(bytes32 requestHash)
        external
        view
        returns (address, uint256, uint8, bytes32, string memory, uint256)
    {
        Status storage s = _existing(requestHash);
        return (s.validator, s.agentId, s.response, s.responseHash, s.tag, s.lastUpdate);
    }

    /// @inheritdoc IAgentValidation
    function getIdentityRegistry() external view returns (address) {
        return address(identity);
    }

    function _existing(bytes32 requestHash) private view returns (Status storage s) {
        s = _statuses[requestHash];
        if (s.validator == address(0)) revert AgentValidation_RequestUnknown(requestHash);
    }
}
