import type { EngineName } from '../../common/capability.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { MAX_THREADS, memoryBytes, rowLength, RouterMemory } from '../state/memory.js';
import { RouterEngine, type Members } from './engine.js';
import { sharedMemory } from '../../engine/native-memory.js';

/**
 * The engine in Rust. All threads of the process share its named states. It only passes on the
 * arrays.
 */
export class NativeRouterEngine extends RouterEngine {
  readonly engine: EngineName = 'native';

  constructor(private readonly binding: NativeBinding) {
    super();
  }

  open(name: string | null, capacity: number): RouterMemory {
    if (name === null) return new RouterMemory(new ArrayBuffer(memoryBytes(capacity)), capacity);
    try {
      const thread = this.binding.routerOpen(name, capacity);
      const state = sharedMemory(this.binding, `router/${name}`, memoryBytes(capacity));
      const counts = new Int32Array(sharedMemory(this.binding, `router/${name}/threads`, MAX_THREADS * rowLength(capacity) * 4));
      return new RouterMemory(state, capacity, { counts, thread });
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'INVALID_ARGUMENT') throw error;
      const rule = `must be the same for all threads that share ${name} and fit into 1 GiB, got ${capacity}`;
      throw new InvalidConfigurationError('router.maxDeployments', rule, { cause: error });
    }
  }

  slot(name: string, id: string): number {
    return this.binding.routerSlot(name, id);
  }

  scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number {
    return this.binding.routerScan(memory.ints, memory.doubles, memory.rows, members.slots, members.facts, excluded, question);
  }
}
