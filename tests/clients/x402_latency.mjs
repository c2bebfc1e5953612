// How long an answer takes with an x402 payment and with a key, beside each other in one run, as a client sees it.
// argv[2]: {"rpc","gateway","chainId","privateKey","apiKey","model","rounds"}. Prints the figures of docs/benchmarks.md.
import assert from 'node:assert/strict';
import { wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import { createPublicClient, createWalletClient, defineChain, http, parseEther } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const input = JSON.parse(process.argv[2]);
const rounds = input.rounds ?? 30;
const chain = defineChain({
  id: input.chainId,
  name: 'OpenLedger',
  nativeCurrency: { name: 'OPEN', symbol: 'OPEN', decimals: 18 },
  rpcUrls: { default: { http: [input.rpc] } },
});
const account = privateKeyToAccount(input.privateKey);
const client = createPublicClient({ chain, transport: http(), pollingInterval: 200 });
const wallet = createWalletClient({ account, chain, transport: http() });
const wopen = '0x4200000000000000000000000000000000000006';
const network = `eip155:${input.chainId}`;
const url = `${input.gateway}/v1/chat/completions`;
const request = (round, headers) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({
    model: input.model, messages: [{ role: 'user', content: 'What is WAL?' }], max_tokens: 1, user: `round ${round}`,
  }),
});

const hash = await wallet.sendTransaction({ to: wopen, value: parseEther('5') });
await client.waitForTransactionReceipt({ hash });
const pay = wrapFetchWithPayment(fetch, x402Client.fromConfig({
  schemes: [{ network, client: new ExactEvmScheme(account) }],
  spendControls: { allowedAssets: [{ network, asset: wopen, maxAmountPerPayment: parseEther('0.5').toString() }] },
}));

const timed = async (ask) => {
  const started = performance.now();
  const response = await ask();
  const text = await response.text();
  return { elapsed: performance.now() - started, status: response.status, text };
};
const ways = {
  key: (round) => fetch(url, request(round, { authorization: `Bearer ${input.apiKey}` })),
  quote: (round) => fetch(url, request(round, {})),
  x402: (round) => pay(url, request(round, {})),
};
const figures = Object.fromEntries(Object.keys(ways).map((way) => [way, []]));
for (let round = -2; round < rounds; round += 1) {
  for (const [way, ask] of Object.entries(ways)) {
    const { elapsed, status, text } = await timed(() => ask(round));
    assert.equal(status, way === 'quote' ? 402 : 200, text);
    // The first two warm the machine up.
    if (round >= 0) figures[way].push(elapsed);
  }
}
for (const [way, all] of Object.entries(figures)) {
  const sorted = all.sort((a, b) => a - b);
  const at = (part) => Math.round(sorted[Math.floor(part * (sorted.length - 1))]);
  console.log(`${way}: median ${at(0.5)} ms, p90 ${at(0.9)} ms, most ${at(1)} ms of ${sorted.length}`);
}
