import { randomUUID } from 'node:crypto';
import { steadyNow } from '../common/clock.js';
import { errorMessage } from '../common/errors.js';
import type { Database } from './database.js';

/** Receives the id of a changed object; `null` if any object may have changed. */
export type ChangeListener = (id: string | null) => void;

/** `auto`: notifications, or polling if they do not arrive. */
export type ListenMode = 'auto' | 'polling';

const CHANNEL_PREFIX = 'fast_litellm_';
const PROBE = 'probe ';
/** A process's notification to itself arrives within a millisecond, unless a pooler swallows it. */
const PROBE_MS = 2_000;
const POLL_MS = 500;
/** A silently dead connection is detected after this time plus one timeout. */
const HEARTBEAT_MS = 10_000;
const PRUNE_MS = 900_000;
/** A poller that paused for longer may have missed changes that were pruned. */
const LONGEST_GAP_MS = 600_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

interface PolledChanges {
  readonly horizon: string;
  readonly changes: readonly (readonly [seq: number, entity: string, id: string])[];
}

/**
 * Reports changes made by any process, immediately with notifications. Without them (a pooler in
 * transaction mode, a client that cannot lend a connection), the feed polls the table `changes`.
 * Whenever the feed starts or breaks, it reports that anything may have changed.
 */
export class ChangeFeed {
  private readonly listeners = new Map<string, Set<ChangeListener>>();
  private readonly pollSql: string;
  private readonly pruneSql: string;
  private readonly horizonSql: string;
  private state: 'stopped' | 'broken' | 'listening' | 'polling' = 'stopped';
  private failure: string | undefined = undefined;
  private isSwallowed = false;
  private prunedMs = -Infinity;
  /** Identifies the running loop. */
  private run: { isOver: boolean; wake: () => void } | undefined = undefined;

  constructor(
    private readonly database: Database,
    private readonly mode: ListenMode,
    /** Names of the objects whose changes are reported: `keys`. */
    private readonly entities: readonly string[],
  ) {
    this.horizonSql = 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon';
    // Both use one snapshot: transactions that it does not see yet are at or above its horizon.
    this.pollSql = database.sql(`SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
      (SELECT json_agg(json_build_array(seq, entity, id) ORDER BY seq) FROM $schema.changes WHERE tx >= $1::text::xid8)::text AS changes`);
    this.pruneSql = database.sql(`DELETE FROM $schema.changes WHERE at < now() - interval '1 hour'`);
  }

  /**
   * Whether all changes are being reported, so that cached records stay valid until one arrives.
   */
  get isFollowing(): boolean {
    return this.state === 'listening' || this.state === 'polling';
  }

  /** How changes arrive: `listening` or `polling`; `broken` while the database is unavailable. */
  get status(): string {
    return this.state;
  }

  fault(): string | undefined {
    return this.state === 'broken' ? this.failure : undefined;
  }

  /** Starts with the first listener. Returns a function that removes it. */
  on(entity: string, listener: ChangeListener): () => void {
    const listeners = this.listeners.get(entity) ?? new Set();
    this.listeners.set(entity, listeners.add(listener));
    if (this.run === undefined) void this.follow((this.run = { isOver: false, wake: () => {} }));
    return () => listeners.delete(listener);
  }

  close(): void {
    const { run } = this;
    this.run = undefined;
    this.state = 'stopped';
    if (run === undefined) return;
    run.isOver = true;
    run.wake();
  }

  private async follow(run: NonNullable<typeof this.run>): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!run.isOver) {
      try {
        await this.database.ready();
        if (this.mode === 'auto' && !this.isSwallowed && this.database.canListen) await this.listen(run);
        else await this.poll(run);
        if (!run.isOver && this.isSwallowed) continue;
      } catch (error) {
        this.failure = errorMessage(error);
      }
      if (run.isOver) return;
      if (this.isFollowing) retryMs = FIRST_RETRY_MS;
      this.broke();
      // Random, so that processes do not all reconnect at the same time.
      await this.sleep(run, retryMs * (0.5 + Math.random() / 2));
      retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
    }
  }

  /** Runs until the connection is lost or notifications turn out not to arrive. */
  private async listen(run: NonNullable<typeof this.run>): Promise<void> {
    const session = await this.database.session();
    let lost: Error | undefined;
    const onLost = (error?: Error): void => {
      lost ??= error ?? new Error('the connection was closed');
      run.wake();
    };
    const probe = `${PROBE}${randomUUID()}`;
    let hasArrived = false;
    const onNotification = ({ channel, payload = '' }: { readonly channel: string; readonly payload?: string }): void => {
      if (payload === probe) {
        hasArrived = true;
        run.wake();
      } else if (!payload.startsWith(PROBE)) this.emit(channel.slice(CHANNEL_PREFIX.length), payload);
    };
    session.on('error', onLost);
    session.on('end', onLost);
    session.on('notification', onNotification);
    try {
      for (const entity of this.entities) await this.within(session.query(`LISTEN ${CHANNEL_PREFIX}${entity}`));
      await this.database.rows('SELECT pg_notify($1::text, $2::text)', [CHANNEL_PREFIX + this.entities[0], probe]);
      const untilMs = steadyNow() + PROBE_MS;
      while (!hasArrived && lost === undefined && !run.isOver && steadyNow() < untilMs) await this.sleep(run, untilMs - steadyNow());
      if (!hasArrived && lost === undefined) {
        this.isSwallowed = !run.isOver;
        return;
      }
      if (lost === undefined) this.starts('listening', run);
      while (lost === undefined && !run.isOver) {
        await this.sleep(run, HEARTBEAT_MS);
        if (lost === undefined && !run.isOver) await this.within(session.query('SELECT 1'));
        if (!run.isOver) await this.prune();
      }
      if (lost !== undefined) throw lost;
    } finally {
      session.removeListener('notification', onNotification);
      session.release(true);
    }
  }

  private async poll(run: NonNullable<typeof this.run>): Promise<void> {
    const [{ horizon: first }] = await this.database.rows(this.horizonSql);
    let horizon = String(first);
    let seen = new Set<number>();
    let polledMs = steadyNow();
    this.starts('polling', run);
    while (!run.isOver) {
      await this.sleep(run, POLL_MS);
      if (run.isOver) return;
      const polled = readPoll((await this.database.rows(this.pollSql, [horizon]))[0]);
      if (steadyNow() - polledMs > LONGEST_GAP_MS) this.emitAll();
      polledMs = steadyNow();
      for (const [seq, entity, id] of polled.changes) if (!seen.has(seq)) this.emit(entity, id);
      seen = new Set(polled.changes.map(([seq]) => seq));
      horizon = polled.horizon;
      await this.prune();
    }
  }

  private async prune(): Promise<void> {
    if (steadyNow() - this.prunedMs < PRUNE_MS) return;
    this.prunedMs = steadyNow();
    await this.database.rows(this.pruneSql);
  }

  private starts(state: 'listening' | 'polling', run: NonNullable<typeof this.run>): void {
    if (run.isOver) return;
    this.state = state;
    this.failure = undefined;
    this.emitAll();
  }

  private broke(): void {
    const wasFollowing = this.isFollowing;
    this.state = 'broken';
    if (wasFollowing) this.emitAll();
  }

  private emit(entity: string, id: string): void {
    for (const listener of this.listeners.get(entity) ?? []) listener(id);
  }

  private emitAll(): void {
    for (const listeners of this.listeners.values()) for (const listener of listeners) listener(null);
  }

  /**
   * Waits for an answer up to the timeout, because a lent connection has no time limit of its own.
   */
  private async within<T>(answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const { timeoutMs } = this.database.options;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no response within ${timeoutMs} ms`)), timeoutMs);
    });
    answer.catch(() => {});
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  /** Sleeps; returns early when the loop is woken. */
  private async sleep(run: NonNullable<typeof this.run>, ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      // Waiting for changes must not keep the process alive.
      timer.unref();
      run.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    run.wake = () => {};
  }
}

function readPoll(row: Readonly<Record<string, unknown>>): PolledChanges {
  const changes = typeof row.changes === 'string' ? (JSON.parse(row.changes) as PolledChanges['changes']) : [];
  return { horizon: String(row.horizon), changes };
}
