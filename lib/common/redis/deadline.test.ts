import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { startDeadline, withinTime } from './deadline.js';

const TIMEOUT_MS = 20;

/** Nothing is read meanwhile. */
function beBusyFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('a wait for Redis', () => {
  it('ends with an error that says how long it was', async () => {
    await expect(withinTime(new Promise(() => {}), TIMEOUT_MS)).rejects.toThrow('no response from Redis within 20 ms');
  });

  it('ends with the awaited result', async () => {
    await expect(withinTime(Promise.resolve(1), TIMEOUT_MS)).resolves.toBe(1);
    await expect(withinTime(Promise.reject(new Error('READONLY')), TIMEOUT_MS)).rejects.toThrow('READONLY');
  });

  it('does not keep the process alive in the background', async () => {
    // Only those that keep the process are listed.
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const within = withinTime(new Promise(() => {}), TIMEOUT_MS);
    expect(timers()).toBe(before);
    const end = startDeadline(TIMEOUT_MS, () => {});
    expect(timers()).toBe(before + 1);
    end();
    await expect(within).rejects.toThrow();
  });

  it('takes the answer that came while this process was busy, though the time is over', async () => {
    const answered = new Int32Array(new SharedArrayBuffer(4));
    const code = `
      const { parentPort, workerData } = require('node:worker_threads');
      parentPort.on('message', () => {
        parentPort.postMessage('PONG');
        Atomics.store(workerData, 0, 1);
        Atomics.notify(workerData, 0);
      });`;
    const worker = new Worker(code, { eval: true, workerData: answered });
    try {
      await once(worker, 'online');
      // After this come the timers, then what is to be read.
      await setImmediate();
      const answer = once(worker, 'message');
      const within = withinTime(answer, TIMEOUT_MS);
      worker.postMessage('PING');
      Atomics.wait(answered, 0, 0);
      beBusyFor(2 * TIMEOUT_MS);
      await expect(within).resolves.toEqual(['PONG']);
    } finally {
      await worker.terminate();
    }
  });
});
