import { jsonIn } from '../../common/objects.js';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { samplesOf, type MetricSample } from '../../common/capability.js';
import { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import type { SharedRedis } from '../../common/redis/client.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';
import type { TokenEstimates } from './token-estimates.js';

/** Hash tag of all keys: in a Cluster they are on one node. */
const HASH_TAG = 'estimates';
const EVERY_MS = 10_000;
/** A model that is new here is asked for at once, but not with each of many new names. */
const LEAST_INTERVAL_MS = 250;
/** Estimates of a process are dropped after a day without an update from it. */
const TTL_MS = 86_400_000;
/** Processes whose reports are kept for a model; of more, those with the latest news. */
const MOST_PROCESSES = 16;
/** Characters of a report: those of all classes have a sixth of it. */
const LONGEST_REPORT = 100_000;

/**
 * Shares the corrections of several processes over the Redis of the rate limiter. Each process
 * writes its own reports and adds those of the others to them. While Redis is unavailable, each
 * learns alone.
 */
export class SharedEstimates {
  private readonly process = randomUUID();
  private readonly circuit: RedisCircuitBreaker;
  private readonly script: LuaScript;
  private timer: NodeJS.Timeout | undefined = undefined;
  private exchanging: Promise<void> | undefined = undefined;
  private lastMs = -Infinity;
  private exchanges = 0;
  private failures = 0;
  private isUp = false;
  private closing: Promise<void> | undefined = undefined;

  constructor(
    private readonly estimates: TokenEstimates,
    private readonly redis: SharedRedis,
  ) {
    const { client, timeoutMs } = redis;
    this.circuit = new RedisCircuitBreaker(client, timeoutMs);
    this.script = new LuaScript(client, readLua(join(__dirname, 'lua'), 'exchange.lua', { LONGEST: LONGEST_REPORT }), 'string');
    estimates.onUnknownModel = () => this.schedule(Math.max(0, LEAST_INTERVAL_MS - (performance.now() - this.lastMs)));
    this.schedule(EVERY_MS);
  }

  /** Writes this process's new corrections and reads those of others. Never rejects. */
  exchange(): Promise<void> {
    return (this.exchanging ??= this.tryExchange().finally(() => (this.exchanging = undefined)));
  }

  metrics(): MetricSample[] {
    const sample = samplesOf('token_estimates_shared');
    return [
      sample('up', 'Whether the last exchange with other processes succeeded (1) or not (0).', 'gauge', this.isUp ? 1 : 0),
      sample('exchanges_total', 'Exchanges with other processes.', 'counter', this.exchanges),
      sample('failures_total', 'Exchanges that failed.', 'counter', this.failures),
    ];
  }

  /** Writes a last time. */
  close(): Promise<void> {
    return (this.closing ??= this.endAfterExchange());
  }

  private async endAfterExchange(): Promise<void> {
    clearTimeout(this.timer);
    this.estimates.onUnknownModel = undefined;
    await this.exchanging;
    await this.exchange();
    this.circuit.close();
  }

  private schedule(delayMs: number): void {
    if (this.closing !== undefined) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.exchange().then(() => this.schedule(EVERY_MS)), delayMs);
    this.timer.unref();
  }

  private async tryExchange(): Promise<void> {
    const { estimates, circuit, redis } = this;
    this.lastMs = performance.now();
    const names = estimates.names();
    if (names.length === 0) return;
    if (circuit.refusal(HASH_TAG) !== undefined) return this.failed();
    const learned = estimates.takeUnshared();
    const written = learned.flatMap(([model, corrections]) => [model, JSON.stringify(corrections)]);
    const values = [this.process, TTL_MS, MOST_PROCESSES, learned.length, ...written, ...names];
    try {
      const answer = await circuit.watch(HASH_TAG, this.script.run([`${redis.prefix}{${HASH_TAG}}/1/`], values));
      (answer as readonly (readonly string[])[]).forEach((others, at) => estimates.learnFrom(names[at], others.map(jsonIn)));
      this.exchanges++;
      this.isUp = true;
    } catch {
      estimates.untake(learned.map(([model]) => model));
      this.failed();
    }
  }

  private failed(): void {
    this.failures++;
    this.isUp = false;
  }
}
