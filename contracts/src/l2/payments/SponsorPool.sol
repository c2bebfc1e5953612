// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {ISponsorPool} from "../../interfaces/ISponsorPool.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title SponsorPool
/// @notice See {ISponsorPool}.
contract SponsorPool is ISponsorPool, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @notice The largest grant, wei.
    uint128 public constant GRANT_MAX = 1 ether;

    bytes32 private constant GRANT_TYPEHASH =
        keccak256("Grant(address sponsor,address account,uint128 amount,uint64 deadline)");

    /// @inheritdoc ISponsorPool
    uint256 public totalHeld;
    mapping(address sponsor => Sponsor) private _sponsors;
    mapping(address account => bool) private _sponsored;

    /// @inheritdoc ISponsorPool
    function deposit() external payable {
        if (msg.value == 0) revert SponsorPool_AmountZero();
        _sponsors[msg.sender].balance += msg.value.toUint128();
        totalHeld += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    /// @inheritdoc ISponsorPool
    function setLimits(address signer, uint128 perDay) external {
        Sponsor storage s = _sponsors[msg.sender];
        (s.signer, s.perDay) = (signer, perDay);
        emit LimitsSet(msg.sender, signer, perDay);
    }

    /// @inheritdoc ISponsorPool
    function withdraw(address payable to, uint128 amount) external nonReentrant {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();
        if (amount == 0) revert SponsorPool_AmountZero();
        Sponsor storage s = _sponsors[msg.sender];
        if (amount > s.balance) revert SponsorPool_BudgetExceeded(msg.sender, s.balance, amount);

        // Effect
        s.balance -= amount;
        totalHeld -= amount;
        emit Withdrawn(msg.sender, to, amount);

        // Interaction
        SafeTransferLib.safeTransferETH(to, amount);
    }

    /// @inheritdoc ISponsorPool
    function grant(Grant calldata g, bytes calldata signature) external nonReentrant {
        // Check
        if (g.account == address(0)) revert Errors.ZeroAddress();
        if (g.amount == 0) revert SponsorPool_AmountZero();
        if (g.amount > GRANT_MAX) revert SponsorPool_GrantTooLarge(g.amount, GRANT_MAX);
        if (block.timestamp > g.deadline) revert SponsorPool_Expired(g.deadline);
        if (_sponsored[g.account]) revert SponsorPool_SponsoredAlready(g.account);
        Sponsor storage s = _sponsors[g.sponsor];
        uint32 today = uint32(block.timestamp / 1 days);
        uint128 granted = s.day == today ? s.grantedToday : 0;
        uint256 left = s.perDay > granted ? s.perDay - granted : 0;
        if (s.balance < left) left = s.balance;
        if (g.amount > left) revert SponsorPool_BudgetExceeded(g.sponsor, left, g.amount);
        if (s.signer == address(0) || !SignatureChecker.isValidSignatureNowCalldata(s.signer, hashGrant(g), signature))
        {
            revert SponsorPool_SignatureInvalid(s.signer);
        }

        // Effect
        _sponsored[g.account] = true;
        s.balance -= g.amount;
        (s.day, s.grantedToday) = (today, granted + g.amount);
        totalHeld -= g.amount;
        emit Granted(g.sponsor, g.account, g.amount);

        // Interaction
        SafeTransferLib.safeTransferETH(g.account, g.amount);
    }

    /// @inheritdoc ISponsorPool
    function sponsorOf(address sponsor) external view returns (Sponsor memory) {
        return _sponsors[sponsor];
    }

    /// @inheritdoc ISponsorPool
    function isSponsored(address account) external view returns (bool) {
        return _sponsored[account];
    }

    /// @inheritdoc ISponsorPool
    function hashGrant(Grant calldata g) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(GRANT_TYPEHASH, g.sponsor, g.account, g.amount, g.deadline)));
    }

    /// @dev EIP-712 name and version.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("SponsorPool", "1");
    }
}
