// viem as a black box: connect, send, deploy, call, read logs over HTTP and WebSocket, decode an OP deposit.
// argv[2]: {"rpc","ws","chainId","privateKey","abi","bytecode"}
import assert from 'node:assert/strict';
import {
  createPublicClient, createWalletClient, defineChain, getContract, http, parseEther, webSocket,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { publicActionsL2 } from 'viem/op-stack';
import { chainConfig } from 'viem/op-stack';

const input = JSON.parse(process.argv[2]);
const chain = defineChain({
  ...chainConfig,
  id: input.chainId,
  name: 'OpenLedger',
  nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
  rpcUrls: { default: { http: [input.rpc], webSocket: [input.ws] } },
  contracts: { ...chainConfig.contracts, multicall3: { address: '0xcA11bde05977b3631167028862bE2a173976CA11' } },
});
const account = privateKeyToAccount(input.privateKey);
const client = createPublicClient({ chain, transport: http(), pollingInterval: 200 }).extend(publicActionsL2());
const wallet = createWalletClient({ account, chain, transport: http() });
const to = '0x000000000000000000000000000000000a11ce00';
const done = [];

assert.equal(await client.getChainId(), input.chainId);
done.push('chain id');

// A plain transfer, type 2, exactly 21,000 gas.
assert.equal(await client.estimateGas({ account, to, value: 1n }), 21000n);
const before = await client.getBalance({ address: to });
const hash = await wallet.sendTransaction({ to, value: parseEther('0.5') });
const receipt = await client.waitForTransactionReceipt({ hash });
assert.equal(receipt.status, 'success');
assert.equal(receipt.gasUsed, 21000n);
assert.equal(await client.getBalance({ address: to }) - before, parseEther('0.5'));
assert.ok(receipt.l1Fee !== null && receipt.l1Fee > 0n, 'the receipt carries the L1 fee');
done.push('transfer');

// Legacy and access-list transactions.
for (const type of ['legacy', 'eip2930']) {
  const h = await wallet.sendTransaction({ to, value: 1n, type });
  const r = await client.waitForTransactionReceipt({ hash: h });
  assert.equal(r.type, type);
  assert.equal(r.status, 'success');
}
done.push('types 0 and 1');

// An EIP-7702 authorisation: the account's code becomes a delegation.
const authorization = await wallet.signAuthorization({ contractAddress: '0xcA11bde05977b3631167028862bE2a173976CA11', executor: 'self' });
const h7702 = await wallet.sendTransaction({ authorizationList: [authorization], to: account.address, value: 0n, gas: 100000n });
assert.equal((await client.waitForTransactionReceipt({ hash: h7702 })).type, 'eip7702');
assert.equal((await client.getCode({ address: account.address })).toLowerCase(), '0xef0100ca11bde05977b3631167028862be2a173976ca11');
const undo = await wallet.signAuthorization({ contractAddress: '0x0000000000000000000000000000000000000000', executor: 'self' });
const hUndo = await wallet.sendTransaction({ authorizationList: [undo], to: account.address, value: 0n, gas: 100000n });
await client.waitForTransactionReceipt({ hash: hUndo });
assert.equal(await client.getCode({ address: account.address }), undefined);
done.push('type 4');

// Deploy, write, read, logs, and the same log over a WebSocket subscription.
const deployHash = await wallet.deployContract({ abi: input.abi, bytecode: input.bytecode });
const { contractAddress } = await client.waitForTransactionReceipt({ hash: deployHash });
const contract = getContract({ address: contractAddress, abi: input.abi, client: { public: client, wallet } });
const socket = createPublicClient({ chain, transport: webSocket(input.ws) });
const heard = new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error('no log over the WebSocket within 20 s')), 20000);
  socket.watchContractEvent({
    address: contractAddress, abi: input.abi, eventName: 'Set',
    onLogs: (logs) => { clearTimeout(timer); resolve(logs); }, onError: reject,
  });
});
const headHeard = new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error('no head over the WebSocket within 20 s')), 20000);
  const stop = socket.watchBlocks({ onBlock: (b) => { clearTimeout(timer); stop(); resolve(b); }, onError: reject });
});
await new Promise((r) => setTimeout(r, 500));
const setHash = await contract.write.set([42n]);
const setReceipt = await client.waitForTransactionReceipt({ hash: setHash });
assert.equal(await contract.read.value(), 42n);
const logs = await client.getContractEvents({
  address: contractAddress, abi: input.abi, eventName: 'Set',
  fromBlock: setReceipt.blockNumber, toBlock: setReceipt.blockNumber,
});
assert.equal(logs.length, 1);
assert.equal(logs[0].args.value, 42n);
const pushed = await heard;
assert.equal(pushed[0].args.value, 42n);
assert.ok((await headHeard).number > 0n);
done.push('deploy, call, logs, WebSocket');

// A revert's reason reaches the user.
await assert.rejects(contract.simulate.fail([]), /Broken|broken/);
done.push('revert reason');

// Multicall3, L1 fee oracle, historical state.
const many = await client.multicall({ contracts: [{ address: contractAddress, abi: input.abi, functionName: 'value' }], allowFailure: false });
assert.deepEqual(many, [42n]);
assert.ok(await client.estimateL1Fee({ account, to, value: 1n }) > 0n);
assert.equal(await client.readContract({ address: contractAddress, abi: input.abi, functionName: 'value', blockNumber: setReceipt.blockNumber - 1n }), 0n);
done.push('multicall, L1 fee, historical call');

// The first transaction of a block is the L1 attributes deposit, and viem decodes it.
const block = await client.getBlock({ blockNumber: setReceipt.blockNumber, includeTransactions: true });
assert.equal(block.transactions[0].type, 'deposit');
assert.equal(block.transactions[0].to.toLowerCase(), '0x4200000000000000000000000000000000000015');
done.push('deposit transaction');

console.log(JSON.stringify(done));
process.exit(0);
