// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {stdJson} from "forge-std/StdJson.sol";

import {OptimismMintableERC20} from "../../../src/bridge/OptimismMintableERC20.sol";
import {IAnchorStateRegistry} from "../../../src/interfaces/IAnchorStateRegistry.sol";
import {IBondVault} from "../../../src/interfaces/IBondVault.sol";
import {ICrossDomainMessenger} from "../../../src/interfaces/ICrossDomainMessenger.sol";
import {IDisputeGame} from "../../../src/interfaces/IDisputeGame.sol";
import {IProofDisputeGame} from "../../../src/interfaces/IProofDisputeGame.sol";
import {IStandardBridge} from "../../../src/interfaces/IStandardBridge.sol";
import {ISystemConfig} from "../../../src/interfaces/ISystemConfig.sol";
import {AttestorVerifier} from "../../../src/l1/AttestorVerifier.sol";
import {RollupTimelock} from "../../../src/l1/RollupTimelock.sol";
import {L1Block} from "../../../src/l2/predeploys/L1Block.sol";
import {L2CrossDomainMessenger} from "../../../src/l2/predeploys/L2CrossDomainMessenger.sol";
import {L2StandardBridge} from "../../../src/l2/predeploys/L2StandardBridge.sol";
import {Predeploys} from "../../../src/libraries/Predeploys.sol";
import {RollupTest} from "../../utils/RollupTest.sol";

/// @notice Who may write what. Every function of the L1 contracts and the predeploys that is not a view has a row, and a
/// contract that gains or loses one fails here until its row is written. Rows with a role are also called as somebody else.
contract RollupAccessTest is RollupTest {
    using stdJson for string;

    struct Row {
        string signature;
        /// Error that a stranger meets; zero where the function is open to all.
        bytes4 refusal;
        /// The stranger's call.
        bytes call;
    }

    address private immutable mallory = makeAddr("mallory");
    Row[] private rows;

    function test_SystemConfig() external {
        bytes4 refusal = Ownable.OwnableUnauthorizedAccount.selector;
        only("setBatcherHash(bytes32)", refusal, abi.encodeCall(config.setBatcherHash, (0)));
        only("setDAFootprintGasScalar(uint16)", refusal, abi.encodeCall(config.setDAFootprintGasScalar, (1)));
        only("setEIP1559Params(uint32,uint32)", refusal, abi.encodeCall(config.setEIP1559Params, (1, 1)));
        only("setGasConfigEcotone(uint32,uint32)", refusal, abi.encodeCall(config.setGasConfigEcotone, (1, 1)));
        only("setGasLimit(uint64)", refusal, abi.encodeCall(config.setGasLimit, (30_000_000)));
        only("setGuardian(address)", refusal, abi.encodeCall(config.setGuardian, (mallory)));
        only("setMinBaseFee(uint64)", refusal, abi.encodeCall(config.setMinBaseFee, (1)));
        only("setOperatorFeeScalars(uint32,uint64)", refusal, abi.encodeCall(config.setOperatorFeeScalars, (1, 1)));
        only("setUnsafeBlockSigner(address)", refusal, abi.encodeCall(config.setUnsafeBlockSigner, (mallory)));
        only("transferOwnership(address)", refusal, abi.encodeCall(config.transferOwnership, (mallory)));
        only("acceptOwnership()", refusal, abi.encodeCall(config.acceptOwnership, ()));
        only("renounceOwnership()", refusal, abi.encodeCall(config.renounceOwnership, ()));
        refusal = ISystemConfig.SystemConfig_NotGuardian.selector;
        only("pause()", refusal, abi.encodeCall(config.pause, ()));
        only("unpause()", refusal, abi.encodeCall(config.unpause, ()));
        check("SystemConfig", address(config));
    }

    function test_OptimismPortal() external {
        anyone("depositTransaction(address,uint256,uint64,bool,bytes)");
        anyone("depositERC20Transaction(address,uint256,uint256,uint64,bool,bytes)");
        anyone(
            "depositERC20TransactionWithPermit(address,uint256,uint256,uint64,bool,bytes,uint256,uint8,bytes32,bytes32)"
        );
        anyone("lockGenesisSupply()");
        anyone(
            "proveWithdrawalTransaction((uint256,address,address,uint256,uint256,bytes),uint256,(bytes32,bytes32,bytes32,bytes32),bytes[])"
        );
        anyone("finalizeWithdrawalTransaction((uint256,address,address,uint256,uint256,bytes))");
        anyone("finalizeWithdrawalTransactionExternalProof((uint256,address,address,uint256,uint256,bytes),address)");
        check("OptimismPortal", address(portal));
    }

    function test_AnchorStateRegistry() external {
        bytes4 refusal = IAnchorStateRegistry.AnchorStateRegistry_Unauthorized.selector;
        IDisputeGame game = propose("root", 10);
        only("blacklistDisputeGame(address)", refusal, abi.encodeCall(registry.blacklistDisputeGame, (game)));
        only("setRespectedGameType(uint32)", refusal, abi.encodeCall(registry.setRespectedGameType, (1)));
        only("setStartingAnchor(bytes32,uint256)", refusal, abi.encodeCall(registry.setStartingAnchor, ("root", 1)));
        only("updateRetirementTimestamp()", refusal, abi.encodeCall(registry.updateRetirementTimestamp, ()));
        anyone("setAnchorState(address)");
        check("AnchorStateRegistry", address(registry));
    }

    /// @dev The roles are different: what one may, the other may not.
    function test_RolesAreDifferent() external {
        vm.startPrank(owner);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_Unauthorized.selector);
        registry.setRespectedGameType(1);
        vm.expectRevert(IAnchorStateRegistry.AnchorStateRegistry_Unauthorized.selector);
        registry.updateRetirementTimestamp();
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_NotGuardian.selector, owner));
        config.pause();
        vm.stopPrank();
        vm.startPrank(guardian);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, guardian));
        factory.setInitBond(GAME_TYPE, 0);
        vm.expectRevert(abi.encodeWithSelector(IBondVault.BondVault_NotOwner.selector, guardian));
        vault.hold(address(1));
        vm.stopPrank();
    }

    function test_DisputeGameFactory() external {
        bytes4 refusal = Ownable.OwnableUnauthorizedAccount.selector;
        only("setImplementation(uint32,address)", refusal, abi.encodeCall(factory.setImplementation, (1, gameImpl)));
        only("setInitBond(uint32,uint256)", refusal, abi.encodeCall(factory.setInitBond, (GAME_TYPE, 0)));
        only("transferOwnership(address)", refusal, abi.encodeCall(factory.transferOwnership, (mallory)));
        only("acceptOwnership()", refusal, abi.encodeCall(factory.acceptOwnership, ()));
        only("renounceOwnership()", refusal, abi.encodeCall(factory.renounceOwnership, ()));
        anyone("create(uint32,bytes32,bytes)");
        check("DisputeGameFactory", address(factory));
    }

    function test_BondVault() external {
        only("hold(address)", IBondVault.BondVault_NotOwner.selector, abi.encodeCall(vault.hold, (address(gameImpl))));
        // Each acts on the caller's own balance.
        anyone("deposit(uint256)");
        anyone("unlock(address,uint256)");
        anyone("withdraw(address,uint256)");
        check("BondVault", address(vault));
    }

    function test_ProofDisputeGame() external {
        only(
            "initialize()",
            IProofDisputeGame.ProofDisputeGame_NotFactory.selector,
            abi.encodeCall(IDisputeGame.initialize, ())
        );
        anyone("challenge()");
        anyone("prove(bytes)");
        anyone("resolve()");
        anyone("closeGame()");
        anyone("claimCredit(address)");
        check("ProofDisputeGame", address(propose("root", 10)));
    }

    function test_AttestorVerifier() external {
        address[] memory attestors = new address[](1);
        attestors[0] = alice;
        AttestorVerifier attesting =
            new AttestorVerifier(AttestorVerifier.Init(owner, address(open), registry, 1, 1, 0, 1, attestors, 1));
        bytes4 refusal = Ownable.OwnableUnauthorizedAccount.selector;
        only(
            "scheduleAttestors(address[],uint256)", refusal, abi.encodeCall(attesting.scheduleAttestors, (attestors, 1))
        );
        only("transferOwnership(address)", refusal, abi.encodeCall(attesting.transferOwnership, (mallory)));
        only("acceptOwnership()", refusal, abi.encodeCall(attesting.acceptOwnership, ()));
        only("renounceOwnership()", refusal, abi.encodeCall(attesting.renounceOwnership, ()));
        // Comes into force only after the delay, whoever calls.
        anyone("applyAttestors()");
        anyone("slashContradicted(address,address,bytes)");
        anyone("slashEquivocation(bytes32,bytes,bytes,bytes,bytes)");
        anyone("stake(uint256)");
        anyone("unbond(uint256)");
        anyone("unstake()");
        check("AttestorVerifier", address(attesting));
    }

    function test_RollupTimelock() external {
        address[] memory a = new address[](1);
        a[0] = alice;
        RollupTimelock timelock = new RollupTimelock(7 days, a, a);
        uint256[] memory n = new uint256[](1);
        bytes[] memory b = new bytes[](1);
        bytes32 role = timelock.PROPOSER_ROLE();
        bytes4 refusal = IAccessControl.AccessControlUnauthorizedAccount.selector;
        only("cancel(bytes32)", refusal, abi.encodeCall(timelock.cancel, (0)));
        only(
            "execute(address,uint256,bytes,bytes32,bytes32)",
            refusal,
            abi.encodeCall(timelock.execute, (mallory, 0, "", 0, 0))
        );
        only(
            "executeBatch(address[],uint256[],bytes[],bytes32,bytes32)",
            refusal,
            abi.encodeCall(timelock.executeBatch, (a, n, b, 0, 0))
        );
        only("grantRole(bytes32,address)", refusal, abi.encodeCall(timelock.grantRole, (role, mallory)));
        only("revokeRole(bytes32,address)", refusal, abi.encodeCall(timelock.revokeRole, (role, alice)));
        only(
            "renounceRole(bytes32,address)",
            IAccessControl.AccessControlBadConfirmation.selector,
            abi.encodeCall(timelock.renounceRole, (role, alice))
        );
        only(
            "schedule(address,uint256,bytes,bytes32,bytes32,uint256)",
            refusal,
            abi.encodeCall(timelock.schedule, (mallory, 0, "", 0, 0, 7 days))
        );
        only(
            "scheduleBatch(address[],uint256[],bytes[],bytes32,bytes32,uint256)",
            refusal,
            abi.encodeCall(timelock.scheduleBatch, (a, n, b, 0, 0, 7 days))
        );
        only(
            "updateDelay(uint256)",
            TimelockController.TimelockUnauthorizedCaller.selector,
            abi.encodeCall(timelock.updateDelay, (7 days))
        );
        // Answers to transfers of tokens; they change nothing.
        anyone("onERC1155BatchReceived(address,address,uint256[],uint256[],bytes)");
        anyone("onERC1155Received(address,address,uint256,uint256,bytes)");
        anyone("onERC721Received(address,address,uint256,bytes)");
        check("RollupTimelock", address(timelock));
    }

    function test_Messengers() external {
        anyone("sendMessage(address,bytes,uint32)");
        only(
            "relayMessage(uint256,address,address,uint256,uint256,bytes)",
            ICrossDomainMessenger.CrossDomainMessenger_NotReplayable.selector,
            abi.encodeCall(messenger.relayMessage, (1 << 240, alice, alice, 0, 0, ""))
        );
        check("L1CrossDomainMessenger", address(messenger));
        address l2 = Predeploys.L2_CROSS_DOMAIN_MESSENGER;
        construct(l2, type(L2CrossDomainMessenger).creationCode, abi.encode(messenger));
        check("L2CrossDomainMessenger", l2);
    }

    function bridgeRows() private {
        delete rows;
        bytes memory call = abi.encodeCall(bridge.finalizeBridgeERC20, (alice, alice, alice, alice, 1, ""));
        only(
            "finalizeBridgeERC20(address,address,address,address,uint256,bytes)",
            IStandardBridge.StandardBridge_NotOtherBridge.selector,
            call
        );
        anyone("bridgeERC20(address,address,uint256,uint32,bytes)");
        anyone("bridgeERC20To(address,address,address,uint256,uint32,bytes)");
        // Refused whoever calls.
        anyone("bridgeETH(uint32,bytes)");
        anyone("bridgeETHTo(address,uint32,bytes)");
    }

    function test_StandardBridges() external {
        bridgeRows();
        only(
            "finalizeERC20Withdrawal(address,address,address,address,uint256,bytes)",
            IStandardBridge.StandardBridge_NotOtherBridge.selector,
            abi.encodeCall(bridge.finalizeERC20Withdrawal, (alice, alice, alice, alice, 1, ""))
        );
        anyone("depositERC20(address,address,uint256,uint32,bytes)");
        anyone("depositERC20To(address,address,address,uint256,uint32,bytes)");
        anyone("depositETH(uint32,bytes)");
        anyone("depositETHTo(address,uint32,bytes)");
        check("L1StandardBridge", address(bridge));
        bridgeRows();
        anyone("withdraw(address,uint256,uint32,bytes)");
        anyone("withdrawTo(address,address,uint256,uint32,bytes)");
        address l2 = Predeploys.L2_STANDARD_BRIDGE;
        construct(l2, type(L2StandardBridge).creationCode, abi.encode(bridge));
        check("L2StandardBridge", l2);
    }

    function test_MintableTokens() external {
        OptimismMintableERC20 token =
            OptimismMintableERC20(tokenFactory.createOptimismMintableERC20(address(1), "Name", "SYM"));
        bytes4 refusal = OptimismMintableERC20.OptimismMintableERC20_NotBridge.selector;
        only("mint(address,uint256)", refusal, abi.encodeCall(token.mint, (mallory, 1)));
        only("burn(address,uint256)", refusal, abi.encodeCall(token.burn, (mallory, 1)));
        anyone("approve(address,uint256)");
        anyone("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)");
        anyone("transfer(address,uint256)");
        anyone("transferFrom(address,address,uint256)");
        check("OptimismMintableERC20", address(token));
        delete rows;
        anyone("createOptimismMintableERC20(address,string,string)");
        anyone("createOptimismMintableERC20WithDecimals(address,string,string,uint8)");
        anyone("createStandardL2Token(address,string,string)");
        check("OptimismMintableERC20Factory", address(tokenFactory));
    }

    function test_DevnetVerifier() external {
        check("DevnetVerifier", address(verifier));
    }

    function test_OPEN() external {
        anyone("approve(address,uint256)");
        anyone("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)");
        anyone("transfer(address,uint256)");
        anyone("transferFrom(address,address,uint256)");
        check("OPEN", address(open));
    }

    function test_L1Block() external {
        construct(Predeploys.L1_BLOCK, type(L1Block).creationCode, "");
        bytes4 refusal = L1Block.NotDepositor.selector;
        only("setL1BlockValuesIsthmus()", refusal, abi.encodeCall(L1Block.setL1BlockValuesIsthmus, ()));
        only("setL1BlockValuesJovian()", refusal, abi.encodeCall(L1Block.setL1BlockValuesJovian, ()));
        check("L1Block", Predeploys.L1_BLOCK);
    }

    function test_GasPriceOracle() external {
        check("GasPriceOracle", address(0));
    }

    function test_L2ToL1MessagePasser() external {
        anyone("burn()");
        anyone("initiateWithdrawal(address,uint256,bytes)");
        check("L2ToL1MessagePasser", address(0));
    }

    /// @dev Whoever calls, the fees go to the recipient of genesis.
    function test_FeeVaults() external {
        anyone("withdraw()");
        check("SequencerFeeVault", address(0));
        check("BaseFeeVault", address(0));
        check("L1FeeVault", address(0));
        check("OperatorFeeVault", address(0));
    }

    function test_WOPEN() external {
        anyone("approve(address,uint256)");
        anyone("cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)");
        anyone("deposit()");
        anyone("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)");
        anyone("receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)");
        anyone("transfer(address,uint256)");
        anyone("transferFrom(address,address,uint256)");
        anyone("transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)");
        anyone("withdraw(uint256)");
        check("WOPEN", address(0));
    }

    function anyone(string memory signature) private {
        rows.push(Row(signature, 0, ""));
    }

    function only(string memory signature, bytes4 refusal, bytes memory call) private {
        rows.push(Row(signature, refusal, call));
    }

    function check(string memory name, address target) private {
        string memory json = vm.readFile(string.concat("contracts/out/", name, ".sol/", name, ".json"));
        string[] memory signatures = vm.parseJsonKeys(json, ".methodIdentifiers");
        uint256 writers;
        for (uint256 i; i < signatures.length; ++i) {
            if (isView(json, signatures[i])) continue;
            ++writers;
            bool found;
            for (uint256 j; j < rows.length && !found; ++j) {
                found = keccak256(bytes(rows[j].signature)) == keccak256(bytes(signatures[i]));
            }
            assertTrue(found, string.concat(name, " has no row for ", signatures[i]));
        }
        assertEq(rows.length, writers, string.concat(name, " has a row too many"));
        for (uint256 i; i < rows.length; ++i) {
            if (rows[i].refusal == 0) continue;
            assertEq(bytes4(rows[i].call), bytes4(keccak256(bytes(rows[i].signature))), rows[i].signature);
            vm.prank(mallory);
            (bool ok, bytes memory reason) = target.call(rows[i].call);
            assertFalse(ok, rows[i].signature);
            assertEq(bytes4(reason), rows[i].refusal, rows[i].signature);
        }
    }

    function isView(string memory json, string memory signature) private pure returns (bool) {
        string memory name = vm.split(signature, "(")[0];
        bytes32 kind = keccak256(bytes(json.readString(string.concat(".abi[?(@.name=='", name, "')].stateMutability"))));
        return kind == keccak256("view") || kind == keccak256("pure");
    }
}
