import { BroadcastChannel } from 'node:worker_threads';
import type { PoolAccounting } from '../engine/engine.js';
import { Header, Own, ownAt } from './layout.js';

/** What a pool does for the pools of other threads. */
export interface FairPool {
  /** Closes an idle connection, to this origin if there is one. */
  giveWay(origin: string): boolean;
  serve(): void;
}

type Message = { readonly wanted: string; readonly by: number } | { readonly room: true };

/**
 * After a pool has given a place away, it opens no connection for this time, so that the other
 * thread can take it.
 */
const HOLD_OFF_MS = 5;

/**
 * Fairness between the pools of one name in several threads. A pool with waiters repeats its
 * request; the others close an idle connection at once, or a returned one if they keep at least as
 * many.
 */
export class ThreadFairness {
  private readonly channel: BroadcastChannel;
  /** By origin, the members that wait for a connection to it. */
  private readonly wanted = new Map<string, Set<number>>();
  private holdOffUntilMs = 0;

  constructor(
    name: string,
    pool: FairPool,
    private readonly accounting: PoolAccounting,
    private readonly maxConnections: number,
  ) {
    this.channel = new BroadcastChannel(`nestjs-fast-litellm connection pool ${name}`);
    this.channel.onmessage = (event: unknown) => {
      const message = (event as { data: Message }).data;
      if ('room' in message) pool.serve();
      else if (!pool.giveWay(message.wanted)) this.note(message.wanted, message.by);
    };
    // The channel does not keep the process alive.
    this.channel.unref();
  }

  /** Announces a waiter for this origin. */
  ask(origin: string): void {
    this.channel.postMessage({ wanted: origin, by: this.accounting.member } satisfies Message);
  }

  /** Announces a free place. */
  tell(): void {
    this.channel.postMessage({ room: true } satisfies Message);
  }

  /**
   * Whether a returned connection is to be closed for another thread. Forgets that thread's
   * request.
   */
  yields(origin: string, nowMs: number): boolean {
    if (this.wanted.size === 0) return false;
    const isFull = Atomics.load(this.accounting.words, Header.connections) >= this.maxConnections;
    for (const [wanted, members] of this.wanted) {
      if (wanted !== origin && !isFull) continue;
      for (const member of members) {
        members.delete(member);
        if (members.size === 0) this.wanted.delete(wanted);
        if (!this.isWorseOff(member)) continue;
        this.holdOffUntilMs = nowMs + HOLD_OFF_MS;
        return true;
      }
    }
    return false;
  }

  /** Whether this pool leaves free places to other threads at the moment. */
  holdsOff(nowMs: number): boolean {
    return nowMs < this.holdOffUntilMs;
  }

  close(): void {
    this.channel.close();
  }

  private note(origin: string, member: number): void {
    const members = this.wanted.get(origin) ?? new Set();
    this.wanted.set(origin, members.add(member));
  }

  /** Whether it still waits and would have fewer connections than this pool after it gave one. */
  private isWorseOff(member: number): boolean {
    const { words, room } = this.accounting;
    const theirs = ownAt(room, member);
    if (words[theirs + Own.waiting] === 0) return false;
    const count = words[theirs + Own.connections];
    return count === 0 || count + 1 < words[ownAt(room, this.accounting.member) + Own.connections];
  }
}
