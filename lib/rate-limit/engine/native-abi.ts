import type { NativeBinding } from '../../engine/native-binding.js';
import { DECISION_FIELDS, DecisionField } from './engine.js';
import type { KeysBehind } from './front.js';
import type { JudgedScope } from '../algorithm/decide.js';
import type { KeyHash } from '../algorithm/key-hash.js';

/** Where the addon reads what it is asked with, behind the fields of the decision: by how much tokens change, since when, and the time… */
const DIFFERENCE = DECISION_FIELDS;
const SINCE = DIFFERENCE + 1;
const NOW = DIFFERENCE + 2;
/** …and as integers of 32 bits, which neither side has to convert, requests and tokens to take between the halves of the key's hash, the space and the policy. */
const COST = 2 * (NOW + 1);
const LOW = COST + 1;
const TOKENS = COST + 2;
const HIGH = COST + 3;
const SPACE = COST + 4;
const POLICY = COST + 5;
const STATE_LENGTH = NOW + 4;
const STATE = STATE_LENGTH + 1;

/**
 * The addon's functions that decide. What they are asked with and what they answer crosses in an array that both sides see: arguments and results would
 * take longer than some decisions.
 */
export class RateLimitExchange {
  readonly numbers: Float64Array;
  private readonly integers: Int32Array;
  // Functions that V8 need not look up, as it does on what an addon exports.
  private readonly decide: NativeBinding['rateLimitCheck'];
  private readonly decideByKey: NativeBinding['rateLimitCheckKey'];

  constructor(private readonly binding: NativeBinding) {
    this.numbers = binding.rateLimitExchange();
    this.integers = new Int32Array(this.numbers.buffer);
    this.decide = binding.rateLimitCheck;
    this.decideByKey = binding.rateLimitCheckKey;
  }

  /** What the next decision takes, and when. */
  ask(cost: number, tokens: number, nowMs: number): void {
    const { integers } = this;
    integers[COST] = cost;
    integers[TOKENS] = tokens;
    this.numbers[NOW] = nowMs;
  }

  check(space: number, policy: number, low: number, high: number): number {
    this.name(space, policy, low, high);
    this.decide();
    return this.numbers[DecisionField.code];
  }

  /** The same by a key that the addon hashes. */
  checkKey(space: number, policy: number, key: string): number {
    const { integers } = this;
    integers[SPACE] = space;
    integers[POLICY] = policy;
    this.decideByKey(key);
    return this.numbers[DecisionField.code];
  }

  peek(space: number, policy: number, low: number, high: number): number {
    this.name(space, policy, low, high);
    this.binding.rateLimitPeek();
    return this.numbers[DecisionField.code];
  }

  checkAll(space: number, scopes: readonly JudgedScope[], cost: number, tokens: number, nowMs: number): number {
    const { numbers } = this;
    this.ask(cost, tokens, nowMs);
    this.integers[SPACE] = space;
    let at = STATE;
    for (const { policy, low, high } of scopes) {
      numbers[at++] = policy.handle;
      numbers[at++] = low;
      numbers[at++] = high;
    }
    numbers[STATE_LENGTH] = at - STATE;
    this.binding.rateLimitCheckAll();
    return numbers[DecisionField.code];
  }

  /** Changes the tokens that were taken at `sinceMs`. */
  settle(space: number, policy: number, low: number, high: number, difference: number, sinceMs: number, nowMs: number): void {
    const { numbers } = this;
    this.name(space, policy, low, high);
    numbers[DIFFERENCE] = difference;
    numbers[SINCE] = sinceMs;
    numbers[NOW] = nowMs;
    this.binding.rateLimitSettle();
  }

  release(space: number, policy: number, low: number, high: number, atMs: number): void {
    this.name(space, policy, low, high);
    this.numbers[SINCE] = atMs;
    this.binding.rateLimitRelease();
  }

  reset(space: number, policy: number, low: number, high: number): void {
    this.name(space, policy, low, high);
    this.binding.rateLimitReset();
  }

  /** The hash of a key, made by the addon. */
  hash(key: string, hash: KeyHash): void {
    this.binding.rateLimitHash(key);
    hash.low = this.integers[LOW];
    hash.high = this.integers[HIGH];
  }

  /** What a front has behind it. */
  behind(space: number): KeysBehind {
    const { binding, numbers } = this;
    return {
      numbers: numbers.subarray(STATE),
      lend: (policy, low, high) => {
        this.name(space, policy.handle, low, high);
        binding.rateLimitLend();
        return numbers[STATE_LENGTH];
      },
      takeBack: ({ policy, low, high }, length, nowMs) => {
        this.name(space, policy.handle, low, high);
        numbers[NOW] = nowMs;
        numbers[STATE_LENGTH] = length;
        binding.rateLimitTakeBack();
      },
      makeRoom: () => binding.rateLimitMakeRoom(space),
    };
  }

  private name(space: number, policy: number, low: number, high: number): void {
    const { integers } = this;
    integers[LOW] = low;
    integers[HIGH] = high;
    integers[SPACE] = space;
    integers[POLICY] = policy;
  }
}
