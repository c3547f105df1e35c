import { Cluster } from 'ioredis';
import { slotOf } from '../../../../lib/common/redis/cluster-nodes.js';
import { cleanUp, limiter, metric, passes } from '../../../support/redis-limiter.js';
import { hasRedis, RedisServer } from '../../../support/redis-server.js';
import { until } from '../../../support/until.js';

(hasRedis ? describe : describe.skip)('a Cluster of two', () => {
  const nodes: RedisServer[] = [];
  let client: Cluster;

  beforeAll(async () => {
    nodes.push(await RedisServer.startCluster(), await RedisServer.startCluster());
    const [a, b] = nodes;
    await a.ask((node) => node.call('CLUSTER', 'ADDSLOTSRANGE', 0, 8191));
    await b.ask((node) => node.call('CLUSTER', 'ADDSLOTSRANGE', 8192, 16383));
    await a.ask((node) => node.call('CLUSTER', 'MEET', '127.0.0.1', b.port, b.busPort));
    await until(() => b.ask(async (node) => (await node.cluster('INFO')).includes('cluster_state:ok')));
    await until(() => a.ask(async (node) => (await node.cluster('INFO')).includes('cluster_state:ok')));
    client = new Cluster([{ host: '127.0.0.1', port: a.port }]);
    await until(() => client.status === 'ready');
  });
  afterAll(async () => {
    client.disconnect();
    for (const node of nodes) await node.stop();
  });
  beforeEach(() => Promise.all(nodes.map((node) => node.ask((connection) => connection.flushall()))));

  const limits = { requestsPerMinute: 10, maxConcurrent: 10, limits: { team: { requestsPerMinute: 3, tokensPerMinute: 100 } } };

  test.each([false, true])('keys of both nodes are limited, alone and together, all or nothing (oneSlot: %s)', async (oneSlot) => {
    const service = limiter({ client, oneSlot }, limits);
    for (let i = 0; i < 20; i++) expect(await passes(service, `key ${i}`, 12)).toBe(10);
    for (let i = 0; i < 10; i++) {
      const scopes = [`user ${i}`, { key: `team ${i}`, limit: 'team' }];
      const results = await Promise.all(Array.from({ length: 5 }, () => service.reserveAsync(scopes, { tokens: 20 })));
      const passed = results.filter(({ allowed }) => allowed);
      expect(passed).toHaveLength(3);
      expect(results.find(({ allowed }) => !allowed)).toMatchObject({ scope: 1, exceeded: 'minute', limit: 3 });
      await service.settleAsync(passed[0], 0);
      const left = await service.peekAsync(scopes, { cost: 0 });
      expect([left.remainingRequests, left.remainingTokens]).toEqual([0, 60]);
      await until(async () => (await service.peekAsync(`user ${i}`, { cost: 0 })).remainingRequests === 7);
    }
    const sizes = await Promise.all(nodes.map((node) => node.ask((connection) => connection.dbsize())));
    if (oneSlot) expect(sizes).toContain(0);
    else expect(sizes).not.toContain(0);
  });

  test('places are given back on every node', async () => {
    const service = limiter({ client }, { maxConcurrent: 1, limits: { team: { maxConcurrent: 1 } } });
    for (let i = 0; i < 10; i++) {
      const scopes = [`user ${i}`, { key: `team ${i}`, limit: 'team' }];
      const held = await service.reserveAsync(scopes);
      expect(held.allowed).toBe(true);
      expect((await service.reserveAsync([`other ${i}`, scopes[1]])).allowed).toBe(false);
      await until(async () => (await service.peekAsync(`other ${i}`)).allowed);
      await service.releaseAsync(held);
      const again = await service.reserveAsync(scopes);
      expect(again.allowed).toBe(true);
    }
  });

  test.each([false, true])('budgets of both nodes are held together or not at all (oneSlot: %s)', async (oneSlot) => {
    const service = limiter({ client, oneSlot }, { usdPerDay: 1, limits: { team: { usdPerMonth: 0.5 } } });
    for (let i = 0; i < 10; i++) {
      const scopes = [`user ${i}`, { key: `team ${i}`, limit: 'team' }];
      const held = await service.reserveAsync(scopes, { usd: 0.4 });
      expect(held.allowed).toBe(true);
      expect(await service.reserveAsync(scopes, { usd: 0.2 })).toMatchObject({ allowed: false, scope: 1, budgetDenial: 'budget_held' });
      expect(await service.extendAsync(held, 0.45)).toBe(true);
      expect(await service.extendAsync(held, 0.6)).toBe(false);
      const standing = async (): Promise<unknown[]> => {
        const [user] = await service.getBudgetsAsync(`user ${i}`);
        const [team] = await service.getBudgetsAsync(`team ${i}`, { limit: 'team' });
        return [user.spentUsd, user.heldUsd, team.spentUsd, team.heldUsd];
      };
      await until(async () => JSON.stringify(await standing()) === '[0,0.45,0,0.45]');
      await service.settleAsync(held, { usd: 0.1 });
      expect(await standing()).toEqual([0.1, 0, 0.1, 0]);
    }
  });

  test('a client that gathers commands for its nodes gathers none of these', async () => {
    const [{ port }] = nodes;
    const gathering = new Cluster([{ host: '127.0.0.1', port }], { enableAutoPipelining: true });
    cleanUp.push(() => gathering.disconnect());
    await until(() => gathering.status === 'ready');
    const service = limiter({ client: gathering }, { requestsPerMinute: 3 });
    const passed = await Promise.all(Array.from({ length: 20 }, (_, i) => passes(service, `key ${i}`, 5)));
    expect(passed).toEqual(passed.map(() => 3));
  });

  test('a node that hangs is given up by itself, and taken back when it goes on: the keys of the other are decided all the time', async () => {
    const [a, b] = nodes;
    const service = limiter({ client, timeoutMs: 1_000 }, { requestsPerMinute: 1_000, requestsPerSecond: 0.001, burst: 900 });
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    const isOfA = (key: string): boolean => slotOf(`default/${key}`) < 8192;
    const outages = async (ofNode: RedisServer): Promise<(string | undefined)[]> => {
      const own = keys.filter((key) => isOfA(key) === (ofNode === a));
      return (await Promise.all(own.map((key) => service.checkAsync(key)))).map(({ outage }) => outage);
    };
    b.signal('SIGSTOP');
    cleanUp.push(() => b.signal('SIGCONT'));
    for (let i = 0; i < 10; i++) {
      const [answered, hung] = await Promise.all([outages(a), outages(b)]);
      expect(answered).toEqual(answered.map(() => undefined));
      expect(hung).toEqual(hung.map(() => 'deny'));
    }
    // Of two keys together nothing is taken.
    const [healthy, away] = [isOfA, (key: string) => !isOfA(key)].map((holds) => keys.find(holds) as string);
    const { remainingRequests } = await service.peekAsync(healthy, { cost: 0 });
    expect(await service.reserveAsync([healthy, away])).toMatchObject({ allowed: false, outage: 'deny' });
    await until(async () => (await service.peekAsync(healthy, { cost: 0 })).remainingRequests === remainingRequests);
    expect(await service.health()).toMatchObject({ status: 'down', reason: 'no response from Redis within 1000 ms' });
    expect(metric(service, 'rate_limit_store_up')).toBe(0);
    // Not one for each request.
    expect(metric(service, 'rate_limit_store_failures_total', 'timeout')).toBeLessThan(40);
    b.signal('SIGCONT');
    await until(async () => (await outages(b)).every((outage) => outage === undefined));
    expect(metric(service, 'rate_limit_store_up')).toBe(1);
  });
});
