/** Bounds of a JSON text. */
export interface JsonBounds {
  /** Levels of nesting. Default 128. */
  readonly maxDepth?: number;
  /** Keys of one object. Default 10,000. */
  readonly maxKeys?: number;
  /** Objects and arrays. Default 200,000. */
  readonly maxContainers?: number;
  /** Values of every kind. Default 1,000,000. */
  readonly maxValues?: number;
}

export const DEFAULT_JSON_BOUNDS: Required<JsonBounds> = { maxDepth: 128, maxKeys: 10_000, maxContainers: 200_000, maxValues: 1_000_000 };

/** UTF-16 units that an error keeps of a key. */
export const LONGEST_SHOWN_KEY = 64;
