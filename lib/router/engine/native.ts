import type { EngineName } from '../../common/capability.js';
import { InvalidConfigurationError } from '../../common/errors.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { sharedMemory } from '../../engine/shared-memory.js';
import { RouterEngine, type Members } from './engine.js';
import { MAX_THREADS, memoryBytes, rowLength, RouterMemory } from '../state/memory.js';
import { TypeScriptRouterEngine } from './typescript.js';

/** With fewer members than this a call over the border takes longer than the work. */
const FEWEST_MEMBERS = 96;

/** The engine in Rust, whose named states all threads of the process share: hands over the arrays, nothing else. */
export class NativeRouterEngine extends RouterEngine {
  readonly engine: EngineName = 'native';
  private readonly few = new TypeScriptRouterEngine();

  constructor(
    private readonly binding: NativeBinding,
    private readonly fewestMembers = FEWEST_MEMBERS,
  ) {
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
      const rule = `must be the same for all that share ${name}, and no more than fits into 1 GiB, got ${capacity}`;
      throw new InvalidConfigurationError('router.maxDeployments', rule, { cause: error });
    }
  }

  slot(name: string, id: string): number {
    return this.binding.routerSlot(name, id);
  }

  scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number {
    if (members.slots.length < this.fewestMembers) return this.few.scan(memory, members, excluded, question);
    return this.binding.routerScan(memory.ints, memory.doubles, memory.rows, members.slots, members.facts, excluded, question);
  }

  rank(memory: RouterMemory, members: Members, question: Float64Array, keys: Float64Array, ties: Int32Array, winners: Int32Array): void {
    if (members.slots.length < this.fewestMembers) this.few.rank(memory, members, question, keys, ties, winners);
    else this.binding.routerRank(memory.ints, memory.doubles, memory.rows, members.slots, members.facts, question, keys, ties, winners);
  }

  lottery(memory: RouterMemory, members: Members, question: Float64Array, chances: Float64Array, aliases: Int32Array): void {
    if (members.slots.length < this.fewestMembers) this.few.lottery(memory, members, question, chances, aliases);
    else this.binding.routerLottery(memory.ints, memory.doubles, members.slots, members.facts, question, chances, aliases);
  }
}
