import { createHash } from 'node:crypto';
import { errorMessage } from '../common/errors.js';
import { timeoutReason, type RedisCircuit } from './rate-limit-circuit.redis.js';
import type { RedisClient } from './rate-limit-client.redis.js';
import {
  decodeReply,
  encodeOperations,
  OperationKind,
  replyLength,
  type RedisMark,
  type RedisOperation,
} from './rate-limit-protocol.redis.js';

/** Why the store has no answer. `reply`: Redis is there and refused (out of memory, read only, still loading). */
export type StoreFailureKind = 'timeout' | 'connection' | 'reply';

export class StoreFailure {
  constructor(
    readonly kind: StoreFailureKind,
    readonly reason: string,
  ) {}
}

/** An operation and who waits for it. */
export interface QueuedOperation extends RedisOperation {
  /** Called once, with the reply from `at` on, or with the failure; must not throw. */
  done?(failure: StoreFailure | undefined, reply: Float64Array, at: number): void;
  /** Called when the reply came after `done` had been told that there was none. */
  late?(reply: Float64Array, at: number): void;
}

const NO_REPLY = new Float64Array(0);
/** A longer script would keep Redis from its other clients for over a millisecond. */
const MAX_OPERATIONS_PER_CALL = 128;

/** Collects the operations of one turn of the event loop and sends them in one call of the script: it is the calls that cost, not the decisions. */
export class RedisScriptQueue {
  private waiting: QueuedOperation[] = [];
  private readonly sha: string;
  /** Calls of the script so far. */
  calls = 0;

  constructor(
    private readonly client: RedisClient,
    private readonly script: string,
    private readonly circuit: RedisCircuit,
    private readonly timeoutMs: number,
    private readonly mark: RedisMark | undefined,
    private readonly onSuccess: (wrote: boolean) => void,
  ) {
    this.sha = createHash('sha1').update(script).digest('hex');
  }

  push(operation: QueuedOperation): void {
    if (this.waiting.push(operation) === 1) setImmediate(this.flush);
  }

  private readonly flush = (): void => {
    const operations = this.waiting;
    this.waiting = [];
    if (!this.client.isCluster) return this.sendAll(operations);
    const byTag = new Map<string, QueuedOperation[]>();
    for (const operation of operations) {
      const group = byTag.get(operation.tag);
      if (group === undefined) byTag.set(operation.tag, [operation]);
      else group.push(operation);
    }
    for (const group of byTag.values()) this.sendAll(group);
  };

  private sendAll(operations: readonly QueuedOperation[]): void {
    if (operations.length <= MAX_OPERATIONS_PER_CALL) return void this.send(operations);
    for (let i = 0; i < operations.length; i += MAX_OPERATIONS_PER_CALL) void this.send(operations.slice(i, i + MAX_OPERATIONS_PER_CALL));
  }

  private async send(operations: readonly QueuedOperation[]): Promise<void> {
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
      const reply = decodeReply(await this.call(encodeOperations(operations, this.mark)));
      clearTimeout(timer);
      if (!timedOut) {
        this.circuit.succeeded();
        this.onSuccess(operations.some(({ kind }) => kind !== OperationKind.peek));
      }
      let at = 0;
      for (const operation of operations) {
        if (timedOut) operation.late?.(reply, at);
        else operation.done?.(undefined, reply, at);
        at += replyLength(operation);
      }
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
      return await this.client.callBuffer('evalsha', this.sha, keyCount, ...keysAndArguments);
    } catch (error) {
      // A Redis that was started anew, or one that took over.
      if (!isReplyError(error) || !errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return await this.client.callBuffer('eval', this.script, keyCount, ...keysAndArguments);
    }
  }
}

function fail(operations: readonly QueuedOperation[], failure: StoreFailure): void {
  for (const operation of operations) operation.done?.(failure, NO_REPLY, 0);
}

/** Not by `instanceof`: the client may be of another copy of its package. */
function isReplyError(error: unknown): boolean {
  return (error as Error | undefined)?.name === 'ReplyError';
}
