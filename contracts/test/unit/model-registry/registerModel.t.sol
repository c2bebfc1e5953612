// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract RegisterModelTest is EconomyTest {
    uint256 private datanetId;

    function setUp() public override {
        super.setUp();
        datanetId = publishedDatanet();
    }

    function test_RevertWhen_NameInvalid() external {
        string[5] memory invalid = ["", "a b", unicode"mödel", "new\nline", ""];
        invalid[4] = string(abi.encodePacked(keccak256("a"), keccak256("b"), "c"));
        for (uint256 i; i < 5; ++i) {
            IModelRegistry.ModelParams memory params = modelParams(invalid[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_NameInvalid.selector, invalid[i], 64));
            models.registerModel(params);
        }
    }

    function test_RevertWhen_NameTaken() external {
        uint256 id = registerModel(modelParams("m"));
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_NameTaken.selector, "m", id));
        models.registerModel(modelParams("m"));
    }

    function test_RevertWhen_HashMissing() external {
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.baseModelHash = 0;
        vm.expectRevert(Errors.ModelRegistry_HashMissing.selector);
        models.registerModel(params);
        params = modelParams("m");
        params.engineSpecHash = 0;
        vm.expectRevert(Errors.ModelRegistry_HashMissing.selector);
        models.registerModel(params);
    }

    function test_RevertWhen_NoPayee() external {
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.payee = address(0);
        vm.expectRevert(Errors.ZeroAddress.selector);
        models.registerModel(params);
    }

    function test_RevertWhen_TooManyChunks(uint8 chunks) external {
        chunks = uint8(bound(chunks, 17, 255));
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.retrievalChunks = chunks;
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_TooManyChunks.selector, chunks, 16));
        models.registerModel(params);
    }

    function test_RevertWhen_SplitInvalid(IModelRegistry.Split memory split) external {
        uint256 sum = uint256(split.modelBps) + split.contributorsBps + split.stakersBps;
        vm.assume(sum != 10_000 || split.contributorsBps < 2_000);
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.split = split;
        vm.expectRevert(
            abi.encodeWithSelector(Errors.ModelRegistry_SplitInvalid.selector, sum, split.contributorsBps, 2_000)
        );
        models.registerModel(params);
    }

    function test_RevertWhen_ContributorsGetTooLittle(uint16 contributors) external {
        contributors = uint16(bound(contributors, 0, 1_999));
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.split = IModelRegistry.Split(10_000 - contributors, contributors, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_SplitInvalid.selector, 10_000, contributors, 2_000));
        models.registerModel(params);
    }

    function test_RevertWhen_AdaptersInvalid() external {
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.adapters = new IModelRegistry.Adapter[](17);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_TooManyAdapters.selector, 17, 16));
        models.registerModel(params);

        IModelRegistry.Adapter[4] memory second = [
            IModelRegistry.Adapter(0, 5_000),
            IModelRegistry.Adapter("a", 5_000),
            IModelRegistry.Adapter("b", 0),
            IModelRegistry.Adapter("b", 10_001)
        ];
        params.adapters = new IModelRegistry.Adapter[](2);
        params.adapters[0] = IModelRegistry.Adapter("a", 5_000);
        for (uint256 i; i < 4; ++i) {
            params.adapters[1] = second[i];
            vm.expectRevert(
                abi.encodeWithSelector(
                    Errors.ModelRegistry_AdapterInvalid.selector, second[i].adapterHash, second[i].weightBps
                )
            );
            models.registerModel(params);
        }
    }

    function test_RevertWhen_DatanetsInvalid() external {
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.datanets = new IModelRegistry.DatanetRef[](17);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_TooManyDatanets.selector, 17, 16));
        models.registerModel(params);

        params.datanets = new IModelRegistry.DatanetRef[](2);
        params.datanets[0] = IModelRegistry.DatanetRef(datanetId, 1);
        params.datanets[1] = IModelRegistry.DatanetRef(datanetId, 1);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.ModelRegistry_DatanetsNotAscending.selector, datanetId, datanetId)
        );
        models.registerModel(params);

        params.datanets = new IModelRegistry.DatanetRef[](1);
        uint32[2] memory versions = [uint32(0), 2];
        for (uint256 i; i < 2; ++i) {
            params.datanets[0] = IModelRegistry.DatanetRef(datanetId, versions[i]);
            vm.expectRevert(
                abi.encodeWithSelector(Errors.ModelRegistry_VersionUnknown.selector, datanetId, versions[i])
            );
            models.registerModel(params);
        }
        params.datanets[0] = IModelRegistry.DatanetRef(99, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_DatanetUnknown.selector, 99));
        models.registerModel(params);
    }

    function test_RevertWhen_ParentUnknown(uint256 parent) external {
        vm.assume(parent != 0);
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.sources = derived(parent);
        vm.assume(parent != 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_ModelUnknown.selector, parent));
        models.registerModel(params);
    }

    /// @dev While it is being registered the model exists already; it must not become its own parent.
    function test_RevertWhen_ParentIsItself() external {
        IModelRegistry.ModelParams memory params = modelParams("m");
        params.sources = derived(1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_ModelUnknown.selector, 1));
        models.registerModel(params);
    }

    function test_RevertWhen_LineageTooDeep() external {
        uint256 parent;
        for (uint256 i; i <= 8; ++i) {
            IModelRegistry.ModelParams memory params = modelParams(vm.toString(i));
            params.sources = derived(parent);
            parent = registerModel(params);
        }
        uint256[] memory ancestors = models.lineage(parent);
        assertEq(ancestors.length, 8);
        for (uint256 i; i < 8; ++i) {
            assertEq(ancestors[i], 8 - i);
        }
        IModelRegistry.ModelParams memory tooDeep = modelParams("deep");
        tooDeep.sources = derived(parent);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_LineageTooDeep.selector, 9, 8));
        models.registerModel(tooDeep);
    }

    function test_RevertWhen_TooManyEffectiveDatanets() external {
        uint256 parent;
        for (uint256 i; i < 2; ++i) {
            IModelRegistry.ModelParams memory params = modelParams(vm.toString(i));
            params.sources = derived(parent);
            params.datanets = new IModelRegistry.DatanetRef[](16);
            for (uint256 j; j < 16; ++j) {
                params.datanets[j] = IModelRegistry.DatanetRef(publishedDatanet(), 1);
            }
            parent = registerModel(params);
        }
        assertEq(models.datanetsOf(parent).length, 32);
        IModelRegistry.ModelParams memory more = modelParams("more", datanetId);
        more.sources = derived(parent);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_TooManyDatanets.selector, 33, 32));
        models.registerModel(more);
    }

    function test_RevertWhen_LicenceForbidsDerivatives() external {
        uint256 closed = publishedDatanet("CC-BY-ND-4.0");
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_LicenceForbidsDerivatives.selector, closed));
        models.registerModel(modelParams("m", closed));
    }

    function test_RevertWhen_LicenceForbidsSale() external {
        uint256 free = publishedDatanet("CC-BY-NC-4.0");
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_LicenceForbidsSale.selector, free));
        models.registerModel(modelParams("m", free));

        IModelRegistry.ModelParams memory params = modelParams("m", free);
        (params.pricePer1kIn, params.pricePer1kOut) = (0, 0);
        uint256 parent = registerModel(params);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_LicenceForbidsSale.selector, free));
        vm.prank(builder);
        models.setPrices(parent, 0, 1);

        // A child cannot wash the licence off by leaving the Datanet out.
        IModelRegistry.ModelParams memory child = modelParams("child", datanetId);
        child.sources = derived(parent);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelRegistry_LicenceForbidsSale.selector, free));
        models.registerModel(child);
    }

    /// @dev Of Datanets of its own, of a source's, and of none.
    function test_RevertWhen_TheRootsOfTheCorpusAreNotThere(bytes32 surprises, bytes32 clusters, uint8 which) external {
        if (which % 4 != 0) (surprises, clusters) = which % 2 == 0 ? (surprises, bytes32(0)) : (bytes32(0), clusters);
        IModelRegistry.ModelParams memory own = modelParams("own", datanetId);
        IModelRegistry.ModelParams memory inherited = modelParams("inherited");
        inherited.sources = derived(registerModel(modelParams("source", datanetId)));
        IModelRegistry.ModelParams memory none = modelParams("none");
        none.sources = derived(registerModel(modelParams("another")));
        bool any = surprises != 0 || clusters != 0;
        bool both = surprises != 0 && clusters != 0;
        checkRoots(own, surprises, clusters, both, 1);
        checkRoots(inherited, surprises, clusters, both, 1);
        checkRoots(none, surprises, clusters, !any, 0);
        checkRoots(modelParams("lone"), 0, 0, true, 0);
    }

    function checkRoots(
        IModelRegistry.ModelParams memory params,
        bytes32 surprises,
        bytes32 clusters,
        bool holds,
        uint256 count
    ) private {
        (params.surpriseRoot, params.clusterMapRoot) = (surprises, clusters);
        bytes4 why = Errors.ModelRegistry_CorpusRootsInvalid.selector;
        if (!holds) vm.expectRevert(abi.encodeWithSelector(why, count, surprises, clusters));
        uint256 id = models.registerModel(params);
        if (!holds) return;
        (,, IModelRegistry.ModelParams memory stored) = models.model(id);
        assertEq(stored.surpriseRoot, surprises);
        assertEq(stored.clusterMapRoot, clusters);
    }

    function test_WhenEverythingHolds(address owner, uint96 priceIn, uint96 priceOut, uint16 contributors) external {
        vm.assume(owner != address(0));
        contributors = uint16(bound(contributors, 2_000, 10_000));
        IModelRegistry.ModelParams memory params = modelParams("org/model-1:q4", datanetId);
        params.split = IModelRegistry.Split(0, contributors, 10_000 - contributors);
        (params.pricePer1kIn, params.pricePer1kOut) = (priceIn, priceOut);
        params.adapters = new IModelRegistry.Adapter[](2);
        params.adapters[0] = IModelRegistry.Adapter("a", 10_000);
        params.adapters[1] = IModelRegistry.Adapter("b", 1);

        vm.expectEmit(address(models));
        emit IModelRegistry.ModelRegistered(1, owner, params.name, params);
        vm.prank(owner);
        uint256 id = models.registerModel(params);

        assertEq(id, 1);
        assertEq(models.modelCount(), 1);
        assertEq(models.modelIdByName("org/model-1:q4"), 1);
        assertEq(models.modelIdByName("other"), 0);
        (address storedOwner, bool retired, IModelRegistry.ModelParams memory stored) = models.model(id);
        assertEq(storedOwner, owner);
        assertFalse(retired);
        assertEq(keccak256(abi.encode(stored)), keccak256(abi.encode(params)));
        (IModelRegistry.Split memory split, address paid) = models.splitOf(id);
        assertEq(keccak256(abi.encode(split)), keccak256(abi.encode(params.split)));
        assertEq(paid, payee);
        assertEq(models.lineage(id).length, 0);
    }

    function test_WhenItHasAncestors() external {
        uint256 second = publishedDatanet();
        uint256 third = publishedDatanet();
        vm.prank(curator);
        datanets.publishVersion(datanetId, "clusters 2");
        uint256 grandparent = registerModel(modelParams("grandparent", datanetId));
        IModelRegistry.ModelParams memory params = modelParams("parent", second);
        params.sources = derived(grandparent);
        uint256 parent = registerModel(params);
        params = modelParams("child");
        params.sources = derived(parent);
        params.datanets = new IModelRegistry.DatanetRef[](2);
        params.datanets[0] = IModelRegistry.DatanetRef(datanetId, 2);
        params.datanets[1] = IModelRegistry.DatanetRef(third, 1);
        uint256 child = registerModel(params);

        IModelRegistry.DatanetRef[] memory refs = models.datanetsOf(child);
        assertEq(refs.length, 3);
        assertEq(refs[0].datanetId, datanetId);
        assertEq(refs[0].version, 2);
        assertEq(refs[1].datanetId, third);
        assertEq(refs[2].datanetId, second);
        assertTrue(models.usesDatanet(child, second));
        assertFalse(models.usesDatanet(parent, third));
        assertFalse(models.usesDatanet(grandparent, second));

        uint256[] memory modelIds = one(child);
        uint256[] memory datanetIds = new uint256[](3);
        (datanetIds[0], datanetIds[1], datanetIds[2]) = (datanetId, second, third);
        assertEq(models.firstUnused(modelIds, datanetIds), 3);
        assertEq(models.firstUnused(one(parent), datanetIds), 2);
        modelIds = new uint256[](2);
        (modelIds[0], modelIds[1]) = (grandparent, child);
        assertEq(models.firstUnused(modelIds, datanetIds), 3);
        datanetIds[1] = 99;
        assertEq(models.firstUnused(modelIds, datanetIds), 1);
    }
}
