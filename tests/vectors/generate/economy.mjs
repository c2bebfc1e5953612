// Writes tests/vectors/economy.json, the golden bytes of the economy contracts, and omissions.json, what records leave out,
// together.json, leaves that are shown together, and surprise.json, surprises of a corpus, computed here with ethers and nothing of ours,
// so that Solidity and Rust are both checked against a third implementation.
//
//   node tests/vectors/generate/economy.mjs            rewrites the files
//   node tests/vectors/generate/economy.mjs --check    fails when one differs
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  AbiCoder, SigningKey, TypedDataEncoder, ZeroHash, computeAddress, concat, getAddress, keccak256, toUtf8Bytes,
} from 'ethers';

const abi = AbiCoder.defaultAbiCoder();
const hashOf = (types, values) => keccak256(abi.encode(types, values));
const word = (text) => keccak256(toUtf8Bytes(text));
const account = (text) => getAddress(`0x${word(text).slice(26)}`);

const chainId = 16120;
const contracts = Object.fromEntries(
  ['DatanetRegistry', 'ModelRegistry', 'InferenceEscrow', 'AttributionSettlement', 'AttributionDispute'].map((name, i) => [
    name,
    getAddress(`0x4f50454e${'0'.repeat(30)}0${i + 1}`),
  ]),
);
const domain = (name) => ({ name, version: '1', chainId, verifyingContract: contracts[name] });

// Plain tree: leaf = keccak256(0x00 || item), node = keccak256(0x01 || left || right), an unpaired node is carried up.
const leafNode = (item) => keccak256(concat(['0x00', item]));
function plainLevels(items) {
  const levels = [items.map(leafNode)];
  while (levels.at(-1).length > 1) {
    const below = levels.at(-1);
    const level = [];
    for (let i = 0; i < below.length; i += 2) {
      level.push(i + 1 < below.length ? keccak256(concat(['0x01', below[i], below[i + 1]])) : below[i]);
    }
    levels.push(level);
  }
  return levels;
}
const plainRoot = (items) => (items.length === 0 ? ZeroHash : plainLevels(items).at(-1)[0]);
function plainProof(items, index) {
  const proof = [];
  for (const level of plainLevels(items).slice(0, -1)) {
    const sibling = index ^ 1;
    if (sibling < level.length) proof.push(level[sibling]);
    index >>= 1;
  }
  return proof;
}

// Siblings of several leaves together: from the bottom up, from left to right, none that is known from those below.
function plainProofOf(levels, indices) {
  const proof = [];
  let known = new Set(indices);
  for (const level of levels.slice(0, -1)) {
    for (const index of [...known].sort((a, b) => a - b)) {
      const sibling = index ^ 1;
      if (sibling < level.length && !known.has(sibling)) proof.push(level[sibling]);
    }
    known = new Set([...known].map((index) => index >> 1));
  }
  return proof;
}
// All of the leaves, and every fifth choice of them.
function togetherOf(items) {
  const count = items.length;
  const masks = Array.from({ length: 2 ** count - 1 }, (_, i) => i + 1);
  return masks.filter((mask) => mask % 5 === count % 5 || mask === masks.length).map((mask) => {
    const indices = items.map((_, i) => i).filter((i) => (mask >> i) & 1);
    return { count, indices, proof: plainProofOf(plainLevels(items), indices) };
  });
}

// Sum tree: padded to a power of two with (0, 0), node = keccak256(abi.encode(left, leftSum, right, rightSum)).
const claimLeaf = (c) =>
  keccak256(hashOf(['uint256', 'address', 'uint128'], [c.datanet_id, c.account, c.cumulative]));
function sumLevels(leaves) {
  while (leaves.length & (leaves.length - 1)) leaves.push({ hash: ZeroHash, sum: 0n });
  const levels = [leaves];
  while (levels.at(-1).length > 1) {
    const below = levels.at(-1);
    const level = [];
    for (let i = 0; i < below.length; i += 2) {
      const [l, r] = [below[i], below[i + 1]];
      level.push({ hash: hashOf(['bytes32', 'uint128', 'bytes32', 'uint128'], [l.hash, l.sum, r.hash, r.sum]), sum: l.sum + r.sum });
    }
    levels.push(level);
  }
  return levels;
}
const printed = (node) => ({ hash: node.hash, sum: node.sum.toString() });
function sumTree(claims) {
  const levels = sumLevels(claims.map((c) => ({ hash: claimLeaf(c), sum: BigInt(c.cumulative) })));
  const [root] = levels.at(-1);
  const proofs = claims.map((_, index) =>
    levels.slice(0, -1).map((level, height) => printed(level[(index >> height) ^ 1])),
  );
  return { count: claims.length, root: root.hash, total: root.sum.toString(), proofs };
}

function sumRoot(leaves) {
  const levels = sumLevels(leaves);
  const [root] = levels.at(-1);
  return { root: root.hash, total: root.sum.toString(), depth: levels.length - 1 };
}

const commitment = {
  datanet_id: '7',
  contributor: account('contributor'),
  content_hash: word('content'),
  chunk_root: word('chunks'),
  sketch_hash: word('sketch'),
  salt: word('salt'),
};
commitment.commitment = hashOf(
  ['uint256', 'address', 'uint256', 'address', 'bytes32', 'bytes32', 'bytes32', 'bytes32'],
  [chainId, contracts.DatanetRegistry, commitment.datanet_id, commitment.contributor, commitment.content_hash,
    commitment.chunk_root, commitment.sketch_hash, commitment.salt],
);

const contributions = [1, 2, 3, 4, 5].map((n) => {
  const c = {
    contribution_id: String(n * 3),
    contributor: account(`contributor ${n}`),
    content_hash: word(`content ${n}`),
    chunk_root: word(`chunks ${n}`),
    chunk_count: n * 11,
    sketch_hash: word(`sketch ${n}`),
    sequence: String(n * 3),
  };
  c.leaf = hashOf(
    ['uint256', 'address', 'bytes32', 'bytes32', 'uint32', 'bytes32', 'uint64'],
    [c.contribution_id, c.contributor, c.content_hash, c.chunk_root, c.chunk_count, c.sketch_hash, c.sequence],
  );
  return c;
});
const contributionLeaves = contributions.map((c) => c.leaf);

const items = [0, 1, 2, 3, 4, 5, 6].map((n) => word(`item ${n}`));
const claims = [
  ['1', 'a', '1'], ['1', 'b', '1000000000000000000'], ['2', 'a', '999999999'], ['2', 'b', '340282366920938463463'],
  ['5', 'a', '7'], ['5', 'b', '123456789012345678901234567'], ['1000000', 'a', '31'],
].map(([datanet_id, who, cumulative]) => ({ datanet_id, account: account(`claimant ${who}`), cumulative }))
  .sort((l, r) => Number(BigInt(l.datanet_id) - BigInt(r.datanet_id)) || (BigInt(l.account) < BigInt(r.account) ? -1 : 1));
for (const c of claims) c.leaf = claimLeaf(c);

const voucherTypes = {
  Voucher: [
    { name: 'customer', type: 'address' }, { name: 'gateway', type: 'address' },
    { name: 'nonce', type: 'uint64' }, { name: 'cumulative', type: 'uint128' },
  ],
};
const voucher = { customer: account('customer'), gateway: account('gateway'), nonce: '3', cumulative: '1234567890123456789' };

const receiptTypes = {
  InferenceReceipt: [
    ['number', 'uint64'], ['modelId', 'uint256'], ['customer', 'address'], ['gateway', 'address'],
    ['requestHash', 'bytes32'], ['responseHash', 'bytes32'], ['tokensIn', 'uint32'], ['tokensOut', 'uint32'],
    ['fee', 'uint128'], ['timestamp', 'uint64'], ['engineSpecHash', 'bytes32'], ['adapterSetHash', 'bytes32'],
    ['retrievalRoot', 'bytes32'],
  ].map(([name, type]) => ({ name, type })),
};
const receipt = {
  number: '41', modelId: '9', customer: account('customer'), gateway: account('gateway'), requestHash: word('request'),
  responseHash: word('response'), tokensIn: 321, tokensOut: 123, fee: '987654321000000', timestamp: '1790000000',
  engineSpecHash: word('engine spec'), adapterSetHash: ZeroHash, retrievalRoot: word('retrieval'),
};

const postTypes = {
  EpochPost: [
    ['epochId', 'uint64'], ['gateway', 'address'], ['engineSpecHash', 'bytes32'], ['receiptsRoot', 'bytes32'],
    ['firstReceipt', 'uint64'], ['receiptCount', 'uint32'], ['claimsRoot', 'bytes32'], ['claimsTotal', 'uint128'],
    ['modelsHash', 'bytes32'], ['poolsHash', 'bytes32'],
  ].map(([name, type]) => ({ name, type })),
};
const models = [
  { modelId: '1', fees: '1000000', attributed: '400000' },
  { modelId: '9', fees: '5000000000000000000', attributed: '2000000000000000000' },
];
const pools = [
  { datanetId: '1', amount: '400000' },
  { datanetId: '7', amount: '2000000000000000000' },
];
const tuples = (list) => list.map((entry) => Object.values(entry));
const post = {
  epochId: '12', gateway: account('gateway'), engineSpecHash: word('engine spec'), receiptsRoot: word('receipts root'),
  firstReceipt: '41', receiptCount: 1000, claimsRoot: word('claims root'), claimsTotal: '2000000000000400000',
  modelsHash: hashOf(['tuple(uint256,uint128,uint128)[]'], [tuples(models)]),
  poolsHash: hashOf(['tuple(uint256,uint128)[]'], [tuples(pools)]),
};

// A lineage: a line of nine, a merge of three, a merge that meets the same ancestor on two ways, one that passes all on.
const lineage = [
  ...Array.from({ length: 9 }, (_, i) => ({ royalty_bps: 3000, sources: i === 0 ? [] : [[i, 10000]] })),
  { royalty_bps: 1234, sources: [] },
  { royalty_bps: 0, sources: [[10, 10000]] },
  { royalty_bps: 2999, sources: [[2, 5000], [10, 3333], [11, 1667]] },
  { royalty_bps: 777, sources: [[3, 9999], [12, 1]] },
  { royalty_bps: 100, sources: [[10, 1111], [12, 4444], [13, 4445]] },
];
const bps = (amount, part) => (BigInt(amount) * BigInt(part)) / 10000n;
lineage.forEach((model, i) => {
  model.payee = account(`payee ${i + 1}`);
  const owed = new Map();
  const add = (id, part) => part !== 0n && owed.set(id, (owed.get(id) ?? 0n) + part);
  for (const [id, weight] of model.sources) {
    const part = bps(lineage[id - 1].royalty_bps, weight);
    let own = part;
    for (const above of lineage[id - 1].royalties) {
      const passed = bps(part, above.bps);
      own -= passed;
      add(above.model, passed);
    }
    add(id, own);
  }
  model.weights_bps = model.sources.map(([, weight]) => weight);
  model.sources = model.sources.map(([source]) => source);
  model.royalties = [...owed].map(([id, part]) => ({ model: id, bps: Number(part) }));
  model.owed_to = model.royalties.map((royalty) => royalty.model);
  model.owed_bps = model.royalties.map((royalty) => royalty.bps);
});
// What fees of the last generation, and of the merges, come apart into: 5 % platform, of the rest 40 % to the model.
const royaltyPayments = [[9, '1000000000000000001'], [12, '999999'], [13, '77'], [14, '123456789012345678901']].map(
  ([model, fees]) => {
    const share = bps(BigInt(fees) - bps(fees, 500), 4000);
    const amounts = lineage[model - 1].royalties.map((r) => bps(share, r.bps));
    return {
      model, fees, share: share.toString(), amounts: amounts.map(String),
      own: (share - amounts.reduce((sum, amount) => sum + amount, 0n)).toString(),
    };
  },
);

// An order to claim for somebody who has no OPEN for gas.
const orderTypes = {
  ClaimOrder: [
    ['datanetId', 'uint256'], ['account', 'address'], ['cumulative', 'uint128'], ['to', 'address'], ['fee', 'uint128'],
    ['deadline', 'uint64'],
  ].map(([name, type]) => ({ name, type })),
};
const order = {
  datanetId: '7', account: account('alice'), cumulative: '2000000000000000000', to: account('cold wallet'),
  fee: '1000000000000000', deadline: '1893456000',
};

// Payments of receipts: the sum tree again, over other leaves, ascending by Datanet, account and receipt.
const receiptPayments = [['1', 'alice', '41', '5'], ['1', 'alice', '43', '7'], ['7', 'bob', '41', '1000000000000000000']].map(
  ([datanet_id, name, receipt, amount]) => ({ datanet_id, account: account(name), receipt, amount }),
).sort((a, b) => Number(a.datanet_id) - Number(b.datanet_id) || (a.account < b.account ? -1 : 1));
const paymentLeaf = (p) =>
  keccak256(hashOf(['uint256', 'address', 'uint64', 'uint128'], [p.datanet_id, p.account, p.receipt, p.amount]));

// x402, scheme "exact": an EIP-3009 authorisation for wrapped OPEN whose nonce binds it to one request.
const payments = getAddress(`0x4f50454e${'0'.repeat(31)}e`);
const wopen = getAddress('0x4200000000000000000000000000000000000006');
const payerKey = word('x402 payer');
const terms = {
  payer: computeAddress(payerKey), gateway: account('gateway'), modelId: '9', requestHash: word('request'), salt: word('x402 salt'),
};
const paymentId = hashOf(
  ['bytes32', 'uint256', 'address', 'address', 'address', 'uint256', 'bytes32', 'bytes32'],
  [
    word('Payment(uint256 chainId,address payments,address payer,address gateway,uint256 modelId,bytes32 requestHash,bytes32 salt)'),
    chainId, payments, terms.payer, terms.gateway, terms.modelId, terms.requestHash, terms.salt,
  ],
);
const transferTypes = {
  ReceiveWithAuthorization: [
    ['from', 'address'], ['to', 'address'], ['value', 'uint256'], ['validAfter', 'uint256'], ['validBefore', 'uint256'],
    ['nonce', 'bytes32'],
  ].map(([name, type]) => ({ name, type })),
};
const transfer = {
  from: terms.payer, to: payments, value: '1234567890123456', validAfter: '0', validBefore: '1893456000', nonce: paymentId,
};
const transferDigest = TypedDataEncoder.hash(
  { name: 'Wrapped OPEN', version: '1', chainId, verifyingContract: wopen }, transferTypes, transfer,
);
const { r, s, v } = new SigningKey(payerKey).sign(transferDigest);

const signed = (name, types, primary, message) => ({
  struct_hash: TypedDataEncoder.hashStruct(primary, types, message),
  digest: TypedDataEncoder.hash(domain(name), types, message),
});
const receiptHash = TypedDataEncoder.hashStruct('InferenceReceipt', receiptTypes, receipt);

const vectors = {
  chain_id: chainId,
  contracts,
  commitment,
  contributions: { leaves: contributions, roots: [0, 1, 2, 3, 4, 5].map((n) => plainRoot(contributionLeaves.slice(0, n))) },
  merkle: {
    items,
    trees: [0, 1, 2, 3, 4, 5, 6, 7].map((count) => {
      const some = items.slice(0, count);
      return { count, root: plainRoot(some), proofs: some.map((_, index) => plainProof(some, index)) };
    }),
  },
  merkle_sum: { claims, trees: [1, 2, 3, 4, 5, 6, 7].map((n) => sumTree(claims.slice(0, n))) },
  voucher: { message: voucher, ...signed('InferenceEscrow', voucherTypes, 'Voucher', voucher) },
  receipt: {
    message: receipt,
    ...signed('AttributionSettlement', receiptTypes, 'InferenceReceipt', receipt),
    attribution_hash: word('attribution record'),
    epoch_leaf: hashOf(['bytes32', 'bytes32'], [receiptHash, word('attribution record')]),
  },
  epoch: { message: post, models, pools, ...signed('AttributionSettlement', postTypes, 'EpochPost', post) },
  claim_order: { message: order, ...signed('AttributionSettlement', orderTypes, 'ClaimOrder', order) },
  payments: {
    leaves: receiptPayments.map((p) => ({ ...p, leaf: paymentLeaf(p) })),
    ...sumRoot(receiptPayments.map((p) => ({ hash: paymentLeaf(p), sum: BigInt(p.amount) }))),
  },
  x402: {
    payments, wopen, payer_key: payerKey, terms, payment_id: paymentId,
    authorization: { amount: transfer.value, valid_after: transfer.validAfter, valid_before: transfer.validBefore },
    digest: transferDigest, signature: { v, r, s },
  },
  royalties: { models: lineage.map(({ royalties, ...model }) => model), platform_bps: 500, model_bps: 4000, payments: royaltyPayments },
};

// A batch of documents, and records over its documents. What names a document: contribution + (index + 1) * 2^40.
const batchId = 7;
const idOf = (index) => batchId + (index + 1) * 2 ** 40;
const batched = [0, 1, 2, 3, 4].map((i) => {
  const document = {
    content_hash: word(`document ${i}`), chunk_root: word(`chunks of document ${i}`), chunk_count: i + 1,
    byte_length: 700 * (i + 1), sketch_hash: word(`sketch of document ${i}`),
  };
  const types = ['bytes32', 'bytes32', 'uint32', 'uint32', 'bytes32'];
  return { ...document, item: hashOf(types, Object.values(document)), id: String(idOf(i)) };
});
const batchRoot = plainRoot(batched.map((d) => d.item));
const batchHash = hashOf(['bytes32', 'bytes32', 'uint32'], [
  word('OpenLedger batch of documents, version 1'), batchRoot, batched.length,
]);

const recordType = 'tuple(uint16 version, bytes32 receiptHash, bytes32 engineSpecHash, uint32 answerTokens, uint32 promptTokens, '
  + 'uint64 totalSurpriseQ16, uint64 floorQ16, '
  + 'tuple(uint32 start, uint32 end, uint256 contribution, uint256 cluster, uint32 offset, uint64 surpriseQ16, uint64 creditQ16)[] spans, '
  + 'tuple(uint256 cluster, uint256 datanet, address payee, uint64 creditQ16, uint32 weight)[] weights, uint32 residual)';
const floor = 100000;
const span = (start, end, contribution, cluster, credit) => ({
  start, end, contribution, cluster, offset: 3, surpriseQ16: credit === 0 ? floor : floor + credit, creditQ16: credit,
});
const ofPrompt = (start, end) => ({ ...span(start, end, 0, 0, 0), offset: 0, surpriseQ16: 3 * floor });
const weighed = (cluster, creditQ16, weight) => ({
  cluster, datanet: 1, payee: account('contributor of 7').toLowerCase(), creditQ16, weight,
});
const recordOf = (spans, weights, change = {}) => ({
  version: 4, receiptHash: word('receipt'), engineSpecHash: word('engine spec'), answerTokens: 40, promptTokens: 2,
  totalSurpriseQ16: 4000000, floorQ16: floor, spans, weights,
  residual: 1000000000 - weights.reduce((sum, w) => sum + w.weight, 0), ...change,
});
// Two clusters that documents 0 and 3 found, a copy, 4, in the cluster of 3, and a document of its own.
const spans = [
  span(0, 8, idOf(0), idOf(0), 200000), span(8, 16, idOf(4), idOf(3), 120000), ofPrompt(16, 18), span(18, 20, idOf(1), idOf(1), 0),
  span(20, 30, 9, 9, 80001), span(30, 31, 9, 9, 0), span(34, 36, 9, 9, 0),
];

// What a document that holds the run from `from` to `to` shows of a record: a token of it that is nobody's, or a later document's;
// or a span of its own that ends although it goes on.
const matchTokensMin = 6;
const orderOf = (id) => (id % 2 ** 40) * 2 ** 24 + Math.floor(id / 2 ** 40);
function isOmitted(message, index, from, to, holder) {
  const own = message.spans[index];
  if (from > own.start || to < own.end || to > message.answerTokens) return false;
  const owners = new Array(message.answerTokens).fill(null);
  message.spans.forEach((s, i) => owners.fill(i, s.start, s.end));
  const after = to > own.end ? owners[own.end] : null;
  if (after !== null && own.contribution === holder && message.spans[after].contribution === holder) return true;
  if (own.creditQ16 === 0 || to - from < matchTokensMin) return false;
  return owners.slice(from, to).some((i) => {
    if (i === null) return true;
    const { contribution } = message.spans[i];
    return contribution !== 0 && orderOf(contribution) > orderOf(holder);
  });
}
function omissionsOf({ name, message, bytes }) {
  const holders = [...new Set([5, 11, idOf(2), ...message.spans.map((s) => s.contribution)])].filter((id) => id !== 0);
  const runs = message.spans.flatMap((s, span) => [0, 1, 5, 13].flatMap((before) => [0, 1, 2, 4, 12].flatMap((after) =>
    holders.map((holder) => ({ span, from: Math.max(0, s.start - before), to: s.end + after, holder })))));
  const cases = runs.filter((_, i) => i % 7 === 0);
  return {
    name, message, bytes,
    ...Object.fromEntries(['span', 'from', 'to', 'holder'].map((key) => [key, cases.map((c) => c[key])])),
    omitted: cases.map((c) => isOmitted(message, c.span, c.from, c.to, c.holder)),
  };
}
const records = Object.entries({
  honest: [true, recordOf(spans, [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)])],
  'one cap for all clusters of a batch': [true, recordOf(
    [span(0, 8, idOf(0), idOf(0), 900000), span(8, 16, idOf(4), idOf(3), 900000), ofPrompt(16, 18)], [weighed(7, 1800000, 250000000)],
  )],
  'beyond the cap': [false, recordOf(
    [span(0, 8, idOf(0), idOf(0), 900000), span(8, 16, idOf(4), idOf(3), 900000), ofPrompt(16, 18)], [weighed(7, 1800000, 450000000)],
  )],
  'clusters of a batch one by one': [false, recordOf(spans, [
    weighed(9, 80001, 20000250), weighed(idOf(0), 200000, 50000000), weighed(idOf(3), 120000, 30000000),
  ])],
  'a span without a weight': [false, recordOf(spans, [weighed(7, 320000, 80000000)])],
  'a wrong residual': [false, recordOf(spans, [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)], { residual: 1 })],
  'of version 1': [false, recordOf(spans, [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)], { version: 1 })],
  'more of the prompt than its spans have': [false, recordOf(
    spans, [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)], { promptTokens: 3 },
  )],
  'a prompt that earns': [false, recordOf(
    spans.map((s) => (s.contribution === 0 ? { ...s, creditQ16: 2 * floor } : s)),
    [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)],
  )],
  'a prompt in a cluster': [false, recordOf(
    spans.map((s) => (s.contribution === 0 ? { ...s, cluster: 9 } : s)),
    [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)],
  )],
  'a span that earns nothing above the floor': [false, recordOf(
    spans.map((s) => (s.start === 18 ? { ...s, surpriseQ16: floor + 1 } : s)),
    [weighed(7, 320000, 80000000), weighed(9, 80001, 20000250)],
  )],
}).map(([name, [consistent, message]]) => {
  const bytes = abi.encode([recordType], [message]);
  return { name, consistent, message, bytes, hash: keccak256(bytes) };
});
vectors.batch = {
  contribution_id: batchId, documents: batched.map((d, i) => ({ ...d, proof: plainProof(batched.map((b) => b.item), i) })),
  chunk_root: batchRoot, chunk_count: batched.length, byte_length: batched.reduce((sum, d) => sum + d.byte_length, 0),
  content_hash: batchHash, weight_max: 250000000, records,
};

const together = {
  items, cases: [1, 2, 3, 4, 5, 6, 7].flatMap((count) => togetherOf(items.slice(0, count))),
};
const omissions = { match_tokens_min: matchTokensMin, records: records.filter((r) => r.consistent).map(omissionsOf) };

// Surprises of a corpus: bits as Q16 of a token's share, a token that never occurs counts as occurring once. The last leaf is the floor.
const bits = (x) => 4 * (x.toString(16).length - 1) + 32 - Math.clz32(Number.parseInt(x.toString(16)[0], 16));
const log2Q16 = (x) => bits(BigInt(x) ** 65536n) - 1;
function surpriseOf(counts, marginQ16, runs) {
  const total = log2Q16(Object.values(counts).reduce((sum, count) => sum + count, 0));
  const surprises = Array.from({ length: 65536 }, (_, token) => (counts[token] ? total - log2Q16(counts[token]) : total));
  const leaves = [...surprises, total + marginQ16];
  const levels = plainLevels(leaves.map((value, i) => abi.encode(['uint256', 'uint256'], [i, value])));
  return {
    counts, floor_margin_q16: marginQ16, floor_q16: total + marginQ16, size: leaves.length, root: levels.at(-1)[0],
    runs: runs.map((tokens) => {
      const shown = [...new Set(tokens)].sort((a, b) => a - b);
      return {
        tokens, values: shown.map((token) => surprises[token]), surprise_q16: tokens.reduce((sum, token) => sum + surprises[token], 0),
        proof: plainProofOf(levels, [...shown, 65536]),
      };
    }),
  };
}
const surprise = surpriseOf(
  { 0: 1, 1: 2, 7: 3, 11: 100, 12: 41, 500: 977, 501: 6, 40000: 12345, 65534: 3, 65535: 5 }, 32 * 65536,
  [[], [11], [65535], [7, 11, 12, 500, 501, 40000], [12, 12, 11, 12, 9000, 65535, 0], [65534, 8, 6, 4, 2, 0, 1, 3, 5, 7, 500, 500]],
);

for (const [name, content] of Object.entries({ economy: vectors, omissions, together, surprise })) {
  const path = fileURLToPath(new URL(`../${name}.json`, import.meta.url));
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    console.error(`tests/vectors/${name}.json differs: run node tests/vectors/generate/economy.mjs`);
    process.exit(1);
  }
}
