import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { FastLiteLLM } from '../../../lib/fast-litellm.js';
import { root } from '../../project/sources.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { until } from '../../support/until.js';
import { storeOf, type SpendingStore, type SpendingTask } from './spender.js';

const PROCESSES = 4;
const IN_FLIGHT = 4;
const CALLS = usuallyOrLong(500, 10_000);
/** Lives of a process that end by a kill. */
const KILLS = usuallyOrLong(1, 3);
const BUDGET_USD = 1;
const HOLD_TTL_MS = 2_000;
const quiet = { log: () => {}, warn: () => {}, error: () => {} };

/** A process that makes calls, and what its lines say. */
class Spender {
  isReady = false;
  held = 0;
  settled = 0;
  denied = 0;
  askedUsd = 0;
  /** Of settled calls. */
  settledAskUsd = 0;
  settledUsd = 0;
  excessUsd = 0;
  readonly ended: Promise<void>;
  private readonly process: ChildProcess;
  private rest = '';

  constructor(task: SpendingTask) {
    const [hook, file] = ['test/support/typescript-hook.js', 'test/e2e/rate-limit/spender.child.ts'].map((path) => join(root, path));
    this.process = spawn(process.execPath, ['--require', hook, file, JSON.stringify(task)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.rest + text).split('\n');
      this.rest = lines.pop() ?? '';
      lines.forEach((line) => this.read(line));
    });
    this.ended = new Promise((resolve) => this.process.once('close', () => resolve()));
  }

  get inFlight(): number {
    return this.held - this.settled;
  }

  begin(): void {
    this.process.stdin?.write('!');
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  private read(line: string): void {
    const [event, asked, cost] = line.split(' ');
    if (event === '!') this.isReady = true;
    else if (event === '-') this.denied++;
    else if (event === '.') {
      this.held++;
      this.askedUsd += Number(asked);
    } else {
      this.settled++;
      this.settledAskUsd += Number(asked);
      this.settledUsd += Number(cost);
      this.excessUsd += Math.max(0, Number(cost) - Number(asked));
    }
  }
}

/** A server that processes share. */
interface Shared {
  readonly store: SpendingStore;
  stop(): Promise<unknown>;
}

async function startRedis(): Promise<Shared> {
  const server = await RedisServer.start();
  const redis = { url: server.url, onStoreError: 'deny', timeoutMs: 10_000, slotTtlMs: HOLD_TTL_MS } as const;
  return { store: { redis }, stop: () => server.stop() };
}

async function createDatabase(): Promise<Shared> {
  const database = await TestDatabase.create();
  return { store: { postgres: { url: database.url, holdTtlMs: HOLD_TTL_MS } }, stop: () => database.drop() };
}

describe.each([
  ['over Redis', hasRedis, startRedis],
  ['in PostgreSQL', hasPostgres, createDatabase],
] as const)('four processes that spend from one budget %s', (_, isThere, open) => {
  (isThere ? it : it.skip)(`spend at most the budget and the bound, and 97 % of it, over ${CALLS} calls, kills and restarts`, async () => {
    const shared = await open();
    const limits = { usdPerMonth: BUDGET_USD };
    const task = { ...shared.store, limits, key: 'team', inFlight: IN_FLIGHT };
    const { rateLimiter: service } = new FastLiteLLM({ logger: quiet, rateLimit: { ...limits, store: storeOf(shared.store) } });
    // Before the processes: migrations take more time than a call.
    await service.peekAsync('team');
    const spenders: Spender[] = [];
    const start = async (calls: number, callMs: number): Promise<Spender> => {
      const spender = new Spender({ ...task, calls, callMs });
      spenders.push(spender);
      await until(() => spender.isReady);
      return spender;
    };
    for (let life = 0; life < KILLS; life++) {
      const alive = await Promise.all(Array.from({ length: PROCESSES }, () => start(CALLS, 300)));
      for (const spender of alive) spender.begin();
      await Promise.all(
        alive.map(async (spender) => {
          await until(() => spender.settled >= 2 && spender.inFlight >= 2);
          await spender.kill();
        }),
      );
    }
    const killed = [...spenders];
    const alive = await Promise.all(Array.from({ length: PROCESSES }, () => start(Math.ceil(CALLS / PROCESSES), 50)));
    for (const spender of alive) spender.begin();
    await Promise.all(alive.map(({ ended }) => ended));
    await until(async () => (await service.getBudgetsAsync('team'))[0].heldUsd === 0);

    const sum = (list: readonly Spender[], of: (spender: Spender) => number): number => list.reduce((total, each) => total + of(each), 0);
    const [{ spentUsd, totalUsd }] = await service.getBudgetsAsync('team');
    const known = sum(spenders, ({ settledUsd }) => settledUsd);
    // At a kill the store may not have settled what a process was about to, or have held what it did not yet know of.
    const uncertain = PROCESSES * KILLS * IN_FLIGHT * 0.03;
    const lost = sum(killed, ({ askedUsd, settledAskUsd }) => askedUsd - settledAskUsd);
    const bound = sum(spenders, ({ excessUsd }) => excessUsd);
    expect(sum(alive, ({ held, denied }) => held + denied)).toBeGreaterThanOrEqual(CALLS);
    expect(sum(killed, ({ inFlight }) => inFlight)).toBeGreaterThanOrEqual(PROCESSES * KILLS);
    expect(lost).toBeGreaterThan(0);
    expect(totalUsd).toBeCloseTo(spentUsd, 9);
    expect(spentUsd).toBeLessThanOrEqual(BUDGET_USD + bound);
    expect(spentUsd).toBeGreaterThanOrEqual(0.97 * BUDGET_USD);
    expect(Math.abs(spentUsd - known - lost)).toBeLessThanOrEqual(uncertain);
    await service.close();
    await shared.stop();
  });
});
