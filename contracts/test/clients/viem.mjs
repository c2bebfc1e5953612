// The way out of L2 by viem's op-stack actions, unmodified: waitForNextGame, buildProveWithdrawal, proveWithdrawal,
// getWithdrawalStatus, getTimeToProve, getTimeToFinalize, finalizeWithdrawal, with our contracts on an anvil as L1. L2 is an
// anvil that runs the message passer, so this tests contracts and client alone; the node has its own end-to-end tests.
//
//   node contracts/test/clients/viem.mjs        exits with 0, or says what differed
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  concat, createPublicClient, createTestClient, createWalletClient, defineChain, encodePacked, erc20Abi, getContractAddress, http,
  keccak256, maxUint32, parseEther, publicActions, toHex, zeroHash,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { getWithdrawals, publicActionsL1, publicActionsL2, walletActionsL1, walletActionsL2 } from 'viem/op-stack';
import { startAnvil } from '../../../scripts/anvil.mjs';

const root = new URL('../../../', import.meta.url);
const artifact = (name) => JSON.parse(readFileSync(new URL(`contracts/artifacts/${name}.json`, root), 'utf8'));
const passer = '0x4200000000000000000000000000000000000016';
const multicall3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
const GAME_TYPE = 10;
const MATURITY = 60;
const AIRGAP = 30;
const CHALLENGE = 40n;
// anvil's first two accounts.
const deployer = privateKeyToAccount('0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80');
const user = privateKeyToAccount('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d');

const children = [];
async function chain(name, id) {
  const { child, url } = await startAnvil(['--chain-id', String(id)]);
  children.push(child);
  const definition = defineChain({
    id,
    name,
    nativeCurrency: { name, symbol: 'OPEN', decimals: 18 },
    rpcUrls: { default: { http: [url] } },
    contracts: { multicall3: { address: multicall3 } },
  });
  const client = createTestClient({ mode: 'anvil', chain: definition, transport: http(), pollingInterval: 50 })
    .extend(publicActions);
  return { client, definition };
}

async function deploy(client, wallet) {
  let nonce = await client.getTransactionCount({ address: deployer.address });
  const names = ['OPEN', 'SystemConfig', 'OptimismPortal', 'AnchorStateRegistry', 'DisputeGameFactory', 'BondVault',
    'DevnetVerifier', 'ProofDisputeGame', 'L1CrossDomainMessenger', 'L1StandardBridge', 'OptimismMintableERC20Factory'];
  const at = Object.fromEntries(
    names.map((name, i) => [name, getContractAddress({ from: deployer.address, nonce: BigInt(nonce + i) })]),
  );
  const inputs = {
    OPEN: [deployer.address],
    SystemConfig: [{
      owner: deployer.address, guardian: deployer.address, optimismPortal: at.OptimismPortal,
      l1CrossDomainMessenger: at.L1CrossDomainMessenger, l1StandardBridge: at.L1StandardBridge,
      optimismMintableERC20Factory: at.OptimismMintableERC20Factory, batchInbox: deployer.address, batcherHash: zeroHash,
      unsafeBlockSigner: deployer.address, l2ChainId: 16120n, gasLimit: 60_000_000n, basefeeScalar: 0, blobbasefeeScalar: 0,
      eip1559Denominator: 250, eip1559Elasticity: 6, operatorFeeScalar: 0, operatorFeeConstant: 0n, minBaseFee: 0n,
      daFootprintGasScalar: 0,
    }],
    OptimismPortal: [at.OPEN, at.SystemConfig, 0n, at.AnchorStateRegistry, BigInt(MATURITY)],
    AnchorStateRegistry: [at.SystemConfig, at.DisputeGameFactory, GAME_TYPE, BigInt(AIRGAP)],
    DisputeGameFactory: [deployer.address, at.OPEN,
      [{ gameType: GAME_TYPE, implementation: at.ProofDisputeGame, initBond: parseEther('1') }]],
    BondVault: [at.OPEN, at.AnchorStateRegistry, 1n],
    DevnetVerifier: [deployer.address],
    ProofDisputeGame: [{
      gameType: GAME_TYPE, factory: at.DisputeGameFactory, registry: at.AnchorStateRegistry, vault: at.BondVault,
      verifier: at.DevnetVerifier, programId: zeroHash, l2ChainId: 16120n, challengerBond: parseEther('1'),
      maxChallengeDuration: CHALLENGE, maxProveDuration: CHALLENGE,
    }],
    L1CrossDomainMessenger: [at.OptimismPortal],
    L1StandardBridge: [at.L1CrossDomainMessenger],
    OptimismMintableERC20Factory: [at.L1StandardBridge],
  };
  for (const name of names) {
    const { abi, bytecode } = artifact(name);
    const hash = await wallet.deployContract({ abi, bytecode, args: inputs[name], nonce: nonce++ });
    const receipt = await client.waitForTransactionReceipt({ hash });
    assert.equal(receipt.status, 'success', name);
    assert.equal(receipt.contractAddress.toLowerCase(), at[name].toLowerCase());
  }
  return at;
}

async function main() {
  const l1 = await chain('L1', 16121);
  const l2 = await chain('L2', 16120);
  const { code } = artifact('preinstalls').find((entry) => entry.name === 'MultiCall3');
  await l1.client.setCode({ address: multicall3, bytecode: code });
  await l2.client.setCode({ address: passer, bytecode: artifact('L2ToL1MessagePasser').deployedBytecode });

  const owner = createWalletClient({ account: deployer, chain: l1.definition, transport: http() });
  const at = await deploy(l1.client, owner);
  const write = async (client, wallet, request) => {
    const receipt = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) });
    assert.equal(receipt.status, 'success', request.functionName);
    return receipt;
  };
  const onL1 = (name, functionName, args) =>
    write(l1.client, owner, { abi: artifact(name).abi, address: at[name], functionName, args });
  await onL1('AnchorStateRegistry', 'setStartingAnchor', [keccak256('0x'), 0n]);
  await onL1('OPEN', 'approve', [at.OptimismPortal, parseEther('100')]);
  await onL1('OPEN', 'approve', [at.DisputeGameFactory, parseEther('100')]);
  await onL1('OptimismPortal', 'depositERC20Transaction', [user.address, parseEther('10'), 0n, 21_000n, false, '0x']);

  // The chain object that a user writes.
  const rollup = defineChain({
    ...l2.definition,
    sourceId: 16121,
    contracts: {
      ...l2.definition.contracts,
      portal: { 16121: { address: at.OptimismPortal } },
      disputeGameFactory: { 16121: { address: at.DisputeGameFactory } },
      l1StandardBridge: { 16121: { address: at.L1StandardBridge } },
    },
  });
  const publicL1 = l1.client.extend(publicActionsL1());
  const publicL2 = createPublicClient({ chain: rollup, transport: http() }).extend(publicActionsL2());
  const userL1 = createWalletClient({ account: user, chain: l1.definition, transport: http() }).extend(walletActionsL1());
  const userL2 = createWalletClient({ account: user, chain: rollup, transport: http() }).extend(walletActionsL2());

  const sent = await userL2.initiateWithdrawal({ request: { gas: 21_000n, to: user.address, value: parseEther('3') } });
  const receipt = await l2.client.waitForTransactionReceipt({ hash: sent });
  const [withdrawal] = getWithdrawals(receipt);
  const status = () => publicL1.getWithdrawalStatus({ receipt, targetChain: rollup });
  assert.equal(await status(), 'waiting-to-prove');

  await l2.client.mine({ blocks: 5 });
  const block = await l2.client.getBlock();
  const { storageHash } = await l2.client.getProof({ address: passer, storageKeys: [], blockNumber: block.number });
  const outputRoot = keccak256(concat([zeroHash, block.stateRoot, storageHash, block.hash]));
  const extraData = encodePacked(['uint256', 'uint32'], [block.number, Number(maxUint32)]);
  await onL1('DisputeGameFactory', 'create', [GAME_TYPE, outputRoot, extraData]);
  await l1.client.mine({ blocks: 1, interval: 2 });

  const game = await publicL1.waitForNextGame({ l2BlockNumber: receipt.blockNumber, targetChain: rollup });
  assert.equal(game.l2BlockNumber, block.number);
  assert.equal(game.rootClaim, outputRoot);
  assert.equal(await status(), 'ready-to-prove');

  const { output } = await publicL1.waitToProve({ receipt, targetChain: rollup });
  const proof = await publicL2.buildProveWithdrawal({ account: user, withdrawal, output });
  const proven = await l1.client.waitForTransactionReceipt({ hash: await userL1.proveWithdrawal(proof) });
  assert.equal(proven.status, 'success');
  assert.equal(await status(), 'waiting-to-finalize');

  const pass = async (seconds) => {
    await l1.client.increaseTime({ seconds });
    await l1.client.mine({ blocks: 1 });
  };
  const gameAddress = `0x${game.metadata.slice(-40)}`;
  await pass(MATURITY + 1);
  assert.equal(await status(), 'waiting-to-finalize');
  await write(l1.client, owner, { abi: artifact('ProofDisputeGame').abi, address: gameAddress, functionName: 'resolve' });
  assert.equal(await status(), 'waiting-to-finalize');
  await pass(AIRGAP + 1);
  assert.equal(await status(), 'ready-to-finalize');
  // Counted by this machine's clock, while the chain's was moved: only the period can be compared.
  const { period } = await publicL1.getTimeToFinalize({ withdrawalHash: withdrawal.withdrawalHash, targetChain: rollup });
  assert.equal(period, MATURITY);

  const balance = () => l1.client.readContract({ abi: erc20Abi, address: at.OPEN, functionName: 'balanceOf', args: [user.address] });
  const before = await balance();
  const hash = await userL1.finalizeWithdrawal({ targetChain: rollup, withdrawal });
  assert.equal((await l1.client.waitForTransactionReceipt({ hash })).status, 'success');
  assert.equal((await balance()) - before, parseEther('3'));
  assert.equal(await status(), 'finalized');
  await assert.rejects(userL1.finalizeWithdrawal({ targetChain: rollup, withdrawal }));
  console.log(`viem: ${toHex(withdrawal.nonce)} proven and finalised, 3 OPEN paid`);
}

try {
  await main();
} finally {
  children.forEach((child) => child.kill());
}
