import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';
import { MODEL } from './model-list.js';

/** A choice by other means. */
export interface Peer {
  readonly name: string;
  /** Chooses once, and gives something that depends on the choice. */
  choose(): number;
}

const weightOf = (entry: ModelListEntry): number => Number(entry.litellm_params.weight ?? 1);

/** What most do: the list is filtered for every request, and one of the rest drawn. */
export function filtering(list: readonly ModelListEntry[]): Peer {
  const blocked: string[] = [];
  return {
    name: 'filter the list, then draw',
    choose: () => {
      const healthy = list.filter((entry) => entry.model_name === MODEL && !blocked.includes(entry.litellm_params.model));
      const weights = healthy.map(weightOf);
      let left = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
      for (const [index, weight] of weights.entries()) {
        left -= weight;
        if (left < 0) return index;
      }
      return healthy.length - 1;
    },
  };
}

/** Weighted selection as in Portkey's gateway, which first copies every target with its weight. */
export function copying(list: readonly ModelListEntry[]): Peer {
  const targets = list.map((entry) => ({ ...entry.litellm_params, provider: 'openai' }));
  return {
    name: "weighted pick as in Portkey's gateway",
    choose: () => {
      const weighted = targets.map((target: Record<string, unknown>) => ({
        ...target,
        weight: (target.weight as number | undefined) ?? 1,
      }));
      const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
      let left = Math.random() * total;
      for (const [index, target] of weighted.entries()) {
        if (left < target.weight) return { ...target, index }.index;
        left -= target.weight;
      }
      return -1;
    },
  };
}

/** Least busy by a loop over counts, which it maintains: no cooldown, no limits, no names. */
export function scanning(list: readonly ModelListEntry[]): Peer {
  const counts = new Int32Array(list.length);
  return {
    name: 'plain loop over counts (least busy)',
    choose: () => {
      let best = 0;
      for (let index = 1; index < counts.length; index++) if (counts[index] < counts[best]) best = index;
      counts[best]++;
      counts[(best * 7) % counts.length]--;
      return best;
    },
  };
}

/** A lower bound of a weighted draw: an alias table and nothing else. */
export function aliasTable(list: readonly ModelListEntry[]): Peer {
  const chances = Float64Array.from(list, (entry) => weightOf(entry) / 5);
  const aliases = Int32Array.from(list, (_, index) => (index * 7) % list.length);
  return {
    name: 'bare alias table (no cooldown, no limits)',
    choose: () => {
      const value = Math.random() * chances.length;
      const place = Math.floor(value);
      return value - place < chances[place] ? place : aliases[place];
    },
  };
}
