import { InvalidConfigurationError } from '../common/errors.js';
import { withoutTrailingSlashes } from '../common/trailing-slashes.js';

/** Providers that speak OpenAI's protocol, and where, unless `api_base` says otherwise. */
export const WELL_KNOWN: Readonly<Record<string, string>> = {
  openai: 'https://api.openai.com/v1',
  anthropic: 'https://api.anthropic.com/v1',
  cerebras: 'https://api.cerebras.ai/v1',
  deepinfra: 'https://api.deepinfra.com/v1/openai',
  deepseek: 'https://api.deepseek.com/v1',
  fireworks_ai: 'https://api.fireworks.ai/inference/v1',
  gemini: 'https://generativelanguage.googleapis.com/v1beta/openai',
  groq: 'https://api.groq.com/openai/v1',
  mistral: 'https://api.mistral.ai/v1',
  nvidia_nim: 'https://integrate.api.nvidia.com/v1',
  ollama: 'http://127.0.0.1:11434/v1',
  ollama_chat: 'http://127.0.0.1:11434/v1',
  openrouter: 'https://openrouter.ai/api/v1',
  perplexity: 'https://api.perplexity.ai',
  together_ai: 'https://api.together.xyz/v1',
  xai: 'https://api.x.ai/v1',
};
/** Those whose `api_base` LiteLLM takes without the version in its path. */
const WITHOUT_VERSION = new Set(['anthropic', 'ollama', 'ollama_chat']);
/** An address may be given as a provider's page shows it: with what is asked there. */
const OPERATION = /\/(?:chat\/completions|completions|embeddings)$/;

const DATED_AZURE = '2024-10-21';
const DATED_AZURE_MODELS = '2024-05-01-preview';
/** Versions without a date are those of Azure's newer addresses, which are plain ones. */
const UNDATED_AZURE = new Set(['v1', 'preview', 'latest']);
const AZURE_DEPLOYMENT = /\/openai\/deployments\/[^/]+$/;
const AZURE_MODELS_HOST = /\.services\.ai\.azure\.com$/;
/** Whatever is behind these, they take a key by a header of their own. */
const AZURE_KEY_HOST = /\.(?:openai|services\.ai)\.azure\.com$/;

/** An address that the router's file takes from a variable, which is not there. */
const UNSET = /^os\.environ\/(\w+)$/;

/** Where the operations of a deployment are. */
export interface ProviderAddress {
  readonly url: URL;
  /** What goes before an operation's path. */
  readonly base: string;
  /** With its `?`, or nothing. */
  readonly query: string;
  /** Whether the deployment's name goes into the path, as Azure has it. */
  readonly namesDeployment: boolean;
  /** Whether its key goes into `api-key`. */
  readonly takesApiKey: boolean;
}

/** @throws InvalidConfigurationError where there is no address, or a wrong one; the address itself is not shown, for it may hold a password. */
export function addressOf(provider: string, given: unknown, version: string | undefined, deploymentId: string): ProviderAddress {
  const url = parseBase(given ?? WELL_KNOWN[provider], deploymentId);
  const path = withoutTrailingSlashes(url.pathname).replace(OPERATION, '');
  const plain = { url, query: url.search, namesDeployment: false, takesApiKey: provider === 'azure' || isAzureKeyHost(provider, url) };
  if (provider === 'azure') {
    if (path.endsWith('/openai/v1')) return { ...plain, base: path };
    if (version !== undefined && UNDATED_AZURE.has(version)) return { ...plain, base: `${path}/openai/v1` };
    const query = queryWith(url, version, DATED_AZURE);
    return { ...plain, base: path, query, namesDeployment: !AZURE_DEPLOYMENT.test(path) };
  }
  if (provider === 'azure_ai') {
    const isRoot = path === '' && AZURE_MODELS_HOST.test(url.hostname);
    return { ...plain, base: isRoot ? '/models' : path, query: queryWith(url, version, isRoot ? DATED_AZURE_MODELS : undefined) };
  }
  return { ...plain, base: path === '' && WITHOUT_VERSION.has(provider) ? '/v1' : path };
}

function isAzureKeyHost(provider: string, { hostname }: URL): boolean {
  return provider === 'azure_ai' && AZURE_KEY_HOST.test(hostname);
}

/** What the deployment says of the version goes before what its address does. */
function queryWith({ search }: URL, version: string | undefined, fallback: string | undefined): string {
  const query = new URLSearchParams(search);
  const wanted = version ?? query.get('api-version') ?? fallback;
  if (wanted !== undefined) query.set('api-version', wanted);
  return query.size === 0 ? '' : `?${query.toString()}`;
}

function parseBase(base: unknown, deploymentId: string): URL {
  const path = `deployment ${deploymentId}: litellm_params.api_base`;
  if (base === undefined) {
    throw new InvalidConfigurationError(path, 'must be given: this provider has no well-known address that speaks the OpenAI protocol');
  }
  const url = typeof base === 'string' && URL.canParse(base) ? new URL(base) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  const unset = typeof base === 'string' ? UNSET.exec(base)?.[1] : undefined;
  throw new InvalidConfigurationError(
    path,
    `must be an http or https URL${unset === undefined ? '' : `: the variable ${unset} is not set`}`,
  );
}
