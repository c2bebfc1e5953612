// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {OptimismMintableERC20} from "../../../src/bridge/OptimismMintableERC20.sol";
import {ICrossDomainMessenger} from "../../../src/interfaces/ICrossDomainMessenger.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {BridgeTest, PlainToken} from "../../utils/BridgeTest.sol";

/// @title BridgeHandler
/// @notice Two tokens of L1 and two of L2 that go back and forth, while deliveries fail at random and are tried again. A third
/// counterpart mints to itself what it likes.
contract BridgeHandler is BridgeTest {
    struct Failed {
        ICrossDomainMessenger messenger;
        uint256 nonce;
        address from;
        address to;
        uint256 minGas;
        bytes message;
    }

    PlainToken[2] private l1Tokens;
    OptimismMintableERC20[2] private onL2;
    PlainToken[2] private l2Tokens;
    OptimismMintableERC20[2] private onL1;
    Failed[] private messages;
    /// Of each token, wei: taken in and not yet delivered on the other layer.
    mapping(address token => uint256) public inFlight;
    uint256 public delivered;
    uint256 public sentMessages;

    function init() external {
        setUp();
        vm.fee(1_000_000 gwei);
        for (uint256 i; i < 2; ++i) {
            l1Tokens[i] = new PlainToken(0);
            onL2[i] =
                OptimismMintableERC20(l2TokenFactory.createOptimismMintableERC20(address(l1Tokens[i]), "One", "ONE"));
            l2Tokens[i] = new PlainToken(0);
            onL1[i] =
                OptimismMintableERC20(tokenFactory.createOptimismMintableERC20(address(l2Tokens[i]), "Two", "TWO"));
        }
    }

    function toL2(uint256 which, uint256 amount, bool fail) external {
        which %= 2;
        amount = bound(amount, 0, 1e24);
        PlainToken token = l1Tokens[which];
        token.mint(alice, amount, 0);
        vm.startPrank(alice);
        token.approve(address(bridge), amount);
        bridge.bridgeERC20To(address(token), address(onL2[which]), alice, amount, 100_000, "");
        vm.stopPrank();
        send(l2Messenger, address(onL2[which]), fail);
    }

    function backToL1(uint256 which, uint256 amount, bool fail) external {
        which %= 2;
        amount = bound(amount, 0, onL2[which].balanceOf(alice));
        vm.prank(alice);
        l2Bridge.withdrawTo(address(onL2[which]), alice, amount, 100_000, "");
        send(messenger, address(l1Tokens[which]), fail);
    }

    function toL1(uint256 which, uint256 amount, bool fail) external {
        which %= 2;
        amount = bound(amount, 0, 1e24);
        PlainToken token = l2Tokens[which];
        token.mint(alice, amount, 0);
        vm.startPrank(alice);
        token.approve(address(l2Bridge), amount);
        l2Bridge.bridgeERC20To(address(token), address(onL1[which]), alice, amount, 100_000, "");
        vm.stopPrank();
        send(messenger, address(onL1[which]), fail);
    }

    function backToL2(uint256 which, uint256 amount, bool fail) external {
        which %= 2;
        amount = bound(amount, 0, onL1[which].balanceOf(alice));
        vm.prank(alice);
        bridge.bridgeERC20To(address(onL1[which]), address(l2Tokens[which]), alice, amount, 100_000, "");
        send(l2Messenger, address(l2Tokens[which]), fail);
    }

    /// @dev A counterpart on L2 that nobody made, and that burns what nobody has.
    function rob(uint256 which, uint256 amount) external {
        address thief = makeAddr("thief");
        amount = bound(amount, 1, 1e24);
        bytes memory message =
            abi.encodeCall(bridge.finalizeBridgeERC20, (address(l1Tokens[which % 2]), thief, thief, thief, amount, ""));
        bytes memory relay = abi.encodeCall(
            messenger.relayMessage,
            (1 << 240 | 1 << 200 | sentMessages++, address(l2Bridge), address(bridge), 0, 100_000, message)
        );
        relayOnL1(Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(messenger), 1_000_000, relay);
        require(l1Tokens[which % 2].balanceOf(thief) == 0, "robbed");
    }

    /// @dev Anyone tries a message again, delivered or not.
    function again(uint256 seed) external {
        if (messages.length == 0) return;
        Failed memory m = messages[seed % messages.length];
        bytes32 hash = hashOf(uint240(m.nonce), m.from, m.to, uint32(m.minGas), m.message);
        bool before = m.messenger.successfulMessages(hash);
        try m.messenger.relayMessage(m.nonce, m.from, m.to, 0, m.minGas, m.message) {
            require(!before, "delivered twice");
            if (m.messenger.successfulMessages(hash)) note(m);
        } catch {}
    }

    /// @dev Delivers what was just sent; the token refuses if told to.
    function send(ICrossDomainMessenger where, address token, bool fail) private {
        Failed memory m = last(where);
        ++sentMessages;
        uint256 amount = amountOf(m);
        inFlight[m.to == address(bridge) || m.to == address(l2Bridge) ? token : address(0)] += amount;
        // Too little gas for a token's transfer, enough for the messenger to keep the message.
        uint64 gas = fail ? 150_000 : 1_000_000;
        bytes memory relay = abi.encodeCall(where.relayMessage, (m.nonce, m.from, m.to, 0, m.minGas, m.message));
        if (address(where) == address(messenger)) {
            relayOnL1(Predeploys.L2_CROSS_DOMAIN_MESSENGER, address(messenger), gas, relay);
        } else {
            vm.prank(address(uint160(address(messenger)) + uint160(0x1111000000000000000000000000000000001111)));
            (bool ok,) = address(l2Messenger).call{gas: gas}(relay);
            require(ok, "the messenger lost a message");
        }
        messages.push(m);
        if (where.successfulMessages(hashOf(uint240(m.nonce), m.from, m.to, uint32(m.minGas), m.message))) note(m);
        vm.roll(vm.getBlockNumber() + 1);
    }

    function note(Failed memory m) private {
        ++delivered;
        (address token,,,,,) = arguments(m);
        inFlight[token] -= amountOf(m);
    }

    function amountOf(Failed memory m) private pure returns (uint256 amount) {
        (,,,, amount,) = arguments(m);
    }

    function arguments(Failed memory m)
        private
        pure
        returns (address, address, address, address, uint256, bytes memory)
    {
        bytes memory data = new bytes(m.message.length - 4);
        for (uint256 i; i < data.length; ++i) {
            data[i] = m.message[i + 4];
        }
        return abi.decode(data, (address, address, address, address, uint256, bytes));
    }

    /// @dev The message that the other messenger has just sent to `where`, from its event.
    function last(ICrossDomainMessenger where) private returns (Failed memory m) {
        ICrossDomainMessenger sender = where.otherMessenger();
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(sender) || logs[i].topics[0] != ICrossDomainMessenger.SentMessage.selector) {
                continue;
            }
            m.messenger = where;
            m.to = address(uint160(uint256(logs[i].topics[1])));
            (m.from, m.message, m.nonce, m.minGas) = abi.decode(logs[i].data, (address, bytes, uint256, uint256));
        }
    }

    // Views for the invariants

    /// @dev Of pair `i`: held on its own layer, deposits noted, supply on the other layer, and on the way either way.
    function pair(uint256 i) external view returns (uint256 held, uint256 noted, uint256 supply, uint256 moving) {
        if (i < 2) {
            return (
                l1Tokens[i].balanceOf(address(bridge)),
                bridge.deposits(address(l1Tokens[i]), address(onL2[i])),
                onL2[i].totalSupply(),
                inFlight[address(l1Tokens[i])] + inFlight[address(onL2[i])]
            );
        }
        i -= 2;
        return (
            l2Tokens[i].balanceOf(address(l2Bridge)),
            l2Bridge.deposits(address(l2Tokens[i]), address(onL1[i])),
            onL1[i].totalSupply(),
            inFlight[address(l2Tokens[i])] + inFlight[address(onL1[i])]
        );
    }
}
