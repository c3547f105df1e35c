import { Queues } from './queues.js';

/** By requests under way. */
export class InFlightQueues extends Queues {
  protected figure(_position: number, slot: number): number {
    return this.memory.inFlightOf(slot);
  }
}
