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

    /// @notice A request was paid for.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param payer Whose wrapped OPEN it is.
    /// @param gateway Who may capture it.
    /// @param modelId Model that is asked.
    /// @param requestHash Hash of the request, as in the terms.
    /// @param amount Wei.
    event Paid(
        bytes32 indexed paymentId,
        address indexed payer,
        address indexed gateway,
        uint256 modelId,
        bytes32 requestHash,
        uint128 amount
    );
    /// @notice The gateway took a payment for an answer.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param amount What became the gateway's funds, wei.
    /// @param refunded What went back to the payer as wrapped OPEN, wei.
    event Captured(bytes32 indexed paymentId, uint128 amount, uint128 refunded);
    /// @notice A payment, or the rest of one, went back.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param amount Wei of wrapped OPEN.
    event Refunded(bytes32 indexed paymentId, uint128 amount);
    /// @notice A balance in the escrow was paid in by signature.
    /// @param payer Whose wrapped OPEN it is.
    /// @param amount Wei of free balance in the escrow.
    event ToppedUp(address indexed payer, uint128 amount);

    /// @notice Nothing is paid.
    error InferencePayments_AmountZero();
    /// @notice No open payment has this id.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    error InferencePayments_Unknown(bytes32 paymentId);
    /// @notice Only the gateway that the payment names may do this.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param caller Who tried to.
    error InferencePayments_NotGateway(bytes32 paymentId, address caller);
    /// @notice The payment could be captured until `expiry`, Unix seconds.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param expiry Last Unix second of the gateway's time.
    error InferencePayments_Expired(bytes32 paymentId, uint64 expiry);
    /// @notice The gateway can still capture it until `expiry`, Unix seconds.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param expiry Last Unix second of the gateway's time.
    error InferencePayments_Live(bytes32 paymentId, uint64 expiry);
    /// @notice More than was paid, or nothing.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @param amount What was asked for, wei.
    /// @param paid What the payment holds, wei.
    error InferencePayments_CaptureOutOfBounds(bytes32 paymentId, uint128 amount, uint128 paid);
    /// @notice None, more than the maximum, or not one amount for each.
    /// @param ids How many payments were named.
    /// @param amounts How many amounts were given.
    /// @param max The most in a call.
    error InferencePayments_BatchSize(uint256 ids, uint256 amounts, uint256 max);
    /// @notice OPEN arrives here from wrapped OPEN only.
    /// @param sender Who sent it instead.
    error InferencePayments_NotWopen(address sender);

    /// @notice Takes a signed payment. Anyone may bring it.
    /// @return paymentId Id of the payment.
    /// @param terms Gateway, model, request and what else the nonce hashes.
    /// @param a The payer's EIP-3009 authorisation of the amount to this contract.
    function pay(Terms calldata terms, Authorization calldata a) external returns (bytes32 paymentId);
    /// @notice Makes `amounts` of the payments the sender's funds at the settlement, and refunds the rest. At most 256.
    /// @param paymentIds 1 to 256 payments of the sender's.
    /// @param amounts What to take of each, wei, 1 to what it holds, in the same order.
    /// @return total What was captured, wei.
    function capture(bytes32[] calldata paymentIds, uint128[] calldata amounts) external returns (uint256 total);
    /// @notice Gives a payment back.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    function refund(bytes32 paymentId) external;
    /// @notice Turns a signed amount of wrapped OPEN into free balance of the payer in the escrow. Anyone may bring it; the
    /// nonce is {topUpNonce}.
    /// @param payer Whose wrapped OPEN it is.
    /// @param salt Makes nonces of the same payer differ.
    /// @param a The payer's EIP-3009 authorisation of the amount to this contract.
    function topUp(address payer, bytes32 salt, Authorization calldata a) external;

    /// @notice The nonce to sign for a payment on these terms.
    /// @param terms What the payer agrees to.
    /// @return The payment's id, which is its nonce.
    function paymentIdOf(Terms calldata terms) external view returns (bytes32);
    /// @notice The nonce to sign for a top-up.
    /// @param payer Whose wrapped OPEN it is.
    /// @param salt Makes nonces of the same payer differ.
    /// @return The nonce to sign.
    function topUpNonce(address payer, bytes32 salt) external view returns (bytes32);
    /// @notice A payment.
    /// @param paymentId The nonce that the payer signed (`paymentIdOf`).
    /// @return Payer, gateway, amount and expiry; all zero once it was captured or refunded.
    function paymentOf(bytes32 paymentId) external view returns (Payment memory);
    /// @notice Sum of open payments, wei.
    /// @return Wei; the contract holds as much wrapped OPEN.
    function totalOpen() external view returns (uint256);
}
