import { AssertionError } from 'node:assert';
import { FastLiteLLM, type RouterOptions } from 'nestjs-fast-litellm';
import { recordCalls, startProvider, type CallRecording, type ProviderScript, type TestProvider } from '../testing.js';

const HELLO = { messages: [{ role: 'user' as const, content: 'A secret question' }] };
const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const opened: { close(): Promise<void> }[] = [];

/** A client whose group `fast` falls back to `safe`, each of one provider. */
async function twoGroups(first: ProviderScript, second: ProviderScript = 'Hello', settings: RouterOptions = {}) {
  const fast = await startProvider('openai', { name: 'one', script: first });
  const safe = await startProvider('anthropic', { name: 'two', script: second });
  const modelList = [fast.deployment('fast'), safe.deployment('safe')];
  const router = { modelList, fallbacks: [{ fast: ['safe'] }], numRetries: 0, ...settings };
  const llm = new FastLiteLLM({ router, logger: quiet });
  opened.push(fast, safe, llm);
  return { fast, safe, llm, calls: recordCalls(llm), ask: (more: object = {}) => llm.client.chat({ model: 'fast', ...HELLO, ...more }) };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
});

it('records a fallback, its attempts and its cost', async () => {
  const usage = { promptTokens: 1000, completionTokens: 100 };
  const { fast, safe, calls, ask } = await twoGroups({ status: 503 }, { usage });
  await ask();
  calls
    .called(1)
    .succeeded()
    .failed(0)
    .cancelled(0)
    .nothingInFlight()
    .attempted(2)
    .retried(0)
    .fellBackOnce()
    .fellBack(1)
    .sentTo(fast)
    .sentTo('one/fast', 1)
    .sentInOrder(fast, safe)
    .sentInOrder('one/fast', safe.deployment('safe'))
    .answeredBy(safe)
    .usedAtMost(1100)
    .spentAtMost(0.0046);
  expect(calls.spentUsd).toBeCloseTo((1000 * 3 + 100 * 15) / 1e6, 10);
  expect(calls.calls).toMatchObject([{ operation: 'chat', model: 'fast', attempts: [{ number: 1 }, { number: 2 }] }]);
});

it('records retries, failures and cancelled streams', async () => {
  const { fast, safe, calls, ask, llm } = await twoGroups(
    [{ status: 500 }, { text: 'one two', chunkDelayMs: 60_000 }, { status: 400 }],
    'Hello',
    {
      numRetries: 1,
      fallbacks: [],
    },
  );
  const stream = (await ask({ stream: true })) as unknown as AsyncIterable<unknown>;
  expect(() => calls.nothingInFlight()).toThrow('expected exactly 0 calls and attempts in flight, got 2');
  for await (const chunk of stream) {
    expect(chunk).toBeDefined();
    break;
  }
  await expect(ask()).rejects.toMatchObject({ providerStatus: 400 });
  calls.called(2).retried().failed(1).cancelled(1).nothingInFlight().notSentTo(safe).sentTo(fast, 3);
  calls.clear();
  calls.stop();
  await llm.client.chat({ model: 'safe', ...HELLO });
  calls.called(0);
});

it('records two recordings, and calls of execute()', async () => {
  const { calls, llm } = await twoGroups('Hello');
  const others = recordCalls(llm.client);
  await llm.client.execute('fast', () => Promise.resolve({ usage: { prompt_tokens: 5, completion_tokens: 2 } }));
  for (const each of [calls, others]) each.called(1).answeredBy('one/fast').usedAtMost(7);
});

describe('a failed expectation', () => {
  const cases: readonly [string, (calls: CallRecording, one: TestProvider, two: TestProvider) => unknown, string][] = [
    ['called', (calls) => calls.called(2), 'expected exactly 2 calls, got 1'],
    ['succeeded', (calls) => calls.succeeded(0), 'expected exactly 0 calls that succeeded, got 1'],
    ['failed', (calls) => calls.failed(), 'expected exactly 1 calls that failed, got 0'],
    ['retried', (calls) => calls.retried(2), 'expected exactly 2 retries, got 0'],
    ['fellBack', (calls) => calls.fellBack(0), 'expected exactly 0 fallbacks, got 1'],
    ['sentTo', (calls) => calls.sentTo('none'), 'expected at least 1 attempts at none, got 0'],
    ['notSentTo', (calls, one) => calls.notSentTo(one), 'expected exactly 0 attempts at one, got 1'],
    ['sentInOrder', (calls, one, two) => calls.sentInOrder(two, one), 'expected attempts at two, one, got one/fast, two/safe'],
    ['answeredBy', (calls, one) => calls.answeredBy(one), 'expected answers of one, got 1 of other deployments'],
    ['spentAtMost', (calls) => calls.spentAtMost(0.001), 'expected at most 0.001 USD, got 0.0045'],
    ['usedAtMost', (calls) => calls.usedAtMost(10), 'expected at most 10 tokens, got 1100'],
  ];

  it('is an AssertionError that lists the calls, without a word of the prompt', async () => {
    const { fast, safe, calls, ask } = await twoGroups({ status: 503 }, { usage: { promptTokens: 1000, completionTokens: 100 } });
    await ask();
    for (const [name, expectation, message] of cases) {
      let thrown: unknown;
      try {
        expectation(calls, fast, safe);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(AssertionError);
      const { message: text, operator, stack } = thrown as AssertionError;
      expect([text.split('\n')[0], operator]).toEqual([message, name]);
      expect(stack).not.toContain('CallRecording.');
    }
    expect(calls.toString().split('\n')).toEqual([
      'recorded calls:',
      '  1. chat of fast: succeeded, retries: 0, fallbacks: 1',
      '     attempt 1 at one/fast: PROVIDER_SERVER, status 503',
      '     attempt 2 at two/safe: succeeded, status 200, 1000 + 100 tokens, 0.0045 USD',
    ]);
  });

  it('says which deployment has no price', async () => {
    const local = await startProvider('openai', { name: 'local' });
    const llm = new FastLiteLLM({ router: { modelList: [local.deployment('m', { model: 'openai/own-model' })] }, logger: quiet });
    opened.push(local, llm);
    const calls = recordCalls(llm);
    calls.spentAtMost(0);
    await llm.client.chat({ model: 'm', ...HELLO });
    expect(() => calls.spentAtMost(1)).toThrow('expected a cost of at most 1 USD, but the deployment local/m has no price');
  });
});
