import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openNativeBinding, type NativeBinding } from './native-binding.js';
import { processClock, sharedMemory } from './native-memory.js';

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

describe('processClock', () => {
  it.each([
    ['with the addon', binding],
    ['without the addon', null],
    ['where the runtime takes no shared memory', { sharedMemory: () => new ArrayBuffer(1) } as unknown as NativeBinding],
  ])('%s: keeps pace with the wall clock and is never ahead of it', async (_, given) => {
    const now = processClock(given);
    const first = now();
    expect(first).toBeLessThanOrEqual(Date.now());
    await sleep(300);
    const second = now();
    expect(second - first).toBeGreaterThanOrEqual(290);
    expect(second).toBeLessThanOrEqual(Date.now());
    expect(Number.isInteger(second)).toBe(true);
  });

  (binding === null ? it.skip : it)('keeps its start when the wall clock has stepped before another thread starts', () => {
    const first = processClock(binding);
    const wall = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => wall() + 3_600_000);
    const second = processClock(binding);
    jest.restoreAllMocks();
    expect(Math.abs(second() - first())).toBeLessThan(1_000);
  });
});
