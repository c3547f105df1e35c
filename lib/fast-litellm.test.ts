import { EXPECTED_HEALTH } from '../test/e2e/observability/expected-health.js';
import { until } from '../test/support/until.js';
import { NativeEngineUnavailableError } from './common/errors.js';
import { VERSION } from './common/version.js';
import { openNativeBinding } from './engine/native-binding.js';
import { FastLiteLLM } from './fast-litellm.js';
import type { FastLiteLLMOptions } from './fast-litellm.options.js';
import type { RateLimitStore } from './rate-limit/store.js';

const lines: string[] = [];
const say = (message: string) => void lines.push(message);
const logger = { log: say, warn: say, error: say };
beforeEach(() => (lines.length = 0));

describe('FastLiteLLM', () => {
  it('says in one line per capability which engine answers, and why', () => {
    new FastLiteLLM({ logger });
    expect(lines).toEqual([
      expect.stringMatching(/^Rate limiter: uses the (native|TypeScript) engine \(.+\)$/),
      expect.stringMatching(/^Connection pool: uses the (native|TypeScript) engine \(.+\)$/),
      expect.stringMatching(/^JSON bodies: uses the (native|TypeScript) engine \(.+\)$/),
      expect.stringMatching(/^Token counter: uses the (native|TypeScript) engine \(.+\)$/),
      expect.stringMatching(/^Router: uses the (native|TypeScript) engine \(.+\)$/),
    ]);
  });

  it('writes no line with logger: false', () => {
    const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    new FastLiteLLM({ logger: false });
    expect(write).not.toHaveBeenCalled();
    new FastLiteLLM();
    expect(write).toHaveBeenCalled();
    write.mockRestore();
  });

  it('warns about a tokenizer of the Hugging Face Hub, which is not downloaded', () => {
    const entry = { model_name: 'house', litellm_params: { model: 'openai/house', api_key: 'sk-none' } };
    const custom_tokenizer = { identifier: 'deepseek-ai/DeepSeek-V3', revision: 'main', auth_token: 'hf-secret' };
    new FastLiteLLM({ logger, router: { modelList: [{ ...entry, model_info: { custom_tokenizer } }] } });
    const place = "model_list['house'].model_info.custom_tokenizer";
    expect(lines).toContain(
      `Token counter: ${place} has no effect (tokenizers are not downloaded from the Hugging Face Hub); set its file or package`,
    );
    expect(lines.join()).not.toContain('hf-secret');
    expect(() => new FastLiteLLM({ logger, router: { modelList: [{ ...entry, model_info: { custom_tokenizer: 'qwen' } }] } })).toThrow(
      `${place}: must be an object with a package or a file, such as { package: name }, got "qwen"`,
    );
  });

  it('reports health from real checks', () => {
    const health = new FastLiteLLM({ logger }).healthCheck();
    const { binding, reason } = openNativeBinding();
    expect(health).toMatchObject({
      status: EXPECTED_HEALTH,
      rustAvailable: binding !== null,
      components: { token_counting: { status: 'ok', engine: binding === null ? 'typescript' : 'native' } },
    });
    expect(health.reason).toBe(reason);
  });

  it('warns about an option of an earlier version and starts', async () => {
    const lines: string[] = [];
    const warn = (line: string): void => void lines.push(line);
    const llm = new FastLiteLLM({ logger: { log: () => {}, warn, error: warn }, calibrate: 'full' } as FastLiteLLMOptions, { env: {} });
    expect(lines).toEqual(['Options: calibrate no longer has an effect; remove it']);
    await llm.close();
  });

  it('never opens the addon with engine: typescript', async () => {
    const llm = new FastLiteLLM({ logger, engine: 'typescript' }, { env: {} });
    expect(await llm.healthCheckAsync()).toMatchObject({
      status: 'ok',
      rustAvailable: false,
      reason: 'addon not loaded: the option engine is typescript',
      components: { token_counting: { engine: 'typescript' } },
    });
    expect(llm.tokenCounter.countTokens('hello world', 'gpt-4')).toBe(2);
  });

  it('starts with engine: native only where the addon works', () => {
    const boot = () => new FastLiteLLM({ logger, engine: 'native' }, { env: {} });
    if (openNativeBinding().binding === null) expect(boot).toThrow(NativeEngineUnavailableError);
    else expect(boot().healthCheck()).toMatchObject({ rustAvailable: true, components: { token_counting: { engine: 'native' } } });
  });

  it('lets the environment decide before the options', () => {
    const env = { FAST_LITELLM_ENGINE: 'typescript', FAST_LITELLM_RUST_ROUTING: 'canary:3' };
    const llm = new FastLiteLLM({ logger, engine: 'native', featureFlags: { features: { rust_routing: false } } }, { env });
    expect(llm.healthCheck().components.token_counting.engine).toBe('typescript');
    expect(llm.featureFlags.getFeatureStatus().rust_routing.state).toBe('canary:3');
  });

  it('stays right while errors switch the native engine off, and says so', () => {
    const llm = new FastLiteLLM({ logger, featureFlags: { errorThreshold: 1 } }, { env: {} });
    llm.featureFlags.recordError('rust_token_counting', new Error('panicked'));
    expect(llm.tokenCounter.countTokens('hello world', 'gpt-4')).toBe(2);
    const { binding } = openNativeBinding();
    expect(llm.healthCheck().components.token_counting).toMatchObject({
      engine: 'typescript',
      status: binding === null ? 'ok' : 'degraded',
    });
    llm.featureFlags.resetErrors();
    expect(llm.healthCheck().components.token_counting).toMatchObject({ status: 'ok' });
  });

  it('counts batches by TypeScript when their flag is off', async () => {
    const llm = new FastLiteLLM({ logger, featureFlags: { features: { batch_token_counting: 'shadow' } } }, { env: {} });
    expect(llm.tokenCounter.countTokensBatch(['hello world', ''], 'gpt-4')).toEqual([2, 0]);
    await expect(llm.tokenCounter.countTokensBatchAsync(['hello world', ''], 'gpt-4')).resolves.toEqual([2, 0]);
    const sample = (name: string) => llm.metrics().find((s) => s.name === name && s.labels?.capability === 'batch_token_counting');
    expect(sample('engine_info')?.labels?.engine).toBe('typescript');
    // The native half of the promise form runs on after its answer.
    const expected = openNativeBinding().binding === null ? 0 : 2;
    await until(() => sample('shadow_runs_total')?.value === expected);
  });

  it('leaves no resources open if an option that is read late is invalid', async () => {
    const closed: string[] = [];
    const opened: string[] = [];
    const sharedState = {
      start: () => void opened.push('router'),
      health: () => ({}),
      close: () => Promise.resolve(void closed.push('router')),
    };
    const store = (memory: RateLimitStore): RateLimitStore => {
      opened.push('rate limiter');
      return Object.assign(Object.create(memory) as RateLimitStore, { close: () => void closed.push('rate limiter') });
    };
    const boot = () =>
      new FastLiteLLM({ logger, accelerate: true, rateLimit: { store }, router: { sharedState }, shutdown: { drainMs: -1 } }, { env: {} });
    expect(boot).toThrow(expect.objectContaining({ path: 'shutdown.drainMs' }));
    expect(opened).toEqual(['rate limiter', 'router']);
    await until(() => closed.length === opened.length);
    expect(closed).toEqual(expect.arrayContaining(opened));
    const other = new FastLiteLLM({ logger }, { env: {} });
    expect(other.acceleration.status().applied).toBe(false);
    await other.close();
  });

  it('says of options of two kinds that they may be either', () => {
    const boot = (metrics: unknown) => () => new FastLiteLLM({ logger, metrics: metrics as boolean }, { env: {} });
    expect(boot('yes')).toThrow('metrics: must be true, false or an object, got "yes"');
    expect(boot({ prefix: '1' })).toThrow('metrics.prefix');
  });

  it('can be closed more than once', async () => {
    const llm = new FastLiteLLM({ logger, metrics: true });
    await llm.close();
    await expect(llm.close()).resolves.toBeUndefined();
  });
});

describe('VERSION', () => {
  it('is the one of the manifest', () => expect(VERSION).toBe(jest.requireActual<{ version: string }>('../package.json').version));
});
