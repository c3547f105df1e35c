import { burstClock } from '../common/clock.js';
import { type NativeBinding, openNativeBinding } from './native-binding.js';

const buffers = new WeakMap<NativeBinding, Map<string, ArrayBuffer>>();

/**
 * Zeroed memory of the addon, the same for all threads of the process under one name, for state
 * that JavaScript updates with `Atomics`. It is never freed, so names come from options, not from
 * requests.
 *
 * @param bytes A multiple of 8, at most 1 GiB; the same for every thread.
 * @throws Error `INVALID_ARGUMENT` for another size, `OUT_OF_RESOURCES` after 4,096 names, or if
 * the
 *   runtime does not support such memory.
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
 * `burstClock` with one start for all threads of the process, because they compare deadlines in
 * shared memory: a step of the wall clock between two starts would set the threads apart.
 */
export function processClock(binding: NativeBinding | null): () => number {
  if (binding === null) return burstClock();
  try {
    const startUs = new BigInt64Array(sharedMemory(binding, 'clock start', 8));
    Atomics.compareExchange(startUs, 0, 0n, BigInt(Math.floor((Date.now() - uptimeMs()) * 1000)));
    return burstClock(undefined, Number(startUs[0]) / 1000 + uptimeMs() - performance.now());
  } catch {
    return burstClock();
  }
}

/** The monotonic clock that all threads share; `performance.now()` starts at 0 in each. */
function uptimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Shorter ones hardly hasten a collection. */
const FREED_FROM = 16 * 1024;

/**
 * Frees the memory of bytes, which are empty afterwards. V8 marks its whole heap, in 40 ms of
 * CPU time, for each 64 MB of buffers that it has not freed. Without the addon it does so.
 *
 * For bytes of the caller's own, of which no view is used any more and no write is pending.
 */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  // Others may use the adjacent parts of the memory.
  if (byteLength < FREED_FROM || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return;
  openNativeBinding().binding?.freeMemory(buffer);
}
