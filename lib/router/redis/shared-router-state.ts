import { createHash, randomUUID } from 'node:crypto';
import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { timeoutReason, withinTime } from '../../common/redis/deadline.js';
import { errorMessage, InvalidConfigurationError } from '../../common/errors.js';
import { checkInteger, checkKnownKeys, checkObject, joinPath, optional, refuseOption } from '../../common/options.js';
import { checkRedisPrefix, checkRedisUrl, failureReason } from '../../common/redis/own-client.js';
import { openRouterRedis, type OwnedRouterRedisClient, type RouterRedisClient, type SendCommand } from './client.js';
import { EXCHANGE } from './script.js';
import { minuteOf } from '../state/memory.js';
import type { RouterSharedState, StateOfRouter } from './shared-state.js';

/** Options of `redisRouterState`. */
export interface RedisRouterStateOptions {
  /** `redis://…` or `rediss://…`: a connection of its own. Either this or `client`. */
  readonly url?: string;
  /** A client of `ioredis` that the app has already; it is never closed here. */
  readonly client?: RouterRedisClient;
  /** What the names of all keys begin with. Default `fast-litellm:`. */
  readonly prefix?: string;
  /** From one exchange to the next. Cooldowns are told at once. Default 100. */
  readonly intervalMs?: number;
  /** Longest wait for Redis. Default 250. */
  readonly timeoutMs?: number;
  /** What a process has under way counts for so long after it was last heard of. Default 5,000. */
  readonly silenceMs?: number;
}

const SCRIPT_HASH = createHash('sha1').update(EXCHANGE).digest('hex');
/** So many exchanges fail in a row, and what others do counts for nothing: each process decides by what it sees itself. */
const FAILURES_UNTIL_ALONE = 3;

/**
 * Cooldowns, the usage of the minute, requests under way and spending of all processes that use this Redis and prefix. While Redis is away each process decides by what it
 * sees itself, and health says so.
 *
 * @throws InvalidConfigurationError naming the option (`redis.timeoutMs`); MissingPackageError without ioredis, when the router starts.
 * @example
 * FastLiteLLMModule.forRoot({ router: { configPath: 'config.yaml', sharedState: redisRouterState({ url: 'redis://localhost:6379' }) } })
 */
export function redisRouterState(options: RedisRouterStateOptions): RouterSharedState {
  return new RedisRouterState(resolve(options));
}

/** A link for each router, one after the other: options may outlive the app that was started with them, as in tests. */
class RedisRouterState implements RouterSharedState {
  private link: RedisLink | undefined = undefined;

  constructor(private readonly options: ResolvedOptions) {}

  /** @throws InvalidConfigurationError while another router uses it. */
  start(router: StateOfRouter): void {
    if (this.link?.isOpen === true) {
      throw new InvalidConfigurationError('router.sharedState', 'is in use by another router: each needs one of its own');
    }
    this.link = new RedisLink(this.options, router);
  }

  cooled(id: string, untilMs: number): void {
    this.link?.cooled(id, untilMs);
  }

  metrics(): readonly MetricSample[] {
    return this.link?.metrics() ?? [];
  }

  health(): Partial<CapabilityHealth> {
    return this.link?.health() ?? {};
  }

  async close(): Promise<void> {
    await this.link?.close();
  }
}

/** What one router exchanges with others. */
class RedisLink {
  private readonly member = randomUUID();
  private readonly pending = new Map<string, { minute: number; requests: number; tokens: number }>();
  private readonly cooldowns = new Map<string, number>();
  private readonly known = new Set<string>();
  private readonly owned: OwnedRouterRedisClient | undefined;
  private readonly client: RouterRedisClient;
  private readonly evalsha: SendCommand;
  private readonly eval: SendCommand;
  private timer: NodeJS.Timeout | undefined = undefined;
  private underWay: Promise<unknown> | undefined = undefined;
  private failuresInARow = 0;
  private exchanges = 0;
  private failures = 0;
  private members = 0;
  private reason = 'nothing was exchanged yet';
  private closed = false;

  constructor(
    private readonly options: ResolvedOptions,
    private readonly router: StateOfRouter,
  ) {
    const { url, client } = options;
    this.client = client ?? (this.owned = openRouterRedis(url ?? '', options.timeoutMs));
    this.evalsha = this.client.createBuiltinCommand('evalsha').string;
    this.eval = this.client.createBuiltinCommand('eval').string;
    this.schedule(0);
  }

  get isOpen(): boolean {
    return !this.closed;
  }

  cooled(id: string, untilMs: number): void {
    this.cooldowns.set(id, untilMs);
    if (this.underWay === undefined && !this.closed) this.schedule(0);
  }

  metrics(): readonly MetricSample[] {
    return [
      {
        name: 'router_shared_state_up',
        help: 'Whether other processes are heard.',
        type: 'gauge',
        value: this.failuresInARow === 0 ? 1 : 0,
      },
      { name: 'router_shared_state_exchanges_total', help: 'Exchanges with other processes.', type: 'counter', value: this.exchanges },
      { name: 'router_shared_state_failures_total', help: 'Exchanges that failed.', type: 'counter', value: this.failures },
    ];
  }

  health(): Partial<CapabilityHealth> {
    if (this.exchanges > 0 && this.failuresInARow === 0) return { sharedState: 'redis', processes: this.members };
    const reason = `what other processes do is not known: ${this.reason}`;
    return { status: 'degraded', sharedState: 'redis', reason };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    // A client of the app's may never be answered, and must not keep the app from ending.
    if (this.underWay !== undefined) await withinTime(this.underWay, this.options.timeoutMs).catch(() => {});
    await this.tellLast();
    this.owned?.disconnect();
  }

  /** What was used since the last exchange would be lost with the process. */
  private async tellLast(): Promise<void> {
    if (this.underWay !== undefined || this.exchanges === 0 || this.failuresInARow > 0) return;
    const exchange = this.exchange(this.router);
    exchange.catch(() => {});
    await withinTime(exchange, this.options.timeoutMs).catch(() => {});
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.turn(), delayMs);
    this.timer.unref();
  }

  private async turn(): Promise<void> {
    if (this.closed) return;
    // A client of the app's may keep a command until it is connected again: one is enough.
    if (this.underWay === undefined) {
      const exchange = this.exchange(this.router);
      this.underWay = exchange.finally(() => (this.underWay = undefined)).catch(() => {});
      try {
        await withinTime(exchange, this.options.timeoutMs);
        this.exchanges++;
        this.failuresInARow = 0;
      } catch (error) {
        this.failed(failureReason(error));
      }
    } else this.failed(timeoutReason(this.options.timeoutMs));
    if (!this.closed) this.schedule(this.cooldowns.size > 0 && this.failuresInARow === 0 ? 0 : this.options.intervalMs);
  }

  private async exchange(router: StateOfRouter): Promise<void> {
    const nowMs = router.now();
    const minute = minuteOf(nowMs);
    const ids = router.ids();
    const held = ids.flatMap((id) => (router.inFlight(id) > 0 ? [id, router.inFlight(id)] : []));
    for (const id of ids) {
      const { requests, tokens } = router.takeUsage(id, minute);
      const known = this.pending.get(id);
      if (known?.minute === minute) this.pending.set(id, { minute, requests: known.requests + requests, tokens: known.tokens + tokens });
      else if (requests !== 0 || tokens !== 0) this.pending.set(id, { minute, requests, tokens });
    }
    const used = [...this.pending].filter(([, usage]) => usage.minute === minute);
    const cooling = [...this.cooldowns].filter(([, untilMs]) => untilMs > nowMs);
    const spending = router.takeSpending?.() ?? [];
    const request = this.call([
      this.member,
      router.group() ?? this.member,
      this.options.silenceMs,
      held.length / 2,
      ...held,
      used.length,
      ...used.flatMap(([id, { requests, tokens }]) => [id, requests, tokens]),
      cooling.length,
      ...cooling.flatMap(([id, untilMs]) => [id, Math.ceil(untilMs - nowMs)]),
      spending.length,
      ...spending.flatMap(({ key, usd, periodMs }) => [key, usd.toFixed(12), Math.ceil(periodMs)]),
    ]);
    const answer = await request.catch((error: unknown) => {
      for (const { key, usd } of spending) router.putSpendingBack?.(key, usd);
      throw error;
    });
    for (const [id, usage] of used) if (this.pending.get(id) === usage) this.pending.delete(id);
    for (const [id, untilMs] of cooling) if (this.cooldowns.get(id) === untilMs) this.cooldowns.delete(id);
    for (const [id, untilMs] of [...this.cooldowns]) if (untilMs <= nowMs) this.cooldowns.delete(id);
    if (!this.closed) this.take(router, answer);
  }

  private async call(values: (string | number)[]): Promise<Answer> {
    try {
      return (await this.evalsha.call(this.client, SCRIPT_HASH, 1, this.options.prefix, ...values)) as Answer;
    } catch (error) {
      if (!errorMessage(error).startsWith('NOSCRIPT')) throw error;
      return (await this.eval.call(this.client, EXCHANGE, 1, this.options.prefix, ...values)) as Answer;
    }
  }

  /** Takes over what the others do. */
  private take(router: StateOfRouter, [members, underWay, usage, cooling, budgets]: Answer): void {
    this.members = Number(members);
    const nowMs = router.now();
    const others = new Map<string, { inFlight: number; requests: number; tokens: number }>();
    const of = (id: string): { inFlight: number; requests: number; tokens: number } => {
      let known = others.get(id);
      if (known === undefined) others.set(id, (known = { inFlight: 0, requests: 0, tokens: 0 }));
      return known;
    };
    for (const [id, count] of pairs(underWay)) of(id).inFlight = count;
    for (const [field, count] of pairs(usage)) of(field.slice(0, -2))[field.endsWith('|r') ? 'requests' : 'tokens'] = Math.max(count, 0);
    for (const id of this.known) of(id);
    for (const [id, { inFlight, requests, tokens }] of others) {
      if (inFlight + requests + tokens > 0) this.known.add(id);
      else this.known.delete(id);
      router.elsewhere(id, inFlight, minuteOf(nowMs), requests, tokens);
    }
    for (const [id, leftMs] of pairs(cooling)) router.cool(id, nowMs + leftMs);
    for (let at = 0; at < budgets.length; at += 3) router.spent?.(String(budgets[at]), Number(budgets[at + 1]), Number(budgets[at + 2]));
  }

  private failed(reason: string): void {
    this.failures++;
    this.failuresInARow++;
    this.reason = reason;
    if (this.failuresInARow !== FAILURES_UNTIL_ALONE) return;
    for (const id of this.known) this.router.elsewhere(id, 0, 0, 0, 0);
    this.known.clear();
  }
}

type List = readonly unknown[];
type Answer = readonly [members: unknown, underWay: List, usage: List, cooling: List, budgets: List];

interface ResolvedOptions {
  readonly url: string | undefined;
  readonly client: RouterRedisClient | undefined;
  readonly prefix: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly silenceMs: number;
}

function resolve(options: RedisRouterStateOptions, path = 'redis'): ResolvedOptions {
  const input = checkObject(path, options);
  checkKnownKeys(path, input, ['url', 'client', 'prefix', 'intervalMs', 'timeoutMs', 'silenceMs']);
  if ((input.url === undefined) === (input.client === undefined)) throw refuseOption(path, options, 'must name either a url or a client');
  const time = (key: string, fallback: number, min: number): number =>
    optional(input[key], fallback, (value) => checkInteger(joinPath(path, key), value, { min, max: 600_000 }));
  return {
    url: optional(input.url, undefined, (value) => checkRedisUrl(joinPath(path, 'url'), value)),
    client: optional(input.client, undefined, (value) => checkClient(joinPath(path, 'client'), value)),
    prefix: `${optional(input.prefix, 'fast-litellm:', (value) => checkRedisPrefix(joinPath(path, 'prefix'), value))}{router}`,
    intervalMs: time('intervalMs', 100, 10),
    timeoutMs: time('timeoutMs', 250, 1),
    silenceMs: time('silenceMs', 5_000, 100),
  };
}

function checkClient(path: string, value: unknown): RouterRedisClient {
  const client = value as RouterRedisClient | null;
  if (typeof client === 'object' && typeof client?.createBuiltinCommand === 'function' && typeof client.status === 'string') return client;
  throw refuseOption(path, value, 'must be a client of ioredis');
}

function* pairs(flat: readonly unknown[]): Generator<[string, number]> {
  for (let index = 0; index < flat.length; index += 2) yield [String(flat[index]), Number(flat[index + 1])];
}
