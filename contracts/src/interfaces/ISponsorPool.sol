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
    /// @param sponsor Whose balance it is.
    /// @param amount Wei.
    event Deposited(address indexed sponsor, uint256 amount);
    /// @notice A sponsor set what its key may grant.
    /// @param sponsor Whose balance it is.
    /// @param signer Key whose grants count from now on; zero for none.
    /// @param perDay The most that its grants come to in a day, wei.
    event LimitsSet(address indexed sponsor, address signer, uint128 perDay);
    /// @notice Credit was paid out.
    /// @param sponsor Whose balance it is.
    /// @param to Who was paid.
    /// @param amount Wei.
    event Withdrawn(address indexed sponsor, address indexed to, uint256 amount);
    /// @notice A newcomer got its first OPEN.
    /// @param sponsor Whose balance it is.
    /// @param account The newcomer.
    /// @param amount Wei.
    event Granted(address indexed sponsor, address indexed account, uint128 amount);

    /// @notice Nothing is paid or granted.
    error SponsorPool_AmountZero();
    /// @notice A grant is at most `max`.
    /// @param amount What the grant says, wei.
    /// @param max The most of a grant, wei.
    error SponsorPool_GrantTooLarge(uint128 amount, uint128 max);
    /// @notice The account had its first action sponsored.
    /// @param account Who had a grant of this or another sponsor.
    error SponsorPool_SponsoredAlready(address account);
    /// @notice The grant was good until `deadline`, Unix seconds.
    /// @param deadline Last Unix second of the grant.
    error SponsorPool_Expired(uint64 deadline);
    /// @notice The signature is not that of the sponsor's signer.
    /// @param signer Whose signature was wanted.
    error SponsorPool_SignatureInvalid(address signer);
    /// @notice The sponsor has less, or has granted its allowance of the day.
    /// @param sponsor Whose balance it is.
    /// @param left What is left of balance or day, wei.
    /// @param amount What the grant says, wei.
    error SponsorPool_BudgetExceeded(address sponsor, uint256 left, uint256 amount);

    /// @notice Adds the value to the sender's balance as a sponsor.
    function deposit() external payable;
    /// @notice Sets who signs the sender's grants and what they may come to in a day.
    /// @param signer Key that signs grants; zero for none.
    /// @param perDay The most that its grants come to in a day, wei.
    function setLimits(address signer, uint128 perDay) external;
    /// @notice Takes unspent balance back.
    /// @param to Who is paid.
    /// @param amount Wei, at most the balance.
    function withdraw(address payable to, uint128 amount) external;
    /// @notice Pays a grant to its account. Anyone may bring it.
    /// @param g Sponsor, account, amount and deadline.
    /// @param signature That of the sponsor's signer over `hashGrant`.
    function grant(Grant calldata g, bytes calldata signature) external;

    /// @notice A sponsor's balance and limits.
    /// @param sponsor Whose balance it is.
    /// @return Balance, signer, allowance and what was granted today.
    function sponsorOf(address sponsor) external view returns (Sponsor memory);
    /// @notice Whether an account has had its grant.
    /// @param account Account to ask about.
    /// @return Whether any sponsor has paid for it.
    function isSponsored(address account) external view returns (bool);
    /// @notice EIP-712 digest that the sponsor's signer signs.
    /// @param g The grant to sign.
    /// @return 32 bytes over domain and grant.
    function hashGrant(Grant calldata g) external view returns (bytes32);
    /// @notice Sum of all sponsors' balances, wei.
    /// @return Wei; the contract holds as much.
    function totalHeld() external view returns (uint256);
}
