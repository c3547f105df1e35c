import type { Alert, AlertType } from './alert.js';

/** Alerts of one type that are sent together. */
export interface Digest {
  readonly type: AlertType;
  readonly level: Alert['level'];
  /** Distinct messages; only the first ones if there are many. */
  readonly entries: readonly { readonly alert: Alert; readonly count: number }[];
  /** Number of all alerts, including those without an entry. */
  readonly count: number;
}

/** Alerts raised together are sent as one message. */
const FIRST_MS = 500;
const MOST_ENTRIES = 100;
const LEVELS: readonly Alert['level'][] = ['Low', 'Medium', 'High'];

interface Collected {
  readonly entries: Map<string, { readonly alert: Alert; count: number }>;
  level: Alert['level'];
  count: number;
}

/**
 * Groups alerts by type. The first one is sent at once; all others within the interval are sent as
 * one message at its end, so that a storm of alerts causes one message per interval.
 */
export class AlertDigest {
  private readonly collected = new Map<AlertType, Collected>();
  private readonly timers = new Map<AlertType, NodeJS.Timeout>();
  private readonly sentAtMs = new Map<AlertType, number>();

  constructor(
    private readonly intervalMs: number,
    private readonly send: (digest: Digest) => void,
  ) {}

  add(alert: Alert): void {
    const { type, message, level } = alert;
    let collected = this.collected.get(type);
    if (collected === undefined) this.collected.set(type, (collected = { entries: new Map(), level, count: 0 }));
    collected.count++;
    if (LEVELS.indexOf(level) > LEVELS.indexOf(collected.level)) collected.level = level;
    const entry = collected.entries.get(message);
    if (entry !== undefined) entry.count++;
    else if (collected.entries.size < MOST_ENTRIES) collected.entries.set(message, { alert, count: 1 });
    if (this.timers.has(type)) return;
    const sinceMs = performance.now() - (this.sentAtMs.get(type) ?? -Infinity);
    const timer = setTimeout(() => this.flush(type), Math.max(FIRST_MS, this.intervalMs - sinceMs));
    timer.unref();
    this.timers.set(type, timer);
  }

  /** Sends the collected alerts. */
  close(): void {
    for (const type of [...this.collected.keys()]) this.flush(type);
  }

  private flush(type: AlertType): void {
    clearTimeout(this.timers.get(type));
    this.timers.delete(type);
    const collected = this.collected.get(type);
    if (collected === undefined) return;
    this.collected.delete(type);
    this.sentAtMs.set(type, performance.now());
    const { entries, level, count } = collected;
    this.send({ type, level, count, entries: [...entries.values()] });
  }
}
