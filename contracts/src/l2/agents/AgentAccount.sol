// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {LibClone} from "solady/utils/LibClone.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAgentAccount, IAgentIdentity} from "../../interfaces/IAgents.sol";
import {IInferenceEscrow} from "../../interfaces/IInferenceEscrow.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title AgentAccount
/// @notice See {IAgentAccount}. The agent's id is in the clone's code.
contract AgentAccount is IAgentAccount, ReentrancyGuardTransient {
    /// @notice The shortest period of a cap, seconds.
    uint32 public constant PERIOD_MIN = 1 hours;

    /// @notice The registry of agents.
    IAgentIdentity public immutable identity;
    /// @notice Where the account buys.
    IInferenceEscrow public immutable escrow;

    // slots 0 to 2
    Limits private _limits;
    // slot 3: the running period and what was locked in it
    uint64 private _periodStart;
    uint128 private _spent;

    mapping(address gateway => bool) private _gateways;

    constructor(IAgentIdentity identity_, IInferenceEscrow escrow_) {
        if (address(identity_) == address(0) || address(escrow_) == address(0)) revert Errors.ZeroAddress();
        (identity, escrow) = (identity_, escrow_);
    }

    modifier onlyOwner() {
        if (!identity.isAuthorized(agentId(), msg.sender)) revert AgentAccount_NotOwner(msg.sender);
        _;
    }

    /// @notice Anyone may pay in.
    receive() external payable {}

    /// @inheritdoc IAgentAccount
    function setLimits(Limits calldata limits_) external onlyOwner {
        if (limits_.period < PERIOD_MIN) revert AgentAccount_PeriodTooShort(limits_.period, PERIOD_MIN);
        _limits = limits_;
        emit LimitsSet(limits_.key, limits_.cap, limits_.period, limits_.keyExpiry);
    }

    /// @inheritdoc IAgentAccount
    function setGateway(address gateway, bool allowed) external onlyOwner {
        _gateways[gateway] = allowed;
        emit GatewaySet(gateway, allowed);
    }

    /// @inheritdoc IAgentAccount
    function authorize(address gateway, uint128 cap, uint64 expiry) external nonReentrant {
        // Check
        Limits memory l = _limits;
        if (msg.sender != l.key || block.timestamp > l.keyExpiry) revert AgentAccount_NotKey(msg.sender);
        if (!_gateways[gateway]) revert AgentAccount_GatewayRefused(gateway);
        IInferenceEscrow.Authorization memory a = escrow.authorization(address(this), gateway);
        bool live = a.nonce != 0 && block.timestamp <= a.expiry;
        uint128 grow = live ? (cap > a.cap ? cap - a.cap : 0) : cap;
        uint128 left = leftInPeriod();
        if (grow > left) revert AgentAccount_CapExceeded(left, grow);

        // Effect
        if (block.timestamp >= uint256(_periodStart) + l.period) {
            (_periodStart, _spent) = (uint64(block.timestamp), 0);
        }
        _spent += grow;
        emit Spent(gateway, grow, _spent);

        // Interaction; what earlier authorisations left is used first
        if (!live && a.cap > a.redeemed) escrow.release(address(this), gateway);
        (uint256 free,) = escrow.balanceOf(address(this));
        if (grow > free) escrow.deposit{value: grow - free}(address(this));
        escrow.authorize(gateway, l.key, cap, expiry);
    }

    /// @inheritdoc IAgentAccount
    function recover(address payable to) external onlyOwner nonReentrant returns (uint256 amount) {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();

        // Interaction; the account keeps no books of its own
        (uint256 free,) = escrow.balanceOf(address(this));
        if (free != 0) escrow.withdraw(payable(address(this)), free);
        amount = address(this).balance;
        emit Recovered(to, amount);
        SafeTransferLib.safeTransferETH(to, amount);
    }

    /// @inheritdoc IAgentAccount
    function agentId() public view returns (uint256) {
        return abi.decode(LibClone.argsOnClone(address(this)), (uint256));
    }

    /// @inheritdoc IAgentAccount
    function limits() external view returns (Limits memory) {
        return _limits;
    }

    /// @inheritdoc IAgentAccount
    function isAllowed(address gateway) external view returns (bool) {
        return _gateways[gateway];
    }

    /// @inheritdoc IAgentAccount
    function leftInPeriod() public view returns (uint128) {
        uint128 cap = _limits.cap;
        uint128 spent = block.timestamp >= uint256(_periodStart) + _limits.period ? 0 : _spent;
        return cap > spent ? cap - spent : 0;
    }
}
