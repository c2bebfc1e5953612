// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IAttributionSettlement} from "../../src/interfaces/IAttributionSettlement.sol";
import {IDatanetRegistry} from "../../src/interfaces/IDatanetRegistry.sol";
import {IInferenceEscrow} from "../../src/interfaces/IInferenceEscrow.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {AttributionDispute} from "../../src/l2/AttributionDispute.sol";
import {AttributionSettlement} from "../../src/l2/AttributionSettlement.sol";
import {DatanetRegistry} from "../../src/l2/DatanetRegistry.sol";
import {InferenceEscrow} from "../../src/l2/InferenceEscrow.sol";
import {ModelRegistry} from "../../src/l2/ModelRegistry.sol";
import {SumTree} from "./SumTree.sol";

/// @title EconomyTest
/// @notice The five economy contracts at their genesis addresses, constructed there as the genesis builder does it, with
/// the people around them. Amounts are wei.
abstract contract EconomyTest is Test {
    DatanetRegistry internal constant datanets = DatanetRegistry(0x4F50454E00000000000000000000000000000001);
    ModelRegistry internal constant models = ModelRegistry(0x4f50454E00000000000000000000000000000002);
    InferenceEscrow internal constant escrow = InferenceEscrow(0x4F50454e00000000000000000000000000000003);
    AttributionSettlement internal constant settlement =
        AttributionSettlement(0x4f50454E00000000000000000000000000000004);
    AttributionDispute internal constant dispute = AttributionDispute(0x4F50454E00000000000000000000000000000005);

    uint96 internal constant BOND = 1 ether;
    uint32 internal constant REVEAL_WINDOW = 1 hours;
    uint32 internal constant CHALLENGE_WINDOW = 10 minutes;
    uint32 internal constant CHALLENGE_WINDOW_MIN = 1 minutes;
    uint128 internal constant BOND_MIN = 0.5 ether;
    bytes32 internal constant LICENCE = keccak256("CC-BY-4.0");
    bytes32 internal constant SPEC = keccak256("engine spec");

    address internal immutable governance = makeAddr("governance");
    address internal immutable platform = makeAddr("platform");
    address internal immutable stakers = makeAddr("stakers");
    address internal immutable sink = makeAddr("sink");
    address internal immutable curator = makeAddr("curator");
    address internal immutable builder = makeAddr("builder");
    address internal immutable payee = makeAddr("payee");
    address internal immutable alice = makeAddr("alice");
    address internal immutable bob = makeAddr("bob");
    address internal immutable gateway = makeAddr("gateway");
    address internal immutable poster = makeAddr("poster");
    address internal immutable mallory = makeAddr("mallory");
    address internal customer;
    uint256 internal customerKey;

    /// Engines in ascending order of address, and their keys.
    address[3] internal engines;
    uint256[3] internal engineKeys;

    /// The claims tree that the next epoch is posted with.
    SumTree.Claim[] internal claims;

    function setUp() public virtual {
        vm.chainId(16_120);
        vm.warp(1_790_000_000);
        vm.roll(1_000);
        makePeople();
        deployEconomy();
    }

    function makePeople() internal {
        (customer, customerKey) = makeAddrAndKey("customer");
        for (uint256 i; i < 3; ++i) {
            (engines[i], engineKeys[i]) = makeAddrAndKey(string.concat("engine ", vm.toString(i)));
        }
        for (uint256 i; i < 3; ++i) {
            for (uint256 j; j + 1 < 3; ++j) {
                if (engines[j] < engines[j + 1]) continue;
                (engines[j], engines[j + 1]) = (engines[j + 1], engines[j]);
                (engineKeys[j], engineKeys[j + 1]) = (engineKeys[j + 1], engineKeys[j]);
            }
        }
    }

    function deployEconomy() internal {
        deployCodeTo("DatanetRegistry.sol:DatanetRegistry", abi.encode(sink), address(datanets));
        deployCodeTo("ModelRegistry.sol:ModelRegistry", abi.encode(datanets), address(models));
        deployCodeTo("InferenceEscrow.sol:InferenceEscrow", abi.encode(settlement), address(escrow));
        deployCodeTo("AttributionDispute.sol:AttributionDispute", abi.encode(settlement), address(dispute));
        address[] memory set = new address[](3);
        for (uint256 i; i < 3; ++i) {
            set[i] = engines[i];
        }
        deployCodeTo(
            "AttributionSettlement.sol:AttributionSettlement",
            abi.encode(governance, models, dispute, CHALLENGE_WINDOW_MIN, defaultParameters(), set),
            address(settlement)
        );
    }

    function defaultParameters() internal view returns (IAttributionSettlement.Parameters memory) {
        return IAttributionSettlement.Parameters({
            platformBps: 500,
            threshold: 2,
            challengeWindow: CHALLENGE_WINDOW,
            bondMin: BOND_MIN,
            platform: platform,
            stakers: stakers,
            sink: sink
        });
    }

    /*//////////////////////////////////////////////////////////////////////////
                                      DATANETS
    //////////////////////////////////////////////////////////////////////////*/

    function datanetParams() internal view returns (IDatanetRegistry.DatanetParams memory params) {
        params.name = "Medical codes";
        params.licence = "CC-BY-4.0";
        params.licenceTextHash = keccak256("legal text");
        params.schemaHash = keccak256("schema");
        params.bond = BOND;
        params.revealWindow = REVEAL_WINDOW;
        params.curators = new address[](1);
        params.curators[0] = curator;
    }

    function createDatanet() internal returns (uint256) {
        return datanets.createDatanet(datanetParams());
    }

    function createDatanet(string memory licence) internal returns (uint256) {
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.licence = licence;
        return datanets.createDatanet(params);
    }

    function document(uint256 seed) internal pure returns (IDatanetRegistry.Reveal memory r) {
        r.contentHash = keccak256(abi.encode("content", seed));
        r.chunkRoot = keccak256(abi.encode("chunks", seed));
        r.chunkCount = 7;
        r.byteLength = 7_000;
        r.sketchHash = keccak256(abi.encode("sketch", seed));
        r.licenceHash = LICENCE;
        r.archive = "https://archive.example/1";
        r.salt = keccak256(abi.encode("salt", seed));
    }

    function commitAs(address who, uint256 datanetId, IDatanetRegistry.Reveal memory r) internal returns (uint256 id) {
        bytes32 commitment = datanets.commitmentOf(datanetId, who, r);
        uint96 bond = datanets.datanet(datanetId).bond;
        vm.deal(who, who.balance + bond);
        vm.prank(who);
        id = datanets.commit{value: bond}(datanetId, commitment);
    }

    function revealAs(address who, uint256 id, IDatanetRegistry.Reveal memory r) internal {
        vm.prank(who);
        datanets.reveal(id, r);
    }

    /// @dev Commits and reveals a document, with a block in between.
    function contribute(address who, uint256 datanetId, uint256 seed) internal returns (uint256 id) {
        IDatanetRegistry.Reveal memory r = document(seed);
        r.licenceHash = datanets.licenceOf(datanetId);
        id = commitAs(who, datanetId, r);
        nextBlock();
        revealAs(who, id, r);
    }

    function accept(uint256 id) internal {
        vm.prank(curator);
        datanets.accept(one(id));
    }

    /// @dev A Datanet with an accepted contribution of alice's and a version.
    function publishedDatanet(string memory licence) internal returns (uint256 datanetId) {
        datanetId = createDatanet(licence);
        accept(contribute(alice, datanetId, datanetId));
        vm.prank(curator);
        datanets.publishVersion(datanetId, keccak256("clusters"));
    }

    function publishedDatanet() internal returns (uint256) {
        return publishedDatanet("CC-BY-4.0");
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       MODELS
    //////////////////////////////////////////////////////////////////////////*/

    function modelParams(string memory name) internal view returns (IModelRegistry.ModelParams memory params) {
        params.name = name;
        params.baseModelHash = keccak256("weights");
        params.engineSpecHash = SPEC;
        params.retrievalChunks = 4;
        params.pricePer1kIn = 0.001 ether;
        params.pricePer1kOut = 0.002 ether;
        params.split = IModelRegistry.Split({modelBps: 4_000, contributorsBps: 5_000, stakersBps: 1_000});
        params.payee = payee;
    }

    function modelParams(string memory name, uint256 datanetId)
        internal
        view
        returns (IModelRegistry.ModelParams memory params)
    {
        params = modelParams(name);
        params.datanets = new IModelRegistry.DatanetRef[](1);
        params.datanets[0] = IModelRegistry.DatanetRef({datanetId: datanetId, version: 1});
        return withRoots(params);
    }

    /// @dev With roots of its corpus, if it has one, where none are given.
    function withRoots(IModelRegistry.ModelParams memory params)
        internal
        view
        returns (IModelRegistry.ModelParams memory)
    {
        bool any = params.datanets.length != 0;
        for (uint256 i; i < params.sources.length; ++i) {
            if (models.datanetsOf(params.sources[i].modelId).length != 0) any = true;
        }
        if (any && params.surpriseRoot == 0) params.surpriseRoot = keccak256("surprises");
        if (any && params.clusterMapRoot == 0) params.clusterMapRoot = keccak256("clusters");
        return params;
    }

    /// @dev The sources of a fine-tune of one model; none of model zero.
    function derived(uint256 source) internal pure returns (IModelRegistry.Source[] memory sources) {
        sources = new IModelRegistry.Source[](source == 0 ? 0 : 1);
        if (source != 0) sources[0] = IModelRegistry.Source(source, 10_000);
    }

    function registerModel(IModelRegistry.ModelParams memory params) internal returns (uint256) {
        params = withRoots(params);
        vm.prank(builder);
        return models.registerModel(params);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       ESCROW
    //////////////////////////////////////////////////////////////////////////*/

    function deposit(address who, uint256 amount) internal {
        vm.deal(address(this), address(this).balance + amount);
        escrow.deposit{value: amount}(who);
    }

    function authorize(uint128 cap, uint64 expiry) internal {
        vm.prank(customer);
        escrow.authorize(gateway, customer, cap, expiry);
    }

    function signVoucher(IInferenceEscrow.Voucher memory v, uint256 key) internal view returns (bytes memory) {
        return sign(key, escrow.hashVoucher(v));
    }

    function voucher(uint64 nonce, uint128 cumulative) internal view returns (IInferenceEscrow.Voucher memory) {
        return IInferenceEscrow.Voucher({customer: customer, gateway: gateway, nonce: nonce, cumulative: cumulative});
    }

    function redeem(IInferenceEscrow.Voucher memory v, bytes memory signature) internal returns (uint256) {
        IInferenceEscrow.Voucher[] memory vouchers = new IInferenceEscrow.Voucher[](1);
        vouchers[0] = v;
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = signature;
        vm.prank(v.gateway);
        return escrow.redeem(vouchers, signatures);
    }

    /*//////////////////////////////////////////////////////////////////////////
                                       EPOCHS
    //////////////////////////////////////////////////////////////////////////*/

    function fund(address who, uint256 amount) internal {
        vm.deal(address(this), address(this).balance + amount);
        settlement.fund{value: amount}(who);
    }

    /// @dev Adds to an account's cumulative amount in the tree to come, keeping it sorted.
    function earn(uint256 datanetId, address account, uint128 amount) internal {
        uint256 i;
        while (i < claims.length && below(claims[i], datanetId, account)) ++i;
        if (i < claims.length && claims[i].datanetId == datanetId && claims[i].account == account) {
            claims[i].cumulative += amount;
            return;
        }
        claims.push();
        for (uint256 j = claims.length - 1; j > i; --j) {
            claims[j] = claims[j - 1];
        }
        claims[i] = SumTree.Claim(datanetId, account, amount);
    }

    function below(SumTree.Claim memory c, uint256 datanetId, address account) private pure returns (bool) {
        return c.datanetId < datanetId || (c.datanetId == datanetId && c.account < account);
    }

    function claimIndex(uint256 datanetId, address account) internal view returns (uint256 i) {
        while (claims[i].datanetId != datanetId || claims[i].account != account) ++i;
    }

    /// @dev The post of the next epoch with the tree `claims`: one model, one pool.
    function onePool(uint256 modelId, uint128 fees, uint256 datanetId, uint128 amount)
        internal
        view
        returns (IAttributionSettlement.EpochPost memory post)
    {
        IAttributionSettlement.ModelTotal[] memory m = new IAttributionSettlement.ModelTotal[](1);
        m[0] = IAttributionSettlement.ModelTotal({modelId: modelId, fees: fees, attributed: amount});
        IAttributionSettlement.PoolTotal[] memory p = new IAttributionSettlement.PoolTotal[](amount == 0 ? 0 : 1);
        if (amount != 0) p[0] = IAttributionSettlement.PoolTotal({datanetId: datanetId, amount: amount});
        return postOf(m, p);
    }

    function postOf(IAttributionSettlement.ModelTotal[] memory m, IAttributionSettlement.PoolTotal[] memory p)
        internal
        view
        returns (IAttributionSettlement.EpochPost memory post)
    {
        post.epochId = settlement.nextEpochId();
        post.gateway = gateway;
        post.engineSpecHash = SPEC;
        post.receiptsRoot = keccak256("receipts");
        post.firstReceipt = settlement.nextReceiptOf(gateway);
        post.receiptCount = 10;
        (post.claimsRoot, post.claimsTotal) = SumTree.rootOf(claims);
        post.models = m;
        post.pools = p;
    }

    /// @dev Signatures of the first `count` engines.
    function signPost(IAttributionSettlement.EpochPost memory post, uint256 count)
        internal
        view
        returns (bytes[] memory signatures)
    {
        bytes32 digest = settlement.hashPost(post);
        signatures = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            signatures[i] = sign(engineKeys[i], digest);
        }
    }

    /// @dev The least that is taken. Where no epoch is pending it is the same before and after the post.
    function bondOf(IAttributionSettlement.EpochPost memory post) internal view returns (uint256) {
        uint128 fees;
        for (uint256 i; i < post.models.length; ++i) {
            fees += post.models[i].fees;
        }
        return settlement.bondFor(fees);
    }

    function postEpoch(IAttributionSettlement.EpochPost memory post) internal {
        bytes[] memory signatures = signPost(post, 2);
        uint256 bond = bondOf(post);
        vm.deal(poster, poster.balance + bond);
        vm.prank(poster);
        settlement.postEpoch{value: bond}(post, signatures);
    }

    function activate(IAttributionSettlement.EpochPost memory post) internal {
        vm.warp(settlement.epoch(post.epochId).deadline + 1);
        settlement.activate(post);
    }

    function settle(IAttributionSettlement.EpochPost memory post) internal {
        postEpoch(post);
        activate(post);
    }

    function claimFor(uint256 datanetId, address account) internal returns (uint128) {
        uint256 index = claimIndex(datanetId, account);
        return settlement.claim(datanetId, account, claims[index].cumulative, index, SumTree.proofOf(claims, index));
    }

    /*//////////////////////////////////////////////////////////////////////////
                                        TOOLS
    //////////////////////////////////////////////////////////////////////////*/

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function one(uint256 value) internal pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = value;
    }

    function nextBlock() internal {
        vm.roll(vm.getBlockNumber() + 1);
        vm.warp(vm.getBlockTimestamp() + 1);
    }
}
