// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IOptimismPortal} from "../../../src/interfaces/IOptimismPortal.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {RollupHashing} from "../../../src/libraries/RollupHashing.sol";
import {GameStatus} from "../../../src/types/Dispute.sol";
import {MessagePasserTrie} from "../../utils/MessagePasserTrie.sol";
import {WithdrawalTest} from "../../utils/WithdrawalTest.sol";

/// @title RollupHandler
/// @notice What depositors, withdrawers, honest and lying proposers, challengers, provers and the guardian do, at random, to
/// an L2 that is a number and a list. A watcher challenges every lie before its window closes; nobody ever proves one.
contract RollupHandler is WithdrawalTest {
    using RollupHashing for RollupHashing.Withdrawal;

    struct Claim {
        IProofDisputeGame game;
        /// Withdrawals in the claim's trie.
        uint256 count;
        /// True if one of them was never sent: the last.
        bool lie;
        uint256 paidIn;
    }

    /// OPEN on L2, wei.
    uint256 public l2Supply;
    /// OPEN of withdrawals sent and not carried out, wei.
    uint256 public pendingExits;
    /// Sum of what was carried out, wei.
    uint256 public paidOut;
    /// Highest anchor seen.
    uint256 public anchored;
    mapping(bytes32 action => uint256) public calls;

    RollupHashing.Withdrawal[] private withdrawals;
    RollupHashing.Withdrawal private forged;
    Claim[] private claims;
    mapping(bytes32 hash => uint256) public timesPaid;
    mapping(bytes32 root => bool) public isLie;
    address private immutable watcher = makeAddr("watcher");
    Reverter private reverter;

    modifier counted(bytes32 action) {
        ++calls[action];
        _;
        (, uint256 number) = registry.getAnchorRoot();
        require(number >= anchored, "the anchor went back");
        anchored = number;
    }

    function init() external {
        setUp();
        // Without the fillers of other tests.
        while (sent.length > 0) sent.pop();
        l2Supply = GENESIS_SUPPLY;
        reverter = new Reverter(portal);
        vm.fee(1_000_000 gwei);
        withdraw(1e18, 0);
        proposeClaim(0, false);
    }

    // Depositors and withdrawers

    function deposit(uint256 amount) external counted("deposit") {
        if (config.paused()) return;
        amount = bound(amount, 0, 1_000e18);
        fund(alice, amount);
        vm.prank(alice, alice);
        portal.depositERC20Transaction(alice, amount, amount, 21_000, false, "");
        l2Supply += amount;
        vm.roll(vm.getBlockNumber() + 1);
    }

    /// @dev To an account, or to a contract that fails or re-enters.
    function withdraw(uint256 amount, uint256 kind) public counted("withdraw") {
        if (sent.length == 24) return;
        amount = bound(amount, 0, l2Supply / 4);
        RollupHashing.Withdrawal memory w = kind % 2 == 0
            ? withdrawal(alice, amount, 0, "")
            : withdrawal(address(reverter), amount, 100_000, abi.encode(kind));
        withdrawals.push(w);
        l2Supply -= amount;
        pendingExits += amount;
    }

    // Proposers, challengers, provers

    function proposeClaim(uint256 parentSeed, bool lie) public counted("propose") {
        if (claims.length == 12) return;
        (, uint256 lowest) = registry.getAnchorRoot();
        uint32 parent = ANCHOR;
        if (claims.length > 0 && parentSeed % 2 == 1) {
            uint256 index = parentSeed / 2 % claims.length;
            IProofDisputeGame candidate = claims[index].game;
            bool usable = candidate.status() != GameStatus.CHALLENGER_WINS && candidate.l2SequenceNumber() > lowest
                && !registry.isGameBlacklisted(candidate);
            if (usable) parent = uint32(index);
        }
        l2Block += 10;
        bytes32[] memory hashes = slots();
        if (lie) {
            forged = RollupHashing.Withdrawal(RollupHashing.versionedNonce(9_999), alice, alice, 5e18, 0, "");
            hashes = new bytes32[](sent.length + 1);
            for (uint256 i; i < sent.length; ++i) {
                hashes[i] = RollupHashing.withdrawalStorageKey(sent[i]);
            }
            hashes[sent.length] = RollupHashing.withdrawalStorageKey(forged.withdrawalHash());
        }
        bytes32 root = RollupHashing.outputRoot(parts(hashes, l2Block));
        isLie[root] = lie;
        IProofDisputeGame game = propose(proposer, root, l2Block, parent);
        claims.push(Claim(game, hashes.length, lie, PROPOSER_BOND));
    }

    function challenge(uint256 seed) external counted("challenge") {
        challengeClaim(seed % claims.length, bob);
    }

    function challengeClaim(uint256 index, address who) private {
        IProofDisputeGame game = claims[index].game;
        (,,,, IProofDisputeGame.ProposalStatus state,) = game.claimData();
        if (state != IProofDisputeGame.ProposalStatus.Unchallenged || game.gameOver()) return;
        challengeAs(who, game);
        claims[index].paidIn += CHALLENGER_BOND;
    }

    function proveClaim(uint256 seed) external counted("prove claim") {
        Claim storage claim = claims[seed % claims.length];
        (,,,, IProofDisputeGame.ProposalStatus state,) = claim.game.claimData();
        if (claim.lie || claim.game.gameOver() || state == IProofDisputeGame.ProposalStatus.Resolved) return;
        proveAs(alice, claim.game);
    }

    function resolve(uint256 seed) external counted("resolve") {
        try claims[seed % claims.length].game.resolve() {} catch {}
    }

    function claimBond(uint256 seed) external counted("claim bond") {
        address[5] memory who = [proposer, bob, watcher, alice, address(0xdEaD)];
        try claims[seed % claims.length].game.claimCredit(who[seed / 13 % 5]) {} catch {}
    }

    // Exits

    function proveExit(uint256 seed, uint256 against) external counted("prove exit") {
        uint256 index = against % claims.length;
        Claim storage claim = claims[index];
        bool forge = claim.lie && seed % 3 == 0;
        uint256 which = forge ? claim.count - 1 : seed % claim.count;
        if (claim.lie && which == claim.count - 1) forge = true;
        bytes32[] memory hashes = slotsOf(claim);
        bytes[] memory proof = MessagePasserTrie.build(hashes, 1, which).proof;
        RollupHashing.OutputRootProof memory p = parts(hashes, claim.game.l2SequenceNumber());
        RollupHashing.Withdrawal memory w = forge ? forged : withdrawals[which];
        vm.prank(bob);
        try portal.proveWithdrawalTransaction(w, index, p, proof) {}
        catch (bytes memory reason) {
            bytes4 why = bytes4(reason);
            assertTrue(
                why == IOptimismPortal.OptimismPortal_Paused.selector
                    || why == IOptimismPortal.OptimismPortal_ImproperDisputeGame.selector
                    || why == IOptimismPortal.OptimismPortal_InvalidDisputeGame.selector
                    || why == IOptimismPortal.OptimismPortal_InvalidProofTimestamp.selector,
                "a true proof was refused"
            );
        }
    }

    /// @dev Seven kinds of state stand in the way; whoever gets through is paid.
    function carryOut(uint256 seed) external counted("carry out") {
        RollupHashing.Withdrawal memory w =
            seed % 5 == 0 && forged.nonce != 0 ? forged : withdrawals[seed % withdrawals.length];
        reverter.set(w);
        vm.prank(bob);
        try portal.finalizeWithdrawalTransaction(w) {
            ++calls["carried out"];
            ++timesPaid[w.withdrawalHash()];
            pendingExits -= w.value;
            paidOut += w.value;
        } catch {}
    }

    // The guardian, and time

    function pause() external counted("pause") {
        vm.prank(guardian);
        try config.pause() {} catch {}
    }

    /// @dev Only lies: what the guardian says of true claims costs time, and this handler has little of it.
    function declareVoid(uint256 seed) external counted("declare void") {
        Claim storage claim = claims[seed % claims.length];
        if (!claim.lie) return;
        vm.prank(guardian);
        registry.blacklistDisputeGame(claim.game);
    }

    function elapse(uint256 time) external counted("elapse") {
        for (uint256 i; i < claims.length; ++i) {
            if (claims[i].lie) challengeClaim(i, watcher);
        }
        skip(bound(time, 1, 2 days));
        vm.roll(vm.getBlockNumber() + 1);
    }

    // Views for the invariants

    function claimCount() external view returns (uint256) {
        return claims.length;
    }

    function claimAt(uint256 index) external view returns (Claim memory) {
        return claims[index];
    }

    function withdrawalCount() external view returns (uint256) {
        return withdrawals.length;
    }

    function withdrawalHashAt(uint256 index) external view returns (bytes32) {
        return withdrawals[index].withdrawalHash();
    }

    function forgedHash() external view returns (bytes32) {
        return forged.withdrawalHash();
    }

    function escrowed() external view returns (uint256, uint256) {
        return (portal.escrowed(), open.balanceOf(address(portal)));
    }

    function bonds() external view returns (uint256 total, uint256 held, uint256 sum, uint256 paidIn) {
        for (uint256 i; i < claims.length; ++i) {
            sum += vault.balanceOf(address(claims[i].game));
            paidIn += claims[i].paidIn;
        }
        return (vault.totalSupply(), open.balanceOf(address(vault)), sum, paidIn);
    }

    function balanceOf(uint256 index) external view returns (uint256) {
        return vault.balanceOf(address(claims[index].game));
    }

    function isValid(uint256 index) external view returns (bool) {
        return registry.isGameClaimValid(claims[index].game);
    }

    function anchorRoot() external view returns (bytes32 root) {
        (root,) = registry.getAnchorRoot();
    }

    // Tries

    function slotsOf(Claim storage claim) private view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](claim.count);
        for (uint256 i; i < claim.count; ++i) {
            bytes32 hash = claim.lie && i == claim.count - 1 ? forged.withdrawalHash() : sent[i];
            hashes[i] = RollupHashing.withdrawalStorageKey(hash);
        }
    }

    function parts(bytes32[] memory hashes, uint256 number)
        private
        pure
        returns (RollupHashing.OutputRootProof memory)
    {
        bytes32 root = MessagePasserTrie.build(hashes, 1, 0).root;
        return RollupHashing.OutputRootProof(0, keccak256(abi.encode("state", number)), root, "block");
    }
}

/// @notice Tries to be paid twice, then fails, or not.
contract Reverter {
    IOptimismPortal private immutable portal;
    RollupHashing.Withdrawal private w;

    constructor(IOptimismPortal portal_) {
        portal = portal_;
    }

    function set(RollupHashing.Withdrawal calldata next) external {
        w = next;
    }

    fallback() external {
        (bool ok,) = address(portal).call(abi.encodeCall(portal.finalizeWithdrawalTransaction, (w)));
        require(!ok && msg.data.length > 0 && uint8(msg.data[msg.data.length - 1]) % 3 != 0, "no");
    }
}
