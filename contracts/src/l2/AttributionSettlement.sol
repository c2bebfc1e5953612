// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Credit} from "../libraries/Credit.sol";
import {Errors} from "../libraries/Errors.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {MerkleSum} from "../libraries/MerkleSum.sol";
import {Shares} from "../libraries/Shares.sol";
import {Tally} from "../types/Tally.sol";

/// @title AttributionSettlement
/// @notice See {IAttributionSettlement}.
contract AttributionSettlement is IAttributionSettlement, EIP712, Ownable2Step, ReentrancyGuardTransient {
    using Credit for Credit.Book;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Models in an epoch at most.
    uint256 public constant MODELS_MAX = 64;
    /// @notice Pools in an epoch at most.
    uint256 public constant POOLS_MAX = 64;
    /// @notice Engines at most.
    uint256 public constant ENGINES_MAX = 32;
    /// @notice The platform's largest share in basis points of the fees.
    uint16 public constant PLATFORM_BPS_MAX = 1_500;
    /// @notice The longest challenge window, seconds.
    uint32 public constant CHALLENGE_WINDOW_MAX = 30 days;
    /// Half of a slashed bond goes here: out of reach, so that a poster who challenges itself still loses it.
    address public constant BURN = 0x000000000000000000000000000000000000dEaD;

    bytes32 private constant POST_TYPEHASH = keccak256(
        "EpochPost(uint64 epochId,address gateway,bytes32 engineSpecHash,bytes32 receiptsRoot,uint64 firstReceipt,uint32 receiptCount,bytes32 claimsRoot,uint128 claimsTotal,bytes32 modelsHash,bytes32 poolsHash)"
    );
    bytes32 private constant RECEIPT_TYPEHASH = keccak256(
        "InferenceReceipt(uint64 number,uint256 modelId,address customer,address gateway,bytes32 requestHash,bytes32 responseHash,uint32 tokensIn,uint32 tokensOut,uint128 fee,uint64 timestamp,bytes32 engineSpecHash,bytes32 adapterSetHash,bytes32 retrievalRoot)"
    );

    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "ClaimOrder(uint256 datanetId,address account,uint128 cumulative,address to,uint128 fee,uint64 deadline)"
    );

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct StoredEpoch {
        // slot 0
        address poster;
        EpochStatus status;
        uint16 platformBps;
        uint40 postedAt;
        uint32 receiptCount;
        // slot 1
        address gateway;
        uint40 deadline;
        // slot 2
        uint128 bond;
        uint128 fees;
        // slot 3
        uint128 residual;
        uint128 claimsTotal;
        // slots 4 to 7
        bytes32 postHash;
        bytes32 receiptsRoot;
        bytes32 claimsRoot;
        bytes32 engineSpecHash;
        // slot 8
        uint64 firstReceipt;
    }

    struct Gateway {
        // slot 0
        uint128 available;
        uint128 reserved;
        // slot 1
        uint64 nextReceipt;
    }

    // Structs of one word, for a place in storage that is computed once where it is read and written.
    struct Pool {
        Tally tally;
    }

    struct Claims {
        Tally tally;
    }

    /// What an epoch's fees come apart into; `platform + models + stakers + contributors + residual` is the fees.
    struct Totals {
        uint128 fees;
        uint128 platform;
        uint128 models;
        uint128 stakers;
        uint128 contributors;
        uint128 residual;
    }

    /// @notice The registry of models.
    IModelRegistry public immutable models;
    /// @notice The contract that rejects epochs.
    address public immutable dispute;
    /// @inheritdoc IAttributionSettlement
    uint32 public immutable challengeWindowMin;

    uint64 private _epochCount;
    uint64 private _lastActivated;
    /// What is held and promised to no contributor: funds of gateways, credits, the pending bond, what was set aside. What the
    /// contract holds beyond it is promised and unclaimed, so a claim need not count.
    uint128 private _apart;
    /// Root and total of the last activated epoch's claims, as one word: a claim need not read the epoch.
    bytes32 private _inForce;

    Parameters private _params;
    uint256 private _engineCount;

    mapping(address engine => bool) private _engines;
    mapping(uint64 epochId => StoredEpoch) private _epochs;
    mapping(address gateway => Gateway) private _gateways;
    /// What epochs have put into a Datanet's pool and what was claimed from it.
    mapping(uint256 datanetId => Pool) private _pools;
    /// What was claimed for an account and what of it the account has taken.
    mapping(uint256 datanetId => mapping(address account => Claims)) private _claims;
    Credit.Book private _credit;

    constructor(
        address owner_,
        IModelRegistry models_,
        address dispute_,
        uint32 challengeWindowMin_,
        Parameters memory params,
        address[] memory engines
    ) Ownable(owner_) {
        if (address(models_) == address(0) || dispute_ == address(0)) {
            revert Errors.ZeroAddress();
        }
        models = models_;
        dispute = dispute_;
        challengeWindowMin = challengeWindowMin_;
        for (uint256 i; i < engines.length; ++i) {
            _setEngine(engines[i], true);
        }
        _setParameters(params, challengeWindowMin_);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                     PARAMETERS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionSettlement
    function setEngine(address engine, bool allowed) external onlyOwner {
        _setEngine(engine, allowed);
        if (_engineCount < _params.threshold) {
            revert Errors.AttributionSettlement_EngineCount(_engineCount, _params.threshold, ENGINES_MAX);
        }
    }

    function _setEngine(address engine, bool allowed) private {
        // Check
        if (engine == address(0)) revert Errors.ZeroAddress();
        if (_engines[engine] == allowed) revert Errors.AttributionSettlement_EngineUnchanged(engine, allowed);
        uint256 count = allowed ? _engineCount + 1 : _engineCount - 1;
        if (count > ENGINES_MAX) {
            revert Errors.AttributionSettlement_EngineCount(count, _params.threshold, ENGINES_MAX);
        }

        // Effect
        _engines[engine] = allowed;
        _engineCount = count;
        emit EngineSet(engine, allowed);
    }

    /// @inheritdoc IAttributionSettlement
    function setParameters(Parameters calldata params) external onlyOwner {
        _setParameters(params, challengeWindowMin);
    }

    /// @dev The window's minimum is passed in, because the constructor cannot read an immutable.
    function _setParameters(Parameters memory p, uint32 windowMin) private {
        // Check
        _checkBounds("platformBps", p.platformBps, 0, PLATFORM_BPS_MAX);
        _checkBounds("threshold", p.threshold, 1, _engineCount);
        _checkBounds("challengeWindow", p.challengeWindow, windowMin, CHALLENGE_WINDOW_MAX);
        if (p.platform == address(0) || p.stakers == address(0) || p.sink == address(0)) revert Errors.ZeroAddress();

        // Effect
        _params = p;
        emit ParametersSet(p.platformBps, p.threshold, p.challengeWindow, p.bondMin, p.platform, p.stakers, p.sink);
    }

    function _checkBounds(string memory name, uint256 value, uint256 min, uint256 max) private pure {
        if (value < min || value > max) {
            revert Errors.AttributionSettlement_ParameterOutOfBounds(name, value, min, max);
        }
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EPOCHS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionSettlement
    function fund(address gateway) external payable {
        if (gateway == address(0)) revert Errors.ZeroAddress();
        // Native supply is bounded by what is locked on L1, far below 2^128.
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            _gateways[gateway].available += uint128(msg.value);
            _apart += uint128(msg.value);
        }
        emit Funded(gateway, msg.value);
    }

    /// @inheritdoc IAttributionSettlement
    function postEpoch(EpochPost calldata post, bytes[] calldata signatures) external payable {
        // Check
        _checkSequence(post);
        bytes32 digest = hashPost(post);
        _checkSignatures(digest, signatures);
        uint16 platformBps = _params.platformBps;
        Totals memory totals = _split(post, platformBps);
        _checkPools(post, totals.contributors);
        Gateway storage gateway = _gateways[post.gateway];
        if (totals.fees > gateway.available) {
            revert Errors.AttributionSettlement_Underfunded(post.gateway, totals.fees, gateway.available);
        }
        // The value is in the balance already.
        uint256 bondRequired = _bondFor(totals.fees, _unclaimed() - msg.value);
        if (msg.value < bondRequired) revert Errors.AttributionSettlement_BondTooSmall(msg.value, bondRequired);

        // Effect
        gateway.available -= totals.fees;
        gateway.reserved += totals.fees;
        _epochCount = post.epochId;
        StoredEpoch storage e = _epochs[post.epochId];
        e.poster = msg.sender;
        e.status = EpochStatus.Posted;
        e.platformBps = platformBps;
        e.receiptCount = post.receiptCount;
        e.gateway = post.gateway;
        // Timestamps fit 40 bits for 34,000 years, native value fits 128 bits.
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            e.postedAt = uint40(block.timestamp);
            e.deadline = uint40(block.timestamp + _params.challengeWindow);
            e.bond = uint128(msg.value);
            _apart += uint128(msg.value);
        }
        e.fees = totals.fees;
        e.residual = totals.residual;
        e.claimsTotal = post.claimsTotal;
        e.postHash = digest;
        e.receiptsRoot = post.receiptsRoot;
        e.claimsRoot = post.claimsRoot;
        e.engineSpecHash = post.engineSpecHash;
        e.firstReceipt = post.firstReceipt;
        emit EpochPosted(post.epochId, msg.sender, post, e.deadline, e.bond);
    }

    /// @dev INVARIANT: all that a false root could move is what the root in force promises and nobody has claimed, and what the epoch
    /// itself adds, which is out of its fees.
    function _bondFor(uint256 fees, uint256 unclaimed_) private view returns (uint256 bond) {
        bond = fees + unclaimed_;
        if (bond < _params.bondMin) bond = _params.bondMin;
    }

    function _checkSequence(EpochPost calldata post) private view {
        uint64 last = _epochCount;
        if (post.epochId != last + 1) revert Errors.AttributionSettlement_EpochNotNext(post.epochId, last + 1);
        if (_epochs[last].status == EpochStatus.Posted) revert Errors.AttributionSettlement_EpochPending(last);
        uint64 next = _gateways[post.gateway].nextReceipt;
        if (post.firstReceipt != next || post.receiptCount == 0) {
            revert Errors.AttributionSettlement_ReceiptsNotContiguous(post.firstReceipt, next, post.receiptCount);
        }
        if (
            post.receiptsRoot == bytes32(0) || post.engineSpecHash == bytes32(0)
                || (post.claimsRoot == bytes32(0)) != (post.claimsTotal == 0)
        ) revert Errors.AttributionSettlement_RootMissing();
        if (post.models.length == 0 || post.models.length > MODELS_MAX || post.pools.length > POOLS_MAX) {
            revert Errors.AttributionSettlement_ListLength(post.models.length, post.pools.length, MODELS_MAX);
        }
    }

    function _checkSignatures(bytes32 digest, bytes[] calldata signatures) private view {
        uint256 count = signatures.length;
        if (count < _params.threshold || count > _engineCount) {
            revert Errors.AttributionSettlement_SignatureCount(count, _params.threshold, _engineCount);
        }
        address previous;
        for (uint256 i; i < count; ++i) {
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer <= previous) revert Errors.AttributionSettlement_SignersNotAscending(previous, signer);
            if (!_engines[signer]) revert Errors.AttributionSettlement_NotEngine(signer);
            previous = signer;
        }
    }

    /// @dev Adds up the shares of all models and checks that none attributes more than its contributors' share.
    function _split(EpochPost calldata post, uint16 platformBps) private view returns (Totals memory totals) {
        uint256 previous;
        for (uint256 i; i < post.models.length; ++i) {
            ModelTotal calldata m = post.models[i];
            if (m.modelId <= previous) revert Errors.AttributionSettlement_ModelsNotAscending(previous, m.modelId);
            previous = m.modelId;
            (Shares.Split memory shares,) = _sharesOf(m, platformBps);
            if (m.attributed > shares.contributors) {
                revert Errors.AttributionSettlement_OverAttributed(m.modelId, m.attributed, shares.contributors);
            }
            _addUp(totals, m, shares);
        }
    }

    /// @dev `contributors` is what is attributed; the rest of the contributors' share is the residual.
    function _addUp(Totals memory totals, ModelTotal calldata m, Shares.Split memory shares) private pure {
        totals.fees += m.fees;
        totals.platform += shares.platform;
        totals.models += shares.model;
        totals.stakers += shares.stakers;
        totals.contributors += m.attributed;
        totals.residual += shares.contributors - m.attributed;
    }

    function _sharesOf(ModelTotal calldata m, uint16 platformBps)
        private
        view
        returns (Shares.Split memory shares, address payee)
    {
        IModelRegistry.Split memory split;
        (split, payee) = models.splitOf(m.modelId);
        shares = Shares.split(m.fees, platformBps, split.modelBps, split.stakersBps);
    }

    function _checkPools(EpochPost calldata post, uint128 attributed) private view {
        uint256 count = post.pools.length;
        uint256[] memory datanetIds = new uint256[](count);
        uint256 previous;
        uint128 sum;
        for (uint256 i; i < count; ++i) {
            PoolTotal calldata p = post.pools[i];
            if (p.datanetId <= previous) revert Errors.AttributionSettlement_PoolsNotAscending(previous, p.datanetId);
            if (p.amount == 0) revert Errors.AttributionSettlement_PoolEmpty(p.datanetId);
            previous = p.datanetId;
            datanetIds[i] = p.datanetId;
            sum += p.amount;
        }
        if (sum != attributed) revert Errors.AttributionSettlement_PoolsMismatch(attributed, sum);
        uint128 expected = _epochs[_lastActivated].claimsTotal + sum;
        if (post.claimsTotal != expected) {
            revert Errors.AttributionSettlement_ClaimsTotalMismatch(post.claimsTotal, expected);
        }
        if (count == 0) return;
        uint256[] memory modelIds = new uint256[](post.models.length);
        for (uint256 i; i < modelIds.length; ++i) {
            modelIds[i] = post.models[i].modelId;
        }
        uint256 unused = models.firstUnused(modelIds, datanetIds);
        if (unused != count) revert Errors.AttributionSettlement_PoolUnused(datanetIds[unused]);
    }

    /// @inheritdoc IAttributionSettlement
    function activate(EpochPost calldata post) external {
        // Check
        uint64 epochId = post.epochId;
        StoredEpoch storage e = _pending(epochId);
        bytes32 digest = hashPost(post);
        if (digest != e.postHash) revert Errors.AttributionSettlement_PostMismatch(epochId, digest, e.postHash);
        if (block.timestamp <= e.deadline) revert Errors.AttributionSettlement_WindowOpen(epochId, e.deadline);

        // Effect
        e.status = EpochStatus.Activated;
        _lastActivated = epochId;
        _inForce = MerkleSum.commit(post.claimsRoot, post.claimsTotal);
        Gateway storage gateway = _gateways[e.gateway];
        gateway.reserved -= e.fees;
        gateway.nextReceipt = e.firstReceipt + e.receiptCount;
        _credit.add(e.poster, e.bond);
        for (uint256 i; i < post.pools.length; ++i) {
            PoolTotal calldata p = post.pools[i];
            Pool storage pool = _pools[p.datanetId];
            pool.tally = pool.tally.raise(p.amount);
            emit PoolFunded(epochId, p.datanetId, p.amount);
        }
        Totals memory totals = _payModels(post, e.platformBps);
        // All other shares, and the bond, stay what they are not: contributors'.
        _apart -= totals.contributors;
        Parameters storage params = _params;
        _credit.add(params.platform, totals.platform);
        _credit.add(params.stakers, totals.stakers);
        _credit.add(params.sink, totals.residual);
        emit SharesPaid(epochId, params.platform, params.stakers, params.sink);
        emit EpochActivated(
            epochId, totals.platform, totals.models, totals.stakers, totals.contributors, totals.residual
        );
    }

    /// @dev Splits are immutable and the platform share is the epoch's, so this adds up to what was checked at the post.
    function _payModels(EpochPost calldata post, uint16 platformBps) private returns (Totals memory totals) {
        for (uint256 i; i < post.models.length; ++i) {
            ModelTotal calldata m = post.models[i];
            (Shares.Split memory shares, address payee) = _sharesOf(m, platformBps);
            uint128 own = shares.model - _payRoyalties(post.epochId, m.modelId, shares.model);
            _credit.add(payee, own);
            emit ModelPaid(post.epochId, m.modelId, payee, own);
            _addUp(totals, m, shares);
        }
    }

    /// @dev Debts are fixed at registration and at most 3,000 basis points together, so the model keeps the rest.
    function _payRoyalties(uint64 epochId, uint256 modelId, uint128 share) private returns (uint128 paid) {
        IModelRegistry.Royalty[] memory owed = models.royaltiesOf(modelId);
        for (uint256 i; i < owed.length; ++i) {
            IModelRegistry.Royalty memory r = owed[i];
            uint128 amount = Shares.bpsDown(share, r.bps);
            paid += amount;
            _credit.add(r.payee, amount);
            emit RoyaltyPaid(epochId, modelId, r.modelId, r.payee, amount);
        }
    }

    /// @inheritdoc IAttributionSettlement
    function rejectEpoch(uint64 epochId, address challenger, string calldata reason) external nonReentrant {
        // Check
        if (msg.sender != dispute) revert Errors.AttributionSettlement_NotDispute(msg.sender);
        StoredEpoch storage e = _pending(epochId);

        // Effect
        e.status = EpochStatus.Rejected;
        Gateway storage gateway = _gateways[e.gateway];
        gateway.reserved -= e.fees;
        gateway.available += e.fees;
        uint128 reward = e.bond / 2;
        uint128 burned = e.bond - reward;
        _apart -= burned;
        _credit.add(challenger, reward);
        emit EpochRejected(epochId, challenger, reward, burned, reason);

        // Interaction
        SafeTransferLib.safeTransferETH(BURN, burned);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      PAYMENTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionSettlement
    function claim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof)
        external
        nonReentrant
        returns (uint128 paid)
    {
        // Check and Effect
        paid = _claim(datanetId, account, cumulative, index, proof);

        // Interaction, then Effect: claims, withdrawals and skims are guarded, and whatever else an account did that refuses is undone.
        // Otherwise who refuses could leave its earnings promised for ever, and keep every poster's bond up. Where an account failed for
        // want of gas, a 64th of what it was given is left, too little for this; and what is set aside is there for the next claim.
        if (SafeTransferLib.trySafeTransferETH(account, paid, gasleft())) {
            emit Claimed(datanetId, account, account, paid, cumulative);
        } else {
            Claims storage claims = _claims[datanetId][account];
            claims.tally = claims.tally.unpay(paid);
            _apart += paid;
            emit SetAside(datanetId, account, paid);
            paid = 0;
        }
    }

    /// @inheritdoc IAttributionSettlement
    function claimFor(ClaimOrder calldata order, bytes calldata signature, uint256 index, ProofNode[] calldata proof)
        external
        nonReentrant
        returns (uint128 paid)
    {
        // Check
        if (order.to == address(0)) revert Errors.ZeroAddress();
        if (block.timestamp > order.deadline) revert Errors.AttributionSettlement_OrderExpired(order.deadline);
        if (
            msg.sender != order.account
                && !SignatureChecker.isValidSignatureNowCalldata(order.account, hashOrder(order), signature)
        ) revert Errors.AttributionSettlement_OrderInvalid(order.account);

        // Check and Effect
        paid = _claim(order.datanetId, order.account, order.cumulative, index, proof);
        if (order.fee > paid) revert Errors.AttributionSettlement_FeeTooHigh(order.fee, paid);
        emit Claimed(order.datanetId, order.account, order.to, paid, order.cumulative);

        // Interaction
        if (order.fee != 0) SafeTransferLib.safeTransferETH(msg.sender, order.fee);
        SafeTransferLib.safeTransferETH(order.to, paid - order.fee);
    }

    /// @dev Books the claim; the caller pays.
    function _claim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof)
        private
        returns (uint128 paid)
    {
        // Check
        if (!_isClaim(datanetId, account, cumulative, index, proof)) {
            revert Errors.AttributionSettlement_ProofInvalid(datanetId, account, cumulative);
        }
        Claims storage claims = _claims[datanetId][account];
        Tally claimed = claims.tally;
        uint128 increase;
        (paid, increase) = _due(claimed, cumulative);
        if (paid == 0) revert Errors.AttributionSettlement_NothingToClaim(datanetId, account, claimed.total());
        // INVARIANT: what pools were funded with is in all what the root in force promises (see {_checkPools}), so no root pays more
        // than it promises either.
        Pool storage pool = _pools[datanetId];
        Tally funds = pool.tally;
        if (increase > funds.left()) {
            revert Errors.AttributionSettlement_PoolInsolvent(datanetId, funds.left(), increase);
        }

        // Effect
        claims.tally = claimed.raiseAndPay(increase, paid);
        pool.tally = funds.pay(increase);
        if (paid != increase) _apart -= paid - increase;
    }

    /// @dev What a leaf of `cumulative` pays, and what of it comes out of the pool: the rest was set aside before.
    function _due(Tally claimed, uint128 cumulative) private pure returns (uint128 paid, uint128 increase) {
        uint128 before = claimed.total();
        unchecked {
            if (cumulative > before) increase = cumulative - before;
            // At most `cumulative`, or what was claimed before.
            paid = increase + claimed.left();
        }
    }

    /// @inheritdoc IAttributionSettlement
    function previewClaim(
        uint256 datanetId,
        address account,
        uint128 cumulative,
        uint256 index,
        ProofNode[] calldata proof
    ) external view returns (uint128) {
        if (!_isClaim(datanetId, account, cumulative, index, proof)) return 0;
        (uint128 paid, uint128 increase) = _due(_claims[datanetId][account].tally, cumulative);
        return increase > _pools[datanetId].tally.left() ? 0 : paid;
    }

    function _isClaim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof)
        private
        view
        returns (bool)
    {
        bytes32 leaf = MerkleSum.hashLeaf(datanetId, account, cumulative);
        (bool ok, bytes32 root, uint128 total) = MerkleSum.climb(leaf, cumulative, index, proof);
        return ok && MerkleSum.commit(root, total) == _inForce;
    }

    /// @inheritdoc IAttributionSettlement
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        // Before the money leaves: whoever it goes to may post.
        // forge-lint: disable-next-line(unsafe-typecast)
        _apart -= uint128(_credit.owed[msg.sender]);
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /// @inheritdoc IAttributionSettlement
    function skim(uint256[] calldata datanetIds) external nonReentrant returns (uint256 surplus) {
        // Check
        uint256 previous;
        uint128 funded;
        uint128 left;
        for (uint256 i; i < datanetIds.length; ++i) {
            uint256 id = datanetIds[i];
            if (id <= previous) revert Errors.AttributionSettlement_PoolsNotAscending(previous, id);
            previous = id;
            Tally pool = _pools[id].tally;
            funded += pool.total();
            left += pool.left();
        }
        // All pools are listed if they were funded with all that is promised.
        uint128 expected = _epochs[_lastActivated].claimsTotal;
        if (funded != expected) revert Errors.AttributionSettlement_PoolsMismatch(expected, funded);
        surplus = _unclaimed() - left;
        if (surplus == 0) revert Errors.NothingToWithdraw(address(this));

        // Effect
        address sink = _params.sink;
        // forge-lint: disable-next-line(unsafe-typecast)
        _apart += uint128(surplus);
        _credit.add(sink, surplus);
        emit Skimmed(sink, surplus);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IAttributionSettlement
    function nextEpochId() external view returns (uint64) {
        return _epochCount + 1;
    }

    /// @inheritdoc IAttributionSettlement
    function lastActivated() external view returns (uint64) {
        return _lastActivated;
    }

    /// @inheritdoc IAttributionSettlement
    function epoch(uint64 epochId) external view returns (Epoch memory) {
        StoredEpoch storage e = _epochs[epochId];
        return Epoch({
            status: e.status,
            poster: e.poster,
            postedAt: e.postedAt,
            deadline: e.deadline,
            bond: e.bond,
            fees: e.fees,
            residual: e.residual,
            postHash: e.postHash,
            receiptsRoot: e.receiptsRoot,
            claimsRoot: e.claimsRoot,
            claimsTotal: e.claimsTotal,
            firstReceipt: e.firstReceipt,
            receiptCount: e.receiptCount,
            engineSpecHash: e.engineSpecHash,
            gateway: e.gateway
        });
    }

    /// @inheritdoc IAttributionSettlement
    function platformBpsOf(uint64 epochId) external view returns (uint16) {
        return _epochs[epochId].platformBps;
    }

    /// @inheritdoc IAttributionSettlement
    function hashPost(EpochPost calldata post) public view returns (bytes32 digest) {
        bytes32 modelsHash = keccak256(abi.encode(post.models));
        bytes32 poolsHash = keccak256(abi.encode(post.pools));
        // In two halves, which concatenate to the encoding of all eleven words.
        bytes memory head = abi.encode(
            POST_TYPEHASH, post.epochId, post.gateway, post.engineSpecHash, post.receiptsRoot, post.firstReceipt
        );
        bytes memory tail = abi.encode(post.receiptCount, post.claimsRoot, post.claimsTotal, modelsHash, poolsHash);
        return _hashTypedData(keccak256(bytes.concat(head, tail)));
    }

    /// @inheritdoc IAttributionSettlement
    function hashOrder(ClaimOrder calldata order) public view returns (bytes32) {
        // Every member is static, so the struct encodes to its members in order.
        return _hashTypedData(keccak256(bytes.concat(ORDER_TYPEHASH, abi.encode(order))));
    }

    /// @inheritdoc IAttributionSettlement
    function hashReceipt(InferenceReceipt calldata receipt)
        external
        view
        returns (bytes32 receiptHash, bytes32 digest)
    {
        // Every member is static, so the struct encodes to its members in order.
        receiptHash = keccak256(bytes.concat(RECEIPT_TYPEHASH, abi.encode(receipt)));
        digest = _hashTypedData(receiptHash);
    }

    /// @inheritdoc IAttributionSettlement
    function containsReceipt(
        uint64 epochId,
        bytes32 receiptHash,
        bytes32 attributionHash,
        uint64 number,
        bytes32[] calldata proof
    ) external view returns (bool) {
        StoredEpoch storage e = _epochs[epochId];
        uint64 first = e.firstReceipt;
        if (number < first) return false;
        bytes32 node = Merkle.hashLeaf(keccak256(abi.encode(receiptHash, attributionHash)));
        return Merkle.verify(e.receiptsRoot, node, number - first, e.receiptCount, proof);
    }

    /// @inheritdoc IAttributionSettlement
    function nextReceiptOf(address gateway) external view returns (uint64) {
        return _gateways[gateway].nextReceipt;
    }

    /// @inheritdoc IAttributionSettlement
    function promised() external view returns (uint128) {
        return _epochs[_lastActivated].claimsTotal;
    }

    /// @inheritdoc IAttributionSettlement
    function unclaimed() external view returns (uint256) {
        return _unclaimed();
    }

    /// @inheritdoc IAttributionSettlement
    function bondFor(uint128 fees) external view returns (uint256) {
        return _bondFor(fees, _unclaimed());
    }

    function _unclaimed() private view returns (uint256) {
        return address(this).balance - _apart;
    }

    /// @inheritdoc IAttributionSettlement
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }

    /// @inheritdoc IAttributionSettlement
    function fundsOf(address gateway) external view returns (uint256 available, uint256 reserved) {
        Gateway storage g = _gateways[gateway];
        return (g.available, g.reserved);
    }

    /// @inheritdoc IAttributionSettlement
    function poolFunded(uint256 datanetId) external view returns (uint128) {
        return _pools[datanetId].tally.total();
    }

    /// @inheritdoc IAttributionSettlement
    function claimedFromPool(uint256 datanetId) external view returns (uint128) {
        return _pools[datanetId].tally.paid();
    }

    /// @inheritdoc IAttributionSettlement
    function claimedOf(uint256 datanetId, address account) external view returns (uint128) {
        return _claims[datanetId][account].tally.total();
    }

    /// @inheritdoc IAttributionSettlement
    function setAsideOf(uint256 datanetId, address account) external view returns (uint128) {
        return _claims[datanetId][account].tally.left();
    }

    /// @inheritdoc IAttributionSettlement
    function isEngine(address engine) external view returns (bool) {
        return _engines[engine];
    }

    /// @inheritdoc IAttributionSettlement
    function engineCount() external view returns (uint256) {
        return _engineCount;
    }

    /// @inheritdoc IAttributionSettlement
    function parameters()
        external
        view
        returns (
            uint16 platformBps,
            uint8 threshold,
            uint32 challengeWindow,
            uint128 bondMin,
            address platform,
            address stakers,
            address sink
        )
    {
        Parameters memory p = _params;
        return (p.platformBps, p.threshold, p.challengeWindow, p.bondMin, p.platform, p.stakers, p.sink);
    }

    function _pending(uint64 epochId) private view returns (StoredEpoch storage e) {
        e = _epochs[epochId];
        if (e.status != EpochStatus.Posted) {
            revert Errors.AttributionSettlement_EpochNotPending(epochId, e.status);
        }
    }

    /// @dev EIP-712 name and version.
    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("AttributionSettlement", "1");
    }
}
