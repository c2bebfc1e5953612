// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Licences} from "../../src/libraries/Licences.sol";
import {EconomyTest} from "../utils/EconomyTest.sol";
import {ModelsHandler} from "./handlers/ModelsHandler.sol";

/// @notice M1 to M5 of the README.
contract ModelsInvariantTest is EconomyTest {
    ModelsHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new ModelsHandler();
        handler.init();
        for (uint256 i; i < 6; ++i) {
            handler.register(i, i, 3_000, i % 3, true);
        }
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](2);
        (selectors[0], selectors[1]) = (handler.register.selector, handler.reprice.selector);
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev M1.
    function invariant_ModelsKeepSevenTenths() external view {
        for (uint256 id = 1; id <= handler.registered(); ++id) {
            IModelRegistry.Royalty[] memory owed = models.royaltiesOf(id);
            assertLe(owed.length, models.ROYALTIES_MAX());
            uint256 sum;
            for (uint256 i; i < owed.length; ++i) {
                assertGt(owed[i].bps, 0);
                sum += owed[i].bps;
            }
            assertLe(sum, models.ROYALTY_BPS_MAX());
        }
    }

    /// @dev M2.
    function invariant_OnlyAncestorsAreOwed() external view {
        for (uint256 id = 1; id <= handler.registered(); ++id) {
            IModelRegistry.Royalty[] memory owed = models.royaltiesOf(id);
            uint256[] memory ancestors = models.lineage(id);
            for (uint256 i; i < owed.length; ++i) {
                uint256 found;
                for (uint256 j; j < ancestors.length; ++j) {
                    if (ancestors[j] == owed[i].modelId) ++found;
                }
                assertEq(found, 1);
                (, address to) = models.splitOf(owed[i].modelId);
                assertEq(owed[i].payee, to);
                for (uint256 j; j < i; ++j) {
                    assertNotEq(owed[i].modelId, owed[j].modelId);
                }
            }
        }
    }

    /// @dev M3: older than the model, closed under ancestry, bounded.
    function invariant_LineageIsClosed() external view {
        for (uint256 id = 1; id <= handler.registered(); ++id) {
            uint256[] memory ancestors = models.lineage(id);
            assertLe(ancestors.length, models.ANCESTORS_MAX());
            for (uint256 i; i < ancestors.length; ++i) {
                assertLt(ancestors[i], id);
                uint256[] memory above = models.lineage(ancestors[i]);
                for (uint256 j; j < above.length; ++j) {
                    assertTrue(contains(ancestors, above[j]));
                }
            }
        }
    }

    /// @dev M4.
    function invariant_DataStaysInTheLineage() external view {
        for (uint256 id = 1; id <= handler.registered(); ++id) {
            uint256[] memory ancestors = models.lineage(id);
            for (uint256 n; n < handler.netCount(); ++n) {
                bool used = ownNet(id) == handler.nets(n);
                for (uint256 i; i < ancestors.length; ++i) {
                    used = used || ownNet(ancestors[i]) == handler.nets(n);
                }
                assertEq(models.usesDatanet(id, handler.nets(n)), used);
            }
        }
    }

    /// @dev M5.
    function invariant_LicencesHoldAlongTheLineage() external view {
        for (uint256 id = 1; id <= handler.registered(); ++id) {
            (,, IModelRegistry.ModelParams memory p) = models.model(id);
            bool sold = p.pricePer1kIn != 0 || p.pricePer1kOut != 0;
            if (sold) assertFalse(models.usesDatanet(id, handler.nets(1)));
            if (models.usesDatanet(id, handler.nets(4))) assertEq(p.licence, "LicenseRef-A-SA");
            uint256[] memory ancestors = models.lineage(id);
            for (uint256 i; i < ancestors.length; ++i) {
                string memory licence = handler.licenceOf(ancestors[i]);
                (bool derivatives, bool commercial, bool shareAlike) = Licences.termsOf(bytes(licence));
                assertTrue(derivatives);
                if (sold) assertTrue(commercial);
                if (shareAlike) assertEq(p.licence, licence);
            }
        }
    }

    /// @dev The campaign reaches what it is for.
    function test_HandlerReachesEverything() external {
        uint256 before = handler.registered();
        handler.register(7, 3, 1_000, 1, false);
        assertEq(handler.registered(), before + 1);
        assertGt(models.lineage(before + 1).length, 2);
        handler.register(2, 0, 0, 5, false);
        uint256 refused = handler.refused();
        // A source whose licence forbids derived works.
        handler.register(type(uint256).max - 1, 1, 0, 1, false);
        for (uint256 i; i < 16; ++i) {
            handler.register(i, 3, 500, 1, false);
        }
        assertGt(handler.refused(), refused);
        handler.reprice(0, 1);
    }

    function ownNet(uint256 id) private view returns (uint256) {
        (,, IModelRegistry.ModelParams memory p) = models.model(id);
        return p.datanets.length == 0 ? 0 : p.datanets[0].datanetId;
    }

    function contains(uint256[] memory list, uint256 value) private pure returns (bool) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == value) return true;
        }
        return false;
    }
}
