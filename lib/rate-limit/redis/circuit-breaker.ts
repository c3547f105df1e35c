import { withinTime } from '../../common/redis/deadline.js';
import { failureReason, isReplyError } from '../../common/redis/own-client.js';
import type { RedisClient } from './client.js';
import { RedisNodes } from './availability.js';

const FAILURES_TO_OPEN = 3;
const FIRST_PROBE_MS = 100;
const LAST_PROBE_MS = 2_000;
/** What a client's status may be when a command sent now can be answered: the first connection may still be on its way. */
const BEFORE_FIRST_READY = new Set(['wait', 'connecting', 'connect', 'ready']);

/**
 * Says whether a command is worth sending. After three failures in a row none is, so that a Redis that is gone costs a time-out a few times and
 * not per request; a ping in the background, at random intervals that double up to 2 s, finds out when it is back. Of a Cluster each node is given up by itself.
 */
export class RedisCircuit {
  private failures = 0;
  private lastReason = '';
  private wasReady = false;
  private probe: NodeJS.Timeout | undefined = undefined;
  private probeDelayMs = FIRST_PROBE_MS;
  private asked: Promise<void> | undefined = undefined;
  private closed = false;
  private readonly nodes: RedisNodes | undefined = undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly timeoutMs: number,
  ) {
    this.wasReady = client.status === 'ready';
    if (client.isCluster === true) this.nodes = new RedisNodes(client);
    client.on('ready', this.onReady);
  }

  /**
   * Why no command should be sent now, in one sentence, or `undefined`: send it. With a `tag`, about keys of this hash tag; without one, of a Cluster, also where
   * that is so of some keys only.
   */
  refusal(tag?: string): string | undefined {
    if (this.probe !== undefined) return this.lastReason;
    const { status } = this.client;
    if (status === 'ready' || (!this.wasReady && BEFORE_FIRST_READY.has(status))) {
      return tag === undefined ? this.nodes?.fault() : this.nodes?.refusal(tag);
    }
    return `the connection to Redis is lost (${status})`;
  }

  /** What is wrong with Redis right now, asked of it; `undefined` when nothing is. A Redis that is given up is asked, too: it may be back. */
  async fault(): Promise<string | undefined> {
    if (this.probe !== undefined) await this.ask();
    const refusal = this.refusal();
    if (refusal !== undefined) return refusal;
    try {
      await withinTime(this.client.ping(), this.timeoutMs);
      return undefined;
    } catch (error) {
      return failureReason(error);
    }
  }

  succeeded(tag: string): void {
    this.failures = 0;
    this.nodes?.succeeded(tag);
  }

  /** A command was not answered: out of time, or its connection closed. A Redis that answers with an error is there. */
  failed(tag: string, reason: string): void {
    if (this.nodes !== undefined) return this.nodes.failed(tag, reason);
    this.failures++;
    this.lastReason = reason;
    if (this.failures >= FAILURES_TO_OPEN && this.probe === undefined && !this.closed) {
      this.probeDelayMs = FIRST_PROBE_MS;
      this.scheduleProbe();
    }
  }

  close(): void {
    this.closed = true;
    this.client.off('ready', this.onReady);
    clearTimeout(this.probe);
    this.probe = undefined;
  }

  private readonly onReady = (): void => {
    this.wasReady = true;
    if (this.probe === undefined) return;
    this.probeDelayMs = FIRST_PROBE_MS;
    void this.askUntilResumed();
  };

  private scheduleProbe(): void {
    const delayMs = Math.min(LAST_PROBE_MS, this.probeDelayMs * (0.5 + Math.random()));
    this.probeDelayMs = Math.min(LAST_PROBE_MS, this.probeDelayMs * 2);
    clearTimeout(this.probe);
    this.probe = setTimeout(() => void this.askUntilResumed(), delayMs);
    this.probe.unref();
  }

  private async askUntilResumed(): Promise<void> {
    await this.ask();
    if (this.probe !== undefined && !this.closed) this.scheduleProbe();
  }

  /** One ping at a time, whoever asks: of two, the later failure of the first would give up a Redis that has answered the second. */
  private ask(): Promise<void> {
    return (this.asked ??= this.pingOnce().finally(() => (this.asked = undefined)));
  }

  private async pingOnce(): Promise<void> {
    const { status } = this.client;
    if (status === 'ready' || status === 'wait') {
      try {
        await withinTime(this.client.ping(), this.timeoutMs);
        return this.resume();
      } catch (error) {
        // One that loads its data, runs a script or cannot save is there, and says so at once to every command.
        if (isReplyError(error)) return this.resume();
        this.lastReason = failureReason(error);
      }
    }
  }

  private resume(): void {
    this.failures = 0;
    clearTimeout(this.probe);
    this.probe = undefined;
  }
}
