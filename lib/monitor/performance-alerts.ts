import type * as Rxjs from 'rxjs';
import { appendToFile } from '../common/append-file.js';
import { errorMessage } from '../common/errors.js';
import type { LogSink } from '../common/log-sink.js';
import type { ResolvedAlertOptions } from './performance-monitor.options.js';
import type { CallFigures } from './series/performance-series.js';

/**
 * An alert: a figure of the rolling window has exceeded a threshold, or has dropped below it again.
 */
export interface PerformanceAlert {
  readonly type: 'high_error_rate' | 'slow_performance';
  readonly state: 'raised' | 'cleared';
  readonly component: string;
  readonly operation: string;
  /** Share of failed calls, or the 95th percentile in milliseconds, of the rolling window. */
  readonly value: number;
  readonly threshold: number;
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/**
 * Raises an alert once when a threshold is exceeded, and clears it once when it is no longer
 * exceeded.
 */
export class PerformanceAlerts {
  private readonly listeners = new Set<(alert: PerformanceAlert) => void>();
  private observable: Rxjs.Observable<PerformanceAlert> | undefined = undefined;
  private readonly raised = new Map<string, PerformanceAlert>();

  constructor(
    private readonly options: ResolvedAlertOptions | null,
    /** The threshold of a component; overrides that of the options. */
    private readonly slowAboveMs: (component: string) => number | undefined,
    private readonly logger: LogSink,
  ) {}

  /** Returns a function that removes the listener. */
  listen(listener: (alert: PerformanceAlert) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get stream(): Rxjs.Observable<PerformanceAlert> {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- optional without Nest
    const { Observable } = require('rxjs') as typeof Rxjs;
    return (this.observable ??= new Observable((subscriber) => this.listen((alert) => subscriber.next(alert))));
  }

  /** The active alerts. */
  active(): PerformanceAlert[] {
    return [...this.raised.values()];
  }

  /** Called once for each interval. */
  check(component: string, operation: string, window: CallFigures, atMs: number): void {
    if (this.options === null) return;
    const enough = window.measuredCalls >= this.options.minCalls;
    const where = { component, operation, atMs, enough };
    this.judge({ ...where, type: 'high_error_rate', value: window.errorRate, threshold: this.options.errorRate });
    const slow = this.slowAboveMs(component) ?? this.options.p95Ms;
    if (slow !== undefined) this.judge({ ...where, type: 'slow_performance', value: window.p95DurationMs, threshold: slow });
  }

  private judge({ enough, ...found }: Omit<PerformanceAlert, 'state' | 'message'> & { readonly enough: boolean }): void {
    const { type, component, operation, value, threshold } = found;
    const name = JSON.stringify([type, component, operation]);
    const isOver = enough && value > threshold;
    if (isOver === this.raised.has(name)) return;
    const what =
      type === 'high_error_rate'
        ? `${(value * 100).toFixed(1)} % of the calls fail (threshold ${threshold * 100} %)`
        : `the 95th percentile is ${value.toPrecision(3)} ms (threshold ${threshold} ms)`;
    const message = `${component} ${operation}: ${what}`;
    const alert: PerformanceAlert = { ...found, state: isOver ? 'raised' : 'cleared', message };
    if (isOver) this.raised.set(name, alert);
    else this.raised.delete(name);
    this.tell(alert);
  }

  private tell(alert: PerformanceAlert): void {
    if (alert.state === 'raised') this.logger.warn(`Performance alert: ${alert.message}`);
    else this.logger.log(`Performance alert cleared: ${alert.message}`);
    for (const listener of this.listeners) this.notify(listener, alert);
    const file = this.options?.file;
    if (file === undefined) return;
    appendToFile(file, `${JSON.stringify({ timestamp: new Date(alert.atMs).toISOString(), ...alert })}\n`).catch((error: unknown) =>
      this.logger.error(
        `Performance monitor: cannot write monitor.alerts.file (${errorMessage(error)}); create its folder or make it writable`,
      ),
    );
  }

  private notify(listener: (alert: PerformanceAlert) => void, alert: PerformanceAlert): void {
    const failed = (error: unknown): void => this.logger.error(`Performance monitor: an alert listener threw (${errorMessage(error)})`);
    try {
      const answer: unknown = listener(alert);
      // An asynchronous listener rejects later, which would end the process.
      if (answer instanceof Promise) answer.catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
