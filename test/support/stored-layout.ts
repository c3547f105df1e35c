import type { Redis } from 'ioredis';

/** Times of this decade, in ms. */
const [FIRST_MS, LAST_MS] = [1.5e12, 2.2e12];
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
/** Process, number and place of a hold. */
const HOLD = /^(h:)?[\w-]{12}(\.\d+\.\d+)$/;
const FLOAT_BYTES = 8;

/**
 * What a Redis contains, as text by the name of the key: what two versions must agree on. Times are `time`, random
 * ids `uuid`, so that the text of the same operations is always the same.
 */
export async function layoutOf(redis: Redis): Promise<Record<string, unknown>> {
  const layout: Record<string, unknown> = {};
  for (const key of (await redis.keys('*')).sort()) layout[named(key)] = await valueOf(redis, key);
  return layout;
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  if (type === 'string') return shown(await redis.getBuffer(key), key);
  if (type === 'zset') return { 'sorted set': sortedSet(await redis.zrange(key, 0, '-1', 'WITHSCORES')) };
  if (type !== 'hash') return type;
  const fields = Object.entries(await redis.hgetallBuffer(key)).map(([field, value]) => [named(field), shown(value, key, field)]);
  return { hash: Object.fromEntries(fields.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1))) as object };
}

function sortedSet(flat: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, at) => [named(flat[2 * at]), numberOf(Number(flat[2 * at + 1]))]));
}

/** The name without random parts and times. */
function named(text: string): string {
  return text
    .replace(UUID, 'uuid')
    .replace(HOLD, '$1hold$2')
    .replace(/\busage:\d+/, 'usage:minute');
}

function shown(bytes: Buffer | null, key: string, field = ''): unknown {
  if (bytes === null) return null;
  const text = bytes.toString('latin1');
  if (key.endsWith('/usd')) return field.startsWith('h:') ? record(bytes) : floats(bytes);
  if (/^[\x20-\x7e]*$/.test(text)) return shapeOfText(text);
  return floats(bytes);
}

/** 64-bit floats, little endian, and how many other bytes follow. */
function floats(bytes: Buffer): string {
  const count = Math.floor(bytes.length / FLOAT_BYTES);
  const numbers = Array.from({ length: count }, (_, at) => numberOf(bytes.readDoubleLE(at * FLOAT_BYTES)));
  return `${numbers.join(' ')}${bytes.length % FLOAT_BYTES === 0 ? '' : ` and ${bytes.length % FLOAT_BYTES} bytes`}`;
}

/** Of a hold: three floats, then a float, a length and a text for each budget. */
function record(bytes: Buffer): string {
  const parts = [floats(bytes.subarray(0, 3 * FLOAT_BYTES))];
  for (let at = 3 * FLOAT_BYTES; at < bytes.length;) {
    const end = at + FLOAT_BYTES + 1 + bytes[at + FLOAT_BYTES];
    parts.push(`(${floats(bytes.subarray(at, at + FLOAT_BYTES))} ${bytes.toString('latin1', at + FLOAT_BYTES + 1, end)})`);
    at = end;
  }
  return parts.join(' ');
}

function numberOf(value: number): string {
  const size = Math.abs(value);
  return size > FIRST_MS && size < LAST_MS ? `${value < 0 ? '-' : ''}time` : String(value);
}

function shapeOfText(text: string): unknown {
  const [, time, json] = /^(?:(\d{13})\|)?(.*)$/.exec(text) as unknown as [string, string | undefined, string];
  const rest = /^[[{]/.test(json) ? shapeOf(JSON.parse(json)) : numberOf(Number(json)) === 'NaN' ? json : numberOf(Number(json));
  return time === undefined ? rest : { 'time |': rest };
}

/** Types of the values of JSON. */
export function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each)]));
}
