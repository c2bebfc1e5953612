// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LibClone} from "solady/utils/LibClone.sol";

import {IAgentAccounts, IAgentIdentity} from "../../interfaces/IAgents.sol";
import {IInferenceEscrow} from "../../interfaces/IInferenceEscrow.sol";
import {AgentAccount} from "./AgentAccount.sol";

/// @title AgentAccounts
/// @notice See {IAgentAccounts}. It has no owner; accounts are clones of one implementation, which cannot be changed.
contract AgentAccounts is IAgentAccounts {
    /// @notice What accounts are clones of.
    address public immutable implementation;

    mapping(address account => uint256) private _agents;

    constructor(IAgentIdentity identity, IInferenceEscrow escrow) {
        implementation = address(new AgentAccount(identity, escrow));
    }

    /// @inheritdoc IAgentAccounts
    function create(uint256 agentId) external returns (address account) {
        account = accountOf(agentId);
        if (account.code.length != 0) return account;

        // Effect
        _agents[account] = agentId;
        emit AccountCreated(agentId, account);

        // Interaction
        LibClone.cloneDeterministic(implementation, abi.encode(agentId), bytes32(agentId));
    }

    /// @inheritdoc IAgentAccounts
    function accountOf(uint256 agentId) public view returns (address) {
        return
            LibClone.predictDeterministicAddress(implementation, abi.encode(agentId), bytes32(agentId), address(this));
    }

    /// @inheritdoc IAgentAccounts
    function agentOf(address account) external view returns (uint256) {
        return _agents[account];
    }
}
