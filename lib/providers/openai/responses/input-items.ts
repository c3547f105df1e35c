import type { Fields } from '../../../common/objects.js';
import { isSealed } from './items.js';
import { KEPT_ITEMS } from './kept-items.js';

/** Azure refuses the status in items that its own answers have it in, as in LiteLLM. */
const WITHOUT_STATUS = new Set(['message', 'reasoning']);

/**
 * The input items as the provider can read them: those that a bridge made in an earlier turn are
 * sent whole, without the thinking of other models. Anything else passes.
 */
export function readableInput(input: unknown, provider: string, textOf: (text: string) => string): unknown {
  if (!Array.isArray(input)) return input;
  const read = (input as readonly unknown[]).flatMap((item) => readableItem(item, provider, textOf));
  return read.length === input.length && read.every((item, at) => item === input[at]) ? input : read;
}

function readableItem(item: unknown, provider: string, textOf: (text: string) => string): readonly unknown[] {
  if (typeof item !== 'object' || item === null) return [item];
  const { type, id } = item as Fields;
  const kept = (type === 'item_reference' || type === undefined) && typeof id === 'string' ? KEPT_ITEMS.get(textOf(id)) : undefined;
  const whole = (kept ?? item) as Fields;
  const sealed =
    kept === undefined && typeof whole.encrypted_content === 'string' ? textOf(whole.encrypted_content) : whole.encrypted_content;
  if (whole.type === 'reasoning' && isSealed(sealed)) return [];
  if (provider !== 'azure' || !WITHOUT_STATUS.has(String(whole.type)) || whole.status === undefined) return [whole];
  return [Object.fromEntries(Object.entries(whole).filter(([name]) => name !== 'status'))];
}
