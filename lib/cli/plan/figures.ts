import type { ScalingFigures } from './plan.js';

/**
 * Written by `npm run bench -- scaling --write-docs`.
 * 2026-11-28, 2 x AMD EPYC, Node v20.20.2, load 16.6.
 */
export const FIGURES: ScalingFigures = {
  requestUs: 76.5,
  promptKbUs: 3.71,
  chunkUs: 9.48,
  idleMiB: 183,
  streamKiB: 101,
  streamKiBPerPromptKb: 2.04,
  redis: { gatewayUs: 11.6, calls: 0.154, bytes: 212, redisUs: 6.51 },
  leases: { gatewayUs: 25, calls: 0.102, bytes: 105, redisUs: 5.36 },
  cluster: { gatewayUs: 27.4, calls: 2, bytes: 552, redisUs: 26.8 },
};
