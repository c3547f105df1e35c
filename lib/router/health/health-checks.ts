import type { Deployment } from '../deployments/deployment.js';
import type { ResolvedHealthChecks } from '../config/health-check-options.js';

/** What the checks are about, and who hears of them. */
export interface HealthChecked {
  deployments(): readonly Deployment[];
  /** `forMs`: how long it is to be left alone; 0 when it is well. */
  healthOf(deployment: Deployment, forMs: number): void;
}

/** Rounds of probes, on a timer that keeps no process alive. */
export class HealthChecks {
  private timer: NodeJS.Timeout | undefined = undefined;
  private readonly probes = new Set<AbortController>();
  private closed = false;

  constructor(
    private readonly options: ResolvedHealthChecks,
    private readonly checked: HealthChecked,
  ) {
    this.schedule(0);
  }

  /** One round: every deployment is asked once. */
  async round(): Promise<void> {
    const waiting = [...this.checked.deployments()];
    const ask = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !this.closed; next = waiting.shift()) {
        const well = await this.probe(next);
        if (!this.closed) this.checked.healthOf(next, well ? 0 : this.options.stalenessMs);
      }
    };
    await Promise.all(Array.from({ length: this.options.concurrency }, ask));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const probe of this.probes) probe.abort();
  }

  private schedule(delayMs: number): void {
    if (this.closed) return;
    // A rejection that nobody hears ends the process; the next round is another try.
    const round = (): Promise<void> => this.round().catch(() => {});
    this.timer = setTimeout(() => void round().finally(() => this.schedule(this.options.intervalMs)), delayMs);
    this.timer.unref();
  }

  private async probe(deployment: Deployment): Promise<boolean> {
    const { probe, timeoutMs } = this.options;
    const abort = new AbortController();
    this.probes.add(abort);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
      timer.unref();
      abort.signal.addEventListener('abort', () => resolve(false));
    });
    try {
      return await Promise.race([probe(deployment, abort.signal), late]);
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      this.probes.delete(abort);
      abort.abort();
    }
  }
}
