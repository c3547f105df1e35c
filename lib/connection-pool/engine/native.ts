import type { EngineName } from '../../common/capability.js';
import type { NativeBinding } from '../../engine/native-binding.js';
import { LocalPool } from '../threads/accounting.js';
import { ConnectionPoolEngine, PoolAccounting, type PoolTotals } from './engine.js';
import { MAX_MEMBERS, roomFor, wordsFor } from '../threads/layout.js';
import { sharedMemory } from '../../engine/native-memory.js';

/**
 * The engine in Rust, which owns the memory of pools that threads share. Only converts arguments.
 */
export class NativeConnectionPoolEngine extends ConnectionPoolEngine {
  readonly engine: EngineName = 'native';

  constructor(private readonly binding: NativeBinding) {
    super();
  }

  join(name: string | null, maxConnections: number): PoolAccounting {
    // A pool without a name is not shared, so plain memory is enough.
    if (name === null) return new LocalPool(maxConnections, 1).join();
    return new NativeAccounting(this.binding, name, maxConnections);
  }

  expired(expiresAtMs: Float64Array, nowMs: number, found: Int32Array): number {
    return this.binding.connectionPoolExpired(expiresAtMs, nowMs, found);
  }

  totals(words: Int32Array, room: number, leased: Int32Array): PoolTotals {
    return this.binding.connectionPoolTotals(words, room, leased);
  }
}

class NativeAccounting extends PoolAccounting {
  readonly words: Int32Array;
  readonly room: number;
  readonly member: number;
  readonly shared = true;
  private readonly handle: number;
  private left = false;

  constructor(
    private readonly binding: NativeBinding,
    name: string,
    maxConnections: number,
  ) {
    super();
    this.room = roomFor(maxConnections);
    const { handle, member } = binding.connectionPoolJoin(name, maxConnections);
    this.handle = handle;
    this.member = member;
    try {
      const bytes = wordsFor(this.room, MAX_MEMBERS) * Int32Array.BYTES_PER_ELEMENT;
      this.words = new Int32Array(sharedMemory(binding, `connection pool ${maxConnections} ${name}`, bytes));
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  place(origin: string): number {
    return this.binding.connectionPoolPlace(this.handle, origin);
  }

  forget(place: number): void {
    this.binding.connectionPoolForget(this.handle, place);
  }

  reserve(place: number, mostPerEndpoint: number): number {
    return this.binding.connectionPoolReserve(this.handle, place, mostPerEndpoint);
  }

  release(place: number): void {
    if (!this.left) this.binding.connectionPoolRelease(this.handle, place);
  }

  origins(): ReadonlyMap<number, string> {
    if (this.left) return new Map();
    return new Map(this.binding.connectionPoolOrigins(this.handle).map(({ place, origin }) => [place, origin]));
  }

  leave(): void {
    this.left = true;
    this.binding.connectionPoolLeave(this.handle);
  }
}
