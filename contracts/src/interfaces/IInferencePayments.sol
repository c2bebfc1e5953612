// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IInferencePayments
/// @notice Payment per request for customers without an account, in the shape of x402's "exact" scheme: the customer signs
/// an EIP-3009 authorisation for wrapped OPEN, sends no transaction and needs no OPEN for gas; a facilitator, usually the
/// gateway, brings it here. What is paid is held until the gateway has served and captures it, which makes it the gateway's
/// funds at the settlement like every redeemed voucher; what is not captured goes back.
/// @dev Rules by subject.
/// Binding: the authorisation's nonce is the hash of {Terms} with chain and contract, so the signature is good for this
/// payer, gateway, model and request only, and once. The token accepts `receiveWithAuthorization` from its receiver alone:
/// nobody can carry a signature here past this contract.
/// Capture: by the gateway named, once, at most what was paid; the rest is refunded in the same call. Until `CAPTURE_WINDOW`
/// after the payment arrived.
/// Refund: by the gateway at any time before capture, by anyone after the window. Always to the payer, in wrapped OPEN, so
/// that a payer without OPEN for gas can sign for it again.
/// There is no owner, and no way for money but to the settlement for the gateway, to the payer, or to the payer's balance in
/// the escrow. INVARIANT: wrapped OPEN held is at least what is open.
interface IInferencePayments {
    struct Terms {
        address payer;
        address gateway;
        uint256 modelId;
        /// keccak256 of the canonical request, as in its receipt.
        bytes32 requestHash;
        bytes32 salt;
    }

    /// EIP-3009's times and signature; `amount` in wei.
    struct Authorization {
        uint128 amount;
        uint256 validAfter;
        uint256 validBefore;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    struct Payment {
        address payer;
        address gateway;
        uint128 amount;
        /// Unix seconds up to which the gateway can capture it.
        uint64 expiry;
    }

    event Paid(
        bytes32 indexed paymentId,
        address indexed payer,
        address indexed gateway,
        uint256 modelId,
        bytes32 requestHash,
        uint128 amount
    );
    event Captured(bytes32 indexed paymentId, uint128 amount, uint128 refunded);
    event Refunded(bytes32 indexed paymentId, uint128 amount);
    event ToppedUp(address indexed payer, uint128 amount);

    /// @notice Nothing is paid.
    error InferencePayments_AmountZero();
    /// @notice No open payment has this id.
    error InferencePayments_Unknown(bytes32 paymentId);
    /// @notice Only the gateway that the payment names may do this.
    error InferencePayments_NotGateway(bytes32 paymentId, address caller);
    /// @notice The payment could be captured until `expiry`, Unix seconds.
    error InferencePayments_Expired(bytes32 paymentId, uint64 expiry);
    /// @notice The gateway can still capture it until `expiry`, Unix seconds.
    error InferencePayments_Live(bytes32 paymentId, uint64 expiry);
    /// @notice More than was paid, or nothing.
    error InferencePayments_CaptureOutOfBounds(bytes32 paymentId, uint128 amount, uint128 paid);
    /// @notice None, more than the maximum, or not one amount for each.
    error InferencePayments_BatchSize(uint256 ids, uint256 amounts, uint256 max);
    /// @notice OPEN arrives here from wrapped OPEN only.
    error InferencePayments_NotWopen(address sender);

    /// @notice Takes a signed payment. Anyone may bring it.
    /// @return paymentId The authorisation's nonce.
    function pay(Terms calldata terms, Authorization calldata a) external returns (bytes32 paymentId);
    /// @notice Makes `amounts` of the payments the sender's funds at the settlement, and refunds the rest. At most 256.
    function capture(bytes32[] calldata paymentIds, uint128[] calldata amounts) external returns (uint256 total);
    /// @notice Gives a payment back.
    function refund(bytes32 paymentId) external;
    /// @notice Turns a signed amount of wrapped OPEN into free balance of the payer in the escrow. Anyone may bring it; the
    /// nonce is {topUpNonce}.
    function topUp(address payer, bytes32 salt, Authorization calldata a) external;

    /// @notice The nonce to sign for a payment on these terms.
    function paymentIdOf(Terms calldata terms) external view returns (bytes32);
    /// @notice The nonce to sign for a top-up.
    function topUpNonce(address payer, bytes32 salt) external view returns (bytes32);
    function paymentOf(bytes32 paymentId) external view returns (Payment memory);
    /// @notice Sum of open payments, wei.
    function totalOpen() external view returns (uint256);
}
