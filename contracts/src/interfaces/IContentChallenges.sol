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
    /// @param datanetId Id of the Datanet, from 1.
    /// @param notaries Who dates publications for it from now on, 2 to 8.
    event NotariesSet(uint256 indexed datanetId, address[] notaries);
    /// @notice A bond is kept while its document can be challenged.
    /// @param contributionId Id of the contribution at the registry.
    /// @param from Who paid it.
    /// @param amount Wei that the keeper's bond grew by.
    event BondKept(uint256 indexed contributionId, address indexed from, uint256 amount);
    /// @notice A kept bond was released.
    /// @param contributionId Id of the contribution at the registry.
    /// @param amount Wei credited to the contributor.
    event BondReleased(uint256 indexed contributionId, uint256 amount);
    /// @notice Content was challenged.
    /// @param caseId Id of the case, from 1.
    /// @param contributionId Id of the contribution at the registry.
    /// @param index Number of the document in its batch, from 0; 0 where the contribution is one document.
    /// @param kind Whether a piece is asked for, or somebody else's publication claimed.
    /// @param challenger Who put up the bond.
    /// @param chunk Number of the piece that is asked for, from 0; 0 in accusations.
    /// @param deadline Unix second up to which it can be answered.
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
    /// @param caseId Id of the case, from 1.
    /// @param by Who answered, and has the challenger's bond as credit.
    /// @param data The piece that was asked for, so that whoever reads logs has it.
    event Answered(uint256 indexed caseId, address indexed by, bytes data);
    /// @notice Content was not given in time.
    /// @param caseId Id of the case, from 1.
    /// @param contributionId Id of the contribution at the registry.
    /// @param key keccak256 of the contribution's id and the document's number.
    event Unavailable(uint256 indexed caseId, uint256 indexed contributionId, bytes32 key);
    /// @notice A document was shown to be a near-copy of an earlier one.
    /// @param laterId Contribution of the copy.
    /// @param laterKey Key of the later one.
    /// @param earlierId Contribution of what it copies.
    /// @param earlierKey Key of the earlier one.
    /// @param matches How many of the 128 numbers of the sketches agree.
    event CopyProven(
        uint256 indexed laterId, bytes32 laterKey, uint256 indexed earlierId, bytes32 earlierKey, uint256 matches
    );
    /// @notice A sketch was shown not to be its document's.
    /// @param contributionId Id of the contribution at the registry.
    /// @param key keccak256 of the contribution's id and the document's number.
    /// @param position Which of the 128 numbers is not the text's, from 0.
    event SketchFalse(uint256 indexed contributionId, bytes32 key, uint256 position);
    /// @notice A document was shown to be published by another before.
    /// @param caseId Id of the case, from 1.
    /// @param contributionId Contribution of the plagiarism.
    /// @param key Its document's key.
    /// @param original Key of the document that was published first.
    event PlagiarismProven(uint256 indexed caseId, uint256 indexed contributionId, bytes32 key, bytes32 original);
    /// @notice A document of a batch was withdrawn by its contributor.
    /// @param contributionId Id of the contribution at the registry.
    /// @param index Number of the document in its batch, from 0.
    event DocumentTombstoned(uint256 indexed contributionId, uint32 index);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Names the notaries of a Datanet, 2 to 8; only its owner, once.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param notaries 2 to 8 distinct accounts, of whom two must sign a date.
    function setNotaries(uint256 datanetId, address[] calldata notaries) external;
    /// @notice Puts up a bond for keeping the content of a contribution; anyone, at any time.
    /// @param contributionId Id of the contribution at the registry.
    function keep(uint256 contributionId) external payable;
    /// @notice Starts, and after two response windows finishes, the return of the keeper's bond to the contributor, unless
    /// a case is open about it. Only the contributor.
    /// @param contributionId Id of the contribution at the registry.
    /// @return amount What was credited, wei.
    function release(uint256 contributionId) external returns (uint256 amount);

    /// @notice Asks for a chunk of a document. Value: the challenge bond.
    /// @param item The document, with its path under the contribution's root.
    /// @param chunk Number of the piece, below the document's count of pieces.
    /// @return caseId Id of the case.
    function challenge(Batches.Item calldata item, uint32 chunk) external payable returns (uint256 caseId);
    /// @notice Answers with the chunk; anyone. Earns the challenger's bond.
    /// @param caseId Id of the case, from 1.
    /// @param chunk Bytes of the piece.
    /// @param proof Sibling hashes of the piece under the document's root, from the bottom up.
    function answer(uint256 caseId, bytes calldata chunk, bytes32[] calldata proof) external;
    /// @notice Closes an availability case that nobody answered in time.
    /// @param caseId Id of the case, from 1.
    function closeUnanswered(uint256 caseId) external;

    /// @notice Proves from two sketches that one item is a near-copy of an earlier one.
    /// @param earlier The document committed to first.
    /// @param earlierSketch Its sketch, 128 numbers of 4 bytes.
    /// @param later The document that copies it.
    /// @param laterSketch Its sketch, 128 numbers of 4 bytes.
    function proveCopy(
        Batches.Item calldata earlier,
        bytes calldata earlierSketch,
        Batches.Item calldata later,
        bytes calldata laterSketch
    ) external;
    /// @notice Proves that a sketch is not its text's at `position`.
    /// @param item The document.
    /// @param sketch The sketch it was revealed with.
    /// @param text The whole normalised text.
    /// @param position Which of the 128 numbers is wrong, from 0.
    function proveFalseSketch(Batches.Item calldata item, bytes calldata sketch, bytes calldata text, uint256 position)
        external;

    /// @notice Claims that `accused` copies what the owner of `own` published before. Value: the challenge bond.
    /// @param accused The document that copies.
    /// @param accusedSketch Its sketch.
    /// @param own The accuser's document.
    /// @param ownSketch Its sketch, which the notaries dated.
    /// @param evidence The date with at least two notaries' signatures.
    /// @return caseId Id of the case.
    function accuse(
        Batches.Item calldata accused,
        bytes calldata accusedSketch,
        Batches.Item calldata own,
        bytes calldata ownSketch,
        Evidence calldata evidence
    ) external payable returns (uint256 caseId);
    /// @notice The accused shows that it published the content before that. Earns the accuser's bond.
    /// @param caseId Id of the case, from 1.
    /// @param sketchHash Hash of the sketch that notaries dated for the accused, near to the accuser's.
    /// @param evidence An earlier date with at least two notaries' signatures.
    function rebut(uint256 caseId, bytes32 sketchHash, Evidence calldata evidence) external;
    /// @notice Closes an accusation that was not rebutted in time.
    /// @param caseId Id of the case, from 1.
    function closeAccusation(uint256 caseId) external;

    /// @notice Consent withdrawn for one document of a batch; only the contributor. The rest of the batch stays.
    /// @param item The document, with its path under the contribution's root.
    function tombstoneDocument(Batches.Item calldata item) external;
    /// @notice Pays the sender's credit.
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice A challenge.
    /// @param caseId Id of the case, from 1.
    /// @return All that is stored of it.
    function caseOf(uint256 caseId) external view returns (Case memory);
    /// @notice The bond that is kept for a document.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Wei.
    function keptBond(uint256 contributionId) external view returns (uint256);
    /// @notice Cases open about a contribution; while there are any, its bonds stay where they are.
    /// @param contributionId Id of the contribution at the registry.
    /// @return Challenges and accusations that are neither answered nor closed.
    function openCasesOf(uint256 contributionId) external view returns (uint256);
    /// @notice The item that `key` is known to copy, zero when none is. Keys: keccak256(abi.encode(contributionId, index)).
    /// @param key keccak256(abi.encode(contributionId, index)).
    /// @return Key of the item; zero if it is its own.
    function representativeOf(bytes32 key) external view returns (bytes32);
    /// @notice False for an item that was proven unavailable, falsely sketched or plagiarised, or was tombstoned: a cluster
    /// map of a version to come leaves it out.
    /// @param key keccak256(abi.encode(contributionId, index)).
    /// @return Whether nothing has ruled the item out.
    function isSound(bytes32 key) external view returns (bool);
    /// @notice Whether an account is a Datanet's notary.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Account to ask about.
    /// @return Whether its signature counts as dated evidence there.
    function isNotary(uint256 datanetId, address account) external view returns (bool);
    /// @notice What notaries sign about a publication.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param author Who published it.
    /// @param sketchHash keccak256 of the sketch of what was published.
    /// @param publishedAt Unix second of the publication.
    /// @return EIP-712 digest.
    function hashPublication(uint256 datanetId, address author, bytes32 sketchHash, uint64 publishedAt)
        external
        view
        returns (bytes32);
    /// @notice What an account can withdraw.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
    /// @notice Wei that a challenge or accusation puts up.
    /// @return Wei, fixed at deployment.
    function challengeBond() external view returns (uint256);
    /// @notice Seconds to answer.
    /// @return Seconds, fixed at deployment.
    function responseWindow() external view returns (uint256);
}
