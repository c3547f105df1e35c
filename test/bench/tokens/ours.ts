import { join } from 'node:path';
import type { FastLiteLLM } from '../../../lib/fast-litellm.js';
import type * as NativeBindingModule from '../../../lib/engine/native-binding.js';
import type { TokenCounterEngine } from '../../../lib/token-counter/engine/engine.js';
import type * as NativeModule from '../../../lib/token-counter/engine/native.js';
import type * as TypeScriptModule from '../../../lib/token-counter/engine/typescript.js';
import { ENCODINGS, ROOT } from './contenders.js';
import type { Available, BenchEncoding, Counter } from './contenders.js';

/** The names of our three ways in, as the tables show them. */
export const NATIVE = 'native';
export const SERVICE = 'service';
export const TYPESCRIPT = 'typescript';
export const OURS: readonly string[] = [NATIVE, SERVICE, TYPESCRIPT];

/** A model of each encoding: the service is asked the way an app asks it. */
const MODELS: Record<BenchEncoding, string> = { cl100k_base: 'gpt-4', o200k_base: 'gpt-4o' };

const SILENT = { log() {}, warn() {}, error() {} };

/** From the compiled package: that is what users run. */
function compiled<T>(file: string): T {
  return require(join(ROOT, 'dist', 'lib', file)) as T;
}

/** The engine itself, with its batches. Throws with the reason if the addon cannot be loaded. */
export function openEngine(name: typeof NATIVE | typeof TYPESCRIPT): TokenCounterEngine {
  if (name === TYPESCRIPT) {
    const { TypeScriptTokenCounterEngine } = compiled<typeof TypeScriptModule>('token-counter/engine/typescript.js');
    return new TypeScriptTokenCounterEngine();
  }
  const { binding, reason } = compiled<typeof NativeBindingModule>('engine/native-binding.js').openNativeBinding();
  if (binding === null) throw new Error(reason);
  const { NativeTokenCounterEngine } = compiled<typeof NativeModule>('token-counter/engine/native.js');
  return new NativeTokenCounterEngine(binding);
}

/**
 * In turn order: native and service are never adjacent, because they share tables in the CPU's
 * caches.
 */
const openers: Record<string, (encoding: BenchEncoding) => Counter> = {
  [NATIVE]: (encoding) => engineCounter(openEngine(NATIVE), encoding),
  [TYPESCRIPT]: (encoding) => engineCounter(openEngine(TYPESCRIPT), encoding),
  [SERVICE]: serviceCounter,
};

/** Our available engines and the service, and why others are missing. Loads no encoding. */
export function ours(): Available {
  const { version } = require(join(ROOT, 'package.json')) as { version: string };
  const reason = reasonWithoutNative();
  const result: Available = { installed: [], missing: [] };
  for (const [name, open] of Object.entries(openers)) {
    if (reason !== undefined && name !== TYPESCRIPT) result.missing.push({ name, reason });
    else result.installed.push({ name, version, kind: 'ours', encodings: ENCODINGS, open });
  }
  return result;
}

function reasonWithoutNative(): string | undefined {
  try {
    openEngine(NATIVE);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n', 1)[0];
  }
}

function engineCounter(engine: TokenCounterEngine, encoding: BenchEncoding): Counter {
  const handle = engine.load(encoding);
  return { count: (text) => engine.count(text, handle), encode: (text) => engine.encode(text, handle) };
}

function serviceCounter(encoding: BenchEncoding): Counter {
  const { FastLiteLLM: Roof } = compiled<{ FastLiteLLM: typeof FastLiteLLM }>('fast-litellm.js');
  const { tokenCounter } = new Roof({ engine: 'native', logger: SILENT }, { env: {} });
  const model = MODELS[encoding];
  return { count: (text) => tokenCounter.countTokens(text, model), encode: (text) => tokenCounter.encode(text, model) };
}
