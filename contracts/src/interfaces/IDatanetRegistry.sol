// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAdmission} from "./IAdmission.sol";

/// @title IDatanetRegistry
/// @notice Datanets and the contributions in them. A contribution is committed first and revealed later, so that
/// neither a lone sequencer nor an observer of the pool can steal the priority of somebody's data: priority is the
/// order of *commitments* (`sequence`), and only a valid reveal makes a commitment count.
/// @dev Trust and liveness. The owner and the curators of a Datanet decide what is accepted and which cluster map a
/// version carries; they can neither change a version, nor an accepted contribution, nor take a bond: every way out of
/// review returns it to the contributor, and only a commitment that is never revealed loses it. A Datanet may hand
/// admission to a module, once and for ever: then the module accepts and rejects, curators accept only as far as it lets
/// them, and a contribution that the module finds at fault loses its bond too. Identical content may be
/// revealed twice; the cluster map decides by `sequence` who is paid, so copying earns nothing and suppresses nobody.
/// Arrays are bounded: curators 16, ids per acceptance 64, provenance edges 16.
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
        /// SPDX identifier of the licence that every contribution must carry, 1 to 64 characters without spaces. A segment
        /// `ND` between hyphens forbids models over the Datanet, `NC` forbids selling them.
        string licence;
        /// keccak256 of the legal text.
        bytes32 licenceTextHash;
        /// keccak256 of the schema document.
        bytes32 schemaHash;
        /// Bond in wei per contribution, refunded on acceptance (and on rejection without fault).
        uint96 bond;
        /// Seconds from commit within which a reveal is valid, 1 hour to 90 days; a reveal is refused in the block of
        /// its commitment, so the commitment is ordered before anyone can see what it hides.
        uint32 revealWindow;
        /// May accept, reject and publish versions, beside the owner.
        address[] curators;
    }

    /// What the contributor reveals. `contentHash` is keccak256 of the normalised document bytes, `chunkRoot` the
    /// Merkle root of its chunks, `sketchHash` keccak256 of its MinHash sketch (docs/formats/attribution.md).
    struct Reveal {
        bytes32 contentHash;
        bytes32 chunkRoot;
        uint32 chunkCount;
        uint32 byteLength;
        bytes32 sketchHash;
        /// keccak256 of the SPDX identifier; must equal the Datanet's licence.
        bytes32 licenceHash;
        /// Contribution ids this one derives from, at most 16, each revealed already.
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

    /// What never changes about a Datanet, and its counters.
    struct Datanet {
        address owner;
        uint32 acceptedCount;
        uint32 versionCount;
        uint32 revealWindow;
        uint96 bond;
        uint8 curatorCount;
        /// False when the licence forbids derived works: no model may refer to the Datanet.
        bool derivatives;
        /// False when the licence forbids commercial use: models over the Datanet have prices of zero.
        bool commercial;
        /// True when the licence has to be that of what is derived: models over the Datanet have the same one.
        bool shareAlike;
        bytes32 licenceHash;
        bytes32 licenceTextHash;
        bytes32 schemaHash;
    }

    struct Version {
        /// Number of the version it follows, 0 for the first.
        uint32 parent;
        uint32 contributionCount;
        uint64 publishedAt;
        /// Merkle root over the accepted contributions, in acceptance order (computed on chain).
        bytes32 contributionsRoot;
        /// Merkle root over (contributionId, clusterId), see docs/formats/attribution.md; recomputed by auditors.
        bytes32 clusterMapRoot;
    }

    /// @notice A Datanet was created.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param owner Who created it, and names curators and the admission module.
    /// @param name Its name, 1 to 96 bytes.
    /// @param licence SPDX identifier of the licence.
    /// @param licenceTextHash Hash of the legal text.
    /// @param schemaHash keccak256 of the schema document.
    /// @param bond Bond of each contribution, wei.
    event DatanetCreated(
        uint256 indexed datanetId,
        address indexed owner,
        string name,
        string licence,
        bytes32 licenceTextHash,
        bytes32 schemaHash,
        uint96 bond
    );
    /// @notice A curator was named, or is none any more.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param curator Account named, or named no more.
    /// @param allowed Whether it is a curator from now on.
    event CuratorSet(uint256 indexed datanetId, address indexed curator, bool allowed);
    /// @notice Somebody committed to a contribution.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param contributor Sender of the commitment, the only one who can reveal it.
    /// @param commitment Hash of what is opened later.
    /// @param sequence Its place in the order of commitments.
    event ContributionCommitted(
        uint256 indexed datanetId,
        uint256 indexed contributionId,
        address indexed contributor,
        bytes32 commitment,
        uint64 sequence
    );
    /// @notice A contribution was revealed.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param contributor Who committed to it.
    /// @param reveal All that was opened, the salt included.
    event ContributionRevealed(
        uint256 indexed datanetId, uint256 indexed contributionId, address indexed contributor, Reveal reveal
    );
    /// @notice A contribution was accepted.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param index Its leaf in the Datanet's tree, from 0.
    event ContributionAccepted(uint256 indexed datanetId, uint256 indexed contributionId, uint32 index);
    /// @notice A contribution was rejected.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param reason What the curator or the module says, at most 256 bytes.
    event ContributionRejected(uint256 indexed datanetId, uint256 indexed contributionId, string reason);
    /// @notice A commitment was not revealed in time.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    event ContributionExpired(uint256 indexed datanetId, uint256 indexed contributionId);
    /// @notice A contributor withdrew consent.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    event ContributionTombstoned(uint256 indexed datanetId, uint256 indexed contributionId);
    /// @notice A version was published.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param version Number of the version in its Datanet, from 1.
    /// @param contributionCount Leaves under the root, those tombstoned before included.
    /// @param contributionsRoot Root of the tree of contributions.
    /// @param clusterMapRoot Root of the cluster map.
    event VersionPublished(
        uint256 indexed datanetId,
        uint32 indexed version,
        uint32 contributionCount,
        bytes32 contributionsRoot,
        bytes32 clusterMapRoot
    );
    /// @notice The bond left review. `to` received it, or, if it could not receive it cheaply, holds it as credit.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param to The contributor.
    /// @param amount The bond, wei.
    event BondReturned(uint256 indexed contributionId, address indexed to, uint256 amount);
    /// @notice A bond was forfeited.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param sink Who has it as credit: the sink, or who showed the fault.
    /// @param amount This one's part of the bond, wei.
    event BondForfeited(uint256 indexed contributionId, address indexed sink, uint256 amount);
    /// @notice The Datanet's contributions are admitted by `module` from now on.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param module Contract that decides from now on, for good.
    event AdmissionSet(uint256 indexed datanetId, address indexed module);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Creates a Datanet owned by the sender. Ids start at 1.
    /// @param params Name, licence, bond, window and first curators, checked against the bounds at their fields.
    /// @return datanetId Id of the new Datanet.
    function createDatanet(DatanetParams calldata params) external returns (uint256 datanetId);
    /// @notice Adds or removes a curator; only the Datanet's owner. At most 16 at a time.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param curator Account to name, or to name no more; not zero.
    /// @param allowed Whether it is a curator from now on.
    function setCurator(uint256 datanetId, address curator, bool allowed) external;
    /// @notice The commitment of `reveal` by `contributor`:
    /// keccak256(abi.encode(block.chainid, address(this), datanetId, contributor, contentHash, chunkRoot, sketchHash, salt)).
    /// @param datanetId Id of the Datanet, from 1.
    /// @param contributor Account that will send `commit` and `reveal`, aliased if it is a contract on L1.
    /// @param reveal What will be opened; licence, provenance and archive are not part of the commitment.
    /// @return The hash to commit to.
    function commitmentOf(uint256 datanetId, address contributor, Reveal calldata reveal)
        external
        view
        returns (bytes32);
    /// @notice Commits to a contribution. The value must be the Datanet's bond. Commitments take the next `sequence`.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param commitment Hash of what is opened later.
    /// @return contributionId Id of the contribution, which is its place in the order.
    function commit(uint256 datanetId, bytes32 commitment) external payable returns (uint256 contributionId);
    /// @notice Opens a commitment: only its sender, from the next block on, until the reveal window closes.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param r What was committed to, with licence, provenance and archive.
    function reveal(uint256 contributionId, Reveal calldata r) external;
    /// @notice Takes revealed contributions into the Datanet's tree, in the order given, and returns their bonds. Each
    /// must belong to a Datanet that the sender owns or curates. At most 64 at a time.
    /// @param contributionIds 1 to 64 ids, each revealed and listed once.
    function accept(uint256[] calldata contributionIds) external;
    /// @notice Declines a revealed contribution and returns its bond: a curator, or the admission module where there is one.
    /// The reason, at most 256 bytes, is public.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param reason For the contributor and everybody else, at most 256 bytes.
    function reject(uint256 contributionId, string calldata reason) external;
    /// @notice Hands admission to a module (a panel of reviewers, for example); only the Datanet's owner, and only once, so
    /// that contributors know who decides before they put up a bond.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param module Contract that decides; not zero.
    function setAdmission(uint256 datanetId, IAdmission module) external;
    /// @notice Declines a revealed contribution for a fault; only the admission module. Half of the bond is credited to
    /// `beneficiary` (none when it is zero), the rest to the sink. The reason, at most 256 bytes, is public.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @param beneficiary Who showed the fault and has half of the bond as credit; zero for nobody.
    /// @param reason The fault, at most 256 bytes.
    function rejectForFault(uint256 contributionId, address beneficiary, string calldata reason) external;
    /// @notice Anyone may expire a commitment whose reveal window closed; its bond goes to the protocol's sink.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    function expire(uint256 contributionId) external;
    /// @notice Consent withdrawn, only by the contributor: the contribution has weight zero from the next version; earned
    /// claims stay. Before acceptance this leaves review and returns the bond, so nobody can hold a bond by not deciding; not
    /// while the admission module has a case open about it, which it closes within its own bounds of time.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    function tombstone(uint256 contributionId) external;
    /// @notice Freezes the accepted contributions under the next version number (from 1). Owner or curator.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param clusterMapRoot Root of the cluster map.
    /// @return version The version.
    function publishVersion(uint256 datanetId, bytes32 clusterMapRoot) external returns (uint32 version);

    /// @notice Pays the sender's credit: bonds that could not be pushed and, for the sink, forfeited ones.
    /// @param to Who is paid.
    /// @return amount Wei of OPEN.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice Number of Datanets; ids count them from 1.
    /// @return Id of the Datanet created last; zero before the first.
    function datanetCount() external view returns (uint256);
    /// @notice Number of commitments so far; ids count them from 1.
    /// @return Id of the commitment made last, revealed or not; zero before the first.
    function contributionCount() external view returns (uint256);
    /// @notice A Datanet's owner.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Its owner; never zero.
    function ownerOf(uint256 datanetId) external view returns (address);
    /// @notice Hash of a Datanet's SPDX identifier.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return licenceHash keccak256 of the identifier.
    function licenceOf(uint256 datanetId) external view returns (bytes32 licenceHash);
    /// @notice What the licence of the Datanet allows, as read from its SPDX identifier at creation.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return derivatives Whether models may be derived from it.
    /// @return commercial Whether what is made of it may be sold.
    /// @return shareAlike Whether what is made of it has to be under the same licence.
    function licenceTermsOf(uint256 datanetId)
        external
        view
        returns (bool derivatives, bool commercial, bool shareAlike);
    /// @notice A Datanet.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return All that is stored of it.
    function datanet(uint256 datanetId) external view returns (Datanet memory);
    /// @notice The module that admits contributions, zero when curators do.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return The contract; zero if curators decide.
    function admissionOf(uint256 datanetId) external view returns (IAdmission);
    /// @notice True for curators and for the owner.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Account to ask about.
    /// @return Whether the account may publish versions, and accept where no module decides.
    function isCurator(uint256 datanetId, address account) external view returns (bool);
    /// @notice A contribution.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @return All that is stored of it; hashes are zero until it is revealed.
    function contribution(uint256 contributionId) external view returns (Contribution memory);
    /// @notice The leaf of a revealed contribution in its Datanet's tree.
    /// @param contributionId Id of the contribution, from 1 over all Datanets.
    /// @return What `contributionsRoot` has a hash of.
    function leafOf(uint256 contributionId) external view returns (bytes32);
    /// @notice Root over what is accepted so far: what a version published now would carry.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Merkle root in the order of acceptance; zero if nothing is accepted.
    function contributionsRoot(uint256 datanetId) external view returns (bytes32);
    /// @notice Number of acceptances in a Datanet.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Leaves under `contributionsRoot`, those tombstoned since included.
    function acceptedCount(uint256 datanetId) external view returns (uint32);
    /// @notice Number of versions; they count from 1.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Number of the version published last; zero before the first.
    function versionCount(uint256 datanetId) external view returns (uint32);
    /// @notice A published version.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param number Number of the version in its Datanet, from 1.
    /// @return Parent, count, roots and time of publication.
    function version(uint256 datanetId, uint32 number) external view returns (Version memory);
    /// @notice What an account can withdraw.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
    /// @notice Receives the bonds of commitments that were never revealed.
    /// @return The sink, fixed at deployment.
    function sink() external view returns (address);
}
