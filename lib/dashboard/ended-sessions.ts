/** A session of a browser. */
export interface DashboardSession {
  readonly id: string;
  /** By the wall clock. */
  readonly endMs: number;
}

/** Log-outs that are remembered: only somebody with the token can log out more often. */
const MOST_SESSIONS = 10_000;

/**
 * Sessions logged out in this process, until they expire. Above the bound, those that expire first
 * count as logged out.
 */
export class EndedSessions {
  private readonly endMsOf = new Map<string, number>();
  /** Sessions that expire by then count as logged out. */
  private floorMs = 0;

  constructor(private readonly most = MOST_SESSIONS) {}

  has({ id, endMs }: DashboardSession): boolean {
    return endMs <= this.floorMs || this.endMsOf.has(id);
  }

  add({ id, endMs }: DashboardSession, nowMs: number): void {
    this.endMsOf.set(id, endMs);
    if (this.endMsOf.size <= this.most) return;
    for (const [known, end] of this.endMsOf) if (end <= nowMs) this.endMsOf.delete(known);
    if (this.endMsOf.size <= this.most) return;
    this.floorMs = Math.max(this.floorMs, Math.min(...this.endMsOf.values()));
    for (const [known, end] of this.endMsOf) if (end <= this.floorMs) this.endMsOf.delete(known);
  }
}
