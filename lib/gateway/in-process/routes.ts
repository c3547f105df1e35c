import { MODEL_CALLS } from '../routes/model-calls.js';
import { MODEL_LISTS } from '../routes/models.js';
import type { GatewayRoute } from '../routes/route.js';

/** A route of the gateway, and the parameters in its path. */
export interface FoundRoute {
  readonly route: GatewayRoute;
  readonly params: Readonly<Record<string, string>>;
}

const ROUTES = [...MODEL_CALLS, ...MODEL_LISTS];
/** The longest first: `/responses/input_tokens` ends with no other path. */
const PLAIN = ROUTES.filter(({ path }) => !path.includes(':')).sort((one, other) => other.path.length - one.path.length);
/** `files/:id/content` as its parts. */
const WITH_ID = ROUTES.filter(({ path }) => path.includes('/:id')).map((route) => ({ route, parts: route.path.split('/') }));
/** The last part of each SDK's base address, in front of the route. */
const VERSION = '/v1/';

/**
 * Finds the route of a request by the end of its path, regardless of the SDK's base URL
 * (`https://api.openai.com/v1`, `https://api.anthropic.com`, Azure's with its deployment).
 */
export function findRoute(method: string, pathname: string): FoundRoute | undefined {
  const plain = PLAIN.find((route) => route.method === method && pathname.endsWith(`/${route.path}`));
  if (plain !== undefined) return { route: plain, params: {} };
  const at = pathname.lastIndexOf(VERSION);
  const asked = pathname.slice(at < 0 ? 1 : at + VERSION.length).split('/');
  for (const { route, parts } of WITH_ID) {
    if (route.method !== method || parts[0] !== asked[0]) continue;
    // SDKs encode ids, including slashes.
    if (parts.length === asked.length && (parts[2] ?? '') === (asked[2] ?? '')) return { route, params: { id: decoded(asked[1]) } };
  }
  return undefined;
}

function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
