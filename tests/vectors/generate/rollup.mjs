// Writes tests/vectors/{deposits,l1_attributes,withdrawals}.json: the OP Stack's bytes between L1 and L2, computed here
// with viem alone, so that Solidity and Rust are both checked against the client that users' tools run.
//
//   node tests/vectors/generate/rollup.mjs            rewrites the files
//   node tests/vectors/generate/rollup.mjs --check    fails when a file differs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { concat, encodeAbiParameters, encodePacked, getAddress, keccak256, pad, stringToHex, toHex, zeroHash } from 'viem';
import { getSourceHash, getWithdrawalHashStorageSlot, opaqueDataToDepositData, serializeTransaction } from 'viem/op-stack';

const word = (text) => keccak256(stringToHex(text));
const account = (text) => getAddress(`0x${word(text).slice(26)}`);
const u64Max = 2n ** 64n - 1n;
const u256Max = 2n ** 256n - 1n;
const depositor = '0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001';
const l1Block = '0x4200000000000000000000000000000000000015';

// The specification's formula; viem's own function must agree where it has one.
function sourceHash(domain, l1BlockHash, number) {
  const depositId = keccak256(concat([l1BlockHash, pad(toHex(number), { size: 32 })]));
  const hash = keccak256(concat([pad(toHex(domain), { size: 32 }), depositId]));
  if (domain === 0) {
    const fromViem = getSourceHash({ domain: 'userDeposit', l1BlockHash, l1LogIndex: number });
    if (hash !== fromViem) throw new Error(`source hash: ${hash}, viem says ${fromViem}`);
  }
  return hash;
}

function alias(address) {
  return getAddress(toHex((BigInt(address) + 0x1111000000000000000000000000000000001111n) % 2n ** 160n, { size: 20 }));
}

// deposits.json

const depositCases = [
  // A plain transfer to oneself: mint equals value.
  { to: account('alice'), mint: 10n ** 18n, value: 10n ** 18n, gas_limit: 100000n, is_creation: false, data: '0x' },
  // A call without mint, as depositTransaction makes it.
  { to: account('bob'), mint: 0n, value: 5n, gas_limit: 21160n, is_creation: false, data: '0xdeadbeef' },
  // A creation: no target.
  { to: null, mint: 7n, value: 0n, gas_limit: 1000000n, is_creation: true, data: '0x600160005360016000f3' },
  // The zero address as an ordinary target differs from a creation.
  { to: '0x0000000000000000000000000000000000000000', mint: 1n, value: 2n, gas_limit: 50000n, is_creation: false, data: '0x00' },
  // Largest numbers, and data of more than 55 bytes.
  { to: account('carol'), mint: 2n ** 128n - 1n, value: u256Max, gas_limit: u64Max, is_creation: false, data: concat([word('x'), word('y'), '0x01']) },
];

const deposits = depositCases.map((c, i) => {
  const l1_block_hash = word(`l1 block ${i}`);
  const log_index = [0, 1, 7, 255, 4294967295][i];
  const from = account(`sender ${i}`);
  const opaque_data = encodePacked(
    ['uint256', 'uint256', 'uint64', 'bool', 'bytes'],
    [c.mint, c.value, c.gas_limit, c.is_creation, c.data],
  );
  const parsed = opaqueDataToDepositData(opaque_data);
  if (parsed.mint !== c.mint || parsed.value !== c.value || parsed.gas !== c.gas_limit || parsed.isCreation !== c.is_creation) {
    throw new Error(`opaque data of case ${i} does not parse back`);
  }
  const source_hash = sourceHash(0, l1_block_hash, log_index);
  const encoded = serializeTransaction({
    type: 'deposit',
    sourceHash: source_hash,
    from,
    ...(c.to === null ? {} : { to: c.to }),
    ...(c.mint === 0n ? {} : { mint: c.mint }),
    value: c.value,
    gas: c.gas_limit,
    isSystemTx: false,
    data: c.data,
  });
  return {
    from,
    to: c.to,
    mint: String(c.mint),
    value: String(c.value),
    gas_limit: String(c.gas_limit),
    is_creation: c.is_creation,
    data: c.data,
    opaque_data,
    l1_block_hash,
    log_index,
    source_hash,
    encoded,
    transaction_hash: keccak256(encoded),
  };
});

const aliased = ['0x0000000000000000000000000000000000000000', account('contract'), account('another'),
  '0xEeEeFfffffffffffffffffffffffffffffffeEeE', '0xeEeEfFfFfffFFfFFFfffFFFFfFFfffFFfffFEeef',
  '0xffffffffffffffffffffffffffffffffffffffff'].map((l1) => ({ l1: getAddress(l1.toLowerCase()), l2: alias(l1) }));

// l1_attributes.json

const attributeCases = [
  // All zero.
  { base_fee_scalar: 0, blob_base_fee_scalar: 0, sequence_number: 0n, l1_timestamp: 0n, l1_number: 0n, l1_base_fee: 0n, l1_blob_base_fee: 0n, l1_hash: zeroHash, batcher_hash: zeroHash, operator_fee_scalar: 0, operator_fee_constant: 0n, da_footprint_gas_scalar: 0 },
  // A devnet's.
  { base_fee_scalar: 1368, blob_base_fee_scalar: 810949, sequence_number: 3n, l1_timestamp: 1700000002n, l1_number: 17n, l1_base_fee: 1000000000n, l1_blob_base_fee: 1n, l1_hash: word('l1'), batcher_hash: pad(account('batcher')), operator_fee_scalar: 0, operator_fee_constant: 0n, da_footprint_gas_scalar: 400 },
  // Every field of another value.
  { base_fee_scalar: 1, blob_base_fee_scalar: 2, sequence_number: 3n, l1_timestamp: 4n, l1_number: 5n, l1_base_fee: 6n, l1_blob_base_fee: 7n, l1_hash: word('8'), batcher_hash: word('9'), operator_fee_scalar: 10, operator_fee_constant: 11n, da_footprint_gas_scalar: 12 },
  // Largest values: no field may spill into its neighbour.
  { base_fee_scalar: 2 ** 32 - 1, blob_base_fee_scalar: 0, sequence_number: u64Max, l1_timestamp: 0n, l1_number: u64Max, l1_base_fee: u256Max, l1_blob_base_fee: 0n, l1_hash: toHex(u256Max), batcher_hash: zeroHash, operator_fee_scalar: 2 ** 32 - 1, operator_fee_constant: 0n, da_footprint_gas_scalar: 65535 },
  // And their complements.
  { base_fee_scalar: 0, blob_base_fee_scalar: 2 ** 32 - 1, sequence_number: 0n, l1_timestamp: u64Max, l1_number: 0n, l1_base_fee: 0n, l1_blob_base_fee: u256Max, l1_hash: zeroHash, batcher_hash: toHex(u256Max), operator_fee_scalar: 0, operator_fee_constant: u64Max, da_footprint_gas_scalar: 0 },
];

const attributes = attributeCases.map((c) => {
  const common = encodePacked(
    ['uint32', 'uint32', 'uint64', 'uint64', 'uint64', 'uint256', 'uint256', 'bytes32', 'bytes32', 'uint32', 'uint64'],
    [c.base_fee_scalar, c.blob_base_fee_scalar, c.sequence_number, c.l1_timestamp, c.l1_number, c.l1_base_fee,
      c.l1_blob_base_fee, c.l1_hash, c.batcher_hash, c.operator_fee_scalar, c.operator_fee_constant],
  );
  const calldata_jovian = concat(['0x3db6be2b', common, toHex(c.da_footprint_gas_scalar, { size: 2 })]);
  const source_hash = sourceHash(1, c.l1_hash, c.sequence_number);
  const encoded = serializeTransaction({
    type: 'deposit', sourceHash: source_hash, from: depositor, to: l1Block, value: 0n, gas: 1000000n, isSystemTx: false,
    data: calldata_jovian,
  });
  const shifted = (parts) => toHex(parts.reduce((sum, [value, byte]) => sum | (BigInt(value) << BigInt(8 * byte)), 0n), { size: 32 });
  return {
    ...Object.fromEntries(Object.entries(c).map(([key, value]) => [key, typeof value === 'bigint' ? String(value) : value])),
    calldata_isthmus: concat(['0x098999be', common]),
    calldata_jovian,
    // Slots 0 to 8 of L1Block; the shifts count bytes from the low end.
    storage: [
      shifted([[c.l1_number, 0], [c.l1_timestamp, 8]]),
      toHex(c.l1_base_fee, { size: 32 }),
      c.l1_hash,
      shifted([[c.sequence_number, 0], [c.blob_base_fee_scalar, 8], [c.base_fee_scalar, 12]]),
      c.batcher_hash,
      zeroHash,
      zeroHash,
      toHex(c.l1_blob_base_fee, { size: 32 }),
      shifted([[c.operator_fee_constant, 0], [c.operator_fee_scalar, 8], [c.da_footprint_gas_scalar, 12]]),
    ],
    source_hash,
    transaction_hash: keccak256(encoded),
  };
});

// withdrawals.json

const withdrawals = [
  { counter: 0n, value: 0n, gas_limit: 0n, data: '0x' },
  { counter: 1n, value: 10n ** 18n, gas_limit: 100000n, data: '0x' },
  { counter: 2n, value: 1n, gas_limit: 21000n, data: '0xdeadbeef' },
  { counter: 2n ** 64n, value: 3n, gas_limit: u64Max, data: word('32 bytes') },
  { counter: 2n ** 240n - 1n, value: u256Max, gas_limit: u256Max, data: concat([word('33'), '0x00']) },
].map((c, i) => {
  const nonce = (1n << 240n) | c.counter;
  const sender = account(`withdrawer ${i}`);
  const target = account(`target ${i}`);
  const withdrawal_hash = keccak256(
    encodeAbiParameters(
      ['uint256', 'address', 'address', 'uint256', 'uint256', 'bytes'].map((type) => ({ type })),
      [nonce, sender, target, c.value, c.gas_limit, c.data],
    ),
  );
  return {
    counter: String(c.counter),
    nonce: String(nonce),
    sender,
    target,
    value: String(c.value),
    gas_limit: String(c.gas_limit),
    data: c.data,
    withdrawal_hash,
    storage_key: getWithdrawalHashStorageSlot({ withdrawalHash: withdrawal_hash }),
  };
});

const output_roots = [0, 1, 2, 3, 4].map((i) => {
  const [state_root, message_passer_storage_root, block_hash] =
    i === 0 ? [zeroHash, zeroHash, zeroHash] : ['state', 'passer', 'block'].map((part) => word(`${part} ${i}`));
  return {
    state_root,
    message_passer_storage_root,
    block_hash,
    output_root: keccak256(concat([zeroHash, state_root, message_passer_storage_root, block_hash])),
  };
});

let stale = false;
for (const [name, content] of Object.entries({
  deposits: { aliases: aliased, deposits },
  l1_attributes: { attributes },
  withdrawals: { withdrawals, output_roots },
})) {
  const path = fileURLToPath(new URL(`../${name}.json`, import.meta.url));
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.error(`tests/vectors/${name}.json differs from what this script computes`);
    stale = true;
  }
}
process.exitCode = stale ? 1 : 0;
