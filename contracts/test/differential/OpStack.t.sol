// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {ICrossDomainMessenger} from "../../src/interfaces/ICrossDomainMessenger.sol";
import {IDisputeGameFactory} from "../../src/interfaces/IDisputeGameFactory.sol";
import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {L2ToL1MessagePasser} from "../../src/l2/predeploys/L2ToL1MessagePasser.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";
import {RollupHashing} from "../../src/libraries/RollupHashing.sol";
import {Depositor} from "../utils/RollupTest.sol";
import {WithdrawalTest} from "../utils/WithdrawalTest.sol";

// Their bytecode is read from an npm package that `scripts/setup` installs.

/// @notice Beside the OP Stack's own contracts, where ours are meant to do the same.
/// forge-config: default.fuzz.runs = 64
contract OpStackTest is WithdrawalTest {
    string private constant ARTIFACTS = "node_modules/@eth-optimism/contracts-bedrock/forge-artifacts/";
    address private constant ETHER = 0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE;

    IOptimismPortal private theirPortal;

    function setUp() public override {
        super.setUp();
        theirPortal = IOptimismPortal(clone("OptimismPortal2", abi.encode(MATURITY, AIRGAP)));
        // Their SuperchainConfig is our SystemConfig: `paused` and `guardian`.
        call(
            address(theirPortal),
            abi.encodeWithSignature("initialize(address,address,address,uint32)", factory, config, config, GAME_TYPE)
        );
        vm.mockCall(address(config), abi.encodeWithSignature("gasPayingToken()"), abi.encode(ETHER, 18));
    }

    /// @dev The code of theirs with empty storage, as a proxy has it: their constructors shut the implementations.
    function clone(string memory name, bytes memory arguments) private returns (address where) {
        string memory json = vm.readFile(string.concat(ARTIFACTS, name, ".sol/", name, ".json"));
        bytes memory code = bytes.concat(vm.parseJsonBytes(json, ".bytecode.object"), arguments);
        address implementation;
        assembly ("memory-safe") {
            implementation := create(0, add(code, 32), mload(code))
        }
        require(implementation != address(0), name);
        where = makeAddr(name);
        vm.etch(where, implementation.code);
    }

    function call(address target, bytes memory data) private returns (bytes memory result) {
        bool ok;
        (ok, result) = target.call(data);
        require(ok, "their contract refused");
    }

    // Deposits

    function testFuzz_Deposits(address to, uint256 value, uint64 gas, bytes calldata data, bool byContract) external {
        vm.assume(data.length < 2_000);
        gas = uint64(bound(gas, portal.minimumGasLimit(uint64(data.length)), 2_000_000));
        Depositor depositor = new Depositor();
        bytes32[2] memory seen;
        for (uint256 i; i < 2; ++i) {
            IOptimismPortal where = i == 0 ? portal : theirPortal;
            vm.recordLogs();
            if (byContract) {
                depositor.deposit(where, to, value, gas, data);
            } else {
                vm.prank(alice, alice);
                where.depositTransaction(to, value, gas, false, data);
            }
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 1);
            seen[i] = keccak256(abi.encode(logs[0].topics, logs[0].data));
        }
        assertEq(seen[0], seen[1]);
    }

    /// @dev Purchases and pauses between them, at random; price, amount and block agree after each.
    function testFuzz_Metering(uint64[8] calldata amounts, uint8[8] calldata gaps) external {
        vm.fee(1_000_000 gwei);
        for (uint256 i; i < amounts.length; ++i) {
            uint64 gas = uint64(bound(amounts[i], 21_000, 25_000_000));
            vm.roll(vm.getBlockNumber() + gaps[i] % 12);
            bytes memory purchase = abi.encodeCall(portal.depositTransaction, (alice, 0, gas, false, ""));
            (bool ours,) = address(portal).call(purchase);
            (bool theirs,) = address(theirPortal).call(purchase);
            assertEq(ours, theirs, "one sold, the other not");
            (, bytes memory a) = address(portal).call(abi.encodeWithSignature("params()"));
            (, bytes memory b) = address(theirPortal).call(abi.encodeWithSignature("params()"));
            assertEq(a, b);
        }
    }

    // Withdrawals

    function testFuzz_MessagePasser(address sender, address to, uint128 value, uint256 gas, bytes calldata data)
        external
    {
        construct(Predeploys.L2_TO_L1_MESSAGE_PASSER, type(L2ToL1MessagePasser).creationCode, "");
        address theirs = clone("L2ToL1MessagePasser", "");
        vm.deal(sender, 2 * uint256(value));
        address[2] memory passers = [Predeploys.L2_TO_L1_MESSAGE_PASSER, theirs];
        bytes32[2] memory seen;
        bytes32 hash;
        for (uint256 i; i < 2; ++i) {
            vm.recordLogs();
            vm.prank(sender);
            L2ToL1MessagePasser(payable(passers[i])).initiateWithdrawal{value: value}(to, gas, data);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            seen[i] = keccak256(abi.encode(logs[0].topics, logs[0].data));
            (,,, hash) = abi.decode(logs[0].data, (uint256, uint256, bytes, bytes32));
            assertEq(uint256(vm.load(passers[i], RollupHashing.withdrawalStorageKey(hash))), 1);
        }
        assertEq(seen[0], seen[1]);
    }

    /// @dev A true proof, and one that is changed in a byte, cut short, doubled or of another withdrawal.
    function testFuzz_Proofs(uint256 count, uint256 which, uint256 change, uint256 seed) external {
        count = bound(count, 1, 24);
        while (sent.length > 0) sent.pop();
        RollupHashing.Withdrawal[] memory all = new RollupHashing.Withdrawal[](count);
        for (uint256 i; i < count; ++i) {
            all[i] = withdrawal(address(uint160(i + 1_000)), i, i, abi.encode(seed));
        }
        (, uint256 index) = proposeNow();
        which = bound(which, 0, count - 1);
        RollupHashing.Withdrawal memory w = all[which];
        bytes[] memory proof = nodes(which);
        change = bound(change, 0, 5);
        if (change == 1) {
            bytes memory node = proof[seed % proof.length];
            node[seed / 7 % node.length] ^= bytes1(uint8(1 << (seed / 3 % 8)));
        } else if (change == 2) {
            assembly ("memory-safe") {
                mstore(proof, sub(mload(proof), 1))
            }
        } else if (change == 3) {
            bytes[] memory longer = new bytes[](proof.length + 1);
            for (uint256 i; i < longer.length; ++i) {
                longer[i] = proof[i < proof.length ? i : i - 1];
            }
            proof = longer;
        } else if (change == 4) {
            w.value += 1;
        } else if (change == 5) {
            bytes memory node = proof[seed % proof.length];
            assembly ("memory-safe") {
                mstore(node, sub(mload(node), 1))
            }
        }
        bytes memory attempt = abi.encodeCall(portal.proveWithdrawalTransaction, (w, index, outputRootProof(), proof));
        bytes32[2] memory seen;
        bool[2] memory ok;
        for (uint256 i; i < 2; ++i) {
            vm.recordLogs();
            vm.prank(bob);
            (ok[i],) = (i == 0 ? address(portal) : address(theirPortal)).call(attempt);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            for (uint256 j; ok[i] && j < logs.length; ++j) {
                seen[i] = keccak256(abi.encode(seen[i], logs[j].topics, logs[j].data));
            }
        }
        assertEq(ok[0], ok[1], "one takes the proof, the other does not");
        assertEq(ok[0], change == 0);
        assertEq(seen[0], seen[1]);
    }

    // Messages

    function testFuzz_Messages(uint240 counter, address sender, uint256 minGas, bytes calldata message) external {
        address theirs = clone("L1CrossDomainMessenger", "");
        call(theirs, abi.encodeWithSignature("initialize(address,address,address)", config, theirPortal, config));
        // A target that does not exist takes any message; with too much gas asked for it fails on both.
        bytes memory relay = abi.encodeCall(
            ICrossDomainMessenger.relayMessage,
            (RollupHashing.versionedNonce(counter), sender, makeAddr("nobody"), 0, minGas, message)
        );
        bytes32[2] memory seen;
        for (uint256 i; i < 2; ++i) {
            address where = i == 0 ? address(messenger) : theirs;
            address carrier = i == 0 ? address(portal) : address(theirPortal);
            vm.mockCall(carrier, abi.encodeCall(portal.l2Sender, ()), abi.encode(Predeploys.L2_CROSS_DOMAIN_MESSENGER));
            vm.recordLogs();
            vm.prank(carrier);
            (bool ok,) = where.call{gas: 1_000_000}(relay);
            // Their sum of gas may overflow; nobody has so much.
            if (minGas > type(uint64).max) continue;
            assertTrue(ok);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            assertEq(logs.length, 1);
            seen[i] = keccak256(abi.encode(logs[0].topics, logs[0].data));
        }
        assertEq(seen[0], seen[1]);
    }

    /// @dev What is sent differs in the gas alone, of which ours gives no less.
    function testFuzz_SentMessages(address sender, address to, uint32 minGas, bytes calldata message) external {
        minGas = uint32(bound(minGas, 0, 15_000_000));
        vm.fee(1_000_000 gwei);
        address theirs = clone("L1CrossDomainMessenger", "");
        call(theirs, abi.encodeWithSignature("initialize(address,address,address)", config, theirPortal, config));
        bytes32[2] memory seen;
        uint64[2] memory gas;
        for (uint256 i; i < 2; ++i) {
            vm.recordLogs();
            vm.prank(sender);
            ICrossDomainMessenger(i == 0 ? address(messenger) : theirs).sendMessage(to, message, minGas);
            Vm.Log[] memory logs = vm.getRecordedLogs();
            bytes memory call_;
            for (uint256 j; j < logs.length; ++j) {
                if (logs[j].topics[0] == IOptimismPortal.TransactionDeposited.selector) {
                    (gas[i], call_) = opened(abi.decode(logs[j].data, (bytes)));
                } else {
                    seen[i] ^= keccak256(abi.encode(logs[j].topics, logs[j].data));
                }
            }
            seen[i] = keccak256(abi.encode(seen[i], call_));
        }
        assertEq(seen[0], seen[1]);
        assertGe(gas[0], gas[1]);
    }

    function opened(bytes memory opaque) private pure returns (uint64 gasLimit, bytes memory data) {
        data = new bytes(opaque.length - 73);
        assembly ("memory-safe") {
            gasLimit := shr(192, mload(add(opaque, 96)))
            mcopy(add(data, 32), add(opaque, 105), mload(data))
        }
    }

    // Games

    function testFuzz_GameIds(uint32 gameType, bytes32 claim, bytes calldata extraData) external {
        IDisputeGameFactory theirs = IDisputeGameFactory(clone("DisputeGameFactory", ""));
        assertEq(factory.getGameUUID(gameType, claim, extraData), theirs.getGameUUID(gameType, claim, extraData));
    }

    // Tokens

    function testFuzz_TokenInterfaces(bytes4 id) external {
        bytes memory code = vm.parseJsonBytes(
            vm.readFile(string.concat(ARTIFACTS, "OptimismMintableERC20.sol/OptimismMintableERC20.json")),
            ".bytecode.object"
        );
        code = bytes.concat(code, abi.encode(address(bridge), address(1), "Name", "SYM", uint8(6)));
        address theirs;
        assembly ("memory-safe") {
            theirs := create(0, add(code, 32), mload(code))
        }
        address ours = tokenFactory.createOptimismMintableERC20WithDecimals(address(1), "Name", "SYM", 6);
        bytes[12] memory questions = [
            abi.encodeWithSignature("supportsInterface(bytes4)", id),
            abi.encodeWithSignature("supportsInterface(bytes4)", bytes4(0x01ffc9a7)),
            abi.encodeWithSignature("supportsInterface(bytes4)", bytes4(0x1d1d8b63)),
            abi.encodeWithSignature("supportsInterface(bytes4)", bytes4(0xec4fc8e3)),
            abi.encodeWithSignature("remoteToken()"),
            abi.encodeWithSignature("bridge()"),
            abi.encodeWithSignature("l1Token()"),
            abi.encodeWithSignature("l2Bridge()"),
            abi.encodeWithSignature("decimals()"),
            abi.encodeWithSignature("name()"),
            abi.encodeWithSignature("symbol()"),
            abi.encodeWithSignature("totalSupply()")
        ];
        for (uint256 i; i < questions.length; ++i) {
            assertEq(call(ours, questions[i]), call(theirs, questions[i]));
        }
    }
}
