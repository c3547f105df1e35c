import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { CapabilityHealth, MetricSample } from '../../common/capability.js';
import { timeoutReason, withinTime } from '../../common/redis/deadline.js';
import { RedisCircuitBreaker } from '../../common/redis/circuit-breaker.js';
import { failureReason, openRedisClient, type OwnedRedisClient, type RedisClient } from '../../common/redis/client.js';
import { LuaScript, readLua } from '../../common/redis/lua-script.js';
import { minuteOf } from '../state/deployment-states.js';
import { HASH_TAG, type StateOfRouter } from './shared-state.js';

/** Failed exchanges in a row after which the state of others no longer counts. */
const FAILURES_UNTIL_ALONE = 3;

/** Between two lines about outages, so that a Redis that comes and goes fills no log. */
const LOG_EVERY_MS = 60_000;

/** Of a cooldown that is shared; a longer one is corrupt, or is shared again when it ends. */
const LONGEST_COOLDOWN_MS = 86_400_000;

/** How a router exchanges its state. */
export interface StateExchangeOptions {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  /** With the hash tag. */
  readonly prefix: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly silenceMs: number;
}

/** Exchanges the state of one router with others. */
export class StateExchange {
  private readonly member = randomUUID();
  private readonly pending = new Map<string, { minute: number; requests: number; tokens: number }>();
  private readonly cooldowns = new Map<string, number>();
  private readonly known = new Set<string>();
  private readonly owned: OwnedRedisClient | undefined;
  private readonly circuit: RedisCircuitBreaker;
  private readonly script: LuaScript;
  private timer: NodeJS.Timeout | undefined = undefined;
  private exchanging: Promise<unknown> | undefined = undefined;
  private failuresInARow = 0;
  private exchanges = 0;
  private failures = 0;
  private members = 0;
  private reason = 'no exchange yet';
  private closed = false;
  private loggedMs = -Infinity;
  /** Start of the outage whose end has not been logged. */
  private loggedOutageMs: number | undefined = undefined;

  constructor(
    private readonly options: StateExchangeOptions,
    private readonly router: StateOfRouter,
  ) {
    const { timeoutMs } = options;
    const client = options.client ?? (this.owned = openOwned(options));
    this.circuit = new RedisCircuitBreaker(client, timeoutMs);
    this.script = new LuaScript(client, readLua(join(__dirname, 'lua'), 'exchange.lua', { LONGEST: LONGEST_COOLDOWN_MS }), 'string');
    this.schedule(0);
  }

  get isOpen(): boolean {
    return !this.closed;
  }

  cooled(id: string, untilMs: number): void {
    this.cooldowns.set(id, untilMs);
    if (this.exchanging === undefined && !this.closed) this.schedule(0);
  }

  metrics(): readonly MetricSample[] {
    return [
      {
        name: 'router_shared_state_up',
        help: 'Whether the last exchange with other processes succeeded (1) or not (0).',
        type: 'gauge',
        value: this.failuresInARow === 0 ? 1 : 0,
      },
      { name: 'router_shared_state_exchanges_total', help: 'Exchanges with other processes.', type: 'counter', value: this.exchanges },
      { name: 'router_shared_state_failures_total', help: 'Exchanges that failed.', type: 'counter', value: this.failures },
    ];
  }

  health(): Partial<CapabilityHealth> {
    if (this.exchanges > 0 && this.failuresInARow === 0) return { sharedState: 'redis', processes: this.members };
    const reason = `the state of other processes is unknown: ${this.reason}`;
    return { status: 'degraded', sharedState: 'redis', reason };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    // An app's own client may never reply, which must not prevent the app from closing.
    if (this.exchanging !== undefined) await withinTime(this.exchanging, this.options.timeoutMs).catch(() => {});
    await this.reportLast();
    this.circuit.close();
    this.owned?.disconnect();
  }

  /** The usage since the last exchange would be lost with the process. */
  private async reportLast(): Promise<void> {
    if (this.exchanging !== undefined || this.exchanges === 0 || this.failuresInARow > 0) return;
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
    const failure = await this.tryExchange();
    if (failure === undefined) {
      this.exchanges++;
      this.failuresInARow = 0;
      this.logEnd();
    } else this.failed(failure);
    if (!this.closed) this.schedule(this.cooldowns.size > 0 && this.failuresInARow === 0 ? 0 : this.options.intervalMs);
  }

  /** Exchanges once; returns why it failed, or `undefined`. */
  private async tryExchange(): Promise<string | undefined> {
    const { timeoutMs } = this.options;
    // An app's own client can queue commands until it is connected again; one queued exchange is
    // enough.
    if (this.exchanging !== undefined) return timeoutReason(timeoutMs);
    const refusal = this.circuit.refusal(HASH_TAG);
    if (refusal !== undefined) return refusal;
    const exchange = this.exchange(this.router);
    this.exchanging = exchange.finally(() => (this.exchanging = undefined)).catch(() => {});
    try {
      await this.circuit.watch(HASH_TAG, exchange);
      return undefined;
    } catch (error) {
      return failureReason(error);
    }
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
    const request = this.script.run(
      [this.options.prefix],
      [
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
        ...spending.flatMap((own) => [
          own.key,
          own.usd.toFixed(12),
          Math.ceil(own.periodMs),
          (own.totalUsd ?? 0).toFixed(12),
          Math.ceil(own.leftMs ?? 0),
        ]),
      ],
    );
    const answer = (await request.catch((error: unknown) => {
      for (const { key, usd } of spending) router.putSpendingBack?.(key, usd);
      throw error;
    })) as Answer;
    for (const [id, usage] of used) if (this.pending.get(id) === usage) this.pending.delete(id);
    for (const [id, untilMs] of cooling) if (this.cooldowns.get(id) === untilMs) this.cooldowns.delete(id);
    for (const [id, untilMs] of [...this.cooldowns]) if (untilMs <= nowMs) this.cooldowns.delete(id);
    if (!this.closed) this.take(router, answer);
  }

  /** Applies the state of the other processes. */
  private take(router: StateOfRouter, [members, inFlight, usage, cooling, budgets]: Answer): void {
    this.members = Number(members);
    const nowMs = router.now();
    const others = new Map<string, { inFlight: number; requests: number; tokens: number }>();
    const of = (id: string): { inFlight: number; requests: number; tokens: number } => {
      let known = others.get(id);
      if (known === undefined) others.set(id, (known = { inFlight: 0, requests: 0, tokens: 0 }));
      return known;
    };
    for (const [id, count] of pairs(inFlight)) of(id).inFlight = count;
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
    this.logOutage();
  }

  private logOutage(): void {
    const nowMs = performance.now();
    if (nowMs - this.loggedMs < LOG_EVERY_MS) return;
    this.loggedMs = nowMs;
    this.loggedOutageMs ??= nowMs;
    this.router.log?.warn(`Router: Redis failed (${this.reason}); until Redis recovers, the router uses only the state of this process`);
  }

  private logEnd(): void {
    if (this.loggedOutageMs === undefined) return;
    const seconds = Math.ceil((performance.now() - this.loggedOutageMs) / 1000);
    this.loggedOutageMs = undefined;
    this.router.log?.log(`Router: Redis recovered after ${seconds} s; the router is using the state of other processes again`);
  }
}

function openOwned({ url = '', timeoutMs }: StateExchangeOptions): OwnedRedisClient {
  return openRedisClient(url, {
    purpose: 'the shared state of the router',
    connectionName: 'fast-litellm-router',
    timeoutMs,
    // The next exchange repeats reports that failed.
    enableOfflineQueue: false,
  });
}

type List = readonly unknown[];
type Answer = readonly [members: unknown, inFlight: List, usage: List, cooling: List, budgets: List];

function* pairs(flat: readonly unknown[]): Generator<[string, number]> {
  for (let index = 0; index < flat.length; index += 2) yield [String(flat[index]), Number(flat[index + 1])];
}
