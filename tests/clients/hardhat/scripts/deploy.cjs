// `hardhat run scripts/deploy.cjs`: deploys, uses and prints one contract.
const { ethers, network } = require('hardhat');

async function main() {
  const [deployer] = await ethers.getSigners();
  const probe = await ethers.deployContract('Probe', [9, 1], { value: 5n });
  await probe.waitForDeployment();
  await (await probe.move(1, 2, 'by a script')).wait();
  console.log(JSON.stringify({
    network: network.name, deployer: deployer.address, address: await probe.getAddress(), total: String(await probe.total()),
  }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
