import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runForJson } from '../harness/child.js';
import { measure, median } from '../harness/measure.js';
import type { Task } from '../harness/measure.js';
import { BENCH } from '../tokens/contenders.js';
import { poolOf, type EngineMode } from './ours.js';

/** Nanoseconds of CPU time for one lease and its end. */
export interface LeaseRow {
  readonly name: string;
  readonly ours: boolean;
  readonly ns: number;
  readonly targetNs?: number;
}

/** A task that is one of ours, or a peer's. */
interface LeaseTask extends Task {
  readonly ours?: boolean;
  readonly targetNs?: number;
  end?(): Promise<void>;
}

const LEASE_TARGET_NS = 60;
/** Things in a pool. */
const SIZE = 10;
const ENDPOINTS = ['/v1/chat/completions', '/v1/embeddings'];

const peer = createRequire(join(BENCH, 'package.json'));

/** What a child process is to measure. */
export interface LeaseQuestion {
  readonly origin: string;
  readonly engine: EngineMode;
  readonly quick: boolean;
}

/**
 * Leases without I/O: ours of open connections, the peers' of plain objects. One engine per
 * process.
 */
export async function leaseRows(origin: string, engines: readonly EngineMode[], quick: boolean): Promise<LeaseRow[]> {
  const rows: LeaseRow[] = [];
  for (const engine of engines) {
    const question: LeaseQuestion = { origin, engine, quick };
    rows.push(...(await runForJson<LeaseRow[]>(join(__dirname, 'leases.child.js'), [JSON.stringify(question)])));
  }
  return [...rows, ...(await rowsOf([freeList(), ...(quick ? [] : [await genericPool(), lightningPool(), tarn()])], quick))];
}

/** Ours, of one engine. */
export async function ownLeaseRows({ origin, engine, quick }: LeaseQuestion): Promise<LeaseRow[]> {
  return rowsOf(await ours(origin, engine), quick);
}

async function rowsOf(tasks: readonly LeaseTask[], quick: boolean): Promise<LeaseRow[]> {
  const samples = await measure(tasks, { rounds: quick ? 3 : 15, minMs: quick ? 2 : 30, keep: () => true, cpuTime: true });
  for (const task of tasks) await task.end?.();
  return tasks.map(({ name, ours: isOurs = false, targetNs }) => ({ name, ours: isOurs, ns: median(samples.get(name) ?? []), targetNs }));
}

async function ours(origin: string, engine: EngineMode): Promise<LeaseTask[]> {
  const pool = poolOf(engine, SIZE);
  const warm = pool.getConnection(origin) as number;
  await (await pool.request(warm, { path: '/' })).body.dump();
  pool.returnConnection(warm);
  // Of names that alternate, so that the last one is not the next.
  const urls = ENDPOINTS.map((path) => origin + path);
  return [
    {
      name: `getConnection, returnConnection (${engine})`,
      ours: true,
      targetNs: LEASE_TARGET_NS,
      run(times) {
        for (let turn = 0; turn < times; turn++) pool.returnConnection(pool.getConnection(origin) as number);
      },
      end: () => pool.drain({ deadlineMs: 0 }),
    },
    {
      name: `the same, by URLs that alternate (${engine})`,
      ours: true,
      run(times) {
        for (let turn = 0; turn < times; turn++) pool.returnConnection(pool.getConnection(urls[turn & 1]) as number);
      },
    },
    {
      name: `await acquire, returnConnection (${engine})`,
      ours: true,
      async run(times) {
        for (let turn = 0; turn < times; turn++) pool.returnConnection(await pool.acquire(origin));
      },
    },
  ];
}

/** A lower bound: a stack of free numbers with generations; no endpoints, time, caps or counts. */
function freeList(): LeaseTask {
  const free = Array.from({ length: SIZE }, (_, slot) => slot);
  const ids = Int32Array.from({ length: SIZE }, (_, slot) => slot);
  const leased = new Uint8Array(SIZE);
  let top = SIZE;
  return {
    name: 'bare free list (no endpoints, time, caps, counts)',
    run(times) {
      for (let turn = 0; turn < times; turn++) {
        const slot = free[--top];
        leased[slot] = 1;
        const id = (ids[slot] = (ids[slot] + 256) & 0x7fffffff);
        const back = id & 255;
        if (ids[back] !== id || leased[back] !== 1) throw new Error('unknown');
        leased[back] = 0;
        free[top++] = back;
      }
    },
  };
}

interface Acquiring {
  acquire(): PromiseLike<object> & { promise?: PromiseLike<object> };
  release(resource: object): unknown;
}

const factory = { create: () => Promise.resolve({}), destroy: () => Promise.resolve(), validate: () => true };

async function genericPool(): Promise<LeaseTask> {
  const { createPool } = peer('generic-pool') as { createPool(made: object, options: object): Acquiring };
  const pool = createPool(factory, { max: SIZE, min: 1 });
  await pool.release(await pool.acquire());
  return {
    name: 'generic-pool',
    async run(times) {
      for (let turn = 0; turn < times; turn++) void pool.release(await pool.acquire());
    },
  };
}

function lightningPool(): LeaseTask {
  const { createPool } = peer('lightning-pool') as {
    createPool(made: object, options: object): Acquiring & { close(force: boolean): void };
  };
  const pool = createPool(factory, { max: SIZE, min: 1 });
  return {
    name: 'lightning-pool',
    async run(times) {
      for (let turn = 0; turn < times; turn++) void pool.release(await pool.acquire());
    },
    end: async () => void pool.close(true),
  };
}

function tarn(): LeaseTask {
  const { Pool } = peer('tarn') as { Pool: new (options: object) => Acquiring & { destroy(): Promise<void> } };
  const pool = new Pool({ ...factory, max: SIZE, min: 1 });
  return {
    name: 'tarn',
    async run(times) {
      for (let turn = 0; turn < times; turn++) pool.release((await pool.acquire().promise) as object);
    },
    end: () => pool.destroy(),
  };
}
