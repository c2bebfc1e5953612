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
        bool responded;
        // slots 1 to 3
        uint256 agentId;
        bytes32 responseHash;
        string tag;
    }

    /// @notice Requests in one answer at most: the latest.
    uint256 public constant REQUESTS_MAX = 256;
    /// @notice Validators in one summary at most.
    uint256 public constant VALIDATORS_MAX = 64;

    /// @notice The registry of agents.
    IAgentIdentity public immutable identity;
    mapping(bytes32 requestHash => Status) private _statuses;
    mapping(uint256 agentId => bytes32[]) private _ofAgent;
    mapping(address validator => bytes32[]) private _ofValidator;

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
        _ofAgent[agentId].push(requestHash);
        _ofValidator[validatorAddress].push(requestHash);
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
        s.responded = true;
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
    function getSummary(uint256 agentId, address[] calldata validatorAddresses, string calldata tag)
        external
        view
        returns (uint64 count, uint8 averageResponse)
    {
        if (validatorAddresses.length > VALIDATORS_MAX) {
            revert AgentValidation_ValidatorCount(validatorAddresses.length, VALIDATORS_MAX);
        }
        bytes32[] storage list = _ofAgent[agentId];
        uint256 sum;
        for (uint256 i = list.length > REQUESTS_MAX ? list.length - REQUESTS_MAX : 0; i < list.length; ++i) {
            Status storage s = _statuses[list[i]];
            if (!s.responded || !_isAmong(validatorAddresses, s.validator) || !_matches(tag, s.tag)) continue;
            sum += s.response;
            ++count;
        }
        // A mean of numbers up to 100.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (count != 0) averageResponse = uint8(sum / count);
    }

    /// @inheritdoc IAgentValidation
    function getAgentValidations(uint256 agentId) external view returns (bytes32[] memory) {
        return _pageOf(_ofAgent[agentId], type(uint256).max);
    }

    /// @inheritdoc IAgentValidation
    function getValidatorRequests(address validatorAddress) external view returns (bytes32[] memory) {
        return _pageOf(_ofValidator[validatorAddress], type(uint256).max);
    }

    /// @inheritdoc IAgentValidation
    function agentValidationsBefore(uint256 agentId, uint256 end) external view returns (bytes32[] memory) {
        return _pageOf(_ofAgent[agentId], end);
    }

    /// @inheritdoc IAgentValidation
    function validatorRequestsBefore(address validatorAddress, uint256 end) external view returns (bytes32[] memory) {
        return _pageOf(_ofValidator[validatorAddress], end);
    }

    /// @dev The last ones before a place, in order.
    function _pageOf(bytes32[] storage list, uint256 end) private view returns (bytes32[] memory page) {
        if (end > list.length) end = list.length;
        uint256 start = end > REQUESTS_MAX ? end - REQUESTS_MAX : 0;
        page = new bytes32[](end - start);
        for (uint256 i; i < page.length; ++i) {
            page[i] = list[start + i];
        }
    }

    function _isAmong(address[] calldata list, address one) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == one) return true;
        }
        return list.length == 0;
    }

    function _matches(string calldata wanted, string memory tag) private pure returns (bool) {
        return bytes(wanted).length == 0 || keccak256(bytes(wanted)) == keccak256(bytes(tag));
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
