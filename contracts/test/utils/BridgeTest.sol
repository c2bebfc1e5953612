// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Vm} from "forge-std/Vm.sol";

import {OptimismMintableERC20Factory} from "../../src/bridge/OptimismMintableERC20Factory.sol";
import {ICrossDomainMessenger} from "../../src/interfaces/ICrossDomainMessenger.sol";
import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {L2CrossDomainMessenger} from "../../src/l2/predeploys/L2CrossDomainMessenger.sol";
import {L2StandardBridge} from "../../src/l2/predeploys/L2StandardBridge.sol";
import {L2ToL1MessagePasser} from "../../src/l2/predeploys/L2ToL1MessagePasser.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {RollupHashing} from "../../src/libraries/RollupHashing.sol";
import {RollupTest} from "./RollupTest.sol";

/// @title BridgeTest
/// @notice Both layers in one: the predeploys stand at their addresses beside the contracts of L1, and this test carries what
/// goes from one to the other, by the events that a node reads.
abstract contract BridgeTest is RollupTest {
    L2CrossDomainMessenger internal constant l2Messenger = L2CrossDomainMessenger(Predeploys.L2_CROSS_DOMAIN_MESSENGER);
    L2StandardBridge internal constant l2Bridge = L2StandardBridge(payable(Predeploys.L2_STANDARD_BRIDGE));
    OptimismMintableERC20Factory internal constant l2TokenFactory =
        OptimismMintableERC20Factory(Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY);

    address internal immutable bob = makeAddr("bob");

    function setUp() public virtual override {
        super.setUp();
        construct(Predeploys.L2_TO_L1_MESSAGE_PASSER, type(L2ToL1MessagePasser).creationCode, "");
        construct(
            Predeploys.L2_CROSS_DOMAIN_MESSENGER, type(L2CrossDomainMessenger).creationCode, abi.encode(messenger)
        );
        construct(Predeploys.L2_STANDARD_BRIDGE, type(L2StandardBridge).creationCode, abi.encode(bridge));
        construct(
            Predeploys.OPTIMISM_MINTABLE_ERC20_FACTORY,
            type(OptimismMintableERC20Factory).creationCode,
            abi.encode(Predeploys.L2_STANDARD_BRIDGE)
        );
        vm.recordLogs();
    }

    /// @dev Executes on L2 the deposits that were made on L1 since the last call; returns whether the last succeeded.
    function carryToL2() internal returns (bool ok) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IOptimismPortal.TransactionDeposited.selector) continue;
            bytes memory opaque = abi.decode(logs[i].data, (bytes));
            uint64 gasLimit;
            bytes memory data = new bytes(opaque.length - 73);
            assembly ("memory-safe") {
                gasLimit := shr(192, mload(add(opaque, 96)))
                mcopy(add(data, 32), add(opaque, 105), mload(data))
            }
            address from = address(uint160(uint256(logs[i].topics[1])));
            address to = address(uint160(uint256(logs[i].topics[2])));
            vm.prank(from, from);
            (ok,) = to.call{gas: gasLimit}(data);
        }
    }

    /// @dev Carries out on L1 the withdrawals that were sent on L2 since the last call, as the portal does it, without
    /// games and proofs; returns whether the last succeeded.
    function carryToL1() internal returns (bool ok) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != L2ToL1MessagePasser.MessagePassed.selector) continue;
            (, uint256 gasLimit, bytes memory data,) = abi.decode(logs[i].data, (uint256, uint256, bytes, bytes32));
            address from = address(uint160(uint256(logs[i].topics[2])));
            address to = address(uint160(uint256(logs[i].topics[3])));
            ok = relayOnL1(from, to, gasLimit, data);
        }
    }

    /// @dev A call of the portal's in the name of `from` on L2.
    function relayOnL1(address from, address to, uint256 gasLimit, bytes memory data) internal returns (bool ok) {
        vm.mockCall(address(portal), abi.encodeCall(portal.l2Sender, ()), abi.encode(from));
        vm.prank(address(portal));
        (ok,) = to.call{gas: gasLimit}(data);
        vm.clearMockedCalls();
    }

    function hashOf(uint256 counter, address from, address to, uint32 minGas, bytes memory message)
        internal
        pure
        returns (bytes32)
    {
        return RollupHashing.crossDomainMessageHash(
            RollupHashing.versionedNonce(uint240(counter)), from, to, 0, minGas, message
        );
    }

    /// @dev Replays a message as anybody.
    function replay(
        ICrossDomainMessenger where,
        uint256 counter,
        address from,
        address to,
        uint32 minGas,
        bytes memory message
    ) internal {
        where.relayMessage(RollupHashing.versionedNonce(uint240(counter)), from, to, 0, minGas, message);
    }
}

/// @notice A target of messages, which can be told to fail.
contract Listener {
    ICrossDomainMessenger private immutable messenger;
    bool public refusing;
    address public heardFrom;
    uint256 public heard;
    uint256 public gasSeen;
    bytes private _inner;

    constructor(ICrossDomainMessenger messenger_) {
        messenger = messenger_;
    }

    function refuse(bool yes) external {
        refusing = yes;
    }

    function hear() external {
        gasSeen = gasleft();
        require(!refusing, "refusing");
        heardFrom = messenger.xDomainMessageSender();
        ++heard;
    }

    function setInner(bytes calldata call) external {
        _inner = call;
    }

    /// Relays another message from within one.
    function nest() external {
        require(!refusing, "refusing");
        ++heard;
        (bool ok, bytes memory why) = address(messenger).call(_inner);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(why, 32), mload(why))
            }
        }
    }
}

/// @notice A token of L1 or L2 that anyone can mint.
contract PlainToken is ERC20 {
    /// Basis points of each transfer that vanish.
    uint256 private immutable _fee;

    constructor(uint256 fee) ERC20("Plain", "PLN") {
        _fee = fee;
    }

    function mint(address to, uint256 amount, bytes32) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        uint256 part = value * _fee / 10_000;
        if (from != address(0) && to != address(0) && part != 0) super._update(to, address(0), part);
    }
}
