// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IAttributionSettlement
/// @notice Epochs of attribution: who is paid what for a range of inference receipts, signed by m of n engines, bonded,
/// open to dispute for a window, then split. Gas does not grow with the number of contributors: contributors are one
/// root. The claims root is a Merkle *sum* tree over cumulative amounts, so a root can never promise more than its
/// declared total, and the declared total is checked against what the epoch was funded with.
interface IAttributionSettlement {
    enum EpochStatus {
        None,
        Posted,
        Activated,
        Rejected
    }

    /// Fees of one model in the epoch. `attributed` is the part of its contributors' share that weights assign.
    struct ModelTotal {
        uint256 modelId;
        uint128 fees;
        uint128 attributed;
    }

    /// What one Datanet's pool receives in the epoch.
    struct PoolTotal {
        uint256 datanetId;
        uint128 amount;
    }

    /// EIP-712: EpochPost(uint64 epochId,address gateway,bytes32 engineSpecHash,bytes32 receiptsRoot,uint64 firstReceipt,
    /// uint32 receiptCount,bytes32 claimsRoot,uint128 claimsTotal,bytes32 modelsHash,bytes32 poolsHash)
    /// with modelsHash = keccak256(abi.encode(models)) and poolsHash = keccak256(abi.encode(pools)).
    struct EpochPost {
        /// Must be the next one.
        uint64 epochId;
        /// Whose redeemed funds pay for the epoch.
        address gateway;
        bytes32 engineSpecHash;
        /// Merkle root over keccak256(abi.encode(receiptHash, attributionHash)), in receipt order.
        bytes32 receiptsRoot;
        /// Number of the gateway's first receipt in the epoch; must follow the previous epoch's last.
        uint64 firstReceipt;
        uint32 receiptCount;
        /// Merkle-sum root over cumulative claims (docs/formats.md).
        bytes32 claimsRoot;
        /// Sum of the tree: previous activated total plus this epoch's pool amounts.
        uint128 claimsTotal;
        ModelTotal[] models;
        PoolTotal[] pools;
    }

    struct Epoch {
        EpochStatus status;
        address poster;
        uint64 postedAt;
        uint64 deadline;
        uint128 bond;
        uint128 fees;
        uint128 residual;
        bytes32 postHash;
        bytes32 receiptsRoot;
        bytes32 claimsRoot;
        uint128 claimsTotal;
        uint64 firstReceipt;
        uint32 receiptCount;
        bytes32 engineSpecHash;
        address gateway;
    }

    struct ProofNode {
        bytes32 hash;
        uint128 sum;
    }

    event Funded(address indexed gateway, uint256 amount);
    event EpochPosted(uint64 indexed epochId, address indexed poster, EpochPost post, uint64 deadline, uint128 bond);
    event EpochActivated(uint64 indexed epochId, uint128 platform, uint128 models, uint128 stakers, uint128 contributors, uint128 residual);
    event EpochRejected(uint64 indexed epochId, address indexed challenger, uint128 reward, uint128 burned, string reason);
    event ModelPaid(uint64 indexed epochId, uint256 indexed modelId, address indexed payee, uint128 amount);
    event PoolFunded(uint64 indexed epochId, uint256 indexed datanetId, uint128 amount);
    event Claimed(uint256 indexed datanetId, address indexed account, address indexed to, uint128 amount, uint128 cumulative);
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    event EngineSet(address indexed engine, bool allowed);
    event ParametersSet(uint16 platformBps, uint8 threshold, uint32 challengeWindow, uint128 bondMin, address platform, address stakers, address sink);

    /// @notice Called by the escrow with redeemed money.
    function fund(address gateway) external payable;
    /// @notice Posts the next epoch. `post.gateway` must have at least the epoch's fees in funds that no other epoch
    /// reserves; value is the bond, at least max(bondMin, fees of the epoch). Signatures are by distinct engines in ascending address order.
    function postEpoch(EpochPost calldata post, bytes[] calldata signatures) external payable;
    /// @notice After the deadline anyone activates the epoch, which splits the fees at once.
    function activate(EpochPost calldata post) external;
    /// @notice Called by the dispute contract once it has decided that the epoch is false.
    function rejectEpoch(uint64 epochId, address challenger, string calldata reason) external;
    /// @notice Pays `cumulative` minus what was claimed before for (datanetId, account), to `account`. Anyone may send it.
    /// `index` is the leaf's position; `proof` its siblings from the bottom up.
    function claim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof) external returns (uint128 paid);
    /// @notice What `claim` would pay.
    function previewClaim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof) external view returns (uint128);
    /// @notice Withdraws balances credited by splits (platform, stakers, sink, model payees, returned bonds).
    function withdraw(address payable to) external returns (uint256 amount);

    function nextEpochId() external view returns (uint64);
    function lastActivated() external view returns (uint64);
    function epoch(uint64 epochId) external view returns (Epoch memory);
    function hashPost(EpochPost calldata post) external view returns (bytes32 digest);
    function credit(address account) external view returns (uint256);
    function fundsOf(address gateway) external view returns (uint256 available, uint256 reserved);
    function poolFunded(uint256 datanetId) external view returns (uint128);
    function claimedFromPool(uint256 datanetId) external view returns (uint128);
    function claimedOf(uint256 datanetId, address account) external view returns (uint128);
    function isEngine(address engine) external view returns (bool);
    function parameters() external view returns (uint16 platformBps, uint8 threshold, uint32 challengeWindow, uint128 bondMin, address platform, address stakers, address sink);
}
