import { DEFAULT_JSON_BOUNDS } from '../json-bounds.js';
import { isJsonFault, type JsonBodyEngine } from './engine.js';
import type { SelfTest } from '../../engine/engine-choice.js';

const TEXT = `Grüße \\u0041\\n${'x'.repeat(300)}`;
const BODY = Buffer.from(`{"model":"gpt-4o","messages":[{"role":"user","content":"${TEXT}"}],"n":-1.5e3}`);
const EXPECTED = 'model,messages,n/29,375/{"model":"gpt-4o","messages":[{"role":"user","content":"\uf8ff0"}],"n":-1.5e3}';

/** Scans a known body, a doubled key and a truncated body. */
export const selfTest: SelfTest<JsonBodyEngine> = (engine) => {
  const scan = engine.scan(BODY, DEFAULT_JSON_BOUNDS);
  const doubled = engine.scan(Buffer.from('{"a":1,"\\u0061":2}'), DEFAULT_JSON_BOUNDS);
  const truncated = engine.scan(BODY.subarray(0, -1), DEFAULT_JSON_BOUNDS);
  if (isJsonFault(scan) || !isJsonFault(doubled) || !isJsonFault(truncated)) return false;
  const { fields, outline } = scan;
  const found = `${fields.map(({ name }) => name).join()}/${fields[1].valueStart},${fields[1].valueEnd}/${outline}`;
  return found === EXPECTED && doubled.kind === 'duplicate' && truncated.kind === 'syntax';
};
