import {
  hasBudgetScopes,
  OperationKind,
  ReplyField,
  replyLength,
  standingAt,
  StandingField,
  windowLength,
  type RedisMark,
  type RedisOperation,
} from './protocol.js';

/**
 * Kind of an entry for the fast path: takes of one key under one limit, with `cost` and `tokens`
 * only.
 */
const FAST_PATH = 0;
/**
 * Instead of a code: all takes of a fast-path entry were allowed. Followed by the time and the rest
 * after the last.
 */
const ALL_PASSED = -1;
const PASSED_LENGTH = 4;

/** A longer script would block Redis for its other clients. */
const MOST_OPERATIONS = 128;
/** A full call is sent before the turn of the event loop ends, so that Redis can start on it. */
const MOST_ENTRIES = 32;

/** Takes that Redis may decide by their sums: no other operation on their key lies between them. */
interface FastPathTakes {
  readonly key: string;
  readonly limits: readonly number[];
  readonly places: number[];
}

/** Operations of one script call: its keys and argument, and how to read its reply. */
export class ScriptCall<O extends RedisOperation = RedisOperation> {
  readonly operations: O[] = [];
  /** Offset of each operation's reply. */
  readonly starts: number[] = [];
  private length = 0;
  /**
   * Fast-path takes, and indexes of other operations. Operations of different keys may change their
   * order.
   */
  private readonly entries: (FastPathTakes | number)[] = [];
  /** Entries that further takes of their key can join. */
  private readonly open = new Map<string, FastPathTakes>();

  constructor(private readonly mark?: RedisMark) {}

  add(operation: O): void {
    const place = this.operations.push(operation) - 1;
    this.starts.push(this.length);
    this.length += replyLength(operation);
    const { kind, scopes, values } = operation;
    const [{ stateKey: key, slotsKey, limits }] = scopes;
    // A charge of 0 requests cannot use the fast path, because its log entry depends on the limit.
    if (kind !== OperationKind.take || scopes.length > 1 || values.length > 2 || slotsKey !== '' || values[0] === 0) {
      for (const { stateKey } of scopes) this.open.delete(stateKey);
      this.entries.push(place);
      return;
    }
    const known = this.open.get(key);
    if (known?.limits === limits) return void known.places.push(place);
    const takes = { key, limits, places: [place] };
    this.open.set(key, takes);
    this.entries.push(takes);
  }

  get isFull(): boolean {
    return this.entries.length >= MOST_ENTRIES || this.operations.length >= MOST_OPERATIONS;
  }

  /**
   * The argument is JSON: all limits, all operations, and the number of fast-path keys, which come
   * first. Keys and limits are named by their number from 1. Operations are one flat array, which
   * Redis parses faster:
   * - kind, number of values, values, number of scopes, then key, slots and limit of each scope, of
   *   operations on money also hash, holds and budgets (0: none);
   * - fast path: kind, key, limit, number of takes, then cost and tokens of each.
   */
  encode(): { readonly keys: readonly string[]; readonly argument: string } {
    const keys = new Numbering<string>();
    const limits = new Numbering<readonly (number | string)[]>();
    for (const entry of this.entries) if (typeof entry !== 'number') keys.of(entry.key);
    const fastPathKeys = keys.all.length;
    const encoded: (number | string)[] = [];
    for (const entry of this.entries) {
      if (typeof entry !== 'number') {
        encoded.push(FAST_PATH, keys.of(entry.key), limits.of(entry.limits), entry.places.length);
        for (const place of entry.places) encoded.push(this.operations[place].values[0], this.operations[place].values[1]);
        continue;
      }
      const { kind, values, scopes } = this.operations[entry];
      encoded.push(kind, values.length, ...values, scopes.length);
      for (const scope of scopes) {
        const [state, slots] = [scope.stateKey, scope.slotsKey].map((key) => (key === '' ? 0 : keys.of(key)));
        encoded.push(state, slots, limits.of(scope.limits));
        if (!hasBudgetScopes(kind)) continue;
        const { budgets } = scope;
        if (budgets === undefined) encoded.push(0, 0, 0);
        else encoded.push(keys.of(budgets.hashKey), keys.of(budgets.holdsKey), limits.of(budgets.figures));
      }
    }
    const marked = this.mark === undefined ? [] : [keys.of(this.mark.key), this.mark.slotTtlMs];
    return { keys: keys.all, argument: JSON.stringify([limits.all, encoded, fastPathKeys, ...marked]) };
  }

  /** The reply as numbers; those of each operation begin at its offset in `starts`. */
  read(reply: unknown): Float64Array {
    const { buffer, byteOffset, byteLength } = reply as Uint8Array;
    const told = new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
    const numbers = new Float64Array(this.length);
    let at = 0;
    for (const entry of this.entries) {
      if (typeof entry !== 'number' && told[at] === ALL_PASSED) {
        this.spread(entry, told, at, numbers);
        at += PASSED_LENGTH;
        continue;
      }
      for (const place of typeof entry === 'number' ? [entry] : entry.places) {
        const length = replyLength(this.operations[place]);
        numbers.set(told.subarray(at, at + length), this.starts[place]);
        at += length;
      }
    }
    if (at !== told.length) throw new Error(`expected ${at} numbers in the reply, got ${told.length}`);
    return numbers;
  }

  private spread({ limits, places }: FastPathTakes, told: Float64Array, at: number, numbers: Float64Array): void {
    const tokensPerMinute = limits[2];
    const lengthMs = windowLength(limits[4]);
    let requests = told[at + 2];
    let tokens = told[at + 3];
    for (let i = places.length - 1; i >= 0; i--) {
      const start = this.starts[places[i]];
      numbers[start + ReplyField.atMs] = told[at + 1];
      const standing = start + standingAt(0);
      numbers[standing + StandingField.limit] = limits[5] < 0 ? tokensPerMinute : limits[5];
      numbers[standing + StandingField.remainingRequests] = requests;
      numbers[standing + StandingField.remainingTokens] = tokens;
      numbers[standing + StandingField.resetMs] = lengthMs;
      numbers[standing + StandingField.tokensResetMs] = tokensPerMinute < 0 ? 0 : lengthMs;
      const [cost, ownTokens] = this.operations[places[i]].values as readonly number[];
      requests += cost;
      tokens += ownTokens;
    }
  }
}

class Numbering<T> {
  readonly all: T[] = [];
  private readonly numbers = new Map<T, number>();

  of(value: T): number {
    let number = this.numbers.get(value);
    if (number === undefined) this.numbers.set(value, (number = this.all.push(value)));
    return number;
  }
}
