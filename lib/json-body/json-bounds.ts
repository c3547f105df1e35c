import { integer, resolveOptions, type OptionsOf } from '../common/option.js';

const MOST = 1_000_000_000;

export const JSON_BOUNDS = {
  /** Maximum nesting depth. Default 128. */
  maxDepth: integer({ min: 1, max: 10_000, default: 128 }),
  /** Keys in one object. Default 10,000. */
  maxKeys: integer({ min: 1, max: MOST, default: 10_000 }),
  /** Objects and arrays. Default 200,000. */
  maxContainers: integer({ min: 1, max: MOST, default: 200_000 }),
  /** Values of any kind. Default 1,000,000. */
  maxValues: integer({ min: 1, max: MOST, default: 1_000_000 }),
};

/** Bounds on the structure of a JSON text. */
export interface JsonBounds extends OptionsOf<typeof JSON_BOUNDS> {}

export const DEFAULT_JSON_BOUNDS = resolveOptions(JSON_BOUNDS, '');

/** UTF-16 code units that an error keeps of a key. */
export const LONGEST_SHOWN_KEY = 64;
