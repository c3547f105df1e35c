import type { IncomingMessage, ServerResponse } from 'node:http';
import { clientOf, closeClients } from '../../support/llm-client-setup.js';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';

type Fields = Readonly<Record<string, unknown>>;

/** A client of one deployment, whose provider answers every request so. */
async function client(model: string, answer: string | Buffer[], isStream: boolean) {
  const api_base = await scripted((request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    response.setHeader('content-type', isStream ? 'text/event-stream' : 'application/json');
    for (const part of typeof answer === 'string' ? [answer] : answer) response.write(part);
    response.end();
  });
  return clientOf({ modelList: [{ model_name: 'm', litellm_params: { model, api_base, api_key: 'sk-none' } }] }).client;
}

const event = (delta: Fields, finish: string | null = null, more: Fields = {}): string =>
  `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }], ...more })}\n\n`;

afterEach(async () => {
  await closeClients();
  await stopProviders();
});

describe('an answer in the dialect of its provider', () => {
  it.each<[string, string, Fields, string, Fields]>([
    ['Together', 'together_ai/m', { role: 'assistant', content: 'Hi' }, 'eos', { finish_reason: 'stop' }],
    ['Z.ai', 'zai/glm-4.6', { role: 'assistant', content: '' }, 'sensitive', { finish_reason: 'content_filter' }],
    ['OpenRouter', 'openrouter/a/m', { content: 'Hi', reasoning: 'Hm' }, 'stop', { message: { content: 'Hi', reasoning_content: 'Hm' } }],
    [
      'xAI',
      'xai/grok-3',
      { content: '', tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] },
      '',
      {
        finish_reason: 'tool_calls',
        message: { content: '', tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }] },
      },
    ],
    [
      'Mistral',
      'mistral/magistral-medium-latest',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
          { type: 'text', text: 'Hi' },
        ],
      },
      'stop',
      { message: { content: 'Hi', reasoning_content: 'Hm' } },
    ],
  ])("is OpenAI's: %s", async (_, model, message, finish_reason, expected) => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const body = JSON.stringify({ id: 'c', choices: [{ index: 0, message, finish_reason }], usage });
    const answer = await (await client(model, body, false)).chat({ model: 'm', messages: [...HELLO] });
    expect(answer.usage).toMatchObject({ promptTokens: 1, completionTokens: 2 });
    expect(answer.json().choices[0]).toMatchObject(expected);
  });

  it.each([true, false])("is OpenAI's as a stream, its usage asked for: %s", async (include_usage) => {
    const usage = (total_tokens: number): Fields => ({ usage: { prompt_tokens: 1, completion_tokens: total_tokens - 1, total_tokens } });
    const text = [
      event({ role: 'assistant', content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] }),
      event({ content: 'Hi é' }, null, usage(2)),
      event({ tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }] }),
      event({}, 'stop', usage(4)),
      'data: [DONE]\n\n',
    ].join('');
    const bytes = Buffer.from(text);
    const parts = [bytes.subarray(0, 100), bytes.subarray(100, 241), bytes.subarray(241)];
    const stream = await (
      await client('mistral/magistral-medium-latest', parts, true)
    ).chat({ model: 'm', messages: [...HELLO], stream: true, ...(include_usage && { stream_options: { include_usage } }) });
    const chunks: Fields[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const deltas = chunks.flatMap(({ choices }) => choices as Fields[]);
    expect(deltas.map(({ delta }) => delta)).toMatchObject([
      { role: 'assistant', reasoning_content: 'Hm' },
      { content: 'Hi é' },
      { tool_calls: [{ index: 0, id: 'a', type: 'function' }] },
      {},
    ]);
    expect(deltas.at(-1)).toMatchObject({ finish_reason: 'tool_calls' });
    expect(chunks.filter(({ usage: stated }) => stated !== undefined)).toMatchObject(include_usage ? [{ choices: [], ...usage(4) }] : []);
    expect(stream.usage).toMatchObject({ promptTokens: 1, completionTokens: 3 });
  });

  it('is malformed where the translated bytes are no JSON', async () => {
    const broken = await client('together_ai/m', '{"tool_calls": [}', false);
    await expect(broken.chat({ model: 'm', messages: [...HELLO], num_retries: 0 })).rejects.toMatchObject({ kind: 'malformed' });
  });
});
