// The x402 client library as a black box: wrapped OPEN, a 402 answer, a payment in both schemes, the refund.
// argv[2]: {"rpc","gateway","chainId","privateKey","model","question"}
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { decodePaymentResponseHeader, wrapFetchWithPayment, x402Client } from '@x402/fetch';
import { ExactEvmScheme } from '@x402/evm/exact/client';
import {
  createPublicClient, createWalletClient, defineChain, encodeAbiParameters, http, keccak256, parseAbi, parseEther, toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const input = JSON.parse(process.argv[2]);
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
const token = parseAbi(['function balanceOf(address) view returns (uint256)']);
const wrapped = () => client.readContract({ address: wopen, abi: token, functionName: 'balanceOf', args: [account.address] });
const network = `eip155:${input.chainId}`;
const url = `${input.gateway}/v1/chat/completions`;
const request = (more) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    model: input.model, messages: [{ role: 'user', content: input.question }], max_tokens: 24, ...more,
  }),
});
const done = [];

const hash = await wallet.sendTransaction({ to: wopen, value: parseEther('1') });
await client.waitForTransactionReceipt({ hash });

// Capture is a scheme of our own: registered beside `exact` by the library's interface for schemes.
const capture = {
  scheme: 'openledger-capture',
  async createPaymentPayload(x402Version, offer) {
    const { gateway, modelId, requestHash, name, version } = offer.extra;
    const salt = toHex(randomBytes(32));
    const kind = keccak256(toHex(
      'Payment(uint256 chainId,address payments,address payer,address gateway,uint256 modelId,bytes32 requestHash,bytes32 salt)',
    ));
    const types = ['bytes32', 'uint256', 'address', 'address', 'address', 'uint256', 'bytes32', 'bytes32'];
    const nonce = keccak256(encodeAbiParameters(
      types.map((type) => ({ type })),
      [kind, BigInt(input.chainId), offer.payTo, account.address, gateway, BigInt(modelId), requestHash, salt],
    ));
    const authorization = {
      from: account.address,
      to: offer.payTo,
      value: offer.amount,
      validAfter: '0',
      validBefore: String(Math.floor(Date.now() / 1000) + offer.maxTimeoutSeconds),
      nonce,
    };
    const signature = await account.signTypedData({
      domain: { name, version, chainId: input.chainId, verifyingContract: offer.asset },
      types: {
        ReceiveWithAuthorization: [
          { name: 'from', type: 'address' }, { name: 'to', type: 'address' }, { name: 'value', type: 'uint256' },
          { name: 'validAfter', type: 'uint256' }, { name: 'validBefore', type: 'uint256' }, { name: 'nonce', type: 'bytes32' },
        ],
      },
      primaryType: 'ReceiveWithAuthorization',
      message: authorization,
    });
    return { x402Version, payload: { signature, authorization, salt } };
  },
};

for (const [scheme, name] of [[new ExactEvmScheme(account), 'exact'], [capture, 'openledger-capture']]) {
  // The library pays in other tokens than those it knows when it is told to, up to an amount.
  const allowed = { network, asset: wopen, maxAmountPerPayment: parseEther('0.5').toString() };
  const pay = wrapFetchWithPayment(fetch, x402Client.fromConfig({
    schemes: [{ network, client: scheme }], spendControls: { allowedAssets: [allowed] },
  }));
  for (const stream of [false, true]) {
    const before = await wrapped();
    const started = performance.now();
    const response = await pay(url, request({ stream, user: name }));
    const text = await response.text();
    const elapsed = Math.round(performance.now() - started);
    assert.equal(response.status, 200, text);
    const paid = decodePaymentResponseHeader(response.headers.get('payment-response'));
    assert.equal(paid.success, true);
    assert.equal(paid.payer.toLowerCase(), account.address.toLowerCase());
    const receipt = await client.waitForTransactionReceipt({ hash: paid.transaction });
    assert.equal(receipt.status, 'success');
    const answer = stream
      ? text.split('\n\n').filter((line) => line.includes('"openledger"')).map((line) => JSON.parse(line.slice(6)))[0]
      : JSON.parse(text);
    const fee = BigInt(answer.openledger.fee);
    assert.equal(answer.openledger.payment.scheme, name);
    assert.ok(fee > 0n && fee <= BigInt(answer.openledger.payment.amount));
    // What was not used comes back.
    for (let i = 0; (await wrapped()) !== before - fee; i += 1) {
      assert.ok(i < 300, `${name}: ${before - await wrapped()} wei are gone, the fee is ${fee}`);
      await new Promise((wake) => setTimeout(wake, 100));
    }
    done.push(`${name}${stream ? ' stream' : ''} ${elapsed} ms`);
  }
}
console.log(done.join(', '));
