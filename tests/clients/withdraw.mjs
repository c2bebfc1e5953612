// viem's op-stack actions, unmodified: a deposit of a transaction, and the whole way of a withdrawal.
// argv[2]: {"l1Rpc","l2Rpc","l1ChainId","l2ChainId","privateKey","contracts":{…}}
import assert from 'node:assert/strict';
import {
  createPublicClient, createWalletClient, defineChain, erc20Abi, http, parseAbi, parseEther,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import {
  chainConfig, getL2TransactionHashes, getWithdrawals, publicActionsL1, publicActionsL2, walletActionsL1, walletActionsL2,
} from 'viem/op-stack';

const input = JSON.parse(process.argv[2]);
const multicall3 = { address: '0xcA11bde05977b3631167028862bE2a173976CA11' };
const l1 = defineChain({
  id: input.l1ChainId,
  name: 'L1',
  nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [input.l1Rpc] } },
  contracts: { multicall3 },
});
const l2 = defineChain({
  ...chainConfig,
  id: input.l2ChainId,
  sourceId: l1.id,
  name: 'OpenLedger',
  nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
  rpcUrls: { default: { http: [input.l2Rpc] } },
  contracts: {
    ...chainConfig.contracts,
    multicall3,
    portal: { [l1.id]: { address: input.contracts.OptimismPortal } },
    disputeGameFactory: { [l1.id]: { address: input.contracts.DisputeGameFactory } },
    l1StandardBridge: { [l1.id]: { address: input.contracts.L1StandardBridge } },
  },
});
const account = privateKeyToAccount(input.privateKey);
const options = { pollingInterval: 300 };
const publicL1 = createPublicClient({ chain: l1, transport: http(), ...options }).extend(publicActionsL1());
const publicL2 = createPublicClient({ chain: l2, transport: http(), ...options }).extend(publicActionsL2());
const walletL1 = createWalletClient({ account, chain: l1, transport: http() }).extend(walletActionsL1());
const walletL2 = createWalletClient({ account, chain: l2, transport: http() }).extend(walletActionsL2());
const open = { address: input.contracts.OPEN, abi: erc20Abi };
const done = [];

// OPEN enters by the portal's ERC-20 deposit; the hash on L2 is computed from the log alone.
const amount = parseEther('3');
const approval = await walletL1.writeContract({ ...open, functionName: 'approve', args: [input.contracts.OptimismPortal, amount] });
await publicL1.waitForTransactionReceipt({ hash: approval });
const portalAbi = parseAbi(['function depositERC20Transaction(address,uint256,uint256,uint64,bool,bytes)']);
const minted = await walletL1.writeContract({
  address: input.contracts.OptimismPortal, abi: portalAbi, functionName: 'depositERC20Transaction',
  args: [account.address, amount, amount, 100_000n, false, '0x'],
});
const mintedReceipt = await publicL1.waitForTransactionReceipt({ hash: minted });
const [mintedHash] = getL2TransactionHashes(mintedReceipt);
assert.equal((await publicL2.waitForTransactionReceipt({ hash: mintedHash, timeout: 120_000 })).status, 'success');
done.push('deposit of OPEN');

// depositTransaction: a call on L2, made from L1.
const callee = '0x000000000000000000000000000000000a11ce01';
const calleeBefore = await publicL2.getBalance({ address: callee });
const request = await publicL2.buildDepositTransaction({ account, to: callee, value: 7n });
const deposited = await walletL1.depositTransaction(request);
const depositReceipt = await publicL1.waitForTransactionReceipt({ hash: deposited });
const [l2Hash] = getL2TransactionHashes(depositReceipt);
assert.equal((await publicL2.waitForTransactionReceipt({ hash: l2Hash, timeout: 120_000 })).status, 'success');
assert.equal(await publicL2.getBalance({ address: callee }) - calleeBefore, 7n);
done.push('depositTransaction');

// The withdrawal.
const receiver = '0x000000000000000000000000000000000a11ce02';
const before = await publicL1.readContract({ ...open, functionName: 'balanceOf', args: [receiver] });
const value = parseEther('1.25');
const initiation = await publicL1.buildInitiateWithdrawal({ account, to: receiver, value });
const hash = await walletL2.initiateWithdrawal(initiation);
const receipt = await publicL2.waitForTransactionReceipt({ hash });
assert.equal(receipt.status, 'success');
const [withdrawal] = getWithdrawals(receipt);
assert.equal(withdrawal.value, value);
const status = () => publicL1.getWithdrawalStatus({ receipt, targetChain: l2 });
assert.ok(['waiting-to-prove', 'ready-to-prove'].includes(await status()));
done.push('initiateWithdrawal, getWithdrawals');

const { seconds } = await publicL1.getTimeToNextGame({ l2BlockNumber: receipt.blockNumber, targetChain: l2 })
  // Between the first games there is no interval to go by.
  .catch(() => ({ seconds: 0 }));
assert.ok(seconds >= 0);
const game = await publicL1.waitForNextGame({ l2BlockNumber: receipt.blockNumber, targetChain: l2 });
assert.ok(game.l2BlockNumber >= receipt.blockNumber, `${game.l2BlockNumber} < ${receipt.blockNumber}`);
done.push('waitForNextGame');

const ready = await publicL1.waitToProve({ receipt, targetChain: l2 });
assert.equal(await status(), 'ready-to-prove');
// L1 takes no proof in the block that made the game, and estimates in the newest block.
while ((await publicL1.getBlock()).timestamp <= ready.game.timestamp) await new Promise((resolve) => setTimeout(resolve, 300));
const proof = await publicL2.buildProveWithdrawal({ game: ready.game, withdrawal: ready.withdrawal });
const proven = await walletL1.proveWithdrawal(proof);
assert.equal((await publicL1.waitForTransactionReceipt({ hash: proven })).status, 'success');
assert.equal(await status(), 'waiting-to-finalize');
done.push('waitToProve, buildProveWithdrawal, proveWithdrawal');

const early = await walletL1.finalizeWithdrawal({ targetChain: l2, withdrawal }).then(() => null, (error) => error);
assert.ok(early, 'a withdrawal was paid before its time');
const { period, seconds: left } = await publicL1.getTimeToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: l2 });
assert.ok(period > 0 && left >= 0);
await publicL1.waitToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: l2 });
// viem waits for the proof's age; the game may take longer.
const deadline = Date.now() + 180_000;
while (await status() !== 'ready-to-finalize') {
  assert.ok(Date.now() < deadline, `still ${await status()}`);
  await new Promise((resolve) => setTimeout(resolve, 500));
}
const finalized = await walletL1.finalizeWithdrawal({ targetChain: l2, withdrawal });
assert.equal((await publicL1.waitForTransactionReceipt({ hash: finalized })).status, 'success');
assert.equal(await status(), 'finalized');
done.push('getTimeToFinalize, waitToFinalize, finalizeWithdrawal');

const after = await publicL1.readContract({ ...open, functionName: 'balanceOf', args: [receiver] });
assert.equal(after - before, value);
done.push('OPEN received on L1');

console.log(JSON.stringify(done));
process.exit(0);
