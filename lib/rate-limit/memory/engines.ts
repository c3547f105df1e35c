import type { EngineName } from '../../common/capability.js';
import type { RateLimitEngine } from '../engine/engine.js';
import type { RateLimit } from '../limits.js';

/** An engine, and what a memory store has open there: a space for its keys, and the policies of its limits. */
class OpenEngine {
  readonly space: number;
  private readonly policies = new WeakMap<RateLimit, number>();
  private readonly held = new Set<number>();
  // Most limits are asked about many times on end, and a `WeakMap` takes as long as half a decision.
  private latest: RateLimit | null = null;
  private latestPolicy = -1;

  constructor(
    readonly engine: RateLimitEngine,
    name: string | null,
    maxKeys: number,
  ) {
    this.space = engine.open(name, maxKeys);
  }

  policy(limit: RateLimit): number {
    return limit === this.latest ? this.latestPolicy : this.find(limit);
  }

  close(): void {
    for (const policy of this.held) this.engine.closePolicy(policy);
    this.engine.close(this.space);
  }

  private find(limit: RateLimit): number {
    let policy = this.policies.get(limit);
    if (policy === undefined) this.policies.set(limit, (policy = this.open(limit)));
    this.latest = limit;
    this.latestPolicy = policy;
    return policy;
  }

  private open(limit: RateLimit): number {
    const policy = this.engine.policy({ scope: limit.name, ...limit.limits });
    // Once is enough: of limits that are made anew with every call there would be no end.
    if (this.held.has(policy)) this.engine.closePolicy(policy);
    else this.held.add(policy);
    return policy;
  }
}

/** What a store has open: apart from it, so that it can be closed when the store is gone. */
export class OpenEngines {
  private readonly opened = new Map<EngineName, OpenEngine>();
  private latest: OpenEngine | null = null;

  constructor(
    private readonly name: string | null,
    private readonly maxKeys: number,
  ) {}

  /** The engine, opened with the first question. */
  of(engine: RateLimitEngine): OpenEngine {
    const { latest } = this;
    return latest !== null && latest.engine === engine ? latest : this.find(engine);
  }

  /** Those that were asked. */
  all(): OpenEngine[] {
    return [...this.opened.values()];
  }

  close(): void {
    for (const opened of this.opened.values()) opened.close();
    this.opened.clear();
    this.latest = null;
  }

  private find(engine: RateLimitEngine): OpenEngine {
    let opened = this.opened.get(engine.engine);
    if (opened === undefined) {
      opened = new OpenEngine(engine, this.name, this.maxKeys);
      this.opened.set(engine.engine, opened);
    }
    return (this.latest = opened);
  }
}
