/**
 * Why a store has no answer. `reply`: it answered with an error (Redis: out of memory, read only,
 * still loading).
 */
export type StoreFailureKind = 'timeout' | 'connection' | 'reply';

export class StoreFailure {
  constructor(
    readonly kind: StoreFailureKind,
    readonly reason: string,
    /** Hash tag of the keys: in a Redis Cluster it decides the node. */
    readonly tag: string,
    /** Whether the store may have executed the request nevertheless. */
    readonly mayBeDone = false,
  ) {}
}
