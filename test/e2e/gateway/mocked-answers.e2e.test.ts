import type { AnswerText, CallEnd, HookedAnswer, HookedCall, ModelCallHook } from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';

// A client, or a deployment, may state its own answer: hooks for answers have to see it as any other.

const SECRET = /4111-\d{4}/g;
const MOCK = 'The card is 4111-1234, as you said.';
const HELLO = [{ role: 'user', content: 'Hello' }];

/** Masks numbers of cards, denies a word, and notes what it has seen. */
class Guard implements ModelCallHook {
  readonly ends: CallEnd[] = [];
  onText(_: HookedCall, { text, isLast }: AnswerText) {
    if (text.includes('forbidden')) return { deny: { message: 'Not here.', code: 'guarded' } };
    return isLast ? text.replaceAll(SECRET, '****') : { pass: '', hold: text };
  }
  onEnd(_: HookedCall, end: CallEnd) {
    this.ends.push(end);
  }
}

/** Keeps answers by the messages alone, as the guide shows it. */
class Cache implements ModelCallHook {
  readonly kept = new Map<string, string>();
  private readonly texts = new WeakMap<HookedCall, { key: string; text: string }>();
  onRequest(call: HookedCall) {
    const key = JSON.stringify(call.body.messages ?? call.body.input);
    const answer = this.kept.get(key);
    if (answer !== undefined) return { answer };
    this.texts.set(call, { key, text: '' });
    return undefined;
  }
  onText(call: HookedCall, { text, kind }: AnswerText) {
    const kept = this.texts.get(call);
    if (kept !== undefined && kind === 'content') kept.text += text;
  }
  onEnd(call: HookedCall, { outcome }: CallEnd) {
    const kept = this.texts.get(call);
    if (outcome === 'succeeded' && kept !== undefined) this.kept.set(kept.key, kept.text);
  }
}

/** Reads whole answers alone. */
class WholeGuard implements ModelCallHook {
  readonly seen: (boolean | undefined)[] = [];
  onAnswer(_: HookedCall, answer: HookedAnswer) {
    this.seen.push(answer.facts.isMocked);
    const json = answer.bytes.toString();
    if (json.includes('forbidden')) return { deny: 'Not here.' };
    return { replace: JSON.parse(json.replaceAll(SECRET, '****')) as Record<string, unknown> };
  }
}

describe('a mocked answer', () => {
  let provider: TestProvider;
  let gateway: GatewayApp;
  beforeAll(async () => {
    provider = await startProvider('openai', { script: 'From the provider.' });
  });
  afterEach(() => gateway.stop());
  afterAll(() => provider.close());

  const start = async (hooks: readonly ModelCallHook[]): Promise<void> => {
    const mocked = { model_name: 'mocked', litellm_params: { model: 'openai/gpt-4o', mock_response: MOCK } };
    const router = { modelList: [provider.deployment('m', { model: 'openai/gpt-4o' }), mocked], numRetries: 0 };
    gateway = await GatewayApp.start('Express', {}, { module: { router, hooks } });
  };
  const APIS: readonly (readonly [path: string, body: object])[] = [
    ['/v1/chat/completions', { messages: HELLO }],
    ['/v1/messages', { messages: HELLO, max_tokens: 99 }],
    ['/v1/responses', { input: 'Hello' }],
    ['/v1/completions', { prompt: 'Hello' }],
  ];

  describe.each(APIS)('of %s', (path, body) => {
    it.each([false, true])('passes onText (stream: %s), of the request and of the deployment', async (stream) => {
      const guard = new Guard();
      await start([guard]);
      for (const more of [{ model: 'm', mock_response: MOCK }, { model: 'mocked' }]) {
        const { status, text } = await gateway.post(path, { ...body, stream, ...more });
        expect(status).toBe(200);
        expect(text).toContain('The card is ****, as you said.');
        expect(text).not.toContain('4111');
      }
      const denied = await gateway.post(path, { ...body, stream, model: 'm', mock_response: 'A forbidden word' });
      expect(denied.text).not.toContain('forbidden');
      expect(denied.text).toContain('Not here.');
      expect(denied.status).toBe(400);
      expect(guard.ends.map(({ outcome, costUsd = 0 }) => [outcome, costUsd])).toEqual([
        ['answered', 0],
        ['answered', 0],
        ['denied', 0],
      ]);
      expect(gateway.llm.client.callsInFlight).toBe(0);
    });
  });

  it('passes onAnswer, which reads that it is mocked, also by its calls of tools', async () => {
    const guard = new WholeGuard();
    await start([guard]);
    const masked = await gateway.post('/v1/chat/completions', { model: 'm', messages: HELLO, mock_response: MOCK });
    expect(masked.text).toContain('The card is ****, as you said.');
    const tool = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":"forbidden"}' } };
    const denied = await gateway.post('/v1/chat/completions', { model: 'm', messages: HELLO, mock_tool_calls: [tool] });
    expect([denied.status, denied.text.includes('forbidden')]).toEqual([400, false]);
    await gateway.post('/v1/chat/completions', { model: 'm', messages: HELLO });
    expect(guard.seen).toEqual([true, true, undefined]);
  });

  it.each([false, true])('is not kept by a cache for others (stream: %s)', async (stream) => {
    const cache = new Cache();
    await start([cache]);
    const ask = async (more: object = {}): Promise<string> =>
      (await gateway.post('/v1/chat/completions', { model: 'm', messages: HELLO, stream, ...more })).text;
    expect(await ask({ mock_response: 'poison' })).toContain('poison');
    expect(await ask()).not.toContain('poison');
    expect([...cache.kept.values()]).toEqual(['From the provider.']);
  });
});
