import { createHash } from 'node:crypto';

const LONGEST_NAME = 96;
/** What headers, metrics and Redis keys take without a second thought. */
const OTHER = /[^\w.:/@*+=-]/g;

/**
 * A name for a deployment that has no id: `chat/azure/gpt-4o@eu.openai.azure.com~1f3a90bc`. Made of what it is, and of a short hash of its whole entry, so that it is the
 * same after a restart, in every process, and in whatever order the list is.
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

/** JSON that does not depend on the order of keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (typeof entry === 'bigint') return `${entry}n`;
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
