// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IInferenceEscrow} from "../interfaces/IInferenceEscrow.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title InferenceEscrow
/// @notice See {IInferenceEscrow}.
contract InferenceEscrow is IInferenceEscrow, EIP712, ReentrancyGuardTransient {
    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Vouchers in one redemption at most.
    uint256 public constant VOUCHERS_MAX = 256;
    /// Furthest expiry, so that a slip of the keyboard cannot lock a balance for ever.
    uint64 public constant AUTHORIZATION_MAX = 366 days;

    bytes32 private constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address customer,address gateway,uint64 nonce,uint128 cumulative)");

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct Balance {
        // slot 0; the whole supply fits 128 bits
        uint128 free;
        uint128 locked;
    }

    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;

    /// @inheritdoc IInferenceEscrow
    uint256 public totalHeld;

    mapping(address customer => Balance) private _balances;
    mapping(address customer => mapping(address gateway => Authorization)) private _authorizations;

    constructor(IAttributionSettlement settlement_) {
        if (address(settlement_) == address(0)) revert Errors.ZeroAddress();
        settlement = settlement_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      CUSTOMERS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IInferenceEscrow
    function deposit(address customer) external payable {
        // Check
        if (customer == address(0)) revert Errors.ZeroAddress();
        if (msg.value == 0) revert Errors.InferenceEscrow_AmountZero();

        // Effect; native supply is bounded by what is locked on L1, far below 2^128
        // forge-lint: disable-next-line(unsafe-typecast)
        _balances[customer].free += uint128(msg.value);
        totalHeld += msg.value;
        emit Deposited(customer, msg.sender, msg.value);
    }

    /// @inheritdoc IInferenceEscrow
    function withdraw(address payable to, uint256 amount) external nonReentrant {
        // Check
        if (to == address(0)) revert Errors.ZeroAddress();
        if (amount == 0) revert Errors.InferenceEscrow_AmountZero();
        Balance storage balance = _balances[msg.sender];
        if (amount > balance.free) {
            revert Errors.InferenceEscrow_BalanceInsufficient(msg.sender, balance.free, amount);
        }

        // Effect
        // forge-lint: disable-next-line(unsafe-typecast)
        balance.free -= uint128(amount);
        totalHeld -= amount;
        emit Withdrawn(msg.sender, to, amount);

        // Interaction
        SafeTransferLib.safeTransferETH(to, amount);
    }

    /// @inheritdoc IInferenceEscrow
    function authorize(address gateway, address signer, uint128 cap, uint64 expiry) external {
        // Check
        if (gateway == address(0) || signer == address(0)) revert Errors.ZeroAddress();
        if (cap == 0) revert Errors.InferenceEscrow_AmountZero();
        uint256 expiryMax = block.timestamp + AUTHORIZATION_MAX;
        if (expiry <= block.timestamp || expiry > expiryMax) {
            revert Errors.InferenceEscrow_ExpiryOutOfBounds(expiry, block.timestamp + 1, expiryMax);
        }
        Authorization storage a = _authorizations[msg.sender][gateway];
        uint128 grow = cap;
        if (_isLive(a)) {
            if (signer != a.signer || cap < a.cap || expiry < a.expiry) {
                revert Errors.InferenceEscrow_AuthorizationReduced(a.signer, a.cap, a.expiry);
            }
            grow = cap - a.cap;
        } else {
            _release(msg.sender, gateway, a);
            a.redeemed = 0;
            ++a.nonce;
        }
        Balance storage balance = _balances[msg.sender];
        if (grow > balance.free) {
            revert Errors.InferenceEscrow_BalanceInsufficient(msg.sender, balance.free, grow);
        }

        // Effect
        balance.free -= grow;
        balance.locked += grow;
        a.signer = signer;
        a.cap = cap;
        a.expiry = expiry;
        emit Authorized(msg.sender, gateway, signer, cap, expiry, a.nonce);
    }

    /// @inheritdoc IInferenceEscrow
    function release(address customer, address gateway) external {
        Authorization storage a = _authorizations[customer][gateway];
        if (a.cap == a.redeemed) revert Errors.InferenceEscrow_AuthorizationAbsent(customer, gateway);
        if (_isLive(a)) revert Errors.InferenceEscrow_AuthorizationLive(customer, gateway, a.expiry);
        _release(customer, gateway, a);
    }

    /// @dev Moves the unredeemed rest of the cap back to the free balance. The authorisation must have expired.
    function _release(address customer, address gateway, Authorization storage a) private {
        uint128 rest = a.cap - a.redeemed;
        if (rest == 0) return;
        a.cap = a.redeemed;
        Balance storage balance = _balances[customer];
        balance.locked -= rest;
        balance.free += rest;
        emit Released(customer, gateway, rest);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      GATEWAYS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IInferenceEscrow
    function redeem(Voucher[] calldata vouchers, bytes[] calldata signatures)
        external
        nonReentrant
        returns (uint256 total)
    {
        uint256 count = vouchers.length;
        if (count == 0 || count > VOUCHERS_MAX || signatures.length != count) {
            revert Errors.InferenceEscrow_BatchSize(count, signatures.length, VOUCHERS_MAX);
        }

        // Check and Effect
        for (uint256 i; i < count; ++i) {
            total += _redeem(vouchers[i], signatures[i]);
        }
        totalHeld -= total;

        // Interaction
        if (total != 0) settlement.fund{value: total}(msg.sender);
    }

    function _redeem(Voucher calldata v, bytes calldata signature) private returns (uint128 amount) {
        // Check
        if (v.gateway != msg.sender) revert Errors.InferenceEscrow_NotGateway(v.gateway, msg.sender);
        Authorization storage a = _authorizations[v.customer][v.gateway];
        if (v.nonce != a.nonce || v.nonce == 0) revert Errors.InferenceEscrow_NonceMismatch(v.nonce, a.nonce);
        uint128 redeemed = a.redeemed;
        if (v.cumulative <= redeemed) return 0;
        if (!_isLive(a)) revert Errors.InferenceEscrow_AuthorizationExpired(v.customer, v.gateway, a.expiry);
        if (v.cumulative > a.cap) revert Errors.InferenceEscrow_CapExceeded(v.cumulative, a.cap);
        bytes32 digest = hashVoucher(v);
        if (!SignatureChecker.isValidSignatureNowCalldata(a.signer, digest, signature)) {
            revert Errors.InferenceEscrow_SignatureInvalid(a.signer, digest);
        }

        // Effect
        amount = v.cumulative - redeemed;
        a.redeemed = v.cumulative;
        _balances[v.customer].locked -= amount;
        emit Redeemed(v.customer, v.gateway, amount, v.cumulative);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IInferenceEscrow
    function balanceOf(address customer) external view returns (uint256 free, uint256 locked) {
        Balance storage balance = _balances[customer];
        return (balance.free, balance.locked);
    }

    /// @inheritdoc IInferenceEscrow
    function authorization(address customer, address gateway) external view returns (Authorization memory) {
        return _authorizations[customer][gateway];
    }

    /// @inheritdoc IInferenceEscrow
    function hashVoucher(Voucher calldata v) public view returns (bytes32 digest) {
        return _hashTypedData(keccak256(abi.encode(VOUCHER_TYPEHASH, v.customer, v.gateway, v.nonce, v.cumulative)));
    }

    function _isLive(Authorization storage a) private view returns (bool) {
        return a.nonce != 0 && block.timestamp <= a.expiry;
    }

    /// @dev EIP-712 name and version.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("InferenceEscrow", "1");
    }
}
