// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../../../src/interfaces/IDisputeGameFactory.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {ProofDisputeGame} from "../../../src/l1/ProofDisputeGame.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract DisputeGameFactoryTest is RollupTest {
    bytes private extraData = abi.encodePacked(uint256(10), ANCHOR);

    function test_RevertWhen_NoImplementation() external {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.NoImplementation.selector, 1));
        factory.create(1, "root", extraData);
    }

    function test_RevertWhen_EtherIsSent() external {
        vm.deal(address(this), 1);
        vm.expectRevert(IDisputeGameFactory.IncorrectBondAmount.selector);
        factory.create{value: 1}(GAME_TYPE, "root", extraData);
    }

    function test_RevertWhen_MadeBefore() external {
        propose("root", 10);
        bytes32 uuid = keccak256(abi.encode(GAME_TYPE, bytes32("root"), extraData));
        assertEq(factory.getGameUUID(GAME_TYPE, "root", extraData), uuid);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.GameAlreadyExists.selector, uuid));
        factory.create(GAME_TYPE, "root", extraData);
    }

    function test_RevertWhen_BondNotApproved() external {
        vm.prank(treasury);
        open.transfer(alice, PROPOSER_BOND);
        vm.prank(alice);
        vm.expectPartialRevert(IERC20Errors.ERC20InsufficientAllowance.selector);
        factory.create(GAME_TYPE, "root", extraData);
    }

    function testFuzz_WhenCreated(bytes32 root, uint256 number) external {
        number = bound(number, 1, type(uint256).max);
        address foreseenGame = vm.computeCreateAddress(address(factory), vm.getNonce(address(factory)));
        vm.prank(treasury);
        open.transfer(alice, PROPOSER_BOND);
        vm.startPrank(alice);
        open.approve(address(factory), PROPOSER_BOND);
        extraData = abi.encodePacked(number, ANCHOR);
        vm.expectEmit(address(factory));
        emit IDisputeGameFactory.DisputeGameCreated(foreseenGame, GAME_TYPE, root);
        IDisputeGame game = factory.create(GAME_TYPE, root, extraData);
        vm.stopPrank();

        assertEq(address(game), foreseenGame);
        assertEq(factory.gameCount(), 1);
        (uint32 gameType, uint64 timestamp, IDisputeGame listed) = factory.gameAtIndex(0);
        assertEq(gameType, GAME_TYPE);
        assertEq(timestamp, vm.getBlockTimestamp());
        assertEq(address(listed), address(game));
        (listed, timestamp) = factory.games(GAME_TYPE, root, extraData);
        assertEq(timestamp, vm.getBlockTimestamp());
        assertEq(address(listed), address(game));
        IDisputeGameFactory.GameSearchResult[] memory found = factory.findLatestGames(GAME_TYPE, 0, 1);
        assertEq(found.length, 1);
        assertEq(found[0].index, 0);
        assertEq(found[0].metadata, bytes32(abi.encodePacked(GAME_TYPE, timestamp, address(game))));
        assertEq(found[0].timestamp, timestamp);
        assertEq(found[0].rootClaim, root);
        assertEq(found[0].extraData, extraData);
        assertEq(open.balanceOf(alice), 0);
        assertEq(vault.balanceOf(address(game)), PROPOSER_BOND);
    }

    /// @dev Games of two types in any order, searched from anywhere.
    function testFuzz_FindLatestGames(uint256 kinds, uint256 count, uint256 start, uint256 n) external {
        vm.startPrank(owner);
        IProofDisputeGame.Init memory init_ = gameInit();
        init_.gameType = 11;
        factory.setImplementation(11, IDisputeGame(address(new ProofDisputeGame(init_))));
        factory.setInitBond(GAME_TYPE, 0);
        vm.stopPrank();
        count = bound(count, 0, 12);
        for (uint256 i; i < count; ++i) {
            factory.create(kinds >> i & 1 == 0 ? GAME_TYPE : 11, bytes32(i), extraData);
        }
        start = bound(start, 0, 14);
        n = bound(n, 0, 14);
        IDisputeGameFactory.GameSearchResult[] memory found = factory.findLatestGames(GAME_TYPE, start, n);
        uint256 place;
        if (start < count) {
            for (uint256 i = start + 1; i > 0 && place < n; --i) {
                if (kinds >> (i - 1) & 1 != 0) continue;
                assertEq(found[place].index, i - 1);
                assertEq(found[place].rootClaim, bytes32(i - 1));
                ++place;
            }
        }
        assertEq(found.length, place);
    }

    function test_SetImplementation() external {
        IProofDisputeGame game = propose("root", 10);
        vm.expectEmit(address(factory));
        emit IDisputeGameFactory.ImplementationSet(address(0), GAME_TYPE);
        vm.prank(owner);
        factory.setImplementation(GAME_TYPE, IDisputeGame(address(0)));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGameFactory.NoImplementation.selector, GAME_TYPE));
        factory.create(GAME_TYPE, "other", extraData);
        assertTrue(registry.isGameProper(game));
        finish(game);
        assertTrue(registry.isGameClaimValid(game));
    }

    function testFuzz_SetInitBond(uint256 bond) external {
        vm.expectEmit(address(factory));
        emit IDisputeGameFactory.InitBondUpdated(GAME_TYPE, bond);
        vm.prank(owner);
        factory.setInitBond(GAME_TYPE, bond);
        assertEq(factory.initBonds(GAME_TYPE), bond);
    }
}
