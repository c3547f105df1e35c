import { Backoff, ClusterNodes, FAILURES_TO_OPEN, slotOf } from './cluster-nodes.js';

// From the Redis Cluster specification, and of `CLUSTER KEYSLOT`.
it.each([
  ['123456789', 12739],
  ['foo', 12182],
  ['', 0],
])('the slot of %j is %s', (tag, slot) => {
  expect(slotOf(tag)).toBe(slot);
});

describe('Backoff', () => {
  afterEach(() => jest.restoreAllMocks());

  it.each([
    [0, [50, 100, 200, 400, 800, 1000, 1000]],
    [0.5, [100, 200, 400, 800, 1600, 2000, 2000]],
    [0.99, [149, 298, 596, 1192, 2000, 2000, 2000]],
  ])('doubles its delays up to 2 s: random %s', (random, delays) => {
    jest.spyOn(Math, 'random').mockReturnValue(random);
    const backoff = new Backoff();
    expect(delays.map(() => Math.floor(backoff.next()))).toEqual(delays);
    backoff.reset();
    expect(Math.floor(backoff.next())).toBe(delays[0]);
  });
});

describe('ClusterNodes', () => {
  let nowMs = 0;
  beforeEach(() => {
    nowMs = 1000;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
  });
  afterEach(() => jest.restoreAllMocks());

  const nodesOf = (slots: Readonly<Record<string, string>>) => {
    const table: string[][] = [];
    for (const [tag, node] of Object.entries(slots)) table[slotOf(tag)] = [node];
    return { nodes: new ClusterNodes({ slots: table }), table };
  };
  const fail = (nodes: ClusterNodes, tag: string, times: number, reason = 'gone'): void => {
    for (let at = 0; at < times; at++) nodes.failed(tag, reason);
  };

  it('refuses the keys of a node after as many failures as open its circuit', () => {
    const { nodes } = nodesOf({ foo: 'one', bar: 'two' });
    fail(nodes, 'foo', FAILURES_TO_OPEN - 1);
    expect([nodes.refusal('foo'), nodes.fault()]).toEqual([undefined, undefined]);
    fail(nodes, 'foo', 1, 'timeout');
    expect([nodes.refusal('foo'), nodes.fault(), nodes.refusal('bar')]).toEqual(['timeout', 'timeout', undefined]);
  });

  it('tests the node with one call at a time, later each time, until it answers', () => {
    const { nodes } = nodesOf({ foo: 'one' });
    fail(nodes, 'foo', FAILURES_TO_OPEN);
    const refused = (atMs: number) => {
      nowMs = atMs;
      return nodes.refusal('foo') !== undefined;
    };
    expect([1000, 1099, 1100, 1100, 1299, 1300, 1301].map(refused)).toEqual([true, true, false, true, true, false, true]);
    nodes.succeeded('foo');
    expect([nodes.refusal('foo'), nodes.fault()]).toEqual([undefined, undefined]);
    fail(nodes, 'foo', 1);
    expect(nodes.fault()).toBeUndefined();
  });

  it('sends the keys of slots that another node has taken over', () => {
    const { nodes, table } = nodesOf({ foo: 'one' });
    fail(nodes, 'foo', FAILURES_TO_OPEN);
    table[slotOf('foo')] = ['two'];
    nodes.succeeded('foo');
    expect([nodes.refusal('foo'), nodes.fault()]).toEqual([undefined, 'gone']);
  });

  it('forgets a node after 10 s without a failure', () => {
    const { nodes } = nodesOf({ foo: 'one' });
    fail(nodes, 'foo', FAILURES_TO_OPEN);
    nowMs += 10_000;
    expect(nodes.fault()).toBe('gone');
    nowMs++;
    expect(nodes.fault()).toBeUndefined();
    nowMs -= 10_001;
    expect(nodes.refusal('foo')).toBeUndefined();
  });

  it('treats all keys as those of one node before it has slots', () => {
    const nodes = new ClusterNodes({});
    fail(nodes, 'foo', FAILURES_TO_OPEN);
    expect(nodes.refusal('bar')).toBe('gone');
  });
});
