import { turnClock } from '../common/turn-clock.js';
import type { NativeBinding } from './native-binding.js';

/** The clock's region: see native/core/src/clock.rs. */
const READ = 2;
const RUNNING = 3;
const CLOCK = { name: 'clock', bytes: 16 };

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
 * So many readings of one millisecond, and a thread that writes the time is worth what it takes: each of its ticks costs the process 10 to 20 us, the
 * same as some thousands of readings that share the system's clock.
 */
const WORTH_A_THREAD = 4096;

/**
 * The time that never steps, in whole milliseconds, and one for all threads of the process: as a thread of the addon writes it into shared memory once
 * a millisecond, where it is read millions of times a second; else as the system's clock has gone on since, read as by `turnClock`. It may be late by the time
 * that 4,096 readings take, never early, and never goes back. Without the addon it is a `turnClock`.
 */
export function coarseClock(binding: NativeBinding | null): () => number {
  if (binding === null) return turnClock();
  try {
    binding.wakeClock();
    const memory = sharedMemory(binding, CLOCK.name, CLOCK.bytes);
    const time = new Float64Array(memory, 0, 1);
    const state = new Int32Array(memory);
    // Whole milliseconds, so late by less than one.
    const startMs = time[0] - performance.now();
    const read = (): number => Math.floor(startMs + performance.now());
    const asked = turnClock(read);
    let latestMs = 0;
    let reads = 0;
    const goOn = (): number => {
      const nowMs = state[RUNNING] === 0 ? asked() : time[0];
      if (nowMs > latestMs) {
        latestMs = nowMs;
        reads = 0;
      } else if (reads >= WORTH_A_THREAD) {
        reads = 0;
        if (state[RUNNING] === 0) binding.wakeClock();
        else state[READ] = 1;
        // The thread may not have got a processor for a while.
        latestMs = Math.max(latestMs, read());
      }
      return latestMs;
    };
    // All else is kept apart, so that this is inlined where it is called.
    return () => (++reads < WORTH_A_THREAD && time[0] === latestMs && state[RUNNING] !== 0 ? latestMs : goOn());
  } catch {
    return turnClock();
  }
}
