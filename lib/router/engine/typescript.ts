import type { EngineName } from '../../common/capability.js';
import { ineligibilityOf, Ineligibility, limitReached, type Scan } from '../selection/eligibility.js';
import { STRATEGIES } from '../selection/strategies/registry.js';
import type { Strategy } from '../selection/strategies/strategy.js';
import { minuteOf } from '../state/deployment-states.js';
import { memoryBytes, rowLength, RouterMemory } from '../state/memory.js';
import { Fact, factIndex, Question, RouterEngine, type Members } from './engine.js';

/**
 * The reference engine: plain loops over the members. States belong to this engine, named or not.
 */
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
    const strategy = STRATEGIES[question[Question.strategy]];
    const nowMs = question[Question.nowMs];
    const scan: Scan = {
      memory,
      members,
      nowMs,
      minute: minuteOf(nowMs),
      inputTokens: question[Question.inputTokens],
      limited: question[Question.limited] === 1,
      limits: question[Question.limits] === 1 || strategy.respectsLimits,
      anyHealth: question[Question.anyHealth] === 1,
      sampleTtlMs: question[Question.sampleTtlMs],
    };
    return strategy.figure === null ? draw(scan, excluded, question) : lowest(scan, strategy.figure, excluded, question);
  }
}

/**
 * The eligible member with the lowest figure, of equals the one with the lowest turn. One pass that
 * allocates nothing.
 */
function lowest(scan: Scan, figureOf: NonNullable<Strategy['figure']>, excluded: Uint8Array, question: Float64Array): number {
  const { slots, facts } = scan.members;
  const turnsAt = factIndex(scan.members, Fact.turn, 0);
  const { coolingUntil, unhealthyUntil } = scan.memory;
  const { nowMs, anyHealth, limited } = scan;
  const isMasked = excluded.length > 0;
  let best = -1;
  let least = Infinity;
  let first = Infinity;
  let ties = 0;
  let count = 0;
  for (let position = 0; position < slots.length; position++) {
    if (isMasked && excluded[position] === 1) continue;
    // The same as `ineligibilityOf`, with the arrays at hand.
    const slot = slots[position];
    if (coolingUntil[slot] > nowMs || (!anyHealth && unhealthyUntil[slot] > nowMs)) continue;
    if (limited && limitReached(scan, position) !== Ineligibility.none) continue;
    count++;
    const figure = figureOf(scan, slot, position);
    if (!(figure <= least)) continue;
    const turn = facts[turnsAt + position];
    if (best >= 0 && figure === least && !(turn < first)) {
      if (turn === first) ties++;
      continue;
    }
    best = position;
    least = figure;
    first = turn;
    ties = 1;
  }
  question[Question.count] = count;
  const buffer = STRATEGIES[question[Question.strategy]].isBuffered ? question[Question.buffer] : 0;
  if (buffer <= 0 && ties < 2) return best;
  const limit = least * (1 + buffer);
  const near = eligiblePositions(scan, excluded).filter((position) => figureOf(scan, slots[position], position) <= limit);
  return oneOf(buffer > 0 ? near : withTurn(near, scan.members, first), question[Question.random]);
}

function withTurn(positions: readonly number[], members: Members, turn: number): readonly number[] {
  return positions.filter((position) => members.facts[factIndex(members, Fact.turn, position)] === turn);
}

/** Draws by weight where one is set and not all are 0; else by rpm; else by tpm; else evenly. */
function draw(scan: Scan, excluded: Uint8Array, question: Float64Array): number {
  const eligible = eligiblePositions(scan, excluded);
  question[Question.count] = eligible.length;
  for (const fact of [Fact.weight, Fact.rpm, Fact.tpm]) {
    const weights = eligible.map((position) => {
      const value = scan.members.facts[factIndex(scan.members, fact, position)];
      return Number.isFinite(value) ? value : 0;
    });
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (sum > 0) return drawn(eligible, weights, sum * question[Question.random]);
  }
  return oneOf(eligible, question[Question.random]);
}

function drawn(eligible: readonly number[], weights: readonly number[], share: number): number {
  let left = share;
  let last = eligible[0];
  for (const [index, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = eligible[index];
    left -= weight;
    if (left < 0) return last;
  }
  return last;
}

function eligiblePositions(scan: Scan, excluded: Uint8Array): number[] {
  const positions: number[] = [];
  for (let position = 0; position < scan.members.slots.length; position++) {
    if (excluded[position] !== 1 && ineligibilityOf(scan, position) === Ineligibility.none) positions.push(position);
  }
  return positions;
}

function oneOf(positions: readonly number[], random: number): number {
  return positions.length === 0 ? -1 : positions[Math.min(Math.floor(random * positions.length), positions.length - 1)];
}
