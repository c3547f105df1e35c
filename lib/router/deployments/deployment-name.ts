import { createHash } from 'node:crypto';

const LONGEST_NAME = 96;
/** Characters that are not valid in headers, metrics and Redis keys alike. */
const OTHER = /[^\w.:/@*+=-]/g;

/**
 * Parameters that identify a deployment: model, address and account. Limits, weights and prices are
 * not among them, so that a deployment keeps its cooldown and counters when these are edited. A new
 * key makes another deployment: the failures of the old one do not concern it.
 */
const OF_IDENTITY = [
  'model',
  'custom_llm_provider',
  'api_base',
  'base_url',
  'api_key',
  'litellm_credential_name',
  'azure_ad_token',
  'organization',
  'tenant_id',
  'client_id',
  'aws_access_key_id',
  'aws_profile_name',
  'aws_role_name',
  'aws_region_name',
  'aws_bedrock_runtime_endpoint',
  'vertex_project',
  'vertex_location',
] as const;

/**
 * Returns a name for a deployment without an id: `chat/azure/gpt-4o@eu.openai.azure.com~1f3a90bc`.
 * It consists of group, model and host, and of a hash of what identifies the deployment, so that it
 * is the same after a restart, in every process, in any order of the list, and after an edit of
 * other parameters.
 * @param isCopy Whether another deployment has that name: the hash is then of the whole entry.
 */
export function deploymentName(
  entry: Readonly<Record<string, unknown>>,
  params: Readonly<Record<string, unknown>>,
  isCopy = false,
): string {
  const [group, model] = [String(entry.model_name), String(params.model)];
  const base = params.api_base ?? params.base_url;
  const host = typeof base === 'string' && URL.canParse(base) ? `@${new URL(base).host}` : '';
  // As written, because the value of a variable can differ between processes.
  const written = (entry.litellm_params ?? {}) as Readonly<Record<string, unknown>>;
  const hash = createHash('sha256')
    .update(canonical([entry.model_name, isCopy ? written : OF_IDENTITY.map((key) => written[key] ?? null)]))
    .digest('hex')
    .slice(0, 8);
  const name = (group === model ? model : `${group}/${model}`) + host;
  return `${name.replace(OTHER, '_').slice(0, LONGEST_NAME)}~${hash}`;
}

/** Returns JSON that does not depend on the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (typeof entry === 'bigint') return `${entry}n`;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
