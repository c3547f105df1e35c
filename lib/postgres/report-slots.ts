import { DatabaseError } from '../common/errors.js';

/** Statements at the same time, of a pool with at least three times as many connections. */
const MOST_RUNNING = 3;
const MOST_WAITING = 200;
/** As pg's pool has. */
const DEFAULT_POOL = 10;

/**
 * Bounds how many statements of reports run at the same time in a process: look-ups of keys and the
 * spend log need connections of the same pool.
 */
export class ReportSlots {
  private readonly most: number;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @param connections of the pool; `undefined`: as many as pg's pool has by default */
  constructor(connections: number | undefined = DEFAULT_POOL) {
    this.most = Math.max(1, Math.min(MOST_RUNNING, Math.floor(connections / 3)));
  }

  /** @throws DatabaseError if too many wait already */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running < this.most) this.running++;
    else {
      if (this.waiting.length >= MOST_WAITING) {
        throw new DatabaseError('DATABASE_UNAVAILABLE', `PostgreSQL: ${MOST_WAITING} reports are already waiting; request fewer at a time`);
      }
      // A finished report passes on its slot.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
