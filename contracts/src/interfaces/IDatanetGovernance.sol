// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdmission} from "./IAdmission.sol";
import {IDatanetRegistry} from "./IDatanetRegistry.sol";

/// @title IDatanetGovernance
/// @notice Datanets that belong to those whose data pays. It owns the Datanets founded through it; who curates them is
/// decided by their contributors. A vote weighs what its account has *claimed* from the Datanet's pool: money that customers
/// paid for answers and that attribution gave to this account. It cannot be bought from others, borrowed or moved to
/// another account, and splitting one dataset over many accounts adds nothing.
/// @dev Rules by subject.
/// Founder: names curators alone until a date set at the founding, at most a year away, so that a Datanet works before it
/// has earned anything.
/// Proposals: to make somebody a curator or no longer; by whoever has earned there. Seven days to vote, two days until it
/// can be carried out, 14 days until it lapses.
/// Votes: at most a tenth of what the pool had paid when the proposal was made counts for one account. Passed with more for
/// than against, and a tenth of what the pool had paid taking part.
/// Delegation: an account lets another vote for it in one Datanet. Each account votes once, itself or through its delegate.
/// Nobody can move money here: the contract holds none, and a Datanet's owner cannot take a bond, a claim or a version.
/// Self-dealing buys weight only at the price of the platform's share, the stakers' share and gas.
interface IDatanetGovernance {
    struct Founding {
        address founder;
        /// Unix seconds up to which the founder names curators alone.
        uint64 founderUntil;
    }

    struct Proposal {
        uint256 datanetId;
        address curator;
        bool allowed;
        bool executed;
        uint64 createdAt;
        /// What the pool had paid when the proposal was made, wei.
        uint128 paid;
        uint128 inFavour;
        uint128 against;
    }

    /// @notice A Datanet was founded.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param founder Who names curators alone until then.
    /// @param founderUntil Unix second until which the founder decides alone.
    event Founded(uint256 indexed datanetId, address indexed founder, uint64 founderUntil);
    /// @notice Somebody lets another vote.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param account Whose weight it is.
    /// @param delegate Who votes with it; zero for the account itself.
    event Delegated(uint256 indexed datanetId, address indexed account, address indexed delegate);
    /// @notice A curator was proposed.
    /// @param proposalId Id of the proposal, from 1.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param curator Account to name a curator, or to name none any more.
    /// @param allowed Whether it is to be a curator.
    /// @param proposer Who has weight in the Datanet, or a delegate's.
    event Proposed(
        uint256 indexed proposalId, uint256 indexed datanetId, address indexed curator, bool allowed, address proposer
    );
    /// @notice A vote was cast.
    /// @param proposalId Id of the proposal, from 1.
    /// @param account Whose weight counts.
    /// @param voter The account, or its delegate.
    /// @param support Whether it is in favour.
    /// @param weight What the account had claimed, at most a tenth of what all had, wei.
    event Voted(
        uint256 indexed proposalId, address indexed account, address indexed voter, bool support, uint128 weight
    );
    /// @notice A proposal was carried out.
    /// @param proposalId Id of the proposal, from 1.
    event Executed(uint256 indexed proposalId);

    /// @notice The founder's time is longer than the maximum, seconds.
    /// @param duration What was asked for, seconds.
    /// @param max The most that is allowed.
    error DatanetGovernance_FounderTimeTooLong(uint64 duration, uint64 max);
    /// @notice Only the founder, and only in its time.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param caller Who tried to.
    error DatanetGovernance_NotFounder(uint256 datanetId, address caller);
    /// @notice The account has claimed nothing from the Datanet's pool.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param account Who has none.
    error DatanetGovernance_NoWeight(uint256 datanetId, address account);
    /// @notice No proposal has this id.
    /// @param proposalId Id of the proposal, from 1.
    error DatanetGovernance_ProposalUnknown(uint256 proposalId);
    /// @notice Voting ended at `deadline`, Unix seconds.
    /// @param proposalId Id of the proposal, from 1.
    /// @param deadline Unix second until which it holds.
    error DatanetGovernance_VotingClosed(uint256 proposalId, uint256 deadline);
    /// @notice No accounts, or more than the maximum.
    /// @param count How many accounts were named.
    /// @param max The most that is allowed.
    error DatanetGovernance_BatchSize(uint256 count, uint256 max);
    /// @notice The caller is neither the account nor its delegate.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param account Whose vote was cast.
    /// @param caller Who cast it.
    error DatanetGovernance_NotDelegate(uint256 datanetId, address account, address caller);
    /// @notice The account has voted on this proposal.
    /// @param proposalId Id of the proposal, from 1.
    /// @param account Whose weight was counted before.
    error DatanetGovernance_VotedAlready(uint256 proposalId, address account);
    /// @notice It can be carried out from `from` until `until`, Unix seconds, and once.
    /// @param proposalId Id of the proposal, from 1.
    /// @param from First Unix second at which it can be carried out.
    /// @param until Unix second at which it ends.
    error DatanetGovernance_NotExecutable(uint256 proposalId, uint256 from, uint256 until);
    /// @notice Not enough took part, or not more for than against, wei.
    /// @param proposalId Id of the proposal, from 1.
    /// @param inFavour Weight in favour.
    /// @param against Weight against.
    /// @param quorum The least that must take part.
    error DatanetGovernance_NotPassed(uint256 proposalId, uint256 inFavour, uint256 against, uint256 quorum);

    /// @notice Creates a Datanet that this contract owns. The sender names curators alone for `founderSeconds`.
    /// @param params What the registry is given; curators included.
    /// @param founderSeconds Seconds for which the founder decides alone.
    /// @return datanetId Id of the new Datanet.
    function found(IDatanetRegistry.DatanetParams calldata params, uint64 founderSeconds)
        external
        returns (uint256 datanetId);
    /// @notice The founder names or dismisses a curator, in its time.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param curator Account to name a curator, or to name none any more.
    /// @param allowed Whether it is a curator from now on.
    function setCurator(uint256 datanetId, address curator, bool allowed) external;
    /// @notice The founder hands admission to a module, for example panels of reviewers, in its time and once for ever. From
    /// then on nobody's curators accept beyond what the module lets them.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param module Contract that admits contributions from now on, for good.
    function setAdmission(uint256 datanetId, IAdmission module) external;
    /// @notice Lets `delegate` vote for the sender in the Datanet; zero takes it back.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param delegate Who may vote for the sender; zero for nobody.
    function delegate(uint256 datanetId, address delegate) external;
    /// @notice Proposes to make `curator` a curator, or to end that.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param curator Account to name a curator, or to name none any more.
    /// @param allowed Whether it is to be a curator.
    /// @return proposalId Id of the new proposal.
    function propose(uint256 datanetId, address curator, bool allowed) external returns (uint256 proposalId);
    /// @notice Votes for each of the accounts: the sender itself, or accounts that delegated to it. At most 64.
    /// @param proposalId Id of the proposal, from 1.
    /// @param support Whether it is in favour.
    /// @param accounts The sender, or accounts that delegated to it; 1 to 64.
    /// @return weight The weight that was cast.
    function vote(uint256 proposalId, bool support, address[] calldata accounts) external returns (uint128 weight);
    /// @notice Carries out a proposal that passed. Anyone may call it.
    /// @param proposalId Id of the proposal, from 1.
    function execute(uint256 proposalId) external;

    /// @notice Who founded a Datanet, and until when it decides alone.
    /// @param datanetId Id of the Datanet at the registry.
    /// @return Founder, and until when it decides alone; all zero if it was founded elsewhere.
    function foundingOf(uint256 datanetId) external view returns (Founding memory);
    /// @notice A proposal.
    /// @param proposalId Id of the proposal, from 1.
    /// @return All that is stored of it.
    function proposalOf(uint256 proposalId) external view returns (Proposal memory);
    /// @notice Who votes for an account.
    /// @param datanetId Id of the Datanet at the registry.
    /// @param account Whose weight it is.
    /// @return The delegate; zero if there is none.
    function delegateOf(uint256 datanetId, address account) external view returns (address);
    /// @notice Whether an account's weight has been cast.
    /// @param proposalId Id of the proposal, from 1.
    /// @param account Whose weight it is.
    /// @return Whether its weight was counted.
    function hasVoted(uint256 proposalId, address account) external view returns (bool);
    /// @notice What the account's vote on the proposal weighs now, wei.
    /// @param proposalId Id of the proposal, from 1.
    /// @param account Whose weight it is.
    /// @return Wei that its vote counts for now.
    function weightOf(uint256 proposalId, address account) external view returns (uint128);
}
