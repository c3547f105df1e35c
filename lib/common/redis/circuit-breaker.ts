import { Backoff, ClusterNodes, FAILURES_TO_OPEN } from './cluster-nodes.js';
import { connectionFault, failureReason, isReplyError, type RedisClient } from './client.js';
import { withinTime } from './deadline.js';

/** States of a client that has not been ready yet in which a command can still be answered. */
const BEFORE_FIRST_READY = new Set(['wait', 'connecting', 'connect', 'ready']);

/**
 * The circuit breaker of all Redis users. It opens after three failures in a row, so that a lost
 * Redis causes a few timeouts instead of one per request. While it is open, a background ping
 * detects when Redis is back. In a Cluster each node has its own circuit.
 */
export class RedisCircuitBreaker {
  private failures = 0;
  private lastReason = '';
  private wasReady = false;
  private readonly backoff = new Backoff();
  /** Set while the circuit is open. */
  private probe: NodeJS.Timeout | undefined = undefined;
  private pinging: Promise<void> | undefined = undefined;
  private closed = false;
  private readonly nodes: ClusterNodes | undefined = undefined;

  constructor(
    private readonly client: RedisClient,
    private readonly timeoutMs: number,
  ) {
    this.wasReady = client.status === 'ready';
    if (client.isCluster === true) this.nodes = new ClusterNodes(client);
    client.on('ready', this.onReady);
  }

  /**
   * Why no command should be sent now, or `undefined`: send it.
   * @param tag Hash tag of the keys. Without it, a Cluster with one open node counts as open.
   */
  refusal(tag?: string): string | undefined {
    if (this.probe !== undefined) return this.lastReason;
    const { status } = this.client;
    if (status === 'ready' || (!this.wasReady && BEFORE_FIRST_READY.has(status))) {
      return tag === undefined ? this.nodes?.fault() : this.nodes?.refusal(tag);
    }
    const cause = connectionFault(this.client);
    return `the connection to Redis is lost (${status}${cause === undefined ? '' : `, ${cause}`})`;
  }

  /** Pings Redis, even if the circuit is open; returns the fault, or `undefined`. */
  async fault(): Promise<string | undefined> {
    if (this.probe !== undefined) await this.ping();
    const refusal = this.refusal();
    if (refusal !== undefined) return refusal;
    try {
      await withinTime(this.client.ping(), this.timeoutMs);
      return undefined;
    } catch (error) {
      return failureReason(error);
    }
  }

  /**
   * Waits for the answer of a command that was sent, and counts its outcome.
   * @throws the error of Redis, of the connection or of the timeout
   */
  async watch<T>(tag: string, answer: Promise<T>): Promise<T> {
    try {
      const value = await withinTime(answer, this.timeoutMs);
      this.succeeded(tag);
      return value;
    } catch (error) {
      // A Redis that replies with an error is reachable.
      if (isReplyError(error)) this.succeeded(tag);
      else this.failed(tag, failureReason(error));
      throw error;
    }
  }

  succeeded(tag: string): void {
    this.failures = 0;
    this.nodes?.succeeded(tag);
  }

  /**
   * Counts a command without an answer: timeout, or closed connection. An error that Redis answers
   * is a success here.
   */
  failed(tag: string, reason: string): void {
    if (this.nodes !== undefined) return this.nodes.failed(tag, reason);
    this.failures++;
    this.lastReason = reason;
    if (this.failures >= FAILURES_TO_OPEN && this.probe === undefined && !this.closed) {
      this.backoff.reset();
      this.scheduleProbe();
    }
  }

  close(): void {
    this.closed = true;
    this.client.off('ready', this.onReady);
    this.resume();
  }

  private readonly onReady = (): void => {
    this.wasReady = true;
    if (this.probe === undefined) return;
    this.backoff.reset();
    void this.pingUntilResumed();
  };

  private scheduleProbe(): void {
    clearTimeout(this.probe);
    this.probe = setTimeout(() => void this.pingUntilResumed(), this.backoff.next());
    this.probe.unref();
  }

  private async pingUntilResumed(): Promise<void> {
    await this.ping();
    if (this.probe !== undefined && !this.closed) this.scheduleProbe();
  }

  /**
   * One ping at a time: a late failure of an older ping must not reopen a circuit that a newer one
   * has closed.
   */
  private ping(): Promise<void> {
    return (this.pinging ??= this.pingOnce().finally(() => (this.pinging = undefined)));
  }

  private async pingOnce(): Promise<void> {
    const { status } = this.client;
    if (status !== 'ready' && status !== 'wait') return;
    try {
      await withinTime(this.client.ping(), this.timeoutMs);
      this.resume();
    } catch (error) {
      // LOADING, BUSY, MISCONF: Redis is reachable, but rejects every command.
      if (isReplyError(error)) this.resume();
      else this.lastReason = failureReason(error);
    }
  }

  private resume(): void {
    this.failures = 0;
    clearTimeout(this.probe);
    this.probe = undefined;
  }
}
