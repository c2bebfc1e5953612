// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IStaking} from "../../src/interfaces/IStaking.sol";
import {AttestorFaults} from "../../src/l2/AttestorFaults.sol";
import {Staking} from "../../src/l2/Staking.sol";
import {EconomyTest} from "./EconomyTest.sol";

/// @notice The economy with staking behind it: the stakers' share goes to the staking contract.
abstract contract StakingTest is EconomyTest {
    Staking internal constant staking = Staking(payable(0x4F50454e00000000000000000000000000000006));
    AttestorFaults internal constant faults = AttestorFaults(0x4f50454E00000000000000000000000000000007);

    IStaking.Role internal constant ATTESTOR = IStaking.Role.Attestor;
    IStaking.Role internal constant AGENT = IStaking.Role.Agent;

    uint32 internal constant UNBONDING = 21 days;
    uint32 internal constant FAULT_CHALLENGE = 7 days;
    uint32 internal constant REPORT_WINDOW = 3 days;
    uint128 internal constant SELF_MIN = 1_000 ether;
    uint128 internal constant POOL_FLOOR = 100_000 ether;

    address internal immutable guardian = makeAddr("guardian");
    /// A slasher of attestors and agents that the tests speak for.
    address internal immutable slasher = makeAddr("slasher");

    function setUp() public virtual override {
        super.setUp();
        deployStaking();
    }

    function deployStaking() internal {
        deployCodeTo("Staking.sol:Staking", abi.encode(stakingInit()), address(staking));
        deployCodeTo(
            "AttestorFaults.sol:AttestorFaults",
            abi.encode(settlement, staking, FAULT_CHALLENGE, REPORT_WINDOW, uint16(5_000)),
            address(faults)
        );
    }

    function stakingInit() internal view returns (IStaking.Init memory init) {
        init.owner = governance;
        init.guardian = guardian;
        init.settlement = address(settlement);
        init.unbondingSeconds = UNBONDING;
        init.selfStakeMin = SELF_MIN;
        init.poolFloor = POOL_FLOOR;
        init.slashers = new IStaking.SlasherInit[](3);
        init.slashers[0] = IStaking.SlasherInit(ATTESTOR, address(faults), FAULT_CHALLENGE + REPORT_WINDOW);
        init.slashers[1] = IStaking.SlasherInit(ATTESTOR, slasher, 1 days);
        init.slashers[2] = IStaking.SlasherInit(AGENT, slasher, 1 days);
    }

    function enrollAs(IStaking.Role role, address operator, uint256 amount, uint16 commissionBps) internal {
        vm.deal(operator, operator.balance + amount);
        vm.prank(operator);
        staking.enroll{value: amount}(role, commissionBps, address(0));
    }

    function stakeAs(IStaking.Role role, address operator, address account, uint256 amount)
        internal
        returns (uint256 shares)
    {
        vm.deal(account, account.balance + amount);
        vm.prank(account);
        shares = staking.stake{value: amount}(role, operator);
    }

    function exitAs(IStaking.Role role, address operator, address account, uint256 shares)
        internal
        returns (uint256 exitId)
    {
        vm.prank(account);
        exitId = staking.requestExit(role, operator, shares);
    }

    function finishAs(address account, uint256 exitId) internal returns (uint256) {
        vm.prank(account);
        return staking.finishExit(exitId, payable(account));
    }

    function slashBy(IStaking.Role role, address operator, uint256 bps, bytes32 fault) internal returns (uint256) {
        vm.prank(slasher);
        return staking.slash(role, operator, bps, fault, bob);
    }

    function donate(uint256 amount) internal {
        vm.deal(address(this), address(this).balance + amount);
        staking.donate{value: amount}();
    }
}
