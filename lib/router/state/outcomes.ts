/** A failed call, for operators. */
export interface LastFailure {
  /** `status 429`, `no answer in time`, `connection failed`, or what is misconfigured. */
  readonly cause: string;
  /** By the router's clock. */
  readonly atMs: number;
}

/** Finished calls of a deployment since the start. */
export interface DeploymentOutcomes {
  readonly success: number;
  readonly failure: number;
  /** Requests that the provider refused for what they say. */
  readonly refused: number;
  /** Duration of the successful calls, those that reported it. */
  readonly successMs: number;
  readonly lastFailure?: LastFailure;
}

interface Counts {
  success: number;
  failure: number;
  refused: number;
  successMs: number;
  lastFailure?: LastFailure;
}

/** Finished calls per deployment, of this process only. */
export class Outcomes {
  private readonly bySlot = new Map<number, Counts>();

  /** @param latencyMs `undefined` where the caller did not tell it */
  succeeded(slot: number, latencyMs: number | undefined): void {
    const counts = this.countsOf(slot);
    counts.success++;
    if (latencyMs !== undefined && latencyMs >= 0) counts.successMs += latencyMs;
  }

  failed(slot: number, failure: LastFailure): void {
    const counts = this.countsOf(slot);
    counts.failure++;
    counts.lastFailure = failure;
  }

  refused(slot: number): void {
    this.countsOf(slot).refused++;
  }

  /** Clears the slot for another deployment. */
  forget(slot: number): void {
    this.bySlot.delete(slot);
  }

  /** Returns the counts, which go on changing. */
  of(slot: number): DeploymentOutcomes {
    return this.countsOf(slot);
  }

  private countsOf(slot: number): Counts {
    let counts = this.bySlot.get(slot);
    if (counts === undefined) this.bySlot.set(slot, (counts = { success: 0, failure: 0, refused: 0, successMs: 0 }));
    return counts;
  }
}
