import { randomBytes } from 'node:crypto';
import {
  FastLiteLLMGatewayModule,
  FastLiteLLMKeysModule,
  FastLiteLLMSpendModule,
  postgresStore,
  type PostgresStore,
} from 'nestjs-fast-litellm';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp } from '../../support/gateway-app.js';
import { usuallyOrLong } from '../../support/long.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../support/postgres.js';
import { until } from '../../support/until.js';

const MASTER = 'sk-the-master-key-0123456';
const AT_ONCE = 500;
const UNKNOWN = usuallyOrLong(2_000, 10_000);
const CALLS = 300;
/** The least interval between two statements of the log, less what a timer can be early. */
const LEAST_MS = 99;

interface Statement {
  readonly sql: string;
  readonly atMs: number;
}

// What requests cost the database that has keys and spend.
(hasPostgres ? describe : describe.skip)('the statements of a gateway', () => {
  let database: TestDatabase;
  let provider: TestProvider;
  let store: PostgresStore;
  let gateway: GatewayApp;
  let key: string;
  let statements: Statement[] = [];
  /** Set while the database does not answer to the spend log. */
  let held: Promise<void> | undefined = undefined;

  beforeAll(async () => {
    [database, provider] = await Promise.all([TestDatabase.create(), startProvider('openai')]);
    const pool: TestPool = database.pool();
    const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
      statements.push({ sql, atMs: performance.now() });
      if (sql.includes('record_calls')) await held;
      return pool.query(sql, params);
    };
    store = postgresStore({ pool: { query }, timeoutMs: 10_000 });
    gateway = await GatewayApp.start('Fastify', FastLiteLLMGatewayModule.forRoot({ rateLimit: { default: false } }), {
      module: { router: { modelList: [provider.deployment('m', { model: 'openai/gpt-4o' })] } },
      imports: [
        FastLiteLLMKeysModule.forRoot({ store, masterKey: MASTER }),
        FastLiteLLMSpendModule.forRoot({ store, flushMs: 100, batchRows: 50, closeTimeoutMs: 20_000 }),
      ],
    });
    const made = await gateway.post('/key/generate', {}, { authorization: `Bearer ${MASTER}` });
    ({ key } = JSON.parse(made.text) as { key: string });
    expect(await chat()).toBe(200);
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await store.close();
    await database.drop();
  });
  beforeEach(() => (statements = []));

  const chat = async (given = key): Promise<number> => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };
    return (await gateway.post('/v1/chat/completions', body, { authorization: `Bearer ${given}` })).status;
  };
  const chats = (keys: readonly string[]): Promise<readonly number[]> => Promise.all(keys.map((each) => chat(each)));
  /** All but those of the spend log and of the polling for changes. */
  const lookups = (): readonly Statement[] => statements.filter(({ sql }) => /"fast_litellm"\.keys/.test(sql));
  const writes = (): readonly Statement[] => statements.filter(({ sql }) => sql.includes('record_calls'));
  const backlog = (): number => {
    const { components } = gateway.llm.healthCheck() as unknown as { components: { spend_log: { backlog: number } } };
    return components.spend_log.backlog;
  };

  it(`look up ${UNKNOWN} random keys with at most ten statements in any second`, async () => {
    for (let sent = 0; sent < UNKNOWN; sent += AT_ONCE) {
      // As they are made here, and as clients may have brought them from LiteLLM.
      const random = Array.from({ length: AT_ONCE }, (_, at) =>
        at % 2 === 0
          ? `sk-${randomBytes(9).toString('base64url')}-${randomBytes(32).toString('base64url')}`
          : `sk-${randomBytes(16).toString('hex')}`,
      );
      expect(new Set(await chats(random))).toEqual(new Set([401]));
    }
    const sent = lookups();
    expect(sent.length).toBeGreaterThan(0);
    expect(sent.length).toBeLessThan(UNKNOWN / 10);
    sent.slice(10).forEach(({ atMs }, at) => expect(atMs - sent[at].atMs).toBeGreaterThan(1_000));
    expect(await chat()).toBe(200);
  });

  it('are none for a known key, and at most one in 100 ms for the spend log', async () => {
    for (let sent = 0; sent < CALLS; sent += 30) expect(new Set(await chats(Array<string>(30).fill(key)))).toEqual(new Set([200]));
    await until(() => backlog() === 0);
    expect(lookups()).toEqual([]);
    const others = statements.filter(({ sql }) => !sql.includes('record_calls') && !/"fast_litellm"\.changes/.test(sql));
    expect(others).toEqual([]);
    const sent = writes();
    expect(sent.length).toBeGreaterThan(1);
    sent.slice(1).forEach(({ atMs }, at) => expect(atMs - sent[at].atMs).toBeGreaterThan(LEAST_MS));
  });

  it('are not awaited by calls: those whose log does not answer succeed', async () => {
    let answer = (): void => {};
    held = new Promise((resolve) => (answer = resolve));
    for (let sent = 0; sent < 100; sent += 10) expect(new Set(await chats(Array<string>(10).fill(key)))).toEqual(new Set([200]));
    await until(() => writes().length > 0);
    expect(await chat()).toBe(200);
    expect(backlog()).toBe(101);
    held = undefined;
    answer();
    await until(() => backlog() === 0);
  });
});
