import {
  CallHook,
  FastLiteLLM,
  type CallEnd,
  type HookedCall,
  type LlmAnswer,
  type LlmClient,
  type LlmStream,
  type ModelCallHook,
} from 'nestjs-fast-litellm';
import type { ProviderScript, ProviderProtocol } from 'nestjs-fast-litellm/testing';
import { setTimeout as wait } from 'node:timers/promises';
import { stopProviders, testProvider } from '../../support/llm-client-providers.js';
import { isSampled } from '../../support/long.js';
import { until } from '../../support/until.js';

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: FastLiteLLM[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});

type Answer = LlmAnswer | LlmStream;
type Asked = (client: LlmClient, options: { signal?: AbortSignal; timeoutMs?: number }) => Promise<Answer>;

/** Enough for a busy machine to send a request. */
const TIMEOUT_MS = 2_000;

interface Format {
  readonly protocol: ProviderProtocol;
  readonly isStream: boolean;
  /** Whether a hook may answer by a text. */
  readonly hasText: boolean;
  readonly ask: Asked;
}

const messages = [{ role: 'user', content: 'Hello' }];
const long = [{ role: 'user', content: 'Hello '.repeat(4000) }];
const format = (protocol: ProviderProtocol, isStream: boolean, ask: (client: LlmClient, options: object) => Promise<unknown>): Format => ({
  protocol,
  isStream,
  hasText: true,
  ask: ask as Asked,
});
const both = (name: string, protocol: ProviderProtocol, ask: (client: LlmClient, stream: boolean, options: object) => Promise<unknown>) =>
  [false, true].map((stream): [string, Format] => [
    `${name}${stream ? ', streamed' : ''}`,
    format(protocol, stream, (client, options) => ask(client, stream, options)),
  ]);

const FORMATS: [string, Format][] = [
  ...both('chat', 'openai', (client, stream, options) => client.chat({ model: 'm', messages, stream }, options)),
  ...both('chat in bytes', 'openai', (client, stream, options) =>
    client.chat(Buffer.from(JSON.stringify({ model: 'm', messages: long, stream })), options),
  ),
  ...both('chat at Anthropic', 'anthropic', (client, stream, options) => client.chat({ model: 'm', messages, stream }, options)),
  ...both('completions', 'openai', (client, stream, options) => client.completions({ model: 'm', prompt: 'Hello', stream }, options)),
  ...both('responses', 'openai', (client, stream, options) => client.responses({ model: 'm', input: 'Hello', stream }, options)),
  ...both('bridged responses', 'gemini', (client, stream, options) => client.responses({ model: 'm', input: 'Hello', stream }, options)),
  ...both('messages', 'anthropic', (client, stream, options) =>
    client.messages({ model: 'm', messages, max_tokens: 50, stream } as never, options),
  ),
  ...both('bridged messages', 'openai', (client, stream, options) =>
    client.messages({ model: 'm', messages, max_tokens: 50, stream } as never, options),
  ),
  [
    'embeddings',
    { ...format('openai', false, (client, options) => client.embeddings({ model: 'm', input: 'Hello' }, options)), hasText: false },
  ],
];

/** Counts how often each method is called, and keeps the ends. */
@CallHook({ order: 9 })
class Counter implements ModelCallHook {
  readonly counts = { onRequest: 0, onAttempt: 0, onText: 0, onEvent: 0, onAnswer: 0, onEnd: 0 };
  readonly ends: CallEnd[] = [];
  readonly calls = new Set<HookedCall>();

  onRequest(call: HookedCall) {
    this.calls.add(call);
    this.counts.onRequest++;
  }
  onAttempt() {
    this.counts.onAttempt++;
  }
  onText() {
    this.counts.onText++;
  }
  onEvent() {
    this.counts.onEvent++;
  }
  onAnswer() {
    this.counts.onAnswer++;
  }
  onEnd(call: HookedCall, end: CallEnd) {
    this.calls.add(call);
    this.counts.onEnd++;
    this.ends.push(end);
  }
}

interface Outcome {
  readonly hooks?: (format: Format) => ModelCallHook[];
  readonly script?: ProviderScript;
  /** Of another model group, which a failure falls back to. */
  readonly fallback?: ProviderScript;
  /** Whether the client leaves when the provider has its request. */
  readonly leaves?: boolean;
  readonly timeoutMs?: number;
  /** Only for streams. */
  readonly isOfStreams?: boolean;
  readonly attempts: number;
  readonly requested?: number;
  readonly end: Partial<CallEnd> & Pick<CallEnd, 'outcome'>;
  /** Whether the client gets an answer. */
  readonly answers?: boolean;
  readonly code?: string;
}

const fail = () => {
  throw new Error('no');
};
const hang = () => new Promise<never>(() => {});
@CallHook({ timeoutMs: 50 })
class Closed implements ModelCallHook {
  constructor(readonly onRequest: () => never | Promise<never>) {}
}
@CallHook({ timeoutMs: 50, failure: 'open' })
class Open extends Closed {}

const ANSWER = { text: 'Once upon a time', usage: { promptTokens: 10, completionTokens: 5 } };
const OUTCOMES: [string, Outcome][] = [
  ['ok', { attempts: 1, end: { outcome: 'succeeded' }, answers: true }],
  ['an error of the provider', { script: { status: 400 }, attempts: 1, end: { outcome: 'failed' }, code: 'PROVIDER_BAD_REQUEST' }],
  ['a retry', { script: [{ status: 500 }, ANSWER], attempts: 2, end: { outcome: 'succeeded', retries: 1 }, answers: true }],
  ['a fallback', { script: { status: 401 }, fallback: ANSWER, attempts: 2, end: { outcome: 'succeeded', fallbacks: 1 }, answers: true }],
  [
    'a client that leaves',
    { script: { fault: 'hang' }, leaves: true, attempts: 1, end: { outcome: 'cancelled' }, code: 'REQUEST_CANCELLED' },
  ],
  ['a time-out', { script: { fault: 'hang' }, timeoutMs: TIMEOUT_MS, attempts: 1, end: { outcome: 'failed' }, code: 'PROVIDER_TIMEOUT' }],
  [
    'a denial',
    { hooks: () => [{ onRequest: () => ({ deny: 'No.' }) }], attempts: 0, requested: 0, end: { outcome: 'denied' }, code: 'CALL_DENIED' },
  ],
  [
    'an answer of a hook',
    {
      hooks: ({ hasText }) => [{ onRequest: () => ({ answer: hasText ? 'From a hook.' : { object: 'list', data: [] } }) }],
      attempts: 0,
      requested: 0,
      end: { outcome: 'answered', costUsd: 0 },
      answers: true,
    },
  ],
  [
    'a guard that fails closed',
    { hooks: () => [new Closed(fail)], attempts: 0, requested: 0, end: { outcome: 'failed' }, code: 'CALL_HOOK_FAILED' },
  ],
  [
    'a guard that hangs, and fails closed',
    { hooks: () => [new Closed(hang)], attempts: 0, requested: 0, end: { outcome: 'failed' }, code: 'CALL_HOOK_FAILED' },
  ],
  ['a guard that fails open', { hooks: () => [new Open(fail)], attempts: 1, end: { outcome: 'succeeded' }, answers: true }],
  ['a guard that hangs, and fails open', { hooks: () => [new Open(hang)], attempts: 1, end: { outcome: 'succeeded' }, answers: true }],
  [
    'a broken stream',
    {
      script: { ...ANSWER, fault: 'cut', afterChunks: 2 },
      isOfStreams: true,
      attempts: 1,
      end: { outcome: 'failed' },
      code: 'PROVIDER_CONNECTION',
    },
  ],
];

const ROWS = FORMATS.map(([name, each], row) => [name, each, row] as const);

describe.each(ROWS)('hooks of %s', (_, { protocol, isStream, hasText, ask }, row) => {
  const outcomes = OUTCOMES.filter(([, { isOfStreams }], column) => (isOfStreams !== true || isStream) && isSampled(row, column, 3));

  it.each(outcomes)('are called as often as they should be: %s', async (_, outcome) => {
    const { script = ANSWER, fallback, attempts, requested = 1, end, answers = false, code } = outcome;
    const provider = await testProvider(protocol, { script });
    const other = await testProvider(protocol, { script: fallback });
    const prices = { input_cost_per_token: 0.001, output_cost_per_token: 0.01 };
    const counter = new Counter();
    const llm = new FastLiteLLM({
      router: {
        modelList: [provider.deployment('m', prices), other.deployment('other', prices)],
        numRetries: fallback === undefined ? 1 : 0,
        fallbacks: fallback === undefined ? [] : [{ m: ['other'] }],
        retryAfterMs: 0,
      },
      hooks: [...(outcome.hooks?.({ protocol, isStream, hasText, ask }) ?? []), counter],
      logger: quiet,
    });
    opened.push(llm);

    const { leaves = false, timeoutMs } = outcome;
    const leaving = new AbortController();
    const reading = read(ask(llm.client, { signal: leaving.signal, timeoutMs }));
    if (leaves) {
      await until(() => provider.requests.length === 1);
      leaving.abort();
    }
    const error = await reading;
    if (answers) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code });
    await wait(5);

    const isAnswered = answers && end.outcome === 'succeeded';
    // The provider's words in an error are a text, too.
    const texts = (isAnswered && hasText) || code === 'PROVIDER_BAD_REQUEST' ? expect.any(Number) : 0;
    expect(counter.counts).toEqual({
      onRequest: requested,
      onAttempt: attempts,
      onText: outcome.isOfStreams === true ? expect.any(Number) : texts,
      onEvent: isStream && (isAnswered || outcome.isOfStreams === true) ? expect.any(Number) : 0,
      onAnswer: isAnswered && !isStream ? 1 : 0,
      onEnd: 1,
    });
    if (texts !== 0) expect(counter.counts.onText).toBeGreaterThan(0);
    expect(counter.calls.size).toBe(1);
    const [ended] = counter.ends;
    expect(ended).toMatchObject({ ...end, attempts, durationMs: expect.any(Number) });
    if (isAnswered) {
      expect(ended.inputTokens).toBe(10);
      expect(ended.costUsd).toBeCloseTo(0.01 + 0.01 * (ended.outputTokens ?? 0), 9);
      expect(ended.deploymentId).toBe(`${fallback === undefined ? provider.name : other.name}/${fallback === undefined ? 'm' : 'other'}`);
    }
    if (outcome.isOfStreams === true) expect(ended.costUsd).toBeGreaterThan(0);
    expect(llm.client.callsInFlight).toBe(0);
    expect(llm.router.status().every(({ inFlight }) => inFlight === 0)).toBe(true);
  });
});

/** Reads an answer to its end; returns its error. */
async function read(asked: Promise<Answer>): Promise<unknown> {
  try {
    const answer = await asked;
    if ('bytes' in answer) JSON.parse(answer.bytes.toString());
    else for await (const event of answer) expect(event).toBeDefined();
    return undefined;
  } catch (error) {
    return error;
  }
}
