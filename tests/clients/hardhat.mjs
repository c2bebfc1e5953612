// Hardhat as a black box: compiles with npm's Solc, runs a project's tests and its deployment script.
// argv[2]: {"rpc","ws","chainId","privateKey","abi","bytecode"}
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { JsonRpcProvider, Contract, computeAddress } from 'ethers';

const input = JSON.parse(process.argv[2]);
const here = path.dirname(fileURLToPath(import.meta.url));
const cli = createRequire(import.meta.url).resolve('hardhat/internal/cli/bootstrap.js');

// A project of its own outside the repository, with the repository's packages.
const project = mkdtempSync(path.join(tmpdir(), 'openledger-hardhat-'));
cpSync(path.join(here, 'hardhat'), project, { recursive: true });
cpSync(path.join(here, '../data/contracts/Probe.sol'), path.join(project, 'contracts/Probe.sol'));
symlinkSync(path.join(here, '../../node_modules'), path.join(project, 'node_modules'));
const hardhat = (...args) => execFileSync(process.execPath, [cli, '--network', 'openledger', ...args], {
  cwd: project,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    ...process.env,
    HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true',
    HARDHAT_PROJECT: JSON.stringify({ rpc: input.rpc, chainId: input.chainId, privateKey: input.privateKey }),
  },
});

try {
  const tests = hardhat('test');
  const [, passing] = /(\d+) passing/.exec(tests) ?? [];
  assert.equal(passing, '5', tests);
  console.log('ok: compile and test');

  const line = hardhat('run', '--no-compile', 'scripts/deploy.cjs').trim().split('\n').at(-1);
  const deployed = JSON.parse(line);
  assert.deepEqual([deployed.network, deployed.total], ['openledger', '19']);
  assert.equal(deployed.deployer, computeAddress(input.privateKey));
  const probe = new Contract(deployed.address, input.abi, new JsonRpcProvider(input.rpc));
  assert.equal(await probe.total(), 1n + 2n * 9n, 'the contract is on the chain, not in a process of its own');
  assert.equal(await probe.owner(), deployed.deployer);
  console.log('ok: deployment script');
} finally {
  rmSync(project, { recursive: true, force: true });
}
console.log('hardhat: 2 checks passed');
process.exit(0);
