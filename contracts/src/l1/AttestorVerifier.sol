// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAnchorStateRegistry} from "../interfaces/IAnchorStateRegistry.sol";
import {IAttestorVerifier} from "../interfaces/IAttestorVerifier.sol";
import {IProofDisputeGame} from "../interfaces/IProofDisputeGame.sol";
import {IVerifier} from "../interfaces/IVerifier.sol";
import {Attestation} from "../libraries/Attestation.sol";
import {GameStatus} from "../types/Dispute.sol";

/// @title AttestorVerifier
/// @notice Takes a range as proven when m of n staked attestors have signed its public values.
contract AttestorVerifier is IAttestorVerifier, EIP712, Ownable2Step {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    uint256 private constant ATTESTORS_MAX = 64;
    uint256 private constant SIGNATURE_LENGTH = 65;
    /// @dev Gets the half of a slash that nobody gets.
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IAttestorVerifier
    address public immutable open;
    /// @inheritdoc IAttestorVerifier
    IAnchorStateRegistry public immutable anchorStateRegistry;
    /// @inheritdoc IAttestorVerifier
    uint256 public immutable minStake;
    /// @inheritdoc IAttestorVerifier
    uint256 public immutable unbondingSeconds;
    /// @inheritdoc IAttestorVerifier
    uint256 public immutable rotationDelay;

    struct Set {
        address[] attestors;
        uint256 threshold;
        uint256 readyAt;
    }

    Set private _current;
    Set private _scheduled;
    mapping(address attestor => bool) private _isAttestor;
    mapping(address attestor => Stake) private _stakes;

    /// @custom:field disputeSeconds Longest time from a proposal to its finality.
    struct Init {
        address owner;
        address open;
        IAnchorStateRegistry registry;
        uint256 minStake;
        uint256 unbondingSeconds;
        uint256 disputeSeconds;
        uint256 rotationDelay;
        address[] attestors;
        uint256 threshold;
    }

    constructor(Init memory init) EIP712("OpenLedger attestations", "1") Ownable(init.owner) {
        if (init.unbondingSeconds <= 2 * init.disputeSeconds) {
            revert AttestorVerifier_UnbondingTooShort(init.unbondingSeconds, init.disputeSeconds);
        }
        open = init.open;
        anchorStateRegistry = init.registry;
        minStake = init.minStake;
        unbondingSeconds = init.unbondingSeconds;
        rotationDelay = init.rotationDelay;
        _checkSet(init.attestors, init.threshold);
        _scheduled = Set(init.attestors, init.threshold, block.timestamp);
        _apply();
    }

    // Proofs

    /// @inheritdoc IVerifier
    function verify(bytes32 programId, bytes calldata publicValues, bytes calldata proof) external view {
        if (proof.length % SIGNATURE_LENGTH != 0) revert AttestorVerifier_ProofLength(proof.length);
        uint256 count = proof.length / SIGNATURE_LENGTH;
        if (count < _current.threshold) revert AttestorVerifier_BelowThreshold(count, _current.threshold);

        bytes32 digest = digestOf(programId, publicValues);
        address last;
        for (uint256 i; i < count; ++i) {
            // Ascending signers, so none counts twice.
            address signer = _signer(digest, proof[i * SIGNATURE_LENGTH:(i + 1) * SIGNATURE_LENGTH], i);
            if (signer <= last) revert AttestorVerifier_InvalidSignature(i);
            if (!isActive(signer)) revert AttestorVerifier_NotActive(signer);
            last = signer;
        }
    }

    /// @inheritdoc IAttestorVerifier
    function digestOf(bytes32 programId, bytes memory publicValues) public view returns (bytes32) {
        return _hashTypedDataV4(Attestation.structHash(programId, publicValues));
    }

    /// @inheritdoc IVerifier
    function verifierType() external pure returns (string memory) {
        return "attestors";
    }

    function _signer(bytes32 digest, bytes calldata signature, uint256 index) private pure returns (address) {
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (fault != ECDSA.RecoverError.NoError) revert AttestorVerifier_InvalidSignature(index);
        return signer;
    }

    // The set

    /// @inheritdoc IAttestorVerifier
    function scheduleAttestors(address[] calldata newAttestors, uint256 newThreshold) external onlyOwner {
        _checkSet(newAttestors, newThreshold);
        _scheduled = Set(newAttestors, newThreshold, block.timestamp + rotationDelay);
        emit AttestorsScheduled(newAttestors, newThreshold, _scheduled.readyAt);
    }

    /// @inheritdoc IAttestorVerifier
    function applyAttestors() external {
        uint256 readyAt = _scheduled.readyAt;
        if (readyAt == 0 || block.timestamp < readyAt) revert AttestorVerifier_NotReady(readyAt);
        _apply();
    }

    function _apply() private {
        for (uint256 i; i < _current.attestors.length; ++i) {
            _isAttestor[_current.attestors[i]] = false;
        }
        _current = _scheduled;
        delete _scheduled;
        for (uint256 i; i < _current.attestors.length; ++i) {
            _isAttestor[_current.attestors[i]] = true;
        }
        emit AttestorsSet(_current.attestors, _current.threshold);
    }

    function _checkSet(address[] memory set, uint256 majority) private pure {
        if (set.length > ATTESTORS_MAX || majority > set.length || 2 * majority <= set.length) {
            revert AttestorVerifier_InvalidSet();
        }
        address last;
        for (uint256 i; i < set.length; ++i) {
            if (set[i] <= last) revert AttestorVerifier_InvalidSet();
            last = set[i];
        }
    }

    /// @inheritdoc IAttestorVerifier
    function attestors() external view returns (address[] memory) {
        return _current.attestors;
    }

    /// @inheritdoc IAttestorVerifier
    function threshold() external view returns (uint256) {
        return _current.threshold;
    }

    /// @inheritdoc IAttestorVerifier
    function scheduled() external view returns (address[] memory, uint256, uint256) {
        return (_scheduled.attestors, _scheduled.threshold, _scheduled.readyAt);
    }

    /// @inheritdoc IAttestorVerifier
    function isActive(address attestor) public view returns (bool) {
        Stake storage s = _stakes[attestor];
        return _isAttestor[attestor] && !s.slashed && s.bonded >= minStake;
    }

    // Stakes

    /// @inheritdoc IAttestorVerifier
    function stake(uint256 amount) external {
        // Check
        Stake storage s = _stakes[msg.sender];
        if (s.slashed) revert AttestorVerifier_Slashed(msg.sender);

        // Effect
        s.bonded += amount.toUint128();
        emit Staked(msg.sender, amount);

        // Interaction
        IERC20(open).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IAttestorVerifier
    function unbond(uint256 amount) external {
        Stake storage s = _stakes[msg.sender];
        if (s.bonded < amount) revert AttestorVerifier_StakeTooLow(s.bonded, amount);
        s.bonded -= amount.toUint128();
        s.unbonding += amount.toUint128();
        s.unbondedAt = (block.timestamp + unbondingSeconds).toUint64();
        emit Unbonding(msg.sender, amount, s.unbondedAt);
    }

    /// @inheritdoc IAttestorVerifier
    function unstake() external {
        // Check
        Stake storage s = _stakes[msg.sender];
        uint256 amount = s.unbonding;
        if (amount == 0 || block.timestamp < s.unbondedAt) revert AttestorVerifier_StillBonded(s.unbondedAt);

        // Effect
        s.unbonding = 0;
        emit Unstaked(msg.sender, amount);

        // Interaction
        IERC20(open).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IAttestorVerifier
    function stakeOf(address attestor) external view returns (Stake memory) {
        return _stakes[attestor];
    }

    // Faults

    /// @inheritdoc IAttestorVerifier
    function slashEquivocation(
        bytes32 programId,
        bytes calldata publicValues,
        bytes calldata signature,
        bytes calldata otherPublicValues,
        bytes calldata otherSignature
    ) external {
        address signer = _signer(digestOf(programId, publicValues), signature, 0);
        address otherSigner = _signer(digestOf(programId, otherPublicValues), otherSignature, 1);
        Attestation.Range memory a = abi.decode(publicValues, (Attestation.Range));
        Attestation.Range memory b = abi.decode(otherPublicValues, (Attestation.Range));
        if (
            signer != otherSigner || a.rootClaim == b.rootClaim || a.l1Head != b.l1Head
                || a.startingOutputRoot != b.startingOutputRoot || a.l2SequenceNumber != b.l2SequenceNumber
                || a.l2ChainId != b.l2ChainId
        ) revert AttestorVerifier_NoFault();
        _slash(signer);
    }

    /// @inheritdoc IAttestorVerifier
    function slashContradicted(IProofDisputeGame falseGame, IProofDisputeGame validGame, bytes calldata signature)
        external
    {
        // SOUNDNESS: only games that the factory made are asked; a game cannot misstate its own values.
        bool fallen = anchorStateRegistry.isGameRegistered(falseGame)
            && (falseGame.status() == GameStatus.CHALLENGER_WINS || anchorStateRegistry.isGameBlacklisted(falseGame));
        if (
            !fallen || !anchorStateRegistry.isGameClaimValid(validGame)
                || falseGame.l2SequenceNumber() != validGame.l2SequenceNumber()
                || falseGame.rootClaim() == validGame.rootClaim() || falseGame.l2ChainId() != validGame.l2ChainId()
        ) revert AttestorVerifier_NoFault();
        _slash(_signer(digestOf(falseGame.programId(), falseGame.publicValues()), signature, 0));
    }

    function _slash(address attestor) private {
        // Check
        Stake storage s = _stakes[attestor];
        uint256 amount = uint256(s.bonded) + s.unbonding;
        if (amount == 0) revert AttestorVerifier_NothingToSlash(attestor);

        // Effect
        _stakes[attestor] = Stake({bonded: 0, unbonding: 0, unbondedAt: 0, slashed: true});
        emit Slashed(attestor, msg.sender, amount);

        // Interaction
        IERC20(open).safeTransfer(msg.sender, amount / 2);
        IERC20(open).safeTransfer(BURN, amount - amount / 2);
    }
}
