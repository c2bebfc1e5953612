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

    /// @notice A balance was paid in.
    /// @param customer Whose balance it is.
    /// @param from Who paid.
    /// @param amount Wei.
    event Deposited(address indexed customer, address indexed from, uint256 amount);
    /// @notice Credit was paid out.
    /// @param customer Whose balance it is.
    /// @param to Who was paid.
    /// @param amount Wei of free balance.
    event Withdrawn(address indexed customer, address indexed to, uint256 amount);
    /// @notice A customer authorised a gateway.
    /// @param customer Whose balance it is.
    /// @param gateway Who may take of it.
    /// @param signer Key that signs vouchers for it.
    /// @param cap The most that vouchers may add up to, wei.
    /// @param expiry Unix second until which it holds.
    /// @param nonce Number of the authorisation of this pair; vouchers of another one are void.
    event Authorized(
        address indexed customer, address indexed gateway, address signer, uint128 cap, uint64 expiry, uint64 nonce
    );
    /// @notice The rest of an authorisation is free again.
    /// @param customer Whose balance it is.
    /// @param gateway Who may take of it.
    /// @param amount What was not redeemed of it, wei.
    event Released(address indexed customer, address indexed gateway, uint128 amount);
    /// @notice A voucher was redeemed.
    /// @param customer Whose balance it is.
    /// @param gateway Who may take of it.
    /// @param amount What this voucher added, wei.
    /// @param cumulative What all vouchers under this authorisation add up to, wei.
    event Redeemed(address indexed customer, address indexed gateway, uint128 amount, uint128 cumulative);

    /// @notice Adds the value to the customer's free balance; anyone may pay for anyone.
    /// @param customer Whose balance it is.
    function deposit(address customer) external payable;
    /// @notice Pays out free balance of the sender.
    /// @param to Who is paid.
    /// @param amount Wei, at most the free balance.
    function withdraw(address payable to, uint256 amount) external;
    /// @notice Replaces an expired or absent authorisation, or raises the cap or extends the expiry of a live one with
    /// the same signer. A live one cannot be reduced: the gateway has served against it.
    /// @param gateway Who may take of it.
    /// @param signer Key that will sign vouchers; not zero.
    /// @param cap The most that vouchers may add up to, wei.
    /// @param expiry Unix second until which it holds.
    function authorize(address gateway, address signer, uint128 cap, uint64 expiry) external;
    /// @notice Frees what is left of an expired authorisation. Anyone may call it.
    /// @param customer Whose balance it is.
    /// @param gateway Who may take of it.
    function release(address customer, address gateway) external;
    /// @notice Redeems vouchers to msg.sender's credit at the settlement; msg.sender must be each voucher's gateway.
    /// A voucher at or below what is redeemed already is skipped, so a batch can be retried. At most 256 at a time.
    /// @param vouchers 1 to 256, one signature for each.
    /// @param signatures The signers' over `hashVoucher`, in the order of the vouchers.
    /// @return total What was redeemed, wei.
    function redeem(Voucher[] calldata vouchers, bytes[] calldata signatures) external returns (uint256 total);

    /// @notice A customer's balance.
    /// @param customer Whose balance it is.
    /// @return free What can be withdrawn or authorised, wei.
    /// @return locked What is authorised, wei.
    function balanceOf(address customer) external view returns (uint256 free, uint256 locked);
    /// @notice What a customer has authorised a gateway to take.
    /// @param customer Whose balance it is.
    /// @param gateway Who may take of it.
    /// @return Signer, cap, expiry, nonce and what was redeemed; all zero if there was none.
    function authorization(address customer, address gateway) external view returns (Authorization memory);
    /// @notice EIP-712 digest to sign.
    /// @param voucher What the customer signs: all that it owes the gateway so far.
    /// @return digest 32 bytes over domain and voucher.
    function hashVoucher(Voucher calldata voucher) external view returns (bytes32 digest);
    /// @notice Sum of all balances, free and locked.
    /// @return Wei; the contract holds at least as much.
    function totalHeld() external view returns (uint256);
}
