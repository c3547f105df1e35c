import fc from 'fast-check';
import { LIMIT_STORES, planFor, type PlannedLoad, type ScalingFigures } from './plan.js';

const figures: ScalingFigures = {
  requestUs: 50,
  promptKbUs: 5,
  chunkUs: 10,
  idleMiB: 100,
  streamKiB: 64,
  streamKiBPerPromptKb: 2,
  redis: { gatewayUs: 20, calls: 0.5, bytes: 400, redisUs: 8 },
  leases: { gatewayUs: 5, calls: 0.05, bytes: 40, redisUs: 1 },
  cluster: { gatewayUs: 30, calls: 2, bytes: 800, redisUs: 24 },
};
const load: PlannedLoad = {
  rps: 20_000,
  promptKb: 40,
  answerSeconds: 2,
  streams: 5_000,
  chunksPerSecond: 20,
  limits: 'redis',
  utilization: 0.5,
};

describe('planFor', () => {
  it('adds up what requests, prompts, chunks and limits cost', () => {
    // 20,000 × (50 + 200 + 20) us + 100,000 chunks × 10 us = 6.4 s of work in a second.
    expect(planFor(load, figures)).toMatchObject({ cpuUsPerRequest: 270, busyLoops: 6.4, processes: 13 });
  });

  it('counts requests in flight as rate times duration, with their memory', () => {
    const { inFlightPerProcess, memoryMiBPerProcess } = planFor(load, figures);
    expect(inFlightPerProcess).toBe(Math.ceil(45_000 / 13));
    expect(memoryMiBPerProcess).toBeCloseTo(100 + (inFlightPerProcess * (64 + 80)) / 1024, 6);
  });

  it('counts calls, bytes and nodes of Redis', () => {
    // 20,000 × 8 us = 0.16 cores.
    expect(planFor(load, figures).redis).toEqual({ callsPerSecond: 10_000, mbits: 64, busyCores: 0.16, nodes: 1 });
    expect(planFor({ ...load, rps: 200_000 }, figures).redis).toEqual({ callsPerSecond: 400_000, mbits: 1_280, busyCores: 4.8, nodes: 10 });
    // Leases: an eighth of Redis' time, in a Cluster as at one node.
    expect(planFor({ ...load, rps: 600_000, limits: 'leases' }, figures).redis).toMatchObject({ busyCores: 1.8, nodes: 4 });
    expect(planFor({ ...load, limits: 'leases' }, figures).redis).toMatchObject({ callsPerSecond: 1_000, busyCores: 0.02 });
    expect(planFor({ ...load, limits: 'memory' }, figures)).not.toHaveProperty('redis');
  });

  it('names what breaks first, and what moves it', () => {
    expect(planFor(load, figures).bounds.map(({ resource }) => resource)).toEqual(['event loops', 'Redis']);
    const busyRedis = { ...figures, redis: { ...figures.redis, redisUs: 24 } };
    const [first] = planFor(load, busyRedis).bounds;
    expect(first).toEqual({ resource: 'event loops', atTimes: expect.closeTo(13 / 6.4, 6) as number, setting: 'more processes' });
    const [nearest] = planFor({ ...load, utilization: 1 }, { ...figures, redis: { ...figures.redis, redisUs: 49 } }).bounds;
    expect(nearest).toMatchObject({ resource: 'Redis', setting: 'localLease, then a Redis Cluster' });
  });

  it('never plans a process or a node that is busier than it may be', () => {
    const loads = fc.record({
      rps: fc.nat(1_000_000),
      promptKb: fc.nat(4_000),
      answerSeconds: fc.nat(600),
      streams: fc.nat(100_000),
      chunksPerSecond: fc.nat(200),
      limits: fc.constantFrom(...LIMIT_STORES),
      utilization: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100),
    });
    fc.assert(
      fc.property(loads, (any) => {
        const { busyLoops, processes, redis } = planFor(any, figures);
        expect(processes).toBeGreaterThanOrEqual(1);
        expect(busyLoops / processes).toBeLessThanOrEqual(any.utilization + 1e-9);
        if (redis !== undefined) expect(redis.busyCores / redis.nodes).toBeLessThanOrEqual(any.utilization + 1e-9);
      }),
    );
  });
});
