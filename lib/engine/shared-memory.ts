import { turnClock } from '../common/turn-clock.js';
import type { NativeBinding } from './native-binding.js';

/** The clock's region: see native/core/src/clock.rs. */
const CLOCK = { name: 'clock', bytes: 16, read: 2, running: 3 };

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
 * The time that never steps, as of `steadyNow`, as a thread of the addon writes it into shared memory once a millisecond: a read costs 1 ns, a system
 * clock 40 or more. It may be a little late when the machine is busy, never early. The thread sleeps while nobody reads. Without the addon it is a `turnClock`.
 */
export function coarseClock(binding: NativeBinding | null): () => number {
  if (binding === null) return turnClock();
  try {
    binding.wakeClock();
    const memory = sharedMemory(binding, CLOCK.name, CLOCK.bytes);
    const time = new Float64Array(memory, 0, 1);
    const state = new Int32Array(memory);
    return () => {
      if (state[CLOCK.running] === 0) binding.wakeClock();
      else state[CLOCK.read] = 1;
      return time[0];
    };
  } catch {
    return turnClock();
  }
}
