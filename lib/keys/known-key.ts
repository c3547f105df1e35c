import { timingSafeEqual } from 'node:crypto';
import { MAY_CALL_ANY, type Principal } from '../http/principal.js';
import { Wildcard } from '../router/selection/wildcard.js';
import type { ApiKeyRecord } from './api-key-record.js';

/** Why a key is not accepted. */
export type KeyFault = 'unknown' | 'expired' | 'blocked';

/** LiteLLM's names for any model; teams have no model list here. */
const ALL_MODELS = ['all-proxy-models', 'all-team-models'];

/** A record, ready to be compared with the keys of requests. */
export class KnownKey {
  readonly principal: Principal;
  private readonly hashes: readonly { readonly bytes: Buffer; readonly validUntilMs: number }[];
  private readonly expiresAtMs: number;

  constructor(readonly record: ApiKeyRecord) {
    this.hashes = record.hashes.map(({ sha256, validUntil }) => ({ bytes: Buffer.from(sha256, 'hex'), validUntilMs: msOf(validUntil) }));
    this.expiresAtMs = msOf(record.expiresAt);
    this.principal = principalOf(record);
  }

  /**
   * What is wrong with a request that sends a key of this hash. Only a valid secret learns that a
   * key is blocked or expired. Takes the same time for every wrong one.
   */
  faultOf(hash: Buffer, nowMs: number): KeyFault | undefined {
    let validUntilMs = -1;
    for (const known of this.hashes) if (timingSafeEqual(known.bytes, hash)) validUntilMs = Math.max(validUntilMs, known.validUntilMs);
    if (validUntilMs < 0) return 'unknown';
    if (nowMs >= Math.min(validUntilMs, this.expiresAtMs)) return 'expired';
    return this.record.blocked === true ? 'blocked' : undefined;
  }
}

function msOf(date: string | undefined): number {
  return date === undefined ? Infinity : Date.parse(date);
}

function principalOf({ publicId, alias, user, team, models, limits, tags = [], priority, metadata = {} }: ApiKeyRecord): Principal {
  const mayCall = models === undefined ? MAY_CALL_ANY : matcherOf(models);
  return { limitKey: `key:${publicId}`, keyId: publicId, alias, user, team, limits, tags, priority, metadata, mayCall, isAdmin: false };
}

/** Whether a name is among names and patterns. */
function matcherOf(models: readonly string[]): (model: string) => boolean {
  const names = new Set(models.filter((model) => !model.includes('*')));
  const patterns = models.filter((model) => model.includes('*')).map((pattern) => new Wildcard(pattern));
  if (ALL_MODELS.some((name) => names.has(name))) return MAY_CALL_ANY;
  return (model) => names.has(model) || patterns.some((pattern) => pattern.capturesOf(model) !== null);
}
