import { InvalidArgumentError } from '../common/errors.js';
import { refuseArgument } from '../common/options.js';
import { otherModel } from './other-model.js';
import { readFallbacks, type Fallbacks, type FallbackTable } from '../router/fallbacks.js';

/**
 * Reads the fallbacks of one request in LiteLLM's three forms: names (`['f']`), chains by model
 * group (`[{ g: ['f'] }]`), and targets that change the request (`[{ model: 'f', messages: […]
 * }]`). Keys, addresses and headers in a target are never sent.
 * @throws InvalidArgumentError naming the entry.
 */
export function readRequestFallbacks(path: string, value: unknown): FallbackTable {
  return readFallbacks(path, value, refuseArgument);
}

/**
 * Reads the fallbacks of a request's body: at most `most` targets, all of them model groups that
 * the caller may call.
 * @throws InvalidArgumentError naming the entry.
 */
export function readCallersFallbacks(
  path: string,
  value: unknown,
  most: number,
  mayCall: (model: string) => boolean = () => true,
): Fallbacks {
  const refuse = (count: number): Error => new InvalidArgumentError(path, count, `must have at most ${most} targets`, 'TOO_MANY_ENTRIES');
  if (Array.isArray(value) && value.length > most) throw refuse(value.length);
  const targets = [...readRequestFallbacks(path, value).values()].flat();
  if (targets.length > most) throw refuse(targets.length);
  for (const { model, overrides = {} } of targets) {
    const other = otherModel(overrides);
    if (other !== undefined)
      throw new InvalidArgumentError(path, other, 'must name a model in lower case: some servers read it as the model');
    if (!mayCall(model)) throw new InvalidArgumentError(path, model, 'must name models that the caller may call');
  }
  return value as Fallbacks;
}

/** Fields of Anthropic's entries; LiteLLM's targets can change any field of the request. */
const ANTHROPICS: ReadonlySet<string> = new Set(['model', 'max_tokens', 'output_config', 'speed', 'thinking']);

/**
 * Whether a body of Anthropic's API has that API's own `fallbacks`, models for a prompt that the
 * first one declines: `'default'`, or `[{ model, max_tokens }]`. LiteLLM's names and chains are
 * other shapes.
 */
export function areAnthropics(fallbacks: unknown): boolean {
  if (!Array.isArray(fallbacks)) return fallbacks === 'default';
  return fallbacks.length > 0 && fallbacks.every(isAnthropics);
}

function isAnthropics(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null) return false;
  return typeof (entry as { readonly model?: unknown }).model === 'string' && Object.keys(entry).every((name) => ANTHROPICS.has(name));
}

/** Whether these are names or targets for every model group, and not chains. */
export function isList(fallbacks: Fallbacks | null | undefined): boolean {
  if (!Array.isArray(fallbacks) || fallbacks.length === 0) return false;
  const [first] = fallbacks as unknown[];
  return typeof first === 'string' || typeof (first as { readonly model?: unknown }).model === 'string';
}
