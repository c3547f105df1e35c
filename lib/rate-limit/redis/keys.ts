import { createHash } from 'node:crypto';
import { limitNumbers, type RedisScope } from './protocol.js';
import type { RateLimit } from '../limits.js';
import type { RateLimitScope } from '../store.js';

/** What may stand in a Redis key as it is. Without `/`, which parts the name of a limit from a key, and without `{` and `}`, which mark the hash tag. */
const PLAIN = /^[\w.:@-]{1,96}$/;

/** Permits of a lease may be spent for a 60th of the shortest window, and not longer than this: so much later may one be counted than it was used. */
const LONGEST_LEASE_MS = 1_000;
const LEASES_PER_WINDOW = 60;

/** A scope with the hash tag of its keys. */
export interface TaggedScope extends RedisScope {
  readonly tag: string;
  /** For how long leased permits may be spent; 0 where nothing may be leased. */
  readonly leaseMs: number;
}

interface KnownLimit {
  readonly name: string;
  readonly kinds: string;
  readonly numbers: readonly number[];
  readonly leaseMs: number;
}

/**
 * Names the keys of Redis: `PREFIX{NAME/KEY}/KINDS`, or `PREFIX{all}NAME/KEY/KINDS` where all keys have to be in one slot of a Cluster. Limits of one name and of
 * the same kinds count together, as in memory.
 */
export class RedisKeys {
  private readonly limits = new WeakMap<RateLimit, KnownLimit>();

  constructor(
    private readonly prefix: string,
    private readonly oneSlot: boolean,
  ) {}

  /** Made anew each time: to keep names takes longer. */
  scope({ limit, key }: RateLimitScope): TaggedScope {
    let known = this.limits.get(limit);
    if (known === undefined) {
      known = { name: plain(limit.name), kinds: kindsOf(limit), numbers: limitNumbers(limit), leaseMs: leaseMsOf(limit) };
      this.limits.set(limit, known);
    }
    const name = `${known.name}/${plain(key)}`;
    const stateKey = `${this.prefix}${this.oneSlot ? `{all}${name}` : `{${name}}`}/${known.kinds}`;
    return {
      tag: this.oneSlot ? 'all' : name,
      stateKey,
      slotsKey: limit.maxConcurrent === undefined ? '' : `${stateKey}/running`,
      limits: known.numbers,
      leaseMs: known.leaseMs,
    };
  }

  /** The key that is written to find out whether Redis writes at all: on the node that has the keys of this hash tag. */
  probe(tag: string): string {
    return `${this.prefix}{${tag}}probe`;
  }

  /** The key that says that Redis remembers. */
  get mark(): string {
    return `${this.prefix}{all}mark`;
  }
}

/** What is limited, in letters: a bucket, windows by their length, requests at a time. Tokens are counted in the window of a minute. */
function kindsOf({ bucket, windows, tokensPerMinute, maxConcurrent }: RateLimit): string {
  const kinds = windows.map(({ exceeded, lengthMs }) => (exceeded === 'window' ? `w${lengthMs}` : exceeded[0]));
  if (tokensPerMinute !== undefined && kinds[0] !== 'm') kinds.unshift('m');
  return `${bucket === undefined ? '' : 'b'}${kinds.join('')}${maxConcurrent === undefined ? '' : 'c'}`;
}

/** Buckets refill while a permit lies about, and a place has to be free now: these are decided by Redis alone. */
function leaseMsOf({ bucket, windows, tokensPerMinute, maxConcurrent, leasable }: RateLimit): number {
  if (bucket !== undefined || maxConcurrent !== undefined || leasable === false) return 0;
  const shortest = Math.min(...windows.map(({ lengthMs }) => lengthMs), tokensPerMinute === undefined ? Infinity : 60_000);
  return Math.min(LONGEST_LEASE_MS, Math.floor(shortest / LEASES_PER_WINDOW));
}

/** The text itself if it is plain, otherwise its hash: any key of any length becomes one that `redis-cli`, globs and slots take for what it is. */
function plain(text: string): string {
  // As UTF-16, where lone surrogates differ.
  return PLAIN.test(text) ? text : `~${createHash('sha256').update(text, 'utf16le').digest('base64url')}`;
}
