/** The error of the getters and traps below, which must reach the caller unchanged. */
export class OwnError extends Error {}

const own = (): never => {
  throw new OwnError('thrown by what was given');
};

function cycle(): object {
  const value: Record<string, unknown> = { type: 'object' };
  return Object.assign(value, { self: value, items: value, properties: { value }, content: [value] });
}

function nested(levels: number): unknown {
  let value: unknown = 'end';
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}

/** An object whose every field throws when it is read. */
const throwing = (): object => new Proxy({}, { get: own, ownKeys: own, has: own, getPrototypeOf: own, getOwnPropertyDescriptor: own });

/** Values that no function expects, made anew for each call. */
export const HOSTILE_VALUES: Readonly<Record<string, () => unknown>> = {
  null: () => null,
  NaN: () => NaN,
  Infinity: () => Infinity,
  negative: () => -1,
  fraction: () => 0.5,
  '2 ** 53': () => 2 ** 53,
  bigint: () => 10n,
  'long bigint': () => 10n ** 300n,
  symbol: () => Symbol('hostile'),
  boolean: () => true,
  function: () => own,
  'empty string': () => '',
  // Computed, as otherwise it would be this table's own.
  ['__proto__']: () => '__proto__',
  'lone surrogates': () => 'a\ud800b\udc00\ufeff\0',
  'long string': () => 'x'.repeat(5_000),
  'empty object': () => ({}),
  'no prototype': () => Object.create(null) as object,
  'empty array': () => [],
  holes: () => new Array<unknown>(2),
  cycle,
  'deep array': () => nested(20_000),
  frozen: () => Object.freeze({ type: 'text', text: 'frozen' }),
  bytes: () => new Uint8Array(4),
  map: () => new Map([['model', 'gpt-4o']]),
  date: () => new Date(NaN),
  error: () => Object.assign(new Error('hostile'), { message: { no: 'text' } }),
  'own constructor': () => JSON.parse('{"constructor":{"name":{"toString":1}},"__proto__":{"polluted":1}}') as object,
  'no conversion': () => ({ toString: own, valueOf: own, toJSON: own, then: undefined }),
  throwing,
};
