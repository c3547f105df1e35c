import { BroadcastChannel } from 'node:worker_threads';

/** What a pool does for the pools of other threads that count with it. */
export interface Neighbour {
  /** Closes an idle connection, of this origin if there is one. Whether there was any. */
  giveWay(origin: string): boolean;
  serve(): void;
}

type Message = { readonly wanted: string } | { readonly room: true };

/** Pools of one name in several threads: who waits asks the others for a place, who closes a connection tells that there is one. */
export class PoolNeighbours {
  private readonly channel: BroadcastChannel;
  /** Origins that somebody waits for whom nothing could be closed yet. */
  private readonly owed: string[] = [];
  private readonly mostOwed = 64;

  constructor(name: string, neighbour: Neighbour) {
    this.channel = new BroadcastChannel(`nestjs-fast-litellm connection pool ${name}`);
    this.channel.onmessage = (event: unknown) => {
      const message = (event as { data: Message }).data;
      if ('room' in message) neighbour.serve();
      else if (!neighbour.giveWay(message.wanted) && this.owed.length < this.mostOwed) this.owed.push(message.wanted);
    };
    // It has nothing to say to a process that is at its end.
    this.channel.unref();
  }

  /** Somebody here waits for a connection to this origin. */
  ask(origin: string): void {
    this.channel.postMessage({ wanted: origin } satisfies Message);
  }

  /** Here a place became free. */
  tell(): void {
    this.channel.postMessage({ room: true } satisfies Message);
  }

  /** Whether the connection that is returned is to be closed for somebody; then that is no longer owed. */
  owes(origin: string): boolean {
    if (this.owed.length === 0) return false;
    const index = this.owed.indexOf(origin);
    this.owed.splice(Math.max(index, 0), 1);
    return true;
  }

  close(): void {
    this.channel.close();
  }
}
