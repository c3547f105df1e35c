import type { EngineName } from '../../common/capability.js';
import { atOnce, inTurns } from '../../common/next-turn.js';
import type { JsonBounds } from '../json-bounds.js';
import { isJsonFault, JsonBodyEngine, type JsonFault, type JsonScan } from './engine.js';
import { JsonOutliner } from './json-outliner.js';

const BYTE_ORDER_MARK = /^\ufeff/;
const NOT_JSON: JsonFault = { kind: 'syntax' };

/**
 * The TypeScript engine: after a pass that counts the values and lists the fields, `JSON.parse`
 * validates the text.
 */
export class TypeScriptJsonBodyEngine extends JsonBodyEngine {
  readonly engine: EngineName = 'typescript';

  scan(bytes: Buffer, bounds: Required<JsonBounds>): JsonScan | JsonFault {
    return atOnce(scanned(bytes, bounds));
  }

  /** Blocks for one call of `JSON.parse`, as any JSON server does. */
  scanAsync(bytes: Buffer, bounds: Required<JsonBounds>): Promise<JsonScan | JsonFault> {
    return inTurns(scanned(bytes, bounds));
  }
}

function* scanned(bytes: Buffer, bounds: Required<JsonBounds>): Generator<undefined, JsonScan | JsonFault> {
  try {
    const found = yield* new JsonOutliner(bytes, bounds).scan();
    // Bodies beyond the bounds must not be parsed.
    if (isJsonFault(found)) return found;
    yield;
    JSON.parse(bytes.toString().replace(BYTE_ORDER_MARK, ''));
    // Fields are read in a separate turn.
    yield;
    return found;
  } catch (error) {
    if (error instanceof SyntaxError) return NOT_JSON;
    throw error;
  }
}
