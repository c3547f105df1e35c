import { isObject } from '../../common/objects.js';
import { parseConfigJson, readConfigText } from '../../common/config-text.js';
import { describeValue, errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { MOST_USD_OF_ONE } from '../../common/token-cost.js';

/** Entry of one model in a price file. */
export type PriceEntry = Readonly<Record<string, unknown>>;

/** Content of a price file and its name in errors. */
export interface PriceFile {
  readonly name: string;
  /** Of a file. */
  readonly path?: string;
  readonly entries: Readonly<Record<string, PriceEntry>>;
}

/**
 * Reads a price source from a JSON file or takes it as an object. @throws InvalidConfigurationError
 * naming the file and, inside, the path.
 */
export function openPriceFile(source: unknown, option: string): PriceFile {
  const name = typeof source === 'string' ? source : option;
  const content = typeof source === 'string' ? readJson(source, option) : source;
  if (!isObject(content))
    throw new InvalidConfigurationError(name, `must be an object with an entry for each model, got ${describeValue(content)}`);
  for (const [key, entry] of Object.entries(content)) {
    if (!isObject(entry)) throw new InvalidConfigurationError(`${name}: ${key}`, `must be an object, got ${describeValue(entry)}`);
  }
  return { name, path: typeof source === 'string' ? source : undefined, entries: content as Record<string, PriceEntry> };
}

/** Reads a price or limit: a finite number from 0, or nothing. */
export function readNumber(entry: PriceEntry, field: string, path: string): number | undefined {
  const value = entry[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidConfigurationError(`${path}.${field}`, `must be a number of at least 0, got ${describeValue(value)}`);
}

/** Reads a price in USD of at most `most`. `scale` converts the unit. */
export function readPrice(entry: PriceEntry, field: string, path: string, scale = 1, most = MOST_USD_OF_ONE): number | undefined {
  const price = readNumber(entry, field, path);
  if (price === undefined || price <= most) return price && price * scale;
  throw new InvalidConfigurationError(`${path}.${field}`, `must be at most ${most}, got ${price}`);
}

function readJson(file: string, option: string): unknown {
  let text: string;
  try {
    text = readConfigText(file);
  } catch (error) {
    throw new InvalidConfigurationError(option, `cannot read ${file} (${errorMessage(error)})`, { cause: error });
  }
  return parseConfigJson(file, text);
}
