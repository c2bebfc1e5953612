// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {IDatanetRegistry} from "../../../src/interfaces/IDatanetRegistry.sol";
import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {DatanetRegistry} from "../../../src/l2/DatanetRegistry.sol";
import {AddressAlias} from "../../../src/libraries/AddressAlias.sol";
import {Errors} from "../../../src/libraries/Errors.sol";
import {Depositor, RollupTest} from "../../utils/RollupTest.sol";

/// @dev Contributions that the sequencer does not want. The portal's own events are what L2 executes here, by the rules of
/// derivation: in the first block of their epoch, in the order of L1, the mint first, whether or not the call succeeds.
/// The same through the real derivation, with the operator dead: `tests/e2e/escape.rs`.
contract ForcedTest is RollupTest {
    DatanetRegistry private constant datanets = DatanetRegistry(0x4F50454E00000000000000000000000000000001);
    uint96 private constant BOND = 1 ether;
    uint64 private constant CALL_GAS = 500_000;
    /// @dev Gas of a transaction before its call, more than any here takes.
    uint256 private constant INTRINSIC = 60_000;
    /// @dev How far a sequencer may have L2 lead L1 (`max_sequencer_drift` of the derivation), and a generous L1 block.
    uint256 private constant LEAD_MAX = 1_800 + 60;

    address private immutable curator = makeAddr("curator");
    address private immutable bob = makeAddr("bob");
    uint256 private net;

    function setUp() public override {
        super.setUp();
        lockGenesisSupply();
        vm.chainId(L2_CHAIN_ID);
        deployCodeTo("DatanetRegistry.sol:DatanetRegistry", abi.encode(makeAddr("sink")), address(datanets));
        IDatanetRegistry.DatanetParams memory params;
        (params.name, params.licence) = ("Harbours", "CC0-1.0");
        (params.licenceTextHash, params.bond) = (keccak256("legal text"), BOND);
        params.revealWindow = datanets.REVEAL_WINDOW_MIN();
        vm.prank(curator);
        net = datanets.createDatanet(params);
        vm.recordLogs();
    }

    function document(uint256 seed) private pure returns (IDatanetRegistry.Reveal memory r) {
        r.contentHash = keccak256(abi.encode("content", seed));
        r.chunkRoot = keccak256(abi.encode("chunks", seed));
        (r.chunkCount, r.byteLength) = (1, 900);
        r.sketchHash = keccak256(abi.encode("sketch", seed));
        r.licenceHash = keccak256("CC0-1.0");
        r.salt = keccak256(abi.encode("salt", seed));
    }

    function commitCall(address who, IDatanetRegistry.Reveal memory r) private view returns (bytes memory) {
        return abi.encodeCall(datanets.commit, (net, datanets.commitmentOf(net, who, r)));
    }

    /// @dev `who`, an account, has its OPEN on L1 and none on L2.
    function forceAs(address who, uint256 mint, bytes memory call) private {
        fund(who, mint);
        vm.prank(who, who);
        portal.depositERC20Transaction(address(datanets), mint, mint, CALL_GAS, false, call);
    }

    /// @dev The next L2 block, with the deposits of the L1 block so far; which of their calls succeeded.
    function derive() private returns (bool[] memory succeeded) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.roll(vm.getBlockNumber() + 1);
        vm.warp(vm.getBlockTimestamp() + 1);
        succeeded = new bool[](logs.length);
        uint256 count;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter != address(portal)) continue;
            if (logs[i].topics[0] != IOptimismPortal.TransactionDeposited.selector) continue;
            succeeded[count++] = execute(
                address(uint160(uint256(logs[i].topics[1]))),
                address(uint160(uint256(logs[i].topics[2]))),
                abi.decode(logs[i].data, (bytes))
            );
        }
        vm.getRecordedLogs();
        assembly ("memory-safe") {
            mstore(succeeded, count)
        }
    }

    /// @dev opaqueData: mint, value, gas limit, creation flag, call data.
    function execute(address from, address to, bytes memory payload) private returns (bool ok) {
        uint256 mint;
        uint256 value;
        uint64 gasLimit;
        assembly ("memory-safe") {
            mint := mload(add(payload, 32))
            value := mload(add(payload, 64))
            gasLimit := shr(192, mload(add(payload, 96)))
        }
        bytes memory call = new bytes(payload.length - 73);
        for (uint256 i; i < call.length; ++i) {
            call[i] = payload[73 + i];
        }
        vm.deal(from, from.balance + mint);
        if (from.balance < value) return false;
        uint256 gas = gasLimit > INTRINSIC ? gasLimit - INTRINSIC : 0;
        vm.prank(from, from);
        (ok,) = to.call{value: value, gas: gas}(call);
    }

    function test_WhenAnAccountDepositsBoth() external {
        IDatanetRegistry.Reveal memory r = document(1);
        forceAs(bob, BOND, commitCall(bob, document(2)));
        forceAs(alice, BOND, commitCall(alice, r));
        bool[] memory ok = derive();
        assertTrue(ok[0] && ok[1]);
        IDatanetRegistry.Contribution memory c = datanets.contribution(2);
        assertEq(c.contributor, alice);
        assertEq(c.sequence, 2);
        assertEq(c.bond, BOND);
        assertEq(address(datanets).balance, 2 * uint256(BOND));

        forceAs(alice, 0, abi.encodeCall(datanets.reveal, (2, r)));
        assertTrue(derive()[0]);
        assertEq(uint8(datanets.contribution(2).status), uint8(IDatanetRegistry.Status.Revealed));

        uint256[] memory ids = new uint256[](1);
        ids[0] = 2;
        assertEq(alice.balance, 0);
        vm.prank(curator);
        datanets.accept(ids);
        assertEq(alice.balance, BOND);
    }

    function test_WhenAContractDepositsBoth() external {
        Depositor depositor = new Depositor();
        address own = address(depositor);
        address sender = AddressAlias.toL2(own);
        vm.deal(sender, BOND);
        IDatanetRegistry.Reveal memory r = document(3);
        depositor.deposit(portal, address(datanets), BOND, CALL_GAS, commitCall(sender, r));
        assertTrue(derive()[0]);
        assertEq(datanets.contribution(1).contributor, sender);

        // On L2 the contract's address may be anybody's.
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetRegistry_NotContributor.selector, 1, own));
        vm.prank(own);
        datanets.reveal(1, r);

        depositor.deposit(portal, address(datanets), 0, CALL_GAS, abi.encodeCall(datanets.reveal, (1, r)));
        assertTrue(derive()[0]);
        assertEq(datanets.contribution(1).contentHash, r.contentHash);
        vm.prank(curator);
        datanets.reject(1, "not for us");
        assertEq(sender.balance, BOND);
    }

    function test_WhenOnlyTheRevealIsForced() external {
        IDatanetRegistry.Reveal memory r = document(4);
        bytes memory call = commitCall(alice, r);
        vm.deal(alice, BOND);
        vm.prank(alice);
        (bool taken,) = address(datanets).call{value: BOND}(call);
        assertTrue(taken);
        forceAs(alice, 0, abi.encodeCall(datanets.reveal, (1, r)));
        // The sequencer keeps L2 on an old origin as long as it may.
        vm.warp(vm.getBlockTimestamp() + LEAD_MAX);
        assertTrue(derive()[0]);
        assertEq(datanets.contribution(1).contentHash, r.contentHash);
    }

    function test_WhenItCarriesLessThanTheBond(uint96 mint) external {
        mint = uint96(bound(mint, 0, BOND - 1));
        forceAs(alice, mint, commitCall(alice, document(5)));
        assertFalse(derive()[0]);
        assertEq(datanets.contributionCount(), 0);
        assertEq(alice.balance, mint);
        assertEq(address(datanets).balance, 0);
    }

    function test_WhenAnotherDepositsTheReveal() external {
        IDatanetRegistry.Reveal memory r = document(6);
        forceAs(alice, BOND, commitCall(alice, r));
        assertTrue(derive()[0]);
        // The reveal waits in L1's pool, where everybody reads it.
        bytes memory call = abi.encodeCall(datanets.reveal, (1, r));
        forceAs(bob, 0, call);
        forceAs(bob, BOND, commitCall(bob, r));
        forceAs(alice, 0, call);
        bool[] memory ok = derive();
        assertFalse(ok[0]);
        assertTrue(ok[1] && ok[2]);
        assertEq(datanets.contribution(1).contributor, alice);
        assertLt(datanets.contribution(1).sequence, datanets.contribution(2).sequence);
    }

    function test_WhenTheGasIsTooLittle() external {
        IDatanetRegistry.Reveal memory r = document(7);
        forceAs(alice, BOND, commitCall(alice, r));
        assertTrue(derive()[0]);
        bytes memory call = abi.encodeCall(datanets.reveal, (1, r));
        uint64 least = portal.minimumGasLimit(uint64(call.length));
        vm.prank(alice, alice);
        portal.depositTransaction(address(datanets), 0, least, false, call);
        assertFalse(derive()[0]);
        assertEq(uint8(datanets.contribution(1).status), uint8(IDatanetRegistry.Status.Committed));
        forceAs(alice, 0, call);
        assertTrue(derive()[0]);
    }
}
