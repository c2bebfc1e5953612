// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdmission} from "../../interfaces/IAdmission.sol";
import {IAttributionSettlement} from "../../interfaces/IAttributionSettlement.sol";
import {IDatanetGovernance} from "../../interfaces/IDatanetGovernance.sol";
import {IDatanetRegistry} from "../../interfaces/IDatanetRegistry.sol";
import {Errors} from "../../libraries/Errors.sol";

/// @title DatanetGovernance
/// @notice See {IDatanetGovernance}. It has no owner.
contract DatanetGovernance is IDatanetGovernance {
    /// @notice The longest time for which a founder decides alone, seconds.
    uint64 public constant FOUNDER_TIME_MAX = 365 days;
    /// @notice Seconds of a vote.
    uint64 public constant VOTING_PERIOD = 7 days;
    /// @notice Seconds between the end of a vote and what it decided.
    uint64 public constant EXECUTION_DELAY = 2 days;
    /// @notice Seconds in which what was decided can be carried out.
    uint64 public constant EXECUTION_GRACE = 14 days;
    /// @notice Accounts in one vote at most.
    uint256 public constant ACCOUNTS_MAX = 64;
    /// Of what the pool has paid: the most that counts for one account, and the least that must take part.
    uint256 public constant WEIGHT_BPS_MAX = 1_000;
    /// @notice Weight that must take part, in basis points of what was paid.
    uint256 public constant QUORUM_BPS = 1_000;

    /// @notice The registry of Datanets.
    IDatanetRegistry public immutable datanets;
    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;

    uint256 private _proposalCount;
    mapping(uint256 datanetId => Founding) private _foundings;
    mapping(uint256 datanetId => mapping(address account => address)) private _delegates;
    mapping(uint256 proposalId => Proposal) private _proposals;
    mapping(uint256 proposalId => mapping(address account => bool)) private _voted;

    constructor(IDatanetRegistry datanets_, IAttributionSettlement settlement_) {
        if (address(datanets_) == address(0) || address(settlement_) == address(0)) revert Errors.ZeroAddress();
        datanets = datanets_;
        settlement = settlement_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      FOUNDERS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetGovernance
    function found(IDatanetRegistry.DatanetParams calldata params, uint64 founderSeconds)
        external
        returns (uint256 datanetId)
    {
        // Check
        if (founderSeconds > FOUNDER_TIME_MAX) {
            revert DatanetGovernance_FounderTimeTooLong(founderSeconds, FOUNDER_TIME_MAX);
        }

        // Interaction with a contract that calls nobody, then Effect: only now is the id known
        uint64 until = uint64(block.timestamp) + founderSeconds;
        datanetId = datanets.createDatanet(params);
        _foundings[datanetId] = Founding({founder: msg.sender, founderUntil: until});
        emit Founded(datanetId, msg.sender, until);
    }

    /// @inheritdoc IDatanetGovernance
    function setCurator(uint256 datanetId, address curator, bool allowed) external {
        _onlyFounder(datanetId);
        datanets.setCurator(datanetId, curator, allowed);
    }

    /// @inheritdoc IDatanetGovernance
    function setAdmission(uint256 datanetId, IAdmission module) external {
        _onlyFounder(datanetId);
        datanets.setAdmission(datanetId, module);
    }

    function _onlyFounder(uint256 datanetId) private view {
        Founding storage f = _foundings[datanetId];
        if (msg.sender != f.founder || block.timestamp >= f.founderUntil) {
            revert DatanetGovernance_NotFounder(datanetId, msg.sender);
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                    CONTRIBUTORS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetGovernance
    function delegate(uint256 datanetId, address delegate_) external {
        _delegates[datanetId][msg.sender] = delegate_;
        emit Delegated(datanetId, msg.sender, delegate_);
    }

    /// @inheritdoc IDatanetGovernance
    function propose(uint256 datanetId, address curator, bool allowed) external returns (uint256 proposalId) {
        // Check
        if (curator == address(0)) revert Errors.ZeroAddress();
        if (settlement.claimedOf(datanetId, msg.sender) == 0) {
            revert DatanetGovernance_NoWeight(datanetId, msg.sender);
        }

        // Effect
        proposalId = ++_proposalCount;
        Proposal storage p = _proposals[proposalId];
        (p.datanetId, p.curator, p.allowed) = (datanetId, curator, allowed);
        p.createdAt = uint64(block.timestamp);
        p.paid = settlement.claimedFromPool(datanetId);
        emit Proposed(proposalId, datanetId, curator, allowed, msg.sender);
    }

    /// @inheritdoc IDatanetGovernance
    function vote(uint256 proposalId, bool support, address[] calldata accounts) external returns (uint128 weight) {
        // Check
        Proposal storage p = _existing(proposalId);
        uint256 deadline = p.createdAt + VOTING_PERIOD;
        if (block.timestamp >= deadline) revert DatanetGovernance_VotingClosed(proposalId, deadline);
        uint256 count = accounts.length;
        if (count == 0 || count > ACCOUNTS_MAX) revert DatanetGovernance_BatchSize(count, ACCOUNTS_MAX);

        // Check and Effect
        for (uint256 i; i < count; ++i) {
            weight += _vote(proposalId, p, support, accounts[i]);
        }
        if (support) p.inFavour += weight;
        else p.against += weight;
    }

    function _vote(uint256 proposalId, Proposal storage p, bool support, address account)
        private
        returns (uint128 weight)
    {
        // Check
        if (account != msg.sender && _delegates[p.datanetId][account] != msg.sender) {
            revert DatanetGovernance_NotDelegate(p.datanetId, account, msg.sender);
        }
        if (_voted[proposalId][account]) revert DatanetGovernance_VotedAlready(proposalId, account);
        weight = _weightOf(p, account);
        if (weight == 0) revert DatanetGovernance_NoWeight(p.datanetId, account);

        // Effect
        _voted[proposalId][account] = true;
        emit Voted(proposalId, account, msg.sender, support, weight);
    }

    /// @inheritdoc IDatanetGovernance
    function execute(uint256 proposalId) external {
        // Check
        Proposal storage p = _existing(proposalId);
        uint256 from = p.createdAt + VOTING_PERIOD + EXECUTION_DELAY;
        uint256 until = from + EXECUTION_GRACE;
        if (p.executed || block.timestamp < from || block.timestamp >= until) {
            revert DatanetGovernance_NotExecutable(proposalId, from, until);
        }
        uint256 quorum = uint256(p.paid) * QUORUM_BPS / 10_000;
        if (p.inFavour <= p.against || uint256(p.inFavour) + p.against < quorum) {
            revert DatanetGovernance_NotPassed(proposalId, p.inFavour, p.against, quorum);
        }

        // Effect
        p.executed = true;
        emit Executed(proposalId);

        // Interaction
        datanets.setCurator(p.datanetId, p.curator, p.allowed);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetGovernance
    function foundingOf(uint256 datanetId) external view returns (Founding memory) {
        return _foundings[datanetId];
    }

    /// @inheritdoc IDatanetGovernance
    function proposalOf(uint256 proposalId) external view returns (Proposal memory) {
        return _proposals[proposalId];
    }

    /// @inheritdoc IDatanetGovernance
    function delegateOf(uint256 datanetId, address account) external view returns (address) {
        return _delegates[datanetId][account];
    }

    /// @inheritdoc IDatanetGovernance
    function hasVoted(uint256 proposalId, address account) external view returns (bool) {
        return _voted[proposalId][account];
    }

    /// @inheritdoc IDatanetGovernance
    function weightOf(uint256 proposalId, address account) external view returns (uint128) {
        return _weightOf(_existing(proposalId), account);
    }

    /// @dev Claims only grow and belong to one account, so no snapshot is needed: what one vote counts cannot count again.
    function _weightOf(Proposal storage p, address account) private view returns (uint128) {
        uint128 claimed = settlement.claimedOf(p.datanetId, account);
        uint256 cap = uint256(p.paid) * WEIGHT_BPS_MAX / 10_000;
        // forge-lint: disable-next-line(unsafe-typecast)
        return claimed < cap ? claimed : uint128(cap);
    }

    function _existing(uint256 proposalId) private view returns (Proposal storage p) {
        p = _proposals[proposalId];
        if (p.createdAt == 0) revert DatanetGovernance_ProposalUnknown(proposalId);
    }
}
