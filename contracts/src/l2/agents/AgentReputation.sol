// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAgentIdentity, IAgentReputation} from "../../interfaces/IAgents.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title AgentReputation
/// @notice See {IAgentReputation}. It has no owner.
contract AgentReputation is IAgentReputation {
    /// @notice Clients in one summary at most.
    uint256 public constant CLIENTS_MAX = 64;
    /// @notice Feedback of one client that a summary reads at most: the latest.
    uint256 public constant PER_CLIENT_MAX = 64;
    /// @notice Decimals that values are added up with.
    uint8 public constant DECIMALS = 18;
    /// @notice The largest value, either way, at the most decimals.
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

    /// @notice The registry of agents.
    IAgentIdentity public immutable identity;
    mapping(uint256 agentId => mapping(address client => Feedback[])) private _feedback;
    mapping(uint256 agentId => address[]) private _clients;
    mapping(bytes32 place => mapping(address responder => uint64)) private _responses;
    mapping(bytes32 place => uint64) private _responseTotals;

    /// What `readAllFeedback` returns.
    struct Page {
        address[] clients;
        uint64[] feedbackIndexes;
        int128[] values;
        uint8[] valueDecimals;
        string[] tag1s;
        string[] tag2s;
        bool[] revokedStatuses;
    }

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
        // Check
        _existing(agentId, clientAddress, feedbackIndex);

        // Effect
        bytes32 place = _placeOf(agentId, clientAddress, feedbackIndex);
        ++_responses[place][msg.sender];
        ++_responseTotals[place];
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
            for (uint256 j = _firstRead(length); j < length; ++j) {
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
    function readAllFeedback(
        uint256 agentId,
        address[] memory clientAddresses,
        string memory tag1,
        string memory tag2,
        bool includeRevoked
    )
        public
        view
        returns (
            address[] memory,
            uint64[] memory,
            int128[] memory,
            uint8[] memory,
            string[] memory,
            string[] memory,
            bool[] memory
        )
    {
        Page memory p = _page(agentId, _clientsOr(agentId, clientAddresses), tag1, tag2, includeRevoked);
        return (p.clients, p.feedbackIndexes, p.values, p.valueDecimals, p.tag1s, p.tag2s, p.revokedStatuses);
    }

    /// @dev Two passes: lists in memory have their length from the start.
    function _page(
        uint256 agentId,
        address[] memory clients,
        string memory tag1,
        string memory tag2,
        bool includeRevoked
    ) private view returns (Page memory p) {
        uint256 count;
        for (uint256 pass; pass < 2; ++pass) {
            if (pass == 1) p = _emptyPage(count);
            count = 0;
            for (uint256 i; i < clients.length; ++i) {
                Feedback[] storage list = _feedback[agentId][clients[i]];
                for (uint256 j = _firstRead(list.length); j < list.length; ++j) {
                    Feedback storage f = list[j];
                    if ((f.revoked && !includeRevoked) || !_matches(tag1, f.tag1) || !_matches(tag2, f.tag2)) continue;
                    if (pass == 1) _put(p, count, clients[i], j + 1, f);
                    ++count;
                }
            }
        }
    }

    function _emptyPage(uint256 count) private pure returns (Page memory p) {
        p.clients = new address[](count);
        p.feedbackIndexes = new uint64[](count);
        p.values = new int128[](count);
        p.valueDecimals = new uint8[](count);
        p.tag1s = new string[](count);
        p.tag2s = new string[](count);
        p.revokedStatuses = new bool[](count);
    }

    function _put(Page memory p, uint256 place, address client, uint256 index, Feedback storage f) private view {
        p.clients[place] = client;
        // A client cannot give 2^64 pieces of feedback.
        // forge-lint: disable-next-line(unsafe-typecast)
        p.feedbackIndexes[place] = uint64(index);
        p.values[place] = f.value;
        p.valueDecimals[place] = f.decimals;
        p.tag1s[place] = f.tag1;
        p.tag2s[place] = f.tag2;
        p.revokedStatuses[place] = f.revoked;
    }

    /// @inheritdoc IAgentReputation
    function getResponseCount(
        uint256 agentId,
        address clientAddress,
        uint64 feedbackIndex,
        address[] calldata responders
    ) external view returns (uint64 count) {
        if (responders.length > CLIENTS_MAX) {
            revert AgentReputation_ClientCount(responders.length, CLIENTS_MAX);
        }
        address[] memory clients = new address[](clientAddress == address(0) ? 0 : 1);
        if (clients.length == 1) clients[0] = clientAddress;
        clients = _clientsOr(agentId, clients);
        for (uint256 i; i < clients.length; ++i) {
            uint256 length = _feedback[agentId][clients[i]].length;
            uint256 last = feedbackIndex == 0 ? length : feedbackIndex;
            for (uint256 j = feedbackIndex == 0 ? _firstRead(length) + 1 : feedbackIndex; j <= last; ++j) {
                bytes32 place = _placeOf(agentId, clients[i], j);
                if (responders.length == 0) count += _responseTotals[place];
                for (uint256 k; k < responders.length; ++k) {
                    count += _responses[place][responders[k]];
                }
            }
        }
    }

    /// @dev The clients named, or where none is named all of them, as long as they are few enough.
    function _clientsOr(uint256 agentId, address[] memory named) private view returns (address[] memory clients) {
        clients = named.length == 0 ? _clients[agentId] : named;
        if (clients.length > CLIENTS_MAX) revert AgentReputation_ClientCount(clients.length, CLIENTS_MAX);
    }

    /// @dev Of a client only its latest feedback is read.
    function _firstRead(uint256 length) private pure returns (uint256) {
        return length > PER_CLIENT_MAX ? length - PER_CLIENT_MAX : 0;
    }

    function _placeOf(uint256 agentId, address client, uint256 index) private pure returns (bytes32) {
        return keccak256(abi.encode(agentId, client, index));
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

    function _matches(string memory wanted, string memory tag) private pure returns (bool) {
        return bytes(wanted).length == 0 || keccak256(bytes(wanted)) == keccak256(bytes(tag));
    }
}
