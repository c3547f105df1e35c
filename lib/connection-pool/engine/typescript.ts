import type { EngineName } from '../../common/capability.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { LocalPool } from '../threads/accounting.js';
import { ConnectionPoolEngine, type PoolAccounting, type PoolTotals } from './engine.js';
import { HEADER, Header, Own, ownAt } from '../threads/layout.js';

/** The reference engine. */
export class TypeScriptConnectionPoolEngine extends ConnectionPoolEngine {
  readonly engine: EngineName = 'typescript';
  private readonly pools = new Map<string, LocalPool>();

  join(name: string | null, maxConnections: number): PoolAccounting {
    if (name === null) return new LocalPool(maxConnections, 1).join();
    const pool = this.pools.get(name) ?? new LocalPool(maxConnections);
    if (pool.maxConnections !== maxConnections) {
      throw new InvalidArgumentError(
        'maxConnections',
        maxConnections,
        `must be ${pool.maxConnections}, as for the other members of the pool`,
      );
    }
    const accounting = pool.join(() => {
      if (pool.members.size === 0 && this.pools.get(name) === pool) this.pools.delete(name);
    });
    this.pools.set(name, pool);
    return accounting;
  }

  expired(expiresAtMs: Float64Array, nowMs: number, found: Int32Array): number {
    let count = 0;
    for (let slot = 0; slot < expiresAtMs.length && count < found.length; slot++) {
      if (expiresAtMs[slot] <= nowMs) found[count++] = slot;
    }
    return count;
  }

  totals(words: Int32Array, room: number, leased: Int32Array): PoolTotals {
    let all = 0;
    let waiting = 0;
    leased.fill(0);
    for (let own = ownAt(room, 0); own < words.length; own += HEADER + 2 * room) {
      waiting += words[own + Own.waiting];
      for (let place = 0; place < room; place++) {
        const count = words[own + HEADER + room + place];
        leased[place] += count;
        all += count;
      }
    }
    return { connections: words[Header.connections], leased: all, waiting };
  }
}
