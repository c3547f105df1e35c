import type { CallRecord, LlmClientOptions, RouterOptions } from 'nestjs-fast-litellm';
import { FastLiteLLM, RequestCancelledError, setPrincipal } from 'nestjs-fast-litellm';
import { deploymentOf, HELLO, provider, scripted, stopProviders } from '../../../test/support/llm-client-providers.js';
import { until } from '../../../test/support/until.js';

const PRICED = { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6, cache_read_input_token_cost: 5e-7 };

describe('records of calls', () => {
  const opened: FastLiteLLM[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((llm) => llm.close()));
    await stopProviders();
  });

  const lines: string[] = [];
  const open = (router: RouterOptions, llmClient: LlmClientOptions = {}) => {
    const error = (line: string): void => void lines.push(line);
    const llm = new FastLiteLLM({ router, llmClient, logger: { log: () => {}, warn: () => {}, error } });
    opened.push(llm);
    const records: CallRecord[] = [];
    const stop = llm.client.onRecord((record) => void records.push(record));
    return { client: llm.client, records, stop };
  };
  const usage = {
    prompt_tokens: 10,
    completion_tokens: 20,
    total_tokens: 30,
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 5 },
  };

  const message = { role: 'assistant', content: 'Hi' };
  const whole = { id: 'chatcmpl-1', object: 'chat.completion', model: 'gpt-4o', choices: [{ index: 0, message, finish_reason: 'stop' }] };
  /** A provider that reports this usage. */
  const billing = async (name: string) => {
    const apiBase = await scripted((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ ...whole, usage }));
    });
    return { name, apiBase };
  };

  it('have who called, what answered, and usage and cost by kind', async () => {
    const a = await billing('a');
    const { client, records } = open({ modelList: [deploymentOf('group', a, PRICED)] });
    const request = {
      ip: '203.0.113.7',
      headers: {
        'x-litellm-end-user-id': 'eve',
        'x-litellm-tags': 'blue, red',
        'x-claude-session-id': 'session-12345',
        'user-agent': 'tool/1',
        'x-request-id': 'r-1',
        traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
      },
    };
    const principal = { limitKey: 'key:k1', keyId: 'k1', alias: 'mine', user: 'ann', team: 'red', tags: ['own'], metadata: {} };
    setPrincipal(request, { ...principal, isAdmin: false, mayCall: () => true });
    const before = Date.now();
    await client.chat({ model: 'group', messages: HELLO, user: 'other', metadata: { tags: ['asked'] } }, { request });
    expect(records).toHaveLength(1);
    const [record] = records;
    expect(record).toMatchObject({
      operation: 'chat',
      stream: false,
      model: 'group',
      group: 'group',
      deploymentId: 'a',
      provider: 'openai',
      upstreamModel: 'gpt-4o',
      apiBaseHost: new URL(a.apiBase).host,
      keyId: 'k1',
      keyAlias: 'mine',
      user: 'ann',
      team: 'red',
      endUser: 'eve',
      tags: ['asked', 'blue', 'red', 'own'],
      sessionId: 'session-12345',
      requestId: 'r-1',
      traceId: 'ab'.repeat(16),
      ip: '203.0.113.7',
      userAgent: 'tool/1',
      usage: { prompt: 10, completion: 20, total: 30, cacheRead: 4, reasoning: 5, audioIn: 0 },
      nanoUsd: 6_000 + 2_000 + 40_000,
      costParts: { input: 6_000, cacheRead: 2_000, output: 30_000, reasoning: 10_000 },
      isEstimated: false,
      status: 'success',
      httpStatus: 200,
      retries: 0,
      fallbacks: 0,
    });
    expect(record.startedAtMs).toBeGreaterThanOrEqual(before - 1);
    expect(record.endedAtMs - record.startedAtMs).toBe(Math.round(record.durationMs));
    expect(record.attempts).toHaveLength(1);
    expect(record.attempts[0]).toMatchObject({ number: 1, deploymentId: 'a', status: 'success', nanoUsd: record.nanoUsd });
  });

  it.each([
    ['body.user', { user: 'eve' }],
    ['litellm_metadata.user', { litellm_metadata: { user: 'eve' } }],
    ['metadata.user_id', { metadata: { user_id: 'eve' } }],
    ['safety_identifier', { safety_identifier: 'eve' }],
  ])('have the end user of %s', async (_, more) => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a'))] });
    await client.chat({ model: 'group', messages: HELLO, ...more });
    expect(records[0].endUser).toBe('eve');
  });

  it.each<[string, object, object]>([
    ['x-litellm-session-id', { 'x-litellm-session-id': 's-1' }, {}],
    ["Codex's header", { session_id: 's-1' }, {}],
    ['litellm_session_id', {}, { litellm_session_id: 's-1' }],
    ['metadata.session_id', {}, { metadata: { session_id: 's-1' } }],
    ["Claude Code's user", {}, { metadata: { user_id: 'user_a_account__session_s-1' } }],
    ["Claude Code's user in JSON", {}, { metadata: { user_id: '{"session_id":"s-1"}' } }],
    ['baggage', { baggage: 'a=b, session.id=s-1;p' }, {}],
  ])('have the session of %s', async (_, headers, more) => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a'))] });
    await client.chat({ model: 'group', messages: HELLO, ...more }, { request: { headers } });
    expect(records[0].sessionId).toBe('s-1');
  });

  it('add up the attempts of a call, each with its own cost', async () => {
    const [bad, good] = [await provider('bad', { fault: 'status' }), await billing('good')];
    const modelList = [deploymentOf('first', bad, PRICED), deploymentOf('second', good, PRICED)];
    const { client, records } = open({ modelList, fallbacks: [{ first: ['second'] }], numRetries: 0 });
    await client.chat({ model: 'first', messages: HELLO });
    const [record] = records;
    expect(record).toMatchObject({ model: 'first', group: 'second', deploymentId: 'good', status: 'success', fallbacks: 1 });
    expect(record.attempts.map(({ number, group, status, httpStatus }) => [number, group, status, httpStatus])).toEqual([
      [1, 'first', 'failure', 500],
      [2, 'second', 'success', 200],
    ]);
    expect(record.nanoUsd).toBe(record.attempts.reduce((sum, { nanoUsd = 0 }) => sum + nanoUsd, 0));
  });

  it('of streams come at their end, with the time to the first chunk', async () => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a', { chunkDelayMs: 20 }), PRICED)] });
    const stream = await client.chat({ model: 'group', messages: HELLO, stream: true });
    expect(records).toEqual([]);
    await drained(stream);
    expect(records).toHaveLength(1);
    const { timeToFirstTokenMs = NaN, durationMs, stream: isStream } = records[0];
    expect(isStream).toBe(true);
    expect(timeToFirstTokenMs).toBeLessThanOrEqual(durationMs);
  });

  it('of failed, denied and cancelled calls say why', async () => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a', { fault: 'status', status: 400 }))] });
    await expect(client.chat({ model: 'group', messages: HELLO })).rejects.toThrow();
    await expect(client.chat({ model: 'none', messages: HELLO })).rejects.toThrow();
    const signal = AbortSignal.abort();
    await expect(client.chat({ model: 'group', messages: HELLO }, { signal })).rejects.toBeInstanceOf(RequestCancelledError);
    const stop = client.addHook({ onRequest: () => ({ deny: 'no' }) });
    await expect(client.chat({ model: 'group', messages: HELLO })).rejects.toThrow();
    stop();
    expect(records.map(({ status, errorKind, httpStatus }) => [status, errorKind, httpStatus])).toEqual([
      ['failure', 'bad_request', 400],
      ['failure', 'not_found', 404],
      ['cancelled', undefined, 499],
      ['denied', 'denied', 400],
    ]);
    expect(records.every(({ errorCode }) => typeof errorCode === 'string')).toBe(true);
  });

  it('of a cancelled stream include what was read of it after its caller left', async () => {
    const a = await provider('a', { chunkDelayMs: 20 });
    const { client, records } = open({ modelList: [deploymentOf('group', a, PRICED)] }, { onAbort: 'drain' });
    const stream = await client.chat({ model: 'group', messages: HELLO, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) if (chunk !== undefined) break;
    await until(() => records.length > 0);
    expect(records).toMatchObject([{ status: 'cancelled', httpStatus: 499, usage: { prompt: 4, completion: 12 } }]);
  });

  it('have bodies as hooks have left them, for listeners that ask for them', async () => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a', { tokens: 2 }), PRICED)] });
    const whole: CallRecord[] = [];
    const stop = client.onRecord((record) => void whole.push(record), { bodies: true });
    client.addHook({
      onRequest: ({ body }) => ({ replace: { ...body, messages: [{ role: 'user', content: 'redacted' }] } }),
      onText: ({ stream }, { text, isLast }) => (stream ? undefined : isLast ? 'guarded' : text),
    });
    const answer = await client.chat({ model: 'group', messages: HELLO });
    await drained(await client.chat({ model: 'group', messages: HELLO, stream: true }));
    await client.execute('group', () => Promise.resolve({ id: 'own' })).catch(() => {});
    stop();
    await client.chat({ model: 'group', messages: HELLO });
    expect(records).toHaveLength(4);
    expect(records.every((record) => !('request' in record))).toBe(true);
    expect(whole).toHaveLength(3);
    expect(whole[0].request?.()).toMatchObject({ messages: [{ content: 'redacted' }] });
    expect(whole[0].answer?.()).toEqual(answer.json());
    expect(whole[0]).toMatchObject({ responseId: answer.json().id, finishReasons: [answer.json().choices[0].finish_reason] });
    const events = whole[1].answer?.() as { readonly choices: readonly { readonly delta: { readonly content?: string } }[] }[];
    expect(events.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).not.toBe('');
    expect(whole[1].finishReasons).toHaveLength(1);
  });

  it('of calls with a send of the app', async () => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a'), PRICED)] });
    await client.execute('group', () => Promise.resolve({ usage }), { operation: 'mine' });
    expect(records).toMatchObject([{ operation: 'mine', usage: { prompt: 10 }, nanoUsd: 48_000 }]);
  });

  it('cost nothing if a hook answers', async () => {
    const { client, records } = open({ modelList: [deploymentOf('group', await provider('a'), PRICED)] });
    client.addHook({ onRequest: () => ({ answer: 'from the hook' }) });
    await client.chat({ model: 'group', messages: HELLO });
    expect(records).toMatchObject([{ status: 'success', nanoUsd: 0, attempts: [] }]);
  });

  it('end with their listener, whose errors are logged once and change nothing', async () => {
    const { client, records, stop } = open({ modelList: [deploymentOf('group', await provider('a'))] });
    lines.length = 0;
    const fail = client.onRecord(() => {
      throw new TypeError('secret');
    });
    for (let i = 0; i < 2; i++) await client.chat({ model: 'group', messages: HELLO });
    expect(lines).toEqual(['Call records: a listener threw (TypeError); calls continue; further errors are not logged']);
    expect(records).toHaveLength(2);
    stop();
    fail();
    await client.chat({ model: 'group', messages: HELLO });
    expect(records).toHaveLength(2);
  });
});

async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  const chunks = stream[Symbol.asyncIterator]();
  while ((await chunks.next()).done !== true);
}
