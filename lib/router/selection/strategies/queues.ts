import { MemberOrder, type OrderContext } from './member-order.js';

const NOBODY = -1;
/** The queue of those that may not be chosen; those of the figures from 0 on follow. */
const OUT = 0;
const FIRST = 1;
/** Figures from here on count as equal. */
const MOST_FIGURES = 2 ** 16;

/**
 * A queue for every figure, where figures are small integers: a member that was chosen, or whose figure is another one, goes to the end of its queue, which takes the
 * same time however many there are. So among equals the one that has been left alone longest is the best.
 */
export abstract class Queues extends MemberOrder {
  /** What follows and what precedes each place. Positions are places, and so are the queues, each between the last and the first of its members. */
  private links: Int32Array;
  private queues = FIRST;
  /** No queue below it has a member. */
  private lowest = FIRST;
  /** Chosen, and not at the end of its queue yet. */
  private latest = NOBODY;

  constructor(context: OrderContext) {
    super(context);
    const count = this.slots.length;
    this.links = new Int32Array(2 * (count + FIRST));
    this.beginQueue(OUT);
    const first = this.ties.indexOf(0);
    for (let turn = 0; turn < count; turn++) this.append((first + turn) % count, OUT);
  }

  chosen(position: number, nowMs: number): void {
    this.update(position, nowMs);
    this.latest = position;
  }

  protected first(): number {
    const { links } = this;
    const count = this.slots.length;
    for (; this.lowest < this.queues; this.lowest++) {
      const place = links[2 * (count + this.lowest)];
      if (place < count) return place;
    }
    return NOBODY;
  }

  protected settle(nowMs: number): void {
    const { keys, unsettled: position } = this;
    this.unsettled = NOBODY;
    const figure = this.current(position, nowMs);
    if (figure === keys[position] && position !== this.latest) return;
    this.latest = NOBODY;
    keys[position] = figure;
    this.leave(position);
    this.append(position, queueOf(figure));
  }

  /** All in the order that they had, those that were out behind the others, and who was chosen just now last. */
  protected rebuilt(nowMs: number): void {
    const { keys, slots, latest } = this;
    const ordered = this.listed();
    if (latest !== NOBODY) ordered.push(...ordered.splice(ordered.indexOf(latest), 1));
    this.latest = NOBODY;
    this.lowest = this.queues;
    for (let queue = OUT; queue < this.queues; queue++) this.beginQueue(queue);
    for (const position of ordered) {
      if (keys[position] !== Infinity) keys[position] = this.figure(position, slots[position], nowMs);
      this.append(position, queueOf(keys[position]));
    }
  }

  private leave(position: number): void {
    const { links } = this;
    const after = links[2 * position];
    const before = links[2 * position + 1];
    links[2 * before] = after;
    links[2 * after + 1] = before;
  }

  private append(position: number, queue: number): void {
    if (queue >= this.queues) this.beginQueues(queue);
    if (queue < this.lowest && queue !== OUT) this.lowest = queue;
    const { links } = this;
    const end = this.slots.length + queue;
    const last = links[2 * end + 1];
    links[2 * last] = position;
    links[2 * position] = end;
    links[2 * position + 1] = last;
    links[2 * end + 1] = position;
  }

  /** All queues up to this one, at least. */
  private beginQueues(queue: number): void {
    const count = this.slots.length;
    if (this.links.length < 2 * (count + queue + 1)) {
      const larger = new Int32Array(2 * (count + 2 * (queue + 1)));
      larger.set(this.links);
      this.links = larger;
    }
    while (this.queues <= queue) this.beginQueue(this.queues++);
  }

  private beginQueue(queue: number): void {
    const place = this.slots.length + queue;
    this.links[2 * place] = place;
    this.links[2 * place + 1] = place;
  }

  /** All positions, by their places. */
  private listed(): number[] {
    const { links } = this;
    const count = this.slots.length;
    const positions: number[] = [];
    const list = (queue: number): void => {
      for (let place = links[2 * (count + queue)]; place < count; place = links[2 * place]) positions.push(place);
    };
    for (let queue = FIRST; queue < this.queues; queue++) list(queue);
    list(OUT);
    return positions;
  }
}

function queueOf(figure: number): number {
  return figure === Infinity ? OUT : FIRST + Math.min(Math.max(figure, 0), MOST_FIGURES - 1);
}
