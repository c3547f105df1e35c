import { hostname } from 'node:os';
import type { RouterCore } from '../selection/router-core.js';
import type { StateOfRouter } from './shared-state.js';

/** Adapts a router to the interface of a shared state. */
export function stateForSharing(core: RouterCore, sharedAs: string | null, log: StateOfRouter['log']): StateOfRouter {
  const slotOf = (id: string): number | undefined => core.names.byId.get(id)?.slot;
  return {
    group: () => (sharedAs === null ? null : `${hostname()}:${process.pid}:${sharedAs}`),
    ids: () => core.deployments.map(({ id }) => id),
    inFlight: (id) => {
      const slot = slotOf(id);
      return slot === undefined ? 0 : core.memory.inFlight[slot];
    },
    takeUsage: (id, minute) => {
      const slot = slotOf(id);
      return (slot === undefined ? undefined : core.unreported?.take(slot, minute)) ?? { requests: 0, tokens: 0 };
    },
    elsewhere: (id, inFlight, minute, requests, tokens) => {
      const slot = slotOf(id);
      if (slot === undefined) return;
      const { memory } = core;
      memory.elsewhereInFlight[slot] = inFlight;
      memory.elsewhereRequests[slot] = requests;
      memory.elsewhereTokens[slot] = Math.min(tokens, 2 ** 31 - 1);
      memory.elsewhereMinute[slot] = minute;
    },
    cool: (id, untilMs) => {
      const slot = slotOf(id);
      const nowMs = core.now();
      if (slot !== undefined && untilMs > nowMs && untilMs > core.memory.coolingUntil[slot]) core.states.cool(slot, untilMs);
    },
    takeSpending: () => core.budgets.takeUnreported(core.now()),
    putSpendingBack: (key, usd) => core.budgets.putBack(key, usd),
    spent: (key, totalUsd, leftMs) => {
      if (core.budgets.settle(key, totalUsd, core.now() + leftMs)) core.applyBudgets();
    },
    now: () => core.now(),
    log,
  };
}
