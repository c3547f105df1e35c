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
