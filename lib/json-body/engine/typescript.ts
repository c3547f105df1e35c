import type { EngineName } from '../../common/capability.js';
import { nextTurn } from '../../common/next-turn.js';
import type { JsonBounds } from '../json-bounds.js';
import { asBuffer } from '../text-marks.js';
import { JsonBodyEngine, type JsonFault, type JsonScan } from './engine.js';
import { JsonScanner } from './json-scanner.js';

/** Bytes that are scanned in one turn of the event loop: 0.1 ms of long texts, 2 ms of marks. */
const BYTES_PER_TURN = 1 << 15;

/** The TypeScript engine. */
export class TypeScriptJsonBodyEngine extends JsonBodyEngine {
  readonly engine: EngineName = 'typescript';

  scan(bytes: Uint8Array, bounds: Required<JsonBounds>): JsonScan | JsonFault {
    const scanner = new JsonScanner(asBuffer(bytes), bounds);
    scanner.run(bytes.length);
    return scanner.result!;
  }

  async scanAsync(bytes: Uint8Array, bounds: Required<JsonBounds>): Promise<JsonScan | JsonFault> {
    const scanner = new JsonScanner(asBuffer(bytes), bounds);
    for (let until = BYTES_PER_TURN; ; until += BYTES_PER_TURN) {
      scanner.run(until);
      if (scanner.result !== undefined) return scanner.result;
      await nextTurn();
    }
  }
}
