import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SinkServer } from '../../../test/support/sink-server.js';
import { until } from '../../../test/support/until.js';
import { GenericApiSink } from '../sinks/generic-api.js';
import { Spool, type SpoolSettings } from './spool.js';

let server: SinkServer;
let folder: string;
const lines: string[] = [];
const log = { log: () => {}, warn: () => {}, error: (line: string) => void lines.push(line) };
const spools: Spool[] = [];

beforeEach(async () => {
  lines.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'spool-'));
  server = await SinkServer.start();
});
afterEach(async () => {
  await server.stop();
  await Promise.all(spools.splice(0).map((spool) => spool.close(0)));
  rmSync(folder, { recursive: true, force: true });
});

const BOUNDS: SpoolSettings = {
  maxPending: 100_000,
  maxPendingChars: 64e6,
  folder: undefined,
  maxSpilledBytes: 1e9,
  canHaveFolder: true,
  timeoutMs: 10_000,
};

function open(settings: Partial<SpoolSettings> = {}, name = 'logs'): Spool {
  const sink = new GenericApiSink({
    name,
    endpoint: server.url,
    headers: {},
    format: 'json_array',
    onSuccess: true,
    onFailure: true,
    signingSecret: undefined,
    withoutTexts: false,
  });
  const spool = new Spool(sink, { ...BOUNDS, ...settings }, log);
  spools.push(spool);
  return spool;
}

const payload = (id: number, rest: object = {}): string => JSON.stringify({ id, ...rest });
const add = (spool: Spool, from: number, to: number): void => {
  for (let id = from; id < to; id++) spool.add(payload(id));
};
const idsOf = (body: string): number[] => (JSON.parse(body) as { id: number }[]).map(({ id }) => id);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
/** The ids of the requests that were answered with 200, in order. */
const arrived: number[] = [];
const acceptIf = (accepts: (ids: readonly number[]) => boolean, otherwise: ReturnType<SinkServer['reply']>): void => {
  arrived.length = 0;
  server.reply = ({ body }) => {
    const ids = idsOf(body);
    if (!accepts(ids)) return otherwise;
    arrived.push(...ids);
    return 200;
  };
};

describe('a spool', () => {
  it('sends payloads in full batches, in their order, and the rest when it is closed', async () => {
    acceptIf(() => true, 500);
    const spool = open();
    add(spool, 0, 1_300);
    await until(() => arrived.length >= 1_024);
    await spool.close(5_000);
    expect(arrived).toEqual(range(0, 1_300));
    expect(server.requests.map(({ body }) => idsOf(body).length)).toEqual([512, 512, 276]);
    expect(spool.counts).toEqual({ delivered: 1_300, dropped: 0, rejected: 0 });
    expect(lines).toEqual([]);
  });

  it.each([
    ['status 500', 500],
    ['status 401', 401],
    ['a redirect', { status: 307, headers: { location: 'http://127.0.0.1:1' } }],
    ['a cut connection', 'cut'],
    ['no answer', 'hang'],
    ['status 429', { status: 429, headers: { 'retry-after': '1' } }],
  ] as const)('sends again after %s', async (_, reply) => {
    const spool = open({ timeoutMs: 200 });
    let calls = 0;
    acceptIf(() => ++calls > 1, reply);
    add(spool, 0, 512);
    await until(() => spool.problem !== undefined);
    await until(() => arrived.length === 512);
    expect(arrived).toEqual(range(0, 512));
    await until(() => spool.problem === undefined);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^Callbacks: logs is unavailable \([\w ]+\); payloads are kept in memory; set callbacks\.spillFolder/);
  });

  it('sends a batch in halves that is too large', async () => {
    acceptIf((ids) => ids.length <= 100, 413);
    const spool = open();
    add(spool, 0, 512);
    // The server has a batch before the spool has its answer.
    await until(() => spool.counts.delivered === 512);
    expect(arrived).toEqual(range(0, 512));
    expect(spool.counts).toEqual({ delivered: 512, dropped: 0, rejected: 0 });
  });

  it('leaves out the texts of a single payload that is too large', async () => {
    server.reply = ({ body }) => (body.length > 1_000 ? 413 : 200);
    const spool = open();
    spool.add(payload(1, { messages: 'x'.repeat(2_000), response: null }));
    await spool.close(5_000);
    expect(JSON.parse(server.requests.at(-1)?.body ?? '')).toEqual([
      { id: 1, messages: 'omitted: too large for the sink', response: 'omitted: too large for the sink' },
    ]);
    expect(spool.counts).toEqual({ delivered: 1, dropped: 0, rejected: 0 });
  });

  it('loses only the payload that is rejected, with a count, a line and a state of health', async () => {
    acceptIf((ids) => !ids.includes(77), 400);
    const spool = open();
    add(spool, 0, 512);
    await until(() => spool.counts.delivered === 511);
    expect(arrived).toEqual(range(0, 512).filter((id) => id !== 77));
    expect(spool.counts.rejected).toBe(1);
    expect(lines).toEqual(['Callbacks: logs rejected 1 payload (status 400)']);
    expect(spool.problem).toBe('payloads were lost');
  });

  it('counts and reports payloads beyond its bounds', async () => {
    server.reply = () => 'hang';
    const spool = open({ maxPending: 600, timeoutMs: 60_000 });
    // One batch is in flight.
    add(spool, 0, 1_200);
    expect(spool.counts.dropped).toBeGreaterThanOrEqual(88);
    expect(spool.pending).toBeLessThanOrEqual(600);
    expect(lines).toEqual([expect.stringContaining('(callbacks.maxPending is reached)')]);
    const { dropped } = spool.counts;
    await spool.close(50);
    expect(spool.counts.delivered + spool.counts.dropped).toBe(1_200);
    expect(spool.counts.dropped).toBeGreaterThan(dropped);
  });

  it('drops payloads by their size', () => {
    const spool = open({ maxPendingChars: 100 });
    spool.add(payload(1, { text: 'x'.repeat(60) }));
    spool.add(payload(2, { text: 'x'.repeat(60) }));
    expect([spool.pending, spool.counts.dropped]).toEqual([1, 1]);
  });
});

describe('a spool with a folder', () => {
  const files = (): string[] => readdirSync(folder).sort();

  it('writes payloads to files while the sink is unavailable, and sends them first, in their order', async () => {
    await server.stop();
    const spool = open({ folder });
    add(spool, 0, 2_000);
    await until(() => spool.pending === 0 && spool.spilledBytes > 0);
    expect(lines).toEqual([expect.stringMatching(/logs is unavailable \(ECONNREFUSED\); payloads are kept in callbacks\.spillFolder$/)]);
    if (process.platform !== 'win32') expect(statSync(join(folder, files()[0])).mode & 0o777).toBe(0o600);
    add(spool, 2_000, 3_000);
    acceptIf(() => true, 500);
    await server.start();
    await until(() => arrived.length === 3_000);
    expect(arrived).toEqual(range(0, 3_000));
    await until(() => files().length === 0 && spool.counts.delivered === 3_000);
    expect(spool.counts).toMatchObject({ dropped: 0, rejected: 0 });
  });

  it('leaves to the next process what it cannot send when it is closed', async () => {
    server.reply = () => 'hang';
    const first = open({ folder, timeoutMs: 60_000 });
    add(first, 0, 700);
    await first.close(100);
    expect(files()).toEqual([expect.stringMatching(/^logs\.[\w-]+\.0\.[0-9a-f]+$/)]);
    expect(first.counts).toEqual({ delivered: 0, dropped: 0, rejected: 0 });
    acceptIf(() => true, 500);
    const second = open({ folder });
    await until(() => arrived.length === 700);
    expect(arrived).toEqual(range(0, 700));
    await until(() => files().length === 0);
    expect(second.counts.delivered).toBe(700);
  });

  it('takes over the files of a killed process, without half a line, but not those of a living one', async () => {
    const write = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    const old = new Date(Date.now() - 10 * 60_000);
    utimesSync(
      write('logs.other-host.1.00000001', `${payload(1)}\n${payload(2, { a: {} }).slice(0, -1)}\n${payload(2)}\n{"id":3,`),
      old,
      old,
    );
    write('logs.other-host.1.00000002', `${payload(4)}\n`);
    utimesSync(write('others.other-host.1.00000003', `${payload(5)}\n`), old, old);
    acceptIf(() => true, 500);
    const spool = open({ folder });
    await until(() => spool.counts.dropped === 2 && files().length === 2);
    expect(arrived).toEqual([1, 2]);
    expect(files()).toEqual(['logs.other-host.1.00000002', 'others.other-host.1.00000003']);
    expect(spool.counts).toEqual({ delivered: 2, dropped: 2, rejected: 0 });
    expect(lines).toEqual(['Callbacks: dropped 2 payloads for logs (the spill file is damaged)']);
  });

  it('gives each payload of two processes to one of them', async () => {
    // A request that is aborted could still arrive.
    await server.stop();
    const first = open({ folder });
    add(first, 0, 1_000);
    await until(() => first.spilledBytes > 0);
    await first.close(0);
    acceptIf(() => true, 500);
    await server.start();
    open({ folder });
    open({ folder });
    await until(() => files().length === 0);
    expect([...arrived].sort((a, b) => a - b)).toEqual(range(0, 1_000));
  });

  it('keeps payloads in memory while the folder is not writable', async () => {
    const blocked = join(folder, 'file');
    writeFileSync(blocked, '');
    await server.stop();
    const spool = open({ folder: blocked });
    add(spool, 0, 600);
    await until(() => lines.length === 2);
    expect(lines[1]).toMatch(/cannot write to .* \((?:EEXIST|ENOTDIR)\); until the folder is writable, payloads for logs stay in memory$/);
    rmSync(blocked);
    mkdirSync(blocked);
    await until(() => spool.pending === 0);
    acceptIf(() => true, 500);
    await server.start();
    await until(() => arrived.length === 600);
    expect(arrived).toEqual(range(0, 600));
  });

  it('counts payloads that do not fit into the folder', async () => {
    await server.stop();
    const spool = open({ folder, maxSpilledBytes: 5_000 });
    add(spool, 0, 1_000);
    await until(() => spool.counts.dropped > 0);
    const kept = files().map((name) => readFileSync(join(folder, name), 'utf8'));
    expect(kept.join('').length).toBeLessThanOrEqual(5_000);
    expect(spool.counts.dropped + kept.join('').trim().split('\n').length + spool.pending).toBe(1_000);
  });
});
