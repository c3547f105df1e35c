import OpenAI from 'openai';
import {
  BodyAbandonedError,
  ProviderError,
  RequestCancelledError,
  type CallFacts,
  type Deployment,
  type SendContext,
} from 'nestjs-fast-litellm';
import { request } from 'undici';
import type { ProviderBehaviour } from '../../support/local-provider/provider-behaviour.js';
import { clientOf, closeClients, isOver } from '../../support/llm-client-setup.js';
import { deploymentOf, HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { until } from '../../support/until.js';

// Failures are counted per minute.
afterEach(async () => {
  await closeClients();
  await stopProviders();
});

const messages = [...HELLO];

async function over(behaviours: readonly Partial<ProviderBehaviour>[], settings: object = {}, options: object = {}) {
  const providers = await Promise.all(behaviours.map((behaviour, i) => provider(`p${i}`, behaviour)));
  return {
    ...clientOf({ modelList: providers.map((each, order) => deploymentOf('m', each, { order })), ...settings }, options),
    providers,
  };
}

const sdk = ({ params }: Deployment): OpenAI =>
  new OpenAI({ baseURL: String(params.api_base), apiKey: String(params.api_key), maxRetries: 0, timeout: 5000 });
const complete = (deployment: Deployment, { model, signal }: SendContext) =>
  sdk(deployment).chat.completions.create({ model, messages }, { signal });
const begin = (deployment: Deployment, { model, signal }: SendContext) =>
  sdk(deployment).chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } }, { signal });

describe('execute', () => {
  it('works with the answers and errors of the OpenAI SDK, and their usage', async () => {
    const open = await over([{ fault: 'status', status: 500 }, {}], { numRetries: 0 });
    const seen: CallFacts[] = [];
    const completion = await open.client.execute('m', complete, { onAnswer: (call) => void seen.push(call) });
    expect(completion.choices[0].message.content).toMatch(/^p1: /);
    expect(seen).toMatchObject([{ deploymentId: 'p1', attempts: 2, failures: [{ deploymentId: 'p0', status: 500 }] }]);
    expect(open.router.status()).toMatchObject([
      { failures: 1, tokens: 0 },
      { successes: 1, tokens: completion.usage?.total_tokens },
    ]);
    await until(() => isOver(open));
  });

  it('rejects an operation that is no text, before anything is sent', async () => {
    const open = await over([{}]);
    for (const operation of [1n, 7, '', null, {}, Symbol('x')]) {
      await expect(open.client.execute('m', complete, { operation: operation as never })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        path: 'options.operation',
      });
    }
    expect(open.providers[0].requests).toBe(0);
  });

  it('throws the SDK’s own error in the end', async () => {
    const open = await over([{ fault: 'status', status: 429, retryAfter: '0.01' }], { numRetries: 1 });
    const error: unknown = await open.client.execute('m', complete).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(open.providers[0].requests).toBe(2);
  });

  it('works with undici, and passes attempt, model and group', async () => {
    const open = await over([{ fault: 'reset' }, {}], { numRetries: 0 });
    const contexts: SendContext[] = [];
    const send = async ({ params }: Deployment, context: SendContext): Promise<{ usage: object }> => {
      contexts.push(context);
      const { model, signal } = context;
      const body = JSON.stringify({ model, messages });
      const answer = await request(`${String(params.api_base)}/chat/completions`, { method: 'POST', body, signal });
      return (await answer.body.json()) as { usage: object };
    };
    expect(await open.client.execute('m', send)).toMatchObject({ usage: { completion_tokens: 12 } });
    expect(contexts).toMatchObject([
      { attempt: 1, model: 'gpt-4o', group: 'm' },
      { attempt: 2, model: 'gpt-4o', group: 'm' },
    ]);
  });

  it('throws a mistake of the program as it is, without counting a failure', async () => {
    const open = await over([{}, {}]);
    const mistake = new TypeError('undefined is not a function');
    await expect(open.client.execute('m', () => Promise.reject(mistake))).rejects.toBe(mistake);
    await expect(
      open.client.execute('m', () => {
        throw mistake;
      }),
    ).rejects.toBe(mistake);
    expect(open.router.status().map(({ failures }) => failures)).toEqual([0, 0]);
    await until(() => isOver(open));
    await expect(open.client.execute('m', 'send' as never)).rejects.toMatchObject({ path: 'send' });
    await expect(open.client.execute('', complete)).rejects.toMatchObject({ path: 'model' });
  });

  it('reports a content policy error to the router as such, with or without a status', async () => {
    const open = await over([{}, {}], { allowedFailsPolicy: { ContentPolicyViolationErrorAllowedFails: 0 } });
    const refusal = new ProviderError({ kind: 'content_policy', message: 'no', provider: 'own', deploymentId: 'p0' });
    await expect(open.client.execute('m', () => Promise.reject(refusal))).rejects.toBe(refusal);
    expect(open.router.status().map(({ state }) => state)).toEqual(['cooling', 'available']);
  });

  it('ends with the signal or the time limit, whether the `send` heeds it or not', async () => {
    const open = await over([{}], { numRetries: 0 });
    const deaf = () => new Promise<never>(() => {});
    await expect(open.client.execute('m', deaf, { timeoutMs: 30 })).rejects.toMatchObject({ kind: 'timeout' });
    const controller = new AbortController();
    const call = open.client.execute('m', deaf, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toBeInstanceOf(RequestCancelledError);
    await until(() => isOver(open));
  });

  it('aborts the SDK’s request when the call is cancelled', async () => {
    const open = await over([{ fault: 'hang' }]);
    const controller = new AbortController();
    const call = open.client.execute('m', complete, { signal: controller.signal });
    await until(() => open.providers[0].requests === 1);
    controller.abort();
    await expect(call).rejects.toBeInstanceOf(RequestCancelledError);
    await until(() => open.providers[0].inFlight === 0);
  });

  it.each(['usageOf', 'onAnswer'])('does not retry when `%s` throws, and counts no failure', async (name) => {
    const open = await over([{}, {}]);
    const own = new Error('mine');
    const options = {
      [name]: () => {
        throw own;
      },
    };
    const send = jest.fn(async () => ({ usage: { total_tokens: 3 } }));
    await expect(open.client.execute('m', send, options)).rejects.toBe(own);
    expect(send).toHaveBeenCalledTimes(1);
    expect(open.router.status().map(({ failures }) => failures)).toEqual([0, 0]);
    expect(isOver(open)).toBe(true);
  });

  it('rejects wrong options', async () => {
    const open = await over([{}]);
    for (const [given, path] of [
      [null, 'options'],
      [{ signal: {} }, 'signal'],
      [{ response: {} }, 'response'],
      [{ request: 7 }, 'request'],
      [{ routing: 'eu' }, 'routing'],
      [{ timeoutMs: NaN }, 'timeoutMs'],
      [{ timeoutMs: '5' }, 'timeoutMs'],
      [{ streamTimeoutMs: 0 }, 'streamTimeoutMs'],
      [{ numRetries: 1.5 }, 'numRetries'],
      [{ fallbacks: ['m', 7] }, 'fallbacks[1]'],
    ] as const) {
      await expect(open.client.execute('m', complete, given as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path });
      await expect(open.client.chat({ model: 'm', messages }, given as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', path });
    }
    expect(await open.client.execute('m', async () => 1, { signal: null, response: null, timeoutMs: Infinity })).toBe(1);
    expect(isOver(open)).toBe(true);
  });

  it('reads the usage by `usageOf`', async () => {
    const open = await over([{}]);
    await open.client.execute('m', async () => ({ meta: { inputTokens: 3, outputTokens: 4 } }), {
      usageOf: (result) => (result as { meta: unknown }).meta,
    });
    expect(open.router.status()[0].tokens).toBe(7);
  });
});

describe('stream', () => {
  const contents = async (chunks: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<string> => {
    let text = '';
    for await (const { choices } of chunks) text += choices[0]?.delta.content ?? '';
    return text;
  };

  it('works with the OpenAI SDK, and tries another deployment when no first chunk comes', async () => {
    const open = await over([{ fault: 'hang' }, {}], { streamTimeoutMs: 1_500 });
    const chunks = await open.client.stream('m', begin);
    expect(await contents(chunks)).toMatch(/^p1: the quick/);
    expect(open.router.status()[1]).toMatchObject({ successes: 1, failures: 0 });
    expect(open.router.status()[1].tokens).toBeGreaterThan(12);
    await until(() => isOver(open));
  });

  it('tries no other deployment after the first chunk', async () => {
    const open = await over([{ fault: 'cut', chunkDelayMs: 5 }, {}], { countConnectionErrors: true });
    await expect(contents(await open.client.stream('m', begin))).rejects.toThrow();
    expect(open.providers.map(({ requests }) => requests)).toEqual([1, 0]);
    await until(() => isOver(open));
  });

  it('ends when its reader leaves, and when its signal aborts', async () => {
    const open = await over([{ chunkDelayMs: 5, tokens: 1000 }]);
    for await (const chunk of await open.client.stream('m', begin)) {
      expect(chunk.object).toBe('chat.completion.chunk');
      break;
    }
    const controller = new AbortController();
    const chunks = await open.client.stream('m', begin, { signal: controller.signal, routing: { inputTokens: 8 } });
    setTimeout(() => controller.abort(), 60);
    await expect(contents(chunks)).rejects.toBeInstanceOf(RequestCancelledError);
    await until(() => open.providers[0].abandoned === 2);
    await until(() => isOver(open));
    expect(open.router.status()[0]).toMatchObject({ failures: 0, successes: 0 });
  });

  it('ends at the call’s time limit, after its first chunk too', async () => {
    const open = await over([{ chunkDelayMs: 20, tokens: 1000 }]);
    await expect(contents(await open.client.stream('m', begin, { timeoutMs: 1500 }))).rejects.toBeInstanceOf(ProviderError);
    await until(() => open.providers[0].inFlight === 0);
    await until(() => isOver(open));
  });

  it.each(['before it is read', 'between two chunks'])('ends by its signal while it is not read, %s', async (when) => {
    const open = await over([{}]);
    const controller = new AbortController();
    let isLeft = false;
    const endless = async function* (): AsyncGenerator<number> {
      try {
        for (let chunk = 0; ; chunk++) yield chunk;
      } finally {
        isLeft = true;
      }
    };
    const chunks = await open.client.stream('m', async () => endless(), { signal: controller.signal, routing: { inputTokens: 8 } });
    const iterator = chunks[Symbol.asyncIterator]();
    if (when === 'between two chunks') expect(await iterator.next()).toEqual({ done: false, value: 0 });
    controller.abort();
    await until(() => isLeft && isOver(open));
    expect(open.router.status()[0]).toMatchObject({ failures: 0, successes: 0 });
  });

  it('ends the call when the stream is abandoned before it is read', async () => {
    const open = await over([{}]);
    const chunks = await open.client.stream('m', begin);
    await chunks[Symbol.asyncIterator]().return?.();
    await until(() => isOver(open));
  });

  it('does not retry when `onAnswer` throws', async () => {
    const open = await over([{}, {}]);
    const own = new Error('mine');
    const onAnswer = (): never => {
      throw own;
    };
    await expect(open.client.stream('m', begin, { onAnswer })).rejects.toBe(own);
    expect(open.providers.map(({ requests }) => requests)).toEqual([1, 0]);
    await until(() => isOver(open));
  });

  it('ends when `usageOf` throws, and counts no failure', async () => {
    const open = await over([{}, {}]);
    const own = new Error('mine');
    const usageOf = (): never => {
      throw own;
    };
    await expect(contents(await open.client.stream('m', begin, { usageOf }))).rejects.toBe(own);
    expect(open.router.status()).toMatchObject([{ failures: 0, inFlight: 0 }, { failures: 0 }]);
    await until(() => isOver(open));
  });

  it('counts no failure for an answer body that was abandoned', async () => {
    const open = await over([{}]);
    const unread = async function* (): AsyncGenerator<OpenAI.ChatCompletionChunk> {
      yield { choices: [] } as unknown as OpenAI.ChatCompletionChunk;
      throw new BodyAbandonedError('http://provider', 1);
    };
    await expect(contents(await open.client.stream('m', async () => unread()))).rejects.toMatchObject({ code: 'BODY_ABANDONED' });
    expect(open.router.status()).toMatchObject([{ failures: 0, inFlight: 0 }]);
    expect(isOver(open)).toBe(true);
  });

  it('can be empty', async () => {
    const open = await over([{}]);
    const nothing = async function* (): AsyncGenerator<OpenAI.ChatCompletionChunk> {};
    expect(await contents(await open.client.stream('m', async () => nothing()))).toBe('');
    expect(open.router.status()[0].successes).toBe(1);
  });
});
