// `hardhat test`: what a project's own tests do, against a real node.
const assert = require('node:assert/strict');
const { ethers, network, artifacts } = require('hardhat');

describe('Probe on OpenLedger', function () {
  this.timeout(60_000);
  let probe; let deployer; let born;

  before(async () => {
    [deployer] = await ethers.getSigners();
    const factory = await ethers.getContractFactory('Probe');
    const nonce = await deployer.getNonce();
    probe = await factory.deploy(4, 40);
    born = (await probe.deploymentTransaction().wait()).blockNumber;
    assert.equal(await probe.getAddress(), ethers.getCreateAddress({ from: deployer.address, nonce }));
  });

  it('is on the chain of the configuration', async () => {
    assert.equal(network.name, 'openledger');
    assert.equal(BigInt(await network.provider.send('eth_chainId', [])), BigInt(network.config.chainId));
    assert.equal(await ethers.provider.getBlockNumber() >= born, true);
  });

  it('runs the code that was compiled, with its immutables', async () => {
    const { deployedBytecode, bytecode } = await artifacts.readArtifact('Probe');
    const code = await ethers.provider.getCode(probe);
    // Immutables are zero in what the compiler gives: where the two differ, that one is zero.
    assert.equal(code.length, deployedBytecode.length);
    const differing = [...code].map((c, i) => i).filter((i) => code[i] !== deployedBytecode[i]);
    assert.ok(differing.length > 0 && differing.every((i) => deployedBytecode[i] === '0'));
    const created = await ethers.provider.getTransaction(probe.deploymentTransaction().hash);
    const args = ethers.AbiCoder.defaultAbiCoder().encode(['uint256', 'uint256'], [4, 40]);
    assert.equal(created.data, bytecode + args.slice(2));
    assert.equal(await probe.owner(), deployer.address);
    assert.equal(await probe.scale(), 4n);
  });

  it('sends, and finds its events', async () => {
    const receipt = await (await probe.move(3, 5, 'hardhat')).wait();
    assert.equal(receipt.status, 1);
    assert.equal(await probe.total(), 40n + 4n * 5n);
    assert.equal(await probe.total({ blockTag: born }), 40n);
    const events = await probe.queryFilter(probe.filters.Moved(deployer.address, 3), born);
    assert.deepEqual(events.map((e) => [...e.args]), [[deployer.address, 3n, 5n, 'hardhat']]);
  });

  it('decodes failures', async () => {
    await assert.rejects(probe.demand(61), (error) => {
      const { name, args } = probe.interface.parseError(error.data);
      assert.deepEqual([name, ...args], ['Insufficient', deployer.address, 60n, 61n]);
      return true;
    });
    await assert.rejects(probe.refuse(), /not today/);
    await assert.rejects(probe.refuse.estimateGas(), /not today/);
    await assert.rejects(network.provider.send('eth_nothing', []), (e) => e.code === -32601);
  });

  it('is no development network', async () => {
    for (const method of ['hardhat_setBalance', 'evm_mine', 'evm_snapshot', 'anvil_setCode']) {
      await assert.rejects(network.provider.send(method, []), (e) => e.code === -32601, method);
    }
    assert.deepEqual(await network.provider.send('eth_accounts', []), [deployer.address.toLowerCase()], "Hardhat's own keys only");
  });
});
