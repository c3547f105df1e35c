import type { Clocks } from '../../common/clock.js';
import { checkString, refuseArgument } from '../../common/options.js';
import type { CallSeries } from '../../common/recorder.js';
import { WINDOW_INTERVALS } from './duration-histograms.js';
import type { ResolvedMonitorOptions } from '../performance-monitor.options.js';
import {
  figuresOf,
  PerformanceSeries,
  type CallFigures,
  type ComponentStats,
  type OperationStats,
  type Sampling,
} from './performance-series.js';
import { HISTORY_INTERVALS, type PerformanceHistory } from './series-history.js';

const NONE: ReadonlyMap<string, PerformanceSeries> = new Map();

const IDLE = figuresOf([], 'window', 0);

/** Takes the place of every series above the limit, and only counts its calls. */
class DroppedSeries implements CallSeries {
  calls = 0;

  constructor(private readonly sampling: Sampling) {}

  sampled(): boolean {
    if (this.sampling.on) this.calls++;
    return false;
  }

  record(): void {
    if (this.sampling.on) this.calls++;
  }
}

/** All series of a monitor, and the clock that moves their windows. */
export class SeriesTable {
  private readonly components = new Map<string, Map<string, PerformanceSeries>>();
  private readonly sampling: Sampling = { on: false, rate: 0 };
  private readonly dropped = new DroppedSeries(this.sampling);
  private readonly intervalMs: number;
  /** Ends of the intervals, the latest last: by the monotonic clock, and by the wall clock. */
  private readonly ends: number[] = [];
  private readonly shownEnds: number[] = [];
  private startMs: number;
  private timer: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;
  private count = 0;

  constructor(
    private readonly options: Pick<ResolvedMonitorOptions, 'windowMs' | 'maxSeries'>,
    private readonly clocks: Clocks,
    private readonly onInterval: (atMs: number) => void,
  ) {
    this.intervalMs = options.windowMs / WINDOW_INTERVALS;
    this.startMs = clocks.now();
  }

  /** Whether an empty series returns a recorded duration within 1 %. */
  static selfTest(): boolean {
    const series = new PerformanceSeries('', '', { on: true, rate: 1 });
    for (const durationMs of [1, 12.5, 3000]) series.record(durationMs);
    const { measuredCalls, p50DurationMs } = figuresOf([series], 'total', 1);
    return measuredCalls === 3 && Math.abs(p50DurationMs / 12.5 - 1) <= 0.01;
  }

  get isOn(): boolean {
    return this.sampling.on;
  }

  get size(): number {
    return this.count;
  }

  get droppedCalls(): number {
    return this.dropped.calls;
  }

  series(component: string, operation: string): CallSeries {
    const found = this.components.get(component)?.get(operation);
    if (found !== undefined) return found;
    // A name that makes the code of a timer throw would end the process.
    checkString('component', component, refuseArgument);
    checkString('operation', operation, refuseArgument);
    if (this.count >= this.options.maxSeries) return this.dropped;
    let operations = this.components.get(component);
    if (operations === undefined) this.components.set(component, (operations = new Map<string, PerformanceSeries>()));
    const series = new PerformanceSeries(component, operation, this.sampling);
    operations.set(operation, series);
    this.count++;
    if (this.sampling.on) this.startClock();
    return series;
  }

  operations(component: string): ReadonlyMap<string, PerformanceSeries> {
    return this.components.get(component) ?? NONE;
  }

  sample(on: boolean, rate: number): void {
    Object.assign(this.sampling, { on, rate } satisfies Sampling);
    for (const series of this.all()) series.resample();
    if (on && this.count > 0) this.startClock();
  }

  /** @param isApart Operations that do not count in the figures of their component. */
  stats(component: string | undefined, isApart: (operation: string) => boolean): Record<string, ComponentStats> {
    this.catchUp();
    const [totalSeconds, windowSeconds] = this.seconds();
    const chosen = [...this.components].filter(([name]) => component === undefined || name === component);
    return Object.fromEntries(
      chosen.flatMap(([name, operations]): [string, ComponentStats][] => {
        const used = [...operations].map(([operation, series]): [string, OperationStats] => [
          operation,
          { ...figuresOf([series], 'total', totalSeconds), window: figuresOf([series], 'window', windowSeconds) },
        ]);
        const called = used.filter(([, { totalCalls }]) => totalCalls > 0);
        if (called.length === 0) return [];
        const own = [...operations.values()].filter(({ operation }) => !isApart(operation));
        return [[name, { ...figuresOf(own, 'total', totalSeconds), operations: Object.fromEntries(called) }]];
      }),
    );
  }

  /** Calls `visit` for every series with the figures of its window. */
  forEach(visit: (component: string, operation: string, figures: CallFigures) => void): void {
    const [, windowSeconds] = this.seconds();
    for (const series of this.all()) {
      visit(series.component, series.operation, series.isBusy ? figuresOf([series], 'window', windowSeconds) : IDLE);
    }
  }

  history(component?: string): PerformanceHistory {
    this.catchUp();
    const wanted = [...this.all()].filter((series) => component === undefined || series.component === component);
    const columns = wanted.map((series) => ({
      component: series.component,
      operation: series.operation,
      ...series.history.columns(this.ends.length),
    }));
    return { endMs: [...this.shownEnds], series: columns };
  }

  /** Empties series instead of replacing them, because callers keep them. */
  reset(component?: string): void {
    for (const series of this.all()) if (component === undefined || series.component === component) series.clear();
    if (component !== undefined) return;
    this.dropped.calls = 0;
    this.ends.length = this.shownEnds.length = 0;
    this.startMs = this.clocks.now();
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  *all(): Generator<PerformanceSeries> {
    for (const operations of this.components.values()) yield* operations.values();
  }

  /** Lengths of total and window, in seconds. */
  private seconds(): [number, number] {
    const nowMs = this.clocks.now();
    const windowStart = this.ends.length < WINDOW_INTERVALS ? this.startMs : this.ends[this.ends.length - WINDOW_INTERVALS];
    return [Math.max(0, nowMs - this.startMs) / 1000, Math.max(0, nowMs - windowStart) / 1000];
  }

  private startClock(): void {
    if (this.timer !== undefined || this.isClosed) return;
    // Weak: a monitor that is collected without close() stops its clock.
    const table = new WeakRef(this);
    const timer = setInterval(() => {
      const alive = table.deref();
      if (alive === undefined) clearInterval(timer);
      else alive.tick();
    }, this.intervalMs);
    this.timer = timer.unref();
  }

  /** Rotates when the event loop was too busy for the clock. */
  private catchUp(): void {
    if (this.clocks.now() - (this.ends.at(-1) ?? this.startMs) >= 1.5 * this.intervalMs) this.rotate();
  }

  /** An error in a timer would end the process. The monitor has logged it. */
  private tick(): void {
    try {
      this.rotate();
    } catch {
      // The next interval tries again.
    }
  }

  private rotate(): void {
    const [nowMs, atMs] = [this.clocks.now(), this.clocks.wall()];
    for (const series of this.all()) series.rotate();
    this.ends.push(nowMs);
    this.shownEnds.push(atMs);
    if (this.ends.length > HISTORY_INTERVALS) {
      this.ends.shift();
      this.shownEnds.shift();
    }
    this.onInterval(atMs);
  }
}
