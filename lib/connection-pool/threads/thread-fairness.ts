import { BroadcastChannel } from 'node:worker_threads';
import type { PoolBooks } from '../engine/engine.js';
import { Header, Own, ownAt } from './layout.js';

/** What a pool does for the pools of other threads that count with it. */
export interface Neighbour {
  /** Closes an idle connection, of this origin if there is one. */
  giveWay(origin: string): boolean;
  serve(): void;
}

type Message = { readonly wanted: string; readonly by: number } | { readonly room: true };

/** Who gave a place away does not take it back before the other one can have heard of it. */
const HOLD_OFF_MS = 5;

/**
 * Pools of one name in several threads. Who waits says so again and again; the others close an idle connection at once or, where that leaves them no worse off
 * than the one who waits, one that is returned. Who closes one tells that there is room.
 */
export class PoolNeighbours {
  private readonly channel: BroadcastChannel;
  /** By origin, the members that wait for a connection to it. */
  private readonly wanted = new Map<string, Set<number>>();
  private holdOffUntilMs = 0;

  constructor(
    name: string,
    neighbour: Neighbour,
    private readonly books: PoolBooks,
    private readonly maxConnections: number,
  ) {
    this.channel = new BroadcastChannel(`nestjs-fast-litellm connection pool ${name}`);
    this.channel.onmessage = (event: unknown) => {
      const message = (event as { data: Message }).data;
      if ('room' in message) neighbour.serve();
      else if (!neighbour.giveWay(message.wanted)) this.note(message.wanted, message.by);
    };
    // It has nothing to say to a process that is at its end.
    this.channel.unref();
  }

  /** Somebody here waits for a connection to this origin. */
  ask(origin: string): void {
    this.channel.postMessage({ wanted: origin, by: this.books.member } satisfies Message);
  }

  /** Here a place became free. */
  tell(): void {
    this.channel.postMessage({ room: true } satisfies Message);
  }

  /** Whether a connection that is returned is to be closed for somebody, who then is no longer known to wait. */
  yields(origin: string, nowMs: number): boolean {
    if (this.wanted.size === 0) return false;
    const isFull = Atomics.load(this.books.words, Header.connections) >= this.maxConnections;
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

  /** Whether this pool leaves free places to others at the moment. */
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

  /** Whether it still waits, and has no connection or would have fewer than this pool even after it gave one. */
  private isWorseOff(member: number): boolean {
    const { words, room } = this.books;
    const theirs = ownAt(room, member);
    if (words[theirs + Own.waiting] === 0) return false;
    const count = words[theirs + Own.connections];
    return count === 0 || count + 1 < words[ownAt(room, this.books.member) + Own.connections];
  }
}
