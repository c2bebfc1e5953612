// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Batches} from "../libraries/Batches.sol";

/// @title IContentChallenges
/// @notice Disputes about what a contribution is: whether its content can be had, whether it is a near-copy of an earlier
/// one, whether its sketch is true, and whether it was published by somebody else before. Each is decided by code.
/// @dev Rules by subject. An *item* is a document: a contribution, or one of a batch, shown with its path.
/// Availability: a challenger names a chunk and puts up a bond; whoever answers with the chunk in time earns it. Without an
/// answer the document counts as unavailable, and the contributor loses: before admission the registry's bond, after it
/// the keeper's bond, half to the challenger and half to the sink.
/// Copies: sketches that agree in at least 64 of 128 places make the later item a copy of the earlier one. The earliest
/// known item is its representative; priority is the order of commitments, then the place in the batch.
/// Sketches: an item whose sketch is not its text's is false. Proven from the whole text at one place of the sketch, at
/// some 520 gas a byte: 2.5 kB under 1.5 million gas, 50 kB in a block of 30 million.
/// Plagiarism: notaries that the Datanet named state that an author published the content at a date. The author's own item
/// takes the priority of an earlier near-copy if the evidence is older than that copy's commitment and the accused
/// shows nothing older in time. Trust: two of the Datanet's notaries together can date things wrongly; nobody else can.
/// A verdict changes no version and takes no earned claim: cluster maps of versions to come must heed it.
interface IContentChallenges {
    enum Kind {
        None,
        Availability,
        Plagiarism
    }

    struct Case {
        // slot 0
        address challenger;
        Kind kind;
        bool open;
        uint32 chunk;
        uint40 deadline;
        // slot 1: what the challenger put up, and whose date is the oldest shown (plagiarism)
        uint128 bond;
        uint64 dated;
        // slots 2 to 5
        uint256 contributionId;
        bytes32 key;
        bytes32 chunkRoot;
        /// The challenger's own item (plagiarism), or the document's number of chunks.
        bytes32 other;
    }

    /// Outside evidence, in the EIP-712 domain of this contract:
    /// Publication(uint256 datanetId,address author,bytes32 sketchHash,uint64 publishedAt)
    struct Evidence {
        /// Unix seconds.
        uint64 publishedAt;
        /// By distinct notaries of the Datanet, in ascending order of their addresses.
        bytes[] signatures;
    }

    /// @notice A Datanet's notaries were named.
    /// @param datanetId The Datanet.
    /// @param notaries The notaries.
    event NotariesSet(uint256 indexed datanetId, address[] notaries);
    /// @notice A bond is kept while its document can be challenged.
    /// @param contributionId The contribution.
    /// @param from Where it comes from.
    /// @param amount Wei.
    event BondKept(uint256 indexed contributionId, address indexed from, uint256 amount);
    /// @notice A kept bond was released.
    /// @param contributionId The contribution.
    /// @param amount Wei.
    event BondReleased(uint256 indexed contributionId, uint256 amount);
    /// @notice Content was challenged.
    /// @param caseId The case.
    /// @param contributionId The contribution.
    /// @param index Its place in the list.
    /// @param kind What it is about.
    /// @param challenger Who challenges.
    /// @param chunk The piece of the document.
    /// @param deadline Unix second until which it holds.
    event Challenged(
        uint256 indexed caseId,
        uint256 indexed contributionId,
        uint32 index,
        Kind kind,
        address indexed challenger,
        uint32 chunk,
        uint256 deadline
    );
    /// @notice A challenge of content was answered.
    /// @param caseId The case.
    /// @param by Who did it.
    /// @param data Data of the call.
    event Answered(uint256 indexed caseId, address indexed by, bytes data);
    /// @notice Content was not given in time.
    /// @param caseId The case.
    /// @param contributionId The contribution.
    /// @param key The key.
    event Unavailable(uint256 indexed caseId, uint256 indexed contributionId, bytes32 key);
    /// @notice A document was shown to be a near-copy of an earlier one.
    /// @param laterId The later one.
    /// @param laterKey Key of the later one.
    /// @param earlierId The earlier one.
    /// @param earlierKey Key of the earlier one.
    /// @param matches Hashes of the sketches that agree.
    event CopyProven(
        uint256 indexed laterId, bytes32 laterKey, uint256 indexed earlierId, bytes32 earlierKey, uint256 matches
    );
    /// @notice A sketch was shown not to be its document's.
    /// @param contributionId The contribution.
    /// @param key The key.
    /// @param position The place.
    event SketchFalse(uint256 indexed contributionId, bytes32 key, uint256 position);
    /// @notice A document was shown to be published by another before.
    /// @param caseId The case.
    /// @param contributionId The contribution.
    /// @param key The key.
    /// @param original The original.
    event PlagiarismProven(uint256 indexed caseId, uint256 indexed contributionId, bytes32 key, bytes32 original);
    /// @notice A document of a batch was withdrawn by its contributor.
    /// @param contributionId The contribution.
    /// @param index Its place in the list.
    event DocumentTombstoned(uint256 indexed contributionId, uint32 index);
    /// @notice Credit was paid out.
    /// @param account Whose.
    /// @param to Where it goes.
    /// @param amount Wei.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Names the notaries of a Datanet, 2 to 8; only its owner, once.
    /// @param datanetId The Datanet.
    /// @param notaries The notaries.
    function setNotaries(uint256 datanetId, address[] calldata notaries) external;
    /// @notice Puts up a bond for keeping the content of a contribution; anyone, at any time.
    /// @param contributionId The contribution.
    function keep(uint256 contributionId) external payable;
    /// @notice Starts, and after two response windows finishes, the return of the keeper's bond to the contributor, unless
    /// a case is open about it. Only the contributor.
    /// @param contributionId The contribution.
    /// @return amount What was credited, wei.
    function release(uint256 contributionId) external returns (uint256 amount);

    /// @notice Asks for a chunk of a document. Value: the challenge bond.
    /// @param item The item.
    /// @param chunk The piece of the document.
    /// @return caseId The case, or the state the proposal is in then.
    function challenge(Batches.Item calldata item, uint32 chunk) external payable returns (uint256 caseId);
    /// @notice Answers with the chunk; anyone. Earns the challenger's bond.
    /// @param caseId The case.
    /// @param chunk The piece of the document.
    /// @param proof The path.
    function answer(uint256 caseId, bytes calldata chunk, bytes32[] calldata proof) external;
    /// @notice Closes an availability case that nobody answered in time.
    /// @param caseId The case.
    function closeUnanswered(uint256 caseId) external;

    /// @notice Proves from two sketches that one item is a near-copy of an earlier one.
    /// @param earlier The earlier one.
    /// @param earlierSketch Sketch of the earlier one.
    /// @param later What comes later.
    /// @param laterSketch Sketch of the later one.
    function proveCopy(
        Batches.Item calldata earlier,
        bytes calldata earlierSketch,
        Batches.Item calldata later,
        bytes calldata laterSketch
    ) external;
    /// @notice Proves that a sketch is not its text's at `position`.
    /// @param item The item.
    /// @param sketch The sketch.
    /// @param text The text.
    /// @param position The place.
    function proveFalseSketch(Batches.Item calldata item, bytes calldata sketch, bytes calldata text, uint256 position)
        external;

    /// @notice Claims that `accused` copies what the owner of `own` published before. Value: the challenge bond.
    /// @param accused The accused.
    /// @param accusedSketch Sketch of the accused.
    /// @param own One's own.
    /// @param ownSketch Sketch of one's own.
    /// @param evidence The evidence.
    /// @return caseId The case.
    function accuse(
        Batches.Item calldata accused,
        bytes calldata accusedSketch,
        Batches.Item calldata own,
        bytes calldata ownSketch,
        Evidence calldata evidence
    ) external payable returns (uint256 caseId);
    /// @notice The accused shows that it published the content before that. Earns the accuser's bond.
    /// @param caseId The case.
    /// @param sketchHash Hash of the sketch.
    /// @param evidence The evidence.
    function rebut(uint256 caseId, bytes32 sketchHash, Evidence calldata evidence) external;
    /// @notice Closes an accusation that was not rebutted in time.
    /// @param caseId The case.
    function closeAccusation(uint256 caseId) external;

    /// @notice Consent withdrawn for one document of a batch; only the contributor. The rest of the batch stays.
    /// @param item The item.
    function tombstoneDocument(Batches.Item calldata item) external;
    /// @notice Pays the sender's credit.
    /// @param to Where it goes.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice A challenge.
    /// @param caseId The case.
    /// @return The case.
    function caseOf(uint256 caseId) external view returns (Case memory);
    /// @notice The bond that is kept for a document.
    /// @param contributionId The contribution.
    /// @return Wei.
    function keptBond(uint256 contributionId) external view returns (uint256);
    /// @notice Cases open about a contribution; while there are any, its bonds stay where they are.
    /// @param contributionId The contribution.
    /// @return Challenges and accusations that are neither answered nor closed.
    function openCasesOf(uint256 contributionId) external view returns (uint256);
    /// @notice The item that `key` is known to copy, zero when none is. Keys: keccak256(abi.encode(contributionId, index)).
    /// @param key The key.
    /// @return Key of the item; zero if it is its own.
    function representativeOf(bytes32 key) external view returns (bytes32);
    /// @notice False for an item that was proven unavailable, falsely sketched or plagiarised, or was tombstoned: a cluster
    /// map of a version to come leaves it out.
    /// @param key The key.
    /// @return Whether nothing has ruled the item out.
    function isSound(bytes32 key) external view returns (bool);
    /// @notice Whether an account is a Datanet's notary.
    /// @param datanetId The Datanet.
    /// @param account Whose.
    /// @return Whether its signature counts as dated evidence there.
    function isNotary(uint256 datanetId, address account) external view returns (bool);
    /// @notice What notaries sign about a publication.
    /// @param datanetId The Datanet.
    /// @param author The author.
    /// @param sketchHash Hash of the sketch.
    /// @param publishedAt Unix second of publication.
    /// @return The digest.
    function hashPublication(uint256 datanetId, address author, bytes32 sketchHash, uint64 publishedAt)
        external
        view
        returns (bytes32);
    /// @notice What an account can withdraw.
    /// @param account Whose.
    /// @return Wei.
    function credit(address account) external view returns (uint256);
    /// @notice Wei that a challenge or accusation puts up.
    /// @return Wei.
    function challengeBond() external view returns (uint256);
    /// @notice Seconds to answer.
    /// @return Seconds.
    function responseWindow() external view returns (uint256);
}
