// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LibClone} from "solady/utils/LibClone.sol";

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IDisputeGameFactory} from "../interfaces/IDisputeGameFactory.sol";

/// @title DisputeGameFactory
/// @notice Makes games and lists them.
contract DisputeGameFactory is IDisputeGameFactory, Ownable2Step {
    using SafeERC20 for IERC20;

    /// @notice The token of the bonds.
    address public immutable open;

    /// @inheritdoc IDisputeGameFactory
    mapping(uint32 gameType => IDisputeGame) public gameImpls;
    /// @inheritdoc IDisputeGameFactory
    mapping(uint32 gameType => uint256) public initBonds;
    mapping(bytes32 uuid => bytes32 gameId) private _games;
    bytes32[] private _gameList;

    /// @param configs Game types to begin with; the implementations may be deployed later, at foreseen addresses.
    constructor(address owner, address token, GameConfig[] memory configs) Ownable(owner) {
        open = token;
        for (uint256 i; i < configs.length; ++i) {
            _setImplementation(configs[i].gameType, configs[i].implementation);
            _setInitBond(configs[i].gameType, configs[i].initBond);
        }
    }

    // Games

    /// @inheritdoc IDisputeGameFactory
    function create(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        payable
        returns (IDisputeGame proxy)
    {
        // Check
        IDisputeGame implementation = gameImpls[gameType];
        if (address(implementation) == address(0)) revert NoImplementation(gameType);
        if (msg.value != 0) revert IncorrectBondAmount();
        bytes32 uuid = getGameUUID(gameType, rootClaim, extraData);
        if (_games[uuid] != 0) revert GameAlreadyExists(uuid);

        // Effect
        bytes32 l1Head = blockhash(block.number - 1);
        proxy = IDisputeGame(
            LibClone.clone(address(implementation), abi.encodePacked(msg.sender, rootClaim, l1Head, extraData))
        );
        bytes32 id = _pack(gameType, uint64(block.timestamp), proxy);
        _games[uuid] = id;
        _gameList.push(id);
        emit DisputeGameCreated(address(proxy), gameType, rootClaim);

        // Interaction
        uint256 bond = initBonds[gameType];
        if (bond != 0) IERC20(open).safeTransferFrom(msg.sender, address(proxy), bond);
        proxy.initialize();
    }

    /// @inheritdoc IDisputeGameFactory
    function gameCount() external view returns (uint256) {
        return _gameList.length;
    }

    /// @inheritdoc IDisputeGameFactory
    function games(uint32 gameType, bytes32 rootClaim, bytes calldata extraData)
        external
        view
        returns (IDisputeGame proxy, uint64 timestamp)
    {
        (, timestamp, proxy) = _unpack(_games[getGameUUID(gameType, rootClaim, extraData)]);
    }

    /// @inheritdoc IDisputeGameFactory
    function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, IDisputeGame proxy) {
        return _unpack(_gameList[index]);
    }

    /// @inheritdoc IDisputeGameFactory
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        returns (GameSearchResult[] memory found)
    {
        if (start >= _gameList.length || n == 0) return found;
        found = new GameSearchResult[](n < start + 1 ? n : start + 1);
        uint256 count;
        for (uint256 i = start + 1; i > 0 && count < found.length; --i) {
            bytes32 id = _gameList[i - 1];
            (uint32 type_, uint64 timestamp, IDisputeGame proxy) = _unpack(id);
            if (type_ != gameType) continue;
            found[count++] = GameSearchResult(i - 1, id, timestamp, proxy.rootClaim(), proxy.extraData());
        }
        assembly ("memory-safe") {
            mstore(found, count)
        }
    }

    /// @inheritdoc IDisputeGameFactory
    function getGameUUID(uint32 gameType, bytes32 rootClaim, bytes calldata extraData) public pure returns (bytes32) {
        return keccak256(abi.encode(gameType, rootClaim, extraData));
    }

    /// @inheritdoc IDisputeGameFactory
    function version() external pure returns (string memory) {
        return "1.2.0";
    }

    // Types

    /// @inheritdoc IDisputeGameFactory
    function setImplementation(uint32 gameType, IDisputeGame impl) external onlyOwner {
        _setImplementation(gameType, impl);
    }

    /// @inheritdoc IDisputeGameFactory
    function setInitBond(uint32 gameType, uint256 initBond) external onlyOwner {
        _setInitBond(gameType, initBond);
    }

    function _setImplementation(uint32 gameType, IDisputeGame impl) private {
        gameImpls[gameType] = impl;
        emit ImplementationSet(address(impl), gameType);
    }

    function _setInitBond(uint32 gameType, uint256 initBond) private {
        initBonds[gameType] = initBond;
        emit InitBondUpdated(gameType, initBond);
    }

    // Game ids: type (4 bytes), time of creation (8), address (20)

    function _pack(uint32 gameType, uint64 timestamp, IDisputeGame proxy) private pure returns (bytes32) {
        return bytes32(uint256(gameType) << 224 | uint256(timestamp) << 160 | uint160(address(proxy)));
    }

    function _unpack(bytes32 id) private pure returns (uint32 gameType, uint64 timestamp, IDisputeGame proxy) {
        uint256 word = uint256(id);
        // forge-lint: disable-next-line(unsafe-typecast)
        return (uint32(word >> 224), uint64(word >> 160), IDisputeGame(address(uint160(word))));
    }
}
