/** Finished calls of a deployment since the start. */
export interface DeploymentOutcomes {
  readonly success: number;
  readonly failure: number;
}

/** Finished calls per deployment, of this process only. */
export class Outcomes {
  private readonly bySlot = new Map<number, { success: number; failure: number }>();

  succeeded(slot: number): void {
    this.countsOf(slot).success++;
  }

  failed(slot: number): void {
    this.countsOf(slot).failure++;
  }

  /** Clears the slot for another deployment. */
  forget(slot: number): void {
    this.bySlot.delete(slot);
  }

  /** Returns the counts, which go on changing. */
  of(slot: number): DeploymentOutcomes {
    return this.countsOf(slot);
  }

  private countsOf(slot: number): { success: number; failure: number } {
    let counts = this.bySlot.get(slot);
    if (counts === undefined) this.bySlot.set(slot, (counts = { success: 0, failure: 0 }));
    return counts;
  }
}
