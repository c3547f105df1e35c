import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errorMessage, InvalidConfigurationError } from './errors.js';

/** Bytes of a configuration file: ten thousand deployments take about 2 MB. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Values of a configuration after its aliases are followed. */
const MAX_VALUES = 2_000_000;
const MAX_DEPTH = 64;
const BYTE_ORDER_MARK = /^\uFEFF/;

/**
 * Reads a configuration file as UTF-8, without a byte order mark, up to 16 MB: also from a pipe of
 * unknown size.
 * @throws InvalidConfigurationError naming the file.
 */
export function readConfigText(file: string): string {
  try {
    const descriptor = openSync(file, 'r');
    try {
      return textOf(file, descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof InvalidConfigurationError) throw error;
    throw new InvalidConfigurationError(file, `cannot be read (${errorMessage(error)})`, { cause: error });
  }
}

function textOf(file: string, descriptor: number): string {
  const parts: Buffer[] = [];
  let size = fstatSync(descriptor).size;
  for (let read = 0, part; size <= MAX_FILE_BYTES; size = Math.max(size, read)) {
    part = Buffer.alloc(64 * 1024);
    const bytes = readSync(descriptor, part);
    if (bytes === 0) return Buffer.concat(parts).toString('utf8').replace(BYTE_ORDER_MARK, '');
    parts.push(part.subarray(0, bytes));
    read += bytes;
  }
  throw new InvalidConfigurationError(file, `must have at most ${MAX_FILE_BYTES} bytes`);
}

/**
 * Parses JSON of a configuration file. Errors name the place but quote nothing, because the file
 * may hold keys.
 * @throws InvalidConfigurationError naming the file.
 */
export function parseConfigJson(file: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidConfigurationError(file, `must be valid JSON${placeIn(error as Error)}`);
  }
  checkExtent(file, value);
  return value;
}

/** Node's message quotes the text around the error; of it only the place is kept. */
function placeIn({ message }: Error): string {
  const place = /\bat position \d+(?: \(line \d+ column \d+\))?$/.exec(message);
  return place === null ? '' : ` (${place[0]})`;
}

/**
 * Bounds the depth and the number of values of a parsed configuration. YAML aliases share their
 * value: nine levels of nine aliases are few objects but 387 million values. Takes time linear in
 * the objects.
 * @throws InvalidConfigurationError naming the file.
 */
export function checkExtent(file: string, value: unknown): void {
  const known = new Map<object, number>();
  const count = (entry: unknown, depth: number): number => {
    if (typeof entry !== 'object' || entry === null) return 1;
    if (depth > MAX_DEPTH) throw new InvalidConfigurationError(file, `must not be nested deeper than ${MAX_DEPTH} levels`);
    const before = known.get(entry);
    if (before !== undefined) return before;
    let values = 1;
    for (const each of Object.values(entry)) values += count(each, depth + 1);
    if (values > MAX_VALUES)
      throw new InvalidConfigurationError(file, `must have at most ${MAX_VALUES} values after its aliases are expanded`);
    known.set(entry, values);
    return values;
  };
  count(value, 0);
}
