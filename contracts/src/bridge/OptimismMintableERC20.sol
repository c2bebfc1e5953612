// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ERC20} from "solady/tokens/ERC20.sol";

import {ILegacyMintableERC20, IOptimismMintableERC20} from "../interfaces/IOptimismMintableERC20.sol";

/// @title OptimismMintableERC20
/// @notice An ERC-20 that stands for a token on the other layer, with signed approvals (EIP-2612). Its supply is what the
/// bridge holds of the other, as far as the bridge minted it.
/// @dev Not OpenZeppelin's token: its EIP-712 part takes names of at most 31 bytes, and remote tokens have longer ones.
contract OptimismMintableERC20 is IOptimismMintableERC20, ILegacyMintableERC20, IERC165, ERC20 {
    /// @notice The token on the other layer.
    address public immutable REMOTE_TOKEN;
    /// @notice The bridge.
    address public immutable BRIDGE;
    uint8 private immutable DECIMALS;
    string private _name;
    string private _symbol;

    /// @notice The bridge minted.
    /// @param account Whose balance it is.
    /// @param amount Units of the token.
    event Mint(address indexed account, uint256 amount);
    /// @notice The bridge burned.
    /// @param account Whose balance it is.
    /// @param amount Units of the token.
    event Burn(address indexed account, uint256 amount);

    /// @notice Only the bridge mints and burns.
    /// @param caller Who called instead.
    error OptimismMintableERC20_NotBridge(address caller);

    modifier onlyBridge() {
        if (msg.sender != BRIDGE) revert OptimismMintableERC20_NotBridge(msg.sender);
        _;
    }

    constructor(address bridge_, address remoteToken_, string memory name_, string memory symbol_, uint8 decimals_) {
        _name = name_;
        _symbol = symbol_;
        BRIDGE = bridge_;
        REMOTE_TOKEN = remoteToken_;
        DECIMALS = decimals_;
    }

    /// @notice Mints; bridge only.
    /// @param to Whose balance grows.
    /// @param amount Units of the token.
    function mint(address to, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _mint(to, amount);
        emit Mint(to, amount);
    }

    /// @notice Burns, without an allowance; bridge only.
    /// @param from Whose balance shrinks.
    /// @param amount Units of the token.
    function burn(address from, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _burn(from, amount);
        emit Burn(from, amount);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(ILegacyMintableERC20).interfaceId
            || interfaceId == type(IOptimismMintableERC20).interfaceId;
    }

    /// @inheritdoc IOptimismMintableERC20
    function remoteToken() external view returns (address) {
        return REMOTE_TOKEN;
    }

    /// @inheritdoc IOptimismMintableERC20
    function bridge() external view returns (address) {
        return BRIDGE;
    }

    /// @inheritdoc ILegacyMintableERC20
    function l1Token() external view returns (address) {
        return REMOTE_TOKEN;
    }

    /// @notice `bridge` under its older name.
    /// @return The bridge.
    function l2Bridge() external view returns (address) {
        return BRIDGE;
    }

    /// @notice Name of the token.
    /// @return The name.
    function name() public view override returns (string memory) {
        return _name;
    }

    /// @notice Symbol of the token.
    /// @return The symbol.
    function symbol() public view override returns (string memory) {
        return _symbol;
    }

    /// @notice Places of the token on the other layer.
    /// @return The decimals.
    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    /// @dev Nobody may spend without being approved.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }

    /// @notice Form of this contract.
    /// @return Semantic version.
    function version() external pure returns (string memory) {
        return "1.4.0";
    }
}
