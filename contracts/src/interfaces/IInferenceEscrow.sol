// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IInferenceEscrow
/// @notice Prepaid balances of inference customers. A customer authorises a gateway up to `cap` until `expiry`; the cap
/// is locked, so a redemption inside it can never fail, and nothing outside it can ever be drawn. Each call costs no
/// transaction: a voucher carries the *cumulative* amount, and the gateway redeems the latest ones in batches. Redeemed
/// money moves to the settlement contract as the gateway's funds; it is paid out only through an activated epoch.
/// @dev There is no owner and no privileged caller: only a customer withdraws free balance, only a voucher signed by the
/// authorised signer moves locked balance, and only to the settlement. What the contract holds is the sum of all free and
/// locked balances at all times. A gateway must redeem before an authorisation expires, or it served for nothing.
interface IInferenceEscrow {
    struct Authorization {
        /// Signs vouchers: the customer, a device key of the customer's, or the gateway's own key for clients that
        /// cannot sign per call. Whoever it is, `cap` and `expiry` bound the loss.
        address signer;
        /// Most that may ever be redeemed under this authorisation, wei.
        uint128 cap;
        /// Redeemed so far, wei.
        uint128 redeemed;
        /// Unix seconds after which no voucher is accepted and the rest of the cap can be released; at most 366 days ahead.
        uint64 expiry;
        /// Grows with each authorisation of this pair, so old vouchers die with the old authorisation.
        uint64 nonce;
    }

    /// EIP-712: Voucher(address customer,address gateway,uint64 nonce,uint128 cumulative)
    struct Voucher {
        address customer;
        address gateway;
        uint64 nonce;
        uint128 cumulative;
    }

    event Deposited(address indexed customer, address indexed from, uint256 amount);
    event Withdrawn(address indexed customer, address indexed to, uint256 amount);
    event Authorized(
        address indexed customer, address indexed gateway, address signer, uint128 cap, uint64 expiry, uint64 nonce
    );
    event Released(address indexed customer, address indexed gateway, uint128 amount);
    event Redeemed(address indexed customer, address indexed gateway, uint128 amount, uint128 cumulative);

    /// @notice Adds the value to the customer's free balance; anyone may pay for anyone.
    function deposit(address customer) external payable;
    /// @notice Pays out free balance of the sender.
    function withdraw(address payable to, uint256 amount) external;
    /// @notice Replaces an expired or absent authorisation, or raises the cap or extends the expiry of a live one with
    /// the same signer. A live one cannot be reduced: the gateway has served against it.
    function authorize(address gateway, address signer, uint128 cap, uint64 expiry) external;
    /// @notice Frees what is left of an expired authorisation. Anyone may call it.
    function release(address customer, address gateway) external;
    /// @notice Redeems vouchers to msg.sender's credit at the settlement; msg.sender must be each voucher's gateway.
    /// A voucher at or below what is redeemed already is skipped, so a batch can be retried. At most 256 at a time.
    function redeem(Voucher[] calldata vouchers, bytes[] calldata signatures) external returns (uint256 total);

    function balanceOf(address customer) external view returns (uint256 free, uint256 locked);
    function authorization(address customer, address gateway) external view returns (Authorization memory);
    /// @notice EIP-712 digest to sign.
    function hashVoucher(Voucher calldata voucher) external view returns (bytes32 digest);
    /// @notice Sum of all balances, free and locked.
    function totalHeld() external view returns (uint256);
}
