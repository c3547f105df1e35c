import { Fact, FACTS, type Members } from '../engine/engine.js';
import { minuteOf, type RouterMemory } from '../state/memory.js';
import { Order } from './strategies/strategies.js';

/** Why a deployment may not be chosen; 0 where it may. */
export const Standing = { free: 0, cooling: 1, unhealthy: 2, concurrency: 3, requests: 4, tokens: 5, context: 6 } as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

/** Requests and tokens of the minute, here and elsewhere. */
export function usageOf(memory: RouterMemory, slot: number, minute: number): { requests: number; tokens: number } {
  const here = memory.minute[slot] === minute;
  const elsewhere = memory.elsewhereMinute[slot] === minute;
  return {
    requests: (here ? memory.requests[slot] : 0) + (elsewhere ? memory.elsewhereRequests[slot] : 0),
    tokens: (here ? memory.tokens[slot] : 0) + (elsewhere ? memory.elsewhereTokens[slot] : 0),
  };
}

/** Whether an order respects rpm and tpm without being asked to. */
export function respectsLimits(order: Order): boolean {
  return order >= Order.latency;
}

/** Whether a deployment cools or has failed a health check. */
export function isOut(memory: RouterMemory, slot: number, nowMs: number): boolean {
  return memory.coolingUntil[slot] > nowMs || memory.unhealthyUntil[slot] > nowMs;
}

/** Whether the member at `position` may be chosen, and if not, why. `limits`: whether rpm and tpm count. */
export function standingOf(
  memory: RouterMemory,
  members: Members,
  position: number,
  nowMs: number,
  inputTokens: number,
  limits: boolean,
  anyHealth: boolean,
): Standing {
  const { facts } = members;
  const slot = members.slots[position];
  const at = position * FACTS;
  if (memory.coolingUntil[slot] > nowMs) return Standing.cooling;
  if (!anyHealth && memory.unhealthyUntil[slot] > nowMs) return Standing.unhealthy;
  if (inputTokens > facts[at + Fact.maxInputTokens]) return Standing.context;
  if (memory.inFlightOf(slot) >= facts[at + Fact.maxParallel]) return Standing.concurrency;
  if (!limits) return Standing.free;
  const rpm = facts[at + Fact.rpm];
  const tpm = facts[at + Fact.tpm];
  if (rpm === Infinity && tpm === Infinity) return Standing.free;
  const minute = minuteOf(nowMs);
  const here = memory.minute[slot] === minute;
  const elsewhere = memory.elsewhereMinute[slot] === minute;
  const requests = (here ? memory.requests[slot] : 0) + (elsewhere ? memory.elsewhereRequests[slot] : 0);
  if (requests + 1 > rpm) return Standing.requests;
  const tokens = (here ? memory.tokens[slot] : 0) + (elsewhere ? memory.elsewhereTokens[slot] : 0);
  return tokens + (inputTokens > 1 ? inputTokens : 1) > tpm ? Standing.tokens : Standing.free;
}

/** Mean of the last latencies, in milliseconds; 0 where the newest is `ttlMs` old: all are forgotten then. */
export function latencyOf(memory: RouterMemory, slot: number, nowMs: number, ttlMs: number): number {
  return nowMs - memory.latencyAt[slot] < ttlMs ? memory.latency[slot] : 0;
}

/** The same of times to the first token. */
export function firstTokenOf(memory: RouterMemory, slot: number, nowMs: number, ttlMs: number): number {
  return nowMs - memory.firstTokenAt[slot] < ttlMs ? memory.firstToken[slot] : 0;
}

/** What a member is ordered by: the lowest is chosen. */
export function figureOf(memory: RouterMemory, members: Members, position: number, order: Order, nowMs: number, ttlMs: number): number {
  const slot = members.slots[position];
  switch (order) {
    case Order.inFlight:
      return memory.inFlightOf(slot);
    case Order.latency:
      return latencyOf(memory, slot, nowMs, ttlMs);
    case Order.firstToken:
      return firstTokenOf(memory, slot, nowMs, ttlMs);
    case Order.tokens:
      return memory.tokensOf(slot, minuteOf(nowMs));
    case Order.cost:
      return members.facts[position * FACTS + Fact.cost];
    default:
      return 0;
  }
}

/** When a member's standing or figure changes by the time alone, at the latest. */
export function wakeOf(memory: RouterMemory, members: Members, position: number, order: Order, nowMs: number, ttlMs: number): number {
  const slot = members.slots[position];
  let wakeAt = Infinity;
  const cooling = memory.coolingUntil[slot];
  if (cooling > nowMs) wakeAt = cooling;
  const unhealthy = memory.unhealthyUntil[slot];
  if (unhealthy > nowMs && unhealthy < wakeAt) wakeAt = unhealthy;
  if (order === Order.latency || order === Order.firstToken) {
    const stale = (order === Order.latency ? memory.latencyAt[slot] : memory.firstTokenAt[slot]) + ttlMs;
    if (stale > nowMs && stale < wakeAt) wakeAt = stale;
  }
  return wakeAt;
}
