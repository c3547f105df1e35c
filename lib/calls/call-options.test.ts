import { areAnthropics, steeredOptions, type CallOptions } from './call-options.js';

const BOUNDS = { numRetries: 3, timeoutMs: 5000, maxFallbacks: 2, mayCall: (model: string) => model !== 'secret' };
const steered = (body: object, options: CallOptions = {}, sendsFallbacks = false) =>
  steeredOptions({ model: 'm', ...body }, options, BOUNDS, sendsFallbacks);

describe('steeredOptions', () => {
  it.each<[object, object]>([
    [{}, { callerTimeoutMs: undefined, numRetries: undefined, callerClass: undefined, routing: {} }],
    [{ timeout: 4.999 }, { callerTimeoutMs: 4999 }],
    [{ timeout: 5.001 }, { callerTimeoutMs: 5000 }],
    [{ total_timeout: 0.001 }, { callerTotalTimeoutMs: 1 }],
    [{ total_timeout: 86_400 }, { callerTotalTimeoutMs: 86_400_000 }],
    [{ stream_timeout: 2 }, { callerStreamTimeoutMs: 2000 }],
    [{ num_retries: 0 }, { numRetries: 0 }],
    [{ num_retries: 10 }, { numRetries: 3 }],
    [{ num_retries: 2, mock_testing_fallbacks: true }, { numRetries: 0 }],
    [{ priority: 0 }, { callerClass: 'critical' }],
    [{ priority: 127 }, { callerClass: 'default' }],
    [{ priority: 128 }, { callerClass: 'batch' }],
    [{ disable_fallbacks: false }, { disableFallbacks: false }],
    [{ tags: ['a'], routing_strategy: 'least-busy' }, { routing: { tags: ['a'], strategy: 'least-busy' } }],
    [{ metadata: { tags: ['b'] } }, { routing: { tags: ['b'] } }],
    [{ tags: [], metadata: { tags: ['b'] } }, { routing: { tags: [] } }],
    [
      { timeout: null, num_retries: null, priority: null, tags: null },
      { callerTimeoutMs: undefined, numRetries: undefined, routing: {} },
    ],
    [
      { fallbacks: ['a'], context_window_fallbacks: ['b'], content_policy_fallbacks: ['c'] },
      { fallbacks: ['a'], contextWindowFallbacks: ['b'], contentPolicyFallbacks: ['c'] },
    ],
  ])('reads %j', (body, expected) => {
    expect(steered(body)).toEqual(expect.objectContaining(expected));
  });

  it('prefers the options of the program', () => {
    const options = {
      numRetries: 9,
      fallbacks: ['x'],
      contextWindowFallbacks: ['y'],
      contentPolicyFallbacks: ['z'],
      disableFallbacks: false,
    };
    const body = { num_retries: 1, fallbacks: ['a'], context_window_fallbacks: ['b'], content_policy_fallbacks: ['c'] };
    const given = { ...options, routing: { tags: ['own'] } };
    expect(steered({ ...body, disable_fallbacks: true, tags: ['a'], routing_strategy: 's' }, given)).toEqual(
      expect.objectContaining({ ...options, routing: { tags: ['own'], strategy: 's' } }),
    );
  });

  it.each<[string, unknown]>([
    ['timeout', 0.0009],
    ['total_timeout', 86_401],
    ['num_retries', 11],
    ['num_retries', -1],
    ['priority', 0.5],
    ['tags', ['a', 1]],
    ['routing_strategy', ''],
    ['disable_fallbacks', 'yes'],
    ['fallbacks', ['a', 'b', 'c']],
    ['fallbacks', [{ m: ['a', 'b'] }, { n: ['c'] }]],
    ['fallbacks', ['secret']],
    ['fallbacks', 'default'],
    ['context_window_fallbacks', [{ m: ['a', 'secret'] }]],
    ['content_policy_fallbacks', [{ model: 'a', Model: 'b' }]],
  ])('rejects a %s of %j', (field, value) => {
    expect(() => steered({ [field]: value })).toThrow(expect.objectContaining({ path: expect.stringMatching(`^${field}`) }));
  });

  it("leaves fallbacks to Anthropic, but checks the caller's models in them", () => {
    expect(steered({ fallbacks: 'default' }, {}, true).fallbacks).toBeUndefined();
    expect(steered({ fallbacks: [{ model: 'a' }] }, {}, true).fallbacks).toBeUndefined();
    expect(() => steered({ fallbacks: [{ model: 'secret' }] }, {}, true)).toThrow('allowed to use');
  });
});

it.each<[unknown, boolean]>([
  ['default', true],
  ['other', false],
  [undefined, false],
  [{ model: 'a' }, false],
  [[], false],
  [[{ model: 'a' }], true],
  [[{ model: 'a', max_tokens: 1, output_config: {}, speed: 'fast', thinking: {} }], true],
  [[{ model: 'a' }, { model: 'b', temperature: 1 }], false],
  [[{ model: 'a', temperature: 1 }], false],
  [[{ max_tokens: 1 }], false],
  [[{ model: 1 }], false],
  [['a'], false],
  [[null], false],
])('areAnthropics(%j) is %s', (fallbacks, expected) => {
  expect(areAnthropics(fallbacks)).toBe(expected);
});
