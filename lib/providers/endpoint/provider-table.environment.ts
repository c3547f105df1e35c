import type { Dialect } from '../openai/dialect.js';
import { providedNames, providedRow } from '../provided.js';
import {
  AZURE_AI,
  AZURE_DIALECT,
  BASETEN,
  CACHING,
  CEREBRAS,
  COHERE_DIALECT,
  DATABRICKS,
  DEEPINFRA,
  DEEPSEEK,
  FIREWORKS,
  GITHUB,
  GROQ,
  HUGGINGFACE,
  HYPERBOLIC,
  LOCAL,
  MISTRAL,
  MOONSHOT,
  NVIDIA_NIM,
  OLDER,
  OPENAI_DIALECT,
  OPENAI_ELSEWHERE,
  PROXY,
  OPENROUTER,
  PERPLEXITY,
  SAMBANOVA,
  TOGETHER,
  VOLCENGINE,
  XAI,
  ZAI,
} from './provider-table.dialects.js';

/** The wire protocols of `protocols.ts`. */
export type ProtocolName = 'openai' | 'anthropic' | 'bedrock' | 'gemini';

/** A provider that can be called: its protocol, its address, and its environment variables. */
export interface ProviderRow {
  /** Default: OpenAI's. */
  readonly protocol?: ProtocolName;
  /** How its chat differs from OpenAI's. Default: what most compatible servers have. */
  readonly dialect?: Dialect;
  /** The same at addresses that are not its own. Default: `dialect`. */
  readonly elsewhere?: Dialect;
  /** Default address; without one, `api_base` or a variable must give it. */
  readonly base?: string;
  /** Variables for its key; the first one set wins. Default: `<NAME>_API_KEY`. */
  readonly keys?: readonly string[];
  /** Variables for a token instead of the key: it is sent as a Bearer token. */
  readonly tokens?: readonly string[];
  /** Variables for its address. Default: `<NAME>_BASE_URL`, `<NAME>_API_BASE`. */
  readonly bases?: readonly string[];
  /** Other addresses that may get a key from the environment. */
  readonly alsoAt?: readonly string[];
  /** The header for its key. Default: `authorization`, as a Bearer token. */
  readonly keyHeader?: string;
  /** Host suffixes of a provider with one host per customer. */
  readonly suffixes?: readonly string[];
  /** Host names of a provider whose suffix other services share. */
  readonly hosts?: RegExp;
  /** Whether calls without a key are usual, as with a local server. */
  readonly keyOptional?: true;
  /** Path for an `api_base` without one, on any host. */
  readonly root?: string;
  /** Paths of its own protocol; on its own hosts the default address's path replaces them. */
  readonly native?: RegExp;
}

const AZURE_SUFFIXES = ['.openai.azure.com', '.cognitiveservices.azure.com', '.services.ai.azure.com'];
const OLLAMA: ProviderRow = {
  dialect: LOCAL,
  base: 'http://127.0.0.1:11434/v1',
  bases: ['OLLAMA_BASE_URL', 'OLLAMA_API_BASE'],
  keys: ['OLLAMA_API_KEY'],
  alsoAt: ['http://localhost:11434', 'https://ollama.com'],
  keyOptional: true,
  root: '/v1',
};
const COHERE: ProviderRow = {
  dialect: COHERE_DIALECT,
  base: 'https://api.cohere.ai/compatibility/v1',
  bases: ['COHERE_BASE_URL', 'COHERE_API_BASE'],
  keys: ['COHERE_API_KEY', 'CO_API_KEY'],
  alsoAt: ['https://api.cohere.com'],
  native: /^\/v[12](?:\/(?:chat|embed))?$/,
};
const OPENAI: ProviderRow = {
  dialect: OPENAI_DIALECT,
  elsewhere: OPENAI_ELSEWHERE,
  base: 'https://api.openai.com/v1',
  bases: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
  keys: ['OPENAI_API_KEY'],
};
const AI21: ProviderRow = { base: 'https://api.ai21.com/studio/v1', keys: ['AI21_API_KEY'], bases: ['AI21_API_BASE'] };
const AZURE: ProviderRow = {
  dialect: AZURE_DIALECT,
  keys: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
  bases: ['AZURE_BASE_URL', 'AZURE_API_BASE'],
  suffixes: AZURE_SUFFIXES,
  keyHeader: 'api-key',
};
/** Its address is that of a project and a location, its credentials Google's. */
const VERTEX: ProviderRow = {
  protocol: 'gemini',
  keys: [],
  bases: ['VERTEXAI_API_BASE', 'VERTEX_API_BASE'],
  suffixes: ['.googleapis.com'],
};
/** Servers that the operator runs. */
const OWN_SERVER: ProviderRow = { dialect: LOCAL, keyOptional: true };

/** Addresses and variables as in LiteLLM 1.110.2, for providers that answer `/chat/completions`. */
export const SPOKEN: Readonly<Record<string, ProviderRow>> = {
  openai: OPENAI,
  'text-completion-openai': OPENAI,
  custom_openai: OWN_SERVER,
  openai_like: OWN_SERVER,
  hosted_vllm: OWN_SERVER,
  litellm_proxy: { ...OWN_SERVER, dialect: PROXY },
  lm_studio: OWN_SERVER,
  llamafile: { base: 'http://127.0.0.1:8080/v1', keyOptional: true },
  lemonade: { base: 'http://localhost:8000/api/v1', keyOptional: true },
  docker_model_runner: { base: 'http://localhost:22088/engines/llama.cpp/v1', keyOptional: true, root: '/engines/llama.cpp/v1' },
  xinference: { base: 'http://127.0.0.1:9997/v1', keyOptional: true },
  ollama: OLLAMA,
  ollama_chat: OLLAMA,
  azure: AZURE,
  azure_text: AZURE,
  azure_ai: {
    dialect: AZURE_AI,
    keys: ['AZURE_AI_API_KEY', 'AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
    suffixes: [...AZURE_SUFFIXES, '.models.ai.azure.com', '.inference.ai.azure.com'],
  },
  anthropic: {
    protocol: 'anthropic',
    base: 'https://api.anthropic.com/v1',
    keys: ['ANTHROPIC_API_KEY'],
    tokens: ['ANTHROPIC_AUTH_TOKEN'],
    keyHeader: 'x-api-key',
    bases: ['ANTHROPIC_API_BASE', 'ANTHROPIC_BASE_URL'],
    root: '/v1',
  },
  gemini: {
    protocol: 'gemini',
    base: 'https://generativelanguage.googleapis.com/v1beta',
    keys: ['GOOGLE_API_KEY', 'GEMINI_API_KEY'],
    keyHeader: 'x-goog-api-key',
  },
  vertex_ai: VERTEX,
  vertex_ai_beta: VERTEX,
  cohere: COHERE,
  cohere_chat: COHERE,
  bedrock: {
    protocol: 'bedrock',
    keys: ['AWS_BEARER_TOKEN_BEDROCK'],
    bases: ['AWS_BEDROCK_RUNTIME_ENDPOINT'],
    hosts:
      /^(?:[a-z0-9-]+\.)?bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$/,
  },
  bedrock_mantle: {
    keys: ['BEDROCK_MANTLE_API_KEY', 'AWS_BEARER_TOKEN_BEDROCK'],
    bases: ['BEDROCK_MANTLE_API_BASE'],
    suffixes: ['.api.aws'],
  },
  abliteration: { base: 'https://api.abliteration.ai/v1' },
  ai21: AI21,
  ai21_chat: AI21,
  aiand: { base: 'https://api.aiand.com/v1' },
  aihubmix: { base: 'https://aihubmix.com/v1' },
  aiml: { base: 'https://api.aimlapi.com/v1' },
  amazon_nova: { base: 'https://api.nova.amazon.com/v1' },
  apertis: { dialect: OLDER, base: 'https://api.stima.tech/v1', keys: ['STIMA_API_KEY'] },
  assemblyai: { base: 'https://llm-gateway.assemblyai.com/v1' },
  baseten: { dialect: BASETEN, base: 'https://inference.baseten.co/v1' },
  bigmodel: { base: 'https://open.bigmodel.cn/api/paas/v4' },
  cerebras: { dialect: CEREBRAS, base: 'https://api.cerebras.ai/v1' },
  charity_engine: { dialect: OLDER, base: 'https://api.charityengine.services/remotejobs/v2/inference' },
  chutes: { dialect: OLDER, base: 'https://llm.chutes.ai/v1' },
  clarifai: { base: 'https://api.clarifai.com/v2/ext/openai/v1' },
  clf_ai_gateway: { base: 'https://api.clfaigateway.dev/v1' },
  codestral: { dialect: MISTRAL, base: 'https://codestral.mistral.ai/v1' },
  cognition: { base: 'https://api.cognition.ai/v1' },
  cometapi: { base: 'https://api.cometapi.com/v1', keys: ['COMETAPI_KEY'] },
  compactifai: { base: 'https://api.compactif.ai/v1' },
  coralbricks: { base: 'https://inference.coralbricks.ai/v1' },
  cortecs: { base: 'https://api.cortecs.ai/v1' },
  crusoe: { dialect: OLDER, base: 'https://api.inference.crusoecloud.com/v1' },
  darkbloom: { dialect: OLDER, base: 'https://api.darkbloom.dev/v1' },
  dashscope: {
    dialect: CACHING,
    base: 'https://dashscope.aliyuncs.com/compatible-mode/v1',
    alsoAt: ['https://dashscope-intl.aliyuncs.com', 'https://dashscope-us.aliyuncs.com'],
  },
  databricks: { dialect: DATABRICKS, suffixes: ['.cloud.databricks.com', '.azuredatabricks.net', '.gcp.databricks.com'] },
  deepinfra: { dialect: DEEPINFRA, base: 'https://api.deepinfra.com/v1/openai' },
  deepseek: { dialect: DEEPSEEK, base: 'https://api.deepseek.com/beta' },
  edenai: { base: 'https://api.edenai.run/v3' },
  empiriolabs: { dialect: OLDER, base: 'https://api.empiriolabs.ai/v1' },
  empower: { base: 'https://app.empower.dev/api/v1' },
  featherless_ai: { base: 'https://api.featherless.ai/v1', keys: ['FEATHERLESS_AI_API_KEY', 'FEATHERLESS_API_KEY'] },
  fireworks_ai: {
    dialect: FIREWORKS,
    base: 'https://api.fireworks.ai/inference/v1',
    keys: ['FIREWORKS_API_KEY', 'FIREWORKS_AI_API_KEY', 'FIREWORKSAI_API_KEY', 'FIREWORKS_AI_TOKEN'],
    bases: ['FIREWORKS_AI_BASE_URL', 'FIREWORKS_BASE_URL', 'FIREWORKS_AI_API_BASE', 'FIREWORKS_API_BASE'],
  },
  friendliai: {
    base: 'https://api.friendli.ai/serverless/v1',
    keys: ['FRIENDLIAI_API_KEY', 'FRIENDLI_TOKEN'],
    bases: ['FRIENDLI_API_BASE'],
  },
  galadriel: { base: 'https://api.galadriel.com/v1' },
  github: { dialect: GITHUB, base: 'https://models.inference.ai.azure.com', alsoAt: ['https://models.github.ai'] },
  gmi: { base: 'https://api.gmi-serving.com/v1' },
  gradient_ai: { base: 'https://inference.do-ai.run/v1' },
  groq: { dialect: GROQ, base: 'https://api.groq.com/openai/v1' },
  helicone: { base: 'https://ai-gateway.helicone.ai' },
  heroku: { root: '/v1', suffixes: ['.heroku.com'] },
  hostinger_router: { base: 'https://router.hostinger.com/v1' },
  huggingface: {
    dialect: HUGGINGFACE,
    base: 'https://router.huggingface.co/v1',
    keys: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    bases: ['HF_API_BASE', 'HUGGINGFACE_API_BASE'],
  },
  hyperbolic: { dialect: HYPERBOLIC, base: 'https://api.hyperbolic.xyz/v1' },
  inception: { base: 'https://api.inceptionlabs.ai/v1' },
  inferenceapis: { base: 'https://api.inferenceapis.com/v1' },
  jina_ai: { base: 'https://api.jina.ai/v1', keys: ['JINA_AI_API_KEY', 'JINA_API_KEY', 'JINA_AI_TOKEN'] },
  kyma: { base: 'https://kymaapi.com/v1' },
  lambda_ai: { dialect: OLDER, base: 'https://api.lambda.ai/v1', keys: ['LAMBDA_API_KEY'], bases: ['LAMBDA_API_BASE'] },
  libertai: { dialect: OLDER, base: 'https://api.libertai.io/v1' },
  llamagate: { dialect: OLDER, base: 'https://api.llamagate.dev/v1' },
  maritalk: { base: 'https://chat.maritaca.ai/api' },
  meta: { base: 'https://api.meta.ai/v1' },
  meta_llama: { base: 'https://api.llama.com/compat/v1', keys: ['LLAMA_API_KEY'], bases: ['LLAMA_API_BASE'] },
  minimax: { dialect: CACHING, base: 'https://api.minimax.io/v1', alsoAt: ['https://api.minimaxi.com'] },
  mistral: { dialect: MISTRAL, base: 'https://api.mistral.ai/v1' },
  modelscope: { base: 'https://api-inference.modelscope.cn/v1' },
  moonshot: { dialect: MOONSHOT, base: 'https://api.moonshot.ai/v1' },
  morph: { base: 'https://api.morphllm.com/v1' },
  nadir: { base: 'https://api.getnadir.com/v1' },
  'nano-gpt': { dialect: OLDER, base: 'https://nano-gpt.com/api/v1', keys: ['NANOGPT_API_KEY'] },
  nebius: { dialect: OLDER, base: 'https://api.studio.nebius.ai/v1' },
  neosantara: { dialect: OLDER, base: 'https://api.neosantara.xyz/v1' },
  novita: { base: 'https://api.novita.ai/v3/openai' },
  nscale: { base: 'https://inference.api.nscale.com/v1' },
  nvidia_nim: { dialect: NVIDIA_NIM, base: 'https://integrate.api.nvidia.com/v1' },
  openinfer: { base: 'https://api.openinfer.ai/v1' },
  openrouter: { dialect: OPENROUTER, base: 'https://openrouter.ai/api/v1', keys: ['OPENROUTER_API_KEY', 'OR_API_KEY'] },
  ovhcloud: { base: 'https://oai.endpoints.kepler.ai.cloud.ovh.net/v1' },
  parasail: { base: 'https://api.parasail.io/v1' },
  perplexity: {
    dialect: PERPLEXITY,
    base: 'https://api.perplexity.ai',
    keys: ['PERPLEXITYAI_API_KEY', 'PERPLEXITY_API_KEY'],
    bases: ['PERPLEXITY_BASE_URL', 'PERPLEXITY_API_BASE', 'PERPLEXITYAI_BASE_URL', 'PERPLEXITYAI_API_BASE'],
  },
  pinstripes: { dialect: OLDER, base: 'https://pinstripes.io/v1' },
  poe: { dialect: OLDER, base: 'https://api.poe.com/v1' },
  prism: { base: 'https://api.prisminference.com/v1' },
  publicai: { dialect: OLDER, base: 'https://api.publicai.co/v1' },
  qwen_ai_platform: {
    base: 'https://dashscope.aliyuncs.com/compatible-mode/v1',
    keys: ['QWEN_AI_PLATFORM_API_KEY', 'DASHSCOPE_API_KEY'],
  },
  qwencloud: { base: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1', keys: ['QWENCLOUD_API_KEY', 'DASHSCOPE_API_KEY'] },
  refuseless: { base: 'https://api.refuseless.com/v1' },
  reka: { base: 'https://api.reka.ai/v1' },
  sail: { base: 'https://api.sailresearch.com/v1' },
  sambanova: { dialect: SAMBANOVA, base: 'https://api.sambanova.ai/v1' },
  sarvam: { dialect: OLDER, base: 'https://api.sarvam.ai/v1' },
  scaleway: { base: 'https://api.scaleway.ai/v1', keys: ['SCW_SECRET_KEY'] },
  'scx-ai': { dialect: OLDER, base: 'https://api.scx.ai/v1', keys: ['SCX_API_KEY'], bases: ['SCX_API_BASE'] },
  streamlake: { base: 'https://vanchin.streamlake.ai/api/gateway/v1/endpoints' },
  synthetic: { dialect: OLDER, base: 'https://api.synthetic.new/openai/v1' },
  tencent: { base: 'https://tokenhub-intl.tencentcloudmaas.com/v1' },
  tensormesh: {
    dialect: OLDER,
    base: 'https://serverless.tensormesh.ai/v1',
    keys: ['TENSORMESH_INFERENCE_API_KEY'],
    bases: ['TENSORMESH_SERVERLESS_BASE_URL'],
  },
  together_ai: {
    dialect: TOGETHER,
    base: 'https://api.together.ai/v1',
    keys: ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY', 'TOGETHERAI_API_KEY', 'TOGETHER_AI_TOKEN'],
    alsoAt: ['https://api.together.xyz'],
  },
  v0: { base: 'https://api.v0.dev/v1' },
  veniceai: { base: 'https://api.venice.ai/api/v1', keys: ['VENICE_AI_API_KEY'] },
  vercel_ai_gateway: { dialect: LOCAL, base: 'https://ai-gateway.vercel.sh/v1', keys: ['VERCEL_AI_GATEWAY_API_KEY', 'VERCEL_OIDC_TOKEN'] },
  volcengine: { dialect: VOLCENGINE, base: 'https://ark.cn-beijing.volces.com/api/v3' },
  wally: { base: 'https://inference.runanywhere.ai/v1' },
  wandb: { base: 'https://api.inference.wandb.ai/v1' },
  xai: { dialect: XAI, base: 'https://api.x.ai/v1' },
  xiaomi_mimo: { dialect: OLDER, base: 'https://api.xiaomimimo.com/v1' },
  zai: { dialect: ZAI, base: 'https://api.z.ai/api/paas/v4' },
  zerogpu: { base: 'https://api.zerogpu.ai/v1' },
};

/** The region of Bedrock's OpenAI-compatible address; the first one set wins. */
export const REGION_VARIABLES: readonly string[] = ['BEDROCK_MANTLE_REGION', 'AWS_REGION_NAME', 'AWS_REGION'];

/** Providers of LiteLLM 1.110.2 whose protocol is not supported. Their names are prefixes, too. */
export const UNSPOKEN: ReadonlySet<string> = new Set(
  `a2a a2a_agent aiohttp_openai anthropic_text auto_router aws_polly aws_textract azure_speech bespoke black_forest_labs bytez chatgpt
  cloudflare cursor custom databricks_agent datarobot deepgram dotprompt elevenlabs eu_jev fal_ai gdc gigachat github_copilot humanloop
  infinity langflow langfuse langgraph laya litellm_agent manus microsoft_365_copilot milvus mongodb nace nlp_cloud nvidia_riva oci oobabooga
  opencode_go opensearch parallel_ai petals pg_vector predibase ragflow recraft reducto replicate runwayml s3_vectors sagemaker
  sagemaker_chat sagemaker_nova sap scaledown snowflake soniox stability strands_decider text-completion-codestral text-completion-inception
  topaz transcribe triton typesafe valkey vllm voyage watsonx watsonx_text`.split(/\s+/),
);

/** OpenAI-compatible alternatives of providers with another protocol. */
const OPENAI_WAYS: Readonly<Record<string, string>> = {
  vllm: 'run the server of vLLM: hosted_vllm/<model> with its api_base',
  anthropic_text: 'use a current model: anthropic/<model>',
  cloudflare:
    'use its OpenAI-compatible endpoint: model openai/<model>, api_base https://api.cloudflare.com/client/v4/accounts/<account>/ai/v1',
  oobabooga: 'use its OpenAI-compatible endpoint: model openai/<model> with api_base http://<host>:5000/v1',
  replicate: 'use a provider that speaks the OpenAI protocol',
};
const ALIKE: Readonly<Record<string, string>> = { sagemaker_chat: 'sagemaker', watsonx_text: 'watsonx' };
const ANY_WAY = 'use openai/<model> with the api_base of an OpenAI-compatible endpoint';

/** The advice for a provider whose protocol is not supported. */
export function openAIWayOf(provider: string): string {
  return OPENAI_WAYS[ALIKE[provider] ?? provider] ?? ANY_WAY;
}

/** Clouds with models of several makers: Claude's by Anthropic's protocol, below `/anthropic`. */
export const CLOUDS: ReadonlySet<string> = new Set(['azure_ai', 'bedrock_mantle']);

export function isKnownProvider(name: string): boolean {
  return Object.hasOwn(SPOKEN, name) || UNSPOKEN.has(name) || providedRow(name) !== undefined;
}

/** The names of all known providers. */
export function providerNames(): readonly string[] {
  return [...Object.keys(SPOKEN), ...UNSPOKEN, ...providedNames()];
}

export function rowOf(provider: string): ProviderRow | undefined {
  return Object.hasOwn(SPOKEN, provider) ? SPOKEN[provider] : providedRow(provider);
}

export function keyVariables(provider: string): readonly string[] {
  return rowOf(provider)?.keys ?? [`${upperCaseName(provider)}_API_KEY`];
}

export function baseVariables(provider: string): readonly string[] {
  const name = upperCaseName(provider);
  return rowOf(provider)?.bases ?? [`${name}_BASE_URL`, `${name}_API_BASE`];
}

function upperCaseName(provider: string): string {
  return provider.toUpperCase().replaceAll('-', '_');
}

let origins: ReadonlyMap<string, string> | undefined;

/** Whether an address is the provider's own: scheme, host and port, never a part of a name. */
export function isAtProvider(provider: string, url: URL): boolean {
  const { base, alsoAt = [], suffixes = [], hosts } = rowOf(provider) ?? {};
  if ([base, ...alsoAt].some((own) => own !== undefined && new URL(own).origin === url.origin)) return true;
  if (url.protocol !== 'https:' || url.port !== '') return false;
  return suffixes.some((suffix) => url.hostname.endsWith(suffix)) || hosts?.test(url.hostname) === true;
}

/** The provider of an address; none without TLS, because any server could listen there. */
export function providerAt(url: URL): string | undefined {
  origins ??= new Map(
    Object.entries(SPOKEN)
      .reverse()
      .flatMap(([name, { base, alsoAt = [] }]) => (base === undefined ? [] : [base, ...alsoAt].map((own) => [new URL(own).origin, name]))),
  );
  if (url.protocol !== 'https:') return undefined;
  return origins.get(url.origin) ?? ['azure', 'databricks'].find((provider) => isAtProvider(provider, url));
}
