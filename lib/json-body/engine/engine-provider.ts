import type { ComparisonCase } from '../../engine/comparison.js';
import { DEFAULT_JSON_BOUNDS } from '../json-bounds.js';
import type { JsonBodyEngine } from './engine.js';
import { NativeJsonBodyEngine } from './native.js';
import { selfTest } from './self-test.js';
import type * as TypeScriptEngine from './typescript.js';
import type { EngineProvider } from '../../engine/engine-choice.js';

/** The two engines that scan JSON bodies. */
export const JSON_BODY_ENGINES: EngineProvider<JsonBodyEngine> = {
  name: 'JSON bodies',
  feature: 'rust_json_scanning',
  native: (binding) => new NativeJsonBodyEngine(binding),
  // Loaded on first use, because with the addon it is rarely used.
  typescript: () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { TypeScriptJsonBodyEngine } = require('./typescript.js') as typeof TypeScriptEngine;
    return new TypeScriptJsonBodyEngine();
  },
  selfTest,
  comparison: [100, 4_000, 40_000].map(scanOf),
};

/** A scan of a chat of about this many bytes. */
function scanOf(bytes: number): ComparisonCase<JsonBodyEngine> {
  const content = 'Summarise the report, please.\n'.repeat(bytes / 120);
  const messages = ['system', 'user', 'assistant', 'user'].map((role) => ({ role, content }));
  const body = Buffer.from(JSON.stringify({ model: 'gpt-4o', messages, stream: true }));
  return { operation: `scan_${bytes}`, prepare: (engine) => ({ run: () => void engine.scan(body, DEFAULT_JSON_BOUNDS) }) };
}
