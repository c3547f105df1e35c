import fc from 'fast-check';
import { budgetHistories } from '../../../test/support/budget-history.js';
import { replayBudgets, type OpenLimiter } from '../../../test/support/budget-replay.js';
import { histories } from '../../../test/support/long.js';
import { hasPostgres, TestDatabase, type TestPool } from '../../../test/support/postgres.js';
import { EngineChoice } from '../../engine/engine-choice.js';
import { FeatureFlagsService } from '../../feature-flags/feature-flags.service.js';
import { TypeScriptRateLimitEngine } from '../../rate-limit/engine/typescript.js';
import { RateLimiterService } from '../../rate-limit/rate-limit.service.js';
import { postgresStore } from '../postgres-store.js';
import { postgresRateLimitStore } from './rate-limit-store.js';

const LONG_MS = 3_600_000;
const flags = new FeatureFlagsService({}, { env: {}, logger: { log() {}, warn() {}, error() {} } });

(hasPostgres ? describe : describe.skip)('random histories of budgets in PostgreSQL', () => {
  let database: TestDatabase;
  let pool: TestPool;
  beforeAll(async () => {
    database = await TestDatabase.create();
    pool = database.pool();
    await postgresStore({ pool, timeoutMs: 60_000 }).migrate();
    // The clock of a history instead of the server's.
    await database.query(`CREATE TABLE fast_litellm.test_clock (now bigint);
      INSERT INTO fast_litellm.test_clock VALUES (0);
      CREATE OR REPLACE FUNCTION fast_litellm.budget_now() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT now FROM fast_litellm.test_clock'`);
  });
  afterAll(() => database.drop());

  it(
    'are decided as the model decides them, never above the bound, and leave nothing held',
    async () => {
      const choice = new EngineChoice(
        'rust_rate_limiting',
        { native: null, typescript: new TypeScriptRateLimitEngine(), reason: 'a test' },
        flags,
      );
      const replayed = fc.asyncProperty(budgetHistories, async (history) => {
        await pool.query('TRUNCATE fast_litellm.budget_accounts, fast_litellm.budget_holds');
        const open: OpenLimiter = (options, now) => {
          const query = async (sql: string, params?: unknown[]): Promise<unknown> => {
            if (!sql.includes('budget_')) return pool.query(sql, params);
            // The model settles the holds of dead processes before each step.
            await pool.query('UPDATE fast_litellm.test_clock SET now = $1', [now()]);
            await pool.query('SELECT fast_litellm.budget_sweep()');
            return pool.query(sql, params);
          };
          const store = postgresStore({ pool: { query }, timeoutMs: 60_000 });
          const budgets = postgresRateLimitStore({ store, onStoreError: 'deny', holdTtlMs: history.ttlMs });
          return new RateLimiterService(choice, { ...options, store: budgets }, now);
        };
        await replayBudgets(history, open, { ttlMs: history.ttlMs, decidesRatesFirst: true });
        const { rows } = await pool.query('SELECT count(*)::int AS open FROM fast_litellm.budget_holds WHERE charged IS NULL');
        if (rows[0].open !== 0) throw new Error('holds are left');
      });
      await fc.assert(replayed, { numRuns: histories(15) });
    },
    LONG_MS,
  );
});
