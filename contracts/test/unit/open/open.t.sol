// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RollupTest} from "../../utils/RollupTest.sol";

contract OPENTest is RollupTest {
    function test_SupplyIsFixedAndHeldByOne() external view {
        assertEq(open.totalSupply(), 1_000_000_000e18);
        assertEq(open.balanceOf(treasury), open.totalSupply());
        assertEq(open.name(), "OpenLedger");
        assertEq(open.symbol(), "OPEN");
        assertEq(open.decimals(), 18);
    }

    /// @dev What an owner could do elsewhere is not there at all.
    function test_NobodyRulesIt() external {
        string[6] memory absent = [
            "owner()",
            "mint(address,uint256)",
            "burn(uint256)",
            "pause()",
            "blacklist(address)",
            "transferOwnership(address)"
        ];
        for (uint256 i; i < absent.length; ++i) {
            vm.prank(treasury);
            (bool ok,) = address(open).call(abi.encodeWithSignature(absent[i], alice, uint256(1)));
            assertFalse(ok, absent[i]);
        }
    }
}
