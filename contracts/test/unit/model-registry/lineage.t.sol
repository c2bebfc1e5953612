// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttributionSettlement} from "../../../src/interfaces/IAttributionSettlement.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract LineageTest is EconomyTest {
    uint256 private named;

    /// @dev A model with a payee of its own.
    function params(uint16 royaltyBps, string memory licence) private returns (IModelRegistry.ModelParams memory p) {
        string memory name = string.concat("model-", vm.toString(++named));
        p = modelParams(name);
        p.payee = makeAddr(name);
        p.royaltyBps = royaltyBps;
        p.licence = licence;
    }

    function base(uint16 royaltyBps) private returns (uint256) {
        return registerModel(params(royaltyBps, ""));
    }

    function base(string memory licence) private returns (uint256) {
        return registerModel(params(0, licence));
    }

    function merge(uint256 a, uint16 weightA, uint256 b, uint16 weightB)
        private
        pure
        returns (IModelRegistry.Source[] memory s)
    {
        s = new IModelRegistry.Source[](2);
        (s[0], s[1]) = (IModelRegistry.Source(a, weightA), IModelRegistry.Source(b, weightB));
    }

    function expectRefused(IModelRegistry.ModelParams memory p, bytes memory why) private {
        vm.expectRevert(why);
        models.registerModel(p);
    }

    function test_RevertWhen_SourcesInvalid() external {
        (uint256 a, uint256 b) = (base(0), base(0));
        IModelRegistry.ModelParams memory p = params(0, "");
        p.sources = new IModelRegistry.Source[](9);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_TooManySources.selector, 9, 8));
        p.sources = merge(b, 5_000, a, 5_000);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_SourceInvalid.selector, a, 5_000));
        p.sources = merge(a, 5_000, a, 5_000);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_SourceInvalid.selector, a, 5_000));
        p.sources = merge(a, 10_000, b, 0);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_SourceInvalid.selector, b, 0));
        p.sources = merge(a, 1, 99, 9_999);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_ModelUnknown.selector, 99));
    }

    function test_RevertWhen_WeightsDoNotSum(uint16 weightA, uint16 weightB) external {
        (uint256 a, uint256 b) = (base(0), base(0));
        vm.assume(weightA != 0 && weightB != 0 && uint256(weightA) + weightB != 10_000);
        IModelRegistry.ModelParams memory p = params(0, "");
        p.sources = merge(a, weightA, b, weightB);
        expectRefused(
            p, abi.encodeWithSelector(Errors.ModelRegistry_WeightsInvalid.selector, uint256(weightA) + weightB)
        );
    }

    function test_RevertWhen_TermsInvalid(uint16 royalty) external {
        royalty = uint16(bound(royalty, 3_001, type(uint16).max));
        expectRefused(
            params(royalty, ""), abi.encodeWithSelector(Errors.ModelRegistry_RoyaltyTooHigh.selector, royalty, 3_000)
        );
        string memory long = string(abi.encodePacked(keccak256("a"), keccak256("b"), "c"));
        string[2] memory invalid = ["MIT or so", long];
        for (uint256 i; i < 2; ++i) {
            expectRefused(
                params(0, invalid[i]),
                abi.encodeWithSelector(Errors.ModelRegistry_LicenceInvalid.selector, invalid[i], 64)
            );
        }
    }

    function test_RevertWhen_ASourceForbidsDerivatives() external {
        (uint256 a, uint256 b) = (base("MIT"), base("LicenseRef-House-ND"));
        IModelRegistry.ModelParams memory p = params(0, "");
        p.sources = merge(a, 9_999, b, 1);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_SourceForbidsDerivatives.selector, b));
    }

    /// @dev The licence holds for its owner's customers as it did: a price of its own is the licensor's. Descendants are bound.
    function test_RevertWhen_AnAncestorForbidsSale() external {
        (uint256 a, uint256 b) = (base(""), base("CC-BY-NC-4.0"));
        IModelRegistry.ModelParams memory p = params(0, "");
        p.sources = merge(a, 5_000, b, 5_000);
        bytes memory why = abi.encodeWithSelector(Errors.ModelRegistry_SourceForbidsSale.selector, b);
        expectRefused(p, why);
        (p.pricePer1kIn, p.pricePer1kOut) = (0, 0);
        uint256 child = registerModel(p);
        vm.expectRevert(why);
        vm.prank(builder);
        models.setPrices(child, 1, 0);
        // Nor does another licence in between wash it off.
        p = params(0, "Apache-2.0");
        p.sources = derived(child);
        expectRefused(p, why);
    }

    function test_RevertWhen_TheLicenceIsNotSharedAlike() external {
        uint256 a = base("CC-BY-SA-4.0");
        string[3] memory others = ["", "MIT", "CC-BY-SA-3.0"];
        for (uint256 i; i < 3; ++i) {
            IModelRegistry.ModelParams memory p = params(0, others[i]);
            p.sources = derived(a);
            expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_SourceSharesAlike.selector, a));
        }
        IModelRegistry.ModelParams memory same = params(0, "CC-BY-SA-4.0");
        same.sources = derived(a);
        uint256 child = registerModel(same);
        // And so on: the child's children too.
        IModelRegistry.ModelParams memory grandchild = params(0, "MIT");
        grandchild.sources = derived(child);
        expectRefused(grandchild, abi.encodeWithSelector(Errors.ModelRegistry_SourceSharesAlike.selector, child));
    }

    function test_RevertWhen_TheLicenceOfADatanetIsNotSharedAlike() external {
        uint256 shared = publishedDatanet("CC-BY-SA-4.0");
        bytes memory why = abi.encodeWithSelector(Errors.ModelRegistry_LicenceSharesAlike.selector, shared);
        string[3] memory others = ["", "MIT", "CC-BY-SA-3.0"];
        for (uint256 i; i < 3; ++i) {
            expectRefused(over(shared, others[i]), why);
        }
        uint256 same = registerModel(over(shared, "CC-BY-SA-4.0"));
        // A child has the Datanet from its source, and cannot be under another licence either.
        IModelRegistry.ModelParams memory child = params(0, "MIT");
        child.sources = derived(same);
        expectRefused(child, abi.encodeWithSelector(Errors.ModelRegistry_SourceSharesAlike.selector, same));
        // Nothing can be under two licences at once.
        IModelRegistry.ModelParams memory both = over(shared, "CC-BY-SA-4.0");
        uint256 another = publishedDatanet("CC-BY-SA-3.0");
        both.datanets = new IModelRegistry.DatanetRef[](2);
        both.datanets[0] = IModelRegistry.DatanetRef(shared, 1);
        both.datanets[1] = IModelRegistry.DatanetRef(another, 1);
        expectRefused(both, abi.encodeWithSelector(Errors.ModelRegistry_LicenceSharesAlike.selector, another));
    }

    function over(uint256 net, string memory licence) private returns (IModelRegistry.ModelParams memory p) {
        p = params(0, licence);
        p.datanets = new IModelRegistry.DatanetRef[](1);
        p.datanets[0] = IModelRegistry.DatanetRef(net, 1);
    }

    function test_RevertWhen_TooManyAncestors() external {
        // Four merges of eight: 4 + 32 ancestors.
        uint256[4] memory merges;
        for (uint256 i; i < 4; ++i) {
            IModelRegistry.Source[] memory sources = new IModelRegistry.Source[](8);
            for (uint256 j; j < 8; ++j) {
                sources[j] = IModelRegistry.Source(base(0), 1_250);
            }
            IModelRegistry.ModelParams memory p = params(0, "");
            p.sources = sources;
            merges[i] = registerModel(p);
        }
        IModelRegistry.ModelParams memory all = params(0, "");
        all.sources = new IModelRegistry.Source[](4);
        for (uint256 i; i < 4; ++i) {
            all.sources[i] = IModelRegistry.Source(merges[i], 2_500);
        }
        expectRefused(all, abi.encodeWithSelector(Errors.ModelRegistry_TooManyAncestors.selector, 33, 32));
    }

    function test_RevertWhen_TooManyRoyalties() external {
        IModelRegistry.Source[] memory sources = new IModelRegistry.Source[](8);
        for (uint256 j; j < 8; ++j) {
            sources[j] = IModelRegistry.Source(base(3_000), 1_250);
        }
        IModelRegistry.ModelParams memory p = params(3_000, "");
        p.sources = sources;
        uint256 merged = registerModel(p);
        assertEq(models.royaltiesOf(merged).length, 8);
        p = params(0, "");
        p.sources = derived(merged);
        expectRefused(p, abi.encodeWithSelector(Errors.ModelRegistry_TooManyRoyalties.selector, 9, 8));
    }

    function test_WhenMerged(uint16 royaltyA, uint16 royaltyB, uint16 weight) external {
        royaltyA = uint16(bound(royaltyA, 0, 3_000));
        royaltyB = uint16(bound(royaltyB, 0, 3_000));
        weight = uint16(bound(weight, 1, 9_999));
        uint256 net = publishedDatanet();
        vm.prank(curator);
        datanets.publishVersion(net, "clusters 2");
        uint256 root = base(1_500);
        IModelRegistry.ModelParams memory p = params(royaltyA, "");
        p.sources = derived(root);
        p.datanets = new IModelRegistry.DatanetRef[](1);
        p.datanets[0] = IModelRegistry.DatanetRef(net, 2);
        uint256 a = registerModel(p);
        p = params(royaltyB, "");
        p.sources = derived(root);
        p.datanets = new IModelRegistry.DatanetRef[](2);
        p.datanets[0] = IModelRegistry.DatanetRef(net, 1);
        p.datanets[1] = IModelRegistry.DatanetRef(publishedDatanet(), 1);
        uint256 b = registerModel(p);
        p = params(0, "");
        p.sources = merge(a, weight, b, 10_000 - weight);
        uint256 merged = registerModel(p);

        IModelRegistry.DatanetRef[] memory refs = models.datanetsOf(merged);
        assertEq(refs.length, 2);
        assertEq(refs[0].version, 2);
        uint256[] memory ancestors = models.lineage(merged);
        assertEq(ancestors.length, 3);
        assertEq(ancestors[0], a);
        assertEq(ancestors[1], b);
        assertEq(ancestors[2], root);

        IModelRegistry.Royalty[] memory owed = models.royaltiesOf(merged);
        uint256 partA = uint256(royaltyA) * weight / 10_000;
        uint256 partB = uint256(royaltyB) * (10_000 - weight) / 10_000;
        uint256 toRoot = partA * 1_500 / 10_000 + partB * 1_500 / 10_000;
        uint256 sum;
        for (uint256 i; i < owed.length; ++i) {
            sum += owed[i].bps;
            if (owed[i].modelId == root) assertEq(owed[i].bps, toRoot);
            else if (owed[i].modelId == a) assertEq(owed[i].bps, partA - partA * 1_500 / 10_000);
            else assertEq(owed[i].bps, partB - partB * 1_500 / 10_000);
            for (uint256 j; j < i; ++j) {
                assertNotEq(owed[i].modelId, owed[j].modelId);
            }
        }
        assertEq(sum, partA + partB);
        assertLe(sum, 3_000);
    }

    function test_WhenAnEpochIsActivated(uint96 fees, uint16 royalty, uint16 above) external {
        fees = uint96(bound(fees, 1, 1e24));
        uint256 root = base(uint16(bound(above, 0, 3_000)));
        IModelRegistry.ModelParams memory p = params(uint16(bound(royalty, 0, 3_000)), "");
        p.sources = derived(root);
        uint256 parent = registerModel(p);
        p = params(0, "");
        p.sources = derived(parent);
        uint256 child = registerModel(p);
        fund(gateway, fees);
        IAttributionSettlement.EpochPost memory post = onePool(child, fees, 0, 0);
        settle(post);
        uint256 share = uint256(fees - uint256(fees) * 500 / 10_000) * 4_000 / 10_000;
        IModelRegistry.Royalty[] memory owed = models.royaltiesOf(child);
        uint256 paid;
        for (uint256 i; i < owed.length; ++i) {
            uint256 due = share * owed[i].bps / 10_000;
            assertEq(settlement.credit(owed[i].payee), due);
            paid += due;
        }
        assertEq(settlement.credit(p.payee), share - paid);
        assertGe(settlement.credit(p.payee), share * 7 / 10);
    }

    /// @dev There is no function that changes a royalty, a licence or a source: a record of them is for ever.
    function test_WhenTermsWouldMatterLater() external {
        uint256 a = base(1_000);
        IModelRegistry.ModelParams memory p = params(0, "");
        p.sources = derived(a);
        uint256 child = registerModel(p);
        vm.startPrank(builder);
        models.setPrices(a, 5, 5);
        models.retire(a);
        vm.stopPrank();
        assertEq(models.royaltiesOf(child)[0].bps, 1_000);
        assertEq(models.royaltiesOf(child)[0].payee, makeAddr("model-1"));
    }
}
