import { engineNames } from '../../test/support/engine-names.js';
import type { FastLiteLLMOptions } from '../fast-litellm.options.js';
import { FastLiteLLM } from '../fast-litellm.js';

type Entry = readonly [group: string, model: string, info?: Readonly<Record<string, unknown>>, params?: Readonly<Record<string, unknown>>];

const TEXT = '天气怎么样? Der Fluß fließt, and 12345 `const a = [1];`';
const png = `data:image/png;base64,${Buffer.from(`89504e470d0a1a0a0000000d49484452${'00000800'}${'00000300'}0806000000`, 'hex').toString('base64')}`;
const logged: string[] = [];
const logger = { log: (line: string) => logged.push(line), warn: () => {}, error: () => {} };
beforeEach(() => (logged.length = 0));

const listOf = (entries: readonly Entry[]) =>
  entries.map(([model_name, model, model_info, params]) => ({
    model_name,
    litellm_params: { model, api_key: 'k', api_base: 'http://127.0.0.1:1', ...params },
    model_info,
  }));
const body = (model: string) => ({
  model,
  messages: [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: TEXT },
        { type: 'image_url', image_url: { url: png } },
      ],
    },
  ],
  tools: [
    { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } } },
  ],
});

describe.each(engineNames())('a model group on the %s engine', (engine) => {
  const open = (entries: readonly Entry[], options: FastLiteLLMOptions = {}) =>
    new FastLiteLLM(
      { engine, logger, ...options, router: { ...options.router, modelList: listOf(entries), calledByApp: true } },
      { env: {} },
    );
  /** Everything that is counted by a name. */
  const counts = ({ tokenCounter }: FastLiteLLM, model: string) => ({
    ids: [...tokenCounter.encode(TEXT, model)],
    text: tokenCounter.countTokens(TEXT, model),
    batch: tokenCounter.countTokensBatch([TEXT], model),
    ...promptCounts(tokenCounter, model),
  });
  const promptCounts = (counter: FastLiteLLM['tokenCounter'], model: string) => ({
    messages: counter.countMessages(body(model).messages, { model, tools: body(model).tools }),
    request: counter.countRequest(body(model)),
    texts: counter.countRequest({ model, messages: [{ role: 'user', content: TEXT }] }),
    estimate: counter.estimatePrompt(body(model)),
  });
  const alone = new FastLiteLLM({ engine, logger }, { env: {} });

  it.each<[string, readonly Entry[], string, string]>([
    ['by the model of its deployment', [['fast', 'openai/gpt-4o']], 'fast', 'gpt-4o'],
    ['by an estimate of that', [['fast', 'anthropic/claude-opus-4-7']], 'fast', 'anthropic/claude-opus-4-7'],
    ['by the image rule of that', [['fast', 'openai/gpt-4o-mini']], 'fast', 'gpt-4o-mini'],
    ['by model_info.base_model', [['fast', 'azure/prod', { base_model: 'azure/gpt-4o' }]], 'fast', 'gpt-4o'],
    ['by litellm_params.base_model', [['fast', 'azure/gpt-4', {}, { base_model: 'gpt-4o' }]], 'fast', 'gpt-4o'],
    ['by its model where the base model is unknown', [['fast', 'openai/gpt-4o', { base_model: 'house' }]], 'fast', 'gpt-4o'],
    ['by its name where no model is known', [['gpt-4o', 'azure/prod']], 'gpt-4o', 'gpt-4o'],
    ['as an unknown model where nothing is known', [['fast', 'azure/prod']], 'fast', 'fast'],
    ['by the model that its pattern makes', [['team/*', 'openai/*']], 'team/gpt-4o', 'openai/gpt-4o'],
    ['by the one model behind a pattern', [['team/*', 'openai/gpt-4o']], 'team/anything', 'openai/gpt-4o'],
    ['behind `*`', [['*', 'openai/gpt-4o']], 'anything', 'gpt-4o'],
    [
      'by the id of a deployment',
      [
        ['m', 'openai/gpt-4o', { id: 'first' }],
        ['m', 'openai/gpt-4', { id: 'second' }],
      ],
      'first',
      'gpt-4o',
    ],
    [
      'of several deployments with one tokenizer',
      [
        ['fast', 'openai/gpt-4o'],
        ['fast', 'azure/prod', { base_model: 'gpt-4o' }],
      ],
      'fast',
      'gpt-4o',
    ],
    [
      'by those that can be selected',
      [
        ['fast', 'openai/gpt-4', {}, { rpm: 0 }],
        ['fast', 'openai/gpt-4o'],
      ],
      'fast',
      'gpt-4o',
    ],
  ])('is counted %s', (_, entries, name, model) => {
    expect(counts(open(entries), name)).toEqual(counts(alone, model));
  });

  it('is counted so by its aliases, and as the default fallback of an unknown name', () => {
    const llm = open([['group', 'openai/gpt-4o']], { router: { modelGroupAlias: { fast: 'group' }, defaultFallbacks: ['group'] } });
    for (const name of ['fast', 'unknown']) expect(counts(llm, name)).toEqual(counts(alone, 'gpt-4o'));
  });

  it('with the name of another model counts prompts by its deployment, and texts by the name', () => {
    const llm = open([['gpt-4o', 'openai/gpt-4']]);
    expect(promptCounts(llm.tokenCounter, 'gpt-4o')).toEqual(promptCounts(alone.tokenCounter, 'gpt-4'));
    expect(llm.tokenCounter.encode(TEXT, 'gpt-4o')).toEqual(alone.tokenCounter.encode(TEXT, 'gpt-4o'));
    expect(counts(llm, 'gpt-4')).toEqual(counts(alone, 'gpt-4'));
  });

  it('counts by the model’s name, without resolving it as another group', () => {
    const llm = open([
      ['fast', 'slow', {}, { custom_llm_provider: 'openai' }],
      ['slow', 'openai/gpt-4o'],
    ]);
    expect(counts(llm, 'fast')).toEqual(counts(alone, 'fast'));
  });

  it('follows its deployments when they change', () => {
    const llm = open([['fast', 'openai/gpt-4', { id: 'a' }]]);
    const is = (model: string): void => expect(counts(llm, 'fast')).toEqual(counts(alone, model));
    is('gpt-4');
    llm.router.updateDeployment('a', { litellm_params: { model: 'openai/gpt-4o', api_key: 'k' } });
    is('gpt-4o');
    llm.router.removeDeployment('a');
    is('fast');
    llm.router.addDeployment(listOf([['fast', 'openai/gpt-4o-mini']])[0]);
    is('gpt-4o-mini');
    llm.router.setModelList(listOf([['other', 'openai/gpt-4o']]));
    is('fast');
    llm.router.updateSettings({ modelGroupAlias: { fast: 'other' } });
    is('gpt-4o');
  });

  it('of a default model is counted like one that is named', () => {
    const { tokenCounter } = open([['fast', 'openai/gpt-4o']], { tokenCounter: { defaultModel: 'fast' } });
    const messages = [{ role: 'user', content: TEXT }];
    expect(tokenCounter.countRequest({ messages })).toEqual(alone.tokenCounter.countRequest({ model: 'gpt-4o', messages }));
    expect(tokenCounter.countTokens(TEXT)).toBe(alone.tokenCounter.countTokens(TEXT, 'gpt-4o'));
  });

  it('with different tokenizers is estimated by the one that makes most tokens, and learns nothing', () => {
    const request = (model: string) => ({ model, messages: [{ role: 'user', content: `${TEXT} ${TEXT} ${TEXT}` }] });
    const members = ['openai/gpt-4o', 'anthropic/claude-opus-4-7', 'openai/gpt-4', 'gemini/gemini-2.5-pro'];
    const llm = open(members.map((model): Entry => ['fast', model]));
    const counted = llm.tokenCounter.countRequest(request('fast'));
    expect(counted).toEqual(alone.tokenCounter.countRequest(request(members[1])));
    const english = (model: string) => ({ model, messages: [{ role: 'user', content: 'The weather in Oslo is fine today. '.repeat(9) }] });
    const ofMembers = members.map((model) => alone.tokenCounter.countRequest(english(model)).promptTokens);
    expect(llm.tokenCounter.countRequest(english('fast')).promptTokens).toBe(Math.max(...ofMembers));
    const sent = request('fast');
    llm.tokenCounter.countRequest(sent);
    llm.tokenCounter.reportPromptTokens(sent, 1_000);
    expect(llm.tokenCounter.countRequest(request('fast'))).toEqual(counted);
    expect(logged.filter((line) => line.includes('different tokenizers'))).toEqual([
      'Token counter: counts for the model group fast are estimated with the tokenizer of anthropic/claude-opus-4-7 (its deployments use different tokenizers)',
    ]);
  });

  it('with different tokenizers that are known is an estimate with a bound', () => {
    const { tokenCounter } = open([
      ['fast', 'openai/gpt-4o'],
      ['fast', 'openai/gpt-4'],
    ]);
    const messages = [{ role: 'user', content: TEXT }];
    const { promptTokens } = alone.tokenCounter.countRequest({ model: 'gpt-4', messages });
    const bound = Math.ceil(promptTokens * 1.25);
    expect(tokenCounter.countRequest({ model: 'fast', messages })).toEqual({
      promptTokens,
      bound,
      approximate: true,
      encoding: 'cl100k_base',
    });
    expect(tokenCounter.estimatePrompt({ model: 'fast', messages })).toBe(bound);
  });

  it('counts images by the rule of the deployment that takes most', () => {
    const { tokenCounter } = open([
      ['fast', 'openai/gpt-4o'],
      ['fast', 'openai/gpt-4o-mini'],
    ]);
    expect(tokenCounter.countRequest(body('fast'))).toEqual(alone.tokenCounter.countRequest(body('gpt-4o-mini')));
  });

  it('learns of its answers as the model of its deployment, for all of its names', () => {
    const llm = open([
      ['fast', 'anthropic/claude-sonnet-4-5'],
      ['big', 'anthropic/claude-sonnet-4-5'],
    ]);
    const request = (model: string) => ({ model, messages: [{ role: 'user', content: TEXT }] });
    const sent = request('fast');
    const before = llm.tokenCounter.countRequest(sent).promptTokens;
    llm.tokenCounter.reportPromptTokens(sent, before * 2);
    const learned = llm.tokenCounter.countRequest(request('big')).promptTokens;
    expect(learned).toBeGreaterThan(before * 1.2);
    expect(llm.tokenCounter.modelCounts(9)).toContainEqual(
      expect.objectContaining({ model: 'big', countedAs: 'anthropic/claude-sonnet-4-5', answers: 1 }),
    );
  });

  it('has the smallest limits of its deployments', () => {
    const overrides = { 'house-a': { contextWindow: 9_000, maxOutputTokens: 300 }, 'house-b': { contextWindow: 8_000 } };
    const llm = open(
      [
        ['fast', 'openai/house-a'],
        ['fast', 'openai/house-b', { max_input_tokens: 7_000, max_output_tokens: 200 }],
        ['house-b', 'openai/house-a'],
        ['*', 'openai/house-a'],
      ],
      { tokenCounter: { pricing: { overrides } } },
    );
    const of = (name: string) => llm.tokenCounter.getModelLimits(name);
    expect(of('fast')).toEqual({
      contextWindow: 7_000,
      maxOutputTokens: 200,
      sources: { contextWindow: 'router', maxOutputTokens: 'router' },
    });
    expect(of('house-b')).toMatchObject({ contextWindow: 8_000, maxOutputTokens: null });
    // Everyone gets the same object.
    for (const name of ['fast', 'house-b']) {
      expect(Reflect.set(of(name), 'contextWindow', 1)).toBe(false);
      expect(Reflect.set(of(name).sources, 'contextWindow', 'x')).toBe(false);
    }
    llm.router.updateDeployment(llm.router.deployments()[1].id, { model_info: { max_input_tokens: 5_000 } });
    expect(of('fast')).toMatchObject({ contextWindow: 5_000, maxOutputTokens: 200 });
    expect(llm.tokenCounter.validateInput('word '.repeat(6_000), 'fast')).toBe(false);
    // The window of a deployment is not that of a group which has the name of its model.
    llm.router.addDeployment(listOf([['last', 'openai/unknown']])[0]);
    expect(llm.router.deployments().at(-1)?.maxInputTokens).toBe(Infinity);
  });
});
