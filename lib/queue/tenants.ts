/** Tokens that a tenant of weight 1 may send in one turn. */
const QUANTUM_TOKENS = 4_096;

/** Inputs that decide the order of waiting calls. */
export interface Waiting {
  readonly tenant: string;
  /** Weight of the tenant relative to the others. */
  readonly weight: number;
  /** Tokens reserved for the call: prompt and longest answer. */
  readonly costTokens: number;
}

/** The waiting calls of one tenant, oldest first, and the tokens that it can send in its turn. */
class Tenant<T extends Waiting> {
  readonly calls = new Set<T>();
  deficit = 0;
  /** Whether it got the quantum of its current turn. */
  isFunded = false;
  quantum = QUANTUM_TOKENS;

  /** The oldest call that may go. */
  first(isBlocked: (call: T) => boolean): T | undefined {
    for (const call of this.calls) if (!isBlocked(call)) return call;
    return undefined;
  }

  fund(): void {
    if (this.isFunded) return;
    this.isFunded = true;
    this.deficit += this.quantum;
  }
}

/**
 * Waiting calls of one class by tenant: deficit round robin (Shreedhar and Varghese, 1995). Each
 * turn gives a tenant a quantum of tokens; its calls leave while they fit into its balance. Over
 * time the tokens of tenants, not their calls, are proportional to their weights.
 */
export class Tenants<T extends Waiting> {
  /** By name; the one whose turn it is comes first. */
  private readonly ring = new Map<string, Tenant<T>>();
  /** Oldest first. */
  private readonly calls = new Set<T>();

  get size(): number {
    return this.calls.size;
  }

  /** Tenants with waiting calls. */
  get count(): number {
    return this.ring.size;
  }

  get oldest(): T | undefined {
    return this.calls.values().next().value;
  }

  sizeOf(tenant: string): number {
    return this.ring.get(tenant)?.calls.size ?? 0;
  }

  /** The call of a tenant that came last. */
  newestOf(tenant: string): T | undefined {
    return [...(this.ring.get(tenant)?.calls ?? [])].at(-1);
  }

  add(call: T): void {
    let tenant = this.ring.get(call.tenant);
    if (tenant === undefined) this.ring.set(call.tenant, (tenant = new Tenant<T>()));
    tenant.quantum = QUANTUM_TOKENS * call.weight;
    tenant.calls.add(call);
    this.calls.add(call);
  }

  /** Removes a call that leaves without being served. */
  remove(call: T): void {
    this.calls.delete(call);
    const tenant = this.ring.get(call.tenant);
    tenant?.calls.delete(call);
    // As in the original, a tenant without calls keeps no credit.
    if (tenant?.calls.size === 0) this.ring.delete(call.tenant);
  }

  /** Takes the call out that `next` returned, and charges its tenant. */
  serve(call: T): void {
    const tenant = this.ring.get(call.tenant);
    if (tenant !== undefined) tenant.deficit -= call.costTokens;
    this.remove(call);
  }

  /** Calls from the oldest to the newest. */
  values(): IterableIterator<T> {
    return this.calls.values();
  }

  /**
   * The call whose turn it is; `undefined` if every call is blocked. A tenant whose calls are
   * all blocked keeps its place in the round: it goes first once one of them may go.
   */
  next(isBlocked: (call: T) => boolean): T | undefined {
    let rounds = Infinity;
    const short: Tenant<T>[] = [];
    let left = this.ring.size;
    for (const [name, tenant] of this.ring) {
      // Tenants that had their turn are at the end of the map now, and would be visited again.
      if (left-- === 0) break;
      const call = tenant.first(isBlocked);
      if (call === undefined) continue;
      tenant.fund();
      if (call.costTokens <= tenant.deficit) return call;
      rounds = Math.min(rounds, Math.ceil((call.costTokens - tenant.deficit) / tenant.quantum));
      short.push(tenant);
      this.endTurn(name, tenant);
    }
    if (short.length === 0) return undefined;
    // Computes all rounds but the last at once, because a long prompt needs hundreds of them.
    for (const tenant of short) tenant.deficit += (rounds - 1) * tenant.quantum;
    return this.next(isBlocked);
  }

  private endTurn(name: string, tenant: Tenant<T>): void {
    tenant.isFunded = false;
    this.ring.delete(name);
    this.ring.set(name, tenant);
  }
}
