// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {stdError} from "forge-std/StdError.sol";

import {IAnchorStateRegistry} from "../../../src/interfaces/IAnchorStateRegistry.sol";
import {IBondVault} from "../../../src/interfaces/IBondVault.sol";
import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {AnchorStateRegistry} from "../../../src/l1/AnchorStateRegistry.sol";
import {DevnetVerifier} from "../../../src/l1/DevnetVerifier.sol";
import {ProofDisputeGame} from "../../../src/l1/ProofDisputeGame.sol";
import {BondDistributionMode, GameStatus, Proposal} from "../../../src/types/Dispute.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

contract ProofDisputeGameTest is RollupTest {
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    address private immutable proposer = makeAddr("proposer");
    address private immutable challenger = makeAddr("challenger");
    address private immutable prover = makeAddr("prover");

    IProofDisputeGame private game;

    function setUp() public override {
        super.setUp();
        game = propose(proposer, "root", 10, ANCHOR);
    }

    function status(IProofDisputeGame which) private view returns (IProofDisputeGame.ProposalStatus state) {
        (,,,, state,) = which.claimData();
    }

    function deadline(IProofDisputeGame which) private view returns (uint64 time) {
        (,,,,, time) = which.claimData();
    }

    function refused(bytes memory extraData, bytes4 refusal) private {
        fundFactory();
        vm.expectPartialRevert(refusal);
        factory.create(GAME_TYPE, "other root", extraData);
    }

    function fundFactory() private {
        vm.prank(treasury);
        open.transfer(address(this), PROPOSER_BOND);
        open.approve(address(factory), PROPOSER_BOND);
    }

    function child(uint256 number, uint32 parent) private returns (IProofDisputeGame) {
        return propose(proposer, "child", number, parent);
    }

    /// @dev Both calls of a payment, and what it brought.
    function claim(IProofDisputeGame which, address who) private returns (uint256) {
        uint256 before = open.balanceOf(who);
        which.claimCredit(who);
        skip(BOND_DELAY);
        which.claimCredit(who);
        return open.balanceOf(who) - before;
    }

    // constructor

    function test_RevertWhen_NoWindow() external {
        IProofDisputeGame.Init memory init_ = gameInit();
        init_.maxChallengeDuration = 0;
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_DurationZero.selector);
        new ProofDisputeGame(init_);
        init_ = gameInit();
        init_.maxProveDuration = 0;
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_DurationZero.selector);
        new ProofDisputeGame(init_);
    }

    // initialize

    function test_RevertWhen_InitializedTwice() external {
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_NotFactory.selector);
        game.initialize();
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_NotFactory.selector);
        gameImpl.initialize();
        vm.prank(address(factory));
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_NotFactory.selector);
        game.initialize();
    }

    function testFuzz_RevertWhen_ArgumentsOfOtherLength(bytes memory extraData) external {
        if (extraData.length == 36) extraData = bytes.concat(extraData, hex"00");
        refused(extraData, IProofDisputeGame.ProofDisputeGame_ExtraDataLength.selector);
    }

    function test_RevertWhen_NoAnchor() external {
        IProofDisputeGame.Init memory init_ = gameInit();
        init_.registry = new AnchorStateRegistry(config, factory, GAME_TYPE, AIRGAP);
        vm.startPrank(owner);
        factory.setImplementation(GAME_TYPE, IDisputeGame(address(new ProofDisputeGame(init_))));
        vm.stopPrank();
        refused(abi.encodePacked(uint256(20), ANCHOR), IAnchorStateRegistry.AnchorStateRegistry_Uninitialized.selector);
    }

    function test_RevertWhen_NotAboveAnchor() external {
        refused(abi.encodePacked(uint256(0), ANCHOR), IProofDisputeGame.ProofDisputeGame_NotAboveStart.selector);
        finish(game);
        game.closeGame();
        for (uint256 number = 9; number <= 10; ++number) {
            refused(abi.encodePacked(number, ANCHOR), IProofDisputeGame.ProofDisputeGame_NotAboveStart.selector);
        }
        propose(proposer, "other root", 11, ANCHOR);
    }

    function test_RevertWhen_ParentCannotBeFollowed() external {
        bytes memory extraData = abi.encodePacked(uint256(20), uint32(0));
        bytes4 invalid = IProofDisputeGame.ProofDisputeGame_InvalidParent.selector;
        uint256 start = vm.snapshotState();

        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        refused(extraData, invalid);
        vm.revertToState(start);

        vm.prank(guardian);
        registry.updateRetirementTimestamp();
        refused(extraData, invalid);
        vm.revertToState(start);

        challengeAs(challenger, game);
        skip(PROVE_WINDOW + 1);
        game.resolve();
        refused(extraData, invalid);
        vm.revertToState(start);

        // Not above the anchor any more.
        finish(game);
        game.closeGame();
        refused(extraData, invalid);
        vm.revertToState(start);

        // Another type.
        vm.startPrank(owner);
        IProofDisputeGame.Init memory init_ = gameInit();
        init_.gameType = 11;
        factory.setImplementation(11, IDisputeGame(address(new ProofDisputeGame(init_))));
        vm.stopPrank();
        vm.expectRevert(invalid);
        factory.create(11, "other root", extraData);
        vm.revertToState(start);

        // A type that did not count.
        vm.prank(guardian);
        registry.setRespectedGameType(11);
        propose(proposer, "unrespected", 15, ANCHOR);
        refused(abi.encodePacked(uint256(20), uint32(1)), invalid);
        vm.revertToState(start);

        refused(abi.encodePacked(uint256(10), uint32(0)), IProofDisputeGame.ProofDisputeGame_NotAboveStart.selector);
        // Itself.
        refused(abi.encodePacked(uint256(20), uint32(1)), invalid);
        // No such parent.
        fundFactory();
        vm.expectRevert(stdError.indexOOBError);
        factory.create(GAME_TYPE, "other root", abi.encodePacked(uint256(20), uint32(2)));
    }

    function testFuzz_WhenStarted(uint256 number, bytes32 root, address who) external {
        vm.assume(who != address(0) && who != address(vault) && who != address(factory));
        number = bound(number, 11, type(uint256).max);
        IProofDisputeGame next = propose(who, root, number, 0);
        assertEq(next.gameCreator(), who);
        assertEq(next.rootClaim(), root);
        assertEq(next.l1Head(), blockhash(vm.getBlockNumber() - 1));
        assertEq(next.l2SequenceNumber(), number);
        assertEq(next.l2BlockNumber(), number);
        assertEq(next.parentIndex(), 0);
        assertEq(next.extraData(), abi.encodePacked(number, uint32(0)));
        assertEq(next.gameType(), GAME_TYPE);
        assertEq(next.createdAt(), vm.getBlockTimestamp());
        assertTrue(next.wasRespectedGameTypeWhenCreated());
        assertEq(uint8(next.status()), uint8(GameStatus.IN_PROGRESS));
        assertEq(next.startingBlockNumber(), 10);
        assertEq(next.startingRootHash(), "root");
        (uint32 type_, bytes32 claimed, bytes memory extraData) = next.gameData();
        assertEq(type_, GAME_TYPE);
        assertEq(claimed, root);
        assertEq(extraData, next.extraData());
        assertEq(next.publicValues(), abi.encode(next.l1Head(), bytes32("root"), root, number, L2_CHAIN_ID));
        assertEq(vault.balanceOf(address(next)), PROPOSER_BOND);
        assertEq(next.refundModeCredit(who), PROPOSER_BOND);

        Proposal memory start = game.startingProposal();
        assertEq(start.root, GENESIS_ROOT);
        assertEq(start.l2SequenceNumber, 0);
    }

    /// @dev The bond of later games does not change what this one owes.
    function test_WhenBondChanges() external {
        vm.prank(owner);
        factory.setInitBond(GAME_TYPE, PROPOSER_BOND * 2);
        finish(game);
        assertEq(claim(game, proposer), PROPOSER_BOND);
    }

    // challenge

    function test_RevertWhen_ChallengedTooLate() external {
        vm.warp(deadline(game) + 1);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_GameOver.selector);
        game.challenge();
        vm.warp(deadline(game));
        challengeAs(challenger, game);
    }

    function test_RevertWhen_ChallengedAgain() external {
        uint256 start = vm.snapshotState();
        challengeAs(challenger, game);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_AlreadyChallenged.selector);
        game.challenge();
        vm.revertToState(start);
        proveAs(prover, game);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_AlreadyChallenged.selector);
        game.challenge();
    }

    function test_WhenChallenged() external {
        skip(1 hours);
        vm.prank(treasury);
        open.transfer(challenger, CHALLENGER_BOND);
        vm.startPrank(challenger);
        open.approve(address(game), CHALLENGER_BOND);
        vm.expectEmit(address(game));
        emit IProofDisputeGame.Challenged(challenger);
        game.challenge();
        vm.stopPrank();
        (, address counteredBy,,, IProofDisputeGame.ProposalStatus state, uint64 until) = game.claimData();
        assertEq(counteredBy, challenger);
        assertEq(uint8(state), uint8(IProofDisputeGame.ProposalStatus.Challenged));
        assertEq(until, vm.getBlockTimestamp() + PROVE_WINDOW);
        assertEq(vault.balanceOf(address(game)), PROPOSER_BOND + CHALLENGER_BOND);
        assertFalse(game.gameOver());
    }

    // prove

    function test_RevertWhen_ProvenTooLate() external {
        bytes memory proof = proofFor(game);
        uint256 start = vm.snapshotState();
        vm.warp(deadline(game) + 1);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_GameOver.selector);
        game.prove(proof);
        vm.revertToState(start);
        challengeAs(challenger, game);
        vm.warp(deadline(game) + 1);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_GameOver.selector);
        game.prove(proof);
        vm.warp(deadline(game));
        game.prove(proof);
    }

    function test_RevertWhen_ProvenAgain() external {
        proveAs(prover, game);
        bytes memory proof = proofFor(game);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_AlreadyProven.selector);
        game.prove(proof);
        game.resolve();
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_AlreadyProven.selector);
        game.prove(proof);
    }

    function test_RevertWhen_ProofOfAnother() external {
        bytes memory proof = proofFor(propose(proposer, "false root", 10, ANCHOR));
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        game.prove(proof);
    }

    function testFuzz_RevertWhen_ProofIsGarbage(bytes calldata proof) external {
        vm.expectRevert(DevnetVerifier.DevnetVerifier_InvalidProof.selector);
        game.prove(proof);
    }

    function test_WhenProven() external {
        vm.expectEmit(address(game));
        emit IProofDisputeGame.Proved(prover);
        proveAs(prover, game);
        (,, address by,, IProofDisputeGame.ProposalStatus state,) = game.claimData();
        assertEq(by, prover);
        assertEq(uint8(state), uint8(IProofDisputeGame.ProposalStatus.UnchallengedAndValidProofProvided));
        assertTrue(game.gameOver());

        IProofDisputeGame other = propose(proposer, "other", 10, ANCHOR);
        challengeAs(challenger, other);
        proveAs(prover, other);
        assertEq(uint8(status(other)), uint8(IProofDisputeGame.ProposalStatus.ChallengedAndValidProofProvided));
    }

    // resolve

    function test_RevertWhen_ResolvedAgain() external {
        proveAs(prover, game);
        game.resolve();
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_AlreadyResolved.selector);
        game.resolve();
    }

    function test_RevertWhen_ParentNotDecided() external {
        IProofDisputeGame next = child(20, 0);
        proveAs(prover, next);
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_ParentNotResolved.selector);
        next.resolve();
        proveAs(prover, game);
        game.resolve();
        next.resolve();
        assertEq(uint8(next.status()), uint8(GameStatus.DEFENDER_WINS));
    }

    function testFuzz_RevertWhen_WindowIsOpen(uint256 wait, bool challenged) external {
        if (challenged) challengeAs(challenger, game);
        vm.warp(bound(wait, vm.getBlockTimestamp(), deadline(game)));
        vm.expectRevert(abi.encodeWithSelector(IProofDisputeGame.ProofDisputeGame_GameNotOver.selector, deadline(game)));
        game.resolve();
    }

    function test_WhenNobodyChallenged() external {
        vm.warp(deadline(game) + 1);
        vm.expectEmit(address(game));
        emit IDisputeGame.Resolved(GameStatus.DEFENDER_WINS);
        game.resolve();
        assertEq(game.resolvedAt(), vm.getBlockTimestamp());
        skip(AIRGAP + 1);
        assertEq(claim(game, proposer), PROPOSER_BOND);
        assertEq(vault.balanceOf(address(game)), 0);
    }

    function test_WhenProvenUnchallenged() external {
        proveAs(prover, game);
        game.resolve();
        assertEq(uint8(game.status()), uint8(GameStatus.DEFENDER_WINS));
        skip(AIRGAP + 1);
        vm.expectRevert(abi.encodeWithSelector(IProofDisputeGame.ProofDisputeGame_NoCreditToClaim.selector, prover));
        game.claimCredit(prover);
        assertEq(claim(game, proposer), PROPOSER_BOND);
    }

    function test_WhenChallengedAndNotProven() external {
        challengeAs(challenger, game);
        vm.warp(deadline(game) + 1);
        game.resolve();
        assertEq(uint8(game.status()), uint8(GameStatus.CHALLENGER_WINS));
        skip(AIRGAP + 1);
        assertEq(claim(game, challenger), PROPOSER_BOND + CHALLENGER_BOND);
        vm.expectRevert(abi.encodeWithSelector(IProofDisputeGame.ProofDisputeGame_NoCreditToClaim.selector, proposer));
        game.claimCredit(proposer);
        (bytes32 root, uint256 number) = registry.getAnchorRoot();
        assertEq(root, GENESIS_ROOT);
        assertEq(number, 0);
    }

    function test_WhenChallengedAndProven() external {
        challengeAs(challenger, game);
        proveAs(prover, game);
        game.resolve();
        assertEq(uint8(game.status()), uint8(GameStatus.DEFENDER_WINS));
        skip(AIRGAP + 1);
        assertEq(claim(game, proposer), PROPOSER_BOND);
        assertEq(claim(game, prover), CHALLENGER_BOND);
        assertEq(vault.balanceOf(address(game)), 0);
    }

    /// @dev The proposer as its own prover and challenger gets everything once.
    function test_WhenProposerIsEverybody() external {
        challengeAs(proposer, game);
        proveAs(proposer, game);
        game.resolve();
        skip(AIRGAP + 1);
        assertEq(claim(game, proposer), PROPOSER_BOND + CHALLENGER_BOND);
        assertEq(vault.balanceOf(address(game)), 0);
    }

    function test_WhenParentLost() external {
        IProofDisputeGame quiet = child(20, 0);
        IProofDisputeGame disputed = propose(proposer, "disputed", 20, 0);
        challengeAs(prover, disputed);
        proveAs(alice, disputed);
        challengeAs(challenger, game);
        skip(PROVE_WINDOW + 1);
        game.resolve();
        quiet.resolve();
        disputed.resolve();
        assertEq(uint8(quiet.status()), uint8(GameStatus.CHALLENGER_WINS));
        assertEq(uint8(disputed.status()), uint8(GameStatus.CHALLENGER_WINS));
        skip(AIRGAP + 1);
        assertEq(claim(quiet, BURN), PROPOSER_BOND);
        assertEq(claim(disputed, prover), PROPOSER_BOND + CHALLENGER_BOND);
    }

    function test_WhenParentDeclaredVoid() external {
        IProofDisputeGame next = child(20, 0);
        challengeAs(challenger, next);
        proveAs(prover, next);
        finish(game);
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        next.resolve();
        assertEq(uint8(next.status()), uint8(GameStatus.CHALLENGER_WINS));
        skip(AIRGAP + 1);
        assertEq(claim(next, proposer), PROPOSER_BOND);
        assertEq(claim(next, challenger), CHALLENGER_BOND);
        assertEq(uint8(next.bondDistributionMode()), uint8(BondDistributionMode.NORMAL));
    }

    // claimCredit

    function testFuzz_RevertWhen_NotFinal(uint256 wait) external {
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_NotFinalized.selector);
        game.claimCredit(proposer);
        vm.warp(deadline(game) + 1);
        game.resolve();
        skip(bound(wait, 0, AIRGAP));
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_NotFinalized.selector);
        game.claimCredit(proposer);
    }

    /// @dev A pause is no verdict: it must not turn a win into a refund.
    function test_RevertWhen_Paused() external {
        challengeAs(challenger, game);
        vm.warp(deadline(game) + 1);
        game.resolve();
        skip(AIRGAP + 1);
        vm.prank(guardian);
        config.pause();
        vm.expectRevert(IProofDisputeGame.ProofDisputeGame_Paused.selector);
        game.closeGame();
        skip(config.PAUSE_DURATION());
        game.claimCredit(challenger);
        assertEq(uint8(game.bondDistributionMode()), uint8(BondDistributionMode.NORMAL));
    }

    function testFuzz_WhenDeclaredVoid(bool retire) external {
        challengeAs(challenger, game);
        vm.warp(deadline(game) + 1);
        game.resolve();
        vm.prank(guardian);
        if (retire) registry.updateRetirementTimestamp();
        else registry.blacklistDisputeGame(game);
        skip(AIRGAP + 1);
        assertEq(claim(game, proposer), PROPOSER_BOND);
        assertEq(claim(game, challenger), CHALLENGER_BOND);
        assertEq(uint8(game.bondDistributionMode()), uint8(BondDistributionMode.REFUND));
        assertEq(vault.balanceOf(address(game)), 0);
    }

    /// @dev What is closed stays closed, whatever the guardian says afterwards.
    function test_WhenDeclaredVoidAfterClosing() external {
        challengeAs(challenger, game);
        vm.warp(deadline(game) + 1);
        game.resolve();
        skip(AIRGAP + 1);
        game.closeGame();
        vm.prank(guardian);
        registry.blacklistDisputeGame(game);
        game.closeGame();
        assertEq(claim(game, challenger), PROPOSER_BOND + CHALLENGER_BOND);
    }

    function testFuzz_RevertWhen_NothingToClaim(address who) external {
        vm.assume(who != proposer);
        finish(game);
        vm.expectRevert(abi.encodeWithSelector(IProofDisputeGame.ProofDisputeGame_NoCreditToClaim.selector, who));
        game.claimCredit(who);
    }

    function test_RevertWhen_VaultDelays() external {
        finish(game);
        game.claimCredit(proposer);
        vm.expectPartialRevert(IBondVault.BondVault_DelayNotMet.selector);
        game.claimCredit(proposer);
    }

    function test_WhenClaimed() external {
        finish(game);
        vm.expectEmit(address(game));
        emit IProofDisputeGame.GameClosed(BondDistributionMode.NORMAL);
        vm.expectEmit(address(registry));
        emit IAnchorStateRegistry.AnchorUpdated(game);
        assertEq(claim(game, proposer), PROPOSER_BOND);
        vm.expectRevert(abi.encodeWithSelector(IProofDisputeGame.ProofDisputeGame_NoCreditToClaim.selector, proposer));
        game.claimCredit(proposer);
        (bytes32 root, uint256 number) = registry.getAnchorRoot();
        assertEq(root, "root");
        assertEq(number, 10);
    }

    /// @dev A game below the anchor still pays.
    function test_WhenAnchorIsAbove() external {
        IProofDisputeGame later = propose(proposer, "later", 20, ANCHOR);
        finish(later);
        later.closeGame();
        game.resolve();
        skip(AIRGAP + 1);
        assertEq(claim(game, proposer), PROPOSER_BOND);
        (, uint256 number) = registry.getAnchorRoot();
        assertEq(number, 20);
    }
}
