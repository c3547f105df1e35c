import { Readable, Writable } from 'node:stream';
import { runCommand } from '../../../test/support/command-run.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { hasPostgres, TestDatabase } from '../../../test/support/postgres.js';
import { writeSpend } from '../../../test/support/spend-rows.js';
import { postgresStore } from '../../postgres/postgres-store.js';
import { runCli } from '../cli.js';

const MIB = 1024 * 1024;
const MARCH = Date.UTC(2027, 2, 1);

describe('spend export', () => {
  it.each([
    [['spend'], /must be followed by export, retention or delete/],
    [['spend', 'export', 'more'], /must be followed by export, retention or delete/],
    [['spend', 'constructor'], /must be followed by export, retention or delete/],
    [['spend', 'export', '--format', 'xml'], /--format: must be one of csv, json, ndjson, got 'xml'/],
    [['spend', 'export'], /--url or the variable DATABASE_URL must be set/],
  ])('rejects %j', async (args, message) => {
    const { code, err } = await runCommand(args);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  (hasPostgres ? describe : describe.skip)('from PostgreSQL', () => {
    let database: TestDatabase;
    beforeAll(async () => {
      database = await TestDatabase.create();
      const store = postgresStore({ url: database.url });
      await store.migrate();
      await store.close();
      await writeSpend(database, [
        { id: 'a', started_at: MARCH, team_id: 'red', tags: ['x', 'y'], nano_usd: 1_500_000_000 },
        { id: 'b', started_at: MARCH + 86_399_999, team_id: 'red', nano_usd: null },
        { id: 'c', started_at: MARCH + 5, team_id: 'blue', model_group: 'claude' },
        { id: 'd', started_at: MARCH + 86_400_000, team_id: 'red' },
      ]);
    });
    afterAll(() => database.drop());

    const exported = (...args: string[]) =>
      runCommand(['spend', 'export', '--from', '2027-03-01', '--to', '2027-03-01', ...args], { env: { DATABASE_URL: database.url } });

    it('writes CSV with the last day', async () => {
      const { code, out, err } = await exported('--team', 'red');
      expect([code, err]).toEqual([0, '']);
      const [names, ...rows] = out
        .trimEnd()
        .split('\r\n')
        .map((line) => line.split(','));
      const column = (name: string) => rows.map((cells) => cells[names.indexOf(name)]);
      expect([column('id'), column('usd'), column('tags')]).toEqual([
        ['a', 'b'],
        ['1.5', ''],
        ['x y', ''],
      ]);
    });

    it('writes JSON and NDJSON', async () => {
      const { out } = await exported('--format', 'json', '--model', 'claude');
      expect(JSON.parse(out)).toMatchObject([{ id: 'c', team_id: 'blue', nano_usd: 1_000 }]);
      const lines = (await exported('--format', 'ndjson', '--tag', 'y')).out.trimEnd().split('\n');
      expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ id: 'a', tags: ['x', 'y'] }]);
    });

    it('explains a wrong date', async () => {
      const { code, err } = await exported('--to', 'tomorrow');
      expect([code, err]).toEqual([2, expect.stringContaining('--to: must be a date such as 2027-01-31')]);
    });

    it('writes any number of rows in constant memory', async () => {
      const rows = usuallyOrLong(30_000, 1_000_000);
      await database.query(`SELECT fast_litellm.create_spend_month('2025-06-01T00:00:00Z')`);
      await database.query(`INSERT INTO fast_litellm.calls (id, started_at, duration_ms, operation, stream, model, status, process_id)
        SELECT 'c' || n, timestamptz '2025-06-01T00:00:00Z' + n * interval '1 second', 1, 'chat', false, 'gpt', 'success', 'p'
        FROM generate_series(1, ${rows}) AS n`);
      await database.query('ANALYZE fast_litellm.calls');
      const [from, written] = [process.memoryUsage(), { lines: 0, bytes: 0, mostMib: 0 }];
      const stdout = new Writable({
        write(chunk: Buffer, _encoding, done) {
          written.bytes += chunk.length;
          for (const byte of chunk) if (byte === 10) written.lines++;
          const { heapUsed, external } = process.memoryUsage();
          written.mostMib = Math.max(written.mostMib, (heapUsed + external - from.heapUsed - from.external) / MIB);
          setImmediate(done);
        },
      });
      const io = { stdin: Readable.from([]), stdout, stderr: process.stderr, env: { DATABASE_URL: database.url } };
      expect(await runCli(['spend', 'export', '--from', '2025-06-01', '--to', '2025-06-30'], io)).toBe(0);
      expect(written.lines).toBe(Math.min(rows, 30 * 86_400 - 1) + 1);
      // A million rows have 170 MiB of text, and a multiple of that as objects.
      expect(written.mostMib).toBeLessThan(160);
    }, 300_000);
  });
});
