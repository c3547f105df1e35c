import type { EngineName } from '../../common/capability.js';
import { Fact, FACTS, Question, RouterEngine, type Members } from './engine.js';
import { memoryBytes, minuteOf, rowLength, RouterMemory } from '../state/memory.js';
import { figureOf, isOut, respectsLimits, Standing, standingOf, wakeOf } from '../selection/eligibility.js';
import { Order } from '../selection/strategies/strategies.js';

/** The reference: plain loops over the members. Its states belong to the engine alone, named or not. */
export class TypeScriptRouterEngine extends RouterEngine {
  readonly engine: EngineName = 'typescript';
  private readonly slots = new Map<string, Map<string, number>>();
  private readonly named = new Map<string, RouterMemory>();

  open(name: string | null, capacity: number): RouterMemory {
    if (name === null) return new RouterMemory(new ArrayBuffer(memoryBytes(capacity)), capacity);
    let memory = this.named.get(name);
    if (memory === undefined) {
      const only = { counts: new Int32Array(rowLength(capacity)), thread: 0 };
      memory = new RouterMemory(new ArrayBuffer(memoryBytes(capacity)), capacity, only);
      this.named.set(name, memory);
    }
    return memory;
  }

  slot(name: string, id: string): number {
    let slots = this.slots.get(name);
    if (slots === undefined) this.slots.set(name, (slots = new Map<string, number>()));
    const known = slots.get(id);
    if (known !== undefined) return known;
    if (slots.size === this.named.get(name)?.capacity) return -1;
    slots.set(id, slots.size);
    return slots.size - 1;
  }

  scan(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number {
    const free = this.free(memory, members, excluded, question);
    question[Question.count] = free.length;
    if (free.length === 0) return -1;
    const order = question[Question.order] as Order;
    const random = question[Question.random];
    if (order === Order.shuffle) return drawn(free, weightsOf(members, free), random);
    const { nowMs, ttlMs } = instantOf(question);
    const figures = free.map((position) => figureOf(memory, members, position, order, nowMs, ttlMs));
    const lowest = figures.reduce((least, figure) => Math.min(least, figure), Infinity);
    const buffered = order === Order.latency || order === Order.firstToken;
    const limit = buffered ? lowest * (1 + question[Question.buffer]) : lowest;
    const best = free.filter((_, index) => figures[index] <= limit);
    return best[Math.min(Math.floor(random * best.length), best.length - 1)];
  }

  rank(memory: RouterMemory, members: Members, question: Float64Array, keys: Float64Array, ties: Int32Array, winners: Int32Array): void {
    const order = question[Question.order] as Order;
    const { nowMs, ttlMs } = instantOf(question);
    const limits = question[Question.limits] === 1 || respectsLimits(order);
    const anyHealth = question[Question.anyHealth] === 1;
    let wakeAt = limits ? (minuteOf(nowMs) + 1) * 60_000 : Infinity;
    let count = 0;
    for (let position = 0; position < members.slots.length; position++) {
      wakeAt = Math.min(wakeAt, wakeOf(memory, members, position, order, nowMs, ttlMs));
      const free = standingOf(memory, members, position, nowMs, 0, limits, anyHealth) === Standing.free;
      keys[position] = free ? figureOf(memory, members, position, order, nowMs, ttlMs) : Infinity;
      if (free) count++;
    }
    const leaves = winners.length / 2;
    for (let node = leaves * 2 - 1; node > 0; node--) {
      if (node >= leaves) winners[node] = node - leaves;
      else {
        const [left, right] = [winners[2 * node], winners[2 * node + 1]];
        const later = keys[right] < keys[left] || (keys[right] === keys[left] && ((ties[right] - ties[left]) | 0) < 0);
        winners[node] = later ? right : left;
      }
    }
    question[Question.wakeAtMs] = wakeAt;
    question[Question.count] = count;
  }

  lottery(memory: RouterMemory, members: Members, question: Float64Array, chances: Float64Array, aliases: Int32Array): void {
    const { nowMs } = instantOf(question);
    let wakeAt = Infinity;
    const free: number[] = [];
    for (let position = 0; position < members.slots.length; position++) {
      if (isOut(memory, members.slots[position], nowMs))
        wakeAt = Math.min(wakeAt, wakeOf(memory, members, position, Order.shuffle, nowMs, 0));
      else free.push(position);
    }
    question[Question.wakeAtMs] = wakeAt;
    question[Question.count] = free.length;
    if (free.length > 0) fillAliasTable(free, weightsOf(members, free), chances, aliases);
  }

  private free(memory: RouterMemory, members: Members, excluded: Uint8Array, question: Float64Array): number[] {
    const order = question[Question.order] as Order;
    const { nowMs } = instantOf(question);
    const limits = question[Question.limits] === 1 || respectsLimits(order);
    const anyHealth = question[Question.anyHealth] === 1;
    const free: number[] = [];
    for (let position = 0; position < members.slots.length; position++) {
      if (excluded[position] === 1) continue;
      const standing = standingOf(memory, members, position, nowMs, question[Question.inputTokens], limits, anyHealth);
      if (standing === Standing.free) free.push(position);
    }
    return free;
  }
}

function instantOf(question: Float64Array): { nowMs: number; ttlMs: number } {
  return { nowMs: question[Question.nowMs], ttlMs: question[Question.sampleTtlMs] };
}

/** By weight where one is set and not all are 0; else by rpm; else by tpm; else all alike. */
function weightsOf(members: Members, free: readonly number[]): number[] {
  for (const fact of [Fact.weight, Fact.rpm, Fact.tpm]) {
    const weights = free.map((position) => {
      const value = members.facts[position * FACTS + fact];
      return Number.isFinite(value) ? value : 0;
    });
    if (sumOf(weights) > 0) return weights;
  }
  return free.map(() => 1);
}

function sumOf(weights: readonly number[]): number {
  let sum = 0;
  for (const weight of weights) sum += weight;
  return sum;
}

function drawn(free: readonly number[], weights: readonly number[], random: number): number {
  let left = random * sumOf(weights);
  let last = free[0];
  for (const [index, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = free[index];
    left -= weight;
    if (left < 0) return last;
  }
  return last;
}

/** The chosen positions share the table's first places; `aliases` holds positions, two for each place: the place's own at `2 * place`. */
function fillAliasTable(free: readonly number[], weights: readonly number[], chances: Float64Array, aliases: Int32Array): void {
  const scale = free.length / sumOf(weights);
  const small: number[] = [];
  const large: number[] = [];
  for (const [place, position] of free.entries()) {
    chances[place] = weights[place] * scale;
    aliases[2 * place] = position;
    aliases[2 * place + 1] = position;
    (chances[place] < 1 ? small : large).push(place);
  }
  while (small.length > 0 && large.length > 0) {
    const poor = small.pop() as number;
    const rich = large[large.length - 1];
    aliases[2 * poor + 1] = free[rich];
    chances[rich] -= 1 - chances[poor];
    if (chances[rich] < 1) small.push(large.pop() as number);
  }
  // What is left is 1 but for rounding; a place without weight has given itself away before.
  for (const place of [...small, ...large]) if (weights[place] > 0) chances[place] = 1;
}
