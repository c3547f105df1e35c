import { burstClock } from '../common/clock.js';
import type { NativeBinding } from './native-binding.js';

const buffers = new WeakMap<NativeBinding, Map<string, ArrayBuffer>>();

/**
 * Memory of the addon, zeroed at first, which all threads of the process see under this name: for state that JavaScript reads and updates with
 * `Atomics`, where a call over the border would cost more than the work. It is never given back, so names come from options, not from requests.
 *
 * @param bytes A multiple of 8, at most 1 GiB; the same for every thread.
 * @throws Error with the code `INVALID_ARGUMENT` (another size), `OUT_OF_RESOURCES` (4,096 names), or where the runtime takes no such memory.
 */
export function sharedMemory(binding: NativeBinding, name: string, bytes: number): ArrayBuffer {
  let known = buffers.get(binding);
  if (known === undefined) buffers.set(binding, (known = new Map<string, ArrayBuffer>()));
  const buffer = known.get(name);
  if (buffer?.byteLength === bytes) return buffer;
  const made = binding.sharedMemory(name, bytes);
  known.set(name, made);
  return made;
}

/**
 * `burstClock` with one start for all threads of the process, as deadlines in shared memory are compared by all: a step of
 * the wall clock between two starts would set the threads apart. Without the addon there is no such memory.
 */
export function processClock(binding: NativeBinding | null): () => number {
  if (binding === null) return burstClock();
  try {
    const startUs = new BigInt64Array(sharedMemory(binding, 'clock start', 8));
    Atomics.compareExchange(startUs, 0, 0n, BigInt(Math.floor((Date.now() - uptimeMs()) * 1000)));
    const startMs = Number(startUs[0]) / 1000 + uptimeMs() - performance.now();
    return burstClock(() => Math.floor(startMs + performance.now()));
  } catch {
    return burstClock();
  }
}

/** Of one monotonic clock for all threads; `performance.now()` starts anew in each. */
function uptimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
