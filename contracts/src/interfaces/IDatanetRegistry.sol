// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IDatanetRegistry
/// @notice Datanets and the contributions in them. A contribution is committed first and revealed later, so that
/// neither a lone sequencer nor an observer of the pool can steal the priority of somebody's data: priority is the
/// order of *commitments* (`sequence`), and only a valid reveal makes a commitment count.
interface IDatanetRegistry {
    enum Status {
        None,
        Committed,
        Revealed,
        Accepted,
        Rejected,
        Expired,
        Tombstoned
    }

    struct DatanetParams {
        string name;
        /// SPDX identifier of the licence that every contribution must carry.
        string licence;
        /// keccak256 of the legal text.
        bytes32 licenceTextHash;
        /// keccak256 of the schema document.
        bytes32 schemaHash;
        /// Bond in wei per contribution, refunded on acceptance (and on rejection without fault).
        uint96 bond;
        /// Seconds from commit within which a reveal is valid; at least one block must pass between the two.
        uint32 revealWindow;
        /// May accept, reject and publish versions, beside the owner.
        address[] curators;
    }

    /// What the contributor reveals. `contentHash` is keccak256 of the normalised document bytes, `chunkRoot` the
    /// Merkle root of its chunks, `sketchHash` keccak256 of its MinHash sketch (docs/formats.md).
    struct Reveal {
        bytes32 contentHash;
        bytes32 chunkRoot;
        uint32 chunkCount;
        uint32 byteLength;
        bytes32 sketchHash;
        /// keccak256 of the SPDX identifier; must equal the Datanet's licence.
        bytes32 licenceHash;
        /// Contribution ids this one derives from.
        uint256[] provenance;
        /// Where the content is archived, e.g. a URL or content id; at most 256 bytes.
        string archive;
        bytes32 salt;
    }

    struct Contribution {
        uint256 datanetId;
        address contributor;
        Status status;
        /// Position in the registry-wide order of commitments; lower is earlier.
        uint64 sequence;
        uint64 committedAt;
        uint96 bond;
        bytes32 commitment;
        bytes32 contentHash;
        bytes32 chunkRoot;
        uint32 chunkCount;
        uint32 byteLength;
        bytes32 sketchHash;
    }

    struct Version {
        /// Number of the version it follows, 0 for the first.
        uint32 parent;
        uint32 contributionCount;
        uint64 publishedAt;
        /// Merkle root over the accepted contributions, in acceptance order (computed on chain).
        bytes32 contributionsRoot;
        /// Merkle root over (contributionId, clusterId), see docs/formats.md; recomputed by auditors.
        bytes32 clusterMapRoot;
    }

    event DatanetCreated(uint256 indexed datanetId, address indexed owner, string name, string licence, bytes32 licenceTextHash, bytes32 schemaHash, uint96 bond);
    event CuratorSet(uint256 indexed datanetId, address indexed curator, bool allowed);
    event ContributionCommitted(uint256 indexed datanetId, uint256 indexed contributionId, address indexed contributor, bytes32 commitment, uint64 sequence);
    event ContributionRevealed(uint256 indexed datanetId, uint256 indexed contributionId, address indexed contributor, Reveal reveal);
    event ContributionAccepted(uint256 indexed datanetId, uint256 indexed contributionId, uint32 index);
    event ContributionRejected(uint256 indexed datanetId, uint256 indexed contributionId, string reason);
    event ContributionExpired(uint256 indexed datanetId, uint256 indexed contributionId);
    event ContributionTombstoned(uint256 indexed datanetId, uint256 indexed contributionId);
    event VersionPublished(uint256 indexed datanetId, uint32 indexed version, uint32 contributionCount, bytes32 contributionsRoot, bytes32 clusterMapRoot);
    event BondReturned(uint256 indexed contributionId, address indexed to, uint256 amount);

    function createDatanet(DatanetParams calldata params) external returns (uint256 datanetId);
    function setCurator(uint256 datanetId, address curator, bool allowed) external;
    /// @notice The commitment of `reveal` by `contributor`:
    /// keccak256(abi.encode(block.chainid, address(this), datanetId, contributor, contentHash, chunkRoot, sketchHash, salt)).
    function commitmentOf(uint256 datanetId, address contributor, Reveal calldata reveal) external view returns (bytes32);
    function commit(uint256 datanetId, bytes32 commitment) external payable returns (uint256 contributionId);
    function reveal(uint256 contributionId, Reveal calldata r) external;
    function accept(uint256[] calldata contributionIds) external;
    function reject(uint256 contributionId, string calldata reason) external;
    /// @notice Anyone may expire a commitment whose reveal window closed; its bond goes to the protocol's sink.
    function expire(uint256 contributionId) external;
    /// @notice Consent withdrawn: the contribution has weight zero from the next version; earned claims stay.
    function tombstone(uint256 contributionId) external;
    function publishVersion(uint256 datanetId, bytes32 clusterMapRoot) external returns (uint32 version);

    function datanetCount() external view returns (uint256);
    function contributionCount() external view returns (uint256);
    function ownerOf(uint256 datanetId) external view returns (address);
    function licenceOf(uint256 datanetId) external view returns (bytes32 licenceHash);
    function isCurator(uint256 datanetId, address account) external view returns (bool);
    function contribution(uint256 contributionId) external view returns (Contribution memory);
    function acceptedCount(uint256 datanetId) external view returns (uint32);
    function versionCount(uint256 datanetId) external view returns (uint32);
    function version(uint256 datanetId, uint32 number) external view returns (Version memory);
}
