import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { steadyNow } from '../common/steady-now.js';
import { openNativeBinding, type NativeBinding } from './native-binding.js';
import { coarseClock, sharedMemory } from './shared-memory.js';

const { binding } = openNativeBinding();
const addon = require.resolve('#native');

/** Runs in each worker: counts in the memory of this name, as JavaScript of another thread does. */
const COUNTING = `
const { workerData } = require('node:worker_threads');
const integers = new Int32Array(require(workerData.addon).sharedMemory(workerData.name, 64));
for (let i = 0; i < 100_000; i++) Atomics.add(integers, 5, 1);
`;

(binding === null ? describe.skip : describe)('memory of the addon', () => {
  const native = binding as NativeBinding;

  it('is one for all threads, with exact Atomics', async () => {
    const integers = new Int32Array(sharedMemory(native, 'counted', 64));
    const ended = Array.from({ length: 4 }, () => {
      const worker = new Worker(COUNTING, { eval: true, workerData: { addon, name: 'counted' } });
      return new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve));
    });
    for (let i = 0; i < 100_000; i++) Atomics.add(integers, 5, 1);
    await Promise.all(ended);
    expect(Atomics.load(integers, 5)).toBe(500_000);
  });

  it('is the same buffer when asked for again, and refuses another size', () => {
    const first = sharedMemory(native, 'again', 64);
    expect(sharedMemory(native, 'again', 64)).toBe(first);
    expect(() => sharedMemory(native, 'again', 128)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(sharedMemory(native, 'again', 64).byteLength).toBe(64);
  });

  it.each([0, 12, 2 ** 30 + 8])('refuses %d bytes', (bytes) => {
    expect(() => sharedMemory(native, `refused ${bytes}`, bytes)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('the coarse clock', () => {
  it.each([
    ['with the addon', binding],
    ['without it', null],
  ])('%s, goes with the wall clock and never before it, also after a pause', async (_, given) => {
    const now = coarseClock(given);
    const first = now();
    expect(first).toBeLessThanOrEqual(Date.now());
    // Longer than it goes on by itself, so that a read has to wake it.
    await sleep(300);
    const second = now();
    expect(second - first).toBeGreaterThanOrEqual(290);
    expect(second).toBeLessThanOrEqual(Date.now());
    expect(Number.isInteger(second)).toBe(true);
  });

  it('goes on by itself where its thread gets no processor', () => {
    const memory = new ArrayBuffer(16);
    const wakeClock = (): void => {
      new Float64Array(memory, 0, 1)[0] = Date.now();
      new Int32Array(memory)[3] = 1;
    };
    const stuck = { wakeClock, sharedMemory: () => memory } as unknown as NativeBinding;
    const now = coarseClock(stuck);
    const first = now();
    const endMs = steadyNow() + 10_000;
    let latest = first;
    while (latest < first + 20 && steadyNow() < endMs) {
      for (let i = 0; i < 10_000; i++) {
        const nowMs = now();
        if (nowMs < latest) throw new Error(`${nowMs} after ${latest}`);
        latest = nowMs;
      }
    }
    expect(latest).toBeGreaterThanOrEqual(first + 20);
    expect(latest).toBeLessThanOrEqual(Date.now());
  });

  const whileNative = binding === null ? it.skip : it;
  whileNative('has a thread of its own only while it is read without a pause, and does not go back in between', async () => {
    const state = new Int32Array(sharedMemory(binding as NativeBinding, 'clock', 16));
    const isRunning = (): boolean => state[3] !== 0;
    const now = coarseClock(binding);
    let latest = now();
    const read = (): void => {
      const nowMs = now();
      expect(nowMs).toBeGreaterThanOrEqual(latest);
      latest = nowMs;
    };
    for (const isBusy of [false, true, false]) {
      // The thread goes on for a tenth of a second by itself.
      for (let turn = 0; turn < 1000 && isRunning() !== isBusy; turn++) {
        for (let i = 0; i < (isBusy ? 20_000 : 4); i++)
          if (i % 1000 === 0) read();
          else now();
        if (!isBusy) await sleep(2);
      }
      expect(isRunning()).toBe(isBusy);
    }
    read();
    expect(Math.abs(latest - steadyNow())).toBeLessThan(1000);
  });

  it('asks the system where the addon cannot keep it', () => {
    const broken = {
      wakeClock: () => {
        throw new Error('no thread');
      },
    } as unknown as NativeBinding;
    const before = steadyNow();
    const told = coarseClock(broken)();
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(steadyNow());
  });
});
