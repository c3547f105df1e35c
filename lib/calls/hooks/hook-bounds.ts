import { excessOf } from '../../http/body/json-shape.js';
import { HookFault } from './installed-hook.js';

/** Largest body that a hook may put in the place of a request: that of a program's own bytes. */
export const LARGEST_REQUEST = 32 * 1024 * 1024;

/**
 * Checks JSON that a hook gives before it is written: the texts in it may be the same one a million
 * times.
 * @throws HookFault above `maxBytes`, and above the bounds of any JSON body
 */
export function checkSize(what: string, value: unknown, maxBytes: number): void {
  const excess = excessOf(value);
  if (excess !== undefined) throw new HookFault(`gives ${what} beyond ${excess.bound} (${excess.limit})`);
  let left = maxBytes;
  const open = [value];
  for (let next = open.pop(); next !== undefined && left >= 0; next = open.pop()) {
    if (typeof next === 'string') left -= Buffer.byteLength(next);
    else if (typeof next !== 'object' || next === null) continue;
    else {
      if (!Array.isArray(next)) for (const key of Object.keys(next)) left -= Buffer.byteLength(key);
      for (const inner of Object.values(next)) if (typeof inner === 'string' || typeof inner === 'object') open.push(inner);
    }
  }
  if (left < 0) throw new HookFault(`returns ${what} of more than ${maxBytes} bytes`);
}
