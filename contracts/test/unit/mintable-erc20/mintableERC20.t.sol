// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {OptimismMintableERC20} from "../../../src/bridge/OptimismMintableERC20.sol";
import {OptimismMintableERC20Factory} from "../../../src/bridge/OptimismMintableERC20Factory.sol";
import {BridgeTest} from "../../utils/BridgeTest.sol";

contract MintableERC20Test is BridgeTest {
    function testFuzz_BridgeOnly(address caller, uint256 amount, uint256 burned) external {
        OptimismMintableERC20 token =
            OptimismMintableERC20(tokenFactory.createStandardL2Token(address(1), "Name", "SYM"));
        burned = bound(burned, 0, amount);
        vm.startPrank(address(bridge));
        vm.expectEmit(address(token));
        emit OptimismMintableERC20.Mint(alice, amount);
        token.mint(alice, amount);
        vm.expectEmit(address(token));
        emit OptimismMintableERC20.Burn(alice, burned);
        token.burn(alice, burned);
        vm.stopPrank();
        assertEq(token.totalSupply(), amount - burned);

        vm.assume(caller != address(bridge));
        vm.startPrank(caller);
        bytes memory refusal =
            abi.encodeWithSelector(OptimismMintableERC20.OptimismMintableERC20_NotBridge.selector, caller);
        vm.expectRevert(refusal);
        token.mint(caller, 1);
        vm.expectRevert(refusal);
        token.burn(alice, 1);
    }

    function testFuzz_Created(address remote, string calldata name, string calldata symbol, uint8 decimals) external {
        vm.assume(remote != address(0));
        bytes32 salt = keccak256(abi.encode(remote, name, symbol, decimals));
        bytes memory code = bytes.concat(
            type(OptimismMintableERC20).creationCode, abi.encode(address(bridge), remote, name, symbol, decimals)
        );
        address foreseenToken = vm.computeCreate2Address(salt, keccak256(code), address(tokenFactory));
        vm.expectEmit(address(tokenFactory));
        emit OptimismMintableERC20Factory.StandardL2TokenCreated(remote, foreseenToken);
        vm.expectEmit(address(tokenFactory));
        emit OptimismMintableERC20Factory.OptimismMintableERC20Created(foreseenToken, remote, address(this));
        OptimismMintableERC20 token =
            OptimismMintableERC20(tokenFactory.createOptimismMintableERC20WithDecimals(remote, name, symbol, decimals));
        assertEq(address(token), foreseenToken);
        assertEq(tokenFactory.deployments(address(token)), remote);
        assertEq(token.name(), name);
        assertEq(token.symbol(), symbol);
        assertEq(token.decimals(), decimals);
        assertEq(token.remoteToken(), remote);
        assertEq(token.l1Token(), remote);
        assertEq(token.REMOTE_TOKEN(), remote);
        assertEq(token.bridge(), address(bridge));
        assertEq(token.l2Bridge(), address(bridge));
        assertEq(tokenFactory.bridge(), address(bridge));
        assertEq(l2TokenFactory.BRIDGE(), address(l2Bridge));
        vm.expectRevert();
        tokenFactory.createOptimismMintableERC20WithDecimals(remote, name, symbol, decimals);
    }

    function test_RevertWhen_RemoteTokenZero() external {
        vm.expectRevert(OptimismMintableERC20Factory.OptimismMintableERC20Factory_RemoteTokenZero.selector);
        tokenFactory.createOptimismMintableERC20(address(0), "", "");
    }

    /// @dev An approval by signature, in the domain of the token's name, whatever its length.
    function testFuzz_Permit(string calldata name, uint256 amount) external {
        OptimismMintableERC20 token = OptimismMintableERC20(tokenFactory.createStandardL2Token(address(1), name, "SYM"));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                alice,
                bob,
                amount,
                0,
                type(uint256).max
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                address(token)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        token.permit(alice, bob, amount, type(uint256).max, v, r, s);
        assertEq(token.allowance(alice, bob), amount);
        assertEq(token.allowance(alice, 0x000000000022D473030F116dDEE9F6B43aC78BA3), 0);
    }

    /// @dev The ids by which the OP Stack's bridges know such tokens.
    function test_Interfaces() external {
        OptimismMintableERC20 token =
            OptimismMintableERC20(tokenFactory.createStandardL2Token(address(1), "Name", "SYM"));
        assertTrue(token.supportsInterface(0x01ffc9a7));
        assertTrue(token.supportsInterface(0x1d1d8b63));
        assertTrue(token.supportsInterface(0xec4fc8e3));
        assertFalse(token.supportsInterface(0xffffffff));
    }
}
