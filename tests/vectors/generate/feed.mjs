// Writes tests/vectors/feed.json: messages of the sequencer's feed (docs/formats/feed.md), computed here with ethers alone.
//
//   node tests/vectors/generate/feed.mjs            rewrites the file
//   node tests/vectors/generate/feed.mjs --check    fails when it differs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { concat, encodeRlp, id, keccak256, SigningKey, toBeHex, computeAddress, zeroPadValue } from 'ethers';

const CHAIN_ID = 16120;
const privateKey = id('feed signer');
const key = new SigningKey(privateKey);
const zero = '0x' + '00'.repeat(32);
const emptyRoot = keccak256('0x80');
const quantity = (n) => (n === 0 ? '0x' : toBeHex(n));

// A header with everything up to the withdrawals root (Shanghai).
const header = [
  id('parent'), keccak256('0xc0'), zeroPadValue('0x11', 20), id('state'), emptyRoot, emptyRoot, '0x' + '00'.repeat(256),
  '0x', quantity(42), quantity(60_000_000), '0x', quantity(1_700_000_000), '0x', id('mix'), '0x' + '00'.repeat(8),
  quantity(1_000_000_000), emptyRoot,
];
const hash = keccak256(encodeRlp(header));
// Header, transactions, ommers, withdrawals.
const block = encodeRlp([header, [], [], []]);
// Transactions before these, the header as opened, the transactions.
const part = encodeRlp([quantity(3), header, ['0x02c0', '0x7e']]);

function message(name, kind, term, number, blockHash, payload, parent = header[0]) {
  const fixed = concat([
    '0x4f4c464545440001', toBeHex(kind, 1), toBeHex(CHAIN_ID, 8), toBeHex(term, 8), toBeHex(number, 8), blockHash, parent,
    toBeHex((payload.length - 2) / 2, 4),
  ]);
  const digest = keccak256(concat([fixed, keccak256(payload)]));
  const { r, s, yParity } = key.sign(digest);
  const encoded = concat([fixed, payload, r, s, toBeHex(yParity, 1)]);
  return { name, kind, term, number, hash: blockHash, digest, encoded };
}

const vector = {
  chain_id: CHAIN_ID,
  private_key: privateKey,
  signer: computeAddress(privateKey),
  messages: [
    message('sealed', 1, 1, 42, hash, block),
    message('partial', 2, 7, 42, zero, part),
    message('alive', 3, 7, 42, hash, '0x'),
    message('resigned', 4, 4_294_967_297, 42, hash, '0x'),
    message('challenge', 5, 7, 0, zero, id('challenge'), zero),
    // By a stand-in, with its own key; here the same.
    message('acknowledged', 6, 7, 42, hash, id('challenge'), zero),
  ],
};

const path = fileURLToPath(new URL('../feed.json', import.meta.url));
const text = JSON.stringify(vector, null, 2) + '\n';
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) throw new Error(`${path} differs from what this program writes`);
} else {
  writeFileSync(path, text);
}
