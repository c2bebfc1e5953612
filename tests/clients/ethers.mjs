// ethers v6 as a black box: transfers of every type, deployment, events, errors, tags, replacement, fees.
// Expected values are computed here, from the keys, the contract's source and the raw answers.
// argv[2]: {"rpc","ws","chainId","privateKey","abi","bytecode"} (contract: tests/data/contracts/Probe.sol)
import assert from 'node:assert/strict';
import {
  Contract, ContractFactory, JsonRpcProvider, Wallet, WebSocketProvider, ZeroAddress,
  getCreateAddress, id, isError, keccak256, parseEther, recoverAddress, solidityPackedKeccak256,
  toBeHex, toQuantity, zeroPadValue, Transaction,
} from 'ethers';

const input = JSON.parse(process.argv[2]);
const provider = new JsonRpcProvider(input.rpc, undefined, { pollingInterval: 200, cacheTimeout: -1 });
const wallet = new Wallet(input.privateKey, provider);
const fresh = () => Wallet.createRandom().address;
const done = [];
const check = async (name, body) => {
  try {
    await body();
  } catch (error) {
    console.error(`FAILED: ${name}`);
    throw error;
  }
  done.push(name);
  console.log(`ok: ${name}`);
};
const within = (seconds, what, promise) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`no ${what} within ${seconds} s`)), seconds * 1000);
  promise.then((value) => { clearTimeout(timer); resolve(value); }, reject);
});
const fails = async (promise, code, test = () => true) => assert.rejects(promise, (error) => {
  assert.ok(isError(error, code), `expected ${code}, got ${error.code}: ${error.message}`);
  assert.ok(test(error), `not the expected ${code}: ${error.message}`);
  return true;
});

await check('network and blocks', async () => {
  assert.equal((await provider.getNetwork()).chainId, BigInt(input.chainId));
  const block = await provider.getBlock('latest', true);
  assert.equal(keccak256(await provider.send('debug_getRawHeader', [toQuantity(block.number)])), block.hash);
  assert.equal((await provider.getBlock(block.hash)).number, block.number);
  assert.equal((await provider.getBlock(block.number - 1)).hash, block.parentHash);
  assert.equal(await provider.getBlock(block.number + 1_000_000), null);
  assert.equal(block.prefetchedTransactions[0].to, '0x4200000000000000000000000000000000000015');
  assert.equal(await provider.getTransaction(id('no such transaction')), null);
  assert.equal(await provider.getTransactionReceipt(id('no such transaction')), null);
});

await check('transfers of types 0, 1, 2 and 4', async () => {
  const delegate = '0xcA11bde05977b3631167028862bE2a173976CA11';
  const authority = Wallet.createRandom();
  const authorization = authority.authorizeSync({ address: delegate, nonce: 0, chainId: input.chainId });
  for (const [type, extra] of [
    [0, {}],
    [1, { accessList: [{ address: ZeroAddress, storageKeys: [zeroPadValue('0x01', 32)] }] }],
    [2, {}],
    [4, { authorizationList: [authorization] }],
  ]) {
    const to = fresh();
    const value = parseEther('0.25') + BigInt(type);
    const nonce = await wallet.getNonce();
    const sent = await wallet.sendTransaction({ type, to, value, ...extra });
    const receipt = await within(30, 'receipt', sent.wait());
    assert.equal(receipt.status, 1);
    const tx = await provider.getTransaction(sent.hash);
    assert.deepEqual(
      [tx.type, tx.to, tx.value, tx.nonce, tx.from, tx.chainId, tx.blockNumber],
      [type, to, value, nonce, wallet.address, BigInt(input.chainId), receipt.blockNumber],
    );
    // The node's fields, encoded and signed again here, give the same hash and sender.
    const rebuilt = Transaction.from(tx);
    assert.equal(rebuilt.hash, sent.hash);
    assert.equal(recoverAddress(rebuilt.unsignedHash, tx.signature), wallet.address);
    const block = await provider.getBlock(receipt.blockNumber);
    assert.ok(block.transactions.includes(sent.hash));
    const least = (a, b) => (a < b ? a : b);
    const price = type < 2
      ? tx.gasPrice
      : least(tx.maxFeePerGas, block.baseFeePerGas + tx.maxPriorityFeePerGas);
    assert.equal(receipt.gasPrice, price);
    const gas = { 0: 21000n, 1: 21000n + 2400n + 1900n, 2: 21000n }[type];
    if (gas) assert.equal(receipt.gasUsed, gas);
    // What left the account is the value, the gas and the L1 data fee, and no more.
    const raw = await provider.send('eth_getTransactionReceipt', [sent.hash]);
    assert.ok(BigInt(raw.l1Fee) > 0n);
    const before = await provider.getBalance(wallet.address, receipt.blockNumber - 1);
    const after = await provider.getBalance(wallet.address, receipt.blockNumber);
    assert.equal(before - after, value + receipt.gasUsed * price + BigInt(raw.l1Fee));
    assert.equal(await provider.getBalance(to), value);
    assert.equal(await wallet.getNonce(), nonce + 1);
  }
  assert.equal(await provider.getCode(authority.address), `0xef0100${delegate.slice(2).toLowerCase()}`);
});

const factory = new ContractFactory(input.abi, input.bytecode, wallet);
const [scale, total] = [3n, 1000n];
let probe; let born;
await check('contract factory', async () => {
  const nonce = await wallet.getNonce();
  const deployed = await factory.deploy(scale, total, { value: 12345n });
  const receipt = await within(30, 'deployment', deployed.deploymentTransaction().wait());
  probe = await deployed.waitForDeployment();
  born = receipt.blockNumber;
  assert.equal(await probe.getAddress(), getCreateAddress({ from: wallet.address, nonce }));
  assert.equal(receipt.contractAddress, await probe.getAddress());
  assert.equal(await probe.owner(), wallet.address);
  assert.equal(await probe.scale(), scale);
  assert.equal(await probe.total(), total);
  assert.equal(await provider.getBalance(probe), 12345n);
  assert.equal(await provider.getCode(probe, born - 1), '0x');
  assert.ok((await provider.getCode(probe, born)).length > 1000);
});

await check('gas estimation', async () => {
  assert.equal(await provider.estimateGas({ from: wallet.address, to: fresh(), value: 1n }), 21000n);
  const estimate = await probe.ticks.estimateGas(20);
  const enough = await within(30, 'receipt', (await probe.ticks(20, { gasLimit: estimate })).wait());
  assert.equal(enough.status, 1);
  assert.equal(enough.logs.length, 20);
  assert.ok(enough.gasUsed <= estimate && estimate * 100n <= enough.gasUsed * 130n, `${estimate} for ${enough.gasUsed}`);
  const scarce = await probe.ticks(20, { gasLimit: enough.gasUsed - 1000n });
  await fails(within(30, 'receipt', scarce.wait()), 'CALL_EXCEPTION', (e) => e.receipt.status === 0
    && e.receipt.gasUsed === enough.gasUsed - 1000n && e.receipt.logs.length === 0);
});

await check('call, storage and tags', async () => {
  const receipt = await within(30, 'receipt', (await probe.move(7, 11, 'first')).wait());
  const now = total + 11n * scale;
  for (const blockTag of ['latest', 'pending', receipt.blockNumber, receipt.blockHash]) {
    assert.equal(await probe.total({ blockTag }), now, `total at ${blockTag}`);
  }
  assert.equal(await probe.total({ blockTag: receipt.blockNumber - 1 }), total);
  assert.equal(await probe.total({ blockTag: born }), total);
  await fails(probe.total({ blockTag: born - 1 }), 'BAD_DATA'); // no code there yet: an empty answer
  for (const tag of ['safe', 'finalized']) {
    const block = await provider.getBlock(tag);
    if (block === null) continue; // not derived yet
    assert.ok(block.number <= await provider.getBlockNumber());
    const value = await provider.call({ to: await probe.getAddress(), data: probe.interface.encodeFunctionData('total'), blockTag: tag });
    if (block.number < born - 5) assert.equal(value, '0x', `total at ${tag}`);
  }
  assert.equal((await provider.getBlock('earliest')).number, 0);
  assert.equal(BigInt(await provider.getStorage(probe, 0)), now);
  assert.equal(BigInt(await provider.getStorage(probe, 0, born)), total);
  assert.equal(BigInt(await provider.getStorage(probe, solidityPackedKeccak256(['uint256', 'uint256'], [7, 1]))), 11n);
  const block = await provider.getBlock(receipt.blockNumber);
  const [chain, number, time, sender, balance] = await probe.context({ blockTag: receipt.blockNumber });
  assert.deepEqual(
    [chain, number, time, sender, balance],
    [BigInt(input.chainId), BigInt(block.number), BigInt(block.timestamp), wallet.address, 12345n],
  );
});

await check('queryFilter and getLogs', async () => {
  const sender = fresh();
  const a = await within(30, 'receipt', (await probe.move(8, 1, 'a')).wait());
  const b = await within(30, 'receipt', (await probe.move(9, 2, 'b')).wait());
  const moved = (...args) => probe.filters.Moved(...args);
  const events = await probe.queryFilter(moved(wallet.address), born);
  assert.deepEqual(events.map((e) => [e.args.id, e.args.amount, e.args.note]), [[7n, 11n, 'first'], [8n, 1n, 'a'], [9n, 2n, 'b']]);
  assert.deepEqual((await probe.queryFilter(moved(null, 9), born)).map((e) => e.transactionHash), [b.hash]);
  assert.deepEqual(await probe.queryFilter(moved(sender), born), []);
  assert.equal((await probe.queryFilter('*', a.blockNumber, a.blockNumber)).length, 1);
  assert.equal((await probe.queryFilter(moved(null, [8, 9]), born, b.blockNumber)).length, 2, 'either of two topics');
  const address = await probe.getAddress();
  const topics = [[id('Moved(address,uint256,uint256,string)'), id('Tick(uint256)')]];
  assert.equal((await provider.getLogs({ address, topics, fromBlock: 0 })).length, 20 + 3);
  const byHash = await provider.getLogs({ address, blockHash: b.blockHash });
  assert.deepEqual(byHash.map((l) => [l.blockNumber, l.transactionIndex, l.index, l.data]), b.logs.map((l) => [l.blockNumber, l.transactionIndex, l.index, l.data]));
  assert.deepEqual(await provider.getLogs({ address, fromBlock: 0, toBlock: born - 1 }), []);
  assert.equal((await provider.getLogs({ address: [address, fresh()], fromBlock: a.blockNumber, toBlock: a.blockNumber })).length, 1);
  await assert.rejects(provider.getLogs({ fromBlock: b.blockNumber, toBlock: a.blockNumber }));
  await assert.rejects(provider.getLogs({ blockHash: id('no such block') }));
});

await check('events over a WebSocket', async () => {
  const socket = new WebSocketProvider(input.ws);
  const listening = new Contract(await probe.getAddress(), input.abi, socket);
  const tag = BigInt(Date.now());
  const heard = new Promise((resolve) => { listening.on(listening.filters.Moved(null, tag), resolve); });
  const pending = new Promise((resolve) => { socket.on('pending', resolve); });
  const seen = [];
  const heads = (count) => new Promise((resolve) => {
    socket.on('block', (number) => { seen.push(number); if (seen.length === count) resolve(seen); });
  });
  // Two heads after the other subscriptions went out: those stand.
  await within(20, 'two heads', heads(2));
  await (await probe.move(tag - 1n, 5, 'another id')).wait();
  const receipt = await within(30, 'receipt', (await probe.move(tag, 6, 'pushed')).wait());
  const payload = await within(20, 'event', heard);
  assert.deepEqual([...payload.args], [wallet.address, tag, 6n, 'pushed']);
  assert.equal(payload.log.transactionHash, receipt.hash);
  assert.equal(payload.log.blockNumber, receipt.blockNumber);
  assert.match(await within(20, 'pending transaction', pending), /^0x[0-9a-f]{64}$/);
  assert.deepEqual(seen, seen.map((_, i) => seen[0] + i), 'no head is missing or told twice');
  await socket.destroy();
});

await check('reverts, panics and custom errors', async () => {
  const stored = await probe.total();
  await fails(probe.demand(stored + 1n), 'CALL_EXCEPTION', (e) => e.revert.name === 'Insufficient'
    && e.revert.args[0] === wallet.address && e.revert.args[1] === stored && e.revert.args[2] === stored + 1n);
  assert.equal(await probe.demand(stored - 4n), 4n);
  await fails(probe.refuse(), 'CALL_EXCEPTION', (e) => e.reason === 'not today');
  await fails(probe.divide(1, 0), 'CALL_EXCEPTION', (e) => e.revert.name === 'Panic' && BigInt(e.revert.args[0]) === 0x12n);
  await fails(probe.refuse.estimateGas(), 'CALL_EXCEPTION', (e) => e.reason === 'not today');
  const data = probe.interface.encodeFunctionData('refuse');
  await fails(wallet.sendTransaction({ to: await probe.getAddress(), data }), 'CALL_EXCEPTION', (e) => e.reason === 'not today');
  const failing = await wallet.sendTransaction({ to: await probe.getAddress(), data, gasLimit: 100000n });
  await fails(within(30, 'receipt', failing.wait()), 'CALL_EXCEPTION', (e) => e.receipt.status === 0 && e.receipt.hash === failing.hash);
  await fails(factory.deploy(1n, 1n, { value: parseEther('100000000') }), 'INSUFFICIENT_FUNDS');
});

await check('replacement and pool errors', async () => {
  const nonce = await wallet.getNonce();
  const fees = await provider.getFeeData();
  const bid = (percent, fields) => wallet.sendTransaction({
    gasLimit: 21000n, maxFeePerGas: fees.maxFeePerGas * percent / 100n,
    maxPriorityFeePerGas: fees.maxPriorityFeePerGas * percent / 100n, ...fields,
  });
  const to = fresh();
  // Behind a gap nothing is included, so that the first bid surely waits.
  const first = await bid(100n, { nonce: nonce + 1, to, value: 1n });
  assert.equal(await wallet.getNonce('pending'), nonce, 'a gapped transaction is not pending');
  await fails(bid(105n, { nonce: nonce + 1, to, value: 1n }), 'REPLACEMENT_UNDERPRICED');
  const other = fresh();
  const second = await bid(200n, { nonce: nonce + 1, to: other, value: 3n });
  const outcome = first.wait(1, 30000);
  outcome.catch(() => {});
  await bid(100n, { nonce, to, value: 7n });
  const receipt = await within(30, 'receipt', second.wait());
  await fails(outcome, 'TRANSACTION_REPLACED', (e) => e.reason === 'replaced' && e.replacement.hash === second.hash && e.receipt.status === 1);
  assert.equal(await provider.getTransaction(first.hash), null);
  assert.equal(await provider.getBalance(other), 3n);
  assert.equal(await provider.getBalance(to), 7n);
  assert.equal(await wallet.getNonce(), nonce + 2);
  assert.ok((await provider.getBlockNumber()) >= receipt.blockNumber);
  await fails(bid(100n, { nonce, to, value: 1n }), 'NONCE_EXPIRED');
  const again = await provider.send('eth_sendRawTransaction', [await wallet.signTransaction(await wallet.populateTransaction({ to, value: 1n }))]);
  assert.equal((await within(30, 'receipt', provider.waitForTransaction(again))).hash, again);
});

await check('confirmations', async () => {
  const sent = await wallet.sendTransaction({ to: fresh(), value: 1n });
  const receipt = await within(40, 'confirmations', sent.wait(3));
  assert.ok((await provider.getBlockNumber()) >= receipt.blockNumber + 2);
  assert.ok((await receipt.confirmations()) >= 3);
});

await check('fee data', async () => {
  const block = await provider.getBlock('latest');
  const fees = await provider.getFeeData();
  // ethers: maxFee = 2 × base fee + tip, with the base fee of a block about now.
  const base = (fees.maxFeePerGas - fees.maxPriorityFeePerGas) / 2n;
  assert.ok(base * 8n >= block.baseFeePerGas * 7n && base * 8n <= block.baseFeePerGas * 9n, `${base}, ${block.baseFeePerGas}`);
  assert.ok(fees.gasPrice >= base && fees.maxPriorityFeePerGas > 0n);
  const history = await provider.send('eth_feeHistory', ['0x3', toQuantity(block.number), [50]]);
  const bases = await Promise.all([-2, -1, 0].map(async (i) => toQuantity((await provider.getBlock(block.number + i)).baseFeePerGas)));
  assert.deepEqual(history.baseFeePerGas.slice(0, 3), bases);
  assert.equal(history.baseFeePerGas.length, 4);
});

await check('a hundred calls in batches', async () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const answers = await Promise.all(numbers.map((n) => probe.divide(n * 6, 3)));
  assert.deepEqual(answers, numbers.map((n) => BigInt(n * 2)));
});

await check('eth_getProof and overrides', async () => {
  const address = await probe.getAddress();
  const slot = toBeHex(0, 32);
  const latest = toQuantity(await provider.getBlockNumber());
  const proof = await provider.send('eth_getProof', [address, ['0x0'], latest]);
  const block = await provider.send('eth_getBlockByNumber', [latest, false]);
  assert.equal(keccak256(proof.accountProof[0]), block.stateRoot);
  assert.equal(keccak256(proof.storageProof[0].proof[0]), proof.storageHash);
  assert.equal(proof.codeHash, keccak256(await provider.getCode(address)));
  assert.equal(BigInt(proof.storageProof[0].value), await probe.total({ blockTag: latest }));
  const data = probe.interface.encodeFunctionData('total');
  const overridden = await provider.send('eth_call', [{ to: address, data }, latest, { [address]: { stateDiff: { [slot]: toBeHex(777, 32) } } }]);
  assert.equal(BigInt(overridden), 777n);
});

console.log(`ethers: ${done.length} checks passed`);
process.exit(0);
