import { JsonReader } from '../../lib/http/body/json-reader.js';
import { openNativeBinding } from '../../lib/engine/native-binding.js';
import { isJsonFault, type JsonBodyEngine, type JsonFault, type JsonScan } from '../../lib/json-body/engine/engine.js';
import { JSON_BODY_ENGINES } from '../../lib/json-body/engine/engine-provider.js';
import { decodeJsonText, markedIndex } from '../../lib/json-body/text-marks.js';

/** The engines to be tested: both, where the addon opens; the suite itself says which. */
export function jsonBodyEngines(): JsonBodyEngine[] {
  const { binding } = openNativeBinding();
  const engines = [JSON_BODY_ENGINES.typescript()];
  if (binding !== null) engines.push(JSON_BODY_ENGINES.native(binding));
  return engines;
}

/** The scan of a text that is expected to be accepted. */
export function accepted(result: JsonScan | JsonFault): JsonScan {
  if (isJsonFault(result)) throw new Error(`the scan refused it: ${JSON.stringify(result)}`);
  return result;
}

/** The value that a scan stands for: its outline, parsed, with the long texts in their places. */
export function restored(bytes: Buffer, { outline, texts }: JsonScan): unknown {
  if (outline === undefined) return JSON.parse(bytes.toString().replace(/^\ufeff/, ''));
  return JSON.parse(outline, (_, value: unknown) => {
    const index = typeof value === 'string' ? markedIndex(value) : -1;
    return index < 0 ? value : decodeJsonText(bytes, texts[2 * index], texts[2 * index + 1]);
  });
}

/** A reader that scans by one engine. */
export function readerOf(engine: JsonBodyEngine): JsonReader {
  return new JsonReader({
    always: engine,
    run: (_operation, _requestId, call) => call(engine),
    runAsync: (_operation, _requestId, call) => call(engine),
    recover: (error) => {
      throw error;
    },
  });
}
