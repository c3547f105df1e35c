import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { hasPostgres, TestDatabase } from '../../support/postgres.js';
import type { MonthEndRun } from './month-ends.child.js';

const HOOK = join(__dirname, '../../support/typescript-hook.js');
const CHILD = join(__dirname, 'month-ends.child.ts');
/** Far behind, the same as, and far ahead of UTC. */
const ZONES = ['America/Los_Angeles', 'UTC', 'Pacific/Kiritimati'];
const at = (time: string): number => Date.parse(`${time}Z`);
/** The last and the first moment of months, in a leap year. */
const [OCTOBER_END, NOVEMBER] = [at('2031-10-31T23:59:59.999'), at('2031-11-01T00:00')];
const [NOVEMBER_END, DECEMBER] = [at('2031-11-30T23:59:59.999'), at('2031-12-01T00:00')];
const [JANUARY_END, FEBRUARY] = [at('2032-01-31T23:59:59.999'), at('2032-02-01T00:00')];
const [FEBRUARY_END, MARCH] = [at('2032-02-29T23:59:59.999'), at('2032-03-01T00:00')];

(hasPostgres ? describe : describe.skip)('at the end of a month', () => {
  describe.each(ZONES)('in %s', (zone) => {
    let database: TestDatabase;
    beforeEach(async () => {
      database = await TestDatabase.create();
      await database.query(`ALTER DATABASE ${database.name} SET timezone TO '${zone}'`);
    });
    afterEach(() => database.drop());

    const run = async (...runs: readonly MonthEndRun[]): Promise<void> => {
      const child = spawn(process.execPath, ['--require', HOOK, CHILD, database.url, JSON.stringify(runs)], {
        env: { ...process.env, TZ: zone },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let written = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (written += chunk.toString()));
      expect([await new Promise((resolve) => child.once('close', resolve)), written]).toEqual([0, `${zone}\n`]);
    };
    const months = async (table: string): Promise<readonly string[]> =>
      (await database.query(`SELECT right(tablename, 7) AS month FROM pg_tables WHERE tablename ~ '^${table}_203' ORDER BY 1`)).map(
        ({ month }) => String(month),
      );
    const calls = async (): Promise<readonly string[]> =>
      (await database.query(`SELECT tableoid::regclass::text AS name, id FROM fast_litellm.calls ORDER BY started_at`)).map(
        ({ name, id }) => `${String(name).slice(-7)} ${new Date(Number(String(id).slice(3))).toISOString()}`,
      );
    const days = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (
          await database.query(
            `SELECT day::text, sum(nano_usd)::int AS nano FROM fast_litellm.daily_spend WHERE dimension = 'team' GROUP BY 1 ORDER BY 1`,
          )
        ).map(({ day, nano }) => [String(day), Number(nano)]),
      );

    it('creates the partitions of two further months ahead, and those of calls that have none', async () => {
      await run({ nowMs: JANUARY_END, calls: [] });
      for (const table of ['calls', 'call_attempts', 'call_bodies']) expect(await months(table)).toEqual(['2032_01', '2032_02', '2032_03']);
      await run({ nowMs: FEBRUARY, calls: [OCTOBER_END, MARCH] });
      expect(await months('calls')).toEqual(['2031_10', '2032_01', '2032_02', '2032_03', '2032_04']);
    });

    it('keeps calls of the last and of the first millisecond in the month and the day of their start', async () => {
      await run({ nowMs: JANUARY_END, calls: [JANUARY_END, FEBRUARY, FEBRUARY_END, MARCH] });
      expect(await calls()).toEqual([
        '2032_01 2032-01-31T23:59:59.999Z',
        '2032_02 2032-02-01T00:00:00.000Z',
        '2032_02 2032-02-29T23:59:59.999Z',
        '2032_03 2032-03-01T00:00:00.000Z',
      ]);
      expect(await days()).toEqual({ '2032-01-31': 7, '2032-02-01': 7, '2032-02-29': 7, '2032-03-01': 7 });
    });

    it('drops a month in the first millisecond of the next one, no earlier, and keeps its sums', async () => {
      await run(
        { nowMs: JANUARY_END, calls: [OCTOBER_END, NOVEMBER, NOVEMBER_END, DECEMBER, JANUARY_END] },
        { nowMs: JANUARY_END, retentionMonths: 2, calls: [] },
      );
      expect(await months('calls')).toEqual(['2031_11', '2031_12', '2032_01', '2032_02', '2032_03']);
      expect((await calls())[0]).toBe('2031_11 2031-11-01T00:00:00.000Z');
      await run({ nowMs: FEBRUARY, retentionMonths: 2, calls: [] });
      for (const table of ['calls', 'call_attempts', 'call_bodies'])
        expect(await months(table)).toEqual(['2031_12', '2032_01', '2032_02', '2032_03', '2032_04']);
      expect((await calls())[0]).toBe('2031_12 2031-12-01T00:00:00.000Z');
      expect(await days()).toEqual({ '2031-10-31': 7, '2031-11-01': 7, '2031-11-30': 7, '2031-12-01': 7, '2032-01-31': 7 });
    });
  });
});
