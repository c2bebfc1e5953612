// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAttributionSettlement} from "../../interfaces/IAttributionSettlement.sol";
import {IInferenceEscrow} from "../../interfaces/IInferenceEscrow.sol";
import {IInferencePayments} from "../../interfaces/IInferencePayments.sol";
import {Errors} from "../../libraries/Errors.sol";
import {WOPEN} from "../predeploys/WOPEN.sol";

/// @title InferencePayments
/// @notice See {IInferencePayments}.
contract InferencePayments is IInferencePayments, ReentrancyGuardTransient {
    /// @notice Seconds in which a payment can be captured; then it goes back.
    uint64 public constant CAPTURE_WINDOW = 1 days;
    /// @notice Payments in one call at most.
    uint256 public constant BATCH_MAX = 256;

    bytes32 private constant PAYMENT_TYPEHASH = keccak256(
        "Payment(uint256 chainId,address payments,address payer,address gateway,uint256 modelId,bytes32 requestHash,bytes32 salt)"
    );
    bytes32 private constant TOP_UP_TYPEHASH =
        keccak256("TopUp(uint256 chainId,address payments,address payer,bytes32 salt)");

    /// @notice The token that is locked or paid with.
    WOPEN public immutable wopen;
    /// @notice Where balances are paid in.
    IInferenceEscrow public immutable escrow;
    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;

    /// @inheritdoc IInferencePayments
    uint256 public totalOpen;
    mapping(bytes32 paymentId => Payment) private _payments;

    constructor(WOPEN wopen_, IInferenceEscrow escrow_, IAttributionSettlement settlement_) {
        if (address(wopen_) == address(0) || address(escrow_) == address(0) || address(settlement_) == address(0)) {
            revert Errors.ZeroAddress();
        }
        (wopen, escrow, settlement) = (wopen_, escrow_, settlement_);
    }

    /// @notice What is unwrapped arrives here.
    receive() external payable {
        if (msg.sender != address(wopen)) revert InferencePayments_NotWopen(msg.sender);
    }

    /// @inheritdoc IInferencePayments
    function pay(Terms calldata terms, Authorization calldata a) external nonReentrant returns (bytes32 paymentId) {
        // Check
        if (terms.gateway == address(0)) revert Errors.ZeroAddress();
        paymentId = paymentIdOf(terms);

        // Effect; the token refuses a nonce that was used, so no payment is written over
        uint64 expiry = uint64(block.timestamp) + CAPTURE_WINDOW;
        _payments[paymentId] = Payment({payer: terms.payer, gateway: terms.gateway, amount: a.amount, expiry: expiry});
        totalOpen += a.amount;
        emit Paid(paymentId, terms.payer, terms.gateway, terms.modelId, terms.requestHash, a.amount);

        // Interaction
        _receive(terms.payer, paymentId, a);
    }

    /// @inheritdoc IInferencePayments
    function topUp(address payer, bytes32 salt, Authorization calldata a) external nonReentrant {
        emit ToppedUp(payer, a.amount);

        // Interaction
        _receive(payer, topUpNonce(payer, salt), a);
        wopen.withdraw(a.amount);
        escrow.deposit{value: a.amount}(payer);
    }

    function _receive(address payer, bytes32 nonce, Authorization calldata a) private {
        if (a.amount == 0) revert InferencePayments_AmountZero();
        wopen.receiveWithAuthorization(
            payer, address(this), a.amount, a.validAfter, a.validBefore, nonce, a.v, a.r, a.s
        );
    }

    /// @inheritdoc IInferencePayments
    function capture(bytes32[] calldata paymentIds, uint128[] calldata amounts)
        external
        nonReentrant
        returns (uint256 total)
    {
        // Check
        uint256 count = paymentIds.length;
        if (count == 0 || count > BATCH_MAX || amounts.length != count) {
            revert InferencePayments_BatchSize(count, amounts.length, BATCH_MAX);
        }

        // Check, Effect; refunds are transfers of a token that calls nobody
        for (uint256 i; i < count; ++i) {
            _capture(paymentIds[i], amounts[i]);
            total += amounts[i];
        }

        // Interaction
        wopen.withdraw(total);
        settlement.fund{value: total}(msg.sender);
    }

    function _capture(bytes32 paymentId, uint128 amount) private {
        // Check
        Payment memory p = _open(paymentId);
        if (p.gateway != msg.sender) revert InferencePayments_NotGateway(paymentId, msg.sender);
        if (block.timestamp > p.expiry) revert InferencePayments_Expired(paymentId, p.expiry);
        if (amount == 0 || amount > p.amount) {
            revert InferencePayments_CaptureOutOfBounds(paymentId, amount, p.amount);
        }

        // Effect
        delete _payments[paymentId];
        totalOpen -= p.amount;
        emit Captured(paymentId, amount, p.amount - amount);

        // Interaction
        _sendBack(p.payer, p.amount - amount);
    }

    /// @inheritdoc IInferencePayments
    function refund(bytes32 paymentId) external nonReentrant {
        // Check
        Payment memory p = _open(paymentId);
        if (msg.sender != p.gateway && block.timestamp <= p.expiry) {
            revert InferencePayments_Live(paymentId, p.expiry);
        }

        // Effect
        delete _payments[paymentId];
        totalOpen -= p.amount;
        emit Refunded(paymentId, p.amount);

        // Interaction
        _sendBack(p.payer, p.amount);
    }

    /// @dev WOPEN reverts rather than returning false.
    function _sendBack(address payer, uint128 amount) private {
        // forge-lint: disable-next-line(erc20-unchecked-transfer)
        if (amount != 0) wopen.transfer(payer, amount);
    }

    /// @inheritdoc IInferencePayments
    function paymentIdOf(Terms calldata terms) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                PAYMENT_TYPEHASH,
                block.chainid,
                address(this),
                terms.payer,
                terms.gateway,
                terms.modelId,
                terms.requestHash,
                terms.salt
            )
        );
    }

    /// @inheritdoc IInferencePayments
    function topUpNonce(address payer, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(TOP_UP_TYPEHASH, block.chainid, address(this), payer, salt));
    }

    /// @inheritdoc IInferencePayments
    function paymentOf(bytes32 paymentId) external view returns (Payment memory) {
        return _payments[paymentId];
    }

    function _open(bytes32 paymentId) private view returns (Payment memory p) {
        p = _payments[paymentId];
        if (p.amount == 0) revert InferencePayments_Unknown(paymentId);
    }
}
