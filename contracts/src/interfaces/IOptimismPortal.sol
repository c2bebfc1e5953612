// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISystemConfig} from "./ISystemConfig.sol";

/// @title IOptimismPortal
/// @notice Where OPEN and calls enter L2. A deposit is an L1 event that derivation turns into an L2 transaction: it cannot
/// be refused by the sequencer, and it needs no L2 balance to be included.
/// @dev Event, payload and `depositTransaction` are the OP Stack's. OPEN is an ERC-20 on L1, so ETH is refused and OPEN is
/// locked by `depositERC20Transaction`. Trust: the portal trusts its token, `OPEN`, to move exactly what it is asked to
/// (checked) and not to call back.
interface IOptimismPortal {
    /// @notice A deposit. `from` is the caller's address on L2, `version` is 0, and `opaqueData` packs mint (32 bytes), value
    /// (32), gas limit (8), creation flag (1) and call data.
    event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData);
    /// @notice The OPEN that L2's genesis allocates is locked.
    event GenesisSupplyLocked(address indexed from, uint256 amount);

    /// @notice ETH has no use on L2.
    error OptimismPortal_EtherNotAccepted();
    /// @notice A creation has no target: `to` must be zero.
    error OptimismPortal_BadTarget();
    /// @notice The gas limit does not cover the deposit's calldata; `minimumGasLimit` says how much does.
    error OptimismPortal_GasLimitTooLow();
    /// @notice More than 120,000 bytes of call data.
    error OptimismPortal_CalldataTooLarge();
    /// @notice The guardian has paused deposits that lock OPEN.
    error OptimismPortal_Paused();
    /// @notice The token moved another amount than asked for.
    error OptimismPortal_InexactTransfer(uint256 expected, uint256 received);
    /// @notice L2's genesis supply has to be locked first, so that no user's deposit backs it.
    error OptimismPortal_GenesisSupplyNotLocked();
    /// @notice L2's genesis supply is locked once.
    error OptimismPortal_GenesisSupplyLocked();
    /// @notice `SystemConfig` names another portal.
    error OptimismPortal_ConfigOfAnotherPortal(address optimismPortal);

    /// @notice The token locked here.
    function open() external view returns (address);
    /// @notice The rollup's parameters.
    function systemConfig() external view returns (ISystemConfig);
    /// @notice OPEN that L2's genesis allocates.
    function genesisSupply() external view returns (uint256);
    /// @notice OPEN locked for L2. INVARIANT: equals L2's supply plus exits under way, plus deposits not yet on L2. OPEN sent
    /// here by a plain transfer is not counted and cannot be recovered.
    function escrowed() external view returns (uint256);
    /// @notice True while the guardian's pause lasts.
    function paused() external view returns (bool);
    /// @notice Account that may pause.
    function guardian() external view returns (address);
    /// @notice Least gas limit of a deposit with `byteCount` bytes of call data: 40 gas per byte and 21,000.
    function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
    /// @notice Form of this contract; 3 tells the OP Stack's tools which calls to make.
    function version() external pure returns (string memory);

    /// @notice Locks the OPEN of L2's genesis from the caller's balance, once. Anyone may pay.
    function lockGenesisSupply() external;

    /// @notice Forces a transaction into L2 without locking OPEN; `value` comes from the sender's L2 balance. Never paused:
    /// it is the way to act on L2, and to leave it, without the sequencer.
    /// @param to Target on L2; zero for a creation.
    /// @param value OPEN to send to the target, wei.
    /// @param gasLimit L2 gas, paid for on L1.
    /// @param isCreation True if `data` is init code.
    /// @param data Call data.
    function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes calldata data)
        external
        payable;

    /// @notice Locks `mint` OPEN of the caller, who has approved this contract, and forces a transaction into L2. The sender
    /// is credited on L2 with `mint` before the call, and keeps it if the call fails.
    function depositERC20Transaction(
        address to,
        uint256 mint,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes calldata data
    ) external;

    /// @notice `depositERC20Transaction` with an EIP-2612 approval of `mint` until `deadline`, seconds. A permit that was
    /// already used, by the caller or by someone who saw it, does no harm: the approval is there.
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
    ) external;
}
