// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAnchorStateRegistry} from "../../../src/interfaces/IAnchorStateRegistry.sol";
import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../../../src/interfaces/IDisputeGameFactory.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {AnchorStateRegistry} from "../../../src/l1/AnchorStateRegistry.sol";
import {DisputeGameFactory} from "../../../src/l1/DisputeGameFactory.sol";
import {ProofDisputeGame} from "../../../src/l1/ProofDisputeGame.sol";
import {GameStatus} from "../../../src/types/Dispute.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract AnchorStateRegistryTest is RollupTest {
    IProofDisputeGame private game;

    function setUp() public override {
        super.setUp();
        game = propose("root", 10);
    }

    function refused() private {
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_InvalidAnchorGame.selector);
        registry.setAnchorState(game);
    }

    function test_StartingAnchor() external {
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_AlreadyInitialized.selector);
        registry.setStartingAnchor("another", 5);

        registry = new AnchorStateRegistry(config, factory, GAME_TYPE, AIRGAP);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_Uninitialized.selector);
        registry.getAnchorRoot();
        vm.prank(owner);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_Unauthorized.selector);
        registry.setStartingAnchor("start", 5);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_Uninitialized.selector);
        registry.setStartingAnchor(0, 5);
        vm.expectEmit(address(registry));
        emit IAnchorStateRegistry.StartingAnchorSet("start", 5);
        registry.setStartingAnchor("start", 5);
        (bytes32 root, uint256 number) = registry.anchors(0);
        assertEq(root, "start");
        assertEq(number, 5);
        assertEq(address(registry.anchorGame()), address(0));
    }

    function test_RevertWhen_NotFinal() external {
        refused();
        skip(CHALLENGE_WINDOW + 1);
        game.resolve();
        refused();
        skip(AIRGAP);
        refused();
        skip(1);
        registry.setAnchorState(game);
    }

    function test_RevertWhen_Lost() external {
        challengeAs(alice, game);
        skip(PROVE_WINDOW + 1);
        game.resolve();
        skip(AIRGAP + 1);
        assertTrue(registry.isGameFinalized(game));
        assertFalse(registry.isGameClaimValid(game));
        refused();
    }

    function test_RevertWhen_Void() external {
        finish(game);
        uint256 final_ = vm.snapshotState();
        vm.prank(guardian);
        vm.expectEmit(address(registry));
        emit IAnchorStateRegistry.DisputeGameBlacklisted(game);
        registry.blacklistDisputeGame(game);
        assertTrue(registry.isGameBlacklisted(game));
        refused();
        vm.revertToState(final_);

        vm.prank(guardian);
        vm.expectEmit(address(registry));
        emit IAnchorStateRegistry.RetirementTimestampSet(vm.getBlockTimestamp());
        registry.updateRetirementTimestamp();
        assertTrue(registry.isGameRetired(game));
        refused();
        vm.revertToState(final_);

        vm.prank(guardian);
        config.pause();
        assertTrue(registry.paused());
        refused();
        skip(config.PAUSE_DURATION());
        registry.setAnchorState(game);
    }

    function test_RevertWhen_TypeDidNotCount() external {
        vm.prank(guardian);
        vm.expectEmit(address(registry));
        emit IAnchorStateRegistry.RespectedGameTypeSet(11);
        registry.setRespectedGameType(11);
        game = propose("other", 10);
        finish(game);
        assertFalse(registry.isGameRespected(game));
        refused();
    }

    function testFuzz_RevertWhen_NotAbove(uint256 number) external {
        IProofDisputeGame other = propose("other", bound(number, 1, 10));
        IProofDisputeGame above = propose("above", 11);
        finish(game);
        registry.setAnchorState(game);
        assertEq(address(registry.anchorGame()), address(game));
        other.resolve();
        above.resolve();
        skip(AIRGAP + 1);
        assertTrue(registry.isGameClaimValid(other));
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_InvalidAnchorGame.selector);
        registry.setAnchorState(other);
        registry.setAnchorState(above);
    }

    function test_RevertWhen_OtherFactory() external {
        IDisputeGameFactory.GameConfig[] memory types = new IDisputeGameFactory.GameConfig[](1);
        types[0] = IDisputeGameFactory.GameConfig(GAME_TYPE, IDisputeGame(foreseen(1)), 0);
        factory = new DisputeGameFactory(owner, address(open), types);
        // The same registry, but it does not know this factory.
        new ProofDisputeGame(gameInit());
        game = propose("root", 20);
        assertFalse(registry.isGameRegistered(game));
        finish(game);
        refused();
    }

    function test_RevertWhen_Impostor() external {
        game = IProofDisputeGame(address(new Impostor(game, registry)));
        assertFalse(registry.isGameRegistered(game));
        refused();
    }

    function testFuzz_Finalized(uint256 wait, bool challenged) external {
        if (challenged) challengeAs(alice, game);
        assertFalse(registry.isGameResolved(game));
        skip(PROVE_WINDOW + 1);
        game.resolve();
        assertTrue(registry.isGameResolved(game));
        wait = bound(wait, 0, 2 * AIRGAP);
        skip(wait);
        assertEq(registry.isGameFinalized(game), wait > AIRGAP);
        assertEq(registry.isGameClaimValid(game), wait > AIRGAP && !challenged);
    }
}

/// @notice Says of itself what a real game says, and that it has won long ago.
contract Impostor {
    IProofDisputeGame private immutable game;
    IAnchorStateRegistry public immutable anchorStateRegistry;

    constructor(IProofDisputeGame game_, IAnchorStateRegistry registry) {
        game = game_;
        anchorStateRegistry = registry;
    }

    function gameData() external view returns (uint32, bytes32, bytes memory) {
        return game.gameData();
    }

    function status() external pure returns (GameStatus) {
        return GameStatus.DEFENDER_WINS;
    }

    function createdAt() external pure returns (uint64) {
        return 1;
    }

    function resolvedAt() external pure returns (uint64) {
        return 2;
    }

    function wasRespectedGameTypeWhenCreated() external pure returns (bool) {
        return true;
    }

    function l2SequenceNumber() external pure returns (uint256) {
        return 1_000;
    }
}
