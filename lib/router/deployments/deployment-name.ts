import { createHash } from 'node:crypto';

const LONGEST_NAME = 96;
/** Characters that are not valid in headers, metrics and Redis keys alike. */
const OTHER = /[^\w.:/@*+=-]/g;

/**
 * Returns a name for a deployment without an id: `chat/azure/gpt-4o@eu.openai.azure.com~1f3a90bc`.
 * It consists of group, model and host, and of a hash of the entry, so that it is the same after a
 * restart, in every process, and in any order of the list.
 */
export function deploymentName(entry: Readonly<Record<string, unknown>>, params: Readonly<Record<string, unknown>>): string {
  const [group, model] = [String(entry.model_name), String(params.model)];
  const base = params.api_base ?? params.base_url;
  const host = typeof base === 'string' && URL.canParse(base) ? `@${new URL(base).host}` : '';
  const hash = createHash('sha256')
    .update(canonical([entry.model_name, entry.litellm_params]))
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
