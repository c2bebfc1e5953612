// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICrossDomainMessenger} from "../../../src/interfaces/ICrossDomainMessenger.sol";
import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {L2ToL1MessagePasser} from "../../../src/l2/predeploys/L2ToL1MessagePasser.sol";
import {AddressAlias} from "../../../src/libraries/AddressAlias.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {BridgeTest, Listener} from "../../utils/BridgeTest.sol";

contract MessengersTest is BridgeTest {
    uint32 private constant MIN_GAS = 100_000;

    Listener private onL2;
    Listener private onL1;
    bytes private hear = abi.encodeCall(Listener.hear, ());

    function setUp() public override {
        super.setUp();
        onL2 = new Listener(l2Messenger);
        onL1 = new Listener(messenger);
    }

    function sendToL2(bytes memory message, uint32 minGas) private {
        vm.prank(alice);
        messenger.sendMessage(address(onL2), message, minGas);
    }

    function sendToL1(bytes memory message, uint32 minGas) private {
        vm.prank(alice);
        l2Messenger.sendMessage(address(onL1), message, minGas);
    }

    // sendMessage

    function test_RevertWhen_ValueIsSent() external {
        vm.deal(alice, 2);
        vm.startPrank(alice);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_ValueNotCarried.selector);
        messenger.sendMessage{value: 1}(bob, "", 0);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_ValueNotCarried.selector);
        l2Messenger.sendMessage{value: 1}(bob, "", 0);
    }

    function testFuzz_Sent(bytes memory message, uint32 minGas, address from, address to) external {
        vm.fee(1_000_000 gwei);
        minGas = uint32(bound(minGas, 0, 15_000_000));
        uint256 nonce = RollupHashing.versionedNonce(0);
        bytes memory call = abi.encodeCall(messenger.relayMessage, (nonce, from, to, 0, minGas, message));
        uint64 gasLimit = messenger.baseGas(message, minGas);

        vm.expectEmit(address(messenger));
        emit ICrossDomainMessenger.SentMessage(to, from, message, nonce, minGas);
        vm.expectEmit(address(messenger));
        emit ICrossDomainMessenger.SentMessageExtension1(from, 0);
        expectDeposit(
            AddressAlias.toL2(address(messenger)),
            Predeploys.L2_CROSS_DOMAIN_MESSENGER,
            RollupHashing.depositPayload(0, 0, gasLimit, false, call)
        );
        vm.prank(from);
        messenger.sendMessage(to, message, minGas);
        assertEq(messenger.messageNonce(), nonce + 1);

        RollupHashing.Withdrawal memory w = RollupHashing.Withdrawal(
            nonce, Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(messenger), 0, gasLimit, call
        );
        vm.expectEmit(Predeploys.L2_TO_L1_MESSAGE_PASSER);
        emit L2ToL1MessagePasser.MessagePassed(
            w.nonce, w.sender, w.target, 0, w.gasLimit, w.data, RollupHashing.withdrawalHash(w)
        );
        vm.prank(from);
        l2Messenger.sendMessage(to, message, minGas);
        assertEq(l2Messenger.messageNonce(), nonce + 1);
    }

    // relayMessage

    function testFuzz_RevertWhen_CallerIsNobody(address caller) external {
        vm.assume(caller != AddressAlias.toL2(address(messenger)) && caller != address(portal));
        bytes32 hash = hashOf(0, alice, address(onL2), MIN_GAS, hear);
        bytes memory expected =
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_NotReplayable.selector, hash);
        vm.startPrank(caller);
        vm.expectRevert(expected);
        replay(l2Messenger, 0, alice, address(onL2), MIN_GAS, hear);
        vm.expectRevert(expected);
        replay(messenger, 0, alice, address(onL2), MIN_GAS, hear);
        // The messenger's own address, not its alias.
        vm.stopPrank();
        vm.prank(address(messenger));
        vm.expectRevert(expected);
        replay(l2Messenger, 0, alice, address(onL2), MIN_GAS, hear);
    }

    /// @dev Anyone can have the portal call the messenger; the name on L2 counts.
    function testFuzz_RevertWhen_PortalCarriesForAnother(address from) external {
        vm.assume(from != Predeploys.L2_CROSS_DOMAIN_MESSENGER);
        bytes memory call = abi.encodeCall(
            messenger.relayMessage, (RollupHashing.versionedNonce(0), alice, address(onL1), 0, MIN_GAS, hear)
        );
        assertFalse(relayOnL1(from, address(messenger), 1_000_000, call));
        assertEq(onL1.heard(), 0);
        // Outside of a withdrawal the portal names nobody.
        vm.prank(address(portal));
        vm.expectPartialRevert(ICrossDomainMessenger.CrossDomainMessenger_NotReplayable.selector);
        replay(messenger, 0, alice, address(onL1), MIN_GAS, hear);
        assertTrue(relayOnL1(Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(messenger), 1_000_000, call));
        assertEq(onL1.heard(), 1);
    }

    function testFuzz_RevertWhen_OtherVersion(uint16 version) external {
        vm.assume(version != 1);
        vm.prank(AddressAlias.toL2(address(messenger)));
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_UnknownVersion.selector, version)
        );
        l2Messenger.relayMessage(uint256(version) << 240, alice, address(onL2), 0, MIN_GAS, hear);
    }

    function test_RevertWhen_ThereIsValue() external {
        address other = AddressAlias.toL2(address(messenger));
        uint256 nonce = RollupHashing.versionedNonce(0);
        vm.deal(other, 1);
        vm.startPrank(other);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_ValueNotCarried.selector);
        l2Messenger.relayMessage(nonce, alice, address(onL2), 1, MIN_GAS, hear);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_ValueNotCarried.selector);
        l2Messenger.relayMessage{value: 1}(nonce, alice, address(onL2), 1, MIN_GAS, hear);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_ValueNotCarried.selector);
        l2Messenger.relayMessage{value: 1}(nonce, alice, address(onL2), 0, MIN_GAS, hear);
    }

    function test_WhenPaused() external {
        vm.prank(guardian);
        config.pause();
        assertTrue(messenger.paused());
        assertFalse(l2Messenger.paused());
        // Messages to L2 go on.
        sendToL2(hear, MIN_GAS);
        assertTrue(carryToL2());
        assertEq(onL2.heard(), 1);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_Paused.selector);
        replay(messenger, 0, alice, address(onL1), MIN_GAS, hear);
    }

    function test_RevertWhen_TargetIsUnsafe() external {
        bytes4 unsafe = ICrossDomainMessenger.CrossDomainMessenger_UnsafeTarget.selector;
        address other = AddressAlias.toL2(address(messenger));
        address[2] memory targets = [Predeploys.L2_CROSS_DOMAIN_MESSENGER, Predeploys.L2_TO_L1_MESSAGE_PASSER];
        for (uint256 i; i < targets.length; ++i) {
            vm.prank(other);
            vm.expectRevert(abi.encodeWithSelector(unsafe, targets[i]));
            replay(l2Messenger, 0, alice, targets[i], MIN_GAS, "");
        }
        targets = [address(messenger), address(portal)];
        for (uint256 i; i < targets.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(unsafe, targets[i]));
            replay(messenger, 0, alice, targets[i], MIN_GAS, "");
        }
    }

    function test_WhenTargetFails_OnL2() external {
        onL2.refuse(true);
        sendToL2(hear, MIN_GAS);
        bytes32 hash = hashOf(0, alice, address(onL2), MIN_GAS, hear);
        vm.expectEmit(address(l2Messenger));
        emit ICrossDomainMessenger.FailedRelayedMessage(hash);
        assertTrue(carryToL2());
        failsThenSucceeds(l2Messenger, onL2, hash);
    }

    function test_WhenTargetFails_OnL1() external {
        onL1.refuse(true);
        sendToL1(hear, MIN_GAS);
        bytes32 hash = hashOf(0, alice, address(onL1), MIN_GAS, hear);
        vm.expectEmit(address(messenger));
        emit ICrossDomainMessenger.FailedRelayedMessage(hash);
        assertTrue(carryToL1());
        failsThenSucceeds(messenger, onL1, hash);
    }

    function failsThenSucceeds(ICrossDomainMessenger where, Listener listener, bytes32 hash) private {
        assertTrue(where.failedMessages(hash));
        assertFalse(where.successfulMessages(hash));
        replay(where, 0, alice, address(listener), MIN_GAS, hear);
        assertEq(listener.heard(), 0);
        // Other words are another message.
        vm.expectPartialRevert(ICrossDomainMessenger.CrossDomainMessenger_NotReplayable.selector);
        replay(where, 0, bob, address(listener), MIN_GAS, hear);
        vm.expectPartialRevert(ICrossDomainMessenger.CrossDomainMessenger_NotReplayable.selector);
        replay(where, 0, alice, address(listener), MIN_GAS + 1, hear);

        listener.refuse(false);
        vm.expectEmit(address(where));
        emit ICrossDomainMessenger.RelayedMessage(hash);
        replay(where, 0, alice, address(listener), MIN_GAS, hear);
        assertEq(listener.heard(), 1);
        assertEq(listener.heardFrom(), alice);
        assertTrue(where.successfulMessages(hash));
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_AlreadyRelayed.selector, hash)
        );
        replay(where, 0, alice, address(listener), MIN_GAS, hear);
    }

    function testFuzz_WhenGasDoesNotSuffice(uint256 gas) external {
        gas = bound(gas, 120_000, 400_000);
        uint256 nonce = RollupHashing.versionedNonce(0);
        bytes memory call = abi.encodeCall(messenger.relayMessage, (nonce, alice, address(onL2), 0, MIN_GAS, hear));
        bytes32 hash = hashOf(0, alice, address(onL2), MIN_GAS, hear);
        vm.prank(AddressAlias.toL2(address(messenger)));
        (bool ok,) = address(l2Messenger).call{gas: gas}(call);
        assertTrue(ok);
        if (onL2.heard() == 0) {
            assertTrue(l2Messenger.failedMessages(hash));
            replay(l2Messenger, 0, alice, address(onL2), MIN_GAS, hear);
        }
        assertEq(onL2.heard(), 1);
        // What the target sees lacks its own dispatch.
        assertGe(onL2.gasSeen(), MIN_GAS - 1_000);
        assertTrue(l2Messenger.successfulMessages(hash));
    }

    function test_WhenCalledFromWithin() external {
        // An inner message that has failed before, and an outer one that replays it.
        onL2.refuse(true);
        sendToL2(hear, MIN_GAS);
        carryToL2();
        onL2.refuse(false);
        bytes32 inner = hashOf(0, alice, address(onL2), MIN_GAS, hear);
        onL2.setInner(
            abi.encodeCall(
                l2Messenger.relayMessage, (RollupHashing.versionedNonce(0), alice, address(onL2), 0, MIN_GAS, hear)
            )
        );
        bytes memory nest = abi.encodeCall(Listener.nest, ());
        sendToL2(nest, 400_000);
        carryToL2();
        assertEq(onL2.heard(), 1);
        assertFalse(l2Messenger.successfulMessages(inner));
        assertTrue(l2Messenger.successfulMessages(hashOf(1, alice, address(onL2), 400_000, nest)));
        replay(l2Messenger, 0, alice, address(onL2), MIN_GAS, hear);
        assertEq(onL2.heard(), 2);
    }

    /// @dev A message that relays itself is carried out once.
    function test_WhenItRelaysItself() external {
        onL2.refuse(true);
        bytes memory nest = abi.encodeCall(Listener.nest, ());
        sendToL2(nest, 400_000);
        carryToL2();
        onL2.refuse(false);
        onL2.setInner(
            abi.encodeCall(
                l2Messenger.relayMessage, (RollupHashing.versionedNonce(0), alice, address(onL2), 0, 400_000, nest)
            )
        );
        replay(l2Messenger, 0, alice, address(onL2), 400_000, nest);
        assertEq(onL2.heard(), 1);
        bytes32 hash = hashOf(0, alice, address(onL2), 400_000, nest);
        assertTrue(l2Messenger.successfulMessages(hash));
        vm.expectRevert(
            abi.encodeWithSelector(ICrossDomainMessenger.CrossDomainMessenger_AlreadyRelayed.selector, hash)
        );
        replay(l2Messenger, 0, alice, address(onL2), 400_000, nest);
    }

    function test_RevertWhen_EstimatingAndFailing() external {
        onL2.refuse(true);
        vm.prank(AddressAlias.toL2(address(messenger)), address(1));
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_GasEstimation.selector);
        replay(l2Messenger, 0, alice, address(onL2), MIN_GAS, hear);
    }

    function test_WhenEverythingHolds() external {
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_NoMessage.selector);
        l2Messenger.xDomainMessageSender();
        sendToL2(hear, MIN_GAS);
        assertTrue(carryToL2());
        assertEq(onL2.heardFrom(), alice);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_NoMessage.selector);
        l2Messenger.xDomainMessageSender();

        sendToL1(hear, MIN_GAS);
        assertTrue(carryToL1());
        assertEq(onL1.heardFrom(), alice);
        vm.expectRevert(ICrossDomainMessenger.CrossDomainMessenger_NoMessage.selector);
        messenger.xDomainMessageSender();
        assertEq(address(messenger.OTHER_MESSENGER()), address(l2Messenger));
        assertEq(address(l2Messenger.l1CrossDomainMessenger()), address(messenger));
        assertEq(address(messenger.PORTAL()), address(portal));
        assertEq(address(messenger.systemConfig()), address(config));
    }

    // baseGas

    /// @dev With the gas that `sendMessage` gives, and after the intrinsic gas, the target gets what was asked for.
    function testFuzz_BaseGasSuffices(uint32 minGas, uint256 length) external {
        minGas = uint32(bound(minGas, 30_000, 10_000_000));
        length = bound(length, 0, 10_000);
        bytes memory message = bytes.concat(hear, new bytes(length));
        bytes memory call = abi.encodeCall(
            messenger.relayMessage, (RollupHashing.versionedNonce(0), alice, address(onL2), 0, minGas, message)
        );
        uint256 intrinsic = 21_000;
        for (uint256 i; i < call.length; ++i) {
            intrinsic += call[i] == 0 ? 4 : 16;
        }
        uint256 gas = uint256(messenger.baseGas(message, minGas)) - intrinsic;
        vm.prank(AddressAlias.toL2(address(messenger)));
        (bool ok,) = address(l2Messenger).call{gas: gas}(call);
        assertTrue(ok);
        assertEq(onL2.heard(), 1);
        // What the target sees lacks its own dispatch.
        assertGe(onL2.gasSeen(), uint256(minGas) - 1_000);
    }
}
