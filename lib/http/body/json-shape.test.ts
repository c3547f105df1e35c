import fc from 'fast-check';
import { DEFAULT_JSON_BOUNDS, excessOf, JsonShape } from './json-shape.js';

const NONE = { maxDepth: 9999, maxKeys: 1e9, maxContainers: 1e9, maxValues: 1e9 };

/** The least bounds that a value does not exceed. */
function boundsOf(value: unknown): typeof NONE {
  const found = { maxDepth: 0, maxKeys: 0, maxContainers: 0, maxValues: 1 };
  const walk = (each: unknown, depth: number): void => {
    if (typeof each !== 'object' || each === null) return;
    found.maxContainers++;
    found.maxDepth = Math.max(found.maxDepth, depth + 1);
    const entries = Object.entries(each);
    if (!Array.isArray(each)) found.maxKeys = Math.max(found.maxKeys, entries.length);
    found.maxValues += 1 + Math.max(0, entries.length - 1);
    for (const [, inner] of entries) walk(inner, depth + 1);
  };
  walk(value, 0);
  return found;
}

function write(json: string, bounds: typeof NONE, portion: number) {
  const shape = new JsonShape(bounds);
  const bytes = Buffer.from(json);
  let excess;
  for (let at = 0; at < bytes.length && excess === undefined; at += portion) excess = shape.write(bytes.subarray(at, at + portion));
  return excess;
}

describe('JsonShape', () => {
  it('counts any JSON, in portions of any length, as it counts the parsed value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 1, max: 9 }), (value, portion) => {
        const bounds = boundsOf(value);
        const json = JSON.stringify(value);
        const enough = { ...bounds, maxDepth: Math.max(1, bounds.maxDepth) };
        expect(write(json, enough, portion)).toBeUndefined();
        expect(excessOf(value, enough)).toBeUndefined();
        for (const bound of ['maxDepth', 'maxKeys', 'maxContainers', 'maxValues'] as const) {
          if (bounds[bound] <= 1) continue;
          const less = { ...NONE, [bound]: bounds[bound] - 1 };
          expect(write(json, less, portion)?.bound).toBe(bound);
          expect(excessOf(value, less)?.bound).toBe(bound);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('names the field that exceeds a bound', () => {
    const inside = (json: string) => write(json, { ...NONE, maxKeys: 2 }, 3);
    expect(inside('{"a":"b","tools":[{"x":1,"y":2,"z":3}]}')).toEqual({ bound: 'maxKeys', limit: 2, field: 'tools' });
    expect(excessOf({ a: 'b', tools: [{ x: 1, y: 2, z: 3 }] }, { ...NONE, maxKeys: 2 })).toMatchObject({ limit: 2, field: 'tools' });
    expect(inside('{"a":1,"b":2,"c":3}')).toEqual({ bound: 'maxKeys', limit: 2, field: undefined });
    expect(inside(`{"${'x'.repeat(5000)}":{"x":1,"y":2,"z":3}}`)?.field).toHaveLength(64);
  });

  it.each(['{"a":"\\\\","b":"\\"{[,:"}', '"[[[[[["', '{"a":"\\\\\\"[[["}'])('ignores brackets inside a string: %s', (json) => {
    for (let portion = 1; portion < 5; portion++) expect(write(json, { ...NONE, maxDepth: 1, maxValues: 3 }, portion)).toBeUndefined();
  });

  it('does not fail on invalid JSON', () => {
    for (const text of [']]]]}}}}', ':::', '"', '\\', '{"a', '\u0000\uffff']) expect(write(text, DEFAULT_JSON_BOUNDS, 2)).toBeUndefined();
  });
});
