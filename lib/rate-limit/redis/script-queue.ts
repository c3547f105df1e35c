import type { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import { failureReason, isReplyError, type RedisClient } from '../../common/redis/client.js';
import { startDeadline, timeoutReason, withinTime } from '../../common/redis/deadline.js';
import { LuaScript } from '../../common/redis/lua-script.js';
import { StoreFailure } from '../outage/store-failure.js';
import { rateLimitScript } from './script.js';
import { ScriptCall } from './script-call.js';
import { OperationKind, ReplyField, type RedisMark, type RedisOperation } from './protocol.js';

/** An operation and the callbacks that wait for it. */
export interface QueuedOperation extends RedisOperation {
  /** Called once, with the reply from `at` on, or with the failure; must not throw. */
  done?(failure: StoreFailure | undefined, reply: Float64Array, at: number): void;
  /** Called with a reply that arrived after `done` was called with a timeout. */
  late?(reply: Float64Array, at: number): void;
}

const NO_REPLY = new Float64Array(0);

/** Dependencies of the queue. */
export interface ScriptQueueSettings {
  readonly client: RedisClient;
  readonly circuit: RedisCircuitBreaker;
  readonly timeoutMs: number;
  readonly mark: RedisMark | undefined;
  /** Called after each answered call, with whether it wrote. */
  readonly onSuccess: (wrote: boolean) => void;
}

/**
 * Collects the operations of one turn of the event loop into few script calls: a call costs Redis
 * as much as many decisions.
 */
export class RedisScriptQueue {
  /** By the hash tag of their keys in a Cluster; otherwise one. */
  private waiting = new Map<string, ScriptCall<QueuedOperation>>();
  private isScheduled = false;
  private readonly inFlight = new Set<Promise<void>>();
  private readonly script: LuaScript;
  /** Script calls so far. */
  calls = 0;

  constructor(private readonly settings: ScriptQueueSettings) {
    this.script = new LuaScript(settings.client, rateLimitScript(), 'buffer');
  }

  push(operation: QueuedOperation): void {
    const tag = this.settings.client.isCluster ? operation.tag : '';
    let call = this.waiting.get(tag);
    if (call === undefined) this.waiting.set(tag, (call = new ScriptCall(this.settings.mark)));
    call.add(operation);
    if (call.isFull) {
      this.waiting.delete(tag);
      this.start(call);
    } else if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(this.flush);
    }
  }

  /**
   * Queues an operation and resolves to what `read` makes of its reply; rejects with a
   * `StoreFailure`.
   */
  ask<R>(operation: QueuedOperation, read: (reply: Float64Array, at: number) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const done = (failure: StoreFailure | undefined, reply: Float64Array, at: number): void => {
        if (failure === undefined) resolve(read(reply, at));
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- caught by the store, and no stack is wanted
        else reject(failure);
      };
      this.push({ ...operation, done });
    });
  }

  /** Sends the queued operations and waits for all calls in flight, for at most one timeout. */
  async drain(): Promise<void> {
    this.flush();
    await withinTime(Promise.all(this.inFlight), this.settings.timeoutMs).catch(() => {});
  }

  private readonly flush = (): void => {
    const calls = this.waiting;
    this.waiting = new Map();
    this.isScheduled = false;
    for (const call of calls.values()) this.start(call);
  };

  private start(call: ScriptCall<QueuedOperation>): void {
    const sent = this.send(call).finally(() => this.inFlight.delete(sent));
    this.inFlight.add(sent);
  }

  private async send(call: ScriptCall<QueuedOperation>): Promise<void> {
    const { operations, starts } = call;
    const [{ tag }] = operations;
    const { circuit, timeoutMs, onSuccess } = this.settings;
    const refusal = circuit.refusal(tag);
    if (refusal !== undefined) return fail(operations, new StoreFailure('connection', refusal, tag));
    let timedOut = false;
    const endDeadline = startDeadline(timeoutMs, () => {
      timedOut = true;
      const failure = new StoreFailure('timeout', timeoutReason(timeoutMs), tag, true);
      circuit.failed(tag, failure.reason);
      fail(operations, failure);
    });
    try {
      const reply = call.read(await this.run(call));
      endDeadline();
      if (!timedOut) {
        circuit.succeeded(tag);
        // A denied request writes nothing, so Redis denies it even when it is out of memory.
        onSuccess(operations.some(({ kind }, place) => takes(kind) && reply[starts[place] + ReplyField.code] === 0));
      }
      operations.forEach((operation, place) => {
        if (timedOut) operation.late?.(reply, starts[place]);
        else operation.done?.(undefined, reply, starts[place]);
      });
    } catch (error) {
      if (timedOut) return;
      endDeadline();
      const [answered, reason] = [isReplyError(error), failureReason(error)];
      if (answered) circuit.succeeded(tag);
      else circuit.failed(tag, reason);
      fail(operations, new StoreFailure(answered ? 'reply' : 'connection', reason, tag, !answered));
    }
  }

  private run(call: ScriptCall<QueuedOperation>): Promise<unknown> {
    this.calls++;
    const { keys, argument } = call.encode();
    return this.script.run(keys, [argument]);
  }
}

function takes(kind: OperationKind): boolean {
  return kind === OperationKind.take || kind === OperationKind.takeWithBudgets;
}

function fail(operations: readonly QueuedOperation[], failure: StoreFailure): void {
  for (const operation of operations) operation.done?.(failure, NO_REPLY, 0);
}
