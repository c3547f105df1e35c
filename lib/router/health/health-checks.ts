import type { Deployment } from '../deployments/deployment.js';
import type { ResolvedHealthChecks } from '../config/health-check-options.js';

/** The deployments to check, and where results go. */
export interface HealthChecked {
  deployments(): readonly Deployment[];
  /** `forMs`: how long the deployment counts as unhealthy; 0 when it is healthy. */
  healthOf(deployment: Deployment, forMs: number): void;
}

/** Runs rounds of probes, on a timer that does not keep the process alive. */
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

  /** Probes every deployment once. */
  async round(): Promise<void> {
    const waiting = [...this.checked.deployments()];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !this.closed; next = waiting.shift()) {
        const isHealthy = await this.probe(next);
        if (!this.closed) this.checked.healthOf(next, isHealthy ? 0 : this.options.stalenessMs);
      }
    };
    await Promise.all(Array.from({ length: this.options.concurrency }, worker));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const probe of this.probes) probe.abort();
  }

  private schedule(delayMs: number): void {
    if (this.closed) return;
    // An unhandled rejection would end the process.
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
