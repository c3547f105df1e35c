import { withoutTrailingSlashes } from '../trailing-slashes.js';
import { DeploymentFault } from './deployment-fault.js';
import { geminiAddress } from '../gemini/address.js';
import type { ProviderAddress } from './provider-address.js';
import { CLOUDS, isAtProvider, rowOf } from './provider-table.environment.js';

export type { ProviderAddress };

const DATED_AZURE = '2024-10-21';
const DATED_AZURE_MODELS = '2024-05-01-preview';
/** Undated versions belong to Azure's newer addresses, which have plain paths. */
const UNDATED_AZURE = new Set(['v1', 'preview', 'latest']);
const AZURE_DEPLOYMENT = /\/openai\/deployments\/[^/]+$/;
const AZURE_MODELS_HOST = /\.services\.ai\.azure\.com$/;
/** These hosts take the key in a header of their own, for every model. */
const AZURE_KEY_HOST = /\.(?:openai|services\.ai|cognitiveservices)\.azure\.com$/;
/** Operations that are often left in an address, as the provider's page shows it. */
const OPERATIONS = [
  '/chat/completions',
  '/completions',
  '/embeddings',
  '/responses',
  '/images/generations',
  '/images/edits',
  '/audio/speech',
  '/audio/transcriptions',
  '/audio/translations',
  '/moderations',
  '/rerank',
];
const OLLAMA_OPERATIONS = new Set(['/api', '/api/generate', '/api/chat', '/api/embed', '/api/embeddings', '/api/tags']);
const REGION = /^[a-z0-9-]{1,63}$/;

/** Inputs of an address besides its text. */
export interface AddressContext {
  readonly deploymentId: string;
  /** `api_version`. */
  readonly version?: string;
  /** The name of the protocol. Default: OpenAI's. */
  readonly protocol?: string;
}

/** Reads an address as its provider means it. */
export function addressOf(provider: string, url: URL, { version, protocol }: AddressContext): ProviderAddress {
  if (protocol === 'anthropic') return messagesAddress(provider, url);
  if (protocol === 'gemini') return geminiAddress(url);
  const path = operationPath(provider, url);
  const keyHeader = provider === 'azure_ai' && AZURE_KEY_HOST.test(url.hostname) ? 'api-key' : rowOf(provider)?.keyHeader;
  const plain = { url, query: url.search, namesDeployment: false, keyHeader };
  if (provider === 'azure' || provider === 'azure_text') {
    if (path.endsWith('/openai/v1')) return { ...plain, base: path };
    if (version !== undefined && UNDATED_AZURE.has(version)) return { ...plain, base: `${path}/openai/v1` };
    const query = queryWith(url, version, DATED_AZURE);
    const v1 = `${path.replace(AZURE_DEPLOYMENT, '')}/openai/v1`;
    return { ...plain, base: path, query, namesDeployment: !AZURE_DEPLOYMENT.test(path), v1 };
  }
  if (provider === 'azure_ai') {
    const isRoot = path === '' && AZURE_MODELS_HOST.test(url.hostname);
    return { ...plain, base: isRoot ? '/models' : path, query: queryWith(url, version, isRoot ? DATED_AZURE_MODELS : undefined) };
  }
  return { ...plain, base: path };
}

/** Anthropic's protocol: `/v1` may be left out of an address, at a cloud `/anthropic` too. */
function messagesAddress(provider: string, url: URL): ProviderAddress {
  const path = operationPath(provider, url).replace(/\/v1$/, '');
  const isCloud = CLOUDS.has(provider);
  const root = isCloud ? `${path.replace(/\/(?:anthropic|models|openai)$/, '')}/anthropic` : path;
  const keyHeader = provider === 'azure_ai' ? 'api-key' : rowOf(provider)?.keyHeader;
  return { url, base: `${root}/v1`, query: url.search, namesDeployment: false, keyHeader };
}

/** The path below which the operations are, without those of the provider's own protocol. */
function operationPath(provider: string, url: URL): string {
  let path = withoutTrailingSlashes(url.pathname);
  const operation = OPERATIONS.find((end) => path.endsWith(end));
  if (operation !== undefined) path = path.slice(0, -operation.length);
  else if (path.endsWith('/v1/messages')) path = path.slice(0, -'/messages'.length);
  const { base, root, native } = rowOf(provider) ?? {};
  if (provider.startsWith('ollama') && OLLAMA_OPERATIONS.has(path)) path = '';
  if (path === '' && root !== undefined) return root;
  const own = base === undefined ? '' : withoutTrailingSlashes(new URL(base).pathname);
  const isOwn = isAtProvider(provider, url);
  if ((isOwn && path === '') || (native?.test(path) === true && isOwn)) return own;
  return path;
}

/** The deployment's version replaces that of its address. */
function queryWith({ search }: URL, version: string | undefined, fallback: string | undefined): string {
  const query = new URLSearchParams(search);
  const wanted = version ?? query.get('api-version') ?? fallback;
  if (wanted !== undefined) query.set('api-version', wanted);
  return query.size === 0 ? '' : `?${query.toString()}`;
}

/** @throws DeploymentFault for an invalid address, which is not shown: it may hold a password. */
export function parseBase(base: unknown, deploymentId: string, key = 'api_base'): URL {
  const url = typeof base === 'string' && URL.canParse(base) ? new URL(base) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new DeploymentFault(deploymentId, key, 'must be an http:// or https:// URL', '');
}

/** The default address of a region. @throws DeploymentFault for an invalid one. */
export function regionalBase(region: string, deploymentId: string): string {
  if (REGION.test(region)) return `https://bedrock-mantle.${region}.api.aws/v1`;
  throw new DeploymentFault(
    deploymentId,
    'aws_region_name',
    'must contain only lower-case letters, digits and hyphens',
    'for example us-east-1',
  );
}
