// A user's Hardhat project on network `openledger`; ../hardhat.mjs copies it out of the repository.
// HARDHAT_PROJECT: {"rpc","chainId","privateKey"}
const { subtask } = require('hardhat/config');
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require('hardhat/builtin-tasks/task-names');
require('@nomicfoundation/hardhat-ethers');

const project = JSON.parse(process.env.HARDHAT_PROJECT);

// Hardhat downloads its compilers; this project uses npm's, which is in node_modules.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => {
  const { version } = require('solc/package.json');
  if (solcVersion !== version) throw new Error(`Solc ${solcVersion} is wanted, ${version} is installed`);
  const longVersion = require('solc').version();
  return { compilerPath: require.resolve('solc/soljson.js'), isSolcJs: true, version, longVersion };
});

module.exports = {
  solidity: {
    version: require('solc/package.json').version,
    settings: { evmVersion: 'prague', optimizer: { enabled: true, runs: 200 } },
  },
  networks: {
    openledger: { url: project.rpc, chainId: project.chainId, accounts: [project.privateKey] },
  },
};
