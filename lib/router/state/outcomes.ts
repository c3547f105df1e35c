/** Calls that came back from a deployment. */
export interface DeploymentOutcomes {
  readonly success: number;
  readonly failure: number;
}

/** How many calls came back from each deployment since the start, of this process alone, by slot: side by side, as every request adds to one. */
export class Outcomes {
  private successes = new Float64Array();
  private failures = new Float64Array();

  /** Makes room for so many slots. */
  grow(capacity: number): void {
    if (capacity <= this.successes.length) return;
    const [successes, failures] = [this.successes, this.failures];
    this.successes = new Float64Array(capacity);
    this.failures = new Float64Array(capacity);
    this.successes.set(successes);
    this.failures.set(failures);
  }

  succeeded(slot: number): void {
    this.successes[slot]++;
  }

  failed(slot: number): void {
    this.failures[slot]++;
  }

  /** Another deployment has the slot from now on. */
  forget(slot: number): void {
    this.successes[slot] = this.failures[slot] = 0;
  }

  /** What is counted there, as it goes on. */
  of(slot: number): DeploymentOutcomes {
    return new SlotOutcomes(
      () => this.successes[slot],
      () => this.failures[slot],
    );
  }
}

class SlotOutcomes implements DeploymentOutcomes {
  constructor(
    private readonly successes: () => number,
    private readonly failures: () => number,
  ) {}

  get success(): number {
    return this.successes();
  }

  get failure(): number {
    return this.failures();
  }
}
