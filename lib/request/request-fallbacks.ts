import { refuseArgument } from '../common/options.js';
import { readFallbacks, type FallbackTable } from '../router/fallbacks.js';

/**
 * Reads the fallbacks of one request, in LiteLLM's three forms: names (`['f']`), chains by model group (`[{ g: ['f'] }]`), and targets that change the
 * request (`[{ model: 'f', messages: […] }]`). A key, an address or a header in a target is never sent.
 * @throws InvalidArgumentError naming the entry.
 */
export function readRequestFallbacks(path: string, value: unknown): FallbackTable {
  return readFallbacks(path, value, refuseArgument);
}
