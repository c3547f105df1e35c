import { Fact, factIndex, type Members } from '../engine/engine.js';
import type { RouterMemory } from '../state/memory.js';

/** Why a deployment is not eligible; 0 if it is. */
export const Ineligibility = { none: 0, cooldown: 1, unhealthy: 2, concurrency: 3, requests: 4, tokens: 5, contextWindow: 6 } as const;
export type Ineligibility = (typeof Ineligibility)[keyof typeof Ineligibility];

/** The input of one comparison of a group's deployments: the criteria, the request and the time. */
export interface Scan {
  readonly memory: RouterMemory;
  readonly members: Members;
  readonly nowMs: number;
  readonly minute: number;
  readonly inputTokens: number;
  /** Whether this request can reach a limit or a context window. */
  readonly limited: boolean;
  /** Whether rpm and tpm limit. */
  readonly limits: boolean;
  /** Whether failed health checks are ignored. */
  readonly anyHealth: boolean;
  readonly sampleTtlMs: number;
}

/** Returns why the member at `position` may not take a request now, or `Ineligibility.none`. */
export function ineligibilityOf(scan: Scan, position: number): Ineligibility {
  const { memory, nowMs } = scan;
  const slot = scan.members.slots[position];
  if (memory.coolingUntil[slot] > nowMs) return Ineligibility.cooldown;
  if (!scan.anyHealth && memory.unhealthyUntil[slot] > nowMs) return Ineligibility.unhealthy;
  return scan.limited ? limitReached(scan, position) : Ineligibility.none;
}

/** Returns the limit that the member at `position` has reached, or `Ineligibility.none`. */
export function limitReached(scan: Scan, position: number): Ineligibility {
  const { memory, inputTokens } = scan;
  const { slots, facts } = scan.members;
  const slot = slots[position];
  const count = slots.length;
  if (inputTokens > facts[Fact.maxInputTokens * count + position]) return Ineligibility.contextWindow;
  const maxParallel = facts[Fact.maxParallel * count + position];
  if (maxParallel !== Infinity && memory.inFlightOf(slot) >= maxParallel) return Ineligibility.concurrency;
  if (!scan.limits) return Ineligibility.none;
  const rpm = facts[Fact.rpm * count + position];
  if (rpm !== Infinity && memory.requestsOf(slot, scan.minute) + 1 > rpm) return Ineligibility.requests;
  const tpm = facts[Fact.tpm * count + position];
  if (tpm !== Infinity && memory.tokensOf(slot, scan.minute) + Math.max(inputTokens, 1) > tpm) return Ineligibility.tokens;
  return Ineligibility.none;
}

/**
 * Whether a request that is already booked on the member at `position` keeps it within its limits.
 */
export function isWithinLimits({ memory, members, minute, inputTokens, limits }: Scan, position: number): boolean {
  const { slots, facts } = members;
  const slot = slots[position];
  const factOf = (fact: number): number => facts[factIndex(members, fact, position)];
  if (memory.inFlightOf(slot) > factOf(Fact.maxParallel)) return false;
  if (!limits) return true;
  const others = memory.tokensOf(slot, minute) - inputTokens;
  return memory.requestsOf(slot, minute) <= factOf(Fact.rpm) && others + Math.max(inputTokens, 1) <= factOf(Fact.tpm);
}
