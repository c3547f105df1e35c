import { ProviderError, type ExecuteOptions, type Send } from 'nestjs-fast-litellm';
import { RequestContext } from '../../../lib/http/request-context.js';
import { clientOf, closeClients, isOver } from '../../support/llm-client-setup.js';
import { deploymentOf } from '../../support/llm-client-providers.js';
import { reservationOf } from '../../support/reservation.js';
import { until } from '../../support/until.js';

// What calls by a `send` of the caller's own settle of the tokens that were reserved for their request.

afterEach(closeClients);

const RESERVED = 1000;
const STANDS = 'the reservation stands';
const coded = (code: string): Error => Object.assign(new Error(code), { code });
const status = (value: number): Error => Object.assign(new Error('refused'), { status: value });

/** A client, and a request with a reservation; `end` gives what was settled of it. */
function open() {
  const { client, ...rest } = clientOf({ modelList: [deploymentOf('m', { name: 'a', apiBase: 'http://127.0.0.1:1/v1' })], numRetries: 0 });
  const request = {};
  const settled: number[] = [];
  const limiter = {
    options: { budgets: { reserve: 'worst' } },
    settleHeld: (_: unknown, tokens: number) => void settled.push(tokens),
    charge: () => {},
    release: () => {},
  };
  const context = RequestContext.of(request);
  context.hold.add(limiter as never, reservationOf(RESERVED));
  const end = (failed: boolean): number | string => {
    context.hold.end(failed);
    return settled[0] ?? STANDS;
  };
  return { client, request, end, isDone: () => isOver({ client, ...rest }) };
}

const counted: ExecuteOptions = { routing: { inputTokens: 50 } };

describe('execute', () => {
  it.each<[string, Send<unknown>, ExecuteOptions, number | string]>([
    ['a broken connection', () => Promise.reject(coded('ECONNRESET')), counted, 50],
    ['a time limit', () => new Promise<never>(() => {}), { ...counted, timeoutMs: 20 }, 50],
    [
      'an answer that cannot be read',
      () => Promise.reject(new ProviderError({ kind: 'malformed', message: 'no', provider: 'x', deploymentId: 'a' })),
      counted,
      50,
    ],
    ['an error status', () => Promise.reject(status(500)), counted, 0],
    ['429', () => Promise.reject(status(429)), counted, 0],
    ['a connection that was refused', () => Promise.reject(coded('ECONNREFUSED')), counted, 0],
    ['a mistake of the program', () => Promise.reject(new TypeError('x is not a function')), counted, 0],
    ['a broken connection, with a prompt that was not counted', () => Promise.reject(coded('ECONNRESET')), {}, STANDS],
    ['an error status, with a prompt that was not counted', () => Promise.reject(status(500)), {}, 0],
  ])('settles what a failed attempt costs: %s', async (_, send, options, expected) => {
    const { client, request, end } = open();
    await expect(client.execute('m', send, { ...options, request })).rejects.toBeDefined();
    expect(end(true)).toBe(expected);
  });

  it('settles the usage of the answer, and what failed attempts cost besides', async () => {
    const { client, request, end } = open();
    let attempts = 0;
    const send = async (): Promise<object> => {
      if (attempts++ === 0) throw coded('ECONNRESET');
      return { usage: { prompt_tokens: 40, completion_tokens: 7 } };
    };
    await client.execute('m', send, { ...counted, request, fallbacks: [{ model: 'm', temperature: 0 }] });
    expect(end(false)).toBe(97);
  });

  it('keeps the reservation of an answer without a usage', async () => {
    const { client, request, end } = open();
    await client.execute('m', async () => 'text', { ...counted, request });
    expect(end(false)).toBe(STANDS);
  });

  it('settles the usage of an answer whose onAnswer throws', async () => {
    const { client, request, end } = open();
    const onAnswer = (): never => {
      throw new Error('mine');
    };
    const send = async (): Promise<object> => ({ usage: { prompt_tokens: 40, completion_tokens: 7 } });
    await expect(client.execute('m', send, { ...counted, request, onAnswer })).rejects.toThrow('mine');
    expect(end(true)).toBe(47);
  });
});

describe('stream', () => {
  async function* chunks(count: number, error?: Error): AsyncGenerator<object> {
    for (let chunk = 0; chunk < count; chunk++) yield { chunk };
    if (error !== undefined) throw error;
    yield { usage: { prompt_tokens: 40, completion_tokens: count } };
  }
  const read = async (stream: AsyncIterable<object>, most = Infinity): Promise<void> => {
    let seen = 0;
    for await (const chunk of stream) if (chunk !== undefined && ++seen >= most) break;
  };

  it('settles the usage that its last chunk reports', async () => {
    const { client, request, end } = open();
    await read(await client.stream('m', async () => chunks(3), { ...counted, request }));
    expect(end(false)).toBe(43);
  });

  it.each<[string, ExecuteOptions, number | string]>([
    ['the prompt and a token for each chunk', counted, 53],
    ['nothing, and the reservation stands, where the prompt was not counted', {}, STANDS],
  ])('settles %s when it breaks', async (_, options, expected) => {
    const { client, request, end } = open();
    const stream = await client.stream('m', async () => chunks(3, coded('ECONNRESET')), { ...options, request });
    await expect(read(stream)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(end(false)).toBe(expected);
  });

  it('settles what had arrived when its reader leaves', async () => {
    const { client, request, end, isDone } = open();
    await read(await client.stream('m', async () => chunks(100), { ...counted, request }), 2);
    await until(isDone);
    expect(end(false)).toBe(52);
  });

  it('gives everything back where an error status answers it', async () => {
    const { client, request, end } = open();
    await expect(client.stream('m', () => Promise.reject(status(503)), { ...counted, request })).rejects.toMatchObject({ status: 503 });
    expect(end(true)).toBe(0);
  });
});
