import type { CalibrationCase } from '../../engine/calibration.js';
import type { SizeClasses } from '../../engine/engine-speeds.js';
import type { EncodingName, TokenCounterEngine } from './engine.js';

const BOUNDS = [64, 512];

/** Texts by their length: what a call costs beside its text shows in short ones only. */
export const TEXT_SIZES: SizeClasses = {
  names: ['texts up to 64 characters', 'texts up to 512 characters', 'longer texts'],
  of: (length) => (length <= BOUNDS[0] ? 0 : length <= BOUNDS[1] ? 1 : 2),
};

const SENTENCES = [
  "The router's 3 deployments answer in 120 ms; one is cooling down.",
  'const limit = Math.max(0, remaining - cost);\n  return { limit };\n',
  '{"role":"user","content":"Summarise the report, please.","n":1}',
  'Für Übersicht: die Antwort kam nach 12,5 Sekunden – zu spät.\n',
  '東京の天気は晴れ、気温は21度です。 ',
];

/** Lengths in the middle of each class, and what the TypeScript engine needs for them at the least, in milliseconds. */
const CASES = [
  { length: 40, twinMs: 0.0004 },
  { length: 320, twinMs: 0.003 },
  { length: 2048, twinMs: 0.02 },
];

/** Counts by length, each of a text that differs from the last one. `encoding`: one that is in use anyway. */
export function countingCases(encoding: EncodingName): CalibrationCase<TokenCounterEngine>[] {
  return CASES.map(({ length, twinMs }, sizeClass) => ({
    operation: `count_${length}`,
    sizeClass,
    twinMs,
    prepare: (engine) => {
      const handle = engine.load(encoding);
      const texts = mixedTexts(length);
      let next = 0;
      return { run: () => void engine.count(texts[next++ % texts.length], handle) };
    },
  }));
}

function mixedTexts(length: number): string[] {
  return Array.from({ length: 64 }, (_, index) => {
    let text = `${index}: `;
    for (let turn = index; text.length < length; turn++) text += SENTENCES[turn % SENTENCES.length];
    return text.slice(0, length);
  });
}
