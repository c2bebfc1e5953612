// Writes tests/vectors/storage_proofs.json: storage proofs of withdrawals as `eth_getProof` gives them. anvil runs the
// committed message passer, so neither our Solidity nor our Rust takes part in making the tries.
//
//   node tests/vectors/generate/storage_proofs.mjs            rewrites the file
//   node tests/vectors/generate/storage_proofs.mjs --check    fails when it differs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { concat, createTestClient, createWalletClient, getAddress, http, keccak256, publicActions, stringToHex, toHex } from 'viem';
import { getWithdrawalHashStorageSlot, getWithdrawals } from 'viem/op-stack';
import { startAnvil } from '../../../scripts/anvil.mjs';

const root = new URL('../../../', import.meta.url);
const passer = '0x4200000000000000000000000000000000000016';
const artifact = JSON.parse(readFileSync(new URL('contracts/artifacts/L2ToL1MessagePasser.json', root), 'utf8'));
const account = (text) => getAddress(`0x${keccak256(stringToHex(text)).slice(26)}`);
// Withdrawals in the trie of each case; the counter of messages is one more slot.
const sizes = [1, 2, 17, 100];

const { child: anvil, url } = await startAnvil(['--hardfork', 'prague']);
try {
  const client = createTestClient({ mode: 'anvil', transport: http(url) }).extend(publicActions);
  const wallet = createWalletClient({ transport: http(url) });
  await client.setCode({ address: passer, bytecode: artifact.deployedBytecode });

  const cases = [];
  const withdrawals = [];
  for (const size of sizes) {
    while (withdrawals.length < size) {
      const i = withdrawals.length;
      const sender = account(`withdrawer ${i}`);
      await client.impersonateAccount({ address: sender });
      await client.setBalance({ address: sender, value: 10n ** 24n });
      const hash = await wallet.writeContract({
        abi: artifact.abi,
        address: passer,
        functionName: 'initiateWithdrawal',
        args: [account(`target ${i}`), BigInt(i * 21_000), i % 3 === 0 ? '0x' : concat([stringToHex('message'), toHex(i)])],
        value: BigInt(i) * 10n ** 15n,
        account: sender,
        chain: null,
      });
      const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 10 });
      withdrawals.push(getWithdrawals(receipt)[0]);
    }
    // First, middle and last.
    const wanted = [...new Set([0, Math.floor(size / 2), size - 1])].map((index) => withdrawals[index]);
    const slots = wanted.map(getWithdrawalHashStorageSlot);
    // And one that was never sent.
    const absent = keccak256(stringToHex('never sent'));
    const proof = await client.getProof({ address: passer, storageKeys: [...slots, absent] });
    cases.push({
      size,
      storage_root: proof.storageHash,
      proofs: wanted.map((withdrawal, i) => {
        const { key, value, proof: nodes } = proof.storageProof[i];
        if (BigInt(key) !== BigInt(slots[i]) || value !== 1n) throw new Error(`withdrawal ${i} of ${size} is not stored`);
        return {
          nonce: String(withdrawal.nonce),
          sender: withdrawal.sender,
          target: withdrawal.target,
          value: String(withdrawal.value),
          gas_limit: String(withdrawal.gasLimit),
          data: withdrawal.data,
          withdrawal_hash: withdrawal.withdrawalHash,
          storage_key: slots[i],
          nodes,
        };
      }),
      absent: { storage_key: absent, nodes: proof.storageProof[wanted.length].proof },
    });
  }
  const all = withdrawals.map((withdrawal) => withdrawal.withdrawalHash);
  const text = `${JSON.stringify({ withdrawal_hashes: all, cases }, null, 2)}\n`;
  const path = fileURLToPath(new URL('../storage_proofs.json', import.meta.url));
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.error('tests/vectors/storage_proofs.json differs from what this script computes');
    process.exitCode = 1;
  }
} finally {
  anvil.kill();
}
