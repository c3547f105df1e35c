import { createHash } from 'node:crypto';
import { errorMessage } from '../common/errors.js';
import { timeoutReason, type RedisCircuit } from './rate-limit-circuit.redis.js';
import type { RedisClient } from './rate-limit-client.redis.js';
import { REPLY_LENGTH } from './rate-limit-script.redis.js';

/** The state of one key under one policy's limits, as the script knows them. */
export interface RedisScope {
  /** The string that holds the windows, and the sorted set that holds the slots of running requests (empty where these are not limited). */
  readonly stateKey: string;
  readonly slotsKey: string;
  /** In the order of the script; -1 where a limit is not set. */
  readonly limits: readonly number[];
}

/** Why the store has no answer. `reply`: Redis is there and refused (out of memory, read only, still loading). */
export type StoreFailureKind = 'timeout' | 'connection' | 'reply';

export class StoreFailure {
  constructor(
    readonly kind: StoreFailureKind,
    readonly reason: string,
  ) {}
}

/** One operation of the script. All its keys are in one slot. */
export interface RedisOperation {
  readonly kind: number;
  /** The hash tag of its keys. */
  readonly tag: string;
  readonly scopes: readonly RedisScope[];
  readonly values: readonly (number | string)[];
  /** Called once: with `REPLY_LENGTH` numbers of `reply` from `at`, or with the failure. */
  done(failure: StoreFailure | undefined, reply: Float64Array, at: number): void;
  /** Called when the answer came after `done` had been told that it would not. */
  late?(reply: Float64Array, at: number): void;
}

const NOTHING = new Float64Array(REPLY_LENGTH);
/** A longer script would keep Redis from its other clients for over a millisecond. */
const MAX_OPERATIONS_PER_CALL = 128;

/** Collects the operations of one turn of the event loop and sends them in one call of the script: it is the calls that cost, not the decisions. */
export class RedisScriptQueue {
  private waiting: RedisOperation[] = [];
  private readonly sha: string;
  /** Calls of the script so far. */
  calls = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly script: string,
    private readonly circuit: RedisCircuit,
    private readonly timeoutMs: number,
  ) {
    this.sha = createHash('sha1').update(script).digest('hex');
  }

  push(operation: RedisOperation): void {
    if (this.waiting.push(operation) === 1) setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    const operations = this.waiting;
    this.waiting = [];
    if (!this.client.isCluster) return this.sendAll(operations);
    const byTag = new Map<string, RedisOperation[]>();
    for (const operation of operations) {
      const group = byTag.get(operation.tag);
      if (group === undefined) byTag.set(operation.tag, [operation]);
      else group.push(operation);
    }
    for (const group of byTag.values()) this.sendAll(group);
  };

  private sendAll(operations: readonly RedisOperation[]): void {
    if (operations.length <= MAX_OPERATIONS_PER_CALL) return void this.send(operations);
    for (let i = 0; i < operations.length; i += MAX_OPERATIONS_PER_CALL) void this.send(operations.slice(i, i + MAX_OPERATIONS_PER_CALL));
  }

  private async send(operations: readonly RedisOperation[]): Promise<void> {
    const refusal = this.circuit.refusal();
    if (refusal !== undefined) return fail(operations, new StoreFailure('connection', refusal));
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      const failure = new StoreFailure('timeout', timeoutReason(this.timeoutMs));
      this.circuit.failed(failure.reason);
      fail(operations, failure);
    }, this.timeoutMs);
    try {
      const reply = numbersOf(await this.call(encode(operations)));
      if (timedOut) {
        for (let i = 0; i < operations.length; i++) operations[i].late?.(reply, i * REPLY_LENGTH);
        return;
      }
      clearTimeout(timer);
      this.circuit.succeeded();
      for (let i = 0; i < operations.length; i++) operations[i].done(undefined, reply, i * REPLY_LENGTH);
    } catch (error) {
      if (timedOut) return;
      clearTimeout(timer);
      const answered = isReplyError(error);
      if (answered) this.circuit.succeeded();
      else this.circuit.failed(errorMessage(error));
      fail(operations, new StoreFailure(answered ? 'reply' : 'connection', errorMessage(error)));
    }
  }

  private async call(keysAndArguments: readonly string[]): Promise<unknown> {
    this.calls++;
    const keyCount = keysAndArguments.length - 1;
    try {
      return await this.client.evalshaBuffer(this.sha, keyCount, ...keysAndArguments);
    } catch (error) {
      // A Redis that was started anew, or one that took over.
      if (!isReplyError(error) || !errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return await this.client.evalBuffer(this.script, keyCount, ...keysAndArguments);
    }
  }
}

function fail(operations: readonly RedisOperation[], failure: StoreFailure): void {
  for (const operation of operations) operation.done(failure, NOTHING, 0);
}

/** Not by `instanceof`: the client may be of another copy of its package. */
function isReplyError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError';
}

/** The keys, then one JSON text: the limits that occur and the operations, both naming keys and limits by their number from 1. */
function encode(operations: readonly RedisOperation[]): string[] {
  const keys = new Numbering<string>();
  const limits = new Numbering<readonly number[]>();
  const encoded = operations.map(({ kind, values, scopes }) => {
    const entry: (number | string)[] = [kind, values.length, ...values];
    for (const scope of scopes) entry.push(keys.of(scope.stateKey), scope.slotsKey === '' ? 0 : keys.of(scope.slotsKey), limits.of(scope.limits));
    return entry;
  });
  return [...keys.all, JSON.stringify([limits.all, encoded])];
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

function numbersOf(reply: unknown): Float64Array {
  const bytes = reply as Buffer;
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);
}
