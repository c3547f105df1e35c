import { createHash } from 'node:crypto';
import { startDeadline, timeoutReason, withinTime } from '../../common/redis/deadline.js';
import { errorMessage } from '../../common/errors.js';
import { failureReason, isReplyError } from '../../common/redis/own-client.js';
import type { RedisCircuit } from './circuit-breaker.js';
import type { RedisClient, SendCommand } from './client.js';
import { ScriptCall } from './script-call.js';
import { OperationKind, ReplyField, type RedisMark, type RedisOperation } from './protocol.js';

/** Why the store has no answer. `reply`: Redis is there and refused (out of memory, read only, still loading). */
export type StoreFailureKind = 'timeout' | 'connection' | 'reply';

export class StoreFailure {
  constructor(
    readonly kind: StoreFailureKind,
    readonly reason: string,
    /** The hash tag of the keys that were asked about: in a Cluster it names the node. */
    readonly tag: string,
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

/** Collects the operations of one turn of the event loop and sends them in few calls of the script: it is the calls that cost, not the decisions. */
export class RedisScriptQueue {
  /** By the hash tag of their keys in a Cluster; otherwise one. */
  private waiting = new Map<string, ScriptCall<QueuedOperation>>();
  private isScheduled = false;
  private readonly underWay = new Set<Promise<void>>();
  private readonly sha: string;
  private readonly evalsha: SendCommand;
  private readonly eval: SendCommand;
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
    this.evalsha = client.createBuiltinCommand('evalsha').buffer;
    this.eval = client.createBuiltinCommand('eval').buffer;
  }

  push(operation: QueuedOperation): void {
    const tag = this.client.isCluster ? operation.tag : '';
    let call = this.waiting.get(tag);
    if (call === undefined) this.waiting.set(tag, (call = new ScriptCall(this.mark)));
    call.add(operation);
    if (call.isFull) {
      this.waiting.delete(tag);
      this.start(call);
    } else if (!this.isScheduled) {
      this.isScheduled = true;
      setImmediate(this.flush);
    }
  }

  /** Sends what waits for the end of the turn, and waits for all that is under way, no longer than a time-out. */
  async drain(): Promise<void> {
    this.flush();
    await withinTime(Promise.all(this.underWay), this.timeoutMs).catch(() => {});
  }

  private readonly flush = (): void => {
    const calls = this.waiting;
    this.waiting = new Map();
    this.isScheduled = false;
    for (const call of calls.values()) this.start(call);
  };

  private start(call: ScriptCall<QueuedOperation>): void {
    const sent = this.send(call).finally(() => this.underWay.delete(sent));
    this.underWay.add(sent);
  }

  private async send(call: ScriptCall<QueuedOperation>): Promise<void> {
    const { operations, starts } = call;
    const [{ tag }] = operations;
    const refusal = this.circuit.refusal(tag);
    if (refusal !== undefined) return fail(operations, new StoreFailure('connection', refusal, tag));
    let timedOut = false;
    const endDeadline = startDeadline(this.timeoutMs, () => {
      timedOut = true;
      const failure = new StoreFailure('timeout', timeoutReason(this.timeoutMs), tag);
      this.circuit.failed(tag, failure.reason);
      fail(operations, failure);
    });
    try {
      const reply = call.read(await this.call(call));
      endDeadline();
      if (!timedOut) {
        this.circuit.succeeded(tag);
        // A request that is denied writes nothing: Redis answers it when it is out of memory, too.
        this.onSuccess(operations.some(({ kind }, place) => kind === OperationKind.take && reply[starts[place] + ReplyField.code] === 0));
      }
      operations.forEach((operation, place) => {
        if (timedOut) operation.late?.(reply, starts[place]);
        else operation.done?.(undefined, reply, starts[place]);
      });
    } catch (error) {
      if (timedOut) return;
      endDeadline();
      const [answered, reason] = [isReplyError(error), failureReason(error)];
      if (answered) this.circuit.succeeded(tag);
      else this.circuit.failed(tag, reason);
      fail(operations, new StoreFailure(answered ? 'reply' : 'connection', reason, tag));
    }
  }

  private async call(call: ScriptCall<QueuedOperation>): Promise<unknown> {
    this.calls++;
    const { keys, argument } = call.encode();
    try {
      return await this.evalsha.call(this.client, this.sha, keys.length, ...keys, argument);
    } catch (error) {
      // A Redis that was started anew, or one that took over.
      if (!isReplyError(error) || !errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return await this.eval.call(this.client, this.script, keys.length, ...keys, argument);
    }
  }
}

function fail(operations: readonly QueuedOperation[], failure: StoreFailure): void {
  for (const operation of operations) operation.done?.(failure, NO_REPLY, 0);
}
