// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {EconomyTest} from "../../utils/EconomyTest.sol";

contract CreateDatanetTest is EconomyTest {
    function test_RevertWhen_NameLengthOutOfBounds(uint256 length) external {
        length = length % 2 == 0 ? 0 : bound(length, 97, 500);
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.name = string(new bytes(length));
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NameLength.selector, length, 96));
        datanets.createDatanet(params);
    }

    function test_RevertWhen_LicenceInvalid() external {
        string[3] memory invalid = ["", "CC BY", string(abi.encodePacked(bytes32("a"), bytes32("b"), "c"))];
        for (uint256 i; i < 3; ++i) {
            IDatanetRegistry.DatanetParams memory params = datanetParams();
            params.licence = invalid[i];
            vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_LicenceInvalid.selector, invalid[i], 64));
            datanets.createDatanet(params);
        }
    }

    function test_RevertWhen_LicenceTextHashMissing() external {
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.licenceTextHash = 0;
        vm.expectRevert(Errors.DatanetRegistry_HashMissing.selector);
        datanets.createDatanet(params);
    }

    function test_RevertWhen_RevealWindowOutOfBounds(uint32 window) external {
        vm.assume(window < 1 hours || window > 90 days);
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.revealWindow = window;
        vm.expectRevert(
            abi.encodeWithSelector(Errors.DatanetRegistry_RevealWindowOutOfBounds.selector, window, 1 hours, 90 days)
        );
        datanets.createDatanet(params);
    }

    function test_RevertWhen_TooManyCurators() external {
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.curators = new address[](17);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_TooManyCurators.selector, 17, 16));
        datanets.createDatanet(params);
    }

    function test_RevertWhen_CuratorZero() external {
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.curators = new address[](1);
        vm.expectRevert(Errors.ZeroAddress.selector);
        datanets.createDatanet(params);
    }

    function test_WhenEverythingIsInBounds(address owner, uint96 bond, uint32 window, uint8 curators) external {
        vm.assume(owner != address(0));
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.bond = bond;
        params.revealWindow = uint32(bound(window, 1 hours, 90 days));
        params.curators = new address[](bound(curators, 0, 16));
        for (uint256 i; i < params.curators.length; ++i) {
            params.curators[i] = address(uint160(0xc000 + i));
        }

        vm.expectEmit(address(datanets));
        emit IDatanetRegistry.DatanetCreated(
            1, owner, params.name, params.licence, params.licenceTextHash, params.schemaHash, bond
        );
        for (uint256 i; i < params.curators.length; ++i) {
            vm.expectEmit(address(datanets));
            emit IDatanetRegistry.CuratorSet(1, params.curators[i], true);
        }
        vm.prank(owner);
        assertEq(datanets.createDatanet(params), 1);

        assertEq(datanets.datanetCount(), 1);
        assertEq(datanets.ownerOf(1), owner);
        assertEq(datanets.licenceOf(1), LICENCE);
        assertTrue(datanets.isCurator(1, owner));
        IDatanetRegistry.Datanet memory d = datanets.datanet(1);
        assertEq(d.owner, owner);
        assertEq(d.bond, bond);
        assertEq(d.revealWindow, params.revealWindow);
        assertEq(d.curatorCount, params.curators.length);
        assertEq(d.licenceTextHash, params.licenceTextHash);
        assertEq(d.schemaHash, params.schemaHash);
        assertEq(d.acceptedCount, 0);
        assertEq(d.versionCount, 0);
        for (uint256 i; i < params.curators.length; ++i) {
            assertTrue(datanets.isCurator(1, params.curators[i]));
        }
        assertEq(createDatanet(), 2);
    }

    function test_WhenTheLicenceHasTerms() external {
        assertTerms("CC-BY-4.0", true, true, false);
        assertTerms("CC0-1.0", true, true, false);
        assertTerms("CC-BY-ND-4.0", false, true, false);
        assertTerms("CC-BY-NC-4.0", true, false, false);
        assertTerms("CC-BY-NC-ND-4.0", false, false, false);
        assertTerms("CC-BY-SA-4.0", true, true, true);
        assertTerms("CC-BY-NC-SA-4.0", true, false, true);
        assertTerms("LicenseRef-House-NC", true, false, false);
        assertTerms("NCGL-UK-2.0", true, true, false);
    }

    function assertTerms(string memory licence, bool derivatives, bool commercial, bool shareAlike) private {
        (bool d, bool c, bool s) = datanets.licenceTermsOf(createDatanet(licence));
        assertEq(d, derivatives, licence);
        assertEq(c, commercial, licence);
        assertEq(s, shareAlike, licence);
    }

    function test_WhenACuratorIsListedTwice() external {
        IDatanetRegistry.DatanetParams memory params = datanetParams();
        params.curators = new address[](2);
        (params.curators[0], params.curators[1]) = (alice, alice);
        assertEq(datanets.datanet(datanets.createDatanet(params)).curatorCount, 1);
    }
}
