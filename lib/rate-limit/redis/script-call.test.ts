import { ScriptCall } from './script-call.js';
import { OperationKind, windowId, type RedisOperation } from './protocol.js';

const MINUTE = windowId(60_000, 2);
const LIMITS = [-1, -1, 1_000, -1, MINUTE, 60];

function take(stateKey: string, cost: number, tokens: number, limits: readonly number[] = LIMITS): RedisOperation {
  return { kind: OperationKind.take, tag: '', scopes: [{ stateKey, slotsKey: '', limits }], values: [cost, tokens] };
}

function callOf(...operations: RedisOperation[]): ScriptCall {
  const call = new ScriptCall();
  for (const operation of operations) call.add(operation);
  return call;
}

/** The operations as the script sees them, and how many keys are read at once. */
function asked(call: ScriptCall): { operations: unknown; usual: unknown; keys: readonly string[] } {
  const { keys, argument } = call.encode();
  const [, operations, usual] = JSON.parse(argument) as unknown[];
  return { operations, usual, keys };
}

describe('a call of the script', () => {
  it('says the takes of one key together, wherever they stand', () => {
    const call = callOf(take('a', 1, 10), take('b', 2, 20), take('a', 3, 30));
    expect(asked(call)).toEqual({ operations: [0, 1, 1, 2, 1, 10, 3, 30, 0, 2, 1, 1, 2, 20], usual: 2, keys: ['a', 'b'] });
  });

  it('keeps apart what another limit or another operation on the key stands between', () => {
    const reset = { ...take('a', 1, 0), kind: OperationKind.reset, values: [] };
    expect(asked(callOf(take('a', 1, 0), reset, take('a', 2, 0))).operations).toEqual([
      0, 1, 1, 1, 1, 0, 6, 0, 1, 1, 0, 1, 0, 1, 1, 1, 2, 0,
    ]);
    const other = [...LIMITS];
    const mixed = callOf(take('a', 1, 0), take('a', 2, 0, other), take('a', 3, 0));
    expect(asked(mixed).operations).toEqual([0, 1, 1, 1, 1, 0, 0, 1, 2, 1, 2, 0, 0, 1, 1, 1, 3, 0]);
  });

  it('does not count takes of nothing among the usual ones', () => {
    expect(asked(callOf(take('a', 0, 5), take('b', 1, 5)))).toEqual({
      operations: [1, 2, 0, 5, 1, 2, 0, 1, 0, 1, 1, 1, 1, 5],
      usual: 1,
      keys: ['b', 'a'],
    });
  });

  it('tells each take what was left after it, by what is left after the last', () => {
    const call = callOf(take('a', 1, 10), take('b', 2, 20), take('a', 3, 30));
    const reply = new Float64Array([-1, 777, 50, 900, ...[2, 0, 400, 777, 60, 1, 980, 400, 60_000]]);
    const numbers = call.read(new Uint8Array(reply.buffer));
    const told = call.starts.map((start, place) => [...numbers.subarray(start, call.starts[place + 1])]);
    expect(told).toEqual([
      [0, 0, 0, 777, 60, 53, 930, 60_000, 60_000],
      [2, 0, 400, 777, 60, 1, 980, 400, 60_000],
      [0, 0, 0, 777, 60, 50, 900, 60_000, 60_000],
    ]);
    expect(() => call.read(new Uint8Array(16))).toThrow();
  });

  it('is full where enough keys are in it for Redis to begin, or operations for its other clients to wait', () => {
    const keys = new ScriptCall();
    for (let i = 0; i < 31; i++) keys.add(take(`key ${i}`, 1, 0));
    expect(keys.isFull).toBe(false);
    keys.add(take('one more', 1, 0));
    expect(keys.isFull).toBe(true);
    const hot = new ScriptCall();
    for (let i = 0; i < 127; i++) hot.add(take('a', 1, 0));
    expect(hot.isFull).toBe(false);
    hot.add(take('a', 1, 0));
    expect(hot.isFull).toBe(true);
  });
});
