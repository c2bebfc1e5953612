// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {OptimismMintableERC20} from "../../../src/bridge/OptimismMintableERC20.sol";
import {StandardBridge} from "../../../src/bridge/StandardBridge.sol";
import {IStandardBridge} from "../../../src/interfaces/IStandardBridge.sol";
import {L1StandardBridge} from "../../../src/l1/L1StandardBridge.sol";
import {L2StandardBridge} from "../../../src/l2/predeploys/L2StandardBridge.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {BridgeTest, PlainToken} from "../../utils/BridgeTest.sol";

contract StandardBridgeTest is BridgeTest {
    uint32 private constant MIN_GAS = 200_000;

    PlainToken private l1Token;
    OptimismMintableERC20 private onL2;
    PlainToken private l2Token;
    OptimismMintableERC20 private onL1;

    function setUp() public override {
        super.setUp();
        l1Token = new PlainToken(0);
        onL2 = OptimismMintableERC20(
            l2TokenFactory.createOptimismMintableERC20WithDecimals(address(l1Token), "Plain", "PLN", 6)
        );
        l2Token = new PlainToken(0);
        onL1 = OptimismMintableERC20(tokenFactory.createOptimismMintableERC20(address(l2Token), "Plain", "PLN"));
    }

    function give(PlainToken token, StandardBridge to, uint256 amount) private {
        token.mint(alice, amount, 0);
        vm.prank(alice);
        token.approve(address(to), amount);
    }

    // bridgeERC20

    function test_RevertWhen_EtherIsSent() external {
        vm.deal(alice, 10);
        vm.startPrank(alice, alice);
        bytes4 refusal = IStandardBridge.StandardBridge_EtherNotBridged.selector;
        vm.expectRevert(refusal);
        bridge.bridgeETH{value: 1}(0, "");
        vm.expectRevert(refusal);
        bridge.bridgeETHTo{value: 1}(bob, 0, "");
        vm.expectRevert(refusal);
        bridge.depositETH{value: 1}(0, "");
        vm.expectRevert(refusal);
        bridge.depositETHTo{value: 1}(bob, 0, "");
        vm.expectRevert(refusal);
        l2Bridge.bridgeETH{value: 1}(0, "");
        vm.expectRevert(refusal);
        l2Bridge.withdraw{value: 1}(address(onL2), 1, 0, "");
        vm.expectRevert(refusal);
        l2Bridge.withdrawTo{value: 1}(address(onL2), bob, 1, 0, "");
        (bool ok, bytes memory why) = address(bridge).call{value: 1}("");
        assertFalse(ok);
        assertEq(bytes4(why), refusal);
        (ok,) = address(l2Bridge).call{value: 1}("");
        assertFalse(ok);
    }

    function test_RevertWhen_TokenIsOpen() external {
        fund(alice, 5);
        vm.startPrank(alice, alice);
        open.approve(address(bridge), 5);
        vm.expectRevert(IStandardBridge.StandardBridge_OpenNotBridged.selector);
        bridge.bridgeERC20(address(open), address(onL2), 5, MIN_GAS, "");
    }

    function test_RevertWhen_CallerIsContract() external {
        give(l1Token, bridge, 5);
        vm.startPrank(alice);
        bytes memory refusal = abi.encodeWithSelector(IStandardBridge.StandardBridge_NotEOA.selector, alice);
        vm.expectRevert(refusal);
        bridge.bridgeERC20(address(l1Token), address(onL2), 5, MIN_GAS, "");
        vm.expectRevert(refusal);
        bridge.depositERC20(address(l1Token), address(onL2), 5, MIN_GAS, "");
        vm.expectRevert(refusal);
        l2Bridge.withdraw(address(onL2), 5, MIN_GAS, "");
        bridge.bridgeERC20To(address(l1Token), address(onL2), bob, 5, MIN_GAS, "");
    }

    function testFuzz_RevertWhen_TokenKeepsAPart(uint256 fee, uint256 amount) external {
        fee = bound(fee, 1, 10_000);
        amount = bound(amount, 10_000, 1e30);
        PlainToken greedy = new PlainToken(fee);
        give(greedy, bridge, amount);
        vm.prank(alice);
        vm.expectPartialRevert(IStandardBridge.StandardBridge_InexactTransfer.selector);
        bridge.bridgeERC20To(address(greedy), address(onL2), bob, amount, MIN_GAS, "");
    }

    function test_RevertWhen_LocalStandsForAnother() external {
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStandardBridge.StandardBridge_WrongRemoteToken.selector, address(onL2), address(l2Token)
            )
        );
        l2Bridge.bridgeERC20To(address(onL2), address(l2Token), bob, 0, MIN_GAS, "");
    }

    function testFuzz_TokenOfL1(uint256 amount, uint256 back, bytes calldata extra) external {
        vm.assume(extra.length < 1_000);
        amount = bound(amount, 0, type(uint128).max);
        back = bound(back, 0, amount);
        give(l1Token, bridge, amount);
        vm.expectEmit(address(bridge));
        emit L1StandardBridge.ERC20DepositInitiated(address(l1Token), address(onL2), alice, alice, amount, extra);
        vm.expectEmit(address(bridge));
        emit IStandardBridge.ERC20BridgeInitiated(address(l1Token), address(onL2), alice, alice, amount, extra);
        vm.prank(alice, alice);
        bridge.depositERC20(address(l1Token), address(onL2), amount, MIN_GAS, extra);
        assertEq(l1Token.balanceOf(address(bridge)), amount);
        assertEq(bridge.deposits(address(l1Token), address(onL2)), amount);

        vm.expectEmit(address(onL2));
        emit OptimismMintableERC20.Mint(alice, amount);
        vm.expectEmit(address(l2Bridge));
        emit L2StandardBridge.DepositFinalized(address(l1Token), address(onL2), alice, alice, amount, extra);
        vm.expectEmit(address(l2Bridge));
        emit IStandardBridge.ERC20BridgeFinalized(address(onL2), address(l1Token), alice, alice, amount, extra);
        assertTrue(carryToL2());
        assertEq(onL2.balanceOf(alice), amount);

        vm.expectEmit(address(l2Bridge));
        emit L2StandardBridge.WithdrawalInitiated(address(l1Token), address(onL2), alice, bob, back, extra);
        vm.prank(alice);
        l2Bridge.withdrawTo(address(onL2), bob, back, MIN_GAS, extra);
        assertEq(onL2.totalSupply(), amount - back);
        vm.expectEmit(address(bridge));
        emit L1StandardBridge.ERC20WithdrawalFinalized(address(l1Token), address(onL2), alice, bob, back, extra);
        assertTrue(carryToL1());
        assertEq(l1Token.balanceOf(bob), back);
        assertEq(bridge.deposits(address(l1Token), address(onL2)), amount - back);
        assertEq(l1Token.balanceOf(address(bridge)), onL2.totalSupply());
    }

    /// @dev For somebody else, and so for contracts, too: they may not have their own address on L2.
    function testFuzz_TokenOfL1ForAnother(uint256 amount, bytes calldata extra) external {
        vm.assume(extra.length < 1_000);
        amount = bound(amount, 1, type(uint128).max);
        give(l1Token, bridge, amount);
        vm.expectEmit(address(bridge));
        emit L1StandardBridge.ERC20DepositInitiated(address(l1Token), address(onL2), alice, bob, amount, extra);
        vm.prank(alice);
        bridge.depositERC20To(address(l1Token), address(onL2), bob, amount, MIN_GAS, extra);
        assertTrue(carryToL2());
        assertEq(onL2.balanceOf(bob), amount);
        assertEq(onL2.balanceOf(alice), 0);
        assertEq(bridge.deposits(address(l1Token), address(onL2)), amount);
    }

    function testFuzz_TokenOfL2(uint256 amount, uint256 back) external {
        amount = bound(amount, 0, type(uint128).max);
        back = bound(back, 0, amount);
        give(l2Token, l2Bridge, amount);
        vm.prank(alice, alice);
        l2Bridge.bridgeERC20(address(l2Token), address(onL1), amount, MIN_GAS, "");
        assertTrue(carryToL1());
        assertEq(onL1.balanceOf(alice), amount);
        assertEq(l2Bridge.deposits(address(l2Token), address(onL1)), amount);
        vm.prank(alice);
        bridge.bridgeERC20To(address(onL1), address(l2Token), bob, back, MIN_GAS, "");
        assertTrue(carryToL2());
        assertEq(l2Token.balanceOf(bob), back);
        assertEq(onL1.totalSupply(), amount - back);
        assertEq(l2Token.balanceOf(address(l2Bridge)), amount - back);
    }

    // finalizeBridgeERC20

    function testFuzz_RevertWhen_CallerIsNotOtherBridge(address from, address caller) external {
        vm.assume(from != Predeploys.L2_STANDARD_BRIDGE && caller != address(messenger));
        give(l1Token, bridge, 5);
        vm.prank(alice);
        bridge.bridgeERC20To(address(l1Token), address(onL2), bob, 5, MIN_GAS, "");
        bytes memory call =
            abi.encodeCall(bridge.finalizeBridgeERC20, (address(l1Token), address(onL2), from, from, 5, ""));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IStandardBridge.StandardBridge_NotOtherBridge.selector, caller));
        bridge.finalizeBridgeERC20(address(l1Token), address(onL2), from, from, 5, "");
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IStandardBridge.StandardBridge_NotOtherBridge.selector, caller));
        bridge.finalizeERC20Withdrawal(address(l1Token), address(onL2), from, from, 5, "");
        // A message of somebody else on L2.
        vm.prank(from);
        l2Messenger.sendMessage(address(bridge), call, MIN_GAS);
        carryToL1();
        assertEq(l1Token.balanceOf(address(bridge)), 5);
    }

    function test_WhenPaused() external {
        give(l1Token, bridge, 5);
        vm.prank(alice);
        bridge.bridgeERC20To(address(l1Token), address(onL2), bob, 5, MIN_GAS, "");
        carryToL2();
        vm.prank(bob);
        l2Bridge.withdrawTo(address(onL2), bob, 5, MIN_GAS, "");
        // Fails for another reason first, so that it can be replayed.
        vm.mockCallRevert(address(l1Token), abi.encodeCall(IERC20.transfer, (bob, 5)), "");
        carryWithTokenRefusing();
        vm.clearMockedCalls();
        vm.prank(guardian);
        config.pause();
        assertTrue(bridge.paused());
        assertFalse(l2Bridge.paused());
        bytes memory call =
            abi.encodeCall(bridge.finalizeBridgeERC20, (address(l1Token), address(onL2), bob, bob, 5, ""));
        vm.expectRevert();
        replay(messenger, 0, address(l2Bridge), address(bridge), MIN_GAS, call);
        // The messenger is paused as well; the bridge would refuse without it.
        vm.mockCall(
            address(messenger), abi.encodeCall(messenger.xDomainMessageSender, ()), abi.encode(address(l2Bridge))
        );
        vm.prank(address(messenger));
        vm.expectRevert(IStandardBridge.StandardBridge_Paused.selector);
        bridge.finalizeBridgeERC20(address(l1Token), address(onL2), bob, bob, 5, "");
        vm.clearMockedCalls();
        vm.prank(guardian);
        config.unpause();
        replay(messenger, 0, address(l2Bridge), address(bridge), MIN_GAS, call);
        assertEq(l1Token.balanceOf(bob), 5);
    }

    /// @dev `carryToL1` clears mocks at its end; the token's refusal has to hold during the relay.
    function carryWithTokenRefusing() private {
        bytes memory call =
            abi.encodeCall(bridge.finalizeBridgeERC20, (address(l1Token), address(onL2), bob, bob, 5, ""));
        bytes memory relay = abi.encodeCall(
            messenger.relayMessage, (uint256(1) << 240, address(l2Bridge), address(bridge), 0, MIN_GAS, call)
        );
        assertTrue(relayOnL1(address(l2Messenger), address(messenger), 1_000_000, relay));
        assertTrue(messenger.failedMessages(hashOf(0, address(l2Bridge), address(bridge), MIN_GAS, call)));
        assertEq(l1Token.balanceOf(bob), 0);
    }

    /// @dev Provenance: a token of L2 that mints itself can take back what was deposited for it, not what is another's.
    function testFuzz_WhenPairTookInLess(uint256 honest, uint256 own, uint256 asked) external {
        honest = bound(honest, 1, type(uint128).max);
        own = bound(own, 0, type(uint96).max);
        asked = bound(asked, own + 1, own + honest);
        give(l1Token, bridge, honest + own);
        Rogue rogue = new Rogue(address(l1Token));
        vm.startPrank(alice);
        bridge.bridgeERC20To(address(l1Token), address(onL2), alice, honest, MIN_GAS, "");
        bridge.bridgeERC20To(address(l1Token), address(rogue), alice, own, MIN_GAS, "");
        vm.stopPrank();
        carryToL2();
        vm.prank(bob);
        l2Bridge.withdrawTo(address(rogue), bob, asked, MIN_GAS, "");
        carryToL1();
        assertEq(l1Token.balanceOf(bob), 0);
        assertEq(bridge.deposits(address(l1Token), address(onL2)), honest);
        vm.prank(bob);
        l2Bridge.withdrawTo(address(rogue), bob, own, MIN_GAS, "");
        carryToL1();
        assertEq(l1Token.balanceOf(bob), own);
    }

    function test_WhenDeliveryFails() external {
        give(l1Token, bridge, 5);
        // Too little gas for the mint.
        vm.prank(alice);
        bridge.bridgeERC20To(address(l1Token), address(onL2), bob, 5, 0, "");
        vm.mockCallRevert(address(onL2), abi.encodeCall(onL2.mint, (bob, 5)), "");
        carryToL2();
        vm.clearMockedCalls();
        assertEq(onL2.balanceOf(bob), 0);
        bytes memory call =
            abi.encodeCall(l2Bridge.finalizeBridgeERC20, (address(onL2), address(l1Token), alice, bob, 5, ""));
        replay(l2Messenger, 0, address(bridge), address(l2Bridge), 0, call);
        assertEq(onL2.balanceOf(bob), 5);
    }

    function test_Views() external view {
        assertEq(address(bridge.MESSENGER()), address(messenger));
        assertEq(address(bridge.OTHER_BRIDGE()), address(l2Bridge));
        assertEq(bridge.l2TokenBridge(), address(l2Bridge));
        assertEq(l2Bridge.l1TokenBridge(), address(bridge));
        assertEq(address(l2Bridge.messenger()), address(l2Messenger));
        assertEq(address(bridge.systemConfig()), address(config));
    }
}

/// @notice Says that it stands for a token, and burns and mints as it is told.
contract Rogue {
    address public immutable l1Token;

    constructor(address token) {
        l1Token = token;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x1d1d8b63;
    }

    function mint(address, uint256) external {}

    function burn(address, uint256) external {}
}
