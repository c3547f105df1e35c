import { hostname } from 'node:os';
import type { Routing } from '../selection/router-core.js';
import type { StateOfRouter } from './shared-state.js';

/** Adapts a router to what a shared state reads and writes. */
export function stateForSharing(routing: Routing, sharedAs: string | null): StateOfRouter {
  const slotOf = (id: string): number | undefined => routing.catalogue.byId.get(id)?.slot;
  return {
    group: () => (sharedAs === null ? null : `${hostname()}:${process.pid}:${sharedAs}`),
    ids: () => routing.deployments.map(({ id }) => id),
    inFlight: (id) => {
      const slot = slotOf(id);
      return slot === undefined ? 0 : routing.memory.inFlight[slot];
    },
    takeUsage: (id, minute) => {
      const slot = slotOf(id);
      return (slot === undefined ? undefined : routing.unreported?.take(slot, minute)) ?? { requests: 0, tokens: 0 };
    },
    elsewhere: (id, inFlight, minute, requests, tokens) => {
      const slot = slotOf(id);
      if (slot === undefined) return;
      const { memory } = routing;
      memory.elsewhereInFlight[slot] = inFlight;
      memory.elsewhereRequests[slot] = requests;
      memory.elsewhereTokens[slot] = Math.min(tokens, 2 ** 31 - 1);
      memory.elsewhereMinute[slot] = minute;
      routing.states.changed(slot, routing.now());
    },
    cool: (id, untilMs) => {
      const slot = slotOf(id);
      const nowMs = routing.now();
      if (slot !== undefined && untilMs > nowMs && untilMs > routing.memory.coolingUntil[slot]) routing.states.cool(slot, untilMs, nowMs);
    },
    takeSpending: () => routing.budgets.takeUnreported(),
    putSpendingBack: (key, usd) => routing.budgets.putBack(key, usd),
    spent: (key, totalUsd, leftMs) => {
      if (routing.budgets.settle(key, totalUsd, routing.now() + leftMs)) routing.applyBudgets();
    },
    now: () => routing.now(),
  };
}
