import type { ComparisonCase } from '../../engine/comparison.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { ENCODING_NAMES, type EncodingName, type TokenCounterEngine } from './engine.js';
import { NativeTokenCounterEngine } from './native.js';
import { modelFacts } from '../models.js';
import type { ResolvedTokenCounterOptions } from '../token-counter.options.js';
import { selfTestOf } from './self-test.js';
import type * as TypeScriptEngine from './typescript.js';
import type { EngineProvider } from '../../engine/engine-choice.js';

/** The self-test and the comparisons count with it. */
const CHECKED_ENCODING: EncodingName = 'cl100k_base';

/**
 * Builds the tables of an encoding on a thread of the addon, so that the self-test waits less.
 */
export async function startBuildingEncoding(binding: NativeBinding, encoding: EncodingName): Promise<void> {
  try {
    await binding.countTokensBatchAsync(['a'], Uint32Array.of(1), ENCODING_NAMES.indexOf(encoding));
  } catch {
    // The self-test reports it.
  }
}

const SENTENCES = [
  "The router's 3 deployments answer in 120 ms; one is in cooldown.",
  'const limit = Math.max(0, remaining - cost);\n  return { limit };\n',
  '{"role":"user","content":"Summarise the report, please.","n":1}',
  'Für Übersicht: die Antwort kam nach 12,5 Sekunden – zu spät.\n',
  '東京の天気は晴れ、気温は21度です。 ',
];

/** The two engines that count tokens. */
export const TOKEN_COUNTER_ENGINES: EngineProvider<TokenCounterEngine> = {
  name: 'Token counter',
  feature: 'rust_token_counting',
  native: (binding) => new NativeTokenCounterEngine(binding),
  // Loaded on first use, because with the addon it is rarely used.
  typescript: () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { TypeScriptTokenCounterEngine } = require('./typescript.js') as typeof TypeScriptEngine;
    return new TypeScriptTokenCounterEngine();
  },
  selfTest: selfTestOf(CHECKED_ENCODING),
  comparison: [40, 320, 2048].map(countOf),
};

/** The engines of an app whose self-test counts with `encoding`. */
export function tokenCounterEngines(encoding: EncodingName): EngineProvider<TokenCounterEngine> {
  return { ...TOKEN_COUNTER_ENGINES, selfTest: selfTestOf(encoding) };
}

/** The encoding of the self-tests: one that the app loads anyway, because each takes 10 MB. */
export function checkedEncoding({ preload, defaultModel }: Pick<ResolvedTokenCounterOptions, 'preload' | 'defaultModel'>): EncodingName {
  return preload.at(0) ?? modelFacts(defaultModel).encoding;
}

/** Counts of texts of this length, each another than the one before. */
function countOf(length: number): ComparisonCase<TokenCounterEngine> {
  return {
    operation: `count_${length}`,
    prepare: (engine) => {
      const handle = engine.load(CHECKED_ENCODING);
      const texts = Array.from({ length: 64 }, (_, index) => mixedText(index, length));
      let next = 0;
      return { run: () => void engine.count(texts[next++ % texts.length], handle) };
    },
  };
}

function mixedText(index: number, length: number): string {
  let text = `${index}: `;
  for (let turn = index; text.length < length; turn++) text += SENTENCES[turn % SENTENCES.length];
  return text.slice(0, length);
}
