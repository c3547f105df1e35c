import type { EngineName } from '../common/capability.js';
import { InvalidArgumentError } from '../common/errors.js';
import { LocalPool } from './connection-pool.books.js';
import { ConnectionPoolEngine, type PoolBooks, type PoolTotals } from './connection-pool.engine.js';
import { HEADER, Header, Own, ownAt, SLOT, Slot, SlotState } from './connection-pool.layout.js';

/** The reference engine. */
export class TypeScriptConnectionPoolEngine extends ConnectionPoolEngine {
  readonly engine: EngineName = 'typescript';
  private readonly pools = new Map<string, LocalPool>();

  join(name: string | null, maxConnections: number): PoolBooks {
    if (name === null) return new LocalPool(maxConnections, 1).join();
    const pool = this.pools.get(name) ?? new LocalPool(maxConnections);
    if (pool.maxConnections !== maxConnections) {
      throw new InvalidArgumentError(
        'maxConnections',
        maxConnections,
        `must be ${pool.maxConnections}, as other members of the pool have it`,
      );
    }
    const books = pool.join(() => {
      if (pool.isEmpty && this.pools.get(name) === pool) this.pools.delete(name);
    });
    this.pools.set(name, pool);
    return books;
  }

  expired(slots: Int32Array, nowMs: number, found: Int32Array): number {
    const times = new Float64Array(slots.buffer, slots.byteOffset, slots.length >> 1);
    let count = 0;
    for (let at = 0, time = Slot.expiresAt; at < slots.length && count < found.length; at += SLOT, time += SLOT / 2) {
      if (slots[at + Slot.state] === SlotState.idle && times[time] <= nowMs) found[count++] = at / SLOT;
    }
    return count;
  }

  totals(words: Int32Array, room: number, leased: Int32Array): PoolTotals {
    let all = 0;
    let waiting = 0;
    leased.fill(0);
    for (let own = ownAt(room, 0); own < words.length; own += HEADER + 2 * room) {
      all += words[own + Own.leased];
      waiting += words[own + Own.waiting];
      for (let place = 0; place < room; place++) leased[place] += words[own + HEADER + room + place];
    }
    return { connections: words[Header.connections], leased: all, waiting };
  }
}
