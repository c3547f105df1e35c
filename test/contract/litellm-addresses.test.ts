import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ProviderEndpoint } from '../../lib/providers/endpoint/endpoint.js';
import { upstreamModel } from '../../lib/providers/endpoint/resolution.js';
import { InvalidConfigurationError } from '../../lib/common/errors.js';

// Compares where a chat is sent, and with which variable's key, with LiteLLM
// (fixtures/litellm/provider_addresses.py): each variable's value is its own name.

interface Sent {
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** LiteLLM sends nothing. */
  readonly error?: string;
}

const recorded = JSON.parse(readFileSync(join(__dirname, '../fixtures/litellm/provider-addresses.json'), 'utf8')) as Readonly<
  Record<string, Sent>
>;
const KEY_NAME = /^(?:\w+ )?([A-Z][A-Z0-9_]+)$/;
const env = Object.fromEntries(
  [...Object.values(recorded), { headers: { authorization: 'Bearer MISTRAL_API_KEY' } }]
    .flatMap(({ headers = {} }) => Object.values(headers).map((value) => KEY_NAME.exec(value)?.[1] ?? ''))
    .filter((name) => name !== '')
    .map((name) => [name, name]),
);

interface Ours {
  readonly url: string;
  readonly key: string | undefined;
}

function ours(model: string): Ours | 'refused' {
  try {
    const endpoint = new ProviderEndpoint({ model }, 'a', env);
    const values = endpoint.headers.filter((_, at) => at % 2 === 1);
    const key = values.map((value) => KEY_NAME.exec(value)?.[1] ?? '').find((name) => name in env);
    const path = {
      anthropic: '/messages',
      gemini: `/models/${upstreamModel(model)}:generateContent`,
      openai: '/chat/completions',
      bedrock: '',
    }[endpoint.protocol.name];
    return { url: endpoint.origin + endpoint.pathOf(path ?? '', upstreamModel(model)), key };
  } catch (error) {
    if (error instanceof InvalidConfigurationError) return 'refused';
    throw error;
  }
}

const theirs = ({ url = '', headers = {} }: Sent): Ours => ({
  url,
  key: Object.values(headers).map((value) => KEY_NAME.exec(value)?.[1])[0],
});

/** Where the two differ on purpose: what is ours, and why. */
const DIFFERENCES: readonly { readonly models: RegExp; readonly ours: 'refused' | RegExp; readonly why: string }[] = [
  { models: /^ai21\//, ours: /^https:\/\/api\.ai21\.com\//, why: 'LiteLLM sends what its older protocol does not know to OpenAI' },
  {
    models:
      /^(?:aiohttp_openai|anthropic_text|bytez|datarobot|gigachat|langflow|nlp_cloud|opencode_go|replicate|text-completion-(?:codestral|inception))\//,
    ours: 'refused',
    why: 'their protocols are not supported',
  },
  {
    models: /^(?:custom_openai|hosted_vllm|litellm_proxy|lm_studio)\//,
    ours: 'refused',
    why: 'a server of the operator: without api_base its key would go to OpenAI',
  },
  { models: /^xinference\//, ours: /^http:\/\/127\.0\.0\.1:9997\/v1\//, why: 'its server is on this machine; LiteLLM sends to OpenAI' },
  { models: /^(?:cohere|cohere_chat)\//, ours: /^https:\/\/api\.cohere\.ai\/compatibility\/v1\//, why: 'by its OpenAI-compatible address' },
  { models: /^(?:ollama|ollama_chat)\//, ours: /^http:\/\/127\.0\.0\.1:11434\/v1\//, why: 'by its OpenAI-compatible address' },
  { models: /^huggingface\//, ours: /^https:\/\/router\.huggingface\.co\/v1\//, why: 'LiteLLM first asks where the model is' },
  { models: /^docker_model_runner\//, ours: /\/engines\/llama\.cpp\/v1\//, why: 'its documentation has the version in the path' },
  {
    models: /^text-completion-openai\//,
    ours: /^https:\/\/api\.openai\.com\/v1\/chat\//,
    why: 'chat is sent as chat; completions have their own route',
  },
  {
    models: /^gemini\/some-model$/,
    ours: /\/v1beta\/models\/some-model:/,
    why: 'LiteLLM takes a model that it does not know for an older one',
  },
  { models: /^mistral\//, ours: /MISTRAL_API_KEY$/, why: 'the key of Mistral on Azure is for azure_ai' },
  {
    models: /^(?:clarifai|gradient_ai|jina_ai)\/|^(?:chatgpt-4o-latest|claude-3-haiku-20240307|command-r-plus)$/,
    ours: /^https:\/\//,
    why: 'LiteLLM needs a package or an endpoint of another kind, or has dropped the model from its list',
  },
];

const written = (sent: Ours | 'refused'): string => (sent === 'refused' ? sent : `${sent.url} ${sent.key ?? ''}`);
const NAMES = Object.entries(recorded);
const used = new Set<string>();

describe('where a chat is sent, and with which key', () => {
  it.each(NAMES)('%s', (model, sent) => {
    const mine = written(ours(model));
    const other = written(sent.url === undefined ? 'refused' : theirs(sent));
    const difference = DIFFERENCES.find(({ models }) => models.test(model));
    if (difference === undefined) return expect(mine).toBe(other);
    used.add(difference.why);
    expect(mine).not.toBe(other);
    if (difference.ours === 'refused') expect(mine).toBe('refused');
    else expect(mine).toMatch(difference.ours);
  });

  it('is compared for at least 150 names that LiteLLM sends, and needs every reason', () => {
    expect(NAMES.filter(([, { url }]) => url !== undefined).length).toBeGreaterThanOrEqual(150);
    expect([...used].sort()).toEqual([...new Set(DIFFERENCES.map(({ why }) => why))].sort());
  });
});
