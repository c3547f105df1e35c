import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgresBinaries, PostgresCluster } from '../../support/postgres-cluster.js';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import { hasRedis, RedisServer } from '../../support/redis-server.js';
import { sleep, until } from '../../support/until.js';
import { GatewayProcess } from './gateway-process.js';
import type { TeamGatewayTask } from './team-gateway.child.js';

const MASTER = 'sk-the-master-key-0123456789';
const [PROMPT, OUTPUT] = [20, 30];
const COST_NANO = PROMPT * 2_500 + OUTPUT * 10_000;
/** What the provider bills for so many answers, in USD. */
const usdOf = (answers: number): number => (answers * COST_NANO) / 1e9;
/** Holds three times the cost of its answer; settling releases the rest. */
const body = { model: 'gpt-4o', max_tokens: 3 * OUTPUT, messages: [{ role: 'user', content: 'Write a poem about the sea.' }] };

/** Two gateways in processes of their own, which share keys, teams and budgets. */
class TwoGateways {
  private constructor(readonly both: readonly GatewayProcess[]) {}

  static async start(task: TeamGatewayTask): Promise<TwoGateways> {
    return new TwoGateways(await Promise.all([0, 1].map(() => GatewayProcess.start(task, 'team-gateway.child.ts'))));
  }

  async close(): Promise<void> {
    await Promise.all(this.both.map((gateway) => gateway.end()));
  }

  post<T = { readonly key: string }>(path: string, settings: object): Promise<T> {
    return this.both[0].json<T>(path, MASTER, settings);
  }

  /** The status of a call through one of them, and the code of its error. */
  async call(at: number, key: string): Promise<string> {
    const answer = await this.both[at % 2].ask('/v1/chat/completions', key, body);
    const text = await answer.text();
    if (answer.ok) return '200';
    return `${answer.status} ${(JSON.parse(text) as { error: { code: string } }).error.code}`;
  }

  /** Calls with many requests in flight in both until `isOver`; returns how often each outcome occurred. */
  async callUntil(keys: readonly string[], isOver: (counts: ReadonlyMap<string, number>) => boolean): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    let at = 0;
    const work = async (): Promise<void> => {
      while (!isOver(counts)) {
        const number = at++;
        const outcome = await this.call(number, keys[number % keys.length]);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 12 }, work));
    return counts;
  }

  async spendOf(path: string): Promise<number> {
    const info = await this.both[1].json<{ team_info?: { spend: number }; user_info?: { spend: number } }>(path, MASTER);
    return (info.team_info ?? info.user_info)!.spend;
  }
}

const isExhausted = (counts: ReadonlyMap<string, number>): boolean => (counts.get('429 budget_exhausted') ?? 0) >= 12;

(hasPostgres ? describe : describe.skip)('two gateways that share budgets of teams and users', () => {
  let database: TestDatabase;
  let provider: TestProvider;
  let redis: RedisServer | undefined;
  let gateways: TwoGateways | undefined;
  beforeAll(async () => {
    [database, provider] = await Promise.all([TestDatabase.create(), startProvider('openai')]);
    provider.use({ text: 'the sea', usage: { promptTokens: PROMPT, completionTokens: OUTPUT } });
    if (hasRedis) redis = await RedisServer.start();
  });
  afterEach(async () => {
    await gateways?.close();
    gateways = undefined;
  });
  afterAll(async () => {
    await provider.close();
    await redis?.stop();
    await database.drop();
  });

  it.each(['PostgreSQL', 'Redis'] as const)(
    'in %s never exceed them, and spend exactly what the provider bills',
    async (name) => {
      if (name === 'Redis' && redis === undefined) return;
      const modelList = [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })];
      const shared = { postgresUrl: database.url, onStoreError: 'deny', masterKey: MASTER, modelList } as const;
      gateways = await TwoGateways.start({ ...shared, redisUrl: name === 'Redis' ? redis?.url : undefined });
      const budget = usdOf(20.5);
      // A team whose keys have users, and a user without a team.
      const team = `team ${name}`;
      const user = `user ${name}`;
      await gateways.post('/team/new', { team_id: team, max_budget: budget, budget_duration: '30d' });
      await gateways.post('/user/new', { user_id: user, max_budget: budget, budget_duration: '30d', auto_create_key: false });
      const keys: string[] = [];
      for (const user_id of ['a', 'b', undefined]) keys.push((await gateways.post('/key/generate', { team_id: team, user_id })).key);
      const own: string[] = [];
      for (let i = 0; i < 2; i++) own.push((await gateways.post('/key/generate', { user_id: user })).key);
      for (const [path, of] of [
        [`/team/info?team_id=${encodeURIComponent(team)}`, keys],
        [`/user/info?user_id=${encodeURIComponent(user)}`, own],
      ] as const) {
        const before = provider.requests.length;
        const counts = await gateways.callUntil(of, isExhausted);
        const answers = provider.requests.length - before;
        expect(counts.get('200')).toBe(answers);
        // A request is denied if its most expensive answer would not fit.
        expect(usdOf(answers)).toBeLessThanOrEqual(budget);
        expect(answers).toBeGreaterThan(15);
        expect([...counts.keys()].filter((outcome) => !/^(?:200|429 budget_(?:held|exhausted))$/.test(outcome))).toEqual([]);
        await until(async () => Math.abs((await gateways!.spendOf(path)) - usdOf(answers)) < 1e-12);
      }
    },
    120_000,
  );
});

(hasPostgres && hasPostgresBinaries ? describe : describe.skip)('two gateways whose database is killed while they decide', () => {
  let cluster: PostgresCluster;
  let provider: TestProvider;
  let gateways: TwoGateways | undefined;
  beforeAll(async () => {
    [cluster, provider] = await Promise.all([PostgresCluster.start(), startProvider('openai')]);
    provider.use({ text: 'the sea', usage: { promptTokens: PROMPT, completionTokens: OUTPUT }, delayMs: 50 });
  });
  afterEach(async () => {
    await gateways?.close();
    gateways = undefined;
  });
  afterAll(async () => {
    await provider.close();
    await cluster.remove();
  });

  const accounts = async (team: string): Promise<{ spent: number; held: number; open: number }> => {
    const [row] = await cluster.query(
      `SELECT coalesce(sum((SELECT sum(s) FROM unnest(spent) AS s)), 0)::float8 AS spent,
        coalesce(sum((SELECT sum(h) FROM unnest(held) AS h)), 0)::float8 AS held,
        (SELECT count(*) FROM fast_litellm.budget_holds WHERE key = $1 AND charged IS NULL)::int AS open
        FROM fast_litellm.budget_accounts WHERE limit_name = 'teams' AND key = $1`,
      [`team:${team}`],
    );
    return row as { spent: number; held: number; open: number };
  };

  it.each(['deny', 'local'] as const)(
    "settle or release what they hold, and exceed no budget, with onStoreError '%s'",
    async (onStoreError) => {
      const modelList = [provider.deployment('gpt-4o', { model: 'openai/gpt-4o' })];
      gateways = await TwoGateways.start({ postgresUrl: cluster.url, onStoreError, holdTtlMs: 4_000, masterKey: MASTER, modelList });
      const team = `team-${onStoreError}`;
      await gateways.post('/team/new', { team_id: team, max_budget: usdOf(2_000), budget_duration: '30d' });
      const keys = [
        (await gateways.post('/key/generate', { team_id: team })).key,
        (await gateways.post('/key/generate', { team_id: team })).key,
      ];
      // The processes have counted each other, and know what is left.
      await sleep(onStoreError === 'local' ? 8_000 : 0);
      const before = provider.requests.length;
      let isOver = false;
      const calling = gateways.callUntil(keys, () => isOver);
      for (let kills = 0; kills < usuallyOrLong(1, 3); kills++) {
        await sleep(1_000);
        await cluster.kill();
        await sleep(1_500);
        await cluster.start();
      }
      await sleep(2_000);
      isOver = true;
      const counts = await calling;
      const answers = provider.requests.length - before;
      expect(counts.get('200')).toBe(answers);
      expect(answers).toBeGreaterThan(20);
      expect(usdOf(answers)).toBeLessThanOrEqual(usdOf(2_000));
      const unexpected = [...counts.keys()].filter((outcome) => !/^(?:200|503 |429 )/.test(outcome));
      expect(unexpected).toEqual([]);
      // Holds whose answer was lost expire; the others are settled once the database is back.
      let last = await accounts(team);
      await until(async () => {
        last = await accounts(team);
        return last.held === 0 && last.open === 0 && last.spent === answers * COST_NANO;
      }).catch(() => {});
      expect(last).toEqual({ held: 0, open: 0, spent: answers * COST_NANO });
    },
    120_000,
  );
});
