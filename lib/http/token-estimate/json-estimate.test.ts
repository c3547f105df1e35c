import { engineNames } from '../../../test/support/engine-names.js';
import { jsonBodyEngines } from '../../../test/support/json-body-engines.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { RandomRequests } from '../../../test/support/random-requests.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { DEFAULT_JSON_BOUNDS } from '../../json-body/json-bounds.js';
import { isJsonFault } from '../../json-body/engine/engine.js';
import { JsonBody } from '../body/json-body.js';
import { estimateTokens, promptTokensOf } from './token-estimate.js';

type Fields = Readonly<Record<string, unknown>>;

const quiet = { log: () => {}, warn: () => {}, error: () => {} };
const [scanner] = jsonBodyEngines();

function jsonBody(json: string): JsonBody {
  const bytes = Buffer.from(json);
  const scan = scanner.scan(bytes, DEFAULT_JSON_BOUNDS);
  if (isJsonFault(scan)) throw new Error(JSON.stringify(scan));
  return new JsonBody(bytes, scan);
}

describe.each(engineNames())('tokens counted from bytes by the %s engine', (engine) => {
  const counter = new FastLiteLLM({ logger: quiet, engine, tokenCounter: { estimates: false } }).tokenCounter;
  const parsedTokens = async (json: string, isLarge: boolean): Promise<number> =>
    promptTokensOf(JSON.parse(json) as Fields, { counter, isLarge });

  it.each([true, false])('are corrected by the content of escaped text (large: %s)', async (isLarge) => {
    const { tokenCounter } = new FastLiteLLM({ logger: quiet, engine });
    const body = { model: 'gemini-2.5-pro', messages: [{ role: 'user', content: '今天天气很好，'.repeat(2000) }] };
    const escaped = JSON.stringify(body).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const counted = await promptTokensOf({}, { counter: tokenCounter, isLarge, json: jsonBody(escaped) });
    expect(counted).toBe(tokenCounter.estimatePrompt(body));
    expect(counted).toBeLessThan(counter.estimatePrompt(body));
  });

  it('equal those of the parsed body, small and large', async () => {
    for (let seed = 1; seed <= usuallyOrLong(engine === 'native' ? 10 : 3, 4000); seed++) {
      const requests = new RandomRequests(seed);
      const documents = JSON.stringify([{ title: 'a', text: 'é"\n'.repeat(10_000) }]);
      const grounded = requests.chat().replace('{', `{"documents":${documents},"suffix":"${'b'.repeat(20_000)}",`);
      for (const json of [
        grounded,
        requests.chat(),
        requests.messages(),
        requests.responses(),
        requests.texts('input'),
        requests.texts('prompt'),
      ]) {
        const isLarge = seed % 2 === 0;
        const body = jsonBody(json);
        const expected = await parsedTokens(json, isLarge);
        const counted = await promptTokensOf({}, { counter, isLarge, json: body });
        if (counted !== expected) throw new Error(`${counted} instead of ${expected} tokens (seed ${seed}): ${json}`);
        expect(body.promptTokens).toBe(expected);
        const whole = { counter, tokensPerMinute: 100_000, isLarge };
        const estimated = await estimateTokens(undefined, { ...whole, json: jsonBody(json) });
        expect([seed, estimated]).toEqual([seed, await estimateTokens(JSON.parse(json), whole)]);
      }
    }
  }, 3_600_000);

  it.each([
    [
      'a text that reads like a mark',
      {
        model: 'gpt-4',
        messages: [
          { role: 'user', content: '\uf8ff0' },
          { role: 'user', content: ' a'.repeat(300) },
        ],
      },
    ],
    [
      'a key that reads like a mark',
      {
        model: 'gpt-4',
        messages: [],
        tools: [{ name: 'f', parameters: { properties: { '\uf8ff0': { description: ' a'.repeat(300) } } } }],
      },
    ],
    ['a long name of a model', { model: `gpt-4${' a'.repeat(300)}`, messages: [{ role: 'user', content: 'Hello' }] }],
    [
      'a part that breaks a rule',
      { model: 'gpt-4', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x', detail: 'y'.repeat(300) } }] }] },
    ],
    [
      'text that no rule counts',
      { model: 'gpt-4', messages: [{ role: 'user', content: 'a' }], system: [{ type: 'text', text: 'a', other: '字'.repeat(3000) }] },
    ],
    [
      'several prompts and tools',
      {
        model: 'gpt-4',
        messages: [{ role: 'user', content: ' a'.repeat(300) }],
        input: ' b'.repeat(400),
        tools: [{ name: 'f', description: 'd'.repeat(400) }],
      },
    ],
    [
      'fallbacks with prompts',
      { model: 'gpt-4', messages: [], fallbacks: [{ model: 'x', messages: [{ role: 'user', content: ' a'.repeat(600) }] }] },
    ],
  ])('count %s', async (_, body) => {
    const json = JSON.stringify(body);
    for (const isLarge of [true, false]) {
      const context = { counter, tokensPerMinute: 100_000, isLarge };
      expect(await estimateTokens(undefined, { ...context, json: jsonBody(json) })).toBe(await estimateTokens(body, context));
    }
  });

  it('stop above the remaining tokens, and do not cache such a count', async () => {
    const messages = Array.from({ length: 50 }, () => ({ role: 'user', content: ' a'.repeat(1000) }));
    const json = jsonBody(JSON.stringify({ model: 'gpt-4', messages, max_tokens: 1 }));
    const context = { counter, tokensPerMinute: 10_000, isLarge: true, json };
    const stopped = await estimateTokens(undefined, context, 3000);
    expect(stopped).toBeGreaterThan(3000);
    expect(stopped).toBeLessThanOrEqual(10_000);
    expect(json.promptTokens).toBeUndefined();
    expect(await estimateTokens(undefined, context)).toBe(50 * 1003 + 50 + 3 + 1);
  });
});
