// The openai npm client as a black box: list models, ask, stream, and get errors it understands.
// argv[2]: {"gateway","apiKey","model","question"}
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const input = JSON.parse(process.argv[2]);
const client = new OpenAI({ apiKey: input.apiKey, baseURL: `${input.gateway}/v1`, maxRetries: 0 });
const done = [];

const models = await client.models.list();
assert.ok(models.data.some((m) => m.id === input.model), `model ${input.model} is listed`);
assert.equal((await client.models.retrieve(input.model)).id, input.model);
done.push('models');

const messages = [{ role: 'user', content: input.question }];
const { data: answer, response } = await client.chat.completions
  .create({ model: input.model, messages, max_tokens: 32, temperature: 0 })
  .withResponse();
assert.equal(answer.object, 'chat.completion');
assert.ok(answer.choices[0].message.content.length > 0);
assert.ok(answer.usage.prompt_tokens > 0 && answer.usage.completion_tokens > 0);
assert.ok(answer.openledger.receipt !== undefined, 'the receipt is in the answer');
assert.ok(response.headers.get('x-openledger-receipt'));
assert.ok(response.headers.get('x-request-id'));
done.push('chat completion with receipt');

const stream = await client.chat.completions.create({
  model: input.model, messages, max_tokens: 32, temperature: 0, stream: true, stream_options: { include_usage: true },
});
let text = ''; let usage = null; let role = null;
for await (const chunk of stream) {
  role ??= chunk.choices[0]?.delta?.role;
  text += chunk.choices[0]?.delta?.content ?? '';
  usage = chunk.usage ?? usage;
}
assert.equal(role, 'assistant');
assert.equal(text, answer.choices[0].message.content, 'greedy streaming gives the same text');
assert.ok(usage.completion_tokens > 0);
done.push('streaming');

const completion = await client.completions.create({ model: input.model, prompt: 'SQLite is', max_tokens: 8, temperature: 0 });
assert.equal(completion.object, 'text_completion');
done.push('completion');

const fails = async (what, request, status, code) => {
  await assert.rejects(request, (error) => {
    assert.equal(error.status, status, `${what}: status ${error.status}, message ${error.message}`);
    if (code) assert.equal(error.code, code, `${what}: code ${error.code}`);
    return true;
  });
  done.push(what);
};
await fails('unknown model', client.chat.completions.create({ model: 'no-such-model', messages }), 404, 'model_not_found');
await fails('empty prompt', client.chat.completions.create({ model: input.model, messages: [] }), 400);
await fails('prompt over the context', client.chat.completions.create({
  model: input.model, messages: [{ role: 'user', content: 'wal checkpoint '.repeat(9000) }],
}), 400, 'context_length_exceeded');
const stranger = new OpenAI({ apiKey: 'ol-nonsense', baseURL: `${input.gateway}/v1`, maxRetries: 0 });
await fails('bad key', stranger.chat.completions.create({ model: input.model, messages }), 401);

console.log(JSON.stringify({ done, text: answer.choices[0].message.content, receipt: answer.openledger.receipt }));
process.exit(0);
