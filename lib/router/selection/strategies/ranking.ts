import { MemberOrder, type OrderContext } from './member-order.js';

/** Turns are below this, until they begin anew. */
export const TURNS = 2 ** 21;
const LAST_TURN = TURNS - 1;
const NO_WINNER = -1;

/**
 * A tournament: the best is at its root, and a change of one member costs a walk to the root at most. Among equals the one that was chosen longest ago is
 * the best.
 */
export abstract class Ranking extends MemberOrder {
  private readonly leaves: number;
  private turn: number;

  constructor(context: OrderContext) {
    super(context);
    // As a power it would be a double.
    this.leaves = this.keys.length;
    this.turn = this.slots.length;
  }

  chosen(position: number, nowMs: number): void {
    this.update(position, nowMs);
    const { turn } = this;
    this.ties[position] = turn;
    this.turn = turn + 1;
    if (turn === LAST_TURN) this.beginTurnsAnew();
  }

  protected first(): number {
    const winner = this.winners[1];
    return this.keys[winner] === Infinity ? NO_WINNER : winner;
  }

  protected rebuilt(_nowMs: number): void {}

  /** What a member is compared by. */
  protected key(position: number, nowMs: number): number {
    return this.current(position, nowMs);
  }

  protected settle(nowMs: number): void {
    const { keys, ties, winners, unsettled: position } = this;
    this.unsettled = NO_WINNER;
    let key = this.key(position, nowMs);
    keys[position] = key;
    let best = position;
    let node = this.leaves + position;
    while (node > 1) {
      const rival = winners[node ^ 1];
      const rivalKey = keys[rival];
      if (rivalKey < key || (rivalKey === key && ((ties[rival] - ties[best]) | 0) < 0)) {
        best = rival;
        key = rivalKey;
      }
      node >>= 1;
      // Another one that has won here before: nothing changes above.
      if (best !== position && winners[node] === best) return;
      winners[node] = best;
    }
  }

  private beginTurnsAnew(): void {
    const byTurn = Array.from(this.ties.keys()).sort((a, b) => this.ties[a] - this.ties[b]);
    for (const [turn, position] of byTurn.entries()) this.ties[position] = turn;
    this.turn = byTurn.length;
    this.forget();
  }
}
