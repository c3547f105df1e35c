import type { Subscription } from 'rxjs';
import { DashboardFeed, type FeedMessage } from './dashboard.feed.js';
import { LAYOUT_PANELS } from './page-layout.js';
import { diagnosticsPage } from './pages/diagnostics.page.js';
import type { PerformanceHistory } from '../monitor/series/performance-series.js';
import type { DashboardSource } from './dashboard.source.js';

const INTERVAL_MS = 1000;
const VIEW = { page: 'diagnostics', panels: { ...LAYOUT_PANELS, ...diagnosticsPage.panels }, base: '' };

describe('DashboardFeed', () => {
  let looks: number;
  let calls: number;
  let history: PerformanceHistory;
  let fail: boolean;
  const warnings: string[] = [];
  const logger = { log: () => {}, warn: (line: string) => void warnings.push(line), error: () => {} };
  const subscriptions: Subscription[] = [];

  const source: DashboardSource = {
    version: '1.2.3',
    health: async () => {
      looks++;
      if (fail) throw new Error('no answer');
      return { status: 'ok', rustAvailable: false, components: {} };
    },
    engines: () => [],
    features: () => ({}),
    metrics: () => [{ name: 'token_counting_tokens_total', help: '', type: 'counter', value: calls }],
    limits: { nearest: async () => [], nearestBudgets: async () => [] },
    monitor: { getPerformanceStats: () => ({}), compareImplementations: jest.fn(), getRecommendations: () => [], history: () => history },
  };

  /** The feed's own: what other suites have left open in this worker may set timers, too. */
  const timers = new Set<unknown>();

  beforeEach(() => {
    jest.useFakeTimers({ now: 1_800_000_000_000 });
    timers.clear();
    const { setInterval: set, clearInterval: clear } = globalThis;
    jest.spyOn(globalThis, 'setInterval').mockImplementation((run, ms) => {
      const timer = set(run, ms);
      if (ms === INTERVAL_MS) timers.add(timer);
      return timer;
    });
    jest.spyOn(globalThis, 'clearInterval').mockImplementation((timer) => {
      timers.delete(timer);
      clear(timer);
    });
    [looks, calls, fail, warnings.length, history] = [0, 0, false, 0, { endMs: [], series: [] }];
  });
  afterEach(() => {
    for (const subscription of subscriptions.splice(0)) subscription.unsubscribe();
    expect(timers.size).toBe(0);
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  function watch(feed: DashboardFeed) {
    const messages: FeedMessage[] = [];
    let isOver = false;
    const subscription = feed.stream(VIEW).subscribe({ next: (message) => messages.push(message), complete: () => (isOver = true) });
    subscriptions.push(subscription);
    return { messages, subscription, isOver: () => isOver };
  }
  const advance = (intervals: number) => jest.advanceTimersByTimeAsync(intervals * INTERVAL_MS);

  it('sends everything at first, then what has changed', async () => {
    const { messages } = watch(new DashboardFeed(source, INTERVAL_MS, logger));
    await advance(0);
    expect(messages).toHaveLength(1);
    expect(Object.keys(messages[0].panels)).toEqual(expect.arrayContaining(['status', 'counters', 'engines', 'pool']));
    expect(messages[0]).toMatchObject({ version: '1.2.3', atMs: 1_800_000_000_000, plots: { times: [], series: [] } });
    calls = 500;
    await advance(1);
    expect(messages[1].panels.counters).toMatch(/500[^]*500 \/s/);
    expect(messages[1].panels).not.toHaveProperty('engines');
    expect(messages[1]).not.toHaveProperty('plots');
  });

  it('sends plots again when an interval has ended', async () => {
    const { messages } = watch(new DashboardFeed(source, INTERVAL_MS, logger));
    await advance(1);
    const column = [1];
    history = {
      endMs: [1_800_000_000_500],
      series: [
        {
          component: 'a',
          operation: 'b',
          calls: [3],
          p50DurationMs: column,
          p95DurationMs: column,
          p99DurationMs: [null],
          maxDurationMs: [null],
          averageDurationMs: [null],
          errorRate: [null],
        },
      ],
    };
    await advance(2);
    expect(messages.map(({ plots }) => plots?.series.length)).toEqual([0, undefined, 1, undefined]);
  });

  it('takes one snapshot for all open pages, and none without pages', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    const viewers = [1, 2, 3].map(() => watch(feed));
    await advance(0);
    expect([looks, timers.size, feed.viewerCount]).toEqual([1, 1, 3]);
    await advance(2);
    expect(looks).toBe(3);
    expect(viewers.map(({ messages }) => messages.length)).toEqual([3, 3, 3]);
    viewers[0].subscription.unsubscribe();
    await advance(1);
    expect([looks, timers.size]).toEqual([4, 1]);
    for (const { subscription } of viewers) subscription.unsubscribe();
    await advance(5);
    expect([looks, timers.size, feed.viewerCount]).toEqual([4, 0, 0]);
  });

  it('sends everything to a later page, and to the others only what changed', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    const early = watch(feed);
    await advance(1);
    calls = 7;
    // A page that loads between two intervals must not hide changes from open pages.
    await advance(0.99);
    await feed.snapshot();
    const late = watch(feed);
    await advance(0.5);
    expect(early.messages.at(-1)?.panels.counters).toContain('<dd>7');
    expect(Object.keys(late.messages[0].panels).length).toBeGreaterThan(5);
  });

  it.each([-3_600_000, 3_600_000])(
    'tells rates and looks again by a clock that never steps, when the other does by %d ms',
    async (stepMs) => {
      const { messages } = watch(new DashboardFeed(source, INTERVAL_MS, logger));
      await advance(1);
      jest.setSystemTime(Date.now() + stepMs);
      const feed = new DashboardFeed(source, INTERVAL_MS, logger);
      await feed.snapshot();
      calls += 30;
      jest.setSystemTime(Date.now() + stepMs);
      await advance(1);
      const [{ perSecond }] = (await feed.snapshot()).tallies;
      expect(perSecond).toBeCloseTo(30_000 / INTERVAL_MS, 0);
      expect(messages).toHaveLength(3);
    },
  );

  it('returns the same snapshot to all requests within an interval', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    const both = await Promise.all([feed.snapshot(), feed.snapshot()]);
    expect(both[0]).toBe(both[1]);
    await advance(0.5);
    expect(await feed.snapshot()).toBe(both[0]);
    await advance(0.6);
    expect(await feed.snapshot()).not.toBe(both[0]);
    expect(looks).toBe(2);
  });

  it('logs a failed snapshot once, and goes on when the next one succeeds', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    const { messages } = watch(feed);
    await advance(0);
    fail = true;
    await advance(3);
    expect(warnings).toEqual(['Dashboard: snapshot failed (no answer)']);
    expect(messages).toHaveLength(1);
    fail = false;
    await advance(1);
    expect(messages).toHaveLength(2);
  });

  it('ends all streams when it is closed, and opens no new ones', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    const viewers = [watch(feed), watch(feed)];
    await advance(1);
    feed.close();
    expect(viewers.map(({ isOver }) => isOver())).toEqual([true, true]);
    expect(watch(feed).isOver()).toBe(true);
    await advance(3);
    expect([timers.size, feed.viewerCount]).toEqual([0, 0]);
  });

  it('takes a new snapshot after a change, also if one is being taken', async () => {
    const feed = new DashboardFeed(source, INTERVAL_MS, logger);
    await feed.snapshot();
    await feed.snapshot();
    expect(looks).toBe(1);
    feed.expire();
    calls = 1;
    const total = async () => (await feed.snapshot()).tallies[0].total;
    const early = total();
    while (looks < 2) await Promise.resolve();
    // Not the one before.
    expect(await Promise.all([early, total()])).toEqual([1, 1]);
    feed.expire();
    const next = total();
    while (looks < 3) await Promise.resolve();
    calls = 2;
    feed.expire();
    expect(await Promise.all([total(), total(), next.then(total)])).toEqual([2, 2, 2]);
    expect(looks).toBe(4);
    await feed.snapshot();
    expect(looks).toBe(4);
  });
});
