import { createHash } from 'node:crypto';
import { limitNumbers, type RedisScope } from './rate-limit-protocol.redis.js';
import type { RateLimit } from './rate-limit.limits.js';
import type { RateLimitScope } from './rate-limit.store.js';

/** What may stand in a Redis key as it is. Without `/`, which parts the name of a limit from a key, and without `{` and `}`, which mark the hash tag. */
const PLAIN = /^[\w.:@-]{1,96}$/;

/** A scope with the hash tag of its keys. */
export interface TaggedScope extends RedisScope {
  readonly tag: string;
}

/** Names the keys of Redis: `PREFIX{NAME/KEY}`, or `PREFIX{all}NAME/KEY` where all keys have to be in one slot of a Cluster. */
export class RedisKeys {
  private readonly numbers = new WeakMap<RateLimit, readonly number[]>();
  private readonly names = new WeakMap<RateLimit, string>();

  constructor(
    private readonly prefix: string,
    private readonly oneSlot: boolean,
  ) {}

  scope({ limit, key }: RateLimitScope): TaggedScope {
    let limits = this.numbers.get(limit);
    if (limits === undefined) {
      this.numbers.set(limit, (limits = limitNumbers(limit)));
      this.names.set(limit, plain(limit.name));
    }
    const name = `${this.names.get(limit)}/${plain(key)}`;
    const tag = this.oneSlot ? 'all' : name;
    const stateKey = this.oneSlot ? `${this.prefix}{all}${name}` : `${this.prefix}{${name}}`;
    return { tag, stateKey, slotsKey: limit.maxConcurrent === undefined ? '' : `${stateKey}/running`, limits };
  }
}

/** The text itself if it is plain, otherwise its hash: any key of any length becomes one that `redis-cli`, globs and slots take for what it is. */
function plain(text: string): string {
  // As UTF-16, where lone surrogates differ.
  return PLAIN.test(text) ? text : `~${createHash('sha256').update(text, 'utf16le').digest('base64url')}`;
}
