// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IAttestorFaults} from "../interfaces/IAttestorFaults.sol";
import {IAttributionSettlement} from "../interfaces/IAttributionSettlement.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Errors} from "../libraries/Errors.sol";

/// @title AttestorFaults
/// @notice See {IAttestorFaults}. It has no owner and no storage.
contract AttestorFaults is IAttestorFaults {
    /// @notice Signatures under an epoch at most.
    uint256 public constant SIGNATURES_MAX = 32;

    /// @notice The settlement.
    IAttributionSettlement public immutable settlement;
    /// @notice Where attestors' stake is.
    IStaking public immutable staking;
    /// @inheritdoc IAttestorFaults
    uint32 public immutable reportWindow;
    /// @inheritdoc IAttestorFaults
    uint32 public immutable faultWindow;
    /// @inheritdoc IAttestorFaults
    uint16 public immutable slashBps;

    constructor(
        IAttributionSettlement settlement_,
        IStaking staking_,
        uint32 challengeWindow,
        uint32 reportWindow_,
        uint16 slashBps_
    ) {
        if (address(settlement_) == address(0) || address(staking_) == address(0)) {
            revert Errors.ZeroAddress();
        }
        if (slashBps_ == 0 || slashBps_ > 10_000) revert AttestorFaults_SlashOutOfBounds(slashBps_);
        settlement = settlement_;
        staking = staking_;
        reportWindow = reportWindow_;
        faultWindow = challengeWindow + reportWindow_;
        slashBps = slashBps_;
    }

    /// @inheritdoc IAttestorFaults
    function report(IAttributionSettlement.EpochPost calldata post, bytes[] calldata signatures)
        external
        returns (uint256 punished)
    {
        // Check
        uint64 epochId = post.epochId;
        uint256 count = signatures.length;
        if (count == 0 || count > SIGNATURES_MAX) revert AttestorFaults_SignatureCount(count, SIGNATURES_MAX);
        IAttributionSettlement.Epoch memory e = settlement.epoch(epochId);
        if (e.status != IAttributionSettlement.EpochStatus.Rejected) {
            revert AttestorFaults_NotRejected(epochId, e.status);
        }
        bytes32 digest = settlement.hashPost(post);
        if (digest != e.postHash) revert AttestorFaults_PostMismatch(epochId, digest, e.postHash);
        uint256 until = uint256(e.deadline) + reportWindow;
        if (block.timestamp > until) revert AttestorFaults_TooLate(epochId, until);

        // Interaction; each call is to the staking contract, which calls nobody but the burn address
        for (uint256 i; i < count; ++i) {
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (_punish(epochId, signer)) ++punished;
        }
    }

    function _punish(uint64 epochId, address signer) private returns (bool) {
        IStaking.Operator memory operator = staking.operatorOf(IStaking.Role.Attestor, signer);
        bytes32 fault = faultOf(epochId, signer);
        if (operator.tokens == 0 && operator.unbonding == 0) return false;
        if (staking.isPunished(address(this), fault)) return false;
        uint256 amount = staking.slash(IStaking.Role.Attestor, signer, slashBps, fault, msg.sender);
        emit AttestorPunished(epochId, signer, msg.sender, amount);
        return true;
    }

    /// @inheritdoc IAttestorFaults
    function faultOf(uint64 epochId, address attestor) public pure returns (bytes32) {
        return keccak256(abi.encode(epochId, attestor));
    }
}
