import { AttemptTimer, FarTimers } from './attempt-timer.js';

const HOUR_MS = 3_600_000;

describe('AttemptTimer', () => {
  let far: FarTimers;
  const heard: string[] = [];
  const timer = (wholeMs: number, firstChunkMs = Infinity, name = ''): AttemptTimer =>
    new AttemptTimer({ wholeMs, firstChunkMs }, { timeOut: (what) => heard.push(name + what) }, far);

  beforeEach(() => {
    jest.useFakeTimers();
    far = new FarTimers();
    heard.length = 0;
  });
  afterEach(() => void jest.useRealTimers());

  it.each([1, 5, 999, 1000, 1001, 1250, 1499, 5000, HOUR_MS])('tells after %p ms, no earlier and once', (ms) => {
    timer(ms);
    jest.advanceTimersByTime(ms - 1);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['answer']);
    jest.advanceTimersByTime(2 * HOUR_MS);
    expect(heard).toEqual(['answer']);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells of the first chunk and of the whole, each at its time', () => {
    timer(60_000, 5000);
    jest.advanceTimersByTime(4999);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(heard).toEqual(['first chunk']);
    jest.advanceTimersByTime(55_000);
    expect(heard).toEqual(['first chunk', 'answer']);
  });

  it.each([100, 5000])('is silent about a first chunk that has come, %p ms before the end of its time', (leftMs) => {
    const streamed = timer(HOUR_MS, 10_000);
    jest.advanceTimersByTime(10_000 - leftMs);
    streamed.firstChunk();
    jest.advanceTimersByTime(HOUR_MS - 10_001);
    expect(heard).toEqual([]);
    jest.advanceTimersByTime(10_001);
    expect(heard).toEqual(['answer']);
  });

  it('is silent once it is stopped, wherever it stands among others', () => {
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => timer(10_000, Infinity, `${name} `));
    for (const i of [0, 2, 4]) all[i].stop();
    all[2].stop();
    jest.advanceTimersByTime(9900);
    all[3].stop();
    jest.advanceTimersByTime(100);
    expect(heard).toEqual(['b answer']);
  });

  it('has one timer for all whose time is far off, and none when they are over', () => {
    const all = Array.from({ length: 50 }, () => timer(HOUR_MS));
    expect(jest.getTimerCount()).toBe(1);
    for (const each of all) each.stop();
    jest.advanceTimersByTime(250);
    expect(jest.getTimerCount()).toBe(0);
    timer(Infinity);
    timer(500).stop();
    jest.advanceTimersByTime(2 * HOUR_MS);
    expect(heard).toEqual([]);
  });

  it('has timers of its own, which keep the process, where it is told of no others', () => {
    new AttemptTimer({ wholeMs: HOUR_MS, firstChunkMs: 60_000 }, { timeOut: (what) => heard.push(what) });
    expect(jest.getTimerCount()).toBe(2);
    jest.advanceTimersByTime(HOUR_MS);
    expect(heard).toEqual(['first chunk', 'answer']);
  });
});
