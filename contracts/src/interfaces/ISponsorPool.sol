// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ISponsorPool
/// @notice First actions for people who hold no OPEN yet. A sponsor pays in, and its key signs grants for accounts that it
/// has reason to believe in; anyone brings the grant, and the account has the OPEN for its first gas, bond or deposit.
/// @dev Bounded three ways: an account is sponsored once, by anybody, for ever; a grant is at most one OPEN; and a sponsor
/// spends at most what it allows itself per day, so a stolen key costs a day's allowance. A sponsor loses nothing it did not
/// pay in, and takes back what is unspent at any time. There is no owner.
/// What is granted is money, so what it pays for is paid traffic. Traffic that nobody pays for is free-tier traffic: its
/// receipts carry a fee of zero, and the settlement can attribute to nobody more than fees.
interface ISponsorPool {
    /// EIP-712: Grant(address sponsor,address account,uint128 amount,uint64 deadline)
    struct Grant {
        address sponsor;
        address account;
        uint128 amount;
        /// Unix seconds after which it is void.
        uint64 deadline;
    }

    struct Sponsor {
        uint128 balance;
        /// Most that is granted per day, wei.
        uint128 perDay;
        /// Who signs grants.
        address signer;
        /// Days since 1970, and what was granted on that day.
        uint32 day;
        uint128 grantedToday;
    }

    /// @notice A balance was paid in.
    /// @param sponsor The sponsor.
    /// @param amount Wei.
    event Deposited(address indexed sponsor, uint256 amount);
    /// @notice A sponsor set what its key may grant.
    /// @param sponsor The sponsor.
    /// @param signer Who signed.
    /// @param perDay The most a day, wei.
    event LimitsSet(address indexed sponsor, address signer, uint128 perDay);
    /// @notice Credit was paid out.
    /// @param sponsor The sponsor.
    /// @param to Where it goes.
    /// @param amount Wei.
    event Withdrawn(address indexed sponsor, address indexed to, uint256 amount);
    /// @notice A newcomer got its first OPEN.
    /// @param sponsor The sponsor.
    /// @param account Whose.
    /// @param amount Wei.
    event Granted(address indexed sponsor, address indexed account, uint128 amount);

    /// @notice Nothing is paid or granted.
    error SponsorPool_AmountZero();
    /// @notice A grant is at most `max`.
    /// @param amount Wei.
    /// @param max The most that is allowed.
    error SponsorPool_GrantTooLarge(uint128 amount, uint128 max);
    /// @notice The account had its first action sponsored.
    /// @param account Whose.
    error SponsorPool_SponsoredAlready(address account);
    /// @notice The grant was good until `deadline`, Unix seconds.
    /// @param deadline Unix second until which it holds.
    error SponsorPool_Expired(uint64 deadline);
    /// @notice The signature is not that of the sponsor's signer.
    /// @param signer Who signed.
    error SponsorPool_SignatureInvalid(address signer);
    /// @notice The sponsor has less, or has granted its allowance of the day.
    /// @param sponsor The sponsor.
    /// @param left What is left.
    /// @param amount Wei.
    error SponsorPool_BudgetExceeded(address sponsor, uint256 left, uint256 amount);

    /// @notice Adds the value to the sender's balance as a sponsor.
    function deposit() external payable;
    /// @notice Sets who signs the sender's grants and what they may come to in a day.
    /// @param signer Who signed.
    /// @param perDay The most a day, wei.
    function setLimits(address signer, uint128 perDay) external;
    /// @notice Takes unspent balance back.
    /// @param to Where it goes.
    /// @param amount Wei.
    function withdraw(address payable to, uint128 amount) external;
    /// @notice Pays a grant to its account. Anyone may bring it.
    /// @param g The game.
    /// @param signature The signature.
    function grant(Grant calldata g, bytes calldata signature) external;

    /// @notice A sponsor's balance and limits.
    /// @param sponsor The sponsor.
    /// @return The sponsor.
    function sponsorOf(address sponsor) external view returns (Sponsor memory);
    /// @notice Whether an account has had its grant.
    /// @param account Whose.
    /// @return Whether it has.
    function isSponsored(address account) external view returns (bool);
    /// @notice EIP-712 digest that the sponsor's signer signs.
    /// @param g The game.
    /// @return The digest.
    function hashGrant(Grant calldata g) external view returns (bytes32);
    /// @notice Sum of all sponsors' balances, wei.
    /// @return Wei.
    function totalHeld() external view returns (uint256);
}
