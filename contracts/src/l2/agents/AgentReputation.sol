// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAgentIdentity, IAgentReputation} from "../../interfaces/IAgents.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title AgentReputation
/// @notice See {IAgentReputation}. It has no owner.
contract AgentReputation is IAgentReputation {
    uint256 public constant CLIENTS_MAX = 64;
    uint256 public constant PER_CLIENT_MAX = 64;
    uint8 public constant DECIMALS = 18;
    int128 public constant VALUE_MAX = 1e38;

    struct Feedback {
        // slot 0
        int128 value;
        uint8 decimals;
        bool revoked;
        // slots 1 and 2
        string tag1;
        string tag2;
    }

    IAgentIdentity public immutable identity;
    mapping(uint256 agentId => mapping(address client => Feedback[])) private _feedback;
    mapping(uint256 agentId => address[]) private _clients;

    constructor(IAgentIdentity identity_) {
        if (address(identity_) == address(0)) revert Errors.ZeroAddress();
        identity = identity_;
    }

    /// @inheritdoc IAgentReputation
    function giveFeedback(
        uint256 agentId,
        int128 value,
        uint8 valueDecimals,
        string memory tag1,
        string memory tag2,
        string memory endpoint,
        string memory feedbackURI,
        bytes32 feedbackHash
    ) public {
        uint64 index = _append(agentId, value, valueDecimals, tag1, tag2);
        emit NewFeedback(
            agentId, msg.sender, index, value, valueDecimals, tag1, tag1, tag2, endpoint, feedbackURI, feedbackHash
        );
    }

    function _append(uint256 agentId, int128 value, uint8 valueDecimals, string memory tag1, string memory tag2)
        private
        returns (uint64)
    {
        // Check; an agent that does not exist is refused by the identity registry
        if (identity.isAuthorized(agentId, msg.sender)) revert AgentReputation_SelfFeedback(agentId, msg.sender);
        if (valueDecimals > DECIMALS || value > VALUE_MAX || value < -VALUE_MAX) {
            revert AgentReputation_ValueOutOfBounds(value, valueDecimals);
        }

        // Effect
        Feedback[] storage list = _feedback[agentId][msg.sender];
        if (list.length == 0) _clients[agentId].push(msg.sender);
        list.push(Feedback(value, valueDecimals, false, tag1, tag2));
        return uint64(list.length);
    }

    /// @inheritdoc IAgentReputation
    function revokeFeedback(uint256 agentId, uint64 feedbackIndex) external {
        Feedback storage f = _existing(agentId, msg.sender, feedbackIndex);
        if (f.revoked) revert AgentReputation_RevokedAlready(agentId, msg.sender, feedbackIndex);
        f.revoked = true;
        emit FeedbackRevoked(agentId, msg.sender, feedbackIndex);
    }

    /// @inheritdoc IAgentReputation
    function appendResponse(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        string calldata responseURI,
        bytes32 responseHash
    ) external {
        _existing(agentId, clientAddress, feedbackIndex);
        emit ResponseAppended(agentId, clientAddress, feedbackIndex, msg.sender, responseURI, responseHash);
    }

    /// @inheritdoc IAgentReputation
    function getSummary(uint256 agentId, address[] calldata clientAddresses, string calldata tag1, string calldata tag2)
        external
        view
        returns (uint64 count, int128 summaryValue, uint8 summaryValueDecimals)
    {
        uint256 clients = clientAddresses.length;
        if (clients == 0 || clients > CLIENTS_MAX) revert AgentReputation_ClientCount(clients, CLIENTS_MAX);
        int256 sum;
        for (uint256 i; i < clients; ++i) {
            Feedback[] storage list = _feedback[agentId][clientAddresses[i]];
            uint256 length = list.length;
            for (uint256 j = length > PER_CLIENT_MAX ? length - PER_CLIENT_MAX : 0; j < length; ++j) {
                Feedback storage f = list[j];
                if (f.revoked || !_matches(tag1, f.tag1) || !_matches(tag2, f.tag2)) continue;
                ++count;
                sum += int256(f.value) * int256(10 ** (DECIMALS - f.decimals));
            }
        }
        // A mean of values with 18 decimals can be over 128 bits: then with fewer decimals.
        summaryValueDecimals = DECIMALS;
        if (count == 0) return (0, 0, DECIMALS);
        sum /= int256(uint256(count));
        while (sum > VALUE_MAX || sum < -VALUE_MAX) {
            sum /= 10;
            --summaryValueDecimals;
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        summaryValue = int128(sum);
    }

    /// @inheritdoc IAgentReputation
    function readFeedback(uint256 agentId, address clientAddress, uint64 feedbackIndex)
        external
        view
        returns (int128, uint8, string memory, string memory, bool)
    {
        Feedback storage f = _existing(agentId, clientAddress, feedbackIndex);
        return (f.value, f.decimals, f.tag1, f.tag2, f.revoked);
    }

    /// @inheritdoc IAgentReputation
    function getLastIndex(uint256 agentId, address clientAddress) external view returns (uint64) {
        return uint64(_feedback[agentId][clientAddress].length);
    }

    /// @inheritdoc IAgentReputation
    function getClients(uint256 agentId) external view returns (address[] memory) {
        return _clients[agentId];
    }

    /// @inheritdoc IAgentReputation
    function getIdentityRegistry() external view returns (address) {
        return address(identity);
    }

    function _existing(uint256 agentId, address client, uint64 index) private view returns (Feedback storage) {
        Feedback[] storage list = _feedback[agentId][client];
        if (index == 0 || index > list.length) revert AgentReputation_FeedbackUnknown(agentId, client, index);
        return list[index - 1];
    }

    function _matches(string calldata wanted, string memory tag) private pure returns (bool) {
        return bytes(wanted).length == 0 || keccak256(bytes(wanted)) == keccak256(bytes(tag));
    }
}
