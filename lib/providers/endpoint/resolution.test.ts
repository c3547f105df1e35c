import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fateOfParam } from '../../router/config/litellm-keys.js';
import { isResolved, resolveModel, upstreamModel, type ModelFacts } from './resolution.js';
import { isKnownProvider, providerNames, rowOf } from './provider-table.environment.js';

interface Answer {
  readonly provider: string;
  readonly model: string;
  readonly base: string | null;
}

/** What LiteLLM 1.110.2 answers: written by litellm_providers.py beside it. */
const litellm = JSON.parse(readFileSync(join(__dirname, '../../../test/fixtures/litellm-providers.json'), 'utf8')) as {
  readonly prefixes: Readonly<Record<string, Answer | null>>;
  readonly bare: Readonly<Record<string, string | null>>;
  readonly ownParameters: readonly string[];
};

const providerOf = (facts: ModelFacts): string | null => resolveModel(facts).provider ?? null;
const refusal = (facts: ModelFacts): string => {
  const resolution = resolveModel(facts);
  return isResolved(resolution) ? 'resolved' : `${resolution.reason}; ${resolution.remedy}`;
};

describe('the providers that LiteLLM knows', () => {
  it.each(Object.keys(litellm.prefixes))('removes the prefix %s from the model, with and without an address', (name) => {
    expect(isKnownProvider(name)).toBe(true);
    const base = new URL('http://127.0.0.1:9000/v1');
    for (const facts of [{ model: `${name}/some-model` }, { model: `${name}/some-model`, base }]) {
      const resolution = resolveModel(facts);
      expect(resolution.provider).toBe(name);
      if (isResolved(resolution) && name !== 'openrouter') expect(resolution.model).toBe('some-model');
    }
  });

  it('knows no provider that LiteLLM does not know', () => {
    expect(providerNames().filter((name) => !(name in litellm.prefixes))).toEqual([]);
  });

  /** Where LiteLLM has an address and ours is another, by intention. */
  const otherAddresses: Readonly<Record<string, string>> = {
    bedrock_mantle: 'made of its region',
    chutes: 'without the slash at its end',
    datarobot: 'its protocol is not spoken',
    docker_model_runner: 'LiteLLM adds /v1 when it calls',
    gigachat: 'its log-in is not spoken',
    gradient_ai: 'LiteLLM adds /v1 when it calls',
    helicone: 'without the slash at its end',
    langgraph: 'its protocol is not spoken',
    manus: 'its protocol is not spoken',
    ollama: 'its OpenAI-compatible address',
    opencode_go: 'its protocol depends on the model',
    soniox: 'its protocol is not spoken',
  };

  it('uses the addresses of LiteLLM, where it has them', () => {
    const differing = Object.entries(litellm.prefixes).flatMap(([name, answer]) =>
      answer?.base && answer.base !== rowOf(name)?.base ? [name] : [],
    );
    expect(differing).toEqual(Object.keys(otherAddresses));
  });
});

describe('names without a prefix', () => {
  /** Where LiteLLM answers otherwise: its answer, ours, and why. */
  const wanted: Readonly<Record<string, readonly [theirs: string | null, ours: string | null, why: string]>> = {
    'command-nightly': ['cohere', 'cohere_chat', 'one address has both'],
    chatdolphin: ['nlp_cloud', null, 'neither can be called'],
    dolphin: ['nlp_cloud', null, 'neither can be called'],
    'ft:o4-mini-2025-04-16': [null, 'openai', 'fine-tunes are OpenAI’s whatever they are made of'],
    'j2-light': ['ai21_chat', null, 'retired'],
    'j2-mid': ['ai21_chat', null, 'retired'],
    'j2-ultra': ['ai21_chat', null, 'retired'],
  };
  /** Rejected with both prefixes; LiteLLM rejects those that it does not list. */
  const isUnlistedGemini = (name: string): boolean => name.startsWith('gemini-') && litellm.bare[name] === null;

  it('resolves names as LiteLLM does, but for listed exceptions', () => {
    const differing = Object.entries(litellm.bare).flatMap(([name, theirs]) => {
      const ours = providerOf({ model: name });
      return ours === theirs || isUnlistedGemini(name) ? [] : [[name, [theirs, ours]]];
    });
    expect(Object.fromEntries(differing)).toEqual(
      Object.fromEntries(Object.entries(wanted).map(([name, [theirs, ours]]) => [name, [theirs, ours]])),
    );
  });

  it.each([
    ['claude-3-5-sonnet-20240620', 'anthropic'],
    ['claude-newfamily-7', 'anthropic'],
    ['claude-3-5-sonnet@20240620', 'vertex_ai'],
    ['claude-2.1', 'anthropic_text'],
    ['claude-instant-1.2', 'anthropic'],
    ['claude-instant-1', 'anthropic'],
    ['gemini-1.5-pro', 'vertex_ai'],
    ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'bedrock'],
    ['amazon.nova-pro-v1:0', 'bedrock'],
    ['ft:gpt-4o-2024-08-06:org::id', 'openai'],
    ['command-r-plus', 'cohere_chat'],
    ['embed-english-v3.0', 'cohere'],
    ['gpt-*', 'openai'],
    ['claude-*', 'anthropic'],
    ['*', 'openai'],
    ['meta/llama-2-70b-chat'.replace('/', '-') + `:${'0a'.repeat(32)}`, 'replicate'],
  ])('resolves %s to %s', (model, provider) => expect(providerOf({ model })).toBe(provider));

  it.each([
    ['gpt-4-eu', 'openai/, or azure/ with an api_base'],
    ['gpt-4o-my-deployment', 'openai/, or azure/ with an api_base'],
    ['gpt-99', 'openai/, or azure/ with an api_base'],
    ['gpt-oss-120b', 'groq/'],
    ['mistral-large-latest', 'mistral/'],
    ['deepseek-chat', 'deepseek/'],
    ['grok-4', 'xai/'],
    ['llama-3.3-70b', 'together_ai/'],
    ['qwen3-32b', 'dashscope/'],
    ['kimi-k2', 'moonshot/'],
    ['gemini-2.5-pro', 'gemini/ (Gemini API) or vertex_ai/ (Vertex AI)'],
    ['command-center', 'cohere/'],
    ['my-model', 'another prefix in docs/providers.md'],
    ['*-llama', 'groq/'],
    ['', 'another prefix in docs/providers.md'],
  ])('rejects %s without a prefix, and suggests one', (model, remedy) => expect(refusal({ model })).toContain(remedy));
});

describe('an unknown prefix', () => {
  it.each([
    ['anthropik/claude-3', 'write anthropic/claude-3'],
    ['OpenAI/gpt-4o', 'write openai/gpt-4o'],
    ['azur/gpt-4', 'write azure/gpt-4'],
    ['togetherai/llama', 'write together_ai/llama'],
    ['meta-llama/Llama-3.3-70B', 'add the prefix of its provider (groq/'],
    ['my-org/my-model', 'add the prefix of its provider (openai/, anthropic/'],
    ['/x', 'has no provider prefix'],
  ])('is rejected with a suggestion: %s', (model, remedy) => expect(refusal({ model })).toContain(remedy));

  it("takes a bare name of Gemini's for Vertex AI where the deployment names a project", () => {
    expect(resolveModel({ model: 'gemini-2.5-pro', isInProject: true })).toEqual({ provider: 'vertex_ai', model: 'gemini-2.5-pro' });
    expect(resolveModel({ model: 'gemini-2.5-pro' })).toMatchObject({ remedy: expect.stringContaining('vertex_ai/') as string });
  });

  it('is part of the model at an own address', () => {
    const base = new URL('http://127.0.0.1:8000/v1');
    expect(resolveModel({ model: 'meta-llama/Llama-3', base })).toEqual({ provider: 'openai', model: 'meta-llama/Llama-3' });
    expect(resolveModel({ model: 'claude-sonnet-5', base })).toEqual({ provider: 'openai', model: 'claude-sonnet-5' });
  });

  it.each([
    ['https://api.together.xyz/v1', 'together_ai'],
    ['https://api.groq.com/openai/v1', 'groq'],
    ['https://API.GROQ.com:443/openai/v1', 'groq'],
    ['https://api.perplexity.ai', 'perplexity'],
    ['https://mine.openai.azure.com', 'azure'],
    ['https://evil.example/api.groq.com/openai/v1', 'openai'],
    ['https://api.groq.com.evil.example/openai/v1', 'openai'],
    ['https://api.groq.com@evil.example/v1', 'openai'],
    ['https://evil.example/?x=https://api.groq.com', 'openai'],
    ['https://xapi.groq.com/openai/v1', 'openai'],
    ['https://notopenai.azure.com.evil.example', 'openai'],
    ['http://api.groq.com/openai/v1', 'openai'],
    ['https://api.groq.com:8443/openai/v1', 'openai'],
  ])('resolves a model at %s to %s', (base, provider) => expect(providerOf({ model: 'org/m', base: new URL(base) })).toBe(provider));
});

describe('custom_llm_provider', () => {
  it('goes before the prefix, and removes only its own', () => {
    const of = (model: string, custom_llm_provider: string) => resolveModel({ model, custom_llm_provider });
    expect(of('groq/llama', 'openai')).toEqual({ provider: 'openai', model: 'groq/llama' });
    expect(of('openai/gpt-4o', 'openai')).toEqual({ provider: 'openai', model: 'gpt-4o' });
    expect(of('x', 'mistral')).toEqual({ provider: 'mistral', model: 'x' });
    expect(of('x', 'sagemaker')).toMatchObject({ provider: 'sagemaker', key: 'custom_llm_provider' });
    expect(of('us.amazon.nova-pro-v1:0', 'bedrock')).toEqual({ provider: 'bedrock', model: 'us.amazon.nova-pro-v1:0' });
    expect(of('x', 'gorq')).toMatchObject({ reason: 'unknown provider gorq', remedy: 'write groq' });
    expect(upstreamModel('groq/llama', 'openai')).toBe('groq/llama');
    expect(upstreamModel('groq/llama')).toBe('llama');
  });

  it("leaves LiteLLM's series of Azure's models out of the name of the deployment", () => {
    expect(resolveModel({ model: 'azure/o_series/mine' })).toEqual({ provider: 'azure', model: 'mine' });
    expect(upstreamModel('azure/gpt5_series/gpt-5')).toBe('gpt-5');
  });

  it('keeps the full names of OpenRouter’s own models', () => {
    for (const model of ['openrouter/auto', 'openrouter/openrouter/auto']) expect(upstreamModel(model)).toBe('openrouter/auto');
    expect(upstreamModel('openrouter/anthropic/claude-3.5-sonnet')).toBe('anthropic/claude-3.5-sonnet');
  });
});

describe('parameters', () => {
  it('sends no parameter to providers that LiteLLM keeps to itself', () => {
    expect(litellm.ownParameters.filter((key) => fateOfParam(key) === 'sent')).toEqual([]);
  });

  it.each(
    `repetition_penalty min_p chat_template_kwargs num_ctx keep_alive guided_json top_k temperature stop seed response_format prompt_cache_key
    web_search_options safetySettings anthropic_beta reasoning some_new_field max_tokens user store num_predict mirostat`.split(/\s+/),
  )('%s is the provider’s', (key) => expect(fateOfParam(key)).toBe('sent'));

  it.each('my_api_key hf_access_token proxy_password db_credentials aws_new_thing vertex_new_thing input_cost_per_new'.split(' '))(
    '%s sends no request',
    (key) => expect(fateOfParam(key)).toBe('ignored'),
  );
});
