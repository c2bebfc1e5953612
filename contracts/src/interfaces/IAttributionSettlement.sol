// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IAttributionSettlement
/// @notice Epochs of attribution: who is paid what for a range of inference receipts, signed by m of n engines, bonded,
/// open to dispute for a window, then split. Gas does not grow with the number of contributors: contributors are one
/// root. The claims root is a Merkle *sum* tree over cumulative amounts, so a root can never promise more than its
/// declared total, and the declared total is checked against what the epoch was funded with.
/// @dev Rules by subject.
/// Sequence: one epoch is pending at a time; the next can be posted once it is activated or rejected. So a post is always
/// checked against the final state of everything before it, at the price that epochs of several gateways take turns.
/// Funding: a post reserves its fees out of what its gateway redeemed; nothing is paid out of an epoch that did not.
/// Split: by the split of each model and the platform share at the time of posting; all money of the epoch is accounted
/// for at activation: platform, model payees, stakers, one pool per Datanet, and the rest to the sink.
/// Claims: against the last activated root only, cumulative, at most what the pool of the Datanet holds.
/// Bonds: at least all that a false root could move, which is the epoch's fees and what is promised and unclaimed. What the contract
/// holds for anybody else is counted, what is left is unclaimed. Anybody can claim for anybody, and what an account refuses to
/// take is set aside for it, so nobody keeps bonds up by not claiming, beyond the gas of claiming for it.
/// Payments: splits only credit accounts, so no payee can block one; accounts withdraw.
/// Owner: sets engines, threshold and parameters within the bounds in code, for posts to come. It can move no funds,
/// change no posted epoch and reject none.
/// Trust: weights are signed by m of n engines and disputable until activation; what the dispute contract cannot decide
/// yet rests on the engines and their bond. Arrays are bounded: models and pools 64, engines 32.
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
        /// Plain Merkle root over keccak256(abi.encode(receiptHash, attributionHash)), in receipt order.
        bytes32 receiptsRoot;
        /// Number of the gateway's first receipt in the epoch; must follow its previous epoch's last. A gateway's first
        /// receipt has number 0.
        uint64 firstReceipt;
        uint32 receiptCount;
        /// Merkle-sum root over cumulative claims (docs/formats/economy.md).
        bytes32 claimsRoot;
        /// Sum of the tree: previous activated total plus this epoch's pool amounts.
        uint128 claimsTotal;
        /// Strictly ascending by model; at least one, at most 64.
        ModelTotal[] models;
        /// Strictly ascending by Datanet, each used by one of the models and not zero; at most 64.
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

    /// What a gateway signs for every call, in the EIP-712 domain of this contract. `requestHash` and `responseHash` are
    /// keccak256 of the canonical bytes (docs/formats/attribution.md); `fee` is in wei, `timestamp` in Unix seconds.
    struct InferenceReceipt {
        uint64 number;
        uint256 modelId;
        address customer;
        address gateway;
        bytes32 requestHash;
        bytes32 responseHash;
        uint32 tokensIn;
        uint32 tokensOut;
        uint128 fee;
        uint64 timestamp;
        bytes32 engineSpecHash;
        bytes32 adapterSetHash;
        bytes32 retrievalRoot;
    }

    /// Where a claim goes instead of to its account, as the account has signed.
    /// EIP-712: ClaimOrder(uint256 datanetId,address account,uint128 cumulative,address to,uint128 fee,uint64 deadline)
    struct ClaimOrder {
        uint256 datanetId;
        address account;
        /// The leaf's amount; it is paid once, so an order is good once.
        uint128 cumulative;
        address to;
        /// Of what is paid, for who brings the order, wei.
        uint128 fee;
        /// Unix seconds after which the order is void.
        uint64 deadline;
    }

    struct Parameters {
        /// Platform share of fees, at most 1,500 basis points.
        uint16 platformBps;
        /// Engine signatures an epoch needs, 1 to the number of engines.
        uint8 threshold;
        /// Seconds between post and activation, between the minimum set at deployment and 30 days.
        uint32 challengeWindow;
        /// Least bond in wei; the bond is at least the fees of the epoch and what is unclaimed anyway.
        uint128 bondMin;
        /// Receives the platform share.
        address platform;
        /// Receives the stakers' share.
        address stakers;
        /// Receives what is attributed to nobody.
        address sink;
    }

    /// @notice Money was paid in as a gateway's funds.
    /// @param gateway Whose funds grew.
    /// @param amount By how much, wei.
    event Funded(address indexed gateway, uint256 amount);
    /// @notice An epoch was posted.
    /// @param epochId Number of the epoch, from 1.
    /// @param poster Who put up the bond, and loses it if the epoch is false.
    /// @param post What was posted, as `activate` and disputes want it again.
    /// @param deadline Unix second up to which it can be rejected whatever happens; activation is possible after it.
    /// @param bond What the poster put up, wei; at least the epoch's fees and what was promised and unclaimed.
    event EpochPosted(uint64 indexed epochId, address indexed poster, EpochPost post, uint64 deadline, uint128 bond);
    /// @notice An epoch's fees were split.
    /// @param epochId Number of the epoch, from 1.
    /// @param platform The platform's share, wei.
    /// @param models The models' shares, royalties included, wei.
    /// @param stakers The stakers' share, wei.
    /// @param contributors What contributors earned of their share, wei.
    /// @param residual What of the contributors' share nobody earned, and what rounding left: the sink's, wei.
    event EpochActivated(
        uint64 indexed epochId,
        uint128 platform,
        uint128 models,
        uint128 stakers,
        uint128 contributors,
        uint128 residual
    );
    /// @notice An epoch was disproved, and its bond slashed.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who has the reward as credit.
    /// @param reward Half of the bond, wei.
    /// @param burned The other half, wei, sent to where nobody can take it from.
    /// @param reason The fact, in a word.
    event EpochRejected(
        uint64 indexed epochId, address indexed challenger, uint128 reward, uint128 burned, string reason
    );
    /// @notice Who received the shares that do not depend on a model, with the residual's sink.
    /// @param epochId Number of the epoch, from 1.
    /// @param platform Who gets the platform's share.
    /// @param stakers Who gets the stakers' share.
    /// @param sink Who gets what is nobody's.
    event SharesPaid(uint64 indexed epochId, address platform, address stakers, address sink);
    /// @notice What a model's payee received of its model share, after royalties.
    /// @param epochId Number of the epoch, from 1.
    /// @param modelId Id of the model, from 1.
    /// @param payee The model's payee.
    /// @param amount Its share less royalties, wei.
    event ModelPaid(uint64 indexed epochId, uint256 indexed modelId, address indexed payee, uint128 amount);
    /// @notice What an ancestor's payee received of it.
    /// @param epochId Number of the epoch, from 1.
    /// @param modelId Id of the model that was used.
    /// @param ancestorId Id of the model it owes to.
    /// @param payee The ancestor's payee.
    /// @param amount The royalty, wei.
    event RoyaltyPaid(
        uint64 indexed epochId, uint256 indexed modelId, uint256 indexed ancestorId, address payee, uint128 amount
    );
    /// @notice An epoch paid into a Datanet's pool.
    /// @param epochId Number of the epoch, from 1.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param amount What contributors of the Datanet earned in the epoch, wei.
    event PoolFunded(uint64 indexed epochId, uint256 indexed datanetId, uint128 amount);
    /// @notice A contributor's earnings were paid.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it.
    /// @param to Who was paid: the account, or whom it signed for.
    /// @param amount What was paid now, a fee of `claimFor` included, wei.
    /// @param cumulative All that was earned since the beginning, wei.
    event Claimed(
        uint256 indexed datanetId, address indexed account, address indexed to, uint128 amount, uint128 cumulative
    );
    /// @notice An account did not take what was claimed for it. It is the account's with its next claim.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it.
    /// @param amount What it did not take, wei.
    event SetAside(uint256 indexed datanetId, address indexed account, uint128 amount);
    /// @notice Money that was forced on the contract was credited.
    /// @param sink Who gets what is nobody's.
    /// @param amount Wei.
    event Skimmed(address indexed sink, uint256 amount);
    /// @notice Credit was paid out.
    /// @param account Whose credit it was.
    /// @param to Who was paid.
    /// @param amount Wei of OPEN.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice An engine was allowed, or is not any more.
    /// @param engine Address that signs epochs.
    /// @param allowed Whether its signature counts from now on.
    event EngineSet(address indexed engine, bool allowed);
    /// @notice Parameters of epochs to come were set.
    /// @param platformBps The platform's share in basis points of the fees.
    /// @param threshold Engines that must sign an epoch.
    /// @param challengeWindow Seconds in which an epoch can be challenged.
    /// @param bondMin The least bond of an epoch, wei.
    /// @param platform Who gets the platform's share.
    /// @param stakers Who gets the stakers' share.
    /// @param sink Who gets what is nobody's.
    event ParametersSet(
        uint16 platformBps,
        uint8 threshold,
        uint32 challengeWindow,
        uint128 bondMin,
        address platform,
        address stakers,
        address sink
    );

    /// @notice Adds the value to the gateway's funds. The escrow calls it with redeemed money; anyone else may add to it.
    /// @param gateway Whose funds grow; what is fees of an epoch later goes by its split, and to nobody else.
    function fund(address gateway) external payable;
    /// @notice Posts the next epoch. `post.gateway` must have at least the epoch's fees in funds that no other epoch
    /// reserves; value is the bond, at least `bondFor` the fees of the epoch. Signatures are by distinct engines in ascending
    /// order of their addresses.
    /// @param post Receipts, fees, pools and roots; models and pools in ascending order, at most 64 each.
    /// @param signatures One of each signing engine over `hashPost`, 65 bytes, ascending by signer; at least the threshold.
    function postEpoch(EpochPost calldata post, bytes[] calldata signatures) external payable;
    /// @notice After the deadline anyone activates the epoch, which splits the fees at once, returns the bond and makes its
    /// claims root the one to claim from. `post` is the one that was posted.
    /// @param post The post that the epoch was posted with.
    function activate(EpochPost calldata post) external;
    /// @notice Called by the dispute contract once it has decided that the pending epoch is false, until it is activated.
    /// Half of the bond is credited to the challenger, half is burned, and the reserved fees return to the gateway's funds.
    /// @param epochId Number of the epoch, from 1.
    /// @param challenger Who has half of the bond as credit.
    /// @param reason The fact, in a word.
    function rejectEpoch(uint64 epochId, address challenger, string calldata reason) external;
    /// @notice Pays `cumulative` minus what was claimed before for (datanetId, account), to `account`. Anyone may send it.
    /// `index` is the leaf's position; `proof` its siblings from the bottom up. If the account does not take it, it is set aside, and
    /// paid with its next claim, for which any leaf of the account in the tree in force will do.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it, and is paid.
    /// @param cumulative What its leaf promises since the beginning, wei.
    /// @param index Place of the leaf in the tree in force, from 0.
    /// @param proof Sibling hashes and sums from the bottom up.
    /// @return paid What was paid, wei; zero if it was set aside.
    function claim(uint256 datanetId, address account, uint128 cumulative, uint256 index, ProofNode[] calldata proof)
        external
        returns (uint128 paid);
    /// @notice Claims for `order.account` and pays `order.to`, less `order.fee` for the sender. The account signs the order
    /// (ERC-1271 for contracts), or sends it itself, with an empty signature. So an account needs no gas to claim, and can
    /// have its claims paid to somebody else.
    /// @param order Whose claim, how much, to whom, at which fee and until when.
    /// @param signature The account's over `hashOrder`; empty if it sends the order itself.
    /// @param index Place of the leaf in the tree in force, from 0.
    /// @param proof Sibling hashes and sums from the bottom up.
    /// @return paid What was paid, fee included, wei.
    function claimFor(ClaimOrder calldata order, bytes calldata signature, uint256 index, ProofNode[] calldata proof)
        external
        returns (uint128 paid);
    /// @notice What `claim` would pay.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it.
    /// @param cumulative What its leaf promises since the beginning, wei.
    /// @param index Place of the leaf in the tree in force, from 0.
    /// @param proof Sibling hashes and sums from the bottom up.
    /// @return Wei; zero if the claim would fail.
    function previewClaim(
        uint256 datanetId,
        address account,
        uint128 cumulative,
        uint256 index,
        ProofNode[] calldata proof
    ) external view returns (uint128);
    /// @notice Withdraws balances credited by splits (platform, stakers, sink, model payees, returned bonds).
    /// @param to Who is paid.
    /// @return amount What was paid, wei.
    function withdraw(address payable to) external returns (uint256 amount);
    /// @notice Credits the sink with money that came in by no function, as by `selfdestruct`: until then bonds have to cover it
    /// too. Anyone may send it.
    /// @param datanetIds Every Datanet whose pool was ever funded, ascending: what they were funded with must be `promised`.
    /// @return surplus What was credited, wei.
    function skim(uint256[] calldata datanetIds) external returns (uint256 surplus);
    /// @notice Adds or removes an engine; only the owner. Never fewer than the threshold, never more than 32.
    /// @param engine Address that signs epochs; not zero.
    /// @param allowed Whether its signature counts from now on.
    function setEngine(address engine, bool allowed) external;
    /// @notice Sets parameters within the bounds; only the owner. A pending epoch keeps the ones it was posted under.
    /// @param params Each member within its bounds.
    function setParameters(Parameters calldata params) external;

    /// @notice The number that the next post must have.
    /// @return One more than the epoch posted last; 1 before the first.
    function nextEpochId() external view returns (uint64);
    /// @notice The epoch whose claims are in force.
    /// @return Its number; zero if there is none.
    function lastActivated() external view returns (uint64);
    /// @notice An epoch as it is stored.
    /// @param epochId Number of the epoch, from 1.
    /// @return All that is stored of it; status `None` if it was not posted.
    function epoch(uint64 epochId) external view returns (Epoch memory);
    /// @notice The platform share that the epoch was posted under, basis points.
    /// @param epochId Number of the epoch, from 1.
    /// @return Basis points of the fees.
    function platformBpsOf(uint64 epochId) external view returns (uint16);
    /// @notice EIP-712 digest that engines sign.
    /// @param post The post to sign.
    /// @return digest 32 bytes over domain and post.
    function hashPost(EpochPost calldata post) external view returns (bytes32 digest);
    /// @notice EIP-712 digest that an account signs to have a claim paid elsewhere.
    /// @param order The order to sign.
    /// @return digest 32 bytes over domain and order.
    function hashOrder(ClaimOrder calldata order) external view returns (bytes32 digest);
    /// @notice EIP-712 struct hash (`receiptHash`) and the digest that the gateway signs.
    /// @param receipt What the gateway says of one answer.
    /// @return receiptHash Struct hash, which leaves of the receipts tree hold.
    /// @return digest 32 bytes over domain and receipt, which the gateway signs.
    function hashReceipt(InferenceReceipt calldata receipt) external view returns (bytes32 receiptHash, bytes32 digest);
    /// @notice True if the receipt, with its attribution record, is receipt `number` of the epoch.
    /// @param epochId Number of the epoch, from 1.
    /// @param receiptHash Struct hash of the receipt.
    /// @param attributionHash Hash of the attribution record.
    /// @param number The gateway's number of the receipt.
    /// @param proof Sibling hashes from the bottom up.
    /// @return Whether it is under the epoch's receipts root at that number.
    function containsReceipt(
        uint64 epochId,
        bytes32 receiptHash,
        bytes32 attributionHash,
        uint64 number,
        bytes32[] calldata proof
    ) external view returns (bool);
    /// @notice Number that the gateway's next epoch must begin with.
    /// @param gateway Whose receipts are counted.
    /// @return One more than the last number in an activated epoch; 0 before the first.
    function nextReceiptOf(address gateway) external view returns (uint64);
    /// @notice What the last activated root promises in total: all that pools were funded with since the beginning. What of it was
    /// paid is {claimedFromPool} of each.
    /// @return Wei.
    function promised() external view returns (uint128);
    /// @notice What the root in force promises and nobody has claimed, and money that was forced on the contract and not skimmed.
    /// @return Wei.
    function unclaimed() external view returns (uint256);
    /// @notice The least bond of the next epoch: its fees and what is unclaimed, or the minimum. Claims lower it.
    /// @param fees Fees of the epoch, wei.
    /// @return Wei.
    function bondFor(uint128 fees) external view returns (uint256);
    /// @notice What an account can withdraw.
    /// @param account Account to ask about.
    /// @return Wei that `withdraw` would pay it.
    function credit(address account) external view returns (uint256);
    /// @notice A gateway's funds.
    /// @param gateway Whose funds are asked for.
    /// @return available What an epoch can reserve, wei.
    /// @return reserved What the pending epoch has reserved, wei.
    function fundsOf(address gateway) external view returns (uint256 available, uint256 reserved);
    /// @notice What activated epochs have paid into a Datanet's pool.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Wei, over all activated epochs.
    function poolFunded(uint256 datanetId) external view returns (uint128);
    /// @notice What was claimed from a Datanet's pool.
    /// @param datanetId Id of the Datanet, from 1.
    /// @return Wei, at most `poolFunded`.
    function claimedFromPool(uint256 datanetId) external view returns (uint128);
    /// @notice What was claimed from a Datanet's pool for an account, taken by it or set aside.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it.
    /// @return Wei, which its next claim is counted from.
    function claimedOf(uint256 datanetId, address account) external view returns (uint128);
    /// @notice What of it the account did not take, and is paid with its next claim.
    /// @param datanetId Id of the Datanet, from 1.
    /// @param account Who earned it.
    /// @return Wei.
    function setAsideOf(uint256 datanetId, address account) external view returns (uint128);
    /// @notice Whether a key is an engine's.
    /// @param engine Address to ask about.
    /// @return Whether its signature counts under an epoch.
    function isEngine(address engine) external view returns (bool);
    /// @notice Number of engines.
    /// @return At least the threshold, at most 32.
    function engineCount() external view returns (uint256);
    /// @notice Least challenge window that the owner can set, seconds.
    /// @return Seconds, fixed at deployment.
    function challengeWindowMin() external view returns (uint32);
    /// @notice The parameters of epochs to come.
    /// @return platformBps The platform's share in basis points.
    /// @return threshold Engines that must sign.
    /// @return challengeWindow Seconds of the challenge window.
    /// @return bondMin The least bond, wei.
    /// @return platform Who gets the platform's share.
    /// @return stakers Who gets the stakers' share.
    /// @return sink Who gets what is not attributed.
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
        );
}
