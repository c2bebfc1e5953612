// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

import {IAdmission} from "../interfaces/IAdmission.sol";
import {IDatanetRegistry} from "../interfaces/IDatanetRegistry.sol";
import {Credit} from "../libraries/Credit.sol";
import {Errors} from "../libraries/Errors.sol";
import {Licences} from "../libraries/Licences.sol";
import {Merkle} from "../libraries/Merkle.sol";
import {MerkleFrontier} from "../libraries/MerkleFrontier.sol";
import {Text} from "../libraries/Text.sol";

/// @title DatanetRegistry
/// @notice See {IDatanetRegistry}.
contract DatanetRegistry is IDatanetRegistry, ReentrancyGuardTransient {
    using Credit for Credit.Book;
    using MerkleFrontier for MerkleFrontier.Frontier;

    /*//////////////////////////////////////////////////////////////////////////
                                     CONSTANTS
    //////////////////////////////////////////////////////////////////////////*/

    /// @notice Length of a name at most, bytes.
    uint256 public constant NAME_LENGTH_MAX = 96;
    /// @notice Length of an SPDX identifier at most, bytes.
    uint256 public constant LICENCE_LENGTH_MAX = 64;
    /// @notice Length of other texts at most, bytes.
    uint256 public constant TEXT_LENGTH_MAX = 256;
    /// @notice Curators of a Datanet at most.
    uint256 public constant CURATORS_MAX = 16;
    /// @notice Edges of provenance at most.
    uint256 public constant EDGES_MAX = 16;
    /// @notice Contributions that one call accepts at most.
    uint256 public constant ACCEPT_BATCH_MAX = 64;
    /// @notice The shortest time to reveal, seconds. A sequencer can have L2 lead L1 by 1,800 s and leave a reveal to L1: what
    /// is forced in must still be in time, or a bond could be lost to censorship.
    uint32 public constant REVEAL_WINDOW_MIN = 1 hours;
    /// @notice The longest time to reveal, seconds.
    uint32 public constant REVEAL_WINDOW_MAX = 90 days;

    /// Gas a contributor's account may use to receive a bond. Enough for a wallet contract's receive function, and little
    /// enough that 64 hostile ones cannot fill an acceptance.
    uint256 private constant BOND_GAS_MAX = 50_000;

    /*//////////////////////////////////////////////////////////////////////////
                                      STORAGE
    //////////////////////////////////////////////////////////////////////////*/

    struct StoredContribution {
        // slot 0
        address contributor;
        Status status;
        uint32 chunkCount;
        uint32 byteLength;
        // slot 1
        uint64 datanetId;
        uint96 bond;
        uint40 committedAt;
        uint40 committedBlock;
        // slots 2 to 5
        bytes32 commitment;
        bytes32 contentHash;
        bytes32 chunkRoot;
        bytes32 sketchHash;
    }

    /// @inheritdoc IDatanetRegistry
    address public immutable sink;

    /// @inheritdoc IDatanetRegistry
    uint256 public datanetCount;
    /// @inheritdoc IDatanetRegistry
    uint256 public contributionCount;

    mapping(uint256 datanetId => Datanet) private _datanets;
    mapping(uint256 datanetId => mapping(address account => bool)) private _curators;
    mapping(uint256 datanetId => MerkleFrontier.Frontier) private _trees;
    mapping(uint256 datanetId => mapping(uint32 number => Version)) private _versions;
    mapping(uint256 contributionId => StoredContribution) private _contributions;
    Credit.Book private _credit;
    mapping(uint256 datanetId => IAdmission module) private _admissions;

    constructor(address sink_) {
        if (sink_ == address(0)) revert Errors.ZeroAddress();
        sink = sink_;
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      DATANETS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetRegistry
    function createDatanet(DatanetParams calldata params) external returns (uint256 datanetId) {
        // Check
        if (bytes(params.name).length == 0 || bytes(params.name).length > NAME_LENGTH_MAX) {
            revert Errors.DatanetRegistry_NameLength(bytes(params.name).length, NAME_LENGTH_MAX);
        }
        bytes calldata licence = bytes(params.licence);
        if (licence.length == 0 || licence.length > LICENCE_LENGTH_MAX || !Text.isPrintable(licence)) {
            revert Errors.DatanetRegistry_LicenceInvalid(params.licence, LICENCE_LENGTH_MAX);
        }
        if (params.licenceTextHash == bytes32(0)) revert Errors.DatanetRegistry_HashMissing();
        if (params.revealWindow < REVEAL_WINDOW_MIN || params.revealWindow > REVEAL_WINDOW_MAX) {
            revert Errors.DatanetRegistry_RevealWindowOutOfBounds(
                params.revealWindow, REVEAL_WINDOW_MIN, REVEAL_WINDOW_MAX
            );
        }
        if (params.curators.length > CURATORS_MAX) {
            revert Errors.DatanetRegistry_TooManyCurators(params.curators.length, CURATORS_MAX);
        }

        // Effect
        datanetId = ++datanetCount;
        Datanet storage d = _datanets[datanetId];
        d.owner = msg.sender;
        d.revealWindow = params.revealWindow;
        d.bond = params.bond;
        (d.derivatives, d.commercial, d.shareAlike) = Licences.termsOf(licence);
        d.licenceHash = keccak256(licence);
        d.licenceTextHash = params.licenceTextHash;
        d.schemaHash = params.schemaHash;
        emit DatanetCreated(
            datanetId, msg.sender, params.name, params.licence, params.licenceTextHash, params.schemaHash, params.bond
        );
        for (uint256 i; i < params.curators.length; ++i) {
            _setCurator(datanetId, params.curators[i], true);
        }
    }

    /// @inheritdoc IDatanetRegistry
    function setCurator(uint256 datanetId, address curator, bool allowed) external {
        if (_existing(datanetId).owner != msg.sender) {
            revert Errors.DatanetRegistry_NotOwner(datanetId, msg.sender);
        }
        _setCurator(datanetId, curator, allowed);
    }

    /// @inheritdoc IDatanetRegistry
    function setAdmission(uint256 datanetId, IAdmission module) external {
        // Check
        if (_existing(datanetId).owner != msg.sender) {
            revert Errors.DatanetRegistry_NotOwner(datanetId, msg.sender);
        }
        if (address(module) == address(0)) revert Errors.ZeroAddress();
        IAdmission current = _admissions[datanetId];
        if (address(current) != address(0)) revert Errors.DatanetRegistry_AdmissionFixed(datanetId, address(current));

        // Effect
        _admissions[datanetId] = module;
        emit AdmissionSet(datanetId, address(module));
    }

    function _setCurator(uint256 datanetId, address curator, bool allowed) private {
        if (curator == address(0)) revert Errors.ZeroAddress();
        if (_curators[datanetId][curator] == allowed) return;
        Datanet storage d = _datanets[datanetId];
        if (allowed) {
            if (d.curatorCount == CURATORS_MAX) {
                revert Errors.DatanetRegistry_TooManyCurators(CURATORS_MAX + 1, CURATORS_MAX);
            }
            ++d.curatorCount;
        } else {
            --d.curatorCount;
        }
        _curators[datanetId][curator] = allowed;
        emit CuratorSet(datanetId, curator, allowed);
    }

    /// @inheritdoc IDatanetRegistry
    function publishVersion(uint256 datanetId, bytes32 clusterMapRoot) external returns (uint32 number) {
        // Check
        Datanet storage d = _existing(datanetId);
        _onlyCurator(datanetId);
        if (d.acceptedCount == 0) revert Errors.DatanetRegistry_NothingAccepted(datanetId);
        if (clusterMapRoot == bytes32(0)) revert Errors.DatanetRegistry_HashMissing();

        // Effect
        uint32 parent = d.versionCount;
        number = parent + 1;
        d.versionCount = number;
        bytes32 root = _trees[datanetId].root();
        _versions[datanetId][number] = Version({
            parent: parent,
            contributionCount: d.acceptedCount,
            publishedAt: uint64(block.timestamp),
            contributionsRoot: root,
            clusterMapRoot: clusterMapRoot
        });
        emit VersionPublished(datanetId, number, d.acceptedCount, root, clusterMapRoot);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                   CONTRIBUTIONS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetRegistry
    function commit(uint256 datanetId, bytes32 commitment) external payable returns (uint256 contributionId) {
        // Check
        uint96 bond = _existing(datanetId).bond;
        if (msg.value != bond) revert Errors.DatanetRegistry_BondMismatch(msg.value, bond);
        if (commitment == bytes32(0)) revert Errors.DatanetRegistry_HashMissing();

        // Effect
        contributionId = ++contributionCount;
        StoredContribution storage c = _contributions[contributionId];
        c.contributor = msg.sender;
        c.status = Status.Committed;
        // Ids count creations, timestamps and block numbers reach 2^40 in no one's lifetime.
        // forge-lint: disable-next-item(unsafe-typecast)
        {
            c.datanetId = uint64(datanetId);
            c.committedAt = uint40(block.timestamp);
            c.committedBlock = uint40(block.number);
        }
        c.bond = bond;
        c.commitment = commitment;
        emit ContributionCommitted(datanetId, contributionId, msg.sender, commitment, _sequenceOf(contributionId));
    }

    /// @inheritdoc IDatanetRegistry
    function reveal(uint256 contributionId, Reveal calldata r) external {
        // Check
        StoredContribution storage c = _inStatus(contributionId, Status.Committed);
        if (c.contributor != msg.sender) revert Errors.DatanetRegistry_NotContributor(contributionId, msg.sender);
        if (block.number <= c.committedBlock) {
            revert Errors.DatanetRegistry_RevealTooEarly(contributionId, c.committedBlock);
        }
        uint256 datanetId = c.datanetId;
        uint256 deadline = uint256(c.committedAt) + _datanets[datanetId].revealWindow;
        if (block.timestamp > deadline) revert Errors.DatanetRegistry_RevealTooLate(contributionId, deadline);
        bytes32 revealed = commitmentOf(datanetId, msg.sender, r);
        if (revealed != c.commitment) {
            revert Errors.DatanetRegistry_CommitmentMismatch(contributionId, c.commitment, revealed);
        }
        _checkReveal(datanetId, contributionId, r);

        // Effect
        c.status = Status.Revealed;
        c.chunkCount = r.chunkCount;
        c.byteLength = r.byteLength;
        c.contentHash = r.contentHash;
        c.chunkRoot = r.chunkRoot;
        c.sketchHash = r.sketchHash;
        emit ContributionRevealed(datanetId, contributionId, msg.sender, r);
    }

    function _checkReveal(uint256 datanetId, uint256 contributionId, Reveal calldata r) private view {
        bytes32 licence = _datanets[datanetId].licenceHash;
        if (r.licenceHash != licence) revert Errors.DatanetRegistry_LicenceMismatch(licence, r.licenceHash);
        if (r.contentHash == bytes32(0) || r.chunkRoot == bytes32(0) || r.sketchHash == bytes32(0)) {
            revert Errors.DatanetRegistry_HashMissing();
        }
        if (r.chunkCount == 0 || r.byteLength < r.chunkCount) {
            revert Errors.DatanetRegistry_ContentEmpty(r.chunkCount, r.byteLength);
        }
        if (bytes(r.archive).length > TEXT_LENGTH_MAX) {
            revert Errors.DatanetRegistry_TextTooLong(bytes(r.archive).length, TEXT_LENGTH_MAX);
        }
        if (r.provenance.length > EDGES_MAX) {
            revert Errors.DatanetRegistry_TooManyEdges(r.provenance.length, EDGES_MAX);
        }
        for (uint256 i; i < r.provenance.length; ++i) {
            uint256 source = r.provenance[i];
            if (source == contributionId || _contributions[source].contentHash == bytes32(0)) {
                revert Errors.DatanetRegistry_ProvenanceUnknown(source);
            }
        }
    }

    /// @inheritdoc IDatanetRegistry
    function accept(uint256[] calldata contributionIds) external nonReentrant {
        uint256 count = contributionIds.length;
        if (count == 0 || count > ACCEPT_BATCH_MAX) revert Errors.DatanetRegistry_BatchSize(count, ACCEPT_BATCH_MAX);

        // Check and Effect, for all before any bond moves
        for (uint256 i; i < count; ++i) {
            uint256 contributionId = contributionIds[i];
            StoredContribution storage c = _inStatus(contributionId, Status.Revealed);
            uint256 datanetId = c.datanetId;
            _onlyAdmitting(datanetId, contributionId);
            c.status = Status.Accepted;
            uint256 index = _trees[datanetId].append(Merkle.hashLeaf(leafOf(contributionId)));
            // forge-lint: disable-next-line(unsafe-typecast)
            emit ContributionAccepted(datanetId, contributionId, uint32(index));
            ++_datanets[datanetId].acceptedCount;
        }

        // Interaction
        for (uint256 i; i < count; ++i) {
            _returnBond(contributionIds[i]);
        }
    }

    /// @inheritdoc IDatanetRegistry
    function reject(uint256 contributionId, string calldata reason) external nonReentrant {
        // Check
        StoredContribution storage c = _inStatus(contributionId, Status.Revealed);
        if (address(_admissions[c.datanetId]) == address(0)) _onlyCurator(c.datanetId);
        else _onlyAdmission(c.datanetId);
        _checkReason(reason);

        // Effect
        c.status = Status.Rejected;
        emit ContributionRejected(c.datanetId, contributionId, reason);

        // Interaction
        _returnBond(contributionId);
    }

    /// @inheritdoc IDatanetRegistry
    function rejectForFault(uint256 contributionId, address beneficiary, string calldata reason) external {
        // Check
        StoredContribution storage c = _inStatus(contributionId, Status.Revealed);
        _onlyAdmission(c.datanetId);
        _checkReason(reason);

        // Effect
        c.status = Status.Rejected;
        uint256 bond = c.bond;
        c.bond = 0;
        uint256 reward = beneficiary == address(0) ? 0 : bond / 2;
        _credit.add(beneficiary, reward);
        _credit.add(sink, bond - reward);
        emit ContributionRejected(c.datanetId, contributionId, reason);
        if (reward != 0) emit BondForfeited(contributionId, beneficiary, reward);
        emit BondForfeited(contributionId, sink, bond - reward);
    }

    function _checkReason(string calldata reason) private pure {
        if (bytes(reason).length > TEXT_LENGTH_MAX) {
            revert Errors.DatanetRegistry_TextTooLong(bytes(reason).length, TEXT_LENGTH_MAX);
        }
    }

    /// @inheritdoc IDatanetRegistry
    function expire(uint256 contributionId) external {
        // Check
        StoredContribution storage c = _inStatus(contributionId, Status.Committed);
        uint256 deadline = uint256(c.committedAt) + _datanets[c.datanetId].revealWindow;
        if (block.timestamp <= deadline) revert Errors.DatanetRegistry_RevealWindowOpen(contributionId, deadline);

        // Effect
        c.status = Status.Expired;
        uint256 bond = c.bond;
        c.bond = 0;
        _credit.add(sink, bond);
        emit ContributionExpired(c.datanetId, contributionId);
        emit BondForfeited(contributionId, sink, bond);
    }

    /// @inheritdoc IDatanetRegistry
    function tombstone(uint256 contributionId) external nonReentrant {
        // Check
        StoredContribution storage c = _known(contributionId);
        if (c.contributor != msg.sender) revert Errors.DatanetRegistry_NotContributor(contributionId, msg.sender);
        if (c.status != Status.Revealed && c.status != Status.Accepted) {
            revert Errors.DatanetRegistry_StatusInvalid(contributionId, c.status);
        }
        IAdmission module = _admissions[c.datanetId];
        if (c.status == Status.Revealed && address(module) != address(0) && module.isContested(contributionId)) {
            revert Errors.DatanetRegistry_Contested(contributionId);
        }

        // Effect
        c.status = Status.Tombstoned;
        emit ContributionTombstoned(c.datanetId, contributionId);

        // Interaction
        _returnBond(contributionId);
    }

    /// @dev Pushes the bond with bounded gas, or credits it: whoever decides on a contribution pays for no trap in the
    /// contributor's account. Does nothing once the bond has left.
    function _returnBond(uint256 contributionId) private {
        StoredContribution storage c = _contributions[contributionId];
        uint256 bond = c.bond;
        if (bond == 0) return;
        address contributor = c.contributor;

        // Effect
        c.bond = 0;
        emit BondReturned(contributionId, contributor, bond);

        // Interaction; the credit that follows a failed one is covered by the guard of every caller
        if (!SafeTransferLib.trySafeTransferETH(contributor, bond, BOND_GAS_MAX)) _credit.add(contributor, bond);
    }

    /// @inheritdoc IDatanetRegistry
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = _credit.withdraw(msg.sender, to);
        emit Withdrawn(msg.sender, to, amount);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       VIEWS
    //////////////////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDatanetRegistry
    function commitmentOf(uint256 datanetId, address contributor, Reveal calldata r) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid, address(this), datanetId, contributor, r.contentHash, r.chunkRoot, r.sketchHash, r.salt
            )
        );
    }

    /// @inheritdoc IDatanetRegistry
    function leafOf(uint256 contributionId) public view returns (bytes32) {
        StoredContribution storage c = _known(contributionId);
        if (c.contentHash == bytes32(0)) revert Errors.DatanetRegistry_StatusInvalid(contributionId, c.status);
        return keccak256(
            abi.encode(
                contributionId,
                c.contributor,
                c.contentHash,
                c.chunkRoot,
                c.chunkCount,
                c.sketchHash,
                _sequenceOf(contributionId)
            )
        );
    }

    /// @inheritdoc IDatanetRegistry
    function contribution(uint256 contributionId) external view returns (Contribution memory) {
        StoredContribution storage c = _known(contributionId);
        return Contribution({
            datanetId: c.datanetId,
            contributor: c.contributor,
            status: c.status,
            sequence: _sequenceOf(contributionId),
            committedAt: c.committedAt,
            bond: c.bond,
            commitment: c.commitment,
            contentHash: c.contentHash,
            chunkRoot: c.chunkRoot,
            chunkCount: c.chunkCount,
            byteLength: c.byteLength,
            sketchHash: c.sketchHash
        });
    }

    /// @inheritdoc IDatanetRegistry
    function contributionsRoot(uint256 datanetId) external view returns (bytes32) {
        _existing(datanetId);
        return _trees[datanetId].root();
    }

    /// @inheritdoc IDatanetRegistry
    function datanet(uint256 datanetId) external view returns (Datanet memory) {
        return _existing(datanetId);
    }

    /// @inheritdoc IDatanetRegistry
    function ownerOf(uint256 datanetId) external view returns (address) {
        return _existing(datanetId).owner;
    }

    /// @inheritdoc IDatanetRegistry
    function licenceOf(uint256 datanetId) external view returns (bytes32 licenceHash) {
        return _existing(datanetId).licenceHash;
    }

    /// @inheritdoc IDatanetRegistry
    function licenceTermsOf(uint256 datanetId)
        external
        view
        returns (bool derivatives, bool commercial, bool shareAlike)
    {
        Datanet storage d = _existing(datanetId);
        return (d.derivatives, d.commercial, d.shareAlike);
    }

    /// @inheritdoc IDatanetRegistry
    function isCurator(uint256 datanetId, address account) public view returns (bool) {
        return _existing(datanetId).owner == account || _curators[datanetId][account];
    }

    /// @inheritdoc IDatanetRegistry
    function admissionOf(uint256 datanetId) external view returns (IAdmission) {
        _existing(datanetId);
        return _admissions[datanetId];
    }

    /// @inheritdoc IDatanetRegistry
    function acceptedCount(uint256 datanetId) external view returns (uint32) {
        return _existing(datanetId).acceptedCount;
    }

    /// @inheritdoc IDatanetRegistry
    function versionCount(uint256 datanetId) external view returns (uint32) {
        return _existing(datanetId).versionCount;
    }

    /// @inheritdoc IDatanetRegistry
    function version(uint256 datanetId, uint32 number) external view returns (Version memory) {
        if (number == 0 || number > _existing(datanetId).versionCount) {
            revert Errors.DatanetRegistry_VersionUnknown(datanetId, number);
        }
        return _versions[datanetId][number];
    }

    /// @inheritdoc IDatanetRegistry
    function credit(address account) external view returns (uint256) {
        return _credit.owed[account];
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       CHECKS
    //////////////////////////////////////////////////////////////////////////*/

    function _existing(uint256 datanetId) private view returns (Datanet storage d) {
        d = _datanets[datanetId];
        if (d.owner == address(0)) revert Errors.DatanetRegistry_DatanetUnknown(datanetId);
    }

    function _known(uint256 contributionId) private view returns (StoredContribution storage c) {
        c = _contributions[contributionId];
        if (c.contributor == address(0)) revert Errors.DatanetRegistry_ContributionUnknown(contributionId);
    }

    /// @dev Ids are given out in the order of commitments, so the id is the place in that order.
    function _sequenceOf(uint256 contributionId) private pure returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(contributionId);
    }

    function _inStatus(uint256 contributionId, Status status) private view returns (StoredContribution storage c) {
        c = _known(contributionId);
        if (c.status != status) revert Errors.DatanetRegistry_StatusInvalid(contributionId, c.status);
    }

    function _onlyCurator(uint256 datanetId) private view {
        if (!isCurator(datanetId, msg.sender)) revert Errors.DatanetRegistry_NotCurator(datanetId, msg.sender);
    }

    /// @dev Without a module curators decide. With one the module does, and a curator only as far as it lets them.
    function _onlyAdmitting(uint256 datanetId, uint256 contributionId) private view {
        IAdmission module = _admissions[datanetId];
        if (msg.sender == address(module)) return;
        _onlyCurator(datanetId);
        if (address(module) != address(0) && !module.curatorsMayAccept(datanetId, contributionId)) {
            revert Errors.DatanetRegistry_NotAdmission(datanetId, msg.sender);
        }
    }

    function _onlyAdmission(uint256 datanetId) private view {
        if (msg.sender != address(_admissions[datanetId])) {
            revert Errors.DatanetRegistry_NotAdmission(datanetId, msg.sender);
        }
    }
}
