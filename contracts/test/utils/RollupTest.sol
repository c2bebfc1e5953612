// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {IOptimismPortal} from "../../src/interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../../src/interfaces/ISystemConfig.sol";
import {OptimismMintableERC20Factory} from "../../src/bridge/OptimismMintableERC20Factory.sol";
import {IAnchorStateRegistry} from "../../src/interfaces/IAnchorStateRegistry.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../../src/interfaces/IDisputeGameFactory.sol";
import {IProofDisputeGame} from "../../src/interfaces/IProofDisputeGame.sol";
import {AnchorStateRegistry} from "../../src/l1/AnchorStateRegistry.sol";
import {BondVault} from "../../src/l1/BondVault.sol";
import {DevnetVerifier} from "../../src/l1/DevnetVerifier.sol";
import {DisputeGameFactory} from "../../src/l1/DisputeGameFactory.sol";
import {L1CrossDomainMessenger} from "../../src/l1/L1CrossDomainMessenger.sol";
import {L1StandardBridge} from "../../src/l1/L1StandardBridge.sol";
import {OPEN} from "../../src/l1/OPEN.sol";
import {OptimismPortal} from "../../src/l1/OptimismPortal.sol";
import {ProofDisputeGame} from "../../src/l1/ProofDisputeGame.sol";
import {SystemConfig} from "../../src/l1/SystemConfig.sol";
import {Predeploys} from "../../src/libraries/Predeploys.sol";

/// @title RollupTest
/// @notice The L1 contracts as a deployment leaves them, and a way to put predeploys where the genesis builder does.
abstract contract RollupTest is Test {
    uint256 internal constant GENESIS_SUPPLY = 1_000e18;
    uint64 internal constant GAS = 100_000;
    uint256 internal constant L2_CHAIN_ID = 16_120;

    uint32 internal constant GAME_TYPE = 10;
    bytes32 internal constant PROGRAM = "program";
    bytes32 internal constant GENESIS_ROOT = "genesis output root";
    uint256 internal constant PROPOSER_BOND = 10e18;
    uint256 internal constant CHALLENGER_BOND = 7e18;
    uint64 internal constant CHALLENGE_WINDOW = 4 hours;
    uint64 internal constant PROVE_WINDOW = 8 hours;
    uint256 internal constant MATURITY = 2 days;
    uint256 internal constant AIRGAP = 1 days;
    uint256 internal constant BOND_DELAY = 12 hours;
    /// @dev Parent index that means the anchor.
    uint32 internal constant ANCHOR = type(uint32).max;

    address internal immutable owner = makeAddr("owner");
    address internal immutable guardian = makeAddr("guardian");
    address internal immutable treasury = makeAddr("treasury");
    address internal immutable alice;
    uint256 internal immutable aliceKey;
    address internal immutable executor;
    uint256 internal immutable executorKey;

    OPEN internal open;
    SystemConfig internal config;
    OptimismPortal internal portal;
    AnchorStateRegistry internal registry;
    DisputeGameFactory internal factory;
    BondVault internal vault;
    DevnetVerifier internal verifier;
    ProofDisputeGame internal gameImpl;
    L1CrossDomainMessenger internal messenger;
    L1StandardBridge internal bridge;
    OptimismMintableERC20Factory internal tokenFactory;

    constructor() {
        (executor, executorKey) = makeAddrAndKey("executor");
        (alice, aliceKey) = makeAddrAndKey("alice");
    }

    /// @dev The contracts name each other, so they stand at foreseen addresses.
    function setUp() public virtual {
        vm.warp(1_700_000_000);
        vm.roll(1_000);
        open = new OPEN(treasury);
        config = new SystemConfig(init(foreseen(1)));
        portal = new OptimismPortal(address(open), config, GENESIS_SUPPLY, IAnchorStateRegistry(foreseen(1)), MATURITY);
        registry = new AnchorStateRegistry(config, IDisputeGameFactory(foreseen(1)), GAME_TYPE, AIRGAP);
        IDisputeGameFactory.GameConfig[] memory types = new IDisputeGameFactory.GameConfig[](1);
        types[0] = IDisputeGameFactory.GameConfig(GAME_TYPE, IDisputeGame(foreseen(3)), PROPOSER_BOND);
        factory = new DisputeGameFactory(owner, address(open), types);
        vault = new BondVault(address(open), registry, BOND_DELAY);
        verifier = new DevnetVerifier(executor);
        gameImpl = new ProofDisputeGame(gameInit());
        messenger = new L1CrossDomainMessenger(portal);
        bridge = new L1StandardBridge(messenger);
        tokenFactory = new OptimismMintableERC20Factory(address(bridge));
        assertEq(config.l1CrossDomainMessenger(), address(messenger));
        assertEq(config.l1StandardBridge(), address(bridge));
        assertEq(config.optimismMintableERC20Factory(), address(tokenFactory));
        assertEq(config.disputeGameFactory(), address(factory));
        assertEq(config.optimismPortal(), address(portal));
        assertEq(address(portal.anchorStateRegistry()), address(registry));
        assertEq(address(registry.disputeGameFactory()), address(factory));
        assertEq(address(factory.gameImpls(GAME_TYPE)), address(gameImpl));
        registry.setStartingAnchor(GENESIS_ROOT, 0);
    }

    /// @dev Address of the contract that this one creates after `skip` others.
    function foreseen(uint256 skip) internal view returns (address) {
        return vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + skip);
    }

    function gameInit() internal view returns (IProofDisputeGame.Init memory) {
        return IProofDisputeGame.Init({
            gameType: GAME_TYPE,
            factory: factory,
            registry: registry,
            vault: vault,
            verifier: verifier,
            programId: PROGRAM,
            l2ChainId: L2_CHAIN_ID,
            challengerBond: CHALLENGER_BOND,
            maxChallengeDuration: CHALLENGE_WINDOW,
            maxProveDuration: PROVE_WINDOW
        });
    }

    function init(address portalAddress) internal view returns (ISystemConfig.Init memory) {
        return ISystemConfig.Init({
            owner: owner,
            guardian: guardian,
            optimismPortal: portalAddress,
            l1CrossDomainMessenger: foreseen(7),
            l1StandardBridge: foreseen(8),
            optimismMintableERC20Factory: foreseen(9),
            batchInbox: address(0x00a1),
            batcherHash: bytes32(uint256(0xba7c)),
            unsafeBlockSigner: address(0x51),
            l2ChainId: L2_CHAIN_ID,
            gasLimit: 60_000_000,
            basefeeScalar: 1_368,
            blobbasefeeScalar: 810_949,
            eip1559Denominator: 250,
            eip1559Elasticity: 6,
            operatorFeeScalar: 0,
            operatorFeeConstant: 0,
            minBaseFee: 1_000_000,
            daFootprintGasScalar: 400
        });
    }

    function lockGenesisSupply() internal {
        vm.startPrank(treasury);
        open.approve(address(portal), GENESIS_SUPPLY);
        portal.lockGenesisSupply();
        vm.stopPrank();
    }

    /// @dev Gives `who` OPEN and lets the portal take it.
    function fund(address who, uint256 amount) internal {
        vm.prank(treasury);
        open.transfer(who, amount);
        vm.prank(who);
        open.approve(address(portal), amount);
    }

    // Games

    /// @dev Proposes as `who`, who gets the bond first.
    function propose(address who, bytes32 root, uint256 number, uint32 parent)
        internal
        returns (IProofDisputeGame game)
    {
        uint256 bond = factory.initBonds(GAME_TYPE);
        vm.prank(treasury);
        open.transfer(who, bond);
        vm.startPrank(who);
        open.approve(address(factory), bond);
        game = IProofDisputeGame(address(factory.create(GAME_TYPE, root, abi.encodePacked(number, parent))));
        vm.stopPrank();
    }

    function propose(bytes32 root, uint256 number) internal returns (IProofDisputeGame) {
        return propose(treasury, root, number, ANCHOR);
    }

    /// @dev Challenges as `who`, who gets the bond first.
    function challengeAs(address who, IProofDisputeGame game) internal {
        vm.prank(treasury);
        open.transfer(who, CHALLENGER_BOND);
        vm.startPrank(who);
        open.approve(address(game), CHALLENGER_BOND);
        game.challenge();
        vm.stopPrank();
    }

    /// @dev The executor's word for a game's claim.
    function proofFor(IProofDisputeGame game) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(executorKey, verifier.digestOf(PROGRAM, game.publicValues()));
        return abi.encodePacked(r, s, v);
    }

    function proveAs(address who, IProofDisputeGame game) internal {
        bytes memory proof = proofFor(game);
        vm.prank(who);
        game.prove(proof);
    }

    /// @dev Lets an unchallenged game win and become final.
    function finish(IProofDisputeGame game) internal {
        (,,,,, uint64 deadline) = game.claimData();
        if (vm.getBlockTimestamp() <= deadline) vm.warp(deadline + 1);
        game.resolve();
        skip(AIRGAP + 1);
    }

    function expectDeposit(address from, address to, bytes memory opaqueData) internal {
        vm.expectEmit(address(portal));
        emit IOptimismPortal.TransactionDeposited(from, to, 0, opaqueData);
    }

    /// @dev Runs a constructor at `where`: what it returns becomes the code.
    function construct(address where, bytes memory creationCode, bytes memory arguments) internal {
        vm.etch(where, bytes.concat(creationCode, arguments));
        (bool ok, bytes memory runtimeCode) = where.call("");
        require(ok, "constructor failed");
        vm.etch(where, runtimeCode);
    }

    /// @dev The packed call that opens every L2 block.
    function attributes(
        uint32 baseFeeScalar,
        uint32 blobBaseFeeScalar,
        uint256 l1BaseFee,
        uint256 l1BlobBaseFee,
        uint32 operatorFeeScalar,
        uint64 operatorFeeConstant
    ) internal pure returns (bytes memory) {
        return bytes.concat(
            abi.encodePacked(bytes4(0x3db6be2b), baseFeeScalar, blobBaseFeeScalar, uint64(1), uint64(2), uint64(3)),
            abi.encodePacked(l1BaseFee, l1BlobBaseFee, bytes32(uint256(4)), bytes32(uint256(5))),
            abi.encodePacked(operatorFeeScalar, operatorFeeConstant, uint16(400))
        );
    }

    function setAttributes(bytes memory callData) internal {
        vm.prank(Predeploys.DEPOSITOR_ACCOUNT);
        (bool ok,) = Predeploys.L1_BLOCK.call(callData);
        assertTrue(ok, "attributes");
    }
}

/// @notice A contract that deposits, and so gets an alias.
contract Depositor {
    function deposit(IOptimismPortal portal, address to, uint256 value, uint64 gasLimit, bytes calldata data) external {
        portal.depositTransaction(to, value, gasLimit, false, data);
    }
}
