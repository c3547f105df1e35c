import type { EngineChoice } from '../engine/engine-choice.js';
import { fillArrays } from './engine-arrays.js';
import { Fact, FACTS, Question, QUESTION_LENGTH, type Members, type RouterEngine } from './router.engine.js';
import { minuteOf, type RouterMemory } from './router.memory.js';
import { figureOf, isOut, respectsLimits, Standing, standingOf, wakeOf } from './router.standing.js';
import { Order } from './router.strategies.js';
import type { Watcher } from './watcher.js';

/** What orders and draws are made under. */
export interface OrderSettings {
  /** Whether rpm and tpm refuse under every strategy. */
  readonly limits: boolean;
  readonly buffer: number;
  readonly sampleTtlMs: number;
  readonly random: () => number;
}

// Constants of this module: a property of another module's exports is one that V8 reads anew at each use.
const { inFlight: IN_FLIGHT, latency: LATENCY, tokens: TOKENS, cost: COST } = Order;
const MEMBER_FACTS = FACTS;
const COST_FACT = Fact.cost;
const NO_WINNER = -1;
/** Tokens of a minute are below 2 ** 32, so that with a turn they are exact. */
const TURNS = 2 ** 21;
const LAST_TURN = TURNS - 1;
/** Draws by chance before all candidates are listed. */
const DRAWS = 12;

/**
 * The members in the order of a strategy, as a tournament: the best is at its root, and a change of one member costs a walk to the root at most.
 * Among equals the one that was chosen longest ago is the best.
 */
export class Ranking implements Watcher {
  private readonly leaves: number;
  private readonly keys: Float64Array;
  /** Whether keys are figure and tie in one: a shorter walk where the figures of all grow one after the other; by other orders it takes longer. */
  private readonly isWoven: boolean;
  private readonly ties: Int32Array;
  private readonly winners: Int32Array;
  private readonly question = new Float64Array(QUESTION_LENGTH);
  private readonly limits: boolean;
  private readonly slots: Int32Array;
  /** Whether those that are not out may be chosen. */
  private readonly isPlain: boolean;
  private readonly ttlMs: number;
  /** Whether figures that are near the best count as equal. */
  private readonly isBuffered: boolean;
  private turn: number;
  /** Its figure or its place among equals is another one, which the walk to the root has not been made for: one walk does for several changes. */
  private unsettled = -1;
  private wakeAtMs = -Infinity;

  constructor(
    private readonly choice: EngineChoice<RouterEngine>,
    private readonly group: string,
    private readonly memory: RouterMemory,
    private readonly members: Members,
    private readonly order: Order,
    private readonly settings: OrderSettings,
  ) {
    const count = members.slots.length;
    this.leaves = 2 ** Math.ceil(Math.log2(count));
    this.keys = new Float64Array(this.leaves).fill(Infinity);
    this.winners = new Int32Array(2 * this.leaves);
    // Not every process begins with the same one.
    const first = Math.floor(settings.random() * count);
    this.ties = Int32Array.from({ length: this.leaves }, (_, position) => (position + count - first) % count);
    this.turn = count;
    this.slots = members.slots;
    this.isPlain = members.unlimited === true;
    this.isWoven = order === TOKENS && count <= TURNS / 2;
    this.ttlMs = settings.sampleTtlMs;
    this.limits = settings.limits || respectsLimits(order);
    this.isBuffered = settings.buffer > 0 && (order === Order.latency || order === Order.firstToken);
    this.question[Question.order] = order;
    this.question[Question.limits] = this.limits ? 1 : 0;
    this.question[Question.sampleTtlMs] = settings.sampleTtlMs;
  }

  /** The best member's position, or -1 when none may be chosen. */
  best(nowMs: number): number {
    if (nowMs >= this.wakeAtMs) this.rebuild(nowMs);
    if (this.unsettled >= 0) this.settle();
    const winner = this.winners[1];
    if (this.keys[winner] === Infinity) return NO_WINNER;
    return this.isBuffered ? this.nearBest(winner) : winner;
  }

  /** It was chosen: among equals it is the last now. */
  chosen(position: number): void {
    this.unsettle(position);
    const { turn, ties } = this;
    if (this.isWoven) this.keys[position] += turn - ties[position];
    ties[position] = turn;
    this.turn = turn + 1;
    if (turn === LAST_TURN) this.beginTurnsAnew();
  }

  update(position: number, nowMs: number): void {
    // To be made anew anyway.
    if (nowMs >= this.wakeAtMs) return;
    const slot = this.slots[position];
    const isFree = this.isPlain && !isOut(this.memory, slot, nowMs);
    const figure = isFree ? this.figure(slot, position, nowMs) : this.figureIfFree(slot, position, nowMs);
    const key = this.isWoven ? figure * TURNS + this.ties[position] : figure;
    if (key === this.keys[position]) return;
    this.unsettle(position);
    this.keys[position] = key;
  }

  forget(): void {
    this.wakeAtMs = -Infinity;
  }

  private beginTurnsAnew(): void {
    const byTurn = Array.from(this.ties.keys()).sort((a, b) => this.ties[a] - this.ties[b]);
    for (const [turn, position] of byTurn.entries()) this.ties[position] = turn;
    this.turn = byTurn.length;
    this.forget();
  }

  /** Its figure, where it may be chosen. */
  private figure(slot: number, position: number, nowMs: number): number {
    const { memory, order } = this;
    if (order === IN_FLIGHT) return memory.inFlightOf(slot);
    if (order === LATENCY) {
      const staleAt = memory.latencyAt[slot] + this.ttlMs;
      if (staleAt <= nowMs) return 0;
      if (staleAt < this.wakeAtMs) this.wakeAtMs = staleAt;
      return memory.latency[slot];
    }
    if (order === TOKENS) return memory.tokensOf(slot, minuteOf(nowMs));
    if (order === COST) return this.members.facts[position * MEMBER_FACTS + COST_FACT];
    return this.rareFigure(position, nowMs);
  }

  private rareFigure(position: number, nowMs: number): number {
    const { memory, members, order, ttlMs } = this;
    this.wakeBy(position, nowMs);
    return figureOf(memory, members, position, order, nowMs, ttlMs);
  }

  /** The same where it may be that it may not be chosen: `Infinity` then. */
  private figureIfFree(slot: number, position: number, nowMs: number): number {
    const { memory, members } = this;
    const out = isOut(memory, slot, nowMs);
    if (out) this.wakeBy(position, nowMs);
    const free = !out && standingOf(memory, members, position, nowMs, 0, this.limits, false) === Standing.free;
    return free ? this.figure(slot, position, nowMs) : Infinity;
  }

  /** The time alone changes it. */
  private wakeBy(position: number, nowMs: number): void {
    const wakeAt = wakeOf(this.memory, this.members, position, this.order, nowMs, this.ttlMs);
    if (wakeAt < this.wakeAtMs) this.wakeAtMs = wakeAt;
  }

  private unsettle(position: number): void {
    if (this.unsettled >= 0 && this.unsettled !== position) this.settle();
    this.unsettled = position;
  }

  private settle(): void {
    const { keys, ties, winners, unsettled: position } = this;
    this.unsettled = -1;
    let best = position;
    let key = keys[position];
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

  private rebuild(nowMs: number): void {
    const { choice, memory, members, question, keys, ties, winners } = this;
    question[Question.nowMs] = nowMs;
    fillArrays(choice, 'rank', this.group, members.slots.length, [question, keys, winners], (engine, asked, figures, places) =>
      engine.rank(memory, members, asked, figures, ties, places),
    );
    if (this.isWoven) this.weave();
    this.wakeAtMs = question[Question.wakeAtMs];
    this.unsettled = -1;
  }

  /** Makes keys of the figures that the engine has found. */
  private weave(): void {
    const { keys, ties } = this;
    for (let position = 0; position < this.slots.length; position++) keys[position] = keys[position] * TURNS + ties[position];
  }

  /** One of those whose figure is near the lowest, evenly: by chance while that is quick, else from a list of them. */
  private nearBest(winner: number): number {
    const { keys } = this;
    const limit = keys[winner] * (1 + this.settings.buffer);
    const count = this.members.slots.length;
    for (let draw = 0; draw < DRAWS; draw++) {
      const position = Math.floor(this.settings.random() * count);
      if (keys[position] <= limit) return position;
    }
    const near: number[] = [];
    this.collect(1, limit, near);
    return near[Math.floor(this.settings.random() * near.length)];
  }

  private collect(node: number, limit: number, near: number[]): void {
    const winner = this.winners[node];
    if (this.keys[winner] > limit) return;
    if (node >= this.leaves) near.push(winner);
    else {
      this.collect(2 * node, limit, near);
      this.collect(2 * node + 1, limit, near);
    }
  }
}
