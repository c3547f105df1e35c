import { until } from '../../../test/support/until.js';
import type { RedisClient } from '../../common/redis/client.js';
import { slotOf } from '../../common/redis/cluster-nodes.js';
import { redisRouterState } from './redis-shared-state.js';
import type { StateOfRouter } from './shared-state.js';

const ROUTER: StateOfRouter = {
  group: () => null,
  ids: () => [],
  inFlight: () => 0,
  takeUsage: () => ({ requests: 0, tokens: 0 }),
  elsewhere: () => {},
  cool: () => {},
  now: () => Date.now(),
};

it('logs the begin and the end of an outage, once a minute however often Redis comes and goes', async () => {
  const clock = jest.spyOn(performance, 'now').mockReturnValue(10_000);
  const lines: string[] = [];
  let isAway = false;
  const fails = (): Promise<never> => Promise.reject(new Error('away'));
  const answer = () => (isAway ? fails() : Promise.resolve([1, [], [], [], []]));
  const client: RedisClient = {
    status: 'ready',
    createBuiltinCommand: () => ({ string: answer, buffer: answer }),
    ping: () => (isAway ? fails() : Promise.resolve('PONG')),
    on: () => client,
    off: () => client,
  };
  const state = redisRouterState({ client, intervalMs: 10, timeoutMs: 20 });
  const say = (line: string): void => void lines.push(line);
  state.start({ ...ROUTER, log: { warn: say, log: say } });
  const isDegraded = () => state.health().status === 'degraded';
  const failures = () => state.metrics?.().find(({ name }) => name === 'router_shared_state_failures_total')?.value ?? 0;
  await until(() => !isDegraded());
  for (const nowMs of [10_000, 12_500, 90_000]) {
    clock.mockReturnValue(nowMs);
    const before = failures();
    isAway = true;
    await until(() => failures() >= before + 3);
    clock.mockReturnValue(nowMs + 2_000);
    isAway = false;
    await until(() => !isDegraded());
  }
  await state.close();
  clock.mockRestore();
  const [lost, back] = [
    expect.stringMatching(/^Router: Redis failed \(.*away.*\); until Redis recovers, the router uses only/),
    expect.stringContaining('Redis recovered after 2 s'),
  ];
  expect(lines).toEqual([lost, back, lost, back]);
});

it('opens the circuit of the Cluster node that has the keys of the shared state', async () => {
  // Reads of this list show which node the circuit breaker asks for.
  const slots: (readonly string[])[] = [];
  const asked = new Set<number>();
  const watched = new Proxy(slots, {
    get: (target, name) => {
      if (/^\d+$/.test(String(name))) asked.add(Number(name));
      return Reflect.get(target, name) as unknown;
    },
  });
  const fails = (): Promise<never> => Promise.reject(new Error('away'));
  const client: RedisClient = {
    status: 'ready',
    isCluster: true,
    slots: watched,
    createBuiltinCommand: () => ({ string: fails, buffer: fails }),
    ping: fails,
    on: () => client,
    off: () => client,
  };
  const state = redisRouterState({ client, prefix: 'app:', intervalMs: 10, timeoutMs: 100 });
  state.start(ROUTER);
  await until(() => asked.size > 0);
  await state.close();
  expect([...asked]).toEqual([slotOf('router')]);
});
