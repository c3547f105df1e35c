import { runCommand } from '../../../test/support/command-run.js';
import { FIGURES } from '../plan/figures.js';
import { planFor } from '../plan/plan.js';

const ARGS = ['plan', '--rps', '20000', '--prompt-kb', '40', '--streams', '5000'];

describe('npx nestjs-fast-litellm plan', () => {
  it('shows processes, memory, connections, network and Redis', async () => {
    const { code, out, err } = await runCommand(ARGS);
    expect([code, err]).toEqual([0, '']);
    for (const name of ['processes', 'processor time', 'memory', 'connections', 'network', 'Redis']) {
      expect(out).toMatch(new RegExp(`^${name} {2,}[\\d,.]+`, 'm'));
    }
    expect(out).toMatch(/^Breaks first: (?:event loops|Redis), at [\d.,]+ times this load/m);
  });

  it('writes load, plan and figures as JSON', async () => {
    const { out } = await runCommand([...ARGS, '--limits', 'leases', '--utilization', '50', '--json']);
    const load = {
      rps: 20_000,
      promptKb: 40,
      answerSeconds: 2,
      streams: 5_000,
      chunksPerSecond: 20,
      limits: 'leases',
      utilization: 0.5,
    } as const;
    expect(JSON.parse(out)).toEqual({ load, plan: planFor(load, FIGURES), figures: FIGURES });
  });

  it('says that limits in memory are those of each process', async () => {
    const { out } = await runCommand([...ARGS, '--limits', 'memory']);
    expect(out).toMatch(/^Redis {2,}none {2}limits in memory/m);
  });

  it.each([
    [['plan'], '--rps or --streams: must be given'],
    [['plan', '--rps', '1', '--limits', 'disk'], "--limits: must be one of memory, redis, leases, got 'disk'"],
    [['plan', '--rps', '1', '--utilization', '0'], "--utilization: must be an integer from 1 on, got '0'"],
    [['plan', '--rps', '1', '--utilization', '101'], "--utilization: must be at most 100, got '101'"],
    [['plan', '--rps', '1', 'more'], 'Unexpected argument'],
  ])('says what is wrong with %j, with exit code 2', async (args, message) => {
    expect(await runCommand(args)).toEqual({ code: 2, out: '', err: expect.stringContaining(message) });
  });

  it('calculates with figures that the bench has measured', () => {
    const { redis, leases, cluster, ...others } = FIGURES;
    const all = [...Object.values(others), ...Object.values(redis), ...Object.values(leases), ...Object.values(cluster)];
    expect(all.filter((figure) => !Number.isFinite(figure) || figure < 0)).toEqual([]);
    expect(FIGURES.requestUs).toBeGreaterThan(10);
    expect(leases.calls).toBeLessThan(redis.calls);
    expect(cluster.calls).toBeGreaterThan(redis.calls);
  });
});
