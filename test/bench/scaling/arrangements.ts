/** How gateways run, and what they share. */
export interface Arrangement {
  readonly name: string;
  /** Event loops that serve requests. */
  readonly loops: number;
  readonly run: 'processes' | 'threads' | 'cluster';
  /** Where limits are counted. */
  readonly limits: 'memory' | 'redis' | 'redis cluster' | 'redis cluster, one slot';
  /** Whether cooldowns and usage of deployments are shared over Redis. */
  readonly sharesRouter?: boolean;
}

export const BASE = 'one process, limits in memory';
export const OVER_REDIS = 'one process, limits over Redis';
export const OVER_CLUSTER = 'one process, limits over a Redis Cluster of three';
export const SHARED_ROUTER = "one process, the router's state over Redis";

const one = { loops: 1, run: 'processes' } as const;
const two = { loops: 2, limits: 'memory' } as const;

export const ARRANGEMENTS: readonly Arrangement[] = [
  { name: BASE, ...one, limits: 'memory' },
  { name: 'two worker threads', ...two, run: 'threads' },
  { name: "node's cluster, two workers", ...two, run: 'cluster' },
  { name: 'two processes', ...two, run: 'processes' },
  { name: OVER_REDIS, ...one, limits: 'redis' },
  { name: 'two processes, limits over Redis', loops: 2, run: 'processes', limits: 'redis' },
  { name: OVER_CLUSTER, ...one, limits: 'redis cluster' },
  { name: 'the same, keys in one slot', ...one, limits: 'redis cluster, one slot' },
  { name: SHARED_ROUTER, ...one, limits: 'memory', sharesRouter: true },
];
