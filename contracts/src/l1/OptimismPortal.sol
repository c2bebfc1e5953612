// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IOptimismPortal} from "../interfaces/IOptimismPortal.sol";
import {ISystemConfig} from "../interfaces/ISystemConfig.sol";
import {AddressAlias} from "../libraries/AddressAlias.sol";
import {RollupHashing} from "../libraries/RollupHashing.sol";
import {SenderEOA} from "../libraries/SenderEOA.sol";
import {ResourceMetering} from "./ResourceMetering.sol";

/// @title OptimismPortal
/// @notice Where OPEN and calls enter L2.
contract OptimismPortal is IOptimismPortal, ResourceMetering {
    using SafeERC20 for IERC20;

    /// @dev Keeps a deposit within what L1 nodes accept as one transaction (128 KiB).
    uint256 private constant CALLDATA_LENGTH_MAX = 120_000;

    /// @inheritdoc IOptimismPortal
    address public immutable open;
    /// @inheritdoc IOptimismPortal
    ISystemConfig public immutable systemConfig;
    /// @inheritdoc IOptimismPortal
    uint256 public immutable genesisSupply;

    /// @inheritdoc IOptimismPortal
    uint256 public escrowed;
    bool private _genesisSupplyLocked;

    /// @param config Must name this contract as its portal.
    /// @param supply OPEN that L2's genesis allocates, wei.
    constructor(address token, ISystemConfig config, uint256 supply) ResourceMetering(config.resourceConfig()) {
        if (config.optimismPortal() != address(this)) {
            revert OptimismPortal_ConfigOfAnotherPortal(config.optimismPortal());
        }
        open = token;
        systemConfig = config;
        genesisSupply = supply;
        _genesisSupplyLocked = supply == 0;
    }

    // Views

    /// @inheritdoc IOptimismPortal
    function paused() public view returns (bool) {
        return systemConfig.paused();
    }

    /// @inheritdoc IOptimismPortal
    function guardian() external view returns (address) {
        return systemConfig.guardian();
    }

    /// @inheritdoc IOptimismPortal
    function minimumGasLimit(uint64 byteCount) public pure returns (uint64) {
        return byteCount * 40 + 21_000;
    }

    /// @inheritdoc IOptimismPortal
    function version() external pure returns (string memory) {
        return "3.0.0";
    }

    // Genesis

    /// @inheritdoc IOptimismPortal
    function lockGenesisSupply() external {
        // Check
        if (_genesisSupplyLocked) revert OptimismPortal_GenesisSupplyLocked();

        // Effect
        _genesisSupplyLocked = true;
        emit GenesisSupplyLocked(msg.sender, genesisSupply);

        // Interaction
        _lock(genesisSupply);
    }

    // Deposits

    /// @inheritdoc IOptimismPortal
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        external
        payable
        metered(gasLimit)
    {
        if (msg.value != 0) revert OptimismPortal_EtherNotAccepted();
        _deposit(to, 0, value, gasLimit, isCreation, data);
    }

    /// @inheritdoc IOptimismPortal
    function depositERC20Transaction(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external metered(gasLimit) {
        _lockForDeposit(mint);
        _deposit(to, mint, value, gasLimit, isCreation, data);
    }

    /// @inheritdoc IOptimismPortal
    function depositERC20TransactionWithPermit(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external metered(gasLimit) {
        // A failure is not final: if the approval is missing, the transfer fails.
        try IERC20Permit(open).permit(msg.sender, address(this), mint, deadline, v, r, s) {} catch {}
        _lockForDeposit(mint);
        _deposit(to, mint, value, gasLimit, isCreation, data);
    }

    function _deposit(address to, uint256 mint, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        private
    {
        if (isCreation && to != address(0)) revert OptimismPortal_BadTarget();
        if (data.length > CALLDATA_LENGTH_MAX) revert OptimismPortal_CalldataTooLarge();
        if (gasLimit < minimumGasLimit(uint64(data.length))) revert OptimismPortal_GasLimitTooLow();

        address from = SenderEOA.isSenderEOA() ? msg.sender : AddressAlias.toL2(msg.sender);
        emit TransactionDeposited(
            from,
            to,
            RollupHashing.DEPOSIT_VERSION,
            RollupHashing.depositPayload(mint, value, gasLimit, isCreation, data)
        );
    }

    function _lockForDeposit(uint256 amount) private {
        if (amount == 0) return;
        if (paused()) revert OptimismPortal_Paused();
        if (!_genesisSupplyLocked) revert OptimismPortal_GenesisSupplyNotLocked();
        _lock(amount);
    }

    /// @dev INVARIANT: `escrowed` grows by exactly what arrived.
    function _lock(uint256 amount) private {
        escrowed += amount;
        uint256 balanceBefore = IERC20(open).balanceOf(address(this));
        IERC20(open).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(open).balanceOf(address(this)) - balanceBefore;
        if (received != amount) revert OptimismPortal_InexactTransfer(amount, received);
    }

    function _resourceConfig() internal view override returns (ResourceConfig memory) {
        return systemConfig.resourceConfig();
    }
}
